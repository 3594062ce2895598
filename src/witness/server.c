/* server.c: owns the ZeroMQ sockets of the witness. Never decides anything but who is let in. */
#include "server.h"

#include "fh/log.h"
#include "fh/zmq_glue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define QUEUE_MESSAGES    256
#define DRAIN_MAX         256 /* requests a turn of the loop, so that timers get their turn */
#define HANDSHAKE_MS      5000
#define PING_MS           2000
#define PING_TIMEOUT_MS   6000
#define UNACKNOWLEDGED_MS 10000
#define LINGER_MS         200
#define STRANGERS         16
#define STRANGER_EVERY_MS 60000 /* a node with a wrong key tries several times a second */

struct stranger {
    char address[256];
    struct fh_time told_at;
};

struct witness_server {
    struct witness_pairs *pairs;
    void *context;
    void *router;
    void *zap;
    sd_event_source *router_source, *zap_source, *again;
    struct stranger stranger[STRANGERS];
};

/* ---- who may connect ---- */

static void tell_stranger(struct witness_server *server, const char *address)
{
    struct fh_time now = fh_now();
    struct stranger *place = &server->stranger[0];
    for (size_t i = 0; i < STRANGERS; i++) {
        struct stranger *known = &server->stranger[i];
        if (fh_time_is_set(known->told_at) && strcmp(known->address, address) == 0) {
            place = known;
            break;
        }
        if (fh_time_before(known->told_at, place->told_at)) {
            place = known;
        }
    }
    bool same = fh_time_is_set(place->told_at) && strcmp(place->address, address) == 0;
    if (same && fh_time_diff_ms(now, place->told_at) < STRANGER_EVERY_MS) {
        return;
    }
    snprintf(place->address, sizeof(place->address), "%s", address);
    place->told_at = now;
    const struct fh_log_field field = {"FIREHOSED_ADDRESS", address};
    fh_log_event(LOG_WARNING, FH_LOG_WITNESS_STRANGER, &field, 1,
                 "%s was turned away: its key belongs to no pair", address);
}

static int on_zap(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    struct witness_server *server = userdata;
    while (fh_zmq_readable(server->zap)) {
        struct fh_zap_request request;
        int r = fh_zap_read(server->zap, &request);
        if (r < 0 && r != -EBADMSG) {
            break;
        }
        int node = r == 0 ? witness_pairs_find(server->pairs, request.key) : -ENOENT;
        char user[16];
        snprintf(user, sizeof(user), "%d", node);
        fh_zap_answer(server->zap, &request, node < 0 ? NULL : user, "the key of no pair");
        if (node < 0) {
            tell_stranger(server, request.address);
        }
    }
    return 0;
}

/* ---- requests ---- */

