/* past.c: owns looking back: blocks by source time, from inside the daemon or from another process.
 * Never writes; no read transaction outlives a call, and none looks at more than PORTION blocks. */
#include "fh/past.h"

#include "internal.h"
#include "little_endian.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORTION 1024 /* blocks a transaction looks at */

struct fh_past {
    MDB_env *env;
    bool own; /* the environment is ours to close */
    MDB_dbi blocks, keys;
    char path[4096]; /* <state_dir>/store */
    struct fh_record_key *scratch;
    uint32_t scratch_room;
};

/* ---- damage and other trouble ----------------------------------------------------------------
 */

static int damaged(const struct fh_past *past, uint64_t number, struct fh_error *err)
{
    return fh_error_set(err, -EUCLEAN,
                        "the store in %s is damaged: the block at record %llu cannot be read",
                        past->path, (unsigned long long)number);
}

static int trouble(const struct fh_past *past, int code, struct fh_error *err)
{
    char text[128];
    if (code == -EUCLEAN) {
        return fh_error_set(err, code, "the store in %s is damaged", past->path);
    }
    return fh_error_set(err, code, "cannot read the store in %s: %s", past->path,
                        fh_strerror(code, text, sizeof(text)));
}

/* ---- transactions ---------------------------------------------------------------------------
 */

struct look {
    MDB_txn *txn;
    MDB_cursor *cursor; /* of the blocks */
};

static void look_done(struct look *look)
{
    fh_lmdb_cursor_close(&look->cursor);
    fh_lmdb_abort(&look->txn);
}

static int look_begin(const struct fh_past *past, struct look *look)
{
    int code = mdb_txn_begin(past->env, NULL, MDB_RDONLY, &look->txn);
    if (code == MDB_MAP_RESIZED && past->own) { /* the daemon was started with a larger limit */
        code = mdb_env_set_mapsize(past->env, 0);
        code = code ? code : mdb_txn_begin(past->env, NULL, MDB_RDONLY, &look->txn);
    }
    if (code == MDB_READERS_FULL) {
        return -EUSERS;
    }
    int r = fh_lmdb_error(code);
    return r < 0 ? r : fh_lmdb_open_cursor(look->txn, past->blocks, &look->cursor);
}

static int move(const struct look *look, MDB_cursor_op op, uint64_t *ret_first, MDB_val *ret)
{
    MDB_val key = {0, NULL};
    int r = fh_lmdb_error(mdb_cursor_get(look->cursor, &key, ret, op));
    return r < 0 ? r : fh_lmdb_number_of(&key, ret_first);
}

/* ---- opening -------------------------------------------------------------------------------- */

static int missing(const struct fh_past *past, int code, struct fh_error *err)
{
    char text[128];
    switch (-code) {
    case ENOENT:
    case ENOTDIR:
        return fh_error_set(err, -ENOENT,
                            "there is no store in %s: has firehosed been started with this "
                            "node.state_dir?",
                            past->path);
    case EACCES:
    case EPERM:
        return fh_error_set(err, -EACCES,
                            "%s may not be read by this user; ask as root, or as the user "
                            "firehosed runs as",
                            past->path);
    default:
        return fh_error_set(err, code, "cannot open the store in %s: %s", past->path,
                            fh_strerror(code, text, sizeof(text)));
    }
}

/* There is no telling whether anything was ever in it; and LMDB would only say EBADF. */
static int empty(const struct fh_past *past, struct fh_error *err)
{
    return fh_error_set(err, -ENODATA,
                        "%s/data.mdb is empty: firehosed has not written into it yet, or what it "
                        "held is lost; there is nothing to look at, and firehosed begins a new "
                        "store when it is started",
                        past->path);
}

static int cut_off(const struct fh_past *past, struct fh_error *err)
{
    return fh_error_set(err, -EUCLEAN,
                        "the store in %s is damaged, the beginning of data.mdb cannot be "
                        "read; " FH_STORE_REMEDY,
                        past->path, past->path);
}

static int newer(const struct fh_past *past, struct fh_error *err)
{
    return fh_error_set(err, -ENOTSUP,
                        "%s/data.mdb was not made by firehosed, or by a newer version than this "
                        "firehosectl (" FH_VERSION ")",
                        past->path);
}

