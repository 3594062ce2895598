/* lead.c: what comes before the first batch of an epoch. The far side is led (shut out whoever did
 * before), and then asked what it holds although nobody reported it: such records are marked as
 * delivered, durably, and told to the peer, before anything is written. Runs on the sink's thread:
 * the node's taking of its role never waits for it. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_MS 1000

/* What the far side holds goes to the writer in portions of so many keys. */
#define PORTION_KEYS 16384

/* The clocks that stamp the events and those of the far side need not agree. */
#define SINCE_MARGIN_MS 60000

struct finding {
    struct delivery *delivery;
    struct fh_record_key *keys; /* PORTION_KEYS of room, or NULL */
    uint32_t count;
};

/* ---- from when on -----------------------------------------------------------------------------
 */

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What this receiver may still bring that was delivered before: it resumes behind what is stored,
 * or, after a promotion, behind what both nodes know as delivered. INT64_MAX: nothing yet. */
static int64_t may_come_again(const struct intake *intake, const struct fh_checkpoint *delivered,
                              int64_t overlap_min_ms)
{
    int64_t since = INT64_MAX;
    int64_t high = atomic_load(&intake->high_ms);
    int64_t resume = atomic_load(&intake->resume_ms);
    int64_t ordered = atomic_load(&intake->override_ms);
    int64_t overlap = overlap_min_ms;
    if (high > 0) {
        since = resume;
        overlap = high - resume > overlap ? high - resume : overlap;
    }
    int64_t from = fh_checkpoint_of_range(delivered, intake->range);
    since = from > 0 ? lower(since, from - overlap) : since;
    return ordered > 0 ? lower(since, ordered) : since;
}

/* The same for a partition that nobody reads at the moment, because the partitions are being split
 * anew: its next receiver goes on from the checkpoint, minus an overlap that is known only then and
 * is at most the replay window. */
static int64_t may_come_later(const struct fh_store_state *state, unsigned partition,
                              int64_t overlap_max_ms)
{
    int64_t since = INT64_MAX;
    int64_t received = state->received.partition_ms[partition - 1];
    int64_t delivered = state->delivered.partition_ms[partition - 1];
    since = received > 0 ? lower(since, received - overlap_max_ms) : since;
    return delivered > 0 ? lower(since, delivered - overlap_max_ms) : since;
}

static unsigned partitions_of(struct fh_range range)
{
    unsigned partitions = 0;
    for (unsigned p = range.first; p >= 1 && p <= range.last && p <= FH_PARTITIONS; p++) {
        partitions |= 1U << p;
    }
    return partitions;
}

/* Which partitions are read here does not change while the daemon runs, only by how many. */
static unsigned all_partitions(const struct fh_config_firehose *config)
{
    unsigned partitions = 0;
    for (size_t i = 0; i < config->ranges.count; i++) {
        partitions |= partitions_of(config->ranges.range[i]);
    }
    return partitions;
}

/* The oldest timestamp that may be delivered again; INT64_MAX when nothing was ever received. */
static int64_t oldest_open(struct delivery *delivery, struct fh_store_last *ret_last)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    if (fh_store_last(pipeline->store, delivery->config.name, ret_last) < 0) {
        *ret_last = (struct fh_store_last){.oldest_ms = INT64_MAX};
    }
    const struct fh_config_firehose *config = &pipeline->config.firehose;
    unsigned unread = all_partitions(config);
    int64_t since = ret_last->oldest_ms;
    for (struct intake *intake = NULL; (intake = fh_intake_next(pipeline, intake));) {
        since = lower(since, may_come_again(intake, &state.delivered, config->overlap_min_ms));
        unread &= ~partitions_of(intake->range);
    }
    for (unsigned p = 1; p <= FH_PARTITIONS; p++) {
        if (unread & 1U << p) {
            since = lower(since, may_come_later(&state, p, config->replay_window_ms));
        }
    }
    return since;
}

/* ---- what is found ----------------------------------------------------------------------------
 */

/* A portion to the writer, and wait until it is durable. */
static int tell(struct finding *finding)
{
    struct delivery *delivery = finding->delivery;
    struct command command = {.kind = COMMAND_FOUND};
    uint64_t number = 0;
    if (finding->count == 0) {
        return 0;
    }
    command.report.epoch = atomic_load(&delivery->epoch);
    memcpy(command.report.sink, delivery->config.name, sizeof(command.report.sink));
    command.report.count = finding->count;
    command.report.keys = finding->keys; /* now the command's */
    finding->keys = NULL;
    finding->count = 0;
    fh_delivery_ask(delivery, &command);
    for (;;) {
        delivery->ticket = fh_store_ticket(delivery->pipeline->store);
        if (fh_delivery_answered(delivery, &number)) {
            return 0;
        }
        if (!fh_delivery_in_force(delivery)) {
            return -ECANCELED;
        }
        fh_delivery_pause(delivery, WAIT_MAX_MS);
    }
}

