/* give_way.c: owns what optional sinks lose when room is short: their backlog gives way, oldest
 * first, and every record of it is counted. Never touches what a required sink still wants. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCKS_A_TIME 256
#define MISSED_NOTE   "missed:"

uint64_t fh_store_required_cursor(const struct fh_store *store)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < store->sinks; i++) {
        uint64_t cursor = fh_marks_cursor(store->marks, i);
        lowest = !store->optional[i] && cursor < lowest ? cursor : lowest;
    }
    return lowest;
}

static void note_name(const struct fh_store *store, size_t sink, char name[65])
{
    snprintf(name, 65, MISSED_NOTE "%s", store->sink_name[sink]);
}

static void set_missed(struct fh_store *store, size_t sink, uint64_t missed)
{
    char name[65];
    unsigned char bytes[8];
    store->missed[sink] = missed;
    fh_put64(bytes, missed);
    note_name(store, sink, name);
    /* Without memory the next change has it written. */
    (void)fh_store_set_note(store, name, bytes, sizeof(bytes));
}

void fh_store_load_missed(struct fh_store *store)
{
    for (size_t i = 0; i < store->sinks; i++) {
        char name[65];
        unsigned char bytes[8];
        size_t len = sizeof(bytes);
        note_name(store, i, name);
        if (fh_store_get_note(store, name, bytes, &len) == 0 && len == sizeof(bytes)) {
            store->missed[i] = fh_get64(bytes);
        }
    }
}

/* The block's records are let go by every optional sink that still wants them. */
static void let_go(struct fh_store *store, uint64_t first, uint32_t count)
{
    uint64_t end = first + count;
    for (size_t i = 0; i < store->sinks; i++) {
        uint64_t cursor = fh_marks_cursor(store->marks, i);
        if (!store->optional[i] || cursor >= end) {
            continue;
        }
        uint64_t from = cursor > first ? cursor : first;
        fh_store_lock(store);
        uint32_t open = fh_marks_undelivered(store->marks, i, from, (uint32_t)(end - from), NULL);
        fh_marks_deliver_below(store->marks, i, end);
        fh_store_unlock(store);
        store->gave_way[i] = end;
        if (open > 0) {
            set_missed(store, i, store->missed[i] + open);
        }
    }
}

/* From the oldest block on, as much as brings the store below the share at which room is short. */
static int go_through(struct fh_store *store, uint64_t too_much)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *blocks FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    uint64_t required = fh_store_required_cursor(store);
    uint64_t at = 0;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_BLOCKS], &blocks);
    }
    for (size_t n = 0; r == 0 && n < BLOCKS_A_TIME; n++) {
        MDB_val value = {0, NULL};
        struct fh_block_head head = {0};
        r = fh_lmdb_seek(blocks, at, &at, &value);
        if (r == 0 && fh_block_peek(value.mv_data, value.mv_size, &head) < 0) {
            r = -EUCLEAN;
        }
        if (r < 0 || at + head.count > required) {
            break;
        }
        let_go(store, at, head.count);
        if (value.mv_size >= too_much) {
            break;
        }
        too_much -= value.mv_size;
        at += head.count;
    }
    return r == -ENOENT ? 0 : r;
}

int fh_store_give_way(struct fh_store *store)
{
    uint64_t enough = store->size_limit / 10 * 6;
    bool any = false;
    for (size_t i = 0; i < store->sinks; i++) {
        any = any || store->optional[i];
    }
    if (!any || store->used_bytes <= enough) {
        return 0;
    }
    return go_through(store, store->used_bytes - enough);
}

bool fh_store_gave_way(const struct fh_store *store, size_t sink)
{
    return store->gave_way[sink] > store->reported_until[sink];
}

void fh_store_came_through(struct fh_store *store, size_t sink, uint64_t records)
{
    if (records > 0) {
        set_missed(store, sink, store->missed[sink] > records ? store->missed[sink] - records : 0);
    }
}
