/* reader.c: owns what other threads see: committed records, cursors, state. Never changes anything
 * but references. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a batch holds on to. When records are skipped the arrays behind it are its own. */
struct handout {
    struct fh_raw *raw;
    struct fh_slice *record;
    struct fh_record_key *key;
    uint64_t *sequence;
};

static void free_handout(struct handout *handout)
{
    if (handout) {
        fh_raw_unref(handout->raw);
        free(handout->record);
        free(handout->key);
        free(handout->sequence);
        free(handout);
    }
}

/* ---- blocks --------------------------------------------------------------------------------- */

static int read_block(struct fh_store *store, MDB_txn *txn, uint64_t first, const MDB_val *value,
                      struct fh_raw **ret)
{
    struct fh_raw *raw = NULL;
    MDB_val row = {0, NULL};
    int r = fh_raw_decode(value->mv_data, value->mv_size, &raw);
    if (r < 0) {
        return r == -ENOMEM ? r : -EUCLEAN;
    }
    uint32_t count = 0;
    int64_t age_ms = 0;
    r = fh_lmdb_get(txn, store->table[FH_TABLE_KEYS], first, &row);
    if (r == 0) {
        r = fh_keys_decode(row.mv_data, row.mv_size, raw->key, raw->count, &count, &age_ms);
    }
    if (r < 0 || raw->first_sequence != first || count != raw->count) {
        fh_raw_unref(raw);
        return -EUCLEAN;
    }
    *ret = raw;
    return 0;
}

/* The block that holds the sequence, or the first one behind it. -ENOENT: none. */
static int load_block(struct fh_store *store, uint64_t sequence, struct fh_raw **ret,
                      struct fh_error *err)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_BLOCKS], &cursor);
    }
    uint64_t first = sequence;
    MDB_val value = {0, NULL};
    struct fh_block_head head = {0};
    if (r == 0) {
        r = fh_lmdb_seek_back(cursor, sequence, &first, &value);
        if (r == 0 && fh_block_peek(value.mv_data, value.mv_size, &head) < 0) {
            r = -EUCLEAN;
        }
        if (r == -ENOENT || (r == 0 && first + head.count <= sequence)) {
            r = fh_lmdb_seek(cursor, sequence, &first, &value);
        }
    }
    if (r == 0) {
        r = read_block(store, txn, first, &value, ret);
    }
    return r < 0 && r != -ENOENT ? fh_store_damage(store, r, err, "at record", first) : r;
}

int fh_store_find_block(struct fh_store *store, uint64_t sequence, struct fh_raw **ret,
                        struct fh_error *err)
{
    fh_store_lock(store);
    *ret = fh_cache_find(&store->cache, sequence);
    fh_store_unlock(store);
    return *ret ? 0 : load_block(store, sequence, ret, err);
}

int fh_store_behind_block(struct fh_store *store, uint64_t sequence, uint64_t *ret_next)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    MDB_val value = {0, NULL};
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_BLOCKS], &cursor);
    }
    if (r == 0) {
        r = fh_lmdb_seek(cursor, sequence + 1, ret_next, &value);
    }
    if (r == -ENOENT) {
        *ret_next = UINT64_MAX;
        return 0;
    }
    return r;
}

/* ---- batches -------------------------------------------------------------------------------- */

static void hand_out_all(struct handout *handout, uint32_t from, struct fh_store_batch *ret)
{
    const struct fh_raw *raw = handout->raw;
    const char *start = raw->record[from].data;
    *ret = (struct fh_store_batch){
        .count = raw->count - from,
        .record = raw->record + from,
        .key = raw->key + from,
        .sequence = raw->sequence + from,
        .raw = {start, (size_t)(raw->data + raw->len - start)},
    };
}

static int hand_out_some(struct handout *handout, uint32_t from, const uint32_t *offset,
                         uint32_t count, struct fh_store_batch *ret)
{
    const struct fh_raw *raw = handout->raw;
    handout->record = malloc(count * sizeof(*handout->record));
    handout->key = malloc(count * sizeof(*handout->key));
    handout->sequence = malloc(count * sizeof(*handout->sequence));
    if (!handout->record || !handout->key || !handout->sequence) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        handout->record[i] = raw->record[from + offset[i]];
        handout->key[i] = raw->key[from + offset[i]];
        handout->sequence[i] = raw->sequence[from + offset[i]];
    }
    *ret = (struct fh_store_batch){
        .count = count,
        .record = handout->record,
        .key = handout->key,
        .sequence = handout->sequence,
    };
    return 0;
}

/* sink < 0: whatever their delivery. */
static int fill_batch(struct fh_store *store, int sink, struct handout *handout, uint64_t sequence,
                      struct fh_store_batch *ret)
{
    const struct fh_raw *raw = handout->raw;
    uint32_t from = (uint32_t)(sequence - raw->first_sequence);
    uint32_t rest = raw->count - from;
    if (sink < 0 || rest == 0) {
        hand_out_all(handout, from, ret);
        return 0;
    }
    uint32_t *offset = NULL;
    fh_store_lock(store);
    /* The usual case of a primary: nothing of the block was ever reported by the peer. */
    bool plain = sequence >= fh_marks_explicit_until(store->marks) &&
                 sequence >= fh_marks_cursor(store->marks, (size_t)sink);
    uint32_t count = rest;
    if (!plain) {
        offset = malloc(rest * sizeof(*offset));
        count =
            offset ? fh_marks_undelivered(store->marks, (size_t)sink, sequence, rest, offset) : 0;
    }
    fh_store_unlock(store);
    int r = 0;
    if (!plain && !offset) {
        r = -ENOMEM;
    } else if (count == rest) {
        hand_out_all(handout, from, ret);
    } else if (count > 0) {
        r = hand_out_some(handout, from, offset, count, ret);
    }
    free(offset);
    return r < 0 ? r : (int)(count > 0);
}

