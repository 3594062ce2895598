/* test_store_disk.c: the file system under the store is full, with a store that is not: said so,
 * nothing happened, what is staged stays, and goes in once there is room. Needs root. */
#include "small_disk.h"
#include "test_store_common.h"

#define DISK_BYTES  (8u << 20)
#define PAGES_LEFT  16 /* each number of pages up to this one is tried */
#define RECORDS     UINT64_C(200)
#define RECORDS_MAX ((PAGES_LEFT + 2) * RECORDS)

/* Records that compress badly: a commit of RECORDS of them takes more than PAGES_LEFT pages. */
static void append_bulky(struct fixture *f, uint64_t from, uint64_t to)
{
    static unsigned seed = 1;
    for (uint64_t number = from; number <= to; number++) {
        char text[600];
        int len = snprintf(text, sizeof(text), "{\"n\":%llu,\"x\":\"", (unsigned long long)number);
        while (len < 500) {
            seed = seed * 1664525U + 1013904223U;
            text[len++] = (char)('0' + (seed >> 16) % 75);
        }
        struct fh_store_record record = {key_of(number), text, (uint32_t)len};
        assert_int_equal(fh_store_append(f->store, &record, NULL), 0);
    }
}

static uint64_t next_sequence(struct fixture *f)
{
    struct fh_store_state state;
    fh_store_state(f->store, &state);
    return state.next_sequence;
}

static void assert_all_there(struct fixture *f, uint64_t count)
{
    static uint64_t got[RECORDS_MAX];
    uint64_t at = 1;
    fh_store_lead(f->store);
    assert_int_equal(serve_all(f, "archive", &at, got, RECORDS_MAX), count);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(got[i], i + 1);
    }
}

static void start(struct fixture *f)
{
    fh_store_close(f->store); /* it was opened beneath */
    f->store = NULL;
    if (!small_disk_mount(f->directory, DISK_BYTES)) {
        skip();
    }
    open_again(f);
}

/* With so many pages left the first write fails, or one in the middle, or it is cut short, which
 * LMDB calls an input/output error. */
static void nothing_happened_and_it_stays_staged(void **state)
{
    struct fixture *f = *state;
    start(f);
    uint64_t last = 0;
    for (unsigned pages = 0; pages <= PAGES_LEFT; pages++) {
        append_bulky(f, last + 1, last + RECORDS);
        assert_int_equal(small_disk_fill(f->directory, pages), 0);
        struct fh_error err = {""};
        for (int again = 0; again < 3; again++) {
            assert_int_equal(fh_store_commit(f->store, &err), -ENOSPC);
            assert_non_null(strstr(err.text, "the file system of "));
            assert_int_equal(next_sequence(f), last + 1);
        }
        small_disk_clear(f->directory);
        commit(f);
        last += RECORDS;
        assert_int_equal(next_sequence(f), last + 1);
    }
    assert_all_there(f, last);
    open_again(f);
    assert_all_there(f, last);
}

/* What was not committed is gone with the process, as after any end of it; what was is there. */
static void who_ends_meanwhile_finds_what_was_committed(void **state)
{
    struct fixture *f = *state;
    start(f);
    append_bulky(f, 1, RECORDS);
    commit(f);
    append_bulky(f, RECORDS + 1, 2 * RECORDS);
    assert_int_equal(small_disk_fill(f->directory, 3), 0);
    struct fh_error err = {""};
    assert_int_equal(fh_store_commit(f->store, &err), -ENOSPC);
    open_again(f);
    assert_all_there(f, RECORDS);
    append_bulky(f, RECORDS + 1, 2 * RECORDS);
    assert_int_equal(fh_store_commit(f->store, &err), -ENOSPC);
    small_disk_clear(f->directory);
    commit(f);
    assert_all_there(f, 2 * RECORDS);
}

static int teardown_disk(void **state)
{
    struct fixture *f = *state;
    char directory[sizeof(f->directory)];
    memcpy(directory, f->directory, sizeof(directory));
    fh_store_close(f->store);
    f->store = NULL;
    small_disk_unmount(directory);
    return teardown(state); /* what setup left beneath */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_happened_and_it_stays_staged, setup, teardown_disk),
        cmocka_unit_test_setup_teardown(who_ends_meanwhile_finds_what_was_committed, setup,
                                        teardown_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
