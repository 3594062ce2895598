#!/usr/bin/env bash
# Events per second of every sink against its real far side on loopback, all in one run; the ratio is to the
# file sink of the same run. Far side and sink share the cores.
#
#   tests/bench/sinks.sh [TYPE...]      BUILD names the build folder, RECORDS how many each (50000)
set -uo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-$PWD/build}
export BIN=${BIN:-$BUILD/bin}
RECORDS=${RECORDS:-50000}
TYPES=("$@")
[ $# -gt 0 ] || for lib in tests/lib/sink_*.sh; do
    lib=${lib#tests/lib/sink_}
    TYPES+=("${lib%.sh}")
done

# measure TYPE: prints what bench_sink prints; 77 when the far side's programs are not there.
measure() (
    . tests/lib/pair.sh
    . "tests/lib/sink_$1.sh"
    mkdir -p "$WORK/far" "$WORK/a/state"
    far_install_check >&2 || exit 77
    far_start >&2
    cat >"$WORK/bench.conf" <<CONF
node:     { name = "a"; state_dir = "$WORK/a/state"; control_socket = "$WORK/a/control.sock"; };
firehose: { url = "http://127.0.0.1:1/"; api_key_file = "$WORK/a/api_key"; };
sinks:    ( $(far_sink a) );
CONF
    "$BUILD/bench/bench_sink" "$WORK/bench.conf" "$RECORDS" || fail "bench_sink"
)

failed=0
declare -A RATE=()
for type in file "${TYPES[@]}"; do
    [ -n "${RATE[$type]:-}" ] && continue
    line=$(measure "$type")
    case $? in
    0) RATE[$type]=${line##* } ;;
    77) RATE[$type]=skipped ;;
    *) RATE[$type]=failed failed=1 ;;
    esac
done

printf '%-10s %12s %14s\n' sink "events/s" "ratio to file"
for type in file $(printf '%s\n' "${!RATE[@]}" | grep -vx file | sort); do
    case ${RATE[$type]} in
    [0-9]*) printf '%-10s %12s %14s\n' "$type" "${RATE[$type]}" "$(jq -rn "${RATE[$type]} / ${RATE[file]} * 1000 | round / 1000")" ;;
    *) printf '%-10s %12s\n' "$type" "${RATE[$type]}" ;;
    esac
done
exit $failed
