# network_roles.sh: scenarios of network.sh in which a node stops, vanishes, starts, or is told what to do. Each
# is a function scenario_NAME that runs in a shell of its own, with $WORK to itself.

# The primary sleeps and wakes: from the moment the other leads it publishes nothing.
scenario_zombie() {
    local promoted late stopped file
    pair_start
    node_signal a STOP
    stopped=$(date +%s) # nothing is written from then on
    wait_status b '.role == "primary"' 60
    promoted=$(led_since b)
    sleep 5
    node_signal a CONT
    wait_one_primary 60
    [ "$primary" = b ] || fail "the woken node leads again"
    late=$(published_after a "$promoted")
    production_end
    balance 0
    # One batch may wait for its rename alone: written before the stop, and confirmed, so that the other node
    # counts it as delivered by this one. Nothing newer, and no second one.
    for file in $late; do
        [ "$(stat -c %W "$WORK/a/events/$file")" -le "$stopped" ] || { keep; fail "node a published after node b led: $late"; }
    done
    [ "$(wc -w <<<"$late")" -le 1 ] || { keep; fail "node a published after node b led: $late"; }
    result "stopped for 5 s, woken: nothing of its own published after the other led; $BALANCE"
}

# vanishes: the host of the primary does, and comes back as standby. Sets took and delivered.
vanishes() {
    local gone number=1
    [ $primary = a ] || number=2
    gone=$(now_ns)
    ip -n "$NETWORK-$primary" link set link0 down
    ip -n "$NETWORK-$primary" link set eth0 down
    node_signal $primary KILL
    wait_status $standby '.role == "primary"' 60
    took=$(milliseconds $(($(led_since $standby) - gone)))
    delivered=$(milliseconds $(($(first_birth $standby "$(epoch_of $standby)") - gone)))
    ip -n "$NETWORK-$primary" link set eth0 up
    ip -n "$NETWORK-$primary" route replace $SIM_ADDRESS via 10.97.$number.1
    link_address $primary
    node_start $primary
    wait_one_primary
}

# Three seconds are promised. A machine that stands still may take longer once; what takes longer thrice is ours.
scenario_host_vanishes() {
    local took delivered
    pair_start
    primary=a standby=b
    for _ in 1 2 3; do
        vanishes
        [ "$took" -gt 3000 ] || [ "$delivered" -gt 3000 ] || break
    done
    [ "$took" -le 3000 ] && [ "$delivered" -le 3000 ] ||
        fail "takeover took $took ms, first event after $delivered ms: more than 3000 ms"
    production_end
    balance 0
    result "primary after $took ms, first event delivered after $delivered ms; $BALANCE"
}

# Both at once, five times from nothing, the preferred one now a and now b.
scenario_start_together() {
    local round unprotected
    service_start
    for round in 1 2 3 4 5; do
        primary=a standby=b
        [ $((round % 2)) = 0 ] && primary=b standby=a
        rm -rf "$WORK"/[ab]
        node_config $primary 1 true "$PATIENT"
        node_config $standby 2 false "$PATIENT"
        # in turns the other way round, so that no order of starting decides
        if [ "$round" -le 2 ]; then node_start $primary; node_start $standby; else node_start $standby; node_start $primary; fi
        wait_pair_protected $primary $standby
        [ "$(role_changes $primary)/$(role_changes $standby)" = 2/1 ] ||
            fail "round $round: more than one change to lead or follow: $(ctl $primary history) $(ctl $standby history)"
        [ "$round" = 5 ] || for name in a b; do node_signal $name KILL; done
    done
    unprotected=$(grep -c '\[unprotected\]' "$WORK/$primary.log")
    sim_post /sim/start >/dev/null
    wait_status $primary '.counters.delivered > 2000' 60
    [ "$(grep -c '\[unprotected\]' "$WORK/$primary.log")" = "$unprotected" ] ||
        fail "the first events ended the protection: $(tail -n 20 "$WORK/$standby.log")"
    production_end
    balance 0
    result "5 times one primary, the preferred one; $BALANCE"
}

