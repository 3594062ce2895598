/* internal.h: what the files of this folder share.
 *
 *   table.c     every metric: name, type, unit, labels, sentence, and where its value lies
 *   rows.c      those that are more than a value per node, receiver, sink or path
 *   render.c    the table as text in either format
 *   endpoint.c  the web server and the snapshot it answers from */
#ifndef FH_METRICS_INTERNAL_H
#define FH_METRICS_INTERNAL_H

#include "fh/metrics.h"

#include <stdbool.h>
#include <stddef.h>

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_STATESET, METRIC_INFO };

/* How the bytes at an offset are to be read. */
enum metric_value {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_U32,
    VALUE_U64,
    VALUE_MS,       /* int64_t, as seconds; nothing when negative */
    VALUE_STAMP_MS, /* int64_t, as seconds since 1970; nothing when 0 */
    VALUE_NS,       /* uint64_t, as seconds */
    VALUE_US,       /* int64_t, as seconds; nothing when negative */
};

/* Whose the value is: the offset counts from this structure. */
enum metric_scope {
    SCOPE_NODE, /* struct fh_snapshot */
    SCOPE_SELF, /* struct fh_metrics_self */
    SCOPE_RECEIVER,
    SCOPE_SINK,
    SCOPE_PATH,
    SCOPE_ROWS /* a function of rows.c */
};

/* When it is shown. */
enum metric_when { WHEN_ALWAYS, WHEN_PAIR, WHEN_DATAGRAMS, WHEN_ARBITER };

struct writer;

struct metric {
    const char *name; /* of the family: without _total, _info, _bucket */
    enum metric_type type;
    const char *unit; /* also the end of the name; "" = none */
    enum metric_scope scope;
    enum metric_when when;
    enum metric_value value;
    size_t offset;
    void (*rows)(struct writer *writer, const struct fh_snapshot *snapshot);
    const char *labels; /* of SCOPE_ROWS; for the reference */
    unsigned max;       /* of SCOPE_ROWS: samples at most */
    const char *help;   /* ends with a full stop */
};

extern const struct metric metrics_table[];
extern const size_t metrics_table_count;

/* Samples a family can have. */
unsigned metric_max(const struct metric *metric);

struct writer {
    struct fh_buf *into;
    enum fh_metrics_format format;
    const struct metric *metric;
    unsigned samples; /* of this metric */
    unsigned total;
    int result; /* the first error */
};

struct label {
    const char *name;
    const char *value; /* escaped by the writer */
};

/* One sample of the metric at hand. suffix: "", or of a histogram. */
void write_u64(struct writer *writer, const char *suffix, const struct label *labels,
               size_t label_count, uint64_t value);
/* value in units of 10^-decimals */
void write_scaled(struct writer *writer, const char *suffix, const struct label *labels,
                  size_t label_count, int64_t value, unsigned decimals);

/* rows.c */
void rows_build(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_node(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_role(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_peer_role(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_promotions(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_types(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_outcomes(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_checkpoint(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_receiver_state(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_receiver_lag(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_sink_info(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_sink_latency(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_replays(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_replay_outcomes(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_store_events(struct writer *writer, const struct fh_snapshot *snapshot);
void rows_match(struct writer *writer, const struct fh_snapshot *snapshot);

#endif
