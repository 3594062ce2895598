/* test_fsm.c: the role machine, situation by situation: what it does, in which order, and what it
 * says about it. */
#include "fsm_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define HEARTBEAT 300
#define FAILURE   1500
#define JOIN      5000

static void epoch_done(uint64_t epoch, int result)
{
    struct fh_fsm_input input = {.type = FH_FSM_EPOCH_DONE, .u.epoch_done = {epoch, result}};
    feed(&input);
}

static void message(struct fh_wire_message *m)
{
    m->version = FH_WIRE_VERSION_MAX;
    m->instance = m->instance ? m->instance : 500;
    m->sequence = ++sequence;
    struct fh_fsm_input input = {.type = FH_FSM_MESSAGE, .u.message = m};
    feed(&input);
}

static void hello(void)
{
    struct fh_wire_message m = {.type = FH_WIRE_HELLO, .u.hello = peer};
    message(&m);
}

static void heartbeat(void)
{
    struct fh_wire_message m = {.type = FH_WIRE_HEARTBEAT, .u.heartbeat = peer.state};
    message(&m);
}

/* Let time pass with the peer's heartbeats. */
static void pass_with_peer(int64_t ms)
{
    for (int64_t end = now_ms + ms; now_ms < end;) {
        now_ms += 100;
        heartbeat();
    }
}

static void datagram(void)
{
    struct fh_wire_message m = {.version = FH_WIRE_VERSION_MAX,
                                .type = FH_WIRE_HEARTBEAT,
                                .instance = 500,
                                .sequence = ++sequence,
                                .u.heartbeat = peer.state};
    struct fh_fsm_input input = {.type = FH_FSM_DATAGRAM, .u.message = &m};
    feed(&input);
}

static size_t count_of(enum fh_fsm_action_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < actions.count; i++) {
        count += actions.action[i].type == type;
    }
    return count;
}

static const struct fh_fsm_action *did_first(enum fh_fsm_action_type type)
{
    for (size_t i = 0; i < all.count; i++) {
        if (all.action[i].type == type) {
            return &all.action[i];
        }
    }
    return NULL;
}

static size_t order_of(enum fh_fsm_action_type type)
{
    const struct fh_fsm_action *action = did_first(type);
    assert_non_null(action);
    return (size_t)(action - all.action);
}

static const struct fh_fsm_action *noticed(enum fh_log_id id)
{
    for (size_t i = 0; i < all.count; i++) {
        if (all.action[i].type == FH_FSM_NOTICE && all.action[i].u.notice.id == id) {
            return &all.action[i];
        }
    }
    return NULL;
}

static void start(void)
{
    struct fh_sync_local local = {
        .streams_live = true, .sinks_healthy = true, .peer_report_store = 2};
    begin();
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
}

static int set_up(void **state)
{
    (void)state;
    options = (struct fh_fsm_options){
        .node = "m",
        .instance = 400,
        .store_id = 1,
        .replica_id = 1,
        .partitions = 0xfff,
        .odd_epochs = true,
        .heartbeat_ms = HEARTBEAT,
        .failure_after = FAILURE / HEARTBEAT,
        .join_timeout_ms = JOIN,
        .path_count = 1,
        .epoch = 3,
    };
    peer = (struct fh_wire_hello){
        .version_min = 1,
        .version_max = 1,
        .node = "p",
        .store_id = 2,
        .replica_id = 2,
        .partitions = 0xfff,
        .complete = true,
        .state = {.role = FH_ROLE_STARTING, .epoch = 3, .echo = 400, .applied_final = true},
    };
    start();
    return 0;
}

/* STARTING -> STANDBY of a primary in epoch 4, ready. */
static void become_ready_standby(void)
{
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 4;
    hello();
    simple(FH_FSM_SETTLED);
    epoch_done(4, 0);
    heartbeat();
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_true(fsm.ready);
    all.count = 0;
}

/* STARTING -> PRIMARY in epoch 5 (odd), with the peer as ready standby. */
static void become_primary(void)
{
    options.preferred = true;
    start();
    hello();
    simple(FH_FSM_SETTLED);
    epoch_done(5, 0);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    peer.state.role = FH_ROLE_STANDBY;
    peer.state.epoch = 5;
    peer.state.ready = true;
    peer.state.report_store = 1;
    heartbeat();
    all.count = 0;
}

