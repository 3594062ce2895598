/* world_replay.h: a recorded stream, one JSON object per line, read whole into memory. Picks the
 * three envelope values and an identifier out of each line; checks no more than that. */
#ifndef SIM_WORLD_REPLAY_H
#define SIM_WORLD_REPLAY_H

#include "fh/err.h"

#include <stddef.h>
#include <stdint.h>

#define SIM_REPLAY_LINE_MAX (1U << 20)

struct sim_replay_line {
    const char *text; /* without the newline */
    uint32_t length;
    uint32_t uid_at; /* the text of recordUid in the line */
    uint32_t uid_length;
    uint32_t stamp_at; /* the digits of recordTimestamp */
    uint32_t stamp_length;
    uint32_t uid;
    int64_t timestamp_ms;
    uint8_t type;
    uint8_t partition;
};

struct sim_replay {
    char *bytes;
    struct sim_replay_line *lines;
    size_t count;
};

/* Empty lines and KEEP_ALIVE records are left out. */
int sim_replay_load(const char *path, struct fh_error *err, struct sim_replay *ret);
void sim_replay_done(struct sim_replay *replay);

/* The line as recorded, and a newline; with another uid (NULL: its own) and stamp in it. Returns
 * its length; one longer than capacity is not written. */
size_t sim_replay_render(const struct sim_replay_line *line, const uint32_t *uid, int64_t stamp_ms,
                         char *buf, size_t capacity);

#endif
