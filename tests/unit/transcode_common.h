/* transcode_common.h: schemas, a transcoder run, and what the line must be, for the transcoder's
 * tests. */
#ifndef FH_TEST_TRANSCODE_COMMON_H
#define FH_TEST_TRANSCODE_COMMON_H

#include "fh/transcode.h"

#include "fh/envelope.h"

#include "wire_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fh_schema *ours;
static struct fh_schema *kinds;
static struct fh_buf out;
static struct fh_transcode_info info;

static inline struct fh_schema *open_schema(const char *path)
{
    struct fh_error err = {0};
    struct fh_schema *schema = NULL;
    if (fh_schema_open(path, &schema, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return schema;
}

static inline int set_up(void **state)
{
    (void)state;
    ours = open_schema(NULL);
    kinds = open_schema(FH_TEST_SCHEMAS "/every_kind.desc");
    fh_buf_init(&out, 1 << 20);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    fh_schema_free(ours);
    fh_schema_free(kinds);
    fh_buf_done(&out);
    return 0;
}

static inline enum fh_transcode_result run(const struct fh_schema *schema,
                                           struct fh_transcoder_options options, const void *bytes,
                                           size_t len)
{
    struct fh_transcoder *transcoder = NULL;
    assert_int_equal(fh_transcoder_new(schema, &options, &transcoder), 0);
    fh_buf_clear(&out);
    assert_int_equal(fh_buf_append(&out, "before", 6), 0);
    void *copy = malloc(len > 0 ? len : 1); /* so that a read past it is noticed */
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    enum fh_transcode_result result = fh_transcode(transcoder, copy, len, &out, &info);
    free(copy);
    fh_transcoder_free(transcoder);
    assert_memory_equal(out.data, "before", 6);
    if (result != FH_TRANSCODE_OK) {
        assert_int_equal(out.len, 6);
        assert_true(info.error_offset <= len);
    }
    return result;
}

static inline const char *line(void)
{
    const char *text = fh_buf_string(&out);
    assert_non_null(text);
    return text + 6;
}

/* A record of the test schema whose member number holds inner. */
static inline struct wire record_of(uint32_t number, const struct wire *inner)
{
    struct wire wire = {.len = 0};
    put_text(&wire, 1, "u");
    put_number(&wire, 2, 1);
    put_message(&wire, number, inner);
    return wire;
}

#define HEAD "{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"ZERO\","

static inline void expect_options(struct fh_transcoder_options options, const struct wire *wire,
                                  const char *expected)
{
    assert_int_equal(run(kinds, options, wire->bytes, wire->len), FH_TRANSCODE_OK);
    assert_string_equal(line(), expected);
}

static inline void expect(const struct wire *wire, const char *expected)
{
    expect_options((struct fh_transcoder_options){0}, wire, expected);
}

/* What the member looks like inside a record. */
static inline void expect_member(uint32_t number, const struct wire *inner, const char *key,
                                 const char *value)
{
    char expected[8192];
    struct wire wire = record_of(number, inner);
    (void)snprintf(expected, sizeof(expected), HEAD "\"%s\":%s}", key, value);
    expect(&wire, expected);
}

static inline void refuse(const struct wire *wire, enum fh_transcode_result expected)
{
    assert_int_equal(run(kinds, (struct fh_transcoder_options){0}, wire->bytes, wire->len),
                     expected);
}

static inline size_t read_file(const char *path, void *bytes, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("%s: %s", path, strerror(errno));
    }
    size_t len = fread(bytes, 1, capacity, file);
    fclose(file);
    assert_true(len < capacity);
    return len;
}

#endif
