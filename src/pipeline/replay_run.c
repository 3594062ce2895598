/* replay_run.c: the thread that delivers an interval of the store again. Owns its instance of the
 * sink, the place in the store and the counts. Never touches a cursor, a report or the live sink;
 * of the live delivery it reads a few atomics, to let it go first. */
#include "replay.h"

#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_MS      20   /* between looks at whether to go on */
#define SHARE_MAX_MS 250  /* rest after a portion, at most */
#define BEHIND_MAX   5000 /* records the live sink has not read yet */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 2000
#define GIVE_UP_MS   ((int64_t)60 * 1000) /* of a far side that takes nothing */

static void pause_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- whether to go on -------------------------------------------------------------------------
 */

/* NULL: go on; else why it ends. */
static const char *must_end(const struct replay *replay)
{
    const struct fh_pipeline *pipeline = replay->delivery->pipeline;
    if (atomic_load(&replay->cancelled)) {
        return "cancelled";
    }
    if (atomic_load(&pipeline->stopping) || atomic_load(&pipeline->draining)) {
        return "firehosed is stopping";
    }
    if (atomic_load(&pipeline->hand_over_until_ns) != 0) {
        return "this node hands its role over";
    }
    return atomic_load(&pipeline->lead_epoch) != replay->epoch ? "this node no longer leads" : NULL;
}

/* Must it be quiet? The same instant that holds for the live sinks. */
static bool fenced(const struct replay *replay)
{
    int64_t until = atomic_load(&replay->delivery->pipeline->publish_until_ns);
    return (until != 0 && fh_now().ns >= until) || must_end(replay) != NULL;
}

bool fh_replay_fenced(void *userdata)
{
    return fenced(userdata);
}

/* No dead-letter file: the record is in the store, and who asked for the replay looks on. */
int fh_replay_refused(void *userdata, struct fh_slice record, const char *reason,
                      struct fh_error *err)
{
    struct replay *replay = userdata;
    (void)record;
    (void)err;
    replay->batch.refused++;
    snprintf(replay->own.error, sizeof(replay->own.error), "%s", reason);
    return 0;
}

void fh_replay_dropped(void *userdata, uint64_t records)
{
    struct replay *replay = userdata;
    pthread_mutex_lock(&replay->lock);
    replay->status.dropped += records;
    pthread_mutex_unlock(&replay->lock);
}

/* Why it rests for now; NULL when it does not. */
static const char *must_wait(const struct replay *replay)
{
    const struct delivery *live = replay->delivery;
    struct fh_store_state state;
    if (replay->order.dry_run) {
        return NULL;
    }
    if (fenced(replay)) {
        return "this node must keep quiet for now";
    }
    if (!atomic_load(&live->healthy)) {
        return "the live sink has trouble, which goes first";
    }
    fh_store_state(live->pipeline->store, &state);
    uint64_t reached = atomic_load(&live->reached);
    if (state.next_sequence > reached && state.next_sequence - reached > BEHIND_MAX) {
        return "the live sink is behind, and goes first";
    }
    int64_t elapsed = fh_time_diff_ms(fh_now(), replay->begun);
    uint64_t done = replay->own.delivered + replay->batch.written;
    bool fast = replay->order.rate > 0 &&
                done * 1000 > (uint64_t)replay->order.rate * (uint64_t)(elapsed + STEP_MS);
    return fast ? "" : NULL;
}

/* ---- what others see --------------------------------------------------------------------------
 */

void fh_replay_publish(struct replay *replay, const char *waiting)
{
    pthread_mutex_lock(&replay->lock);
    uint64_t dropped = replay->status.dropped;
    replay->status = replay->own;
    replay->status.dropped = dropped;
    replay->settled_filtered = replay->own.filtered;
    replay->status.looked_at += replay->batch.looked_at;
    replay->status.filtered += replay->batch.filtered;
    snprintf(replay->status.waiting, sizeof(replay->status.waiting), "%s", waiting);
    pthread_mutex_unlock(&replay->lock);
}

static void tell(const struct replay *replay, enum fh_log_id id, int level, const char *text)
{
    struct fh_log_field fields[] = {{"FIREHOSED_SINK", replay->order.sink},
                                    {"FIREHOSED_REPLAY", replay->id}};
    fh_log_event(level, id, fields, FH_ARRAY_LEN(fields), "replay %s into sink %s: %s", replay->id,
                 replay->order.sink, text);
}

/* As firehosectl replay --since understands it. */
static const char *print_time(int64_t ms, char text[40])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    size_t len = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, 40 - len, ".%03dZ", (int)(ms % 1000));
    return text;
}

