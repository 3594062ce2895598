/* webhook_plan.h: which records of a batch go into which request, so that those of one device never
 * overtake each other: the batch is dealt out to lanes by what its records are about; a lane has at
 * most one request under way, and goes on when that one is done with.
 *
 * Pure but for the memory of the plan. A lane's request is taken, then done or split; a request
 * that failed is simply taken again. */
#ifndef FH_SINK_WEBHOOK_PLAN_H
#define FH_SINK_WEBHOOK_PLAN_H

#include "collect.h"

#define FH_WEBHOOK_LANES_MAX 64
/* A range is halved at most as often as a batch has bits, and each time one half waits. */
#define FH_WEBHOOK_DEPTH_MAX 34

/* Places [from, to) in order[]. */
struct fh_webhook_range {
    uint32_t from, to;
};

struct fh_webhook_lane {
    uint32_t next, end; /* what has not been cut into requests yet */
    struct fh_webhook_range waiting[FH_WEBHOOK_DEPTH_MAX]; /* the last one is next */
    uint32_t depth;
};

struct fh_webhook_plan {
    uint32_t *order; /* indices into the batch: lane by lane, in the order they came */
    size_t capacity;
    struct fh_webhook_lane lane[FH_WEBHOOK_LANES_MAX];
    uint32_t lanes; /* in use; 0: no plan */
    uint32_t limit; /* records of one request */
};

void fh_webhook_plan_init(struct fh_webhook_plan *plan);
void fh_webhook_plan_done(struct fh_webhook_plan *plan);

/* limit: records of one request; concurrency: lanes at most. A batch that fits into one request
 * gets one lane. -ENOMEM. */
int fh_webhook_plan_make(struct fh_webhook_plan *plan, const struct fh_collect *batch,
                         uint32_t limit, uint32_t concurrency);
void fh_webhook_plan_drop(struct fh_webhook_plan *plan);

/* The request the lane is at; false when the lane has nothing left. */
bool fh_webhook_plan_at(struct fh_webhook_plan *plan, uint32_t lane, struct fh_webhook_range *ret);
/* It is dealt with: the lane goes on. */
void fh_webhook_plan_next(struct fh_webhook_plan *plan, uint32_t lane);
/* Its first half comes next, then its second one. False when it is a single record. */
bool fh_webhook_plan_split(struct fh_webhook_plan *plan, uint32_t lane);

/* "0f3c...": what stays the same when a request is sent again, a hash of the keys of its records.
 */
#define FH_IDEMPOTENCY_KEY_SIZE 33
void fh_webhook_idempotency_key(const struct fh_webhook_plan *plan, const struct fh_collect *batch,
                                struct fh_webhook_range range, char text[FH_IDEMPOTENCY_KEY_SIZE]);

#endif
