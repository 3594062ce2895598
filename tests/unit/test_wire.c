/* test_wire.c: every message survives the wire; every cut, every stray byte is refused. */
#include "wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

static struct fh_wire_state full_state(void)
{
    struct fh_wire_state state = {
        .role = FH_ROLE_PRIMARY,
        .epoch = 0x0102030405060708,
        .last_primary = true,
        .streams_live = true,
        .applied_final = true,
        .heard_paths = 3,
        .echo = 99,
        .report_last = 1000,
        .report_applied = 900,
        .report_store = 0xfeedface,
        .maintenance = true,
        .dedup_key = FH_KEY_PAYLOAD + 1,
        .yield_automatic = true,
        .yield_epoch = 7,
        .beat = 1234567890123,
        .beat_heard = 55,
        .promise_epoch = 8,
        .promise_ms = 1500,
        .datagrams = true,
        .datagram_paths = 0x85,
    };
    for (int i = 0; i < FH_REPLICA_MINUTES; i++) {
        state.minutes.minute[i].minute = 29000000 + i;
        state.minutes.minute[i].count = 60000;
        for (uint32_t j = 0; j < FH_REPLICA_BUCKETS; j++) {
            state.minutes.minute[i].digest[j] = 0xfffffff0u + j;
        }
    }
    for (int i = 0; i < FH_PARTITIONS; i++) {
        state.received.partition_ms[i] = 1700000000000 + i;
        state.delivered.partition_ms[i] = 1600000000000 + i;
        state.covered_from.partition_ms[i] = i;
    }
    return state;
}

static struct fh_wire_message message_of(enum fh_wire_type type)
{
    struct fh_wire_message message;
    memset(&message, 0, sizeof(message));
    message.version = FH_WIRE_VERSION_MAX;
    message.type = type;
    message.path = 1;
    message.instance = 0xabcdef;
    message.sequence = 42;
    switch (type) {
    case FH_WIRE_HELLO:
        message.u.hello.version_min = 1;
        message.u.hello.version_max = FH_WIRE_VERSION_MAX;
        strcpy(message.u.hello.node, "node-a");
        message.u.hello.store_id = 5;
        message.u.hello.replica_id = 2;
        message.u.hello.preferred = true;
        message.u.hello.partitions = 0xfff;
        message.u.hello.complete = true;
        message.u.hello.state = full_state();
        break;
    case FH_WIRE_HEARTBEAT:
        message.u.heartbeat = full_state();
        break;
    case FH_WIRE_REPORT:
        message.u.report.previous = 6;
        message.u.report.number = 9;
        message.u.report.bytes = (struct fh_slice){"report bytes", 12};
        break;
    case FH_WIRE_CONFIRM:
        message.u.confirm.store_id = 5;
        message.u.confirm.number = 9;
        break;
    case FH_WIRE_WANT:
        message.u.want.store_id = 5;
        message.u.want.from = 3;
        message.u.want.min_timestamp_ms = -1;
        break;
    case FH_WIRE_ANSWERED:
        message.u.answered.previous = 3;
        message.u.answered.through = 3;
        break;
    case FH_WIRE_SAMPLE:
        message.u.sample.number = 820000000;
        message.u.sample.count = FH_REPLICA_SAMPLES;
        for (uint32_t i = 0; i < FH_REPLICA_SAMPLES; i++) {
            message.u.sample.sample[i] =
                (struct fh_replica_sample){i, 0xfffffff0u + i, 0xeeeeeee0u + i, 2047 - i};
        }
        break;
    case FH_WIRE_ECHO:
        message.u.echo.token = UINT64_MAX - 1;
        message.u.echo.path = 3;
        message.u.echo.answer = true;
        break;
    case FH_WIRE_OFFER:
        message.u.offer = (struct fh_slice){"{}\n[1]\n", 7};
        break;
    case FH_WIRE_GOODBYE:
        break;
    }
    return message;
}

static void every_message_survives(void **state)
{
    (void)state;
    for (int type = FH_WIRE_HELLO; type <= FH_WIRE_OFFER; type++) {
        struct fh_wire_message message = message_of((enum fh_wire_type)type);
        unsigned char bytes[FH_WIRE_SMALL_MAX];
        int len = fh_wire_encode(&message, bytes, sizeof(bytes));
        assert_int_equal(len, (int)fh_wire_size(&message));
        struct fh_wire_message back;
        assert_int_equal(fh_wire_decode(bytes, (size_t)len, &back), 0);
        if (type == FH_WIRE_REPORT) {
            assert_int_equal(back.u.report.bytes.len, 12);
            assert_memory_equal(back.u.report.bytes.data, "report bytes", 12);
            back.u.report.bytes = message.u.report.bytes;
        }
        if (type == FH_WIRE_OFFER) {
            assert_int_equal(back.u.offer.len, 7);
            assert_memory_equal(back.u.offer.data, "{}\n[1]\n", 7);
        }
        unsigned char again[FH_WIRE_SMALL_MAX];
        assert_int_equal(fh_wire_encode(&back, again, sizeof(again)), len);
        assert_memory_equal(bytes, again, (size_t)len);
        assert_int_equal(fh_wire_encode(&message, bytes, (size_t)len - 1), -ENOBUFS);
    }
}

