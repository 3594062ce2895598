/* history.h: the last changes of role, with reason and evidence, as values and as bytes that
 * outlive the process.
 *
 * Bytes: version u8 | count u8 | per transition wall_ms i64, epoch u64, from u8, to u8, reason and
 * evidence each u8 length and text; little-endian. What cannot be read is ignored as a whole: the
 * history is for people, nothing depends on it.
 *
 * Pure: no clock, I/O or allocation. */
#ifndef FH_HA_HISTORY_H
#define FH_HA_HISTORY_H

#include "fh/ha.h"

#define FH_HISTORY_BYTES_MAX (2 + FH_HA_HISTORY_MAX * (8 + 8 + 1 + 1 + 2 * (1 + 159)))

struct fh_history {
    struct fh_ha_transition ring[FH_HA_HISTORY_MAX];
    size_t first, count;
};

void fh_history_add(struct fh_history *history, const struct fh_ha_transition *transition);
/* The newest n, oldest first; returns how many. */
size_t fh_history_read(const struct fh_history *history, struct fh_ha_transition *ret, size_t n);
/* bytes: FH_HISTORY_BYTES_MAX of room. Returns the length. */
size_t fh_history_encode(const struct fh_history *history, unsigned char *bytes);
/* -EBADMSG: malformed, -EPROTONOSUPPORT: of another version; the history is empty then. */
int fh_history_decode(struct fh_history *history, const void *bytes, size_t len);

#endif
