/* websocket.c: owns what is particular to the WebSocket channel (firehose-api.md section 4): the
 * upgrade of an HTTP/1.1 connection, what counts as a handshake, and when the dialogue is over. The
 * frames are websocket_frames.c's. It never connects, retries or logs.
 *
 * The upgrade is an HTTP request to libcurl like any other, so that TLS, the certificates, proxies,
 * statuses, Retry-After and redirects stay the same code for every channel: after a 101 libcurl
 * hands every further byte to the body, and what we have to say goes out as the body of an upload
 * without a length. (libcurl's own WebSocket is newer than the oldest system we support.) */
#include "channel.h"
#include "websocket_frames.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define KEY_BYTES      16
#define KEY_TEXT_BYTES 25 /* base64 with its NUL */
#define SHA1_BYTES     20
#define ACCEPT_BYTES   29

struct websocket {
    struct fh_websocket_frames frames;
    char key[KEY_TEXT_BYTES];
    char accept[ACCEPT_BYTES]; /* what the server must answer */
    bool upgrade;              /* seen in the head of the answer */
    bool accepted;
    bool foreign; /* an extension or a subprotocol nobody asked for */
};

static int websocket_new(const struct fh_config_firehose *config, void *shared, void **ret)
{
    (void)shared;
    struct websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket) {
        return -ENOMEM;
    }
    fh_websocket_frames_init(&websocket->frames, (size_t)config->max_line_bytes);
    *ret = websocket;
    return 0;
}

static void websocket_free(void *decoder)
{
    struct websocket *websocket = decoder;
    if (websocket) {
        fh_websocket_frames_done(&websocket->frames);
        free(websocket);
    }
}

static void forget_answer(struct websocket *websocket)
{
    websocket->upgrade = false;
    websocket->accepted = false;
    websocket->foreign = false;
}

static void websocket_reset(void *decoder)
{
    struct websocket *websocket = decoder;
    fh_websocket_frames_reset(&websocket->frames);
    forget_answer(websocket);
}

/* RFC 6455, 4.1: a nonce, and its hash as proof that the other side speaks WebSocket and is no
 * cache that answers from memory. No secret. */
static int make_key(struct websocket *websocket)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char nonce[KEY_BYTES];
    if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce)) {
        return -EIO;
    }
    EVP_EncodeBlock((unsigned char *)websocket->key, nonce, sizeof(nonce));
    char text[sizeof(websocket->key) + sizeof(guid)];
    int len = snprintf(text, sizeof(text), "%s%s", websocket->key, guid);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    if (EVP_Digest(text, (size_t)len, hash, &hash_len, EVP_sha1(), NULL) != 1 ||
        hash_len != SHA1_BYTES) {
        return -EIO;
    }
    EVP_EncodeBlock((unsigned char *)websocket->accept, hash, SHA1_BYTES);
    return 0;
}

/* UPLOAD makes libcurl send what fh_channel_ops.send gives; emptying Transfer-Encoding and Expect
 * makes it send just that. A proxy must tunnel, because an upgrade is between two neighbours. */
static CURLcode set_upgrade(CURL *easy, const char *url, const struct curl_slist *headers)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    }
    if (code == CURLE_OK) {
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "GET");
    }
    return code;
}

static int websocket_request(CURL *easy, const struct fh_request *request, void *decoder,
                             struct curl_slist **ret_headers, struct fh_error *err)
{
    struct websocket *websocket = decoder;
    char url[FH_REQUEST_URL_BYTES];
    if (!request->url && fh_http_url(request, request->config->path, true, url, sizeof(url)) < 0) {
        return fh_error_set(err, -ENAMETOOLONG, "firehose.url and firehose.path are too long");
    }
    if (make_key(websocket) < 0) {
        return fh_error_set(err, -EIO, "cannot make the key of a WebSocket handshake");
    }
    char key[64];
    snprintf(key, sizeof(key), "Sec-WebSocket-Key: %s", websocket->key);
    const char *const headers[] = {"Upgrade: websocket",        "Connection: Upgrade", key,
                                   "Sec-WebSocket-Version: 13", "Transfer-Encoding:",  "Expect:"};
    int r = fh_http_headers(request, headers, FH_ARRAY_LEN(headers), ret_headers, err);
    if (r < 0) {
        return r;
    }
    CURLcode code = set_upgrade(easy, request->url ? request->url : url, *ret_headers);
    if (code != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the request: %s",
                            curl_easy_strerror(code));
    }
    return 0;
}

