/* test_console_show.c: the events of the stream are JSON, have the members that console.h promises,
 * and stay within what may be unsent. */
#include "console_fixture.h"

#include "fh/sink.h"
#include "fh/web.h"

#include <math.h>
#include <stdlib.h>

static struct text text;
static size_t at_first; /* bytes of the largest of all that a browser is sent when it comes */

static int setup(void **state)
{
    (void)state;
    fh_buf_init(&text.buf, FH_WEB_STREAM_UNSENT_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fh_buf_done(&text.buf);
    return 0;
}

static cJSON *shown(bool whole, const char *name)
{
    assert_true(whole);
    return parse_event(text.buf.data, text.buf.len, name);
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *wanted;
    } decimals[] = {
        {0, "0"},
        {-0.001, "0"},
        {1, "1"},
        {1.5, "1.5"},
        {-1.25, "-1.25"},
        {0.05, "0.05"},
        {99.999, "100"},
        {1e12, "1000000000000"},
        {1e13, "null"},
        {(double)NAN, "null"},
        {-(double)INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof(decimals) / sizeof(decimals[0]); i++) {
        text_event(&text, "x");
        text_decimal(&text, NULL, decimals[i].value);
        assert_true(text_end(&text));
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "event: x\ndata: %s\n\n", decimals[i].wanted);
        assert_string_equal(fh_buf_string(&text.buf), wanted);
    }
    text_event(&text, "x");
    text_open(&text, NULL, '{');
    text_string(&text, "s", "a\"b\\c\n\x01\x7F\xC3\xA4");
    text_integer(&text, "least", INT64_MIN);
    text_count(&text, "most", UINT64_MAX);
    text_known(&text, "unknown", -1);
    text_open(&text, "list", '[');
    text_bool(&text, NULL, true);
    text_bool(&text, NULL, false);
    text_close(&text, ']');
    text_close(&text, '}');
    assert_true(text_end(&text));
    assert_string_equal(fh_buf_string(&text.buf),
                        "event: x\ndata: {\"s\":\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xC3\xA4\","
                        "\"least\":-9223372036854775808,\"most\":18446744073709551615,"
                        "\"unknown\":null,\"list\":[true,false]}\n\n");
}

static void test_what_does_not_fit_is_noticed(void **state)
{
    (void)state;
    struct text small = {.failed = false};
    fh_buf_init(&small.buf, 64);
    text_event(&small, "x");
    for (int i = 0; i < 40; i++) {
        text_integer(&small, NULL, i);
    }
    assert_false(text_end(&small));
    text_event(&small, "x"); /* and the next one is whole again */
    text_integer(&small, NULL, 1);
    assert_true(text_end(&small));
    fh_buf_done(&small.buf);
}

static struct fh_snapshot *make_snapshot(void)
{
    struct fh_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    assert_non_null(snapshot);
    strcpy(snapshot->node, "a");
    strcpy(snapshot->peer_node, "b");
    strcpy(snapshot->channel, "http");
    snapshot->paired = true;
    snapshot->wall_ms = 1767225700000;
    snapshot->ha.role = FH_ROLE_PRIMARY;
    snapshot->ha.epoch = 7;
    snapshot->ha.protected = true;
    strcpy(snapshot->ha.reason, "said \"so\"");
    snapshot->ha.peer.reachable = snapshot->ha.peer.ready = true;
    snapshot->ha.peer.role = FH_ROLE_STANDBY;
    snapshot->ha.peer.path_count = 1;
    strcpy(snapshot->ha.peer.path[0].address, "tcp://192.0.2.1:5570");
    snapshot->ha.peer.path[0].round_trip_us = 1234;
    struct fh_pipeline_status *pipeline = &snapshot->pipeline;
    pipeline->dedup_key = "uid+timestamp";
    pipeline->counters.received = 1000;
    pipeline->receiver_count = 2;
    pipeline->receiver[0].source.range = (struct fh_range){1, 6};
    pipeline->receiver[0].last_timestamp_ms = 1767225699000;
    pipeline->receiver[1].source.range = (struct fh_range){7, 12};
    pipeline->receiver[1].last_timestamp_ms = 1767225697000;
    pipeline->sink_count = 1;
    strcpy(pipeline->sink[0].name, "archive");
    pipeline->sink[0].pending = 5;
    pipeline->store.first_sequence = 11;
    pipeline->store.next_sequence = 21;
    pipeline->oldest_pending_age_ms = 10000;
    pipeline->types.count = 1;
    strcpy(pipeline->types.type[0].name, "DEVICE_COUNT");
    pipeline->types.type[0].received = 3;
    snapshot->transition_count = 1;
    snapshot->transition[0].to = FH_ROLE_PRIMARY;
    return snapshot;
}

