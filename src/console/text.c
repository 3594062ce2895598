/* text.c: writes JSON into a bounded buffer. Knows nothing of what it writes. */
#include "text.h"

#include <math.h>
#include <string.h>

static void append(struct text *text, const char *bytes, size_t len)
{
    if (fh_buf_append(&text->buf, bytes, len) < 0) {
        text->failed = true;
    }
}

static void append_text(struct text *text, const char *bytes)
{
    append(text, bytes, strlen(bytes));
}

void text_event(struct text *text, const char *name)
{
    fh_buf_clear(&text->buf);
    text->failed = false;
    append_text(text, "event: ");
    append_text(text, name);
    append_text(text, "\ndata: ");
}

bool text_end(struct text *text)
{
    append_text(text, "\n\n");
    return !text->failed;
}

static void append_string(struct text *text, const char *value)
{
    static const char digits[] = "0123456789abcdef";
    append(text, "\"", 1);
    while (*value) {
        size_t plain = 0;
        while ((unsigned char)value[plain] >= 0x20 && value[plain] != '"' && value[plain] != '\\' &&
               value[plain] != 0x7F) {
            plain++;
        }
        append(text, value, plain);
        value += plain;
        if (*value == '"' || *value == '\\') {
            const char escape[2] = {'\\', *value++};
            append(text, escape, 2);
        } else if (*value) {
            unsigned byte = (unsigned char)*value++;
            const char escape[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
            append(text, escape, 6);
        }
    }
    append(text, "\"", 1);
}

void text_key(struct text *text, const char *name)
{
    char last = text->buf.len > 0 ? text->buf.data[text->buf.len - 1] : ' ';
    if (last != '{' && last != '[' && last != ' ') {
        append(text, ",", 1);
    }
    if (name) {
        append_string(text, name);
        append(text, ":", 1);
    }
}

void text_open(struct text *text, const char *name, char bracket)
{
    text_key(text, name);
    append(text, &bracket, 1);
}

void text_close(struct text *text, char bracket)
{
    append(text, &bracket, 1);
}

void text_string(struct text *text, const char *name, const char *value)
{
    text_key(text, name);
    append_string(text, value);
}

/* printf is far too slow for a floor of 5,000 devices twice a second. */
static void append_count(struct text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    append(text, digits + at, sizeof(digits) - at);
}

void text_count(struct text *text, const char *name, uint64_t value)
{
    text_key(text, name);
    append_count(text, value);
}

static void append_integer(struct text *text, int64_t value)
{
    if (value < 0) {
        append(text, "-", 1);
    }
    append_count(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_integer(struct text *text, const char *name, int64_t value)
{
    text_key(text, name);
    append_integer(text, value);
}

void text_bool(struct text *text, const char *name, bool value)
{
    text_key(text, name);
    append_text(text, value ? "true" : "false");
}

void text_null(struct text *text, const char *name)
{
    text_key(text, name);
    append_text(text, "null");
}

void text_known(struct text *text, const char *name, int64_t value)
{
    if (value < 0) {
        text_null(text, name);
    } else {
        text_integer(text, name, value);
    }
}

void text_decimal(struct text *text, const char *name, double value)
{
    if (!(fabs(value) <= 1e12)) {
        text_null(text, name);
        return;
    }
    text_key(text, name);
    int64_t hundredths = (int64_t)round(fabs(value) * 100);
    if (value < 0 && hundredths > 0) {
        append(text, "-", 1);
    }
    append_count(text, (uint64_t)hundredths / 100);
    unsigned rest = (unsigned)(hundredths % 100);
    if (rest > 0) {
        const char digits[3] = {'.', (char)('0' + rest / 10), (char)('0' + rest % 10)};
        append(text, digits, rest % 10 > 0 ? 3 : 2);
    }
}
