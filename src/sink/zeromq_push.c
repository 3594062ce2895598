/* zeromq_push.c: owns batches on their way to one consumer each: patterns push and dealer.
 *
 * ZeroMQ has no acknowledgement, so when is a record delivered? Never when it is in our queue: a
 * batch is accepted when
 *
 *   push     libzmq has written out every record of it, the kernel of the consumer's host has
 *            acknowledged all bytes, and no connection ended meanwhile. What dies with this node is
 *            then nothing; what dies with a consumer is what it had received and not yet processed.
 *   dealer   a consumer has sent back the key of every record of it.
 *
 * When a connection ends before that, what it held is unknown: what is not confirmed (push: the
 * whole batch) is sent again. So the batch stays in memory until it is accepted, and at most one
 * batch is under way.
 *
 * libzmq tells of the end of a connection a moment before it stops queueing messages for it, and
 * what is queued then is lost without another word. So after each such end the whole port goes,
 * with its queues, and a new one is opened for the next round: consumers connect again by
 * themselves. A port has therefore no loss, or is of no use any more. */
#include "types.h"
#include "zeromq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ACCEPT_WAIT_MS 250 /* so that a change of role is noticed soon */
#define LOOK_EVERY_MS  1
#define ANSWER_BYTES   256

struct push_sink {
    struct fh_zeromq_settings settings;
    bool confirms; /* pattern dealer */
    uint64_t epoch;
    bool leading;
    struct fh_zeromq_port *port; /* NULL: none, or it could not be opened again */
    struct fh_collect collect;
    struct fh_zeromq_confirm confirm;
    size_t sent;        /* of the batch, through this port */
    atomic_size_t held; /* records libzmq has not written out */
};

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    snprintf(text, size, "%s",
             config->pattern == FH_ZEROMQ_DEALER
                 ? "at least once: a record counts when its consumer has confirmed it; an "
                   "interrupted batch is sent again"
                 : "at least once to the consumer's host; what a consumer had received but not "
                   "processed when it dies is lost");
}

static int push_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                     struct fh_error *err, void **ret)
{
    struct push_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    fh_collect_init(&sink->collect);
    atomic_init(&sink->held, 0);
    sink->confirms = config->pattern == FH_ZEROMQ_DEALER;
    int r = fh_zeromq_settings(config, context, err, &sink->settings);
    if (r < 0) {
        free(sink);
        return r;
    }
    *ret = sink;
    return 0;
}

static void forget_batch(struct push_sink *sink)
{
    fh_collect_clear(&sink->collect);
    fh_zeromq_confirm_clear(&sink->confirm);
    sink->sent = 0;
}

static int open_port(struct push_sink *sink, struct fh_error *err)
{
    return fh_zeromq_port_open(&sink->settings, sink->confirms ? ZMQ_DEALER : ZMQ_PUSH, 0, err,
                               &sink->port);
}

static int push_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct push_sink *sink = opaque;
    sink->epoch = epoch;
    sink->leading = true;
    return sink->port ? 0 : open_port(sink, err);
}

/* ---- a round: the batch, or what of it is not confirmed, handed to libzmq ---- */

static void read_answers(struct push_sink *sink)
{
    char text[ANSWER_BYTES];
    int len = 0;
    while (sink->confirms &&
           (len = zmq_recv(sink->port->socket, text, sizeof(text), ZMQ_DONTWAIT)) >= 0) {
        if ((size_t)len < sizeof(text)) {
            fh_zeromq_confirm_take(&sink->confirm, text, (size_t)len);
        }
    }
}

static void close_port(struct push_sink *sink)
{
    fh_zeromq_port_close(sink->port);
    sink->port = NULL;
    sink->sent = 0;
}

/* A port without a loss; NULL when there is none to be had. */
static struct fh_zeromq_port *renew_port(struct push_sink *sink, struct fh_error *err)
{
    if (sink->port) {
        fh_zeromq_port_look(sink->port);
        read_answers(sink);
        if (sink->port->losses == 0) {
            return sink->port;
        }
        close_port(sink);
    }
    return open_port(sink, err) == 0 ? sink->port : NULL;
}

/* As much as there is room for. 0, or why it cannot go on. */
static int send_some(struct push_sink *sink, struct fh_error *err)
{
    struct fh_zeromq_port *port = renew_port(sink, err);
    if (!port) {
        return -EIO;
    }
    for (; sink->sent < sink->collect.count; sink->sent++) {
        struct fh_collect_item item;
        if (sink->confirms && sink->confirm.entry[sink->sent].confirmed) {
            continue;
        }
        if (fh_sink_fenced(sink->settings.context)) {
            return 0;
        }
        fh_collect_get(&sink->collect, sink->sent, &item);
        int r =
            fh_zeromq_send(port->socket, &item, sink->epoch, sink->confirms ? NULL : &sink->held);
        if (r == -EAGAIN) {
            return 0;
        }
        if (r < 0) {
            return fh_error_set(err, r, "cannot send at %s: %s", sink->settings.config.listen,
                                zmq_strerror(-r));
        }
    }
    return 0;
}

/* A loss is looked for last: libzmq tells of it before it lets go of what it drops, so one that
 * made the rest look good is known by now. */
