#!/usr/bin/env bash
# firehosectl top in a real terminal (tmux) beside a real pair: screens of several sizes, keys, a failover, a
# daemon that restarts; and without a terminal. With SCREEN=FILE the screen after the failover is written there.
#
# Needs BIN, bash, jq, curl, tmux.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh
command -v tmux >/dev/null || { echo "SKIPPED: no tmux"; exit 77; }

export LC_ALL=C.UTF-8
BLOCK='(▂|▃|▄|▅|▆|▇|█)'
tmux() { command tmux -u -S "$WORK/tmux" -f /dev/null "$@"; }
screen() { tmux capture-pane -p -t "$SESSION"; }
keys() { tmux send-keys -t "$SESSION" "$@"; }
size() { tmux resize-window -t "$SESSION" -x "$1" -y "$2"; }
# terminal NAME COLUMNS LINES COMMAND: a terminal of its own, that the rest is about.
terminal() {
    SESSION=$1
    tmux new-session -d -s "$1" -x "$2" -y "$3" "$4; sleep 600" || fail "tmux"
}
end() { tmux kill-server 2>/dev/null; pair_cleanup; }
trap end EXIT

# wait_screen PATTERN SECONDS [WHAT]: until a line of the screen matches.
wait_screen() {
    local until=$(($(date +%s) + $2))
    until screen | grep -E -- "$1" >/dev/null; do # all of it is read: a broken pipe would look like none
        [ "$(date +%s)" -lt $until ] || { screen >&2; fail "the screen does not show '$1' within $2 s"; }
        sleep 0.1
    done
}

# What is old stays on the screen while nobody answers: it answers when that is not said any more.
wait_answer() {
    local until=$(($(date +%s) + 60)) shown
    while shown=$(screen); [[ $shown == *'NO ANSWER'* ]] || ! grep -q '^ node ' <<<"$shown"; do
        [ "$(date +%s)" -lt $until ] || { screen >&2; fail "the screen does not show that it answers again"; }
        sleep 0.1
    done
}

ROLL_SECONDS=1
sim_start --rate 500 --seed 21 --paused
pair_keys
node_config a 1 true "$PATIENT"
node_config b 2 false "$PATIENT"
node_start a
node_start b
wait_pair_protected a b
sim_post /sim/start >/dev/null

echo "-- without a terminal"
# (It waits a second for an answer, which a busy machine may take longer to give.)
for try in {1..10}; do
    "$BIN/firehosectl" --socket "$WORK/b/control.sock" top --count 2 --interval 0.2 >"$WORK/plain.out"
    left=$?
    grep -q 'NO ANSWER' "$WORK/plain.out" || break
done
[ $left = 0 ] || fail "top without a terminal left with $left"
[ "$(grep -cE '^20[0-9T:.-]+Z b standby epoch [0-9]+ protected; a primary, 1 of 1 paths up; [0-9,.]+ ev/s' "$WORK/plain.out")" = 2 ] ||
    fail "two lines were asked for: $(cat "$WORK/plain.out")"
"$BIN/firehosectl" --socket "$WORK/none.sock" top --count 1 --interval 0.2 >"$WORK/plain.out" && fail "no daemon, and exit status 0"
grep -q 'NO ANSWER: no firehosed answers on' "$WORK/plain.out" || fail "no daemon: $(cat "$WORK/plain.out")"
for wrong in 0.1 x -1 1x nan ""; do
    "$BIN/firehosectl" top --interval "$wrong" --count 1 >/dev/null 2>&1
    [ $? = 2 ] || fail "--interval $wrong is accepted"
done

echo "-- a screen of 80x24 on the standby"
terminal blocks 80 24 "'$BIN/firehosectl' --socket '$WORK/b/control.sock' top --interval 0.2; echo ended with \$?"
wait_screen '^ node b +standby, ready  epoch [0-9]+ .*protected' 60
wait_screen '^ peer a +PRIMARY  epoch [0-9]+  heard .* ago' 60
wait_screen '^ link +tcp://127.0.0.1:[0-9]+ up' 60
wait_screen "^ 1-3 +streaming +[1-9].*$BLOCK" 60
wait_screen '^ archive +file ' 60
[ "$(screen | wc -l)" = 24 ] || fail "not 24 lines"
wait_screen '^ q end ' 60; screen | tail -n1 | grep '^ q end ' >/dev/null || fail "the last line is not the last"

echo "-- keys and sizes"
keys t
wait_screen '^ DEVICE_LOCATION_UPDATE +[0-9]' 60
keys p
wait_screen 'PAUSED' 60
keys p h
wait_screen ' q  end ' 60
keys h t -
wait_screen 'every 0.5 s' 60
keys +
wait_screen 'every 0.2 s' 60
size 120 40
wait_screen '^ EVENT TYPE ' 60
wait_screen '^ RANGE ' 60
size 40 8
wait_screen 'too small: 40x8' 60
size 3 1
size 80 24
wait_screen '^ RANGE ' 60

echo "-- the daemon stands still, and goes on"
node_signal b STOP
wait_screen 'NO ANSWER for ' 60
keys h
wait_screen ' q  end ' 60
keys h
node_signal b CONT
wait_answer
wait_screen '^ node b +standby, ready  epoch [0-9]+ .*protected' 60

[ -z "${SCREEN:-}" ] || sleep 10 # bars to look at
echo "-- the primary is killed: seen on the screen"
node_signal a KILL
wait_screen '^ node b +PRIMARY  epoch [0-9]+ .*NOT PROTECTED' 60
wait_screen '^ peer a +NOT REACHABLE' 60
wait_screen 'epoch [0-9]+ +promoting -> primary: the peer is lost' 60
wait_screen '^ archive +file +[1-9]' 60
[ -z "${SCREEN:-}" ] || screen >"$SCREEN"

echo "-- the daemon restarts"
node_signal b TERM
wait_screen 'NO ANSWER for .*trying again: no firehosed answers' 60
node_start b
wait_answer
wait_screen '^ node b .*restarted' 60
keys q
wait_screen '^ended with 0' 60

echo "-- a locale without blocks; a terminal that has no cursor"
terminal ascii 80 24 "LC_ALL=C '$BIN/firehosectl' --socket '$WORK/b/control.sock' top --interval 0.2"
wait_screen '^ stream +[0-9,]+ ev/s +[_.:=+*#-]+' 60
[ "$(screen | grep -cE "$BLOCK")" = 0 ] || fail "blocks in the locale C"
terminal dumb 200 24 "TERM=dumb '$BIN/firehosectl' --socket '$WORK/b/control.sock' top --interval 0.2 --count 2; echo ended with \$?"
wait_screen 'lines instead of a screen' 60
wait_screen '^ended with 0' 60
echo "top: ok"
