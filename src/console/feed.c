/* feed.c: reads what was stored, at its own pace. It looks at the store like any other reader, so
 * delivery never waits for it: when it cannot keep up it lets records go by, and counts them. */
#include "feed.h"

#include "fh/log.h"

#include <time.h>

void feed_init(struct feed *feed, struct fh_pipeline *pipeline)
{
    uint64_t first = 0;
    *feed = (struct feed){.pipeline = pipeline};
    fh_pipeline_read_range(pipeline, &first, &feed->sequence);
}

static void skip_to(struct feed *feed, uint64_t sequence)
{
    if (sequence > feed->sequence) {
        feed->skipped += sequence - feed->sequence;
        feed->sequence = sequence;
    }
}

/* False: nothing more for the moment. */
static bool read_batch(struct feed *feed, struct space *space, struct fh_time now)
{
    struct fh_store_batch batch;
    struct fh_error err = {""};
    uint64_t next = feed->sequence;
    int r = fh_pipeline_read(feed->pipeline, &next, &batch, &err);
    if (r <= 0) {
        if (r < 0 && !feed->damaged) {
            feed->damaged = true;
            fh_log(LOG_WARNING, "console: cannot read the store: %s", err.text);
        }
        return false;
    }
    int64_t now_ms = now.ns / 1000000;
    for (uint32_t i = 0; i < batch.count; i++) {
        struct console_record record;
        if (console_record_read(batch.record[i].data, batch.record[i].len, &record)) {
            space_apply(space, &record, now_ms);
        }
    }
    feed->read += batch.count;
    if (next - feed->sequence > batch.count) {
        feed->skipped += next - feed->sequence - batch.count;
    }
    fh_pipeline_read_done(feed->pipeline, &batch);
    feed->sequence = next;
    return true;
}

/* Time of the processor that this thread had. */
static int64_t worked_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void feed_turn(struct feed *feed, struct space *space, struct fh_time until, int64_t work_ms)
{
    uint64_t first = 0, next = 0;
    fh_pipeline_read_range(feed->pipeline, &first, &next);
    skip_to(feed, first);
    if (next > feed->sequence + FEED_BEHIND_MAX) {
        skip_to(feed, next - FEED_BACKLOG);
    }
    int64_t work_until = worked_ms() + work_ms;
    struct fh_time now = fh_now();
    while (fh_time_before(now, until) && worked_ms() < work_until && read_batch(feed, space, now)) {
        now = fh_now();
    }
}
