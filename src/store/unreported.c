/* unreported.c: owns the search for records that this node received and the peer, by its reports,
 * did not. Never changes anything. */
#include "internal.h"

#include <errno.h>

#define A_TIME 256

/* The sinks by whose reports the peer is judged. */
static uint16_t judged_sinks(const struct fh_store *store)
{
    uint16_t required = 0;
    for (size_t i = 0; i < store->sinks; i++) {
        required = (uint16_t)(required | (store->optional[i] ? 0u : 1u << i));
    }
    if (required == 0) {
        required = (uint16_t)((1u << store->sinks) - 1);
    }
    return required;
}

int64_t fh_store_peer_reported(const struct fh_store *store)
{
    uint16_t sinks = judged_sinks(store);
    int64_t reported = INT64_MIN;
    for (size_t i = 0; i < store->sinks; i++) {
        if (sinks & (1u << i) && store->peer_low_ms[i] > reported) {
            reported = store->peer_low_ms[i];
        }
    }
    int64_t now = store->meta.source_time_ms; /* a stamp of the peer's may be wild */
    return reported < now ? reported : now;
}

/* 1: it was given; 0: it is not there any more, or not yet; 2: take wants no more. */
static int hand_out(struct fh_store *store, uint64_t sequence, fh_store_line_take take,
                    void *userdata, struct fh_error *err)
{
    struct fh_raw *raw = NULL;
    int r = fh_store_find_block(store, sequence, &raw, err);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    if (raw->first_sequence <= sequence) {
        r = take(userdata, raw->record[sequence - raw->first_sequence]) != 0 ? 2 : 1;
    }
    fh_raw_unref(raw);
    return r;
}

int fh_store_unreported(struct fh_store *store, int64_t before_ms, uint64_t *inout_sequence,
                        fh_store_line_take take, void *userdata, struct fh_error *err)
{
    uint64_t sequence[A_TIME];
    uint64_t next = UINT64_MAX;
    size_t found = 0;
    fh_store_lock(store);
    /* What is in an own batch in doubt may be delivered: that is found out first. */
    if (!store->leading && store->peer_seen && store->prepared.count == 0) {
        found = fh_marks_unreported(store->marks, judged_sinks(store), *inout_sequence, before_ms,
                                    sequence, A_TIME, &next);
    }
    fh_store_unlock(store);
    for (size_t i = 0; i < found; i++) {
        int r = hand_out(store, sequence[i], take, userdata, err);
        if (r < 0) {
            return r;
        }
        if (r == 2) {
            *inout_sequence = sequence[i];
            return 1;
        }
    }
    *inout_sequence = next == UINT64_MAX ? 0 : next;
    return next != UINT64_MAX;
}
