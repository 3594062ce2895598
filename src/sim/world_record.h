/* world_record.h: the compact descriptor kept per event. Everything a line needs that is not in the
 * campus (static) or derived from seed and index is here, so that a line can be rendered again,
 * equal to the last byte, as long as the descriptor is kept. */
#ifndef SIM_WORLD_RECORD_H
#define SIM_WORLD_RECORD_H

#include <stdint.h>

/* In the order of the API reference, section 7. */
enum sim_type {
    SIM_KEEP_ALIVE,
    SIM_DEVICE_LOCATION_UPDATE,
    SIM_DEVICE_PRESENCE,
    SIM_USER_PRESENCE,
    SIM_PROFILE_UPDATE,
    SIM_DEVICE_COUNT,
    SIM_DEVICE_ASSOCIATION,
    SIM_DEVICE_RSSI_UPDATE,
    SIM_NETWORK_TELEMETRY,
    SIM_NETWORK_STATUS_UPDATE,
    SIM_WIFI_DEVICE_UPDATE,
    SIM_IOT_TELEMETRY,
    SIM_IOT_USER_ACTION,
    SIM_BLE_RSSI_UPDATE,
    SIM_ASSET_LOCATION_UPDATE,
    SIM_CAMERA_COUNT,
    SIM_RAW_CAMERA_COUNT,
    SIM_LOCATION_CHANGE,
    SIM_LOCATION_ANCHOR_UPDATE,
    SIM_AP_TOPOLOGY_CHANGE,
    SIM_WEBEX_TELEMETRY,
    SIM_SPACE_OCCUPANCY,
    SIM_SPACE_OCCUPANCY_CHANGE,
    SIM_BUILDING_FEATURE,
    SIM_APP_ACTIVATION,
    SIM_DEVICE_ENTRY,
    SIM_DEVICE_EXIT,
    SIM_TP_PEOPLE_COUNT_UPDATE,
    SIM_ACCOUNT_ADMIN_ACTIVATION,
    SIM_APP_DE_ACTIVATION,
    SIM_TYPES,
    SIM_REPLAYED = SIM_TYPES /* type unknown to this table, of a replayed file: counted from here */
};

enum sim_presence_kind {
    SIM_ENTERED,
    SIM_BECAME_INACTIVE,
    SIM_BECAME_ACTIVE,
    SIM_LEFT,
    SIM_SSID_CHANGED,
    SIM_RAW_USER_CHANGED,
};

enum sim_change { SIM_CHANGE_ADD, SIM_CHANGE_REMOVE, SIM_CHANGE_MOVE, SIM_CHANGE_UPDATE };

/* Stamps inside are kept as ages relative to the arrival, which is timestamp_ms + lateness_ms. */
struct sim_record {
    int64_t timestamp_ms;
    uint32_t lateness_ms;
    uint32_t actor;    /* device, user, tag, camera, room ...: what the type says */
    uint16_t location; /* index of the place */
    uint8_t type;
    uint8_t partition; /* 1..12 */
    uint8_t detail;    /* presence kind, change, state: what the type says */
    uint8_t version;   /* profile version of the device */
    uint8_t ssid;
    uint8_t extra; /* odd values (SIM_ODD_...), days since the last visit, was inactive */
    union {
        struct {
            uint32_t visit;
            uint32_t seen_age_ms;
            uint16_t x; /* quarters of a foot */
            uint16_t y;
            uint8_t confidence;
            uint8_t uncertainty;
            int8_t rssi;
        } sighting;
        struct {
            uint32_t visit;
            uint32_t entry_age_ms;
            uint32_t exit_age_ms;
            uint16_t active;
            uint16_t inactive;
        } presence;
        struct {
            uint32_t visit;
            uint32_t entry_age_ms;
            uint16_t active_named;
            uint16_t active_unnamed;
            uint16_t inactive_named;
            uint16_t inactive_unnamed;
        } user;
        struct {
            uint32_t associated;
            uint16_t probing;
            int16_t associated_delta;
            int16_t probing_delta;
            uint16_t randomized; /* tenths of a percent */
            uint16_t wired;
        } count;
        struct {
            uint32_t sequence;
            int16_t temperature; /* tenths */
            uint16_t pressure;   /* tenths */
            uint16_t co2;
            uint16_t tvoc;
            uint8_t humidity;
            uint8_t battery;
            int8_t rssi;
        } reading;
        struct {
            uint32_t window_age_s;
            int16_t number; /* people, counts, revision */
            int16_t delta;
            uint16_t x;
            uint16_t y;
            uint8_t flag;
        } plain;
    } value;
};

_Static_assert(sizeof(struct sim_record) == 40, "an hour at 5,000/s must fit into 1 GiB");

#define SIM_ODD_NO_COORDINATES 1U /* latitude and longitude -999.0 */
#define SIM_ODD_NO_MAP         2U /* mapId "" */

#endif
