# zeromq_far.sh: what the far sides of the ZeroMQ sink have in common: zmq-collect, connected to both nodes.
# Sourced by sink_zeromq_*.sh, which set FAR_PATTERN (of the sink) and FAR_SOCKET (of the collector).
# FAR_VARIANT=curve: with keys. FAR_VARIANT=python (dealer): the program of the manual page instead.
FAR_REFUSES=no
FAR_COLLECT=${FAR_COLLECT:-$BIN/../tests/zmq-collect}

far_install_check() {
    [ -x "$FAR_COLLECT" ] || { echo "zmq-collect (build the tests)"; return 1; }
    [ "${FAR_VARIANT:-}" != python ] || /usr/bin/python3 -c 'import zmq' 2>/dev/null || { echo python3-zmq; return 1; }
}

far_start() {
    local name
    mkdir -p "$WORK/far"
    declare -gA FAR_PORT=([a]=$(free_port) [b]=$(free_port))
    FAR_KEYS=()
    if [ "${FAR_VARIANT:-}" = curve ]; then
        for name in server consumer; do
            "$BIN/firehosectl" keygen --secret "$WORK/far/$name.key" --public "$WORK/far/$name.pub" >/dev/null 2>&1 || return 1
        done
        FAR_KEYS=(--server-key "$(cat "$WORK/far/server.pub")" --secret-file "$WORK/far/consumer.key")
    fi
    far_up
}

far_sink() {
    local keys=
    [ ${#FAR_KEYS[@]} = 0 ] ||
        keys="secret_key_file = \"$WORK/far/server.key\"; client_keys = ( \"$(cat "$WORK/far/consumer.pub")\" );"
    cat <<CONF
{ name = "out"; type = "zeromq"; pattern = "$FAR_PATTERN"; listen = "tcp://127.0.0.1:${FAR_PORT[$1]}"; $keys }
CONF
}

# Whole lines only: the collector may be writing one.
far_collect() {
    cp "$WORK/far/records" "$1" 2>/dev/null || : >"$1"
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then sed -i '$d' "$1"; fi
}

# A consumer that confirms loses nothing. One that does not takes along what it has received, so it may only
# leave when nothing is being sent.
far_down() {
    kill -TERM "${PID[far]}" && wait "${PID[far]}" 2>/dev/null
    unset "PID[far]"
    return 0
}

far_up() {
    local program=("$FAR_COLLECT" "$FAR_SOCKET") options=(--frames "$WORK/far/frames" "${FAR_KEYS[@]}")
    if [ "${FAR_VARIANT:-}" = python ]; then
        program=(/usr/bin/python3 tests/interop/zeromq_consumer.py) options=()
    fi
    "${program[@]}" "$WORK/far/records" "tcp://127.0.0.1:${FAR_PORT[a]}" "tcp://127.0.0.1:${FAR_PORT[b]}" \
        "${options[@]}" 2>>"$WORK/far/log" &
    PID[far]=$!
}
