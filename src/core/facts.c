/* facts.c: whom a record is about and where, found in one pass that also checks the JSON. Knows the
 * names of the members that say so, and nothing else of what an event means.
 *
 * The members are looked for in every object of the record's outermost one, whatever its name and
 * whatever the event type: that is how the types of tomorrow find their device, too. */
#include "fh/facts.h"
#include "fh/json_walk.h"

#include "envelope_scan.h"

#include <assert.h>
#include <string.h>

/* Objects some of whose members matter. */
enum place {
    OUTERMOST,
    PAYLOAD,
    DEVICE,
    DEVICE_INFO,
    USER,
    RSSI_NOTIFICATION,
    CONNECTOR,
    CONTROLLER,
    LOCATION,
    PLACE_COUNT,
};

/* Who a record may be about, the better answer first. */
enum about {
    NOBODY,
    ABOUT_DEVICE_ID,
    ABOUT_DEVICE_INFO_ID,
    ABOUT_OWN_ID,
    ABOUT_TELEPRESENCE,
    ABOUT_CONNECTOR,
    ABOUT_CONTROLLER,
    ABOUT_MAC,
    ABOUT_INFO_MAC,
    ABOUT_INFO_OTHER_MAC,
    ABOUT_OWN_MAC,
    ABOUT_MEASURED_MAC,
    ABOUT_USER,
    ABOUT_USER_OF_DEVICE,
    ABOUT_OWN_USER,
    ABOUT_CAMERA,
    ABOUT_COUNT,
    LOCATION_ID = ABOUT_COUNT,
    OF_ENVELOPE, /* and enum fh_envelope_member on top of it */
};

/* The types by what stands in their payload (sections 7, 7.1 and 7.2 of the API's reference; types
 * without a word there are about a location, or about nobody):
 *
 *   device            DEVICE_LOCATION_UPDATE DEVICE_PRESENCE DEVICE_ASSOCIATION WIFI_DEVICE_UPDATE
 *                     DEVICE_ENTRY DEVICE_EXIT
 *   deviceInfo        IOT_TELEMETRY IOT_USER_ACTION ASSET_LOCATION_UPDATE (deviceMacAddress),
 *                     WEBEX_TELEMETRY (macAddress)
 *   itself            PROFILE_UPDATE: the payload is the device; TP_PEOPLE_COUNT_UPDATE
 *   rssiNotification  DEVICE_RSSI_UPDATE BLE_RSSI_UPDATE; of the access point there is also an
 *                     address, which is not asked for
 *   user              USER_PRESENCE
 *   connectorInfo or controllerInfo  NETWORK_STATUS_UPDATE: the network's own devices
 *   cameraId          RAW_CAMERA_COUNT
 *   location alone    DEVICE_COUNT NETWORK_TELEMETRY CAMERA_COUNT LOCATION_CHANGE
 *                     LOCATION_ANCHOR_UPDATE AP_TOPOLOGY_CHANGE SPACE_OCCUPANCY
 *                     SPACE_OCCUPANCY_CHANGE BUILDING_FEATURE
 *   nothing           KEEP_ALIVE APP_ACTIVATION APP_DE_ACTIVATION ACCOUNT_ADMIN_ACTIVATION */
static const struct fh_json_member in_payload[] = {
    FH_JSON_ENTER("location", LOCATION),
    FH_JSON_ENTER("device", DEVICE),
    FH_JSON_ENTER("deviceInfo", DEVICE_INFO),
    FH_JSON_ENTER("user", USER),
    FH_JSON_ENTER("rssiNotification", RSSI_NOTIFICATION),
    FH_JSON_ENTER("connectorInfo", CONNECTOR),
    FH_JSON_ENTER("controllerInfo", CONTROLLER),
    FH_JSON_TAKE("deviceId", ABOUT_OWN_ID),
    FH_JSON_TAKE("tpDeviceId", ABOUT_TELEPRESENCE),
    FH_JSON_TAKE("macAddress", ABOUT_OWN_MAC),
    FH_JSON_TAKE("userId", ABOUT_OWN_USER),
    FH_JSON_TAKE("cameraId", ABOUT_CAMERA),
};
static const struct fh_json_member in_device[] = {
    FH_JSON_TAKE("deviceId", ABOUT_DEVICE_ID),
    FH_JSON_TAKE("macAddress", ABOUT_MAC),
    FH_JSON_TAKE("userId", ABOUT_USER_OF_DEVICE),
};
static const struct fh_json_member in_device_info[] = {
    FH_JSON_TAKE("deviceId", ABOUT_DEVICE_INFO_ID),
    FH_JSON_TAKE("deviceMacAddress", ABOUT_INFO_MAC),
    FH_JSON_TAKE("macAddress", ABOUT_INFO_OTHER_MAC),
};
static const struct fh_json_member in_user[] = {FH_JSON_TAKE("userId", ABOUT_USER)};
static const struct fh_json_member in_rssi_notification[] = {
    FH_JSON_TAKE("macAddress", ABOUT_MEASURED_MAC)};
