/* life_thing.c: readings of sensors, badges, beacons and assets, what cameras see, and who sits in
 * which meeting room. Owns their changing values. */
#include "life.h"

#include <errno.h>
#include <stdlib.h>

#define QUARTER_HOUR_MS (900 * 1000LL)

static int64_t window_of(const struct sim_life *life)
{
    return (life->start_ms + life->now_us / 1000) / QUARTER_HOUR_MS;
}

int sim_life_things_new(struct sim_life *life)
{
    const struct sim_campus *campus = life->campus;
    life->tags = calloc(campus->tag_first[SIM_TAG_KINDS], sizeof(*life->tags));
    life->cameras = calloc(campus->camera_count, sizeof(*life->cameras));
    life->rooms = calloc(campus->room_count, sizeof(*life->rooms));
    if (!life->tags || !life->cameras || !life->rooms) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < campus->tag_first[SIM_TAG_KINDS]; i++) {
        life->tags[i] = (struct sim_tag_state){
            .sequence = sim_random_below(&life->random, 1000),
            .temperature = (int16_t)sim_random_between(&life->random, 198, 232),
            .co2 = (uint16_t)sim_random_between(&life->random, 420, 500),
            .tvoc = (uint16_t)sim_random_between(&life->random, 60, 180),
            .x = campus->tags[i].x,
            .y = campus->tags[i].y,
            .humidity = (uint8_t)sim_random_between(&life->random, 38, 52),
            .battery = (uint8_t)sim_random_between(&life->random, 55, 100),
        };
    }
    for (unsigned i = 0; i < campus->room_count; i++) {
        life->rooms[i].window = window_of(life) - 2; /* the last window before the start is told */
    }
    for (unsigned i = 0; i < SIM_CONNECTORS; i++) {
        life->connector_up[i] = true;
    }
    return 0;
}

static uint32_t any_tag(struct sim_life *life, unsigned kind)
{
    const unsigned *first = life->campus->tag_first;
    return first[kind] + sim_random_below(&life->random, first[kind + 1] - first[kind]);
}

static void tag_record(const struct sim_life *life, unsigned type, uint32_t tag,
                       struct sim_record *record)
{
    sim_record_place(record, life->campus, type, tag, life->campus->tags[tag].place);
    record->partition = life->campus->tags[tag].partition;
}

/* Air moves slowly whatever the rate of readings: one small step per 15 s of world time. Carbon
 * dioxide follows the people in the zone. */
static void drift(struct sim_life *life, struct sim_tag_state *state, uint16_t place)
{
    if (life->now_us - state->changed_us < 15 * SIM_SECOND) {
        return;
    }
    state->changed_us = life->now_us;
    int32_t step = (int32_t)sim_random_below(&life->random, 3) - 1;
    int32_t temperature = state->temperature + step;
    state->temperature = (int16_t)(temperature < 185 ? 186 : temperature > 265 ? 264 : temperature);
    uint32_t people = life->places[place].active;
    uint32_t aim = 420 + 9 * (people < 150 ? people : 150);
    state->co2 = (uint16_t)(state->co2 + ((int32_t)aim - state->co2) / 8 + step);
    int32_t tvoc = state->tvoc + (int32_t)sim_random_below(&life->random, 7) - 3;
    state->tvoc = (uint16_t)(tvoc < 40 ? 40 : tvoc > 400 ? 400 : tvoc);
    if (sim_random_permille(&life->random, 200)) {
        uint32_t humidity = state->humidity + sim_random_below(&life->random, 3);
        state->humidity = (uint8_t)(humidity < 30 ? 30 : humidity > 66 ? 65 : humidity - 1);
    }
    if (sim_random_permille(&life->random, 2) && state->battery > 5) {
        state->battery--;
    }
    if (sim_random_permille(&life->random, 5)) {
        life->pressure = (uint16_t)(life->pressure + step);
    }
}

