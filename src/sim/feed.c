/* feed.c: owns the cursors. Never renders, never sends, never knows of a socket.
 *
 * Lock order: the mutex of the feeds, then the world's read lock. */
#include "feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Descriptors looked at under one hold of the locks: at 20 ns each about a millisecond. */
#define SCAN_MAX 65536

struct cursor {
    uint64_t position; /* next to look at */
    uint32_t extra;    /* next of the extras to look at */
};

struct feed {
    struct feed *next;
    unsigned key, replica;
    unsigned reader_count;
    unsigned readers_of[SIM_PARTITIONS + 1];
    struct cursor cursors[SIM_PARTITIONS + 1]; /* valid while readers_of[] > 0 */
    uint64_t skipped; /* positions that left the window before a reader came to them */
};

struct sim_reader {
    struct sim_feeds *feeds;
    struct feed *feed;
    struct sim_reader *next, *previous;
    struct sim_reader_info info;
    bool replaying;
    struct cursor replay;     /* next of the private replay */
    struct cursor replay_end; /* where it ends and the shared cursors go on */
    int64_t from;
};

struct sim_feeds {
    pthread_mutex_t lock;
    struct sim_world *world;
    struct sim_extras *extras;
    unsigned max_connections;
    bool replay_by_arrival;
    struct feed *first;
    struct sim_reader *readers;
};

struct sim_feeds *sim_feeds_new(struct sim_world *world, struct sim_extras *extras,
                                const struct sim_options *options)
{
    struct sim_feeds *feeds = calloc(1, sizeof(*feeds));
    if (feeds) {
        pthread_mutex_init(&feeds->lock, NULL);
        feeds->world = world;
        feeds->extras = extras;
        feeds->max_connections = options->max_connections;
        feeds->replay_by_arrival = strcmp(options->replay_compares, "arrival") == 0;
    }
    return feeds;
}

void sim_feeds_free(struct sim_feeds *feeds)
{
    if (!feeds) {
        return;
    }
    while (feeds->first) {
        struct feed *next = feeds->first->next;
        free(feeds->first);
        feeds->first = next;
    }
    pthread_mutex_destroy(&feeds->lock);
    free(feeds);
}

static struct feed *find_feed(struct sim_feeds *feeds, unsigned key, unsigned replica)
{
    for (struct feed *feed = feeds->first; feed; feed = feed->next) {
        if (feed->key == key && feed->replica == replica) {
            return feed;
        }
    }
    struct feed *feed = calloc(1, sizeof(*feed));
    if (feed) {
        feed->key = key;
        feed->replica = replica;
        feed->next = feeds->first;
        feeds->first = feed;
    }
    return feed;
}

/* An extra takes part in a replay when it lies behind the start or carries a stamp that was asked
 * for: one from the future is asked for by every resume point. */
static uint32_t first_extra(const struct sim_extras *extras, uint64_t position, int64_t from)
{
    uint32_t count = sim_extras_count(extras);
    uint32_t i = 0;
    while (i < count) {
        const struct sim_extra *extra = sim_extras_get(extras, i);
        if (extra->position >= position || extra->timestamp_ms >= from) {
            break;
        }
        i++;
    }
    return i;
}

static void join(struct sim_reader *reader)
{
    struct sim_feeds *feeds = reader->feeds;
    struct feed *feed = reader->feed;
    sim_world_lock_read(feeds->world);
    struct cursor now = {sim_world_ready(feeds->world, feed->replica),
                         sim_extras_count(feeds->extras)};
    if (reader->from > 0) {
        uint64_t start =
            sim_world_seek(feeds->world, feed->replica, reader->from, feeds->replay_by_arrival);
        reader->replay = (struct cursor){start, first_extra(feeds->extras, start, reader->from)};
        reader->replay_end = now;
        reader->replaying = true;
    }
    sim_world_unlock_read(feeds->world);
    for (unsigned p = reader->info.min_partition; p <= reader->info.max_partition; p++) {
        if (feed->readers_of[p]++ == 0) {
            feed->cursors[p] = now;
        }
    }
    feed->reader_count++;
    reader->next = feeds->readers;
    if (reader->next) {
        reader->next->previous = reader;
    }
    feeds->readers = reader;
}

