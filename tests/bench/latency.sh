#!/usr/bin/env bash
# How long an event takes from being issued by the simulator to standing in the primary's file, at 5,000
# events/s, in a pair. The simulator stamps an event with the moment of its issue (no lateness, no
# jitter, never paused), so the figure includes simulator, TLS and kernel, and the store's commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh
sim_start --rate 5000 --seed 3 --lateness-ms 0 --jitter-ms 0
pair_keys
ROLL_SECONDS=5 node_config a 1 true
ROLL_SECONDS=5 node_config b 2 false
node_start a
node_start b
wait_pair_protected a b 30
wait_status a '.counters.delivered > 10000' 30
mkdir -p "$WORK/curl"
curl -sN --http2 --cacert "$CA" -H "X-API-KEY: $API_KEY" "$SIM_URL/api/partners/v1/firehose/events?replicaId=3" \
    >"$WORK/curl/plain.part" &
PID[curl]=$!
sleep 0.2 # the file must exist before it is looked at
echo "issue to curl's file, for comparison:       $("$BIN/../bench/latency" "$WORK/curl" "${SECONDS_EACH:-10}")"
kill "${PID[curl]}"
echo "issue to the sink's file at 5,000 events/s: $("$BIN/../bench/latency" "$WORK/a/events" "${SECONDS_EACH:-10}")"
