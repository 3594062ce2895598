/* payload.c: the envelope around every payload, the table of types, and pieces several share. */
#include "payload.h"

struct type {
    const char *name;
    const char *head; /* from the tenant to the payload's key */
    size_t head_length;
    sim_payload_function *payload;
};

#define HEAD(name, key)                                                                            \
    ",\"spacesTenantId\":\"" SIM_TENANT_ID "\",\"spacesTenantName\":\"" SIM_TENANT_NAME            \
    "\",\"partnerTenantId\":\"" SIM_PARTNER_TENANT "\",\"eventType\":\"" name "\",\"" key "\":"
#define TYPE(name, key, function)                                                                  \
    [SIM_##name] = {#name, HEAD(#name, key), sizeof(HEAD(#name, key)) - 1, function}

static const struct type types[SIM_TYPES] = {
    [SIM_KEEP_ALIVE] = {"KEEP_ALIVE", "", 0, NULL},
    TYPE(DEVICE_LOCATION_UPDATE, "deviceLocationUpdate", sim_payload_device_location),
    TYPE(DEVICE_PRESENCE, "devicePresence", sim_payload_device_presence),
    TYPE(USER_PRESENCE, "userPresence", sim_payload_user_presence),
    TYPE(PROFILE_UPDATE, "deviceProfileUpdate", sim_payload_profile),
    TYPE(DEVICE_COUNT, "deviceCounts", sim_payload_device_count),
    TYPE(DEVICE_ASSOCIATION, "deviceAssociation", sim_payload_association),
    TYPE(DEVICE_RSSI_UPDATE, "deviceRssiUpdate", sim_payload_device_rssi),
    TYPE(NETWORK_TELEMETRY, "networkTelemetry", sim_payload_network_telemetry),
    TYPE(NETWORK_STATUS_UPDATE, "networkStatusUpdate", sim_payload_network_status),
    TYPE(WIFI_DEVICE_UPDATE, "wifiDeviceUpdate", sim_payload_wifi_device),
    TYPE(IOT_TELEMETRY, "iotTelemetry", sim_payload_iot_telemetry),
    TYPE(IOT_USER_ACTION, "iotUserAction", sim_payload_iot_action),
    TYPE(BLE_RSSI_UPDATE, "bleRssiUpdate", sim_payload_ble_rssi),
    TYPE(ASSET_LOCATION_UPDATE, "assetLocationUpdate", sim_payload_asset_location),
    TYPE(CAMERA_COUNT, "cameraCounts", sim_payload_camera_count),
    TYPE(RAW_CAMERA_COUNT, "rawCameraCounts", sim_payload_raw_camera_count),
    TYPE(LOCATION_CHANGE, "locationHierarchyChange", sim_payload_location_change),
    TYPE(LOCATION_ANCHOR_UPDATE, "locationAnchorUpdate", sim_payload_anchor),
    TYPE(AP_TOPOLOGY_CHANGE, "apTopologyChange", sim_payload_ap_topology),
    TYPE(WEBEX_TELEMETRY, "webexTelemetryUpdate", sim_payload_webex),
    TYPE(SPACE_OCCUPANCY, "spaceOccupancy", sim_payload_occupancy),
    TYPE(SPACE_OCCUPANCY_CHANGE, "spaceOccupancyChange", sim_payload_occupancy_change),
    TYPE(BUILDING_FEATURE, "buildingFeature", sim_payload_building_feature),
    TYPE(APP_ACTIVATION, "appActivation", sim_payload_activation),
    TYPE(DEVICE_ENTRY, "deviceEntry", sim_payload_device_entry),
    TYPE(DEVICE_EXIT, "deviceExit", sim_payload_device_exit),
    TYPE(TP_PEOPLE_COUNT_UPDATE, "tpPeopleCountUpdate", sim_payload_panel),
    TYPE(ACCOUNT_ADMIN_ACTIVATION, "accountAdminChange", sim_payload_admin),
    TYPE(APP_DE_ACTIVATION, "appActivation", sim_payload_deactivation),
};

const char *sim_payload_type_name(unsigned type)
{
    return type < SIM_TYPES ? types[type].name : "UNKNOWN";
}

size_t sim_payload_render(const struct sim_view *view, uint32_t uid, char *line)
{
    const struct type *type = &types[view->record->type];
    char *p = SIM_PUT(line, "{\"recordUid\":\"event-");
    p = sim_put_hex(p, uid);
    p = SIM_PUT(p, "\",\"recordTimestamp\":");
    p = sim_put_int(p, view->stamp_ms);
    p = sim_put_bytes(p, type->head, type->head_length);
    p = type->payload(view, p);
    p = SIM_PUT(p, "}\n");
    return (size_t)(p - line);
}

size_t sim_payload_keep_alive(int64_t timestamp_ms, uint32_t uid, char *line)
{
    char *p = SIM_PUT(line, "{\"recordUid\":\"event-");
    p = sim_put_hex(p, uid);
    p = SIM_PUT(p, "\",\"recordTimestamp\":");
    p = sim_put_int(p, timestamp_ms);
    p = SIM_PUT(p, ",\"spacesTenantId\":\"\",\"spacesTenantName\":\"\",\"partnerTenantId\":\"\","
                   "\"eventType\":\"KEEP_ALIVE\"}\n");
    return (size_t)(p - line);
}

char *sim_put_location(const struct sim_view *view, uint16_t place, char *p)
{
    const struct sim_place *where = &view->campus->places[place];
    p = SIM_PUT(p, "\"location\":");
    return sim_put_bytes(p, where->text, where->text_length);
}

/* A quarter of a foot is 0.685 millionths of a degree of latitude, and at this latitude 1.121 of
 * longitude. */
char *sim_put_coordinates(const struct sim_place *place, uint32_t x, uint32_t y, char *p)
{
    p = SIM_PUT(p, "\"latitude\":");
    p = sim_put_fixed(p, place->latitude_e6 + (int64_t)y * 685 / 1000, 6);
    p = SIM_PUT(p, ",\"longitude\":");
    return sim_put_fixed(p, place->longitude_e6 + (int64_t)x * 1121 / 1000, 6);
}

char *sim_put_access_point(char *p, uint32_t index)
{
    static const char digits[] = "0123456789abcdef";
    p = SIM_PUT(p, "02:00:5e:20:");
    *p++ = digits[index >> 12 & 15];
    *p++ = digits[index >> 8 & 15];
    *p++ = ':';
    *p++ = digits[index >> 4 & 15];
    *p++ = digits[index & 15];
    return p;
}

const char *sim_change_name(unsigned change)
{
    static const char *const names[] = {"ADD", "REMOVE", "MOVE", "UPDATE"};
    return names[change & 3];
}
