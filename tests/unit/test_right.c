/* test_right.c: the right to publish (fence, promise, lease), hand-over and its refusals,
 * maintenance, health, and the comparison of replicas; situation by situation. */
#include "fsm_fixture.h"
#include "history.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define FAILURE 1500
#define TTL     3000

static struct fh_sync_local local;

static void say_local(void)
{
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
}

/* The peer is a ready standby that has heard our latest beat and promises to follow. */
static void hear_follower(void)
{
    peer.state.role = FH_ROLE_STANDBY;
    peer.state.ready = true;
    peer.state.epoch = fsm.epoch;
    peer.state.beat_heard = fsm.fence.beat;
    peer.state.promise_epoch = fsm.epoch;
    peer.state.promise_ms = FAILURE;
    hear(false);
}

static void arbiter(enum fh_fsm_arbiter_result result, uint64_t epoch, int64_t asked_ms)
{
    struct fh_fsm_arbiter_answer answer = {.result = result,
                                           .epoch = epoch,
                                           .holder = result == FH_FSM_ARBITER_DENIED ? "n" : "m",
                                           .text = "why",
                                           .ttl_ms = TTL,
                                           .asked_at = at(asked_ms)};
    struct fh_fsm_input input = {.type = FH_FSM_ARBITER, .u.arbiter = &answer};
    feed(&input);
}

static void start(void)
{
    begin();
    say_local();
}

static int set_up(void **state)
{
    (void)state;
    instance = 500;
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
                                      .handover_after_ms = 10000,
                                      .damping_ms = 600000,
                                      .preferred = true};
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

/* Primary of a pair whose other node is heard; no promise yet. */
static void lead(void)
{
    start();
    hear(true);
    simple(FH_FSM_SETTLED);
    if (options.arbiter) {
        arbiter(FH_FSM_ARBITER_GRANTED, did(FH_FSM_LEASE_ACQUIRE)->number, now_ms);
    }
    epoch_stored();
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
}

/* Standby of a primary that is heard, in epoch 2. */
static void follow(void)
{
    start();
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 2;
    hear(true);
    pass(50);
    epoch_stored();
    simple(FH_FSM_SETTLED);
    hear(false);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
}

static void the_fence_is_given_before_the_start(void **state)
{
    (void)state;
    lead();
    assert_true(did(FH_FSM_PUBLISH_UNTIL) < did(FH_FSM_START_DELIVERY));
    assert_true(fh_fsm_fenced(&fsm, at(now_ms))); /* heard, but it has not said that it follows */
    hear_follower();
    assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
}

static void a_promise_counts_from_the_beat_it_answers(void **state)
{
    (void)state;
    lead();
    pass(300);
    int64_t sent = now_ms;
    uint64_t beat = fsm.fence.beat;
    pass(290);
    hear_follower();
    if (fsm.fence.beat == beat) {
        assert_true(fsm.fence.until.ns <= at(sent + FAILURE * 98 / 100).ns);
    }
    /* The same answer again, later, is worth no more. */
    struct fh_time until = fsm.fence.until;
    uint64_t heard = peer.state.beat_heard;
    pass(100);
    peer.state.beat_heard = heard;
    hear(false);
    assert_int_equal(fsm.fence.until.ns, until.ns);
}

static void heard_but_not_hearing_means_fenced(void **state)
{
    (void)state;
    lead();
    hear_follower();
    for (int i = 0; i < 8; i++) { /* its beats arrive, ours do not */
        pass(250);
        hear(false);
    }
    assert_true(fh_fsm_fenced(&fsm, at(now_ms)));
    peer.state.patient = true; /* it never takes over from silence */
    hear(false);
    assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
}

