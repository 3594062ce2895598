/* mqtt_batch.c: owns the states of a batch's messages. */
#include "mqtt_batch.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define POSITION_TYPE "DEVICE_LOCATION_UPDATE"

static int reserve(struct fh_mqtt_batch *batch, size_t more)
{
    size_t capacity = batch->capacity > 0 ? batch->capacity : 1024;
    while (capacity < batch->count + more) {
        capacity *= 2;
    }
    if (capacity == batch->capacity) {
        return 0;
    }
    struct fh_mqtt_message *message = realloc(batch->message, capacity * sizeof(*message));
    if (!message) {
        return -ENOMEM;
    }
    batch->message = message;
    batch->capacity = capacity;
    return 0;
}

int fh_mqtt_batch_add(struct fh_mqtt_batch *batch, size_t count)
{
    if (reserve(batch, count) < 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        batch->message[batch->count] = (struct fh_mqtt_message){.entry = (uint32_t)batch->count};
        batch->count++;
    }
    return 0;
}

/* ---- the last position of each device ---- */

struct position {
    uint64_t device; /* hash */
    uint32_t entry;
};

static int by_device_then_entry(const void *left, const void *right)
{
    const struct position *a = left;
    const struct position *b = right;
    if (a->device != b->device) {
        return a->device < b->device ? -1 : 1;
    }
    return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static int by_entry(const void *left, const void *right)
{
    const struct position *a = left;
    const struct position *b = right;
    return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static size_t find_positions(const struct fh_collect *collect, struct position *position)
{
    size_t count = 0;
    for (size_t i = 0; i < collect->count; i++) {
        struct fh_collect_item item;
        fh_collect_get(collect, i, &item);
        const struct fh_slice *type = &item.facts.type;
        if (item.facts.device.len > 0 && type->len == strlen(POSITION_TYPE) &&
            memcmp(type->data, POSITION_TYPE, type->len) == 0) {
            position[count++] = (struct position){
                XXH3_64bits(item.facts.device.data, item.facts.device.len), (uint32_t)i};
        }
    }
    qsort(position, count, sizeof(*position), by_device_then_entry);
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || position[i].device != position[i + 1].device) {
            position[last++] = position[i];
        }
    }
    qsort(position, last, sizeof(*position), by_entry);
    return last;
}

int fh_mqtt_batch_complete(struct fh_mqtt_batch *batch, const struct fh_collect *collect,
                           bool positions)
{
    if (positions && collect->count > 0) {
        struct position *position = calloc(collect->count, sizeof(*position));
        size_t count = position ? find_positions(collect, position) : 0;
        if (!position || reserve(batch, count) < 0) {
            free(position);
            return -ENOMEM;
        }
        for (size_t i = 0; i < count; i++) {
            batch->message[batch->count++] =
                (struct fh_mqtt_message){.entry = position[i].entry, .retained = true};
        }
        free(position);
    }
    batch->complete = true;
    return 0;
}

/* ---- states ---- */

struct fh_mqtt_message *fh_mqtt_batch_next(struct fh_mqtt_batch *batch)
{
    while (batch->next < batch->count && batch->message[batch->next].state != FH_MQTT_UNSENT) {
        batch->next++;
    }
    return batch->next < batch->count ? &batch->message[batch->next] : NULL;
}

void fh_mqtt_batch_sent(struct fh_mqtt_batch *batch, const struct fh_mqtt_message *message)
{
    batch->message[message - batch->message].state = FH_MQTT_SENT;
}

void fh_mqtt_batch_done(struct fh_mqtt_batch *batch, struct fh_mqtt_message *message)
{
    if (message->state != FH_MQTT_DONE) {
        message->state = FH_MQTT_DONE;
        batch->done++;
    }
}

void fh_mqtt_batch_again(struct fh_mqtt_batch *batch, const struct fh_mqtt_message *message)
{
    size_t index = (size_t)(message - batch->message);
    batch->message[index].state = FH_MQTT_UNSENT;
    batch->next = index < batch->next ? index : batch->next;
}

void fh_mqtt_batch_restart(struct fh_mqtt_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->message[i].state == FH_MQTT_SENT) {
            batch->message[i].state = FH_MQTT_UNSENT;
        }
    }
    batch->next = 0;
}

void fh_mqtt_batch_clear(struct fh_mqtt_batch *batch)
{
    batch->count = 0;
    batch->done = 0;
    batch->next = 0;
    batch->complete = false;
}

void fh_mqtt_batch_free(struct fh_mqtt_batch *batch)
{
    free(batch->message);
    *batch = (struct fh_mqtt_batch){.message = NULL};
}

/* Not authorised is a matter of the broker's configuration, and a quota passes: waiting loses
 * nothing. What says "this very message" is final at once, and what says nothing in particular is
 * after some attempts, or one such record would hold up all the others for ever. */
enum fh_mqtt_verdict fh_mqtt_judge(int reason, unsigned attempts)
{
    switch (reason) {
    case MQTT_RC_TOPIC_NAME_INVALID:
    case MQTT_RC_PAYLOAD_FORMAT_INVALID:
    case MQTT_RC_PACKET_TOO_LARGE:
        return FH_MQTT_NEVER;
    case MQTT_RC_NOT_AUTHORIZED:
    case MQTT_RC_QUOTA_EXCEEDED:
        return FH_MQTT_AGAIN;
    default:
        break;
    }
    if (reason < MQTT_RC_UNSPECIFIED) {
        return FH_MQTT_TAKEN;
    }
    return attempts >= FH_MQTT_ATTEMPTS ? FH_MQTT_NEVER : FH_MQTT_AGAIN;
}
