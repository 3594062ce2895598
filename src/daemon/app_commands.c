/* app_commands.c: what firehosectl may ask of the daemon. */
#include "app.h"

#include <errno.h>
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

const struct fh_control_command app_commands[] = {
    {"status", run_status},
    {"checkpoint", run_checkpoint},
    {"tail", run_tail},
    {NULL, NULL},
};
