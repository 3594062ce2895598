/* json_avx2.c: the JSON checker 32 bytes at a time with AVX2. Entered only on machines that have it
 * (fh_json_implementation). */
typedef int fh_json_avx2_unused; /* the file is empty elsewhere */

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define JSON_TARGET         __attribute__((target("avx2,bmi")))
#define JSON_NAME           "avx2"
#define JSON_OPS            fh_json_avx2
#define JSON_BLOCK          32
#define JSON_MASK           uint32_t
#define JSON_MASK_BITS      1
#define JSON_MASK_CTZ(mask) ((unsigned)__builtin_ctz(mask))

JSON_TARGET static inline uint32_t json_special(const uint8_t *p)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    __m256i backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
    /* Only the top bit of each byte is read, so the byte itself stands for "not ASCII". */
    return (uint32_t)_mm256_movemask_epi8(
        _mm256_or_si256(_mm256_or_si256(quote, backslash), _mm256_or_si256(control, bytes)));
}

#include "json_template.h"
#endif
