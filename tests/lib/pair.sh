# pair.sh: start and watch a simulator and one or two nodes on loopback. Sourced by the tests and by
# packaging/quickstart.sh. Needs bash, jq, curl. BIN names the folder of the programs.
#
# Everything lives in $WORK; pair_cleanup (trapped on exit) ends every process started here.

BIN=${BIN:?BIN must name the folder of the built programs}
WORK=${WORK:-$(mktemp -d /tmp/firehosed-XXXXXX)}
API_KEY=0123456789ABCDEF0123456789ABCDEF
declare -A PID=()
declare -A PAIR_PORT=()

pair_cleanup() {
    local name
    for name in "${!PID[@]}"; do
        kill -CONT "${PID[$name]}" 2>/dev/null || true
        kill -KILL "${PID[$name]}" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    if [ -z "${KEEP_WORK:-}" ]; then rm -rf "$WORK"; fi
}
trap pair_cleanup EXIT

fail() {
    echo "FAILED: $*" >&2
    local log
    for log in "$WORK"/*.log; do
        [ -s "$log" ] && { echo "--- last lines of $(basename "$log")" >&2; tail -n 25 "$log" >&2; }
    done
    exit 1
}

# wait_log FILE PATTERN SECONDS [FROM_LINE]: until a line from FROM_LINE on matches.
wait_log() {
    local until=$((SECONDS + $3))
    # All of it is read: what ends at its first find breaks the pipe, and that would look like none.
    until tail -n "+${4:-1}" "$1" 2>/dev/null | grep -E -- "$2" >/dev/null; do
        [ $SECONDS -lt $until ] || fail "no line matching '$2' in $(basename "$1") within $3 s"
        sleep 0.05
    done
}

log_lines() { wc -l <"$1" 2>/dev/null || echo 0; }

# sim_start [ARGUMENTS]: SIM_URL and CA are ready afterwards. SIM_RUN (a command before it) and SIM_LISTEN
# put it into another network.
SIM_RUN=()
sim_start() {
    mkdir -p "$WORK/cert"
    rm -f "$WORK/sim.out" # what the one before said
    "${SIM_RUN[@]}" "$BIN/firehose-sim" --listen "${SIM_LISTEN:-127.0.0.1:0}" --make-cert "$WORK/cert" --api-key "$API_KEY" "$@" \
        >"$WORK/sim.out" 2>"$WORK/sim.log" &
    PID[sim]=$!
    wait_log "$WORK/sim.out" 'listening on' 60
    SIM_URL=$(sed -n '/listening on/{s/.*listening on \(https\?:[^ ]*\).*/\1/p;q}' "$WORK/sim.out")
    CA="$WORK/cert/ca.pem"
}

sim_get() { "${SIM_RUN[@]}" curl -sS --fail --cacert "$CA" -H 'X-Sim-Control: 1' "$SIM_URL$1"; }
sim_post() { "${SIM_RUN[@]}" curl -sS --fail --cacert "$CA" -H 'X-Sim-Control: 1' -X POST "$SIM_URL$1"; }
sim_issued() { sim_get /sim/status | jq -r .issued; }