static void send_answer(struct witness_server *server, zmq_msg_t *route,
                        const struct fh_witness_message *answer)
{
    unsigned char frame[FH_WITNESS_FRAME_MAX];
    int len = fh_witness_encode(answer, frame, sizeof(frame));
    /* A node that is gone, or does not read, asks again. */
    if (len > 0 && zmq_msg_send(route, server->router, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
        (void)zmq_send(server->router, frame, (size_t)len, ZMQ_DONTWAIT);
    }
}

static void take_request(struct witness_server *server, zmq_msg_t *route, zmq_msg_t *frame)
{
    struct fh_witness_message request;
    struct fh_witness_message answer;
    /* set by our own ZAP answer, so it is one of ours */
    const char *user = zmq_msg_gets(frame, "User-Id");
    if (!user || fh_witness_decode(zmq_msg_data(frame), zmq_msg_size(frame), 1, &request) < 0) {
        return; /* without a number there is nothing to answer to */
    }
    witness_pairs_answer(server->pairs, (unsigned)strtoul(user, NULL, 10), &request, &answer);
    send_answer(server, route, &answer);
}

/* Frames: the connection's routing id, the request; more of them are dropped. False: no message. */
static bool take_message(struct witness_server *server)
{
    zmq_msg_t route;
    zmq_msg_t frame;
    zmq_msg_init(&route);
    zmq_msg_init(&frame);
    bool got = zmq_msg_recv(&route, server->router, ZMQ_DONTWAIT) >= 0;
    bool whole =
        got && zmq_msg_more(&route) && zmq_msg_recv(&frame, server->router, ZMQ_DONTWAIT) >= 0;
    bool alone = whole && !zmq_msg_more(&frame);
    for (bool more = whole && !alone; more;) {
        zmq_msg_t extra;
        zmq_msg_init(&extra);
        more = zmq_msg_recv(&extra, server->router, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&extra);
        zmq_msg_close(&extra);
    }
    if (alone) {
        take_request(server, &route, &frame);
    }
    zmq_msg_close(&route);
    zmq_msg_close(&frame);
    return got;
}

static void drain(struct witness_server *server)
{
    int count = 0;
    /* asked again after each answer sent: sending may swallow the edge of the next request */
    while (count < DRAIN_MAX && fh_zmq_readable(server->router) && take_message(server)) {
        count++;
    }
    if (count == DRAIN_MAX) {
        sd_event_source_set_enabled(server->again, SD_EVENT_ONESHOT);
    }
}

static int on_router(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    drain(userdata);
    return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
    (void)source;
    drain(userdata);
    return 0;
}

/* ---- life ---- */

static int set_options(struct witness_server *server, const char *secret_key, bool ipv6)
{
    const struct {
        int option;
        int value;
    } options[] = {
        {ZMQ_LINGER, LINGER_MS},
        {ZMQ_RCVHWM, QUEUE_MESSAGES},
        {ZMQ_SNDHWM, QUEUE_MESSAGES},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, PING_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, PING_TIMEOUT_MS},
        {ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS},
        {ZMQ_IPV6, ipv6},
        {ZMQ_CURVE_SERVER, 1},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(options); i++) {
        int r = fh_zmq_set_int(server->router, options[i].option, options[i].value);
        if (r < 0) {
            return r;
        }
    }
    int64_t largest = FH_WITNESS_FRAME_MAX;
    if (zmq_setsockopt(server->router, ZMQ_CURVE_SECRETKEY, secret_key, 40) != 0 ||
        zmq_setsockopt(server->router, ZMQ_ZAP_DOMAIN, "firehose-witness", 16) != 0 ||
        zmq_setsockopt(server->router, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) != 0) {
        return -zmq_errno();
    }
    return 0;
}

static int open_sockets(struct witness_server *server, const char *secret_key, bool ipv6,
                        sd_event *event)
{
    server->context = zmq_ctx_new();
    server->router = server->context ? zmq_socket(server->context, ZMQ_ROUTER) : NULL;
    server->zap = server->router ? zmq_socket(server->context, ZMQ_REP) : NULL;
    if (!server->zap || zmq_bind(server->zap, FH_ZAP_ENDPOINT) != 0) {
        return -zmq_errno();
    }
    fh_zmq_set_int(server->zap, ZMQ_LINGER, 0);
    int r = set_options(server, secret_key, ipv6);
    if (r < 0 || (r = fh_zmq_watch(event, server->zap, on_zap, server, &server->zap_source)) < 0 ||
        (r = fh_zmq_watch(event, server->router, on_router, server, &server->router_source)) < 0 ||
        (r = sd_event_add_defer(event, &server->again, on_again, server)) < 0) {
        return r;
    }
    return sd_event_source_set_enabled(server->again, SD_EVENT_OFF);
}

int witness_server_new(const struct witness_config *config, const char secret_key[41],
                       struct witness_pairs *pairs, sd_event *event, struct fh_error *err,
                       struct witness_server **ret)
{
    struct witness_server *server = calloc(1, sizeof(*server));
    if (!server) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    server->pairs = pairs;
    bool ipv6 = false;
    for (size_t i = 0; i < config->listen_count; i++) {
        ipv6 = ipv6 || strchr(config->listen[i], '[') != NULL;
    }
    int r = open_sockets(server, secret_key, ipv6, event);
    if (r < 0) {
        witness_server_free(server);
        return fh_error_set(err, r, "cannot set up the sockets: %s", zmq_strerror(-r));
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        if (zmq_bind(server->router, config->listen[i]) != 0) {
            int code = zmq_errno();
            witness_server_free(server);
            return fh_error_set(err, -code, "cannot listen at witness.listen = \"%s\": %s",
                                config->listen[i], zmq_strerror(code));
        }
    }
    *ret = server;
    return 0;
}

void witness_server_free(struct witness_server *server)
{
    if (!server) {
        return;
    }
    sd_event_source_disable_unref(server->again);
    sd_event_source_disable_unref(server->router_source);
    sd_event_source_disable_unref(server->zap_source);
    if (server->router) {
        zmq_close(server->router);
    }
    if (server->zap) {
        zmq_close(server->zap);
    }
    if (server->context) {
        zmq_ctx_term(server->context);
    }
    free(server);
}
