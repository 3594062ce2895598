/* kafka_resume.c: owns the way back from a handle that is of no use any more: the cluster ended our
 * transactions because they took too long, librdkafka gave up, or a commit is in doubt.
 *
 * The pipeline writes the lost batch again, without a new lead and without asking what is there. So
 *   1. only a node that must not keep quiet may come back (another one would be shut out by it);
 *   2. what can be read is read: a record of a higher epoch means that another node has taken over;
 *   3. a new handle ends what our old one left open, whichever way it was going;
 *   4. all is read back from where the last accepted batch ended. Records found are not sent again:
 *      the batch in doubt, and what the other node delivered should it have led for a moment. */
#include "kafka_internal.h"

#include <errno.h>
#include <stdlib.h>

struct gathering {
    struct fh_kafka *kafka;
    bool keep;
};

static int compare_keys(const void *a, const void *b)
{
    const struct fh_record_key *left = a;
    const struct fh_record_key *right = b;
    if (left->fingerprint != right->fingerprint) {
        return left->fingerprint > right->fingerprint ? 1 : -1;
    }
    return (left->timestamp_ms > right->timestamp_ms) - (left->timestamp_ms < right->timestamp_ms);
}

bool fh_kafka_keys_have(const struct fh_kafka_keys *keys, const struct fh_record_key *key)
{
    return keys->count > 0 &&
           bsearch(key, keys->key, keys->count, sizeof(*key), compare_keys) != NULL;
}

void fh_kafka_keys_done(struct fh_kafka_keys *keys)
{
    free(keys->key);
    *keys = (struct fh_kafka_keys){.count = 0};
}

static int keep(struct fh_kafka_keys *keys, const struct fh_record_key *key)
{
    if (keys->count == keys->capacity) {
        size_t capacity = keys->capacity > 0 ? 2 * keys->capacity : 1024;
        struct fh_record_key *bigger =
            capacity > FH_KAFKA_KEYS_MAX ? NULL : realloc(keys->key, capacity * sizeof(*bigger));
        if (!bigger) {
            return -ENOMEM;
        }
        keys->key = bigger;
        keys->capacity = capacity;
    }
    keys->key[keys->count++] = *key;
    return 0;
}

static int gather(void *userdata, const struct fh_record_key *key, uint64_t epoch)
{
    struct gathering *gathering = userdata;
    if (epoch > gathering->kafka->epoch) {
        return -ESTALE;
    }
    return gathering->keep ? keep(&gathering->kafka->there, key) : 0;
}

static int read_back(struct fh_kafka *kafka, bool stable_only, struct fh_error *err)
{
    struct gathering gathering = {.kafka = kafka, .keep = !stable_only};
    const struct fh_kafka_read read = {.from = &kafka->reported,
                                       .since_ms = kafka->since_ms,
                                       .stable_only = stable_only,
                                       .visit = gather,
                                       .userdata = &gathering};
    int r = fh_kafka_read(kafka, &read, err);
    if (r == -ESTALE) {
        fh_error_set(err, r,
                     "another node took over and delivers to Kafka as \"%.64s\"; this one "
                     "does not until it leads again",
                     kafka->transactional_id);
    }
    return r;
}

int fh_kafka_resume(struct fh_kafka *kafka, struct fh_error *err)
{
    if (!kafka->context.fenced || fh_sink_fenced(&kafka->context)) {
        return fh_error_set(err, -ESTALE, "%s", kafka->lost.text);
    }
    fh_kafka_handle_free(kafka->producer);
    kafka->producer = NULL;
    fh_kafka_keys_done(&kafka->there);
    int r = read_back(kafka, true, err);
    r = r < 0 ? r : fh_kafka_producer_new(kafka, err, &kafka->producer);
    r = r < 0 ? r : fh_kafka_init(kafka, err);
    r = r < 0 ? r : read_back(kafka, false, err);
    if (r < 0) {
        return r == -EAGAIN ? -EIO : r; /* the caller's batch is not begun: reopen, back-off */
    }
    if (kafka->there.count > 1) {
        qsort(kafka->there.key, kafka->there.count, sizeof(*kafka->there.key), compare_keys);
    }
    kafka->state = FH_KAFKA_IDLE;
    return 0;
}
