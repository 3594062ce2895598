/* pipeline.c: building it up and taking it down, the orders of the main thread, the answers to it.
 */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define COMMANDS_MAX 4096
#define ANSWERS_MAX  4096
#define PEER_BYTES   ((size_t)64 << 20) /* cf. FH_SYNC_SENT_BYTES_MAX */
#define COVERED_NOTE "covered-from"

struct answer *fh_answer_new(enum answer_kind kind, const void *bytes, size_t len)
{
    struct answer *answer = calloc(1, sizeof(*answer) + len);
    if (!answer) {
        /* An answer that cannot be made would hang the role machine; with no memory left for a
         * few bytes the honest way out is a restart by systemd, from state that is safe. */
        abort();
    }
    answer->kind = kind;
    answer->len = len;
    if (bytes && len > 0) {
        memcpy(answer->bytes, bytes, len);
    }
    return answer;
}

void fh_answer_send(struct fh_pipeline *pipeline, struct answer *answer)
{
    if (fh_queue_push_urgent(pipeline->answers, answer) < 0) {
        free(answer);
    }
}

static int open_store(struct fh_pipeline *pipeline, struct fh_error *err)
{
    const struct fh_config *config = &pipeline->config;
    const char *sinks[FH_SINKS_MAX];
    bool optional[FH_SINKS_MAX];
    for (size_t i = 0; i < config->sink_count; i++) {
        sinks[i] = config->sinks[i].name;
        optional[i] = !config->sinks[i].required;
    }
    struct fh_store_options options = {
        .directory = config->node.state_dir,
        .size_limit = (uint64_t)config->store.size_limit,
        .block_bytes = (uint32_t)config->store.block_bytes,
        .cache_bytes = (uint64_t)config->store.cache_bytes,
        .sync_each_commit = config->store.sync == FH_SYNC_ALWAYS,
        .window_minutes = config->dedup.window_minutes,
        .sinks = sinks,
        .sink_count = config->sink_count,
        .sink_optional = optional,
    };
    int r = fh_store_open(&options, err, &pipeline->store);
    if (r < 0) {
        return r;
    }
    r = fh_rekey_at_start(pipeline, err);
    if (r < 0) {
        return r;
    }
    r = fh_rekey_remember(pipeline);
    if (r < 0) {
        return fh_error_set(err, r,
                            "cannot rebuild the de-duplication from the store: out of "
                            "memory or store damaged");
    }
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    pipeline->checkpoint = state.received;
    pipeline->forgotten_ms = state.forgotten_ms;
    for (size_t i = 0; i < config->sink_count; i++) {
        struct fh_store_cursor cursor = {0};
        fh_store_cursor(pipeline->store, sinks[i], &cursor);
        pipeline->missed[i] = cursor.missed;
    }
    struct fh_dedup_stats stats;
    fh_dedup_stats(pipeline->dedup, &stats);
    fh_log_event(LOG_INFO, FH_LOG_STORE_OPENED, NULL, 0,
                 "store opened: events %" PRIu64 " to %" PRIu64 ", %" PRIu64
                 " remembered for de-duplication, epoch %" PRIu64,
                 state.first_sequence, state.next_sequence, stats.records, state.epoch);
    return 0;
}

/* Where the own store is without a gap from, per partition; kept as a note so that a restart does
 * not make a standby look as if it knew nothing. */
static void load_covered(struct fh_pipeline *pipeline)
{
    struct fh_checkpoint covered = {{0}};
    size_t len = sizeof(covered);
    if (fh_store_get_note(pipeline->store, COVERED_NOTE, &covered, &len) < 0 ||
        len != sizeof(covered)) {
        return;
    }
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        atomic_store(&pipeline->covered_ms[p], covered.partition_ms[p]);
    }
}

void fh_pipeline_covered(const struct fh_pipeline *pipeline, struct fh_checkpoint *ret)
{
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        ret->partition_ms[p] = atomic_load(&pipeline->covered_ms[p]);
    }
}

