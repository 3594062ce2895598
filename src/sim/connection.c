/* connection.c: owns one TCP connection: the bytes in and out, the handshake, and the faults that
 * concern it as a whole. Never looks into a request. */
#include "connection.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX        65536
#define READ_SIZE     16384
#define WIRE_MAX      (256 << 20) /* a long_line, framed byte by byte */
#define WIRE_KEEP_MAX (4 << 20)
#define ROUNDS        4 /* of filling and sending per pump, so that others get their turn */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct sim_connection *sim_connection_new(struct sim_server *server, int fd, bool loopback)
{
    struct sim_connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(fd);
        return NULL;
    }
    connection->server = server;
    connection->fd = fd;
    connection->loopback = loopback;
    connection->id = atomic_fetch_add(&server->newest_connection, 1) + 1;
    connection->readable = connection->writable = true;
    connection->phase = SIM_PHASE_SNIFF;
    fh_buf_init(&connection->in, IN_MAX);
    fh_buf_init(&connection->wire, WIRE_MAX);
    if (server->tls) {
        connection->phase = SIM_PHASE_HANDSHAKE;
        connection->tls = SSL_new(server->tls);
        if (!connection->tls || SSL_set_fd(connection->tls, fd) != 1) {
            ERR_clear_error();
            sim_connection_free(connection);
            return NULL;
        }
        SSL_set_accept_state(connection->tls);
        struct sim_fault fault;
        if (sim_faults_use(server->faults, SIM_FAULT_SLOW_TLS, 0, 0, &fault)) {
            connection->handshake_at = fh_time_add_ms(fh_now(), fault.ms);
        }
    }
    return connection;
}

void sim_connection_free(struct sim_connection *connection)
{
    if (!connection) {
        return;
    }
    sim_http2_stop(connection);
    while (connection->exchanges) {
        sim_connection_remove_exchange(connection, connection->exchanges);
    }
    if (connection->closing == SIM_CLOSE_RESET) {
        struct linger linger = {1, 0};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    } else if (connection->tls && connection->closing == SIM_CLOSE_CLEAN) {
        SSL_shutdown(connection->tls);
        ERR_clear_error();
    }
    SSL_free(connection->tls);
    close(connection->fd);
    fh_buf_done(&connection->in);
    fh_buf_done(&connection->wire);
    free(connection);
}

struct sim_exchange *sim_connection_add_exchange(struct sim_connection *connection)
{
    struct sim_exchange *exchange = sim_exchange_new(connection->server);
    if (exchange) {
        exchange->request.connection = connection->id;
        exchange->request.from_loopback = connection->loopback;
        exchange->next = connection->exchanges;
        connection->exchanges = exchange;
    }
    return exchange;
}

void sim_connection_remove_exchange(struct sim_connection *connection,
                                    struct sim_exchange *exchange)
{
    struct sim_exchange **link = &connection->exchanges;
    while (*link && *link != exchange) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = exchange->next;
    }
    sim_exchange_free(exchange);
}

/* Up to len bytes; 0 = would block or nothing now, negative = the connection is over. */
static ssize_t receive(struct sim_connection *connection, char *bytes, size_t len)
{
    ssize_t n;
    if (!connection->tls) {
        n = recv(connection->fd, bytes, len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            connection->readable = errno == EINTR;
            return 0;
        }
        return n > 0 ? n : -ECONNRESET;
    }
    ERR_clear_error();
    int got = SSL_read(connection->tls, bytes, (int)len);
    if (got > 0) {
        return got;
    }
    int why = SSL_get_error(connection->tls, got);
    if (why == SSL_ERROR_WANT_READ) {
        connection->readable = false;
        return 0;
    }
    if (why == SSL_ERROR_WANT_WRITE) {
        connection->writable = false;
        return 0;
    }
    ERR_clear_error();
    return -ECONNRESET;
}

static ssize_t transmit(struct sim_connection *connection, const char *bytes, size_t len)
{
    if (!connection->tls) {
        ssize_t n = send(connection->fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            connection->writable = errno == EINTR;
            return 0;
        }
        return n > 0 ? n : -ECONNRESET;
    }
    ERR_clear_error();
    int sent = SSL_write(connection->tls, bytes, (int)(len > INT32_MAX ? INT32_MAX : len));
    if (sent > 0) {
        return sent;
    }
    int why = SSL_get_error(connection->tls, sent);
    if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ) {
        connection->writable = false;
        return 0;
    }
    ERR_clear_error();
    return -ECONNRESET;
}

