/* space_look.c: what the events want to know of the space: sums over the tree, the devices of a
 * floor, departures, and what a device is called. Changes nothing. */
#include "space_table.h"

#include <stdio.h>
#include <string.h>

void space_counters(const struct space *space, struct space_counters *ret)
{
    *ret = space->counters;
}

uint64_t space_version(const struct space *space)
{
    return space->version;
}

uint32_t space_find(const struct space *space, const char *id)
{
    return id[0] ? space_find_location(space, (struct fh_slice){id, strlen(id)}) : SPACE_NONE;
}

const struct space_location *space_location(const struct space *space, uint32_t index)
{
    return &space->location[index];
}

uint32_t space_next(const struct space *space, uint32_t index)
{
    while (index < SPACE_LOCATIONS_MAX && !space->location[index].id[0]) {
        index++;
    }
    return index < SPACE_LOCATIONS_MAX ? index : SPACE_NONE;
}

void space_count_cameras(const struct space *space, int64_t *counts)
{
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        counts[i] = SPACE_COUNT_UNKNOWN;
    }
    for (uint32_t i = 0; i < COUNTER_SETS * COUNTER_WAYS; i++) {
        const struct counter *counter = &space->counter[i / COUNTER_WAYS][i % COUNTER_WAYS];
        if (counter->location != SPACE_NONE) {
            int64_t *into = &counts[counter->location];
            *into = (*into < 0 ? 0 : *into) + counter->value;
        }
    }
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        if (space->location[i].id[0] && space->location[i].camera >= 0) {
            counts[i] = space->location[i].camera; /* the service's own sum */
        }
    }
}

int64_t space_present(const struct space_location *location)
{
    return location->users >= 0 ? location->users : location->presence;
}

static int64_t devices_in(const struct space_location *location, int64_t inside)
{
    if (location->device_count >= 0) {
        return location->device_count;
    }
    bool shared = location->level == CONSOLE_LEVEL_FLOOR && location->device_seen > 0;
    return location->device_seen + (shared ? 0 : inside);
}

void space_count_devices(const struct space *space, int64_t *counts)
{
    uint32_t waits_for[SPACE_LOCATIONS_MAX] = {0}; /* so many children */
    uint32_t ready[SPACE_LOCATIONS_MAX], ready_count = 0;
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        counts[i] = 0;
        if (space->location[i].id[0] && space->location[i].parent != SPACE_NONE) {
            waits_for[space->location[i].parent]++;
        }
    }
    for (uint32_t i = space_next(space, 0); i != SPACE_NONE; i = space_next(space, i + 1)) {
        if (waits_for[i] == 0) {
            ready[ready_count++] = i;
        }
    }
    while (ready_count > 0) { /* from the leaves up: there are no rings */
        uint32_t i = ready[--ready_count];
        uint32_t parent = space->location[i].parent;
        counts[i] = devices_in(&space->location[i], counts[i]);
        if (parent != SPACE_NONE) {
            counts[parent] += counts[i];
            if (--waits_for[parent] == 0) {
                ready[ready_count++] = parent;
            }
        }
    }
}

uint64_t space_changed(const struct space *space)
{
    return space->changed;
}

const struct space_device *space_device(const struct space *space, uint32_t index)
{
    return &space->device[index];
}

bool space_remembers(const struct space *space, uint64_t since)
{
    return space->gone_count <= SPACE_GONE_MAX ||
           space->gone[space->gone_count % SPACE_GONE_MAX].changed <= since;
}

const struct space_gone *space_departure(const struct space *space, uint64_t since,
                                         uint64_t *inout_back)
{
    if (*inout_back >= space->gone_count || *inout_back >= SPACE_GONE_MAX) {
        return NULL;
    }
    const struct space_gone *gone =
        &space->gone[(space->gone_count - 1 - *inout_back) % SPACE_GONE_MAX];
    (*inout_back)++;
    return gone->changed > since ? gone : NULL;
}

bool space_is_on(const struct space *space, uint64_t key, uint32_t floor)
{
    uint32_t index = space_find_device(space, key);
    return index != SPACE_NONE && space->device[index].floor == floor;
}

static const char *name(uint64_t key, const char *id, char text[SPACE_DEVICE_NAME_MAX + 1])
{
    if (id && id[0]) {
        return id;
    }
    snprintf(text, SPACE_DEVICE_NAME_MAX + 1, "%016llx", (unsigned long long)key);
    return text;
}

const char *space_device_name(const struct space *space, const struct space_device *device,
                              char text[SPACE_DEVICE_NAME_MAX + 1])
{
    size_t at = (size_t)(device - space->device);
    return name(device->key, space->device_id ? space->device_id[at] : NULL, text);
}

const char *space_gone_name(const struct space *space, const struct space_gone *gone,
                            char text[SPACE_DEVICE_NAME_MAX + 1])
{
    size_t at = (size_t)(gone - space->gone);
    return name(gone->key, space->gone_id ? space->gone_id[at] : NULL, text);
}
