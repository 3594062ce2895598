/* test_dedup.c: nothing forgotten, nothing invented, in bounded memory, with any allocation
 * failing. */
#include "fh/dedup.h"
#include "fh/err.h"

#include <errno.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define NOW    INT64_C(1700000000000)
#define MINUTE INT64_C(60000)

/* An allocator that counts bytes and fails the call whose turn it is. */
static struct {
    size_t live;
    size_t peak;
    long calls;
    long fail_at; /* -1: never */
} heap;

static void *counting_allocate(size_t bytes)
{
    if (heap.calls++ == heap.fail_at) {
        return NULL;
    }
    size_t *memory = malloc(sizeof(max_align_t) + bytes);
    assert_non_null(memory);
    *memory = bytes;
    memset((char *)memory + sizeof(max_align_t), 0xa5, bytes); /* uninitialised means that */
    heap.live += bytes;
    heap.peak = heap.live > heap.peak ? heap.live : heap.peak;
    return (char *)memory + sizeof(max_align_t);
}

static void counting_release(void *memory)
{
    if (memory) {
        size_t *head = (size_t *)(void *)((char *)memory - sizeof(max_align_t));
        heap.live -= *head;
        free(head);
    }
}

static const struct fh_allocator counting = {counting_allocate, counting_release};

static int reset_heap(void **state)
{
    (void)state;
    memset(&heap, 0, sizeof(heap));
    heap.fail_at = -1;
    return 0;
}

static int nothing_leaked(void **state)
{
    (void)state;
    return heap.live == 0 ? 0 : -1;
}

static struct fh_dedup *fresh(unsigned window, uint64_t max_records)
{
    struct fh_dedup *dedup = NULL;
    assert_int_equal(fh_dedup_new(window, max_records, &counting, &dedup), 0);
    return dedup;
}

static struct fh_record_key key(uint64_t fingerprint, int64_t timestamp_ms)
{
    return (struct fh_record_key){fingerprint, timestamp_ms};
}

/* Bijective, so that counting up gives different, well-spread fingerprints. */
static uint64_t spread(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9;
    value ^= value >> 27;
    value *= 0x94d049bb133111eb;
    return value ^ value >> 31;
}

static struct fh_dedup_stats stats_of(const struct fh_dedup *dedup)
{
    struct fh_dedup_stats stats;
    fh_dedup_stats(dedup, &stats);
    return stats;
}

static void new_then_seen(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(120, 1000000);
    assert_false(fh_dedup_contains(dedup, key(5, NOW)));
    assert_int_equal(fh_dedup_add(dedup, key(5, NOW)), 1);
    assert_int_equal(fh_dedup_add(dedup, key(5, NOW)), 0);
    assert_int_equal(fh_dedup_add(dedup, key(5, NOW + MINUTE)), 1); /* another minute's set */
    assert_int_equal(fh_dedup_add(dedup, key(6, NOW)), 1);
    assert_true(fh_dedup_contains(dedup, key(5, NOW)));
    assert_int_equal(stats_of(dedup).records, 3);
    assert_int_equal(stats_of(dedup).minutes, 2);
    fh_dedup_remove(dedup, key(5, NOW));
    assert_false(fh_dedup_contains(dedup, key(5, NOW)));
    assert_true(fh_dedup_contains(dedup, key(6, NOW)));
    assert_true(fh_dedup_contains(dedup, key(5, NOW + MINUTE)));
    fh_dedup_remove(dedup, key(5, NOW)); /* not there: nothing happens */
    fh_dedup_remove(dedup, key(5, 0));
    assert_int_equal(stats_of(dedup).records, 2);
    assert_int_equal(fh_dedup_add(dedup, key(5, NOW)), 1);
    fh_dedup_free(dedup);
    fh_dedup_free(NULL);
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
    struct fh_dedup *dedup = NULL;
    assert_int_equal(fh_dedup_new(0, 1, &counting, &dedup), -EINVAL);
    assert_int_equal(fh_dedup_new(1441, 1, &counting, &dedup), -EINVAL);
    assert_int_equal(fh_dedup_new(1, 0, &counting, &dedup), -EINVAL);
    assert_null(dedup);
}

