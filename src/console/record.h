/* record.h: what the page wants to know of one record, and nothing else. Private to src/console.
 *
 * Pure, thread-safe, no allocation. Any bytes may be given: of what is not JSON nothing is read. */
#ifndef FH_CONSOLE_RECORD_H
#define FH_CONSOLE_RECORD_H

#include "fh/facts.h"

#include <stdbool.h>

#define CONSOLE_ID_MAX   64 /* bytes of a location's, a map's or a tenant's id */
#define CONSOLE_NAME_MAX 64 /* bytes of a location's name; a longer one is cut */

/* What a location is, by inferredLocationTypes; of several the narrowest. */
enum console_level {
    CONSOLE_LEVEL_OTHER,
    CONSOLE_LEVEL_ROOT,
    CONSOLE_LEVEL_NETWORK,
    CONSOLE_LEVEL_CAMPUS,
    CONSOLE_LEVEL_BUILDING,
    CONSOLE_LEVEL_FLOOR,
    CONSOLE_LEVEL_ZONE,
    CONSOLE_LEVEL_COUNT
};
const char *console_level_name(enum console_level level); /* "FLOOR", ...; "" for OTHER */

enum console_about {
    CONSOLE_ABOUT_NOTHING, /* but its locations */
    CONSOLE_ABOUT_POSITION,
    CONSOLE_ABOUT_EXIT, /* a device has left; count: active devices, -1 when not said */
    CONSOLE_ABOUT_DEVICE_COUNT,
    CONSOLE_ABOUT_DEVICE_PRESENCE, /* count: active devices */
    CONSOLE_ABOUT_USER_PRESENCE,   /* count: active users */
    CONSOLE_ABOUT_CAMERA_COUNT,
    CONSOLE_ABOUT_COUNTER, /* count: what one camera or TelePresence device sees */
    CONSOLE_ABOUT_REMOVED, /* location[0] is gone */
};

struct console_record {
    enum console_about about;
    int64_t timestamp_ms;
    int64_t count;
    struct fh_slice device;  /* POSITION and EXIT: the device, COUNTER: who counts; empty when it
                                is not said, or not plainly: an id has no escapes */
    struct fh_slice zone;    /* COUNTER: the part of what a camera sees; may be empty */
    double x, y, confidence; /* confidence: 0 when not said */
    struct fh_slice map;     /* empty when not said */
    double map_width, map_length; /* along x and y; 0 when not said */
    struct fh_slice tenant;       /* partnerTenantId; empty when not said */
    struct {
        struct fh_slice id; /* never with a quote, backslash or control character */
        struct fh_slice name;
        enum console_level level;
    } location[FH_LOCATIONS_MAX]; /* the most specific first */
    uint32_t location_count;
    char scratch[FH_LOCATIONS_MAX * CONSOLE_NAME_MAX];
};

/* False: no JSON object, or nothing in it that matters here; ret is then undefined. Slices point
 * into the record or into scratch. */
bool console_record_read(const char *record, size_t len, struct console_record *ret);

#endif
