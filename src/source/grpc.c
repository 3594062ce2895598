/* grpc.c: owns what is particular to the gRPC channel (firehose-api.md section 5): the call, its
 * request message, and the answer's metadata, messages and trailers. Each message becomes the JSON
 * line the HTTP channel would have given. It never connects, retries or logs.
 *
 * A server-streaming call is a POST over HTTP/2 whose answer ends with trailers; libcurl gives
 * trailers, and an answer that consists of nothing else, to the header callback. */
#include "channel.h"
#include "grpc_status.h"

#include "fh/grpc_frame.h"
#include "fh/inflate.h"
#include "fh/transcode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MESSAGE_BYTES 1025 /* of grpc-message, with its NUL */
#define REQUEST_MAX   256
#define JSON_SLACK    65536 /* so that max_line, not the buffer, is the limit of a line */

struct grpc {
    struct fh_grpc_frame frame;
    struct fh_inflate *inflate;
    struct fh_transcoder *transcoder;
    struct fh_buf plain; /* a message unpacked */
    struct fh_buf json;  /* the line of one record */
    size_t max_line;
    uint64_t unknown_fields;
    /* the answer's metadata and trailers */
    bool grpc_content;
    bool foreign_encoding; /* compressed in a way nobody asked for */
    int status;            /* -1 = not said */
    char message[MESSAGE_BYTES];
    int64_t pushback_ms;
    /* during a feed */
    fh_ndjson_line line;
    void *userdata;
};

static int grpc_shared_new(const struct fh_config_firehose *config, void **ret,
                           struct fh_error *err)
{
    struct fh_schema *schema = NULL;
    int r = fh_schema_open(config->descriptor_set, &schema, err);
    if (r == 0) {
        *ret = schema;
    }
    return r;
}

static void grpc_shared_free(void *shared)
{
    fh_schema_free(shared);
}

static void forget_answer(struct grpc *grpc)
{
    grpc->grpc_content = false;
    grpc->foreign_encoding = false;
    grpc->status = -1;
    grpc->message[0] = '\0';
    grpc->pushback_ms = 0;
}

static void grpc_free(void *decoder)
{
    struct grpc *grpc = decoder;
    if (grpc) {
        fh_grpc_frame_done(&grpc->frame);
        fh_inflate_free(grpc->inflate);
        fh_transcoder_free(grpc->transcoder);
        fh_buf_done(&grpc->plain);
        fh_buf_done(&grpc->json);
        free(grpc);
    }
}

static int grpc_new(const struct fh_config_firehose *config, void *shared, void **ret)
{
    struct grpc *grpc = calloc(1, sizeof(*grpc));
    if (!grpc) {
        return -ENOMEM;
    }
    grpc->max_line = (size_t)config->max_line_bytes;
    fh_grpc_frame_init(&grpc->frame, grpc->max_line);
    fh_buf_init(&grpc->plain, grpc->max_line);
    fh_buf_init(&grpc->json, grpc->max_line + JSON_SLACK);
    forget_answer(grpc);
    struct fh_transcoder_options options = {.max_line = grpc->max_line,
                                            .keep_unknown = config->keep_unknown};
    int r = fh_inflate_new(&grpc->inflate);
    if (r == 0) {
        r = fh_transcoder_new(shared, &options, &grpc->transcoder);
    }
    if (r < 0) {
        grpc_free(grpc);
        return r;
    }
    *ret = grpc;
    return 0;
}

/* Half a message is not lost: the next connection resumes with overlap and brings it again. */
static void grpc_reset(void *decoder)
{
    struct grpc *grpc = decoder;
    (void)fh_grpc_frame_reset(&grpc->frame);
    forget_answer(grpc);
}

/* All partitions are the server's default, so they are not sent, as on the other channels. */
static int build_message(const struct fh_request *request, struct fh_buf *body)
{
    bool all = request->range.first == 1 && request->range.last == FH_PARTITIONS;
    int r = fh_buf_reserve(body, FH_GRPC_PREFIX);
    if (r < 0) {
        return r;
    }
    body->len = FH_GRPC_PREFIX;
    r = fh_events_request(all ? 0 : request->range.first, all ? 0 : request->range.last,
                          request->from_ms, (uint32_t)request->config->replica_id, body);
    if (r == 0) {
        fh_grpc_frame_prefix((uint8_t *)body->data, false, (uint32_t)(body->len - FH_GRPC_PREFIX));
    }
    return r;
}

