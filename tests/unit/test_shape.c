/* test_shape.c: what a sink gets of a batch of the store: filters, fields, envelope, in portions.
 */
#include "shape.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 3000

static struct fh_slice record[MANY];
static struct fh_record_key key[MANY];
static uint64_t sequence[MANY];
static char bytes[MANY * 512];

#define LINE_A                                                                                     \
    "{\"recordUid\":\"1\",\"recordTimestamp\":1,\"spacesTenantId\":\"t1\",\"eventType\":\"A\","    \
    "\"p\":{\"device\":{\"deviceId\":\"d\",\"email\":\"e\"},\"location\":{\"locationId\":"         \
    "\"floor\","                                                                                   \
    "\"parent\":{\"locationId\":\"house\"}}}}"
#define LINE_B                                                                                     \
    "{\"recordUid\":\"2\",\"recordTimestamp\":2,\"spacesTenantId\":\"t2\",\"eventType\":\"B\"}"
#define LINE_GAP " { \"recordUid\" : \"3\",\"recordTimestamp\":3,\"eventType\":\"FIREHOSED_GAP\"} "
#define LINE_AB                                                                                    \
    "{\"recordUid\":\"4\",\"recordTimestamp\":4,\"spacesTenantId\":\"t1\",\"eventType\":\"AB\","   \
    "\"p\":{\"location\":{\"locationId\":\"house\"}}}"

static const char *const lines[] = {LINE_A, LINE_B, LINE_GAP, LINE_AB};
#define LINES (sizeof(lines) / sizeof(lines[0]))

/* count records, the lines above again and again, in one piece. */
static struct fh_store_batch batch_of(uint32_t count)
{
    char *at = bytes;
    for (uint32_t i = 0; i < count; i++) {
        const char *line = lines[i % LINES];
        record[i] = (struct fh_slice){at, strlen(line)};
        key[i] = (struct fh_record_key){.fingerprint = 1000 + i, .timestamp_ms = i};
        sequence[i] = 50 + i;
        at += sprintf(at, "%s\n", line);
    }
    return (struct fh_store_batch){.count = count,
                                   .record = record,
                                   .key = key,
                                   .sequence = sequence,
                                   .raw = {bytes, (size_t)(at - bytes)}};
}

static struct fh_shape *make(struct fh_config_sink *config, bool wants_facts)
{
    struct fh_shape *shape = NULL;
    struct fh_error err = {""};
    if (fh_shape_new(config, "a", 1, wants_facts, &err, &shape) < 0) {
        fail_msg("%s", err.text);
    }
    return shape;
}

