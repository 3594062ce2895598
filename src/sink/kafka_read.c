/* kafka_read.c: owns reading back: which records of ours are committed in the topics of a sink. Two
 * handles, both without a group, so that nothing of it stays at the cluster: one sees where the
 * partitions end whatever is committed, the other one reads what is committed.
 *
 * Memory is bounded by librdkafka's queue (queued.max.messages.kbytes); time by timeout_ms in which
 * nothing comes. */
#include "kafka_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 100

struct span {
    rd_kafka_topic_t *topic; /* NULL: not reading */
    char *name;
    int32_t partition;
    int64_t low, high; /* what is there: low <= offset < high */
    int64_t start;     /* -1: by time */
    bool done;
};

struct reading {
    struct fh_kafka *kafka;
    const struct fh_kafka_read *read;
    rd_kafka_t *reader, *observer;
    rd_kafka_queue_t *queue;
    struct span *span; /* sorted by name and partition */
    size_t count, capacity, open;
};

static void reading_done(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        struct span *span = &reading->span[i];
        if (span->topic) {
            rd_kafka_consume_stop(span->topic, span->partition);
            rd_kafka_topic_destroy(span->topic);
        }
        free(span->name);
    }
    free(reading->span);
    if (reading->queue) {
        rd_kafka_queue_destroy(reading->queue);
    }
    fh_kafka_handle_free(reading->reader);
    fh_kafka_handle_free(reading->observer);
}

static int trouble(struct reading *reading, const char *what, rd_kafka_resp_err_t code,
                   struct fh_error *err)
{
    char said[192];
    rd_kafka_poll(reading->observer, 0);
    rd_kafka_poll(reading->reader, 0);
    return fh_error_set(err, -EIO, "cannot read back from Kafka at %.100s: %s: %s%s",
                        reading->kafka->config.servers[0], what, rd_kafka_err2str(code),
                        fh_kafka_notice_text(reading->kafka, said));
}

static int timeout_of(const struct reading *reading)
{
    return (int)reading->kafka->config.timeout_ms;
}

/* ---- which partitions -------------------------------------------------------------------------
 */

static bool matches(const struct fh_pattern *pattern, size_t part, const char *topic)
{
    if (part == pattern->count) {
        return *topic == '\0';
    }
    if (pattern->part[part].word == FH_PATTERN_TEXT) {
        struct fh_slice text = pattern->part[part].text;
        return strncmp(topic, text.data, text.len) == 0 &&
               matches(pattern, part + 1, topic + text.len);
    }
    while (*topic) {
        topic++; /* a word is never empty */
        if (matches(pattern, part + 1, topic)) {
            return true;
        }
    }
    return false;
}

bool fh_kafka_topic_matches(const struct fh_pattern *pattern, const char *topic)
{
    return matches(pattern, 0, topic);
}

static int add_span(struct reading *reading, const char *topic, int32_t partition)
{
    if (reading->count == FH_KAFKA_PLACES_MAX) {
        return -E2BIG;
    }
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity > 0 ? 2 * reading->capacity : 16;
        struct span *span = realloc(reading->span, capacity * sizeof(*span));
        if (!span) {
            return -ENOMEM;
        }
        reading->span = span;
        reading->capacity = capacity;
    }
    char *name = strdup(topic);
    if (!name) {
        return -ENOMEM;
    }
    reading->span[reading->count++] =
        (struct span){.name = name, .partition = partition, .start = -1};
    return 0;
}

static int compare_spans(const void *a, const void *b)
{
    const struct span *left = a;
    const struct span *right = b;
    int r = strcmp(left->name, right->name);
    return r != 0 ? r : (left->partition > right->partition) - (left->partition < right->partition);
}

static int add_topic(struct reading *reading, const struct rd_kafka_metadata_topic *topic,
                     struct fh_error *err)
{
    if (!fh_kafka_topic_matches(&reading->kafka->topic, topic->topic) ||
        topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        return 0; /* a topic that is not there has no records */
    }
    if (topic->err) {
        return trouble(reading, topic->topic, topic->err, err);
    }
    for (int i = 0; i < topic->partition_cnt; i++) {
        int r = add_span(reading, topic->topic, topic->partitions[i].id);
        if (r < 0) {
            return fh_error_set(err, r, "cannot read back from Kafka: %s",
                                r == -E2BIG ? "the topics of the pattern have too many partitions"
                                            : "no memory");
        }
    }
    return 0;
}

