/* h2_call.h: the server's side of one gRPC call over one HTTP/2 connection, with nghttp2, on a
 * connection of the scripted server. For tests only. */
#ifndef FH_TEST_H2_CALL_H
#define FH_TEST_H2_CALL_H

#include "scripted_server.h"

#include <stdint.h>

#define H2_FIELD_MAX 256

struct h2_call {
    /* the request */
    char path[H2_FIELD_MAX];
    char key[H2_FIELD_MAX];
    char content_type[H2_FIELD_MAX];
    char te[H2_FIELD_MAX];
    char accept_encoding[H2_FIELD_MAX];
    uint8_t body[512];
    size_t body_len;
    /* private */
    struct scripted_peer *peer;
    void *session; /* nghttp2_session */
    int32_t stream;
    bool complete; /* the request */
    bool closed;   /* the stream, by the client */
    char *out;
    size_t out_len;
    size_t out_at;
    size_t out_capacity;
    bool end;
    char trailer_status[8]; /* "" = end without trailers */
    char trailer_message[H2_FIELD_MAX];
    char trailer_pushback[16];
};

/* Reads the connection up to the end of the first request. NULL: the client went away. */
struct h2_call *h2_call_accept(struct scripted_peer *peer);
void h2_call_free(struct h2_call *call);
/* Head of the answer; encoding NULL = none said. */
bool h2_call_open(struct h2_call *call, int status, const char *content_type, const char *encoding);
bool h2_call_data(struct h2_call *call, const void *bytes, size_t len);
/* Trailers after the data, or an answer of nothing else. pushback_ms 0, date NULL = not said. */
bool h2_call_trailers(struct h2_call *call, int grpc_status, const char *message, int pushback_ms);
bool h2_call_trailers_only(struct h2_call *call, int grpc_status, const char *message,
                           int pushback_ms, const char *date);
/* The end of the data and no trailers: a status that is missing. */
bool h2_call_end(struct h2_call *call);
/* RST_STREAM with this code. */
bool h2_call_reset(struct h2_call *call, uint32_t code);
/* Reads and answers (window updates, pings) for so long; false once the client is gone. */
bool h2_call_serve(struct h2_call *call, int timeout_ms);
/* Data that is not on the wire yet. */
size_t h2_call_pending(const struct h2_call *call);

#endif
