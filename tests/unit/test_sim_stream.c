/* test_sim_stream.c: is the simulated stream a world? Follows three hours of it with a model of its
 * own that knows only what the lines say: shapes as in the samples, entry before exit, silence of
 * ten minutes before "inactive", and counts that match the devices the stream itself has put there.
 *
 *   test_sim_stream tests/data/sample-events.ndjson */
#include "world.h"

#include <cjson/cJSON.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEVICES 240
#define TYPES   30
#define CHAIN   5
#define MINUTE  60000LL

static const char *samples_path;

struct device {
    char id[32];
    char chain[CHAIN][24]; /* where it is: leaf to root */
    int64_t seen_ms;       /* arrival of the last sighting */
    int64_t located_ms;    /* of the last one with a position in this visit; 0 = none yet */
    double position[2];
    int64_t entry_stamp;
    char visit[40];
    long user; /* or -1 */
    int partition;
    bool present;
    bool active;
    bool exited; /* the old DEVICE_EXIT is due */
    bool stayed; /* on the floor of the last position */
};

struct camera {
    char place[24];
    char id[24];
    int count;
};

static struct device devices[DEVICES];
static struct camera cameras[256];
static size_t camera_count;
static unsigned seen_kinds[16];
static unsigned zone_changes;

static struct sim_world *new_world(struct sim_world_options options)
{
    struct fh_error err = {""};
    struct sim_world *world = NULL;
    if (sim_world_new(&options, &err, &world) < 0) {
        fail_msg("%s", err.text);
    }
    return world;
}

static struct sim_world_options default_options(void)
{
    return (struct sim_world_options){
        .seed = 20260101,
        .rate = 12,
        .start_ms = 1767225600000,
        .devices = DEVICES,
        .uid_bits = 32,
        .lateness_ms = 1500,
        .window_ms = 86400000,
        .window_bytes = 1ULL << 30,
    };
}

static const cJSON *get(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!value) {
        fail_msg("no member %s", key);
    }
    return value;
}

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(get(object, key));
    assert_non_null(text);
    return text;
}

static int64_t number_of(const cJSON *object, const char *key)
{
    const cJSON *value = get(object, key);
    assert_true(cJSON_IsNumber(value));
    return (int64_t)value->valuedouble;
}

/* ---- shapes ---- */

static int type_of(const cJSON *value)
{
    int type = value->type & 0xff;
    return type == cJSON_True ? cJSON_False : type;
}

/* Same keys in the same order, same types; arrays element by element as far as the sample has any.
 * How many parents a location has is its own affair. */
static void compare_shape(const cJSON *value, const cJSON *sample, const char *path)
{
    if (!value || !sample || type_of(value) != type_of(sample)) {
        fail_msg("%s: another type than in the sample", path);
        return;
    }
    const cJSON *expected = sample->child;
    for (const cJSON *child = value->child; child; child = child->next) {
        if (cJSON_IsArray(value)) {
            if (!expected) {
                return;
            }
            compare_shape(child, expected, path);
            expected = expected->next ? expected->next : expected;
            continue;
        }
        bool parent = strcmp(child->string, "parent") == 0;
        if (expected && strcmp(expected->string, "parent") == 0 && !parent) {
            expected = expected->next;
        }
        if (parent && (!expected || strcmp(expected->string, "parent") != 0)) {
            compare_shape(child, sample, "parent");
            continue;
        }
        if (!expected || strcmp(child->string, expected->string) != 0) {
            fail_msg("%s: key %s where the sample has %s", path, child->string,
                     expected ? expected->string : "none");
            return;
        }
        compare_shape(child, expected, child->string);
        expected = expected->next;
    }
    /* only a floor and its zones have a map */
    if (cJSON_IsObject(value) && expected && strcmp(expected->string, "mapDetails") != 0) {
        fail_msg("%s: key %s of the sample is missing", path, expected->string);
    }
}

static const cJSON *find_sample(cJSON *const *samples, const char *type)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (strcmp(text_of(samples[i], "eventType"), type) == 0) {
            return samples[i];
        }
    }
    fail_msg("event type %s has no sample", type);
    return NULL;
}

