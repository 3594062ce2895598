/* zeromq_pub.c: owns batches on their way to all who subscribed: pattern pub.
 *
 * At most once per subscriber, also across a failover: nothing is sent before the other node holds
 * the report of it (two phases). prepare therefore only remembers a batch; a node that dies before
 * publish takes it along, and nobody sends it again. What no subscriber was there for, or had room
 * for, is counted as dropped. */
#include "types.h"
#include "zeromq.h"

#include "fh/zmq_glue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define LINGER_MS           1000 /* for what was published just before the end */
#define FIRST_SUBSCRIBER_MS 2000 /* at a takeover subscribers need a moment to connect here */

struct pub_sink {
    struct fh_zeromq_settings settings;
    uint64_t epoch;
    struct fh_zeromq_port *port; /* NULL: not leading */
    struct fh_time led_at;
    size_t subscriptions; /* different ones */
    uint64_t batches;     /* prepared so far */
    struct fh_collect begun, prepared;
    char position[FH_SINK_POSITION_MAX]; /* of prepared; "" = none */
};

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    (void)config;
    snprintf(text, size,
             "at most once per subscriber: what it has no room for, or a dying node had not sent "
             "yet, is lost");
}

static int pub_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                    struct fh_error *err, void **ret)
{
    struct pub_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    fh_collect_init(&sink->begun);
    fh_collect_init(&sink->prepared);
    int r = fh_zeromq_settings(config, context, err, &sink->settings);
    if (r < 0) {
        free(sink);
        return r;
    }
    *ret = sink;
    return 0;
}

static int pub_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    sink->epoch = epoch;
    if (sink->port) {
        return 0;
    }
    sink->led_at = fh_now();
    sink->subscriptions = 0;
    int64_t linger_ms = sink->settings.config.timeout_ms;
    return fh_zeromq_port_open(&sink->settings, ZMQ_XPUB,
                               linger_ms < LINGER_MS ? (int)linger_ms : LINGER_MS, err,
                               &sink->port);
}

/* An XPUB socket tells the first subscription to each topic, and the end of the last one. */
static void read_subscriptions(struct pub_sink *sink)
{
    char first = 0;
    int len = 0;
    fh_zeromq_port_look(sink->port);
    while ((len = zmq_recv(sink->port->socket, &first, 1, ZMQ_DONTWAIT)) >= 0) {
        if (len > 0 && first == 1) {
            sink->subscriptions++;
        } else if (len > 0 && first == 0 && sink->subscriptions > 0) {
            sink->subscriptions--;
        }
    }
}

static int pub_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    if (!sink->port) {
        return fh_error_set(err, -EAGAIN, "this node does not deliver");
    }
    read_subscriptions(sink);
    int64_t patience_ms = sink->settings.config.timeout_ms;
    patience_ms = patience_ms < FIRST_SUBSCRIBER_MS ? patience_ms : FIRST_SUBSCRIBER_MS;
    if (sink->subscriptions == 0 && fh_time_diff_ms(fh_now(), sink->led_at) < patience_ms) {
        return fh_error_set(err, -EAGAIN, "waiting for a first subscriber at %s",
                            sink->settings.config.listen);
    }
    int r = fh_collect_add(&sink->begun, write, fh_now());
    return r < 0 ? fh_error_set(err, r, "out of memory for a batch") : 0;
}

static int64_t pub_due_in(void *opaque, struct fh_time now)
{
    struct pub_sink *sink = opaque;
    return fh_collect_due_in(&sink->begun, &sink->settings.config, now);
}

static int pub_flush(void *opaque, struct fh_error *err)
{
    (void)opaque;
    (void)err;
    return 0;
}

static int pub_prepare(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    if (sink->begun.count == 0) {
        return fh_error_set(err, -ENODATA, "sink \"%s\" has no batch to end",
                            sink->settings.config.name);
    }
    fh_collect_clear(&sink->prepared); /* the caller has at most one batch waiting */
    struct fh_collect begun = sink->begun;
    sink->begun = sink->prepared;
    sink->prepared = begun;
    snprintf(sink->position, sizeof(sink->position), "%" PRIu64 ".%" PRIu64, sink->epoch,
             ++sink->batches);
    memcpy(position, sink->position, sizeof(sink->position));
    return 0;
}

