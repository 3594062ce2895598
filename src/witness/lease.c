/* lease.c: owns the rules by which a lease is granted. Never reads a clock; keeps no names. */
#include "lease.h"

#include <assert.h>
#include <string.h>

void fh_lease_start(struct fh_lease *lease, struct fh_time now, int64_t ttl_max_ms,
                    const struct fh_lease_record *stored)
{
    memset(lease, 0, sizeof(*lease));
    lease->ttl_max_ms = ttl_max_ms;
    lease->record.node = FH_LEASE_NOBODY;
    if (stored) {
        lease->record = *stored;
    }
    int64_t wait_ms = stored && stored->ttl_ms > 0 ? stored->ttl_ms : ttl_max_ms;
    struct fh_time end = fh_time_add_ms(now, wait_ms);
    if (lease->record.node != FH_LEASE_NOBODY && !lease->record.released) {
        lease->until = end;
    } else {
        lease->quiet_until = end;
    }
}

uint32_t fh_lease_holder(const struct fh_lease *lease, struct fh_time now)
{
    bool running = fh_time_is_set(lease->until) && fh_time_before(now, lease->until);
    return running ? lease->record.node : FH_LEASE_NOBODY;
}

/* May this node have the lease under this epoch, if no other node's is running? An equal epoch is
 * the same lease asked for again (the answer was lost, or a renewal), unless it was given back. */
static bool epoch_is_good(const struct fh_lease_record *record,
                          const struct fh_lease_request *request)
{
    if (request->epoch == 0 || request->epoch > FH_LEASE_EPOCH_MAX) {
        return false;
    }
    bool again =
        request->node == record->node && request->epoch == record->epoch && !record->released;
    return again || request->epoch > record->epoch;
}

static void grant(struct fh_lease *lease, struct fh_time now,
                  const struct fh_lease_request *request, struct fh_lease_decision *decision)
{
    struct fh_lease_record *record = &lease->record;
    struct fh_alone_note before = record->alone;
    int64_t ttl_ms = request->ttl_ms < lease->ttl_max_ms ? request->ttl_ms : lease->ttl_max_ms;
    ttl_ms = ttl_ms < 1 ? 1 : ttl_ms;
    bool same_node = request->node == record->node && !record->released;
    decision->changed = !same_node || request->epoch != record->epoch;
    record->alone = fh_alone_granted(&before, request->node == record->node, !decision->changed,
                                     &request->alone);
    bool noted = record->alone.stint != before.stint || record->alone.before != before.before ||
                 record->alone.other != before.other;
    decision->persist = decision->changed || noted || ttl_ms > record->ttl_ms || lease->unsaved;
    record->ttl_ms = same_node && record->ttl_ms > ttl_ms ? record->ttl_ms : ttl_ms;
    record->node = request->node;
    record->epoch = request->epoch;
    record->released = false;
    lease->unsaved = false;
    struct fh_time end = fh_time_add_ms(now, ttl_ms);
    /* A lease that runs longer, promised before, is not cut short: its holder counts on it. */
    if (!same_node || !fh_time_is_set(lease->until) || fh_time_before(lease->until, end)) {
        lease->until = end;
    }
    decision->verdict = FH_LEASE_GRANTED;
    decision->ttl_ms = ttl_ms;
}

/* Also under a higher epoch: the node gives up all it was granted so far. */
static void release(struct fh_lease *lease, const struct fh_lease_request *request,
                    struct fh_lease_decision *decision)
{
    struct fh_lease_record *record = &lease->record;
    if (record->node == request->node && request->epoch >= record->epoch && !record->released) {
        record->released = true;
        if (request->epoch == record->epoch && request->alone.stint > record->alone.stint) {
            record->alone.stint = request->alone.stint;
        }
        lease->until = (struct fh_time){0};
        lease->unsaved = false;
        decision->persist = true;
    }
    decision->verdict = FH_LEASE_RELEASED;
}

void fh_lease_step(struct fh_lease *lease, struct fh_time now,
                   const struct fh_lease_request *request, struct fh_lease_decision *decision)
{
    assert(request->node != FH_LEASE_NOBODY);
    memset(decision, 0, sizeof(*decision));
    uint32_t holder = fh_lease_holder(lease, now);
    if (request->operation == FH_LEASE_RELEASE) {
        release(lease, request, decision);
    } else if (holder != FH_LEASE_NOBODY && holder != request->node) {
        decision->verdict = FH_LEASE_HELD;
    } else if (fh_time_before(now, lease->quiet_until)) {
        decision->verdict = FH_LEASE_WAIT;
        decision->ttl_ms = fh_time_diff_ms(lease->quiet_until, now) + 1;
    } else if (!epoch_is_good(&lease->record, request)) {
        decision->verdict = FH_LEASE_OLD;
    } else if (fh_alone_bars(&lease->record.alone, request->node == lease->record.node,
                             &request->alone)) {
        decision->verdict = FH_LEASE_ALONE;
    } else {
        grant(lease, now, request, decision);
    }
    decision->epoch = lease->record.epoch;
    decision->holder = fh_lease_holder(lease, now);
    decision->alone = lease->record.alone;
}

void fh_lease_record(const struct fh_lease *lease, struct fh_lease_record *record)
{
    *record = lease->record;
}

void fh_lease_unsaved(struct fh_lease *lease)
{
    lease->unsaved = true;
}
