/* test_console_space.c: the bounded picture of the space: the tree, the counts, the devices on
 * their floors, and that a flood of unknown ones stays within the bounds. */
#include "space.h"

#include "fh/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key[SPACE_KEY_BYTES] = "a key of a test";

static struct space *make(bool ids)
{
    struct space *space = NULL;
    assert_int_equal(space_new(key, ids, &space), 0);
    return space;
}

static struct fh_slice text(const char *of)
{
    return (struct fh_slice){of, strlen(of)};
}

/* chain: ids from the leaf up, with spaces between; the first is a floor. */
static struct console_record at(const char *chain)
{
    static const enum console_level levels[] = {CONSOLE_LEVEL_FLOOR, CONSOLE_LEVEL_BUILDING,
                                                CONSOLE_LEVEL_CAMPUS, CONSOLE_LEVEL_ROOT};
    struct console_record record = {.device = {"", 0}, .zone = {"", 0}, .map = {"", 0}};
    record.tenant = record.map;
    while (*chain) {
        size_t len = strcspn(chain, " ");
        uint32_t n = record.location_count++;
        record.location[n].id = record.location[n].name = (struct fh_slice){chain, len};
        record.location[n].level = levels[n < 4 ? n : 3];
        chain += len + strspn(chain + len, " ");
    }
    return record;
}

static struct console_record seen(const char *chain, const char *device, double x, int64_t stamp)
{
    struct console_record record = at(chain);
    record.about = CONSOLE_ABOUT_POSITION;
    record.device = text(device);
    record.x = x;
    record.y = 2;
    record.timestamp_ms = stamp;
    return record;
}

static struct console_record counted(const char *chain, enum console_about about, int64_t count)
{
    struct console_record record = at(chain);
    record.about = about;
    record.count = count;
    return record;
}

static void apply(struct space *space, struct console_record record, int64_t now_ms)
{
    space_apply(space, &record, now_ms);
}

static const struct space_location *find(const struct space *space, const char *id)
{
    uint32_t index = space_find(space, id);
    return index == SPACE_NONE ? NULL : space_location(space, index);
}

static const char *parent_of(const struct space *space, const char *id)
{
    const struct space_location *location = find(space, id);
    assert_non_null(location);
    return location->parent == SPACE_NONE ? "" : space_location(space, location->parent)->id;
}

static void test_tree(void **state)
{
    (void)state;
    struct space *space = make(false);
    uint64_t version = space_version(space);
    apply(space, at("f1 b1 c1 r"), 1);
    apply(space, at("f2 b1 c1 r"), 2);
    assert_true(space_version(space) > version);
    version = space_version(space);
    apply(space, at("f1 b1 c1 r"), 3);
    assert_true(space_version(space) == version); /* nothing new was said */
    assert_string_equal(parent_of(space, "f1"), "b1");
    assert_string_equal(parent_of(space, "f2"), "b1");
    assert_string_equal(parent_of(space, "b1"), "c1");
    assert_string_equal(parent_of(space, "r"), "");
    assert_int_equal(find(space, "f2")->level, CONSOLE_LEVEL_FLOOR);
    apply(space, at("b1 c2 r"), 4); /* moved */
    assert_string_equal(parent_of(space, "b1"), "c2");
    assert_null(find(space, "nowhere"));
    assert_null(find(space, ""));
    space_free(space);
}

static void test_removed_with_all_in_it(void **state)
{
    (void)state;
    struct space *space = make(false);
    apply(space, seen("f1 b1 c1 r", "d", 1, 1), 1);
    apply(space, at("f2 b1 c1 r"), 1);
    apply(space, at("f3 b2 c1 r"), 1);
    apply(space, counted("b1 c1 r", CONSOLE_ABOUT_REMOVED, 0), 2);
    assert_null(find(space, "b1"));
    assert_null(find(space, "f1"));
    assert_null(find(space, "f2"));
    assert_non_null(find(space, "f3"));
    assert_non_null(find(space, "c1"));
    struct space_counters counters;
    space_counters(space, &counters);
    assert_int_equal(counters.devices, 0);
    assert_int_equal(counters.locations, 4);
    assert_int_equal(counters.locations_dropped, 0); /* that is for want of room only */
    apply(space, counted("b9 c1 r", CONSOLE_ABOUT_REMOVED, 0), 3);
    assert_null(find(space, "b9"));
    space_free(space);
}

