/* mqtt.c: owns batches on their way to an MQTT broker, and decides when to connect. A batch is
 * accepted when the broker has acknowledged (PUBACK) each of its messages, so at least once: what
 * was sent and not acknowledged when a connection ends is sent again, in its order.
 *
 * Both nodes use the same client id. The broker then ends the connection of the one that delivered
 * before as soon as the new one connects, in lead(), whatever the state of the other node. */
#include "mqtt_batch.h"
#include "mqtt_link.h"
#include "pattern.h"
#include "types.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <inttypes.h>
#include <mosquitto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TOPIC  "firehose/{tenant}/{type}"
#define TOPIC_SIZE     1024
#define SPECIAL        "+#/$" /* what means something in a topic */
#define CALL_WAIT_MS   250    /* so that a change of role is noticed soon */
#define RETRY_MIN_MS   100
#define RETRY_MAX_MS   5000
#define TAKEN_RETRY_MS 3000 /* two nodes that both believe to lead must not chase each other */
#define HOLD_MS        1000 /* before what a broker refused for now is sent again */
#define PASSWORD_MAX   1024
#define ANSWERS        128
#define HANG_UPS       2 /* of brokers that are asked for version 5, before we ask for 3.1.1 */

struct mqtt_sink {
    struct fh_config_sink config;
    const struct fh_sink_context *context;
    char client_id[sizeof(((struct fh_config_sink *)0)->client_id) + FH_SINK_NAME_MAX];
    char password[PASSWORD_MAX];
    struct fh_mqtt_server server[FH_ENDPOINTS_MAX];
    struct fh_pattern topic, position_topic;
    uint64_t epoch;
    bool leading;

    struct fh_mqtt_link *link; /* NULL: none */
    struct fh_time ready_at;   /* this link; unset: not yet */
    size_t next_server;
    bool version3; /* the next link */
    unsigned hang_ups;
    int64_t retry_ms;
    struct fh_time retry_at, hold_until;
    struct fh_error trouble; /* the last one; "" = none since the last acknowledgement */

    struct fh_collect collect;
    struct fh_mqtt_batch batch;
};

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    snprintf(text, size,
             "at least once: a record counts when the broker has acknowledged it%s; an interrupted "
             "batch is sent again",
             config->retain_position ? ", and the positions with it" : "");
}

/* ---- open ---- */

static int check_topic(const struct fh_pattern *pattern, const char *option, struct fh_error *err)
{
    for (size_t i = 0; i < pattern->count; i++) {
        const struct fh_slice *text = &pattern->part[i].text;
        if (pattern->part[i].word != FH_PATTERN_TEXT) {
            continue;
        }
        if (memchr(text->data, '+', text->len) || memchr(text->data, '#', text->len) ||
            (i == 0 && text->data[0] == '$')) {
            return fh_error_set(err, -EINVAL,
                                "%s: a topic to publish to has no + and no #, and begins with no $",
                                option);
        }
    }
    return 0;
}

static int compile_topics(struct mqtt_sink *sink, struct fh_error *err)
{
    const char *topic = sink->config.topic[0] != '\0' ? sink->config.topic : DEFAULT_TOPIC;
    int r = fh_pattern_compile(topic, "sinks.topic", err, &sink->topic);
    if (r == 0) {
        r = check_topic(&sink->topic, "sinks.topic", err);
    }
    if (r == 0 && sink->config.retain_position) {
        r = fh_pattern_compile(sink->config.position_topic, "sinks.position_topic", err,
                               &sink->position_topic);
        if (r == 0) {
            r = check_topic(&sink->position_topic, "sinks.position_topic", err);
        }
    }
    return r;
}

static int read_password(struct mqtt_sink *sink, struct fh_error *err)
{
    const char *path = sink->config.password_file;
    char *text = NULL;
    if (path[0] == '\0') {
        return 0;
    }
    int r = fh_file_read(path, PASSWORD_MAX - 1, 1, &text, err);
    if (r < 0) {
        return r;
    }
    size_t len = strcspn(text, "\r\n");
    memcpy(sink->password, text, len);
    sink->password[len] = '\0';
    explicit_bzero(text, strlen(text));
    free(text);
    return len > 0 ? 0 : fh_error_set(err, -EINVAL, "%s holds no password", path);
}

static int check_files(const struct fh_config_sink *config, struct fh_error *err)
{
    const char *const path[] = {config->ca_file, config->cert_file, config->key_file};
    for (size_t i = 0; i < FH_ARRAY_LEN(path); i++) {
        if (path[i][0] != '\0' && access(path[i], R_OK) != 0) {
            char buf[128];
            int code = errno;
            return fh_error_set(err, -code, "cannot read %s: %s", path[i],
                                fh_strerror(code, buf, sizeof(buf)));
        }
    }
    return 0;
}