static int found(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct finding *finding = userdata;
    struct delivery *delivery = finding->delivery;
    while (count > 0) {
        if (!fh_delivery_in_force(delivery) || atomic_load(&delivery->pipeline->rest_wanted)) {
            return -ECANCELED;
        }
        if (!finding->keys) {
            finding->keys = malloc(PORTION_KEYS * sizeof(*keys));
        }
        if (!finding->keys) {
            return -ENOMEM;
        }
        size_t some = PORTION_KEYS - finding->count;
        some = some < count ? some : count;
        memcpy(finding->keys + finding->count, keys, some * sizeof(*keys));
        finding->count += (uint32_t)some;
        keys += some;
        count -= some;
        int r = finding->count == PORTION_KEYS ? tell(finding) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* ---- the steps --------------------------------------------------------------------------------
 */

static void try_again(struct delivery *delivery, const struct fh_error *err)
{
    fh_delivery_failed(delivery, err);
    fh_delivery_pause(delivery, delivery->retry_ms);
}

static void lead(struct delivery *delivery)
{
    struct fh_error err = {""};
    if (fh_delivery_fenced(delivery)) {
        fh_delivery_pause(delivery, WAIT_MAX_MS); /* woken when the fence is moved on */
        return;
    }
    if (delivery->ops->lead &&
        delivery->ops->lead(delivery->sink, atomic_load(&delivery->epoch), &err) < 0) {
        try_again(delivery, &err);
        return;
    }
    delivery->stage = delivery->ops->recover ? STAGE_RECOVER : STAGE_WRITE;
    if (delivery->ops->lead && delivery->stage == STAGE_WRITE) {
        fh_delivery_ok(delivery);
    }
}

static void tell_found(struct delivery *delivery)
{
    uint64_t count = atomic_exchange(&delivery->found, 0);
    if (count > 0) {
        struct fh_log_field fields[] = {{"FIREHOSED_SINK", delivery->config.name}};
        fh_log_event(LOG_NOTICE, FH_LOG_SINK_FOUND, fields, 1,
                     "sink %s: its far side holds %" PRIu64
                     " events that nobody had reported; they are not delivered again",
                     delivery->config.name, count);
    }
}

static void recover(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    struct fh_error err = {""};
    struct fh_store_last last;
    struct finding finding = {.delivery = delivery};
    int64_t since = oldest_open(delivery, &last);
    if (since == INT64_MAX && last.position[0] == '\0') {
        /* Nothing was ever received, so nothing can be written, and from when on to ask is not
         * known before something comes. */
        struct fh_store_state state;
        fh_store_state(pipeline->store, &state);
        fh_store_wait(pipeline->store, delivery->ticket, state.next_sequence, WAIT_MAX_MS);
        return;
    }
    since = since == INT64_MAX || since <= SINCE_MARGIN_MS ? 0 : since - SINCE_MARGIN_MS;
    int r = delivery->ops->recover(delivery->sink, last.position, since, found, &finding, &err);
    r = r < 0 ? r : tell(&finding);
    free(finding.keys);
    if (!fh_delivery_in_force(delivery) || atomic_load(&pipeline->rest_wanted)) {
        return; /* begun anew, if this node delivers on */
    }
    if (r < 0) {
        if (err.text[0] == '\0') {
            fh_error_set(&err, r, "cannot find out what the far side holds");
        }
        try_again(delivery, &err);
        return;
    }
    fh_delivery_ok(delivery);
    tell_found(delivery);
    delivery->sequence = 0; /* the cursor may have moved on */
    delivery->batch_start = 0;
    delivery->stage = STAGE_WRITE;
}

void fh_delivery_doubt_far_side(struct delivery *delivery)
{
    if (delivery->ops->recover) {
        delivery->stage = STAGE_LEAD;
    }
}

bool fh_delivery_ready(struct delivery *delivery)
{
    if (delivery->stage == STAGE_LEAD) {
        lead(delivery);
    }
    if (delivery->stage == STAGE_RECOVER) {
        recover(delivery);
    }
    return delivery->stage == STAGE_WRITE;
}
