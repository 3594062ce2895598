/* writer.c: the writer thread. The only one that writes to the store: takes the receivers' batches,
 * drops duplicates, appends, commits in groups, and only then publishes how far each receiver has
 * come. A record is remembered for de-duplication by being stored: both in one transaction. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Commit before more than this is staged, so that a transaction's dirty pages stay in memory. */
#define STAGED_MAX         ((size_t)8 * 1024 * 1024)
#define DOUBLED_SETTLED_MS 3000
#define COMMIT_AGAIN_MS    100 /* after one for which there was no room */
#define TAIL_MAX           ((size_t)64 * 1024)

/* Later stamps are only believed when several agree (watermark.h). */
static void note_quarantine(struct fh_pipeline *pipeline, struct intake *intake,
                            const struct item *item, const char *line)
{
    const char *reason = item->reason == JUNK_OVERSIZED
                             ? "longer than firehose.max_line_bytes"
                             : fh_envelope_reason((enum fh_envelope_result)item->reason);
    fh_quarantine_add(pipeline->quarantine, intake->range, reason, item->key.fingerprint, line,
                      item->len);
    uint64_t count = atomic_fetch_add(&pipeline->quarantined, 1) + 1;
    /* A change of state is the first one, and then each power of ten: a stream of junk must not
     * fill the journal. */
    for (uint64_t power = 1; power <= count; power *= 10) {
        if (count == power) {
            char range[16];
            struct fh_log_field fields[] = {
                {"FIREHOSED_RECEIVER", fh_range_text(intake->range, range, sizeof(range))}};
            fh_log_event(LOG_WARNING, FH_LOG_QUARANTINE, fields, 1,
                         "%" PRIu64 " line(s) of the stream were no records and went to "
                         "quarantine.ndjson; the last one: %s",
                         count, reason);
        }
    }
}

static void staged_now(struct fh_pipeline *pipeline)
{
    if (!fh_time_is_set(pipeline->first_staged)) {
        pipeline->first_staged = fh_now();
    }
}

static void keep_for_tail(struct fh_pipeline *pipeline, const char *line, size_t len)
{
    if (atomic_load_explicit(&pipeline->tail, memory_order_relaxed) &&
        pipeline->tail_lines.len + len + 1 <= TAIL_MAX) {
        fh_buf_append(&pipeline->tail_lines, line, len);
        fh_buf_append(&pipeline->tail_lines, "\n", 1);
    }
}

/* A ring by minute: an older minute makes room for a newer one. */
void fh_writer_note_minute(struct fh_pipeline *pipeline, struct fh_record_key key)
{
    int64_t minute = fh_minute_of(key.timestamp_ms);
    struct fh_pipeline_minute *slot = &pipeline->minute[(uint64_t)minute % FH_PIPELINE_MINUTES];
    if (slot->minute > minute) {
        return; /* too late to be compared */
    }
    if (slot->minute < minute) {
        *slot = (struct fh_pipeline_minute){.minute = minute};
    }
    slot->count++;
    slot->digest[key.fingerprint % FH_PIPELINE_BUCKETS] += (uint32_t)(key.fingerprint >> 32);
    if (atomic_load_explicit(&pipeline->minutes_from, memory_order_relaxed) == 0) {
        /* An empty store: the ranges connect one after the other, perhaps around a full minute. */
        atomic_store(&pipeline->minutes_from, minute + 2);
    }
}

int fh_writer_append(struct fh_pipeline *pipeline, struct fh_record_key key, struct fh_slice line)
{
    struct fh_store_record record = {.key = key, .bytes = line.data, .len = (uint32_t)line.len};
    uint64_t sequence = 0;
    int r = fh_store_append(pipeline->store, &record, &sequence);
    if (r < 0) {
        return r;
    }
    if (pipeline->first_sequence == 0) {
        pipeline->first_sequence = sequence;
    }
    keep_for_tail(pipeline, line.data, line.len);
    staged_now(pipeline);
    return 0;
}

