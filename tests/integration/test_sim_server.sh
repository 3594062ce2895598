#!/usr/bin/env bash
# The simulator's server as a client sees it, with curl and nghttp2's tools alone: statuses, sharing,
# replicas, replay, keep-alives, every fault's visible effect, and the ledger against what arrived.
#
# BIN names the folder of firehose-sim. Set KEEP_WORK=1 to keep the files.
set -uo pipefail

BIN=${BIN:?BIN must name the folder of the built programs}
WORK=$(mktemp -d /tmp/firehose-sim-test-XXXXXX)
KEY=0123456789ABCDEF0123456789ABCDEF
EVENTS=/api/partners/v1/firehose/events
SIM=
CLIENTS=()
CHECKS=0

cleanup() {
    local pid
    for pid in "${CLIENTS[@]}" $SIM; do kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    [ -n "${KEEP_WORK:-}" ] || rm -rf "$WORK"
}
trap cleanup EXIT

fail() {
    echo "FAILED: $*" >&2
    [ -s "$WORK/sim.err" ] && tail -n 40 "$WORK/sim.err" >&2
    exit 1
}
ok() { CHECKS=$((CHECKS + 1)); echo "ok $CHECKS - $*"; }
equal() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }

# until_true SECONDS COMMAND...: asks every 20 ms; the server has no event to wait for.
until_true() {
    local end=$(($(date +%s%N) / 1000000 + $1 * 1000))
    shift
    until "$@"; do
        [ $(($(date +%s%N) / 1000000)) -lt $end ] || return 1
        sleep 0.02
    done
}

listening() { grep -q 'listening on' "$WORK/sim.out"; }

# sim OPTIONS...: URL afterwards; the previous one has been stopped.
sim() {
    sim_stop
    : >"$WORK/sim.out"
    "$BIN/firehose-sim" --listen 127.0.0.1:0 --api-key "$KEY" --seed 7 --devices 300 "$@" \
        >"$WORK/sim.out" 2>"$WORK/sim.err" &
    SIM=$!
    until_true 20 listening || fail "no line says where firehose-sim listens"
    URL=$(sed -n 's/^firehose-sim: listening on //p' "$WORK/sim.out")
}
secure() { sim --make-cert "$WORK/cert" "$@"; }

sim_stop() {
    clients_stop
    [ -n "$SIM" ] || return 0
    kill -TERM "$SIM" 2>/dev/null
    wait "$SIM"
    local status=$?
    SIM=
    [ $status = 0 ] || fail "firehose-sim ended with status $status"
}

CURL=(curl -sS --cacert "$WORK/cert/ca.pem")
get() { "${CURL[@]}" "$URL$1"; }
post() { "${CURL[@]}" --fail -X POST "$URL$1" >/dev/null || fail "POST $1"; }
fault() { post "/sim/fault?type=$1"; }
status() { get /sim/status | jq -r "$1"; }

# client NAME QUERY [CURL OPTIONS]: in the background into NAME.ndjson; returns when it is connected.
client() {
    local name=$1 query=$2 before
    shift 2
    before=$(status '.connections | length')
    "${CURL[@]}" -N -H "X-API-KEY: $KEY" "$@" "$URL$EVENTS?$query" >"$WORK/$name.ndjson" 2>"$WORK/$name.err" &
    CLIENTS+=($!)
    until_true 10 connected $((before + 1)) || fail "client $name did not connect: $(cat "$WORK/$name.err")"
}
connected() { [ "$(status '.connections | length')" = "$1" ]; }
clients_stop() {
    local pid
    for pid in "${CLIENTS[@]}"; do kill -TERM "$pid" 2>/dev/null; done
    for pid in "${CLIENTS[@]}"; do wait "$pid" 2>/dev/null; done
    CLIENTS=()
}
last_client_gone() { ! kill -0 "${CLIENTS[-1]}" 2>/dev/null; }

