/* arrival.c: when records arrived. See the header. */
#include "arrival.h"

void fh_arrivals_init(struct fh_arrivals *arrivals)
{
    pthread_mutex_init(&arrivals->lock, NULL);
    arrivals->count = 0;
}

void fh_arrivals_done(struct fh_arrivals *arrivals)
{
    pthread_mutex_destroy(&arrivals->lock);
}

/* The first stays, so that what is known to be ours stays known. */
static void thin_out(struct fh_arrivals *arrivals)
{
    size_t kept = 0;
    for (size_t i = 0; i < arrivals->count; i += 2) {
        arrivals->mark[kept++] = arrivals->mark[i];
    }
    arrivals->count = kept;
}

void fh_arrivals_note(struct fh_arrivals *arrivals, uint64_t sequence, struct fh_time at)
{
    pthread_mutex_lock(&arrivals->lock);
    if (arrivals->count == FH_ARRIVALS_MAX) {
        thin_out(arrivals);
    }
    arrivals->mark[arrivals->count++] = (struct fh_arrival){.sequence = sequence, .at = at};
    pthread_mutex_unlock(&arrivals->lock);
}

struct fh_time fh_arrivals_at(struct fh_arrivals *arrivals, uint64_t sequence)
{
    struct fh_time at = {0};
    pthread_mutex_lock(&arrivals->lock);
    size_t from = 0;
    size_t to = arrivals->count;
    while (from < to) { /* the first mark beyond it */
        size_t middle = from + (to - from) / 2;
        if (arrivals->mark[middle].sequence <= sequence) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    if (from > 0) {
        at = arrivals->mark[from - 1].at;
    }
    pthread_mutex_unlock(&arrivals->lock);
    return at;
}
