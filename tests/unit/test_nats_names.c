/* test_nats_names.c: the pure parts of the NATS sink: subjects, message ids, positions, headers,
 * and which records may be on their way together. */
#include "nats_name.h"
#include "nats_order.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void assert_filter(const char *topic, const char *expected)
{
    char filter[FH_NATS_SUBJECT_SIZE];
    struct fh_error err = {""};
    int r = fh_nats_subject_filter(topic, filter, sizeof(filter), &err);
    if (!expected) {
        assert_int_equal(r, -EINVAL);
        assert_true(err.text[0] != '\0');
        return;
    }
    assert_int_equal(r, 0);
    assert_string_equal(filter, expected);
}

static void test_filters_of_patterns(void **state)
{
    (void)state;
    assert_filter(FH_NATS_TOPIC, "firehose.*.*");
    assert_filter("all", "all");
    assert_filter("{type}", "*");
    assert_filter("a.t-{tenant}.b.{type}x", "a.*.b.*");
    assert_filter("", NULL);
    assert_filter("a..b", NULL);
    assert_filter(".a", NULL);
    assert_filter("a.", NULL);
    assert_filter("a.*.b", NULL);
    assert_filter("a.>", NULL);
    assert_filter("a b", NULL);
    assert_filter("$JS.API.{type}", NULL);
    char narrow[8];
    assert_int_equal(fh_nats_subject_filter("firehose.x", narrow, sizeof(narrow), NULL), -EINVAL);
}

static void test_subjects_cover(void **state)
{
    (void)state;
    static const struct {
        const char *wide, *narrow;
        bool covers;
    } cases[] = {
        {"a.b", "a.b", true},      {"a.b", "a.c", false},   {"a.*", "a.b", true},
        {"a.*", "a.*", true},      {"a.b", "a.*", false},   {">", "a.*.b", true},
        {"a.>", "a.*.*", true},    {"a.>", "a", false},     {"a.*", "a.*.*", false},
        {"a.*.*", "a.*", false},   {"*.*", "a.b", true},    {"a.*", "a.>", false},
        {"a.>", "a.>", true},      {"b.>", "a.>", false},   {"ab", "a", false},
        {"a", "ab", false},        {"*", ">", false},       {"*.b.*", "a.b.c", true},
        {"*.b.*", "a.c.c", false}, {"a.b.c", "a.b", false},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        if (fh_nats_subject_covers(cases[i].wide, cases[i].narrow) != cases[i].covers) {
            fail_msg("%s and %s", cases[i].wide, cases[i].narrow);
        }
    }
}

static void test_ids_belong_to_a_sink(void **state)
{
    (void)state;
    char text[FH_NATS_ID_SIZE];
    struct fh_record_key key = {.fingerprint = UINT64_C(0xfedcba9876543210),
                                .timestamp_ms = INT64_C(1700000000123)};
    struct fh_record_key back = {.fingerprint = 0};
    fh_nats_id_print(key, "out", text);
    assert_string_equal(text, "fedcba9876543210-1700000000123:out");
    assert_int_equal(fh_nats_id_parse(text, "out", &back), 0);
    assert_int_equal(back.fingerprint, key.fingerprint);
    assert_int_equal(back.timestamp_ms, key.timestamp_ms);
    assert_int_equal(fh_nats_id_parse(text, "other", &back), -EBADMSG);
    assert_int_equal(fh_nats_id_parse(text, "ou", &back), -EBADMSG);
    assert_int_equal(fh_nats_id_parse("fedcba9876543210-1700000000123", "out", &back), -EBADMSG);
    assert_int_equal(fh_nats_id_parse("somebody else's:out", "out", &back), -EBADMSG);
    assert_int_equal(fh_nats_id_parse("", "out", &back), -EBADMSG);
}

static void test_positions(void **state)
{
    (void)state;
    struct fh_nats_position position = {
        .stream = "FIREHOSE", .created_ns = INT64_C(1700000000123456789), .sequence = 42};
    struct fh_nats_position back = {.sequence = 7};
    char text[FH_SINK_POSITION_MAX];
    fh_nats_position_print(&position, text);
    assert_string_equal(text, "42 1700000000123456789 FIREHOSE");
    assert_int_equal(fh_nats_position_parse(text, &back), 0);
    assert_int_equal(back.sequence, 42);
    assert_int_equal(back.created_ns, position.created_ns);
    assert_string_equal(back.stream, "FIREHOSE");
    static const char *const bad[] = {"",
                                      "42",
                                      "42 1",
                                      "x 1 S",
                                      "42  1 S",
                                      " 42 1 S",
                                      "+42 1 S",
                                      "042 1 S",
                                      "42 1x S",
                                      "-1 1 S",
                                      "99999999999999999999999 1 S"};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        if (fh_nats_position_parse(bad[i], &back) != -EBADMSG) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
    assert_int_equal(back.sequence, 42);
    char longest[FH_SINK_POSITION_MAX];
    snprintf(longest, sizeof(longest), "1 1 %0100d", 0);
    assert_int_equal(fh_nats_position_parse(longest, &back), -EBADMSG);
}

