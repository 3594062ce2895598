/* command_replay.c: firehosectl replay: has the daemon deliver an interval again, and shows how far
 * it is. The daemon does the work; who hangs up ends it. */
#include "past_options.h"
#include "render_replay.h"

#include "fh/clock.h"
#include "fh/control.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MS  5000 /* between two lines where there is no terminal */
#define TEXT_MAX 65536

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static enum fh_ctl_exit cancel(const struct fh_ctl_call *call)
{
    const char *sink = fh_ctl_option(call, "sink");
    cJSON *arguments = cJSON_CreateObject();
    cJSON *result = NULL;
    if (sink) {
        cJSON_AddStringToObject(arguments, "sink", sink);
    }
    int fd = fh_ctl_ask(call, "replay-cancel", arguments, &result);
    cJSON_Delete(arguments);
    if (fd < 0) {
        return FH_CTL_FAILED;
    }
    close(fd);
    const cJSON *replay = NULL;
    cJSON_ArrayForEach(replay, cJSON_GetObjectItemCaseSensitive(result, "cancelled"))
    {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(replay, "id"));
        const char *into = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(replay, "sink"));
        printf("replay %s into sink %s is being cancelled\n", id ? id : "", into ? into : "");
    }
    cJSON_Delete(result);
    return FH_CTL_OK;
}

static cJSON *make_order(const struct fh_ctl_call *call, const struct fh_pick *pick, int64_t rate)
{
    cJSON *order = cJSON_CreateObject();
    const char *listen = fh_ctl_option(call, "listen");
    cJSON_AddStringToObject(order, "sink", fh_ctl_option(call, "sink"));
    cJSON_AddNumberToObject(order, "since_ms", (double)pick->interval.since_ms);
    cJSON_AddNumberToObject(order, "until_ms", (double)pick->interval.until_ms);
    cJSON_AddNumberToObject(order, "rate", (double)rate);
    cJSON_AddBoolToObject(order, "dry_run", fh_ctl_option(call, "dry-run") != NULL);
    cJSON_AddBoolToObject(order, "detach", fh_ctl_option(call, "detach") != NULL);
    if (listen) {
        cJSON_AddStringToObject(order, "listen", listen);
    }
    cJSON *types = cJSON_AddArrayToObject(order, "types");
    for (size_t i = 0; i < pick->type_count; i++) {
        char *name = strndup(pick->type[i].data, pick->type[i].len);
        cJSON_AddItemToArray(types, cJSON_CreateString(name ? name : ""));
        free(name);
    }
    return order;
}

/* ---- watching -------------------------------------------------------------------------------- */

struct watch {
    const struct fh_ctl_call *call;
    size_t columns; /* of the terminal; 0: none */
    struct fh_time told;
    bool bar_shown, cancel_asked;
    struct fh_buf text;
};

static void show(struct watch *watch, const cJSON *replay)
{
    fh_buf_clear(&watch->text);
    if (watch->columns > 0) {
        if (fh_replay_bar(replay, watch->columns, &watch->text) == 0) {
            printf("\r%.*s\033[K", (int)watch->text.len, watch->text.data);
            watch->bar_shown = true;
        }
    } else if (!fh_time_is_set(watch->told) || fh_time_diff_ms(fh_now(), watch->told) >= LINE_MS) {
        watch->told = fh_now();
        if (fh_replay_line(replay, &watch->text) == 0) {
            fwrite(watch->text.data, 1, watch->text.len, stdout);
        }
    }
    fflush(stdout);
}

static enum fh_ctl_exit show_end(struct watch *watch, const cJSON *replay, bool done)
{
    if (watch->bar_shown) {
        fputs("\r\033[K", stdout);
    }
    fh_buf_clear(&watch->text);
    if (fh_replay_end(replay, &watch->text) < 0) {
        return fh_ctl_fail("out of memory");
    }
    fwrite(watch->text.data, 1, watch->text.len, stdout);
    return fflush(stdout) == 0 && done ? FH_CTL_OK : FH_CTL_FAILED;
}

static enum fh_ctl_exit watch_it(struct watch *watch, int fd)
{
    for (;;) {
        char *line = NULL;
        struct fh_error err = {""};
        int r = fh_control_read_line(fd, &line, &err);
        if (r <= 0) {
            return r < 0 ? fh_ctl_fail("%s", err.text)
                         : fh_ctl_fail("the daemon has ended, and the replay with it; its journal "
                                       "says how far it got");
        }
        cJSON *replay = cJSON_Parse(line);
        free(line);
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(replay, "state"));
        if (state && strcmp(state, "running") != 0) {
            enum fh_ctl_exit exit = show_end(watch, replay, strcmp(state, "done") == 0);
            cJSON_Delete(replay);
            return exit;
        }
        show(watch, replay);
        cJSON_Delete(replay);
        if (interrupted && !watch->cancel_asked) { /* and hear how far it got */
            watch->cancel_asked = true;
            (void)cancel(watch->call);
        }
    }
}

static enum fh_ctl_exit start(const struct fh_ctl_call *call, cJSON *order)
{
    cJSON *result = NULL;
    bool detach = fh_ctl_option(call, "detach") != NULL;
    int fd = fh_ctl_ask(call, "replay", order, &result);
    enum fh_ctl_exit exit = FH_CTL_FAILED;
    if (fd >= 0 && detach) {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "id"));
        printf("replay %s has begun; firehosectl status shows it, firehosectl replay --cancel ends "
               "it\n",
               id ? id : "");
        exit = FH_CTL_OK;
    } else if (fd >= 0) {
        struct watch watch = {.call = call, .columns = fh_past_options_columns()};
        struct sigaction action = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &action, NULL);
        fh_buf_init(&watch.text, TEXT_MAX);
        exit = watch_it(&watch, fd);
        fh_buf_done(&watch.text);
    }
    if (fd >= 0) {
        close(fd);
    }
    cJSON_Delete(result);
    return exit;
}

enum fh_ctl_exit fh_ctl_replay(const struct fh_ctl_call *call)
{
    static struct fh_pick pick;
    int64_t rate = 0;
    if (fh_ctl_option(call, "cancel")) {
        return cancel(call);
    }
    if (!fh_ctl_option(call, "sink") || !fh_ctl_option(call, "since")) {
        return fh_ctl_usage_error(call, "--sink NAME and --since TIME are needed");
    }
    if (fh_ctl_option(call, "dry-run") && fh_ctl_option(call, "detach")) {
        return fh_ctl_usage_error(call, "--dry-run is for looking, --detach for not looking");
    }
    if (!fh_past_options(call, &pick) || !fh_ctl_number(call, "rate", 1, 1000000, 0, &rate)) {
        return FH_CTL_USAGE;
    }
    if (!fh_ctl_option(call, "until")) {
        pick.interval.until_ms = fh_wall_ms();
    }
    if (pick.interval.since_ms < 0) { /* so many days ago: all there is, as for events */
        pick.interval.since_ms = 0;
    }
    if (pick.interval.since_ms >= pick.interval.until_ms) {
        return fh_ctl_usage_error(call, "--since must be before --until (default: now)");
    }
    cJSON *order = make_order(call, &pick, rate);
    enum fh_ctl_exit exit = start(call, order);
    cJSON_Delete(order);
    return exit;
}
