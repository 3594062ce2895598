#!/usr/bin/env bash
# The Kafka sink against a real cluster: the contract suite, and the failover test (a simulator, two nodes, SIGKILL,
# a zombie) with what is committed in the topic against what was sent.
#
#   tests/external/kafka.sh BROKERS [NAME=VALUE...]        e.g.  kafka.sh k1.example:9092,k2.example:9092
#
# NAME=VALUE are settings of librdkafka, for the sink and for reading back (security.protocol=SASL_SSL, ...). A
# user's password goes into a file: KAFKA_USER=name KAFKA_PASSWORD_FILE=/path. Topics firehosed-test-* are made by
# the cluster itself (auto.create.topics.enable), or beforehand by you with KAFKA_TOPIC=NAME, which must be empty;
# they are left there. The user needs Write, Describe and Read on them, and Write and Describe on the transactional
# ids of the same names. Needs a build (BUILD, default build/) with FH_KAFKA, bash, jq and curl; nothing else.
set -uo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
export KAFKA_SERVERS=$1
shift
KAFKA_PROPERTIES=$(printf '%s\n' "$@")
export KAFKA_PROPERTIES KAFKA_USER=${KAFKA_USER:-} KAFKA_PASSWORD_FILE=${KAFKA_PASSWORD_FILE:-}
BUILD=${BUILD:-$PWD/build}
export BIN=${BIN:-$BUILD/bin}
passed=0
failed=0

check() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); echo "ok      $name"; else failed=$((failed + 1)); echo "FAILED  $name"; fi
}

contract() {
    [ -z "${KAFKA_TOPIC:-}" ] || { echo "the contract suite needs a topic per test: left out with KAFKA_TOPIC"; return 0; }
    "$BUILD/tests/test_sink_contract" kafka
}

check "contract suite" contract
check "failover" tests/external/kafka_failover.sh
echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