static int open_tables(struct fh_past *past, struct fh_error *err)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_dbi meta = 0;
    MDB_val row = {0, NULL};
    int64_t unused[2];
    const void *payload = NULL;
    size_t len = 0;
    int r = fh_lmdb_begin(past->env, MDB_RDONLY, &txn);
    if (r < 0) {
        return trouble(past, r, err);
    }
    const char *const *name = fh_store_table_name;
    r = fh_lmdb_error(mdb_dbi_open(txn, name[FH_TABLE_BLOCKS], 0, &past->blocks));
    r = r < 0 ? r : fh_lmdb_error(mdb_dbi_open(txn, name[FH_TABLE_KEYS], 0, &past->keys));
    r = r < 0 ? r : fh_lmdb_error(mdb_dbi_open(txn, name[FH_TABLE_META], 0, &meta));
    r = r < 0 ? r : fh_lmdb_get(txn, meta, 1, &row);
    if (r == 0) {
        r = fh_row_decode(row.mv_data, row.mv_size, true, &unused[0], &unused[1], &payload, &len);
    }
    if (r == -ENOENT || r == -EPROTONOSUPPORT ||
        (r == 0 && (len < 8 || fh_get32(payload) > FH_STORE_FORMAT))) {
        return newer(past, err);
    }
    if (r < 0) {
        return trouble(past, r == -EBADMSG ? -EUCLEAN : r, err);
    }
    /* The tables stay open beyond the transaction only when that is committed. */
    r = fh_lmdb_error(mdb_txn_commit(txn));
    txn = NULL;
    return r < 0 ? trouble(past, r, err) : 0;
}

/* Without a lock file no daemon is at work, and root must not make one that is root's. */
static int open_environment(struct fh_past *past, struct fh_error *err)
{
    char lock[sizeof(past->path) + 16];
    snprintf(lock, sizeof(lock), "%s/data.mdb", past->path);
    struct stat st;
    if (access(lock, R_OK) != 0 || stat(lock, &st) < 0) {
        return missing(past, -errno, err);
    }
    if (st.st_size == 0) {
        return empty(past, err);
    }
    snprintf(lock, sizeof(lock), "%s/lock.mdb", past->path);
    unsigned flags = MDB_RDONLY | MDB_NOTLS | (access(lock, F_OK) == 0 ? 0 : MDB_NOLOCK);
    int code = mdb_env_create(&past->env);
    code = code ? code : mdb_env_set_maxdbs(past->env, FH_TABLES + 1);
    code = code ? code : mdb_env_open(past->env, past->path, flags, 0600);
    if (code == MDB_INVALID && fh_store_was_lmdb(past->path)) {
        return cut_off(past, err);
    }
    if (code == MDB_VERSION_MISMATCH || code == MDB_INVALID) {
        return newer(past, err);
    }
    return code != 0 ? missing(past, fh_lmdb_error(code), err) : 0;
}

int fh_past_open(const char *state_dir, struct fh_error *err, struct fh_past **ret)
{
    struct fh_past *past = calloc(1, sizeof(*past));
    if (!past) {
        return fh_error_set(err, -ENOMEM, "no memory to open the store");
    }
    past->own = true;
    int n = snprintf(past->path, sizeof(past->path), "%s/store", state_dir);
    int r = n < 0 || (size_t)n >= sizeof(past->path)
                ? fh_error_set(err, -ENAMETOOLONG, "node.state_dir is too long")
                : 0;
    r = r < 0 ? r : open_environment(past, err);
    r = r < 0 ? r : open_tables(past, err);
    if (r < 0) {
        fh_past_close(past);
        return r;
    }
    *ret = past;
    return 0;
}

int fh_past_of(struct fh_store *store, struct fh_past **ret)
{
    struct fh_past *past = calloc(1, sizeof(*past));
    if (!past) {
        return -ENOMEM;
    }
    past->env = store->env;
    past->blocks = store->table[FH_TABLE_BLOCKS];
    past->keys = store->table[FH_TABLE_KEYS];
    memcpy(past->path, store->path, sizeof(past->path));
    *ret = past;
    return 0;
}

