/* render.c: the table as text. OpenMetrics 1.0 (openmetrics.io) and the text format 0.0.4 of
 * Prometheus differ in what the header lines name (the family, or the sample), in types that only
 * the first knows, and in the line at the end. Pure. */
#include "internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const type_names[] = {"gauge", "counter", "histogram", "stateset", "info"};

/* What the samples of a type have behind the name of their family. */
static const char *suffix_of(enum metric_type type)
{
    return type == METRIC_COUNTER ? "_total" : type == METRIC_INFO ? "_info" : "";
}

static const char *scope_labels(const struct metric *metric)
{
    switch (metric->scope) {
    case SCOPE_RECEIVER:
        return "receiver";
    case SCOPE_SINK:
        return metric->labels ? metric->labels : "sink";
    case SCOPE_PATH:
        return "path, address";
    default:
        return metric->labels ? metric->labels : "";
    }
}

unsigned metric_max(const struct metric *metric)
{
    switch (metric->scope) {
    case SCOPE_RECEIVER:
        return FH_PARTITIONS;
    case SCOPE_SINK:
        return FH_SINKS_MAX;
    case SCOPE_PATH:
        return FH_PATHS_MAX;
    case SCOPE_ROWS:
        return metric->max;
    default:
        return 1;
    }
}

/* ---- samples ----------------------------------------------------------------------------------
 */

static void put(struct writer *writer, int r)
{
    writer->result = writer->result < 0 ? writer->result : r;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, fh_buf_append(writer->into, text, strlen(text)));
}

static void put_escaped(struct writer *writer, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"') {
            put_text(writer, "\\");
        }
        if (*text == '\n') {
            put_text(writer, "\\n");
        } else {
            put(writer, fh_buf_append(writer->into, text, 1));
        }
    }
}

static void begin_sample(struct writer *writer, const char *suffix, const struct label *labels,
                         size_t label_count)
{
    writer->samples++;
    writer->total++;
    assert(writer->samples <= metric_max(writer->metric));
    put_text(writer, writer->metric->name);
    put_text(writer, suffix_of(writer->metric->type));
    put_text(writer, suffix);
    for (size_t i = 0; i < label_count; i++) {
        put_text(writer, i == 0 ? "{" : ",");
        put_text(writer, labels[i].name);
        put_text(writer, "=\"");
        put_escaped(writer, labels[i].value);
        put_text(writer, i + 1 == label_count ? "\"}" : "\"");
    }
}

void write_u64(struct writer *writer, const char *suffix, const struct label *labels,
               size_t label_count, uint64_t value)
{
    begin_sample(writer, suffix, labels, label_count);
    put(writer, fh_buf_printf(writer->into, " %" PRIu64 "\n", value));
}

/* Not by floating point: a number of milliseconds is exact, and stays so. */
void write_scaled(struct writer *writer, const char *suffix, const struct label *labels,
                  size_t label_count, int64_t value, unsigned decimals)
{
    uint64_t scale = 1;
    uint64_t amount = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    for (unsigned i = 0; i < decimals; i++) {
        scale *= 10;
    }
    begin_sample(writer, suffix, labels, label_count);
    put(writer, fh_buf_printf(writer->into, " %s%" PRIu64 ".%0*" PRIu64 "\n", value < 0 ? "-" : "",
                              amount / scale, (int)decimals, amount % scale));
}

static void write_value(struct writer *writer, const struct label *labels, size_t label_count,
                        const void *at)
{
    int64_t ms; /* or microseconds */
    uint64_t large;
    uint32_t small;
    switch (writer->metric->value) {
    case VALUE_BOOL:
        write_u64(writer, "", labels, label_count, *(const bool *)at ? 1 : 0);
        break;
    case VALUE_U32:
        memcpy(&small, at, sizeof(small));
        write_u64(writer, "", labels, label_count, small);
        break;
    case VALUE_U64:
        memcpy(&large, at, sizeof(large));
        write_u64(writer, "", labels, label_count, large);
        break;
    case VALUE_MS:
    case VALUE_STAMP_MS:
        memcpy(&ms, at, sizeof(ms));
        if (ms >= (writer->metric->value == VALUE_MS ? 0 : 1)) {
            write_scaled(writer, "", labels, label_count, ms, 3);
        }
        break;
    case VALUE_NS:
        memcpy(&large, at, sizeof(large));
        write_scaled(writer, "", labels, label_count, (int64_t)large, 9);
        break;
    case VALUE_US:
        memcpy(&ms, at, sizeof(ms));
        if (ms >= 0) {
            write_scaled(writer, "", labels, label_count, ms, 6);
        }
        break;
    default:
        assert(false);
    }
}

/* ---- one metric -------------------------------------------------------------------------------
 */

static void write_receivers(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pipeline.receiver_count; i++) {
        const struct fh_pipeline_receiver *receiver = &snapshot->pipeline.receiver[i];
        char range[16];
        const struct label label = {"receiver",
                                    fh_range_text(receiver->source.range, range, sizeof(range))};
        write_value(writer, &label, 1, (const char *)receiver + writer->metric->offset);
    }
}

