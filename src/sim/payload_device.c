/* payload_device.c: the events of Wi-Fi devices and their users. */
#include "payload.h"

#define FIRST_VISIT 4611686018427387904ULL /* 19 digits, as captured */

static char *put_device(const struct sim_view *view, char *p)
{
    const struct sim_device *device = &view->campus->devices[view->record->actor];
    unsigned version = view->record->version & 1U;
    return sim_put_bytes(p, device->text[version], device->text_length[version]);
}

static char *put_device_and_location(const struct sim_view *view, char *p)
{
    p = SIM_PUT(p, "\"device\":");
    p = put_device(view, p);
    *p++ = ',';
    return sim_put_location(view, view->record->location, p);
}

static char *put_ssid(const struct sim_view *view, char *p)
{
    p = SIM_PUT(p, ",\"ssid\":\"");
    return sim_put_text(p, sim_ssid(view->record->ssid));
}

/* A guest has no user name at the network before the portal has given one. */
static char *put_raw_user_and_visit(const struct sim_view *view, uint32_t visit, char *p)
{
    const struct sim_device *device = &view->campus->devices[view->record->actor];
    p = SIM_PUT(p, "\",\"rawUserId\":\"");
    if (device->user != SIM_NOBODY || view->record->version) {
        p = sim_put_text(p, device->raw_user);
    }
    p = SIM_PUT(p, "\",\"visitId\":\"visit-");
    p = sim_put_uint(p, FIRST_VISIT + visit);
    *p++ = '"';
    return p;
}

char *sim_payload_device_location(const struct sim_view *view, char *p)
{
    const struct sim_record *record = view->record;
    const struct sim_place *floor = sim_view_floor(view);
    const struct sim_device *device = &view->campus->devices[record->actor];
    *p++ = '{';
    p = put_device_and_location(view, p);
    p = put_ssid(view, p);
    p = put_raw_user_and_visit(view, record->value.sighting.visit, p);
    p = SIM_PUT(p, ",\"lastSeen\":");
    p = sim_put_int(p, record->timestamp_ms - record->value.sighting.seen_age_ms);
    p = SIM_PUT(p, ",\"deviceClassification\":\"\",\"mapId\":\"");
    if (!(record->extra & SIM_ODD_NO_MAP)) {
        p = sim_put_bytes(p, floor->map_id, 32);
    }
    p = SIM_PUT(p, "\",\"xPos\":");
    p = sim_put_quarters(p, record->value.sighting.x);
    p = SIM_PUT(p, ",\"yPos\":");
    p = sim_put_quarters(p, record->value.sighting.y);
    p = SIM_PUT(p, ",\"confidenceFactor\":");
    p = sim_put_uint(p, (uint64_t)record->value.sighting.confidence * 8);
    p = SIM_PUT(p, ".0,");
    if (record->extra & SIM_ODD_NO_COORDINATES) {
        p = SIM_PUT(p, "\"latitude\":-999.0,\"longitude\":-999.0");
    } else {
        p = sim_put_coordinates(floor, record->value.sighting.x, record->value.sighting.y, p);
    }
    p = SIM_PUT(p, ",\"unc\":");
    p = sim_put_quarters(p, record->value.sighting.uncertainty);
    p = SIM_PUT(p, ",\"maxDetectedRssi\":");
    p = sim_put_int(p, record->value.sighting.rssi);
    return sim_put_bytes(p, device->addresses, device->addresses_length);
}

static char *put_stamp(const struct sim_view *view, const char *name, uint32_t age_ms, char *p)
{
    int64_t stamp = view->arrival_ms - age_ms;
    p = SIM_PUT(p, ",\"");
    p = sim_put_text(p, name);
    p = SIM_PUT(p, "Timestamp\":");
    p = sim_put_int(p, stamp);
    p = SIM_PUT(p, ",\"");
    p = sim_put_text(p, name);
    p = SIM_PUT(p, "DateTime\":\"");
    p = sim_put_local_time(p, stamp, 1);
    *p++ = '"';
    return p;
}

static char *put_zone_and_class(char *p)
{
    return SIM_PUT(p, ",\"timeZone\":\"" SIM_TIME_ZONE "\",\"deviceClassification\":\"\"");
}