static void lone_start_waits_then_goes_alone(void **state)
{
    (void)state;
    pass(JOIN - 1);
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
    pass(1);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    assert_non_null(
        strstr(did_first(FH_FSM_ROLE_CHANGED)->u.role.evidence, "nobody heard for 5000 ms"));
    assert_int_equal(did_first(FH_FSM_PERSIST_EPOCH)->number, 5);
    assert_true(did_first(FH_FSM_PERSIST_EPOCH)->flag);
    pass(500);
    assert_null(did_first(FH_FSM_START_DELIVERY)); /* not before it is durable */
    epoch_done(5, 0);
    assert_non_null(did_first(FH_FSM_SETTLE_IN_DOUBT));
    assert_false(did_first(FH_FSM_SETTLE_IN_DOUBT)->flag);
    assert_null(did_first(FH_FSM_START_DELIVERY)); /* not before doubts are settled */
    simple(FH_FSM_SETTLED);
    assert_int_equal(did_first(FH_FSM_START_DELIVERY)->number, 5);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_non_null(noticed(FH_LOG_UNPROTECTED));
    assert_null(did_first(FH_FSM_RESUME_STREAMS)); /* they have just started from there */
}

/* A sink that could not be opened in time settles later: by what the peer holds then. */
static void doubts_are_asked_about_again(void **state)
{
    (void)state;
    become_primary();
    peer.state.report_applied = 7;
    simple(FH_FSM_UNSETTLED);
    heartbeat();
    assert_true(did_first(FH_FSM_SETTLE_IN_DOUBT)->flag);
    all.count = 0;
    simple(FH_FSM_UNSETTLED); /* still being answered */
    heartbeat();
    assert_null(did_first(FH_FSM_SETTLE_IN_DOUBT));
    simple(FH_FSM_SETTLED);
    peer.state.applied_final = false; /* something is on its way there */
    heartbeat();
    simple(FH_FSM_UNSETTLED);
    heartbeat();
    assert_null(did_first(FH_FSM_SETTLE_IN_DOUBT));
    peer.state.applied_final = true;
    heartbeat();
    assert_int_equal(did_first(FH_FSM_SETTLE_IN_DOUBT)->number, 7);
    simple(FH_FSM_SETTLED);
    pass(FAILURE + HEARTBEAT); /* the peer is gone: alone, there is nobody to ask */
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    all.count = 0;
    simple(FH_FSM_UNSETTLED);
    assert_false(did_first(FH_FSM_SETTLE_IN_DOUBT)->flag);
}

static void lone_start_with_safety_waits_for_ever(void **state)
{
    (void)state;
    options.prefer_safety = true;
    start();
    pass(10 * JOIN);
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
    assert_non_null(noticed(FH_LOG_ROLE));
    assert_int_equal(all.count, 1); /* said once */
}

static void epochs_of_the_two_nodes_never_meet(void **state)
{
    (void)state;
    options.odd_epochs = false;
    start();
    pass(JOIN);
    assert_int_equal(did_first(FH_FSM_PERSIST_EPOCH)->number, 4);
    options.epoch = 4;
    start();
    pass(JOIN);
    assert_int_equal(did_first(FH_FSM_PERSIST_EPOCH)->number, 6);
}

static void both_start(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint64_t own_epoch, peer_epoch;
        bool own_last, peer_last, own_preferred, peer_preferred;
        const char *peer_name;
        enum fh_role peer_role;
        bool peer_ready;
        enum fh_role expected;
    } rows[] = {
        {"higher epoch", 7, 6, true, true, false, true, "a", 0, 0, FH_ROLE_PROMOTING},
        {"lower epoch", 6, 7, true, true, true, false, "z", 0, 0, FH_ROLE_STARTING},
        {"led last", 6, 6, true, false, false, true, "a", 0, 0, FH_ROLE_PROMOTING},
        {"peer led last", 6, 6, false, true, true, false, "z", 0, 0, FH_ROLE_STARTING},
        {"preferred", 6, 6, false, false, true, false, "a", 0, 0, FH_ROLE_PROMOTING},
        {"peer preferred", 6, 6, false, false, false, true, "z", 0, 0, FH_ROLE_STARTING},
        {"smaller name", 6, 6, true, true, true, true, "z", 0, 0, FH_ROLE_PROMOTING},
        {"larger name", 6, 6, true, true, true, true, "a", 0, 0, FH_ROLE_STARTING},
        {"beside an unready standby", 6, 6, true, false, false, true, "a", FH_ROLE_STANDBY, 0,
         FH_ROLE_PROMOTING},
        {"beside a ready standby", 6, 6, true, false, true, false, "z", FH_ROLE_STANDBY, 1,
         FH_ROLE_STARTING},
        {"while the other promotes", 6, 6, true, false, true, false, "z", FH_ROLE_PROMOTING, 0,
         FH_ROLE_STARTING},
        {"the other is primary", 6, 8, true, false, true, false, "z", FH_ROLE_PRIMARY, 0,
         FH_ROLE_STANDBY},
        {"the other leads an older epoch", 6, 5, true, false, true, false, "z", FH_ROLE_PRIMARY, 0,
         FH_ROLE_STARTING},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        options.epoch = rows[i].own_epoch;
        options.last_primary = rows[i].own_last;
        options.preferred = rows[i].own_preferred;
        start();
        peer.state.epoch = rows[i].peer_epoch;
        peer.state.last_primary = rows[i].peer_last;
        peer.preferred = rows[i].peer_preferred;
        peer.state.role = rows[i].peer_role;
        peer.state.ready = rows[i].peer_ready;
        snprintf(peer.node, sizeof(peer.node), "%s", rows[i].peer_name);
        hello();
        heartbeat();
        if (fsm.role != rows[i].expected) {
            fail_msg("%s: %s", rows[i].what, fh_role_name(fsm.role));
        }
        pass_with_peer(JOIN + 100); /* being heard, nobody goes alone */
        if (fsm.role != rows[i].expected) {
            fail_msg("%s, later: %s", rows[i].what, fh_role_name(fsm.role));
        }
    }
}

