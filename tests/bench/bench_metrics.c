/* bench_metrics.c: what an answer to a scrape costs, small and as large as it can get; and what it
 * costs per event to know how long deliveries take: the mark per commit, the look-up per portion
 * and the counting per batch, for portions of a live stream and of a backlog. Processor time, the
 * best of five rounds. */
#include "arrival.h"
#include "latency.h"

#include "fh/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct fh_snapshot snapshot;

static void fill(size_t receivers, size_t types, size_t sinks)
{
    snapshot.paired = true;
    snapshot.pipeline.receiver_count = receivers;
    for (size_t i = 0; i < receivers; i++) {
        snapshot.pipeline.receiver[i].source.range = (struct fh_range){(uint8_t)(i + 1), 12};
        snapshot.pipeline.receiver[i].events = 123456789;
        snapshot.pipeline.receiver[i].last_timestamp_ms = 1700000000000;
    }
    snapshot.pipeline.types.count = types;
    for (size_t i = 0; i < types; i++) {
        snprintf(snapshot.pipeline.types.type[i].name, 32, "EVENT_TYPE_%zu", i);
        snapshot.pipeline.types.type[i].received = 123456789;
    }
    snapshot.pipeline.sink_count = sinks;
    for (size_t i = 0; i < sinks; i++) {
        snprintf(snapshot.pipeline.sink[i].name, FH_SINK_NAME_MAX, "sink-%zu", i);
        snapshot.pipeline.sink[i].latency.count[5] = 123456789;
    }
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        snapshot.pipeline.store.received.partition_ms[p] = 1700000000000;
        snapshot.pipeline.store.delivered.partition_ms[p] = 1700000000000;
    }
    snapshot.ha.peer.path_count = 1;
}

static void render(const char *what)
{
    const struct fh_metrics_self self = {0};
    double best = 1e18;
    size_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const int times = 200;
        double begin = now_ns();
        for (int i = 0; i < times; i++) {
            struct fh_buf text;
            fh_buf_init(&text, FH_METRICS_TEXT_MAX);
            if (fh_metrics_render(&snapshot, &self, FH_METRICS_OPEN, &text) < 0) {
                exit(1);
            }
            bytes = text.len;
            fh_buf_done(&text);
        }
        double took = (now_ns() - begin) / times;
        best = took < best ? took : best;
    }
    printf("%-44s %8.0f us  %6zu bytes\n", what, best / 1000, bytes);
}

/* The whole way of a record through arrival.c and latency.c; commits of so many records, read by
 * the sink in portions of so many, delivered in batches of a thousand. */
static void account(const char *what, uint64_t per_commit, uint64_t per_portion)
{
    static struct fh_arrivals arrivals;
    static struct fh_latency latency;
    const uint64_t records = 4000000;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        struct fh_latency_runs runs = {0};
        fh_arrivals_init(&arrivals);
        double begin = now_ns();
        for (uint64_t noted = 1, read = 1; read < records;) {
            while (noted < read + per_portion) {
                fh_arrivals_note(&arrivals, noted, fh_now());
                noted += per_commit;
            }
            fh_latency_runs_add(&runs, fh_arrivals_at(&arrivals, read), (uint32_t)per_portion);
            read += per_portion;
            if (read % 1000 < per_portion) {
                fh_latency_delivered(&latency, &runs, fh_now());
                runs.count = 0;
            }
        }
        double took = (now_ns() - begin) / (double)records;
        best = took < best ? took : best;
        fh_arrivals_done(&arrivals);
    }
    printf("%-44s %8.2f ns per event\n", what, best);
}

int main(void)
{
    fill(4, 28, 1);
    render("answer: 4 receivers, 28 types, 1 sink");
    fill(FH_PARTITIONS, FH_PIPELINE_TYPES, FH_SINKS_MAX);
    render("answer: 12 receivers, 64 types, 16 sinks");
    account("latency: 5 events a commit (1,000 events/s)", 5, 5);
    account("latency: 50 events a commit (10,000/s)", 50, 50);
    account("latency: a backlog, 500 at a time", 50, 500);
    return 0;
}
