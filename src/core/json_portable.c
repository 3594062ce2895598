/* json_portable.c: the JSON checker eight bytes at a time in a plain register, for every machine.
 */
#include <stdint.h>
#include <string.h>

#define JSON_NAME           "portable"
#define JSON_OPS            fh_json_portable
#define JSON_BLOCK          8
#define JSON_MASK           uint64_t
#define JSON_MASK_BITS      8
#define JSON_MASK_CTZ(mask) ((unsigned)__builtin_ctzll(mask))

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Each test leaves its answer in the top bit of each byte and cannot carry into the next one,
 * because the operands have that bit cleared: the mask is exact, so it may be shifted. */
static inline uint64_t json_special(const uint8_t *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof(bytes));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    uint64_t low = bytes & EACH_BYTE(0x7F);
    uint64_t not_quote = (low ^ EACH_BYTE('"')) + EACH_BYTE(0x7F);
    uint64_t not_backslash = (low ^ EACH_BYTE('\\')) + EACH_BYTE(0x7F);
    uint64_t not_control = low + EACH_BYTE(0x60);
    return (bytes | ~(not_quote & not_backslash & not_control)) & EACH_BYTE(0x80);
}

#include "json_template.h"
