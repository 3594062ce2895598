/* extras.h: records put into the stream on request, beside those of the world.
 *
 * An unknown event type or a stamp in the future is a real record: every replica gets it, a replay
 * repeats it, the ledger counts it. So it has a place in the stream - "before the event at this
 * position" - and not in some connection. Append-only and bounded. Any thread. */
#ifndef SIM_EXTRAS_H
#define SIM_EXTRAS_H

#include "fh/err.h"

#include <stdint.h>

#define SIM_EXTRAS_MAX 4096

struct sim_extra {
    uint64_t position;    /* sent before the event at this position */
    int64_t timestamp_ms; /* recordTimestamp */
    uint32_t uid;
    uint8_t partition;
    uint8_t replica; /* 0: every replica; else seen by this one alone */
    char line[512];  /* with its newline */
};

struct sim_extras;

struct sim_extras *sim_extras_new(void); /* NULL when out of memory */
void sim_extras_free(struct sim_extras *extras);
/* Positions never fall: a lower one is raised to the newest. -ENOSPC when full, -ENOMEM. */
int sim_extras_add(struct sim_extras *extras, const struct sim_extra *extra);
uint32_t sim_extras_count(const struct sim_extras *extras);
/* index < count. Valid as long as extras. */
const struct sim_extra *sim_extras_get(const struct sim_extras *extras, uint32_t index);

#endif
