/* websocket.c: owns a connection once it has been upgraded (RFC 6455): the answer to the upgrade,
 * pings, closing. What the client says besides is read and thrown away: the API has no words for
 * it. */
#include "connection.h"
#include "websocket_frame.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define CLOSE_WAIT_MS 1000 /* for the client's own close frame */

#define CODE_GOING_AWAY 1001
#define CODE_PROTOCOL   1002
#define CODE_TOO_LONG   1009
#define CODE_ERROR      1011

bool sim_websocket_judge(struct sim_exchange *exchange, const struct sim_head *head)
{
    if (head->ws_version != 13) {
        sim_exchange_error(exchange, 426, "Sec-WebSocket-Version is 13");
        return false;
    }
    unsigned char nonce[32];
    if (strcmp(exchange->request.method, "GET") != 0 || strlen(head->ws_key) != 24 ||
        EVP_DecodeBlock(nonce, (const unsigned char *)head->ws_key, 24) != 18) {
        sim_exchange_error(exchange, 400, "not a WebSocket upgrade");
        return false;
    }
    return true;
}

int sim_websocket_accept(struct sim_connection *connection, const char *key)
{
    char text[80];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    unsigned char accept[64];
    int len = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (EVP_Digest(text, (size_t)len, digest, &digest_len, EVP_sha1(), NULL) != 1) {
        return -EIO;
    }
    EVP_EncodeBlock(accept, digest, (int)digest_len);
    connection->phase = SIM_PHASE_WEBSOCKET;
    int64_t ping_ms = connection->server->options->ping_ms;
    if (ping_ms > 0) {
        connection->ping_due = fh_time_add_ms(fh_now(), ping_ms);
    }
    return fh_buf_printf(&connection->wire,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                         (const char *)accept);
}

static void put(struct sim_connection *connection, enum sim_ws_opcode opcode, const void *payload,
                size_t len)
{
    unsigned char head[SIM_WS_HEAD_MAX];
    size_t head_len = sim_ws_frame_head(true, opcode, len, head);
    connection->dead |= fh_buf_append(&connection->wire, head, head_len) < 0 ||
                        (len > 0 && fh_buf_append(&connection->wire, payload, len) < 0);
}

void sim_websocket_ping(struct sim_connection *connection)
{
    put(connection, SIM_WS_PING, "firehose-sim", 12);
}

/* The stream is over at once; the connection once the client has answered, or not in time. */
void sim_websocket_close(struct sim_connection *connection, int code, const char *reason)
{
    char payload[SIM_WS_CONTROL_MAX];
    if (connection->exchanges) {
        sim_connection_remove_exchange(connection, connection->exchanges);
    }
    if (fh_time_is_set(connection->close_until)) {
        return; /* said already */
    }
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    int len = snprintf(payload + 2, sizeof(payload) - 2, "%s", reason);
    put(connection, SIM_WS_CLOSE, payload, 2 + (size_t)len);
    connection->close_until = fh_time_add_ms(fh_now(), CLOSE_WAIT_MS);
}

static void on_control(struct sim_connection *connection, const struct sim_ws_frame *frame,
                       const char *payload)
{
    if (frame->opcode == SIM_WS_PING) {
        /* Of many pings only the last needs an answer: a flood is not hoarded. */
        if (connection->wire.len < SIM_WIRE_HIGH && !fh_time_is_set(connection->close_until)) {
            put(connection, SIM_WS_PONG, payload, (size_t)frame->length);
        }
    } else if (frame->opcode == SIM_WS_PONG) {
        atomic_fetch_add(&connection->server->pongs, 1);
    } else {
        if (!fh_time_is_set(connection->close_until)) { /* its own wish: the code goes back */
            put(connection, SIM_WS_CLOSE, payload, frame->length >= 2 ? 2 : 0);
        }
        connection->closing = SIM_CLOSE_CLEAN;
    }
}

/* Fragments must follow their beginning, and nothing but control frames may come between. */
static bool in_order(struct sim_connection *connection, const struct sim_ws_frame *frame)
{
    if (frame->opcode >= SIM_WS_CLOSE) {
        return true;
    }
    bool goes_on = frame->opcode == SIM_WS_CONTINUATION;
    bool good = goes_on == connection->in_message;
    connection->in_message = !frame->final;
    return good;
}

void sim_websocket_input(struct sim_connection *connection)
{
    struct fh_buf *in = &connection->in;
    while (in->len > 0 && connection->closing == SIM_OPEN && !connection->dead) {
        struct sim_ws_frame frame;
        int r = sim_ws_frame_read(in->data, in->len, &frame);
        if (r > 0 && in->len < frame.head + frame.length) {
            return;
        }
        if (r > 0 && !in_order(connection, &frame)) {
            r = -EPROTO;
        }
        if (r == 0) {
            return;
        }
        if (r < 0) {
            bool long_one = r == -EMSGSIZE;
            sim_websocket_close(connection, long_one ? CODE_TOO_LONG : CODE_PROTOCOL,
                                long_one ? "too long" : "not a WebSocket frame");
            connection->closing = SIM_CLOSE_CLEAN; /* what follows cannot be understood */
            return;
        }
        char *payload = in->data + frame.head;
        sim_ws_frame_unmask(&frame, payload);
        if (frame.opcode >= SIM_WS_CLOSE) {
            on_control(connection, &frame, payload);
        }
        fh_buf_consume(in, frame.head + (size_t)frame.length);
    }
}

static void say_ping(struct sim_connection *connection)
{
    if (fh_time_is_set(connection->ping_due) &&
        !fh_time_before(connection->now, connection->ping_due)) {
        connection->ping_due =
            fh_time_add_ms(connection->now, connection->server->options->ping_ms);
        sim_websocket_ping(connection);
    }
}

/* One fill more. False: nothing now. */
static bool add_messages(struct sim_connection *connection, struct sim_exchange *exchange)
{
    struct fh_buf *wire = &connection->wire;
    size_t start = wire->len;
    int64_t n = sim_exchange_fill(exchange, connection->now, connection->pass, wire);
    connection->more |= exchange->more;
    if (n < 0) {
        wire->len = start;
        sim_websocket_close(connection, CODE_ERROR, "internal error");
        return false;
    }
    if (n > 0 && (uint64_t)n >= exchange->left) { /* cut after=: in the middle of a frame */
        wire->len = start + (size_t)exchange->left;
        connection->closing = exchange->reset_at_end ? SIM_CLOSE_RESET : SIM_CLOSE_CUT;
        return false;
    }
    exchange->left -= exchange->left == UINT64_MAX ? 0 : (uint64_t)n;
    if (exchange->stream->ended) {
        connection->closing = SIM_CLOSE_CUT;
    }
    return n > 0;
}

void sim_websocket_output(struct sim_connection *connection)
{
    if (fh_time_is_set(connection->close_until)) {
        if (!fh_time_before(connection->now, connection->close_until)) {
            connection->closing = SIM_CLOSE_CLEAN;
        }
        return;
    }
    say_ping(connection);
    while (connection->exchanges && connection->closing == SIM_OPEN && !connection->dead &&
           connection->wire.len < SIM_WIRE_HIGH) {
        if (!add_messages(connection, connection->exchanges)) {
            break;
        }
    }
}

struct fh_time sim_websocket_due(const struct sim_connection *connection)
{
    return fh_time_is_set(connection->close_until) ? connection->close_until : connection->ping_due;
}

void sim_websocket_goodbye(struct sim_connection *connection)
{
    sim_websocket_close(connection, CODE_GOING_AWAY, "the server is going away");
}
