/* channel.h: what differs between the ways the service offers its stream, as one table per channel.
 * Private to src/source.
 *
 * receiver.c owns connecting, back-off, silence and resuming and is the same for every channel; a
 * channel says how a request looks, what an answer means, how a body becomes lines, and what it has
 * to say on the way. A further channel is one file and one row in fh_channel_find(). */
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

/* What the server said when it ended the stream, where a channel has words for that: gRPC's status,
 * WebSocket's close frame. text is as the server sent it: the receiver cleans it. */
struct fh_ending {
    enum fh_verdict verdict; /* RETRY or REFUSED; STREAM: ended in good order */
    long code;               /* the channel's own: grpc-status, close code */
    int http_status;         /* the equivalent, 0 = none */
    int64_t retry_after_ms;  /* 0 = not said */
    char text[1280];
};

/* All called on the receiver's thread unless said otherwise; none may block. A slot marked (NULL)
 * may be missing. */
struct fh_channel_ops {
    const char *name;
    const char *protocol; /* shown to the operator; NULL: the HTTP version */

    /* (NULL) What all receivers share and only read, made before the first decoder on the thread
     * that makes the sources; may read files. */
    int (*shared_new)(const struct fh_config_firehose *config, void **ret, struct fh_error *err);
    void (*shared_free)(void *shared);

    /* The state of one receiver's dialogue; reset between connections. */
    int (*decoder_new)(const struct fh_config_firehose *config, void *shared, void **ret);
    void (*decoder_free)(void *decoder); /* NULL allowed */
    void (*decoder_reset)(void *decoder);

    /* Put URL, headers, body and protocol on a handle that already carries the options every
     * channel shares (connection.c). ret_headers is set even on failure and freed by the caller
     * once the transfer is over. */
    int (*request)(CURL *easy, const struct fh_request *request, void *decoder,
                   struct curl_slist **ret_headers, struct fh_error *err);
    /* (NULL) One line of the answer's head, or of the trailers after a body. */
    void (*header)(void *decoder, const char *line, size_t len);
    /* The head is complete; version is libcurl's CURL_HTTP_VERSION_*. */
    enum fh_verdict (*verdict)(void *decoder, long status, long version);
    /* What the operator should know about that answer: part of a sentence. */
    const char *(*meaning)(const void *decoder, long status);
    /* 1: these bytes hold something of the stream; 0: nothing but the channel's own signs of life,
     * which do not count against silence; negative errno: ends the connection. */
    int (*decode)(void *decoder, const char *bytes, size_t len, fh_ndjson_line line,
                  void *userdata);
    /* (NULL) Bytes of the body consumed. For a channel whose lines can be much longer than the
     * bytes they came in: line may answer -EAGAIN to any of them, decode returns that, and goes on
     * later with the bytes from this offset on. */
    uint64_t (*offset)(const void *decoder);
    /* (NULL) Did the server end the stream in the channel's own words? */
    bool (*ending)(const void *decoder, struct fh_ending *ret);
    /* (NULL) What it means when it ended it without them: part of a sentence. */
    const char *unsaid;

    /* (NULL, together) What is sent after the request. wants_send: there is something, or nothing
     * will come any more and the connection may go. send: up to size bytes; 0 = nothing now;
     * FH_SEND_OVER = nothing ever again, close. ping: provoke a sign of life. */
    bool (*wants_send)(const void *decoder);
    size_t (*send)(void *decoder, char *bytes, size_t size);
    void (*ping)(void *decoder);

    /* (NULL) Fields no schema knows, since the decoder was made. */
    uint64_t (*unknown_fields)(const void *decoder);
};

#define FH_SEND_OVER SIZE_MAX

extern const struct fh_channel_ops fh_channel_http;
extern const struct fh_channel_ops fh_channel_websocket;
extern const struct fh_channel_ops fh_channel_grpc;

/* NULL when this build has no such channel. */
const struct fh_channel_ops *fh_channel_find(enum fh_channel channel);

/* http.c, for the channels that begin with an HTTP request. */
#define FH_REQUEST_URL_BYTES (FH_URL_MAX + 512)
/* Base and path without a double slash, then the parameters that differ from the defaults. 0 or
 * -ENAMETOOLONG. */
int fh_http_url(const struct fh_request *request, const char *path, bool parameters, char *url,
                size_t size);
/* Append the key header and count more. *ret_headers is set even on failure. */
int fh_http_headers(const struct fh_request *request, const char *const *more, size_t count,
                    struct curl_slist **ret_headers, struct fh_error *err);
enum fh_verdict fh_http_verdict(long status);
const char *fh_http_meaning(long status, enum fh_channel channel);
/* The value of the header line, if it is that header; trimmed. */
bool fh_header_value(const char *line, size_t len, const char *name, const char **ret_value,
                     size_t *ret_len);

#endif
