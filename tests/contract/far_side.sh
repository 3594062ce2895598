#!/usr/bin/env bash
# The far side of a sink, for the contract suite: takes orders on standard input, a line each, and answers
# each with "ok" or "error REASON". The far sides themselves are in tests/lib/sink_TYPE.sh, which the
# failover tests use too.
#
#   tests/contract/far_side.sh TYPE PLACE [VARIANT]
#
#   start | down | up | halt | resume          sink NODE FILE (the sink's group)          collect FILE
# "promise" answers "ok exactly|least|most yes|no yes|no": the promise, whether a record over 300 KB with
# the word "poison" is refused for good, and whether it can be made unreachable. Ends with its input.
set -uo pipefail
cd "$(dirname "$0")/../.."
TYPE=$1
WORK=$2
export FAR_VARIANT=${3:-}
. tests/lib/pair.sh
. "tests/lib/sink_$TYPE.sh"
exec 3>&1 1>"$WORK/far_side.log" 2>&1
while read -r order first second; do
    case $order in
    check) far_install_check >"$WORK/missing" && echo ok >&3 || echo "error missing: $(tr '\n' ' ' <"$WORK/missing")" >&3 ;;
    promise) echo "ok $FAR_PROMISE ${FAR_REFUSES:-no} ${FAR_DOWN:-yes}" >&3 ;;
    start) far_start && echo ok >&3 || echo "error far_start; see $WORK/far_side.log" >&3 ;;
    sink) far_sink "$first" >"$second" && echo ok >&3 || echo "error far_sink" >&3 ;;
    collect) far_collect "$first" && echo ok >&3 || echo "error far_collect" >&3 ;;
    down) far_down && echo ok >&3 || echo "error far_down" >&3 ;;
    up) far_up && echo ok >&3 || echo "error far_up" >&3 ;;
    halt) kill -STOP "${PID[far]}" && echo ok >&3 || echo "error halt" >&3 ;;
    resume) kill -CONT "${PID[far]}" && echo ok >&3 || echo "error resume" >&3 ;;
    *) echo "error unknown order $order" >&3 ;;
    esac
done
