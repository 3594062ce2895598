/* test_transcode.c: every sample from protobuf to the very line of the HTTP channel, and everything
 * the wire allows that no sample shows. */
#include "transcode_common.h"

#include <glob.h>

/* ---- the samples ---- */

static void every_sample_is_the_line_of_the_http_channel(void **state)
{
    (void)state;
    static char lines[1 << 17];
    static uint8_t bytes[1 << 14];
    lines[read_file(FH_TEST_DATA "/sample-events.ndjson", lines, sizeof(lines))] = '\0';
    glob_t files;
    assert_int_equal(glob(FH_TEST_DATA "/protobuf/*.bin", 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, 30);
    char *rest = lines;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        size_t len = read_file(files.gl_pathv[i], bytes, sizeof(bytes));
        const char *wanted = strsep(&rest, "\n");
        assert_non_null(wanted);
        assert_int_equal(
            run(ours, (struct fh_transcoder_options){.keep_unknown = true}, bytes, len),
            FH_TRANSCODE_OK);
        assert_string_equal(line(), wanted);
        assert_int_equal(info.unknown_fields, 0);
        assert_false(info.unknown_event_type);
        assert_false(info.wrapped);
        struct fh_envelope envelope;
        assert_int_equal(fh_envelope_scan(line(), strlen(line()), &envelope), FH_ENVELOPE_OK);
    }
    assert_int_equal(strlen(rest), 0);
    globfree(&files);
}

static void every_sample_is_unwrapped(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 14];
    glob_t files;
    assert_int_equal(glob(FH_TEST_DATA "/protobuf/*.bin", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        size_t len = read_file(files.gl_pathv[i], bytes, sizeof(bytes));
        assert_int_equal(run(ours, (struct fh_transcoder_options){0}, bytes, len), FH_TRANSCODE_OK);
        char *bare = strdup(line());
        struct wire wrapper = {.len = 0};
        put_bytes(&wrapper, 1, bytes, len);
        assert_int_equal(run(ours, (struct fh_transcoder_options){0}, wrapper.bytes, wrapper.len),
                         FH_TRANSCODE_OK);
        assert_true(info.wrapped);
        assert_string_equal(line(), bare);
        free(bare);
    }
    globfree(&files);
}

/* A cut record is refused or, when the cut falls between two fields, a shorter record; and never a
 * line that is not JSON. */
static void every_cut_of_a_sample_is_handled(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 14];
    size_t len = read_file(FH_TEST_DATA "/protobuf/12-IOT_TELEMETRY.bin", bytes, sizeof(bytes));
    size_t refused = 0;
    for (size_t cut = 0; cut < len; cut++) {
        enum fh_transcode_result result = run(ours, (struct fh_transcoder_options){0}, bytes, cut);
        refused += result != FH_TRANSCODE_OK;
        if (result == FH_TRANSCODE_OK) {
            struct fh_envelope envelope;
            enum fh_envelope_result scanned = fh_envelope_scan(line(), strlen(line()), &envelope);
            assert_true(scanned == FH_ENVELOPE_OK || scanned == FH_ENVELOPE_NO_UID);
        } else {
            assert_int_equal(result, FH_TRANSCODE_MALFORMED);
        }
    }
    assert_true(refused > len * 9 / 10);
}

/* ---- values ---- */

static void an_empty_record_is_all_defaults(void **state)
{
    (void)state;
    struct wire none = {.len = 0};
    expect(&none, "{\"recordUid\":\"\",\"recordTimestamp\":0,\"eventType\":\"ZERO\"}");
    struct wire inner = {.len = 0};
    expect_member(7, &inner, "every",
                  "{\"int32\":0,\"sint32\":0,\"uint32\":0,\"int64\":0,\"sint64\":0,\"uint64\":0,"
                  "\"fixed32\":0,\"sfixed32\":0,\"fixed64\":0,\"sfixed64\":0,\"bool\":false,"
                  "\"enum\":\"FIRST\",\"float\":0.0,\"double\":0.0,\"string\":\"\",\"bytes\":\"\","
                  "\"@other name\":\"\"}");
    expect_member(8, &inner, "lists",
                  "{\"numbers\":[],\"doubles\":[],\"strings\":[],\"nests\":[],\"enums\":[],"
                  "\"blobs\":[],\"bools\":[]}");
    expect_member(9, &inner, "maps", "{\"byName\":{},\"byNumber\":{},\"byTruth\":{}}");
    expect_member(11, &inner, "late", "{\"early\":0}");
}

