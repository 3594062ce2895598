/* text.c: integers, strings and bytes as JSON. Floating-point numbers are in number.c. */
#include "text.h"

#include <errno.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

bool fh_text_grow(struct fh_text *text, size_t extra)
{
    if (text->result != FH_TRANSCODE_OK) {
        return false;
    }
    struct fh_buf *out = text->out;
    out->len = (size_t)(text->at - out->data);
    if (extra > text->end_max - out->len) {
        text->result = FH_TRANSCODE_TOO_LARGE;
        return false;
    }
    int r = fh_buf_reserve(out, extra);
    if (r < 0) {
        text->result = r == -ENOMEM ? FH_TRANSCODE_NO_MEMORY : FH_TRANSCODE_TOO_LARGE;
        return false;
    }
    size_t end = out->capacity < text->end_max ? out->capacity : text->end_max;
    text->at = out->data + out->len;
    text->limit = out->data + end;
    return true;
}

/* ---- integers ---- */

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

void fh_text_unsigned(struct fh_text *text, uint64_t value)
{
    if (value < 10) {
        *text->at++ = (char)('0' + value);
        return;
    }
    char digits[20];
    char *p = digits + sizeof(digits);
    while (value >= 100) {
        p -= 2;
        memcpy(p, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        memcpy(p, pairs + 2 * value, 2);
    } else {
        *--p = (char)('0' + value);
    }
    fh_text_put(text, p, (size_t)(digits + sizeof(digits) - p));
}

void fh_text_signed(struct fh_text *text, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        *text->at++ = '-';
        magnitude = -magnitude;
    }
    fh_text_unsigned(text, magnitude);
}

/* ---- strings ---- */

/* Length of the UTF-8 sequence at bytes (of two bytes or more), 0 when it is not one. */
static size_t sequence_length(const uint8_t *bytes, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = bytes[0];
    size_t count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;
    if (count == 0 || first > 0xF4 || count > len) {
        return 0;
    }
    uint32_t point = first & (0x7Fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
        point = point << 6 | (bytes[i] & 0x3Fu);
    }
    bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    return point < least[count] || point > 0x10FFFF || surrogate ? 0 : count;
}

static void escape(struct fh_text *text, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[256] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                      ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    *text->at++ = '\\';
    if (letters[byte]) {
        *text->at++ = letters[byte];
        return;
    }
    fh_text_put(text, "u00", 3);
    *text->at++ = hex[byte >> 4];
    *text->at++ = hex[byte & 15];
}

/* Any of the eight bytes a control character, a quote, a backslash, or not ASCII. A borrow may mark
 * a byte above such a one too many; never a word without one. */
static inline uint64_t special(uint64_t word)
{
    uint64_t quote = word ^ (ONES * '"');
    uint64_t backslash = word ^ (ONES * '\\');
    return ((word - ONES * 0x20) | (quote - ONES) | (backslash - ONES) | word) & HIGHS;
}

static inline bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* The bytes up to the first that is not plain. There is room for all that are left, and 8 more. */
static inline const uint8_t *copy_plain(struct fh_text *text, const uint8_t *p, const uint8_t *end)
{
    char *at = text->at;
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        if (special(word)) {
            break;
        }
        memcpy(at, &word, 8);
        at += 8;
        p += 8;
    }
    while (p < end && is_plain(*p)) {
        *at++ = (char)*p++;
    }
    text->at = at;
    return p;
}

bool fh_text_string(struct fh_text *text, const uint8_t *bytes, size_t len, const uint8_t **ret_bad)
{
    const uint8_t *p = bytes;
    const uint8_t *end = bytes + len;
    if (!fh_text_room(text, len + 2)) {
        return false;
    }
    *text->at++ = '"';
    while ((p = copy_plain(text, p, end)) < end) {
        if (*p < 0x80) {
            /* An escape, the rest, the quote. */
            if (!fh_text_room(text, 6 + (size_t)(end - p))) {
                return false;
            }
            escape(text, *p++);
            continue;
        }
        size_t count = sequence_length(p, (size_t)(end - p));
        if (count == 0) {
            *ret_bad = p;
            text->result = FH_TRANSCODE_BAD_UTF8;
            return false;
        }
        fh_text_put(text, (const char *)p, count);
        p += count;
    }
    *text->at++ = '"';
    return true;
}

/* ---- bytes ---- */

bool fh_text_base64_part(struct fh_text *text, const uint8_t *bytes, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!fh_text_room(text, (len / 3 + 1) * 4)) {
        return false;
    }
    char *at = text->at;
    for (; len >= 3; bytes += 3, len -= 3) {
        uint32_t group = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        *at++ = letters[group >> 18];
        *at++ = letters[group >> 12 & 63];
        *at++ = letters[group >> 6 & 63];
        *at++ = letters[group & 63];
    }
    if (len > 0) {
        uint32_t group = (uint32_t)bytes[0] << 16 | (len > 1 ? (uint32_t)bytes[1] << 8 : 0);
        *at++ = letters[group >> 18];
        *at++ = letters[group >> 12 & 63];
        *at++ = len > 1 ? letters[group >> 6 & 63] : '=';
        *at++ = '=';
    }
    text->at = at;
    return true;
}

bool fh_text_base64(struct fh_text *text, const uint8_t *bytes, size_t len)
{
    if (!fh_text_room(text, 1)) {
        return false;
    }
    *text->at++ = '"';
    if (!fh_text_base64_part(text, bytes, len) || !fh_text_room(text, 1)) {
        return false;
    }
    *text->at++ = '"';
    return true;
}
