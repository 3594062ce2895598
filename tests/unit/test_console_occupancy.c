/* test_console_occupancy.c: the last hour of each place: what was counted when, holes, places that
 * come and go, and that a flood of them stays within the bounds. */
#include "occupancy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN 1234567 /* some instant */

static struct space *space;
static struct occupancy *occupancy;
static int64_t now_ms;

static int setup(void **state)
{
    static const uint8_t key[SPACE_KEY_BYTES] = "a key of a test";
    (void)state;
    assert_int_equal(space_new(key, false, &space), 0);
    occupancy = calloc(1, sizeof(*occupancy));
    assert_non_null(occupancy);
    now_ms = BEGIN;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_free(space);
    free(occupancy);
    return 0;
}

static void say(const char *id, enum console_level level, enum console_about about, int64_t count)
{
    struct console_record record = {.about = about, .count = count, .location_count = 2};
    record.device = record.zone = record.map = record.tenant = (struct fh_slice){"", 0};
    record.location[0].id = record.location[0].name = (struct fh_slice){id, strlen(id)};
    record.location[0].level = level;
    record.location[1].id = record.location[1].name = (struct fh_slice){"house", 5};
    record.location[1].level = CONSOLE_LEVEL_BUILDING;
    space_apply(space, &record, now_ms);
}

static void say_devices(const char *floor, int64_t count)
{
    say(floor, CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_DEVICE_COUNT, count);
}

/* A sample so many steps after the last one. */
static void sample(int64_t steps)
{
    now_ms += steps * OCCUPANCY_STEP_MS;
    assert_true(occupancy_add(occupancy, space, now_ms, now_ms + 7));
    assert_int_equal(occupancy->wall_ms, now_ms + 7);
}

static const struct occupancy_place *place(const char *id)
{
    const struct occupancy_place *found = occupancy_find(occupancy, id);
    assert_non_null(found);
    return found;
}

static size_t count(const char *id)
{
    return occupancy_count(occupancy, place(id));
}

/* The i-th newest. */
static int32_t back(const char *id, size_t i, enum occupancy_figure figure)
{
    return occupancy_at(occupancy, place(id), count(id) - 1 - i, figure);
}

static void test_what_was_counted_when(void **state)
{
    (void)state;
    assert_null(occupancy_find(occupancy, "f1"));
    assert_null(occupancy_find(occupancy, ""));
    say_devices("f1", 10);
    sample(0);
    assert_null(occupancy_find(occupancy, ""));
    assert_int_equal(count("f1"), 1);
    assert_int_equal(back("f1", 0, OCCUPANCY_DEVICES), 10);
    assert_int_equal(back("f1", 0, OCCUPANCY_PRESENT), OCCUPANCY_UNKNOWN);
    assert_int_equal(back("f1", 0, OCCUPANCY_CAMERA), OCCUPANCY_UNKNOWN);
    assert_int_equal(back("house", 0, OCCUPANCY_DEVICES), 10); /* what lies in it */
    say_devices("f1", 99);
    assert_false(occupancy_add(occupancy, space, now_ms + OCCUPANCY_STEP_MS - 1, 3)); /* not yet */
    assert_int_equal(back("f1", 0, OCCUPANCY_DEVICES), 10);
    say_devices("f1", 12);
    say("f1", CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_DEVICE_PRESENCE, 8);
    say("f1", CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_CAMERA_COUNT, 5);
    say_devices("f2", 30);
    sample(1);
    say("f1", CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_USER_PRESENCE, 6);
    say("house", CONSOLE_LEVEL_BUILDING, CONSOLE_ABOUT_DEVICE_COUNT, 50);
    say("house", CONSOLE_LEVEL_BUILDING, CONSOLE_ABOUT_USER_PRESENCE, 40);
    sample(1);
    static const int32_t wanted[3][OCCUPANCY_FIGURES] = {{12, 6, 5}, {12, 8, 5}, {10, -1, -1}};
    assert_int_equal(count("f1"), 3);
    for (size_t i = 0; i < 3; i++) {
        for (unsigned figure = 0; figure < OCCUPANCY_FIGURES; figure++) {
            assert_int_equal(back("f1", i, (enum occupancy_figure)figure), wanted[i][figure]);
        }
    }
    assert_int_equal(count("f2"), 2); /* nothing is made up from before it was heard of */
    assert_int_equal(back("f2", 1, OCCUPANCY_DEVICES), 30);
    assert_int_equal(back("house", 1, OCCUPANCY_DEVICES), 42);
    assert_int_equal(back("house", 0, OCCUPANCY_DEVICES), 50);
    assert_int_equal(back("house", 0, OCCUPANCY_PRESENT), 40);
}

static void test_zones_have_none(void **state)
{
    (void)state;
    say("z", CONSOLE_LEVEL_ZONE, CONSOLE_ABOUT_DEVICE_COUNT, 3);
    say("?", CONSOLE_LEVEL_OTHER, CONSOLE_ABOUT_DEVICE_COUNT, 3);
    say("c", CONSOLE_LEVEL_CAMPUS, CONSOLE_ABOUT_DEVICE_COUNT, (int64_t)INT32_MAX + 5);
    sample(0);
    assert_null(occupancy_find(occupancy, "z"));
    assert_null(occupancy_find(occupancy, "?"));
    assert_int_equal(back("c", 0, OCCUPANCY_DEVICES), INT32_MAX);
    assert_int_equal(occupancy->left_out, 0);
}

