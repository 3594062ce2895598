/* test_alone.c: with an arbiter and pair.prefer = "safety": who does not lead because the other one
 * led alone, what it takes to lead all the same, and when a primary may go on alone. */
#include "fsm_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define TTL 3000

static struct fh_sync_local local;

/* The peer, which has heard our latest beat. */
static void hear_follower(bool hello)
{
    peer.state.beat_heard = fsm.fence.beat;
    hear(hello);
}

/* An answer to the latest question, with what the arbiter notes. */
static void granted(uint16_t stint, bool other_alone)
{
    struct fh_fsm_arbiter_answer answer = {.result = FH_FSM_ARBITER_GRANTED,
                                           .epoch = fsm.lease.want,
                                           .holder = "m",
                                           .text = "",
                                           .ttl_ms = TTL,
                                           .asked_at = at(now_ms),
                                           .stint = stint,
                                           .other_alone = other_alone};
    struct fh_fsm_input input = {.type = FH_FSM_ARBITER, .u.arbiter = &answer};
    feed(&input);
}

static void denied(bool alone)
{
    struct fh_fsm_arbiter_answer answer = {.result = FH_FSM_ARBITER_DENIED,
                                           .epoch = 2,
                                           .holder = alone ? "" : "n",
                                           .text = "n led alone",
                                           .asked_at = at(now_ms),
                                           .alone = alone};
    struct fh_fsm_input input = {.type = FH_FSM_ARBITER, .u.arbiter = &answer};
    feed(&input);
}

static int set_up(void **state)
{
    (void)state;
    options = (struct fh_fsm_options){.node = "m",
                                      .instance = 400,
                                      .store_id = 40,
                                      .replica_id = 1,
                                      .partitions = 0xfff,
                                      .heartbeat_ms = 300,
                                      .failure_after = 5,
                                      .join_timeout_ms = 5000,
                                      .path_count = 1,
                                      .lease_ttl_ms = TTL,
                                      .arbiter = true,
                                      .prefer_safety = true};
    memset(&local, 0, sizeof(local));
    local.streams_live = local.sinks_healthy = true;
    local.peer_report_store = 50; /* the peer is no stranger */
    memset(&peer, 0, sizeof(peer));
    strcpy(peer.node, "n");
    peer.version_min = 1;
    peer.version_max = FH_WIRE_VERSION_MAX;
    peer.store_id = 50;
    peer.replica_id = 2;
    peer.partitions = 0xfff;
    peer.complete = true;
    peer.state.echo = 400;
    peer.state.applied_final = true;
    peer.state.streams_live = peer.state.sinks_healthy = true;
    peer.state.report_store = 40;
    return 0;
}

static void start(void)
{
    begin();
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
}

/* Standby of a primary in epoch 2. */
static void follow_the_primary(void)
{
    start();
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 2;
    hear_follower(true);
    pass(50);
    epoch_stored();
    simple(FH_FSM_SETTLED);
    hear_follower(false);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    all.count = 0;
}

/* ... which then is silent for as long as it takes to ask the arbiter. */
static void lose_the_primary(void)
{
    follow_the_primary();
    pass(2000);
    assert_non_null(did(FH_FSM_LEASE_ACQUIRE));
}

static size_t kept_notices(void)
{
    size_t n = 0;
    for (size_t i = 0; i < all.count; i++) {
        n += all.action[i].type == FH_FSM_NOTICE && all.action[i].u.notice.keep;
    }
    return n;
}

/* ... and the arbiter says that it led alone. */
static void be_barred(void)
{
    lose_the_primary();
    assert_true(did(FH_FSM_LEASE_ACQUIRE)->u.claim.careful);
    assert_int_equal(did(FH_FSM_LEASE_ACQUIRE)->u.claim.stint, 2);
    denied(true);
    pass(50);
}

