/* wire_writer.h: writes protobuf for tests, field by field, in any order and any mistake. Shares no
 * code with the library. */
#ifndef FH_TEST_WIRE_WRITER_H
#define FH_TEST_WIRE_WRITER_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct wire {
    uint8_t bytes[1 << 16];
    size_t len;
};

static inline void put_varint(struct wire *wire, uint64_t value)
{
    do {
        assert(wire->len < sizeof(wire->bytes));
        wire->bytes[wire->len++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
}

static inline void put_raw(struct wire *wire, const void *bytes, size_t len)
{
    assert(len <= sizeof(wire->bytes) - wire->len);
    memcpy(wire->bytes + wire->len, bytes, len);
    wire->len += len;
}

static inline void put_tag(struct wire *wire, uint32_t number, unsigned type)
{
    put_varint(wire, (uint64_t)number << 3 | type);
}

static inline void put_number(struct wire *wire, uint32_t number, uint64_t value)
{
    put_tag(wire, number, 0);
    put_varint(wire, value);
}

static inline void put_fixed(struct wire *wire, uint32_t number, uint64_t value, size_t size)
{
    put_tag(wire, number, size == 8 ? 1 : 5);
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        put_raw(wire, &byte, 1);
    }
}

static inline void put_double(struct wire *wire, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_fixed(wire, number, bits, 8);
}

static inline void put_float(struct wire *wire, uint32_t number, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_fixed(wire, number, bits, 4);
}

static inline void put_bytes(struct wire *wire, uint32_t number, const void *bytes, size_t len)
{
    put_tag(wire, number, 2);
    put_varint(wire, len);
    put_raw(wire, bytes, len);
}

static inline void put_text(struct wire *wire, uint32_t number, const char *text)
{
    put_bytes(wire, number, text, strlen(text));
}

static inline void put_message(struct wire *wire, uint32_t number, const struct wire *inner)
{
    put_bytes(wire, number, inner->bytes, inner->len);
}

#endif
