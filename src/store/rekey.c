/* rekey.c: owns the change to other record keys: the index, the own reports and the peer's, all in
 * one transaction. Never changes a record, nor what is delivered.
 *
 * Records are walked in portions of REKEY_PORTION. For each portion a table from old key to new one
 * is made, and the reports are walked with it. So memory is bounded by the table (25 MiB), one
 * block, one report, and what LMDB keeps of changed pages before it writes them: the size of the
 * index and the reports, at most 512 MiB.
 *
 * Own reports that are settled get new numbers, in the same order, and their old rows go: the peer,
 * which may have applied them under keys that meant nothing to it, takes them for new ones and asks
 * for them, and no part of the protocol has to know that keys can change. Those in doubt keep their
 * number, because the peer is asked about it; they are given out anew when they are settled. Keys
 * of the peer that belong to no record here stay: they may be the new ones already, and then they
 * find their records below. So the two nodes may change in any order and any time apart. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REKEY_PORTION   ((size_t)1 << 19)
#define REISSUE_NOTE    "reissue-reports-below"
#define REISSUE_KEY_LEN (sizeof(REISSUE_NOTE) - 1)
#define APART_NOTE      "stamps-apart-ms"
#define APART_KEY_LEN   (sizeof(APART_NOTE) - 1)

struct rekey {
    struct fh_store *store;
    MDB_txn *txn;
    fh_store_key_of key_of;
    void *userdata;
    int64_t apart_ms;
    struct fh_keytab map; /* old key -> new fingerprint */
    int64_t oldest_ms;    /* in the map */
    uint64_t next_block;
    struct fh_store_rekeyed done;
    uint64_t own_keys, own_translated;
};

static void free_keys(struct fh_record_key **keys)
{
    free(*keys);
}

static void unref_raw(struct fh_raw **raw)
{
    fh_raw_unref(*raw);
}

/* ---- records ------------------------------------------------------------------------------ */

static int translate_record(struct rekey *rekey, struct fh_slice record, struct fh_record_key *key)
{
    struct fh_record_key fresh = *key;
    int r = rekey->key_of(rekey->userdata, record.data, record.len, &fresh);
    if (r == 0) {
        r = fh_keytab_add(&rekey->map, *key, fresh.fingerprint);
    }
    if (r < 0) {
        return r;
    }
    rekey->oldest_ms = key->timestamp_ms < rekey->oldest_ms ? key->timestamp_ms : rekey->oldest_ms;
    key->fingerprint = fresh.fingerprint;
    return 0;
}

/* One block at *value: its row of the index is written anew. */
static int translate_block(struct rekey *rekey, uint64_t first, const MDB_val *value)
{
    struct fh_raw *raw FH_CLEANUP(unref_raw) = NULL;
    MDB_dbi table = rekey->store->table[FH_TABLE_KEYS];
    MDB_val row = {0, NULL};
    uint32_t count = 0;
    int64_t age_ms = 0;
    int r = fh_raw_decode(value->mv_data, value->mv_size, &raw);
    if (r < 0) {
        return r == -ENOMEM ? r : -EUCLEAN;
    }
    r = fh_lmdb_get(rekey->txn, table, first, &row);
    if (r < 0 ||
        fh_keys_decode(row.mv_data, row.mv_size, raw->key, raw->count, &count, &age_ms) < 0 ||
        count != raw->count) {
        return -EUCLEAN;
    }
    for (uint32_t i = 0; i < count; i++) {
        r = translate_record(rekey, raw->record[i], &raw->key[i]);
        if (r < 0) {
            return r;
        }
    }
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, first);
    row = (MDB_val){fh_keys_size(count), NULL};
    r = fh_lmdb_error(mdb_put(rekey->txn, table, &key, &row, MDB_RESERVE));
    if (r == 0) {
        fh_keys_encode(raw->key, count, age_ms, row.mv_data);
        rekey->done.records += count;
    }
    return r;
}

/* Fill the map with the next portion. 1: there is more; 0: that was the last. */
static int next_portion(struct rekey *rekey)
{
    MDB_cursor *blocks FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_open_cursor(rekey->txn, rekey->store->table[FH_TABLE_BLOCKS], &blocks);
    fh_keytab_done(&rekey->map);
    rekey->oldest_ms = INT64_MAX;
    while (r == 0) {
        uint64_t first = 0;
        MDB_val value = {0, NULL};
        r = fh_lmdb_seek(blocks, rekey->next_block, &first, &value);
        if (r == 0) {
            r = translate_block(rekey, first, &value);
        }
        rekey->next_block = first + 1;
        if (r == 0 && rekey->map.count >= REKEY_PORTION) {
            return 1;
        }
    }
    return r == -ENOENT ? 0 : r;
}