/* A far side was given records and may repeat one; status and journal show it, the page does not.
 */
static void test_words_of_a_far_side(void **state)
{
    (void)state;
    struct fh_snapshot *snapshot = make_snapshot();
    strcpy(snapshot->pipeline.sink[0].last_error,
           "https://sink.example answered 400; check url" FH_SINK_SAYS
           "no such user: jane@doe.example");
    assert_true(show_pair(&text, snapshot));
    const char *shown = fh_buf_string(&text.buf);
    assert_non_null(strstr(shown, "\"https://sink.example answered 400; check url\""));
    assert_null(strstr(shown, "jane"));
    free(snapshot);
}

static void test_pair(void **state)
{
    (void)state;
    struct fh_snapshot *snapshot = make_snapshot();
    cJSON *pair = shown(show_pair(&text, snapshot), "pair");
    static const char *const members[] = {
        "now",    "node",      "version",   "channel",     "paired",    "protected", "sync",
        "fenced", "switching", "uptime_ms", "maintenance", "dedup_key", "counters",  "arbiter"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        item(pair, members[i]);
    }
    assert_int_equal(number_of(pair, "lag_ms"), 3000);
    const cJSON *nodes = item(pair, "nodes");
    assert_int_equal(cJSON_GetArraySize(nodes), 2);
    const cJSON *self = cJSON_GetArrayItem(nodes, 0);
    assert_true(cJSON_IsTrue(item(self, "self")));
    assert_string_equal(string_of(self, "role"), "primary");
    assert_string_equal(string_of(self, "reason"), "said \"so\"");
    const cJSON *peer = cJSON_GetArrayItem(nodes, 1);
    assert_string_equal(string_of(peer, "node"), "b");
    assert_string_equal(string_of(peer, "role"), "standby");
    assert_string_equal(string_of(cJSON_GetArrayItem(item(pair, "paths"), 0), "address"),
                        "tcp://192.0.2.1:5570");
    assert_true(fabs(number_of(cJSON_GetArrayItem(item(pair, "paths"), 0), "rtt_ms") - 1.23) <
                1e-9);
    assert_string_equal(string_of(cJSON_GetArrayItem(item(pair, "receivers"), 1), "range"), "7-12");
    assert_int_equal(number_of(cJSON_GetArrayItem(item(pair, "sinks"), 0), "pending"), 5);
    assert_int_equal(number_of(item(item(pair, "counters"), "types"), "DEVICE_COUNT"), 3);
    assert_int_equal(number_of(item(pair, "store"), "events"), 10);
    assert_int_equal(number_of(item(pair, "store"), "oldest_pending_age_ms"), 10000);
    assert_string_equal(string_of(cJSON_GetArrayItem(item(pair, "transitions"), 0), "to"),
                        "primary");
    cJSON_Delete(pair);

    snapshot->paired = false;
    snapshot->pipeline.receiver_count = 0;
    snapshot->pipeline.sink[0].pending = 0;
    snapshot->pipeline.oldest_pending_age_ms = 0;
    pair = shown(show_pair(&text, snapshot), "pair");
    assert_int_equal(cJSON_GetArraySize(item(pair, "nodes")), 1);
    assert_true(cJSON_IsNull(item(pair, "lag_ms")));
    assert_true(cJSON_IsNull(item(item(pair, "store"), "oldest_pending_age_ms")));
    cJSON_Delete(pair);
    free(snapshot);
}