static void every_kind_at_its_extremes(void **state)
{
    (void)state;
    struct wire low = {.len = 0};
    put_number(&low, 1, (uint64_t)INT32_MIN);
    put_number(&low, 2, UINT32_MAX);
    put_number(&low, 3, UINT32_MAX);
    put_number(&low, 4, (uint64_t)INT64_MIN);
    put_number(&low, 5, UINT64_MAX);
    put_number(&low, 6, UINT64_MAX);
    put_fixed(&low, 7, UINT32_MAX, 4);
    put_fixed(&low, 8, (uint32_t)INT32_MIN, 4);
    put_fixed(&low, 9, UINT64_MAX, 8);
    put_fixed(&low, 10, (uint64_t)INT64_MIN, 8);
    put_number(&low, 11, 2);
    put_number(&low, 12, 1);
    put_float(&low, 13, -372.79483F);
    put_double(&low, 14, -999.0);
    put_text(&low, 15, "a\"b\\c\n\x01\x7f\xc3\xa9/");
    put_bytes(&low, 16,
              "\0\xff\x10"
              "a",
              4);
    put_number(&low, 17, 0);
    put_text(&low, 19, "x");
    expect_member(7, &low, "every",
                  "{\"int32\":-2147483648,\"sint32\":-2147483648,\"uint32\":4294967295,"
                  "\"int64\":-9223372036854775808,\"sint64\":-9223372036854775808,"
                  "\"uint64\":18446744073709551615,\"fixed32\":4294967295,"
                  "\"sfixed32\":-2147483648,\"fixed64\":18446744073709551615,"
                  "\"sfixed64\":-9223372036854775808,\"bool\":true,\"enum\":\"SECOND\","
                  "\"float\":-372.79483,\"double\":-999.0,"
                  "\"string\":\"a\\\"b\\\\c\\n\\u0001\x7f\xc3\xa9/\",\"bytes\":\"AP8QYQ==\","
                  "\"maybe\":0,\"@other name\":\"x\"}");
}

static void enumerations_by_name_or_number(void **state)
{
    (void)state;
    struct wire lists = {.len = 0};
    put_number(&lists, 5, 1);
    put_number(&lists, 5, 2);
    put_number(&lists, 5, (uint64_t)-1);
    expect_member(8, &lists, "lists",
                  "{\"numbers\":[],\"doubles\":[],\"strings\":[],\"nests\":[],"
                  "\"enums\":[\"SECOND\",2,-1],\"blobs\":[],\"bools\":[]}");
    static const struct {
        int64_t number;
        const char *text;
        bool unknown;
    } types[] = {{1, "ONE", false},        {-7, "NEGATIVE", false},
                 {100000, "FAR", false},   {2, "UNKNOWN_2", true},
                 {-8, "UNKNOWN_-8", true}, {INT32_MIN, "UNKNOWN_-2147483648", true}};
    for (size_t i = 0; i < FH_ARRAY_LEN(types); i++) {
        char expected[128];
        struct wire wire = {.len = 0};
        put_number(&wire, 6, (uint64_t)types[i].number);
        (void)snprintf(expected, sizeof(expected),
                       "{\"recordUid\":\"\",\"recordTimestamp\":0,\"eventType\":\"%s\"}",
                       types[i].text);
        expect(&wire, expected);
        assert_int_equal(info.event_type, types[i].number);
        assert_int_equal(info.unknown_event_type, types[i].unknown);
    }
}

static void the_last_value_wins(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    put_text(&wire, 1, "first");
    put_number(&wire, 2, 1);
    put_text(&wire, 1, "second");
    put_number(&wire, 2, 2);
    expect(&wire, "{\"recordUid\":\"second\",\"recordTimestamp\":2,\"eventType\":\"ZERO\"}");
}

static void order_is_that_of_the_declaration(void **state)
{
    (void)state;
    struct wire order = {.len = 0};
    put_number(&order, 1, 1);
    put_number(&order, 2, 2);
    put_number(&order, 3, 3);
    struct wire wire = {.len = 0};
    put_message(&wire, 13, &order); /* the payload first, and numbers against the declaration */
    put_number(&wire, 6, 1);
    put_number(&wire, 2, 1);
    put_text(&wire, 1, "u");
    expect(&wire, "{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"ONE\","
                  "\"order\":{\"third\":3,\"first\":1,\"second\":2}}");
}

static void fields_of_ours_in_their_messages_only_when_set(void **state)
{
    (void)state;
    struct wire late = {.len = 0};
    put_number(&late, 1000, 0);
    put_number(&late, 1001, 7);
    expect_member(11, &late, "late", "{\"early\":0,\"added\":0,\"addedList\":[7]}");
}

