/* app_watch.c: who looks at this node: metrics and console. Makes a snapshot once a second while
 * one of them is there, and hands it on; starts and stops them. Whether they can listen has no
 * influence on anything else: what cannot is tried again.
 *
 * All of it is the main thread's but one thing: the attempts after the first. To open the console
 * reads the files of the page and the API key, and a socket's path is looked at and removed; from a
 * disk that hangs that takes as long as it likes, and heartbeats would wait for it. So a thread
 * that lives no longer does it, and the main thread looks now and then whether it has ended. The
 * first attempt is part of the start, which waits for the disk in any case. */
#include "app.h"

#include "fh/log.h"
#include "fh/metrics.h"
#include "fh/snapshot.h"
#ifdef FH_HAVE_CONSOLE
#include "fh/console.h"
#endif

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_MS 1000
#define RETRY_MS    30000

/* One of the two. */
struct watcher {
    bool wanted;
    const char *section;
    const char *listen, *socket;
    int (*open)(struct app *app, struct fh_error *err, void **ret); /* any thread */
    void *opened;                                                   /* NULL: not yet */
    struct fh_time retry_at;
    char told[512]; /* why it does not listen, as logged */
    /* An attempt under way: its thread alone has result, err and made until it has said tried. */
    bool trying;
    pthread_t thread;
    struct app *app;
    atomic_bool tried;
    int result;
    struct fh_error err;
    void *made;
};

enum { WATCHER_METRICS, WATCHER_CONSOLE, WATCHER_COUNT };

struct app_watch {
    struct watcher watcher[WATCHER_COUNT];
    struct fh_time snapshot_at;
    struct fh_snapshot snapshot;
    char fresh_key[FH_API_KEY_MAX]; /* came while the console was being opened; "" = none did */
};

int app_watch_check(const struct fh_config *config, struct fh_error *err)
{
#ifndef FH_HAVE_CONSOLE
    if (config->console.present) {
        return fh_error_set(err, -EINVAL,
                            "this build has no console: take the section \"console\" out");
    }
#else
    (void)config;
    (void)err;
#endif
    return 0;
}

static int open_metrics(struct app *app, struct fh_error *err, void **ret)
{
    struct fh_metrics *metrics = NULL;
    int r = fh_metrics_new(&app->config, err, &metrics);
    *ret = metrics;
    return r;
}

#ifdef FH_HAVE_CONSOLE
static int open_console(struct app *app, struct fh_error *err, void **ret)
{
    struct fh_console *console = NULL;
    char key[FH_API_KEY_MAX] = "";
    int r = app->config.console.maps ? fh_config_api_key(&app->config, key, err) : 0;
    r = r < 0 ? r : fh_console_new(&app->config, key, app->pipeline, err, &console);
    explicit_bzero(key, sizeof(key));
    *ret = console;
    return r;
}
#endif

void app_watch_use_key(struct app *app, const char *key)
{
#ifdef FH_HAVE_CONSOLE
    struct watcher *watcher = app->watch ? &app->watch->watcher[WATCHER_CONSOLE] : NULL;
    if (watcher && watcher->opened) {
        fh_console_use_key(watcher->opened, &app->config, key);
    } else if (watcher && watcher->trying) { /* which may have read the old one */
        snprintf(app->watch->fresh_key, sizeof(app->watch->fresh_key), "%s", key);
    }
#else
    (void)app;
    (void)key;
#endif
}

/* The end of an attempt. */
static void take_result(struct app *app, struct watcher *watcher)
{
    if (watcher->result == 0) {
        watcher->opened = watcher->made;
        watcher->told[0] = '\0';
        app->watch->snapshot_at = (struct fh_time){0}; /* who asks at once gets an answer */
        fh_log_event(LOG_NOTICE, FH_LOG_WATCH_LISTENING, NULL, 0, "%s served at %s%s%s",
                     watcher->section, watcher->listen,
                     watcher->listen[0] != '\0' && watcher->socket[0] != '\0' ? " and " : "",
                     watcher->socket);
        if (app->watch->fresh_key[0] && watcher == &app->watch->watcher[WATCHER_CONSOLE]) {
            app_watch_use_key(app, app->watch->fresh_key);
        }
    } else {
        watcher->retry_at = fh_time_add_ms(fh_now(), RETRY_MS);
        if (strcmp(watcher->told, watcher->err.text) != 0) {
            snprintf(watcher->told, sizeof(watcher->told), "%s", watcher->err.text);
            fh_log_event(LOG_WARNING, FH_LOG_WATCH_FAILED, NULL, 0,
                         "%s not served: %s; trying again every %d s", watcher->section,
                         watcher->err.text, RETRY_MS / 1000);
        }
    }
    if (watcher == &app->watch->watcher[WATCHER_CONSOLE]) {
        explicit_bzero(app->watch->fresh_key, sizeof(app->watch->fresh_key));
    }
}

static void try_now(struct watcher *watcher)
{
    watcher->err.text[0] = '\0';
    watcher->made = NULL;
    watcher->result = watcher->open(watcher->app, &watcher->err, &watcher->made);
}

