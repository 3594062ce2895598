/* test_store.c: records go in, are committed, come back, are dropped when they may be; damage,
 * other daemons and full stores are refused with a sentence. */
#include "test_store_common.h"

#include <fcntl.h>
#include <sys/stat.h>

static void records_come_back(void **state)
{
    struct fixture *f = *state;
    uint64_t sequence = 0;
    assert_int_equal(append(f, 1, &sequence), 0);
    assert_int_equal(sequence, 1);
    append_range(f, 2, 500);
    assert_true(fh_store_staged(f->store) > 50000);
    fh_store_lead(f->store);
    uint64_t got[600];
    uint64_t at = 0;
    assert_int_equal(serve_all(f, "archive", &at, got, 600), 0); /* nothing committed yet */
    commit(f);
    assert_int_equal(fh_store_staged(f->store), 0);
    for (int round = 0; round < 2; round++) {
        at = 0;
        assert_int_equal(serve_all(f, "archive", &at, got, 600), 500);
        assert_int_equal(at, 501);
        for (uint64_t i = 0; i < 500; i++) {
            assert_int_equal(got[i], i + 1);
        }
        f->options.cache_bytes = 0; /* second round: from the database */
        open_again(f);
        fh_store_lead(f->store);
    }
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.first_sequence, 1);
    assert_int_equal(s.next_sequence, 501);
}

static void batch_is_one_piece(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 10);
    commit(f);
    fh_store_lead(f->store);
    struct fh_store_batch batch;
    uint64_t at = 4;
    assert_int_equal(fh_store_next(f->store, "archive", &at, &batch, NULL), 1);
    assert_int_equal(batch.count, 7);
    assert_int_equal(batch.sequence[0], 4);
    assert_ptr_equal(batch.raw.data, batch.record[0].data);
    const char *end = batch.record[6].data + batch.record[6].len;
    assert_int_equal(*end, '\n');
    assert_ptr_equal(batch.raw.data + batch.raw.len, end + 1);
    fh_store_batch_done(f->store, &batch);
    assert_int_equal(fh_store_next(f->store, "archive", &at, &batch, NULL), 0);
    struct fh_error err = {""};
    assert_int_equal(fh_store_next(f->store, "nobody", &at, &batch, &err), -EINVAL);
    fh_store_follow(f->store);
    assert_int_equal(fh_store_next(f->store, "archive", &at, &batch, &err), -EPERM);
    at = 1;
    assert_int_equal(fh_store_read(f->store, &at, &batch, &err), 1);
    assert_int_equal(batch.count, 10);
    fh_store_batch_done(f->store, &batch);
}

static void newline_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fh_store_record record = {key_of(1), "two\nlines", 9};
    assert_int_equal(fh_store_append(f->store, &record, NULL), -EINVAL);
}

static void nothing_uncommitted_survives(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 5);
    fh_store_set_epoch(f->store, 7, true);
    assert_int_equal(fh_store_set_note(f->store, "starts", "12", 2), 0);
    open_again(f);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.next_sequence, 1);
    assert_int_equal(s.epoch, 0);
    char note[8];
    size_t len = sizeof(note);
    assert_int_equal(fh_store_get_note(f->store, "starts", note, &len), -ENOENT);
}

static void settings_survive(void **state)
{
    struct fixture *f = *state;
    uint64_t id = fh_store_id(f->store);
    struct fh_checkpoint checkpoint = {{0}};
    checkpoint.partition_ms[11] = T0;
    fh_store_set_checkpoint(f->store, &checkpoint);
    fh_store_set_epoch(f->store, 7, true);
    fh_store_set_source_time(f->store, T0);
    fh_store_set_source_time(f->store, T0 - 1);
    assert_int_equal(fh_store_set_note(f->store, "starts", "11", 2), 0);
    assert_int_equal(fh_store_set_note(f->store, "starts", "12", 2), 0);
    assert_int_equal(fh_store_set_note(f->store, "", "12", 2), -EINVAL);
    commit(f);
    open_again(f);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(fh_store_id(f->store), id);
    assert_true(id != 0);
    assert_int_equal(s.epoch, 7);
    assert_true(s.last_primary);
    assert_int_equal(s.source_time_ms, T0);
    assert_int_equal(s.received.partition_ms[11], T0);
    assert_int_equal(s.received.partition_ms[0], 0);
    char note[2];
    size_t len = 1;
    assert_int_equal(fh_store_get_note(f->store, "starts", note, &len), -ENOBUFS);
    assert_int_equal(len, 2);
    assert_int_equal(fh_store_get_note(f->store, "starts", note, &len), 0);
    assert_memory_equal(note, "12", 2);
}

