/* give_up.c: owns what a standby gives up: records it holds and the peer will never report, for it
 * did not receive them. As soon as the peer's reports are a whole window further they will not come
 * any more, and they must not hold back the cursor and the space behind it for ever. What is in an
 * own batch in doubt is not among them: that would look as if the peer had delivered it. */
#include "internal.h"

#include <errno.h>

/* Of a standby without room: such records had time to come to the peer later, and to be offered to
 * it (pipeline/repair.c). */
#define FULL_PATIENCE_MS 60000
#define WILD_MS          86400000
#define WILD_A_TIME      256

/* When the record came, in source time and ten minutes late (fh_store_age); INT64_MAX: not known.
 */
static int64_t came_at(struct fh_store *store, uint64_t sequence)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    MDB_val value = {0, NULL};
    uint64_t first = 0;
    uint32_t count = 0;
    int64_t age_ms = 0;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_KEYS], &cursor);
    }
    if (r == 0) {
        r = fh_lmdb_seek_back(cursor, sequence, &first, &value);
    }
    if (r == 0) {
        r = fh_keys_decode(value.mv_data, value.mv_size, NULL, 0, &count, &age_ms);
    }
    return r < 0 || first + count <= sequence ? INT64_MAX : age_ms;
}

/* A stamp far ahead is never old. Where such a record is the one that holds the cursor back, it
 * goes by when it came. */
static size_t give_up_wild(struct fh_store *store, size_t sink, int64_t before_ms)
{
    size_t count = 0;
    for (; count < WILD_A_TIME; count++) {
        struct fh_record_key key;
        uint64_t sequence = 0;
        if (!fh_marks_lowest_pending(store->marks, sink, &key, &sequence) ||
            key.timestamp_ms <= store->meta.source_time_ms + WILD_MS ||
            came_at(store, sequence) - FH_STORE_AHEAD_MS >= before_ms) {
            break;
        }
        fh_store_lock(store);
        fh_marks_deliver_below(store->marks, sink, sequence + 1);
        fh_store_unlock(store);
    }
    return count;
}

void fh_store_give_up(struct fh_store *store, int64_t patience_ms)
{
    if (store->leading || !store->peer_seen) { /* the writer's own orders */
        return;
    }
    for (size_t i = 0; i < store->sinks; i++) {
        int64_t now = store->peer_low_ms[i];
        if (now > store->meta.source_time_ms) {
            now = store->meta.source_time_ms;
        }
        if (now <= INT64_MIN + patience_ms ||
            fh_store_prepared_until(store, store->sink_name[i]) != 0) {
            continue;
        }
        fh_store_lock(store);
        size_t count = fh_marks_give_up(store->marks, i, now - patience_ms);
        fh_store_unlock(store);
        count += give_up_wild(store, i, now - patience_ms);
        store->meta.given_up += count;
        store->meta_dirty = store->meta_dirty || count > 0;
    }
}

/* Full, because all that was reported lies behind one record that was not: source time stands still
 * while nothing is received, so a whole window would never be over. */
void fh_store_give_up_early(struct fh_store *store)
{
    uint64_t seen = store->meta.next_sequence + store->meta.peer_applied;
    if (store->full && seen != store->given_up_at) { /* else it would find the same again */
        store->given_up_at = seen;
        fh_store_give_up(store, FULL_PATIENCE_MS);
    }
}
