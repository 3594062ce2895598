/* wire.h: reading protobuf's wire format through a cursor that checks every length. Never
 * allocates, never reads past end. */
#ifndef FH_PROTO_WIRE_H
#define FH_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum fh_wire_type {
    FH_WIRE_VARINT = 0,
    FH_WIRE_FIXED64 = 1,
    FH_WIRE_LENGTH = 2,
    FH_WIRE_GROUP_START = 3, /* proto2 only; skipped as an unknown field */
    FH_WIRE_GROUP_END = 4,
    FH_WIRE_FIXED32 = 5,
};

#define FH_WIRE_GROUPS_MAX 32 /* nesting of groups inside a group that is skipped */

/* One field. value: the number (varint, fixed), or the length of what starts at content. */
struct fh_wire_field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;
    const uint8_t *content; /* after the tag, or after the length for FH_WIRE_LENGTH */
};

/* Longer than ten bytes is malformed; bits past 64 are dropped, as every reader does. */
static inline bool fh_wire_varint_slow(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;
    const uint8_t *at = *p;
    for (unsigned shift = 0; shift < 70 && at < end; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *p = at;
            *ret = value;
            return true;
        }
    }
    return false;
}

static inline bool fh_wire_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    if (*p < end && **p < 0x80) {
        *ret = *(*p)++;
        return true;
    }
    return fh_wire_varint_slow(p, end, ret);
}

static inline uint32_t fh_wire_load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t fh_wire_load64(const uint8_t *at)
{
    return (uint64_t)fh_wire_load32(at) | (uint64_t)fh_wire_load32(at + 4) << 32;
}

static inline bool fh_wire_tag(const uint8_t **p, const uint8_t *end, struct fh_wire_field *ret)
{
    uint64_t tag;
    if (!fh_wire_varint(p, end, &tag) || tag > UINT32_MAX || tag < 8) {
        return false;
    }
    ret->number = (uint32_t)tag >> 3;
    ret->wire = (uint32_t)tag & 7;
    return true;
}

/* The rest of a field whose tag was read; groups excepted. */
static inline bool fh_wire_value(const uint8_t **p, const uint8_t *end, struct fh_wire_field *ret)
{
    ret->content = *p;
    switch (ret->wire) {
    case FH_WIRE_VARINT:
        return fh_wire_varint(p, end, &ret->value);
    case FH_WIRE_LENGTH:
        if (!fh_wire_varint(p, end, &ret->value) || ret->value > (uint64_t)(end - *p)) {
            return false;
        }
        ret->content = *p;
        *p += ret->value;
        return true;
    case FH_WIRE_FIXED64:
        if (end - *p < 8) {
            return false;
        }
        ret->value = fh_wire_load64(*p);
        *p += 8;
        return true;
    case FH_WIRE_FIXED32:
        if (end - *p < 4) {
            return false;
        }
        ret->value = fh_wire_load32(*p);
        *p += 4;
        return true;
    default:
        return false;
    }
}

/* Skip the fields of group number, up to and with its end. */
bool fh_wire_skip_group(const uint8_t **p, const uint8_t *end, uint32_t number);

/* The next field, of whatever wire type; a group is skipped whole. */
static inline bool fh_wire_next(const uint8_t **p, const uint8_t *end, struct fh_wire_field *ret)
{
    if (!fh_wire_tag(p, end, ret)) {
        return false;
    }
    if (__builtin_expect(ret->wire == FH_WIRE_GROUP_START, 0)) {
        ret->content = *p;
        ret->value = 0;
        return fh_wire_skip_group(p, end, ret->number);
    }
    return fh_wire_value(p, end, ret);
}

#endif
