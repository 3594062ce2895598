/* websocket_frames.c: owns the state between two reads of a WebSocket connection. wslay parses and
 * writes the frames; which frame may follow which, and what a message means, is decided here.
 * wslay's event layer is not used: it ends the connection over a character that is no UTF-8, and
 * the replay would bring the same character again. Never touches a socket. */
#include "websocket_frames.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define OUT_MAX 4096

static ssize_t on_recv(uint8_t *bytes, size_t size, int flags, void *userdata)
{
    (void)flags;
    struct fh_websocket_frames *frames = userdata;
    size_t n = size < frames->in_len ? size : frames->in_len;
    if (n == 0) {
        return -1; /* wslay asks again in the next feed */
    }
    memcpy(bytes, frames->in, n);
    frames->in += n;
    frames->in_len -= n;
    return (ssize_t)n;
}

static ssize_t on_send(const uint8_t *bytes, size_t len, int flags, void *userdata)
{
    (void)flags;
    struct fh_websocket_frames *frames = userdata;
    return fh_buf_append(&frames->out, bytes, len) < 0 ? -1 : (ssize_t)len;
}

/* The mask keeps a client from choosing the bytes on the wire (RFC 6455, 10.3): it must not be
 * guessable. */
static int on_mask(uint8_t *bytes, size_t len, void *userdata)
{
    (void)userdata;
    return getrandom(bytes, len, 0) == (ssize_t)len ? 0 : -1;
}

void fh_websocket_frames_init(struct fh_websocket_frames *frames, size_t max_line)
{
    *frames = (struct fh_websocket_frames){.newline = true};
    fh_ndjson_init(&frames->lines, max_line);
    fh_buf_init(&frames->binary, max_line);
    fh_buf_init(&frames->out, OUT_MAX);
}

void fh_websocket_frames_done(struct fh_websocket_frames *frames)
{
    wslay_frame_context_free(frames->context);
    fh_ndjson_done(&frames->lines);
    fh_buf_done(&frames->binary);
    fh_buf_done(&frames->out);
}

void fh_websocket_frames_reset(struct fh_websocket_frames *frames)
{
    wslay_frame_context_free(frames->context);
    frames->context = NULL;
    (void)fh_ndjson_reset(&frames->lines);
    fh_buf_clear(&frames->binary);
    fh_buf_clear(&frames->out);
    frames->binary_cut = false;
    frames->message = 0;
    frames->in_frame = false;
    frames->newline = true;
    frames->control_len = 0;
    frames->close_received = false;
}

static int open_context(struct fh_websocket_frames *frames)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = on_send, .recv_callback = on_recv, .genmask_callback = on_mask};
    if (frames->context) {
        return 0;
    }
    return wslay_frame_context_init(&frames->context, &callbacks, frames) < 0 ? -ENOMEM : 0;
}

/* Queue a control frame. One that does not fit is left out: the server sends faster than it reads,
 * and a lost pong is its loss. */
static void queue(struct fh_websocket_frames *frames, uint8_t opcode, const char *bytes, size_t len)
{
    size_t frame_max = 2 + 4 + FH_WEBSOCKET_CONTROL_MAX;
    if (open_context(frames) < 0 || frames->out.len + frame_max > OUT_MAX ||
        fh_buf_reserve(&frames->out, frame_max) < 0) {
        return;
    }
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .opcode = opcode,
                                     .mask = 1,
                                     .payload_length = len,
                                     .data = (const uint8_t *)bytes,
                                     .data_length = len};
    (void)wslay_frame_send(frames->context, &frame);
}

void fh_websocket_frames_ping(struct fh_websocket_frames *frames)
{
    if (!frames->close_received) {
        queue(frames, WSLAY_PING, "", 0);
    }
}

size_t fh_websocket_frames_take(struct fh_websocket_frames *frames, char *bytes, size_t size)
{
    size_t n = size < frames->out.len ? size : frames->out.len;
    if (n > 0) {
        memcpy(bytes, frames->out.data, n);
        fh_buf_consume(&frames->out, n);
    }
    return n;
}

static void remember_close(struct fh_websocket_frames *frames)
{
    frames->close_received = true;
    frames->close_code = 0;
    frames->close_reason[0] = '\0';
    if (frames->control_len >= 2) {
        const unsigned char *bytes = (const unsigned char *)frames->control;
        frames->close_code = (uint16_t)(bytes[0] << 8 | bytes[1]);
        memcpy(frames->close_reason, frames->control + 2, frames->control_len - 2);
        frames->close_reason[frames->control_len - 2] = '\0';
    }
    fh_buf_clear(&frames->out); /* nobody waits for a pong any more */
    queue(frames, WSLAY_CONNECTION_CLOSE, frames->control, frames->control_len >= 2 ? 2 : 0);
}

