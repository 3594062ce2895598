# sink_file.sh: the far side of a file sink: its directory, one per node. Sourced after pair.sh; far_sink and
# far_collect are what the tests of every sink use. FAR_VARIANT=zstd compresses.
FAR_PROMISE=exactly
FAR_REFUSES=no
FAR_DOWN=no # it is on this very host

far_install_check() {
    [ "${FAR_VARIANT:-}" != zstd ] || command -v zstdcat >/dev/null || { echo "zstd"; return 1; }
}

far_start() { mkdir -p "$WORK/far"; }

far_sink() {
    cat <<CONF
{ name = "out"; type = "file"; directory = "$WORK/far/$1"; roll_seconds = 1; compression = "${FAR_VARIANT:-none}"; }
CONF
}

# Names sort as they were made within one node; over both, by the time in the name.
far_collect() {
    local file
    for file in "$WORK/far"/[ab]/out-*.ndjson "$WORK/far"/[ab]/out-*.ndjson.zst; do
        if [ -e "$file" ]; then printf '%s %s\n' "${file##*/}" "$file"; fi
    done | sort | cut -d' ' -f2- | while read -r file; do
        case $file in *.zst) zstdcat "$file" ;; *) cat "$file" ;; esac
    done >"$1"
}

far_down() { echo "a file sink's far side does not go away" >&2; return 1; }
far_up() { far_down; }
