#!/usr/bin/env bash
# A planned stop of a primary beside an arbiter, with a lease so long that nobody would wait for its end: the
# primary gives it back, and the standby leads long before it would have run out.
# With firehose-witness, and with etcd where it is installed.
#
# A machine so slow that the arbiter's answer does not come within the second the primary waits for it shows
# nothing: the journal says so, and it is tried again, the other way round.
#
#   BIN=build/bin tests/integration/stop.sh
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh
LEASE_MS=60000   # renewed after a third of it: at least 40 s are left at the stop
LEADS_WITHIN_S=30
LATE="without the arbiter's word"

witness_run() { # TTL_MAX_MS
    cat >"$WORK/witness.conf" <<CONF
witness: { listen = "tcp://127.0.0.1:$port"; secret_key_file = "$WORK/witness.key"; state_dir = "$WORK/witness"; ttl_max_ms = $1; };
pairs:   ( { name = "test"; public_keys = ( "$(cat "$WORK/a/public.key")", "$(cat "$WORK/b/public.key")" ); } );
CONF
    "$BIN/firehose-witness" --config "$WORK/witness.conf" 2>>"$WORK/witness.log" &
    PID[arbiter]=$!
}

arbiter_start() {
    port=$(free_port)
    if [ "$1" = etcd ]; then
        etcd --data-dir "$WORK/etcd" --listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port" \
            --listen-peer-urls "http://127.0.0.1:$(free_port)" 2>>"$WORK/etcd.log" &
        PID[arbiter]=$!
        CONFIG_EXTRA="arbiter: { type = \"etcd\"; endpoints = ( \"http://127.0.0.1:$port\" ); ttl_ms = $LEASE_MS; };"
        return
    fi
    mkdir -p "$WORK/witness"
    "$BIN/firehosectl" keygen --secret "$WORK/witness.key" --public "$WORK/witness.pub" >/dev/null 2>&1 || fail "keygen"
    witness_run 500 # without a memory it waits for so long before it grants anything
    CONFIG_EXTRA="arbiter: { type = \"witness\"; addresses = ( \"tcp://127.0.0.1:$port\" );
        witness_public_key = \"$(cat "$WORK/witness.pub")\"; ttl_ms = $LEASE_MS; };"
}

# One stop; true when it showed something. Primary and standby have changed places afterwards.
stop_primary() {
    local from took words
    wait_pair_protected "$primary" "$standby" 120
    wait_status "$primary" ".arbiter.lease_ms > $((LEADS_WITHIN_S * 1000 + 5000))" 120
    from=$(log_lines "$WORK/$primary.log")
    took=$(date +%s%N)
    nodes_end "$primary"
    words=$(tail -n "+$((from + 1))" "$WORK/$primary.log")
    if [[ $words == *"$LATE"* ]]; then
        echo "   the arbiter did not answer in time"
        wait_status "$standby" '.role == "primary"' 120
        took=
    else
        wait_status "$standby" '.role == "primary"' $LEADS_WITHIN_S
        took=$((($(date +%s%N) - took) / 1000000))
        echo "   from the signal to the other node's lead: $took ms, of a lease of $LEASE_MS ms"
    fi
    node_start "$primary"
    [ "$primary" = a ] && primary=b standby=a || primary=a standby=b
    [ -n "$took" ]
}

scenario() {
    echo "-- $1"
    arbiter_start "$1"
    node_config a 1 true
    node_config b 2 false
    primary=a standby=b
    node_start a
    wait_status a '.role == "primary"' 120
    node_start b
    if [ "$1" = witness ]; then # it has a memory now, and grants at once what is asked for
        wait_pair_protected a b 120
        kill -TERM "${PID[arbiter]}" && wait "${PID[arbiter]}"
        witness_run $LEASE_MS
    fi
    for try in 1 2 3 4 5; do
        stop_primary && break
        [ "$try" != 5 ] || fail "the arbiter never answered in time"
    done
    wait_pair_protected "$primary" "$standby" 120
    nodes_end a b
    kill -TERM "${PID[arbiter]}" && { wait "${PID[arbiter]}" || true; }
    unset 'PID[arbiter]'
}

[ -x "$BIN/firehose-witness" ] || fail "firehose-witness was not built"
sim_start --rate 300 --seed 7
pair_keys
scenario witness
if command -v etcd >/dev/null; then
    rm -rf "$WORK/a/state" "$WORK/b/state" # the witness's epochs are nothing to etcd
    scenario etcd
else
    echo "left out: etcd is not installed"
fi