/* ---- reports ------------------------------------------------------------------------------ */

static uint32_t translate_keys(const struct rekey *rekey, struct fh_record_key *keys,
                               uint32_t count)
{
    uint32_t translated = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t slot = fh_keytab_find(&rekey->map, keys[i]);
        if (slot != FH_KEYTAB_NONE) {
            keys[i].fingerprint = rekey->map.slot[slot].value;
            translated++;
        }
    }
    return translated;
}

static int put_report(struct rekey *rekey, enum fh_store_table table, uint64_t number,
                      const struct fh_report *report)
{
    void *bytes = NULL;
    size_t len = 0;
    int r = fh_store_encode_report(rekey->store, report, &bytes, &len);
    if (r == 0) {
        r = fh_lmdb_put(rekey->txn, rekey->store->table[table], number, bytes, len, 0);
        free(bytes);
    }
    return r;
}

static int translate_report(struct rekey *rekey, enum fh_store_table table, uint64_t number,
                            const MDB_val *value)
{
    struct fh_report report = {0};
    struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
    int64_t newest_ms = 0;
    int64_t age_ms = 0;
    const void *payload = NULL;
    size_t len = 0;
    int r =
        fh_row_decode(value->mv_data, value->mv_size, false, &newest_ms, &age_ms, &payload, &len);
    if (r == 0 && newest_ms < rekey->oldest_ms) {
        return 0; /* nothing of it can be in the map */
    }
    r = fh_store_decode_report(value->mv_data, value->mv_size, &report, &keys);
    if (r < 0) {
        return r;
    }
    uint32_t translated = translate_keys(rekey, keys, report.count);
    if (table == FH_TABLE_REPORTS) {
        rekey->own_translated += translated;
    }
    return translated > 0 ? put_report(rekey, table, number, &report) : 0;
}

static int translate_reports(struct rekey *rekey, enum fh_store_table table)
{
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_open_cursor(rekey->txn, rekey->store->table[table], &cursor);
    for (uint64_t number = 0; r == 0; number++) {
        MDB_val value = {0, NULL};
        r = fh_lmdb_seek(cursor, number, &number, &value);
        if (r == 0) {
            r = translate_report(rekey, table, number, &value);
        }
    }
    return r == -ENOENT ? 0 : r;
}

/* ---- new numbers -------------------------------------------------------------------------- */

static int renumber_one(struct rekey *rekey, uint64_t number, const MDB_val *value)
{
    struct fh_report report = {0};
    struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
    int r = fh_store_decode_report(value->mv_data, value->mv_size, &report, &keys);
    if (r < 0) {
        return r;
    }
    rekey->own_keys += report.count;
    if (report.state == FH_REPORT_PREPARED) {
        return 0;
    }
    if (report.state == FH_REPORT_DELIVERED) {
        report.number = rekey->store->meta.next_report++;
        r = put_report(rekey, FH_TABLE_REPORTS, report.number, &report);
        rekey->done.reports++;
    }
    return r < 0 ? r : fh_lmdb_delete(rekey->txn, rekey->store->table[FH_TABLE_REPORTS], number);
}

static int put_number(struct rekey *rekey, MDB_val key, uint64_t number)
{
    unsigned char bytes[8];
    fh_put64(bytes, number);
    MDB_val value = {sizeof(bytes), bytes};
    return fh_lmdb_error(mdb_put(rekey->txn, rekey->store->table[FH_TABLE_NOTES], &key, &value, 0));
}

static bool get_number(struct fh_store *store, const char *note, uint64_t *ret)
{
    unsigned char bytes[8];
    size_t len = sizeof(bytes);
    if (fh_store_get_note(store, note, bytes, &len) < 0 || len != sizeof(bytes)) {
        return false;
    }
    *ret = fh_get64(bytes);
    return true;
}

static int renumber(struct rekey *rekey)
{
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    uint64_t end = rekey->store->meta.next_report;
    int r = fh_lmdb_open_cursor(rekey->txn, rekey->store->table[FH_TABLE_REPORTS], &cursor);
    for (uint64_t number = 0; r == 0; number++) {
        MDB_val value = {0, NULL};
        r = fh_lmdb_seek(cursor, number, &number, &value);
        if (r == 0 && number >= end) {
            break;
        }
        if (r == 0) {
            r = renumber_one(rekey, number, &value);
        }
    }
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    return put_number(rekey, fh_lmdb_value(REISSUE_NOTE, REISSUE_KEY_LEN), end);
}

