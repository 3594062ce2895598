/* payload_place.c: the events of places, of the network and of the account. */
#include "payload.h"

char *sim_payload_device_count(const struct sim_view *view, char *p)
{
    const struct sim_record *record = view->record;
    const struct sim_place *place = sim_view_place(view);
    uint32_t wireless = record->value.count.associated;
    uint32_t wired = record->value.count.wired;
    uint64_t capacity_tenths = (uint64_t)wireless * 1000 / (place->capacity ? place->capacity : 1);
    *p++ = '{';
    p = sim_put_location(view, record->location, p);
    p = SIM_PUT(p, ",\"associatedCount\":");
    p = sim_put_uint(p, wireless);
    p = SIM_PUT(p, ",\"estimatedProbingCount\":");
    p = sim_put_uint(p, record->value.count.probing);
    p = SIM_PUT(p, ",\"probingRandomizedPercentage\":");
    p = sim_put_fixed(p, record->value.count.randomized, 1);
    p = SIM_PUT(p, ",\"associatedDelta\":");
    p = sim_put_int(p, record->value.count.associated_delta);
    p = SIM_PUT(p, ",\"probingDelta\":");
    p = sim_put_int(p, record->value.count.probing_delta);
    p = SIM_PUT(p, ",\"estimatedDensity\":0.0,\"estimatedCapacityPercentage\":");
    p = sim_put_fixed(p, (int64_t)capacity_tenths, 1);
    p = SIM_PUT(p, ",\"userCount\":");
    p = sim_put_uint(p, wireless + wired + place->tags);
    p = SIM_PUT(p, ",\"wirelessUserCount\":");
    p = sim_put_uint(p, wireless);
    p = SIM_PUT(p, ",\"wiredUserCount\":");
    p = sim_put_uint(p, wired);
    p = SIM_PUT(p, ",\"rfidTagCount\":0,\"bleTagCount\":");
    p = sim_put_uint(p, place->tags);
    *p++ = '}';
    return p;
}

char *sim_payload_network_telemetry(const struct sim_view *view, char *p)
{
    uint32_t failed = view->record->value.plain.flag;
    p = SIM_PUT(p, "{\"networkHealth\":{\"networkAvailability\":[{\"numOfTests\":20,"
                   "\"numOfSuccess\":");
    p = sim_put_uint(p, 20 - failed);
    p = SIM_PUT(p, ",\"successPercentage\":");
    p = sim_put_uint(p, (uint64_t)(20 - failed) * 5);
    p = SIM_PUT(p, ".0,\"numOfDnsLookup\":20,\"numOfDnsLookupSuccess\":20,"
                   "\"dnsLookupSuccessPercentage\":100.0,\"band\":\"5 GHZ\"}],\"apTelemetries\":["
                   "{\"apTelemetryType\":\"SNR\",\"average\":");
    p = sim_put_fixed(p, 280 + (int64_t)sim_noise(view, 0, 80), 1);
    p = SIM_PUT(p, ",\"min\":");
    p = sim_put_uint(p, 18 + sim_noise(view, 1, 8));
    p = SIM_PUT(p, ",\"max\":");
    p = sim_put_uint(p, 40 + sim_noise(view, 2, 10));
    p = SIM_PUT(p, "}]},\"networkPerformance\":[{\"avgUploadBandwidthMbps\":");
    p = sim_put_fixed(p, 700 + (int64_t)sim_noise(view, 3, 300), 1);
    p = SIM_PUT(p, ",\"avgDownloadBandwidthMbps\":");
    p = sim_put_fixed(p, 1200 + (int64_t)sim_noise(view, 4, 500), 1);
    p = SIM_PUT(p, ",\"avgPacketLossPercentage\":");
    p = sim_put_fixed(p, (int64_t)failed * 3 + 1, 1);
    p = SIM_PUT(p, ",\"avgRttMs\":");
    p = sim_put_uint(p, 7 + sim_noise(view, 1, 6) + failed * 10);
    p = SIM_PUT(p, ",\"avgDnsLookupTimeMs\":");
    p = sim_put_uint(p, 3 + sim_noise(view, 2, 4));
    p = SIM_PUT(p, ",\"band\":\"5 GHZ\",\"jitter\":");
    p = sim_put_fixed(p, 8 + (int64_t)sim_noise(view, 0, 12), 1);
    p = SIM_PUT(p, ",\"mos\":");
    p = sim_put_fixed(p, 44 - (int64_t)failed, 1);
    p = SIM_PUT(p, "}],");
    p = sim_put_location(view, view->record->location, p);
    *p++ = '}';
    return p;
}

char *sim_payload_network_status(const struct sim_view *view, char *p)
{
    uint32_t number = view->record->actor;
    p = SIM_PUT(p, "{\"deviceType\":\"NDT_CONNECTOR\",\"status\":\"");
    p = view->record->detail ? SIM_PUT(p, "NDS_CONNECTED") : SIM_PUT(p, "NDS_DISCONNECTED");
    p = SIM_PUT(p, "\",\"lastHeard\":");
    p = sim_put_int(p,
                    view->record->timestamp_ms -
                        (view->record->detail ? 500 : 95000 + (int64_t)sim_noise(view, 0, 9000)));
    p = SIM_PUT(p, ",\"connectorInfo\":{\"id\":\"connector-");
    p = sim_put_uint(p, 31 + number);
    p = SIM_PUT(p, "\",\"name\":\"dc");
    p = sim_put_uint(p, 1 + number);
    p = SIM_PUT(p, "-connector\",\"ipAddress\":\"192.0.2.");
    p = sim_put_uint(p, 5 + number);
    return SIM_PUT(p, "\",\"ovaVersion\":\"3.1.1\",\"dockerVersion\":\"3.1.1.7\"}}");
}

