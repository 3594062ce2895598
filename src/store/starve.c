/* starve.c: owns the way out when the store is full of what is only remembered: keys of records
 * that are gone, and own reports. They are kept by source time, which stands still while the stream
 * is held back for want of room, so they would fill the store for ever. The oldest of them go
 * before their time, as the oldest minutes of the de-duplication do (dedup.max_records). Never
 * touches what is to be delivered, nor a report in doubt. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>

#define FORGOTTEN_NOTE "forgotten"
#define FORGOTTEN_LEN  (sizeof(FORGOTTEN_NOTE) - 1)

/* Appending ends at three quarters. Where records that wait for their sinks take half of it, those
 * sinks make the room. */
bool fh_store_starves(const struct fh_store *store)
{
    return store->used_bytes > store->size_limit / 10 * 7 &&
           store->block_bytes_used < store->used_bytes / 2;
}

struct oldest {
    MDB_cursor *cursor;
    uint64_t from; /* those in front of it stay */
    bool any;
    uint64_t number;
    int64_t age_ms;
    size_t len;
};

static void close_cursor(struct oldest *oldest)
{
    fh_lmdb_cursor_close(&oldest->cursor);
}

/* Key rows of blocks that are gone. */
static int look_at_keys(struct oldest *keys, uint64_t first_block)
{
    MDB_val value = {0, NULL};
    uint32_t count = 0;
    int r = fh_lmdb_seek(keys->cursor, 0, &keys->number, &value);
    keys->any = r == 0 && keys->number < first_block;
    if (!keys->any) {
        return r == -ENOENT ? 0 : r;
    }
    keys->len = value.mv_size;
    return fh_keys_decode(value.mv_data, value.mv_size, NULL, 0, &count, &keys->age_ms) < 0
               ? -EUCLEAN
               : 0;
}

static int look_at_reports(struct fh_store *store, struct oldest *reports)
{
    MDB_val value = {0, NULL};
    int64_t newest_ms = 0;
    const void *payload = NULL;
    size_t len = 0;
    int r;
    do {
        r = fh_lmdb_seek(reports->cursor, reports->from, &reports->number, &value);
        reports->from = reports->number + 1;
    } while (r == 0 && fh_store_in_doubt(store, reports->number));
    reports->any = r == 0;
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    reports->from = reports->number;
    reports->len = value.mv_size;
    return fh_row_decode(value.mv_data, value.mv_size, false, &newest_ms, &reports->age_ms,
                         &payload, &len) < 0
               ? -EUCLEAN
               : 0;
}

static int keep_note(struct fh_store *store, MDB_txn *txn)
{
    unsigned char bytes[8];
    fh_put64(bytes, (uint64_t)store->forgotten_ms);
    MDB_val key = fh_lmdb_value(FORGOTTEN_NOTE, FORGOTTEN_LEN);
    MDB_val value = {sizeof(bytes), bytes};
    return fh_lmdb_error(mdb_put(txn, store->table[FH_TABLE_NOTES], &key, &value, 0));
}

void fh_store_load_forgotten(struct fh_store *store)
{
    unsigned char bytes[8];
    size_t len = sizeof(bytes);
    if (fh_store_get_note(store, FORGOTTEN_NOTE, bytes, &len) == 0 && len == sizeof(bytes)) {
        store->forgotten_ms = (int64_t)fh_get64(bytes);
    }
}

static int drop(struct fh_store *store, struct oldest *keys, struct oldest *reports,
                uint64_t first_block, size_t limit)
{
    uint64_t too_much = store->used_bytes - store->size_limit / 10 * 7;
    for (size_t i = 0; i < limit && too_much > 0; i++) {
        int r = look_at_keys(keys, first_block);
        r = r < 0 ? r : look_at_reports(store, reports);
        if (r < 0 || (!keys->any && !reports->any)) {
            return r;
        }
        bool key = keys->any && (!reports->any || keys->age_ms <= reports->age_ms);
        struct oldest *oldest = key ? keys : reports;
        if (key && keys->age_ms > store->forgotten_ms) {
            store->forgotten_ms = keys->age_ms;
        }
        r = fh_lmdb_error(mdb_cursor_del(oldest->cursor, 0));
        if (r < 0) {
            return r;
        }
        too_much -= oldest->len < too_much ? oldest->len : too_much;
    }
    return 0;
}

int fh_store_drop_remembered(struct fh_store *store, MDB_txn *txn, uint64_t first_block,
                             size_t limit)
{
    struct oldest keys FH_CLEANUP(close_cursor) = {.cursor = NULL};
    struct oldest reports FH_CLEANUP(close_cursor) = {.cursor = NULL};
    int r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_KEYS], &keys.cursor);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_REPORTS], &reports.cursor);
    }
    if (r == 0) {
        r = drop(store, &keys, &reports, first_block, limit);
    }
    return r < 0 ? r : keep_note(store, txn);
}
