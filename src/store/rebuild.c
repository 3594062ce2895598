/* rebuild.c: owns the way back from the database to what lies in memory, after any crash. Never
 * writes. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct key_room {
    struct fh_record_key *key;
    size_t capacity;
};

static void key_room_done(struct key_room *room)
{
    free(room->key);
}

static int key_room_reserve(struct key_room *room, size_t count)
{
    if (count <= room->capacity) {
        return 0;
    }
    struct fh_record_key *fresh = realloc(room->key, count * sizeof(*fresh));
    if (!fresh) {
        return -ENOMEM;
    }
    room->key = fresh;
    room->capacity = count;
    return 0;
}

/* The row at the cursor, copied out. */
static int copy_keys(const MDB_val *value, struct key_room *room, uint32_t *ret_count)
{
    int64_t age_ms = 0;
    int r = fh_keys_decode(value->mv_data, value->mv_size, NULL, 0, ret_count, &age_ms);
    if (r == 0) {
        r = key_room_reserve(room, *ret_count);
    }
    if (r == 0) {
        r = fh_keys_decode(value->mv_data, value->mv_size, room->key, room->capacity, ret_count,
                           &age_ms);
    }
    return r == -ENOMEM ? r : r < 0 ? -EUCLEAN : 0;
}

/* One row in one short transaction: the caller may take its time with what it gets. */
static int next_keys(struct fh_store *store, uint64_t at, bool back, struct key_room *room,
                     uint64_t *ret_first, uint32_t *ret_count)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_KEYS], &cursor);
    }
    MDB_val value = {0, NULL};
    if (r == 0) {
        r = back ? fh_lmdb_seek_back(cursor, at, ret_first, &value) : -ENOENT;
        if (r == -ENOENT) {
            r = fh_lmdb_seek(cursor, at, ret_first, &value);
        }
    }
    return r < 0 ? r : copy_keys(&value, room, ret_count);
}

int fh_store_each_keys(struct fh_store *store, uint64_t sequence, fh_store_row_take take,
                       void *userdata)
{
    struct key_room room FH_CLEANUP(key_room_done) = {NULL, 0};
    uint64_t at = sequence;
    bool back = true; /* the first row may begin before sequence */
    for (;;) {
        uint64_t first = 0;
        uint32_t count = 0;
        int r = next_keys(store, at, back, &room, &first, &count);
        if (r < 0) {
            return r == -ENOENT ? 0 : r;
        }
        back = false;
        at = first + 1;
        if (first + count > sequence) {
            r = take(userdata, first, room.key, count);
            if (r != 0) {
                return r;
            }
        }
    }
}

struct key_taker {
    fh_store_key_take take;
    void *userdata;
};

static int hand_on(void *userdata, uint64_t first, const struct fh_record_key *keys, uint32_t count)
{
    (void)first;
    const struct key_taker *taker = userdata;
    return taker->take(taker->userdata, keys, count);
}

int fh_store_keys(struct fh_store *store, fh_store_key_take take, void *userdata)
{
    struct key_taker taker = {take, userdata};
    return fh_store_each_keys(store, 0, hand_on, &taker);
}

/* ---- loading ------------------------------------------------------------------------------ */

static void free_keys(struct fh_record_key **keys)
{
    free(*keys);
}

/* All keys of a report wait as early ones; replaying the index finds those that are here. */
static int load_early(struct fh_store *store, uint64_t id, const struct fh_report *report,
                      int64_t age_ms)
{
    int sink = fh_store_find_sink(store, report->sink);
    if (sink < 0) {
        return 0;
    }
    uint64_t row;
    int r = fh_marks_row(store->marks, (size_t)sink, id, age_ms, report->count, &row);
    for (uint32_t i = 0; r == 0 && i < report->count; i++) {
        fh_marks_early(store->marks, (size_t)sink, report->keys[i], row);
    }
    return r;
}

typedef int (*row_taker)(struct fh_store *store, uint64_t number, int64_t newest_ms, int64_t age_ms,
                         const struct fh_report *report);

static int each_row(struct fh_store *store, enum fh_store_table table, row_taker take,
                    struct fh_error *err)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[table], &cursor);
    }
    for (uint64_t number = 0; r == 0; number++) {
        struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
        struct fh_report report = {0};
        MDB_val value = {0, NULL};
        int64_t newest_ms = 0;
        int64_t age_ms = 0;
        const void *payload = NULL;
        size_t len = 0;
        r = fh_lmdb_seek(cursor, number, &number, &value);
        if (r == -ENOENT) {
            return 0;
        }
        if (r == 0) {
            r = fh_store_decode_report(value.mv_data, value.mv_size, &report, &keys);
        }
        if (r == 0) {
            r = fh_row_decode(value.mv_data, value.mv_size, false, &newest_ms, &age_ms, &payload,
                              &len);
        }
        if (r == 0) {
            r = take(store, number, newest_ms, age_ms, &report);
        }
    }
    return fh_store_damage(store, r, err, "in the reports at number", 0);
}

