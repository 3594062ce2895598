/* link.c: owns the ZeroMQ sockets of the pair. Never interprets a frame and never blocks the loop.
 *
 * ZeroMQ's descriptors are edge-triggered: each callback drains its socket until EAGAIN (or comes
 * back by a deferred event), otherwise a message could lie there until the next one arrives. */
#include "link.h"

#include "datagram.h"
#include "probe.h"

#include "fh/zmq_glue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define QUEUE_MESSAGES    1024 /* the bytes in them are bounded by the report bookkeeping */
#define DRAIN_MAX         256  /* frames a turn of the loop, so that timers get their turn */
#define INBOUND_MAX       64
#define RECONNECT_MS      100
#define HANDSHAKE_MS      5000
#define CONNECT_MS        3000
#define UNACKNOWLEDGED_MS 10000 /* a connection whose other end vanished is given up after this */

#define REFUSED_RETRY_USEC ((uint64_t)2 * 1000 * 1000)

struct path {
    struct fh_link *link;
    size_t index;
    char address[FH_URL_MAX];
    void *socket;
    void *monitor;
    sd_event_source *monitor_source;
    struct fh_probe *probe;
    bool connected;
    bool refused; /* the peer does not accept our key: ZeroMQ has given up on the address */
};

struct fh_link {
    const struct fh_link_handler *handler;
    void *userdata;
    sd_event *event;
    char listen[FH_URL_MAX];
    unsigned char peer_key[FH_ZAP_KEY_BYTES];
    void *context;
    void *router;
    void *monitor;
    void *zap;
    sd_event_source *router_source, *monitor_source, *zap_source, *again_source, *retry_source;
    struct path path[FH_PATHS_MAX];
    size_t path_count;
    int inbound[INBOUND_MAX]; /* descriptors of accepted connections, as events name them */
    size_t inbound_count;
    zmq_msg_t out;
    bool out_reserved;
    struct fh_datagrams *datagrams; /* NULL: pair.datagrams is off */
};

/* ---- frames of the peer ---- */

static void drain_router(struct fh_link *link)
{
    for (int count = 0; count < DRAIN_MAX && fh_zmq_readable(link->router); count++) {
        zmq_msg_t part;
        bool more = true;
        for (int index = 0; more; index++) {
            zmq_msg_init(&part);
            if (zmq_msg_recv(&part, link->router, ZMQ_DONTWAIT) < 0) {
                zmq_msg_close(&part);
                break;
            }
            more = zmq_msg_more(&part) != 0;
            if (index == 1) { /* 0 is the connection's routing id */
                link->handler->frame(link->userdata, zmq_msg_data(&part), zmq_msg_size(&part));
            }
            zmq_msg_close(&part);
        }
    }
    if (fh_zmq_readable(link->router)) {
        sd_event_source_set_enabled(link->again_source, SD_EVENT_ONESHOT);
    }
}

static int on_router(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    drain_router(userdata);
    return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
    (void)source;
    drain_router(userdata);
    return 0;
}

/* ---- what happens to the connections ---- */

static void remember_inbound(struct fh_link *link, int fd, bool there)
{
    size_t at = 0;
    while (at < link->inbound_count && link->inbound[at] != fd) {
        at++;
    }
    if (there && at == link->inbound_count && at < INBOUND_MAX) {
        link->inbound[link->inbound_count++] = fd;
    } else if (!there && at < link->inbound_count) {
        link->inbound[at] = link->inbound[--link->inbound_count];
    }
}

static int on_router_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    struct fh_link *link = userdata;
    uint16_t event = 0;
    uint32_t value = 0;
    size_t before = link->inbound_count;
    while (fh_zmq_next_event(link->monitor, &event, &value)) {
        remember_inbound(link, (int)value, event == ZMQ_EVENT_ACCEPTED);
    }
    if (before != link->inbound_count) {
        link->handler->inbound(link->userdata, link->inbound_count);
    }
    return 0;
}

static void on_probe(void *userdata)
{
    struct path *path = userdata;
    if (!path->connected) {
        path->link->handler->path(path->link->userdata, path->index, FH_PATH_REFUSED);
    }
}

/* After a refusal ZeroMQ never tries the address again; but the key may have been entered at the
 * peer meanwhile. */
