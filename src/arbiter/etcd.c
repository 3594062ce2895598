/* etcd.c: owns the talk with an etcd cluster. */
#include "internal.h"

#include <errno.h>

static int etcd_open(struct fh_arbiter *arbiter, const struct fh_config *config,
                     const char *secret_key, struct fh_error *err, void **ret_state)
{
    (void)arbiter;
    (void)config;
    (void)secret_key;
    (void)ret_state;
    return fh_error_set(err, -ENOTSUP, "arbiter.type \"etcd\" is not built into this version");
}

const struct fh_arbiter_backend fh_arbiter_etcd = {.open = etcd_open};
