/* occupancy.h: how many were in each place over the last hour, as the graphs of the space show it.
 * Private to src/console.
 *
 * Pure: no clock, no allocation; one thread at a time. A ring of fixed size for each floor, each
 * building and what these lie in, as many as there is room for; zones have none. */
#ifndef FH_CONSOLE_OCCUPANCY_H
#define FH_CONSOLE_OCCUPANCY_H

#include "space.h"

#define OCCUPANCY_STEP_MS    10000
#define OCCUPANCY_SAMPLES    360
#define OCCUPANCY_PLACES_MAX 512
#define OCCUPANCY_UNKNOWN    (-1)

/* The numbers of a place, as the event "space" has them. */
enum occupancy_figure { OCCUPANCY_DEVICES, OCCUPANCY_PRESENT, OCCUPANCY_CAMERA, OCCUPANCY_FIGURES };

struct occupancy_place {
    char id[CONSOLE_ID_MAX + 1]; /* "" = free */
    int64_t from;                /* step of its oldest sample */
    int64_t there;               /* step in which it was last among the locations */
    int32_t value[OCCUPANCY_SAMPLES][OCCUPANCY_FIGURES]; /* ring: the step n is at n % SAMPLES */
};

struct occupancy {
    struct occupancy_place place[OCCUPANCY_PLACES_MAX];
    bool begun;
    int64_t origin_ms; /* of the first sample; steps are counted from it */
    int64_t step;      /* of the newest sample */
    int64_t wall_ms;   /* of the newest sample, for people */
    uint32_t left_out; /* places in the space for which there is no room, as of the newest sample */
};

/* Zero it first. now_ms: monotonic; wall_ms: for people. True when a sample of every place was
 * added: call it as often as you like. Steps nobody called it in are not known. */
bool occupancy_add(struct occupancy *occupancy, const struct space *space, int64_t now_ms,
                   int64_t wall_ms);
/* NULL: none is kept. */
const struct occupancy_place *occupancy_find(const struct occupancy *occupancy, const char *id);
size_t occupancy_count(const struct occupancy *occupancy, const struct occupancy_place *place);
/* The i-th oldest of occupancy_count(); the last is that of occupancy->wall_ms. May be
 * OCCUPANCY_UNKNOWN. */
int32_t occupancy_at(const struct occupancy *occupancy, const struct occupancy_place *place,
                     size_t i, enum occupancy_figure figure);

#endif
