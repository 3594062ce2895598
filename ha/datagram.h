/* datagram.h: the UDP socket of the link, on the port of pair.listen. Heartbeats go over it beside
 * the connections, because on a network that loses packets they would wait there behind what TCP
 * sends again and again, ever more slowly.
 *
 * Nothing depends on it: where the socket cannot be opened or no datagram gets through, the pair
 * works by its connections alone. Main thread only; never blocks. */
#ifndef FH_HA_DATAGRAM_H
#define FH_HA_DATAGRAM_H

#include "fh/err.h"

#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

struct fh_datagrams;

/* One that the peer's process sealed for this one came; valid during the call. */
typedef void (*fh_datagram_handler)(void *userdata, uint8_t path, const void *bytes, size_t len);

/* own_secret, peer_public: Z85, both valid. */
int fh_datagrams_new(const char own_secret[41], const char peer_public[41], sd_event *event,
                     fh_datagram_handler handler, void *userdata, struct fh_datagrams **ret);
void fh_datagrams_free(struct fh_datagrams *datagrams); /* NULL allowed */
/* listen: as ZeroMQ takes it, tcp://ADDRESS:PORT; the address numeric or *. */
int fh_datagrams_bind(struct fh_datagrams *datagrams, const char *listen, struct fh_error *err);
/* The two processes that talk; see fh_seal_session. */
void fh_datagrams_session(struct fh_datagrams *datagrams, uint64_t own_instance,
                          uint64_t peer_instance);
/* Not sent (nor said) when the network does not take it: the next one follows soon. */
void fh_datagrams_send(struct fh_datagrams *datagrams, uint8_t path,
                       const struct sockaddr_storage *to, const void *bytes, size_t len);

#endif
