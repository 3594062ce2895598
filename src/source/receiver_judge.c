/* receiver_judge.c: owns the judgement when a transfer is over: what the server meant, what the
 * operator reads, and whether to back off, to wait slowly, or to follow a redirect. */
#include "receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define REDIRECTS_MAX 3

/* A Retry-After beyond this is a mistake, or a date seen by a clock that is wrong. */
#define RETRY_AFTER_MAX_MS 3600000

/* Less than this is not worth asking for. */
#define REACH_LEAST_MS 60000

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

/* A new key came while this attempt was under way: that it was refused says nothing of the next. */
static bool key_is_old(const struct fh_receiver *receiver)
{
    struct fh_source_context *context = receiver->context;
    pthread_mutex_lock(&context->key_lock);
    bool old = strcmp(receiver->key, context->api_key) != 0;
    pthread_mutex_unlock(&context->key_lock);
    return old;
}

/* What a service does that is asked for more than it has kept is not documented (firehose-api.md
 * 11.1). One that answers 400 would do so for ever: the resume point only grows older. So it is
 * asked for the replay window instead, then for a half and a quarter of it, in the end for what
 * comes from now on; if that is 400 as well, it is for another reason. Only of what is older than
 * the window, so that the gap is declared, and only by the service's own clock. */
static bool reach_less_far(struct fh_receiver *receiver)
{
    int64_t window_ms = receiver->context->config.replay_window_ms;
    bool too_old = receiver->status.asked_from_ms > 0 && receiver->server_ms > 0 &&
                   receiver->server_ms - receiver->wished_ms > window_ms;
    if (receiver->status.http_status != 400 || receiver->context->once) {
        return false;
    }
    if (!too_old) {
        receiver->reach_ms = -1;
        return false;
    }
    receiver->reach_ms = receiver->reach_ms < 0 ? window_ms : receiver->reach_ms / 2;
    receiver->reach_ms = receiver->reach_ms < REACH_LEAST_MS ? 0 : receiver->reach_ms;
    receiver->reach_from_ms = receiver->server_ms;
    receiver->reach_at = receiver->group->now;
    return true;
}

/* Put what it means before the reason. */
static void tell_reach(const struct fh_receiver *receiver, char *reason, size_t size)
{
    char text[FH_BODY_SHOWN + 256];
    char next[64] = "what comes from now on";
    if (receiver->reach_ms > 0) {
        snprintf(next, sizeof(next), "the last %" PRId64 " s", receiver->reach_ms / 1000);
    }
    snprintf(text, sizeof(text),
             "the service seems not to replay from so long ago, it is asked for %s instead: %s",
             next, reason);
    snprintf(reason, size, "%s", text);
}

