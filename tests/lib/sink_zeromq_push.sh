# sink_zeromq_push.sh: the far side of a ZeroMQ sink with pattern = "push". Sourced after pair.sh.
FAR_PROMISE=least
FAR_PATTERN=push
FAR_SOCKET=pull
. "$(dirname "${BASH_SOURCE[0]}")/zeromq_far.sh"
FAR_DOWN=no # a consumer that leaves takes along what it has received
