/* nats.c: the NATS sink: each record a message of a JetStream stream, once.
 *
 * A batch is collected in memory and published by accept(), which waits until the stream has
 * acknowledged each message. What keeps a record from being there twice:
 *   - Nats-Msg-Id, made from the record's key: within its duplicate window the stream drops a
 *     second message with it, whoever sends it (we after a lost acknowledgement, the other node
 *     after a crash, a node that was stopped and sends late);
 *   - reading back: whenever it is not known whether messages arrived, the stream is asked (recover
 *     after a change of roles, accept after a connection broke), however long it took.
 * Order: nats_order.h. Connections: nats_link.h. */
#include "collect.h"
#include "nats_link.h"
#include "nats_options.h"
#include "nats_order.h"
#include "nats_stream.h"
#include "pattern.h"
#include "types.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORTION        64  /* the fence is asked before each */
#define RETRY_MIN_MS   100 /* between two connections */
#define RETRY_MAX_MS   5000
#define RETRY_SLEEP_MS 200 /* of one call */
/* Clocks of the service and of the NATS server may differ. */
#define CLOCK_SLACK_MS (INT64_C(10) * 60 * 1000)

struct nats_sink {
    struct fh_config_sink config;
    const struct fh_sink_context *context;
    char id_name[FH_SINK_NAME_MAX + FH_REPLAY_ID_MAX]; /* behind the key in Nats-Msg-Id */
    char filter[FH_NATS_SUBJECT_SIZE];                 /* our subjects, with wildcards */
    struct fh_pattern topic;
    uint64_t epoch; /* 0: not leading */

    struct fh_collect collect;
    struct fh_nats_order order; /* of the batch that accept() has begun to publish */

    struct fh_nats_link *link; /* NULL: none */
    struct fh_nats_position at;
    uint64_t floor;             /* what of the batch is in the stream has a higher sequence */
    bool unsure;                /* some of it was sent over a connection that is gone */
    bool settling;              /* something failed: send nothing more over this connection */
    struct fh_time quiet_since; /* no answer since then, though some are due */
    struct fh_time retry_at;
    int64_t retry_ms;
    struct fh_error why; /* the last trouble */
};

static const char *topic_of(const struct fh_config_sink *config)
{
    return config->topic[0] != '\0' ? config->topic : FH_NATS_TOPIC;
}

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    snprintf(text, size,
             "exactly once within the duplicate window of stream %s (%" PRId64
             " s); after a longer break what it still holds is read back",
             config->stream, config->duplicate_window_seconds);
}

/* ---- opening and closing ---- */

static void nats_close(void *opaque)
{
    struct nats_sink *sink = opaque;
    if (!sink) {
        return;
    }
    fh_nats_link_close(sink->link);
    fh_collect_done(&sink->collect);
    fh_nats_order_done(&sink->order);
    free(sink);
}

static int check(struct nats_sink *sink, struct fh_error *err)
{
    int r = fh_pattern_compile(topic_of(&sink->config), "topic", err, &sink->topic);
    if (r == 0) {
        r = fh_nats_subject_filter(topic_of(&sink->config), sink->filter, sizeof(sink->filter),
                                   err);
    }
    return r == 0 ? fh_nats_options_check(&sink->config, err) : r;
}

static int nats_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                     struct fh_error *err, void **ret)
{
    struct nats_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    sink->config = *config;
    sink->context = context;
    /* What a replay sent is not known by a name of the live stream's, to recover() neither. */
    snprintf(sink->id_name, sizeof(sink->id_name), "%s%s%s", config->name,
             context->replay ? ":" : "", context->replay ? context->replay : "");
    fh_collect_init(&sink->collect);
    fh_nats_order_init(&sink->order);
    int r = check(sink, err);
    if (r < 0) {
        nats_close(sink);
        return r;
    }
    *ret = sink;
    return 0;
}

static void forget_batch(struct nats_sink *sink)
{
    fh_collect_clear(&sink->collect);
    fh_nats_order_clear(&sink->order);
    sink->unsure = false;
}

static void close_link(struct nats_sink *sink)
{
    if (!sink->link) {
        return;
    }
    sink->unsure = sink->unsure || fh_nats_link_in_flight(sink->link) > 0;
    fh_nats_link_close(sink->link);
    sink->link = NULL;
    sink->settling = false;
}

/* ---- connecting ---- */

static void wait_longer(struct nats_sink *sink)
{
    int64_t ms = sink->retry_ms > 0 ? 2 * sink->retry_ms : RETRY_MIN_MS;
    sink->retry_ms = ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
    sink->retry_at = fh_time_add_ms(fh_now(), sink->retry_ms);
}

