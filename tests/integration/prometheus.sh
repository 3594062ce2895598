#!/usr/bin/env bash
# Metrics as monitoring sees them: the rules by promtool; then a real Prometheus scrapes both nodes of a pair
# (and a single node) through a failover, with the alerts that ship: the right ones fire and clear; every query
# of the dashboard answers with data; the answers themselves by promtool and by another parser of OpenMetrics.
# The alerts are those of etc/prometheus, but a copy with every "for:" shortened to 2 s, and a second between
# scrapes; what "for:" is worth is tested by promtool with the real ones.
set -uo pipefail
cd "$(dirname "$0")/../.."
for tool in prometheus promtool jq curl /usr/bin/python3; do
    command -v $tool >/dev/null || { echo "SKIPPED: $tool is not installed (packaging/install-deps.sh test, on Debian)"; exit 77; }
done
/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || { echo "SKIPPED: python3-prometheus-client is not installed (packaging/install-deps.sh test)"; exit 77; }
. tests/lib/pair.sh
RULES=etc/prometheus

# ---- the rules alone
promtool check rules $RULES/firehosed-rules.yml $RULES/firehosed-alerts.yml >"$WORK/rules.out" 2>&1 || fail "rules: $(cat "$WORK/rules.out")"
promtool test rules tests/integration/prometheus/rules_test.yml >"$WORK/rules.out" 2>&1 || fail "rules: $(cat "$WORK/rules.out")"
sed -n 's/^ *- alert: //p' $RULES/firehosed-alerts.yml | while read -r alert; do
    grep -q "alertname=\"$alert\"" tests/integration/prometheus/rules_test.yml || { echo "the alert $alert is in no test"; exit 1; }
done || fail "an alert without a test"
sed 's|/usr/share/firehosed/prometheus|'"$PWD/$RULES"'|' $RULES/prometheus.example.yml >"$WORK/example.yml"
promtool check config "$WORK/example.yml" >"$WORK/rules.out" 2>&1 || fail "example: $(cat "$WORK/rules.out")"
# A query that names a metric we do not have would be silent for ever.
"$BIN/firehosed" --metrics | cut -d'|' -f1 | sort >"$WORK/names"
grep -rhoE '\b(firehosed|process)_[a-z_]+' $RULES/*.yml etc/grafana/firehosed-pair.json | grep -vE '^firehosed_(events_received|sink_delivered_events|sink_delivery_latency_seconds|primaries|protected|receiver_lag_seconds|delivered_lag_seconds)$' |
    sed 's/_bucket$//' | sort -u | comm -23 - "$WORK/names" >"$WORK/unknown"
grep -vxE 'firehosed_(role|receiver_state)' "$WORK/unknown" && fail "metrics that do not exist are asked for"

# ---- a pair with a witness, and a single node whose port is taken at first
declare -A PORT=([a]=$(free_port) [b]=$(free_port) [c]=$(free_port) [prometheus]=$(free_port) [witness]=$(free_port))
sim_start --rate 300 --seed 11
pair_keys
mkdir -p "$WORK/witness"
"$BIN/firehosectl" keygen --secret "$WORK/witness.key" --public "$WORK/witness.pub" >/dev/null 2>&1 || fail "keygen"
cat >"$WORK/witness.conf" <<CONF
witness: { listen = "tcp://127.0.0.1:${PORT[witness]}"; secret_key_file = "$WORK/witness.key"; state_dir = "$WORK/witness"; ttl_max_ms = 2000; };
pairs:   ( { name = "test"; public_keys = ( "$(cat "$WORK/a/public.key")", "$(cat "$WORK/b/public.key")" ); } );
CONF
"$BIN/firehose-witness" --config "$WORK/witness.conf" 2>"$WORK/witness.log" &
PID[witness]=$!
# configure NAME REPLICA PREFERRED [ARBITER]
configure() {
    CONFIG_EXTRA="metrics: { listen = \"127.0.0.1:${PORT[$1]}\"; socket = \"$WORK/$1/metrics.sock\"; };
${4:-}" node_config "$1" "$2" "$3"
}
ARBITER="arbiter: { type = \"witness\"; addresses = ( \"tcp://127.0.0.1:${PORT[witness]}\" );
           witness_public_key = \"$(cat "$WORK/witness.pub")\"; };"
configure a 1 true "$ARBITER"
configure b 2 false "$ARBITER"
configure c 3 single
/usr/bin/python3 -B -c 'import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); print("taken", flush=True); time.sleep(600)' "${PORT[c]}" >"$WORK/taken.log" &
PID[taken]=$!
wait_log "$WORK/taken.log" taken 60
node_start a
node_start b
node_start c
wait_log "$WORK/c.log" '\[watch-failed\] metrics not served: .*Address already in use' 60
kill "${PID[taken]}" && wait "${PID[taken]}" 2>/dev/null
unset 'PID[taken]'
wait_status c '.counters.delivered > 0' 60 # it delivers all the same

# ---- Prometheus
begin=$(date +%s)
sed -E 's/^( *for:).*/\1 2s/' $RULES/firehosed-alerts.yml >"$WORK/alerts.yml"
cat >"$WORK/prometheus.yml" <<CONF
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ "$PWD/$RULES/firehosed-rules.yml", "$WORK/alerts.yml" ]
scrape_configs:
  - job_name: firehosed
    static_configs:
      - { targets: [ "127.0.0.1:${PORT[a]}", "127.0.0.1:${PORT[b]}" ], labels: { pair: test } }
