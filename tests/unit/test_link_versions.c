/* test_link_versions.c: the machine beside an earlier node: plays the recorded frames of a node of
 * version 1 of the link, and of one of version 2 that knows of no datagrams
 * (tests/data/link-v*.txt), at their times, and looks at what this one does and says.
 */
#include "fsm.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define FRAMES_MAX  64
#define OLD_BEAT    356 /* bytes of a HEARTBEAT of version 1 */
#define NEW_STATE_2 266 /* bytes version 2 appends to a state, in HELLO and HEARTBEAT */

static struct {
    int64_t at;
    unsigned char bytes[1024];
    size_t len;
} frame[FRAMES_MAX];
static size_t frames;
static struct fh_fsm fsm;
static int64_t now_ms;
static struct {
    unsigned hellos, beats, confirms, reports_taken, datagrams;
    bool in_sync, delivering, ready_ever;
    struct fh_time until;
} seen;
static uint64_t applied, own_reports;
static uint8_t version; /* the earlier node's */

static void read_recording(unsigned of_version, const char *role)
{
    char path[512];
    version = (uint8_t)of_version;
    snprintf(path, sizeof(path), "%s/link-v%u-%s.txt", FH_TEST_DATA, of_version, role);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char line[4096];
    frames = 0;
    while (fgets(line, sizeof(line), file)) {
        char *hex = NULL;
        if (line[0] == '#') {
            continue;
        }
        frame[frames].at = strtoll(line, &hex, 10);
        size_t len = 0;
        unsigned value = 0;
        for (hex++; sscanf(hex, "%2x", &value) == 1; hex += 2) {
            frame[frames].bytes[len++] = (unsigned char)value;
        }
        frame[frames].len = len;
        frames++;
    }
    fclose(file);
    assert_true(frames > 10);
}

static struct fh_time now(void)
{
    return (struct fh_time){(1000 + now_ms) * 1000000};
}

static void step(const struct fh_fsm_input *input);

static void answer(enum fh_fsm_input_type type, uint64_t number)
{
    struct fh_fsm_input input = {.type = type};
    if (type == FH_FSM_EPOCH_DONE) {
        input.u.epoch_done.epoch = number;
    } else if (type == FH_FSM_APPLIED) {
        input.u.applied.store_id = 50;
        input.u.applied.number = number;
    }
    step(&input);
}

/* What goes out must be what the earlier node reads: its HELLO ignores bytes behind what it knows,
 * nothing else does; neither do flags it does not know make a difference to it. */
static void check_sent(struct fh_wire_message *message)
{
    unsigned char bytes[FH_WIRE_SMALL_MAX];
    message->version = fh_fsm_version(&fsm);
    message->instance = 400;
    message->sequence = 1;
    int len = fh_wire_encode(message, bytes, sizeof(bytes));
    assert_true(len > 0);
    if (message->type == FH_WIRE_HELLO) {
        seen.hellos++;
        assert_int_equal(len, OLD_BEAT + 32 + NEW_STATE_2); /* 32: the rest of a HELLO */
        return;
    }
    assert_int_equal(bytes[4], version);
    if (message->type == FH_WIRE_HEARTBEAT) {
        seen.beats++;
        assert_int_equal(len, OLD_BEAT + (version >= 2 ? NEW_STATE_2 : 0));
    }
    seen.confirms += message->type == FH_WIRE_CONFIRM;
}

static void perform(struct fh_fsm_action *action)
{
    struct fh_wire_message message;
    switch (action->type) {
    case FH_FSM_PERSIST_EPOCH:
        answer(FH_FSM_EPOCH_DONE, action->number);
        break;
    case FH_FSM_SETTLE_IN_DOUBT:
        answer(FH_FSM_SETTLED, 0);
        break;
    case FH_FSM_PEER_REPORT:
        seen.reports_taken++;
        applied = action->number;
        answer(FH_FSM_APPLIED, action->number);
        break;
    case FH_FSM_START_DELIVERY:
        seen.delivering = true;
        break;
    case FH_FSM_PEER_IN_SYNC:
        seen.in_sync = action->flag;
        break;
    case FH_FSM_PUBLISH_UNTIL:
        seen.until = action->u.until;
        break;
    case FH_FSM_SEND_STATE:
        fh_fsm_fill_state(&fsm, now(), action->flag, &message);
        check_sent(&message);
        break;
    case FH_FSM_SEND:
        check_sent(&action->u.message);
        break;
    case FH_FSM_SEND_DATAGRAM:
        seen.datagrams++;
        break;
    default:
        break;
    }
}

static struct fh_fsm_actions spare[8];
static size_t depth;

