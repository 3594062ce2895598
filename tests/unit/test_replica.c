/* test_replica.c: what the two nodes conclude from the few records that both look at closely. Each
 * schedule shows the same events to both, under the uids and stamps that are to be told apart. */
#include "replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define FIRST INT64_C(820000000) /* slice */

static struct fh_replica_slice own[FH_REPLICA_SLICES], peer[FH_REPLICA_SLICES];
static struct fh_replica_state state;
static uint32_t chance;

static uint32_t next(void)
{
    chance = chance * 1664525 + 1013904223;
    return chance >> 8;
}

/* As sample.c of the pipeline does. */
static void show(struct fh_replica_slice *slices, uint32_t lot, uint32_t uid, int64_t stamp_ms)
{
    int64_t number = stamp_ms / FH_REPLICA_SLICE_MS;
    struct fh_replica_slice *slice = &slices[number % FH_REPLICA_SLICES];
    if (slice->number < number) {
        *slice = (struct fh_replica_slice){.number = number};
    }
    if (slice->number > number ||
        (slice->count == FH_REPLICA_SAMPLES && lot >= slice->sample[FH_REPLICA_SAMPLES - 1].lot)) {
        return;
    }
    uint32_t at = slice->count;
    while (at > 0 && slice->sample[at - 1].lot > lot) {
        at--;
    }
    slice->count += slice->count < FH_REPLICA_SAMPLES;
    memmove(&slice->sample[at + 1], &slice->sample[at],
            (slice->count - 1 - at) * sizeof(slice->sample[0]));
    slice->sample[at] =
        (struct fh_replica_sample){lot, lot * 7, uid, (uint32_t)(stamp_ms % FH_REPLICA_SLICE_MS)};
}

struct schedule {
    bool uids, payloads; /* differ */
    int64_t apart_ms;    /* stamps: up to so much either way */
    uint32_t lost;       /* per hundred: the peer has them and we have not */
    int64_t every_ms;
    uint32_t slices;
    uint32_t twins;        /* per hundred: followed within two seconds by one of equal payload */
    uint32_t known_slices; /* the records of the first ones were stored by an earlier process */
};

/* Time passes; with each slice the peer sends the one three before. */
static void run(const struct schedule *schedule)
{
    memset(own, 0, sizeof(own));
    memset(peer, 0, sizeof(peer));
    memset(&state, 0, sizeof(state));
    chance = 12345;
    int64_t begin = FIRST * FH_REPLICA_SLICE_MS;
    int64_t from_ms =
        schedule->known_slices > 0 ? begin + schedule->known_slices * FH_REPLICA_SLICE_MS - 1 : 0;
    uint32_t lot = 0;
    for (int64_t at = 0; at < schedule->slices * FH_REPLICA_SLICE_MS; at += schedule->every_ms) {
        lot = next() % 100 < schedule->twins ? lot : next();
        int64_t stamp_ms = begin + at;
        int64_t other_ms = stamp_ms;
        if (schedule->apart_ms > 0) {
            other_ms += next() % (2 * schedule->apart_ms + 1) - schedule->apart_ms;
        }
        uint32_t uid = schedule->twins > 0 ? next() : lot + 5;
        if (next() % 100 >= schedule->lost && stamp_ms > from_ms) {
            show(own, lot, uid, stamp_ms);
        }
        show(peer, schedule->payloads ? lot ^ 1 : lot, schedule->uids ? next() : uid, other_ms);
        int64_t number = stamp_ms / FH_REPLICA_SLICE_MS - 3;
        const struct fh_replica_slice *sent = &peer[number % FH_REPLICA_SLICES];
        if (sent->number == number) {
            fh_replica_sample(&state, own, from_ms, sent);
            fh_replica_sample(&state, own, from_ms, sent); /* comes again and again */
        }
    }
}

/* FH_KEY_COUNT: no advice. */
static enum fh_dedup_key advice(void)
{
    enum fh_dedup_key key = FH_KEY_COUNT;
    return fh_replica_advice(&state, &key) ? key : FH_KEY_COUNT;
}

static uint32_t ratio(void)
{
    uint32_t per_mille = 0;
    uint32_t records = 0;
    assert_true(fh_replica_sampled(&state, &per_mille, &records));
    assert_in_range(records, 8, FH_REPLICA_OUTCOMES);
    return per_mille;
}