static void hearing_nobody_it_goes_on_alone_for_one_failure_time_at_a_time(void **state)
{
    (void)state;
    lead();
    hear_follower();
    pass(FAILURE + 100);
    assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
    assert_true(fsm.fence.until.ns <= at(now_ms + FAILURE).ns);
    now_ms += 60000; /* stopped */
    assert_true(fh_fsm_fenced(&fsm, at(now_ms)));
    simple(FH_FSM_TICK);
    assert_true(fh_fsm_fenced(&fsm, at(now_ms)));
    pass(FAILURE - 100);
    assert_true(fh_fsm_fenced(&fsm, at(now_ms)));
    pass(200);
    assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
}

static void after_a_stall_only_a_fresh_answer_counts(void **state)
{
    (void)state;
    lead();
    hear_follower();
    now_ms += 5000;
    simple(FH_FSM_TICK);
    uint64_t fresh = fsm.fence.beat;
    peer.state.beat_heard = fresh - 1; /* was waiting in the socket */
    hear(false);
    assert_true(fh_fsm_fenced(&fsm, at(now_ms)));
    pass(20);
    hear_follower();
    assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
}

static void a_standby_keeps_its_promise(void **state)
{
    (void)state;
    options.arbiter = true;
    options.preferred = false;
    follow();
    struct fh_wire_message m;
    fh_fsm_fill_state(&fsm, at(now_ms), false, &m);
    assert_int_equal(m.u.heartbeat.promise_epoch, 2);
    assert_int_equal(m.u.heartbeat.promise_ms, FAILURE);
    all.count = 0;
    struct fh_fsm_input refused = {.type = FH_FSM_PATH, .u.path = {0, FH_PATH_REFUSED}};
    feed(&refused); /* with an arbiter that alone is no proof */
    pass(FAILURE - 100);
    assert_null(did(FH_FSM_LEASE_ACQUIRE));
    pass(200);
    assert_non_null(did(FH_FSM_LEASE_ACQUIRE));
}

static void a_lease_comes_before_the_role(void **state)
{
    (void)state;
    options.arbiter = true;
    start();
    hear(true);
    simple(FH_FSM_SETTLED);
    assert_null(did(FH_FSM_PERSIST_EPOCH));
    uint64_t epoch = did(FH_FSM_LEASE_ACQUIRE)->number;
    now_ms += 100;
    arbiter(FH_FSM_ARBITER_DENIED, epoch, 0);
    assert_null(did(FH_FSM_PERSIST_EPOCH));
    pass(300);
    uint64_t higher = did(FH_FSM_LEASE_ACQUIRE)->number;
    assert_true(higher > epoch); /* the other one was too old */
    arbiter(FH_FSM_ARBITER_GRANTED, higher, now_ms - 200);
    assert_non_null(did(FH_FSM_PERSIST_EPOCH));
    epoch_stored();
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_int_equal(fsm.fence.until.ns, at(now_ms - 200 + TTL * 98 / 100).ns);
}

static const char *promotion_evidence(void)
{
    return fsm.role == FH_ROLE_PROMOTING ? fsm.evidence : "";
}

/* What a primary that only the arbiter hears delivers, this node will deliver again: said when it
 * takes over, and not when the lease merely had to run out. */
static void who_led_alone_is_named(void **state)
{
    (void)state;
    options.arbiter = true;
    options.preferred = false;
    for (int alone = 0; alone < 2; alone++) {
        follow();
        int64_t heard_ms = now_ms;
        int64_t denied_until = heard_ms + TTL + (alone ? 30000 : 1000);
        while (fsm.role == FH_ROLE_STANDBY && now_ms < heard_ms + 60000) {
            all.count = 0;
            pass(100);
            const struct fh_fsm_action *asked = did(FH_FSM_LEASE_ACQUIRE);
            if (asked) {
                arbiter(now_ms < denied_until ? FH_FSM_ARBITER_DENIED : FH_FSM_ARBITER_GRANTED,
                        asked->number, now_ms);
            }
        }
        assert_true(now_ms >= denied_until);
        bool said = strstr(promotion_evidence(), "led alone for") != NULL;
        assert_int_equal(said, alone);
    }
}

