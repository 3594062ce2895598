/* test_console_record.c: what the page reads from a record of every event type, and from odd ones;
 * and what it never reads. */
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char lines[64][4096];
static size_t line_count;

static int load(void **state)
{
    (void)state;
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "r");
    assert_non_null(file);
    while (line_count < 64 && fgets(lines[line_count], sizeof(lines[0]), file)) {
        lines[line_count][strcspn(lines[line_count], "\n")] = '\0';
        line_count++;
    }
    fclose(file);
    assert_int_equal(line_count, 30);
    return 0;
}

static const char *sample(const char *type)
{
    char text[64];
    snprintf(text, sizeof(text), "\"eventType\":\"%s\"", type);
    for (size_t i = 0; i < line_count; i++) {
        if (strstr(lines[i], text)) {
            return lines[i];
        }
    }
    fail_msg("no sample of %s", type);
    return "";
}

static bool read_text(const char *text, struct console_record *ret)
{
    memset(ret, 0xA5, sizeof(*ret));
    return console_record_read(text, strlen(text), ret);
}

static void expect(struct fh_slice slice, const char *wanted)
{
    if (slice.len != strlen(wanted) || memcmp(slice.data, wanted, slice.len) != 0) {
        fail_msg("\"%.*s\" instead of \"%s\"", (int)slice.len, slice.data, wanted);
    }
}

static void test_position(void **state)
{
    (void)state;
    struct console_record record;
    assert_true(read_text(sample("DEVICE_LOCATION_UPDATE"), &record));
    assert_int_equal(record.about, CONSOLE_ABOUT_POSITION);
    assert_int_equal(record.timestamp_ms, 1767225601137);
    expect(record.device, "device-Xa3Kq9ZtLm2Rv7Wb0Yc01");
    expect(record.map, "5f1d3c9a7b2e4468a0c1d2e3f4051627");
    expect(record.tenant, "EXAMPLE-PARTNER");
    assert_true(record.x == 112.25 && record.y == 48.5 && record.confidence == 24.0);
    assert_int_equal(record.location_count, 4);
    expect(record.location[0].id, "location-1f00a004");
    expect(record.location[0].name, "Floor 2");
    assert_int_equal(record.location[0].level, CONSOLE_LEVEL_FLOOR);
    expect(record.location[1].name, "Building 7");
    assert_int_equal(record.location[1].level, CONSOLE_LEVEL_BUILDING);
    assert_int_equal(record.location[2].level, CONSOLE_LEVEL_CAMPUS);
    expect(record.location[3].id, "location-1f00a001");
    assert_int_equal(record.location[3].level, CONSOLE_LEVEL_ROOT);
    static const char *const others[] = {"IOT_TELEMETRY", "IOT_USER_ACTION",
                                         "ASSET_LOCATION_UPDATE"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(read_text(sample(others[i]), &record));
        assert_int_equal(record.about, CONSOLE_ABOUT_POSITION);
        assert_true(record.device.len > 0 && record.map.len == 32 && record.x > 0);
    }
}

static void test_counts(void **state)
{
    (void)state;
    static const struct {
        const char *type, *device, *zone;
        enum console_about about;
        int64_t count;
    } cases[] = {
        {"DEVICE_COUNT", "", "", CONSOLE_ABOUT_DEVICE_COUNT, 41},
        {"DEVICE_PRESENCE", "", "", CONSOLE_ABOUT_DEVICE_PRESENCE, 41},
        {"USER_PRESENCE", "", "", CONSOLE_ABOUT_USER_PRESENCE, 41},
        {"CAMERA_COUNT", "", "", CONSOLE_ABOUT_CAMERA_COUNT, 14},
        {"RAW_CAMERA_COUNT", "EX2P-0000-0001", "zone-lobby", CONSOLE_ABOUT_COUNTER, 6},
        {"TP_PEOPLE_COUNT_UPDATE", "tp-0001", "", CONSOLE_ABOUT_COUNTER, 3},
        {"DEVICE_EXIT", "device-Xa3Kq9ZtLm2Rv7Wb0Yc05", "", CONSOLE_ABOUT_EXIT, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct console_record record;
        assert_true(read_text(sample(cases[i].type), &record));
        assert_int_equal(record.about, cases[i].about);
        assert_int_equal(record.count, cases[i].count);
        expect(record.device, cases[i].device);
        expect(record.zone, cases[i].zone);
        assert_true(record.location_count > 0);
    }
}

static void test_change_of_a_location(void **state)
{
    (void)state;
    struct console_record record;
    assert_true(read_text(sample("LOCATION_CHANGE"), &record));
    assert_int_equal(record.about, CONSOLE_ABOUT_NOTHING);
    expect(record.map, "5f1d3c9a7b2e4468a0c1d2e3f4051627");
    assert_true(record.map_width == 266.5 && record.map_length == 150.0);
    assert_true(read_text("{\"eventType\":\"LOCATION_CHANGE\",\"locationHierarchyChange\":"
                          "{\"changeType\":\"REMOVE\",\"location\":{\"locationId\":\"l-1\"}}}",
                          &record));
    assert_int_equal(record.about, CONSOLE_ABOUT_REMOVED);
    /* an anchor that is removed is no location */
    assert_true(read_text("{\"eventType\":\"LOCATION_ANCHOR_UPDATE\",\"locationAnchorUpdate\":"
                          "{\"changeType\":\"REMOVE\",\"location\":{\"locationId\":\"l-1\"}}}",
                          &record));
    assert_int_equal(record.about, CONSOLE_ABOUT_NOTHING);
}

static void test_nothing_to_see(void **state)
{
    (void)state;
    static const char *const types[] = {"KEEP_ALIVE", "PROFILE_UPDATE", "NETWORK_STATUS_UPDATE",
                                        "APP_ACTIVATION", "ACCOUNT_ADMIN_ACTIVATION"};
    struct console_record record;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_false(read_text(sample(types[i]), &record));
    }
    static const char *const texts[] = {
        "", "x", "[]", "{", "{}", "{\"a\"", "{\"a\":1,}", "{\"a\":{\"location\":{}}} x"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(read_text(texts[i], &record));
    }
}

