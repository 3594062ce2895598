/* backoff.h: when to connect again. Pure: randomness and time come in as arguments.
 *
 * Source: firehose-api.md section 12: full jitter, 1 s doubling to 5 min, reset once a connection
 * has delivered for 5 min; a connection that dies sooner does not reset. 401/403/404: every
 * slow_ms. Retry-After is honoured as a minimum, up to a day. */
#ifndef FH_BACKOFF_H
#define FH_BACKOFF_H

#include "fh/clock.h"

struct fh_backoff {
    int64_t min_ms;         /* first ceiling, e.g. 1000 */
    int64_t max_ms;         /* last ceiling, e.g. 300000 */
    int64_t reset_after_ms; /* health that resets, e.g. 300000 */
    unsigned attempt;
    struct fh_time healthy_since; /* unset while not delivering */
};

void fh_backoff_init(struct fh_backoff *backoff, int64_t min_ms, int64_t max_ms,
                     int64_t reset_after_ms);
/* The connection delivers (first byte of a 200 stream). */
void fh_backoff_connected(struct fh_backoff *backoff, struct fh_time now);
/* It ended or failed: milliseconds to wait, at least retry_after_ms (0 if none was sent).
 * After a connection that was healthy for reset_after_ms the first retry comes within min_ms. */
int64_t fh_backoff_failed(struct fh_backoff *backoff, struct fh_time now, uint32_t random,
                          int64_t retry_after_ms);
/* Refused for configuration (401, 403, 404, other 4xx): slow_ms plus up to 10 % jitter. */
int64_t fh_backoff_refused(struct fh_backoff *backoff, uint32_t random, int64_t slow_ms);

#endif
