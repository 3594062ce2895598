/* source.c: owns the set of receivers: making them, spreading them over threads, passing on what
 * other threads ask, and the preview. It never touches a connection itself. */
#include "fh/source.h"

#include "fh/sigpipe.h"

#include "receiver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fh_sources {
    struct fh_source_context context;
    size_t count;
    uint16_t ready; /* receivers that were initialised */
    size_t group_count;
    bool started;
    unsigned group_of[FH_PARTITIONS]; /* the receiver's group */
    struct fh_receiver receivers[FH_PARTITIONS];
    struct fh_group groups[FH_PARTITIONS];
};

static int check(const struct fh_config_firehose *config, const char *api_key, struct fh_error *err)
{
    if (!fh_channel_find(config->channel)) {
        return fh_error_set(err, -ENOTSUP, "this build does not know that firehose.channel");
    }
    if (config->ranges.count < 1 || config->ranges.count > FH_PARTITIONS) {
        return fh_error_set(err, -EINVAL, "between 1 and %d receivers are possible, not %zu",
                            FH_PARTITIONS, config->ranges.count);
    }
    return fh_service_check(config, api_key, err);
}

static int init_receiver(struct fh_sources *sources, unsigned index, unsigned group,
                         struct fh_range range)
{
    struct fh_receiver *receiver = &sources->receivers[index];
    memset(receiver, 0, sizeof(*receiver));
    int r = fh_receiver_init(receiver, &sources->context, &sources->groups[group], index, range);
    if (r < 0) {
        fh_receiver_done(receiver);
        return r;
    }
    sources->ready |= (uint16_t)(1U << index);
    sources->group_of[index] = group;
    return 0;
}

static int fill(struct fh_sources *sources)
{
    const struct fh_config_firehose *config = &sources->context.config;
    size_t threads = config->threads < 1 ? 1 : (size_t)config->threads;
    threads = threads < FH_PARTITIONS ? threads : FH_PARTITIONS;
    for (; sources->group_count < threads; sources->group_count++) {
        int r = fh_group_init(&sources->groups[sources->group_count], config->multiplex);
        if (r < 0) {
            return r;
        }
    }
    for (unsigned i = 0; i < sources->count; i++) {
        struct fh_group *group = &sources->groups[i % threads];
        int r = init_receiver(sources, i, (unsigned)(i % threads), config->ranges.range[i]);
        if (r < 0) {
            return r;
        }
        group->receivers[group->count++] = &sources->receivers[i];
    }
    return 0;
}

static int create(const struct fh_config_firehose *config, const char *api_key,
                  const struct fh_source_handler *handler, void *userdata, bool once,
                  struct fh_error *err, struct fh_sources **ret)
{
    int r = check(config, api_key, err);
    if (r < 0) {
        return r;
    }
    struct fh_sources *sources = calloc(1, sizeof(*sources));
    if (!sources) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    struct fh_source_context *context = &sources->context;
    context->config = *config;
    context->channel = fh_channel_find(config->channel);
    context->handler = *handler;
    context->userdata = userdata;
    context->once = once;
    pthread_mutex_init(&context->key_lock, NULL);
    memcpy(context->api_key, api_key, strlen(api_key) + 1);
    sources->count = config->ranges.count;
    if (context->channel->shared_new) {
        r = context->channel->shared_new(config, &context->shared, err);
    }
    if (r == 0) {
        r = fill(sources);
        r = r < 0 ? fh_error_set(err, r, "out of memory") : 0;
    }
    if (r < 0) {
        fh_sources_free(sources);
        return r;
    }
    *ret = sources;
    return 0;
}

int fh_sources_new(const struct fh_config *config, const char *api_key,
                   const struct fh_source_handler *handler, void *userdata, struct fh_error *err,
                   struct fh_sources **ret)
{
    return create(&config->firehose, api_key, handler, userdata, false, err, ret);
}

int fh_sources_start(struct fh_sources *sources, struct fh_error *err)
{
    if (sources->started) {
        return fh_error_set(err, -EALREADY, "the receivers were started before");
    }
    sources->started = true;
    for (size_t i = 0; i < sources->group_count; i++) {
        int r = fh_group_start(&sources->groups[i]);
        if (r < 0) {
            fh_sources_stop(sources);
            char text[128];
            return fh_error_set(err, r, "cannot start a receiver thread: %s",
                                fh_strerror(r, text, sizeof(text)));
        }
    }
    return 0;
}

void fh_sources_wake(struct fh_sources *sources)
{
    for (size_t i = 0; i < sources->group_count; i++) {
        atomic_store(&sources->groups[i].wake, true);
        fh_group_notify(&sources->groups[i]);
    }
}

