/* test_watermark.c: what moves the resume point, and above all what does not. */
#include "fh/watermark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define NOW    INT64_C(1700000000000)
#define MINUTE INT64_C(60000)
#define HOUR   (MINUTE * 60)
#define YEAR   (HOUR * 24 * 365)

static struct fh_watermark seeded(int64_t high_ms)
{
    struct fh_watermark mark;
    fh_watermark_init(&mark, 10 * MINUTE, 3);
    fh_watermark_seed(&mark, high_ms);
    return mark;
}

static void rises_and_never_falls(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    fh_watermark_observe(&mark, NOW + 5);
    assert_int_equal(mark.high_ms, NOW + 5);
    fh_watermark_observe(&mark, NOW - 5 * MINUTE);
    assert_int_equal(mark.high_ms, NOW + 5);
    fh_watermark_seed(&mark, NOW);
    assert_int_equal(mark.high_ms, NOW + 5);
    fh_watermark_observe(&mark, NOW + 5 + 10 * MINUTE); /* exactly max_jump is no jump */
    assert_int_equal(mark.high_ms, NOW + 5 + 10 * MINUTE);
}

/* Each reconnect asks for the overlap again: what comes again must not make the next one longer. */
static void reconnects_do_not_lengthen_the_overlap(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    for (int i = 0; i < 20; i++) {
        int64_t from = fh_watermark_resume(&mark, 10000, 55 * MINUTE);
        assert_int_equal(from, mark.high_ms - 10000);
        for (int64_t stamp = from; stamp <= mark.high_ms; stamp += 100) {
            fh_watermark_observe_again(&mark, stamp);
        }
        fh_watermark_observe(&mark, mark.high_ms + 50);
    }
    assert_int_equal(mark.lateness_ms, 0);
    fh_watermark_observe_again(&mark,
                               mark.high_ms + 50); /* known from another range: it is there */
    assert_int_equal(mark.high_ms, NOW + 21 * 50);
    fh_watermark_observe(&mark, mark.high_ms - 7000); /* a new one is late indeed */
    assert_int_equal(fh_watermark_overlap(&mark, 10000, 55 * MINUTE), 14000);
}

static void nonsense_is_ignored(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(0);
    fh_watermark_observe(&mark, 0);
    fh_watermark_observe(&mark, -1);
    fh_watermark_observe(&mark, INT64_MIN);
    assert_int_equal(mark.high_ms, 0);
    assert_int_equal(fh_watermark_resume(&mark, 10000, HOUR), 0);
    mark = seeded(NOW);
    fh_watermark_observe(&mark, 0);
    fh_watermark_observe(&mark, INT64_MIN);
    assert_int_equal(mark.lateness_ms, 0);
    assert_int_equal(mark.high_ms, NOW);
}

static void first_stamp_needs_a_second(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(0);
    fh_watermark_observe(&mark, NOW + YEAR);
    assert_int_equal(mark.high_ms, 0);
    fh_watermark_observe(&mark, NOW);
    assert_int_equal(mark.high_ms, 0);
    fh_watermark_observe(&mark, NOW - 2000);
    assert_int_equal(mark.high_ms, NOW);
    assert_int_equal(mark.lateness_ms, 2000);
}

static void one_wrong_clock_does_not_move_it(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    for (int64_t i = 1; i <= 1000; i++) {
        fh_watermark_observe(&mark, NOW + YEAR + i); /* one device, wrong for ever */
        fh_watermark_observe(&mark, INT64_MAX - i);
        fh_watermark_observe(&mark, NOW + i);
        assert_int_equal(mark.high_ms, NOW + i);
    }
}

static void a_pause_is_accepted_after_some_records(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    fh_watermark_observe(&mark, NOW + HOUR);
    fh_watermark_observe(&mark, NOW + HOUR + 7);
    fh_watermark_observe(&mark, NOW - HOUR); /* far behind: says nothing about where we are */
    fh_watermark_observe(&mark, NOW + HOUR - 9);
    assert_int_equal(mark.high_ms, NOW);
    fh_watermark_observe(&mark, NOW + HOUR + 20);
    assert_int_equal(mark.high_ms, NOW + HOUR - 9); /* the lowest of them: doubt goes low */
    fh_watermark_observe(&mark, NOW + HOUR + 21);
    assert_int_equal(mark.high_ms, NOW + HOUR + 21);
}

static void a_wild_stamp_among_the_confirmations_goes_low(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    fh_watermark_observe(&mark, NOW + YEAR);
    fh_watermark_observe(&mark, NOW + HOUR);
    fh_watermark_observe(&mark, NOW + 10 * MINUTE); /* at old mark + max_jump: confirms */
    fh_watermark_observe(&mark, NOW + 2 * HOUR);
    assert_int_equal(mark.high_ms, NOW + 10 * MINUTE);
}

