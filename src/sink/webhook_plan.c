/* webhook_plan.c: owns the order in which the records of a batch are sent. Knows nothing of HTTP.
 */
#include "webhook_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL /* the state of a hash on the stack */
#include <xxhash.h>

void fh_webhook_plan_init(struct fh_webhook_plan *plan)
{
    plan->order = NULL;
    plan->capacity = 0;
    plan->lanes = 0;
    plan->limit = 1;
}

void fh_webhook_plan_done(struct fh_webhook_plan *plan)
{
    free(plan->order);
    fh_webhook_plan_init(plan);
}

void fh_webhook_plan_drop(struct fh_webhook_plan *plan)
{
    plan->lanes = 0;
}

static uint32_t lane_of(const struct fh_collect *batch, size_t index, uint32_t lanes)
{
    struct fh_collect_item item;
    fh_collect_get(batch, index, &item);
    struct fh_slice lane = fh_record_lane(&item.facts);
    return (uint32_t)(XXH3_64bits(lane.data, lane.len) % lanes);
}

static int reserve(struct fh_webhook_plan *plan, size_t count)
{
    if (count <= plan->capacity) {
        return 0;
    }
    uint32_t *order = realloc(plan->order, count * sizeof(*order));
    if (!order) {
        return -ENOMEM;
    }
    plan->order = order;
    plan->capacity = count;
    return 0;
}

int fh_webhook_plan_make(struct fh_webhook_plan *plan, const struct fh_collect *batch,
                         uint32_t limit, uint32_t concurrency)
{
    int r = reserve(plan, batch->count);
    if (r < 0) {
        return r;
    }
    size_t requests = (batch->count + limit - 1) / limit;
    uint32_t most = concurrency < FH_WEBHOOK_LANES_MAX ? concurrency : FH_WEBHOOK_LANES_MAX;
    plan->limit = limit;
    plan->lanes = requests < most ? (uint32_t)requests : most;
    /* Counting sort: how many each lane gets, where it begins, then each record to its place. */
    uint32_t place[FH_WEBHOOK_LANES_MAX + 1] = {0};
    for (size_t i = 0; i < batch->count; i++) {
        place[lane_of(batch, i, plan->lanes) + 1]++;
    }
    for (uint32_t lane = 0; lane < plan->lanes; lane++) {
        place[lane + 1] += place[lane];
        plan->lane[lane] =
            (struct fh_webhook_lane){.next = place[lane], .end = place[lane + 1], .depth = 0};
    }
    for (size_t i = 0; i < batch->count; i++) {
        plan->order[place[lane_of(batch, i, plan->lanes)]++] = (uint32_t)i;
    }
    return 0;
}

bool fh_webhook_plan_at(struct fh_webhook_plan *plan, uint32_t lane, struct fh_webhook_range *ret)
{
    struct fh_webhook_lane *at = &plan->lane[lane];
    if (at->depth == 0) {
        if (at->next == at->end) {
            return false;
        }
        uint32_t left = at->end - at->next;
        uint32_t to = at->next + (left < plan->limit ? left : plan->limit);
        at->waiting[at->depth++] = (struct fh_webhook_range){at->next, to};
        at->next = to;
    }
    *ret = at->waiting[at->depth - 1];
    return true;
}

void fh_webhook_plan_next(struct fh_webhook_plan *plan, uint32_t lane)
{
    plan->lane[lane].depth--;
}

bool fh_webhook_plan_split(struct fh_webhook_plan *plan, uint32_t lane)
{
    struct fh_webhook_lane *at = &plan->lane[lane];
    struct fh_webhook_range whole = at->waiting[at->depth - 1];
    uint32_t middle = whole.from + (whole.to - whole.from) / 2;
    if (middle == whole.from || at->depth == FH_WEBHOOK_DEPTH_MAX) {
        return false;
    }
    at->waiting[at->depth - 1] = (struct fh_webhook_range){middle, whole.to};
    at->waiting[at->depth++] = (struct fh_webhook_range){whole.from, middle};
    return true;
}

void fh_webhook_idempotency_key(const struct fh_webhook_plan *plan, const struct fh_collect *batch,
                                struct fh_webhook_range range, char text[FH_IDEMPOTENCY_KEY_SIZE])
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (uint32_t place = range.from; place < range.to; place++) {
        const struct fh_record_key *key = &batch->entry[plan->order[place]].key;
        char printed[FH_KEY_TEXT_SIZE];
        fh_key_print(*key, printed);
        XXH3_128bits_update(&state, printed, strlen(printed) + 1);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    snprintf(text, FH_IDEMPOTENCY_KEY_SIZE, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}
