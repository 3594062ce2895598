/* test_ctl_past.c: times as people write them, the choice of events, the table, the counts. */
#include "pick.h"
#include "render_tally.h"
#include "tally.h"
#include "when.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

/* Monday 23 November 2026, 12:30:15.250 in Berlin (UTC+1). */
#define NOW INT64_C(1795433415250)

static int use_berlin(void **state)
{
    (void)state;
    return setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) < 0 ? -1 : (tzset(), 0);
}

static void expect_time(const char *text, int64_t wanted)
{
    struct fh_error err = {""};
    int64_t got = 0;
    if (fh_when_parse(text, NOW, &err, &got) != 0) {
        fail_msg("%s", err.text);
    }
    if (got != wanted) {
        fail_msg("%s is %" PRId64 ", not %" PRId64, text, got, wanted);
    }
}

static void times(void **state)
{
    (void)state;
    const int64_t midnight = INT64_C(1795388400000); /* of that day, in Berlin */
    expect_time("now", NOW);
    expect_time("90s", NOW - 90000);
    expect_time("15m", NOW - 15 * 60000);
    expect_time("2h", NOW - 2 * 3600000);
    expect_time("3d", NOW - INT64_C(3) * 86400000);
    expect_time("1700000000123", INT64_C(1700000000123));
    expect_time("2023-11-14T22:13:20Z", INT64_C(1700000000000));
    expect_time("2023-11-14T22:13:20.123456Z", INT64_C(1700000000123));
    expect_time("2023-11-15T00:13:20+02:00", INT64_C(1700000000000));
    expect_time("2023-11-14T16:43:20-05:30", INT64_C(1700000000000));
    expect_time("2023-11-14t22:13z", INT64_C(1700000000000) - 20000);
    expect_time("2023-11-14 23:13:20", INT64_C(1700000000000));
    expect_time("2023-07-01 02:00", INT64_C(1688169600000)); /* summer time */
    expect_time("2026-11-23", midnight);
    expect_time("today", midnight);
    expect_time("today 14:00", midnight + 14 * 3600000);
    expect_time("14:00:30.5", midnight + 14 * 3600000 + 30500);
    expect_time("yesterday", midnight - 86400000);
    expect_time("yesterday 14:00", midnight - 10 * 3600000);
}

static void no_times(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        " ",
                                        "tomorrow",
                                        "2h ago",
                                        "-2h",
                                        "2 h",
                                        "2w",
                                        "1700000000", /* seconds: a slip of a factor of 1000 */
                                        "99999999999999999999",
                                        "2026-13-01",
                                        "2026-02-31",
                                        "2026-11-23T",
                                        "2026-11-23T25:00:00Z",
                                        "2026-11-23T10:00:00+2",
                                        "2026-11-23T10:00:00Zx",
                                        "2026-11-23T10:00:00.Z",
                                        "10",
                                        "10:61",
                                        "24:00",
                                        "today14:00",
                                        "yesterday 14:00Z",
                                        "9999999999h"};
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        struct fh_error err = {""};
        int64_t got = 42;
        if (fh_when_parse(wrong[i], NOW, &err, &got) != -EINVAL || got != 42) {
            fail_msg("\"%s\" was taken for a time: %" PRId64, wrong[i], got);
        }
        assert_non_null(strstr(err.text, "is no time; write "));
    }
    /* Behind the day on which the clocks go forward at two. */
    struct fh_error err = {""};
    int64_t got = 0;
    assert_int_equal(fh_when_parse("yesterday", INT64_C(1774870200000), &err, &got), 0);
    assert_int_equal(got, INT64_C(1774738800000)); /* 29 March 2026, 00:00 CET */
    char text[FH_WHEN_SIZE];
    fh_when_print(NOW, text);
    assert_string_equal(text, "2026-11-23 12:30:15.250");
}