void fh_sources_reconnect(struct fh_sources *sources, uint16_t receivers)
{
    for (size_t i = 0; i < sources->group_count; i++) {
        atomic_fetch_or(&sources->groups[i].reconnect, receivers);
        fh_group_notify(&sources->groups[i]);
    }
}

int fh_sources_set_api_key(struct fh_sources *sources, const char *api_key)
{
    size_t len = strlen(api_key);
    if (len == 0 || len >= FH_API_KEY_MAX || strpbrk(api_key, "\r\n")) {
        return -EINVAL;
    }
    pthread_mutex_lock(&sources->context.key_lock);
    explicit_bzero(sources->context.api_key, sizeof(sources->context.api_key));
    memcpy(sources->context.api_key, api_key, len + 1);
    pthread_mutex_unlock(&sources->context.key_lock);
    for (size_t i = 0; i < sources->group_count; i++) {
        atomic_store(&sources->groups[i].new_key, true);
        fh_group_notify(&sources->groups[i]);
    }
    return 0;
}

void fh_sources_retire(struct fh_sources *sources, uint16_t receivers)
{
    for (unsigned i = 0; i < FH_PARTITIONS; i++) {
        if ((receivers & 1U << i) != 0) {
            atomic_fetch_or(&sources->groups[sources->group_of[i]].retire, 1U << i);
            fh_group_notify(&sources->groups[sources->group_of[i]]);
            sources->count--;
        }
    }
}

int fh_sources_add(struct fh_sources *sources, unsigned receiver, struct fh_range range)
{
    unsigned group = receiver % (unsigned)sources->group_count;
    if ((sources->ready & 1U << receiver) != 0) {
        fh_receiver_done(&sources->receivers[receiver]);
        sources->ready &= (uint16_t) ~(1U << receiver);
    }
    int r = init_receiver(sources, receiver, group, range);
    if (r < 0) {
        return r;
    }
    sources->count++;
    sources->groups[group].incoming[receiver] = &sources->receivers[receiver];
    atomic_fetch_or(&sources->groups[group].add, 1U << receiver);
    fh_group_notify(&sources->groups[group]);
    return 0;
}

size_t fh_sources_count(const struct fh_sources *sources)
{
    return sources->count;
}

void fh_sources_status(struct fh_sources *sources, unsigned receiver,
                       struct fh_receiver_status *ret)
{
    assert(receiver < FH_PARTITIONS && (sources->ready & 1U << receiver) != 0);
    fh_receiver_get_status(&sources->receivers[receiver], ret);
}

/* All are told before the first is waited for. */
void fh_sources_stop(struct fh_sources *sources)
{
    for (size_t i = 0; i < sources->group_count; i++) {
        atomic_store(&sources->groups[i].stop, true);
        fh_group_notify(&sources->groups[i]);
    }
    for (size_t i = 0; i < sources->group_count; i++) {
        fh_group_stop(&sources->groups[i]);
    }
}

void fh_sources_free(struct fh_sources *sources)
{
    if (!sources) {
        return;
    }
    fh_sources_stop(sources);
    for (unsigned i = 0; i < FH_PARTITIONS; i++) {
        if ((sources->ready & 1U << i) != 0) {
            fh_receiver_done(&sources->receivers[i]);
        }
    }
    for (size_t i = 0; i < sources->group_count; i++) {
        fh_group_done(&sources->groups[i]);
    }
    if (sources->context.shared) {
        sources->context.channel->shared_free(sources->context.shared);
    }
    explicit_bzero(sources->context.api_key, sizeof(sources->context.api_key));
    pthread_mutex_destroy(&sources->context.key_lock);
    free(sources);
}

/* One receiver for everything the ranges cover, run on the caller's thread without retries. */
int fh_source_preview(const struct fh_config *config, const char *api_key,
                      const struct fh_source_handler *handler, void *userdata, struct fh_error *err)
{
    struct fh_config_firehose firehose = config->firehose;
    struct fh_ranges *ranges = &firehose.ranges;
    if (ranges->count > 1) {
        ranges->range[0].last = ranges->range[ranges->count - 1].last;
        ranges->count = 1;
    }
    struct fh_sources *sources = NULL;
    int r = create(&firehose, api_key, handler, userdata, true, err, &sources);
    if (r < 0 || !sources) {
        return r;
    }
    struct fh_sigpipe_hold hold;
    fh_sigpipe_block(&hold);
    fh_group_run(&sources->groups[0]);
    fh_sigpipe_unblock(&hold);
    r = sources->receivers[0].once_result;
    if (r < 0 && err) {
        *err = sources->receivers[0].once_error;
    }
    fh_sources_free(sources);
    return r;
}
