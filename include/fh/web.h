/* web.h: a small read-only HTTP/1.1 server (libmicrohttpd) for machines and people that look at
 * this node: metrics and console each have one of their own.
 *
 * It runs on one thread of its own, so that no scraper and no browser can hold up heartbeats or
 * delivery. Only GET and HEAD; 405 for the rest. Bounded: connections, streams, bytes of a request
 * (without body), time until its headers are complete and its answer taken, bytes a stream may have
 * unsent; who passes a limit is refused or cut off. Every answer to a well-formed request carries
 * X-Content-Type-Options: nosniff, Referrer-Policy: no-referrer, X-Frame-Options: DENY and the
 * Content-Security-Policy below. A request whose Host is not an address literal, "localhost", this
 * host's name or listed is answered 421, so that no page of the internet can read it through a
 * browser (DNS rebinding); what a browser asks for on behalf of a page of another origin is
 * answered 403 (Sec-Fetch-Site), so that none can use up connections and streams. */
#ifndef FH_WEB_H
#define FH_WEB_H

#include "fh/buf.h"
#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* On the address; as many on the socket. With the last place taken, whoever has been idle longest
 * is cut off. */
#define FH_WEB_CONNECTIONS_MAX 64
#define FH_WEB_STREAMS_MAX     16                  /* 503 beyond */
#define FH_WEB_REQUEST_MAX     ((size_t)16 * 1024) /* bytes of request line and headers */
/* Waiting for one browser. Room for all that the console sends to one that comes, in one turn. */
#define FH_WEB_STREAM_UNSENT_MAX ((size_t)2 * 1024 * 1024)
#define FH_WEB_BODY_MAX          ((size_t)16 * 1024 * 1024) /* preset as body.max */
/* Of answers larger than FH_WEB_BODY_LARGE so much may wait to be taken at a time; 503 beyond. */
#define FH_WEB_BODY_LARGE ((size_t)256 * 1024)
#define FH_WEB_BODIES_MAX ((size_t)64 * 1024 * 1024)
#define FH_WEB_HEADERS_MS 10000 /* from connecting to the end of the first headers */
#define FH_WEB_ANSWER_MS  30000 /* for taking an answer; a stream: without taking a byte */
#define FH_WEB_IDLE_MS    75000 /* between two requests, the next one's headers included */

#define FH_WEB_POLICY                                                                              \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "        \
    "'self'; "                                                                                     \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct fh_web;
struct fh_web_request; /* one request, valid during the call */
struct fh_web_stream;  /* one open text/event-stream */

struct fh_web_answer {
    int status;         /* preset to 200 */
    const char *type;   /* Content-Type; static string */
    const char *cache;  /* Cache-Control; preset to "no-store"; static string */
    char etag[40];      /* without quotes; "" = none. If-None-Match is answered by the server */
    struct fh_buf body; /* taken over by the server */
    bool gzip_encoded;  /* body is gzip (ask fh_web_takes_gzip first): Content-Encoding is set */
};

struct fh_web_route {
    const char *path; /* "/metrics"; one that ends in '/' and is longer than "/" is a prefix. A row
                         with NULL ends the table */
    /* On the server's thread; must not block. 0, or negative errno: -ENOENT is 404, others 500
     * (counted, never logged per request). NULL: a stream. */
    int (*get)(void *userdata, const struct fh_web_request *request, struct fh_web_answer *answer);
    /* A browser has opened a stream (on the server's thread): may send already. 0 keeps it: closed
     * comes once, on the same thread, and after it nothing may be sent. -ENOENT 404, others 503. */
    int (*opened)(void *userdata, const struct fh_web_request *request,
                  struct fh_web_stream *stream);
    void (*closed)(void *userdata, struct fh_web_stream *stream);
};

struct fh_web_options {
    const char *listen;       /* "127.0.0.1:9570", "[::1]:9570", "" = none; port 0: any */
    const char *socket;       /* path of a UNIX socket (mode 0660), "" = none */
    const char *const *hosts; /* further names a request's Host may have, NULL-terminated or NULL */
    const struct fh_web_route *routes; /* kept by reference */
    void *userdata;
    const char *what; /* "metrics": the section, for sentences */
    /* 0 = those above; for tests */
    int headers_ms, answer_ms, idle_ms;
};

/* Listens and answers from now on. -EADDRINUSE, -EACCES, -EINVAL..., each with a sentence. What the
 * options point to is copied, but routes, userdata. Blocks for a bind only. */
int fh_web_new(const struct fh_web_options *options, struct fh_error *err, struct fh_web **ret);
/* Ends every stream (closed() is called), joins the thread. NULL allowed. */
void fh_web_free(struct fh_web *web);

/* The port listened on; 0 without an address. */
int fh_web_port(const struct fh_web *web);

/* What it did since it was made. Any thread. */
struct fh_web_counters {
    uint64_t requests; /* answered, whatever the answer */
    uint64_t refused;  /* 4xx: wrong host, method, path */
    uint64_t errors;   /* 5xx */
    uint64_t cut;      /* connections closed for being too slow, or idle in a full house */
    uint32_t connections, streams; /* now */
};
void fh_web_counters(const struct fh_web *web, struct fh_web_counters *ret);

const char *fh_web_path(const struct fh_web_request *request);
/* Value of a query parameter, decoded; NULL when absent. */
const char *fh_web_query(const struct fh_web_request *request, const char *name);
/* Value of a header; NULL when absent. */
const char *fh_web_header(const struct fh_web_request *request, const char *name);

/* Its Accept-Encoding names gzip, and not with q=0. */
bool fh_web_takes_gzip(const struct fh_web_request *request);

/* Any thread, from opened() until closed() returns. 0, -ENOMEM, or -ENOBUFS: it reads too slowly
 * and is cut off (closed() follows). Never blocks; all of it or nothing is sent. Whoever sends from
 * another thread holds a lock of his own that his closed() takes, too; closed() is called without
 * any lock of the server. */
int fh_web_send(struct fh_web_stream *stream, const void *bytes, size_t len);

#endif