/* In Berlin 2026: 25 October has 02:30 twice, 29 March not at all. Whatever was asked before. */
static void times_when_the_clocks_change(void **state)
{
    (void)state;
    static const char *const before[] = {"2026-07-01", "2026-12-01", "2026-10-25 02:30", "now"};
    for (size_t i = 0; i < FH_ARRAY_LEN(before); i++) {
        struct fh_error err = {""};
        int64_t unused = 0;
        assert_int_equal(fh_when_parse(before[i], NOW, &err, &unused), 0);
        expect_time("2026-10-25 02:30", INT64_C(1792888200000)); /* CEST, the first of both */
        expect_time("2026-10-25T02:30:00+01:00", INT64_C(1792891800000));
        expect_time("2026-10-25 03:00", INT64_C(1792893600000));
        expect_time("2026-10-25 01:59:59", INT64_C(1792886399000));
        expect_time("2026-03-29 02:30", INT64_C(1774747800000)); /* 03:30 CEST */
        expect_time("2026-03-29 03:00", INT64_C(1774746000000));
        expect_time("2026-03-29 01:59:59", INT64_C(1774745999000));
    }
    int64_t got = 0;
    struct fh_error err = {""};
    const int64_t march = INT64_C(1772319600000); /* 1 March 2026 */
    assert_int_equal(fh_when_parse("yesterday 12:00", march, &err, &got), 0);
    assert_int_equal(got, march - INT64_C(12) * 3600000);
    /* In Havana, where the day begins at one then. */
    assert_int_equal(setenv("TZ", "CST5CDT,M3.2.0/0,M11.1.0/1", 1), 0);
    tzset();
    expect_time("2026-03-08", INT64_C(1772946000000));
    expect_time("2026-03-07", INT64_C(1772859600000));
    assert_int_equal(use_berlin(NULL), 0);
}

static struct fh_slice slice(const char *text)
{
    return (struct fh_slice){text, strlen(text)};
}

static struct fh_record_facts facts_of(const char *type, const char *device, int64_t stamp)
{
    struct fh_record_facts facts = {.uid = slice("event-1"),
                                    .type = slice(type),
                                    .tenant = slice("acme"),
                                    .device = slice(device),
                                    .timestamp_ms = stamp,
                                    .location_count = 2};
    facts.location[0] = slice("floor-1");
    facts.location[1] = slice("campus");
    return facts;
}

static void choice(void **state)
{
    (void)state;
    struct fh_pick pick = {0};
    struct fh_error err = {""};
    struct fh_record_facts facts = facts_of("B", "device-7", 0);
    assert_false(fh_pick_needs_facts(&pick));
    assert_true(fh_pick_wants(&pick, &facts));
    assert_int_equal(fh_pick_types(&pick, "A,NEVER_HEARD_OF,B", &err), 0);
    assert_int_equal(pick.type_count, 3);
    assert_true(fh_pick_wants(&pick, &facts));
    assert_int_equal(fh_pick_types(&pick, "A,BB", &err), 0);
    assert_false(fh_pick_wants(&pick, &facts));
    assert_int_equal(fh_pick_types(&pick, "A,,B", &err), -EINVAL);
    assert_int_equal(fh_pick_types(&pick, "", &err), -EINVAL);
    assert_int_equal(fh_pick_types(&pick, "B", &err), 0);
    pick.device = slice("device-7");
    pick.location = slice("campus");
    assert_true(fh_pick_wants(&pick, &facts));
    pick.location = slice("floor-2");
    assert_false(fh_pick_wants(&pick, &facts));
    pick.location = slice("floor-1");
    pick.device = slice("device-");
    assert_false(fh_pick_wants(&pick, &facts));
}

