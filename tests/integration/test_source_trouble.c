/* test_source_trouble.c: receivers against servers that refuse, redirect, fall silent, lie about
 * who they are or go away, and stopping in the middle of each. */
#include "source_fixture.h"

#include "fh/clock.h"
#include "receiver.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants these above first */
#include <cmocka.h>

static void stream_for_ever(struct scripted_peer *peer)
{
    if (peer_open_stream(peer) && peer_chunk(peer, "{}\n", 3)) {
        peer_wait_closed(peer);
    }
}

static void status_of(struct fixture *fixture, struct fh_receiver_status *ret)
{
    fh_sources_status(fixture->sources, 0, ret);
}

/* ---- refusals ---- */

/* Answers 401 until the second key is used; echoes the key, as a careless server may. */
static void play_401_for_the_first_key(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (!strstr(peer->request, TEST_KEY)) {
        stream_for_ever(peer);
        return;
    }
    static const char body[] = "{\"status\":false,\"message\":\"no\tkey\x1b[31m " TEST_KEY "\"}";
    peer_print(peer, "HTTP/1.1 401 Unauthorized\r\nContent-Length: %zu\r\n\r\n%s", sizeof(body) - 1,
               body);
}

static void a_refused_key_is_slow_and_loud_until_a_new_one_comes(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_401_for_the_first_key, true);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_int_equal(status.http_status, 401);
    assert_in_range(status.retry_in_ms, 500000, 660000);
    assert_int_equal(status.connects, 0);
    assert_int_equal(status.failures, 1);
    assert_non_null(strstr(status.last_error, "no key?[31m [key]"));
    assert_null(strstr(status.last_error, TEST_KEY));
    assert_int_equal(fixture_logged(fixture, "error [stream-refused] receiver 1-12: "), 1);
    assert_int_equal(fixture_logged(fixture, "FIREHOSED_RECEIVER=1-12 FIREHOSED_STATUS=401"), 1);
    assert_int_equal(scripted_requests(&fixture->server), 1);

    assert_int_equal(fh_sources_set_api_key(fixture->sources, ""), -EINVAL);
    assert_int_equal(fh_sources_set_api_key(fixture->sources, "a\r\nb"), -EINVAL);
    assert_int_equal(fh_sources_set_api_key(fixture->sources, "the-second-key"), 0);
    assert_true(fixture_wait_lines(fixture, 1));
    char head[8192];
    scripted_request(&fixture->server, 1, head, sizeof(head));
    assert_non_null(strstr(head, "X-API-KEY: the-second-key\r\n"));
}

static void play_a_stream(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    stream_for_ever(peer);
}

/* A host that comes up before its name server: every attempt has to be a real one. */
static void an_unknown_name_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_a_stream, false);
    snprintf(fixture->config.firehose.url, sizeof(fixture->config.firehose.url),
             "https://nowhere.invalid/");
    fixture_start(fixture);
    struct fh_receiver_status status;
    status_of(fixture, &status);
    for (int i = 0; i < 18000 && status.failures < 3; i++) {
        usleep(10000);
        status_of(fixture, &status);
    }
    assert_in_range(status.failures, 3, UINT64_MAX);
    assert_non_null(strstr(status.last_error, "resolve"));
}

/* libcurl would show all of an address it cannot read. */
static void the_password_of_a_proxy_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_a_stream, false);
    fixture->config.firehose.backoff_min_ms = 600000; /* it stays in the state that is looked for */
    fixture->config.firehose.backoff_max_ms = 600000;
    snprintf(fixture->config.firehose.proxy, sizeof(fixture->config.firehose.proxy),
             "http://us:s3#cret@127.0.0.1:1");
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_WAITING));
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_non_null(strstr(status.last_error, "address of the proxy"));
    assert_null(strstr(status.last_error, "cret"));
    assert_int_equal(fixture_logged(fixture, "cret"), 0);
}

/* The body is long, its key stands across the limit of what is shown, and it does not end. */
static void play_404_without_end(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    char filler[FH_BODY_SHOWN - 10];
    memset(filler, 'f', sizeof(filler));
    peer_print(peer, "HTTP/1.1 404 Not Found\r\n\r\n%.*s%s", (int)sizeof(filler), filler, TEST_KEY);
    peer_wait_closed(peer);
}

static void an_answer_that_does_not_end_is_judged_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_404_without_end, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_int_equal(fixture_logged(fixture, "0123456789"), 0);
    assert_int_equal(fixture_logged(fixture, "check firehose.url"), 1);
}

static atomic_bool told;

