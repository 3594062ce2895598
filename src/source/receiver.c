/* receiver.c: owns one receiver's life: connect, read, pause, notice silence, back off, resume. It
 * never parses a record and never holds two connections: the old one is closed before the next one
 * opens. Runs on its group's thread; only the published status is shared. */
#include "receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Lines are handed on at the end of a turn, and at the latest after this many bytes: with libcurl's
 * 16 KiB pieces this keeps the handler's promise of "one chunk of at most 512 KiB". */
#define FLUSH_BYTES ((size_t)256 * 1024)

/* How long the body of an answer that is no stream may take. */
#define BODY_MS 2000

#define REDIRECTS_MAX 3

/* A Retry-After beyond this is a mistake, or a date seen by a clock that is wrong. */
#define RETRY_AFTER_MAX_MS 3600000

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
    return context->channel->decoder_new((size_t)config->max_line_bytes, &receiver->decoder);
}

void fh_receiver_done(struct fh_receiver *receiver)
{
    if (receiver->easy) {
        curl_easy_cleanup(receiver->easy);
    }
    curl_slist_free_all(receiver->headers);
    receiver->context->channel->decoder_free(receiver->decoder);
    explicit_bzero(receiver->key, sizeof(receiver->key));
    pthread_mutex_destroy(&receiver->lock);
}

static void set_state(struct fh_receiver *receiver, enum fh_receiver_state state)
{
    receiver->status.state = state;
    receiver->changed = true;
}

static void flush(struct fh_receiver *receiver)
{
    if (receiver->unflushed > 0) {
        receiver->unflushed = 0;
        receiver->context->handler.flush(receiver->context->userdata, receiver->index);
    }
}

/* Close the connection, if there is one, and tell the handler, if it knew of it. */
static void close_connection(struct fh_receiver *receiver, const char *reason)
{
    bool was_open = receiver->verdict == FH_VERDICT_STREAM;
    if (receiver->transfer) {
        curl_multi_remove_handle(receiver->group->multi, receiver->easy);
        receiver->transfer = false;
    }
    curl_slist_free_all(receiver->headers);
    receiver->headers = NULL;
    receiver->verdict = FH_VERDICT_NONE;
    receiver->context->channel->decoder_reset(receiver->decoder);
    flush(receiver);
    if (was_open) {
        receiver->context->handler.disconnected(receiver->context->userdata, receiver->index,
                                                reason);
    }
}

static uint32_t random32(void)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value)) {
        value = (uint32_t)fh_now().ns; /* jitter, no secret */
    }
    return value;
}

static int once_code(enum fh_failure failure)
{
    switch (failure) {
    case FH_FAILURE_ENDED:
        return 0;
    case FH_FAILURE_REFUSED:
        return -EACCES;
    case FH_FAILURE_SILENT:
        return -ETIMEDOUT;
    default:
        return -EIO;
    }
}

/* The attempt or the connection is over. reason is cleaned here, so that nothing a server sent
 * reaches log, status or handler as it was. */
static void fail(struct fh_receiver *receiver, enum fh_failure failure, long code,
                 int64_t retry_after_ms, char *reason, size_t reason_size)
{
    const struct fh_config_firehose *config = &receiver->context->config;
    fh_text_clean(reason, reason_size, receiver->key);
    close_connection(receiver, reason);
    int64_t retry_ms = 0;
    if (failure == FH_FAILURE_REFUSED) {
        retry_ms = fh_backoff_refused(&receiver->backoff, random32(), config->refused_retry_ms);
        retry_ms = retry_ms < retry_after_ms ? retry_after_ms : retry_ms;
        set_state(receiver, FH_RECEIVER_REFUSED);
    } else {
        retry_ms =
            fh_backoff_failed(&receiver->backoff, receiver->group->now, random32(), retry_after_ms);
        set_state(receiver, FH_RECEIVER_WAITING);
    }
    receiver->retry_at = fh_time_add_ms(receiver->group->now, retry_ms);
    receiver->status.failures++;
    snprintf(receiver->status.last_error, sizeof(receiver->status.last_error), "%.*s",
             (int)sizeof(receiver->status.last_error) - 1, reason);
    fh_receiver_log_failure(receiver, failure, code, retry_ms, reason);
    if (receiver->context->once) {
        receiver->once_result = once_code(failure);
        fh_error_set(&receiver->once_error, receiver->once_result, "%s", reason);
        atomic_store(&receiver->group->stop, true);
    }
}

