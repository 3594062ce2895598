/* replay.h: to deliver again, on purpose, what lies in the store: one interval of source time into
 * one sink, marked as a replay. For the operator; never begun by the daemon itself.
 *
 * A replay has a thread and an instance of the sink of its own (fh_sink_replay_config), reads the
 * store whatever was delivered of it, and shares nothing with the live stream but the disk, the
 * network and the far side: cursors, checkpoints, reports, counters and batches of the live stream
 * are not touched, and the peer hears nothing of it. Records carry the replay's id in the member
 * "_firehosed" and keys of their own, so that no de-duplication of the far side takes them for what
 * it has already. The sink's filters and fields apply. Within a replay: at least once.
 *
 * Live delivery goes first: a replay works at most half of the time, and rests while the live sink
 * is ill or far behind. It survives nothing: a restart, the loss of the role or a hand-over ends
 * it, and it says from when on to go on. One at a time per sink. All functions: main thread, at
 * once. */
#ifndef FH_REPLAY_H
#define FH_REPLAY_H

#include "fh/pipeline.h"

#define FH_REPLAY_TYPES_MAX 32
#define FH_REPLAY_ID_SIZE   24

struct fh_replay_order {
    char sink[FH_SINK_NAME_MAX];
    int64_t since_ms, until_ms;                         /* since_ms <= recordTimestamp < until_ms */
    char type[FH_REPLAY_TYPES_MAX][FH_SINK_FILTER_MAX]; /* none: all */
    size_t type_count;
    int64_t rate;                  /* records a second; 0: as many as go */
    bool dry_run;                  /* count, open nothing */
    char listen[FH_SINK_WORD_MAX]; /* zeromq: an address for its consumer; else "" */
};

enum fh_replay_state {
    FH_REPLAY_NONE, /* there was none since the start */
    FH_REPLAY_RUNNING,
    FH_REPLAY_DONE,
    FH_REPLAY_CANCELLED,
    FH_REPLAY_FAILED,
};
const char *fh_replay_state_name(enum fh_replay_state state);

struct fh_replay_status {
    enum fh_replay_state state;
    char id[FH_REPLAY_ID_SIZE];
    char sink[FH_SINK_NAME_MAX];
    bool dry_run;
    int64_t since_ms, until_ms;
    uint64_t records;   /* of the interval, whatever their type */
    uint64_t looked_at; /* of these, so far */
    uint64_t delivered; /* taken by the far side, or published; dry run: would be */
    uint64_t filtered;  /* other types, or not wanted by the sink */
    uint64_t refused;   /* the far side will never take them; they are not in delivered */
    uint64_t dropped;   /* at most once: nobody took them */
    uint64_t damaged;   /* blocks that could not be read */
    /* Ended before its time: everything that was not delivered has this stamp or a later one
     * (INT64_MAX: all was delivered). */
    int64_t go_on_ms;
    char waiting[96];               /* why it rests; "" when it does not */
    char error[512];                /* FAILED: why; else the last refusal */
    char place[FH_PATH_MAX + 64];   /* where it goes, for people */
    struct fh_pipeline_types types; /* dry run: what would be delivered */
};

/* Begin one. leading is the caller's to check. -ENOENT no such sink (the sentence names those there
 * are), -EBUSY one is running into it, -EINVAL, -EPERM this node does not deliver, -ENOMEM; each
 * with a sentence. *ret_index: the sink, for the calls below. */
int fh_replay_start(struct fh_pipeline *pipeline, const struct fh_replay_order *order,
                    struct fh_error *err, size_t *ret_index);
/* The sink: 0 .. sink_count of fh_pipeline_status. */
void fh_replay_status(struct fh_pipeline *pipeline, size_t index, struct fh_replay_status *ret);
/* It ends within a second or two. */
void fh_replay_cancel(struct fh_pipeline *pipeline, size_t index);

#endif