/* ---- lists and maps ---- */

static void lists_packed_unpacked_and_scattered(void **state)
{
    (void)state;
    struct wire packed = {.len = 0};
    put_varint(&packed, 4);
    put_varint(&packed, 1);
    struct wire doubles = {.len = 0};
    put_raw(&doubles, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16);
    struct wire nest = {.len = 0};
    put_number(&nest, 2, 9);
    struct wire lists = {.len = 0};
    put_number(&lists, 1, 2);
    put_text(&lists, 3, "a");
    put_message(&lists, 1, &packed);
    put_message(&lists, 4, &nest);
    put_bytes(&lists, 1, "", 0);
    put_text(&lists, 3, "");
    put_number(&lists, 300, 1);
    put_message(&lists, 2, &doubles);
    put_double(&lists, 2, 0.5);
    put_number(&lists, 1, 3);
    put_bytes(&lists, 6, "abc", 3);
    put_bytes(&lists, 4, "", 0);
    put_number(&lists, 300, 0);
    expect_member(8, &lists, "lists",
                  "{\"numbers\":[1,2,-1,-2],\"doubles\":[1.0,-2.0,0.5],\"strings\":[\"a\",\"\"],"
                  "\"nests\":[{\"depth\":9,\"list\":[]},{\"depth\":0,\"list\":[]}],\"enums\":[],"
                  "\"blobs\":[\"YWJj\"],\"bools\":[true,false]}");
}

static void maps_are_objects(void **state)
{
    (void)state;
    struct wire maps = {.len = 0};
    struct wire entry = {.len = 0};
    put_text(&entry, 1, "a\"b");
    put_number(&entry, 2, 5);
    put_message(&maps, 1, &entry);
    put_bytes(&maps, 1, "", 0);
    entry.len = 0;
    struct wire nest = {.len = 0};
    put_number(&nest, 2, 3);
    put_message(&entry, 2, &nest); /* value before key */
    put_number(&entry, 1, (uint64_t)-4);
    put_message(&maps, 2, &entry);
    entry.len = 0;
    put_number(&entry, 1, 1);
    put_text(&entry, 2, "yes");
    put_number(&entry, 3, 1); /* unknown */
    put_message(&maps, 3, &entry);
    expect_member(9, &maps, "maps",
                  "{\"byName\":{\"a\\\"b\":5,\"\":0},\"byNumber\":{\"-4\":{\"depth\":3,"
                  "\"list\":[]}},\"byTruth\":{\"true\":\"yes\"}}");
    assert_int_equal(info.unknown_fields, 1);
}

/* ---- parts and choices ---- */

static void parts_of_a_message_are_merged(void **state)
{
    (void)state;
    struct wire deep = {.len = 0};
    put_number(&deep, 2, 8);
    put_number(&deep, 3, 1);
    struct wire first = {.len = 0};
    put_number(&first, 2, 5);
    put_number(&first, 3, 10);
    put_message(&first, 1, &deep);
    struct wire second = {.len = 0};
    put_number(&second, 3, 11);
    put_bytes(&second, 1, "\x18\x02", 2); /* list += 2 */
    struct wire wire = record_of(10, &first);
    put_message(&wire, 10, &second);
    put_bytes(&wire, 10, "", 0);
    put_bytes(&wire, 10, "\x18\x0c", 2); /* list += 12 */
    expect(&wire, HEAD "\"nest\":{\"inner\":{\"depth\":8,\"list\":[1,2]},\"depth\":5,"
                       "\"list\":[10,11,12]}}");
}

static void the_last_choice_wins_and_forgets_the_parts_before(void **state)
{
    (void)state;
    struct wire nest = {.len = 0};
    put_bytes(&nest, 4, "\x18\x01", 2); /* left: list 1 */
    put_bytes(&nest, 5, "\x18\x02", 2); /* right: list 2 */
    put_bytes(&nest, 4, "\x18\x03", 2); /* left: list 3 */
    put_bytes(&nest, 4, "\x18\x04", 2); /* left: list 4 */
    expect_member(10, &nest, "nest",
                  "{\"depth\":0,\"list\":[],\"left\":{\"depth\":0,\"list\":[3,4]}}");
    put_number(&nest, 6, 0);
    expect_member(10, &nest, "nest", "{\"depth\":0,\"list\":[],\"number\":0}");
    struct wire wire = record_of(12, &nest);
    wire.len = 0;
    put_text(&wire, 12, "text");
    put_message(&wire, 13, &(struct wire){.len = 0});
    expect(&wire, "{\"recordUid\":\"\",\"recordTimestamp\":0,\"eventType\":\"ZERO\","
                  "\"order\":{\"third\":0,\"first\":0,\"second\":0}}");
}

