/* buf.c: growing buffer with a maximum. Growth doubles, so appending is linear in total. */
#include "fh/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fh_buf_init(struct fh_buf *buf, size_t max)
{
    *buf = (struct fh_buf){.max = max};
}

void fh_buf_done(struct fh_buf *buf)
{
    free(buf->data);
    *buf = (struct fh_buf){.max = buf->max};
}

int fh_buf_reserve(struct fh_buf *buf, size_t extra)
{
    if (extra > buf->max || buf->len > buf->max - extra) {
        return -ENOBUFS;
    }
    size_t need = buf->len + extra;
    if (need <= buf->capacity && buf->data) {
        return 0;
    }
    size_t capacity = buf->capacity ? buf->capacity : 256;
    while (capacity < need) {
        capacity = capacity > buf->max / 2 ? buf->max : capacity * 2;
    }
    if (capacity > buf->max && need <= buf->max) {
        capacity = buf->max > 0 ? buf->max : 1;
    }
    char *data = realloc(buf->data, capacity);
    if (!data) {
        return -ENOMEM;
    }
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int fh_buf_append(struct fh_buf *buf, const void *bytes, size_t len)
{
    int r = fh_buf_reserve(buf, len);
    if (r < 0) {
        return r;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
        buf->len += len;
    }
    return 0;
}

int fh_buf_printf(struct fh_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int r = n < 0 ? -EINVAL : fh_buf_reserve(buf, (size_t)n + 1);
    if (r == 0) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, format, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    return r;
}

void fh_buf_consume(struct fh_buf *buf, size_t len)
{
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

const char *fh_buf_string(struct fh_buf *buf)
{
    if (fh_buf_reserve(buf, 1) < 0) {
        return NULL;
    }
    buf->data[buf->len] = '\0';
    return buf->data;
}
