#!/usr/bin/env bash
# End to end on one machine: simulator -> TLS, HTTP/2 -> scan -> de-duplication -> store -> published
# files, against curl on the same stream from the same simulator in the same run. Simulator and
# consumer share the cores, as they would not in real life; so look at the ratios.
set -euo pipefail
cd "$(dirname "$0")/../.."
SECONDS_EACH=${SECONDS_EACH:-8}
. tests/lib/pair.sh
sim_start --rate max --seed 11
stream=$SIM_URL/api/partners/v1/firehose/events
sent() { sim_get /sim/status | jq '[.connections[].bytes] | add // 0'; }

# measure NAME COMMAND: bytes that reach the consumer's standard input or file in SECONDS_EACH.
row() { printf '%-44s %8.0f MB/s   %5.2f x\n' "$1" "$2" "$(jq -n "$2 / ${3:-$2}")"; }
curl_stream() { timeout "$SECONDS_EACH" curl -sN --http2 --cacert "$CA" -H "X-API-KEY: $API_KEY" "$stream?replicaId=3" || true; }

null=$(curl_stream | { dd of=/dev/null bs=1M 2>&1 || true; } | awk '/bytes/ {print $1 / 1e6 / '"$SECONDS_EACH"'}')
direct=$(curl -sN --http2 --max-time "$SECONDS_EACH" --cacert "$CA" -H "X-API-KEY: $API_KEY" "$stream?replicaId=3" -o /dev/null -w "%{size_download}" || true)
direct=$(jq -n "${direct:-0} / 1e6 / $SECONDS_EACH")
timeout "$SECONDS_EACH" curl -sN --http2 --cacert "$CA" -H "X-API-KEY: $API_KEY" "$stream?replicaId=3" -o "$WORK/curl.out" || true
file=$(jq -n "$(stat -c %s "$WORK/curl.out") / 1e6 / $SECONDS_EACH")
rm -f "$WORK/curl.out"
curl_stream | "$BIN/../bench/cjson_loop" >"$WORK/loop.out" 2>/dev/null
loop=$(jq -n "$(stat -c %s "$WORK/loop.out") / 1e6 / $SECONDS_EACH")
rm -f "$WORK/loop.out"

# daemon RECEIVERS [CHANNEL [MORE]]: MB/s of stream bytes that were received, stored and delivered to the sink.
# A stream in protobuf is smaller, so for the channels it is events per second that are compared: EVENTS.
daemon() {
    rm -rf "$WORK/a"
    RECEIVERS=$1 CHANNEL=${2:-http} FIREHOSE_EXTRA=${3:-} ROLL_SECONDS=2 node_config a 1 single
    node_start a
    wait_status a '.role == "primary" and .counters.delivered > 0' 30
    local before after start end events
    before=$(node_status a | jq '[.receivers[].bytes] | add')
    events=$(node_status a | jq .counters.received)
    start=$(date +%s%N)
    sleep "$SECONDS_EACH" # the length of the measurement
    after=$(node_status a | jq '[.receivers[].bytes] | add')
    events=$(($(node_status a | jq .counters.received) - events))
    end=$(date +%s%N)
    echo $((events * 1000000000 / (end - start))) >"$WORK/events"
    node_status a | jq -r '"  (pending \(.sinks[0].pending) of \(.counters.received) events, duplicates \(.counters.duplicates))"' >&2
    node_signal a TERM
    jq -n "($after - $before) / 1e6 / (($end - $start) / 1e9)"
}
one=$(daemon 1)
http=$(cat "$WORK/events")
four=$(daemon 4)
http4=$(cat "$WORK/events")
daemon 1 websocket >/dev/null && websocket=$(cat "$WORK/events")
daemon 1 grpc >/dev/null && grpc=$(cat "$WORK/events")
daemon 4 http "multiplex = true;" >/dev/null && multiplex=$(cat "$WORK/events")

echo
printf '%-44s %13s   %s\n' "consumer, $SECONDS_EACH s each" "throughput" "to curl > file"
row "curl > /dev/null" "$direct" "$file"
row "curl | dd > /dev/null" "$null" "$file"
row "curl > file" "$file" "$file"
row "curl | cJSON loop > file" "$loop" "$file"
row "firehosed, 1 receiver, stored and delivered" "$one" "$file"
row "firehosed, 4 receivers, stored and delivered" "$four" "$file"
echo
channel() { printf '%-44s %8d events/s %5.2f x\n' "$1" "$2" "$(jq -n "$2 / $3")"; }
printf '%-44s %17s   %s\n' "channel, stored and delivered" "throughput" "to HTTP"
channel "http, 1 receiver" "$http" "$http"
channel "websocket, 1 receiver" "$websocket" "$http"
channel "grpc, 1 receiver" "$grpc" "$http"
channel "http, 4 receivers, 4 connections" "$http4" "$http"
channel "http, 4 receivers, 1 connection (multiplex)" "$multiplex" "$http"
echo
echo "firehosed (1 receiver) / cJSON loop: $(jq -n "$one / $loop * 100 | round / 100")"
