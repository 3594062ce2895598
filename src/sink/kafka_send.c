/* kafka_send.c: owns the transaction. A batch is sent in one, by steps that may each be left when
 * the time is up and gone on with later:
 *
 *     IDLE -begin-> OPEN -all answered for-> COMMITTING -committed-> IDLE, batch done
 *                    |                            |
 *                    +------- ABORTING <----------+   then IDLE again, with the same batch
 *
 * A commit whose answer is missing is asked for again on the same handle, which the cluster takes
 * for the same commit; it is never sent anew. When this handle can tell nothing any more the sink
 * is LOST until it leads again, and recover reads back what became of the batch. */
#include "kafka_internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define MEET_MS      1000
#define STEP_MS      100 /* how long to wait in one piece where the fence is asked in between */

/* Valid names of topics hold nothing but letters, digits, '.', '_' and '-'. */
static const char special[] =
    "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"
    "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96"
    "\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad"
    "\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf\xc0\xc1\xc2\xc3\xc4"
    "\xc5\xc6\xc7\xc8\xc9\xca\xcb\xcc\xcd\xce\xcf\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb"
    "\xdc\xdd\xde\xdf\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xf0\xf1\xf2"
    "\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff";

int fh_kafka_left_ms(const struct fh_kafka *kafka, struct fh_time begun)
{
    int64_t left = kafka->config.timeout_ms - fh_time_diff_ms(fh_now(), begun);
    return left > 0 ? (int)left : 0;
}

void fh_kafka_let_go(struct fh_kafka *kafka)
{
    kafka->state = FH_KAFKA_SHUT; /* before: what it reports at its end is of no interest */
    fh_kafka_handle_free(kafka->producer);
    kafka->producer = NULL;
    fh_kafka_places_clear(&kafka->met);
}

int fh_kafka_lose(struct fh_kafka *kafka, int code, const char *text, struct fh_error *err)
{
    kafka->state = FH_KAFKA_LOST;
    snprintf(kafka->lost.text, sizeof(kafka->lost.text), "%s", text);
    return fh_error_set(err, code, "%s", text);
}

/* ---- errors -----------------------------------------------------------------------------------
 */