static void set_all(struct fixture *f, int64_t stamp)
{
    struct fh_checkpoint checkpoint;
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        checkpoint.partition_ms[i] = stamp;
    }
    fh_store_set_checkpoint(f->store, &checkpoint);
}

static int64_t delivered(struct fixture *f)
{
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    return s.delivered.partition_ms[0];
}

static void delivered_checkpoint_never_passes_the_cursor(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 10);
    commit(f);
    assert_int_equal(delivered(f), 0); /* nothing was known before the first record */
    set_all(f, 100);
    append_range(f, 11, 20);
    commit(f);
    set_all(f, 200);
    append_range(f, 21, 30);
    set_all(f, 300);
    commit(f);
    assert_int_equal(delivered(f), 0);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED);
    commit(f);
    assert_int_equal(delivered(f), 100); /* holds for what came before record 11 */
    own_report(f, 11, 25, 26, FH_REPORT_DELIVERED);
    commit(f);
    assert_int_equal(delivered(f), 200);
    open_again(f);
    assert_int_equal(delivered(f), 200);
    own_report(f, 26, 30, 31, FH_REPORT_DELIVERED);
    commit(f);
    assert_int_equal(delivered(f), 300); /* all delivered: the received one */
    /* a second sink brings its backlog: what it has not, is not delivered */
    f->options.sink_count = 2;
    open_again(f);
    assert_int_equal(delivered(f), 0);
    assert_int_equal(cursor_of(f, "kafka").cursor, 1);
    assert_int_equal(cursor_of(f, "kafka").pending, 30);
}

static void new_sink_from_now(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 10);
    commit(f);
    const bool from_now[2] = {false, true};
    f->options.sink_from_now = from_now;
    f->options.sink_count = 2;
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").cursor, 11);
    append_range(f, 11, 12);
    commit(f);
    open_again(f); /* not new any more: it keeps its place */
    assert_int_equal(cursor_of(f, "kafka").cursor, 11);
    assert_int_equal(cursor_of(f, "archive").cursor, 1);
}

static void reports_move_the_cursor(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 30);
    commit(f);
    assert_int_equal(own_report(f, 1, 10, 11, FH_REPORT_DELIVERED), 1);
    assert_int_equal(own_report(f, 11, 20, 21, FH_REPORT_PREPARED), 2);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 11);
    assert_int_equal(cursor_of(f, "archive").pending, 20);
    open_again(f);
    fh_store_lead(f->store);
    struct fh_report doubt[2];
    assert_int_equal(fh_store_reports_in_doubt(f->store, doubt, 2), 1);
    assert_int_equal(doubt[0].number, 2);
    assert_int_equal(doubt[0].cursor_after, 21);
    assert_string_equal(doubt[0].position, "p-11");
    assert_int_equal(fh_store_report_finish(f->store, 1, FH_REPORT_VOID), -ENOENT);
    assert_int_equal(fh_store_report_finish(f->store, 2, FH_REPORT_DELIVERED), 0);
    assert_int_equal(fh_store_report_finish(f->store, 2, FH_REPORT_DELIVERED), -ENOENT);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 21);
    assert_int_equal(own_report(f, 21, 30, 31, FH_REPORT_PREPARED), 3);
    commit(f);
    assert_int_equal(fh_store_report_finish(f->store, 3, FH_REPORT_VOID), 0);
    commit(f);
    open_again(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 21);
    assert_int_equal(fh_store_reports_in_doubt(f->store, doubt, 2), 0);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.own_report_last, 3);
    struct fh_report bad = {.state = FH_REPORT_DELIVERED, .sink = "archive", .cursor_after = 32};
    uint64_t number;
    assert_int_equal(fh_store_report_add(f->store, &bad, &number), -EINVAL);
    bad.cursor_after = 31;
    strcpy(bad.sink, "unknown");
    assert_int_equal(fh_store_report_add(f->store, &bad, &number), -ENOENT);
}

/* The newer of two prepared batches is settled first, then the older is withdrawn: exactly the
 * older one's records are served again, also after a crash between the two. */
