/* websocket_frames.h: the frames of one WebSocket connection: messages out of bytes, lines out of
 * messages, and the frames we answer with. Client side of RFC 6455 without extensions. Private to
 * src/source.
 *
 * A text message holds one or several lines; its end ends a line. A binary message is one record,
 * whatever is in it, and is for the reader of the records to judge. Pings are answered (the last
 * one only, when they come faster than we send), a close frame is answered and remembered. Memory:
 * one line of at most max_line bytes, one binary message of as many, 4 KiB to send. */
#ifndef FH_SOURCE_WEBSOCKET_FRAMES_H
#define FH_SOURCE_WEBSOCKET_FRAMES_H

#include "fh/buf.h"
#include "fh/ndjson.h"

#include <stdbool.h>
#include <wslay/wslay.h>

#define FH_WEBSOCKET_CONTROL_MAX 125

struct fh_websocket_frames {
    wslay_frame_context_ptr context; /* NULL until the first byte */
    struct fh_ndjson lines;          /* of text messages; its offset counts their bytes */
    struct fh_buf binary;            /* the binary message so far */
    bool binary_cut;                 /* it was longer than max_line */
    struct fh_buf out;               /* frames to send */
    const char *in;                  /* during a feed: what wslay has not taken yet */
    size_t in_len;
    uint8_t message; /* opcode of the message under way, 0 = none */
    bool in_frame;
    bool newline; /* the message so far ends with one, or is empty */
    bool stream;  /* the feed held something of a message */
    uint64_t frame_left;
    char control[FH_WEBSOCKET_CONTROL_MAX];
    size_t control_len;
    bool close_received;
    uint16_t close_code; /* 0 = the frame had none */
    char close_reason[FH_WEBSOCKET_CONTROL_MAX + 1];
};

void fh_websocket_frames_init(struct fh_websocket_frames *frames, size_t max_line);
void fh_websocket_frames_done(struct fh_websocket_frames *frames);
/* A new connection: forget what was under way. */
void fh_websocket_frames_reset(struct fh_websocket_frames *frames);
/* 1: something of a message was among the bytes; 0: only control frames; -EPROTO: not what RFC 6455
 * allows a server to send; -ENOMEM; or what line returned. Ignores what follows a close frame. */
int fh_websocket_frames_feed(struct fh_websocket_frames *frames, const char *bytes, size_t len,
                             fh_ndjson_line line, void *userdata);
/* Queue a ping. */
void fh_websocket_frames_ping(struct fh_websocket_frames *frames);
/* Take up to size bytes of the frames to send. */
size_t fh_websocket_frames_take(struct fh_websocket_frames *frames, char *bytes, size_t size);

#endif
