/* datagram.c: owns the UDP socket between the nodes. Never interprets a message. */
#include "datagram.h"

#include "address.h"
#include "seal.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define DRAIN_MAX 64 /* datagrams a turn of the loop: a flood must not keep timers waiting */

struct fh_datagrams {
    fh_datagram_handler handler;
    void *userdata;
    sd_event *event;
    sd_event_source *source;
    int fd;
    int family;
    struct fh_seal seal;
};

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)events;
    struct fh_datagrams *datagrams = userdata;
    for (int count = 0; count < DRAIN_MAX; count++) {
        unsigned char bytes[FH_SEAL_MAX + 1]; /* one more: a longer one is none of ours */
        unsigned char message[FH_SEAL_MAX];
        uint8_t path = 0;
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n < 0) {
            break;
        }
        /* Whoever sent it: the seal says who made it. */
        int len = fh_seal_open(&datagrams->seal, bytes, (size_t)n, &path, message);
        if (len >= 0) {
            datagrams->handler(datagrams->userdata, path, message, (size_t)len);
        }
    }
    return 0;
}

int fh_datagrams_new(const char own_secret[41], const char peer_public[41], sd_event *event,
                     fh_datagram_handler handler, void *userdata, struct fh_datagrams **ret)
{
    unsigned char secret[FH_SEAL_KEY];
    unsigned char public[FH_SEAL_KEY];
    struct fh_datagrams *datagrams = calloc(1, sizeof(*datagrams));
    if (!datagrams) {
        return -ENOMEM;
    }
    datagrams->fd = -1;
    datagrams->handler = handler;
    datagrams->userdata = userdata;
    datagrams->event = sd_event_ref(event);
    int r = -EINVAL;
    if (zmq_z85_decode(secret, own_secret) && zmq_z85_decode(public, peer_public)) {
        r = fh_seal_init(&datagrams->seal, secret, public);
    }
    sodium_memzero(secret, sizeof(secret));
    if (r < 0) {
        fh_datagrams_free(datagrams);
        return r;
    }
    *ret = datagrams;
    return 0;
}

void fh_datagrams_free(struct fh_datagrams *datagrams)
{
    if (!datagrams) {
        return;
    }
    sd_event_source_disable_unref(datagrams->source);
    if (datagrams->fd >= 0) {
        close(datagrams->fd);
    }
    fh_seal_done(&datagrams->seal);
    sd_event_unref(datagrams->event);
    free(datagrams);
}

int fh_datagrams_bind(struct fh_datagrams *datagrams, const char *listen, struct fh_error *err)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (fh_address_parse(listen, &address, &len) < 0) {
        return fh_error_set(err, -EINVAL, "pair.listen = \"%s\" names no numeric address", listen);
    }
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fh_error_set(err, -errno, "cannot open a socket: %s", strerror(errno));
    }
    int off = 0; /* as ZeroMQ does: [::] takes IPv4, too */
    if (address.ss_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    int r = bind(fd, (const struct sockaddr *)&address, len) < 0 ? -errno : 0;
    if (r == 0) {
        r = sd_event_add_io(datagrams->event, &datagrams->source, fd, EPOLLIN, on_readable,
                            datagrams);
    }
    if (r < 0) {
        close(fd);
        return fh_error_set(err, r, "cannot take datagrams at the port of pair.listen = \"%s\": %s",
                            listen, strerror(-r));
    }
    datagrams->fd = fd;
    datagrams->family = address.ss_family;
    return 0;
}

void fh_datagrams_session(struct fh_datagrams *datagrams, uint64_t own_instance,
                          uint64_t peer_instance)
{
    fh_seal_session(&datagrams->seal, own_instance, peer_instance);
}

void fh_datagrams_send(struct fh_datagrams *datagrams, uint8_t path,
                       const struct sockaddr_storage *to, const void *bytes, size_t len)
{
    unsigned char datagram[FH_SEAL_MAX];
    struct sockaddr_storage address = *to;
    socklen_t address_len = fh_address_in_family(&address, datagrams->family);
    if (datagrams->fd < 0 || address_len == 0) {
        return;
    }
    int size = fh_seal_close(&datagrams->seal, path, bytes, len, datagram, sizeof(datagram));
    if (size > 0) {
        (void)sendto(datagrams->fd, datagram, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&address, address_len);
    }
}