void fh_receiver_fail(struct fh_receiver *receiver, enum fh_failure failure, long code,
                      int64_t retry_after_ms, char *reason, size_t reason_size)
{
    const struct fh_config_firehose *config = &receiver->context->config;
    fh_text_clean(reason, reason_size, receiver->key);
    bool answered = failure == FH_FAILURE_REFUSED || failure == FH_FAILURE_STATUS;
    if (answered && reach_less_far(receiver)) {
        failure = FH_FAILURE_STATUS;
        tell_reach(receiver, reason, reason_size);
    }
    fh_receiver_close(receiver, reason);
    bool old_key = failure == FH_FAILURE_REFUSED && key_is_old(receiver);
    int64_t retry_ms = 0;
    if (failure == FH_FAILURE_REFUSED && !old_key) {
        retry_ms = fh_backoff_refused(&receiver->backoff, random32(), config->refused_retry_ms);
        retry_ms = retry_ms < retry_after_ms ? retry_after_ms : retry_ms;
        fh_receiver_set_state(receiver, FH_RECEIVER_REFUSED);
    } else {
        retry_ms =
            fh_backoff_failed(&receiver->backoff, receiver->group->now, random32(), retry_after_ms);
        fh_receiver_set_state(receiver, FH_RECEIVER_WAITING);
    }
    if (failure == FH_FAILURE_SILENT || failure == FH_FAILURE_DECODER) { /* it is we who end it */
        fh_receiver_let_notice(receiver);
        retry_ms = retry_ms < FH_REOPEN_MS ? FH_REOPEN_MS : retry_ms;
    }
    receiver->retry_at = fh_time_add_ms(receiver->group->now, retry_ms);
    if (fh_time_before(receiver->retry_at, receiver->open_from)) {
        receiver->retry_at = receiver->open_from;
    }
    receiver->status.failures++;
    snprintf(receiver->status.last_error, sizeof(receiver->status.last_error), "%.*s",
             (int)sizeof(receiver->status.last_error) - 1, reason);
    if (old_key && receiver->logged != FH_FAILURE_REFUSED) {
        failure = FH_FAILURE_STATUS; /* nothing the operator has to act on: the next key is there */
    }
    fh_receiver_log_failure(receiver, failure, code, retry_ms, reason);
    if (receiver->context->once) {
        receiver->once_result = once_code(failure);
        fh_error_set(&receiver->once_error, receiver->once_result, "%s", reason);
        atomic_store(&receiver->group->stop, true);
    }
}

/* An answer that is neither a stream nor a redirect we follow. */
static void judge_answer(struct fh_receiver *receiver, int64_t retry_after_ms)
{
    long status = receiver->status.http_status;
    char reason[FH_BODY_SHOWN + 256];
    receiver->body[receiver->body_len] = '\0';
    fh_text_clean(receiver->body, sizeof(receiver->body), receiver->key);
    snprintf(reason, sizeof(reason), "answered with %ld: %s%s%.*s%s", status,
             receiver->context->channel->meaning(receiver->decoder, status),
             receiver->body[0] ? " (the server says: " : "", FH_BODY_SHOWN, receiver->body,
             receiver->body[0] ? ")" : "");
    bool refused = receiver->verdict == FH_VERDICT_REFUSED;
    fh_receiver_fail(receiver, refused ? FH_FAILURE_REFUSED : FH_FAILURE_STATUS, status,
                     retry_after_ms, reason, sizeof(reason));
}

/* Location, which may be relative, as an address. False: there is none. */
static bool make_absolute(struct fh_receiver *receiver, char *ret, size_t size)
{
    char *base = NULL;
    char *full = NULL;
    CURLU *url = curl_url();
    curl_easy_getinfo(receiver->easy, CURLINFO_EFFECTIVE_URL, &base);
    bool good =
        url && base && receiver->redirect[0] &&
        curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_URL, receiver->redirect, CURLU_URLENCODE) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &full, 0) == CURLUE_OK && strlen(full) < size;
    if (good) {
        memcpy(ret, full, strlen(full) + 1);
    }
    curl_free(full);
    curl_url_cleanup(url);
    return good;
}

/* The key is sent to the configured server and to no other: a redirect is followed only when
 * scheme, host and port stay the same. */
static void judge_redirect(struct fh_receiver *receiver)
{
    char reason[FH_BODY_SHOWN + 256];
    char url[sizeof(receiver->redirect)];
    bool known = make_absolute(receiver, url, sizeof(url));
    long status = receiver->status.http_status;
    bool same = known && fh_same_server(url, receiver->context->config.url);
    if (same && receiver->redirects < REDIRECTS_MAX) {
        memcpy(receiver->redirect, url, strlen(url) + 1);
        receiver->redirects++;
        fh_receiver_close(receiver, "redirected");
        fh_receiver_connect_to(receiver, receiver->redirect);
        return;
    }
    if (same) {
        snprintf(reason, sizeof(reason), "answered with %ld: redirected too often", status);
    } else {
        snprintf(reason, sizeof(reason),
                 "answered with %ld: a redirect to another server is not followed, because the "
                 "key goes only to firehose.url (%.512s)",
                 status, known ? url : "no Location that is an address");
    }
    fh_receiver_fail(receiver, FH_FAILURE_REFUSED, status, 0, reason, sizeof(reason));
}

