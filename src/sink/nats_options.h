/* nats_options.h: from our configuration to libnats's: addresses, TLS, who we are. */
#ifndef FH_SINK_NATS_OPTIONS_H
#define FH_SINK_NATS_OPTIONS_H

#include "fh/config.h"
#include "fh/err.h"

#include <nats/nats.h>

/* What fh_config_check_nats checks, and that the files with secrets can be read. */
int fh_nats_options_check(const struct fh_config_sink *config, struct fh_error *err);
/* Everything but the callbacks. Reads the files with secrets, so that a changed one counts at the
 * next connection. The caller destroys *ret. */
int fh_nats_options_make(const struct fh_config_sink *config, const char *node,
                         struct fh_error *err, natsOptions **ret);

#endif
