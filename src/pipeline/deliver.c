/* deliver.c: the steps of a batch, on the thread of its sink. Reads undelivered records from the
 * store, writes them to the sink, ends batches, reports them. Never decides about roles.
 *
 * Sinks of two phases (prepare, publish); each step is durable before the next:
 *   1. prepare    the sink has the batch, durable and invisible
 *   2. report     the writer numbers and stores the report (PREPARED) and has it sent
 *   3. confirmed  the peer holds the report - or there is no peer in step with us
 *   4. publish    the sink makes it visible
 *   5. finish     the report becomes DELIVERED and the cursor moves
 * While 3 is awaited the next batch is being written; at most one waits.
 *
 * Sinks of one phase (accept):
 *   1. accept     the far side has taken the batch. As long as it says "not yet" (-EAGAIN) the
 *                 batch stays where it is, and nothing more is written
 *   2. report     the writer numbers and stores the report (DELIVERED), moves the cursor and has it
 *                 sent
 *   3. confirmed  the peer holds it - or there is no peer in step with us. Nothing of this batch
 *                 depends on that any more; but the next batch is not ended before, so that what a
 *                 successor does not know of is never more than two batches
 *
 * What keeps a zombie quiet, a node that stood still and goes on although another one leads by now?
 * Everything rests on the fence (fh_delivery_fenced): an instant beyond which this node has no
 * right to act, and the epoch in force. It is asked here before a step, and by the sinks right
 * before each outward step of their own. Left is the one step that was begun before the node stood
 * still:
 *
 *   - Two phases: publish comes after the peer's confirmation. The peer counts a confirmed batch as
 *     delivered by this node and does not deliver it; an unconfirmed one is published only by a
 *     node that is alone by right (the fence). So a rename that ends late shows nothing twice.
 *   - One phase, the far side can be asked (recover): the successor's lead() shuts the zombie out
 *     at the far side, or the far side itself drops what it has seen; the successor then asks what
 *     arrived, so what came before it was shut out is known. Nothing twice. A zombie that leads the
 *     far side once more in that one step shuts out the successor: that one gets an error, leads
 *     again and asks again before it writes the next record.
 *   - One phase, it cannot be asked: the step may arrive beside the successor's: at least once, as
 *     promised. Each message carries key and epoch, by which the far side can tell. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define WAIT_MAX_MS  1000

/* A far side that says "not yet" for so long is ill. */
#define STALL_MS       5000
#define STALL_PAUSE_MS 20
#define ILL_PAUSE_MS   200

/* A batch of which the sink has nothing ends after this time. */
#define EMPTY_MS 1000

/* ---- how the sink does ---------------------------------------------------------------------- */

static void set_error(struct delivery *delivery, const char *text)
{
    pthread_mutex_lock(&delivery->lock);
    snprintf(delivery->last_error, sizeof(delivery->last_error), "%.*s",
             (int)sizeof(delivery->last_error) - 1, text);
    pthread_mutex_unlock(&delivery->lock);
}

static void tell_ill(struct delivery *delivery, const char *text)
{
    set_error(delivery, text);
    if (atomic_exchange(&delivery->healthy, false)) {
        struct fh_log_field fields[] = {{"FIREHOSED_SINK", delivery->config.name}};
        fh_log_event(LOG_ERR, FH_LOG_SINK_FAILED, fields, 1,
                     "sink %s: %s; trying again, the store keeps the events", delivery->config.name,
                     text);
    }
}

void fh_delivery_failed(struct delivery *delivery, const struct fh_error *err)
{
    atomic_fetch_add(&delivery->failures, 1);
    tell_ill(delivery, err->text);
    delivery->retry_ms = delivery->retry_ms == 0 ? RETRY_MIN_MS : delivery->retry_ms * 2;
    if (delivery->retry_ms > RETRY_MAX_MS) {
        delivery->retry_ms = RETRY_MAX_MS;
    }
}

void fh_delivery_ok(struct delivery *delivery)
{
    delivery->retry_ms = 0;
    delivery->stalled_since = (struct fh_time){0};
    if (!atomic_exchange(&delivery->healthy, true)) {
        set_error(delivery, "");
        struct fh_log_field fields[] = {{"FIREHOSED_SINK", delivery->config.name}};
        fh_log_event(LOG_NOTICE, FH_LOG_SINK_RECOVERED, fields, 1, "sink %s works again",
                     delivery->config.name);
    }
}

