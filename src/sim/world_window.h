/* world_window.h: the descriptors that are kept, and each replica's order of them. One thread
 * appends and flushes; what it has not published is invisible to readers, so only publishing and
 * trimming need the world's lock for writing.
 *
 * A replica's order is by (arrival + jitter, index), jitter being a hash of replica and index: a
 * position can be found by time, and is final once its jitter has passed. */
#ifndef SIM_WORLD_WINDOW_H
#define SIM_WORLD_WINDOW_H

#include "world_record.h"

#include <stdbool.h>
#include <stddef.h>

#define SIM_REPLICAS      3U
#define SIM_CHUNK_EVENTS  8192U
#define SIM_JITTER_MAX_MS 600000

struct sim_chunk {
    struct sim_record records[SIM_CHUNK_EVENTS];
    uint32_t order[SIM_REPLICAS][SIM_CHUNK_EVENTS]; /* position -> low half of the index */
};

struct sim_bucket { /* events of one replica due in the same millisecond */
    uint32_t *items;
    uint32_t count;
    uint32_t capacity;
};

struct sim_window {
    uint64_t seed;
    int64_t jitter_ms;
    int64_t window_ms;
    uint64_t most_events;
    struct sim_chunk **chunks; /* ring of chunk_slots, a power of two */
    struct sim_chunk *spare;
    size_t chunk_slots;

    struct sim_bucket *buckets[SIM_REPLICAS];
    int64_t bucket_count;
    int64_t flushed_ms; /* every key below this is in the order */

    uint64_t appended; /* the producer's view ... */
    uint64_t flushed[SIM_REPLICAS];

    uint64_t stored; /* ... and what is published: oldest descriptor, oldest valid position, ends */
    uint64_t first;
    uint64_t end;
    uint64_t ready[SIM_REPLICAS];
};

int sim_window_init(struct sim_window *window, uint64_t seed, int64_t start_ms, int64_t jitter_ms,
                    int64_t window_ms, uint64_t window_bytes);
void sim_window_done(struct sim_window *window);

/* -ENOMEM leaves everything as it was. arrival_ms never decreases. */
int sim_window_append(struct sim_window *window, const struct sim_record *record,
                      int64_t arrival_ms);
/* Nothing arrives before now_ms any more. */
void sim_window_flush(struct sim_window *window, int64_t now_ms);
/* Put everything queued into the orders, before its time. Nothing else changes: what arrives later
 * comes behind it, and seeking stays right, because a key above the stop belongs to an event that
 * arrived, and is stamped, before it. */
void sim_window_settle(struct sim_window *window);
/* Under the lock for writing: show the readers what is there, forget what is too old. */
void sim_window_publish(struct sim_window *window, int64_t now_ms);

/* Under the lock for reading; replica 0..2 here. */
uint64_t sim_window_index(const struct sim_window *window, unsigned replica, uint64_t position);
uint64_t sim_window_seek(const struct sim_window *window, unsigned replica, int64_t from_ms,
                         bool by_arrival);

static inline struct sim_record *sim_window_record(const struct sim_window *window, uint64_t index)
{
    size_t slot = (size_t)(index / SIM_CHUNK_EVENTS) & (window->chunk_slots - 1);
    return &window->chunks[slot]->records[index % SIM_CHUNK_EVENTS];
}

#endif
