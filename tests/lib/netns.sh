# netns.sh: the pair as real processes in network namespaces of their own: host a, host b, the simulator and
# a third host for an arbiter. Sourced after pair.sh, whose functions it uses and some of which it replaces.
# Needs root, iproute2, iptables, util-linux; the machine's own network is not touched.
#
#     a -- relay -- b        link0, 10.98.0.1 and 10.98.0.2: the link of the pair, as bad as one wants
#     a -- sim, b -- sim     eth0, to 10.97.0.3: the service
#     a -- w,   b -- w       eth1, to 10.96.0.3: the arbiter
#     a -- b                 eth2, 10.95.0.1 and 10.95.0.2: a second path, used only where a scenario says so

NETWORK=fn$$x0 # a scenario has one of its own, so that several can run at once
RELAY_PROGRAM=$BIN/../tests/relay
SIM_ADDRESS=10.97.0.3
ARBITER_ADDRESS=10.96.0.3
declare -A LINK_ADDRESS=([a]=10.98.0.1 [b]=10.98.0.2)
declare -A SECOND_ADDRESS=([a]=10.95.0.1 [b]=10.95.0.2)

skip() { echo "SKIPPED: $*"; exit 77; }
milliseconds() { echo $((($1 + 500000) / 1000000)); } # of nanoseconds
now_ns() { date +%s%N; }

netns_possible() {
    local tool
    [ "$(id -u)" = 0 ] || skip "processes in network namespaces need root"
    for tool in ip iptables setpriv jq curl; do
        command -v $tool >/dev/null || skip "$tool is not installed (packaging/install-deps.sh test)"
    done
    [ -x "$RELAY_PROGRAM" ] || skip "$RELAY_PROGRAM was not built"
    [ -c /dev/net/tun ] || skip "this machine has no /dev/net/tun"
    netns_undo_stale
    ip netns add "$NETWORK-a" 2>/dev/null || skip "no network namespaces here"
    ip netns del "$NETWORK-a"
}

in_space() { ip netns exec "$NETWORK-$1" "${@:2}"; }

# wire NAME DEVICE ADDRESS/LENGTH NAME DEVICE ADDRESS/LENGTH
wire() {
    ip link add "$2" netns "$NETWORK-$1" type veth peer name "$5" netns "$NETWORK-$4" || fail "cannot join $1 and $4"
    ip -n "$NETWORK-$1" address add "$3" dev "$2"
    ip -n "$NETWORK-$4" address add "$6" dev "$5"
    ip -n "$NETWORK-$1" link set "$2" up
    ip -n "$NETWORK-$4" link set "$5" up
}

netns_make() {
    local name number=0
    netns_undo "$NETWORK" # of an old run of the same number
    for name in a b sim w; do
        ip netns add "$NETWORK-$name" || fail "cannot make a network namespace"
        ip -n "$NETWORK-$name" link set lo up
    done
    ip -n "$NETWORK-sim" address add $SIM_ADDRESS/32 dev lo
    ip -n "$NETWORK-w" address add $ARBITER_ADDRESS/32 dev lo
    for name in a b; do
        number=$((number + 1))
        wire $name eth0 10.97.$number.2/24 sim to-$name 10.97.$number.1/24
        wire $name eth1 10.96.$number.2/24 w to-$name 10.96.$number.1/24
        ip -n "$NETWORK-$name" route add $SIM_ADDRESS via 10.97.$number.1
        ip -n "$NETWORK-$name" route add $ARBITER_ADDRESS via 10.96.$number.1
    done
    wire a eth2 ${SECOND_ADDRESS[a]}/24 b eth2 ${SECOND_ADDRESS[b]}/24
}

netns_undo() {
    local name
    for name in a b sim w n1 n2 n3; do
        [ -e "/run/netns/$1-$name" ] && ip netns del "$1-$name"
    done
    return 0
}