static void load_samples(cJSON **samples)
{
    FILE *file = fopen(samples_path, "re");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0;
    size_t count = 0;
    while (getline(&line, &capacity, file) > 0) {
        assert_true(count < TYPES);
        samples[count] = cJSON_Parse(line);
        assert_non_null(samples[count++]);
    }
    assert_int_equal(count, TYPES);
    free(line);
    (void)fclose(file);
}

static cJSON *parse_line(const char *line, size_t length)
{
    assert_true(length > 1 && line[length - 1] == '\n');
    assert_null(memchr(line, '\n', length - 1));
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(line, length, &end, false);
    assert_non_null(json);
    assert_ptr_equal(end, line + length - 1);
    return json;
}

/* Every one of the 30 types, each line of its sample's shape, at a usual and at a low rate. */
static void check_shapes(double rate, uint64_t events)
{
    cJSON *samples[TYPES] = {0};
    unsigned seen[TYPES] = {0};
    static char line[65536];
    load_samples(samples);
    struct sim_world_options options = default_options();
    options.rate = rate;
    struct sim_world *world = new_world(options);
    (void)sim_world_advance(world, (int64_t)((double)events * 1e6 / rate), UINT64_MAX);
    sim_world_lock_read(world);
    size_t longest = 0;
    for (uint64_t p = sim_world_first(world); p < sim_world_end(world); p++) {
        struct sim_event event;
        sim_world_event(world, 1, p, &event);
        size_t length = sim_world_render(world, 1, p, line, sizeof(line));
        longest = length > longest ? length : longest;
        cJSON *json = parse_line(line, length);
        assert_string_equal(text_of(json, "eventType"), sim_type_name(event.type));
        assert_int_equal(number_of(json, "recordTimestamp"), event.timestamp_ms);
        char uid[24];
        (void)snprintf(uid, sizeof(uid), "event-%x", event.uid);
        assert_string_equal(text_of(json, "recordUid"), uid);
        assert_in_range(event.partition, 1, 12);
        compare_shape(json, find_sample(samples, sim_type_name(event.type)), "event");
        seen[event.type]++;
        cJSON_Delete(json);
    }
    sim_world_unlock_read(world);
    size_t length = sim_world_keep_alive(world, line, sizeof(line));
    cJSON *json = parse_line(line, length);
    compare_shape(json, find_sample(samples, "KEEP_ALIVE"), "event");
    assert_int_equal(number_of(json, "recordTimestamp"), sim_world_now_ms(world));
    cJSON_Delete(json);
    assert_true(longest < 4096); /* half of the room rendering assumes */
    for (unsigned i = 1; i < TYPES; i++) {
        if (seen[i] == 0) {
            fail_msg("%s never occurred in %llu events", sim_type_name(i),
                     (unsigned long long)events);
        }
    }
    for (size_t i = 0; i < TYPES; i++) {
        cJSON_Delete(samples[i]);
    }
    sim_world_free(world);
}

static void test_every_type_has_the_samples_shape(void **state)
{
    (void)state;
    check_shapes(2000, 120000);
    check_shapes(1, 12000);
}

/* ---- the model ---- */

static void read_chain(const cJSON *location, char chain[CHAIN][24])
{
    memset(chain, 0, CHAIN * sizeof(chain[0]));
    for (size_t i = 0; location && i < CHAIN; i++) {
        (void)snprintf(chain[i], sizeof(chain[i]), "%s", text_of(location, "locationId"));
        location = cJSON_GetObjectItemCaseSensitive(location, "parent");
    }
}

static bool is_in(const struct device *device, const char *location)
{
    for (size_t i = 0; i < CHAIN; i++) {
        if (strcmp(device->chain[i], location) == 0) {
            return true;
        }
    }
    return false;
}

static int count_devices(const char *location, bool active)
{
    int count = 0;
    for (size_t i = 0; i < DEVICES; i++) {
        count += devices[i].present && devices[i].active == active && is_in(&devices[i], location);
    }
    return count;
}

