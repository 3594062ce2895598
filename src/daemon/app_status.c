/* app_status.c: the status document (design: "The outside"). Members are only ever added. */
#include "app.h"

#include <stdio.h>
#include <string.h>

/* cJSON holds numbers as doubles: exact up to 2^53, which no counter of ours reaches. */
static void number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

static void signed_number(cJSON *object, const char *name, int64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

static void add_peer(cJSON *root, const struct app *app, const struct fh_ha_status *ha)
{
    cJSON *peer = cJSON_AddObjectToObject(root, "peer");
    cJSON_AddBoolToObject(peer, "configured", app->ha != NULL);
    cJSON_AddBoolToObject(peer, "reachable", ha->peer.reachable);
    cJSON_AddStringToObject(peer, "node", ha->peer.node);
    cJSON_AddStringToObject(peer, "role",
                            ha->peer.last_heard_ms >= 0 ? fh_role_name(ha->peer.role) : "");
    number(peer, "epoch", ha->peer.epoch);
    cJSON_AddBoolToObject(peer, "ready", ha->peer.ready);
    cJSON_AddBoolToObject(peer, "maintenance", ha->peer_maintenance);
    signed_number(peer, "last_heard_ms", ha->peer.last_heard_ms);
    cJSON_AddStringToObject(peer, "refused", ha->peer.refused);
    cJSON *paths = cJSON_AddArrayToObject(peer, "paths");
    for (size_t i = 0; i < ha->peer.path_count; i++) {
        cJSON *path = cJSON_CreateObject();
        cJSON_AddStringToObject(path, "address", ha->peer.path[i].address);
        cJSON_AddBoolToObject(path, "up", ha->peer.path[i].up);
        if (ha->peer.datagrams) {
            cJSON_AddBoolToObject(path, "datagrams", ha->peer.path[i].datagrams);
        } else { /* none are sent: that none arrive is no fault */
            cJSON_AddNullToObject(path, "datagrams");
        }
        if (ha->peer.path[i].round_trip_us >= 0) {
            cJSON_AddNumberToObject(path, "rtt_ms", (double)ha->peer.path[i].round_trip_us / 1000);
        } else {
            cJSON_AddNullToObject(path, "rtt_ms");
        }
        cJSON_AddItemToArray(paths, path);
    }
}

static void add_arbiter(cJSON *root, const struct fh_ha_status *ha)
{
    cJSON *arbiter = cJSON_AddObjectToObject(root, "arbiter");
    cJSON_AddBoolToObject(arbiter, "configured", ha->arbiter.configured);
    cJSON_AddStringToObject(arbiter, "type", ha->arbiter.type);
    cJSON_AddBoolToObject(arbiter, "reachable", ha->arbiter.reachable);
    cJSON_AddStringToObject(arbiter, "holder", ha->arbiter.holder);
    signed_number(arbiter, "lease_ms", ha->arbiter.lease_ms);
    cJSON_AddStringToObject(arbiter, "last_error", ha->arbiter.last_error);
}

static void add_replica_match(cJSON *root, const struct fh_ha_status *ha)
{
    cJSON *match = cJSON_AddObjectToObject(root, "replica_match");
    cJSON_AddBoolToObject(match, "known", ha->replica_match.known);
    number(match, "per_mille", ha->replica_match.per_mille);
    number(match, "minutes", ha->replica_match.minutes);
    number(match, "records", ha->replica_match.records);
    number(match, "apart_ms", ha->replica_match.apart_ms);
    cJSON_AddBoolToObject(match, "differ", ha->replica_match.differ);
}

static int64_t newest_stamp(const struct fh_pipeline_status *status)
{
    int64_t newest = 0;
    for (size_t i = 0; i < status->receiver_count; i++) {
        int64_t stamp = status->receiver[i].last_timestamp_ms;
        newest = stamp > newest ? stamp : newest;
    }
    return newest;
}

static void add_receivers(cJSON *root, const struct fh_pipeline_status *status)
{
    cJSON *list = cJSON_AddArrayToObject(root, "receivers");
    int64_t newest = newest_stamp(status);
    for (size_t i = 0; i < status->receiver_count; i++) {
        const struct fh_pipeline_receiver *receiver = &status->receiver[i];
        const struct fh_receiver_status *source = &receiver->source;
        char range[16];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "range", fh_range_text(source->range, range, sizeof(range)));
        cJSON_AddStringToObject(row, "state", fh_receiver_state_name(source->state));
        signed_number(row, "last_timestamp", receiver->last_timestamp_ms);
        signed_number(row, "lag_ms",
                      receiver->last_timestamp_ms > 0 ? newest - receiver->last_timestamp_ms : 0);
        number(row, "events", receiver->events);
        number(row, "bytes", source->bytes);
        number(row, "connects", source->connects);
        number(row, "failures", source->failures);
        number(row, "unknown_fields", source->unknown_fields);
        signed_number(row, "retry_in_ms", source->retry_in_ms);
        signed_number(row, "last_byte_age_ms", source->last_byte_age_ms);
        signed_number(row, "asked_from", source->asked_from_ms);
        cJSON_AddStringToObject(row, "protocol", source->protocol);
        signed_number(row, "http_status", source->http_status);
        cJSON_AddStringToObject(row, "last_error", source->last_error);
        cJSON_AddItemToArray(list, row);
    }
}

