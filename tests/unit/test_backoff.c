/* test_backoff.c: the schedule of waits, with the randomness at its ends and at fixed seeds. */
#include "fh/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

static struct fh_time at_second(int64_t second)
{
    return (struct fh_time){second * SECOND_NS};
}

static struct fh_backoff fresh(void)
{
    struct fh_backoff backoff;
    fh_backoff_init(&backoff, 1000, 300000, 300000);
    return backoff;
}

static void ceiling_doubles_to_max(void **state)
{
    (void)state;
    struct fh_backoff backoff = fresh();
    const int64_t expected[] = {1000,  2000,   4000,   8000,   16000, 32000,
                                64000, 128000, 256000, 300000, 300000};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), expected[i]);
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), 300000);
    }
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), 0, 0), 0);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_C(1) << 31, 0), 150000);
}

static void jitter_covers_the_whole_range(void **state)
{
    (void)state;
    unsigned bucket[10] = {0};
    uint32_t random = 1; /* seed */
    for (int i = 0; i < 10000; i++) {
        struct fh_backoff backoff = fresh();
        random = random * 1664525U + 1013904223U;
        int64_t wait = fh_backoff_failed(&backoff, at_second(1), random, 0);
        assert_in_range(wait, 0, 1000);
        bucket[wait < 1000 ? wait / 100 : 9]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(bucket[i], 800, 1200);
    }
}

static void only_long_health_resets(void **state)
{
    (void)state;
    struct fh_backoff backoff = fresh();
    for (int i = 0; i < 5; i++) {
        fh_backoff_failed(&backoff, at_second(1), 0, 0);
    }
    fh_backoff_connected(&backoff, at_second(10));
    fh_backoff_connected(&backoff, at_second(200)); /* still the same connection */
    assert_int_equal(fh_backoff_failed(&backoff, at_second(309), UINT32_MAX, 0), 32000);
    fh_backoff_connected(&backoff, at_second(400));
    fh_backoff_connected(&backoff, at_second(699));
    assert_int_equal(fh_backoff_failed(&backoff, at_second(700), UINT32_MAX, 0), 1000);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(701), UINT32_MAX, 0), 2000);
    /* health before a failure does not count for what comes after it */
    assert_int_equal(fh_backoff_failed(&backoff, at_second(2000), UINT32_MAX, 0), 4000);
}

static void retry_after_is_a_minimum(void **state)
{
    (void)state;
    struct fh_backoff backoff = fresh();
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), 0, 7000), 7000);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 7000), 8000);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 3000), 4000);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, -5), 8000);
    int64_t day = INT64_C(24) * 3600 * 1000;
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), 0, INT64_MAX), day);
}

static void refused_is_slow(void **state)
{
    (void)state;
    struct fh_backoff backoff = fresh();
    assert_int_equal(fh_backoff_refused(&backoff, 0, 300000), 300000);
    assert_int_equal(fh_backoff_refused(&backoff, UINT32_MAX, 300000), 330000);
    /* it is not one of the failures that double */
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), 1000);
    fh_backoff_connected(&backoff, at_second(10));
    fh_backoff_refused(&backoff, 0, 300000);
    assert_false(fh_time_is_set(backoff.healthy_since));
}

static void odd_settings_stay_sane(void **state)
{
    (void)state;
    struct fh_backoff backoff;
    fh_backoff_init(&backoff, 5000, 1000, 0);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), 5000);
    assert_int_equal(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), 5000);
    fh_backoff_init(&backoff, 0, 0, 0);
    assert_in_range(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), 0, 1);
    fh_backoff_init(&backoff, INT64_MAX / 2, INT64_MAX, 0);
    for (int i = 0; i < 5; i++) {
        assert_in_range(fh_backoff_failed(&backoff, at_second(1), UINT32_MAX, 0), 0, INT32_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ceiling_doubles_to_max),  cmocka_unit_test(jitter_covers_the_whole_range),
        cmocka_unit_test(only_long_health_resets), cmocka_unit_test(retry_after_is_a_minimum),
        cmocka_unit_test(refused_is_slow),         cmocka_unit_test(odd_settings_stay_sane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
