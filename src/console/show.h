/* show.h: the events of the stream, as console.h describes them. Private to src/console.
 *
 * Pure: from a snapshot, the graphs and the space to JSON. Each fills text with one whole event and
 * returns what text_end says. */
#ifndef FH_CONSOLE_SHOW_H
#define FH_CONSOLE_SHOW_H

#include "graph.h"
#include "occupancy.h"
#include "space.h"
#include "text.h"

#include "fh/snapshot.h"

bool show_pair(struct text *text, const struct fh_snapshot *snapshot);
bool show_history(struct text *text, const struct graph *graph);
/* The newest one; false when there is none. */
bool show_sample(struct text *text, const struct graph *graph);
/* What a snapshot says of the graphs. */
void show_reading(const struct fh_snapshot *snapshot, struct graph_reading *ret);

/* skipped: records that went by unread; graphless: places that have no graph for want of room */
bool show_space(struct text *text, const struct space *space, uint64_t skipped, uint32_t graphless);

/* The hour of a place, or its newest sample alone. False: what fits no event, or the newest sample
 * of a place that has none. */
bool show_occupancy(struct text *text, const struct occupancy *occupancy, const char *id,
                    bool full);

/* A floor's map as far as it is known: from the service, from the records, or from where devices
 * were seen. */
struct show_map {
    char id[CONSOLE_ID_MAX + 1]; /* "" = not known */
    double width, length;        /* 0 = not known */
    bool image;
};
void show_map_of(const struct space_location *floor, struct show_map *ret);

/* Devices of a floor: all of them, or what changed after a change (space_changed). floor:
 * SPACE_NONE when nobody knows it. *ret_any: there is a device in it, coming or going. */
bool show_devices(struct text *text, const struct space *space, const char *id, uint32_t floor,
                  bool full, uint64_t since, const struct show_map *map, int64_t now_ms,
                  bool *ret_any);

#endif