/* Exit stamps and duration; zero and empty while the visit lasts. */
static char *put_exit(const struct sim_view *view, uint32_t entry_age, uint32_t exit_age, int left,
                      char *p)
{
    if (!left) {
        return SIM_PUT(p, ",\"exitTimestamp\":0,\"exitDateTime\":\"\",\"visitDurationMinutes\":0");
    }
    p = put_stamp(view, "exit", exit_age, p);
    p = SIM_PUT(p, ",\"visitDurationMinutes\":");
    return sim_put_uint(p, (entry_age - exit_age) / 60000);
}

char *sim_payload_device_presence(const struct sim_view *view, char *p)
{
    static const char *const kinds[] = {
        "DEVICE_ENTRY_EVENT", "DEVICE_IN_ACTIVE_EVENT",   "DEVICE_ACTIVE_EVENT",
        "DEVICE_EXIT_EVENT",  "DEVICE_SSID_CHANGE_EVENT", "DEVICE_RAW_USER_ID_CHANGE_EVENT"};
    const struct sim_record *record = view->record;
    p = SIM_PUT(p, "{\"presenceEventType\":\"");
    p = sim_put_text(p, kinds[record->detail & 7]);
    p = SIM_PUT(p, "\",\"wasInActive\":");
    p = (record->extra & 0x80) ? SIM_PUT(p, "true,") : SIM_PUT(p, "false,");
    p = put_device_and_location(view, p);
    p = put_ssid(view, p);
    p = put_raw_user_and_visit(view, record->value.presence.visit, p);
    p = SIM_PUT(p, ",\"daysSinceLastVisit\":");
    p = sim_put_uint(p, record->extra & 0x7f);
    p = put_stamp(view, "entry", record->value.presence.entry_age_ms, p);
    p = put_exit(view, record->value.presence.entry_age_ms, record->value.presence.exit_age_ms,
                 record->detail == SIM_LEFT, p);
    p = put_zone_and_class(p);
    p = SIM_PUT(p, ",\"visitClassification\":\"\",\"activeDevicesCount\":");
    p = sim_put_uint(p, record->value.presence.active);
    p = SIM_PUT(p, ",\"inActiveDevicesCount\":");
    p = sim_put_uint(p, record->value.presence.inactive);
    *p++ = '}';
    return p;
}

static char *put_user_counts(const char *name, uint32_t named, uint32_t unnamed, char *p)
{
    p = SIM_PUT(p, ",\"");
    p = sim_put_text(p, name);
    p = SIM_PUT(p, "\":{\"usersWithUserId\":");
    p = sim_put_uint(p, named);
    p = SIM_PUT(p, ",\"usersWithoutUserId\":");
    p = sim_put_uint(p, unnamed);
    p = SIM_PUT(p, ",\"totalUsers\":");
    p = sim_put_uint(p, named + unnamed);
    *p++ = '}';
    return p;
}

/* A user is seen last when the event is made: an exit is reported at the exit of the last device,
 * whose own last sighting is exit_age ago; kept in seconds in ssid and version to save room. */
char *sim_payload_user_presence(const struct sim_view *view, char *p)
{
    static const char *const kinds[] = {"USER_ENTRY_EVENT", "USER_IN_ACTIVE_EVENT",
                                        "USER_ACTIVE_EVENT", "USER_EXIT_EVENT"};
    const struct sim_record *record = view->record;
    const struct sim_user *user = &view->campus->users[record->actor];
    uint32_t exit_age = (uint32_t)(record->ssid << 8 | record->version) * 1000U;
    p = SIM_PUT(p, "{\"presenceEventType\":\"");
    p = sim_put_text(p, kinds[record->detail & 3]);
    p = SIM_PUT(p, "\",\"wasInActive\":");
    p = (record->extra & 0x80) ? SIM_PUT(p, "true") : SIM_PUT(p, "false");
    p = SIM_PUT(p, ",\"user\":");
    p = sim_put_bytes(p, user->text, user->text_length);
    *p++ = ',';
    p = sim_put_location(view, record->location, p);
    p = SIM_PUT(p, ",\"rawUserId\":\"");
    p = sim_put_text(p, user->raw_user);
    p = SIM_PUT(p, "\",\"visitId\":\"visit-");
    p = sim_put_uint(p, FIRST_VISIT + record->value.user.visit);
    *p++ = '"';
    p = put_stamp(view, "entry", record->value.user.entry_age_ms, p);
    p = put_exit(view, record->value.user.entry_age_ms, exit_age, record->detail == SIM_LEFT, p);
    p = SIM_PUT(p, ",\"timeZone\":\"" SIM_TIME_ZONE "\"");
    p = put_user_counts("activeUsersCount", record->value.user.active_named,
                        record->value.user.active_unnamed, p);
    p = put_user_counts("inActiveUsersCount", record->value.user.inactive_named,
                        record->value.user.inactive_unnamed, p);
    return SIM_PUT(p, ",\"connection\":\"CONN_WIRELESS\"}");
}

