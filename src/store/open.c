/* open.c: owns opening, the first look at what is there, and closing. Never repairs: what is
 * damaged or not ours is refused with a sentence that says what to do. */
#include "internal.h"

#include "little_endian.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_LEAST (4u << 20)
#define META_BYTES ((size_t)8 * (10 + FH_PARTITIONS))

const char *const fh_store_table_name[FH_TABLES] = {"blocks", "keys", "reports", "peer_reports",
                                                    "sinks",  "meta", "notes"};

int fh_store_damage(const struct fh_store *store, int code, struct fh_error *err, const char *what,
                    uint64_t number)
{
    char text[128];
    if (code == -EUCLEAN) {
        return fh_error_set(err, code, "the store in %s is damaged %s %llu; " FH_STORE_REMEDY,
                            store->path, what, (unsigned long long)number, store->path);
    }
    return fh_error_set(err, code, "cannot read the store in %s: %s", store->path,
                        fh_strerror(code, text, sizeof(text)));
}

/* ---- one daemon only ------------------------------------------------------------------------ */

static int lock_directory(struct fh_store *store, struct fh_error *err)
{
    char path[sizeof(store->path) + 8];
    char text[128];
    snprintf(path, sizeof(path), "%s/pid", store->path);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) {
        int code = -errno;
        return fh_error_set(err, code,
                            "cannot open %s: %s; the directory must belong to the user "
                            "firehosed runs as",
                            path, fh_strerror(code, text, sizeof(text)));
    }
    char pid[32] = "";
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) {
            int code = -errno;
            return fh_error_set(err, code, "cannot lock %s: %s", path,
                                fh_strerror(code, text, sizeof(text)));
        }
        ssize_t n = pread(store->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        return fh_error_set(err, -EBUSY,
                            "another firehosed%s%s%s uses %s; stop it, or give this one a "
                            "node.state_dir of its own",
                            pid[0] ? " (pid " : "", pid, pid[0] ? ")" : "", store->path);
    }
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, pid, (size_t)n, 0) < 0) {
        /* The lock holds all the same; only the other one's sentence lacks the number. */
        return 0;
    }
    return 0;
}

/* ---- the database ------------------------------------------------------------------------- */

bool fh_store_was_lmdb(const char *directory)
{
    char path[sizeof(((struct fh_store *)0)->path) + 16];
    snprintf(path, sizeof(path), "%s/data.mdb", directory);
    unsigned char page[2 * 4096];
    memset(page, 0, sizeof(page));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, page, sizeof(page));
    close(fd);
    static const unsigned char zeros[sizeof(page)];
    uint32_t first;
    uint32_t second;
    memcpy(&first, page + 16, sizeof(first));
    memcpy(&second, page + 4096 + 16, sizeof(second));
    return n >= 0 && (n < 20 || first == 0xBEEFC0DE || second == 0xBEEFC0DE ||
                      memcmp(page, zeros, sizeof(page)) == 0);
}

static int foreign(const struct fh_store *store, struct fh_error *err)
{
    return fh_error_set(err, -ENOTSUP,
                        "%s/data.mdb was not made by firehosed, or by a newer version; install "
                        "that version, or move the directory away and start again",
                        store->path);
}

/* A file shorter than LMDB believes would end in SIGBUS. Some pages at the end may rightly never
 * have been written, so make it long enough and look at everything. */
static int check_length(struct fh_store *store, bool *ret_suspicious, struct fh_error *err)
{
    MDB_envinfo info = {0};
    MDB_stat stat_of = {0};
    struct stat st;
    int fd = -1;
    int r = fh_lmdb_error(mdb_env_info(store->env, &info));
    if (r == 0) {
        r = fh_lmdb_error(mdb_env_stat(store->env, &stat_of));
    }
    if (r == 0) {
        r = fh_lmdb_error(mdb_env_get_fd(store->env, &fd));
    }
    if (r < 0 || fstat(fd, &st) < 0) {
        return fh_store_damage(store, r < 0 ? r : -errno, err, "at page", 0);
    }
    store->page_size = stat_of.ms_psize;
    off_t want = (off_t)((info.me_last_pgno + 1) * store->page_size);
    *ret_suspicious = st.st_size < want && info.me_last_pgno > 1;
    if (*ret_suspicious && ftruncate(fd, want) < 0) {
        return fh_store_damage(store, -errno, err, "at page", 0);
    }
    return 0;
}

