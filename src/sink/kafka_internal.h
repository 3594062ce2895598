/* kafka_internal.h: what the files of the Kafka sink share.
 *
 *   kafka.c           the table of functions, and what an operator reads
 *   kafka_settings.c  settings of librdkafka from the configuration, handles, what it says
 *   kafka_send.c      one batch = one transaction: a machine that may be left at any step
 *   kafka_read.c      which records are there: reading back what is committed
 *   kafka_position.c  offsets as text
 *
 * All of it runs on the delivery thread, except what librdkafka's own threads say (struct
 * fh_kafka_notice). */
#ifndef FH_SINK_KAFKA_INTERNAL_H
#define FH_SINK_KAFKA_INTERNAL_H

#include "collect.h"
#include "kafka_position.h"
#include "pattern.h"

#include "fh/sink.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#define FH_KAFKA_HEADER_KEY   "firehosed-key"
#define FH_KAFKA_HEADER_UID   "firehosed-uid"
#define FH_KAFKA_HEADER_EPOCH "firehosed-epoch"
/* In place of the key: what has none is not ours to whoever reads back. */
#define FH_KAFKA_HEADER_REPLAY "firehosed-replay"

/* The last thing librdkafka complained of: the reason in our sentences. */
struct fh_kafka_notice {
    pthread_mutex_t lock;
    char sink[FH_SINK_NAME_MAX];
    char text[160];
};

enum fh_kafka_state {
    FH_KAFKA_SHUT,       /* not leading: no handle */
    FH_KAFKA_LEADING,    /* lead() was begun: handle without producer id */
    FH_KAFKA_IDLE,       /* no transaction */
    FH_KAFKA_OPEN,       /* in a transaction, batch is being sent */
    FH_KAFKA_COMMITTING, /* the commit may be on its way */
    FH_KAFKA_ABORTING,
    FH_KAFKA_LOST, /* the handle is of no use, and a commit may be in doubt: lead and recover */
};

/* What is to become of one record of the batch. */
enum fh_kafka_fate {
    FH_KAFKA_SEND,
    FH_KAFKA_ALONE,   /* was refused together with others: send it with nothing beside it */
    FH_KAFKA_REFUSED, /* refused for good; put aside before the commit */
    FH_KAFKA_ASIDE,   /* done so */
};

struct fh_kafka_verdict {
    enum fh_kafka_fate fate;
    rd_kafka_resp_err_t reason;
};

struct fh_kafka {
    struct fh_config_sink config;
    struct fh_sink_context context;
    struct fh_pattern topic;
    char topic_text[FH_SINK_WORD_MAX]; /* what topic was compiled from */
    char transactional_id[FH_SINK_WORD_MAX];
    struct fh_kafka_notice notice;
    rd_kafka_t *producer;
    struct fh_kafka_places met; /* topics this handle knows (partition and offset say nothing) */
    enum fh_kafka_state state;
    uint64_t epoch;

    /* The batch. */
    struct fh_collect collect;
    struct fh_kafka_verdict *verdict; /* one per record of it */
    size_t verdict_capacity, judged;
    size_t next;                    /* first record not given to librdkafka */
    size_t under_way;               /* given and not answered for */
    rd_kafka_resp_err_t failed;     /* why the transaction must be aborted; 0 = it need not */
    char failed_text[160];          /* the same in words */
    struct fh_kafka_places pending; /* where the batch went */
    struct fh_time not_before;      /* pause after an abort */
    int64_t pause_ms;

    /* What came before it: all up to here was found by recover or accepted since. */
    struct fh_kafka_places reported;
    int64_t since_ms;
    bool said_too_large;
    struct fh_error lost; /* the sentence of state LOST */
};

/* kafka_settings.c */

/* All that can be checked without a cluster, by making both handles without servers. */
int fh_kafka_check(struct fh_kafka *kafka, struct fh_error *err);
int fh_kafka_producer_new(struct fh_kafka *kafka, struct fh_error *err, rd_kafka_t **ret);
/* stable: shows what is committed; else only asked for offsets. */
int fh_kafka_reader_new(struct fh_kafka *kafka, bool committed, struct fh_error *err,
                        rd_kafka_t **ret);
/* NULL allowed. Whatever was not sent is dropped. */
void fh_kafka_handle_free(rd_kafka_t *handle);
/* " (what librdkafka said last)" or "". */
const char *fh_kafka_notice_text(struct fh_kafka *kafka, char text[192]);
void fh_kafka_notice_clear(struct fh_kafka *kafka);
void fh_kafka_delivered(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque);

/* kafka_send.c */

/* The batch as it stands into the far side; see accept in fh/sink.h. */
int fh_kafka_send(struct fh_kafka *kafka, struct fh_error *err);
/* init_transactions on the handle there. */
int fh_kafka_init(struct fh_kafka *kafka, struct fh_error *err);
/* Forget the batch; a transaction begun for it is aborted when there is time. */
void fh_kafka_drop_batch(struct fh_kafka *kafka);
/* The producer's handle, with all that belongs to it. */
void fh_kafka_let_go(struct fh_kafka *kafka);
/* State LOST, with the sentence, which also goes into err. Returns code. */
int fh_kafka_lose(struct fh_kafka *kafka, int code, const char *text, struct fh_error *err);
/* Milliseconds of timeout_ms left of a call that began at begun; at least 0. */
int fh_kafka_left_ms(const struct fh_kafka *kafka, struct fh_time begun);

/* kafka_read.c */

struct fh_kafka_read {
    const struct fh_kafka_places *from; /* elsewhere: by time */
    int64_t since_ms;
    bool stable_only; /* as far as can be read now; else all that was there at the start */
    /* One committed record of ours. 0, or negative errno to stop. */
    int (*visit)(void *userdata, const struct fh_record_key *key, uint64_t epoch);
    void *userdata;
    struct fh_kafka_places *ends; /* where it stopped; NULL: not wanted */
};
int fh_kafka_read(struct fh_kafka *kafka, const struct fh_kafka_read *read, struct fh_error *err);
/* Could the topic have come from the pattern? Exposed for its test. */
bool fh_kafka_topic_matches(const struct fh_pattern *pattern, const char *topic);

#endif
