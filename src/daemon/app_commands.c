/* app_commands.c: what firehosectl may ask of the daemon. */
#include "app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int run_status(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                      cJSON **ret_result, struct fh_error *err)
{
    (void)arguments;
    (void)client;
    (void)err;
    *ret_result = app_status_json(userdata);
    return 0;
}

static int run_checkpoint(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                          cJSON **ret_result, struct fh_error *err)
{
    (void)arguments;
    (void)client;
    (void)err;
    *ret_result = app_checkpoint_json(userdata);
    return 0;
}

static void tail_closed(void *userdata, struct fh_control_client *client)
{
    struct app *app = userdata;
    for (size_t i = 0; i < app->tail_count; i++) {
        if (app->tail[i] == client) {
            app->tail[i] = app->tail[--app->tail_count];
            break;
        }
    }
    fh_pipeline_tail(app->pipeline, app->tail_count > 0);
}

static int run_tail(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    (void)arguments;
    (void)ret_result;
    if (app->tail_count == APP_TAILS_MAX) {
        return fh_error_set(err, -EBUSY, "%d clients already follow the stream; end one of them",
                            APP_TAILS_MAX);
    }
    app->tail[app->tail_count++] = client;
    fh_control_client_stream(client, tail_closed, app);
    fh_pipeline_tail(app->pipeline, true);
    return 1;
}

void app_tail_lines(struct app *app, const char *lines, size_t len)
{
    const char *end = lines + len;
    while (lines < end) {
        const char *newline = memchr(lines, '\n', (size_t)(end - lines));
        if (!newline) {
            return;
        }
        for (size_t i = 0; i < app->tail_count; i++) {
            /* A client that reads too slowly misses lines; tail is for looking, not for keeping. */
            (void)fh_control_client_send(app->tail[i], lines, (size_t)(newline - lines));
        }
        lines = newline + 1;
    }
}

static bool flag_of(const cJSON *arguments, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(arguments, name));
}

static int need_pair(const struct app *app, struct fh_error *err)
{
    return app->ha ? 0 : fh_error_set(err, -EINVAL, "this is a single node: no pair is configured");
}

static int run_switchover(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                          cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    struct fh_error warning = {""};
    (void)client;
    int r = need_pair(app, err);
    r = r < 0 ? r : fh_ha_switchover(app->ha, flag_of(arguments, "force"), &warning, err);
    if (r < 0) {
        return r;
    }
    *ret_result = cJSON_CreateObject();
    cJSON_AddStringToObject(*ret_result, "warning", warning.text);
    return 0;
}

static int run_promote(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                       cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    struct fh_error warning = {""};
    (void)client;
    int r = need_pair(app, err);
    r = r < 0 ? r : fh_ha_promote(app->ha, flag_of(arguments, "force"), &warning, err);
    if (r < 0) {
        return r;
    }
    *ret_result = cJSON_CreateObject();
    cJSON_AddStringToObject(*ret_result, "warning", warning.text);
    return 0;
}

static int run_maintenance(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                           cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    (void)client;
    const cJSON *on = cJSON_GetObjectItemCaseSensitive(arguments, "on");
    if (!cJSON_IsBool(on)) {
        return fh_error_set(err, -EINVAL, "maintenance: say on or off");
    }
    int r = need_pair(app, err);
    r = r < 0 ? r : fh_ha_maintenance(app->ha, cJSON_IsTrue(on), flag_of(arguments, "force"), err);
    if (r < 0) {
        return r;
    }
    app_pair_keep_maintenance(app, cJSON_IsTrue(on));
    *ret_result = cJSON_CreateObject();
    return 0;
}

static int run_history(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                       cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    (void)arguments;
    (void)client;
    int r = need_pair(app, err);
    if (r < 0) {
        return r;
    }
    struct fh_ha_transition *list = calloc(FH_HA_HISTORY_MAX, sizeof(*list));
    if (!list) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    size_t count = fh_ha_history(app->ha, list, FH_HA_HISTORY_MAX);
    *ret_result = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(*ret_result, "history");
    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "time_ms", (double)list[i].wall_ms);
        cJSON_AddStringToObject(row, "from", fh_role_name(list[i].from));
        cJSON_AddStringToObject(row, "to", fh_role_name(list[i].to));
        cJSON_AddNumberToObject(row, "epoch", (double)list[i].epoch);
        cJSON_AddStringToObject(row, "reason", list[i].reason);
        cJSON_AddStringToObject(row, "evidence", list[i].evidence);
        cJSON_AddItemToArray(rows, row);
    }
    free(list);
    return 0;
}

const struct fh_control_command app_commands[] = {
    {"status", run_status},
    {"checkpoint", run_checkpoint},
    {"tail", run_tail},
    {"switchover", run_switchover},
    {"maintenance", run_maintenance},
    {"history", run_history},
    {"replay", app_replay_run},
    {"replay-cancel", app_replay_cancel},
    {"promote", run_promote},
    {NULL, NULL},
};
