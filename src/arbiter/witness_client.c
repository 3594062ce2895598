/* witness_client.c: owns the ZeroMQ sockets to firehose-witness, one DEALER per address. Every
 * request goes out on every path that stands: the witness answers a repeated request alike, and the
 * first answer counts, so a path that died unnoticed costs nothing. Never blocks the loop.
 *
 * ZeroMQ's descriptors are edge-triggered: each callback drains its socket. */
#include "internal.h"
#include "witness_wire.h"

#include "fh/zmq_glue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define QUEUE_MESSAGES    64
#define RECONNECT_MS      100
#define RECONNECT_MAX_MS  500
#define HANDSHAKE_MS      5000
#define CONNECT_MS        3000
#define PING_MS           1000 /* so that a path that died is noticed and built anew */
#define PING_TIMEOUT_MS   3000
#define UNACKNOWLEDGED_MS 10000
#define REFUSED_RETRY_US  UINT64_C(2000000)
#define LINGER_MS         200 /* so that a release gets out before the process ends */

struct path {
    struct client *client;
    char address[FH_URL_MAX];
    void *socket;
    void *monitor;
    sd_event_source *source, *monitor_source;
    bool connected;
    bool refused; /* the witness does not know our key */
};

struct client {
    struct fh_arbiter *arbiter;
    char node[FH_WITNESS_NAME_MAX];
    int64_t ttl_ms;
    void *context;
    struct path path[FH_PATHS_MAX];
    size_t path_count;
    sd_event_source *retry; /* connects refused paths anew: ZeroMQ gives up on them for good */
    sd_event_source *again; /* looks for answers after a send, which may have swallowed the edge */
};

/* ---- requests ---- */

static void send_on(struct path *path, const struct fh_arbiter_request *request)
{
    const struct client *client = path->client;
    struct fh_witness_message message = {
        .type = (enum fh_witness_type)request->operation,
        .request = request->number,
        .alone = fh_alone_pack(request->claim.stint, request->claim.knows, request->claim.careful),
        .epoch = request->epoch,
        .ttl_ms = (uint32_t)client->ttl_ms};
    memcpy(message.name, client->node, sizeof(message.name));
    unsigned char frame[FH_WITNESS_FRAME_MAX];
    int len = fh_witness_encode(&message, frame, sizeof(frame));
    if (len > 0) {
        /* A full queue or a connection just lost: the time-out tells. */
        (void)zmq_send(path->socket, frame, (size_t)len, ZMQ_DONTWAIT);
        sd_event_source_set_enabled(client->again, SD_EVENT_ONESHOT);
    }
}

static void client_ask(void *state, const struct fh_arbiter_request *request)
{
    struct client *client = state;
    for (size_t i = 0; i < client->path_count; i++) {
        if (client->path[i].connected) {
            send_on(&client->path[i], request);
        }
    }
}

static void client_forget(void *state, const struct fh_arbiter_request *request, char *text,
                          size_t size)
{
    (void)request;
    const struct client *client = state;
    bool connected = false;
    bool refused = false;
    for (size_t i = 0; i < client->path_count; i++) {
        connected |= client->path[i].connected;
        refused |= client->path[i].refused;
    }
    if (connected) {
        snprintf(text, size, "the witness at %.80s is connected but did not answer in time",
                 client->path[0].address);
    } else if (refused) {
        snprintf(text, size,
                 "the witness at %.80s refuses this node's key: enter its public key there",
                 client->path[0].address);
    } else {
        snprintf(text, size,
                 "no connection to the witness at %.80s: is it running, reachable, and "
                 "arbiter.witness_public_key right?",
                 client->path[0].address);
    }
}

/* ---- answers ---- */

