/* http2.c: owns the HTTP/2 session of a connection (nghttp2). Several firehose requests may share
 * it; each counts as a connection towards the limit, as each is a receiver. */
#include "connection.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FRAME_HEAD    9
#define WINDOW        1048576
#define STREAMS_MAX   100
#define BODY_KEEP_MAX (1 << 20) /* a larger body buffer is given back once sent */

struct sim_http2 {
    nghttp2_session *session;
};

static struct sim_connection *owner(void *userdata)
{
    return userdata;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags,
                       void *userdata)
{
    (void)session;
    (void)flags;
    struct sim_connection *connection = owner(userdata);
    if (connection->wire.len >= SIM_WIRE_HIGH) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (fh_buf_append(&connection->wire, data, len) < 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)len;
}

/* The body bytes of a DATA frame that on_read has promised. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t len, nghttp2_data_source *source, void *userdata)
{
    (void)session;
    struct sim_connection *connection = owner(userdata);
    struct sim_exchange *exchange = source->ptr;
    struct fh_buf *wire = &connection->wire;
    if (wire->len >= SIM_WIRE_HIGH) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (frame->data.padlen > 0 || fh_buf_reserve(wire, FRAME_HEAD + len) < 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memcpy(wire->data + wire->len, head, FRAME_HEAD);
    if (len > 0) { /* the frame that ends a body has none */
        memcpy(wire->data + wire->len + FRAME_HEAD, exchange->out.data + exchange->out_sent, len);
    }
    wire->len += FRAME_HEAD + len;
    exchange->out_sent += len;
    if (exchange->left != UINT64_MAX) {
        exchange->left -= len;
    }
    if (exchange->out_sent == exchange->out.len && exchange->out.capacity > BODY_KEEP_MAX) {
        size_t max = exchange->out.max;
        fh_buf_done(&exchange->out);
        fh_buf_init(&exchange->out, max);
        exchange->out_sent = 0;
    }
    return 0;
}

static ssize_t on_frame_size(nghttp2_session *session, uint8_t frame_type, int32_t stream_id,
                             int32_t session_window, int32_t stream_window, uint32_t max_frame,
                             void *userdata)
{
    (void)session;
    (void)frame_type;
    (void)stream_id;
    (void)userdata;
    int64_t size = session_window < stream_window ? session_window : stream_window;
    return (ssize_t)(size < (int64_t)max_frame ? size : (int64_t)max_frame);
}

/* The after= of cut and reset is used up, or half a line was all there was to say. */
static ssize_t end_here(struct sim_connection *connection, const struct sim_exchange *exchange)
{
    if (exchange->stream_only) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM */
    }
    connection->closing = exchange->reset_at_end ? SIM_CLOSE_RESET : SIM_CLOSE_CUT;
    return NGHTTP2_ERR_DEFERRED;
}

