/* dedup.h: "have I seen this record?" in bounded memory.
 *
 * One small open-addressing set of 64-bit fingerprints per minute of source time (design: "The
 * fingerprint includes the timestamp"). A look-up touches one set, expiry drops whole sets. At
 * most 25 bytes per remembered record. Pure but for the allocator passed in; one thread. */
#ifndef FH_DEDUP_H
#define FH_DEDUP_H

#include "fh/alloc.h"
#include "fh/event.h"

#include <stdbool.h>

#define FH_DEDUP_AHEAD_MIN 64

struct fh_dedup;

/* window_minutes: 1..1440; how much source time behind the newest minute is remembered.
 * max_records: upper bound on remembered records; when reached the oldest minute is dropped early
 * and counted (fh_dedup_stats.early_drops). -EINVAL, -ENOMEM. */
int fh_dedup_new(unsigned window_minutes, uint64_t max_records,
                 const struct fh_allocator *allocator, struct fh_dedup **ret);
void fh_dedup_free(struct fh_dedup *dedup);

/* 1: new, now remembered. 0: seen before. -ERANGE: older than the window, so it cannot be known
 * (the caller treats it as new and counts it). -ENOMEM: not remembered (caller stops, nothing is
 * lost). The window moves only by fh_dedup_advance, so that one wild stamp cannot empty it; a
 * stamp ahead of it gets a set of its own. There are at most max(64, window_minutes) such sets
 * (one range may hang while the others go on); when more would be needed the minute farthest ahead
 * has none: it is forgotten (counted in early_drops), or, if it is this one, the answer is -ERANGE.
 * The same for the oldest minute of the window when max_records is reached.
 * Until the first fh_dedup_advance any minutes may have sets, as many as there will be in all. */
int fh_dedup_add(struct fh_dedup *dedup, struct fh_record_key key);
bool fh_dedup_contains(const struct fh_dedup *dedup, struct fh_record_key key);
/* Take one back (its append failed). */
void fh_dedup_remove(struct fh_dedup *dedup, struct fh_record_key key);
/* Source time has reached timestamp_ms (a confirmed watermark, the lowest of all ranges): drop the
 * sets older than the window. Never goes back. */
void fh_dedup_advance(struct fh_dedup *dedup, int64_t timestamp_ms);
/* Minutes in front of that of the stamp cannot be known from now on. */
void fh_dedup_forget(struct fh_dedup *dedup, int64_t timestamp_ms);

struct fh_dedup_stats {
    uint64_t records;
    uint64_t bytes;
    uint64_t minutes;
    uint64_t early_drops; /* records forgotten inside the window, because of max_records or sets */
};
void fh_dedup_stats(const struct fh_dedup *dedup, struct fh_dedup_stats *ret);

#endif
