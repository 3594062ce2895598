/* check_alike.c: what two sinks must not share: a name under which a far side knows one of us at a
 * time, so that they would end each other's work without end. Reads the configuration only. */
#include "loading.h"

#include <stdio.h>
#include <string.h>

static bool same_servers(const struct fh_config_sink *one, const struct fh_config_sink *other)
{
    for (size_t i = 0; i < one->server_count; i++) {
        for (size_t k = 0; k < other->server_count; k++) {
            if (strcmp(one->servers[i], other->servers[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The id, as given or as it is made from the name of the sink. */
static const char *id_of(const struct fh_config_sink *sink, char made[FH_SINK_NAME_MAX + 16])
{
    const char *given = strcmp(sink->type, "kafka") == 0 ? sink->transactional_id : sink->client_id;
    snprintf(made, FH_SINK_NAME_MAX + 16, "firehosed-%s", sink->name);
    return given[0] != '\0' ? given : made;
}

static void check_ids(struct fh_loading *loading, size_t index, const struct fh_config_sink *other,
                      const char *option)
{
    const struct fh_config_sink *sink = &loading->config->sinks[index];
    char made[2][FH_SINK_NAME_MAX + 16];
    const char *id = id_of(sink, made[0]);
    if (strcmp(id, id_of(other, made[1])) == 0 && same_servers(sink, other)) {
        fh_refuse(loading, fh_line_of(loading, option, index),
                  "%s \"%.60s\" is that of sink \"%s\", too: the two would shut each other out "
                  "again and again; give each its own",
                  option, id, other->name);
    }
}

void fh_config_check_alike(struct fh_loading *loading, size_t index)
{
    const struct fh_config *config = loading->config;
    const struct fh_config_sink *sink = &config->sinks[index];
    for (size_t i = 0; i < index; i++) {
        const struct fh_config_sink *other = &config->sinks[i];
        if (strcmp(sink->type, other->type) != 0 || strcmp(sink->name, other->name) == 0) {
            continue;
        }
        if (strcmp(sink->type, "kafka") == 0) {
            check_ids(loading, index, other, "sinks.transactional_id");
        } else if (strcmp(sink->type, "mqtt") == 0) {
            check_ids(loading, index, other, "sinks.client_id");
        }
    }
}
