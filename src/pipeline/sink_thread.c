/* sink_thread.c: one thread per sink: whether it delivers, settles, rests, hands over or waits.
 * Owns the sink; nobody else calls its functions, but for those that sink.h allows any thread. The
 * steps of a batch are in deliver.c. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_MS 1000

/* The writer wakes us by its commit only when something new is stored. */
#define SETTLE_POLL_MS 5

/* However many records a far side refuses, the journal hears of it so seldom. */
#define REFUSED_TELL_MS 60000

/* A change of keys does not wait longer for a far side that takes nothing. */
#define REST_MS 5000

void fh_delivery_pause(struct delivery *delivery, int64_t ms)
{
    fh_store_wait(delivery->pipeline->store, delivery->ticket, UINT64_MAX,
                  (int)(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS));
}

/* ---- the fence --------------------------------------------------------------------------------
 */

bool fh_delivery_in_force(const struct delivery *delivery)
{
    const struct fh_pipeline *pipeline = delivery->pipeline;
    uint64_t epoch = atomic_load(&delivery->epoch);
    int64_t hand_over_until = atomic_load(&pipeline->hand_over_until_ns);
    return epoch != 0 && atomic_load(&pipeline->lead_epoch) == epoch &&
           !atomic_load(&pipeline->stopping) &&
           (hand_over_until == 0 || fh_now().ns < hand_over_until);
}

bool fh_delivery_fenced(const struct delivery *delivery)
{
    int64_t until = atomic_load(&delivery->pipeline->publish_until_ns);
    return (until != 0 && fh_now().ns >= until) || !fh_delivery_in_force(delivery);
}

static bool context_fenced(void *userdata)
{
    return fh_delivery_fenced(userdata);
}

static void context_dropped(void *userdata, uint64_t records)
{
    struct delivery *delivery = userdata;
    if (records > 0 && atomic_fetch_add(&delivery->dropped, records) == 0) {
        struct fh_log_field fields[] = {{"FIREHOSED_SINK", delivery->config.name}};
        fh_log_event(LOG_WARNING, FH_LOG_SINK_DROPPED, fields, 1,
                     "sink %s lets events go because nobody is there to take them, or takes them "
                     "too slowly; status counts them (dropped)",
                     delivery->config.name);
    }
}

static int context_refused(void *userdata, struct fh_slice record, const char *reason,
                           struct fh_error *err)
{
    struct delivery *delivery = userdata;
    int r = fh_dead_letters_add(delivery->letters, record, reason, err);
    if (r < 0) {
        return r;
    }
    uint64_t count = atomic_fetch_add(&delivery->refused, 1) + 1;
    struct fh_time now = fh_now();
    if (r > 0) {
        fh_log(LOG_WARNING,
               "sink %s: the far side refuses so much that its dead letters are out of room: the "
               "oldest %d MiB of them are gone; mend the cause, and take the file away in time",
               delivery->config.name, (int)(FH_DEAD_LETTER_BYTES >> 20));
    }
    if (!fh_time_is_set(delivery->refused_told) ||
        fh_time_diff_ms(now, delivery->refused_told) >= REFUSED_TELL_MS) {
        delivery->refused_told = now;
        char path[FH_PATH_MAX + FH_SINK_NAME_MAX + 32];
        fh_dead_letters_path(delivery->pipeline->config.node.state_dir, delivery->config.name, path,
                             sizeof(path));
        struct fh_log_field fields[] = {{"FIREHOSED_SINK", delivery->config.name}};
        fh_log_event(LOG_ERR, FH_LOG_SINK_REFUSED, fields, 1,
                     "sink %s: the far side will never take %" PRIu64
                     " of the records since the start (the last: %s); they are kept in %s",
                     delivery->config.name, count, reason, path);
    }
    return 0;
}

/* ---- roles ------------------------------------------------------------------------------------
 */

/* Leaving the primary's role: what is not prepared is thrown away (the peer delivers it); what is
 * prepared stays in doubt until the peer has said whether it holds the report. */
static void change_role(struct delivery *delivery, uint64_t epoch)
{
    bool led = atomic_load(&delivery->epoch) != 0;
    atomic_store(&delivery->epoch, 0);
    if (led) {
        fh_delivery_abandon(delivery);
        delivery->outstanding.active = false;
        fh_delivery_forget(delivery);
    }
    if (epoch != 0) {
        atomic_store(&delivery->failed_at_ns, 0);
    }
    delivery->handed_over = false;
    delivery->sequence = 0;
    delivery->batch_start = 0;
    delivery->stage = STAGE_LEAD;
    delivery->stalled_since = (struct fh_time){0};
    atomic_store(&delivery->epoch, epoch);
    atomic_store(&delivery->parked, epoch == 0);
}

