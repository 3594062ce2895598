/* test_console_stream.c: which browser is sent what, with browsers of the test's own: who begins
 * gets everything, the others what changed; who is too slow is left alone. */
#include "console_fixture.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

/* In place of the server's: what was sent, event by event. */
#define SENT_MAX 64
struct fh_web_stream {
    char *sent[SENT_MAX];
    size_t len[SENT_MAX];
    size_t count;
    bool slow;
};

int fh_web_send(struct fh_web_stream *stream, const void *bytes, size_t len)
{
    if (stream->slow) {
        return -ENOBUFS;
    }
    assert_true(stream->count < SENT_MAX);
    stream->sent[stream->count] = malloc(len);
    assert_non_null(stream->sent[stream->count]);
    memcpy(stream->sent[stream->count], bytes, len);
    stream->len[stream->count++] = len;
    return 0;
}

static void forget(struct fh_web_stream *stream)
{
    for (size_t i = 0; i < stream->count; i++) {
        free(stream->sent[i]);
    }
    stream->count = 0;
}

/* "pair history space", and forgets them. */
static const char *names(struct fh_web_stream *stream)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < stream->count; i++) {
        const char *name = stream->sent[i] + strlen("event: ");
        strncat(text, i > 0 ? " " : "", 2);
        strncat(text, name, strcspn(name, "\n"));
    }
    forget(stream);
    return text;
}

static cJSON *last(struct fh_web_stream *stream, const char *name)
{
    assert_true(stream->count > 0);
    return parse_event(stream->sent[stream->count - 1], stream->len[stream->count - 1], name);
}

static struct streams streams;
static struct fh_snapshot snapshot;
static struct graph graph;
static struct space *space;
static struct occupancy occupancy;
static struct stream_view view;
static struct fh_time now;

static int setup(void **state)
{
    (void)state;
    streams_init(&streams);
    memset(&graph, 0, sizeof(graph));
    struct graph_reading reading = {.received = 1};
    graph_add(&graph, &reading, 5000, 1);
    graph_add(&graph, &reading, 10000, 2);
    space = fixture_space();
    memset(&occupancy, 0, sizeof(occupancy));
    view = (struct stream_view){
        .snapshot = &snapshot, .graph = &graph, .space = space, .occupancy = &occupancy};
    now = (struct fh_time){INT64_C(1000) * 1000000000};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    streams_done(&streams);
    space_free(space);
    return 0;
}

static void tick(int64_t after_ms)
{
    now = fh_time_add_ms(now, after_ms);
    streams_tick(&streams, &view, now);
}

static int64_t now_ms(void)
{
    return now.ns / 1000000;
}

static void test_who_begins_gets_all(void **state)
{
    (void)state;
    struct fh_web_stream first = {.count = 0}, second = {.count = 0};
    tick(100); /* nobody is there */
    assert_int_equal(streams_open(&streams, &first, NULL, NULL), 0);
    tick(100);
    assert_string_equal(names(&first), "pair history space");
    tick(100);
    assert_string_equal(names(&first), "");
    view.pair_due = view.sample_due = true;
    assert_int_equal(streams_open(&streams, &second, NULL, NULL), 0);
    tick(100);
    assert_string_equal(names(&first), "pair sample");
    assert_string_equal(names(&second), "pair history space"); /* the sample is in the history */
    view.pair_due = view.sample_due = false;
    streams_close(&streams, &first);
    streams_close(&streams, &second);
    tick(100);
    assert_string_equal(names(&first), "");
}

static void test_space_not_too_often(void **state)
{
    (void)state;
    struct fh_web_stream stream = {.count = 0};
    assert_int_equal(streams_open(&streams, &stream, NULL, NULL), 0);
    tick(5000);
    names(&stream);
    tick(5000);
    assert_string_equal(names(&stream), ""); /* nothing has changed */
    fixture_see(space, "f1", "d1", 1, now_ms());
    tick(100);
    assert_string_equal(names(&stream), "space");
    fixture_see(space, "f2", "d1", 1, now_ms());
    tick(STREAM_SPACE_MS - 100);
    assert_string_equal(names(&stream), "");
    tick(100);
    assert_string_equal(names(&stream), "space");
    streams_close(&streams, &stream);
}

