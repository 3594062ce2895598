/* event_types.c: counters per event type. See the header. */
#include "event_types.h"

#include <stdio.h>
#include <string.h>

uint16_t fh_event_types_place(struct fh_event_types *types, struct fh_slice type)
{
    unsigned used = atomic_load_explicit(&types->used, memory_order_relaxed);
    for (unsigned i = 0; i < used; i++) {
        if (types->len[i] == type.len && memcmp(types->name[i], type.data, type.len) == 0) {
            return (uint16_t)i;
        }
    }
    if (used == FH_PIPELINE_TYPES || type.len > FH_TYPE_MAX) {
        return FH_PIPELINE_TYPES;
    }
    memcpy(types->name[used], type.data, type.len);
    types->len[used] = (uint8_t)type.len;
    /* Whoever sees the number sees the name. */
    atomic_store_explicit(&types->used, used + 1, memory_order_release);
    return (uint16_t)used;
}

void fh_event_types_count(struct fh_event_types *types, uint16_t place)
{
    atomic_fetch_add_explicit(&types->count[place], 1, memory_order_relaxed);
}

static uint64_t *row_of(struct fh_pipeline_types *into, const char *name, size_t len)
{
    for (size_t i = 0; i < into->count; i++) {
        if (strncmp(into->type[i].name, name, len) == 0 && into->type[i].name[len] == '\0') {
            return &into->type[i].received;
        }
    }
    if (into->count == FH_PIPELINE_TYPES) {
        return &into->other;
    }
    struct fh_pipeline_type *type = &into->type[into->count++];
    snprintf(type->name, sizeof(type->name), "%.*s", (int)len, name);
    return &type->received;
}

void fh_event_types_sum(const struct fh_event_types *types, struct fh_pipeline_types *into)
{
    unsigned used = atomic_load_explicit(&types->used, memory_order_acquire);
    for (unsigned i = 0; i < used; i++) {
        uint64_t count = atomic_load_explicit(&types->count[i], memory_order_relaxed);
        if (count > 0) { /* of a type that came just now nothing is counted yet */
            *row_of(into, types->name[i], types->len[i]) += count;
        }
    }
    into->other += atomic_load_explicit(&types->count[FH_PIPELINE_TYPES], memory_order_relaxed);
}
