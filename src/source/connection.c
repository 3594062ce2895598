/* connection.c: owns the libcurl options every channel shares beyond those of every request to the
 * service: one connection per receiver, kept alive. It never sees a key. */
#include "receiver.h"

#include <errno.h>

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
    SET(CURLOPT_FRESH_CONNECT, config->multiplex ? 0L : 1L);
    SET(CURLOPT_FORBID_REUSE, config->multiplex ? 0L : 1L);
    SET(CURLOPT_PIPEWAIT, config->multiplex ? 1L : 0L);
    SET(CURLOPT_BUFFERSIZE, READ_BUFFER_BYTES);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    return CURLE_OK;
}

int fh_connection_options(CURL *easy, const struct fh_config_firehose *config, struct fh_error *err)
{
    int r = fh_service_options(easy, config, err);
    CURLcode code = r < 0 ? CURLE_OK : set_manners(easy, config);
    if (code != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the connection: %s",
                            curl_easy_strerror(code));
    }
    return r;
}
