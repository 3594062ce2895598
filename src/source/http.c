/* http.c: owns what is particular to the HTTP channel: the URL and its parameters, the key header,
 * what a status means, and NDJSON bodies (firehose-api.md section 3); the other channels begin with
 * the same request. It never connects, retries or logs. */
#include "channel.h"

#include "fh/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Parameters are sent only where they differ from the service's default; replicaId always when one
 * is configured, because its default differs between the vendor's own pages. */
static void build_query(const struct fh_request *request, char *query, size_t size)
{
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
    if (request->config->replica_id > 0) {
        snprintf(replica, sizeof(replica), "&replicaId=%" PRId64, request->config->replica_id);
    }
    snprintf(query, size, "%s%s%s", partitions, from, replica);
    if (query[0] == '&') {
        query[0] = '?';
    }
}

int fh_http_url(const struct fh_request *request, const char *path, bool parameters, char *url,
                size_t size)
{
    const char *base = request->config->url;
    size_t base_len = strlen(base);
    while (base_len > 0 && base[base_len - 1] == '/') {
        base_len--;
    }
    char query[192] = "";
    if (parameters) {
        build_query(request, query, sizeof(query));
    }
    int n = snprintf(url, size, "%.*s%s%s%s", (int)base_len, base, path[0] == '/' ? "" : "/", path,
                     query);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int fh_http_headers(const struct fh_request *request, const char *const *more, size_t count,
                    struct curl_slist **ret_headers, struct fh_error *err)
{
    *ret_headers = fh_service_key_header(request->api_key);
    bool complete = *ret_headers != NULL;
    for (size_t i = 0; i < count && complete; i++) {
        complete = curl_slist_append(*ret_headers, more[i]) != NULL;
    }
    return complete ? 0 : fh_error_set(err, -ENOMEM, "out of memory");
}

bool fh_header_value(const char *line, size_t len, const char *name, const char **ret_value,
                     size_t *ret_len)
{
    size_t name_len = strlen(name);
    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0) {
        return false;
    }
    const char *value = line + name_len + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) {
        end--;
    }
    *ret_value = value;
    *ret_len = (size_t)(end - value);
    return true;
}

static int http_request(CURL *easy, const struct fh_request *request, void *decoder,
                        struct curl_slist **ret_headers, struct fh_error *err)
{
    (void)decoder;
    char url[FH_REQUEST_URL_BYTES];
    if (!request->url && fh_http_url(request, request->config->path, true, url, sizeof(url)) < 0) {
        return fh_error_set(err, -ENAMETOOLONG, "firehose.url and firehose.path are too long");
    }
    int r = fh_http_headers(request, NULL, 0, ret_headers, err);
    if (r < 0) {
        return r;
    }
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->url ? request->url : url);
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *ret_headers);
    }
    if (code == CURLE_OK) {
        code =
            curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, fh_service_http_version(request->config));
    }
    if (code != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the request: %s",
                            curl_easy_strerror(code));
    }
    return 0;
}

enum fh_verdict fh_http_verdict(long status)
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

static const char *not_enabled(enum fh_channel channel)
{
    switch (channel) {
    case FH_CHANNEL_WEBSOCKET:
        return "the WebSocket endpoint is not enabled for this activation, or the key may not use "
               "it: check firehose.channel";
    case FH_CHANNEL_GRPC:
        return "the gRPC endpoint is not enabled for this activation, or the key may not use it: "
               "check firehose.channel";
    default:
        return "the HTTP endpoint is not enabled for this activation, or the key may not use it: "
               "check firehose.channel";
    }
}

const char *fh_http_meaning(long status, enum fh_channel channel)
{
    switch (status) {
    case 400:
        return "the service rejects the request: check firehose.replica_id and the ranges";
    case 401:
        return "the API key is missing, invalid or blocked: check firehose.api_key_file, or the "
               "credential api_key";
    case 403:
        return not_enabled(channel);
    case 404:
        return channel == FH_CHANNEL_GRPC
                   ? "nothing is served there: check firehose.url and firehose.grpc_path"
                   : "nothing is served there: check firehose.url and firehose.path";
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

static enum fh_verdict http_verdict(void *decoder, long status, long version)
{
    (void)decoder;
    (void)version;
    return fh_http_verdict(status);
}

static const char *http_meaning(const void *decoder, long status)
{
    (void)decoder;
    return fh_http_meaning(status, FH_CHANNEL_HTTP);
}

static int http_decoder_new(const struct fh_config_firehose *config, void *shared, void **ret)
{
    (void)shared;
    struct fh_ndjson *splitter = malloc(sizeof(*splitter));
    if (!splitter) {
        return -ENOMEM;
    }
    fh_ndjson_init(splitter, (size_t)config->max_line_bytes);
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
    int r = fh_ndjson_feed(decoder, bytes, len, line, userdata);
    return r < 0 ? r : 1;
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
    switch (channel) {
    case FH_CHANNEL_HTTP:
        return &fh_channel_http;
    case FH_CHANNEL_WEBSOCKET:
        return &fh_channel_websocket;
    case FH_CHANNEL_GRPC:
        return &fh_channel_grpc;
    }
    return NULL;
}