static void tell_start(const struct replay *replay)
{
    char text[FH_PATH_MAX + 256];
    char since[40];
    char until[40];
    snprintf(text, sizeof(text),
             "begun by an operator: %" PRIu64 " events from %s to %s are read again, and what the "
             "sink wants of them is delivered, marked, to %s",
             replay->own.records, print_time(replay->order.since_ms, since),
             print_time(replay->order.until_ms, until), replay->own.place);
    tell(replay, FH_LOG_REPLAY_STARTED, LOG_NOTICE, text);
}

static void tell_end(const struct replay *replay)
{
    const struct fh_replay_status *own = &replay->own;
    char text[1024];
    int n = snprintf(text, sizeof(text),
                     "%s: %" PRIu64 " delivered, %" PRIu64 " filtered, %" PRIu64 " refused",
                     own->state == FH_REPLAY_DONE ? "done" : own->error, own->delivered,
                     own->filtered, own->refused);
    if (own->go_on_ms != INT64_MAX && n > 0 && (size_t)n < sizeof(text)) {
        char since[40];
        snprintf(text + n, sizeof(text) - (size_t)n, "; for the rest: --since %s",
                 print_time(own->go_on_ms, since));
    }
    tell(replay, FH_LOG_REPLAY_ENDED, own->state == FH_REPLAY_DONE ? LOG_NOTICE : LOG_WARNING,
         text);
}

/* ---- a portion --------------------------------------------------------------------------------
 */

static bool wanted_type(const struct fh_replay_order *order, struct fh_slice record)
{
    struct fh_envelope envelope;
    if (order->type_count == 0) {
        return true;
    }
    if (fh_envelope_scan(record.data, record.len, &envelope) != FH_ENVELOPE_OK) {
        return false;
    }
    for (size_t i = 0; i < order->type_count; i++) {
        if (strlen(order->type[i]) == envelope.type.len &&
            memcmp(order->type[i], envelope.type.data, envelope.type.len) == 0) {
            return true;
        }
    }
    return false;
}

/* The next block with records of the interval. 1, 0 at the end, negative errno. */
static int next_block(struct replay *replay, struct fh_error *err)
{
    fh_past_block_done(&replay->block);
    replay->at = 0;
    for (;;) {
        int r = replay->sequence >= replay->end
                    ? 0
                    : fh_past_next(replay->past, &replay->interval, &replay->sequence,
                                   &replay->block, err);
        if (r != -EUCLEAN) {
            return r;
        }
        replay->own.damaged++;
    }
}

struct portion {
    uint32_t count;
    uint32_t next;               /* where the block goes on behind it */
    uint64_t looked_at, skipped; /* records of the interval; of these of other types */
};

/* As much as one write may hold, from the block; nothing is moved yet. */
static struct portion choose(struct replay *replay)
{
    const struct fh_past_block *block = &replay->block;
    uint32_t most = FH_REPLAY_PORTION;
    if (replay->order.rate > 0 && replay->order.rate / 10 < most) {
        most = replay->order.rate < 10 ? 1 : (uint32_t)(replay->order.rate / 10);
    }
    struct portion portion = {.next = replay->at};
    size_t bytes = 0;
    for (; portion.next < block->count && portion.count < most; portion.next++) {
        uint32_t i = portion.next;
        const struct fh_record_key *key = &block->key[i];
        if (block->sequence[i] >= replay->end ||
            !fh_past_holds(&replay->interval, key->timestamp_ms)) {
            continue;
        }
        bytes += block->record[i].len;
        if (portion.count > 0 && bytes > FH_SHAPE_BYTES) {
            break;
        }
        portion.looked_at++;
        if (!wanted_type(&replay->order, block->record[i])) {
            portion.skipped++;
            continue;
        }
        replay->record[portion.count] = block->record[i];
        /* One to one, so that different records keep different keys. */
        replay->key[portion.count] = (struct fh_record_key){
            (key->fingerprint ^ replay->salt) * UINT64_C(0x9E3779B97F4A7C15), key->timestamp_ms};
        replay->number[portion.count++] = block->sequence[i];
    }
    return portion;
}

static void count_types(struct fh_pipeline_types *types, const struct fh_sink_write *write)
{
    for (uint32_t i = 0; i < write->count; i++) {
        struct fh_slice type = write->facts[i].type;
        size_t at = 0;
        while (at < types->count && (strlen(types->type[at].name) != type.len ||
                                     memcmp(types->type[at].name, type.data, type.len) != 0)) {
            at++;
        }
        if (at == FH_PIPELINE_TYPES) {
            types->other++;
            continue;
        }
        if (at == types->count) {
            snprintf(types->type[at].name, sizeof(types->type[at].name), "%.*s", (int)type.len,
                     type.data);
            types->count++;
        }
        types->type[at].received++;
    }
}

