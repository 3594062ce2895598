/* show_pair.c: the events "pair", "history" and "sample": this node and its peer as one object, and
 * the graphs. Says nothing that status does not say; no secret is in a snapshot. */
#include "show.h"

#include "fh/sink.h"

#include <stdio.h>
#include <string.h>

/* The clocks are two: the service's and ours. Never below 0; -1: nothing received yet. */
static int64_t age(const struct fh_snapshot *snapshot, int64_t stamp_ms)
{
    int64_t age_ms = snapshot->wall_ms - stamp_ms;
    return stamp_ms <= 0 ? -1 : age_ms > 0 ? age_ms : 0;
}

/* That of the receiver furthest behind. */
static int64_t lag(const struct fh_snapshot *snapshot)
{
    int64_t longest = -1;
    for (size_t i = 0; i < snapshot->pipeline.receiver_count; i++) {
        int64_t own = age(snapshot, snapshot->pipeline.receiver[i].last_timestamp_ms);
        longest = own > longest ? own : longest;
    }
    return longest;
}

static uint64_t pending(const struct fh_snapshot *snapshot)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < snapshot->pipeline.sink_count; i++) {
        sum += snapshot->pipeline.sink[i].pending;
    }
    return sum;
}

void show_reading(const struct fh_snapshot *snapshot, struct graph_reading *ret)
{
    *ret = (struct graph_reading){
        .received = snapshot->pipeline.counters.received,
        .delivered = snapshot->pipeline.counters.delivered,
        .lag_ms = lag(snapshot),
        .pending = pending(snapshot),
    };
}

static void show_nodes(struct text *text, const struct fh_snapshot *snapshot)
{
    const struct fh_ha_status *ha = &snapshot->ha;
    text_open(text, "nodes", '[');
    text_open(text, NULL, '{');
    text_string(text, "node", snapshot->node);
    text_bool(text, "self", true);
    text_bool(text, "reachable", true);
    text_string(text, "role", fh_role_name(ha->role));
    text_count(text, "epoch", ha->epoch);
    text_bool(text, "ready", snapshot->paired ? ha->ready : true);
    text_string(text, "reason", ha->reason);
    text_close(text, '}');
    if (snapshot->paired) {
        bool heard = ha->peer.last_heard_ms >= 0;
        text_open(text, NULL, '{');
        text_string(text, "node", snapshot->peer_node);
        text_bool(text, "self", false);
        text_bool(text, "reachable", ha->peer.reachable);
        text_string(text, "role", heard ? fh_role_name(ha->peer.role) : "");
        text_count(text, "epoch", ha->peer.epoch);
        text_bool(text, "ready", ha->peer.ready);
        text_string(text, "reason", ha->peer.refused);
        text_known(text, "last_heard_ms", ha->peer.last_heard_ms);
        text_bool(text, "maintenance", ha->peer_maintenance);
        text_close(text, '}');
    }
    text_close(text, ']');
}

static void show_link(struct text *text, const struct fh_ha_status *ha)
{
    text_open(text, "paths", '[');
    for (size_t i = 0; i < ha->peer.path_count; i++) {
        text_open(text, NULL, '{');
        text_string(text, "address", ha->peer.path[i].address);
        text_bool(text, "up", ha->peer.path[i].up);
        if (ha->peer.datagrams) {
            text_bool(text, "datagrams", ha->peer.path[i].datagrams);
        } else {
            text_null(text, "datagrams");
        }
        if (ha->peer.path[i].round_trip_us >= 0) {
            text_decimal(text, "rtt_ms", (double)ha->peer.path[i].round_trip_us / 1000);
        } else {
            text_null(text, "rtt_ms");
        }
        text_close(text, '}');
    }
    text_close(text, ']');
    text_open(text, "arbiter", '{');
    text_string(text, "type", ha->arbiter.type);
    text_bool(text, "configured", ha->arbiter.configured);
    text_bool(text, "reachable", ha->arbiter.reachable);
    text_string(text, "holder", ha->arbiter.holder);
    text_integer(text, "lease_ms", ha->arbiter.lease_ms);
    text_close(text, '}');
}

static void show_receivers(struct text *text, const struct fh_snapshot *snapshot)
{
    text_open(text, "receivers", '[');
    for (size_t i = 0; i < snapshot->pipeline.receiver_count; i++) {
        const struct fh_pipeline_receiver *receiver = &snapshot->pipeline.receiver[i];
        char range[16];
        text_open(text, NULL, '{');
        text_string(text, "range", fh_range_text(receiver->source.range, range, sizeof(range)));
        text_string(text, "state", fh_receiver_state_name(receiver->source.state));
        text_known(text, "lag_ms", age(snapshot, receiver->last_timestamp_ms));
        text_count(text, "events", receiver->events);
        text_string(text, "protocol", receiver->source.protocol);
        text_string(text, "last_error", receiver->source.last_error);
        text_close(text, '}');
    }
    text_close(text, ']');
}

/* Without what the far side said, which has seen the records. */
static void show_own_words(struct text *text, const char *name, const char *error)
{
    char own[sizeof(((struct fh_pipeline_sink *)0)->last_error)];
    const char *said = strstr(error, FH_SINK_SAYS);
    snprintf(own, sizeof(own), "%.*s", (int)(said ? said - error : (ptrdiff_t)strlen(error)),
             error);
    text_string(text, name, own);
}

