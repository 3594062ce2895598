/* address.h: addresses of the link as the kernel takes them, from endpoints as ZeroMQ takes them.
 * Never asks a name server. */
#ifndef FH_HA_ADDRESS_H
#define FH_HA_ADDRESS_H

#include <sys/socket.h>

/* "tcp://HOST:PORT", "tcp://[V6]:PORT", "tcp://SOURCE;HOST:PORT", with a numeric host or *, which
 * is every address. -EINVAL: a name, or none of these. */
int fh_address_parse(const char *endpoint, struct sockaddr_storage *ret, socklen_t *ret_len);
/* Rewrite an IPv4 address for a socket of AF_INET6. Returns its length, 0 when the socket cannot
 * reach it. */
socklen_t fh_address_in_family(struct sockaddr_storage *address, int family);

#endif