static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct fh_link *link = userdata;
    for (size_t i = 0; i < link->path_count; i++) {
        struct path *path = &link->path[i];
        if (path->refused && !path->connected) {
            (void)zmq_disconnect(path->socket, path->address);
            (void)zmq_connect(path->socket, path->address);
        }
    }
    return 0;
}

static int on_path_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    struct path *path = userdata;
    struct fh_link *link = path->link;
    uint16_t event = 0;
    uint32_t value = 0;
    while (fh_zmq_next_event(path->monitor, &event, &value)) {
        if (event == ZMQ_EVENT_CONNECTED) {
            fh_probe_learn(path->probe, (int)value);
        } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
            path->refused = true;
            sd_event_source_set_time_relative(link->retry_source, REFUSED_RETRY_USEC);
            sd_event_source_set_enabled(link->retry_source, SD_EVENT_ONESHOT);
        } else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && !path->connected) {
            path->connected = true;
            path->refused = false;
            fh_probe_stop(path->probe);
            fh_zmq_readable(path->socket); /* lets the socket take in its new connection */
            link->handler->path(link->userdata, path->index, FH_PATH_CONNECTED);
        } else if (event == ZMQ_EVENT_DISCONNECTED && path->connected) {
            path->connected = false;
            /* First ask, then tell: on the same host the answer is there at once. */
            link->handler->path(link->userdata, path->index, FH_PATH_DISCONNECTED);
            fh_probe_start(path->probe);
        }
    }
    return 0;
}

/* ---- who may connect (ZAP, RFC 27) ---- */

static int on_zap(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    struct fh_link *link = userdata;
    while (fh_zmq_readable(link->zap)) {
        struct fh_zap_request request;
        int r = fh_zap_read(link->zap, &request);
        if (r < 0 && r != -EBADMSG) {
            break;
        }
        bool welcome = r == 0 && memcmp(request.key, link->peer_key, FH_ZAP_KEY_BYTES) == 0;
        fh_zap_answer(link->zap, &request, welcome ? "peer" : NULL, "not the peer's key");
        if (!welcome) {
            link->handler->stranger(link->userdata, request.address);
        }
    }
    return 0;
}

/* ---- life ---- */

static int open_router(struct fh_link *link, const char *secret_key)
{
    link->router = zmq_socket(link->context, ZMQ_ROUTER);
    link->zap = zmq_socket(link->context, ZMQ_REP);
    if (!link->router || !link->zap) {
        return -zmq_errno();
    }
    int64_t largest = FH_WIRE_REPORT_MAX + FH_WIRE_REPORT_HEAD;
    int r = 0;
    if ((r = fh_zmq_set_int(link->zap, ZMQ_LINGER, 0)) < 0 ||
        (r = fh_zmq_set_int(link->router, ZMQ_LINGER, 0)) < 0 ||
        (r = fh_zmq_set_int(link->router, ZMQ_RCVHWM, QUEUE_MESSAGES)) < 0 ||
        (r = fh_zmq_set_int(link->router, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS)) < 0 ||
        (r = fh_zmq_set_int(link->router, ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS)) < 0 ||
        (r = fh_zmq_set_int(link->router, ZMQ_IPV6, strchr(link->listen, '[') != NULL)) < 0 ||
        (r = fh_zmq_set_int(link->router, ZMQ_CURVE_SERVER, 1)) < 0) {
        return r;
    }
    if (zmq_setsockopt(link->router, ZMQ_CURVE_SECRETKEY, secret_key, 40) != 0 ||
        zmq_setsockopt(link->router, ZMQ_ZAP_DOMAIN, "firehosed", 9) != 0 ||
        zmq_setsockopt(link->router, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) != 0 ||
        zmq_bind(link->zap, FH_ZAP_ENDPOINT) != 0 ||
        zmq_socket_monitor(link->router, "inproc://router",
                           ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) != 0) {
        return -zmq_errno();
    }
    link->monitor = zmq_socket(link->context, ZMQ_PAIR);
    if (!link->monitor || zmq_connect(link->monitor, "inproc://router") != 0) {
        return -zmq_errno();
    }
    fh_zmq_set_int(link->monitor, ZMQ_LINGER, 0);
    if ((r = fh_zmq_watch(link->event, link->router, on_router, link, &link->router_source)) < 0 ||
        (r = fh_zmq_watch(link->event, link->zap, on_zap, link, &link->zap_source)) < 0 ||
        (r = fh_zmq_watch(link->event, link->monitor, on_router_monitor, link,
                          &link->monitor_source)) < 0 ||
        (r = sd_event_add_defer(link->event, &link->again_source, on_again, link)) < 0 ||
        (r = sd_event_add_time(link->event, &link->retry_source, CLOCK_BOOTTIME, 0, 0, on_retry,
                               link)) < 0 ||
        (r = sd_event_source_set_enabled(link->retry_source, SD_EVENT_OFF)) < 0) {
        return r;
    }
    return sd_event_source_set_enabled(link->again_source, SD_EVENT_OFF);
}

