/* sink.h: where events go. One table of functions per type; the delivery thread of the pipeline
 * is the only caller, so a sink needs no locks; every call may block, none for ever (10 s).
 *
 * A sink collects a batch by write(). Batches never split a record. Then either
 *   two-phase sinks (has prepare):  prepare -> [report held by the peer] -> publish
 *   others:                         flush = accepted by the far side; reported afterwards. */
#ifndef FH_SINK_H
#define FH_SINK_H

#include "fh/clock.h"
#include "fh/config.h"
#include "fh/event.h"
#include "fh/report.h"

struct fh_sink_context {
    const char *node;      /* node.name */
    const char *state_dir; /* for dead letters */
};

struct fh_sink_write {
    const struct fh_slice *record; /* without newline */
    const struct fh_record_key *key;
    const uint64_t *sequence;
    uint32_t count;
    struct fh_slice raw; /* the same records each with its newline in one piece, or empty */
    uint64_t epoch;
};

/* What became of a batch that was prepared before a crash (recover). */
enum fh_sink_fate {
    FH_SINK_MISSING = 0,   /* neither visible nor preparable: must be delivered again */
    FH_SINK_PREPARED = 1,  /* complete, durable, invisible: may be published */
    FH_SINK_PUBLISHED = 2, /* visible */
};

struct fh_sink_ops {
    const char *type;
    /* Fill text with the promise across failover, in words, from the configuration. */
    void (*promise)(const struct fh_config_sink *config, char *text, size_t size);
    int (*open)(const struct fh_config_sink *config, const struct fh_sink_context *context,
                struct fh_error *err, void **ret);
    /* Take a whole write or nothing. -EAGAIN: far side slow, call again with the same. Other
     * errors: the sentence is logged once, the call is repeated with back-off after reopen(). */
    int (*write)(void *sink, const struct fh_sink_write *write, struct fh_error *err);
    /* Let go of user-space buffers (two-phase) / wait until the far side has accepted (others). */
    int (*flush)(void *sink, struct fh_error *err);
    /* Milliseconds until the batch should be ended, 0 = now, -1 = nothing in it. */
    int64_t (*due_in)(void *sink, struct fh_time now);
    /* Two-phase only, else NULL. End the batch, make it durable but invisible; position identifies
     * it. A new batch may be begun by the next write before publish or discard of this one. */
    int (*prepare)(void *sink, char position[FH_SINK_POSITION_MAX], struct fh_error *err);
    int (*publish)(void *sink, const char *position, struct fh_error *err);
    int (*discard)(void *sink, const char *position, struct fh_error *err);
    /* Two-phase: what became of a prepared batch. */
    int (*fate)(void *sink, const char *position, enum fh_sink_fate *ret, struct fh_error *err);
    /* Throw away everything begun and not prepared (demotion, start). keep: positions in doubt
     * which must stay. */
    int (*abandon)(void *sink, const char *const *keep, size_t keep_count, struct fh_error *err);
    /* After an error: forget broken handles so that write can try again from the batch's start. The
     * batch in progress is lost and will be written again by the caller. */
    int (*reopen)(void *sink, struct fh_error *err);
    /* SIGHUP: take over what can be taken over; the rest was refused before. */
    void (*reload)(void *sink, const struct fh_config_sink *config);
    void (*close)(void *sink); /* abandons nothing, frees all; NULL allowed */
};

/* The registry: NULL for an unknown type. */
const struct fh_sink_ops *fh_sink_find(const char *type);
/* Names of the types built in, NULL-terminated. */
const char *const *fh_sink_types(void);

#endif
