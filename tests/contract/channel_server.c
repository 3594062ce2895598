/* channel_server.c: owns how the verbs of a script look on each channel. The records are written
 * here by hand, as JSON and as protobuf, so that a mistake of the transcoder cannot hide. */
#include "channel_server.h"
#include "h2_call.h"

#include <openssl/evp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RECORD_BYTES 70000
#define FIRST_STAMP  1700000000000LL
#define KEEP_ALIVE   5 /* its number in the schema */

/* ---- records ---- */

size_t channel_record_text(unsigned n, size_t pad, char *text, size_t size)
{
    int len = snprintf(text, size,
                       "{\"recordUid\":\"event-%08x\",\"recordTimestamp\":%lld,"
                       "\"spacesTenantId\":\"\",\"spacesTenantName\":\"%0*d\","
                       "\"partnerTenantId\":\"\",\"eventType\":\"KEEP_ALIVE\"}\n",
                       n, FIRST_STAMP + n, (int)pad, 0);
    if (len < 0 || (size_t)len >= size) {
        abort();
    }
    return (size_t)len;
}

static size_t put_varint(uint8_t *bytes, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    return len;
}

static size_t put_string(uint8_t *bytes, unsigned field, const char *text, size_t len)
{
    size_t at = put_varint(bytes, field << 3 | 2);
    at += put_varint(bytes + at, len);
    memcpy(bytes + at, text, len);
    return at + len;
}

/* With gRPC's prefix. */
static size_t record_message(unsigned n, size_t pad, uint8_t *bytes)
{
    char text[RECORD_BYTES];
    size_t at = 5;
    int len = snprintf(text, sizeof(text), "event-%08x", n);
    at += put_string(bytes + at, 1, text, (size_t)len);
    at += put_varint(bytes + at, 2 << 3);
    at += put_varint(bytes + at, (uint64_t)(FIRST_STAMP + n));
    len = snprintf(text, sizeof(text), "%0*d", (int)pad, 0);
    at += put_string(bytes + at, 4, text, (size_t)len);
    at += put_varint(bytes + at, 6 << 3);
    at += put_varint(bytes + at, KEEP_ALIVE);
    bytes[0] = 0;
    for (unsigned i = 0; i < 4; i++) {
        bytes[1 + i] = (uint8_t)((at - 5) >> (24 - 8 * i));
    }
    return at;
}

/* A server's frame: not masked. */
static size_t frame_head(uint8_t *bytes, bool fin, unsigned opcode, size_t len)
{
    bytes[0] = (uint8_t)((fin ? 0x80 : 0) | opcode);
    if (len < 126) {
        bytes[1] = (uint8_t)len;
        return 2;
    }
    bool wide = len > 0xffff;
    size_t width = wide ? 8 : 2;
    bytes[1] = wide ? 127 : 126;
    for (size_t i = 0; i < width; i++) {
        bytes[2 + i] = (uint8_t)((uint64_t)len >> (8 * (width - 1 - i)));
    }
    return 2 + width;
}

/* Record n as it stands on the wire of the channel (HTTP: without the chunk). */
static size_t record_bytes(enum fh_channel channel, unsigned n, size_t pad, uint8_t *bytes)
{
    char text[RECORD_BYTES];
    if (channel == FH_CHANNEL_GRPC) {
        return record_message(n, pad, bytes);
    }
    size_t len = channel_record_text(n, pad, text, sizeof(text));
    size_t head = channel == FH_CHANNEL_WEBSOCKET ? frame_head(bytes, true, 1, len) : 0;
    memcpy(bytes + head, text, len);
    return head + len;
}

/* ---- requests ---- */

