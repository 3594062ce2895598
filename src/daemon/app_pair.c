/* app_pair.c: joins the role machine and the pipeline, which never meet. A node without a pair
 * walks the same steps by itself: persist an epoch, settle what is in doubt, lead. */
#include "app.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_NOTE     "ha-history"
#define HISTORY_MAX      ((size_t)64 * 1024)
#define MAINTENANCE_NOTE "maintenance"

/* ---- answers of the pipeline ------------------------------------------------------------------
 */

static void epoch_done(void *userdata, uint64_t epoch, int result)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_epoch_done(app->ha, epoch, result);
    } else if (result == 0) {
        fh_pipeline_settle(app->pipeline, false, 0);
    }
}

static void delivery_stopped(void *userdata)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_delivery_stopped(app->ha);
    }
}

static void settled(void *userdata)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_in_doubt_settled(app->ha);
        return;
    }
    app->role = FH_ROLE_PRIMARY;
    fh_log_set_role(fh_role_name(app->role), app->epoch);
    role_file_write(app, "a single node");
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%" PRIu64, app->epoch);
    const struct fh_log_field fields[] = {{"FIREHOSED_ROLE", "primary"},
                                          {"FIREHOSED_EPOCH", epoch}};
    fh_log_event(LOG_NOTICE, FH_LOG_ROLE, fields, FH_ARRAY_LEN(fields),
                 "starting -> primary: a single node (no pair configured), epoch %" PRIu64,
                 app->epoch);
    fh_pipeline_lead(app->pipeline, app->epoch);
}

static void settle_again(void *userdata)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_settle_again(app->ha);
    }
}

static void peer_report_applied(void *userdata, uint64_t peer_store_id, uint64_t number)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_report_applied(app->ha, peer_store_id, number);
    }
}

static void own_report(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_send_report(app->ha, number, bytes, len);
    }
}

static void reports_sent(void *userdata, uint64_t next_number)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_wants_answered(app->ha, next_number);
    }
}

static void unreported(void *userdata, const void *lines, size_t len)
{
    struct app *app = userdata;
    if (app->ha) {
        fh_ha_offer(app->ha, lines, len);
    }
}

static void stored(void *userdata, const char *lines, size_t len)
{
    app_tail_lines(userdata, lines, len);
}

static void drained(void *userdata)
{
    app_leave(userdata);
}

static void failed(void *userdata)
{
    app_finish(userdata, 1);
}

const struct fh_pipeline_host app_pipeline_host = {
    .epoch_done = epoch_done,
    .delivery_stopped = delivery_stopped,
    .settled = settled,
    .settle_again = settle_again,
    .peer_report_applied = peer_report_applied,
    .own_report = own_report,
    .reports_sent = reports_sent,
    .unreported = unreported,
    .stored = stored,
    .drained = drained,
    .failed = failed,
};

/* ---- orders of the role machine ---------------------------------------------------------------
 */

static void persist_epoch(void *userdata, uint64_t epoch, bool as_primary)
{
    fh_pipeline_persist_epoch(((struct app *)userdata)->pipeline, epoch, as_primary);
}

static void start_delivery(void *userdata, uint64_t epoch)
{
    fh_pipeline_lead(((struct app *)userdata)->pipeline, epoch);
}

static void stop_delivery(void *userdata)
{
    fh_pipeline_follow(((struct app *)userdata)->pipeline);
}

static void resume_streams(void *userdata, const struct fh_checkpoint *checkpoint)
{
    fh_pipeline_resume(((struct app *)userdata)->pipeline, checkpoint);
}

static void peer_report(void *userdata, uint64_t peer_store_id, uint64_t number, const void *bytes,
                        size_t len)
{
    fh_pipeline_peer_report(((struct app *)userdata)->pipeline, peer_store_id, number, bytes, len);
}

static bool takes_reports(void *userdata)
{
    return fh_pipeline_takes_peer_reports(((struct app *)userdata)->pipeline);
}

static void peer_confirmed(void *userdata, uint64_t number)
{
    fh_pipeline_peer_confirmed(((struct app *)userdata)->pipeline, number);
}

