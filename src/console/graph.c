/* graph.c: a ring of the last hour. A sample stands for the step of GRAPH_STEP_MS that has just
 * ended; when nobody came by for a while, the steps between are there and not known, so that a
 * graph has a hole where nothing is known, and its time axis stays straight. */
#include "graph.h"

static const struct graph_sample unknown = {-1, -1, -1, -1};

static float rate(uint64_t before, uint64_t now, int64_t elapsed_ms)
{
    return now < before ? -1 : (float)((double)(now - before) * 1000 / (double)elapsed_ms);
}

bool graph_add(struct graph *graph, const struct graph_reading *reading, int64_t now_ms,
               int64_t wall_ms)
{
    int64_t step = now_ms / GRAPH_STEP_MS;
    if (!graph->read) { /* the first: nothing is known before it */
        graph->read = true;
        graph->last = *reading;
        graph->last_ms = now_ms;
        graph->step = step;
        graph->from = step + 1;
        return false;
    }
    if (step <= graph->step) {
        return false;
    }
    int64_t elapsed_ms = now_ms - graph->last_ms;
    int64_t hole = step - graph->step - 1;
    for (int64_t i = hole < GRAPH_SAMPLES ? hole : GRAPH_SAMPLES; i > 0; i--) {
        graph->sample[(step - i) % GRAPH_SAMPLES] = unknown;
    }
    graph->sample[step % GRAPH_SAMPLES] = (struct graph_sample){
        .received = rate(graph->last.received, reading->received, elapsed_ms),
        .delivered = rate(graph->last.delivered, reading->delivered, elapsed_ms),
        .lag_ms = reading->lag_ms,
        .pending = (int64_t)(reading->pending & INT64_MAX),
    };
    graph->step = step;
    graph->wall_ms = wall_ms;
    graph->last = *reading;
    graph->last_ms = now_ms;
    return true;
}

size_t graph_count(const struct graph *graph)
{
    int64_t count = graph->read ? graph->step - graph->from + 1 : 0;
    return count < GRAPH_SAMPLES ? (size_t)count : GRAPH_SAMPLES;
}

struct graph_sample graph_at(const struct graph *graph, size_t i)
{
    int64_t oldest = graph->step - (int64_t)graph_count(graph) + 1;
    return graph->sample[(oldest + (int64_t)i) % GRAPH_SAMPLES];
}
