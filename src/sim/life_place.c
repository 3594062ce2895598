/* life_place.c: counts per place, the network, changes of the hierarchy, and what happens to the
 * account. Owns what was told last about each place. */
#include "life.h"

/* Once a minute per location with changes: devices that are active there now. The same numbers can
 * be had from the presence and location events before it. */
bool sim_life_count(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    const struct sim_campus *campus = life->campus;
    for (unsigned tries = 0; tries < campus->place_count; tries++) {
        uint16_t place = (uint16_t)(cadence->cursor++ % campus->place_count);
        struct sim_place_state *state = &life->places[place];
        int64_t delta = (int64_t)state->active - state->reported;
        if (delta == 0) {
            continue;
        }
        delta = delta > INT16_MAX ? INT16_MAX : delta < INT16_MIN ? INT16_MIN : delta;
        uint32_t probing = state->active / 5 + sim_random_below(&life->random, 6);
        probing = probing > INT16_MAX ? INT16_MAX : probing;
        sim_record_place(record, campus, SIM_DEVICE_COUNT, place, place);
        record->value.count.associated = state->active;
        record->value.count.associated_delta = (int16_t)delta;
        record->value.count.probing = (uint16_t)probing;
        record->value.count.probing_delta = (int16_t)((int32_t)probing - state->reported_probing);
        record->value.count.randomized = (uint16_t)sim_random_between(&life->random, 700, 980);
        record->value.count.wired = (uint16_t)(campus->places[place].capacity / 60);
        state->reported = state->active;
        state->reported_probing = (uint16_t)probing;
        return true;
    }
    return false;
}

static uint16_t next_floor(const struct sim_life *life, struct sim_cadence *cadence)
{
    return life->campus->floors[cadence->cursor++ % life->campus->floor_count];
}

bool sim_life_network(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    uint16_t floor = next_floor(life, cadence);
    sim_record_place(record, life->campus, SIM_NETWORK_TELEMETRY, floor, floor);
    uint32_t lot = sim_random_below(&life->random, 20);
    record->value.plain.flag = (uint8_t)(lot < 14 ? 0 : lot < 18 ? 1 : lot - 15);
    return true;
}

static void connector_record(struct sim_life *life, uint32_t connector, struct sim_record *record)
{
    static const char *const ids[SIM_CONNECTORS] = {"connector-31", "connector-32", "connector-33",
                                                    "connector-34"};
    sim_record_place(record, life->campus, SIM_NETWORK_STATUS_UPDATE, connector, 0);
    record->partition = sim_partition_of(ids[connector], 12);
    record->detail = life->connector_up[connector];
}

/* One connector goes down and comes back before the next one does. */
bool sim_life_connector(struct sim_life *life, struct sim_cadence *cadence,
                        struct sim_record *record)
{
    uint32_t connector = cadence->cursor % SIM_CONNECTORS;
    life->connector_up[connector] = !life->connector_up[connector];
    if (life->connector_up[connector]) {
        cadence->cursor++;
    }
    connector_record(life, connector, record);
    return true;
}

bool sim_life_topology(struct sim_life *life, struct sim_cadence *cadence,
                       struct sim_record *record)
{
    uint16_t floor = next_floor(life, cadence);
    sim_record_place(record, life->campus, SIM_AP_TOPOLOGY_CHANGE, floor, floor);
    record->detail = SIM_CHANGE_UPDATE;
    return true;
}

/* The anchor in the middle of a zone, located on the zone's floor. */
static void anchor_record(const struct sim_life *life, uint16_t zone, struct sim_record *record)
{
    sim_record_place(record, life->campus, SIM_LOCATION_ANCHOR_UPDATE, zone,
                     life->campus->places[zone].floor);
}

bool sim_life_anchor(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    const struct sim_place *floor = &life->campus->places[next_floor(life, cadence)];
    uint32_t zone = floor->first_child + sim_random_below(&life->random, floor->children);
    anchor_record(life, (uint16_t)zone, record);
    return true;
}

