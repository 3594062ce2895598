#!/usr/bin/env bash
# Declared gaps: both nodes are away for two hours of source time, longer than the service keeps events.
# Exactly one gap record per receiver range must reach the sinks, with from and to, and the journal
# must say it; not for a short outage, not again after another restart, not twice after a takeover.
# Two hours pass by starting the simulator anew with its world's clock set ahead.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh

START=1767225600000
port=$(free_port)
sim() { sim_start --rate 500 --seed "$1" --start-ms "$2" --lateness-ms 1000 --listen "127.0.0.1:$port"; }
gap_records() { cat "$WORK"/[ab]/events/*.ndjson 2>/dev/null | grep -c FIREHOSED_GAP; }
expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }
stop_all() { node_signal a TERM; node_signal b TERM; node_signal sim TERM; }

sim 1 $START
pair_keys
RECEIVERS=3 node_config a 1 true "$PATIENT"
RECEIVERS=3 node_config b 2 false "$PATIENT"
node_start a
node_start b
wait_pair_protected a b
wait_status a '.counters.delivered > 500' 60

# A short outage of both: replayed, nothing to declare.
node_signal a KILL
node_signal b KILL
node_start a
node_start b
wait_one_primary
wait_status "$primary" '.counters.delivered > 500' 60
expect "gap records after a short outage" "$(gap_records)" 0

# Two hours away.
stop_all
sim 2 $((START + 7200000))
node_start a
node_start b
wait_one_primary
wait_status "$primary" '.counters.gaps == 3 and .counters.delivered > 500' 60
wait_status "$primary" '.sinks[0].pending < 2000' 60
wait_pair_protected "$primary" "$standby" 60
# The standby has learnt that the primary is past the gap. That comes with a heartbeat, unless the last
# moments before the outage came to the standby only: then it has to prove first that the replicas are alike
# (8 samples of two seconds each), and two rounds of the search for unreported records go by.
wait_status "$standby" "all(.checkpoint.delivered[]; . > $START + 7200000)" 90
# Confirmed by the standby, each is published a moment later.
until=$((SECONDS + 60))
until [ "$(gap_records)" -ge 3 ] || [ $SECONDS -ge $until ]; do sleep 0.1; done
expect "gap records" "$(gap_records)" 3
expect "gap entries in the journal" "$(grep -c '\[gap\]' "$WORK/$primary.log")" 3
cat "$WORK"/[ab]/events/*.ndjson | grep FIREHOSED_GAP |
    jq -e '.firehosedGap | .partitions and .to - .from > 3300000 and .to - .from < 7300000' >/dev/null ||
    fail "a gap record without its from and to"

# The other node takes over, and both start once more: nobody declares it again.
node_signal "$primary" KILL
wait_status "$standby" '.role == "primary"' 60
node_start "$primary"
wait_pair_protected "$standby" "$primary" 60
wait_status "$standby" '.counters.delivered > 500' 60
expect "gap records after a takeover" "$(gap_records)" 3
stop_all
expect "gap records in the end" "$(gap_records)" 3
echo "two hours away: 3 ranges, 3 gap records, none of them twice"