char *sim_payload_profile(const struct sim_view *view, char *p)
{
    return put_device(view, p);
}

char *sim_payload_association(const struct sim_view *view, char *p)
{
    *p++ = '{';
    p = put_device_and_location(view, p);
    p = put_ssid(view, p);
    p = SIM_PUT(p, "\",\"associationState\":\"");
    p = view->record->detail ? SIM_PUT(p, "ASSOCIATED") : SIM_PUT(p, "DISASSOCIATED");
    p = SIM_PUT(p, "\",\"timestamp\":");
    p = sim_put_int(p, view->record->timestamp_ms - (int64_t)sim_noise(view, 0, 2000));
    *p++ = '}';
    return p;
}

char *sim_payload_device_rssi(const struct sim_view *view, char *p)
{
    const struct sim_record *record = view->record;
    uint32_t first = sim_view_place(view)->first_access_point;
    unsigned measurements = 1 + sim_noise(view, 0, 3);
    p = SIM_PUT(p, "{\"rssiNotification\":{\"macAddress\":\"");
    p = sim_put_bytes(p, view->campus->devices[record->actor].mac, 17);
    p = SIM_PUT(p, "\",\"apRssiMeasurements\":[");
    for (unsigned i = 0; i < measurements; i++) {
        p = SIM_PUT(p, "{\"apMacAddress\":\"");
        p = sim_put_access_point(p, first + i);
        p = SIM_PUT(p, "\",\"ifSlotId\":1,\"bandId\":2,\"antennaId\":0,\"rssi\":");
        p = sim_put_int(p, record->value.sighting.rssi - (int64_t)(i * 6));
        p = SIM_PUT(p, ",\"timestamp\":");
        p = sim_put_int(p,
                        record->timestamp_ms - record->value.sighting.seen_age_ms + (int64_t)i * 3);
        p = SIM_PUT(p, "},");
    }
    p--; /* the last comma */
    p = SIM_PUT(p, "]},");
    p = sim_put_location(view, record->location, p);
    *p++ = '}';
    return p;
}

char *sim_payload_wifi_device(const struct sim_view *view, char *p)
{
    *p++ = '{';
    p = put_device_and_location(view, p);
    *p++ = '}';
    return p;
}

char *sim_payload_device_entry(const struct sim_view *view, char *p)
{
    *p++ = '{';
    p = put_device_and_location(view, p);
    p = SIM_PUT(p, ",\"visitId\":\"visit-");
    p = sim_put_uint(p, FIRST_VISIT + view->record->value.presence.visit);
    *p++ = '"';
    p = put_stamp(view, "entry", view->record->value.presence.entry_age_ms, p);
    p = put_zone_and_class(p);
    p = SIM_PUT(p, ",\"daysSinceLastVisit\":");
    p = sim_put_uint(p, view->record->extra & 0x7f);
    *p++ = '}';
    return p;
}

char *sim_payload_device_exit(const struct sim_view *view, char *p)
{
    uint32_t entry_age = view->record->value.presence.entry_age_ms;
    uint32_t exit_age = view->record->value.presence.exit_age_ms;
    *p++ = '{';
    p = put_device_and_location(view, p);
    p = SIM_PUT(p, ",\"visitId\":\"visit-");
    p = sim_put_uint(p, FIRST_VISIT + view->record->value.presence.visit);
    p = SIM_PUT(p, "\",\"visitDurationMinutes\":");
    p = sim_put_uint(p, (entry_age - exit_age) / 60000);
    p = put_stamp(view, "entry", entry_age, p);
    p = put_stamp(view, "exit", exit_age, p);
    p = put_zone_and_class(p);
    p = SIM_PUT(p, ",\"visitClassification\":\"\"}");
    return p;
}
