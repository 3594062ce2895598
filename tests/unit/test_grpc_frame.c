/* test_grpc_frame.c: messages out of chunks, cut everywhere; oversized ones; a lost boundary. */
#include "fh/grpc_frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    char text[512]; /* "offset:message", * for compressed, ~ for truncated, | after each */
    int count;
    int abort_at; /* the callback refuses this one, counted from 1 */
};

static int note(void *userdata, const void *message, size_t len, bool compressed, uint64_t offset,
                bool truncated)
{
    struct seen *seen = userdata;
    size_t used = strlen(seen->text);
    assert_non_null(message);
    (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%d:%.*s%s%s|", (int)offset,
                   (int)len, (const char *)message, compressed ? "*" : "", truncated ? "~" : "");
    seen->count++;
    return seen->count == seen->abort_at ? -ECANCELED : 0;
}

static const char stream[] = "\0\0\0\0\5hello"
                             "\1\0\0\0\2gz"
                             "\0\0\0\0\0"
                             "\0\0\0\0\x0cthis is long"
                             "\0\0\0\0\x08"
                             "eightbyt";
static const size_t stream_len = sizeof(stream) - 1;
static const char expected[] = "0:hello|10:gz*|17:|22:this is ~|39:eightbyt|";

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t step = 1; step <= stream_len; step++) {
        for (size_t first = 0; first < step; first++) {
            struct seen seen = {0};
            struct fh_grpc_frame frame;
            fh_grpc_frame_init(&frame, 8);
            size_t at = 0;
            size_t len = first;
            while (at < stream_len) {
                len = len > stream_len - at ? stream_len - at : len;
                assert_int_equal(fh_grpc_frame_feed(&frame, stream + at, len, note, &seen), 0);
                at += len;
                assert_int_equal(frame.offset, at);
                len = step;
            }
            assert_string_equal(seen.text, expected);
            assert_int_equal(fh_grpc_frame_reset(&frame), 0);
            fh_grpc_frame_done(&frame);
        }
    }
}

static void aborted_feed_goes_on_after_the_message(void **state)
{
    (void)state;
    for (int abort_at = 1; abort_at <= 5; abort_at++) {
        for (size_t cut = 0; cut <= stream_len; cut++) {
            struct seen seen = {.abort_at = abort_at};
            struct fh_grpc_frame frame;
            fh_grpc_frame_init(&frame, 8);
            size_t stops[] = {cut, stream_len};
            int aborted = 0;
            for (size_t i = 0; i < 2; i++) {
                while (frame.offset < stops[i]) {
                    int r = fh_grpc_frame_feed(&frame, stream + frame.offset,
                                               stops[i] - frame.offset, note, &seen);
                    aborted += r == -ECANCELED;
                    assert_true(r == 0 || r == -ECANCELED);
                }
            }
            assert_int_equal(aborted, 1);
            assert_string_equal(seen.text, expected);
            fh_grpc_frame_done(&frame);
        }
    }
}

static void half_a_message_is_known_at_the_end(void **state)
{
    (void)state;
    static const size_t left[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0};
    for (size_t cut = 0; cut <= 10; cut++) {
        struct seen seen = {0};
        struct fh_grpc_frame frame;
        fh_grpc_frame_init(&frame, 100);
        assert_int_equal(fh_grpc_frame_feed(&frame, stream, cut, note, &seen), 0);
        assert_int_equal(fh_grpc_frame_reset(&frame), left[cut]);
        assert_int_equal(frame.offset, 0);
        assert_int_equal(fh_grpc_frame_feed(&frame, stream, 10, note, &seen), 0);
        assert_string_equal(seen.text, cut == 10 ? "0:hello|0:hello|" : "0:hello|");
        fh_grpc_frame_done(&frame);
    }
}

static void other_flags_are_a_lost_boundary(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct fh_grpc_frame frame;
    fh_grpc_frame_init(&frame, 100);
    assert_int_equal(fh_grpc_frame_feed(&frame, "\0\0\0\0\1x\2\0\0\0\1y", 12, note, &seen),
                     -EPROTO);
    assert_string_equal(seen.text, "0:x|");
    assert_int_equal(fh_grpc_frame_feed(&frame, "HTTP", 4, note, &seen), -EPROTO);
    fh_grpc_frame_done(&frame);
}

/* A prefix that promises 4 GiB costs nothing until the bytes come. */
static void promises_cost_no_memory(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct fh_grpc_frame frame;
    fh_grpc_frame_init(&frame, SIZE_MAX);
    assert_int_equal(fh_grpc_frame_feed(&frame,
                                        "\0\xff\xff\xff\xff"
                                        "abc",
                                        8, note, &seen),
                     0);
    assert_true(frame.carry.capacity <= 4096);
    assert_int_equal(seen.count, 0);
    assert_int_equal(fh_grpc_frame_reset(&frame), 8);
    fh_grpc_frame_done(&frame);
}

static void limit_of_zero_truncates_all_but_the_empty(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct fh_grpc_frame frame;
    fh_grpc_frame_init(&frame, 0);
    assert_int_equal(fh_grpc_frame_feed(&frame, stream, stream_len, note, &seen), 0);
    assert_string_equal(seen.text, "0:~|10:*~|17:|22:~|39:~|");
    fh_grpc_frame_done(&frame);
}

static void prefix_is_what_the_splitter_reads(void **state)
{
    (void)state;
    uint8_t prefix[FH_GRPC_PREFIX];
    fh_grpc_frame_prefix(prefix, true, 0x01020304);
    assert_memory_equal(prefix, "\1\1\2\3\4", 5);
    fh_grpc_frame_prefix(prefix, false, 0);
    assert_memory_equal(prefix, "\0\0\0\0\0", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(aborted_feed_goes_on_after_the_message),
        cmocka_unit_test(half_a_message_is_known_at_the_end),
        cmocka_unit_test(other_flags_are_a_lost_boundary),
        cmocka_unit_test(promises_cost_no_memory),
        cmocka_unit_test(limit_of_zero_truncates_all_but_the_empty),
        cmocka_unit_test(prefix_is_what_the_splitter_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
