#!/usr/bin/env bash
# The failover test of kafka.sh: two nodes on loopback deliver into one topic; SIGKILL of the primary, then SIGSTOP
# and back as a zombie, under load; then what is committed against what was sent. Without KAFKA_SERVERS the far side
# is tests/tools/kafka-broker.py. RATE: records a second (500).
set -uo pipefail
cd "$(dirname "$0")/../.."
BIN=${BIN:-$PWD/build/bin}
. tests/lib/pair.sh
. tests/lib/sink_kafka.sh
far_install_check >"$WORK/missing" || { echo "SKIPPED: missing: $(tr '\n' ' ' <"$WORK/missing")"; exit 77; }

sim_start --rate "${RATE:-500}" --seed "${SEED:-7}" --paused
far_start
pair_keys
for name in a b; do
    node_config $name $([ $name = a ] && echo 1 true || echo 2 false)
    { sed '/^sinks:/d' "$WORK/$name/firehosed.conf"; echo "sinks: ("; far_sink $name; echo ");"; } >"$WORK/$name/new"
    mv "$WORK/$name/new" "$WORK/$name/firehosed.conf"
    node_start $name
done

flows() {
    local delivered
    delivered=$(node_status "$1" | jq .counters.delivered)
    wait_status "$1" ".counters.delivered > $delivered + 500" 60
}

wait_pair_protected a b 30
sim_post /sim/start >/dev/null
flows a
node_signal a KILL
wait_status b '.role == "primary"' 20
flows b
node_start a
wait_pair_protected b a 60
node_signal b STOP
wait_status a '.role == "primary"' 20
flows a
node_signal b CONT
wait_status b '.role == "standby"' 30
flows a
sim_post /sim/stop >/dev/null
wait_delivered 120 a b
nodes_end a b

mkdir -p "$WORK/visible"
far_collect "$WORK/visible/all.ndjson" || fail "far_collect"
sim_get /sim/ledger >"$WORK/ledger.txt"
balance=$("$BIN/firehose-ledger" --ledger "$WORK/ledger.txt" --show 10 "$WORK/visible" | tee "$WORK/balance.txt" | grep '^sent')
echo "$balance"
[[ $balance =~ ', lost 0, duplicated 0, foreign 0' ]] || { cat "$WORK/balance.txt" >&2; fail "promised exactly once"; }
