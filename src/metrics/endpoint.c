/* endpoint.c: the web server that answers GET /metrics, and the snapshot it answers from. The
 * main thread puts a snapshot in; the server's thread copies it out and renders from the copy, so
 * that neither waits for the other longer than a copy takes. */
#include "internal.h"

#include "fh/web.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct fh_metrics {
    struct fh_web *web;
    const char *hosts[FH_WEB_HOSTS_MAX + 1];
    pthread_mutex_t lock;
    /* under lock */
    struct fh_snapshot shared;
    struct fh_time shared_at; /* unset: none yet */
    int64_t started_ms;       /* of the process, by the first snapshot */
    /* the server's thread alone */
    struct fh_snapshot snapshot;
    uint64_t scrapes, render_ns;
};

/* The second number of /proc/self/statm, in pages (proc(5)). */
static uint64_t resident_bytes(void)
{
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        (void)!fgets(line, sizeof(line), file);
        fclose(file);
    }
    const char *second = strchr(line, ' ');
    return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static int64_t cpu_us(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* False: there is none yet. */
static bool take_snapshot(struct fh_metrics *metrics, struct fh_time *ret_at,
                          int64_t *ret_started_ms)
{
    pthread_mutex_lock(&metrics->lock);
    *ret_at = metrics->shared_at;
    *ret_started_ms = metrics->started_ms;
    if (fh_time_is_set(metrics->shared_at)) {
        metrics->snapshot = metrics->shared;
    }
    pthread_mutex_unlock(&metrics->lock);
    return fh_time_is_set(*ret_at);
}

static int get_metrics(void *userdata, const struct fh_web_request *request,
                       struct fh_web_answer *answer)
{
    struct fh_metrics *metrics = userdata;
    struct fh_time at;
    struct fh_time begun = fh_now();
    struct fh_web_counters counters;
    int64_t started_ms;
    if (!take_snapshot(metrics, &at, &started_ms)) {
        return -EAGAIN;
    }
    fh_web_counters(metrics->web, &counters);
    const struct fh_metrics_self self = {
        .scrapes = metrics->scrapes,
        .render_ns = metrics->render_ns,
        .snapshot_age_ms = fh_time_diff_ms(begun, at),
        .requests_refused = counters.refused,
        .connections = counters.connections,
        .cpu_us = cpu_us(),
        .resident_bytes = resident_bytes(),
        .started_ms = started_ms,
    };
    enum fh_metrics_format format = fh_metrics_wanted(fh_web_header(request, "Accept"));
    answer->type = format == FH_METRICS_OPEN
                       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
    answer->body.max = FH_METRICS_TEXT_MAX;
    int r = fh_metrics_render(&metrics->snapshot, &self, format, &answer->body);
    metrics->scrapes++;
    metrics->render_ns += (uint64_t)(fh_now().ns - begun.ns);
    return r;
}

static int get_index(void *userdata, const struct fh_web_request *request,
                     struct fh_web_answer *answer)
{
    (void)userdata;
    (void)request;
    answer->type = "text/plain; charset=utf-8";
    return fh_buf_printf(&answer->body, "firehosed %s: the metrics are at /metrics\n", FH_VERSION);
}

static const struct fh_web_route routes[] = {
    {"/metrics", get_metrics, NULL, NULL},
    {"/", get_index, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

int fh_metrics_new(const struct fh_config *config, struct fh_error *err, struct fh_metrics **ret)
{
    struct fh_metrics *metrics = calloc(1, sizeof(*metrics));
    if (!metrics) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < config->metrics.host_count; i++) {
        metrics->hosts[i] = config->metrics.hosts[i];
    }
    pthread_mutex_init(&metrics->lock, NULL);
    const struct fh_web_options options = {.listen = config->metrics.listen,
                                           .socket = config->metrics.socket,
                                           .hosts = metrics->hosts,
                                           .routes = routes,
                                           .userdata = metrics,
                                           .what = "metrics"};
    int r = fh_web_new(&options, err, &metrics->web);
    if (r < 0) {
        fh_metrics_free(metrics);
        return r;
    }
    *ret = metrics;
    return 0;
}

void fh_metrics_update(struct fh_metrics *metrics, const struct fh_snapshot *snapshot)
{
    pthread_mutex_lock(&metrics->lock);
    metrics->shared = *snapshot;
    metrics->shared_at = fh_now();
    if (metrics->started_ms == 0) {
        metrics->started_ms = snapshot->wall_ms - snapshot->uptime_ms;
    }
    pthread_mutex_unlock(&metrics->lock);
}

void fh_metrics_free(struct fh_metrics *metrics)
{
    if (!metrics) {
        return;
    }
    fh_web_free(metrics->web);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}