static void no_election_before_the_peer_knows_us(void **state)
{
    (void)state;
    options.preferred = true;
    start();
    peer.state.echo = 0;
    hello();
    pass_with_peer(JOIN);
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
    peer.state.echo = 400;
    now_ms += 100;
    heartbeat();
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void doubts_are_settled_by_what_the_peer_holds(void **state)
{
    (void)state;
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 4;
    peer.state.report_store = 1;
    peer.state.report_applied = 17;
    peer.state.applied_final = false; /* something of ours may still be on its way there */
    hello();
    assert_null(did_first(FH_FSM_SETTLE_IN_DOUBT));
    peer.state.applied_final = true;
    peer.state.report_applied = 18;
    heartbeat();
    assert_true(did_first(FH_FSM_SETTLE_IN_DOUBT)->flag);
    assert_int_equal(did_first(FH_FSM_SETTLE_IN_DOUBT)->number, 18);
    all.count = 0;
    heartbeat();
    assert_null(did_first(FH_FSM_SETTLE_IN_DOUBT)); /* once */
}

static void another_stores_numbers_settle_nothing(void **state)
{
    (void)state;
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.report_store = 99; /* of our store before it was emptied */
    peer.state.report_applied = 17;
    hello();
    assert_int_equal(did_first(FH_FSM_SETTLE_IN_DOUBT)->number, 0);
}

static void questions_wait_for_settled_doubts(void **state)
{
    (void)state;
    peer.state.role = FH_ROLE_PRIMARY;
    hello();
    struct fh_wire_message m = {.type = FH_WIRE_WANT, .u.want = {1, 5, 0}};
    message(&m);
    assert_null(did_first(FH_FSM_PEER_WANTS));
    simple(FH_FSM_SETTLED);
    assert_int_equal(did_first(FH_FSM_PEER_WANTS)->u.wants.from, 5);
    m = (struct fh_wire_message){.type = FH_WIRE_WANT, .u.want = {9, 6, 0}};
    all.count = 0;
    message(&m); /* asks for another store's */
    simple(FH_FSM_WANTS_ANSWERED);
    assert_null(did_first(FH_FSM_PEER_WANTS));
}

static void standby_persists_the_primarys_epoch(void **state)
{
    (void)state;
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 8;
    hello();
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    simple(FH_FSM_TICK);
    assert_int_equal(did_first(FH_FSM_PERSIST_EPOCH)->number, 8);
    assert_false(did_first(FH_FSM_PERSIST_EPOCH)->flag);
    epoch_done(8, 0);
    assert_int_equal(fsm.epoch, 8);
    assert_false(fsm.last_primary);
}

static void lose_peer(const char *how)
{
    struct fh_fsm_input input = {.type = FH_FSM_PATH};
    if (strcmp(how, "gone") == 0) {
        input.u.path.event = FH_PATH_DISCONNECTED;
        feed(&input);
        input.u.path.event = FH_PATH_REFUSED;
        feed(&input);
    } else if (strcmp(how, "goodbye") == 0) {
        struct fh_wire_message m = {.type = FH_WIRE_GOODBYE};
        message(&m);
    } else {
        pass(FAILURE);
    }
}

static void standby_loses_the_primary(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        bool safety, ready;
        enum fh_role expected;
        const char *text; /* of evidence, or of the reason to stay */
        enum fh_promotion cause;
    } rows[] = {
        {"gone", false, true, FH_ROLE_PROMOTING, "refused", FH_PROMOTION_PEER_GONE},
        {"gone", true, true, FH_ROLE_PROMOTING, "refused", FH_PROMOTION_PEER_GONE},
        {"gone", true, false, FH_ROLE_STANDBY, "not ready", FH_PROMOTION_PEER_GONE},
        {"gone", false, false, FH_ROLE_PROMOTING, "refused", FH_PROMOTION_PEER_GONE},
        {"goodbye", false, true, FH_ROLE_PROMOTING, "goodbye", FH_PROMOTION_PEER_LEFT},
        {"goodbye", true, true, FH_ROLE_PROMOTING, "goodbye", FH_PROMOTION_PEER_LEFT},
        {"silence", false, true, FH_ROLE_PROMOTING, "nothing heard on 1 path for 1500 ms",
         FH_PROMOTION_PEER_SILENT},
        {"silence", true, true, FH_ROLE_STANDBY, "wants proof", FH_PROMOTION_PEER_SILENT},
        {"silence", false, false, FH_ROLE_PROMOTING, "nothing heard", FH_PROMOTION_PEER_SILENT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_up(state);
        options.prefer_safety = rows[i].safety;
        start();
        become_ready_standby();
        if (!rows[i].ready) {
            peer.state.report_last = 100; /* which we do not have */
            pass_with_peer(2 * FAILURE);
            assert_false(fsm.ready);
            all.count = 0;
        }
        lose_peer(rows[i].how);
        const struct fh_fsm_action *change = did_first(FH_FSM_ROLE_CHANGED);
        const struct fh_fsm_action *stays = noticed(FH_LOG_ROLE);
        const char *text = change ? change->u.role.evidence : stays ? stays->u.notice.text : "";
        if (fsm.role != rows[i].expected || !strstr(text, rows[i].text)) {
            fail_msg("row %zu (%s): %s, \"%s\"", i, rows[i].how, fh_role_name(fsm.role), text);
        }
        assert_non_null(noticed(FH_LOG_PEER_DOWN));
        if (rows[i].expected == FH_ROLE_PROMOTING) {
            assert_int_equal(fsm.cause, rows[i].cause);
            assert_int_equal(fsm.promoted[rows[i].cause], 0); /* it is under way */
        }
    }
}

static void promotion_waits_for_reports_handed_over(void **state)
{
    (void)state;
    become_ready_standby();
    struct fh_report report = {
        .number = 1, .epoch = 4, .state = FH_REPORT_PREPARED, .sink = "archive"};
    char bytes[256];
    fh_report_encode(&report, bytes);
    struct fh_wire_message m = {.type = FH_WIRE_REPORT,
                                .u.report = {0, 1, {bytes, fh_report_size(&report)}}};
    message(&m);
    assert_int_equal(did_first(FH_FSM_PEER_REPORT)->number, 1);
    struct fh_wire_message own;
    fh_fsm_fill_state(&fsm, at(now_ms), false, &own);
    assert_false(own.u.heartbeat.applied_final); /* it is under way: 0 is not the last word */
    assert_int_equal(own.u.heartbeat.report_applied, 0);
    lose_peer("gone");
    epoch_done(5, 0);
    simple(FH_FSM_TICK);
    assert_null(did_first(FH_FSM_START_DELIVERY));
    struct fh_fsm_input input = {.type = FH_FSM_APPLIED, .u.applied = {2, 1}};
    feed(&input);
    fh_fsm_fill_state(&fsm, at(now_ms), false, &own);
    assert_true(own.u.heartbeat.applied_final);
    assert_int_equal(own.u.heartbeat.report_applied, 1);
    assert_int_equal(did_first(FH_FSM_START_DELIVERY)->number, 5);
    assert_non_null(did_first(FH_FSM_RESUME_STREAMS));
    assert_true(order_of(FH_FSM_PEER_IN_SYNC) < order_of(FH_FSM_START_DELIVERY));
}

/* What it said before it was lost is over; and while it still delivers, what it says is not all. */
static void promotion_beside_a_primary_that_is_back(void **state)
{
    (void)state;
    become_ready_standby();
    lose_peer("silence");
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    struct fh_wire_message m = {.type = FH_WIRE_WANT, .u.want = {.store_id = 1, .from = 1}};
    message(&m);
    assert_false(fh_fsm_peer_usable(&fsm));
    heartbeat();
    assert_true(fh_fsm_peer_usable(&fsm));
    epoch_done(5, 0);
    pass_with_peer(HEARTBEAT);
    assert_null(did_first(FH_FSM_START_DELIVERY));
    peer.state.role = FH_ROLE_DEMOTING;
    pass_with_peer(HEARTBEAT);
    assert_null(did_first(FH_FSM_START_DELIVERY));
    peer.state.role = FH_ROLE_STANDBY;
    peer.state.epoch = 5;
    heartbeat();
    assert_int_equal(did_first(FH_FSM_START_DELIVERY)->number, 5);
}

/* It does not stop, perhaps because it does not hear us: that is waited for, not for ever. */
static void a_primary_that_does_not_stop_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    become_ready_standby();
    lose_peer("silence");
    heartbeat();
    epoch_done(5, 0);
    pass_with_peer(5 * FAILURE);
    assert_int_equal(did_first(FH_FSM_START_DELIVERY)->number, 5);
}