static int prepare(struct mqtt_sink *sink, struct fh_error *err)
{
    int r = fh_config_check_mqtt(&sink->config, err);
    for (size_t i = 0; i < sink->config.server_count && r == 0; i++) {
        r = fh_config_mqtt_server(sink->config.servers[i], err, &sink->server[i]);
    }
    if (r == 0) {
        r = compile_topics(sink, err);
    }
    if (r == 0) {
        r = check_files(&sink->config, err);
    }
    return r == 0 ? read_password(sink, err) : r;
}

static void start_library(void)
{
    mosquitto_lib_init(); /* for the life of the process: several sinks may use it */
}

static void mqtt_close(void *opaque);

static int mqtt_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                     struct fh_error *err, void **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct mqtt_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    pthread_once(&once, start_library);
    sink->config = *config;
    sink->context = context;
    fh_collect_init(&sink->collect);
    if (config->client_id[0] != '\0') {
        snprintf(sink->client_id, sizeof(sink->client_id), "%s", config->client_id);
    } else {
        snprintf(sink->client_id, sizeof(sink->client_id), "firehosed-%s", config->name);
    }
    int r = prepare(sink, err);
    if (r < 0) {
        mqtt_close(sink);
        return r;
    }
    *ret = sink;
    return 0;
}

/* ---- the connection ---- */

static void drop_link(struct mqtt_sink *sink)
{
    fh_mqtt_link_stop(sink->link);
    sink->link = NULL;
    sink->ready_at = (struct fh_time){0};
    fh_mqtt_batch_restart(&sink->batch);
}

/* What the end of a connection means for the next one. */
static void learn_from_end(struct mqtt_sink *sink)
{
    enum fh_mqtt_end end = fh_mqtt_link_end(sink->link, &sink->trouble);
    sink->hang_ups = end == FH_MQTT_END_HUNG_UP ? sink->hang_ups + 1 : 0;
    sink->version3 = end == FH_MQTT_END_VERSION || (sink->hang_ups == HANG_UPS);
    if (sink->version3) {
        sink->hang_ups = 0;
    } else {
        sink->next_server = (sink->next_server + 1) % sink->config.server_count;
    }
    sink->retry_ms = sink->retry_ms == 0 ? RETRY_MIN_MS : sink->retry_ms * 2;
    /* one that did not last counts as a failure: perhaps two nodes push each other out */
    bool lasted =
        fh_time_is_set(sink->ready_at) && fh_time_diff_ms(fh_now(), sink->ready_at) > RETRY_MAX_MS;
    if (lasted || sink->version3) {
        sink->retry_ms = RETRY_MIN_MS;
    }
    if (sink->retry_ms > RETRY_MAX_MS) {
        sink->retry_ms = RETRY_MAX_MS;
    }
    sink->retry_at =
        fh_time_add_ms(fh_now(), end == FH_MQTT_END_TAKEN ? TAKEN_RETRY_MS : sink->retry_ms);
    drop_link(sink);
}

/* The password may have been changed since the last connection. */
static int start_link(struct mqtt_sink *sink)
{
    const struct fh_mqtt_settings settings = {.config = &sink->config,
                                              .context = sink->context,
                                              .client_id = sink->client_id,
                                              .password = sink->password};
    int r = read_password(sink, &sink->trouble);
    return r < 0 ? r
                 : fh_mqtt_link_start(&settings, &sink->server[sink->next_server], !sink->version3,
                                      &sink->trouble, &sink->link);
}

/* What was lost on its way never comes over this connection, however long that lasts: by a new one
 * the messages are sent again. */
static void end_silence(struct mqtt_sink *sink)
{
    int64_t limit_ms = sink->config.timeout_ms;
    if (sink->link && fh_mqtt_link_silence_ms(sink->link) >= limit_ms) {
        char what[64];
        snprintf(what, sizeof(what), "has not answered within %" PRId64 " ms", limit_ms);
        fh_mqtt_link_give_up(sink->link, what);
    }
}

/* True when there is a connection that works. */
static bool connected(struct mqtt_sink *sink)
{
    if (fh_sink_fenced(sink->context)) {
        fh_error_set(&sink->trouble, -EAGAIN, "this node must not deliver now");
        return false;
    }
    end_silence(sink);
    if (sink->link && fh_mqtt_link_state(sink->link) == FH_MQTT_ENDED) {
        learn_from_end(sink);
    }
    if (!sink->link && !fh_time_before(fh_now(), sink->retry_at)) {
        if (start_link(sink) < 0) {
            sink->retry_at = fh_time_add_ms(fh_now(), RETRY_MAX_MS);
        }
    }
    if (!sink->link || fh_mqtt_link_state(sink->link) != FH_MQTT_READY) {
        return false;
    }
    if (!fh_time_is_set(sink->ready_at)) {
        sink->ready_at = fh_now();
    }
    return true;
}

