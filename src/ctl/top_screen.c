/* top_screen.c: owns the terminal while firehosectl top uses it. Knows nothing of what it draws. */
#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLOR_GOOD = 1, COLOR_BAD };

static SCREEN *screen;
static bool colored;

static void start_colors(void)
{
    const char *no_color = getenv("NO_COLOR");
    colored = has_colors() && !(no_color && no_color[0]) && start_color() == OK;
    if (colored) {
        use_default_colors();
        init_pair(COLOR_GOOD, COLOR_GREEN, -1);
        init_pair(COLOR_BAD, COLOR_RED, -1);
    }
}

int fh_top_screen_open(struct fh_error *err)
{
    const char *type = getenv("TERM");
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        return fh_error_set(err, -ENOTTY, "the terminal type \"%s\" is not known here",
                            type ? type : "");
    }
    const char *address = tigetstr("cup");
    if (!address || (intptr_t)address == -1) { /* a dumb terminal prints lines and no more */
        fh_top_screen_close();
        return fh_error_set(err, -ENOTTY, "a terminal of the type \"%s\" has no cursor to move",
                            type ? type : "");
    }
    set_term(screen);
    start_colors();
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    curs_set(0);
    set_escdelay(50);
    return 0;
}

void fh_top_screen_close(void)
{
    if (screen) {
        endwin();
        delscreen(screen);
        screen = NULL;
    }
}

void fh_top_screen_size(int *ret_columns, int *ret_lines)
{
    getmaxyx(stdscr, *ret_lines, *ret_columns);
}

static attr_t attributes(enum fh_top_style style)
{
    switch (style) {
    case FH_TOP_TITLE:
        return A_REVERSE;
    case FH_TOP_HEADING:
        return A_BOLD;
    case FH_TOP_GOOD:
        return colored ? (attr_t)COLOR_PAIR(COLOR_GOOD) : A_NORMAL;
    case FH_TOP_BAD:
        return A_BOLD | (colored ? (attr_t)COLOR_PAIR(COLOR_BAD) : A_NORMAL);
    case FH_TOP_DIM:
        return A_DIM;
    case FH_TOP_NORMAL:
        break;
    }
    return A_NORMAL;
}

void fh_top_screen_draw(const struct fh_top_page *page)
{
    erase();
    for (size_t i = 0; i < page->lines; i++) {
        (void)attrset((int)attributes(page->line[i].style));
        mvaddstr((int)i, 0, page->line[i].text);
    }
    (void)attrset(A_NORMAL);
    refresh();
}

void fh_top_screen_spoil(void)
{
    clearok(curscr, TRUE);
}

int fh_top_screen_key(int64_t timeout_ms)
{
    timeout(timeout_ms > 0 ? (int)timeout_ms : 0);
    int key = getch();
    if (key == KEY_RESIZE) {
        return FH_TOP_KEY_RESIZE;
    }
    return key == ERR ? FH_TOP_KEY_NONE : key;
}