static void tell_stream(const struct nats_sink *sink, const struct fh_nats_stream *stream)
{
    fh_log(LOG_INFO,
           "sink %s: stream %s%s, copies %" PRId64 ", duplicate window %" PRId64
           " s, last sequence %" PRIu64 "%s",
           sink->config.name, stream->end.stream, stream->made ? " (made)" : "", stream->replicas,
           stream->window_ms / 1000, stream->end.sequence,
           stream->keeps ? ""
                         : "; messages that were consumed cannot be read back, so that after a "
                           "change of roles the duplicate window alone recognises them");
}

static int connect_stream(struct nats_sink *sink, struct fh_nats_stream *ret, struct fh_error *err)
{
    int r = fh_nats_link_open(&sink->config, sink->context->node, err, &sink->link);
    if (r == 0) {
        r = fh_nats_stream_open(fh_nats_link_stream(sink->link), &sink->config, sink->filter, err,
                                ret);
        if (r < 0) {
            fh_nats_link_explain(sink->link, err);
        }
    }
    if (r < 0) {
        close_link(sink);
        wait_longer(sink);
    }
    return r;
}

static int nats_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct nats_sink *sink = opaque;
    struct fh_nats_stream stream = {.window_ms = 0};
    close_link(sink);
    forget_batch(sink);
    sink->retry_ms = 0;
    int r = connect_stream(sink, &stream, err);
    if (r < 0) {
        return r;
    }
    tell_stream(sink, &stream);
    sink->at = stream.end;
    sink->epoch = epoch;
    return 0;
}

static bool same_stream(const struct fh_nats_position *one, const struct fh_nats_position *other)
{
    return one->created_ns == other->created_ns && strcmp(one->stream, other->stream) == 0;
}

static int nats_recover(void *opaque, const char *position, int64_t since_ms, fh_sink_found found,
                        void *userdata, struct fh_error *err)
{
    struct nats_sink *sink = opaque;
    struct fh_nats_stream stream = {.window_ms = 0};
    struct fh_nats_position reported;
    int r = 0;
    if (!sink->link) {
        r = connect_stream(sink, &stream, err);
    } else {
        r = fh_nats_stream_open(fh_nats_link_stream(sink->link), &sink->config, sink->filter, err,
                                &stream);
    }
    if (r < 0) {
        close_link(sink);
        return r;
    }
    struct fh_nats_range range = {.end = stream.end.sequence, .name = sink->id_name};
    if (fh_nats_position_parse(position, &reported) == 0 && same_stream(&reported, &stream.end)) {
        range.from = reported.sequence + 1;
    } else {
        int64_t from_ms = since_ms - CLOCK_SLACK_MS;
        range.from = from_ms > 0 ? 0 : 1;
        range.since_ns = from_ms * 1000000;
    }
    if (stream.keeps) {
        r = fh_nats_stream_read(fh_nats_link_stream(sink->link), &sink->config, sink->context,
                                &range, found, userdata, err);
    }
    if (r == 0) {
        sink->at = stream.end;
    } else if (r != -EAGAIN) {
        close_link(sink);
    }
    return r;
}

/* ---- the batch ---- */

static int nats_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct nats_sink *sink = opaque;
    if (write->count == 0) {
        return 0;
    }
    if (sink->order.count > 0 || sink->collect.bytes.len >= 2 * FH_COLLECT_BYTES_MAX) {
        return fh_error_set(err, -EAGAIN, "the batch before waits for the far side");
    }
    int r = fh_collect_add(&sink->collect, write, fh_now());
    return r < 0 ? fh_error_set(err, r, "no memory for a batch") : 0;
}

static int64_t nats_due_in(void *opaque, struct fh_time now)
{
    struct nats_sink *sink = opaque;
    return fh_collect_due_in(&sink->collect, &sink->config, now);
}

/* What was sent over a connection that is gone, and is in the stream all the same. */
static int note_found(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct nats_sink *sink = userdata;
    for (size_t i = 0; i < sink->order.count; i++) {
        for (size_t k = 0; sink->order.state[i] == FH_NATS_SENT && k < count; k++) {
            const struct fh_record_key *own = &sink->collect.entry[i].key;
            if (own->fingerprint == keys[k].fingerprint &&
                own->timestamp_ms == keys[k].timestamp_ms) {
                fh_nats_order_taken(&sink->order, i);
            }
        }
    }
    return 0;
}