/* HTTP/2 and nothing else; without TLS there is nothing to negotiate it with. A proxy must tunnel:
 * one that forwards would speak HTTP/1.1. */
static CURLcode set_call(CURL *easy, const char *url, const struct fh_buf *body,
                         const struct curl_slist *headers)
{
    bool plain = strncasecmp(url, "http:", 5) == 0;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                                plain ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                      : (long)CURL_HTTP_VERSION_2_0);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_POST, 1L);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body->len);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body->data);
    }
    return code;
}

static int grpc_request(CURL *easy, const struct fh_request *request, void *decoder,
                        struct curl_slist **ret_headers, struct fh_error *err)
{
    (void)decoder;
    static const char *const headers[] = {"Content-Type: application/grpc", "TE: trailers",
                                          "grpc-accept-encoding: identity,gzip",
                                          "Expect:", "Accept:"};
    char url[FH_REQUEST_URL_BYTES];
    if (!request->url &&
        fh_http_url(request, request->config->grpc_path, false, url, sizeof(url)) < 0) {
        return fh_error_set(err, -ENAMETOOLONG, "firehose.url and firehose.grpc_path are too long");
    }
    int r = fh_http_headers(request, headers, FH_ARRAY_LEN(headers), ret_headers, err);
    if (r < 0) {
        return r;
    }
    struct fh_buf body;
    fh_buf_init(&body, REQUEST_MAX);
    r = build_message(request, &body);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (r == 0) {
        code = set_call(easy, request->url ? request->url : url, &body, *ret_headers);
    }
    fh_buf_done(&body);
    if (code != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the request: %s",
                            curl_easy_strerror(code));
    }
    return 0;
}

static bool begins(const char *value, size_t len, const char *with)
{
    return len >= strlen(with) && strncasecmp(value, with, strlen(with)) == 0;
}

static bool equals(const char *value, size_t len, const char *other)
{
    return len == strlen(other) && strncasecmp(value, other, len) == 0;
}

/* Digits and nothing else; a sign means "do not retry by yourself", which for a stream that must go
 * on is the back-off we have anyway. */
static int64_t milliseconds(const char *value, size_t len)
{
    int64_t ms = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9' || i > 9) {
            return 0;
        }
        ms = ms * 10 + (value[i] - '0');
    }
    return ms;
}

static void grpc_header(void *decoder, const char *line, size_t len)
{
    struct grpc *grpc = decoder;
    const char *value = NULL;
    size_t value_len = 0;
    if (begins(line, len, "HTTP/")) {
        forget_answer(grpc); /* after an interim answer */
    } else if (fh_header_value(line, len, "content-type", &value, &value_len)) {
        grpc->grpc_content = begins(value, value_len, "application/grpc");
    } else if (fh_header_value(line, len, "grpc-encoding", &value, &value_len)) {
        grpc->foreign_encoding =
            !equals(value, value_len, "identity") && !equals(value, value_len, "gzip");
    } else if (fh_header_value(line, len, "grpc-status", &value, &value_len)) {
        grpc->status = fh_grpc_status_parse(value, value_len);
    } else if (fh_header_value(line, len, "grpc-message", &value, &value_len)) {
        fh_grpc_message_decode(value, value_len, grpc->message, sizeof(grpc->message));
    } else if (fh_header_value(line, len, "grpc-retry-pushback-ms", &value, &value_len)) {
        grpc->pushback_ms = milliseconds(value, value_len);
    } else if (fh_header_value(line, len, "retry-after", &value, &value_len)) {
        grpc->pushback_ms = milliseconds(value, value_len) * 1000;
    }
}

static enum fh_verdict grpc_verdict(void *decoder, long status, long version)
{
    const struct grpc *grpc = decoder;
    if (status != 200) {
        /* Any other 2xx is no answer to a call. */
        return status > 200 && status < 300 ? FH_VERDICT_REFUSED : fh_http_verdict(status);
    }
    if (grpc->status >= 0) { /* nothing but trailers: it is over already */
        enum fh_verdict verdict = fh_grpc_status_verdict(grpc->status);
        return verdict == FH_VERDICT_STREAM ? FH_VERDICT_RETRY : verdict;
    }
    bool good = grpc->grpc_content && !grpc->foreign_encoding &&
                (version == CURL_HTTP_VERSION_2_0 || version == CURL_HTTP_VERSION_3);
    return good ? FH_VERDICT_STREAM : FH_VERDICT_REFUSED;
}

