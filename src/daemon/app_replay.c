/* app_replay.c: replays for the operator: begun, watched and cancelled over the control socket. Who
 * watches one and hangs up ends it, unless he had it begun in the background. */
#include "app.h"

#include "fh/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_MS 500 /* between two lines to who watches */

/* cJSON holds numbers as doubles: exact up to 2^53, which no counter of ours reaches. */
static void number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

static cJSON *status_json(const struct fh_replay_status *status)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "id", status->id);
    cJSON_AddStringToObject(object, "sink", status->sink);
    cJSON_AddStringToObject(object, "state", fh_replay_state_name(status->state));
    cJSON_AddBoolToObject(object, "dry_run", status->dry_run);
    cJSON_AddNumberToObject(object, "since_ms", (double)status->since_ms);
    cJSON_AddNumberToObject(object, "until_ms", (double)status->until_ms);
    number(object, "records", status->records);
    number(object, "looked_at", status->looked_at);
    number(object, "delivered", status->delivered);
    number(object, "filtered", status->filtered);
    number(object, "refused", status->refused);
    number(object, "dropped", status->dropped);
    number(object, "damaged", status->damaged);
    if (status->go_on_ms != INT64_MAX) {
        cJSON_AddNumberToObject(object, "go_on_ms", (double)status->go_on_ms);
    }
    cJSON_AddStringToObject(object, "place", status->place);
    cJSON_AddStringToObject(object, "waiting", status->waiting);
    cJSON_AddStringToObject(object, "error", status->error);
    if (status->dry_run) {
        cJSON *types = cJSON_AddObjectToObject(object, "types");
        for (size_t i = 0; i < status->types.count; i++) {
            number(types, status->types.type[i].name, status->types.type[i].received);
        }
        if (status->types.other > 0) {
            number(object, "types_other", status->types.other);
        }
    }
    return object;
}

cJSON *app_replay_json(struct app *app, size_t index)
{
    struct fh_replay_status *status = malloc(sizeof(*status));
    cJSON *object = NULL;
    if (status) {
        fh_replay_status(app->pipeline, index, status);
        object = status->state == FH_REPLAY_NONE ? NULL : status_json(status);
    }
    free(status);
    return object;
}

/* ---- who watches ------------------------------------------------------------------------------
 */

static void watcher_gone(void *userdata, struct fh_control_client *client)
{
    struct app *app = userdata;
    for (size_t i = 0; i < FH_SINKS_MAX; i++) {
        if (app->replay_watcher[i] == client) {
            app->replay_watcher[i] = NULL;
            fh_replay_cancel(app->pipeline, i);
        }
    }
}

void app_replay_tick(struct app *app)
{
    struct fh_time now = fh_now();
    for (size_t i = 0; i < FH_SINKS_MAX; i++) {
        if (!app->replay_watcher[i]) {
            continue;
        }
        cJSON *object = app_replay_json(app, i);
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(object, "state"));
        bool running = state && strcmp(state, "running") == 0;
        if (running && fh_time_diff_ms(now, app->replay_told[i]) < TELL_MS) {
            cJSON_Delete(object);
            continue;
        }
        app->replay_told[i] = now;
        char *line = cJSON_PrintUnformatted(object);
        if (line) {
            (void)fh_control_client_send(app->replay_watcher[i], line, strlen(line));
        }
        if (!running) {
            app->replay_watcher[i] = NULL; /* it has seen the end and hangs up */
        }
        cJSON_free(line);
        cJSON_Delete(object);
    }
}

/* ---- orders -----------------------------------------------------------------------------------
 */

static int need_primary(struct app *app, struct fh_error *err)
{
    struct fh_ha_status *ha = calloc(1, sizeof(*ha));
    if (!ha) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    app_ha_status(app, ha);
    int r = 0;
    if (ha->role != FH_ROLE_PRIMARY) {
        r = fh_error_set(err, -EPERM,
                         "this node is %s: only the primary delivers, ask for the replay there",
                         fh_role_name(ha->role));
    } else if (ha->fenced) {
        r = fh_error_set(err, -EPERM,
                         "this node is fenced: it must not deliver before it knows who is primary");
    } else if (ha->switching || app->stopping) {
        r = fh_error_set(err, -EPERM, "this node is handing its role over; ask the other node");
    }
    free(ha);
    return r;
}

static bool take_text(const cJSON *arguments, const char *name, char *into, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(arguments, name));
    return !text || snprintf(into, size, "%s", text) < (int)size;
}

static bool take_number(const cJSON *arguments, const char *name, int64_t *ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(arguments, name);
    if (!item) {
        return true;
    }
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 9007199254740992.0) {
        return false;
    }
    *ret = (int64_t)item->valuedouble;
    return true;
}

static bool take_types(const cJSON *arguments, struct fh_replay_order *order)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(arguments, "types"))
    {
        const char *text = cJSON_GetStringValue(item);
        if (!text || order->type_count == FH_REPLAY_TYPES_MAX ||
            strlen(text) >= sizeof(order->type[0])) {
            return false;
        }
        snprintf(order->type[order->type_count++], sizeof(order->type[0]), "%s", text);
    }
    return true;
}

static int read_order(const cJSON *arguments, struct fh_replay_order *order, struct fh_error *err)
{
    order->since_ms = -1;
    order->until_ms = -1;
    order->dry_run = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(arguments, "dry_run"));
    if (!take_text(arguments, "sink", order->sink, sizeof(order->sink)) ||
        !take_text(arguments, "listen", order->listen, sizeof(order->listen)) ||
        !take_number(arguments, "since_ms", &order->since_ms) ||
        !take_number(arguments, "until_ms", &order->until_ms) ||
        !take_number(arguments, "rate", &order->rate) || !take_types(arguments, order)) {
        return fh_error_set(err, -EINVAL, "replay: an argument is too long or of the wrong kind");
    }
    if (order->sink[0] == '\0' || order->since_ms < 0 || order->until_ms <= order->since_ms) {
        return fh_error_set(err, -EINVAL,
                            "replay: say the sink, since_ms, and an until_ms behind it");
    }
    return 0;
}

int app_replay_run(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                   cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    struct fh_replay_order *order = calloc(1, sizeof(*order));
    size_t index = 0;
    if (!order) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    int r = read_order(arguments, order, err);
    r = r < 0 ? r : need_primary(app, err);
    r = r < 0 ? r : fh_replay_start(app->pipeline, order, err, &index);
    free(order);
    if (r < 0) {
        return r;
    }
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(arguments, "detach"))) {
        *ret_result = app_replay_json(app, index);
        return 0;
    }
    app->replay_watcher[index] = client;
    app->replay_told[index] = fh_now();
    fh_control_client_stream(client, watcher_gone, app);
    return 1;
}

int app_replay_cancel(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                      cJSON **ret_result, struct fh_error *err)
{
    struct app *app = userdata;
    (void)client;
    const char *sink = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(arguments, "sink"));
    *ret_result = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(*ret_result, "cancelled");
    for (size_t i = 0; i < FH_SINKS_MAX; i++) {
        cJSON *replay = app_replay_json(app, i);
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(replay, "state"));
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(replay, "sink"));
        if (state && strcmp(state, "running") == 0 && (!sink || (name && !strcmp(name, sink)))) {
            fh_replay_cancel(app->pipeline, i);
            cJSON_AddItemToArray(list, replay);
        } else {
            cJSON_Delete(replay);
        }
    }
    if (cJSON_GetArraySize(list) == 0) {
        return fh_error_set(err, -ENOENT, "no replay is running%s%.31s", sink ? " into sink " : "",
                            sink ? sink : "");
    }
    return 0;
}
