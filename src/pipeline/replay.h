/* replay.h: what the pipeline keeps of a replay; the face is fh/replay.h. */
#ifndef FH_PIPELINE_REPLAY_H
#define FH_PIPELINE_REPLAY_H

#include "fh/past.h"
#include "fh/replay.h"
#include "fh/sink.h"

#include "shape.h"

#include <pthread.h>
#include <stdatomic.h>

struct delivery;

/* A portion: what one write may hold. */
#define FH_REPLAY_PORTION FH_SHAPE_RECORDS

struct replay {
    struct delivery *delivery; /* the live one, of which only atomics are read */
    struct fh_replay_order order;
    struct fh_past_interval interval;
    char id[FH_REPLAY_ID_SIZE];
    uint64_t salt;  /* makes other keys of the records' */
    uint64_t epoch; /* of this node's lead; another one ends the replay */
    pthread_t thread;
    bool started; /* the thread is to be joined */
    atomic_bool cancelled, ended;

    pthread_mutex_t lock;
    struct fh_replay_status status; /* under lock */
    uint64_t settled_filtered;      /* under lock: of ended batches; never falls, as status's may */

    /* owned by the thread */
    const struct fh_sink_ops *ops;
    struct fh_config_sink config;
    struct fh_sink_context context;
    void *sink;
    bool led;
    struct fh_shape *shape;
    struct fh_past *past;
    struct fh_past_block block;  /* being delivered; count 0: none */
    uint32_t at;                 /* record of it that comes next */
    uint64_t sequence;           /* where the search goes on behind the block */
    uint64_t end;                /* what is stored later is not replayed */
    uint64_t batch_start;        /* sequence of the first record that is not delivered */
    bool ended_batch;            /* accept was begun and the far side has not taken all yet */
    struct fh_replay_status own; /* as of batch_start; published with the batch's counts */
    struct {
        uint64_t looked_at, written, filtered, refused;
    } batch;
    struct fh_time begun;         /* the thread's work, for the rate */
    struct fh_time failing_since; /* the far side takes nothing since then */
    int64_t retry_ms;
    struct fh_slice record[FH_REPLAY_PORTION];
    struct fh_record_key key[FH_REPLAY_PORTION];
    uint64_t number[FH_REPLAY_PORTION];
};

/* replay_run.c: the thread; its counts to whoever asks; and what it does for the sink (sink.h). */
void *fh_replay_run(void *replay);
void fh_replay_publish(struct replay *replay, const char *waiting);
bool fh_replay_fenced(void *replay);
int fh_replay_refused(void *replay, struct fh_slice record, const char *reason,
                      struct fh_error *err);
void fh_replay_dropped(void *replay, uint64_t records);
/* Adds the last replay into a sink to a sum. True: it is in progress. Main thread. */
bool fh_replay_add(const struct fh_pipeline *pipeline, size_t index,
                   struct fh_pipeline_replays *inout);
/* Before the store is closed: all of them have ended, because the pipeline is stopping. */
void fh_replay_join_all(struct fh_pipeline *pipeline);

#endif