static void settled_out_of_order(void **state)
{
    struct fixture *f = *state;
    for (int crash = 0; crash < 2; crash++) {
        uint64_t base = crash ? 30 : 0;
        fh_store_lead(f->store);
        append_range(f, base + 1, base + 30);
        commit(f);
        uint64_t a = own_report(f, base + 1, base + 10, base + 11, FH_REPORT_PREPARED);
        uint64_t b = own_report(f, base + 11, base + 20, base + 21, FH_REPORT_PREPARED);
        commit(f);
        assert_int_equal(fh_store_report_finish(f->store, b, FH_REPORT_DELIVERED), 0);
        commit(f);
        if (crash) {
            open_again(f);
            fh_store_lead(f->store);
        }
        assert_int_equal(cursor_of(f, "archive").cursor, base + 1);
        assert_int_equal(fh_store_report_finish(f->store, a, FH_REPORT_VOID), 0);
        commit(f);
        uint64_t got[64] = {0};
        uint64_t at = base;
        assert_int_equal(serve_all(f, "archive", &at, got, 64), 20);
        assert_int_equal(got[0], base + 1);
        assert_int_equal(got[9], base + 10);
        assert_int_equal(got[10], base + 21);
        own_report(f, base + 1, base + 30, base + 31, FH_REPORT_DELIVERED);
        commit(f);
    }
}

struct taken {
    uint64_t number[16];
    enum fh_report_state state[16];
    size_t count, stop_at;
};

static int take(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct taken *taken = userdata;
    struct fh_report report;
    assert_int_equal(fh_report_peek(bytes, len, &report), 0);
    assert_int_equal(report.number, number);
    taken->number[taken->count] = number;
    taken->state[taken->count++] = report.state;
    return taken->count == taken->stop_at;
}

static void reports_for_a_peer(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 50);
    commit(f);
    for (uint64_t i = 1; i <= 5; i++) {
        own_report(f, i * 10 - 9, i * 10, i * 10 + 1,
                   i == 5 ? FH_REPORT_PREPARED : FH_REPORT_DELIVERED);
    }
    struct taken taken = {.count = 0};
    /* not durable, not told */
    assert_int_equal(fh_store_reports_from(f->store, 1, 0, 100, take, &taken), 1);
    commit(f);
    assert_int_equal(fh_store_reports_from(f->store, 1, 0, 100, take, &taken), 6);
    assert_int_equal(taken.count, 5);
    assert_int_equal(taken.state[4], FH_REPORT_PREPARED);
    taken.count = 0;
    /* those whose newest record is record 20 are too old */
    assert_int_equal(fh_store_reports_from(f->store, 1, T0 + 201, 2, take, &taken), 5);
    assert_int_equal(taken.count, 2);
    assert_int_equal(taken.number[0], 3);
    taken = (struct taken){.stop_at = 1};
    assert_int_equal(fh_store_reports_from(f->store, 2, 0, 100, take, &taken), 3);
    assert_int_equal(fh_store_report_finish(f->store, 5, FH_REPORT_VOID), 0);
    commit(f);
    taken = (struct taken){.count = 0};
    fh_store_reports_from(f->store, 5, 0, 100, take, &taken);
    assert_int_equal(taken.state[0], FH_REPORT_VOID);
}

static int count_keys(void *userdata, const struct fh_record_key *keys, size_t count)
{
    uint64_t *seen = userdata;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(keys[i].fingerprint, key_of(*seen + i + 1).fingerprint);
    }
    *seen += count;
    return 0;
}

static void keys_for_deduplication(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 700);
    commit(f);
    append_range(f, 701, 703);
    commit(f);
    uint64_t seen = 0;
    assert_int_equal(fh_store_keys(f->store, count_keys, &seen), 0);
    assert_int_equal(seen, 703);
}