/* Every beginning of every sample: nothing of it is read, nothing beyond it is looked at. */
static void test_cut_off(void **state)
{
    (void)state;
    struct console_record record;
    for (size_t i = 0; i < line_count; i++) {
        size_t len = strlen(lines[i]);
        for (size_t cut = 0; cut < len; cut++) {
            char *text = malloc(cut + 1); /* of its exact size, for the address sanitizer */
            assert_non_null(text);
            memcpy(text, lines[i], cut);
            assert_false(console_record_read(text, cut, &record));
            free(text);
        }
    }
}

#define UPDATE(location, device, x, y)                                                             \
    "{\"eventType\":\"DEVICE_LOCATION_UPDATE\",\"deviceLocationUpdate\":{\"location\":" location   \
    ",\"device\":{\"deviceId\":" device "},\"xPos\":" x ",\"yPos\":" y "}}"
#define PLACE "{\"locationId\":\"l-1\"}"

static void test_odd_values(void **state)
{
    (void)state;
    struct console_record record;
    assert_true(read_text(UPDATE(PLACE, "\"d\"", "\"1.5\"", "-2e1"), &record));
    assert_int_equal(record.about, CONSOLE_ABOUT_POSITION);
    assert_true(record.x == 1.5 && record.y == -20 && record.confidence == 0);
    static const char *const nowhere[] = {
        UPDATE(PLACE, "\"d\"", "null", "1"),    UPDATE(PLACE, "\"d\"", "1e300", "1"),
        UPDATE(PLACE, "\"d\"", "\"nan\"", "1"), UPDATE(PLACE, "\"\"", "1", "1"),
        UPDATE(PLACE, "7", "1", "1"),           UPDATE(PLACE, "\"a\\n\"", "1", "1"),
        UPDATE(PLACE, "\"d\"", "[1]", "1"),     UPDATE(PLACE, "\"d\"", "\"1 \"", "1"),
    };
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        assert_true(read_text(nowhere[i], &record));
        assert_int_equal(record.about, CONSOLE_ABOUT_NOTHING);
    }
    static const char *const no_place[] = {
        UPDATE("{\"locationId\":\"a\\\"b\"}", "\"d\"", "1", "1"),
        UPDATE("{\"locationId\":\"\"}", "\"d\"", "1", "1"),
        UPDATE("{\"name\":\"n\"}", "\"d\"", "1", "1"),
        UPDATE("[{\"locationId\":\"l-1\"}]", "\"d\"", "1", "1"),
    };
    for (size_t i = 0; i < sizeof(no_place) / sizeof(no_place[0]); i++) {
        read_text(no_place[i], &record);
        assert_int_equal(record.location_count, 0);
    }
    /* a count that is none */
    assert_true(read_text("{\"a\":{\"location\":" PLACE ",\"associatedCount\":-1}}", &record));
    assert_int_equal(record.about, CONSOLE_ABOUT_NOTHING);
}