static int take_peer(struct fh_store *store, uint64_t number, int64_t newest_ms, int64_t age_ms,
                     const struct fh_report *report)
{
    (void)newest_ms;
    return fh_store_find_sink(store, report->sink) < 0
               ? fh_store_load_unlisted(store, number, age_ms)
               : load_early(store, number, report, age_ms);
}

static int take_own(struct fh_store *store, uint64_t number, int64_t newest_ms, int64_t age_ms,
                    const struct fh_report *report)
{
    if (report->state != FH_REPORT_VOID && report->count > 0 && newest_ms > store->own_newest_ms) {
        store->own_newest_ms = newest_ms;
    }
    if (report->state == FH_REPORT_PREPARED) {
        if (FH_LIST_RESERVE(&store->prepared) < 0) {
            return -ENOMEM;
        }
        struct fh_prepared *entry = &store->prepared.item[store->prepared.count++];
        entry->report = *report;
        entry->report.number = number;
        entry->report.keys = NULL;
        entry->let_go = 0;
        return 0;
    }
    int sink = fh_store_find_sink(store, report->sink);
    if (report->state == FH_REPORT_DELIVERED && sink >= 0 && !fh_store_is_hearsay(report) &&
        report->cursor_after > fh_marks_cursor(store->marks, (size_t)sink)) {
        /* Delivered before an older one of the same sink was settled: see settle() in reports.c. */
        return load_early(store, 0, report, age_ms);
    }
    return 0;
}

static int replay(void *userdata, uint64_t first, const struct fh_record_key *keys, uint32_t count)
{
    struct fh_store *store = userdata;
    for (uint32_t i = 0; keys && i < count; i++) {
        int r = fh_marks_add(store->marks, keys[i], first + i);
        if (r < 0) {
            return r;
        }
    }
    /* Nothing left to be matched: the rest may stay in the gap. */
    return fh_marks_early_count(store->marks) == 0;
}

int fh_store_load(struct fh_store *store, struct fh_error *err)
{
    store->unlisted.count = 0;
    int r = each_row(store, FH_TABLE_PEER, take_peer, err);
    fh_marks_skip_rows(store->marks, store->meta.next_row);
    if (r == 0) {
        r = each_row(store, FH_TABLE_REPORTS, take_own, err);
    }
    if (r < 0 || fh_marks_early_count(store->marks) == 0) {
        return r;
    }
    r = fh_store_each_keys(store, 0, replay, store);
    if (r < 0) {
        return fh_store_damage(store, r, err, "in the key index", 0);
    }
    if (fh_marks_explicit_until(store->marks) < store->meta.next_sequence &&
        fh_marks_early_count(store->marks) > 0) {
        /* Without sinks or without rows nothing was looked at. */
        fh_marks_skip_to(store->marks, store->meta.next_sequence);
    }
    if (store->meta.source_time_ms != 0) {
        fh_marks_expire_early(store->marks, store->meta.source_time_ms - store->window_ms,
                              store->meta.source_time_ms + 86400000);
    }
    return 0;
}

/* ---- looking at everything ------------------------------------------------------------------ */

static int check_value(struct fh_store *store, enum fh_store_table table, const MDB_val *value)
{
    struct fh_raw *raw = NULL;
    struct key_room room FH_CLEANUP(key_room_done) = {NULL, 0};
    uint32_t count = 0;
    (void)store;
    switch (table) {
    case FH_TABLE_BLOCKS: {
        int r = fh_raw_decode(value->mv_data, value->mv_size, &raw);
        if (r == 0) {
            fh_raw_unref(raw);
        }
        return r == -ENOMEM ? r : r < 0 ? -EUCLEAN : 0;
    }
    case FH_TABLE_KEYS:
        return copy_keys(value, &room, &count);
    default:
        return 0; /* the rows are all read by fh_store_load */
    }
}

int fh_store_check_all(struct fh_store *store, struct fh_error *err)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    for (enum fh_store_table table = FH_TABLE_BLOCKS; r == 0 && table <= FH_TABLE_KEYS; table++) {
        MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
        uint64_t number = 0;
        r = fh_lmdb_open_cursor(txn, store->table[table], &cursor);
        for (; r == 0; number++) {
            MDB_val value = {0, NULL};
            r = fh_lmdb_seek(cursor, number, &number, &value);
            if (r == 0) {
                r = check_value(store, table, &value);
            }
        }
        if (r != -ENOENT) {
            return fh_store_damage(store, r, err, "at record", number);
        }
        r = 0;
    }
    return r;
}