/* One record. 1: seen before; 0; -ENOSPC (nothing was changed: the same again later), -ENOMEM. */
static int take_record(struct fh_pipeline *pipeline, struct intake *intake, const struct item *item,
                       const char *bytes)
{
    struct fh_record_key identity;
    struct fh_record_key key = fh_rekey_item(pipeline, item, bytes, &identity);
    enum fh_dedup_key in_force =
        (enum fh_dedup_key)atomic_load_explicit(&pipeline->key, memory_order_relaxed);
    struct fh_record_key known = fh_rekey_known(in_force, key);
    int seen = fh_twins_look(intake, identity, &known);
    bool looked = seen > 0;
    seen = looked ? fh_dedup_add(pipeline->dedup, known) : seen;
    if (seen == 0) {
        atomic_fetch_add_explicit(&pipeline->duplicates, 1, memory_order_relaxed);
        return 1;
    }
    if (seen == -ENOMEM) {
        if (looked) {
            fh_twins_take_back(intake, identity, known);
        }
        return seen;
    }
    key = fh_key_ignores_stamps(in_force) ? key : known;
    int r = fh_writer_append(pipeline, key, (struct fh_slice){bytes, item->len});
    if (r < 0) {
        if (seen > 0) {
            fh_dedup_remove(pipeline->dedup, known);
        }
        fh_twins_take_back(intake, identity, known);
        return r;
    }
    if (seen == -ERANGE) {
        atomic_fetch_add_explicit(&pipeline->late, 1, memory_order_relaxed);
    }
    fh_writer_note_minute(pipeline, key);
    if (pipeline->config.pair.present) {
        fh_sample_take(pipeline, item, bytes);
    }
    return 0;
}

static int take_item(struct fh_pipeline *pipeline, struct intake *intake, const struct item *item,
                     const char *bytes)
{
    if (item->kind == ITEM_JUNK) {
        note_quarantine(pipeline, intake, item, bytes);
        return 0;
    }
    if (item->kind == ITEM_CONNECTED) {
        fh_twins_connected(intake);
        return 0;
    }
    int r = fh_gap_look(pipeline, intake, item->key.timestamp_ms);
    if (r == 0 && item->kind == ITEM_RECORD) {
        r = take_record(pipeline, intake, item, bytes);
    }
    if (r < 0) {
        return r;
    }
    bool again = r > 0;
    if (item->kind == ITEM_KEEP_ALIVE) {
        atomic_fetch_add_explicit(&pipeline->keep_alives, 1, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&pipeline->received, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&intake->events, 1, memory_order_relaxed);
        fh_event_types_count(&intake->types, item->type);
    }
    /* Only what is stored may move the resume point. */
    if (again) {
        fh_watermark_observe_again(&intake->mark, item->key.timestamp_ms);
    } else {
        fh_watermark_observe(&intake->mark, item->key.timestamp_ms);
    }
    return 0;
}

void fh_writer_arrived(struct fh_pipeline *pipeline, struct fh_time at)
{
    if (!fh_time_is_set(pipeline->first_arrived) || fh_time_before(at, pipeline->first_arrived)) {
        pipeline->first_arrived = at;
    }
}

static int drain_batch(struct fh_pipeline *pipeline, struct intake *intake)
{
    struct batch *batch = intake->draining;
    fh_writer_arrived(pipeline, batch->since);
    while (intake->drained < batch->count) {
        const struct item *item = &batch->items[intake->drained];
        int r = take_item(pipeline, intake, item, batch->bytes.data + item->offset);
        if (r < 0) {
            return r;
        }
        intake->drained++;
        if (fh_store_staged(pipeline->store) >= STAGED_MAX &&
            (r = fh_writer_commit(pipeline)) < 0) {
            return r;
        }
        if (!fh_time_is_set(pipeline->first_arrived)) { /* committed just now */
            pipeline->first_arrived = batch->since;
        }
    }
    staged_now(pipeline);
    return 0;
}

/* why: NULL when there is room. */
static void set_backpressure(struct fh_pipeline *pipeline, const char *why)
{
    bool on = why != NULL;
    if (atomic_exchange(&pipeline->backpressure, on) == on) {
        return;
    }
    if (on) {
        fh_log_event(LOG_WARNING, FH_LOG_BACKPRESSURE_ON, NULL, 0,
                     "%s: not reading the stream until there is room; the cloud keeps about an "
                     "hour",
                     why);
    } else {
        fh_log_event(LOG_NOTICE, FH_LOG_BACKPRESSURE_OFF, NULL, 0,
                     "the store has room again: reading the stream");
    }
}

