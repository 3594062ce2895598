/* fuzz_grpc_frame.c: the splitter against the rule read off the whole body, for any way of cutting
 * it into chunks.
 *
 * Input: one byte for max_message, one for the sizes of the chunks, then the body. */
#include "fh/grpc_frame.h"

#include "fuzzer.h"

#include <errno.h>
#include <string.h>

struct oracle {
    const uint8_t *body;
    size_t size;
    size_t max;
    size_t at; /* where the next prefix is */
};

static size_t declared(const struct oracle *oracle)
{
    const uint8_t *p = oracle->body + oracle->at;
    return (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
}

static int on_message(void *userdata, const void *message, size_t len, bool compressed,
                      uint64_t offset, bool truncated)
{
    struct oracle *oracle = userdata;
    CHECK(oracle->size - oracle->at >= FH_GRPC_PREFIX);
    size_t whole = declared(oracle);
    CHECK(offset == oracle->at);
    CHECK(compressed == (oracle->body[oracle->at] == 1));
    CHECK(truncated == (whole > oracle->max));
    CHECK(len == (truncated ? oracle->max : whole));
    const uint8_t *start = oracle->body + oracle->at + FH_GRPC_PREFIX;
    CHECK(len <= oracle->size - (size_t)(start - oracle->body));
    CHECK(len == 0 || memcmp(start, message, len) == 0);
    size_t left = oracle->size - (size_t)(start - oracle->body);
    oracle->at = whole < left ? oracle->at + FH_GRPC_PREFIX + whole : oracle->size;
    return 0;
}

/* Nothing whole may be left unseen. */
static void check_end(const struct oracle *oracle, int result)
{
    if (oracle->at == oracle->size) {
        CHECK(result == 0);
        return;
    }
    CHECK((result == -EPROTO) == (oracle->body[oracle->at] > 1));
    size_t left = oracle->size - oracle->at;
    if (result == 0 && left >= FH_GRPC_PREFIX) {
        size_t whole = declared(oracle);
        CHECK(left - FH_GRPC_PREFIX < (whole < oracle->max ? whole : oracle->max));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct oracle oracle = {.body = data + 2, .size = size - 2, .max = data[0]};
    uint32_t random = data[1];
    struct fh_grpc_frame frame;
    fh_grpc_frame_init(&frame, oracle.max);
    int r = 0;
    for (size_t at = 0; at < oracle.size && r == 0;) {
        random = random * 1103515245U + 12345U;
        size_t len = data[1] == 0 ? oracle.size : 1 + (random >> 16) % (data[1] / 8U + 1U);
        len = len < oracle.size - at ? len : oracle.size - at;
        char *chunk = malloc(len); /* of its own, so that a read past it is noticed */
        CHECK(chunk);
        memcpy(chunk, oracle.body + at, len);
        r = fh_grpc_frame_feed(&frame, chunk, len, on_message, &oracle);
        free(chunk);
        CHECK(r == 0 || r == -EPROTO);
        at += len;
        CHECK(r != 0 || frame.offset == at);
        CHECK(frame.carry.len <= oracle.max);
    }
    check_end(&oracle, r);
    fh_grpc_frame_done(&frame);
    return 0;
}