static void looks(void **state)
{
    (void)state;
    static const char record[] =
        "{\"recordUid\":\"event-1\",\"recordTimestamp\":1700000000123,\"spacesTenantId\":\"acme\","
        "\"eventType\":\"DEVICE_ENTRY\",\"deviceEntry\":{\"device\":{\"deviceId\":\"device-7\"},"
        "\"location\":{\"locationId\":\"zone\",\"parent\":{\"locationId\":\"floor\"}}}}";
    struct fh_pick pick = {0};
    struct fh_look look;
    struct fh_error err = {""};
    assert_true(fh_pick_look(&pick, slice(record), false, &look));
    assert_int_equal(look.facts.timestamp_ms, INT64_C(1700000000123));
    assert_int_equal(look.facts.tenant.len, 4);
    assert_int_equal(look.facts.location_count, 0); /* nobody asked */
    assert_true(fh_pick_look(&pick, slice(record), true, &look));
    assert_int_equal(look.facts.location_count, 2);
    pick.location = slice("floor");
    assert_true(fh_pick_look(&pick, slice(record), false, &look));
    pick.device = slice("device-8");
    assert_false(fh_pick_look(&pick, slice(record), false, &look));
    pick.device = slice("device-7");
    assert_int_equal(fh_pick_types(&pick, "DEVICE_EXIT", &err), 0);
    assert_false(fh_pick_look(&pick, slice(record), true, &look));
    assert_false(fh_pick_look(&pick, slice("not JSON"), false, &look));
}

static size_t characters(const char *line)
{
    size_t count = 0;
    for (; *line && *line != '\n'; line++) {
        count += ((unsigned char)*line & 0xc0) != 0x80;
    }
    return count;
}

static void table_fits(void **state)
{
    (void)state;
    static const size_t widths[] = {60, 80, 100, 120, 200};
    struct fh_record_facts facts = facts_of(
        "A_TYPE_WITH_A_NAME_THAT_NO_COLUMN_WILL_EVER_HOLD_WHOLE_AS_LONG_AS_IT_IS",
        "device-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-01234",
        NOW);
    facts.location[0] = facts.device;
    for (size_t i = 0; i < FH_ARRAY_LEN(widths); i++) {
        struct fh_row_plan plan;
        struct fh_buf line;
        fh_buf_init(&line, 65536);
        fh_row_plan(widths[i], &plan);
        assert_int_equal(fh_row_print(&plan, &facts, &line), 0);
        assert_int_equal(characters(fh_buf_string(&line)), widths[i]);
        fh_buf_clear(&line);
        assert_int_equal(fh_row_heading(&plan, &line), 0);
        assert_true(characters(fh_buf_string(&line)) <= widths[i]);
        fh_buf_done(&line);
    }
}

static void table_is_harmless(void **state)
{
    (void)state;
    struct fh_row_plan plan;
    struct fh_buf line;
    struct fh_record_facts facts = facts_of("T\x1b[2J\xc2\x9bX", "jane@example.com", NOW);
    fh_buf_init(&line, 65536);
    fh_row_plan(0, &plan);
    assert_int_equal(fh_row_print(&plan, &facts, &line), 0);
    const char *text = fh_buf_string(&line);
    assert_non_null(strstr(text, "2026-11-23 12:30:15.250  T?[2J?X "));
    assert_null(strstr(text, "jane"));
    assert_non_null(strstr(text, "(hidden)"));
    assert_non_null(strstr(text, "floor-1\n"));
    fh_buf_done(&line);
}

