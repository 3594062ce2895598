#!/usr/bin/env bash
# The failover test: under load the primary is killed with SIGKILL at random moments, again and again;
# each time the other node must take over and the killed one must come back as a ready standby. Then
# both are killed at once and started cold. In the end the union of the files that both nodes
# published must be exactly what the simulator sent: 0 lost, 0 duplicated.
#
# Environment: BIN, ROUNDS (20), RATE (3000 events/s), SEED (printed). DIFFER: the replicas carry the same
# events under different uids, and
#   DIFFER=1     the configuration says so (dedup.key = "content")
#   DIFFER=auto  it does not: the nodes find out by themselves, then the kills begin
#   DIFFER=later the configuration that says so is there for the cold start after both nodes have been killed
#                under load, so that both begin with stores full of other keys
# WHAT: what differs: uids (default; with DIFFER=later not before the cold start), timestamps (up to two
# seconds apart; dedup.key = "uid_payload" then) or both ("payload";
# then events of equal payload that a failover delivers again are counted apart).
set -uo pipefail
cd "$(dirname "$0")/../.."
ROUNDS=${ROUNDS:-20}
RATE=${RATE:-3000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$SEED
echo "seed $SEED, $ROUNDS rounds, $RATE events/s"
. tests/lib/pair.sh

sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 3000 --jitter-ms 500 --paused
differ() {
    [ "$WHAT" = timestamps ] || sim_post '/sim/fault?type=replica_uids' >/dev/null
    [ "$WHAT" = uids ] || sim_post '/sim/fault?type=replica_timestamps' >/dev/null
    [ "$WHAT" != both ] || LEDGER_PAYLOADS=1 # nothing else tells events of equal payload apart
    LEDGER_REPLICA=2
}
say_so() {
    CONFIG_EXTRA="dedup: { key = \"$KEY\"; };"
}
configure() {
    node_config a 1 true "$PATIENT"
    node_config b 2 false "$PATIENT"
}
kill_both() {
    node_signal a KILL
    node_signal b KILL
}
# cold_start: both at once; primary and standby are named afterwards.
cold_start() {
    node_start a
    node_start b
    wait_one_primary
}

WHAT=${WHAT:-uids}
case $WHAT in uids) KEY=content ;; timestamps) KEY=uid_payload ;; both) KEY=payload ;; esac

pair_keys
case ${DIFFER:-} in
1) differ; say_so ;;
auto) differ ;;
later) [ "$WHAT" = uids ] || differ ;; # a replica does not change the stamps it has shown
esac
configure
node_start a
node_start b
wait_pair_protected a b
sim_post /sim/start >/dev/null
begin=$(date +%s%N)
wait_status a '.counters.delivered > 0' 60
if [ "${DIFFER:-}" = auto ]; then
    wait_status a ".dedup_key == \"$KEY\"" 60
    wait_status b ".dedup_key == \"$KEY\"" 60
    took=$((($(date +%s%N) - begin) / 1000000))
    # What the primary had delivered before is known to the standby now, all but the last seconds.
    wait_status b ".sinks[0].pending < $((RATE * 15))" 60
    wait_pair_protected a b 60
    echo "both nodes noticed $took ms after the first event that the replicas differ: $(node_status b | jq -c '{pending: .sinks[0].pending, store}')"
fi

primary=a
standby=b
if [ "${DIFFER:-}" = later ]; then
    wait_status a ".counters.delivered > $((RATE * 3))" 60
    kill_both
    [ "$WHAT" != uids ] || differ
    say_so
    configure
    cold_start
    echo "both killed, cold start with other keys: primary is $primary"
fi
takeovers "$ROUNDS" 60

kill_both
cold_start
echo "both killed, cold start of both: primary is $primary"

for name in a b; do
    [ -z "${DIFFER:-}" ] || wait_status $name ".dedup_key == \"$KEY\"" 60
done
sim_post /sim/stop >/dev/null
wait_delivered 60 a b
nodes_end a b
ledger_balances a b