static void failed_write_of_the_epoch_means_no_promotion(void **state)
{
    (void)state;
    become_ready_standby();
    lose_peer("gone");
    epoch_done(5, -EIO);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_int_equal(fsm.epoch, 4);
    assert_null(did_first(FH_FSM_START_DELIVERY));
    pass(FAILURE + 100);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING); /* tries again */
}

static void higher_epoch_stops_the_primary_in_order(void **state)
{
    (void)state;
    become_primary();
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 6;
    struct fh_fsm_input report = {.type = FH_FSM_OWN_REPORT, .u.own_report = {1, 100}};
    feed(&report);
    all.count = 0;
    peer.state.report_applied = 1; /* it did take our last report */
    now_ms += 100;
    heartbeat();
    assert_int_equal(fsm.role, FH_ROLE_DEMOTING);
    assert_true(order_of(FH_FSM_PEER_CONFIRMED) < order_of(FH_FSM_STOP_DELIVERY));
    assert_null(did_first(FH_FSM_PERSIST_EPOCH));
    simple(FH_FSM_DELIVERY_STOPPED);
    assert_int_equal(did_first(FH_FSM_PERSIST_EPOCH)->number, 6);
    assert_false(did_first(FH_FSM_PERSIST_EPOCH)->flag);
    assert_int_equal(fsm.role, FH_ROLE_DEMOTING);
    epoch_done(6, 0);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_int_equal(fsm.epoch, 6);
    assert_int_equal(fsm.demotions, 1);
}

