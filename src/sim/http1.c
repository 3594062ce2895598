/* http1.c: owns HTTP/1.1 framing: the request's head, chunked bodies. One exchange at a time;
 * pipelined requests wait in the input buffer. */
#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX  16384
#define CHUNK_LEN 10 /* "0000abcd\r\n" */

static void answer_and_close(struct sim_connection *connection, struct sim_exchange *exchange,
                             int status, const char *message)
{
    sim_exchange_error(exchange, status, message);
    connection->keep = false;
}

static void write_head(struct sim_connection *connection, struct sim_exchange *exchange)
{
    struct fh_buf *wire = &connection->wire;
    char date[64];
    int r = fh_buf_printf(wire, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n",
                          exchange->status, sim_status_text(exchange->status),
                          sim_exchange_date(exchange, date, sizeof(date)), exchange->content_type);
    if (r == 0 && exchange->body == SIM_BODY_TEXT) {
        r = fh_buf_printf(wire, "Content-Length: %zu\r\n", exchange->text.len);
    } else if (r == 0) {
        r = fh_buf_printf(wire, "Transfer-Encoding: chunked\r\n");
    }
    if (r == 0 && exchange->retry_after >= 0) {
        r = fh_buf_printf(wire, "Retry-After: %lld\r\n", (long long)exchange->retry_after);
    }
    if (r == 0 && *exchange->location) {
        r = fh_buf_printf(wire, "Location: %s\r\n", exchange->location);
    }
    if (r == 0 && exchange->status == 426) {
        r = fh_buf_printf(wire, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    }
    if (r == 0) {
        r = fh_buf_printf(wire, "Connection: %s\r\n\r\n",
                          connection->keep ? "keep-alive" : "close");
    }
    connection->dead |= r < 0;
}

/* What the head asks for, once the body is there. Negative: close without a word. */
static int decide(struct sim_connection *connection, struct sim_exchange *exchange, bool good,
                  const struct sim_head *head)
{
    connection->keep = good && head->keep;
    if (!good) {
        answer_and_close(connection, exchange, 400, "not an HTTP/1.1 request");
    } else if (head->odd_length) {
        answer_and_close(connection, exchange, 501, "request bodies must have a length");
    } else if (head->length > SIM_BODY_MAX) {
        answer_and_close(connection, exchange, 413, "request body too large");
    } else {
        exchange->request.channel = head->upgrade ? SIM_CHANNEL_WEBSOCKET : SIM_CHANNEL_HTTP;
        if (!head->upgrade || sim_websocket_judge(exchange, head)) {
            return sim_exchange_start(exchange);
        }
    }
    return 0;
}

/* A request from the input; false while some of it is missing. */
static bool start_request(struct sim_connection *connection, const char *bytes, size_t head_len,
                          size_t len)
{
    struct sim_request request = {.connection = connection->id,
                                  .from_loopback = connection->loopback};
    struct sim_head head;
    bool good = sim_request_read_head(bytes, head_len, &request, &head);
    size_t body = good && !head.odd_length && head.length <= SIM_BODY_MAX ? (size_t)head.length : 0;
    if (len < head_len + 4 + body) {
        return false;
    }
    struct sim_exchange *exchange = sim_connection_add_exchange(connection);
    if (!exchange || fh_buf_append(&exchange->received, bytes + head_len + 4, body) < 0) {
        connection->dead = true;
        return true;
    }
    exchange->request = request;
    int r = decide(connection, exchange, good, &head);
    fh_buf_consume(&connection->in, head_len + 4 + body);
    if (r == 0 && exchange->status == 101) {
        r = sim_websocket_accept(connection, head.ws_key);
    } else if (r == 0) {
        write_head(connection, exchange);
    }
    if (r < 0) {
        connection->closing = SIM_CLOSE_RESET;
        connection->dead = true;
    }
    return true;
}

void sim_http1_input(struct sim_connection *connection)
{
    struct fh_buf *in = &connection->in;
    const char *end = NULL;
    while (!connection->exchanges && connection->closing == SIM_OPEN && !connection->dead) {
        end = in->len > 0 ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
        if (!end || (size_t)(end - in->data) > HEAD_MAX ||
            !start_request(connection, in->data, (size_t)(end - in->data), in->len)) {
            break;
        }
    }
    if (connection->phase == SIM_PHASE_WEBSOCKET) {
        sim_websocket_input(connection);
    } else if (!connection->exchanges && in->len > HEAD_MAX &&
               (!end || (size_t)(end - in->data) > HEAD_MAX)) {
        struct sim_exchange *exchange = sim_connection_add_exchange(connection);
        if (exchange) {
            answer_and_close(connection, exchange, 431, "request head too large");
            write_head(connection, exchange);
        }
        fh_buf_clear(in);
    }
}

static void finish_answer(struct sim_connection *connection, struct sim_exchange *exchange)
{
    if (exchange->body != SIM_BODY_TEXT && fh_buf_append(&connection->wire, "0\r\n\r\n", 5) < 0) {
        connection->dead = true;
    }
    sim_connection_remove_exchange(connection, exchange);
    if (!connection->keep) {
        connection->closing = SIM_CLOSE_CLEAN;
    } else {
        sim_http1_input(connection); /* a pipelined request may wait */
    }
}

/* The body bytes wire[body .. wire->len) of one fill, already behind a chunk head of CHUNK_LEN. */
static void close_chunk(struct fh_buf *wire, size_t body)
{
    char head[CHUNK_LEN + 1];
    snprintf(head, sizeof(head), "%08zx\r\n", wire->len - body);
    memcpy(wire->data + body - CHUNK_LEN, head, CHUNK_LEN);
}

/* The many_chunks fault: part of the body goes out as chunks of one byte. */
static int split_chunks(struct sim_connection *connection, size_t body,
                        const struct sim_stream *stream)
{
    struct fh_buf *wire = &connection->wire;
    size_t len = wire->len - body;
    char *copy = malloc(len);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, wire->data + body, len);
    wire->len = body - CHUNK_LEN;
    int r = 0;
    size_t at = 0;
    while (at < len && r == 0) {
        size_t part = len - at;
        if (at < stream->tiny_start) {
            part = stream->tiny_start - at;
        } else if (at < stream->tiny_end) {
            part = 1;
        }
        r = fh_buf_printf(wire, "%zx\r\n", part);
        if (r == 0) {
            r = fh_buf_append(wire, copy + at, part);
        }
        if (r == 0) {
            r = fh_buf_append(wire, "\r\n", 2);
        }
        at += part;
    }
    free(copy);
    return r;
}

