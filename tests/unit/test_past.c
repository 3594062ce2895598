/* test_past.c: looking back: which records of an interval are found, in both directions, beside a
 * process that writes and after it was killed, and past a block that is damaged. */
#include "test_store_common.h"

#include "fh/past.h"

#include "internal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct fh_past_interval always = {INT64_MIN, INT64_MAX};

static uint64_t number_of(struct fh_slice record)
{
    const char *n = memmem(record.data, record.len, "\"n\":", 4);
    assert_non_null(n);
    return strtoull(n + 4, NULL, 10);
}

/* Numbers of the records of the interval, in the order found. */
static size_t find(struct fh_past *past, struct fh_past_interval interval, bool back, uint64_t *got,
                   size_t room, unsigned *ret_damaged)
{
    struct fh_error err = {""};
    struct fh_past_block block;
    uint64_t sequence = UINT64_MAX;
    size_t count = 0;
    int r = back ? 0 : fh_past_seek(past, &interval, &sequence, &err);
    assert_int_equal(r, 0);
    while ((r = back ? fh_past_previous(past, &interval, &sequence, &block, &err)
                     : fh_past_next(past, &interval, &sequence, &block, &err)) != 0) {
        if (r == -EUCLEAN && ret_damaged) {
            assert_non_null(strstr(err.text, "damaged: the block at record "));
            (*ret_damaged)++;
            continue;
        }
        assert_int_equal(r, 1);
        for (uint32_t i = 0; i < block.count; i++) {
            uint32_t at = back ? block.count - 1 - i : i;
            if (fh_past_holds(&interval, block.key[at].timestamp_ms)) {
                assert_true(count < room);
                got[count++] = number_of(block.record[at]);
            }
        }
        fh_past_block_done(&block);
    }
    return count;
}

static void intervals(void **state)
{
    struct fixture *f = *state;
    static uint64_t got[4000];
    struct fh_past *past = NULL;
    append_range(f, 1, 3000);
    commit(f);
    assert_int_equal(fh_past_of(f->store, &past), 0);
    assert_int_equal(find(past, always, false, got, 4000, NULL), 3000);
    assert_int_equal(got[0], 1);
    assert_int_equal(got[2999], 3000);
    /* stamps are T0 + 10 * number: the lower end is in, the upper one is not */
    struct fh_past_interval some = {T0 + 10000, T0 + 12000};
    assert_int_equal(find(past, some, false, got, 4000, NULL), 200);
    assert_int_equal(got[0], 1000);
    assert_int_equal(got[199], 1199);
    assert_int_equal(find(past, some, true, got, 4000, NULL), 200);
    assert_int_equal(got[0], 1199);
    assert_int_equal(got[199], 1000);
    assert_int_equal(
        find(past, (struct fh_past_interval){T0 + 40000, INT64_MAX}, false, got, 4000, NULL), 0);
    struct fh_past_kept kept;
    struct fh_past_measure measure;
    struct fh_error err = {""};
    assert_int_equal(fh_past_measure(past, &some, 0, UINT64_MAX, &measure, &err), 0);
    assert_int_equal(measure.records, 200);
    assert_int_equal(measure.oldest_ms, T0 + 10000);
    assert_int_equal(fh_past_measure(past, &some, 1101, 1151, &measure, &err), 0);
    assert_int_equal(measure.records, 50);
    assert_int_equal(measure.oldest_ms, T0 + 11010);
    assert_int_equal(fh_past_measure(past, &some, 1200, UINT64_MAX, &measure, &err), 0);
    assert_int_equal(measure.records, 0);
    assert_int_equal(measure.oldest_ms, INT64_MAX);
    assert_int_equal(fh_past_kept(past, &kept, &err), 0);
    assert_int_equal(kept.first, 1);
    assert_int_equal(kept.next, 3001);
    assert_int_equal(kept.newest_ms, T0 + 30000);
    fh_past_close(past);
}

static void append_at(struct fixture *f, uint64_t number, int64_t stamp)
{
    char text[256];
    struct fh_store_record record = {
        {number * 0x9E3779B97F4A7C15u, stamp}, text, (uint32_t)text_of(number, text, sizeof(text))};
    assert_int_equal(fh_store_append(f->store, &record, NULL), 0);
}

/* A receiver that lags 50 minutes behind stores its records among later ones, in blocks of their
 * own as well; a search for their time finds all of them. */
