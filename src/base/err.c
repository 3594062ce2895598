/* err.c: the error sentence. */
#include "fh/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fh_error_set(struct fh_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return code;
}

void fh_error_prefix(struct fh_error *err, const char *format, ...)
{
    if (!err) {
        return;
    }
    char rest[sizeof(err->text)];
    memcpy(rest, err->text, sizeof(rest));
    rest[sizeof(rest) - 1] = '\0';
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(err->text)) {
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.*s",
                 (int)(sizeof(err->text) - (size_t)n), rest);
    }
}

const char *fh_strerror(int code, char *buf, size_t size)
{
    /* The GNU strerror_r may answer with a static string instead of filling buf. */
    const char *text = strerror_r(abs(code), buf, size);
    if (text != buf) {
        snprintf(buf, size, "%s", text);
    }
    return buf;
}