static bool is_fence(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* Of this record, wherever it is sent and however often. */
static bool is_for_good(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP || code == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

/* The handle will not do any more: another node has taken over, or librdkafka gave up. */
static int lose_handle(struct fh_kafka *kafka, rd_kafka_resp_err_t code, const char *what,
                       struct fh_error *err)
{
    char text[384];
    char fatal[256];
    rd_kafka_resp_err_t origin = rd_kafka_fatal_error(kafka->producer, fatal, sizeof(fatal));
    if (is_fence(code) || is_fence(origin)) {
        snprintf(
            text, sizeof(text),
            "the Kafka cluster has ended our transactions: another node took over as \"%.64s\" "
            "(or a transaction lasted longer than transaction.timeout.ms)",
            kafka->transactional_id);
        return fh_kafka_lose(kafka, -ESTALE, text, err);
    }
    snprintf(text, sizeof(text), "%s: %s; what is there is read back", what,
             origin ? fatal : rd_kafka_err2str(code));
    return fh_kafka_lose(kafka, -EIO, text, err);
}

/* The transaction cannot be committed: abort it, then the same batch again after a pause. */
static void must_abort(struct fh_kafka *kafka, rd_kafka_resp_err_t code, const char *text)
{
    if (!kafka->failed) {
        kafka->failed = code;
        snprintf(kafka->failed_text, sizeof(kafka->failed_text), "%s", text);
    }
    kafka->state = FH_KAFKA_ABORTING;
}

static int again(struct fh_kafka *kafka, const char *what, struct fh_error *err)
{
    char said[192];
    return fh_error_set(err, -EAGAIN, "%s%s; nothing is lost, tried again", what,
                        fh_kafka_notice_text(kafka, said));
}

static int not_taken(const struct fh_kafka *kafka, struct fh_error *err)
{
    return fh_error_set(
        err, -EAGAIN, "the Kafka cluster did not take the batch: %s; nothing is lost, tried again",
        kafka->failed_text);
}

/* ---- records ----------------------------------------------------------------------------------
 */

/* The cluster refuses a request as a whole. When that happens to every batch it is slow: say once
 * what to do. */
static void say_too_large(struct fh_kafka *kafka, const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && !kafka->said_too_large) {
        kafka->said_too_large = true;
        fh_log(LOG_WARNING,
               "sink \"%s\": topic %s refuses a request of ours as too large; each record of it is "
               "sent by itself, which is slow. If that is not for one large record, set batch.size "
               "in properties below the topic's max.message.bytes",
               kafka->config.name, rd_kafka_topic_name(message->rkt));
    }
}

/* Delivery thread: called inside poll, flush, commit and abort. */
void fh_kafka_delivered(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    (void)handle;
    struct fh_kafka *kafka = opaque;
    struct fh_kafka_verdict *verdict = message->_private;
    if (kafka->state != FH_KAFKA_OPEN && kafka->state != FH_KAFKA_COMMITTING) {
        return; /* of a transaction that is aborted, or of a handle that is let go */
    }
    kafka->under_way--;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->offset >= 0) {
            /* out of memory or of room: the position says less, and more is read back */
            (void)fh_kafka_places_raise(&kafka->pending, rd_kafka_topic_name(message->rkt),
                                        message->partition, message->offset + 1);
        }
        return;
    }
    if (!kafka->failed) {
        kafka->failed = message->err;
        snprintf(kafka->failed_text, sizeof(kafka->failed_text), "topic %.80s: %s",
                 rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
    }
    if (is_for_good(message->err)) {
        say_too_large(kafka, message);
        verdict->fate = verdict->fate == FH_KAFKA_ALONE ? FH_KAFKA_REFUSED : FH_KAFKA_ALONE;
        verdict->reason = message->err;
    }
}

/* One verdict per record of the batch. They do not move while one is sent: write adds none then. */
static int judge(struct fh_kafka *kafka)
{
    size_t count = kafka->collect.count;
    if (count > kafka->verdict_capacity) {
        struct fh_kafka_verdict *verdict =
            realloc(kafka->verdict, kafka->collect.capacity * sizeof(*verdict));
        if (!verdict) {
            return -ENOMEM;
        }
        kafka->verdict = verdict;
        kafka->verdict_capacity = kafka->collect.capacity;
    }
    for (; kafka->judged < count; kafka->judged++) {
        kafka->verdict[kafka->judged] = (struct fh_kafka_verdict){.fate = FH_KAFKA_SEND};
    }
    return 0;
}

static bool to_be_sent(const struct fh_kafka *kafka, size_t index)
{
    enum fh_kafka_fate fate = kafka->verdict[index].fate;
    return fate == FH_KAFKA_SEND || fate == FH_KAFKA_ALONE;
}

static bool anything_to_send(const struct fh_kafka *kafka)
{
    for (size_t i = 0; i < kafka->collect.count; i++) {
        if (to_be_sent(kafka, i)) {
            return true;
        }
    }
    return false;
}