static int open_environment(struct fh_store *store, const struct fh_store_options *options,
                            bool *ret_suspicious, struct fh_error *err)
{
    int r = fh_lmdb_error(mdb_env_create(&store->env));
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (r == 0) {
        r = fh_lmdb_error(mdb_env_set_mapsize(store->env, store->size_limit / page * page));
    }
    if (r == 0) {
        r = fh_lmdb_error(mdb_env_set_maxdbs(store->env, FH_TABLES + 1));
    }
    if (r < 0) {
        return fh_store_damage(store, r, err, "at page", 0);
    }
    unsigned flags = MDB_NOTLS | (options->sync_each_commit ? 0 : MDB_NOSYNC);
    int code = mdb_env_open(store->env, store->path, flags, 0600);
    if (code == MDB_VERSION_MISMATCH || (code == MDB_INVALID && !fh_store_was_lmdb(store->path))) {
        return foreign(store, err);
    }
    if (code != 0) {
        return fh_store_damage(store, fh_lmdb_error(code), err, "at page", 0);
    }
    int dead;
    mdb_reader_check(store->env, &dead);
    return check_length(store, ret_suspicious, err);
}

/* ---- what is in it ------------------------------------------------------------------------ */

static int read_meta(struct fh_store *store, MDB_txn *txn, struct fh_error *err)
{
    MDB_val value = {0, NULL};
    int64_t unused[2];
    const void *payload = NULL;
    size_t len = 0;
    int r = fh_lmdb_get(txn, store->table[FH_TABLE_META], 1, &value);
    if (r == -ENOENT) {
        return foreign(store, err);
    }
    if (r == 0) {
        r = fh_row_decode(value.mv_data, value.mv_size, true, &unused[0], &unused[1], &payload,
                          &len);
    }
    if (r == -EPROTONOSUPPORT || (r == 0 && (len < 8 || fh_get32(payload) > FH_STORE_FORMAT))) {
        return foreign(store, err);
    }
    if (r < 0 || len < META_BYTES) {
        return fh_store_damage(store, -EUCLEAN, err, "in the state row, number", 1);
    }
    const unsigned char *at = payload;
    struct fh_store_meta *meta = &store->meta;
    meta->last_primary = (fh_get64(at) >> 32 & 1) != 0;
    meta->store_id = fh_get64(at + 8);
    meta->epoch = fh_get64(at + 16);
    meta->peer_store_id = fh_get64(at + 24);
    meta->peer_applied = fh_get64(at + 32);
    meta->source_time_ms = (int64_t)fh_get64(at + 40);
    meta->next_sequence = fh_get64(at + 48);
    meta->next_report = fh_get64(at + 56);
    meta->next_row = fh_get64(at + 64);
    meta->given_up = fh_get64(at + 72);
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        meta->received.partition_ms[i] = (int64_t)fh_get64(at + 80 + 8 * i);
    }
    return 0;
}

static int make_fresh(struct fh_store *store, MDB_txn *txn)
{
    if (getrandom(&store->meta.store_id, sizeof(store->meta.store_id), 0) !=
        sizeof(store->meta.store_id)) {
        return -EIO;
    }
    store->meta.store_id |= 1; /* never 0: that means "no store" to the peer */
    store->meta.next_sequence = 1;
    store->meta.next_report = 1;
    store->meta.next_row = 1;
    return fh_store_write_meta(store, txn);
}

static int open_tables(struct fh_store *store, MDB_txn *txn, struct fh_error *err)
{
    MDB_dbi main_table = 0;
    MDB_stat stat_of = {0};
    int r = fh_lmdb_error(mdb_dbi_open(txn, NULL, 0, &main_table));
    if (r == 0) {
        r = fh_lmdb_error(mdb_stat(txn, main_table, &stat_of));
    }
    if (r < 0) {
        return fh_store_damage(store, r, err, "at page", 0);
    }
    bool fresh = stat_of.ms_entries == 0;
    for (size_t i = 0; i < FH_TABLES; i++) {
        r = fh_lmdb_error(
            mdb_dbi_open(txn, fh_store_table_name[i], fresh ? MDB_CREATE : 0, &store->table[i]));
        if (r == -ENOENT) {
            return foreign(store, err);
        }
        if (r < 0) {
            return fh_store_damage(store, r, err, "in table", i);
        }
    }
    if (!fresh) {
        return read_meta(store, txn, err);
    }
    r = make_fresh(store, txn);
    return r < 0 ? fh_store_damage(store, r, err, "at page", 0) : 0;
}

