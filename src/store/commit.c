/* commit.c: owns the one transaction in which everything staged becomes durable together. Never
 * decides what is delivered. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define META_BYTES    (8 * 10 + 8 * FH_PARTITIONS)
#define ROWS_A_TIME   256
#define NO_ROOM_BYTES (1 << 20)
#define STATE_NUMBER  1
#define READERS_EVERY 256 /* commits */

/* ---- writing ------------------------------------------------------------------------------ */

int fh_store_write_meta(struct fh_store *store, MDB_txn *txn)
{
    const struct fh_store_meta *meta = &store->meta;
    unsigned char payload[META_BYTES];
    uint64_t word[10] = {
        FH_STORE_FORMAT | (uint64_t)meta->last_primary << 32,
        meta->store_id,
        meta->epoch,
        meta->peer_store_id,
        meta->peer_applied,
        (uint64_t)meta->source_time_ms,
        meta->next_sequence,
        meta->next_report,
        meta->next_row,
        meta->given_up,
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(word); i++) {
        fh_put64(payload + 8 * i, word[i]);
    }
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        fh_put64(payload + 80 + 8 * i, (uint64_t)meta->received.partition_ms[i]);
    }
    unsigned char row[FH_ROW_HEAD + META_BYTES];
    fh_row_encode(0, 0, payload, sizeof(payload), row);
    return fh_lmdb_put(txn, store->table[FH_TABLE_META], STATE_NUMBER, row, sizeof(row), 0);
}

static int write_blocks(struct fh_store *store, MDB_txn *txn)
{
    int r = fh_store_merge_write(store, txn);
    for (size_t i = 0; r == 0 && i < store->blocks.count; i++) {
        r = fh_store_put_block(store, txn, &store->blocks.item[i]);
    }
    return r;
}

static int write_rows(struct fh_store *store, MDB_txn *txn)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < store->reports.count; i++) {
        const struct fh_staged_row *row = &store->reports.item[i];
        r = fh_lmdb_put(txn, store->table[FH_TABLE_REPORTS], row->number, row->bytes, row->len, 0);
    }
    for (size_t i = 0; r == 0 && i < store->peer_rows.count; i++) {
        const struct fh_staged_row *row = &store->peer_rows.item[i];
        r = fh_lmdb_put(txn, store->table[FH_TABLE_PEER], row->number, row->bytes, row->len, 0);
    }
    for (size_t i = 0; r == 0 && i < store->forgotten_rows.count; i++) {
        r = fh_lmdb_delete(txn, store->table[FH_TABLE_PEER], store->forgotten_rows.item[i]);
    }
    for (size_t i = 0; r == 0 && i < store->notes.count; i++) {
        struct fh_staged_note *note = &store->notes.item[i];
        MDB_val key = {strlen(note->key), note->key};
        MDB_val value = {note->len, note->bytes};
        r = fh_lmdb_error(mdb_put(txn, store->table[FH_TABLE_NOTES], &key, &value, 0));
    }
    return r;
}