static void copies_are_copies(void **unused)
{
    (void)unused;
    run(&(struct schedule){.every_ms = 1, .slices = 12});
    assert_int_equal(advice(), FH_KEY_COUNT);
    assert_int_equal(ratio(), 1000);
    assert_true(fh_replica_same(&state));
    assert_int_equal(state.apart_ms, 0);
}

static void other_uids_are_noticed_at_any_rate(void **unused)
{
    (void)unused;
    static const int64_t every[] = {1, 20, 500, 2000};
    for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
        run(&(struct schedule){.uids = true, .every_ms = every[i], .slices = 14});
        assert_int_equal(advice(), FH_KEY_CONTENT);
        assert_int_equal(ratio(), 1000);
    }
}

static void other_stamps_are_noticed_across_slices(void **unused)
{
    (void)unused;
    static const int64_t every[] = {1, 20, 500};
    for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
        for (int uids = 0; uids < 2; uids++) {
            run(&(struct schedule){
                .uids = uids, .apart_ms = 2000, .every_ms = every[i], .slices = 14});
            assert_int_equal(advice(), uids ? FH_KEY_PAYLOAD : FH_KEY_UID_PAYLOAD);
            assert_in_range(state.apart_ms, 200, 2000);
            assert_in_range(ratio(), 990, 1000);
        }
    }
}

/* The window in which a failover repeats events: few slices say enough. */
static void it_takes_seconds(void **unused)
{
    (void)unused;
    run(&(struct schedule){.apart_ms = 2000, .every_ms = 1, .slices = 6});
    assert_int_equal(advice(), FH_KEY_UID_PAYLOAD);
    run(&(struct schedule){.uids = true, .every_ms = 1, .slices = 5});
    assert_int_equal(advice(), FH_KEY_CONTENT);
}

static void what_is_missing_spoils_the_ratio_alone(void **unused)
{
    (void)unused;
    run(&(struct schedule){.lost = 50, .every_ms = 1, .slices = 16});
    assert_int_equal(advice(), FH_KEY_COUNT);
    assert_in_range(ratio(), 200, 800);
    run(&(struct schedule){.payloads = true, .every_ms = 1, .slices = 16});
    assert_int_equal(advice(), FH_KEY_COUNT); /* no key knows them */
    assert_int_equal(ratio(), 0);
}

/* One copy that differs is enough to say no, until it is long past; missing ones say nothing. */
static void same_is_said_of_all_or_none(void **unused)
{
    (void)unused;
    memset(&state, 0, sizeof(state));
    assert_false(fh_replica_same(&state));
    run(&(struct schedule){.lost = 50, .every_ms = 1, .slices = 16});
    assert_true(fh_replica_same(&state));
    run(&(struct schedule){.uids = true, .every_ms = 500, .slices = 14});
    assert_false(fh_replica_same(&state));
    run(&(struct schedule){.payloads = true, .every_ms = 1, .slices = 16});
    assert_false(fh_replica_same(&state)); /* nothing was found */
}

/* After a hundred slices with the same records, one slice: the same but for so many. */
static void go_on(int64_t *number, uint32_t records, uint32_t other_uids, bool other_payloads)
{
    int64_t stamp_ms = (FIRST + *number) * FH_REPLICA_SLICE_MS;
    for (uint32_t i = 0; i < records; i++) {
        uint32_t lot = next();
        show(own, lot, lot + 5, stamp_ms + i);
        show(peer, other_payloads ? lot ^ 1 : lot, i < other_uids ? lot + 6 : lot + 5,
             stamp_ms + i);
    }
    const struct fh_replica_slice *sent = &peer[(FIRST + *number - 3) % FH_REPLICA_SLICES];
    if (sent->number == FIRST + *number - 3) {
        fh_replica_sample(&state, own, 0, sent);
    }
    ++*number;
}

/* Of a hundred records one differs: the few that are looked at mostly show nothing of it. */
static void one_that_differs_is_remembered(void **unused)
{
    (void)unused;
    int64_t number = 100;
    run(&(struct schedule){.every_ms = 100, .slices = 100});
    assert_true(fh_replica_same(&state));
    go_on(&number, 4, 1, false);
    for (int i = 0; i < 250; i++) {
        go_on(&number, 4, 0, false);
        assert_int_equal(fh_replica_same(&state), i < 2);
    }
    for (int i = 0; i < 60; i++) {
        go_on(&number, 4, 0, false);
    }
    assert_true(fh_replica_same(&state)); /* it is long past */
}