/* The seventh waits for the new key, or there would be more of them than the server can take. */
static void play_401_six_times(struct scripted_peer *peer, void *userdata)
{
    if (peer->number >= 6) {
        peer_wait_until(peer, &told);
    }
    play_401_for_the_first_key(peer, userdata);
}

static void refused_again_and_again_is_said_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.refused_retry_ms = 5;
    atomic_store(&told, false);
    fixture_serve(fixture, play_401_six_times, false);
    fixture_start(fixture);
    assert_true(scripted_wait_requests(&fixture->server, 7));
    assert_int_equal(fh_sources_set_api_key(fixture->sources, "the-second-key"), 0);
    atomic_store(&told, true);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_int_equal(fixture_logged(fixture, "[stream-refused]"), 1);
    assert_int_equal(fixture_logged(fixture, "more failures like the last"), 1);
}

/* ---- back-off ---- */

static void play_429_then_503_then_stream(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (peer->number == 0) {
        peer_print(peer, "HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    } else if (peer->number == 1) {
        peer_wait_until(peer, &told); /* until then the 429 is what the status tells of */
        peer_print(peer, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    } else {
        stream_for_ever(peer);
    }
}

static void a_limit_is_waited_out_and_a_fault_is_retried(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&told, false);
    fixture_serve(fixture, play_429_then_503_then_stream, false);
    fixture_start(fixture);
    assert_true(fixture_wait_failures(fixture, 1));
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_int_equal(status.http_status, 429);
    atomic_store(&told, true);
    assert_true(fixture_wait_lines(fixture, 1));
    fh_sources_stop(fixture->sources);
    const struct scripted_peer *peers = fixture->server.peers;
    int64_t waited = peers[1].opened_ms - peers[0].opened_ms;
    assert_true(waited >= 1000);
    assert_int_equal(fixture_logged(fixture, "[stream-down]"), 2);
}

/* A date is one of the service's clock, years ahead of ours here, and 500 seconds are meant. */
static void play_429_until_a_date(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 429 Too Many\r\nDate: Tue, 01 Jan 2069 00:00:00 GMT\r\n"
                     "Retry-After: Tue, 01 Jan 2069 00:08:20 GMT\r\nContent-Length: 0\r\n\r\n");
}

static void a_date_to_wait_for_is_of_the_service_s_clock(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_429_until_a_date, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_WAITING));
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_in_range(status.retry_in_ms, 400000, 501000);
    assert_int_equal(fixture_logged(fixture, "next try in 500."), 1);
}

/* ---- redirects ---- */

static void play_redirect_home(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (strstr(peer->request, "GET /elsewhere?x=1 ")) {
        stream_for_ever(peer);
    } else {
        peer_print(peer, "HTTP/1.1 307 Moved\r\nLocation: /elsewhere?x=1\r\n"
                         "Content-Length: 5\r\n\r\nmoved");
    }
}

static void a_redirect_within_the_server_is_followed(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_redirect_home, true);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    char head[8192];
    scripted_request(&fixture->server, 1, head, sizeof(head));
    assert_non_null(strstr(head, "X-API-KEY: " TEST_KEY "\r\n"));
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.connected, 1);
    assert_int_equal(collected.disconnected, 0);
    fh_sources_stop(fixture->sources);
    assert_true(fixture->server.peers[1].previous_closed);
}

static void play_redirect_without_end(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (strstr(peer->request, "GET /api/partners/v1/firehose/else?x=1 ")) {
        stream_for_ever(peer);
        return;
    }
    peer_print(peer, "HTTP/1.1 308 Moved\r\nLocation: else?x=1\r\nContent-Length: 5\r\n\r\n");
    if (peer->number > 0) {
        peer_print(peer, "mo");
    }
    peer_wait_closed(peer);
}

static void a_redirect_whose_body_does_not_end_is_followed(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_redirect_without_end, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_int_equal(fixture_logged(fixture, "[stream-refused]"), 0);
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(fixture_wait_lines(fixture, 2));
}

