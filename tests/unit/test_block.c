/* test_block.c: the byte forms of the store: what goes in comes out, and no damage passes. */
#include "block.h"

#include <errno.h>
#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

static const char raw[] = "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n";

static size_t make(struct fh_block_head *head, unsigned char *bytes, size_t room)
{
    *head = (struct fh_block_head){.first_sequence = 42,
                                   .count = 6,
                                   .raw_len = sizeof(raw) - 1,
                                   .newest_ms = -5,
                                   .age_ms = 1700000000000};
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        head->before.partition_ms[i] = (int64_t)i * 1000 + 1;
    }
    assert_true(room >= fh_block_bound(head->raw_len));
    return fh_block_encode(head, raw, bytes, room);
}

static void round_trip(void **state)
{
    (void)state;
    unsigned char bytes[512];
    struct fh_block_head head;
    size_t len = make(&head, bytes, sizeof(bytes));
    char out[sizeof(raw)];
    struct fh_block_head back;
    memset(&back, 0xff, sizeof(back));
    assert_true(head.payload_len < head.raw_len);
    assert_int_equal(fh_block_decode(bytes, len, out, &back), 0);
    assert_memory_equal(out, raw, sizeof(raw) - 1);
    assert_int_equal(back.first_sequence, 42);
    assert_int_equal(back.count, 6);
    assert_int_equal(back.newest_ms, -5);
    assert_int_equal(back.age_ms, 1700000000000);
    assert_memory_equal(&back.before, &head.before, sizeof(head.before));
    struct fh_slice records[6];
    assert_int_equal(fh_block_split(out, back.raw_len, records, 6), 0);
    assert_int_equal(records[5].len, 7);
    assert_ptr_equal(records[5].data, out + 40);
    assert_int_equal(fh_block_split(out, back.raw_len, records, 5), -EBADMSG);
    assert_int_equal(fh_block_split(out, back.raw_len - 1, records, 6), -EBADMSG);
}

static void noise_is_kept_as_it_is(void **state)
{
    (void)state;
    unsigned char bytes[1024];
    char noise[256];
    unsigned seed = 7;
    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1103515245 + 12345;
        noise[i] = (char)(seed >> 16);
    }
    noise[255] = '\n';
    struct fh_block_head head = {.first_sequence = 1, .count = 1, .raw_len = sizeof(noise)};
    size_t len = fh_block_encode(&head, noise, bytes, sizeof(bytes));
    assert_int_equal(len, FH_BLOCK_HEAD + sizeof(noise));
    char out[sizeof(noise)];
    assert_int_equal(fh_block_decode(bytes, len, out, &head), 0);
    assert_memory_equal(out, noise, sizeof(noise));
}

/* XXH3 finds each single flipped bit; every truncation is found too. */
static void every_bit_matters(void **state)
{
    (void)state;
    unsigned char bytes[512];
    struct fh_block_head head;
    size_t len = make(&head, bytes, sizeof(bytes));
    char out[sizeof(raw)];
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        struct fh_block_head peeked;
        if (fh_block_peek(bytes, len, &peeked) == 0 && peeked.raw_len <= sizeof(out)) {
            assert_true(fh_block_decode(bytes, len, out, &peeked) < 0);
        }
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t short_len = 0; short_len < len; short_len++) {
        assert_int_equal(fh_block_decode(bytes, short_len, out, &head), -EBADMSG);
    }
    bytes[4] = 2; /* a version of the future */
    assert_int_equal(fh_block_peek(bytes, len, &head), -EPROTONOSUPPORT);
}

static void keys_and_rows(void **state)
{
    (void)state;
    struct fh_record_key keys[3] = {{1, 2}, {UINT64_MAX, -3}, {0, INT64_MIN}};
    struct fh_record_key back[3];
    unsigned char bytes[256];
    uint32_t count;
    int64_t age;
    fh_keys_encode(keys, 3, 99, bytes);
    size_t len = fh_keys_size(3);
    assert_int_equal(fh_keys_decode(bytes, len, back, 3, &count, &age), 0);
    assert_int_equal(count, 3);
    assert_int_equal(age, 99);
    assert_memory_equal(keys, back, sizeof(keys));
    assert_int_equal(fh_keys_decode(bytes, len, back, 2, &count, &age), -EBADMSG);
    assert_int_equal(fh_keys_decode(bytes, len - 1, back, 3, &count, &age), -EBADMSG);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_true(fh_keys_decode(bytes, len, back, 3, &count, &age) < 0);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }

    int64_t newest;
    const void *payload;
    size_t payload_len;
    fh_row_encode(5, 6, "hello", 5, bytes);
    assert_int_equal(
        fh_row_decode(bytes, FH_ROW_HEAD + 5, true, &newest, &age, &payload, &payload_len), 0);
    assert_int_equal(newest, 5);
    assert_int_equal(age, 6);
    assert_int_equal(payload_len, 5);
    assert_memory_equal(payload, "hello", 5);
    bytes[FH_ROW_HEAD + 4] ^= 1;
    assert_int_equal(
        fh_row_decode(bytes, FH_ROW_HEAD + 5, true, &newest, &age, &payload, &payload_len),
        -EBADMSG);
    assert_int_equal(
        fh_row_decode(bytes, FH_ROW_HEAD + 5, false, &newest, &age, &payload, &payload_len), 0);
    assert_int_equal(fh_row_decode(bytes, 3, true, &newest, &age, &payload, &payload_len),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(noise_is_kept_as_it_is),
        cmocka_unit_test(every_bit_matters),
        cmocka_unit_test(keys_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
