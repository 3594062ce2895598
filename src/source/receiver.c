/* receiver.c: owns one receiver's life: connect, read, pause, notice silence, back off, resume. It
 * never parses a record and never holds two connections: the old one is closed before the next one
 * opens. Runs on its group's thread; only the published status is shared. */
#include "receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines are handed on at the end of a turn, and at the latest after this many bytes: with libcurl's
 * 16 KiB pieces this keeps the handler's promise of "one chunk of at most 512 KiB". */
#define FLUSH_BYTES ((size_t)256 * 1024)

/* How long the body of an answer that is no stream may take. */
#define BODY_MS 2000

static const char *const state_names[FH_RECEIVER_STATE_COUNT] = {
    [FH_RECEIVER_IDLE] = "idle",           [FH_RECEIVER_CONNECTING] = "connecting",
    [FH_RECEIVER_STREAMING] = "streaming", [FH_RECEIVER_PAUSED] = "paused",
    [FH_RECEIVER_WAITING] = "waiting",     [FH_RECEIVER_REFUSED] = "refused",
};

const char *fh_receiver_state_name(enum fh_receiver_state state)
{
    return (unsigned)state < FH_RECEIVER_STATE_COUNT ? state_names[state] : "unknown";
}

int fh_receiver_init(struct fh_receiver *receiver, struct fh_source_context *context,
                     struct fh_group *group, unsigned index, struct fh_range range)
{
    const struct fh_config_firehose *config = &context->config;
    receiver->context = context;
    receiver->group = group;
    receiver->index = index;
    receiver->range = range;
    receiver->reach_ms = -1;
    receiver->status.range = range;
    receiver->published.range = range;
    fh_range_text(range, receiver->range_text, sizeof(receiver->range_text));
    fh_backoff_init(&receiver->backoff, config->backoff_min_ms, config->backoff_max_ms,
                    config->backoff_reset_ms);
    pthread_mutex_init(&receiver->lock, NULL);
    receiver->easy = curl_easy_init();
    if (!receiver->easy) {
        return -ENOMEM;
    }
    return context->channel->decoder_new(config, context->shared, &receiver->decoder);
}

void fh_receiver_done(struct fh_receiver *receiver)
{
    if (receiver->easy) {
        curl_easy_cleanup(receiver->easy);
    }
    fh_service_headers_free(receiver->headers);
    receiver->context->channel->decoder_free(receiver->decoder);
    explicit_bzero(receiver->key, sizeof(receiver->key));
    pthread_mutex_destroy(&receiver->lock);
}

void fh_receiver_set_state(struct fh_receiver *receiver, enum fh_receiver_state state)
{
    receiver->status.state = state;
    receiver->changed = true;
}

static void publish(struct fh_receiver *receiver)
{
    const struct fh_channel_ops *channel = receiver->context->channel;
    if (!receiver->changed) {
        return;
    }
    receiver->changed = false;
    if (channel->unknown_fields) {
        receiver->status.unknown_fields = channel->unknown_fields(receiver->decoder);
    }
    pthread_mutex_lock(&receiver->lock);
    receiver->published = receiver->status;
    receiver->published_byte_at = receiver->byte_at;
    receiver->published_retry_at = receiver->retry_at;
    pthread_mutex_unlock(&receiver->lock);
}

/* Published before the lines are handed on: who has seen them finds them counted. */
static void flush(struct fh_receiver *receiver)
{
    if (receiver->unflushed > 0) {
        receiver->unflushed = 0;
        publish(receiver);
        receiver->context->handler.flush(receiver->context->userdata, receiver->index);
    }
}

void fh_receiver_close(struct fh_receiver *receiver, const char *reason)
{
    bool was_open = receiver->verdict == FH_VERDICT_STREAM;
    if (receiver->transfer) {
        curl_multi_remove_handle(receiver->group->multi, receiver->easy);
        receiver->transfer = false;
    }
    fh_service_headers_free(receiver->headers);
    receiver->headers = NULL;
    receiver->verdict = FH_VERDICT_NONE;
    receiver->condemned = false;
    receiver->context->channel->decoder_reset(receiver->decoder);
    flush(receiver);
    if (was_open) {
        receiver->context->handler.disconnected(receiver->context->userdata, receiver->index,
                                                reason);
    }
}

