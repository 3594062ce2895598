/* campus_things.c: sensors, badges, beacons, assets, cameras and meeting rooms of the campus. */
#include "campus.h"

#include "world_random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOMS_PER_FLOOR  4U
#define CAMERAS_PER_ZONE 2U

enum purpose { PURPOSE_THINGS = 21 };

struct tag_look {
    const char *type;
    const char *group;
    const char *name;
    const char *firmware;
    unsigned per_devices; /* one tag for so many devices */
};

static const struct tag_look looks[SIM_TAG_KINDS] = {
    [SIM_SENSOR] = {"IOT_BLE_DEVICE", "\"sensors\"", "co2", "1.4", 20},
    [SIM_BADGE] = {"IOT_BLE_DEVICE", "", "badge", "", 50},
    [SIM_BEACON] = {"IOT_BLE_DEVICE", "", "beacon", "", 40},
    [SIM_ASSET] = {"IOT_UWB_TAG", "\"assets\"", "pump", "", 50},
};

static unsigned tags_of_kind(const struct sim_campus *campus, unsigned kind)
{
    unsigned number = campus->device_count / looks[kind].per_devices;
    return number < 12 ? 12 : number > 8000 ? 8000 : number;
}

/* Sensors and badges are counted as Bluetooth tags of each place around them. */
static void count_tag(struct sim_campus *campus, uint16_t place)
{
    for (;;) {
        campus->places[place].tags++;
        if (campus->places[place].kind == SIM_ROOT) {
            return;
        }
        place = campus->places[place].parent;
    }
}

static int make_tag(struct sim_campus *campus, struct sim_random *random, unsigned kind,
                    unsigned index)
{
    struct sim_tag *tag = &campus->tags[index];
    const struct tag_look *look = &looks[kind];
    unsigned number = index - campus->tag_first[kind] + 1;
    const struct sim_place *floor =
        &campus->places[campus->floors[sim_random_below(random, campus->floor_count)]];
    tag->place = (uint16_t)(floor->first_child + sim_random_below(random, floor->children));
    const struct sim_place *zone = &campus->places[tag->place];
    tag->x = (uint16_t)sim_random_between(random, zone->x_from, zone->x_to - 1U);
    tag->y = (uint16_t)sim_random_below(random, SIM_FLOOR_Y);
    int mac_length = snprintf(tag->mac, sizeof(tag->mac), "02:00:5e:3%u:%02x:%02x", kind & 7U,
                              number >> 8 & 255U, number & 255U);
    tag->partition = sim_partition_of(tag->mac, (size_t)mac_length);
    count_tag(campus, tag->place);
    char label[48] = "";
    if (kind == SIM_SENSOR) {
        (void)snprintf(label, sizeof(label), "%s", zone->name);
    }
    char text[512];
    int length =
        snprintf(text, sizeof(text),
                 "{\"deviceType\":\"%s\",\"deviceId\":\"%s\",\"deviceMacAddress\":\"%s\","
                 "\"group\":[%s],\"deviceName\":\"%s-%d-%u\",\"firmwareVersion\":\"%s\","
                 "\"rawDeviceId\":\"\",\"manufacturer\":\"Example Sensors\",\"companyId\":\"\","
                 "\"serviceUuid\":\"\",\"label\":\"%s\"}",
                 look->type, tag->mac, tag->mac, look->group, look->name, zone->floor_number,
                 number, look->firmware, label);
    tag->info_length = (uint16_t)length;
    tag->info = sim_campus_keep(campus, text, (size_t)length);
    return tag->info ? 0 : -ENOMEM;
}

