/* record.c: finds the few members of a record that the page shows, in one pass that also checks the
 * JSON. Never looks at names of people, user ids, e-mail, phone numbers or MAC addresses: none of
 * their members is in the tables below.
 *
 * Which member says what: sections 7, 7.1 and 7.2 of the API's reference. */
#include "record.h"

#include "fh/json_walk.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Objects some of whose members matter. */
enum place {
    OUTERMOST,
    PAYLOAD,
    DEVICE,
    USERS,
    POSITION,
    DETAILS,
    MAP,
    DIMENSION,
    LOCATION,
    PLACE_COUNT,
};

/* Values that are kept while the walk goes on; of several equal ones the first. */
enum taken {
    NOTHING,
    TYPE,
    STAMP,
    TENANT,
    DEVICE_ID,
    COUNTER_ID,
    COUNTER_ZONE,
    PRESENCE,
    CHANGE,
    ASSOCIATED,
    ACTIVE_DEVICES,
    ACTIVE_USERS,
    COUNT,
    PEOPLE,
    MAP_ID,
    X,
    Y,
    CONFIDENCE,
    WIDTH,
    LENGTH,
    VALUE_COUNT,
    /* one per level of the location */
    LOCATION_ID = VALUE_COUNT,
    LOCATION_NAME,
    LOCATION_TYPES,
    TAKE_COUNT,
};
#define LOCATION_VALUES (TAKE_COUNT - VALUE_COUNT)

static const struct fh_json_member in_outermost[] = {
    FH_JSON_TAKE("eventType", TYPE),
    FH_JSON_TAKE("recordTimestamp", STAMP),
    FH_JSON_TAKE("partnerTenantId", TENANT),
};
static const struct fh_json_member in_payload[] = {
    FH_JSON_ENTER("location", LOCATION),
    FH_JSON_ENTER("device", DEVICE),
    FH_JSON_ENTER("deviceInfo", DEVICE),
    FH_JSON_ENTER("detectedPosition", POSITION),
    FH_JSON_ENTER("locationDetails", DETAILS),
    FH_JSON_ENTER("activeUsersCount", USERS),
    FH_JSON_TAKE("mapId", MAP_ID),
    FH_JSON_TAKE("xPos", X),
    FH_JSON_TAKE("yPos", Y),
    FH_JSON_TAKE("confidenceFactor", CONFIDENCE),
    FH_JSON_TAKE("presenceEventType", PRESENCE),
    FH_JSON_TAKE("changeType", CHANGE),
    FH_JSON_TAKE("associatedCount", ASSOCIATED),
    FH_JSON_TAKE("activeDevicesCount", ACTIVE_DEVICES),
    FH_JSON_TAKE("count", COUNT),
    FH_JSON_TAKE("peopleCount", PEOPLE),
    FH_JSON_TAKE("cameraId", COUNTER_ID),
    FH_JSON_TAKE("cameraZoneId", COUNTER_ZONE),
    FH_JSON_TAKE("tpDeviceId", COUNTER_ID),
};
static const struct fh_json_member in_device[] = {FH_JSON_TAKE("deviceId", DEVICE_ID)};
static const struct fh_json_member in_users[] = {FH_JSON_TAKE("totalUsers", ACTIVE_USERS)};
static const struct fh_json_member in_position[] = {
    FH_JSON_TAKE("mapId", MAP_ID),
    FH_JSON_TAKE("xPos", X),
    FH_JSON_TAKE("yPos", Y),
    FH_JSON_TAKE("confidenceFactor", CONFIDENCE),
};
static const struct fh_json_member in_details[] = {FH_JSON_ENTER("mapDetails", MAP)};
static const struct fh_json_member in_map[] = {FH_JSON_TAKE("mapId", MAP_ID),
                                               FH_JSON_ENTER("dimension", DIMENSION)};
static const struct fh_json_member in_dimension[] = {FH_JSON_TAKE("width", WIDTH),
                                                     FH_JSON_TAKE("length", LENGTH)};
