/* ledger_twins.c: owns what is known of the events' payloads. Never reads a record. */
#include "ledger_twins.h"

#include <errno.h>
#include <stdbool.h>
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

static bool is_near(const struct ledger_twin *a, const struct ledger_twin *b)
{
    int64_t apart_ms = a->key.timestamp_ms - b->key.timestamp_ms;
    return apart_ms <= LEDGER_TWINS_APART_MS && apart_ms >= -LEDGER_TWINS_APART_MS;
}

/* In a run of equal payloads, ascending by stamp: each lost one takes a surplus near it. What is
 * left of a surplus is a repetition where there is a twin to take it for. The runs are short. */
static void judge_run(const struct ledger_twin *event, size_t count, unsigned *surplus,
                      const struct ledger_table *table, struct ledger_twins_count *result)
{
    for (size_t i = 0; i < count; i++) {
        unsigned seen = times(table, event[i].key);
        surplus[i] = seen > 1 ? seen - 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; times(table, event[i].key) == 0 && k < count; k++) {
            if (surplus[k] > 0 && is_near(&event[i], &event[k])) {
                surplus[k]--;
                result->interchanged++;
                break;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool twin = (i > 0 && is_near(&event[i], &event[i - 1])) ||
                    (i + 1 < count && is_near(&event[i], &event[i + 1]));
        result->repeated += twin ? surplus[i] : 0;
    }
}

struct ledger_twins_count ledger_twins_judge(struct ledger_twins *twins,
                                             const struct ledger_table *table)
{
    struct ledger_twins_count result = {0, 0};
    unsigned *surplus = twins->count > 0 ? calloc(twins->count, sizeof(*surplus)) : NULL;
    if (!surplus) {
        return result; /* then they count as lost and duplicated */
    }
    qsort(twins->event, twins->count, sizeof(*twins->event), compare);
    for (size_t begin = 0; begin < twins->count;) {
        size_t end = begin;
        while (end < twins->count && twins->event[end].payload == twins->event[begin].payload) {
            end++;
        }
        if (twins->event[begin].payload != 0) {
            judge_run(&twins->event[begin], end - begin, surplus, table, &result);
        }
        begin = end;
    }
    free(surplus);
    return result;
}

void ledger_twins_done(struct ledger_twins *twins)
{
    free(twins->event);
}