static void test_devices_of_a_floor(void **state)
{
    (void)state;
    struct fh_web_stream on_f1 = {.count = 0}, also_f1 = {.count = 0}, nowhere = {.count = 0};
    fixture_see(space, "f1", "d1", 1, now_ms());
    fixture_see(space, "f2", "d2", 1, now_ms());
    assert_int_equal(streams_open(&streams, &on_f1, "f1", NULL), 0);
    assert_int_equal(streams_open(&streams, &nowhere, "unheard of", NULL), 0);
    tick(1000);
    cJSON *devices = last(&on_f1, "devices");
    assert_true(cJSON_IsTrue(item(devices, "full")));
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 1);
    cJSON_Delete(devices);
    assert_string_equal(names(&on_f1), "pair history space devices");
    devices = last(&nowhere, "devices");
    assert_string_equal(string_of(devices, "floor"), "unheard of");
    cJSON_Delete(devices);
    assert_string_equal(names(&nowhere), "pair history space devices");
    assert_true(space_find(space, "unheard of") == SPACE_NONE); /* asking makes nothing */

    fixture_see(space, "f1", "d3", 2, now_ms());
    assert_int_equal(streams_open(&streams, &also_f1, "f1", NULL), 0);
    tick(STREAM_DEVICES_MS);
    devices = last(&on_f1, "devices");
    assert_true(cJSON_IsFalse(item(devices, "full")));
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 1);
    cJSON_Delete(devices);
    devices = last(&also_f1, "devices");
    assert_true(cJSON_IsTrue(item(devices, "full")));
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 2);
    cJSON_Delete(devices);
    names(&on_f1), names(&also_f1), names(&nowhere);

    tick(STREAM_DEVICES_MS); /* nothing has happened */
    assert_string_equal(names(&on_f1), "");
    fixture_see(space, "f1", "d3", 3, now_ms());
    tick(STREAM_DEVICES_MS / 2); /* not yet */
    assert_string_equal(names(&on_f1), "");
    tick(STREAM_DEVICES_MS / 2);
    assert_string_equal(names(&on_f1), "devices");
    assert_string_equal(names(&also_f1), "devices");
    assert_string_equal(names(&nowhere), "");

    /* a floor that nobody knew appears */
    fixture_see(space, "unheard of", "d9", 1, now_ms());
    tick(STREAM_DEVICES_MS);
    devices = last(&nowhere, "devices");
    assert_true(cJSON_IsTrue(item(devices, "full")));
    assert_int_equal(cJSON_GetArraySize(item(devices, "devices")), 1);
    cJSON_Delete(devices);
    streams_close(&streams, &on_f1);
    streams_close(&streams, &also_f1);
    streams_close(&streams, &nowhere);
    forget(&on_f1), forget(&also_f1), forget(&nowhere);
}

static void test_the_hour_of_a_place(void **state)
{
    (void)state;
    struct fh_web_stream first = {.count = 0}, second = {.count = 0}, nowhere = {.count = 0};
    fixture_see(space, "f1", "d1", 1, now_ms());
    assert_true(occupancy_add(&occupancy, space, now_ms(), 1));
    assert_int_equal(streams_open(&streams, &first, NULL, "f1"), 0);
    assert_int_equal(streams_open(&streams, &nowhere, NULL, "unheard of"), 0);
    tick(100);
    cJSON *hour = last(&first, "occupancy");
    assert_true(cJSON_IsTrue(item(hour, "full")));
    assert_int_equal(cJSON_GetArraySize(item(hour, "devices")), 1);
    cJSON_Delete(hour);
    assert_string_equal(names(&first), "pair history space occupancy");
    hour = last(&nowhere, "occupancy");
    assert_int_equal(cJSON_GetArraySize(item(hour, "devices")), 0);
    cJSON_Delete(hour);
    names(&nowhere);

    fixture_see(space, "f1", "d2", 1, now_ms());
    assert_true(occupancy_add(&occupancy, space, now_ms() + OCCUPANCY_STEP_MS, 2));
    view.occupancy_due = true;
    assert_int_equal(streams_open(&streams, &second, "f1", "f1"), 0);
    tick(100);
    hour = last(&first, "occupancy");
    assert_true(cJSON_IsFalse(item(hour, "full")));
    assert_int_equal(cJSON_GetArraySize(item(hour, "devices")), 1);
    assert_int_equal(cJSON_GetArrayItem(item(hour, "devices"), 0)->valuedouble, 2);
    cJSON_Delete(hour);
    assert_string_equal(names(&first), "occupancy");
    /* who begins has it in the hour, and not once more */
    assert_string_equal(names(&second), "pair history space occupancy");
    assert_string_equal(names(&nowhere), "");
    view.occupancy_due = false;
    tick(100);
    assert_string_equal(names(&first), "");

    fixture_see(space, "unheard of", "d3", 1, now_ms()); /* until it is heard of */
    assert_true(occupancy_add(&occupancy, space, now_ms() + 2 * OCCUPANCY_STEP_MS, 3));
    view.occupancy_due = true;
    tick(100);
    assert_string_equal(names(&nowhere), "occupancy");
    streams_close(&streams, &first);
    streams_close(&streams, &second);
    streams_close(&streams, &nowhere);
    forget(&first), forget(&second), forget(&nowhere);
}

