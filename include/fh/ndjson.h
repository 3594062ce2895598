/* ndjson.h: cut a byte stream into lines, wherever the chunks break.
 *
 * Pure. Memory: one carry buffer that grows up to max_line. Lines end in \n; \r before it and empty
 * lines are dropped. A line longer than max_line is reported once as truncated (its first
 * max_line bytes, at most), the rest is skipped to the next \n, and the stream goes on. */
#ifndef FH_NDJSON_H
#define FH_NDJSON_H

#include "fh/buf.h"

#include <stdbool.h>

struct fh_ndjson {
    struct fh_buf carry;
    size_t max_line;
    bool skipping;   /* inside the rest of an oversized line */
    uint64_t offset; /* bytes of the stream consumed before the current feed; a reset sets it
                        to 0 */
};

/* Called per line. line is valid during the call only; offset is the stream offset of its first
 * byte. truncated: only the beginning of an oversized line. Return < 0 to abort the feed. */
typedef int (*fh_ndjson_line)(void *userdata, const char *line, size_t len, uint64_t offset,
                              bool truncated);

void fh_ndjson_init(struct fh_ndjson *splitter, size_t max_line);
void fh_ndjson_done(struct fh_ndjson *splitter);
/* A new connection: forget a half line. Returns how many bytes of a half line were dropped. */
size_t fh_ndjson_reset(struct fh_ndjson *splitter);
/* Feed a chunk. Lines wholly inside the chunk are handed out without copying. 0, -ENOMEM, or what
 * the callback returned; then offset is where a later feed may go on (after the line handed out).
 */
int fh_ndjson_feed(struct fh_ndjson *splitter, const char *bytes, size_t len, fh_ndjson_line line,
                   void *userdata);

#endif
