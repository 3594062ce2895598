# sink_zeromq_pub.sh: the far side of a ZeroMQ sink with pattern = "pub". Sourced after pair.sh.
FAR_PROMISE=most
FAR_PATTERN=pub
FAR_SOCKET=sub
. "$(dirname "${BASH_SOURCE[0]}")/zeromq_far.sh"
FAR_DOWN=no # a subscriber that is away misses what is published meanwhile, and nobody waits for it