static int open_path(struct path *path, const char *secret_key, const char *public_key,
                     const char *peer_public_key)
{
    struct fh_link *link = path->link;
    char monitor[32];
    snprintf(monitor, sizeof(monitor), "inproc://path-%zu", path->index);
    path->socket = zmq_socket(link->context, ZMQ_DEALER);
    path->monitor = zmq_socket(link->context, ZMQ_PAIR);
    if (!path->socket || !path->monitor) {
        return -zmq_errno();
    }
    int r = 0;
    if ((r = fh_zmq_set_int(path->socket, ZMQ_LINGER, FH_LINK_LINGER_MS)) < 0 ||
        (r = fh_zmq_set_int(path->socket, ZMQ_SNDHWM, QUEUE_MESSAGES)) < 0 ||
        /* nothing is queued for a peer that is not there: it would be stale when it comes */
        (r = fh_zmq_set_int(path->socket, ZMQ_IMMEDIATE, 1)) < 0 ||
        (r = fh_zmq_set_int(path->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS)) < 0 ||
        (r = fh_zmq_set_int(path->socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS)) < 0 ||
        (r = fh_zmq_set_int(path->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS)) < 0 ||
        (r = fh_zmq_set_int(path->socket, ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS)) < 0 ||
        (r = fh_zmq_set_int(path->socket, ZMQ_IPV6, strchr(path->address, '[') != NULL)) < 0) {
        return r;
    }
    if (zmq_setsockopt(path->socket, ZMQ_CURVE_SECRETKEY, secret_key, 40) != 0 ||
        zmq_setsockopt(path->socket, ZMQ_CURVE_PUBLICKEY, public_key, 40) != 0 ||
        zmq_setsockopt(path->socket, ZMQ_CURVE_SERVERKEY, peer_public_key, 40) != 0 ||
        zmq_socket_monitor(path->socket, monitor,
                           ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED) != 0 ||
        zmq_connect(path->monitor, monitor) != 0) {
        return -zmq_errno();
    }
    fh_zmq_set_int(path->monitor, ZMQ_LINGER, 0);
    return fh_zmq_watch(link->event, path->monitor, on_path_monitor, path, &path->monitor_source);
}

static void on_datagram(void *userdata, uint8_t path, const void *bytes, size_t len)
{
    struct fh_link *link = userdata;
    link->handler->datagram(link->userdata, path, bytes, len);
}

static int open_all(struct fh_link *link, const struct fh_config_pair *pair, const char *secret_key,
                    int64_t probe_ms)
{
    char public_key[41];
    if (zmq_curve_public(public_key, secret_key) != 0 ||
        !zmq_z85_decode(link->peer_key, pair->peer_public_key)) {
        return -EINVAL;
    }
    int r = open_router(link, secret_key);
    if (r >= 0 && pair->datagrams) {
        r = fh_datagrams_new(secret_key, pair->peer_public_key, link->event, on_datagram, link,
                             &link->datagrams);
    }
    for (size_t i = 0; r >= 0 && i < pair->peer_count; i++) {
        struct path *path = &link->path[link->path_count++];
        path->link = link;
        path->index = i;
        snprintf(path->address, sizeof(path->address), "%s", pair->peers[i]);
        r = open_path(path, secret_key, public_key, pair->peer_public_key);
        if (r >= 0) {
            r = fh_probe_new(link->event, path->address, probe_ms, on_probe, path, &path->probe);
        }
    }
    return r;
}

