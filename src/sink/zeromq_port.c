/* zeromq_port.c: owns a bound ZeroMQ socket, its context, and the knowledge of its connections.
 * Each time this node begins to deliver there is a new context, so that its end is the end of
 * everything that was queued: nothing of an earlier time is sent later. */
#include "zeromq.h"

#include "fh/zmq_glue.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <zmq.h>

#define MONITOR_ENDPOINT  "inproc://monitor"
#define MONITOR_EVENTS    100000 /* unread ones; more would make new connections wait */
#define HANDSHAKE_MS      10000
#define UNACKNOWLEDGED_MS 15000 /* a connection whose other end vanished is given up after this */
#define KEEPALIVE_S       5
#define KEEPALIVES        3
#define PING_MS           3000 /* DEALER: its consumers can be asked whether they run */
#define PING_TIMEOUT_MS   10000
#define ANSWER_MAX        65536 /* bytes a consumer may send us in one frame */

/* ---- connections ---- */

static int remember(struct fh_zeromq_port *port, int fd)
{
    if (port->connections == port->descriptor_capacity) {
        size_t capacity = port->descriptor_capacity > 0 ? port->descriptor_capacity * 2 : 16;
        int *descriptor = realloc(port->descriptor, capacity * sizeof(*descriptor));
        if (!descriptor) {
            return -ENOMEM;
        }
        port->descriptor = descriptor;
        port->descriptor_capacity = capacity;
    }
    port->descriptor[port->connections++] = fd;
    return 0;
}

static void forget(struct fh_zeromq_port *port, int fd)
{
    for (size_t i = 0; i < port->connections; i++) {
        if (port->descriptor[i] == fd) {
            port->descriptor[i] = port->descriptor[--port->connections];
            return;
        }
    }
}

static void take_event(struct fh_zeromq_port *port, uint16_t event, int fd)
{
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        if (remember(port, fd) < 0) {
            port->losses++; /* one we cannot watch: never sure of what it holds */
        }
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        port->consumers++;
        break;
    case ZMQ_EVENT_DISCONNECTED:
        forget(port, fd);
        if (!port->failing) {
            port->losses++;
            port->consumers -= port->consumers > 0;
        }
        port->failing = false;
        break;
    default: /* a handshake failed; libzmq's only thread ends that connection before it does more */
        port->failing = true;
        break;
    }
}

void fh_zeromq_port_look(struct fh_zeromq_port *port)
{
    uint16_t event = 0;
    uint32_t value = 0;
    while (fh_zmq_next_event(port->monitor, &event, &value)) {
        take_event(port, event, (int)value);
    }
}

/* The descriptors belong to libzmq, which may close one at any time: an answer about a closed one
 * is an error, or about another socket of ours, and its DISCONNECTED event is seen afterwards. */
bool fh_zeromq_port_flushed(const struct fh_zeromq_port *port)
{
    for (size_t i = 0; i < port->connections; i++) {
        int bytes = 0;
        if (ioctl(port->descriptor[i], SIOCOUTQ, &bytes) == 0 && bytes > 0) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */

static int set_options(const struct fh_zeromq_port *port, const struct fh_zeromq_settings *settings,
                       int type)
{
    const struct fh_config_sink *config = &settings->config;
    bool answers = type == ZMQ_DEALER;
    const struct {
        int option;
        int value;
    } options[] = {
        {ZMQ_LINGER, port->linger_ms},
        {ZMQ_SNDHWM, (int)config->high_water},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_TCP_MAXRT, UNACKNOWLEDGED_MS},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_S},
        {ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVES},
        {ZMQ_HEARTBEAT_IVL, answers ? PING_MS : 0},
        {ZMQ_HEARTBEAT_TIMEOUT, answers ? PING_TIMEOUT_MS : 0},
        {ZMQ_IPV6, strchr(config->listen, '[') != NULL},
        {ZMQ_CURVE_SERVER, settings->secret_key[0] != '\0'},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(options); i++) {
        int r = fh_zmq_set_int(port->socket, options[i].option, options[i].value);
        if (r < 0) {
            return r;
        }
    }
    int64_t largest = ANSWER_MAX;
    if (zmq_setsockopt(port->socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) != 0) {
        return -zmq_errno();
    }
    if (settings->secret_key[0] != '\0' &&
        (zmq_setsockopt(port->socket, ZMQ_CURVE_SECRETKEY, settings->secret_key, 40) != 0 ||
         zmq_setsockopt(port->socket, ZMQ_ZAP_DOMAIN, "firehosed-sink", 14) != 0)) {
        return -zmq_errno();
    }
    return type == ZMQ_XPUB ? fh_zmq_set_int(port->socket, ZMQ_XPUB_NODROP, 1) : 0;
}

static int watch_connections(struct fh_zeromq_port *port)
{
    port->monitor = zmq_socket(port->zmq, ZMQ_PAIR);
    if (!port->monitor || zmq_socket_monitor(port->socket, MONITOR_ENDPOINT,
                                             ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                                                 ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                                                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0) {
        return -zmq_errno();
    }
    int r = fh_zmq_set_int(port->monitor, ZMQ_LINGER, 0);
    if (r == 0) {
        r = fh_zmq_set_int(port->monitor, ZMQ_RCVHWM, MONITOR_EVENTS);
    }
    if (r == 0 && zmq_connect(port->monitor, MONITOR_ENDPOINT) != 0) {
        r = -zmq_errno();
    }
    return r;
}

static int open_all(struct fh_zeromq_port *port, const struct fh_zeromq_settings *settings,
                    int type)
{
    port->zmq = zmq_ctx_new();
    port->socket = port->zmq ? zmq_socket(port->zmq, type) : NULL;
    if (!port->socket) {
        return -zmq_errno();
    }
    int r = set_options(port, settings, type);
    if (r == 0 && settings->secret_key[0] != '\0') {
        r = fh_zeromq_guard_start(port->zmq, settings, &port->guard);
    }
    if (r == 0) {
        r = watch_connections(port);
    }
    if (r == 0 && zmq_bind(port->socket, settings->config.listen) != 0) {
        r = -zmq_errno();
    }
    return r;
}

int fh_zeromq_port_open(const struct fh_zeromq_settings *settings, int type, int linger_ms,
                        struct fh_error *err, struct fh_zeromq_port **ret)
{
    struct fh_zeromq_port *port = calloc(1, sizeof(*port));
    if (!port) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    port->linger_ms = linger_ms;
    int r = open_all(port, settings, type);
    if (r < 0) {
        fh_zeromq_port_close(port);
        return fh_error_set(err, r, "cannot listen at sinks.listen = \"%s\": %s",
                            settings->config.listen, zmq_strerror(-r));
    }
    *ret = port;
    return 0;
}

void fh_zeromq_port_close(struct fh_zeromq_port *port)
{
    if (!port) {
        return;
    }
    if (port->monitor) {
        fh_zeromq_port_look(port); /* libzmq waits for room there while it ends the monitor */
        zmq_socket_monitor(port->socket, NULL, 0);
        zmq_close(port->monitor);
    }
    if (port->socket) {
        zmq_close(port->socket);
    }
    fh_zeromq_guard_stop(port->guard);
    if (port->zmq) {
        while (zmq_ctx_term(port->zmq) != 0 && zmq_errno() == EINTR) {
        }
    }
    free(port->descriptor);
    free(port);
}