/* Cheap checks that block table, key index and state row belong together. */
static int check_ends(struct fh_store *store, MDB_txn *txn, uint64_t *ret_first,
                      struct fh_error *err)
{
    MDB_cursor *blocks FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    uint64_t first = 0;
    MDB_val value = {0, NULL};
    struct fh_block_head head = {0};
    int r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_BLOCKS], &blocks);
    if (r == 0) {
        r = fh_lmdb_seek(blocks, 0, ret_first, &value);
    }
    if (r == -ENOENT) {
        *ret_first = store->meta.next_sequence;
        return 0;
    }
    if (r == 0) {
        r = fh_lmdb_seek_back(blocks, UINT64_MAX, &first, &value);
    }
    if (r < 0 || fh_block_peek(value.mv_data, value.mv_size, &head) < 0 ||
        head.first_sequence != first || first + head.count != store->meta.next_sequence) {
        return fh_store_damage(store, -EUCLEAN, err, "at record", store->meta.next_sequence);
    }
    return 0;
}

static int read_cursors(struct fh_store *store, MDB_txn *txn, const bool *from_now,
                        uint64_t first_sequence, struct fh_error *err)
{
    for (size_t i = 0; i < store->sinks; i++) {
        MDB_val key = {strlen(store->sink_name[i]), store->sink_name[i]};
        MDB_val value = {0, NULL};
        uint64_t cursor = 0;
        int r = fh_lmdb_error(mdb_get(txn, store->table[FH_TABLE_SINKS], &key, &value));
        if (r == -ENOENT) {
            cursor = from_now && from_now[i] ? store->meta.next_sequence : first_sequence;
            store->cursor_written[i] = 0; /* the next commit writes it */
        } else if (r < 0 || value.mv_size != 8 ||
                   fh_get64(value.mv_data) > store->meta.next_sequence) {
            return fh_store_damage(store, r < 0 ? r : -EUCLEAN, err, "in the cursor of sink", i);
        } else {
            cursor = fh_get64(value.mv_data);
            store->cursor_written[i] = cursor;
        }
        /* A sink that was not listed for a while held nothing back. */
        cursor = cursor < first_sequence ? first_sequence : cursor;
        fh_marks_load_cursor(store->marks, i, cursor);
    }
    return 0;
}

static int read_database(struct fh_store *store, const struct fh_store_options *options,
                         struct fh_error *err)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    uint64_t first_sequence = 0;
    int r = fh_lmdb_begin(store->env, 0, &txn);
    if (r < 0) {
        return fh_store_damage(store, r, err, "at page", 0);
    }
    r = open_tables(store, txn, err);
    if (r == 0) {
        r = check_ends(store, txn, &first_sequence, err);
    }
    if (r == 0) {
        r = read_cursors(store, txn, options->sink_from_now, first_sequence, err);
    }
    if (r < 0) {
        return r;
    }
    store->id = store->meta.store_id;
    r = fh_store_measure(store, txn, &store->used_bytes);
    if (r == 0 && store->used_bytes > store->size_limit) {
        return fh_error_set(err, -ENOSPC,
                            "the store in %s holds %llu bytes, more than store.size_limit "
                            "(%llu); raise it to at least %llu",
                            store->path, (unsigned long long)store->used_bytes,
                            (unsigned long long)store->size_limit,
                            (unsigned long long)store->used_bytes / 8 * 10);
    }
    r = r < 0 ? r : fh_lmdb_error(mdb_txn_commit(txn));
    txn = NULL;
    return r < 0 ? fh_store_damage(store, r, err, "at page", 0) : 0;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int take_options(struct fh_store *store, const struct fh_store_options *options,
                        struct fh_error *err)
{
    if (options->sink_count > FH_MARKS_SINKS || options->size_limit < SIZE_LEAST ||
        options->block_bytes == 0 || options->block_bytes > FH_BLOCK_RAW_MAX / 2) {
        return fh_error_set(err, -EINVAL,
                            "the store takes at most %d sinks, a size_limit of at least %u bytes "
                            "and blocks of at most %u bytes",
                            FH_MARKS_SINKS, SIZE_LEAST, FH_BLOCK_RAW_MAX / 2);
    }
    for (size_t i = 0; i < options->sink_count; i++) {
        size_t len = strlen(options->sinks[i]);
        if (len == 0 || len >= FH_SINK_NAME_MAX) {
            return fh_error_set(err, -EINVAL, "a sink's name has 1 to %d characters",
                                FH_SINK_NAME_MAX - 1);
        }
        memcpy(store->sink_name[i], options->sinks[i], len + 1);
        store->optional[i] = options->sink_optional && options->sink_optional[i];
    }
    store->sinks = options->sink_count;
    store->size_limit = options->size_limit;
    /* The rest is for cursors, reports and the epoch, for LMDB's copies of changed pages, and for
     * holes: a block needs pages in a row, and a file full of holes is full before its end. */
    store->soft_limit = options->size_limit / 4 * 3;
    store->block_bytes = options->block_bytes;
    store->window_ms = options->window_minutes * 60000;
    store->last_block_len = 4096;
    store->own_newest_ms = INT64_MIN;
    store->own_from_ms = INT64_MAX;
    for (size_t i = 0; i < FH_MARKS_SINKS; i++) {
        store->peer_low_ms[i] = INT64_MIN;
    }
    return 0;
}

