/* latency.h: how long records took from their arrival to their delivery, per sink. A batch
 * remembers when its records arrived as a few runs; they are counted when it is delivered. No clock
 * inside. */
#ifndef FH_PIPELINE_LATENCY_H
#define FH_PIPELINE_LATENCY_H

#include "fh/clock.h"
#include "fh/pipeline.h"

#include <stdatomic.h>

#define FH_LATENCY_RUNS 64

/* Records of one batch. One thread. */
struct fh_latency_runs {
    uint32_t count;
    struct {
        struct fh_time at;
        uint32_t records;
    } run[FH_LATENCY_RUNS];
};

/* Written by the sink's thread, read by any. */
struct fh_latency {
    atomic_uint_fast64_t count[FH_LATENCY_BOUNDS + 1];
    atomic_uint_fast64_t sum_us;
};

/* So many records more, which arrived then; unset: not known, not counted. Without room they join
 * the last run, which is older. */
void fh_latency_runs_add(struct fh_latency_runs *runs, struct fh_time at, uint32_t records);
/* They are delivered now. */
void fh_latency_delivered(struct fh_latency *latency, const struct fh_latency_runs *runs,
                          struct fh_time now);
void fh_latency_read(const struct fh_latency *latency, struct fh_pipeline_latency *ret);

#endif