/* One chunk more. False: nothing now. */
static bool add_chunk(struct sim_connection *connection, struct sim_exchange *exchange)
{
    struct fh_buf *wire = &connection->wire;
    size_t start = wire->len;
    bool chunked = exchange->body != SIM_BODY_TEXT;
    if (chunked && fh_buf_append(wire, "00000000\r\n", CHUNK_LEN) < 0) {
        connection->dead = true;
        return false;
    }
    size_t body = wire->len;
    int64_t n = sim_exchange_fill(exchange, connection->now, connection->pass, wire);
    connection->more |= exchange->more;
    if (n <= 0) {
        wire->len = start;
        if (n == SIM_FILL_END) {
            finish_answer(connection, exchange);
            return connection->exchanges != NULL; /* a pipelined request took its place */
        }
        connection->dead |= n < 0;
        return false;
    }
    int r = 0;
    if (chunked) {
        close_chunk(wire, body);
        if ((uint64_t)n >= exchange->left) { /* cut after=: in the middle of the chunk */
            wire->len = body + (size_t)exchange->left;
            connection->closing = exchange->reset_at_end ? SIM_CLOSE_RESET : SIM_CLOSE_CUT;
            return false;
        }
        exchange->left -= exchange->left == UINT64_MAX ? 0 : (uint64_t)n;
        if (exchange->stream && exchange->stream->tiny_end > 0) {
            r = split_chunks(connection, body, exchange->stream);
        } else {
            r = fh_buf_append(wire, "\r\n", 2);
        }
    }
    if (exchange->stream && exchange->stream->ended) {
        connection->closing = SIM_CLOSE_CUT;
    }
    connection->dead |= r < 0;
    return r == 0;
}

void sim_http1_output(struct sim_connection *connection)
{
    while (connection->exchanges && connection->closing == SIM_OPEN && !connection->dead &&
           connection->wire.len < SIM_WIRE_HIGH) {
        if (!add_chunk(connection, connection->exchanges)) {
            break;
        }
    }
}

void sim_http1_goodbye(struct sim_connection *connection)
{
    if (connection->exchanges && connection->exchanges->body != SIM_BODY_TEXT) {
        connection->dead |= fh_buf_append(&connection->wire, "0\r\n\r\n", 5) < 0;
        sim_connection_remove_exchange(connection, connection->exchanges);
    }
    connection->keep = false;
    connection->closing = SIM_CLOSE_CLEAN;
}
