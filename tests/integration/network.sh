#!/usr/bin/env bash
# The pair in network namespaces, real processes behind a network that is cut, one-way, lossy and slow; hosts
# that vanish, stop and come back; what an operator orders. Each scenario starts from nothing and ends the
# same way: production stops, all is delivered, and the ledger is compared with what both nodes published.
#
#   tests/integration/network.sh [NAME...]     scenarios by name; without any all of them
#   tests/integration/network.sh --all         also those that are known to fail
#   tests/integration/network.sh --list
#
# Needs root; else says SKIPPED and exits with 77. Environment: BIN, SEED (printed), RATE (1000 events/s),
# FH_NETWORK_SECONDS (30: how long the link is bad), FH_NETWORK_JOBS (4 scenarios at a time), KEEP_WORK.
set -uo pipefail
cd "$(dirname "$0")/../.."
WORK=$(mktemp -d "/var/tmp/firehosed-network-$$-XXXXXX")
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
FH_NETWORK_SECONDS=${FH_NETWORK_SECONDS:-30}
. tests/lib/pair.sh
. tests/lib/netns.sh
. tests/lib/network_split.sh
. tests/lib/network_roles.sh
. tests/lib/network_arbiter.sh
. tests/lib/network_sinks.sh
. tests/lib/network_nats.sh

mapfile -t ALL < <(grep -ho '^scenario_[a-z_]*' tests/lib/network_*.sh | sed 's/^scenario_//')
ALONE=' switchover host_vanishes witness_takeover etcd_takeover ' # these measure time: nothing else runs beside them
# Defects that are known and open (README, "Known defects"): these scenarios fail, so a run without names
# leaves them out and says so. Name them, or say --all, to see them fail.
OPEN=' nats_cluster_again '
[ "${1:-}" = --list ] && { printf '%s\n' "${ALL[@]}"; exit 0; }
if [ "${1:-}" = --all ]; then
    OPEN=' '
    shift
fi
if [ $# -gt 0 ]; then
    chosen=("$@")
else # the long ones first, so that others run beside them; those that want to be alone last
    mapfile -t chosen < <(for name in "${ALL[@]}"; do
        case $name in *lossy) echo "1 $name" ;; *) [[ $ALONE == *" $name "* ]] && echo "3 $name" || echo "2 $name" ;; esac
    done | sort -s -n -k1,1 | cut -d' ' -f2)
    kept=()
    for name in "${chosen[@]}"; do [[ $OPEN == *" $name "* ]] || kept+=("$name"); done
    chosen=("${kept[@]}")
    [ "$OPEN" = ' ' ] || echo "left out, known to fail:$OPEN"
fi
for SCENARIO in "${chosen[@]}"; do
    declare -F "scenario_$SCENARIO" >/dev/null || { echo "no scenario \"$SCENARIO\"; see --list" >&2; exit 2; }
done

leave() {
    local job
    for job in $(jobs -p); do kill -TERM "$job" 2>/dev/null; done
    wait
    if ! ls "$WORK"/*/kept >/dev/null 2>&1 && [ -z "${KEEP_WORK:-}" ]; then rm -rf "$WORK"; fi
}
trap leave EXIT
trap 'exit 130' INT TERM HUP
netns_possible
KEYS=$WORK/keys
mkdir "$KEYS"
(WORK=$KEYS pair_keys) || exit 1

scenario_leave() {
    if [ -e "$WORK/kept" ]; then export KEEP_WORK=1; fi
    far_end
    pair_cleanup
    netns_undo "$NETWORK"
}

# scenario_run NAME NUMBER: in a shell, a folder and namespaces of its own.
scenario_run() {
    SCENARIO=$1
    NETWORK=fn$$x$2
    WORK=$WORK/$1
    mkdir "$WORK"
    trap scenario_leave EXIT
    trap 'exit 130' INT TERM HUP
    netns_make
    "scenario_$1"
}

# One ended: say how.
reap() {
    local pid status=0
    wait -n -p pid "${!running[@]}" || status=$?
    cat "$WORK/${running[$pid]}.txt"
    [ $status = 0 ] || { failed+=("${running[$pid]}"); echo "${running[$pid]}: failed (seed $SEED)" >&2; }
    unset "running[$pid]"
}

echo "seed $SEED, ${RATE:-1000} events/s, ${FH_NETWORK_JOBS:=4} at a time"
started=$SECONDS
failed=()
declare -A running=()
number=0
drain() { while [ ${#running[@]} -gt "$1" ]; do reap; done; }
for SCENARIO in "${chosen[@]}"; do
    case $ALONE in *" $SCENARIO "*) drain 0 ;; *) drain $((FH_NETWORK_JOBS - 1)) ;; esac
    number=$((number + 1))
    scenario_run "$SCENARIO" $number >"$WORK/$SCENARIO.txt" 2>&1 &
    running[$!]=$SCENARIO
    case $ALONE in *" $SCENARIO "*) drain 0 ;; esac
done
drain 0
echo "$((${#chosen[@]} - ${#failed[@]})) of ${#chosen[@]} scenarios passed in $((SECONDS - started)) s${failed[*]:+; failed: ${failed[*]}}"
[ ${#failed[@]} = 0 ]
