/* life.h: what moves in the simulated world. Asked for one event after the other, it decides who
 * acts and writes the descriptor. Knows the time only as the microseconds it is given, and draws
 * every chance from its seed: the same questions get the same answers. One thread owns it.
 *
 * How a rate is met: each event slot goes to the first of
 *   1. what an event just told entails (an entry is an association, a presence, perhaps a user),
 *   2. every other slot, the story of an activation: hierarchy, anchors, access points, rooms,
 *   3. devices whose time has come (10 minutes unseen, idle long enough, gone),
 *   4. what has a cadence of its own (counts each minute, cameras, rooms, network ...),
 *   5. a sighting or reading: what real sites have most of fills all that is left.
 * Cadences are capped by a share of the rate, and so is the number of devices present: each must be
 * seen often enough not to fall inactive by lack of slots. */
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include "campus.h"
#include "world_random.h"
#include "world_record.h"

#include <stdbool.h>

#define SIM_SECOND 1000000LL /* of world time, in microseconds */
#define SIM_MINUTE (60 * SIM_SECOND)

#define SIM_INACTIVE_AFTER (10 * SIM_MINUTE)
#define SIM_EXIT_AFTER     (60 * SIM_MINUTE) /* idle; "depends on the industry" */

struct sim_life;

int sim_life_new(const struct sim_campus *campus, uint64_t seed, double rate, int64_t start_ms,
                 struct sim_life **ret);
void sim_life_free(struct sim_life *life);
void sim_life_set_rate(struct sim_life *life, double rate);
/* The next event, at now_us since the start; never goes back in time. Leaves the stamps alone. */
void sim_life_next(struct sim_life *life, int64_t now_us, struct sim_record *record);

/* ---- between life*.c only ---- */

enum sim_state { SIM_AWAY, SIM_SIGHTED, SIM_QUIET, SIM_INACTIVE, SIM_LEAVING };

struct sim_guest { /* a device's moving part */
    int64_t last_seen_us;
    int64_t moved_us;
    int64_t dwell_until_us;
    int64_t entry_us;
    int64_t leave_us;
    int64_t return_us;
    uint32_t visit;
    uint32_t slot; /* in sighted or away */
    uint16_t place;
    uint16_t floor;
    uint16_t x;
    uint16_t y;
    uint16_t target_x;
    uint16_t target_y;
    uint8_t state;
    uint8_t version;
    uint8_t ssid;
    uint8_t days;
};

struct sim_person { /* a user's */
    int64_t entry_us;
    uint32_t visit;
    uint16_t building;
    uint8_t present;
    uint8_t active;
    bool was_inactive;
};

struct sim_place_state {
    uint32_t active; /* devices in it and below */
    uint32_t inactive;
    uint32_t reported;
    uint16_t reported_probing;
    uint16_t revision;
    uint32_t named_active; /* buildings only: users, and devices without one */
    uint32_t named_inactive;
    uint32_t unnamed_active;
    uint32_t unnamed_inactive;
};

struct sim_tag_state {
    int64_t changed_us;
    uint32_t sequence;
    int16_t temperature;
    uint16_t co2;
    uint16_t tvoc;
    uint16_t x;
    uint16_t y;
    uint8_t humidity;
    uint8_t battery;
};

struct sim_camera_state {
    int16_t count;
    int16_t reported; /* first camera of a zone: the zone's sum last told */
};

struct sim_room_state {
    int64_t window; /* number of the quarter of an hour last told */
    int16_t people;
    int16_t peak;
    bool booked;
};

struct sim_timer {
    int64_t due_us;
    uint32_t device;
};

struct sim_action {
    uint8_t type;
    uint8_t detail;
    uint32_t actor;
};

#define SIM_CADENCES 17

struct sim_cadence {
    int64_t due_us;
    double interval_us;
    uint32_t cursor;
};

struct sim_life {
    const struct sim_campus *campus;
    struct sim_random random;
    int64_t start_ms;
    int64_t now_us;
    double rate;
    uint64_t slots;

