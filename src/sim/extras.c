/* extras.c: owns the list of records put in on request. Readers take no lock: an entry never
 * changes once the count covers it. */
#include "extras.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct sim_extras {
    pthread_mutex_t lock; /* writers only */
    _Atomic uint32_t count;
    struct sim_extra *entries[SIM_EXTRAS_MAX];
};

struct sim_extras *sim_extras_new(void)
{
    struct sim_extras *extras = calloc(1, sizeof(*extras));
    if (extras) {
        pthread_mutex_init(&extras->lock, NULL);
    }
    return extras;
}

void sim_extras_free(struct sim_extras *extras)
{
    if (!extras) {
        return;
    }
    for (uint32_t i = 0; i < extras->count; i++) {
        free(extras->entries[i]);
    }
    pthread_mutex_destroy(&extras->lock);
    free(extras);
}

int sim_extras_add(struct sim_extras *extras, const struct sim_extra *extra)
{
    struct sim_extra *copy = malloc(sizeof(*copy));
    if (!copy) {
        return -ENOMEM;
    }
    *copy = *extra;
    pthread_mutex_lock(&extras->lock);
    uint32_t count = atomic_load_explicit(&extras->count, memory_order_relaxed);
    if (count == SIM_EXTRAS_MAX) {
        pthread_mutex_unlock(&extras->lock);
        free(copy);
        return -ENOSPC;
    }
    if (count > 0 && copy->position < extras->entries[count - 1]->position) {
        copy->position = extras->entries[count - 1]->position;
    }
    extras->entries[count] = copy;
    atomic_store_explicit(&extras->count, count + 1, memory_order_release);
    pthread_mutex_unlock(&extras->lock);
    return 0;
}

uint32_t sim_extras_count(const struct sim_extras *extras)
{
    return atomic_load_explicit(&extras->count, memory_order_acquire);
}

const struct sim_extra *sim_extras_get(const struct sim_extras *extras, uint32_t index)
{
    return extras->entries[index];
}
