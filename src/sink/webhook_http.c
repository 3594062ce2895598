/* webhook_http.c: owns the curl handles, one for each lane, and what goes into a request. The body
 * is read from the batch while it is sent, without a copy; each piece of it asks first whether this
 * node may still speak. */
#include "webhook_http.h"
#include "webhook_answer.h"

#include "fh/atomic_file.h"
#include "fh/curl_init.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX      4096
#define ANSWER_KEPT     1024                /* for the sentence */
#define ANSWER_MAX      ((size_t)64 * 1024) /* what comes after it is not waited for */
#define HEADER_TEXT_MAX (FH_SINK_WORD_MAX + 64)
#define NAME_MAX_BYTES  300
#define HIDDEN_MIN      16

struct exchange {
    struct fh_webhook_http *http;
    uint32_t lane;
    bool busy;
    CURL *easy;
    struct curl_slist *headers;
    char trouble[CURL_ERROR_SIZE];

    /* the body */
    const struct fh_webhook_plan *plan;
    const struct fh_collect *batch;
    struct fh_webhook_range range;
    uint32_t place; /* of the record being sent */
    size_t offset;  /* in it, with what stands before and behind it */
    bool fenced;

    char answer[ANSWER_KEPT];
    size_t answer_len; /* of all that came */
};

struct fh_webhook_http {
    const struct fh_config_sink *config;
    const struct fh_sink_context *context;
    CURLM *multi;
    char name[NAME_MAX_BYTES];
    char *secret; /* token or password; "" when there is none */
    char *basic;  /* user and password as they travel; NULL when there are none */
    uint32_t busy;
    struct exchange exchange[FH_WEBHOOK_LANES_MAX];
};

/* ---- the body: "[" record "," record "]" or record "\n" record "\n" ---- */

static const char *before(const struct exchange *exchange, uint32_t place)
{
    if (exchange->http->config->body == FH_BODY_NDJSON) {
        return "";
    }
    return place == exchange->range.from ? "[" : ",";
}

static const char *behind(const struct exchange *exchange, uint32_t place)
{
    if (exchange->http->config->body == FH_BODY_NDJSON) {
        return "\n";
    }
    return place + 1 == exchange->range.to ? "]" : "";
}

static struct fh_slice record_at(const struct exchange *exchange, uint32_t place)
{
    const struct fh_collect *batch = exchange->batch;
    const struct fh_collect_entry *entry = &batch->entry[exchange->plan->order[place]];
    return (struct fh_slice){batch->bytes.data + entry->offset, entry->len};
}

static size_t body_size(const struct exchange *exchange)
{
    size_t size = 0;
    for (uint32_t place = exchange->range.from; place < exchange->range.to; place++) {
        size += strlen(before(exchange, place)) + record_at(exchange, place).len +
                strlen(behind(exchange, place));
    }
    return size;
}

/* Of the pieces one after the other, what lies at *inout_offset; moves on. */
static size_t copy_from(const struct fh_slice *piece, size_t pieces, size_t *inout_offset,
                        char *into, size_t room)
{
    size_t start = 0;
    size_t used = 0;
    for (size_t i = 0; i < pieces; i++) {
        size_t end = start + piece[i].len;
        if (*inout_offset < end && used < room) {
            size_t len = end - *inout_offset;
            len = len < room - used ? len : room - used;
            memcpy(into + used, piece[i].data + (*inout_offset - start), len);
            used += len;
            *inout_offset += len;
        }
        start = end;
    }
    return used;
}

static size_t give_body(char *into, size_t size, size_t count, void *userdata)
{
    struct exchange *exchange = userdata;
    size_t room = size * count;
    size_t used = 0;
    if (fh_sink_fenced(exchange->http->context)) {
        exchange->fenced = true;
        return CURL_READFUNC_ABORT;
    }
    while (used < room && exchange->place < exchange->range.to) {
        struct fh_slice record = record_at(exchange, exchange->place);
        const char *first = before(exchange, exchange->place);
        const char *last = behind(exchange, exchange->place);
        const struct fh_slice piece[] = {{first, strlen(first)}, record, {last, strlen(last)}};
        used += copy_from(piece, FH_ARRAY_LEN(piece), &exchange->offset, into + used, room - used);
        if (exchange->offset == piece[0].len + piece[1].len + piece[2].len) {
            exchange->place++;
            exchange->offset = 0;
        }
    }
    return used;
}