static bool round_is_over(struct push_sink *sink)
{
    if (sink->sent < sink->collect.count) {
        return false;
    }
    if (sink->confirms) {
        return sink->confirm.confirmed == sink->collect.count;
    }
    bool over = atomic_load(&sink->held) == 0 && fh_zeromq_port_flushed(sink->port);
    fh_zeromq_port_look(sink->port);
    /* Without a handshake we know of (ZeroMQ before version 4) a loss would not be noticed. */
    return over && sink->port->losses == 0 && sink->port->consumers > 0;
}

static int push_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct push_sink *sink = opaque;
    if (!sink->leading) {
        return fh_error_set(err, -EAGAIN, "this node does not deliver");
    }
    int r = 0;
    for (uint32_t i = 0; i < write->count && sink->confirms && r == 0; i++) {
        r = fh_zeromq_confirm_add(&sink->confirm, write->key[i]);
    }
    r = r < 0 ? r : fh_collect_add(&sink->collect, write, fh_now());
    if (r < 0) {
        return fh_error_set(err, r, "out of memory for a batch of %zu records",
                            sink->collect.count + write->count);
    }
    /* (Whoever gets an error calls reopen, so the two lists stay alike.) What has no room waits for
     * accept; an error shows itself there again. */
    struct fh_error later;
    (void)send_some(sink, &later);
    return 0;
}

static int64_t push_due_in(void *opaque, struct fh_time now)
{
    struct push_sink *sink = opaque;
    return fh_collect_due_in(&sink->collect, &sink->settings.config, now);
}

static int not_yet(const struct push_sink *sink, struct fh_error *err)
{
    const struct fh_config_sink *config = &sink->settings.config;
    if (fh_sink_fenced(sink->settings.context)) {
        return fh_error_set(err, -EAGAIN, "this node must not deliver now");
    }
    if (sink->port->consumers == 0) {
        return fh_error_set(err, -EAGAIN, "no consumer is connected to %s", config->listen);
    }
    if (sink->sent < sink->collect.count) {
        return fh_error_set(err, -EAGAIN,
                            "the consumers at %s have no room: %zu of %zu records are sent",
                            config->listen, sink->sent, sink->collect.count);
    }
    return sink->confirms
               ? fh_error_set(err, -EAGAIN, "%zu of %zu records are not confirmed by consumers",
                              sink->collect.count - sink->confirm.confirmed, sink->collect.count)
               : fh_error_set(err, -EAGAIN, "the consumers at %s do not read what was sent to them",
                              config->listen);
}

static void wait_a_little(struct push_sink *sink)
{
    bool room = sink->sent < sink->collect.count;
    zmq_pollitem_t item = {
        .socket = sink->port->socket,
        .events = (short)((room ? ZMQ_POLLOUT : 0) | (sink->confirms ? ZMQ_POLLIN : 0))};
    /* Nobody tells when the kernel's queues are empty, or a connection has ended: look again. */
    zmq_poll(&item, item.events != 0 ? 1 : 0, sink->confirms ? 10 * LOOK_EVERY_MS : LOOK_EVERY_MS);
}

static int push_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct push_sink *sink = opaque;
    if (!sink->leading) {
        return fh_error_set(err, -EIO, "this node does not deliver");
    }
    int64_t wait_ms = sink->settings.config.timeout_ms;
    struct fh_time until =
        fh_time_add_ms(fh_now(), wait_ms < ACCEPT_WAIT_MS ? wait_ms : ACCEPT_WAIT_MS);
    /* Twice: libzmq lets go of a record an instant before it writes the bytes it has made of it. */
    unsigned good = 0;
    while (good < (sink->confirms ? 1 : 2)) {
        if (send_some(sink, err) < 0) {
            return -EAGAIN; /* the batch is here, and a port may be had later */
        }
        good = round_is_over(sink) ? good + 1 : 0;
        if (fh_sink_fenced(sink->settings.context) ||
            (good == 0 && !fh_time_before(fh_now(), until))) {
            return not_yet(sink, err);
        }
        if (good == 0 || !sink->confirms) {
            wait_a_little(sink);
        }
    }
    forget_batch(sink);
    position[0] = '\0';
    return 0;
}

static int push_abandon(void *opaque, const char *const *keep, size_t keep_count,
                        struct fh_error *err)
{
    struct push_sink *sink = opaque;
    (void)keep;
    (void)keep_count;
    (void)err;
    close_port(sink);
    sink->leading = false;
    forget_batch(sink);
    return 0;
}

static int push_reopen(void *opaque, struct fh_error *err)
{
    struct push_sink *sink = opaque;
    (void)err;
    forget_batch(sink);
    return 0;
}

static void push_reload(void *opaque, const struct fh_config_sink *config)
{
    struct push_sink *sink = opaque;
    fh_zeromq_settings_reload(&sink->settings, config);
}

static void push_close(void *opaque)
{
    struct push_sink *sink = opaque;
    if (!sink) {
        return;
    }
    fh_zeromq_port_close(sink->port);
    fh_collect_done(&sink->collect);
    fh_zeromq_confirm_done(&sink->confirm);
    fh_zeromq_settings_done(&sink->settings);
    free(sink);
}

const struct fh_sink_ops fh_sink_zeromq_ops = {
    .type = "zeromq",
    .wants_facts = true,
    .promise = promise,
    .open = push_open,
    .lead = push_lead,
    .write = push_write,
    .due_in = push_due_in,
    .accept = push_accept,
    .abandon = push_abandon,
    .reopen = push_reopen,
    .reload = push_reload,
    .close = push_close,
};
