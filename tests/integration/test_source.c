/* test_source.c: receivers against a scripted server that does as it should: requests, lines,
 * resuming, many receivers, backpressure, TLS, proxies, preview. */
#include "source_fixture.h"

#include "fh/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

/* ---- requests and lines ---- */

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

#define MANY_LINES 3000

/* The same text for server and check: lines of many lengths. */
static char *many_lines(size_t *ret_len)
{
    size_t size = (size_t)MANY_LINES * 2100;
    char *text = malloc(size);
    assert_non_null(text);
    unsigned seed = 7;
    size_t len = 0;
    for (int i = 0; i < MANY_LINES; i++) {
        int padding = (int)(next_random(&seed) % (i % 50 == 0 ? 2000 : 120));
        len += (size_t)snprintf(text + len, size - len, "{\"n\":%d,\"pad\":\"%0*d\"}\n", i, padding,
                                0);
    }
    *ret_len = len;
    return text;
}

static void play_broken_chunks(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    size_t len = 0;
    char *text = many_lines(&len);
    unsigned seed = 11;
    bool alive = peer_open_stream(peer);
    for (size_t at = 0; alive && at < len;) {
        size_t piece = 1 + next_random(&seed) % (at < 2000 ? 3 : 30000);
        piece = piece < len - at ? piece : len - at;
        alive = peer_chunk(peer, text + at, piece);
        at += piece;
    }
    free(text);
    peer_wait_closed(peer);
}

static void check_broken_chunks(struct fixture *fixture, bool tls)
{
    fixture_serve(fixture, play_broken_chunks, tls);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, MANY_LINES));
    size_t len = 0;
    char *text = many_lines(&len);
    assert_true(fixture_text_is(fixture, text, len));
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    size_t last = len - 1; /* the last line begins after the newline before the last one */
    while (text[last - 1] != '\n') {
        last--;
    }
    assert_int_equal(collected.last_offset, last);
    free(text);
    assert_int_equal(collected.connected, 1);
    assert_int_equal(collected.disconnected, 0);
    struct fh_receiver_status status;
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_STREAMING));
    fh_sources_status(fixture->sources, 0, &status);
    assert_int_equal(status.http_status, 200);
    assert_int_equal(status.bytes, len);
    assert_int_equal(status.lines, MANY_LINES);
    assert_int_equal(status.connects, 1);
    assert_string_equal(status.protocol, "HTTP/1.1");
    assert_true(status.last_byte_age_ms >= 0);
    fh_sources_stop(fixture->sources);
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.disconnected, 1);
    assert_int_equal(fixture_logged(fixture, "[stream-up] receiver 1-12: "), 1);
}

static void lines_arrive_however_chunks_break(void **state)
{
    check_broken_chunks(*state, false);
}

static void lines_arrive_over_tls(void **state)
{
    check_broken_chunks(*state, true);
}

static void play_one_line(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (peer_open_stream(peer) && peer_chunk(peer, "{}\n", 3)) {
        peer_wait_closed(peer);
    }
}

static void request_says_what_differs_from_the_default(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_one_line, false);
    fixture->config.firehose.replica_id = 2;
    fixture->config.firehose.ranges.range[0] = (struct fh_range){4, 6};
    atomic_store(&fixture->resume_from, 1605502585236);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    char head[8192];
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_non_null(strstr(head, "GET /api/partners/v1/firehose/events?minPartition=4&"
                                 "maxPartition=6&fromTimestamp=1605502585236&replicaId=2 "
                                 "HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nX-API-KEY: " TEST_KEY "\r\n"));
    assert_null(strcasestr(head, "accept-encoding"));
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.asked_from_ms, 1605502585236);
}

static void request_is_bare_by_default(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_one_line, false);
    atomic_store(&fixture->resume_from, -5); /* nonsense is "from now on" */
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    char head[8192];
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_non_null(strstr(head, "GET /api/partners/v1/firehose/events HTTP/1.1\r\n"));
}

static void play_long_line(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    char filler[5000];
    memset(filler, 'x', sizeof(filler));
    if (peer_open_stream(peer) && peer_chunk(peer, filler, sizeof(filler)) &&
        peer_chunk(peer, "\n{}\n", 4)) {
        peer_wait_closed(peer);
    }
}

static void too_long_a_line_is_cut_and_the_stream_goes_on(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.max_line_bytes = 100;
    fixture_serve(fixture, play_long_line, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 2));
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.truncated, 1);
    assert_int_equal(collected.lines, 2);
    assert_int_equal(collected.last_offset, 5001);
}

/* ---- resuming ---- */

static void play_half_line_then_whole(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (!peer_open_stream(peer)) {
        return;
    }
    if (peer->number == 0) {
        peer_chunk(peer, "{\"a\":1}\n{\"half", 13);
        return; /* cut in mid-line, without the last chunk */
    }
    peer_chunk(peer, "{\"half\":2}\n", 11);
    peer_wait_closed(peer);
}

