/* bench_world.c: how fast the simulated world makes events and renders them, on one core.
 *
 *   bench_world [EVENTS [RATE]]
 *
 * Prints events/s for advancing (three replicas' orders and the ledger included), events/s and GB/s
 * for rendering, and both together. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
    double rate = argc > 2 ? strtod(argv[2], NULL) : 500000;
    struct sim_world_options options = {
        .seed = 1,
        .rate = rate,
        .start_ms = 1767225600000,
        .devices = 5000,
        .uid_bits = 32,
        .lateness_ms = 2000,
        .replica_jitter_ms = 250,
        .window_ms = 3600000,
        .window_bytes = 1ULL << 28,
        .ledger = true,
    };
    struct fh_error err;
    struct sim_world *world = NULL;
    double start = now_s();
    if (sim_world_new(&options, &err, &world) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)printf("build a campus of %u devices: %.3f s\n", options.devices, now_s() - start);

    static char buf[1 << 20];
    double advancing = 0;
    double rendering = 0;
    uint64_t bytes = 0;
    uint64_t rendered = 0;
    uint64_t position = 0;
    uint64_t made = 0;
    while (made < events) {
        double begin = now_s();
        made += sim_world_advance(world, 10000, UINT64_MAX);
        double middle = now_s();
        sim_world_lock_read(world);
        uint64_t ready = sim_world_ready(world, 1);
        size_t used = 0;
        for (; position < ready; position++) {
            struct sim_event event;
            sim_world_event(world, 1, position, &event);
            used += sim_world_render(world, 1, position, buf + used, sizeof(buf) - used);
            rendered++;
            if (used > sizeof(buf) - 65536) {
                bytes += used;
                used = 0;
            }
        }
        bytes += used;
        sim_world_unlock_read(world);
        advancing += middle - begin;
        rendering += now_s() - middle;
    }
    double both = advancing + rendering;
    (void)printf("advance: %10.0f events/s\n", (double)made / advancing);
    (void)printf("render:  %10.0f events/s, %.2f GB/s, %" PRIu64 " bytes a line\n",
                 (double)rendered / rendering, (double)bytes / rendering / 1e9,
                 rendered ? bytes / rendered : 0);
    (void)printf("both:    %10.0f events/s, %.2f GB/s\n", (double)rendered / both,
                 (double)bytes / both / 1e9);
    sim_world_free(world);
    return 0;
}