static rd_kafka_resp_err_t produce(struct fh_kafka *kafka, size_t index,
                                   const struct fh_collect_item *item, const char *topic)
{
    char key[FH_KEY_TEXT_SIZE];
    char epoch[24];
    struct fh_slice lane = fh_record_lane(&item->facts);
    fh_key_print(item->key, key);
    snprintf(epoch, sizeof(epoch), "%" PRIu64, kafka->epoch);
    const char *replay = kafka->context.replay;
    const char *name = replay ? FH_KAFKA_HEADER_REPLAY : FH_KAFKA_HEADER_KEY;
    const char *value = replay ? replay : key;
    /* 0 would mean "now" */
    int64_t timestamp_ms = item->key.timestamp_ms > 0 ? item->key.timestamp_ms : 1;
    return rd_kafka_producev(
        kafka->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)item->record.data, item->record.len),
        RD_KAFKA_V_KEY((void *)lane.data, lane.len), RD_KAFKA_V_TIMESTAMP(timestamp_ms),
        RD_KAFKA_V_HEADER(name, value, (ssize_t)strlen(value)),
        RD_KAFKA_V_HEADER(FH_KAFKA_HEADER_UID, item->facts.uid.data, (ssize_t)item->facts.uid.len),
        RD_KAFKA_V_HEADER(FH_KAFKA_HEADER_EPOCH, epoch, (ssize_t)strlen(epoch)),
        RD_KAFKA_V_OPAQUE(&kafka->verdict[index]), RD_KAFKA_V_END);
}

/* librdkafka looks for the partitions of a topic it meets for the first time once a second: ask
 * now, so that a takeover does not wait for it. */
static void meet_topic(struct fh_kafka *kafka, const char *topic, struct fh_time begun)
{
    const struct rd_kafka_metadata *metadata;
    int left = fh_kafka_left_ms(kafka, begun);
    if (fh_kafka_places_find(&kafka->met, topic, 0)) {
        return;
    }
    (void)fh_kafka_places_raise(&kafka->met, topic, 0, 0); /* when there is no room: asked again */
    rd_kafka_topic_t *handle = rd_kafka_topic_new(kafka->producer, topic, NULL);
    if (handle && rd_kafka_metadata(kafka->producer, 0, handle, &metadata,
                                    left < MEET_MS ? left : MEET_MS) == 0) {
        rd_kafka_metadata_destroy(metadata);
    }
    if (handle) {
        rd_kafka_topic_destroy(handle); /* the metadata stays in its cache */
    }
}

/* 0, or -EAGAIN when librdkafka's queue is full. Other trouble goes into the verdict or fails the
 * transaction. */
static int hand_over(struct fh_kafka *kafka, size_t index, struct fh_time begun)
{
    struct fh_collect_item item;
    char topic[FH_KAFKA_TOPIC_MAX];
    struct fh_kafka_verdict *verdict = &kafka->verdict[index];
    fh_collect_get(&kafka->collect, index, &item);
    if (fh_pattern_expand(&kafka->topic, &item.facts, special, topic, sizeof(topic)) < 0) {
        verdict->fate = FH_KAFKA_REFUSED;
        verdict->reason = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
        return 0;
    }
    meet_topic(kafka, topic, begun);
    rd_kafka_resp_err_t code = produce(kafka, index, &item, topic);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka->under_way++;
    } else if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return -EAGAIN;
    } else if (is_for_good(code)) { /* found out before anything was sent */
        verdict->fate = FH_KAFKA_REFUSED;
        verdict->reason = code;
    } else if (!kafka->failed) {
        kafka->failed = code;
        snprintf(kafka->failed_text, sizeof(kafka->failed_text), "topic %.80s: %s", topic,
                 rd_kafka_err2str(code));
    }
    return 0;
}

/* ---- the steps: 1 = go on, 0 = the batch is done, negative = leave --------------------------- */

static int begin(struct fh_kafka *kafka, struct fh_time begun, struct fh_error *err)
{
    int64_t pause = fh_time_diff_ms(kafka->not_before, fh_now());
    if (pause > 0) {
        int left = fh_kafka_left_ms(kafka, begun);
        rd_kafka_poll(kafka->producer, pause < left ? (int)pause : left);
        return not_taken(kafka, err);
    }
    kafka->next = 0;
    kafka->under_way = 0;
    kafka->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    fh_kafka_places_clear(&kafka->pending);
    rd_kafka_error_t *error = rd_kafka_begin_transaction(kafka->producer);
    if (error) {
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        return lose_handle(kafka, code, "cannot begin a transaction", err);
    }
    kafka->state = FH_KAFKA_OPEN;
    return 1;
}