bool sim_life_feature(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    uint32_t room = cadence->cursor++ % life->campus->room_count;
    sim_record_place(record, life->campus, SIM_BUILDING_FEATURE, room,
                     life->campus->rooms[room].place);
    record->detail = SIM_CHANGE_UPDATE;
    return true;
}

static void place_record(const struct sim_life *life, uint16_t place, unsigned change,
                         struct sim_record *record)
{
    sim_record_place(record, life->campus, SIM_LOCATION_CHANGE, place, place);
    record->detail = (uint8_t)change;
    record->value.plain.number = (int16_t)(life->places[place].revision % 900);
}

/* A place is charged to another cost centre. */
bool sim_life_relabel(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record)
{
    uint16_t place = (uint16_t)(cadence->cursor++ % life->campus->place_count);
    life->places[place].revision++;
    place_record(life, place, SIM_CHANGE_UPDATE, record);
    return true;
}

static void account_record(const struct sim_life *life, unsigned type, uint32_t actor,
                           struct sim_record *record)
{
    sim_record_place(record, life->campus, type, actor, 0);
    record->partition = sim_partition_of(SIM_TENANT_ID, sizeof(SIM_TENANT_ID) - 1);
}

/* An upgrade of the collector (a new activation, told by the story), or a new administrator. */
bool sim_life_account(struct sim_life *life, struct sim_record *record)
{
    if (life->story_step == UINT32_MAX && sim_random_permille(&life->random, 300)) {
        life->instance++;
        life->story_step = 0;
        return sim_life_story(life, record);
    }
    account_record(life, SIM_ACCOUNT_ADMIN_ACTIVATION, life->admins++, record);
    return true;
}

/* What the first activation tells beyond the hierarchy: anchors, access points, rooms, connectors,
 * the administrator. Returns false past the end. */
static bool tell_equipment(struct sim_life *life, uint32_t step, struct sim_record *record)
{
    const struct sim_campus *campus = life->campus;
    if (step < campus->place_count) {
        /* Zones have anchors, floors access points, and every building its administrator. */
        if (campus->places[step].kind == SIM_ZONE) {
            anchor_record(life, (uint16_t)step, record);
            return true;
        }
        if (campus->places[step].kind == SIM_FLOOR) {
            sim_record_place(record, campus, SIM_AP_TOPOLOGY_CHANGE, step, (uint16_t)step);
            return true;
        }
        account_record(life, SIM_ACCOUNT_ADMIN_ACTIVATION, life->admins++, record);
        return true;
    }
    step -= campus->place_count;
    if (step < campus->room_count) {
        sim_record_place(record, campus, SIM_BUILDING_FEATURE, step, campus->rooms[step].place);
        return true;
    }
    step -= campus->room_count;
    if (step < SIM_CONNECTORS) {
        connector_record(life, step, record);
        return true;
    }
    return false;
}

/* The story of an activation: the activation itself, the whole hierarchy from the root down, with
 * the first one the equipment, with every later one the end of the instance before it. The first
 * instance is upgraded as soon as its story is over. */
bool sim_life_story(struct sim_life *life, struct sim_record *record)
{
    uint32_t step = life->story_step++;
    if (step == 0) {
        account_record(life, SIM_APP_ACTIVATION, life->instance, record);
        return true;
    }
    step--;
    if (step < life->campus->place_count) {
        place_record(life, (uint16_t)step, SIM_CHANGE_ADD, record);
        return true;
    }
    step -= life->campus->place_count;
    if (life->instance == 1) {
        if (!tell_equipment(life, step, record)) {
            life->instance = 2;
            life->story_step = 1;
            account_record(life, SIM_APP_ACTIVATION, life->instance, record);
        }
        return true;
    }
    life->story_step = UINT32_MAX;
    account_record(life, SIM_APP_DE_ACTIVATION, life->instance - 1, record);
    return true;
}
