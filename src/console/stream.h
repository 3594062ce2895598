/* stream.h: the browsers that listen, and who of them is sent what. Private to src/console.
 *
 * opened and closed come on the server's thread, tick on the console's. */
#ifndef FH_CONSOLE_STREAM_H
#define FH_CONSOLE_STREAM_H

#include "map.h"
#include "show.h"

#include "fh/clock.h"
#include "fh/web.h"

#include <pthread.h>

#define STREAM_DEVICES_MS 500
#define STREAM_SPACE_MS   2000

struct stream {
    struct fh_web_stream *web;      /* NULL = free */
    char floor[CONSOLE_ID_MAX + 1]; /* "" = none is looked at */
    char place[CONSOLE_ID_MAX + 1]; /* whose hour is looked at; "" = of none */
    bool fresh;                     /* nothing was sent yet */
    bool lost;                      /* too slow; it will be closed */
    bool full;                      /* the devices are due from the beginning */
    uint32_t index;                 /* of the floor, as of the last devices sent */
    struct show_map map;            /* as sent last */
};

struct streams {
    pthread_mutex_t lock; /* the table: held while it is sent to, as web.h asks for */
    struct stream stream[FH_WEB_STREAMS_MAX];
    struct text text;                    /* all below: the console's thread alone */
    struct fh_time devices_at, space_at; /* sent last */
    uint64_t devices_since;              /* change up to which devices were sent */
    uint64_t space_version;
};

/* What the events are made of. */
struct stream_view {
    const struct fh_snapshot *snapshot; /* NULL: none yet */
    bool pair_due;                      /* there is a new one */
    const struct graph *graph;
    bool sample_due;
    const struct space *space;
    const struct occupancy *occupancy;
    bool occupancy_due; /* it has got a sample more */
    uint64_t skipped;
    struct maps *maps; /* NULL without console.maps */
};

void streams_init(struct streams *streams);
void streams_done(struct streams *streams);
/* floor: whose devices, place: whose hour are wanted; NULL: none. -ENOENT: such a one cannot be.
 * -EBUSY: too many. */
int streams_open(struct streams *streams, struct fh_web_stream *web, const char *floor,
                 const char *place);
void streams_close(struct streams *streams, const struct fh_web_stream *web);
/* Sends what is due. */
void streams_tick(struct streams *streams, const struct stream_view *view, struct fh_time now);

#endif
