/* test_websocket.c: what only the WebSocket channel has: handshakes that are none, pings of both
 * sides, fragments, messages that are no line, close codes. What it shares with the other channels
 * is in tests/contract. */
#include "channel_fixture.h"

#include "fh/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants these above first */
#include <cmocka.h>

static void serve(struct fixture *fixture, channel_script script)
{
    channel_serve(fixture, FH_CHANNEL_WEBSOCKET, script, false);
}

static bool put(struct channel_peer *peer, const char *bytes, size_t len)
{
    return peer_send(peer->peer, bytes, len);
}

#define PUT(peer, text) put(peer, text, sizeof(text) - 1)

/* One frame of the client, unmasked; false when it is none or the client is gone. */
static bool read_frame(struct channel_peer *peer, unsigned *ret_opcode, char *text, size_t *ret_len)
{
    unsigned char bytes[6 + 125];
    if (recv(peer->peer->fd, bytes, 6, MSG_WAITALL) != 6 || (bytes[1] & 0x80) == 0) {
        return false;
    }
    size_t len = bytes[1] & 0x7fU;
    if (len > 125 ||
        (len > 0 && recv(peer->peer->fd, bytes + 6, len, MSG_WAITALL) != (ssize_t)len)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(bytes[6 + i] ^ bytes[2 + i % 4]);
    }
    *ret_opcode = bytes[0];
    *ret_len = len;
    return true;
}

/* ---- handshakes ---- */

static const char *answer;

static void play_answer(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    put(peer, answer, strlen(answer));
    channel_wait_closed(peer);
}

static void check_no_handshake(struct fixture *fixture, const char *text, const char *reason)
{
    answer = text;
    serve(fixture, play_answer);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_non_null(strstr(channel_status(fixture, 0).last_error, reason));
    assert_int_equal(channel_collected(fixture).connected, 0);
}

static void another_accept_is_no_handshake(void **state)
{
    check_no_handshake(*state,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x03{}\n",
                       "no WebSocket handshake");
}

static void another_protocol_is_no_handshake(void **state)
{
    check_no_handshake(*state, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
                       "no WebSocket handshake");
}

static void a_stream_without_upgrade_is_told_of(void **state)
{
    check_no_handshake(*state, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n",
                       "firehose.channel = \"http\"");
}

static void the_request_is_an_upgrade(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, channel_play_one);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    char head[8192];
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_non_null(strstr(head, "GET /api/partners/v1/firehose/events HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nConnection: Upgrade\r\n"));
    assert_null(strcasestr(head, "transfer-encoding"));
    assert_null(strcasestr(head, "content-length"));
    assert_null(strcasestr(head, "expect"));
    assert_null(strcasestr(head, "sec-websocket-extensions"));
}

/* ---- messages ---- */

static void play_messages(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && PUT(peer, "\x81\x03{1}") && /* no newline: complete all the same */
        PUT(peer, "\x81\x08{2}\n{3}\n") &&                /* two lines */
        PUT(peer, "\x81\x07{4}\n{5}") &&                  /* two, the last without newline */
        PUT(peer, "\x81\x00\x81\x01\n") &&                /* none */
        PUT(peer, "\x01\x02{6\x89\x01p\x00\x00\x80\x02}\n") && /* in fragments, a ping between */
        PUT(peer, "\x82\x03\x0a{}") &&                         /* binary: one record */
        PUT(peer, "\x81\x03\xff{}") &&                         /* text that is none */
        PUT(peer, "\x81\x05\r\n{7}")) {
        channel_wait_closed(peer);
    }
}

static void messages_become_lines(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_messages);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 9));
    static const char expected[] = "{1}\n{2}\n{3}\n{4}\n{5}\n{6}\n\n{}\n\xff{}\n{7}\n";
    assert_true(fixture_text_is(fixture, expected, sizeof(expected) - 1));
    assert_int_equal(channel_collected(fixture).disconnected, 0);
}

static void play_violation(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    static const struct {
        const char *bytes;
        size_t len;
    } violations[] = {
        {"\xc1\x02{}", 4},                 /* RSV1: compression nobody agreed on */
        {"\x81\x82\x00\x00\x00\x00{}", 8}, /* masked */
        {"\x80\x02{}", 4},                 /* continues nothing */
        {"\x01\x01{\x81\x01}", 6},         /* a message within a message */
        {"\x83\x00", 2},                   /* an opcode of nobody's */
        {"\x09\x00", 2},                   /* a control frame in fragments */
        {"\x88\x01\x03", 3},               /* half a close code */
    };
    unsigned number = peer->peer->number;
    if (!channel_open(peer)) {
        return;
    }
    if (number < FH_ARRAY_LEN(violations)) {
        put(peer, violations[number].bytes, violations[number].len);
    } else {
        PUT(peer, "\x81\x02{}");
    }
    channel_wait_closed(peer);
}

