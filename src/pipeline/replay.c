/* replay.c: what the main thread asks of replays: begins them, tells how far they are, ends them.
 * The work is done in replay_run.c. */
#include "replay.h"

#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

const char *fh_replay_state_name(enum fh_replay_state state)
{
    static const char *const names[] = {"none", "running", "done", "cancelled", "failed"};
    return (size_t)state < FH_ARRAY_LEN(names) ? names[state] : "";
}

static void release(struct replay *replay)
{
    if (!replay) {
        return;
    }
    if (replay->started) {
        pthread_join(replay->thread, NULL);
    }
    fh_shape_free(replay->shape);
    fh_past_close(replay->past);
    pthread_mutex_destroy(&replay->lock);
    free(replay);
}

static int find_sink(struct fh_pipeline *pipeline, const char *name, struct fh_error *err,
                     size_t *ret)
{
    char names[256] = "";
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        const char *known = pipeline->delivery[i].config.name;
        if (strcmp(known, name) == 0) {
            *ret = i;
            return 0;
        }
        size_t len = strlen(names);
        snprintf(names + len, sizeof(names) - len, "%s%s", len > 0 ? ", " : "", known);
    }
    return fh_error_set(err, -ENOENT, "there is no sink \"%.31s\"; there are: %s", name, names);
}

/* By date for people, and a little chance so that no two are the same. */
static int make_id(struct replay *replay, struct fh_error *err)
{
    uint16_t chance = 0;
    time_t seconds = (time_t)(fh_wall_ms() / 1000);
    struct tm tm = {0};
    char stamp[17] = "";
    if (getrandom(&replay->salt, sizeof(replay->salt), 0) != sizeof(replay->salt) ||
        getrandom(&chance, sizeof(chance), 0) != sizeof(chance)) {
        return fh_error_set(err, -EIO, "the kernel gives no random bytes");
    }
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(replay->id, sizeof(replay->id), "%s-%04x", stamp, chance);
    return 0;
}

/* For people and the journal: of a URL only the host, for its path may be what lets one in. */
static void where_to(const struct fh_config_sink *config, char *text, size_t size)
{
    const char *place = config->command_count > 0  ? config->command[0]
                        : config->server_count > 0 ? config->servers[0]
                                                   : config->url;
    if (strcmp(config->type, "file") == 0) {
        place = config->directory;
    } else if (strcmp(config->type, "zeromq") == 0) {
        place = config->listen;
    }
    size_t len = FH_PATH_MAX;
    const char *host = place[0] == '/' ? NULL : strstr(place, "://");
    if (host) {
        place = host + 3;
        len = strcspn(place, "/?#");
        const char *at = memrchr(place, '@', len);
        len -= at ? (size_t)(at + 1 - place) : 0;
        place = at ? at + 1 : place;
    }
    snprintf(text, size, "%s %.*s", config->type, (int)len, place);
}

static int begin(struct fh_pipeline *pipeline, struct replay *replay, struct fh_error *err)
{
    struct delivery *live = replay->delivery;
    pthread_mutex_lock(&live->lock);
    replay->config = live->reloaded ? live->reload : live->config;
    pthread_mutex_unlock(&live->lock);
    replay->ops = live->ops;
    replay->interval = (struct fh_past_interval){replay->order.since_ms, replay->order.until_ms};
    int r = make_id(replay, err);
    r = r < 0 ? r : fh_sink_replay_config(&replay->config, replay->id, replay->order.listen, err);
    if (r < 0) {
        return r;
    }
    replay->context = (struct fh_sink_context){.node = pipeline->config.node.name,
                                               .state_dir = pipeline->config.node.state_dir,
                                               .replica = pipeline->config.firehose.replica_id,
                                               .replay = replay->id,
                                               .fenced = fh_replay_fenced,
                                               .refused = fh_replay_refused,
                                               .dropped = fh_replay_dropped,
                                               .userdata = replay};
    replay->own = (struct fh_replay_status){.state = FH_REPLAY_RUNNING,
                                            .dry_run = replay->order.dry_run,
                                            .since_ms = replay->order.since_ms,
                                            .until_ms = replay->order.until_ms,
                                            .go_on_ms = replay->order.since_ms};
    memcpy(replay->own.id, replay->id, sizeof(replay->id));
    memcpy(replay->own.sink, replay->order.sink, sizeof(replay->own.sink));
    where_to(&replay->config, replay->own.place, sizeof(replay->own.place));
    fh_replay_publish(replay, "");
    r = pthread_create(&replay->thread, NULL, fh_replay_run, replay);
    replay->started = r == 0;
    return r == 0 ? 0 : fh_error_set(err, -r, "cannot start a thread for the replay");
}