void fh_delivery_forget(struct delivery *delivery)
{
    delivery->retry_ms = 0;
    if (delivery->sink && !atomic_load(&delivery->healthy)) {
        atomic_store(&delivery->failed_at_ns, fh_now().ns);
        atomic_store(&delivery->healthy, true);
        set_error(delivery, "");
        fh_log(LOG_NOTICE,
               "sink %s did not work as this node stopped to lead; whether it works now is seen by "
               "who leads",
               delivery->config.name);
    }
}

bool fh_delivery_suspect(const struct delivery *delivery)
{
    int64_t failed_at_ns = atomic_load(&delivery->failed_at_ns);
    int64_t damping_ms = delivery->pipeline->config.pair.damping_ms;
    return failed_at_ns != 0 &&
           fh_time_before(fh_now(), fh_time_add_ms((struct fh_time){failed_at_ns}, damping_ms));
}

void fh_delivery_stalled(struct delivery *delivery, const struct fh_error *err)
{
    struct fh_time now = fh_now();
    if (!fh_time_is_set(delivery->stalled_since)) {
        delivery->stalled_since = now;
    }
    bool ill = fh_time_diff_ms(now, delivery->stalled_since) >= STALL_MS;
    if (ill) {
        if (atomic_load(&delivery->healthy)) {
            atomic_fetch_add(&delivery->failures, 1);
        }
        tell_ill(delivery, err->text[0] ? err->text : "the far side does not take what it is sent");
    }
    fh_delivery_pause(delivery, ill ? ILL_PAUSE_MS : STALL_PAUSE_MS);
}

/* ---- questions to the writer ------------------------------------------------------------------
 */

void fh_delivery_ask(struct delivery *delivery, struct command *command)
{
    pthread_mutex_lock(&delivery->lock);
    delivery->numbered = false;
    command->token = ++delivery->asked;
    pthread_mutex_unlock(&delivery->lock);
    command->delivery = delivery;
    while (fh_pipeline_command(delivery->pipeline, command) == -ENOMEM) {
        fh_delivery_pause(delivery, RETRY_MIN_MS);
    }
}

void fh_delivery_numbered(struct delivery *delivery, uint64_t token, uint64_t number)
{
    pthread_mutex_lock(&delivery->lock);
    if (token == delivery->asked) { /* else a change of role has come between */
        delivery->numbered = true;
        delivery->numbered_as = number;
    }
    pthread_mutex_unlock(&delivery->lock);
    fh_store_wake(delivery->pipeline->store);
}

bool fh_delivery_answered(struct delivery *delivery, uint64_t *ret_number)
{
    pthread_mutex_lock(&delivery->lock);
    bool answered = delivery->numbered;
    if (answered) {
        *ret_number = delivery->numbered_as;
    }
    pthread_mutex_unlock(&delivery->lock);
    return answered;
}

bool fh_delivery_has_number(struct delivery *delivery)
{
    return delivery->outstanding.number > 0 ||
           fh_delivery_answered(delivery, &delivery->outstanding.number);
}

/* ---- the batch in progress --------------------------------------------------------------------
 */

void fh_delivery_forget_batch(struct delivery *delivery)
{
    delivery->key_count = 0;
    delivery->written = 0;
    delivery->arrived.count = 0;
    delivery->dirty = false;
    delivery->ended = false;
}

void fh_delivery_abandon(struct delivery *delivery)
{
    struct fh_error err = {""};
    const char *keep[1] = {delivery->outstanding.position};
    size_t kept = delivery->outstanding.active && delivery->outstanding.prepared ? 1 : 0;
    if (delivery->ops->abandon && delivery->ops->abandon(delivery->sink, keep, kept, &err) < 0) {
        fh_delivery_failed(delivery, &err);
    }
    fh_delivery_forget_batch(delivery);
    delivery->sequence = delivery->batch_start;
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
    fh_delivery_forget_batch(delivery);
    delivery->sequence = delivery->batch_start;
    fh_delivery_doubt_far_side(delivery);
    fh_delivery_pause(delivery, delivery->retry_ms);
}

static int remember_keys(struct delivery *delivery, const struct fh_record_key *batch_keys,
                         uint32_t count)
{
    uint32_t need = delivery->key_count + count;
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
    if (delivery->key_count == 0) {
        delivery->begun = fh_now();
    }
    memcpy(delivery->keys + delivery->key_count, batch_keys, count * sizeof(*batch_keys));
    delivery->key_count = need;
    return 0;
}

