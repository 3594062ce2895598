/* space.c: the bounded picture of the space, made of what records say. Owns the tables; decides who
 * goes when there is no room. Never looks at bytes of a record (record.c does) and renders nothing.
 *
 * Tables are arrays, and whatever points into them is an index. Three lists run from the oldest to
 * the newest by when something was last heard: all locations, all devices, the devices of a floor.
 * A location is touched after those that lie in it, so the oldest one has nobody in it that was
 * heard of later. */
#include "space_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32 /* of the tree; what is deeper begins at the top again */

int space_new(const uint8_t key[SPACE_KEY_BYTES], bool ids, struct space **ret)
{
    struct space *space = calloc(1, sizeof(*space));
    if (!space) {
        return -ENOMEM;
    }
    if (ids) {
        space->device_id = calloc(SPACE_DEVICES_MAX, sizeof(*space->device_id));
        space->gone_id = calloc(SPACE_GONE_MAX, sizeof(*space->gone_id));
        if (!space->device_id || !space->gone_id) {
            space_free(space);
            return -ENOMEM;
        }
    }
    memcpy(space->key, key, SPACE_KEY_BYTES);
    memset(space->location_bucket, 0xFF, sizeof(space->location_bucket)); /* SPACE_NONE */
    memset(space->device_bucket, 0xFF, sizeof(space->device_bucket));
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        space->location[i].next_in_bucket = i + 1 < SPACE_LOCATIONS_MAX ? i + 1 : SPACE_NONE;
    }
    for (uint32_t i = 0; i < COUNTER_SETS * COUNTER_WAYS; i++) {
        space->counter[i / COUNTER_WAYS][i % COUNTER_WAYS].location = SPACE_NONE;
    }
    space->oldest_location = space->newest_location = SPACE_NONE;
    space->oldest_device = space->newest_device = space->free_device = SPACE_NONE;
    *ret = space;
    return 0;
}

void space_free(struct space *space)
{
    if (space) {
        free(space->device_id);
        free(space->gone_id);
        free(space);
    }
}

static uint64_t hash(const struct space *space, const char *bytes, size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t value = 0;
    crypto_shorthash(out, (const uint8_t *)bytes, len, space->key);
    memcpy(&value, out, sizeof(value));
    return value;
}

/* ---- devices -------------------------------------------------------------------------------- */

uint32_t space_find_device(const struct space *space, uint64_t key)
{
    uint32_t i = space->device_bucket[key % DEVICE_BUCKETS];
    while (i != SPACE_NONE && space->device[i].key != key) {
        i = space->device[i].next_in_bucket;
    }
    return i;
}

static void unlink_device(struct space *space, uint32_t index)
{
    const struct space_device *device = &space->device[index];
    uint32_t *from_older =
        device->older == SPACE_NONE ? &space->oldest_device : &space->device[device->older].newer;
    uint32_t *from_newer =
        device->newer == SPACE_NONE ? &space->newest_device : &space->device[device->newer].older;
    *from_older = device->newer;
    *from_newer = device->older;
}

static void append_device(struct space *space, uint32_t index)
{
    struct space_device *device = &space->device[index];
    device->older = space->newest_device;
    device->newer = SPACE_NONE;
    if (device->older == SPACE_NONE) {
        space->oldest_device = index;
    } else {
        space->device[device->older].newer = index;
    }
    space->newest_device = index;
}

static void unlink_from_floor(struct space *space, uint32_t index)
{
    const struct space_device *device = &space->device[index];
    struct space_location *floor = &space->location[device->floor];
    uint32_t *from_older = device->floor_older == SPACE_NONE
                               ? &floor->oldest
                               : &space->device[device->floor_older].floor_newer;
    uint32_t *from_newer = device->floor_newer == SPACE_NONE
                               ? &floor->newest
                               : &space->device[device->floor_newer].floor_older;
    *from_older = device->floor_newer;
    *from_newer = device->floor_older;
    floor->device_seen--;
}

static void append_to_floor(struct space *space, uint32_t index, uint32_t location)
{
    struct space_device *device = &space->device[index];
    struct space_location *floor = &space->location[location];
    device->floor = location;
    device->floor_older = floor->newest;
    device->floor_newer = SPACE_NONE;
    if (device->floor_older == SPACE_NONE) {
        floor->oldest = index;
    } else {
        space->device[device->floor_older].floor_newer = index;
    }
    floor->newest = index;
    floor->device_seen++;
}