static const char *grpc_meaning(const void *decoder, long status)
{
    const struct grpc *grpc = decoder;
    if (status == 200 && grpc->grpc_content && grpc->foreign_encoding) {
        return "the service compresses in a way that was not asked for (grpc-encoding)";
    }
    if (status < 300) {
        return "the answer is not gRPC over HTTP/2: check firehose.url and firehose.grpc_path, or "
               "whether a proxy answers in the service's place";
    }
    return fh_http_meaning(status, FH_CHANNEL_GRPC);
}

/* What cannot be read is handed on as it is, for the quarantine: the records after it can be. */
static int hand_on(struct grpc *grpc, const void *bytes, size_t len, uint64_t offset,
                   bool truncated)
{
    return grpc->line(grpc->userdata, bytes, len, offset, truncated);
}

static int on_message(void *userdata, const void *message, size_t len, bool compressed,
                      uint64_t offset, bool truncated)
{
    struct grpc *grpc = userdata;
    if (truncated) {
        return hand_on(grpc, message, len, offset, true);
    }
    if (compressed) {
        fh_buf_clear(&grpc->plain);
        int r = fh_inflate(grpc->inflate, message, len, grpc->max_line, &grpc->plain);
        if (r == -ENOMEM) {
            return r;
        }
        if (r < 0) {
            return hand_on(grpc, message, len, offset, r == -ENOBUFS);
        }
        message = grpc->plain.len > 0 ? grpc->plain.data : "";
        len = grpc->plain.len;
    }
    fh_buf_clear(&grpc->json);
    struct fh_transcode_info info;
    switch (fh_transcode(grpc->transcoder, message, len, &grpc->json, &info)) {
    case FH_TRANSCODE_OK:
        grpc->unknown_fields += info.unknown_fields;
        return grpc->line(grpc->userdata, grpc->json.data, grpc->json.len, offset, false);
    case FH_TRANSCODE_NO_MEMORY:
        return -ENOMEM;
    case FH_TRANSCODE_TOO_LARGE:
        return hand_on(grpc, message, len, offset, true);
    default:
        return hand_on(grpc, message, len, offset, false);
    }
}

static int grpc_decode(void *decoder, const char *bytes, size_t len, fh_ndjson_line line,
                       void *userdata)
{
    struct grpc *grpc = decoder;
    grpc->line = line;
    grpc->userdata = userdata;
    int r = fh_grpc_frame_feed(&grpc->frame, bytes, len, on_message, grpc);
    return r < 0 ? r : 1;
}

static uint64_t grpc_offset(const void *decoder)
{
    return ((const struct grpc *)decoder)->frame.offset;
}

static bool grpc_ending(const void *decoder, struct fh_ending *ret)
{
    const struct grpc *grpc = decoder;
    if (grpc->status < 0) {
        return false;
    }
    *ret = (struct fh_ending){.verdict = fh_grpc_status_verdict(grpc->status),
                              .code = grpc->status,
                              .http_status = fh_grpc_status_http(grpc->status),
                              .retry_after_ms = grpc->pushback_ms};
    snprintf(ret->text, sizeof(ret->text), "ended with grpc-status %d %s: %s%s%s%s", grpc->status,
             fh_grpc_status_name(grpc->status), fh_grpc_status_meaning(grpc->status),
             grpc->message[0] ? " (the server says: " : "", grpc->message,
             grpc->message[0] ? ")" : "");
    return true;
}

static uint64_t grpc_unknown_fields(const void *decoder)
{
    return ((const struct grpc *)decoder)->unknown_fields;
}

const struct fh_channel_ops fh_channel_grpc = {
    .name = "grpc",
    .protocol = "gRPC",
    .shared_new = grpc_shared_new,
    .shared_free = grpc_shared_free,
    .decoder_new = grpc_new,
    .decoder_free = grpc_free,
    .decoder_reset = grpc_reset,
    .request = grpc_request,
    .header = grpc_header,
    .verdict = grpc_verdict,
    .meaning = grpc_meaning,
    .decode = grpc_decode,
    .offset = grpc_offset,
    .ending = grpc_ending,
    /* libcurl 7.88 ends a stream in good order when GOAWAY with NO_ERROR and the end of the
     * connection cut it off; the gRPC specification makes a status that is missing UNAVAILABLE
     * (statuscodes.md, "network transport failure"). */
    .unsaid = "without a grpc-status, as when it goes away: UNAVAILABLE",
    .unknown_fields = grpc_unknown_fields,
};