char *sim_put_map(const struct sim_place *floor, char *p)
{
    p = SIM_PUT(p, "{\"mapId\":\"");
    p = sim_put_bytes(p, floor->map_id, 32);
    return SIM_PUT(p, "\",\"imageWidth\":1600,\"imageHeight\":900,\"mimeType\":\"image/png\","
                      "\"dimension\":{\"length\":150.0,\"width\":266.5,\"height\":10.0,"
                      "\"offsetX\":0.0,\"offsetY\":0.0}}");
}

char *sim_put_location_details(const struct sim_campus *campus, const struct sim_place *place,
                               int cost_centre, char *p)
{
    p = SIM_PUT(p, "\"locationDetails\":{\"timeZone\":\"" SIM_TIME_ZONE
                   "\",\"city\":\"Amsterdam\",\"state\":\"\",\"country\":\"NL\",\"category\":\"\","
                   "\"metadata\":[{\"key\":\"cost-centre\",\"values\":[\"");
    p = sim_put_int(p, 100 + cost_centre);
    p = SIM_PUT(p, "\"]}],");
    p = sim_put_coordinates(place, place->x_from, 0, p);
    if (place->floor) {
        p = SIM_PUT(p, ",\"mapDetails\":");
        p = sim_put_map(&campus->places[place->floor], p);
    }
    *p++ = '}';
    return p;
}

char *sim_payload_location_change(const struct sim_view *view, char *p)
{
    const struct sim_place *place = sim_view_place(view);
    p = SIM_PUT(p, "{\"changeType\":\"");
    p = sim_put_text(p, sim_change_name(view->record->detail));
    p = SIM_PUT(p, "\",");
    p = sim_put_location(view, view->record->location, p);
    *p++ = ',';
    p = sim_put_location_details(view->campus, place, view->record->value.plain.number, p);
    *p++ = '}';
    return p;
}

/* One anchor in the middle of each zone; the actor is its number, major the floor's. */
char *sim_payload_anchor(const struct sim_view *view, char *p)
{
    const struct sim_place *zone = &view->campus->places[view->record->actor];
    uint32_t x = (zone->x_from + zone->x_to) / 2U;
    p = SIM_PUT(p, "{\"changeType\":\"ADD_UPDATE\",");
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"locationAnchorInfo\":{\"identifier\":\"");
    p = sim_put_bytes(p, zone->map_id, 32);
    p = SIM_PUT(p, "\",\"uuid\":\"0f5a2c7e-1111-4222-8333-444455556666\",\"major\":");
    p = sim_put_uint(p, zone->building);
    p = SIM_PUT(p, ",\"minor\":");
    p = sim_put_uint(p, view->record->actor);
    p = SIM_PUT(p, ",\"txPower\":-12,\"advTxPower\":-65,\"frequency\":2402,\"xPos\":\"");
    p = sim_put_quarters(p, x);
    p = SIM_PUT(p, "\",\"yPos\":\"");
    p = sim_put_quarters(p, SIM_FLOOR_Y / 2);
    p = SIM_PUT(p, "\",\"zPos\":\"9.5\",");
    p = sim_put_coordinates(zone, x, SIM_FLOOR_Y / 2, p);
    p = SIM_PUT(p, ",\"mapId\":\"");
    p = sim_put_bytes(p, sim_view_floor(view)->map_id, 32);
    return SIM_PUT(p, "\"}}");
}

char *sim_payload_ap_topology(const struct sim_view *view, char *p)
{
    p = SIM_PUT(p, "{\"changeType\":\"");
    p = sim_put_text(p, sim_change_name(view->record->detail));
    p = SIM_PUT(p, "\",");
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"mapId\":\"");
    p = sim_put_bytes(p, sim_view_floor(view)->map_id, 32);
    return SIM_PUT(p, "\"}");
}

/* The n-th instance of the collector: each upgrade activates a new one and retires the old. */
static char *put_instance(uint32_t instance, char *p)
{
    p = SIM_PUT(p,
                "{\"spacesTenantName\":\"" SIM_TENANT_NAME "\",\"spacesTenantId\":\"" SIM_TENANT_ID
                "\",\"partnerTenantId\":\"" SIM_PARTNER_TENANT
                "\",\"name\":\"Example collector\",\"referenceId\":\"0000000000000000000000000"
                "000");
    p = sim_put_uint(p, 1000 + instance % 9000);
    p = SIM_PUT(p, "\",\"instanceName\":\"onprem-");
    p = sim_put_uint(p, instance);
    return SIM_PUT(p, "\",\"macFilters\":[],\"iotGroups\":[]");
}

char *sim_payload_activation(const struct sim_view *view, char *p)
{
    p = put_instance(view->record->actor, p);
    return SIM_PUT(p, ",\"appId\":\"app-00000000000000000000000000000B02\",\"region\":\"io\"}");
}

char *sim_payload_deactivation(const struct sim_view *view, char *p)
{
    p = put_instance(view->record->actor, p);
    *p++ = '}';
    return p;
}

char *sim_payload_admin(const struct sim_view *view, char *p)
{
    p = SIM_PUT(p, "{\"changeType\":\"ADD\",\"loginEmail\":\"admin");
    if (view->record->actor > 0) {
        p = sim_put_uint(p, view->record->actor);
    }
    return SIM_PUT(p, "@example.com\"}");
}