bool fh_store_reissue(struct fh_store *store, uint64_t number)
{
    uint64_t below = 0;
    return get_number(store, REISSUE_NOTE, &below) && number < below;
}

void fh_store_load_apart(struct fh_store *store)
{
    uint64_t apart_ms = 0;
    store->apart_ms = get_number(store, APART_NOTE, &apart_ms) ? (int64_t)apart_ms : 0;
    store->own.apart_ms = store->apart_ms;
    fh_marks_set_apart(store->marks, store->apart_ms);
}

int64_t fh_store_apart_ms(const struct fh_store *store)
{
    return store->apart_ms;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int rewrite(struct rekey *rekey, struct fh_store_state *ret_state)
{
    int more = 1;
    int r = 0;
    while (r == 0 && more > 0) {
        more = next_portion(rekey);
        r = more < 0 ? more : translate_reports(rekey, FH_TABLE_REPORTS);
        if (r == 0) {
            r = translate_reports(rekey, FH_TABLE_PEER);
        }
    }
    if (r == 0) {
        r = renumber(rekey);
    }
    if (r == 0) {
        r = put_number(rekey, fh_lmdb_value(APART_NOTE, APART_KEY_LEN), (uint64_t)rekey->apart_ms);
    }
    if (r == 0) {
        r = fh_store_write_meta(rekey->store, rekey->txn);
    }
    return r < 0 ? r : fh_store_collect(rekey->store, rekey->txn, ret_state);
}

static int transact(struct fh_store *store, struct rekey *rekey, struct fh_store_state *ret_state)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    uint64_t next_report = store->meta.next_report;
    int r = fh_lmdb_begin(store->env, 0, &txn);
    rekey->txn = txn;
    if (r == 0) {
        r = rewrite(rekey, ret_state);
    }
    if (r == 0) {
        r = fh_lmdb_error(mdb_txn_commit(txn));
        txn = NULL;
    }
    if (r < 0) {
        store->meta.next_report = next_report;
        return r;
    }
    /* It happened: no error of the sync may look like "try again". */
    return mdb_env_sync(store->env, 1) == 0 ? 0 : -EIO;
}

/* What lies in memory is made anew from the tables, as at the start. */
static int reload(struct fh_store *store, struct fh_error *err)
{
    struct fh_marks *fresh = NULL;
    int r = fh_marks_new(store->sinks, &fh_allocator_default, &fresh);
    if (r < 0) {
        return fh_error_set(err, r, "no memory to read the store anew");
    }
    fh_keytab_done(&store->own);
    store->own_from_ms = INT64_MAX;
    fh_store_lock(store);
    bool leading = store->leading;
    struct fh_marks *old = store->marks;
    for (size_t i = 0; i < store->sinks; i++) {
        fh_marks_load_cursor(fresh, i, fh_marks_cursor(old, i));
    }
    store->leading = false; /* nothing is served while the marks are half there */
    store->marks = fresh;
    store->prepared.count = 0;
    fh_cache_cut(&store->cache, 0);
    fh_store_unlock(store);
    fh_marks_free(old);
    fh_store_load_apart(store);
    r = fh_store_load(store, err);
    fh_store_lock(store);
    store->leading = leading;
    fh_store_unlock(store);
    return r;
}

int fh_store_rekey(struct fh_store *store, fh_store_key_of key_of, void *userdata, int64_t apart_ms,
                   struct fh_store_rekeyed *ret, struct fh_error *err)
{
    struct fh_store_state state = {0};
    struct rekey rekey = {
        .store = store, .key_of = key_of, .userdata = userdata, .apart_ms = apart_ms};
    char text[128];
    int r = fh_store_commit(store, err);
    if (r < 0) {
        return r;
    }
    fh_keytab_init(&rekey.map, &fh_allocator_default);
    r = transact(store, &rekey, &state);
    fh_keytab_done(&rekey.map);
    if (r < 0) {
        return fh_error_set(err, r, "cannot write the new record keys to %s: %s", store->path,
                            fh_strerror(r, text, sizeof(text)));
    }
    r = reload(store, err);
    if (r < 0) {
        return r == -ENOSPC ? -EIO : r;
    }
    state.unmatched_reports = fh_marks_early_count(store->marks);
    fh_store_publish(store, &state);
    rekey.done.untranslated = rekey.own_keys - rekey.own_translated;
    if (ret) {
        *ret = rekey.done;
    }
    return 0;
}