static void flush(struct sim_connection *connection)
{
    struct fh_buf *wire = &connection->wire;
    while (connection->wire_sent < wire->len && connection->writable && !connection->dead) {
        ssize_t n = transmit(connection, wire->data + connection->wire_sent,
                             wire->len - connection->wire_sent);
        if (n < 0) {
            connection->dead = true;
            return;
        }
        connection->wire_sent += (size_t)n;
    }
    if (connection->wire_sent == wire->len) {
        connection->wire_sent = 0;
        fh_buf_clear(wire);
        if (wire->capacity > WIRE_KEEP_MAX) {
            fh_buf_done(wire);
        }
        connection->dead |= connection->closing != SIM_OPEN;
    }
}

static void handshake(struct sim_connection *connection)
{
    ERR_clear_error();
    int r = SSL_accept(connection->tls);
    if (r == 1) {
        const unsigned char *name = NULL;
        unsigned len = 0;
        SSL_get0_alpn_selected(connection->tls, &name, &len);
        bool http2 = len == 2 && memcmp(name, "h2", 2) == 0;
        connection->phase = http2 ? SIM_PHASE_HTTP2 : SIM_PHASE_HTTP1;
        if (http2 && sim_http2_start(connection) < 0) {
            connection->dead = true;
        }
        return;
    }
    int why = SSL_get_error(connection->tls, r);
    if (why == SSL_ERROR_WANT_READ) {
        connection->readable = false;
    } else if (why == SSL_ERROR_WANT_WRITE) {
        connection->writable = false;
    } else {
        ERR_clear_error();
        connection->dead = true;
    }
}

/* Plain connections: the first bytes tell. */
static void sniff(struct sim_connection *connection)
{
    size_t len =
        connection->in.len < sizeof(preface) - 1 ? connection->in.len : sizeof(preface) - 1;
    if (len == 0) {
        return;
    }
    if (memcmp(connection->in.data, preface, len) != 0 || connection->server->options->http1_only) {
        connection->phase = SIM_PHASE_HTTP1;
        sim_http1_input(connection);
    } else if (len == sizeof(preface) - 1) {
        connection->phase = SIM_PHASE_HTTP2;
        if (sim_http2_start(connection) < 0 ||
            sim_http2_input(connection, connection->in.data, connection->in.len) < 0) {
            connection->dead = true;
        }
        fh_buf_clear(&connection->in);
    }
}

static void input(struct sim_connection *connection)
{
    char bytes[READ_SIZE];
    while (connection->readable && !connection->dead) {
        if (connection->phase != SIM_PHASE_HTTP2 && connection->in.len + sizeof(bytes) > IN_MAX) {
            return; /* a pipelining client waits until its first answer has ended */
        }
        ssize_t n = receive(connection, bytes, sizeof(bytes));
        if (n < 0) {
            connection->dead = true;
            return;
        }
        if (n == 0) {
            return;
        }
        if (connection->phase == SIM_PHASE_HTTP2) {
            connection->dead |= sim_http2_input(connection, bytes, (size_t)n) < 0;
            continue;
        }
        connection->dead |= fh_buf_append(&connection->in, bytes, (size_t)n) < 0;
        if (connection->phase == SIM_PHASE_SNIFF) {
            sniff(connection);
        } else if (connection->phase == SIM_PHASE_WEBSOCKET) {
            sim_websocket_input(connection);
        } else {
            sim_http1_input(connection);
        }
    }
}

static void set_state(struct sim_connection *connection, enum sim_reader_state state)
{
    for (struct sim_exchange *exchange = connection->exchanges; exchange;
         exchange = exchange->next) {
        if (exchange->stream) {
            atomic_store(&sim_reader_info(exchange->stream->reader)->state, state);
        }
    }
}