static void lower_epoch_does_not_move_the_primary(void **state)
{
    (void)state;
    become_primary();
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 4;
    pass_with_peer(JOIN);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
}

static void equal_epoch_is_an_error_and_the_smaller_name_stays(void **state)
{
    (void)state;
    become_primary();
    peer.state.role = FH_ROLE_PRIMARY;
    now_ms += 100;
    heartbeat();
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY); /* "m" before "p" */
    set_up(state);
    snprintf(peer.node, sizeof(peer.node), "a");
    become_primary();
    peer.state.role = FH_ROLE_PRIMARY;
    now_ms += 100;
    heartbeat();
    assert_int_equal(fsm.role, FH_ROLE_DEMOTING);
    assert_non_null(strstr(did_first(FH_FSM_ROLE_CHANGED)->u.role.evidence, "ERROR"));
}

static void unprotected_when_the_standby_does_not_confirm(void **state)
{
    (void)state;
    become_primary();
    assert_true(fh_fsm_protected(&fsm));
    struct fh_fsm_input report = {.type = FH_FSM_OWN_REPORT, .u.own_report = {1, 100}};
    feed(&report);
    assert_int_equal(did_first(FH_FSM_SEND_REPORT)->number, 0); /* previous */
    pass_with_peer(FAILURE);
    assert_false(did_first(FH_FSM_PEER_IN_SYNC)->flag);
    assert_non_null(strstr(noticed(FH_LOG_UNPROTECTED)->u.notice.text, "does not confirm"));
    all.count = 0;
    struct fh_wire_message m = {.type = FH_WIRE_CONFIRM, .u.confirm = {1, 1}};
    message(&m);
    assert_int_equal(did_first(FH_FSM_PEER_CONFIRMED)->number, 1);
    assert_true(did_first(FH_FSM_PEER_IN_SYNC)->flag);
    assert_non_null(noticed(FH_LOG_PROTECTED));
}

static void lost_standby_ends_waiting_at_once(void **state)
{
    (void)state;
    become_primary();
    lose_peer("goodbye");
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_false(did_first(FH_FSM_PEER_IN_SYNC)->flag);
    assert_non_null(noticed(FH_LOG_UNPROTECTED));
}

static void a_primary_that_stood_still_listens_first(void **state)
{
    (void)state;
    become_primary();
    lose_peer("silence");
    assert_false(did_first(FH_FSM_PEER_IN_SYNC)->flag);
    all.count = 0;
    now_ms += 60000; /* suspended */
    simple(FH_FSM_TICK);
    assert_true(did_first(FH_FSM_PEER_IN_SYNC)->flag); /* nothing becomes visible */
    all.count = 0;
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 6;
    now_ms += 50;
    heartbeat();
    assert_int_equal(fsm.role, FH_ROLE_DEMOTING);
}

