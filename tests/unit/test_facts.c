/* test_facts.c: whom a record is about and where, for every event type, and for odd records. */
#include "fh/facts.h"

#include "facts_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_slice(struct fh_slice slice, const char *wanted)
{
    if (slice.len != strlen(wanted) || memcmp(slice.data, wanted, slice.len) != 0) {
        fail_msg("\"%.*s\" instead of \"%s\"", (int)slice.len, slice.data, wanted);
    }
}

#define FLOOR                                                                                      \
    {                                                                                              \
        "location-1f00a004", "location-1f00a003", "location-1f00a002", "location-1f00a001"         \
    }
#define LOBBY                                                                                      \
    {                                                                                              \
        "location-1f00a05", "location-1f00a004", "location-1f00a003", "location-1f00a002",         \
            "location-1f00a001"                                                                    \
    }

/* In the order of the samples. */
static const struct {
    const char *type, *device, *location[6];
} samples[] = {
    {"KEEP_ALIVE", "", {NULL}},
    {"DEVICE_LOCATION_UPDATE", "device-Xa3Kq9ZtLm2Rv7Wb0Yc01", FLOOR},
    {"DEVICE_PRESENCE", "device-Xa3Kq9ZtLm2Rv7Wb0Yc01", FLOOR},
    {"USER_PRESENCE", "user-7c21", {"location-1f00a003", "location-1f00a002", "location-1f00a001"}},
    {"PROFILE_UPDATE", "device-Xa3Kq9ZtLm2Rv7Wb0Yc03", {NULL}},
    {"DEVICE_COUNT", "", FLOOR},
    {"DEVICE_ASSOCIATION", "device-Xa3Kq9ZtLm2Rv7Wb0Yc01", FLOOR},
    {"DEVICE_RSSI_UPDATE", "02:00:5e:10:00:01", FLOOR},
    {"NETWORK_TELEMETRY", "", FLOOR},
    {"NETWORK_STATUS_UPDATE", "connector-31", {NULL}},
    {"WIFI_DEVICE_UPDATE", "device-Xa3Kq9ZtLm2Rv7Wb0Yc04", FLOOR},
    {"IOT_TELEMETRY", "02:00:5e:30:00:01", FLOOR},
    {"IOT_USER_ACTION", "02:00:5e:30:00:02", FLOOR},
    {"BLE_RSSI_UPDATE", "02:00:5e:30:00:03", FLOOR},
    {"ASSET_LOCATION_UPDATE", "02:00:5e:30:00:04", FLOOR},
    {"CAMERA_COUNT", "", LOBBY},
    {"RAW_CAMERA_COUNT", "EX2P-0000-0001", LOBBY},
    {"LOCATION_CHANGE", "", FLOOR},
    {"LOCATION_ANCHOR_UPDATE", "", FLOOR},
    {"AP_TOPOLOGY_CHANGE", "", FLOOR},
    {"WEBEX_TELEMETRY", "webex-device-0001", FLOOR},
    {"SPACE_OCCUPANCY", "", FLOOR},
    {"SPACE_OCCUPANCY_CHANGE", "", FLOOR},
    {"BUILDING_FEATURE", "", FLOOR},
    {"APP_ACTIVATION", "", {NULL}},
    {"DEVICE_ENTRY", "device-Xa3Kq9ZtLm2Rv7Wb0Yc05", FLOOR},
    {"DEVICE_EXIT", "device-Xa3Kq9ZtLm2Rv7Wb0Yc05", FLOOR},
    {"TP_PEOPLE_COUNT_UPDATE", "tp-0001", FLOOR},
    {"ACCOUNT_ADMIN_ACTIVATION", "", {NULL}},
    {"APP_DE_ACTIVATION", "", {NULL}},
};

/* From a copy of its exact size, so that the address sanitizer sees the first byte read too many.
 * The caller frees it when done with the slices. */
static char *facts_of(const char *text, struct fh_record_facts *ret)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    fh_record_facts(copy, len, ret);
    return copy;
}

static void every_event_type(void **state)
{
    (void)state;
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "r");
    assert_non_null(file);
    static char line[16384];
    size_t count = 0;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        assert_true(count < sizeof(samples) / sizeof(samples[0]));
        struct fh_record_facts facts;
        char *copy = facts_of(line, &facts);
        print_message("%s\n", samples[count].type);
        expect_slice(facts.type, samples[count].type);
        expect_slice(facts.device, samples[count].device);
        unsigned levels = 0;
        for (; samples[count].location[levels]; levels++) {
            expect_slice(facts.location[levels], samples[count].location[levels]);
        }
        assert_int_equal(facts.location_count, levels);
        expect_slice(facts.tenant, count == 0 ? "" : "spaces-tenant-0a1b2c3d");
        cJSON *root = cJSON_Parse(line);
        assert_true(oracle_agrees(&facts, root));
        cJSON_Delete(root);
        free(copy);
        count++;
    }
    fclose(file);
    assert_int_equal(count, sizeof(samples) / sizeof(samples[0]));
}

