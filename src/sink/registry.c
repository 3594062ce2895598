/* registry.c: which sink types exist in this build. A new sink is one file and one row here; no
 * other code names a type. */
#include "types.h"

#include <string.h>

static const struct fh_sink_ops *const registry[] = {
    &fh_sink_file_ops,    &fh_sink_webhook_ops, &fh_sink_zeromq_ops, &fh_sink_zeromq_pub_ops,
#ifdef FH_NATS
    &fh_sink_nats_ops,
#endif
    &fh_sink_command_ops,
#ifdef FH_MQTT
    &fh_sink_mqtt_ops,
#endif
#ifdef FH_KAFKA
    &fh_sink_kafka_ops,
#endif
};

const struct fh_sink_ops *fh_sink_find(const char *type)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(registry); i++) {
        if (strcmp(registry[i]->type, type) == 0) {
            return registry[i];
        }
    }
    return NULL;
}

const struct fh_sink_ops *fh_sink_for(const struct fh_config_sink *config)
{
    bool pub = strcmp(config->type, "zeromq") == 0 && config->pattern == FH_ZEROMQ_PUB;
    return fh_sink_find(pub ? "zeromq-pub" : config->type);
}

const char *const *fh_sink_types(void)
{
    static const char *const types[] = {
        "file",  "webhook", "command", "zeromq", "zeromq-pub",
#ifdef FH_NATS
        "nats",
#endif
#ifdef FH_KAFKA
        "kafka",
#endif
#ifdef FH_MQTT
        "mqtt",
#endif
        NULL,
    };
    _Static_assert(FH_ARRAY_LEN(types) == FH_ARRAY_LEN(registry) + 1, "one name per row");
    return types;
}
