/* test_report.c: the byte form of a report; every bound, one byte at a time. */
#include "fh/err.h"
#include "fh/report.h"

#include <errno.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct fh_report sample(const struct fh_record_key *keys, uint32_t count)
{
    struct fh_report report = {
        .number = 0x1122334455667788,
        .epoch = 7,
        .state = FH_REPORT_PREPARED,
        .sink = "archive",
        .position = "archive-20240901T000000Z-7-1.ndjson",
        .cursor_after = UINT64_MAX,
        .count = count,
        .keys = keys,
    };
    return report;
}

static const struct fh_record_key three[] = {{1, 0}, {UINT64_MAX, INT64_MIN}, {42, 1700000000000}};

static void round_trip(void **state)
{
    (void)state;
    struct fh_report report = sample(three, 3);
    unsigned char bytes[256];
    size_t size = fh_report_size(&report);
    assert_int_equal(size, 44 + 7 + 35 + 48);
    fh_report_encode(&report, bytes);
    struct fh_record_key room[3];
    struct fh_report back;
    assert_int_equal(fh_report_decode(bytes, size, room, 3, &back), 0);
    assert_int_equal(back.number, report.number);
    assert_int_equal(back.epoch, 7);
    assert_int_equal(back.state, FH_REPORT_PREPARED);
    assert_string_equal(back.sink, report.sink);
    assert_string_equal(back.position, report.position);
    assert_true(back.cursor_after == UINT64_MAX);
    assert_int_equal(back.count, 3);
    assert_ptr_equal(back.keys, room);
    assert_memory_equal(room, three, sizeof(three));
    assert_int_equal(fh_report_decode(bytes, size, room, 2, &back), -EBADMSG);
    assert_int_equal(fh_report_peek(bytes, size, &back), 0);
    assert_int_equal(back.count, 3);
    assert_null(back.keys);
    assert_int_equal(fh_report_peek(bytes, size - 48, &back), 0); /* the head is enough */
    assert_int_equal(fh_report_peek(bytes, size - 49, &back), -EBADMSG);
}

