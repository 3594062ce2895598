/* connection.c: owns the libcurl options every channel shares: TLS, proxy, time-outs, and one
 * connection per receiver. It never sees a key. */
#include "receiver.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* 512 KiB per read: with HTTP/2 this is also the size of libcurl's buffer per stream. */
#define READ_BUFFER_BYTES 524288L

/* Dead peers are found by the silence watchdog; these keep NAT and firewalls from forgetting us. */
#define KEEPALIVE_IDLE_S     20L
#define KEEPALIVE_INTERVAL_S 10L

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_code = curl_easy_setopt(easy, option, value);                                 \
        if (set_code != CURLE_OK) {                                                                \
            return set_code;                                                                       \
        }                                                                                          \
    } while (0)

/* FRESH_CONNECT and FORBID_REUSE: connections with one key and replica share the events between
 * them, so a connection left open in a pool would swallow a share of them. FORBID_REUSE also makes
 * libcurl close the socket when the transfer is removed, hence before the next one opens.
 *
 * With firehose.multiplex the stream of HTTP/2 takes the place of the connection: removing the
 * transfer resets the stream (RFC 9113 8.7) ahead of the next request on the same connection. A
 * connection without a stream takes no events. PIPEWAIT: wait until the first one has found out
 * whether it can be shared. */
static CURLcode set_manners(CURL *easy, const struct fh_config_firehose *config)
{
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FRESH_CONNECT, config->multiplex ? 0L : 1L);
    SET(CURLOPT_FORBID_REUSE, config->multiplex ? 0L : 1L);
    SET(CURLOPT_PIPEWAIT, config->multiplex ? 1L : 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "firehosed/" FH_VERSION);
    SET(CURLOPT_BUFFERSIZE, READ_BUFFER_BYTES);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
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
    if (config->ca_file[0]) {
        SET(CURLOPT_CAINFO, config->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* this CA and no other */
    }
    if (config->proxy[0]) {
        SET(CURLOPT_PROXY, config->proxy);
    }
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return CURLE_OK;
}

int fh_connection_options(CURL *easy, const struct fh_config_firehose *config, struct fh_error *err)
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