free_port() {
    # Below those the kernel gives to connections, which would be in the way now and then; none twice.
    local port
    mkdir -p "$WORK/.ports"
    while :; do
        port=$((20000 + RANDOM % 12000))
        mkdir "$WORK/.ports/$port" 2>/dev/null || continue
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# pair_keys: keys and link ports of nodes a and b.
pair_keys() {
    local name
    for name in a b; do
        mkdir -p "$WORK/$name"
        "$BIN/firehosectl" keygen --secret "$WORK/$name/secret.key" --public "$WORK/$name/public.key" >/dev/null 2>&1 ||
            fail "keygen"
        PAIR_PORT[$name]=$(free_port)
    done
}

# EXTRA_PAIR_LINES of a pair whose nodes are killed, not silent: a machine that stands still for seconds moves no role.
# Who was killed is missed at once all the same, for nobody listens where it did.
PATIENT='failure_after = 40; join_timeout_ms = 30000;'

other() { [ "$1" = a ] && echo b || echo a; }

# node_config NAME REPLICA PREFERRED [EXTRA_PAIR_LINES]: a node of the pair. Overridable by variables:
# RECEIVERS, ROLL_SECONDS, STORE_EXTRA, FIREHOSE_EXTRA, SINK_EXTRA, CONFIG_EXTRA (whole sections).
node_config() {
    local name=$1 replica=$2 preferred=$3 other=a
    [ "$name" = a ] && other=b
    mkdir -p "$WORK/$name"
    (umask 077; echo "$API_KEY" >"$WORK/$name/api_key")
    cat >"$WORK/$name/firehosed.conf" <<CONF
node:     { name = "$name"; state_dir = "$WORK/$name/state"; control_socket = "$WORK/$name/control.sock"; };
firehose: { url = "$SIM_URL"; api_key_file = "$WORK/$name/api_key"; ca_file = "$CA";
            channel = "${CHANNEL:-http}"; replica_id = $replica; receivers = ${RECEIVERS:-4}; backoff_min_ms = 100; ${FIREHOSE_EXTRA:-} };
store:    { ${STORE_EXTRA:-} };
${CONFIG_EXTRA:-}
CONF
    if [ "$preferred" != single ]; then
        cat >>"$WORK/$name/firehosed.conf" <<CONF
pair:     { listen = "tcp://127.0.0.1:${PAIR_PORT[$name]}"; peers = ( "tcp://127.0.0.1:${PAIR_PORT[$other]}" );
            secret_key_file = "$WORK/$name/secret.key"; peer_public_key = "$(cat "$WORK/$other/public.key")";
            preferred = $preferred; ${4:-} };
CONF
    fi
    cat >>"$WORK/$name/firehosed.conf" <<CONF
sinks:    ( { name = "archive"; type = "file"; directory = "$WORK/$name/events"; roll_seconds = ${ROLL_SECONDS:-1}; ${SINK_EXTRA:-} } );
CONF
}

node_start() {
    "$BIN/firehosed" --config "$WORK/$1/firehosed.conf" 2>>"$WORK/$1.log" &
    PID[$1]=$!
}

# node_signal NAME SIGNAL: and, for one that ends it, wait until it is gone.
node_signal() {
    kill "-$2" "${PID[$1]}" || fail "node $1 is not running"
    case $2 in KILL | TERM) NODE_EXIT=0; wait "${PID[$1]}" 2>/dev/null || NODE_EXIT=$?; unset "PID[$1]" ;; esac
}

# nodes_end NAMES...: each is asked to stop and leaves with 0.
nodes_end() {
    local name
    for name in "$@"; do
        node_signal "$name" TERM
        [ "$NODE_EXIT" = 0 ] || fail "node $name left with $NODE_EXIT after SIGTERM"
    done
}

node_ctl() { "$BIN/firehosectl" --socket "$WORK/$1/control.sock" "${@:2}"; }
node_status() { node_ctl "$1" status --json 2>/dev/null; }

# node_value NAME JQ_EXPRESSION: of its status; asked again until it answers.
node_value() {
    local until=$((SECONDS + 60)) value
    until value=$(node_status "$1" | jq -r "$2") && [ -n "$value" ]; do
        [ $SECONDS -lt $until ] || fail "node $1 does not answer"
        sleep 0.1
    done
    echo "$value"
}

# wait_status NAME JQ_CONDITION SECONDS: the daemon is asked ten times a second.
wait_status() {
    local until=$(($(date +%s%N) / 1000000 + $3 * 1000))
    # Slurped: of no answer at all jq -e would say that it is true.
    until node_status "$1" | jq -es "length == 1 and (.[0] | $2)" >/dev/null 2>&1; do
        [ $(($(date +%s%N) / 1000000)) -lt $until ] ||
            fail "node $1 did not reach: $2 within $3 s; status: $(node_status "$1" | jq -c '{role,epoch,protected,sync,peer,sinks,counters}')"
        sleep 0.1
    done
}

wait_pair_protected() {
    wait_status "$1" '.role == "primary" and .protected' "${3:-60}"
    wait_status "$2" '.role == "standby" and .ready' "${3:-60}"
}

# wait_one_primary [SECONDS]: one leads, the other is its ready standby. Sets primary, standby.
wait_one_primary() {
    local until=$((SECONDS + ${1:-60})) name
    until primary=$(primary_of a b); standby=$(other "${primary:-a}")
        [ -n "$primary" ] && node_status "$primary" | jq -e '.protected' >/dev/null 2>&1 &&
        node_status "$standby" | jq -e '.role == "standby" and .ready' >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] ||
            fail "not one primary with a ready standby within ${1:-60} s: $(for name in a b; do node_status $name | jq -c '{node,role,epoch,reason,sync,peer}'; done)"
        sleep 0.1
    done
}

