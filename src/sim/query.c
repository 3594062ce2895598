/* query.c: owns nothing; takes query strings apart. Never judges a value. */
#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(const char *text, size_t len, char *ret, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= len || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
                return false;
            }
            c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (n + 1 >= size || c == '\0') {
            return false;
        }
        ret[n++] = c;
    }
    ret[n] = '\0';
    return true;
}

bool sim_query_next(const char *query, size_t *position, char *name, size_t name_size, char *value,
                    size_t value_size)
{
    const char *start = query + *position;
    while (*start == '&') {
        start++;
    }
    if (!*start) {
        return false;
    }
    size_t len = strcspn(start, "&");
    size_t name_len = strcspn(start, "=&");
    *position = (size_t)(start - query) + len;
    const char *rest = name_len < len ? start + name_len + 1 : start + len;
    if (!decode(start, name_len, name, name_size)) {
        name[0] = '\0';
    }
    if (!decode(rest, (size_t)(start + len - rest), value, value_size)) {
        name[0] = '\0';
    }
    return true;
}

bool sim_query_get(const char *query, const char *name, char *ret, size_t size)
{
    char found[64];
    char value[512];
    size_t position = 0;
    while (sim_query_next(query, &position, found, sizeof(found), value, sizeof(value))) {
        if (strcmp(found, name) == 0 && strlen(value) < size) {
            memcpy(ret, value, strlen(value) + 1);
            return true;
        }
    }
    return false;
}

int sim_number(const char *text, int64_t *ret)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) {
        return -EINVAL;
    }
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno) {
        return -EINVAL;
    }
    *ret = number;
    return 0;
}

bool sim_same_secret(const char *left, const char *right)
{
    size_t left_len = strlen(left);
    size_t right_len = strlen(right);
    unsigned difference = left_len != right_len;
    for (size_t i = 0; i < left_len; i++) {
        difference |= (unsigned char)(left[i] ^ right[right_len ? i % right_len : 0]);
    }
    return difference == 0;
}