static void test_rings_are_refused(void **state)
{
    (void)state;
    struct space *space = make(false);
    apply(space, at("a b a"), 1);
    apply(space, at("b a"), 2);
    apply(space, at("a a"), 3);
    assert_string_equal(parent_of(space, "a"), "b");
    assert_string_equal(parent_of(space, "b"), "");
    int64_t counts[SPACE_LOCATIONS_MAX];
    apply(space, seen("a b", "d", 1, 1), 4);
    space_count_devices(space, counts);
    assert_int_equal(counts[space_find(space, "b")], 1);
    space_free(space);
}

static void test_counts(void **state)
{
    (void)state;
    struct space *space = make(false);
    int64_t cameras[SPACE_LOCATIONS_MAX];
    apply(space, at("f1 b1"), 1);
    uint32_t floor = space_find(space, "f1");
    assert_int_equal(space_location(space, floor)->device_count, SPACE_COUNT_UNKNOWN);
    assert_int_equal(space_present(space_location(space, floor)), SPACE_COUNT_UNKNOWN);
    space_count_cameras(space, cameras);
    assert_int_equal(cameras[floor], SPACE_COUNT_UNKNOWN);

    apply(space, counted("f1 b1", CONSOLE_ABOUT_DEVICE_COUNT, 12), 2);
    apply(space, counted("f1 b1", CONSOLE_ABOUT_DEVICE_PRESENCE, 9), 2);
    assert_int_equal(space_location(space, floor)->device_count, 12);
    assert_int_equal(space_present(space_location(space, floor)), 9);
    apply(space, counted("f1 b1", CONSOLE_ABOUT_USER_PRESENCE, 7), 2);
    assert_int_equal(space_present(space_location(space, floor)), 7); /* people before devices */

    static const struct {
        const char *device, *zone;
        int64_t count, sum;
    } cases[] = {
        {"cam-1", "z-1", 3, 3}, {"cam-1", "z-2", 4, 7}, {"cam-1", "z-1", 1, 5}, {"tp-1", "", 2, 7}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct console_record record = counted("f1 b1", CONSOLE_ABOUT_COUNTER, cases[i].count);
        record.device = text(cases[i].device);
        record.zone = text(cases[i].zone);
        uint64_t version = space_version(space);
        apply(space, record, 3);
        assert_true(space_version(space) > version);
        space_count_cameras(space, cameras);
        assert_int_equal(cameras[floor], cases[i].sum);
    }
    apply(space, counted("f1 b1", CONSOLE_ABOUT_CAMERA_COUNT, 20), 4);
    space_count_cameras(space, cameras);
    assert_int_equal(cameras[floor], 20);
    assert_int_equal(cameras[space_find(space, "b1")], SPACE_COUNT_UNKNOWN);
    space_free(space);
}

/* Where the service says nothing, the sum of what lies there. */
static void test_devices_add_up(void **state)
{
    (void)state;
    struct space *space = make(false);
    int64_t counts[SPACE_LOCATIONS_MAX];
    apply(space, seen("f1 b1 c1 r", "d1", 1, 1), 1);
    apply(space, seen("f1 b1 c1 r", "d2", 1, 1), 1);
    apply(space, seen("f2 b1 c1 r", "d3", 1, 1), 1);
    apply(space, counted("f2 b1 c1 r", CONSOLE_ABOUT_DEVICE_COUNT, 10), 2);
    struct console_record zone = counted("z1 f1 b1 c1 r", CONSOLE_ABOUT_DEVICE_COUNT, 1);
    zone.location[0].level = CONSOLE_LEVEL_ZONE;
    zone.location[1].level = CONSOLE_LEVEL_FLOOR;
    zone.location[2].level = CONSOLE_LEVEL_BUILDING;
    apply(space, zone, 3);
    apply(space, at("f3 b2 c1 r"), 4);
    space_count_devices(space, counts);
    static const struct {
        const char *id;
        int64_t count;
    } cases[] = {{"z1", 1}, {"f1", 2}, {"f2", 10}, {"b1", 12}, {"b2", 0}, {"c1", 12}, {"r", 12}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(counts[space_find(space, cases[i].id)], cases[i].count);
    }
    apply(space, counted("c1 r", CONSOLE_ABOUT_DEVICE_COUNT, 15), 5);
    space_count_devices(space, counts);
    assert_int_equal(counts[space_find(space, "r")], 15);
    space_free(space);
}

static uint64_t key_of(const struct space *space, const char *floor)
{
    return space_device(space, find(space, floor)->newest)->key;
}

static size_t departures(const struct space *space, uint64_t since)
{
    size_t count = 0;
    uint64_t back = 0;
    while (space_departure(space, since, &back)) {
        count++;
    }
    return count;
}

