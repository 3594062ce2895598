/* receiver.h: one receiver: its connection, its state, and when it connects again; and the group of
 * receivers that share a thread and a curl multi handle. Private to src/source. */
#ifndef FH_SOURCE_RECEIVER_H
#define FH_SOURCE_RECEIVER_H

#include "channel.h"

#include "fh/backoff.h"
#include "fh/clock.h"
#include "fh/service.h"
#include "fh/source.h"

#include <pthread.h>
#include <stdatomic.h>

/* At most this much of an error's body is shown; enough more is collected that a key in it can be
 * recognised and blanked even when it stands across the limit. */
#define FH_BODY_SHOWN 1024

/* Between the end of a connection that we close ourselves and the next one. While the service has
 * not noticed the end it shares the events between both (firehose-api.md 11.3), and what the old
 * one is given nobody gets. */
#define FH_REOPEN_MS 300

/* Shared by all receivers; constant once they run, but for the key. */
struct fh_source_context {
    struct fh_config_firehose config;
    const struct fh_channel_ops *channel;
    void *shared; /* of the channel */
    struct fh_source_handler handler;
    void *userdata;
    bool once; /* preview: one connection, no retry, no log */
    pthread_mutex_t key_lock;
    char api_key[FH_API_KEY_MAX]; /* under key_lock */
};

struct fh_receiver;

/* One thread, one multi handle, some receivers. */
struct fh_group {
    CURLM *multi;
    struct fh_time now; /* read once per turn, after waiting */
    struct fh_receiver *receivers[FH_PARTITIONS];
    size_t count;
    pthread_t thread;
    bool running;
    /* from other threads, followed by curl_multi_wakeup */
    atomic_bool stop;
    atomic_bool wake;
    atomic_bool new_key;
    atomic_uint reconnect; /* bit per receiver index, as in the next two */
    atomic_uint retire;
    atomic_uint add;
    struct fh_receiver *incoming[FH_PARTITIONS]; /* by index; written before its bit in add */
};

/* Why a connection ended or did not come about. What makes two failures "the same" in the log. */
enum fh_failure {
    FH_FAILURE_NONE = 0,
    FH_FAILURE_SETUP,     /* the request could not be made */
    FH_FAILURE_TRANSPORT, /* code: CURLcode */
    FH_FAILURE_STATUS,    /* code: HTTP status */
    FH_FAILURE_REFUSED,   /* code: HTTP status */
    FH_FAILURE_SILENT,
    FH_FAILURE_ENDED,   /* the server ended the stream in good order */
    FH_FAILURE_DECODER, /* code: errno */
};

struct fh_receiver {
    struct fh_source_context *context;
    struct fh_group *group;
    unsigned index;
    struct fh_range range;
    char range_text[8];
    int64_t server_ms; /* the service's clock as of the current answer; 0 = not said */
    int64_t again_ms;  /* by that clock: when to come again; 0 = not said, or in seconds */
    int64_t wished_ms; /* what the handler resumes from; asked for is what is within reach of it */
    int64_t reach_ms;  /* how far back the service may be asked, by its clock; -1 = as wished */
    int64_t reach_from_ms; /* the service's clock, at reach_at */
    struct fh_time reach_at;

    CURL *easy;
    bool transfer; /* easy is inside the multi handle */
    struct curl_slist *headers;
    void *decoder;
    struct fh_backoff backoff;
    char key[FH_API_KEY_MAX]; /* of this attempt, to blank it in texts */
    char curl_error[CURL_ERROR_SIZE];
    char redirect[FH_URL_MAX + 512]; /* Location of the answer; then, absolute, what is asked */
    unsigned redirects;              /* followed in this attempt */
    enum fh_verdict verdict;
    char body[FH_BODY_SHOWN + FH_API_KEY_MAX]; /* of an answer that is no stream */
    size_t body_len;
    int decode_error;
    bool delivering; /* a byte of the stream has come */
    bool pinged;     /* since the last sign of the stream */
    bool condemned;  /* the connection it shares is dead (multiplex.c) */
    bool send_idle;  /* libcurl waits until there is something to send */
    int sockets[8];  /* of a two-way channel's attempt, -1 = none */
    size_t unflushed;
    size_t handed_on; /* bytes of lines since can_take was asked */
    size_t skip;      /* bytes libcurl will give again that were decoded before a pause */

