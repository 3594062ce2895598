/* test_channel_orders.c: the promises every channel makes about what the daemon orders while it
 * reads: to reconnect, to give a range to another receiver, to take a new key; and that after a
 * connection we end ourselves the service gets its time to notice. Times are looked at from below
 * only: the wait after a close is at least what it is, however busy the machine.
 * Usage: test_channel_orders http|websocket|grpc */
#include "channel_fixture.h"

#include "fh/clock.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

/* What the service is given to notice that a connection has ended (receiver.c). */
#define REOPEN_MS 300

static enum fh_channel channel;
static atomic_bool refusing; /* the server asks for ten minutes' patience */

static void play_unless_refusing(struct channel_peer *peer, void *userdata)
{
    if (atomic_load(&refusing)) {
        channel_refuse(peer, 503, 600, "later");
        return;
    }
    channel_play_one(peer, userdata);
}

/* Of the clock that the server's opened_ms are of. */
static int64_t clock_ms(void)
{
    return fh_now().ns / 1000000;
}

/* The connection that was opened then came long enough after the order, and after the end of the
 * one before it. To be asked once the receivers have stopped. */
static void assert_waited(const struct fixture *fixture, unsigned connection, int64_t ordered_ms)
{
    const struct scripted_peer *peer = &fixture->server.peers[connection];
    assert_true(peer->opened_ms - ordered_ms >= REOPEN_MS);
    assert_true(peer->previous_closed);
}

/* ---- to reconnect ---- */

static void reconnecting_closes_and_gives_the_service_time(void **state)
{
    struct fixture *fixture = *state;
    int64_t ordered_ms[4] = {0};
    channel_serve(fixture, channel, channel_play_one, true);
    fixture_start(fixture);
    for (unsigned i = 1; i < FH_ARRAY_LEN(ordered_ms); i++) {
        assert_true(fixture_wait_lines(fixture, i));
        ordered_ms[i] = clock_ms();
        fh_sources_reconnect(fixture->sources, 1);
        assert_true(scripted_wait_requests(&fixture->server, i + 1));
    }
    fh_sources_stop(fixture->sources);
    for (unsigned i = 1; i < FH_ARRAY_LEN(ordered_ms); i++) {
        assert_waited(fixture, i, ordered_ms[i]);
    }
    assert_int_equal(fixture->server.accepted, FH_ARRAY_LEN(ordered_ms));
}

static void a_second_order_does_not_cut_the_wait_short(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, channel_play_one, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    int64_t ordered_ms = clock_ms();
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_disconnected(fixture, 1)); /* from here on it waits */
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_connected(fixture, 2));
    fh_sources_stop(fixture->sources);
    assert_waited(fixture, 1, ordered_ms);
}

static void an_order_while_it_backs_off_is_obeyed_at_once(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&refusing, false);
    channel_serve(fixture, channel, play_unless_refusing, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    atomic_store(&refusing, true);
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_failures(fixture, 1));
    assert_int_equal(channel_status(fixture, 0).state, FH_RECEIVER_WAITING);
    atomic_store(&refusing, false);
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_connected(fixture, 2)); /* ten minutes would be too long for this */
}

static void play_no_answer_first(struct channel_peer *peer, void *userdata)
{
    if (peer->peer->number == 0) {
        channel_wait_closed(peer);
        return;
    }
    channel_play_one(peer, userdata);
}

static void an_attempt_without_an_answer_may_be_a_connection_to_the_service(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, play_no_answer_first, false);
    fixture_start(fixture);
    assert_true(scripted_wait_requests(&fixture->server, 1));
    int64_t ordered_ms = clock_ms();
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_lines(fixture, 1));
    fh_sources_stop(fixture->sources);
    assert_waited(fixture, 1, ordered_ms);
}

static atomic_llong ended_ms; /* the first connection, at the latest */

static void on_disconnected(void *userdata, unsigned receiver, const char *reason)
{
    long long never = 0;
    atomic_compare_exchange_strong(&ended_ms, &never, clock_ms());
    fixture_handler.disconnected(userdata, receiver, reason);
}