static void peer_wants(void *userdata, uint64_t peer_store_id, uint64_t from_number,
                       int64_t min_timestamp_ms)
{
    fh_pipeline_send_reports(((struct app *)userdata)->pipeline, peer_store_id, from_number,
                             min_timestamp_ms);
}

static void peer_in_sync(void *userdata, bool in_sync)
{
    fh_pipeline_peer_in_sync(((struct app *)userdata)->pipeline, in_sync);
}

static void settle_in_doubt(void *userdata, bool known, uint64_t peer_applied)
{
    fh_pipeline_settle(((struct app *)userdata)->pipeline, known, peer_applied);
}

static void peer_checkpoint(void *userdata, const struct fh_checkpoint *delivered)
{
    fh_pipeline_peer_checkpoint(((struct app *)userdata)->pipeline, delivered);
}

static void drain_delivery(void *userdata, int64_t limit_ms)
{
    fh_pipeline_hand_over(((struct app *)userdata)->pipeline, limit_ms);
}

static void publish_until(void *userdata, struct fh_time until)
{
    fh_pipeline_publish_until(((struct app *)userdata)->pipeline, until);
}

static void keep_history(void *userdata, const void *bytes, size_t len)
{
    fh_pipeline_keep_note(((struct app *)userdata)->pipeline, HISTORY_NOTE, bytes, len);
}

static void left(void *userdata)
{
    app_finish(userdata, 0);
}

static void replicas_differ(void *userdata, enum fh_dedup_key key)
{
    fh_pipeline_use_key(((struct app *)userdata)->pipeline, key);
}

static void find_unreported(void *userdata)
{
    fh_pipeline_find_unreported(((struct app *)userdata)->pipeline);
}

static void peer_offers(void *userdata, const void *lines, size_t len)
{
    fh_pipeline_peer_offers(((struct app *)userdata)->pipeline, lines, len);
}

static void role_changed(void *userdata, enum fh_role role, uint64_t epoch, const char *reason)
{
    struct app *app = userdata;
    app->role = role;
    app->epoch = epoch;
    fh_log_set_role(fh_role_name(app->role), app->epoch);
    role_file_write(app, reason); /* logged by the engine, shown by fh_ha_status */
}

static const struct fh_ha_host ha_host = {
    .persist_epoch = persist_epoch,
    .start_delivery = start_delivery,
    .stop_delivery = stop_delivery,
    .resume_streams = resume_streams,
    .peer_report = peer_report,
    .takes_reports = takes_reports,
    .peer_confirmed = peer_confirmed,
    .peer_wants = peer_wants,
    .peer_in_sync = peer_in_sync,
    .settle_in_doubt = settle_in_doubt,
    .peer_checkpoint = peer_checkpoint,
    .drain_delivery = drain_delivery,
    .publish_until = publish_until,
    .keep_history = keep_history,
    .left = left,
    .replicas_differ = replicas_differ,
    .find_unreported = find_unreported,
    .peer_offers = peer_offers,
    .role_changed = role_changed,
};

void app_pair_keep_maintenance(struct app *app, bool on)
{
    char flag = on ? '1' : '0';
    fh_pipeline_keep_note(app->pipeline, MAINTENANCE_NOTE, &flag, sizeof(flag));
}

/* What an earlier process left for this one. history: HISTORY_MAX bytes of room. */
static void recall(struct app *app, struct fh_ha_start *start, void *history)
{
    char flag = '0';
    size_t len = sizeof(flag);
    if (fh_pipeline_note(app->pipeline, MAINTENANCE_NOTE, &flag, &len) == 0 && len == 1) {
        start->maintenance = flag == '1';
    }
    len = HISTORY_MAX;
    if (history && fh_pipeline_note(app->pipeline, HISTORY_NOTE, history, &len) == 0) {
        start->history = history;
        start->history_len = len;
    }
}

int app_pair_start(struct app *app, struct fh_error *err)
{
    struct fh_pipeline_status status;
    fh_pipeline_status(app->pipeline, &status);
    if (!app->config.pair.present) {
        app->epoch = status.store.epoch + 1;
        fh_pipeline_persist_epoch(app->pipeline, app->epoch, true);
        return 0;
    }
    char secret[FH_PAIR_KEY_MAX];
    int r = fh_config_pair_key(&app->config, secret, err);
    if (r < 0) {
        return r;
    }
    struct fh_ha_start start = {.epoch = status.store.epoch,
                                .last_primary = status.store.last_primary,
                                .store_id = status.store_id};
    void *history = malloc(HISTORY_MAX);
    recall(app, &start, history);
    r = fh_ha_new(&app->config, secret, &start, app->event, &ha_host, app, err, &app->ha);
    free(history);
    explicit_bzero(secret, sizeof(secret));
    if (r < 0) {
        return r;
    }
    app_pair_push(app, &status);
    return fh_ha_start(app->ha, err);
}

