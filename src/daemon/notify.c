/* notify.c: the words to systemd (sd_notify(3)). Without systemd every call does nothing. */
#include "app.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

void notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, fh_now().ns / 1000);
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void notify_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_interval(void)
{
    uint64_t usec = 0;
    return sd_watchdog_enabled(0, &usec) > 0 ? usec / 3 : 0;
}

static void measure_rate(struct app *app, const struct fh_pipeline_status *status)
{
    struct fh_time now = fh_now();
    int64_t ms = fh_time_diff_ms(now, app->rate_at);
    if (fh_time_is_set(app->rate_at) && ms >= 1000) {
        app->rate = (double)(status->counters.received - app->rate_received) * 1000.0 / (double)ms;
    } else if (fh_time_is_set(app->rate_at)) {
        return;
    }
    app->rate_at = now;
    app->rate_received = status->counters.received;
}

/* Lag: how far the slowest range is behind the newest stamp any range has seen. Source time only,
 * so a wrong clock of this host cannot make it look bad or good. */
static int64_t lag_ms(const struct fh_pipeline_status *status)
{
    int64_t newest = 0;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < status->receiver_count; i++) {
        int64_t stamp = status->receiver[i].last_timestamp_ms;
        newest = stamp > newest ? stamp : newest;
        oldest = stamp < oldest ? stamp : oldest;
    }
    return newest > oldest && oldest > 0 ? newest - oldest : 0;
}

void notify_status(struct app *app, const struct fh_pipeline_status *status)
{
    static char last[512];
    char line[512];
    char pair[200] = "";
    measure_rate(app, status);
    const char *role = fh_role_name(app->role);
    uint64_t epoch = app->epoch;
    if (app->ha) {
        struct fh_ha_status ha;
        fh_ha_status(app->ha, &ha);
        role = fh_role_name(ha.role);
        epoch = ha.epoch;
        snprintf(pair, sizeof(pair), ", %s, peer %s", ha.protected ? "protected" : "NOT protected",
                 ha.peer.reachable ? fh_role_name(ha.peer.role) : "not heard");
    }
    uint64_t pending = 0;
    for (size_t i = 0; i < status->sink_count; i++) {
        pending += status->sink[i].pending;
    }
    size_t up = 0;
    for (size_t i = 0; i < status->receiver_count; i++) {
        up += status->receiver[i].source.state == FH_RECEIVER_STREAMING;
    }
    snprintf(line, sizeof(line),
             "STATUS=%s, epoch %" PRIu64 "%s; %zu of %zu receivers, %.0f events/s, lag %.1f s, "
             "%" PRIu64 " to deliver",
             role, epoch, pair, up, status->receiver_count, app->rate,
             (double)lag_ms(status) / 1000.0, pending);
    if (strcmp(line, last) != 0) {
        sd_notify(0, line);
        memcpy(last, line, sizeof(last));
    }
}