static int make_directory(struct fh_store *store, const char *state_dir, struct fh_error *err)
{
    char text[128];
    int n = snprintf(store->path, sizeof(store->path), "%s/store", state_dir);
    if (n < 0 || (size_t)n >= sizeof(store->path)) {
        return fh_error_set(err, -ENAMETOOLONG, "node.state_dir is too long");
    }
    if (mkdir(store->path, 0700) < 0 && errno != EEXIST) {
        int code = -errno;
        return fh_error_set(err, code,
                            "cannot make %s: %s; node.state_dir must exist and belong to the "
                            "user firehosed runs as",
                            store->path, fh_strerror(code, text, sizeof(text)));
    }
    return 0;
}

static int init_threads(struct fh_store *store)
{
    pthread_condattr_t attributes;
    int r = pthread_condattr_init(&attributes);
    if (r != 0) {
        return -r;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    r = pthread_cond_init(&store->committed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (r != 0) {
        return -r;
    }
    r = pthread_mutex_init(&store->lock, NULL);
    return -(r != 0 ? r : pthread_mutex_init(&store->shown_lock, NULL));
}

static int first_state(struct fh_store *store, struct fh_error *err)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    struct fh_store_state state = {0};
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_store_collect(store, txn, &state);
    }
    if (r < 0) {
        return fh_store_damage(store, r, err, "at record", store->meta.next_sequence);
    }
    fh_store_publish(store, &state);
    store->retention_due = true;
    return 0;
}

static void close_store(struct fh_store **store)
{
    fh_store_close(*store);
}

int fh_store_open(const struct fh_store_options *options, struct fh_error *err,
                  struct fh_store **ret)
{
    struct fh_store *store FH_CLEANUP(close_store) = NULL;
    struct fh_store *fresh = calloc(1, sizeof(*fresh));
    if (!fresh || init_threads(fresh) < 0) {
        free(fresh);
        return fh_error_set(err, -ENOMEM, "no memory to open the store");
    }
    store = fresh;
    store->lock_fd = -1;
    fh_keytab_init(&store->own, &fh_allocator_default);
    fh_cache_init(&store->cache, options->cache_bytes);
    bool suspicious = false;
    int r = take_options(store, options, err);
    if (r == 0) {
        r = make_directory(store, options->directory, err);
    }
    if (r == 0) {
        r = lock_directory(store, err);
    }
    if (r == 0) {
        r = open_environment(store, options, &suspicious, err);
    }
    if (r == 0 && fh_marks_new(store->sinks, &fh_allocator_default, &store->marks) < 0) {
        r = fh_error_set(err, -ENOMEM, "no memory to open the store");
    }
    if (r == 0) {
        r = read_database(store, options, err);
    }
    if (r == 0 && suspicious) {
        r = fh_store_check_all(store, err);
    }
    if (r == 0) {
        fh_store_load_positions(store);
        fh_store_load_missed(store);
        fh_store_load_forgotten(store);
        fh_store_load_apart(store);
        r = fh_store_load(store, err);
    }
    if (r == 0) {
        r = first_state(store, err);
    }
    if (r < 0) {
        return r;
    }
    *ret = store;
    store = NULL;
    return 0;
}

void fh_store_close(struct fh_store *store)
{
    if (!store) {
        return;
    }
    fh_store_staged_clear(store);
    fh_raw_unref(store->open);
    if (store->env) {
        mdb_env_close(store->env);
    }
    if (store->lock_fd >= 0) {
        close(store->lock_fd); /* lets go of the lock */
    }
    fh_cache_done(&store->cache);
    fh_keytab_done(&store->own);
    fh_marks_free(store->marks);
    free(store->blocks.item);
    free(store->reports.item);
    free(store->peer_rows.item);
    free(store->forgotten_rows.item);
    free(store->notes.item);
    free(store->unlisted.item);
    free(store->prepared.item);
    free(store->scratch);
    pthread_cond_destroy(&store->committed);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->shown_lock);
    free(store);
}
