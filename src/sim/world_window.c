/* world_window.c: ring of chunks, the replicas' calendar queues, trimming and seeking. */
#include "world_window.h"

#include "world_random.h"

#include <errno.h>
#include <stdlib.h>

#define PURPOSE_JITTER 0x4a31

int sim_window_init(struct sim_window *window, uint64_t seed, int64_t start_ms, int64_t jitter_ms,
                    int64_t window_ms, uint64_t window_bytes)
{
    *window = (struct sim_window){
        .seed = sim_mix2(seed, PURPOSE_JITTER),
        .jitter_ms = jitter_ms,
        .window_ms = window_ms,
        .bucket_count = jitter_ms + 2,
        .flushed_ms = start_ms,
    };
    uint64_t chunks = window_bytes / sizeof(struct sim_chunk);
    chunks = chunks < 2 ? 2 : chunks;
    window->most_events = (chunks - 1) * SIM_CHUNK_EVENTS; /* the newest chunk is half empty */
    window->chunk_slots = 4;
    while (window->chunk_slots < chunks + 2) {
        window->chunk_slots *= 2;
    }
    window->chunks = calloc(window->chunk_slots, sizeof(struct sim_chunk *));
    bool complete = window->chunks != NULL;
    for (unsigned r = 0; r < SIM_REPLICAS && jitter_ms > 0; r++) {
        window->buckets[r] = calloc((size_t)window->bucket_count, sizeof(struct sim_bucket));
        complete = complete && window->buckets[r];
    }
    if (!complete) {
        sim_window_done(window);
        return -ENOMEM;
    }
    return 0;
}

void sim_window_done(struct sim_window *window)
{
    for (size_t i = 0; window->chunks && i < window->chunk_slots; i++) {
        free(window->chunks[i]);
    }
    free(window->chunks);
    free(window->spare);
    for (unsigned r = 0; r < SIM_REPLICAS; r++) {
        for (int64_t i = 0; window->buckets[r] && i < window->bucket_count; i++) {
            free(window->buckets[r][i].items);
        }
        free(window->buckets[r]);
    }
    *window = (struct sim_window){0};
}

/* All replicas' jitters come from one hash, 21 bits each. */
static uint64_t jitter_bits(const struct sim_window *window, uint64_t index)
{
    return sim_mix(window->seed ^ index);
}

static int64_t jitter_from(const struct sim_window *window, uint64_t bits, unsigned replica)
{
    uint64_t part = (bits >> (21 * replica)) & 0x1fffff;
    return (int64_t)(part * (uint64_t)(window->jitter_ms + 1) >> 21);
}

static struct sim_chunk **chunk_of(const struct sim_window *window, uint64_t index)
{
    return &window->chunks[(size_t)(index / SIM_CHUNK_EVENTS) & (window->chunk_slots - 1)];
}

static int reserve_bucket(struct sim_bucket *bucket)
{
    if (bucket->count < bucket->capacity) {
        return 0;
    }
    uint32_t capacity = bucket->capacity ? bucket->capacity * 2 : 8;
    uint32_t *items = realloc(bucket->items, capacity * sizeof(*items));
    if (!items) {
        return -ENOMEM;
    }
    bucket->items = items;
    bucket->capacity = capacity;
    return 0;
}

/* The order of a replica may lag behind the arrivals by its jitter: the ring has a bucket for each
 * millisecond of it. */
static int queue(struct sim_window *window, uint64_t index, int64_t arrival_ms)
{
    struct sim_bucket *buckets[SIM_REPLICAS];
    uint64_t bits = jitter_bits(window, index);
    for (unsigned r = 0; r < SIM_REPLICAS; r++) {
        int64_t key = arrival_ms + jitter_from(window, bits, r);
        buckets[r] = &window->buckets[r][(uint64_t)key % (uint64_t)window->bucket_count];
        if (reserve_bucket(buckets[r]) < 0) {
            return -ENOMEM;
        }
    }
    for (unsigned r = 0; r < SIM_REPLICAS; r++) {
        buckets[r]->items[buckets[r]->count++] = (uint32_t)index;
    }
    return 0;
}

int sim_window_append(struct sim_window *window, const struct sim_record *record,
                      int64_t arrival_ms)
{
    uint64_t index = window->appended;
    struct sim_chunk **chunk = chunk_of(window, index);
    if (!*chunk) {
        *chunk = window->spare ? window->spare : malloc(sizeof(**chunk));
        window->spare = NULL;
        if (!*chunk) {
            return -ENOMEM;
        }
    }
    if (window->jitter_ms > 0) {
        if (arrival_ms > window->flushed_ms) {
            sim_window_flush(window, arrival_ms);
        }
        int r = queue(window, index, arrival_ms);
        if (r < 0) {
            return r;
        }
    }
    (*chunk)->records[index % SIM_CHUNK_EVENTS] = *record;
    window->appended++;
    return 0;
}