/* These bytes are on disks and on the link between versions: they may not change. */
static void known_bytes(void **state)
{
    (void)state;
    const struct fh_record_key key = {0x0102030405060708, 0x1112131415161718};
    struct fh_report report = {.number = 3,
                               .epoch = 2,
                               .state = FH_REPORT_VOID,
                               .sink = "s",
                               .position = "p",
                               .cursor_after = 0x0a0b,
                               .count = 1,
                               .keys = &key};
    const unsigned char expected[] = {
        'F',  'H',  'R',  'P',  1,    0,    3,    0,    62,   0,    0,    0,    1,
        0,    0,    0,    3,    0,    0,    0,    0,    0,    0,    0,    2,    0,
        0,    0,    0,    0,    0,    0,    0x0b, 0x0a, 0,    0,    0,    0,    0,
        0,    1,    1,    0,    0,    's',  'p',  0x08, 0x07, 0x06, 0x05, 0x04, 0x03,
        0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
    unsigned char bytes[62];
    assert_int_equal(fh_report_size(&report), sizeof(expected));
    fh_report_encode(&report, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void every_cut_and_every_extra_byte_is_refused(void **state)
{
    (void)state;
    struct fh_report report = sample(three, 3);
    size_t size = fh_report_size(&report);
    unsigned char whole[256] = {0};
    fh_report_encode(&report, whole);
    struct fh_record_key room[8];
    for (size_t len = 0; len < size; len++) {
        unsigned char *cut = malloc(len + 1); /* exact size, so that a sanitizer sees overreads */
        assert_non_null(cut);
        memcpy(cut, whole, len);
        struct fh_report back = {.number = 99};
        assert_int_equal(fh_report_decode(cut, len, room, 8, &back), -EBADMSG);
        assert_int_equal(back.number, 99);
        free(cut);
    }
    struct fh_report back;
    assert_int_equal(fh_report_decode(whole, size + 1, room, 8, &back), -EBADMSG);
    assert_int_equal(fh_report_decode(whole, size + 16, room, 8, &back), -EBADMSG);
}

static void bad_fields_are_refused(void **state)
{
    (void)state;
    const struct {
        size_t offset;
        unsigned char value;
        int result;
    } cases[] = {
        {0, 'X', -EBADMSG},   {4, 2, -EPROTONOSUPPORT}, {5, 1, -EPROTONOSUPPORT},
        {6, 0, -EBADMSG},     {6, 4, -EBADMSG},         {7, 1, -EBADMSG},
        {8, 0, -EBADMSG},     {11, 1, -EBADMSG},        {12, 2, -EBADMSG},
        {15, 0xff, -EBADMSG}, {40, 200, -EBADMSG},      {41, 255, -EBADMSG},
        {42, 1, -EBADMSG},    {43, 1, -EBADMSG},        {44, 0, -EBADMSG},
        {45, '\n', -EBADMSG}, {44 + 7, 0x7f, -EBADMSG},
    };
    struct fh_report report = sample(three, 3);
    size_t size = fh_report_size(&report);
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        unsigned char bytes[256];
        fh_report_encode(&report, bytes);
        bytes[cases[i].offset] = cases[i].value;
        struct fh_record_key room[8];
        struct fh_report back;
        assert_int_equal(fh_report_decode(bytes, size, room, 8, &back), cases[i].result);
    }
}

static void longest_names_and_no_keys(void **state)
{
    (void)state;
    struct fh_report report = sample(NULL, 0);
    memset(report.sink, 's', FH_SINK_NAME_MAX - 1);
    report.sink[FH_SINK_NAME_MAX - 1] = '\0';
    memset(report.position, 'p', FH_SINK_POSITION_MAX - 1);
    report.position[FH_SINK_POSITION_MAX - 1] = '\0';
    unsigned char bytes[512];
    size_t size = fh_report_size(&report);
    fh_report_encode(&report, bytes);
    struct fh_report back;
    assert_int_equal(fh_report_decode(bytes, size, NULL, 0, &back), 0);
    assert_string_equal(back.sink, report.sink);
    assert_string_equal(back.position, report.position);
    /* one byte longer than our field: a name of 32 would need a field of 33 */
    bytes[40] = FH_SINK_NAME_MAX;
    bytes[41] = FH_SINK_POSITION_MAX - 2;
    assert_int_equal(fh_report_decode(bytes, size, NULL, 0, &back), -EBADMSG);
}

static void the_largest_report(void **state)
{
    (void)state;
    struct fh_record_key *keys = calloc(FH_REPORT_KEYS_MAX, sizeof(*keys));
    struct fh_record_key *room = calloc(FH_REPORT_KEYS_MAX, sizeof(*room));
    assert_non_null(keys);
    assert_non_null(room);
    for (uint32_t i = 0; i < FH_REPORT_KEYS_MAX; i++) {
        keys[i] = (struct fh_record_key){i + 1, (int64_t)i * 3};
    }
    struct fh_report report = sample(keys, FH_REPORT_KEYS_MAX);
    size_t size = fh_report_size(&report);
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    fh_report_encode(&report, bytes);
    struct fh_report back;
    assert_int_equal(fh_report_decode(bytes, size, room, FH_REPORT_KEYS_MAX, &back), 0);
    assert_memory_equal(keys, room, FH_REPORT_KEYS_MAX * sizeof(*keys));
    bytes[12]++; /* one key more than allowed */
    assert_int_equal(fh_report_peek(bytes, size, &back), -EBADMSG);
    free(bytes);
    free(room);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(every_cut_and_every_extra_byte_is_refused),
        cmocka_unit_test(bad_fields_are_refused),
        cmocka_unit_test(longest_names_and_no_keys),
        cmocka_unit_test(the_largest_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