static void note_departure(struct space *space, uint32_t index)
{
    const struct space_device *device = &space->device[index];
    size_t at = space->gone_count++ % SPACE_GONE_MAX;
    space->gone[at] = (struct space_gone){
        .key = device->key, .changed = ++space->changed, .floor = device->floor};
    if (space->gone_id) {
        memcpy(space->gone_id[at], space->device_id[index], sizeof(space->gone_id[at]));
    }
    space->version++; /* how many are on the floor */
}

static void drop_device(struct space *space, uint32_t index)
{
    struct space_device *device = &space->device[index];
    note_departure(space, index);
    unlink_from_floor(space, index);
    unlink_device(space, index);
    uint32_t *link = &space->device_bucket[device->key % DEVICE_BUCKETS];
    while (*link != index) {
        link = &space->device[*link].next_in_bucket;
    }
    *link = device->next_in_bucket;
    device->next_in_bucket = space->free_device;
    space->free_device = index;
    space->counters.devices--;
}

/* A text in which there is a MAC address, by any spelling, is not shown even where ids are: things
 * are known by it. 12 hex digits, or 16 (EUI-64), with what may stand between them. */
static bool shows_address(struct fh_slice id)
{
    unsigned digits = 0;
    for (size_t i = 0; i <= id.len; i++) {
        char c = i < id.len ? id.data[i] : ' ';
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')) {
            digits++;
        } else if (c != ':' && c != '-' && c != '.') {
            if (digits == 12 || digits == 16) {
                return true;
            }
            digits = 0;
        }
    }
    return false;
}

static void keep_id(struct space *space, uint32_t index, struct fh_slice id)
{
    char *into = space->device_id[index];
    bool hidden = shows_address(id) || memchr(id.data, '@', id.len); /* e-mail, too */
    size_t len = id.len > SPACE_DEVICE_NAME_MAX || hidden ? 0 : id.len;
    memcpy(into, id.data, len);
    into[len] = '\0';
}

static uint32_t add_device(struct space *space, uint64_t key, struct fh_slice id, uint32_t floor)
{
    if (space->location[floor].device_seen >= SPACE_DEVICES_FLOOR_MAX) {
        drop_device(space, space->location[floor].oldest);
        space->counters.devices_dropped++;
    }
    if (space->free_device == SPACE_NONE && space->fresh_device == SPACE_DEVICES_MAX) {
        drop_device(space, space->oldest_device);
        space->counters.devices_dropped++;
    }
    bool again = space->free_device != SPACE_NONE;
    uint32_t index = again ? space->free_device : space->fresh_device++;
    struct space_device *device = &space->device[index];
    space->free_device = again ? device->next_in_bucket : SPACE_NONE;
    uint32_t *bucket = &space->device_bucket[key % DEVICE_BUCKETS];
    *device = (struct space_device){.key = key, .next_in_bucket = *bucket, .stamp_ms = INT64_MIN};
    *bucket = index;
    if (space->device_id) {
        keep_id(space, index, id);
    }
    append_device(space, index);
    append_to_floor(space, index, floor);
    space->counters.devices++;
    space->version++;
    return index;
}

static void move_device(struct space *space, uint32_t index, uint32_t floor)
{
    if (space->device[index].floor != floor) {
        note_departure(space, index);
        if (space->location[floor].device_seen >= SPACE_DEVICES_FLOOR_MAX) {
            drop_device(space, space->location[floor].oldest);
            space->counters.devices_dropped++;
        }
    }
    unlink_from_floor(space, index);
    unlink_device(space, index);
    append_device(space, index);
    append_to_floor(space, index, floor);
}

static void see_device(struct space *space, const struct console_record *record, uint32_t floor,
                       int64_t now_ms)
{
    uint64_t key = hash(space, record->device.data, record->device.len);
    uint32_t index = space_find_device(space, key);
    if (index == SPACE_NONE) {
        index = add_device(space, key, record->device, floor);
    } else if (record->timestamp_ms < space->device[index].stamp_ms) {
        return; /* it has come late: where the device is now is known already */
    } else {
        move_device(space, index, floor);
    }
    struct space_device *device = &space->device[index];
    struct space_location *place = &space->location[floor];
    device->seen_ms = now_ms;
    device->stamp_ms = record->timestamp_ms;
    device->changed = ++space->changed;
    device->x = (float)record->x;
    device->y = (float)record->y;
    device->confidence = (float)record->confidence;
    place->x_max = record->x > place->x_max ? record->x : place->x_max;
    place->y_max = record->y > place->y_max ? record->y : place->y_max;
}