int fh_writer_drain_intake(struct fh_pipeline *pipeline)
{
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        if (intake->drained >= intake->draining->count && !fh_intake_take(intake)) {
            continue;
        }
        int r = drain_batch(pipeline, intake);
        if (r == -ENOSPC || r == -ENOMEM) {
            set_backpressure(pipeline, r == -ENOMEM ? "out of memory"
                                                    : "the store is full (store.size_limit)");
            return r;
        }
        if (r < 0) {
            return r;
        }
    }
    set_backpressure(pipeline, NULL);
    return 0;
}

/* Source time that every live range has reached: the sets of the de-duplication and the store's
 * window move by it. A range that is refused for hours must not make them grow for ever, so it
 * holds back half a window at most. */
static int64_t source_time(struct fh_pipeline *pipeline)
{
    int64_t highest = 0;
    int64_t lowest = INT64_MAX;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        int64_t high = intake->mark.high_ms;
        if (high > 0) {
            highest = high > highest ? high : highest;
            lowest = high < lowest ? high : lowest;
        }
    }
    int64_t floor = highest - pipeline->config.dedup.window_minutes * 60000 / 2;
    return highest == 0 ? 0 : lowest > floor ? lowest : floor;
}

static void tell_forgotten(struct fh_pipeline *pipeline)
{
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    if (state.forgotten_ms <= pipeline->forgotten_ms) {
        return;
    }
    pipeline->forgotten_ms = state.forgotten_ms;
    int64_t now_ms = state.source_time_ms;
    if (now_ms - state.forgotten_ms < pipeline->config.dedup.window_minutes * 60000 &&
        !pipeline->forgetting) {
        pipeline->forgetting = true;
        fh_log_event(LOG_WARNING, FH_LOG_STORE_FORGETS, NULL, 0,
                     "the store is full of what it remembers of delivered events: it remembers "
                     "%" PRId64 " minutes of them, not %" PRId64
                     " (dedup.window_minutes); raise store.size_limit",
                     (now_ms - state.forgotten_ms) / 60000, pipeline->config.dedup.window_minutes);
    }
}

/* Optional sinks that had to let records go: said when it begins, and again when it begins after
 * the backlog was gone. */
static void tell_missed(struct fh_pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->config.sink_count; i++) {
        const struct fh_config_sink *sink = &pipeline->config.sinks[i];
        struct fh_store_cursor cursor;
        if (sink->required || fh_store_cursor(pipeline->store, sink->name, &cursor) < 0) {
            continue;
        }
        if (cursor.missed > pipeline->missed[i] && !pipeline->missing[i]) {
            struct fh_log_field fields[] = {{"FIREHOSED_SINK", sink->name}};
            fh_log_event(
                LOG_WARNING, FH_LOG_SINK_MISSED, fields, 1,
                "sink %s is optional, and its backlog gives way because the store is short "
                "of room: %" PRIu64 " events let go so far, %" PRIu64 " still wait",
                sink->name, cursor.missed, cursor.pending);
            pipeline->missing[i] = true;
        }
        pipeline->missing[i] = pipeline->missing[i] && cursor.pending > 0;
        pipeline->missed[i] = cursor.missed;
    }
}

static void send_answers(struct fh_pipeline *pipeline)
{
    for (struct answer *answer; (answer = pipeline->after_commit);) {
        pipeline->after_commit = answer->next;
        if (answer->delivery) {
            fh_delivery_numbered(answer->delivery, answer->token, answer->number);
        }
        fh_answer_send(pipeline, answer);
    }
}

