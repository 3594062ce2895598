/* app.c: the order in which the daemon's parts start and stop, its signals and its clockwork.
 *
 * Start: configuration, store and sinks (idle), control socket, receivers, pair. Stop: receivers,
 * drain, sinks, the arbiter's lease, farewell to the peer, the rest in reverse. The main thread
 * never touches the disk once READY is said. */
#include "app.h"

#include "fh/log.h"
#include "fh/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define TICK_USEC         ((uint64_t)100 * 1000)
#define DRAIN_LIMIT_USEC  ((uint64_t)4 * 1000 * 1000)
#define PROGRESS_LIMIT_MS 10000

static void log_findings(const char *path, const struct fh_config_findings *findings, bool to_log)
{
    for (size_t i = 0; i < findings->count; i++) {
        bool warning = findings->finding[i].warning;
        const char *text = findings->finding[i].text;
        if (to_log) {
            fh_log_event(warning ? LOG_WARNING : LOG_ERR,
                         warning ? FH_LOG_CONFIG_WARNING : FH_LOG_CONFIG_INVALID, NULL, 0, "%s",
                         text);
        } else {
            printf("%s: %s\n", warning ? "warning" : "error", text);
        }
    }
    (void)path;
}

/* The configuration knows every type; this build may have been made without one. */
static int check_build(const char *config_path, const struct fh_config *config)
{
    int r = 0;
    for (size_t i = 0; i < config->sink_count; i++) {
        if (!fh_sink_for(&config->sinks[i])) {
            fprintf(stderr,
                    "error: %s: sink \"%s\": this build has no sinks of type \"%s\"; build it with "
                    "the library it needs (README, \"Building\")\n",
                    config_path, config->sinks[i].name, config->sinks[i].type);
            r = -EINVAL;
        }
    }
    struct fh_error err = {""};
    if (app_watch_check(config, &err) < 0) {
        fprintf(stderr, "error: %s: %s\n", config_path, err.text);
        r = -EINVAL;
    }
    return r;
}

/* Before the file is read: what is written meanwhile counts as not read. */
static int64_t modified_ms(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? 0
                               : st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
}

/* As a reload does; a credential stays what it was at the start. */
static int check_secrets(const char *config_path, const struct fh_config *config)
{
    char key[FH_API_KEY_MAX] = "";
    struct fh_error err = {""};
    int r = config->firehose.api_key_file[0] ? fh_config_api_key(config, key, &err) : 0;
    explicit_bzero(key, sizeof(key));
    if (r < 0) {
        fprintf(stderr, "error: %s: %s\n", config_path, err.text);
    }
    return r;
}

int app_check(const char *config_path, bool secrets)
{
    struct fh_config config;
    struct fh_config_findings findings = {0};
    int r = fh_config_load(config_path, &config, &findings);
    log_findings(config_path, &findings, false);
    r = r < 0 ? r : check_build(config_path, &config);
    r = r < 0 || !secrets ? r : check_secrets(config_path, &config);
    if (r == 0) {
        printf("%s: ok\n", config_path);
    }
    return r == 0 ? 0 : 1;
}

static int on_answers(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct app *app = userdata;
    (void)source;
    (void)fd;
    (void)revents;
    fh_pipeline_dispatch(app->pipeline);
    return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct app *app = userdata;
    (void)usec;
    struct fh_pipeline_status status;
    fh_pipeline_status(app->pipeline, &status);
    app_pair_push(app, &status);
    notify_status(app, &status);
    app_replay_tick(app);
    app_watch_tick(app, &status);
    fh_log_flush(false);
    sd_event_source_set_time_relative(source, TICK_USEC);
    return 0;
}

/* The ping is a proof of progress: the main loop ran this, and the writer went round its loop. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct app *app = userdata;
    (void)usec;
    struct fh_pipeline_status status;
    fh_pipeline_status(app->pipeline, &status);
    if (status.progress_age_ms < PROGRESS_LIMIT_MS) {
        notify_watchdog();
    }
    sd_event_source_set_time_relative(source, notify_watchdog_interval());
    return 0;
}

void app_finish(struct app *app, int exit_code)
{
    app->exit_code = exit_code;
    sd_event_exit(app->event, exit_code);
}

void app_leave(struct app *app)
{
    if (app->leaving) {
        return;
    }
    app->leaving = true;
    if (app->ha) {
        fh_ha_leave(app->ha); /* -> app_finish */
    } else {
        app_finish(app, 0);
    }
}

