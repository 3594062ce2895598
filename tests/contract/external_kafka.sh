#!/usr/bin/env bash
# That tests/external/kafka.sh can run the contract suite on a cluster which is not the suite's to start or stop;
# here the stand-in plays that cluster. One dialogue of the suite, which runs them all by itself.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh
. tests/lib/sink_kafka.sh
missing=$(far_install_check) || { echo "SKIPPED: not here: $missing"; exit 77; }
far_start
KAFKA_SERVERS=$FAR_SERVERS "$FAR_TOOLS/test_sink_contract" kafka '*keeps records in order' 2>&1 | tee "$WORK/log"
[ "$(grep -c '^\[       OK \] kafka.*: keeps records in order' "$WORK/log")" = 2 ] || fail "not both rows were run"
