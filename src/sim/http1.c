/* http1.c: owns HTTP/1.1 framing: the request's head, chunked bodies. One exchange at a time;
 * pipelined requests wait in the input buffer. */
#include "connection.h"

#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX  16384
#define SKIP_MAX  (1 << 20)
#define CHUNK_LEN 10 /* "0000abcd\r\n" */

static void answer_and_close(struct sim_connection *connection, struct sim_exchange *exchange,
                             int status, const char *message)
{
    sim_exchange_error(exchange, status, message);
    connection->keep = false;
}

/* "Name: value" without its line end. False: not a header. */
static bool read_header(struct sim_connection *connection, struct sim_request *request,
                        const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line) {
        return false;
    }
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    int value_len = (int)(end - value);
#define IS(text) (name_len == strlen(text) && strncasecmp(line, text, name_len) == 0)
    if (IS("X-API-KEY")) {
        request->has_api_key = true;
        snprintf(request->api_key, sizeof(request->api_key), "%.*s", value_len, value);
    } else if (IS("X-Sim-Control")) {
        request->has_control = true;
    } else if (IS("Content-Length")) {
        char number[24];
        snprintf(number, sizeof(number), "%.*s", value_len, value);
        int64_t length = 0;
        bool good = sim_number(number, &length) == 0 && length >= 0;
        connection->skip = good ? (uint64_t)length : UINT64_MAX;
    } else if (IS("Transfer-Encoding")) {
        connection->skip = UINT64_MAX;
    } else if (IS("Connection")) {
        if (value_len == 5 && strncasecmp(value, "close", 5) == 0) {
            connection->keep = false;
        }
    }
#undef IS
    return true;
}

/* "GET /path HTTP/1.1". */
static bool read_request_line(struct sim_connection *connection, struct sim_request *request,
                              const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    if (!space || (size_t)(space - line) >= sizeof(request->method)) {
        return false;
    }
    const char *target = space + 1;
    const char *end = line + len;
    const char *version = memchr(target, ' ', (size_t)(end - target));
    if (!version || *target != '/' || (size_t)(version - target) >= sizeof(request->target) ||
        end - version != 9 || strncmp(version, " HTTP/1.", 8) != 0) {
        return false;
    }
    memcpy(request->method, line, (size_t)(space - line));
    memcpy(request->target, target, (size_t)(version - target));
    connection->keep = version[8] != '0';
    request->http_version = 1;
    return true;
}

static bool read_head(struct sim_connection *connection, struct sim_request *request,
                      const char *head, size_t len)
{
    bool first = true;
    connection->skip = 0;
    while (len > 0) {
        const char *end = memmem(head, len, "\r\n", 2);
        size_t line_len = end ? (size_t)(end - head) : len;
        if (memchr(head, '\0', line_len)) {
            return false;
        }
        bool good = first ? read_request_line(connection, request, head, line_len)
                          : read_header(connection, request, head, line_len);
        if (!good) {
            return false;
        }
        first = false;
        size_t used = end ? line_len + 2 : line_len;
        head += used;
        len -= used;
    }
    return !first;
}

static void write_head(struct sim_connection *connection, struct sim_exchange *exchange)
{
    struct fh_buf *wire = &connection->wire;
    int r = fh_buf_printf(wire, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", exchange->status,
                          sim_status_text(exchange->status), exchange->content_type);
    if (r == 0 && exchange->body == SIM_BODY_TEXT) {
        r = fh_buf_printf(wire, "Content-Length: %zu\r\n", exchange->text.len);
    } else if (r == 0) {
        r = fh_buf_printf(wire, "Transfer-Encoding: chunked\r\n");
    }
    if (r == 0 && exchange->retry_after >= 0) {
        r = fh_buf_printf(wire, "Retry-After: %lld\r\n", (long long)exchange->retry_after);
    }
    if (r == 0) {
        r = fh_buf_printf(wire, "Connection: %s\r\n\r\n",
                          connection->keep ? "keep-alive" : "close");
    }
    connection->dead |= r < 0;
}

static void start_request(struct sim_connection *connection, const char *head, size_t len)
{
    struct sim_exchange *exchange = sim_connection_add_exchange(connection);
    if (!exchange) {
        connection->dead = true;
        return;
    }
    connection->keep = true;
    int r = 0;
    if (!read_head(connection, &exchange->request, head, len)) {
        answer_and_close(connection, exchange, 400, "not an HTTP/1.1 request");
    } else if (connection->skip == UINT64_MAX) {
        answer_and_close(connection, exchange, 501, "request bodies must have a length");
    } else if (connection->skip > SKIP_MAX) {
        answer_and_close(connection, exchange, 413, "request body too large");
    } else {
        r = sim_exchange_start(exchange);
    }
    if (r < 0) {
        connection->closing = SIM_CLOSE_RESET;
        connection->dead = true;
        return;
    }
    write_head(connection, exchange);
}

void sim_http1_input(struct sim_connection *connection)
{
    struct fh_buf *in = &connection->in;
    while (!connection->exchanges && connection->closing == SIM_OPEN && !connection->dead) {
        if (connection->skip > 0) {
            size_t part = connection->skip < in->len ? (size_t)connection->skip : in->len;
            fh_buf_consume(in, part);
            connection->skip -= part;
        }
        const char *end = in->len > 0 ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
        if (!end || connection->skip > 0) {
            break;
        }
        size_t len = (size_t)(end - in->data);
        start_request(connection, in->data, len);
        fh_buf_consume(in, len + 4);
    }
    if (!connection->exchanges && in->len > HEAD_MAX) {
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
