/* webhook_http.h: the requests of a webhook sink over libcurl's multi interface. Knows how a
 * request is sent, not what an answer means. Delivery thread only; only turn waits. */
#ifndef FH_SINK_WEBHOOK_HTTP_H
#define FH_SINK_WEBHOOK_HTTP_H

#include "webhook_plan.h"

struct fh_webhook_http;

/* What came of a request. */
struct fh_webhook_result {
    long status;              /* of HTTP; 0: no whole answer came */
    int trouble;              /* then: the code of libcurl */
    const char *trouble_text; /* and what it says; else "" */
    int64_t retry_after_s;    /* 0: not asked for */
    struct fh_slice body;     /* the beginning of the answer's body */
    bool fenced;              /* cut off by us: this node must keep quiet */
};

/* The exchange of this lane is over; valid during the call. */
typedef void (*fh_webhook_done)(void *userdata, uint32_t lane,
                                const struct fh_webhook_result *result);

/* Checks URL, headers and files of the configuration, connects nothing. Both are kept by
 * reference. */
int fh_webhook_http_new(const struct fh_config_sink *config, const struct fh_sink_context *context,
                        struct fh_error *err, struct fh_webhook_http **ret);
void fh_webhook_http_free(struct fh_webhook_http *http); /* NULL allowed */

/* Read token or password again: they may have been changed on disk. */
int fh_webhook_http_credentials(struct fh_webhook_http *http, struct fh_error *err);
/* fh_webhook_excerpt of an answer, without what we have sent along and must not appear in a
 * sentence: token or password, and the password as it travels, the path of the address, values of
 * headers. */
void fh_webhook_http_excerpt(const struct fh_webhook_http *http, struct fh_slice body, char *text,
                             size_t size);
/* "https://events.example:8443", without the path, which may be a secret. */
const char *fh_webhook_http_name(const struct fh_webhook_http *http);

/* Begin a request with these records; plan and batch stay as they are until it is done or
 * cancelled. One per lane. */
int fh_webhook_http_send(struct fh_webhook_http *http, uint32_t lane,
                         const struct fh_webhook_plan *plan, const struct fh_collect *batch,
                         struct fh_webhook_range range, uint64_t epoch);
/* Go on with what is under way, wait up to wait_ms for news, tell what is done. */
void fh_webhook_http_turn(struct fh_webhook_http *http, int wait_ms, fh_webhook_done done,
                          void *userdata);
/* Requests under way. */
uint32_t fh_webhook_http_busy(const struct fh_webhook_http *http);
bool fh_webhook_http_lane_busy(const struct fh_webhook_http *http, uint32_t lane);
/* Everything under way ends, nobody is told. */
void fh_webhook_http_cancel(struct fh_webhook_http *http);

#endif
