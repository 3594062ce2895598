/* block.c: owns the byte forms of blocks, key rows and enveloped rows. Never allocates.
 *
 * Block, all integers little-endian:
 *     0  4  "FHBK"              16  4  count               32  8  newest_ms
 *     4  2  version, 1          20  4  raw_len             40  8  age_ms
 *     6  2  flags, bit 0: LZ4   24  4  payload_len         48 96  checkpoint before, 12 stamps
 *     8  8  first_sequence      28  4  zero               144  8  zero
 *   152  8  XXH3 of the payload, seeded with the XXH3 of bytes 0..151       160  payload
 * Key row:
 *     0  4  "FHKY"    4  2  version    6  2  zero    8  4  count   12  4  zero
 *    16  8  age_ms   24  8  XXH3 of the keys, seeded with that of bytes 0..23  32  keys
 * Row:
 *     0  4  "FHRW"    4  2  version    6  2  zero    8  8  newest_ms   16  8  age_ms
 *    24  8  XXH3 of the payload, seeded with that of bytes 0..23            32  payload */
#include "block.h"

#include "little_endian.h"

#include <errno.h>
#include <lz4.h>
#include <string.h>
#include <xxhash.h>

/* Events repeat themselves: 4 loses 5 % of the ratio (8.0 to 1 for 8.4) and takes a third less time
 * (tests/bench/bench_store.c). */
#define LZ4_ACCELERATION 4

#define VERSION  1
#define FLAG_LZ4 1

static const char block_magic[4] = {'F', 'H', 'B', 'K'};
static const char keys_magic[4] = {'F', 'H', 'K', 'Y'};
static const char row_magic[4] = {'F', 'H', 'R', 'W'};

static uint64_t checksum(const void *head, size_t head_len, const void *payload, size_t len)
{
    return XXH3_64bits_withSeed(payload, len, XXH3_64bits(head, head_len));
}

static int check_form(const unsigned char *at, size_t len, size_t head_len, const char magic[4])
{
    if (len < head_len || memcmp(at, magic, 4) != 0) {
        return -EBADMSG;
    }
    return fh_get16(at + 4) == VERSION ? 0 : -EPROTONOSUPPORT;
}

size_t fh_block_bound(size_t raw_len)
{
    return FH_BLOCK_HEAD + (size_t)LZ4_compressBound((int)raw_len);
}

size_t fh_block_encode(struct fh_block_head *head, const char *raw, void *bytes, size_t capacity)
{
    unsigned char *at = bytes;
    uint16_t flags = FLAG_LZ4;
    char *payload = (char *)at + FH_BLOCK_HEAD;
    int compressed = LZ4_compress_fast(raw, payload, (int)head->raw_len,
                                       (int)(capacity - FH_BLOCK_HEAD), LZ4_ACCELERATION);
    if (compressed <= 0 || (uint32_t)compressed >= head->raw_len) {
        flags = 0; /* does not shrink: keep it as it is */
        memcpy(payload, raw, head->raw_len);
        compressed = (int)head->raw_len;
    }
    head->payload_len = (uint32_t)compressed;
    memset(at, 0, FH_BLOCK_HEAD);
    memcpy(at, block_magic, 4);
    fh_put16(at + 4, VERSION);
    fh_put16(at + 6, flags);
    fh_put64(at + 8, head->first_sequence);
    fh_put32(at + 16, head->count);
    fh_put32(at + 20, head->raw_len);
    fh_put32(at + 24, head->payload_len);
    fh_put64(at + 32, (uint64_t)head->newest_ms);
    fh_put64(at + 40, (uint64_t)head->age_ms);
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        fh_put64(at + 48 + 8 * i, (uint64_t)head->before.partition_ms[i]);
    }
    fh_put64(at + 152, checksum(at, 152, payload, head->payload_len));
    return FH_BLOCK_HEAD + head->payload_len;
}

int fh_block_peek(const void *bytes, size_t len, struct fh_block_head *ret)
{
    const unsigned char *at = bytes;
    int r = check_form(at, len, FH_BLOCK_HEAD, block_magic);
    if (r < 0) {
        return r;
    }
    struct fh_block_head head = {
        .first_sequence = fh_get64(at + 8),
        .count = fh_get32(at + 16),
        .raw_len = fh_get32(at + 20),
        .payload_len = fh_get32(at + 24),
        .newest_ms = (int64_t)fh_get64(at + 32),
        .age_ms = (int64_t)fh_get64(at + 40),
    };
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        head.before.partition_ms[i] = (int64_t)fh_get64(at + 48 + 8 * i);
    }
    /* Every record has at least its newline; LZ4 shrinks at most 255 times. */
    if (head.count == 0 || head.raw_len < head.count || head.raw_len > FH_BLOCK_RAW_MAX ||
        head.payload_len != len - FH_BLOCK_HEAD || head.first_sequence == 0 ||
        head.first_sequence > UINT64_MAX - head.count || head.raw_len / 256 > head.payload_len) {
        return -EBADMSG;
    }
    *ret = head;
    return 0;
}

