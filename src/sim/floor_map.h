/* floor_map.h: the plan of a simulated floor as a picture. The same campus gives the same bytes. */
#ifndef SIM_FLOOR_MAP_H
#define SIM_FLOOR_MAP_H

#include "campus.h"

#include "fh/buf.h"

#define SIM_MAP_WIDTH  1600 /* pixels, as the events say */
#define SIM_MAP_HEIGHT 900

/* Append a PNG of the floor (a place of kind SIM_FLOOR). 0 or -ENOMEM, -ENOBUFS. */
int sim_floor_map(const struct sim_campus *campus, unsigned floor, struct fh_buf *out);

#endif