int fh_replay_start(struct fh_pipeline *pipeline, const struct fh_replay_order *order,
                    struct fh_error *err, size_t *ret_index)
{
    size_t index = 0;
    uint64_t epoch = atomic_load(&pipeline->lead_epoch);
    int r = find_sink(pipeline, order->sink, err, &index);
    if (r < 0) {
        return r;
    }
    struct replay *before = pipeline->replay[index];
    if (before && !atomic_load(&before->ended)) {
        return fh_error_set(err, -EBUSY, "replay %s is running into sink %s; cancel it first",
                            before->id, order->sink);
    }
    if (epoch == 0 || atomic_load(&pipeline->hand_over_until_ns) != 0) {
        return fh_error_set(err, -EPERM, "this node does not deliver; replay on the primary");
    }
    struct replay *replay = calloc(1, sizeof(*replay));
    if (!replay) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    pthread_mutex_init(&replay->lock, NULL);
    replay->delivery = &pipeline->delivery[index];
    replay->order = *order;
    replay->epoch = epoch;
    r = begin(pipeline, replay, err);
    if (r < 0) {
        release(replay);
        return r;
    }
    fh_replay_add(pipeline, index, &pipeline->replayed);
    release(before);
    pipeline->replay[index] = replay;
    *ret_index = index;
    return 0;
}

void fh_replay_status(struct fh_pipeline *pipeline, size_t index, struct fh_replay_status *ret)
{
    struct replay *replay = pipeline->replay[index];
    if (!replay) {
        *ret = (struct fh_replay_status){.state = FH_REPLAY_NONE};
        return;
    }
    pthread_mutex_lock(&replay->lock);
    *ret = replay->status;
    pthread_mutex_unlock(&replay->lock);
}

bool fh_replay_add(const struct fh_pipeline *pipeline, size_t index,
                   struct fh_pipeline_replays *inout)
{
    struct replay *replay = pipeline->replay[index];
    if (!replay || replay->order.dry_run) {
        return false;
    }
    pthread_mutex_lock(&replay->lock); /* not copied: the whole of it is long */
    const struct fh_replay_status *status = &replay->status;
    bool running = status->state == FH_REPLAY_RUNNING;
    inout->delivered += status->delivered;
    inout->filtered += replay->settled_filtered; /* a batch that fails is looked at again */
    inout->refused += status->refused;
    inout->dropped += status->dropped;
    inout->done += status->state == FH_REPLAY_DONE;
    inout->cancelled += status->state == FH_REPLAY_CANCELLED;
    inout->failed += status->state == FH_REPLAY_FAILED;
    if (running && status->records > status->looked_at) {
        inout->pending += status->records - status->looked_at;
    }
    pthread_mutex_unlock(&replay->lock);
    return running;
}

void fh_replay_cancel(struct fh_pipeline *pipeline, size_t index)
{
    if (pipeline->replay[index]) {
        atomic_store(&pipeline->replay[index]->cancelled, true);
    }
}

void fh_replay_join_all(struct fh_pipeline *pipeline)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(pipeline->replay); i++) {
        release(pipeline->replay[i]);
        pipeline->replay[i] = NULL;
    }
}