static void play_date_once(struct scripted_peer *peer, void *userdata)
{
    if (peer->number > 0) {
        stream_for_ever(peer);
        return;
    }
    peer_print(peer, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 12:00:00 GMT\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n");
    peer_chunk(peer, "{}\n", 3);
    fixture_wait_lines(userdata, 1);
    peer_end_stream(peer);
}

static atomic_llong told_time = -1;

static void on_server_time(void *userdata, unsigned receiver, int64_t now_ms)
{
    (void)userdata;
    (void)receiver;
    atomic_store(&told_time, now_ms);
}

static void the_service_s_clock_is_of_this_answer(void **state)
{
    struct fixture *fixture = *state;
    struct fh_source_handler handler = fixture_handler;
    struct fh_error err = {""};
    handler.server_time = on_server_time;
    fixture_serve(fixture, play_date_once, false);
    assert_int_equal(
        fh_sources_new(&fixture->config, TEST_KEY, &handler, fixture, &err, &fixture->sources), 0);
    assert_int_equal(fh_sources_start(fixture->sources, &err), 0);
    assert_true(fixture_wait_connected(fixture, 1));
    assert_true(fixture_wait_connected(fixture, 2));
    assert_int_equal(atomic_load(&told_time), 0);
}

static void play_redirect_round(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 302 Found\r\nLocation: %s%u\r\nContent-Length: 0\r\n\r\n",
               peer->server->url, peer->number);
}

static void redirects_without_end_are_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_redirect_round, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_int_equal(scripted_requests(&fixture->server), 4);
}

static struct scripted_server other; /* must never hear from us */

static void play_redirect_away(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 301 Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", other.url);
}

static void play_nothing(struct scripted_peer *peer, void *userdata)
{
    (void)peer;
    (void)userdata;
}

static void a_redirect_to_another_server_is_refused(void **state)
{
    struct fixture *fixture = *state;
    other = (struct scripted_server){.play = play_nothing};
    scripted_server_start(&other);
    fixture_serve(fixture, play_redirect_away, false);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_int_equal(fixture_logged(fixture, "a redirect to another server is not followed"), 1);
    fh_sources_stop(fixture->sources);
    scripted_server_stop(&other);
    assert_int_equal(other.accepted, 0);
}

static void same_server_means_scheme_host_and_port(void **state)
{
    (void)state;
    assert_true(fh_same_server("https://a.example/x?y", "https://A.example"));
    assert_true(fh_same_server("https://a.example:443/", "https://a.example/z"));
    assert_true(fh_same_server("http://a.example:80/", "http://a.example/z"));
    assert_false(fh_same_server("http://a.example/", "https://a.example/"));
    assert_false(fh_same_server("https://a.example:8443/", "https://a.example/"));
    assert_false(fh_same_server("https://b.example/", "https://a.example/"));
    assert_false(fh_same_server("https://a.example.evil/", "https://a.example/"));
    assert_false(fh_same_server("https://a.example@evil/", "https://a.example/"));
    assert_false(fh_same_server("", "https://a.example/"));
}

/* ---- silence ---- */

static void play_silence_first(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    if (peer_open_stream(peer) && peer_chunk(peer, "{}\n", 3)) {
        for (int i = 0; peer->number == 1 && i < 14; i++) { /* slow, but not silent */
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
            peer_chunk(peer, "\n", 1);
        }
        if (peer->number == 1) {
            peer_chunk(peer, "{}\n", 3);
        }
        peer_wait_closed(peer);
    }
}

static void a_silent_stream_is_opened_again(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 500;
    fixture_serve(fixture, play_silence_first, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 3));
    fh_sources_stop(fixture->sources);
    const struct scripted_peer *peers = fixture->server.peers;
    assert_true(peers[1].opened_ms - peers[0].opened_ms >= 500);
    assert_true(peers[1].previous_closed);
    assert_true(fixture_logged(fixture, "[stream-silent]") >= 1);
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_true(collected.connected >= 2);
}

static void play_dead(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_wait_closed(peer);
}

static void no_answer_is_silence_too(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 100;
    fixture->config.firehose.connect_timeout_ms = 1000; /* a busy machine needs time to connect */
    fixture_serve(fixture, play_dead, false);
    fixture_start(fixture);
    assert_true(fixture_wait_logged(fixture, "no answer for 1.1 s"));
    assert_true(fixture_wait_failures(fixture, 3));
    fh_sources_stop(fixture->sources);
    if (fixture_logged(fixture, "[stream-down]") ==
        0) { /* else: a second was too short, after all */
        struct fh_receiver_status status;
        status_of(fixture, &status);
        assert_string_equal(status.last_error, "no answer for 1.1 s");
        assert_int_equal(fixture_logged(fixture, "[stream-silent]"), 1);
    }
    struct collected collected;
    fixture_collected(fixture, 0, &collected);
    assert_int_equal(collected.connected, 0);
    assert_int_equal(collected.disconnected, 0); /* it was never told of a connection */
}

/* ---- transport ---- */

