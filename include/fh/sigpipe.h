/* sigpipe.h: writing to a pipe or a connection whose reader is gone is an error, not a signal, for
 * this thread and the time between the two calls: libcurl leaves that to its user. Any thread. */
#ifndef FH_SIGPIPE_H
#define FH_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>

struct fh_sigpipe_hold {
    sigset_t before;
    bool pending; /* one that was there before is left alone */
};

static inline void fh_sigpipe_block(struct fh_sigpipe_hold *hold)
{
    sigset_t set;
    sigset_t waiting;
    sigemptyset(&waiting);
    sigpending(&waiting);
    hold->pending = sigismember(&waiting, SIGPIPE) == 1;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &hold->before);
}

static inline void fh_sigpipe_unblock(const struct fh_sigpipe_hold *hold)
{
    sigset_t set;
    const struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!hold->pending) {
        (void)sigtimedwait(&set, NULL, &none);
    }
    pthread_sigmask(SIG_SETMASK, &hold->before, NULL);
}

#endif