void space_expire(struct space *space, int64_t now_ms)
{
    while (space->oldest_device != SPACE_NONE &&
           now_ms - space->device[space->oldest_device].seen_ms >= SPACE_AWAY_MS) {
        drop_device(space, space->oldest_device);
    }
}

/* ---- cameras and the like ------------------------------------------------------------------- */

/* Is it news? Then it is what was said last. */
static bool is_news(struct space_said *said, const struct console_record *record, int64_t now_ms)
{
    if (record->timestamp_ms < said->stamp_ms && now_ms - said->heard_ms < SPACE_LATE_MAX_MS) {
        return false;
    }
    *said = (struct space_said){.stamp_ms = record->timestamp_ms, .heard_ms = now_ms};
    return true;
}

static void see_counter(struct space *space, const struct console_record *record, uint32_t location,
                        int64_t now_ms)
{
    uint64_t key = hash(space, record->device.data, record->device.len);
    key = key * 31 + hash(space, record->zone.data, record->zone.len);
    struct counter *set = space->counter[key % COUNTER_SETS];
    struct counter *into = &set[0];
    for (unsigned i = 0; i < COUNTER_WAYS; i++) {
        if (set[i].location != SPACE_NONE && set[i].key == key) {
            into = &set[i];
            break;
        }
        if (into->location != SPACE_NONE &&
            (set[i].location == SPACE_NONE || set[i].heard < into->heard)) {
            into = &set[i];
        }
    }
    bool known = into->location != SPACE_NONE && into->key == key;
    struct space_said said = known ? into->said : (struct space_said){.stamp_ms = 0};
    if (!is_news(&said, record, now_ms)) {
        return;
    }
    if (!known || into->location != location || into->value != (int32_t)record->count) {
        space->version++;
    }
    *into = (struct counter){.key = key,
                             .location = location,
                             .value = (int32_t)record->count,
                             .heard = ++space->heard,
                             .said = said};
}

static void forget_counters(struct space *space, uint32_t location)
{
    for (uint32_t i = 0; i < COUNTER_SETS * COUNTER_WAYS; i++) {
        struct counter *counter = &space->counter[i / COUNTER_WAYS][i % COUNTER_WAYS];
        if (counter->location == location) {
            counter->location = SPACE_NONE;
        }
    }
}

/* ---- locations ------------------------------------------------------------------------------ */

uint32_t space_find_location(const struct space *space, struct fh_slice id)
{
    uint32_t i = space->location_bucket[hash(space, id.data, id.len) % LOCATION_BUCKETS];
    while (i != SPACE_NONE && (strlen(space->location[i].id) != id.len ||
                               memcmp(space->location[i].id, id.data, id.len) != 0)) {
        i = space->location[i].next_in_bucket;
    }
    return i;
}

static void unlink_location(struct space *space, uint32_t index)
{
    const struct space_location *location = &space->location[index];
    uint32_t *from_older = location->older == SPACE_NONE ? &space->oldest_location
                                                         : &space->location[location->older].newer;
    uint32_t *from_newer = location->newer == SPACE_NONE ? &space->newest_location
                                                         : &space->location[location->newer].older;
    *from_older = location->newer;
    *from_newer = location->older;
}

static void append_location(struct space *space, uint32_t index)
{
    struct space_location *location = &space->location[index];
    location->older = space->newest_location;
    location->newer = SPACE_NONE;
    if (location->older == SPACE_NONE) {
        space->oldest_location = index;
    } else {
        space->location[location->older].newer = index;
    }
    space->newest_location = index;
}

