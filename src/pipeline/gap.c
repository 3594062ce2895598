/* gap.c: declared gaps. After an outage longer than the service keeps events nobody can know what
 * was missed, so it is said: one FIREHOSED_GAP record per receiver range, which every sink gets
 * like an event, and a journal entry.
 *
 * How it is noticed: the service's clock (the Date of its answer) is more than the replay window
 * ahead of the last stored stamp, and its replay does not reach back to that stamp. Without a Date
 * the first stamp itself must be so far ahead, or those that follow show that the service's clock
 * was when the connection was opened. The local clock is never asked.
 *
 * Only a node that leads declares: of two nodes that were away together each finds the gap, and the
 * sinks must hear of it once. The other one keeps it (a note of the store) in case it is promoted
 * before the primary has got past it. Writer thread only. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GAPS_NOTE "gaps"
/* A replay that begins so close behind the last stored stamp has left nothing out. */
#define REACHED_MS 10000

static void save(struct fh_pipeline *pipeline)
{
    fh_store_set_note(pipeline->store, GAPS_NOTE, pipeline->gap, sizeof(pipeline->gap));
}

void fh_gap_load(struct fh_pipeline *pipeline)
{
    struct gap gaps[FH_PARTITIONS];
    size_t len = sizeof(gaps);
    if (fh_store_get_note(pipeline->store, GAPS_NOTE, gaps, &len) == 0 && len == sizeof(gaps)) {
        memcpy(pipeline->gap, gaps, sizeof(gaps));
    }
}

/* Kept per partition, for the ranges may be split anew: the widest of what lies in this one. */
static struct gap gap_of(const struct fh_pipeline *pipeline, struct fh_range range)
{
    struct gap widest = {0};
    for (unsigned p = range.first; p <= range.last; p++) {
        if (pipeline->gap[p - 1].to_ms > widest.to_ms) {
            widest = pipeline->gap[p - 1];
        }
    }
    return widest;
}

static void set_gap(struct fh_pipeline *pipeline, struct fh_range range, struct gap gap)
{
    for (unsigned p = range.first; p <= range.last; p++) {
        pipeline->gap[p - 1] = gap;
    }
}

#define GAP_UID "firehosed-gap-"

bool fh_gap_is_record(struct fh_slice line)
{
    static const char head[] = "{\"recordUid\":\"" GAP_UID;
    return line.len >= sizeof(head) - 1 && memcmp(line.data, head, sizeof(head) - 1) == 0;
}

static int declare(struct fh_pipeline *pipeline, const struct intake *intake, const struct gap *gap)
{
    char range[16];
    char line[512];
    fh_range_text(intake->range, range, sizeof(range));
    int len =
        snprintf(line, sizeof(line),
                 "{\"recordUid\":\"" GAP_UID "%s-%" PRId64 "-%" PRId64 "\","
                 "\"recordTimestamp\":%" PRId64 ",\"spacesTenantId\":\"\","
                 "\"spacesTenantName\":\"\",\"partnerTenantId\":\"\","
                 "\"eventType\":\"FIREHOSED_GAP\",\"firehosedGap\":{\"partitions\":\"%s\","
                 "\"from\":%" PRId64 ",\"to\":%" PRId64 "}}",
                 range, gap->from_ms, gap->to_ms, gap->to_ms, range, gap->from_ms, gap->to_ms);
    struct fh_envelope envelope;
    if (len < 0 || fh_envelope_scan(line, (size_t)len, &envelope) != FH_ENVELOPE_OK) {
        return -EINVAL;
    }
    struct fh_store_record record = {
        .key = {.fingerprint = fh_envelope_fingerprint(
                    &envelope, line, (size_t)len, (enum fh_dedup_key)atomic_load(&pipeline->key)),
                .timestamp_ms = gap->to_ms},
        .bytes = line,
        .len = (uint32_t)len,
    };
    int r = fh_store_append(pipeline->store, &record, NULL);
    if (r < 0) {
        return r;
    }
    atomic_fetch_add(&pipeline->gaps, 1);
    struct fh_log_field fields[] = {{"FIREHOSED_RECEIVER", range}};
    fh_log_event(LOG_ERR, FH_LOG_GAP, fields, 1,
                 "partitions %s: events between %" PRId64 " and %" PRId64
                 " (source time, ms) could not be replayed any more and may be missing",
                 range, gap->from_ms, gap->to_ms);
    return 0;
}

static int found(struct fh_pipeline *pipeline, struct intake *intake, const struct gap *gap)
{
    if (atomic_load(&pipeline->lead_epoch) != 0) {
        return declare(pipeline, intake, gap);
    }
    set_gap(pipeline, intake->range, *gap);
    save(pipeline);
    return 0;
}

static bool any_kept(const struct fh_pipeline *pipeline)
{
    int64_t latest = 0;
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        latest = pipeline->gap[p].to_ms > latest ? pipeline->gap[p].to_ms : latest;
    }
    return latest > 0;
}

static void forget(struct fh_pipeline *pipeline, const struct intake *intake)
{
    set_gap(pipeline, intake->range, (struct gap){0});
    save(pipeline);
    pipeline->must_commit = true;
}

