/* nats_stream.h: the stream our subjects belong to: is it as the promise needs it, and what is in
 * it. One thread at a time; calls block for timeout_ms per answer of the server. */
#ifndef FH_SINK_NATS_STREAM_H
#define FH_SINK_NATS_STREAM_H

#include "nats_name.h"

#include "fh/sink.h"

#include <nats/nats.h>

struct fh_nats_stream {
    struct fh_nats_position end; /* its name, when it was made, the last sequence in it */
    int64_t window_ms;           /* duplicates are recognised for so long */
    int64_t replicas;
    bool keeps; /* messages stay until a limit is reached; else until somebody has taken them */
    bool made;  /* by this very call */
};

/* Look at the stream, and make it when it is not there and we may (stream_replicas). filter: our
 * subjects. Refused with a sentence: a stream that does not take all of them, that does not
 * acknowledge, or whose duplicate window is shorter than what is promised. */
int fh_nats_stream_open(jsCtx *js, const struct fh_config_sink *config, const char *filter,
                        struct fh_error *err, struct fh_nats_stream *ret);

/* Which messages to read: from a sequence on, or (sequence 0) from a time on, up to the end. */
struct fh_nats_range {
    uint64_t from;
    int64_t since_ns;
    uint64_t end;
    const char *name; /* whose messages: what stands behind the key in Nats-Msg-Id */
};
/* Tell the keys of that name's messages in the range, in order, headers only. found: as in
 * fh/sink.h; when it returns non-zero, or the context says that we are fenced: -EAGAIN. */
int fh_nats_stream_read(jsCtx *js, const struct fh_config_sink *config,
                        const struct fh_sink_context *context, const struct fh_nats_range *range,
                        fh_sink_found found, void *userdata, struct fh_error *err);

#endif