static void write_sinks(struct writer *writer, const struct fh_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pipeline.sink_count; i++) {
        const struct fh_pipeline_sink *sink = &snapshot->pipeline.sink[i];
        const struct label label = {"sink", sink->name};
        write_value(writer, &label, 1, (const char *)sink + writer->metric->offset);
    }
}

static void write_paths(struct writer *writer, const struct fh_snapshot *snapshot)
{
    size_t stride = sizeof(snapshot->ha.peer.path[0]);
    for (size_t i = 0; i < snapshot->ha.peer.path_count; i++) {
        char index[24];
        snprintf(index, sizeof(index), "%zu", i + 1);
        const struct label labels[] = {{"path", index},
                                       {"address", snapshot->ha.peer.path[i].address}};
        write_value(writer, labels, FH_ARRAY_LEN(labels),
                    (const char *)snapshot + writer->metric->offset + i * stride);
    }
}

static void write_header(struct writer *writer)
{
    const struct metric *metric = writer->metric;
    bool open = writer->format == FH_METRICS_OPEN;
    const char *suffix = open ? "" : suffix_of(metric->type);
    bool known = open || metric->type < METRIC_STATESET;
    put(writer, fh_buf_printf(writer->into, "# TYPE %s%s %s\n", metric->name, suffix,
                              known ? type_names[metric->type] : "gauge"));
    if (open && metric->unit[0] != '\0') {
        put(writer, fh_buf_printf(writer->into, "# UNIT %s %s\n", metric->name, metric->unit));
    }
    put(writer, fh_buf_printf(writer->into, "# HELP %s%s ", metric->name, suffix));
    if (open) {
        put_escaped(writer, metric->help);
    } else { /* the classic format knows no escape of quotes here */
        put_text(writer, metric->help);
    }
    put_text(writer, "\n");
}

static bool shown(const struct metric *metric, const struct fh_snapshot *snapshot)
{
    return metric->when == WHEN_ALWAYS || (metric->when == WHEN_PAIR && snapshot->paired) ||
           (metric->when == WHEN_DATAGRAMS && snapshot->ha.peer.datagrams) ||
           (metric->when == WHEN_ARBITER && snapshot->ha.arbiter.configured);
}

static void write_metric(struct writer *writer, const struct fh_snapshot *snapshot,
                         const struct fh_metrics_self *self)
{
    size_t before = writer->into->len;
    writer->samples = 0;
    write_header(writer);
    switch (writer->metric->scope) {
    case SCOPE_NODE:
        write_value(writer, NULL, 0, (const char *)snapshot + writer->metric->offset);
        break;
    case SCOPE_SELF:
        write_value(writer, NULL, 0, (const char *)self + writer->metric->offset);
        break;
    case SCOPE_RECEIVER:
        write_receivers(writer, snapshot);
        break;
    case SCOPE_SINK:
        write_sinks(writer, snapshot);
        break;
    case SCOPE_PATH:
        write_paths(writer, snapshot);
        break;
    case SCOPE_ROWS:
        writer->metric->rows(writer, snapshot);
        break;
    }
    if (writer->samples == 0 && writer->result == 0) {
        writer->into->len = before; /* nothing known: not even a header */
    }
}

int fh_metrics_render(const struct fh_snapshot *snapshot, const struct fh_metrics_self *self,
                      enum fh_metrics_format format, struct fh_buf *into)
{
    struct writer writer = {.into = into, .format = format};
    for (size_t i = 0; i < metrics_table_count && writer.result == 0; i++) {
        writer.metric = &metrics_table[i];
        if (shown(writer.metric, snapshot)) {
            write_metric(&writer, snapshot, self);
        }
    }
    assert(writer.total <= FH_METRICS_SAMPLES_MAX);
    if (format == FH_METRICS_OPEN) {
        put_text(&writer, "# EOF\n");
    }
    return writer.result;
}

/* Prometheus says which it takes; a browser, curl and old agents get what they can show. */
enum fh_metrics_format fh_metrics_wanted(const char *accept)
{
    static const char name[] = "application/openmetrics-text";
    for (; accept && *accept != '\0'; accept += accept[0] == ',' ? 1 : 0) {
        accept += strspn(accept, " \t");
        if (strncasecmp(accept, name, sizeof(name) - 1) == 0) {
            return FH_METRICS_OPEN;
        }
        accept += strcspn(accept, ",");
    }
    return FH_METRICS_CLASSIC;
}

int fh_metrics_reference(struct fh_buf *into)
{
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metric *metric = &metrics_table[i];
        int r = fh_buf_printf(into, "%s%s|%s|%s|%s|%s\n", metric->name, suffix_of(metric->type),
                              type_names[metric->type], metric->unit, scope_labels(metric),
                              metric->help);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
