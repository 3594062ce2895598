/* clock.h: time as a type, so that units cannot mix.
 *
 * struct fh_time is an instant of CLOCK_BOOTTIME: it never jumps and goes on during suspend. All
 * time-outs use it. Wall-clock milliseconds are for file names and for people only: nothing that
 * decides what is delivered may read them (design: "time is the source's"). Pure parts take
 * struct fh_time as an argument and never call fh_now(). */
#ifndef FH_CLOCK_H
#define FH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct fh_time {
    int64_t ns;
};

/* Now, CLOCK_BOOTTIME. Any thread. Cannot fail. */
struct fh_time fh_now(void);

/* Milliseconds since the epoch, CLOCK_REALTIME. For people and file names only. */
int64_t fh_wall_ms(void);

static inline struct fh_time fh_time_add_ms(struct fh_time t, int64_t ms)
{
    return (struct fh_time){t.ns + ms * 1000000};
}

/* later - earlier, in milliseconds, rounded towards zero. */
static inline int64_t fh_time_diff_ms(struct fh_time later, struct fh_time earlier)
{
    return (later.ns - earlier.ns) / 1000000;
}

static inline bool fh_time_before(struct fh_time a, struct fh_time b)
{
    return a.ns < b.ns;
}

/* "never happened": the zero value. CLOCK_BOOTTIME is never 0 once a process runs. */
static inline bool fh_time_is_set(struct fh_time t)
{
    return t.ns != 0;
}

#endif
