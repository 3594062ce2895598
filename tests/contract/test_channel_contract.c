/* test_channel_contract.c: the promises every channel makes, as one suite of dialogues that runs
 * over each of them: what is asked for, what arrives, what happens when the server is silent, cuts
 * or refuses, and that stopping is possible in every state. Back-pressure is in
 * test_channel_pressure.c, what the daemon orders in test_channel_orders.c.
 * Usage: test_channel_contract http|websocket|grpc */
#include "channel_fixture.h"

#include "fh/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
/* cmocka wants these above first */
#include <cmocka.h>

static enum fh_channel channel;

/* ---- asked and given ---- */

static void check_pieces(struct fixture *fixture, bool tls)
{
    channel_serve(fixture, channel, channel_play_pieces, tls);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, CHANNEL_MANY));
    assert_true(channel_lines_are(fixture, 0, CHANNEL_MANY, true));
    struct collected result = channel_collected(fixture);
    assert_int_equal(result.connected, 1);
    assert_int_equal(result.disconnected, 0);
    assert_int_equal(result.truncated, 0);
    struct fh_receiver_status status = channel_status(fixture, 0);
    assert_int_equal(status.lines, CHANNEL_MANY);
    assert_int_equal(status.connects, 1);
    static const char *const protocols[] = {"HTTP/1.1", "WebSocket", "gRPC"};
    assert_string_equal(status.protocol, protocols[channel]);
    fh_sources_stop(fixture->sources);
    assert_int_equal(channel_collected(fixture).disconnected, 1);
    assert_int_equal(fixture_logged(fixture, "[stream-up] receiver 1-12: "), 1);
}

static void records_arrive_however_the_bytes_break(void **state)
{
    check_pieces(*state, false);
}

static void records_arrive_over_tls(void **state)
{
    check_pieces(*state, true);
}

static void the_request_says_what_differs_from_the_default(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, channel_play_one, false);
    fixture->config.firehose.replica_id = 2;
    fixture->config.firehose.ranges.range[0] = (struct fh_range){4, 6};
    atomic_store(&fixture->resume_from, 1605502585236);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    struct channel_request request = channel_asked(0);
    assert_string_equal(request.key, TEST_KEY);
    assert_int_equal(request.min_partition, 4);
    assert_int_equal(request.max_partition, 6);
    assert_int_equal(request.from_ms, 1605502585236);
    assert_int_equal(request.replica, 2);
    assert_int_equal(channel_collected(fixture).asked_from_ms, 1605502585236);
}

static void the_request_is_bare_by_default(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, channel_play_one, false);
    atomic_store(&fixture->resume_from, -5); /* nonsense is "from now on" */
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    struct channel_request request = channel_asked(0);
    assert_string_equal(request.key, TEST_KEY);
    assert_int_equal(request.min_partition, 0);
    assert_int_equal(request.max_partition, 0);
    assert_int_equal(request.from_ms, 0);
    assert_int_equal(request.replica, 0);
}

static void play_junk(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_send_junk(peer) && channel_send_record(peer, 1, 1)) {
        channel_wait_closed(peer);
    }
}

static void what_is_no_record_is_handed_on_and_the_stream_goes_on(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, play_junk, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 2));
    char text[256];
    size_t len = channel_record_text(1, 1, text, sizeof(text));
    struct collected result = channel_collected(fixture);
    assert_true(result.len > len);
    assert_memory_equal(result.text + result.len - len, text, len);
    assert_int_equal(result.disconnected, 0);
    assert_int_equal(result.lines, 2);
}

static void play_long_record(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_send_record(peer, 0, 60000) &&
        channel_send_record(peer, 1, 1)) {
        channel_wait_closed(peer);
    }
}

static void too_long_a_record_is_cut_and_the_stream_goes_on(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.max_line_bytes = 4096;
    channel_serve(fixture, channel, play_long_record, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 2));
    struct collected result = channel_collected(fixture);
    assert_int_equal(result.truncated, 1);
    assert_int_equal(result.lines, 2);
    assert_true(result.len < 4096 + 300);
    assert_int_equal(result.disconnected, 0);
}

/* ---- silence, cuts, ends ---- */

#define KEPT_ALIVE 30 /* times 100 ms */

static atomic_uint kept; /* the first connection that was kept alive, counted from 1 */

/* A server that is held up for longer than the silence allowed is given up by right, and tries
 * again with the next connection. */