/* Planned hand-over: end the batch, publish it, stop. True when this sink is done. A far side that
 * is known to be ill is not waited for: what it has not taken is the peer's. */
static bool hand_over(struct delivery *delivery, int64_t until_ns)
{
    fh_delivery_release(delivery);
    if (fh_now().ns >= until_ns) {
        return true; /* what is prepared stays in doubt until the peer has been asked */
    }
    if (delivery->outstanding.active) {
        fh_store_wait(delivery->pipeline->store, delivery->ticket, UINT64_MAX, 20);
        return false;
    }
    if (delivery->key_count == 0 || !atomic_load(&delivery->healthy)) {
        return true;
    }
    fh_delivery_end_batch(delivery);
    return false;
}

void fh_delivery_tell(struct fh_pipeline *pipeline)
{
    bool parked = true;
    bool drained = true;
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        const struct delivery *delivery = &pipeline->delivery[i];
        parked = parked && atomic_load(&delivery->parked);
        /* An optional sink that is ill is not waited for. */
        drained = drained && (atomic_load(&delivery->drained) ||
                              (!delivery->config.required && !atomic_load(&delivery->healthy)));
    }
    bool stopping =
        atomic_load(&pipeline->lead_epoch) == 0 || atomic_load(&pipeline->hand_over_until_ns) != 0;
    if (parked && stopping && atomic_exchange(&pipeline->follow_pending, false)) {
        atomic_store(&pipeline->lead_epoch, 0);
        atomic_store(&pipeline->hand_over_until_ns, 0);
        struct command command = {.kind = COMMAND_FOLLOW};
        if (fh_pipeline_command(pipeline, &command) < 0) {
            atomic_store(&pipeline->follow_pending, true); /* asked again within a second */
        }
    }
    if (drained && atomic_load(&pipeline->draining) &&
        !atomic_exchange(&pipeline->drained_told, true)) {
        fh_answer_send(pipeline, fh_answer_new(ANSWER_DRAINED, NULL, 0));
    }
}

/* The keys are about to change, and a batch in progress remembers the old ones: let go of it. What
 * is prepared but not reported is written again; a sink without prepare ends its batch, for what it
 * has taken cannot be called back - but all sinks wait for it, so it is not waited for without end:
 * then it is written again as well, and the far side may have it twice. What waits for the peer has
 * its keys in the store, under a number. True when nothing is held. */
static bool come_to_rest(struct delivery *delivery)
{
    if (delivery->outstanding.active && !fh_delivery_has_number(delivery)) {
        fh_store_wait(delivery->pipeline->store, delivery->ticket, UINT64_MAX, 20);
        return false;
    }
    if (delivery->key_count == 0) {
        return true;
    }
    if (!fh_time_is_set(delivery->resting_since)) {
        delivery->resting_since = fh_now();
    }
    if (delivery->ops->prepare) {
        fh_delivery_abandon(delivery);
        return true;
    }
    if (fh_time_diff_ms(fh_now(), delivery->resting_since) >= REST_MS ||
        !fh_delivery_in_force(delivery)) {
        fh_delivery_abandon(delivery);
        delivery->stage = STAGE_LEAD; /* it was told to be quiet */
        return true;
    }
    if (delivery->outstanding.active) { /* numbered, and nothing of it depends on the peer */
        fh_delivery_count(delivery);
    }
    fh_delivery_end_batch(delivery);
    return false;
}

