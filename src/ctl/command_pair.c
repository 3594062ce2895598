/* command_pair.c: the orders about the pair's roles. */
#include "commands.h"
#include "render.h"
#include "terminal.h"

#include "fh/clock.h"
#include "fh/control.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_LIMIT_MS 30000
#define WAIT_STEP_MS  50

static cJSON *with_force(const struct fh_ctl_call *call)
{
    cJSON *arguments = cJSON_CreateObject();
    cJSON_AddBoolToObject(arguments, "force", fh_ctl_option(call, "force") != NULL);
    return arguments;
}

/* One question, its answer into *ret_result. */
static enum fh_ctl_exit order(const struct fh_ctl_call *call, const char *command, cJSON *arguments,
                              cJSON **ret_result)
{
    int fd = fh_ctl_ask(call, command, arguments, ret_result);
    cJSON_Delete(arguments);
    if (fd < 0) {
        return FH_CTL_FAILED;
    }
    close(fd);
    return FH_CTL_OK;
}

static void print_warning(const cJSON *result)
{
    const cJSON *warning = cJSON_GetObjectItemCaseSensitive(result, "warning");
    if (cJSON_IsString(warning) && warning->valuestring[0] != '\0') {
        fprintf(stderr, "firehosectl: warning: %s\n", warning->valuestring);
    }
}

/* 1: handed over; 0: under way; negative: it was not (still primary and no longer switching). */
static int handed_over(const struct fh_ctl_call *call)
{
    cJSON *status = NULL;
    if (order(call, "status", NULL, &status) != FH_CTL_OK) {
        return -1;
    }
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(status, "role");
    bool switching = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "switching"));
    const cJSON *peer = cJSON_GetObjectItemCaseSensitive(status, "peer");
    const cJSON *peer_role = cJSON_GetObjectItemCaseSensitive(peer, "role");
    int r = 0;
    if (cJSON_IsString(role) && strcmp(role->valuestring, "standby") == 0) {
        r = cJSON_IsString(peer_role) && strcmp(peer_role->valuestring, "primary") == 0;
    } else if (cJSON_IsString(role) && strcmp(role->valuestring, "primary") == 0 && !switching) {
        r = -1;
    }
    cJSON_Delete(status);
    return r;
}

enum fh_ctl_exit fh_ctl_switchover(const struct fh_ctl_call *call)
{
    cJSON *result = NULL;
    enum fh_ctl_exit status = order(call, "switchover", with_force(call), &result);
    if (status != FH_CTL_OK) {
        return status;
    }
    print_warning(result);
    cJSON_Delete(result);
    if (!fh_ctl_option(call, "wait")) {
        puts("switchover begun; firehosectl status shows when it is done");
        return FH_CTL_OK;
    }
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_LIMIT_MS);
    while (fh_time_before(fh_now(), until)) {
        int r = handed_over(call);
        if (r > 0) {
            puts("the other node is primary now");
            return FH_CTL_OK;
        }
        if (r < 0) {
            return fh_ctl_fail("the role was not handed over; firehosectl history says why");
        }
        poll(NULL, 0, WAIT_STEP_MS); /* the daemon has no message for this; ask again */
    }
    return fh_ctl_fail("not handed over within %d s; see firehosectl status on both nodes",
                       WAIT_LIMIT_MS / 1000);
}

enum fh_ctl_exit fh_ctl_promote(const struct fh_ctl_call *call)
{
    cJSON *result = NULL;
    enum fh_ctl_exit status = order(call, "promote", with_force(call), &result);
    if (status != FH_CTL_OK) {
        return status;
    }
    print_warning(result);
    cJSON_Delete(result);
    puts("ordered; firehosectl status shows when this node leads");
    return FH_CTL_OK;
}

enum fh_ctl_exit fh_ctl_maintenance(const struct fh_ctl_call *call)
{
    bool on = call->operand && strcmp(call->operand, "on") == 0;
    if (!on && (!call->operand || strcmp(call->operand, "off") != 0)) {
        return fh_ctl_usage_error(call, "say on or off");
    }
    cJSON *arguments = with_force(call);
    cJSON_AddBoolToObject(arguments, "on", on);
    cJSON *result = NULL;
    enum fh_ctl_exit status = order(call, "maintenance", arguments, &result);
    if (status == FH_CTL_OK) {
        puts(on ? "maintenance on: this node does not promote itself" : "maintenance off");
    }
    cJSON_Delete(result);
    return status;
}

enum fh_ctl_exit fh_ctl_history(const struct fh_ctl_call *call)
{
    cJSON *result = NULL;
    enum fh_ctl_exit status = order(call, "history", NULL, &result);
    if (status != FH_CTL_OK) {
        return status;
    }
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    int r = fh_ctl_option(call, "json") ? fh_render_json(result, &text)
                                        : fh_render_history_text(result, &text);
    bool written = r == 0 && fh_terminal_print(text.data, text.len);
    fh_buf_done(&text);
    cJSON_Delete(result);
    return written ? FH_CTL_OK : fh_ctl_fail("cannot write the answer");
}
