/* log_repeat.h: what flaps is said a few times a minute, then summed up. For log.c alone.
 *
 * A subject is an id with the values of its fields that name something (a sink, a receiver, a
 * path). Of each subject FH_LOG_BURST lines pass in FH_LOG_WINDOW_MS; of those that follow the last
 * is held and comes with their number when the time is over. Lines held for the same thing under
 * several ids ("does not work", "works again") come in the order they happened, so that the last
 * word in the log is the present state. Any thread; takes a lock of its own, for no longer than a
 * copy. */
#ifndef FH_LOG_REPEAT_H
#define FH_LOG_REPEAT_H

#include "fh/clock.h"
#include "fh/log.h"

#define FH_LOG_BURST       10
#define FH_LOG_WINDOW_MS   60000
#define FH_LOG_HELD_MAX    128 /* subjects; more than these are not limited */
#define FH_LOG_HELD_TEXT   600
#define FH_LOG_HELD_FIELDS 4
#define FH_LOG_HELD_VALUE  128

struct fh_log_held {
    enum fh_log_id id;
    int level;
    unsigned count; /* lines this one stands for */
    size_t field_count;
    const char *name[FH_LOG_HELD_FIELDS];
    char value[FH_LOG_HELD_FIELDS][FH_LOG_HELD_VALUE];
    char message[FH_LOG_HELD_TEXT];
};

/* True: kept here, to be said later. False: say it. */
bool fh_log_repeat_hold(struct fh_time now, int level, enum fh_log_id id,
                        const struct fh_log_field *fields, size_t field_count, const char *message);
/* The next line that is due; all: whether due or not. False: none. */
bool fh_log_repeat_next(struct fh_time now, bool all, struct fh_log_held *ret);
/* Forget everything. */
void fh_log_repeat_reset(void);

#endif