static int make_tags(struct sim_campus *campus, struct sim_random *random)
{
    for (unsigned kind = 0; kind < SIM_TAG_KINDS; kind++) {
        campus->tag_first[kind + 1] = campus->tag_first[kind] + tags_of_kind(campus, kind);
    }
    campus->tags = calloc(campus->tag_first[SIM_TAG_KINDS], sizeof(*campus->tags));
    if (!campus->tags) {
        return -ENOMEM;
    }
    for (unsigned kind = 0; kind < SIM_TAG_KINDS; kind++) {
        for (unsigned i = campus->tag_first[kind]; i < campus->tag_first[kind + 1]; i++) {
            int r = make_tag(campus, random, kind, i);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

/* The first zone of every floor, its reception, is watched by two cameras. */
static int make_cameras(struct sim_campus *campus)
{
    campus->camera_count = campus->floor_count * CAMERAS_PER_ZONE;
    campus->cameras = calloc(campus->camera_count, sizeof(*campus->cameras));
    if (!campus->cameras) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < campus->camera_count; i++) {
        struct sim_camera *camera = &campus->cameras[i];
        camera->place = campus->places[campus->floors[i / CAMERAS_PER_ZONE]].first_child;
        (void)snprintf(camera->id, sizeof(camera->id), "EX2P-%04u-%04u",
                       i / CAMERAS_PER_ZONE % 10000, i % CAMERAS_PER_ZONE + 1);
        (void)snprintf(camera->zone_id, sizeof(camera->zone_id), "zone-%s",
                       i % CAMERAS_PER_ZONE ? "door" : "lobby");
    }
    return 0;
}

static int make_room(struct sim_campus *campus, struct sim_random *random, unsigned index)
{
    struct sim_room *room = &campus->rooms[index];
    char text[512];
    char id[24];
    room->place = campus->floors[index / ROOMS_PER_FLOOR];
    const struct sim_place *floor = &campus->places[room->place];
    char name[24];
    (void)snprintf(name, sizeof(name), "Room %d.%u", floor->floor_number,
                   10 + index % ROOMS_PER_FLOOR);
    room->capacity = (uint16_t)sim_random_between(random, 4, 16);
    int length = snprintf(text, sizeof(text),
                          "{\"id\":\"space-%04u\",\"name\":\"%s\",\"floorId\":\"%s\",\"type\":"
                          "\"ROOM\",\"capacity\":%u,\"occupancyType\":\"PEOPLE_COUNT\"}",
                          index + 1, name, floor->id, room->capacity);
    room->space_length = (uint16_t)length;
    room->space = sim_campus_keep(campus, text, (size_t)length);
    int id_length = snprintf(id, sizeof(id), "webex-device-%04u", index + 1);
    room->webex_partition = sim_partition_of(id, (size_t)id_length);
    length =
        snprintf(text, sizeof(text),
                 "{\"deviceId\":\"%s\",\"macAddress\":\"02:00:5e:40:%02x:%02x\","
                 "\"ipAddress\":\"192.0.2.%u\",\"product\":\"Room Bar\",\"displayName\":"
                 "\"%s\",\"serialNumber\":\"EXAMPLE%04u\",\"softwareVersion\":"
                 "\"RoomOS 11.32\",\"workspaceId\":\"workspace-%04u\",\"orgId\":\"org-0001\"}",
                 id, index >> 8 & 255U, index & 255U, index % 200 + 20, name, index + 1, index + 1);
    room->webex_length = (uint16_t)length;
    room->webex = sim_campus_keep(campus, text, (size_t)length);
    id_length = snprintf(room->panel_id, sizeof(room->panel_id), "tp-%04u", (index + 1) % 100000);
    room->panel_partition = sim_partition_of(room->panel_id, (size_t)id_length);
    (void)snprintf(room->panel_mac, sizeof(room->panel_mac), "02:00:5e:41:%02x:%02x",
                   index >> 8 & 255U, index & 255U);
    return room->space && room->webex ? 0 : -ENOMEM;
}

int sim_campus_make_things(struct sim_campus *campus)
{
    struct sim_random random = {sim_mix2(campus->seed, PURPOSE_THINGS)};
    int r = make_tags(campus, &random);
    if (r >= 0) {
        r = make_cameras(campus);
    }
    if (r < 0) {
        return r;
    }
    campus->room_count = campus->floor_count * ROOMS_PER_FLOOR;
    campus->rooms = calloc(campus->room_count, sizeof(*campus->rooms));
    if (!campus->rooms) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < campus->room_count; i++) {
        r = make_room(campus, &random, i);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