# keys FILE...: "uid timestamp" of each complete record but keep-alives, sorted.
keys() {
    cat "$@" | grep -a '}.\?$' | grep -av '"eventType":"KEEP_ALIVE"' |
        sed -n 's/.*"recordUid":"\([^"]*\)","recordTimestamp":\([0-9]*\),"spacesTenantId.*/\1 \2/p' | sort
}
ledger() { get /sim/ledger | cut -d' ' -f1,2 | sort; }
lines() { cat "$@" | wc -l; }
all_issued() { [ "$(status '.done and ([.feeds[].pending] | add) == 0')" = true ]; }
records() { [ "$(keys "${@:2}" | wc -l)" -ge "$1" ]; }
has() { grep -aq -- "$1" "$WORK/$2.ndjson"; }

code() { "${CURL[@]}" -m 10 -o "$WORK/body" -w '%{http_code}' "$@"; }
# refused CODE WHAT CURL_ARGUMENTS...: both HTTP versions, the error body too.
refused() {
    local wanted=$1 what=$2 version
    shift 2
    for version in --http1.1 --http2; do
        equal "$what ($version)" "$(code "$version" "$@")" "$wanted"
        jq -e '.status == false and (.message | length > 0)' "$WORK/body" >/dev/null ||
            fail "$what: error body is $(cat "$WORK/body")"
    done
    ok "$wanted: $what"
}

# --- arguments
for bad in "--rate 0" "--rate fast" "--listen nowhere:x" "--uid-bits 40" "--bogus" "--seed" "--old-timestamp later" ""; do
    # shellcheck disable=SC2086
    "$BIN/firehose-sim" --api-key K $bad ${bad:+--plain} >/dev/null 2>"$WORK/err" </dev/null &&
        fail "accepts '$bad'"
    [ "$(wc -l <"$WORK/err")" = 1 ] || fail "'$bad': one line of explanation expected: $(cat "$WORK/err")"
done
printf 'plain = true;\nrate = 5;\napi_keys = 1;\n' >"$WORK/bad.conf"
"$BIN/firehose-sim" --config "$WORK/bad.conf" 2>"$WORK/err" && fail "accepts an unknown key in the file"
grep -q 'bad.conf:3.*api_keys' "$WORK/err" || fail "file and line are not named: $(cat "$WORK/err")"
ok "bad arguments are refused with a reason"

# --- statuses
printf 'make-cert = "%s";\napi_key = ["CONFIGURED"];\nkeep_alive_ms = 200;\n' "$WORK/cert" >"$WORK/sim.conf"
sim --config "$WORK/sim.conf" --cloud-key CLOUD --blocked-key BLOCKED --no-http-key GRPC --rate 50 --start-ms 1700000000000
K=(-H "x-api-key: $KEY")
refused 401 "no key" "$URL$EVENTS"
refused 401 "unknown key" -H 'X-API-KEY: nonsense' "$URL$EVENTS"
refused 401 "blocked key" -H 'X-API-KEY: BLOCKED' "$URL$EVENTS"
refused 403 "no HTTP channel" -H 'X-API-KEY: GRPC' "$URL$EVENTS"
refused 400 "replica of a cloud activation" -H 'X-API-KEY: CLOUD' "$URL$EVENTS?replicaId=1"
for query in minPartition=0 maxPartition=13 'minPartition=5&maxPartition=4' minPartition=one maxPartition= minPartition=-1 \
    fromTimestamp=-1 fromTimestamp=soon fromTimestamp=99999999999999999999 fromTimestamp=4000000000000 replicaId=x replicaId=-1; do
    refused 400 "$query" "${K[@]}" "$URL$EVENTS?$query"
done
refused 429 "replica 4" "${K[@]}" "$URL$EVENTS?replicaId=4"
refused 404 "another path" "${K[@]}" "$URL/api/partners/v1/firehose"
refused 404 "another command" "$URL/sim/nonsense"
refused 405 "POST" -X POST "${K[@]}" "$URL$EVENTS"
for key in CLOUD CONFIGURED "$KEY"; do
    for version in --http1.1 --http2; do
        got=$("${CURL[@]}" "$version" -m 1 -o /dev/null -w '%{http_code} %{content_type} %{http_version}' -H "X-Api-Key: $key" "$URL$EVENTS" 2>/dev/null)
        equal "stream with $key" "$got" "200 application/x-ndjson ${version#--http}"
    done
