/* top_line.c: one line of the screen: columns, and what fits into them. */
#include "top_line.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_column(struct fh_top_line *line, const char *glyph)
{
    size_t used = strlen(line->text);
    if (line->columns < FH_TOP_COLUMNS_MAX) {
        snprintf(line->text + used, sizeof(line->text) - used, "%s", glyph);
        line->columns++;
    }
}

void fh_top_put(struct fh_top_line *line, size_t limit, const char *format, ...)
{
    char text[FH_TOP_COLUMNS_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (const char *at = text; *at && line->columns < limit; at++) {
        const char glyph[2] = {*at, '\0'};
        add_column(line, glyph);
    }
}

void fh_top_pad(struct fh_top_line *line, size_t column)
{
    while (line->columns < column && line->columns < FH_TOP_COLUMNS_MAX) {
        add_column(line, " ");
    }
}

void fh_top_right(struct fh_top_line *line, size_t limit, size_t end, const char *text)
{
    size_t len = strlen(text);
    if (len < end) {
        fh_top_pad(line, end - len < limit ? end - len : limit);
    }
    fh_top_put(line, limit, "%s", text);
}

/* Nothing known is blank, nothing came is a mark of its own: a stream that stands still must look
 * different from a little of it. */
static const char *glyph_of(double rate, double most, bool unicode)
{
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const ascii[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    if (isnan(rate)) {
        return " ";
    }
    size_t level = 0;
    if (rate > 0 && most > 0) {
        double share = rate / most * 7.0;
        level = share >= 7.0 ? 7 : 1 + (size_t)share;
        level = level > 7 ? 7 : level;
    }
    return unicode ? blocks[level] : ascii[level];
}

void fh_top_spark(struct fh_top_line *line, size_t limit, const struct fh_top_series *series,
                  size_t width, bool unicode)
{
    double most = 0;
    for (size_t i = 0; i < width; i++) {
        double rate = fh_top_rate(series, i);
        most = rate > most ? rate : most;
    }
    for (size_t i = width; i > 0 && line->columns < limit; i--) {
        add_column(line, glyph_of(fh_top_rate(series, i - 1), most, unicode));
    }
}
