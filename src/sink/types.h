/* types.h: the sink types of this build; each is defined in its own file, and only registry.c
 * lists them. */
#ifndef FH_SINK_TYPES_H
#define FH_SINK_TYPES_H

#include "fh/sink.h"

extern const struct fh_sink_ops fh_sink_file_ops;
extern const struct fh_sink_ops fh_sink_webhook_ops;
extern const struct fh_sink_ops fh_sink_nats_ops; /* with FH_NATS */
extern const struct fh_sink_ops fh_sink_command_ops;
extern const struct fh_sink_ops fh_sink_mqtt_ops; /* with FH_MQTT */
extern const struct fh_sink_ops fh_sink_zeromq_ops;
extern const struct fh_sink_ops fh_sink_zeromq_pub_ops;
extern const struct fh_sink_ops fh_sink_kafka_ops; /* with FH_KAFKA */

#endif
