/* message.h: from the lines of a stream to the messages of WebSocket and gRPC, and the faults that
 * concern messages. Used by the one thread that owns the connection. */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include "record_schema.h"
#include "request.h"
#include "stream.h"

#include "fh/buf.h"
#include "fh/clock.h"

struct z_stream_s;

struct sim_framer {
    enum sim_channel channel;
    const struct sim_schema *schema; /* gRPC */
    struct z_stream_s *deflate;      /* gRPC with gzip; NULL = plain */
    struct fh_buf lines;             /* rendered, not framed yet */
    struct fh_buf record;            /* the message being made */
    struct fh_buf packed;
    unsigned gather; /* many_lines: this many in the next message */
};

/* gzip counts for gRPC alone. -ENOMEM. */
int sim_framer_init(struct sim_framer *framer, enum sim_channel channel,
                    const struct sim_schema *schema, bool gzip);
void sim_framer_done(struct sim_framer *framer);
/* As sim_stream_fill, framed: whole messages alone, but for the last one of half_line. The stream's
 * tiny_start and tiny_end count framed bytes afterwards (gRPC). */
int64_t sim_framer_fill(struct sim_framer *framer, struct sim_stream *stream, struct fh_time now,
                        unsigned pass, struct fh_buf *out);

#endif
