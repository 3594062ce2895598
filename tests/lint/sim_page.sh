#!/usr/bin/env bash
# firehose-sim(8) names every option of --help, every command and every fault of the program, and nothing that
# the program does not have.
#
# BIN names the folder of firehose-sim (default build/bin).
set -uo pipefail
cd "$(dirname "$0")/../.."

BIN=${BIN:-build/bin}
PAGE=packaging/man/firehose-sim.8
bad=0
help=$("$BIN/firehose-sim" --help) || exit 1

# compare WHAT HAS SAYS: two sorted lists.
compare() {
    local missing extra
    missing=$(comm -23 <(echo "$2") <(echo "$3"))
    extra=$(comm -13 <(echo "$2") <(echo "$3"))
    if [ -n "$missing" ]; then echo "$PAGE does not name: "$missing >&2; bad=1; fi
    if [ -n "$extra" ]; then echo "$PAGE names what is not there: "$extra >&2; bad=1; fi
    [ "$(echo "$2" | wc -l)" -ge "$4" ] || { echo "too few $1 found: is this script still right?" >&2; bad=1; }
}

compare options "$(echo "$help" | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' | sort -u)" \
    "$(sed -n 's/^\.It Fl -\([a-z0-9-]*\).*/\1/p' $PAGE | sort -u)" 30
compare commands "$(grep -o '"\(GET\|POST\)", "/sim/[a-z]*"' src/sim/control.c | tr -d '",' | sort -u)" \
    "$(sed -n 's/^\.It Cm \(\(GET\|POST\) \/sim\/[a-z]*\).*/\1/p' $PAGE | sort -u)" 8
compare faults "$(sed -n 's/.*\[SIM_FAULT_[A-Z_0-9]*\] = {"\([a-z0-9_-]*\)".*/\1/p' src/sim/faults.c | sort -u)" \
    "$(sed -n '/^\.Ss Faults/,/^\.Sh /s/^\.It Cm \([a-z0-9_-]*\).*/\1/p' $PAGE | sort -u)" 30
compare parameters "$(sed -n 's/^    PARAMETER("\([a-z_]*\)".*/\1/p' src/sim/faults.c | sort -u)" \
    "$(sed -n '/^\.Ss Parameters/,/^\.Ss Faults/s/^\.It Va \([a-z_]*\).*/\1/p' $PAGE | grep -vx 'layer\|location\|type' | sort -u)" 14
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning $PAGE | grep . && bad=1
fi
exit $bad