static void websocket_header(void *decoder, const char *line, size_t len)
{
    struct websocket *websocket = decoder;
    const char *value = NULL;
    size_t value_len = 0;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        forget_answer(websocket); /* after an interim answer */
    } else if (fh_header_value(line, len, "Upgrade", &value, &value_len)) {
        websocket->upgrade = value_len == 9 && strncasecmp(value, "websocket", 9) == 0;
    } else if (fh_header_value(line, len, "Sec-WebSocket-Accept", &value, &value_len)) {
        websocket->accepted =
            value_len == ACCEPT_BYTES - 1 && memcmp(value, websocket->accept, value_len) == 0;
    } else if (fh_header_value(line, len, "Sec-WebSocket-Extensions", &value, &value_len) ||
               fh_header_value(line, len, "Sec-WebSocket-Protocol", &value, &value_len)) {
        websocket->foreign = true;
    }
}

static enum fh_verdict websocket_verdict(void *decoder, long status, long version)
{
    (void)version;
    const struct websocket *websocket = decoder;
    if (status == 101) {
        bool good = websocket->upgrade && websocket->accepted && !websocket->foreign;
        return good ? FH_VERDICT_STREAM : FH_VERDICT_REFUSED;
    }
    /* A 2xx is a page or the HTTP stream: nobody there speaks WebSocket, or a proxy does not. */
    return status >= 200 && status < 300 ? FH_VERDICT_REFUSED : fh_http_verdict(status);
}

static const char *websocket_meaning(const void *decoder, long status)
{
    const struct websocket *websocket = decoder;
    if (status == 101 && websocket->foreign) {
        return "the server wants a WebSocket extension or subprotocol nobody asked for";
    }
    if (status == 101) {
        return "that is no WebSocket handshake (Upgrade or Sec-WebSocket-Accept is wrong): does a "
               "proxy answer in the service's place?";
    }
    if (status < 300 || status == 426) {
        return "the server or a proxy in between does not switch to WebSocket: check "
               "firehose.url, firehose.path and firehose.proxy, or write firehose.channel = "
               "\"http\"";
    }
    return fh_http_meaning(status, FH_CHANNEL_WEBSOCKET);
}

static int websocket_decode(void *decoder, const char *bytes, size_t len, fh_ndjson_line line,
                            void *userdata)
{
    struct websocket *websocket = decoder;
    return fh_websocket_frames_feed(&websocket->frames, bytes, len, line, userdata);
}

/* RFC 6455, 7.4.1, in the words of what it means here. */
static const char *close_meaning(unsigned code)
{
    switch (code) {
    case 0:
        return "no reason given";
    case WSLAY_CODE_NORMAL_CLOSURE:
        return "normal closure";
    case WSLAY_CODE_GOING_AWAY:
        return "the server is going away";
    case WSLAY_CODE_PROTOCOL_ERROR:
        return "protocol error";
    case WSLAY_CODE_POLICY_VIOLATION:
        return "policy violation: was the key revoked?";
    case WSLAY_CODE_MESSAGE_TOO_BIG:
        return "message too big";
    case WSLAY_CODE_INTERNAL_SERVER_ERROR:
        return "internal error of the server";
    case 1012:
        return "the service restarts";
    case 1013:
        return "the service is overloaded";
    default:
        return "a reason of its own";
    }
}

/* Whatever the code: reconnect and replay. A key that was revoked is refused by the next handshake,
 * with a status that says so. */
static bool websocket_ending(const void *decoder, struct fh_ending *ret)
{
    const struct fh_websocket_frames *frames = &((const struct websocket *)decoder)->frames;
    if (!frames->close_received) {
        return false;
    }
    unsigned code = frames->close_code;
    bool in_order = code == 0 || code == WSLAY_CODE_NORMAL_CLOSURE || code == WSLAY_CODE_GOING_AWAY;
    *ret = (struct fh_ending){.verdict = in_order ? FH_VERDICT_STREAM : FH_VERDICT_RETRY,
                              .code = (long)code};
    snprintf(ret->text, sizeof(ret->text), "the server closed the WebSocket: %u (%s)%s%s", code,
             close_meaning(code), frames->close_reason[0] ? ": " : "", frames->close_reason);
    return true;
}

static bool websocket_wants_send(const void *decoder)
{
    const struct websocket *websocket = decoder;
    return websocket->frames.out.len > 0 || websocket->frames.close_received;
}

static size_t websocket_send(void *decoder, char *bytes, size_t size)
{
    struct websocket *websocket = decoder;
    size_t n = fh_websocket_frames_take(&websocket->frames, bytes, size);
    return n == 0 && websocket->frames.close_received ? FH_SEND_OVER : n;
}

static void websocket_ping(void *decoder)
{
    struct websocket *websocket = decoder;
    fh_websocket_frames_ping(&websocket->frames);
}

const struct fh_channel_ops fh_channel_websocket = {
    .name = "websocket",
    .protocol = "WebSocket",
    .decoder_new = websocket_new,
    .decoder_free = websocket_free,
    .decoder_reset = websocket_reset,
    .request = websocket_request,
    .header = websocket_header,
    .verdict = websocket_verdict,
    .meaning = websocket_meaning,
    .decode = websocket_decode,
    .ending = websocket_ending,
    .wants_send = websocket_wants_send,
    .send = websocket_send,
    .ping = websocket_ping,
};
