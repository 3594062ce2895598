/* space_table.h: the tables behind space.h, for the two files that work on them: space.c, which
 * changes them, and space_look.c, which only looks. */
#ifndef FH_CONSOLE_SPACE_TABLE_H
#define FH_CONSOLE_SPACE_TABLE_H

#include "space.h"

#include <sodium.h>

#define LOCATION_BUCKETS 4096U
#define DEVICE_BUCKETS   65536U
#define COUNTER_SETS     512U
#define COUNTER_WAYS     8U

_Static_assert(SPACE_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key of a short hash");

/* One camera's zone, or one TelePresence device. */
struct counter {
    uint64_t key;
    uint32_t location; /* SPACE_NONE: free */
    int32_t value;
    uint64_t heard; /* number, to know the oldest of a set */
    struct space_said said;
};

struct space {
    uint8_t key[SPACE_KEY_BYTES];
    struct space_location location[SPACE_LOCATIONS_MAX];
    struct space_device device[SPACE_DEVICES_MAX];
    struct space_gone gone[SPACE_GONE_MAX]; /* a ring: the n-th departure is at n % MAX */
    struct counter counter[COUNTER_SETS][COUNTER_WAYS];
    uint32_t location_bucket[LOCATION_BUCKETS];
    uint32_t device_bucket[DEVICE_BUCKETS];
    uint32_t free_location, free_device; /* chained by next_in_bucket */
    uint32_t fresh_device; /* never used from here on: memory that nobody has touched yet */
    uint32_t oldest_location, newest_location;
    uint32_t oldest_device, newest_device;
    uint64_t version, changed, gone_count, heard;
    struct space_counters counters;
    /* console.device_ids: "" for one that is not shown */
    char (*device_id)[SPACE_DEVICE_NAME_MAX + 1];
    char (*gone_id)[SPACE_DEVICE_NAME_MAX + 1];
};

/* SPACE_NONE when there is none. */
uint32_t space_find_device(const struct space *space, uint64_t key);
uint32_t space_find_location(const struct space *space, struct fh_slice id);

#endif
