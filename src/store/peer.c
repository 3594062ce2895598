/* peer.c: owns what the peer's reports do here, and the change between following and leading. Never
 * talks to the peer. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_A_TIME 1024

/* ---- bring the gap under explicit representation (marks.h) ----------------------------------- */

static int add_keys(struct fh_store *store, uint64_t first, const struct fh_record_key *keys,
                    uint32_t count)
{
    int r = 0;
    fh_store_lock(store);
    uint64_t from = fh_marks_explicit_until(store->marks);
    uint64_t lowest = fh_marks_lowest_cursor(store->marks);
    from = lowest > from ? lowest : from;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        if (first + i >= from) {
            r = fh_marks_add(store->marks, keys[i], first + i);
        }
    }
    fh_store_unlock(store);
    return r;
}

static int take_row(void *userdata, uint64_t first, const struct fh_record_key *keys,
                    uint32_t count)
{
    return add_keys(userdata, first, keys, count);
}

int fh_store_fill_gap(struct fh_store *store)
{
    uint64_t from = fh_marks_explicit_until(store->marks);
    if (from == store->meta.next_sequence) {
        return 0;
    }
    uint64_t lowest = fh_marks_lowest_cursor(store->marks);
    from = lowest > from ? lowest : from;
    if (from >= store->meta.next_sequence) {
        fh_store_lock(store);
        fh_marks_skip_to(store->marks, store->meta.next_sequence);
        fh_store_unlock(store);
        return 0;
    }
    int r = fh_store_each_keys(store, from, take_row, store);
    for (size_t i = 0; r == 0 && i < store->blocks.count; i++) {
        const struct fh_raw *raw = store->blocks.item[i].raw;
        r = add_keys(store, raw->first_sequence, raw->key, raw->count);
    }
    if (r == 0 && store->open) {
        r = add_keys(store, store->open->first_sequence, store->open->key, store->open->count);
    }
    return r;
}

/* ---- a report of the peer ---------------------------------------------------------------------
 */

struct application {
    const struct fh_report *report;
    size_t sink;
    uint64_t row;
    uint64_t ours_below; /* records below are in batches of ours that are prepared */
    uint64_t doubled;
};

uint64_t fh_store_prepared_until(const struct fh_store *store, const char *sink)
{
    uint64_t until = 0;
    for (size_t i = 0; i < store->prepared.count; i++) {
        const struct fh_report *report = &store->prepared.item[i].report;
        if (strcmp(report->sink, sink) == 0 && report->cursor_after > until) {
            until = report->cursor_after;
        }
    }
    return until;
}

/* One key; the lock is held. */
static void apply_key(struct fh_store *store, struct application *a, struct fh_record_key key,
                      bool counts)
{
    uint64_t sequence;
    if (fh_marks_deliver(store->marks, a->sink, key, a->row, &sequence)) {
        a->doubled += counts && sequence < a->ours_below;
        return;
    }
    enum fh_own own = fh_store_own_delivered(store, a->sink, key);
    a->doubled += counts && own == FH_OWN_DELIVERED;
    if (own == FH_OWN_NONE) {
        fh_marks_early(store->marks, a->sink, key, a->row);
    }
}

static void apply_keys(struct fh_store *store, struct application *a)
{
    const struct fh_report *report = a->report;
    bool counts = !fh_store_is_hearsay(report); /* a delivery of its own */
    for (uint32_t i = 0; i < report->count;) {
        fh_store_lock(store); /* not for all at once: others want to look */
        for (uint32_t end = i + KEYS_A_TIME; i < report->count && i < end; i++) {
            apply_key(store, a, report->keys[i], counts);
        }
        fh_store_unlock(store);
    }
}