static void judge_stream_end(struct fh_receiver *receiver, CURLcode code)
{
    char reason[512];
    if (code == CURLE_OK) {
        const char *unsaid = receiver->context->channel->unsaid;
        snprintf(reason, sizeof(reason), "the server ended the stream%s%s", unsaid ? " " : "",
                 unsaid ? unsaid : "");
        fh_receiver_fail(receiver, FH_FAILURE_ENDED, 0, 0, reason, sizeof(reason));
    } else if (receiver->decode_error < 0) {
        char text[128];
        snprintf(reason, sizeof(reason), "cannot read the stream: %s",
                 fh_strerror(receiver->decode_error, text, sizeof(text)));
        fh_receiver_fail(receiver, FH_FAILURE_DECODER, receiver->decode_error, 0, reason,
                         sizeof(reason));
    } else if (receiver->context->once && code == CURLE_WRITE_ERROR) {
        snprintf(reason, sizeof(reason), "enough");
        fh_receiver_fail(receiver, FH_FAILURE_ENDED, 0, 0, reason, sizeof(reason));
    } else {
        fh_curl_reason(code, receiver->curl_error, &receiver->context->config, reason,
                       sizeof(reason));
        fh_receiver_fail(receiver, FH_FAILURE_TRANSPORT, (long)code, 0, reason, sizeof(reason));
    }
}

/* A date is compared with the service's clock: by a clock of ours that is wrong the wait could
 * outlast what the service replays. */
static int64_t retry_after_ms(struct fh_receiver *receiver)
{
    curl_off_t seconds = 0; /* libcurl understands both forms, seconds and a date */
    if (receiver->again_ms > 0 && receiver->server_ms > 0) {
        seconds = (receiver->again_ms - receiver->server_ms) / 1000;
    } else {
        curl_easy_getinfo(receiver->easy, CURLINFO_RETRY_AFTER, &seconds);
    }
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
        fh_receiver_fail(receiver, status < 500 ? FH_FAILURE_REFUSED : FH_FAILURE_STATUS, status, 0,
                         reason, sizeof(reason));
        return;
    }
    receiver->status.http_status = 0;
    fh_curl_reason(code == CURLE_OK ? CURLE_GOT_NOTHING : code, receiver->curl_error,
                   &receiver->context->config, reason, sizeof(reason));
    fh_receiver_fail(receiver, FH_FAILURE_TRANSPORT, (long)code, 0, reason, sizeof(reason));
}

/* The server has said in the channel's own words that, and why, it is over. */
static void judge_ending(struct fh_receiver *receiver, struct fh_ending *ending)
{
    enum fh_failure failure = FH_FAILURE_STATUS;
    if (ending->verdict == FH_VERDICT_STREAM) {
        failure = FH_FAILURE_ENDED;
    } else if (ending->verdict == FH_VERDICT_REFUSED) {
        failure = FH_FAILURE_REFUSED;
    }
    if (ending->http_status > 0) {
        receiver->status.http_status = ending->http_status;
    }
    int64_t asked_ms = retry_after_ms(receiver);
    int64_t wait_ms = ending->retry_after_ms > asked_ms ? ending->retry_after_ms : asked_ms;
    wait_ms = wait_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : wait_ms;
    fh_receiver_fail(receiver, failure, ending->code, wait_ms, ending->text, sizeof(ending->text));
}

void fh_receiver_finished(struct fh_receiver *receiver, CURLcode code)
{
    const struct fh_channel_ops *channel = receiver->context->channel;
    struct fh_ending ending;
    if (receiver->verdict != FH_VERDICT_NONE && receiver->decode_error == 0 && channel->ending &&
        channel->ending(receiver->decoder, &ending)) {
        judge_ending(receiver, &ending);
        return;
    }
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