/* ---- the end of a batch -----------------------------------------------------------------------
 */

/* 0: the far side has all of it. -EAGAIN: not yet, the batch stays. */
static int accept_batch(struct delivery *delivery, char position[FH_SINK_POSITION_MAX])
{
    struct fh_error err = {""};
    if (fh_delivery_fenced(delivery)) {
        fh_delivery_pause(delivery, WAIT_MAX_MS); /* woken when the fence is moved on */
        return -EAGAIN;
    }
    int r = delivery->ops->accept(delivery->sink, position, &err);
    delivery->ended = r == -EAGAIN;
    if (r == -EAGAIN) {
        fh_delivery_stalled(delivery, &err);
    } else if (r < 0) {
        start_over(delivery, &err);
    }
    return r;
}

static int prepare_batch(struct delivery *delivery, char position[FH_SINK_POSITION_MAX])
{
    struct fh_error err = {""};
    int r = delivery->ops->prepare(delivery->sink, position, &err);
    if (r < 0) {
        start_over(delivery, &err);
    }
    return r;
}

/* The batch becomes a report: to the writer, and from there to the peer. */
static void report_batch(struct delivery *delivery, const char *position, bool prepared)
{
    struct command command = {.kind = COMMAND_REPORT_ADD};
    struct fh_report *report = &command.report;
    report->epoch = atomic_load(&delivery->epoch);
    report->state = prepared ? FH_REPORT_PREPARED : FH_REPORT_DELIVERED;
    snprintf(report->sink, sizeof(report->sink), "%s", delivery->config.name);
    memcpy(report->position, position, sizeof(report->position));
    report->cursor_after = delivery->sequence;
    report->count = delivery->key_count;
    report->keys = delivery->keys; /* now the command's */
    delivery->outstanding =
        (struct outstanding){.active = true,
                             .prepared = prepared,
                             .count = delivery->written,
                             .filtered = delivery->key_count - delivery->written,
                             .arrived = delivery->arrived};
    memcpy(delivery->outstanding.position, position, sizeof(report->position));
    fh_delivery_ask(delivery, &command);
    delivery->keys = NULL;
    delivery->key_capacity = 0;
    fh_delivery_forget_batch(delivery);
    delivery->batch_start = delivery->sequence;
}

/* What the far side refused counts as delivered from now on: it must not be lost any more. */
static int keep_refused(struct delivery *delivery)
{
    struct fh_error err = {""};
    int r = fh_dead_letters_sync(delivery->letters, &err);
    if (r < 0) {
        start_over(delivery, &err);
    }
    return r;
}

void fh_delivery_end_batch(struct delivery *delivery)
{
    char position[FH_SINK_POSITION_MAX] = "";
    bool two_phase = delivery->ops->prepare != NULL;
    if (delivery->written == 0) { /* none of it concerned this sink: nothing to wait for */
        report_batch(delivery, position, false);
        return;
    }
    int r = two_phase ? prepare_batch(delivery, position) : accept_batch(delivery, position);
    if (r == 0 && keep_refused(delivery) == 0) {
        fh_delivery_ok(delivery);
        report_batch(delivery, position, two_phase);
    }
}

/* Step 3: is the outstanding report held by whoever must hold it? */
static bool released(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    if (!fh_delivery_has_number(delivery) || fh_delivery_fenced(delivery)) {
        return false;
    }
    return !pipeline->config.pair.present || !atomic_load(&pipeline->peer_in_sync) ||
           atomic_load(&pipeline->peer_confirmed) >= delivery->outstanding.number;
}

void fh_delivery_count(struct delivery *delivery)
{
    atomic_fetch_add(&delivery->delivered, delivery->outstanding.count);
    atomic_fetch_add(&delivery->filtered, delivery->outstanding.filtered);
    fh_latency_delivered(&delivery->latency, &delivery->outstanding.arrived, fh_now());
    delivery->outstanding.active = false;
}

