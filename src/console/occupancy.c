/* occupancy.c: the rings of occupancy.h. All places are sampled at the same instants, so one time
 * axis holds for all. A place keeps its ring while it is in the space and for the hour after; a new
 * one for which no ring is free takes that of the place that has been away for longest, and never
 * one of a place that is there: a graph that somebody looks at does not change its owner. */
#include "occupancy.h"

#include <string.h>

static bool has_graph(const struct space_location *location)
{
    return location->level != CONSOLE_LEVEL_OTHER && location->level != CONSOLE_LEVEL_ZONE;
}

static int32_t fit(int64_t value)
{
    return value < 0 ? OCCUPANCY_UNKNOWN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static int32_t *sample_of(struct occupancy_place *place, int64_t step)
{
    return place->value[step % OCCUPANCY_SAMPLES];
}

/* OCCUPANCY_PLACES_MAX: it has none. */
static size_t find(const struct occupancy *occupancy, const char *id)
{
    size_t i = 0;
    while (i < OCCUPANCY_PLACES_MAX && strcmp(occupancy->place[i].id, id) != 0) {
        i++;
    }
    return i;
}

/* Free, or of a place that has left. NULL: all of them are needed. */
static struct occupancy_place *take(struct occupancy *occupancy, int64_t step)
{
    struct occupancy_place *best = NULL;
    for (size_t i = 0; i < OCCUPANCY_PLACES_MAX; i++) {
        struct occupancy_place *place = &occupancy->place[i];
        if (!place->id[0]) {
            return place;
        }
        if (place->there < step && (!best || place->there < best->there)) {
            best = place;
        }
    }
    return best;
}

/* Nothing is known of what went by unseen, nor yet of this step. */
static void advance(struct occupancy *occupancy, int64_t step)
{
    int64_t from = step - occupancy->step < OCCUPANCY_SAMPLES ? occupancy->step + 1
                                                              : step - OCCUPANCY_SAMPLES + 1;
    for (size_t i = 0; i < OCCUPANCY_PLACES_MAX; i++) {
        struct occupancy_place *place = &occupancy->place[i];
        if (place->id[0] && place->there + OCCUPANCY_SAMPLES <= step) {
            place->id[0] = '\0';
        }
        for (int64_t n = from; n <= step && place->id[0]; n++) {
            for (unsigned figure = 0; figure < OCCUPANCY_FIGURES; figure++) {
                sample_of(place, n)[figure] = OCCUPANCY_UNKNOWN;
            }
        }
    }
    occupancy->step = step;
}

/* What the locations count now, by their index. */
struct counts {
    int64_t devices[SPACE_LOCATIONS_MAX];
    int64_t camera[SPACE_LOCATIONS_MAX];
};

static void put(struct occupancy_place *place, const struct space *space, uint32_t index,
                const struct counts *counts, int64_t step)
{
    int32_t *sample = sample_of(place, step);
    sample[OCCUPANCY_DEVICES] = fit(counts->devices[index]);
    sample[OCCUPANCY_PRESENT] = fit(space_present(space_location(space, index)));
    sample[OCCUPANCY_CAMERA] = fit(counts->camera[index]);
    place->there = step;
}

static void add_all(struct occupancy *occupancy, const struct space *space)
{
    struct counts counts;
    bool is_new[SPACE_LOCATIONS_MAX] = {false};
    int64_t step = occupancy->step;
    space_count_devices(space, counts.devices);
    space_count_cameras(space, counts.camera);
    occupancy->left_out = 0;
    for (uint32_t i = space_next(space, 0); i != SPACE_NONE; i = space_next(space, i + 1)) {
        const struct space_location *location = space_location(space, i);
        size_t at = has_graph(location) ? find(occupancy, location->id) : OCCUPANCY_PLACES_MAX;
        if (at < OCCUPANCY_PLACES_MAX) {
            put(&occupancy->place[at], space, i, &counts, step);
        } else {
            is_new[i] = has_graph(location);
        }
    }
    /* After those that are there already, so that none of them looks as if it had left. */
    for (uint32_t i = space_next(space, 0); i != SPACE_NONE; i = space_next(space, i + 1)) {
        struct occupancy_place *place = is_new[i] ? take(occupancy, step) : NULL;
        if (place) {
            memcpy(place->id, space_location(space, i)->id, sizeof(place->id));
            place->from = step;
            put(place, space, i, &counts, step);
        } else if (is_new[i]) {
            occupancy->left_out++;
        }
    }
}

bool occupancy_add(struct occupancy *occupancy, const struct space *space, int64_t now_ms,
                   int64_t wall_ms)
{
    if (!occupancy->begun) {
        occupancy->begun = true;
        occupancy->origin_ms = now_ms;
        occupancy->step = -1;
    }
    int64_t step = (now_ms - occupancy->origin_ms) / OCCUPANCY_STEP_MS;
    if (step <= occupancy->step) {
        return false;
    }
    advance(occupancy, step);
    add_all(occupancy, space);
    occupancy->wall_ms = wall_ms;
    return true;
}

const struct occupancy_place *occupancy_find(const struct occupancy *occupancy, const char *id)
{
    size_t at = id[0] ? find(occupancy, id) : OCCUPANCY_PLACES_MAX;
    return at < OCCUPANCY_PLACES_MAX ? &occupancy->place[at] : NULL;
}

size_t occupancy_count(const struct occupancy *occupancy, const struct occupancy_place *place)
{
    int64_t count = occupancy->step - place->from + 1;
    return count < OCCUPANCY_SAMPLES ? (size_t)count : OCCUPANCY_SAMPLES;
}

int32_t occupancy_at(const struct occupancy *occupancy, const struct occupancy_place *place,
                     size_t i, enum occupancy_figure figure)
{
    int64_t oldest = occupancy->step - (int64_t)occupancy_count(occupancy, place) + 1;
    return place->value[(oldest + (int64_t)i) % OCCUPANCY_SAMPLES][figure];
}
