#!/usr/bin/env bash
# Looking at the past of a pair under load: events by each filter and stats against the simulator's ledger
# and jq; replays into a file sink and a webhook beside the live stream, which must balance all the same; a
# replay that ends with its primary; dead letters; the store of a node that was killed.
#
# Environment: BIN, RATE (1500 events/s), SEED (printed).
set -uo pipefail
cd "$(dirname "$0")/../.."
RATE=${RATE:-1500}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$SEED
echo "seed $SEED, $RATE events/s"
. tests/lib/pair.sh
. tests/lib/sink_webhook.sh
missing=$(far_install_check) || { echo "missing: $missing"; exit 77; }

expect() { [ "$2" = "$3" ] || { KEEP_WORK=1; fail "$1: expected '$3', got '$2' (files kept in $WORK)"; }; }
same() { cmp -s "$2" "$3" || { KEEP_WORK=1; diff "$2" "$3" | head -n 5 | cut -c1-200 >&2; fail "$1 (files kept in $WORK)"; }; }
ctl() { local node=$1; shift; "$BIN/firehosectl" --socket "$WORK/$node/control.sock" "$@"; }
events() { local node=$1; shift; "$BIN/firehosectl" events --config "$WORK/$node/firehosed.conf" --format json "$@"; }
stats() { local node=$1; shift; "$BIN/firehosectl" stats --config "$WORK/$node/firehosed.conf" "$@"; }
now_ms() { date +%s%3N; }
# on_its_own NODE ARGUMENTS...: of a node without a peer, which is fenced for a moment when its machine stood still.
on_its_own() {
    local until=$((SECONDS + 60))
    until ctl "$@" 2>"$WORK/refused"; do
        grep -q 'this node is fenced' "$WORK/refused" && [ $SECONDS -lt $until ] || { cat "$WORK/refused"; return 1; }
        sleep 0.2
    done
}
declare -A METRICS=()
# metric NODE LINE: until the metrics of a node, made anew once a second, have that line.
metric() {
    local until=$(($(now_ms) + 60000))
    until curl -sS "http://127.0.0.1:${METRICS[$1]}/metrics" >"$WORK/metrics" 2>&1 && grep -qxF "$2" "$WORK/metrics"; do
        [ "$(now_ms)" -lt $until ] || fail "no metric '$2' of node $1, but: $(grep replay "$WORK/metrics" | grep -v '^#')"
        sleep 0.1
    done
}
UIDS='"\(.recordUid) \(.recordTimestamp)"'

far_start
sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 1000 --jitter-ms 200 --paused
pair_keys
SINK_EXTRA="}, $(far_sink a | sed 's/ *}$//')"
for node in a b; do
    METRICS[$node]=$(free_port)
    CONFIG_EXTRA="metrics: { listen = \"127.0.0.1:${METRICS[$node]}\"; };"
    if [ $node = a ]; then node_config a 1 true "$PATIENT"; else node_config b 2 false "$PATIENT"; fi
done
node_start a
node_start b
wait_pair_protected a b 60
for node in a b; do wait_status $node 'all(.receivers[]; .state == "streaming")' 60; done
sim_post /sim/start >/dev/null
wait_status a '.counters.received > 6 * '"$RATE" 60
# By the simulator's time, which falls behind the clock on a busy machine: no event that is still to be issued
# has a stamp of the interval, as none is later than --lateness-ms.
sim_get /sim/ledger >"$WORK/ledger.then" || fail "no ledger"
UNTIL=$(awk '$2 > newest { newest = $2 } END { printf "%.0f\n", newest - 1000 }' "$WORK/ledger.then")
SINCE=$((UNTIL - 3000))
INTERVAL="--since $SINCE --until $UNTIL"