/* Made primary by the peer's promise in an epoch that the arbiter takes for spent. */
static void without_a_lease_to_be_had_it_hands_over(void **state)
{
    (void)state;
    options.arbiter = true;
    lead();
    hear_follower();
    uint64_t epoch = fsm.epoch;
    for (int i = 0; i < 200 && !fsm.switching; i++) {
        pass(100);
        hear_follower();
        struct fh_fsm_arbiter_answer answer = {.result = FH_FSM_ARBITER_DENIED,
                                               .epoch = epoch + 2,
                                               .holder = "",
                                               .text = "spent",
                                               .asked_at = at(now_ms)};
        struct fh_fsm_input input = {.type = FH_FSM_ARBITER, .u.arbiter = &answer};
        feed(&input);
        assert_false(fsm.fence.fenced_told); /* there is a standby that follows */
    }
    assert_true(fsm.switching && fsm.switching_automatic);
    simple(FH_FSM_DELIVERY_STOPPED);
    assert_int_equal(fsm.role, FH_ROLE_DEMOTING);
    assert_non_null(strstr(fsm.reason, "no lease in this epoch"));
}

static void the_arbiter_alone_lost_changes_nothing(void **state)
{
    (void)state;
    options.arbiter = true;
    lead();
    for (int i = 0; i < 200; i++) {
        pass(100);
        hear_follower();
        if (i % 10 == 9) {
            arbiter(FH_FSM_ARBITER_UNREACHABLE, 0, now_ms);
        }
        assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
    }
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    pass(FAILURE); /* and now the peer as well */
    assert_true(fh_fsm_fenced(&fsm, at(now_ms)));
    pass(2 * FAILURE);
    assert_int_equal(fsm.role, FH_ROLE_DEMOTING);
}

/* It slept, and the peer, which had lost its disk, led in a lower epoch meanwhile. */
static void who_was_fenced_asks_what_it_missed(void **state)
{
    (void)state;
    static const struct {
        uint64_t report_last;
        enum fh_role expected;
    } rows[] = {{0, FH_ROLE_PRIMARY}, {7, FH_ROLE_DEMOTING}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_up(state);
        options.arbiter = true;
        lead();
        hear_follower();
        now_ms += 60000;
        peer.state.report_last = rows[i].report_last;
        hear_follower(); /* the first thing it does is to read what has come */
        assert_int_equal(fsm.role, rows[i].expected);
        all.count = 0;
        peer.state.report_last = 0;
        pass(50);
        hear_follower();
        assert_int_equal(fh_fsm_fenced(&fsm, at(now_ms)), false);
        assert_int_equal(did(FH_FSM_PUBLISH_UNTIL) != NULL, rows[i].expected == FH_ROLE_PRIMARY);
    }
}

static void the_lease_is_renewed_and_given_back(void **state)
{
    (void)state;
    options.arbiter = true;
    lead();
    for (int i = 0; i < 60; i++) {
        all.count = 0;
        pass(100);
        if (did(FH_FSM_LEASE_RENEW)) {
            arbiter(FH_FSM_ARBITER_GRANTED, fsm.epoch, now_ms);
        }
        assert_false(fh_fsm_fenced(&fsm, at(now_ms)));
    }
    hear_follower();
    all.count = 0;
    simple(FH_FSM_SWITCHOVER);
    assert_null(did(FH_FSM_LEASE_RELEASE));
    simple(FH_FSM_DELIVERY_STOPPED);
    assert_non_null(did(FH_FSM_LEASE_RELEASE));
    arbiter(FH_FSM_ARBITER_GRANTED, fsm.epoch, now_ms); /* a renewal's answer, too late */
    assert_int_equal(fsm.lease.want, 0);
}

