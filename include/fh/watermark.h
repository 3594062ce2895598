/* watermark.h: how far one receiver range has come, in the source's own time.
 *
 * Pure. Stamps are not monotonic and may be wrong: one stamp from the future must not move the
 * resume point past records that are still to come. The high-water mark therefore takes a stamp
 * that is more than max_jump_ms ahead only after confirm further stamps at or above the old
 * mark + max_jump_ms (so a real pause of the site is accepted after a few records, a single wrong
 * clock is not). The first stamp after init is taken as it is only once confirmed in the same way
 * by a second one within max_jump_ms of it, or by fh_watermark_seed. It never goes back.
 * A stamp within max_jump_ms of the mark, on either side, takes back what confirmations a jump had:
 * the stream is evidently still here (keep-alives during a replay, one device with a wrong clock).
 * Being too low costs a longer replay; being too high loses records: all doubt goes low. */
#ifndef FH_WATERMARK_H
#define FH_WATERMARK_H

#include <stdbool.h>
#include <stdint.h>

struct fh_watermark {
    int64_t high_ms;     /* 0 = nothing seen */
    int64_t lateness_ms; /* largest (high - stamp) of the current or previous observation hour */
    int64_t max_jump_ms; /* from init */
    unsigned confirm;    /* from init */
    /* private to watermark.c */
    int64_t candidate_ms;
    unsigned candidate_count;
    int64_t lateness_hour;
    int64_t lateness_current_ms;
    int64_t lateness_previous_ms;
};

void fh_watermark_init(struct fh_watermark *mark, int64_t max_jump_ms, unsigned confirm);
/* Start from a stored checkpoint (0: nothing). */
void fh_watermark_seed(struct fh_watermark *mark, int64_t high_ms);
/* The lateness another mark of the same stream has observed counts for this one, too (ranges that
 * are split anew). Call it after the seed. */
void fh_watermark_expect(struct fh_watermark *mark, int64_t lateness_ms);
/* One record's stamp, KEEP_ALIVE included. Stamps <= 0 are ignored. */
void fh_watermark_observe(struct fh_watermark *mark, int64_t timestamp_ms);
/* The same of a record that was seen before: it comes again because it was asked for again, so its
 * age says nothing about lateness. (It would double the overlap with each reconnect.) */
void fh_watermark_observe_again(struct fh_watermark *mark, int64_t timestamp_ms);
/* max(min_overlap_ms, 2 * lateness), at most max_overlap_ms (the replay window). */
int64_t fh_watermark_overlap(const struct fh_watermark *mark, int64_t min_overlap_ms,
                             int64_t max_overlap_ms);
/* fromTimestamp for a (re)connect: high - overlap, never below 1; 0 ("from now on") when nothing
 * is known. */
int64_t fh_watermark_resume(const struct fh_watermark *mark, int64_t min_overlap_ms,
                            int64_t max_overlap_ms);

#endif
