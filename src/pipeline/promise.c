/* promise.c: what is promised of a sink in this configuration: the sentence of its type, and what
 * options outside of it take away from that. Pure. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add(char text[FH_PROMISE_MAX], const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, FH_PROMISE_MAX - used, "%s", more);
}

/* A far side that can be asked knows its records again, whichever node sends them. */
static bool both_may_deliver(const struct fh_config *config, const struct fh_sink_ops *ops)
{
    return config->pair.present && config->arbiter.type == FH_ARBITER_NONE &&
           config->pair.prefer == FH_PREFER_AVAILABILITY && !ops->recover;
}

void fh_delivery_promise(const struct fh_config *config, const struct fh_config_sink *sink,
                         const struct fh_sink_ops *ops, char text[FH_PROMISE_MAX])
{
    ops->promise(sink, text, FH_PROMISE_MAX);
    bool may_double = strncmp(text, "at least", 8) == 0;
    if (!may_double && both_may_deliver(config, ops)) {
        add(text, "; twice what both nodes deliver while they are cut off from each other, for "
                  "there is no arbiter");
    }
    if (!may_double && ops->prepare && config->store.sync == FH_SYNC_INTERVAL) {
        char more[128];
        snprintf(more, sizeof(more),
                 "; after a power cut what was published in the last %" PRId64
                 " ms may come again (store.sync)",
                 config->store.sync_interval_ms);
        add(text, more);
    }
    if (!sink->required) {
        add(text, "; what waits for it gives way when the store is short of room, and is counted "
                  "(required = false)");
    }
}
