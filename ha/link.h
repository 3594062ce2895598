/* link.h: the wires between the nodes: frames in and out, encrypted and authenticated.
 *
 * A ROUTER bound at pair.listen takes in what the peer sends; one DEALER per address in pair.peers
 * carries what we send. CURVE both ways: the ROUTER accepts only the peer's public key (ZAP), the
 * DEALERs only a server that has it. Beside them go datagrams, over UDP and the same ports, for
 * what must not wait and may get lost (datagram.h). Knows nothing of what the frames mean.
 *
 * Main thread only. Nothing blocks, except fh_link_free for at most the linger time. */
#ifndef FH_HA_LINK_H
#define FH_HA_LINK_H

#include "fh/config.h"

#include "detector.h"

#include <systemd/sd-event.h>

#define FH_LINK_LINGER_MS 200 /* so that a goodbye gets out */

struct fh_link;

struct fh_link_handler {
    /* A frame of the peer; valid during the call. */
    void (*frame)(void *userdata, const void *bytes, size_t len);
    /* The same, as a datagram. path: the peer's. */
    void (*datagram)(void *userdata, uint8_t path, const void *bytes, size_t len);
    void (*path)(void *userdata, size_t index, enum fh_path_event event);
    /* How many connections to our listener stand. */
    void (*inbound)(void *userdata, size_t connections);
    /* Somebody with another key than the peer's was turned away. */
    void (*stranger)(void *userdata, const char *address);
};

/* probe_ms: for how long after a disconnection to find out whether the peer's process is gone. */
int fh_link_new(const struct fh_config_pair *pair, const char secret_key[41], int64_t probe_ms,
                sd_event *event, const struct fh_link_handler *handler, void *userdata,
                struct fh_error *err, struct fh_link **ret);
/* Bind and connect. */
int fh_link_start(struct fh_link *link, struct fh_error *err);
/* Take and send datagrams from now on. -EOPNOTSUPP: pair.datagrams is off; other errors: with the
 * sentence why it is not possible here. */
int fh_link_take_datagrams(struct fh_link *link, struct fh_error *err);
void fh_link_free(struct fh_link *link); /* NULL allowed */

size_t fh_link_paths(const struct fh_link *link);
bool fh_link_connected(const struct fh_link *link, size_t path);
/* Room for a frame of len bytes, filled by the caller and sent by fh_link_send. NULL: no memory. */
void *fh_link_reserve(struct fh_link *link, size_t len);
/* Sends what was reserved. -EAGAIN: not connected or the queue is full; the frame is dropped. */
int fh_link_send(struct fh_link *link, size_t path);

/* Whose datagrams open from now on, and for whom ours are sealed: a process that said HELLO. */
void fh_link_session(struct fh_link *link, uint64_t own_instance, uint64_t peer_instance);
/* A datagram to the address of the path; lost without a word when it is not known or too long. */
void fh_link_send_datagram(struct fh_link *link, size_t path, const void *bytes, size_t len);

#endif