void fh_pipeline_save_covered(struct fh_pipeline *pipeline)
{
    struct fh_checkpoint covered;
    fh_pipeline_covered(pipeline, &covered);
    fh_store_set_note(pipeline->store, COVERED_NOTE, &covered, sizeof(covered));
}

static int init_intake(struct fh_pipeline *pipeline)
{
    int r = fh_resplit_init(pipeline);
    if (r < 0) {
        return r;
    }
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        if (intake->mark.high_ms > pipeline->slices_from_ms) {
            pipeline->slices_from_ms = intake->mark.high_ms;
        }
        if (intake->mark.high_ms > 0 &&
            fh_minute_of(intake->mark.high_ms) >= atomic_load(&pipeline->minutes_from)) {
            atomic_store(&pipeline->minutes_from, fh_minute_of(intake->mark.high_ms) + 1);
        }
    }
    load_covered(pipeline);
    fh_gap_load(pipeline);
    fh_repair_init(pipeline);
    return 0;
}

static int init_threads(struct fh_pipeline *pipeline, struct fh_error *err)
{
    atomic_store(&pipeline->progress_ns, fh_now().ns);
    int r = pthread_create(&pipeline->writer, NULL, fh_writer_run, pipeline);
    if (r != 0) {
        return fh_error_set(err, -r, "cannot start the writer thread");
    }
    pipeline->writer_started = true;
    pipeline->delivery_count = pipeline->config.sink_count;
    for (size_t i = 0; i < pipeline->config.sink_count; i++) {
        r = fh_delivery_start(pipeline, i, NULL, err);
        if (r < 0) {
            return r;
        }
        struct fh_log_field fields[] = {{"FIREHOSED_SINK", pipeline->delivery[i].config.name}};
        fh_log_event(LOG_INFO, FH_LOG_SINK_PROMISE, fields, 1, "sink %s (%s) promises %s",
                     pipeline->delivery[i].config.name, pipeline->delivery[i].config.type,
                     pipeline->delivery[i].promise);
    }
    return 0;
}

int fh_pipeline_new(const struct fh_config *config, const char *api_key,
                    const struct fh_pipeline_host *host, void *userdata, struct fh_error *err,
                    struct fh_pipeline **ret)
{
    struct fh_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    pipeline->config = *config;
    pipeline->host = *host;
    pipeline->userdata = userdata;
    pthread_mutex_init(&pipeline->minute_lock, NULL);
    fh_arrivals_init(&pipeline->arrivals);
    pipeline->started = fh_now();
    fh_buf_init(&pipeline->tail_lines, (size_t)128 * 1024);
    pipeline->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = pipeline->doorbell < 0 ? -errno : fh_queue_new(COMMANDS_MAX, 0, &pipeline->commands);
    r = r < 0 ? r : fh_queue_new(ANSWERS_MAX, 0, &pipeline->answers);
    if (r < 0) {
        fh_error_set(err, r, "cannot make the queues between the threads");
    }
    r = r < 0 ? r : open_store(pipeline, err);
    if (r == 0 && (r = init_intake(pipeline)) < 0) {
        fh_error_set(err, r, "out of memory");
    }
    r = r < 0 ? r
              : fh_quarantine_open(config->node.state_dir, config->store.quarantine_bytes, err,
                                   &pipeline->quarantine);
    r = r < 0 ? r
              : fh_sources_new(config, api_key, &fh_intake_handler, pipeline, err,
                               &pipeline->sources);
    r = r < 0 ? r : init_threads(pipeline, err);
    if (r < 0) {
        fh_pipeline_free(pipeline);
        return r;
    }
    *ret = pipeline;
    return 0;
}

int fh_pipeline_start(struct fh_pipeline *pipeline, struct fh_error *err)
{
    return fh_sources_start(pipeline->sources, err);
}

