#!/usr/bin/env bash
# Other ranges while the daemon runs, under load: 4 receivers, 12, 1, then ranges of which some stay as they
# are, by SIGHUP; then 12 to 1 over a restart; then rolled over a pair with a takeover in the middle. In the
# end what was published is what the simulator sent: 0 lost, 0 duplicated; receivers whose range stayed the
# same kept their connection.
#
# Environment: BIN, RATE (3000 events/s), SEED (printed), CHANNEL, FIREHOSE_EXTRA ("multiplex = true;").
set -uo pipefail
cd "$(dirname "$0")/../.."
RATE=${RATE:-3000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "seed $SEED, $RATE events/s"
. tests/lib/pair.sh

# split NAME RANGES...: "1-3 4-12", by reload; until it reads so.
split() {
    local name=$1 ranges="" range
    shift
    for range in "$@"; do ranges+="${ranges:+, }[${range%-*}, ${range#*-}]"; done
    sed -i -E "s/(receivers = [0-9]+|ranges = \(.*\));/ranges = ( $ranges );/" "$WORK/$name/firehosed.conf"
    node_signal "$name" HUP
    wait_status "$name" "[.receivers[].range] == $(printf '%s\n' "$@" | sed -E 's/^([0-9]+)-\1$/\1/' | jq -Rnc '[inputs]') and
        all(.receivers[]; .state == \"streaming\")" 60
}
all_twelve=(1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10 11-11 12-12)
flows() {
    local delivered
    delivered=$(node_value "$1" .counters.delivered)
    wait_status "$1" ".counters.delivered > $delivered + $RATE" 60
}
connects() { node_value "$1" "[.receivers[] | select(.range == \"$2\") | .connects] | tostring"; }

echo "a single node"
sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 3000 --jitter-ms 500 --paused
node_config a 1 single
node_start a
wait_status a '.role == "primary" and all(.receivers[]; .state == "streaming")' 60
sim_post /sim/start >/dev/null
flows a
split a "${all_twelve[@]}"
flows a
split a 1-12
flows a
split a 1-3 4-6 7-9 10-12
flows a
before="$(connects a 1-3) $(connects a 4-6)"
split a 1-3 4-6 7-12
split a 1-3 4-6 7-8 9-10 11-12
flows a
[ "$(connects a 1-3) $(connects a 4-6)" = "$before" ] || fail "a range that stayed the same was connected anew"
# Two in a row: the second is asked for while the first is under way.
sed -i -E "s/ranges = \(.*\);/receivers = 12;/" "$WORK/a/firehosed.conf"
node_signal a HUP
split a 1-6 7-12
flows a
# Which partitions are read does not change while running.
sed -i -E "s/ranges = \(.*\);/ranges = ( [1, 6] );/" "$WORK/a/firehosed.conf"
mark=$(($(log_lines "$WORK/a.log") + 1))
node_signal a HUP
wait_log "$WORK/a.log" 'need a restart: firehose.ranges' 60 $mark
[ "$(node_value a '[.receivers[].range] | tostring')" = '["1-6","7-12"]' ] || fail "a reload changed which partitions are read"
split a 1-6 7-12
sed -i -E "s/ranges = \(.*\);/receivers = 12;/" "$WORK/a/firehosed.conf"
node_signal a TERM
node_start a
wait_status a '.role == "primary" and (.receivers | length) == 12' 60
flows a
sim_post /sim/stop >/dev/null
wait_delivered 60 a
node_signal a KILL
ledger_balances a

echo "rolled over a pair"
node_signal sim TERM
rm -rf "$WORK/a" "$WORK/b"
sim_start --rate "$RATE" --seed $((SEED + 1)) --lateness-ms 3000 --jitter-ms 500 --paused
pair_keys
node_config a 1 true "$PATIENT"
node_config b 2 false "$PATIENT"
node_start a
node_start b
wait_pair_protected a b
sim_post /sim/start >/dev/null
flows a
split b "${all_twelve[@]}"
wait_pair_protected a b
node_signal a KILL
wait_status b '.role == "primary"' 60
node_start a
wait_pair_protected b a 60
split a "${all_twelve[@]}"
wait_pair_protected b a
split a 1-12
split b 1-12
wait_pair_protected b a
node_signal b KILL
wait_status a '.role == "primary"' 60
flows a
sim_post /sim/stop >/dev/null
node_start b # it publishes what was confirmed and not yet renamed when it was killed
wait_pair_protected a b
wait_delivered 60 a b
ledger_balances a b