static void test_names(void **state)
{
    (void)state;
    struct console_record record;
    char text[512], wanted[CONSOLE_NAME_MAX + 1], name[200] = "";
    assert_true(read_text("{\"a\":{\"location\":{\"locationId\":\"l\",\"name\":\"K\\u00fcche "
                          "\\\"A\\\"\",\"inferredLocationTypes\":[\"NETWORK\",\"BUILDING\"]}}}",
                          &record));
    expect(record.location[0].name, "K\xC3\xBC"
                                    "che \"A\"");
    assert_int_equal(record.location[0].level, CONSOLE_LEVEL_BUILDING);
    /* cut at 64 bytes, never inside a character: as it stands, and written as escapes */
    for (int i = 0; i < 40; i++) {
        strcat(name, i == 0 ? "x" : "\xE2\x82\xAC");
    }
    memcpy(wanted, name, 64);
    wanted[64] = '\0';
    snprintf(text, sizeof(text), "{\"a\":{\"location\":{\"locationId\":\"l\",\"name\":\"%s\"}}}",
             name);
    assert_true(read_text(text, &record));
    expect(record.location[0].name, wanted);
    char *at = text + snprintf(text, sizeof(text),
                               "{\"a\":{\"location\":{\"locationId\":\"l\",\"name\":\"xx");
    for (int i = 0; i < 40; i++) {
        at += sprintf(at, "\\u20ac");
    }
    strcpy(at, "\"}}}");
    assert_true(read_text(text, &record));
    assert_int_equal(record.location[0].name.len, 62);
    /* a word inside another is no level */
    assert_true(read_text("{\"a\":{\"location\":{\"locationId\":\"l\",\"inferredLocationTypes\":"
                          "[\"FLOORING\",\"SUBZONE\",\"ROOT\"]}}}",
                          &record));
    assert_int_equal(record.location[0].level, CONSOLE_LEVEL_ROOT);
}

static void test_deep_chain(void **state)
{
    (void)state;
    struct console_record record;
    char text[4096] = "{\"a\":{\"location\":";
    for (int i = 0; i < 40; i++) {
        sprintf(text + strlen(text), "{\"locationId\":\"l-%d\",\"parent\":", i);
    }
    strcat(text, "{}");
    for (int i = 0; i < 42; i++) {
        strcat(text, "}");
    }
    assert_true(read_text(text, &record));
    assert_int_equal(record.location_count, FH_LOCATIONS_MAX);
    expect(record.location[15].id, "l-15");
}

/* As cJSON and fh_record_facts take it; a payload has no name of its own and may be one of several.
 */
static void test_the_first_of_equal_keys_counts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *device;
    } cases[] = {
        {"{\"a\":{\"device\":{\"deviceId\":\"1\",\"deviceId\":\"2\"},\"xPos\":1,\"yPos\":1}}", "1"},
        {"{\"a\":{\"device\":{},\"device\":{\"deviceId\":\"2\"},\"xPos\":1,\"yPos\":1}}", ""},
        {"{\"a\":{\"device\":1,\"d\\u0065vice\":{\"deviceId\":\"2\"},\"xPos\":1,\"yPos\":1}}", ""},
        {"{\"a\":{\"device\":{}},\"a\":{\"device\":{\"deviceId\":\"2\"},\"xPos\":1,\"yPos\":1}}",
         "2"},
        {"{\"eventType\":1,\"eventType\":{\"device\":{\"deviceId\":\"2\"},\"xPos\":1,\"yPos\":1}}",
         ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct console_record record;
        assert_int_equal(read_text(cases[i].text, &record), cases[i].device[0] != '\0');
        if (cases[i].device[0]) {
            expect(record.device, cases[i].device);
        }
    }
}

/* Whatever it reads of the samples, these are not among it. */
static void test_personal_data_is_never_read(void **state)
{
    (void)state;
    static const char *const never[] = {"Pat",   "Doe",   "Sam",     "Roe",      "@example.com",
                                        "02:00", "user-", "pat",     "192.0.2.", "example-staff",
                                        "co2-2", "pump",  "Meeting", "Room 2"};
    for (size_t i = 0; i < line_count; i++) {
        struct console_record record;
        if (!read_text(lines[i], &record)) {
            continue;
        }
        char all[8192] = "";
        size_t len = 0;
        /* a thing may be known by its address: that one is only ever hashed (space.c) */
        bool thing = strstr(lines[i], "\"deviceId\":\"02:") != NULL;
        const struct fh_slice slices[] = {thing ? record.zone : record.device, record.zone,
                                          record.map, record.tenant};
        for (size_t s = 0; s < 4; s++) {
            len += (size_t)sprintf(all + len, "%.*s\n", (int)slices[s].len, slices[s].data);
        }
        for (uint32_t s = 0; s < record.location_count; s++) {
            len += (size_t)sprintf(all + len, "%.*s %.*s\n", (int)record.location[s].id.len,
                                   record.location[s].id.data, (int)record.location[s].name.len,
                                   record.location[s].name.data);
        }
        for (size_t n = 0; n < sizeof(never) / sizeof(never[0]); n++) {
            if (strstr(all, never[n])) {
                fail_msg("\"%s\" was read from %s", never[n], lines[i]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_change_of_a_location),
        cmocka_unit_test(test_nothing_to_see),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_deep_chain),
        cmocka_unit_test(test_the_first_of_equal_keys_counts),
        cmocka_unit_test(test_personal_data_is_never_read),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