static void a_hundred_thousand_stay_known(void **state)
{
    (void)state;
    const uint64_t count = 100000;
    struct fh_dedup *dedup = fresh(120, 1000000);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(spread(i + 1), NOW + (int64_t)i)), 1);
    }
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(spread(i + 1), NOW + (int64_t)i)), 0);
        assert_false(fh_dedup_contains(dedup, key(spread(i + 1 + count), NOW + (int64_t)i)));
    }
    assert_int_equal(stats_of(dedup).records, count);
    fh_dedup_free(dedup);
}

/* Removal against a plain model, with fingerprints that share homes and wrap around the end. */
static void removal_keeps_probe_chains(void **state)
{
    (void)state;
    enum { VALUES = 40 };
    uint64_t random = 77; /* seed */
    for (int run = 0; run < 300; run++) {
        struct fh_dedup *dedup = fresh(10, 1000000);
        uint64_t value[VALUES];
        bool there[VALUES] = {false};
        for (uint64_t i = 0; i < VALUES; i++) {
            random = spread(random + 1);
            /* three clusters: the very end of the table, its start, and one in the middle */
            const uint64_t base[] = {UINT64_MAX - 1000, 1, UINT64_C(1) << 63};
            value[i] = run % 4 == 0 ? spread(random) : base[random % 3] + i;
        }
        for (int step = 0; step < 400; step++) {
            random = spread(random + 1);
            size_t i = random % VALUES;
            if (random >> 40 & 1) {
                assert_int_equal(fh_dedup_add(dedup, key(value[i], NOW)), there[i] ? 0 : 1);
                there[i] = true;
            } else {
                fh_dedup_remove(dedup, key(value[i], NOW));
                there[i] = false;
            }
            for (size_t k = 0; k < VALUES; k++) {
                assert_int_equal(fh_dedup_contains(dedup, key(value[k], NOW)), there[k]);
            }
        }
        fh_dedup_free(dedup);
    }
}

static void the_window_moves_by_advance_only(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(10, 1000000);
    fh_dedup_advance(dedup, NOW);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW + 1000000 * MINUTE)), 1); /* wild */
    assert_int_equal(fh_dedup_add(dedup, key(2, NOW - 10 * MINUTE)), 1);
    assert_int_equal(fh_dedup_add(dedup, key(3, NOW - 11 * MINUTE)), -ERANGE);
    assert_false(fh_dedup_contains(dedup, key(3, NOW - 11 * MINUTE)));
    assert_true(fh_dedup_contains(dedup, key(2, NOW - 10 * MINUTE)));
    fh_dedup_advance(dedup, NOW + MINUTE);
    assert_false(fh_dedup_contains(dedup, key(2, NOW - 10 * MINUTE)));
    assert_int_equal(fh_dedup_add(dedup, key(2, NOW - 10 * MINUTE)), -ERANGE);
    fh_dedup_advance(dedup, NOW - 100 * MINUTE); /* never goes back */
    assert_int_equal(fh_dedup_add(dedup, key(2, NOW - 10 * MINUTE)), -ERANGE);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW + 1000000 * MINUTE)), 0);
    assert_int_equal(stats_of(dedup).early_drops, 0);
    fh_dedup_advance(dedup, NOW + 2000000 * MINUTE);
    assert_int_equal(stats_of(dedup).records, 0);
    assert_int_equal(stats_of(dedup).minutes, 0);
    fh_dedup_free(dedup);
}

static void negative_and_extreme_stamps(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(10, 1000000);
    const int64_t stamps[] = {-1, 0, INT64_MIN, INT64_MAX, -60000, 59999};
    for (size_t i = 0; i < FH_ARRAY_LEN(stamps); i++) {
        assert_int_equal(fh_dedup_add(dedup, key(i + 1, stamps[i])), 1);
        assert_int_equal(fh_dedup_add(dedup, key(i + 1, stamps[i])), 0);
    }
    assert_int_equal(stats_of(dedup).minutes, 4);
    fh_dedup_advance(dedup, INT64_MAX);
    assert_int_equal(stats_of(dedup).minutes, 1);
    fh_dedup_free(dedup);
    dedup = fresh(10, 1000000);
    fh_dedup_advance(dedup, INT64_MIN);
    assert_int_equal(fh_dedup_add(dedup, key(9, INT64_MIN)), 1);
    fh_dedup_free(dedup);
}

