/* command_top.c: firehosectl top: asks the daemon again and again and shows what it says, on a
 * screen where there is one, line by line where not. */
#include "commands.h"
#include "top_screen.h"

#include "fh/clock.h"
#include "fh/control.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 1000 /* a daemon that stands still must not make the keys wait longer */

static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

struct top {
    const char *socket_path;
    int fd; /* -1: not connected */
    struct fh_top_model model;
    struct fh_top_view view;
    struct fh_top_page page;
};

/* ---- asking -----------------------------------------------------------------------------------
 */

static int ask(struct top *top, const char *command, cJSON **ret, struct fh_error *err)
{
    if (top->fd < 0) {
        top->fd = fh_control_connect(top->socket_path, err);
    }
    return top->fd < 0 ? top->fd : fh_control_call(top->fd, command, NULL, ANSWER_MS, ret, err);
}

static void hang_up(struct top *top)
{
    if (top->fd >= 0) {
        close(top->fd);
        top->fd = -1;
    }
}

/* A daemon that restarted is met with the connection to the one before: then once more, anew. */
static void look(struct top *top)
{
    cJSON *status = NULL;
    cJSON *history = NULL;
    struct fh_error err = {""};
    bool had = top->fd >= 0;
    int r = ask(top, "status", &status, &err);
    if (r < 0) {
        hang_up(top);
        if (had && r != -ETIMEDOUT) {
            r = ask(top, "status", &status, &err);
        }
    }
    int64_t now_ms = fh_now().ns / 1000000;
    if (r < 0) {
        hang_up(top);
        fh_top_lost(&top->model, err.text, now_ms, fh_wall_ms());
        return;
    }
    fh_top_add(&top->model, status, now_ms, fh_wall_ms());
    cJSON_Delete(status);
    if (!top->model.peer.configured) {
        return; /* a single node has no history */
    }
    if (ask(top, "history", &history, &err) < 0) {
        hang_up(top); /* the answer may come when another is waited for */
        return;
    }
    fh_top_add_history(&top->model, history);
    cJSON_Delete(history);
}

/* ---- without a screen -------------------------------------------------------------------------
 */

static bool print_line(const char *text)
{
    return puts(text) >= 0 && fflush(stdout) == 0;
}

/* What changed since the line before, oldest first. */
static bool print_changes(const struct fh_top_model *model, int64_t since_ms)
{
    for (size_t i = model->changes; i > 0; i--) {
        const struct fh_top_change *change = &model->change[i - 1];
        char text[400];
        if (change->time_ms <= since_ms) {
            continue;
        }
        snprintf(text, sizeof(text), "change: %s -> %s, epoch %lld: %s", change->from, change->to,
                 (long long)change->epoch, change->reason);
        if (!print_line(text)) {
            return false;
        }
    }
    return true;
}

static int64_t newest_change(const struct fh_top_model *model)
{
    return model->changes > 0 ? model->change[0].time_ms : 0;
}

/* The first look has no rates: it counts as the beginning, and no line is printed for it. */
static enum fh_ctl_exit print_lines(struct top *top, int64_t lines)
{
    char text[2048];
    look(top);
    int64_t seen_ms = newest_change(&top->model);
    for (int64_t i = 0; (lines == 0 || i < lines) && !ended; i++) {
        poll(NULL, 0, (int)top->view.interval_ms);
        if (ended) {
            break;
        }
        look(top);
        fh_top_summary(&top->model, text, sizeof(text));
        if (!print_changes(&top->model, seen_ms) || !print_line(text)) {
            return FH_CTL_FAILED; /* nobody reads any more */
        }
        seen_ms = newest_change(&top->model);
    }
    return top->model.connected ? FH_CTL_OK : FH_CTL_FAILED;
}

/* ---- with a screen ----------------------------------------------------------------------------
 */

