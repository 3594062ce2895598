/* inflate.h: one gzip message of gRPC ("grpc-encoding: gzip") unpacked, with a limit. */
#ifndef FH_INFLATE_H
#define FH_INFLATE_H

#include "fh/buf.h"

struct fh_inflate;

/* Reused for many messages, so that zlib's 40 KiB of state are allocated once. 0 or -ENOMEM. One
 * per thread. */
int fh_inflate_new(struct fh_inflate **ret_inflate);
void fh_inflate_free(struct fh_inflate *inflate); /* NULL allowed */

/* Append what the gzip (or zlib) stream in bytes unpacks to. It must end exactly with the bytes. 0;
 * -EBADMSG: not gzip, damaged, cut short, or bytes after its end; -ENOBUFS: more than max bytes (or
 * the buffer's max) would come out, noticed without producing more than that; -ENOMEM. On failure
 * out->len is what it was. */
int fh_inflate(struct fh_inflate *inflate, const void *bytes, size_t len, size_t max,
               struct fh_buf *out);

#endif