# What a run left that was itself killed. Its processes died with it (pdeathsig).
netns_undo_stale() {
    local space pid
    for space in /run/netns/fn*x*-a; do
        [ -e "$space" ] || continue
        space=${space#/run/netns/}
        pid=${space#fn}
        kill -0 "${pid%%x*}" 2>/dev/null || netns_undo "${space%-a}"
    done
    return 0
}

# ---- the link between the nodes ----

# link_start SEED: a perfect link; ends with the shell that started it.
link_start() {
    local name answer
    coproc RELAY { exec "$RELAY_PROGRAM" "$NETWORK-a" "$NETWORK-b" link0 "$1" 2>"$WORK/relay.log"; }
    read -r -t 60 -u "${RELAY[0]}" answer || fail "the relay does not start: $(cat "$WORK/relay.log")"
    PID[relay]=$RELAY_PID
    for name in a b; do link_address $name; done
}

# Addresses go when a device goes down and up; so do routes.
link_address() {
    ip -n "$NETWORK-$1" address replace "${LINK_ADDRESS[$1]}" peer "${LINK_ADDRESS[$(other "$1")]}" dev link0
    ip -n "$NETWORK-$1" link set link0 up
}

# link ORDER: see relay.c.
link() {
    local answer
    echo "$*" >&"${RELAY[1]}"
    read -r -t 60 -u "${RELAY[0]}" answer || fail "the relay does not answer to: $*"
    case $answer in *" ok"*) LINK_ANSWER=$answer ;; *) fail "the relay does not know: $*" ;; esac
}

# ---- the way to the arbiter: dropped on its host, so that nobody is told ----

arbiter_cut() { in_space w iptables -I INPUT -i "to-$1" -j DROP && in_space w iptables -I OUTPUT -o "to-$1" -j DROP; }
arbiter_heal() {
    in_space w iptables -F INPUT
    in_space w iptables -F OUTPUT
}

# ---- the nodes, in place of the functions of pair.sh ----

# node_config NAME REPLICA PREFERRED [EXTRA_PAIR_LINES]. Overridable by variables: RECEIVERS, ROLL_SECONDS,
# LISTEN, ARBITER (a whole section), SECOND_PATH.
node_config() {
    local name=$1 replica=$2 preferred=$3 peer peers
    peer=$(other "$name")
    peers="\"tcp://${LINK_ADDRESS[$peer]}:5570\""
    [ -n "${SECOND_PATH:-}" ] && peers+=", \"tcp://${SECOND_ADDRESS[$peer]}:5570\""
    mkdir -p "$WORK/$name"
    (umask 077; echo "$API_KEY" >"$WORK/$name/api_key"; cp "$KEYS/$name/secret.key" "$WORK/$name/secret.key")
    cat >"$WORK/$name/firehosed.conf" <<CONF
node:     { name = "$name"; state_dir = "$WORK/$name/state"; control_socket = "$WORK/$name/control.sock"; };
firehose: { url = "$SIM_URL"; api_key_file = "$WORK/$name/api_key"; ca_file = "$CA";
            replica_id = $replica; receivers = ${RECEIVERS:-4}; backoff_min_ms = 100; };
pair:     { listen = "tcp://${LISTEN:-0.0.0.0}:5570"; peers = ( $peers );
            secret_key_file = "$WORK/$name/secret.key"; peer_public_key = "$(cat "$KEYS/$peer/public.key")";
            preferred = $preferred; ${4:-} };
${ARBITER:-}
sinks:    ( { name = "archive"; type = "file"; directory = "$WORK/$name/events"; roll_seconds = ${ROLL_SECONDS:-1}; } );
CONF
}

node_start() {
    ip netns exec "$NETWORK-$1" setpriv --pdeathsig KILL "$BIN/firehosed" --config "$WORK/$1/firehosed.conf" 2>>"$WORK/$1.log" &
    PID[$1]=$!
}

ctl() { node_ctl "$@"; }

# ---- a scenario's beginning and end ----

# service_start [ARGUMENTS]: the simulator, paused, and the relay.
service_start() {
    SIM_RUN=(setpriv --pdeathsig KILL ip netns exec "$NETWORK-sim")
    SIM_LISTEN=$SIM_ADDRESS:8443
    sim_start --host $SIM_ADDRESS --rate "${RATE:-1000}" --seed "$SEED" --lateness-ms 1000 --jitter-ms 200 --paused "$@"
    link_start "$SEED"
}

