/* facts.c: whom a record is about and where, found in one pass that also checks the JSON. Knows the
 * names of the members that say so, and nothing else of what an event means.
 *
 * The members are looked for in every object of the record's outermost one, whatever its name and
 * whatever the event type: that is how the types of tomorrow find their device, too. */
#include "fh/facts.h"

#include "envelope_scan.h"

#include <string.h>

/* Where the pass is: an object some of whose members matter. */
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
};

/* A member that matters: an object to look into, or a string to take. */
struct member {
    const char *name;
    uint8_t len;
    uint8_t enter; /* enum place; OUTERMOST: none */
    uint8_t take;  /* enum about */
};

#define ENTER(text, place)                                                                         \
    {                                                                                              \
        .name = (text), .len = sizeof(text) - 1, .enter = (place)                                  \
    }
#define TAKE(text, about)                                                                          \
    {                                                                                              \
        .name = (text), .len = sizeof(text) - 1, .take = (about)                                   \
    }

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
static const struct member in_payload[] = {
    ENTER("location", LOCATION),
    ENTER("device", DEVICE),
    ENTER("deviceInfo", DEVICE_INFO),
    ENTER("user", USER),
    ENTER("rssiNotification", RSSI_NOTIFICATION),
    ENTER("connectorInfo", CONNECTOR),
    ENTER("controllerInfo", CONTROLLER),
    TAKE("deviceId", ABOUT_OWN_ID),
    TAKE("tpDeviceId", ABOUT_TELEPRESENCE),
    TAKE("macAddress", ABOUT_OWN_MAC),
    TAKE("userId", ABOUT_OWN_USER),
    TAKE("cameraId", ABOUT_CAMERA),
};
static const struct member in_device[] = {
    TAKE("deviceId", ABOUT_DEVICE_ID),
    TAKE("macAddress", ABOUT_MAC),
    TAKE("userId", ABOUT_USER_OF_DEVICE),
};
static const struct member in_device_info[] = {
    TAKE("deviceId", ABOUT_DEVICE_INFO_ID),
    TAKE("deviceMacAddress", ABOUT_INFO_MAC),
    TAKE("macAddress", ABOUT_INFO_OTHER_MAC),
};
static const struct member in_user[] = {TAKE("userId", ABOUT_USER)};
static const struct member in_rssi_notification[] = {TAKE("macAddress", ABOUT_MEASURED_MAC)};
static const struct member in_connector[] = {TAKE("id", ABOUT_CONNECTOR)};
static const struct member in_controller[] = {TAKE("id", ABOUT_CONTROLLER)};
static const struct member in_location[] = {
    TAKE("locationId", LOCATION_ID), ENTER("parent", LOCATION), /* from the leaf to the root */
};

#define MEMBERS(of)                                                                                \
    {                                                                                              \
        (of), sizeof(of) / sizeof((of)[0])                                                         \
    }
static const struct {
    const struct member *member;
    size_t count;
} members_of[PLACE_COUNT] = {
    [PAYLOAD] = MEMBERS(in_payload),
    [DEVICE] = MEMBERS(in_device),
    [DEVICE_INFO] = MEMBERS(in_device_info),
    [USER] = MEMBERS(in_user),
    [RSSI_NOTIFICATION] = MEMBERS(in_rssi_notification),
    [CONNECTOR] = MEMBERS(in_connector),
    [CONTROLLER] = MEMBERS(in_controller),
    [LOCATION] = MEMBERS(in_location),
};
#define NAME_MAX_LEN 16 /* of all names above */

/* An object that the pass is inside. */
struct frame {
    uint8_t place;
    uint8_t level; /* of a location: 0 = the leaf */
    uint16_t seen; /* bit per member: the first of several equal keys counts */
};

#define FRAMES_MAX (2 + FH_LOCATIONS_MAX)

struct pass {
    const struct fh_json_ops *ops;
    struct fh_json json;
    struct frame frame[FRAMES_MAX];
    unsigned top;
    struct fh_envelope_members envelope;
    /* strings as they stand in the record, quotes and all; of several payloads the first that has
     * one; data is NULL when there is none */
    struct fh_slice about[ABOUT_COUNT];
    struct fh_slice location[FH_LOCATIONS_MAX];
    bool located;
};

static const struct member *find(struct frame *frame, struct fh_slice key)
{
    char scratch[NAME_MAX_LEN];
    if (!fh_json_name(key, scratch, sizeof(scratch), &key)) {
        return NULL;
    }
    const struct member *member = members_of[frame->place].member;
    for (size_t i = 0; i < members_of[frame->place].count; i++) {
        if (member[i].len == key.len && memcmp(member[i].name, key.data, key.len) == 0) {
            bool first = (frame->seen & 1U << i) == 0;
            frame->seen |= (uint16_t)(1U << i);
            return first ? &member[i] : NULL;
        }
    }
    return NULL;
}