done
ok "200 over HTTP/1.1 and HTTP/2, any spelling of the header"
fault 'status&code=503&count=2&retry_after=7'
equal "injected status" "$(code "${K[@]}" "$URL$EVENTS")" 503
equal "Retry-After" "$("${CURL[@]}" -m 5 -o /dev/null -w '%header{retry-after}' "${K[@]}" "$URL$EVENTS")" 7
fault 'status&code=500&replica=2'
equal "status for replica 2 alone" "$(code -m 1 "${K[@]}" "$URL$EVENTS?replicaId=1" 2>/dev/null)" 200
equal "status for replica 2" "$(code "${K[@]}" "$URL$EVENTS?replicaId=2")" 500
ok "injected statuses, per replica"
equal "ledger without the header from loopback" "$(code "$URL/sim/ledger")" 200
printf 'GET /sim/status HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' |
    timeout 5 openssl s_client -quiet -connect "${URL#https://}" -CAfile "$WORK/cert/ca.pem" 2>/dev/null >"$WORK/pipelined"
equal "pipelined answers" "$(grep -ac '^HTTP/1.1 ' "$WORK/pipelined")" 2
ok "pipelined requests are answered in turn"
for junk in 'nonsense\r\n\r\n' 'GET nowhere HTTP/1.1\r\n\r\n' 'GET / HTTP/1.1\r\nbroken\r\n\r\n'; do
    # shellcheck disable=SC2059
    printf "$junk" | timeout 5 openssl s_client -quiet -connect "${URL#https://}" 2>/dev/null >"$WORK/junk"
    grep -aq '^HTTP/1.1 400' "$WORK/junk" || fail "'$junk' is not answered with 400"
done
head -c 40000 /dev/zero | tr '\0' a | timeout 5 openssl s_client -quiet -connect "${URL#https://}" 2>/dev/null >"$WORK/junk"
grep -aq '^HTTP/1.1 431' "$WORK/junk" || fail "an endless head is not answered with 431"
ok "requests that are none"
curl -sS --tls-max 1.1 --cacert "$WORK/cert/ca.pem" "$URL/sim/status" >/dev/null 2>&1 && fail "TLS 1.1 is accepted"
curl -sS --tlsv1.2 --tls-max 1.2 --cacert "$WORK/cert/ca.pem" "$URL/sim/status" >/dev/null || fail "TLS 1.2 is refused"
curl -sS "$URL/sim/status" >/dev/null 2>&1 && fail "the made CA is trusted by everyone"
ok "TLS 1.2 and up"

# --- at most 12 connections per key and replica
secure --rate 50
for i in $(seq 12); do client "c$i" "minPartition=$i&maxPartition=$i"; done
equal "13th connection" "$(code "${K[@]}" "$URL$EVENTS")" 429
equal "another replica" "$(code -m 1 "${K[@]}" "$URL$EVENTS?replicaId=2" 2>/dev/null)" 200
kill "${CLIENTS[0]}"
until_true 5 connected 11 || fail "a closed connection is still counted"
client again "minPartition=1&maxPartition=1"
ok "the 13th connection is refused, a freed place is not"

