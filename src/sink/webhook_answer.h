/* webhook_answer.h: what an answer of a web service means for the request it was given to. Pure. */
#ifndef FH_SINK_WEBHOOK_ANSWER_H
#define FH_SINK_WEBHOOK_ANSWER_H

#include "fh/event.h"

#include <stddef.h>
#include <stdint.h>

enum fh_webhook_verdict {
    FH_WEBHOOK_ACCEPTED,
    FH_WEBHOOK_AGAIN,   /* this request, after a while */
    FH_WEBHOOK_WAIT,    /* every request waits: the service said so, or is not there */
    FH_WEBHOOK_ASK,     /* a person must change something; every request waits long */
    FH_WEBHOOK_REFUSED, /* something in this request is refused for good */
};

/* Of an HTTP status (RFC 9110). 409: RFC draft "Idempotency-Key" has it say that an earlier attempt
 * of the same request is still being worked on; conflicts: how often this request was answered so.
 */
enum fh_webhook_verdict fh_webhook_judge(long status, unsigned conflicts);

/* Of the code of libcurl when no whole answer came. */
enum fh_webhook_verdict fh_webhook_judge_trouble(int curl_code);

#define FH_WEBHOOK_BACKOFF_MIN_MS 200
#define FH_WEBHOOK_BACKOFF_MAX_MS 30000
/* A Retry-After longer than this is cut: events wait on a clock that may be wrong. */
#define FH_WEBHOOK_RETRY_AFTER_MAX_MS 600000

/* Milliseconds to wait before a request is sent again, after so many failures in a row (at least
 * 1). random: any 32 bits. retry_after_s: what the service asked for, 0 = nothing. */
int64_t fh_webhook_delay(enum fh_webhook_verdict verdict, unsigned failures, uint32_t random,
                         int64_t retry_after_s);

/* The beginning of an answer as it may stand in a sentence: at most size - 1 and 200 printable
 * characters, blanks run together, and nothing of the secrets (NULL: none) an answer may echo. */
void fh_webhook_excerpt(struct fh_slice body, const char *const *secrets, size_t secret_count,
                        char *text, size_t size);

#endif
