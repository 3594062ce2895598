/* render_replay.h: a replay's state, as the daemon tells it, for people. Pure. */
#ifndef FH_CTL_RENDER_REPLAY_H
#define FH_CTL_RENDER_REPLAY_H

#include "fh/buf.h"

#include <cjson/cJSON.h>

/* "[=======>    ]  61 %  12,204 of 20,000 events ..." in at most that many columns, no newline. */
int fh_replay_bar(const cJSON *replay, size_t columns, struct fh_buf *into);
/* A plain line of the same, with its newline. */
int fh_replay_line(const cJSON *replay, struct fh_buf *into);
/* How it ended, or what a dry run found. Lines. */
int fh_replay_end(const cJSON *replay, struct fh_buf *into);

#endif