CONF
prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --log.level=warn \
    --web.listen-address="127.0.0.1:${PORT[prometheus]}" >"$WORK/prometheus.log" 2>&1 &
PID[prometheus]=$!

# ask QUERY: the vector's samples as JSON; empty while Prometheus starts.
ask() {
    curl -sS --fail -G "http://127.0.0.1:${PORT[prometheus]}/api/v1/query" --data-urlencode "query=$1" 2>/dev/null |
        jq -c '.data.result'
}
# wait_query QUERY SECONDS: until it has a result.
wait_query() {
    local until=$((SECONDS + $2))
    until [ "$(ask "$1" | jq length 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "no answer to $1 within $2 s; firing: $(ask 'ALERTS{alertstate="firing"}' | jq -c 'map(.metric | .alertname + " " + (.instance // ""))')"
        sleep 0.2
    done
}
fires() { wait_query "ALERTS{alertname=\"$1\",alertstate=\"firing\"${2:+,$2}}" 60; }
clears() { wait_query "absent(ALERTS{alertname=\"$1\"${2:+,$2}})" 60; }
instance() { echo "instance=\"127.0.0.1:${PORT[$1]}\""; }

wait_one_primary
wait_query 'pair:firehosed_protected:max{pair="test"} == 1' 60
wait_query 'sum(up{job="firehosed"}) == 2' 60
for alert in NoPrimary TwoPrimaries NotProtected NodeDown PathDown ArbiterDown StreamDown SinkFailing Gap; do
    clears Firehosed$alert
done

# ---- what the nodes answer
curl -sS --unix-socket "$WORK/b/metrics.sock" http://localhost/metrics >"$WORK/classic.txt" || fail "no answer over the socket"
[ "$(stat -c %a "$WORK/b/metrics.sock")" = 660 ] || fail "the mode of the socket"
promtool check metrics <"$WORK/classic.txt" >"$WORK/check.out" 2>&1 || fail "promtool check metrics: $(cat "$WORK/check.out")"
[ -s "$WORK/check.out" ] && fail "promtool check metrics: $(cat "$WORK/check.out")"
curl -sS -H 'Accept: application/openmetrics-text; version=1.0.0' -D "$WORK/headers" "http://127.0.0.1:${PORT[a]}/metrics" >"$WORK/open.txt" || fail "no answer"
grep -qi '^content-type: application/openmetrics-text; version=1.0.0; charset=utf-8' "$WORK/headers" || fail "headers: $(cat "$WORK/headers")"
/usr/bin/python3 -B - "$WORK/open.txt" <<'PYTHON' || fail "not OpenMetrics"
import sys
from prometheus_client.openmetrics import parser
families = list(parser.text_string_to_metric_families(open(sys.argv[1]).read()))
names = {f.name for f in families}
assert len(families) > 50, len(families)
assert {"firehosed_role", "firehosed_sink_delivery_latency_seconds", "firehosed_build"} <= names, names
PYTHON
curl -sS -o /dev/null -w '%{http_code}\n' -H 'Host: rebinding.example' "http://127.0.0.1:${PORT[a]}/metrics" | grep -qx 421 || fail "another Host is answered"
curl -sS -o /dev/null -w '%{http_code}\n' -X POST "http://127.0.0.1:${PORT[a]}/metrics" | grep -qx 405 || fail "POST is answered"

# ---- a failover
node_signal "$primary" KILL
fires FirehosedNodeDown "$(instance "$primary")"
fires FirehosedNotProtected
fires FirehosedPathDown "$(instance "$standby")"
fires FirehosedFailover "$(instance "$standby"),reason=~\"peer_gone|peer_silent\""
wait_query "firehosed_role{firehosed_role=\"primary\",$(instance "$standby")} == 1" 60
clears FirehosedNoPrimary
[ "$(ask 'ALERTS{alertname="FirehosedTwoPrimaries",alertstate="firing"}')" = '[]' ] || fail "two primaries are told"
node_start "$primary"
wait_pair_protected "$standby" "$primary"
clears FirehosedNodeDown
clears FirehosedNotProtected
clears FirehosedPathDown
echo "a failover: the alerts of it fired and cleared"

# ---- the dashboard
queries=0
jq -r '.panels[] | .targets[]? | .expr' etc/grafana/firehosed-pair.json >"$WORK/queries"
jq -r '.annotations.list[].expr' etc/grafana/firehosed-pair.json >>"$WORK/queries"
while IFS= read -r query; do
    query=${query//\$pair/test}
    query=${query//\$__rate_interval/15s}
    until=$((SECONDS + 60))
    until curl -sS -G "http://127.0.0.1:${PORT[prometheus]}/api/v1/query_range" --data-urlencode "query=$query" \
        --data-urlencode "start=$begin" --data-urlencode "end=$(date +%s)" --data-urlencode step=1 >"$WORK/answer.json" &&
        jq -e '.status == "success" and (.data.result | length) > 0' "$WORK/answer.json" >/dev/null; do
        [ $SECONDS -lt $until ] || fail "the dashboard's query $query: $(head -c 300 "$WORK/answer.json")"
        sleep 0.2
    done
    queries=$((queries + 1))
done <"$WORK/queries"
[ $queries -ge 30 ] || fail "only $queries queries in the dashboard"
[ "$(ask 'label_replace(firehosed_node_info, "x", "$1", "pair", "(.*)")' | jq -r '.[0].metric.x')" = test ] || fail "no values for the variable \$pair"
echo "$queries queries of the dashboard have data"

# ---- the worst
node_signal a KILL
node_signal b KILL
fires FirehosedNoPrimary 'pair="test"'

# ---- the port that was taken
wait_log "$WORK/c.log" '\[watch-listening\]' 120 # tried again every 30 s
curl -sS "http://127.0.0.1:${PORT[c]}/metrics" >"$WORK/single.txt" || fail "no answer"
grep -q '^firehosed_node_info{node="c",peer="",channel="http",paired="false"} 1' "$WORK/single.txt" || fail "the single node does not answer"
echo "the port that was taken is listened on since it is free"
