/* test_grpc.c: what only the gRPC channel has: the call's metadata, compressed messages, trailers
 * after a head, statuses and their texts, answers that are not gRPC, messages that grow. What it
 * shares with the other channels is in tests/contract. */
#include "channel_fixture.h"
#include "h2_call.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
/* cmocka wants these above first */
#include <cmocka.h>

static void serve(struct fixture *fixture, channel_script script)
{
    channel_serve(fixture, FH_CHANNEL_GRPC, script, false);
}

static size_t prefix(uint8_t *bytes, bool compressed, size_t len)
{
    bytes[0] = compressed;
    for (unsigned i = 0; i < 4; i++) {
        bytes[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    }
    return 5;
}

static bool send_message(struct channel_peer *peer, bool compressed, const void *bytes, size_t len)
{
    uint8_t *message = malloc(5 + len);
    if (!message) {
        abort();
    }
    size_t head = prefix(message, compressed, len);
    memcpy(message + head, bytes, len);
    bool alive = h2_call_data(peer->call, message, head + len);
    free(message);
    return alive;
}

static size_t squeeze(void *bytes, size_t len, uint8_t *packed, size_t size)
{
    z_stream stream = {
        .next_in = bytes, .avail_in = (uInt)len, .next_out = packed, .avail_out = (uInt)size};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        abort();
    }
    size_t packed_len = stream.total_out;
    deflateEnd(&stream);
    return packed_len;
}

/* ---- the call ---- */

static struct h2_call seen;

static void play_and_keep_call(struct channel_peer *peer, void *userdata)
{
    seen = *peer->call;
    channel_play_one(peer, userdata);
}

static void the_call_carries_its_metadata(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_and_keep_call);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    fh_sources_stop(fixture->sources);
    assert_string_equal(seen.path, "/firehose_api_v1.Firehose/GetEvents");
    assert_string_equal(seen.key, TEST_KEY);
    assert_string_equal(seen.content_type, "application/grpc");
    assert_string_equal(seen.te, "trailers");
    assert_string_equal(seen.accept_encoding, "identity,gzip");
    assert_int_equal(seen.body_len, 5); /* everything is the default */
}

/* ---- messages ---- */

/* timestamp 1000, KEEP_ALIVE */
static uint8_t record[] = {0x0a, 5, 'u', 'i', 'd', '-', '1', 0x10, 0xe8, 7, 0x30, 5};
static const char record_text[] =
    "{\"recordUid\":\"uid-1\",\"recordTimestamp\":1000,\"spacesTenantId\":\"\","
    "\"spacesTenantName\":\"\",\"partnerTenantId\":\"\",\"eventType\":\"KEEP_ALIVE\"}\n";

static void play_compressed(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    uint8_t packed[256];
    size_t len = squeeze(record, sizeof(record), packed, sizeof(packed));
    if (h2_call_open(peer->call, 200, "application/grpc+proto", "gzip") &&
        send_message(peer, true, packed, len) && /* packed, plain, and packed but damaged */
        send_message(peer, false, record, sizeof(record)) &&
        send_message(peer, true, packed, len - 3) && send_message(peer, true, packed, len)) {
        channel_wait_closed(peer);
    }
}

static void compressed_messages_are_unpacked(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_compressed);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 4));
    struct collected result = channel_collected(fixture);
    size_t len = sizeof(record_text) - 1;
    assert_true(result.len > 3 * len);
    assert_memory_equal(result.text, record_text, len);
    assert_memory_equal(result.text + len, record_text, len);
    assert_memory_equal(result.text + result.len - len, record_text, len);
    assert_int_equal(result.disconnected, 0);
}

static void play_unknown_fields(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    uint8_t bytes[64];
    memcpy(bytes, record, sizeof(record));
    memcpy(bytes + sizeof(record), "\xb8\x06\x01\xb8\x06\x02", 6); /* field 103, twice */
    if (channel_open(peer) && send_message(peer, false, bytes, sizeof(record) + 6)) {
        channel_wait_closed(peer);
    }
}

static void unknown_fields_are_counted_and_kept_when_asked(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.keep_unknown = true;
    serve(fixture, play_unknown_fields);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_non_null(memmem(channel_collected(fixture).text, channel_collected(fixture).len,
                           "\"_unknown\":{\"103\":", 18));
    assert_int_equal(channel_status(fixture, 0).unknown_fields, 2);
}