static int open_sink(struct replay *replay, struct fh_error *err)
{
    int r = 0;
    if (!replay->sink) {
        r = replay->ops->open(&replay->config, &replay->context, err, &replay->sink);
    }
    if (r == 0 && !replay->led && replay->ops->lead) {
        r = replay->ops->lead(replay->sink, replay->epoch, err);
    }
    replay->led = r == 0;
    return r;
}

/* 0; -EAGAIN: not now; other errors: the batch is to be written again. */
static int put(struct replay *replay, const struct fh_sink_write *write, struct fh_error *err)
{
    if (write->count == 0) {
        return 0;
    }
    if (replay->order.dry_run) {
        count_types(&replay->own.types, write);
        return 0;
    }
    int r = open_sink(replay, err);
    return r < 0 ? r : replay->ops->write(replay->sink, write, err);
}

/* 1: something was written or passed over; 0: the end of the interval; or negative errno. */
static int write_portion(struct replay *replay, struct fh_error *err)
{
    if (replay->at >= replay->block.count) {
        int r = next_block(replay, err);
        if (r <= 0) {
            return r;
        }
    }
    struct portion portion = choose(replay);
    struct fh_sink_write write = {.count = 0};
    if (portion.count > 0) {
        const struct fh_store_batch batch = {.count = portion.count,
                                             .record = replay->record,
                                             .key = replay->key,
                                             .sequence = replay->number};
        int64_t taken = fh_shape_apply(replay->shape, &batch, replay->epoch, &write, err);
        if (taken < 0) {
            return (int)taken;
        }
        if (taken < portion.count) { /* never while both know the same limits */
            return fh_error_set(err, -EMSGSIZE, "a portion was too large");
        }
        int r = put(replay, &write, err);
        if (r < 0) {
            return r;
        }
    }
    replay->at = portion.next;
    replay->batch.looked_at += portion.looked_at;
    replay->batch.written += write.count;
    replay->batch.filtered += portion.looked_at - write.count;
    return 1;
}

/* ---- the end of a batch -----------------------------------------------------------------------
 */

static void settle_batch(struct replay *replay)
{
    replay->own.looked_at += replay->batch.looked_at;
    replay->own.filtered += replay->batch.filtered;
    replay->own.refused += replay->batch.refused;
    replay->own.delivered += replay->batch.written - replay->batch.refused;
    memset(&replay->batch, 0, sizeof(replay->batch));
    replay->batch_start =
        replay->at < replay->block.count ? replay->block.sequence[replay->at] : replay->sequence;
    replay->ended_batch = false;
    replay->failing_since = (struct fh_time){0};
    replay->retry_ms = 0;
}

static int end_batch(struct replay *replay, struct fh_error *err)
{
    char position[FH_SINK_POSITION_MAX] = "";
    if (replay->batch.written > 0 && !replay->order.dry_run) {
        int r = fenced(replay) ? -EAGAIN : 0;
        if (r == 0 && replay->ops->prepare) {
            r = replay->ops->flush(replay->sink, err);
            r = r < 0 ? r : replay->ops->prepare(replay->sink, position, err);
            r = r < 0 ? r : replay->ops->publish(replay->sink, position, err);
        } else if (r == 0) {
            r = replay->ops->accept(replay->sink, position, err);
        }
        replay->ended_batch = r == -EAGAIN;
        if (r < 0) {
            return r;
        }
    }
    settle_batch(replay);
    return 0;
}

