/* h2_call.c: owns the nghttp2 session of one connection and the queue of data to send. */
#include "h2_call.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void copy_field(const uint8_t *value, size_t len, char *field)
{
    size_t n = len < H2_FIELD_MAX - 1 ? len : H2_FIELD_MAX - 1;
    memcpy(field, value, n);
    field[n] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *userdata)
{
    (void)session;
    (void)flags;
    (void)name_len;
    struct h2_call *call = userdata;
    call->stream = frame->hd.stream_id;
    const struct {
        const char *name;
        char *field;
    } fields[] = {{":path", call->path},
                  {"x-api-key", call->key},
                  {"content-type", call->content_type},
                  {"te", call->te},
                  {"grpc-accept-encoding", call->accept_encoding}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp((const char *)name, fields[i].name) == 0) {
            copy_field(value, value_len, fields[i].field);
        }
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t len, void *userdata)
{
    (void)session;
    (void)flags;
    (void)stream;
    struct h2_call *call = userdata;
    size_t room = sizeof(call->body) - call->body_len;
    size_t n = len < room ? len : room;
    memcpy(call->body + call->body_len, bytes, n);
    call->body_len += n;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
    (void)session;
    struct h2_call *call = userdata;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        call->complete = true;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM || frame->hd.type == NGHTTP2_GOAWAY) {
        call->closed = true;
    }
    return 0;
}

static bool flush(struct h2_call *call)
{
    for (;;) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(call->session, &bytes);
        if (n <= 0) {
            return n == 0;
        }
        if (!peer_send(call->peer, (const char *)bytes, (size_t)n)) {
            return false;
        }
    }
}

static bool receive(struct h2_call *call, int timeout_ms, bool *ret_any)
{
    *ret_any = false;
    struct pollfd poll_fd = {.fd = call->peer->fd, .events = POLLIN};
    bool buffered = call->peer->ssl && SSL_pending(call->peer->ssl) > 0;
    if (!buffered && poll(&poll_fd, 1, timeout_ms) <= 0) {
        return true;
    }
    uint8_t bytes[16384];
    ssize_t n = call->peer->ssl ? SSL_read(call->peer->ssl, bytes, sizeof(bytes))
                                : recv(call->peer->fd, bytes, sizeof(bytes), 0);
    if (n <= 0 || nghttp2_session_mem_recv(call->session, bytes, (size_t)n) < 0) {
        return false;
    }
    *ret_any = true;
    return flush(call);
}

bool h2_call_serve(struct h2_call *call, int timeout_ms)
{
    bool any = false;
    return receive(call, timeout_ms, &any) && !call->closed;
}

struct h2_call *h2_call_accept(struct scripted_peer *peer)
{
    struct h2_call *call = calloc(1, sizeof(*call));
    nghttp2_session_callbacks *callbacks = NULL;
    if (!call || nghttp2_session_callbacks_new(&callbacks) != 0) {
        abort();
    }
    call->peer = peer;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session *session = NULL;
    if (nghttp2_session_server_new(&session, callbacks, call) != 0) {
        abort();
    }
    call->session = session;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0);
    bool alive = flush(call);
    while (alive && !call->complete) {
        alive = h2_call_serve(call, -1);
    }
    if (!alive) {
        h2_call_free(call);
        return NULL;
    }
    return call;
}

void h2_call_free(struct h2_call *call)
{
    if (call) {
        nghttp2_session_del(call->session);
        free(call->out);
        free(call);
    }
}