static void show_sinks(struct text *text, const struct fh_snapshot *snapshot)
{
    text_open(text, "sinks", '[');
    for (size_t i = 0; i < snapshot->pipeline.sink_count; i++) {
        const struct fh_pipeline_sink *sink = &snapshot->pipeline.sink[i];
        text_open(text, NULL, '{');
        text_string(text, "name", sink->name);
        text_string(text, "type", sink->type);
        text_string(text, "promise", sink->promise);
        text_bool(text, "required", sink->required);
        text_bool(text, "healthy", sink->healthy);
        text_count(text, "delivered", sink->delivered);
        text_count(text, "pending", sink->pending);
        text_count(text, "refused", sink->refused);
        show_own_words(text, "last_error", sink->last_error);
        text_close(text, '}');
    }
    text_close(text, ']');
}

static void show_counters(struct text *text, const struct fh_pipeline_status *status)
{
    const struct fh_pipeline_counters *counters = &status->counters;
    uint64_t other = status->types.other;
    text_open(text, "counters", '{');
    text_count(text, "received", counters->received);
    text_count(text, "duplicates", counters->duplicates);
    text_count(text, "quarantined", counters->quarantined);
    text_count(text, "delivered", counters->delivered);
    text_count(text, "gaps", counters->gaps);
    text_open(text, "types", '{');
    for (size_t i = 0; i < status->types.count; i++) {
        text_count(text, status->types.type[i].name, status->types.type[i].received);
    }
    if (other > 0) {
        text_count(text, "other", other);
    }
    text_close(text, '}');
    text_close(text, '}');
}

static void show_store(struct text *text, const struct fh_snapshot *snapshot)
{
    const struct fh_store_state *store = &snapshot->pipeline.store;
    text_open(text, "store", '{');
    text_count(text, "bytes_used", store->bytes_used);
    text_count(text, "size_limit", store->size_limit);
    text_count(text, "events", store->next_sequence - store->first_sequence);
    int64_t oldest_ms = snapshot->pipeline.oldest_pending_age_ms;
    text_known(text, "oldest_pending_age_ms", oldest_ms > 0 ? oldest_ms : -1);
    text_close(text, '}');
}

static void show_transitions(struct text *text, const struct fh_snapshot *snapshot)
{
    text_open(text, "transitions", '[');
    for (size_t i = 0; i < snapshot->transition_count; i++) {
        const struct fh_ha_transition *transition = &snapshot->transition[i];
        text_open(text, NULL, '{');
        text_integer(text, "wall_ms", transition->wall_ms);
        text_string(text, "from", fh_role_name(transition->from));
        text_string(text, "to", fh_role_name(transition->to));
        text_count(text, "epoch", transition->epoch);
        text_string(text, "reason", transition->reason);
        text_string(text, "evidence", transition->evidence);
        text_close(text, '}');
    }
    text_close(text, ']');
}

bool show_pair(struct text *text, const struct fh_snapshot *snapshot)
{
    const struct fh_ha_status *ha = &snapshot->ha;
    text_event(text, "pair");
    text_open(text, NULL, '{');
    text_integer(text, "now", snapshot->wall_ms);
    text_string(text, "node", snapshot->node);
    text_string(text, "version", FH_VERSION);
    text_string(text, "channel", snapshot->channel);
    text_bool(text, "paired", snapshot->paired);
    text_bool(text, "protected", ha->protected);
    text_string(text, "sync", ha->sync);
    text_bool(text, "fenced", ha->fenced);
    text_bool(text, "maintenance", ha->maintenance);
    text_bool(text, "switching", ha->switching);
    text_integer(text, "uptime_ms", snapshot->uptime_ms);
    text_known(text, "lag_ms", lag(snapshot));
    text_string(text, "dedup_key",
                snapshot->pipeline.dedup_key ? snapshot->pipeline.dedup_key : "");
    show_nodes(text, snapshot);
    show_link(text, ha);
    show_receivers(text, snapshot);
    show_sinks(text, snapshot);
    show_counters(text, &snapshot->pipeline);
    show_store(text, snapshot);
    show_transitions(text, snapshot);
    text_close(text, '}');
    return text_end(text);
}

/* ---- graphs --------------------------------------------------------------------------------- */

static void rate(struct text *text, const char *name, float value)
{
    if (value < 0) {
        text_null(text, name);
    } else {
        text_decimal(text, name, (double)value);
    }
}

bool show_history(struct text *text, const struct graph *graph)
{
    static const char *const series[] = {"received", "delivered", "lag_ms", "pending"};
    size_t count = graph_count(graph);
    text_event(text, "history");
    text_open(text, NULL, '{');
    text_integer(text, "step_s", GRAPH_STEP_MS / 1000);
    text_integer(text, "to", graph->wall_ms);
    for (unsigned which = 0; which < 4; which++) {
        text_open(text, series[which], '[');
        for (size_t i = 0; i < count; i++) {
            struct graph_sample sample = graph_at(graph, i);
            if (which < 2) {
                rate(text, NULL, which == 0 ? sample.received : sample.delivered);
            } else {
                text_known(text, NULL, which == 2 ? sample.lag_ms : sample.pending);
            }
        }
        text_close(text, ']');
    }
    text_close(text, '}');
    return text_end(text);
}

bool show_sample(struct text *text, const struct graph *graph)
{
    size_t count = graph_count(graph);
    if (count == 0) {
        return false;
    }
    struct graph_sample sample = graph_at(graph, count - 1);
    text_event(text, "sample");
    text_open(text, NULL, '{');
    text_integer(text, "at", graph->wall_ms);
    rate(text, "received", sample.received);
    rate(text, "delivered", sample.delivered);
    text_known(text, "lag_ms", sample.lag_ms);
    text_known(text, "pending", sample.pending);
    text_close(text, '}');
    return text_end(text);
}
