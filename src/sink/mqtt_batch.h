/* mqtt_batch.h: what has become of each message of a batch: first the records in their order, then,
 * once all of them are acknowledged, the retained positions, the last of each device. Pure but for
 * its memory. */
#ifndef FH_SINK_MQTT_BATCH_H
#define FH_SINK_MQTT_BATCH_H

#include "collect.h"

/* Refusals that may pass are taken for final after so many. */
#define FH_MQTT_ATTEMPTS 3

enum fh_mqtt_message_state { FH_MQTT_UNSENT, FH_MQTT_SENT, FH_MQTT_DONE };

struct fh_mqtt_message {
    uint32_t entry; /* in the collected batch */
    uint8_t state;
    uint8_t attempts;
    bool retained;
};

struct fh_mqtt_batch {
    struct fh_mqtt_message *message;
    size_t count, capacity, done;
    size_t next;   /* none before it is unsent */
    bool complete; /* the positions are in it */
};

/* What an answer means. */
enum fh_mqtt_verdict {
    FH_MQTT_TAKEN,
    FH_MQTT_AGAIN, /* send it again, not at once */
    FH_MQTT_NEVER, /* this record is refused for good */
};

/* count more records have been collected. 0 or -ENOMEM. */
int fh_mqtt_batch_add(struct fh_mqtt_batch *batch, size_t count);
/* All records are done: add the positions of devices. 0 or -ENOMEM. */
int fh_mqtt_batch_complete(struct fh_mqtt_batch *batch, const struct fh_collect *collect,
                           bool positions);
/* The next message to send, or NULL; it is then marked. */
struct fh_mqtt_message *fh_mqtt_batch_next(struct fh_mqtt_batch *batch);
void fh_mqtt_batch_sent(struct fh_mqtt_batch *batch, const struct fh_mqtt_message *message);
/* An answer came, or the record was put aside. */
void fh_mqtt_batch_done(struct fh_mqtt_batch *batch, struct fh_mqtt_message *message);
/* Send it before whatever is still unsent. Those after it that are under way have overtaken it:
 * that cannot be undone, and firehosed-sinks(7) says so. */
void fh_mqtt_batch_again(struct fh_mqtt_batch *batch, const struct fh_mqtt_message *message);
/* The connection is gone: what is not acknowledged is sent again, in order. */
void fh_mqtt_batch_restart(struct fh_mqtt_batch *batch);
void fh_mqtt_batch_clear(struct fh_mqtt_batch *batch);
void fh_mqtt_batch_free(struct fh_mqtt_batch *batch);
/* reason: of MQTT 5. attempts: with this one. */
enum fh_mqtt_verdict fh_mqtt_judge(int reason, unsigned attempts);

#endif