#define FIELD(n, v)                                                                                \
    {                                                                                              \
        .name = (uint8_t *)(n), .namelen = strlen(n), .value = (uint8_t *)(v),                     \
        .valuelen = strlen(v)                                                                      \
    }

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *bytes, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *userdata)
{
    (void)source;
    struct h2_call *call = userdata;
    size_t left = call->out_len - call->out_at;
    size_t n = left < size ? left : size;
    if (n > 0) {
        memcpy(bytes, call->out + call->out_at, n);
        call->out_at += n;
    }
    if (call->out_at < call->out_len) {
        return (ssize_t)n;
    }
    if (!call->end) {
        return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->trailer_status[0]) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv fields[3] = {FIELD("grpc-status", call->trailer_status)};
        size_t count = 1;
        if (call->trailer_message[0]) {
            fields[count++] = (nghttp2_nv)FIELD("grpc-message", call->trailer_message);
        }
        if (call->trailer_pushback[0]) {
            fields[count++] = (nghttp2_nv)FIELD("grpc-retry-pushback-ms", call->trailer_pushback);
        }
        nghttp2_submit_trailer(session, stream, fields, count);
    }
    return (ssize_t)n;
}

bool h2_call_open(struct h2_call *call, int status, const char *content_type, const char *encoding)
{
    char text[8];
    snprintf(text, sizeof(text), "%d", status);
    nghttp2_nv fields[3] = {FIELD(":status", text), FIELD("content-type", content_type)};
    size_t count = 2;
    if (encoding) {
        fields[count++] = (nghttp2_nv)FIELD("grpc-encoding", encoding);
    }
    nghttp2_data_provider provider = {.read_callback = on_read};
    return nghttp2_submit_response(call->session, call->stream, fields, count, &provider) == 0 &&
           flush(call);
}

bool h2_call_data(struct h2_call *call, const void *bytes, size_t len)
{
    if (call->out_at == call->out_len) {
        call->out_at = 0;
        call->out_len = 0;
    }
    if (call->out_len + len > call->out_capacity) {
        call->out_capacity = (call->out_len + len) * 2;
        call->out = realloc(call->out, call->out_capacity);
        if (!call->out) {
            abort();
        }
    }
    memcpy(call->out + call->out_len, bytes, len);
    call->out_len += len;
    nghttp2_session_resume_data(call->session, call->stream);
    return flush(call) && h2_call_serve(call, 0);
}

static void set_trailers(struct h2_call *call, int grpc_status, const char *message,
                         int pushback_ms)
{
    snprintf(call->trailer_status, sizeof(call->trailer_status), "%d", grpc_status);
    snprintf(call->trailer_message, sizeof(call->trailer_message), "%s", message);
    if (pushback_ms > 0) {
        snprintf(call->trailer_pushback, sizeof(call->trailer_pushback), "%d", pushback_ms);
    }
}

bool h2_call_trailers(struct h2_call *call, int grpc_status, const char *message, int pushback_ms)
{
    set_trailers(call, grpc_status, message, pushback_ms);
    call->end = true;
    nghttp2_session_resume_data(call->session, call->stream);
    return flush(call);
}

bool h2_call_end(struct h2_call *call)
{
    call->end = true;
    nghttp2_session_resume_data(call->session, call->stream);
    return flush(call);
}

bool h2_call_trailers_only(struct h2_call *call, int grpc_status, const char *message,
                           int pushback_ms, const char *date)
{
    set_trailers(call, grpc_status, message, pushback_ms);
    nghttp2_nv fields[6] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
                            FIELD("grpc-status", call->trailer_status)};
    size_t count = 3;
    if (date) {
        fields[count++] = (nghttp2_nv)FIELD("date", date);
    }
    if (call->trailer_message[0]) {
        fields[count++] = (nghttp2_nv)FIELD("grpc-message", call->trailer_message);
    }
    if (call->trailer_pushback[0]) {
        fields[count++] = (nghttp2_nv)FIELD("grpc-retry-pushback-ms", call->trailer_pushback);
    }
    return nghttp2_submit_response(call->session, call->stream, fields, count, NULL) == 0 &&
           flush(call);
}

bool h2_call_reset(struct h2_call *call, uint32_t code)
{
    return nghttp2_submit_rst_stream(call->session, NGHTTP2_FLAG_NONE, call->stream, code) == 0 &&
           flush(call);
}

size_t h2_call_pending(const struct h2_call *call)
{
    return call->out_len - call->out_at;
}