static int on_line(void *userdata, const char *line, size_t len, uint64_t offset, bool truncated)
{
    struct fh_receiver *receiver = userdata;
    receiver->status.lines++;
    receiver->context->handler.line(receiver->context->userdata, receiver->index, line, len, offset,
                                    truncated);
    return 0;
}

/* An answer that is no stream: keep its beginning for the operator. */
static size_t collect_body(struct fh_receiver *receiver, const char *bytes, size_t len)
{
    if (receiver->verdict == FH_VERDICT_REDIRECT) {
        return len; /* libcurl tells the new address only once the body has ended */
    }
    size_t room = sizeof(receiver->body) - 1 - receiver->body_len;
    size_t take = len < room ? len : room;
    memcpy(receiver->body + receiver->body_len, bytes, take);
    receiver->body_len += take;
    return take; /* less than len ends the transfer: the verdict is known */
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
        flush(receiver); /* before waiting for room: what we hold may be what makes it */
        if (receiver->context->once) {
            return 0;
        }
        set_state(receiver, FH_RECEIVER_PAUSED);
        return CURL_WRITEFUNC_PAUSE;
    }
    if (receiver->status.state != FH_RECEIVER_STREAMING) {
        set_state(receiver, FH_RECEIVER_STREAMING);
    }
    if (!receiver->delivering) {
        receiver->delivering = true;
        fh_backoff_connected(&receiver->backoff, receiver->group->now);
    }
    receiver->byte_at = receiver->group->now;
    receiver->status.bytes += len;
    receiver->changed = true;
    receiver->unflushed += len;
    receiver->decode_error =
        receiver->context->channel->decode(receiver->decoder, bytes, len, on_line, receiver);
    if (receiver->decode_error < 0) {
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
    receiver->verdict = receiver->context->channel->verdict(status);
    if (receiver->verdict == FH_VERDICT_NONE) {
        return;
    }
    receiver->status.http_status = (int)status;
    receiver->changed = true;
    snprintf(receiver->status.protocol, sizeof(receiver->status.protocol), "%s",
             protocol_name(version));
    receiver->deadline = fh_time_add_ms(receiver->group->now, BODY_MS);
    if (receiver->verdict != FH_VERDICT_STREAM) {
        return;
    }
    set_state(receiver, FH_RECEIVER_STREAMING);
    receiver->byte_at = receiver->group->now;
    receiver->status.connects++;
    receiver->status.last_error[0] = '\0';
    fh_receiver_log_up(receiver);
    receiver->context->handler.connected(receiver->context->userdata, receiver->index,
                                         receiver->status.asked_from_ms);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *userdata)
{
    struct fh_receiver *receiver = userdata;
    size_t len = size * count;
    bool end = len > 0 && (bytes[0] == '\r' || bytes[0] == '\n');
    if (end && receiver->verdict == FH_VERDICT_NONE) { /* else: the end of a body's trailers */
        on_answer(receiver);
    }
    return len;
}

static int prepare(struct fh_receiver *receiver, const char *url, struct fh_error *err)
{
    const struct fh_source_context *context = receiver->context;
    CURL *easy = receiver->easy;
    curl_easy_reset(easy); /* keeps TLS sessions, so that a reconnect is a short handshake */
    int r = fh_connection_options(easy, &context->config, err);
    if (r < 0) {
        return r;
    }
    struct fh_request request = {.config = &context->config,
                                 .api_key = receiver->key,
                                 .url = url,
                                 .range = receiver->range,
                                 .from_ms = receiver->status.asked_from_ms};
    r = context->channel->request(easy, &request, &receiver->headers, err);
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
    CURLMcode code = curl_multi_add_handle(receiver->group->multi, easy);
    if (code != CURLM_OK) {
        return fh_error_set(err, -EIO, "cannot start the request: %s", curl_multi_strerror(code));
    }
    receiver->transfer = true;
    return 0;
}