static void zero_is_a_fingerprint_like_any_other(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(10, 1000000);
    assert_int_equal(fh_dedup_add(dedup, key(0, NOW)), 1);
    assert_int_equal(fh_dedup_add(dedup, key(0, NOW)), 0);
    fh_dedup_remove(dedup, key(0, NOW));
    assert_false(fh_dedup_contains(dedup, key(0, NOW)));
    fh_dedup_free(dedup);
}

static void far_ahead_minutes_yield_to_near_ones(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(10, 1000000);
    fh_dedup_advance(dedup, NOW);
    for (int64_t i = 0; i < 64; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(1, NOW + (1000 + i) * MINUTE)), 1);
    }
    assert_int_equal(stats_of(dedup).minutes, 64);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW + 5000 * MINUTE)), -ERANGE);
    for (int64_t i = -10; i <= 30; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(2, NOW + i * MINUTE)), 1);
    }
    for (int64_t i = -10; i <= 30; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(2, NOW + i * MINUTE)), 0);
    }
    assert_int_equal(stats_of(dedup).minutes, 11 + 64);
    assert_int_equal(stats_of(dedup).early_drops, 30);
    assert_true(fh_dedup_contains(dedup, key(1, NOW + 1033 * MINUTE)));
    assert_false(fh_dedup_contains(dedup, key(1, NOW + 1034 * MINUTE)));
    fh_dedup_free(dedup);
}

/* One range hangs: the watermark of all stands still while the others go on. */
static void a_window_ahead_of_the_watermark_is_remembered(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(120, 1000000);
    fh_dedup_advance(dedup, NOW);
    for (int64_t i = -120; i <= 120; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(2, NOW + i * MINUTE)), 1);
    }
    for (int64_t i = -120; i <= 120; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(2, NOW + i * MINUTE)), 0);
    }
    assert_int_equal(fh_dedup_add(dedup, key(2, NOW + 121 * MINUTE)), -ERANGE);
    fh_dedup_free(dedup);
}

static void sets_before_the_first_advance(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(10, 1000000);
    for (int64_t i = 0; i < 10 + 1 + 64; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(1, NOW + i * MINUTE)), 1);
    }
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW - MINUTE)), -ERANGE);
    fh_dedup_advance(dedup, NOW + MINUTE);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW - MINUTE)), 1); /* the window has room */
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW + 70 * MINUTE)), 0);
    assert_int_equal(stats_of(dedup).early_drops, 1);
    fh_dedup_free(dedup);
}

static void max_records_drops_the_oldest_minute(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(60, 100);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(i + 1, NOW + (int64_t)(i / 40) * MINUTE)), 1);
    }
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW)), 0); /* known ones cost nothing */
    assert_int_equal(stats_of(dedup).early_drops, 0);
    assert_int_equal(fh_dedup_add(dedup, key(1000, NOW + 2 * MINUTE)), 1);
    assert_int_equal(stats_of(dedup).early_drops, 40);
    assert_int_equal(stats_of(dedup).records, 61);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW)), -ERANGE); /* cannot be known any more */
    assert_true(fh_dedup_contains(dedup, key(41, NOW + MINUTE)));
    /* a single minute larger than the bound starts over and keeps the bound */
    for (uint64_t i = 0; i < 500; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(i + 5000, NOW + 9 * MINUTE)), 1);
        assert_int_equal(fh_dedup_add(dedup, key(i + 5000, NOW + 9 * MINUTE)), 0);
        assert_true(stats_of(dedup).records <= 100);
    }
    fh_dedup_free(dedup);
}

static void what_cannot_be_known_is_not_new(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(60, 1000);
    fh_dedup_advance(dedup, NOW + 30 * MINUTE);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW)), 1);
    assert_int_equal(fh_dedup_add(dedup, key(2, NOW + 10 * MINUTE)), 1);
    fh_dedup_forget(dedup, NOW + 10 * MINUTE);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW)), -ERANGE);
    assert_int_equal(fh_dedup_add(dedup, key(3, NOW + 9 * MINUTE)), -ERANGE);
    assert_int_equal(fh_dedup_add(dedup, key(2, NOW + 10 * MINUTE)), 0);
    fh_dedup_forget(dedup, NOW - 100 * MINUTE); /* no way back */
    assert_int_equal(fh_dedup_add(dedup, key(4, NOW + 9 * MINUTE)), -ERANGE);
    assert_int_equal(stats_of(dedup).records, 1);
    fh_dedup_free(dedup);
}

