/* events.c: owns the table of event types that can be ordered. Names, groups and sentences: the
 * guide, chapter 6, and for the last group chapter 2, which names types that chapter 6 does not
 * describe. eventType: the vendor's schema (firehosed-sinks(7) has what each brings). */
#include "schema.h"

#include "fh/err.h"
#include "fh/nearest.h"

#include <ctype.h>
#include <string.h>

#define WIFI      "Wi-Fi events"
#define IOT       "IoT events"
#define CAMERA    "Camera events"
#define HIERARCHY "Location hierarchy events"
#define OTHER     "Other events"

const struct fh_order_event fh_order_events[] = {
    {"Profile Update", "PROFILE_UPDATE", FH_EVENT_PLAIN, WIFI,
     "A device profile is updated or changed."},
    {"Device Location Update", "DEVICE_LOCATION_UPDATE", FH_EVENT_LOCATION, WIFI,
     "A device's location is updated, continuously while it is connected; it enters or exits a "
     "building, a floor or a zone."},
    {"Device Presence", "DEVICE_PRESENCE DEVICE_ENTRY DEVICE_EXIT", FH_EVENT_PRESENCE, WIFI,
     "A device enters a location, becomes inactive or active, or exits; with counts."},
    {"User Presence", "USER_PRESENCE", FH_EVENT_PRESENCE, WIFI,
     "The same for a user with all his devices."},
    {"Device Count", "DEVICE_COUNT", FH_EVENT_PLAIN, WIFI,
     "The number of devices at a location changes."},
    {"Network Telemetry", "NETWORK_TELEMETRY", FH_EVENT_PLAIN, WIFI,
     "Health and performance of the network at a location, periodically."},
    {"Device RSSI Update", "DEVICE_RSSI_UPDATE", FH_EVENT_PLAIN, IOT,
     "A device's signal strength is updated."},
    {"IoT Telemetry", "IOT_TELEMETRY", FH_EVENT_PLAIN, IOT,
     "Telemetry of BLE, RFID and Zigbee devices."},
    {"IoT User Action", "IOT_USER_ACTION", FH_EVENT_PLAIN, IOT,
     "Somebody uses an IoT device, for example its button."},
    {"BLE RSSI Update", "BLE_RSSI_UPDATE", FH_EVENT_PLAIN, IOT,
     "A BLE device at the location pings."},
    {"Camera Count", "CAMERA_COUNT", FH_EVENT_PLAIN, CAMERA,
     "The people count of a location's Meraki cameras changes."},
    {"Raw Camera Count", "RAW_CAMERA_COUNT", FH_EVENT_PLAIN, CAMERA,
     "The people count of one Meraki camera changes."},
    {"Location Information Change", "LOCATION_CHANGE", FH_EVENT_PLAIN, HIERARCHY,
     "A location is moved, renamed, or its metadata changes."},
    {"Location Anchor Update", "LOCATION_ANCHOR_UPDATE", FH_EVENT_PLAIN, HIERARCHY,
     "A location anchor is added, updated or removed."},
    {"AP Topology Change", "AP_TOPOLOGY_CHANGE", FH_EVENT_PLAIN, HIERARCHY,
     "The access points on a floor change."},
    {"App Activation", "APP_ACTIVATION APP_DE_ACTIVATION", FH_EVENT_PLAIN, "Activation events",
     "The activation of the application is completed."},
    {"Keep Alive", "KEEP_ALIVE", FH_EVENT_ALWAYS, OTHER,
     "No other event for 15 seconds (HTTP and gRPC); nobody needs to order it."},
    {"Tele Presence", "TP_PEOPLE_COUNT_UPDATE", FH_EVENT_TELE, OTHER,
     "Presence by ultrasound and people count by the camera of Tele Presence units; no video "
     "leaves the unit."},
    {"Account Admin Change", "ACCOUNT_ADMIN_ACTIVATION", FH_EVENT_PLAIN, OTHER,
     "An account admin is added, removed or updated."},
    {"Network Status Update", "NETWORK_STATUS_UPDATE", FH_EVENT_PLAIN, OTHER,
     "Status of connector and controller."},
    {"Device Association", "DEVICE_ASSOCIATION", FH_EVENT_PLAIN, "Named without a description",
     "A device joins or leaves the network."},
    {"Webex Telemetry", "WEBEX_TELEMETRY", FH_EVENT_PLAIN, "Named without a description",
     "Readings of Webex room devices."},
    {"Space Occupancy Change", "SPACE_OCCUPANCY_CHANGE SPACE_OCCUPANCY", FH_EVENT_PLAIN,
     "Named without a description", "The occupancy of a space changes."},
};
const size_t fh_order_event_count = FH_ARRAY_LEN(fh_order_events);

static char folded(char c)
{
    return c == ' ' || c == '-' ? '_' : (char)tolower((unsigned char)c);
}

/* Blind to case and to a blank for an underscore; b ends at its length. */
static bool same_word(const char *a, const char *b, size_t b_len)
{
    size_t i = 0;
    while (i < b_len && a[i] && folded(a[i]) == folded(b[i])) {
        i++;
    }
    return i == b_len && a[i] == '\0';
}

bool fh_order_event_brings(const struct fh_order_event *event, const char *type)
{
    for (const char *at = event->types; *at;) {
        size_t len = strcspn(at, " ");
        if (same_word(type, at, len)) {
            return true;
        }
        at += len + strspn(at + len, " ");
    }
    return false;
}

const struct fh_order_event *fh_order_event_find(const char *name)
{
    for (size_t i = 0; i < fh_order_event_count; i++) {
        const struct fh_order_event *event = &fh_order_events[i];
        if (same_word(name, event->name, strlen(event->name)) ||
            fh_order_event_brings(event, name)) {
            return event;
        }
    }
    return NULL;
}

const char *fh_order_event_nearest(const char *name)
{
    struct fh_nearest nearest;
    fh_nearest_begin(&nearest, name);
    for (size_t i = 0; i < fh_order_event_count; i++) {
        const char *event = fh_order_events[i].name;
        fh_nearest_offer(&nearest, fh_slips_between(name, event), false, event);
    }
    return nearest.found;
}