/* How many bytes of what waits may go into the next frame. */
static size_t next_part(const struct sim_exchange *exchange, size_t max)
{
    size_t part = exchange->out.len - exchange->out_sent;
    const struct sim_stream *stream = exchange->stream;
    if (stream && stream->tiny_end > exchange->out_sent) {
        part =
            exchange->out_sent < stream->tiny_start ? stream->tiny_start - exchange->out_sent : 1;
    }
    part = part < max ? part : max;
    return exchange->left < part ? (size_t)exchange->left : part;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

/* No more body: a gRPC stream says why in its trailers. */
static ssize_t finish(nghttp2_session *session, const struct sim_exchange *exchange,
                      uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (exchange->request.channel == SIM_CHANNEL_GRPC && exchange->stream) {
        char status[16];
        snprintf(status, sizeof(status), "%d", exchange->grpc_status);
        nghttp2_nv trailers[] = {header("grpc-status", status),
                                 header("grpc-message", exchange->grpc_message)};
        if (nghttp2_submit_trailer(session, exchange->stream_id, trailers,
                                   FH_ARRAY_LEN(trailers)) == 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        }
    }
    return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t max,
                       uint32_t *flags, nghttp2_data_source *source, void *userdata)
{
    (void)session;
    (void)stream_id;
    (void)buf;
    struct sim_connection *connection = owner(userdata);
    struct sim_exchange *exchange = source->ptr;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (exchange->left == 0) {
        return end_here(connection, exchange);
    }
    if (exchange->out_sent == exchange->out.len) {
        if (exchange->stream && exchange->stream->ended) {
            return end_here(connection, exchange);
        }
        if (connection->leaving || exchange->ending) {
            return finish(session, exchange, flags);
        }
        fh_buf_clear(&exchange->out);
        exchange->out_sent = 0;
        int64_t n = sim_exchange_fill(exchange, connection->now, connection->pass, &exchange->out);
        connection->more |= exchange->more;
        if (n == SIM_FILL_END) {
            return finish(session, exchange, flags);
        }
        if (n < 0) {
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        if (n == 0) {
            exchange->deferred = true;
            return NGHTTP2_ERR_DEFERRED;
        }
    }
    return (ssize_t)next_part(exchange, max);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct sim_exchange *exchange = sim_connection_add_exchange(owner(userdata));
    if (!exchange) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    exchange->stream_id = frame->hd.stream_id;
    exchange->request.http_version = 2;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *userdata)
{
    (void)flags;
    (void)userdata;
    struct sim_exchange *exchange =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!exchange || exchange->status != 0) {
        return 0;
    }
    struct sim_request *request = &exchange->request;
#define IS(text) (name_len == sizeof(text) - 1 && memcmp(name, text, name_len) == 0)
    if (IS(":method")) {
        sim_request_copy(request->method, sizeof(request->method), value, value_len);
    } else if (IS(":path")) {
        sim_request_copy(request->target, sizeof(request->target), value, value_len);
    } else if (IS("x-api-key")) {
        request->has_api_key = true;
        sim_request_copy(request->api_key, sizeof(request->api_key), value, value_len);
    } else if (IS("authorization")) {
        sim_request_copy(request->authorization, sizeof(request->authorization), value, value_len);
    } else if (IS("content-type") && value_len >= 16 &&
               memcmp(value, "application/grpc", 16) == 0) {
        request->channel = SIM_CHANNEL_GRPC;
    } else if (IS("grpc-accept-encoding")) {
        request->accepts_gzip = memmem(value, value_len, "gzip", 4) != NULL;
    } else if (IS("grpc-encoding")) {
        request->sends_gzip = value_len == 4 && memcmp(value, "gzip", 4) == 0;
    } else if (IS("x-sim-control")) {
        request->has_control = true;
    }
#undef IS
    return 0;
}

/* A call that is refused has its status in the only head it gets ("trailers-only"). */
static int refuse_call(struct sim_connection *connection, struct sim_exchange *exchange)
{
    char status[16];
    char message[256];
    char push_back[24];
    char date[64];
    int error = sim_exchange_grpc_status(exchange->status);
    snprintf(status, sizeof(status), "%d", error);
    sim_exchange_message(exchange, message, sizeof(message));
    nghttp2_nv headers[6] = {header(":status", "200"), header("content-type", "application/grpc"),
                             header("date", sim_exchange_date(exchange, date, sizeof(date))),
                             header("grpc-status", status), header("grpc-message", message)};
    size_t count = 5;
    if (exchange->retry_after >= 0) {
        snprintf(push_back, sizeof(push_back), "%lld", (long long)exchange->retry_after * 1000);
        headers[count++] = header("grpc-retry-pushback-ms", push_back);
    }
    return nghttp2_submit_response(connection->http2->session, exchange->stream_id, headers, count,
                                   NULL);
}

static int respond(struct sim_connection *connection, struct sim_exchange *exchange)
{
    char status[16];
    char length[24];
    char retry_after[24];
    char date[64];
    nghttp2_nv headers[6];
    size_t count = 0;
    bool call = exchange->request.channel == SIM_CHANNEL_GRPC && !exchange->plain_status;
    if (call && exchange->status != 200) {
        return refuse_call(connection, exchange);
    }
    snprintf(status, sizeof(status), "%d", exchange->status);
    headers[count++] = header(":status", status);
    headers[count++] = header("date", sim_exchange_date(exchange, date, sizeof(date)));
    headers[count++] = header("content-type", exchange->content_type);
    if (exchange->body == SIM_BODY_TEXT) {
        snprintf(length, sizeof(length), "%zu", exchange->text.len);
        headers[count++] = header("content-length", length);
    }
    if (exchange->retry_after >= 0) {
        snprintf(retry_after, sizeof(retry_after), "%lld", (long long)exchange->retry_after);
        headers[count++] = header("retry-after", retry_after);
    }
    if (*exchange->location) {
        headers[count++] = header("location", exchange->location);
    }
    if (exchange->framer.deflate) {
        headers[count++] = header("grpc-encoding", "gzip");
    }
    nghttp2_data_provider provider = {.source = {.ptr = exchange}, .read_callback = on_read};
    return nghttp2_submit_response(connection->http2->session, exchange->stream_id, headers, count,
                                   &provider);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t len, void *userdata)
{
    (void)flags;
    (void)userdata;
    struct sim_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream_id);
    if (exchange && fh_buf_append(&exchange->received, data, len) < 0) {
        exchange->too_long = true;
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
    struct sim_connection *connection = owner(userdata);
    struct sim_exchange *exchange =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool complete = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (!exchange || !complete || exchange->status != 0) {
        return 0;
    }
    int r = sim_exchange_start(exchange);
    if (r < 0) {
        connection->closing = SIM_CLOSE_RESET;
        connection->dead = true;
        return 0;
    }
    return respond(connection, exchange) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *userdata)
{
    (void)error_code;
    struct sim_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream_id);
    if (exchange) {
        nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        sim_connection_remove_exchange(owner(userdata), exchange);
    }
    return 0;
}