# pair_start [EXTRA_PAIR_LINES]: a leads, events flow, every partition's first one has been seen by both.
pair_start() {
    service_start
    node_config a 1 true "${1:-}"
    node_config b 2 false "${1:-}"
    node_start a
    node_start b
    wait_a_leads
    sim_post /sim/start >/dev/null
    wait_status a '.protected and all(.checkpoint.delivered[]; . > 0)' 60
    wait_published a 60
    wait_a_leads
}

# wait_published NAME SECONDS: "delivered" counts what is written; this waits for a whole batch.
wait_published() {
    local until=$((SECONDS + $2))
    until ls "$WORK/$1"/events/archive-*.ndjson >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "node $1 published nothing within $2 s"
        sleep 0.1
    done
}

# holds NAME JQ_CONDITION: now, not some time.
holds() { [ "$(node_value "$1" "$2")" = true ] || fail "node $1: not $2: $(node_status "$1" | jq -c '{role,epoch,protected,maintenance,sync,peer}')"; }

# role_changes NAME: how often it changed its role, as its history has it; why it stayed stands there, too.
role_changes() { ctl "$1" history --json | jq '[.history[] | select(.from != .to)] | length'; }

# led_since NAME: when it last became primary, in nanoseconds of the wall clock.
led_since() { ctl "$1" history --json | jq -r '[.history[] | select(.to == "primary")][-1].time_ms | tostring + "000000"'; }

# first_birth NAME EPOCH: when its sink began the first file of that epoch.
first_birth() {
    local until=$((SECONDS + 60)) birth
    until birth=$(stat -c %.9W "$WORK/$1"/events/archive-*-"$(printf %06d "$2")"-* 2>/dev/null | sort -n | sed -n 1p) &&
        [ -n "$birth" ]; do
        [ $SECONDS -lt $until ] || fail "no file of epoch $2 on node $1"
        sleep 0.05
    done
    echo "${birth/./}"
}

# last_publication NAME EPOCH: a rename moves the time of change, not that of modification.
last_publication() {
    local change
    change=$(find "$WORK/$1/events" -name "archive-*-$(printf %06d "$2")-*.ndjson*" ! -name '*.part' -printf '%C@\n' |
        sort -n | tail -n1)
    [ -n "$change" ] || fail "node $1 published nothing in epoch $2"
    change=$(printf '%.20s' "${change}000000000") # find gives ten digits behind the point
    echo "${change/./}"
}

# published_after NAME NANOSECONDS: names of files that became visible after that moment.
published_after() {
    find "$WORK/$1/events" -name '*.ndjson*' ! -name '*.part' -newerct "@$(($2 / 1000000000)).$(printf %09d $(($2 % 1000000000)))" -printf '%f\n'
}

epoch_of() { node_value "$1" .epoch; }

# production_end [DIRECTORIES]: no more events; all that were sent are delivered; both nodes leave.
production_end() {
    local name
    sim_post /sim/stop >/dev/null
    wait_delivered 60 a b
    for name in a b; do
        [ -n "${PID[$name]:-}" ] || continue
        node_signal $name TERM
        [ "$NODE_EXIT" = 0 ] || fail "node $name left with $NODE_EXIT after SIGTERM"
    done
}

# balance DUPLICATES [DIRECTORIES]: 0 lost, 0 foreign, exactly so many doubled. Sets BALANCE.
balance() {
    BALANCE=$(ledger a b "${@:2}" | grep '^sent')
    [[ $BALANCE == *", lost 0, duplicated $1, foreign 0" ]] || {
        ledger a b "${@:2}" >&2
        keep
        fail "expected 0 lost and $1 duplicated"
    }
}

# Files of a failed scenario are kept for whoever looks into it.
keep() { : >"$WORK/kept"; echo "files kept in $WORK" >&2; }

result() { printf '%-18s %s\n' "$SCENARIO" "$*"; }
