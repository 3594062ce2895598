/* floor_map.c: owns what a floor looks like: a corridor along its middle, zones above and below it
 * with the rooms that suit them, stairs, lifts and wash rooms at its end. Zones lie where the
 * events say they do. Never asks where anybody is. */
#include "floor_map.h"

#include "canvas.h"
#include "world_random.h"

#include <stdbool.h>
#include <stdio.h>

enum colour {
    PAPER,
    ROOM,
    CORRIDOR,
    OUTER,
    INNER,
    WINDOW,
    PIECE,
    EDGE,
    SWING,
    LABEL,
    WET,
    STEP,
    COLUMN,
    PLANT,
    LOBBY,
    CORE,
};

static const uint8_t palette[SIM_COLOURS][3] = {
    [PAPER] = {0xf7, 0xf8, 0xfa},  [ROOM] = {0xff, 0xff, 0xff},  [CORRIDOR] = {0xee, 0xf1, 0xf4},
    [OUTER] = {0x2f, 0x3b, 0x46},  [INNER] = {0x5b, 0x68, 0x75}, [WINDOW] = {0x9c, 0xc3, 0xdc},
    [PIECE] = {0xe6, 0xea, 0xee},  [EDGE] = {0xb9, 0xc3, 0xcc},  [SWING] = {0xa9, 0xb5, 0xbf},
    [LABEL] = {0x66, 0x73, 0x7f},  [WET] = {0xe6, 0xef, 0xf3},   [STEP] = {0xa5, 0xb1, 0xbb},
    [COLUMN] = {0x46, 0x52, 0x5d}, [PLANT] = {0xc9, 0xdf, 0xca}, [LOBBY] = {0xf6, 0xf2, 0xe9},
    [CORE] = {0xe4, 0xe8, 0xec},
};

#define WALL            10 /* pixels, outer */
#define PARTITION       4
#define DOOR            34
#define AISLE           54 /* between two rows of rooms */
#define CORRIDOR_TOP    405
#define CORRIDOR_BOTTOM 495
#define PURPOSE_PLAN    0x706c616eULL

struct plan {
    struct sim_canvas canvas;
    struct sim_random random;
    unsigned number; /* of the next room */
};

/* Quarters of a foot into pixels. */
static int across(unsigned x)
{
    return (int)(x * SIM_MAP_WIDTH / SIM_FLOOR_X);
}

static void fill(struct plan *plan, int left, int top, int right, int bottom, enum colour colour)
{
    sim_fill(&plan->canvas, (struct sim_box){left, top, right, bottom}, (uint8_t)colour);
}

static void piece(struct plan *plan, int left, int top, int width, int height)
{
    struct sim_box box = {left, top, left + width, top + height};
    sim_fill(&plan->canvas, box, PIECE);
    sim_frame(&plan->canvas, box, 2, EDGE);
}

