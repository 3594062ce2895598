/* top_line.h: writing into one line of the screen; private to the layout. */
#ifndef FH_CTL_TOP_LINE_H
#define FH_CTL_TOP_LINE_H

#include "top_layout.h"

#include "fh/err.h"

/* Adds text, cut at limit columns; ASCII. */
void fh_top_put(struct fh_top_line *line, size_t limit, const char *format, ...) FH_PRINTF(3, 4);
/* Blanks up to a column. */
void fh_top_pad(struct fh_top_line *line, size_t column);
/* Text that ends at a column; nothing is cut, longer text begins at once. */
void fh_top_right(struct fh_top_line *line, size_t limit, size_t end, const char *text);
/* The last `width` rates, the newest rightmost, scaled to the largest of them. */
void fh_top_spark(struct fh_top_line *line, size_t limit, const struct fh_top_series *series,
                  size_t width, bool unicode);

#endif
