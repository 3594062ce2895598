/* intake.c: the receivers' side. Runs on the receivers' threads: scan each line, put it into the
 * receiver's batch, ring the writer's bell. Never blocks on the disk; when the batch is full the
 * receiver is told to stop reading, and TCP pushes back to the cloud.
 *
 * A receiver collects the records of one turn without a lock, then hands them over; the writer
 * exchanges the handed-over batch for an empty one. At low rates a record is handed on at once, at
 * high rates a batch grows while the writer is busy, so that the cost of handing over shrinks as
 * load grows. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A quarantined line is kept up to this length. */
#define JUNK_KEEP ((size_t)64 * 1024)
/* One chunk of at most 512 KiB may follow a yes of can_take, and completes one line of the carry.
 */
#define CHUNK_MAX ((size_t)512 * 1024)

static void batch_free(struct batch *batch)
{
    if (!batch) {
        return;
    }
    fh_buf_done(&batch->bytes);
    free(batch->items);
    free(batch);
}

static struct batch *batch_new(size_t max_bytes)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch) {
        fh_buf_init(&batch->bytes, max_bytes);
    }
    return batch;
}

/* The table of event types stays: its counts go on whatever range is read here. */
int fh_intake_init(struct fh_pipeline *pipeline, unsigned index, struct fh_range range,
                   size_t limit)
{
    struct intake *intake = &pipeline->intake[index];
    intake->pipeline = pipeline;
    intake->index = index;
    intake->range = range;
    intake->limit = limit;
    intake->paused = false;
    intake->drained = 0;
    intake->shown = NULL;
    intake->expect_first = false;
    atomic_store(&intake->restarted, false);
    atomic_store(&intake->retired, false);
    atomic_store(&intake->asked_from_ms, 0);
    atomic_store(&intake->server_ms, 0);
    atomic_store(&intake->override_ms, 0);
    atomic_store(&intake->peer_ms, 0);
    atomic_store(&intake->events, 0);
    pthread_mutex_init(&intake->lock, NULL);
    size_t max = limit + CHUNK_MAX + (size_t)pipeline->config.firehose.max_line_bytes;
    intake->collecting = batch_new(max);
    intake->filling = batch_new(max);
    intake->draining = batch_new(max);
    return intake->collecting && intake->filling && intake->draining ? 0 : -ENOMEM;
}

void fh_intake_done(struct intake *intake)
{
    if (!intake->pipeline) {
        return;
    }
    intake->pipeline = NULL;
    batch_free(intake->collecting);
    batch_free(intake->filling);
    batch_free(intake->draining);
    fh_dedup_free(intake->shown);
    pthread_mutex_destroy(&intake->lock);
}

struct intake *fh_intake_next(struct fh_pipeline *pipeline, const struct intake *after)
{
    for (size_t i = after ? after->index + 1 : 0; i < FH_PARTITIONS; i++) {
        if (atomic_load(&pipeline->intake[i].active)) {
            return &pipeline->intake[i];
        }
    }
    return NULL;
}

uint16_t fh_intake_mask(struct fh_pipeline *pipeline)
{
    uint16_t mask = 0;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        mask |= (uint16_t)(1U << intake->index);
    }
    return mask;
}

struct batch *fh_intake_take(struct intake *intake)
{
    intake->draining->bytes.len = 0;
    intake->draining->count = 0;
    intake->drained = 0;
    pthread_mutex_lock(&intake->lock);
    struct batch *full = intake->filling;
    bool wake = intake->paused;
    bool any = full->count > 0;
    if (any) {
        intake->filling = intake->draining;
        intake->draining = full;
    }
    intake->paused = false;
    pthread_mutex_unlock(&intake->lock);
    if (wake) {
        fh_sources_wake(intake->pipeline->sources);
    }
    return any ? full : NULL;
}

bool fh_intake_pending(struct fh_pipeline *pipeline)
{
    bool any = false;
    for (struct intake *intake = NULL; !any && (intake = fh_intake_next(pipeline, intake));) {
        pthread_mutex_lock(&intake->lock);
        any = intake->filling->count > 0;
        pthread_mutex_unlock(&intake->lock);
    }
    return any;
}

