/* test_witness_wire.c: the frames between node and witness, byte by byte. */
#include "witness_wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

static const unsigned char frozen_request[] = {1, 1,    0, 0,   7,   0,   0,   0,   0,  0,    0,
                                               0, 0x2a, 0, 0,   0,   0,   0,   0,   0,  0xb8, 0x0b,
                                               0, 0,    6, 'n', 'o', 'd', 'e', '-', 'a'};

static void a_request_is_these_bytes_for_ever(void **state)
{
    (void)state;
    struct fh_witness_message message = {
        .type = FH_WITNESS_ACQUIRE, .request = 7, .epoch = 42, .ttl_ms = 3000, .name = "node-a"};
    unsigned char bytes[FH_WITNESS_FRAME_MAX];
    int len = fh_witness_encode(&message, bytes, sizeof(bytes));
    assert_int_equal(len, sizeof(frozen_request));
    assert_memory_equal(bytes, frozen_request, sizeof(frozen_request));

    struct fh_witness_message got;
    assert_int_equal(fh_witness_decode(bytes, (size_t)len, 1, &got), 0);
    assert_int_equal(got.version, 1);
    assert_int_equal(got.type, FH_WITNESS_ACQUIRE);
    assert_int_equal(got.request, 7);
    assert_int_equal(got.epoch, 42);
    assert_int_equal(got.ttl_ms, 3000);
    assert_string_equal(got.name, "node-a");
    assert_int_equal(fh_witness_decode(bytes, (size_t)len, 0, &got), -EBADMSG);
}

static void an_answer_comes_back_whole(void **state)
{
    (void)state;
    struct fh_witness_message message = {.type = FH_WITNESS_DENIED,
                                         .request = UINT64_MAX,
                                         .epoch = UINT64_MAX,
                                         .ttl_ms = UINT32_MAX,
                                         .name = "b",
                                         .text = "b holds the lease"};
    unsigned char bytes[FH_WITNESS_FRAME_MAX];
    struct fh_witness_message got;
    int len = fh_witness_encode(&message, bytes, sizeof(bytes));
    assert_true(len > 0);
    assert_int_equal(fh_witness_decode(bytes, (size_t)len, 0, &got), 0);
    message.version = 1;
    assert_memory_equal(&message, &got, sizeof(got));
    assert_int_equal(fh_witness_decode(bytes, (size_t)len, 1, &got), -EBADMSG);
    memset(message.text, 'x', sizeof(message.text) - 1);
    memset(message.name, 'y', sizeof(message.name) - 1);
    len = fh_witness_encode(&message, bytes, sizeof(bytes));
    assert_true(len > 0);
    assert_int_equal(fh_witness_decode(bytes, (size_t)len, 0, &got), 0);
    assert_string_equal(got.text, message.text);
}

static void every_frame_cut_short_or_too_long_is_refused(void **state)
{
    (void)state;
    unsigned char longer[sizeof(frozen_request) + 1] = {0};
    struct fh_witness_message got;
    for (size_t len = 0; len < sizeof(frozen_request); len++) {
        assert_int_equal(fh_witness_decode(frozen_request, len, 1, &got), -EBADMSG);
    }
    memcpy(longer, frozen_request, sizeof(frozen_request));
    assert_int_equal(fh_witness_decode(longer, sizeof(longer), 1, &got), -EBADMSG);
    longer[0] = 2; /* a later version may append */
    assert_int_equal(fh_witness_decode(longer, sizeof(longer), 1, &got), 0);
    assert_int_equal(got.version, 2);
    longer[0] = 0;
    assert_int_equal(fh_witness_decode(longer, sizeof(longer), 1, &got), -EBADMSG);
}

static void names_that_would_garble_a_journal_are_refused(void **state)
{
    (void)state;
    unsigned char bytes[sizeof(frozen_request)];
    struct fh_witness_message got;
    const unsigned char bad[] = {0, '\n', ' ', 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < sizeof(bad); i++) {
        memcpy(bytes, frozen_request, sizeof(bytes));
        bytes[sizeof(bytes) - 1] = bad[i];
        assert_int_equal(fh_witness_decode(bytes, sizeof(bytes), 1, &got), -EBADMSG);
    }
    memcpy(bytes, frozen_request, sizeof(bytes));
    bytes[1] = 4; /* no such type */
    assert_int_equal(fh_witness_decode(bytes, sizeof(bytes), 1, &got), -EBADMSG);
    memcpy(bytes, frozen_request, sizeof(bytes));
    bytes[24] = 0; /* no name at all */
    assert_int_equal(fh_witness_decode(bytes, 25, 1, &got), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_these_bytes_for_ever),
        cmocka_unit_test(an_answer_comes_back_whole),
        cmocka_unit_test(every_frame_cut_short_or_too_long_is_refused),
        cmocka_unit_test(names_that_would_garble_a_journal_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