# --- who gets what
N=6000
for version in --http1.1 --http2; do
    secure --rate 20000 --events $N --paused --threads 2
    client one replicaId=1 $version
    client two replicaId=2 $version
    client a 'replicaId=3&minPartition=1&maxPartition=6' $version
    client b 'replicaId=3&minPartition=7' $version
    client c 'replicaId=3&minPartition=4&maxPartition=9' $version
    equal "connections" "$(status '.connections | length')" 5
    post /sim/start
    until_true 30 all_issued || fail "not everything was taken: $(get /sim/status)"
    for files in one two "a b c"; do
        # shellcheck disable=SC2086
        until_true 10 records $N $(printf "$WORK/%s.ndjson " $files) || fail "$files did not receive $N records: $(lines $(printf "$WORK/%s.ndjson " $files))"
    done
    clients_stop
    ledger >"$WORK/ledger"
    equal "rows in the ledger" "$(lines "$WORK/ledger")" $N
    for files in one two "a b c"; do
        # shellcheck disable=SC2086
        keys $(printf "$WORK/%s.ndjson " $files) >"$WORK/got"
        cmp -s "$WORK/got" "$WORK/ledger" || fail "$files: not what the ledger says: $(diff "$WORK/got" "$WORK/ledger" | head -n 5)"
    done
    for file in a b c; do [ "$(lines "$WORK/$file.ndjson")" -gt $((N / 12)) ] || fail "$file has no fair share"; done
    jq -es "length == $N and all(.[]; .recordUid and .eventType)" "$WORK/one.ndjson" >/dev/null || fail "not NDJSON"
    get /sim/ledger | awk '$3 > 6 { print $1, $2 }' | sort >"$WORK/ledger.high"
    grep -q . <(keys "$WORK/a.ndjson" | comm -12 - "$WORK/ledger.high") && fail "a got partitions it did not ask for"
    equal "ledger from an index" "$(get "/sim/ledger?from=$((N - 10))" | wc -l)" 10
    [ "$(cut -d' ' -f1,2 <(get '/sim/ledger'))" != "$(sed -n 's/.*"recordUid":"\([^"]*\)","recordTimestamp":\([0-9]*\).*/\1 \2/p' "$WORK/two.ndjson")" ] ||
        fail "replica 2 has no order of its own"
    ok "$version: replicas are complete, competing connections share, nothing twice"
done

# --- replay
secure --rate 4000 --lateness-ms 500
client live replicaId=1
until_true 10 records 2000 "$WORK/live.ndjson" || fail "no events"
clients_stop
until_true 10 connected 0 || fail "the first client is still counted"
from=$(keys "$WORK/live.ndjson" | cut -d' ' -f2 | sort -n | tail -n1)
from=$((from - 1000))
client resumed "replicaId=1&fromTimestamp=$from"
client other "replicaId=1&fromTimestamp=$from"
until_true 10 records 8000 "$WORK/resumed.ndjson" || fail "no replay"
post /sim/stop
taken() { [ "$(status '[.feeds[].pending] | add')" = 0 ]; }
until_true 10 taken || fail "something is left after the stop"
ledger >"$WORK/ledger"
# All that was issued since the first client came; stamps are up to 500 ms late.
no_hole() {
    keys "$WORK/live.ndjson" "$WORK/resumed.ndjson" "$WORK/other.ndjson" | uniq >"$WORK/got"
    comm -13 "$WORK/got" "$WORK/ledger" | awk -v first="$(sed -n 1p "$WORK/live.ndjson" | jq .recordTimestamp)" \
        '$2 >= first + 500' >"$WORK/holes"
    [ ! -s "$WORK/holes" ]
}
until_true 10 no_hole || fail "holes: $(head -n 5 "$WORK/holes")"
both=$(comm -12 <(keys "$WORK/live.ndjson") <(keys "$WORK/resumed.ndjson") | wc -l)
[ "$both" -ge 500 ] || fail "the replay repeats only $both records"
replayed=$(comm -12 <(keys "$WORK/other.ndjson") <(keys "$WORK/resumed.ndjson") | wc -l)
[ "$replayed" -ge 500 ] || fail "a replay is private: only $replayed records in both"
client old "replicaId=2&fromTimestamp=1000"
until_true 10 records "$(lines "$WORK/ledger")" "$WORK/old.ndjson" || fail "a timestamp before the window does not start at the oldest"
ok "replay without a hole, private to its connection; old timestamps are clamped"

# --- the window rolls; old timestamps may be errors
secure --rate 50000 --window-mb 1 --old-timestamp error
rolled() { [ "$(status .window_first)" -gt 1000 ]; }
until_true 20 rolled || fail "the window does not roll: $(get /sim/status)"
refused 400 "fromTimestamp before the window" "${K[@]}" "$URL$EVENTS?fromTimestamp=1000"

# --- keep-alives
secure --rate 100 --paused --keep-alive-ms 200
client quiet replicaId=1
client quiet1 replicaId=2 --http1.1
alive() { [ "$(grep -c KEEP_ALIVE "$WORK/$1.ndjson")" -ge 3 ]; }
until_true 5 alive quiet && until_true 5 alive quiet1 || fail "no keep-alives"
jq -es 'all(.[]; .spacesTenantId == "" and .partnerTenantId == "" and (.recordUid | startswith("event-")))' "$WORK/quiet.ndjson" >/dev/null || fail "keep-alives look wrong"
equal "a keep-alive is not in the ledger" "$(get /sim/ledger | wc -l)" 0
fault 'no_keep_alive&replica=1'
before=$(grep -c KEEP_ALIVE "$WORK/quiet.ndjson")
before1=$(grep -c KEEP_ALIVE "$WORK/quiet1.ndjson")
further() { [ "$(grep -c KEEP_ALIVE "$WORK/quiet1.ndjson")" -ge $((before1 + 5)) ]; }
until_true 5 further || fail "replica 2 lost its keep-alives too"
[ "$(grep -c KEEP_ALIVE "$WORK/quiet.ndjson")" -le $((before + 1)) ] || fail "no_keep_alive has no effect"
ok "keep-alives, and their absence, per replica"

# --- faults at lines
for version in --http1.1 --http2; do
    secure --rate 200 --lateness-ms 0 --jitter-ms 0
    for type in not_json bad_utf8 'long_line&bytes=300000' unknown_type future_stamp unknown_fields crlf 'empty_lines&n=3' \
        'many_chunks&n=2' 'duplicate&n=5' 'duplicate&n=1&later_ms=300' 'reorder&n=3&by=4'; do
        fault "$type"
    done
    client odd replicaId=1 $version
    until_true 10 records 100 "$WORK/odd.ndjson" || fail "the stream does not go on after the faults"
    has '^this line is not JSON' odd || fail "not_json"
    LC_ALL=C grep -aq $'badc0de.*\xff\xfe' "$WORK/odd.ndjson" || fail "bad_utf8"
    equal "long_line" "$(awk 'length > 200000 { n = length + 1 } END { print n }' "$WORK/odd.ndjson")" 300000
    has '^{"futureField":{"list"' odd || fail "unknown_fields"
    grep -aq $'}\r$' "$WORK/odd.ndjson" || fail "crlf"
    # The doubled events bring theirs along.
    [ "$(tr -d '\r' <"$WORK/odd.ndjson" | grep -ac '^$')" -ge 3 ] || fail "empty_lines"
    equal "duplicate" "$(keys "$WORK/odd.ndjson" | uniq -d | wc -l)" 6
    stamps() { sed -n 's/.*"recordTimestamp":\([0-9]*\),.*/\1/p' "$WORK/odd.ndjson"; }
    stamps | sort -nc 2>/dev/null && fail "reorder"
    equal "all faults were applied" "$(get /sim/faults | jq '[.[] | select(.type != "crlf" and .type != "unknown_type" and .type != "future_stamp") | .applied > 0] | all')" true
    fault 'clear'
    equal "clear" "$(get /sim/faults | jq '[.[] | select(.active)] | length')" 0
    ok "$version: faults at lines"
    # Unknown types and stamps from the future are records: in every replica, in replays, in the ledger.
    client two replicaId=2 $version
    fault unknown_type
    fault 'future_stamp&ahead_ms=7200000'
    for name in odd two; do
        until_true 10 has QUANTUM_PRESENCE_UPDATE $name || fail "unknown_type does not reach $name"
    done
    whole() { record=$(keys <(grep -a QUANTUM_PRESENCE_UPDATE "$WORK/two.ndjson") | sed -n 1p) && [ -n "$record" ]; }
    until_true 5 whole || fail "the unknown type has no envelope"
    grep -qx "$record" <(ledger) || fail "an unknown type is not in the ledger"
    in_odd() { grep -qx "$record" <(keys "$WORK/odd.ndjson"); }
    until_true 5 in_odd || fail "an unknown type differs between replicas"
    ahead() { grep -q . <(keys "$WORK/two.ndjson" | awk -v now="$(status .world_time_ms)" '$2 > now + 3600000'); }
    until_true 5 ahead || fail "future_stamp"
    post /sim/stop
    client replayed "replicaId=3&fromTimestamp=1" $version
    until_true 10 has QUANTUM_PRESENCE_UPDATE replayed || fail "an unknown type is not replayed"
    ledger >"$WORK/ledger"
    until_true 10 records "$(lines "$WORK/ledger")" "$WORK/replayed.ndjson" || fail "the replay is incomplete"
    keys "$WORK/replayed.ndjson" >"$WORK/got"
    cmp -s "$WORK/got" "$WORK/ledger" || fail "replay and ledger differ: $(diff "$WORK/got" "$WORK/ledger" | head -n 4)"
    ok "$version: injected records are everywhere"
done

# --- faults at connections
for version in --http1.1 --http2; do
    secure --rate 500
    client first replicaId=1 $version
    client second replicaId=2 $version
    second=${CLIENTS[1]}
    fault 'cut&replica=1'
    until_true 5 connected 1 || fail "cut"
    kill -0 "$second" || fail "cut reaches another replica"
    client first replicaId=1 $version
    fault 'reset&replica=1'
    until_true 5 last_client_gone || fail "reset"
    client first replicaId=1 $version
    fault 'cut&replica=1&after=5000'
    until_true 10 last_client_gone || fail "cut after bytes"
    client first replicaId=1 $version
    fault 'half_line&replica=1'
    until_true 5 last_client_gone || fail "half_line"
    [ -n "$(tail -c1 "$WORK/first.ndjson" | tr -d '\n')" ] || fail "half_line ends with a whole line"
    client first replicaId=1 $version
    until_true 5 records 10 "$WORK/first.ndjson" || fail "no events"
    fault 'stall&ms=4000&replica=1'
    stalled() { [ "$(status '[.connections[] | select(.replica == 1)][0].state')" = "$1" ]; }
    until_true 5 stalled stalled || fail "stall"
    state_and_bytes() { status '[.connections[] | select(.replica == 1)][0] | "\(.state) \(.sent_bytes)"'; }
    before=$(state_and_bytes)
    count=$(keys "$WORK/second.ndjson" | wc -l)
    until_true 5 records $((count + 100)) "$WORK/second.ndjson" || fail "stall reaches another replica"
    equal "bytes during a stall" "$(state_and_bytes)" "$before"
    until_true 8 stalled streaming || fail "the stall does not end"
    count=$(keys "$WORK/first.ndjson" | wc -l)
    until_true 5 records $((count + 500)) "$WORK/first.ndjson" || fail "no burst after the stall"
    fault 'half-open&replica=1&zombie_ms=60000'
    until_true 5 stalled half-open || fail "half-open"
    { kill -KILL "${CLIENTS[-1]}"; wait "${CLIENTS[-1]}"; } 2>/dev/null
    client alone replicaId=1 $version
    count=$(keys "$WORK/second.ndjson" | wc -l)
    until_true 5 records $((count + 300)) "$WORK/second.ndjson" || fail "half-open reaches another replica"
    post /sim/stop
    until_true 5 taken || fail "something is left after the stop"
    eaten=$(comm -23 <(keys "$WORK/second.ndjson") <(keys "$WORK/first.ndjson" "$WORK/alone.ndjson") | wc -l)
    [ "$eaten" -ge 50 ] || fail "a half-open connection swallows nothing ($eaten)"
    ok "$version: faults at connections"
done
secure --rate 100
fault 'refuse&count=1'
"${CURL[@]}" -m 5 "$URL/sim/status" >/dev/null 2>&1 && fail "refuse"
get /sim/status >/dev/null || fail "refuse does not end"
client slow replicaId=1
fault 'delay&ms=100'
before=$(status '.connections[0].sent_events')
until_true 10 records 20 "$WORK/slow.ndjson" || fail "delay stops the stream"
refused 400 "unknown fault" -X POST "$URL/sim/fault?type=nonsense"
refused 400 "bad parameter" -X POST "$URL/sim/fault?type=cut&replica=9"
ok "refuse, delay, bad orders"
client r1 replicaId=2
client r2 replicaId=3
fault clear
fault replica_uids
differ() {
    [ "$(comm -12 <(keys <(tail -n 20 "$WORK/r1.ndjson")) <(keys <(tail -n 20 "$WORK/r2.ndjson")) | wc -l)" = 0 ] &&
        [ "$(keys "$WORK/r1.ndjson" | wc -l)" -gt 40 ]
}
until_true 10 differ || fail "replica_uids"
ok "uids differ per replica on request"

# --- a slow reader neither loses nor makes the server hoard
secure --rate 20000 --events 20000 --paused --send-buffer 65536
client slow replicaId=1 --limit-rate 2M
client fast replicaId=2
post /sim/start
until_true 60 all_issued || fail "the slow reader never comes to an end"
until_true 60 records 20000 "$WORK/slow.ndjson" || fail "the slow reader lost something"
keys "$WORK/slow.ndjson" >"$WORK/got"
ledger >"$WORK/ledger"
cmp -s "$WORK/got" "$WORK/ledger" || fail "slow reader: not what the ledger says"
memory=$(awk '/VmHWM/ { print $2 }' "/proc/$SIM/status")
[ "$memory" -lt ${MEMORY_MAX_KB:-300000} ] || fail "the server took $memory KiB"
ok "a slow reader"

# --- plain, prior knowledge, IPv6, many streams on one connection, goodbye
sim --plain --rate 100
equal "plain HTTP/1.1" "$(curl -sS --http1.1 -o /dev/null -w '%{http_code} %{http_version}' "$URL/sim/status")" "200 1.1"
equal "HTTP/2 with prior knowledge" "$(curl -sS --http2-prior-knowledge -o /dev/null -w '%{http_code} %{http_version}' "$URL/sim/status")" "200 2"
secure --rate 2000 --threads 2
if command -v nghttp >/dev/null; then
    timeout 10 nghttp --no-verify-peer -t 3 -m 12 -v -H "x-api-key: $KEY" "$URL$EVENTS" >"$WORK/nghttp" 2>&1 &
    CLIENTS+=($!)
    until_true 8 connected 12 || fail "12 streams on one HTTP/2 connection"
    fault 'cut&layer=stream'
    rst() { grep -aq 'recv RST_STREAM' "$WORK/nghttp"; }
    until_true 8 rst || fail "cut of a stream alone"
    ok "12 receivers on one HTTP/2 connection, cut one by one"
fi
clients_stop
if command -v h2load >/dev/null; then
    timeout 60 h2load -n 400 -c 20 -m 5 "$URL/sim/status" >"$WORK/h2load" 2>&1
    grep -q '400 succeeded, 0 failed' "$WORK/h2load" || fail "h2load: $(cat "$WORK/h2load")"
    ok "400 requests over 20 parallel connections"
fi
client bye1 replicaId=1 --http1.1
client bye2 replicaId=2 --http2
pids=("${CLIENTS[@]}")
CLIENTS=()
sim_stop
for pid in "${pids[@]}"; do
    wait "$pid"
    equal "curl at the server's goodbye" $? 0
done
ok "SIGTERM ends the streams in order"
echo "$CHECKS checks passed"
