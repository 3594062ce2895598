#!/usr/bin/env bash
# The pair on two hosts that boot a real systemd, installed and set up by the commands of README.md: the Debian
# package by apt, firehosectl setup, systemctl. Then everything that happens to hosts, each followed by the
# ledger over the files of both: nothing lost, nothing twice, and the journal tells it.
#
# Needs root, debootstrap, systemd-nspawn, iproute2 on Debian; else says SKIPPED and exits with 77.
# FULL=1 (tests/run.sh e2e) adds what it names at the end as left out; ONLY="killed keys" runs some scenarios.
# Environment: BIN, RATE (1000 events/s), SEED (printed), FH_ROOT_CACHE, FH_MIRROR, KEEP_WORK.
set -uo pipefail
cd "$(dirname "$0")/../.."
RATE=${RATE:-1000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
. tests/lib/hosts.sh
. tests/lib/packages.sh
. tests/lib/hosts_pair.sh
. tests/lib/hosts_faults.sh
. tests/lib/hosts_upkeep.sh

wanted() { [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $1 "* ]]; }

hosts_possible
echo "seed $SEED, $RATE events/s"
step "packages"
packages=$(packages_built deb "") && newer=$(packages_built deb 9.9.9) || fail "the Debian packages cannot be built"
rpms=$(packages_built rpm "") && newer_rpms= || fail "the RPM packages cannot be built"
if [ -n "${FULL:-}" ]; then
    newer_rpms=$(packages_built rpm 9.9.9) || fail "the newer RPM packages cannot be built"
fi
hosts_root "$packages"
hosts_network
SIM_RUN=(setpriv --pdeathsig KILL ip netns exec "$NETWORK-sim")
SIM_LISTEN=${HOST_ADDRESS[sim]}:443
sim_start --host "${HOST_ADDRESS[sim]}" --host "$SERVICE" --api-key "${KEYS[1]}" --api-key "${KEYS[2]}" --rate "$RATE" --seed "$SEED" --lateness-ms 1500 --jitter-ms 300 --paused

step "booting two hosts"
for name in a b; do host_make $name; host_boot $name; host_prepare $name; done

step "README.md: two hosts, from nothing to a pair"
recipe "$packages"
primary=a standby=b
for name in a b; do
    on $name systemctl is-enabled -q firehosed || fail "firehosed is not enabled on host $name"
    [ "$(property $name ActiveState)/$(property $name SubState)" = active/running ] || fail "host $name is not active"
done
# The first events of all: each partition's first one on the primary may lie before the standby's, which
# then asks for it; until all have been seen the pair is protected in turns.
wait_status a '.protected and all(.checkpoint.delivered[]; . > 0)' 60
wait_a_leads
for name in a b; do
    line=$(wait_status_line $name "$([ $name = a ] && echo primary || echo standby), epoch [0-9]+, protected") || exit 1
    echo "host $name, systemctl status: $line"
done
balance "set up by the recipe"

step "systemctl reload: files every second from now on"
for name in a b; do
    cursor=$(host_cursor $name)
    sed -i 's|type = "file";|type = "file"; roll_seconds = 1;|' "$(config_of $name)"
    on $name systemctl reload firehosed || fail "systemctl reload on host $name"
    wait_journal $name "$cursor" ".MESSAGE_ID == \"$RELOAD_ID\" and (.MESSAGE | test(\"configuration reloaded\"))" 60 >/dev/null || exit 1
done

scenario_first_look
wanted killed && scenario_killed
wanted power_off && scenario_power_off
wanted hangs && scenario_hangs
wanted disk_full && scenario_disk_full
wanted reload && scenario_reload
wanted stop && scenario_stop
wanted keys && scenario_keys
wanted cut && scenario_cut
wanted instance && scenario_instance
wanted upgrade && scenario_upgrade
if [ -n "${FULL:-}" ]; then
    scenario_killed
    scenario_power_off
    scenario_disk_full
    scenario_half_cut
    scenario_default_watchdog
    scenario_go_back
fi
wanted reboot && scenario_reboot
wanted removal && scenario_removal
wanted rpm && scenario_rpm

step "the end: the stream stands still, and the ledger is exact"
sim_post /sim/stop >/dev/null
wait_status "$primary" 'all(.receivers[]; .state == "streaming") and all(.sinks[]; .pending == 0)' 60
balance "in the end"
resident=$(on "$primary" sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(property "$primary" MainPID)/status")
tasks=$(on "$primary" sed -n 's/^Threads:[^0-9]*//p' "/proc/$(property "$primary" MainPID)/status")
echo "the primary had at most $resident kB resident, and has $tasks tasks"
[ "$resident" -lt 262144 ] && [ "$tasks" -le 64 ] || fail "more memory or tasks than the unit tells of"
on "$primary" systemctl stop firehosed || fail "systemctl stop on host $primary"
[ -n "${FULL:-}" ] || echo "left out here, in tests/run.sh e2e: kills, power-off and full disks again on the upgraded pair with a witness, a cut between the" \
    "nodes alone, the watchdog's own 30 s, the way back to the older version, the RPM package's upgrade to a newer version"
echo "two hosts: all as expected"