static int on_drain_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct app *app = userdata;
    if (app->leaving) {
        return 0;
    }
    fh_log(LOG_NOTICE, "stopping without having delivered everything: the rest is in the store and "
                       "is delivered after the next start, or by the peer");
    app_leave(app);
    return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata)
{
    struct app *app = userdata;
    (void)source;
    if (app->stopping) {
        return 0;
    }
    app->stopping = true;
    notify_stopping();
    fh_log_event(LOG_NOTICE, FH_LOG_STOPPING, NULL, 0,
                 "stopping on signal %s: storing what came, delivering what is stored",
                 info->ssi_signo == SIGINT ? "INT" : "TERM");
    fh_pipeline_drain(app->pipeline);
    sd_event_add_time_relative(app->event, NULL, CLOCK_BOOTTIME, DRAIN_LIMIT_USEC, 0,
                               on_drain_limit, app);
    return 0;
}

void app_reload(struct app *app)
{
    struct fh_config config;
    struct fh_config_findings findings = {0};
    struct fh_error err = {""};
    char key[FH_API_KEY_MAX];
    int64_t mtime_ms = modified_ms(app->config_path);
    int r = fh_config_load(app->config_path, &config, &findings);
    log_findings(app->config_path, &findings, true);
    if (r < 0) {
        fh_log_event(LOG_ERR, FH_LOG_CONFIG_RELOADED, NULL, 0,
                     "reload refused: the configuration has errors; going on with the old one");
        return;
    }
    if (fh_config_api_key(&config, key, &err) < 0) {
        fh_log_event(LOG_ERR, FH_LOG_CONFIG_RELOADED, NULL, 0, "reload refused: %s", err.text);
        return;
    }
    app->config_mtime_ms = mtime_ms;
    app->needs_restart[0] = '\0';
    size_t count = fh_config_restart_needed(&app->config, &config, app->needs_restart,
                                            sizeof(app->needs_restart));
    fh_log_set_level((int)config.log.level);
    fh_pipeline_reload(app->pipeline, &config, key);
    app_watch_use_key(app, key);
    explicit_bzero(key, sizeof(key));
    if (count > 0) {
        fh_log_event(LOG_WARNING, FH_LOG_CONFIG_RELOADED, NULL, 0,
                     "reloaded, but %zu changed option(s) need a restart: %s", count,
                     app->needs_restart);
    } else {
        /* What systemd hands over at the start is not read again. */
        fh_log_event(
            LOG_NOTICE, FH_LOG_CONFIG_RELOADED, NULL, 0, "configuration reloaded%s",
            config.firehose.api_key_file[0]
                ? ""
                : "; the API key is a credential: for a new one restart, the standby first");
    }
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    (void)source;
    (void)info;
    notify_reloading();
    app_reload(userdata);
    notify_ready();
    return 0;
}

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    /* Before any thread starts, so that all of them inherit it and signals reach sd-event only. */
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int start_loop(struct app *app, struct fh_error *err)
{
    int r = sd_event_default(&app->event);
    r = r < 0 ? r : sd_event_add_signal(app->event, NULL, SIGTERM, on_terminate, app);
    r = r < 0 ? r : sd_event_add_signal(app->event, NULL, SIGINT, on_terminate, app);
    r = r < 0 ? r : sd_event_add_signal(app->event, NULL, SIGHUP, on_hangup, app);
    r = r < 0 ? r
              : sd_event_add_io(app->event, NULL, fh_pipeline_fd(app->pipeline), EPOLLIN,
                                on_answers, app);
    sd_event_source *tick = NULL;
    r = r < 0 ? r
              : sd_event_add_time_relative(app->event, &tick, CLOCK_BOOTTIME, TICK_USEC, 10000,
                                           on_tick, app);
    r = r < 0 ? r : sd_event_source_set_enabled(tick, SD_EVENT_ON);
    r = r < 0 ? r : sd_event_source_set_floating(tick, true);
    sd_event_source_unref(tick);
    uint64_t interval = notify_watchdog_interval();
    if (r >= 0 && interval > 0) {
        sd_event_source *watchdog = NULL;
        r = sd_event_add_time_relative(app->event, &watchdog, CLOCK_BOOTTIME, interval, 0,
                                       on_watchdog, app);
        r = r < 0 ? r : sd_event_source_set_enabled(watchdog, SD_EVENT_ON);
        r = r < 0 ? r : sd_event_source_set_floating(watchdog, true);
        sd_event_source_unref(watchdog);
    }
    return r < 0 ? fh_error_set(err, r, "cannot set up the event loop") : 0;
}

/* What root makes there the service's user cannot open any more: tried out by hand once, the
 * service would not start again. */
