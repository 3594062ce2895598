/* watermark.c: owns the high-water mark of one receiver range. Never reads a clock: the only time
 * in here is the source's.
 *
 * What a stamp does to the mark, by where it lies:
 *   at most max_jump ahead    raises it
 *   further ahead             becomes a candidate; the mark follows once enough further stamps lie
 *                             there too, and then only to the lowest of them
 *   within max_jump behind    the stream is evidently still here: a pending candidate is forgotten,
 *                             so a device whose clock is always wrong never gets confirmed by its
 *                             own later records, nor do keep-alives (stamped "now") in a replay
 *   further behind            lateness only */
#include "fh/watermark.h"

#define HOUR_MS 3600000

void fh_watermark_init(struct fh_watermark *mark, int64_t max_jump_ms, unsigned confirm)
{
    *mark = (struct fh_watermark){.max_jump_ms = max_jump_ms, .confirm = confirm};
}

static void forget_candidate(struct fh_watermark *mark)
{
    mark->candidate_ms = 0;
    mark->candidate_count = 0;
}

/* The observation hour follows the mark, so that a quiet hour lets old lateness fade. */
static void raise_to(struct fh_watermark *mark, int64_t high_ms)
{
    if (high_ms <= mark->high_ms) {
        return;
    }
    mark->high_ms = high_ms;
    int64_t hour = high_ms / HOUR_MS;
    if (hour != mark->lateness_hour) {
        mark->lateness_previous_ms =
            hour == mark->lateness_hour + 1 ? mark->lateness_current_ms : 0;
        mark->lateness_current_ms = 0;
        mark->lateness_hour = hour;
        mark->lateness_ms = mark->lateness_previous_ms;
    }
}

static void note_lateness(struct fh_watermark *mark, int64_t late_ms)
{
    if (late_ms > mark->lateness_current_ms) {
        mark->lateness_current_ms = late_ms;
    }
    if (late_ms > mark->lateness_ms) {
        mark->lateness_ms = late_ms;
    }
}

void fh_watermark_seed(struct fh_watermark *mark, int64_t high_ms)
{
    if (high_ms > 0) {
        forget_candidate(mark);
        raise_to(mark, high_ms);
    }
}

void fh_watermark_expect(struct fh_watermark *mark, int64_t lateness_ms)
{
    note_lateness(mark, lateness_ms);
}

static void observe_first(struct fh_watermark *mark, int64_t timestamp_ms)
{
    int64_t low = timestamp_ms < mark->candidate_ms ? timestamp_ms : mark->candidate_ms;
    int64_t high = timestamp_ms > mark->candidate_ms ? timestamp_ms : mark->candidate_ms;
    if (mark->candidate_count == 0 || high - low > mark->max_jump_ms) {
        mark->candidate_ms = timestamp_ms;
        mark->candidate_count = 1;
        return;
    }
    forget_candidate(mark);
    raise_to(mark, high);
    note_lateness(mark, high - low);
}

static void observe_jump(struct fh_watermark *mark, int64_t timestamp_ms)
{
    if (mark->candidate_ms == 0) {
        mark->candidate_ms = timestamp_ms;
        mark->candidate_count = 0;
    } else {
        if (timestamp_ms < mark->candidate_ms) {
            mark->candidate_ms = timestamp_ms;
        }
        mark->candidate_count++;
    }
    if (mark->candidate_count >= mark->confirm) {
        int64_t accepted = mark->candidate_ms;
        forget_candidate(mark);
        raise_to(mark, accepted);
    }
}

/* Returns how far the stamp lies behind the mark. */
static int64_t observe(struct fh_watermark *mark, int64_t timestamp_ms)
{
    /* Both are positive: the difference cannot overflow. */
    int64_t ahead = timestamp_ms - mark->high_ms;
    if (ahead > mark->max_jump_ms || (ahead == mark->max_jump_ms && mark->candidate_ms != 0)) {
        observe_jump(mark, timestamp_ms);
        return 0;
    }
    if (-ahead <= mark->max_jump_ms) {
        forget_candidate(mark);
    }
    raise_to(mark, timestamp_ms);
    return ahead < 0 ? -ahead : 0;
}

void fh_watermark_observe(struct fh_watermark *mark, int64_t timestamp_ms)
{
    if (timestamp_ms > 0 && mark->high_ms == 0) {
        observe_first(mark, timestamp_ms);
    } else if (timestamp_ms > 0) {
        note_lateness(mark, observe(mark, timestamp_ms));
    }
}

void fh_watermark_observe_again(struct fh_watermark *mark, int64_t timestamp_ms)
{
    if (timestamp_ms > 0 && mark->high_ms == 0) {
        observe_first(mark, timestamp_ms);
    } else if (timestamp_ms > 0) {
        observe(mark, timestamp_ms);
    }
}

int64_t fh_watermark_overlap(const struct fh_watermark *mark, int64_t min_overlap_ms,
                             int64_t max_overlap_ms)
{
    if (mark->lateness_ms > max_overlap_ms / 2) {
        return max_overlap_ms;
    }
    int64_t overlap = 2 * mark->lateness_ms;
    if (overlap < min_overlap_ms) {
        overlap = min_overlap_ms;
    }
    return overlap < max_overlap_ms ? overlap : max_overlap_ms;
}

int64_t fh_watermark_resume(const struct fh_watermark *mark, int64_t min_overlap_ms,
                            int64_t max_overlap_ms)
{
    if (mark->high_ms == 0) {
        return 0;
    }
    int64_t overlap = fh_watermark_overlap(mark, min_overlap_ms, max_overlap_ms);
    return mark->high_ms - overlap > 1 ? mark->high_ms - overlap : 1;
}
