/* test_sync.c: reports are taken once and in order, gaps are asked for, nothing in doubt is taken
 * for a fact; when publication waits; what a standby lacks. */
#include "sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define STORE 77

static struct fh_sync_state sync_state, *const s = &sync_state;
static struct fh_sync_local local;

static struct fh_time at(int64_t ms)
{
    return fh_time_add_ms((struct fh_time){1000000000}, ms);
}

static int set_up(void **state)
{
    (void)state;
    memset(&local, 0, sizeof(local));
    local.peer_report_store = STORE; /* not a stranger */
    fh_sync_init(s, 300, 1500);
    fh_sync_local(s, &local);
    fh_sync_peer_joined(s, STORE);
    return 0;
}

static enum fh_sync_verdict take(uint64_t previous, uint64_t number, enum fh_report_state state,
                                 uint64_t epoch, uint64_t barrier, bool lead)
{
    struct fh_report report = {.number = number, .epoch = epoch, .state = state, .sink = "archive"};
    char bytes[256];
    fh_report_encode(&report, bytes);
    struct fh_wire_report message = {previous, number, {bytes, fh_report_size(&report)}};
    return fh_sync_take(s, at(0), &message, barrier, lead);
}

static bool want(int64_t ms, uint64_t peer_last, uint64_t *from)
{
    struct fh_checkpoint none = {{0}};
    int64_t since = 0;
    return fh_sync_want(s, at(ms), peer_last, &none, from, &since);
}

