/* log_repeat.c: owns the memory of what was said in the last minute. Prints nothing. */
#include "log_repeat.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct slot {
    uint64_t thing;      /* hash of the values; the same for every id that speaks of it */
    struct fh_time from; /* of the window; not set: free */
    struct fh_time last; /* of what is held */
    unsigned said;
    struct fh_log_held held; /* count == 0: nothing */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[FH_LOG_HELD_MAX];

static bool names_a_thing(const char *field)
{
    static const char *const names[] = {"FIREHOSED_SINK", "FIREHOSED_RECEIVER", "FIREHOSED_PATH",
                                        "FIREHOSED_ADDRESS", "FIREHOSED_PAIR"};
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        if (strcmp(field, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* FNV-1a */
static uint64_t hash_of(const struct fh_log_field *fields, size_t count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; i++) {
        if (!names_a_thing(fields[i].name)) {
            continue;
        }
        for (const char *at = fields[i].value; *at; at++) {
            hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

static bool is_over(const struct slot *slot, struct fh_time now)
{
    return fh_time_diff_ms(now, slot->from) >= FH_LOG_WINDOW_MS;
}

/* The slot of this subject, else a free one; NULL when all are taken. */
static struct slot *find(enum fh_log_id id, uint64_t thing, struct fh_time now)
{
    struct slot *room = NULL;
    for (size_t i = 0; i < FH_LOG_HELD_MAX; i++) {
        struct slot *slot = &slots[i];
        if (fh_time_is_set(slot->from) && slot->held.id == id && slot->thing == thing) {
            return slot;
        }
        if (!fh_time_is_set(slot->from) || (slot->held.count == 0 && is_over(slot, now))) {
            room = slot;
        }
    }
    if (room) {
        memset(room, 0, sizeof(*room));
        room->held.id = id;
        room->thing = thing;
        room->from = now;
    }
    return room;
}

static void keep(struct fh_log_held *held, int level, const struct fh_log_field *fields,
                 size_t field_count, const char *message)
{
    held->level = level;
    held->count++;
    held->field_count = field_count < FH_LOG_HELD_FIELDS ? field_count : FH_LOG_HELD_FIELDS;
    for (size_t i = 0; i < held->field_count; i++) {
        held->name[i] = fields[i].name;
        snprintf(held->value[i], sizeof(held->value[i]), "%s", fields[i].value);
    }
    snprintf(held->message, sizeof(held->message), "%s", message);
}

bool fh_log_repeat_hold(struct fh_time now, int level, enum fh_log_id id,
                        const struct fh_log_field *fields, size_t field_count, const char *message)
{
    bool hold = false;
    uint64_t thing = hash_of(fields, field_count);
    pthread_mutex_lock(&lock);
    struct slot *slot = find(id, thing, now);
    if (slot && slot->held.count == 0 && is_over(slot, now)) {
        slot->from = now;
        slot->said = 0;
    }
    if (slot && slot->said < FH_LOG_BURST) {
        slot->said++;
    } else if (slot) {
        keep(&slot->held, level, fields, field_count, message);
        slot->last = now;
        hold = true;
    }
    pthread_mutex_unlock(&lock);
    return hold;
}

/* What is held for the same thing as something that is due, oldest first. */
static struct slot *next_due(struct fh_time now, bool all)
{
    struct slot *next = NULL;
    for (size_t i = 0; i < FH_LOG_HELD_MAX; i++) {
        if (slots[i].held.count == 0 || !(all || is_over(&slots[i], now))) {
            continue;
        }
        for (size_t k = 0; k < FH_LOG_HELD_MAX; k++) {
            bool same = slots[k].held.count > 0 && slots[k].thing == slots[i].thing;
            if (same && (!next || fh_time_before(slots[k].last, next->last))) {
                next = &slots[k];
            }
        }
    }
    return next;
}

bool fh_log_repeat_next(struct fh_time now, bool all, struct fh_log_held *ret)
{
    pthread_mutex_lock(&lock);
    struct slot *slot = next_due(now, all);
    if (slot) {
        *ret = slot->held;
        slot->held.count = 0;
        slot->from = now; /* another window; while it goes on flapping, one line of it */
        slot->said = FH_LOG_BURST;
    }
    pthread_mutex_unlock(&lock);
    return slot != NULL;
}

void fh_log_repeat_reset(void)
{
    pthread_mutex_lock(&lock);
    memset(slots, 0, sizeof(slots));
    pthread_mutex_unlock(&lock);
}
