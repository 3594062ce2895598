/* request.h: one request as it was asked, whatever carried it, and the parser of HTTP/1.1 heads.
 * Pure. */
#ifndef SIM_REQUEST_H
#define SIM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_TARGET_MAX 2048

enum sim_channel { SIM_CHANNEL_HTTP, SIM_CHANNEL_WEBSOCKET, SIM_CHANNEL_GRPC, SIM_CHANNELS };

/* "http", "websocket", "grpc". */
const char *sim_channel_name(enum sim_channel channel);

struct sim_request {
    char method[16];
    char target[SIM_TARGET_MAX]; /* path and query; longer ones are refused by the parser */
    char api_key[256];
    char authorization[4096];
    bool has_api_key;
    bool has_control; /* X-Sim-Control */
    bool from_loopback;
    enum sim_channel channel;
    int http_version; /* 1 or 2 */
    uint64_t connection;
    /* gRPC: */
    bool accepts_gzip;
    bool sends_gzip; /* grpc-encoding of the request */
};

/* The rest of an HTTP/1.1 head: what concerns the connection alone. */
struct sim_head {
    bool keep;       /* the connection goes on after the answer */
    bool odd_length; /* chunked, or a Content-Length that is none */
    uint64_t length; /* of the body */
    bool upgrade;    /* Upgrade: websocket with Connection: Upgrade */
    int ws_version;  /* Sec-WebSocket-Version; 0 = none */
    char ws_key[32]; /* Sec-WebSocket-Key; empty = none */
};

/* A head without the empty line that ends it. False: not HTTP/1.x. */
bool sim_request_read_head(const char *head, size_t len, struct sim_request *request,
                           struct sim_head *ret);
/* How HTTP/1.1 and HTTP/2 keep a header's value: whole, or not at all (too long, a NUL inside). */
void sim_request_copy(char *to, size_t size, const void *value, size_t len);

#endif
