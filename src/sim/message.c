/* message.c: owns the framing of lines as WebSocket messages and gRPC messages. Never sends. */
#include "message.h"

#include "record_encode.h"
#include "websocket_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LINES_MAX    (128 << 20)
#define KEEP_MAX     (4 << 20) /* a larger buffer is given back */
#define PREFIX       5
#define WRAPPER_HEAD 11 /* the tag of field 1 and a varint */

int sim_framer_init(struct sim_framer *framer, enum sim_channel channel,
                    const struct sim_schema *schema, bool gzip)
{
    *framer = (struct sim_framer){.channel = channel, .schema = schema};
    fh_buf_init(&framer->lines, LINES_MAX);
    fh_buf_init(&framer->record, LINES_MAX);
    fh_buf_init(&framer->packed, LINES_MAX);
    if (channel != SIM_CHANNEL_GRPC || !gzip) {
        return 0;
    }
    framer->deflate = calloc(1, sizeof(*framer->deflate));
    if (!framer->deflate || deflateInit2(framer->deflate, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8,
                                         Z_DEFAULT_STRATEGY) != Z_OK) {
        free(framer->deflate);
        framer->deflate = NULL;
        return -ENOMEM;
    }
    return 0;
}

void sim_framer_done(struct sim_framer *framer)
{
    if (framer->deflate) {
        deflateEnd(framer->deflate);
        free(framer->deflate);
    }
    fh_buf_done(&framer->lines);
    fh_buf_done(&framer->record);
    fh_buf_done(&framer->packed);
}

/* One message on its way from a line to the wire. */
struct job {
    struct sim_framer *framer;
    struct sim_stream *stream;
    struct fh_buf *out;
    bool faults; /* some rule may apply to messages */
    bool tiny;   /* many_chunks: byte by byte */
    bool half;   /* half_line: only the first half of it, and nothing after */
};

static bool use(const struct job *job, enum sim_fault_type type, struct sim_fault *ret)
{
    unsigned replica = sim_reader_info(job->stream->reader)->replica;
    return job->faults && sim_faults_use(job->stream->server->faults, type, replica, 0, ret);
}

static int put_frame(const struct job *job, bool final, enum sim_ws_opcode opcode,
                     const char *payload, size_t len)
{
    unsigned char head[SIM_WS_HEAD_MAX];
    int r = fh_buf_append(job->out, head, sim_ws_frame_head(final, opcode, len, head));
    size_t part = job->half ? len / 2 : len;
    return r < 0 ? r : fh_buf_append(job->out, payload, part);
}

/* A message in parts of that many bytes, a ping between them on request. */
static int put_fragments(const struct job *job, size_t part, bool pings, const char *payload,
                         size_t len)
{
    size_t at = 0;
    int r = 0;
    do {
        size_t n = len - at < part ? len - at : part;
        bool final = at + n == len;
        r = put_frame(job, final, at == 0 ? SIM_WS_TEXT : SIM_WS_CONTINUATION, payload + at, n);
        if (r == 0 && pings && !final) {
            r = put_frame(job, true, SIM_WS_PING, "between", 7);
        }
        at += n;
    } while (r == 0 && at < len);
    return r;
}

static int put_websocket(const struct job *job, const char *line, size_t len)
{
    struct sim_fault fault;
    if (use(job, SIM_FAULT_NO_NEWLINE, &fault) && len > 0 && line[len - 1] == '\n') {
        len--;
    }
    if (use(job, SIM_FAULT_FRAGMENTS, &fault)) {
        return put_fragments(job, (size_t)fault.bytes, fault.pings, line, len);
    }
    if (job->tiny) {
        return put_fragments(job, 1, false, line, len);
    }
    return put_frame(job, true, SIM_WS_TEXT, line, len);
}

/* google.protobuf.BytesValue: field 1 holds the record. */
static int wrap(struct fh_buf *record)
{
    unsigned char head[WRAPPER_HEAD];
    size_t n = 0;
    head[n++] = 1 << 3 | 2;
    size_t rest = record->len;
    while (rest >= 0x80) {
        head[n++] = (unsigned char)(rest | 0x80);
        rest >>= 7;
    }
    head[n++] = (unsigned char)rest;
    int r = fh_buf_reserve(record, n);
    if (r == 0) {
        memmove(record->data + n, record->data, record->len);
        memcpy(record->data, head, n);
        record->len += n;
    }
    return r;
}