static void too_many_parts_are_refused(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    for (int i = 0; i < 64; i++) {
        put_bytes(&wire, 10, "", 0);
    }
    expect(&wire, "{\"recordUid\":\"\",\"recordTimestamp\":0,\"eventType\":\"ZERO\","
                  "\"nest\":{\"depth\":0,\"list\":[]}}");
    put_bytes(&wire, 10, "", 0);
    refuse(&wire, FH_TRANSCODE_TOO_SPLIT);
}

/* ---- unknown fields ---- */

static void unknown_fields_are_counted_and_kept(void **state)
{
    (void)state;
    struct wire inner = {.len = 0};
    put_number(&inner, 1, 7);
    put_text(&inner, 50, "hi");
    struct wire wire = record_of(11, &inner);
    put_number(&wire, 99, 300);
    put_fixed(&wire, 98, 1, 4);
    put_number(&wire, 99, 1);
    put_number(&wire, 1, 3);                       /* the type of another field: not the uid */
    put_raw(&wire, "\xab\x06\x08\x01\xac\x06", 6); /* a group, 101 */
    static const char without[] = HEAD "\"late\":{\"early\":7}}";
    expect(&wire, without);
    assert_int_equal(info.unknown_fields, 6);
    expect_options((struct fh_transcoder_options){.keep_unknown = true}, &wire,
                   HEAD "\"late\":{\"early\":7,\"_unknown\":{\"50\":\"kgMCaGk=\"}},"
                        "\"_unknown\":{\"99\":\"mAasApgGAQ==\",\"98\":\"lQYBAAAA\","
                        "\"1\":\"CAM=\",\"101\":\"qwYIAawG\"}}");
    assert_int_equal(info.unknown_fields, 6);
}

static void past_sixteen_numbers_unknown_fields_share_a_key(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    for (uint32_t number = 20; number < 40; number++) {
        put_number(&wire, number, 1);
    }
    assert_int_equal(
        run(kinds, (struct fh_transcoder_options){.keep_unknown = true}, wire.bytes, wire.len),
        FH_TRANSCODE_OK);
    assert_non_null(strstr(line(), "\"35\":\"mAIB\",\"*\":\"oAIBqAIBsAIBuAIB\"}}"));
    assert_null(strstr(line(), "\"36\""));
}

/* More unknown bytes than are gathered at a time: the base64 must not show the seams. */
static void long_unknown_fields_are_one_base64(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    uint8_t zeros[1500] = {0};
    put_bytes(&wire, 20, zeros, sizeof(zeros));
    assert_int_equal(
        run(kinds, (struct fh_transcoder_options){.keep_unknown = true}, wire.bytes, wire.len),
        FH_TRANSCODE_OK);
    const char *value = strstr(line(), "\"20\":\"") + 6;
    size_t encoded = strcspn(value, "\"");
    assert_int_equal(encoded, (wire.len + 2) / 3 * 4);
    assert_memory_equal(value, "ogHcCwAAAA", 10);
    assert_null(memchr(value, '=', encoded - 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_is_the_line_of_the_http_channel),
        cmocka_unit_test(every_sample_is_unwrapped),
        cmocka_unit_test(every_cut_of_a_sample_is_handled),
        cmocka_unit_test(an_empty_record_is_all_defaults),
        cmocka_unit_test(every_kind_at_its_extremes),
        cmocka_unit_test(enumerations_by_name_or_number),
        cmocka_unit_test(the_last_value_wins),
        cmocka_unit_test(order_is_that_of_the_declaration),
        cmocka_unit_test(fields_of_ours_in_their_messages_only_when_set),
        cmocka_unit_test(lists_packed_unpacked_and_scattered),
        cmocka_unit_test(maps_are_objects),
        cmocka_unit_test(parts_of_a_message_are_merged),
        cmocka_unit_test(the_last_choice_wins_and_forgets_the_parts_before),
        cmocka_unit_test(too_many_parts_are_refused),
        cmocka_unit_test(unknown_fields_are_counted_and_kept),
        cmocka_unit_test(past_sixteen_numbers_unknown_fields_share_a_key),
        cmocka_unit_test(long_unknown_fields_are_one_base64),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
