/* lease.h: who may lead, as a step function: time and request in, decision out. Pure: no clock, no
 * I/O, no allocation. One struct fh_lease per pair.
 *
 * What it promises, over any order, loss and repetition of requests, and over crashes of its host
 * as long as the record was durable before the answer left:
 *   - at no instant are the leases of two nodes running;
 *   - no epoch is granted to two nodes, and none lower than one granted to another node;
 *   - an epoch that was released is granted to nobody again.
 *
 * The caller's duty: step a copy; when the decision says persist, make fh_lease_record() durable;
 * only then assign the copy and answer. When that fails, drop the copy, answer nothing good and
 * call fh_lease_unsaved(): what is on disk is then unknown, so the next grant must be written. */
#ifndef FH_WITNESS_LEASE_H
#define FH_WITNESS_LEASE_H

#include "alone.h"

#include "fh/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define FH_LEASE_NOBODY    UINT32_MAX
#define FH_LEASE_EPOCH_MAX (UINT64_MAX / 2) /* a larger number is no epoch */

enum fh_lease_operation { FH_LEASE_ACQUIRE, FH_LEASE_RENEW, FH_LEASE_RELEASE };

struct fh_lease_request {
    enum fh_lease_operation operation;
    uint32_t node; /* who asks, proven by its key; not FH_LEASE_NOBODY */
    uint64_t epoch;
    int64_t ttl_ms; /* what it would like; at most ttl_max_ms is granted */
    struct fh_alone_claim alone;
};

enum fh_lease_verdict {
    FH_LEASE_GRANTED,
    FH_LEASE_HELD,     /* denied: another node's lease is running */
    FH_LEASE_OLD,      /* denied: the epoch is too low, spent, or another node's */
    FH_LEASE_ALONE,    /* denied to a careful node: the other one led alone */
    FH_LEASE_RELEASED, /* the node holds nothing (any more) */
    FH_LEASE_WAIT,     /* no answer can be given yet: see fh_lease_start */
};

struct fh_lease_decision {
    enum fh_lease_verdict verdict;
    uint64_t epoch;  /* the highest granted */
    uint32_t holder; /* whose lease is running now, or FH_LEASE_NOBODY */
    int64_t ttl_ms;  /* GRANTED: counted from the moment of the step; WAIT: how long still */
    bool persist;    /* the record changed */
    bool changed;    /* GRANTED: to another node or under another epoch than before */
    struct fh_alone_note alone; /* as noted now */
};

/* What must survive a crash. */
struct fh_lease_record {
    uint32_t node;  /* the last one granted to; FH_LEASE_NOBODY: none ever */
    uint64_t epoch; /* the highest granted */
    bool released;
    int64_t ttl_ms; /* the longest granted to this node since it got the lease */
    struct fh_alone_note alone;
};

struct fh_lease {
    struct fh_lease_record record;
    struct fh_time until;       /* the record's node holds the lease before this; unset: nobody */
    struct fh_time quiet_until; /* nothing is granted before this */
    int64_t ttl_max_ms;
    bool unsaved;
};

/* The process starts: stored is what was read back, NULL when there is nothing. Renewals are not
 * stored, so the lease of the stored holder may be running: for the time of its ttl only that node
 * is granted anything. When nobody is known, a lease of ttl_max_ms may be running somewhere: nobody
 * is granted anything for so long (WAIT). */
void fh_lease_start(struct fh_lease *lease, struct fh_time now, int64_t ttl_max_ms,
                    const struct fh_lease_record *stored);
void fh_lease_step(struct fh_lease *lease, struct fh_time now,
                   const struct fh_lease_request *request, struct fh_lease_decision *decision);
void fh_lease_record(const struct fh_lease *lease, struct fh_lease_record *record);
void fh_lease_unsaved(struct fh_lease *lease);
/* Whose lease is running, or FH_LEASE_NOBODY. */
uint32_t fh_lease_holder(const struct fh_lease *lease, struct fh_time now);

#endif