void fh_pipeline_free(struct fh_pipeline *pipeline)
{
    if (!pipeline) {
        return;
    }
    if (pipeline->sources) {
        fh_sources_stop(pipeline->sources);
    }
    atomic_store(&pipeline->stopping, true);
    if (pipeline->store) {
        fh_store_wake(pipeline->store);
    }
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        fh_delivery_join(&pipeline->delivery[i]);
    }
    fh_replay_join_all(pipeline);
    if (pipeline->writer_started) {
        struct command nudge = {.kind = COMMAND_SEND_REPORTS, .number = UINT64_MAX};
        fh_pipeline_command(pipeline, &nudge);
        pthread_join(pipeline->writer, NULL);
    }
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        fh_delivery_done(&pipeline->delivery[i]);
    }
    fh_sources_free(pipeline->sources);
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        fh_intake_done(&pipeline->intake[i]);
    }
    for (struct answer *answer; (answer = pipeline->after_commit);) {
        pipeline->after_commit = answer->next;
        free(answer);
    }
    fh_quarantine_close(pipeline->quarantine);
    fh_dedup_free(pipeline->dedup);
    fh_store_close(pipeline->store);
    fh_queue_free(pipeline->commands, fh_command_free);
    fh_queue_free(pipeline->answers, free);
    fh_buf_done(&pipeline->tail_lines);
    pthread_mutex_destroy(&pipeline->minute_lock);
    fh_arrivals_done(&pipeline->arrivals);
    if (pipeline->doorbell >= 0) {
        close(pipeline->doorbell);
    }
    free(pipeline);
}

int fh_pipeline_fd(struct fh_pipeline *pipeline)
{
    return fh_queue_fd(pipeline->answers);
}

static void dispatch_one(struct fh_pipeline *pipeline, const struct answer *answer)
{
    const struct fh_pipeline_host *host = &pipeline->host;
    void *userdata = pipeline->userdata;
    switch (answer->kind) {
    case ANSWER_EPOCH:
        host->epoch_done(userdata, answer->number, answer->result);
        break;
    case ANSWER_STOPPED:
        host->delivery_stopped(userdata);
        break;
    case ANSWER_SETTLED:
        host->settled(userdata);
        break;
    case ANSWER_UNSETTLED:
        host->settle_again(userdata);
        break;
    case ANSWER_APPLIED:
        host->peer_report_applied(userdata, answer->store_id, answer->number);
        break;
    case ANSWER_REPORT:
        host->own_report(userdata, answer->number, answer->bytes, answer->len);
        break;
    case ANSWER_PORTION:
        host->reports_sent(userdata, answer->number);
        break;
    case ANSWER_UNREPORTED:
        host->unreported(userdata, answer->bytes, answer->len);
        break;
    case ANSWER_STORED:
        host->stored(userdata, answer->bytes, answer->len);
        break;
    case ANSWER_DRAINED:
        host->drained(userdata);
        break;
    case ANSWER_FAILED:
        host->failed(userdata);
        break;
    case ANSWER_INTAKE_CLOSED:
        fh_resplit_closed(pipeline, (unsigned)answer->number);
        break;
    case ANSWER_INTAKE_OPENED:
        fh_resplit_opened(pipeline, (unsigned)answer->number, answer->result);
        break;
    }
}

void fh_pipeline_dispatch(struct fh_pipeline *pipeline)
{
    /* A bounded turn: the loop has heartbeats to send as well. */
    for (int i = 0; i < 64; i++) {
        struct answer *answer = fh_queue_pop(pipeline->answers);
        if (!answer) {
            return;
        }
        dispatch_one(pipeline, answer);
        free(answer);
    }
}

void fh_pipeline_drain(struct fh_pipeline *pipeline)
{
    struct command command = {.kind = COMMAND_DRAIN};
    fh_pipeline_command(pipeline, &command);
}

void fh_pipeline_persist_epoch(struct fh_pipeline *pipeline, uint64_t epoch, bool as_primary)
{
    struct command command = {.kind = COMMAND_EPOCH, .number = epoch, .flag = as_primary};
    fh_pipeline_command(pipeline, &command);
}

