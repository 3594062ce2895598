/* etcd_http.h: HTTP POSTs by libcurl's multi interface, driven by sd-event. Knows nothing of what
 * they mean. Main thread; nothing blocks. */
#ifndef FH_ARBITER_ETCD_HTTP_H
#define FH_ARBITER_ETCD_HTTP_H

#include "fh/config.h"

#include <systemd/sd-event.h>

struct fh_etcd_http;
struct fh_etcd_exchange;

struct fh_etcd_result {
    const char *trouble; /* no answer came: why, in words; NULL when one came */
    long status;         /* of HTTP */
    const char *body;
    size_t len;
};

typedef void (*fh_etcd_done)(void *userdata, const struct fh_etcd_result *result);

int fh_etcd_http_new(const struct fh_config_arbiter *config, sd_event *event, struct fh_error *err,
                     struct fh_etcd_http **ret);
/* Every exchange has ended or was cancelled before. */
void fh_etcd_http_free(struct fh_etcd_http *http); /* NULL allowed */

/* Everything is copied. done is called once, later, never from within; the exchange is gone when
 * it is called. token: "" for none. */
int fh_etcd_http_post(struct fh_etcd_http *http, const char *url, const char *token,
                      const char *body, size_t len, int64_t timeout_ms, fh_etcd_done done,
                      void *userdata, struct fh_etcd_exchange **ret);
void fh_etcd_http_cancel(struct fh_etcd_exchange *exchange); /* done is not called */

#endif