static void step(const struct fh_fsm_input *input)
{
    assert_true(depth < 8);
    struct fh_fsm_actions *actions = &spare[depth++];
    fh_fsm_step(&fsm, now(), input, actions);
    for (size_t i = 0; i < actions->count; i++) {
        perform(&actions->action[i]);
    }
    depth--;
    seen.ready_ever |= fsm.ready;
}

static void push_local(void)
{
    struct fh_sync_local local = {.streams_live = true,
                                  .sinks_healthy = true,
                                  .own_report_last = own_reports,
                                  .peer_report_applied = applied,
                                  .peer_report_store = 50};
    for (int i = 0; i < FH_PARTITIONS; i++) {
        local.received.partition_ms[i] = 1700000000000 + now_ms;
        local.covered_from.partition_ms[i] = 1699999990000;
    }
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    step(&input);
}

static void play(bool preferred, int64_t until_ms)
{
    struct fh_fsm_options options = {.node = "a",
                                     .instance = 400,
                                     .store_id = 40,
                                     .replica_id = 1,
                                     .partitions = 0xfff,
                                     .preferred = preferred,
                                     .heartbeat_ms = 300,
                                     .failure_after = 5,
                                     .join_timeout_ms = 5000,
                                     .path_count = 1,
                                     .datagrams = true};
    memset(&seen, 0, sizeof(seen));
    applied = own_reports = 0;
    now_ms = 0;
    fh_fsm_init(&fsm, now(), &options);
    push_local();
    struct fh_fsm_input path = {.type = FH_FSM_PATH, .u.path = {0, FH_PATH_CONNECTED}};
    step(&path);
    struct fh_fsm_input inbound = {.type = FH_FSM_INBOUND, .u.inbound = 1};
    step(&inbound);
    struct fh_fsm_input tick = {.type = FH_FSM_TICK};
    size_t next = 0;
    for (; now_ms < until_ms; now_ms++) {
        while (next < frames && frame[next].at <= now_ms) {
            struct fh_wire_message message;
            assert_int_equal(fh_wire_decode(frame[next].bytes, frame[next].len, &message), 0);
            struct fh_fsm_input input = {.type = FH_FSM_MESSAGE, .u.message = &message};
            step(&input);
            next++;
        }
        if (now_ms % 50 == 0) {
            step(&tick);
            push_local();
        }
        if (seen.delivering && now_ms % 400 == 399) {
            struct fh_fsm_input report = {.type = FH_FSM_OWN_REPORT,
                                          .u.own_report = {++own_reports, 64}};
            step(&report);
        }
    }
}

static void an_old_primary_is_followed_and_replaced(void **state)
{
    read_recording(*(const unsigned *)*state, "primary");
    play(false, 2590);
    assert_int_equal(fsm.role, FH_ROLE_STANDBY);
    assert_string_equal(fsm.peer.refused, "");
    assert_int_equal(fh_fsm_version(&fsm), version);
    assert_true(seen.ready_ever);
    assert_int_equal(seen.reports_taken, 6);
    assert_int_equal(seen.confirms, 6);
    assert_true(seen.beats >= 8);
    assert_int_equal(seen.datagrams, 0); /* it has not said that it takes any */
    play(false, 2800);                   /* it says goodbye at 2602 */
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
}

static void an_old_standby_keeps_the_pair_protected(void **state)
{
    read_recording(*(const unsigned *)*state, "standby");
    play(true, 2900);
    assert_int_equal(fsm.role, FH_ROLE_PRIMARY);
    assert_true(seen.in_sync);
    assert_true(fh_fsm_protected(&fsm));
    assert_int_equal(seen.datagrams, 0);
    /* Version 1 makes no promises: the fence is moved on as long as this node's loop turns. */
    assert_true(fh_time_diff_ms(seen.until, now()) > 500);
    assert_false(fh_fsm_fenced(&fsm, now()));
    assert_int_equal(fsm.fence.promised_epoch, version >= 2 ? fsm.epoch : 0);
}

static void the_newest_is_spoken_until_the_peer_is_known(void **state)
{
    (void)state;
    struct fh_fsm_options options = {.node = "a", .heartbeat_ms = 300, .failure_after = 5};
    fh_fsm_init(&fsm, now(), &options);
    assert_int_equal(fh_fsm_version(&fsm), FH_WIRE_VERSION_MAX);
}

int main(void)
{
    static unsigned versions[] = {1, 2};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(an_old_primary_is_followed_and_replaced, &versions[0]),
        cmocka_unit_test_prestate(an_old_standby_keeps_the_pair_protected, &versions[0]),
        cmocka_unit_test_prestate(an_old_primary_is_followed_and_replaced, &versions[1]),
        cmocka_unit_test_prestate(an_old_standby_keeps_the_pair_protected, &versions[1]),
        cmocka_unit_test(the_newest_is_spoken_until_the_peer_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
