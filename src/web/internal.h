/* internal.h: what the files of the web server share.
 *
 *   server.c  the thread, its connections and their limits of time
 *   listen.c  the two listening sockets
 *   answer.c  from a request to an answer: method, host, route, headers
 *   stream.c  an open text/event-stream and what waits to be sent on it
 *   host.c    which Host a request may have (pure)
 *
 * Everything but fh_web_send, fh_web_counters and a stream's buffer belongs to the server's thread;
 * libmicrohttpd is called from no other. */
#ifndef FH_WEB_INTERNAL_H
#define FH_WEB_INTERNAL_H

#include "fh/clock.h"
#include "fh/web.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>

#define WEB_HOSTS_MAX 16
#define WEB_HOST_MAX  256

/* Names a Host may have. */
struct web_hosts {
    char name[WEB_HOSTS_MAX][WEB_HOST_MAX];
    size_t count;
};

/* listen.c: a listening descriptor; both -1 until opened. */
struct web_listen {
    int tcp;
    int port;
    int local;
    struct sockaddr_un address;
    struct stat identity; /* of the socket we made: never unlink somebody else's */
};

struct connection;

struct fh_web_stream {
    struct fh_web *web;
    const struct fh_web_route *route;
    struct connection *connection;
    struct MHD_Connection *mhd;
    struct fh_web_stream *next, *previous;
    bool cut_off;   /* its connection was ended */
    bool suspended; /* nothing was there to send: resumed when there is */
    bool kept;      /* opened() took it: closed() is due */
    pthread_mutex_t lock;
    struct fh_buf out; /* under lock, like the three below */
    size_t taken;      /* bytes of out already with libmicrohttpd */
    bool cut;
    bool waked; /* the server's thread knows that there is something */
};

/* One per TCP connection, from the first byte to the last. */
struct connection {
    struct connection *next, *previous;
    struct MHD_Daemon *daemon;
    int fd;
    struct fh_time deadline;   /* when it is closed by us */
    struct fh_time idle_since; /* its answer is given and no request has come since; unset: busy */
    struct fh_web_stream *stream;
};

/* One per request. */
struct fh_web_request {
    struct fh_web *web;
    struct MHD_Connection *mhd;
    struct connection *connection;
    const char *path;
    struct fh_web_stream *stream; /* NULL: an answer at once */
    size_t body;                  /* bytes of a large answer, counted in web->bodies */
};

struct fh_web {
    const struct fh_web_route *routes;
    void *userdata;
    struct web_hosts hosts;
    int headers_ms, answer_ms, idle_ms;
    struct web_listen listen;
    struct MHD_Daemon *daemon[2]; /* address, socket; NULL = none */
    int wake_fd;                  /* eventfd: something to send, or the end */
    pthread_t thread;
    bool thread_started;
    atomic_bool stop;
    struct connection *connections;
    bool room; /* a connection has ended just now */
    struct fh_web_stream *streams;
    size_t bodies; /* bytes of large answers that are not yet taken */
    atomic_uint_fast64_t requests, refused, errors, cut;
    atomic_uint_fast32_t connection_count, stream_count;
};

/* host.c */
void web_hosts_init(struct web_hosts *hosts, const char *const *further);
bool web_host_allowed(const struct web_hosts *hosts, const char *value);

/* listen.c */
int web_listen_tcp(struct web_listen *listen, const char *address, const char *what,
                   struct fh_error *err);
int web_listen_local(struct web_listen *listen, const char *path, const char *what,
                     struct fh_error *err);
/* Removes the socket's file. The descriptors are closed by their libmicrohttpd daemon. */
void web_listen_done(struct web_listen *listen);

/* answer.c: libmicrohttpd's callbacks. */
enum MHD_Result web_on_request(void *userdata, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_size, void **request);
void web_on_completed(void *userdata, struct MHD_Connection *mhd, void **request,
                      enum MHD_RequestTerminationCode how);
void web_add_headers(struct MHD_Response *response);

/* stream.c: all on the server's thread. */
/* Queues the stream as the answer, after opened() has taken it. A status to answer with instead. */
int web_stream_open(struct fh_web_request *request, const struct fh_web_route *route);
/* The connection has ended. */
void web_stream_close(struct fh_web_stream *stream);
/* Lets what has come in from other threads go out. */
void web_streams_resume(struct fh_web *web, bool all);

/* server.c */
void web_wake(struct fh_web *web);
void web_cut_off(struct fh_web *web, const struct connection *connection);

#endif
