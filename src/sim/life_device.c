/* life_device.c: how devices and their users come, move, fall silent and go. Owns the counts of
 * devices per place and of users per building: every change of them happens in the presence event
 * (or the sighting elsewhere) that tells it, so that the stream alone yields the same numbers. */
#include "life.h"

#include <errno.h>
#include <stdlib.h>

#define WALK_PER_SECOND 16 /* quarters of a foot */
#define NEVER           INT64_MAX

int sim_life_devices_new(struct sim_life *life)
{
    const struct sim_campus *campus = life->campus;
    uint32_t devices = campus->device_count;
    life->guests = calloc(devices, sizeof(*life->guests));
    life->persons = calloc(devices, sizeof(*life->persons));
    life->sighted = calloc(devices, sizeof(*life->sighted));
    life->away = calloc(devices, sizeof(*life->away));
    life->timers = calloc(devices, sizeof(*life->timers));
    life->places = calloc(campus->place_count, sizeof(*life->places));
    if (!life->guests || !life->persons || !life->sighted || !life->away || !life->timers ||
        !life->places) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < devices; i++) {
        life->away[i] = i;
        life->guests[i].slot = i;
        life->guests[i].ssid = campus->devices[i].user == SIM_NOBODY ? 1 : 0;
        life->guests[i].days = (uint8_t)sim_random_below(&life->random, 31);
    }
    life->away_count = devices;
    return 0;
}

/* A device present is sighted every three minutes at least, or it would fall inactive for want of
 * slots rather than by its own doing. */
void sim_life_set_target(struct sim_life *life)
{
    double crowd = life->campus->device_count * 0.7;
    double seen = life->rate * 120;
    double target = crowd < seen ? crowd : seen;
    life->target = target < 4 ? 4 : (uint32_t)target;
    if (life->target > life->campus->device_count) {
        life->target = life->campus->device_count;
    }
}

/* ---- timers: a binary heap by time, then by device ---- */

static bool earlier(const struct sim_timer *a, const struct sim_timer *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->device < b->device;
}

