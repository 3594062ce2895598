/* app.h: the daemon's parts and how they are joined. Everything here runs on the main thread (what
 * app_watch.c does elsewhere it says).
 *
 *   app.c           start order, stop order, signals, timers
 *   app_pair.c      the role machine's orders to the pipeline and the pipeline's answers to it;
 *                   a node without a pair leads by itself
 *   app_commands.c  what firehosectl may ask
 *   app_status.c    the status document
 *   app_replay.c    replays: begun, watched, cancelled
 *   app_watch.c     metrics and console: who looks at this node
 *   notify.c        systemd: READY, STATUS, WATCHDOG, STOPPING
 *   role_file.c     the role for units and hooks that follow it */
#ifndef FH_DAEMON_APP_H
#define FH_DAEMON_APP_H

#include "fh/clock.h"
#include "fh/config.h"
#include "fh/control.h"
#include "fh/ha.h"
#include "fh/pipeline.h"

#define APP_TAILS_MAX 8

struct app_watch;

struct app {
    const char *config_path;
    struct fh_config config;
    int64_t config_mtime_ms; /* of the file when it was read; 0: not known */
    char needs_restart[512]; /* options whose new value a reload could not take over */
    sd_event *event;
    struct fh_pipeline *pipeline;
    struct fh_ha *ha; /* NULL: a single node */
    struct fh_control_server *control;
    struct app_watch *watch; /* NULL: neither metrics nor console are configured */
    struct fh_time started;
    /* a single node's role; with a pair the engine knows */
    enum fh_role role;
    uint64_t epoch;
    struct fh_control_client *tail[APP_TAILS_MAX];
    size_t tail_count;
    struct fh_control_client *replay_watcher[FH_SINKS_MAX]; /* of the replay into each sink; NULL */
    struct fh_time replay_told[FH_SINKS_MAX];
    bool stopping;
    bool leaving; /* all is delivered, or there is no more time: the pair is being left */
    int exit_code;
    /* for the rate in STATUS */
    struct fh_time rate_at;
    uint64_t rate_received;
    double rate;
};

/* app.c: runs until a signal; returns the exit code. */
int app_run(const char *config_path);
/* Reads and checks the configuration, prints each finding; secrets: and the file of the API key,
 * which a reload reads as well. */
int app_check(const char *config_path, bool secrets);
void app_finish(struct app *app, int exit_code);
/* The planned way to app_finish: a node of a pair stops to deliver and gives the lease back. */
void app_leave(struct app *app);
void app_reload(struct app *app);

/* app_pair.c */
extern const struct fh_pipeline_host app_pipeline_host;
int app_pair_start(struct app *app, struct fh_error *err);
/* The operator's order outlives the process. */
void app_pair_keep_maintenance(struct app *app, bool on);
/* Tell the engine what this node knows of itself. */
void app_pair_push(struct app *app, const struct fh_pipeline_status *status);

/* app_commands.c */
extern const struct fh_control_command app_commands[];
void app_tail_lines(struct app *app, const char *lines, size_t len);

/* app_replay.c: two commands; the last replay into a sink (NULL: none); and the news for those who
 * watch, as often as the main loop likes. */
int app_replay_run(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                   cJSON **ret_result, struct fh_error *err);
int app_replay_cancel(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                      cJSON **ret_result, struct fh_error *err);
cJSON *app_replay_json(struct app *app, size_t index);
void app_replay_tick(struct app *app);

/* app_status.c */
cJSON *app_status_json(struct app *app);
cJSON *app_checkpoint_json(struct app *app);
/* A single node's, too. */
void app_ha_status(struct app *app, struct fh_ha_status *ret);

/* app_watch.c */
/* A section this build cannot serve: -EINVAL with a sentence. */
int app_watch_check(const struct fh_config *config, struct fh_error *err);
/* -ENOMEM only: what cannot listen now does so later. */
int app_watch_start(struct app *app, struct fh_error *err);
/* As often as the main loop likes; status: just made. */
void app_watch_tick(struct app *app, const struct fh_pipeline_status *status);
/* Before the end of what is looked at. */
void app_watch_stop(struct app *app);
/* After a reload: what asks the service does so with this key. */
void app_watch_use_key(struct app *app, const char *key);

/* notify.c */
void notify_ready(void);
void notify_stopping(void);
/* One line for systemctl status; sent only when it differs from the last. */
void notify_status(struct app *app, const struct fh_pipeline_status *status);
/* Microseconds between the watchdog's pings; 0 = systemd expects none. */
uint64_t notify_watchdog_interval(void);
void notify_watchdog(void);
void notify_reloading(void);

/* role_file.c: app->role and app->epoch have changed. */
void role_file_write(const struct app *app, const char *reason);

#endif