# wait_a_leads: as both are configured. Where the machine stood still at the start it may be b: then by an order.
wait_a_leads() {
    wait_one_primary
    while [ "$primary" != a ]; do
        node_ctl b switchover --wait >"$WORK/switchover.txt" 2>&1 || fail "switchover: $(cat "$WORK/switchover.txt")"
        wait_one_primary
    done
}

# takeovers ROUNDS SECONDS: kills the primary of a ready pair at a random moment, again and again; the other one
# leads within the seconds, and the killed one comes back. $primary and $standby name them, before and after.
takeovers() {
    local round pause mark
    for round in $(seq "$1"); do
        # The random moment is the point of the test; nothing is waited for here.
        pause=$((RANDOM % 2000))
        sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
        mark=$(($(log_lines "$WORK/$standby.log") + 1))
        node_signal "$primary" KILL
        wait_log "$WORK/$standby.log" '\[role\].*-> primary' "$2" $mark
        node_start "$primary"
        wait_pair_protected "$standby" "$primary" 60
        [ "$primary" = a ] && { primary=b standby=a; } || { primary=a standby=b; }
        printf '.'
    done
    echo " $1 takeovers"
}

primary_of() {
    local name
    for name in "$@"; do
        [ "$(node_status "$name" | jq -r .role)" = primary ] && { echo "$name"; return; }
    done
}

# ledger [NODES...]: compare what was sent with the union of what the nodes published. With LEDGER_REPLICA
# set, records also count under the uids and stamps of that replica; with LEDGER_PAYLOADS=1 events of equal
# payload and the same seconds may stand for each other (firehose-ledger --help).
ledger() {
    local name dirs=() also=()
    for name in "$@"; do [ -d "$WORK/$name/events" ] && dirs+=("$WORK/$name/events"); done
    sim_get "/sim/ledger${LEDGER_PAYLOADS:+?payload=1}" >"$WORK/ledger.txt"
    if [ -n "${LEDGER_REPLICA:-}" ]; then
        sim_get "/sim/ledger?replica=$LEDGER_REPLICA" >"$WORK/ledger-$LEDGER_REPLICA.txt"
        also=(--also "$WORK/ledger-$LEDGER_REPLICA.txt")
    fi
    "$BIN/firehose-ledger" --ledger "$WORK/ledger.txt" "${also[@]}" --show 10 "${dirs[@]}"
}

# ledger_after_kill KILLED PRIMARY: the same for both. A batch that was confirmed and not yet renamed when its node
# was killed is published when that returns.
ledger_after_kill() {
    ledger a b && return
    node_start "$1"
    wait_pair_protected "$2" "$1" 60
    ledger a b
}

ledger_balances() { ledger "$@" || { KEEP_WORK=1; fail "the ledger does not balance (files kept in $WORK)"; }; }

# wait_books SECONDS NODES...: until the primary has delivered all that it has received.
wait_books() {
    local until=$((SECONDS + $1)) seconds=$1 name
    shift
    until name=$(primary_of "$@") && node_status "$name" |
        jq -es 'length == 1 and (.[0] | all(.receivers[]; .state == "streaming") and all(.sinks[]; .pending == 0))' >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] ||
            fail "not all delivered within $seconds s: $(for name in "$@"; do node_status "$name" | jq -c '{node,role,receivers,sinks}'; done)"
        sleep 0.1
    done
}

# wait_visible: what the simulator has sent and nobody received yet is in nobody's books. Until nothing is lost any
# more, or stays so for longer than anything is on its way: the ledger is the test's own to judge.
wait_visible() {
    local lost before='' since=$SECONDS name names=()
    for name in "$WORK"/*/events; do [ -d "$name" ] && names+=("$(basename "$(dirname "$name")")"); done
    [ ${#names[@]} -gt 0 ] || return 0
    while lost=$(ledger "${names[@]}" 2>/dev/null | sed -n 's/^sent.*, lost \([0-9]*\),.*/\1/p'); [ "$lost" != 0 ]; do
        [ "$lost" = "$before" ] || since=$SECONDS before=$lost
        [ $((SECONDS - since)) -lt 15 ] || break
        sleep 0.3
    done
}

# wait_delivered SECONDS NODES...: the simulator is stopped; until all that it has sent is delivered.
wait_delivered() {
    wait_books "$@"
    wait_visible
    wait_books "$@"
}