int sim_reader_open(struct sim_feeds *feeds, const struct sim_reader_info *info,
                    struct sim_reader **ret)
{
    struct sim_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&feeds->lock);
    struct feed *feed = find_feed(feeds, info->key, info->replica);
    int r = !feed ? -ENOMEM : feed->reader_count >= feeds->max_connections ? -EUSERS : 0;
    if (r == 0) {
        reader->feeds = feeds;
        reader->feed = feed;
        reader->from = info->from_timestamp;
        reader->info.connection = info->connection;
        reader->info.key = info->key;
        reader->info.replica = info->replica;
        reader->info.min_partition = info->min_partition;
        reader->info.max_partition = info->max_partition;
        reader->info.from_timestamp = info->from_timestamp;
        reader->info.http_version = info->http_version;
        reader->info.channel = info->channel;
        join(reader);
        *ret = reader;
    }
    pthread_mutex_unlock(&feeds->lock);
    if (r < 0) {
        free(reader);
    }
    return r;
}

void sim_reader_close(struct sim_reader *reader)
{
    if (!reader) {
        return;
    }
    struct sim_feeds *feeds = reader->feeds;
    pthread_mutex_lock(&feeds->lock);
    for (unsigned p = reader->info.min_partition; p <= reader->info.max_partition; p++) {
        reader->feed->readers_of[p]--;
    }
    reader->feed->reader_count--;
    if (reader->previous) {
        reader->previous->next = reader->next;
    } else {
        feeds->readers = reader->next;
    }
    if (reader->next) {
        reader->next->previous = reader->previous;
    }
    pthread_mutex_unlock(&feeds->lock);
    free(reader);
}

struct sim_reader_info *sim_reader_info(struct sim_reader *reader)
{
    return &reader->info;
}

/* A walk along the stream for one reader. shared is NULL in a replay. */
struct walk {
    struct sim_reader *reader;
    const struct cursor *shared; /* by partition */
    struct cursor at;
    uint64_t limit;       /* positions below it */
    uint32_t extra_limit; /* extras below it */
    size_t max;
    size_t count;
    struct sim_pick *picks;
};

static bool wanted(const struct walk *walk, unsigned partition)
{
    return partition >= walk->reader->info.min_partition &&
           partition <= walk->reader->info.max_partition;
}

/* The extras that lie at or before where the walk stands. False when picks is full. */
static bool walk_extras(struct walk *walk)
{
    const struct sim_extras *extras = walk->reader->feeds->extras;
    while (walk->at.extra < walk->extra_limit) {
        const struct sim_extra *extra = sim_extras_get(extras, walk->at.extra);
        if (extra->position > walk->at.position) {
            return true;
        }
        if (walk->count == walk->max) {
            return false;
        }
        unsigned p = extra->partition;
        bool mine = wanted(walk, p) && (!walk->shared || walk->at.extra >= walk->shared[p].extra) &&
                    (extra->replica == 0 || extra->replica == walk->reader->feed->replica);
        if (mine) {
            walk->picks[walk->count++] =
                (struct sim_pick){extra->position, walk->at.extra, extra->partition};
        }
        walk->at.extra++;
    }
    return true;
}

static void walk_on(struct walk *walk)
{
    const struct sim_world *world = walk->reader->feeds->world;
    unsigned replica = walk->reader->feed->replica;
    uint64_t scanned = 0;
    while (walk_extras(walk) && walk->at.position < walk->limit && walk->count < walk->max &&
           scanned++ < SCAN_MAX) {
        struct sim_event event;
        sim_world_event(world, replica, walk->at.position, &event);
        unsigned p = event.partition;
        if (wanted(walk, p) && (!walk->shared || walk->at.position >= walk->shared[p].position)) {
            walk->picks[walk->count++] = (struct sim_pick){walk->at.position, -1, event.partition};
        }
        walk->at.position++;
    }
}

