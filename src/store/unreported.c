/* unreported.c: owns the search for records that this node received and the peer, by its reports,
 * did not. Never changes anything. */
#include "internal.h"

#include <errno.h>

#define A_TIME        256
#define BLOCKS_A_TIME 32 /* each may have to come from the disk, and who asks is the writer */

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

static void unref(struct fh_raw **raw)
{
    fh_raw_unref(*raw);
}

static bool reaches(const struct fh_raw *raw, uint64_t sequence)
{
    return raw && sequence < raw->first_sequence + raw->count;
}

/* 1: take wants no more, or it is enough for now, and *ret_stop is the first one not given. What is
 * not there any more, or not yet, is passed over, and so is a block that cannot be read. */
static int hand_out(struct fh_store *store, const uint64_t *sequence, size_t count,
                    fh_store_line_take take, void *userdata, uint64_t *ret_stop,
                    struct fh_error *err)
{
    struct fh_raw *raw FH_CLEANUP(unref) = NULL;
    size_t blocks = 0;
    uint64_t readable = 0; /* from here on */
    for (size_t i = 0; i < count; i++) {
        *ret_stop = sequence[i];
        if (sequence[i] < readable) {
            continue;
        }
        if (!reaches(raw, sequence[i])) {
            fh_raw_unref(raw);
            raw = NULL;
            if (blocks++ == BLOCKS_A_TIME) {
                return 1;
            }
            int r = fh_store_find_block(store, sequence[i], &raw, err);
            if (r == -EUCLEAN) {
                r = fh_store_behind_block(store, sequence[i], &readable);
            }
            if (r < 0 && r != -ENOENT) {
                return r;
            }
        }
        if (raw && raw->first_sequence <= sequence[i] &&
            take(userdata, raw->record[sequence[i] - raw->first_sequence]) != 0) {
            return 1;
        }
    }
    return 0;
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
    uint64_t stop = 0;
    int r = hand_out(store, sequence, found, take, userdata, &stop, err);
    if (r != 0) {
        *inout_sequence = r > 0 ? stop : *inout_sequence;
        return r;
    }
    *inout_sequence = next == UINT64_MAX ? 0 : next;
    return next != UINT64_MAX;
}
