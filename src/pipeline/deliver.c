/* deliver.c: one thread per sink. Reads undelivered records from the store, writes them to the
 * sink, ends batches, reports them. Owns the sink; nobody else calls its functions.
 *
 * A batch goes through these steps, each durable before the next:
 *   1. prepare    the sink has it, durable and invisible
 *   2. report     the writer numbers and stores the report (PREPARED) and has it sent
 *   3. confirmed  the peer holds the report - or there is no peer in step with us
 *   4. publish    the sink makes it visible
 *   5. finish     the report becomes DELIVERED and the cursor moves
 * While 3 is awaited the next batch is being written; at most one waits. Sinks without prepare are
 * reported after their far side has accepted: steps 2 and 5 in one, at least once. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define WAIT_MAX_MS  1000

/* The writer wakes us by its commit only when something new is stored. */
#define SETTLE_POLL_MS 5

static void set_error(struct delivery *delivery, const char *text)
{
    pthread_mutex_lock(&delivery->lock);
    snprintf(delivery->last_error, sizeof(delivery->last_error), "%.*s",
             (int)sizeof(delivery->last_error) - 1, text);
    pthread_mutex_unlock(&delivery->lock);
}

void fh_delivery_failed(struct delivery *delivery, const struct fh_error *err)
{
    set_error(delivery, err->text);
    if (atomic_exchange(&delivery->healthy, false)) {
        struct fh_log_field fields[] = {{"FH_SINK", delivery->config.name}};
        fh_log_event(LOG_ERR, FH_LOG_SINK_FAILED, fields, 1,
                     "sink %s: %s; trying again, the store keeps the events", delivery->config.name,
                     err->text);
    }
    delivery->retry_ms = delivery->retry_ms == 0 ? RETRY_MIN_MS : delivery->retry_ms * 2;
    if (delivery->retry_ms > RETRY_MAX_MS) {
        delivery->retry_ms = RETRY_MAX_MS;
    }
}

void fh_delivery_ok(struct delivery *delivery)
{
    delivery->retry_ms = 0;
    if (!atomic_exchange(&delivery->healthy, true)) {
        set_error(delivery, "");
        struct fh_log_field fields[] = {{"FH_SINK", delivery->config.name}};
        fh_log_event(LOG_NOTICE, FH_LOG_SINK_RECOVERED, fields, 1, "sink %s works again",
                     delivery->config.name);
    }
}

/* Sleep, but wake for a change of role, a confirmation or the end. */
static void pause_ms(struct delivery *delivery, int64_t ms)
{
    fh_store_wait(delivery->pipeline->store, delivery->ticket, UINT64_MAX,
                  (int)(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS));
}

static void forget_batch(struct delivery *delivery)
{
    delivery->key_count = 0;
    delivery->dirty = false;
}

/* After a sink error: everything of the batch in progress is written again, from the store. What
 * waits for the peer is prepared and not touched. */
static void start_over(struct delivery *delivery, const struct fh_error *err)
{
    fh_delivery_failed(delivery, err);
    struct fh_error again = {""};
    if (delivery->ops->reopen(delivery->sink, &again) < 0) {
        set_error(delivery, again.text);
    }
    forget_batch(delivery);
    delivery->sequence = delivery->batch_start;
    pause_ms(delivery, delivery->retry_ms);
}

static int remember_keys(struct delivery *delivery, const struct fh_store_batch *batch)
{
    uint32_t need = delivery->key_count + batch->count;
    if (need > delivery->key_capacity) {
        uint32_t capacity = delivery->key_capacity ? delivery->key_capacity : 4096;
        while (capacity < need) {
            capacity *= 2;
        }
        struct fh_record_key *keys = realloc(delivery->keys, capacity * sizeof(*keys));
        if (!keys) {
            return -ENOMEM;
        }
        delivery->keys = keys;
        delivery->key_capacity = capacity;
    }
    memcpy(delivery->keys + delivery->key_count, batch->key, batch->count * sizeof(*batch->key));
    delivery->key_count = need;
    return 0;
}