static void play_keep_alives(struct channel_peer *peer, void *userdata)
{
    struct fixture *fixture = userdata;
    bool alive = channel_open(peer);
    for (unsigned n = 0; alive && n < KEPT_ALIVE; n++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* the interval is the test */
        if (n == KEPT_ALIVE - 1) {
            atomic_store(&fixture->resume_from, 2000); /* for whoever comes next */
        }
        alive = channel_send_record(peer, peer->peer->number * 100 + n, 1);
    }
    unsigned none = 0;
    if (alive) {
        channel_wait_closed(peer);
        char last[32];
        snprintf(last, sizeof(last), "event-%08x", peer->peer->number * 100 + KEPT_ALIVE - 1);
        if (fixture_has(fixture, last)) {
            atomic_compare_exchange_strong(&kept, &none, peer->peer->number + 1);
        }
    }
}

static void keep_alives_keep_it_alive_and_silence_ends_it(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 2500; /* shorter than the sum, far longer than one */
    atomic_store(&kept, 0);
    channel_serve(fixture, channel, play_keep_alives, false);
    atomic_store(&fixture->resume_from, 1000);
    fixture_start(fixture);
    for (int i = 0; i < 60000 && atomic_load(&kept) == 0; i++) {
        channel_breathe();
    }
    unsigned next = atomic_load(&kept); /* the connection after the one that was kept alive */
    assert_true(next > 0);
    assert_true(fixture_wait_connected(fixture, next + 1));
    assert_true(fixture_logged(fixture, "[stream-silent] receiver 1-12: not a byte") > 0);
    assert_int_equal(channel_asked(0).from_ms, 1000);
    assert_int_equal(channel_asked(next).from_ms, 2000);
    fh_sources_stop(fixture->sources);
    assert_true(fixture->server.peers[next].previous_closed);
}

static atomic_bool told;

static void play_no_answer(struct channel_peer *peer, void *userdata)
{
    if (!atomic_load(&told)) {
        channel_wait_closed(peer);
        return;
    }
    channel_play_one(peer, userdata);
}

static void no_answer_is_not_waited_for_without_end(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 200;
    fixture->config.firehose.connect_timeout_ms = 1000; /* a busy machine needs time to connect */
    atomic_store(&told, false);
    channel_serve(fixture, channel, play_no_answer, false);
    fixture_start(fixture);
    assert_true(fixture_wait_logged(fixture, "no answer for 1.2 s"));
    atomic_store(&told, true);
    assert_true(fixture_wait_lines(fixture, 1));
}

static void play_half_then_whole(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (!channel_open(peer)) {
        return;
    }
    if (peer->peer->number == 0) {
        channel_send_record(peer, 7, 1);
        channel_send_half(peer, 8);
        return; /* cut */
    }
    if (channel_send_record(peer, 8, 1)) {
        channel_wait_closed(peer);
    }
}

static void check_half(struct fixture *fixture, bool tls)
{
    channel_serve(fixture, channel, play_half_then_whole, tls);
    atomic_store(&fixture->resume_from, 1000);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    atomic_store(&fixture->resume_from, 2000);
    assert_true(fixture_wait_connected(fixture, 2));
    assert_true(fixture_wait_lines(fixture, 2));
    assert_true(channel_lines_are(fixture, 7, 2, false));
    assert_int_equal(channel_collected(fixture).disconnected, 1);
    assert_int_equal(fixture_logged(fixture, "[stream-down]"), 1);
    assert_int_equal(fixture_logged(fixture, "[stream-up]"), 2);
}

static void half_a_record_is_dropped_and_asked_for_again(void **state)
{
    check_half(*state, false);
}

static void half_a_record_over_tls(void **state)
{
    check_half(*state, true);
}

static void play_gone(struct channel_peer *peer, void *userdata)
{
    switch (peer->peer->number) {
    case 0: /* before it answers */
        return;
    case 1: /* before the first record */
        channel_open(peer);
        return;
    default:
        channel_play_one(peer, userdata);
    }
}

static void a_server_that_goes_without_a_word_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, play_gone, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    struct fh_receiver_status status = channel_status(fixture, 0);
    assert_int_equal(status.failures, 2);
    assert_int_equal(status.connects, 2);
}

static void play_end_first(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_send_record(peer, peer->peer->number, 1)) {
        if (peer->peer->number == 0) {
            channel_end(peer);
        }
        channel_wait_closed(peer);
    }
}

