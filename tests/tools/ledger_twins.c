/* ledger_twins.c: owns what is known of the events' payloads. Never reads a record. */
#include "ledger_twins.h"

#include <errno.h>
#include <stdlib.h>

int ledger_twins_add(struct ledger_twins *twins, struct ledger_key key, uint64_t payload)
{
    if (twins->count == twins->capacity) {
        size_t capacity = twins->capacity ? twins->capacity * 2 : 65536;
        struct ledger_twin *fresh = realloc(twins->event, capacity * sizeof(*fresh));
        if (!fresh) {
            return -ENOMEM;
        }
        twins->event = fresh;
        twins->capacity = capacity;
    }
    twins->event[twins->count++] = (struct ledger_twin){key, payload};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct ledger_twin *left = a;
    const struct ledger_twin *right = b;
    if (left->payload != right->payload) {
        return left->payload < right->payload ? -1 : 1;
    }
    return (left->key.timestamp_ms > right->key.timestamp_ms) -
           (left->key.timestamp_ms < right->key.timestamp_ms);
}

static unsigned times(const struct ledger_table *table, struct ledger_key key)
{
    size_t slot = ledger_table_find(table, key);
    return slot == LEDGER_NONE ? 1 : table->seen[slot] - 1u;
}

/* In a run of equal payloads, ascending by stamp: each lost one takes a surplus near it. The runs
 * are short, and a surplus is taken once. */
static uint64_t pair_run(const struct ledger_twin *event, size_t count, unsigned *surplus,
                         const struct ledger_table *table)
{
    uint64_t pairs = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned seen = times(table, event[i].key);
        surplus[i] = seen > 1 ? seen - 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; times(table, event[i].key) == 0 && k < count; k++) {
            int64_t apart_ms = event[i].key.timestamp_ms - event[k].key.timestamp_ms;
            if (surplus[k] > 0 && apart_ms <= LEDGER_TWINS_APART_MS &&
                apart_ms >= -LEDGER_TWINS_APART_MS) {
                surplus[k]--;
                pairs++;
                break;
            }
        }
    }
    return pairs;
}

uint64_t ledger_twins_interchanged(struct ledger_twins *twins, const struct ledger_table *table)
{
    unsigned *surplus = twins->count > 0 ? calloc(twins->count, sizeof(*surplus)) : NULL;
    if (!surplus) {
        return 0; /* then they count as lost and duplicated */
    }
    qsort(twins->event, twins->count, sizeof(*twins->event), compare);
    uint64_t pairs = 0;
    for (size_t begin = 0; begin < twins->count;) {
        size_t end = begin;
        while (end < twins->count && twins->event[end].payload == twins->event[begin].payload) {
            end++;
        }
        if (twins->event[begin].payload != 0) {
            pairs += pair_run(&twins->event[begin], end - begin, surplus, table);
        }
        begin = end;
    }
    free(surplus);
    return pairs;
}

void ledger_twins_done(struct ledger_twins *twins)
{
    free(twins->event);
}
