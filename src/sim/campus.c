/* campus.c: the places of the simulated world and the memory its texts live in. */
#include "campus.h"

#include "world_random.h"
#include "world_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BLOCK (1U << 20)

#define ACCESS_POINTS_PER_ZONE  3U
#define ACCESS_POINTS_PER_FLOOR 16U

struct sim_arena {
    struct sim_arena *next;
    size_t used;
    char bytes[];
};

enum purpose { PURPOSE_SHAPE = 1, PURPOSE_MAP = 2, PURPOSE_PLACE = 3 };

const char *sim_campus_keep(struct sim_campus *campus, const char *text, size_t length)
{
    if (length > ARENA_BLOCK) {
        return NULL;
    }
    if (!campus->arena || campus->arena->used + length > ARENA_BLOCK) {
        struct sim_arena *block = malloc(sizeof(*block) + ARENA_BLOCK);
        if (!block) {
            return NULL;
        }
        block->next = campus->arena;
        block->used = 0;
        campus->arena = block;
    }
    char *kept = campus->arena->bytes + campus->arena->used;
    memcpy(kept, text, length);
    campus->arena->used += length;
    return kept;
}

uint8_t sim_partition_of(const char *identifier, size_t length)
{
    return (uint8_t)(sim_hash_text(identifier, length) % SIM_PARTITIONS + 1);
}

const char *sim_ssid(unsigned index)
{
    static const char *const names[SIM_SSIDS] = {"example-staff", "example-guest", "example-iot"};
    return names[index % SIM_SSIDS];
}

uint16_t sim_campus_place_at(const struct sim_campus *campus, uint16_t floor, uint32_t x)
{
    const struct sim_place *place = &campus->places[floor];
    for (uint16_t i = 0; i < place->children; i++) {
        uint16_t zone = (uint16_t)(place->first_child + i);
        if (x < campus->places[zone].x_to) {
            return zone;
        }
    }
    return floor;
}

static char *put_types(char *p, uint8_t kind)
{
    switch (kind) {
    case SIM_ROOT:
        return SIM_PUT(p, "[\"ROOT\"]");
    case SIM_CAMPUS:
        return SIM_PUT(p, "[\"CAMPUS\"]");
    case SIM_BUILDING:
        return SIM_PUT(p, "[\"NETWORK\",\"BUILDING\"]");
    case SIM_FLOOR:
        return SIM_PUT(p, "[\"FLOOR\"]");
    default:
        return SIM_PUT(p, "[\"ZONE\"]");
    }
}

/* Parents come before their children, so the parent's object is there to be nested. */
static int render_place(struct sim_campus *campus, struct sim_place *place)
{
    char text[SIM_LINE_MAX / 2];
    char *p = SIM_PUT(text, "{\"locationId\":\"");
    p = sim_put_text(p, place->id);
    p = SIM_PUT(p, "\",\"name\":\"");
    p = sim_put_text(p, place->name);
    p = SIM_PUT(p, "\",\"inferredLocationTypes\":");
    p = put_types(p, place->kind);
    if (place->kind != SIM_ROOT) {
        const struct sim_place *parent = &campus->places[place->parent];
        p = SIM_PUT(p, ",\"parent\":");
        p = sim_put_bytes(p, parent->text, parent->text_length);
    }
    p = SIM_PUT(p, ",\"sourceLocationId\":\"");
    if (place->kind != SIM_ROOT && place->kind != SIM_ZONE) {
        p = sim_put_uint(p, place->source_id);
    }
    p = SIM_PUT(p, "\",\"floorNumber\":");
    p = sim_put_int(p, place->floor_number);
    p = SIM_PUT(p, ",\"apCount\":");
    p = sim_put_uint(p, place->access_points);
    *p++ = '}';
    place->text_length = (size_t)(p - text);
    place->text = sim_campus_keep(campus, text, place->text_length);
    return place->text ? 0 : -ENOMEM;
}

static struct sim_place *add_place(struct sim_campus *campus, uint8_t kind, uint16_t parent)
{
    uint16_t index = (uint16_t)campus->place_count++;
    struct sim_place *place = &campus->places[index];
    const struct sim_place *above = &campus->places[parent];
    *place = (struct sim_place){
        .kind = kind,
        .parent = parent,
        .building = kind == SIM_BUILDING ? index : above->building,
        .floor = kind == SIM_FLOOR ? index : above->floor,
        .floor_number = above->floor_number,
        .latitude_e6 = above->latitude_e6,
        .longitude_e6 = above->longitude_e6,
        .source_id = 8000U + index,
    };
    char *p = SIM_PUT(place->id, "location-");
    p = sim_put_hex(p, sim_scatter32(index ^ (uint32_t)sim_mix2(campus->seed, PURPOSE_PLACE)));
    *p = '\0';
    place->partition = sim_partition_of(place->id, (size_t)(p - place->id));
    uint64_t high = sim_mix2(campus->seed ^ PURPOSE_MAP, index);
    uint64_t low = sim_mix(high);
    (void)snprintf(place->map_id, sizeof(place->map_id), "%016llx%016llx", (unsigned long long)high,
                   (unsigned long long)low);
    return place;
}