static void what_no_server_may_send_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_violation);
    fixture_start(fixture);
    assert_true(fixture_wait_connected(fixture, 8));
    assert_true(fixture_wait_lines(fixture, 1));
    assert_int_equal(channel_collected(fixture).lines, 1);
    assert_int_equal(channel_collected(fixture).disconnected, 7);
    assert_non_null(strstr(channel_collected(fixture).reason, "cannot read the stream"));
}

/* ---- pings ---- */

static atomic_int pongs;

static void play_ping(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    char text[125];
    unsigned opcode = 0;
    size_t len = 0;
    if (channel_open(peer) && PUT(peer, "\x89\x05hello") && read_frame(peer, &opcode, text, &len) &&
        opcode == 0x8a && len == 5 && memcmp(text, "hello", 5) == 0) {
        atomic_fetch_add(&pongs, 1);
        PUT(peer, "\x81\x02{}");
    }
    channel_wait_closed(peer);
}

static void a_ping_is_answered(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&pongs, 0);
    serve(fixture, play_ping);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_int_equal(atomic_load(&pongs), 1);
}

static atomic_uint pinged_once; /* connections that ended after one ping */
static atomic_uint pinged_more;

/* Answers every ping and sends no event. A client that was held up may end the silence before it
 * has pinged; then the next connection shows it. */
static void play_only_pongs(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    char text[125];
    unsigned opcode = 0;
    size_t len = 0;
    unsigned pings = 0;
    if (!channel_open(peer) || !PUT(peer, "\x81\x02{}")) {
        return;
    }
    while (read_frame(peer, &opcode, text, &len)) {
        pings += opcode == 0x89 && len == 0;
        PUT(peer, "\x8a\x00");
    }
    atomic_fetch_add(&pinged_more, pings > 1);
    atomic_fetch_add(&pinged_once, pings == 1);
}

static void silence_is_pinged_and_a_pong_is_no_event(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 3000; /* long enough that the ping comes first */
    atomic_store(&pinged_once, 0);
    atomic_store(&pinged_more, 0);
    serve(fixture, play_only_pongs);
    fixture_start(fixture);
    assert_true(fixture_wait_connected(fixture, 2));
    for (int i = 0; i < 60000 && atomic_load(&pinged_once) == 0; i++) {
        channel_breathe();
    }
    assert_true(atomic_load(&pinged_once) > 0);
    assert_int_equal(atomic_load(&pinged_more), 0);
    assert_true(fixture_logged(fixture, "[stream-silent] receiver 1-12: not a byte") > 0);
}

/* ---- close ---- */

static atomic_int echoes;

static void play_close(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    char text[125];
    unsigned opcode = 0;
    size_t len = 0;
    if (!channel_open(peer)) {
        return;
    }
    switch (peer->peer->number) {
    case 0:
        PUT(peer, "\x81\x02{}\x88\x11\x03\xf0key \x1b[1mrevoked\x81\x02{}");
        break;
    case 1:
        PUT(peer, "\x88\x02\x03\xe9");
        break;
    case 2:
        PUT(peer, "\x88\x00");
        break;
    default:
        PUT(peer, "\x81\x02{}");
        channel_wait_closed(peer);
        return;
    }
    if (read_frame(peer, &opcode, text, &len) && opcode == 0x88 &&
        len == (peer->peer->number == 2 ? 0 : 2)) {
        atomic_fetch_add(&echoes, 1);
    }
    channel_wait_closed(peer); /* the client goes by itself */
}

static void a_close_is_answered_told_and_replayed(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&echoes, 0);
    serve(fixture, play_close);
    fixture_start(fixture);
    assert_true(fixture_wait_connected(fixture, 4));
    assert_true(fixture_wait_lines(fixture, 2)); /* nothing from after the close frame */
    assert_int_equal(channel_collected(fixture).lines, 2);
    for (int i = 0; i < 60000 && atomic_load(&echoes) < 3; i++) {
        channel_breathe(); /* the last of them may still be read */
    }
    assert_int_equal(atomic_load(&echoes), 3);
    assert_int_equal(fixture_logged(fixture, "closed the WebSocket: 1008 (policy violation: was "
                                             "the key revoked?): key ?[1mrevoked"),
                     1);
    assert_int_equal(fixture_logged(fixture, "1001 (the server is going away)"), 1);
    assert_int_equal(fixture_logged(fixture, "closed the WebSocket: 0 (no reason given)"), 1);
    fh_sources_stop(fixture->sources);
    for (unsigned i = 1; i < 4; i++) {
        assert_true(fixture->server.peers[i].previous_closed);
    }
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(another_accept_is_no_handshake),
        WITH_FIXTURE(another_protocol_is_no_handshake),
        WITH_FIXTURE(a_stream_without_upgrade_is_told_of),
        WITH_FIXTURE(the_request_is_an_upgrade),
        WITH_FIXTURE(messages_become_lines),
        WITH_FIXTURE(what_no_server_may_send_ends_the_connection),
        WITH_FIXTURE(a_ping_is_answered),
        WITH_FIXTURE(silence_is_pinged_and_a_pong_is_no_event),
        WITH_FIXTURE(a_close_is_answered_told_and_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
