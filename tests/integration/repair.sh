#!/usr/bin/env bash
# What comes to one node only. The service leaves out events of the primary's replica: the standby has them,
# sees that they are never reported, and the primary takes them from it. Then connections that the service
# takes for alive swallow what a promoted node should have got: the same remedy. In the end the union of the
# published files is exactly what was sent.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh

# settled NODE: of all that this standby holds, the primary has reported what is older than a few seconds.
settled() { wait_status "$1" '.role == "standby" and .sinks[0].oldest_pending_age_ms < 4000' 60; }

sim_start --rate 300 --seed 11 --lateness-ms 500 --paused
pair_keys
node_config a 1 true "$PATIENT"
node_config b 2 false "$PATIENT"
node_start a
node_start b
wait_pair_protected a b
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 300' 60

sim_post '/sim/fault?type=omit&replica=1&n=40' >/dev/null
wait_status a '.counters.repaired == 40' 60
wait_log "$WORK/a.log" '\[repaired\] 40 events that the own stream did not bring' 60
# The standby's own losses are nobody's loss, and nothing is to be done about them.
sim_post '/sim/fault?type=omit&replica=2&n=30' >/dev/null
settled b
[ "$(node_status b | jq '.counters.repaired')" = 0 ] || fail "the standby took events, too"
echo "40 events left out of the primary's replica: taken from the standby"

# Half-open connections of the standby, which the service serves for four more seconds after they were closed.
sim_post '/sim/fault?type=half-open&replica=2&zombie_ms=4000' >/dev/null
node_signal a KILL
wait_status b '.role == "primary"' 60
node_start a
wait_pair_protected b a 60
wait_status b '.counters.repaired > 0' 60
settled a
echo "$(node_status b | jq .counters.repaired) events swallowed by connections that had ended: taken from the node that was killed"

sim_post /sim/stop >/dev/null
wait_delivered 60 a b
ledger a b || { KEEP_WORK=1; fail "the ledger does not balance (files kept in $WORK)"; }