static void take_answer(struct client *client, const void *bytes, size_t len)
{
    struct fh_witness_message message;
    if (fh_witness_decode(bytes, len, 0, &message) < 0) {
        return; /* not a version of ours: the time-out tells */
    }
    struct fh_arbiter_answer answer = {
        .request = message.request, .epoch = message.epoch, .ttl_ms = message.ttl_ms};
    fh_alone_unpack(message.alone, &answer.stint, &answer.other_alone, &answer.alone);
    switch (message.type) {
    case FH_WITNESS_GRANTED:
        answer.result = FH_ARBITER_GRANTED;
        break;
    case FH_WITNESS_DENIED:
        answer.result = FH_ARBITER_DENIED;
        break;
    case FH_WITNESS_RELEASED:
        answer.result = FH_ARBITER_RELEASED;
        break;
    default:
        answer.result = FH_ARBITER_UNREACHABLE;
        break;
    }
    memcpy(answer.holder, message.name, sizeof(answer.holder));
    memcpy(answer.text, message.text, sizeof(message.text));
    fh_arbiter_finish(client->arbiter, &answer);
}

static void drain(struct path *path)
{
    /* No more answers than requests can come from an honest witness: the loop is short. */
    while (fh_zmq_readable(path->socket)) {
        unsigned char frame[FH_WITNESS_FRAME_MAX + 1];
        int len = zmq_recv(path->socket, frame, sizeof(frame), ZMQ_DONTWAIT);
        if (len < 0) {
            break;
        }
        take_answer(path->client, frame, (size_t)len);
    }
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
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
    struct client *client = userdata;
    for (size_t i = 0; i < client->path_count; i++) {
        drain(&client->path[i]);
    }
    return 0;
}

/* ---- connections ---- */

static void path_is_up(struct path *path)
{
    path->connected = true;
    path->refused = false;
    (void)fh_zmq_readable(path->socket); /* lets the socket take in its new connection */
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        const struct fh_arbiter_request *request = fh_arbiter_pending(path->client->arbiter, i);
        if (request->number != 0) {
            send_on(path, request);
        }
    }
}

static int on_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    struct path *path = userdata;
    uint16_t event = 0;
    uint32_t value = 0;
    while (fh_zmq_next_event(path->monitor, &event, &value)) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            path_is_up(path);
        } else if (event == ZMQ_EVENT_DISCONNECTED) {
            path->connected = false;
        } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
            path->refused = true;
            sd_event_source_set_time_relative(path->client->retry, REFUSED_RETRY_US);
            sd_event_source_set_enabled(path->client->retry, SD_EVENT_ONESHOT);
        }
    }
    drain(path);
    return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct client *client = userdata;
    for (size_t i = 0; i < client->path_count; i++) {
        struct path *path = &client->path[i];
        if (path->refused && !path->connected) {
            (void)zmq_disconnect(path->socket, path->address);
            (void)zmq_connect(path->socket, path->address);
        }
    }
    return 0;
}

/* ---- life ---- */

static int set_options(struct path *path)
{
    const struct {
        int option;
        int value;
    } options[] = {
        {ZMQ_LINGER, LINGER_MS},
        {ZMQ_SNDHWM, QUEUE_MESSAGES},
        {ZMQ_RCVHWM, QUEUE_MESSAGES},
        {ZMQ_IMMEDIATE, 1}, /* nothing is queued for a witness that is not there */
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
        {ZMQ_CONNECT_TIMEOUT, CONNECT_MS},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, PING_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, PING_TIMEOUT_MS},
        {ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS},
        {ZMQ_IPV6, strchr(path->address, '[') != NULL},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(options); i++) {
        int r = fh_zmq_set_int(path->socket, options[i].option, options[i].value);
        if (r < 0) {
            return r;
        }
    }
    int64_t largest = FH_WITNESS_FRAME_MAX;
    return zmq_setsockopt(path->socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) == 0
               ? 0
               : -zmq_errno();
}

