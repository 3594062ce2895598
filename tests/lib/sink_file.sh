# sink_file.sh: the far side of a file sink: its directory, one per node. Sourced after pair.sh; far_sink and
# far_collect are what the tests of every sink use.
#
# far_down moves the directory away, as when a mount is gone, and leaves a file in its place.
FAR_PROMISE=exactly

far_install_check() { return 0; }

far_start() { mkdir -p "$WORK/far"; }

far_sink() {
    cat <<CONF
{ name = "out"; type = "file"; directory = "$WORK/far/$1"; roll_seconds = 1; }
CONF
}

# Names sort as they were made within one node; over both, by the time in the name.
far_collect() {
    local file
    for file in "$WORK/far"/[ab]/out-*.ndjson "$WORK/far"/[ab].away/out-*.ndjson; do
        [ -e "$file" ] && printf '%s %s\n' "${file##*/}" "$file"
    done | sort | cut -d' ' -f2- | xargs -r -d '\n' cat >"$1"
}

far_down() {
    local node
    for node in a b; do
        if [ -d "$WORK/far/$node" ]; then
            mv "$WORK/far/$node" "$WORK/far/$node.away" && : >"$WORK/far/$node"
        fi
    done
}

far_up() {
    local node
    for node in a b; do
        if [ -d "$WORK/far/$node.away" ]; then
            rm -f "$WORK/far/$node" && mv "$WORK/far/$node.away" "$WORK/far/$node"
        fi
    done
}