static int compress_record(struct sim_framer *framer)
{
    z_stream *deflater = framer->deflate;
    fh_buf_clear(&framer->packed);
    if (deflateReset(deflater) != Z_OK) {
        return -EIO;
    }
    int r = fh_buf_reserve(&framer->packed, deflateBound(deflater, framer->record.len));
    if (r < 0) {
        return r;
    }
    deflater->next_in = (unsigned char *)framer->record.data;
    deflater->avail_in = (unsigned)framer->record.len;
    deflater->next_out = (unsigned char *)framer->packed.data;
    deflater->avail_out = (unsigned)framer->packed.capacity;
    if (deflate(deflater, Z_FINISH) != Z_STREAM_END) {
        return -EIO;
    }
    framer->packed.len = framer->packed.capacity - deflater->avail_out;
    return 0;
}

/* A line that is no record - junk of the faults - goes out as it is: it is no protobuf either. An
 * empty line is an empty message. */
static int make_record(const struct job *job, const char *line, size_t len)
{
    struct fh_buf *record = &job->framer->record;
    fh_buf_clear(record);
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    if (len == 0) {
        return 0;
    }
    int r = sim_record_encode(job->framer->schema, line, len, record);
    return r == -EINVAL ? fh_buf_append(record, line, len) : r;
}

static int put_grpc(const struct job *job, const char *line, size_t len)
{
    struct sim_fault fault;
    struct sim_framer *framer = job->framer;
    int r = make_record(job, line, len);
    if (r == 0 && use(job, SIM_FAULT_WRAPPER, &fault)) {
        r = wrap(&framer->record);
    }
    if (r == 0 && framer->deflate) {
        r = compress_record(framer);
    }
    if (r < 0) {
        return r;
    }
    const struct fh_buf *message = framer->deflate ? &framer->packed : &framer->record;
    unsigned char prefix[PREFIX] = {framer->deflate != NULL, (unsigned char)(message->len >> 24),
                                    (unsigned char)(message->len >> 16),
                                    (unsigned char)(message->len >> 8),
                                    (unsigned char)message->len};
    r = fh_buf_append(job->out, prefix, sizeof(prefix));
    size_t part = job->half ? message->len / 2 : message->len;
    return r == 0 && part > 0 ? fh_buf_append(job->out, message->data, part) : r;
}

/* The lines of the next message: one, or as many as many_lines wants; 0 = wait for more. */
static size_t next_message(const struct job *job, const char *lines, size_t len)
{
    struct sim_framer *framer = job->framer;
    struct sim_fault fault;
    if (framer->channel == SIM_CHANNEL_WEBSOCKET && framer->gather == 0 &&
        use(job, SIM_FAULT_MANY_LINES, &fault)) {
        framer->gather = (unsigned)fault.by;
    }
    unsigned wanted = framer->gather > 0 ? framer->gather : 1;
    size_t at = 0;
    while (wanted > 0 && at < len) {
        const char *end = memchr(lines + at, '\n', len - at);
        at = end ? (size_t)(end - lines) + 1 : len;
        wanted--;
    }
    if (wanted > 0 && !job->stream->ended) {
        return 0;
    }
    framer->gather = 0;
    return at;
}

static void give_back(struct fh_buf *buf)
{
    if (buf->capacity > KEEP_MAX && buf->len == 0) {
        size_t max = buf->max;
        fh_buf_done(buf);
        fh_buf_init(buf, max);
    }
}

int64_t sim_framer_fill(struct sim_framer *framer, struct sim_stream *stream, struct fh_time now,
                        unsigned pass, struct fh_buf *out)
{
    struct fh_buf *lines = &framer->lines;
    size_t origin = out->len;
    size_t base = lines->len;
    int64_t n = sim_stream_fill(stream, now, pass, lines);
    if (n <= 0) {
        return n;
    }
    size_t tiny_start = base + stream->tiny_start;
    size_t tiny_end = stream->tiny_end > 0 ? base + stream->tiny_end : 0;
    stream->tiny_start = stream->tiny_end = 0;
    struct job job = {.framer = framer, .stream = stream, .out = out};
    job.faults = sim_faults_at_events(stream->server->faults);
    size_t at = 0;
    int r = 0;
    while (r == 0 && at < lines->len) {
        size_t len = next_message(&job, lines->data + at, lines->len - at);
        if (len == 0) {
            break;
        }
        size_t start = out->len;
        job.tiny = at >= tiny_start && at < tiny_end;
        job.half = stream->half && at + len == lines->len;
        if (framer->channel == SIM_CHANNEL_WEBSOCKET) {
            r = put_websocket(&job, lines->data + at, len);
        } else {
            r = put_grpc(&job, lines->data + at, len);
            if (job.tiny) {
                stream->tiny_start = stream->tiny_end > 0 ? stream->tiny_start : start - origin;
                stream->tiny_end = out->len - origin;
            }
        }
        at += len;
    }
    fh_buf_consume(lines, at);
    give_back(lines);
    fh_buf_clear(&framer->record);
    give_back(&framer->record);
    return r < 0 ? r : (int64_t)(out->len - origin);
}