# ---- events: the same on both nodes, and what the simulator sent ----
awk -v s=$SINCE -v u=$UNTIL '$2 >= s && $2 < u { print $1, $2 }' "$WORK/ledger.then" | sort >"$WORK/wanted"
# until_stored NODE: until it has as many of them, which then have to be the same ones.
until_stored() {
    local until=$((SECONDS + 60))
    until events "$1" $INTERVAL >"$WORK/all.$1" && [ "$(wc -l <"$WORK/all.$1")" -ge "$(wc -l <"$WORK/wanted")" ]; do
        [ $SECONDS -lt $until ] || fail "node $1 has $(wc -l <"$WORK/all.$1") of $(wc -l <"$WORK/wanted") events"
        sleep 0.2
    done
}
for node in a b; do
    until_stored $node
    jq -r "$UIDS" "$WORK/all.$node" | sort >"$WORK/got"
    same "events of $node are not those of the ledger" "$WORK/wanted" "$WORK/got"
done
all=$(wc -l <"$WORK/all.a")
[ "$all" -gt $((2 * RATE)) ] || fail "only $all events in the interval"

# filter NAME JQ OPTIONS...
filter() {
    local name=$1 wanted=$2
    shift 2
    events a $INTERVAL "$@" | jq -r "$UIDS" >"$WORK/got" || fail "events $*"
    jq -r "select($wanted) | $UIDS" "$WORK/all.a" >"$WORK/filtered"
    same "events by $name" "$WORK/filtered" "$WORK/got"
    [ -s "$WORK/got" ] || fail "no event by $name"
    echo "by $name: $(wc -l <"$WORK/got") of $all events"
}
DEVICE=$(jq -r 'select(.eventType == "DEVICE_LOCATION_UPDATE") | .deviceLocationUpdate.device.deviceId // empty' "$WORK/all.a" |
    sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
PLACE=$(jq -r '.[]? | objects | .location? | objects | .parent | objects | .locationId' "$WORK/all.a" |
    sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
filter type '.eventType == "IOT_TELEMETRY" or .eventType == "DEVICE_ENTRY"' --type IOT_TELEMETRY,DEVICE_ENTRY,NO_SUCH_TYPE
filter device "any(.. | objects | .deviceId?; . == \"$DEVICE\")" --device "$DEVICE"
filter location "any(.[] | objects | .location | objects | recurse(.parent | objects); .locationId == \"$PLACE\")" --location "$PLACE"
events a $INTERVAL --newest | jq -r "$UIDS" | tac >"$WORK/got"
jq -r "$UIDS" "$WORK/all.a" >"$WORK/filtered"
same "the newest first" "$WORK/filtered" "$WORK/got"
expect "events with a limit" "$(events a $INTERVAL --limit 7 | wc -l)" 7
events a | head -n 1 >/dev/null
expect "exit status before head" "${PIPESTATUS[0]}" 0
"$BIN/firehosectl" events --config "$WORK/a/firehosed.conf" $INTERVAL >"$WORK/table" || fail "the table"
expect "lines of the table" "$(wc -l <"$WORK/table")" $((all + 1))
grep -q '@' "$WORK/table" && fail "an address in the table: $(grep -m1 @ "$WORK/table")"

# ---- stats ----
for by in type tenant hour location; do
    case $by in
    type) key=.eventType ;;
    tenant) key=.spacesTenantId ;;
    hour) key='(.recordTimestamp / 3600000 | floor * 3600000)' ;;
    location) key='([.[] | objects | .location? | objects | .locationId][0] // "")' ;;
    esac
    [ $by = location ] && continue # which member names it differs by type: facts.h, and its own test
    stats a $INTERVAL --by $by --format csv --top 1000 | tr -d '\r' | tail -n +2 | sort >"$WORK/got"
    jq -r "$key" "$WORK/all.a" | sort | uniq -c | awk '{ print $2 "," $1 }' | sort >"$WORK/filtered"
    same "stats by $by" "$WORK/filtered" "$WORK/got"
done
expect "the sum by location" "$(stats a $INTERVAL --by location --top 3 --format json | jq '[.rows[].events] + [.other] | add')" "$all"