static void timer_add(struct sim_life *life, int64_t due_us, uint32_t device)
{
    struct sim_timer timer = {due_us, device};
    uint32_t at = life->timer_count++;
    while (at > 0 && earlier(&timer, &life->timers[(at - 1) / 2])) {
        life->timers[at] = life->timers[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    life->timers[at] = timer;
}

static uint32_t timer_take(struct sim_life *life)
{
    uint32_t device = life->timers[0].device;
    struct sim_timer last = life->timers[--life->timer_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= life->timer_count) {
            break;
        }
        if (child + 1 < life->timer_count &&
            earlier(&life->timers[child + 1], &life->timers[child])) {
            child++;
        }
        if (!earlier(&life->timers[child], &last)) {
            break;
        }
        life->timers[at] = life->timers[child];
        at = child;
    }
    life->timers[at] = last;
    return device;
}

/* ---- lists of who is sighted and who is away ---- */

static void list_add(struct sim_life *life, uint32_t *list, uint32_t *count, uint32_t device)
{
    life->guests[device].slot = *count;
    list[(*count)++] = device;
}

static void list_remove(struct sim_life *life, uint32_t *list, uint32_t *count, uint32_t device)
{
    uint32_t slot = life->guests[device].slot;
    uint32_t last = list[--*count];
    list[slot] = last;
    life->guests[last].slot = slot;
}

static void count_devices(struct sim_life *life, uint16_t place, int32_t active, int32_t inactive)
{
    for (;;) {
        life->places[place].active += (uint32_t)active;
        life->places[place].inactive += (uint32_t)inactive;
        if (life->campus->places[place].kind == SIM_ROOT) {
            return;
        }
        place = life->campus->places[place].parent;
    }
}

static void device_record(const struct sim_life *life, unsigned type, uint32_t device,
                          uint16_t place, struct sim_record *record)
{
    const struct sim_guest *guest = &life->guests[device];
    *record = (struct sim_record){
        .type = (uint8_t)type,
        .actor = device,
        .location = place,
        .partition = life->campus->devices[device].partition,
        .version = guest->version,
        .ssid = guest->ssid,
    };
}

/* Difference of the two stamps as they are told, each cut to the millisecond: so an entry keeps its
 * stamp in every later event. Entries may lie before the start; the offset keeps them positive. */
static uint32_t age_ms(const struct sim_life *life, int64_t then_us)
{
    const int64_t offset_us = 60 * SIM_MINUTE;
    return (uint32_t)((life->now_us + offset_us) / 1000 - (then_us + offset_us) / 1000);
}

/* ---- users ---- */

/* One device of the user was added (+1), removed (-1) or neither, among those present and among
 * those active: tell what that means for the user. Devices without a user count as one each. */
static void user_step(struct sim_life *life, uint32_t device, int present, int active)
{
    uint32_t user = life->campus->devices[device].user;
    const struct sim_guest *guest = &life->guests[device];
    uint16_t building = life->campus->places[guest->floor].building;
    struct sim_place_state *counts = &life->places[building];
    if (user == SIM_NOBODY) {
        counts->unnamed_active += (uint32_t)active;
        counts->unnamed_inactive += (uint32_t)(present - active);
        return;
    }
    struct sim_person *person = &life->persons[user];
    bool was_present = person->present > 0;
    bool was_active = person->active > 0;
    person->present = (uint8_t)(person->present + present);
    person->active = (uint8_t)(person->active + active);
    person->was_inactive = was_present && !was_active;
    counts->named_active += (uint32_t)((person->active > 0) - was_active);
    counts->named_inactive +=
        (uint32_t)((person->present > 0 && person->active == 0) - (was_present && !was_active));
    if (!was_present) {
        person->building = building;
        person->entry_us = guest->entry_us;
        person->visit = ++life->visits;
        sim_life_push(life, SIM_USER_PRESENCE, SIM_ENTERED, device);
    } else if (person->present == 0) {
        sim_life_push(life, SIM_USER_PRESENCE, SIM_LEFT, device);
    } else if (was_active != (person->active > 0)) {
        sim_life_push(life, SIM_USER_PRESENCE,
                      person->active ? SIM_BECAME_ACTIVE : SIM_BECAME_INACTIVE, device);
    }
}

void sim_life_user_presence(struct sim_life *life, const struct sim_action *action,
                            struct sim_record *record)
{
    uint32_t device = action->actor;
    uint32_t user = life->campus->devices[device].user;
    const struct sim_person *person = &life->persons[user];
    const struct sim_place_state *counts = &life->places[person->building];
    sim_record_place(record, life->campus, SIM_USER_PRESENCE, user, person->building);
    record->partition = life->campus->users[user].partition;
    record->detail = action->detail;
    record->extra = person->was_inactive ? 0x80 : 0;
    record->value.user.visit = person->visit;
    record->value.user.entry_age_ms = age_ms(life, person->entry_us);
    record->value.user.active_named = (uint16_t)counts->named_active;
    record->value.user.active_unnamed = (uint16_t)counts->unnamed_active;
    record->value.user.inactive_named = (uint16_t)counts->named_inactive;
    record->value.user.inactive_unnamed = (uint16_t)counts->unnamed_inactive;
    if (action->detail == SIM_LEFT) {
        uint32_t seconds = age_ms(life, life->guests[device].last_seen_us) / 1000;
        seconds = seconds > UINT16_MAX ? UINT16_MAX : seconds;
        record->ssid = (uint8_t)(seconds >> 8);
        record->version = (uint8_t)seconds;
    }
}

/* ---- presence ---- */

static int64_t visit_length(struct sim_life *life)
{
    uint32_t lot = sim_random_below(&life->random, 100);
    if (lot < 15) { /* passes by */
        return (int64_t)sim_random_between(&life->random, 5, 90) * SIM_SECOND;
    }
    if (lot < 60) { /* visits */
        return (int64_t)sim_random_between(&life->random, 600, 7200) * SIM_SECOND;
    }
    return (int64_t)sim_random_between(&life->random, 3600, 28800) * SIM_SECOND;
}

/* What the presence kind changes; SSID and user name changes leave the state alone. */
static void change_state(struct sim_life *life, uint32_t device, unsigned kind)
{
    struct sim_guest *guest = &life->guests[device];
    bool was_inactive = guest->state == SIM_INACTIVE;
    switch (kind) {
    case SIM_ENTERED:
        count_devices(life, guest->place, 1, 0);
        list_add(life, life->sighted, &life->sighted_count, device);
        guest->state = SIM_SIGHTED;
        guest->last_seen_us = life->now_us;
        user_step(life, device, 1, 1);
        break;
    case SIM_BECAME_INACTIVE:
        count_devices(life, guest->place, -1, 1);
        guest->state = SIM_INACTIVE;
        timer_add(life,
                  guest->return_us < guest->last_seen_us + SIM_EXIT_AFTER
                      ? guest->return_us
                      : guest->last_seen_us + SIM_EXIT_AFTER,
                  device);
        user_step(life, device, 0, -1);
        break;
    case SIM_BECAME_ACTIVE:
        count_devices(life, guest->place, 1, -1);
        list_add(life, life->sighted, &life->sighted_count, device);
        guest->state = SIM_SIGHTED;
        guest->last_seen_us = life->now_us;
        user_step(life, device, 0, 1);
        break;
    case SIM_LEFT:
        count_devices(life, guest->place, was_inactive ? 0 : -1, was_inactive ? -1 : 0);
        list_add(life, life->away, &life->away_count, device);
        guest->state = SIM_AWAY;
        user_step(life, device, -1, was_inactive ? 0 : -1);
        break;
    default:
        break;
    }
}

static void fill_presence(const struct sim_life *life, const struct sim_guest *guest,
                          struct sim_record *record)
{
    record->extra |= (uint8_t)(guest->days & 0x7f);
    record->value.presence.visit = guest->visit;
    record->value.presence.entry_age_ms = age_ms(life, guest->entry_us);
    record->value.presence.exit_age_ms = age_ms(life, guest->last_seen_us);
    record->value.presence.active = (uint16_t)life->places[guest->floor].active;
    record->value.presence.inactive = (uint16_t)life->places[guest->floor].inactive;
}

void sim_life_presence(struct sim_life *life, const struct sim_action *action,
                       struct sim_record *record)
{
    uint32_t device = action->actor;
    struct sim_guest *guest = &life->guests[device];
    bool was_inactive = guest->state == SIM_INACTIVE;
    change_state(life, device, action->detail);
    device_record(life, SIM_DEVICE_PRESENCE, device, guest->floor, record);
    record->detail = action->detail;
    record->extra = was_inactive ? 0x80 : 0;
    fill_presence(life, guest, record);
}

/* The events that only tell: association, profile, the old entry and exit, Wi-Fi details. */
void sim_life_device_event(struct sim_life *life, const struct sim_action *action,
                           struct sim_record *record)
{
    uint32_t device = action->actor;
    const struct sim_guest *guest = &life->guests[device];
    bool old_presence = action->type == SIM_DEVICE_ENTRY || action->type == SIM_DEVICE_EXIT;
    device_record(life, action->type, device, old_presence ? guest->floor : guest->place, record);
    record->detail = action->detail;
    if (old_presence) {
        fill_presence(life, guest, record);
    }
}

/* All devices of a user are in one building. */
static uint16_t choose_floor(struct sim_life *life, uint32_t device)
{
    uint32_t user = life->campus->devices[device].user;
    const struct sim_campus *campus = life->campus;
    if (user == SIM_NOBODY || life->persons[user].present == 0) {
        return campus->floors[sim_random_below(&life->random, campus->floor_count)];
    }
    uint16_t building = life->persons[user].building;
    for (;;) {
        uint16_t floor = campus->floors[sim_random_below(&life->random, campus->floor_count)];
        if (campus->places[floor].building == building) {
            return floor;
        }
    }
}

bool sim_life_arrive(struct sim_life *life, struct sim_record *record)
{
    if (life->away_count == 0) {
        return false;
    }
    uint32_t device = life->away[sim_random_below(&life->random, life->away_count)];
    struct sim_guest *guest = &life->guests[device];
    list_remove(life, life->away, &life->away_count, device);
    if (guest->visit != 0) {
        guest->days = 0; /* was here today already */
    }
    guest->floor = choose_floor(life, device);
    guest->x = (uint16_t)sim_random_below(&life->random, SIM_FLOOR_X);
    guest->y = (uint16_t)sim_random_below(&life->random, SIM_FLOOR_Y);
    guest->target_x = guest->x;
    guest->target_y = guest->y;
    guest->place = sim_campus_place_at(life->campus, guest->floor, guest->x);
    guest->visit = ++life->visits;
    guest->entry_us = life->now_us - (int64_t)sim_random_between(&life->random, 2, 40) * SIM_SECOND;
    guest->last_seen_us = life->now_us;
    guest->moved_us = life->now_us;
    guest->dwell_until_us = life->now_us;
    guest->leave_us = life->now_us + visit_length(life);
    sim_life_push(life, SIM_DEVICE_ASSOCIATION, 1, device);
    sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_ENTERED, device);
    sim_life_push(life, SIM_DEVICE_ENTRY, 0, device);
    sim_life_push(life, SIM_WIFI_DEVICE_UPDATE, 0, device);
    return sim_life_take(life, record);
}