static void delivered_and_old_is_dropped(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 1000);
    commit(f);
    own_report(f, 1, 500, 501, FH_REPORT_DELIVERED);
    fh_store_set_source_time(f->store, T0);
    commit(f);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.first_sequence, 1); /* delivered but young */
    uint64_t used = s.bytes_used;
    fh_store_set_source_time(f->store, T0 + 10000 + 121 * INT64_C(60000));
    for (int i = 0; i < 50; i++) {
        commit(f);
    }
    fh_store_state(f->store, &s);
    assert_true(s.first_sequence > 400 && s.first_sequence <= 501); /* old but not delivered */
    assert_true(s.bytes_used < used);
    uint64_t seen = s.first_sequence - 1;
    assert_int_equal(fh_store_keys(f->store, count_keys, &seen), 0);
    assert_int_equal(seen, 1000);
    struct taken taken = {.count = 0};
    fh_store_reports_from(f->store, 0, INT64_MIN, 10, take, &taken);
    assert_int_equal(taken.count, 1); /* kept longer, for a node that comes back after hours */
    uint64_t got[600];
    uint64_t at = 0;
    assert_int_equal(serve_all(f, "archive", &at, got, 600), 500);
    assert_int_equal(got[0], 501);
    fh_store_set_source_time(f->store, T0 + 10000 + 182 * INT64_C(60000));
    for (int i = 0; i < 50; i++) {
        commit(f);
    }
    taken.count = 0;
    fh_store_reports_from(f->store, 0, INT64_MIN, 10, take, &taken);
    assert_int_equal(taken.count, 0);
}

/* Backpressure at the limit; cursors, reports and the epoch still go through; and delivering makes
 * room again. */
static void full_store(void **state)
{
    struct fixture *f = *state;
    f->options.size_limit = 4u << 20;
    open_again(f);
    fh_store_lead(f->store);
    char noise[4000];
    uint64_t n = 0;
    unsigned seed = 1;
    int r = 0;
    for (; r == 0; n++) {
        for (size_t i = 0; i < sizeof(noise); i++) {
            seed = seed * 1103515245 + 12345;
            noise[i] = (char)('!' + (seed >> 16) % 90);
        }
        struct fh_store_record record = {key_of(n + 1), noise, sizeof(noise)};
        r = fh_store_append(f->store, &record, NULL);
        if (n % 16 == 0) {
            commit(f);
        }
    }
    n--;
    assert_int_equal(r, -ENOSPC);
    assert_true(n > 500);
    commit(f);
    fh_store_set_epoch(f->store, 9, true);
    for (uint64_t i = 0; i < 50; i++) {
        own_report(f, 1, 10, i, FH_REPORT_VOID);
        commit(f);
    }
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.epoch, 9);
    assert_true(s.bytes_used <= s.size_limit);
    assert_int_equal(s.next_sequence, n + 1);
    own_report(f, 1, 400, 401, FH_REPORT_DELIVERED);
    for (int i = 0; i < 10; i++) {
        commit(f);
    }
    assert_int_equal(append(f, n + 1, NULL), 0);
    commit(f);
    fh_store_state(f->store, &s);
    assert_true(s.first_sequence > 1);
    assert_true(s.bytes_used <= s.size_limit / 10 * 8);

    fh_store_close(f->store);
    f->store = NULL;
    struct fh_error err = {""};
    f->options.size_limit = 4u << 20;
    struct stat st;
    char path[128];
    snprintf(path, sizeof(path), "%s/store/data.mdb", f->directory);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 4 << 20); /* size_limit is the size of the file */
    f->options.size_limit = 1;
    assert_int_equal(fh_store_open(&f->options, &err, &f->store), -EINVAL);
}

/* Months of work in a small store: the file stays within its limit and nothing goes wrong. */
static void steady_state_does_not_grow(void **state)
{
    struct fixture *f = *state;
    f->options.size_limit = 4u << 20;
    f->options.window_minutes = 3;
    open_again(f);
    fh_store_lead(f->store);
    uint64_t n = 0;
    for (int round = 0; round < 2000; round++) {
        uint64_t from = n + 1;
        for (int i = 0; i < 100; i++) {
            assert_int_equal(append(f, ++n, NULL), 0);
        }
        fh_store_set_source_time(f->store, key_of(n).timestamp_ms);
        commit(f);
        own_report(f, from, n, n + 1, FH_REPORT_DELIVERED);
        commit(f);
    }
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.next_sequence, 200001);
    assert_true(s.first_sequence > 1); /* younger than the window, but the room is needed */
}

/* Commits of one record each: the same is served, from the memory and from the database, in far
 * fewer blocks, and nothing of it depends on the block borders. */