static int serve(struct fh_store *store, int sink, uint64_t sequence, uint64_t *inout_sequence,
                 struct fh_store_batch *ret, struct fh_error *err)
{
    struct fh_raw *raw = NULL;
    int r = fh_store_find_block(store, sequence, &raw, err);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    struct handout *handout = calloc(1, sizeof(*handout));
    if (!handout) {
        fh_raw_unref(raw);
        return fh_error_set(err, -ENOMEM, "no memory for a batch of records");
    }
    handout->raw = raw;
    uint64_t end = raw->first_sequence + raw->count;
    sequence = sequence < raw->first_sequence ? raw->first_sequence : sequence;
    *ret = (struct fh_store_batch){0};
    r = fill_batch(store, sink, handout, sequence, ret);
    if (r < 0 || ret->count == 0) {
        free_handout(handout);
    } else {
        ret->block = handout;
    }
    if (r < 0) {
        return fh_error_set(err, r, "no memory for a batch of records");
    }
    *inout_sequence = end;
    return 1;
}

static uint64_t next_sequence(struct fh_store *store)
{
    pthread_mutex_lock(&store->shown_lock);
    uint64_t next = store->state.next_sequence;
    pthread_mutex_unlock(&store->shown_lock);
    return next;
}

int fh_store_next(struct fh_store *store, const char *sink, uint64_t *inout_sequence,
                  struct fh_store_batch *ret, struct fh_error *err)
{
    int index = fh_store_find_sink(store, sink);
    if (index < 0) {
        return fh_error_set(err, -EINVAL, "the store was opened without a sink named %s", sink);
    }
    fh_store_lock(store);
    bool leading = store->leading;
    uint64_t cursor = fh_marks_cursor(store->marks, (size_t)index);
    fh_store_unlock(store);
    uint64_t next = next_sequence(store);
    if (!leading) {
        return fh_error_set(err, -EPERM, "this node does not lead: %s may not deliver", sink);
    }
    uint64_t sequence = *inout_sequence > cursor ? *inout_sequence : cursor;
    return sequence >= next ? 0 : serve(store, index, sequence, inout_sequence, ret, err);
}

int fh_store_read(struct fh_store *store, uint64_t *inout_sequence, struct fh_store_batch *ret,
                  struct fh_error *err)
{
    uint64_t next = next_sequence(store);
    uint64_t sequence = *inout_sequence;
    return sequence >= next ? 0 : serve(store, -1, sequence, inout_sequence, ret, err);
}

void fh_store_batch_done(struct fh_store *store, struct fh_store_batch *batch)
{
    (void)store;
    free_handout(batch->block);
    *batch = (struct fh_store_batch){0};
}

/* ---- waiting and looking ----------------------------------------------------------------------
 */

uint64_t fh_store_ticket(struct fh_store *store)
{
    pthread_mutex_lock(&store->shown_lock);
    uint64_t ticket = store->wake_count;
    pthread_mutex_unlock(&store->shown_lock);
    return ticket;
}

void fh_store_wait(struct fh_store *store, uint64_t ticket, uint64_t sequence, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&store->shown_lock);
    int r = 0;
    while (r == 0 && store->state.next_sequence <= sequence && store->wake_count == ticket) {
        r = pthread_cond_timedwait(&store->committed, &store->shown_lock, &until);
    }
    pthread_mutex_unlock(&store->shown_lock);
}

void fh_store_wake(struct fh_store *store)
{
    pthread_mutex_lock(&store->shown_lock);
    store->wake_count++;
    pthread_cond_broadcast(&store->committed);
    pthread_mutex_unlock(&store->shown_lock);
}

uint64_t fh_store_id(const struct fh_store *store)
{
    return store->id;
}

void fh_store_state(struct fh_store *store, struct fh_store_state *ret)
{
    pthread_mutex_lock(&store->shown_lock);
    *ret = store->state;
    pthread_mutex_unlock(&store->shown_lock);
}

int fh_store_cursor(struct fh_store *store, const char *sink, struct fh_store_cursor *ret)
{
    int index = fh_store_find_sink(store, sink);
    if (index < 0) {
        return index;
    }
    pthread_mutex_lock(&store->shown_lock);
    *ret = store->cursor[index];
    pthread_mutex_unlock(&store->shown_lock);
    return 0;
}

int fh_store_get_note(struct fh_store *store, const char *key, void *bytes, size_t *inout_len)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r < 0) {
        return r;
    }
    MDB_val name = fh_lmdb_value(key, strlen(key));
    MDB_val value = {0, NULL};
    r = name.mv_size == 0 || name.mv_size > 64
            ? -EINVAL
            : fh_lmdb_error(mdb_get(txn, store->table[FH_TABLE_NOTES], &name, &value));
    if (r < 0) {
        return r;
    }
    size_t room = *inout_len;
    *inout_len = value.mv_size;
    if (value.mv_size > room) {
        return -ENOBUFS;
    }
    if (value.mv_size > 0) {
        memcpy(bytes, value.mv_data, value.mv_size);
    }
    return 0;
}
