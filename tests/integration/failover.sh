#!/usr/bin/env bash
# The failover test: under load the primary is killed with SIGKILL at random moments, again and again;
# each time the other node must take over and the killed one must come back as a ready standby. Then
# both are killed at once and started cold. In the end the union of the files that both nodes
# published must be exactly what the simulator sent: 0 lost, 0 duplicated.
#
# Environment: BIN, ROUNDS (20), RATE (3000 events/s), SEED (printed).
set -uo pipefail
cd "$(dirname "$0")/../.."
ROUNDS=${ROUNDS:-20}
RATE=${RATE:-3000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$SEED
echo "seed $SEED, $ROUNDS rounds, $RATE events/s"
. tests/lib/pair.sh

sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 3000 --jitter-ms 500 --paused
pair_keys
node_config a 1 true
node_config b 2 false
node_start a
node_start b
wait_pair_protected a b
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 0' 20

primary=a
standby=b
for round in $(seq "$ROUNDS"); do
    # The random moment is the point of the test; nothing is waited for here.
    pause=$((RANDOM % 2000))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    mark=$(($(log_lines "$WORK/$standby.log") + 1))
    node_signal $primary KILL
    wait_log "$WORK/$standby.log" '\[role\].*-> primary' 5 $mark
    node_start $primary
    wait_pair_protected $standby $primary 30
    [ $primary = a ] && { primary=b standby=a; } || { primary=a standby=b; }
    printf '.'
done
echo " $ROUNDS takeovers"

node_signal a KILL
node_signal b KILL
node_start a
node_start b
wait_status a '.role == "primary" or .role == "standby"' 30
wait_status b '.role == "primary" or .role == "standby"' 30
primary=$(primary_of a b)
standby=b
[ "$primary" = b ] && standby=a
wait_pair_protected "$primary" "$standby" 30
echo "both killed, cold start of both: primary is $primary"

sim_post /sim/stop >/dev/null
wait_delivered 60 a b
for name in a b; do
    node_signal $name TERM
    [ "$NODE_EXIT" = 0 ] || fail "node $name left with $NODE_EXIT after SIGTERM"
done
ledger a b || { KEEP_WORK=1; fail "the ledger does not balance (files kept in $WORK)"; }
