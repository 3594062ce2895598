/* nats_order.h: which records of a batch may be on their way at the same time.
 *
 * A record goes out only when the one before it of the same lane (fh_record_lane) has been taken:
 * so records of one device keep their order whatever happens to one of them on its way, while those
 * of different devices travel together. Pure but for the memory it keeps; one thread at a time. */
#ifndef FH_SINK_NATS_ORDER_H
#define FH_SINK_NATS_ORDER_H

#include "collect.h"

enum fh_nats_state {
    FH_NATS_WAITING,
    FH_NATS_SENT,  /* published; whether it arrived is not known */
    FH_NATS_TAKEN, /* at the far side for certain, or dealt with otherwise */
};

struct fh_nats_order {
    uint8_t *state;   /* enum fh_nats_state of each record */
    uint32_t *before; /* 1 + index of the one before it in its lane, 0 = none */
    uint32_t *after;  /* and of the next */
    uint32_t *ready;  /* a queue: those that may go out, no record twice */
    struct fh_nats_lane *lane;
    size_t capacity, lane_capacity;
    size_t ready_first, ready_end;
    size_t count; /* of records; 0 = no batch */
    size_t taken;
};

void fh_nats_order_init(struct fh_nats_order *order);
void fh_nats_order_done(struct fh_nats_order *order);
/* Begin with the collected batch (which must not be empty). -ENOMEM: no batch was begun. */
int fh_nats_order_begin(struct fh_nats_order *order, const struct fh_collect *collect);
void fh_nats_order_clear(struct fh_nats_order *order);
/* The record to send next; count when there is none for now. */
size_t fh_nats_order_next(const struct fh_nats_order *order);
/* That one has gone out. */
void fh_nats_order_sent(struct fh_nats_order *order);
void fh_nats_order_taken(struct fh_nats_order *order, size_t index);
/* All that is not taken waits again. */
void fh_nats_order_restart(struct fh_nats_order *order);

#endif
