/* when.h: times as people write them, and as they read them. Pure but for the local time zone. */
#ifndef FH_CTL_WHEN_H
#define FH_CTL_WHEN_H

#include "fh/err.h"

#include <stdint.h>

#define FH_WHEN_SIZE 32
/* What fh_when_parse understands, for help texts. */
#define FH_WHEN_FORMS                                                                              \
    "TIME is 2026-11-23T14:00:00Z (RFC 3339; without a zone: local time), 2026-11-23 14:00,\n"     \
    "14:00, today, yesterday 14:00, 90s, 15m, 2h, 3d (so long ago), now, or milliseconds\n"        \
    "since 1970 (11 digits or more)."

/* Milliseconds since 1970. now_ms: the present. Fractions of a second beyond milliseconds are cut.
 * -EINVAL with a sentence. */
int fh_when_parse(const char *text, int64_t now_ms, struct fh_error *err, int64_t *ret_ms);

/* "2026-11-23 14:00:00.123", local time. */
void fh_when_print(int64_t ms, char text[FH_WHEN_SIZE]);

#endif
