/* show_space.c: the events "space", "occupancy" and "devices": the tree with its numbers, the last
 * hour of a place, and the dots of a floor. A device is shown by the name that space.c gives it. */
#include "show.h"

#include <math.h>
#include <string.h>

bool show_space(struct text *text, const struct space *space, uint64_t skipped, uint32_t graphless)
{
    int64_t devices[SPACE_LOCATIONS_MAX];
    int64_t cameras[SPACE_LOCATIONS_MAX];
    struct space_counters counters;
    space_count_devices(space, devices);
    space_count_cameras(space, cameras);
    space_counters(space, &counters);
    text_event(text, "space");
    text_open(text, NULL, '{');
    text_open(text, "locations", '[');
    for (uint32_t i = space_next(space, 0); i != SPACE_NONE; i = space_next(space, i + 1)) {
        const struct space_location *location = space_location(space, i);
        text_open(text, NULL, '{');
        text_string(text, "id", location->id);
        if (location->parent == SPACE_NONE) {
            text_null(text, "parent");
        } else {
            text_string(text, "parent", space_location(space, location->parent)->id);
        }
        text_string(text, "name", location->name);
        text_string(text, "level", console_level_name(location->level));
        text_integer(text, "devices", devices[i]);
        text_known(text, "present", space_present(location));
        text_known(text, "camera", cameras[i]);
        text_close(text, '}');
    }
    text_close(text, ']');
    text_count(text, "dropped", counters.locations_dropped);
    text_count(text, "devices_dropped", counters.devices_dropped);
    text_count(text, "skipped", skipped);
    text_count(text, "graphless", graphless);
    text_close(text, '}');
    return text_end(text);
}

bool show_occupancy(struct text *text, const struct occupancy *occupancy, const char *id, bool full)
{
    static const char *const names[OCCUPANCY_FIGURES] = {[OCCUPANCY_DEVICES] = "devices",
                                                         [OCCUPANCY_PRESENT] = "present",
                                                         [OCCUPANCY_CAMERA] = "camera"};
    const struct occupancy_place *place = occupancy_find(occupancy, id);
    size_t count = place ? occupancy_count(occupancy, place) : 0;
    if (!full && count == 0) {
        return false;
    }
    text_event(text, "occupancy");
    text_open(text, NULL, '{');
    text_string(text, "place", id);
    text_bool(text, "full", full);
    text_integer(text, "step_s", OCCUPANCY_STEP_MS / 1000);
    text_integer(text, "to", occupancy->wall_ms);
    for (unsigned figure = 0; figure < OCCUPANCY_FIGURES; figure++) {
        text_open(text, names[figure], '[');
        for (size_t i = full ? 0 : count - 1; i < count; i++) {
            text_known(text, NULL,
                       occupancy_at(occupancy, place, i, (enum occupancy_figure)figure));
        }
        text_close(text, ']');
    }
    text_close(text, '}');
    return text_end(text);
}

/* The edge of a floor that nobody measured: a little beyond the furthest device, in steps, so that
 * it does not creep. */
static double edge(double furthest)
{
    return furthest > 0 ? ceil(furthest * 1.02 / 10) * 10 : 0;
}

void show_map_of(const struct space_location *floor, struct show_map *ret)
{
    memcpy(ret->id, floor->map, sizeof(ret->id));
    bool measured = floor->map_width > 0 && floor->map_length > 0;
    ret->width = measured ? floor->map_width : edge(floor->x_max);
    ret->length = measured ? floor->map_length : edge(floor->y_max);
    ret->image = false;
}

static void show_size(struct text *text, const char *name, double size)
{
    if (size > 0) {
        text_decimal(text, name, size);
    } else {
        text_null(text, name);
    }
}

static void show_map(struct text *text, const struct show_map *map)
{
    text_open(text, "map", '{');
    if (map->id[0]) {
        text_string(text, "id", map->id);
    } else {
        text_null(text, "id");
    }
    show_size(text, "width", map->width);
    show_size(text, "length", map->length);
    text_bool(text, "image", map->image);
    text_close(text, '}');
}

static void show_device(struct text *text, const struct space *space,
                        const struct space_device *device, int64_t now_ms)
{
    char name[SPACE_DEVICE_NAME_MAX + 1];
    text_open(text, NULL, '[');
    text_string(text, NULL, space_device_name(space, device, name));
    text_decimal(text, NULL, (double)device->x);
    text_decimal(text, NULL, (double)device->y);
    text_decimal(text, NULL, (double)device->confidence);
    text_integer(text, NULL, now_ms - device->seen_ms);
    text_close(text, ']');
}

bool show_devices(struct text *text, const struct space *space, const char *id, uint32_t floor,
                  bool full, uint64_t since, const struct show_map *map, int64_t now_ms,
                  bool *ret_any)
{
    bool any = false;
    text_event(text, "devices");
    text_open(text, NULL, '{');
    text_string(text, "floor", id);
    text_bool(text, "full", full);
    show_map(text, map);
    text_open(text, "devices", '[');
    uint32_t at = floor == SPACE_NONE ? SPACE_NONE : space_location(space, floor)->newest;
    while (at != SPACE_NONE) { /* the last that changed first */
        const struct space_device *device = space_device(space, at);
        if (!full && device->changed <= since) {
            break;
        }
        show_device(text, space, device, now_ms);
        any = true;
        at = device->floor_older;
    }
    text_close(text, ']');
    text_open(text, "gone", '[');
    uint64_t back = 0;
    const struct space_gone *gone = full ? NULL : space_departure(space, since, &back);
    while (gone) {
        if (gone->floor == floor && !space_is_on(space, gone->key, floor)) {
            char name[SPACE_DEVICE_NAME_MAX + 1];
            text_string(text, NULL, space_gone_name(space, gone, name));
            any = true;
        }
        gone = space_departure(space, since, &back);
    }
    text_close(text, ']');
    text_close(text, '}');
    *ret_any = any;
    return text_end(text);
}
