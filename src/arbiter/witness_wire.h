/* witness_wire.h: the bytes between a node and firehose-witness. Pure.
 *
 * Little endian. Every frame starts with a version byte: 1. A reader refuses version 0 and types it
 * does not know, reads what version 1 defines, and ignores bytes behind it only in frames of a
 * later version, so that a later version may append. The witness answers in the version asked.
 *
 *   request  u8 version  u8 type (1 acquire 2 renew 3 release)  u16 alone  u64 request  u64 epoch
 *            u32 ttl_ms  u8 length  node name
 *   answer   u8 version  u8 type (129 granted 130 denied 131 released 132 error)  u16 alone
 *            u64 request  u64 epoch  u32 ttl_ms  u8 length  holder's name  u8 length  sentence
 *
 * alone: see alone.h. The first readers of version 1 pass over it and write 0.
 *
 * Which pair and which node asks is not in the frame: the key of the connection says it. */
#ifndef FH_ARBITER_WITNESS_WIRE_H
#define FH_ARBITER_WITNESS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define FH_WITNESS_VERSION   1
#define FH_WITNESS_FRAME_MAX 512 /* larger ones are not read from the network */
#define FH_WITNESS_NAME_MAX  32
#define FH_WITNESS_TEXT_MAX  160

enum fh_witness_type {
    FH_WITNESS_ACQUIRE = 1,
    FH_WITNESS_RENEW = 2,
    FH_WITNESS_RELEASE = 3,
    FH_WITNESS_GRANTED = 129,
    FH_WITNESS_DENIED = 130,
    FH_WITNESS_RELEASED = 131,
    FH_WITNESS_ERROR = 132,
};

struct fh_witness_message {
    uint8_t version; /* decode: of the frame; encode: 1 whatever stands here */
    enum fh_witness_type type;
    uint16_t alone;
    uint64_t request;
    uint64_t epoch;
    uint32_t ttl_ms;
    char name[FH_WITNESS_NAME_MAX]; /* request: the node's; answer: the holder's or "" */
    char text[FH_WITNESS_TEXT_MAX]; /* answer: for the operator; request: not sent */
};

/* 0, or -EBADMSG; *message is defined after 0 only. A request and an answer never pass for each
 * other: requests says which of them is expected. */
int fh_witness_decode(const void *bytes, size_t len, int requests,
                      struct fh_witness_message *message);
/* The length of the frame (at most FH_WITNESS_FRAME_MAX bytes are needed), or -ENOBUFS. */
int fh_witness_encode(const struct fh_witness_message *message, void *bytes, size_t size);

#endif
