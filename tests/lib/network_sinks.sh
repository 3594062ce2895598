# network_sinks.sh: scenarios of network.sh in which the events go to a sink of some other type than file, on a
# far side in the service's network, with a witness. Each is a function scenario_NAME that runs in a shell of
# its own. tests/lib/sink_TYPE.sh says what the far side is and what is promised.
#
# The far sides listen on 127.0.0.1 of the service's network. The nodes reach them under that address, too: it is
# rewritten on the way, so that a broker may announce where it listens. Where a node listens instead, what
# connects to its port on 127.0.0.1 reaches the node.

# far ORDER...: see tests/contract/far_side.sh, which runs in the service's network.
far() {
    local answer
    echo "$*" >&"$FAR_ORDERS"
    read -r -t 120 -u "$FAR_ANSWERS" answer || fail "the far side does not answer to: $*"
    case $answer in ok*) FAR_ANSWER=${answer#ok} ;; *) fail "far side: $*: $answer" ;; esac
}

# Its shell ends with its orders, and ends what it started.
far_end() { [ -z "${FAR_ORDERS:-}" ] || exec {FAR_ORDERS}>&-; }

# rewrite SPACE CHAIN MATCH... TARGET: TCP only.
rewrite() { in_space "$1" iptables -t nat -A "$2" -p tcp "${@:3:$#-3}" -j DNAT --to-destination "${!#}"; }

far_network() {
    local name number=0
    in_space sim sysctl -qw net.ipv4.conf.all.route_localnet=1
    rewrite sim PREROUTING -d $SIM_ADDRESS ! --dport 8443 127.0.0.1
    for name in a b; do
        in_space $name sysctl -qw net.ipv4.conf.all.route_localnet=1
        rewrite $name OUTPUT -d 127.0.0.1 ! -s 127.0.0.2 $SIM_ADDRESS
        in_space $name iptables -t nat -A POSTROUTING -s 127.0.0.1 -o eth0 -j MASQUERADE
    done
}

# far_port NAME PORT: the node listens there on its 127.0.0.1.
far_port() {
    local address=10.97.1.2
    [ "$1" = a ] || address=10.97.2.2
    in_space "$1" iptables -t nat -I OUTPUT -p tcp -d 127.0.0.1 --dport "$2" -j ACCEPT
    rewrite "$1" PREROUTING -d $address --dport "$2" 127.0.0.1
    rewrite sim OUTPUT -d 127.0.0.1 --dport "$2" $address
    in_space sim iptables -t nat -A POSTROUTING -s 127.0.0.1 -d $address -j MASQUERADE
}

# The far side and the nodes' configurations: their file sink gives way to the one under test.
far_begin() {
    local name port
    mkdir -p "$WORK/far.place"
    mkfifo "$WORK/far.orders" "$WORK/far.answers"
    ip netns exec "$NETWORK-sim" tests/contract/far_side.sh "$1" "$WORK/far.place" \
        <"$WORK/far.orders" >"$WORK/far.answers" 2>"$WORK/far.log" &
    exec {FAR_ORDERS}>"$WORK/far.orders" {FAR_ANSWERS}<"$WORK/far.answers"
    far check
    far promise
    read -r PROMISE _ FAR_GOES_DOWN <<<"$FAR_ANSWER"
    far_network
    far start
    for name in a b; do
        node_config $name $([ $name = a ] && echo 1 true || echo 2 false)
        far sink $name "$WORK/$name/sink"
        port=$(sed -n 's,.*listen = "tcp://127\.0\.0\.1:\([0-9]*\)".*,\1,p' "$WORK/$name/sink" | sed -n 1p)
        [ -z "$port" ] || far_port $name "$port"
        { sed '/^sinks:/d' "$WORK/$name/firehosed.conf"; echo "sinks: ("; cat "$WORK/$name/sink"; echo ");"; } >"$WORK/$name/new"
        mv "$WORK/$name/new" "$WORK/$name/firehosed.conf"
    done
}

# far_balance: what is visible at the far side against what was sent; for at most 60 s more.
far_balance() {
    local until=$((SECONDS + 60)) good
    mkdir -p "$WORK/visible"
    sim_get /sim/ledger >"$WORK/ledger.txt"
    while :; do
        far collect "$WORK/visible/all.ndjson"
        BALANCE=$("$BIN/firehose-ledger" --ledger "$WORK/ledger.txt" --show 10 "$WORK/visible" | tee "$WORK/balance.txt" | grep '^sent')
        case $PROMISE in
        exactly) good=', lost 0, duplicated 0, foreign 0' ;;
        least) good=', lost 0, duplicated [0-9]*, foreign 0' ;;
        most) good=', lost [0-9]*, duplicated 0, foreign 0' ;;
        esac
        [[ $BALANCE =~ $good ]] && return
        [ $SECONDS -lt $until ] || { cat "$WORK/balance.txt" >&2; keep; fail "promised once, $PROMISE: $BALANCE"; }
        sleep 0.5
    done
}

# isolate NAME: neither the peer nor the arbiter nor the service nor the far side hears it, and it hears nobody.
isolate() {
    link cut
    arbiter_cut "$1"
    in_space sim iptables -I INPUT -i "to-$1" -j DROP
    in_space sim iptables -I OUTPUT -o "to-$1" -j DROP
}

isolation_ends() {
    in_space sim iptables -F INPUT
    in_space sim iptables -F OUTPUT
    arbiter_heal
    link heal
}

flows() {
    local delivered
    delivered=$(node_value "$1" .counters.delivered)
    wait_status "$1" ".counters.delivered > $delivered + 500" 60
}

# SIGKILL, SIGSTOP and back as a zombie, isolation, each of the primary and under load; then the far side away.
sink_failover() {
    RATE=${RATE:-1000}
    service_start
    arbiter_start witness
    far_begin "$1"
    node_start a
    node_start b
    wait_a_leads
    sim_post /sim/start >/dev/null
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60
    flows a

    node_signal a KILL
    wait_status b '.role == "primary"' 60
    flows b
    node_start a
    wait_pair_protected b a 60

    node_signal b STOP
    wait_status a '.role == "primary"' 60
    flows a
    node_signal b CONT
    wait_one_primary 60
    [ "$primary" = a ] || fail "the woken node leads again"
    flows a

    isolate a
    wait_status b '.role == "primary"' 60
    flows b
    isolation_ends
    wait_one_primary 60

    if [ "$FAR_GOES_DOWN" = yes ]; then
        far down
        sleep 3 # long enough for batches to pile up; nothing else changes
        far up
        flows "$primary"
    fi
    sim_post /sim/stop >/dev/null
    wait_one_primary 60
    wait_delivered 90 a b
    far_balance
    nodes_end a b
    far_balance
    result "promised once, $PROMISE; $BALANCE"
}

scenario_sink_file() { sink_failover file; }
scenario_sink_kafka() { sink_failover kafka; }
scenario_sink_nats() { sink_failover nats; }
scenario_sink_mqtt() { sink_failover mqtt; }
scenario_sink_webhook() { sink_failover webhook; }
scenario_sink_command() { sink_failover command; }
scenario_sink_zeromq_push() { sink_failover zeromq_push; }
scenario_sink_zeromq_dealer() { sink_failover zeromq_dealer; }
scenario_sink_zeromq_pub() { sink_failover zeromq_pub; }
