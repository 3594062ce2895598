/* space.h: the picture of the space that the page shows: locations as a tree, and devices on their
 * floors. Private to src/console.
 *
 * Pure: no clock, no I/O, no logging; one thread at a time. All memory is taken once, by
 * space_new; what there is no room for drives out what was heard of least recently, and is counted.
 * Times are the caller's, in milliseconds, and never go backwards. */
#ifndef FH_CONSOLE_SPACE_H
#define FH_CONSOLE_SPACE_H

#include "record.h"

#define SPACE_LOCATIONS_MAX     2000
#define SPACE_DEVICES_MAX       50000
#define SPACE_DEVICES_FLOOR_MAX 5000
#define SPACE_GONE_MAX          8192 /* departures remembered for those who follow a floor */
#define SPACE_AWAY_MS           (INT64_C(5) * 60 * 1000)
#define SPACE_KEY_BYTES         16
#define SPACE_NONE              UINT32_MAX
#define SPACE_COUNT_UNKNOWN     (-1)

/* When a count was said: an older one that comes later changes nothing, for LATE_MAX_MS (a stamp
 * from the future must not hold for ever). */
#define SPACE_LATE_MAX_MS (INT64_C(60) * 60 * 1000)
struct space_said {
    int64_t stamp_ms; /* of the record */
    int64_t heard_ms;
};

enum space_count { SPACE_DEVICE_COUNT, SPACE_USERS, SPACE_PRESENCE, SPACE_CAMERA, SPACE_COUNTS };

struct space_location {
    char id[CONSOLE_ID_MAX + 1]; /* "" = free */
    char name[CONSOLE_NAME_MAX + 1];
    char map[CONSOLE_ID_MAX + 1]; /* "" = not known */
    char tenant[CONSOLE_ID_MAX + 1];
    enum console_level level;
    uint32_t parent; /* SPACE_NONE: at the top */
    uint32_t next_in_bucket;
    uint32_t older, newer;           /* by when they were heard of */
    int64_t device_count;            /* last DEVICE_COUNT; these are SPACE_COUNT_UNKNOWN when */
    int64_t users, presence, camera; /* nobody said so */
    struct space_said said[SPACE_COUNTS];
    double map_width, map_length; /* as said; 0 = not known */
    double x_max, y_max;          /* of what was seen there */
    uint32_t oldest, newest;      /* its devices */
    uint32_t device_seen;         /* how many these are */
};

struct space_device {
    uint64_t key; /* keyed hash of its id */
    int64_t seen_ms;
    int64_t stamp_ms; /* of the record: an older one moves nothing */
    uint64_t changed; /* number of the change */
    uint32_t next_in_bucket;
    uint32_t older, newer;             /* of all */
    uint32_t floor_older, floor_newer; /* of its floor */
    uint32_t floor;                    /* index of the location */
    float x, y, confidence;
};

struct space_gone {
    uint64_t key;
    uint64_t changed;
    uint32_t floor;
};

struct space_counters {
    uint64_t locations_dropped; /* driven out: there was no room */
    uint64_t devices_dropped;
    uint32_t locations, devices; /* now */
};

/* ids: keep the devices' own ids, too (console.device_ids). 0 or -ENOMEM. */
struct space;
int space_new(const uint8_t key[SPACE_KEY_BYTES], bool ids, struct space **ret);
void space_free(struct space *space); /* NULL allowed */

void space_apply(struct space *space, const struct console_record *record, int64_t now_ms);
/* Forget the devices that were not seen for SPACE_AWAY_MS. */
void space_expire(struct space *space, int64_t now_ms);

void space_counters(const struct space *space, struct space_counters *ret);
/* Grows with every change of the tree or of a number in it. */
uint64_t space_version(const struct space *space);
/* Index of a location, SPACE_NONE when it is not known. */
uint32_t space_find(const struct space *space, const char *id);
const struct space_location *space_location(const struct space *space, uint32_t index);
/* Next location at or after index, SPACE_NONE at the end: for (i = space_next(s, 0); ...;
 * i = space_next(s, i + 1)). */
uint32_t space_next(const struct space *space, uint32_t index);
/* For each location by its index, what cameras and TelePresence devices count there, or
 * SPACE_COUNT_UNKNOWN. counts has room for SPACE_LOCATIONS_MAX. */
void space_count_cameras(const struct space *space, int64_t *counts);
/* People there: users where there are such, else devices that are present. */
int64_t space_present(const struct space_location *location);
/* For each location by its index, how many devices are there: what the service last said, else
 * those seen there and the sum of what lies in it (of a floor, whose zones share its dots, one of
 * the two). counts has room for SPACE_LOCATIONS_MAX. */
void space_count_devices(const struct space *space, int64_t *counts);

/* Number of the last change among the devices. */
uint64_t space_changed(const struct space *space);
const struct space_device *space_device(const struct space *space, uint32_t index);
/* True when all departures after that change are still remembered. */
bool space_remembers(const struct space *space, uint64_t since);
/* The departures after that change, one per call, from the newest back; begin with *inout_back 0;
 * NULL at the end. A device that has come back since is among them, too. */
const struct space_gone *space_departure(const struct space *space, uint64_t since,
                                         uint64_t *inout_back);
/* Is it on that floor? */
bool space_is_on(const struct space *space, uint64_t key, uint32_t floor);
/* What a device, there or gone, is called on the page. */
#define SPACE_DEVICE_NAME_MAX 64
const char *space_device_name(const struct space *space, const struct space_device *device,
                              char text[SPACE_DEVICE_NAME_MAX + 1]);
const char *space_gone_name(const struct space *space, const struct space_gone *gone,
                            char text[SPACE_DEVICE_NAME_MAX + 1]);

#endif
