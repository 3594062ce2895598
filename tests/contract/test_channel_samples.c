/* test_channel_samples.c: one sample of every event type goes through every channel, as JSON or as
 * protobuf, and comes out as the very same line; a type nobody has heard of passes, too.
 * Usage: test_channel_samples http|websocket|grpc */
#include "channel_fixture.h"

#include "fh/envelope.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

#define SAMPLES 30

static enum fh_channel channel;
static char lines[1 << 17]; /* what must come out: all samples, each with its newline */
static size_t lines_len;
static struct body {
    char bytes[1 << 14];
    size_t len;
} bodies[SAMPLES]; /* what is sent */

static size_t read_whole(const char *path, char *into, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(into, 1, size, file);
    fclose(file);
    assert_in_range(len, 1, size - 1);
    return len;
}

static int load_samples(void **state)
{
    (void)state;
    glob_t files;
    lines_len = read_whole(FH_TEST_DATA "/sample-events.ndjson", lines, sizeof(lines));
    assert_int_equal(glob(FH_TEST_DATA "/protobuf/*.bin", 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, SAMPLES);
    const char *at = lines;
    for (size_t i = 0; i < SAMPLES; i++) {
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        if (channel == FH_CHANNEL_GRPC) {
            bodies[i].len = read_whole(files.gl_pathv[i], bodies[i].bytes, sizeof(bodies[i].bytes));
        } else {
            bodies[i].len = (size_t)(end - at);
            assert_true(bodies[i].len < sizeof(bodies[i].bytes));
            memcpy(bodies[i].bytes, at, bodies[i].len);
        }
        at = end + 1;
    }
    assert_ptr_equal(at, lines + lines_len);
    globfree(&files);
    return 0;
}

static void play_samples(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    bool alive = channel_open(peer);
    for (size_t i = 0; i < SAMPLES && alive; i++) {
        alive = channel_send_body(peer, bodies[i].bytes, bodies[i].len);
    }
    if (alive) {
        channel_wait_closed(peer);
    }
}

static void every_event_type_comes_out_as_the_same_line(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, play_samples, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, SAMPLES));
    struct collected result = channel_collected(fixture);
    const char *got = result.text;
    const char *wanted = lines;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t len = strcspn(wanted, "\n") + 1;
        struct fh_envelope envelope;
        assert_true(result.len - (size_t)(got - result.text) >= len);
        assert_memory_equal(got, wanted, len);
        assert_int_equal(fh_envelope_scan(got, len - 1, &envelope), FH_ENVELOPE_OK);
        print_message("%.*s\n", (int)envelope.type.len, envelope.type.data);
        got += len;
        wanted += len;
    }
    assert_int_equal(result.len, lines_len);
    assert_int_equal(channel_status(fixture, 0).unknown_fields, 0);
}

/* As JSON it has a name; as protobuf a number and a field that the schema does not know. */
static const char tomorrow_json[] =
    "{\"recordUid\":\"event-1\",\"recordTimestamp\":7,\"spacesTenantId\":\"\",\"spacesTenantName\":"
    "\"\",\"partnerTenantId\":\"\",\"eventType\":\"TYPE_OF_TOMORROW\",\"typeOfTomorrow\":{\"x\":[1."
    "50,\"\\u00e9\"]}}";
static const char tomorrow_message[] = "\x0a\x07"
                                       "event-1\x10\x07\x30\x92\x21\x82\x7d\x01x";
static const char tomorrow_transcoded[] =
    "{\"recordUid\":\"event-1\",\"recordTimestamp\":7,\"spacesTenantId\":\"\",\"spacesTenantName\":"
    "\"\",\"partnerTenantId\":\"\",\"eventType\":\"UNKNOWN_4242\",\"_unknown\":{\"2000\":"
    "\"gn0BeA==\"}}";

static void play_tomorrow(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    bool message = peer->channel == FH_CHANNEL_GRPC;
    if (channel_open(peer) &&
        channel_send_body(peer, message ? tomorrow_message : tomorrow_json,
                          (message ? sizeof(tomorrow_message) : sizeof(tomorrow_json)) - 1)) {
        channel_wait_closed(peer);
    }
}

static void a_type_nobody_has_heard_of_passes(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.keep_unknown = true;
    channel_serve(fixture, channel, play_tomorrow, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    const char *wanted = channel == FH_CHANNEL_GRPC ? tomorrow_transcoded : tomorrow_json;
    struct collected result = channel_collected(fixture);
    assert_int_equal(result.len, strlen(wanted) + 1);
    assert_memory_equal(result.text, wanted, strlen(wanted));
    struct fh_envelope envelope;
    assert_int_equal(fh_envelope_scan(wanted, strlen(wanted), &envelope), FH_ENVELOPE_OK);
}

int main(int argc, char **argv)
{
    channel = channel_from_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_event_type_comes_out_as_the_same_line, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_type_nobody_has_heard_of_passes, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, load_samples, NULL);
}