/* Wait until everything handed over is answered for. */
static int drain(struct fh_kafka *kafka, struct fh_time begun, struct fh_error *err)
{
    while (kafka->under_way > 0 && !kafka->failed) {
        int left = fh_kafka_left_ms(kafka, begun);
        if (left == 0) {
            return again(kafka, "the Kafka cluster has not taken the batch yet", err);
        }
        rd_kafka_flush(kafka->producer, left < STEP_MS ? left : STEP_MS);
        if (rd_kafka_fatal_error(kafka->producer, NULL, 0)) {
            return lose_handle(kafka, RD_KAFKA_RESP_ERR__FATAL, "sending a batch", err);
        }
    }
    return 0;
}

static int put_aside(struct fh_kafka *kafka, struct fh_error *err)
{
    for (size_t i = 0; i < kafka->collect.count; i++) {
        struct fh_kafka_verdict *verdict = &kafka->verdict[i];
        if (verdict->fate != FH_KAFKA_REFUSED) {
            continue;
        }
        struct fh_collect_item item;
        char reason[160];
        fh_collect_get(&kafka->collect, i, &item);
        snprintf(reason, sizeof(reason), "Kafka: %s%s", rd_kafka_err2str(verdict->reason),
                 verdict->reason == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                     ? " (message.max.bytes here, max.message.bytes of the topic)"
                     : "");
        int r = fh_sink_refused(&kafka->context, item.record, reason, err);
        if (r < 0) {
            return r;
        }
        verdict->fate = FH_KAFKA_ASIDE;
    }
    return 0;
}

static int send_all(struct fh_kafka *kafka, struct fh_time begun, struct fh_error *err)
{
    int r = 0;
    while (kafka->next < kafka->collect.count && !kafka->failed && r == 0) {
        size_t index = kafka->next;
        bool alone = kafka->verdict[index].fate == FH_KAFKA_ALONE;
        r = alone ? drain(kafka, begun, err) : 0;
        if (r == 0 && !kafka->failed && to_be_sent(kafka, index)) {
            r = hand_over(kafka, index, begun);
            if (r == -EAGAIN) { /* queue full: what is in it must go out first */
                r = drain(kafka, begun, err);
                continue;
            }
        }
        if (r == 0) {
            kafka->next++;
            r = alone ? drain(kafka, begun, err) : 0;
        }
    }
    r = r < 0 ? r : drain(kafka, begun, err);
    if (r < 0) {
        return r;
    }
    if (kafka->failed) {
        must_abort(kafka, kafka->failed, kafka->failed_text);
        return 1;
    }
    r = put_aside(kafka, err);
    if (r < 0) {
        kafka->state = FH_KAFKA_ABORTING;
        return r;
    }
    kafka->state = FH_KAFKA_COMMITTING;
    return 1;
}

