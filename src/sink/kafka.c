/* kafka.c: the Kafka sink: its table of functions. A batch is collected in memory and sent as one
 * transaction (kafka_send.c); which records are there is read back from the topics themselves
 * (kafka_read.c). Both nodes have the same transactional.id, so the cluster shuts out the one that
 * began earlier. */
#include "kafka_internal.h"
#include "types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TOPIC "firehose"
#define FOUND_AT_ONCE 1024
/* An unfinished transaction keeps readers waiting: end it at a stop, but not at any price. */
#define LAST_ABORT_MS 500

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    snprintf(text, size,
             "exactly once (transactions; for readers with isolation.level=read_committed, while "
             "topic %s keeps records for longer than a takeover takes)",
             config->topic[0] ? config->topic : DEFAULT_TOPIC);
}

static int check_topic(struct fh_kafka *kafka, struct fh_error *err)
{
    int r = fh_pattern_compile(kafka->topic_text, "topic", err, &kafka->topic);
    if (r < 0) {
        return r;
    }
    if (fh_pattern_has(&kafka->topic, FH_PATTERN_DEVICE) ||
        fh_pattern_has(&kafka->topic, FH_PATTERN_UID)) {
        return fh_error_set(err, -EINVAL,
                            "topic: a topic for each device is more than a cluster bears; records "
                            "of one device already go to one partition: remove {device} or {uid}");
    }
    for (size_t i = 0; i < kafka->topic.count; i++) {
        struct fh_slice text = kafka->topic.part[i].text;
        for (size_t k = 0; kafka->topic.part[i].word == FH_PATTERN_TEXT && k < text.len; k++) {
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
                        text.data[k])) {
                return fh_error_set(err, -EINVAL,
                                    "topic: \"%.60s\" has a character that names of topics cannot "
                                    "have; use letters, digits, '.', '_' and '-'",
                                    kafka->topic_text);
            }
        }
    }
    return 0;
}

static void kafka_close(void *opaque)
{
    struct fh_kafka *kafka = opaque;
    if (!kafka) {
        return;
    }
    fh_kafka_let_go(kafka);
    fh_kafka_places_done(&kafka->met);
    fh_collect_done(&kafka->collect);
    fh_kafka_places_done(&kafka->pending);
    fh_kafka_places_done(&kafka->reported);
    free(kafka->verdict);
    pthread_mutex_destroy(&kafka->notice.lock);
    free(kafka);
}

static int kafka_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                      struct fh_error *err, void **ret)
{
    struct fh_kafka *kafka = calloc(1, sizeof(*kafka));
    if (!kafka) {
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    kafka->config = *config;
    kafka->context = *context;
    kafka->state = FH_KAFKA_SHUT;
    pthread_mutex_init(&kafka->notice.lock, NULL);
    fh_collect_init(&kafka->collect);
    snprintf(kafka->topic_text, sizeof(kafka->topic_text), "%s",
             config->topic[0] ? config->topic : DEFAULT_TOPIC);
    if (config->transactional_id[0]) {
        snprintf(kafka->transactional_id, sizeof(kafka->transactional_id), "%s",
                 config->transactional_id);
    } else {
        snprintf(kafka->transactional_id, sizeof(kafka->transactional_id), "firehosed-%s",
                 config->name);
    }
    int r = config->server_count > 0
                ? check_topic(kafka, err)
                : fh_error_set(err, -EINVAL, "servers is empty; name the brokers of the cluster");
    r = r < 0 ? r : fh_kafka_check(kafka, err);
    if (r < 0) {
        fh_error_prefix(err, "sink \"%s\"", config->name);
        kafka_close(kafka);
        return r;
    }
    *ret = kafka;
    return 0;
}

static int older_epoch(void *userdata, const struct fh_record_key *key, uint64_t epoch)
{
    const struct fh_kafka *kafka = userdata;
    (void)key;
    return epoch > kafka->epoch ? -ESTALE : 0;
}

/* Shut out, a node that was not told of another primary would lead once more in its old epoch, and
 * shut out the other one in turn. A record of a higher epoch behind what this node knows says that
 * there is another one. Reads only what can be read at once, and shuts out nobody. */
static int check_epoch(struct fh_kafka *kafka, struct fh_error *err)
{
    const struct fh_kafka_read read = {.from = &kafka->reported,
                                       .since_ms = kafka->since_ms,
                                       .stable_only = true,
                                       .visit = older_epoch,
                                       .userdata = kafka};
    int r = fh_kafka_read(kafka, &read, err);
    return r != -ESTALE ? r
                        : fh_error_set(err, r,
                                       "another node took over and delivers to Kafka as \"%.64s\"; "
                                       "this one does not in its epoch of before",
                                       kafka->transactional_id);
}

/* A new handle: only its first step shuts out the others. */
static int begin_to_lead(struct fh_kafka *kafka, uint64_t epoch, struct fh_error *err)
{
    bool once_more = kafka->epoch == epoch && kafka->reported.count > 0;
    int r = once_more ? check_epoch(kafka, err) : 0;
    if (r < 0) {
        return r;
    }
    fh_kafka_drop_batch(kafka);
    fh_kafka_let_go(kafka);
    if (!once_more) {
        fh_kafka_places_clear(&kafka->reported);
    }
    r = fh_kafka_producer_new(kafka, err, &kafka->producer);
    if (r == 0) {
        kafka->epoch = epoch;
        kafka->state = FH_KAFKA_LEADING;
    }
    return r;
}

static int kafka_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct fh_kafka *kafka = opaque;
    if (fh_sink_fenced(&kafka->context)) {
        return fh_error_set(err, -EAGAIN, "this node must keep quiet; Kafka is not asked");
    }
    int r = kafka->state == FH_KAFKA_LEADING && kafka->epoch == epoch
                ? 0
                : begin_to_lead(kafka, epoch, err);
    if (r < 0) {
        return r;
    }
    r = fh_kafka_init(kafka, err);
    if (r == 0) {
        fh_kafka_notice_clear(kafka);
        kafka->pause_ms = 0;
        kafka->state = FH_KAFKA_IDLE;
    } else if (r != -EAGAIN) {
        fh_kafka_let_go(kafka);
    }
    return r;
}