static void test_header_values_stay_in_their_line(void **state)
{
    (void)state;
    char text[16];
    fh_nats_header_value((struct fh_slice){"a\r\nb\0c\x7f", 7}, text, sizeof(text));
    assert_string_equal(text, "a__b_c_");
    fh_nats_header_value((struct fh_slice){"0123456789abcdefghi", 19}, text, sizeof(text));
    assert_string_equal(text, "0123456789abcde");
    fh_nats_header_value((struct fh_slice){"", 0}, text, sizeof(text));
    assert_string_equal(text, "");
}

/* ---- order ---- */

static void add(struct fh_collect *collect, const char *device)
{
    struct fh_slice record = {"{}", 2};
    struct fh_record_key key = {.fingerprint = collect->count + 1, .timestamp_ms = 5};
    struct fh_record_facts facts = {.uid = {"u", 1}, .device = {device, strlen(device)}};
    struct fh_sink_write write = {.record = &record, .key = &key, .facts = &facts, .count = 1};
    assert_int_equal(fh_collect_add(collect, &write, (struct fh_time){0}), 0);
}

static void send_expected(struct fh_nats_order *order, size_t index)
{
    assert_int_equal(fh_nats_order_next(order), index);
    if (index < order->count) {
        fh_nats_order_sent(order);
    }
}

static void test_one_of_a_device_at_a_time(void **state)
{
    (void)state;
    struct fh_collect collect;
    struct fh_nats_order order;
    fh_collect_init(&collect);
    fh_nats_order_init(&order);
    static const char *const devices[] = {"a", "a", "b", "a", "c", "b"};
    for (size_t i = 0; i < FH_ARRAY_LEN(devices); i++) {
        add(&collect, devices[i]);
    }
    assert_int_equal(fh_nats_order_begin(&order, &collect), 0);
    send_expected(&order, 0);
    send_expected(&order, 2);
    send_expected(&order, 4);
    send_expected(&order, 6); /* the rest waits for those */
    fh_nats_order_taken(&order, 2);
    send_expected(&order, 5);
    fh_nats_order_taken(&order, 0);
    send_expected(&order, 1);
    send_expected(&order, 6);

    fh_nats_order_restart(&order); /* 1, 4 and 5 are not known to have arrived */
    send_expected(&order, 1);
    send_expected(&order, 4);
    send_expected(&order, 5);
    send_expected(&order, 6);
    fh_nats_order_taken(&order, 1);
    fh_nats_order_taken(&order, 4);
    send_expected(&order, 3);
    fh_nats_order_taken(&order, 5);
    assert_int_equal(order.taken, 5);
    fh_nats_order_taken(&order, 3);
    assert_int_equal(order.taken, order.count);
    fh_nats_order_restart(&order);
    send_expected(&order, 6);
    fh_nats_order_done(&order);
    fh_collect_done(&collect);
}

/* Whatever is answered when: no record goes out before the one before it of its device is taken. */
static void test_order_at_random(void **state)
{
    (void)state;
    unsigned seed = 20240607;
    print_message("seed %u\n", seed);
    struct fh_nats_order order;
    fh_nats_order_init(&order);
    for (int round = 0; round < 200; round++) {
        struct fh_collect collect;
        int last[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
        int device[300];
        fh_collect_init(&collect);
        int count = 1 + rand_r(&seed) % 300;
        int devices = 1 + rand_r(&seed) % 8;
        for (int i = 0; i < count; i++) {
            char name[2] = {(char)('a' + (device[i] = rand_r(&seed) % devices)), '\0'};
            add(&collect, name);
        }
        assert_int_equal(fh_nats_order_begin(&order, &collect), 0);
        while (order.taken < order.count) {
            size_t next = fh_nats_order_next(&order);
            if (next < order.count && rand_r(&seed) % 2 == 0) {
                fh_nats_order_sent(&order);
            }
            size_t some = (size_t)rand_r(&seed) % order.count;
            if (order.state[some] == FH_NATS_SENT) {
                fh_nats_order_taken(&order, some);
                assert_true((int)some > last[device[some]]);
                last[device[some]] = (int)some;
            }
            if (rand_r(&seed) % 50 == 0) {
                fh_nats_order_restart(&order);
            }
        }
        fh_collect_done(&collect);
    }
    fh_nats_order_done(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_of_patterns),
        cmocka_unit_test(test_subjects_cover),
        cmocka_unit_test(test_ids_belong_to_a_sink),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_header_values_stay_in_their_line),
        cmocka_unit_test(test_one_of_a_device_at_a_time),
        cmocka_unit_test(test_order_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