/* ---- silence ---- */

static void fall_quiet(struct sim_life *life, uint32_t device, int64_t return_us)
{
    struct sim_guest *guest = &life->guests[device];
    list_remove(life, life->sighted, &life->sighted_count, device);
    int64_t inactive_us = guest->last_seen_us + SIM_INACTIVE_AFTER;
    guest->state = SIM_QUIET;
    guest->return_us = return_us;
    timer_add(life, return_us < inactive_us ? return_us : inactive_us, device);
}

/* Three in five sign off, the others are just no longer heard of. */
static bool leave(struct sim_life *life, uint32_t device, struct sim_record *record)
{
    if (!sim_random_permille(&life->random, 600)) {
        fall_quiet(life, device, NEVER);
        return false;
    }
    list_remove(life, life->sighted, &life->sighted_count, device);
    life->guests[device].state = SIM_LEAVING;
    timer_add(life, life->now_us + (int64_t)sim_random_between(&life->random, 5, 20) * SIM_SECOND,
              device);
    sim_life_push(life, SIM_DEVICE_ASSOCIATION, 0, device);
    return sim_life_take(life, record);
}

/* ---- sightings ---- */

/* In order, but each with one of its next neighbours: everybody's turn comes, none is predictable.
 */
static uint32_t pick_sighted(struct sim_life *life)
{
    if (life->sighted_cursor >= life->sighted_count) {
        life->sighted_cursor = 0;
    }
    uint32_t at = life->sighted_cursor++;
    uint32_t left = life->sighted_count - at;
    uint32_t other = at + sim_random_below(&life->random, left < 8 ? left : 8);
    uint32_t device = life->sighted[other];
    life->sighted[other] = life->sighted[at];
    life->sighted[at] = device;
    life->guests[life->sighted[other]].slot = other;
    life->guests[device].slot = at;
    return device;
}

