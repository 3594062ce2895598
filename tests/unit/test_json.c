/* test_json.c: what is JSON and what is not, wherever in the line it stands. */
#include "envelope_room.h"

static void not_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "\r",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "{]",
        "[}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{1:1}",
        "{'a':1}",
        "[1,]",
        "[,]",
        "[1 2]",
        "[1,,2]",
        "{}x",
        "{} {}",
        "[1]2",
        "nul",
        "nulll",
        "True",
        "truefalse",
        "tru",
        "-",
        "+1",
        "1.",
        ".5",
        "01",
        "-01",
        "1e",
        "1e+",
        "1E-",
        "0x10",
        "1.5.5",
        "1-1",
        "NaN",
        "Infinity",
        "--1",
        "\xef\xbb\xbf{}",
        "{}\f",
        "\v{}",
        "{\"a\":\"\n\"}",
        "\"a\nb\"",
        "\"\t\"",
        "\"\x1f\"",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\u-123\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\udc00\\udc00\"",
        "\"\\udfff\\udfff\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\udbff\\u0041\"",
        "\"\\uD83D\\uDE0\"",
        "\"\x80\"",
        "\"\xc0\xaf\"",
        "\"\xc1\xbf\"",
        "\"\xc2\"",
        "\"\xc3(\"",
        "\"\xe0\x9f\xbf\"",
        "\"\xe2\x82\"",
        "\"\xed\xa0\x80\"",
        "\"\xed\xbf\xbf\"",
        "\"\xf0\x8f\xbf\xbf\"",
        "\"\xf0\x9f\x98\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf5\x80\x80\x80\"",
        "\"\xff\"",
        "\"\xe2\x82\xac\x80\"",
        "/* */ {}",
        "{\"a\":undefined}",
        "\x01",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect(texts[i], FH_ENVELOPE_NOT_JSON);
        if (texts[i][0] != '\0' && texts[i][0] != ' ' && texts[i][0] != '\r' &&
            !strchr("]}", texts[i][0]) && !strchr("1[{", texts[i][0])) {
            expect_inside(texts[i], FH_ENVELOPE_NOT_JSON);
        }
    }
    expect("{\"a\":\"\\u0000\0", FH_ENVELOPE_NOT_JSON);
    struct fh_envelope envelope;
    assert_int_equal(scan("{}\0", 3, &envelope), FH_ENVELOPE_NOT_JSON);
    assert_int_equal(envelope.error_offset, 2);
    assert_int_equal(scan("\"a\0b\"", 5, &envelope), FH_ENVELOPE_NOT_JSON);
    assert_int_equal(envelope.error_offset, 2);
}

static void json_but_no_object(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1",
        "-0",
        "0",
        "12.50e-3",
        "1E5",
        "true",
        "false",
        " null ",
        "\"\"",
        "\"text\"",
        "[]",
        "[ ]",
        "[1,2]",
        "[[],{},[{}]]",
        "\"\\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\"",
        "\"\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
        "\"\x7f\"",
        "[{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\"}]",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect(texts[i], FH_ENVELOPE_NOT_OBJECT);
        expect_inside(texts[i], FH_ENVELOPE_OK);
    }
}

/* depth containers, objects and arrays mixed by the bits of pattern. */
static size_t nest(char *out, unsigned depth, unsigned pattern)
{
    static const char record[] =
        "{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\",\"x\":";
    char closers[FH_DEPTH_MAX + 8];
    size_t len = sizeof(record) - 1;
    memcpy(out, record, len);
    for (unsigned i = 1; i < depth; i++) {
        bool object = (pattern >> (i % 8)) & 1;
        const char *opener = object ? (i + 1 < depth ? "{\"k\":" : "{") : "[";
        while (*opener) {
            out[len++] = *opener++;
        }
        closers[i] = object ? '}' : ']';
    }
    for (unsigned i = depth - 1; i > 0; i--) {
        out[len++] = closers[i];
    }
    out[len++] = '}';
    return len;
}

static void nesting(void **state)
{
    (void)state;
    char text[4096];
    struct fh_envelope envelope;
    for (unsigned pattern = 0; pattern < 256; pattern += 5) {
        size_t len = nest(text, FH_DEPTH_MAX, pattern);
        assert_int_equal(scan(text, len, &envelope), FH_ENVELOPE_OK);
        /* One closing bracket of the wrong kind, at every level. */
        for (size_t at = len - FH_DEPTH_MAX; at < len; at += 37) {
            text[at] = text[at] == '}' ? ']' : '}';
            assert_int_equal(scan(text, len, &envelope), FH_ENVELOPE_NOT_JSON);
            assert_int_equal(envelope.error_offset, at);
            text[at] = text[at] == '}' ? ']' : '}';
        }
        len = nest(text, FH_DEPTH_MAX + 1, pattern);
        assert_int_equal(scan(text, len, &envelope), FH_ENVELOPE_TOO_DEEP);
    }
    memset(text, '[', sizeof(text));
    assert_int_equal(scan(text, FH_DEPTH_MAX, &envelope), FH_ENVELOPE_NOT_JSON);
    assert_int_equal(scan(text, FH_DEPTH_MAX + 1, &envelope), FH_ENVELOPE_TOO_DEEP);
    assert_int_equal(envelope.error_offset, FH_DEPTH_MAX);
}

/* Every byte value at every distance from the beginning and the end of a string. */
static void strings_of_every_length(void **state)
{
    (void)state;
    static const char head[] =
        "{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\",\"x\":\"";
    char text[512];
    struct fh_envelope envelope;
    memcpy(text, head, sizeof(head) - 1);
    for (size_t len = 1; len < 70; len++) {
        char *string = text + sizeof(head) - 1;
        memset(string, 'x', len);
        string[len] = '"';
        string[len + 1] = '}';
        size_t total = sizeof(head) - 1 + len + 2;
        assert_int_equal(scan(text, total, &envelope), FH_ENVELOPE_OK);
        for (size_t at = 0; at < len; at += len < 40 ? 1 : 3) {
            for (unsigned byte = 0; byte < 256; byte++) {
                bool good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                if (byte % 16 > 2 && byte != '\\' && byte != 0x7F && byte != 0x1F) {
                    continue;
                }
                string[at] = (char)byte;
                assert_int_equal(scan(text, total, &envelope),
                                 good ? FH_ENVELOPE_OK : FH_ENVELOPE_NOT_JSON);
            }
            string[at] = 'x';
        }
    }
}

static void long_numbers(void **state)
{
    (void)state;
    char number[FH_JSON_NUMBER_MAX + 2];
    memset(number, '1', sizeof(number));
    number[FH_JSON_NUMBER_MAX] = '\0';
    expect_inside(number, FH_ENVELOPE_OK);
    number[FH_JSON_NUMBER_MAX] = '1';
    number[FH_JSON_NUMBER_MAX + 1] = '\0';
    expect_inside(number, FH_ENVELOPE_NOT_JSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_json),     cmocka_unit_test(json_but_no_object),
        cmocka_unit_test(nesting),      cmocka_unit_test(strings_of_every_length),
        cmocka_unit_test(long_numbers),
    };
    return cmocka_run_group_tests(tests, open_room, NULL);
}
