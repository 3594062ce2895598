/* record_encode.c: owns the walk over a JSON line that writes protobuf as it goes. Never allocates
 * but through out; never trusts the line: recordings come from files.
 *
 * A sub-message's length is known only at its end: one byte is left for it and the content moved
 * when that is too little. */
#include "record_encode.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX  64
#define NUMBER_MAX 48 /* characters of a number */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LENGTH = 2, WIRE_32 = 5 };

struct walk {
    const struct sim_schema *schema;
    const char *p;
    const char *end;
    struct fh_buf *out;
    unsigned depth;
};

struct span {
    const char *text;
    size_t len;
    bool escaped; /* a string with backslashes */
};

static void skip_space(struct walk *walk)
{
    while (walk->p < walk->end &&
           (*walk->p == ' ' || *walk->p == '\t' || *walk->p == '\r' || *walk->p == '\n')) {
        walk->p++;
    }
}

/* The character after white space, consumed if it is that one. */
static bool accept(struct walk *walk, char wanted)
{
    skip_space(walk);
    if (walk->p < walk->end && *walk->p == wanted) {
        walk->p++;
        return true;
    }
    return false;
}

static int put(struct walk *walk, const void *bytes, size_t len)
{
    return fh_buf_append(walk->out, bytes, len);
}

static size_t make_varint(uint64_t value, unsigned char bytes[10])
{
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (unsigned char)value;
    return n;
}

static int put_varint(struct walk *walk, uint64_t value)
{
    unsigned char bytes[10];
    return put(walk, bytes, make_varint(value, bytes));
}

static int put_tag(struct walk *walk, uint32_t number, enum wire wire)
{
    return put_varint(walk, (uint64_t)number << 3 | (unsigned)wire);
}

/* Everything from start on becomes length-delimited. */
static int close_length(struct walk *walk, size_t start)
{
    unsigned char bytes[10];
    struct fh_buf *out = walk->out;
    size_t len = out->len - start - 1;
    size_t n = make_varint(len, bytes);
    int r = n > 1 ? fh_buf_reserve(out, n - 1) : 0;
    if (r < 0) {
        return r;
    }
    if (n > 1) {
        memmove(out->data + start + n, out->data + start + 1, len);
        out->len += n - 1;
    }
    memcpy(out->data + start, bytes, n);
    return 0;
}

/* A string, behind its opening quote. */
static int read_string(struct walk *walk, struct span *ret)
{
    const char *start = walk->p;
    bool escaped = false;
    while (walk->p < walk->end && *walk->p != '"') {
        if (*walk->p == '\\') {
            escaped = true;
            walk->p++;
            if (walk->p == walk->end) {
                return -EINVAL;
            }
        }
        walk->p++;
    }
    if (walk->p == walk->end) {
        return -EINVAL;
    }
    *ret = (struct span){start, (size_t)(walk->p - start), escaped};
    walk->p++;
    return 0;
}

static int hex4(const char *text, const char *end, uint32_t *ret)
{
    uint32_t value = 0;
    if (end - text < 4) {
        return -EINVAL;
    }
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        char low = (char)(c | 0x20);
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint32_t)(c - '0');
        } else if (low >= 'a' && low <= 'f') {
            value = value << 4 | (uint32_t)(low - 'a' + 10);
        } else {
            return -EINVAL;
        }
    }
    *ret = value;
    return 0;
}