/* systemctl stop: whoever hears the farewell asks the arbiter at once. */
static void a_planned_stop_gives_the_lease_back_when_the_sinks_have_ended(void **state)
{
    (void)state;
    options.arbiter = true;
    lead();
    all.count = 0;
    simple(FH_FSM_LEAVE);
    assert_non_null(did(FH_FSM_STOP_DELIVERY));
    arbiter(FH_FSM_ARBITER_RELEASED, fsm.epoch, now_ms); /* not an answer to this */
    pass(100);
    assert_null(did(FH_FSM_LEASE_RELEASE));
    assert_null(did(FH_FSM_LEFT));
    uint64_t epoch = fsm.epoch;
    simple(FH_FSM_DELIVERY_STOPPED);
    assert_int_equal(did(FH_FSM_LEASE_RELEASE)->number, epoch);
    assert_null(did(FH_FSM_LEFT));
    arbiter(FH_FSM_ARBITER_GRANTED, epoch, now_ms);          /* a renewal's, too late */
    arbiter(FH_FSM_ARBITER_UNREACHABLE, epoch, now_ms - 50); /* and another one's */
    assert_null(did(FH_FSM_LEFT));
    arbiter(FH_FSM_ARBITER_RELEASED, epoch, now_ms);
    assert_true(did(FH_FSM_LEFT)->flag);
    all.count = 0;
    pass(5000);
    simple(FH_FSM_DELIVERY_STOPPED);
    assert_int_equal(all.count, 0); /* neither a role nor a lease is asked for any more */
    simple(FH_FSM_STOP);
    assert_non_null(did(FH_FSM_SEND_GOODBYE));
    assert_null(did(FH_FSM_LEASE_RELEASE));
}

static void a_stop_waits_for_no_sink_and_no_arbiter_without_end(void **state)
{
    (void)state;
    options.arbiter = true;
    lead();
    all.count = 0;
    simple(FH_FSM_LEAVE);
    pass(900);
    assert_null(did(FH_FSM_LEFT));
    pass(200);
    assert_false(did(FH_FSM_LEFT)->flag);
    simple(FH_FSM_DELIVERY_STOPPED); /* nobody is told any more: the lease runs out by itself */
    assert_null(did(FH_FSM_LEASE_RELEASE));

    lead();
    all.count = 0;
    simple(FH_FSM_LEAVE);
    simple(FH_FSM_DELIVERY_STOPPED);
    pass(900);
    assert_null(did(FH_FSM_LEFT));
    pass(200);
    assert_false(did(FH_FSM_LEFT)->flag);
}

static void without_a_lease_a_stop_waits_for_the_sinks_alone(void **state)
{
    (void)state;
    lead();
    all.count = 0;
    simple(FH_FSM_LEAVE);
    assert_null(did(FH_FSM_LEFT));
    simple(FH_FSM_DELIVERY_STOPPED);
    assert_true(did(FH_FSM_LEFT)->flag);

    options.arbiter = true;
    lead();
    arbiter(FH_FSM_ARBITER_UNREACHABLE, 0, now_ms);
    all.count = 0;
    simple(FH_FSM_LEAVE);
    simple(FH_FSM_DELIVERY_STOPPED); /* it does not answer anyhow */
    assert_non_null(did(FH_FSM_LEASE_RELEASE));
    assert_false(did(FH_FSM_LEFT)->flag);
}