/* One late record, and there is no room: what is newer stays known. */
static void a_late_one_costs_no_newer_ones(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(60, 100);
    fh_dedup_advance(dedup, NOW);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(i + 1, NOW - MINUTE)), 1);
    }
    assert_int_equal(fh_dedup_add(dedup, key(1000, NOW - 9 * MINUTE)), -ERANGE);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW - MINUTE)), 0);
    assert_int_equal(fh_dedup_add(dedup, key(1001, NOW)), 1);
    assert_int_equal(fh_dedup_add(dedup, key(1, NOW - MINUTE)), -ERANGE);
    fh_dedup_free(dedup);
    /* Those ahead of the window may be wild: they go. */
    dedup = fresh(60, 100);
    fh_dedup_advance(dedup, NOW);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(fh_dedup_add(dedup, key(i + 1, NOW + 50 * MINUTE)), 1);
    }
    assert_int_equal(fh_dedup_add(dedup, key(1000, NOW)), 1);
    assert_int_equal(fh_dedup_add(dedup, key(1000, NOW)), 0);
    assert_int_equal(fh_dedup_add(dedup, key(1001, NOW - MINUTE)), 1);
    fh_dedup_free(dedup);
}

/* Also while a set grows and both tables exist. */
static void never_more_than_25_bytes_per_record(void **state)
{
    (void)state;
    struct fh_dedup *dedup = fresh(1, 10000000);
    size_t fixed = heap.live;
    assert_int_equal(stats_of(dedup).bytes, fixed);
    for (uint64_t i = 0; i < 1000000; i++) {
        heap.peak = 0;
        assert_int_equal(fh_dedup_add(dedup, key(spread(i + 1), NOW)), 1);
        if (i >= 12) {
            assert_true(heap.live - fixed <= 25 * (i + 1));
            assert_true(heap.peak == 0 || heap.peak - fixed <= 25 * (i + 1));
        }
        if (i % 1000 == 0) {
            assert_int_equal(stats_of(dedup).bytes, heap.live);
        }
    }
    fh_dedup_free(dedup);
}

/* A run in which allocation number fail_at fails: whatever was answered with 1 stays known, and
 * what failed can be added by trying again. Returns false when nothing failed any more. */
static bool run_with_failure(long fail_at)
{
    reset_heap(NULL);
    heap.fail_at = fail_at;
    struct fh_dedup *dedup = NULL;
    int r = fh_dedup_new(10, 500, &counting, &dedup);
    if (r == -ENOMEM) {
        assert_null(dedup);
        return true;
    }
    assert_int_equal(r, 0);
    bool failed = false;
    for (uint64_t i = 0; i < 400; i++) {
        struct fh_record_key each = key(spread(i + 1), NOW + (int64_t)(i % 4) * MINUTE);
        r = fh_dedup_add(dedup, each);
        if (r == -ENOMEM) {
            assert_false(failed);
            failed = true;
            assert_false(fh_dedup_contains(dedup, each));
            assert_int_equal(stats_of(dedup).records, i);
            assert_int_equal(stats_of(dedup).bytes, heap.live);
            r = fh_dedup_add(dedup, each);
        }
        assert_int_equal(r, 1);
        for (uint64_t k = 0; k <= i; k++) {
            assert_true(
                fh_dedup_contains(dedup, key(spread(k + 1), NOW + (int64_t)(k % 4) * MINUTE)));
        }
    }
    fh_dedup_free(dedup);
    assert_int_equal(heap.live, 0);
    return failed;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    long fail_at = 0;
    while (run_with_failure(fail_at)) {
        fail_at++;
    }
    assert_in_range(fail_at, 20, 100); /* it did fail them, one after the other */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, reset_heap, nothing_leaked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_then_seen),
        TEST(bad_settings_are_refused),
        TEST(a_hundred_thousand_stay_known),
        TEST(removal_keeps_probe_chains),
        TEST(the_window_moves_by_advance_only),
        TEST(negative_and_extreme_stamps),
        TEST(zero_is_a_fingerprint_like_any_other),
        TEST(far_ahead_minutes_yield_to_near_ones),
        TEST(a_window_ahead_of_the_watermark_is_remembered),
        TEST(sets_before_the_first_advance),
        TEST(max_records_drops_the_oldest_minute),
        TEST(a_late_one_costs_no_newer_ones),
        TEST(what_cannot_be_known_is_not_new),
        TEST(never_more_than_25_bytes_per_record),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