/* A channel that unpacks may make many lines of few bytes: it is stopped between two of them. */
static int on_line(void *userdata, const char *line, size_t len, uint64_t offset, bool truncated)
{
    struct fh_receiver *receiver = userdata;
    const struct fh_source_context *context = receiver->context;
    receiver->status.lines++;
    context->handler.line(context->userdata, receiver->index, line, len, offset, truncated);
    receiver->handed_on += len;
    if (!context->channel->offset || receiver->handed_on < FLUSH_BYTES) {
        return 0;
    }
    receiver->handed_on = 0;
    flush(receiver);
    return context->handler.can_take(context->userdata, receiver->index) ? 0 : -EAGAIN;
}

/* An answer that is no stream: keep its beginning for the operator. */
static size_t collect_body(struct fh_receiver *receiver, const char *bytes, size_t len)
{
    size_t room = sizeof(receiver->body) - 1 - receiver->body_len;
    size_t take = len < room ? len : room;
    memcpy(receiver->body + receiver->body_len, bytes, take);
    receiver->body_len += take;
    return take; /* less than len ends the transfer: the verdict is known */
}

static void alive(struct fh_receiver *receiver)
{
    receiver->byte_at = receiver->group->now;
    receiver->pinged = false;
    if (!receiver->delivering) {
        receiver->delivering = true;
        fh_backoff_connected(&receiver->backoff, receiver->group->now);
    }
}

/* Decode a piece of the stream, without what was decoded before a pause. */
static int decode(struct fh_receiver *receiver, const char *bytes, size_t len)
{
    const struct fh_channel_ops *channel = receiver->context->channel;
    size_t skip = receiver->skip < len ? receiver->skip : len;
    uint64_t before = channel->offset ? channel->offset(receiver->decoder) : 0;
    receiver->unflushed += len;
    receiver->handed_on = 0;
    receiver->changed = true;
    int r = channel->decode(receiver->decoder, bytes + skip, len - skip, on_line, receiver);
    if (r == -EAGAIN && channel->offset) {
        size_t used = (size_t)(channel->offset(receiver->decoder) - before);
        receiver->status.bytes += used;
        receiver->skip = skip + used;
        alive(receiver);
        return r;
    }
    receiver->skip -= skip;
    receiver->status.bytes += len - skip;
    if (r > 0) { /* a server that answers pings and sends no event is silent all the same */
        alive(receiver);
    }
    return r;
}

static size_t wait_for_room(struct fh_receiver *receiver)
{
    flush(receiver); /* before waiting for room: what we hold may be what makes it */
    if (receiver->context->once) {
        return 0;
    }
    fh_receiver_set_state(receiver, FH_RECEIVER_PAUSED);
    return CURL_WRITEFUNC_PAUSE;
}

/* Backpressure. With CURL_WRITEFUNC_PAUSE libcurl keeps this piece (at most what it has read, the
 * 512 KiB of CURLOPT_BUFFERSIZE), stops reading the socket for as long as it takes, and gives the
 * same bytes again after curl_easy_pause(CURLPAUSE_CONT). The socket's buffers fill, TCP or the
 * HTTP/2 window pushes back, and the server keeps the rest, or cuts us, and we replay. */
static size_t on_body(char *bytes, size_t size, size_t count, void *userdata)
{
    struct fh_receiver *receiver = userdata;
    const struct fh_source_handler *handler = &receiver->context->handler;
    size_t len = size * count;
    if (receiver->verdict != FH_VERDICT_STREAM) {
        return collect_body(receiver, bytes, len);
    }
    if (!handler->can_take(receiver->context->userdata, receiver->index)) {
        return wait_for_room(receiver);
    }
    if (receiver->status.state != FH_RECEIVER_STREAMING) {
        fh_receiver_set_state(receiver, FH_RECEIVER_STREAMING);
    }
    int r = decode(receiver, bytes, len);
    if (r == -EAGAIN) {
        return wait_for_room(receiver);
    }
    if (r < 0) {
        receiver->decode_error = r;
        return 0;
    }
    if (receiver->unflushed >= FLUSH_BYTES) {
        flush(receiver);
    }
    if (receiver->context->once &&
        !handler->can_take(receiver->context->userdata, receiver->index)) {
        return 0;
    }
    return len;
}