static size_t take_replay(struct sim_reader *reader, size_t max, struct sim_pick *picks)
{
    uint64_t first = sim_world_first(reader->feeds->world);
    if (reader->replay.position < first) {
        reader->feed->skipped += first - reader->replay.position;
        reader->replay.position = first;
    }
    struct walk walk = {.reader = reader,
                        .at = reader->replay,
                        .limit = reader->replay_end.position,
                        .extra_limit = reader->replay_end.extra,
                        .max = max,
                        .picks = picks};
    walk_on(&walk);
    reader->replay = walk.at;
    if (walk.at.position >= walk.limit && walk.at.extra >= walk.extra_limit) {
        reader->replaying = false;
    }
    return walk.count;
}

/* Where the walk of a live reader begins: the furthest back of its partitions. */
static struct cursor live_start(struct sim_reader *reader, unsigned *ret_sharers)
{
    struct feed *feed = reader->feed;
    uint64_t first = sim_world_first(reader->feeds->world);
    struct cursor start = {UINT64_MAX, UINT32_MAX};
    unsigned sharers = 1;
    for (unsigned p = reader->info.min_partition; p <= reader->info.max_partition; p++) {
        if (feed->cursors[p].position < start.position) {
            start.position = feed->cursors[p].position;
        }
        if (feed->cursors[p].extra < start.extra) {
            start.extra = feed->cursors[p].extra;
        }
        if (feed->readers_of[p] > sharers) {
            sharers = feed->readers_of[p];
        }
    }
    if (start.position < first) { /* the window has moved past a slow reader */
        feed->skipped += first - start.position;
        start.position = first;
        for (unsigned p = reader->info.min_partition; p <= reader->info.max_partition; p++) {
            if (feed->cursors[p].position < first) {
                feed->cursors[p].position = first;
            }
        }
    }
    *ret_sharers = sharers;
    return start;
}

static size_t take_live(struct sim_reader *reader, size_t max, struct sim_pick *picks,
                        bool *ret_shared)
{
    struct feed *feed = reader->feed;
    unsigned sharers = 1;
    struct walk walk = {.reader = reader, .shared = feed->cursors, .max = max, .picks = picks};
    walk.at = live_start(reader, &sharers);
    walk.limit = sim_world_ready(reader->feeds->world, feed->replica);
    walk.extra_limit = sim_extras_count(reader->feeds->extras);
    if (sharers > 1 && walk.limit > walk.at.position) {
        /* A part for everyone who competes, so that the first asked does not get it all. */
        uint64_t part = (walk.limit - walk.at.position + sharers - 1) / sharers;
        walk.limit = walk.at.position + part;
    }
    walk_on(&walk);
    for (unsigned p = reader->info.min_partition; p <= reader->info.max_partition; p++) {
        if (feed->cursors[p].position < walk.at.position) {
            feed->cursors[p].position = walk.at.position;
        }
        if (feed->cursors[p].extra < walk.at.extra) {
            feed->cursors[p].extra = walk.at.extra;
        }
    }
    *ret_shared = sharers > 1;
    return walk.count;
}

/* Anything between the reader and the end of the stream? Partitions it does not want count too;
 * without this a sparse reader would sleep in the middle of a long stretch. */
static bool more_to_scan(struct sim_reader *reader)
{
    if (reader->replaying) {
        return true;
    }
    unsigned sharers;
    struct cursor start = live_start(reader, &sharers);
    return start.position < sim_world_ready(reader->feeds->world, reader->feed->replica);
}

size_t sim_reader_take(struct sim_reader *reader, size_t max, struct sim_pick *ret_picks,
                       bool *ret_shared)
{
    struct sim_feeds *feeds = reader->feeds;
    size_t count = 0;
    *ret_shared = false;
    bool again = true;
    while (again && count == 0) {
        pthread_mutex_lock(&feeds->lock);
        sim_world_lock_read(feeds->world);
        if (reader->replaying) {
            count = take_replay(reader, max, ret_picks);
        } else {
            count = take_live(reader, max, ret_picks, ret_shared);
        }
        again = count == 0 && more_to_scan(reader);
        sim_world_unlock_read(feeds->world);
        pthread_mutex_unlock(&feeds->lock);
    }
    return count;
}