    struct sim_guest *guests;
    struct sim_person *persons;
    uint32_t *sighted; /* devices that are being located */
    uint32_t *away;
    uint32_t sighted_count;
    uint32_t sighted_cursor;
    uint32_t away_count;
    uint32_t target; /* how many devices should be present */
    uint32_t visits;

    struct sim_timer *timers; /* a binary heap; at most one per device */
    uint32_t timer_count;

    struct sim_action actions[16]; /* ring */
    uint32_t action_first;
    uint32_t action_end;

    struct sim_place_state *places;
    struct sim_tag_state *tags;
    struct sim_camera_state *cameras;
    struct sim_room_state *rooms;
    bool connector_up[SIM_CONNECTORS];
    uint16_t pressure; /* the weather: tenths of hectopascal */

    uint32_t story_step; /* UINT32_MAX: no activation is being told */
    uint32_t instance;
    uint32_t admins;

    struct sim_cadence cadences[SIM_CADENCES];
    int64_t next_cadence_us;
};

/* life.c */
void sim_life_push(struct sim_life *life, unsigned type, unsigned detail, uint32_t actor);

/* life_device.c */
int sim_life_devices_new(struct sim_life *life);
void sim_life_set_target(struct sim_life *life);
bool sim_life_timers(struct sim_life *life, struct sim_record *record);
void sim_life_presence(struct sim_life *life, const struct sim_action *action,
                       struct sim_record *record);
void sim_life_user_presence(struct sim_life *life, const struct sim_action *action,
                            struct sim_record *record);
void sim_life_device_event(struct sim_life *life, const struct sim_action *action,
                           struct sim_record *record);
/* False when nobody can: the slot is somebody else's. */
bool sim_life_arrive(struct sim_life *life, struct sim_record *record);
bool sim_life_sight(struct sim_life *life, struct sim_record *record);
bool sim_life_hear(struct sim_life *life, unsigned type, struct sim_record *record);
bool sim_life_change_ssid(struct sim_life *life, struct sim_record *record);
bool sim_life_change_profile(struct sim_life *life, struct sim_record *record);
bool sim_life_take(struct sim_life *life, struct sim_record *record); /* run the next action */

/* life_thing.c */
int sim_life_things_new(struct sim_life *life);
void sim_life_read_sensor(struct sim_life *life, struct sim_record *record);
void sim_life_hear_beacon(struct sim_life *life, struct sim_record *record);
void sim_life_locate_asset(struct sim_life *life, struct sim_record *record);
bool sim_life_press_badge(struct sim_life *life, struct sim_record *record);
bool sim_life_watch(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record);
bool sim_life_count_cameras(struct sim_life *life, struct sim_cadence *cadence,
                            struct sim_record *record);
bool sim_life_room(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record);
bool sim_life_occupancy(struct sim_life *life, struct sim_cadence *cadence,
                        struct sim_record *record);
void sim_life_room_event(struct sim_life *life, const struct sim_action *action,
                         struct sim_record *record);

/* life_place.c */
bool sim_life_count(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record);
bool sim_life_network(struct sim_life *life, struct sim_cadence *cadence,
                      struct sim_record *record);
bool sim_life_connector(struct sim_life *life, struct sim_cadence *cadence,
                        struct sim_record *record);
bool sim_life_topology(struct sim_life *life, struct sim_cadence *cadence,
                       struct sim_record *record);
bool sim_life_anchor(struct sim_life *life, struct sim_cadence *cadence, struct sim_record *record);
bool sim_life_feature(struct sim_life *life, struct sim_cadence *cadence,
                      struct sim_record *record);
bool sim_life_relabel(struct sim_life *life, struct sim_cadence *cadence,
                      struct sim_record *record);
bool sim_life_account(struct sim_life *life, struct sim_record *record);
bool sim_life_story(struct sim_life *life, struct sim_record *record);

static inline void sim_record_place(struct sim_record *record, const struct sim_campus *campus,
                                    unsigned type, uint32_t actor, uint16_t place)
{
    *record = (struct sim_record){
        .type = (uint8_t)type,
        .actor = actor,
        .location = place,
        .partition = campus->places[place].partition,
    };
}

#endif