/* They begin to differ in a way that shows no copies at all, at any rate. */
static void what_was_the_same_need_not_stay_so(void **unused)
{
    (void)unused;
    for (uint32_t records = 1; records <= 20; records += 19) {
        int64_t number = 20;
        run(&(struct schedule){.every_ms = records == 1 ? 2048 : 100, .slices = 20});
        assert_true(fh_replica_same(&state));
        for (int i = 0; i < 6; i++) {
            go_on(&number, records, 0, true);
        }
        assert_false(fh_replica_same(&state));
        for (int i = 0; i < 4; i++) {
            go_on(&number, records, 0, false);
        }
        assert_true(fh_replica_same(&state));
    }
}

/* Events that repeat themselves, and copies that were not chosen or were stored before: what is
 * found is often the wrong one. */
static void twins_are_not_taken_for_copies(void **unused)
{
    (void)unused;
    for (uint32_t known = 0; known < 4; known++) {
        for (uint32_t slices = 5; slices < 16; slices++) {
            run(&(struct schedule){.apart_ms = 2000,
                                   .twins = 30,
                                   .every_ms = 1,
                                   .known_slices = known,
                                   .slices = slices});
            enum fh_dedup_key key = advice();
            assert_true(key == FH_KEY_UID_PAYLOAD || key == FH_KEY_COUNT);
        }
        assert_int_equal(advice(), FH_KEY_UID_PAYLOAD);
    }
}

/* The copy may have been stored by an earlier process, which left no sample of it. */
static void what_was_stored_before_is_not_judged(void **unused)
{
    (void)unused;
    int64_t stamp_ms = (FIRST + 4) * FH_REPLICA_SLICE_MS;
    for (int known = 0; known < 2; known++) {
        memset(own, 0, sizeof(own));
        memset(peer, 0, sizeof(peer));
        memset(&state, 0, sizeof(state));
        for (int64_t number = 0; number < 8; number++) { /* all are there */
            show(own, 1000, 1, (FIRST + number) * FH_REPLICA_SLICE_MS);
        }
        show(own, 7, 1, stamp_ms + 2000);  /* the twin */
        show(peer, 7, 2, stamp_ms);        /* its copy is not here */
        show(peer, 1000, 1, stamp_ms + 1); /* the same uid tells it, whatever was before */
        fh_replica_sample(&state, own, known ? stamp_ms + 1000 : 0,
                          &peer[(FIRST + 4) % FH_REPLICA_SLICES]);
        assert_int_equal(state.outcomes, known ? 1 : 2);
        assert_int_equal(state.outcome[known ? 0 : 1], FH_REPLICA_OTHER_STAMP);
    }
}

static void too_far_apart_is_no_copy(void **unused)
{
    (void)unused;
    run(&(struct schedule){.every_ms = 1, .slices = 8});
    memset(&state, 0, sizeof(state));
    struct fh_replica_slice far = peer[(FIRST + 1) % FH_REPLICA_SLICES];
    far.number += FH_STAMPS_APART_MS / FH_REPLICA_SLICE_MS + 2;
    fh_replica_sample(&state, own, 0, &far);
    for (uint32_t i = 0; i < state.outcomes; i++) {
        assert_int_equal(state.outcome[i], FH_REPLICA_MISSING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_copies),
        cmocka_unit_test(other_uids_are_noticed_at_any_rate),
        cmocka_unit_test(other_stamps_are_noticed_across_slices),
        cmocka_unit_test(it_takes_seconds),
        cmocka_unit_test(what_is_missing_spoils_the_ratio_alone),
        cmocka_unit_test(same_is_said_of_all_or_none),
        cmocka_unit_test(one_that_differs_is_remembered),
        cmocka_unit_test(what_was_the_same_need_not_stay_so),
        cmocka_unit_test(twins_are_not_taken_for_copies),
        cmocka_unit_test(what_was_stored_before_is_not_judged),
        cmocka_unit_test(too_far_apart_is_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
