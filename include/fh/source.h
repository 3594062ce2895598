/* source.h: the receivers. Each owns one connection of one channel for one partition range, and
 * turns it into lines; reconnecting, back-off, silence and refusals are its business.
 *
 * Manners (design: "Firehose manners"): never two connections for one replica and range: close
 * before reopening; every connect resumes with what resume_from answers. */
#ifndef FH_SOURCE_H
#define FH_SOURCE_H

#include "fh/config.h"

enum fh_receiver_state {
    FH_RECEIVER_IDLE = 0,
    FH_RECEIVER_CONNECTING,
    FH_RECEIVER_STREAMING,
    FH_RECEIVER_PAUSED,  /* streaming, but the store is full: not reading */
    FH_RECEIVER_WAITING, /* backing off, or until the end of the last connection was noticed */
    FH_RECEIVER_REFUSED, /* 401, 403, 404, 400: slow retry, needs the operator */
    FH_RECEIVER_STATE_COUNT
};
const char *fh_receiver_state_name(enum fh_receiver_state state);

struct fh_receiver_status {
    struct fh_range range;
    enum fh_receiver_state state;
    int http_status; /* of the last answer; 0 = none; gRPC: the equivalent of its status */
    uint64_t bytes;  /* of bodies, since start */
    uint64_t lines;
    uint64_t connects; /* answers that are a stream */
    uint64_t failures;
    uint64_t unknown_fields;  /* gRPC: that no schema knows */
    int64_t retry_in_ms;      /* while WAITING or REFUSED */
    int64_t last_byte_age_ms; /* -1: none yet */
    int64_t asked_from_ms;    /* fromTimestamp of the current or last request; 0 = not sent */
    char protocol[16];        /* "HTTP/2", "HTTP/1.1", "WebSocket", "gRPC" */
    char last_error[256];
};

/* All called on the receiver's own thread; must not block. receiver: index into config ranges, or
 * what fh_sources_add was given. */
struct fh_source_handler {
    /* May a chunk be taken now? When not, the receiver stops reading until fh_sources_wake. One
     * chunk of at most 512 KiB may follow a yes. */
    bool (*can_take)(void *userdata, unsigned receiver);
    /* One line, without newline, valid during the call. offset: in the body of this connection. */
    void (*line)(void *userdata, unsigned receiver, const char *line, size_t len, uint64_t offset,
                 bool truncated);
    /* No more lines for the moment: hand on what was collected. */
    void (*flush)(void *userdata, unsigned receiver);
    /* About to connect: fromTimestamp to ask for, 0 = only from now on. May be asked again for
     * every attempt. */
    int64_t (*resume_from)(void *userdata, unsigned receiver);
    /* The service's own clock, from the Date header of the answer (RFC 9110 6.6.1; whole seconds),
     * just before connected; 0 when it sent none. May be NULL. */
    void (*server_time)(void *userdata, unsigned receiver, int64_t now_ms);
    /* The connection is open (status 200) or has ended. asked_from as resume_from said: a service
     * that answers 400 to what is older than the replay window is asked for less (status.asked_from
     * tells), and the handler has to find out what is missing as if it had begun later by itself.
     */
    void (*connected)(void *userdata, unsigned receiver, int64_t asked_from_ms);
    void (*disconnected)(void *userdata, unsigned receiver, const char *reason);
    /* The receiver was retired: the last call for it. May be NULL. */
    void (*retired)(void *userdata, unsigned receiver);
};

struct fh_sources;

/* Create one receiver per range of config->firehose.ranges. api_key is copied. Nothing connects
 * before fh_sources_start. */
int fh_sources_new(const struct fh_config *config, const char *api_key,
                   const struct fh_source_handler *handler, void *userdata, struct fh_error *err,
                   struct fh_sources **ret);
int fh_sources_start(struct fh_sources *sources, struct fh_error *err);
/* Any thread. Room again: paused receivers go on. */
void fh_sources_wake(struct fh_sources *sources);
/* Any thread. Close these receivers (bit per receiver) and reopen them from their resume point:
 * after 300 ms, in which the service notices the end, or at once where no connection was open. */
void fh_sources_reconnect(struct fh_sources *sources, uint16_t receivers);
/* Any thread: a new key for the connections to come. */
int fh_sources_set_api_key(struct fh_sources *sources, const char *api_key);
/* Change which ranges are read, without touching the other receivers. One thread at a time; the
 * receivers were started before. retire: these close their connection and are gone once the
 * handler's retired() has been called for each. add: a receiver that is free (never used, or
 * retired) reads this range, after the 300 ms of fh_sources_reconnect; 0 or -ENOMEM. */
void fh_sources_retire(struct fh_sources *sources, uint16_t receivers);
int fh_sources_add(struct fh_sources *sources, unsigned receiver, struct fh_range range);
size_t fh_sources_count(const struct fh_sources *sources);
/* Any thread. */
void fh_sources_status(struct fh_sources *sources, unsigned receiver,
                       struct fh_receiver_status *ret);
/* Close all connections and join the threads; no callback comes afterwards. Bounded: 2 s. */
void fh_sources_stop(struct fh_sources *sources);
void fh_sources_free(struct fh_sources *sources); /* stops first; NULL allowed */

/* For preview: one connection, lines to the handler on the calling thread, until the handler's
 * can_take says no or the stream ends. Returns 0 or negative errno with a sentence. */
int fh_source_preview(const struct fh_config *config, const char *api_key,
                      const struct fh_source_handler *handler, void *userdata,
                      struct fh_error *err);

#endif
