#!/usr/bin/env bash
# How fast firehose-sim can serve: curl > /dev/null under --rate max, over HTTP/2 and HTTP/1.1, TLS and
# plain, one connection and four. curl shares the machine, so on two cores the figure is the lower of
# the two programs.
#
#   tests/bench/bench_sim.sh [SECONDS]     BIN names the folder of firehose-sim (default build/bin)
set -uo pipefail
cd "$(dirname "$0")/../.."

BIN=${BIN:-build/bin}
SECONDS_EACH=${1:-4}
WORK=$(mktemp -d /tmp/firehose-sim-bench-XXXXXX)
KEY=BENCH
SIM=
trap '[ -n "$SIM" ] && kill "$SIM" 2>/dev/null; wait; rm -rf "$WORK"' EXIT

start() {
    "$BIN/firehose-sim" --listen 127.0.0.1:0 --api-key $KEY --rate max --window-mb 64 --no-ledger "$@" >"$WORK/out" &
    SIM=$!
    until grep -q 'listening on' "$WORK/out"; do
        kill -0 $SIM 2>/dev/null || exit 1
        sleep 0.02
    done
    URL=$(sed -n 's/^firehose-sim: listening on //p' "$WORK/out")
}

# measure NAME CONNECTIONS CURL_OPTIONS...
measure() {
    local name=$1 connections=$2 i before after speed
    shift 2
    before=$(curl -sS "${TRUST[@]}" "$URL/sim/status" | jq .issued)
    for i in $(seq "$connections"); do
        curl -sN -m "$SECONDS_EACH" "${TRUST[@]}" "$@" -H "X-API-KEY: $KEY" -o /dev/null -w '%{speed_download}\n' \
            "$URL/api/partners/v1/firehose/events?minPartition=$((12 / connections * (i - 1) + 1))&maxPartition=$((12 / connections * i))" &
    done >"$WORK/speeds"
    wait $(jobs -p | grep -v "^$SIM$")
    after=$(curl -sS "${TRUST[@]}" "$URL/sim/status" | jq .issued)
    speed=$(awk '{ sum += $1 } END { printf "%.0f", sum / 1e6 }' "$WORK/speeds")
    printf '%-28s %11d %9s %12d\n' "$name" "$connections" "$speed" $(((after - before) / SECONDS_EACH))
}

stop() {
    kill $SIM
    wait $SIM
    SIM=
}

printf '%-28s %11s %9s %12s\n' "" connections MB/s events/s
TRUST=(--cacert "$WORK/ca/ca.pem")
start --make-cert "$WORK/ca"
for connections in 1 4; do
    measure "TLS, HTTP/2" $connections --http2
    measure "TLS, HTTP/1.1" $connections --http1.1
done
stop
TRUST=()
start --plain
measure "plain, HTTP/2" 1 --http2-prior-knowledge
measure "plain, HTTP/1.1" 1 --http1.1
stop
