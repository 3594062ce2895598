/* campus.h: what stands still in the simulated world: places, devices, users, tags, cameras, rooms,
 * with the pieces of JSON that never change already rendered. Built once from the seed, then read
 * by any thread without a lock. Knows nothing of time. */
#ifndef SIM_CAMPUS_H
#define SIM_CAMPUS_H

#include "world.h"

#include "fh/err.h"

#include <stddef.h>
#include <stdint.h>

#define SIM_TENANT_ID      "spaces-tenant-0a1b2c3d"
#define SIM_TENANT_NAME    "Example Org"
#define SIM_PARTNER_TENANT "EXAMPLE-PARTNER"
#define SIM_TIME_ZONE      "Europe/Amsterdam"

#define SIM_NOBODY      UINT32_MAX
#define SIM_MAX_DEVICES 1000000U
#define SIM_FLOOR_X     1066U /* floors are 266.5 by 150 feet, in quarters of a foot */
#define SIM_FLOOR_Y     600U
#define SIM_SSIDS       3U
#define SIM_CONNECTORS  4U

enum sim_place_kind { SIM_ROOT, SIM_CAMPUS, SIM_BUILDING, SIM_FLOOR, SIM_ZONE };

/* Places are ordered root first; a floor's zones follow it directly, in order of x. */
struct sim_place {
    uint8_t kind;
    uint8_t partition;
    uint16_t parent; /* itself for the root */
    uint16_t building;
    uint16_t floor;
    uint16_t first_child;
    uint16_t children;
    uint16_t x_from; /* zones: strip of the floor */
    uint16_t x_to;
    int16_t floor_number;
    uint16_t access_points;
    uint16_t first_access_point;
    uint16_t tags; /* tags and badges inside */
    uint32_t capacity;
    uint32_t source_id;
    int32_t latitude_e6;
    int32_t longitude_e6;
    char id[18];
    char name[32];
    char map_id[33];
    const char *text; /* the location object, with its parents */
    size_t text_length;
};

struct sim_device {
    const char *text[2]; /* the device object, one per profile version */
    uint16_t text_length[2];
    uint16_t addresses_length;
    uint8_t partition;
    uint32_t user; /* or SIM_NOBODY */
    const char *addresses;
    char mac[18];
    char raw_user[16];
};

struct sim_user {
    const char *text;
    uint16_t text_length;
    uint8_t partition;
    uint8_t devices; /* 1 or 2, following first_device */
    uint32_t first_device;
    char raw_user[16];
};

enum sim_tag_kind { SIM_SENSOR, SIM_BADGE, SIM_BEACON, SIM_ASSET, SIM_TAG_KINDS };

struct sim_tag {
    const char *info; /* the deviceInfo object */
    uint16_t info_length;
    uint16_t place; /* a zone */
    uint16_t x;
    uint16_t y;
    uint8_t partition;
    char mac[18];
};

struct sim_camera {
    uint16_t place; /* a zone; the cameras of one zone follow each other */
    char id[16];
    char zone_id[16];
};

struct sim_room {
    uint16_t place; /* a floor */
    uint16_t capacity;
    uint8_t webex_partition;
    uint8_t panel_partition;
    const char *space; /* the space object */
    const char *webex; /* the deviceInfo object of its video device */
    uint16_t space_length;
    uint16_t webex_length;
    char panel_id[12];
    char panel_mac[18];
};

struct sim_campus {
    uint64_t seed;
    struct sim_place *places;
    struct sim_device *devices;
    struct sim_user *users;
    struct sim_tag *tags;
    struct sim_camera *cameras;
    struct sim_room *rooms;
    unsigned place_count;
    unsigned building_count;
    unsigned floor_count;
    unsigned device_count;
    unsigned user_count;
    unsigned tag_first[SIM_TAG_KINDS + 1]; /* tags of a kind lie together */
    unsigned camera_count;
    unsigned room_count;
    uint16_t *floors; /* place of each floor */
    struct sim_arena *arena;
};

int sim_campus_new(uint64_t seed, unsigned devices, struct fh_error *err, struct sim_campus **ret);
void sim_campus_free(struct sim_campus *campus);

/* The zone at x on a floor, or the floor itself where no zone is. */
uint16_t sim_campus_place_at(const struct sim_campus *campus, uint16_t floor, uint32_t x);
uint8_t sim_partition_of(const char *identifier, size_t length);
const char *sim_ssid(unsigned index);

/* The steps of sim_campus_new, a file each. Negative errno when memory is short. */
int sim_campus_make_people(struct sim_campus *campus);
int sim_campus_make_things(struct sim_campus *campus);
/* A copy that lives as long as the campus; NULL when memory is short. */
const char *sim_campus_keep(struct sim_campus *campus, const char *text, size_t length);

#endif