static void oldest_and_newest(const struct fh_report *report, int64_t *ret_oldest,
                              int64_t *ret_newest)
{
    *ret_oldest = INT64_MAX;
    *ret_newest = INT64_MIN;
    for (uint32_t i = 0; i < report->count; i++) {
        int64_t stamp = report->keys[i].timestamp_ms;
        *ret_oldest = stamp < *ret_oldest ? stamp : *ret_oldest;
        *ret_newest = stamp > *ret_newest ? stamp : *ret_newest;
    }
}

/* Everything that can fail comes before anything is changed. */
int fh_store_mark_reported(struct fh_store *store, size_t sink, const struct fh_report *report,
                           uint64_t *ret_doubled)
{
    int64_t oldest;
    int64_t newest;
    oldest_and_newest(report, &oldest, &newest);
    int r = fh_store_fill_gap(store);
    if (r == 0) {
        r = fh_store_own_prepare(store, oldest);
    }
    if (r == 0) {
        r = FH_LIST_RESERVE(&store->peer_rows);
    }
    void *bytes = NULL;
    size_t len = 0;
    if (r == 0) {
        r = fh_store_encode_report(store, report, &bytes, &len);
    }
    if (r < 0) {
        return r;
    }
    struct application a = {
        .report = report, .sink = sink, .ours_below = fh_store_prepared_until(store, report->sink)};
    fh_store_lock(store);
    r = fh_marks_row(store->marks, sink, 0, fh_store_age(store, newest), report->count, &a.row);
    fh_store_unlock(store);
    if (r < 0) {
        free(bytes);
        return r;
    }
    apply_keys(store, &a);
    store->peer_rows.item[store->peer_rows.count++] = (struct fh_staged_row){a.row, bytes, len};
    *ret_doubled = a.doubled;
    return 0;
}

static int apply(struct fh_store *store, int sink_or_none, const struct fh_report *report,
                 uint64_t *ret_doubled)
{
    int64_t oldest;
    int64_t newest;
    oldest_and_newest(report, &oldest, &newest);
    if (sink_or_none < 0) {
        return fh_store_keep_unlisted(store, report, newest);
    }
    size_t sink = (size_t)sink_or_none;
    int r = fh_store_note_position(store, sink, report);
    r = r < 0 ? r : fh_store_mark_reported(store, sink, report, ret_doubled);
    if (r < 0 || fh_store_is_hearsay(report)) {
        return r;
    }
    if (oldest > store->peer_low_ms[sink]) {
        store->peer_low_ms[sink] = oldest;
    }
    return 0;
}

int fh_store_peer_apply(struct fh_store *store, uint64_t peer_store_id,
                        const struct fh_report *report, uint64_t *ret_doubled)
{
    uint64_t doubled = 0;
    bool known = store->meta.peer_store_id == peer_store_id;
    if (!known || report->number > store->meta.peer_applied) {
        int sink = fh_store_find_sink(store, report->sink);
        if (report->state != FH_REPORT_VOID && report->count > 0) {
            int r = apply(store, sink, report, &doubled);
            if (r < 0) {
                return r;
            }
        }
        /* What another store of the peer told stays in the rows: it is delivered all the same. */
        store->meta.peer_store_id = peer_store_id;
        store->meta.peer_applied = report->number;
        store->meta_dirty = true;
        fh_store_lock(store);
        store->peer_seen = true;
        fh_store_unlock(store);
    }
    if (ret_doubled) {
        *ret_doubled = doubled;
    }
    return 0;
}

/* ---- roles ------------------------------------------------------------------------------------
 */

static void set_role(struct fh_store *store, bool leading)
{
    fh_store_lock(store);
    if (store->leading != leading) {
        store->leading = leading;
        /* From here on records stay in the gap until a report of the peer shows that there is
         * something to match. */
        store->peer_seen = false;
        fh_store_wake(store);
    }
    fh_store_unlock(store);
}

int fh_store_follow(struct fh_store *store)
{
    set_role(store, false);
    return 0;
}

int fh_store_lead(struct fh_store *store)
{
    set_role(store, true);
    return 0;
}