static int find_topics(struct reading *reading, struct fh_error *err)
{
    const struct fh_pattern *pattern = &reading->kafka->topic;
    const struct rd_kafka_metadata *metadata;
    bool fixed = pattern->count == 1 && pattern->part[0].word == FH_PATTERN_TEXT;
    rd_kafka_topic_t *only =
        fixed ? rd_kafka_topic_new(reading->observer, reading->kafka->topic_text, NULL) : NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(reading->observer, !fixed, only, &metadata, timeout_of(reading));
    if (only) {
        rd_kafka_topic_destroy(only);
    }
    if (code) {
        return trouble(reading, "which topics there are", code, err);
    }
    int r = 0;
    for (int i = 0; i < metadata->topic_cnt && r == 0; i++) {
        r = add_topic(reading, &metadata->topics[i], err);
    }
    rd_kafka_metadata_destroy(metadata);
    if (reading->count > 1) {
        qsort(reading->span, reading->count, sizeof(*reading->span), compare_spans);
    }
    return r;
}

/* ---- from where to where ----------------------------------------------------------------------
 */

/* Of a transaction of somebody else that is not finished, records of ours may lie behind the start:
 * the end is where the log ends, not what can be read now. */
static int find_ends(struct reading *reading, struct fh_error *err)
{
    rd_kafka_t *asked = reading->read->stable_only ? reading->reader : reading->observer;
    for (size_t i = 0; i < reading->count; i++) {
        struct span *span = &reading->span[i];
        rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
            asked, span->name, span->partition, &span->low, &span->high, timeout_of(reading));
        if (code) {
            return trouble(reading, "where its topics end", code, err);
        }
    }
    return 0;
}

/* Partitions no position names: the first record that is not older than since_ms. Records before it
 * are all older. */
