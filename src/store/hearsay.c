/* hearsay.c: owns reports of what others delivered: what a sink's far side turned out to hold
 * (recovered), and what this node vouches for to a peer that has lost its store (vouched). They
 * mark records as delivered and count nobody's delivery. Also the position of the newest delivery
 * known per sink. Never sends anything. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fh_store_is_hearsay(const struct fh_report *report)
{
    return strcmp(report->position, FH_REPORT_RECOVERED) == 0 ||
           strcmp(report->position, FH_REPORT_VOUCHED) == 0;
}

/* ---- the newest position ----------------------------------------------------------------------
 */

#define NEWEST_NOTE "newest-position:"

static void note_name(const char *sink, char name[65])
{
    snprintf(name, 65, NEWEST_NOTE "%s", sink);
}

int fh_store_note_position(struct fh_store *store, size_t sink, const struct fh_report *report)
{
    struct fh_newest *newest = &store->newest[sink];
    bool newer = report->epoch > newest->epoch ||
                 (report->epoch == newest->epoch && report->number > newest->number);
    if (report->state != FH_REPORT_DELIVERED || report->position[0] == '\0' || !newer ||
        fh_store_is_hearsay(report)) {
        return 0;
    }
    char name[65];
    unsigned char bytes[16 + FH_SINK_POSITION_MAX];
    size_t len = strlen(report->position);
    fh_put64(bytes, report->epoch);
    fh_put64(bytes + 8, report->number);
    memcpy(bytes + 16, report->position, len);
    note_name(store->sink_name[sink], name);
    int r = fh_store_set_note(store, name, bytes, 16 + len);
    if (r < 0) {
        return r;
    }
    fh_store_lock(store);
    newest->epoch = report->epoch;
    newest->number = report->number;
    memcpy(newest->position, report->position, sizeof(newest->position));
    fh_store_unlock(store);
    return 0;
}

void fh_store_load_positions(struct fh_store *store)
{
    for (size_t i = 0; i < store->sinks; i++) {
        char name[65];
        unsigned char bytes[16 + FH_SINK_POSITION_MAX];
        size_t len = sizeof(bytes) - 1;
        struct fh_newest *newest = &store->newest[i];
        note_name(store->sink_name[i], name);
        if (fh_store_get_note(store, name, bytes, &len) == 0 && len > 16) {
            newest->epoch = fh_get64(bytes);
            newest->number = fh_get64(bytes + 8);
            memcpy(newest->position, bytes + 16, len - 16);
            newest->position[len - 16] = '\0';
        }
    }
}

static int take_oldest(void *userdata, uint64_t first, const struct fh_record_key *keys,
                       uint32_t count)
{
    (void)first; /* a row may begin before the cursor: then the answer is a little older */
    int64_t *oldest = userdata;
    for (uint32_t i = 0; i < count; i++) {
        *oldest = keys[i].timestamp_ms < *oldest ? keys[i].timestamp_ms : *oldest;
    }
    return 0;
}

int fh_store_last(struct fh_store *store, const char *sink, struct fh_store_last *ret)
{
    int index = fh_store_find_sink(store, sink);
    if (index < 0) {
        return index;
    }
    struct fh_store_last last = {.oldest_ms = INT64_MAX};
    fh_store_lock(store);
    memcpy(last.position, store->newest[index].position, sizeof(last.position));
    uint64_t cursor = fh_marks_cursor(store->marks, (size_t)index);
    fh_store_unlock(store);
    int r = fh_store_each_keys(store, cursor, take_oldest, &last.oldest_ms);
    if (r < 0) {
        return r;
    }
    *ret = last;
    return 0;
}

/* ---- recovered --------------------------------------------------------------------------------
 */

/* Keep, in place, the keys nobody knew as delivered. */
static uint32_t sift(struct fh_store *store, size_t sink, struct fh_record_key *keys,
                     uint32_t count, fh_store_received received, void *userdata)
{
    uint32_t kept = 0;
    fh_store_lock(store);
    for (uint32_t i = 0; i < count; i++) {
        bool open = fh_marks_is_pending(store->marks, sink, keys[i]);
        bool expected = !open && !fh_store_expired(store, keys[i].timestamp_ms) &&
                        !fh_marks_is_early(store->marks, sink, keys[i]) &&
                        !received(userdata, keys[i]);
        if (open || expected) {
            keys[kept++] = keys[i];
        }
    }
    fh_store_unlock(store);
    return kept;
}

/* The same key twice among those kept: one record may have been written twice, and two records of
 * one key are told apart by nobody. */
static int by_key(const void *left, const void *right)
{
    const struct fh_record_key *a = left;
    const struct fh_record_key *b = right;
    if (a->timestamp_ms != b->timestamp_ms) {
        return a->timestamp_ms < b->timestamp_ms ? -1 : 1;
    }
    return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

static uint32_t once_each(struct fh_record_key *keys, uint32_t count)
{
    uint32_t kept = 0;
    qsort(keys, count, sizeof(*keys), by_key);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || by_key(&keys[kept - 1], &keys[i]) != 0) {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

int fh_store_report_found(struct fh_store *store, struct fh_report *report,
                          fh_store_received received, void *userdata, uint64_t *ret_number)
{
    int sink = fh_store_find_sink(store, report->sink);
    if (sink < 0 || report->count > FH_REPORT_KEYS_MAX) {
        return sink < 0 ? sink : -EINVAL;
    }
    int r = fh_store_fill_gap(store);
    if (r < 0) {
        return r;
    }
    struct fh_record_key *keys = (struct fh_record_key *)report->keys;
    report->count = once_each(keys, report->count);
    report->count = sift(store, (size_t)sink, keys, report->count, received, userdata);
    report->state = FH_REPORT_DELIVERED;
    report->cursor_after = 0;
    snprintf(report->position, sizeof(report->position), "%s", FH_REPORT_RECOVERED);
    if (report->count == 0) {
        *ret_number = 0;
        return 0;
    }
    /* The row keeps the marks over a crash, as that of a report of the peer does. */
    uint64_t doubled = 0;
    r = fh_store_mark_reported(store, (size_t)sink, report, &doubled);
    if (r == 0) {
        r = fh_store_report_add(store, report, &report->number);
    }
    if (r == 0) {
        *ret_number = report->number;
    }
    return r;
}
