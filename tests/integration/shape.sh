#!/usr/bin/env bash
# Filters, fields and envelope: what a sink of its own shape publishes must be exactly what the sink that takes
# everything has, put through jq: the same records, in the same order, each once. First a single node; then a
# pair whose primary is killed again and again.
#
# Environment: BIN, ROUNDS (3), RATE (2000 events/s), SEED (printed).
set -uo pipefail
cd "$(dirname "$0")/../.."
ROUNDS=${ROUNDS:-3}
RATE=${RATE:-2000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$SEED
echo "seed $SEED, $ROUNDS rounds, $RATE events/s"
. tests/lib/pair.sh

expect() { [ "$2" = "$3" ] || { KEEP_WORK=1; fail "$1: expected '$3', got '$2' (files kept in $WORK)"; }; }

# The building with most events of this seed's campus: the campus does not depend on the rate.
sim_start --rate 3000 --seed "$SEED"
BUILDING=$(curl -sSN --cacert "$CA" -H "X-API-Key: $API_KEY" --max-time 20 \
    "$SIM_URL/api/partners/v1/firehose/events?replicaId=3" 2>/dev/null | head -n 3000 |
    jq -r '[.[]? | .location? | recurse(.parent; . != null) | select((.inferredLocationTypes // []) | index("BUILDING"))
            | .locationId] | .[]' | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
[ -n "$BUILDING" ] || fail "no building in the simulated events"
node_signal sim TERM
echo "the building: $BUILDING"

# shaped_sinks NAME: the sinks beside the archive.
shaped_sinks() {
    local dir=$WORK/$1
    SINK_EXTRA="},
        { name = \"types\"; type = \"file\"; directory = \"$dir/types\"; roll_seconds = 1;
          event_types = ( \"IOT_TELEMETRY\", \"DEVICE_RSSI_UPDATE\", \"NO_SUCH_TYPE\" ); },
        { name = \"house\"; type = \"file\"; directory = \"$dir/house\"; roll_seconds = 1;
          locations = ( \"$BUILDING\", \"location-nowhere\" ); tenants = ( \"spaces-tenant-0a1b2c3d\" ); },
        { name = \"fields\"; type = \"file\"; directory = \"$dir/fields\"; roll_seconds = 1; envelope = true;
          include = ( \"*.device\", \"*.deviceInfo.deviceId\", \"*.location\", \"iotTelemetry.temperature\" );
          drop = ( \"*.device.macAddress\", \"*.device.email\", \"*.location.parent.parent\" ); },
        { name = \"nothing\"; type = \"file\"; directory = \"$dir/nothing\"; roll_seconds = 1;
          event_types = ( \"NO_SUCH_TYPE\" ); "
}

JQ_TYPES='select(.eventType == "IOT_TELEMETRY" or .eventType == "DEVICE_RSSI_UPDATE")'
JQ_HOUSE="select(.spacesTenantId == \"spaces-tenant-0a1b2c3d\")
    | select(any(.[] | objects | .location | objects | recurse(.parent | objects); .locationId == \"$BUILDING\"))"
# What is kept of each payload: the paths of "fields", said in another way.
JQ_FIELDS='with_entries(select(.key == "recordUid" or .key == "recordTimestamp" or .key == "eventType" or
        .key == "spacesTenantId" or (.value | type == "object" or type == "array")))
    | with_entries(if (.value | type) != "object" then . else .key as $payload | .value |= with_entries(
        if .key == "device" or .key == "location" or ($payload == "iotTelemetry" and .key == "temperature") then .
        elif .key == "deviceInfo" then .value |= with_entries(select(.key == "deviceId"))
        else empty end) end)
    | map_values(if type == "object" then del(.device.macAddress?, .device.email?, .location.parent.parent?) else . end)'

# records SINK NODES...: what was published, in the order of the files.
records() {
    local sink=$1 name
    shift
    for name in "$@"; do
        find "$WORK/$name/$sink" -name '*.ndjson' 2>/dev/null | sort | xargs -r cat
    done
}

# compare ORDER NODES...: every shaped sink against the archive. ORDER: a command both sides go through.
compare() {
    local order=$1 sink wanted all
    shift
    records events "$@" | $order >"$WORK/all.txt"
    all=$(wc -l <"$WORK/all.txt")
    for sink in types house fields; do
        wanted=JQ_${sink^^}
        jq -cS "${!wanted}" "$WORK/all.txt" | $order >"$WORK/$sink.wanted" || fail "jq for $sink"
        if [ $sink = fields ]; then
            records $sink "$@" | jq -cS 'del(._firehosed)' | $order >"$WORK/$sink.got" || fail "no JSON in $sink"
        else
            records $sink "$@" | jq -cS . | $order >"$WORK/$sink.got" || fail "no JSON in $sink"
        fi
        cmp -s "$WORK/$sink.wanted" "$WORK/$sink.got" || {
            diff "$WORK/$sink.wanted" "$WORK/$sink.got" | head -n 5 | cut -c1-400 >&2
            KEEP_WORK=1
            fail "sink $sink has $(wc -l <"$WORK/$sink.got") records, wanted are $(wc -l <"$WORK/$sink.wanted") of $all (files kept in $WORK)"
        }
        expect "some records in $sink" "$([ -s "$WORK/$sink.got" ] && echo yes)" yes
        echo "$sink: $(wc -l <"$WORK/$sink.got") of $all records, as wanted"
    done
    [ "$(wc -l <"$WORK/types.got")" -lt "$all" ] && [ "$(wc -l <"$WORK/house.got")" -lt "$all" ] || fail "nothing was filtered"
    expect "records in the sink that wants nothing" "$(records nothing "$@" | wc -l)" 0
    expect "files of the sink that wants nothing" "$(for name in "$@"; do find "$WORK/$name/nothing" -name '*.ndjson*'; done 2>/dev/null | wc -l)" 0
}

# ---- a single node: the order, too --------------------------------------------------------------
sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 2000 --paused
shaped_sinks a
node_config a 1 single
node_start a
wait_status a '.role == "primary" and all(.receivers[]; .state == "streaming")' 60
sim_post /sim/start >/dev/null
wait_status a ".counters.received > $((RATE * 4))" 60
sim_post /sim/stop >/dev/null
wait_delivered 60 a
status=$(node_status a)
expect "types add up" "$(jq '.counters | ([.types[]] | add) == .received' <<<"$status")" true
expect "what is not delivered is filtered" \
    "$(jq '(.counters.received - .counters.duplicates) as $all | all(.sinks[]; .delivered + .filtered == $all)' <<<"$status")" true
expect "archive filters nothing" "$(jq '.sinks[] | select(.name == "archive") | .filtered' <<<"$status")" 0
expect "nothing was refused" "$(jq '[.sinks[].refused] | add' <<<"$status")" 0
"$BIN/firehosectl" --socket "$WORK/a/control.sock" status >"$WORK/status" || fail "no status"
grep -q '^types .*DEVICE_LOCATION_UPDATE' "$WORK/status" || fail "status names no types"
grep -q 'nothing (file): delivered 0, pending 0, filtered out' "$WORK/status" ||
    fail "status does not tell what was filtered out"
nodes_end a
ledger_balances a
compare cat a
expect "the envelope is the first member and says who" \
    "$(records fields a | jq -c '[keys_unsorted[0], ._firehosed]' | sort -u)" \
    "[\"_firehosed\",{\"node\":\"a\",\"replica\":1,\"epoch\":$(jq .epoch <<<"$status")}]"
for secret in '"macAddress"' '"email"' '"ssid"'; do
    # (Not -q: what writes into it would end by a broken pipe, and a find would count as none.)
    records fields a | jq -c '.[] | objects | .device? // empty' | grep -c "$secret" >/dev/null && fail "$secret was not dropped"
done
# The archive was not touched by all that: its lines are those the service sent.
grep -c '"_firehosed"' "$WORK/all.txt" >/dev/null && fail "the archive has an envelope"
node_signal sim TERM
rm -rf "$WORK/a"

# ---- a pair, the primary killed again and again -------------------------------------------------
sim_start --rate "$RATE" --seed "$SEED" --lateness-ms 2000 --jitter-ms 500 --paused
pair_keys
for name in a b; do
    shaped_sinks $name
    node_config $name "$([ $name = a ] && echo 1 || echo 2)" "$([ $name = a ] && echo true || echo false)" "$PATIENT"
    node_start $name
done
wait_pair_protected a b 60
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 0' 60
primary=a
standby=b
takeovers "$ROUNDS" 60
sim_post /sim/stop >/dev/null
wait_delivered 60 a b
# The standby follows the sinks that filter as well: nothing is left for it to deliver.
wait_status $standby 'all(.sinks[]; .pending == 0)' 60
nodes_end a b
ledger_balances a b
compare sort a b
expect "nodes in the envelope" "$(records fields a b | jq -r '._firehosed.node' | sort -u | xargs)" "a b"
# No epoch belongs to two nodes; one that was over at once may have published nothing.
expect "nodes per epoch" "$(records fields a b | jq -c '._firehosed | [.epoch, .node]' | sort -u | cut -d, -f1 | uniq -d)" ""
echo "shapes: all as wanted"
