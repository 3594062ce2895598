/* test_latency.c: when records arrived, and how long they took: the marks, their thinning out, the
 * buckets. */
#include "arrival.h"
#include "latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants these above first */
#include <cmocka.h>

static struct fh_arrivals arrivals;

static struct fh_time at_ms(int64_t ms)
{
    return (struct fh_time){(ms + 1) * 1000000};
}

static int64_t arrived_ms(uint64_t sequence)
{
    struct fh_time at = fh_arrivals_at(&arrivals, sequence);
    return fh_time_is_set(at) ? at.ns / 1000000 - 1 : -1;
}

static void finds_the_commit_of_a_record(void **state)
{
    (void)state;
    fh_arrivals_init(&arrivals);
    assert_int_equal(arrived_ms(5), -1);
    fh_arrivals_note(&arrivals, 100, at_ms(0));
    fh_arrivals_note(&arrivals, 110, at_ms(10));
    fh_arrivals_note(&arrivals, 200, at_ms(20));
    assert_int_equal(arrived_ms(99), -1);
    assert_int_equal(arrived_ms(100), 0);
    assert_int_equal(arrived_ms(109), 0);
    assert_int_equal(arrived_ms(110), 10);
    assert_int_equal(arrived_ms(199), 10);
    assert_int_equal(arrived_ms(1000000), 20);
    fh_arrivals_done(&arrivals);
}

/* However many there were, none is said to be younger than it is, and the newest are exact. */
static void old_marks_get_coarse_never_wrong(void **state)
{
    (void)state;
    fh_arrivals_init(&arrivals);
    const int64_t commits = 20 * FH_ARRIVALS_MAX + 7;
    for (int64_t i = 0; i < commits; i++) {
        fh_arrivals_note(&arrivals, (uint64_t)(1000 + i * 3), at_ms(i));
        assert_true(arrivals.count <= FH_ARRIVALS_MAX);
    }
    int64_t last = 0;
    for (int64_t i = 0; i < commits; i++) {
        int64_t found = arrived_ms((uint64_t)(1000 + i * 3 + 2));
        assert_in_range(found, last, i);
        last = found;
    }
    assert_int_equal(arrived_ms(1000), 0);
    assert_int_equal(arrived_ms((uint64_t)(1000 + (commits - 1) * 3)), commits - 1);
    fh_arrivals_done(&arrivals);
}

static void counts_in_the_bucket_it_belongs_to(void **state)
{
    (void)state;
    struct fh_latency latency = {0};
    struct fh_latency_runs runs = {0};
    struct fh_pipeline_latency got;
    fh_latency_runs_add(&runs, (struct fh_time){0}, 9); /* not known */
    fh_latency_runs_add(&runs, at_ms(0), 0);
    assert_int_equal(runs.count, 0);
    fh_latency_runs_add(&runs, at_ms(0), 3);
    fh_latency_runs_add(&runs, at_ms(0), 4);
    assert_int_equal(runs.count, 1);
    fh_latency_runs_add(&runs, at_ms(995), 5);
    fh_latency_delivered(&latency, &runs, at_ms(1000));
    fh_latency_read(&latency, &got);
    assert_int_equal(got.count[7], 7); /* 1000 ms: at most 1 s */
    assert_int_equal(got.count[0], 5); /* 5 ms */
    assert_int_equal(got.sum_us, 7 * 1000000 + 5 * 5000);
    fh_latency_delivered(&latency, &runs, at_ms(1000000));
    fh_latency_read(&latency, &got);
    assert_int_equal(got.count[FH_LATENCY_BOUNDS], 12);
}

static void a_batch_of_many_commits_keeps_its_count(void **state)
{
    (void)state;
    struct fh_latency latency = {0};
    struct fh_latency_runs runs = {0};
    struct fh_pipeline_latency got;
    for (int i = 0; i < 10 * FH_LATENCY_RUNS; i++) {
        fh_latency_runs_add(&runs, at_ms(i * 7), 2);
    }
    assert_int_equal(runs.count, FH_LATENCY_RUNS);
    fh_latency_delivered(&latency, &runs, at_ms(100000));
    fh_latency_read(&latency, &got);
    uint64_t sum = 0;
    for (size_t i = 0; i <= FH_LATENCY_BOUNDS; i++) {
        sum += got.count[i];
    }
    assert_int_equal(sum, 20 * FH_LATENCY_RUNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_commit_of_a_record),
        cmocka_unit_test(old_marks_get_coarse_never_wrong),
        cmocka_unit_test(counts_in_the_bucket_it_belongs_to),
        cmocka_unit_test(a_batch_of_many_commits_keeps_its_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