static void change_place(struct sim_life *life, struct sim_guest *guest)
{
    uint16_t place = sim_campus_place_at(life->campus, guest->floor, guest->x);
    if (place != guest->place) {
        count_devices(life, guest->place, -1, 0);
        count_devices(life, place, 1, 0);
        guest->place = place;
    }
}

/* Most walks stay in the room; some lead through the floor, a few to another floor by the lift. */
static void choose_target(struct sim_life *life, struct sim_guest *guest)
{
    const struct sim_campus *campus = life->campus;
    uint32_t lot = sim_random_below(&life->random, 100);
    if (lot < 6) {
        const struct sim_place *floor = &campus->places[guest->floor];
        uint16_t other = campus->floors[sim_random_below(&life->random, campus->floor_count)];
        if (other != guest->floor && campus->places[other].building == floor->building) {
            guest->floor = other;
            guest->x = SIM_FLOOR_X - 50;
        }
    }
    const struct sim_place *here = &campus->places[guest->place];
    if (lot < 50 || here->kind != SIM_ZONE) {
        guest->target_x = (uint16_t)sim_random_below(&life->random, SIM_FLOOR_X);
    } else {
        guest->target_x =
            (uint16_t)sim_random_between(&life->random, here->x_from, here->x_to - 1U);
    }
    guest->target_y = (uint16_t)sim_random_below(&life->random, SIM_FLOOR_Y);
}