static void late_records(void **state)
{
    struct fixture *f = *state;
    const int64_t minute = 60000;
    uint64_t got[64];
    struct fh_past *past = NULL;
    for (uint64_t i = 0; i < 300; i++) { /* five hours, one a minute */
        append_at(f, 1 + i, T0 + (int64_t)i * minute);
        commit(f);
        if (i >= 200 && i < 220) {
            append_at(f, 1000 + i, T0 + (int64_t)(i - 50) * minute);
            commit(f);
        }
    }
    assert_int_equal(fh_past_of(f->store, &past), 0);
    struct fh_past_interval some = {T0 + 150 * minute, T0 + 170 * minute};
    assert_int_equal(find(past, some, false, got, 64, NULL), 40);
    assert_int_equal(got[0], 151);
    assert_int_equal(got[39], 1219);
    assert_int_equal(find(past, some, true, got, 64, NULL), 40);
    assert_int_equal(got[0], 1219);
    fh_past_close(past);
}

/* Small blocks are merged behind the back of whoever reads: nothing is shown twice or left out. */
static void merging_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct fh_past *past = NULL;
    struct fh_past_block block;
    struct fh_error err = {""};
    uint64_t sequence = 0;
    uint64_t next = 1;
    assert_int_equal(fh_past_of(f->store, &past), 0);
    for (uint64_t i = 1; i <= 400; i++) {
        append_range(f, i, i);
        commit(f);
        if (i % 7 == 0) {
            while (fh_past_next(past, &always, &sequence, &block, &err) == 1) {
                for (uint32_t k = 0; k < block.count; k++) {
                    assert_int_equal(number_of(block.record[k]), next++);
                }
                fh_past_block_done(&block);
            }
        }
    }
    assert_int_equal(next, 400); /* 399 were there at the last look */
    uint64_t back = 400;
    uint64_t got = 399;
    while (fh_past_previous(past, &always, &back, &block, &err) == 1) {
        for (uint32_t k = block.count; k > 0; k--) {
            assert_int_equal(number_of(block.record[k - 1]), got--);
        }
        fh_past_block_done(&block);
    }
    assert_int_equal(got, 0);
    fh_past_close(past);
}

/* ---- another process ------------------------------------------------------------------------ */

/* Stores and commits until it is killed; says by a byte that it began. */
static pid_t start_writer(struct fixture *f)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct fh_error err = {""};
        f->options.size_limit = 256u << 20;
        if (fh_store_open(&f->options, &err, &f->store) < 0) {
            _exit(1);
        }
        for (uint64_t i = 1;; i += 50) {
            append_range(f, i, i + 49);
            commit(f);
            if (i == 1001 && write(ends[1], "x", 1) != 1) {
                _exit(1);
            }
        }
    }
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

/* Numbers follow each other from 1 on; returns the last. */
static uint64_t read_through(struct fh_past *past)
{
    struct fh_past_block block;
    struct fh_error err = {""};
    uint64_t sequence = 0;
    uint64_t next = 1;
    int r;
    while ((r = fh_past_next(past, &always, &sequence, &block, &err)) == 1) {
        for (uint32_t i = 0; i < block.count; i++) {
            assert_int_equal(number_of(block.record[i]), next++);
        }
        fh_past_block_done(&block);
        if (next > 100000) {
            return next - 1; /* a writer that is faster than this reader */
        }
    }
    if (r < 0) {
        fail_msg("%s", err.text);
    }
    return next - 1;
}

static void beside_a_writer_and_after_it_was_killed(void **state)
{
    struct fixture *f = *state;
    struct fh_past *past = NULL;
    struct fh_error err = {""};
    fh_store_close(f->store);
    f->store = NULL;
    pid_t writer = start_writer(f);
    int r = fh_past_open(f->directory, &err, &past);
    if (r < 0) {
        kill(writer, SIGKILL);
        fail_msg("%s", err.text);
    }
    uint64_t before = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t last = read_through(past);
        assert_true(last >= before && last >= 1050);
        before = last;
    }
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    assert_true(read_through(past) >= before);
    fh_past_close(past);
    assert_int_equal(fh_past_open(f->directory, &err, &past), 0); /* nobody else has it open */
    assert_true(read_through(past) >= before);
    fh_past_close(past);
}

static int reader_of(const char *line, void *context)
{
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "%ld ", (long)*(pid_t *)context);
    while (*line == ' ') {
        line++;
    }
    if (strncmp(line, wanted, strlen(wanted)) == 0) {
        *(pid_t *)context = 0; /* found */
    }
    return 0;
}

