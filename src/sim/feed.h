/* feed.h: who gets which event.
 *
 * A feed is one (key, replica): a cursor per partition, shared by all its readers. Readers whose
 * partitions overlap compete: each event goes to exactly one of them, and what one has taken and
 * not delivered is gone. Feeds of different replicas know nothing of each other.
 *
 * A reader with fromTimestamp first replays, from the oldest kept record that may carry the stamp
 * up to the point where the stream stood when it connected. The replay is the reader's own: it
 * neither moves the shared cursors nor takes anything from others. After that point it takes its
 * share of the live stream. A partition without a reader has no cursor: its next reader starts at
 * "now", as the real service sends "only events received after the connection".
 *
 * Any thread; one mutex. A reader is used by one thread at a time. */
#ifndef SIM_FEED_H
#define SIM_FEED_H

#include "extras.h"
#include "options.h"
#include "request.h"
#include "world.h"

#include "fh/buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_feeds;

enum sim_reader_state {
    SIM_READER_STREAMING,
    SIM_READER_STALLED,
    SIM_READER_HALF_OPEN,
};

/* What a reader is and has done; the counters are read by /sim/status from other threads. */
struct sim_reader_info {
    uint64_t connection; /* number of the connection it lives on */
    unsigned key;        /* index in the options */
    unsigned replica;    /* 1.. */
    unsigned min_partition;
    unsigned max_partition;
    int64_t from_timestamp; /* 0 = live only */
    int http_version;       /* 1 or 2 */
    enum sim_channel channel;
    _Atomic uint64_t events;
    _Atomic uint64_t bytes;
    _Atomic uint64_t keep_alives;
    _Atomic int state; /* enum sim_reader_state */
};

struct sim_reader;

/* One thing to send: an event of the world, or the extra with that index. */
struct sim_pick {
    uint64_t position;
    int64_t extra; /* -1: an event of the world */
    uint8_t partition;
};

struct sim_feeds *sim_feeds_new(struct sim_world *world, struct sim_extras *extras,
                                const struct sim_options *options);
void sim_feeds_free(struct sim_feeds *feeds); /* all readers closed before */

/* info->counters are ignored. -EUSERS: the connection would be one too many for (key, replica). */
int sim_reader_open(struct sim_feeds *feeds, const struct sim_reader_info *info,
                    struct sim_reader **ret);
void sim_reader_close(struct sim_reader *reader); /* NULL allowed */
struct sim_reader_info *sim_reader_info(struct sim_reader *reader);

/* Claim up to max records for this reader; they are its own from now on. Returns how many, 0 when
 * there is none now. ret_shared says whether others compete: then a reader should take once and let
 * the others have their turn. The caller must not hold the world's lock. */
size_t sim_reader_take(struct sim_reader *reader, size_t max, struct sim_pick *ret_picks,
                       bool *ret_shared);

/* Lowest position any reader still has to take; false when nobody reads. Half-open and stalled
 * readers do not count: under --rate max they would stop the world. */
bool sim_feeds_slowest(struct sim_feeds *feeds, uint64_t *ret_position);
/* How many readers match; 0 for replica or partition means any. */
unsigned sim_feeds_matching(struct sim_feeds *feeds, unsigned replica, unsigned partition);
/* JSON arrays "connections" and "feeds" of /sim/status, without a trailing comma. */
int sim_feeds_report(struct sim_feeds *feeds, struct fh_buf *out);

#endif