void fh_past_close(struct fh_past *past)
{
    if (!past) {
        return;
    }
    if (past->own && past->env) {
        mdb_env_close(past->env);
    }
    free(past->scratch);
    free(past);
}

/* ---- one block ------------------------------------------------------------------------------ */

static int read_keys(struct fh_past *past, const struct look *look, uint64_t first, uint32_t count)
{
    MDB_val row = {0, NULL};
    uint32_t found = 0;
    int64_t age_ms = 0;
    if (count > past->scratch_room) {
        struct fh_record_key *larger = realloc(past->scratch, count * sizeof(*larger));
        if (!larger) {
            return -ENOMEM;
        }
        past->scratch = larger;
        past->scratch_room = count;
    }
    int r = fh_lmdb_get(look->txn, past->keys, first, &row);
    if (r == 0) {
        r = fh_keys_decode(row.mv_data, row.mv_size, past->scratch, count, &found, &age_ms);
    }
    return r < 0 || found != count ? -EUCLEAN : 0;
}

/* 1: it holds a record of the interval and was taken; 0: it does not. -EUCLEAN, -ENOMEM. */
static int take(struct fh_past *past, const struct look *look, const MDB_val *value,
                const struct fh_block_head *head, const struct fh_past_interval *interval,
                struct fh_raw **ret)
{
    if (head->newest_ms < interval->since_ms) {
        return 0;
    }
    int r = read_keys(past, look, head->first_sequence, head->count);
    if (r < 0) {
        return r;
    }
    bool wanted = false;
    for (uint32_t i = 0; i < head->count && !wanted; i++) {
        wanted = fh_past_holds(interval, past->scratch[i].timestamp_ms);
    }
    if (!wanted) {
        return 0;
    }
    struct fh_raw *raw = NULL;
    r = fh_raw_decode(value->mv_data, value->mv_size, &raw);
    if (r < 0) {
        return r == -ENOMEM ? r : -EUCLEAN;
    }
    memcpy(raw->key, past->scratch, raw->count * sizeof(*raw->key));
    *ret = raw;
    return 1;
}

static int peek(uint64_t first, const MDB_val *value, struct fh_block_head *ret)
{
    int r = fh_block_peek(value->mv_data, value->mv_size, ret);
    return r < 0 || ret->first_sequence != first ? -EUCLEAN : 0;
}

/* ---- searching ------------------------------------------------------------------------------ */

/* Is the block so far behind the interval that the search ends with it? */
static bool is_behind(const struct fh_past_interval *interval, int64_t age_ms)
{
    return interval->until_ms < INT64_MAX - FH_PAST_LATE_MS &&
           age_ms > interval->until_ms + FH_PAST_LATE_MS;
}

static bool is_before(const struct fh_past_interval *interval, int64_t age_ms)
{
    return interval->since_ms > INT64_MIN + FH_PAST_LATE_MS &&
           age_ms < interval->since_ms - FH_PAST_LATE_MS;
}

static void hand_out(struct fh_raw *raw, uint32_t from, uint32_t to, struct fh_past_block *ret)
{
    *ret = (struct fh_past_block){.count = to - from,
                                  .record = raw->record + from,
                                  .key = raw->key + from,
                                  .sequence = raw->sequence + from,
                                  .block = raw};
}

/* The block that holds the sequence, else the first one behind it. */
static int find_forward(const struct look *look, uint64_t sequence, uint64_t *ret_first,
                        MDB_val *ret)
{
    struct fh_block_head head;
    int r = fh_lmdb_seek_back(look->cursor, sequence, ret_first, ret);
    if (r == 0 && (*ret_first == sequence ||
                   (peek(*ret_first, ret, &head) == 0 && *ret_first + head.count > sequence))) {
        return 0;
    }
    return r < 0 && r != -ENOENT ? r : fh_lmdb_seek(look->cursor, sequence, ret_first, ret);
}

struct search {
    const struct fh_past_interval *interval;
    bool back;
    uint64_t at;      /* where it goes on: forward from here, or back from what is before it */
    uint64_t damaged; /* the block that could not be read */
    struct fh_raw *found;
};