/* Steps 1 and 2. */
static void end_batch(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    struct fh_error err = {""};
    bool two_phase = delivery->ops->prepare != NULL;
    struct command command = {.kind = COMMAND_REPORT_ADD, .delivery = delivery};
    struct fh_report *report = &command.report;
    int r = two_phase ? delivery->ops->prepare(delivery->sink, report->position, &err)
                      : delivery->ops->accept(delivery->sink, report->position, &err);
    if (r < 0) {
        start_over(delivery, &err);
        return;
    }
    fh_delivery_ok(delivery);
    report->epoch = delivery->epoch;
    report->state = two_phase ? FH_REPORT_PREPARED : FH_REPORT_DELIVERED;
    snprintf(report->sink, sizeof(report->sink), "%s", delivery->config.name);
    report->cursor_after = delivery->sequence;
    report->count = delivery->key_count;
    report->keys = delivery->keys; /* now the command's */
    delivery->outstanding = (struct outstanding){.active = true, .count = delivery->key_count};
    memcpy(delivery->outstanding.position, report->position, sizeof(report->position));
    pthread_mutex_lock(&delivery->lock);
    delivery->numbered = false;
    pthread_mutex_unlock(&delivery->lock);
    while (fh_pipeline_command(pipeline, &command) == -ENOMEM) {
        pause_ms(delivery, RETRY_MIN_MS);
    }
    delivery->keys = NULL;
    delivery->key_capacity = 0;
    forget_batch(delivery);
    delivery->batch_start = delivery->sequence;
}

void fh_delivery_numbered(struct delivery *delivery, uint64_t number)
{
    pthread_mutex_lock(&delivery->lock);
    delivery->numbered = true;
    delivery->numbered_as = number;
    pthread_mutex_unlock(&delivery->lock);
    fh_store_wake(delivery->pipeline->store);
}

static bool numbered(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->lock);
    if (delivery->numbered) {
        delivery->outstanding.number = delivery->numbered_as;
    }
    pthread_mutex_unlock(&delivery->lock);
    return delivery->outstanding.number > 0;
}

/* The fence: a primary whose right to act may have ended must not make anything visible. Asked
 * right before each such step. */
static bool fenced(const struct delivery *delivery)
{
    int64_t until = atomic_load(&delivery->pipeline->publish_until_ns);
    return until != 0 && fh_now().ns >= until;
}

/* Step 3: may what waits be published? */
static bool released(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    if (!numbered(delivery) || fenced(delivery)) {
        return false;
    }
    return !pipeline->config.pair.present || !atomic_load(&pipeline->peer_in_sync) ||
           atomic_load(&pipeline->peer_confirmed) >= delivery->outstanding.number;
}

static void count_delivered(struct delivery *delivery)
{
    atomic_fetch_add(&delivery->delivered, delivery->outstanding.count);
    delivery->outstanding.active = false;
}

/* Steps 4 and 5. */
static void publish(struct delivery *delivery)
{
    struct fh_error err = {""};
    if (delivery->ops->prepare &&
        delivery->ops->publish(delivery->sink, delivery->outstanding.position, &err) < 0) {
        fh_delivery_failed(delivery, &err);
        pause_ms(delivery, delivery->retry_ms);
        return;
    }
    if (delivery->ops->prepare) {
        struct command command = {
            .kind = COMMAND_REPORT_FINISH, .number = delivery->outstanding.number, .flag = true};
        while (fh_pipeline_command(delivery->pipeline, &command) == -ENOMEM) {
            pause_ms(delivery, RETRY_MIN_MS);
        }
    }
    count_delivered(delivery);
}

/* One portion of the store into the sink. 1: something was done; 0: nothing is there. */
static int write_some(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    struct fh_store_batch batch;
    struct fh_error err = {""};
    uint64_t next = delivery->sequence;
    if (!delivery->ops->prepare && fenced(delivery)) {
        return 0; /* what such a sink takes is visible at once */
    }
    int r = fh_store_next(pipeline->store, delivery->config.name, &next, &batch, &err);
    if (r == -EPERM) {
        return 0; /* no longer leading; the loop will see it */
    }
    if (r < 0) {
        fh_delivery_failed(delivery, &err);
        pause_ms(delivery, delivery->retry_ms);
        return 1;
    }
    if (r == 0) {
        return 0;
    }
    if (batch.count > 0) {
        struct fh_sink_write write = {.record = batch.record,
                                      .key = batch.key,
                                      .sequence = batch.sequence,
                                      .count = batch.count,
                                      .raw = batch.raw,
                                      .epoch = delivery->epoch};
        r = remember_keys(delivery, &batch);
        r = r < 0 ? fh_error_set(&err, r, "out of memory")
                  : delivery->ops->write(delivery->sink, &write, &err);
        if (r == -EAGAIN) {
            delivery->key_count -= batch.count;
            next = delivery->sequence;
            pause_ms(delivery, 10);
        }
    }
    fh_store_batch_done(pipeline->store, &batch);
    if (r < 0 && r != -EAGAIN) {
        start_over(delivery, &err);
        return 1;
    }
    delivery->dirty = delivery->dirty || batch.count > 0;
    delivery->sequence = next;
    return 1;
}

