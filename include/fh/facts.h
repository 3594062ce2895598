/* facts.h: what a sink may want to know of a record beyond its key: whom it is about and where.
 * One pass over a record that fh_envelope_scan accepted; nothing of the payload is kept.
 *
 * Pure, thread-safe, no allocation. */
#ifndef FH_FACTS_H
#define FH_FACTS_H

#include "fh/envelope.h"

#define FH_DEVICE_MAX    128 /* bytes after unescaping; a longer one counts as absent */
#define FH_LOCATION_MAX  64
#define FH_LOCATIONS_MAX 16 /* levels; campus, building, floor, zone and what may come */

/* Slices point into the record, or into scratch when a value had escapes: valid as long as both.
 * A value that is absent, no string or too long is an empty slice. */
struct fh_record_facts {
    struct fh_slice uid, type, tenant;
    int64_t timestamp_ms;
    /* Whom the record is about, so that records of one device keep their order: the device's id,
     * else its MAC address, else the user's or the camera's id; empty when it is about nobody
     * (counts of a location). Which member says it for each event type: firehose-api.md. */
    struct fh_slice device;
    /* Ids of the location and of those it lies in, the most specific first. */
    struct fh_slice location[FH_LOCATIONS_MAX];
    uint32_t location_count;
    char scratch[FH_UID_MAX + FH_TYPE_MAX + FH_TENANT_MAX + FH_DEVICE_MAX +
                 FH_LOCATIONS_MAX * FH_LOCATION_MAX];
};

/* record: one that fh_envelope_scan accepts; of anything else all is empty. */
void fh_record_facts(const char *record, size_t len, struct fh_record_facts *ret);

/* What records of one device have in common: the device, else the location, else the uid. */
static inline struct fh_slice fh_record_lane(const struct fh_record_facts *facts)
{
    if (facts->device.len > 0) {
        return facts->device;
    }
    return facts->location_count > 0 ? facts->location[0] : facts->uid;
}

#endif
