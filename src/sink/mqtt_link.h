/* mqtt_link.h: one connection to an MQTT broker, with the thread that serves it: it reads
 * acknowledgements, writes what did not fit into the kernel at once, and keeps the connection alive
 * while there is nothing to send. It never connects again by itself: whoever owns it decides, so
 * that a node that may not deliver does not push out the one that may.
 *
 * Created, asked and ended by one thread (the owner). All of libmosquitto's work on one connection
 * happens under one lock, which is never held while anything is waited for. */
#ifndef FH_SINK_MQTT_LINK_H
#define FH_SINK_MQTT_LINK_H

#include "collect.h"

#include "fh/sink.h"

/* Messages that wait for their acknowledgement, at most; the broker may allow fewer. */
#define FH_MQTT_WINDOW 1000

struct fh_mqtt_settings {
    const struct fh_config_sink *config;
    const struct fh_sink_context *context;
    const char *client_id, *password; /* password: "" = none */
};

enum fh_mqtt_state {
    FH_MQTT_CONNECTING,
    FH_MQTT_READY,
    FH_MQTT_ENDED,
};

/* Why it ended, as far as the owner acts on it. */
enum fh_mqtt_end {
    FH_MQTT_END_OTHER,
    FH_MQTT_END_VERSION, /* the broker does not speak version 5 */
    FH_MQTT_END_HUNG_UP, /* before it had answered; old brokers refuse version 5 so */
    FH_MQTT_END_TAKEN,   /* another client connected under our id */
};

struct fh_mqtt_answer {
    uint32_t token;
    int reason; /* of MQTT 5; 0 with 3.1.1. 128 and more: refused */
};

struct fh_mqtt_link;

/* Begins to connect. settings and what it points to must live until the stop, and context until the
 * sink's close. version5: else 3.1.1. */
int fh_mqtt_link_start(const struct fh_mqtt_settings *settings, const struct fh_mqtt_server *server,
                       bool version5, struct fh_error *err, struct fh_mqtt_link **ret);
/* Closes the connection, politely when nothing is unacknowledged; nothing is sent afterwards. NULL
 * allowed. */
void fh_mqtt_link_stop(struct fh_mqtt_link *link);
enum fh_mqtt_state fh_mqtt_link_state(struct fh_mqtt_link *link);
/* Of one that ended: the reason as a sentence. */
enum fh_mqtt_end fh_mqtt_link_end(struct fh_mqtt_link *link, struct fh_error *why);

/* For how long an answer has been due and none came: to the greeting, or to messages. 0: none is
 * due. */
int64_t fh_mqtt_link_silence_ms(struct fh_mqtt_link *link);
/* The owner has waited for long enough: it ends with FH_MQTT_END_OTHER and "the broker ... WHAT".
 */
void fh_mqtt_link_give_up(struct fh_mqtt_link *link, const char *what);

/* One message of quality 1. token: comes back with the answer. 0; -EAGAIN: the window is full;
 * -EMSGSIZE: larger than the broker takes; -EINVAL: no topic for MQTT; -ENOTCONN. */
int fh_mqtt_link_publish(struct fh_mqtt_link *link, const char *topic, bool retain,
                         const struct fh_collect_item *item, uint64_t epoch, uint32_t token);
/* Up to room answers into answers, their number; when there is none yet, waits for one, or for a
 * change of state, for at most wait_ms. */
size_t fh_mqtt_link_answers(struct fh_mqtt_link *link, struct fh_mqtt_answer *answers, size_t room,
                            int64_t wait_ms);

#endif