static bool has(struct fh_slice text, const char *part)
{
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void expect_record(const struct fh_sink_write *write, uint32_t i, const char *wanted)
{
    if (write->record[i].len != strlen(wanted) ||
        memcmp(write->record[i].data, wanted, strlen(wanted)) != 0) {
        fail_msg("\"%.*s\" instead of \"%s\"", (int)write->record[i].len, write->record[i].data,
                 wanted);
    }
}

static void nothing_to_do(void **state)
{
    (void)state;
    struct fh_config_sink config = {.name = "s"};
    assert_null(make(&config, false));
    struct fh_store_batch batch = batch_of(MANY);
    struct fh_sink_write write;
    assert_int_equal(fh_shape_apply(NULL, &batch, 7, &write, NULL), MANY);
    assert_ptr_equal(write.record, batch.record);
    assert_ptr_equal(write.key, batch.key);
    assert_ptr_equal(write.sequence, batch.sequence);
    assert_ptr_equal(write.raw.data, batch.raw.data);
    assert_int_equal(write.raw.len, batch.raw.len);
    assert_int_equal(write.count, MANY);
    assert_int_equal(write.epoch, 7);
    assert_null(write.facts);
}

/* Which of the four lines pass, as bits. */
static unsigned passing(struct fh_config_sink *config)
{
    struct fh_shape *shape = make(config, false);
    assert_non_null(shape);
    struct fh_store_batch batch = batch_of(LINES);
    struct fh_sink_write write;
    assert_int_equal(fh_shape_apply(shape, &batch, 1, &write, NULL), LINES);
    unsigned bits = 0;
    for (uint32_t i = 0; i < write.count; i++) {
        uint64_t which = write.sequence[i] - 50;
        assert_int_equal(write.key[i].fingerprint, 1000 + which);
        assert_ptr_equal(write.record[i].data, record[which].data);
        bits |= 1U << which;
    }
    assert_int_equal(write.raw.len, write.count == LINES ? batch.raw.len : 0);
    fh_shape_free(shape);
    return bits;
}

static void filters(void **state)
{
    (void)state;
    struct fh_config_sink types = {.event_types = {"A"}, .event_type_count = 1};
    assert_int_equal(passing(&types), 0x5); /* the gap always passes */
    struct fh_config_sink two = {.event_types = {"AB", "B"}, .event_type_count = 2};
    assert_int_equal(passing(&two), 0xE);
    struct fh_config_sink none = {.event_types = {"NONE"}, .event_type_count = 1};
    assert_int_equal(passing(&none), 0x4);
    struct fh_config_sink tenants = {.tenants = {"t1"}, .tenant_count = 1};
    assert_int_equal(passing(&tenants), 0xD);
    struct fh_config_sink house = {.locations = {"house"}, .location_count = 1};
    assert_int_equal(passing(&house), 0xD);
    struct fh_config_sink floors = {.locations = {"floor", "cellar"}, .location_count = 2};
    assert_int_equal(passing(&floors), 0x5);
    struct fh_config_sink all = {.event_types = {"A", "AB", "B"}, .event_type_count = 3};
    assert_int_equal(passing(&all), 0xF);
    struct fh_config_sink both = {
        .event_types = {"AB"}, .event_type_count = 1, .locations = {"house"}, .location_count = 1};
    assert_int_equal(passing(&both), 0xC);
}

static void fields_and_envelope(void **state)
{
    (void)state;
    struct fh_config_sink config = {
        .name = "s", .drop = {"p.device.email"}, .drop_count = 1, .envelope = true};
    struct fh_shape *shape = make(&config, false);
    struct fh_store_batch batch = batch_of(LINES);
    struct fh_sink_write write;
    assert_int_equal(fh_shape_apply(shape, &batch, 7, &write, NULL), LINES);
    assert_int_equal(write.count, LINES);
    expect_record(&write, 0,
                  "{\"_firehosed\":{\"node\":\"a\",\"replica\":1,\"epoch\":7},\"recordUid\":\"1\","
                  "\"recordTimestamp\":1,\"spacesTenantId\":\"t1\",\"eventType\":\"A\","
                  "\"p\":{\"device\":{\"deviceId\":\"d\"},\"location\":{\"locationId\":\"floor\","
                  "\"parent\":{\"locationId\":\"house\"}}}}");
    expect_record(&write, 2,
                  "{\"_firehosed\":{\"node\":\"a\",\"replica\":1,\"epoch\":7},\"recordUid\":\"3\","
                  "\"recordTimestamp\":3,\"eventType\":\"FIREHOSED_GAP\"}");
    /* in one piece, each with its newline; the keys are those of the store */
    size_t len = 0;
    for (uint32_t i = 0; i < write.count; i++) {
        assert_ptr_equal(write.record[i].data, write.raw.data + len);
        len += write.record[i].len + 1;
        assert_int_equal(write.raw.data[len - 1], '\n');
        assert_int_equal(write.key[i].fingerprint, 1000 + i);
    }
    assert_int_equal(write.raw.len, len);
    /* another epoch */
    assert_int_equal(fh_shape_apply(shape, &batch, 18446744073709551615U, &write, NULL), LINES);
    assert_true(has(write.record[0], "\"epoch\":18446744073709551615},"));
    fh_shape_free(shape);
    /* the envelope alone: the rest as it stands */
    struct fh_config_sink alone = {.envelope = true};
    shape = make(&alone, false);
    assert_int_equal(fh_shape_apply(shape, &batch, 7, &write, NULL), LINES);
    expect_record(&write, 2,
                  "{\"_firehosed\":{\"node\":\"a\",\"replica\":1,\"epoch\":7}, \"recordUid\" : "
                  "\"3\",\"recordTimestamp\":3,\"eventType\":\"FIREHOSED_GAP\"} ");
    fh_shape_free(shape);
}

static void facts_are_of_the_whole_record(void **state)
{
    (void)state;
    struct fh_config_sink config = {
        .include = {"x"}, .include_count = 1, .event_types = {"AB", "A"}, .event_type_count = 2};
    struct fh_shape *shape = make(&config, true);
    struct fh_store_batch batch = batch_of(LINES);
    struct fh_sink_write write;
    assert_int_equal(fh_shape_apply(shape, &batch, 1, &write, NULL), LINES);
    assert_int_equal(write.count, 3);
    assert_int_equal(write.facts[0].device.len, 1);
    assert_int_equal(write.facts[0].location_count, 2);
    assert_memory_equal(write.facts[1].type.data, "FIREHOSED_GAP", 13);
    assert_memory_equal(write.facts[2].uid.data, "4", 1);
    assert_false(has(write.record[0], "device"));
    fh_shape_free(shape);
}

static void portions(void **state)
{
    (void)state;
    struct fh_config_sink config = {.tenants = {"t1", "t2"}, .tenant_count = 2};
    struct fh_shape *shape = make(&config, false);
    struct fh_store_batch whole = batch_of(MANY);
    uint32_t done = 0;
    uint32_t calls = 0;
    size_t raw = 0;
    while (done < MANY) {
        struct fh_store_batch batch = {.count = MANY - done,
                                       .record = record + done,
                                       .key = key + done,
                                       .sequence = sequence + done,
                                       .raw = {record[done].data, whole.raw.len - raw}};
        struct fh_sink_write write;
        int64_t covered = fh_shape_apply(shape, &batch, 1, &write, NULL);
        assert_in_range(covered, 1, FH_SHAPE_RECORDS);
        assert_int_equal(write.count, covered);
        assert_int_equal(write.sequence[0], 50 + done);
        assert_ptr_equal(write.raw.data, batch.raw.data);
        raw += write.raw.len;
        done += (uint32_t)covered;
        calls++;
    }
    assert_int_equal(raw, whole.raw.len);
    assert_int_equal(calls, (MANY + FH_SHAPE_RECORDS - 1) / FH_SHAPE_RECORDS);
    fh_shape_free(shape);

    /* by bytes: a record that is larger than a portion goes alone */
    size_t len = 2 * FH_SHAPE_BYTES;
    char *large = malloc(len);
    assert_non_null(large);
    size_t head = (size_t)sprintf(large, "{\"recordUid\":\"1\",\"recordTimestamp\":1,"
                                         "\"eventType\":\"A\",\"x\":\"");
    memset(large + head, 'x', len - head);
    memcpy(large + len - 2, "\"}", 2);
    struct fh_store_batch batch = batch_of(3);
    record[1] = (struct fh_slice){large, len};
    struct fh_config_sink rewriting = {.drop = {"y"}, .drop_count = 1, .envelope = true};
    shape = make(&rewriting, false);
    struct fh_sink_write write;
    assert_int_equal(fh_shape_apply(shape, &batch, 1, &write, NULL), 1);
    batch.record++;
    batch.count--;
    assert_int_equal(fh_shape_apply(shape, &batch, 1, &write, NULL), 1);
    assert_true(write.record[0].len > len);
    fh_shape_free(shape);
    free(large);
}

static void what_cannot_be(void **state)
{
    (void)state;
    struct fh_config_sink config = {.name = "s", .drop = {"a..b"}, .drop_count = 1};
    struct fh_shape *shape = NULL;
    struct fh_error err = {""};
    assert_int_equal(fh_shape_new(&config, "a", 1, false, &err, &shape), -EINVAL);
    assert_non_null(strstr(err.text, "a..b"));
    assert_null(shape);
    struct fh_config_sink good = {.name = "s", .drop = {"a.b"}, .drop_count = 1};
    shape = make(&good, false);
    struct fh_store_batch batch = batch_of(2);
    record[1] = (struct fh_slice){"{\"a\":", 5};
    struct fh_sink_write write;
    assert_int_equal(fh_shape_apply(shape, &batch, 1, &write, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "record 51"));
    fh_shape_free(shape);
    fh_shape_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(filters),
        cmocka_unit_test(fields_and_envelope),
        cmocka_unit_test(facts_are_of_the_whole_record),
        cmocka_unit_test(portions),
        cmocka_unit_test(what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