static void publish_progress(struct fh_pipeline *pipeline)
{
    const struct fh_config_firehose *config = &pipeline->config.firehose;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        atomic_store(&intake->high_ms, intake->mark.high_ms);
        atomic_store(&intake->resume_ms, fh_watermark_resume(&intake->mark, config->overlap_min_ms,
                                                             config->replay_window_ms));
    }
    pthread_mutex_lock(&pipeline->minute_lock);
    memcpy(pipeline->minute_shown, pipeline->minute, sizeof(pipeline->minute));
    memcpy(pipeline->slice_shown, pipeline->slice, sizeof(pipeline->slice));
    pthread_mutex_unlock(&pipeline->minute_lock);
    struct fh_dedup_stats stats;
    fh_dedup_stats(pipeline->dedup, &stats);
    atomic_store(&pipeline->dedup_records, stats.records);
    atomic_store(&pipeline->dedup_bytes, stats.bytes);
    atomic_fetch_sub(&pipeline->peer_bytes, pipeline->peer_bytes_applied);
    pipeline->peer_bytes_applied = 0;
    send_answers(pipeline);
    tell_missed(pipeline);
    tell_forgotten(pipeline);
    if (pipeline->tail_lines.len > 0) {
        fh_answer_send(pipeline, fh_answer_new(ANSWER_STORED, pipeline->tail_lines.data,
                                               pipeline->tail_lines.len));
        fh_buf_clear(&pipeline->tail_lines);
    }
}

/* While the disk is full reports of the peer go on coming: the last one applied stands for all. Of
 * the other answers there are few, for whoever asked waits for his. */
void fh_writer_after_commit(struct fh_pipeline *pipeline, struct answer *answer)
{
    pipeline->must_commit = true;
    struct answer **last = &pipeline->after_commit;
    for (; *last; last = &(*last)->next) {
        struct answer *waiting = *last;
        if (answer->kind == ANSWER_APPLIED && waiting->kind == ANSWER_APPLIED &&
            waiting->store_id == answer->store_id) {
            waiting->number = answer->number;
            free(answer);
            return;
        }
    }
    answer->next = NULL;
    *last = answer;
}

void fh_writer_fail(struct fh_pipeline *pipeline, const char *what, int code)
{
    char text[64];
    if (!pipeline->writer_failed) {
        pipeline->writer_failed = true;
        fh_log_event(LOG_CRIT, FH_LOG_STORE_FAILED, NULL, 0, "%s: %s", what,
                     fh_strerror(code, text, sizeof(text)));
        fh_answer_send(pipeline, fh_answer_new(ANSWER_FAILED, NULL, 0));
    }
}

int fh_writer_commit(struct fh_pipeline *pipeline)
{
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        fh_checkpoint_raise(&pipeline->checkpoint, intake->range, intake->mark.high_ms);
    }
    fh_store_set_checkpoint(pipeline->store, &pipeline->checkpoint);
    int64_t now = source_time(pipeline);
    if (now > 0) {
        fh_store_set_source_time(pipeline->store, now);
        fh_dedup_advance(pipeline->dedup, now);
        for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
            fh_twins_advance(intake);
        }
    }
    if (pipeline->covered_changed) {
        fh_pipeline_save_covered(pipeline);
        pipeline->covered_changed = false;
    }
    struct fh_error err = {""};
    int r = fh_store_commit(pipeline->store, &err);
    if (r == -ENOSPC) { /* stays staged; room comes when sinks deliver, or on the disk */
        set_backpressure(pipeline, err.text);
        pipeline->commit_again = fh_time_add_ms(fh_now(), COMMIT_AGAIN_MS);
        return r;
    }
    if (r < 0) {
        if (!pipeline->writer_failed) {
            pipeline->writer_failed = true;
            fh_log_event(LOG_CRIT, FH_LOG_STORE_FAILED, NULL, 0, "%s", err.text);
            fh_answer_send(pipeline, fh_answer_new(ANSWER_FAILED, NULL, 0));
        }
        return r;
    }
    pipeline->must_commit = false;
    pipeline->commit_again = (struct fh_time){0};
    pipeline->first_staged = (struct fh_time){0};
    if (pipeline->first_sequence != 0) {
        fh_arrivals_note(&pipeline->arrivals, pipeline->first_sequence, pipeline->first_arrived);
    }
    pipeline->first_sequence = 0;
    pipeline->first_arrived = (struct fh_time){0};
    publish_progress(pipeline);
    return 0;
}

