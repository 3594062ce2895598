/* facts_oracle.h: what fh_record_facts should find, read from a tree made by cJSON: slow and plain,
 * sharing nothing with the pass but the names. For test_facts.c, test_facts_world.c, fuzz_facts.c.
 */
#ifndef FH_TEST_FACTS_ORACLE_H
#define FH_TEST_FACTS_ORACLE_H

#include "fh/facts.h"

#include <cjson/cJSON.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const oracle_paths[][3] = {
    {"device", "deviceId"},
    {"deviceInfo", "deviceId"},
    {"deviceId"},
    {"tpDeviceId"},
    {"connectorInfo", "id"},
    {"controllerInfo", "id"},
    {"device", "macAddress"},
    {"deviceInfo", "deviceMacAddress"},
    {"deviceInfo", "macAddress"},
    {"macAddress"},
    {"rssiNotification", "macAddress"},
    {"user", "userId"},
    {"device", "userId"},
    {"userId"},
    {"cameraId"},
};

static inline bool oracle_of_envelope(const char *name)
{
    return strcmp(name, "recordUid") == 0 || strcmp(name, "recordTimestamp") == 0 ||
           strcmp(name, "eventType") == 0 || strcmp(name, "spacesTenantId") == 0;
}

/* A string of at least one byte there, or NULL. */
static inline const char *oracle_at(const cJSON *object, const char *const path[3])
{
    for (unsigned i = 0; path[i]; i++) {
        object = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, path[i]) : NULL;
    }
    const char *text = cJSON_GetStringValue(object);
    return text && text[0] ? text : NULL;
}

static inline const char *oracle_device(const cJSON *root)
{
    for (size_t i = 0; i < sizeof(oracle_paths) / sizeof(oracle_paths[0]); i++) {
        const cJSON *payload = NULL;
        const char *text = NULL;
        cJSON_ArrayForEach(payload, root)
        {
            if (!text && cJSON_IsObject(payload) && !oracle_of_envelope(payload->string)) {
                text = oracle_at(payload, oracle_paths[i]);
            }
        }
        if (text && strlen(text) <= FH_DEVICE_MAX) {
            return text;
        }
    }
    return "";
}

static inline unsigned oracle_levels(const cJSON *location, const char *ret[FH_LOCATIONS_MAX],
                                     bool *any)
{
    static const char *const id_path[3] = {"locationId"};
    unsigned count = 0;
    for (unsigned i = 0; i < FH_LOCATIONS_MAX && cJSON_IsObject(location); i++) {
        const char *text = oracle_at(location, id_path);
        *any = *any || text;
        if (text && strlen(text) <= FH_LOCATION_MAX) {
            ret[count++] = text;
        }
        location = cJSON_GetObjectItemCaseSensitive(location, "parent");
    }
    return count;
}

static inline unsigned oracle_locations(const cJSON *root, const char *ret[FH_LOCATIONS_MAX])
{
    const cJSON *payload = NULL;
    cJSON_ArrayForEach(payload, root)
    {
        if (cJSON_IsObject(payload) && !oracle_of_envelope(payload->string)) {
            bool any = false;
            unsigned count =
                oracle_levels(cJSON_GetObjectItemCaseSensitive(payload, "location"), ret, &any);
            if (any) {
                return count;
            }
        }
    }
    return 0;
}

static inline bool oracle_same(struct fh_slice slice, const char *text, const char *what)
{
    if (slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0) {
        return true;
    }
    fprintf(stderr, "%s: \"%.*s\", but cJSON says \"%s\"\n", what, (int)slice.len, slice.data,
            text);
    return false;
}

/* root: the same record, read by cJSON. */
static inline bool oracle_agrees(const struct fh_record_facts *facts, const cJSON *root)
{
    const char *uid = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "recordUid"));
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "eventType"));
    const char *tenant =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "spacesTenantId"));
    bool same = oracle_same(facts->uid, uid ? uid : "", "uid") &&
                oracle_same(facts->type, type ? type : "", "type") &&
                oracle_same(facts->device, oracle_device(root), "device") &&
                oracle_same(facts->tenant, tenant && strlen(tenant) <= FH_TENANT_MAX ? tenant : "",
                            "tenant");
    const cJSON *stamp = cJSON_GetObjectItemCaseSensitive(root, "recordTimestamp");
    if (cJSON_IsNumber(stamp) && stamp->valuedouble != (double)facts->timestamp_ms) {
        fprintf(stderr, "timestamp: %lld\n", (long long)facts->timestamp_ms);
        same = false;
    }
    const char *location[FH_LOCATIONS_MAX];
    unsigned count = oracle_locations(root, location);
    if (count != facts->location_count) {
        fprintf(stderr, "%u locations, but cJSON says %u\n", facts->location_count, count);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        same = same && oracle_same(facts->location[i], location[i], "location");
    }
    return same;
}

#endif
