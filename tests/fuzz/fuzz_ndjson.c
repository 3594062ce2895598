/* fuzz_ndjson.c: the splitter against the rule written down byte by byte, for any way of cutting
 * the stream into chunks.
 *
 * Input: one byte for max_line, one for the sizes of the chunks, then the stream. */
#include "fh/ndjson.h"

#include "fuzzer.h"

#include <string.h>

/* The next line the rule gives, looked for where the last one ended. */
struct oracle {
    const char *stream;
    size_t size;
    size_t max_line;
    size_t at;
    size_t fed; /* bytes the splitter has seen */
};

struct line {
    size_t offset;
    size_t len;
    bool truncated;
};

static bool next_line(struct oracle *oracle, struct line *ret)
{
    while (oracle->at < oracle->size) {
        size_t start = oracle->at;
        size_t stop = start;
        while (stop < oracle->size && oracle->stream[stop] != '\n') {
            stop++;
        }
        bool ended = stop < oracle->size;
        size_t len = stop - start;
        oracle->at = ended ? stop + 1 : stop;
        if (ended && len > 0 && oracle->stream[stop - 1] == '\r') {
            len--;
        }
        bool only_return =
            !ended && len == oracle->max_line + 1 && oracle->stream[stop - 1] == '\r';
        bool truncated = len > oracle->max_line && !only_return;
        if (truncated || (ended && len > 0)) {
            *ret = (struct line){start, truncated ? oracle->max_line : len, truncated};
            return true;
        }
    }
    return false;
}

static int on_line(void *userdata, const char *text, size_t len, uint64_t offset, bool truncated)
{
    struct oracle *oracle = userdata;
    struct line wanted = {0};
    CHECK(next_line(oracle, &wanted));
    CHECK(wanted.offset == offset && wanted.len == len && wanted.truncated == truncated);
    CHECK(len == 0 || memcmp(oracle->stream + wanted.offset, text, len) == 0);
    CHECK(wanted.offset + len <= oracle->fed);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *stream = (const char *)data + 2;
    size_t len = size - 2;
    struct oracle oracle = {.stream = stream, .size = len, .max_line = data[0]};
    struct fh_ndjson splitter;
    fh_ndjson_init(&splitter, oracle.max_line);
    size_t sizes = data[1];
    for (size_t at = 0; at < len;) {
        /* 0: all at once; else chunks of 1 to that many bytes, and empty ones between them */
        size_t chunk = sizes == 0 ? len : 1 + (at * 7 + at / 3) % sizes;
        chunk = chunk > len - at ? len - at : chunk;
        char *copy = malloc(chunk);
        CHECK(copy);
        memcpy(copy, stream + at, chunk);
        oracle.fed = at + chunk;
        CHECK(fh_ndjson_feed(&splitter, copy, 0, on_line, &oracle) == 0);
        CHECK(fh_ndjson_feed(&splitter, copy, chunk, on_line, &oracle) == 0);
        free(copy);
        at += chunk;
        CHECK(splitter.offset == at);
        CHECK(splitter.carry.len <= oracle.max_line + 1);
    }
    struct line missed;
    CHECK(!next_line(&oracle, &missed));
    fh_ndjson_done(&splitter);
    return 0;
}
