# network_split.sh: scenarios of network.sh in which the nodes lose sight of each other. Each is a function
# scenario_NAME that runs in a shell of its own, with $WORK to itself.

# Without an arbiter and preferring availability, both lead while the link is cut, and what both delivered is
# told exactly.
scenario_split() {
    local doubled
    pair_start
    link cut
    wait_status b '.role == "primary"' 60
    wait_status a '.role == "primary" and (.protected | not)' 60
    sleep 2 # both deliver: that is what is looked at
    holds a '.role == "primary"'
    link heal
    wait_one_primary 60
    production_end_doubled
    balance "$doubled"
    result "both led for a while, then $primary alone; $BALANCE, as reported"
}

# production_end_doubled: as production_end; sets doubled to what the nodes report of themselves, which
# must come to the same number.
production_end_doubled() {
    local until=$((SECONDS + 60)) doubled_b
    sim_post /sim/stop >/dev/null
    wait_delivered 60 a b
    until doubled=$(node_status a | jq .counters.doubled) && doubled_b=$(node_status b | jq .counters.doubled) &&
        [ "$doubled" = "$doubled_b" ]; do
        [ $SECONDS -lt $until ] || {
            ledger a b >&2
            keep
            fail "node a reports $doubled events delivered twice, node b $doubled_b"
        }
        sleep 0.2
    done
    production_end
}

scenario_split_safety() {
    pair_start 'prefer = "safety";'
    link cut
    sleep 5 # three times what silence takes to be noticed
    holds a '.role == "primary" and (.protected | not)'
    holds b '.role == "standby"'
    link heal
    wait_one_primary 60
    [ "$primary" = a ] || fail "the role moved"
    production_end
    balance 0
    result "no second primary; $BALANCE"
}

# one_way SIDE: what this side sends is lost, the other direction works.
one_way() {
    local doubled during
    pair_start
    link cut "$1"
    sleep 6 # whoever is going to act has acted
    during=$(for name in a b; do node_value $name '"\(.node) \(.role)"'; done | paste -sd, | sed 's/,/, /')
    link heal
    wait_one_primary 60
    production_end_doubled
    balance "$doubled"
    result "meanwhile $during; then $primary leads; $BALANCE, as reported"
}
scenario_one_way_from_primary() { one_way a; }
scenario_one_way_to_primary() { one_way b; }

# A bad network for long: what stays of it is at most one change of the primary.
lossy() {
    local name
    pair_start
    link loss 30
    link delay 100 100
    sleep "$FH_NETWORK_SECONDS"
    changes=0
    for name in a b; do
        changes=$((changes + $(ctl $name history --json | jq '[.history[] | select(.to == "primary")] | length')))
    done
    changes=$((changes - 1)) # the first one of all
    link statistics
    echo "$SCENARIO: $changes changes of the primary; relay: ${LINK_ANSWER#*ok }" >"$WORK/lossy.txt"
    link heal
    wait_one_primary 60
    [ "$changes" -le 1 ] || { keep; fail "$(cat "$WORK/lossy.txt")"; }
}

scenario_lossy() {
    local doubled changes
    lossy
    production_end_doubled
    balance "$doubled"
    result "30 % loss, 0 to 200 ms for $FH_NETWORK_SECONDS s: $changes changes of the primary; $BALANCE, as reported"
}

# Two paths; one is cut.
scenario_one_path() {
    local before
    SECOND_PATH=1 pair_start
    wait_status a 'all(.peer.paths[]; .up)' 60
    before=$(($(role_changes a) + $(role_changes b)))
    link cut
    wait_status a '[.peer.paths[] | select(.up)] | length == 1' 60
    wait_status b '[.peer.paths[] | select(.up)] | length == 1' 60
    wait_pair_protected a b 60
    [ $(($(role_changes a) + $(role_changes b))) = "$before" ] || fail "a lost path changed a role"
    link heal
    wait_status a 'all(.peer.paths[]; .up)' 60
    production_end
    balance 0
    result "one of two paths cut: an alarm, no change of role; $BALANCE"
}
