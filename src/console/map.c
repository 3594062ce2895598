/* map.c: asks the service for floors that somebody looks at, one after the other, and keeps the
 * answers. Says once when the service refuses, and once when it answers again: the page works
 * without. */
#include "map.h"

#include "fh/clock.h"
#include "fh/log.h"
#include "fh/rest.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct map {
    char id[CONSOLE_ID_MAX + 1]; /* "" = free */
    char tenant[CONSOLE_ID_MAX + 1];
    double width, length;
    struct fh_buf image;
    const char *type;
    char etag[20];
    struct fh_time due;    /* ask then */
    struct fh_time looked; /* somebody did, last */
};

struct maps {
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wanted;
    struct map map[MAPS_MAX];
    size_t bytes;
    bool stop;
    bool complained;
    struct fh_rest *rest;  /* the thread's own, but for cancel */
    struct fh_rest *fresh; /* takes its place, with another key */
};

static struct map *find(struct maps *maps, const char *id)
{
    for (size_t i = 0; i < MAPS_MAX; i++) {
        if (maps->map[i].id[0] && strcmp(maps->map[i].id, id) == 0) {
            return &maps->map[i];
        }
    }
    return NULL;
}

static void drop_image(struct maps *maps, struct map *map)
{
    maps->bytes -= map->image.len;
    fh_buf_done(&map->image);
}

/* A free row, or the one nobody looked at for longest. */
static struct map *make_room(struct maps *maps)
{
    struct map *oldest = &maps->map[0];
    for (size_t i = 0; i < MAPS_MAX && oldest->id[0]; i++) {
        struct map *map = &maps->map[i];
        if (!map->id[0] || fh_time_before(map->looked, oldest->looked)) {
            oldest = map;
        }
    }
    drop_image(maps, oldest);
    return oldest;
}

void maps_look(struct maps *maps, const char *id, const char *tenant, struct maps_known *ret)
{
    struct fh_time now = fh_now();
    pthread_mutex_lock(&maps->lock);
    struct map *map = find(maps, id);
    if (!map) {
        map = make_room(maps);
        *map = (struct map){.due = now};
        fh_buf_init(&map->image, FH_REST_ANSWER_MAX);
        snprintf(map->id, sizeof(map->id), "%s", id);
        snprintf(map->tenant, sizeof(map->tenant), "%s", tenant);
    }
    map->looked = now;
    if (!fh_time_before(now, map->due)) {
        pthread_cond_signal(&maps->wanted);
    }
    *ret = (struct maps_known){map->width, map->length, map->image.len > 0};
    pthread_mutex_unlock(&maps->lock);
}

