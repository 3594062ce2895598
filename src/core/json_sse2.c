/* json_sse2.c: the JSON checker 16 bytes at a time with SSE2, which every x86-64 has.
 *
 * AVX2 was measured and left out: between the short strings of real events the time goes into the
 * chain from one token to the next, so twice the width gains nothing, and it would need a choice
 * at run time. */
typedef int fh_json_sse2_unused; /* the file is empty elsewhere */

#if defined(__x86_64__)
#include <emmintrin.h>
#include <stdint.h>

#define JSON_NAME           "sse2"
#define JSON_OPS            fh_json_sse2
#define JSON_BLOCK          16
#define JSON_MASK           uint32_t
#define JSON_MASK_BITS      1
#define JSON_MASK_CTZ(mask) ((unsigned)__builtin_ctz(mask))

static inline uint32_t json_special(const uint8_t *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    /* Only the top bit of each byte is read, so the byte itself stands for "not ASCII". */
    return (uint32_t)_mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(quote, backslash), _mm_or_si128(control, bytes)));
}

#include "json_template.h"
#endif