static void a_stream_that_ends_is_opened_again(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, play_end_first, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 2));
    static const char *const reasons[] = {
        "the server ended the stream", "the server closed the WebSocket: 1000 (normal closure)",
        "ended with grpc-status 0 OK: the service ended the stream"};
    assert_string_equal(channel_collected(fixture).reason, reasons[channel]);
    fh_sources_stop(fixture->sources);
    assert_true(fixture->server.peers[1].previous_closed);
}

/* ---- statuses ---- */

static atomic_int refusal;

static void play_refusal(struct channel_peer *peer, void *userdata)
{
    if (strcmp(peer->request.key, TEST_KEY) != 0) {
        channel_play_one(peer, userdata);
        return;
    }
    channel_refuse(peer, atomic_load(&refusal), 0, "no " TEST_KEY " here");
}

static void check_refused(struct fixture *fixture, int status, const char *remedy)
{
    atomic_store(&refusal, status);
    channel_serve(fixture, channel, play_refusal, true);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    struct fh_receiver_status now = channel_status(fixture, 0);
    assert_int_equal(now.http_status, status);
    assert_in_range(now.retry_in_ms, 500000, 660000);
    assert_int_equal(now.connects, 0);
    assert_non_null(strstr(now.last_error, remedy));
    assert_non_null(strstr(now.last_error, "no [key] here"));
    assert_int_equal(fixture_logged(fixture, "error [stream-refused] receiver 1-12: "), 1);
    assert_int_equal(scripted_requests(&fixture->server), 1);
    assert_int_equal(channel_collected(fixture).connected, 0);
    /* a new key is tried at once */
    assert_int_equal(fh_sources_set_api_key(fixture->sources, "the-second-key"), 0);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_string_equal(channel_asked(1).key, "the-second-key");
}

static void a_bad_request_names_replica_and_ranges(void **state)
{
    check_refused(*state, 400, "firehose.replica_id");
}

static void a_bad_key_names_the_key_file(void **state)
{
    check_refused(*state, 401, "firehose.api_key_file");
}

static void a_channel_not_granted_names_the_channel(void **state)
{
    check_refused(*state, 403, "firehose.channel");
}

static void a_wrong_path_names_the_path(void **state)
{
    check_refused(*state, 404, channel == FH_CHANNEL_GRPC ? "firehose.grpc_path" : "firehose.path");
}

/* The clock of a service that answers 400 to what it has not kept. */
#define SERVICE_MS 1767268800000
#define MINUTE_MS  60000

static atomic_llong kept_ms;

static void play_short_memory(struct channel_peer *peer, void *userdata)
{
    if (peer->request.from_ms != 0 && peer->request.from_ms < SERVICE_MS - atomic_load(&kept_ms)) {
        channel_refuse_at(peer, 400, 0, "too old", "Thu, 01 Jan 2026 12:00:00 GMT");
        return;
    }
    channel_play_one(peer, userdata);
}

static void who_was_away_too_long_asks_for_what_there_is(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.replay_window_ms = 55LL * MINUTE_MS;
    atomic_store(&kept_ms, 30LL * MINUTE_MS);
    atomic_store(&fixture->resume_from, SERVICE_MS - 120LL * MINUTE_MS);
    channel_serve(fixture, channel, play_short_memory, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    /* The handler hears what it wanted, or it could not find out what is missing. */
    assert_int_equal(channel_collected(fixture).asked_from_ms, SERVICE_MS - 120LL * MINUTE_MS);
    assert_int_equal(channel_asked(0).from_ms, SERVICE_MS - 120LL * MINUTE_MS);
    assert_in_range(channel_asked(1).from_ms, SERVICE_MS - 55LL * MINUTE_MS, SERVICE_MS);
    assert_in_range(channel_asked(2).from_ms, SERVICE_MS - 55LL * MINUTE_MS / 2, SERVICE_MS);
    assert_int_equal(channel_asked(2).from_ms, channel_status(fixture, 0).asked_from_ms);
    assert_int_equal(fixture_logged(fixture, "it is asked for the last 3300 s instead"), 1);
    assert_int_equal(fixture_logged(fixture, "[stream-refused]"), 0);
    /* after a stream it is asked as wished again */
    atomic_store(&kept_ms, 600LL * MINUTE_MS);
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_connected(fixture, 2));
    assert_int_equal(channel_asked(3).from_ms, SERVICE_MS - 120LL * MINUTE_MS);
}