static int new_session(struct sim_connection *connection, nghttp2_session **ret)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_frame_size);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    int r = nghttp2_session_server_new(ret, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    return r == 0 ? 0 : -ENOMEM;
}

int sim_http2_start(struct sim_connection *connection)
{
    struct sim_http2 *http2 = calloc(1, sizeof(*http2));
    if (!http2) {
        return -ENOMEM;
    }
    if (new_session(connection, &http2->session) < 0) {
        free(http2);
        return -ENOMEM;
    }
    connection->http2 = http2;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
    };
    int r = nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings,
                                    FH_ARRAY_LEN(settings));
    return r == 0 ? 0 : -ENOMEM;
}

int sim_http2_input(struct sim_connection *connection, const char *bytes, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(connection->http2->session, (const uint8_t *)bytes, len);
    return n < 0 ? -EPROTO : 0;
}

int sim_http2_output(struct sim_connection *connection)
{
    nghttp2_session *session = connection->http2->session;
    for (struct sim_exchange *exchange = connection->exchanges; exchange;
         exchange = exchange->next) {
        if (exchange->deferred) {
            exchange->deferred = false;
            nghttp2_session_resume_data(session, exchange->stream_id);
        }
    }
    if (nghttp2_session_send(session) != 0) {
        return -EPROTO;
    }
    if (!nghttp2_session_want_read(session) && !nghttp2_session_want_write(session) &&
        connection->closing == SIM_OPEN) {
        connection->closing = SIM_CLOSE_CLEAN;
    }
    return 0;
}

void sim_http2_goodbye(struct sim_connection *connection)
{
    nghttp2_session *session = connection->http2->session;
    connection->leaving = true;
    for (struct sim_exchange *exchange = connection->exchanges; exchange;
         exchange = exchange->next) {
        if (!exchange->ending) {
            exchange->grpc_status = 14;
            exchange->grpc_message = "the server is going away";
        }
    }
    /* Streams end first; with the last of them the session wants nothing any more. */
    int32_t last = nghttp2_session_get_last_proc_stream_id(session);
    connection->dead |=
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) != 0;
}

void sim_http2_reset_stream(struct sim_connection *connection, struct sim_exchange *exchange)
{
    nghttp2_submit_rst_stream(connection->http2->session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                              NGHTTP2_INTERNAL_ERROR);
}

void sim_http2_end_stream(struct sim_connection *connection, struct sim_exchange *exchange,
                          int grpc_status, const char *message)
{
    (void)connection; /* the next output finds it */
    exchange->ending = true;
    exchange->grpc_status = grpc_status;
    exchange->grpc_message = message;
}

void sim_http2_ping(struct sim_connection *connection)
{
    nghttp2_submit_ping(connection->http2->session, NGHTTP2_FLAG_NONE, NULL);
}

void sim_http2_stop(struct sim_connection *connection)
{
    if (connection->http2) {
        nghttp2_session_del(connection->http2->session);
        free(connection->http2);
        connection->http2 = NULL;
    }
}