/* The value is an object: the place to look into, or OUTERMOST when it is of no interest. */
static enum place enter(const struct pass *pass, const struct frame *frame,
                        const struct member *member)
{
    if (!member || member->enter != LOCATION) {
        return member ? (enum place)member->enter : OUTERMOST;
    }
    bool deeper = frame->place == LOCATION;
    if (deeper ? frame->level + 1 == FH_LOCATIONS_MAX : pass->located) {
        return OUTERMOST;
    }
    return LOCATION;
}

static void push(struct pass *pass, enum place place)
{
    const struct frame *around = &pass->frame[pass->top];
    bool deeper = place == LOCATION && around->place == LOCATION;
    pass->frame[++pass->top] = (struct frame){
        .place = (uint8_t)place,
        .level = (uint8_t)(deeper ? around->level + 1 : 0),
    };
}

static void take(struct pass *pass, const struct frame *frame, const struct member *member,
                 struct fh_slice value)
{
    if (!member || member->take == NOBODY || value.data[0] != '"' || value.len == 2) {
        return;
    }
    if (member->take == LOCATION_ID) {
        pass->location[frame->level] = value;
        pass->located = true;
    } else if (!pass->about[member->take].data) {
        pass->about[member->take] = value;
    }
}

/* One member, from its key on; p is then behind its value, or behind the opening brace of an object
 * that was entered. NULL: no JSON. */
static const uint8_t *pass_member(struct pass *pass, const uint8_t *p, bool *ret_entered)
{
    struct frame *frame = &pass->frame[pass->top];
    struct fh_slice key = {"", 0};
    const uint8_t *value = fh_json_key(pass->ops, &pass->json, p, &key);
    if (!value || value == pass->json.end) {
        return NULL;
    }
    enum fh_envelope_member of_envelope = FH_MEMBER_OTHER;
    const struct member *member = NULL;
    enum place inside = OUTERMOST;
    if (frame->place != OUTERMOST) {
        member = find(frame, key);
        inside = enter(pass, frame, member);
    } else if (!fh_envelope_identify(key.data, key.len, &of_envelope)) {
        return NULL;
    } else if (of_envelope == FH_MEMBER_OTHER) {
        inside = PAYLOAD;
    }
    *ret_entered = inside != OUTERMOST && *value == '{';
    if (*ret_entered) {
        push(pass, inside);
        return value + 1;
    }
    const uint8_t *after = pass->ops->value(&pass->json, value, pass->top + 1);
    if (!after) {
        return NULL;
    }
    struct fh_slice text = {(const char *)value, (size_t)(after - value)};
    take(pass, frame, member, text);
    if (of_envelope != FH_MEMBER_OTHER && !pass->envelope.value[of_envelope].data) {
        pass->envelope.value[of_envelope] = text;
    }
    return after;
}

/* The whole record; p is behind its opening brace. */
static const uint8_t *pass_record(struct pass *pass, const uint8_t *p)
{
    const uint8_t *end = pass->json.end;
    bool fresh = true; /* nothing of the object was read yet: it may be empty */
    for (;;) {
        p = fh_json_skip_blanks(p, end);
        if (!fresh || p == end || *p != '}') {
            p = pass_member(pass, p, &fresh);
            if (!p) {
                return NULL;
            }
            if (fresh) {
                continue;
            }
            p = fh_json_skip_blanks(p, end);
        }
        while (p < end && *p == '}') {
            p = fh_json_skip_blanks(p + 1, end);
            if (pass->top == 0) {
                return p;
            }
            pass->top--;
        }
        if (p == end || *p != ',') {
            return NULL;
        }
        p++;
        fresh = false;
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
    struct pass pass = {
        .ops = fh_json_implementation(0),
        .json = {.start = (const uint8_t *)record, .end = (const uint8_t *)record + len},
    };
    struct fh_envelope envelope;
    clear(ret);
    const uint8_t *end = pass.json.end;
    const uint8_t *p = fh_json_skip_blanks(pass.json.start, end);
    if (p == end || *p != '{') {
        return;
    }
    p = pass_record(&pass, p + 1);
    if (p == end && fh_envelope_decode(&pass.envelope, record, len, &envelope) == FH_ENVELOPE_OK) {
        decide(&pass, &envelope, ret);
    }
}
