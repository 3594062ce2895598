#!/usr/bin/env bash
# A single node against a stream that misbehaves: junk, long lines, cuts, stalls, half lines, unknown
# types, duplicates. Also --check, SIGHUP, SIGTERM, a second daemon on the same state, tail,
# checkpoint and preview. In the end the ledger must balance.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh

expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }

sim_start --rate 1000 --seed 5 --lateness-ms 2000 --paused
FIREHOSE_EXTRA='silence_ms = 16000; backoff_max_ms = 500;' node_config a 1 single
"$BIN/firehosed" --config "$WORK/a/firehosed.conf" --check >/dev/null || fail "--check refuses a good configuration"
sed 's/receivers = 4/recievers = 4/' "$WORK/a/firehosed.conf" >"$WORK/bad.conf"
"$BIN/firehosed" --config "$WORK/bad.conf" --check >"$WORK/check.out" && fail "--check accepts a misspelt key"
grep -q 'receivers' "$WORK/check.out" || fail "--check does not name the nearest key: $(cat "$WORK/check.out")"

node_start a
wait_status a '.role == "primary" and all(.receivers[]; .state == "streaming")' 60
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 0' 60

# Each fault, and what must be seen of it.
for fault in 'not_json&count=3' 'bad_utf8' 'long_line&bytes=10000000' 'unknown_type' 'half_line' 'cut' \
    'reset' 'duplicate&n=50' 'crlf' 'empty_lines' 'many_chunks&n=20' 'reorder' 'stall&ms=300' 'delay&ms=20'; do
    before=$(node_value a .counters.received)
    sim_post "/sim/fault?type=$fault" >/dev/null || fail "the simulator refuses fault $fault"
    wait_status a ".counters.received > $before + 500" 60
done
sim_post '/sim/fault?type=clear' >/dev/null
wait_status a '.counters.quarantined >= 5 and .counters.duplicates >= 50' 60
[ -s "$WORK/a/state/quarantine.ndjson" ] || fail "no quarantine file"
jq -e -s 'length >= 5 and all(.[]; .reason and .receiver and (.offset >= 0))' "$WORK/a/state/quarantine.ndjson" >/dev/null ||
    fail "the quarantine file is not what it should be"

# Refusals are loud, slow, and over when the service changes its mind.
mark=$(($(log_lines "$WORK/a.log") + 1))
sim_post '/sim/fault?type=status&code=503&count=2' >/dev/null
sim_post '/sim/fault?type=cut' >/dev/null
wait_log "$WORK/a.log" '\[stream-down\]' 60 $mark
wait_status a 'all(.receivers[]; .state == "streaming")' 60

# However often the connections break, what is asked for again stays as short as the events are late: the
# simulator's are at most 3 s late here, so the least overlap of 10 s does.
for round in 1 2 3 4 5 6; do
    # The last one while time stands still: what has passed since then does not count.
    [ $round -lt 6 ] || { sim_post /sim/stop >/dev/null; wait_delivered 60 a; }
    connects=$(node_value a '[.receivers[].connects] | add')
    sim_post '/sim/fault?type=cut' >/dev/null
    wait_status a "([.receivers[].connects] | add) > $connects and all(.receivers[]; .state == \"streaming\")" 60
done
wait_status a 'all(.receivers[]; .last_timestamp - .asked_from < 25000)' 60
sim_post /sim/start >/dev/null

# A second daemon on the same state directory refuses and says why.
sed "s|/control\.sock|/control2.sock|" "$WORK/a/firehosed.conf" >"$WORK/second.conf"
"$BIN/firehosed" --config "$WORK/second.conf" 2>"$WORK/second.log"
expect "exit status of a second daemon" $? 1
grep -q 'another' "$WORK/second.log" || fail "the second daemon does not say why: $(cat "$WORK/second.log")"

# Nor does root leave files of its own in the state of the service's user.
if [ "$(id -u)" = 0 ]; then
    install -d -o nobody "$WORK/theirs"
    sed "s|/control\.sock|/control2.sock|; s|state_dir = \"[^\"]*\"|state_dir = \"$WORK/theirs\"|" "$WORK/a/firehosed.conf" >"$WORK/theirs.conf"
    timeout 60 "$BIN/firehosed" --config "$WORK/theirs.conf" 2>"$WORK/theirs.log"
    expect "exit status of root on the state of another user" $? 78
    grep -q 'runuser -u nobody' "$WORK/theirs.log" || fail "it does not say whom to run it as: $(cat "$WORK/theirs.log")"
    expect "what root has left there" "$(ls -A "$WORK/theirs")" ""
    # a value that is seldom meant is told as such
    sed 's/receivers = 4/receivers = 4; threads = 9/' "$WORK/theirs.conf" >"$WORK/warned.conf"
    timeout 60 "$BIN/firehosed" --config "$WORK/warned.conf" 2>"$WORK/warned.log"
    grep -q '\[config-warning\] .*firehose.threads is 9' "$WORK/warned.log" || fail "no warning of a remarkable value: $(cat "$WORK/warned.log")"
fi

# tail and checkpoint.
line=$(timeout 60 "$BIN/firehosectl" --socket "$WORK/a/control.sock" tail --count 1)
jq -e .recordUid <<<"$line" >/dev/null || fail "tail shows no event: $line"
"$BIN/firehosectl" --socket "$WORK/a/control.sock" checkpoint >"$WORK/checkpoint.out" || fail "checkpoint"

