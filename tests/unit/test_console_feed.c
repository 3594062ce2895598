/* test_console_feed.c: the way from the store into the picture, with a store of the test's own:
 * from now on, everything while it can keep up, and by leaps when it cannot. */
#include "feed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- in place of the pipeline: every record is about another location ------------------------ */

#define BATCH 64
static uint64_t first, next;
static unsigned handed_out;
static int result = 1;
static char text[BATCH][128];
static struct fh_slice record[BATCH];

void fh_pipeline_read_range(struct fh_pipeline *pipeline, uint64_t *ret_first, uint64_t *ret_next)
{
    (void)pipeline;
    *ret_first = first;
    *ret_next = next;
}

int fh_pipeline_read(struct fh_pipeline *pipeline, uint64_t *inout_sequence,
                     struct fh_store_batch *ret, struct fh_error *err)
{
    (void)pipeline;
    (void)err;
    if (result < 0 || *inout_sequence >= next) {
        return result < 0 ? result : 0;
    }
    assert_true(*inout_sequence >= first);
    *ret = (struct fh_store_batch){.record = record};
    for (; *inout_sequence < next && ret->count < BATCH; ret->count++) {
        int len = snprintf(text[ret->count], sizeof(text[0]),
                           "{\"a\":{\"location\":{\"locationId\":\"l-%llu\"}}}",
                           (unsigned long long)(*inout_sequence)++);
        record[ret->count] = (struct fh_slice){text[ret->count], (size_t)len};
    }
    handed_out++;
    return 1;
}

void fh_pipeline_read_done(struct fh_pipeline *pipeline, struct fh_store_batch *batch)
{
    (void)pipeline;
    (void)batch;
    handed_out--;
}

/* ---------------------------------------------------------------------------------------------- */

static struct space *space;
static struct feed feed;

static int setup(void **state)
{
    static const uint8_t key[SPACE_KEY_BYTES] = "a key of a test";
    (void)state;
    first = 1;
    next = 501;
    result = 1;
    assert_int_equal(space_new(key, false, &space), 0);
    feed_init(&feed, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_free(space);
    assert_int_equal(handed_out, 0);
    return 0;
}

static void turn(int64_t limit_ms)
{
    feed_turn(&feed, space, fh_time_add_ms(fh_now(), limit_ms), 60000);
}

static void test_from_now_on(void **state)
{
    (void)state;
    turn(60000);
    assert_true(feed.read == 0 && feed.skipped == 0);
    next += 200;
    turn(60000);
    assert_true(feed.read == 200 && feed.skipped == 0);
    assert_true(space_find(space, "l-500") == SPACE_NONE);
    assert_true(space_find(space, "l-501") != SPACE_NONE);
    assert_true(space_find(space, "l-700") != SPACE_NONE);
}

static void test_the_time_is_over(void **state)
{
    (void)state;
    next += 200;
    turn(0);
    assert_true(feed.read == 0);
    feed_turn(&feed, space, fh_time_add_ms(fh_now(), 60000), 0);
    assert_true(feed.read == 0);
    turn(60000); /* and goes on where it stopped */
    assert_true(feed.read == 200 && feed.skipped == 0);
}

static void test_too_far_behind(void **state)
{
    (void)state;
    next += FEED_BEHIND_MAX;
    turn(60000);
    assert_true(feed.read == FEED_BEHIND_MAX && feed.skipped == 0);
    next += FEED_BEHIND_MAX + 1;
    turn(60000);
    assert_true(feed.read == FEED_BEHIND_MAX + FEED_BACKLOG);
    assert_true(feed.skipped == FEED_BEHIND_MAX + 1 - FEED_BACKLOG);
}

static void test_no_longer_kept(void **state)
{
    (void)state;
    next += 1000;
    first = next - 10;
    turn(60000);
    assert_true(feed.read == 10 && feed.skipped == 990);
}

static void test_a_store_that_cannot_be_read(void **state)
{
    (void)state;
    next += 10;
    result = -EUCLEAN;
    turn(60000);
    turn(60000); /* said once, tried again */
    assert_true(feed.read == 0);
    result = 1;
    turn(60000);
    assert_true(feed.read == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_now_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_time_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_far_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_longer_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_store_that_cannot_be_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
