/* graph.h: what the graphs of the page show of the last hour. Private to src/console.
 *
 * Pure: no clock, no allocation; one thread at a time. */
#ifndef FH_CONSOLE_GRAPH_H
#define FH_CONSOLE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_STEP_MS 5000
#define GRAPH_SAMPLES 720

/* Negative: not known. */
struct graph_sample {
    float received, delivered; /* events per second */
    int64_t lag_ms;
    int64_t pending;
};

/* What it is made of: counters grow while the process lives. */
struct graph_reading {
    uint64_t received, delivered;
    int64_t lag_ms; /* negative: not known */
    uint64_t pending;
};

struct graph {
    struct graph_sample sample[GRAPH_SAMPLES]; /* ring: the step n is at n % SAMPLES */
    int64_t step;                              /* of the newest sample; 0: none yet */
    int64_t from;                              /* of the oldest one */
    int64_t wall_ms;                           /* of the newest sample, for people */
    int64_t last_ms;                           /* when the last one was made, and from what */
    struct graph_reading last;
    bool read;
};

/* Zero it first. now_ms: monotonic; wall_ms: for people. True when a sample was added: call it as
 * often as you like. Steps nobody called it in are not known. */
bool graph_add(struct graph *graph, const struct graph_reading *reading, int64_t now_ms,
               int64_t wall_ms);
/* The i-th oldest of graph_count(); the last is that of graph->wall_ms. */
size_t graph_count(const struct graph *graph);
struct graph_sample graph_at(const struct graph *graph, size_t i);

#endif