static void flush_if_dirty(struct delivery *delivery)
{
    struct fh_error err = {""};
    if (!delivery->dirty || !delivery->ops->prepare) {
        return; /* the others let go of theirs by accept */
    }
    if (delivery->ops->flush(delivery->sink, &err) < 0) {
        start_over(delivery, &err);
        return;
    }
    delivery->dirty = false;
}

static int64_t due_in(struct delivery *delivery)
{
    if (delivery->key_count == 0) {
        return -1;
    }
    if (delivery->key_count > FH_REPORT_KEYS_MAX - 8192 ||
        atomic_load(&delivery->pipeline->draining)) {
        return 0;
    }
    return delivery->ops->due_in(delivery->sink, fh_now());
}

static void deliver_once(struct delivery *delivery)
{
    if (delivery->outstanding.active && released(delivery)) {
        publish(delivery);
    }
    int64_t due = due_in(delivery);
    if (due == 0 && !delivery->outstanding.active) {
        flush_if_dirty(delivery);
        if (delivery->key_count > 0) {
            end_batch(delivery);
        }
        return;
    }
    bool full = due == 0; /* must end first, and cannot while one is waiting */
    if (!full && write_some(delivery) > 0) {
        return;
    }
    flush_if_dirty(delivery);
    if (atomic_load(&delivery->pipeline->draining) && delivery->key_count == 0 &&
        !delivery->outstanding.active) {
        atomic_store(&delivery->drained, true);
        fh_delivery_tell(delivery->pipeline);
    }
    int64_t wait = due > 0 && due < WAIT_MAX_MS ? due : WAIT_MAX_MS;
    fh_store_wait(delivery->pipeline->store, delivery->ticket,
                  full ? UINT64_MAX : delivery->sequence, (int)wait);
}

/* Planned hand-over: end the batch, publish it, stop. True when this sink is done. */
static bool hand_over(struct delivery *delivery, int64_t until_ns)
{
    if (delivery->outstanding.active && released(delivery)) {
        publish(delivery);
    }
    if (fh_now().ns >= until_ns) {
        return true; /* what is prepared stays in doubt until the peer has been asked */
    }
    if (delivery->outstanding.active) {
        fh_store_wait(delivery->pipeline->store, delivery->ticket, UINT64_MAX, 20);
        return false;
    }
    if (delivery->key_count == 0) {
        return true;
    }
    flush_if_dirty(delivery);
    if (delivery->key_count > 0) {
        end_batch(delivery);
    }
    return false;
}

/* A new role. Leaving the primary's: what is not prepared is thrown away (the peer delivers it);
 * what is prepared stays in doubt until the peer has said whether it holds the report. */
static void change_role(struct delivery *delivery, uint64_t epoch)
{
    struct fh_error err = {""};
    if (delivery->epoch != 0) {
        const char *keep[1] = {delivery->outstanding.position};
        if (delivery->ops->abandon(delivery->sink, keep, delivery->outstanding.active ? 1 : 0,
                                   &err) < 0) {
            fh_delivery_failed(delivery, &err);
        }
        forget_batch(delivery);
        delivery->outstanding.active = false;
    }
    delivery->epoch = epoch;
    delivery->handed_over = false;
    delivery->sequence = 0;
    delivery->batch_start = 0;
    atomic_store(&delivery->parked, epoch == 0);
}

