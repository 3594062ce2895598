/* fuzz_schema.c: any bytes as a descriptor set: refused with a sentence, or usable.
 *
 * Usable: with a record made of a few bytes of the set itself the transcoder gives out an object or
 * a refusal. */
#include "fh/transcode.h"

#include "fuzzer.h"

#include <string.h>

static void check_use(const struct fh_schema *schema, const uint8_t *bytes, size_t len)
{
    struct fh_schema_facts facts;
    fh_schema_facts(schema, &facts);
    CHECK(facts.messages > 0 && facts.fields >= 3 && facts.enums > 0);
    struct fh_transcoder *transcoder = NULL;
    struct fh_transcoder_options options = {.keep_unknown = true};
    CHECK(fh_transcoder_new(schema, &options, &transcoder) == 0);
    struct fh_buf line;
    fh_buf_init(&line, (size_t)1 << 20);
    for (size_t at = 0; at < len && at < 64; at++) {
        size_t piece = len - at < 40 ? len - at : 40;
        fh_buf_clear(&line);
        if (fh_transcode(transcoder, bytes + at, piece, &line, NULL) == FH_TRANSCODE_OK) {
            CHECK(line.len >= 2 && line.data[0] == '{' && line.data[line.len - 1] == '}');
        }
    }
    fh_buf_done(&line);
    fh_transcoder_free(transcoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_schema *schema = NULL;
    struct fh_error err = {.text = ""};
    int r = fh_schema_load(data, size, "fuzz", &schema, &err);
    if (r < 0) {
        CHECK(!schema && strncmp(err.text, "fuzz: ", 6) == 0);
        return 0;
    }
    check_use(schema, data, size);
    fh_schema_free(schema);
    return 0;
}