bool sim_feeds_slowest(struct sim_feeds *feeds, uint64_t *ret_position)
{
    bool any = false;
    uint64_t lowest = UINT64_MAX;
    pthread_mutex_lock(&feeds->lock);
    for (struct sim_reader *reader = feeds->readers; reader; reader = reader->next) {
        if (atomic_load(&reader->info.state) != SIM_READER_STREAMING) {
            continue;
        }
        any = true;
        if (reader->replaying && reader->replay.position < lowest) {
            lowest = reader->replay.position;
        }
        for (unsigned p = reader->info.min_partition; p <= reader->info.max_partition; p++) {
            uint64_t position = reader->feed->cursors[p].position;
            lowest = position < lowest ? position : lowest;
        }
    }
    pthread_mutex_unlock(&feeds->lock);
    if (any) {
        *ret_position = lowest;
    }
    return any;
}

unsigned sim_feeds_matching(struct sim_feeds *feeds, unsigned replica, unsigned partition)
{
    unsigned count = 0;
    pthread_mutex_lock(&feeds->lock);
    for (struct sim_reader *reader = feeds->readers; reader; reader = reader->next) {
        bool replica_fits = replica == 0 || reader->info.replica == replica;
        bool partition_fits = partition == 0 || (partition >= reader->info.min_partition &&
                                                 partition <= reader->info.max_partition);
        count += replica_fits && partition_fits;
    }
    pthread_mutex_unlock(&feeds->lock);
    return count;
}

static int report_reader(const struct sim_reader *reader, bool first, struct fh_buf *out)
{
    static const char *const states[] = {"streaming", "stalled", "half-open"};
    const struct sim_reader_info *info = &reader->info;
    return fh_buf_printf(
        out,
        "%s{\"connection\":%llu,\"channel\":\"%s\",\"key\":%u,\"replica\":%u,\"min_partition\":%u,"
        "\"max_partition\":%u,\"http\":%d,\"from_timestamp\":%lld,\"replaying\":%s,"
        "\"state\":\"%s\",\"sent_events\":%llu,\"sent_bytes\":%llu,\"keep_alives\":%llu}",
        first ? "" : ",", (unsigned long long)info->connection, sim_channel_name(info->channel),
        info->key, info->replica, info->min_partition, info->max_partition, info->http_version,
        (long long)info->from_timestamp, reader->replaying ? "true" : "false",
        states[atomic_load(&info->state)], (unsigned long long)atomic_load(&info->events),
        (unsigned long long)atomic_load(&info->bytes),
        (unsigned long long)atomic_load(&info->keep_alives));
}

static int report_feed(const struct sim_feeds *feeds, const struct feed *feed, bool first,
                       struct fh_buf *out)
{
    uint64_t lowest = UINT64_MAX;
    for (unsigned p = 1; p <= SIM_PARTITIONS; p++) {
        if (feed->readers_of[p] > 0 && feed->cursors[p].position < lowest) {
            lowest = feed->cursors[p].position;
        }
    }
    uint64_t ready = sim_world_ready(feeds->world, feed->replica);
    uint64_t pending = lowest < ready ? ready - lowest : 0;
    return fh_buf_printf(out,
                         "%s{\"key\":%u,\"replica\":%u,\"connections\":%u,\"ready\":%llu,"
                         "\"pending\":%llu,\"skipped\":%llu}",
                         first ? "" : ",", feed->key, feed->replica, feed->reader_count,
                         (unsigned long long)ready, (unsigned long long)pending,
                         (unsigned long long)feed->skipped);
}

int sim_feeds_report(struct sim_feeds *feeds, struct fh_buf *out)
{
    pthread_mutex_lock(&feeds->lock);
    sim_world_lock_read(feeds->world);
    int r = fh_buf_printf(out, "\"connections\":[");
    for (struct sim_reader *reader = feeds->readers; reader && r == 0; reader = reader->next) {
        r = report_reader(reader, reader == feeds->readers, out);
    }
    if (r == 0) {
        r = fh_buf_printf(out, "],\"feeds\":[");
    }
    for (struct feed *feed = feeds->first; feed && r == 0; feed = feed->next) {
        r = report_feed(feeds, feed, feed == feeds->first, out);
    }
    if (r == 0) {
        r = fh_buf_printf(out, "]");
    }
    sim_world_unlock_read(feeds->world);
    pthread_mutex_unlock(&feeds->lock);
    return r;
}