#define GROWN     400
#define GROWN_PAD 30000

/* A few KiB on the wire that are 12 MiB of lines, in one piece. */
static void play_growing(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    uint8_t *plain = malloc(GROWN_PAD + 64);
    uint8_t *wire = malloc((size_t)GROWN * 256);
    if (!plain || !wire) {
        abort();
    }
    size_t len = sizeof(record);
    memcpy(plain, record, sizeof(record));
    memcpy(plain + len, "\x22\xb0\xea\x01", 4); /* spacesTenantName, 30000 bytes */
    memset(plain + len + 4, 'x', GROWN_PAD);
    uint8_t packed[250];
    size_t packed_len = squeeze(plain, len + 4 + GROWN_PAD, packed, sizeof(packed));
    size_t at = 0;
    for (unsigned i = 0; i < GROWN; i++) {
        at += prefix(wire + at, true, packed_len);
        memcpy(wire + at, packed, packed_len);
        at += packed_len;
    }
    bool alive = h2_call_open(peer->call, 200, "application/grpc", "gzip") &&
                 h2_call_data(peer->call, wire, at);
    free(plain);
    free(wire);
    if (alive) {
        channel_wait_closed(peer);
    }
}

static void a_piece_that_grows_stops_between_two_records(void **state)
{
    struct fixture *fixture = *state;
    fixture->refuse_every = 2;
    serve(fixture, play_growing);
    fixture_start(fixture);
    struct collected result = channel_collected(fixture);
    size_t most = 0;
    for (int i = 0; i < 20000 && result.lines < GROWN; i++) {
        assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED) || result.lines == GROWN);
        struct collected before = result;
        result = channel_collected(fixture);
        most = result.len - before.len > most ? result.len - before.len : most;
        unsigned refusals = atomic_load(&fixture->refusals);
        fh_sources_wake(fixture->sources);
        for (int wait = 0; wait < 60000 && atomic_load(&fixture->refusals) == refusals &&
                           channel_collected(fixture).lines < GROWN;
             wait++) {
            channel_breathe();
        }
        result = channel_collected(fixture).lines == GROWN ? channel_collected(fixture) : result;
    }
    assert_int_equal(result.lines, GROWN);
    assert_int_equal(result.len % GROWN, 0); /* all are alike */
    assert_int_equal(result.connected, 1);
    assert_in_range(most, 1, 1200000); /* never the whole piece at once */
    assert_true(atomic_load(&fixture->refusals) > 10);
}

/* ---- endings ---- */

static void play_endings(struct channel_peer *peer, void *userdata)
{
    switch (peer->peer->number) {
    case 0: /* a head, then the refusal */
        channel_open(peer);
        h2_call_trailers(peer->call, 8, "13th connection: 100%25 full %E2%82%AC%0a%zz%", 300);
        break;
    case 1:
        channel_open(peer);
        send_message(peer, false, record, sizeof(record));
        h2_call_trailers(peer->call, 14, "going away", 0);
        break;
    case 2:
        h2_call_trailers_only(peer->call, 4, "", 0, NULL);
        break;
    case 3:
        h2_call_trailers_only(peer->call, 77, "", 0, NULL);
        break;
    case 4:
        channel_open(peer);
        h2_call_reset(peer->call, NGHTTP2_INTERNAL_ERROR);
        break;
    case 5:
        channel_open(peer);
        h2_call_end(peer->call);
        break;
    default:
        channel_play_one(peer, userdata);
        return;
    }
    channel_wait_closed(peer);
}

static void endings_are_told_apart_and_retried(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_endings);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 2));
    fh_sources_stop(fixture->sources);
    assert_int_equal(fixture_logged(fixture, "13th connection: 100% full ??? %zz%)"), 1);
    assert_int_equal(fixture_logged(fixture, "ended with grpc-status 8 RESOURCE_EXHAUSTED: "), 1);
    assert_int_equal(fixture_logged(fixture, "14 UNAVAILABLE: the service is not available at the "
                                             "moment (the server says: going away)"),
                     1);
    assert_int_equal(fixture_logged(fixture, "4 DEADLINE_EXCEEDED: "), 1);
    assert_int_equal(fixture_logged(fixture, "2 UNKNOWN: "), 1);
    assert_int_equal(fixture_logged(fixture, "the connection broke: "), 1);
    assert_int_equal(fixture_logged(fixture,
                                    "the server ended the stream without a grpc-status, as "
                                    "when it goes away: UNAVAILABLE"),
                     1);
    const struct scripted_peer *peers = fixture->server.peers;
    assert_true(peers[1].opened_ms - peers[0].opened_ms >= 300); /* the pushback */
}