#define RECORD(rest) "{\"recordUid\":\"u\",\"recordTimestamp\":7,\"eventType\":\"T\"" rest "}"

/* What stands where. first: the location's first id. */
static const struct {
    const char *text, *device, *first;
    unsigned locations;
} odd[] = {
    {RECORD(""), "", "", 0},
    {RECORD(",\"x\":{}"), "", "", 0},
    {RECORD(",\"x\":{ \"device\" : { } , \"location\" : { } }"), "", "", 0},
    {RECORD(",\"x\":[{\"deviceId\":\"d\"}]"), "", "", 0},
    {RECORD(",\"deviceId\":\"not in a payload\""), "", "", 0},
    /* a type nobody has heard of */
    {RECORD(",\"tomorrow\":{\"device\":{\"deviceId\":\"d\"},\"location\":{\"locationId\":\"l\"}}"),
     "d", "l", 1},
    /* the better answer, wherever it stands */
    {RECORD(",\"x\":{\"cameraId\":\"c\",\"user\":{\"userId\":\"u\"},\"macAddress\":\"m\","
            "\"device\":{\"macAddress\":\"n\",\"deviceId\":\"d\"}}"),
     "d", "", 0},
    {RECORD(",\"x\":{\"cameraId\":\"c\",\"user\":{\"userId\":\"u\"},\"macAddress\":\"m\","
            "\"device\":{\"macAddress\":\"n\",\"deviceId\":\"\"}}"),
     "n", "", 0},
    {RECORD(",\"x\":{\"cameraId\":\"c\",\"user\":{\"userId\":\"u\"},\"macAddress\":\"m\","
            "\"device\":{\"macAddress\":7,\"deviceId\":null}}"),
     "m", "", 0},
    {RECORD(",\"x\":{\"cameraId\":\"c\",\"user\":{\"userId\":\"u\"}}"), "u", "", 0},
    {RECORD(",\"x\":{\"cameraId\":\"c\",\"device\":\"none\",\"user\":[]}"), "c", "", 0},
    {RECORD(",\"x\":{\"controllerInfo\":{\"id\":\"k\"},\"connectorInfo\":{\"id\":\"i\"}}"), "i", "",
     0},
    /* the first of equal keys, even when it is of no use */
    {RECORD(",\"x\":{\"device\":7,\"device\":{\"deviceId\":\"d\"},\"cameraId\":\"c\","
            "\"cameraId\":\"e\"}"),
     "c", "", 0},
    {RECORD(",\"x\":{\"location\":{\"locationId\":1,\"locationId\":\"l\",\"parent\":{},\"parent\":{"
            "\"locationId\":\"p\"}}}"),
     "", "", 0},
    /* escapes in keys and values */
    {RECORD(",\"x\":{\"d\\u0065vice\":{\"device\\u0049d\":\"a\\u0062\\/\"},"
            "\"location\":{\"parent\":{\"locationId\":\"\\u00e9\"}}}"),
     "ab/", "\xc3\xa9", 1},
    {RECORD(",\"x\":{\"device\":{\"deviceId\":\"a\\u0000b\",\"macAddress\":\"m\"},"
            "\"location\":{\"locationId\":\"\\u0000\"}}"),
     "m", "", 0},
    /* a level without an id; the leaf's id behind its parent */
    {RECORD(",\"x\":{\"location\":{\"parent\":{\"name\":\"n\",\"parent\":{\"locationId\":\"root\"}}"
            ",\"locationId\":\"leaf\"}}"),
     "", "leaf", 2},
    /* two payloads: one location, not a mixture */
    {RECORD(",\"a\":{\"location\":{}},\"b\":{\"location\":{\"locationId\":\"b\"}},"
            "\"c\":{\"location\":{\"parent\":{\"locationId\":\"c\"}}}"),
     "", "b", 1},
};

static void odd_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct fh_record_facts facts;
        char *copy = facts_of(odd[i].text, &facts);
        print_message("%s\n", odd[i].text);
        expect_slice(facts.uid, "u");
        assert_true(facts.timestamp_ms == 7);
        expect_slice(facts.device, odd[i].device);
        assert_int_equal(facts.location_count, odd[i].locations);
        expect_slice(facts.location[0], odd[i].first);
        free(copy);
    }
}

