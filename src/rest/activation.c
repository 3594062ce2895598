/* activation.c: owns the two requests of an activation, and whom they may go to. What a token says
 * and whether it is genuine is token.c's business; where the key is kept, the caller's. */
#include "fh/activation.h"

#include "answer.h"
#include "fetch.h"
#include "token.h"

#include "fh/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH       "/client/v1/partner/"
#define ANSWER_MAX ((size_t)64 * 1024)
#define TIMEOUT_MS 30000

/* ---- addresses ---- */

/* The host of an http or https URL, without a final dot; false: there is none. */
static bool get_host(const char *url, char *ret, size_t size, bool *ret_https)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    char *scheme = NULL;
    bool good = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                strlen(host) < size;
    if (good) {
        snprintf(ret, size, "%s", host);
        size_t len = strlen(ret);
        if (len > 0 && ret[len - 1] == '.') {
            ret[len - 1] = '\0';
        }
        *ret_https = strcasecmp(scheme, "https") == 0;
        good = *ret_https || strcasecmp(scheme, "http") == 0;
    }
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return good;
}

bool fh_activation_is_federal(const char *url)
{
    static const char domain[] = "spaces-gov.cisco";
    char host[256];
    bool https = false;
    if (!get_host(url, host, sizeof(host), &https)) {
        return false;
    }
    size_t len = strlen(host);
    size_t tail = strlen(domain);
    return len >= tail && strcasecmp(host + len - tail, domain) == 0 &&
           (len == tail || host[len - tail - 1] == '.');
}

int fh_activation_judge_url(const char *base_url, const char *configured_url, struct fh_error *err)
{
    static const char *const published[] = {
        "partners.ciscospaces.io", "partners.ciscospaces.eu", "partners.ciscospaces.sg",
        "partners.dnaspaces.io",   "partners.dnaspaces.eu",   "partners.dnaspaces.sg",
    };
    char host[256];
    bool https = false;
    if (!get_host(base_url, host, sizeof(host), &https) || strpbrk(base_url, "@?#")) {
        return fh_error_set(err, -EPERM, "the token names no address of a service");
    }
    if (configured_url[0] && fh_same_server(base_url, configured_url)) {
        return 0;
    }
    for (size_t i = 0; https && i < FH_ARRAY_LEN(published); i++) {
        char standard[FH_URL_MAX];
        snprintf(standard, sizeof(standard), "https://%s", published[i]);
        if (fh_same_server(base_url, standard)) {
            return 0;
        }
    }
    return fh_error_set(err, -EPERM,
                        "the token names %.200s, which is neither firehose.url nor a published "
                        "address of the service; if it is right, give it with --url",
                        base_url);
}

/* ---- requests ---- */

static const struct fh_rest_meaning meanings[] = {
    {400, -EACCES, "the service rejects the request"},
    {401, -EACCES, "the service does not accept the token: has it expired, or been used already?"},
    {403, -EACCES, "the service does not allow this activation"},
    {404, -EBADMSG, "no activation is offered there: is the address right?"},
    {429, -EAGAIN, "rate limit exceeded: try again in a minute"},
    {500, -EAGAIN, "the service or a proxy has a problem of its own: try again"},
    {0, -EBADMSG, "the service answers in a way that is not documented"},
};

/* body NULL: GET. The answer's JSON is the caller's. */
static int call(const struct fh_config_firehose *config, const char *base_url, const char *name,
                const char *body, const struct curl_slist *headers, const char *secret, cJSON **ret,
                struct fh_error *err)
{
    char url[FH_URL_MAX + 64];
    char path[64];
    struct fh_fetch_answer answer = {.status = 0};
    const struct fh_fetch_request request = {
        .config = config,
        .url = url,
        .body = body,
        .headers = headers,
        .secret = secret,
        .timeout_ms = TIMEOUT_MS,
    };
    snprintf(path, sizeof(path), PATH "%s", name);
    int r = fh_service_check(config, NULL, err);
    r = r < 0 ? r : fh_fetch_url(base_url, path, url, sizeof(url), err);
    if (r < 0) {
        return r;
    }
    CURL *easy = curl_easy_init();
    fh_buf_init(&answer.body, ANSWER_MAX);
    r = easy ? fh_fetch(easy, &request, &answer, err) : fh_error_set(err, -ENOMEM, "out of memory");
    if (r == 0) {
        r = fh_rest_judge(meanings, answer.status, answer.body.data, answer.body.len, secret, err);
    }
    if (r == 0) {
        r = fh_rest_object(answer.body.data, answer.body.len, secret, ret, err);
    }
    if (answer.body.data) {
        explicit_bzero(answer.body.data, answer.body.capacity);
    }
    fh_buf_done(&answer.body);
    curl_easy_cleanup(easy);
    return r;
}

int fh_activation_verify(const struct fh_config_firehose *config, const char *token,
                         const struct fh_activation_claims *claims, struct fh_error *err)
{
    cJSON *answer = NULL;
    int r = call(config, claims->base_url, "partnerPublicKey/", NULL, NULL, token, &answer, err);
    if (r < 0) {
        fh_error_prefix(err, "cannot get the keys of %.200s", claims->base_url);
        return r;
    }
    r = fh_token_verify(token, claims->version, answer, err);
    cJSON_Delete(answer);
    return r;
}

/* What a key may consist of says the configuration's reader of keys: this is no wider. */
static int take_key(const cJSON *answer, char key[FH_API_KEY_MAX], struct fh_error *err)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(answer, "data");
    char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "apiKey"));
    size_t len = text ? strlen(text) : 0;
    bool good = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "status")) && len > 0 &&
                len < FH_API_KEY_MAX;
    for (size_t i = 0; good && i < len; i++) {
        good = text[i] > ' ' && text[i] <= '~';
    }
    if (good) {
        memcpy(key, text, len + 1);
    }
    if (text) {
        explicit_bzero(text, len);
    }
    return good ? 0
                : fh_error_set(err, -EBADMSG,
                               "the service says it activated the app, but not with which key: "
                               "make a new token");
}

int fh_activation_exchange(const struct fh_config_firehose *config, const char *token,
                           const struct fh_activation_claims *claims, char key[FH_API_KEY_MAX],
                           struct fh_error *err)
{
    char body[sizeof(claims->app_id) + sizeof(claims->reference) + 64];
    char *bearer = NULL;
    cJSON *answer = NULL;
    /* neither has a character that JSON would want to have escaped: fh_activation_read */
    snprintf(body, sizeof(body), "{\"appId\":\"%s\",\"activationRefId\":\"%s\"}", claims->app_id,
             claims->reference);
    if (asprintf(&bearer, "Authorization: Bearer %s", token) < 0) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    struct curl_slist *headers = curl_slist_append(NULL, bearer);
    explicit_bzero(bearer, strlen(bearer));
    free(bearer);
    bool complete = headers && curl_slist_append(headers, "Content-Type: application/json") &&
                    curl_slist_append(headers, "Expect:"); /* no waiting for a 100 */
    int r = complete ? call(config, claims->base_url, "activateOnPremiseApp", body, headers, token,
                            &answer, err)
                     : fh_error_set(err, -ENOMEM, "out of memory");
    fh_service_headers_free(headers);
    if (r < 0) {
        fh_error_prefix(err, "not activated");
        return r;
    }
    r = take_key(answer, key, err);
    cJSON_Delete(answer);
    return r;
}