/* Lateness that is allowed for before a minute counts as complete. */
#define SETTLED_MS 20000

/* For a slice, of which a few records say enough. */
#define SLICE_SETTLED_MS 2000

/* The stamp that every range has reached. */
static int64_t reached(const struct fh_pipeline_status *status)
{
    int64_t settled = INT64_MAX;
    for (size_t i = 0; i < status->receiver_count; i++) {
        int64_t stamp = status->receiver[i].last_timestamp_ms;
        settled = stamp < settled ? stamp : settled;
    }
    return settled;
}

/* The newest minutes of which nothing more is expected, for the comparison of the replicas. */
static void fill_minutes(const struct fh_pipeline_status *status, struct fh_ha_local *local)
{
    _Static_assert(FH_HA_BUCKETS == FH_PIPELINE_BUCKETS, "copied as they are");
    int64_t settled = reached(status);
    int64_t from = status->minutes_from;
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        int64_t covered = fh_minute_of(status->covered_from.partition_ms[p]) + 1;
        from = covered > from ? covered : from;
    }
    for (size_t i = 0; i < FH_PIPELINE_MINUTES; i++) {
        const struct fh_pipeline_minute *minute = &status->minute[i];
        if (minute->minute == 0 || minute->minute < from ||
            (minute->minute + 1) * 60000 + SETTLED_MS > settled) {
            continue;
        }
        struct fh_ha_minute *oldest = &local->minutes[0];
        for (size_t k = 1; k < FH_HA_MINUTES; k++) {
            oldest = local->minutes[k].minute < oldest->minute ? &local->minutes[k] : oldest;
        }
        if (minute->minute > oldest->minute) {
            oldest->minute = minute->minute;
            oldest->count = minute->count;
            memcpy(oldest->digest, minute->digest, sizeof(oldest->digest));
        }
    }
}

static void fill_slices(const struct fh_pipeline_status *status, struct fh_ha_local *local)
{
    _Static_assert(sizeof(local->slice) == sizeof(status->slice) &&
                       FH_HA_SLICES == FH_PIPELINE_SLICES,
                   "copied as they are");
    memcpy(local->slice, status->slice, sizeof(local->slice));
    local->slices_from_ms = status->slices_from_ms;
    int64_t settled = reached(status) - SLICE_SETTLED_MS;
    for (size_t i = 0; i < FH_HA_SLICES; i++) {
        int64_t end_ms = (status->slice[i].number + 1) * FH_PIPELINE_SLICE_MS;
        if (status->slice[i].number > 0 && end_ms <= settled) {
            local->slices_whole |= 1u << i;
        }
    }
}

/* What has a stamp behind it here may have one before it at the peer. */
static void allow_for_stamps(struct fh_checkpoint *covered_from)
{
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        if (covered_from->partition_ms[p] != 0) {
            covered_from->partition_ms[p] += FH_STAMPS_APART_MS;
        }
    }
}

void app_pair_push(struct app *app, const struct fh_pipeline_status *status)
{
    if (!app->ha) {
        return;
    }
    struct fh_ha_local local = {
        .received = status->store.received,
        .delivered = status->store.delivered,
        .covered_from = status->covered_from,
        .streams_live = status->streams_live,
        .sinks_healthy = status->sinks_healthy,
        .own_report_last = status->store.own_report_last,
        .peer_report_applied = status->store.peer_report_applied,
        .peer_report_store = status->store.peer_store_id,
    };
    local.dedup_key = (uint8_t)(status->key + 1);
    if (fh_key_ignores_stamps(status->key)) {
        allow_for_stamps(&local.covered_from);
    }
    fill_minutes(status, &local);
    fill_slices(status, &local);
    fh_ha_set_local(app->ha, &local);
}