void fh_pipeline_lead(struct fh_pipeline *pipeline, uint64_t epoch)
{
    uint64_t order = atomic_fetch_add(&pipeline->order, 1) + 1;
    struct command command = {.kind = COMMAND_LEAD, .number = epoch, .order = order};
    fh_pipeline_command(pipeline, &command);
}

void fh_pipeline_follow(struct fh_pipeline *pipeline)
{
    atomic_fetch_add(&pipeline->order, 1);
    atomic_store(&pipeline->lead_epoch, 0);
    atomic_store(&pipeline->hand_over_until_ns, 0);
    atomic_store(&pipeline->follow_pending, true);
    fh_store_wake(pipeline->store);
    fh_delivery_tell(pipeline);
}

void fh_pipeline_hand_over(struct fh_pipeline *pipeline, int64_t limit_ms)
{
    atomic_fetch_add(&pipeline->order, 1);
    atomic_store(&pipeline->hand_over_until_ns, fh_time_add_ms(fh_now(), limit_ms).ns);
    atomic_store(&pipeline->follow_pending, true);
    fh_store_wake(pipeline->store);
    fh_delivery_tell(pipeline);
}

void fh_pipeline_publish_until(struct fh_pipeline *pipeline, struct fh_time until)
{
    int64_t before = atomic_exchange(&pipeline->publish_until_ns, until.ns);
    if (before != 0 && before <= fh_now().ns) {
        fh_store_wake(pipeline->store); /* somebody may be waiting behind the fence */
    }
}

void fh_pipeline_keep_note(struct fh_pipeline *pipeline, const char *key, const void *bytes,
                           size_t len)
{
    struct command command = {.kind = COMMAND_NOTE, .len = len};
    snprintf(command.key, sizeof(command.key), "%s", key);
    command.bytes = malloc(len ? len : 1);
    if (!command.bytes) {
        return;
    }
    memcpy(command.bytes, bytes, len);
    if (fh_pipeline_command(pipeline, &command) < 0) {
        free(command.bytes);
    }
}

int fh_pipeline_note(struct fh_pipeline *pipeline, const char *key, void *bytes, size_t *inout_len)
{
    return fh_store_get_note(pipeline->store, key, bytes, inout_len);
}

void fh_pipeline_settle(struct fh_pipeline *pipeline, bool known, uint64_t peer_applied)
{
    if (pipeline->delivery_count == 0) {
        fh_answer_send(pipeline, fh_answer_new(ANSWER_SETTLED, NULL, 0));
        return;
    }
    atomic_store(&pipeline->settle_left, (int)pipeline->delivery_count);
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        struct delivery *delivery = &pipeline->delivery[i];
        pthread_mutex_lock(&delivery->lock);
        delivery->settle_wanted = true;
        delivery->settle_used = false;
        delivery->settle_told = false;
        delivery->settle_known = known;
        delivery->settle_applied = peer_applied;
        pthread_mutex_unlock(&delivery->lock);
    }
    fh_store_wake(pipeline->store);
}

/* The bytes are copied. False: the writer takes no more orders. Without memory what had to be
 * ordered would be missing between what came before and what comes after it: as for an answer, a
 * restart is the honest way out. */
static bool command_with(struct fh_pipeline *pipeline, struct command *command, const void *bytes)
{
    command->bytes = malloc(command->len ? command->len : 1);
    if (!command->bytes) {
        abort();
    }
    memcpy(command->bytes, bytes, command->len);
    int r = fh_pipeline_command(pipeline, command);
    if (r == -ENOMEM) {
        abort();
    }
    if (r < 0) {
        free(command->bytes);
    }
    return r == 0;
}

void fh_pipeline_peer_report(struct fh_pipeline *pipeline, uint64_t peer_store_id, uint64_t number,
                             const void *bytes, size_t len)
{
    struct command command = {
        .kind = COMMAND_PEER_REPORT, .number = number, .store_id = peer_store_id, .len = len};
    atomic_fetch_add(&pipeline->peer_bytes, PEER_COST + len);
    if (!command_with(pipeline, &command, bytes)) {
        atomic_fetch_sub(&pipeline->peer_bytes, PEER_COST + len);
    }
}