/* ---- recover ----------------------------------------------------------------------------------
 */

struct portion {
    fh_sink_found found;
    void *userdata;
    size_t count;
    struct fh_record_key key[FOUND_AT_ONCE];
};

static int hand_on(struct portion *portion)
{
    int r =
        portion->count > 0 ? portion->found(portion->userdata, portion->key, portion->count) : 0;
    portion->count = 0;
    return r == 0 ? 0 : -ECANCELED;
}

static int found_one(void *userdata, const struct fh_record_key *key, uint64_t epoch)
{
    struct portion *portion = userdata;
    (void)epoch;
    portion->key[portion->count++] = *key;
    return portion->count == FOUND_AT_ONCE ? hand_on(portion) : 0;
}

static int kafka_recover(void *opaque, const char *position, int64_t since_ms, fh_sink_found found,
                         void *userdata, struct fh_error *err)
{
    struct fh_kafka *kafka = opaque;
    struct fh_kafka_places from = {.count = 0};
    struct portion portion = {.found = found, .userdata = userdata};
    if (position[0] != '\0' && fh_kafka_position_parse(position, &from) < 0) {
        fh_kafka_places_clear(&from); /* of another version: by time */
    }
    const struct fh_kafka_read read = {.from = &from,
                                       .since_ms = since_ms,
                                       .visit = found_one,
                                       .userdata = &portion,
                                       .ends = &kafka->reported};
    int r = fh_kafka_read(kafka, &read, err);
    if (r == 0) {
        kafka->since_ms = since_ms;
        r = hand_on(&portion);
    }
    if (r == -ECANCELED) {
        fh_error_set(err, r, "reading back from Kafka was stopped");
    }
    fh_kafka_places_done(&from);
    return r;
}

/* ---- batches ----------------------------------------------------------------------------------
 */

static int kafka_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct fh_kafka *kafka = opaque;
    if (kafka->state == FH_KAFKA_LOST) {
        return fh_error_set(err, -ESTALE, "%s", kafka->lost.text);
    }
    if (kafka->state == FH_KAFKA_SHUT || kafka->state == FH_KAFKA_LEADING) {
        return fh_error_set(err, -ENOTCONN, "this node does not lead; nothing is sent to Kafka");
    }
    bool full = kafka->collect.count >= (size_t)kafka->config.batch_records ||
                kafka->collect.bytes.len >= FH_COLLECT_BYTES_MAX;
    if (full || kafka->judged > 0) { /* or it is being sent */
        return fh_error_set(err, -EAGAIN, "the batch before is not taken by Kafka yet");
    }
    int r = write->count > 0 ? fh_collect_add(&kafka->collect, write, fh_now()) : 0;
    return r < 0 ? fh_error_set(err, r, "no memory for a batch for Kafka") : 0;
}

static int64_t kafka_due_in(void *opaque, struct fh_time now)
{
    struct fh_kafka *kafka = opaque;
    return fh_collect_due_in(&kafka->collect, &kafka->config, now);
}

static int kafka_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct fh_kafka *kafka = opaque;
    int r = fh_kafka_send(kafka, err);
    if (r < 0) {
        return r;
    }
    fh_kafka_drop_batch(kafka);
    fh_kafka_position_print(&kafka->reported, position);
    return 0;
}

static int kafka_abandon(void *opaque, const char *const *keep, size_t keep_count,
                         struct fh_error *err)
{
    struct fh_kafka *kafka = opaque;
    (void)keep;
    (void)keep_count;
    (void)err;
    if (kafka->state == FH_KAFKA_OPEN || kafka->state == FH_KAFKA_ABORTING) {
        kafka->state = FH_KAFKA_ABORTING;
        rd_kafka_error_t *error = rd_kafka_abort_transaction(kafka->producer, LAST_ABORT_MS);
        if (error) { /* the next node to lead does it, or the cluster, by time */
            rd_kafka_error_destroy(error);
        }
    }
    fh_kafka_let_go(kafka);
    fh_kafka_drop_batch(kafka);
    fh_kafka_places_clear(&kafka->reported); /* to lead again it gets a new epoch */
    return 0;
}

static int kafka_reopen(void *opaque, struct fh_error *err)
{
    struct fh_kafka *kafka = opaque;
    (void)err;
    fh_kafka_drop_batch(kafka);
    return 0;
}

static void kafka_reload(void *opaque, const struct fh_config_sink *config)
{
    struct fh_kafka *kafka = opaque;
    kafka->config.batch_records = config->batch_records;
    kafka->config.batch_ms = config->batch_ms;
    kafka->config.timeout_ms = config->timeout_ms;
}

const struct fh_sink_ops fh_sink_kafka_ops = {
    .type = "kafka",
    .wants_facts = true,
    .promise = promise,
    .open = kafka_open,
    .lead = kafka_lead,
    .recover = kafka_recover,
    .write = kafka_write,
    .due_in = kafka_due_in,
    .accept = kafka_accept,
    .abandon = kafka_abandon,
    .reopen = kafka_reopen,
    .reload = kafka_reload,
    .close = kafka_close,
};
