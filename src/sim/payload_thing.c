/* payload_thing.c: the events of tags and sensors, cameras and meeting rooms. */
#include "payload.h"

static char *put_tag_info(const struct sim_view *view, char *p)
{
    const struct sim_tag *tag = &view->campus->tags[view->record->actor];
    p = SIM_PUT(p, "{\"deviceInfo\":");
    return sim_put_bytes(p, tag->info, tag->info_length);
}

/* Up to lastLocatedTime; the caller closes the object. */
static char *put_position(const struct sim_view *view, uint32_t x, uint32_t y,
                          int64_t confidence_tenths, char *p)
{
    const struct sim_place *floor = sim_view_floor(view);
    p = SIM_PUT(p, ",\"detectedPosition\":{\"xPos\":");
    p = sim_put_quarters(p, x);
    p = SIM_PUT(p, ",\"yPos\":");
    p = sim_put_quarters(p, y);
    *p++ = ',';
    if (view->record->extra & SIM_ODD_NO_COORDINATES) {
        p = SIM_PUT(p, "\"latitude\":-999.0,\"longitude\":-999.0");
    } else {
        p = sim_put_coordinates(floor, x, y, p);
    }
    p = SIM_PUT(p, ",\"confidenceFactor\":");
    p = sim_put_fixed(p, confidence_tenths, 1);
    p = SIM_PUT(p, ",\"mapId\":\"");
    if (!(view->record->extra & SIM_ODD_NO_MAP)) {
        p = sim_put_bytes(p, floor->map_id, 32);
    }
    p = SIM_PUT(p, "\",\"locationId\":\"");
    p = sim_put_text(p, floor->id);
    p = SIM_PUT(p, "\",\"lastLocatedTime\":");
    return sim_put_int(p, view->record->timestamp_ms - (int64_t)sim_noise(view, 0, 4000));
}

/* The advertisement the reading came in: flags, then a 16-bit service with the sequence number. */
static char *put_raw_payload(uint32_t sequence, char *p)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t low = sequence & 0xffff;
    p = SIM_PUT(p, "AgEGA/8B");
    *p++ = alphabet[low >> 10];
    *p++ = alphabet[low >> 4 & 63];
    *p++ = alphabet[(low & 15) << 2];
    *p++ = '=';
    return p;
}

char *sim_payload_iot_telemetry(const struct sim_view *view, char *p)
{
    const struct sim_record *record = view->record;
    const struct sim_tag *tag = &view->campus->tags[record->actor];
    p = put_tag_info(view, p);
    p = put_position(view, tag->x, tag->y, 160, p);
    p = SIM_PUT(p, "},");
    p = sim_put_location(view, record->location, p);
    p = SIM_PUT(p, ",\"temperature\":{\"temperatureInCelsius\":");
    p = sim_put_fixed(p, record->value.reading.temperature, 1);
    p = SIM_PUT(p, ",\"rawTemperature\":");
    p = sim_put_fixed(p, record->value.reading.temperature, 1);
    p = SIM_PUT(p, "},\"deviceRtcTime\":0,\"battery\":{\"value\":");
    p = sim_put_uint(p, record->value.reading.battery);
    p = SIM_PUT(p, ".0,\"unit\":\"PERCENTAGE\",\"lastRetrieved\":");
    p = sim_put_int(p, record->timestamp_ms / 3600000 * 3600000); /* read once an hour */
    p = SIM_PUT(p, "},\"rawHeader\":0,\"rawPayload\":\"");
    p = put_raw_payload(record->value.reading.sequence, p);
    p = SIM_PUT(p, "\",\"sequenceNum\":");
    p = sim_put_uint(p, record->value.reading.sequence);
    p = SIM_PUT(p, ",\"airPressure\":{\"pressure\":");
    p = sim_put_fixed(p, record->value.reading.pressure, 1);
    p = SIM_PUT(p, "},\"humidity\":{\"humidityInPercentage\":");
    p = sim_put_uint(p, record->value.reading.humidity);
    p = SIM_PUT(p, ",\"rawHumidity\":");
    p = sim_put_uint(p, record->value.reading.humidity);
    p = SIM_PUT(p, "},\"carbonEmissions\":{\"co2Ppm\":");
    p = sim_put_uint(p, record->value.reading.co2);
    p = SIM_PUT(p, "},\"maxDetectedRssi\":");
    p = sim_put_int(p, record->value.reading.rssi);
    p = SIM_PUT(p, ",\"tvoc\":{\"valueInPpb\":");
    p = sim_put_uint(p, record->value.reading.tvoc);
    return SIM_PUT(p, ".0}}");
}