static const struct fh_json_member in_location[] = {
    FH_JSON_TAKE("locationId", LOCATION_ID), FH_JSON_TAKE("name", LOCATION_NAME),
    FH_JSON_TAKE("inferredLocationTypes", LOCATION_TYPES),
    FH_JSON_ENTER("parent", LOCATION), /* from the leaf to the root */
};

static const struct fh_json_place places[PLACE_COUNT] = {
    [OUTERMOST] = FH_JSON_PLACE(in_outermost),
    [PAYLOAD] = FH_JSON_PLACE(in_payload),
    [DEVICE] = FH_JSON_PLACE(in_device),
    [USERS] = FH_JSON_PLACE(in_users),
    [POSITION] = FH_JSON_PLACE(in_position),
    [DETAILS] = FH_JSON_PLACE(in_details),
    [MAP] = FH_JSON_PLACE(in_map),
    [DIMENSION] = FH_JSON_PLACE(in_dimension),
    [LOCATION] = FH_JSON_PLACE(in_location),
};
/* A location is in a payload, whose depth is 1. The walk enters as many of its levels as we have.
 */
#define LEAF_DEPTH 2
static_assert(FH_JSON_WALK_DEPTH == LEAF_DEPTH + FH_LOCATIONS_MAX, "room for every level");

struct pass {
    bool located;                       /* a location was entered */
    struct fh_slice value[VALUE_COUNT]; /* as they stand, quotes and all; data NULL: none */
    struct fh_slice location[FH_LOCATIONS_MAX][LOCATION_VALUES];
};

/* Of the locations of several payloads the first. */
static bool enter(void *userdata, unsigned depth, uint8_t place)
{
    struct pass *pass = userdata;
    if (place != LOCATION || depth >= LEAF_DEPTH) {
        return true;
    }
    bool first = !pass->located;
    pass->located = true;
    return first;
}

static void take(void *userdata, unsigned depth, uint8_t what, struct fh_slice value)
{
    struct pass *pass = userdata;
    struct fh_slice *into = what < VALUE_COUNT
                                ? &pass->value[what]
                                : &pass->location[depth - LEAF_DEPTH][what - VALUE_COUNT];
    if (!into->data) {
        *into = value;
    }
}

/* What stands between the quotes of a string of 1 .. max bytes without escapes; else empty. Ids
 * have none, and what is forwarded to a page as it stands must have none. */
static struct fh_slice plain(struct fh_slice value, size_t max)
{
    static const struct fh_slice empty = {"", 0};
    if (!value.data || value.data[0] != '"' || value.len == 2 || value.len - 2 > max ||
        memchr(value.data, '\\', value.len)) {
        return empty;
    }
    return (struct fh_slice){value.data + 1, value.len - 2};
}

/* A number, or a string that holds one (section 6: "accept as number or string"). */
static bool number(struct fh_slice value, double *ret)
{
    char text[FH_JSON_NUMBER_MAX + 1];
    if (value.data && value.data[0] == '"') {
        value = plain(value, FH_JSON_NUMBER_MAX);
    }
    if (!value.data || value.len == 0 || value.len > FH_JSON_NUMBER_MAX ||
        !(value.data[0] == '-' || (value.data[0] >= '0' && value.data[0] <= '9'))) {
        return false;
    }
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    char *end = NULL;
    double number = strtod(text, &end);
    if (*end != '\0' || !isfinite(number)) {
        return false;
    }
    *ret = number;
    return true;
}

static bool number_within(struct fh_slice value, double lowest, double highest, double *ret)
{
    double found = 0;
    if (!number(value, &found) || found < lowest || found > highest) {
        return false;
    }
    *ret = found;
    return true;
}

#define STAMP_MAX     9007199254740992.0 /* 2^53, as the envelope scan */
#define COUNT_MAX     1e9
#define FAR           1e6 /* feet or metres: no floor is larger */
#define DEVICE_ID_MAX FH_DEVICE_MAX

