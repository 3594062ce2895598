/* fuzz_block.c: decoding of arbitrary bytes as block, key row and enveloped row. What decodes must
 * encode and decode to the same again. */
#undef NDEBUG /* the asserts are the test */
#include "block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_block(const uint8_t *data, size_t size)
{
    struct fh_block_head head;
    if (fh_block_peek(data, size, &head) < 0 || head.raw_len > 1 << 20) {
        return;
    }
    char *raw = malloc(head.raw_len);
    struct fh_slice *records = malloc(head.count * sizeof(*records));
    assert(raw && records);
    if (fh_block_decode(data, size, raw, &head) == 0 &&
        fh_block_split(raw, head.raw_len, records, head.count) == 0) {
        size_t bound = fh_block_bound(head.raw_len);
        unsigned char *again = malloc(bound);
        char *raw_again = malloc(head.raw_len);
        assert(again && raw_again);
        struct fh_block_head back = head;
        size_t len = fh_block_encode(&back, raw, again, bound);
        assert(fh_block_decode(again, len, raw_again, &back) == 0);
        assert(memcmp(raw, raw_again, head.raw_len) == 0 && back.count == head.count);
        free(again);
        free(raw_again);
    }
    free(raw);
    free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_block(data, size);
    struct fh_record_key keys[64];
    uint32_t count;
    int64_t newest;
    int64_t age;
    const void *payload;
    size_t len;
    if (fh_keys_decode(data, size, keys, 64, &count, &age) == 0) {
        unsigned char again[FH_KEYS_HEAD + 64 * FH_KEY_BYTES];
        fh_keys_encode(keys, count, age, again);
        assert(fh_keys_size(count) == size);
    }
    if (fh_row_decode(data, size, true, &newest, &age, &payload, &len) == 0) {
        assert(len + FH_ROW_HEAD == size);
    }
    return 0;
}
