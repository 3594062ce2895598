#!/usr/bin/env bash
# How fast firehose-sim can serve under --rate max, each channel, TLS and plain, one connection and four:
# HTTP and gRPC to curl > /dev/null, WebSocket to openssl s_client or cat. The client shares the machine,
# so on two cores the figure is the lower of the two programs. gRPC records are smaller than JSON: compare
# events, not bytes.
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

EVENTS=/api/partners/v1/firehose/events
UPGRADE="Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

# One connection for partitions $2 to $3; prints bytes per second. $1: http, grpc or websocket.
http() {
    curl -sN -m "$SECONDS_EACH" "${TRUST[@]}" "${@:3}" -H "X-API-KEY: $KEY" -o /dev/null -w '%{speed_download}\n' \
        "$URL$EVENTS?minPartition=$1&maxPartition=$2"
}
grpc() {
    # EventsStreamRequest: fields 1 and 2 as varints.
    printf "\\0\\0\\0\\0\\4\\10\\$(printf %o "$1")\\20\\$(printf %o "$2")" >"$WORK/request.$1"
    curl -sN -m "$SECONDS_EACH" "${TRUST[@]}" "${@:3}" -H "x-api-key: $KEY" -H 'content-type: application/grpc' \
        -H 'te: trailers' -H 'grpc-accept-encoding: gzip' --data-binary "@$WORK/request.$1" -o /dev/null -w '%{speed_download}\n' \
        "$URL/firehose_api_v1.Firehose/GetEvents"
}
websocket() {
    local request="GET $EVENTS?minPartition=$1&maxPartition=$2 HTTP/1.1\r\nHost: x\r\nX-API-KEY: $KEY\r\n$UPGRADE\r\n\r\n"
    local address=${URL#*//}
    if [ "${URL%%:*}" = https ]; then
        { printf "$request"; sleep "$SECONDS_EACH"; } |
            timeout "$SECONDS_EACH" openssl s_client -quiet -alpn http/1.1 -connect "$address" 2>/dev/null
    else
        exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
        printf "$request" >&3
        timeout "$SECONDS_EACH" cat <&3
    fi | wc -c | awk -v s="$SECONDS_EACH" '{ print $1 / s }'
}

# measure NAME CONNECTIONS CHANNEL CURL_OPTIONS...
measure() {
    local name=$1 connections=$2 channel=$3 i before after speed
    shift 3
    before=$(curl -sS "${TRUST[@]}" "$URL/sim/status" | jq .issued)
    for i in $(seq "$connections"); do
        $channel $((12 / connections * (i - 1) + 1)) $((12 / connections * i)) "$@" &
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
    measure "HTTP/2, TLS" $connections http --http2
    measure "HTTP/1.1, TLS" $connections http --http1.1
    measure "WebSocket, TLS" $connections websocket
    measure "gRPC, TLS" $connections grpc --http2
done
stop
TRUST=()
start --plain
measure "HTTP/2, plain" 1 http --http2-prior-knowledge
measure "HTTP/1.1, plain" 1 http --http1.1
measure "WebSocket, plain" 1 websocket
measure "gRPC, plain" 1 grpc --http2-prior-knowledge
stop
start --plain --grpc-gzip
measure "gRPC, plain, gzip" 1 grpc --http2-prior-knowledge
stop