static const char *protocol_name(long version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return "HTTP/1.0";
    case CURL_HTTP_VERSION_1_1:
        return "HTTP/1.1";
    case CURL_HTTP_VERSION_2_0:
        return "HTTP/2";
    default:
        return "HTTP";
    }
}

/* The headers of an answer are complete. */
static void on_answer(struct fh_receiver *receiver)
{
    long status = 0;
    long version = 0;
    curl_easy_getinfo(receiver->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(receiver->easy, CURLINFO_HTTP_VERSION, &version);
    const struct fh_channel_ops *channel = receiver->context->channel;
    receiver->verdict = channel->verdict(receiver->decoder, status, version);
    if (receiver->verdict == FH_VERDICT_NONE) {
        return;
    }
    receiver->status.http_status = (int)status;
    receiver->changed = true;
    snprintf(receiver->status.protocol, sizeof(receiver->status.protocol), "%s",
             channel->protocol ? channel->protocol : protocol_name(version));
    receiver->deadline = fh_time_add_ms(receiver->group->now, BODY_MS);
    if (receiver->verdict != FH_VERDICT_STREAM) {
        return;
    }
    fh_receiver_set_state(receiver, FH_RECEIVER_STREAMING);
    receiver->byte_at = receiver->group->now;
    receiver->pinged = false;
    receiver->reach_ms = -1;
    receiver->status.connects++;
    receiver->status.last_error[0] = '\0';
    fh_receiver_log_up(receiver);
    const struct fh_source_handler *handler = &receiver->context->handler;
    if (handler->server_time) {
        handler->server_time(receiver->context->userdata, receiver->index, receiver->server_ms);
    }
    handler->connected(receiver->context->userdata, receiver->index, receiver->wished_ms);
}

/* The date in the line, if it is that header with one. */
static void take_date(const char *line, size_t len, const char *name, int64_t *ret_ms)
{
    const char *value;
    size_t value_len;
    char text[64];
    if (fh_header_value(line, len, name, &value, &value_len) && value_len < sizeof(text)) {
        memcpy(text, value, value_len);
        text[value_len] = '\0';
        time_t seconds = curl_getdate(text, NULL);
        *ret_ms = seconds > 0 ? (int64_t)seconds * 1000 : 0;
    }
}

/* libcurl tells the new address only once the body has ended, and it may never. */
static void take_location(struct fh_receiver *receiver, const char *line, size_t len)
{
    const char *value;
    size_t value_len;
    if (fh_header_value(line, len, "location", &value, &value_len)) {
        value_len = value_len < sizeof(receiver->redirect) ? value_len : 0;
        memcpy(receiver->redirect, value, value_len);
        receiver->redirect[value_len] = '\0';
    }
}

static size_t on_header(char *bytes, size_t size, size_t count, void *userdata)
{
    struct fh_receiver *receiver = userdata;
    size_t len = size * count;
    const struct fh_channel_ops *channel = receiver->context->channel;
    take_date(bytes, len, "date", &receiver->server_ms);
    take_date(bytes, len, "retry-after", &receiver->again_ms);
    take_location(receiver, bytes, len);
    if (channel->header) {
        channel->header(receiver->decoder, bytes, len);
    }
    bool end = len > 0 && (bytes[0] == '\r' || bytes[0] == '\n');
    if (end && receiver->verdict == FH_VERDICT_NONE) { /* else: the end of a body's trailers */
        on_answer(receiver);
    }
    return len;
}

/* Resetting keeps TLS sessions, so that a reconnect is a short handshake. A handle that shared its
 * connection keeps buffers of it (libcurl 7.88 frees them for the last one only), as does one that
 * never came to a connection because the host's name was not known; then CURLOPT_BUFFERSIZE is
 * refused. It is replaced: the one needs no handshake anyway, the other has no session. */
static int renew_handle(struct fh_receiver *receiver, struct fh_error *err)
{
    const struct fh_config_firehose *config = &receiver->context->config;
    if (!config->multiplex) {
        curl_easy_reset(receiver->easy);
        if (fh_connection_options(receiver->easy, config, err) == 0) {
            return 0;
        }
    }
    CURL *easy = curl_easy_init();
    if (!easy) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    curl_easy_cleanup(receiver->easy);
    receiver->easy = easy;
    return fh_connection_options(receiver->easy, config, err);
}

static int prepare(struct fh_receiver *receiver, const char *url, struct fh_error *err)
{
    const struct fh_source_context *context = receiver->context;
    int r = renew_handle(receiver, err);
    if (r < 0) {
        return r;
    }
    CURL *easy = receiver->easy;
    struct fh_request request = {.config = &context->config,
                                 .api_key = receiver->key,
                                 .url = url,
                                 .range = receiver->range,
                                 .from_ms = receiver->status.asked_from_ms};
    r = context->channel->request(easy, &request, receiver->decoder, &receiver->headers, err);
    if (r < 0) {
        return r;
    }
    receiver->curl_error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, receiver->curl_error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, receiver);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, receiver);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, receiver);
    if (context->channel->send) {
        fh_receiver_prepare_send(receiver);
    }
    CURLMcode code = curl_multi_add_handle(receiver->group->multi, easy);
    if (code != CURLM_OK) {
        return fh_error_set(err, -EIO, "cannot start the request: %s", curl_multi_strerror(code));
    }
    receiver->transfer = true;
    return 0;
}

