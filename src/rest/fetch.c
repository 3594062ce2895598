/* fetch.c: owns one request to the service: its options, its limits, its redirects. It decides
 * nothing about what an answer means, keeps nothing and never retries. */
#include "fetch.h"

#include "fh/clock.h"
#include "fh/service.h"
#include "fh/sigpipe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REDIRECTS_MAX 3
#define REFUSAL_KEPT  ((size_t)4 * 1024)  /* of a body that is not what was asked for */
#define REFUSAL_MAX   ((size_t)64 * 1024) /* what comes after it is not waited for */

struct exchange {
    CURL *easy;
    const struct fh_fetch_request *request;
    struct fh_fetch_answer *answer;
    size_t received;
    bool too_large;
    bool no_memory;
    char trouble[CURL_ERROR_SIZE];
};

int fh_fetch_url(const char *base, const char *path, char *ret, size_t size, struct fh_error *err)
{
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/') {
        len--;
    }
    int n = snprintf(ret, size, "%.*s%s", (int)len, base, path);
    return n < 0 || (size_t)n >= size
               ? fh_error_set(err, -ENAMETOOLONG, "the address of the service is too long")
               : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata)
{
    struct exchange *exchange = userdata;
    struct fh_buf *body = &exchange->answer->body;
    size_t len = size * count;
    long status = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->received += len;
    if (status == 200) {
        int r = fh_buf_append(body, bytes, len);
        exchange->too_large = r == -ENOBUFS;
        exchange->no_memory = r == -ENOMEM;
        return r < 0 ? 0 : len;
    }
    size_t kept = body->max < REFUSAL_KEPT ? body->max : REFUSAL_KEPT;
    size_t room = body->len < kept ? kept - body->len : 0;
    if (room > 0 && fh_buf_append(body, bytes, len < room ? len : room) < 0) {
        return 0;
    }
    return exchange->received > REFUSAL_MAX ? 0 : len;
}

static int on_progress(void *userdata, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    return atomic_load((atomic_bool *)userdata) ? 1 : 0;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_code = curl_easy_setopt(easy, option, value);                                 \
        if (set_code != CURLE_OK) {                                                                \
            return set_code;                                                                       \
        }                                                                                          \
    } while (0)

static CURLcode set_request(struct exchange *exchange, const char *url, int64_t timeout_ms)
{
    CURL *easy = exchange->easy;
    const struct fh_fetch_request *request = exchange->request;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_HTTPHEADER, request->headers);
    SET(CURLOPT_HTTP_VERSION, fh_service_http_version(request->config));
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_ERRORBUFFER, exchange->trouble);
    if (request->body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->body));
        SET(CURLOPT_POSTFIELDS, request->body);
    }
    if (request->cancel) {
        SET(CURLOPT_NOPROGRESS, 0L);
        SET(CURLOPT_XFERINFOFUNCTION, on_progress);
        SET(CURLOPT_XFERINFODATA, request->cancel);
    }
    return CURLE_OK;
}

/* No answer: what the operator reads. */
static int no_answer(struct exchange *exchange, CURLcode code, struct fh_error *err)
{
    char text[400];
    long proxy = 0;
    if (exchange->too_large) {
        return fh_error_set(err, -EMSGSIZE, "the answer is larger than %zu bytes",
                            exchange->answer->body.max);
    }
    if (exchange->no_memory) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return fh_error_set(err, -ECANCELED, "canceled");
    }
    curl_easy_getinfo(exchange->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (proxy >= 300) {
        return fh_error_set(err, proxy == 407 ? -EACCES : -EIO,
                            "the proxy answered with %ld and opens no tunnel%s", proxy,
                            proxy == 407 ? ": it wants credentials, check firehose.proxy" : "");
    }
    fh_curl_reason(code, exchange->trouble, exchange->request->config, text, sizeof(text));
    fh_text_clean(text, sizeof(text), exchange->request->secret);
    int r = -EIO;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        r = -ETIMEDOUT;
    } else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) {
        r = -EBADMSG;
    } else if (code == CURLE_OUT_OF_MEMORY) {
        r = -ENOMEM;
    }
    return fh_error_set(err, r, "%s", text);
}

static int perform(struct exchange *exchange, const char *url, int64_t timeout_ms,
                   struct fh_error *err)
{
    struct fh_fetch_answer *answer = exchange->answer;
    struct fh_sigpipe_hold hold;
    curl_off_t retry_after = 0;
    curl_easy_reset(exchange->easy); /* keeps the connections */
    int r = fh_service_options(exchange->easy, exchange->request->config, err);
    CURLcode code = r < 0 ? CURLE_OK : set_request(exchange, url, timeout_ms);
    if (r < 0 || code != CURLE_OK) {
        return r < 0 ? r
                     : fh_error_set(err, -EINVAL, "cannot set up the request: %s",
                                    curl_easy_strerror(code));
    }
    exchange->received = 0;
    exchange->trouble[0] = '\0';
    answer->status = 0;
    fh_buf_clear(&answer->body);
    fh_sigpipe_block(&hold);
    code = curl_easy_perform(exchange->easy);
    fh_sigpipe_unblock(&hold);
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &retry_after);
    answer->retry_after_s = retry_after > 0 ? (int64_t)retry_after : 0;
    bool refusal = code == CURLE_WRITE_ERROR && answer->status != 200 && !exchange->no_memory;
    return code == CURLE_OK || refusal ? 0 : no_answer(exchange, code, err);
}

/* 1: *inout_url is the next address; else as fh_fetch. */
static int redirect(struct exchange *exchange, unsigned followed, char *inout_url, size_t size,
                    struct fh_error *err)
{
    long status = exchange->answer->status;
    char *to = NULL;
    curl_easy_getinfo(exchange->easy, CURLINFO_REDIRECT_URL, &to);
    if (status < 300 || status >= 400) {
        return 0;
    }
    if (!to || !fh_same_server(to, exchange->request->url)) {
        char text[300];
        snprintf(text, sizeof(text), "%s", to ? to : "no Location");
        fh_text_clean(text, sizeof(text), exchange->request->secret);
        return fh_error_set(err, -EBADMSG,
                            "answered with %ld: a redirect to another server is not followed, "
                            "because the key goes only to firehose.url (%s)",
                            status, text);
    }
    if (exchange->request->body || followed >= REDIRECTS_MAX || strlen(to) >= size) {
        return fh_error_set(err, -EBADMSG, "answered with %ld: redirected too often or too far",
                            status);
    }
    memcpy(inout_url, to, strlen(to) + 1); /* to goes with the next request */
    return 1;
}

int fh_fetch(CURL *easy, const struct fh_fetch_request *request, struct fh_fetch_answer *answer,
             struct fh_error *err)
{
    struct exchange exchange = {.easy = easy, .request = request, .answer = answer};
    struct fh_time begin = fh_now();
    char url[FH_URL_MAX * 2 + 1];
    int r = fh_fetch_url(request->url, "", url, sizeof(url), err);
    for (unsigned followed = 0; r >= 0; followed++) {
        int64_t left_ms = request->timeout_ms - fh_time_diff_ms(fh_now(), begin);
        r = left_ms > 0 ? perform(&exchange, url, left_ms, err)
                        : fh_error_set(err, -ETIMEDOUT, "no answer in time");
        r = r < 0 ? r : redirect(&exchange, followed, url, sizeof(url), err);
        if (r <= 0) {
            break;
        }
    }
    curl_easy_reset(easy); /* points to nothing of ours any more */
    return r;
}
