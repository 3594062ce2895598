# sink_kafka.sh: the far side of a Kafka sink. Sourced after pair.sh; see sink_file.sh for what the functions are.
#
# KAFKA_SERVERS=HOST:PORT,... is a real cluster (tests/external/kafka.sh), with KAFKA_PROPERTIES, one NAME=VALUE per
# line, and topics it makes by itself; else tests/tools/kafka-broker.py. FAR_VARIANT=pattern: a topic per type.
FAR_PROMISE=exactly
FAR_REFUSES=yes
FAR_DOWN=yes
[ -z "${KAFKA_SERVERS:-}" ] || FAR_DOWN=no
FAR_TOOLS=$(dirname "$BIN")/tests

far_install_check() {
    local r=0
    [ -x "$FAR_TOOLS/kafka-collect" ] || { echo "kafka-collect (a build with the Kafka sink)"; r=1; }
    [ -n "${KAFKA_SERVERS:-}" ] || command -v /usr/bin/python3 >/dev/null || { echo "/usr/bin/python3"; r=1; }
    return $r
}

far_start() {
    mkdir -p "$WORK/far"
    FAR_TOPIC=firehosed-test-$$-$RANDOM
    FAR_SERVERS=${KAFKA_SERVERS:-}
    [ -z "$FAR_SERVERS" ] || return 0
    /usr/bin/python3 -B tests/tools/kafka-broker.py --max-message-bytes 300000 >"$WORK/far/out" 2>>"$WORK/far_server.log" &
    PID[far]=$!
    wait_log "$WORK/far/out" 'listening on' 20
    FAR_SERVERS=$(sed -n 's/^listening on //p' "$WORK/far/out")
}

far_sink() {
    local properties=() line topic=$FAR_TOPIC
    [ "${FAR_VARIANT:-}" != pattern ] || topic="$FAR_TOPIC.{tenant}.{type}"
    while read -r line; do
        [ -z "$line" ] || properties+=("\"$line\"")
    done <<<"${KAFKA_PROPERTIES:-}"
    # a poisoned record is larger than this
    [ -z "${KAFKA_SERVERS:-}" ] || properties+=('"message.max.bytes=300000"')
    cat <<CONF
{ name = "out"; type = "kafka"; servers = ( "${FAR_SERVERS//,/\", \"}" ); topic = "$topic";
  transactional_id = "$FAR_TOPIC"; timeout_ms = 3000;
  properties = ( $(IFS=,; echo "${properties[*]}") ); }
CONF
}

far_collect() {
    local line arguments=()
    while read -r line; do
        [ -z "$line" ] || arguments+=(-X "$line")
    done <<<"${KAFKA_PROPERTIES:-}"
    "$FAR_TOOLS/kafka-collect" "${arguments[@]}" "$FAR_SERVERS" "$FAR_TOPIC${FAR_VARIANT:+.t.T}" "$1.new" && mv "$1.new" "$1"
}

far_down() { kill -USR1 "${PID[far]}"; }
far_up() { kill -USR2 "${PID[far]}"; }
