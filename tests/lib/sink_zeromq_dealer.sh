# sink_zeromq_dealer.sh: the far side of a ZeroMQ sink with pattern = "dealer". Sourced after pair.sh.
FAR_PROMISE=least
FAR_PATTERN=dealer
FAR_SOCKET=dealer
. "$(dirname "${BASH_SOURCE[0]}")/zeromq_far.sh"
