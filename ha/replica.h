/* replica.h: do the two nodes see the same records? Two comparisons:
 *
 * Minutes: the digests of the same minutes of source time; a record that only one of them has
 * spoils one bucket of one minute, records that are never the same spoil all. Exact, and slow:
 * minutes have to be over, and records are told apart by the key in force.
 *
 * Samples: of each stretch of about two seconds a few records, which both choose by what uid and
 * stamp leave alone. Says within seconds which key knows the copies; where stamps differ it is the
 * only one that can compare, because no two stretches hold the same records then.
 *
 * Pure: no clock, I/O or allocation. */
#ifndef FH_HA_REPLICA_H
#define FH_HA_REPLICA_H

#include "fh/envelope.h"

#include <stdbool.h>
#include <stdint.h>

#define FH_REPLICA_MINUTES 3 /* = FH_HA_MINUTES */
#define FH_REPLICA_BUCKETS 16
#define FH_REPLICA_WINDOW  10 /* minutes the ratio is about */

/* The same values as struct fh_ha_minute (ha.h). */
struct fh_replica_minute {
    int64_t minute; /* 0 = empty */
    uint32_t count;
    uint32_t digest[FH_REPLICA_BUCKETS];
};

struct fh_replica_minutes {
    struct fh_replica_minute minute[FH_REPLICA_MINUTES];
};

#define FH_REPLICA_SLICE_MS 2048
#define FH_REPLICA_SLICES   16 /* = FH_HA_SLICES */
#define FH_REPLICA_SAMPLES  8
#define FH_REPLICA_OUTCOMES 64 /* the ratio and the advice are about the last ones */

/* The same values as struct fh_ha_slice (ha.h). */
struct fh_replica_sample {
    uint32_t lot, payload, uid, offset_ms;
};

struct fh_replica_slice {
    int64_t number; /* 0 = empty */
    uint32_t count;
    struct fh_replica_sample sample[FH_REPLICA_SAMPLES]; /* ascending by lot */
};

enum fh_replica_outcome {
    FH_REPLICA_MISSING, /* should be here and is not */
    FH_REPLICA_SAME,    /* uid and stamp */
    FH_REPLICA_OTHER_UID,
    FH_REPLICA_OTHER_STAMP,
    FH_REPLICA_OTHER_BOTH,
};

struct fh_replica_state {
    int64_t judged; /* newest minute that was compared */
    struct {
        uint32_t compared, matched; /* buckets */
        bool alike;                 /* both have about as many records, and enough of them */
    } window[FH_REPLICA_WINDOW];
    uint32_t minutes; /* compared so far */

    int64_t slice[FH_REPLICA_SLICES]; /* of the peer, compared already */
    uint32_t slices;
    uint8_t outcome[FH_REPLICA_OUTCOMES]; /* ring */
    uint32_t outcomes;
    int64_t newest;    /* slice of the peer that was compared */
    int64_t other;     /* the newest with a copy that differed; 0: none */
    uint32_t unsure;   /* slices in a row, up to now, that held no copy that is the same */
    uint32_t apart_ms; /* greatest distance of the stamps of two copies */
};

/* Compares the minutes both have and that are newer than those compared before. */
void fh_replica_compare(struct fh_replica_state *state, const struct fh_replica_minutes *own,
                        const struct fh_replica_minutes *peer);
/* Of the buckets in the window; false: nothing to compare yet. */
bool fh_replica_match(const struct fh_replica_state *state, uint32_t *ret_per_mille,
                      uint32_t *ret_minutes);
/* A slice of the peer came. own: FH_REPLICA_SLICES, in any order; own_from_ms: records up to this
 * stamp may be here without being in a slice. Nothing happens when it was looked at before, or when
 * the own stream has not come as far yet: it comes again. */
void fh_replica_sample(struct fh_replica_state *state, const struct fh_replica_slice *own,
                       int64_t own_from_ms, const struct fh_replica_slice *peer);
/* Of the samples that should be here, how many are; false: none to speak of. */
bool fh_replica_sampled(const struct fh_replica_state *state, uint32_t *ret_per_mille,
                        uint32_t *ret_records);
/* The copies were found, and not one under the same uid and stamp: by which key they are the same.
 * A few that differ otherwise than the rest do not count: events repeat themselves word for word,
 * and where the copy itself was not chosen such a twin is taken for it. False: no reason to change.
 */
bool fh_replica_advice(const struct fh_replica_state *state, enum fh_dedup_key *ret);
/* Copies have the same uid and stamp: the latest ones that were found, enough of them, and the
 * newest slices still show some. One that differed says no for ten minutes of source time: if only
 * some records differ most samples do not show it. */
bool fh_replica_same(const struct fh_replica_state *state);
/* The same minutes, comparable counts, nothing in common. */
bool fh_replica_differ(const struct fh_replica_state *state);

#endif
