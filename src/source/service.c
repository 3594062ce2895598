/* service.c: owns the libcurl options every request to the service shares, and what the operator
 * reads when one fails. It never makes a request. */
#include "fh/service.h"

#include "fh/curl_init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_code = curl_easy_setopt(easy, option, value);                                 \
        if (set_code != CURLE_OK) {                                                                \
            return set_code;                                                                       \
        }                                                                                          \
    } while (0)

int fh_service_check(const struct fh_config_firehose *config, const char *api_key,
                     struct fh_error *err)
{
    if (api_key && (api_key[0] == '\0' || strlen(api_key) >= FH_API_KEY_MAX)) {
        return fh_error_set(err, -EINVAL, "the API key is empty or longer than %d bytes",
                            FH_API_KEY_MAX - 1);
    }
    if (api_key && strpbrk(api_key, "\r\n")) {
        return fh_error_set(err, -EINVAL, "the API key contains a line break");
    }
    if (config->ca_file[0] && access(config->ca_file, R_OK) < 0) {
        int code = -errno;
        char text[128];
        return fh_error_set(err, code, "firehose.ca_file %s: %s", config->ca_file,
                            fh_strerror(code, text, sizeof(text)));
    }
    return fh_curl_init(err);
}

static CURLcode set_manners(CURL *easy, const struct fh_config_firehose *config)
{
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "firehosed/" FH_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* stopping does not wait for a resolver that hangs */
#endif
    return CURLE_OK;
}

/* Without an own proxy libcurl reads http_proxy, https_proxy and no_proxy. The key must not reach a
 * proxy that only tunnels, hence the separate headers. */
static CURLcode set_security(CURL *easy, const struct fh_config_firehose *config)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    CURLcode code = fh_curl_trust(easy, config->ca_file);
    if (code != CURLE_OK) {
        return code;
    }
    if (config->proxy[0]) {
        SET(CURLOPT_PROXY, config->proxy);
    }
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return CURLE_OK;
}

int fh_service_options(CURL *easy, const struct fh_config_firehose *config, struct fh_error *err)
{
    CURLcode code = set_manners(easy, config);
    if (code == CURLE_OK) {
        code = set_security(easy, config);
    }
    if (code != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the connection: %s",
                            curl_easy_strerror(code));
    }
    return 0;
}

/* HTTP/2 without TLS has no negotiation: only who asks for it by option gets it. */
long fh_service_http_version(const struct fh_config_firehose *config)
{
    switch (config->http_version) {
    case FH_HTTP_1_1:
        return CURL_HTTP_VERSION_1_1;
    case FH_HTTP_2:
        return strncmp(config->url, "http:", 5) == 0 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                                     : CURL_HTTP_VERSION_2_0;
    case FH_HTTP_AUTO:
        break;
    }
    return CURL_HTTP_VERSION_2TLS;
}

struct curl_slist *fh_service_key_header(const char *api_key)
{
    char text[FH_API_KEY_MAX + 16];
    snprintf(text, sizeof(text), "X-API-KEY: %s", api_key);
    struct curl_slist *headers = curl_slist_append(NULL, text);
    explicit_bzero(text, sizeof(text));
    return headers;
}

void fh_service_headers_free(struct curl_slist *headers)
{
    for (struct curl_slist *header = headers; header; header = header->next) {
        explicit_bzero(header->data, strlen(header->data));
    }
    curl_slist_free_all(headers);
}

static bool same_part(CURLU *url, CURLU *other, CURLUPart part, unsigned flags)
{
    char *a = NULL;
    char *b = NULL;
    bool same = curl_url_get(url, part, &a, flags) == CURLUE_OK &&
                curl_url_get(other, part, &b, flags) == CURLUE_OK && strcasecmp(a, b) == 0;
    curl_free(a);
    curl_free(b);
    return same;
}

bool fh_same_server(const char *url, const char *other)
{
    CURLU *a = curl_url();
    CURLU *b = curl_url();
    bool same = a && b && curl_url_set(a, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_set(b, CURLUPART_URL, other, 0) == CURLUE_OK &&
                same_part(a, b, CURLUPART_SCHEME, 0) && same_part(a, b, CURLUPART_HOST, 0) &&
                same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

/* ---- what the operator reads ---- */

void fh_curl_reason(CURLcode code, const char *detail, const struct fh_config_firehose *config,
                    char *text, size_t size)
{
    detail = fh_curl_said(code, detail);
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        snprintf(text, size, "the server's certificate is not trusted by %s: %s",
                 config->ca_file[0] ? "firehose.ca_file" : "the system (set firehose.ca_file?)",
                 detail);
        break;
    case CURLE_SSL_CACERT_BADFILE:
        snprintf(text, size, "firehose.ca_file %s cannot be used: %s", config->ca_file, detail);
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
        snprintf(text, size, "no way to the proxy: %s", detail);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        snprintf(text, size, "no connection in time: %s", detail);
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        snprintf(text, size, "the connection broke: %s", detail);
        break;
    default:
        snprintf(text, size, "%s", detail);
        break;
    }
}

/* Blank the key first, while the text is still as it was sent. */
static void blank(char *text, size_t size, const char *key)
{
    static const char mark[] = "[key]";
    size_t key_len = strlen(key);
    if (key_len == 0) {
        return;
    }
    for (char *at = text; (at = strcasestr(at, key)); at += sizeof(mark) - 1) {
        char *rest = at + key_len;
        size_t rest_len = strlen(rest) + 1;
        if ((size_t)(at - text) + sizeof(mark) - 1 + rest_len > size) {
            *at = '\0'; /* a key shorter than the mark at the very end of the room */
            return;
        }
        memmove(at + sizeof(mark) - 1, rest, rest_len);
        memcpy(at, mark, sizeof(mark) - 1);
    }
}

void fh_text_clean(char *text, size_t size, const char *key)
{
    blank(text, size, key);
    for (char *at = text; *at; at++) {
        if (*at < 0x20 || *at > 0x7e) {
            *at = *at == '\n' || *at == '\r' || *at == '\t' ? ' ' : '?';
        }
    }
}
