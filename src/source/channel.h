/* channel.h: what differs between the ways the service offers its stream, as one table per channel.
 * Private to src/source.
 *
 * receiver.c owns connecting, back-off, silence and resuming and is the same for every channel; a
 * channel says how a request looks, what a status means, and how a body becomes lines. A further
 * channel is one file and one row in fh_channel_find(). */
#ifndef FH_SOURCE_CHANNEL_H
#define FH_SOURCE_CHANNEL_H

#include "fh/config.h"
#include "fh/ndjson.h"

#include <curl/curl.h>

/* What an answer means for the receiver. */
enum fh_verdict {
    FH_VERDICT_NONE = 0, /* an interim answer: the real one follows */
    FH_VERDICT_STREAM,   /* the body is the stream */
    FH_VERDICT_REDIRECT, /* ask elsewhere, if that is the same server */
    FH_VERDICT_RETRY,    /* back off and try again */
    FH_VERDICT_REFUSED,  /* only the operator can change it: slow retry */
};

/* One attempt. Everything is borrowed for the duration of the call. */
struct fh_request {
    const struct fh_config_firehose *config;
    const char *api_key;
    const char *url; /* a redirect within the same server; NULL: build it */
    struct fh_range range;
    int64_t from_ms; /* 0 = do not send */
};

/* All called on the receiver's thread; none may block. */
struct fh_channel_ops {
    const char *name;
    /* Put URL, headers and protocol on a handle that already carries the options every channel
     * shares (connection.c). ret_headers is set even on failure and freed by the caller once the
     * transfer is over. */
    int (*request)(CURL *easy, const struct fh_request *request, struct curl_slist **ret_headers,
                   struct fh_error *err);
    enum fh_verdict (*verdict)(long status);
    /* What the operator should know about this status: part of a sentence. */
    const char *(*meaning)(long status);
    /* The decoder of one receiver's bodies; reset between connections. decode returns 0 or a
     * negative errno, which ends the connection. */
    int (*decoder_new)(size_t max_line, void **ret);
    void (*decoder_free)(void *decoder); /* NULL allowed */
    void (*decoder_reset)(void *decoder);
    int (*decode)(void *decoder, const char *bytes, size_t len, fh_ndjson_line line,
                  void *userdata);
};

extern const struct fh_channel_ops fh_channel_http;

/* NULL when this build has no such channel. */
const struct fh_channel_ops *fh_channel_find(enum fh_channel channel);

#endif