static void waits_for_who_led_alone(void **state)
{
    (void)state;
    be_barred();
    assert_int_equal(kept_notices(), 1); /* journal and history; the reason stands in status */
    assert_non_null(strstr(fsm.reason, "led alone"));
    assert_non_null(strstr(fsm.reason, "firehosectl promote --force"));
    for (int i = 0; i < 100; i++) {
        all.count = 0;
        pass(600);
        assert_int_equal(kept_notices(), 0); /* said once */
        assert_true(did(FH_FSM_LEASE_ACQUIRE)->u.claim.careful);
        denied(true);
        assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    }
}

static void takes_over_its_reports_when_it_is_back(void **state)
{
    (void)state;
    be_barred();
    fsm.ready = true;
    peer.state.role = FH_ROLE_STARTING;
    peer.state.report_last = 7;
    all.count = 0;
    hear_follower(true);
    pass(350);
    assert_non_null(did(FH_FSM_LEASE_ACQUIRE));
    assert_false(did(FH_FSM_LEASE_ACQUIRE)->u.claim.careful);
    granted(2, true);
    pass(50);
    hear_follower(false);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    epoch_stored();
    hear_follower(false);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING); /* report 7 is not here yet */
    local.peer_report_applied = 7;
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
    pass(50);
    hear_follower(false);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    all.count = 0;
    pass(TTL / 2);
    assert_true(did(FH_FSM_LEASE_RENEW)->u.claim.knows_other);
}

static void does_not_lead_when_it_is_gone_again_before(void **state)
{
    (void)state;
    be_barred();
    fsm.ready = true;
    peer.state.role = FH_ROLE_STARTING;
    peer.state.report_last = 7;
    all.count = 0;
    hear_follower(true);
    pass(350);
    granted(2, true);
    pass(50);
    hear_follower(false);
    epoch_stored();
    for (int i = 0; i < 40 && fsm.role == FH_ROLE_PROMOTING; i++) {
        pass(300);
        granted(2, true);
    }
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_null(did(FH_FSM_START_DELIVERY));
}

/* Asked while the peer was there, granted when it was gone. */
static void gives_a_lease_back_that_it_must_not_use(void **state)
{
    (void)state;
    lose_the_primary();
    all.count = 0;
    granted(2, true);
    pass(50);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_non_null(did(FH_FSM_LEASE_RELEASE));
}

static void leads_by_the_operators_order(void **state)
{
    (void)state;
    char text[200];
    be_barred();
    assert_int_equal(fh_fsm_promote_refused(&fsm, at(now_ms), false, text, sizeof(text)), -EAGAIN);
    assert_non_null(strstr(text, "--force"));
    assert_int_equal(fh_fsm_promote_refused(&fsm, at(now_ms), true, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "delivered again"));
    all.count = 0;
    simple(FH_FSM_PROMOTE);
    assert_int_equal(kept_notices(), 1);
    pass(350);
    assert_false(did(FH_FSM_LEASE_ACQUIRE)->u.claim.careful);
    granted(2, true);
    pass(50);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    epoch_stored();
    granted(3, true);
    pass(50);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_int_equal(fh_fsm_promote_refused(&fsm, at(now_ms), true, text, sizeof(text)), -EALREADY);
}

static void no_order_makes_two(void **state)
{
    (void)state;
    char text[200];
    lose_the_primary();
    denied(false); /* it renews its lease */
    assert_int_equal(fh_fsm_promote_refused(&fsm, at(now_ms), true, text, sizeof(text)), -EBUSY);
    peer.state.role = FH_ROLE_PRIMARY;
    hear_follower(false);
    assert_int_equal(fh_fsm_promote_refused(&fsm, at(now_ms), true, text, sizeof(text)), -EBUSY);
    assert_non_null(strstr(text, "switchover"));
}

/* Primary with a standby that confirms, and the arbiter has noted that it is not alone. */
static void lead_covered(bool arbiter_notes)
{
    start();
    options.preferred = true;
    peer.state.role = FH_ROLE_STARTING;
    hear_follower(true);
    simple(FH_FSM_SETTLED);
    granted(arbiter_notes ? 2 : 0, false);
    epoch_stored();
    peer.state.role = FH_ROLE_STANDBY;
    peer.state.ready = true;
    peer.state.epoch = peer.state.promise_epoch = fsm.epoch;
    peer.state.promise_ms = 1500;
    for (int i = 0; i < 5; i++) {
        hear_follower(false);
        pass(200);
    }
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_true(fsm.in_sync_told);
    assert_int_equal(did(FH_FSM_LEASE_RENEW)->u.claim.stint, 4);
    granted(arbiter_notes ? 4 : 0, false);
    all.count = 0;
}

