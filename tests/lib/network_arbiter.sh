# network_arbiter.sh: scenarios of network.sh with a third host that says who may lead: firehose-witness, or an
# etcd server as Debian has it. The same scenarios for both. Each runs in a shell of its own with $WORK to
# itself.

LEASE_MS=2000 # arbiter.ttl_ms, the default

witness_run() {
    ip netns exec "$NETWORK-w" setpriv --pdeathsig KILL "$BIN/firehose-witness" --config "$WORK/witness.conf" 2>>"$WORK/witness.log" &
    PID[arbiter]=$!
    wait_port 5571
}

etcd_run() {
    ip netns exec "$NETWORK-w" setpriv --pdeathsig KILL etcd --data-dir "$WORK/etcd" \
        --listen-client-urls "http://$ARBITER_ADDRESS:2379" --advertise-client-urls "http://$ARBITER_ADDRESS:2379" \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster default=http://127.0.0.1:2380 2>>"$WORK/etcd.log" &
    PID[arbiter]=$!
    wait_port 2379
}

wait_port() {
    local until=$((SECONDS + 60))
    until in_space w bash -c "exec 3<>/dev/tcp/$ARBITER_ADDRESS/$1" 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "the arbiter does not listen"
        sleep 0.1
    done
}

# arbiter_start witness|etcd: sets ARBITER, which node_config writes into both configurations.
arbiter_start() {
    case $1 in
    witness)
        [ -x "$BIN/firehose-witness" ] || fail "firehose-witness was not built"
        mkdir -p "$WORK/witness"
        "$BIN/firehosectl" keygen --secret "$WORK/witness.key" --public "$WORK/witness.pub" >/dev/null 2>&1 || fail "keygen"
        cat >"$WORK/witness.conf" <<CONF
witness: { listen = "tcp://$ARBITER_ADDRESS:5571"; secret_key_file = "$WORK/witness.key"; state_dir = "$WORK/witness";
           ttl_max_ms = $LEASE_MS; };
pairs:   ( { name = "test"; public_keys = ( "$(cat "$KEYS/a/public.key")", "$(cat "$KEYS/b/public.key")" ); } );
CONF
        ARBITER="arbiter:  { type = \"witness\"; addresses = ( \"tcp://$ARBITER_ADDRESS:5571\" );
            witness_public_key = \"$(cat "$WORK/witness.pub")\"; ttl_ms = $LEASE_MS; };"
        ;;
    etcd)
        command -v etcd >/dev/null || { result "not run: etcd is not installed (packaging/install-deps.sh test)"; exit 0; }
        ARBITER="arbiter:  { type = \"etcd\"; endpoints = ( \"http://$ARBITER_ADDRESS:2379\" ); ttl_ms = $LEASE_MS; };"
        ;;
    esac
    "$1_run"
}

arbiter_kill() { { kill -KILL "${PID[arbiter]}" && wait "${PID[arbiter]}"; } 2>/dev/null; unset 'PID[arbiter]'; }

# not_two SECONDS: asked again and again, never do both say that they lead.
not_two() {
    local until=$((SECONDS + $1)) leads='select(.role == "primary" and (.fenced | not)) | .epoch' before after
    while [ $SECONDS -lt $until ]; do
        # Of two that are asked one after the other the first may have lost the lead meanwhile.
        before=$(node_status a | jq "$leads")
        if [ -n "$before" ] && [ -n "$(node_status b | jq "$leads")" ]; then
            after=$(node_status a | jq "$leads")
            [ "$before" != "$after" ] || fail "both nodes lead"
        fi
        sleep 0.1
    done
}

# published NAME: how many files of events it has made visible.
published() { find "$WORK/$1/events" -name '*.ndjson*' ! -name '*.part' | wc -l; }

# led_alone PRIMARY: the link is cut and it publishes alone; then it dies. With prefer = "safety" the other one,
# who can ask the arbiter only, waits for it, and says why.
led_alone() {
    local alone=$1 waits before said
    waits=$(other "$alone")
    before=$(published "$alone")
    until [ "$(published "$alone")" -gt $((before + 1)) ]; do
        [ $SECONDS -lt $((ALONE_FROM + 90)) ] || fail "node $alone published nothing alone"
        sleep 0.1
    done
    node_signal "$alone" KILL
    wait_status "$waits" '.role == "standby" and (.role_reason | contains("led alone"))' 60
    ctl "$waits" history --json | jq -e '.history[-1] | .from == .to and (.reason | contains("promote --force"))' >/dev/null ||
        fail "its history does not say why it waits"
    said=$(ctl "$waits" promote 2>&1)
    [[ $said == *"delivered again"*"--force"* ]] || fail "promote does not say what it would cost: $said"
    node_start "$alone"
}