/* As fixture_start. */
static void start_with(struct fixture *fixture, const struct fh_source_handler *handler)
{
    struct fh_error err = {""};
    assert_int_equal(
        fh_sources_new(&fixture->config, TEST_KEY, handler, fixture, &err, &fixture->sources), 0);
    assert_int_equal(fh_sources_start(fixture->sources, &err), 0);
}

static void who_is_given_up_for_silence_is_waited_for_as_well(void **state)
{
    struct fixture *fixture = *state;
    struct fh_source_handler handler = fixture_handler;
    handler.disconnected = on_disconnected;
    atomic_store(&ended_ms, 0);
    fixture->config.firehose.silence_ms = 200;
    channel_serve(fixture, channel, channel_play_one, false);
    start_with(fixture, &handler);
    assert_true(fixture_wait_disconnected(fixture, 1));
    fh_sources_reconnect(fixture->sources, 1); /* cuts a back-off short, but not this */
    assert_true(fixture_wait_connected(fixture, 2));
    fh_sources_stop(fixture->sources);
    assert_waited(fixture, 1, atomic_load(&ended_ms));
    assert_true(fixture_logged(fixture, "not a byte for 0.2 s; next try in 0.3 s") > 0);
}

/* ---- to give a range to another receiver ---- */

static sem_t gone;

static void on_retired(void *userdata, unsigned receiver)
{
    (void)userdata;
    (void)receiver;
    sem_post(&gone);
}

static void who_reads_a_range_next_gives_the_service_time(void **state)
{
    struct fixture *fixture = *state;
    struct fh_source_handler handler = fixture_handler;
    handler.retired = on_retired;
    sem_init(&gone, 0, 0);
    channel_serve(fixture, channel, channel_play_one, false);
    start_with(fixture, &handler);
    assert_true(fixture_wait_lines(fixture, 1));
    int64_t ordered_ms = clock_ms();
    fh_sources_retire(fixture->sources, 1);
    while (sem_wait(&gone) < 0) {
    }
    assert_int_equal(fh_sources_add(fixture->sources, 0, (struct fh_range){1, 6}), 0);
    assert_true(fixture_wait_lines(fixture, 2));
    fh_sources_stop(fixture->sources);
    assert_waited(fixture, 1, ordered_ms);
    assert_int_equal(channel_asked(1).max_partition, 6);
    sem_destroy(&gone);
}

/* ---- to take a new key ---- */

static atomic_bool key_given;

/* The answer to the first request, made with the old key, waits for the new key. */
static void play_late_refusal(struct channel_peer *peer, void *userdata)
{
    if (strcmp(peer->request.key, TEST_KEY) != 0) {
        channel_play_one(peer, userdata);
        return;
    }
    for (int i = 0; i < 60000 && !atomic_load(&key_given); i++) {
        channel_breathe();
    }
    channel_refuse(peer, 401, 0, "no");
}

static void a_late_refusal_of_the_old_key_says_nothing_of_the_new_one(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&key_given, false);
    channel_serve(fixture, channel, play_late_refusal, false);
    fixture_start(fixture);
    assert_true(scripted_wait_requests(&fixture->server, 1));
    assert_int_equal(fh_sources_set_api_key(fixture->sources, "the-second-key"), 0);
    atomic_store(&key_given, true);
    assert_true(fixture_wait_lines(fixture, 1)); /* after a refusal it would be ten minutes */
    assert_string_equal(channel_asked(1).key, "the-second-key");
    assert_int_equal(channel_status(fixture, 0).failures, 1);
    assert_int_equal(fixture_logged(fixture, "[stream-refused]"), 0);
    assert_int_equal(fixture_logged(fixture, "[stream-down] receiver 1-12: "), 1);
}

int main(int argc, char **argv)
{
    channel = channel_from_arguments(argc, argv);
#define DIALOGUE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        DIALOGUE(reconnecting_closes_and_gives_the_service_time),
        DIALOGUE(a_second_order_does_not_cut_the_wait_short),
        DIALOGUE(an_order_while_it_backs_off_is_obeyed_at_once),
        DIALOGUE(an_attempt_without_an_answer_may_be_a_connection_to_the_service),
        DIALOGUE(who_is_given_up_for_silence_is_waited_for_as_well),
        DIALOGUE(who_reads_a_range_next_gives_the_service_time),
        DIALOGUE(a_late_refusal_of_the_old_key_says_nothing_of_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