static long long parameter(const char *head, const char *name)
{
    const char *line_end = strstr(head, "\r\n");
    const char *at = strstr(head, name);
    return at && at < line_end ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static void parse_head(const char *head, struct channel_request *request)
{
    request->min_partition = parameter(head, "minPartition=");
    request->max_partition = parameter(head, "maxPartition=");
    request->from_ms = parameter(head, "fromTimestamp=");
    request->replica = parameter(head, "replicaId=");
    const char *key = strcasestr(head, "\r\nX-API-KEY: ");
    if (key) {
        sscanf(key + 13, "%63[^\r\n]", request->key);
    }
}

static void parse_call(const struct h2_call *call, struct channel_request *request)
{
    snprintf(request->key, sizeof(request->key), "%.63s", call->key);
    long long *const fields[] = {NULL, &request->min_partition, &request->max_partition,
                                 &request->from_ms, &request->replica};
    for (size_t at = 5; at < call->body_len;) {
        unsigned field = call->body[at++] >> 3;
        uint64_t value = 0;
        for (unsigned shift = 0; at < call->body_len; shift += 7) {
            value |= (uint64_t)(call->body[at] & 0x7f) << shift;
            if ((call->body[at++] & 0x80) == 0) {
                break;
            }
        }
        if (field < 1 || field > 4) {
            abort();
        }
        *fields[field] = (long long)value;
    }
}

void channel_server_play(struct scripted_peer *peer, void *userdata)
{
    struct channel_server *server = userdata;
    struct channel_peer channel_peer = {.peer = peer, .channel = server->channel};
    if (server->channel == FH_CHANNEL_GRPC) {
        channel_peer.call = h2_call_accept(peer);
        if (!channel_peer.call) {
            return;
        }
        parse_call(channel_peer.call, &channel_peer.request);
    } else {
        parse_head(peer->request, &channel_peer.request);
    }
    pthread_mutex_lock(&server->lock);
    server->requests[peer->number] = channel_peer.request;
    pthread_mutex_unlock(&server->lock);
    if (channel_peer.call) {
        peer_note_request(peer, channel_peer.call->path);
    }
    server->script(&channel_peer, server->userdata);
    h2_call_free(channel_peer.call);
}

struct channel_request channel_server_request(struct channel_server *server, unsigned n)
{
    pthread_mutex_lock(&server->lock);
    struct channel_request request = server->requests[n];
    pthread_mutex_unlock(&server->lock);
    return request;
}

/* ---- answers ---- */

static int grpc_status(int http_status)
{
    switch (http_status) {
    case 400:
        return 3;
    case 401:
        return 16;
    case 403:
        return 7;
    case 404:
        return 12;
    case 429:
        return 8;
    case 503:
        return 14;
    default:
        return 13;
    }
}

bool channel_refuse(struct channel_peer *peer, int status, int retry_after_s, const char *message)
{
    return channel_refuse_at(peer, status, retry_after_s, message, NULL);
}

bool channel_refuse_at(struct channel_peer *peer, int status, int retry_after_s,
                       const char *message, const char *date)
{
    if (peer->call) {
        h2_call_trailers_only(peer->call, grpc_status(status), message, retry_after_s * 1000, date);
        channel_wait_closed(peer);
        return true;
    }
    char retry[128] = "";
    if (date) {
        snprintf(retry, sizeof(retry), "Date: %s\r\n", date);
    }
    if (retry_after_s > 0) {
        size_t used = strlen(retry);
        snprintf(retry + used, sizeof(retry) - used, "Retry-After: %d\r\n", retry_after_s);
    }
    return peer_print(peer->peer, "HTTP/1.1 %d No\r\n%sContent-Length: %zu\r\n\r\n%s", status,
                      retry, strlen(message), message);
}

static bool switch_protocols(struct scripted_peer *peer)
{
    char key[64] = "";
    const char *at = strcasestr(peer->request, "\r\nSec-WebSocket-Key: ");
    if (!at || !strcasestr(peer->request, "\r\nUpgrade: websocket\r\n") ||
        !strcasestr(peer->request, "\r\nSec-WebSocket-Version: 13\r\n")) {
        return false;
    }
    sscanf(at + 21, "%63[^\r\n]", key);
    char text[128];
    int len = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    EVP_Digest(text, (size_t)len, hash, &hash_len, EVP_sha1(), NULL);
    char accept[64];
    EVP_EncodeBlock((unsigned char *)accept, hash, (int)hash_len);
    return peer_print(peer,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
}

bool channel_open(struct channel_peer *peer)
{
    switch (peer->channel) {
    case FH_CHANNEL_WEBSOCKET:
        return switch_protocols(peer->peer);
    case FH_CHANNEL_GRPC:
        return h2_call_open(peer->call, 200, "application/grpc", NULL);
    default:
        return peer_open_stream(peer->peer);
    }
}

static bool send_bytes(struct channel_peer *peer, const uint8_t *bytes, size_t len)
{
    switch (peer->channel) {
    case FH_CHANNEL_WEBSOCKET:
        return peer_send(peer->peer, (const char *)bytes, len);
    case FH_CHANNEL_GRPC:
        return h2_call_data(peer->call, bytes, len);
    default:
        return peer_chunk(peer->peer, (const char *)bytes, len);
    }
}

bool channel_send_record(struct channel_peer *peer, unsigned n, size_t pad)
{
    uint8_t bytes[RECORD_BYTES + 64];
    return send_bytes(peer, bytes, record_bytes(peer->channel, n, pad, bytes));
}

bool channel_send_body(struct channel_peer *peer, const void *body, size_t len)
{
    uint8_t bytes[RECORD_BYTES + 64];
    size_t head = 0;
    if (len >= RECORD_BYTES) {
        abort();
    }
    if (peer->channel == FH_CHANNEL_GRPC) {
        bytes[head++] = 0;
        for (unsigned i = 0; i < 4; i++) {
            bytes[head++] = (uint8_t)(len >> (24 - 8 * i));
        }
        memcpy(bytes + head, body, len);
        return send_bytes(peer, bytes, head + len);
    }
    if (peer->channel == FH_CHANNEL_WEBSOCKET) {
        head = frame_head(bytes, true, 1, len + 1);
    }
    memcpy(bytes + head, body, len);
    bytes[head + len] = '\n';
    return send_bytes(peer, bytes, head + len + 1);
}

bool channel_send_pieces(struct channel_peer *peer, unsigned first, unsigned count, unsigned seed)
{
    uint8_t *bytes = malloc((size_t)count * 600);
    if (!bytes) {
        abort();
    }
    size_t len = 0;
    for (unsigned n = first; n < first + count; n++) {
        len += record_bytes(peer->channel, n, n % 300, bytes + len);
    }
    bool alive = true;
    for (size_t at = 0; alive && at < len;) {
        seed = seed * 1664525U + 1013904223U;
        size_t piece = 1 + (seed >> 8) % (at < 1000 ? 3 : 20000);
        piece = piece < len - at ? piece : len - at;
        alive = send_bytes(peer, bytes + at, piece);
        at += piece;
    }
    free(bytes);
    return alive;
}

bool channel_send_junk(struct channel_peer *peer)
{
    static const uint8_t http[] = "\xff\xfenot a record\n";
    static const uint8_t websocket[] = "\x81\x0f\xff\xfenot a record\n";
    static const uint8_t grpc[] = "\0\0\0\0\x03\x0a\x7fx"; /* a string longer than the message */
    switch (peer->channel) {
    case FH_CHANNEL_WEBSOCKET:
        return send_bytes(peer, websocket, sizeof(websocket) - 1);
    case FH_CHANNEL_GRPC:
        return send_bytes(peer, grpc, sizeof(grpc) - 1);
    default:
        return send_bytes(peer, http, sizeof(http) - 1);
    }
}

bool channel_send_half(struct channel_peer *peer, unsigned n)
{
    uint8_t bytes[RECORD_BYTES + 64];
    return send_bytes(peer, bytes, record_bytes(peer->channel, n, 1, bytes) / 2);
}

bool channel_end(struct channel_peer *peer)
{
    switch (peer->channel) {
    case FH_CHANNEL_WEBSOCKET:
        return peer_send(peer->peer, "\x88\x02\x03\xe8", 4); /* 1000 */
    case FH_CHANNEL_GRPC:
        return h2_call_trailers(peer->call, 0, "", 0);
    default:
        return peer_end_stream(peer->peer);
    }
}

void channel_wait_closed(struct channel_peer *peer)
{
    if (!peer->call) {
        peer_wait_closed(peer->peer);
        return;
    }
    while (h2_call_serve(peer->call, -1)) {
    }
}

/* ---- flood ---- */

struct flood {
    struct channel_peer *peer;
    int stall_ms; /* 0 = told already */
    void (*stalled)(void *userdata);
    void *userdata;
};

/* Has nothing moved for so long? The socket is full, or data waits for HTTP/2's window although we
 * read what the client says. */
static void look_for_stall(struct flood *flood)
{
    struct pollfd poll_fd = {.fd = flood->peer->peer->fd, .events = POLLOUT};
    bool full = flood->stall_ms > 0 && poll(&poll_fd, 1, flood->stall_ms) == 0;
    if (full) {
        flood->stall_ms = 0;
        flood->stalled(flood->userdata);
    }
}

/* Window updates must be read for the data to go on. */
static bool drain(struct flood *flood, size_t keep)
{
    struct h2_call *call = flood->peer->call;
    bool alive = true;
    while (alive && call && h2_call_pending(call) > keep) {
        size_t before = h2_call_pending(call);
        alive = h2_call_serve(call, flood->stall_ms > 0 ? flood->stall_ms : -1);
        if (flood->stall_ms > 0 && h2_call_pending(call) == before) {
            flood->stall_ms = 0;
            flood->stalled(flood->userdata);
        }
    }
    return alive;
}

bool channel_flood(struct channel_peer *peer, unsigned count, size_t pad, int stall_ms,
                   void (*stalled)(void *userdata), void *userdata)
{
    uint8_t bytes[RECORD_BYTES + 64];
    struct flood flood = {
        .peer = peer, .stall_ms = stall_ms, .stalled = stalled, .userdata = userdata};
    bool alive = true;
    for (unsigned n = 0; alive && n < count; n++) {
        look_for_stall(&flood);
        size_t len = record_bytes(peer->channel, n, pad, bytes);
        alive = drain(&flood, 65536) && send_bytes(peer, bytes, len);
    }
    return alive && drain(&flood, 0);
}
