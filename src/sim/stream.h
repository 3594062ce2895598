/* stream.h: the endless body of one firehose request: lines, keep-alives, and the faults that
 * concern lines.
 *
 * Used by the one thread that owns its connection. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include "server.h"

#include "fh/buf.h"
#include "fh/clock.h"

struct sim_later; /* lines held back by duplicate and reorder */

struct sim_stream {
    struct sim_server *server;
    struct sim_reader *reader;
    struct fh_time last_sent;
    struct fh_time not_before; /* the delay fault */
    unsigned pass;             /* in which a shared feed was last taken from */
    struct sim_later *later;
    unsigned later_count;
    /* Results of the last fill: */
    bool whole;        /* half_line leaves the line whole: the channel halves its own message */
    bool ended;        /* close once this is sent (half_line) */
    bool half;         /* with ended and whole: the last line is to be halved */
    size_t tiny_start; /* bytes [tiny_start, tiny_end) of what was appended go out one by one */
    size_t tiny_end;
    bool more; /* a shared feed may have more for a later pass */
};

struct sim_stream *sim_stream_new(struct sim_server *server, struct sim_reader *reader);
void sim_stream_free(struct sim_stream *stream); /* closes the reader */

/* Append what is there to be sent, about 128 KiB at most but for long lines. Returns the bytes
 * appended, 0 when there is nothing now, -ENOMEM. pass numbers the worker's rounds: where readers
 * compete, each takes once per round. */
int64_t sim_stream_fill(struct sim_stream *stream, struct fh_time now, unsigned pass,
                        struct fh_buf *out);
/* When it wants to be filled again without anything new in the world. */
struct fh_time sim_stream_due(const struct sim_stream *stream);
/* Take and throw away, as a connection does that is dead and does not know it. Returns an estimate
 * of the bytes. */
uint64_t sim_stream_swallow(struct sim_stream *stream, unsigned pass);

#endif
