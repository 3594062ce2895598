/* past.h: what is kept, by source time, for those who look back: firehosectl from a process of its
 * own, whether the daemon runs or not, and a replay inside the daemon.
 *
 * Only reads, in read transactions that end before the call returns: whoever looks may be stopped
 * or wait for a terminal without keeping the daemon from using pages again.
 *
 * Source time: recordTimestamp. Records lie in the order in which they came, which is not that of
 * their time: receivers lag behind each other, and what an outage held back comes later. So a
 * search begins FH_PAST_LATE_MS of source time before the interval and goes on as long behind it.
 * What came later still (more than the replay window the service has) is found with an interval
 * that is open at that end. */
#ifndef FH_PAST_H
#define FH_PAST_H

#include "fh/err.h"
#include "fh/event.h"

#include <stdbool.h>
#include <stdint.h>

#define FH_PAST_LATE_MS (INT64_C(2) * 3600 * 1000)

struct fh_past;
struct fh_store;

/* From outside, read-only: state_dir as in the configuration. -ENOENT no store is there, -EACCES,
 * -ENOTSUP made by a newer version or not ours, -EUCLEAN damaged; each with a sentence and what to
 * do. One process opens a store once: inside the daemon use fh_past_of. */
int fh_past_open(const char *state_dir, struct fh_error *err, struct fh_past **ret);
/* A look into an open store, which must live longer. -ENOMEM. One thread at a time. */
int fh_past_of(struct fh_store *store, struct fh_past **ret);
void fh_past_close(struct fh_past *past); /* NULL allowed */

/* since_ms <= recordTimestamp < until_ms; INT64_MIN, INT64_MAX: open. */
struct fh_past_interval {
    int64_t since_ms, until_ms;
};

/* Records kept: first <= sequence < next; and the newest stamps of the first and of the last block
 * (0 when nothing is kept). */
struct fh_past_kept {
    uint64_t first, next;
    int64_t oldest_ms, newest_ms;
};
int fh_past_kept(struct fh_past *past, struct fh_past_kept *ret, struct fh_error *err);

/* Where a search forward for the interval begins. */
int fh_past_seek(struct fh_past *past, const struct fh_past_interval *interval,
                 uint64_t *ret_sequence, struct fh_error *err);

/* Records of one block. Some of them are in the interval, and the key's stamp says which. */
struct fh_past_block {
    uint32_t count;
    const struct fh_slice *record; /* without newline */
    const struct fh_record_key *key;
    const uint64_t *sequence;
    void *block; /* private */
};
/* The next block at or after *inout_sequence (fh_past_previous: before it) that holds a record of
 * the interval; *inout_sequence is moved behind it (before it). 1: filled, to be given back; 0:
 * there is none; -EUCLEAN: the block at the sequence is damaged (sentence), *inout_sequence is
 * moved past it, go on if you like. */
int fh_past_next(struct fh_past *past, const struct fh_past_interval *interval,
                 uint64_t *inout_sequence, struct fh_past_block *ret, struct fh_error *err);
int fh_past_previous(struct fh_past *past, const struct fh_past_interval *interval,
                     uint64_t *inout_sequence, struct fh_past_block *ret, struct fh_error *err);
void fh_past_block_done(struct fh_past_block *block);

/* How many records of the interval lie in sequence >= from and < to, and the oldest stamp among
 * them (INT64_MAX: none). Looks at keys only: much faster than reading records, and damage counts
 * nothing. The limits of the search as above. */
struct fh_past_measure {
    uint64_t records;
    int64_t oldest_ms;
};
int fh_past_measure(struct fh_past *past, const struct fh_past_interval *interval, uint64_t from,
                    uint64_t to, struct fh_past_measure *ret, struct fh_error *err);

static inline bool fh_past_holds(const struct fh_past_interval *interval, int64_t timestamp_ms)
{
    return timestamp_ms >= interval->since_ms && timestamp_ms < interval->until_ms;
}

#endif