int maps_answer(struct maps *maps, const char *id, struct fh_web_answer *answer)
{
    int r = -ENOENT;
    pthread_mutex_lock(&maps->lock);
    const struct map *map = find(maps, id);
    if (map && map->image.len > 0) {
        r = fh_buf_append(&answer->body, map->image.data, map->image.len);
        answer->type = map->type;
        answer->cache = "private, no-cache";
        snprintf(answer->etag, sizeof(answer->etag), "%s", map->etag);
    }
    pthread_mutex_unlock(&maps->lock);
    return r;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* One that was looked at a moment ago and is due. */
static struct map *next(struct maps *maps, struct fh_time now)
{
    for (size_t i = 0; i < MAPS_MAX; i++) {
        struct map *map = &maps->map[i];
        if (map->id[0] && !fh_time_before(now, map->due) &&
            fh_time_diff_ms(now, map->looked) < MAPS_AGAIN_MS) {
            return map;
        }
    }
    return NULL;
}

static void complain(struct maps *maps, int r, const struct fh_error *err)
{
    bool bad = r < 0 && r != -ENOENT;
    if (bad && !maps->complained) {
        fh_log(LOG_WARNING, "console.maps: %s; floors are shown without an image until it works",
               err->text);
    } else if (!bad && maps->complained) {
        fh_log(LOG_NOTICE, "console.maps: the service answers again");
    }
    maps->complained = bad;
}

static void keep_image(struct maps *maps, struct map *map, struct fh_buf *image, const char *type)
{
    drop_image(maps, map);
    while (maps->bytes + image->len > MAPS_BYTES_MAX) {
        struct map *oldest = NULL;
        for (size_t i = 0; i < MAPS_MAX; i++) {
            struct map *other = &maps->map[i];
            if (other->image.len > 0 &&
                (!oldest || fh_time_before(other->looked, oldest->looked))) {
                oldest = other;
            }
        }
        if (!oldest) {
            return;
        }
        drop_image(maps, oldest);
        oldest->due = fh_time_add_ms(fh_now(), MAPS_AGAIN_MS);
    }
    map->image = *image; /* taken over */
    fh_buf_init(image, image->max);
    map->type = type;
    maps->bytes += map->image.len;
    snprintf(map->etag, sizeof(map->etag), "%016llx",
             (unsigned long long)XXH3_64bits(map->image.data, map->image.len));
}

/* Called with the lock, which it gives up while it asks. */
static void fetch(struct maps *maps, const struct map *wanted)
{
    char id[CONSOLE_ID_MAX + 1], tenant[CONSOLE_ID_MAX + 1];
    struct fh_error err = {""};
    struct fh_rest_map found = {.width = 0};
    struct fh_buf image;
    const char *type = "";
    memcpy(id, wanted->id, sizeof(id));
    memcpy(tenant, wanted->tenant, sizeof(tenant));
    fh_buf_init(&image, FH_REST_ANSWER_MAX);
    pthread_mutex_unlock(&maps->lock);
    int r = fh_rest_map(maps->rest, id, tenant, &found, &err);
    if (r == 0 || r == -ENOENT || r == -EBADMSG) {
        r = fh_rest_map_image(maps->rest, id, tenant, &image, &type, &err);
    }
    pthread_mutex_lock(&maps->lock);
    struct map *map = find(maps, id); /* it may have been driven out meanwhile */
    if (map) {
        if (found.width > 0 && found.length > 0) {
            map->width = found.width;
            map->length = found.length;
        }
        if (r == 0) {
            keep_image(maps, map, &image, type);
        }
        /* A refusal of the old key says nothing about the new one. */
        int64_t wait_ms = r == 0 ? MAPS_KEEP_MS : maps->fresh ? 0 : MAPS_AGAIN_MS;
        map->due = fh_time_add_ms(fh_now(), wait_ms);
    }
    if (r != -ECANCELED) {
        complain(maps, r, &err);
    }
    fh_buf_done(&image);
}

static void *run(void *userdata)
{
    struct maps *maps = userdata;
    pthread_mutex_lock(&maps->lock);
    while (!maps->stop) {
        if (maps->fresh) {
            fh_rest_free(maps->rest);
            maps->rest = maps->fresh;
            maps->fresh = NULL;
        }
        const struct map *wanted = next(maps, fh_now());
        if (wanted) {
            fetch(maps, wanted);
        } else {
            pthread_cond_wait(&maps->wanted, &maps->lock);
        }
    }
    pthread_mutex_unlock(&maps->lock);
    return NULL;
}

int maps_new(const struct fh_config *config, const char *api_key, struct fh_error *err,
             struct maps **ret)
{
    struct maps *maps = calloc(1, sizeof(*maps));
    if (!maps) {
        return fh_error_set(err, -ENOMEM, "console.maps: out of memory");
    }
    for (size_t i = 0; i < MAPS_MAX; i++) {
        fh_buf_init(&maps->map[i].image, FH_REST_ANSWER_MAX);
    }
    int r = fh_rest_new(config, api_key, err, &maps->rest);
    if (r < 0) {
        free(maps);
        return r;
    }
    pthread_mutex_init(&maps->lock, NULL);
    pthread_cond_init(&maps->wanted, NULL);
    r = -pthread_create(&maps->thread, NULL, run, maps);
    if (r < 0) {
        fh_rest_free(maps->rest);
        pthread_cond_destroy(&maps->wanted);
        pthread_mutex_destroy(&maps->lock);
        free(maps);
        return fh_error_set(err, r, "console.maps: cannot start a thread");
    }
    *ret = maps;
    return 0;
}

void maps_use_key(struct maps *maps, const struct fh_config *config, const char *api_key)
{
    struct fh_error err = {""};
    struct fh_rest *fresh = NULL;
    if (fh_rest_new(config, api_key, &err, &fresh) < 0) {
        return;
    }
    pthread_mutex_lock(&maps->lock);
    fh_rest_free(maps->fresh);
    maps->fresh = fresh;
    for (size_t i = 0; i < MAPS_MAX; i++) { /* what the old key was refused may be granted now */
        if (maps->map[i].image.len == 0) {
            maps->map[i].due = (struct fh_time){0};
        }
    }
    maps->complained = false;
    pthread_cond_signal(&maps->wanted);
    pthread_mutex_unlock(&maps->lock);
}

void maps_free(struct maps *maps)
{
    if (!maps) {
        return;
    }
    pthread_mutex_lock(&maps->lock);
    maps->stop = true;
    pthread_cond_signal(&maps->wanted);
    pthread_mutex_unlock(&maps->lock);
    fh_rest_cancel(maps->rest);
    pthread_join(maps->thread, NULL);
    fh_rest_free(maps->rest);
    fh_rest_free(maps->fresh);
    for (size_t i = 0; i < MAPS_MAX; i++) {
        fh_buf_done(&maps->map[i].image);
    }
    pthread_cond_destroy(&maps->wanted);
    pthread_mutex_destroy(&maps->lock);
    free(maps);
}
