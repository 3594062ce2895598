/* backoff.c: owns the waiting times between two attempts to connect. Never reads a clock and never
 * draws a random number. */
#include "fh/backoff.h"

/* A server's Retry-After is honoured up to a day; what is longer would only hide a fault. It also
 * keeps the sums below far from overflow. */
#define RETRY_AFTER_MAX_MS ((int64_t)24 * 3600 * 1000)

/* Uniform in 0 .. ceiling (inclusive), from 32 random bits. */
static int64_t scale(uint32_t random, int64_t ceiling)
{
    if (ceiling <= 0) {
        return 0;
    }
    /* Ceilings beyond 2^31 ms (24 days) make no sense as a wait; the product stays in 64 bits. */
    uint64_t range = (uint64_t)(ceiling < INT32_MAX ? ceiling : INT32_MAX) + 1;
    return (int64_t)(((uint64_t)random * range) >> 32);
}

void fh_backoff_init(struct fh_backoff *backoff, int64_t min_ms, int64_t max_ms,
                     int64_t reset_after_ms)
{
    *backoff = (struct fh_backoff){
        .min_ms = min_ms > 0 ? min_ms : 1,
        .max_ms = max_ms > min_ms ? max_ms : min_ms,
        .reset_after_ms = reset_after_ms,
    };
    if (backoff->max_ms < backoff->min_ms) {
        backoff->max_ms = backoff->min_ms;
    }
}

void fh_backoff_connected(struct fh_backoff *backoff, struct fh_time now)
{
    if (!fh_time_is_set(backoff->healthy_since)) {
        backoff->healthy_since = now;
    }
}

static int64_t ceiling_of(const struct fh_backoff *backoff)
{
    int64_t ceiling = backoff->min_ms;
    for (unsigned i = 0; i < backoff->attempt && ceiling < backoff->max_ms; i++) {
        ceiling = ceiling > backoff->max_ms / 2 ? backoff->max_ms : ceiling * 2;
    }
    return ceiling;
}

int64_t fh_backoff_failed(struct fh_backoff *backoff, struct fh_time now, uint32_t random,
                          int64_t retry_after_ms)
{
    if (fh_time_is_set(backoff->healthy_since) &&
        fh_time_diff_ms(now, backoff->healthy_since) >= backoff->reset_after_ms) {
        backoff->attempt = 0;
    }
    backoff->healthy_since = (struct fh_time){0};

    int64_t ceiling = ceiling_of(backoff);
    if (ceiling < backoff->max_ms) {
        backoff->attempt++;
    }
    int64_t wait = scale(random, ceiling);
    if (retry_after_ms > RETRY_AFTER_MAX_MS) {
        retry_after_ms = RETRY_AFTER_MAX_MS;
    }
    if (retry_after_ms > wait) {
        /* Twelve receivers get the same Retry-After: spread them, or they come back as one. */
        wait = retry_after_ms + scale(random, backoff->min_ms);
    }
    return wait;
}

int64_t fh_backoff_refused(struct fh_backoff *backoff, uint32_t random, int64_t slow_ms)
{
    backoff->healthy_since = (struct fh_time){0};
    return slow_ms + scale(random, slow_ms / 10);
}
