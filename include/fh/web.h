/* web.h: a small read-only HTTP/1.1 server (libmicrohttpd) for machines and people that look at
 * this node: metrics and console each have one of their own.
 *
 * It runs on one thread of its own, so that no scraper and no browser can hold up heartbeats or
 * delivery. Only GET and HEAD; 405 for the rest. Bounded: connections, time per request, bytes a
 * stream may have unsent. Every answer carries X-Content-Type-Options: nosniff, Referrer-Policy:
 * no-referrer, X-Frame-Options: DENY and the Content-Security-Policy below. A request whose Host is
 * not an address literal, "localhost", this host's name or listed is answered 421, so that no page
 * of the internet can read it through a browser (DNS rebinding). */
#ifndef FH_WEB_H
#define FH_WEB_H

#include "fh/buf.h"
#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>

#define FH_WEB_CONNECTIONS_MAX   64
#define FH_WEB_STREAMS_MAX       16
#define FH_WEB_STREAM_UNSENT_MAX ((size_t)1024 * 1024)

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
    bool gzip_encoded;  /* body is gzip: Content-Encoding is set; only when the client takes it */
};

struct fh_web_route {
    const char *path; /* "/metrics"; one that ends in '/' and is longer than "/" is a prefix. A row
                         with NULL ends the table */
    /* On the server's thread. 0, or negative errno: -ENOENT is 404, others 500 (counted, never
     * logged per request). NULL: a stream. */
    int (*get)(void *userdata, const struct fh_web_request *request, struct fh_web_answer *answer);
    /* A browser has opened a stream (on the server's thread); 0 keeps it. closed comes once. */
    int (*opened)(void *userdata, const struct fh_web_request *request,
                  struct fh_web_stream *stream);
    void (*closed)(void *userdata, struct fh_web_stream *stream);
};

struct fh_web_options {
    const char *listen;       /* "127.0.0.1:9570", "[::1]:9570", "" = none */
    const char *socket;       /* path of a UNIX socket (mode 0660), "" = none */
    const char *const *hosts; /* further names a request's Host may have, NULL-terminated or NULL */
    const struct fh_web_route *routes; /* kept by reference */
    void *userdata;
    const char *what; /* "metrics.listen": for sentences */
};

/* Listens and answers from now on. -EADDRINUSE, -EACCES, -EINVAL..., each with a sentence. */
int fh_web_new(const struct fh_web_options *options, struct fh_error *err, struct fh_web **ret);
/* Ends every stream (closed() is called), joins the thread. NULL allowed. */
void fh_web_free(struct fh_web *web);

const char *fh_web_path(const struct fh_web_request *request);
/* Value of a query parameter, decoded; NULL when absent. */
const char *fh_web_query(const struct fh_web_request *request, const char *name);
/* Value of a header; NULL when absent. */
const char *fh_web_header(const struct fh_web_request *request, const char *name);

/* Any thread, between opened() and closed(). -ENOBUFS: it reads too slowly and is cut off. */
int fh_web_send(struct fh_web_stream *stream, const void *bytes, size_t len);

#endif
