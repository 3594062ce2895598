/* notify.c: the words to systemd (sd_notify(3)). Without systemd every call does nothing. */
#include "app.h"

#include "fh/log.h"

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

/* 5012345 -> "5,012,345". text: 32 bytes. */
static const char *grouped(uint64_t number, char *text)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    size_t used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

/* "; archive: 0 pending, bus: 1,024 pending and NOT working" */
static void list_sinks(const struct fh_pipeline_status *status, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < status->sink_count && used < size; i++) {
        const struct fh_pipeline_sink *sink = &status->sink[i];
        char pending[32];
        int n = snprintf(text + used, size - used, "%s%s: %s pending%s", i == 0 ? "; " : ", ",
                         sink->name, grouped(sink->pending, pending),
                         sink->healthy ? "" : " and NOT working");
        used += n < 0 ? size : (size_t)n;
    }
}

static void describe_pair(struct app *app, char *text, size_t size)
{
    struct fh_ha_status ha;
    fh_ha_status(app->ha, &ha);
    fh_log_set_role(fh_role_name(ha.role), ha.epoch); /* a standby learns the epoch as it follows */
    snprintf(text, size, "%s, epoch %" PRIu64 ", %s, peer %s%s%s%s", fh_role_name(ha.role),
             ha.epoch, ha.protected ? "protected" : "NOT protected",
             ha.peer.reachable ? fh_role_name(ha.peer.role) : "not heard",
             ha.peer_maintenance ? " in maintenance" : "",
             ha.fenced ? ", publishes NOTHING for now" : "", ha.maintenance ? ", maintenance" : "");
}

void notify_status(struct app *app, const struct fh_pipeline_status *status)
{
    static char last[1024];
    char line[1024];
    char role[256];
    char rate[32];
    char receivers[64] = "";
    char sinks[512];
    measure_rate(app, status);
    if (app->ha) {
        describe_pair(app, role, sizeof(role));
    } else {
        snprintf(role, sizeof(role), "%s, epoch %" PRIu64 ", a single node",
                 fh_role_name(app->role), app->epoch);
    }
    size_t up = 0;
    for (size_t i = 0; i < status->receiver_count; i++) {
        up += status->receiver[i].source.state == FH_RECEIVER_STREAMING;
    }
    if (up < status->receiver_count) {
        snprintf(receivers, sizeof(receivers), "%zu of %zu receivers, ", up,
                 status->receiver_count);
    }
    list_sinks(status, sinks, sizeof(sinks));
    memset(line, 0, sizeof(line));
    snprintf(line, sizeof(line), "STATUS=%s; %s%s%s ev/s; lag %.1f s%s", role,
             status->backpressure ? "NOT reading, no room; " : "", receivers,
             grouped((uint64_t)(app->rate + 0.5), rate), (double)lag_ms(status) / 1000.0, sinks);
    if (strcmp(line, last) != 0) {
        sd_notify(0, line);
        memcpy(last, line, sizeof(last));
    }
}
