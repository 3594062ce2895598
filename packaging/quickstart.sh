#!/usr/bin/env bash
# See the pair at work: builds everything, starts the simulator of the cloud service and two nodes on
# loopback, kills the primary with SIGKILL under load and compares what was sent with what was
# delivered. Under 3 minutes on 2 cores. Leaves nothing behind but the build folder.
# Usage: packaging/quickstart.sh [--rate EVENTS_PER_SECOND]
set -euo pipefail
cd "$(dirname "$0")/.."

rate=2000
case "$#:${1:-}" in
0:) ;;
2:--rate) rate=$2 ;;
*) sed -n '2,5s/^# //p' "packaging/${0##*/}"; [ "${1:-}" = --help ]; exit ;;
esac
[[ "$rate" =~ ^[1-9][0-9]{0,5}$ ]] || { echo "--rate wants events a second, 1 to 999999, not \"$rate\"" >&2; exit 2; }
build=${FH_BUILD:-build}

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

step "1. What the build needs (apt or dnf)"
without=()
command -v npm >/dev/null || without+=(-DFH_CONSOLE=OFF) # the page is not needed here
FH_CONSOLE=OFF packaging/install-deps.sh build
echo "all there"

step "2. Building"
pkg-config --exists 'libnats >= 3.4' || without+=(-DFH_NATS=OFF)
cmake -S . -B "$build" -G Ninja "${without[@]}" >/dev/null
ninja -C "$build" --quiet bin/firehosed bin/firehosectl bin/firehose-sim bin/firehose-ledger
ls "$build"/bin

export BIN
BIN=$(realpath "$build")/bin
. tests/lib/pair.sh

show() {
    local name
    for name in a b; do
        node_status "$name" | jq -r '"   node \(.node): \(.role), epoch \(.epoch), \(if .protected then "protected" else "NOT protected" end), received \(.counters.received), delivered \(.counters.delivered)"' 2>/dev/null ||
            echo "   node $name: dead"
    done
}

step "3. Simulator (TLS, HTTP/2), node a (preferred) and node b"
sim_start --rate "$rate" --seed 7 --paused
pair_keys
ROLL_SECONDS=2 node_config a 1 true
ROLL_SECONDS=2 node_config b 2 false
node_start a
node_start b
wait_pair_protected a b
show

step "4. Events flow: $rate a second, 12 partitions over 4 receivers on each node"
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 0' 60
sleep 5 # something to look at
show
echo "   the last event that node a stored:"
timeout 5 "$BIN/firehosectl" --socket "$WORK/a/control.sock" tail --count 1 | cut -c1-150 || true

step "5. kill -KILL the primary (node a, pid ${PID[a]})"
before=$(log_lines "$WORK/b.log")
node_signal a KILL
wait_log "$WORK/b.log" '\[role\].*-> primary' 60 $((before + 1))
tail -n "+$((before + 1))" "$WORK/b.log" | grep -E '\[(role|peer-down|path-down)\]' | sed 's/^/   /'
delivered=$(node_value b .counters.delivered)
wait_status b ".counters.delivered > $delivered" 60
show

step "6. Node a comes back, as standby"
node_start a
wait_pair_protected b a 60
show

step "7. The ledger: what the service sent against the files both nodes published"
sim_post /sim/stop >/dev/null
wait_delivered 60 a b
node_signal a TERM
node_signal b TERM
ledger a b