/* Sensors without a value, as section 8 of the API reference lists them, and short drops. */
static void spoil(struct sim_life *life, struct sim_record *record)
{
    switch (sim_random_below(&life->random, 1200)) {
    case 0:
        record->value.reading.temperature = 0;
        break;
    case 1:
        record->value.reading.humidity = 255;
        break;
    case 2:
        record->value.reading.temperature = (int16_t)(record->value.reading.temperature - 60);
        break;
    case 3:
        record->extra |= SIM_ODD_NO_COORDINATES;
        break;
    case 4:
        record->extra |= SIM_ODD_NO_MAP;
        break;
    default:
        break;
    }
}

void sim_life_read_sensor(struct sim_life *life, struct sim_record *record)
{
    uint32_t tag = any_tag(life, SIM_SENSOR);
    struct sim_tag_state *state = &life->tags[tag];
    drift(life, state, life->campus->tags[tag].place);
    tag_record(life, SIM_IOT_TELEMETRY, tag, record);
    record->value.reading.sequence = state->sequence++;
    record->value.reading.temperature = state->temperature;
    record->value.reading.pressure = life->pressure;
    record->value.reading.co2 = state->co2;
    record->value.reading.tvoc = state->tvoc;
    record->value.reading.humidity = state->humidity;
    record->value.reading.battery = state->battery;
    record->value.reading.rssi = (int8_t)(-60 - (int)sim_random_below(&life->random, 25));
    spoil(life, record);
}

void sim_life_hear_beacon(struct sim_life *life, struct sim_record *record)
{
    tag_record(life, SIM_BLE_RSSI_UPDATE, any_tag(life, SIM_BEACON), record);
}

/* Assets are pushed around within their zone, at walking speed, now and then. */
void sim_life_locate_asset(struct sim_life *life, struct sim_record *record)
{
    uint32_t tag = any_tag(life, SIM_ASSET);
    struct sim_tag_state *state = &life->tags[tag];
    const struct sim_place *zone = &life->campus->places[life->campus->tags[tag].place];
    int64_t elapsed_us = life->now_us - state->changed_us;
    if (elapsed_us >= SIM_SECOND) {
        state->changed_us = life->now_us;
        uint32_t reach = elapsed_us > 4 * SIM_SECOND ? 40 : 10;
        uint32_t x = state->x + sim_random_below(&life->random, 2 * reach + 1);
        uint32_t y = state->y + sim_random_below(&life->random, 2 * reach + 1);
        x = x < zone->x_from + reach ? zone->x_from : x - reach;
        y = y < reach ? 0 : y - reach;
        state->x = (uint16_t)(x >= zone->x_to ? zone->x_to - 1U : x);
        state->y = (uint16_t)(y >= SIM_FLOOR_Y ? SIM_FLOOR_Y - 1U : y);
    }
    tag_record(life, SIM_ASSET_LOCATION_UPDATE, tag, record);
    record->detail = sim_random_permille(&life->random, 200) ? 1 : 0;
    record->value.plain.x = state->x;
    record->value.plain.y = state->y;
}

bool sim_life_press_badge(struct sim_life *life, struct sim_record *record)
{
    uint32_t tag = any_tag(life, SIM_BADGE);
    tag_record(life, SIM_IOT_USER_ACTION, tag, record);
    record->detail = sim_random_permille(&life->random, 250) ? 1 : 0;
    record->value.plain.number = (int16_t)(++life->tags[tag].sequence % 100 + 1);
    return true;
}

/* ---- cameras ---- */

/* A camera tells when its count changed. It sees the share of the people of its zone that carry a
 * sighted device, more or less. */
bool sim_life_watch(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    uint32_t camera = cadence->cursor++ % life->campus->camera_count;
    struct sim_camera_state *state = &life->cameras[camera];
    uint16_t place = life->campus->cameras[camera].place;
    uint32_t people = life->places[place].active / 2;
    int32_t aim = (int32_t)(people > 500 ? 500 : people);
    int32_t step = aim > state->count ? 1 : aim < state->count ? -1 : 0;
    step *= (int32_t)sim_random_between(&life->random, 1, 2);
    if (step == 0) {
        step = state->count > 0 && sim_random_permille(&life->random, 500) ? -1 : 1;
    }
    int32_t count = state->count + step;
    state->count = (int16_t)(count < 0 ? 0 : count);
    sim_record_place(record, life->campus, SIM_RAW_CAMERA_COUNT, camera, place);
    record->value.plain.number = state->count;
    return true;
}

