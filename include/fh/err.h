/* err.h: how every part of firehosed reports a failure.
 *
 * Functions return 0 or a positive result on success and a negative errno on failure. Where an
 * operator will read about it, the function also fills a struct fh_error with one sentence that
 * says what failed, where, and what to do. Libraries return; only the owner logs, once. */
#ifndef FH_ERR_H
#define FH_ERR_H

#include <stddef.h>

struct fh_error {
    char text[512]; /* one sentence, no newline, always NUL-terminated; never a secret */
};

#define FH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FH_CLEANUP(function) __attribute__((cleanup(function)))
#define FH_ARRAY_LEN(array)  (sizeof(array) / sizeof((array)[0]))

/* Write the sentence and hand back code, so that a caller can write
 *     return fh_error_set(err, -EINVAL, "...");
 * err may be NULL (nothing is written). code is a negative errno. */
int fh_error_set(struct fh_error *err, int code, const char *format, ...) FH_PRINTF(3, 4);

/* Put "format: " in front of the sentence already there, to add where it happened. */
void fh_error_prefix(struct fh_error *err, const char *format, ...) FH_PRINTF(2, 3);

/* strerror for a negative (or positive) errno into a caller's buffer; thread-safe. Returns buf. */
const char *fh_strerror(int code, char *buf, size_t size);

#endif