void fh_receiver_connect_to(struct fh_receiver *receiver, const char *url)
{
    const struct fh_config_firehose *config = &receiver->context->config;
    receiver->server_ms = 0;
    receiver->again_ms = 0;
    receiver->verdict = FH_VERDICT_NONE;
    receiver->body_len = 0;
    receiver->decode_error = 0;
    receiver->delivering = false;
    receiver->send_idle = false;
    receiver->skip = 0;
    receiver->deadline =
        fh_time_add_ms(receiver->group->now, config->connect_timeout_ms + config->silence_ms);
    fh_receiver_set_state(receiver, FH_RECEIVER_CONNECTING);
    struct fh_error err = {""};
    int r = prepare(receiver, url, &err);
    receiver->redirect[0] = '\0'; /* url was there, perhaps; libcurl has it now */
    if (r < 0) {
        fh_receiver_fail(receiver, FH_FAILURE_SETUP, 0, 0, err.text, sizeof(err.text));
    }
}

/* What is asked for of what is wished (receiver_judge.c: reach_less_far). 0: nothing of the past.
 */
static int64_t within_reach(const struct fh_receiver *receiver)
{
    if (receiver->reach_ms < 0 || receiver->wished_ms == 0) {
        return receiver->wished_ms;
    }
    if (receiver->reach_ms == 0) {
        return 0;
    }
    int64_t passed_ms = fh_time_diff_ms(receiver->group->now, receiver->reach_at);
    int64_t oldest_ms = receiver->reach_from_ms + passed_ms - receiver->reach_ms;
    return receiver->wished_ms > oldest_ms ? receiver->wished_ms : oldest_ms;
}

void fh_receiver_open(struct fh_receiver *receiver)
{
    struct fh_source_context *context = receiver->context;
    pthread_mutex_lock(&context->key_lock);
    memcpy(receiver->key, context->api_key, sizeof(receiver->key));
    pthread_mutex_unlock(&context->key_lock);
    int64_t from_ms = context->handler.resume_from(context->userdata, receiver->index);
    receiver->wished_ms = from_ms > 0 ? from_ms : 0;
    receiver->status.asked_from_ms = within_reach(receiver);
    receiver->redirects = 0;
    fh_receiver_connect_to(receiver, NULL);
}

/* When the present state ends by itself. Paused: never, it is we who do not read. */
static bool next_deadline(const struct fh_receiver *receiver, struct fh_time *ret)
{
    switch (receiver->status.state) {
    case FH_RECEIVER_CONNECTING:
        *ret = receiver->deadline;
        return true;
    case FH_RECEIVER_STREAMING:
        *ret = fh_time_add_ms(receiver->byte_at, receiver->context->config.silence_ms);
        return true;
    case FH_RECEIVER_WAITING:
    case FH_RECEIVER_REFUSED:
        *ret = receiver->retry_at;
        return true;
    default:
        return false;
    }
}

int64_t fh_receiver_next_ms(const struct fh_receiver *receiver)
{
    struct fh_time at;
    if (!next_deadline(receiver, &at)) {
        return -1;
    }
    struct fh_time ping_at;
    if (fh_receiver_ping_deadline(receiver, &ping_at) && fh_time_before(ping_at, at)) {
        at = ping_at;
    }
    int64_t ms = fh_time_diff_ms(at, receiver->group->now) + 1;
    return ms > 0 ? ms : 0;
}

