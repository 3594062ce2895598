/* payload.h: from a descriptor to the JSON line of the API reference. Pure: reads the campus and
 * the descriptor, writes bytes; the same input gives the same line. */
#ifndef SIM_PAYLOAD_H
#define SIM_PAYLOAD_H

#include "campus.h"
#include "world_record.h"
#include "world_text.h"

struct sim_view {
    const struct sim_campus *campus;
    const struct sim_record *record;
    int64_t arrival_ms;
    uint64_t noise;   /* for values nobody depends on: derived from seed and index */
    int64_t stamp_ms; /* recordTimestamp as this replica shows it */
};

/* The whole line with "\n" into line, which holds SIM_LINE_MAX; returns its length. */
size_t sim_payload_render(const struct sim_view *view, uint32_t uid, char *line);
const char *sim_payload_type_name(unsigned type);
size_t sim_payload_keep_alive(int64_t timestamp_ms, uint32_t uid, char *line);

/* One per type: append the value of the payload key. */
typedef char *sim_payload_function(const struct sim_view *view, char *p);

sim_payload_function sim_payload_device_location;
sim_payload_function sim_payload_device_presence;
sim_payload_function sim_payload_user_presence;
sim_payload_function sim_payload_profile;
sim_payload_function sim_payload_association;
sim_payload_function sim_payload_device_rssi;
sim_payload_function sim_payload_wifi_device;
sim_payload_function sim_payload_device_entry;
sim_payload_function sim_payload_device_exit;

sim_payload_function sim_payload_iot_telemetry;
sim_payload_function sim_payload_iot_action;
sim_payload_function sim_payload_ble_rssi;
sim_payload_function sim_payload_asset_location;
sim_payload_function sim_payload_camera_count;
sim_payload_function sim_payload_raw_camera_count;

sim_payload_function sim_payload_webex;
sim_payload_function sim_payload_panel;
sim_payload_function sim_payload_occupancy;
sim_payload_function sim_payload_occupancy_change;
sim_payload_function sim_payload_building_feature;

sim_payload_function sim_payload_device_count;
sim_payload_function sim_payload_network_telemetry;
sim_payload_function sim_payload_network_status;
sim_payload_function sim_payload_location_change;
sim_payload_function sim_payload_anchor;
sim_payload_function sim_payload_ap_topology;
sim_payload_function sim_payload_activation;
sim_payload_function sim_payload_deactivation;
sim_payload_function sim_payload_admin;

/* Shared pieces. */
char *sim_put_location(const struct sim_view *view, uint16_t place, char *p);
/* "locationDetails":{...}, as in LOCATION_CHANGE; with a map where there is a floor. */
char *sim_put_location_details(const struct sim_campus *campus, const struct sim_place *place,
                               int cost_centre, char *p);
/* The mapDetails object of a floor. */
char *sim_put_map(const struct sim_place *floor, char *p);
char *sim_put_coordinates(const struct sim_place *place, uint32_t x, uint32_t y, char *p);
char *sim_put_access_point(char *p, uint32_t index);
const char *sim_change_name(unsigned change);

static inline const struct sim_place *sim_view_place(const struct sim_view *view)
{
    return &view->campus->places[view->record->location];
}

static inline const struct sim_place *sim_view_floor(const struct sim_view *view)
{
    return &view->campus->places[sim_view_place(view)->floor];
}

/* part-th byte group of the noise, below limit. */
static inline uint32_t sim_noise(const struct sim_view *view, unsigned part, uint32_t limit)
{
    return (uint32_t)(((view->noise >> (part * 12)) & 0xfff) * limit >> 12);
}

#endif