void fh_delivery_tell(struct fh_pipeline *pipeline)
{
    bool parked = true;
    bool drained = true;
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        parked = parked && atomic_load(&pipeline->delivery[i].parked);
        drained = drained && atomic_load(&pipeline->delivery[i].drained);
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
 * has taken cannot be called back. What waits for the peer has its keys in the store, under a
 * number. True when nothing is held. */
static bool come_to_rest(struct delivery *delivery)
{
    if (delivery->outstanding.active && !numbered(delivery)) {
        fh_store_wait(delivery->pipeline->store, delivery->ticket, UINT64_MAX, 20);
        return false;
    }
    if (delivery->key_count == 0) {
        return true;
    }
    if (!delivery->ops->prepare) {
        if (delivery->outstanding.active) {
            count_delivered(delivery);
        }
        end_batch(delivery);
        return false;
    }
    struct fh_error err = {""};
    const char *keep[1] = {delivery->outstanding.position};
    if (delivery->ops->abandon(delivery->sink, keep, delivery->outstanding.active ? 1 : 0, &err) <
        0) {
        fh_delivery_failed(delivery, &err);
    }
    forget_batch(delivery);
    delivery->sequence = delivery->batch_start;
    return true;
}

static bool open_sink(struct delivery *delivery)
{
    if (delivery->sink) {
        return true;
    }
    struct fh_pipeline *pipeline = delivery->pipeline;
    struct fh_sink_context context = {.node = pipeline->config.node.name,
                                      .state_dir = pipeline->config.node.state_dir};
    struct fh_error err = {""};
    if (delivery->ops->open(&delivery->config, &context, &err, &delivery->sink) < 0) {
        delivery->sink = NULL;
        fh_delivery_failed(delivery, &err);
        return false;
    }
    fh_delivery_ok(delivery);
    return true;
}

static void take_orders(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->lock);
    bool reload = delivery->reload_wanted;
    struct fh_config_sink config = delivery->reload;
    delivery->reload_wanted = false;
    pthread_mutex_unlock(&delivery->lock);
    if (reload && delivery->sink) {
        delivery->ops->reload(delivery->sink, &config);
    }
    fh_delivery_settle(delivery);
}

static void *run(void *userdata)
{
    struct delivery *delivery = userdata;
    struct fh_pipeline *pipeline = delivery->pipeline;
    while (!atomic_load(&pipeline->stopping)) {
        delivery->ticket = fh_store_ticket(pipeline->store);
        if (atomic_load(&pipeline->rest_wanted)) {
            if (come_to_rest(delivery)) {
                atomic_store(&delivery->at_rest, true);
                fh_rekey_tell(pipeline);
                pause_ms(delivery, WAIT_MAX_MS);
            }
            continue;
        }
        atomic_store(&delivery->at_rest, false);
        bool usable = open_sink(delivery);
        take_orders(delivery);
        int64_t hand_over_until = atomic_load(&pipeline->hand_over_until_ns);
        uint64_t epoch = atomic_load(&pipeline->lead_epoch);
        if (hand_over_until != 0 && delivery->epoch != 0) {
            if (!hand_over(delivery, hand_over_until)) {
                continue;
            }
            change_role(delivery, 0);
            delivery->handed_over = true;
        }
        if (hand_over_until != 0 && delivery->handed_over) {
            epoch = 0; /* the others are still at it */
        }
        if (usable && epoch != delivery->epoch) {
            change_role(delivery, epoch);
            continue;
        }
        if (usable && epoch != 0) {
            if (fh_delivery_settled(delivery)) {
                deliver_once(delivery);
            } else {
                pause_ms(delivery, SETTLE_POLL_MS);
            }
            continue;
        }
        if (atomic_load(&pipeline->draining)) {
            atomic_store(&delivery->drained, true);
        }
        atomic_store(&delivery->parked, epoch == 0);
        fh_delivery_tell(pipeline);
        pause_ms(delivery, usable ? WAIT_MAX_MS : delivery->retry_ms);
    }
    return NULL;
}

int fh_delivery_start(struct fh_pipeline *pipeline, size_t index, struct fh_error *err)
{
    struct delivery *delivery = &pipeline->delivery[index];
    delivery->pipeline = pipeline;
    delivery->config = pipeline->config.sinks[index];
    delivery->ops = fh_sink_for(&delivery->config);
    if (!delivery->ops) {
        return fh_error_set(err, -EINVAL, "sink %s: there is no sink type \"%s\"",
                            delivery->config.name, delivery->config.type);
    }
    delivery->ops->promise(&delivery->config, delivery->promise, sizeof(delivery->promise));
    pthread_mutex_init(&delivery->lock, NULL);
    atomic_store(&delivery->healthy, true);
    atomic_store(&delivery->parked, true);
    int r = pthread_create(&delivery->thread, NULL, run, delivery);
    if (r != 0) {
        return fh_error_set(err, -r, "cannot start a thread for sink %s", delivery->config.name);
    }
    delivery->started = true;
    return 0;
}

void fh_delivery_join(struct delivery *delivery)
{
    if (delivery->started) {
        pthread_join(delivery->thread, NULL);
        if (delivery->sink) {
            delivery->ops->close(delivery->sink);
        }
        free(delivery->keys);
        pthread_mutex_destroy(&delivery->lock);
    }
}
