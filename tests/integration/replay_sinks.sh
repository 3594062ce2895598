#!/usr/bin/env bash
# Replays into each type of sink, and what they must not do to it: a pair delivers live, an interval is replayed
# twice meanwhile, the primary is killed, the other node takes over (and reads back what is there, where the far
# side can be asked). Then each replay must be there once and marked, and the live stream as the sink promises it.
#
#   tests/integration/replay_sinks.sh [TYPE...]       nats mqtt kafka command zeromq_dealer
#
# Environment: BIN, RATE (1000 events/s), SEED (printed).
set -uo pipefail
cd "$(dirname "$0")/../.."
RATE=${RATE:-1000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$SEED
UIDS='"\(.recordUid) \(.recordTimestamp)"'
ctl() { local node=$1; shift; "$BIN/firehosectl" --socket "$WORK/$node/control.sock" "$@"; }
keep() { KEEP_WORK=1; fail "$* (files kept in $WORK)"; }

# replayed ID: uids of that replay at the far side.
replayed() { grep -F "\"replay\":\"$1\"" "$WORK/collected" | jq -r "$UIDS" | sort; }

one_type() {
    . tests/lib/pair.sh
    . "tests/lib/sink_$1.sh"
    local type=$1 missing listen=() node id ids=() name until
    missing=$(far_install_check) || { echo "$type: not here: $missing"; exit 77; }
    far_start
    sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 500 --paused
    pair_keys
    SINK_EXTRA="}, $(far_sink a | sed 's/ *}$//')"
    node_config a 1 true "$PATIENT"
    SINK_EXTRA="}, $(far_sink b | sed 's/ *}$//')"
    node_config b 2 false "$PATIENT"
    node_start a
    node_start b
    wait_pair_protected a b
    sim_post /sim/start >/dev/null
    wait_status a ".counters.received > 3 * $RATE" 60
    UNTIL=$(($(date +%s%3N) - 2000))
    # All of it has been issued and has come, however slow this machine is: three times the lateness is past it.
    wait_status a "all(.receivers[]; .last_timestamp > $UNTIL + 1500)" 60
    sim_get /sim/ledger | awk -v u=$UNTIL '$2 < u { print $1, $2 }' | sort >"$WORK/wanted"
    if [ "${type#zeromq}" != "$type" ]; then
        ctl a replay --sink out --since 1h --until $UNTIL 2>"$WORK/refused" && fail "a replay into a bound socket"
        grep -q -- '--listen' "$WORK/refused" || fail "not told of --listen: $(cat "$WORK/refused")"
        listen=(--listen "tcp://127.0.0.1:$(free_port)")
        "$FAR_COLLECT" "$FAR_SOCKET" "$WORK/far/replay" "${listen[1]}" "${listen[1]}" 2>>"$WORK/far/log" &
        PID[far_replay]=$!
    fi
    for name in 1 2; do
        ctl a replay --sink out --since 1h --until $UNTIL "${listen[@]}" >"$WORK/replay.$name" 2>&1 || keep "replay $name: $(cat "$WORK/replay.$name")"
        ids+=("$(sed -n 's/^replay \([^ ]*\) done.*/\1/p' "$WORK/replay.$name")")
    done
    node_signal a KILL
    wait_status b '.role == "primary"' 60
    wait_status b ".sinks[1].delivered > 0" 60
    sim_post /sim/stop >/dev/null
    wait_delivered 60 b
    ledger_after_kill a b >"$WORK/files.balance" || keep "$type: the file sink beside it: $(cat "$WORK/files.balance")"
    sim_get /sim/ledger | awk '{ print $1, $2 }' | sort >"$WORK/sent"
    until=$((SECONDS + 60))
    while :; do
        far_collect "$WORK/collected"
        [ ! -e "$WORK/far/replay" ] || cat "$WORK/far/replay" >>"$WORK/collected"
        grep -v '^{"_firehosed"' "$WORK/collected" | jq -r "$UIDS" | sort >"$WORK/live"
        [ "$(sort -u "$WORK/live" | comm -23 "$WORK/sent" - | wc -l)" != 0 ] && [ $SECONDS -lt $until ] || break
        sleep 0.5
    done
    [ "$(sort -u "$WORK/live" | comm -23 "$WORK/sent" - | wc -l)" = 0 ] || keep "$type: events of the live stream are not there"
    local twice
    twice=$(uniq -d "$WORK/live" | wc -l)
    [ "$FAR_PROMISE" != exactly ] || [ "$twice" = 0 ] || keep "$type: $twice events of the live stream are there twice"
    for id in "${ids[@]}"; do
        replayed "$id" >"$WORK/again"
        cmp -s "$WORK/wanted" "$WORK/again" || keep "$type: replay $id has $(wc -l <"$WORK/again") records, not $(wc -l <"$WORK/wanted")"
    done
    echo "$type: $(wc -l <"$WORK/live") live ($twice twice), 2 replays of $(wc -l <"$WORK/wanted"), as they should be"
    exit 0
}

[ $# -gt 0 ] || set -- nats mqtt kafka command zeromq_dealer
echo "seed $SEED, $RATE events/s"
bad=0
for type in "$@"; do
    (one_type "$type")
    r=$?
    [ $r = 0 ] || [ $r = 77 ] || bad=1
done
exit $bad