static void test_devices_move(void **state)
{
    (void)state;
    struct space *space = make(false);
    apply(space, seen("f1 b1", "d1", 1, 100), 1000);
    apply(space, seen("f1 b1", "d2", 2, 100), 1001);
    apply(space, seen("f1 b1", "d1", 3, 101), 1002);
    const struct space_location *f1 = find(space, "f1");
    assert_int_equal(f1->device_seen, 2);
    assert_true(f1->x_max == 3);
    const struct space_device *newest = space_device(space, f1->newest);
    assert_true(newest->x == 3 && newest->seen_ms == 1002);
    apply(space, seen("f1 b1", "d1", 9, 50), 1003); /* late */
    assert_true(space_device(space, f1->newest)->x == 3);

    uint64_t since = space_changed(space);
    uint64_t d1 = key_of(space, "f1");
    apply(space, seen("f2 b1", "d1", 4, 102), 1004);
    assert_int_equal(find(space, "f1")->device_seen, 1);
    assert_int_equal(find(space, "f2")->device_seen, 1);
    assert_true(space_is_on(space, d1, space_find(space, "f2")));
    assert_false(space_is_on(space, d1, space_find(space, "f1")));
    assert_int_equal(departures(space, since), 1);
    assert_int_equal(departures(space, space_changed(space)), 0);
    int64_t counts[SPACE_LOCATIONS_MAX];
    space_count_devices(space, counts);
    assert_int_equal(counts[space_find(space, "b1")], 2);

    struct console_record exit = at("f2 b1");
    exit.about = CONSOLE_ABOUT_EXIT;
    exit.device = text("d1");
    exit.count = -1;
    exit.timestamp_ms = 101; /* before it was seen last */
    apply(space, exit, 1005);
    assert_int_equal(find(space, "f2")->device_seen, 1);
    exit.timestamp_ms = 103;
    apply(space, exit, 1006);
    assert_int_equal(find(space, "f2")->device_seen, 0);
    space_free(space);
}

/* Whoever goes upstairs has left the floor below, which the service says only minutes later. */
static void test_exit_from_elsewhere(void **state)
{
    (void)state;
    struct space *space = make(false);
    apply(space, seen("f1 b1", "d1", 1, 100), 1000);
    apply(space, seen("f2 b1", "d1", 1, 200), 2000);
    struct console_record exit = at("f1 b1");
    exit.about = CONSOLE_ABOUT_EXIT;
    exit.device = text("d1");
    exit.count = 4;
    exit.timestamp_ms = 300;
    apply(space, exit, 3000);
    assert_int_equal(find(space, "f2")->device_seen, 1);
    assert_int_equal(find(space, "f1")->presence, 4);

    struct console_record building = at("b1"); /* what its floor lies in */
    building.about = CONSOLE_ABOUT_EXIT;
    building.device = text("d1");
    building.count = -1;
    building.timestamp_ms = 301;
    apply(space, building, 3001);
    assert_int_equal(find(space, "f2")->device_seen, 0);

    apply(space, seen("f1 b1", "d2", 1, 400), 4000);
    struct console_record nowhere = {.about = CONSOLE_ABOUT_EXIT, .device = text("d2")};
    nowhere.timestamp_ms = 401;
    apply(space, nowhere, 4001);
    assert_int_equal(find(space, "f1")->device_seen, 0);
    space_free(space);
}

/* What only the other node had received is stored, and read, minutes later. */
static void test_late_counts(void **state)
{
    (void)state;
    struct space *space = make(false);
    static const enum console_about kinds[] = {
        CONSOLE_ABOUT_DEVICE_COUNT, CONSOLE_ABOUT_DEVICE_PRESENCE, CONSOLE_ABOUT_USER_PRESENCE,
        CONSOLE_ABOUT_CAMERA_COUNT, CONSOLE_ABOUT_COUNTER};
    for (size_t i = 0; i < FH_ARRAY_LEN(kinds); i++) {
        struct console_record record = counted("f1 b1", kinds[i], 7);
        record.device = text("camera");
        record.timestamp_ms = 200;
        apply(space, record, 1000);
        record.count = 40;
        record.timestamp_ms = 100;
        apply(space, record, 1001);
    }
    const struct space_location *f1 = find(space, "f1");
    int64_t cameras[SPACE_LOCATIONS_MAX];
    assert_int_equal(f1->device_count, 7);
    assert_int_equal(f1->presence, 7);
    assert_int_equal(f1->users, 7);
    assert_int_equal(f1->camera, 7);
    struct console_record other = counted("f2 b1", CONSOLE_ABOUT_COUNTER, 5);
    other.device = text("another");
    other.timestamp_ms = 200;
    apply(space, other, 1002);
    other.count = 50;
    other.timestamp_ms = 199;
    apply(space, other, 1003);
    other.count = 6;
    other.timestamp_ms = 200;
    apply(space, other, 1004);
    space_count_cameras(space, cameras);
    assert_int_equal(cameras[space_find(space, "f2")], 6);
    /* A stamp from the future does not hold for ever. */
    struct console_record future = counted("f2 b1", CONSOLE_ABOUT_DEVICE_COUNT, 9);
    future.timestamp_ms = INT64_C(1) << 50;
    apply(space, future, 2000);
    apply(space, counted("f2 b1", CONSOLE_ABOUT_DEVICE_COUNT, 3), 2000 + SPACE_LATE_MAX_MS - 1);
    assert_int_equal(find(space, "f2")->device_count, 9);
    apply(space, counted("f2 b1", CONSOLE_ABOUT_DEVICE_COUNT, 3), 2000 + SPACE_LATE_MAX_MS);
    assert_int_equal(find(space, "f2")->device_count, 3);
    space_free(space);
}