static void add_zones(struct sim_campus *campus, struct sim_random *random, uint16_t floor)
{
    static const char *const names[] = {"Reception", "Open Office", "Meeting Rooms",
                                        "Canteen",   "Lab",         "Lounge"};
    struct sim_place *above = &campus->places[floor];
    uint16_t zones = (uint16_t)sim_random_between(random, 3, 5);
    above->first_child = (uint16_t)campus->place_count;
    above->children = zones;
    for (uint16_t i = 0; i < zones; i++) {
        struct sim_place *zone = add_place(campus, SIM_ZONE, floor);
        (void)snprintf(zone->name, sizeof(zone->name), "%s", names[i % FH_ARRAY_LEN(names)]);
        zone->x_from = (uint16_t)(i * (SIM_FLOOR_X - 100U) / zones); /* a corridor stays free */
        zone->x_to = (uint16_t)((i + 1U) * (SIM_FLOOR_X - 100U) / zones);
        zone->access_points = ACCESS_POINTS_PER_ZONE;
        zone->first_access_point =
            (uint16_t)(above->first_access_point + i * ACCESS_POINTS_PER_ZONE);
        zone->capacity = above->capacity / zones;
    }
}

static void add_building(struct sim_campus *campus, struct sim_random *random, uint16_t parent,
                         unsigned number)
{
    struct sim_place *building = add_place(campus, SIM_BUILDING, parent);
    uint16_t index = (uint16_t)(building - campus->places);
    (void)snprintf(building->name, sizeof(building->name), "Building %u", number);
    building->latitude_e6 += (int32_t)(number / 5 * 1300);
    building->longitude_e6 += (int32_t)(number % 5 * 2100);
    unsigned floors = sim_random_between(random, 3, 6);
    for (unsigned i = 0; i < floors; i++) {
        struct sim_place *floor = add_place(campus, SIM_FLOOR, index);
        uint16_t floor_index = (uint16_t)(floor - campus->places);
        (void)snprintf(floor->name, sizeof(floor->name), "Floor %u", i);
        floor->floor_number = (int16_t)i;
        floor->access_points = ACCESS_POINTS_PER_FLOOR;
        floor->first_access_point = (uint16_t)(campus->floor_count * ACCESS_POINTS_PER_FLOOR);
        floor->capacity = 40 + campus->device_count / (campus->building_count * 4);
        campus->floors[campus->floor_count++] = floor_index;
        building->access_points = (uint16_t)(building->access_points + ACCESS_POINTS_PER_FLOOR);
        building->capacity += floor->capacity;
        add_zones(campus, random, floor_index);
    }
}

static int make_places(struct sim_campus *campus)
{
    struct sim_random random = {sim_mix2(campus->seed, PURPOSE_SHAPE)};
    campus->building_count = 2 + campus->device_count / 1500;
    campus->building_count = campus->building_count > 40 ? 40 : campus->building_count;
    size_t most = 2 + (size_t)campus->building_count * (1 + 6 * (1 + 5));
    campus->places = calloc(most, sizeof(*campus->places));
    campus->floors = calloc((size_t)campus->building_count * 6, sizeof(*campus->floors));
    if (!campus->places || !campus->floors) {
        return -ENOMEM;
    }
    struct sim_place *root = add_place(campus, SIM_ROOT, 0);
    (void)snprintf(root->name, sizeof(root->name), "%s", SIM_TENANT_NAME);
    root->latitude_e6 = 52343800;
    root->longitude_e6 = 4888400;
    struct sim_place *top = add_place(campus, SIM_CAMPUS, 0);
    (void)snprintf(top->name, sizeof(top->name), "Harbour Campus");
    for (unsigned i = 0; i < campus->building_count; i++) {
        uint16_t index = (uint16_t)campus->place_count;
        add_building(campus, &random, 1, i + 1);
        top->access_points = (uint16_t)(top->access_points + campus->places[index].access_points);
        top->capacity += campus->places[index].capacity;
    }
    root->access_points = top->access_points;
    root->capacity = top->capacity;
    for (unsigned i = 0; i < campus->place_count; i++) {
        int r = render_place(campus, &campus->places[i]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int sim_campus_new(uint64_t seed, unsigned devices, struct fh_error *err, struct sim_campus **ret)
{
    if (devices < 1 || devices > SIM_MAX_DEVICES) {
        return fh_error_set(err, -EINVAL, "The number of devices must be 1 to %u, not %u.",
                            SIM_MAX_DEVICES, devices);
    }
    struct sim_campus *campus = calloc(1, sizeof(*campus));
    if (!campus) {
        return fh_error_set(err, -ENOMEM, "Not enough memory for the simulated campus.");
    }
    campus->seed = seed;
    campus->device_count = devices;
    int r = make_places(campus);
    if (r >= 0) {
        r = sim_campus_make_people(campus);
    }
    if (r >= 0) {
        r = sim_campus_make_things(campus);
    }
    if (r < 0) {
        sim_campus_free(campus);
        return fh_error_set(err, r, "Not enough memory for a campus of %u devices.", devices);
    }
    *ret = campus;
    return 0;
}

void sim_campus_free(struct sim_campus *campus)
{
    if (!campus) {
        return;
    }
    while (campus->arena) {
        struct sim_arena *next = campus->arena->next;
        free(campus->arena);
        campus->arena = next;
    }
    free(campus->places);
    free(campus->floors);
    free(campus->devices);
    free(campus->users);
    free(campus->tags);
    free(campus->cameras);
    free(campus->rooms);
    free(campus);
}
