# sink_nats.sh: the far side of a NATS sink: one nats-server with JetStream on disk. Sourced after pair.sh; see
# sink_file.sh for what the functions are. max_payload is lowered, so that the suite's large record is refused.
FAR_PROMISE=exactly
FAR_REFUSES=yes
FAR_DOWN=yes
NATS_COLLECT=$BIN/../tests/nats-collect

far_install_check() {
    local r=0
    command -v nats-server >/dev/null || { echo nats-server; r=1; }
    [ -x "$NATS_COLLECT" ] || { echo "nats-collect (FH_NATS=ON)"; r=1; }
    return $r
}

far_start() {
    mkdir -p "$WORK/far"
    FAR_PORT=${FAR_PORT:-$(free_port)}
    cat >"$WORK/far/nats.conf" <<CONF
listen: 127.0.0.1:$FAR_PORT
server_name: far
max_payload: 262144
jetstream: { store_dir: "$WORK/far/store", max_mem: 64MB, max_file: 4GB }
CONF
    nats-server -c "$WORK/far/nats.conf" >>"$WORK/far_server.log" 2>&1 &
    PID[far]=$!
    far_answers
}

# Ready for JetStream, not only for connections.
far_answers() {
    local until=$((SECONDS + 60))
    until "$NATS_COLLECT" "nats://127.0.0.1:$FAR_PORT" NO_SUCH_STREAM >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "nats-server does not answer"
        sleep 0.1
    done
}

far_sink() {
    cat <<CONF
{ name = "out"; type = "nats"; servers = ( "nats://127.0.0.1:$FAR_PORT" ); stream_replicas = 1; timeout_ms = 2000; }
CONF
}

# Again when the server was too slow for it; it shows all or nothing.
far_collect() {
    local until=$((SECONDS + 60))
    until "$NATS_COLLECT" "nats://127.0.0.1:$FAR_PORT" FIREHOSE >"$1"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.2
    done
}

far_down() {
    kill -KILL "${PID[far]}" && wait "${PID[far]}" 2>/dev/null
    unset "PID[far]"
}

far_up() { far_start; }
