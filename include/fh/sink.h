/* sink.h: where events go. One table of functions per type; the delivery thread of the pipeline
 * is the only caller, so a sink needs no locks of its own towards it; every call may block, none
 * for longer than sinks.timeout_ms (file: 10 s).
 *
 * A sink collects a batch by write(). Batches never split a record. Then either
 *   two-phase sinks (has prepare):  prepare -> [report held by the peer] -> publish
 *   others (has accept):            accept = taken by the far side; reported afterwards.
 *
 * A node that begins to deliver calls lead(), and then, where there is one, recover(): what the far
 * side holds although nobody reported it. Only then it writes. */
#ifndef FH_SINK_H
#define FH_SINK_H

#include "fh/clock.h"
#include "fh/config.h"
#include "fh/event.h"
#include "fh/facts.h"
#include "fh/report.h"

/* What a far side says stands behind this, at the end of a sentence: it has been given records, and
 * may repeat them. Whoever shows the sentence to anybody (the console) ends it before. */
#define FH_SINK_SAYS "; it says: "

/* What the pipeline does for a sink. The functions may be NULL (a test): use the wrappers below. */
struct fh_sink_context {
    const char *node;      /* node.name */
    const char *state_dir; /* for what must survive a restart */
    int64_t replica;       /* firehose.replica_id */
    /* NULL: the live stream. Else the id of a replay (letters, digits, '-'; shorter than
     * FH_REPLAY_ID_MAX): this instance runs beside the live one, with a configuration that
     * fh_sink_replay_config has changed and with keys of its own. Records carry the id in the
     * member
     * "_firehosed"; say it where the far side has a place for it, and never let what a replay sent
     * be taken for the live stream's by recover(). */
    const char *replay;
    /* Must this node keep quiet? Ask right before each step that others can see: a node that was
     * stopped and goes on learns it here. Any thread. */
    bool (*fenced)(void *userdata);
    /* The far side will never take this record, for this reason (a sentence): it goes into the
     * dead-letter file and counts as delivered. Delivery thread only. 0, or an error: then the
     * record is not dealt with, and the sink returns the error. */
    int (*refused)(void *userdata, struct fh_slice record, const char *reason,
                   struct fh_error *err);
    /* So many records were let go because nobody was there to take them (at most once). Any
     * thread. */
    void (*dropped)(void *userdata, uint64_t records);
    void *userdata;
};

#define FH_REPLAY_ID_MAX 24 /* with NUL */

struct fh_sink_write {
    const struct fh_slice *record; /* without newline */
    const struct fh_record_key *key;
    const struct fh_record_facts *facts; /* NULL unless the type wants_facts */
    const uint64_t *sequence;
    uint32_t count;
    struct fh_slice raw; /* the same records each with its newline in one piece, or empty */
    uint64_t epoch;
};

/* What became of a batch that was prepared before a crash (fate). */
enum fh_sink_fate {
    FH_SINK_MISSING = 0,   /* neither visible nor preparable: must be delivered again */
    FH_SINK_PREPARED = 1,  /* complete, durable, invisible: may be published */
    FH_SINK_PUBLISHED = 2, /* visible */
};

/* recover(): these are at the far side. 0, or non-zero to stop. */
typedef int (*fh_sink_found)(void *userdata, const struct fh_record_key *keys, size_t count);