static int frame_start(struct fh_websocket_frames *frames, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv != 0 || frame->mask != 0) {
        return -EPROTO; /* no extension was agreed on; a server does not mask */
    }
    frames->in_frame = true;
    frames->frame_left = frame->payload_length;
    frames->control_len = 0;
    switch (frame->opcode) {
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (frames->message != 0) {
            return -EPROTO;
        }
        frames->message = frame->opcode;
        return 0;
    case WSLAY_CONTINUATION_FRAME:
        return frames->message == 0 ? -EPROTO : 0;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        return 0;
    default:
        return -EPROTO;
    }
}

static void collect_binary(struct fh_websocket_frames *frames, const char *bytes, size_t len)
{
    size_t room = frames->binary.max - frames->binary.len;
    frames->binary_cut = frames->binary_cut || len > room;
    if (fh_buf_append(&frames->binary, bytes, len < room ? len : room) < 0) {
        frames->binary_cut = true;
    }
}

static int message_end(struct fh_websocket_frames *frames, fh_ndjson_line line, void *userdata)
{
    int r = 0;
    if (frames->message == WSLAY_BINARY_FRAME) {
        r = line(userdata, frames->binary.len > 0 ? frames->binary.data : "", frames->binary.len,
                 frames->lines.offset, frames->binary_cut);
        fh_buf_clear(&frames->binary);
        frames->binary_cut = false;
    } else if (!frames->newline) {
        r = fh_ndjson_feed(&frames->lines, "\n", 1, line, userdata);
        frames->lines.offset--; /* a byte nobody sent */
    }
    frames->message = 0;
    frames->newline = true;
    return r;
}

static int frame_end(struct fh_websocket_frames *frames, const struct wslay_frame_iocb *frame,
                     fh_ndjson_line line, void *userdata)
{
    frames->in_frame = false;
    switch (frame->opcode) {
    case WSLAY_PING:
        queue(frames, WSLAY_PONG, frames->control, frames->control_len);
        return 0;
    case WSLAY_PONG:
        return 0;
    case WSLAY_CONNECTION_CLOSE:
        if (frames->control_len == 1) {
            return -EPROTO;
        }
        remember_close(frames);
        return 0;
    default:
        return frame->fin ? message_end(frames, line, userdata) : 0;
    }
}

/* wslay hands a frame out in pieces, each with the frame's header. */
static int take_piece(struct fh_websocket_frames *frames, const struct wslay_frame_iocb *frame,
                      fh_ndjson_line line, void *userdata)
{
    int r = frames->in_frame ? 0 : frame_start(frames, frame);
    if (r < 0) {
        return r;
    }
    const char *bytes = (const char *)frame->data;
    size_t len = frame->data_length;
    if (wslay_is_ctrl_frame(frame->opcode)) {
        memcpy(frames->control + frames->control_len, bytes, len); /* wslay: 125 bytes at most */
        frames->control_len += len;
    } else {
        frames->stream = true;
        if (frames->message == WSLAY_BINARY_FRAME) {
            collect_binary(frames, bytes, len);
        } else if (len > 0) {
            frames->newline = bytes[len - 1] == '\n';
            r = fh_ndjson_feed(&frames->lines, bytes, len, line, userdata);
        }
    }
    frames->frame_left -= len;
    if (r < 0 || frames->frame_left > 0) {
        return r;
    }
    return frame_end(frames, frame, line, userdata);
}

int fh_websocket_frames_feed(struct fh_websocket_frames *frames, const char *bytes, size_t len,
                             fh_ndjson_line line, void *userdata)
{
    int r = open_context(frames);
    frames->in = bytes;
    frames->in_len = len;
    frames->stream = false;
    while (r == 0 && !frames->close_received) {
        struct wslay_frame_iocb frame = {0};
        ssize_t n = wslay_frame_recv(frames->context, &frame);
        if (n == WSLAY_ERR_WANT_READ) {
            break;
        }
        r = n < 0 ? -EPROTO : take_piece(frames, &frame, line, userdata);
    }
    frames->in = NULL;
    frames->in_len = 0;
    if (r < 0) {
        return r;
    }
    return frames->stream ? 1 : 0;
}
