/* status.c: the numbers, gathered from where they are owned. Main thread; no locks held longer than
 * a copy. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_range(const void *a, const void *b)
{
    const struct fh_pipeline_receiver *left = a;
    const struct fh_pipeline_receiver *right = b;
    return (int)left->source.range.first - (int)right->source.range.first;
}

static void receivers(struct fh_pipeline *pipeline, struct fh_pipeline_status *ret)
{
    ret->streams_live = true;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        if ((pipeline->resplit.opening & 1U << intake->index) != 0) {
            continue; /* its receiver is not there yet */
        }
        struct fh_pipeline_receiver *receiver = &ret->receiver[ret->receiver_count++];
        fh_sources_status(pipeline->sources, intake->index, &receiver->source);
        receiver->last_timestamp_ms = atomic_load(&intake->high_ms);
        receiver->events = atomic_load(&intake->events);
        ret->streams_live = ret->streams_live && receiver->source.state == FH_RECEIVER_STREAMING;
    }
    qsort(ret->receiver, ret->receiver_count, sizeof(ret->receiver[0]), by_range);
    for (size_t i = 0; i < FH_PARTITIONS; i++) { /* those no longer read have counted, too */
        fh_event_types_sum(&pipeline->intake[i].types, &ret->types);
    }
}

static int64_t pending_age_ms(struct fh_pipeline *pipeline, const struct fh_store_cursor *cursor)
{
    if (cursor->pending == 0) {
        return 0;
    }
    struct fh_time at = fh_arrivals_at(&pipeline->arrivals, cursor->cursor);
    return fh_time_diff_ms(fh_now(), fh_time_is_set(at) ? at : pipeline->started);
}

static void oldest_pending(struct fh_pipeline_status *ret)
{
    bool required = false;
    for (size_t i = 0; i < ret->sink_count; i++) {
        required = required || ret->sink[i].required;
    }
    for (size_t i = 0; i < ret->sink_count; i++) {
        const struct fh_pipeline_sink *sink = &ret->sink[i];
        if ((sink->required || !required) &&
            sink->oldest_pending_age_ms > ret->oldest_pending_age_ms) {
            ret->oldest_pending_age_ms = sink->oldest_pending_age_ms;
        }
    }
}

static void sinks(struct fh_pipeline *pipeline, struct fh_pipeline_status *ret)
{
    ret->sink_count = pipeline->delivery_count;
    ret->replays = pipeline->replayed;
    ret->sinks_healthy = true;
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        struct delivery *delivery = &pipeline->delivery[i];
        struct fh_pipeline_sink *sink = &ret->sink[i];
        struct fh_store_cursor cursor = {0};
        fh_store_cursor(pipeline->store, delivery->config.name, &cursor);
        snprintf(sink->name, sizeof(sink->name), "%s", delivery->config.name);
        snprintf(sink->type, sizeof(sink->type), "%s", delivery->config.type);
        snprintf(sink->promise, sizeof(sink->promise), "%s", delivery->promise);
        sink->required = delivery->config.required;
        sink->healthy = atomic_load(&delivery->healthy);
        sink->delivered = atomic_load(&delivery->delivered);
        sink->filtered = atomic_load(&delivery->filtered);
        sink->refused = atomic_load(&delivery->refused);
        fh_dead_letters_path(pipeline->config.node.state_dir, delivery->config.name,
                             sink->dead_letters, sizeof(sink->dead_letters));
        sink->dropped = atomic_load(&delivery->dropped);
        sink->pending = cursor.pending;
        sink->missed = cursor.missed;
        sink->failures = atomic_load(&delivery->failures);
        sink->replaying = fh_replay_add(pipeline, i, &ret->replays);
        sink->oldest_pending_age_ms = pending_age_ms(pipeline, &cursor);
        fh_latency_read(&delivery->latency, &sink->latency);
        pthread_mutex_lock(&delivery->lock);
        memcpy(sink->last_error, delivery->last_error, sizeof(sink->last_error));
        pthread_mutex_unlock(&delivery->lock);
        ret->counters.delivered += sink->delivered;
        bool well = sink->healthy && !fh_delivery_suspect(delivery);
        ret->sinks_healthy = ret->sinks_healthy && (well || !sink->required);
    }
}

void fh_pipeline_status(struct fh_pipeline *pipeline, struct fh_pipeline_status *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->counters = (struct fh_pipeline_counters){
        .received = atomic_load(&pipeline->received),
        .duplicates = atomic_load(&pipeline->duplicates),
        .quarantined = atomic_load(&pipeline->quarantined),
        .keep_alives = atomic_load(&pipeline->keep_alives),
        .late = atomic_load(&pipeline->late),
        .repaired = atomic_load(&pipeline->repaired),
        .gaps = atomic_load(&pipeline->gaps),
        .doubled = atomic_load(&pipeline->doubled),
    };
    receivers(pipeline, ret);
    sinks(pipeline, ret);
    oldest_pending(ret);
    ret->store_id = fh_store_id(pipeline->store);
    fh_store_state(pipeline->store, &ret->store);
    pthread_mutex_lock(&pipeline->minute_lock);
    memcpy(ret->minute, pipeline->minute_shown, sizeof(ret->minute));
    memcpy(ret->slice, pipeline->slice_shown, sizeof(ret->slice));
    pthread_mutex_unlock(&pipeline->minute_lock);
    ret->minutes_from = atomic_load(&pipeline->minutes_from);
    ret->slices_from_ms = pipeline->slices_from_ms;
    fh_pipeline_covered(pipeline, &ret->covered_from);
    /* Nothing delivered yet, but something received: the other node has to start where we did. */
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        if (ret->store.delivered.partition_ms[p] == 0 && ret->store.received.partition_ms[p] > 0) {
            ret->store.delivered.partition_ms[p] = ret->covered_from.partition_ms[p];
        }
    }
    ret->backpressure = atomic_load(&pipeline->backpressure);
    ret->dedup_records = atomic_load(&pipeline->dedup_records);
    ret->dedup_bytes = atomic_load(&pipeline->dedup_bytes);
    ret->key = (enum fh_dedup_key)atomic_load(&pipeline->key);
    ret->dedup_key = fh_rekey_name(ret->key);
    ret->progress_age_ms =
        fh_time_diff_ms(fh_now(), (struct fh_time){atomic_load(&pipeline->progress_ns)});
}
