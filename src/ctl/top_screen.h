/* top_screen.h: the terminal, by ncurses. One at a time, main thread. */
#ifndef FH_CTL_TOP_SCREEN_H
#define FH_CTL_TOP_SCREEN_H

#include "top_layout.h"

#include "fh/err.h"

#define FH_TOP_KEY_NONE   (-1) /* the time is over */
#define FH_TOP_KEY_RESIZE (-2)

/* Takes over the terminal; -ENOTTY with a sentence when it cannot be used as a screen. */
int fh_top_screen_open(struct fh_error *err);
/* Gives it back as it was. Also when it is not open. */
void fh_top_screen_close(void);
/* Its size now. */
void fh_top_screen_size(int *ret_columns, int *ret_lines);
void fh_top_screen_draw(const struct fh_top_page *page);
/* Everything anew with the next drawing: something else wrote on the terminal. */
void fh_top_screen_spoil(void);
/* The next key within so many milliseconds, or one of the above. */
int fh_top_screen_key(int64_t timeout_ms);

#endif
