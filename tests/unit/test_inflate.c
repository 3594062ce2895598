/* test_inflate.c: gzip messages whole, damaged, cut, too large, and a bomb. */
#include "fh/inflate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static struct fh_inflate *inflater;

static int set_up(void **state)
{
    (void)state;
    return fh_inflate_new(&inflater);
}

static int tear_down(void **state)
{
    (void)state;
    fh_inflate_free(inflater);
    fh_inflate_free(NULL);
    return 0;
}

static size_t squeeze(const void *bytes, size_t len, int window, uint8_t *out, size_t capacity)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (z_const Bytef *)bytes;
    stream.avail_in = (uInt)len;
    stream.next_out = out;
    stream.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t written = stream.total_out;
    deflateEnd(&stream);
    return written;
}

#define GZIP (MAX_WBITS + 16)

static void what_was_packed_comes_out(void **state)
{
    (void)state;
    static uint8_t packed[1 << 20];
    static char plain[300000];
    static const size_t sizes[] = {0, 1, 100, 4096, 4097, 65536, 300000};
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (char)(i * i >> 7);
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(sizes); i++) {
        for (int window = MAX_WBITS; window <= GZIP; window += 16) {
            struct fh_buf out;
            fh_buf_init(&out, 1 << 20);
            assert_int_equal(fh_buf_append(&out, "before", 6), 0);
            size_t len = squeeze(plain, sizes[i], window, packed, sizeof(packed));
            assert_int_equal(fh_inflate(inflater, packed, len, sizes[i], &out), 0);
            assert_int_equal(out.len, 6 + sizes[i]);
            assert_memory_equal(out.data, "before", 6);
            assert_memory_equal(out.data + 6, plain, sizes[i]);
            fh_buf_done(&out);
        }
    }
}

static void limits_are_kept(void **state)
{
    (void)state;
    static uint8_t packed[1 << 16];
    static char zeros[100000];
    size_t len = squeeze(zeros, sizeof(zeros), GZIP, packed, sizeof(packed));
    struct fh_buf out;
    fh_buf_init(&out, 1 << 20);
    assert_int_equal(fh_inflate(inflater, packed, len, sizeof(zeros) - 1, &out), -ENOBUFS);
    assert_int_equal(out.len, 0);
    assert_true(out.capacity < 2 * sizeof(zeros) + 8192);
    assert_int_equal(fh_inflate(inflater, packed, len, 0, &out), -ENOBUFS);
    assert_int_equal(fh_inflate(inflater, packed, len, SIZE_MAX, &out), 0);
    fh_buf_done(&out);
    fh_buf_init(&out, 1000); /* the buffer's own limit */
    assert_int_equal(fh_inflate(inflater, packed, len, sizeof(zeros), &out), -ENOBUFS);
    assert_int_equal(out.len, 0);
    fh_buf_done(&out);
    fh_buf_init(&out, sizeof(zeros)); /* exactly enough */
    assert_int_equal(fh_inflate(inflater, packed, len, sizeof(zeros), &out), 0);
    assert_int_equal(out.len, sizeof(zeros));
    fh_buf_done(&out);
}

/* 64 MiB of zeros in 64 KiB: refused at a limit of 1 MiB without producing much more than that. */
static void a_bomb_goes_off_small(void **state)
{
    (void)state;
    size_t size = (size_t)64 << 20;
    char *zeros = calloc(1, size);
    uint8_t *packed = malloc(1 << 20);
    assert_true(zeros && packed);
    size_t len = squeeze(zeros, size, GZIP, packed, 1 << 20);
    struct fh_buf out;
    fh_buf_init(&out, SIZE_MAX);
    assert_int_equal(fh_inflate(inflater, packed, len, (size_t)1 << 20, &out), -ENOBUFS);
    assert_true(out.capacity <= (size_t)4 << 20);
    fh_buf_done(&out);
    free(zeros);
    free(packed);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    static const char text[] = "{\"recordUid\":\"event-1\"} and more, so that there is something";
    uint8_t packed[256];
    size_t len = squeeze(text, sizeof(text), GZIP, packed, sizeof(packed) - 1);
    struct fh_buf out;
    fh_buf_init(&out, 1 << 16);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(fh_inflate(inflater, packed, cut, 1 << 16, &out), -EBADMSG);
    }
    packed[len] = 0;
    assert_int_equal(fh_inflate(inflater, packed, len + 1, 1 << 16, &out), -EBADMSG);
    packed[len - 6] ^= 1; /* the checksum */
    assert_int_equal(fh_inflate(inflater, packed, len, 1 << 16, &out), -EBADMSG);
    packed[len - 6] ^= 1;
    assert_int_equal(fh_inflate(inflater, text, sizeof(text), 1 << 16, &out), -EBADMSG);
    assert_int_equal(out.len, 0);
    /* and the next message is none the worse for it */
    assert_int_equal(fh_inflate(inflater, packed, len, 1 << 16, &out), 0);
    assert_string_equal(out.data, text);
    fh_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_out),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_bomb_goes_off_small),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