char *sim_payload_iot_action(const struct sim_view *view, char *p)
{
    const struct sim_tag *tag = &view->campus->tags[view->record->actor];
    p = put_tag_info(view, p);
    p = put_position(view, tag->x, tag->y, 160, p);
    p = SIM_PUT(p, "},");
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"actionType\":\"");
    p = view->record->detail ? SIM_PUT(p, "IOT_ACTION_DOUBLE_TAP")
                             : SIM_PUT(p, "IOT_ACTION_BUTTON_CLICK");
    p = SIM_PUT(p, "\",\"actionCount\":");
    p = sim_put_int(p, view->record->value.plain.number);
    p = SIM_PUT(p, ",\"actionTimestamp\":");
    p = sim_put_int(p, view->record->timestamp_ms - (int64_t)sim_noise(view, 1, 1500));
    *p++ = '}';
    return p;
}

char *sim_payload_ble_rssi(const struct sim_view *view, char *p)
{
    uint32_t first = sim_view_place(view)->first_access_point;
    unsigned measurements = 2 + sim_noise(view, 0, 2);
    int64_t rssi = -60 - (int64_t)sim_noise(view, 1, 20);
    int64_t heard = view->record->timestamp_ms - (int64_t)sim_noise(view, 2, 1000);
    p = SIM_PUT(p, "{\"rssiNotification\":{\"macAddress\":\"");
    p = sim_put_bytes(p, view->campus->tags[view->record->actor].mac, 17);
    p = SIM_PUT(p, "\",\"apRssiMeasurements\":[");
    for (unsigned i = 0; i < measurements; i++) {
        p = SIM_PUT(p, "{\"apMacAddress\":\"");
        p = sim_put_access_point(p, first + i);
        p = SIM_PUT(p, "\",\"ifSlotId\":4,\"bandId\":0,\"antennaId\":0,\"rssi\":");
        p = sim_put_int(p, rssi - (int64_t)(i * 8));
        p = SIM_PUT(p, ",\"timestamp\":");
        p = sim_put_int(p, heard + (int64_t)i * 10);
        p = SIM_PUT(p, "},");
    }
    p--; /* the last comma */
    p = SIM_PUT(p, "],\"blePayload\":{\"timestamp\":");
    p = sim_put_int(p, heard);
    p = SIM_PUT(p, ",\"data\":\"0201060303aafe\"}},");
    p = sim_put_location(view, view->record->location, p);
    *p++ = '}';
    return p;
}

char *sim_payload_asset_location(const struct sim_view *view, char *p)
{
    const struct sim_record *record = view->record;
    p = put_tag_info(view, p);
    p = put_position(view, record->value.plain.x, record->value.plain.y,
                     10 + (int64_t)sim_noise(view, 1, 50), p);
    p = SIM_PUT(p, ",\"computeType\":\"");
    p = record->detail ? SIM_PUT(p, "CT_RSSI\"},") : SIM_PUT(p, "CT_TDOA\"},");
    p = sim_put_location(view, record->location, p);
    *p++ = '}';
    return p;
}

char *sim_payload_camera_count(const struct sim_view *view, char *p)
{
    *p++ = '{';
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"count\":");
    p = sim_put_int(p, view->record->value.plain.number);
    p = SIM_PUT(p, ",\"countDelta\":");
    p = sim_put_int(p, view->record->value.plain.delta);
    *p++ = '}';
    return p;
}

char *sim_payload_raw_camera_count(const struct sim_view *view, char *p)
{
    const struct sim_camera *camera = &view->campus->cameras[view->record->actor];
    *p++ = '{';
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"cameraId\":\"");
    p = sim_put_text(p, camera->id);
    p = SIM_PUT(p, "\",\"cameraZoneId\":\"");
    p = sim_put_text(p, camera->zone_id);
    p = SIM_PUT(p, "\",\"count\":");
    p = sim_put_int(p, view->record->value.plain.number);
    *p++ = '}';
    return p;
}

static char *put_bool(int value, char *p)
{
    return value ? SIM_PUT(p, "true") : SIM_PUT(p, "false");
}

char *sim_payload_webex(const struct sim_view *view, char *p)
{
    const struct sim_room *room = &view->campus->rooms[view->record->actor];
    int16_t people = view->record->value.plain.number;
    p = SIM_PUT(p, "{\"deviceInfo\":");
    p = sim_put_bytes(p, room->webex, room->webex_length);
    *p++ = ',';
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"telemetries\":[{\"peopleCount\":");
    p = sim_put_int(p, people);
    p = SIM_PUT(p, "},{\"presence\":");
    p = put_bool(people > 0, p);
    p = SIM_PUT(p, "},{\"ambientNoise\":");
    p = sim_put_uint(p, 30 + (uint32_t)people * 2 + sim_noise(view, 0, 4));
    p = SIM_PUT(p, ".0},{\"ambientTemp\":");
    p = sim_put_fixed(p, 210 + people * 2 + (int64_t)sim_noise(view, 1, 10), 1);
    p = SIM_PUT(p, "},{\"relativeHumidity\":");
    p = sim_put_uint(p, 42 + sim_noise(view, 2, 6));
    return SIM_PUT(p, ".0}]}");
}