int fh_block_decode(const void *bytes, size_t len, char *raw, struct fh_block_head *ret)
{
    const unsigned char *at = bytes;
    struct fh_block_head head = {0};
    int r = fh_block_peek(bytes, len, &head);
    if (r < 0) {
        return r;
    }
    const char *payload = (const char *)at + FH_BLOCK_HEAD;
    if (checksum(at, 152, payload, head.payload_len) != fh_get64(at + 152)) {
        return -EBADMSG;
    }
    if (fh_get16(at + 6) & FLAG_LZ4) {
        int raw_len = LZ4_decompress_safe(payload, raw, (int)head.payload_len, (int)head.raw_len);
        if (raw_len < 0 || (uint32_t)raw_len != head.raw_len) {
            return -EBADMSG;
        }
    } else if (head.payload_len == head.raw_len) {
        memcpy(raw, payload, head.raw_len);
    } else {
        return -EBADMSG;
    }
    *ret = head;
    return 0;
}

int fh_block_split(const char *raw, size_t raw_len, struct fh_slice *records, size_t count)
{
    const char *at = raw;
    const char *end = raw + raw_len;
    for (size_t i = 0; i < count; i++) {
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!newline) {
            return -EBADMSG;
        }
        records[i] = (struct fh_slice){at, (size_t)(newline - at)};
        at = newline + 1;
    }
    return at == end ? 0 : -EBADMSG;
}

size_t fh_keys_size(size_t count)
{
    return FH_KEYS_HEAD + count * FH_KEY_BYTES;
}

void fh_keys_encode(const struct fh_record_key *keys, uint32_t count, int64_t age_ms, void *bytes)
{
    unsigned char *at = bytes;
    memset(at, 0, FH_KEYS_HEAD);
    memcpy(at, keys_magic, 4);
    fh_put16(at + 4, VERSION);
    fh_put32(at + 8, count);
    fh_put64(at + 16, (uint64_t)age_ms);
    unsigned char *key = at + FH_KEYS_HEAD;
    for (uint32_t i = 0; i < count; i++, key += FH_KEY_BYTES) {
        fh_put64(key, keys[i].fingerprint);
        fh_put64(key + 8, (uint64_t)keys[i].timestamp_ms);
    }
    fh_put64(at + 24, checksum(at, 24, at + FH_KEYS_HEAD, (size_t)count * FH_KEY_BYTES));
}

int fh_keys_decode(const void *bytes, size_t len, struct fh_record_key *ret_keys, size_t capacity,
                   uint32_t *ret_count, int64_t *ret_age_ms)
{
    const unsigned char *at = bytes;
    int r = check_form(at, len, FH_KEYS_HEAD, keys_magic);
    if (r < 0) {
        return r;
    }
    uint32_t count = fh_get32(at + 8);
    if (len != fh_keys_size(count)) {
        return -EBADMSG;
    }
    if (ret_keys) {
        if (count > capacity ||
            checksum(at, 24, at + FH_KEYS_HEAD, len - FH_KEYS_HEAD) != fh_get64(at + 24)) {
            return -EBADMSG;
        }
        const unsigned char *key = at + FH_KEYS_HEAD;
        for (uint32_t i = 0; i < count; i++, key += FH_KEY_BYTES) {
            ret_keys[i].fingerprint = fh_get64(key);
            ret_keys[i].timestamp_ms = (int64_t)fh_get64(key + 8);
        }
    }
    *ret_count = count;
    *ret_age_ms = (int64_t)fh_get64(at + 16);
    return 0;
}

void fh_row_encode(int64_t newest_ms, int64_t age_ms, const void *payload, size_t len, void *bytes)
{
    unsigned char *at = bytes;
    memset(at, 0, FH_ROW_HEAD);
    memcpy(at, row_magic, 4);
    fh_put16(at + 4, VERSION);
    fh_put64(at + 8, (uint64_t)newest_ms);
    fh_put64(at + 16, (uint64_t)age_ms);
    memcpy(at + FH_ROW_HEAD, payload, len);
    fh_put64(at + 24, checksum(at, 24, at + FH_ROW_HEAD, len));
}

int fh_row_decode(const void *bytes, size_t len, bool check, int64_t *ret_newest_ms,
                  int64_t *ret_age_ms, const void **ret_payload, size_t *ret_len)
{
    const unsigned char *at = bytes;
    int r = check_form(at, len, FH_ROW_HEAD, row_magic);
    if (r < 0) {
        return r;
    }
    if (check && checksum(at, 24, at + FH_ROW_HEAD, len - FH_ROW_HEAD) != fh_get64(at + 24)) {
        return -EBADMSG;
    }
    *ret_newest_ms = (int64_t)fh_get64(at + 8);
    *ret_age_ms = (int64_t)fh_get64(at + 16);
    *ret_payload = at + FH_ROW_HEAD;
    *ret_len = len - FH_ROW_HEAD;
    return 0;
}