static uint16_t toward(uint16_t from, uint16_t to, int64_t most)
{
    int64_t distance = (int64_t)to - from;
    distance = distance > most ? most : distance < -most ? -most : distance;
    return (uint16_t)(from + distance);
}

static void walk(struct sim_life *life, struct sim_guest *guest)
{
    if (guest->x == guest->target_x && guest->y == guest->target_y) {
        guest->moved_us = life->now_us;
        if (life->now_us < guest->dwell_until_us) {
            return;
        }
        choose_target(life, guest);
        change_place(life, guest);
        return;
    }
    int64_t steps = (life->now_us - guest->moved_us) * WALK_PER_SECOND / SIM_SECOND;
    if (steps == 0) {
        return; /* so soon after the last sighting: keep the time for the next one */
    }
    guest->moved_us = life->now_us;
    guest->x = toward(guest->x, guest->target_x, steps);
    guest->y = toward(guest->y, guest->target_y, steps);
    if (guest->x == guest->target_x && guest->y == guest->target_y) {
        guest->dwell_until_us =
            life->now_us + (int64_t)sim_random_between(&life->random, 10, 600) * SIM_SECOND;
    }
    change_place(life, guest);
}

static uint16_t blur(uint16_t value, uint32_t noise, uint16_t limit)
{
    uint32_t blurred = value + noise;
    return (uint16_t)(blurred < 8 ? 0 : blurred - 8 >= limit ? limit - 1U : blurred - 8);
}

static void fill_sighting(struct sim_life *life, const struct sim_guest *guest,
                          struct sim_record *record)
{
    uint64_t noise = sim_random_next(&life->random);
    record->value.sighting.visit = guest->visit;
    record->value.sighting.seen_age_ms = 200 + (noise & 0xfff);
    record->value.sighting.x = blur(guest->x, noise >> 12 & 15, SIM_FLOOR_X);
    record->value.sighting.y = blur(guest->y, noise >> 16 & 15, SIM_FLOOR_Y);
    record->value.sighting.confidence = (uint8_t)(2 + (noise >> 20 & 7));
    record->value.sighting.uncertainty = (uint8_t)(30 + (noise >> 23 & 63));
    record->value.sighting.rssi = (int8_t)(-45 - (int)(noise >> 29 & 31));
    uint32_t lot = noise >> 34 & 0xfff;
    if (lot < 8) { /* the odd values of the API reference, section 8 */
        record->extra |= SIM_ODD_NO_COORDINATES;
    } else if (lot < 12) {
        record->extra |= SIM_ODD_NO_MAP;
    } else if (lot < 14) {
        record->value.sighting.seen_age_ms = 21 * 60 * 1000;
    }
}

static void locate(struct sim_life *life, uint32_t device, struct sim_record *record)
{
    struct sim_guest *guest = &life->guests[device];
    walk(life, guest);
    guest->last_seen_us = life->now_us;
    device_record(life, SIM_DEVICE_LOCATION_UPDATE, device, guest->place, record);
    fill_sighting(life, guest, record);
}