void fh_delivery_release(struct delivery *delivery)
{
    struct fh_error err = {""};
    if (!delivery->outstanding.active || !released(delivery)) {
        return;
    }
    if (delivery->outstanding.prepared) {
        if (delivery->ops->publish(delivery->sink, delivery->outstanding.position, &err) < 0) {
            fh_delivery_failed(delivery, &err);
            fh_delivery_pause(delivery, delivery->retry_ms);
            return;
        }
        struct command command = {
            .kind = COMMAND_REPORT_FINISH, .number = delivery->outstanding.number, .flag = true};
        while (fh_pipeline_command(delivery->pipeline, &command) == -ENOMEM) {
            fh_delivery_pause(delivery, RETRY_MIN_MS);
        }
    }
    fh_delivery_count(delivery);
}

/* ---- from the store to the sink ---------------------------------------------------------------
 */

/* As much of the batch as fits into one write, in the sink's shape: the sink takes all of it or
 * none. Behind it the next portion begins, at *inout_next. */
static int give_to_sink(struct delivery *delivery, const struct fh_store_batch *batch,
                        uint64_t *inout_next, struct fh_error *err)
{
    struct fh_sink_write write;
    int64_t looked_at =
        fh_shape_apply(delivery->shape, batch, atomic_load(&delivery->epoch), &write, err);
    if (looked_at < 0) {
        return (int)looked_at;
    }
    uint32_t count = (uint32_t)looked_at;
    int r = remember_keys(delivery, batch->key, count);
    if (r < 0) {
        return fh_error_set(err, r, "out of memory");
    }
    r = write.count == 0 ? 0 : delivery->ops->write(delivery->sink, &write, err);
    if (r < 0) {
        delivery->key_count -= count;
        return r;
    }
    if (count < batch->count) {
        *inout_next = batch->sequence[count];
    }
    delivery->written += write.count;
    if (write.count > 0) {
        fh_latency_runs_add(&delivery->arrived,
                            fh_arrivals_at(&delivery->pipeline->arrivals, batch->sequence[0]),
                            write.count);
    }
    delivery->dirty = delivery->dirty || write.count > 0;
    return 0;
}

/* One portion of the store into the sink. 1: something was done; 0: nothing is there; -EAGAIN:
 * something may be there, and it is not the time to write it. */
static int write_some(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    struct fh_store_batch batch;
    struct fh_error err = {""};
    uint64_t next = delivery->sequence;
    if (!delivery->ops->prepare && fh_delivery_fenced(delivery)) {
        return -EAGAIN; /* what such a sink takes may be visible at once */
    }
    int r = fh_store_next(pipeline->store, delivery->config.name, &next, &batch, &err);
    if (r == -EPERM) {
        return -EAGAIN; /* no longer leading; the loop will see it */
    }
    if (r < 0) {
        fh_delivery_failed(delivery, &err);
        fh_delivery_pause(delivery, delivery->retry_ms);
        return 1;
    }
    if (r == 0) {
        struct fh_store_state state;
        fh_store_state(pipeline->store, &state);
        atomic_store(&delivery->reached, state.next_sequence);
        return 0;
    }
    r = batch.count > 0 ? give_to_sink(delivery, &batch, &next, &err) : 0;
    fh_store_batch_done(pipeline->store, &batch);
    if (r == -EAGAIN) {
        fh_delivery_stalled(delivery, &err);
        return 1;
    }
    if (r < 0) {
        start_over(delivery, &err);
        return 1;
    }
    delivery->sequence = next;
    atomic_store(&delivery->reached, next);
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
    if (delivery->ended || delivery->key_count > FH_REPORT_KEYS_MAX - 8192 ||
        atomic_load(&delivery->pipeline->draining)) {
        return 0;
    }
    if (delivery->written == 0) {
        int64_t left = EMPTY_MS - fh_time_diff_ms(fh_now(), delivery->begun);
        return left > 0 ? left : 0;
    }
    return delivery->ops->due_in(delivery->sink, fh_now());
}

void fh_delivery_turn(struct delivery *delivery)
{
    fh_delivery_release(delivery);
    int64_t due = due_in(delivery);
    if (due == 0 && !delivery->outstanding.active) {
        flush_if_dirty(delivery);
        if (delivery->key_count > 0) {
            fh_delivery_end_batch(delivery);
        }
        return;
    }
    /* A batch that is due must end first, and cannot while one is outstanding. */
    int r = due == 0 ? -EAGAIN : write_some(delivery);
    if (r > 0) {
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
                  r == -EAGAIN ? UINT64_MAX : delivery->sequence, (int)wait);
}
