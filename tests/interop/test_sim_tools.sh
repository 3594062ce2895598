#!/usr/bin/env bash
# firehose-sim against curl, nghttp and h2load as they come from the distribution: streams over each version of
# HTTP, many streams on one connection, a gRPC call by nghttp, a thousand requests by h2load.
#
# BIN names the folder of firehose-sim.
set -uo pipefail

BIN=${BIN:?BIN must name the folder of the built programs}
WORK=$(mktemp -d /tmp/sim-tools-XXXXXX)
KEY=TOOLS
EVENTS=/api/partners/v1/firehose/events
CALL=/firehose_api_v1.Firehose/GetEvents
trap 'kill "$SIM" 2>/dev/null; wait; rm -rf "$WORK"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

"$BIN/firehose-sim" --listen 127.0.0.1:0 --api-key $KEY --make-cert "$WORK" --rate 2000 --devices 300 >"$WORK/out" &
SIM=$!
until grep -q 'listening on' "$WORK/out"; do
    kill -0 $SIM 2>/dev/null || fail "firehose-sim does not start"
    sleep 0.02
done
URL=$(sed -n 's/^firehose-sim: listening on //p' "$WORK/out")

# collect FILE PATTERN COMMAND...: a stream never ends: the command runs until more than 200 lines have the pattern,
# or for a minute.
collect() {
    local file=$1 pattern=$2
    shift 2
    : >"$file"
    timeout 60 "$@" >"$file" 2>/dev/null &
    local pid=$!
    while kill -0 $pid 2>/dev/null && [ "$(grep -ac "$pattern" "$file")" -le 200 ]; do
        sleep 0.1
    done
    kill $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ "$(grep -ac "$pattern" "$file")" -gt 200 ]
}
for version in --http1.1 --http2; do
    collect "$WORK/curl" recordUid curl -sN $version --cacert "$WORK/ca.pem" -H "X-API-KEY: $KEY" "$URL$EVENTS" &&
        [ "$(sed '$d' "$WORK/curl" | jq -r 'select(.recordUid).eventType' | wc -l)" -ge 200 ] || fail "curl $version"
    echo "ok curl $version: $(wc -l <"$WORK/curl") records"
done
collect "$WORK/nghttp" recordUid nghttp -m 6 -H "x-api-key: $KEY" --no-verify-peer "$URL$EVENTS" ||
    fail "nghttp: six streams"
echo "ok nghttp, six streams on one connection: $(grep -ac recordUid "$WORK/nghttp") records"
printf '\0\0\0\0\2\10\3' >"$WORK/request" # minPartition 3
collect "$WORK/nghttp" event- nghttp -v -d "$WORK/request" -H ':method: POST' -H 'content-type: application/grpc' \
    -H "x-api-key: $KEY" --no-verify-peer "$URL$CALL" &&
    grep -aq 'content-type: application/grpc' "$WORK/nghttp" || fail "nghttp: a gRPC call"
echo "ok nghttp, a gRPC call"
h2load -n 1000 -c 10 -m 10 "$URL/sim/status" >"$WORK/h2load" 2>&1
grep -q '1000 succeeded, 0 failed' "$WORK/h2load" || fail "h2load: $(cat "$WORK/h2load")"
sed -n 's/^finished in/ok h2load:/p' "$WORK/h2load"
h2load --h1 -n 1000 -c 10 "$URL/sim/status" >"$WORK/h2load" 2>&1
grep -q '1000 succeeded, 0 failed' "$WORK/h2load" || fail "h2load --h1: $(cat "$WORK/h2load")"
sed -n 's/^finished in/ok h2load --h1:/p' "$WORK/h2load"