static void reports_are_taken_once_and_in_order(void **state)
{
    (void)state;
    assert_int_equal(take(0, 1, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_HAND_OVER);
    assert_int_equal(take(0, 1, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_REPEATED);
    assert_int_equal(take(2, 3, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_GAP);
    assert_int_equal(take(1, 4, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_HAND_OVER);
    assert_false(fh_sync_drained(s));
    assert_int_equal(fh_sync_held(s), 0);
    assert_true(fh_sync_applied(s, STORE, 1));
    assert_false(fh_sync_applied(s, STORE, 1));
    assert_false(fh_sync_applied(s, STORE + 1, 4)); /* another store's numbers */
    assert_int_equal(fh_sync_held(s), 1);
    assert_true(fh_sync_applied(s, STORE, 4));
    assert_true(fh_sync_drained(s));
}

static void doubtful_reports_hold_up_those_behind_them(void **state)
{
    (void)state;
    uint64_t from = 0;
    assert_int_equal(take(0, 1, FH_REPORT_PREPARED, 4, 5, false), FH_SYNC_REFUSED);
    assert_int_equal(take(1, 2, FH_REPORT_DELIVERED, 4, 5, false), FH_SYNC_GAP);
    assert_int_equal(fh_sync_held(s), 0);
    assert_false(want(100, 2, &from)); /* the peer needs time to settle it */
    assert_true(want(1500, 2, &from));
    assert_int_equal(from, 1);
    assert_int_equal(take(0, 1, FH_REPORT_VOID, 4, 5, false), FH_SYNC_HAND_OVER);
    assert_int_equal(take(1, 2, FH_REPORT_DELIVERED, 4, 5, false), FH_SYNC_HAND_OVER);
}

static void a_leader_takes_nothing_prepared(void **state)
{
    (void)state;
    assert_int_equal(take(0, 1, FH_REPORT_PREPARED, 9, 5, true), FH_SYNC_REFUSED);
    assert_int_equal(take(0, 1, FH_REPORT_DELIVERED, 1, 5, true), FH_SYNC_HAND_OVER);
}

static void garbage_is_not_handed_over(void **state)
{
    (void)state;
    struct fh_wire_report message = {0, 1, {"garbage", 7}};
    assert_int_equal(fh_sync_take(s, at(0), &message, 1, false), FH_SYNC_REFUSED);
}

static void catching_up_goes_in_portions(void **state)
{
    (void)state;
    uint64_t from = 0;
    assert_true(want(0, 10, &from));
    assert_int_equal(from, 1);
    assert_false(want(10, 10, &from)); /* one question at a time */
    assert_int_equal(take(0, 4, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_HAND_OVER);
    fh_sync_answered(s, at(20), 4, 6); /* 5 and 6 do not concern us */
    assert_false(want(30, 10, &from)); /* 4 is not stored yet */
    fh_sync_applied(s, STORE, 4);
    assert_int_equal(fh_sync_held(s), 6);
    assert_true(want(40, 10, &from));
    assert_int_equal(from, 7);
    assert_false(want(40 + 749, 10, &from));
    assert_true(want(40 + 750, 10, &from)); /* lost: asked again */
    fh_sync_answered(s, at(4000), 6, 10);
    assert_false(want(9000, 10, &from));
}

static void late_end_of_an_answer_moves_nothing(void **state)
{
    (void)state;
    uint64_t from = 0;
    fh_sync_answered(s, at(0), 0, 50); /* nobody asked */
    assert_int_equal(s->received, 0);
    assert_true(want(0, 10, &from));
    fh_sync_answered(s, at(0), 5, 10); /* reports before it were lost */
    assert_int_equal(s->received, 0);
}

static void numbers_go_on_from_what_the_store_holds(void **state)
{
    (void)state;
    local.peer_report_store = 88;
    local.peer_report_applied = 41;
    fh_sync_local(s, &local);
    fh_sync_peer_joined(s, 88);
    assert_int_equal(fh_sync_held(s), 41);
    assert_int_equal(take(41, 42, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_HAND_OVER);
    fh_sync_peer_joined(s, 99); /* its disk was emptied: numbers begin anew */
    assert_int_equal(fh_sync_held(s), 0);
}

/* A peer of whose reports nothing is here is asked even if it seems to have none, until an answer
 * brings nothing more: it makes reports of what it knows when it is asked. */
static void a_stranger_is_asked_for_all_it_knows(void **state)
{
    (void)state;
    uint64_t from = 0;
    fh_sync_peer_joined(s, 99);
    assert_false(s->introduced);
    fh_sync_answered(s, at(0), 0, 0); /* nobody asked */
    assert_false(s->introduced);
    assert_true(want(0, 0, &from));
    assert_int_equal(from, 1);
    assert_int_equal(take(0, 1, FH_REPORT_DELIVERED, 1, 1, false), FH_SYNC_HAND_OVER);
    fh_sync_answered(s, at(1), 1, 1);
    assert_false(s->introduced); /* it may have more */
    assert_false(want(2, 0, &from));
    fh_sync_applied(s, 99, 1);
    assert_true(want(3, 0, &from));
    assert_int_equal(from, 2);
    fh_sync_answered(s, at(4), 1, 1);
    assert_true(s->introduced);
    assert_false(want(5, 0, &from));
    fh_sync_peer_joined(s, 99); /* another process with the same store */
    assert_true(s->introduced);
    local.peer_report_store = 98;
    fh_sync_local(s, &local);
    fh_sync_peer_joined(s, 98); /* known from before */
    assert_true(s->introduced);
}

static uint64_t previous_of(uint64_t number)
{
    uint64_t previous = 999;
    assert_true(fh_sync_send(s, at(0), number, 100, &previous));
    return previous;
}

static void answers_are_chained_and_live_reports_are_not(void **state)
{
    (void)state;
    uint64_t from = 0;
    uint64_t previous = 0;
    uint64_t through = 0;
    int64_t since = 0;
    local.own_report_last = 20;
    fh_sync_local(s, &local);
    fh_sync_delivering(s, true);
    fh_sync_asked(s, 5, 0);
    assert_true(fh_sync_next_question(s, &from, &since));
    assert_int_equal(from, 5);
    fh_sync_asked(s, 3, 0);
    assert_false(fh_sync_next_question(s, &from, &since)); /* not before the first is answered */
    assert_int_equal(previous_of(7), 4);                   /* 5 and 6 left out */
    assert_int_equal(previous_of(21), 20);                 /* live, in between */
    assert_int_equal(previous_of(9), 7);
    assert_true(fh_sync_answer_done(s, 12, &previous, &through));
    assert_int_equal(previous, 9);
    assert_int_equal(through, 11);
    assert_true(fh_sync_next_question(s, &from, &since));
    assert_int_equal(from, 3);
    fh_sync_peer_lost(s);
    assert_int_equal(previous_of(6), 5); /* the one who asked is gone: no claim about 3 to 5 */
    assert_false(fh_sync_answer_done(s, 12, &previous, &through));
}

/* Made when they were asked for, and sent as new ones: lost on the way, or overtaken by the end of
 * the answer, they must not count as none of the peer's concern. */
static void what_is_vouched_for_is_not_passed_over(void **state)
{
    (void)state;
    uint64_t from = 0;
    uint64_t previous = 0;
    uint64_t through = 0;
    int64_t since = 0;
    local.own_report_last = 2;
    fh_sync_local(s, &local);
    fh_sync_delivering(s, true);
    fh_sync_asked(s, 1, 0);
    assert_true(fh_sync_next_question(s, &from, &since));
    assert_int_equal(previous_of(1), 0);
    assert_int_equal(previous_of(2), 1);
    assert_int_equal(previous_of(3), 2);
    assert_int_equal(previous_of(4), 3);
    assert_true(fh_sync_answer_done(s, 5, &previous, &through));
    assert_int_equal(previous, 4);
    assert_int_equal(through, 4);
}

/* The end of the answer is lost, and reports of new deliveries keep coming: asked again all the
 * same. */
static void new_reports_do_not_put_off_the_question(void **state)
{
    (void)state;
    uint64_t from = 0;
    fh_sync_peer_joined(s, STORE + 1); /* a stranger's store: its numbers begin anew */
    assert_false(s->introduced);
    assert_true(want(0, 0, &from));
    for (uint64_t number = 1; number <= 4; number++) {
        struct fh_report report = {
            .number = number, .epoch = 1, .state = FH_REPORT_DELIVERED, .sink = "archive"};
        char bytes[256];
        fh_report_encode(&report, bytes);
        struct fh_wire_report message = {number - 1, number, {bytes, fh_report_size(&report)}};
        assert_int_equal(fh_sync_take(s, at((int64_t)number * 200), &message, 1, false),
                         FH_SYNC_HAND_OVER);
        assert_true(fh_sync_applied(s, STORE + 1, number));
    }
    assert_true(want(800, 4, &from));
    assert_int_equal(from, 5);
}

static void figures_may_run_ahead_of_the_report(void **state)
{
    (void)state;
    fh_sync_delivering(s, true);
    local.own_report_last = 1;
    fh_sync_local(s, &local);
    assert_int_equal(previous_of(1), 0);
    assert_int_equal(s->sent_count, 1); /* it was live */
}

static void publication_waits_only_for_a_peer_that_keeps_pace(void **state)
{
    (void)state;
    fh_sync_delivering(s, true);
    assert_false(fh_sync_in_sync(s, at(0), false));
    assert_true(fh_sync_in_sync(s, at(0), true));
    previous_of(1); /* at 0 */
    assert_true(fh_sync_in_sync(s, at(1499), true));
    assert_false(fh_sync_in_sync(s, at(1500), true));
    assert_false(fh_sync_confirmed(s, 5)); /* more than there is */
    assert_true(fh_sync_confirmed(s, 1));
    assert_true(fh_sync_in_sync(s, at(1501), true));
    assert_int_equal(s->sent_bytes, 0);
    fh_sync_peer_lost(s);
    assert_false(s->in_sync);
}

static void protection_begins_when_the_past_is_held_too(void **state)
{
    (void)state;
    fh_sync_delivering(s, true);
    previous_of(1); /* published without anybody else */
    assert_true(fh_sync_in_sync(s, at(10), true));
    assert_false(fh_sync_covers(s));
    previous_of(2);
    fh_sync_confirmed(s, 1);
    assert_true(fh_sync_covers(s));
}

static void a_slow_peer_costs_bounded_memory(void **state)
{
    (void)state;
    uint64_t previous = 0;
    fh_sync_delivering(s, true);
    uint64_t number = 1;
    while (fh_sync_send(s, at(0), number, 1000000, &previous)) {
        number++;
    }
    assert_in_range(number, 10, 20); /* 16 MiB */
    fh_sync_confirmed(s, number - 1);
    assert_int_equal(s->sent_bytes, 0);
    for (number++; fh_sync_send(s, at(0), number, 10, &previous); number++) {
        assert_in_range(s->sent_count, 0, FH_SYNC_SENT_MAX);
    }
    assert_false(fh_sync_in_sync(s, at(1), true)); /* what was not sent cannot be waited for */
}

static struct fh_wire_state primary_state(void)
{
    struct fh_wire_state primary = {.role = FH_ROLE_PRIMARY};
    for (int i = 0; i < FH_PARTITIONS; i++) {
        primary.delivered.partition_ms[i] = 1000000;
        primary.received.partition_ms[i] = 1050000;
        local.covered_from.partition_ms[i] = 900000;
        local.received.partition_ms[i] = 1050000;
    }
    local.streams_live = true;
    fh_sync_local(s, &local);
    return primary;
}

static void a_standby_says_what_it_lacks(void **state)
{
    (void)state;
    struct fh_wire_state primary = primary_state();
    assert_false(fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff));
    assert_string_equal(s->lacks, "");

    local.streams_live = false;
    fh_sync_local(s, &local);
    fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff);
    assert_non_null(strstr(s->lacks, "streams"));

    primary = primary_state();
    fh_sync_judge_ready(s, at(0), &primary, 0x00f, 0xfff);
    assert_non_null(strstr(s->lacks, "ranges"));

    primary.report_last = 10;
    fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff);
    assert_non_null(strstr(s->lacks, "report 0 of 10"));
}

static void a_ready_standby_may_be_behind_for_a_moment(void **state)
{
    (void)state;
    struct fh_wire_state primary = primary_state();
    fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff);
    primary.report_last = 1;
    fh_sync_judge_ready(s, at(100), &primary, 0xfff, 0xfff);
    assert_string_equal(s->lacks, "");
    fh_sync_judge_ready(s, at(1599), &primary, 0xfff, 0xfff);
    assert_string_equal(s->lacks, "");
    fh_sync_judge_ready(s, at(1600), &primary, 0xfff, 0xfff);
    assert_string_not_equal(s->lacks, "");
}

static void a_hole_is_filled_by_resuming_now_and_then(void **state)
{
    (void)state;
    struct fh_wire_state primary = primary_state();
    local.covered_from.partition_ms[4] = 1000001;
    fh_sync_local(s, &local);
    assert_int_equal(fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff), 1u << 4);
    assert_non_null(strstr(s->lacks, "partition 5"));
    local.covered_from.partition_ms[7] = 1000001; /* another one does not wait for the first */
    fh_sync_local(s, &local);
    assert_int_equal(fh_sync_judge_ready(s, at(1), &primary, 0xfff, 0xfff), 1u << 7);
    assert_int_equal(fh_sync_judge_ready(s, at(2), &primary, 0xfff, 0xfff), 0);
    local.covered_from.partition_ms[7] = 900000;
    fh_sync_local(s, &local);
    assert_false(fh_sync_judge_ready(s, at(9999), &primary, 0xfff, 0xfff));
    assert_true(fh_sync_judge_ready(s, at(10000), &primary, 0xfff, 0xfff));
    primary.delivered.partition_ms[4] = 0; /* nothing delivered there: nothing to cover */
    assert_false(fh_sync_judge_ready(s, at(30000), &primary, 0xfff, 0xfff));
    assert_string_equal(s->lacks, "");
}

/* Two empty nodes are ready for each other; then the first events come, here later than there. */
static void a_ready_standby_fills_a_hole_and_stays_ready(void **state)
{
    (void)state;
    struct fh_wire_state primary = primary_state();
    fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff);
    local.covered_from.partition_ms[4] = 0; /* nothing received yet */
    fh_sync_local(s, &local);
    assert_false(fh_sync_judge_ready(s, at(100), &primary, 0xfff, 0xfff));
    assert_string_equal(s->lacks, "");
    local.covered_from.partition_ms[4] = 1000001;
    fh_sync_local(s, &local);
    assert_true(fh_sync_judge_ready(s, at(200), &primary, 0xfff, 0xfff));
    assert_string_equal(s->lacks, "");
    local.streams_live = false; /* they are opened anew */
    fh_sync_local(s, &local);
    assert_false(fh_sync_judge_ready(s, at(300), &primary, 0xfff, 0xfff));
    assert_string_equal(s->lacks, "");
    local.covered_from.partition_ms[4] = 1000000;
    fh_sync_local(s, &local);
    fh_sync_judge_ready(s, at(3099), &primary, 0xfff, 0xfff);
    assert_string_equal(s->lacks, "");
    fh_sync_judge_ready(s, at(3100), &primary, 0xfff, 0xfff); /* not for ever */
    assert_non_null(strstr(s->lacks, "streams"));
    local.streams_live = true;
    fh_sync_local(s, &local);
    fh_sync_judge_ready(s, at(3200), &primary, 0xfff, 0xfff);
    assert_string_equal(s->lacks, "");
    local.streams_live = false; /* without a hole that is no filling */
    fh_sync_local(s, &local);
    fh_sync_judge_ready(s, at(3300), &primary, 0xfff, 0xfff);
    assert_non_null(strstr(s->lacks, "streams"));
}