/* Everything as long and as awkward as it can be. */
static void test_the_largest_pair_fits(void **state)
{
    (void)state;
    struct fh_snapshot *snapshot = make_snapshot();
    struct fh_pipeline_status *pipeline = &snapshot->pipeline;
    pipeline->receiver_count = FH_PARTITIONS;
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        memset(pipeline->receiver[i].source.last_error, '\x01',
               sizeof(pipeline->receiver[i].source.last_error) - 1);
    }
    pipeline->sink_count = FH_SINKS_MAX;
    for (size_t i = 0; i < FH_SINKS_MAX; i++) {
        memset(pipeline->sink[i].last_error, '\x01', sizeof(pipeline->sink[i].last_error) - 1);
        memset(pipeline->sink[i].promise, '"', sizeof(pipeline->sink[i].promise) - 1);
    }
    pipeline->types.count = FH_PIPELINE_TYPES;
    for (size_t i = 0; i < FH_PIPELINE_TYPES; i++) {
        memset(pipeline->types.type[i].name, '\x02', FH_TYPE_MAX);
    }
    snapshot->transition_count = FH_SNAPSHOT_TRANSITIONS;
    for (size_t i = 0; i < FH_SNAPSHOT_TRANSITIONS; i++) {
        memset(snapshot->transition[i].evidence, '\x02',
               sizeof(snapshot->transition[i].evidence) - 1);
    }
    cJSON_Delete(shown(show_pair(&text, snapshot), "pair"));
    assert_true(text.buf.len < FH_WEB_STREAM_UNSENT_MAX / 4);
    at_first += text.buf.len;
    free(snapshot);
}

static void test_history(void **state)
{
    (void)state;
    struct graph graph = {.read = false};
    struct graph_reading reading = {.lag_ms = -1};
    assert_false(show_sample(&text, &graph));
    cJSON *history = shown(show_history(&text, &graph), "history");
    assert_int_equal(cJSON_GetArraySize(item(history, "received")), 0);
    cJSON_Delete(history);
    graph_add(&graph, &reading, 5000, 1);
    for (int i = 1; i < 1000; i++) {
        reading.received += 50;
        reading.pending = (uint64_t)i;
        graph_add(&graph, &reading, 5000 + i * GRAPH_STEP_MS, i);
    }
    history = shown(show_history(&text, &graph), "history");
    assert_int_equal(number_of(history, "step_s"), 5);
    assert_int_equal(number_of(history, "to"), 999);
    static const char *const series[] = {"received", "delivered", "lag_ms", "pending"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(cJSON_GetArraySize(item(history, series[i])), GRAPH_SAMPLES);
    }
    assert_int_equal(cJSON_GetArrayItem(item(history, "received"), 9)->valuedouble, 10);
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(item(history, "lag_ms"), 9)));
    assert_int_equal(cJSON_GetArrayItem(item(history, "pending"), 719)->valuedouble, 999);
    cJSON_Delete(history);
    at_first += text.buf.len;
    cJSON *sample = shown(show_sample(&text, &graph), "sample");
    assert_int_equal(number_of(sample, "received"), 10);
    assert_int_equal(number_of(sample, "at"), 999);
    cJSON_Delete(sample);
}

static void test_space(void **state)
{
    (void)state;
    struct space *space = fixture_space();
    fixture_see(space, "f1", "d1", 1, 1);
    fixture_see(space, "f1", "d2", 1, 1);
    cJSON *shown_space = shown(show_space(&text, space, 42, 43), "space");
    const cJSON *locations = item(shown_space, "locations");
    assert_int_equal(cJSON_GetArraySize(locations), 2);
    assert_int_equal(number_of(shown_space, "dropped"), 0);
    assert_int_equal(number_of(shown_space, "skipped"), 42);
    assert_int_equal(number_of(shown_space, "graphless"), 43);
    const cJSON *location = NULL;
    cJSON_ArrayForEach(location, locations)
    {
        bool floor = strcmp(string_of(location, "id"), "f1") == 0;
        assert_string_equal(string_of(location, "level"), floor ? "FLOOR" : "BUILDING");
        assert_string_equal(string_of(location, "name"), floor ? "A \"floor\"" : "B");
        assert_true(floor ? strcmp(string_of(location, "parent"), "b") == 0
                          : cJSON_IsNull(item(location, "parent")));
        assert_int_equal(number_of(location, "devices"), 2);
        assert_true(cJSON_IsNull(item(location, "present")));
        assert_true(cJSON_IsNull(item(location, "camera")));
    }
    cJSON_Delete(shown_space);
    space_free(space);
}

