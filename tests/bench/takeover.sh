#!/usr/bin/env bash
# From the death of the primary to the first event in the other node's sink. Process killed: SIGKILL; the kernel refuses the next connection. Host vanished:
# SIGSTOP stands in (the process answers nothing, its sockets stay open), so only silence tells.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROUNDS=${ROUNDS:-5}
. tests/lib/pair.sh
sim_start --rate 5000 --seed 3 --lateness-ms 0 --jitter-ms 0 --paused
pair_keys
ROLL_SECONDS=1 node_config a 1 true
ROLL_SECONDS=1 node_config b 2 false
node_start a
node_start b
wait_pair_protected a b 30
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 0' 20

# A batch file of an epoch higher than any before appears when the first event is written.
first_event() { # DIRECTORY EPOCH: until such a file is not empty
    local file
    while :; do
        for file in "$1"/archive-*-"$(printf %06d "$2")"-*; do
            [ -s "$file" ] && return
        done
    done
}

measure() { # SIGNAL: milliseconds
    local primary=$1 standby=$2 signal=$3 epoch start
    epoch=$(node_status "$standby" | jq .epoch)
    start=$(date +%s%N)
    kill "-$signal" "${PID[$primary]}"
    timeout 20 bash -c "$(declare -f first_event); first_event '$WORK/$standby/events' $((epoch + 1))" || fail "no takeover"
    echo $((($(date +%s%N) - start) / 1000000))
}

primary=a standby=b
killed=() stopped=()
for _ in $(seq "$ROUNDS"); do
    for signal in KILL STOP; do
        ms=$(measure $primary $standby $signal)
        [ $signal = KILL ] && killed+=("$ms") || stopped+=("$ms")
        [ $signal = STOP ] && kill -KILL "${PID[$primary]}"
        wait "${PID[$primary]}" 2>/dev/null || true
        node_start $primary
        wait_pair_protected $standby $primary 60
        [ $primary = a ] && { primary=b standby=a; } || { primary=a standby=b; }
    done
done
worst() { printf '%s\n' "$@" | sort -n | tail -n1; }
echo "takeover, SIGKILL to first event in the other node's sink, ms: ${killed[*]} (worst $(worst "${killed[@]}"))"
echo "takeover, silence (SIGSTOP) to first event, ms:               ${stopped[*]} (worst $(worst "${stopped[@]}"))"
