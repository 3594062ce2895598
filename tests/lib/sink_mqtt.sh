# sink_mqtt.sh: the far side of an MQTT sink: mosquitto, and mosquitto_sub with a session that outlives both.
# Sourced after pair.sh; see sink_file.sh for what the functions are. The broker takes no packet over 256 KiB.
# FAR_VARIANT=tls: TLS with certificates of both sides, and a password.
FAR_PROMISE=least
FAR_REFUSES=yes
FAR_DOWN=yes

far_install_check() {
    local r=0 program
    PATH=$PATH:/usr/sbin
    for program in mosquitto mosquitto_sub mosquitto_passwd openssl; do
        command -v $program >/dev/null || { echo $program; r=1; }
    done
    return $r
}

# One authority, one certificate for the broker, one for the sink.
far_certificates() (
    cd "$WORK/far" || exit 1
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=far-authority 2>/dev/null
    for name in broker sink; do
        openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name 2>/dev/null
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 2 \
            -extfile <(echo "subjectAltName=IP:127.0.0.1") 2>/dev/null
    done
)

far_start() {
    PATH=$PATH:/usr/sbin
    mkdir -p "$WORK/far"
    chmod 755 "$WORK" "$WORK/far"
    FAR_PORT=$(free_port)
    FAR_TLS_PORT=$(free_port)
    cat >"$WORK/far/mosquitto.conf" <<CONF
per_listener_settings true
persistence true
persistence_location $WORK/far/
max_queued_messages 0
max_packet_size 262144
$([ "$(id -u)" = 0 ] && echo "user root")
listener $FAR_PORT 127.0.0.1
allow_anonymous true
CONF
    if [ "${FAR_VARIANT:-}" = tls ]; then
        far_certificates || return 1
        (umask 077; echo "a secret" >"$WORK/far/password")
        mosquitto_passwd -c -b "$WORK/far/passwords" firehosed "a secret" || return 1
        chmod 600 "$WORK/far/passwords"
        cat >>"$WORK/far/mosquitto.conf" <<CONF
listener $FAR_TLS_PORT 127.0.0.1
allow_anonymous false
password_file $WORK/far/passwords
cafile $WORK/far/ca.pem
certfile $WORK/far/broker.pem
keyfile $WORK/far/broker.key
require_certificate true
CONF
    fi
    far_up
    # the session is there before the first record, and stays
    far_subscribe -E || return 1
    mosquitto_sub -p "$FAR_PORT" -h 127.0.0.1 -V mqttv5 -x 4294967295 -c -i far-collector -q 1 -t '#' \
        >>"$WORK/far/records" 2>>"$WORK/far/sub.log" &
    PID[far_sub]=$!
}

far_subscribe() {
    mosquitto_sub -p "$FAR_PORT" -h 127.0.0.1 -V mqttv5 -x 4294967295 -c -i far-collector -q 1 -t '#' "$@"
}

far_sink() {
    if [ "${FAR_VARIANT:-}" = tls ]; then
        cat <<CONF
{ name = "out"; type = "mqtt"; servers = ( "mqtts://127.0.0.1:$FAR_TLS_PORT" ); user = "firehosed";
  password_file = "$WORK/far/password"; ca_file = "$WORK/far/ca.pem"; cert_file = "$WORK/far/sink.pem";
  key_file = "$WORK/far/sink.key"; timeout_ms = 10000; }
CONF
    else
        echo "{ name = \"out\"; type = \"mqtt\"; servers = ( \"mqtt://127.0.0.1:$FAR_PORT\" ); timeout_ms = 10000; }"
    fi
}

# Whole lines only: the subscriber may be writing one.
far_collect() {
    cp "$WORK/far/records" "$1" 2>/dev/null || : >"$1"
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then sed -i '$d' "$1"; fi
}

# It saves what its sessions have not been given yet.
far_down() {
    kill -TERM "${PID[far]}" && wait "${PID[far]}" 2>/dev/null
    unset "PID[far]"
    return 0
}

far_up() {
    mosquitto -c "$WORK/far/mosquitto.conf" >>"$WORK/far_server.log" 2>&1 &
    PID[far]=$!
    local until=$((SECONDS + 60))
    until (exec 3<>"/dev/tcp/127.0.0.1/$FAR_PORT") 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "mosquitto does not answer"
        sleep 0.05
    done
}