static void ring(struct fh_pipeline *pipeline)
{
    uint64_t one = 1;
    ssize_t n = write(pipeline->doorbell, &one, sizeof(one));
    (void)n; /* only fails when the counter is full, and then it is ringing already */
}

static int reserve_items(struct batch *batch, size_t extra)
{
    size_t need = batch->count + extra;
    if (need <= batch->capacity) {
        return 0;
    }
    size_t capacity = batch->capacity ? batch->capacity : 64;
    while (capacity < need) {
        capacity *= 2;
    }
    struct item *items = realloc(batch->items, capacity * sizeof(*items));
    if (!items) {
        return -ENOMEM;
    }
    batch->items = items;
    batch->capacity = capacity;
    return 0;
}

static int batch_add(struct batch *batch, const struct item *item, const char *bytes)
{
    size_t offset = batch->bytes.len;
    int r = reserve_items(batch, 1);
    r = r < 0 ? r : fh_buf_append(&batch->bytes, bytes, item->len);
    if (r < 0) {
        return r;
    }
    batch->items[batch->count] = *item;
    batch->items[batch->count++].offset = (uint32_t)offset;
    return 0;
}

/* Add all of from to into. On failure into is unchanged. */
static int batch_join(struct batch *into, const struct batch *from)
{
    size_t offset = into->bytes.len;
    int r = reserve_items(into, from->count);
    r = r < 0 ? r : fh_buf_append(&into->bytes, from->bytes.data, from->bytes.len);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < from->count; i++) {
        into->items[into->count] = from->items[i];
        into->items[into->count++].offset += (uint32_t)offset;
    }
    return 0;
}

/* Running out of memory loses what was collected here, but not for good: the receiver is connected
 * anew, from the last stored stamp. */
static void collecting_failed(struct fh_pipeline *pipeline, unsigned receiver)
{
    pipeline->intake[receiver].collecting->count = 0;
    pipeline->intake[receiver].collecting->bytes.len = 0;
    fh_sources_reconnect(pipeline->sources, (uint16_t)(1U << receiver));
}

static bool can_take(void *userdata, unsigned receiver)
{
    struct fh_pipeline *pipeline = userdata;
    struct intake *intake = &pipeline->intake[receiver];
    pthread_mutex_lock(&intake->lock);
    bool room = intake->filling->bytes.len + intake->collecting->bytes.len < intake->limit;
    intake->paused = !room;
    pthread_mutex_unlock(&intake->lock);
    return room;
}

static void take_line(void *userdata, unsigned receiver, const char *line, size_t len,
                      uint64_t offset, bool truncated)
{
    struct fh_pipeline *pipeline = userdata;
    struct intake *intake = &pipeline->intake[receiver];
    struct fh_envelope envelope;
    struct item item = {.kind = ITEM_RECORD, .len = (uint32_t)len};
    enum fh_envelope_result result =
        truncated ? FH_ENVELOPE_NOT_JSON : fh_envelope_scan(line, len, &envelope);
    if (result != FH_ENVELOPE_OK) {
        item.kind = ITEM_JUNK;
        item.reason = truncated ? (uint16_t)JUNK_OVERSIZED : (uint16_t)result;
        item.key.fingerprint = offset;
        item.len = (uint32_t)(len < JUNK_KEEP ? len : JUNK_KEEP);
    } else if (fh_envelope_is_keep_alive(&envelope)) {
        item.kind = ITEM_KEEP_ALIVE;
        item.key.timestamp_ms = envelope.timestamp_ms;
        item.len = 0;
    } else {
        enum fh_dedup_key key = (enum fh_dedup_key)atomic_load(&pipeline->key);
        item.reason = (uint16_t)key;
        item.type = fh_event_types_place(&intake->types, envelope.type);
        item.key.timestamp_ms = envelope.timestamp_ms;
        item.key.fingerprint = fh_envelope_fingerprint(&envelope, line, len, key);
        if (key >= FH_KEY_CONTENT) {
            item.identity = fh_envelope_fingerprint(&envelope, line, len, FH_KEY_UID_TIMESTAMP);
        }
        if (pipeline->config.pair.present) {
            item.lot = fh_envelope_lot(&envelope, line, len);
        }
    }
    if (batch_add(intake->collecting, &item, line) < 0) {
        collecting_failed(pipeline, receiver);
    }
}