static void half_a_line_is_dropped_and_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_half_line_then_whole, true);
    atomic_store(&fixture->resume_from, 1000);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    atomic_store(&fixture->resume_from, 2000);
    assert_true(fixture_wait_connected(fixture, 2));
    assert_true(fixture_wait_lines(fixture, 2));
    static const char expected[] = "{\"a\":1}\n{\"half\":2}\n";
    assert_true(fixture_text_is(fixture, expected, sizeof(expected) - 1));
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.disconnected, 1);
    assert_int_equal(collected.last_offset, 0);
    assert_int_equal(fixture_logged(fixture, "[stream-down]"), 1);
    assert_int_equal(fixture_logged(fixture, "[stream-up]"), 2);
}

static void play_end_first(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (peer_open_stream(peer) && peer_chunk(peer, "{}\n", 3)) {
        if (peer->number == 0) {
            peer_end_stream(peer);
        }
        peer_wait_closed(peer);
    }
}

static void a_stream_that_ends_is_opened_again(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_end_first, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 2));
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_string_equal(collected.reason, "the server ended the stream");
}

static void reconnect_closes_before_it_opens(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_one_line, true);
    fixture_start(fixture);
    for (unsigned i = 1; i <= 5; i++) {
        assert_true(fixture_wait_lines(fixture, i));
        fh_sources_reconnect(fixture->sources, 2); /* nobody's bit */
        fh_sources_reconnect(fixture->sources, 1);
        assert_true(scripted_wait_requests(&fixture->server, i + 1));
    }
    fh_sources_stop(fixture->sources);
    for (unsigned i = 1; i <= 5; i++) {
        assert_true(fixture->server.peers[i].previous_closed);
    }
    assert_int_equal(fixture->server.accepted, 6);
}

/* ---- many receivers ---- */

static void twelve_receivers_on_three_threads(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_broken_chunks, false);
    struct fh_config_firehose *firehose = &fixture->config.firehose;
    assert_int_equal(fh_ranges_split(12, &firehose->ranges), 0);
    firehose->threads = 3;
    fixture_start(fixture);
    assert_int_equal(fh_sources_count(fixture->sources), 12);
    assert_true(scripted_wait_requests(&fixture->server, 12));
    size_t len = 0;
    char *text = many_lines(&len);
    free(text);
    for (unsigned i = 0; i < 12; i++) {
        struct collected collected = {0};
        for (int wait = 0; wait < 60000 && collected.lines < MANY_LINES; wait++) {
            fixture_wait_lines(fixture, 1);
            fixture_collected(fixture, i, &collected);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_int_equal(collected.lines, MANY_LINES);
        assert_int_equal(collected.len, len);
    }
    fh_sources_stop(fixture->sources);
    assert_int_equal(fixture->server.accepted, 12);
    for (unsigned partition = 1; partition <= 12; partition++) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "?minPartition=%u&maxPartition=%u ", partition, partition);
        unsigned found = 0;
        for (unsigned i = 0; i < 12; i++) {
            found += strstr(fixture->server.peers[i].request, wanted) != NULL;
        }
        assert_int_equal(found, 1);
    }
}

/* ---- backpressure ---- */

#define FLOOD_LINES 400000

static char *flood(size_t *ret_len)
{
    size_t size = (size_t)FLOOD_LINES * 64;
    char *text = malloc(size);
    assert_non_null(text);
    size_t len = 0;
    for (int i = 0; i < FLOOD_LINES; i++) {
        len += (size_t)snprintf(text + len, size - len, "{\"flood\":%d,\"pad\":\"%030d\"}\n", i, 0);
    }
    *ret_len = len;
    return text;
}

static atomic_size_t stalled_at;

static void play_flood(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    size_t len = 0;
    char *text = flood(&len);
    if (peer_print(peer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len + 1)) {
        size_t sent = peer_send_until_stalled(peer, text, len, 400);
        atomic_store(&stalled_at, sent);
        if (peer_send(peer, text + sent, len - sent)) { /* blocks until the client reads again */
            peer_wait_closed(peer);
        }
    }
    free(text);
}

static void a_full_store_stalls_the_server_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&stalled_at, 0);
    atomic_store(&fixture->full, true);
    fixture_serve(fixture, play_flood, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));
    for (int i = 0; i < 60000 && atomic_load(&stalled_at) == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    size_t len = 0;
    char *text = flood(&len);
    assert_in_range(atomic_load(&stalled_at), 1, len - 1);
    struct fh_receiver_status status;
    fh_sources_status(fixture->sources, 0, &status);
    assert_int_equal(status.state, FH_RECEIVER_PAUSED);
    assert_int_equal(status.lines, 0);

    unsigned refusals = atomic_load(&fixture->refusals);
    fh_sources_wake(fixture->sources); /* woken too early: asks, hears no, and waits again */
    for (int i = 0; i < 60000 && atomic_load(&fixture->refusals) == refusals; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));

    atomic_store(&fixture->full, false);
    fh_sources_wake(fixture->sources);
    assert_true(fixture_wait_lines(fixture, FLOOD_LINES));
    assert_true(fixture_text_is(fixture, text, len));
    free(text);
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.connected, 1);
    assert_true(collected.flushes < FLOOD_LINES / 100);
}