/* As many locations as there may be, each with the longest name. */
static void test_the_largest_space_fits(void **state)
{
    (void)state;
    struct space *space = fixture_space();
    struct console_record record = {.location_count = 2};
    record.map = record.tenant = (struct fh_slice){"", 0};
    char id[2][CONSOLE_ID_MAX + 1], name[CONSOLE_NAME_MAX];
    memset(name, '"', sizeof(name));
    for (int i = 0; i < SPACE_LOCATIONS_MAX; i += 2) {
        for (int level = 0; level < 2; level++) {
            snprintf(id[level], sizeof(id[level]), "%064d", i + level);
            record.location[level].id = (struct fh_slice){id[level], CONSOLE_ID_MAX};
            record.location[level].name = (struct fh_slice){name, sizeof(name)};
            record.location[level].level = CONSOLE_LEVEL_BUILDING;
        }
        space_apply(space, &record, i);
    }
    cJSON *shown_space = shown(show_space(&text, space, 0, 0), "space");
    assert_int_equal(cJSON_GetArraySize(item(shown_space, "locations")), SPACE_LOCATIONS_MAX);
    at_first += text.buf.len;
    cJSON_Delete(shown_space);
    space_free(space);
}

static void test_occupancy(void **state)
{
    (void)state;
    struct space *space = fixture_space();
    struct occupancy *occupancy = calloc(1, sizeof(*occupancy));
    assert_non_null(occupancy);
    assert_false(show_occupancy(&text, occupancy, "f1", false));
    cJSON *hour = shown(show_occupancy(&text, occupancy, "f1", true), "occupancy");
    assert_string_equal(string_of(hour, "place"), "f1");
    assert_int_equal(cJSON_GetArraySize(item(hour, "devices")), 0);
    cJSON_Delete(hour);
    char device[16];
    for (int i = 0; i < OCCUPANCY_SAMPLES + 40; i++) {
        snprintf(device, sizeof(device), "d%d", i);
        fixture_see(space, "f1", device, 1, i);
        assert_true(occupancy_add(occupancy, space, i * OCCUPANCY_STEP_MS, 1000 + i));
    }
    hour = shown(show_occupancy(&text, occupancy, "f1", true), "occupancy");
    assert_true(cJSON_IsTrue(item(hour, "full")));
    assert_int_equal(number_of(hour, "step_s"), 10);
    assert_int_equal(number_of(hour, "to"), 1000 + OCCUPANCY_SAMPLES + 39);
    const cJSON *devices = item(hour, "devices");
    assert_int_equal(cJSON_GetArraySize(devices), OCCUPANCY_SAMPLES);
    for (int i = 0; i < OCCUPANCY_SAMPLES; i++) {
        assert_int_equal(cJSON_GetArrayItem(devices, i)->valuedouble, 41 + i);
    }
    assert_int_equal(cJSON_GetArraySize(item(hour, "present")), OCCUPANCY_SAMPLES);
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(item(hour, "present"), 7)));
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(item(hour, "camera"), OCCUPANCY_SAMPLES - 1)));
    at_first += text.buf.len;
    cJSON_Delete(hour);
    hour = shown(show_occupancy(&text, occupancy, "f1", false), "occupancy");
    assert_true(cJSON_IsFalse(item(hour, "full")));
    assert_int_equal(cJSON_GetArraySize(item(hour, "devices")), 1);
    assert_int_equal(cJSON_GetArrayItem(item(hour, "devices"), 0)->valuedouble,
                     OCCUPANCY_SAMPLES + 40);
    assert_int_equal(cJSON_GetArraySize(item(hour, "camera")), 1);
    cJSON_Delete(hour);
    free(occupancy);
    space_free(space);
}

static cJSON *devices_of(const struct space *space, const char *floor, bool full, uint64_t since,
                         int64_t now_ms, bool *ret_any)
{
    struct show_map map = {.width = 0};
    uint32_t index = space_find(space, floor);
    if (index != SPACE_NONE) {
        show_map_of(space_location(space, index), &map);
    }
    return shown(show_devices(&text, space, floor, index, full, since, &map, now_ms, ret_any),
                 "devices");
}

