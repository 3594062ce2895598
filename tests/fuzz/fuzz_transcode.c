/* fuzz_transcode.c: whatever is accepted must be a line the rest of the way can use.
 *
 *  1. It is JSON for cJSON, and an object.
 *  2. The envelope scan accepts it, or misses a part of the envelope only.
 *  3. It is the same line again with exactly its length as the limit, and too large with one less.
 *  4. A record inside a BytesValue gives the same line, if it has a timestamp.
 *
 * Input: one byte of choices (1: schema of every kind of field; 2: keep unknown fields), then the
 * record. */
#include "fh/transcode.h"

#include "fh/envelope.h"

#include "fuzzer.h"

#include <cjson/cJSON.h>

#include <string.h>

#define LINE_MAX_BYTES ((size_t)1 << 22)

static struct fh_schema *schemas[2];

static const struct fh_schema *schema_of(int choice)
{
    if (!schemas[choice]) {
        struct fh_error err;
        const char *path = choice ? FH_TEST_SCHEMAS "/every_kind.desc" : NULL;
        CHECK(fh_schema_open(path, &schemas[choice], &err) == 0);
    }
    return schemas[choice];
}

static bool contains(const struct fh_buf *line, const char *text)
{
    return memmem(line->data, line->len, text, strlen(text)) != NULL;
}

static void check_line(const struct fh_buf *line)
{
    cJSON *root = cJSON_ParseWithLength(line->data, line->len);
    /* To cJSON a \u0000 ends a string, and in older versions it is an error. */
    CHECK(cJSON_IsObject(root) || contains(line, "\\u0000"));
    cJSON_Delete(root);
    struct fh_envelope envelope;
    enum fh_envelope_result result = fh_envelope_scan(line->data, line->len, &envelope);
    CHECK(result == FH_ENVELOPE_OK || result == FH_ENVELOPE_NO_UID ||
          result == FH_ENVELOPE_NO_TIMESTAMP || result == FH_ENVELOPE_NO_TYPE ||
          (result == FH_ENVELOPE_NOT_JSON && contains(line, "\\u0000")));
}

static enum fh_transcode_result transcode(const struct fh_schema *schema, bool keep, size_t max,
                                          const uint8_t *bytes, size_t len, struct fh_buf *out,
                                          struct fh_transcode_info *info)
{
    struct fh_transcoder_options options = {.max_line = max, .keep_unknown = keep};
    struct fh_transcoder *transcoder = NULL;
    CHECK(fh_transcoder_new(schema, &options, &transcoder) == 0);
    fh_buf_init(out, LINE_MAX_BYTES + 128);
    enum fh_transcode_result result = fh_transcode(transcoder, bytes, len, out, info);
    CHECK(result == FH_TRANSCODE_OK ? out->len > 1 : out->len == 0);
    CHECK(info->error_offset <= len);
    CHECK(fh_transcode_reason(result));
    fh_transcoder_free(transcoder);
    return result;
}

static void check_wrapped(const struct fh_schema *schema, bool keep, const uint8_t *bytes,
                          size_t len, const struct fh_buf *line)
{
    uint8_t *wrapper = malloc(len + 11);
    CHECK(wrapper);
    size_t at = 0;
    wrapper[at++] = 0x0a;
    size_t rest = len;
    for (; rest >= 0x80; rest >>= 7) {
        wrapper[at++] = (uint8_t)(rest | 0x80);
    }
    wrapper[at++] = (uint8_t)rest;
    memcpy(wrapper + at, bytes, len);
    struct fh_buf again;
    struct fh_transcode_info info;
    enum fh_transcode_result result =
        transcode(schema, keep, LINE_MAX_BYTES, wrapper, at + len, &again, &info);
    if (info.wrapped) {
        CHECK(result == FH_TRANSCODE_OK && again.len == line->len &&
              memcmp(again.data, line->data, line->len) == 0);
    }
    fh_buf_done(&again);
    free(wrapper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const struct fh_schema *schema = schema_of(data[0] & 1);
    bool keep = data[0] & 2;
    struct fh_buf line;
    struct fh_transcode_info info;
    if (transcode(schema, keep, LINE_MAX_BYTES, data + 1, size - 1, &line, &info) ==
        FH_TRANSCODE_OK) {
        struct fh_buf again;
        check_line(&line);
        CHECK(transcode(schema, keep, line.len, data + 1, size - 1, &again, &info) ==
              FH_TRANSCODE_OK);
        CHECK(again.len == line.len && memcmp(again.data, line.data, line.len) == 0);
        fh_buf_done(&again);
        CHECK(transcode(schema, keep, line.len - 1, data + 1, size - 1, &again, &info) ==
              FH_TRANSCODE_TOO_LARGE);
        fh_buf_done(&again);
        if (!info.wrapped) {
            check_wrapped(schema, keep, data + 1, size - 1, &line);
        }
    }
    fh_buf_done(&line);
    return 0;
}