/* A primary that has delivered past it (as it told itself, or as its reports show) either had these
 * events or has declared the gap. One that died before we learnt so may have declared it too:
 * better twice than never. Learnt once it is kept, for after a restart nobody may be there to tell
 * it again. */
static void forget_passed(struct fh_pipeline *pipeline)
{
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        int64_t to_ms = gap_of(pipeline, intake->range).to_ms;
        if (to_ms != 0 && (atomic_load(&intake->peer_ms) >= to_ms ||
                           fh_checkpoint_of_range(&state.delivered, intake->range) >= to_ms)) {
            forget(pipeline, intake);
        }
    }
}

/* False: there was no room for all of them. */
static bool declare_kept(struct fh_pipeline *pipeline)
{
    bool all = true;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        struct gap gap = gap_of(pipeline, intake->range);
        if (gap.to_ms != 0 && declare(pipeline, intake, &gap) == 0) {
            forget(pipeline, intake);
        } else {
            all = all && gap.to_ms == 0;
        }
    }
    return all;
}

void fh_gap_lead(struct fh_pipeline *pipeline)
{
    forget_passed(pipeline);
    pipeline->gaps_owed = !declare_kept(pipeline);
}

void fh_gap_tend(struct fh_pipeline *pipeline)
{
    if (!any_kept(pipeline)) {
        return;
    }
    if (atomic_load(&pipeline->lead_epoch) == 0) {
        pipeline->gaps_owed = false;
        forget_passed(pipeline);
    } else if (pipeline->gaps_owed && !fh_time_is_set(pipeline->commit_again)) {
        pipeline->gaps_owed = !declare_kept(pipeline);
    }
}

static void cover(struct fh_pipeline *pipeline, struct intake *intake, int64_t from, bool anew)
{
    for (unsigned p = intake->range.first; p <= intake->range.last; p++) {
        int64_t covered = atomic_load(&pipeline->covered_ms[p - 1]);
        if (anew || covered == 0 || from < covered) {
            atomic_store(&pipeline->covered_ms[p - 1], from);
            pipeline->covered_changed = true;
        }
    }
}

/* Nobody told the date, and the replay began later than it had to, but not by a whole window: the
 * site had a pause, or the service had no more. A stamp of the stream is none of the future: less
 * the time since the connection was opened it is at most the service's clock of then, and once the
 * replay has caught up it is just that. */
static int look_again(struct fh_pipeline *pipeline, struct intake *intake)
{
    int64_t window_ms = pipeline->config.firehose.replay_window_ms;
    int64_t ahead_ms = intake->mark.high_ms - intake->gap_base_ms;
    if (ahead_ms <= window_ms) {
        return 0;
    }
    int64_t passed_ms = fh_now().ns / 1000000 - atomic_load(&intake->connected_ms);
    if (ahead_ms - passed_ms <= window_ms) {
        if (passed_ms > window_ms) { /* no replay takes so long */
            intake->late_first_ms = 0;
        }
        return 0;
    }
    struct gap span = {.from_ms = intake->gap_base_ms, .to_ms = intake->late_first_ms};
    int r = found(pipeline, intake, &span);
    if (r < 0) {
        return r;
    }
    cover(pipeline, intake, intake->late_first_ms, true);
    intake->late_first_ms = 0;
    return 0;
}

int fh_gap_look(struct fh_pipeline *pipeline, struct intake *intake, int64_t timestamp_ms)
{
    if (atomic_exchange(&intake->restarted, false)) {
        intake->expect_first = true;
        intake->late_first_ms = 0;
        intake->expect_from_ms = atomic_load(&intake->asked_from_ms);
        intake->gap_base_ms = intake->mark.high_ms;
    }
    if (!intake->expect_first) {
        return intake->late_first_ms > 0 ? look_again(pipeline, intake) : 0;
    }
    int64_t asked = intake->expect_from_ms;
    int64_t base = intake->gap_base_ms;
    /* Starting behind the own mark: what lies between is delivered by the peer (resume_from). */
    bool skipped = asked > base;
    base = skipped ? asked : base;
    int64_t server = atomic_load(&intake->server_ms);
    int64_t now = server > 0 ? server : timestamp_ms;
    bool away = base > 0 && now - base > pipeline->config.firehose.replay_window_ms;
    if (away && timestamp_ms < asked) {
        return 0; /* a stray old stamp: it does not tell where the replay begins */
    }
    bool gap = away && timestamp_ms - base > REACHED_MS;
    if (gap) {
        struct gap span = {.from_ms = base, .to_ms = timestamp_ms};
        int r = found(pipeline, intake, &span);
        if (r < 0) {
            return r;
        }
        if (timestamp_ms <= server) {
            /* The service's own clock vouches for the jump: a second connect must not find the
             * same gap again. */
            fh_watermark_seed(&intake->mark, timestamp_ms);
        }
    }
    if (server == 0 && base > 0 && !gap && timestamp_ms - base > REACHED_MS) {
        intake->gap_base_ms = base;
        intake->late_first_ms = timestamp_ms;
    }
    cover(pipeline, intake, gap || asked == 0 ? timestamp_ms : asked, gap || skipped);
    intake->expect_first = false;
    return 0;
}
