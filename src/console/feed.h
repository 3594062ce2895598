/* feed.h: new records from the store into the picture of the space. Private to src/console.
 *
 * One thread, the console's. */
#ifndef FH_CONSOLE_FEED_H
#define FH_CONSOLE_FEED_H

#include "space.h"

#include "fh/clock.h"
#include "fh/pipeline.h"

/* So many records behind, it goes on so many before the end. */
#define FEED_BEHIND_MAX 100000
#define FEED_BACKLOG    10000

struct feed {
    struct fh_pipeline *pipeline;
    uint64_t sequence; /* next to read */
    uint64_t read;
    uint64_t skipped; /* went by unread: it was too far behind, or they were no longer kept */
    bool damaged;     /* said once */
};

/* Begins with what comes from now on. */
void feed_init(struct feed *feed, struct fh_pipeline *pipeline);
/* Reads until nothing is left, that instant has come, or this thread has worked for so long. */
void feed_turn(struct feed *feed, struct space *space, struct fh_time until, int64_t work_ms);

#endif