/* Head and first line in one piece: from here on it is we who do not read, whoever has to wait. */
static void play_head_and_line(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (peer_print(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}\n")) {
        peer_wait_closed(peer);
    }
}

static void a_pause_of_ours_is_no_silence_of_the_server(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 200;
    atomic_store(&fixture->full, true);
    fixture_serve(fixture, play_head_and_line, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));
    nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL); /* longer than the silence allowed */
    struct fh_receiver_status status;
    fh_sources_status(fixture->sources, 0, &status);
    assert_int_equal(status.state, FH_RECEIVER_PAUSED);
    assert_int_equal(status.failures, 0);
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.connected, 1);
    assert_int_equal(collected.disconnected, 0);
}

static void pausing_again_and_again_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->refuse_every = 2;
    fixture_serve(fixture, play_flood, false);
    fixture_start(fixture);
    size_t len = 0;
    char *text = flood(&len);
    struct collected collected = {0};
    /* comes before, while and after the receiver pauses */
    assert_true(fixture_wake_until_lines(fixture, FLOOD_LINES));
    fixture_collected(fixture, 0, &collected);
    assert_true(fixture_text_is(fixture, text, len));
    assert_true(atomic_load(&fixture->refusals) > 100);
    assert_int_equal(collected.connected, 1);
    free(text);
}

/* ---- proxies ---- */

static void a_plain_request_goes_through_the_proxy(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_one_line, false);
    snprintf(fixture->config.firehose.proxy, sizeof(fixture->config.firehose.proxy), "%s",
             fixture->server.url);
    snprintf(fixture->config.firehose.url, sizeof(fixture->config.firehose.url), "%s",
             "http://firehose.invalid:8080");
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    char head[8192];
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_non_null(strstr(head, "GET http://firehose.invalid:8080/api/partners/v1/"));
}

static void play_proxy_refuses(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
}

static void a_tunnelling_proxy_does_not_see_the_key(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_proxy_refuses, false);
    fixture->config.firehose.backoff_min_ms = 600000; /* it stays in the state that is looked for */
    fixture->config.firehose.backoff_max_ms = 600000;
    setenv("https_proxy", fixture->server.url, 1); /* the environment's proxy, this time */
    snprintf(fixture->config.firehose.url, sizeof(fixture->config.firehose.url), "%s",
             "https://firehose.invalid");
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_WAITING));
    unsetenv("https_proxy");
    char head[8192];
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_non_null(strstr(head, "CONNECT firehose.invalid:443 "));
    assert_null(strstr(head, TEST_KEY));
}

/* ---- preview ---- */

static void preview_takes_what_it_wants_and_goes(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_broken_chunks, true);
    fixture->line_limit = 5;
    assert_int_equal(fh_ranges_split(3, &fixture->config.firehose.ranges), 0);
    struct fh_error err = {""};
    assert_int_equal(fh_source_preview(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err),
                     0);
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_true(collected.lines >= 5);
    assert_int_equal(collected.unflushed, 0);
    assert_int_equal(scripted_requests(&fixture->server), 1);
    char head[8192];
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_non_null(strstr(head, "/events HTTP/1.1\r\n")); /* all partitions over one connection */
}

static void play_401(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope");
}

static void preview_says_why_not(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_401, false);
    struct fh_error err = {""};
    assert_int_equal(fh_source_preview(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err),
                     -EACCES);
    assert_non_null(strstr(err.text, "401"));
    assert_non_null(strstr(err.text, "api_key_file"));
    assert_int_equal(scripted_requests(&fixture->server), 1);
    snprintf(fixture->config.firehose.url, sizeof(fixture->config.firehose.url), "%s",
             "http://127.0.0.1:1");
    assert_int_equal(fh_source_preview(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err),
                     -EIO);
    assert_int_equal(fixture_logged(fixture, "[stream"), 0); /* the caller prints, not the log */
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(lines_arrive_however_chunks_break),
        WITH_FIXTURE(lines_arrive_over_tls),
        WITH_FIXTURE(request_says_what_differs_from_the_default),
        WITH_FIXTURE(request_is_bare_by_default),
        WITH_FIXTURE(too_long_a_line_is_cut_and_the_stream_goes_on),
        WITH_FIXTURE(half_a_line_is_dropped_and_asked_for_again),
        WITH_FIXTURE(a_stream_that_ends_is_opened_again),
        WITH_FIXTURE(reconnect_closes_before_it_opens),
        WITH_FIXTURE(twelve_receivers_on_three_threads),
        WITH_FIXTURE(a_full_store_stalls_the_server_and_loses_nothing),
        WITH_FIXTURE(a_pause_of_ours_is_no_silence_of_the_server),
        WITH_FIXTURE(pausing_again_and_again_loses_nothing),
        WITH_FIXTURE(a_plain_request_goes_through_the_proxy),
        WITH_FIXTURE(a_tunnelling_proxy_does_not_see_the_key),
        WITH_FIXTURE(preview_takes_what_it_wants_and_goes),
        WITH_FIXTURE(preview_says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
