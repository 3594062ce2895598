/* arrival.h: when the records that are kept have arrived at this process, roughly: a mark per
 * commit of the store, a fixed number of them. When there are too many every other one is
 * forgotten, so old ones lie further apart; a record is never said to be younger than it is. */
#ifndef FH_PIPELINE_ARRIVAL_H
#define FH_PIPELINE_ARRIVAL_H

#include "fh/clock.h"

#include <pthread.h>
#include <stddef.h>

#define FH_ARRIVALS_MAX 4096

struct fh_arrivals {
    pthread_mutex_t lock;
    size_t count;
    struct fh_arrival {
        uint64_t sequence;   /* the first of the records that arrived ... */
        struct fh_time at;   /* ... then, or a little later */
    } mark[FH_ARRIVALS_MAX]; /* ascending in both */
};

void fh_arrivals_init(struct fh_arrivals *arrivals);
void fh_arrivals_done(struct fh_arrivals *arrivals);
/* One thread: sequences do not go down. */
void fh_arrivals_note(struct fh_arrivals *arrivals, uint64_t sequence, struct fh_time at);
/* Any thread. Unset: before the first that was noted. */
struct fh_time fh_arrivals_at(struct fh_arrivals *arrivals, uint64_t sequence);

#endif