static void play_always_400(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    channel_refuse_at(peer, 400, 0, "no", "Thu, 01 Jan 2026 12:00:00 GMT");
}

static void a_400_that_is_not_about_the_time_is_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.replay_window_ms = 55LL * MINUTE_MS;
    atomic_store(&fixture->resume_from, SERVICE_MS - 120LL * MINUTE_MS);
    channel_serve(fixture, channel, play_always_400, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_int_equal(scripted_requests(&fixture->server), 8); /* as wished, the window, six less */
    assert_int_equal(channel_asked(7).from_ms, 0);
    assert_int_equal(fixture_logged(fixture, "error [stream-refused] receiver 1-12: "), 1);
}

static void play_faults_then_stream(struct channel_peer *peer, void *userdata)
{
    switch (peer->peer->number) {
    case 0:
        channel_refuse(peer, 429, 1, "slow down");
        return;
    case 1:
        peer_wait_until(peer->peer, &told); /* until then the 429 is what the status tells of */
        channel_refuse(peer, 500, 0, "oh");
        return;
    case 2:
        channel_refuse(peer, 503, 0, "later");
        return;
    default:
        channel_play_one(peer, userdata);
    }
}

static void a_limit_is_waited_out_and_faults_are_retried(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&told, false);
    channel_serve(fixture, channel, play_faults_then_stream, false);
    fixture_start(fixture);
    assert_true(fixture_wait_failures(fixture, 1));
    assert_int_equal(channel_status(fixture, 0).http_status, 429);
    atomic_store(&told, true);
    assert_true(fixture_wait_lines(fixture, 1));
    fh_sources_stop(fixture->sources);
    const struct scripted_peer *peers = fixture->server.peers;
    assert_true(peers[1].opened_ms - peers[0].opened_ms >= 1000); /* as it was told */
    assert_int_equal(channel_status(fixture, 0).failures, 3);
    assert_int_equal(fixture_logged(fixture, "slow down"), 1);
}

/* ---- many, one, none ---- */

static void play_by_partition(struct channel_peer *peer, void *userdata)
{
    if (peer->request.min_partition == 5) { /* one of them fails again and again */
        channel_refuse(peer, 500, 0, "not this one");
        return;
    }
    channel_play_pieces(peer, userdata);
}

static void twelve_connections_and_one_that_fails(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.threads = 3;
    fixture->config.firehose.backoff_min_ms = 500;
    fixture->config.firehose.backoff_max_ms = 500;
    assert_int_equal(fh_ranges_split(12, &fixture->config.firehose.ranges), 0);
    channel_serve(fixture, channel, play_by_partition, false);
    fixture_start(fixture);
    for (unsigned i = 0; i < 12; i++) {
        struct fh_receiver_status status = channel_status(fixture, i);
        for (int wait = 0;
             wait < 60000 && (i == 4 ? status.failures < 2 : status.lines < CHANNEL_MANY); wait++) {
            channel_breathe();
            status = channel_status(fixture, i);
        }
        assert_int_equal(status.lines, i == 4 ? 0 : CHANNEL_MANY);
        assert_int_equal(status.connects, i == 4 ? 0 : 1);
        assert_true(i != 4 || status.failures >= 2);
    }
    fh_sources_stop(fixture->sources);
    unsigned seen[13] = {0};
    for (unsigned i = 0; i < SCRIPTED_PEERS_MAX; i++) {
        struct channel_request request = channel_asked(i);
        if (request.min_partition == 0) {
            continue; /* none came, or it came when we stopped and asked for nothing any more */
        }
        assert_in_range(request.min_partition, 1, 12);
        assert_int_equal(request.min_partition, request.max_partition);
        seen[request.min_partition]++;
    }
    for (unsigned partition = 1; partition <= 12; partition++) {
        assert_true(partition == 5 ? seen[partition] >= 2 : seen[partition] == 1);
    }
}

static void preview_takes_what_it_wants_and_goes(void **state)
{
    struct fixture *fixture = *state;
    channel_serve(fixture, channel, channel_play_pieces, true);
    fixture->line_limit = 5;
    assert_int_equal(fh_ranges_split(3, &fixture->config.firehose.ranges), 0);
    struct fh_error err = {""};
    assert_int_equal(fh_source_preview(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err),
                     0);
    struct collected result = channel_collected(fixture);
    assert_true(result.lines >= 5);
    assert_int_equal(result.unflushed, 0);
    assert_int_equal(channel_asked(0).max_partition, 0); /* all of them */
    assert_int_equal(scripted_requests(&fixture->server), 1);
}