# The link is cut, both reach the arbiter: who holds the lease goes on alone. If it dies, it is waited for.
arbiter_split() {
    local ALONE_FROM
    arbiter_start "$1"
    pair_start 'prefer = "safety";'
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60 # at first it grants nothing to anybody
    if [ "$1" = witness ]; then # who stood still meanwhile, and wakes to find itself cut off, asks the arbiter too
        node_signal a STOP
        link cut
        sleep 1.1
        node_signal a CONT
    else
        link cut
    fi
    not_two 6
    ALONE_FROM=$SECONDS
    until primary=$(primary_of a b); [ -n "$primary" ]; do
        [ $SECONDS -lt $((ALONE_FROM + 60)) ] || fail "nobody leads although both reach the arbiter"
        sleep 0.1
    done
    led_alone "$primary"
    link heal
    wait_one_primary 60
    production_end
    balance 0
    result "link cut: one led alone, died and was waited for; $BALANCE"
}

# The arbiter dies and returns while the nodes hear each other: nothing changes.
arbiter_killed() {
    local changes delivered
    arbiter_start "$1"
    pair_start
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60 # at first it grants nothing to anybody
    changes=$(($(role_changes a) + $(role_changes b)))
    arbiter_kill
    wait_status a '.arbiter.reachable | not' 60
    sleep $((LEASE_MS / 1000 + 1)) # a lease that nobody renews is over by now
    delivered=$(node_value a .counters.delivered)
    wait_status a ".role == \"primary\" and (.fenced | not) and .counters.delivered > $delivered + 1000" 60
    "$1_run"
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60
    wait_pair_protected a b
    [ $(($(role_changes a) + $(role_changes b))) = $changes ] || fail "losing the arbiter changed a role"
    production_end
    balance 0
    result "arbiter lost and back: delivery went on, no change of role; $BALANCE"
}

# Neither reaches the other nor the arbiter: nobody publishes; afterwards all goes on.
arbiter_nobody() {
    local over late
    arbiter_start "$1"
    pair_start
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60 # at first it grants nothing to anybody
    link cut
    arbiter_cut a
    arbiter_cut b
    over=$(($(now_ns) + LEASE_MS * 1000000))
    sleep $((LEASE_MS / 1000 + 4))
    late="$(published_after a $over) $(published_after b $over)"
    [ "$late" = " " ] || { keep; fail "published without a right to: $late"; }
    arbiter_heal
    link heal
    wait_one_primary 60
    production_end
    balance 0
    result "nobody published while nobody could ask; then node $primary led; $BALANCE"
}

# The primary is cut from everybody: it stops by itself before the other begins.
arbiter_primary_alone() {
    local epoch last began
    arbiter_start "$1"
    pair_start
    wait_status a '.arbiter.reachable and .arbiter.lease_ms > 0' 60 # at first it grants nothing to anybody
    epoch=$(epoch_of a)
    link cut
    arbiter_cut a
    wait_status b '.role == "primary"' 60
    began=$(led_since b)
    wait_status b '.counters.delivered > 1000' 60
    sleep 2 # time for a to do what it must not
    last=$(last_publication a "$epoch") || exit 1
    [ "$last" -lt "$began" ] || { keep; fail "node a published $(milliseconds $((last - began))) ms after node b led"; }
    arbiter_heal
    link heal
    wait_one_primary 60
    [ "$primary" = b ] || fail "the role went back"
    production_end
    balance 0
    result "cut off, it published last $(milliseconds $((began - last))) ms before the other led; $BALANCE"
}

# The primary's host dies: what the lease costs.
arbiter_takeover() {
    local gone took
    arbiter_start "$1"
    pair_start
    primary=a standby=b
    for _ in 1 2 3; do # a machine that stands still may take longer once
        wait_status $primary '.arbiter.reachable and .arbiter.lease_ms > 0' 60 # at first it grants nothing to anybody
        gone=$(now_ns)
        ip -n "$NETWORK-$primary" link set link0 down
        node_signal $primary KILL
        wait_status $standby '.role == "primary"' 60
        took=$(milliseconds $(($(led_since $standby) - gone)))
        link_address $primary
        node_start $primary
        wait_one_primary
        [ "$took" -gt 3000 ] || break
    done
    [ "$took" -le 3000 ] || fail "primary only after $took ms"
    production_end
    balance 0
    result "host vanished: primary after $took ms with a lease of $LEASE_MS ms; $BALANCE"
}

# A bad network between the nodes, a good one to the arbiter.
arbiter_lossy() {
    local changes
    arbiter_start "$1"
    lossy
    production_end
    balance 0
    result "30 % loss, 0 to 200 ms for $FH_NETWORK_SECONDS s: $changes changes of the primary; $BALANCE"
}

scenario_witness_lossy() { arbiter_lossy witness; }
scenario_witness_split() { arbiter_split witness; }
scenario_witness_killed() { arbiter_killed witness; }
scenario_witness_nobody() { arbiter_nobody witness; }
scenario_witness_primary_alone() { arbiter_primary_alone witness; }
scenario_witness_takeover() { arbiter_takeover witness; }
scenario_etcd_split() { arbiter_split etcd; }
scenario_etcd_killed() { arbiter_killed etcd; }
scenario_etcd_nobody() { arbiter_nobody etcd; }
scenario_etcd_takeover() { arbiter_takeover etcd; }
scenario_etcd_primary_alone() { arbiter_primary_alone etcd; }