static int open_path(struct path *path, size_t index, const char *secret_key,
                     const char *public_key, const char *witness_key)
{
    sd_event *event = fh_arbiter_event(path->client->arbiter);
    char monitor[48];
    snprintf(monitor, sizeof(monitor), "inproc://path-%zu", index);
    path->socket = zmq_socket(path->client->context, ZMQ_DEALER);
    path->monitor = zmq_socket(path->client->context, ZMQ_PAIR);
    if (!path->socket || !path->monitor) {
        return -zmq_errno();
    }
    int r = set_options(path);
    if (r < 0) {
        return r;
    }
    if (zmq_setsockopt(path->socket, ZMQ_CURVE_SECRETKEY, secret_key, 40) != 0 ||
        zmq_setsockopt(path->socket, ZMQ_CURVE_PUBLICKEY, public_key, 40) != 0 ||
        zmq_setsockopt(path->socket, ZMQ_CURVE_SERVERKEY, witness_key, 40) != 0 ||
        zmq_socket_monitor(path->socket, monitor,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_DISCONNECTED) != 0 ||
        zmq_connect(path->monitor, monitor) != 0) {
        return -zmq_errno();
    }
    fh_zmq_set_int(path->monitor, ZMQ_LINGER, 0);
    if ((r = fh_zmq_watch(event, path->monitor, on_monitor, path, &path->monitor_source)) < 0 ||
        (r = fh_zmq_watch(event, path->socket, on_answer, path, &path->source)) < 0) {
        return r;
    }
    return zmq_connect(path->socket, path->address) == 0 ? 0 : -zmq_errno();
}

static void close_path(struct path *path)
{
    /* First the sources: the descriptors go with the sockets. */
    sd_event_source_disable_unref(path->source);
    sd_event_source_disable_unref(path->monitor_source);
    if (path->socket) {
        zmq_socket_monitor(path->socket, NULL, 0);
        zmq_close(path->socket);
    }
    if (path->monitor) {
        zmq_close(path->monitor);
    }
}

static void client_close(void *state)
{
    struct client *client = state;
    sd_event_source_disable_unref(client->again);
    sd_event_source_disable_unref(client->retry);
    for (size_t i = 0; i < client->path_count; i++) {
        close_path(&client->path[i]);
    }
    if (client->context) {
        zmq_ctx_term(client->context);
    }
    free(client);
}

static int add_sources(struct client *client)
{
    sd_event *event = fh_arbiter_event(client->arbiter);
    int r = sd_event_add_defer(event, &client->again, on_again, client);
    if (r >= 0) {
        r = sd_event_source_set_enabled(client->again, SD_EVENT_OFF);
    }
    if (r >= 0) {
        r = sd_event_add_time(event, &client->retry, CLOCK_BOOTTIME, 0, 0, on_retry, client);
    }
    return r < 0 ? r : sd_event_source_set_enabled(client->retry, SD_EVENT_OFF);
}

static int open_paths(struct client *client, const struct fh_config_arbiter *config,
                      const char *secret_key)
{
    char public_key[41];
    unsigned char binary[32];
    client->context = zmq_ctx_new();
    if (!client->context) {
        return -zmq_errno();
    }
    if (zmq_curve_public(public_key, secret_key) != 0 ||
        !zmq_z85_decode(binary, config->witness_public_key)) {
        return -EINVAL;
    }
    int r = add_sources(client);
    for (size_t i = 0; r >= 0 && i < config->address_count; i++) {
        struct path *path = &client->path[client->path_count++];
        path->client = client;
        snprintf(path->address, sizeof(path->address), "%s", config->addresses[i]);
        r = open_path(path, i, secret_key, public_key, config->witness_public_key);
    }
    return r;
}

static int client_open(struct fh_arbiter *arbiter, const struct fh_config *config,
                       const char *secret_key, struct fh_error *err, void **ret_state)
{
    struct client *client = calloc(1, sizeof(*client));
    if (!client) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    client->arbiter = arbiter;
    client->ttl_ms = config->arbiter.ttl_ms;
    snprintf(client->node, sizeof(client->node), "%s", config->node.name);
    int r = open_paths(client, &config->arbiter, secret_key);
    if (r < 0) {
        client_close(client);
        return fh_error_set(err, r, "cannot set up the link to the witness: %s",
                            r == -EINVAL ? "pair.secret_key_file or arbiter.witness_public_key "
                                           "does not hold a key (make one with firehosectl keygen)"
                                         : zmq_strerror(-r));
    }
    *ret_state = client;
    return 0;
}

const struct fh_arbiter_backend fh_arbiter_witness = {
    .open = client_open,
    .ask = client_ask,
    .forget = client_forget,
    .close = client_close,
};