static void small_commits_are_merged(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    for (uint64_t n = 1; n <= 1000; n++) {
        set_all(f, (int64_t)n);
        append_range(f, n, n);
        if (n % 100 == 0) {
            own_report(f, n - 99, n - 50, n - 49, FH_REPORT_DELIVERED);
        }
        commit(f);
        assert_true(delivered(f) <= (int64_t)cursor_of(f, "archive").cursor);
    }
    uint64_t got[1000] = {0};
    for (int round = 0; round < 2; round++) {
        uint64_t at = 0;
        size_t blocks = 0;
        uint64_t expected = 1;
        struct fh_store_batch batch;
        while (fh_store_read(f->store, &at, &batch, NULL) == 1) {
            blocks++;
            assert_int_equal(batch.sequence[0], expected);
            expected += batch.count;
            fh_store_batch_done(f->store, &batch);
        }
        assert_int_equal(expected, 1001);
        assert_true(blocks < 150); /* records of 130 bytes, blocks of 4096 */
        at = 0;
        assert_int_equal(serve_all(f, "archive", &at, got, 1000), 50);
        assert_int_equal(got[0], 951);
        uint64_t seen = 0;
        assert_int_equal(fh_store_keys(f->store, count_keys, &seen), 0);
        assert_int_equal(seen, 1000);
        f->options.cache_bytes = 0;
        open_again(f);
        fh_store_lead(f->store);
    }
}

static void two_daemons(void **state)
{
    struct fixture *f = *state;
    struct fh_store *other = NULL;
    struct fh_error err = {""};
    assert_int_equal(fh_store_open(&f->options, &err, &other), -EBUSY);
    char pid[32];
    snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
}

static void overwrite(struct fixture *f, off_t offset, const void *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/store/data.mdb", f->directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, offset), (ssize_t)len);
    close(fd);
}

static void expect_refusal(struct fixture *f, int code, const char *words)
{
    struct fh_error err = {""};
    assert_int_equal(fh_store_open(&f->options, &err, &f->store), code);
    assert_null(f->store);
    if (!strstr(err.text, words)) {
        fail_msg("no \"%s\" in: %s", words, err.text);
    }
}

static void foreign_and_damaged_files(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/store/data.mdb", f->directory);
    append_range(f, 1, 2000);
    commit(f);
    fh_store_close(f->store);
    f->store = NULL;
    char zeros[8192] = {0};
    overwrite(f, 0, zeros, sizeof(zeros));
    expect_refusal(f, -EUCLEAN, "move ");
    memset(zeros, 'x', sizeof(zeros));
    overwrite(f, 0, zeros, sizeof(zeros));
    expect_refusal(f, -ENOTSUP, "not made by firehosed");
    assert_int_equal(remove(path), 0);
    open_again(f);
    append_range(f, 1, 2000);
    commit(f);
    fh_store_close(f->store);
    f->store = NULL;
    static const off_t lengths[] = {16384, 8192, 4096, 100, 19, 1};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_int_equal(truncate(path, lengths[i]), 0);
        expect_refusal(f, -EUCLEAN, "move ");
    }
}

static void damaged_block_is_told(void **state)
{
    struct fixture *f = *state;
    f->options.cache_bytes = 0;
    f->options.block_bytes = 65536;
    open_again(f);
    append_range(f, 1, 2000);
    commit(f);
    damage_a_block(f);
    fh_store_lead(f->store);
    int damaged = 0;
    uint64_t sequence = 1;
    struct fh_error err = {""};
    struct fh_store_batch batch;
    int r;
    while ((r = fh_store_next(f->store, "archive", &sequence, &batch, &err)) == 1) {
        fh_store_batch_done(f->store, &batch);
    }
    damaged += r == -EUCLEAN;
    assert_int_equal(damaged, 1);
    assert_non_null(strstr(err.text, "damaged at record "));
    assert_non_null(strstr(err.text, "move "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_come_back),
        TEST(batch_is_one_piece),
        TEST(newline_is_refused),
        TEST(nothing_uncommitted_survives),
        TEST(settings_survive),
        TEST(delivered_checkpoint_never_passes_the_cursor),
        TEST(new_sink_from_now),
        TEST(reports_move_the_cursor),
        TEST(settled_out_of_order),
        TEST(reports_for_a_peer),
        TEST(keys_for_deduplication),
        TEST(delivered_and_old_is_dropped),
        TEST(full_store),
        TEST(steady_state_does_not_grow),
        TEST(small_commits_are_merged),
        TEST(two_daemons),
        TEST(foreign_and_damaged_files),
        TEST(damaged_block_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
