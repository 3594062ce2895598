/* exchange.h: one request and its answer, whatever HTTP version carries them. */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include "server.h"
#include "stream.h"

#include "fh/buf.h"
#include "fh/clock.h"

#define SIM_TARGET_MAX 2048

struct sim_request {
    char method[16];
    char target[SIM_TARGET_MAX]; /* path and query; longer ones are refused by the parser */
    char api_key[256];
    bool has_api_key;
    bool has_control; /* X-Sim-Control */
    bool from_loopback;
    int http_version; /* 1 or 2 */
    uint64_t connection;
};

enum sim_body {
    SIM_BODY_TEXT,   /* whole answer in text, length known */
    SIM_BODY_LEDGER, /* long, ends */
    SIM_BODY_STREAM, /* endless */
};

struct sim_exchange {
    struct sim_server *server;
    struct sim_exchange *next; /* of the same connection */
    struct sim_request request;
    int status;
    const char *content_type;
    int64_t retry_after; /* -1 = none */
    enum sim_body body;
    struct fh_buf text;
    uint64_t ledger_next, ledger_end;
    struct sim_stream *stream;
    /* For the framing: */
    int32_t stream_id; /* HTTP/2 */
    struct fh_buf out; /* HTTP/2: body bytes waiting for the window */
    size_t out_sent;
    bool deferred;
    bool more;           /* there may be more at once */
    unsigned fault_born; /* generation of the faults when the stream was opened */
    unsigned fault_seen;
    /* The cut and reset faults with after=: */
    uint64_t left; /* body bytes still allowed; UINT64_MAX = no limit */
    bool reset_at_end;
    bool stream_only;
};

struct sim_exchange *sim_exchange_new(struct sim_server *server);
void sim_exchange_free(struct sim_exchange *exchange);

/* Decide the answer to exchange->request. -ECONNRESET: the refuse fault wants the connection closed
 * without a word. -ENOMEM. */
int sim_exchange_start(struct sim_exchange *exchange);
/* Make the answer an error with the API's error body. */
int sim_exchange_error(struct sim_exchange *exchange, int status, const char *message);

#define SIM_FILL_END (-ENODATA)
/* Append body bytes to out: how many, 0 = none now, SIM_FILL_END, or another negative errno. */
int64_t sim_exchange_fill(struct sim_exchange *exchange, struct fh_time now, unsigned pass,
                          struct fh_buf *out);
const char *sim_status_text(int status);

/* The control endpoint (control.c): everything below /sim/. path without the query. */
int sim_control_start(struct sim_exchange *exchange, const char *path, const char *query);

#endif