static void flush(void *userdata, unsigned receiver)
{
    struct fh_pipeline *pipeline = userdata;
    struct intake *intake = &pipeline->intake[receiver];
    struct batch *collected = intake->collecting;
    if (collected->count == 0) {
        return;
    }
    collected->since = fh_now();
    pthread_mutex_lock(&intake->lock);
    bool empty = intake->filling->count == 0;
    int r = 0;
    if (empty) {
        intake->collecting = intake->filling;
        intake->filling = collected;
    } else {
        r = batch_join(intake->filling, collected);
    }
    pthread_mutex_unlock(&intake->lock);
    if (r < 0) {
        collecting_failed(pipeline, receiver);
        return;
    }
    intake->collecting->count = 0;
    intake->collecting->bytes.len = 0;
    if (empty) {
        ring(pipeline);
    }
}

/* Where this receiver goes on. An order of the role machine first (a hole was found, or this node
 * was promoted); then the own mark; an empty store starts where the peer has delivered to. A store
 * that is further behind than the replay window also starts there: what lies between is delivered
 * and could not be fetched any more. */
static int64_t resume_from(void *userdata, unsigned receiver)
{
    struct fh_pipeline *pipeline = userdata;
    struct intake *intake = &pipeline->intake[receiver];
    const struct fh_config_firehose *config = &pipeline->config.firehose;
    int64_t ordered = atomic_load(&intake->override_ms);
    int64_t own = atomic_load(&intake->resume_ms);
    if (ordered > 0 && (own == 0 || ordered < own)) {
        return ordered;
    }
    int64_t peer = atomic_load(&intake->peer_ms);
    if (peer > 0 && (own == 0 || peer - own > config->replay_window_ms)) {
        return peer > config->overlap_min_ms ? peer - config->overlap_min_ms : 1;
    }
    return own;
}

static void server_time(void *userdata, unsigned receiver, int64_t now_ms)
{
    struct fh_pipeline *pipeline = userdata;
    atomic_store(&pipeline->intake[receiver].server_ms, now_ms);
}

static void connected(void *userdata, unsigned receiver, int64_t asked_from_ms)
{
    struct fh_pipeline *pipeline = userdata;
    struct intake *intake = &pipeline->intake[receiver];
    int_fast64_t ordered = atomic_load(&intake->override_ms);
    if (ordered == asked_from_ms) {
        /* Served; a newer order that came meanwhile stays. */
        atomic_compare_exchange_strong(&intake->override_ms, &ordered, 0);
    }
    atomic_store(&intake->asked_from_ms, asked_from_ms);
    atomic_store(&intake->connected_ms, fh_now().ns / 1000000);
    atomic_store(&intake->restarted, true);
    struct item item = {.kind = ITEM_CONNECTED};
    if (batch_add(intake->collecting, &item, "") < 0) {
        collecting_failed(pipeline, receiver);
    }
    ring(pipeline);
}

static void disconnected(void *userdata, unsigned receiver, const char *reason)
{
    (void)reason; /* the source has logged it */
    flush(userdata, receiver);
}

static void retired(void *userdata, unsigned receiver)
{
    struct fh_pipeline *pipeline = userdata;
    flush(userdata, receiver);
    atomic_store(&pipeline->intake[receiver].retired, true);
    ring(pipeline);
}

const struct fh_source_handler fh_intake_handler = {
    .can_take = can_take,
    .line = take_line,
    .flush = flush,
    .resume_from = resume_from,
    .server_time = server_time,
    .connected = connected,
    .disconnected = disconnected,
    .retired = retired,
};