static void a_server_with_another_certificate_is_not_trusted(void **state)
{
    struct fixture *fixture = *state;
    other = (struct scripted_server){.play = play_nothing, .tls = true};
    scripted_server_start(&other);
    fixture_serve(fixture, play_dead, true);
    fixture->config.firehose.backoff_min_ms = 600000; /* it stays in the state that is looked for */
    fixture->config.firehose.backoff_max_ms = 600000;
    snprintf(fixture->config.firehose.ca_file, sizeof(fixture->config.firehose.ca_file), "%s",
             other.ca_file);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_WAITING));
    fh_sources_stop(fixture->sources);
    scripted_server_stop(&other);
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_non_null(
        strstr(status.last_error, "the server's certificate is not trusted by firehose.ca_file"));
    assert_int_equal(scripted_requests(&fixture->server), 0); /* the key was not sent */
}

/* libcurl remembers what stood in a CA file, for a day unless told otherwise. */
static void a_ca_file_that_is_renewed_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    other = (struct scripted_server){.play = play_nothing, .tls = true};
    scripted_server_start(&other);
    fixture_serve(fixture, play_dead, true);
    char right[sizeof(fixture->server.ca_file)];
    snprintf(right, sizeof(right), "%s", fixture->server.ca_file);
    fixture->config.firehose.backoff_min_ms = 600000; /* it stays in the state that is looked for */
    fixture->config.firehose.backoff_max_ms = 600000;
    snprintf(fixture->config.firehose.ca_file, sizeof(fixture->config.firehose.ca_file), "%s",
             other.ca_file);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_WAITING));
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_non_null(strstr(status.last_error, "is not trusted by firehose.ca_file"));
    assert_int_equal(rename(right, other.ca_file), 0);
    fh_sources_reconnect(fixture->sources, 1);
    assert_true(scripted_wait_requests(&fixture->server, 1));
    fh_sources_stop(fixture->sources);
    scripted_server_stop(&other);
}

static void a_missing_ca_file_is_said_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fh_error err = {""};
    snprintf(fixture->config.firehose.ca_file, sizeof(fixture->config.firehose.ca_file), "%s",
             "/proc/nonexistent/ca.pem");
    assert_int_equal(fh_sources_new(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err,
                                    &fixture->sources),
                     -ENOENT);
    assert_non_null(strstr(err.text, "/proc/nonexistent/ca.pem"));
    fixture->config.firehose.ca_file[0] = '\0';
    assert_int_equal(
        fh_sources_new(&fixture->config, "", &fixture_handler, fixture, &err, &fixture->sources),
        -EINVAL);
    fixture->config.firehose.channel = FH_CHANNEL_GRPC;
    snprintf(fixture->config.firehose.descriptor_set,
             sizeof(fixture->config.firehose.descriptor_set), "%s",
             "/proc/nonexistent/schema.desc");
    assert_int_equal(fh_sources_new(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err,
                                    &fixture->sources),
                     -ENOENT);
    assert_non_null(strstr(err.text, "/proc/nonexistent/schema.desc"));
    assert_null(fixture->sources);
}

static void play_rude(struct scripted_peer *peer, void *userdata)
{
    struct linger reset = {.l_onoff = 1};
    switch (peer->number) {
    case 0: /* nothing at all */
        return;
    case 1:
        peer_print(peer, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
        return;
    case 2: /* a reset in mid-stream */
        peer_open_stream(peer);
        peer_chunk(peer, "{\"x\":", 5);
        fixture_wait_connected(userdata, 1); /* a reset throws away what was not yet read */
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        return;
    case 3: /* a chunk size that is none */
        peer_open_stream(peer);
        peer_print(peer, "zz\r\n{}\n\r\n");
        return;
    case 4:
        peer_print(peer, "HTTP/1.1 204 No Content\r\n\r\n");
        return;
    case 5:
        peer_print(peer, "HTTP/1.1 304 Not Modified\r\n\r\n");
        return;
    default: /* an interim answer, then the stream */
        peer_print(peer, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        stream_for_ever(peer);
    }
}

static void rude_servers_are_survived(void **state)
{
    struct fixture *fixture = *state;
    fixture_serve(fixture, play_rude, false);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_true(fixture_text_is(fixture, "{}\n", 3));
    struct fh_receiver_status status;
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_STREAMING));
    status_of(fixture, &status);
    assert_int_equal(status.failures, 6);
    assert_int_equal(status.connects, 3);
    assert_string_equal(status.last_error, "");
}

/* ---- stopping ---- */

static void play_two_lines(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    stream_for_ever(peer);
}

static void play_503(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n");
}