# The primary dies while the first events of all come in, which the standby begins to receive at another place.
scenario_first_events() {
    local after
    service_start
    node_config a 1 true
    node_config b 2 false
    node_start a
    node_start b
    wait_a_leads
    after=$((SEED % 12))
    sim_post /sim/start >/dev/null
    sleep $((after / 10)).$((after % 10))
    node_signal a KILL
    wait_status b '.role == "primary"' 60
    node_start a
    wait_pair_protected b a 60
    wait_status b '.counters.delivered > 2000' 60
    production_end
    balance 0
    result "killed ${after}00 ms after the first event; $BALANCE"
}

scenario_start_alone() {
    local round gone took
    service_start
    node_config a 1 true 'join_timeout_ms = 1500; prefer = "safety";'
    node_config b 2 false 'join_timeout_ms = 1500;'
    node_start a
    sleep 4 # well past the time to join
    holds a '.role == "starting" or .role == "standby"'
    node_signal a KILL
    rm -rf "$WORK/a/state"
    for round in 1 2 3; do # a machine that stands still makes it late once
        gone=$(now_ns)
        node_start b
        wait_status b '.role == "primary"' 60
        took=$(milliseconds $(($(led_since b) - gone)))
        [ "$took" -gt 4000 ] && [ $round -lt 3 ] || break
        node_signal b KILL
        rm -rf "$WORK/b/state"
    done
    [ "$took" -ge 1500 ] && [ "$took" -le 4000 ] || fail "alone and primary after $took ms instead of 1500"
    sim_post /sim/start >/dev/null
    node_start a
    wait_pair_protected b a 60
    wait_status b '.counters.delivered > 2000' 60
    production_end
    balance 0
    result "alone: prefer = safety waits, availability leads after $took ms (1500 asked for); $BALANCE"
}

# Planned hand-overs under load, in both directions.
scenario_switchover() {
    local worst pauses
    RATE=${SWITCHOVER_RATE:-5000} pair_start
    primary=a
    for _ in 1 2 3; do # a machine that stands still makes one pause longer, and not again and again
        switchovers
        [ "$worst" -gt 500 ] || break
    done
    [ "$worst" -le 500 ] || fail "the pauses of delivery were ${pauses[*]} ms: more than 500 ms"
    production_end
    balance 0
    result "${#pauses[@]} times at ${SWITCHOVER_RATE:-5000} events/s, pauses ${pauses[*]} ms; $BALANCE"
}

# switchovers: to and fro. Sets worst and pauses.
switchovers() {
    local round epoch pause
    worst=0 pauses=()
    for round in $(seq $((2 * ${SWITCHOVERS:-5}))); do
        epoch=$(epoch_of $primary)
        ctl $primary switchover --wait >"$WORK/switchover.txt" 2>&1 || fail "switchover $round: $(cat "$WORK/switchover.txt")"
        standby=$primary primary=$(other $primary)
        wait_status $primary '.role == "primary"' 60
        pause=$(milliseconds $(($(first_birth $primary "$(epoch_of $primary)") - $(last_publication $standby "$epoch"))))
        pauses+=("$pause")
        [ "$pause" -le $worst ] || worst=$pause
        wait_pair_protected $primary $standby 60
    done
}

scenario_maintenance() {
    pair_start
    ctl b maintenance on >"$WORK/maintenance.txt" 2>&1 || fail "maintenance on: $(cat "$WORK/maintenance.txt")"
    node_signal a KILL
    sleep 3 # twice what silence takes to be noticed
    holds b '.role == "standby" and .maintenance'
    ctl b maintenance off >"$WORK/maintenance.txt" 2>&1 || fail "maintenance off: $(cat "$WORK/maintenance.txt")"
    wait_status b '.role == "primary"' 60
    node_start a
    wait_pair_protected b a 60
    production_end
    balance 0
    result "in maintenance it does not lead, afterwards it does; $BALANCE"
}

# Both use the same replica of the service: no pair, said loudly and calmly, until one of them is mended.
scenario_same_replica() {
    local changes round
    service_start
    node_config a 1 true
    node_config b 1 false
    node_start a
    node_start b
    wait_status a '.peer.refused | test("replica_id")' 60
    wait_status b '.peer.refused | test("replica_id")' 60
    for name in a b; do
        wait_log "$WORK/$name.log" 'replica_id = 1' 60
        node_value $name .peer.refused >"$WORK/refused-$name.txt"
    done
    sleep 6 # longer than the time to join: whoever goes alone has gone
    for round in {1..10}; do # a machine that stands still may make one late
        changes=$(($(role_changes a) + $(role_changes b)))
        sleep 3
        [ $(($(role_changes a) + $(role_changes b))) != $changes ] || break
        [ $round -lt 10 ] || fail "the nodes change their roles to and fro"
    done
    [ "$(node_status a | jq -r .role)/$(node_status b | jq -r .role)" != primary/primary ] || fail "both lead"
    node_signal b KILL
    node_config b 2 false
    node_start b
    wait_one_primary
    sim_post /sim/start >/dev/null
    wait_status $primary '.counters.delivered > 2000' 60
    production_end
    balance 0
    result "refused: $(cat "$WORK/refused-b.txt"); mended: $BALANCE"
}

