/* mqtt_broker.h: a broker that does what a test tells it, in a thread of its own: for what a real
 * one cannot be brought to do. Knows as much of MQTT as a publisher with quality 1 needs. */
#ifndef TEST_MQTT_BROKER_H
#define TEST_MQTT_BROKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BROKER_MESSAGES_MAX 20000
#define BROKER_HELD_MAX     64 /* gathered; more are answered at once */

struct broker_message {
    unsigned n; /* of {"n":N...} */
    bool retain;
    char topic[128];
    bool has_key; /* the user property firehosed-key is there */
    unsigned connection;
};

struct broker {
    /* set before broker_start, or while nothing is connected */
    bool only_version3;       /* refuse version 5, as brokers of that time do */
    bool hang_up_on_version5; /* or by closing the connection */
    uint16_t receive_maximum; /* 0: not said */
    uint32_t packet_maximum;  /* 0: not said */
    bool gathers;             /* answer only when nothing more comes for a moment */
    /* The reason to answer a message with; negative: none, see the values. NULL: 0. */
    int (*judge)(void *userdata, const struct broker_message *message, size_t index);
    void *userdata;

    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    bool stop;
    unsigned connections; /* greetings seen */
    int version;          /* of the last greeting: 4 or 5 */
    char client_id[64], user[64], password[64];
    struct broker_message message[BROKER_MESSAGES_MAX];
    size_t count;
    unsigned outstanding, most_outstanding; /* when answers are withheld */
    unsigned held[BROKER_HELD_MAX];         /* ids whose answer waits; the thread's alone */
    size_t held_count;
};

enum {
    BROKER_SILENT = -1,   /* no answer */
    BROKER_CLOSE = -2,    /* close the connection */
    BROKER_TAKEOVER = -3, /* as if another client had come under the same id */
};

int broker_start(struct broker *broker);
void broker_stop(struct broker *broker);
/* Consistent looks. */
size_t broker_count(struct broker *broker);
unsigned broker_connections(struct broker *broker);

#endif