    struct fh_time deadline;  /* CONNECTING: of the answer */
    struct fh_time byte_at;   /* STREAMING: silence counts from here */
    struct fh_time retry_at;  /* WAITING, REFUSED */
    struct fh_time open_from; /* no earlier: the service has to notice the end of the last one */

    /* what the log said last, so that it does not say it again (receiver_log.c) */
    enum fh_failure logged;
    long logged_code;
    struct fh_time logged_at;
    uint64_t unlogged;

    int once_result; /* context->once: how it ended */
    struct fh_error once_error;

    struct fh_receiver_status status; /* the thread's own; published for others */
    bool changed;
    pthread_mutex_t lock;
    struct fh_receiver_status published; /* under lock, as are the two times */
    struct fh_time published_retry_at;
    struct fh_time published_byte_at;
};

int fh_receiver_init(struct fh_receiver *receiver, struct fh_source_context *context,
                     struct fh_group *group, unsigned index, struct fh_range range);
void fh_receiver_done(struct fh_receiver *receiver);

/* All below on the group's thread, with group->now set. */
void fh_receiver_open(struct fh_receiver *receiver);
/* We have just closed a connection of this range: the next one gives the service time. */
void fh_receiver_let_notice(struct fh_receiver *receiver);
/* Open at once, or as soon as the service has had its time. */
void fh_receiver_open_soon(struct fh_receiver *receiver);
void fh_receiver_set_state(struct fh_receiver *receiver, enum fh_receiver_state state);
/* curl has finished with the transfer. This and the next one are in receiver_judge.c. */
void fh_receiver_finished(struct fh_receiver *receiver, CURLcode code);
/* The attempt or the connection is over. reason is cleaned, so that nothing a server sent reaches
 * log, status or handler as it was. */
void fh_receiver_fail(struct fh_receiver *receiver, enum fh_failure failure, long code,
                      int64_t retry_after_ms, char *reason, size_t reason_size);
/* Close the connection, if there is one, and tell the handler, if it knew of it. */
void fh_receiver_close(struct fh_receiver *receiver, const char *reason);
/* url: a redirect to follow, or NULL for a new attempt. */
void fh_receiver_connect_to(struct fh_receiver *receiver, const char *url);
/* Time-outs: retry, silence, no answer. */
void fh_receiver_tick(struct fh_receiver *receiver);
/* Milliseconds to the next of them, or -1. */
int64_t fh_receiver_next_ms(const struct fh_receiver *receiver);
void fh_receiver_wake(struct fh_receiver *receiver);
void fh_receiver_reconnect(struct fh_receiver *receiver);
void fh_receiver_shut(struct fh_receiver *receiver);
/* The turn is over: hand on the lines, publish the status. */
void fh_receiver_turn_end(struct fh_receiver *receiver);
/* Any thread. */
void fh_receiver_get_status(struct fh_receiver *receiver, struct fh_receiver_status *ret);

/* receiver_send.c, for a channel that sends. */
void fh_receiver_prepare_send(struct fh_receiver *receiver);
/* Send what is due, ping, notice that the other side has ended. */
void fh_receiver_speak(struct fh_receiver *receiver);
bool fh_receiver_ping_deadline(const struct fh_receiver *receiver, struct fh_time *ret);

/* connection.c: the options that every channel shares. */
int fh_connection_options(CURL *easy, const struct fh_config_firehose *config,
                          struct fh_error *err);

/* multiplex.c: the receiver was silent for too long: find out whether it is only its stream or the
 * connection it shares, and condemn all who share a dead one. */
void fh_multiplex_silent(struct fh_receiver *receiver);

/* receiver_log.c */
void fh_receiver_log_up(struct fh_receiver *receiver);
/* One line per change; the same failure again at most every 10 minutes, with a count. */
void fh_receiver_log_failure(struct fh_receiver *receiver, enum fh_failure failure, long code,
                             int64_t retry_ms, const char *reason);

/* group.c */
/* multiplex: its receivers share an HTTP/2 connection. */
int fh_group_init(struct fh_group *group, bool multiplex);
void fh_group_done(struct fh_group *group);
/* The thread's loop: returns after stop was set; all connections are closed then. */
void fh_group_run(struct fh_group *group);
int fh_group_start(struct fh_group *group);
void fh_group_stop(struct fh_group *group);
void fh_group_notify(struct fh_group *group);

#endif
