/* rest.c: owns the client: what is asked, how often, how long an answer is kept, and what a status
 * means. How a request is made is fetch.c's business, what an answer says answer.c's. */
#include "fh/rest.h"

#include "answer.h"
#include "cache.h"
#include "client_limits.h"
#include "fetch.h"

#include "fh/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS     60000
#define FACTS_KEPT_MS (10 * (int64_t)MINUTE_MS) /* locations and maps */
#define IMAGE_KEPT_MS (1440 * (int64_t)MINUTE_MS)
#define REFUSAL_MS    MINUTE_MS
#define TROUBLE_MS    10000 /* what may be over soon: not reached, 5xx */
/* 429, 503: everything waits as long as the service asks, within reason. */
#define PAUSE_MS     10000
#define PAUSE_MAX_MS (10 * (int64_t)MINUTE_MS)

struct fh_rest {
    struct fh_config_firehose config;
    struct fh_rest_limits limits;
    char key[FH_API_KEY_MAX];
    CURL *easy;
    struct curl_slist *json_headers;
    struct curl_slist *image_headers;
    struct fh_rest_cache cache;
    struct fh_buf body;
    atomic_bool canceled;
    struct fh_time asked[FH_REST_PER_MINUTE]; /* a ring: when the last requests were made */
    unsigned next;
    struct fh_time paused_until;
};

const struct fh_rest_limits fh_rest_limits = {
    .now = fh_now,
    .answer_max = FH_REST_ANSWER_MAX,
    .cache_bytes = FH_REST_CACHE_BYTES,
    .per_minute = FH_REST_PER_MINUTE,
    .timeout_ms = 30000,
};

static struct curl_slist *make_headers(const char *api_key, const char *accept)
{
    struct curl_slist *headers = fh_service_key_header(api_key);
    if (headers && !curl_slist_append(headers, accept)) {
        fh_service_headers_free(headers);
        headers = NULL;
    }
    return headers;
}

