# network_nats.sh: scenarios of network.sh with a NATS cluster of three servers as the far side, each in a network
# namespace of its own on a bridge in the service's. Each is a function scenario_NAME that runs in a shell of its
# own. See sink_nats.sh for one server alone.
#
#     a, b -- sim -- bridge nats0 (10.94.0.1) -- n1, n2, n3 (10.94.0.11 to 13)

NATS_COLLECT=$BIN/../tests/nats-collect

nats_url() { echo "nats://10.94.0.1$1:4222"; }

nats_possible() {
    command -v nats-server >/dev/null || skip "nats-server is not installed (packaging/install-deps.sh test)"
    [ -x "$NATS_COLLECT" ] || skip "$NATS_COLLECT was not built"
}

nats_network() {
    local name number
    in_space sim ip link add nats0 type bridge
    in_space sim ip address add 10.94.0.1/24 dev nats0
    in_space sim ip link set nats0 up
    in_space sim sysctl -qw net.ipv4.ip_forward=1
    for number in 1 2 3; do
        ip netns add "$NETWORK-n$number" || fail "cannot make a network namespace"
        ip -n "$NETWORK-n$number" link set lo up
        ip link add eth0 netns "$NETWORK-n$number" type veth peer name "n$number" netns "$NETWORK-sim"
        ip -n "$NETWORK-n$number" address add "10.94.0.1$number/24" dev eth0
        ip -n "$NETWORK-n$number" link set eth0 up
        ip -n "$NETWORK-n$number" route add default via 10.94.0.1
        ip -n "$NETWORK-sim" link set "n$number" master nats0 up
    done
    number=0
    for name in a b; do
        number=$((number + 1))
        ip -n "$NETWORK-$name" route add 10.94.0.0/24 via "10.97.$number.1"
    done
}

# nats_start NUMBER: also again, on what it had stored.
nats_start() {
    local number routes=""
    for number in 1 2 3; do routes+="${routes:+, }\"nats://10.94.0.1$number:6222\""; done
    mkdir -p "$WORK/n$1"
    cat >"$WORK/n$1/nats.conf" <<CONF
server_name: n$1
listen: 10.94.0.1$1:4222
jetstream: { store_dir: "$WORK/n$1/store", max_mem: 64MB, max_file: 4GB }
cluster: { name: far, listen: "10.94.0.1$1:6222", routes: [$routes] }
CONF
    ip netns exec "$NETWORK-n$1" setpriv --pdeathsig KILL nats-server -c "$WORK/n$1/nats.conf" >>"$WORK/n$1.log" 2>&1 &
    PID[n$1]=$!
}

# nats_ask ARGUMENTS...: nats-collect at whichever server answers.
nats_ask() {
    local number
    for number in 1 2 3; do
        in_space sim timeout 20 "$NATS_COLLECT" "${@:1:$#-1}" "$(nats_url $number)" "${!#}" 2>/dev/null && return
    done
    return 1
}

nats_ready() {
    local until=$((SECONDS + 60))
    until nats_ask NO_SUCH_STREAM; do
        [ $SECONDS -lt $until ] || fail "the NATS cluster does not come up"
        sleep 0.2
    done
}

# nats_leader: sets LEADER, the number of the server that leads the stream, once both others follow closely:
# of three servers one at a time may be missing.
nats_leader() {
    local until=$((SECONDS + 90)) answer
    until answer=$(nats_ask --leader FIREHOSE) && [[ $answer == n[123]\ 2 ]]; do
        [ $SECONDS -lt $until ] || fail "the stream has no leader with two followers: ${answer:-no answer}"
        sleep 0.2
    done
    LEADER=${answer:1:1}
}

nats_configure() {
    local name
    for name in a b; do
        node_config $name $([ $name = a ] && echo 1 true || echo 2 false)
        sed -i '/^sinks:/d' "$WORK/$name/firehosed.conf"
        cat >>"$WORK/$name/firehosed.conf" <<CONF
sinks:    ( { name = "out"; type = "nats"; servers = ( "$(nats_url 1)", "$(nats_url 2)", "$(nats_url 3)" );
              stream_replicas = 3; timeout_ms = 2000; } );
CONF
    done
}

# A server that has just come back lags behind the others, and may be the one that is read from: what is missing
# there is looked for again, for at most 90 s. What is there twice or does not belong there stays so.
nats_balance() {
    local until=$((SECONDS + 90))
    mkdir -p "$WORK/visible"
    sim_get /sim/ledger >"$WORK/ledger.txt"
    while :; do
        if nats_ask FIREHOSE >"$WORK/visible/all.ndjson"; then
            BALANCE=$("$BIN/firehose-ledger" --ledger "$WORK/ledger.txt" --show 10 "$WORK/visible" | tee "$WORK/balance.txt" | grep '^sent')
            [[ $BALANCE == *', lost 0, duplicated 0, foreign 0' ]] && return
            [[ $BALANCE == *', duplicated 0, foreign 0' ]] && [ $SECONDS -lt $until ] ||
                { cat "$WORK/balance.txt" >&2; keep; fail "promised exactly once: $BALANCE"; }
        else
            [ $SECONDS -lt $until ] || fail "the stream cannot be read"
        fi
        sleep 1
    done
}

nats_begin() {
    local number
    nats_possible
    service_start
    arbiter_start witness
    nats_network
    for number in 1 2 3; do nats_start $number; done
    nats_ready
    nats_configure
    node_start a
    node_start b
    wait_a_leads
    sim_post /sim/start >/dev/null
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60
    flows a
    nats_leader
}

nats_end() {
    sim_post /sim/stop >/dev/null
    wait_one_primary 60
    wait_delivered 90 a b
    nats_balance
    nodes_end a b
    nats_balance
    result "promised once, exactly; $BALANCE"
}

# The server that leads the stream, and our primary, at the same moment.
nats_both_die() {
    local killed=n$LEADER
    node_signal "$killed" KILL
    node_signal a KILL
    wait_status b '.role == "primary"' 60
    flows b
    nats_start "${killed#n}"
    node_start a
    wait_pair_protected b a 60
}

# The leader is cut off, and goes on believing that it leads, while our primary is stopped.
nats_cut_and_stop() {
    in_space sim ip link set "n$LEADER" down
    node_signal "$1" STOP
    wait_status "$2" '.role == "primary"' 60
    flows "$2"
    node_signal "$1" CONT
    in_space sim ip link set "n$LEADER" up
    wait_one_primary 60
    flows "$primary"
}

nats_leader_dies() {
    local killed=n$LEADER
    node_signal "$killed" KILL
    flows "$primary"
    nats_start "${killed#n}"
}

scenario_nats_cluster() { nats_begin; nats_both_die; nats_end; }
scenario_nats_cluster_cut() { nats_begin; nats_cut_and_stop a b; nats_end; }

# One after the other. Not a test of ours alone: nats-server 2.9.10 now and then acknowledges one sequence for two
# messages when its leader dies under load, and loses one of them when yet another server leads.
scenario_nats_cluster_again() {
    nats_begin
    nats_both_die
    nats_leader
    nats_cut_and_stop b a
    nats_leader
    nats_leader_dies
    nats_end
}
