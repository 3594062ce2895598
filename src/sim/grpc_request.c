/* grpc_request.c: owns the reading of EventsStreamRequest. Never judges its values. */
#include "grpc_request.h"

#include <errno.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

struct cursor {
    const unsigned char *p;
    const unsigned char *end;
};

static int read_varint(struct cursor *cursor, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (cursor->p == cursor->end) {
            return -EINVAL;
        }
        unsigned char byte = *cursor->p++;
        if (shift == 63 && byte > 1) {
            return -EINVAL;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return 0;
        }
    }
    return -EINVAL;
}

static int skip_field(struct cursor *cursor, unsigned wire)
{
    uint64_t len = 0;
    int r = 0;
    switch (wire) {
    case 0:
        return read_varint(cursor, &len);
    case 1:
        len = 8;
        break;
    case 2:
        r = read_varint(cursor, &len);
        break;
    case 5:
        len = 4;
        break;
    default:
        return -EINVAL; /* groups are of another age */
    }
    if (r < 0 || len > (uint64_t)(cursor->end - cursor->p)) {
        return -EINVAL;
    }
    cursor->p += len;
    return 0;
}

int sim_grpc_request_read(const void *bytes, size_t len, struct sim_grpc_request *ret)
{
    struct cursor cursor = {bytes, (const unsigned char *)bytes + len};
    struct sim_grpc_request request = {0};
    int64_t *const fields[] = {NULL, &request.min_partition, &request.max_partition,
                               &request.from_timestamp, &request.replica_id};
    while (cursor.p < cursor.end) {
        uint64_t tag = 0;
        uint64_t value = 0;
        int r = read_varint(&cursor, &tag);
        if (r < 0 || tag >> 3 == 0 || tag >> 32) {
            return -EINVAL;
        }
        if (tag >> 3 < sizeof(fields) / sizeof(fields[0])) {
            r = (tag & 7) == 0 ? read_varint(&cursor, &value) : -EINVAL;
            /* int32 loses the upper half, as every decoder does */
            *fields[tag >> 3] = tag >> 3 == 3 ? (int64_t)value : (int64_t)(int32_t)(uint32_t)value;
        } else {
            r = skip_field(&cursor, (unsigned)(tag & 7));
        }
        if (r < 0) {
            return r;
        }
    }
    *ret = request;
    return 0;
}

static int inflate_message(const char *bytes, size_t len, struct sim_grpc_request *ret)
{
    unsigned char plain[SIM_GRPC_REQUEST_MAX];
    z_stream stream = {0};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) {
        return -ENOMEM;
    }
    stream.next_in = (const unsigned char *)bytes;
    stream.avail_in = (unsigned)len;
    stream.next_out = plain;
    stream.avail_out = sizeof(plain);
    int r = inflate(&stream, Z_FINISH);
    size_t got = sizeof(plain) - stream.avail_out;
    inflateEnd(&stream);
    if (r != Z_STREAM_END) {
        return stream.avail_out == 0 ? -EMSGSIZE : -EINVAL;
    }
    return sim_grpc_request_read(plain, got, ret);
}

int sim_grpc_body_read(const char *body, size_t len, int gzip, struct sim_grpc_request *ret)
{
    const unsigned char *bytes = (const unsigned char *)body;
    if (len < SIM_GRPC_PREFIX) {
        return -EINVAL;
    }
    size_t length =
        (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
    if (length > SIM_GRPC_REQUEST_MAX) {
        return -EMSGSIZE;
    }
    if (length != len - SIM_GRPC_PREFIX || bytes[0] > 1) {
        return -EINVAL;
    }
    if (bytes[0] == 1) {
        return gzip ? inflate_message(body + SIM_GRPC_PREFIX, length, ret) : -ENOTSUP;
    }
    return sim_grpc_request_read(bytes + SIM_GRPC_PREFIX, length, ret);
}
