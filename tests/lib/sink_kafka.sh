# sink_kafka.sh: the far side of a Kafka sink. Sourced after pair.sh; see sink_file.sh for what the functions are.
#
# KAFKA_SERVERS=HOST:PORT,... is a real cluster (tests/external/kafka.sh, which says what KAFKA_PROPERTIES, KAFKA_USER,
# KAFKA_PASSWORD_FILE and KAFKA_TOPIC are); else tests/tools/kafka-broker.py. FAR_VARIANT=pattern: a topic per type.
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
    FAR_TOPIC=${KAFKA_TOPIC:-firehosed-test-$$-$RANDOM}
    FAR_SERVERS=${KAFKA_SERVERS:-}
    [ -z "$FAR_SERVERS" ] || return 0
    /usr/bin/python3 -B tests/tools/kafka-broker.py --max-message-bytes 300000 >"$WORK/far/out" 2>>"$WORK/far_server.log" &
    PID[far]=$!
    wait_log "$WORK/far/out" 'listening on' 60
    FAR_SERVERS=$(sed -n 's/^listening on //p' "$WORK/far/out")
}

far_sink() {
    local properties=() line login= topic=$FAR_TOPIC
    [ "${FAR_VARIANT:-}" != pattern ] || topic="$FAR_TOPIC.{tenant}.{type}"
    while read -r line; do
        [ -z "$line" ] || properties+=("\"$line\"")
    done <<<"${KAFKA_PROPERTIES:-}"
    # A poisoned record is larger than this: here the cluster refuses it, at a real one librdkafka does. What a
    # request holds must be below the cluster's limit.
    properties+=('"batch.size=250000"')
    [ -z "${KAFKA_SERVERS:-}" ] || properties+=('"message.max.bytes=300000"')
    [ -z "${KAFKA_USER:-}" ] || login="user = \"$KAFKA_USER\"; password_file = \"$KAFKA_PASSWORD_FILE\";"
    cat <<CONF
{ name = "out"; type = "kafka"; servers = ( "${FAR_SERVERS//,/\", \"}" ); topic = "$topic";
  transactional_id = "$FAR_TOPIC"; timeout_ms = 3000; $login
  properties = ( $(IFS=,; echo "${properties[*]}") ); }
CONF
}

far_collect() {
    local line arguments=()
    while read -r line; do
        [ -z "$line" ] || arguments+=(-X "$line")
    done <<<"${KAFKA_PROPERTIES:-}"
    # from a file, so that no process shows it
    [ -z "${KAFKA_USER:-}" ] || arguments+=(-X "sasl.username=$KAFKA_USER" -p "$KAFKA_PASSWORD_FILE")
    "$FAR_TOOLS/kafka-collect" "${arguments[@]}" "$FAR_SERVERS" "$FAR_TOPIC${FAR_VARIANT:+.t.T}" "$1.new" && mv "$1.new" "$1"
}

far_down() { kill -USR1 "${PID[far]}"; }
far_up() { kill -USR2 "${PID[far]}"; }