int fh_link_new(const struct fh_config_pair *pair, const char secret_key[41], int64_t probe_ms,
                sd_event *event, const struct fh_link_handler *handler, void *userdata,
                struct fh_error *err, struct fh_link **ret)
{
    struct fh_link *link = calloc(1, sizeof(*link));
    if (!link) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    link->handler = handler;
    link->userdata = userdata;
    link->event = sd_event_ref(event);
    snprintf(link->listen, sizeof(link->listen), "%s", pair->listen);
    link->context = zmq_ctx_new();
    int r = link->context ? open_all(link, pair, secret_key, probe_ms) : -zmq_errno();
    if (r < 0) {
        fh_link_free(link);
        return fh_error_set(err, r, "cannot set up the link to the peer: %s",
                            r == -EINVAL ? "pair.secret_key_file or pair.peer_public_key does not "
                                           "hold a key (make one with firehosectl keygen)"
                                         : zmq_strerror(-r));
    }
    *ret = link;
    return 0;
}

int fh_link_start(struct fh_link *link, struct fh_error *err)
{
    if (zmq_bind(link->router, link->listen) != 0) {
        int code = zmq_errno();
        return fh_error_set(err, -code, "cannot listen at pair.listen = \"%s\": %s", link->listen,
                            zmq_strerror(code));
    }
    for (size_t i = 0; i < link->path_count; i++) {
        if (zmq_connect(link->path[i].socket, link->path[i].address) != 0) {
            int code = zmq_errno();
            return fh_error_set(err, -code, "cannot use pair.peers entry \"%s\": %s",
                                link->path[i].address, zmq_strerror(code));
        }
    }
    return 0;
}

int fh_link_take_datagrams(struct fh_link *link, struct fh_error *err)
{
    return link->datagrams ? fh_datagrams_bind(link->datagrams, link->listen, err) : -EOPNOTSUPP;
}

static void close_socket(void *socket, sd_event_source *source)
{
    sd_event_source_disable_unref(source); /* first: the descriptor goes with the socket */
    if (socket) {
        zmq_close(socket);
    }
}

void fh_link_free(struct fh_link *link)
{
    if (!link) {
        return;
    }
    fh_datagrams_free(link->datagrams);
    for (size_t i = 0; i < link->path_count; i++) {
        struct path *path = &link->path[i];
        fh_probe_free(path->probe);
        if (path->socket) {
            zmq_socket_monitor(path->socket, NULL, 0);
        }
        close_socket(path->monitor, path->monitor_source);
        close_socket(path->socket, NULL);
    }
    if (link->router) {
        zmq_socket_monitor(link->router, NULL, 0);
    }
    close_socket(link->monitor, link->monitor_source);
    close_socket(link->router, link->router_source);
    close_socket(link->zap, link->zap_source);
    sd_event_source_disable_unref(link->again_source);
    sd_event_source_disable_unref(link->retry_source);
    if (link->out_reserved) {
        zmq_msg_close(&link->out);
    }
    if (link->context) {
        zmq_ctx_term(link->context);
    }
    sd_event_unref(link->event);
    free(link);
}

size_t fh_link_paths(const struct fh_link *link)
{
    return link->path_count;
}

bool fh_link_connected(const struct fh_link *link, size_t path)
{
    return path < link->path_count && link->path[path].connected;
}

void *fh_link_reserve(struct fh_link *link, size_t len)
{
    if (link->out_reserved) {
        zmq_msg_close(&link->out);
    }
    link->out_reserved = zmq_msg_init_size(&link->out, len) == 0;
    return link->out_reserved ? zmq_msg_data(&link->out) : NULL;
}

int fh_link_send(struct fh_link *link, size_t path)
{
    if (!link->out_reserved || path >= link->path_count) {
        return -EINVAL;
    }
    link->out_reserved = false;
    fh_zmq_readable(link->path[path].socket); /* lets it notice what happened to its connection */
    if (zmq_msg_send(&link->out, link->path[path].socket, ZMQ_DONTWAIT) < 0) {
        int code = zmq_errno();
        zmq_msg_close(&link->out);
        return -code;
    }
    return 0;
}

void fh_link_session(struct fh_link *link, uint64_t own_instance, uint64_t peer_instance)
{
    if (link->datagrams) {
        fh_datagrams_session(link->datagrams, own_instance, peer_instance);
    }
}

void fh_link_send_datagram(struct fh_link *link, size_t path, const void *bytes, size_t len)
{
    const struct sockaddr_storage *to =
        path < link->path_count ? fh_probe_address(link->path[path].probe) : NULL;
    if (link->datagrams && to) {
        fh_datagrams_send(link->datagrams, (uint8_t)path, to, bytes, len);
    }
}