bool fh_pipeline_takes_peer_reports(struct fh_pipeline *pipeline)
{
    return atomic_load(&pipeline->peer_bytes) < PEER_BYTES;
}

void fh_pipeline_find_unreported(struct fh_pipeline *pipeline)
{
    struct command command = {.kind = COMMAND_FIND_UNREPORTED};
    (void)fh_pipeline_command(pipeline, &command);
}

void fh_pipeline_peer_offers(struct fh_pipeline *pipeline, const void *lines, size_t len)
{
    struct command command = {.kind = COMMAND_PEER_OFFERS, .len = len};
    if (!atomic_exchange(&pipeline->offer_taken, true) &&
        !command_with(pipeline, &command, lines)) {
        atomic_store(&pipeline->offer_taken, false); /* it is offered again */
    }
}

void fh_pipeline_peer_confirmed(struct fh_pipeline *pipeline, uint64_t number)
{
    atomic_store(&pipeline->peer_confirmed, number);
    fh_store_wake(pipeline->store);
}

void fh_pipeline_peer_in_sync(struct fh_pipeline *pipeline, bool in_sync)
{
    atomic_store(&pipeline->peer_in_sync, in_sync);
    fh_store_wake(pipeline->store);
}

void fh_pipeline_send_reports(struct fh_pipeline *pipeline, uint64_t peer_store_id,
                              uint64_t from_number, int64_t min_timestamp_ms)
{
    struct command command = {.kind = COMMAND_SEND_REPORTS,
                              .store_id = peer_store_id,
                              .number = from_number,
                              .timestamp_ms = min_timestamp_ms};
    fh_pipeline_command(pipeline, &command);
}

void fh_pipeline_resume(struct fh_pipeline *pipeline, const struct fh_checkpoint *checkpoint)
{
    uint16_t mask = 0;
    if (pipeline->resplit.under_way) { /* again for those that are being made */
        pipeline->resplit.resume_wanted = true;
        pipeline->resplit.resume = *checkpoint;
    }
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        int64_t from = fh_checkpoint_of_range(checkpoint, intake->range);
        if (from <= 0) {
            continue;
        }
        int64_t overlap = atomic_load(&intake->high_ms) - atomic_load(&intake->resume_ms);
        if (overlap < pipeline->config.firehose.overlap_min_ms) {
            overlap = pipeline->config.firehose.overlap_min_ms;
        }
        atomic_store(&intake->override_ms, from > overlap ? from - overlap : 1);
        mask |= (uint16_t)(1U << intake->index);
    }
    if (mask != 0) {
        fh_sources_reconnect(pipeline->sources, mask);
    }
}

void fh_pipeline_peer_checkpoint(struct fh_pipeline *pipeline,
                                 const struct fh_checkpoint *delivered)
{
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        atomic_store(&intake->peer_ms, fh_checkpoint_of_range(delivered, intake->range));
    }
}

void fh_pipeline_use_key(struct fh_pipeline *pipeline, enum fh_dedup_key key)
{
    struct command command = {.kind = COMMAND_USE_KEY, .number = key};
    fh_pipeline_command(pipeline, &command);
}

void fh_pipeline_tail(struct fh_pipeline *pipeline, bool on)
{
    atomic_store(&pipeline->tail, on);
}

void fh_pipeline_reload(struct fh_pipeline *pipeline, const struct fh_config *config,
                        const char *api_key)
{
    fh_sources_set_api_key(pipeline->sources, api_key);
    fh_resplit_want(pipeline, &config->firehose.ranges);
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        struct delivery *delivery = &pipeline->delivery[i];
        for (size_t j = 0; j < config->sink_count; j++) {
            if (strcmp(config->sinks[j].name, delivery->config.name) == 0) {
                pthread_mutex_lock(&delivery->lock);
                delivery->reload = config->sinks[j];
                delivery->reload_wanted = true;
                delivery->reloaded = true;
                pthread_mutex_unlock(&delivery->lock);
            }
        }
    }
    fh_store_wake(pipeline->store);
}