static void flush_bucket(struct sim_window *window, unsigned replica, struct sim_bucket *bucket)
{
    uint64_t position = window->flushed[replica];
    for (uint32_t i = 0; i < bucket->count; i++, position++) {
        (*chunk_of(window, position))->order[replica][position % SIM_CHUNK_EVENTS] =
            bucket->items[i];
    }
    window->flushed[replica] = position;
    bucket->count = 0;
}

void sim_window_flush(struct sim_window *window, int64_t now_ms)
{
    if (window->jitter_ms == 0) {
        return;
    }
    /* Past one turn of the ring every bucket is empty. */
    int64_t until = window->flushed_ms + window->bucket_count;
    until = now_ms < until ? now_ms : until;
    for (int64_t key = window->flushed_ms; key < until; key++) {
        size_t slot = (size_t)((uint64_t)key % (uint64_t)window->bucket_count);
        for (unsigned r = 0; r < SIM_REPLICAS; r++) {
            flush_bucket(window, r, &window->buckets[r][slot]);
        }
    }
    window->flushed_ms = now_ms > window->flushed_ms ? now_ms : window->flushed_ms;
}

void sim_window_settle(struct sim_window *window)
{
    for (int64_t i = 0; window->jitter_ms > 0 && i < window->bucket_count; i++) {
        uint64_t key = (uint64_t)(window->flushed_ms + i);
        for (unsigned r = 0; r < SIM_REPLICAS; r++) {
            flush_bucket(window, r, &window->buckets[r][key % (uint64_t)window->bucket_count]);
        }
    }
}

static int64_t arrival_of(const struct sim_window *window, uint64_t index)
{
    const struct sim_record *record = sim_window_record(window, index);
    return record->timestamp_ms + record->lateness_ms;
}

/* First index in [from, to) whose arrival is at_ms or later. */
static uint64_t first_arrived(const struct sim_window *window, uint64_t from, uint64_t to,
                              int64_t at_ms)
{
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if (arrival_of(window, middle) < at_ms) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Positions from `first` on may name any event that arrived up to the jitter before event `first`;
 * those descriptors stay although nobody can ask for their own positions any more. */
static void trim(struct sim_window *window, int64_t now_ms)
{
    uint64_t end = window->appended;
    uint64_t first = first_arrived(window, window->first, end, now_ms - window->window_ms);
    if (end - window->stored > window->most_events) {
        int64_t oldest = arrival_of(window, end - window->most_events);
        first = first_arrived(window, first, end, oldest + window->jitter_ms + 2);
    }
    int64_t first_ms = first < end ? arrival_of(window, first) : now_ms;
    uint64_t stored = first_arrived(window, window->stored, end, first_ms - window->jitter_ms - 1);
    for (uint64_t chunk = window->stored / SIM_CHUNK_EVENTS; chunk < stored / SIM_CHUNK_EVENTS;
         chunk++) {
        struct sim_chunk **old = chunk_of(window, chunk * SIM_CHUNK_EVENTS);
        free(window->spare);
        window->spare = *old;
        *old = NULL;
    }
    window->first = first;
    window->stored = stored;
}

void sim_window_publish(struct sim_window *window, int64_t now_ms)
{
    trim(window, now_ms);
    window->end = window->appended;
    for (unsigned r = 0; r < SIM_REPLICAS; r++) {
        window->ready[r] = window->jitter_ms == 0 ? window->end : window->flushed[r];
    }
}

/* The order keeps 32 bits; the event lies within half their range of its position. */
uint64_t sim_window_index(const struct sim_window *window, unsigned replica, uint64_t position)
{
    if (window->jitter_ms == 0) {
        return position;
    }
    const struct sim_chunk *chunk = *chunk_of(window, position);
    uint32_t low = chunk->order[replica][position % SIM_CHUNK_EVENTS];
    return position + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)position);
}

/* An event stamped from_ms or later arrived then or later, and all that arrived more than the
 * jitter before it have lower positions than it, settled or not. From there on one look at each. */
uint64_t sim_window_seek(const struct sim_window *window, unsigned replica, int64_t from_ms,
                         bool by_arrival)
{
    uint64_t end = window->ready[replica] > window->first ? window->ready[replica] : window->first;
    uint64_t position =
        first_arrived(window, window->first, window->end, from_ms - window->jitter_ms - 1);
    position = position < end ? position : end;
    while (position < end) {
        uint64_t index = sim_window_index(window, replica, position);
        const struct sim_record *record = sim_window_record(window, index);
        int64_t arrival = record->timestamp_ms + record->lateness_ms;
        if ((by_arrival ? arrival : record->timestamp_ms) >= from_ms) {
            break;
        }
        position++;
    }
    return position;
}
