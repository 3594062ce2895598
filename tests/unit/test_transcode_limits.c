/* test_transcode_limits.c: what the transcoder refuses, its limits, the wrapper, and the request.
 */
#include "transcode_common.h"

/* ---- refusals ---- */

static void malformed_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x08", 1},     /* no value */
        {"\x00\x01", 2}, /* number 0 */
        {"\x0a\x05"
         "abcd",
         6},                                                      /* cut string */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* a length of 2^64 - 1 */
        {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* an eleven-byte varint */
        {"\x0c", 1},                         /* a group's end without its start */
        {"\x0e\x01", 2},                     /* wire type 6 */
        {"\xfb\x01\x08\x01", 4},             /* a group without end */
        {"\xfb\x01\xf4\x01", 4},             /* ended by another number */
        {"\xf9\x01\x01", 3},                 /* cut fixed64 */
        {"\xfd\x01\x01", 3},                 /* cut fixed32 */
        {"\x80\x80\x80\x80\x80\x01\x00", 7}, /* a tag of more than 32 bits */
        {"\x42\x03\x0a\x01\x80", 5},         /* a packed varint without end */
        {"\x42\x03\x12\x01\x00", 5},         /* a packed double of one byte */
        {"\x52\x02\x0a\x05", 4},             /* nested: longer than its parent */
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        assert_int_equal(run(kinds, (struct fh_transcoder_options){0}, bad[i].bytes, bad[i].len),
                         FH_TRANSCODE_MALFORMED);
    }
    struct wire groups = {.len = 0};
    for (int i = 0; i < 33; i++) {
        put_tag(&groups, 30, 3);
    }
    for (int i = 0; i < 33; i++) {
        put_tag(&groups, 30, 4);
    }
    refuse(&groups, FH_TRANSCODE_MALFORMED);
}

static void bad_utf8_is_refused_where_it_stands(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xc3",
        "\xc3(",
        "\xc0\x80",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x82",
        "\xf0\x9f\x98",
    };
    static const char *const padding[] = {"", "a", "1234567", "12345678", "1234567890123456"};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        for (size_t j = 0; j < FH_ARRAY_LEN(padding); j++) {
            char text[64];
            (void)snprintf(text, sizeof(text), "%s%s", padding[j], bad[i]);
            struct wire wire = {.len = 0};
            put_number(&wire, 2, 1);
            put_text(&wire, 1, text);
            refuse(&wire, FH_TRANSCODE_BAD_UTF8);
            assert_int_equal(info.error_offset, 4 + strlen(padding[j]));
        }
    }
    struct wire good = {.len = 0};
    put_text(&good, 1,
             "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
             "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    expect(&good, "{\"recordUid\":\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf"
                  "\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\",\"recordTimestamp\":0,"
                  "\"eventType\":\"ZERO\"}");
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    struct wire nest = {.len = 0};
    for (int depth = 1; depth < FH_TRANSCODE_DEPTH_MAX - 1; depth++) {
        struct wire outer = {.len = 0};
        put_message(&outer, 1, &nest);
        nest = outer;
    }
    struct wire wire = record_of(10, &nest);
    assert_int_equal(run(kinds, (struct fh_transcoder_options){0}, wire.bytes, wire.len),
                     FH_TRANSCODE_OK);
    struct fh_envelope envelope;
    assert_int_equal(fh_envelope_scan(line(), strlen(line()), &envelope), FH_ENVELOPE_OK);
    struct wire deeper = {.len = 0};
    put_message(&deeper, 1, &nest);
    wire = record_of(10, &deeper);
    refuse(&wire, FH_TRANSCODE_TOO_DEEP);
}