static void test_away_after_five_minutes(void **state)
{
    (void)state;
    struct space *space = make(false);
    apply(space, seen("f1", "d1", 1, 1), 1000);
    apply(space, seen("f1", "d2", 1, 1), 2000);
    apply(space, seen("f1", "d1", 2, 2), 3000);
    space_expire(space, 2000 + SPACE_AWAY_MS - 1);
    assert_int_equal(find(space, "f1")->device_seen, 2);
    space_expire(space, 2000 + SPACE_AWAY_MS);
    assert_int_equal(find(space, "f1")->device_seen, 1);
    space_expire(space, 3000 + SPACE_AWAY_MS);
    assert_int_equal(find(space, "f1")->device_seen, 0);
    assert_int_equal(departures(space, 0), 2);
    space_free(space);
}

/* More of everything than there is room for, twice over. */
static void test_flood(void **state)
{
    (void)state;
    struct space *space = make(false);
    char chain[64], device[32];
    struct space_counters counters;
    for (int i = 0; i < 3 * SPACE_DEVICES_MAX; i++) {
        snprintf(chain, sizeof(chain), "f%d b%d r", i / 20 % 5000, i / 100 % 500);
        snprintf(device, sizeof(device), "device-%d", i);
        apply(space, seen(chain, device, i % 100, i), i);
        if (i % 1000 == 0) {
            space_counters(space, &counters);
            assert_true(counters.locations <= SPACE_LOCATIONS_MAX);
            assert_true(counters.devices <= SPACE_DEVICES_MAX);
        }
    }
    space_counters(space, &counters);
    assert_true(counters.locations_dropped > 1000);
    assert_non_null(find(space, "r")); /* what all the others lie in stays */
    assert_false(space_remembers(space, 0));
    assert_true(space_remembers(space, space_changed(space)));
    assert_true(departures(space, 0) == SPACE_GONE_MAX);
    /* and the sums are still right */
    uint32_t sum = 0;
    int64_t tree = 0;
    int64_t counts[SPACE_LOCATIONS_MAX];
    space_count_devices(space, counts);
    for (uint32_t i = space_next(space, 0); i != SPACE_NONE; i = space_next(space, i + 1)) {
        const struct space_location *location = space_location(space, i);
        uint32_t walked = 0;
        for (uint32_t d = location->oldest; d != SPACE_NONE;
             d = space_device(space, d)->floor_newer) {
            assert_int_equal(space_device(space, d)->floor, i);
            walked++;
        }
        assert_int_equal(walked, location->device_seen);
        sum += walked;
        tree += location->parent == SPACE_NONE ? counts[i] : 0;
    }
    assert_int_equal(sum, counters.devices);
    assert_int_equal(tree, counters.devices);
    space_expire(space, INT64_C(1) << 40);
    space_counters(space, &counters);
    assert_int_equal(counters.devices, 0);
    space_free(space);
}

static void test_one_floor_takes_no_more_than_its_share(void **state)
{
    (void)state;
    struct space *space = make(false);
    char device[32];
    struct space_counters counters;
    for (int i = 0; i < SPACE_DEVICES_FLOOR_MAX + 10; i++) {
        snprintf(device, sizeof(device), "device-%d", i);
        apply(space, seen("f1", device, 1, i), i);
    }
    assert_int_equal(find(space, "f1")->device_seen, SPACE_DEVICES_FLOOR_MAX);
    /* from another floor onto the full one */
    apply(space, seen("f2", "x", 1, 1), 10000);
    apply(space, seen("f1", "x", 1, 2), 10001);
    assert_int_equal(find(space, "f1")->device_seen, SPACE_DEVICES_FLOOR_MAX);
    assert_int_equal(find(space, "f2")->device_seen, 0);
    space_counters(space, &counters);
    assert_int_equal(counters.devices_dropped, 11);
    space_free(space);
}