static bool count(const struct pass *pass, enum taken which, enum console_about about,
                  struct console_record *ret)
{
    double found = 0;
    if (!number_within(pass->value[which], 0, COUNT_MAX, &found)) {
        return false;
    }
    ret->count = (int64_t)found;
    ret->about = about;
    return true;
}

static bool position(const struct pass *pass, struct console_record *ret)
{
    ret->device = plain(pass->value[DEVICE_ID], DEVICE_ID_MAX);
    if (ret->device.len == 0 || !number_within(pass->value[X], -FAR, FAR, &ret->x) ||
        !number_within(pass->value[Y], -FAR, FAR, &ret->y)) {
        return false;
    }
    number_within(pass->value[CONFIDENCE], 0, FAR, &ret->confidence);
    ret->about = CONSOLE_ABOUT_POSITION;
    return true;
}

static bool counter(const struct pass *pass, enum taken which, struct console_record *ret)
{
    struct fh_slice id = plain(pass->value[COUNTER_ID], DEVICE_ID_MAX);
    if (id.len == 0 || !count(pass, which, CONSOLE_ABOUT_COUNTER, ret)) {
        return false;
    }
    ret->device = id;
    ret->zone = plain(pass->value[COUNTER_ZONE], DEVICE_ID_MAX);
    return true;
}

static bool is_text(struct fh_slice value, const char *text)
{
    size_t len = strlen(text);
    return value.len == len + 2 && value.data[0] == '"' && memcmp(value.data + 1, text, len) == 0;
}

/* By what is there and not by the event type, but where a member means different things. */
static bool judge(const struct pass *pass, struct console_record *ret)
{
    const struct fh_slice *value = pass->value;
    if (is_text(value[PRESENCE], "DEVICE_EXIT_EVENT") || is_text(value[TYPE], "DEVICE_EXIT")) {
        ret->count = -1;
        count(pass, ACTIVE_DEVICES, CONSOLE_ABOUT_EXIT, ret);
        ret->device = plain(value[DEVICE_ID], DEVICE_ID_MAX);
        ret->about = CONSOLE_ABOUT_EXIT;
        return true;
    }
    if (is_text(value[TYPE], "LOCATION_CHANGE") && is_text(value[CHANGE], "REMOVE")) {
        ret->about = CONSOLE_ABOUT_REMOVED;
        return true;
    }
    return count(pass, ACTIVE_DEVICES, CONSOLE_ABOUT_DEVICE_PRESENCE, ret) ||
           count(pass, ACTIVE_USERS, CONSOLE_ABOUT_USER_PRESENCE, ret) ||
           count(pass, ASSOCIATED, CONSOLE_ABOUT_DEVICE_COUNT, ret) || counter(pass, COUNT, ret) ||
           counter(pass, PEOPLE, ret) ||
           (is_text(value[TYPE], "CAMERA_COUNT") &&
            count(pass, COUNT, CONSOLE_ABOUT_CAMERA_COUNT, ret)) ||
           position(pass, ret);
}

static const char *const level_names[CONSOLE_LEVEL_COUNT] = {
    [CONSOLE_LEVEL_OTHER] = "",
    [CONSOLE_LEVEL_ROOT] = "ROOT",
    [CONSOLE_LEVEL_NETWORK] = "NETWORK",
    [CONSOLE_LEVEL_CAMPUS] = "CAMPUS",
    [CONSOLE_LEVEL_BUILDING] = "BUILDING",
    [CONSOLE_LEVEL_FLOOR] = "FLOOR",
    [CONSOLE_LEVEL_ZONE] = "ZONE",
};

const char *console_level_name(enum console_level level)
{
    return level_names[level];
}