static void drop_location(struct space *space, uint32_t index)
{
    struct space_location *location = &space->location[index];
    while (location->oldest != SPACE_NONE) {
        drop_device(space, location->oldest);
    }
    forget_counters(space, index);
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        if (space->location[i].id[0] && space->location[i].parent == index) {
            space->location[i].parent = SPACE_NONE;
        }
    }
    unlink_location(space, index);
    uint64_t key = hash(space, location->id, strlen(location->id));
    uint32_t *link = &space->location_bucket[key % LOCATION_BUCKETS];
    while (*link != index) {
        link = &space->location[*link].next_in_bucket;
    }
    *link = location->next_in_bucket;
    location->id[0] = '\0';
    location->next_in_bucket = space->free_location;
    space->free_location = index;
    space->counters.locations--;
    space->version++;
}

static uint32_t add_location(struct space *space, struct fh_slice id)
{
    if (space->free_location == SPACE_NONE) {
        drop_location(space, space->oldest_location);
        space->counters.locations_dropped++;
    }
    uint32_t index = space->free_location;
    struct space_location *location = &space->location[index];
    space->free_location = location->next_in_bucket;
    uint32_t *bucket = &space->location_bucket[hash(space, id.data, id.len) % LOCATION_BUCKETS];
    *location = (struct space_location){.parent = SPACE_NONE,
                                        .next_in_bucket = *bucket,
                                        .device_count = SPACE_COUNT_UNKNOWN,
                                        .users = SPACE_COUNT_UNKNOWN,
                                        .presence = SPACE_COUNT_UNKNOWN,
                                        .camera = SPACE_COUNT_UNKNOWN,
                                        .oldest = SPACE_NONE,
                                        .newest = SPACE_NONE};
    memcpy(location->id, id.data, id.len);
    *bucket = index;
    append_location(space, index);
    space->counters.locations++;
    space->version++;
    return index;
}

/* Would child be above itself, or the branch too long? */
static bool may_be_parent(const struct space *space, uint32_t parent, uint32_t child)
{
    unsigned depth = 0;
    while (parent != SPACE_NONE && parent != child && depth < DEPTH_MAX) {
        parent = space->location[parent].parent;
        depth++;
    }
    return parent == SPACE_NONE;
}

static void set_text(struct space *space, char *into, size_t capacity, struct fh_slice text)
{
    if (text.len < capacity &&
        (strlen(into) != text.len || memcmp(into, text.data, text.len) != 0)) {
        memcpy(into, text.data, text.len);
        into[text.len] = '\0';
        space->version++;
    }
}

/* The chain of a record, from the leaf up. index[i] is the i-th. */
static void see_locations(struct space *space, const struct console_record *record,
                          uint32_t index[FH_LOCATIONS_MAX])
{
    /* All are touched before any is added: what one of them needs is then never driven out. */
    for (uint32_t i = 0; i < record->location_count; i++) {
        index[i] = space_find_location(space, record->location[i].id);
        if (index[i] != SPACE_NONE) {
            unlink_location(space, index[i]);
            append_location(space, index[i]);
        }
    }
    for (uint32_t i = 0; i < record->location_count; i++) {
        if (index[i] == SPACE_NONE) {
            /* the same one twice in a chain was added a moment ago */
            index[i] = space_find_location(space, record->location[i].id);
        }
        if (index[i] == SPACE_NONE) {
            index[i] = add_location(space, record->location[i].id);
        }
        struct space_location *location = &space->location[index[i]];
        if (record->location[i].name.len > 0) {
            set_text(space, location->name, sizeof(location->name), record->location[i].name);
        }
        if (record->location[i].level != CONSOLE_LEVEL_OTHER &&
            location->level != record->location[i].level) {
            location->level = record->location[i].level;
            space->version++;
        }
    }
    for (uint32_t i = 0; i + 1 < record->location_count; i++) {
        struct space_location *location = &space->location[index[i]];
        if (location->parent != index[i + 1] && may_be_parent(space, index[i + 1], index[i])) {
            location->parent = index[i + 1];
            space->version++;
        }
    }
    for (uint32_t i = 0; i < record->location_count; i++) { /* parents are the newer ones */
        unlink_location(space, index[i]);
        append_location(space, index[i]);
    }
}

static bool is_within(const struct space *space, uint32_t inner, uint32_t outer)
{
    while (inner != SPACE_NONE && inner != outer) {
        inner = space->location[inner].parent;
    }
    return inner == outer;
}