/* A connection kept open that turns out to be dead: libcurl begins again on a new one. */
static int rewind_body(void *userdata, curl_off_t offset, int origin)
{
    struct exchange *exchange = userdata;
    if (origin != SEEK_SET || offset != 0) {
        return CURL_SEEKFUNC_FAIL;
    }
    exchange->place = exchange->range.from;
    exchange->offset = 0;
    return CURL_SEEKFUNC_OK;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *userdata)
{
    struct exchange *exchange = userdata;
    size_t len = size * count;
    if (exchange->answer_len < ANSWER_KEPT) {
        size_t room = ANSWER_KEPT - exchange->answer_len;
        memcpy(exchange->answer + exchange->answer_len, bytes, len < room ? len : room);
    }
    exchange->answer_len += len;
    /* an answer without end: its status is all we want of it */
    return exchange->answer_len > ANSWER_MAX ? 0 : len;
}

/* ---- one request ---- */

static int add_header(struct exchange *exchange, const char *text)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, text);
    exchange->headers = longer ? longer : exchange->headers;
    return longer ? 0 : -ENOMEM;
}

static int add_own_headers(struct exchange *exchange, uint64_t epoch)
{
    const struct fh_config_sink *config = exchange->http->config;
    char text[HEADER_TEXT_MAX];
    char key[FH_IDEMPOTENCY_KEY_SIZE];
    fh_webhook_idempotency_key(exchange->plan, exchange->batch, exchange->range, key);
    snprintf(text, sizeof(text), "Idempotency-Key: %s", key);
    int r = add_header(exchange, text);
    snprintf(text, sizeof(text), "Firehosed-Epoch: %" PRIu64, epoch);
    r = r < 0 ? r : add_header(exchange, text);
    snprintf(text, sizeof(text), "Firehosed-Node: %s", exchange->http->context->node);
    r = r < 0 ? r : add_header(exchange, text);
    snprintf(text, sizeof(text), "Firehosed-Count: %" PRIu32,
             exchange->range.to - exchange->range.from);
    r = r < 0 ? r : add_header(exchange, text);
    if (r == 0 && exchange->http->context->replay) {
        snprintf(text, sizeof(text), "Firehosed-Replay: %s", exchange->http->context->replay);
        r = add_header(exchange, text);
    }
    r = r < 0 ? r : add_header(exchange, "Expect:"); /* no waiting for a 100 */
    bool own_type = false;
    for (size_t i = 0; i < config->header_count && r == 0; i++) {
        own_type = own_type || strncasecmp(config->headers[i], "Content-Type:", 13) == 0;
        r = add_header(exchange, config->headers[i]);
    }
    if (r == 0 && !own_type) {
        r = add_header(exchange, config->body == FH_BODY_NDJSON
                                     ? "Content-Type: application/x-ndjson"
                                     : "Content-Type: application/json");
    }
    return r;
}

static int add_token(struct exchange *exchange)
{
    char *text = NULL;
    if (exchange->http->config->token_file[0] == '\0') {
        return 0;
    }
    if (asprintf(&text, "Authorization: Bearer %s", exchange->http->secret) < 0) {
        return -ENOMEM;
    }
    int r = add_header(exchange, text);
    explicit_bzero(text, strlen(text));
    free(text);
    return r;
}

static void forget_request(struct exchange *exchange)
{
    if (exchange->busy) {
        curl_multi_remove_handle(exchange->http->multi, exchange->easy);
        exchange->http->busy--;
        exchange->busy = false;
    }
    for (struct curl_slist *header = exchange->headers; header; header = header->next) {
        explicit_bzero(header->data, strlen(header->data));
    }
    curl_slist_free_all(exchange->headers);
    exchange->headers = NULL;
}

static void set_security(CURL *easy, const struct fh_webhook_http *http)
{
    const struct fh_config_sink *config = http->config;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)fh_curl_trust(easy, config->ca_file);
    if (config->cert_file[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY,
                         config->key_file[0] != '\0' ? config->key_file : config->cert_file);
    }
    if (config->user[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, config->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, http->secret);
    }
    if (strncasecmp(config->url, "http:", 5) == 0) {
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* this host: no way round through a proxy */
    }
}

static void set_up(struct exchange *exchange)
{
    CURL *easy = exchange->easy;
    const struct fh_config_sink *config = exchange->http->config;
    curl_easy_reset(easy); /* keeps the connections */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_URL, config->url);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_size(exchange));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->trouble);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)exchange);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "firehosed/" FH_VERSION);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)config->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* with HTTP/2 one connection does */
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* else the end of a request waits for a name that does not resolve */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    set_security(easy, exchange->http);
}

