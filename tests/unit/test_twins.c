/* test_twins.c: records equal in all but their uid stay as many as they are, however often the
 * stream is read again. */
#include "internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define T0 1700000000000

struct fixture {
    struct fh_pipeline *pipeline;
    struct intake *intake;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.pipeline = calloc(1, sizeof(*fixture.pipeline));
    if (!fixture.pipeline) {
        return -1;
    }
    fixture.pipeline->config.dedup.max_records = 1000;
    atomic_store(&fixture.pipeline->key, FH_KEY_CONTENT);
    fixture.intake = &fixture.pipeline->intake[0];
    fixture.intake->pipeline = fixture.pipeline;
    fh_twins_connected(fixture.intake);
    *state = &fixture;
    return fixture.intake->shown ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fh_dedup_free(f->intake->shown);
    free(f->pipeline);
    return 0;
}

/* The key under which the stream shows a record; 0: a repetition. */
static uint64_t show(struct fixture *f, uint64_t uid, uint64_t content, int64_t timestamp_ms)
{
    struct fh_record_key identity = {uid, timestamp_ms};
    struct fh_record_key key = {content, timestamp_ms};
    int r = fh_twins_look(f->intake, identity, &key);
    assert_in_range(r, 0, 1);
    assert_int_equal(key.timestamp_ms, timestamp_ms);
    return r == 0 ? 0 : key.fingerprint;
}

static void twins_are_told_apart(void **state)
{
    struct fixture *f = *state;
    uint64_t first = show(f, 101, 7, T0);
    uint64_t second = show(f, 102, 7, T0);
    uint64_t third = show(f, 103, 7, T0);
    assert_int_equal(first, 7); /* what has no twin keeps its plain key */
    assert_true(second != first && third != first && third != second);
    assert_int_equal(show(f, 104, 8, T0), 8);
    assert_int_equal(show(f, 102, 7, T0), 0); /* sent twice */

    /* read again, in another order: the same keys */
    fh_twins_connected(f->intake);
    assert_int_equal(show(f, 103, 7, T0), first);
    assert_int_equal(show(f, 101, 7, T0), second);
    assert_int_equal(show(f, 102, 7, T0), third);

    /* the other replica, whose uids are others */
    fh_twins_connected(f->intake);
    assert_int_equal(show(f, 901, 7, T0), first);
    assert_int_equal(show(f, 902, 7, T0), second);
}

static void taken_back_and_looked_at_again(void **state)
{
    struct fixture *f = *state;
    struct fh_record_key identity = {101, T0};
    struct fh_record_key key = {7, T0};
    assert_int_equal(fh_twins_look(f->intake, identity, &key), 1);
    fh_twins_take_back(f->intake, identity, key);
    assert_int_equal(show(f, 101, 7, T0), 7);
    uint64_t second = show(f, 102, 7, T0);
    fh_twins_take_back(f->intake, (struct fh_record_key){102, T0},
                       (struct fh_record_key){second, T0});
    assert_int_equal(show(f, 102, 7, T0), second);
}

/* A service that shows one record without end must not make the writer slow without end. */
static void their_number_is_bounded(void **state)
{
    struct fixture *f = *state;
    f->pipeline->config.dedup.max_records = 100000;
    fh_twins_connected(f->intake);
    uint64_t last = 0;
    uint64_t before = 0;
    for (uint64_t i = 1; i <= 3000; i++) {
        before = last;
        last = show(f, i, 7, T0);
    }
    assert_int_equal(before, last);
}

static void other_keys_and_old_records_pass(void **state)
{
    struct fixture *f = *state;
    f->intake->mark.high_ms = T0 + 3600000;
    fh_twins_advance(f->intake);
    assert_int_equal(show(f, 101, 7, T0), 7); /* too old to be counted */
    assert_int_equal(show(f, 102, 7, T0), 7);
    atomic_store(&f->pipeline->key, FH_KEY_UID_TIMESTAMP);
    fh_twins_connected(f->intake);
    assert_null(f->intake->shown);
    assert_int_equal(show(f, 101, 7, T0), 7);
    assert_int_equal(show(f, 101, 7, T0), 7); /* the de-duplication sees to it */
}

/* Where the key leaves the stamp out it counts here all the same: equal payloads at other times are
 * as many as they are, and what the stream shows again under its own stamp is known. */
static void within_a_node_the_stamp_counts(void **state)
{
    (void)state;
    struct fh_record_key key = {7, T0};
    struct fh_record_key later = {7, T0 + 1};
    for (int i = 0; i < FH_KEY_COUNT; i++) {
        enum fh_dedup_key by = (enum fh_dedup_key)i;
        struct fh_record_key known = fh_rekey_known(by, key);
        assert_int_equal(known.timestamp_ms, T0);
        assert_int_equal(known.fingerprint == 7, !fh_key_ignores_stamps(by));
        assert_int_equal(known.fingerprint == fh_rekey_known(by, later).fingerprint,
                         !fh_key_ignores_stamps(by));
        struct fh_record_key zero = {(uint64_t)T0 * UINT64_C(0x9E3779B97F4A7C15), T0};
        assert_true(fh_rekey_known(by, zero).fingerprint != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(twins_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(taken_back_and_looked_at_again, setup, teardown),
        cmocka_unit_test_setup_teardown(their_number_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(other_keys_and_old_records_pass, setup, teardown),
        cmocka_unit_test(within_a_node_the_stamp_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
