/* json_template.h: the JSON checker, written once and compiled once per instruction set.
 *
 * Not a header in the usual sense: a .c file defines the names below, includes this file, and
 * undefines nothing, so each inclusion needs a .c file of its own.
 *   JSON_NAME             string
 *   JSON_OPS              name of the struct fh_json_ops to define
 *   JSON_BLOCK            bytes looked at in one step
 *   JSON_MASK             unsigned type of a block's mask
 *   JSON_MASK_BITS        bits of the mask per byte, lowest bits = first byte
 *   JSON_MASK_CTZ         count trailing zeros of a mask that is not 0
 *   json_special(p)       mask of the bytes in p[0 .. JSON_BLOCK) that end a plain run of a string:
 *                         quote, backslash, control characters, not ASCII. Exact for every byte. */
#include "fh/envelope.h"
#include "json.h"

#define JSON_INLINE static inline __attribute__((always_inline))

/* The next byte at or after p that json_special names, or end. */
JSON_INLINE const uint8_t *json_plain_run(const struct fh_json *json, const uint8_t *p)
{
    const uint8_t *end = json->end;
    while (end - p >= JSON_BLOCK) {
        JSON_MASK mask = json_special(p);
        if (mask) {
            return p + JSON_MASK_CTZ(mask) / JSON_MASK_BITS;
        }
        p += JSON_BLOCK;
    }
    /* Less than a block is left: look at the block that ends where the text ends, and shift the
     * bytes before p out. Nothing outside the text is read. */
    if (p < end && end - json->start >= JSON_BLOCK) {
        unsigned behind = (unsigned)(JSON_BLOCK - (end - p));
        JSON_MASK mask = (JSON_MASK)(json_special(end - JSON_BLOCK) >> (behind * JSON_MASK_BITS));
        return mask ? p + JSON_MASK_CTZ(mask) / JSON_MASK_BITS : end;
    }
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x80) {
        p++;
    }
    return p;
}

JSON_INLINE const uint8_t *json_string_inline(struct fh_json *json, const uint8_t *p)
{
    p = json_plain_run(json, p + 1);
    while (__builtin_expect(p == json->end || *p != '"', 0)) {
        p = p == json->end ? fh_json_fail(json, p) : fh_json_string_special(json, p);
        if (!p) {
            return NULL;
        }
        p = json_plain_run(json, p);
    }
    return p + 1;
}

JSON_INLINE const uint8_t *json_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (unsigned)*p - '0' <= 9) {
        p++;
    }
    return p;
}

JSON_INLINE const uint8_t *json_number(struct fh_json *json, const uint8_t *p)
{
    const uint8_t *end = json->end;
    const uint8_t *start = p;
    p += *p == '-';
    const uint8_t *digits = p;
    p = json_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1)) {
        return fh_json_fail(json, digits);
    }
    if (p < end && *p == '.') {
        digits = p + 1;
        p = json_digits(digits, end);
        if (p == digits) {
            return fh_json_fail(json, p);
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        digits = p;
        p = json_digits(p, end);
        if (p == digits) {
            return fh_json_fail(json, p);
        }
    }
    return p - start > FH_JSON_NUMBER_MAX ? fh_json_fail(json, start) : p;
}

/* Blanks are rare in a machine's JSON: one comparison when there is none. */
JSON_INLINE const uint8_t *json_blanks(const uint8_t *p, const uint8_t *end)
{
    return __builtin_expect(p < end && *p <= ' ', 0) ? fh_json_skip_blanks(p, end) : p;
}

/* A key and its colon. */
JSON_INLINE const uint8_t *json_key(struct fh_json *json, const uint8_t *p)
{
    const uint8_t *end = json->end;
    p = json_blanks(p, end);
    if (p == end || *p != '"') {
        return fh_json_fail(json, p);
    }
    p = json_string_inline(json, p);
    if (!p) {
        return NULL;
    }
    p = json_blanks(p, end);
    if (p == end || *p != ':') {
        return fh_json_fail(json, p);
    }
    return p + 1;
}

JSON_INLINE const uint8_t *json_scalar(struct fh_json *json, const uint8_t *p)
{
    if (*p == '"') {
        return json_string_inline(json, p);
    }
    if ((unsigned)*p - '0' <= 9 || *p == '-') {
        return json_number(json, p);
    }
    return fh_json_literal(json, p);
}

/* One value, iteratively. closers[] holds the bracket that closes each open container; the entry
 * below the first one is never looked at, because the loop ends there. */
static const uint8_t *json_value(struct fh_json *json, const uint8_t *p, unsigned depth)
{
    const uint8_t *end = json->end;
    const unsigned outside = depth;
    uint8_t closers[FH_DEPTH_MAX + 1];
    for (;;) {
        p = json_blanks(p, end);
        if (p == end) {
            return fh_json_fail(json, p);
        }
        if (*p == '{' || *p == '[') {
            if (depth == FH_DEPTH_MAX) {
                json->too_deep = true;
                return fh_json_fail(json, p);
            }
            uint8_t closer = *p == '{' ? '}' : ']';
            p = json_blanks(p + 1, end);
            if (p == end || *p != closer) {
                closers[++depth] = closer;
                p = closer == '}' ? json_key(json, p) : p;
                if (!p) {
                    return NULL;
                }
                continue;
            }
            p++; /* an empty container */
        } else {
            p = json_scalar(json, p);
            if (!p) {
                return NULL;
            }
        }
        while (depth > outside) {
            p = json_blanks(p, end);
            if (p == end || (*p != ',' && *p != closers[depth])) {
                return fh_json_fail(json, p);
            }
            if (*p++ == ',') {
                break;
            }
            depth--;
        }
        if (depth == outside) {
            return p;
        }
        if (closers[depth] == '}' && !(p = json_key(json, p))) {
            return NULL;
        }
    }
}

static const uint8_t *json_string(struct fh_json *json, const uint8_t *p)
{
    return json_string_inline(json, p);
}

const struct fh_json_ops JSON_OPS = {
    .name = JSON_NAME,
    .string = json_string,
    .value = json_value,
};
