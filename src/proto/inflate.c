/* inflate.c: zlib around one message at a time. Never produces more than it was allowed. */
#include "fh/inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define EITHER_HEADER 32                /* zlib's flag: gzip or zlib, whichever it is */
#define STEP          ((size_t)4 << 10) /* least room offered to zlib at a time */

struct fh_inflate {
    z_stream stream;
};

int fh_inflate_new(struct fh_inflate **ret_inflate)
{
    struct fh_inflate *inflate = calloc(1, sizeof(*inflate));
    if (!inflate || inflateInit2(&inflate->stream, MAX_WBITS + EITHER_HEADER) != Z_OK) {
        free(inflate);
        return -ENOMEM;
    }
    *ret_inflate = inflate;
    return 0;
}

void fh_inflate_free(struct fh_inflate *inflate)
{
    if (inflate) {
        (void)inflateEnd(&inflate->stream);
        free(inflate);
    }
}

/* Room for the next piece: at most left bytes and one more, with which a stream that has more than
 * it may have is noticed. */
static int offer(z_stream *stream, struct fh_buf *out, size_t left)
{
    size_t wanted = out->len > STEP ? out->len : STEP;
    size_t step = wanted <= left ? wanted : left + 1;
    int r = fh_buf_reserve(out, step);
    if (r == -ENOBUFS && out->len < out->max) {
        step = out->max - out->len;
        r = fh_buf_reserve(out, step);
    }
    stream->next_out = r == 0 ? (Bytef *)out->data + out->len : NULL;
    stream->avail_out = r == 0 ? (uInt)(step < UINT_MAX ? step : UINT_MAX) : 0;
    return r;
}

int fh_inflate(struct fh_inflate *unpacker, const void *bytes, size_t len, size_t max,
               struct fh_buf *out)
{
    z_stream *stream = &unpacker->stream;
    size_t before = out->len;
    if (len == 0 || len > UINT_MAX || inflateReset(stream) != Z_OK) {
        return -EBADMSG;
    }
    stream->next_in = (z_const Bytef *)bytes;
    stream->avail_in = (uInt)len;
    int status = Z_OK;
    int r = 0;
    while (r == 0 && status == Z_OK) {
        size_t produced = out->len - before;
        r = offer(stream, out, max - produced);
        if (r < 0) {
            break;
        }
        uInt room = stream->avail_out;
        status = inflate(stream, Z_NO_FLUSH);
        out->len += room - stream->avail_out;
        if (out->len - before > max) {
            r = -ENOBUFS;
        }
    }
    if (r == 0 && (status != Z_STREAM_END || stream->avail_in > 0)) {
        r = status == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
    }
    if (r < 0) {
        out->len = before;
    }
    return r;
}