/* It and all that lies in it. */
static void remove_location(struct space *space, uint32_t removed)
{
    bool within[SPACE_LOCATIONS_MAX]; /* all found before any goes: each is the way to others */
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        within[i] = space->location[i].id[0] && is_within(space, i, removed);
    }
    for (uint32_t i = 0; i < SPACE_LOCATIONS_MAX; i++) {
        if (within[i]) {
            drop_location(space, i);
        }
    }
}

/* Where dots are drawn: the floor that the place lies on, else the place itself. */
static uint32_t floor_of(const struct console_record *record, const uint32_t *index)
{
    for (uint32_t i = 0; i < record->location_count; i++) {
        if (record->location[i].level == CONSOLE_LEVEL_FLOOR) {
            return index[i];
        }
    }
    return index[0];
}

static void set_map(struct space *space, uint32_t index, const struct console_record *record)
{
    struct space_location *location = &space->location[index];
    if (record->map.len > 0) { /* a record without one says nothing (section 8) */
        set_text(space, location->map, sizeof(location->map), record->map);
        set_text(space, location->tenant, sizeof(location->tenant), record->tenant);
    }
    if (record->map_width > 0 && record->map_length > 0) {
        location->map_width = record->map_width;
        location->map_length = record->map_length;
    }
}

static void set_count(struct space *space, struct space_location *location, enum space_count which,
                      const struct console_record *record, int64_t now_ms)
{
    int64_t *const values[SPACE_COUNTS] = {
        [SPACE_DEVICE_COUNT] = &location->device_count,
        [SPACE_USERS] = &location->users,
        [SPACE_PRESENCE] = &location->presence,
        [SPACE_CAMERA] = &location->camera,
    };
    if (record->count >= 0 && is_news(&location->said[which], record, now_ms) &&
        *values[which] != record->count) {
        *values[which] = record->count;
        space->version++;
    }
}

static void apply_about(struct space *space, const struct console_record *record,
                        const uint32_t *index, int64_t now_ms)
{
    struct space_location *location = &space->location[index[0]];
    switch (record->about) {
    case CONSOLE_ABOUT_POSITION:
        see_device(space, record, floor_of(record, index), now_ms);
        break;
    case CONSOLE_ABOUT_DEVICE_COUNT:
        set_count(space, location, SPACE_DEVICE_COUNT, record, now_ms);
        break;
    case CONSOLE_ABOUT_EXIT:
    case CONSOLE_ABOUT_DEVICE_PRESENCE:
        set_count(space, location, SPACE_PRESENCE, record, now_ms);
        break;
    case CONSOLE_ABOUT_USER_PRESENCE:
        set_count(space, location, SPACE_USERS, record, now_ms);
        break;
    case CONSOLE_ABOUT_CAMERA_COUNT:
        set_count(space, location, SPACE_CAMERA, record, now_ms);
        break;
    case CONSOLE_ABOUT_COUNTER:
        see_counter(space, record, index[0], now_ms);
        break;
    case CONSOLE_ABOUT_REMOVED:
        remove_location(space, index[0]);
        break;
    case CONSOLE_ABOUT_NOTHING:
        break;
    }
}

/* The device has left the place of the record: that is where it was seen, or what that lies in. It
 * may have been seen elsewhere since, as the service says so only after a while. */
static void see_exit(struct space *space, const struct console_record *record)
{
    uint32_t index = space_find_device(space, hash(space, record->device.data, record->device.len));
    if (index == SPACE_NONE || record->timestamp_ms < space->device[index].stamp_ms) {
        return;
    }
    uint32_t left = record->location_count > 0 ? space_find_location(space, record->location[0].id)
                                               : space->device[index].floor;
    if (left != SPACE_NONE && is_within(space, space->device[index].floor, left)) {
        drop_device(space, index);
    }
}

void space_apply(struct space *space, const struct console_record *record, int64_t now_ms)
{
    uint32_t index[FH_LOCATIONS_MAX];
    if (record->about == CONSOLE_ABOUT_EXIT && record->device.len > 0) {
        see_exit(space, record);
    }
    if (record->location_count == 0) {
        return;
    }
    if (record->about == CONSOLE_ABOUT_REMOVED &&
        space_find_location(space, record->location[0].id) == SPACE_NONE) {
        return;
    }
    see_locations(space, record, index);
    set_map(space, floor_of(record, index), record);
    apply_about(space, record, index, now_ms);
}
