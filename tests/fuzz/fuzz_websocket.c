/* fuzz_websocket.c: frames of a server, cut in two ways: whatever the bytes, both give the same
 * lines, memory stays within its limits, and what is to be sent can be taken. */
#include "websocket_frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 64

struct sum {
    uint64_t hash;
    size_t lines;
};

static int on_line(void *userdata, const char *line, size_t len, uint64_t offset, bool truncated)
{
    struct sum *sum = userdata;
    if (len > MAX_LINE) {
        abort();
    }
    sum->hash = sum->hash * 31 + len + offset * 7 + truncated;
    for (size_t i = 0; i < len; i++) {
        sum->hash = sum->hash * 31 + (uint8_t)line[i];
    }
    sum->lines++;
    return 0;
}

static int feed(const uint8_t *bytes, size_t len, size_t piece, struct sum *sum)
{
    struct fh_websocket_frames frames;
    fh_websocket_frames_init(&frames, MAX_LINE);
    int r = 0;
    for (size_t at = 0; at < len && r >= 0; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        r = fh_websocket_frames_feed(&frames, (const char *)bytes + at, n, on_line, sum);
        fh_websocket_frames_ping(&frames);
        char out[64];
        while (fh_websocket_frames_take(&frames, out, sizeof(out)) > 0) {
        }
    }
    fh_websocket_frames_reset(&frames);
    fh_websocket_frames_done(&frames);
    return r < 0 ? r : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 1) {
        return 0;
    }
    struct sum whole = {0};
    struct sum pieces = {0};
    int r = feed(bytes + 1, len - 1, len, &whole);
    if (feed(bytes + 1, len - 1, 1 + bytes[0] % 16, &pieces) != r || whole.hash != pieces.hash ||
        whole.lines != pieces.lines) {
        abort();
    }
    return 0;
}