/* Exactly max_line is allowed; and no limit of the buffer is passed, whatever it is. */
static void output_has_a_limit(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    put_text(&wire, 1, "a\n\"bcdefghijklmnopqrstuvwxyz");
    put_number(&wire, 2, 123456789);
    assert_int_equal(run(kinds, (struct fh_transcoder_options){0}, wire.bytes, wire.len),
                     FH_TRANSCODE_OK);
    size_t len = strlen(line());
    struct fh_transcoder *transcoder = NULL;
    for (size_t max = 1; max < len + 3; max++) {
        struct fh_transcoder_options options = {.max_line = max};
        assert_int_equal(run(kinds, options, wire.bytes, wire.len),
                         max < len ? FH_TRANSCODE_TOO_LARGE : FH_TRANSCODE_OK);
        struct fh_buf small;
        fh_buf_init(&small, max);
        assert_int_equal(fh_transcoder_new(kinds, NULL, &transcoder), 0);
        assert_int_equal(fh_transcode(transcoder, wire.bytes, wire.len, &small, NULL),
                         FH_TRANSCODE_TOO_LARGE);
        assert_int_equal(small.len, 0);
        fh_transcoder_free(transcoder);
        fh_buf_done(&small);
    }
    struct fh_buf enough;
    fh_buf_init(&enough, len + 64);
    assert_int_equal(fh_transcoder_new(kinds, NULL, &transcoder), 0);
    assert_int_equal(fh_transcode(transcoder, wire.bytes, wire.len, &enough, NULL),
                     FH_TRANSCODE_OK);
    fh_transcoder_free(transcoder);
    fh_buf_done(&enough);
}

/* ---- the wrapper ---- */

static void what_only_looks_wrapped_is_not(void **state)
{
    (void)state;
    struct wire inner = {.len = 0};
    put_text(&inner, 1, "u");
    struct wire wire = {.len = 0};
    put_message(&wire, 1, &inner); /* content has no timestamp: a uid, as it happens */
    expect(&wire, "{\"recordUid\":\"\\n\\u0001u\",\"recordTimestamp\":0,\"eventType\":\"ZERO\"}");
    assert_false(info.wrapped);
    put_number(&inner, 2, 5);
    wire.len = 0;
    put_message(&wire, 1, &inner);
    expect(&wire, "{\"recordUid\":\"u\",\"recordTimestamp\":5,\"eventType\":\"ZERO\"}");
    assert_true(info.wrapped);
    put_number(&wire, 6, 1); /* something behind it: a record */
    expect(&wire, "{\"recordUid\":\"\\n\\u0001u\\u0010\\u0005\",\"recordTimestamp\":0,"
                  "\"eventType\":\"ONE\"}");
    assert_false(info.wrapped);
}

/* ---- others ---- */

static void the_request_is_what_the_vendor_documents(void **state)
{
    (void)state;
    struct fh_buf request;
    fh_buf_init(&request, 64);
    assert_int_equal(fh_events_request(0, 0, 0, 0, &request), 0);
    assert_int_equal(request.len, 0);
    assert_int_equal(fh_events_request(1, 12, INT64_C(1767225600000), 2, &request), 0);
    static const char expected[] = "\x08\x01\x10\x0c\x18\x80\xd0\xea\xb6\xb7\x33\x20\x02";
    assert_int_equal(request.len, sizeof(expected) - 1);
    assert_memory_equal(request.data, expected, request.len);
    fh_buf_done(&request);
    fh_buf_init(&request, 4);
    assert_int_equal(fh_events_request(1, 12, INT64_C(1767225600000), 2, &request), -ENOBUFS);
    fh_buf_done(&request);
}

static void every_result_has_a_reason(void **state)
{
    (void)state;
    for (int i = 0; i < FH_TRANSCODE_RESULT_COUNT; i++) {
        assert_true(strlen(fh_transcode_reason((enum fh_transcode_result)i)) > 0);
    }
    assert_non_null(fh_transcode_reason(FH_TRANSCODE_RESULT_COUNT));
}

static void proto2_writes_what_is_set(void **state)
{
    (void)state;
    struct fh_schema *schema = open_schema(FH_TEST_SCHEMAS "/proto2.desc");
    assert_int_equal(run(schema, (struct fh_transcoder_options){0}, "", 0), FH_TRANSCODE_OK);
    assert_string_equal(line(), "{\"list\":[]}");
    assert_int_equal(run(schema, (struct fh_transcoder_options){0}, "\x38\x00\x30\x02", 4),
                     FH_TRANSCODE_OK);
    assert_string_equal(line(), "{\"eventType\":\"TWO\",\"number\":0,\"list\":[]}");
    fh_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_is_refused),
        cmocka_unit_test(bad_utf8_is_refused_where_it_stands),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(output_has_a_limit),
        cmocka_unit_test(what_only_looks_wrapped_is_not),
        cmocka_unit_test(the_request_is_what_the_vendor_documents),
        cmocka_unit_test(every_result_has_a_reason),
        cmocka_unit_test(proto2_writes_what_is_set),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
