# sink_webhook.sh: the far side of a webhook sink: tests/tools/webhook-server.py over TLS. Sourced after pair.sh;
# see sink_file.sh for what the functions are. FAR_VARIANT=array: bodies are JSON arrays.
FAR_PROMISE=least
FAR_REFUSES=yes
FAR_DOWN=yes

far_install_check() {
    local program r=0
    for program in /usr/bin/python3 openssl; do
        command -v "$program" >/dev/null || { echo "$program"; r=1; }
    done
    return $r
}

far_start() {
    mkdir -p "$WORK/far"
    FAR_PORT=${FAR_PORT:-0}
    rm -f "$WORK/far/out" # what the one before said
    /usr/bin/python3 -B tests/tools/webhook-server.py --dir "$WORK/far" --port "$FAR_PORT" --refuse poison \
        >"$WORK/far/out" 2>>"$WORK/far_server.log" &
    PID[far]=$!
    wait_log "$WORK/far/out" 'listening on' 60
    FAR_PORT=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\)$/\1/p' "$WORK/far/out")
}

far_sink() {
    local body=ndjson
    [ "${FAR_VARIANT:-}" = array ] && body=array
    cat <<CONF
{ name = "out"; type = "webhook"; url = "https://127.0.0.1:$FAR_PORT/in"; ca_file = "$WORK/far/ca.pem";
  body = "$body"; timeout_ms = 2000; }
CONF
}

far_collect() { cp "$WORK/far/records.ndjson" "$1"; }

far_down() {
    kill -KILL "${PID[far]}" && wait "${PID[far]}" 2>/dev/null
    unset "PID[far]"
}

far_up() { far_start; }