static void cut(struct sim_connection *connection, struct sim_exchange *exchange,
                const struct sim_fault *fault)
{
    bool reset = fault->type == SIM_FAULT_RESET;
    if (fault->after > 0) {
        exchange->left = fault->after;
        exchange->reset_at_end = reset;
        exchange->stream_only = fault->stream_only && connection->phase == SIM_PHASE_HTTP2;
    } else if (fault->stream_only && connection->phase == SIM_PHASE_HTTP2) {
        sim_http2_reset_stream(connection, exchange);
    } else {
        connection->closing = reset ? SIM_CLOSE_RESET : SIM_CLOSE_CUT;
        connection->dead = true;
    }
}

void sim_connection_end(struct sim_connection *connection, struct sim_exchange *exchange,
                        const struct sim_ending *ending)
{
    if (connection->phase == SIM_PHASE_WEBSOCKET) {
        sim_websocket_close(connection, ending->close_code, ending->message);
    } else if (connection->phase == SIM_PHASE_HTTP2) {
        sim_http2_end_stream(connection, exchange, ending->grpc_status, ending->message);
    } else {
        sim_http1_goodbye(connection);
    }
}

static void end(struct sim_connection *connection, struct sim_exchange *exchange,
                const struct sim_fault *fault)
{
    struct sim_ending ending = {1011, 13, "ended by the simulator"};
    if (fault->type == SIM_FAULT_REVOKE) {
        ending = (struct sim_ending){1008, 16, "the API key has been revoked"};
    } else if (fault->code >= 1000) {
        ending.close_code = (int)fault->code;
    } else if (fault->code >= 0) {
        ending.grpc_status = (int)fault->code;
    }
    sim_connection_end(connection, exchange, &ending);
}

static void say_ping(struct sim_connection *connection)
{
    if (connection->phase == SIM_PHASE_WEBSOCKET) {
        sim_websocket_ping(connection);
    } else if (connection->phase == SIM_PHASE_HTTP2) {
        sim_http2_ping(connection);
    }
}

/* The exchange may be gone afterwards. */
static void apply(struct sim_connection *connection, struct sim_exchange *exchange,
                  const struct sim_fault *fault)
{
    switch (fault->type) {
    case SIM_FAULT_CUT:
    case SIM_FAULT_RESET:
        cut(connection, exchange, fault);
        break;
    case SIM_FAULT_STALL:
        connection->stalled_until = fh_time_add_ms(connection->now, fault->ms);
        set_state(connection, SIM_READER_STALLED);
        break;
    case SIM_FAULT_HALF_OPEN:
        connection->half_open = true;
        connection->swallow_left = fault->bytes;
        connection->zombie_ms = fault->zombie_ms;
        set_state(connection, SIM_READER_HALF_OPEN);
        break;
    case SIM_FAULT_END:
    case SIM_FAULT_REVOKE:
        end(connection, exchange, fault);
        break;
    case SIM_FAULT_GO_AWAY:
        sim_connection_goodbye(connection);
        break;
    case SIM_FAULT_PING:
        say_ping(connection);
        break;
    default:
        break;
    }
}

static void look_for_faults(struct sim_connection *connection)
{
    struct sim_faults *faults = connection->server->faults;
    unsigned generation = sim_faults_generation(faults);
    struct sim_exchange *next;
    for (struct sim_exchange *exchange = connection->exchanges; exchange && !connection->dead;
         exchange = next) {
        struct sim_fault fault;
        next = exchange->next;
        /* Over HTTP/1.1 and WebSocket a fault may end, and free, the only exchange. */
        while (connection->exchanges && exchange->stream && exchange->fault_seen < generation &&
               !connection->dead) {
            const struct sim_reader_info *info = sim_reader_info(exchange->stream->reader);
            if (sim_faults_for_stream(faults, exchange->fault_born, info, &exchange->fault_seen,
                                      &fault)) {
                apply(connection, exchange, &fault);
            }
        }
    }
}