/* Users with an id: active when any of their devices is. */
static void count_users(const char *location, int named[2], int unnamed[2])
{
    bool done[DEVICES] = {false};
    named[0] = named[1] = unnamed[0] = unnamed[1] = 0;
    for (size_t i = 0; i < DEVICES; i++) {
        const struct device *device = &devices[i];
        if (!device->present || !is_in(device, location)) {
            continue;
        }
        if (device->user < 0) {
            unnamed[device->active]++;
            continue;
        }
        if (done[device->user]) {
            continue;
        }
        done[device->user] = true;
        bool active = false;
        for (size_t k = 0; k < DEVICES; k++) {
            active |= devices[k].present && devices[k].active && devices[k].user == device->user;
        }
        named[active]++;
    }
}

static struct device *find_device(const cJSON *json, const struct sim_event *event)
{
    const char *mac = text_of(json, "macAddress");
    assert_memory_equal(mac, "02:00:5e:10:", 12);
    unsigned long number = strtoul(mac + 12, NULL, 16) << 8 | strtoul(mac + 15, NULL, 16);
    assert_true(number < DEVICES);
    struct device *device = &devices[number];
    const char *id = text_of(json, "deviceId");
    if (device->id[0] == '\0') {
        (void)snprintf(device->id, sizeof(device->id), "%s", id);
        device->partition = event->partition;
        const char *user = text_of(json, "userId");
        device->user = user[0] ? strtol(user + strlen("user-"), NULL, 16) - 0x1000 : -1;
    }
    assert_string_equal(device->id, id);
    assert_int_equal(device->partition, event->partition);
    return device;
}

static void enter(struct device *device, const cJSON *payload, const struct sim_event *event)
{
    assert_false(device->present);
    assert_false(device->exited);
    device->present = device->active = true;
    device->seen_ms = event->arrival_ms;
    device->located_ms = 0;
    device->entry_stamp = number_of(payload, "entryTimestamp");
    (void)snprintf(device->visit, sizeof(device->visit), "%s", text_of(payload, "visitId"));
    assert_true(device->entry_stamp <= event->arrival_ms);
    assert_int_equal(number_of(payload, "exitTimestamp"), 0);
}

static void leave(struct device *device, const cJSON *payload, const struct sim_event *event)
{
    int64_t left = number_of(payload, "exitTimestamp");
    assert_int_equal(number_of(payload, "entryTimestamp"), device->entry_stamp);
    assert_int_equal(number_of(payload, "visitDurationMinutes"),
                     (left - device->entry_stamp) / MINUTE);
    assert_true(left <= event->arrival_ms);
    assert_int_equal(device->active, !cJSON_IsTrue(get(payload, "wasInActive")));
    if (!device->active) {
        assert_true(event->arrival_ms - device->seen_ms >= 60 * MINUTE - 2);
    }
    device->present = device->active = false;
    device->exited = true;
}

static void follow_presence(const cJSON *payload, const struct sim_event *event)
{
    const char *kind = text_of(payload, "presenceEventType");
    struct device *device = find_device(get(payload, "device"), event);
    const char *floor = text_of(get(payload, "location"), "locationId");
    assert_true(is_in(device, floor));
    if (strcmp(kind, "DEVICE_ENTRY_EVENT") == 0) {
        seen_kinds[0]++;
        enter(device, payload, event);
    }
    assert_true(device->present);
    assert_string_equal(device->visit, text_of(payload, "visitId"));
    if (strcmp(kind, "DEVICE_IN_ACTIVE_EVENT") == 0) {
        seen_kinds[1]++;
        assert_true(device->active);
        int64_t silence = event->arrival_ms - device->seen_ms;
        assert_in_range(silence, 10 * MINUTE - 2, 10 * MINUTE + 5000);
        device->active = false;
    } else if (strcmp(kind, "DEVICE_ACTIVE_EVENT") == 0) {
        seen_kinds[2]++;
        assert_false(device->active);
        assert_true(cJSON_IsTrue(get(payload, "wasInActive")));
        device->active = true;
        device->seen_ms = event->arrival_ms;
    } else if (strcmp(kind, "DEVICE_EXIT_EVENT") == 0) {
        seen_kinds[3 + device->active]++;
        leave(device, payload, event);
    }
    assert_int_equal(number_of(payload, "activeDevicesCount"), count_devices(floor, true));
    assert_int_equal(number_of(payload, "inActiveDevicesCount"), count_devices(floor, false));
}