static int find_starts_by_time(struct reading *reading, struct fh_error *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)reading->count + 1);
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->span[i].start < 0) {
            rd_kafka_topic_partition_list_add(list, reading->span[i].name,
                                              reading->span[i].partition)
                ->offset = reading->read->since_ms;
        }
    }
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (list->cnt > 0) {
        code = rd_kafka_offsets_for_times(reading->observer, list, timeout_of(reading));
    }
    for (int i = 0; i < list->cnt && !code; i++) {
        const rd_kafka_topic_partition_t *answer = &list->elems[i];
        struct span key = {.name = answer->topic, .partition = answer->partition};
        struct span *span =
            bsearch(&key, reading->span, reading->count, sizeof(key), compare_spans);
        code = answer->err;
        if (span) { /* a negative one says: none is that young */
            span->start = answer->offset >= 0 ? answer->offset : span->high;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code ? trouble(reading, "what is there since the last report", code, err) : 0;
}

static int find_starts(struct reading *reading, struct fh_error *err)
{
    bool by_time = false;
    for (size_t i = 0; i < reading->count; i++) {
        struct span *span = &reading->span[i];
        const struct fh_kafka_place *place =
            fh_kafka_places_find(reading->read->from, span->name, span->partition);
        if (place && place->next <= span->high) {
            span->start = place->next;
        } else if (place || reading->read->since_ms <= 0) {
            span->start = span->low; /* past the end: the topic was made anew */
        } else {
            by_time = true;
        }
    }
    int r = by_time ? find_starts_by_time(reading, err) : 0;
    for (size_t i = 0; i < reading->count && r == 0; i++) {
        struct span *span = &reading->span[i];
        span->start = span->start < span->low ? span->low : span->start;
        span->done = span->start >= span->high;
    }
    return r;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int start_reading(struct reading *reading, struct fh_error *err)
{
    reading->queue = rd_kafka_queue_new(reading->reader);
    for (size_t i = 0; i < reading->count; i++) {
        struct span *span = &reading->span[i];
        if (span->done) {
            continue;
        }
        rd_kafka_topic_t *topic = rd_kafka_topic_new(reading->reader, span->name, NULL);
        if (!topic || rd_kafka_consume_start_queue(topic, span->partition, span->start,
                                                   reading->queue) != 0) {
            rd_kafka_resp_err_t code = rd_kafka_last_error();
            if (topic) {
                rd_kafka_topic_destroy(topic);
            }
            return trouble(reading, span->name, code, err);
        }
        span->topic = topic;
        reading->open++;
    }
    return 0;
}

static void close_span(struct reading *reading, struct span *span)
{
    rd_kafka_consume_stop(span->topic, span->partition);
    rd_kafka_topic_destroy(span->topic);
    span->topic = NULL;
    span->done = true;
    reading->open--;
}

static uint64_t epoch_of(const rd_kafka_headers_t *headers)
{
    const void *value;
    size_t len;
    char text[24];
    if (rd_kafka_header_get_last(headers, FH_KAFKA_HEADER_EPOCH, &value, &len) != 0 ||
        len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, value, len);
    text[len] = '\0';
    return strtoull(text, NULL, 10);
}

static int visit(const struct reading *reading, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    struct fh_record_key key;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(message, &headers) != 0 ||
        rd_kafka_header_get_last(headers, FH_KAFKA_HEADER_KEY, &value, &len) != 0 || !value ||
        fh_key_parse(value, len, &key) < 0) {
        return 0; /* not written by us */
    }
    return reading->read->visit(reading->read->userdata, &key, epoch_of(headers));
}

/* 1: something new was read. */
static int take(struct reading *reading, const rd_kafka_message_t *message, struct fh_error *err)
{
    struct span key = {.partition = message->partition};
    if (!message->rkt) {
        return trouble(reading, "reading", message->err, err);
    }
    key.name = (char *)rd_kafka_topic_name(message->rkt);
    struct span *span = bsearch(&key, reading->span, reading->count, sizeof(key), compare_spans);
    if (!span || span->done) {
        return 0;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (message->offset >= span->high) {
            close_span(reading, span);
        }
        return 1;
    }
    if (message->err) {
        return trouble(reading, span->name, message->err, err);
    }
    int r = message->offset < span->high ? visit(reading, message) : 0;
    if (r < 0) {
        return fh_error_set(err, r, "reading back from Kafka was stopped");
    }
    if (message->offset >= span->high - 1) {
        close_span(reading, span);
    }
    return 1;
}

static int still_open(const struct reading *reading, struct fh_error *err)
{
    for (size_t i = 0; i < reading->count; i++) {
        const struct span *span = &reading->span[i];
        if (!span->done) {
            char said[192];
            return fh_error_set(err, -EAGAIN,
                                "reading back from Kafka: nothing came for %d ms from partition "
                                "%d of topic %.80s; a transaction of another producer may be "
                                "unfinished there%s; tried again",
                                timeout_of(reading), span->partition, span->name,
                                fh_kafka_notice_text(reading->kafka, said));
        }
    }
    return 0;
}

static int read_spans(struct reading *reading, struct fh_error *err)
{
    struct fh_time progress = fh_now();
    int r = start_reading(reading, err);
    while (reading->open > 0 && r == 0) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(reading->queue, STEP_MS);
        if (message) {
            r = take(reading, message, err);
            rd_kafka_message_destroy(message);
        } else {
            rd_kafka_poll(reading->reader, 0);
        }
        if (r > 0) {
            progress = fh_now();
            r = 0;
        } else if (r == 0 && fh_time_diff_ms(fh_now(), progress) > timeout_of(reading)) {
            r = still_open(reading, err);
        }
    }
    return r;
}

int fh_kafka_read(struct fh_kafka *kafka, const struct fh_kafka_read *read, struct fh_error *err)
{
    FH_CLEANUP(reading_done) struct reading reading = {.kafka = kafka, .read = read};
    int r = fh_kafka_reader_new(kafka, true, err, &reading.reader);
    r = r < 0 ? r : fh_kafka_reader_new(kafka, false, err, &reading.observer);
    r = r < 0 ? r : find_topics(&reading, err);
    r = r < 0 ? r : find_ends(&reading, err);
    r = r < 0 ? r : find_starts(&reading, err);
    r = r < 0 ? r : read_spans(&reading, err);
    if (r < 0 || !read->ends) {
        return r;
    }
    fh_kafka_places_clear(read->ends);
    for (size_t i = 0; i < reading.count && r == 0; i++) {
        const struct span *span = &reading.span[i];
        r = fh_kafka_places_raise(read->ends, span->name, span->partition, span->high);
    }
    return r < 0 ? fh_error_set(err, r, "no memory for the offsets of Kafka's topics") : 0;
}