static size_t make_utf8(uint32_t code, char bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    bytes[0] = (char)(0xf0 | code >> 18);
    bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
    bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
    bytes[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Behind "\u". Moves *p behind the digits, and behind a second half. */
static int read_code(const char **p, const char *end, uint32_t *ret)
{
    uint32_t code = 0;
    uint32_t low = 0;
    int r = hex4(*p, end, &code);
    if (r < 0) {
        return r;
    }
    *p += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' &&
        hex4(*p + 2, end, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
        *p += 6;
    } else if (code >= 0xd800 && code < 0xe000) {
        code = 0xfffd;
    }
    *ret = code;
    return 0;
}

/* One character behind a backslash. Returns how many bytes it is, or -EINVAL. */
static int unescape(const char **p, const char *end, char bytes[4])
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char c = *(*p)++;
    const char *found = c ? strchr(letters, c) : NULL;
    if (found) {
        bytes[0] = meanings[found - letters];
        return 1;
    }
    uint32_t code = 0;
    if (c != 'u' || read_code(p, end, &code) < 0) {
        return -EINVAL;
    }
    return (int)make_utf8(code, bytes);
}

/* The string's bytes, length first. */
static int put_string(struct walk *walk, const struct span *span)
{
    if (!span->escaped) {
        int r = put_varint(walk, span->len);
        return r < 0 ? r : put(walk, span->text, span->len);
    }
    size_t start = walk->out->len;
    int r = put(walk, "", 1);
    const char *p = span->text;
    const char *end = p + span->len;
    while (r == 0 && p < end) {
        const char *plain = p;
        while (p < end && *p != '\\') {
            p++;
        }
        r = put(walk, plain, (size_t)(p - plain));
        if (r == 0 && p < end) {
            char bytes[4];
            p++;
            int n = unescape(&p, end, bytes);
            r = n < 0 ? n : put(walk, bytes, (size_t)n);
        }
    }
    return r < 0 ? r : close_length(walk, start);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static int put_base64(struct walk *walk, const struct span *span)
{
    size_t start = walk->out->len;
    uint32_t bits = 0;
    unsigned count = 0;
    int r = put(walk, "", 1);
    for (size_t i = 0; i < span->len && r == 0 && span->text[i] != '='; i++) {
        int digit = base64_digit(span->text[i]);
        if (digit < 0) {
            return -EINVAL;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            char byte = (char)(bits >> count);
            r = put(walk, &byte, 1);
        }
    }
    return r < 0 ? r : close_length(walk, start);
}

/* The characters of a number or of true, false and null. */
static int read_word(struct walk *walk, struct span *ret)
{
    skip_space(walk);
    const char *start = walk->p;
    while (walk->p < walk->end && !strchr(",]} \t\r\n\"[{:", *walk->p)) {
        walk->p++;
    }
    *ret = (struct span){start, (size_t)(walk->p - start), false};
    return ret->len > 0 ? 0 : -EINVAL;
}

static bool is_word(const struct span *span, const char *word)
{
    return span->len == strlen(word) && memcmp(span->text, word, span->len) == 0;
}

/* A whole number as it stands, without a way over floating point. */
static int read_integer(const struct span *span, int64_t *ret)
{
    bool negative = span->len > 0 && span->text[0] == '-';
    size_t i = negative ? 1 : 0;
    uint64_t value = 0;
    if (span->len == i || span->len - i > 19) {
        return -EINVAL;
    }
    for (; i < span->len; i++) {
        unsigned digit = (unsigned char)span->text[i] - (unsigned)'0';
        if (digit > 9) {
            return -EINVAL;
        }
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return -EINVAL;
    }
    *ret = (int64_t)(negative ? 0 - value : value);
    return 0;
}

/* Up to 15 digits and 22 decimals the quotient of two exact numbers is the nearest double. */
static int read_double(const struct span *span, double *ret)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t digits = 0;
    unsigned count = 0;
    unsigned decimals = 0;
    size_t i = span->len > 0 && span->text[0] == '-' ? 1 : 0;
    bool point = false;
    bool simple = span->len > i && span->len <= 17;
    for (size_t k = i; k < span->len && simple; k++) {
        unsigned digit = (unsigned char)span->text[k] - (unsigned)'0';
        if (digit <= 9) {
            digits = digits * 10 + digit;
            count++;
            decimals += point;
        } else {
            simple = span->text[k] == '.' && !point && count > 0;
            point = true;
        }
    }
    if (simple && count > 0 && count <= 15) {
        double value = (double)digits / tens[decimals];
        *ret = i ? -value : value;
        return 0;
    }
    char text[NUMBER_MAX];
    char *end = NULL;
    if (span->len == 0 || span->len >= sizeof(text) || span->text[0] > '9') {
        return -EINVAL; /* neither nan nor inf */
    }
    memcpy(text, span->text, span->len);
    text[span->len] = '\0';
    *ret = strtod(text, &end);
    return *end || !isfinite(*ret) ? -EINVAL : 0;
}

static int skip_value(struct walk *walk)
{
    unsigned open = 0;
    struct span span;
    do {
        skip_space(walk);
        if (walk->p == walk->end) {
            return -EINVAL;
        }
        char c = *walk->p;
        int r = 0;
        if (c == '"') {
            walk->p++;
            r = read_string(walk, &span);
        } else if (c == '{' || c == '[') {
            walk->p++;
            open++;
        } else if (c == '}' || c == ']') {
            if (open == 0) {
                return -EINVAL;
            }
            walk->p++;
            open--;
        } else if (c == ',' || c == ':') {
            if (open == 0) {
                return -EINVAL;
            }
            walk->p++;
        } else {
            r = read_word(walk, &span);
        }
        if (r < 0) {
            return r;
        }
    } while (open > 0);
    return 0;
}

static int put_unknown(struct walk *walk)
{
    skip_space(walk);
    const char *start = walk->p;
    int r = skip_value(walk);
    if (r == 0) {
        r = put_tag(walk, SIM_UNKNOWN_FIELD, WIRE_LENGTH);
    }
    if (r == 0) {
        r = put_varint(walk, (uint64_t)(walk->p - start));
    }
    return r < 0 ? r : put(walk, start, (size_t)(walk->p - start));
}

static int put_object(struct walk *walk, int message);

static int put_message(struct walk *walk, const struct sim_schema_field *field)
{
    if (!accept(walk, '{') || walk->depth == DEPTH_MAX) {
        return -EINVAL;
    }
    int r = put_tag(walk, field->number, WIRE_LENGTH);
    size_t start = walk->out->len;
    if (r == 0) {
        r = put(walk, "", 1);
    }
    walk->depth++;
    if (r == 0) {
        r = put_object(walk, field->reference);
    }
    walk->depth--;
    return r < 0 ? r : close_length(walk, start);
}

/* A quoted value, or a bare word. Numbers of 64 bits may come quoted. */
static int read_scalar(struct walk *walk, struct span *ret, bool *ret_quoted)
{
    *ret_quoted = accept(walk, '"');
    return *ret_quoted ? read_string(walk, ret) : read_word(walk, ret);
}

static int enum_number(const struct walk *walk, const struct sim_schema_field *field,
                       const struct span *span, bool quoted, int64_t *ret)
{
    uint32_t number = SIM_UNKNOWN_VALUE;
    if (!quoted) {
        return read_integer(span, ret);
    }
    sim_schema_value(walk->schema, field->reference, span->text, span->len, &number);
    *ret = number;
    return 0;
}

static int whole_number(const struct walk *walk, const struct sim_schema_field *field,
                        const struct span *span, bool quoted, int64_t *ret)
{
    int r;
    if (field->kind == SIM_KIND_BOOL) {
        *ret = is_word(span, "true");
        return *ret || is_word(span, "false") ? 0 : -EINVAL;
    }
    if (field->kind == SIM_KIND_ENUM) {
        r = enum_number(walk, field, span, quoted, ret);
    } else {
        r = read_integer(span, ret);
    }
    bool narrow = field->kind != SIM_KIND_INT64;
    return r == 0 && narrow && (*ret < INT32_MIN || *ret > INT32_MAX) ? -EINVAL : r;
}

static int put_real(struct walk *walk, const struct sim_schema_field *field, double value,
                    bool always)
{
    if (field->kind == SIM_KIND_DOUBLE) {
        if (value == 0.0 && !always) {
            return 0;
        }
        int r = put_tag(walk, field->number, WIRE_64);
        return r < 0 ? r : put(walk, &value, sizeof(value)); /* little-endian hosts alone */
    }
    float single = (float)value;
    if (single == 0.0f && !always) {
        return 0;
    }
    int r = put_tag(walk, field->number, WIRE_32);
    return r < 0 ? r : put(walk, &single, sizeof(single));
}

/* One value of a field that is no message. always: also when it is the default. */
static int put_scalar(struct walk *walk, const struct sim_schema_field *field, bool always)
{
    struct span span;
    bool quoted;
    int r = read_scalar(walk, &span, &quoted);
    if (r < 0 || (!quoted && is_word(&span, "null"))) {
        return r;
    }
    if (field->kind == SIM_KIND_STRING || field->kind == SIM_KIND_BYTES) {
        if (!quoted || (span.len == 0 && !always)) {
            return quoted ? 0 : -EINVAL;
        }
        r = put_tag(walk, field->number, WIRE_LENGTH);
        if (r < 0) {
            return r;
        }
        return field->kind == SIM_KIND_BYTES ? put_base64(walk, &span) : put_string(walk, &span);
    }
    if (field->kind == SIM_KIND_FLOAT || field->kind == SIM_KIND_DOUBLE) {
        double value = 0;
        r = read_double(&span, &value);
        return r < 0 ? r : put_real(walk, field, value, always);
    }
    int64_t number = 0;
    r = whole_number(walk, field, &span, quoted, &number);
    if (r < 0 || (number == 0 && !always)) {
        return r;
    }
    r = put_tag(walk, field->number, WIRE_VARINT);
    return r < 0 ? r : put_varint(walk, (uint64_t)number);
}

/* Numbers of a list share one field (packed), as proto3 writes them; the schema has lists of enums
 * alone. */
static int put_packed(struct walk *walk, const struct sim_schema_field *field)
{
    int r = put_tag(walk, field->number, WIRE_LENGTH);
    size_t start = walk->out->len;
    if (r == 0) {
        r = put(walk, "", 1);
    }
    do {
        struct span span;
        bool quoted;
        int64_t number = 0;
        r = r < 0 ? r : read_scalar(walk, &span, &quoted);
        r = r < 0 ? r : whole_number(walk, field, &span, quoted, &number);
        r = r < 0 ? r : put_varint(walk, (uint64_t)number);
    } while (r == 0 && accept(walk, ','));
    return r < 0 ? r : close_length(walk, start);
}

static int put_list(struct walk *walk, const struct sim_schema_field *field)
{
    if (!accept(walk, '[')) {
        return -EINVAL;
    }
    if (accept(walk, ']')) {
        return 0;
    }
    int r = 0;
    if (field->kind == SIM_KIND_ENUM) {
        r = put_packed(walk, field);
    } else {
        do {
            r = field->kind == SIM_KIND_MESSAGE ? put_message(walk, field)
                                                : put_scalar(walk, field, true);
        } while (r == 0 && accept(walk, ','));
    }
    return r < 0 ? r : accept(walk, ']') ? 0 : -EINVAL;
}

static int put_member(struct walk *walk, const struct sim_schema_field *field)
{
    skip_space(walk);
    if (walk->end - walk->p >= 4 && memcmp(walk->p, "null", 4) == 0) {
        walk->p += 4;
        return 0;
    }
    if (field->repeated) {
        return put_list(walk, field);
    }
    return field->kind == SIM_KIND_MESSAGE ? put_message(walk, field)
                                           : put_scalar(walk, field, field->presence);
}

/* The members of an object, behind its opening brace. */
static int put_object(struct walk *walk, int index)
{
    const struct sim_schema_message *message = sim_schema_message(walk->schema, index);
    unsigned hint = 0;
    if (accept(walk, '}')) {
        return 0;
    }
    do {
        struct span name;
        if (!accept(walk, '"') || read_string(walk, &name) < 0 || !accept(walk, ':')) {
            return -EINVAL;
        }
        const struct sim_schema_field *field =
            sim_schema_field(message, name.text, name.len, &hint);
        int r = field ? put_member(walk, field) : put_unknown(walk);
        if (r < 0) {
            return r;
        }
    } while (accept(walk, ','));
    return accept(walk, '}') ? 0 : -EINVAL;
}

int sim_record_encode(const struct sim_schema *schema, const char *line, size_t len,
                      struct fh_buf *out)
{
    struct walk walk = {.schema = schema, .p = line, .end = line + len, .out = out};
    size_t origin = out->len;
    int r = accept(&walk, '{') ? put_object(&walk, SIM_SCHEMA_RECORD) : -EINVAL;
    skip_space(&walk);
    if (r == 0 && walk.p != walk.end) {
        r = -EINVAL;
    }
    if (r < 0) {
        out->len = origin;
    }
    return r;
}
