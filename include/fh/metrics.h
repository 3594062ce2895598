/* metrics.h: this node for Prometheus and its kin: OpenMetrics 1.0 or, for who does not ask for it,
 * the classic text format, made from a snapshot.
 *
 * fh_metrics owns a web server (web.h) that answers GET /metrics on a thread of its own from the
 * last snapshot; fh_metrics_render is pure. Every name, type, unit, label and sentence comes from
 * one table (src/metrics/table.c), which firehosed-metrics(7) is made from as well.
 *
 * Label values are bounded: partitions, receivers and ranges by the protocol, sinks and paths by
 * the configuration, event types by FH_PIPELINE_TYPES and "other", all others by enumerations. So
 * an answer never has more than FH_METRICS_SAMPLES_MAX samples, whatever the stream brings. */
#ifndef FH_METRICS_H
#define FH_METRICS_H

#include "fh/buf.h"
#include "fh/config.h"
#include "fh/snapshot.h"

#define FH_METRICS_SAMPLES_MAX 800
#define FH_METRICS_TEXT_MAX    ((size_t)1024 * 1024)

enum fh_metrics_format {
    FH_METRICS_OPEN,   /* application/openmetrics-text; version=1.0.0 */
    FH_METRICS_CLASSIC /* text/plain; version=0.0.4 */
};

/* What the endpoint knows of itself and of the process. */
struct fh_metrics_self {
    uint64_t scrapes;   /* answered before this one */
    uint64_t render_ns; /* it took to make them, in sum */
    int64_t snapshot_age_ms;
    uint64_t requests_refused;
    uint32_t connections;
    int64_t cpu_us; /* of the process, user and system */
    uint64_t resident_bytes;
    int64_t started_ms; /* wall clock */
};

/* Appends the whole answer. 0, -ENOMEM, -ENOBUFS. Pure. */
int fh_metrics_render(const struct fh_snapshot *snapshot, const struct fh_metrics_self *self,
                      enum fh_metrics_format format, struct fh_buf *into);
/* What an Accept header asks for; NULL: none was sent. Pure. */
enum fh_metrics_format fh_metrics_wanted(const char *accept);
/* The table as text: a line per metric, "name|type|unit|labels|sentence". */
int fh_metrics_reference(struct fh_buf *into);

struct fh_metrics;
/* Any thread; what it answers is handed to the main thread. Listens; what fh_web_new may answer. */
int fh_metrics_new(const struct fh_config *config, struct fh_error *err, struct fh_metrics **ret);
/* Main thread, once a second; copied. */
void fh_metrics_update(struct fh_metrics *metrics, const struct fh_snapshot *snapshot);
/* NULL allowed. */
void fh_metrics_free(struct fh_metrics *metrics);

#endif
