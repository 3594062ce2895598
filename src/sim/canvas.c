/* canvas.c: owns pixels, the shapes made of them, a small face of letters, and the PNG file format
 * (ISO/IEC 15948) as far as a picture of 16 colours needs it; zlib compresses. */
#include "canvas.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GLYPH_WIDTH  5
#define GLYPH_HEIGHT 7
#define ADVANCE      (GLYPH_WIDTH + 1)

/* Rows from the top, the leftmost dot is bit 4: A to Z, 0 to 9. */
static const uint8_t glyphs[36][GLYPH_HEIGHT] = {
    {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}, {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e},
    {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}, {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e},
    {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}, {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10},
    {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f}, {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11},
    {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}, {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c},
    {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}, {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f},
    {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}, {0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11},
    {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}, {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10},
    {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}, {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11},
    {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}, {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04},
    {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}, {0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04},
    {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11}, {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11},
    {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}, {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f},
    {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}, {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e},
    {0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f}, {0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e},
    {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}, {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e},
    {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}, {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08},
    {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}, {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c},
};

int sim_canvas_init(struct sim_canvas *canvas, int width, int height,
                    const uint8_t palette[SIM_COLOURS][3])
{
    *canvas = (struct sim_canvas){.width = width, .height = height, .palette = palette};
    canvas->pixels = calloc((size_t)width, (size_t)height);
    return canvas->pixels ? 0 : -ENOMEM;
}

void sim_canvas_done(struct sim_canvas *canvas)
{
    free(canvas->pixels);
    canvas->pixels = NULL;
}

static int within(int value, int limit)
{
    return value < 0 ? 0 : value > limit ? limit : value;
}

void sim_fill(struct sim_canvas *canvas, struct sim_box box, uint8_t colour)
{
    int left = within(box.left, canvas->width);
    int right = within(box.right, canvas->width);
    for (int y = within(box.top, canvas->height); y < within(box.bottom, canvas->height); y++) {
        if (right > left) {
            memset(canvas->pixels + (size_t)y * (size_t)canvas->width + left, colour,
                   (size_t)(right - left));
        }
    }
}

void sim_frame(struct sim_canvas *canvas, struct sim_box box, int thickness, uint8_t colour)
{
    struct sim_box top = {box.left, box.top, box.right, box.top + thickness};
    struct sim_box bottom = {box.left, box.bottom - thickness, box.right, box.bottom};
    struct sim_box left = {box.left, box.top, box.left + thickness, box.bottom};
    struct sim_box right = {box.right - thickness, box.top, box.right, box.bottom};
    sim_fill(canvas, top, colour);
    sim_fill(canvas, bottom, colour);
    sim_fill(canvas, left, colour);
    sim_fill(canvas, right, colour);
}

static void dot(struct sim_canvas *canvas, int x, int y, uint8_t colour)
{
    sim_fill(canvas, (struct sim_box){x, y, x + 1, y + 1}, colour);
}

void sim_disc(struct sim_canvas *canvas, int x, int y, int radius, uint8_t colour)
{
    for (int dy = -radius; dy <= radius; dy++) {
        for (int dx = -radius; dx <= radius; dx++) {
            if (dx * dx + dy * dy <= radius * radius) {
                dot(canvas, x + dx, y + dy, colour);
            }
        }
    }
}

void sim_arc(struct sim_canvas *canvas, int x, int y, int radius, int right, int down,
             uint8_t colour)
{
    for (int dy = 0; dy <= radius; dy++) {
        for (int dx = 0; dx <= radius; dx++) {
            int distance = dx * dx + dy * dy;
            if (distance <= radius * radius && distance > (radius - 2) * (radius - 2)) {
                dot(canvas, x + dx * right, y + dy * down, colour);
            }
        }
    }
}

int sim_text_width(const char *text, int scale)
{
    return ((int)strlen(text) * ADVANCE - 1) * scale;
}