static void follow_user(const cJSON *payload)
{
    const char *building = text_of(get(payload, "location"), "locationId");
    const char *kind = text_of(payload, "presenceEventType");
    long user = strtol(text_of(get(payload, "user"), "userId") + strlen("user-"), NULL, 16);
    int named[2];
    int unnamed[2];
    count_users(building, named, unnamed);
    const cJSON *active = get(payload, "activeUsersCount");
    const cJSON *inactive = get(payload, "inActiveUsersCount");
    assert_int_equal(number_of(active, "usersWithUserId"), named[1]);
    assert_int_equal(number_of(active, "usersWithoutUserId"), unnamed[1]);
    assert_int_equal(number_of(active, "totalUsers"), named[1] + unnamed[1]);
    assert_int_equal(number_of(inactive, "usersWithUserId"), named[0]);
    assert_int_equal(number_of(inactive, "usersWithoutUserId"), unnamed[0]);
    bool present = false;
    for (size_t i = 0; i < DEVICES; i++) {
        present |= devices[i].present && devices[i].user == user - 0x1000;
    }
    assert_int_equal(present, strcmp(kind, "USER_EXIT_EVENT") != 0);
    seen_kinds[5] += strcmp(kind, "USER_EXIT_EVENT") == 0;
}

/* A zone has five levels up to the root, a floor four. */
static const char *floor_of(char chain[CHAIN][24])
{
    return chain[CHAIN - 1][0] ? chain[1] : chain[0];
}

/* Nobody runs: at most four feet a second along each axis, give or take what a sighting is off. */
static void follow_walk(struct device *device, const cJSON *payload, int64_t now_ms)
{
    double position[2] = {get(payload, "xPos")->valuedouble, get(payload, "yPos")->valuedouble};
    double reach = 4.5 + 4.0 * (double)(now_ms - device->located_ms) / 1000;
    for (int axis = 0; axis < 2 && device->located_ms > 0 && device->stayed; axis++) {
        double step = position[axis] - device->position[axis];
        assert_true(step <= reach && step >= -reach);
    }
    memcpy(device->position, position, sizeof(position));
    device->located_ms = now_ms;
    device->stayed = true;
}

/* Where a device is follows from every event that carries its place. */
static void follow_place(const cJSON *payload, const struct sim_event *event, bool sighting)
{
    struct device *device = find_device(get(payload, "device"), event);
    char chain[CHAIN][24];
    read_chain(get(payload, "location"), chain);
    bool same_floor = strcmp(floor_of(chain), floor_of(device->chain)) == 0;
    device->stayed = device->stayed && same_floor;
    zone_changes += sighting && same_floor && strcmp(chain[0], device->chain[0]) != 0;
    memcpy(device->chain, chain, sizeof(chain));
    if (sighting) {
        follow_walk(device, payload, event->arrival_ms);
        assert_true(device->present && device->active);
        assert_true(event->arrival_ms - device->seen_ms < 10 * MINUTE + 5000);
        assert_string_equal(device->visit, text_of(payload, "visitId"));
        device->seen_ms = event->arrival_ms;
    }
}

static void follow_camera(const cJSON *payload, bool raw)
{
    const char *place = text_of(get(payload, "location"), "locationId");
    int sum = 0;
    const char *id = raw ? text_of(payload, "cameraId") : "";
    bool known = false;
    for (size_t i = 0; i < camera_count; i++) {
        if (strcmp(cameras[i].place, place) != 0) {
            continue;
        }
        sum += cameras[i].count;
        if (raw && strcmp(cameras[i].id, id) == 0) {
            known = true;
            cameras[i].count = (int)number_of(payload, "count");
        }
    }
    if (raw && !known) {
        struct camera *camera = &cameras[camera_count++];
        (void)snprintf(camera->place, sizeof(camera->place), "%s", place);
        (void)snprintf(camera->id, sizeof(camera->id), "%s", id);
        camera->count = (int)number_of(payload, "count");
    } else if (!raw) {
        seen_kinds[6]++;
        assert_int_equal(number_of(payload, "count"), sum);
    }
}