bool sim_life_sight(struct sim_life *life, struct sim_record *record)
{
    if (life->sighted_count == 0) {
        return sim_life_arrive(life, record);
    }
    uint32_t device = pick_sighted(life);
    struct sim_guest *guest = &life->guests[device];
    int64_t unseen_us = life->now_us - guest->last_seen_us;
    if (unseen_us >= SIM_INACTIVE_AFTER) { /* the rate fell: there were no slots to see it */
        list_remove(life, life->sighted, &life->sighted_count, device);
        guest->return_us =
            life->now_us + (int64_t)sim_random_between(&life->random, 1, 60) * SIM_MINUTE;
        sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_BECAME_INACTIVE, device);
        return sim_life_take(life, record);
    }
    if (life->now_us >= guest->leave_us) {
        return leave(life, device, record);
    }
    locate(life, device, record);
    /* Phones sleep: once in 40 minutes on average, for two to 45 minutes. */
    if ((int64_t)sim_random_below(&life->random, 2400U * 1000U * 1000U) < unseen_us) {
        fall_quiet(life, device,
                   life->now_us +
                       (int64_t)sim_random_between(&life->random, 120, 2700) * SIM_SECOND);
    }
    return true;
}

bool sim_life_hear(struct sim_life *life, unsigned type, struct sim_record *record)
{
    if (life->sighted_count == 0) {
        return false;
    }
    uint32_t device = life->sighted[sim_random_below(&life->random, life->sighted_count)];
    device_record(life, type, device, life->guests[device].place, record);
    fill_sighting(life, &life->guests[device], record);
    record->extra = 0;
    return true;
}

bool sim_life_timers(struct sim_life *life, struct sim_record *record)
{
    while (life->timer_count > 0 && life->timers[0].due_us <= life->now_us) {
        uint32_t device = timer_take(life);
        struct sim_guest *guest = &life->guests[device];
        bool returns = guest->return_us <= life->now_us && guest->state != SIM_LEAVING;
        if (guest->state == SIM_QUIET && returns &&
            life->now_us - guest->last_seen_us < SIM_INACTIVE_AFTER) {
            list_add(life, life->sighted, &life->sighted_count, device);
            guest->state = SIM_SIGHTED;
            locate(life, device, record);
            return true;
        }
        if (guest->state == SIM_QUIET) {
            sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_BECAME_INACTIVE, device);
        } else if (returns) {
            sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_BECAME_ACTIVE, device);
        } else {
            sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_LEFT, device);
            sim_life_push(life, SIM_DEVICE_EXIT, 0, device);
        }
        return sim_life_take(life, record);
    }
    return false;
}

/* ---- changes of a device present ---- */

bool sim_life_change_ssid(struct sim_life *life, struct sim_record *record)
{
    if (life->sighted_count == 0) {
        return false;
    }
    uint32_t device = life->sighted[sim_random_below(&life->random, life->sighted_count)];
    struct sim_guest *guest = &life->guests[device];
    guest->ssid = (uint8_t)((guest->ssid + 1) % SIM_SSIDS);
    sim_life_push(life, SIM_DEVICE_ASSOCIATION, 1, device);
    sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_SSID_CHANGED, device);
    return sim_life_take(life, record);
}

/* A guest signs in at the portal (or withdraws), staff changes its details. */
bool sim_life_change_profile(struct sim_life *life, struct sim_record *record)
{
    if (life->sighted_count == 0) {
        return false;
    }
    uint32_t device = life->sighted[sim_random_below(&life->random, life->sighted_count)];
    life->guests[device].version ^= 1;
    sim_life_push(life, SIM_PROFILE_UPDATE, 0, device);
    if (life->campus->devices[device].user == SIM_NOBODY) {
        sim_life_push(life, SIM_DEVICE_PRESENCE, SIM_RAW_USER_CHANGED, device);
    }
    return sim_life_take(life, record);
}