static void keep_alives_in_a_replay_do_not_move_it(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW - HOUR);
    for (int64_t i = 0; i < 200; i++) {
        fh_watermark_observe(&mark, NOW + i); /* KEEP_ALIVE, stamped now */
        fh_watermark_observe(&mark, NOW + i);
        fh_watermark_observe(&mark, NOW - HOUR + i * 9); /* the record being replayed */
    }
    assert_int_equal(mark.high_ms, NOW - HOUR + INT64_C(199) * 9);
}

static void lateness_fades_after_two_hours(void **state)
{
    (void)state;
    int64_t start = NOW - NOW % HOUR;
    struct fh_watermark mark = seeded(start);
    fh_watermark_observe(&mark, start - 40000);
    assert_int_equal(mark.lateness_ms, 40000);
    for (int64_t t = 0; t < HOUR; t += MINUTE) {
        fh_watermark_observe(&mark, start + HOUR + t);
        fh_watermark_observe(&mark, start + HOUR + t - 1000);
    }
    assert_int_equal(mark.lateness_ms, 40000); /* the previous hour's */
    fh_watermark_observe(&mark, start + 2 * HOUR);
    assert_int_equal(mark.lateness_ms, 1000);
    for (int64_t t = 0; t <= HOUR; t += MINUTE) {
        fh_watermark_observe(&mark, start + 2 * HOUR + t);
    }
    assert_int_equal(mark.lateness_ms, 0);
}

static void lateness_from_before_a_long_pause_is_forgotten(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    fh_watermark_observe(&mark, NOW - 40000);
    for (int i = 0; i < 4; i++) {
        fh_watermark_observe(&mark, NOW + 5 * HOUR);
    }
    assert_int_equal(mark.high_ms, NOW + 5 * HOUR);
    assert_int_equal(mark.lateness_ms, 0);
}

static void overlap_and_resume(void **state)
{
    (void)state;
    struct fh_watermark mark = seeded(NOW);
    assert_int_equal(fh_watermark_overlap(&mark, 10000, HOUR), 10000);
    assert_int_equal(fh_watermark_resume(&mark, 10000, HOUR), NOW - 10000);
    fh_watermark_observe(&mark, NOW - 60000);
    assert_int_equal(fh_watermark_overlap(&mark, 10000, HOUR), 120000);
    assert_int_equal(fh_watermark_resume(&mark, 10000, HOUR), NOW - 120000);
    fh_watermark_observe(&mark, 1);
    assert_int_equal(fh_watermark_overlap(&mark, 10000, HOUR), HOUR);
    assert_int_equal(fh_watermark_overlap(&mark, 2 * HOUR, HOUR), HOUR);
    mark = seeded(5000);
    assert_int_equal(fh_watermark_resume(&mark, 10000, HOUR), 1);
    mark = seeded(INT64_MAX);
    fh_watermark_observe(&mark, 1);
    assert_int_equal(fh_watermark_overlap(&mark, 10000, INT64_MAX), INT64_MAX);
    assert_int_equal(fh_watermark_resume(&mark, 10000, INT64_MAX), 1);
}

/* Whatever order the stamps come in: never backwards, never above the largest seen. */
static void random_stamps_keep_the_rules(void **state)
{
    (void)state;
    uint64_t random = 20240901; /* seed */
    for (int run = 0; run < 200; run++) {
        struct fh_watermark mark = seeded(run % 2 ? NOW : 0);
        int64_t largest = mark.high_ms;
        int64_t before = mark.high_ms;
        for (int i = 0; i < 500; i++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            int64_t stamp = NOW + (int64_t)(random >> 33) % (4 * HOUR) - 2 * HOUR;
            largest = stamp > largest ? stamp : largest;
            fh_watermark_observe(&mark, stamp);
            assert_true(mark.high_ms >= before);
            assert_true(mark.high_ms <= largest);
            before = mark.high_ms;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_and_never_falls),
        cmocka_unit_test(reconnects_do_not_lengthen_the_overlap),
        cmocka_unit_test(nonsense_is_ignored),
        cmocka_unit_test(first_stamp_needs_a_second),
        cmocka_unit_test(one_wrong_clock_does_not_move_it),
        cmocka_unit_test(a_pause_is_accepted_after_some_records),
        cmocka_unit_test(a_wild_stamp_among_the_confirmations_goes_low),
        cmocka_unit_test(keep_alives_in_a_replay_do_not_move_it),
        cmocka_unit_test(lateness_fades_after_two_hours),
        cmocka_unit_test(lateness_from_before_a_long_pause_is_forgotten),
        cmocka_unit_test(overlap_and_resume),
        cmocka_unit_test(random_stamps_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