static atomic_bool head_seen;

static void play_refused_stream(struct channel_peer *peer, void *userdata)
{
    if (peer->peer->number == 0) {
        channel_open(peer);
        channel_send_half(peer, 0);
        while (!atomic_load(&head_seen) && h2_call_serve(peer->call, 10)) {
        }
        h2_call_reset(peer->call, NGHTTP2_REFUSED_STREAM);
        channel_wait_closed(peer);
        return;
    }
    channel_play_one(peer, userdata);
}

static void libcurl_does_not_repeat_a_stream_by_itself(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&head_seen, false);
    serve(fixture, play_refused_stream);
    fixture_start(fixture);
    assert_true(fixture_wait_connected(fixture, 1));
    atomic_store(&head_seen, true);
    assert_true(fixture_wait_connected(fixture, 2));
    assert_true(fixture_wait_lines(fixture, 1));
    fh_sources_stop(fixture->sources);
    struct collected result = channel_collected(fixture);
    char text[256];
    channel_record_text(fixture->server.accepted - 1, 1, text, sizeof(text)); /* of the last one */
    assert_int_equal(result.lines, 1);
    assert_int_equal(result.len, strlen(text));
    assert_memory_equal(result.text, text, result.len);
}

static void play_refused_midway(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    channel_open(peer);
    send_message(peer, false, record, sizeof(record));
    h2_call_trailers(peer->call, 16, "revoked", 0);
    channel_wait_closed(peer);
}

static void a_key_revoked_midway_is_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_refused_midway);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_int_equal(channel_collected(fixture).lines, 1);
    assert_int_equal(channel_status(fixture, 0).http_status, 401);
    assert_int_equal(scripted_requests(&fixture->server), 1);
    assert_int_equal(fixture_logged(fixture, "[stream-refused] receiver 1-12: ended with "
                                             "grpc-status 16 UNAUTHENTICATED"),
                     1);
}

static void play_web_page(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    h2_call_open(peer->call, 200, "text/html", NULL);
    h2_call_data(peer->call, "<html>", 6);
    channel_wait_closed(peer);
}

static void a_page_is_no_grpc(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_web_page);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_non_null(strstr(channel_status(fixture, 0).last_error, "is not gRPC over HTTP/2"));
}

static void play_foreign_encoding(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    h2_call_open(peer->call, 200, "application/grpc", "snappy");
    channel_wait_closed(peer);
}

static void an_encoding_not_asked_for_is_refused(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_foreign_encoding);
    fixture_start(fixture);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_REFUSED));
    assert_non_null(strstr(channel_status(fixture, 0).last_error, "grpc-encoding"));
}

static void play_lost_boundary(struct channel_peer *peer, void *userdata)
{
    channel_open(peer);
    if (peer->peer->number == 0) {
        h2_call_data(peer->call, "\x07\0\0\0\x01x", 6);
        channel_wait_closed(peer);
        return;
    }
    (void)userdata;
    channel_send_record(peer, 1, 1);
    channel_wait_closed(peer);
}

static void a_lost_boundary_is_a_new_connection(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, play_lost_boundary);
    fixture_start(fixture);
    assert_true(fixture_wait_lines(fixture, 1));
    assert_int_equal(fixture_logged(fixture, "cannot read the stream"), 1);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(the_call_carries_its_metadata),
        WITH_FIXTURE(compressed_messages_are_unpacked),
        WITH_FIXTURE(unknown_fields_are_counted_and_kept_when_asked),
        WITH_FIXTURE(a_piece_that_grows_stops_between_two_records),
        WITH_FIXTURE(endings_are_told_apart_and_retried),
        WITH_FIXTURE(libcurl_does_not_repeat_a_stream_by_itself),
        WITH_FIXTURE(a_key_revoked_midway_is_a_refusal),
        WITH_FIXTURE(a_page_is_no_grpc),
        WITH_FIXTURE(an_encoding_not_asked_for_is_refused),
        WITH_FIXTURE(a_lost_boundary_is_a_new_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