static void rest(struct delivery *delivery)
{
    if (come_to_rest(delivery)) {
        delivery->resting_since = (struct fh_time){0};
        atomic_store(&delivery->at_rest, true);
        fh_rekey_tell(delivery->pipeline);
        fh_delivery_pause(delivery, WAIT_MAX_MS);
    }
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static bool open_sink(struct delivery *delivery)
{
    if (delivery->sink) {
        return true;
    }
    struct fh_error err = {""};
    if (delivery->ops->open(&delivery->config, &delivery->context, &err, &delivery->sink) < 0) {
        delivery->sink = NULL;
        fh_delivery_failed(delivery, &err);
        return false;
    }
    fh_delivery_ok(delivery);
    return true;
}

static void take_orders(struct delivery *delivery)
{
    struct fh_config_sink config;
    pthread_mutex_lock(&delivery->lock);
    bool reload = delivery->reload_wanted;
    if (reload) {
        config = delivery->reload;
    }
    delivery->reload_wanted = false;
    pthread_mutex_unlock(&delivery->lock);
    if (reload && delivery->sink && delivery->ops->reload) {
        delivery->ops->reload(delivery->sink, &config);
    }
    fh_delivery_settle(delivery);
}

/* Nothing to deliver: this node follows, or the sink cannot be opened. */
static void stand_by(struct delivery *delivery, bool usable)
{
    if (atomic_load(&delivery->pipeline->draining)) {
        atomic_store(&delivery->drained, true);
    }
    atomic_store(&delivery->parked, atomic_load(&delivery->epoch) == 0);
    fh_delivery_tell(delivery->pipeline);
    fh_delivery_pause(delivery, usable ? WAIT_MAX_MS : delivery->retry_ms);
}

static void turn(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    bool usable = open_sink(delivery);
    take_orders(delivery);
    int64_t hand_over_until = atomic_load(&pipeline->hand_over_until_ns);
    uint64_t epoch = atomic_load(&pipeline->lead_epoch);
    if (hand_over_until != 0 && atomic_load(&delivery->epoch) != 0) {
        if (!hand_over(delivery, hand_over_until)) {
            return;
        }
        change_role(delivery, 0);
        delivery->handed_over = true;
    }
    if (hand_over_until != 0 && delivery->handed_over) {
        epoch = 0; /* the others are still at it */
    }
    if (usable && epoch != atomic_load(&delivery->epoch)) {
        change_role(delivery, epoch);
    } else if (!usable || epoch == 0) {
        stand_by(delivery, usable);
    } else if (!fh_delivery_settled(delivery)) {
        fh_delivery_pause(delivery, SETTLE_POLL_MS);
    } else if (fh_delivery_ready(delivery)) {
        fh_delivery_turn(delivery);
    }
}

static void *run(void *userdata)
{
    struct delivery *delivery = userdata;
    struct fh_pipeline *pipeline = delivery->pipeline;
    while (!atomic_load(&pipeline->stopping)) {
        delivery->ticket = fh_store_ticket(pipeline->store);
        if (atomic_load(&pipeline->rest_wanted)) {
            rest(delivery);
        } else {
            atomic_store(&delivery->at_rest, false);
            turn(delivery);
        }
    }
    return NULL;
}

int fh_delivery_start(struct fh_pipeline *pipeline, size_t index, const struct fh_sink_ops *ops,
                      struct fh_error *err)
{
    struct delivery *delivery = &pipeline->delivery[index];
    delivery->pipeline = pipeline;
    delivery->config = pipeline->config.sinks[index];
    delivery->ops = ops ? ops : fh_sink_for(&delivery->config);
    if (!delivery->ops) {
        return fh_error_set(err, -EINVAL, "sink %s: there is no sink type \"%s\"",
                            delivery->config.name, delivery->config.type);
    }
    fh_delivery_promise(&pipeline->config, &delivery->config, delivery->ops, delivery->promise);
    delivery->context = (struct fh_sink_context){.node = pipeline->config.node.name,
                                                 .state_dir = pipeline->config.node.state_dir,
                                                 .replica = pipeline->config.firehose.replica_id,
                                                 .fenced = context_fenced,
                                                 .refused = context_refused,
                                                 .dropped = context_dropped,
                                                 .userdata = delivery};
    int r = fh_shape_new(&delivery->config, pipeline->config.node.name,
                         pipeline->config.firehose.replica_id, delivery->ops->wants_facts, err,
                         &delivery->shape);
    r = r < 0 ? r
              : fh_dead_letters_new(pipeline->config.node.state_dir, delivery->config.name,
                                    FH_DEAD_LETTER_BYTES, err, &delivery->letters);
    if (r < 0) {
        return r;
    }
    pthread_mutex_init(&delivery->lock, NULL);
    atomic_store(&delivery->healthy, true);
    atomic_store(&delivery->parked, true);
    r = pthread_create(&delivery->thread, NULL, run, delivery);
    if (r != 0) {
        return fh_error_set(err, -r, "cannot start a thread for sink %s", delivery->config.name);
    }
    delivery->started = true;
    return 0;
}

void fh_delivery_done(struct delivery *delivery)
{
    if (delivery->started) {
        pthread_mutex_destroy(&delivery->lock);
    }
}

void fh_delivery_join(struct delivery *delivery)
{
    if (delivery->started) {
        pthread_join(delivery->thread, NULL);
        if (delivery->sink) {
            delivery->ops->close(delivery->sink);
        }
        free(delivery->keys);
    }
    fh_shape_free(delivery->shape);
    fh_dead_letters_free(delivery->letters);
}
