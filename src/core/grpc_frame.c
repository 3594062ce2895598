/* grpc_frame.c: messages out of chunks. Knows nothing of protobuf. The messages handed out are the
 * same for every way the body can be cut into chunks (tests/fuzz/fuzz_grpc_frame.c). */
#include "fh/grpc_frame.h"

#include <errno.h>
#include <string.h>

/* A carry buffer that one unusual message made larger than this is given back after it. */
#define CARRY_KEEP ((size_t)1 << 20)

void fh_grpc_frame_init(struct fh_grpc_frame *frame, size_t max_message)
{
    *frame = (struct fh_grpc_frame){.max_message = max_message};
    fh_buf_init(&frame->carry, max_message);
}

void fh_grpc_frame_done(struct fh_grpc_frame *frame)
{
    fh_buf_done(&frame->carry);
}

size_t fh_grpc_frame_reset(struct fh_grpc_frame *frame)
{
    size_t dropped = frame->prefix_len + frame->carry.len;
    size_t max_message = frame->max_message;
    fh_buf_done(&frame->carry);
    fh_grpc_frame_init(frame, max_message);
    return dropped;
}

void fh_grpc_frame_prefix(uint8_t ret_prefix[FH_GRPC_PREFIX], bool compressed, uint32_t len)
{
    ret_prefix[0] = compressed;
    for (int i = 0; i < 4; i++) {
        ret_prefix[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    }
}

static uint32_t prefix_length(const uint8_t prefix[FH_GRPC_PREFIX])
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           prefix[4];
}

/* Bytes of the prefix out of the chunk. 0 or -EPROTO. */
static int take_prefix(struct fh_grpc_frame *frame, const uint8_t **bytes, const uint8_t *end)
{
    size_t missing = FH_GRPC_PREFIX - frame->prefix_len;
    size_t taken = (size_t)(end - *bytes) < missing ? (size_t)(end - *bytes) : missing;
    if (frame->prefix_len == 0 && **bytes > 1) {
        return -EPROTO;
    }
    memcpy(frame->prefix + frame->prefix_len, *bytes, taken);
    frame->prefix_len += taken;
    frame->offset += taken;
    *bytes += taken;
    if (frame->prefix_len == FH_GRPC_PREFIX) {
        frame->remaining = prefix_length(frame->prefix);
    }
    return 0;
}

/* The message is whole (or as much of it as will be handed out): give it to the caller. The state
 * is moved on before, so that a callback that aborts leaves a feed that can go on. start: offset of
 * the message's first byte. */
static int hand_out(struct fh_grpc_frame *frame, const void *bytes, size_t len, uint64_t start,
                    fh_grpc_message message, void *userdata)
{
    bool truncated = frame->remaining > 0;
    bool compressed = frame->prefix[0] == 1;
    frame->skipping = truncated;
    if (!truncated) {
        frame->prefix_len = 0;
    }
    int r = message(userdata, bytes, len, compressed, start - FH_GRPC_PREFIX, truncated);
    return r < 0 ? r : 0;
}

/* What the chunk has of a message that did not begin in it, or does not end in it. */
static int carry_on(struct fh_grpc_frame *frame, const uint8_t **bytes, const uint8_t *end,
                    fh_grpc_message message, void *userdata)
{
    struct fh_buf *carry = &frame->carry;
    size_t available = (size_t)(end - *bytes);
    size_t piece = available < frame->remaining ? available : frame->remaining;
    size_t room = frame->max_message - carry->len;
    size_t taken = piece < room ? piece : room;
    int r = fh_buf_append(carry, *bytes, taken);
    if (r < 0) {
        return r;
    }
    *bytes += taken;
    frame->offset += taken;
    frame->remaining -= (uint32_t)taken;
    bool full = carry->len == frame->max_message;
    if (frame->remaining > 0 && !full) {
        return 0;
    }
    r = hand_out(frame, carry->data ? carry->data : "", carry->len, frame->offset - carry->len,
                 message, userdata);
    if (carry->capacity > CARRY_KEEP) {
        fh_buf_done(carry);
    }
    fh_buf_clear(carry);
    return r;
}

static void skip(struct fh_grpc_frame *frame, const uint8_t **bytes, const uint8_t *end)
{
    size_t available = (size_t)(end - *bytes);
    size_t skipped = available < frame->remaining ? available : frame->remaining;
    *bytes += skipped;
    frame->offset += skipped;
    frame->remaining -= (uint32_t)skipped;
    if (frame->remaining == 0) {
        frame->skipping = false;
        frame->prefix_len = 0;
    }
}

int fh_grpc_frame_feed(struct fh_grpc_frame *frame, const void *bytes, size_t len,
                       fh_grpc_message message, void *userdata)
{
    const uint8_t *p = bytes;
    const uint8_t *end = len > 0 ? p + len : p;
    int r = 0;
    while (p < end && r == 0) {
        if (frame->skipping) {
            skip(frame, &p, end);
            continue;
        }
        if (frame->prefix_len < FH_GRPC_PREFIX) {
            r = take_prefix(frame, &p, end);
            if (r < 0 || frame->prefix_len < FH_GRPC_PREFIX) {
                break;
            }
        }
        size_t whole = frame->remaining;
        if (frame->carry.len == 0 && whole <= (size_t)(end - p) && whole <= frame->max_message) {
            const uint8_t *start = p;
            uint64_t offset = frame->offset;
            p += whole;
            frame->offset += whole;
            frame->remaining = 0;
            r = hand_out(frame, start, whole, offset, message, userdata);
        } else {
            r = carry_on(frame, &p, end, message, userdata);
        }
    }
    return r;
}
