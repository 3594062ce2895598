/* fetch.h: one short request to the service and its whole answer. Blocking; one thread per handle.
 * Private to src/rest. */
#ifndef FH_REST_FETCH_H
#define FH_REST_FETCH_H

#include "fh/buf.h"
#include "fh/config.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fh_fetch_request {
    const struct fh_config_firehose *config;
    const char *url;                  /* whole */
    const char *body;                 /* to POST; NULL: GET */
    const struct curl_slist *headers; /* with the key or the token in one of them */
    const char *secret;               /* blanked wherever a server repeats it; "" = none */
    int64_t timeout_ms;               /* for everything, redirects included */
    atomic_bool *cancel;              /* (NULL) set by others: end within about a second */
};

struct fh_fetch_answer {
    long status;
    int64_t retry_after_s; /* 0 = not said */
    struct fh_buf body;    /* its max is the limit of a 200; of others the first few KiB are kept */
};

/* The caller initialises answer->body. A GET follows redirects to the same server, three at most;
 * any other is an error, because the secret goes nowhere else. 0 when the service has answered,
 * whatever the status; else with a sentence: -ETIMEDOUT, -EMSGSIZE, -ECANCELED, -EBADMSG (a
 * redirect, or no HTTP), -EACCES (the proxy wants credentials), -EIO (not reached), -ENOMEM. */
int fh_fetch(CURL *easy, const struct fh_fetch_request *request, struct fh_fetch_answer *answer,
             struct fh_error *err);

/* base without its final slashes, then path. 0 or -ENAMETOOLONG with a sentence. */
int fh_fetch_url(const char *base, const char *path, char *ret, size_t size, struct fh_error *err);

#endif
