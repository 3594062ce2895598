/* canvas.h: a picture of few colours, what can be drawn into it, and it as a PNG file. Pure but for
 * its memory; coordinates outside are cut off. */
#ifndef SIM_CANVAS_H
#define SIM_CANVAS_H

#include "fh/buf.h"

#include <stdint.h>

#define SIM_COLOURS 16

struct sim_canvas {
    int width, height;
    const uint8_t (*palette)[3]; /* SIM_COLOURS of red, green, blue */
    uint8_t *pixels;             /* a colour's number each, row by row */
};

/* Filled with colour 0. width is even. 0 or -ENOMEM. */
int sim_canvas_init(struct sim_canvas *canvas, int width, int height,
                    const uint8_t palette[SIM_COLOURS][3]);
void sim_canvas_done(struct sim_canvas *canvas);

struct sim_box {
    int left, top, right, bottom; /* right and bottom are outside */
};

void sim_fill(struct sim_canvas *canvas, struct sim_box box, uint8_t colour);
/* A frame inside the box. */
void sim_frame(struct sim_canvas *canvas, struct sim_box box, int thickness, uint8_t colour);
void sim_disc(struct sim_canvas *canvas, int x, int y, int radius, uint8_t colour);
/* A quarter of a circle's line, towards the side right, down say (1 or -1). */
void sim_arc(struct sim_canvas *canvas, int x, int y, int radius, int right, int down,
             uint8_t colour);
/* Letters and digits, all as capitals, 5 by 7 dots of scale pixels; what is neither is a space. */
int sim_text_width(const char *text, int scale);
void sim_text(struct sim_canvas *canvas, int x, int y, int scale, uint8_t colour, const char *text);

/* Append it as a PNG file, 4 bits a pixel. 0 or -ENOMEM, -ENOBUFS. */
int sim_canvas_png(const struct sim_canvas *canvas, struct fh_buf *out);

#endif
