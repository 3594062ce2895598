/* retention.c: owns what may be dropped because of its age, and drops it in small portions. Never
 * drops a record that a listed sink still wants, nor a report in doubt. */
#include "internal.h"

#include <errno.h>

#define DROPS_A_TIME      16
#define DROPS_A_TIME_FULL 256

/* Above this share delivered blocks go even when they are younger than the window. */
static bool crowded(const struct fh_store *store)
{
    return store->used_bytes > store->size_limit / 10 * 6;
}

bool fh_store_retention_wanted(const struct fh_store *store)
{
    return store->retention_due;
}

static int drop_blocks(struct fh_store *store, MDB_txn *txn, bool alone, size_t limit,
                       uint64_t *ret_first, bool *ret_more)
{
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_BLOCKS], &cursor);
    if (r < 0) {
        return r;
    }
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < store->sinks; i++) {
        /* When alone, only what is committed counts. */
        uint64_t mark = alone ? store->cursor_written[i] : fh_marks_cursor(store->marks, i);
        lowest = mark < lowest ? mark : lowest;
    }
    size_t dropped = 0;
    for (;;) {
        uint64_t first = 0;
        MDB_val value = {0, NULL};
        r = fh_lmdb_seek(cursor, 0, &first, &value);
        if (r == -ENOENT) {
            *ret_first = store->meta.next_sequence;
            return 0;
        }
        struct fh_block_head head = {0};
        if (r < 0 || fh_block_peek(value.mv_data, value.mv_size, &head) < 0) {
            return r < 0 ? r : -EUCLEAN;
        }
        *ret_first = first;
        if (first + head.count > lowest ||
            (!alone && !fh_store_expired(store, head.age_ms) && !crowded(store))) {
            return 0;
        }
        if (dropped++ == limit) {
            *ret_more = true;
            return 0;
        }
        r = fh_lmdb_error(mdb_cursor_del(cursor, 0));
        if (r < 0) {
            return r;
        }
    }
}

/* Key rows whose block is gone and whose records nobody can send again. */
static int drop_keys(struct fh_store *store, MDB_txn *txn, size_t limit, uint64_t first_block,
                     bool *ret_more)
{
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_KEYS], &cursor);
    for (size_t dropped = 0; r == 0; dropped++) {
        uint64_t first = 0;
        MDB_val value = {0, NULL};
        r = fh_lmdb_seek(cursor, 0, &first, &value);
        if (r < 0) {
            break;
        }
        uint32_t count = 0;
        int64_t age_ms = 0;
        if (fh_keys_decode(value.mv_data, value.mv_size, NULL, 0, &count, &age_ms) < 0) {
            return -EUCLEAN;
        }
        if (first >= first_block || !fh_store_expired(store, age_ms)) {
            break;
        }
        if (dropped == limit) {
            *ret_more = true;
            break;
        }
        r = fh_lmdb_error(mdb_cursor_del(cursor, 0));
    }
    return r == -ENOENT ? 0 : r;
}

bool fh_store_in_doubt(const struct fh_store *store, uint64_t number)
{
    for (size_t i = 0; i < store->prepared.count; i++) {
        if (store->prepared.item[i].report.number == number) {
            return true;
        }
    }
    return false;
}

/* Half a window longer than the records themselves: a node that comes back after hours holds
 * records it has not given up yet, and must still learn that they were delivered. */
bool fh_store_report_expired(const struct fh_store *store, int64_t age_ms)
{
    return fh_store_expired(store, age_ms + store->window_ms / 2);
}

static int drop_reports(struct fh_store *store, MDB_txn *txn, size_t limit, bool *ret_more)
{
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_REPORTS], &cursor);
    uint64_t from = 0;
    for (size_t seen = 0; r == 0; seen++) {
        uint64_t number = 0;
        MDB_val value = {0, NULL};
        r = fh_lmdb_seek(cursor, from, &number, &value);
        if (r < 0) {
            break;
        }
        int64_t newest_ms = 0;
        int64_t age_ms = 0;
        const void *payload = NULL;
        size_t len = 0;
        if (fh_row_decode(value.mv_data, value.mv_size, false, &newest_ms, &age_ms, &payload,
                          &len) < 0) {
            return -EUCLEAN;
        }
        if (!fh_store_report_expired(store, age_ms)) {
            break;
        }
        if (seen == limit) {
            *ret_more = true;
            break;
        }
        from = number + 1;
        if (!fh_store_in_doubt(store, number)) {
            r = fh_lmdb_error(mdb_cursor_del(cursor, 0));
        }
    }
    return r == -ENOENT ? 0 : r;
}

int fh_store_retain(struct fh_store *store, MDB_txn *txn, bool alone, bool *ret_more)
{
    if (!alone && !store->retention_due && !crowded(store)) {
        return 0;
    }
    size_t limit =
        alone || crowded(store) ? DROPS_A_TIME_FULL : DROPS_A_TIME + 2 * store->blocks.count;
    uint64_t first_block = 0;
    int r = drop_blocks(store, txn, alone, limit, &first_block, ret_more);
    if (r == 0) {
        r = drop_keys(store, txn, limit, first_block, ret_more);
    }
    if (r == 0) {
        r = drop_reports(store, txn, limit, ret_more);
    }
    if (r == 0 && fh_store_starves(store)) {
        r = fh_store_drop_remembered(store, txn, first_block, limit);
    }
    return r;
}