# balance_wiped: a batch that the other node had confirmed and that was not yet renamed when the node died was on
# that disk alone: it is lost with it, and nothing else is. Such batches are among the .part files of the moment.
balance_wiped() {
    local kept part sent
    sent=$(ledger a b "${taken_away[@]}" | grep '^sent')
    case $sent in *", lost 0, duplicated 0, foreign 0") BALANCE=$sent; return ;; esac
    mkdir -p "$WORK/gone/events"
    for kept in "${taken_away[@]}"; do
        for part in "$WORK/$kept"/events/*.part; do
            [ ! -e "$part" ] || cp "$part" "$WORK/gone/events/$kept-$(basename "${part%.part}")"
        done
    done
    # Only whole lines: the batch in progress ends anywhere; it was delivered by the other node.
    [[ $sent == *", duplicated 0, foreign 0" ]] || { ledger a b "${taken_away[@]}" >&2; keep; fail "doubled or foreign: $sent"; }
    for part in "$WORK"/gone/events/*; do [ ! -e "$part" ] || sed -i -n '/}$/p' "$part"; done
    [[ $(ledger a b gone "${taken_away[@]}" | grep '^sent') == *", lost 0, "* ]] ||
        { ledger a b gone "${taken_away[@]}" >&2; keep; fail "lost, and not with a wiped disk: $sent"; }
    BALANCE="$sent (with the disk: confirmed, not yet renamed)"
}

# wipe NAME: everything the node had is gone; what it had published its reader had taken away before.
wipe() {
    local kept
    kept=kept-$1-$((wipes += 1))
    mkdir "$WORK/$kept"
    [ ! -d "$WORK/$1/events" ] || mv "$WORK/$1/events" "$WORK/$kept/events"
    rm -rf "${WORK:?}/$1"
    taken_away+=("$kept")
    if [ "$1" = a ]; then node_config a 1 true; else node_config b 2 false; fi
}

# takes_over NAME PRIMARY: the primary is killed, the other one leads.
takes_over() {
    node_signal "$2" KILL
    wait_status "$1" '.role == "primary"' 60
}

# returns NAME PRIMARY [SECONDS]: it starts, and is a ready standby.
returns() {
    node_start "$1"
    wait_pair_protected "$2" "$1" "${3:-60}"
}

# returns_wiped NAME PRIMARY: with nothing; what the other one knows it has to be told.
returns_wiped() {
    wipe "$1"
    returns "$1" "$2" 60
}

# The primary's disk: it returns with nothing, becomes a standby, and leads at the next kill.
scenario_wiped_disk() {
    local wipes=0 taken_away=()
    pair_start
    takes_over b a
    returns_wiped a b
    takes_over a b
    returns b a
    production_end "${taken_away[@]}"
    balance_wiped
    result "ready by itself, took over at the next kill; $BALANCE"
}

# The standby's disk: it has never delivered, and leads at the next kill.
scenario_wiped_standby() {
    local wipes=0 taken_away=()
    pair_start
    node_signal b KILL
    returns_wiped b a
    takes_over b a
    returns a b
    production_end "${taken_away[@]}"
    balance_wiped
    result "ready by itself, took over at the next kill; $BALANCE"
}

# One after the other and the same one twice: what a node was told it tells on.
scenario_wiped_twice() {
    local wipes=0 taken_away=()
    pair_start
    takes_over b a
    returns_wiped a b
    node_signal a KILL
    returns_wiped a b
    takes_over a b
    returns_wiped b a
    takes_over b a
    returns a b
    production_end "${taken_away[@]}"
    balance_wiped
    result "three wiped disks, each node led after one; $BALANCE"
}