/* To everybody with room; false when somebody had none. */
static bool send_one(struct pub_sink *sink, const struct fh_collect_item *item)
{
    void *socket = sink->port->socket;
    int r = fh_zeromq_send(socket, item, sink->epoch, NULL);
    if (r < 0) {
        /* Now to the others: a slow subscriber must not hold them up. */
        fh_zmq_set_int(socket, ZMQ_XPUB_NODROP, 0);
        (void)fh_zeromq_send(socket, item, sink->epoch, NULL);
        fh_zmq_set_int(socket, ZMQ_XPUB_NODROP, 1);
    }
    return r == 0;
}

static void forget_prepared(struct pub_sink *sink)
{
    fh_collect_clear(&sink->prepared);
    sink->position[0] = '\0';
}

static bool is_prepared(const struct pub_sink *sink, const char *position)
{
    return sink->position[0] != '\0' && strcmp(sink->position, position) == 0;
}

/* A position we do not know is of a batch that died with an earlier process. */
static int pub_publish(void *opaque, const char *position, struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    (void)err;
    if (!is_prepared(sink, position)) {
        return 0;
    }
    uint64_t dropped = 0;
    if (sink->port) {
        read_subscriptions(sink);
    }
    bool anybody = sink->port && sink->subscriptions > 0;
    for (size_t i = 0; i < sink->prepared.count; i++) {
        struct fh_collect_item item;
        fh_collect_get(&sink->prepared, i, &item);
        dropped += !anybody || !send_one(sink, &item);
    }
    if (dropped > 0) {
        fh_sink_dropped(sink->settings.context, dropped);
    }
    forget_prepared(sink);
    return 0;
}

static int pub_discard(void *opaque, const char *position, struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    (void)err;
    if (is_prepared(sink, position)) {
        forget_prepared(sink);
    }
    return 0;
}

/* What is not in our memory may have been sent: it must not be sent again. */
static int pub_fate(void *opaque, const char *position, enum fh_sink_fate *ret,
                    struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    (void)err;
    *ret = is_prepared(sink, position) ? FH_SINK_PREPARED : FH_SINK_PUBLISHED;
    return 0;
}

static int pub_abandon(void *opaque, const char *const *keep, size_t keep_count,
                       struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    bool kept = false;
    (void)err;
    for (size_t i = 0; i < keep_count; i++) {
        kept = kept || is_prepared(sink, keep[i]);
    }
    if (!kept) {
        forget_prepared(sink);
    }
    fh_collect_clear(&sink->begun);
    fh_zeromq_port_close(sink->port);
    sink->port = NULL;
    return 0;
}

static int pub_reopen(void *opaque, struct fh_error *err)
{
    struct pub_sink *sink = opaque;
    (void)err;
    fh_collect_clear(&sink->begun);
    return 0;
}

static void pub_reload(void *opaque, const struct fh_config_sink *config)
{
    struct pub_sink *sink = opaque;
    fh_zeromq_settings_reload(&sink->settings, config);
}

static void pub_close(void *opaque)
{
    struct pub_sink *sink = opaque;
    if (!sink) {
        return;
    }
    fh_zeromq_port_close(sink->port);
    fh_collect_done(&sink->begun);
    fh_collect_done(&sink->prepared);
    fh_zeromq_settings_done(&sink->settings);
    free(sink);
}

const struct fh_sink_ops fh_sink_zeromq_pub_ops = {
    .type = "zeromq-pub",
    .wants_facts = true,
    .promise = promise,
    .open = pub_open,
    .lead = pub_lead,
    .write = pub_write,
    .due_in = pub_due_in,
    .flush = pub_flush,
    .prepare = pub_prepare,
    .publish = pub_publish,
    .discard = pub_discard,
    .fate = pub_fate,
    .abandon = pub_abandon,
    .reopen = pub_reopen,
    .reload = pub_reload,
    .close = pub_close,
};
