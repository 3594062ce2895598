/* buf.h: a growing byte buffer that always has a maximum.
 *
 * Embedded: fh_buf_init / fh_buf_done. Data is not NUL-terminated unless fh_buf_printf or
 * fh_buf_string was the last call. One thread at a time. */
#ifndef FH_BUF_H
#define FH_BUF_H

#include "fh/err.h"

#include <stddef.h>
#include <stdint.h>

struct fh_buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max; /* bytes; growth beyond it is refused with -ENOBUFS */
};

void fh_buf_init(struct fh_buf *buf, size_t max);
void fh_buf_done(struct fh_buf *buf); /* frees; leaves an empty buffer with the same max */
static inline void fh_buf_clear(struct fh_buf *buf)
{
    buf->len = 0;
}

/* Room for at least extra more bytes after len. 0, -ENOMEM, or -ENOBUFS when max would be passed
 * (the contents are untouched in both cases). */
int fh_buf_reserve(struct fh_buf *buf, size_t extra);
int fh_buf_append(struct fh_buf *buf, const void *bytes, size_t len);
int fh_buf_printf(struct fh_buf *buf, const char *format, ...) FH_PRINTF(2, 3);
/* Drop the first len bytes (len <= buf->len). */
void fh_buf_consume(struct fh_buf *buf, size_t len);
/* NUL-terminate (not counted in len) and return data; NULL when out of room. */
const char *fh_buf_string(struct fh_buf *buf);

#endif