static void a_standby_that_stood_still_does_not_promote(void **state)
{
    (void)state;
    become_ready_standby();
    now_ms += 60000;
    simple(FH_FSM_TICK);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    pass(FAILURE);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void no_pair(void **state)
{
    (void)state;
    static const struct {
        const char *what, *text;
    } rows[] = {{"replica", "replica_id = 1"},
                {"name", "called \"m\""},
                {"store", "same store"},
                {"version", "upgrade"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_up(state);
        if (i == 0) {
            peer.replica_id = 1;
        } else if (i == 1) {
            snprintf(peer.node, sizeof(peer.node), "m");
        } else if (i == 2) {
            peer.store_id = 1;
        } else {
            peer.version_min = 8;
            peer.version_max = 9;
            peer.complete = false;
        }
        hello();
        const struct fh_fsm_action *notice = noticed(FH_LOG_PEER_REFUSED);
        if (!notice || !strstr(notice->u.notice.text, rows[i].text)) {
            fail_msg("%s: not refused", rows[i].what);
        }
        assert_false(fh_fsm_peer_usable(&fsm));
        hello();
        assert_ptr_equal(noticed(FH_LOG_PEER_REFUSED), notice);
        assert_int_equal(fsm.role, FH_ROLE_STARTING);
    }
}

static void beside_a_refused_primary_nobody_promotes(void **state)
{
    (void)state;
    peer.replica_id = 1;
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 9;
    for (int i = 0; i < 100; i++) {
        now_ms += 100;
        hello();
    }
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
    assert_non_null(noticed(FH_LOG_ROLE));
    pass(FAILURE + JOIN); /* it has fallen silent */
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
    assert_int_equal(did_first(FH_FSM_PERSIST_EPOCH)->number, 11); /* above what was heard */
}

static void mended_identity_forms_a_pair(void **state)
{
    (void)state;
    peer.replica_id = 1;
    hello();
    assert_false(fh_fsm_peer_usable(&fsm));
    peer.replica_id = 2;
    struct fh_wire_message m = {.type = FH_WIRE_HELLO, .instance = 501, .u.hello = peer};
    message(&m);
    assert_true(fh_fsm_peer_usable(&fsm));
    assert_non_null(noticed(FH_LOG_PEER_UP));
}

static void late_words_of_the_departed_are_ignored(void **state)
{
    (void)state;
    become_ready_standby();
    lose_peer("goodbye");
    heartbeat();
    assert_int_equal(fsm.detector.verdict, FH_PEER_DEPARTED);
}

static void old_heartbeats_do_not_count(void **state)
{
    (void)state;
    become_ready_standby();
    peer.state.role = FH_ROLE_STARTING;
    sequence = 0; /* overtaken on another path */
    heartbeat();
    assert_int_equal(fsm.peer.hello.state.role, FH_ROLE_PRIMARY);
}

static void nothing_is_said_before_the_host_has_spoken(void **state)
{
    (void)state;
    fh_fsm_init(&fsm, at(0), &options);
    hello();
    assert_int_equal(actions.count, 0);
    assert_int_equal(fsm.peer.instance, 0);
}

/* A pair in which both take datagrams; the peer leads, we are its ready standby. */
static void become_standby_with_datagrams(void)
{
    options.datagrams = true;
    peer.version_max = 2;
    peer.state.datagrams = true;
    start();
    become_ready_standby();
}

static void datagrams_alone_keep_the_peer(void **state)
{
    (void)state;
    become_standby_with_datagrams();
    struct fh_fsm_input closed = {.type = FH_FSM_PATH, .u.path = {0, FH_PATH_DISCONNECTED}};
    feed(&closed);
    for (int i = 0; i < 200; i++) {
        now_ms += 50;
        datagram();
    }
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_true(fsm.ready);
    pass(FAILURE);
    assert_int_equal(fsm.role, FH_ROLE_PROMOTING);
}

static void datagrams_go_to_a_peer_that_takes_them(void **state)
{
    (void)state;
    for (int takes = 0; takes < 2; takes++) {
        become_standby_with_datagrams();
        peer.state.datagrams = takes;
        heartbeat();
        size_t states = 0;
        size_t datagrams = 0;
        for (int64_t end = now_ms + 3000; now_ms < end;) {
            now_ms += 50;
            simple(FH_FSM_TICK);
            states += count_of(FH_FSM_SEND_STATE);
            datagrams += count_of(FH_FSM_SEND_DATAGRAM);
            if (now_ms % 500 == 0) {
                heartbeat();
                datagrams += count_of(FH_FSM_SEND_DATAGRAM);
            }
        }
        assert_in_range(states, 3000 / HEARTBEAT, 3000 / HEARTBEAT + 1);
        assert_in_range(datagrams, takes ? 55 : 0, takes ? 61 : 0);
    }
    peer.state.echo = 399; /* it does not know this process: it could not open them */
    heartbeat();
    now_ms += HEARTBEAT;
    simple(FH_FSM_TICK);
    assert_int_equal(count_of(FH_FSM_SEND_DATAGRAM), 0);
}

/* A report on its way in the connection is not lost because a datagram was faster. */
static void a_datagram_asks_for_no_reports(void **state)
{
    (void)state;
    become_standby_with_datagrams();
    peer.state.report_last = 7;
    datagram();
    now_ms += HEARTBEAT;
    datagram();
    assert_null(did_first(FH_FSM_SEND));
    uint64_t overtaken = sequence++;
    datagram();
    sequence = overtaken; /* what the connection says is older, and still true of it */
    heartbeat();
    assert_int_equal(did_first(FH_FSM_SEND)->u.message.type, FH_WIRE_WANT);
    assert_int_equal(did_first(FH_FSM_SEND)->u.message.u.want.from, 1);
}

static void strange_and_late_datagrams_do_not_count(void **state)
{
    (void)state;
    become_standby_with_datagrams();
    struct fh_wire_message m = {.type = FH_WIRE_HEARTBEAT,
                                .instance = 501,
                                .sequence = 1000,
                                .u.heartbeat = {.role = FH_ROLE_PRIMARY, .epoch = 9}};
    struct fh_fsm_input input = {.type = FH_FSM_DATAGRAM, .u.message = &m};
    feed(&input);
    assert_int_equal(fsm.seen, 4);
    m.instance = 500;
    m.sequence = 1;
    feed(&input);
    assert_int_equal(fsm.seen, 4);
    m.type = FH_WIRE_GOODBYE;
    m.sequence = 1001;
    assert_int_equal(fh_fsm_step(&fsm, at(now_ms), &input, &actions), -EBADMSG);
    assert_true(fh_fsm_peer_usable(&fsm));
    m.type = FH_WIRE_GOODBYE;
    message(&m);
    peer.state.epoch = 9;
    datagram(); /* of the process that has left */
    assert_int_equal(fsm.seen, 4);
}

static void goodbye_is_the_last_word(void **state)
{
    (void)state;
    simple(FH_FSM_STOP);
    assert_non_null(did_first(FH_FSM_SEND_GOODBYE));
    pass(JOIN);
    assert_int_equal(actions.count, 0);
    assert_int_equal(fsm.role, FH_ROLE_STARTING);
}

/* What this node says of itself, knowing records by that key. */
static void local_key(enum fh_dedup_key key)
{
    struct fh_sync_local local = {.peer_report_store = 2,
                                  .streams_live = true,
                                  .sinks_healthy = true,
                                  .dedup_key = (uint8_t)(key + 1)};
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
}

static void a_standby_takes_over_the_key_before_it_is_ready(void **state)
{
    (void)state;
    local_key(FH_KEY_UID_TIMESTAMP);
    peer.version_max = 2;
    peer.state.role = FH_ROLE_PRIMARY;
    peer.state.epoch = 4;
    peer.state.dedup_key = FH_KEY_PAYLOAD + 1;
    hello();
    assert_int_equal(did_first(FH_FSM_REPLICAS_DIFFER)->number, FH_KEY_PAYLOAD);
    assert_non_null(strstr(noticed(FH_LOG_REPLICAS_DIFFER)->u.notice.text, "payload"));
    simple(FH_FSM_SETTLED);
    epoch_done(4, 0);
    all.count = 0;
    heartbeat();
    assert_false(fsm.ready);
    assert_non_null(strstr(fsm.sync.lacks, "dedup.key"));
    assert_null(did_first(FH_FSM_REPLICAS_DIFFER)); /* ordered once */
    local_key(FH_KEY_PAYLOAD);
    heartbeat();
    assert_true(fsm.ready);
}

/* A node whose disk was lost leads: what the other one holds and nobody has delivered must come to
 * it, else it would be delivered by nobody. */
static void a_primary_fetches_what_only_the_peer_holds(void **state)
{
    (void)state;
    become_primary();
    struct fh_sync_local local = {.streams_live = true, .sinks_healthy = true};
    for (int i = 0; i < FH_PARTITIONS; i++) {
        local.covered_from.partition_ms[i] = 5000;
        peer.state.delivered.partition_ms[i] = i == 3 ? 4000 : i == 4 ? 0 : 6000;
    }
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
    all.count = 0;
    heartbeat();
    const struct fh_fsm_action *resume = did_first(FH_FSM_RESUME_STREAMS);
    assert_non_null(resume);
    for (int i = 0; i < FH_PARTITIONS; i++) {
        assert_int_equal(resume->u.checkpoint.partition_ms[i], i == 3 ? 4000 : 0);
    }
    all.count = 0;
    pass_with_peer(FH_SYNC_RESUME_MS - 1000);
    assert_null(did_first(FH_FSM_RESUME_STREAMS)); /* it takes a while */
    local.covered_from.partition_ms[3] = 3000;
    feed(&input);
    pass_with_peer(2 * FH_SYNC_RESUME_MS);
    assert_null(did_first(FH_FSM_RESUME_STREAMS));
}

static void a_narrower_key_is_not_taken_over(void **state)
{
    (void)state;
    local_key(FH_KEY_PAYLOAD);
    peer.version_max = 2;
    peer.state.dedup_key = FH_KEY_CONTENT + 1;
    hello();
    heartbeat();
    assert_null(did_first(FH_FSM_REPLICAS_DIFFER));
    peer.state.dedup_key = 0; /* says nothing */
    heartbeat();
    assert_null(did_first(FH_FSM_REPLICAS_DIFFER));
}

static void from_key_to_key(void **state)
{
    (void)state;
    local_key(FH_KEY_UID_TIMESTAMP);
    peer.version_max = 2;
    peer.state.dedup_key = FH_KEY_UID_TIMESTAMP + 1;
    hello();
    for (int i = 0; i < 8; i++) {
        fsm.replica.outcome[fsm.replica.outcomes++] = FH_REPLICA_OTHER_UID;
    }
    heartbeat();
    assert_int_equal(did_first(FH_FSM_REPLICAS_DIFFER)->number, FH_KEY_CONTENT);
    local_key(FH_KEY_CONTENT);
    all.count = 0;
    heartbeat();
    assert_null(did_first(FH_FSM_REPLICAS_DIFFER));
    fsm.replica.outcome[fsm.replica.outcomes++] = FH_REPLICA_OTHER_STAMP; /* may be chance */
    heartbeat();
    assert_null(did_first(FH_FSM_REPLICAS_DIFFER));
    for (int i = 0; i < 4; i++) {
        fsm.replica.outcome[fsm.replica.outcomes++] = FH_REPLICA_OTHER_STAMP;
    }
    heartbeat();
    assert_int_equal(did_first(FH_FSM_REPLICAS_DIFFER)->number, FH_KEY_PAYLOAD);
}

static void samples_go_out_in_turn(void **state)
{
    (void)state;
    struct fh_sync_local local = {.peer_report_store = 2,
                                  .streams_live = true,
                                  .sinks_healthy = true,
                                  .slices_whole = 0x8004};
    local.slice[2].number = 900;
    local.slice[15].number = 901;
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    feed(&input);
    pass(HEARTBEAT);
    assert_null(did_first(FH_FSM_SEND)); /* nobody there */
    peer.version_max = 2;
    hello();
    all.count = 0;
    int64_t told[4];
    for (size_t i = 0; i < 4; i++) {
        all.count = 0;
        pass_with_peer(HEARTBEAT);
        assert_non_null(did_first(FH_FSM_SEND));
        assert_int_equal(did_first(FH_FSM_SEND)->u.message.type, FH_WIRE_SAMPLE);
        told[i] = did_first(FH_FSM_SEND)->u.message.u.sample.number;
    }
    assert_int_equal(told[0] + told[1], 1801);
    assert_int_equal(told[0], told[2]);
    assert_int_equal(told[1], told[3]);
    peer.version_max = 1; /* would not know what it is */
    hello();
    all.count = 0;
    pass_with_peer(HEARTBEAT);
    assert_null(did_first(FH_FSM_SEND));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup(test, set_up)
    const struct CMUnitTest tests[] = {
        ROW(a_standby_takes_over_the_key_before_it_is_ready),
        ROW(a_primary_fetches_what_only_the_peer_holds),
        ROW(a_narrower_key_is_not_taken_over),
        ROW(from_key_to_key),
        ROW(samples_go_out_in_turn),
        ROW(lone_start_waits_then_goes_alone),
        ROW(doubts_are_asked_about_again),
        ROW(lone_start_with_safety_waits_for_ever),
        ROW(epochs_of_the_two_nodes_never_meet),
        ROW(both_start),
        ROW(no_election_before_the_peer_knows_us),
        ROW(doubts_are_settled_by_what_the_peer_holds),
        ROW(another_stores_numbers_settle_nothing),
        ROW(questions_wait_for_settled_doubts),
        ROW(standby_persists_the_primarys_epoch),
        ROW(standby_loses_the_primary),
        ROW(promotion_waits_for_reports_handed_over),
        ROW(promotion_beside_a_primary_that_is_back),
        ROW(a_primary_that_does_not_stop_is_not_waited_for_for_ever),
        ROW(failed_write_of_the_epoch_means_no_promotion),
        ROW(higher_epoch_stops_the_primary_in_order),
        ROW(lower_epoch_does_not_move_the_primary),
        ROW(equal_epoch_is_an_error_and_the_smaller_name_stays),
        ROW(unprotected_when_the_standby_does_not_confirm),
        ROW(lost_standby_ends_waiting_at_once),
        ROW(a_primary_that_stood_still_listens_first),
        ROW(a_standby_that_stood_still_does_not_promote),
        ROW(no_pair),
        ROW(beside_a_refused_primary_nobody_promotes),
        ROW(mended_identity_forms_a_pair),
        ROW(late_words_of_the_departed_are_ignored),
        ROW(old_heartbeats_do_not_count),
        ROW(nothing_is_said_before_the_host_has_spoken),
        ROW(datagrams_alone_keep_the_peer),
        ROW(datagrams_go_to_a_peer_that_takes_them),
        ROW(a_datagram_asks_for_no_reports),
        ROW(strange_and_late_datagrams_do_not_count),
        ROW(goodbye_is_the_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
