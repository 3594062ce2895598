/* json.c: the slow paths every implementation shares (escapes, UTF-8, literals), unescaping, and
 * the list of the implementations. Never looks at what a value means. */
#include "json.h"

#include <string.h>

const struct fh_json_ops *fh_json_implementation(unsigned index)
{
    static const struct fh_json_ops *const all[] = {
#if defined(__x86_64__)
        &fh_json_sse2,
#endif
        &fh_json_portable,
    };
    return index < sizeof(all) / sizeof(all[0]) ? all[index] : NULL;
}

const uint8_t *fh_json_fail(struct fh_json *json, const uint8_t *p)
{
    json->failed = p;
    return NULL;
}

const uint8_t *fh_json_literal(struct fh_json *json, const uint8_t *p)
{
    static const char words[][6] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(json->end - p) >= len && memcmp(p, words[i], len) == 0) {
            return p + len;
        }
    }
    return fh_json_fail(json, p);
}

/* Value of four hex digits, or -1. */
static int32_t hex4(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = p[i];
        if (digit >= '0' && digit <= '9') {
            digit -= '0';
        } else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f') {
            digit = (digit | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* p is after "\u". Code point of the escape or pair of escapes there, or -1; a lone surrogate is
 * no code point. ret_next is the byte after it. */
static int32_t unicode_escape(const uint8_t *p, const uint8_t *end, const uint8_t **ret_next)
{
    int32_t high = hex4(p, end);
    *ret_next = p + 4;
    if (high < 0xD800 || high > 0xDFFF) {
        return high;
    }
    if (high > 0xDBFF || end - p < 10 || p[4] != '\\' || p[5] != 'u') {
        return -1;
    }
    int32_t low = hex4(p + 6, end);
    if (low < 0xDC00 || low > 0xDFFF) {
        return -1;
    }
    *ret_next = p + 10;
    return 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
}

/* The byte a one-letter escape stands for, or 0. */
static uint8_t escaped_byte(uint8_t letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

static const uint8_t *escape(struct fh_json *json, const uint8_t *p)
{
    if (json->end - p < 2) {
        return fh_json_fail(json, p);
    }
    if (p[1] != 'u') {
        return escaped_byte(p[1]) ? p + 2 : fh_json_fail(json, p);
    }
    const uint8_t *next = NULL;
    return unicode_escape(p + 2, json->end, &next) >= 0 ? next : fh_json_fail(json, p);
}

/* One UTF-8 sequence of more than one byte: shortest form only, no surrogates, up to U+10FFFF.
 * Only the second byte's range depends on the first (Unicode, table 3-7). Length, or 0. */
static unsigned utf8_sequence(const uint8_t *p, const uint8_t *end)
{
    unsigned first = p[0];
    unsigned len = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first < 0xC2 || first > 0xF4 || end - p < (ptrdiff_t)len) {
        return 0;
    }
    unsigned lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < lowest || p[1] > highest) {
        return 0;
    }
    for (unsigned i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

const uint8_t *fh_json_string_special(struct fh_json *json, const uint8_t *p)
{
    const uint8_t *end = json->end;
    while (p < end) {
        if (*p >= 0x80) {
            unsigned len = utf8_sequence(p, end);
            if (len == 0) {
                return fh_json_fail(json, p);
            }
            p += len;
        } else if (*p == '\\') {
            p = escape(json, p);
            if (!p) {
                return NULL;
            }
        } else if (*p < 0x20) {
            return fh_json_fail(json, p);
        } else {
            return p;
        }
    }
    return p;
}

const uint8_t *fh_json_key(const struct fh_json_ops *ops, struct fh_json *json, const uint8_t *p,
                           struct fh_slice *ret_key)
{
    if (p == json->end || *p != '"') {
        return fh_json_fail(json, p);
    }
    const uint8_t *after = ops->string(json, p);
    if (!after) {
        return NULL;
    }
    *ret_key = (struct fh_slice){(const char *)p + 1, (size_t)(after - p) - 2};
    p = fh_json_skip_blanks(after, json->end);
    if (p == json->end || *p != ':') {
        return fh_json_fail(json, p);
    }
    return fh_json_skip_blanks(p + 1, json->end);
}

static unsigned utf8_encode(uint32_t code, uint8_t out[4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

enum fh_json_text fh_json_unescape(const uint8_t *text, size_t len, char *out, size_t capacity,
                                   size_t *ret_len)
{
    const uint8_t *p = text;
    const uint8_t *end = text + len;
    size_t written = 0;
    while (p < end) {
        uint8_t bytes[4] = {*p};
        unsigned count = 1;
        if (*p != '\\') {
            p++;
        } else if (p[1] != 'u') {
            bytes[0] = escaped_byte(p[1]);
            p += 2;
        } else {
            int32_t code = unicode_escape(p + 2, end, &p);
            if (code <= 0) {
                *ret_len = written;
                return FH_JSON_TEXT_NUL;
            }
            count = utf8_encode((uint32_t)code, bytes);
        }
        size_t fits = capacity - written < count ? capacity - written : count;
        memcpy(out + written, bytes, fits);
        written += fits;
        if (fits < count) {
            *ret_len = written;
            return FH_JSON_TEXT_TOO_LONG;
        }
    }
    *ret_len = written;
    return FH_JSON_TEXT_WHOLE;
}

bool fh_json_name(struct fh_slice key, char *scratch, size_t capacity, struct fh_slice *ret)
{
    if (memchr(key.data, '\\', key.len)) {
        if (fh_json_unescape((const uint8_t *)key.data, key.len, scratch, capacity, &key.len) !=
            FH_JSON_TEXT_WHOLE) {
            return false;
        }
        key.data = scratch;
    }
    *ret = key;
    return true;
}