static void far_behind_is_not_ready(void **state)
{
    (void)state;
    struct fh_wire_state primary = primary_state();
    primary.received.partition_ms[0] = 1050000 + FH_SYNC_CLOSE_MS + 1;
    fh_sync_judge_ready(s, at(0), &primary, 0xfff, 0xfff);
    fh_sync_judge_ready(s, at(1500), &primary, 0xfff, 0xfff);
    assert_non_null(strstr(s->lacks, "behind the primary"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reports_are_taken_once_and_in_order, set_up),
        cmocka_unit_test_setup(doubtful_reports_hold_up_those_behind_them, set_up),
        cmocka_unit_test_setup(a_leader_takes_nothing_prepared, set_up),
        cmocka_unit_test_setup(garbage_is_not_handed_over, set_up),
        cmocka_unit_test_setup(catching_up_goes_in_portions, set_up),
        cmocka_unit_test_setup(late_end_of_an_answer_moves_nothing, set_up),
        cmocka_unit_test_setup(numbers_go_on_from_what_the_store_holds, set_up),
        cmocka_unit_test_setup(a_stranger_is_asked_for_all_it_knows, set_up),
        cmocka_unit_test_setup(a_stranger_is_asked_for_all_it_knows, set_up),
        cmocka_unit_test_setup(answers_are_chained_and_live_reports_are_not, set_up),
        cmocka_unit_test_setup(what_is_vouched_for_is_not_passed_over, set_up),
        cmocka_unit_test_setup(new_reports_do_not_put_off_the_question, set_up),
        cmocka_unit_test_setup(figures_may_run_ahead_of_the_report, set_up),
        cmocka_unit_test_setup(publication_waits_only_for_a_peer_that_keeps_pace, set_up),
        cmocka_unit_test_setup(protection_begins_when_the_past_is_held_too, set_up),
        cmocka_unit_test_setup(a_slow_peer_costs_bounded_memory, set_up),
        cmocka_unit_test_setup(a_standby_says_what_it_lacks, set_up),
        cmocka_unit_test_setup(a_ready_standby_may_be_behind_for_a_moment, set_up),
        cmocka_unit_test_setup(a_hole_is_filled_by_resuming_now_and_then, set_up),
        cmocka_unit_test_setup(a_ready_standby_fills_a_hole_and_stays_ready, set_up),
        cmocka_unit_test_setup(far_behind_is_not_ready, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