static int mqtt_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct mqtt_sink *sink = opaque;
    struct fh_time until = fh_time_add_ms(fh_now(), CALL_WAIT_MS);
    sink->epoch = epoch;
    sink->leading = true;
    while (!connected(sink)) {
        struct fh_mqtt_answer none[1];
        if (!sink->link || !fh_time_before(fh_now(), until)) {
            return fh_error_set(err, -EAGAIN, "%s",
                                sink->trouble.text[0] != '\0' ? sink->trouble.text
                                                              : "the broker has not answered yet");
        }
        (void)fh_mqtt_link_answers(sink->link, none, 0, CALL_WAIT_MS);
    }
    return 0;
}

/* ---- messages ---- */

/* 0; -EAGAIN: no room for it just now. Then it is sent, and refused, once more later: the error
 * would end the batch, and all the others that were taken would come again. */
static int put_aside(struct mqtt_sink *sink, struct fh_mqtt_message *message, const char *reason)
{
    struct fh_collect_item item;
    fh_collect_get(&sink->collect, message->entry, &item);
    /* the record itself has been taken; only its copy as a position has not */
    if (!message->retained &&
        fh_sink_refused(sink->context, item.record, reason, &sink->trouble) < 0) {
        fh_mqtt_batch_again(&sink->batch, message);
        sink->hold_until = fh_time_add_ms(fh_now(), HOLD_MS);
        return -EAGAIN;
    }
    fh_mqtt_batch_done(&sink->batch, message);
    return 0;
}

static int send_one(struct mqtt_sink *sink, struct fh_mqtt_message *message, struct fh_error *err)
{
    char topic[TOPIC_SIZE];
    struct fh_collect_item item;
    fh_collect_get(&sink->collect, message->entry, &item);
    const struct fh_pattern *pattern = message->retained ? &sink->position_topic : &sink->topic;
    if (fh_pattern_expand(pattern, &item.facts, SPECIAL, topic, sizeof(topic)) < 0) {
        return put_aside(sink, message, "its topic would be too long for MQTT");
    }
    int r = fh_mqtt_link_publish(sink->link, topic, message->retained, &item, sink->epoch,
                                 (uint32_t)(message - sink->batch.message));
    switch (r) {
    case 0:
        fh_mqtt_batch_sent(&sink->batch, message);
        return 0;
    case -EMSGSIZE:
        return put_aside(sink, message, "it is larger than the broker takes");
    case -EINVAL:
        return put_aside(sink, message, "its topic is none for MQTT");
    default:
        return r == -ENOMEM ? fh_error_set(err, r, "out of memory") : r;
    }
}