# ---- replay: refused where it must be ----
ctl b replay --sink archive $INTERVAL 2>"$WORK/refused" && fail "a standby replays"
grep -q 'only the primary' "$WORK/refused" || fail "the standby does not say why: $(cat "$WORK/refused")"
ctl a replay --sink nowhere $INTERVAL 2>"$WORK/refused" && fail "a replay into no sink"
grep -q 'archive, out' "$WORK/refused" || fail "the sinks are not named: $(cat "$WORK/refused")"
before=$(find "$WORK/a/events" | grep -c replay)
ctl a replay --sink archive $INTERVAL --type DEVICE_ENTRY --dry-run >"$WORK/dry" || fail "a dry run"
grep -q "DEVICE_ENTRY *$(grep -c '"eventType":"DEVICE_ENTRY"' "$WORK/all.a")\$" "$WORK/dry" || fail "the dry run: $(cat "$WORK/dry")"
expect "replays in the directory after a dry run" "$(find "$WORK/a/events" | grep -c replay)" "$before"

# ---- replay into files and over HTTP, at the same time, beside the live stream ----
ctl a replay --sink archive $INTERVAL >"$WORK/replay.archive" 2>&1 &
file=$!
ctl a replay --sink out $INTERVAL --type DEVICE_LOCATION_UPDATE >"$WORK/replay.out" 2>&1 || fail "replay into the webhook: $(cat "$WORK/replay.out")"
wait $file || fail "replay into the file sink: $(cat "$WORK/replay.archive")"
cat "$WORK"/a/events/replay-*/archive-*.ndjson >"$WORK/again"
jq -r "$UIDS" "$WORK/again" | sort >"$WORK/got"
same "what was replayed into files" "$WORK/wanted" "$WORK/got"
jq -e -s 'all(._firehosed.replay != null)' "$WORK/again" >/dev/null || fail "a record of the replay is not marked"
id=$(sed -n 's/^replay \([^ ]*\) done.*/\1/p' "$WORK/replay.out")
grep "\"replay\":\"$id\"" "$WORK/far/records.ndjson" | jq -r "$UIDS" | sort >"$WORK/got"
jq -r "select(.eventType == \"DEVICE_LOCATION_UPDATE\") | $UIDS" "$WORK/all.a" | sort >"$WORK/filtered"
same "what was replayed over HTTP" "$WORK/filtered" "$WORK/got"
expect "records of requests with the replay's header" \
    "$(jq -s --arg id "$id" 'map(select(.replay == $id) | .records) | add' "$WORK/far/requests.ndjson")" "$(wc -l <"$WORK/got")"
expect "keys the replay's requests share with others" "$(jq -r '"\(.key) \(.replay)"' "$WORK/far/requests.ndjson" | sort -u |
    cut -d' ' -f1 | uniq -d | wc -l)" 0
grep -q "\[replay-ended\].*$id.*done" "$WORK/a.log" || fail "the journal does not tell the end of replay $id"

metric a 'firehosed_replays_total{result="done"} 2'
metric a "firehosed_replay_events_total{outcome=\"delivered\"} $((all + $(wc -l <"$WORK/got")))"
metric a "firehosed_replay_events_total{outcome=\"filtered\"} $((all - $(wc -l <"$WORK/got")))"
metric a 'firehosed_replay_running{sink="archive"} 0'

# ---- a record the far side will never take ----
curl -sS --fail --cacert "$WORK/far/ca.pem" --data '[{"match": "RAW_CAMERA_COUNT", "status": 422}]' "https://127.0.0.1:$FAR_PORT/control" >/dev/null
wait_status a '.sinks[1].refused > 0' 60
curl -sS --fail --cacert "$WORK/far/ca.pem" --data '[]' "https://127.0.0.1:$FAR_PORT/control" >/dev/null
letters=$(node_status a | jq -r '.sinks[1].dead_letters')
jq -e -s 'length > 0 and all(.[]; .sink == "out" and (.reason | test("422")) and
    ((.record | if type == "string" then fromjson else . end).eventType == "RAW_CAMERA_COUNT"))' "$letters" >/dev/null ||
    fail "the dead letters are not what was refused: $(head -n 1 "$letters")"