static void counts(void **state)
{
    (void)state;
    struct fh_tally *tally = fh_tally_new(FH_TALLY_TYPE);
    struct fh_tally_sum sum;
    struct fh_buf text;
    size_t count = 0;
    static const char *const types[] = {"A", "B", "B", "C,\"D\"", "B", "A"};
    for (size_t i = 0; i < FH_ARRAY_LEN(types); i++) {
        struct fh_record_facts facts = facts_of(types[i], "d", NOW + (int64_t)i);
        assert_int_equal(fh_tally_add(tally, &facts), 0);
    }
    fh_tally_sum(tally, &sum);
    assert_int_equal(sum.events, 6);
    assert_int_equal(sum.names, 3);
    assert_int_equal(sum.oldest_ms, NOW);
    assert_int_equal(sum.newest_ms, NOW + 5);
    const struct fh_tally_row *row = fh_tally_rows(tally, &count);
    assert_int_equal(count, 3);
    assert_string_equal(row[0].name, "B");
    assert_int_equal(row[0].events, 3);
    fh_buf_init(&text, 65536);
    assert_int_equal(fh_tally_csv(tally, FH_TALLY_TYPE, 0, &text), 0);
    assert_string_equal(fh_buf_string(&text), "type,events\r\nB,3\r\nA,2\r\n\"C,\"\"D\"\"\",1\r\n");
    fh_buf_clear(&text);
    assert_int_equal(fh_tally_csv(tally, FH_TALLY_TYPE, 1, &text), 0);
    assert_string_equal(fh_buf_string(&text), "type,events\r\nB,3\r\nother,3\r\n");
    fh_buf_clear(&text);
    assert_int_equal(fh_tally_table(tally, FH_TALLY_TYPE, 1, 80, &text), 0);
    assert_non_null(strstr(fh_buf_string(&text), "B                    3   50.0 %"));
    assert_non_null(strstr(fh_buf_string(&text), "other                3   50.0 %"));
    fh_buf_clear(&text);
    assert_int_equal(fh_tally_json(tally, FH_TALLY_TYPE, 1, &text), 0);
    assert_non_null(strstr(fh_buf_string(&text), "\"other\""));
    fh_buf_done(&text);
    fh_tally_free(tally);
}

static void hours(void **state)
{
    (void)state;
    struct fh_tally *tally = fh_tally_new(FH_TALLY_HOUR);
    size_t count = 0;
    static const int64_t stamps[] = {7200000, 3599999, 0, -1, 3600000, 1};
    for (size_t i = 0; i < FH_ARRAY_LEN(stamps); i++) {
        struct fh_record_facts facts = facts_of("A", "d", stamps[i]);
        assert_int_equal(fh_tally_add(tally, &facts), 0);
    }
    const struct fh_tally_row *row = fh_tally_rows(tally, &count);
    assert_int_equal(count, 4);
    assert_int_equal(row[0].hour_ms, -3600000);
    assert_int_equal(row[1].hour_ms, 0);
    assert_int_equal(row[1].events, 3);
    assert_int_equal(row[3].hour_ms, 7200000);
    fh_tally_free(tally);
}

/* However many names come, the memory has an end and no event is lost from the sum. */
static void too_many_names(void **state)
{
    (void)state;
    struct fh_tally *tally = fh_tally_new(FH_TALLY_LOCATION);
    struct fh_tally_sum sum;
    for (unsigned i = 0; i < FH_TALLY_NAMES + 500; i++) {
        char name[32];
        snprintf(name, sizeof(name), "zone-%u", i);
        struct fh_record_facts facts = facts_of("A", "d", NOW);
        facts.location[0] = slice(name);
        assert_int_equal(fh_tally_add(tally, &facts), 0);
        assert_int_equal(fh_tally_add(tally, &facts), 0);
    }
    fh_tally_sum(tally, &sum);
    assert_int_equal(sum.events, 2 * (FH_TALLY_NAMES + 500));
    assert_int_equal(sum.names, FH_TALLY_NAMES);
    assert_int_equal(sum.uncounted, 1000);
    struct fh_buf text;
    fh_buf_init(&text, 65536);
    assert_int_equal(fh_tally_csv(tally, FH_TALLY_LOCATION, 2, &text), 0);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "other,%u\r\n", 2 * (FH_TALLY_NAMES + 500) - 4);
    assert_non_null(strstr(fh_buf_string(&text), wanted));
    fh_buf_done(&text);
    fh_tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(no_times),
        cmocka_unit_test(times_when_the_clocks_change),
        cmocka_unit_test(choice),
        cmocka_unit_test(looks),
        cmocka_unit_test(table_fits),
        cmocka_unit_test(table_is_harmless),
        cmocka_unit_test(counts),
        cmocka_unit_test(hours),
        cmocka_unit_test(too_many_names),
    };
    return cmocka_run_group_tests(tests, use_berlin, NULL);
}