static void switchover_hands_over_and_comes_back(void **state)
{
    (void)state;
    lead();
    char text[200];
    assert_int_equal(fh_fsm_switch_refused(&fsm, false, text, sizeof(text)), -EAGAIN);
    assert_non_null(strstr(text, "--force"));
    assert_int_equal(fh_fsm_switch_refused(&fsm, true, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "twice"));
    hear_follower();
    assert_int_equal(fh_fsm_switch_refused(&fsm, false, text, sizeof(text)), 0);
    simple(FH_FSM_SWITCHOVER);
    assert_true(did(FH_FSM_DRAIN_DELIVERY)->number > 0);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_int_equal(fh_fsm_switch_refused(&fsm, false, text, sizeof(text)), -EALREADY);
    simple(FH_FSM_DELIVERY_STOPPED);
    struct fh_wire_message m;
    fh_fsm_fill_state(&fsm, at(now_ms), false, &m);
    assert_int_equal(m.u.heartbeat.yield_epoch, fsm.epoch);
    epoch_stored();
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    for (int i = 0; i < 30; i++) { /* it does not take over */
        pass(100);
        hear(false);
        assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    }
    peer.state.ready = false;
    for (int i = 0; i < 30; i++) {
        pass(100);
        hear(false);
    }
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void a_standby_takes_what_is_handed_over(void **state)
{
    (void)state;
    options.preferred = false;
    options.epoch = 1;
    start();
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 2;
    hear(true);
    pass(50);
    epoch_stored();
    simple(FH_FSM_SETTLED);
    all.count = 0;
    peer.state.role = FH_ROLE_DEMOTING;
    hear(false);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    peer.state.yield_epoch = 2;
    hear(false);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void maintenance_never_promotes(void **state)
{
    (void)state;
    options.maintenance = true;
    start();
    pass(20000);
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
    struct fh_fsm_input off = {.type = FH_FSM_MAINTENANCE, .u.on = false};
    feed(&off);
    assert_int_equal(fsm.role, FH_ROLE_STARTING); /* the peer may rely on it a little longer */
    pass(FAILURE + 300);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

/* Both were in maintenance: who leads at once when its own is over has to be sure that the other
 * one knows. */
static void the_end_of_maintenance_is_heard_first(void **state)
{
    (void)state;
    options.maintenance = true;
    peer.state.maintenance = true;
    start();
    hear(true);
    simple(FH_FSM_SETTLED);
    struct fh_fsm_input off = {.type = FH_FSM_MAINTENANCE, .u.on = false};
    peer.state.beat_heard = fsm.fence.beat;
    feed(&off);
    hear(false);
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
    peer.state.beat_heard = fsm.fence.beat;
    hear(false);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void bad_health_hands_over_once(void **state)
{
    (void)state;
    lead();
    hear_follower();
    local.sinks_healthy = false;
    peer.state.sinks_healthy = false; /* both are ill: nothing to gain */
    for (int i = 0; i < 120; i++) {
        pass(100);
        say_local();
        hear_follower();
    }
    assert_false(fsm.switching);
    peer.state.sinks_healthy = true;
    for (int i = 0; i < 98; i++) {
        pass(100);
        say_local();
        hear_follower();
    }
    assert_false(fsm.switching);
    for (int i = 0; i < 5; i++) {
        pass(100);
        say_local();
        hear_follower();
    }
    assert_true(fsm.switching);
    assert_true(fsm.switching_automatic);
}

/* The peer took over although this node lives: the next silence has to last longer, a death not. */
static void needless_failovers_are_damped(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        set_up(state);
        lead();
        hear_follower();
        peer.state.role = FH_ROLE_PRIMARY;
        peer.state.epoch = fsm.epoch + 1;
        hear(false);
        simple(FH_FSM_DELIVERY_STOPPED);
        epoch_stored();
        hear(false);
        simple(FH_FSM_SETTLED);
        assert_int_equal(fsm.role, FH_ROLE_STANDBY);
        if (dead) {
            struct fh_fsm_input refused = {.type = FH_FSM_PATH, .u.path = {0, FH_PATH_REFUSED}};
            feed(&refused);
            assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
            continue;
        }
        pass(FAILURE + 100);
        assert_int_equal(fsm.role, FH_ROLE_STANDBY);
        assert_non_null(strstr(fsm.reason, "needless"));
        pass(3 * FAILURE);
        assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    }
}

static void digest(struct fh_replica_minutes *minutes, int64_t first, uint32_t salt)
{
    for (int i = 0; i < FH_REPLICA_MINUTES; i++) {
        minutes->minute[i].minute = first + i;
        minutes->minute[i].count = 1000;
        for (uint32_t j = 0; j < FH_REPLICA_BUCKETS; j++) {
            minutes->minute[i].digest[j] = (uint32_t)(first + i) * 7919u + j * 31u + salt;
        }
    }
}

static void replicas_are_compared(void **state)
{
    (void)state;
    struct fh_replica_state replica = {0};
    struct fh_replica_minutes own;
    struct fh_replica_minutes other;
    uint32_t per_mille = 0;
    uint32_t minutes = 0;
    digest(&own, 100, 0);
    digest(&other, 101, 0);      /* a minute ahead */
    other.minute[0].digest[5]++; /* it misses one record of minute 101 */
    fh_replica_compare(&replica, &own, &other);
    fh_replica_compare(&replica, &own, &other); /* no minute counts twice */
    assert_true(fh_replica_match(&replica, &per_mille, &minutes));
    assert_int_equal(minutes, 2);
    assert_int_equal(per_mille, 1000 * 31 / 32);
    assert_false(fh_replica_differ(&replica));
    memset(&replica, 0, sizeof(replica));
    digest(&other, 100, 12345);
    fh_replica_compare(&replica, &own, &other);
    assert_true(fh_replica_differ(&replica));
}

static void history_outlives_the_process(void **state)
{
    (void)state;
    static struct fh_history history;
    static struct fh_history again;
    static unsigned char bytes[FH_HISTORY_BYTES_MAX];
    static struct fh_ha_transition got[FH_HA_HISTORY_MAX];
    memset(&history, 0, sizeof(history));
    for (unsigned i = 0; i < 130; i++) {
        struct fh_ha_transition one = {.wall_ms = i, .to = FH_ROLE_STANDBY, .epoch = i};
        memset(one.reason, 'r', sizeof(one.reason) - 1);
        snprintf(one.evidence, sizeof(one.evidence), "number %u", i);
        fh_history_add(&history, &one);
    }
    size_t len = fh_history_encode(&history, bytes);
    assert_true(len <= 65536);
    assert_int_equal(fh_history_decode(&again, bytes, len), 0);
    assert_int_equal(fh_history_read(&again, got, FH_HA_HISTORY_MAX), 100);
    assert_int_equal(got[0].epoch, 30);
    assert_string_equal(got[99].evidence, "number 129");
    assert_int_equal(fh_history_read(&again, got, 2), 2);
    assert_int_equal(got[0].epoch, 128);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(fh_history_decode(&again, bytes, cut), -EBADMSG);
        assert_int_equal(again.count, 0);
    }
    bytes[0] = 9;
    assert_int_equal(fh_history_decode(&again, bytes, len), -EPROTONOSUPPORT);
}

#define ROW(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(the_fence_is_given_before_the_start),
        ROW(a_promise_counts_from_the_beat_it_answers),
        ROW(heard_but_not_hearing_means_fenced),
        ROW(hearing_nobody_it_goes_on_alone_for_one_failure_time_at_a_time),
        ROW(after_a_stall_only_a_fresh_answer_counts),
        ROW(a_standby_keeps_its_promise),
        ROW(a_lease_comes_before_the_role),
        ROW(who_led_alone_is_named),
        ROW(without_a_lease_to_be_had_it_hands_over),
        ROW(the_arbiter_alone_lost_changes_nothing),
        ROW(who_was_fenced_asks_what_it_missed),
        ROW(the_end_of_maintenance_is_heard_first),
        ROW(the_lease_is_renewed_and_given_back),
        ROW(a_planned_stop_gives_the_lease_back_when_the_sinks_have_ended),
        ROW(a_stop_waits_for_no_sink_and_no_arbiter_without_end),
        ROW(without_a_lease_a_stop_waits_for_the_sinks_alone),
        ROW(switchover_hands_over_and_comes_back),
        ROW(a_standby_takes_what_is_handed_over),
        ROW(maintenance_never_promotes),
        ROW(bad_health_hands_over_once),
        ROW(needless_failovers_are_damped),
        ROW(replicas_are_compared),
        ROW(history_outlives_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