static const struct fh_json_member in_connector[] = {FH_JSON_TAKE("id", ABOUT_CONNECTOR)};
static const struct fh_json_member in_controller[] = {FH_JSON_TAKE("id", ABOUT_CONTROLLER)};
static const struct fh_json_member in_location[] = {
    FH_JSON_TAKE("locationId", LOCATION_ID),
    FH_JSON_ENTER("parent", LOCATION), /* from the leaf to the root */
};

static const struct fh_json_place places[PLACE_COUNT] = {
    [PAYLOAD] = FH_JSON_PLACE(in_payload),
    [DEVICE] = FH_JSON_PLACE(in_device),
    [DEVICE_INFO] = FH_JSON_PLACE(in_device_info),
    [USER] = FH_JSON_PLACE(in_user),
    [RSSI_NOTIFICATION] = FH_JSON_PLACE(in_rssi_notification),
    [CONNECTOR] = FH_JSON_PLACE(in_connector),
    [CONTROLLER] = FH_JSON_PLACE(in_controller),
    [LOCATION] = FH_JSON_PLACE(in_location),
};
/* A location is in a payload, whose depth is 1. The walk enters as many of its levels as we have.
 */
#define LEAF_DEPTH 2
static_assert(FH_JSON_WALK_DEPTH == LEAF_DEPTH + FH_LOCATIONS_MAX, "room for every level");

struct pass {
    struct fh_envelope_members envelope;
    /* strings as they stand in the record, quotes and all; of several payloads the first that has
     * one; data is NULL when there is none */
    struct fh_slice about[ABOUT_COUNT];
    struct fh_slice location[FH_LOCATIONS_MAX];
    bool located;
};

static bool identify(struct fh_slice key, uint8_t *ret_take)
{
    enum fh_envelope_member member = FH_MEMBER_OTHER;
    bool good = fh_envelope_identify(key.data, key.len, &member);
    *ret_take = member == FH_MEMBER_OTHER ? NOBODY : (uint8_t)(OF_ENVELOPE + member);
    return good;
}

/* Of the locations of several payloads the first that has an id somewhere. */
static bool enter(void *userdata, unsigned depth, uint8_t place)
{
    const struct pass *pass = userdata;
    return place != LOCATION || depth >= LEAF_DEPTH || !pass->located;
}

static void take(void *userdata, unsigned depth, uint8_t what, struct fh_slice value)
{
    struct pass *pass = userdata;
    struct fh_slice *into = NULL;
    if (what >= OF_ENVELOPE) {
        into = &pass->envelope.value[what - OF_ENVELOPE];
    } else if (value.data[0] != '"' || value.len == 2) {
        return;
    } else if (what == LOCATION_ID) {
        into = &pass->location[depth - LEAF_DEPTH];
        pass->located = true;
    } else {
        into = &pass->about[what];
    }
    if (!into->data) {
        *into = value;
    }
}

/* The slices of the envelope point into the record, or into its scratch, whose layout is that of
 * the beginning of ours. */
static struct fh_slice moved(struct fh_slice slice, const struct fh_envelope *envelope,
                             struct fh_record_facts *facts)
{
    uintptr_t offset = (uintptr_t)slice.data - (uintptr_t)envelope->scratch;
    if (slice.len == 0 || offset >= sizeof(envelope->scratch)) {
        return slice;
    }
    char *to = facts->scratch + offset;
    memcpy(to, slice.data, slice.len);
    return (struct fh_slice){to, slice.len};
}

static void decide(const struct pass *pass, const struct fh_envelope *envelope,
                   struct fh_record_facts *ret)
{
    ret->uid = moved(envelope->uid, envelope, ret);
    ret->type = moved(envelope->type, envelope, ret);
    ret->tenant = moved(envelope->tenant, envelope, ret);
    ret->timestamp_ms = envelope->timestamp_ms;
    char *scratch = ret->scratch + sizeof(envelope->scratch);
    for (int i = NOBODY + 1; i < ABOUT_COUNT && ret->device.len == 0; i++) {
        fh_envelope_string(pass->about[i], scratch, FH_DEVICE_MAX, &ret->device);
    }
    scratch += FH_DEVICE_MAX;
    for (unsigned i = 0; i < FH_LOCATIONS_MAX; i++) {
        struct fh_slice *into = &ret->location[ret->location_count];
        if (fh_envelope_string(pass->location[i], scratch, FH_LOCATION_MAX, into)) {
            ret->location_count++;
        }
        scratch += FH_LOCATION_MAX;
    }
}

static void clear(struct fh_record_facts *facts)
{
    static const struct fh_slice empty = {"", 0};
    facts->uid = facts->type = facts->tenant = facts->device = empty;
    facts->timestamp_ms = 0;
    facts->location_count = 0;
    for (unsigned i = 0; i < FH_LOCATIONS_MAX; i++) {
        facts->location[i] = empty;
    }
}

void fh_record_facts(const char *record, size_t len, struct fh_record_facts *ret)
{
    static const struct fh_json_walk walk = {
        .place = places,
        .payload = PAYLOAD,
        .identify = identify,
        .enter = enter,
        .take = take,
    };
    struct pass pass = {.located = false};
    struct fh_envelope envelope;
    clear(ret);
    if (fh_json_walk(&walk, &pass, record, len) &&
        fh_envelope_decode(&pass.envelope, record, len, &envelope) == FH_ENVELOPE_OK) {
        decide(&pass, &envelope, ret);
    }
}
