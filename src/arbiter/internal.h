/* internal.h: what arbiter.c and its two implementations share. The requests under way and their
 * time-outs are kept in arbiter.c, once; an implementation carries them out. */
#ifndef FH_ARBITER_INTERNAL_H
#define FH_ARBITER_INTERNAL_H

#include "alone.h"

#include "fh/arbiter.h"

#define FH_ARBITER_PENDING_MAX 16

enum fh_arbiter_operation {
    FH_ARBITER_ACQUIRE = 1, /* the numbers of witness_wire.h */
    FH_ARBITER_RENEW = 2,
    FH_ARBITER_RELEASE = 3,
};

struct fh_arbiter_request {
    uint64_t number; /* 0: this place is free */
    enum fh_arbiter_operation operation;
    uint64_t epoch;
    struct fh_alone_claim claim;
    struct fh_time asked_at;
    struct fh_time deadline;
};

/* On the main thread; nothing blocks. state: what open returned. */
struct fh_arbiter_backend {
    int (*open)(struct fh_arbiter *arbiter, const struct fh_config *config, const char *secret_key,
                struct fh_error *err, void **ret_state);
    /* Calls fh_arbiter_finish later, never from within, or not at all. request is copied. */
    void (*ask)(void *state, const struct fh_arbiter_request *request);
    /* It timed out or was pushed out: forget it. Writes why there is no answer, one sentence. */
    void (*forget)(void *state, const struct fh_arbiter_request *request, char *text, size_t size);
    void (*close)(void *state);
};

extern const struct fh_arbiter_backend fh_arbiter_witness;
extern const struct fh_arbiter_backend fh_arbiter_etcd;

sd_event *fh_arbiter_event(struct fh_arbiter *arbiter);
/* The requests that wait for an answer, for sending them on a path that has just come up. */
const struct fh_arbiter_request *fh_arbiter_pending(const struct fh_arbiter *arbiter, size_t index);
/* answer->request says which; epoch, holder, ttl_ms, text and result are the implementation's.
 * A number that is not (any more) pending is ignored: the second answer of two paths, a late one.
 */
void fh_arbiter_finish(struct fh_arbiter *arbiter, const struct fh_arbiter_answer *answer);

#endif
