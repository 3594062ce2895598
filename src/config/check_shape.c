/* check_shape.c: which records a sink gets and how much of each: lists that could never match
 * anything, and paths that could never name anything. Never opens a file. */
#include "loading.h"

#include "fh/project.h"

#include <string.h>

_Static_assert(FH_SINK_LIST_MAX <= FH_PROJECT_PATHS_MAX, "every path of a sink finds its place");
_Static_assert(FH_SINK_FIELD_MAX <= FH_PROJECT_PATH_MAX, "and fits there");

static void check_list(struct fh_loading *loading, size_t sink, const char *option,
                       const char list[][FH_SINK_FILTER_MAX], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i][0] == '\0') {
            fh_refuse(loading, fh_line_of(loading, option, sink),
                      "%s has an empty entry, which no record matches; remove it", option);
            return;
        }
    }
}

static void check_types(struct fh_loading *loading, size_t sink,
                        const struct fh_config_sink *config)
{
    const char *option = "sinks.event_types";
    check_list(loading, sink, option, config->event_types, config->event_type_count);
    for (size_t i = 0; i < config->event_type_count; i++) {
        const char *type = config->event_types[i];
        if (strcmp(type, "KEEP_ALIVE") == 0) {
            fh_warn(loading, fh_line_of(loading, option, sink),
                    "%s: KEEP_ALIVE is never given to a sink", option);
        } else if (strpbrk(type, "abcdefghijklmnopqrstuvwxyz.*")) {
            fh_warn(loading, fh_line_of(loading, option, sink),
                    "%s: \"%s\" is compared as it is with eventType, which is written like "
                    "DEVICE_LOCATION_UPDATE",
                    option, type);
        }
    }
}

static void check_fields(struct fh_loading *loading, size_t sink,
                         const struct fh_config_sink *config)
{
    struct fh_projection projection = {0};
    struct fh_error err = {""};
    unsigned bad = 0;
    for (size_t i = 0; i < config->include_count; i++) {
        if (fh_projection_include(&projection, config->include[i], &err) < 0) {
            fh_refuse(loading, fh_line_of(loading, "sinks.include", sink), "sinks.include: %s",
                      err.text);
            bad++;
        }
    }
    for (size_t i = 0; i < config->drop_count; i++) {
        if (fh_projection_drop(&projection, config->drop[i], &err) < 0) {
            fh_refuse(loading, fh_line_of(loading, "sinks.drop", sink), "sinks.drop: %s", err.text);
            bad++;
        }
    }
    if (bad == 0 && fh_projection_check(&projection, &err) < 0) {
        fh_refuse(loading, fh_line_of(loading, "sinks.include", sink), "sinks.include: %s",
                  err.text);
    }
}

void fh_config_check_shape(struct fh_loading *loading, size_t sink)
{
    const struct fh_config_sink *config = &loading->config->sinks[sink];
    check_types(loading, sink, config);
    check_list(loading, sink, "sinks.tenants", config->tenants, config->tenant_count);
    check_list(loading, sink, "sinks.locations", config->locations, config->location_count);
    check_fields(loading, sink, config);
}