static void silent(struct fh_receiver *receiver, const char *what, int64_t ms)
{
    char reason[128];
    snprintf(reason, sizeof(reason), "%s for %" PRId64 ".%" PRId64 " s", what, ms / 1000,
             ms % 1000 / 100);
    fh_receiver_fail(receiver, FH_FAILURE_SILENT, receiver->status.state, 0, reason,
                     sizeof(reason));
}

void fh_receiver_tick(struct fh_receiver *receiver)
{
    const struct fh_config_firehose *config = &receiver->context->config;
    if (receiver->context->channel->send) {
        fh_receiver_speak(receiver);
    }
    if (receiver->condemned) {
        receiver->condemned = false;
        silent(receiver, "not a byte on the connection it shares", config->silence_ms);
        return;
    }
    struct fh_time at;
    if (!next_deadline(receiver, &at) || fh_time_before(receiver->group->now, at)) {
        return;
    }
    switch (receiver->status.state) {
    case FH_RECEIVER_CONNECTING:
        if (receiver->verdict != FH_VERDICT_NONE) {
            fh_receiver_finished(receiver, CURLE_OK); /* the rest of the body does not matter */
        } else {
            receiver->status.http_status = 0;
            silent(receiver, "no answer", config->connect_timeout_ms + config->silence_ms);
        }
        break;
    case FH_RECEIVER_STREAMING:
        fh_multiplex_silent(receiver);
        silent(receiver, "not a byte", config->silence_ms);
        break;
    default:
        fh_receiver_open(receiver);
        break;
    }
}

void fh_receiver_wake(struct fh_receiver *receiver)
{
    if (receiver->status.state != FH_RECEIVER_PAUSED) {
        return;
    }
    fh_receiver_set_state(receiver, FH_RECEIVER_STREAMING);
    receiver->byte_at = receiver->group->now;
    receiver->pinged = false;
    receiver->send_idle = false; /* CONT lets both directions go on */
    /* Gives the kept bytes to on_body at once, which may pause again. */
    CURLcode code = curl_easy_pause(receiver->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK) {
        fh_receiver_finished(receiver, code);
    }
}

void fh_receiver_let_notice(struct fh_receiver *receiver)
{
    /* Not the turn's time: that may be older than the close, by as much as the thread had to wait
     * for a processor, and the service would have so much less time. */
    receiver->open_from = fh_time_add_ms(fh_now(), FH_REOPEN_MS);
}

void fh_receiver_open_soon(struct fh_receiver *receiver)
{
    if (!fh_time_before(receiver->group->now, receiver->open_from)) {
        fh_receiver_open(receiver);
        return;
    }
    receiver->retry_at = receiver->open_from;
    fh_receiver_set_state(receiver, FH_RECEIVER_WAITING);
}

void fh_receiver_reconnect(struct fh_receiver *receiver)
{
    /* An attempt without an answer counts, too: the service may have taken it for a connection. */
    bool was_under_way = receiver->transfer;
    fh_receiver_close(receiver, "reconnecting as asked");
    if (was_under_way) {
        fh_receiver_let_notice(receiver);
    }
    fh_receiver_open_soon(receiver);
}

void fh_receiver_shut(struct fh_receiver *receiver)
{
    fh_receiver_close(receiver, "stopping");
    fh_receiver_set_state(receiver, FH_RECEIVER_IDLE);
}

void fh_receiver_turn_end(struct fh_receiver *receiver)
{
    publish(receiver);
    flush(receiver);
}

void fh_receiver_get_status(struct fh_receiver *receiver, struct fh_receiver_status *ret)
{
    pthread_mutex_lock(&receiver->lock);
    *ret = receiver->published;
    struct fh_time byte_at = receiver->published_byte_at;
    struct fh_time retry_at = receiver->published_retry_at;
    pthread_mutex_unlock(&receiver->lock);
    struct fh_time now = fh_now();
    ret->last_byte_age_ms = fh_time_is_set(byte_at) ? fh_time_diff_ms(now, byte_at) : -1;
    bool waiting = ret->state == FH_RECEIVER_WAITING || ret->state == FH_RECEIVER_REFUSED;
    int64_t retry_ms = waiting ? fh_time_diff_ms(retry_at, now) : 0;
    ret->retry_in_ms = retry_ms > 0 ? retry_ms : 0;
}