/* After an error: everything since batch_start is written again. */
static void start_over(struct replay *replay)
{
    struct fh_error ignored = {""};
    if (replay->sink) {
        (void)replay->ops->reopen(replay->sink, &ignored);
    }
    replay->led = false;
    replay->ended_batch = false;
    memset(&replay->batch, 0, sizeof(replay->batch));
    fh_past_block_done(&replay->block);
    replay->at = 0;
    replay->sequence = replay->batch_start;
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static void rest(struct replay *replay, int64_t ms)
{
    struct fh_time until = fh_time_add_ms(fh_now(), ms);
    while (fh_time_before(fh_now(), until) && !must_end(replay)) {
        pause_ms(ms < STEP_MS ? ms : STEP_MS);
    }
}

/* -EAGAIN: as long as it takes, but not for ever; else try again, and give up in the end. */
static int after_error(struct replay *replay, int code, struct fh_error *err)
{
    if (!fh_time_is_set(replay->failing_since)) {
        replay->failing_since = fh_now();
    }
    if (fh_time_diff_ms(fh_now(), replay->failing_since) >= GIVE_UP_MS && !fenced(replay)) {
        fh_error_prefix(err, "given up after %" PRId64 " s: ", GIVE_UP_MS / 1000);
        return code == -EAGAIN ? -ETIMEDOUT : code;
    }
    fh_replay_publish(replay, err->text[0] ? err->text : "the far side does not take more for now");
    if (code == -EAGAIN) {
        rest(replay, STEP_MS);
        return 1;
    }
    start_over(replay);
    replay->retry_ms = replay->retry_ms == 0 ? RETRY_MIN_MS : replay->retry_ms * 2;
    replay->retry_ms = replay->retry_ms < RETRY_MAX_MS ? replay->retry_ms : RETRY_MAX_MS;
    rest(replay, replay->retry_ms);
    return 1;
}

static bool due(struct replay *replay)
{
    if (replay->order.dry_run || replay->batch.written == 0) {
        return false;
    }
    return replay->ended_batch || replay->ops->due_in(replay->sink, fh_now()) == 0;
}

/* 1: go on; 0: all is done; negative: it failed. */
static int turn(struct replay *replay, struct fh_error *err)
{
    struct fh_time before = fh_now();
    bool ending = due(replay);
    const char *waiting = ending ? NULL : must_wait(replay);
    if (waiting) {
        fh_replay_publish(replay, waiting);
        rest(replay, STEP_MS);
        return 1;
    }
    int r = ending ? end_batch(replay, err) : write_portion(replay, err);
    bool end = !ending && r == 0;
    r = end ? end_batch(replay, err) : r;
    if (r < 0) {
        return after_error(replay, r, err);
    }
    fh_replay_publish(replay, "");
    if (end) {
        return 0;
    }
    int64_t took = fh_time_diff_ms(fh_now(), before);
    if (took > 0 && !replay->order.dry_run) { /* half of the time is the live stream's */
        rest(replay, took < SHARE_MAX_MS ? took : SHARE_MAX_MS);
    }
    return 1;
}

static int prepare(struct replay *replay, struct fh_error *err)
{
    struct fh_pipeline *pipeline = replay->delivery->pipeline;
    struct fh_store_state state;
    struct fh_past_measure measure;
    fh_store_state(pipeline->store, &state);
    replay->end = state.next_sequence;
    int r = fh_past_of(pipeline->store, &replay->past);
    if (r < 0) {
        return fh_error_set(err, r, "out of memory");
    }
    r = fh_past_seek(replay->past, &replay->interval, &replay->sequence, err);
    r = r < 0 ? r
              : fh_past_measure(replay->past, &replay->interval, replay->sequence, replay->end,
                                &measure, err);
    r = r < 0
            ? r
            : fh_shape_new(&replay->config, pipeline->config.node.name,
                           pipeline->config.firehose.replica_id,
                           replay->ops->wants_facts || replay->order.dry_run, err, &replay->shape);
    if (r < 0) {
        return r;
    }
    fh_shape_mark(replay->shape, replay->id);
    replay->batch_start = replay->sequence;
    replay->own.records = measure.records;
    replay->begun = fh_now();
    fh_replay_publish(replay, "");
    return 0;
}

static void finish(struct replay *replay, int r, const char *why, const struct fh_error *err)
{
    struct fh_error ignored = {""};
    struct fh_past_measure rest_of_it = {.oldest_ms = INT64_MAX};
    struct fh_replay_status *own = &replay->own;
    if (replay->sink) {
        if (replay->ops->abandon) {
            (void)replay->ops->abandon(replay->sink, NULL, 0, &ignored);
        }
        replay->ops->close(replay->sink);
        replay->sink = NULL;
    }
    fh_past_block_done(&replay->block);
    if (r == 0) {
        own->state = FH_REPLAY_DONE;
    } else {
        bool cancelled = r > 0 && atomic_load(&replay->cancelled);
        own->state = cancelled ? FH_REPLAY_CANCELLED : FH_REPLAY_FAILED;
        snprintf(own->error, sizeof(own->error), "%s", r > 0 ? why : err->text);
        (void)fh_past_measure(replay->past, &replay->interval, replay->batch_start, replay->end,
                              &rest_of_it, &ignored);
    }
    own->go_on_ms = rest_of_it.oldest_ms;
    memset(&replay->batch, 0, sizeof(replay->batch));
    if (!replay->order.dry_run) {
        tell_end(replay);
    }
    fh_replay_publish(replay, "");
}

void *fh_replay_run(void *userdata)
{
    struct replay *replay = userdata;
    struct fh_error err = {""};
    const char *why = NULL;
    int r = prepare(replay, &err);
    if (r == 0 && !replay->order.dry_run) {
        tell_start(replay);
    }
    for (r = r < 0 ? r : 1; r > 0 && !(why = must_end(replay));) {
        err.text[0] = '\0';
        r = turn(replay, &err);
    }
    if (replay->past) {
        finish(replay, r, why, &err);
    } else { /* without memory for so little */
        replay->own.state = FH_REPLAY_FAILED;
        fh_replay_publish(replay, "");
    }
    atomic_store(&replay->ended, true);
    return NULL;
}