/* More departures than are remembered: whoever follows begins again. */
static void test_too_much_happened(void **state)
{
    (void)state;
    struct fh_web_stream stream = {.count = 0};
    char device[32];
    assert_int_equal(streams_open(&streams, &stream, "f1", NULL), 0);
    fixture_see(space, "f1", "d", 1, now_ms());
    tick(1000);
    forget(&stream);
    for (int i = 0; i < SPACE_GONE_MAX + 200; i++) {
        snprintf(device, sizeof(device), "device-%d", i % 100);
        fixture_see(space, i / 100 % 2 ? "f1" : "f2", device, 1, now_ms() + i);
    }
    tick(STREAM_DEVICES_MS);
    cJSON *devices = last(&stream, "devices");
    assert_true(cJSON_IsTrue(item(devices, "full")));
    cJSON_Delete(devices);
    forget(&stream);
    fixture_see(space, "f1", "d", 1, now_ms() + SPACE_GONE_MAX + 300);
    tick(STREAM_DEVICES_MS);
    devices = last(&stream, "devices");
    assert_true(cJSON_IsFalse(item(devices, "full")));
    cJSON_Delete(devices);
    forget(&stream);
    streams_close(&streams, &stream);
}

static void test_who_is_slow_is_left_alone(void **state)
{
    (void)state;
    struct fh_web_stream slow = {.slow = true}, good = {.count = 0};
    assert_int_equal(streams_open(&streams, &slow, "f1", NULL), 0);
    assert_int_equal(streams_open(&streams, &good, "f1", NULL), 0);
    tick(1000);
    assert_string_equal(names(&good), "pair history space devices");
    slow.slow = false; /* it was told once that it is lost */
    fixture_see(space, "f1", "d1", 1, now_ms());
    tick(1000);
    assert_int_equal(slow.count, 0);
    streams_close(&streams, &slow);
    streams_close(&streams, &good);
    forget(&good);
}

static void test_limits(void **state)
{
    (void)state;
    struct fh_web_stream many[FH_WEB_STREAMS_MAX + 1] = {{.count = 0}};
    char floor[CONSOLE_ID_MAX + 2];
    memset(floor, 'f', sizeof(floor) - 1);
    floor[sizeof(floor) - 1] = '\0';
    assert_int_equal(streams_open(&streams, &many[0], floor, NULL), -ENOENT);
    assert_int_equal(streams_open(&streams, &many[0], NULL, floor), -ENOENT);
    floor[CONSOLE_ID_MAX] = '\0';
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        assert_int_equal(streams_open(&streams, &many[i], floor, NULL), 0);
    }
    assert_int_equal(streams_open(&streams, &many[FH_WEB_STREAMS_MAX], floor, NULL), -EBUSY);
    streams_close(&streams, &many[3]);
    assert_int_equal(streams_open(&streams, &many[FH_WEB_STREAMS_MAX], floor, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_begins_gets_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_space_not_too_often, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_of_a_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_hour_of_a_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_slow_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