/* No room in the whole house: the one that was quiet for longest goes, whatever its floor. */
static void test_no_room_for_devices(void **state)
{
    (void)state;
    struct space *space = make(false);
    char device[32], floor[16];
    struct space_counters counters;
    for (int i = 0; i < SPACE_DEVICES_MAX + 100; i++) {
        snprintf(device, sizeof(device), "device-%d", i);
        snprintf(floor, sizeof(floor), "f%d", i % 100);
        apply(space, seen(floor, device, 1, i), i);
    }
    space_counters(space, &counters);
    assert_int_equal(counters.devices, SPACE_DEVICES_MAX);
    assert_int_equal(counters.devices_dropped, 100);
    assert_int_equal(find(space, "f7")->device_seen, 500);
    space_free(space);
}

static void test_names_of_devices(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        bool shown;
    } cases[] = {
        {"device-Xa3Kq9ZtLm2Rv7Wb0Yc01", true},
        {"tag 17", true},
        {"02:00:5e:10:00:01", false},
        {"02-00-5E-10-00-01", false},
        {"0200.5e10.0001", false},
        {"02005e100001", false},
        {"ble 02:00:5e:10:00:01 x", false},
        {"02:00:5e:ff:fe:10:00:01", false},
        {"jane@doe.example", false},
        {"0f5a2c7e-1111-4222-8333-444455556666", true},
    };
    struct space *hashed = make(false);
    struct space *shown = make(true);
    char name[SPACE_DEVICE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apply(hashed, seen("f1", cases[i].id, 1, 1), 1);
        apply(shown, seen("f1", cases[i].id, 1, 1), 1);
        const struct space_device *device = space_device(hashed, find(hashed, "f1")->newest);
        assert_string_not_equal(space_device_name(hashed, device, name), cases[i].id);
        assert_int_equal(strlen(name), 16);
        device = space_device(shown, find(shown, "f1")->newest);
        assert_int_equal(strcmp(space_device_name(shown, device, name), cases[i].id) == 0,
                         cases[i].shown);
    }
    /* one that is gone is still called the same */
    apply(shown, seen("f1", "tag 18", 1, 1), 2);
    space_expire(shown, 2 + SPACE_AWAY_MS);
    uint64_t back = 0;
    const struct space_gone *gone = space_departure(shown, 0, &back);
    assert_string_equal(space_gone_name(shown, gone, name), "tag 18");
    /* another process, another key: nothing to recognize anybody by */
    struct space *other = NULL;
    static const uint8_t other_key[SPACE_KEY_BYTES] = "another key ...";
    assert_int_equal(space_new(other_key, false, &other), 0);
    apply(other, seen("f1", "tag 17", 1, 1), 1);
    apply(hashed, seen("f1", "tag 17", 1, 2), 3);
    assert_true(key_of(other, "f1") != key_of(hashed, "f1"));
    space_free(other);
    space_free(hashed);
    space_free(shown);
}

static void test_map(void **state)
{
    (void)state;
    struct space *space = make(false);
    struct console_record record = at("f1 b1");
    record.map = text("m1");
    record.map_width = 200;
    record.map_length = 100;
    apply(space, record, 1);
    apply(space, seen("f1 b1", "d1", 1, 1), 2); /* says no map */
    const struct space_location *floor = find(space, "f1");
    assert_string_equal(floor->map, "m1");
    assert_true(floor->map_width == 200 && floor->map_length == 100);
    /* a zone of the floor: the dot and the map are the floor's */
    struct console_record zone = seen("z1 f1 b1", "d2", 5, 3);
    zone.location[0].level = CONSOLE_LEVEL_ZONE;
    zone.location[1].level = CONSOLE_LEVEL_FLOOR;
    apply(space, zone, 3);
    assert_int_equal(find(space, "f1")->device_seen, 2);
    assert_int_equal(find(space, "z1")->device_seen, 0);
    space_free(space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_removed_with_all_in_it),
        cmocka_unit_test(test_rings_are_refused),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_devices_add_up),
        cmocka_unit_test(test_devices_move),
        cmocka_unit_test(test_exit_from_elsewhere),
        cmocka_unit_test(test_late_counts),
        cmocka_unit_test(test_away_after_five_minutes),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_one_floor_takes_no_more_than_its_share),
        cmocka_unit_test(test_no_room_for_devices),
        cmocka_unit_test(test_names_of_devices),
        cmocka_unit_test(test_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
