/* connection.h: one TCP connection: socket, TLS, what is waiting to be sent, and the faults that
 * concern a connection as a whole. Used by the one worker that owns it. */
#ifndef SIM_CONNECTION_H
#define SIM_CONNECTION_H

#include "exchange.h"
#include "server.h"

#include "fh/buf.h"
#include "fh/clock.h"

#include <openssl/ssl.h>

/* Framing stops when so much is waiting; the socket's own buffer is beyond it. */
#define SIM_WIRE_HIGH 262144

enum sim_phase {
    SIM_PHASE_HANDSHAKE,
    SIM_PHASE_SNIFF, /* no ALPN (plain): HTTP/2's preface or an HTTP/1.1 request */
    SIM_PHASE_HTTP1,
    SIM_PHASE_HTTP2,
    SIM_PHASE_WEBSOCKET,
};

enum sim_closing {
    SIM_OPEN,
    SIM_CLOSE_CLEAN, /* TLS close_notify, FIN */
    SIM_CLOSE_CUT,   /* FIN, in the middle of whatever was being said */
    SIM_CLOSE_RESET, /* RST */
};

struct sim_http2; /* http2.c */

struct sim_connection {
    struct sim_server *server;
    int fd;
    SSL *tls; /* NULL: plain */
    uint64_t id;
    bool loopback;
    bool readable, writable; /* as far as the last EAGAIN tells (edge-triggered epoll) */
    bool peer_gone;
    bool leaving; /* the server goes down: bodies end where they are */
    bool dead;    /* to be freed by the worker */
    enum sim_phase phase;
    enum sim_closing closing; /* once the wire is empty */
    struct fh_buf in;         /* received, not yet understood (HTTP/1.1) */
    struct fh_buf wire;       /* framed, not yet sent */
    size_t wire_sent;
    struct sim_exchange *exchanges;
    bool keep; /* HTTP/1.1: go on after the answer */
    /* WebSocket: */
    bool in_message; /* the client has begun a fragmented one */
    struct fh_time ping_due;
    struct fh_time close_until;  /* our close frame is out; wait for the client's so long */
    struct fh_time handshake_at; /* the slow_tls fault */
    struct sim_http2 *http2;
    struct fh_time stalled_until;
    bool half_open;
    uint64_t swallow_left;
    int64_t zombie_ms;
    struct fh_time zombie_until;
    /* Valid during a pump: */
    struct fh_time now;
    unsigned pass;
    bool more; /* something may be ready at once */
};

/* Takes over fd (non-blocking). NULL when out of memory (fd is closed). */
struct sim_connection *sim_connection_new(struct sim_server *server, int fd, bool loopback);
void sim_connection_free(struct sim_connection *connection); /* closes as ->closing says */

/* Do what can be done without waiting. Afterwards connection->dead says it is over; the result says
 * there may be more to do at once. */
bool sim_connection_pump(struct sim_connection *connection, struct fh_time now, unsigned pass);
/* When to pump again though nothing happens; unset = never. */
struct fh_time sim_connection_due(const struct sim_connection *connection);
/* The server is going down: say goodbye (GOAWAY, last chunk) and close once that is sent. */
void sim_connection_goodbye(struct sim_connection *connection);

/* For the framings. */
struct sim_exchange *sim_connection_add_exchange(struct sim_connection *connection);
void sim_connection_remove_exchange(struct sim_connection *connection,
                                    struct sim_exchange *exchange);

/* How a stream ends on each channel: see the faults end, revoke and go_away. */
struct sim_ending {
    int close_code; /* WebSocket */
    int grpc_status;
    const char *message;
};
/* The exchange may be gone afterwards. */
void sim_connection_end(struct sim_connection *connection, struct sim_exchange *exchange,
                        const struct sim_ending *ending);

/* http1.c */
void sim_http1_input(struct sim_connection *connection);  /* something new in ->in */
void sim_http1_output(struct sim_connection *connection); /* fill ->wire */
void sim_http1_goodbye(struct sim_connection *connection);

/* http2.c; negative results mean the connection is beyond help. */
int sim_http2_start(struct sim_connection *connection);
int sim_http2_input(struct sim_connection *connection, const char *bytes, size_t len);
int sim_http2_output(struct sim_connection *connection);
void sim_http2_goodbye(struct sim_connection *connection);
void sim_http2_reset_stream(struct sim_connection *connection, struct sim_exchange *exchange);
/* The body ends after what waits; with trailers where there is a gRPC status. */
void sim_http2_end_stream(struct sim_connection *connection, struct sim_exchange *exchange,
                          int grpc_status, const char *message);
void sim_http2_ping(struct sim_connection *connection);
void sim_http2_stop(struct sim_connection *connection);

/* websocket.c */
/* Before the API's own checks; false: the exchange has its answer. */
bool sim_websocket_judge(struct sim_exchange *exchange, const struct sim_head *head);
/* The stream is open: answer the upgrade. Negative errno. */
int sim_websocket_accept(struct sim_connection *connection, const char *key);
void sim_websocket_input(struct sim_connection *connection);
void sim_websocket_output(struct sim_connection *connection);
void sim_websocket_ping(struct sim_connection *connection);
/* Say the close frame; the exchange is gone afterwards. */
void sim_websocket_close(struct sim_connection *connection, int code, const char *reason);
void sim_websocket_goodbye(struct sim_connection *connection);
struct fh_time sim_websocket_due(const struct sim_connection *connection);

#endif