static int commit(struct fh_kafka *kafka, struct fh_time begun, struct fh_error *err)
{
    int left = fh_kafka_left_ms(kafka, begun);
    rd_kafka_error_t *error = rd_kafka_commit_transaction(kafka->producer, left > 0 ? left : 1);
    if (!error) {
        kafka->state = FH_KAFKA_IDLE;
        return 0;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool retriable = rd_kafka_error_is_retriable(error) != 0;
    bool abortable = rd_kafka_error_txn_requires_abort(error) != 0;
    char text[160];
    snprintf(text, sizeof(text), "commit: %s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    if (retriable) {
        return again(kafka, "the Kafka cluster has not confirmed the commit yet", err);
    }
    if (abortable) {
        must_abort(kafka, code, text);
        return 1;
    }
    return lose_handle(kafka, code, "committing a batch", err);
}

static int abort_batch(struct fh_kafka *kafka, struct fh_time begun, struct fh_error *err)
{
    int left = fh_kafka_left_ms(kafka, begun);
    rd_kafka_error_t *error = rd_kafka_abort_transaction(kafka->producer, left > 0 ? left : 1);
    if (error) {
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        bool retriable = rd_kafka_error_is_retriable(error) != 0;
        rd_kafka_error_destroy(error);
        return retriable ? again(kafka,
                                 "the Kafka cluster has not confirmed the end of a failed "
                                 "transaction yet",
                                 err)
                         : lose_handle(kafka, code, "aborting a batch", err);
    }
    kafka->state = FH_KAFKA_IDLE;
    if (is_for_good(kafka->failed) || !kafka->failed) {
        return 1; /* the verdicts have changed: at once again, without those */
    }
    kafka->pause_ms = kafka->pause_ms == 0 ? PAUSE_MIN_MS : 2 * kafka->pause_ms;
    kafka->pause_ms = kafka->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : kafka->pause_ms;
    kafka->not_before = fh_time_add_ms(fh_now(), kafka->pause_ms);
    return not_taken(kafka, err);
}

static int step(struct fh_kafka *kafka, struct fh_time begun, struct fh_error *err)
{
    switch (kafka->state) {
    case FH_KAFKA_SHUT:
    case FH_KAFKA_LEADING:
        return fh_error_set(err, -ENOTCONN, "this node does not lead; nothing is sent to Kafka");
    case FH_KAFKA_LOST:
        return fh_error_set(err, -ESTALE, "%s", kafka->lost.text);
    case FH_KAFKA_IDLE:
        if (anything_to_send(kafka)) {
            return begin(kafka, begun, err);
        }
        return put_aside(kafka, err);
    case FH_KAFKA_OPEN:
        return send_all(kafka, begun, err);
    case FH_KAFKA_COMMITTING:
        return commit(kafka, begun, err);
    case FH_KAFKA_ABORTING:
        return abort_batch(kafka, begun, err);
    }
    return -EINVAL;
}

int fh_kafka_send(struct fh_kafka *kafka, struct fh_error *err)
{
    struct fh_time begun = fh_now();
    int r = judge(kafka);
    if (r < 0) {
        return fh_error_set(err, r, "no memory for a batch for Kafka");
    }
    do {
        if (fh_sink_fenced(&kafka->context)) {
            return fh_error_set(err, -EAGAIN,
                                "this node must keep quiet; nothing is sent to Kafka");
        }
        r = step(kafka, begun, err);
    } while (r > 0);
    if (r < 0) {
        return r;
    }
    kafka->pause_ms = 0;
    kafka->not_before = (struct fh_time){0};
    (void)fh_kafka_places_merge(&kafka->reported, &kafka->pending);
    fh_kafka_places_clear(&kafka->pending);
    fh_kafka_notice_clear(kafka);
    return 0;
}

int fh_kafka_init(struct fh_kafka *kafka, struct fh_error *err)
{
    char said[192];
    rd_kafka_poll(kafka->producer, 0); /* errors of the last try */
    rd_kafka_error_t *error =
        rd_kafka_init_transactions(kafka->producer, (int)kafka->config.timeout_ms);
    if (!error) {
        return 0;
    }
    rd_kafka_poll(kafka->producer, 0);
    char text[160];
    bool retriable = rd_kafka_error_is_retriable(error) != 0;
    snprintf(text, sizeof(text), "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return fh_error_set(
        err, retriable ? -EAGAIN : -EIO, "Kafka at %.100s does not let us begin as \"%.64s\": %s%s",
        kafka->config.servers[0], kafka->transactional_id, text, fh_kafka_notice_text(kafka, said));
}

void fh_kafka_drop_batch(struct fh_kafka *kafka)
{
    fh_collect_clear(&kafka->collect);
    kafka->judged = 0;
    kafka->next = 0;
    if (kafka->state == FH_KAFKA_COMMITTING) {
        struct fh_error ignored;
        fh_kafka_lose(kafka, -EIO, "a commit is in doubt; what is there is read back", &ignored);
    } else if (kafka->state == FH_KAFKA_OPEN) {
        kafka->state = FH_KAFKA_ABORTING;
    }
    kafka->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
}