static void stop_from(struct fixture *fixture, scripted_play play, bool tls, bool raw,
                      enum fh_receiver_state from)
{
    fixture->server = (struct scripted_server){.raw = raw};
    fixture_serve(fixture, play, tls);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, from));
    if (from == FH_RECEIVER_CONNECTING) {
        assert_true(scripted_wait_accepted(&fixture->server, 1));
    }
    struct fh_time before = fh_now();
    fh_sources_stop(fixture->sources);
    /* no time-out of a connection, no wait for the next try: all of them are longer */
    assert_true(fh_time_diff_ms(fh_now(), before) < 30000);
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_int_equal(status.state, FH_RECEIVER_IDLE);
    fh_sources_stop(fixture->sources); /* twice is harmless, and so is talking to the stopped */
    fh_sources_wake(fixture->sources);
    fh_sources_reconnect(fixture->sources, 1);
    struct fh_error err;
    assert_int_equal(fh_sources_start(fixture->sources, &err), -EALREADY);
    fh_sources_free(fixture->sources);
    fixture->sources = NULL;
    scripted_server_stop(&fixture->server);
    fixture->server.play = NULL;
}

static void stops_at_once_in_every_state(void **state)
{
    struct fixture *fixture = *state;
    stop_from(fixture, play_dead, false, false, FH_RECEIVER_CONNECTING);
    stop_from(fixture, play_dead, true, true, FH_RECEIVER_CONNECTING); /* in the TLS handshake */
    stop_from(fixture, play_two_lines, true, false, FH_RECEIVER_STREAMING);
    stop_from(fixture, play_503, false, false, FH_RECEIVER_WAITING);
    stop_from(fixture, play_404_without_end, false, false, FH_RECEIVER_REFUSED);
    atomic_store(&fixture->full, true);
    stop_from(fixture, play_two_lines, true, false, FH_RECEIVER_PAUSED);
}

static void never_started_is_freed(void **state)
{
    struct fixture *fixture = *state;
    struct fh_error err;
    snprintf(fixture->config.firehose.url, sizeof(fixture->config.firehose.url), "%s",
             "http://127.0.0.1:1");
    assert_int_equal(fh_sources_new(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err,
                                    &fixture->sources),
                     0);
    struct fh_receiver_status status;
    status_of(fixture, &status);
    assert_int_equal(status.state, FH_RECEIVER_IDLE);
    assert_int_equal(status.last_byte_age_ms, -1);
    assert_string_equal(fh_receiver_state_name(status.state), "idle");
    fh_sources_stop(fixture->sources);
}

/* ---- texts ---- */

static void texts_are_cleaned(void **state)
{
    (void)state;
    char text[64] = "a\nb\x01 KEY1 key1\xc3\xa9";
    fh_text_clean(text, sizeof(text), "KEY1");
    assert_string_equal(text, "a b? [key] [key]??");
    char tight[8] = "Z Z Z Z"; /* a mark longer than the key does not fit everywhere */
    fh_text_clean(tight, sizeof(tight), "Z");
    assert_null(strchr(tight, 'Z'));
    assert_true(strlen(tight) < sizeof(tight));
    char none[8] = "plain";
    fh_text_clean(none, sizeof(none), "");
    assert_string_equal(none, "plain");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cleaned),
        WITH_FIXTURE(an_unknown_name_is_asked_for_again),
        cmocka_unit_test(same_server_means_scheme_host_and_port),
        WITH_FIXTURE(a_refused_key_is_slow_and_loud_until_a_new_one_comes),
        WITH_FIXTURE(the_password_of_a_proxy_is_not_told),
        WITH_FIXTURE(an_answer_that_does_not_end_is_judged_all_the_same),
        WITH_FIXTURE(refused_again_and_again_is_said_once),
        WITH_FIXTURE(a_limit_is_waited_out_and_a_fault_is_retried),
        WITH_FIXTURE(a_date_to_wait_for_is_of_the_service_s_clock),
        WITH_FIXTURE(a_redirect_within_the_server_is_followed),
        WITH_FIXTURE(a_redirect_whose_body_does_not_end_is_followed),
        WITH_FIXTURE(the_service_s_clock_is_of_this_answer),
        WITH_FIXTURE(redirects_without_end_are_refused),
        WITH_FIXTURE(a_redirect_to_another_server_is_refused),
        WITH_FIXTURE(a_silent_stream_is_opened_again),
        WITH_FIXTURE(no_answer_is_silence_too),
        WITH_FIXTURE(a_server_with_another_certificate_is_not_trusted),
        WITH_FIXTURE(a_ca_file_that_is_renewed_is_read_again),
        WITH_FIXTURE(a_missing_ca_file_is_said_at_once),
        WITH_FIXTURE(rude_servers_are_survived),
        WITH_FIXTURE(stops_at_once_in_every_state),
        WITH_FIXTURE(never_started_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