int fh_webhook_http_send(struct fh_webhook_http *http, uint32_t lane,
                         const struct fh_webhook_plan *plan, const struct fh_collect *batch,
                         struct fh_webhook_range range, uint64_t epoch)
{
    struct exchange *exchange = &http->exchange[lane];
    if (!exchange->easy && !(exchange->easy = curl_easy_init())) {
        return -ENOMEM;
    }
    exchange->http = http;
    exchange->lane = lane;
    exchange->plan = plan;
    exchange->batch = batch;
    exchange->range = range;
    exchange->place = range.from;
    exchange->offset = 0;
    exchange->fenced = false;
    exchange->answer_len = 0;
    exchange->trouble[0] = '\0';
    int r = add_own_headers(exchange, epoch);
    r = r < 0 ? r : add_token(exchange);
    if (r == 0) {
        set_up(exchange);
        r = curl_multi_add_handle(http->multi, exchange->easy) == CURLM_OK ? 0 : -ENOMEM;
    }
    if (r < 0) {
        forget_request(exchange);
        return r;
    }
    exchange->busy = true;
    http->busy++;
    return 0;
}

static void finish(struct exchange *exchange, CURLcode code, fh_webhook_done done, void *userdata)
{
    struct fh_webhook_result result = {.trouble_text = "", .fenced = exchange->fenced};
    bool answered =
        code == CURLE_OK || (code == CURLE_WRITE_ERROR && exchange->answer_len > ANSWER_MAX);
    if (answered) {
        curl_off_t retry_after = 0;
        curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &result.status);
        curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &retry_after);
        result.retry_after_s = retry_after > 0 ? (int64_t)retry_after : 0;
        result.body = (struct fh_slice){exchange->answer, exchange->answer_len < ANSWER_KEPT
                                                              ? exchange->answer_len
                                                              : ANSWER_KEPT};
    } else {
        result.trouble = (int)code;
        result.trouble_text = fh_curl_said(code, exchange->trouble);
    }
    forget_request(exchange);
    done(userdata, exchange->lane, &result);
}

void fh_webhook_http_turn(struct fh_webhook_http *http, int wait_ms, fh_webhook_done done,
                          void *userdata)
{
    int running = 0;
    int left = 0;
    curl_multi_perform(http->multi, &running);
    CURLMsg *message = curl_multi_info_read(http->multi, &left);
    if (!message && wait_ms > 0) {
        curl_multi_poll(http->multi, NULL, 0, wait_ms, NULL);
        curl_multi_perform(http->multi, &running);
        message = curl_multi_info_read(http->multi, &left);
    }
    for (; message; message = curl_multi_info_read(http->multi, &left)) {
        char *exchange = NULL;
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
            finish((struct exchange *)(void *)exchange, code, done, userdata);
        }
    }
}

uint32_t fh_webhook_http_busy(const struct fh_webhook_http *http)
{
    return http->busy;
}

bool fh_webhook_http_lane_busy(const struct fh_webhook_http *http, uint32_t lane)
{
    return http->exchange[lane].busy;
}

void fh_webhook_http_cancel(struct fh_webhook_http *http)
{
    for (uint32_t lane = 0; lane < FH_WEBHOOK_LANES_MAX; lane++) {
        if (http->exchange[lane].busy) {
            forget_request(&http->exchange[lane]);
        }
    }
}

/* ---- what the configuration says ---- */

/* Where the path begins; shorter ones, as short values, are no secrets but words. */
static const char *hidden_path(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *path = host + strcspn(host, "/?#");
    return strlen(path) >= HIDDEN_MIN ? path : NULL;
}

static const char *hidden_value(const char *header)
{
    const char *value = header + strcspn(header, ":");
    value += strspn(value, ": \t");
    return strlen(value) >= HIDDEN_MIN ? value : NULL;
}

void fh_webhook_http_excerpt(const struct fh_webhook_http *http, struct fh_slice body, char *text,
                             size_t size)
{
    const struct fh_config_sink *config = http->config;
    const char *secrets[3 + FH_ENDPOINTS_MAX] = {http->secret, http->basic,
                                                 hidden_path(config->url)};
    size_t count = 3;
    for (size_t i = 0; i < config->header_count; i++) {
        secrets[count++] = hidden_value(config->headers[i]);
    }
    fh_webhook_excerpt(body, secrets, count, text, size);
}