/* Once a minute per zone with changes: the sum of what its cameras told last. */
bool sim_life_count_cameras(struct sim_life *life, struct sim_cadence *cadence,
                            struct sim_record *record)
{
    const struct sim_campus *campus = life->campus;
    for (unsigned tries = 0; tries < campus->camera_count; tries++) {
        uint32_t first = cadence->cursor++ % campus->camera_count;
        uint16_t place = campus->cameras[first].place;
        if (first > 0 && campus->cameras[first - 1].place == place) {
            continue;
        }
        int32_t sum = 0;
        for (uint32_t i = first; i < campus->camera_count && campus->cameras[i].place == place;
             i++) {
            sum += life->cameras[i].count;
        }
        int32_t delta = sum - life->cameras[first].reported;
        if (delta != 0) {
            life->cameras[first].reported = (int16_t)sum;
            sim_record_place(record, campus, SIM_CAMERA_COUNT, first, place);
            record->value.plain.number = (int16_t)sum;
            record->value.plain.delta = (int16_t)delta;
            return true;
        }
    }
    return false;
}

/* ---- rooms ---- */

void sim_life_room_event(struct sim_life *life, const struct sim_action *action,
                         struct sim_record *record)
{
    const struct sim_room *room = &life->campus->rooms[action->actor];
    const struct sim_room_state *state = &life->rooms[action->actor];
    sim_record_place(record, life->campus, action->type, action->actor, room->place);
    if (action->type == SIM_WEBEX_TELEMETRY) {
        record->partition = room->webex_partition;
    } else if (action->type == SIM_TP_PEOPLE_COUNT_UPDATE) {
        record->partition = room->panel_partition;
    }
    record->value.plain.number = state->people;
    record->value.plain.flag = state->booked;
}

/* People come and go: the video device and the panel tell the same number, and the space that it
 * changed. */
bool sim_life_room(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    uint32_t index = cadence->cursor++ % life->campus->room_count;
    struct sim_room_state *state = &life->rooms[index];
    int16_t before = state->people;
    uint32_t lot = sim_random_below(&life->random, 10);
    if (lot < 2) {
        state->people = 0;
        state->booked = false;
    } else if (lot < 4) {
        uint32_t capacity = life->campus->rooms[index].capacity;
        state->people = (int16_t)sim_random_between(&life->random, 1, capacity);
        state->booked = sim_random_permille(&life->random, 800);
    } else if (state->people > 0) {
        int32_t people = state->people + (int32_t)sim_random_below(&life->random, 3) - 1;
        int32_t capacity = life->campus->rooms[index].capacity;
        state->people = (int16_t)(people > capacity ? capacity : people);
    }
    state->peak = state->people > state->peak ? state->people : state->peak;
    sim_life_push(life, SIM_WEBEX_TELEMETRY, 0, index);
    sim_life_push(life, SIM_TP_PEOPLE_COUNT_UPDATE, 0, index);
    if (before != state->people) {
        sim_life_push(life, SIM_SPACE_OCCUPANCY_CHANGE, 0, index);
    }
    return sim_life_take(life, record);
}

/* Once per room when a quarter of an hour has ended: its peak. */
bool sim_life_occupancy(struct sim_life *life, struct sim_cadence *cadence,
                        struct sim_record *record)
{
    int64_t window = window_of(life);
    for (unsigned tries = 0; tries < life->campus->room_count; tries++) {
        uint32_t index = cadence->cursor % life->campus->room_count;
        struct sim_room_state *state = &life->rooms[index];
        if (state->window + 1 >= window) {
            cadence->cursor++;
            continue;
        }
        state->window++;
        int64_t now_s = (life->start_ms + life->now_us / 1000) / 1000;
        sim_record_place(record, life->campus, SIM_SPACE_OCCUPANCY, index,
                         life->campus->rooms[index].place);
        record->value.plain.window_age_s =
            (uint32_t)(now_s - state->window * (QUARTER_HOUR_MS / 1000));
        record->value.plain.number = state->peak;
        record->value.plain.flag = state->booked;
        state->peak = state->people;
        return true;
    }
    return false;
}
