/* exchange.h: one request and its answer, whatever HTTP version carries them. */
#ifndef SIM_EXCHANGE_H
#define SIM_EXCHANGE_H

#include "message.h"
#include "request.h"
#include "server.h"
#include "stream.h"

#include "fh/buf.h"
#include "fh/clock.h"

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
    int64_t retry_after;           /* -1 = none */
    char location[SIM_TARGET_MAX]; /* of a redirect; empty = none */
    bool plain_status;             /* an HTTP status even to a gRPC client, as proxies answer */
    enum sim_body body;
    struct fh_buf text;
    uint64_t ledger_next, ledger_end;
    unsigned ledger_replica; /* whose uids and stamps */
    bool ledger_payloads;
    struct sim_stream *stream;
    struct sim_framer framer; /* of a stream that is not HTTP */
    struct fh_buf received;   /* the request's body */
    bool too_long;            /* it was longer than may be */
    /* For the framing: */
    int32_t stream_id; /* HTTP/2 */
    struct fh_buf out; /* HTTP/2: body bytes waiting for the window */
    size_t out_sent;
    bool deferred;
    bool ending;               /* HTTP/2: the body ends after what waits */
    struct fh_time not_before; /* a text waits so long; zero: it does not */
    int grpc_status;           /* with which trailers */
    const char *grpc_message;  /* static */
    bool more;                 /* there may be more at once */
    unsigned fault_born;       /* generation of the faults when the stream was opened */
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
/* The gRPC status that stands for an HTTP status. */
int sim_exchange_grpc_status(int status);
/* Make the answer an error with the API's error body. */
int sim_exchange_error(struct sim_exchange *exchange, int status, const char *message);
/* The key of the request and its number; NULL: the exchange has its answer, 401. */
const struct sim_key *sim_exchange_key(struct sim_exchange *exchange, unsigned *ret_index);

/* The error's words for grpc-message: percent-encoded. */
void sim_exchange_message(const struct sim_exchange *exchange, char *ret, size_t size);

#define SIM_FILL_END (-ENODATA)
/* Append body bytes to out: how many, 0 = none now, SIM_FILL_END, or another negative errno. */
int64_t sim_exchange_fill(struct sim_exchange *exchange, struct fh_time now, unsigned pass,
                          struct fh_buf *out);
const char *sim_status_text(int status);
/* The Date header's value: the world's time, which is the service's clock. At least 32 bytes. */
const char *sim_exchange_date(const struct sim_exchange *exchange, char *buf, size_t size);
#define SIM_BODY_MAX 16384 /* of a request */

/* The activation of an app on the premises (activation.c). */
bool sim_activation_has(const char *path);
int sim_activation_start(struct sim_exchange *exchange, const char *path);
/* POST /sim/token. */
int sim_activation_token(struct sim_exchange *exchange, const char *query);

/* The supporting REST calls: locations, maps and their images (places.c). */
bool sim_places_has(const char *path);
int sim_places_start(struct sim_exchange *exchange, const char *path, const char *query);

/* The control endpoint (control.c): everything below /sim/. path without the query. */
int sim_control_start(struct sim_exchange *exchange, const char *path, const char *query);

#endif