# ---- the primary is killed during a replay: it ends, the live stream goes on ----
ctl a replay --sink archive $INTERVAL --rate 300 >"$WORK/replay.killed" 2>&1 &
killed=$!
wait_status a '.sinks[0].replay.looked_at > 200 and .sinks[0].replay.state == "running"' 60
metric a 'firehosed_replay_running{sink="archive"} 1'
metric a 'firehosed_replay_running{sink="out"} 0'
grep -q '^firehosed_replay_pending_events [1-9]' "$WORK/metrics" || fail "a replay in progress has nothing pending"
node_signal a KILL
wait $killed && fail "a replay goes on without its primary"
grep -q 'the daemon has ended' "$WORK/replay.killed" || fail "not said why the replay ended: $(cat "$WORK/replay.killed")"
jq -r "$UIDS" <(events a $INTERVAL) | sort >"$WORK/got"
same "the store of the killed node" "$WORK/wanted" "$WORK/got"
mkdir "$WORK/cut" && cp -r "$WORK/a/state/store" "$WORK/cut/" && truncate -s 8192 "$WORK/cut/store/data.mdb"
for command in events stats; do
    "$BIN/firehosectl" $command --state-dir "$WORK/cut" >/dev/null 2>"$WORK/refused"
    expect "$command of a store that is cut off" "$?" 1
    grep -q "$WORK/cut/store/data.mdb is shorter than it should be: .* move $WORK/cut/store away" "$WORK/refused" || fail "$command does not say what is wrong: $(cat "$WORK/refused")"
done
wait_status b '.role == "primary"' 60
on_its_own b replay --sink archive $INTERVAL --rate 300 --detach >/dev/null || fail "a replay on the new primary"
wait_status b '.sinks[0].replay.state == "running"' 60
ctl b replay --cancel >/dev/null || fail "cancel"
wait_status b '.sinks[0].replay.state == "cancelled"' 60
go_on=$(node_status b | jq '.sinks[0].replay.go_on_ms')
on_its_own b replay --sink archive --since "$go_on" --until $UNTIL >"$WORK/replay.rest" || fail "the rest of a replay: $(cat "$WORK/replay.rest")"
cat "$WORK"/b/events/replay-*/archive-*.ndjson | jq -r "$UIDS" | sort -u >"$WORK/got"
same "what was replayed in two parts" "$WORK/wanted" "$WORK/got"
metric b 'firehosed_replays_total{result="cancelled"} 1'
metric b 'firehosed_replays_total{result="done"} 1'
metric b "firehosed_replay_events_total{outcome=\"delivered\"} $(cat "$WORK"/b/events/replay-*/archive-*.ndjson | wc -l)"

# ---- the live stream: nothing lost, nothing twice, nothing marked ----
sim_post /sim/stop >/dev/null
wait_delivered 60 b
ledger_after_kill a b || { KEEP_WORK=1; fail "the live stream does not balance (files kept in $WORK)"; }
grep -l '_firehosed' "$WORK"/[ab]/events/*.ndjson && fail "a replayed record among the published files"
grep -v '"_firehosed"' "$WORK/far/records.ndjson" | cat - <(cat "$WORK"/[ab]/state/dead-letters/out.ndjson |
    jq -c '.record | if type == "string" then fromjson else . end') | jq -r "$UIDS" | sort -u >"$WORK/got"
sim_get /sim/ledger | awk '{ print $1, $2 }' | sort >"$WORK/wanted"
expect "events the webhook did not get" "$(comm -23 "$WORK/wanted" "$WORK/got" | wc -l)" 0
echo "events, stats and replays as they should be, $(wc -l <"$WORK/wanted") events live"