int fh_rest_new_limited(const struct fh_config *config, const char *api_key,
                        const struct fh_rest_limits *limits, struct fh_error *err,
                        struct fh_rest **ret)
{
    int r = fh_service_check(&config->firehose, api_key, err);
    if (r < 0) {
        return r;
    }
    struct fh_rest *rest = calloc(1, sizeof(*rest));
    if (!rest) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    rest->config = config->firehose;
    rest->limits = *limits;
    snprintf(rest->key, sizeof(rest->key), "%s", api_key);
    fh_rest_cache_init(&rest->cache, limits->cache_bytes);
    fh_buf_init(&rest->body, limits->answer_max);
    rest->easy = curl_easy_init();
    rest->json_headers = make_headers(api_key, "Accept: application/json");
    rest->image_headers = make_headers(api_key, "Accept: image/png, image/jpeg");
    if (!rest->easy || !rest->json_headers || !rest->image_headers) {
        fh_rest_free(rest);
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    *ret = rest;
    return 0;
}

int fh_rest_new(const struct fh_config *config, const char *api_key, struct fh_error *err,
                struct fh_rest **ret)
{
    return fh_rest_new_limited(config, api_key, &fh_rest_limits, err, ret);
}

void fh_rest_free(struct fh_rest *rest)
{
    if (!rest) {
        return;
    }
    curl_easy_cleanup(rest->easy);
    fh_service_headers_free(rest->json_headers);
    fh_service_headers_free(rest->image_headers);
    fh_rest_cache_done(&rest->cache);
    fh_buf_done(&rest->body);
    explicit_bzero(rest->key, sizeof(rest->key));
    free(rest);
}

void fh_rest_cancel(struct fh_rest *rest)
{
    atomic_store(&rest->canceled, true);
}

/* ---- what a status means ---- */

static const struct fh_rest_meaning meanings[] = {
    {400, -EBADMSG, "the service rejects the request"},
    {401, -EACCES, "the API key is missing, invalid or blocked: check firehose.api_key_file"},
    {403, -EACCES, "the key may not ask for this tenant"},
    {404, -ENOENT, "the service knows no such thing"},
    {408, -EAGAIN, "the service was too slow"},
    {429, -EAGAIN, "rate limit exceeded"},
    {500, -EAGAIN, "the service or a proxy has a problem of its own"},
    {0, -EBADMSG, "the service answers in a way that is not documented"},
};

/* ---- how often ---- */

static int may_ask(struct fh_rest *rest, struct fh_time now, struct fh_error *err)
{
    unsigned size = rest->limits.per_minute;
    struct fh_time oldest = rest->asked[rest->next % size];
    if (fh_time_before(now, rest->paused_until)) {
        return fh_error_set(err, -EAGAIN,
                            "the service asked for a pause: no request for another %" PRId64 " s",
                            fh_time_diff_ms(rest->paused_until, now) / 1000 + 1);
    }
    if (fh_time_is_set(oldest) && fh_time_before(now, fh_time_add_ms(oldest, MINUTE_MS))) {
        return fh_error_set(err, -EAGAIN, "no more than %u requests are made in a minute", size);
    }
    rest->asked[rest->next % size] = now;
    rest->next = (rest->next + 1) % size;
    return 0;
}

static void pause_if_asked(struct fh_rest *rest, const struct fh_fetch_answer *answer)
{
    if (answer->status != 429 && answer->status != 503) {
        return;
    }
    int64_t ms = PAUSE_MS;
    if (answer->retry_after_s > PAUSE_MAX_MS / 1000) {
        ms = PAUSE_MAX_MS;
    } else if (answer->retry_after_s > 0) {
        ms = answer->retry_after_s * 1000;
    }
    rest->paused_until = fh_time_add_ms(rest->limits.now(), ms);
}

/* ---- one answer, from the cache or the service ---- */

/* Reads *body; what it returns when the body is no good is kept as a refusal. */
typedef int (*body_check)(const struct fh_buf *body, const char *secret, struct fh_error *err);

static int ask(struct fh_rest *rest, const char *path, bool image, body_check check,
               struct fh_error *err)
{
    char url[FH_URL_MAX + FH_REST_PATH_MAX];
    struct fh_fetch_answer answer = {.body = rest->body};
    const struct fh_fetch_request request = {
        .config = &rest->config,
        .url = url,
        .headers = image ? rest->image_headers : rest->json_headers,
        .secret = rest->key,
        .timeout_ms = rest->limits.timeout_ms,
        .cancel = &rest->canceled,
    };
    int r = fh_fetch_url(rest->config.url, path, url, sizeof(url), err);
    if (r == 0) {
        r = fh_fetch(rest->easy, &request, &answer, err);
        rest->body = answer.body; /* it may have grown */
    }
    if (r == 0) {
        pause_if_asked(rest, &answer);
        r = fh_rest_judge(meanings, answer.status, answer.body.data, answer.body.len, rest->key,
                          err);
    }
    return r < 0 ? r : check(&rest->body, rest->key, err);
}

static int64_t kept_ms(int code, bool image)
{
    if (code == 0) {
        return image ? IMAGE_KEPT_MS : FACTS_KEPT_MS;
    }
    return code == -EAGAIN || code == -ETIMEDOUT ? TROUBLE_MS : REFUSAL_MS;
}

/* The answer's bytes are valid until the next call. */
static int get(struct fh_rest *rest, const char *path, bool image, body_check check,
               const char **ret_bytes, size_t *ret_len, struct fh_error *err)
{
    struct fh_error own = {""};
    const struct fh_rest_entry *entry = fh_rest_cache_get(&rest->cache, path, rest->limits.now());
    if (entry && entry->code < 0) {
        return fh_error_set(err, entry->code, "%s", entry->bytes);
    }
    if (entry) {
        *ret_bytes = entry->bytes;
        *ret_len = entry->len;
        return 0;
    }
    if (atomic_load(&rest->canceled)) {
        return fh_error_set(err, -ECANCELED, "canceled");
    }
    int r = may_ask(rest, rest->limits.now(), err);
    if (r < 0) {
        return r;
    }
    r = ask(rest, path, image, check, &own);
    r = r == -EIO ? -EAGAIN : r; /* to the caller "not reached" is "not now" */
    if (r != -ECANCELED && r != -ENOMEM) {
        const void *bytes = r < 0 ? own.text : rest->body.data;
        size_t len = r < 0 ? strlen(own.text) : rest->body.len;
        fh_rest_cache_put(&rest->cache, path, r, bytes, len,
                          fh_time_add_ms(rest->limits.now(), kept_ms(r, image)));
    }
    if (r < 0) {
        return fh_error_set(err, r, "%s", own.text);
    }
    *ret_bytes = rest->body.data;
    *ret_len = rest->body.len;
    return 0;
}

/* ---- the calls ---- */

/* The id comes from a record: nothing in it may reach a log as it is. */
static int fail(int r, const char *what, const char *id, struct fh_error *err)
{
    char shown[65];
    snprintf(shown, sizeof(shown), "%s", id ? id : "");
    fh_text_clean(shown, sizeof(shown), "");
    fh_error_prefix(err, "%s %s", what, shown);
    return r;
}

static int check_location(const struct fh_buf *body, const char *secret, struct fh_error *err)
{
    cJSON *object = NULL;
    int r = fh_rest_read_location(body->data, body->len, secret, &object, err);
    if (r == 0) {
        cJSON_Delete(object);
    }
    return r;
}

static int check_map(const struct fh_buf *body, const char *secret, struct fh_error *err)
{
    struct fh_rest_map map;
    return fh_rest_read_map(body->data, body->len, secret, &map, err);
}

static int check_image(const struct fh_buf *body, const char *secret, struct fh_error *err)
{
    (void)secret;
    return fh_rest_image_type(body->data, body->len)
               ? 0
               : fh_error_set(err, -EBADMSG, "the answer is neither a PNG nor a JPEG image");
}

int fh_rest_location(struct fh_rest *rest, const char *location_id, const char *partner_tenant_id,
                     cJSON **ret, struct fh_error *err)
{
    char path[FH_REST_PATH_MAX];
    const char *bytes = NULL;
    size_t len = 0;
    int r = fh_rest_path("locations", location_id, "", partner_tenant_id, path, err);
    r = r < 0 ? r : get(rest, path, false, check_location, &bytes, &len, err);
    r = r < 0 ? r : fh_rest_read_location(bytes, len, rest->key, ret, err);
    return r < 0 ? fail(r, "location", location_id, err) : 0;
}

int fh_rest_map(struct fh_rest *rest, const char *map_id, const char *partner_tenant_id,
                struct fh_rest_map *ret, struct fh_error *err)
{
    char path[FH_REST_PATH_MAX];
    const char *bytes = NULL;
    size_t len = 0;
    struct fh_rest_map map = {.id = ""};
    int r = fh_rest_path("maps", map_id, "", partner_tenant_id, path, err);
    if (r == 0 && strlen(map_id) >= sizeof(map.id)) {
        r = fh_error_set(err, -EINVAL, "an id of a map has 1 to %zu bytes", sizeof(map.id) - 1);
    }
    r = r < 0 ? r : get(rest, path, false, check_map, &bytes, &len, err);
    r = r < 0 ? r : fh_rest_read_map(bytes, len, rest->key, &map, err);
    if (r < 0) {
        return fail(r, "map", map_id, err);
    }
    snprintf(map.id, sizeof(map.id), "%s", map_id);
    *ret = map;
    return 0;
}

int fh_rest_map_image(struct fh_rest *rest, const char *map_id, const char *partner_tenant_id,
                      struct fh_buf *ret, const char **ret_type, struct fh_error *err)
{
    char path[FH_REST_PATH_MAX];
    const char *bytes = NULL;
    size_t len = 0;
    int r = fh_rest_path("maps", map_id, "/image", partner_tenant_id, path, err);
    r = r < 0 ? r : get(rest, path, true, check_image, &bytes, &len, err);
    if (r == 0) {
        fh_buf_clear(ret);
        r = fh_buf_append(ret, bytes, len);
        r = r == -ENOBUFS ? fh_error_set(err, -EMSGSIZE, "the image has %zu bytes, too many", len)
            : r < 0       ? fh_error_set(err, r, "out of memory")
                          : 0;
    }
    if (r < 0) {
        return fail(r, "image of map", map_id, err);
    }
    *ret_type = fh_rest_image_type(bytes, len);
    return 0;
}
