/* life.c: who acts next. Owns the order of slots, the cadences and the queue of what an event
 * entails; what the actors do is in life_device.c, life_thing.c and life_place.c. */
#include "life.h"

#include <errno.h>
#include <stdlib.h>

enum cadence {
    EACH_ARRIVAL,
    EACH_COUNT,
    EACH_CAMERA,
    EACH_CAMERA_SUM,
    EACH_ROOM,
    EACH_OCCUPANCY,
    EACH_BADGE,
    EACH_PROFILE,
    EACH_SSID,
    EACH_NETWORK,
    EACH_CONNECTOR,
    EACH_TOPOLOGY,
    EACH_ANCHOR,
    EACH_FEATURE,
    EACH_RELABEL,
    EACH_ACCOUNT,
    EACH_END,
};

_Static_assert(EACH_END <= SIM_CADENCES, "every cadence has its place");

struct cadence_rule {
    double seconds; /* between two events of one actor */
    double share;   /* of the rate, at most */
};

/* Counts once a minute per location (API reference, section 9), the rest plausible. */
static const struct cadence_rule rules[EACH_END] = {
    [EACH_ARRIVAL] = {1, 0.05},      [EACH_COUNT] = {60, 0.02},
    [EACH_CAMERA] = {10, 0.01},      [EACH_CAMERA_SUM] = {60, 0.005},
    [EACH_ROOM] = {60, 0.005},       [EACH_OCCUPANCY] = {60, 0.005},
    [EACH_BADGE] = {120, 0.005},     [EACH_PROFILE] = {1800, 0.004},
    [EACH_SSID] = {3600, 0.002},     [EACH_NETWORK] = {60, 0.005},
    [EACH_CONNECTOR] = {900, 0.001}, [EACH_TOPOLOGY] = {3600, 0.001},
    [EACH_ANCHOR] = {7200, 0.001},   [EACH_FEATURE] = {7200, 0.001},
    [EACH_RELABEL] = {7200, 0.001},  [EACH_ACCOUNT] = {1800, 0.0005},
};

static double actors_of(const struct sim_life *life, unsigned cadence)
{
    const struct sim_campus *campus = life->campus;
    switch (cadence) {
    case EACH_COUNT:
    case EACH_ANCHOR:
    case EACH_RELABEL:
        return campus->place_count;
    case EACH_CAMERA:
        return campus->camera_count;
    case EACH_CAMERA_SUM:
    case EACH_NETWORK:
    case EACH_TOPOLOGY:
        return campus->floor_count;
    case EACH_ROOM:
    case EACH_OCCUPANCY:
    case EACH_FEATURE:
        return campus->room_count;
    case EACH_BADGE:
        return campus->tag_first[SIM_BADGE + 1] - campus->tag_first[SIM_BADGE];
    case EACH_PROFILE:
    case EACH_SSID:
        return life->target;
    case EACH_CONNECTOR:
        return SIM_CONNECTORS;
    default:
        return 1;
    }
}

/* Arrivals fill the campus within a minute or so, then replace those who leave. */
static double arrivals_per_second(const struct sim_life *life)
{
    uint32_t present = life->campus->device_count - life->away_count;
    if (present >= life->target) {
        return 0.5; /* looks again, lets nobody in */
    }
    double wanted = (life->target - present) / 30.0 + 0.02;
    double most = life->rate * (present < life->target / 4 ? 0.1 : rules[EACH_ARRIVAL].share);
    return wanted < most ? wanted : most;
}

static double interval_of(const struct sim_life *life, unsigned cadence)
{
    double per_second = actors_of(life, cadence) / rules[cadence].seconds;
    double most = life->rate * rules[cadence].share;
    if (cadence == EACH_ARRIVAL) {
        per_second = arrivals_per_second(life);
        most = per_second;
    }
    return 1e6 / (per_second < most ? per_second : most);
}

static void find_next_cadence(struct sim_life *life)
{
    life->next_cadence_us = INT64_MAX;
    for (unsigned i = 0; i < EACH_END; i++) {
        if (life->cadences[i].due_us < life->next_cadence_us) {
            life->next_cadence_us = life->cadences[i].due_us;
        }
    }
}

/* A cadence that had been slow must not sleep through a new, faster rate; and right after the start
 * each kind shows itself within seconds, however rare it is later. */
void sim_life_set_rate(struct sim_life *life, double rate)
{
    life->rate = rate;
    sim_life_set_target(life);
    for (unsigned i = 0; i < EACH_END; i++) {
        struct sim_cadence *cadence = &life->cadences[i];
        cadence->interval_us = interval_of(life, i);
        double soon = cadence->interval_us < 8e6 ? cadence->interval_us : 8e6;
        double wait = soon * sim_random_below(&life->random, 1000) / 1000;
        cadence->due_us = life->now_us + (int64_t)wait;
    }
    find_next_cadence(life);
}

