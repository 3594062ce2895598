/* rows.c: metrics with labels or values of their own. Pure. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

void rows_build(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct label labels[] = {{"version", FH_VERSION}};
    (void)snapshot;
    write_u64(writer, "", labels, FH_ARRAY_LEN(labels), 1);
}

void rows_node(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct label labels[] = {{"node", snapshot->node},
                                   {"peer", snapshot->peer_node},
                                   {"channel", snapshot->channel},
                                   {"paired", snapshot->paired ? "true" : "false"}};
    write_u64(writer, "", labels, FH_ARRAY_LEN(labels), 1);
}

void rows_role(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (unsigned role = 0; role < FH_ROLE_COUNT; role++) {
        const struct label label = {"firehosed_role", fh_role_name((enum fh_role)role)};
        write_u64(writer, "", &label, 1, snapshot->ha.role == role);
    }
}

/* Nothing while it is not heard: what it was then says nothing of who leads now. */
void rows_peer_role(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (unsigned role = 0; role < FH_ROLE_COUNT && snapshot->ha.peer.reachable; role++) {
        const struct label label = {"firehosed_peer_role", fh_role_name((enum fh_role)role)};
        write_u64(writer, "", &label, 1, snapshot->ha.peer.role == role);
    }
}

void rows_promotions(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (unsigned i = 0; i < FH_PROMOTION_COUNT; i++) {
        const struct label label = {"reason", fh_promotion_name((enum fh_promotion)i)};
        write_u64(writer, "", &label, 1, snapshot->ha.promoted[i]);
    }
}

/* A name that is none, or is the one of the sum, counts in the sum: two rows of one name would make
 * the whole answer invalid. */
static bool has_good_name(const struct fh_pipeline_type *type)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:";
    size_t len = strlen(type->name);
    return len > 0 && strspn(type->name, good) == len && strcmp(type->name, "other") != 0;
}

void rows_types(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct fh_pipeline_types *types = &snapshot->pipeline.types;
    uint64_t other = types->other;
    for (size_t i = 0; i < types->count; i++) {
        const struct fh_pipeline_type *type = &types->type[i];
        const struct label label = {"type", type->name};
        if (has_good_name(type)) {
            write_u64(writer, "", &label, 1, type->received);
        } else {
            other += type->received;
        }
    }
    const struct label label = {"type", "other"};
    write_u64(writer, "", &label, 1, other);
}

/* One sample of a metric whose one label has fixed values. */
struct row {
    const char *name;
    uint64_t value;
};

static void write_rows(struct writer *writer, const char *label, const struct row *rows,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct label value = {label, rows[i].name};
        write_u64(writer, "", &value, 1, rows[i].value);
    }
}

void rows_outcomes(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct fh_pipeline_counters *counters = &snapshot->pipeline.counters;
    const struct row rows[] = {
        {"received", counters->received},   {"duplicate", counters->duplicates},
        {"late", counters->late},           {"quarantined", counters->quarantined},
        {"delivered", counters->delivered}, {"doubled", counters->doubled},
    };
    write_rows(writer, "outcome", rows, FH_ARRAY_LEN(rows));
}

void rows_replays(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct fh_pipeline_replays *replays = &snapshot->pipeline.replays;
    const struct row rows[] = {
        {"done", replays->done}, {"cancelled", replays->cancelled}, {"failed", replays->failed}};
    write_rows(writer, "result", rows, FH_ARRAY_LEN(rows));
}

void rows_replay_outcomes(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct fh_pipeline_replays *replays = &snapshot->pipeline.replays;
    const struct row rows[] = {{"delivered", replays->delivered},
                               {"filtered", replays->filtered},
                               {"refused", replays->refused},
                               {"dropped", replays->dropped}};
    write_rows(writer, "outcome", rows, FH_ARRAY_LEN(rows));
}

