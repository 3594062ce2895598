/* test_ndjson.c: the lines of a stream do not depend on how it was cut into chunks. */
#include "fh/ndjson.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

/* Lines as text: "offset:line|", with a '!' after a truncated one. */
struct record {
    char text[4096];
    size_t len;
    int countdown; /* the line that makes the callback return -ECANCELED; 0: none */
};

static int note(void *userdata, const char *line, size_t len, uint64_t offset, bool truncated)
{
    struct record *record = userdata;
    int n = snprintf(record->text + record->len, sizeof(record->text) - record->len,
                     "%" PRIu64 ":%.*s%s|", offset, (int)len, line, truncated ? "!" : "");
    record->len += (size_t)n;
    assert_true(record->len < sizeof(record->text));
    return record->countdown > 0 && --record->countdown == 0 ? -ECANCELED : 0;
}

/* Feed text in chunks of the given size. */
static void feed(struct fh_ndjson *splitter, const char *text, size_t chunk, struct record *record)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += chunk) {
        size_t piece = len - at < chunk ? len - at : chunk;
        assert_int_equal(fh_ndjson_feed(splitter, text + at, piece, note, record), 0);
        assert_true(splitter->offset == at + piece);
    }
}

static void expect_lines(const char *text, size_t max_line, const char *wanted)
{
    for (size_t chunk = 1; chunk <= strlen(text); chunk++) {
        struct fh_ndjson splitter;
        struct record record = {.len = 0};
        fh_ndjson_init(&splitter, max_line);
        feed(&splitter, text, chunk, &record);
        if (strcmp(record.text, wanted) != 0) {
            fail_msg("chunks of %zu: got %s, wanted %s", chunk, record.text, wanted);
        }
        fh_ndjson_done(&splitter);
    }
}

static void lines(void **state)
{
    (void)state;
    expect_lines("one\ntwo\r\n\n\r\nthree\n", 100, "0:one|4:two|12:three|");
    expect_lines("no end", 100, "");
    expect_lines("\n\n\n", 100, "");
    expect_lines("a\rb\n\r\r\nc\n", 100, "0:a\rb|4:\r|7:c|");
    expect_lines("{\"a\":1}\n{\"b\":2}\nhalf", 100, "0:{\"a\":1}|8:{\"b\":2}|");
}

static void oversized_lines(void **state)
{
    (void)state;
    /* Exactly the limit is no truncation, and a \r is not counted. */
    expect_lines("12345\nx\n", 5, "0:12345|6:x|");
    expect_lines("12345\r\nx\n", 5, "0:12345|7:x|");
    expect_lines("123456\nx\n", 5, "0:12345!|7:x|");
    expect_lines("123456\r\nx\n", 5, "0:12345!|8:x|");
    expect_lines("12345\r6\nx\n", 5, "0:12345!|8:x|");
    expect_lines("12345\r\r\nx\n", 5, "0:12345!|8:x|");
    expect_lines("123456789012345678901234567890\ny\n123456\n", 5, "0:12345!|31:y|33:12345!|");
    /* Reported when it is known, not when it ends. */
    expect_lines("1234567", 5, "0:12345!|");
    expect_lines("\n\nab\n", 1, "2:a!|");
    expect_lines("ab\n\r\n", 0, "0:!|");
}

static void no_copy_inside_a_chunk(void **state)
{
    (void)state;
    struct fh_ndjson splitter;
    struct record record = {.len = 0};
    fh_ndjson_init(&splitter, 100);
    feed(&splitter, "one\ntwo\n", 8, &record);
    assert_null(splitter.carry.data);
    assert_int_equal(fh_ndjson_feed(&splitter, NULL, 0, note, &record), 0);
    fh_ndjson_done(&splitter);
}

static void reset_forgets_half_a_line(void **state)
{
    (void)state;
    struct fh_ndjson splitter;
    struct record record = {.len = 0};
    fh_ndjson_init(&splitter, 5);
    feed(&splitter, "one\ntw", 6, &record);
    assert_int_equal(fh_ndjson_reset(&splitter), 2);
    assert_int_equal(fh_ndjson_reset(&splitter), 0);
    /* The rest of the line does not come: the next byte begins a line, and the stream is new. */
    feed(&splitter, "123456789", 3, &record);
    assert_true(splitter.skipping);
    assert_int_equal(fh_ndjson_reset(&splitter), 0);
    feed(&splitter, "four\n", 2, &record);
    assert_string_equal(record.text, "0:one|0:12345!|0:four|");
    fh_ndjson_done(&splitter);
}

static void callback_aborts(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\nthree\nfour\n";
    for (size_t first = 0; first < sizeof(text) - 1; first++) {
        for (int stop = 1; stop <= 4; stop++) {
            struct fh_ndjson splitter;
            struct record record = {.countdown = stop};
            fh_ndjson_init(&splitter, 100);
            int r = fh_ndjson_feed(&splitter, text, first, note, &record);
            if (r == 0) {
                r = fh_ndjson_feed(&splitter, text + first, sizeof(text) - 1 - first, note,
                                   &record);
            }
            assert_int_equal(r, -ECANCELED);
            /* offset says how far it came: the feed can go on from there. */
            size_t at = (size_t)splitter.offset;
            assert_int_equal(text[at - 1], '\n');
            r = fh_ndjson_feed(&splitter, text + at, sizeof(text) - 1 - at, note, &record);
            assert_int_equal(r, 0);
            assert_string_equal(record.text, "0:one|4:two|8:three|14:four|");
            fh_ndjson_done(&splitter);
        }
    }
}

static int count_bytes(void *userdata, const char *line, size_t len, uint64_t offset,
                       bool truncated)
{
    (void)line, (void)offset, (void)truncated;
    *(size_t *)userdata += len;
    return 0;
}

/* A giant line does not keep its memory for the life of the connection. */
static void memory_is_given_back(void **state)
{
    (void)state;
    size_t len = (size_t)3 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'x', len);
    struct fh_ndjson splitter;
    size_t seen = 0;
    fh_ndjson_init(&splitter, len);
    assert_int_equal(fh_ndjson_feed(&splitter, text, len, count_bytes, &seen), 0);
    assert_true(splitter.carry.len == len && seen == 0);
    assert_int_equal(fh_ndjson_feed(&splitter, "\n", 1, count_bytes, &seen), 0);
    assert_true(seen == len);
    assert_null(splitter.carry.data);
    /* An endless line costs no more than the limit. */
    seen = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fh_ndjson_feed(&splitter, text, len, count_bytes, &seen), 0);
        assert_true(splitter.carry.capacity <= len + 1);
    }
    assert_true(seen == len && splitter.skipping);
    free(text);
    fh_ndjson_done(&splitter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(oversized_lines),
        cmocka_unit_test(no_copy_inside_a_chunk),
        cmocka_unit_test(reset_forgets_half_a_line),
        cmocka_unit_test(callback_aborts),
        cmocka_unit_test(memory_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
