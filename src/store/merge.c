/* merge.c: owns how blocks get into the tables, and turns runs of small ones into one. Never
 * changes a record.
 *
 * At a low rate every commit brings a block of a few records, which compress badly and fill a page
 * each. Once the small blocks at the end add up to a whole block they are replaced by it, in the
 * transaction of a commit that happens anyway: every record is written at most twice. The
 * checkpoint in force before the first of them stands for all: it says less than it could, never
 * more. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

int fh_store_put_block(struct fh_store *store, MDB_txn *txn, const struct fh_staged_block *block)
{
    const struct fh_raw *raw = block->raw;
    int r = fh_lmdb_put(txn, store->table[FH_TABLE_BLOCKS], raw->first_sequence, block->bytes,
                        block->len, MDB_APPEND);
    if (r < 0) {
        return r;
    }
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, raw->first_sequence);
    MDB_val value = {fh_keys_size(raw->count), NULL};
    r = fh_lmdb_error(
        mdb_put(txn, store->table[FH_TABLE_KEYS], &key, &value, MDB_APPEND | MDB_RESERVE));
    if (r < 0) {
        return r;
    }
    fh_keys_encode(raw->key, raw->count, block->age_ms, value.mv_data);
    return 0;
}

/* ---- the run ------------------------------------------------------------------------------ */

static void end_run(struct fh_store *store)
{
    store->small_from = 0;
    store->small_raw = 0;
}

void fh_store_merge_count(struct fh_store *store, const struct fh_raw *raw)
{
    if (raw->len >= store->block_bytes / 2) {
        end_run(store);
        return;
    }
    if (store->small_from == 0) {
        store->small_from = raw->first_sequence;
    }
    store->small_raw += raw->len;
}

static int add_all(struct fh_raw *merged, const struct fh_raw *raw)
{
    int r = fh_raw_reserve(merged, raw->len, raw->count);
    for (uint32_t i = 0; r == 0 && i < raw->count; i++) {
        r = fh_raw_add(merged, raw->record[i].data, raw->record[i].len, raw->key[i]);
    }
    return r;
}

/* All records from the start of the run to the last committed one. */
static int collect(struct fh_store *store, uint64_t end, struct fh_raw *merged)
{
    int r = 0;
    for (uint64_t at = merged->first_sequence; r == 0 && at < end;) {
        struct fh_raw *raw = NULL;
        r = fh_store_find_block(store, at, &raw, NULL);
        if (r < 0) {
            return r;
        }
        if (raw->first_sequence != at) {
            r = -ESTALE; /* the beginning of the run was dropped meanwhile */
        } else {
            if (at == merged->first_sequence) {
                merged->before = raw->before;
            }
            r = add_all(merged, raw);
            at += raw->count;
        }
        fh_raw_unref(raw);
    }
    return r;
}

void fh_store_merge_prepare(struct fh_store *store)
{
    if (store->small_raw < store->block_bytes) {
        return;
    }
    uint64_t end = store->state.next_sequence;
    struct fh_raw *raw =
        fh_raw_new(store->small_from, store->small_raw, (uint32_t)(end - store->small_from));
    if (!raw || collect(store, end, raw) < 0 ||
        fh_store_encode_block(store, raw, &store->merged) < 0) {
        /* Then they stay as they are: nothing depends on it. */
        fh_raw_unref(raw);
        end_run(store);
        return;
    }
    fh_raw_seal(raw);
    store->merged.raw = raw;
}

static int delete_from(MDB_txn *txn, MDB_dbi table, uint64_t from)
{
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    uint64_t first = 0;
    MDB_val value = {0, NULL};
    int r = fh_lmdb_open_cursor(txn, table, &cursor);
    while (r == 0) {
        r = fh_lmdb_seek(cursor, from, &first, &value);
        if (r == 0) {
            r = fh_lmdb_error(mdb_cursor_del(cursor, 0));
        }
    }
    return r == -ENOENT ? 0 : r;
}

int fh_store_merge_write(struct fh_store *store, MDB_txn *txn)
{
    const struct fh_raw *raw = store->merged.raw;
    if (!raw) {
        return 0;
    }
    int r = delete_from(txn, store->table[FH_TABLE_BLOCKS], raw->first_sequence);
    if (r == 0) {
        r = delete_from(txn, store->table[FH_TABLE_KEYS], raw->first_sequence);
    }
    return r < 0 ? r : fh_store_put_block(store, txn, &store->merged);
}

void fh_store_merge_done(struct fh_store *store)
{
    if (store->merged.raw) {
        fh_cache_cut(&store->cache, store->merged.raw->first_sequence);
        fh_cache_push(&store->cache, store->merged.raw);
        end_run(store);
    }
}

void fh_store_merge_forget(struct fh_store *store)
{
    fh_raw_unref(store->merged.raw);
    free(store->merged.bytes);
    store->merged = (struct fh_staged_block){0};
}
