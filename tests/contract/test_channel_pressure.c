/* test_channel_pressure.c: the promise every channel makes about a server that is faster than we
 * are: it is not read, it notices, and nothing is lost. Usage: test_channel_pressure
 * http|websocket|grpc */
#include "channel_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
/* cmocka wants these above first */
#include <cmocka.h>

static enum fh_channel channel;

#define FLOOD 60000
#define PAD   1000

/* When a server that cannot send any more notices. */
#define STALL_MS 500

static atomic_bool server_stalled;

static void note_stall(void *userdata)
{
    (void)userdata;
    atomic_store(&server_stalled, true);
}

static void play_flood(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_flood(peer, FLOOD, PAD, STALL_MS, note_stall, NULL)) {
        channel_wait_closed(peer);
    }
}

static void check_flood(struct fixture *fixture)
{
    struct collected result = channel_collected(fixture);
    size_t at = 0;
    for (unsigned n = 0; n < FLOOD; n++) {
        char text[1400];
        size_t len = channel_record_text(n, PAD, text, sizeof(text));
        assert_true(at + len <= result.len);
        assert_memory_equal(result.text + at, text, len);
        at += len;
    }
    assert_int_equal(at, result.len);
}

static void a_full_store_stalls_the_server_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&server_stalled, false);
    atomic_store(&fixture->full, true);
    channel_serve(fixture, channel, play_flood, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));
    for (int i = 0; i < 60000 && !atomic_load(&server_stalled); i++) {
        channel_breathe();
    }
    assert_true(atomic_load(&server_stalled));
    assert_int_equal(channel_status(fixture, 0).state, FH_RECEIVER_PAUSED);
    assert_int_equal(channel_status(fixture, 0).lines, 0);
    assert_int_equal(channel_collected(fixture).disconnected, 0);
    atomic_store(&fixture->full, false);
    fh_sources_wake(fixture->sources);
    assert_true(fixture_wait_lines(fixture, FLOOD));
    check_flood(fixture);
}

/* A pause that is longer than the silence allowed: it must not be taken for the server's. The
 * server that is held up before its first record is given up by right, and tries again; once we
 * have paused it no longer matters what it does. */
static void a_pause_of_ours_is_no_silence_of_the_server(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 700;
    atomic_store(&fixture->full, true);
    channel_serve(fixture, channel, channel_play_one, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));
    struct fh_receiver_status before = channel_status(fixture, 0);
    struct collected told = channel_collected(fixture);
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    assert_int_equal(channel_status(fixture, 0).state, FH_RECEIVER_PAUSED);
    assert_int_equal(channel_status(fixture, 0).failures, before.failures);
    assert_int_equal(channel_collected(fixture).connected, told.connected);
    assert_int_equal(channel_collected(fixture).disconnected, told.disconnected);
    assert_int_equal(channel_status(fixture, 0).lines, 0);
}

static void play_flood_freely(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_flood(peer, FLOOD, PAD, 0, note_stall, NULL)) {
        channel_wait_closed(peer);
    }
}

static void pausing_again_and_again_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->refuse_every = 3;
    channel_serve(fixture, channel, play_flood_freely, false);
    fixture_start(fixture);
    /* comes before, while and after the receiver pauses */
    assert_true(fixture_wake_until_lines(fixture, FLOOD));
    check_flood(fixture);
    assert_int_equal(channel_collected(fixture).connected, 1);
    assert_true(atomic_load(&fixture->refusals) > 100);
}

int main(int argc, char **argv)
{
    channel = channel_from_arguments(argc, argv);
#define DIALOGUE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        DIALOGUE(a_full_store_stalls_the_server_and_loses_nothing),
        DIALOGUE(a_pause_of_ours_is_no_silence_of_the_server),
        DIALOGUE(pausing_again_and_again_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