static const uint8_t *find_glyph(unsigned char letter)
{
    int upper = toupper(letter);
    if (upper >= 'A' && upper <= 'Z') {
        return glyphs[upper - 'A'];
    }
    return upper >= '0' && upper <= '9' ? glyphs[26 + upper - '0'] : NULL;
}

void sim_text(struct sim_canvas *canvas, int x, int y, int scale, uint8_t colour, const char *text)
{
    for (; *text; text++, x += ADVANCE * scale) {
        const uint8_t *glyph = find_glyph((unsigned char)*text);
        for (int row = 0; glyph && row < GLYPH_HEIGHT; row++) {
            for (int column = 0; column < GLYPH_WIDTH; column++) {
                int left = x + column * scale;
                int top = y + row * scale;
                if (glyph[row] & (0x10 >> column)) {
                    sim_fill(canvas, (struct sim_box){left, top, left + scale, top + scale},
                             colour);
                }
            }
        }
    }
}

/* ---- PNG ---- */

static int put_number(struct fh_buf *out, uint32_t number)
{
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 8), (uint8_t)number};
    return fh_buf_append(out, bytes, sizeof(bytes));
}

/* Length, type, data, and a sum over type and data. */
static int put_chunk(struct fh_buf *out, const char type[4], const void *data, size_t len)
{
    size_t start = out->len + 4;
    int r = put_number(out, (uint32_t)len);
    r = r < 0 ? r : fh_buf_append(out, type, 4);
    r = r < 0 ? r : fh_buf_append(out, data, len);
    return r < 0 ? r
                 : put_number(
                       out, (uint32_t)crc32(0, (const Bytef *)out->data + start, (uInt)(len + 4)));
}

/* The rows, each behind its filter (none), two pixels a byte. */
static uint8_t *pack(const struct sim_canvas *canvas, size_t *ret_len)
{
    size_t row = (size_t)canvas->width / 2;
    size_t len = (row + 1) * (size_t)canvas->height;
    uint8_t *packed = calloc(1, len);
    for (size_t y = 0; packed && y < (size_t)canvas->height; y++) {
        const uint8_t *from = canvas->pixels + y * (size_t)canvas->width;
        uint8_t *to = packed + y * (row + 1) + 1;
        for (size_t i = 0; i < row; i++) {
            to[i] = (uint8_t)(from[2 * i] << 4 | from[2 * i + 1]);
        }
    }
    *ret_len = len;
    return packed;
}

int sim_canvas_png(const struct sim_canvas *canvas, struct fh_buf *out)
{
    static const char signature[] = "\x89PNG\r\n\x1a\n";
    uint8_t head[13] = {0};
    size_t len = 0;
    uint8_t *packed = pack(canvas, &len);
    uLongf size = compressBound((uLong)len);
    Bytef *squeezed = packed ? malloc(size) : NULL;
    int r = squeezed && compress2(squeezed, &size, packed, (uLong)len, 9) == Z_OK ? 0 : -ENOMEM;
    for (int i = 0; i < 4; i++) {
        head[i] = (uint8_t)((uint32_t)canvas->width >> (24 - 8 * i));
        head[4 + i] = (uint8_t)((uint32_t)canvas->height >> (24 - 8 * i));
    }
    head[8] = 4; /* bits a pixel */
    head[9] = 3; /* numbers of colours */
    r = r < 0 ? r : fh_buf_append(out, signature, 8);
    r = r < 0 ? r : put_chunk(out, "IHDR", head, sizeof(head));
    r = r < 0 ? r
              : put_chunk(out, "PLTE", canvas->palette, sizeof(canvas->palette[0]) * SIM_COLOURS);
    r = r < 0 ? r : put_chunk(out, "IDAT", squeezed, size);
    r = r < 0 ? r : put_chunk(out, "IEND", "", 0);
    free(squeezed);
    free(packed);
    return r;
}
