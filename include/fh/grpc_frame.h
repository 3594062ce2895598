/* grpc_frame.h: cut the body of a gRPC answer into messages, wherever the chunks break.
 *
 * A message is 1 byte of flags (0 plain, 1 compressed), 4 bytes of length (big endian), then the
 * message. Pure: decompressing and transcoding are the caller's. Memory: one carry buffer that
 * grows with the bytes that arrived, never with what a prefix promises, up to max_message. */
#ifndef FH_GRPC_FRAME_H
#define FH_GRPC_FRAME_H

#include "fh/buf.h"

#include <stdbool.h>

#define FH_GRPC_PREFIX 5

struct fh_grpc_frame {
    struct fh_buf carry; /* the message so far, without its prefix */
    size_t max_message;
    uint8_t prefix[FH_GRPC_PREFIX];
    size_t prefix_len;  /* bytes of the prefix that have arrived */
    uint32_t remaining; /* bytes of the message that have not; valid when the prefix is whole */
    bool skipping;      /* inside the rest of an oversized message */
    uint64_t offset;    /* bytes of the body consumed; a reset sets it to 0 */
};

/* Called per message. message is valid during the call only (never NULL, also when len is 0);
 * offset is that of its prefix in the body. truncated: only the first max_message bytes of an
 * oversized message. Return < 0 to abort the feed. */
typedef int (*fh_grpc_message)(void *userdata, const void *message, size_t len, bool compressed,
                               uint64_t offset, bool truncated);

/* max_message: bytes as they are on the wire, compressed or not. */
void fh_grpc_frame_init(struct fh_grpc_frame *frame, size_t max_message);
void fh_grpc_frame_done(struct fh_grpc_frame *frame);
/* A new answer: forget a half message. Returns how many bytes of it (prefix included) were dropped;
 * more than 0 at the end of an answer means that the stream was cut inside a message. */
size_t fh_grpc_frame_reset(struct fh_grpc_frame *frame);
/* Feed a chunk. Messages wholly inside the chunk are handed out without copying. An oversized
 * message is handed out once, truncated, then the rest is skipped and the stream goes on. 0,
 * -ENOMEM, what the callback returned (then a later feed may go on after the message handed out,
 * with the bytes from frame->offset on), or -EPROTO: a flag byte other than 0 and 1, so this is not
 * gRPC or we have lost the boundary; drop the connection. */
int fh_grpc_frame_feed(struct fh_grpc_frame *frame, const void *bytes, size_t len,
                       fh_grpc_message message, void *userdata);

/* The prefix of a message of len bytes that we send. */
void fh_grpc_frame_prefix(uint8_t ret_prefix[FH_GRPC_PREFIX], bool compressed, uint32_t len);

#endif