static void round_table(struct plan *plan, int x, int y, int radius)
{
    static const int around[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    for (size_t i = 0; i < FH_ARRAY_LEN(around); i++) {
        sim_disc(&plan->canvas, x + around[i][0] * (radius + 7), y + around[i][1] * (radius + 7), 5,
                 EDGE);
    }
    sim_disc(&plan->canvas, x, y, radius, EDGE);
    sim_disc(&plan->canvas, x, y, radius - 2, PIECE);
}

static void label(struct plan *plan, struct sim_box box, int scale, const char *text)
{
    int width = sim_text_width(text, scale);
    if (width < box.right - box.left - 2 * PARTITION) {
        sim_text(&plan->canvas, (box.left + box.right - width) / 2,
                 (box.top + box.bottom - 7 * scale) / 2, scale, LABEL, text);
    }
}

/* A door in a wall that runs along x: hinge at x, y the middle of the wall, down: opens downwards
 * (1) or upwards (-1). */
static void door_across(struct plan *plan, int x, int y, int down)
{
    int half = PARTITION / 2;
    fill(plan, x, y - half, x + DOOR, y + half, ROOM);
    sim_arc(&plan->canvas, x, y + half * down, DOOR, 1, down, SWING);
    int end = y + (half + DOOR) * down;
    fill(plan, x, end < y ? end : y, x + 2, end < y ? y : end, SWING);
}

/* In a wall that runs along y; right: opens to the right (1) or the left (-1). */
static void door_along(struct plan *plan, int x, int y, int right)
{
    int half = PARTITION / 2;
    fill(plan, x - half, y, x + half, y + DOOR, ROOM);
    sim_arc(&plan->canvas, x + half * right, y, DOOR, right, 1, SWING);
    int end = x + (half + DOOR) * right;
    fill(plan, end < x ? end : x, y, end < x ? x : end, y + 2, SWING);
}

static void room(struct plan *plan, struct sim_box box)
{
    sim_fill(&plan->canvas, box, ROOM);
    sim_frame(&plan->canvas, box, PARTITION, INNER);
}

/* ---- what stands in a block: the part of a zone on one side of the corridor ---- */

static void desks(struct plan *plan, struct sim_box box)
{
    const int width = 62;
    const int height = 44;
    int columns = (box.right - box.left - 40) / (width + 34);
    int rows = (box.bottom - box.top - 40) / (height + 40);
    int left = (box.left + box.right - columns * (width + 34) + 34) / 2;
    int top = (box.top + box.bottom - rows * (height + 40) + 40) / 2;
    for (int i = 0; i < columns * rows; i++) {
        int x = left + i % columns * (width + 34);
        int y = top + i / columns * (height + 40);
        if (sim_random_permille(&plan->random, 90)) { /* a plant in place of desks */
            sim_disc(&plan->canvas, x + width / 2, y + height / 2, 12, PLANT);
            continue;
        }
        for (int side = 0; side < 2; side++) {
            piece(plan, x + side * width / 2, y, width / 2, height / 2);
            piece(plan, x + side * width / 2, y + height / 2, width / 2, height / 2);
            sim_disc(&plan->canvas, x + width / 4 + side * width / 2, y - 7, 5, EDGE);
            sim_disc(&plan->canvas, x + width / 4 + side * width / 2, y + height + 7, 5, EDGE);
        }
    }
}

static void dining(struct plan *plan, struct sim_box box)
{
    int columns = (box.right - box.left - 30) / 84;
    int rows = (box.bottom - box.top - 30) / 80;
    for (int i = 0; i < columns * rows; i++) {
        int x = (box.left + box.right) / 2 + (2 * (i % columns) - columns + 1) * 42;
        int y = (box.top + box.bottom) / 2 + (2 * (i / columns) - rows + 1) * 40;
        round_table(plan, x, y, 16);
    }
}

static void benches(struct plan *plan, struct sim_box box)
{
    int count = (box.right - box.left - 60) / 80;
    int left = (box.left + box.right - count * 80 + 38) / 2;
    for (int i = 0; i < count; i++) {
        piece(plan, left + i * 80, box.top + 60, 42, box.bottom - box.top - 120);
        fill(plan, left + i * 80 + 20, box.top + 64, left + i * 80 + 22, box.bottom - 64, EDGE);
    }
}

static void lobby(struct plan *plan, struct sim_box box)
{
    sim_fill(&plan->canvas, box, LOBBY);
    int middle = (box.left + box.right) / 2;
    piece(plan, middle - 70, box.top + 150, 140, 34);
    piece(plan, middle - 70, box.top + 184, 34, 26);
    piece(plan, middle + 36, box.top + 184, 34, 26);
    for (int side = -1; side <= 1; side += 2) {
        int x = middle + side * (box.right - box.left) / 3;
        piece(plan, x - 16, box.top + 40, 32, 80);
        round_table(plan, x, box.top + 170, 12);
        sim_disc(&plan->canvas, x, box.bottom - 40, 14, PLANT);
    }
}

/* Rooms left and right of an aisle that leads to the corridor. */
static void small_rooms(struct plan *plan, struct sim_box box, unsigned floor_number)
{
    int rows = 3 + (int)sim_random_below(&plan->random, 2);
    int middle = (box.left + box.right) / 2;
    sim_fill(&plan->canvas, box, CORRIDOR);
    for (int i = 0; i < rows * 2; i++) {
        bool left = i % 2 == 0;
        int height = (box.bottom - box.top) / rows;
        int top = box.top + i / 2 * height - (i / 2 > 0 ? PARTITION : 0);
        struct sim_box one = {left ? box.left : middle + AISLE / 2, top,
                              left ? middle - AISLE / 2 : box.right,
                              i / 2 == rows - 1 ? box.bottom : box.top + (i / 2 + 1) * height};
        char text[16];
        room(plan, one);
        piece(plan, (one.left + one.right) / 2 - (left ? 48 : 16), (one.top + one.bottom) / 2 - 12,
              64, 34);
        snprintf(text, sizeof(text), "%u%02u", floor_number, plan->number++);
        struct sim_box head = {one.left, one.top + 6, one.right, one.top + 30};
        label(plan, head, 2, text);
        door_along(plan, left ? one.right - PARTITION / 2 : one.left + PARTITION / 2,
                   one.bottom - DOOR - 14, left ? -1 : 1);
    }
}

/* Rooms side by side with doors to the corridor, which lies below (down) or above. */
static void offices(struct plan *plan, struct sim_box box, bool down, unsigned floor_number)
{
    int count = (box.right - box.left) / 150;
    count = count < 1 ? 1 : count;
    for (int i = 0; i < count; i++) {
        struct sim_box one = {
            box.left + (box.right - box.left) * i / count - (i > 0 ? PARTITION : 0), box.top,
            box.left + (box.right - box.left) * (i + 1) / count, box.bottom};
        char text[16];
        room(plan, one);
        struct sim_box seats = {one.left, one.top + (down ? 0 : 80), one.right,
                                one.bottom - (down ? 80 : 0)};
        desks(plan, seats);
        snprintf(text, sizeof(text), "%u%02u", floor_number, plan->number++);
        struct sim_box head = {one.left, down ? one.bottom - 80 : one.top + 44, one.right,
                               down ? one.bottom - 44 : one.top + 80};
        label(plan, head, 2, text);
        door_across(plan, one.left + 16,
                    down ? one.bottom - PARTITION / 2 : one.top + PARTITION / 2, down ? -1 : 1);
    }
}

/* Open to the corridor through two gaps. */
static void hall(struct plan *plan, struct sim_box box, bool down)
{
    room(plan, box);
    for (int i = 1; i <= 2; i++) {
        int x = box.left + (box.right - box.left) * i / 3;
        int y = down ? box.bottom - PARTITION : box.top;
        fill(plan, x - 30, y, x + 30, y + PARTITION, ROOM);
    }
}

/* ---- zones ---- */

enum zone_kind { RECEPTION, OPEN_OFFICE, MEETING_ROOMS, CANTEEN, LAB, ZONE_KINDS };

static void draw_block(struct plan *plan, enum zone_kind kind, struct sim_box box, bool north,
                       unsigned floor_number)
{
    struct sim_box kitchen = {box.left, box.top, box.right, box.top + 130};
    switch (kind) {
    case RECEPTION:
        if (north) {
            lobby(plan, box);
        } else {
            offices(plan, box, false, floor_number);
        }
        break;
    case MEETING_ROOMS:
        small_rooms(plan, box, floor_number);
        break;
    case CANTEEN:
        hall(plan, box, north);
        if (north) {
            room(plan, kitchen);
            piece(plan, box.left + 20, box.top + 14, box.right - box.left - 40, 26);
            piece(plan, box.left + 40, box.top + 70, box.right - box.left - 80, 24);
            door_across(plan, box.right - 70, kitchen.bottom - PARTITION / 2, -1);
            box.top = kitchen.bottom;
        }
        dining(plan, box);
        break;
    case LAB:
        room(plan, box);
        benches(plan, box);
        door_across(plan, (box.left + box.right - DOOR) / 2,
                    north ? box.bottom - PARTITION / 2 : box.top + PARTITION / 2, north ? -1 : 1);
        break;
    default:
        hall(plan, box, north);
        desks(plan, box);
        break;
    }
}

static void draw_zone(struct plan *plan, const struct sim_place *zone, unsigned index,
                      unsigned floor_number)
{
    int left = index == 0 ? WALL - PARTITION : across(zone->x_from) - PARTITION / 2;
    int right = across(zone->x_to) + PARTITION / 2;
    struct sim_box north = {left, WALL - PARTITION, right, CORRIDOR_TOP};
    struct sim_box south = {left, CORRIDOR_BOTTOM, right, SIM_MAP_HEIGHT - WALL + PARTITION};
    enum zone_kind kind = index % ZONE_KINDS;
    draw_block(plan, kind, north, true, floor_number);
    draw_block(plan, kind, south, false, floor_number);
    struct sim_box name = {left, CORRIDOR_TOP + 8, right, CORRIDOR_TOP + 42};
    label(plan, name, 2, zone->name);
}

/* Stairs, lifts, wash rooms: what all floors have in the same place. */
static void draw_core(struct plan *plan, int left)
{
    struct sim_box stairs = {left, WALL - PARTITION, SIM_MAP_WIDTH - WALL + PARTITION, 215};
    struct sim_box lifts = {left, 211, SIM_MAP_WIDTH - WALL + PARTITION, CORRIDOR_TOP};
    struct sim_box wash = {left, CORRIDOR_BOTTOM, SIM_MAP_WIDTH - WALL + PARTITION, 700};
    struct sim_box plant = {left, 696, SIM_MAP_WIDTH - WALL + PARTITION,
                            SIM_MAP_HEIGHT - WALL + PARTITION};
    room(plan, stairs);
    for (int y = stairs.top + 30; y < stairs.bottom - 84; y += 12) {
        fill(plan, left + 14, y, stairs.right - 14, y + 2, STEP);
    }
    fill(plan, (left + stairs.right) / 2 - 2, stairs.top + 30, (left + stairs.right) / 2 + 2,
         stairs.bottom - 84, STEP);
    room(plan, lifts);
    for (int i = 0; i < 2; i++) {
        struct sim_box cage = {left + 14 + i * 62, lifts.top + 30, left + 70 + i * 62,
                               lifts.top + 90};
        sim_fill(&plan->canvas, cage, CORE);
        sim_frame(&plan->canvas, cage, 3, INNER);
    }
    room(plan, wash);
    fill(plan, left + PARTITION, wash.top + PARTITION, wash.right - PARTITION,
         wash.bottom - PARTITION, WET);
    for (int i = 0; i < 4; i++) {
        piece(plan, left + 14 + i * 32, wash.bottom - 60, 24, 44);
    }
    room(plan, plant);
    label(plan, (struct sim_box){left, 138, stairs.right, 168}, 2, "Stairs");
    label(plan, (struct sim_box){left, 305, stairs.right, 345}, 2, "Lifts");
    label(plan, (struct sim_box){left, 560, stairs.right, 600}, 2, "Wash");
    label(plan, plant, 2, "Plant");
    door_across(plan, left + 56, stairs.bottom - PARTITION / 2, -1);
    fill(plan, left + 40, CORRIDOR_TOP - PARTITION, stairs.right - 40, CORRIDOR_TOP, ROOM);
    door_across(plan, left + 20, CORRIDOR_BOTTOM + PARTITION / 2, 1);
    door_along(plan, left + PARTITION / 2, 760, 1);
}

static void draw_shell(struct plan *plan, bool ground)
{
    struct sim_box all = {0, 0, SIM_MAP_WIDTH, SIM_MAP_HEIGHT};
    sim_frame(&plan->canvas, all, WALL, OUTER);
    for (int x = 50; x + 90 < SIM_MAP_WIDTH; x += 130) {
        fill(plan, x, 3, x + 80, WALL - 3, WINDOW);
        fill(plan, x, SIM_MAP_HEIGHT - WALL + 3, x + 80, SIM_MAP_HEIGHT - 3, WINDOW);
    }
    for (int x = 130; x < SIM_MAP_WIDTH - 160; x += 260) { /* what carries the floor above */
        fill(plan, x, CORRIDOR_TOP - 6, x + 12, CORRIDOR_TOP + 6, COLUMN);
        fill(plan, x, CORRIDOR_BOTTOM - 6, x + 12, CORRIDOR_BOTTOM + 6, COLUMN);
    }
    if (!ground) {
        return;
    }
    fill(plan, 0, CORRIDOR_TOP + 15, WALL, CORRIDOR_BOTTOM - 15, ROOM); /* the way in */
    sim_arc(&plan->canvas, WALL, CORRIDOR_TOP + 15, 30, 1, 1, SWING);
    sim_arc(&plan->canvas, WALL, CORRIDOR_BOTTOM - 15, 30, 1, -1, SWING);
}

int sim_floor_map(const struct sim_campus *campus, unsigned floor, struct fh_buf *out)
{
    const struct sim_place *place = &campus->places[floor];
    const struct sim_place *building = &campus->places[place->building];
    struct plan plan = {.number = 1};
    plan.random.state = sim_mix2(campus->seed ^ PURPOSE_PLAN, floor);
    int r = sim_canvas_init(&plan.canvas, SIM_MAP_WIDTH, SIM_MAP_HEIGHT, palette);
    if (r < 0) {
        return r;
    }
    fill(&plan, 0, CORRIDOR_TOP, SIM_MAP_WIDTH, CORRIDOR_BOTTOM, CORRIDOR);
    for (unsigned i = 0; i < place->children; i++) {
        draw_zone(&plan, &campus->places[place->first_child + i], i, (unsigned)place->floor_number);
    }
    int core = place->children > 0
                   ? across(campus->places[place->first_child + place->children - 1U].x_to)
                   : SIM_MAP_WIDTH;
    draw_core(&plan, core - PARTITION / 2);
    draw_shell(&plan, place->floor_number == 0);
    char title[80];
    snprintf(title, sizeof(title), "%s  %s", building->name, place->name);
    sim_text(&plan.canvas, SIM_MAP_WIDTH - WALL - 16 - sim_text_width(title, 2),
             CORRIDOR_BOTTOM - 32, 2, LABEL, title);
    r = sim_canvas_png(&plan.canvas, out);
    sim_canvas_done(&plan.canvas);
    return r;
}