/* As much as the window has room for. 0, or an error that is not the connection's. */
static int send_some(struct mqtt_sink *sink, struct fh_error *err)
{
    if (!connected(sink) || fh_time_before(fh_now(), sink->hold_until)) {
        return 0;
    }
    struct fh_mqtt_message *message = NULL;
    while ((message = fh_mqtt_batch_next(&sink->batch)) != NULL) {
        if (fh_sink_fenced(sink->context)) {
            return 0;
        }
        int r = send_one(sink, message, err);
        if (r == -EAGAIN || r == -ENOTCONN) {
            return 0;
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void take_answer(struct mqtt_sink *sink, const struct fh_mqtt_answer *answer)
{
    if (answer->token >= sink->batch.count) {
        return; /* of a batch that was given up meanwhile */
    }
    struct fh_mqtt_message *message = &sink->batch.message[answer->token];
    enum fh_mqtt_verdict verdict = fh_mqtt_judge(answer->reason, ++message->attempts);
    if (verdict == FH_MQTT_TAKEN) {
        fh_mqtt_batch_done(&sink->batch, message);
        sink->trouble.text[0] = '\0';
        return;
    }
    const char *reason = mosquitto_reason_string(answer->reason);
    if (verdict == FH_MQTT_NEVER) {
        char text[160];
        snprintf(text, sizeof(text), "the broker refuses it: %.100s", reason);
        (void)put_aside(sink, message, text);
        return;
    }
    fh_error_set(&sink->trouble, -EAGAIN, "the broker refuses messages for now: %.100s", reason);
    fh_mqtt_batch_again(&sink->batch, message);
    sink->hold_until = fh_time_add_ms(fh_now(), HOLD_MS);
}

static void take_answers(struct mqtt_sink *sink, int64_t wait_ms)
{
    struct fh_mqtt_answer answer[ANSWERS];
    size_t count = 0;
    do {
        count = fh_mqtt_link_answers(sink->link, answer, ANSWERS, wait_ms);
        for (size_t i = 0; i < count; i++) {
            take_answer(sink, &answer[i]);
        }
        wait_ms = 0;
    } while (count == ANSWERS);
}

/* ---- batches ---- */

static void forget_batch(struct mqtt_sink *sink)
{
    fh_collect_clear(&sink->collect);
    fh_mqtt_batch_clear(&sink->batch);
}

static int mqtt_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct mqtt_sink *sink = opaque;
    if (!sink->leading) {
        return fh_error_set(err, -EAGAIN, "this node does not deliver");
    }
    int r = fh_collect_add(&sink->collect, write, fh_now());
    if (r == 0) {
        r = fh_mqtt_batch_add(&sink->batch, write->count);
    }
    if (r < 0) {
        return fh_error_set(err, r, "out of memory for a batch");
    }
    if (sink->link) {
        take_answers(sink, 0);
    }
    return send_some(sink, err);
}

static int64_t mqtt_due_in(void *opaque, struct fh_time now)
{
    struct mqtt_sink *sink = opaque;
    return fh_collect_due_in(&sink->collect, &sink->config, now);
}

static int not_yet(const struct mqtt_sink *sink, struct fh_error *err)
{
    return sink->trouble.text[0] != '\0'
               ? fh_error_set(err, -EAGAIN, "%s", sink->trouble.text)
               : fh_error_set(err, -EAGAIN,
                              "%zu of %zu messages are not acknowledged by the broker",
                              sink->batch.count - sink->batch.done, sink->batch.count);
}

static bool all_done(struct mqtt_sink *sink)
{
    return sink->batch.done == sink->batch.count && sink->batch.complete;
}

static int mqtt_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct mqtt_sink *sink = opaque;
    int64_t wait_ms =
        sink->config.timeout_ms < CALL_WAIT_MS ? sink->config.timeout_ms : CALL_WAIT_MS;
    struct fh_time until = fh_time_add_ms(fh_now(), wait_ms);
    while (true) {
        int r = send_some(sink, err);
        int64_t left_ms = fh_time_diff_ms(until, fh_now());
        if (r == 0 && sink->link) {
            bool waits = sink->batch.done < sink->batch.count;
            take_answers(sink, waits && left_ms > 0 ? left_ms : 0);
        }
        if (r == 0 && sink->batch.done == sink->batch.count && !sink->batch.complete) {
            r = fh_mqtt_batch_complete(&sink->batch, &sink->collect, sink->config.retain_position);
            r = r < 0 ? fh_error_set(err, r, "out of memory for the positions") : r;
        }
        if (r < 0) {
            return r;
        }
        if (fh_sink_fenced(sink->context)) {
            return fh_error_set(err, -EAGAIN, "this node must not deliver now");
        }
        if (all_done(sink)) {
            break;
        }
        if (left_ms <= 0 || !sink->link) {
            return not_yet(sink, err);
        }
    }
    forget_batch(sink);
    position[0] = '\0';
    return 0;
}

static int mqtt_abandon(void *opaque, const char *const *keep, size_t keep_count,
                        struct fh_error *err)
{
    struct mqtt_sink *sink = opaque;
    (void)keep;
    (void)keep_count;
    (void)err;
    drop_link(sink);
    forget_batch(sink);
    sink->leading = false;
    sink->retry_ms = 0;
    sink->retry_at = (struct fh_time){0};
    sink->hold_until = (struct fh_time){0};
    sink->trouble.text[0] = '\0';
    return 0;
}

/* What was sent of the batch may still be acknowledged: by a new connection old answers cannot be
 * taken for new ones. */
static int mqtt_reopen(void *opaque, struct fh_error *err)
{
    struct mqtt_sink *sink = opaque;
    (void)err;
    drop_link(sink);
    forget_batch(sink);
    return 0;
}

static void mqtt_reload(void *opaque, const struct fh_config_sink *config)
{
    struct mqtt_sink *sink = opaque;
    sink->config.batch_records = config->batch_records;
    sink->config.batch_ms = config->batch_ms;
    sink->config.timeout_ms = config->timeout_ms;
}

static void mqtt_close(void *opaque)
{
    struct mqtt_sink *sink = opaque;
    if (!sink) {
        return;
    }
    fh_mqtt_link_stop(sink->link);
    fh_collect_done(&sink->collect);
    fh_mqtt_batch_free(&sink->batch);
    explicit_bzero(sink->password, sizeof(sink->password));
    free(sink);
}

const struct fh_sink_ops fh_sink_mqtt_ops = {
    .type = "mqtt",
    .wants_facts = true,
    .promise = promise,
    .open = mqtt_open,
    .lead = mqtt_lead,
    .write = mqtt_write,
    .due_in = mqtt_due_in,
    .accept = mqtt_accept,
    .abandon = mqtt_abandon,
    .reopen = mqtt_reopen,
    .reload = mqtt_reload,
    .close = mqtt_close,
};
