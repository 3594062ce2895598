/* websocket_frame.c: owns the layout of WebSocket frames. Never keeps state between two. */
#include "websocket_frame.h"

#include <errno.h>
#include <string.h>

/* The shortest form is demanded, as the RFC does. */
static int read_length(const unsigned char *bytes, size_t len, uint64_t *ret, size_t *ret_used)
{
    unsigned low = bytes[1] & 0x7f;
    size_t extra = low == 126 ? 2 : low == 127 ? 8 : 0;
    if (len < 2 + extra) {
        return 0;
    }
    uint64_t length = extra ? 0 : low;
    for (size_t i = 0; i < extra; i++) {
        length = length << 8 | bytes[2 + i];
    }
    if ((extra == 2 && length < 126) || (extra == 8 && length < 65536) || length >> 63) {
        return -EPROTO;
    }
    *ret = length;
    *ret_used = 2 + extra;
    return 1;
}

int sim_ws_frame_read(const char *text, size_t len, struct sim_ws_frame *ret)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (len < 2) {
        return 0;
    }
    struct sim_ws_frame frame = {.final = (bytes[0] & 0x80) != 0, .opcode = bytes[0] & 0x0f};
    bool control = frame.opcode >= SIM_WS_CLOSE;
    bool known = frame.opcode <= SIM_WS_BINARY || (control && frame.opcode <= SIM_WS_PONG);
    if ((bytes[0] & 0x70) || !known || !(bytes[1] & 0x80)) {
        return -EPROTO; /* an extension nobody agreed on, an unknown opcode, not masked */
    }
    int r = read_length(bytes, len, &frame.length, &frame.head);
    if (r <= 0) {
        return r;
    }
    if (control && (!frame.final || frame.length > SIM_WS_CONTROL_MAX)) {
        return -EPROTO;
    }
    if (frame.length > SIM_WS_RECEIVED_MAX) {
        return -EMSGSIZE;
    }
    if (len < frame.head + 4) {
        return 0;
    }
    memcpy(frame.mask, bytes + frame.head, 4);
    frame.head += 4;
    *ret = frame;
    return 1;
}

void sim_ws_frame_unmask(const struct sim_ws_frame *frame, char *payload)
{
    for (uint64_t i = 0; i < frame->length; i++) {
        payload[i] = (char)(payload[i] ^ frame->mask[i & 3]);
    }
}

size_t sim_ws_frame_head(bool final, enum sim_ws_opcode opcode, uint64_t length,
                         unsigned char ret[SIM_WS_HEAD_MAX])
{
    size_t n = 0;
    ret[n++] = (unsigned char)((final ? 0x80 : 0) | (unsigned)opcode);
    size_t extra = length < 126 ? 0 : length < 65536 ? 2 : 8;
    ret[n++] = (unsigned char)(extra == 0 ? length : extra == 2 ? 126 : 127);
    for (size_t i = extra; i > 0; i--) {
        ret[n++] = (unsigned char)(length >> ((i - 1) * 8));
    }
    return n;
}
