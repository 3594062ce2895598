/* arbiter.h: the third party that says which of two nodes may lead, by a lease.
 *
 * A lease belongs to one node and one epoch and lasts ttl from the moment it was granted. The
 * arbiter grants a lease only when no other node's is running, and only for an epoch higher than
 * every epoch it has granted to another node. The holder may ask again for the epoch it has (the
 * answer was lost, or the lease ran out and nobody took it); an epoch it released is spent: nobody
 * is granted it again. The holder counts from the moment it SENT the request and takes 1 % off for
 * clocks that run differently, so it stops by itself before the arbiter can grant the lease
 * elsewhere.
 *
 * Two implementations: "witness" (firehose-witness on a third host, over ZeroMQ with CURVE) and
 * "etcd" (an existing etcd v3 cluster through its JSON gateway). All calls and callbacks on the
 * main (sd-event) thread; none blocks. Several requests may be under way; answers may get lost
 * (then nothing comes: the role machine has its own time-outs) and may come late. */
#ifndef FH_ARBITER_H
#define FH_ARBITER_H

#include "fh/clock.h"
#include "fh/config.h"

#include <systemd/sd-event.h>

enum fh_arbiter_result {
    FH_ARBITER_GRANTED,     /* acquire, renew: held until asked_at + ttl_ms - 1 % */
    FH_ARBITER_DENIED,      /* somebody else holds it, or the epoch is too old: see holder, epoch;
                               or the asker is careful: see alone */
    FH_ARBITER_RELEASED,    /* release: done, or there was nothing to release */
    FH_ARBITER_UNREACHABLE, /* no answer within the request's time-out, or none that decides */
};

struct fh_arbiter_answer {
    uint64_t request; /* the number the call returned */
    enum fh_arbiter_result result;
    uint64_t epoch;          /* GRANTED: ours; DENIED: the highest granted */
    char holder[32];         /* node.name of the holder; empty = nobody */
    int64_t ttl_ms;          /* GRANTED: of this lease */
    uint16_t stint;          /* GRANTED: as noted now; 0: this arbiter notes none */
    bool other_alone;        /* GRANTED: the other node was alone when it led last */
    bool alone;              /* DENIED to a careful asker: the other node led alone */
    struct fh_time asked_at; /* when the request was sent */
    char text[200];          /* UNREACHABLE, DENIED: for the operator, one sentence */
};

struct fh_arbiter_handler {
    void (*answer)(void *userdata, const struct fh_arbiter_answer *answer);
};

struct fh_arbiter;

/* secret_key: this node's CURVE key. With etcd nothing is encrypted with it; its public half marks
 * whose the lease is. */
int fh_arbiter_new(const struct fh_config *config, const char secret_key[41], sd_event *event,
                   const struct fh_arbiter_handler *handler, void *userdata, struct fh_error *err,
                   struct fh_arbiter **ret);
/* NULL allowed; not from within an answer. No answer comes afterwards, and what etcd was asked may
 * not be done: wait for the answer to a release. */
void fh_arbiter_free(struct fh_arbiter *arbiter);

/* What goes with a request, to be noted beside the lease; all zero says nothing. stint counts
 * within the epoch: odd, the asker may publish what the other node does not know; even, it does
 * not. It is noted when an answer names it, or a later one. */
struct fh_arbiter_claim {
    uint16_t stint;
    bool knows_other; /* leads in this epoch and has all reports of the other node */
    bool careful;     /* acquire: denied when the other node was alone when it led last */
};

/* Each sends a request and returns its number (> 0). The answer never comes from within the call;
 * the next request may be made from within an answer. claim: NULL allowed, copied. */
uint64_t fh_arbiter_acquire(struct fh_arbiter *arbiter, uint64_t epoch,
                            const struct fh_arbiter_claim *claim);
uint64_t fh_arbiter_renew(struct fh_arbiter *arbiter, uint64_t epoch,
                          const struct fh_arbiter_claim *claim);
uint64_t fh_arbiter_release(struct fh_arbiter *arbiter, uint64_t epoch,
                            const struct fh_arbiter_claim *claim);
/* How long a lease lasts that is asked for now, milliseconds (arbiter.ttl_ms). */
int64_t fh_arbiter_ttl_ms(const struct fh_arbiter *arbiter);

#endif