static void test_devices(void **state)
{
    (void)state;
    struct space *space = fixture_space();
    bool any = true;
    cJSON *devices = devices_of(space, "f1", true, 0, 5, &any);
    assert_false(any);
    assert_true(cJSON_IsNull(item(item(devices, "map"), "id")));
    assert_true(cJSON_IsNull(item(item(devices, "map"), "width")));
    cJSON_Delete(devices);

    fixture_see(space, "f1", "d1", 117.128, 1);
    fixture_see(space, "f1", "d2", 3, 1);
    fixture_see(space, "f2", "d3", 4, 1);
    devices = devices_of(space, "f1", true, 0, 31, &any);
    assert_true(any);
    assert_string_equal(string_of(devices, "floor"), "f1");
    assert_true(cJSON_IsTrue(item(devices, "full")));
    assert_string_equal(string_of(item(devices, "map"), "id"), "m1");
    assert_int_equal(number_of(item(devices, "map"), "width"), 120); /* as far as anybody was */
    assert_int_equal(number_of(item(devices, "map"), "length"), 10);
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 2);
    const cJSON *first = cJSON_GetArrayItem(item(devices, "devices"), 1);
    assert_true(fabs(cJSON_GetArrayItem(first, 1)->valuedouble - 117.13) < 1e-9);
    assert_true(cJSON_GetArrayItem(first, 2)->valuedouble == 2.5);
    assert_int_equal(cJSON_GetArrayItem(first, 4)->valuedouble, 30);
    char id[32];
    snprintf(id, sizeof(id), "%s", cJSON_GetArrayItem(first, 0)->valuestring);
    cJSON_Delete(devices);

    uint64_t since = space_changed(space);
    cJSON_Delete(devices_of(space, "f1", false, since, 31, &any));
    assert_false(any);
    fixture_see(space, "f2", "d1", 5, 40); /* leaves f1 */
    fixture_see(space, "f2", "d3", 5, 40);
    devices = devices_of(space, "f1", false, since, 41, &any);
    assert_true(any);
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 0);
    assert_int_equal(cJSON_GetArraySize(item(devices, "gone")), 1);
    assert_string_equal(cJSON_GetArrayItem(item(devices, "gone"), 0)->valuestring, id);
    cJSON_Delete(devices);
    fixture_see(space, "f1", "d1", 6, 50); /* and is back before anybody was told */
    devices = devices_of(space, "f1", false, since, 51, &any);
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 1);
    assert_int_equal(cJSON_GetArraySize(item(devices, "gone")), 0);
    cJSON_Delete(devices);
    space_free(space);
}

static void test_the_fullest_floor_fits(void **state)
{
    (void)state;
    static const uint8_t key[SPACE_KEY_BYTES] = "a key of a test";
    struct space *space = NULL;
    assert_int_equal(space_new(key, true, &space), 0);
    char device[SPACE_DEVICE_NAME_MAX + 1];
    bool any = false;
    for (int i = 0; i < SPACE_DEVICES_FLOOR_MAX; i++) {
        snprintf(device, sizeof(device), "%064d", i);
        fixture_see(space, "f1", device, -999999.99, 1);
    }
    cJSON *devices = devices_of(space, "f1", true, 0, 299999, &any);
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), SPACE_DEVICES_FLOOR_MAX);
    at_first += text.buf.len;
    cJSON_Delete(devices);
    space_free(space);
}

/* Behind the tests above, which have added up: all of it goes out in one turn, before the browser
 * can take any. Were it too much it would be cut off, come back, and be cut off again. */
static void test_all_that_is_sent_at_first_fits(void **state)
{
    (void)state;
    print_message("at most %zu bytes at first\n", at_first);
    assert_true(at_first < FH_WEB_STREAM_UNSENT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_what_does_not_fit_is_noticed),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_words_of_a_far_side),
        cmocka_unit_test(test_the_largest_pair_fits),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_space),
        cmocka_unit_test(test_the_largest_space_fits),
        cmocka_unit_test(test_occupancy),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_the_fullest_floor_fits),
        cmocka_unit_test(test_all_that_is_sent_at_first_fits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