/* url: a redirect to follow, or NULL for a new attempt. */
static void connect_to(struct fh_receiver *receiver, const char *url)
{
    const struct fh_config_firehose *config = &receiver->context->config;
    receiver->verdict = FH_VERDICT_NONE;
    receiver->body_len = 0;
    receiver->decode_error = 0;
    receiver->delivering = false;
    receiver->deadline =
        fh_time_add_ms(receiver->group->now, config->connect_timeout_ms + config->silence_ms);
    set_state(receiver, FH_RECEIVER_CONNECTING);
    struct fh_error err = {""};
    if (prepare(receiver, url, &err) < 0) {
        fail(receiver, FH_FAILURE_SETUP, 0, 0, err.text, sizeof(err.text));
    }
}

void fh_receiver_open(struct fh_receiver *receiver)
{
    struct fh_source_context *context = receiver->context;
    pthread_mutex_lock(&context->key_lock);
    memcpy(receiver->key, context->api_key, sizeof(receiver->key));
    pthread_mutex_unlock(&context->key_lock);
    int64_t from_ms = context->handler.resume_from(context->userdata, receiver->index);
    receiver->status.asked_from_ms = from_ms > 0 ? from_ms : 0;
    receiver->redirects = 0;
    connect_to(receiver, NULL);
}

/* An answer that is neither a stream nor a redirect we follow. */
static void judge_answer(struct fh_receiver *receiver, int64_t retry_after_ms)
{
    long status = receiver->status.http_status;
    char reason[FH_BODY_SHOWN + 256];
    receiver->body[receiver->body_len] = '\0';
    fh_text_clean(receiver->body, sizeof(receiver->body), receiver->key);
    snprintf(reason, sizeof(reason), "answered with %ld: %s%s%.*s%s", status,
             receiver->context->channel->meaning(status),
             receiver->body[0] ? " (the server says: " : "", FH_BODY_SHOWN, receiver->body,
             receiver->body[0] ? ")" : "");
    bool refused = receiver->verdict == FH_VERDICT_REFUSED;
    fail(receiver, refused ? FH_FAILURE_REFUSED : FH_FAILURE_STATUS, status, retry_after_ms, reason,
         sizeof(reason));
}

/* The key is sent to the configured server and to no other: a redirect is followed only when
 * scheme, host and port stay the same. */
static void judge_redirect(struct fh_receiver *receiver)
{
    char reason[FH_BODY_SHOWN + 256];
    char *url = NULL;
    curl_easy_getinfo(receiver->easy, CURLINFO_REDIRECT_URL, &url);
    long status = receiver->status.http_status;
    bool same = url && fh_same_server(url, receiver->context->config.url);
    if (same && receiver->redirects < REDIRECTS_MAX && strlen(url) < sizeof(receiver->redirect)) {
        memcpy(receiver->redirect, url, strlen(url) + 1); /* url goes with the transfer */
        receiver->redirects++;
        close_connection(receiver, "redirected");
        connect_to(receiver, receiver->redirect);
        return;
    }
    if (same) {
        snprintf(reason, sizeof(reason), "answered with %ld: redirected too often or too far",
                 status);
    } else {
        snprintf(reason, sizeof(reason),
                 "answered with %ld: a redirect to another server is not followed, because the "
                 "key goes only to firehose.url (%.512s)",
                 status, url ? url : "no Location");
    }
    fail(receiver, FH_FAILURE_REFUSED, status, 0, reason, sizeof(reason));
}

static void judge_stream_end(struct fh_receiver *receiver, CURLcode code)
{
    char reason[512];
    if (code == CURLE_OK) {
        snprintf(reason, sizeof(reason), "the server ended the stream");
        fail(receiver, FH_FAILURE_ENDED, 0, 0, reason, sizeof(reason));
    } else if (receiver->decode_error < 0) {
        char text[128];
        snprintf(reason, sizeof(reason), "cannot read the stream: %s",
                 fh_strerror(receiver->decode_error, text, sizeof(text)));
        fail(receiver, FH_FAILURE_DECODER, receiver->decode_error, 0, reason, sizeof(reason));
    } else if (receiver->context->once && code == CURLE_WRITE_ERROR) {
        snprintf(reason, sizeof(reason), "enough");
        fail(receiver, FH_FAILURE_ENDED, 0, 0, reason, sizeof(reason));
    } else {
        fh_curl_reason(code, receiver->curl_error, &receiver->context->config, reason,
                       sizeof(reason));
        fail(receiver, FH_FAILURE_TRANSPORT, (long)code, 0, reason, sizeof(reason));
    }
}