char *sim_payload_panel(const struct sim_view *view, char *p)
{
    const struct sim_room *room = &view->campus->rooms[view->record->actor];
    int16_t people = view->record->value.plain.number;
    p = SIM_PUT(p, "{\"tpDeviceId\":\"");
    p = sim_put_text(p, room->panel_id);
    p = SIM_PUT(p, "\",");
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"presence\":");
    p = put_bool(people > 0, p);
    p = SIM_PUT(p, ",\"peopleCount\":");
    p = sim_put_int(p, people);
    p = SIM_PUT(p, ",\"standbyState\":");
    p = sim_put_uint(p, people == 0);
    p = SIM_PUT(p, ",\"ambientNoise\":");
    p = sim_put_uint(p, 30 + (uint32_t)people * 2 + sim_noise(view, 0, 4));
    p = SIM_PUT(p, ",\"drynessScore\":0,\"activeCalls\":");
    p = sim_put_uint(p, people > 1 && view->record->value.plain.flag);
    p = SIM_PUT(p, ",\"presentationState\":0,\"timeStamp\":");
    p = sim_put_int(p, view->record->timestamp_ms - (int64_t)sim_noise(view, 1, 3000));
    p = SIM_PUT(p, ",\"macAddress\":\"");
    p = sim_put_bytes(p, room->panel_mac, 17);
    p = SIM_PUT(p, "\",\"airQualityIndex\":");
    p = sim_put_fixed(p, 10 + people, 1);
    p = SIM_PUT(p, ",\"temperatureInCelsius\":");
    p = sim_put_fixed(p, 210 + people * 2 + (int64_t)sim_noise(view, 2, 10), 1);
    p = SIM_PUT(p, ",\"humidityInPercentage\":");
    p = sim_put_uint(p, 42 + sim_noise(view, 3, 6));
    p = SIM_PUT(p, ",\"soundLevel\":");
    p = sim_put_uint(p, 35 + (uint32_t)people * 2);
    p = SIM_PUT(p, ",\"ambientLight\":\"");
    p = people > 0 ? SIM_PUT(p, "Bright") : SIM_PUT(p, "Dark");
    return SIM_PUT(p, "\",\"reverberationTime\":0,\"closeProximity\":false,"
                      "\"airQualityStatus\":\"GOOD\"}");
}

static char *put_space(const struct sim_view *view, char *p)
{
    const struct sim_room *room = &view->campus->rooms[view->record->actor];
    p = sim_put_location(view, view->record->location, p);
    p = SIM_PUT(p, ",\"space\":");
    return sim_put_bytes(p, room->space, room->space_length);
}

char *sim_payload_occupancy(const struct sim_view *view, char *p)
{
    const struct sim_record *record = view->record;
    int64_t start =
        view->arrival_ms / 1000 * 1000 - (int64_t)record->value.plain.window_age_s * 1000;
    *p++ = '{';
    p = put_space(view, p);
    p = SIM_PUT(p, ",\"windowStartTimestamp\":");
    p = sim_put_int(p, start);
    p = SIM_PUT(p, ",\"windowStartDateTime\":\"");
    p = sim_put_local_time(p, start, 0);
    p = SIM_PUT(p, "\",\"timeZone\":\"" SIM_TIME_ZONE "\",\"peoplePresence\":");
    p = put_bool(record->value.plain.number > 0, p);
    p = SIM_PUT(p, ",\"bookingStatus\":");
    p = put_bool(record->value.plain.flag, p);
    p = SIM_PUT(p, ",\"peakPeopleCount\":");
    p = sim_put_int(p, record->value.plain.number);
    *p++ = '}';
    return p;
}

char *sim_payload_occupancy_change(const struct sim_view *view, char *p)
{
    *p++ = '{';
    p = put_space(view, p);
    p = SIM_PUT(p, ",\"timeZone\":\"" SIM_TIME_ZONE "\",\"peopleCount\":");
    p = sim_put_int(p, view->record->value.plain.number);
    p = SIM_PUT(p, ",\"peoplePresence\":");
    p = put_bool(view->record->value.plain.number > 0, p);
    p = SIM_PUT(p, ",\"bookingStatus\":");
    p = put_bool(view->record->value.plain.flag, p);
    *p++ = '}';
    return p;
}

char *sim_payload_building_feature(const struct sim_view *view, char *p)
{
    p = SIM_PUT(p, "{\"changeType\":\"");
    p = sim_put_text(p, sim_change_name(view->record->detail));
    p = SIM_PUT(p, "\",");
    p = put_space(view, p);
    p = SIM_PUT(p, ",\"mapId\":\"");
    p = sim_put_bytes(p, sim_view_floor(view)->map_id, 32);
    return SIM_PUT(p, "\"}");
}
