/* top_layout.h: lines of text out of the model, for a screen of any size. Pure. */
#ifndef FH_CTL_TOP_LAYOUT_H
#define FH_CTL_TOP_LAYOUT_H

#include "top_model.h"

#define FH_TOP_COLUMNS_MAX 240
#define FH_TOP_LINES_MAX   120
#define FH_TOP_COLUMNS_MIN 60
#define FH_TOP_LINES_MIN   12

enum fh_top_style {
    FH_TOP_NORMAL,
    FH_TOP_TITLE,   /* over the whole width */
    FH_TOP_HEADING, /* of a table */
    FH_TOP_GOOD,
    FH_TOP_BAD,
    FH_TOP_DIM,
};

struct fh_top_view {
    int columns;
    int lines;
    bool unicode; /* blocks in UTF-8; else ASCII */
    bool types;   /* the table of event types instead of that of receivers, where there is no
                     room for both */
    bool paused;
    bool help;
    int64_t interval_ms;
};

struct fh_top_line {
    enum fh_top_style style;
    size_t columns;                        /* used */
    char text[3 * FH_TOP_COLUMNS_MAX + 1]; /* a block has three bytes */
};

struct fh_top_page {
    size_t lines;
    struct fh_top_line line[FH_TOP_LINES_MAX];
};

/* As many lines as the view has (at most FH_TOP_LINES_MAX), none wider than it. On a screen that is
 * too small: says so. */
void fh_top_layout(const struct fh_top_model *model, const struct fh_top_view *view,
                   struct fh_top_page *page);
/* Everything in one line, for a log; no line break. */
void fh_top_summary(const struct fh_top_model *model, char *text, size_t size);
/* "2,003", "0.4", "1.25 M"; "-" for NAN. */
void fh_top_rate_text(double rate, char *text, size_t size);

#endif
