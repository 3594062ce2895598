/* replay.c: owns what must differ between the instance of a sink that delivers the live stream and
 * one that replays beside it: names under which the far side knows us, places that are ours alone.
 * What the types write to mark a replay is theirs (fh_sink_context.replay). */
#include "fh/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* base, or "firehosed-NAME" when it is empty, with a suffix. */
static int own_name(char *text, size_t size, const char *name, struct fh_error *err)
{
    char base[FH_SINK_WORD_MAX];
    snprintf(base, sizeof(base), "%s%s", text[0] != '\0' ? "" : "firehosed-",
             text[0] != '\0' ? text : name);
    int n = snprintf(text, size, "%s-replay", base);
    if (n < 0 || (size_t)n >= size) {
        return fh_error_set(err, -ENAMETOOLONG, "sink %s: the name %s is too long for a replay",
                            name, base);
    }
    return 0;
}

static int own_directory(struct fh_config_sink *config, const char *id, struct fh_error *err)
{
    size_t len = strlen(config->directory);
    int n = snprintf(config->directory + len, sizeof(config->directory) - len, "/replay-%s", id);
    if (n < 0 || (size_t)n >= sizeof(config->directory) - len) {
        return fh_error_set(err, -ENAMETOOLONG, "sink %s: its directory is too long for a replay",
                            config->name);
    }
    config->keep_hours = 0; /* what was asked for by hand is removed by hand */
    config->keep_bytes = 0;
    return 0;
}

int fh_sink_replay_config(struct fh_config_sink *config, const char *id, const char *listen,
                          struct fh_error *err)
{
    bool binds = strcmp(config->type, "zeromq") == 0;
    config->envelope = true;
    if (!binds && listen[0] != '\0') {
        return fh_error_set(err, -EINVAL, "--listen is for sinks of type zeromq, %s is of type %s",
                            config->name, config->type);
    }
    if (binds && listen[0] == '\0') {
        return fh_error_set(err, -EINVAL,
                            "sink %s is bound to %s for the live stream; a replay needs an address "
                            "of its own, to which its consumer connects: --listen tcp://...",
                            config->name, config->listen);
    }
    if (binds) {
        snprintf(config->listen, sizeof(config->listen), "%s", listen);
        return fh_config_check_zeromq(config, err);
    }
    if (strcmp(config->type, "file") == 0) {
        return own_directory(config, id, err);
    }
    if (strcmp(config->type, "kafka") == 0) {
        return own_name(config->transactional_id, sizeof(config->transactional_id), config->name,
                        err);
    }
    if (strcmp(config->type, "mqtt") == 0) {
        config->retain_position = false; /* the last known position is that of the live stream */
        return own_name(config->client_id, sizeof(config->client_id), config->name, err);
    }
    return 0;
}