const char *fh_webhook_http_name(const struct fh_webhook_http *http)
{
    return http->name;
}

static void forget(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

/* "user:password" in base64 (RFC 7617). */
static char *make_basic(const char *user, const char *password)
{
    char *pair = NULL;
    if (asprintf(&pair, "%s:%s", user, password) < 0) {
        return NULL;
    }
    size_t len = strlen(pair);
    char *text = malloc((len + 2) / 3 * 4 + 1);
    if (text) {
        EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)pair, (int)len);
    }
    forget(&pair);
    return text;
}

int fh_webhook_http_credentials(struct fh_webhook_http *http, struct fh_error *err)
{
    const struct fh_config_sink *config = http->config;
    bool token = config->token_file[0] != '\0';
    const char *path = token ? config->token_file : config->password_file;
    char *text = NULL;
    int r = path[0] == '\0' ? 0 : fh_file_read(path, SECRET_MAX, 1, &text, err);
    if (r < 0) {
        fh_error_prefix(err, token ? "token_file" : "password_file");
        return r;
    }
    if (!text) {
        text = strdup("");
    } else {
        text[strcspn(text, "\r\n")] = '\0'; /* the first line */
        for (const char *c = text; *c && r == 0; c++) {
            r = (unsigned char)*c < ' ' || (token && (*c == ' ' || *c > '~')) ? -EINVAL : 0;
        }
        if (r < 0 || text[0] == '\0') {
            explicit_bzero(text, strlen(text));
            free(text);
            return fh_error_set(err, -EINVAL, "%s must hold the %s alone on its first line", path,
                                token ? "token" : "password");
        }
    }
    char *basic = text && config->user[0] != '\0' ? make_basic(config->user, text) : NULL;
    if (!text || (config->user[0] != '\0' && !basic)) {
        forget(&text);
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    forget(&http->secret);
    forget(&http->basic);
    http->secret = text;
    http->basic = basic;
    return 0;
}

/* Scheme, host and port of the address. */
static void make_name(struct fh_webhook_http *http)
{
    const char *url = http->config->url;
    const char *host = strstr(url, "://") + 3;
    size_t len = (size_t)(host - url) + strcspn(host, "/?#");
    snprintf(http->name, sizeof(http->name), "%.*s",
             (int)(len < NAME_MAX_BYTES ? len : NAME_MAX_BYTES - 1), url);
}

static int check_file(const char *option, const char *path, bool secret, struct fh_error *err)
{
    char *text = NULL;
    int r = path[0] == '\0' ? 0 : fh_file_read(path, (size_t)4 << 20, secret, &text, err);
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
    if (r < 0) {
        fh_error_prefix(err, "%s", option);
    }
    return r;
}

static int check_config(struct fh_webhook_http *http, struct fh_error *err)
{
    const struct fh_config_sink *config = http->config;
    int r = fh_config_check_webhook(config, err);
    if (r == 0) {
        make_name(http);
    }
    r = r < 0 ? r : check_file("ca_file", config->ca_file, false, err);
    /* a certificate that brings its key along is a secret itself */
    r = r < 0 ? r : check_file("cert_file", config->cert_file, config->key_file[0] == '\0', err);
    r = r < 0 ? r : check_file("key_file", config->key_file, true, err);
    return r < 0 ? r : fh_webhook_http_credentials(http, err);
}

/* ---- life ---- */

int fh_webhook_http_new(const struct fh_config_sink *config, const struct fh_sink_context *context,
                        struct fh_error *err, struct fh_webhook_http **ret)
{
    int r = fh_curl_init(err);
    if (r < 0) {
        return r;
    }
    struct fh_webhook_http *http = calloc(1, sizeof(*http));
    if (!http || !(http->multi = curl_multi_init())) {
        free(http);
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    http->config = config;
    http->context = context;
    /* As many connections as there are lanes stay open between batches. */
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)config->concurrency);
    r = check_config(http, err);
    if (r < 0) {
        fh_webhook_http_free(http);
        return r;
    }
    *ret = http;
    return 0;
}

void fh_webhook_http_free(struct fh_webhook_http *http)
{
    if (!http) {
        return;
    }
    fh_webhook_http_cancel(http);
    for (uint32_t lane = 0; lane < FH_WEBHOOK_LANES_MAX; lane++) {
        if (http->exchange[lane].easy) {
            curl_easy_cleanup(http->exchange[lane].easy);
        }
    }
    curl_multi_cleanup(http->multi);
    forget(&http->secret);
    forget(&http->basic);
    free(http);
}
