/* console.c: how the parts are joined: the web server, the thread that reads records and sends
 * events, and the hand-over of snapshots from the main thread.
 *
 * The thread wakes TURN_MS after TURN_MS and works on records for at most WORK_MS of it: whatever
 * comes in, looking at it never takes more than that share of a core from those who deliver. */
#include "fh/console.h"

#include "assets.h"
#include "feed.h"
#include "stream.h"

#include "fh/log.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURN_MS 100
#define READ_MS 80
#define WORK_MS 25

struct fh_console {
    struct assets assets;
    struct fh_web_route routes[ASSETS_MAX + 3];
    struct fh_web *web;
    struct streams streams;
    struct maps *maps; /* NULL without console.maps */
    pthread_t thread;
    bool thread_started;

    pthread_mutex_t lock; /* the next five */
    pthread_cond_t changed;
    struct fh_snapshot given;
    bool is_given; /* and not yet taken */
    bool waked;
    bool stop;

    /* the thread's own */
    struct fh_snapshot snapshot;
    bool has_snapshot;
    struct graph graph;
    struct occupancy occupancy;
    struct space *space;
    struct feed feed;
};

/* ---- the server's thread -------------------------------------------------------------------- */

static int get_asset(void *userdata, const struct fh_web_request *request,
                     struct fh_web_answer *answer)
{
    struct fh_console *console = userdata;
    return assets_answer(&console->assets, request, answer);
}

#define MAP_PATH "/map/"

static int get_map(void *userdata, const struct fh_web_request *request,
                   struct fh_web_answer *answer)
{
    struct fh_console *console = userdata;
    const char *id = fh_web_path(request) + strlen(MAP_PATH);
    return console->maps && id[0] ? maps_answer(console->maps, id, answer) : -ENOENT;
}

static int on_opened(void *userdata, const struct fh_web_request *request,
                     struct fh_web_stream *stream)
{
    struct fh_console *console = userdata;
    int r = streams_open(&console->streams, stream, fh_web_query(request, "floor"),
                         fh_web_query(request, "place"));
    if (r == 0) { /* what it is sent at once is sent now */
        pthread_mutex_lock(&console->lock);
        console->waked = true;
        pthread_cond_signal(&console->changed);
        pthread_mutex_unlock(&console->lock);
    }
    return r;
}

static void on_closed(void *userdata, struct fh_web_stream *stream)
{
    struct fh_console *console = userdata;
    streams_close(&console->streams, stream);
}

static void make_routes(struct fh_console *console)
{
    struct fh_web_route *route = console->routes;
    for (size_t i = 0; i < console->assets.count; i++) {
        *route++ = (struct fh_web_route){.path = console->assets.asset[i].path, .get = get_asset};
    }
    *route++ = (struct fh_web_route){.path = MAP_PATH, .get = get_map};
    *route++ = (struct fh_web_route){.path = "/events", .opened = on_opened, .closed = on_closed};
    *route = (struct fh_web_route){.path = NULL};
}

/* ---- the console's thread ------------------------------------------------------------------- */

/* False: the end. *ret_new: there is another snapshot. */
static bool wait_turn(struct fh_console *console, struct fh_time until, bool *ret_new)
{
    const struct timespec at = {.tv_sec = (time_t)(until.ns / 1000000000),
                                .tv_nsec = (long)(until.ns % 1000000000)};
    pthread_mutex_lock(&console->lock);
    int r = 0;
    while (r == 0 && !console->stop && !console->waked) {
        r = pthread_cond_timedwait(&console->changed, &console->lock, &at);
    }
    console->waked = false;
    *ret_new = console->is_given;
    if (console->is_given) {
        memcpy(&console->snapshot, &console->given, sizeof(console->snapshot));
        console->is_given = false;
        console->has_snapshot = true;
    }
    bool stop = console->stop;
    pthread_mutex_unlock(&console->lock);
    return !stop;
}

static bool take_sample(struct fh_console *console, struct fh_time now)
{
    struct graph_reading reading;
    show_reading(&console->snapshot, &reading);
    return graph_add(&console->graph, &reading, now.ns / 1000000, console->snapshot.wall_ms);
}

static bool take_occupancy(struct fh_console *console, struct fh_time now)
{
    return occupancy_add(&console->occupancy, console->space, now.ns / 1000000,
                         console->snapshot.wall_ms);
}