static void preview_says_why_not(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&refusal, 401);
    channel_serve(fixture, channel, play_refusal, false);
    struct fh_error err = {""};
    assert_int_equal(fh_source_preview(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err),
                     -EACCES);
    assert_non_null(strstr(err.text, "firehose.api_key_file"));
    assert_int_equal(fixture_logged(fixture, "[stream"), 0); /* the caller prints, not the log */
}

/* ---- stopping ---- */

static atomic_int wanted_state;

static void play_state(struct channel_peer *peer, void *userdata)
{
    switch (atomic_load(&wanted_state)) {
    case FH_RECEIVER_WAITING:
        channel_refuse(peer, 503, 600, "later");
        return;
    case FH_RECEIVER_REFUSED:
        channel_refuse(peer, 401, 0, "no");
        return;
    case FH_RECEIVER_CONNECTING:
        channel_wait_closed(peer);
        return;
    default:
        channel_play_one(peer, userdata);
    }
}

static void check_stop(struct fixture *fixture, enum fh_receiver_state wanted)
{
    atomic_store(&wanted_state, (int)wanted);
    atomic_store(&fixture->full, wanted == FH_RECEIVER_PAUSED);
    channel_serve(fixture, channel, play_state, true);
    fixture_start(fixture);
    assert_true(scripted_wait_requests(&fixture->server, 1));
    assert_true(fixture_wait_state(fixture, wanted));
    struct fh_time before = fh_now();
    fh_sources_stop(fixture->sources);
    /* no time-out of a connection, no wait for the next try: all of them are longer */
    assert_true(fh_time_diff_ms(fh_now(), before) < 30000);
    assert_int_equal(channel_status(fixture, 0).state, FH_RECEIVER_IDLE);
}

#define STOP_IN(name, wanted)                                                                      \
    static void stop_while_##name(void **state)                                                    \
    {                                                                                              \
        check_stop(*state, wanted);                                                                \
    }
STOP_IN(connecting, FH_RECEIVER_CONNECTING)
STOP_IN(streaming, FH_RECEIVER_STREAMING)
STOP_IN(paused, FH_RECEIVER_PAUSED)
STOP_IN(waiting, FH_RECEIVER_WAITING)
STOP_IN(refused, FH_RECEIVER_REFUSED)

int main(int argc, char **argv)
{
    channel = channel_from_arguments(argc, argv);
#define DIALOGUE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        DIALOGUE(records_arrive_however_the_bytes_break),
        DIALOGUE(records_arrive_over_tls),
        DIALOGUE(the_request_says_what_differs_from_the_default),
        DIALOGUE(the_request_is_bare_by_default),
        DIALOGUE(what_is_no_record_is_handed_on_and_the_stream_goes_on),
        DIALOGUE(too_long_a_record_is_cut_and_the_stream_goes_on),
        DIALOGUE(keep_alives_keep_it_alive_and_silence_ends_it),
        DIALOGUE(no_answer_is_not_waited_for_without_end),
        DIALOGUE(half_a_record_is_dropped_and_asked_for_again),
        DIALOGUE(half_a_record_over_tls),
        DIALOGUE(a_server_that_goes_without_a_word_is_noticed),
        DIALOGUE(a_stream_that_ends_is_opened_again),
        DIALOGUE(a_bad_request_names_replica_and_ranges),
        DIALOGUE(a_bad_key_names_the_key_file),
        DIALOGUE(a_channel_not_granted_names_the_channel),
        DIALOGUE(a_wrong_path_names_the_path),
        DIALOGUE(who_was_away_too_long_asks_for_what_there_is),
        DIALOGUE(a_400_that_is_not_about_the_time_is_a_refusal),
        DIALOGUE(a_limit_is_waited_out_and_faults_are_retried),
        DIALOGUE(twelve_connections_and_one_that_fails),
        DIALOGUE(preview_takes_what_it_wants_and_goes),
        DIALOGUE(preview_says_why_not),
        DIALOGUE(stop_while_connecting),
        DIALOGUE(stop_while_streaming),
        DIALOGUE(stop_while_paused),
        DIALOGUE(stop_while_waiting),
        DIALOGUE(stop_while_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
