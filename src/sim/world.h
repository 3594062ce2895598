/* world.h: the truth of the simulated stream: which events exist, in which order, with which bytes.
 *
 * Knows nothing of connections. One thread produces; rendering and reading are safe from other
 * threads for indexes in [sim_world_first, sim_world_end) as long as the caller holds
 * sim_world_lock_read (a rwlock; produce and trim take it for writing, in short portions).
 *
 * Events are numbered 0.. in world order. The same options give the same stream, byte for byte,
 * however the time is cut into calls of sim_world_advance.
 * Memory: a compact descriptor per kept event (at most 48 bytes); the JSON line is rendered on
 * demand from pre-rendered pieces, so that 500,000 events/s are possible and one hour of history
 * at 5,000/s fits into 1 GiB. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PARTITIONS 12

struct sim_world;

struct sim_world_options {
    uint64_t seed;
    double rate;               /* events per second of world time, 1 .. 1,000,000 */
    int64_t start_ms;          /* world time of event 0, epoch ms */
    unsigned devices;          /* Wi-Fi clients on the campus, e.g. 5000 */
    unsigned uid_bits;         /* 8..32: narrows the random part of recordUid to meet collisions */
    int64_t lateness_ms;       /* stamps lie up to this much before world time, not monotonic */
    int64_t replica_jitter_ms; /* each replica sees events in its own order within this */
    int64_t window_ms;         /* how much world time is kept for replay */
    uint64_t window_bytes;     /* and at most this much memory for it */
    bool replica_uids_differ;  /* recordUid depends on the replica */
    bool ledger;               /* remember every event ever issued (16 bytes each) */
    const char *replay_file;   /* NDJSON to serve instead of the simulation; NULL = simulate */
    double replay_speed;       /* 1 = as recorded */
};

int sim_world_new(const struct sim_world_options *options, struct fh_error *err,
                  struct sim_world **ret);
void sim_world_free(struct sim_world *world);
/* What stands still, for any thread without the lock; NULL in replay mode. */
struct sim_campus;
const struct sim_campus *sim_world_campus(const struct sim_world *world);
/* May change while running: events/s from now on. */
void sim_world_set_rate(struct sim_world *world, double rate);
void sim_world_set_replica_uids_differ(struct sim_world *world, bool differ);
/* recordTimestamp depends on the replica: up to SIM_STAMPS_APART_MS off either way. */
#define SIM_STAMPS_APART_MS 2000
void sim_world_set_replica_timestamps_differ(struct sim_world *world, bool differ);

/* In replay mode world time is that of the recording: it begins at the first line's stamp (start_ms
 * is not used) and passes replay_speed times as fast, so that stamps, keep-alives and resume points
 * agree. A stamp older than the line before it is issued together with that line. KEEP_ALIVE lines
 * of the file are left out.
 *
 * Let world time pass: elapsed_us of it, producing the events that fall into it (at most
 * max_events; the rest of the time is kept for the next call). Returns how many were produced. In
 * replay mode the events of the file. */
uint64_t sim_world_advance(struct sim_world *world, int64_t elapsed_us, uint64_t max_events);
/* No more will be produced for now: every event issued so far becomes ready for every replica,
 * whatever its jitter. World time stands still. */
void sim_world_settle(struct sim_world *world);
/* True once a replay file has been issued to its end. */
bool sim_world_ended(const struct sim_world *world);
int64_t sim_world_now_ms(const struct sim_world *world);

void sim_world_lock_read(struct sim_world *world);
void sim_world_unlock_read(struct sim_world *world);

uint64_t
sim_world_first(const struct sim_world *world);        /* oldest kept; positions start there too */
uint64_t sim_world_end(const struct sim_world *world); /* one past the newest */

struct sim_event {
    uint64_t index;
    int64_t timestamp_ms; /* recordTimestamp, of the given replica */
    int64_t arrival_ms;   /* world time at which it was issued */
    uint32_t uid;         /* of the given replica: the random bits after "event-" */
    uint8_t partition;    /* 1..12 */
    uint16_t type;        /* index for sim_type_name */
};
/* Each replica has its own order: position p of replica r is some event near p. A permutation
 * of the events; position < sim_world_ready(world, replica) only (an event is at a position once
 * its jitter has passed). Replica 1..3 (0 is the same as 1). */
uint64_t sim_world_ready(const struct sim_world *world, unsigned replica);
void sim_world_event(const struct sim_world *world, unsigned replica, uint64_t position,
                     struct sim_event *ret);
/* The JSON line with its "\n" into buf; returns its length, or the length needed when larger than
 * capacity (nothing written then). Never more than 64 KiB but for replay files (1 MiB). */
size_t sim_world_render(const struct sim_world *world, unsigned replica, uint64_t position,
                        char *buf, size_t capacity);
/* Lowest position of the replica from which every event with timestamp_ms (by_arrival: arrival_ms)
 * >= from_ms follows (may be preceded by none that is kept: clamps to the oldest). */
uint64_t sim_world_seek(const struct sim_world *world, unsigned replica, int64_t from_ms,
                        bool by_arrival);
const char *sim_type_name(unsigned type);

/* A KEEP_ALIVE line (firehose-api.md 3.4): its own random uid, empty tenants. */
size_t sim_world_keep_alive(struct sim_world *world, char *buf, size_t capacity);

/* The ledger: every event ever issued, from event 0. */
struct sim_ledger_row {
    int64_t timestamp_ms;
    uint32_t uid; /* replica 1's */
    uint8_t partition;
};
uint64_t sim_world_ledger_count(const struct sim_world *world);
bool sim_world_ledger_row(const struct sim_world *world, uint64_t index,
                          struct sim_ledger_row *ret);
/* A hash of what the event's line says apart from uid and recordTimestamp; 0: no longer kept. */
uint64_t sim_world_payload(const struct sim_world *world, uint64_t index);
/* The same row with the uid and the stamp this replica shows now. */
bool sim_world_ledger_row_of(const struct sim_world *world, unsigned replica, uint64_t index,
                             struct sim_ledger_row *ret);

#endif