# preview: another replica, state untouched; the pair's own replica only with --force.
"$BIN/firehosectl" preview --config "$WORK/a/firehosed.conf" --count 3 >"$WORK/preview.out" || fail "preview"
"$BIN/firehosectl" preview --config "$WORK/a/firehosed.conf" 2>"$WORK/preview.err" | head -1 >"$WORK/preview.head"
expect "leaving of preview | head" "${PIPESTATUS[0]} $(grep -c . "$WORK/preview.head") $(grep -c 'cannot' "$WORK/preview.err")" "0 1 0"
expect "events in the preview" "$(wc -l <"$WORK/preview.out")" 3
"$BIN/firehosectl" preview --config "$WORK/a/firehosed.conf" --replica 1 --count 1 2>"$WORK/preview.err" &&
    fail "preview takes the node's own replica without --force"
grep -q -- --force "$WORK/preview.err" || fail "preview does not tell about --force"

# SIGHUP with a good and a bad configuration.
mark=$(($(log_lines "$WORK/a.log") + 1))
sed -i 's/roll_seconds = 1/roll_seconds = 2/' "$WORK/a/firehosed.conf"
node_signal a HUP
wait_log "$WORK/a.log" '\[config-reloaded\].*reloaded' 60 $mark
mark=$(($(log_lines "$WORK/a.log") + 1))
sed -i 's/receivers = 4/receivers = 6; connect_timeout_ms = 9000/' "$WORK/a/firehosed.conf"
node_signal a HUP
wait_log "$WORK/a.log" '\[config-reloaded\].*restart: firehose.connect_timeout_ms' 60 $mark
wait_log "$WORK/a.log" '\[resplit\].*6 receiver' 60 $mark

# A reload that the daemon refuses because of the key's file: the command of the unit says so, too.
unit=packaging/systemd/firehosed.service.in
answer() { # what systemctl reload would say
    local said=0
    sh -c "exec $(printf '%q' "$BIN/firehosed") --config $(printf '%q' "$WORK/a/firehosed.conf") ${check[*]} >/dev/null 2>&1" || said=$?
    echo $said
}
read -ra check <<<"$(sed -n 's/^ExecReload=.*\(--check[^>]*\)>.*/\1/p' "$unit")"
expect "a reload" "$(answer)" 0
mark=$(($(log_lines "$WORK/a.log") + 1))
mv "$WORK/a/api_key" "$WORK/a/moved"
node_signal a HUP
wait_log "$WORK/a.log" '\[config-reloaded\].*reload refused: .*api_key' 60 $mark
expect "a reload without the key's file" "$(answer)" 1
mv "$WORK/a/moved" "$WORK/a/api_key"
expect "a reload with the key's file back" "$(answer)" 0

# SIGTERM under load: drained and committed within 5 s; another split after the restart.
for try in 1 2 3; do # a machine that stands still takes its time once, a node that does not obey every time
    start=$(date +%s%N)
    node_signal a TERM
    took=$((($(date +%s%N) - start) / 1000000))
    expect "exit status after SIGTERM" "$NODE_EXIT" 0
    node_start a
    [ $took -ge 5000 ] || break
    [ $try -lt 3 ] || fail "SIGTERM took $took ms"
    wait_status a 'all(.receivers[]; .state == "streaming")' 60
done
wait_status a '(.receivers | length) == 6 and all(.receivers[]; .state == "streaming")' 60
before=$(node_value a .counters.received)
wait_status a ".counters.received > $before + 500" 60

# SIGKILL and restart.
node_signal a KILL
node_start a
wait_status a 'all(.receivers[]; .state == "streaming")' 60
sim_post /sim/stop >/dev/null
wait_delivered 60 a
node_signal a TERM
ledger_balances a

# What is not mended by trying again ends with the status after which systemd does not; a key that is missing may
# come yet.
grep -qx 'RestartPreventExitStatus=78' "$unit" || fail "the unit tries for ever"
start_fails() { # WHAT STATUS WORDS
    local status=0
    timeout 60 "$BIN/firehosed" --config "$WORK/a/firehosed.conf" 2>"$WORK/refused.log" || status=$?
    expect "exit status: $1" $status "$2"
    grep -q "\[fatal\] cannot start: .*$3" "$WORK/refused.log" || fail "$1: $(cat "$WORK/refused.log")"
}
mv "$WORK/a/api_key" "$WORK/a/moved"
start_fails "no file of the API key" 1 "No such file"
: >"$WORK/a/api_key" && chmod 600 "$WORK/a/api_key"
start_fails "an empty file of the API key" 78 "is empty; put the API key into it"
cat "$WORK/a/moved" >"$WORK/a/api_key" && chmod 640 "$WORK/a/api_key"
start_fails "an API key open to others" 78 "chmod 600"
rm "$WORK/a/api_key" && mv "$WORK/a/moved" "$WORK/a/api_key"

# A damaged store is named, with the remedy.
dd if=/dev/urandom of="$WORK/a/state/store/data.mdb" bs=4096 count=64 conv=notrunc 2>/dev/null
"$BIN/firehosed" --config "$WORK/a/firehosed.conf" 2>"$WORK/damaged.log"
expect "exit status with a damaged store" $? 1
grep -q '\[store-damaged\]\|\[fatal\]' "$WORK/damaged.log" || fail "no word about the damaged store: $(cat "$WORK/damaged.log")"
grep -qi 'move' "$WORK/damaged.log" || fail "no remedy for the damaged store: $(cat "$WORK/damaged.log")"
echo "single node: all as expected"