static bool is_over(const struct search *search, int64_t age_ms)
{
    return search->back ? is_before(search->interval, age_ms) : is_behind(search->interval, age_ms);
}

static int search_begin(struct fh_past *past, const struct search *search, struct look *look,
                        uint64_t *ret_first, MDB_val *ret)
{
    if (search->back && search->at <= 1) {
        return -ENOENT;
    }
    int r = look_begin(past, look);
    if (r < 0) {
        return r;
    }
    return search->back ? fh_lmdb_seek_back(look->cursor, search->at - 1, ret_first, ret)
                        : find_forward(look, search->at, ret_first, ret);
}

/* A portion: 1 found, 0 nothing is left, -EAGAIN go on; -EUCLEAN: damaged is set, and at is beyond
 * it. */
static int search_portion(struct fh_past *past, struct search *search)
{
    struct look look FH_CLEANUP(look_done) = {0};
    MDB_val value = {0, NULL};
    uint64_t first = 0;
    int r = search_begin(past, search, &look, &first, &value);
    for (unsigned i = 0; r == 0; i++) {
        struct fh_block_head head = {0};
        r = peek(first, &value, &head);
        if (r == 0 && is_over(search, head.age_ms)) {
            return 0;
        }
        r = r < 0 ? r : take(past, &look, &value, &head, search->interval, &search->found);
        if (r > 0) {
            return r;
        }
        search->damaged = first;
        search->at = search->back ? first : first + (head.count > 0 ? head.count : 1);
        if (r < 0) {
            return r;
        }
        r = i == PORTION ? -EAGAIN
                         : move(&look, search->back ? MDB_PREV : MDB_NEXT, &first, &value);
    }
    return r == -ENOENT ? 0 : r;
}

/* 0: found is the block, NULL when nothing is left. Of one that is damaged *inout_sequence is
 * beyond it. */
static int search_all(struct fh_past *past, struct search *search, uint64_t *inout_sequence,
                      struct fh_error *err)
{
    int r = -EAGAIN;
    search->at = search->damaged = *inout_sequence;
    while (r == -EAGAIN) {
        r = search_portion(past, search);
    }
    if (r == -EUCLEAN) {
        *inout_sequence = search->at;
        return damaged(past, search->damaged, err);
    }
    return r < 0 ? trouble(past, r, err) : 0;
}

int fh_past_next(struct fh_past *past, const struct fh_past_interval *interval,
                 uint64_t *inout_sequence, struct fh_past_block *ret, struct fh_error *err)
{
    struct search forward = {.interval = interval};
    int r = search_all(past, &forward, inout_sequence, err);
    struct fh_raw *raw = forward.found;
    if (r < 0 || !raw) {
        return r;
    }
    uint64_t from = forward.at > raw->first_sequence ? forward.at - raw->first_sequence : 0;
    hand_out(raw, (uint32_t)from, raw->count, ret);
    *inout_sequence = raw->first_sequence + raw->count;
    return 1;
}

int fh_past_previous(struct fh_past *past, const struct fh_past_interval *interval,
                     uint64_t *inout_sequence, struct fh_past_block *ret, struct fh_error *err)
{
    struct search back = {.interval = interval, .back = true};
    int r = search_all(past, &back, inout_sequence, err);
    struct fh_raw *raw = back.found;
    if (r < 0 || !raw) {
        return r;
    }
    uint64_t end = raw->first_sequence + raw->count;
    end = back.at < end ? back.at : end; /* what came since was shown already */
    hand_out(raw, 0, (uint32_t)(end - raw->first_sequence), ret);
    *inout_sequence = raw->first_sequence;
    return 1;
}

void fh_past_block_done(struct fh_past_block *block)
{
    fh_raw_unref(block->block);
    *block = (struct fh_past_block){0};
}

/* ---- where to begin ------------------------------------------------------------------------- */