static bool act(struct sim_life *life, unsigned which, struct sim_record *record)
{
    struct sim_cadence *cadence = &life->cadences[which];
    switch (which) {
    case EACH_ARRIVAL:
        return life->campus->device_count - life->away_count < life->target &&
               sim_life_arrive(life, record);
    case EACH_COUNT:
        return sim_life_count(life, cadence, record);
    case EACH_CAMERA:
        return sim_life_watch(life, cadence, record);
    case EACH_CAMERA_SUM:
        return sim_life_count_cameras(life, cadence, record);
    case EACH_ROOM:
        return sim_life_room(life, cadence, record);
    case EACH_OCCUPANCY:
        return sim_life_occupancy(life, cadence, record);
    case EACH_BADGE:
        return sim_life_press_badge(life, record);
    case EACH_PROFILE:
        return sim_life_change_profile(life, record);
    case EACH_SSID:
        return sim_life_change_ssid(life, record);
    case EACH_NETWORK:
        return sim_life_network(life, cadence, record);
    case EACH_CONNECTOR:
        return sim_life_connector(life, cadence, record);
    case EACH_TOPOLOGY:
        return sim_life_topology(life, cadence, record);
    case EACH_ANCHOR:
        return sim_life_anchor(life, cadence, record);
    case EACH_FEATURE:
        return sim_life_feature(life, cadence, record);
    case EACH_RELABEL:
        return sim_life_relabel(life, cadence, record);
    default:
        return sim_life_account(life, record);
    }
}

/* Everything that is due, until one of them has something to tell. One that fell behind (the rate
 * is low) starts anew from now instead of catching up in a burst. */
static bool take_cadence(struct sim_life *life, struct sim_record *record)
{
    bool told = false;
    while (!told && life->next_cadence_us <= life->now_us) {
        for (unsigned i = 0; i < EACH_END && !told; i++) {
            struct sim_cadence *cadence = &life->cadences[i];
            if (cadence->due_us > life->now_us) {
                continue;
            }
            cadence->interval_us = interval_of(life, i);
            uint32_t jitter = 500 + sim_random_below(&life->random, 1000);
            int64_t wait = (int64_t)(cadence->interval_us * jitter / 1000) + 1;
            cadence->due_us = life->now_us + wait;
            told = act(life, i, record);
        }
        find_next_cadence(life);
    }
    return told;
}

void sim_life_push(struct sim_life *life, unsigned type, unsigned detail, uint32_t actor)
{
    struct sim_action *action = &life->actions[life->action_end++ % FH_ARRAY_LEN(life->actions)];
    *action = (struct sim_action){(uint8_t)type, (uint8_t)detail, actor};
}

bool sim_life_take(struct sim_life *life, struct sim_record *record)
{
    if (life->action_first == life->action_end) {
        return false;
    }
    struct sim_action action = life->actions[life->action_first++ % FH_ARRAY_LEN(life->actions)];
    switch (action.type) {
    case SIM_DEVICE_PRESENCE:
        sim_life_presence(life, &action, record);
        break;
    case SIM_USER_PRESENCE:
        sim_life_user_presence(life, &action, record);
        break;
    case SIM_WEBEX_TELEMETRY:
    case SIM_TP_PEOPLE_COUNT_UPDATE:
    case SIM_SPACE_OCCUPANCY_CHANGE:
        sim_life_room_event(life, &action, record);
        break;
    default:
        sim_life_device_event(life, &action, record);
        break;
    }
    return true;
}

/* Shares in 256ths of what the other kinds leave. */
static void fill(struct sim_life *life, struct sim_record *record)
{
    uint32_t lot = sim_random_below(&life->random, 256);
    bool told = false;
    if (lot < 190) {
        told = sim_life_sight(life, record);
    } else if (lot < 205) {
        told = sim_life_hear(life, SIM_DEVICE_RSSI_UPDATE, record);
    } else if (lot < 208) {
        told = sim_life_hear(life, SIM_WIFI_DEVICE_UPDATE, record);
    } else if (lot < 223) {
        sim_life_hear_beacon(life, record);
        told = true;
    } else if (lot < 233) {
        sim_life_locate_asset(life, record);
        told = true;
    }
    if (!told) {
        sim_life_read_sensor(life, record);
    }
}

void sim_life_next(struct sim_life *life, int64_t now_us, struct sim_record *record)
{
    life->now_us = now_us;
    life->slots++;
    if (sim_life_take(life, record)) {
        return;
    }
    if ((life->slots & 1) && life->story_step != UINT32_MAX && sim_life_story(life, record)) {
        return;
    }
    if (life->timer_count > 0 && life->timers[0].due_us <= now_us &&
        sim_life_timers(life, record)) {
        return;
    }
    if (life->next_cadence_us <= now_us && take_cadence(life, record)) {
        return;
    }
    fill(life, record);
}

int sim_life_new(const struct sim_campus *campus, uint64_t seed, double rate, int64_t start_ms,
                 struct sim_life **ret)
{
    struct sim_life *life = calloc(1, sizeof(*life));
    if (!life) {
        return -ENOMEM;
    }
    life->campus = campus;
    life->random.state = sim_mix(seed);
    life->start_ms = start_ms;
    life->instance = 1;
    life->pressure = 10095;
    int r = sim_life_devices_new(life);
    if (r >= 0) {
        r = sim_life_things_new(life);
    }
    if (r < 0) {
        sim_life_free(life);
        return r;
    }
    sim_life_set_rate(life, rate);
    *ret = life;
    return 0;
}

void sim_life_free(struct sim_life *life)
{
    if (!life) {
        return;
    }
    free(life->guests);
    free(life->persons);
    free(life->sighted);
    free(life->away);
    free(life->timers);
    free(life->places);
    free(life->tags);
    free(life->cameras);
    free(life->rooms);
    free(life);
}
