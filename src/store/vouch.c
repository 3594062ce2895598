/* vouch.c: owns what this node can tell a peer that has lost its store: which records are delivered
 * although no report of ours says so, because the peer's own, older reports said it. Made into own
 * reports (vouched), so that numbering, sending and confirming are as for all others, and so that
 * to be asked again finds nothing left to add. Never sends anything.
 *
 * Goes through the index in portions, each a turn of the writer: the delivered keys of a portion
 * that no DELIVERED report of ours holds become one report. The index is kept for the window
 * whether or not the records are. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTION_KEYS   ((size_t)65536)
#define PORTION_LOOKED ((uint64_t)524288)

struct vouch {
    struct fh_store *store;
    size_t sink;
    int64_t since_ms;
    struct fh_keytab keys; /* delivered, in this portion */
    int64_t oldest_ms;     /* of them */
    uint64_t next;         /* sequence behind what was looked at */
    uint64_t looked;
};

static void free_keys(struct fh_record_key **keys)
{
    free(*keys);
}

static int consider(struct vouch *vouch, struct fh_record_key key)
{
    if (key.timestamp_ms < vouch->since_ms) {
        return 0;
    }
    vouch->oldest_ms = key.timestamp_ms < vouch->oldest_ms ? key.timestamp_ms : vouch->oldest_ms;
    return fh_keytab_add(&vouch->keys, key, 1);
}

/* ---- what is delivered ------------------------------------------------------------------------
 */

/* A row of the index. 1: the portion is full. */
static int take_row(void *userdata, uint64_t first, const struct fh_record_key *keys,
                    uint32_t count)
{
    struct vouch *vouch = userdata;
    uint32_t *open = malloc((count ? count : 1) * sizeof(*open));
    if (!open) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        open[i] = i; /* if all are open nothing is filled in */
    }
    fh_store_lock(vouch->store);
    uint64_t cursor = fh_marks_cursor(vouch->store->marks, vouch->sink);
    uint32_t opens =
        first + count <= cursor
            ? 0
            : fh_marks_undelivered(vouch->store->marks, vouch->sink, first, count, open);
    fh_store_unlock(vouch->store);
    int r = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        while (at < opens && open[at] < i) {
            at++;
        }
        bool delivered = first + i < cursor || at == opens || open[at] != i;
        r = delivered ? consider(vouch, keys[i]) : 0;
    }
    free(open);
    vouch->next = first + count;
    vouch->looked += count;
    bool full = vouch->keys.count >= PORTION_KEYS || vouch->looked >= PORTION_LOOKED;
    return r < 0 ? r : full;
}

/* ---- what own reports say anyway --------------------------------------------------------------
 */

static int strike_out(struct vouch *vouch, const void *bytes, size_t len)
{
    struct fh_report report = {0};
    struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
    int r = fh_store_decode_report(bytes, len, &report, &keys);
    if (r < 0 || report.state != FH_REPORT_DELIVERED ||
        strcmp(report.sink, vouch->store->sink_name[vouch->sink]) != 0) {
        return r;
    }
    for (uint32_t i = 0; i < report.count && vouch->keys.count > 0; i++) {
        size_t slot = fh_keytab_find(&vouch->keys, keys[i]);
        if (slot != FH_KEYTAB_NONE) {
            fh_keytab_remove(&vouch->keys, slot);
        }
    }
    return 0;
}

static int strike_out_reported(struct vouch *vouch)
{
    struct fh_store *store = vouch->store;
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_REPORTS], &cursor);
    }
    for (uint64_t number = 0; r == 0 && vouch->keys.count > 0; number++) {
        MDB_val value = {0, NULL};
        int64_t newest_ms = 0;
        int64_t age_ms = 0;
        const void *payload = NULL;
        size_t len = 0;
        r = fh_lmdb_seek(cursor, number, &number, &value);
        if (r == 0 && (fh_row_decode(value.mv_data, value.mv_size, false, &newest_ms, &age_ms,
                                     &payload, &len) < 0 ||
                       newest_ms >= vouch->oldest_ms)) {
            r = strike_out(vouch, value.mv_data, value.mv_size);
        }
    }
    return r == -ENOENT ? 0 : r;
}

/* ---- a report of the rest ---------------------------------------------------------------------
 */

static int add_report(struct vouch *vouch)
{
    struct fh_store *store = vouch->store;
    struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
    struct fh_report report = {.epoch = store->meta.epoch, .state = FH_REPORT_DELIVERED};
    uint64_t number = 0;
    int r = strike_out_reported(vouch);
    if (r < 0 || vouch->keys.count == 0) {
        return r;
    }
    keys = malloc(vouch->keys.count * sizeof(*keys));
    if (!keys) {
        return -ENOMEM;
    }
    for (size_t i = 0; i <= vouch->keys.mask; i++) {
        if (vouch->keys.slot[i].value != 0) {
            keys[report.count++] = vouch->keys.slot[i].key;
        }
    }
    report.keys = keys;
    report.cursor_after = fh_marks_cursor(store->marks, vouch->sink);
    if (report.cursor_after > store->meta.next_sequence) {
        report.cursor_after = store->meta.next_sequence;
    }
    snprintf(report.sink, sizeof(report.sink), "%s", store->sink_name[vouch->sink]);
    snprintf(report.position, sizeof(report.position), "%s", FH_REPORT_VOUCHED);
    return fh_store_report_add(store, &report, &number);
}

/* Keys told as delivered whose records have not come here. */
static int vouch_for_early(struct vouch *vouch)
{
    int r = 0;
    for (size_t slot = 0; r == 0 && slot != FH_KEYTAB_NONE;) {
        struct fh_record_key keys[1024];
        fh_store_lock(vouch->store);
        size_t count =
            fh_marks_early_keys(vouch->store->marks, vouch->sink, &slot, keys, FH_ARRAY_LEN(keys));
        fh_store_unlock(vouch->store);
        for (size_t i = 0; r == 0 && i < count; i++) {
            r = consider(vouch, keys[i]);
        }
        if (r == 0 && (vouch->keys.count >= PORTION_KEYS || slot == FH_KEYTAB_NONE)) {
            r = add_report(vouch);
            fh_keytab_done(&vouch->keys);
        }
    }
    return r;
}

int fh_store_vouch(struct fh_store *store, int64_t since_ms, struct fh_store_vouching *inout)
{
    if (inout->sink >= store->sinks) {
        return 0;
    }
    struct vouch vouch = {
        .store = store, .sink = inout->sink, .since_ms = since_ms, .oldest_ms = INT64_MAX};
    fh_keytab_init(&vouch.keys, &fh_allocator_default);
    int r = fh_store_each_keys(store, inout->sequence, take_row, &vouch);
    bool more = r > 0;
    if (r >= 0) {
        r = add_report(&vouch);
    }
    fh_keytab_done(&vouch.keys);
    if (r == 0 && !more) {
        vouch.oldest_ms = INT64_MAX;
        r = vouch_for_early(&vouch);
        fh_keytab_done(&vouch.keys);
    }
    if (r < 0) {
        return r;
    }
    inout->sequence = more ? vouch.next : 0;
    inout->sink += !more;
    return inout->sink < store->sinks;
}
