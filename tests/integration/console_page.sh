#!/usr/bin/env bash
# The console of both nodes of a real pair on the simulator, in headless Chromium, through a failover: roles,
# graphs, the space with moving dots, keyboard, accessibility, reduced motion, what a page says whose node is
# gone; and that no personal data of the records gets onto page or stream (tests/console/page.mjs).
#
# Environment: BIN, RATE (400 events/s), PICTURES (where screenshots go, default: pictures beside BIN), WARM
# (seconds to wait first, so that graphs have something to show; those in the README: WARM=200 RATE=1200).
set -uo pipefail
cd "$(dirname "$0")/../.."
RATE=${RATE:-400}
. tests/lib/pair.sh
build=$(realpath "$BIN/..")
export CONSOLE_MODULES=$build/tests/console
export PICTURES=${PICTURES:-$build/pictures}

chromium=$(command -v chromium || command -v chromium-browser)
for needed in "$build/console/app.js" "$CONSOLE_MODULES/installed"; do
    [ -e "$needed" ] || { echo "SKIPPED: this build has no page ($needed is missing)"; exit 77; }
done
[ -n "$chromium" ] || { echo "SKIPPED: no chromium"; exit 77; }
export CHROMIUM=$chromium

sim_start --rate "$RATE" --seed 4
pair_keys
declare -A url=()
PATIENT='failure_after = 15;' # with an arbiter it is the lease that a takeover waits for

# A third host's voice, as one would have it.
"$BIN/firehosectl" keygen --secret "$WORK/witness.key" --public "$WORK/witness.pub" >/dev/null 2>&1 || fail "keygen"
witness_port=$(free_port)
mkdir -p "$WORK/witness"
cat >"$WORK/witness.conf" <<CONF
witness: { listen = "tcp://127.0.0.1:$witness_port"; secret_key_file = "$WORK/witness.key"; state_dir = "$WORK/witness"; };
pairs:   ( { name = "page"; public_keys = ( "$(cat "$WORK/a/public.key")", "$(cat "$WORK/b/public.key")" ); } );
CONF
"$BIN/firehose-witness" --config "$WORK/witness.conf" 2>"$WORK/witness.log" &
PID[witness]=$!

for name in a b; do
    port=$(free_port)
    url[$name]=http://127.0.0.1:$port/
    CONFIG_EXTRA="console: { listen = \"127.0.0.1:$port\"; assets = \"$build/console\"; maps = true; };
arbiter:  { type = \"witness\"; addresses = ( \"tcp://127.0.0.1:$witness_port\" );
            witness_public_key = \"$(cat "$WORK/witness.pub")\"; ttl_ms = 6000; };"
    SINK_EXTRA="}, { name = \"occupancy\"; type = \"file\"; directory = \"$WORK/$name/occupancy\"; roll_seconds = 1;
        event_types = ( \"DEVICE_COUNT\", \"DEVICE_PRESENCE\", \"CAMERA_COUNT\" ); "
    if [ $name = a ]; then node_config a 1 true "$PATIENT"; else node_config b 2 false "$PATIENT"; fi
done
for name in a b; do # two paths, as between two hosts with two networks
    other=b
    [ $name = b ] && other=a
    sed -i "s|listen = \"tcp://127.0.0.1:${PAIR_PORT[$name]}\"|listen = \"tcp://0.0.0.0:${PAIR_PORT[$name]}\"|
            s|peers = ( [^)]*)|peers = ( \"tcp://127.0.0.1:${PAIR_PORT[$other]}\", \"tcp://127.0.0.2:${PAIR_PORT[$other]}\" )|" \
        "$WORK/$name/firehosed.conf"
done
node_start a
node_start b
wait_pair_protected a b
# there is something to see: a batch was published, devices were located
wait_status a '.counters.delivered > 2000' 60
[ -z "${WARM:-}" ] || sleep "$WARM"

AGAIN=$WORK/again MAPS=1 node tests/console/page.mjs "${url[a]}" "${url[b]}" "${PID[a]}" "$WORK/a/events" "$WORK/b/events" &
PID[page]=$!
until [ -e "$WORK/again" ] || ! kill -0 "${PID[page]}" 2>/dev/null; do sleep 0.2; done
if [ -e "$WORK/again" ]; then
    { wait "${PID[a]}"; } 2>/dev/null
    node_start a
fi
wait "${PID[page]}" || fail "the page"
unset "PID[page]"