/* A portion backwards: 0 found, -EAGAIN go on before *inout, -ENOENT the store has no more. */
static int seek_portion(struct fh_past *past, const struct fh_past_interval *interval,
                        uint64_t *inout)
{
    struct look look FH_CLEANUP(look_done) = {0};
    MDB_val value = {0, NULL};
    uint64_t first = 0;
    int r = *inout <= 1 ? -ENOENT : look_begin(past, &look);
    r = r < 0 ? r : fh_lmdb_seek_back(look.cursor, *inout - 1, &first, &value);
    for (unsigned i = 0; r == 0; i++) {
        struct fh_block_head head = {0};
        if (peek(first, &value, &head) == 0 && is_before(interval, head.age_ms)) {
            return 0;
        }
        *inout = first;
        r = i == PORTION ? -EAGAIN : move(&look, MDB_PREV, &first, &value);
    }
    return r;
}

int fh_past_seek(struct fh_past *past, const struct fh_past_interval *interval,
                 uint64_t *ret_sequence, struct fh_error *err)
{
    uint64_t sequence = UINT64_MAX;
    int r = interval->since_ms == INT64_MIN ? -ENOENT : -EAGAIN;
    *ret_sequence = 0;
    while (r == -EAGAIN) {
        r = seek_portion(past, interval, &sequence);
    }
    if (r < 0 && r != -ENOENT) {
        return trouble(past, r, err);
    }
    *ret_sequence = r == 0 ? sequence : 0;
    return 0;
}

/* A portion: 0 all was measured, -EAGAIN go on at *inout. */
static int measure_portion(struct fh_past *past, const struct fh_past_interval *interval,
                           uint64_t *inout, uint64_t to, struct fh_past_measure *sum)
{
    struct look look FH_CLEANUP(look_done) = {0};
    MDB_val value = {0, NULL};
    uint64_t first = 0;
    int r = look_begin(past, &look);
    r = r < 0 ? r : find_forward(&look, *inout, &first, &value);
    for (unsigned i = 0; r == 0 && first < to; i++) {
        struct fh_block_head head = {0};
        bool sound = peek(first, &value, &head) == 0;
        if (sound && is_behind(interval, head.age_ms)) {
            return 0;
        }
        sound = sound && head.newest_ms >= interval->since_ms;
        r = sound ? read_keys(past, &look, first, head.count) : 0;
        if (r == -ENOMEM) {
            return r;
        }
        for (uint32_t k = 0; sound && r == 0 && k < head.count && first + k < to; k++) {
            int64_t stamp = past->scratch[k].timestamp_ms;
            if (first + k >= *inout && fh_past_holds(interval, stamp)) {
                sum->records++;
                sum->oldest_ms = stamp < sum->oldest_ms ? stamp : sum->oldest_ms;
            }
        }
        *inout = first + (head.count > 0 ? head.count : 1);
        r = i == PORTION ? -EAGAIN : move(&look, MDB_NEXT, &first, &value);
    }
    return r == -ENOENT ? 0 : r;
}

int fh_past_measure(struct fh_past *past, const struct fh_past_interval *interval, uint64_t from,
                    uint64_t to, struct fh_past_measure *ret, struct fh_error *err)
{
    int r = -EAGAIN;
    *ret = (struct fh_past_measure){.oldest_ms = INT64_MAX};
    while (r == -EAGAIN) {
        r = measure_portion(past, interval, &from, to, ret);
    }
    return r < 0 ? trouble(past, r, err) : 0;
}

int fh_past_kept(struct fh_past *past, struct fh_past_kept *ret, struct fh_error *err)
{
    struct look look FH_CLEANUP(look_done) = {0};
    struct fh_block_head head = {0};
    MDB_val value = {0, NULL};
    uint64_t first = 0;
    *ret = (struct fh_past_kept){0};
    int r = look_begin(past, &look);
    r = r < 0 ? r : move(&look, MDB_FIRST, &first, &value);
    if (r == -ENOENT) {
        return 0;
    }
    if (r == 0 && peek(first, &value, &head) == 0) {
        ret->oldest_ms = head.newest_ms;
    }
    ret->first = first;
    r = r < 0 ? r : move(&look, MDB_LAST, &first, &value);
    if (r == 0 && peek(first, &value, &head) == 0) {
        ret->newest_ms = head.newest_ms;
        ret->next = first + head.count;
    } else {
        ret->next = first + 1;
    }
    return r < 0 ? trouble(past, r, err) : 0;
}
