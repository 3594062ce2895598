/* nats_far.h: for the tests of the NATS sink: a real nats-server, somebody who looks into the
 * stream, a connection that can be cut at a chosen moment, and the delivery thread's part. */
#ifndef TEST_NATS_FAR_H
#define TEST_NATS_FAR_H

#include "fh/sink.h"

#include <nats/nats.h>

#include <stdatomic.h>
#include <sys/types.h>

#define SEEN_MAX        20000
#define FAR_PATIENCE_MS 60000

/* ---- the server ---- */

struct far_server {
    char directory[64];
    int port;
    pid_t pid;
};

/* At the beginning of a program. False: nats-server is not installed; it has said so, for ctest. */
bool far_possible(void);
/* cmocka's teardown of a group: the client library ends its threads. */
int far_library_done(void **state);
/* Where the server and far_cut listen: an address of this process's own. */
const char *far_host(void);
/* Its directory, for files it needs; far_server_start does it, too. */
void far_server_place(struct far_server *server);
/* more: further lines of its configuration, NULL for none. */
void far_server_start(struct far_server *server, const char *more);
/* Put other lines in place of more, tell the server (SIGHUP), and wait until it has read them. */
void far_server_change(struct far_server *server, const char *more);
void far_server_again(struct far_server *server); /* after kill, on the same port and store */
void far_server_kill(struct far_server *server);
void far_server_done(struct far_server *server);

/* ---- the onlooker ---- */

struct far_view {
    natsConnection *connection;
    jsCtx *js;
};
void far_view_open(struct far_view *view, const struct far_server *server);
void far_view_close(struct far_view *view);
/* Make the stream FIREHOSE for "firehose.>"; change: what is to be different, or NULL. */
void far_make_stream(struct far_view *view, int64_t window_s,
                     void (*change)(jsStreamConfig *config));

/* What is in the stream, oldest first. Records are numbered, see below. */
struct far_seen {
    size_t count;
    uint64_t number[SEEN_MAX];
    char first_id[128], first_subject[512], first_uid[300], first_epoch[32];
};
void far_look(struct far_view *view, struct far_seen *seen);
/* Exactly first..last, each once, those of one device (number % devices) in order. */
void far_expect(struct far_view *view, uint64_t first, uint64_t last, unsigned devices);

/* ---- the connection that is cut ---- */

struct far_cut {
    int port; /* connect here */
    int to;
    int listener, wake[2];
    pthread_t thread;
    atomic_bool deaf; /* what the server says is thrown away */
    atomic_bool cut;  /* end every connection, once */
    atomic_bool stop;
    atomic_uint times; /* how often it was cut */
};
void far_cut_start(struct far_cut *cut, int server_port);
void far_cut_now(struct far_cut *cut); /* returns when it is done */
void far_cut_done(struct far_cut *cut);

/* ---- the delivery thread ---- */

struct far_node {
    struct fh_config_sink config;
    struct fh_sink_context context;
    const struct fh_sink_ops *ops;
    void *sink;
    struct fh_error err;
    bool fenced;
    size_t refused;
    char refused_why[512];
    unsigned devices; /* 5 */
    bool found[SEEN_MAX];
    size_t found_count; /* with repetitions */
    char position[FH_SINK_POSITION_MAX];
};

void far_node_config(struct far_node *node, int port);
int far_node_open(struct far_node *node); /* -errno: err */
void far_node_close(struct far_node *node);
void far_node_lead(struct far_node *node, uint64_t epoch);
/* lead() is refused, and sooner or later because of this: a server that is slow is refused before
 * as one that does not answer. */
void far_node_no_lead(struct far_node *node, uint64_t epoch, const char *expected);
void far_node_recover(struct far_node *node, const char *position, int64_t since_ms);
void far_node_write(struct far_node *node, uint64_t first, uint64_t last);
/* Until accepted, for at most a minute. */
void far_node_accept(struct far_node *node);
/* Write in one batch and accept; records recover has found are left out. */
void far_node_deliver(struct far_node *node, uint64_t first, uint64_t last);

#define FAR_BASE_MS INT64_C(1700000000000)

#endif
