/* text.h: JSON as it goes out on the stream. Private to src/console.
 *
 * What does not fit is noticed once, at the end: text_end says whether all is there. */
#ifndef FH_CONSOLE_TEXT_H
#define FH_CONSOLE_TEXT_H

#include "fh/buf.h"

#include <stdbool.h>

struct text {
    struct fh_buf buf; /* fh_buf_init before, fh_buf_done after */
    bool failed;
};

/* "event: NAME" and the beginning of its data; forgets what was there. */
void text_event(struct text *text, const char *name);
/* The end of an event. False: it did not fit, or memory ran out. */
bool text_end(struct text *text);

/* A comma where one is due, then the name of a member; NULL: an element of an array. */
void text_key(struct text *text, const char *name);
void text_open(struct text *text, const char *name, char bracket);
void text_close(struct text *text, char bracket);

/* A member each, or an element when name is NULL. */
void text_string(struct text *text, const char *name, const char *value);
void text_integer(struct text *text, const char *name, int64_t value);
void text_count(struct text *text, const char *name, uint64_t value);
void text_bool(struct text *text, const char *name, bool value);
/* Two digits behind the point at most; beyond +-1e12, and for what is no number: null. */
void text_decimal(struct text *text, const char *name, double value);
void text_null(struct text *text, const char *name);
/* null when negative */
void text_known(struct text *text, const char *name, int64_t value);

#endif