static void change_interval(struct fh_top_view *view, bool longer)
{
    static const int64_t steps[] = {200, 500, 1000, 2000, 5000, 10000, 30000, 60000};
    int64_t chosen = view->interval_ms;
    for (size_t i = 0; i < FH_ARRAY_LEN(steps); i++) {
        if (longer && steps[i] > view->interval_ms) {
            chosen = steps[i];
            break;
        }
        if (!longer && steps[i] < view->interval_ms) {
            chosen = steps[i]; /* the last one below */
        }
    }
    view->interval_ms = chosen;
}

/* False: end. */
static bool take_key(struct fh_top_view *view, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
    case 3: /* ctrl-c, where the terminal gives it as a key */
        return false;
    case 'h':
    case '?':
        view->help = !view->help;
        break;
    case 'p':
    case ' ':
        view->paused = !view->paused;
        break;
    case 't':
        view->types = !view->types;
        break;
    case '+':
    case '=':
        change_interval(view, false);
        break;
    case '-':
        change_interval(view, true);
        break;
    case 'r':
    case 12: /* ctrl-l */
    case FH_TOP_KEY_RESIZE:
        fh_top_screen_spoil();
        break;
    default:
        break;
    }
    return true;
}

static void show(struct top *top)
{
    fh_top_screen_size(&top->view.columns, &top->view.lines);
    fh_top_layout(&top->model, &top->view, &top->page);
    fh_top_screen_draw(&top->page);
}

/* lines: so many looks after the first, 0: until q. */
static enum fh_ctl_exit show_screens(struct top *top, int64_t looks)
{
    look(top);
    show(top);
    struct fh_time last = fh_now();
    for (int64_t i = 0; (looks == 0 || i < looks) && !ended;) {
        int64_t left = top->view.interval_ms - fh_time_diff_ms(fh_now(), last);
        int key = fh_top_screen_key(left);
        if (key != FH_TOP_KEY_NONE && !take_key(&top->view, key)) {
            break;
        }
        if (fh_time_diff_ms(fh_now(), last) >= top->view.interval_ms) {
            last = fh_now();
            if (!top->view.paused) {
                look(top);
                i++;
            }
        }
        show(top);
    }
    fh_top_screen_close();
    return top->model.connected ? FH_CTL_OK
                                : fh_ctl_fail("%s", top->model.why[0] ? top->model.why : "ended");
}

/* Seconds, with a fraction; 0.2 to 3600. */
static bool find_interval(const struct fh_ctl_call *call, int64_t *ret)
{
    const char *text = fh_ctl_option(call, "interval");
    char *rest = NULL;
    double seconds = text ? strtod(text, &rest) : 1;
    if (text && (rest == text || *rest != '\0' || !(seconds >= 0.2 && seconds <= 3600))) {
        fh_ctl_usage_error(call, "--interval wants seconds from 0.2 to 3600, not \"%s\"", text);
        return false;
    }
    *ret = (int64_t)(seconds * 1000 + 0.5);
    return true;
}

enum fh_ctl_exit fh_ctl_top(const struct fh_ctl_call *call)
{
    static struct top top; /* too large for the stack */
    int64_t count = 0;
    struct fh_error err = {""};
    top.fd = -1;
    top.socket_path = call->socket_path;
    if (!find_interval(call, &top.view.interval_ms) ||
        !fh_ctl_number(call, "count", 1, INT64_MAX, 0, &count)) {
        return FH_CTL_USAGE;
    }
    bool screen = !fh_ctl_option(call, "plain") && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    setlocale(LC_CTYPE, ""); /* not the form of numbers */
    top.view.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (screen && fh_top_screen_open(&err) < 0) {
        fprintf(stderr, "firehosectl: %s; lines instead of a screen\n", err.text);
        screen = false;
    }
    catch_signals();
    enum fh_ctl_exit status = screen ? show_screens(&top, count) : print_lines(&top, count);
    hang_up(&top);
    return status;
}
