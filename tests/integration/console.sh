#!/usr/bin/env bash
# The console of a real pair at its real sockets: what it serves, to whom, what it never serves, what
# a failover looks like, and that browsers which misbehave cost nothing.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh

export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=2" # what is freed is not to count as held
expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }

# The data of all events of one name in what was recorded of a stream.
# One that has not come as a whole yet, up to its empty line, is none.
events() { awk -v name="event: $2" '$0 == name { wanted = 1; next }
    wanted && /^data: / { data = substr($0, 7); next } wanted && /^$/ { print data } { wanted = 0 }' "$1"; }
# The first of them; it reads on, or whoever writes would end by a broken pipe, which counts as a failure.
first_event() { events "$1" "$2" | sed -n 1p; }
# wait_events FILE NAME JQ_CONDITION SECONDS: until one such event has come.
wait_events() {
    local until=$(($(date +%s%N) / 1000000 + $4 * 1000))
    until events "$1" "$2" | jq -se "any(.[]; $3)" >/dev/null 2>&1; do
        [ $(($(date +%s%N) / 1000000)) -lt $until ] ||
            fail "no event $2 with $3 within $4 s; the last one: $(events "$1" "$2" | tail -n1 | cut -c1-2000)"
        sleep 0.1
    done
}
declare -A PORT=()
url() { echo "http://127.0.0.1:${PORT[$1]}$2"; }
# watch NODE QUERY FILE: a browser that stays.
watch() {
    curl -sSN "$(url "$1" "/events$2")" >"$3" 2>/dev/null &
    PID[watch-$(basename "$3")]=$!
}
status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

# ---- a pair, each with a console; b shows the service's device ids
mkdir -p "$WORK/page"
echo '<!doctype html><title>page</title>' >"$WORK/page/index.html"
echo 'let page' >"$WORK/page/app.js"
gzip -k "$WORK/page/app.js"
echo 'not served' >"$WORK/page/notes.md"
sim_start --rate 800 --seed 11 --paused
pair_keys
for name in a b; do
    PORT[$name]=$(free_port)
    extra="assets = \"$WORK/page\"; maps = true;"
    [ $name = b ] && extra="assets = \"$WORK/page\"; device_ids = true; socket = \"$WORK/console-b.sock\";"
    preferred=false replica=2
    [ $name = a ] && preferred=true replica=1
    CONFIG_EXTRA="console: { listen = \"127.0.0.1:${PORT[$name]}\"; $extra };" \
        node_config $name $replica $preferred "$PATIENT"
    node_start $name
done
wait_pair_protected a b 60
# Nothing is sent before every receiver listens: what comes "from now on" is all there is.
for name in a b; do wait_status $name 'all(.receivers[]; .state == "streaming")' 60; done
sim_post /sim/start >/dev/null

# ---- the page and its manners
curl -sS -D "$WORK/headers" -o "$WORK/index" "$(url a /)" || fail "no page"
cmp -s "$WORK/index" "$WORK/page/index.html" || fail "the page is not the file"
for header in "content-security-policy: default-src 'none'; script-src 'self'" 'x-content-type-options: nosniff' \
    'x-frame-options: deny' 'referrer-policy: no-referrer' 'content-type: text/html'; do
    grep -qi "^$header" "$WORK/headers" || fail "no header '$header': $(cat "$WORK/headers")"
done
etag=$(sed -n 's/^etag: \(.*\)\r$/\1/pi' "$WORK/headers")
expect "an unchanged page" "$(status_of -H "If-None-Match: $etag" "$(url a /)")" 304
curl -sS -H 'Accept-Encoding: gzip' "$(url a /app.js)" | cmp -s - "$WORK/page/app.js.gz" || fail "no compressed script"
expect "a script" "$(curl -sS "$(url a /app.js)")" 'let page'
for path in /notes.md /index.html /app.js.gz /../a/api_key /map/ /map/unknown /metrics /events/x; do
    expect "GET $path" "$(status_of --path-as-is "$(url a $path)")" 404
done
expect "POST" "$(status_of -X POST "$(url a /)")" 405
expect "another host" "$(status_of -H 'Host: evil.example' "$(url a /)")" 421
expect "another host's events" "$(status_of -H 'Host: evil.example' --max-time 60 "$(url a /events)")" 421
expect "a floor that cannot be" "$(status_of --max-time 60 "$(url a "/events?floor=$(printf 'f%.0s' {1..80})")")" 404

# ---- what is on the stream
watch a '' "$WORK/served-a"
watch b '' "$WORK/served-b"
wait_events "$WORK/served-a" space '[.locations[] | select(.level == "FLOOR" and .devices > 0)] | length > 1' 60
wait_events "$WORK/served-a" sample '.received > 0 and .pending >= 0' 60
first_event "$WORK/served-a" history |
    jq -e '.step_s == 5 and ([.received, .delivered, .lag_ms, .pending] | all(length <= 720))' >/dev/null || fail "history"
wait_events "$WORK/served-a" pair '.node == "a" and .paired and .protected and .nodes[0].self and .nodes[0].role == "primary"
    and .nodes[1].node == "b" and .nodes[1].role == "standby" and .nodes[1].ready and (.paths | length) == 1 and .paths[0].up
    and (.receivers | length) == 4 and all(.receivers[]; .state == "streaming") and .sinks[0].name == "archive"
    and .counters.received > 0 and (.counters.types.DEVICE_LOCATION_UPDATE > 0) and .store.size_limit > 0
    and (.transitions | length) > 0' 60
events "$WORK/served-a" space | tail -n1 >"$WORK/space"
jq -e '([.locations[].id] | sort) as $ids | .dropped == 0 and .skipped == 0 and
    all(.locations[]; .parent == null or (.parent as $p | $ids | bsearch($p) >= 0))' "$WORK/space" >/dev/null || fail "space: $(cat "$WORK/space")"
[ "$(jq '[.locations[] | select(.parent == null)] | length' "$WORK/space")" = 1 ] || fail "the tree has several roots"

# ---- a floor, its devices and its image
floor=$(jq -r '[.locations[] | select(.level == "FLOOR")] | max_by(.devices).id' "$WORK/space")
watch a "?floor=$floor" "$WORK/served-floor-a"
curl -sSN --unix-socket "$WORK/console-b.sock" "http://localhost/events?floor=$floor" >"$WORK/served-floor-b" &
PID[watch-b]=$!
wait_events "$WORK/served-floor-a" devices '.full and (.devices | length) > 0' 60
wait_events "$WORK/served-floor-a" devices '(.full | not) and (.devices | length) > 0' 60
wait_events "$WORK/served-floor-b" devices '(.devices | length) > 0' 60
first_event "$WORK/served-floor-a" devices |
    jq -e --arg floor "$floor" '.floor == $floor and .full and (.gone | length) == 0 and
        all(.devices[]; (.[0] | test("^[0-9a-f]{16}$")) and .[1] >= 0 and .[2] >= 0 and .[3] >= 0 and .[4] >= 0)' >/dev/null ||
    fail "devices: $(first_event "$WORK/served-floor-a" devices | cut -c1-2000)"
wait_events "$WORK/served-floor-a" devices '.map.image and .map.width > 0 and .map.length > 0' 60
map=$(events "$WORK/served-floor-a" devices | tail -n1 | jq -r .map.id)
curl -sS -D "$WORK/headers" -o "$WORK/map" "$(url a "/map/$map")"
grep -qi '^content-type: image/png' "$WORK/headers" && [ "$(head -c4 "$WORK/map" | tail -c3)" = PNG ] || fail "the image of map $map"
expect "a map on the node without console.maps" "$(status_of "$(url b "/map/$map")")" 404

# ---- the last hour of a floor and of its building
house=$(jq -r --arg floor "$floor" '.locations[] | select(.id == $floor).parent' "$WORK/space")
watch b "?place=$floor" "$WORK/served-floor-hour-b"
watch b "?floor=$floor&place=$house" "$WORK/served-house-hour-b"
wait_events "$WORK/served-floor-hour-b" occupancy ".full and .place == \"$floor\" and .step_s == 10 and
    ([.devices, .present, .camera | length] | unique | length) == 1 and (.devices | length) <= 360" 60
watch b "?place=nowhere" "$WORK/served-no-hour-b"
wait_events "$WORK/served-no-hour-b" occupancy '.full and .place == "nowhere" and .devices == []' 60
expect "a place that cannot be" "$(status_of --max-time 60 "$(url a "/events?place=$(printf 'f%.0s' {1..80})")")" 404

# ---- personal data: nothing of what people are known by in the records is in anything served
personal() { jq -r '.. | objects | .macAddress, .deviceMacAddress, .email, .mobile, .firstName, .lastName, .userId, .rawUserId,
    .openRoamingUserId, .loginEmail, .ipv4, .ssid | strings | select(length > 2)' "$WORK"/[ab]/events/*.ndjson | sort -u >"$WORK/personal"; }
until=$((SECONDS + 60))
until personal && [ "$(wc -l <"$WORK/personal")" -gt 50 ] && grep -q '@' "$WORK/personal"; do
    [ $SECONDS -lt $until ] || fail "there is no personal data to look for, or no e-mail address"
    sleep 0.2
done
cat "$WORK"/served-* >"$WORK/all"
[ -s "$WORK/all" ] || fail "nothing was served"
# (a word of a name may stand in a location's name: whole strings are compared)
jq -Rr '"\"" + . + "\""' "$WORK/personal" >"$WORK/quoted"
grep -oFf "$WORK/quoted" "$WORK/all" | sort | uniq -c | head -n3 >"$WORK/found"
[ -s "$WORK/found" ] && fail "personal data was served: $(cat "$WORK/found")"
grep -oE '([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+' "$WORK/all" | head -n3 >"$WORK/found"
[ -s "$WORK/found" ] && fail "an address was served: $(cat "$WORK/found")"
grep -q "$API_KEY" "$WORK/all" && fail "the API key was served"
grep -qE '"device-[A-Za-z0-9]+"' "$WORK/served-floor-b" || fail "console.device_ids shows no device ids"
grep -qE '"device-[A-Za-z0-9]+"' "$WORK/served-floor-a" && fail "device ids are shown without console.device_ids"

# ---- browsers that misbehave; without events, so that what grows is theirs
sim_post /sim/stop >/dev/null
stopped=$(date +%s%3N)
resident() { awk '/^RssAnon:/ { print $2 }' "/proc/${PID[a]}/status"; }
many() {
    local i pids=()
    for i in $(seq 100); do
        curl -sN --max-time 0.5 "$(url a "/events?floor=unknown-$i")" -o /dev/null 2>/dev/null &
        pids+=($!)
        [ $((i % 25)) -ne 0 ] || { wait "${pids[@]}"; pids=(); }
    done
}
for i in 1 2 3; do # ask, and never read
    exec {fd}<>"/dev/tcp/127.0.0.1/${PORT[a]}" || fail "no connection"
    printf 'GET /events?floor=%s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$floor" >&"$fd"
done
many
after=$(resident)
# What is lost with each browser is lost every time; what a busy machine has not given back yet is not.
for try in 1 2 3 4 5; do
    before=$after
    many
    after=$(resident)
    echo "resident after $((try * 100)) and 100 more browsers: $before kB, $after kB"
    [ $((after - before)) -ge 4096 ] || break
    [ $try -lt 5 ] || fail "100 browsers more took $((after - before)) kB"
done
last=$(events "$WORK/served-a" pair | tail -n1 | jq .uptime_ms)
wait_events "$WORK/served-a" pair ".uptime_ms > $last" 60 # who was there first is still served
expect "the page afterwards" "$(status_of "$(url a /)")" 200

# ---- a failover, seen from the standby's page
node_signal a KILL
wait_events "$WORK/served-b" pair '.nodes[0].role == "primary" and (.nodes[1].reachable | not) and (.protected | not)
    and (.transitions[-1].to == "primary") and (.transitions[-1].reason | length) > 0' 60
node_start a
wait_events "$WORK/served-b" pair '.nodes[0].role == "primary" and .nodes[1].role == "standby" and .protected and .nodes[1].epoch > 1' 60
wait_delivered 60 a b

# ---- the graphs end with what is shown as now, and that is what was said last, by the records' stamps
find "$WORK"/[ab]/events -name '*.ndjson' -print0 | sort -z | xargs -0 cat | jq -c 'select(.eventType == "DEVICE_COUNT") | .recordTimestamp as $stamp |
    .deviceCounts | select(.location.inferredLocationTypes | index("ZONE") | not) | [.location.locationId, .associatedCount, $stamp]' |
    jq -sc 'sort_by(.[2])[]' >"$WORK/counts"
events "$WORK/served-b" space | tail -n1 >"$WORK/space"
for place in floor house; do
    now=$(jq -r --arg id "${!place}" '.locations[] | select(.id == $id) |
        ".devices[-1] == \(.devices) and .present[-1] == \(.present) and .camera[-1] == \(.camera)"' "$WORK/space")
    wait_events "$WORK/served-$place-hour-b" occupancy ".place == \"${!place}\" and .to > $stopped and $now" 60
done
for id in $(jq -r '.[0]' "$WORK/counts" | sort -u | head -n3); do
    watch b "?place=$id" "$WORK/served-$id-b"
    sent=$(jq -r --arg id "$id" 'select(.[0] == $id)[1]' "$WORK/counts" | tail -n1)
    wait_events "$WORK/served-$id-b" occupancy ".devices[-1] == $sent" 60
done
echo "graphs end with what was sent: $(jq -sc 'map(.[1]) | .[:3]' "$WORK/counts") devices"
kill "${PID[watch-b]}" 2>/dev/null
for name in b a; do
    start=$(date +%s%N)
    node_signal $name TERM
    expect "exit status of $name with a browser there" "$NODE_EXIT" 0
    [ $((($(date +%s%N) - start) / 1000000)) -lt 60000 ] || fail "node $name took too long to stop"
done
ledger_balances a b
echo "console: all as expected"
