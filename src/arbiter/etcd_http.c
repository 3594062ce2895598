/* etcd_http.c: owns the curl handles and their sockets and timer in the loop. Proxies of the
 * environment are not used: who may lead is not asked through one. */
#include "etcd_http.h"

#include "etcd_codec.h"

#include "fh/curl_init.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fh_etcd_http {
    sd_event *event;
    sd_event_source *timer;
    CURLM *multi;
    const struct fh_config_arbiter *config; /* a copy, below */
    struct fh_config_arbiter copy;
};

struct fh_etcd_exchange {
    struct fh_etcd_http *http;
    CURL *easy;
    struct curl_slist *headers;
    struct fh_buf body;
    char trouble[CURL_ERROR_SIZE];
    fh_etcd_done done;
    void *userdata;
};

static void free_exchange(struct fh_etcd_exchange *exchange)
{
    if (exchange->easy) {
        curl_multi_remove_handle(exchange->http->multi, exchange->easy);
        curl_easy_cleanup(exchange->easy);
    }
    curl_slist_free_all(exchange->headers);
    fh_buf_done(&exchange->body);
    free(exchange);
}

static void finish(struct fh_etcd_exchange *exchange, CURLcode code)
{
    struct fh_etcd_result result = {.body = "", .len = 0};
    char trouble[CURL_ERROR_SIZE];
    if (code != CURLE_OK) {
        const char *why = exchange->trouble[0] ? exchange->trouble : curl_easy_strerror(code);
        snprintf(trouble, sizeof(trouble), "%s", why);
        result.trouble = trouble;
    } else {
        curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &result.status);
        result.body = exchange->body.len > 0 ? exchange->body.data : "";
        result.len = exchange->body.len;
    }
    /* The body outlives the exchange, so that done may start the next one. */
    struct fh_buf body = exchange->body;
    fh_buf_init(&exchange->body, 0);
    fh_etcd_done done = exchange->done;
    void *userdata = exchange->userdata;
    free_exchange(exchange);
    done(userdata, &result);
    fh_buf_done(&body);
}

static void take_messages(struct fh_etcd_http *http)
{
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        char *exchange = NULL;
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
            finish((struct fh_etcd_exchange *)(void *)exchange, code);
        }
    }
}

/* ---- the loop ---- */

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    struct fh_etcd_http *http = userdata;
    int running = 0;
    int mask = ((events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
               ((events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
               ((events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(http->multi, fd, mask, &running);
    take_messages(http);
    return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct fh_etcd_http *http = userdata;
    int running = 0;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_messages(http);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *assigned)
{
    (void)easy;
    struct fh_etcd_http *http = userdata;
    sd_event_source *source = assigned;
    if (what == CURL_POLL_REMOVE) {
        sd_event_source_disable_unref(source);
        curl_multi_assign(http->multi, fd, NULL);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (source) {
        return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
    }
    if (sd_event_add_io(http->event, &source, fd, events, on_io, http) < 0) {
        return -1;
    }
    curl_multi_assign(http->multi, fd, source);
    return 0;
}

static int want_time(CURLM *multi, long timeout_ms, void *userdata)
{
    (void)multi;
    struct fh_etcd_http *http = userdata;
    if (timeout_ms < 0) {
        return sd_event_source_set_enabled(http->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
    }
    if (sd_event_source_set_time_relative(http->timer, (uint64_t)timeout_ms * 1000) < 0) {
        return -1;
    }
    return sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* ---- one exchange ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *userdata)
{
    struct fh_etcd_exchange *exchange = userdata;
    /* anything but the whole ends the exchange with an error */
    return fh_buf_append(&exchange->body, bytes, size * count) == 0 ? size * count : 0;
}

static int add_header(struct fh_etcd_exchange *exchange, const char *text)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, text);
    exchange->headers = longer ? longer : exchange->headers;
    return longer ? 0 : -ENOMEM;
}

static void set_tls(CURL *easy, const struct fh_config_arbiter *config)
{
    (void)fh_curl_trust(easy, config->ca_file);
    if (config->cert_file[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key_file);
    }
}

static int set_up(struct fh_etcd_exchange *exchange, const char *url, const char *token,
                  const char *body, size_t len, int64_t timeout_ms)
{
    CURL *easy = exchange->easy;
    char header[FH_ETCD_TOKEN_MAX + 32];
    int r = add_header(exchange, "Content-Type: application/json");
    if (r == 0) {
        r = add_header(exchange, "Expect:"); /* no waiting for a 100 */
    }
    if (r == 0 && token[0] != '\0') {
        snprintf(header, sizeof(header), "Authorization: %s", token);
        r = add_header(exchange, header);
    }
    if (r < 0) {
        return r;
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* else the end of an exchange waits for a name that does not resolve */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->trouble);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)len);
    set_tls(easy, exchange->http->config);
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
                   curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK
               ? 0
               : -ENOMEM;
}

int fh_etcd_http_post(struct fh_etcd_http *http, const char *url, const char *token,
                      const char *body, size_t len, int64_t timeout_ms, fh_etcd_done done,
                      void *userdata, struct fh_etcd_exchange **ret)
{
    struct fh_etcd_exchange *exchange = calloc(1, sizeof(*exchange));
    if (!exchange) {
        return -ENOMEM;
    }
    exchange->http = http;
    exchange->done = done;
    exchange->userdata = userdata;
    fh_buf_init(&exchange->body, FH_ETCD_ANSWER_MAX);
    exchange->easy = curl_easy_init();
    int r = exchange->easy ? set_up(exchange, url, token, body, len, timeout_ms) : -ENOMEM;
    if (r == 0 && curl_multi_add_handle(http->multi, exchange->easy) != CURLM_OK) {
        r = -EIO;
    }
    if (r < 0) {
        free_exchange(exchange);
        return r;
    }
    *ret = exchange;
    return 0;
}

void fh_etcd_http_cancel(struct fh_etcd_exchange *exchange)
{
    free_exchange(exchange);
}

/* ---- life ---- */

int fh_etcd_http_new(const struct fh_config_arbiter *config, sd_event *event, struct fh_error *err,
                     struct fh_etcd_http **ret)
{
    int r = fh_curl_init(err);
    if (r < 0) {
        return r;
    }
    struct fh_etcd_http *http = calloc(1, sizeof(*http));
    if (!http) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    http->copy = *config;
    http->config = &http->copy;
    http->event = sd_event_ref(event);
    http->multi = curl_multi_init();
    r = http->multi ? 0 : -ENOMEM;
    if (r == 0) {
        r = sd_event_add_time(event, &http->timer, CLOCK_BOOTTIME, 0, 1000, on_time, http);
    }
    if (r >= 0) {
        r = sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
    }
    if (r < 0) {
        fh_etcd_http_free(http);
        return fh_error_set(err, r, "cannot set up the HTTP client of etcd");
    }
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_time);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    *ret = http;
    return 0;
}

void fh_etcd_http_free(struct fh_etcd_http *http)
{
    if (!http) {
        return;
    }
    if (http->multi) {
        curl_multi_cleanup(http->multi); /* closes what it kept open, by want_socket */
    }
    sd_event_source_disable_unref(http->timer);
    sd_event_unref(http->event);
    free(http);
}
