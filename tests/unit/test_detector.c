/* test_detector.c: what counts as the peer being gone, silent or there. */
#include "detector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define FAILURE_MS 1500

static struct fh_detector detector;
static uint8_t changed;

static struct fh_time at(int64_t ms)
{
    return fh_time_add_ms((struct fh_time){1000000000}, ms);
}

static enum fh_detector_verdict check(int64_t ms)
{
    return fh_detector_check(&detector, at(ms), &changed);
}

/* Two paths, both up, a connection each way, heard at 0. */
static int set_up(void **state)
{
    (void)state;
    fh_detector_init(&detector, 2, FAILURE_MS);
    assert_int_equal(check(0), FH_PEER_NEVER_HEARD);
    for (size_t i = 0; i < 2; i++) {
        fh_detector_path(&detector, i, FH_PATH_CONNECTED);
    }
    fh_detector_inbound(&detector, 2);
    fh_detector_heard(&detector, at(0), 0, false);
    fh_detector_heard(&detector, at(0), 1, false);
    fh_detector_echoed(&detector, at(0), 3);
    assert_int_equal(check(0), FH_PEER_PRESENT);
    assert_int_equal(changed, 3);
    return 0;
}

static void silence_takes_the_failure_time(void **state)
{
    (void)state;
    assert_int_equal(check(FAILURE_MS - 1), FH_PEER_PRESENT);
    assert_int_equal(check(FAILURE_MS), FH_PEER_SILENT);
    assert_int_equal(changed, 3); /* both paths went down with it */
    fh_detector_heard(&detector, at(FAILURE_MS + 1), 0, false);
    assert_int_equal(check(FAILURE_MS + 1), FH_PEER_PRESENT);
}

static void one_silent_path_is_no_silence(void **state)
{
    (void)state;
    fh_detector_heard(&detector, at(1000), 0, false);
    fh_detector_echoed(&detector, at(1000), 1);
    assert_int_equal(check(FAILURE_MS), FH_PEER_PRESENT);
    assert_int_equal(changed, 2);
    assert_true(detector.path[0].up);
    assert_false(detector.path[1].up);
    assert_int_equal(fh_detector_heard_paths(&detector, at(FAILURE_MS)), 1);
}

static void refusal_with_nothing_standing_is_gone(void **state)
{
    (void)state;
    fh_detector_path(&detector, 0, FH_PATH_DISCONNECTED);
    fh_detector_path(&detector, 1, FH_PATH_DISCONNECTED);
    assert_int_equal(check(10), FH_PEER_PRESENT); /* closed is not yet dead */
    fh_detector_path(&detector, 0, FH_PATH_REFUSED);
    assert_int_equal(check(11), FH_PEER_PRESENT); /* it still holds connections to us */
    fh_detector_inbound(&detector, 0);
    assert_int_equal(check(12), FH_PEER_GONE);
}

static void refusal_on_one_path_is_not_gone(void **state)
{
    (void)state;
    fh_detector_inbound(&detector, 0);
    fh_detector_path(&detector, 0, FH_PATH_REFUSED);
    assert_int_equal(check(10), FH_PEER_PRESENT);
}

static void gone_lasts_until_something_is_heard(void **state)
{
    (void)state;
    fh_detector_inbound(&detector, 0);
    fh_detector_path(&detector, 0, FH_PATH_REFUSED);
    fh_detector_path(&detector, 1, FH_PATH_REFUSED);
    assert_int_equal(check(10), FH_PEER_GONE);
    fh_detector_path(&detector, 0, FH_PATH_CONNECTED); /* restarted, has not spoken */
    assert_int_equal(check(20), FH_PEER_GONE);
    fh_detector_heard(&detector, at(30), 0, false);
    assert_int_equal(check(30), FH_PEER_PRESENT);
}

static void goodbye_is_believed(void **state)
{
    (void)state;
    fh_detector_goodbye(&detector);
    assert_int_equal(check(1), FH_PEER_DEPARTED);
    assert_int_equal(check(FAILURE_MS * 2), FH_PEER_DEPARTED);
}

static void own_pause_proves_nothing(void **state)
{
    (void)state;
    fh_detector_stalled(&detector, at(60000));
    assert_int_equal(check(60000), FH_PEER_PRESENT);
    assert_int_equal(changed, 0);
    assert_int_equal(check(60000 + FAILURE_MS), FH_PEER_SILENT);
}

static void paths_out_of_range_are_ignored(void **state)
{
    (void)state;
    fh_detector_path(&detector, 2, FH_PATH_REFUSED);
    fh_detector_heard(&detector, at(5), 255, false);
    fh_detector_echoed(&detector, at(5), 0xff);
    assert_int_equal(check(5), FH_PEER_PRESENT);
}

static void datagrams_break_the_silence_and_hold_no_path_up(void **state)
{
    (void)state;
    fh_detector_datagram(&detector, at(FAILURE_MS - 1), 1);
    fh_detector_datagram_echoed(&detector, at(FAILURE_MS - 1), 1);
    assert_int_equal(check(FAILURE_MS), FH_PEER_PRESENT);
    assert_int_equal(changed, 3);
    assert_false(detector.path[0].up);
    assert_false(detector.path[1].up);
    assert_int_equal(fh_detector_heard_paths(&detector, at(FAILURE_MS)), 0);
    assert_int_equal(fh_detector_datagram_paths(&detector, at(FAILURE_MS)), 2);
    assert_true(fh_detector_datagrams_arrive(&detector, at(FAILURE_MS), 0));
    assert_false(fh_detector_datagrams_arrive(&detector, at(FAILURE_MS), 1));
    assert_false(fh_detector_datagrams_arrive(&detector, at(FAILURE_MS), 2));
    assert_int_equal(check(2 * FAILURE_MS - 1), FH_PEER_SILENT);
}

static void a_datagram_left_over_revives_nobody(void **state)
{
    (void)state;
    fh_detector_path(&detector, 0, FH_PATH_REFUSED);
    fh_detector_path(&detector, 1, FH_PATH_DISCONNECTED);
    fh_detector_datagram(&detector, at(5), 0); /* does not undo what was refused */
    fh_detector_inbound(&detector, 0);
    assert_int_equal(check(10), FH_PEER_GONE);
    fh_detector_datagram(&detector, at(10 + FAILURE_MS - 1), 0);
    assert_int_equal(check(10 + FAILURE_MS - 1), FH_PEER_GONE);
    /* Nothing stays on its way for so long: it lives, only its connections are refused. */
    fh_detector_datagram(&detector, at(10 + FAILURE_MS), 0);
    assert_int_equal(check(10 + FAILURE_MS), FH_PEER_PRESENT);
    fh_detector_datagram(&detector, at(20 + FAILURE_MS), 255);
    assert_int_equal(check(20 + FAILURE_MS), FH_PEER_PRESENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(silence_takes_the_failure_time, set_up),
        cmocka_unit_test_setup(one_silent_path_is_no_silence, set_up),
        cmocka_unit_test_setup(refusal_with_nothing_standing_is_gone, set_up),
        cmocka_unit_test_setup(refusal_on_one_path_is_not_gone, set_up),
        cmocka_unit_test_setup(gone_lasts_until_something_is_heard, set_up),
        cmocka_unit_test_setup(goodbye_is_believed, set_up),
        cmocka_unit_test_setup(own_pause_proves_nothing, set_up),
        cmocka_unit_test_setup(paths_out_of_range_are_ignored, set_up),
        cmocka_unit_test_setup(datagrams_break_the_silence_and_hold_no_path_up, set_up),
        cmocka_unit_test_setup(a_datagram_left_over_revives_nobody, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
