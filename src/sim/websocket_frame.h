/* websocket_frame.h: the frames of RFC 6455 as bytes. Pure. */
#ifndef SIM_WEBSOCKET_FRAME_H
#define SIM_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_ws_opcode {
    SIM_WS_CONTINUATION = 0,
    SIM_WS_TEXT = 1,
    SIM_WS_BINARY = 2,
    SIM_WS_CLOSE = 8,
    SIM_WS_PING = 9,
    SIM_WS_PONG = 10,
};

#define SIM_WS_HEAD_MAX     10    /* of a server's frame */
#define SIM_WS_CONTROL_MAX  125   /* payload of a control frame */
#define SIM_WS_RECEIVED_MAX 32768 /* payload of a client's frame: it has nothing to say */

struct sim_ws_frame {
    bool final;
    unsigned opcode;
    uint64_t length; /* of the payload */
    size_t head;     /* bytes before the payload */
    unsigned char mask[4];
};

/* The head of a client's frame. 1: read; 0: more bytes are needed; -EPROTO: against the RFC (close
 * 1002); -EMSGSIZE: longer than SIM_WS_RECEIVED_MAX (close 1009). */
int sim_ws_frame_read(const char *bytes, size_t len, struct sim_ws_frame *ret);
/* The payload, in place. */
void sim_ws_frame_unmask(const struct sim_ws_frame *frame, char *payload);
/* The head of a frame of ours. Returns its length. */
size_t sim_ws_frame_head(bool final, enum sim_ws_opcode opcode, uint64_t length,
                         unsigned char ret[SIM_WS_HEAD_MAX]);

#endif
