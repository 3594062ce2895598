/* nats_order.c: owns the memory of one batch's order. Never looks at time or the network. */
#include "nats_order.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Two lanes with one hash become one: that costs a wait, and no order. */
struct fh_nats_lane {
    uint64_t hash;
    uint32_t last; /* 1 + index of its last record so far, 0 = free */
};

void fh_nats_order_init(struct fh_nats_order *order)
{
    *order = (struct fh_nats_order){.count = 0};
}

void fh_nats_order_done(struct fh_nats_order *order)
{
    free(order->state);
    free(order->before);
    free(order->after);
    free(order->ready);
    free(order->lane);
    fh_nats_order_init(order);
}

void fh_nats_order_clear(struct fh_nats_order *order)
{
    order->count = 0;
    order->taken = 0;
    order->ready_first = 0;
    order->ready_end = 0;
}

static int grow(void **inout, size_t count, size_t size)
{
    void *more = realloc(*inout, count * size);
    if (!more) {
        return -ENOMEM;
    }
    *inout = more;
    return 0;
}

static int reserve(struct fh_nats_order *order, size_t count)
{
    size_t lanes = order->lane_capacity > 0 ? order->lane_capacity : 1024;
    while (lanes < 2 * count) {
        lanes *= 2;
    }
    if (order->capacity < count) {
        if (grow((void **)&order->state, count, sizeof(*order->state)) < 0 ||
            grow((void **)&order->before, count, sizeof(*order->before)) < 0 ||
            grow((void **)&order->after, count, sizeof(*order->after)) < 0 ||
            grow((void **)&order->ready, count, sizeof(*order->ready)) < 0) {
            return -ENOMEM;
        }
        order->capacity = count;
    }
    if (order->lane_capacity < lanes) {
        if (grow((void **)&order->lane, lanes, sizeof(*order->lane)) < 0) {
            return -ENOMEM;
        }
        order->lane_capacity = lanes;
    }
    return 0;
}

static struct fh_nats_lane *find_lane(struct fh_nats_order *order, struct fh_slice name)
{
    uint64_t hash = XXH3_64bits(name.data, name.len);
    size_t mask = order->lane_capacity - 1;
    size_t at = (size_t)hash & mask;
    while (order->lane[at].last != 0 && order->lane[at].hash != hash) {
        at = (at + 1) & mask; /* it is half empty at least */
    }
    order->lane[at].hash = hash;
    return &order->lane[at];
}

int fh_nats_order_begin(struct fh_nats_order *order, const struct fh_collect *collect)
{
    assert(collect->count > 0 && collect->count < UINT32_MAX);
    fh_nats_order_clear(order);
    int r = reserve(order, collect->count);
    if (r < 0) {
        return r;
    }
    memset(order->lane, 0, order->lane_capacity * sizeof(*order->lane));
    memset(order->state, FH_NATS_WAITING, collect->count);
    for (size_t i = 0; i < collect->count; i++) {
        struct fh_collect_item item;
        fh_collect_get(collect, i, &item);
        struct fh_nats_lane *lane = find_lane(order, fh_record_lane(&item.facts));
        order->before[i] = lane->last;
        order->after[i] = 0;
        if (lane->last > 0) {
            order->after[lane->last - 1] = (uint32_t)i + 1;
        }
        lane->last = (uint32_t)i + 1;
    }
    order->count = collect->count;
    fh_nats_order_restart(order);
    return 0;
}

size_t fh_nats_order_next(const struct fh_nats_order *order)
{
    return order->ready_first < order->ready_end ? order->ready[order->ready_first] : order->count;
}

void fh_nats_order_sent(struct fh_nats_order *order)
{
    assert(order->ready_first < order->ready_end);
    order->state[order->ready[order->ready_first++]] = FH_NATS_SENT;
}

void fh_nats_order_taken(struct fh_nats_order *order, size_t index)
{
    assert(index < order->count && order->state[index] == FH_NATS_SENT);
    order->state[index] = FH_NATS_TAKEN;
    order->taken++;
    size_t after = order->after[index];
    if (after > 0 && order->state[after - 1] == FH_NATS_WAITING) {
        order->ready[order->ready_end++] = (uint32_t)after - 1;
    }
}

void fh_nats_order_restart(struct fh_nats_order *order)
{
    order->ready_first = 0;
    order->ready_end = 0;
    for (size_t i = 0; i < order->count; i++) {
        uint32_t before = order->before[i];
        if (order->state[i] == FH_NATS_TAKEN) {
            continue;
        }
        order->state[i] = FH_NATS_WAITING;
        if (before == 0 || order->state[before - 1] == FH_NATS_TAKEN) {
            order->ready[order->ready_end++] = (uint32_t)i;
        }
    }
}