/* types: the array as it stands. Its words have quotes around them: no word is found in another. */
static enum console_level level_of(struct fh_slice types)
{
    for (int level = CONSOLE_LEVEL_COUNT - 1; level > CONSOLE_LEVEL_OTHER && types.len > 2;
         level--) {
        const char *name = level_names[level];
        size_t len = strlen(name);
        const char *at = types.data;
        const char *end = types.data + types.len;
        while ((at = memmem(at, (size_t)(end - at), name, len))) {
            if (at > types.data && at[-1] == '"' && at + len < end && at[len] == '"') {
                return (enum console_level)level;
            }
            at += len;
        }
    }
    return CONSOLE_LEVEL_OTHER;
}

/* Cut at max bytes, not inside a character. */
static struct fh_slice cut(struct fh_slice text, size_t max)
{
    if (text.len > max) {
        text.len = max;
        while (text.len > 0 && ((uint8_t)text.data[text.len] & 0xC0) == 0x80) {
            text.len--;
        }
    }
    return text;
}

static struct fh_slice name_of(struct fh_slice value, char scratch[CONSOLE_NAME_MAX])
{
    struct fh_slice text = {"", 0};
    if (!value.data || value.data[0] != '"') {
        return text;
    }
    text = (struct fh_slice){value.data + 1, value.len - 2};
    if (!memchr(text.data, '\\', text.len)) {
        return cut(text, CONSOLE_NAME_MAX);
    }
    fh_json_unescape((const uint8_t *)text.data, text.len, scratch, CONSOLE_NAME_MAX, &text.len);
    text.data = scratch;
    /* Where it was cut inside a character, the beginning of that one goes, too. */
    size_t end = text.len;
    while (end > 0 && ((uint8_t)scratch[end - 1] & 0xC0) == 0x80) {
        end--;
    }
    if (end > 0 && (uint8_t)scratch[end - 1] >= 0xC0) {
        uint8_t first = (uint8_t)scratch[end - 1];
        size_t whole = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        text.len = text.len - (end - 1) < whole ? end - 1 : text.len;
    }
    return text;
}

static void locate(const struct pass *pass, struct console_record *ret)
{
    for (unsigned i = 0; i < FH_LOCATIONS_MAX; i++) {
        const struct fh_slice *value = pass->location[i];
        struct fh_slice id = plain(value[LOCATION_ID - VALUE_COUNT], CONSOLE_ID_MAX);
        if (id.len == 0) {
            break; /* what is above somebody without a name has no place in the tree */
        }
        uint32_t n = ret->location_count++;
        ret->location[n].id = id;
        ret->location[n].name = name_of(value[LOCATION_NAME - VALUE_COUNT],
                                        ret->scratch + (size_t)n * CONSOLE_NAME_MAX);
        ret->location[n].level = level_of(value[LOCATION_TYPES - VALUE_COUNT]);
    }
}

static void clear(struct console_record *record)
{
    static const struct fh_slice empty = {"", 0};
    record->about = CONSOLE_ABOUT_NOTHING;
    record->timestamp_ms = 0;
    record->count = 0;
    record->device = record->zone = record->map = record->tenant = empty;
    record->x = record->y = record->confidence = 0;
    record->map_width = record->map_length = 0;
    record->location_count = 0;
}

bool console_record_read(const char *record, size_t len, struct console_record *ret)
{
    static const struct fh_json_walk walk = {
        .place = places,
        .payload = PAYLOAD,
        .enter = enter,
        .take = take,
    };
    struct pass pass = {.located = false};
    if (!fh_json_walk(&walk, &pass, record, len)) {
        return false;
    }
    clear(ret);
    double stamp = 0;
    number_within(pass.value[STAMP], 0, STAMP_MAX, &stamp);
    ret->timestamp_ms = (int64_t)stamp;
    ret->tenant = plain(pass.value[TENANT], CONSOLE_ID_MAX);
    ret->map = plain(pass.value[MAP_ID], CONSOLE_ID_MAX);
    if (!number_within(pass.value[WIDTH], 0, FAR, &ret->map_width) ||
        !number_within(pass.value[LENGTH], 0, FAR, &ret->map_length)) {
        ret->map_width = ret->map_length = 0;
    }
    locate(&pass, ret);
    return judge(&pass, ret) || ret->location_count > 0;
}
