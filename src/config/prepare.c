/* prepare.c: owns the pass over the text before libconfig sees it. Never changes a line's number,
 * a string or a comment. */
#include "fh/buf.h"
#include "fh/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libconfig opens the file an @include names. Whether the line stands in a comment does not matter
 * here: refusing too much is the safe side. */
static bool is_include(const char *line)
{
    static const char word[] = "@include";
    line += strspn(line, " \t");
    return strncmp(line, word, sizeof(word) - 1) == 0;
}

static int refuse_includes(const char *text, int *ret_line, struct fh_error *err)
{
    int line = 1;
    for (const char *at = text; at; line++) {
        if (is_include(at)) {
            *ret_line = line;
            return fh_error_set(err, -EINVAL,
                                "@include is not supported; put the included options into this "
                                "file");
        }
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return 0;
}

/* The end of a string or comment that starts at `at`, or NULL when none starts there. ret_open:
 * what has no end ("string", "comment"), else untouched. */
static const char *skip_quoted(const char *at, const char **ret_open)
{
    if (*at == '#' || strncmp(at, "//", 2) == 0) {
        return at + strcspn(at, "\n");
    }
    if (strncmp(at, "/*", 2) == 0) {
        const char *end = strstr(at + 2, "*/");
        *ret_open = end ? NULL : "comment";
        return end ? end + 2 : at + strlen(at);
    }
    if (*at != '"') {
        return NULL;
    }
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) {
            at++;
        }
    }
    *ret_open = *at ? NULL : "string";
    return *at ? at + 1 : at;
}

static const char *skip_name(const char *at)
{
    if (!isalpha((unsigned char)*at) && *at != '*') {
        return NULL;
    }
    while (isalnum((unsigned char)*at) || (*at && strchr("-_*", *at))) {
        at++;
    }
    return at;
}

/* ".5": without this its digits would look like an integer. */
static const char *skip_fraction(const char *at)
{
    return *at == '.' ? at + 1 + strspn(at + 1, "0123456789eE+-") : NULL;
}

/* The end of an integer that starts at `at`; NULL when there is none, or it is a float, or marked
 * as 64 bits already. ret_wide: needs 64 bits. ret_overflow: does not fit even them. */
static const char *skip_integer(const char *at, bool *ret_wide, bool *ret_overflow)
{
    const char *digits = at + (*at == '-' || *at == '+');
    if (!isdigit((unsigned char)*digits)) {
        return NULL;
    }
    bool hex = at == digits && at[0] == '0' && tolower((unsigned char)at[1]) == 'x' &&
               isxdigit((unsigned char)at[2]);
    char *end;
    errno = 0;
    long long number = strtoll(at, &end, hex ? 16 : 10);
    *ret_overflow = errno == ERANGE;
    *ret_wide = (number > INT32_MAX || number < INT32_MIN) && *end != 'L' && *end != '.' &&
                (hex || tolower((unsigned char)*end) != 'e');
    if (*end == '.' || (!hex && tolower((unsigned char)*end) == 'e')) {
        *ret_overflow = false;
        while (isalnum((unsigned char)*end) || (*end && strchr(".+-", *end))) {
            end++;
        }
    }
    while (*end == 'L') {
        end++;
    }
    return end;
}

static int count_lines(const char *from, const char *to)
{
    int lines = 0;
    for (; from < to; from++) {
        lines += *from == '\n';
    }
    return lines;
}

int fh_config_prepare(const char *text, struct fh_buf *ret, int *ret_line, struct fh_error *err)
{
    *ret_line = 0;
    int r = refuse_includes(text, ret_line, err);
    int line = 1;
    for (const char *at = text; r == 0 && *at;) {
        bool wide = false;
        bool overflow = false;
        const char *open = NULL;
        const char *end = skip_quoted(at, &open);
        if (!end) {
            end = skip_name(at);
        }
        if (!end) {
            end = skip_fraction(at);
        }
        if (!end) {
            end = skip_integer(at, &wide, &overflow);
        }
        if (!end) {
            end = at + 1;
        }
        if (overflow) {
            *ret_line = line;
            return fh_error_set(err, -EINVAL, "the number %.*s is too large for any option",
                                (int)(end - at < 60 ? end - at : 60), at);
        }
        if (open) {
            *ret_line = line;
            return fh_error_set(err, -EINVAL,
                                "the %s that starts here has no end, or one before it lacks its "
                                "end",
                                open);
        }
        r = fh_buf_append(ret, at, (size_t)(end - at));
        if (r == 0 && wide) {
            r = fh_buf_append(ret, "L", 1);
        }
        line += count_lines(at, end);
        at = end;
    }
    /* libconfig takes a comment without a line break behind it for a syntax error. */
    r = r == 0 ? fh_buf_append(ret, "\n", 1) : r;
    return r == -ENOMEM || r == -ENOBUFS ? fh_error_set(err, r, "not enough memory to read it") : r;
}
