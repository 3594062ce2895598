/* ndjson.c: lines out of chunks. Knows nothing of JSON. The lines handed out are the same for every
 * way the stream can be cut into chunks (tests/fuzz/fuzz_ndjson.c). */
#include "fh/ndjson.h"

#include <errno.h>
#include <string.h>

/* A carry buffer that one unusual line made larger than this is given back after that line. */
#define CARRY_KEEP ((size_t)1 << 20)

void fh_ndjson_init(struct fh_ndjson *splitter, size_t max_line)
{
    /* One byte above max_line, for a \r whose \n has not arrived. */
    size_t limit = max_line < SIZE_MAX - 1 ? max_line : SIZE_MAX - 1;
    *splitter = (struct fh_ndjson){.max_line = limit};
    fh_buf_init(&splitter->carry, limit + 1);
}

void fh_ndjson_done(struct fh_ndjson *splitter)
{
    fh_buf_done(&splitter->carry);
}

size_t fh_ndjson_reset(struct fh_ndjson *splitter)
{
    size_t dropped = splitter->carry.len;
    fh_buf_done(&splitter->carry);
    splitter->skipping = false;
    splitter->offset = 0;
    return dropped;
}

/* One line, without its \n. offset is that of its first byte. */
static int hand_out(const struct fh_ndjson *splitter, const char *text, size_t len, uint64_t offset,
                    fh_ndjson_line line, void *userdata)
{
    if (len > 0 && text[len - 1] == '\r') {
        len--;
    }
    if (len == 0) {
        return 0;
    }
    bool truncated = len > splitter->max_line;
    int r = line(userdata, text, truncated ? splitter->max_line : len, offset, truncated);
    return r < 0 ? r : 0;
}

/* The carry holds a line, or the beginning of one that is too long. */
static int hand_out_carry(struct fh_ndjson *splitter, bool truncated, fh_ndjson_line line,
                          void *userdata)
{
    struct fh_buf *carry = &splitter->carry;
    uint64_t offset = splitter->offset - carry->len;
    int r = truncated ? line(userdata, carry->data, splitter->max_line, offset, true)
                      : hand_out(splitter, carry->data, carry->len, offset, line, userdata);
    if (carry->capacity > CARRY_KEEP) {
        fh_buf_done(carry);
    }
    fh_buf_clear(carry);
    return r < 0 ? r : 0;
}

/* text continues the line in the carry, up to its \n when ended. */
static int carry_on(struct fh_ndjson *splitter, const char *text, size_t len, bool ended,
                    fh_ndjson_line line, void *userdata)
{
    struct fh_buf *carry = &splitter->carry;
    size_t max = splitter->max_line;
    size_t total = carry->len + len;
    size_t room = carry->max - carry->len;
    size_t taken = len < room ? len : room;
    int r = fh_buf_append(carry, text, taken);
    if (r < 0) {
        return r;
    }
    splitter->offset += taken;
    /* max + 1 bytes are still a good line if the last one is the \r before its \n. */
    bool truncated = total > max + 1 || (total == max + 1 && carry->data[max] != '\r');
    r = truncated || ended ? hand_out_carry(splitter, truncated, line, userdata) : 0;
    splitter->offset += len - taken + ended;
    splitter->skipping = truncated && !ended;
    return r;
}

int fh_ndjson_feed(struct fh_ndjson *splitter, const char *bytes, size_t len, fh_ndjson_line line,
                   void *userdata)
{
    const char *p = bytes;
    const char *end = len > 0 ? bytes + len : bytes;
    int r = 0;
    while (p < end && r == 0) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        size_t piece = (size_t)(stop - p);
        if (splitter->skipping) {
            splitter->skipping = !newline;
            splitter->offset += piece + !!newline;
        } else if (newline && splitter->carry.len == 0) {
            uint64_t offset = splitter->offset;
            splitter->offset += piece + 1;
            r = hand_out(splitter, p, piece, offset, line, userdata);
        } else {
            r = carry_on(splitter, p, piece, newline != NULL, line, userdata);
        }
        p = newline ? newline + 1 : end;
    }
    return r;
}
