/* request.c: the one message that we send. Its numbers are documented by the vendor, so it does not
 * depend on the schema loaded. */
#include "fh/transcode.h"

enum {
    MIN_PARTITION = 1,
    MAX_PARTITION = 2,
    FROM_TIMESTAMP = 3,
    REPLICA_ID = 4,
};

#define FIELD_MAX 11 /* one byte of tag, ten of varint */

static size_t put(uint8_t *at, unsigned number, uint64_t value)
{
    size_t len = 0;
    if (value == 0) {
        return 0;
    }
    at[len++] = (uint8_t)(number << 3);
    for (; value >= 0x80; value >>= 7) {
        at[len++] = (uint8_t)(value | 0x80);
    }
    at[len++] = (uint8_t)value;
    return len;
}

int fh_events_request(uint32_t min_partition, uint32_t max_partition, int64_t from_timestamp_ms,
                      uint32_t replica_id, struct fh_buf *out)
{
    uint8_t bytes[4 * FIELD_MAX];
    size_t len = put(bytes, MIN_PARTITION, min_partition);
    len += put(bytes + len, MAX_PARTITION, max_partition);
    len += put(bytes + len, FROM_TIMESTAMP, (uint64_t)from_timestamp_ms);
    len += put(bytes + len, REPLICA_ID, replica_id);
    return fh_buf_append(out, bytes, len);
}