static void sync_now_and_then(struct fh_pipeline *pipeline)
{
    if (pipeline->config.store.sync != FH_SYNC_INTERVAL) {
        return;
    }
    struct fh_time now = fh_now();
    if (fh_time_diff_ms(now, pipeline->last_sync) >= pipeline->config.store.sync_interval_ms) {
        struct fh_error err;
        if (fh_store_sync(pipeline->store, &err) < 0) {
            fh_log_event(LOG_CRIT, FH_LOG_STORE_FAILED, NULL, 0, "%s", err.text);
            fh_answer_send(pipeline, fh_answer_new(ANSWER_FAILED, NULL, 0));
        }
        pipeline->last_sync = now;
    }
}

/* After a split the peer's reports come in one after the other: said once they have stopped telling
 * of records that this node delivered, too. */
static void tell_doubled(struct fh_pipeline *pipeline)
{
    uint64_t doubled = atomic_load(&pipeline->doubled);
    struct fh_time now = fh_now();
    if (doubled != pipeline->doubled_seen) {
        pipeline->doubled_seen = doubled;
        pipeline->doubled_at = now;
    } else if (doubled != pipeline->doubled_told &&
               fh_time_diff_ms(now, pipeline->doubled_at) >= DOUBLED_SETTLED_MS) {
        fh_log_event(LOG_WARNING, FH_LOG_DOUBLED, NULL, 0,
                     "%" PRIu64 " events were delivered by both nodes while they did not hear each "
                     "other (%" PRIu64 " since this process started)",
                     doubled - pipeline->doubled_told, doubled);
        pipeline->doubled_told = doubled;
    }
}

/* How long the writer may sleep: until the group commit is due, else a while (the watchdog wants to
 * see it go round). */
static int sleep_ms(const struct fh_pipeline *pipeline)
{
    if (atomic_load(&pipeline->backpressure)) {
        return 20;
    }
    if (pipeline->vouching.active) {
        return pipeline->vouching.waits ? 20 : 0;
    }
    if (!fh_time_is_set(pipeline->first_staged)) {
        return 500;
    }
    int64_t left =
        pipeline->config.store.commit_ms - fh_time_diff_ms(fh_now(), pipeline->first_staged);
    return left > 0 ? (int)left : 0;
}

static void wait_for_work(struct fh_pipeline *pipeline)
{
    struct pollfd fds[2] = {
        {.fd = pipeline->doorbell, .events = POLLIN},
        {.fd = fh_queue_fd(pipeline->commands), .events = POLLIN},
    };
    poll(fds, 2, sleep_ms(pipeline));
    uint64_t count;
    if (fds[0].revents & POLLIN) {
        ssize_t n = read(pipeline->doorbell, &count, sizeof(count));
        (void)n;
    }
}

/* While there is no room, nothing more is taken than what is staged already. */
static void store_and_commit(struct fh_pipeline *pipeline)
{
    bool no_room = fh_time_is_set(pipeline->commit_again);
    if (pipeline->writer_failed || (no_room && fh_time_before(fh_now(), pipeline->commit_again)) ||
        (no_room && fh_writer_commit(pipeline) < 0)) {
        return;
    }
    int r = fh_writer_drain_intake(pipeline);
    if (fh_time_is_set(pipeline->commit_again)) {
        return;
    }
    bool due =
        pipeline->must_commit || r == -ENOSPC ||
        (fh_time_is_set(pipeline->first_staged) &&
         fh_time_diff_ms(fh_now(), pipeline->first_staged) >= pipeline->config.store.commit_ms);
    if (due) {
        fh_writer_commit(pipeline);
    }
}

void *fh_writer_run(void *userdata)
{
    struct fh_pipeline *pipeline = userdata;
    while (!atomic_load(&pipeline->stopping)) {
        wait_for_work(pipeline);
        for (struct command *command; (command = fh_queue_pop(pipeline->commands));) {
            fh_writer_command(pipeline, command);
        }
        store_and_commit(pipeline);
        fh_resplit_close_retired(pipeline);
        fh_gap_tend(pipeline);
        fh_writer_vouch(pipeline);
        sync_now_and_then(pipeline);
        tell_doubled(pipeline);
        fh_repair_tell(pipeline);
        fh_rekey_again(pipeline);
        atomic_store(&pipeline->progress_ns, fh_now().ns);
    }
    if (!pipeline->writer_failed) {
        fh_writer_commit(pipeline);
    }
    return NULL;
}
