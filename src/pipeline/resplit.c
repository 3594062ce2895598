/* resplit.c: which receivers there are, and the change to other ranges while the daemon runs
 * (SIGHUP). Ranges that stay the same are not touched. For the others the order is such that never
 * two receivers read one partition and nothing falls between them:
 *
 *   main      retire the receivers whose range is no longer wanted
 *   receiver  closes its connection, hands over what it has collected       (handler: retired)
 *   writer    stores all of it, raises the checkpoint of its partitions     -> ANSWER_INTAKE_CLOSED
 *   main      when all are closed: a free place for each new range
 *   writer    its mark begins at the oldest checkpoint of its partitions    -> ANSWER_INTAKE_OPENED
 *   main      the receiver connects, from there minus the overlap
 *
 * What comes again by the overlap is known to the de-duplication. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One stamp more than 10 minutes ahead is doubted until 8 agree (watermark.h). */
#define JUMP_MS      INT64_C(600000)
#define JUMP_CONFIRM 8

static bool same(struct fh_range a, struct fh_range b)
{
    return a.first == b.first && a.last == b.last;
}

static bool has(const struct fh_ranges *ranges, struct fh_range range)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (same(ranges->range[i], range)) {
            return true;
        }
    }
    return false;
}

/* ---- writer, and before there is one ---- */

static int open_intake(struct fh_pipeline *pipeline, unsigned index, struct fh_range range,
                       size_t limit)
{
    const struct fh_config_firehose *config = &pipeline->config.firehose;
    struct intake *intake = &pipeline->intake[index];
    int r = fh_intake_init(pipeline, index, range, limit);
    if (r < 0) {
        fh_intake_done(intake);
        return r;
    }
    fh_watermark_init(&intake->mark, JUMP_MS, JUMP_CONFIRM);
    fh_watermark_seed(&intake->mark, fh_checkpoint_of_range(&pipeline->checkpoint, range));
    fh_watermark_expect(&intake->mark, pipeline->lateness_ms);
    atomic_store(&intake->high_ms, intake->mark.high_ms);
    atomic_store(&intake->resume_ms, fh_watermark_resume(&intake->mark, config->overlap_min_ms,
                                                         config->replay_window_ms));
    atomic_store(&intake->active, true);
    return 0;
}

static size_t limit_of(const struct fh_pipeline *pipeline, size_t count)
{
    return (size_t)pipeline->config.store.queue_bytes / count;
}

int fh_resplit_init(struct fh_pipeline *pipeline)
{
    const struct fh_ranges *ranges = &pipeline->config.firehose.ranges;
    pipeline->resplit.wanted = *ranges;
    for (unsigned i = 0; i < ranges->count; i++) {
        int r = open_intake(pipeline, i, ranges->range[i], limit_of(pipeline, ranges->count));
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int fh_resplit_open(struct fh_pipeline *pipeline, unsigned index, struct fh_range range)
{
    size_t partitions = (size_t)(range.last - range.first) + 1;
    return open_intake(pipeline, index, range, limit_of(pipeline, FH_PARTITIONS) * partitions);
}

static bool is_empty(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    bool empty = intake->filling->count == 0 && intake->drained >= intake->draining->count;
    pthread_mutex_unlock(&intake->lock);
    return empty;
}

/* Its last records must be durable before its checkpoint counts for another range. */
void fh_resplit_close_retired(struct fh_pipeline *pipeline)
{
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        if (!atomic_load(&intake->retired) || !is_empty(intake) || pipeline->writer_failed ||
            fh_writer_commit(pipeline) < 0) {
            continue;
        }
        struct answer *answer = fh_answer_new(ANSWER_INTAKE_CLOSED, NULL, 0);
        if (!answer) {
            continue; /* again at the next turn */
        }
        answer->number = intake->index;
        if (intake->mark.lateness_ms > pipeline->lateness_ms) {
            pipeline->lateness_ms = intake->mark.lateness_ms;
        }
        atomic_store(&intake->active, false);
        fh_intake_done(intake);
        fh_answer_send(pipeline, answer);
    }
}

/* ---- main thread ---- */

static void say(const struct fh_pipeline *pipeline)
{
    char text[FH_PARTITIONS * 8] = "";
    const struct fh_ranges *ranges = &pipeline->resplit.wanted;
    for (size_t i = 0; i < ranges->count; i++) {
        char range[8];
        size_t used = strlen(text);
        fh_range_text(ranges->range[i], range, sizeof(range));
        snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? ", " : "", range);
    }
    fh_log_event(LOG_NOTICE, FH_LOG_RESPLIT, NULL, 0,
                 "the partitions are split anew: %zu receiver(s) now, %s", ranges->count, text);
}