static int64_t retry_after_ms(struct fh_receiver *receiver)
{
    curl_off_t seconds = 0; /* libcurl understands both forms, seconds and a date */
    curl_easy_getinfo(receiver->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0) {
        return 0;
    }
    return seconds > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (int64_t)seconds * 1000;
}

/* No answer of the service: a proxy that opens no tunnel, or the network, or TLS. */
static void judge_no_answer(struct fh_receiver *receiver, CURLcode code)
{
    char reason[512];
    long status = 0;
    curl_easy_getinfo(receiver->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    if (status >= 300) {
        snprintf(reason, sizeof(reason), "the proxy answered with %ld and opens no tunnel%s",
                 status, status == 407 ? ": it wants credentials, check firehose.proxy" : "");
        receiver->status.http_status = (int)status;
        fail(receiver, status < 500 ? FH_FAILURE_REFUSED : FH_FAILURE_STATUS, status, 0, reason,
             sizeof(reason));
        return;
    }
    receiver->status.http_status = 0;
    fh_curl_reason(code == CURLE_OK ? CURLE_GOT_NOTHING : code, receiver->curl_error,
                   &receiver->context->config, reason, sizeof(reason));
    fail(receiver, FH_FAILURE_TRANSPORT, (long)code, 0, reason, sizeof(reason));
}

void fh_receiver_finished(struct fh_receiver *receiver, CURLcode code)
{
    switch (receiver->verdict) {
    case FH_VERDICT_STREAM:
        judge_stream_end(receiver, code);
        break;
    case FH_VERDICT_REDIRECT:
        judge_redirect(receiver);
        break;
    case FH_VERDICT_RETRY:
    case FH_VERDICT_REFUSED:
        judge_answer(receiver, retry_after_ms(receiver));
        break;
    case FH_VERDICT_NONE:
        judge_no_answer(receiver, code);
        break;
    }
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
    int64_t ms = fh_time_diff_ms(at, receiver->group->now) + 1;
    return ms > 0 ? ms : 0;
}

static void silent(struct fh_receiver *receiver, const char *what, int64_t ms)
{
    char reason[128];
    snprintf(reason, sizeof(reason), "%s for %" PRId64 ".%" PRId64 " s", what, ms / 1000,
             ms % 1000 / 100);
    fail(receiver, FH_FAILURE_SILENT, receiver->status.state, 0, reason, sizeof(reason));
}

void fh_receiver_tick(struct fh_receiver *receiver)
{
    const struct fh_config_firehose *config = &receiver->context->config;
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
    set_state(receiver, FH_RECEIVER_STREAMING);
    receiver->byte_at = receiver->group->now;
    /* Gives the kept bytes to on_body at once, which may pause again. */
    CURLcode code = curl_easy_pause(receiver->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK) {
        fh_receiver_finished(receiver, code);
    }
}

void fh_receiver_reconnect(struct fh_receiver *receiver)
{
    close_connection(receiver, "reconnecting as asked");
    fh_receiver_open(receiver);
}

void fh_receiver_shut(struct fh_receiver *receiver)
{
    close_connection(receiver, "stopping");
    set_state(receiver, FH_RECEIVER_IDLE);
}

/* Published before the last lines are handed on: who has seen them finds them counted. */
void fh_receiver_turn_end(struct fh_receiver *receiver)
{
    if (receiver->changed) {
        receiver->changed = false;
        pthread_mutex_lock(&receiver->lock);
        receiver->published = receiver->status;
        receiver->published_byte_at = receiver->byte_at;
        receiver->published_retry_at = receiver->retry_at;
        pthread_mutex_unlock(&receiver->lock);
    }
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