static void *try_apart(void *userdata)
{
    struct watcher *watcher = userdata;
    pthread_setname_np(pthread_self(), "fh-watch");
    try_now(watcher);
    atomic_store(&watcher->tried, true);
    return NULL;
}

static void try_again(struct app *app, struct watcher *watcher)
{
    atomic_store(&watcher->tried, false);
    int r = -pthread_create(&watcher->thread, NULL, try_apart, watcher);
    watcher->trying = r == 0;
    if (r < 0) {
        watcher->result = fh_error_set(&watcher->err, r, "cannot start a thread");
        take_result(app, watcher);
    }
}

static void look_after(struct app *app, struct watcher *watcher, struct fh_time now)
{
    if (watcher->trying && atomic_load(&watcher->tried)) {
        pthread_join(watcher->thread, NULL);
        watcher->trying = false;
        take_result(app, watcher);
    } else if (watcher->wanted && !watcher->opened && !watcher->trying &&
               !fh_time_before(now, watcher->retry_at)) {
        try_again(app, watcher);
    }
}

int app_watch_start(struct app *app, struct fh_error *err)
{
    const struct fh_config *config = &app->config;
    if (!config->metrics.present && !config->console.present) {
        return 0;
    }
    app->watch = calloc(1, sizeof(*app->watch));
    if (!app->watch) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    app->watch->watcher[WATCHER_METRICS] = (struct watcher){.wanted = config->metrics.present,
                                                            .section = "metrics",
                                                            .listen = config->metrics.listen,
                                                            .socket = config->metrics.socket,
                                                            .open = open_metrics,
                                                            .app = app};
#ifdef FH_HAVE_CONSOLE
    app->watch->watcher[WATCHER_CONSOLE] = (struct watcher){.wanted = config->console.present,
                                                            .section = "console",
                                                            .listen = config->console.listen,
                                                            .socket = config->console.socket,
                                                            .open = open_console,
                                                            .app = app};
#endif
    for (size_t i = 0; i < WATCHER_COUNT; i++) {
        if (app->watch->watcher[i].wanted) {
            try_now(&app->watch->watcher[i]);
            take_result(app, &app->watch->watcher[i]);
        }
    }
    struct fh_pipeline_status status;
    fh_pipeline_status(app->pipeline, &status);
    app_watch_tick(app, &status);
    return 0;
}

static const char *channel_name(enum fh_channel channel)
{
    static const char *const names[] = {[FH_CHANNEL_HTTP] = "http",
                                        [FH_CHANNEL_WEBSOCKET] = "websocket",
                                        [FH_CHANNEL_GRPC] = "grpc"};
    return names[channel];
}

static void make_snapshot(struct app *app, const struct fh_pipeline_status *status,
                          struct fh_time now)
{
    struct fh_snapshot *snapshot = &app->watch->snapshot;
    snprintf(snapshot->node, sizeof(snapshot->node), "%s", app->config.node.name);
    snprintf(snapshot->channel, sizeof(snapshot->channel), "%s",
             channel_name(app->config.firehose.channel));
    snapshot->paired = app->ha != NULL;
    snapshot->wall_ms = fh_wall_ms();
    snapshot->uptime_ms = fh_time_diff_ms(now, app->started);
    snapshot->pipeline = *status;
    app_ha_status(app, &snapshot->ha);
    memcpy(snapshot->peer_node, snapshot->ha.peer.node, sizeof(snapshot->peer_node));
    snapshot->transition_count =
        app->ha ? fh_ha_history(app->ha, snapshot->transition, FH_SNAPSHOT_TRANSITIONS) : 0;
}

void app_watch_tick(struct app *app, const struct fh_pipeline_status *status)
{
    struct app_watch *watch = app->watch;
    struct fh_time now = fh_now();
    for (size_t i = 0; watch && i < WATCHER_COUNT; i++) {
        look_after(app, &watch->watcher[i], now);
    }
    if (!watch || fh_time_before(now, watch->snapshot_at)) {
        return;
    }
    watch->snapshot_at = fh_time_add_ms(now, SNAPSHOT_MS);
    make_snapshot(app, status, now);
    if (watch->watcher[WATCHER_METRICS].opened) {
        fh_metrics_update(watch->watcher[WATCHER_METRICS].opened, &watch->snapshot);
    }
#ifdef FH_HAVE_CONSOLE
    if (watch->watcher[WATCHER_CONSOLE].opened) {
        fh_console_update(watch->watcher[WATCHER_CONSOLE].opened, &watch->snapshot);
    }
#endif
}

void app_watch_stop(struct app *app)
{
    if (!app->watch) {
        return;
    }
    for (size_t i = 0; i < WATCHER_COUNT; i++) {
        struct watcher *watcher = &app->watch->watcher[i];
        if (watcher->trying) {
            pthread_join(watcher->thread, NULL);
            watcher->opened = watcher->made;
        }
    }
    fh_metrics_free(app->watch->watcher[WATCHER_METRICS].opened);
#ifdef FH_HAVE_CONSOLE
    fh_console_free(app->watch->watcher[WATCHER_CONSOLE].opened);
#endif
    explicit_bzero(app->watch->fresh_key, sizeof(app->watch->fresh_key));
    free(app->watch);
    app->watch = NULL;
}