struct fh_sink_ops {
    const char *type;
    bool wants_facts;
    /* Fill text with the promise across failover, in words, from the configuration. It begins with
     * "exactly once", "at least once" or "at most once". */
    void (*promise)(const struct fh_config_sink *config, char *text, size_t size);
    /* Both nodes open their sinks at their start, whatever their role: check what can be checked
     * on this host (files, keys, addresses), but touch nothing the other node may be using. The
     * context is valid until close. */
    int (*open)(const struct fh_config_sink *config, const struct fh_sink_context *context,
                struct fh_error *err, void **ret);
    /* This node delivers from now on, in this epoch: connect, and shut out whoever did before.
     * Repeated until it returns 0. Types that can be asked (recover) are led and asked again after
     * each error of write or accept, behind reopen() and before the next write: a zombie may have
     * led meanwhile, and what became of the batch is not known. NULL: nothing to do. */
    int (*lead)(void *sink, uint64_t epoch, struct fh_error *err);
    /* Which records are at the far side, after the position of the last report known (empty: none
     * is) and, where there is no position, arrived there since since_ms or so (milliseconds,
     * source time; the earliest that may be delivered again). May tell more than asked for, never
     * less; in portions of any size. Called after lead, before the first write. NULL: the far side
     * cannot be asked. */
    int (*recover)(void *sink, const char *position, int64_t since_ms, fh_sink_found found,
                   void *userdata, struct fh_error *err);
    /* Take a whole write or nothing. -EAGAIN: far side slow, call again with the same. Other
     * errors: the sentence is logged once, the call is repeated with back-off after reopen(). */
    int (*write)(void *sink, const struct fh_sink_write *write, struct fh_error *err);
    /* Milliseconds until the batch should be ended, 0 = now, -1 = nothing in it. */
    int64_t (*due_in)(void *sink, struct fh_time now);

    /* Sinks of one phase, else NULL: end the batch; wait until the far side has taken all of it.
     * position: what recover() may start from (may stay empty). -EAGAIN: not yet, with the reason;
     * nothing is lost, call again (it is called for hours when need be). Other errors: the batch
     * is lost and will be written again after reopen(). */
    int (*accept)(void *sink, char position[FH_SINK_POSITION_MAX], struct fh_error *err);

    /* Two-phase only, else NULL. flush: let go of user-space buffers. prepare: end the batch, make
     * it durable but invisible; position identifies it. A new batch may be begun by the next write
     * before publish or discard of this one. */
    int (*flush)(void *sink, struct fh_error *err);
    int (*prepare)(void *sink, char position[FH_SINK_POSITION_MAX], struct fh_error *err);
    int (*publish)(void *sink, const char *position, struct fh_error *err);
    int (*discard)(void *sink, const char *position, struct fh_error *err);
    /* What became of a prepared batch. */
    int (*fate)(void *sink, const char *position, enum fh_sink_fate *ret, struct fh_error *err);

    /* Throw away everything begun and not prepared or accepted (demotion, start), and be quiet
     * from now on: after it nothing of ours becomes visible before the next lead. keep: positions
     * in doubt which must stay (two-phase). */
    int (*abandon)(void *sink, const char *const *keep, size_t keep_count, struct fh_error *err);
    /* After an error: forget broken handles so that write can try again from the batch's start. The
     * batch in progress is lost and will be written again by the caller. */
    int (*reopen)(void *sink, struct fh_error *err);
    /* SIGHUP: take over what can be taken over; the rest was refused before. */
    void (*reload)(void *sink, const struct fh_config_sink *config);
    void (*close)(void *sink); /* abandons nothing, frees all; NULL allowed */
};

static inline bool fh_sink_fenced(const struct fh_sink_context *context)
{
    return context->fenced && context->fenced(context->userdata);
}

static inline int fh_sink_refused(const struct fh_sink_context *context, struct fh_slice record,
                                  const char *reason, struct fh_error *err)
{
    return context->refused ? context->refused(context->userdata, record, reason, err) : 0;
}

static inline void fh_sink_dropped(const struct fh_sink_context *context, uint64_t records)
{
    if (context->dropped) {
        context->dropped(context->userdata, records);
    }
}

/* The registry: NULL for an unknown type, or one this build was made without. */
const struct fh_sink_ops *fh_sink_find(const char *type);
/* The one for this configuration: a type whose patterns end a batch in different ways has a row for
 * each ("zeromq" for push and dealer, "zeromq-pub" for pub; configurations say "zeromq"). */
const struct fh_sink_ops *fh_sink_for(const struct fh_config_sink *config);
/* Make of a sink's configuration that of an instance which replays beside the live one: a directory
 * of its own, its own identity at the far side. listen: address for a type that binds one, else "".
 * -EINVAL or -ENAMETOOLONG with a sentence. */
int fh_sink_replay_config(struct fh_config_sink *config, const char *id, const char *listen,
                          struct fh_error *err);
/* Names of the types built in, NULL-terminated. */
const char *const *fh_sink_types(void);

#endif