static void test_a_hole_stays_a_hole(void **state)
{
    (void)state;
    say_devices("f1", 1);
    sample(0);
    sample(4);
    assert_int_equal(count("f1"), 5);
    assert_int_equal(back("f1", 4, OCCUPANCY_DEVICES), 1);
    for (size_t i = 1; i < 4; i++) {
        for (unsigned figure = 0; figure < OCCUPANCY_FIGURES; figure++) {
            assert_int_equal(back("f1", i, (enum occupancy_figure)figure), OCCUPANCY_UNKNOWN);
        }
    }
    assert_int_equal(back("f1", 0, OCCUPANCY_DEVICES), 1);
    sample(OCCUPANCY_SAMPLES - 1); /* all of the ring but one */
    assert_int_equal(count("f1"), OCCUPANCY_SAMPLES);
    for (size_t i = 1; i < OCCUPANCY_SAMPLES - 1; i++) {
        assert_int_equal(back("f1", i, OCCUPANCY_DEVICES), OCCUPANCY_UNKNOWN);
    }
    assert_int_equal(back("f1", OCCUPANCY_SAMPLES - 1, OCCUPANCY_DEVICES), 1);
    sample(100000);
    assert_int_equal(count("f1"), 1); /* nothing of the last hour is known */
}

static void test_an_hour_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * OCCUPANCY_SAMPLES + 17; i++) {
        say_devices("f1", i);
        sample(i > 0);
        assert_int_equal(count("f1"), i < OCCUPANCY_SAMPLES ? i + 1 : OCCUPANCY_SAMPLES);
    }
    for (int i = 0; i < OCCUPANCY_SAMPLES; i++) {
        assert_int_equal(back("f1", (size_t)i, OCCUPANCY_DEVICES), 3 * OCCUPANCY_SAMPLES + 16 - i);
    }
    assert_true(sizeof(*occupancy) < 2400000); /* as the manual page says */
}

static void test_a_place_that_leaves(void **state)
{
    (void)state;
    say_devices("f1", 5);
    sample(0);
    say("f1", CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_REMOVED, 0);
    sample(1);
    assert_int_equal(back("f1", 0, OCCUPANCY_DEVICES), OCCUPANCY_UNKNOWN);
    assert_int_equal(back("f1", 1, OCCUPANCY_DEVICES), 5);
    say_devices("f1", 6); /* and is back within the hour */
    sample(1);
    assert_int_equal(count("f1"), 3);
    assert_int_equal(back("f1", 2, OCCUPANCY_DEVICES), 5);
    say("f1", CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_REMOVED, 0);
    sample(OCCUPANCY_SAMPLES - 1);
    assert_int_equal(back("f1", OCCUPANCY_SAMPLES - 1, OCCUPANCY_DEVICES), 6);
    sample(1);
    assert_null(occupancy_find(occupancy, "f1"));
}

static void test_a_flood(void **state)
{
    (void)state;
    char id[32];
    sample(0);
    for (int i = 0; i < OCCUPANCY_PLACES_MAX + 88; i++) { /* and the house they are in */
        snprintf(id, sizeof(id), "floor-%d", i);
        say_devices(id, i);
    }
    sample(1);
    assert_int_equal(occupancy->left_out, 89);
    size_t kept = 0;
    int first_without = -1;
    for (int i = 0; i < OCCUPANCY_PLACES_MAX + 88; i++) {
        snprintf(id, sizeof(id), "floor-%d", i);
        if (occupancy_find(occupancy, id)) {
            kept++;
            assert_int_equal(back(id, 0, OCCUPANCY_DEVICES), i);
        } else if (first_without < 0) {
            first_without = i;
        }
    }
    assert_int_equal(kept, OCCUPANCY_PLACES_MAX - 1);
    place("house");
    /* One that leaves makes room, and only one. */
    snprintf(id, sizeof(id), "floor-%d", first_without > 0 ? 0 : 1);
    place(id);
    say(id, CONSOLE_LEVEL_FLOOR, CONSOLE_ABOUT_REMOVED, 0);
    sample(1);
    assert_null(occupancy_find(occupancy, id));
    assert_int_equal(occupancy->left_out, 88);
    size_t now_kept = 0, of_before = 0;
    for (int i = 0; i < OCCUPANCY_PLACES_MAX; i++) {
        const struct occupancy_place *at = &occupancy->place[i];
        now_kept += at->id[0] != '\0';
        of_before += occupancy_count(occupancy, at) >= 2;
    }
    assert_int_equal(now_kept, OCCUPANCY_PLACES_MAX);
    assert_int_equal(of_before, OCCUPANCY_PLACES_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_counted_when, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zones_have_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hole_stays_a_hole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_hour_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_place_that_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flood, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