static void add_sinks(cJSON *root, struct app *app, const struct fh_pipeline_status *status)
{
    cJSON *list = cJSON_AddArrayToObject(root, "sinks");
    for (size_t i = 0; i < status->sink_count; i++) {
        const struct fh_pipeline_sink *sink = &status->sink[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", sink->name);
        cJSON_AddStringToObject(row, "type", sink->type);
        cJSON_AddStringToObject(row, "promise", sink->promise);
        cJSON_AddBoolToObject(row, "required", sink->required);
        cJSON_AddBoolToObject(row, "healthy", sink->healthy);
        number(row, "delivered", sink->delivered);
        number(row, "filtered", sink->filtered);
        number(row, "refused", sink->refused);
        cJSON_AddStringToObject(row, "dead_letters", sink->dead_letters);
        number(row, "dropped", sink->dropped);
        number(row, "missed", sink->missed);
        number(row, "pending", sink->pending);
        number(row, "failures", sink->failures);
        signed_number(row, "oldest_pending_age_ms", sink->oldest_pending_age_ms);
        cJSON_AddStringToObject(row, "last_error", sink->last_error);
        cJSON *replay = app_replay_json(app, i);
        if (replay) {
            cJSON_AddItemToObject(row, "replay", replay);
        }
        cJSON_AddItemToArray(list, row);
    }
}

static void add_types(cJSON *counters, const struct fh_pipeline_types *types)
{
    cJSON *object = cJSON_AddObjectToObject(counters, "types");
    uint64_t other = types->other;
    for (size_t i = 0; i < types->count; i++) {
        if (strcmp(types->type[i].name, "other") == 0) {
            other += types->type[i].received;
        } else {
            number(object, types->type[i].name, types->type[i].received);
        }
    }
    if (other > 0) {
        number(object, "other", other);
    }
}

static void add_counters(cJSON *root, const struct fh_pipeline_counters *counters,
                         const struct fh_pipeline_types *types)
{
    cJSON *object = cJSON_AddObjectToObject(root, "counters");
    number(object, "received", counters->received);
    number(object, "duplicates", counters->duplicates);
    number(object, "quarantined", counters->quarantined);
    number(object, "delivered", counters->delivered);
    number(object, "gaps", counters->gaps);
    number(object, "keep_alives", counters->keep_alives);
    number(object, "late", counters->late);
    number(object, "repaired", counters->repaired);
    number(object, "doubled", counters->doubled);
    add_types(object, types);
}

static void add_checkpoint_map(cJSON *into, const char *name, const struct fh_checkpoint *values)
{
    cJSON *object = cJSON_AddObjectToObject(into, name);
    for (unsigned p = 1; p <= FH_PARTITIONS; p++) {
        char key[8];
        snprintf(key, sizeof(key), "%u", p);
        signed_number(object, key, values->partition_ms[p - 1]);
    }
}

static void add_store(cJSON *root, const struct fh_pipeline_status *status)
{
    const struct fh_store_state *store = &status->store;
    cJSON *object = cJSON_AddObjectToObject(root, "store");
    number(object, "bytes_used", store->bytes_used);
    number(object, "size_limit", store->size_limit);
    number(object, "events", store->next_sequence - store->first_sequence);
    signed_number(object, "oldest_pending_age_ms", status->oldest_pending_age_ms);
    number(object, "first_sequence", store->first_sequence);
    number(object, "next_sequence", store->next_sequence);
    number(object, "dedup_records", status->dedup_records);
    number(object, "dedup_bytes", status->dedup_bytes);
    number(object, "unmatched_reports", store->unmatched_reports);
    number(object, "given_up", store->given_up);
    cJSON_AddBoolToObject(object, "backpressure", status->backpressure);
}

cJSON *app_checkpoint_json(struct app *app)
{
    struct fh_pipeline_status status;
    fh_pipeline_status(app->pipeline, &status);
    cJSON *object = cJSON_CreateObject();
    add_checkpoint_map(object, "received", &status.store.received);
    add_checkpoint_map(object, "delivered", &status.store.delivered);
    return object;
}

void app_ha_status(struct app *app, struct fh_ha_status *ret)
{
    if (app->ha) {
        fh_ha_status(app->ha, ret);
        return;
    }
    *ret = (struct fh_ha_status){
        .role = app->role, .epoch = app->epoch, .peer = {.last_heard_ms = -1}};
    snprintf(ret->reason, sizeof(ret->reason), "%s", "a single node: no pair is configured");
}

/* Which configuration is in force, for whoever can look at the file. */
static void add_config(cJSON *root, const struct app *app)
{
    cJSON *object = cJSON_AddObjectToObject(root, "config");
    cJSON_AddStringToObject(object, "file", app->config_path);
    signed_number(object, "mtime_ms", app->config_mtime_ms);
    cJSON_AddStringToObject(object, "needs_restart", app->needs_restart);
}

cJSON *app_status_json(struct app *app)
{
    struct fh_pipeline_status status;
    struct fh_ha_status ha;
    fh_pipeline_status(app->pipeline, &status);
    app_ha_status(app, &ha);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "node", app->config.node.name);
    cJSON_AddStringToObject(root, "version", FH_VERSION);
    cJSON_AddStringToObject(root, "role", fh_role_name(ha.role));
    cJSON_AddStringToObject(root, "role_reason", ha.reason);
    number(root, "epoch", ha.epoch);
    cJSON_AddBoolToObject(root, "protected", ha.protected);
    cJSON_AddBoolToObject(root, "ready", ha.ready);
    cJSON_AddStringToObject(root, "sync", ha.sync);
    number(root, "promotions", ha.promotions);
    number(root, "demotions", ha.demotions);
    cJSON *causes = cJSON_AddObjectToObject(root, "promotions_by");
    for (unsigned i = 0; i < FH_PROMOTION_COUNT; i++) {
        number(causes, fh_promotion_name((enum fh_promotion)i), ha.promoted[i]);
    }
    signed_number(root, "uptime_ms", fh_time_diff_ms(fh_now(), app->started));
    add_config(root, app);
    cJSON_AddBoolToObject(root, "maintenance", ha.maintenance);
    cJSON_AddBoolToObject(root, "fenced", ha.fenced);
    cJSON_AddBoolToObject(root, "switching", ha.switching);
    add_peer(root, app, &ha);
    add_arbiter(root, &ha);
    add_replica_match(root, &ha);
    add_receivers(root, &status);
    add_sinks(root, app, &status);
    add_counters(root, &status.counters, &status.types);
    cJSON_AddStringToObject(root, "dedup_key", status.dedup_key);
    cJSON *checkpoint = cJSON_AddObjectToObject(root, "checkpoint");
    add_checkpoint_map(checkpoint, "received", &status.store.received);
    add_checkpoint_map(checkpoint, "delivered", &status.store.delivered);
    add_store(root, &status);
    return root;
}