/* A reader that is killed in the middle of a transaction keeps no page for ever. */
static void killed_reader_is_forgotten(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    append_range(f, 1, 100);
    commit(f);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char path[128];
        MDB_env *env = NULL;
        MDB_txn *txn = NULL;
        snprintf(path, sizeof(path), "%s/store", f->directory);
        if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 8) ||
            mdb_env_open(env, path, MDB_RDONLY | MDB_NOTLS, 0600) ||
            mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || write(ends[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pid_t found = pid;
    mdb_reader_list(f->store->env, reader_of, &found);
    assert_int_equal(found, 0); /* its slot is still taken */
    for (uint64_t i = 0; i < 300; i++) {
        append_range(f, 101 + i, 101 + i);
        commit(f);
    }
    found = pid;
    mdb_reader_list(f->store->env, reader_of, &found);
    assert_int_equal(found, pid); /* not in the list any more */
}

/* ---- trouble -------------------------------------------------------------------------------- */

static void damaged_blocks_are_passed(void **state)
{
    struct fixture *f = *state;
    static uint64_t got[4000];
    static char file[1 << 20];
    unsigned damaged = 0;
    struct fh_past *past = NULL;
    struct fh_error err = {""};
    f->options.block_bytes = 65536;
    open_again(f);
    append_range(f, 1, 2000);
    commit(f);
    fh_store_close(f->store);
    f->store = NULL;
    char path[128];
    snprintf(path, sizeof(path), "%s/store/data.mdb", f->directory);
    int fd = open(path, O_RDWR);
    ssize_t n = read(fd, file, sizeof(file));
    assert_true(n > 4096);
    char *at = memmem(file, (size_t)n, "compress well", 13); /* in LZ4's literals */
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "X", 1, at - file), 1);
    close(fd);
    assert_int_equal(fh_past_open(f->directory, &err, &past), 0);
    size_t forward = find(past, always, false, got, 4000, &damaged);
    assert_int_equal(damaged, 1);
    assert_in_range(forward, 900, 1900); /* all but the records of one block */
    assert_int_equal(find(past, always, true, got, 4000, &damaged), forward);
    assert_int_equal(damaged, 2);
    fh_past_close(past);
}

static void expect_open(const char *directory, int code, const char *words)
{
    struct fh_error err = {""};
    struct fh_past *past = NULL;
    assert_int_equal(fh_past_open(directory, &err, &past), code);
    assert_null(past);
    if (!strstr(err.text, words)) {
        fail_msg("no \"%s\" in: %s", words, err.text);
    }
}

/* The file as a copy that was broken off, or a file system that lost it, leaves it. */
static void expect_cut_off(const char *directory)
{
    char path[128];
    char copy[128];
    snprintf(path, sizeof(path), "%s/store/data.mdb", directory);
    snprintf(copy, sizeof(copy), "%s/store/whole", directory);
    assert_int_equal(rename(path, copy), 0);
    char page[4096];
    int from = open(copy, O_RDONLY);
    assert_int_equal(read(from, page, sizeof(page)), sizeof(page));
    close(from);
    static const size_t lengths[] = {0, 1, 19, 20, 100, 4096};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, page, lengths[i]), (ssize_t)lengths[i]);
        close(fd);
        if (lengths[i] == 0) {
            expect_open(directory, -ENODATA, "store/data.mdb is empty");
        } else {
            expect_open(directory, -EUCLEAN, "move ");
        }
    }
    assert_int_equal(rename(copy, path), 0);
}

static void what_cannot_be_opened(void **state)
{
    struct fixture *f = *state;
    char path[128];
    fh_store_close(f->store);
    f->store = NULL;
    expect_open("/proc/nonexistent", -ENOENT, "has firehosed been started");
    snprintf(path, sizeof(path), "%s/store", f->directory);
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        expect_open(f->directory, -EACCES, "as root");
        assert_int_equal(chmod(path, 0700), 0);
    }
    expect_cut_off(f->directory);
    /* A later format says so in the state row. */
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi meta;
    MDB_val old = {0, NULL};
    unsigned char row[512];
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(fh_lmdb_get(txn, meta, 1, &old), 0);
    int64_t stamps[2];
    const void *payload = NULL;
    size_t len = 0;
    assert_int_equal(
        fh_row_decode(old.mv_data, old.mv_size, true, &stamps[0], &stamps[1], &payload, &len), 0);
    unsigned char changed[256];
    assert_in_range(len, 8, sizeof(changed));
    memcpy(changed, payload, len);
    changed[0] = FH_STORE_FORMAT + 1;
    fh_row_encode(0, 0, changed, len, row);
    assert_int_equal(fh_lmdb_put(txn, meta, 1, row, FH_ROW_HEAD + len, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    expect_open(f->directory, -ENOTSUP, "newer version");
    snprintf(path, sizeof(path), "%s/store/data.mdb", f->directory);
    int fd = open(path, O_WRONLY);
    memset(row, 'x', sizeof(row));
    for (off_t at = 0; at < 8192; at += (off_t)sizeof(row)) {
        assert_int_equal(pwrite(fd, row, sizeof(row), at), (ssize_t)sizeof(row));
    }
    close(fd);
    expect_open(f->directory, -ENOTSUP, "not made by firehosed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intervals),
        TEST(late_records),
        TEST(merging_meanwhile),
        TEST(beside_a_writer_and_after_it_was_killed),
        TEST(killed_reader_is_forgotten),
        TEST(damaged_blocks_are_passed),
        TEST(what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
