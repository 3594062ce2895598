/* replica.h: do the two nodes see the same records? Compares the digests of the same minutes of
 * source time; a record that only one of them has spoils one bucket of one minute, records that are
 * never the same spoil all.
 *
 * Pure: no clock, I/O or allocation. */
#ifndef FH_HA_REPLICA_H
#define FH_HA_REPLICA_H

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

struct fh_replica_state {
    int64_t judged; /* newest minute that was compared */
    struct {
        uint32_t compared, matched; /* buckets */
        bool alike;                 /* both have about as many records, and enough of them */
    } window[FH_REPLICA_WINDOW];
    uint32_t minutes; /* compared so far */
};

/* Compares the minutes both have and that are newer than those compared before. */
void fh_replica_compare(struct fh_replica_state *state, const struct fh_replica_minutes *own,
                        const struct fh_replica_minutes *peer);
/* Of the buckets in the window; false: nothing to compare yet. */
bool fh_replica_match(const struct fh_replica_state *state, uint32_t *ret_per_mille,
                      uint32_t *ret_minutes);
/* The same minutes, comparable counts, nothing in common. */
bool fh_replica_differ(const struct fh_replica_state *state);

#endif