static void what_is_no_record(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "7",
        RECORD(",\"x\":{\"device\":{\"deviceId\":\"d\"}") "x",
        RECORD(",\"x\":{\"device\":{\"deviceId\":\"d\"}"),
        RECORD(",\"x\":{\"device\":{\"deviceId\":\"d\"}},"),
        RECORD(",\"x\":{\"device\":{\"deviceId\":\"d\",}}"),
        RECORD(",\"x\":{\"device\":{,\"deviceId\":\"d\"}}"),
        RECORD(",\"x\":{\"device\":{\"deviceId\"}}"),
        RECORD(",\"x\":{\"device\":{\"deviceId\":}}"),
        RECORD(",\"x\":{\"device\":{\"deviceId\":\"d\"}}") "}",
        "{\"recordUid\":\"u\",\"eventType\":\"T\",\"x\":{\"device\":{\"deviceId\":\"d\"}}}",
        "{\"recordUid\":{\"deviceId\":\"d\"},\"recordTimestamp\":7,\"eventType\":\"T\"}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fh_record_facts facts;
        memset(&facts, 0xA5, sizeof(facts));
        char *copy = facts_of(texts[i], &facts);
        print_message("%s\n", texts[i]);
        expect_slice(facts.uid, "");
        expect_slice(facts.type, "");
        expect_slice(facts.tenant, "");
        expect_slice(facts.device, "");
        assert_true(facts.timestamp_ms == 0);
        assert_int_equal(facts.location_count, 0);
        expect_slice(facts.location[FH_LOCATIONS_MAX - 1], "");
        expect_slice(fh_record_lane(&facts), "");
        free(copy);
    }
}

static void limits(void **state)
{
    (void)state;
    static char text[32768];
    char longest[FH_DEVICE_MAX + 2];
    memset(longest, 'd', sizeof(longest));
    struct fh_record_facts facts;
    for (int extra = 0; extra < 2; extra++) {
        snprintf(
            text, sizeof(text),
            RECORD(",\"x\":{\"device\":{\"deviceId\":\"%.*s\",\"macAddress\":\"m\"},"
                   "\"location\":{\"locationId\":\"%.*s\",\"parent\":{\"locationId\":\"p\"}}}"),
            FH_DEVICE_MAX + extra, longest, FH_LOCATION_MAX + extra, longest);
        fh_record_facts(text, strlen(text), &facts);
        assert_int_equal(facts.device.len, extra ? 1 : FH_DEVICE_MAX);
        assert_int_equal(facts.location_count, 2 - extra);
        assert_int_equal(facts.location[0].len, extra ? 1 : FH_LOCATION_MAX);
    }
    /* more levels than are told, each id in escapes, so that all of the scratch is used */
    char *at = text + snprintf(text, sizeof(text), RECORD(",\"x\":{\"location\":"));
    at--; /* the brace of RECORD */
    for (int i = 0; i < FH_LOCATIONS_MAX + 3; i++) {
        at += snprintf(at, sizeof(text) - (size_t)(at - text), "{\"locationId\":\"");
        for (int k = 0; k < FH_LOCATION_MAX; k++) {
            at += snprintf(at, sizeof(text) - (size_t)(at - text), "\\u00%02x", 'A' + i);
        }
        at += snprintf(at, sizeof(text) - (size_t)(at - text), "\",\"parent\":");
    }
    at += snprintf(at, sizeof(text) - (size_t)(at - text), "null");
    memset(at, '}', FH_LOCATIONS_MAX + 3 + 2);
    at[FH_LOCATIONS_MAX + 3 + 2] = '\0';
    fh_record_facts(text, strlen(text), &facts);
    assert_int_equal(facts.location_count, FH_LOCATIONS_MAX);
    for (int i = 0; i < FH_LOCATIONS_MAX; i++) {
        assert_int_equal(facts.location[i].len, FH_LOCATION_MAX);
        assert_int_equal(facts.location[i].data[FH_LOCATION_MAX - 1], 'A' + i);
    }
}

static void lanes(void **state)
{
    (void)state;
    struct fh_record_facts facts;
    const char *text = RECORD(",\"x\":{\"device\":{\"deviceId\":\"d\"},\"location\":{"
                              "\"locationId\":\"l\"}}");
    fh_record_facts(text, strlen(text), &facts);
    expect_slice(fh_record_lane(&facts), "d");
    text = RECORD(",\"x\":{\"location\":{\"locationId\":\"l\"}}");
    fh_record_facts(text, strlen(text), &facts);
    expect_slice(fh_record_lane(&facts), "l");
    text = RECORD("");
    fh_record_facts(text, strlen(text), &facts);
    expect_slice(fh_record_lane(&facts), "u");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_type),
        cmocka_unit_test(odd_records),
        cmocka_unit_test(what_is_no_record),
        cmocka_unit_test(limits),
        cmocka_unit_test(lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