static void goes_on_alone_only_when_that_is_noted(void **state)
{
    (void)state;
    lead_covered(true);
    pass(1700);
    assert_null(did(FH_FSM_PEER_IN_SYNC));
    assert_int_equal(did(FH_FSM_LEASE_RENEW)->u.claim.stint, 5);
    granted(4, false); /* the answer to an earlier question */
    pass(50);
    assert_null(did(FH_FSM_PEER_IN_SYNC));
    granted(5, false);
    assert_false(did(FH_FSM_PEER_IN_SYNC)->flag);
    /* The standby is back: publication waits for it first, then that is told. */
    all.count = 0;
    hear_follower(false);
    assert_true(did(FH_FSM_PEER_IN_SYNC)->flag);
    assert_null(did(FH_FSM_LEASE_RENEW));
    for (int i = 0; i < 3; i++) {
        pass(150);
        hear_follower(false);
    }
    assert_int_equal(did(FH_FSM_LEASE_RENEW)->u.claim.stint, 6);
}

/* A machine that stands still, and is cut off when it wakes: the arbiter tells what it missed. */
static void stand_still(void)
{
    now_ms += 1200;
    simple(FH_FSM_TICK);
    assert_true(fsm.fence.hold);
}

static void goes_on_alone_after_it_stood_still(void **state)
{
    (void)state;
    lead_covered(true);
    stand_still();
    pass(1700);
    assert_non_null(did(FH_FSM_LEASE_RENEW));
    assert_int_equal(did(FH_FSM_LEASE_RENEW)->u.claim.stint, 5);
    granted(5, false);
    pass(50);
    assert_false(did(FH_FSM_PEER_IN_SYNC)->flag);
    assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
}

static void takes_over_after_it_stood_still(void **state)
{
    (void)state;
    follow_the_primary();
    stand_still();
    pass(2000);
    assert_non_null(did(FH_FSM_LEASE_ACQUIRE));
    granted(2, false);
    pass(50);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void an_arbiter_that_notes_nothing_keeps_nobody_waiting(void **state)
{
    (void)state;
    lead_covered(false);
    pass(1700);
    granted(0, false);
    pass(50);
    assert_false(did(FH_FSM_PEER_IN_SYNC)->flag);
}

static void availability_takes_over_as_ever(void **state)
{
    (void)state;
    options.prefer_safety = false;
    lose_the_primary();
    const struct fh_fsm_claim *claim = &did(FH_FSM_LEASE_ACQUIRE)->u.claim;
    assert_true(claim->stint == 0 && !claim->careful && !claim->knows_other);
    granted(0, true);
    pass(50);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    epoch_stored();
    pass(50);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_false(fsm.in_sync_told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(waits_for_who_led_alone, set_up),
        cmocka_unit_test_setup(takes_over_its_reports_when_it_is_back, set_up),
        cmocka_unit_test_setup(does_not_lead_when_it_is_gone_again_before, set_up),
        cmocka_unit_test_setup(gives_a_lease_back_that_it_must_not_use, set_up),
        cmocka_unit_test_setup(leads_by_the_operators_order, set_up),
        cmocka_unit_test_setup(no_order_makes_two, set_up),
        cmocka_unit_test_setup(goes_on_alone_only_when_that_is_noted, set_up),
        cmocka_unit_test_setup(goes_on_alone_after_it_stood_still, set_up),
        cmocka_unit_test_setup(takes_over_after_it_stood_still, set_up),
        cmocka_unit_test_setup(an_arbiter_that_notes_nothing_keeps_nobody_waiting, set_up),
        cmocka_unit_test_setup(availability_takes_over_as_ever, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