/* After a break: what arrived, what has to go out again. The duplicate window may be over. */
static int make_sure(struct nats_sink *sink, const struct fh_nats_stream *stream,
                     struct fh_error *err)
{
    int r = 0;
    bool same = same_stream(&sink->at, &stream->end);
    if (sink->unsure && stream->keeps) {
        struct fh_nats_range range = {
            .from = same ? sink->floor + 1 : 1, .end = stream->end.sequence, .name = sink->id_name};
        r = fh_nats_stream_read(fh_nats_link_stream(sink->link), &sink->config, sink->context,
                                &range, note_found, sink, err);
    }
    if (r < 0) {
        close_link(sink);
        wait_longer(sink);
        return r;
    }
    fh_nats_order_restart(&sink->order);
    if (!same) {
        fh_log(LOG_WARNING,
               "sink %s: stream %s was removed and made anew; what it held is gone, delivery goes "
               "on in the new one",
               sink->config.name, sink->config.stream);
        sink->at = stream->end;
        sink->floor = 0;
    }
    sink->unsure = false;
    return 0;
}

static int again(struct nats_sink *sink, struct fh_error *err)
{
    return fh_error_set(err, -EAGAIN, "%s", sink->why.text);
}

static void pause_until(struct fh_time until)
{
    int64_t ms = fh_time_diff_ms(until, fh_now());
    ms = ms < RETRY_SLEEP_MS ? ms : RETRY_SLEEP_MS;
    if (ms > 0) {
        const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
}

/* 0: there is a connection, and all of the batch is either waiting or taken. */
static int connect_again(struct nats_sink *sink, struct fh_error *err)
{
    struct fh_nats_stream stream = {.window_ms = 0};
    pause_until(sink->retry_at);
    if (fh_time_before(fh_now(), sink->retry_at)) {
        return again(sink, err);
    }
    int r = connect_stream(sink, &stream, &sink->why);
    if (r == 0) {
        r = make_sure(sink, &stream, &sink->why);
    }
    return r < 0 ? again(sink, err) : 0;
}

/* The far side will never take it: put it aside. When that fails, it is sent and refused again. */
static int put_aside(struct nats_sink *sink, size_t index, const char *reason, struct fh_error *err)
{
    struct fh_collect_item item;
    fh_collect_get(&sink->collect, index, &item);
    int r = fh_sink_refused(sink->context, item.record, reason, err);
    if (r < 0) {
        sink->settling = true;
        return r;
    }
    fh_nats_order_taken(&sink->order, index);
    return 0;
}

/* As fh_nats_link_publish; -EMSGSIZE also when its subject is too long. */
static int publish_one(struct nats_sink *sink, size_t index, struct fh_error *err)
{
    struct fh_collect_item item;
    char subject[FH_NATS_SUBJECT_SIZE];
    char id[FH_NATS_ID_SIZE];
    char uid[FH_UID_MAX + 1];
    fh_collect_get(&sink->collect, index, &item);
    fh_nats_id_print(item.key, sink->id_name, id);
    fh_nats_header_value(item.facts.uid, uid, sizeof(uid));
    int r = fh_pattern_expand(&sink->topic, &item.facts, FH_NATS_SPECIAL, subject, sizeof(subject));
    if (r < 0) {
        return fh_error_set(err, -EMSGSIZE, "the subject made of it would be longer than %d bytes",
                            FH_NATS_SUBJECT_SIZE - 1);
    }
    const struct fh_nats_message message = {.subject = subject,
                                            .id = id,
                                            .uid = uid,
                                            .epoch = sink->epoch,
                                            .replay = sink->context->replay,
                                            .record = item.record,
                                            .index = index};
    return fh_nats_link_publish(sink->link, &message, err);
}

/* Send what may go out, as much as may be on its way. Errors: why nothing more may be sent now. */
static int publish_some(struct nats_sink *sink, struct fh_error *err)
{
    bool idle = fh_nats_link_in_flight(sink->link) == 0;
    size_t index;
    for (size_t count = 0; (index = fh_nats_order_next(&sink->order)) < sink->order.count;
         count++) {
        if (count % PORTION == 0 && fh_sink_fenced(sink->context)) {
            return fh_error_set(err, -EAGAIN, "this node must keep quiet for now");
        }
        int r = publish_one(sink, index, &sink->why);
        if (r == -EAGAIN) {
            break;
        }
        fh_nats_order_sent(&sink->order);
        if (r == -EMSGSIZE) {
            struct fh_error reason = sink->why;
            sink->why.text[0] = '\0';
            r = put_aside(sink, index, reason.text, err);
            if (r < 0) {
                return r;
            }
        } else if (r < 0) {
            sink->unsure = true; /* libnats does not know how much of it has left */
            sink->settling = true;
            break;
        }
    }
    if (idle) {
        sink->quiet_since = fh_now();
    }
    return 0;
}

static int take_answer(struct nats_sink *sink, const struct fh_nats_ack *ack, struct fh_error *err)
{
    if (ack->answer == FH_NATS_FAILED) {
        sink->settling = true;
        return 0;
    }
    sink->retry_ms = 0;
    if (ack->answer == FH_NATS_REFUSED) {
        return put_aside(sink, ack->index, "larger than max_msg_size of the stream", err);
    }
    fh_nats_order_taken(&sink->order, ack->index);
    if (ack->sequence > sink->at.sequence) {
        sink->at.sequence = ack->sequence;
    }
    return 0;
}

/* Wait for answers, and end the connection when it is of no more use. */
static int take_answers(struct nats_sink *sink, int64_t wait_ms, struct fh_error *err)
{
    struct fh_nats_ack ack[FH_NATS_IN_FLIGHT_MAX];
    bool broken = false;
    int r = 0;
    bool due = fh_nats_link_in_flight(sink->link) > 0;
    size_t count = fh_nats_link_answers(sink->link, due ? wait_ms : 0, ack, FH_ARRAY_LEN(ack),
                                        &broken, &sink->why);
    for (size_t i = 0; i < count; i++) {
        int one = take_answer(sink, &ack[i], err);
        r = r < 0 ? r : one;
    }
    if (count > 0) {
        sink->quiet_since = fh_now();
    }
    bool nothing_due = fh_nats_link_in_flight(sink->link) == 0;
    bool silent =
        !nothing_due && fh_time_diff_ms(fh_now(), sink->quiet_since) >= sink->config.timeout_ms;
    if (silent && sink->why.text[0] == '\0') {
        fh_error_set(&sink->why, -ETIMEDOUT,
                     "the server has not acknowledged within %" PRId64 " ms",
                     sink->config.timeout_ms);
    }
    if (broken || silent || (sink->settling && nothing_due)) {
        close_link(sink);
        wait_longer(sink);
    }
    return r;
}

static int begin_batch(struct nats_sink *sink, struct fh_error *err)
{
    if (sink->order.count > 0) {
        return 0;
    }
    int r = fh_nats_order_begin(&sink->order, &sink->collect);
    if (r < 0) {
        fh_nats_order_clear(&sink->order);
        return fh_error_set(err, -EAGAIN, "no memory to send a batch");
    }
    sink->floor = sink->at.sequence;
    sink->unsure = false;
    return 0;
}

static int deliver(struct nats_sink *sink, struct fh_error *err)
{
    struct fh_time until = fh_time_add_ms(fh_now(), sink->config.timeout_ms);
    while (sink->order.taken < sink->order.count) {
        int r = 0;
        int64_t left = fh_time_diff_ms(until, fh_now());
        if (left <= 0) {
            return fh_error_set(err, -EAGAIN, "%s",
                                sink->why.text[0] ? sink->why.text
                                                  : "acknowledgements are still to come");
        }
        if (!sink->link) {
            r = connect_again(sink, err);
            if (r < 0) {
                return r;
            }
            continue; /* maybe all of it is there already */
        }
        if (!sink->settling) {
            sink->why.text[0] = '\0';
            r = publish_some(sink, err);
        }
        if (r == 0 && sink->order.taken < sink->order.count) {
            r = take_answers(sink, left, err);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int nats_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct nats_sink *sink = opaque;
    if (sink->epoch == 0) {
        return fh_error_set(err, -EAGAIN, "this node does not lead");
    }
    int r = sink->collect.count > 0 ? begin_batch(sink, err) : 0;
    if (r == 0) {
        r = deliver(sink, err);
    }
    if (r < 0) {
        return -EAGAIN; /* the batch stays, and what was taken is not sent again */
    }
    forget_batch(sink);
    fh_nats_position_print(&sink->at, position);
    return 0;
}

/* ---- the rest ---- */

static int nats_abandon(void *opaque, const char *const *keep, size_t keep_count,
                        struct fh_error *err)
{
    struct nats_sink *sink = opaque;
    (void)keep;
    (void)keep_count;
    (void)err;
    close_link(sink);
    forget_batch(sink);
    sink->epoch = 0;
    return 0;
}

static int nats_reopen(void *opaque, struct fh_error *err)
{
    struct nats_sink *sink = opaque;
    (void)err;
    close_link(sink);
    forget_batch(sink);
    return 0;
}

static void nats_reload(void *opaque, const struct fh_config_sink *config)
{
    struct nats_sink *sink = opaque;
    sink->config.batch_records = config->batch_records;
    sink->config.batch_ms = config->batch_ms;
    sink->config.timeout_ms = config->timeout_ms;
}

const struct fh_sink_ops fh_sink_nats_ops = {
    .type = "nats",
    .wants_facts = true,
    .promise = promise,
    .open = nats_open,
    .lead = nats_lead,
    .recover = nats_recover,
    .write = nats_write,
    .due_in = nats_due_in,
    .accept = nats_accept,
    .abandon = nats_abandon,
    .reopen = nats_reopen,
    .reload = nats_reload,
    .close = nats_close,
};
