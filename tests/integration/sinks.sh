#!/usr/bin/env bash
# Failover per sink: SIGKILL, SIGSTOP and back as a zombie, isolation of the primary, the far side away; then
# what is visible at the far side against what was sent, by the promise of the sink.
#
#   tests/integration/sinks.sh [TYPE...]       file kafka nats mqtt webhook command zeromq_push zeromq_dealer zeromq_pub
#
# The scenarios are those of network.sh, named sink_TYPE; see tests/lib/network_sinks.sh. Needs root.
cd "$(dirname "$0")/../.." || exit 1
[ $# -gt 0 ] || set -- file kafka nats mqtt webhook command zeromq_push zeromq_dealer zeromq_pub
exec tests/integration/network.sh "${@/#/sink_}"