/* CLOCK_MONOTONIC, as the condition waits by; both clocks differ in a suspend only. */
static struct fh_time wait_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct fh_time){(int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
}

static void *run(void *userdata)
{
    struct fh_console *console = userdata;
    bool fresh = false;
    pthread_setname_np(pthread_self(), "fh-console");
    struct fh_time turn = wait_clock();
    while (wait_turn(console, turn, &fresh)) {
        struct fh_time now = fh_now();
        turn = fh_time_add_ms(wait_clock(), TURN_MS);
        feed_turn(&console->feed, console->space, fh_time_add_ms(now, READ_MS), WORK_MS);
        now = fh_now();
        space_expire(console->space, now.ns / 1000000);
        const struct stream_view view = {
            .snapshot = console->has_snapshot ? &console->snapshot : NULL,
            .pair_due = fresh,
            .graph = &console->graph,
            .sample_due = fresh && take_sample(console, now),
            .space = console->space,
            .occupancy = &console->occupancy,
            .occupancy_due = fresh && take_occupancy(console, now),
            .skipped = console->feed.skipped,
            .maps = console->maps,
        };
        streams_tick(&console->streams, &view, now);
    }
    return NULL;
}

/* ---- the main thread ------------------------------------------------------------------------ */

static int make_space(struct fh_console *console, const struct fh_config *config,
                      struct fh_error *err)
{
    uint8_t key[SPACE_KEY_BYTES];
    if (sodium_init() < 0) {
        return fh_error_set(err, -EIO, "console: libsodium does not start");
    }
    randombytes_buf(key, sizeof(key));
    int r = space_new(key, config->console.device_ids, &console->space);
    explicit_bzero(key, sizeof(key));
    return r < 0 ? fh_error_set(err, r, "console: out of memory") : 0;
}

/* A page that is not there is no reason not to deliver: the events are served without it. */
static void load_page(struct fh_console *console, const struct fh_config *config)
{
    struct fh_error err = {""};
    if (assets_load(config->console.assets, &console->assets, &err) < 0) {
        fh_log(LOG_WARNING, "%s; there is no page until the daemon is started with one", err.text);
    }
    make_routes(console);
}

static int start_web(struct fh_console *console, const struct fh_config *config,
                     struct fh_error *err)
{
    const char *hosts[FH_WEB_HOSTS_MAX + 1] = {NULL};
    for (size_t i = 0; i < config->console.host_count; i++) {
        hosts[i] = config->console.hosts[i];
    }
    const struct fh_web_options options = {
        .listen = config->console.listen,
        .socket = config->console.socket,
        .hosts = hosts,
        .routes = console->routes,
        .userdata = console,
        .what = "console",
    };
    return fh_web_new(&options, err, &console->web);
}

static int start_thread(struct fh_console *console, struct fh_error *err)
{
    int r = -pthread_create(&console->thread, NULL, run, console);
    console->thread_started = r == 0;
    return r < 0 ? fh_error_set(err, r, "console: cannot start a thread") : 0;
}

static void init_lock(struct fh_console *console)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&console->lock, NULL);
    pthread_cond_init(&console->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int fh_console_new(const struct fh_config *config, const char *api_key,
                   struct fh_pipeline *pipeline, struct fh_error *err, struct fh_console **ret)
{
    struct fh_console *console = calloc(1, sizeof(*console));
    if (!console) {
        return fh_error_set(err, -ENOMEM, "console: out of memory");
    }
    init_lock(console);
    streams_init(&console->streams);
    feed_init(&console->feed, pipeline);
    load_page(console, config);
    int r = make_space(console, config, err);
    if (r == 0 && config->console.maps) {
        r = maps_new(config, api_key, err, &console->maps);
    }
    r = r < 0 ? r : start_web(console, config, err);
    r = r < 0 ? r : start_thread(console, err);
    if (r < 0) {
        fh_console_free(console);
        return r;
    }
    *ret = console;
    return 0;
}

void fh_console_update(struct fh_console *console, const struct fh_snapshot *snapshot)
{
    pthread_mutex_lock(&console->lock);
    memcpy(&console->given, snapshot, sizeof(console->given));
    console->is_given = true;
    pthread_mutex_unlock(&console->lock);
}

void fh_console_use_key(struct fh_console *console, const struct fh_config *config,
                        const char *api_key)
{
    if (console->maps) {
        maps_use_key(console->maps, config, api_key);
    }
}

void fh_console_free(struct fh_console *console)
{
    if (!console) {
        return;
    }
    pthread_mutex_lock(&console->lock);
    console->stop = true;
    pthread_cond_signal(&console->changed);
    pthread_mutex_unlock(&console->lock);
    if (console->thread_started) {
        pthread_join(console->thread, NULL);
    }
    fh_web_free(console->web); /* closes the streams, asks for no more maps */
    maps_free(console->maps);
    space_free(console->space);
    streams_done(&console->streams);
    assets_done(&console->assets);
    pthread_cond_destroy(&console->changed);
    pthread_mutex_destroy(&console->lock);
    free(console);
}