static int write_cursors(struct fh_store *store, MDB_txn *txn)
{
    for (size_t i = 0; i < store->sinks; i++) {
        uint64_t cursor = fh_marks_cursor(store->marks, i);
        if (cursor == store->cursor_written[i]) {
            continue;
        }
        unsigned char bytes[8];
        fh_put64(bytes, cursor);
        MDB_val key = {strlen(store->sink_name[i]), store->sink_name[i]};
        MDB_val value = {sizeof(bytes), bytes};
        int r = fh_lmdb_error(mdb_put(txn, store->table[FH_TABLE_SINKS], &key, &value, 0));
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* ---- what readers will see ---------------------------------------------------------------- */

int fh_store_measure(struct fh_store *store, MDB_txn *txn, uint64_t *ret_used)
{
    uint64_t pages = 2; /* the two meta pages */
    uint64_t blocks = 0;
    for (size_t i = 0; i < FH_TABLES; i++) {
        MDB_stat stat;
        int r = fh_lmdb_error(mdb_stat(txn, store->table[i], &stat));
        if (r < 0) {
            return r;
        }
        uint64_t of_table = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
        pages += of_table;
        blocks = i == FH_TABLE_BLOCKS ? of_table : blocks;
    }
    store->block_bytes_used = blocks * store->page_size;
    *ret_used = pages * store->page_size;
    return 0;
}

/* The checkpoint that holds for everything below the lowest cursor: the one in force before the
 * first record of the block the cursor stands in. */
static int delivered_checkpoint(struct fh_store *store, MDB_cursor *blocks,
                                struct fh_checkpoint *ret)
{
    uint64_t lowest = fh_store_required_cursor(store);
    lowest = lowest == UINT64_MAX ? fh_marks_lowest_cursor(store->marks) : lowest;
    if (lowest >= store->meta.next_sequence) {
        *ret = store->meta.received;
        return 0;
    }
    uint64_t first = 0;
    MDB_val value = {0, NULL};
    int r = fh_lmdb_seek_back(blocks, lowest, &first, &value);
    if (r == -ENOENT) {
        r = fh_lmdb_seek(blocks, 0, &first, &value);
    }
    struct fh_block_head head = {0};
    if (r < 0 || fh_block_peek(value.mv_data, value.mv_size, &head) < 0) {
        return -EUCLEAN;
    }
    *ret = head.before;
    return 0;
}

int fh_store_collect(struct fh_store *store, MDB_txn *txn, struct fh_store_state *ret)
{
    const struct fh_store_meta *meta = &store->meta;
    MDB_cursor *blocks FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_BLOCKS], &blocks);
    if (r < 0) {
        return r;
    }
    struct fh_store_state state = {
        .epoch = meta->epoch,
        .last_primary = meta->last_primary,
        .received = meta->received,
        .next_sequence = meta->next_sequence,
        .own_report_last = meta->next_report - 1,
        .peer_store_id = meta->peer_store_id,
        .peer_report_applied = meta->peer_applied,
        .size_limit = store->size_limit,
        .unmatched_reports = fh_marks_early_count(store->marks),
        .source_time_ms = meta->source_time_ms,
        .given_up = meta->given_up,
        .forgotten_ms = store->forgotten_ms,
    };
    MDB_val value = {0, NULL};
    r = fh_lmdb_seek(blocks, 0, &state.first_sequence, &value);
    if (r == -ENOENT) {
        state.first_sequence = meta->next_sequence;
        r = 0;
    }
    if (r == 0) {
        r = delivered_checkpoint(store, blocks, &state.delivered);
    }
    if (r == 0) {
        r = fh_store_measure(store, txn, &state.bytes_used);
    }
    if (r == 0) {
        *ret = state;
    }
    return r;
}

void fh_store_publish(struct fh_store *store, const struct fh_store_state *state)
{
    fh_store_lock(store);
    fh_store_merge_done(store);
    for (size_t i = 0; i < store->blocks.count; i++) {
        fh_cache_push(&store->cache, store->blocks.item[i].raw);
        fh_store_merge_count(store, store->blocks.item[i].raw);
    }
    fh_store_unlock(store);
    pthread_mutex_lock(&store->shown_lock);
    store->state = *state;
    for (size_t i = 0; i < store->sinks; i++) {
        store->cursor[i].cursor = fh_marks_cursor(store->marks, i);
        store->cursor[i].pending = fh_marks_pending(store->marks, i, state->next_sequence);
        store->cursor[i].missed = store->missed[i];
    }
    pthread_cond_broadcast(&store->committed);
    pthread_mutex_unlock(&store->shown_lock);
    store->used_bytes = state->bytes_used;
    fh_store_staged_clear(store);
}

/* ---- the transaction ---------------------------------------------------------------------- */

static bool anything_staged(const struct fh_store *store)
{
    if (store->blocks.count > 0 || store->reports.count > 0 || store->peer_rows.count > 0 ||
        store->forgotten_rows.count > 0 || store->notes.count > 0 || store->meta_dirty) {
        return true;
    }
    for (size_t i = 0; i < store->sinks; i++) {
        if (fh_marks_cursor(store->marks, i) != store->cursor_written[i]) {
            return true;
        }
    }
    return false;
}

void fh_store_forget_row(void *userdata, uint64_t row)
{
    struct fh_store *store = userdata;
    for (size_t i = 0; i < store->peer_rows.count; i++) {
        if (store->peer_rows.item[i].number == row) { /* not written yet: never will be */
            free(store->peer_rows.item[i].bytes);
            store->peer_rows.item[i] = store->peer_rows.item[--store->peer_rows.count];
            return;
        }
    }
    /* Without memory the row stays until the next start looks at it again. */
    if (FH_LIST_RESERVE(&store->forgotten_rows) == 0) {
        store->forgotten_rows.item[store->forgotten_rows.count++] = row;
    }
}