/* True while the faults leave nothing else to do. */
static bool out_of_order(struct sim_connection *connection)
{
    if (connection->half_open) {
        if (connection->peer_gone && !fh_time_is_set(connection->zombie_until)) {
            connection->zombie_until = fh_time_add_ms(connection->now, connection->zombie_ms);
        }
        connection->dead |= fh_time_is_set(connection->zombie_until) &&
                            !fh_time_before(connection->now, connection->zombie_until);
        for (struct sim_exchange *exchange = connection->exchanges; exchange;
             exchange = exchange->next) {
            if (exchange->stream && connection->swallow_left > 0) {
                uint64_t bytes = sim_stream_swallow(exchange->stream, connection->pass);
                connection->swallow_left -=
                    bytes < connection->swallow_left ? bytes : connection->swallow_left;
                connection->more |= bytes > 0;
            }
        }
        return true;
    }
    if (fh_time_is_set(connection->stalled_until)) {
        if (fh_time_before(connection->now, connection->stalled_until)) {
            connection->dead |= connection->peer_gone;
            return true;
        }
        connection->stalled_until = (struct fh_time){0};
        set_state(connection, SIM_READER_STREAMING);
    }
    return false;
}

static void output(struct sim_connection *connection)
{
    if (connection->closing != SIM_OPEN) {
        return;
    }
    if (connection->phase == SIM_PHASE_HTTP1) {
        sim_http1_output(connection);
    } else if (connection->phase == SIM_PHASE_WEBSOCKET) {
        sim_websocket_output(connection);
    } else if (connection->phase == SIM_PHASE_HTTP2) {
        connection->dead |= sim_http2_output(connection) < 0;
    }
}

bool sim_connection_pump(struct sim_connection *connection, struct fh_time now, unsigned pass)
{
    connection->now = now;
    connection->pass = pass;
    connection->more = false;
    look_for_faults(connection);
    if (connection->dead || out_of_order(connection)) {
        return !connection->dead && connection->more;
    }
    if (connection->phase == SIM_PHASE_HANDSHAKE) {
        if (fh_time_is_set(connection->handshake_at) &&
            fh_time_before(now, connection->handshake_at)) {
            connection->dead |= connection->peer_gone;
            return false;
        }
        handshake(connection);
        if (connection->dead || connection->phase == SIM_PHASE_HANDSHAKE) {
            return false;
        }
    }
    input(connection);
    bool produced = false;
    for (int round = 0; round < ROUNDS && !connection->dead; round++) {
        flush(connection);
        if (connection->dead || connection->wire.len > 0) {
            return false; /* the socket is full: an event will tell */
        }
        connection->more = false;
        output(connection);
        produced = connection->wire.len > 0;
        if (!produced && connection->closing == SIM_OPEN) {
            break;
        }
    }
    if (!connection->dead) {
        flush(connection);
    }
    return !connection->dead && connection->wire.len == 0 && (connection->more || produced);
}

static void sooner(struct fh_time *due, struct fh_time other)
{
    if (fh_time_is_set(other) && (!fh_time_is_set(*due) || fh_time_before(other, *due))) {
        *due = other;
    }
}

struct fh_time sim_connection_due(const struct sim_connection *connection)
{
    struct fh_time due = {0};
    if (connection->half_open) {
        return connection->zombie_until;
    }
    if (fh_time_is_set(connection->stalled_until)) {
        return connection->stalled_until;
    }
    if (connection->wire.len > 0) {
        return due; /* the socket is full: its event comes first */
    }
    if (connection->phase == SIM_PHASE_HANDSHAKE) {
        return fh_time_before(connection->now, connection->handshake_at) ? connection->handshake_at
                                                                         : due;
    }
    if (connection->phase == SIM_PHASE_WEBSOCKET) {
        sooner(&due, sim_websocket_due(connection));
    }
    for (const struct sim_exchange *exchange = connection->exchanges; exchange;
         exchange = exchange->next) {
        if (exchange->stream) {
            sooner(&due, sim_stream_due(exchange->stream));
        }
        if (fh_time_before(connection->now, exchange->not_before)) {
            sooner(&due, exchange->not_before);
        }
    }
    return due;
}

void sim_connection_goodbye(struct sim_connection *connection)
{
    connection->now = fh_now();
    if (connection->half_open || connection->closing != SIM_OPEN) {
        connection->dead = true;
    } else if (connection->phase == SIM_PHASE_HTTP2) {
        if (!connection->leaving) {
            sim_http2_goodbye(connection);
        }
    } else if (connection->phase == SIM_PHASE_HTTP1) {
        sim_http1_goodbye(connection);
    } else if (connection->phase == SIM_PHASE_WEBSOCKET) {
        sim_websocket_goodbye(connection);
    } else {
        connection->dead = true;
    }
}