static void follow(const char *type, const cJSON *payload, const struct sim_event *event)
{
    if (strcmp(type, "DEVICE_LOCATION_UPDATE") == 0) {
        follow_place(payload, event, true);
    } else if (strcmp(type, "DEVICE_ASSOCIATION") == 0 || strcmp(type, "WIFI_DEVICE_UPDATE") == 0) {
        follow_place(payload, event, false);
    } else if (strcmp(type, "DEVICE_PRESENCE") == 0) {
        follow_presence(payload, event);
    } else if (strcmp(type, "USER_PRESENCE") == 0) {
        follow_user(payload);
    } else if (strcmp(type, "DEVICE_ENTRY") == 0) {
        assert_true(find_device(get(payload, "device"), event)->present);
    } else if (strcmp(type, "DEVICE_EXIT") == 0) {
        struct device *device = find_device(get(payload, "device"), event);
        assert_true(device->exited && !device->present);
        assert_string_equal(device->visit, text_of(payload, "visitId"));
        device->exited = false;
    } else if (strcmp(type, "DEVICE_COUNT") == 0) {
        const char *place = text_of(get(payload, "location"), "locationId");
        seen_kinds[7]++;
        assert_int_equal(number_of(payload, "associatedCount"), count_devices(place, true));
    } else if (strstr(type, "CAMERA_COUNT")) {
        follow_camera(payload, type[0] == 'R');
    }
}

static void test_the_stream_is_a_world(void **state)
{
    (void)state;
    static char line[65536];
    struct sim_world *world = new_world(default_options());
    uint64_t events = sim_world_advance(world, 180 * MINUTE * 1000, UINT64_MAX);
    assert_int_equal(events, 10800 * 12ULL);
    sim_world_lock_read(world);
    for (uint64_t p = 0; p < events; p++) {
        struct sim_event event;
        sim_world_event(world, 1, p, &event);
        assert_int_equal(event.index, p); /* without jitter the order is the world's */
        cJSON *json = parse_line(line, sim_world_render(world, 1, p, line, sizeof(line)));
        const cJSON *payload = get(json, "eventType")->next;
        follow(text_of(json, "eventType"), payload, &event);
        cJSON_Delete(json);
    }
    sim_world_unlock_read(world);
    sim_world_free(world);
    for (size_t i = 0; i < 8; i++) { /* none of the checks was idle */
        assert_true(seen_kinds[i] > 20);
    }
    assert_true(zone_changes > 100);
}

/* Activation first; then the hierarchy, parents before children; later the older instance ends. */
static void test_the_activation_tells_the_hierarchy(void **state)
{
    (void)state;
    static char line[65536];
    static char known[256][24];
    size_t count = 0;
    bool activated = false;
    struct sim_world *world = new_world(default_options());
    (void)sim_world_advance(world, 600 * 1000000LL, UINT64_MAX);
    sim_world_lock_read(world);
    for (uint64_t p = 0; p < sim_world_end(world); p++) {
        cJSON *json = parse_line(line, sim_world_render(world, 1, p, line, sizeof(line)));
        const char *type = text_of(json, "eventType");
        activated |= strcmp(type, "APP_ACTIVATION") == 0;
        assert_true(activated || p > 0);
        if (strcmp(type, "LOCATION_CHANGE") == 0 && count < 200) {
            char chain[CHAIN][24];
            read_chain(get(get(json, "locationHierarchyChange"), "location"), chain);
            bool parent_known = chain[1][0] == '\0';
            for (size_t i = 0; i < count; i++) {
                parent_known |= strcmp(known[i], chain[1]) == 0;
            }
            assert_true(parent_known);
            memcpy(known[count++], chain[0], sizeof(chain[0]));
        }
        cJSON_Delete(json);
    }
    sim_world_unlock_read(world);
    assert_true(count > 30);
    sim_world_free(world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_has_the_samples_shape),
        cmocka_unit_test(test_the_stream_is_a_world),
        cmocka_unit_test(test_the_activation_tells_the_hierarchy),
    };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s sample-events.ndjson\n", argv[0]);
        return 2;
    }
    samples_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