static void longest_hello_fits(void **state)
{
    (void)state;
    struct fh_wire_message message = message_of(FH_WIRE_HELLO);
    memset(message.u.hello.node, 'n', sizeof(message.u.hello.node) - 1);
    assert_in_range(fh_wire_size(&message), 1, FH_WIRE_SMALL_MAX);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    for (int type = FH_WIRE_HELLO; type <= FH_WIRE_OFFER; type++) {
        struct fh_wire_message message = message_of((enum fh_wire_type)type);
        unsigned char bytes[FH_WIRE_SMALL_MAX + 1];
        int len = fh_wire_encode(&message, bytes, sizeof(bytes) - 1);
        bytes[len] = 0;
        int shortest = type == FH_WIRE_REPORT ? 41 : len; /* a report's bytes check themselves */
        struct fh_wire_message back;
        for (int cut = 0; cut < shortest; cut++) {
            if (type == FH_WIRE_OFFER && cut == len - 4) {
                continue; /* one line less is an offer, too */
            }
            unsigned char *exact = malloc((size_t)cut + 1); /* so that a sanitizer sees */
            memcpy(exact, bytes, (size_t)cut);
            assert_int_equal(fh_wire_decode(exact, (size_t)cut, &back), -EBADMSG);
            free(exact);
        }
        if (type != FH_WIRE_REPORT) {
            assert_int_equal(fh_wire_decode(bytes, (size_t)len + 1, &back), -EBADMSG);
        }
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum fh_wire_type type;
        int at;
        unsigned char value;
        int result;
    } rows[] = {
        {FH_WIRE_GOODBYE, 0, 'X', -EBADMSG},         /* magic */
        {FH_WIRE_GOODBYE, 4, 0, -EPROTONOSUPPORT},   /* version */
        {FH_WIRE_GOODBYE, 4, 200, -EPROTONOSUPPORT}, /* version */
        {FH_WIRE_GOODBYE, 5, 0, -EBADMSG},           /* type */
        {FH_WIRE_GOODBYE, 5, 77, -EBADMSG},          /* type */
        {FH_WIRE_HEARTBEAT, 24, 5, -EBADMSG},        /* role */
        {FH_WIRE_HEARTBEAT, 32, 0xff, -EBADMSG},     /* epoch without a next one */
        {FH_WIRE_HELLO, 34, 0xff, -EBADMSG},
        {FH_WIRE_HELLO, 24, 0, -EBADMSG},    /* lowest version 0 */
        {FH_WIRE_HELLO, 24, 9, -EBADMSG},    /* lowest above highest */
        {FH_WIRE_HELLO, 26, 200, -EBADMSG},  /* role */
        {FH_WIRE_HELLO, 35, 0, -EBADMSG},    /* name empty */
        {FH_WIRE_HELLO, 35, 32, -EBADMSG},   /* name too long */
        {FH_WIRE_HELLO, 36, '\n', -EBADMSG}, /* name with a newline */
        {FH_WIRE_HELLO, 4, 200, 0},          /* a HELLO says its version itself */
        {FH_WIRE_REPORT, 32, 6, -EBADMSG},   /* number not above previous */
        {FH_WIRE_WANT, 32, 0, -EBADMSG},     /* from number 0 */
        {FH_WIRE_ANSWERED, 32, 2, -EBADMSG}, /* through below previous */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fh_wire_message message = message_of(rows[i].type);
        unsigned char bytes[FH_WIRE_SMALL_MAX];
        int len = fh_wire_encode(&message, bytes, sizeof(bytes));
        bytes[rows[i].at] = rows[i].value;
        struct fh_wire_message back;
        if (fh_wire_decode(bytes, (size_t)len, &back) != rows[i].result) {
            fail_msg("row %zu", i);
        }
    }
}

static void instance_zero_is_nobody(void **state)
{
    (void)state;
    struct fh_wire_message message = message_of(FH_WIRE_GOODBYE);
    message.instance = 0;
    unsigned char bytes[FH_WIRE_SMALL_MAX];
    int len = fh_wire_encode(&message, bytes, sizeof(bytes));
    assert_int_equal(fh_wire_decode(bytes, (size_t)len, &message), -EBADMSG);
}

/* A node of a version to come: both still learn who the other is and what role it has. */
static void hello_of_another_version_tells_the_essentials(void **state)
{
    (void)state;
    struct fh_wire_message message = message_of(FH_WIRE_HELLO);
    message.version = 7;
    message.u.hello.version_min = 6;
    message.u.hello.version_max = 7;
    unsigned char bytes[FH_WIRE_SMALL_MAX + 16];
    int len = fh_wire_encode(&message, bytes, sizeof(bytes));
    struct fh_wire_message back;
    assert_int_equal(fh_wire_decode(bytes, (size_t)len + 10, &back), 0);
    assert_false(back.u.hello.complete);
    assert_int_equal(back.u.hello.version_min, 6);
    assert_string_equal(back.u.hello.node, "node-a");
    assert_int_equal(back.u.hello.state.role, FH_ROLE_PRIMARY);
    assert_int_equal(back.u.hello.state.epoch, 0x0102030405060708);
}

static void hello_of_an_overlapping_version_may_be_longer(void **state)
{
    (void)state;
    struct fh_wire_message message = message_of(FH_WIRE_HELLO);
    message.u.hello.version_max = 9;
    unsigned char bytes[FH_WIRE_SMALL_MAX + 16];
    int len = fh_wire_encode(&message, bytes, sizeof(bytes));
    struct fh_wire_message back;
    assert_int_equal(fh_wire_decode(bytes, (size_t)len + 10, &back), 0);
    assert_true(back.u.hello.complete);
    assert_int_equal(back.u.hello.state.report_last, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_survives),
        cmocka_unit_test(longest_hello_fits),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(instance_zero_is_nobody),
        cmocka_unit_test(hello_of_another_version_tells_the_essentials),
        cmocka_unit_test(hello_of_an_overlapping_version_may_be_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