static int check_state_dir_owner(const char *path, struct fh_error *err)
{
    struct stat st;
    if (geteuid() != 0 || stat(path, &st) < 0 || st.st_uid == 0) {
        return 0;
    }
    const struct passwd *owner = getpwuid(st.st_uid);
    return fh_error_set(
        err, -EPERM,
        "node.state_dir %s belongs to %s, who could not open what root makes there; "
        "run it as that user (runuser -u %s -- firehosed ...), or start the service",
        path, owner ? owner->pw_name : "another user", owner ? owner->pw_name : "USER");
}

static int make_state_dir(const struct app *app, struct fh_error *err)
{
    const char *path = app->config.node.state_dir;
    if (mkdir(path, 0750) == 0 || errno == EEXIST) {
        return check_state_dir_owner(path, err);
    }
    char text[64];
    int code = -errno;
    return fh_error_set(err, code, "cannot make node.state_dir %s: %s", path,
                        fh_strerror(code, text, sizeof(text)));
}

static int check_pair_key(const struct fh_config *config, struct fh_error *err)
{
    char secret[FH_PAIR_KEY_MAX] = "";
    int r = config->pair.present ? fh_config_pair_key(config, secret, err) : 0;
    explicit_bzero(secret, sizeof(secret));
    return r;
}

/* What was set up wrongly, in the file or around it, is not mended by trying again. What is not
 * there may come yet, with a disk for instance. */
static int settings(struct app *app, char key[FH_API_KEY_MAX], struct fh_error *err)
{
    int r = app_watch_check(&app->config, err);
    r = r < 0 ? r : fh_config_api_key(&app->config, key, err);
    r = r < 0 ? r : check_pair_key(&app->config, err);
    r = r < 0 ? r : make_state_dir(app, err);
    bool wrong = r == -EINVAL || r == -EACCES || r == -EPERM || r == -EFBIG;
    app->exit_code = wrong ? EX_CONFIG : 1;
    return r;
}

static int start(struct app *app, struct fh_error *err)
{
    char key[FH_API_KEY_MAX];
    int r = settings(app, key, err);
    if (r < 0) {
        explicit_bzero(key, sizeof(key));
        return r;
    }
    r = fh_pipeline_new(&app->config, key, &app_pipeline_host, app, err, &app->pipeline);
    explicit_bzero(key, sizeof(key));
    r = r < 0 ? r : start_loop(app, err);
    r = r < 0 ? r
              : fh_control_server_new(app->event, app->config.node.control_socket, app_commands,
                                      app, err, &app->control);
    r = r < 0 ? r : app_pair_start(app, err);
    r = r < 0 ? r : fh_pipeline_start(app->pipeline, err);
    r = r < 0 ? r : app_watch_start(app, err);
    return r;
}

static void stop(struct app *app)
{
    if (app->pipeline) {
        fh_pipeline_follow(app->pipeline); /* quiet before the farewell: the peer leads at once */
    }
    if (app->ha) {
        fh_ha_stop(app->ha);
    }
    app_watch_stop(app); /* may wait for a disk, or for whom the console asks: nobody else does */
    fh_control_server_free(app->control);
    fh_pipeline_free(app->pipeline);
    fh_ha_free(app->ha);
    sd_event_unref(app->event);
}

int app_run(const char *config_path)
{
    struct app *app = calloc(1, sizeof(*app));
    struct fh_config_findings findings = {0};
    struct fh_error err = {""};
    if (!app) {
        return 1;
    }
    app->config_path = config_path;
    app->started = fh_now();
    app->config_mtime_ms = modified_ms(config_path);
    int r = fh_config_load(config_path, &app->config, &findings);
    log_findings(config_path, &findings, true);
    if (r < 0) {
        free(app);
        return EX_CONFIG;
    }
    fh_log_set_node(app->config.node.name);
    fh_log_set_level((int)app->config.log.level);
    fh_log_limit(true);
    block_signals();
    r = start(app, &err);
    if (r < 0) {
        fh_log_event(LOG_CRIT, r == -EUCLEAN ? FH_LOG_STORE_DAMAGED : FH_LOG_FATAL, NULL, 0,
                     "cannot start: %s", err.text);
    } else {
        app->exit_code = 0;
        fh_log_event(LOG_NOTICE, FH_LOG_STARTED, NULL, 0,
                     "firehosed %s started: %zu receiver(s), %zu sink(s), %s", FH_VERSION,
                     app->config.firehose.ranges.count, app->config.sink_count,
                     app->config.pair.present ? "one of a pair" : "a single node");
        notify_ready();
        sd_event_loop(app->event);
    }
    stop(app);
    int exit_code = app->exit_code;
    fh_log_flush(true);
    if (r >= 0) {
        fh_log_event(LOG_NOTICE, FH_LOG_STOPPED, NULL, 0, "stopped");
    }
    free(app);
    return exit_code;
}