static void write_points(struct writer *writer, const char *point,
                         const struct fh_checkpoint *checkpoint)
{
    for (unsigned p = 1; p <= FH_PARTITIONS; p++) {
        char partition[8];
        snprintf(partition, sizeof(partition), "%u", p);
        const struct label labels[] = {{"partition", partition}, {"point", point}};
        if (checkpoint->partition_ms[p - 1] > 0) {
            write_scaled(writer, "", labels, FH_ARRAY_LEN(labels), checkpoint->partition_ms[p - 1],
                         3);
        }
    }
}

void rows_checkpoint(struct writer *writer, const struct fh_snapshot *snapshot)
{
    write_points(writer, "received", &snapshot->pipeline.store.received);
    write_points(writer, "delivered", &snapshot->pipeline.store.delivered);
}

void rows_receiver_state(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pipeline.receiver_count; i++) {
        const struct fh_receiver_status *source = &snapshot->pipeline.receiver[i].source;
        char range[16];
        fh_range_text(source->range, range, sizeof(range));
        for (unsigned state = 0; state < FH_RECEIVER_STATE_COUNT; state++) {
            const struct label labels[] = {{"receiver", range},
                                           {"firehosed_receiver_state",
                                            fh_receiver_state_name((enum fh_receiver_state)state)}};
            write_u64(writer, "", labels, FH_ARRAY_LEN(labels), source->state == state);
        }
    }
}

void rows_receiver_lag(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pipeline.receiver_count; i++) {
        const struct fh_pipeline_receiver *receiver = &snapshot->pipeline.receiver[i];
        char range[16];
        const struct label label = {"receiver",
                                    fh_range_text(receiver->source.range, range, sizeof(range))};
        int64_t lag = snapshot->wall_ms - receiver->last_timestamp_ms;
        if (receiver->last_timestamp_ms > 0) { /* the clocks are two: not below 0 */
            write_scaled(writer, "", &label, 1, lag > 0 ? lag : 0, 3);
        }
    }
}

void rows_sink_info(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pipeline.sink_count; i++) {
        const struct fh_pipeline_sink *sink = &snapshot->pipeline.sink[i];
        const struct label labels[] = {{"sink", sink->name},
                                       {"type", sink->type},
                                       {"required", sink->required ? "true" : "false"}};
        write_u64(writer, "", labels, FH_ARRAY_LEN(labels), 1);
    }
}

/* Seconds without needless zeros, as Prometheus prints them: 0.005, 1.0, 300.0. */
static void bound_text(uint32_t ms, char *text, size_t size)
{
    int len = snprintf(text, size, "%u.%03u", ms / 1000, ms % 1000);
    while (len > 3 && text[len - 1] == '0' && text[len - 2] != '.') {
        text[--len] = '\0';
    }
}

static void write_latency(struct writer *writer, const struct fh_pipeline_sink *sink)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= FH_LATENCY_BOUNDS; i++) {
        char bound[24] = "+Inf";
        const struct label labels[] = {{"sink", sink->name}, {"le", bound}};
        if (i < FH_LATENCY_BOUNDS) {
            bound_text(fh_latency_bound_ms(i), bound, sizeof(bound));
        }
        sum += sink->latency.count[i];
        write_u64(writer, "_bucket", labels, FH_ARRAY_LEN(labels), sum);
    }
    const struct label label = {"sink", sink->name};
    write_scaled(writer, "_sum", &label, 1, (int64_t)sink->latency.sum_us, 6);
    write_u64(writer, "_count", &label, 1, sum);
}

void rows_sink_latency(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pipeline.sink_count; i++) {
        write_latency(writer, &snapshot->pipeline.sink[i]);
    }
}

void rows_store_events(struct writer *writer, const struct fh_snapshot *snapshot)
{
    const struct fh_store_state *store = &snapshot->pipeline.store;
    write_u64(writer, "", NULL, 0, store->next_sequence - store->first_sequence);
}

void rows_match(struct writer *writer, const struct fh_snapshot *snapshot)
{
    if (snapshot->ha.replica_match.known) {
        write_scaled(writer, "", NULL, 0, snapshot->ha.replica_match.per_mille, 3);
    }
}