static void done(struct fh_pipeline *pipeline)
{
    struct resplit *resplit = &pipeline->resplit;
    resplit->under_way = false;
    say(pipeline);
    if (resplit->resume_wanted) {
        resplit->resume_wanted = false;
        fh_pipeline_resume(pipeline, &resplit->resume);
    }
    if (resplit->again) {
        resplit->again = false;
        fh_resplit_want(pipeline, &resplit->next);
    }
}

/* Those that stay hold their places; each new range gets a free one. */
static void open_new(struct fh_pipeline *pipeline)
{
    struct resplit *resplit = &pipeline->resplit;
    uint16_t taken = fh_intake_mask(pipeline);
    struct fh_ranges present = {0};
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        present.range[present.count++] = intake->range;
    }
    unsigned index = 0;
    for (size_t i = 0; i < resplit->wanted.count; i++) {
        if (has(&present, resplit->wanted.range[i])) {
            continue;
        }
        while ((taken & 1U << index) != 0) {
            index++;
        }
        resplit->range[index] = resplit->wanted.range[i];
        resplit->opening |= (uint16_t)(1U << index);
        taken |= (uint16_t)(1U << index);
    }
    for (index = 0; index < FH_PARTITIONS; index++) {
        struct command command = {
            .kind = COMMAND_OPEN_INTAKE, .number = index, .range = resplit->range[index]};
        if ((resplit->opening & 1U << index) != 0 && fh_pipeline_command(pipeline, &command) < 0) {
            fh_resplit_opened(pipeline, index, -ENOMEM);
        }
    }
    if (resplit->opening == 0 && resplit->under_way) {
        done(pipeline);
    }
}

static unsigned partitions_of(const struct fh_ranges *ranges)
{
    unsigned partitions = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        for (unsigned p = ranges->range[i].first; p <= ranges->range[i].last; p++) {
            partitions |= 1U << p;
        }
    }
    return partitions;
}

void fh_resplit_want(struct fh_pipeline *pipeline, const struct fh_ranges *ranges)
{
    struct resplit *resplit = &pipeline->resplit;
    /* The peer counts on these partitions being read: that changes with a restart, as the reload
     * has said (fh_config_restart_needed). */
    if (partitions_of(ranges) != partitions_of(&pipeline->config.firehose.ranges)) {
        return;
    }
    if (resplit->under_way) {
        /* What is being opened stays what it was; then the difference is looked at again. */
        resplit->again = true;
        resplit->next = *ranges;
        return;
    }
    size_t kept = 0;
    uint16_t closing = 0;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        if (has(ranges, intake->range)) {
            kept++;
        } else {
            closing |= (uint16_t)(1U << intake->index);
        }
    }
    if (closing == 0 && kept == ranges->count) {
        return;
    }
    resplit->under_way = true;
    resplit->wanted = *ranges;
    resplit->closing = closing;
    if (closing == 0) {
        open_new(pipeline);
    } else {
        fh_sources_retire(pipeline->sources, closing);
    }
}

void fh_resplit_closed(struct fh_pipeline *pipeline, unsigned index)
{
    struct resplit *resplit = &pipeline->resplit;
    resplit->closing &= (uint16_t) ~(1U << index);
    if (resplit->closing == 0) {
        open_new(pipeline);
    }
}

void fh_resplit_opened(struct fh_pipeline *pipeline, unsigned index, int result)
{
    struct resplit *resplit = &pipeline->resplit;
    int r = result < 0 ? result : fh_sources_add(pipeline->sources, index, resplit->range[index]);
    if (r < 0) {
        /* Nobody reads these partitions now: that must not go on unnoticed. */
        fh_log_event(LOG_CRIT, FH_LOG_RESPLIT_FAILED, NULL, 0,
                     "out of memory while the partitions were split anew");
        pipeline->host.failed(pipeline->userdata);
        return;
    }
    resplit->opening &= (uint16_t) ~(1U << index);
    if (resplit->opening == 0) {
        done(pipeline);
    }
}