static int write_all(struct fh_store *store, MDB_txn *txn, struct fh_store_state *ret_state,
                     bool *ret_more)
{
    int r = write_blocks(store, txn);
    if (r == 0) {
        r = write_rows(store, txn);
    }
    if (r == 0) {
        r = write_cursors(store, txn);
    }
    if (r == 0) {
        r = fh_store_write_meta(store, txn);
    }
    if (r == 0) {
        r = fh_store_retain(store, txn, false, ret_more);
    }
    return r < 0 ? r : fh_store_collect(store, txn, ret_state);
}

static int explain(const struct fh_store *store, int code, struct fh_error *err)
{
    char text[128];
    if (code == -ENOSPC && store->disk_full) {
        return fh_error_set(err, code, "the file system of %s is full (or a quota is used up)",
                            store->path);
    }
    if (code == -ENOSPC) {
        return fh_error_set(err, code, "the store is full (store.size_limit)");
    }
    if (code == -EUCLEAN) {
        return fh_store_damage(store, code, err, "while committing at record",
                               store->meta.next_sequence);
    }
    return fh_error_set(err, code, "cannot write to %s: %s", store->path,
                        fh_strerror(code, text, sizeof(text)));
}

/* LMDB says EIO of a write that was cut short, as the last one onto a full disk is. */
static bool no_room_left(const struct fh_store *store)
{
    struct statvfs fs;
    return statvfs(store->path, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)NO_ROOM_BYTES;
}

/* One try at everything. */
static int commit_all(struct fh_store *store)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    struct fh_store_state state = {0};
    bool more = false;
    int r = fh_lmdb_begin(store->env, 0, &txn);
    if (r == 0) {
        r = write_all(store, txn, &state, &more);
    }
    if (r < 0) {
        return r;
    }
    int code = mdb_txn_commit(txn);
    txn = NULL; /* gone either way */
    store->disk_full = code == ENOSPC || code == EDQUOT || (code == EIO && no_room_left(store));
    if (code != 0) {
        return store->disk_full ? -ENOSPC : fh_lmdb_error(code);
    }
    store->retention_due = more;
    for (size_t i = 0; i < store->sinks; i++) {
        store->cursor_written[i] = fh_marks_cursor(store->marks, i);
    }
    fh_store_publish(store, &state);
    return 0;
}

/* The file is full before its end, for want of pages in a row: drop delivered blocks by themselves.
 * Twice, because LMDB reuses freed pages only when the transaction after is over. */
static int make_room(struct fh_store *store)
{
    int r = 0;
    for (int i = 0; r == 0 && i < 2; i++) {
        MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
        bool more = false;
        r = fh_lmdb_begin(store->env, 0, &txn);
        if (r == 0) {
            r = fh_store_retain(store, txn, true, &more);
        }
        if (r == 0) {
            r = fh_lmdb_error(mdb_txn_commit(txn));
            txn = NULL;
        }
    }
    return r;
}

int fh_store_commit(struct fh_store *store, struct fh_error *err)
{
    store->disk_full = false;
    int r = fh_store_close_block(store);
    if (r == 0) {
        r = fh_store_give_way(store);
    }
    if (r < 0) {
        return explain(store, r, err);
    }
    fh_store_give_up_early(store);
    fh_store_lock(store);
    fh_marks_drop_rows(store->marks, ROWS_A_TIME, fh_store_forget_row, store);
    fh_store_unlock(store);
    if (store->retention_due) {
        fh_store_expire_unlisted(store);
    }
    if (!anything_staged(store) && !fh_store_retention_wanted(store)) {
        return 0;
    }
    /* firehosectl reads from a process of its own: one that was killed while it did must not keep
     * pages from being used again. */
    if (++store->commits % READERS_EVERY == 0) {
        int dead;
        mdb_reader_check(store->env, &dead);
    }
    store->meta.next_row = fh_marks_next_row(store->marks);
    fh_store_merge_prepare(store);
    r = commit_all(store);
    fh_store_merge_forget(store); /* committed, or tried again another time */
    if (r == -ENOSPC && !store->disk_full && make_room(store) == 0) {
        r = commit_all(store);
    }
    return r < 0 ? explain(store, r, err) : 0;
}

int fh_store_sync(struct fh_store *store, struct fh_error *err)
{
    int r = fh_lmdb_error(mdb_env_sync(store->env, 1));
    return r < 0 ? explain(store, r, err) : 0;
}
