/* latency.c: from arrival to delivery. See the header. */
#include "latency.h"

void fh_latency_runs_add(struct fh_latency_runs *runs, struct fh_time at, uint32_t records)
{
    if (!fh_time_is_set(at) || records == 0) {
        return;
    }
    bool joins = runs->count > 0 &&
                 (runs->count == FH_LATENCY_RUNS || runs->run[runs->count - 1].at.ns == at.ns);
    if (!joins) {
        runs->run[runs->count].at = at;
        runs->run[runs->count++].records = 0;
    }
    runs->run[runs->count - 1].records += records;
}

static size_t bucket_of(uint64_t us)
{
    size_t bucket = 0;
    while (bucket < FH_LATENCY_BOUNDS && us > (uint64_t)fh_latency_bound_ms(bucket) * 1000) {
        bucket++;
    }
    return bucket;
}

void fh_latency_delivered(struct fh_latency *latency, const struct fh_latency_runs *runs,
                          struct fh_time now)
{
    uint64_t sum_us = 0;
    for (uint32_t i = 0; i < runs->count; i++) {
        int64_t ns = now.ns - runs->run[i].at.ns;
        uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
        atomic_fetch_add_explicit(&latency->count[bucket_of(us)], runs->run[i].records,
                                  memory_order_relaxed);
        sum_us += us * runs->run[i].records;
    }
    atomic_fetch_add_explicit(&latency->sum_us, sum_us, memory_order_relaxed);
}

void fh_latency_read(const struct fh_latency *latency, struct fh_pipeline_latency *ret)
{
    for (size_t i = 0; i <= FH_LATENCY_BOUNDS; i++) {
        ret->count[i] = atomic_load_explicit(&latency->count[i], memory_order_relaxed);
    }
    ret->sum_us = atomic_load_explicit(&latency->sum_us, memory_order_relaxed);
}
