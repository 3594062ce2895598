/* client_limits.h: the limits of a client, which tests make small. Private to src/rest. */
#ifndef FH_REST_CLIENT_LIMITS_H
#define FH_REST_CLIENT_LIMITS_H

#include "fh/clock.h"
#include "fh/rest.h"

struct fh_rest_limits {
    struct fh_time (*now)(void);
    size_t answer_max;
    size_t cache_bytes;
    unsigned per_minute; /* at most FH_REST_PER_MINUTE */
    int64_t timeout_ms;  /* of a whole request */
};

extern const struct fh_rest_limits fh_rest_limits;

int fh_rest_new_limited(const struct fh_config *config, const char *api_key,
                        const struct fh_rest_limits *limits, struct fh_error *err,
                        struct fh_rest **ret);

#endif
