/* http.c: owns what is particular to the HTTP channel: the URL and its parameters, the key header,
 * what a status means, and NDJSON bodies (firehose-api.md section 3). It never connects, retries or
 * logs. */
#include "channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_BYTES (FH_URL_MAX + 512)

/* Parameters are sent only where they differ from the service's default; replicaId always when one
 * is configured, because its default differs between the vendor's own pages. */
static int build_url(const struct fh_request *request, char *url, size_t size)
{
    const struct fh_config_firehose *config = request->config;
    size_t base = strlen(config->url);
    while (base > 0 && config->url[base - 1] == '/') {
        base--;
    }
    char partitions[64] = "";
    if (request->range.first != 1 || request->range.last != FH_PARTITIONS) {
        snprintf(partitions, sizeof(partitions), "&minPartition=%u&maxPartition=%u",
                 request->range.first, request->range.last);
    }
    char from[48] = "";
    if (request->from_ms > 0) {
        snprintf(from, sizeof(from), "&fromTimestamp=%" PRId64, request->from_ms);
    }
    char replica[48] = "";
    if (config->replica_id > 0) {
        snprintf(replica, sizeof(replica), "&replicaId=%" PRId64, config->replica_id);
    }
    char query[192];
    snprintf(query, sizeof(query), "%s%s%s", partitions, from, replica);
    if (query[0] == '&') {
        query[0] = '?';
    }
    int n = snprintf(url, size, "%.*s%s%s%s", (int)base, config->url,
                     config->path[0] == '/' ? "" : "/", config->path, query);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* HTTP/2 without TLS has no negotiation: only who asks for it by option gets it. */
static long http_version(const struct fh_config_firehose *config)
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

static int http_request(CURL *easy, const struct fh_request *request,
                        struct curl_slist **ret_headers, struct fh_error *err)
{
    char url[URL_BYTES];
    if (!request->url && build_url(request, url, sizeof(url)) < 0) {
        return fh_error_set(err, -ENAMETOOLONG, "firehose.url and firehose.path are too long");
    }
    char header[FH_API_KEY_MAX + 16];
    snprintf(header, sizeof(header), "X-API-KEY: %s", request->api_key);
    *ret_headers = curl_slist_append(NULL, header);
    explicit_bzero(header, sizeof(header));
    if (!*ret_headers) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->url ? request->url : url);
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *ret_headers);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http_version(request->config));
    }
    if (code != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the request: %s",
                            curl_easy_strerror(code));
    }
    return 0;
}

static enum fh_verdict http_verdict(long status)
{
    switch (status) {
    case 200:
        return FH_VERDICT_STREAM;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return FH_VERDICT_REDIRECT;
    case 429:
        return FH_VERDICT_RETRY;
    default:
        break;
    }
    if (status < 200) {
        return FH_VERDICT_NONE;
    }
    /* A 2xx that is no stream and a 3xx that names no place may pass; a 4xx will not by itself. */
    return status >= 400 && status < 500 ? FH_VERDICT_REFUSED : FH_VERDICT_RETRY;
}

static const char *http_meaning(long status)
{
    switch (status) {
    case 400:
        return "the service rejects the request: check firehose.replica_id and the ranges";
    case 401:
        return "the API key is missing, invalid or blocked: check firehose.api_key_file";
    case 403:
        return "the HTTP endpoint is not enabled for this activation, or the key may not use it";
    case 404:
        return "nothing is served there: check firehose.url and firehose.path";
    case 407:
        return "the proxy wants credentials: check firehose.proxy";
    case 429:
        return "rate limit or connection limit exceeded";
    default:
        break;
    }
    if (status >= 500) {
        return "the service or a proxy has a problem of its own";
    }
    return status >= 400 ? "the service refuses the request" : "this is no stream";
}

static int http_decoder_new(size_t max_line, void **ret)
{
    struct fh_ndjson *splitter = malloc(sizeof(*splitter));
    if (!splitter) {
        return -ENOMEM;
    }
    fh_ndjson_init(splitter, max_line);
    *ret = splitter;
    return 0;
}

static void http_decoder_free(void *decoder)
{
    if (decoder) {
        fh_ndjson_done(decoder);
        free(decoder);
    }
}

/* A half line is not lost: the next connection resumes with overlap and brings it again. */
static void http_decoder_reset(void *decoder)
{
    (void)fh_ndjson_reset(decoder);
}

static int http_decode(void *decoder, const char *bytes, size_t len, fh_ndjson_line line,
                       void *userdata)
{
    return fh_ndjson_feed(decoder, bytes, len, line, userdata);
}

const struct fh_channel_ops fh_channel_http = {
    .name = "http",
    .request = http_request,
    .verdict = http_verdict,
    .meaning = http_meaning,
    .decoder_new = http_decoder_new,
    .decoder_free = http_decoder_free,
    .decoder_reset = http_decoder_reset,
    .decode = http_decode,
};

const struct fh_channel_ops *fh_channel_find(enum fh_channel channel)
{
    return channel == FH_CHANNEL_HTTP ? &fh_channel_http : NULL;
}
