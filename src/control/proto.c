/* proto.c: owns the shape of requests and answers. Never touches a socket. */
#include "proto.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The whole line must be one JSON object. */
static int parse_object(const char *line, size_t len, cJSON **ret, struct fh_error *err)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(line, len, &end, 0);
    if (!root) {
        return fh_error_set(err, -EBADMSG, "not a JSON object");
    }
    for (; end < line + len; end++) {
        if (*end != ' ' && *end != '\t' && *end != '\r') {
            break;
        }
    }
    if (!cJSON_IsObject(root) || end != line + len) {
        cJSON_Delete(root);
        return fh_error_set(err, -EBADMSG, "not a JSON object");
    }
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "v");
    if (!cJSON_IsNumber(version)) {
        cJSON_Delete(root);
        return fh_error_set(err, -EBADMSG, "no version \"v\" in it");
    }
    if (version->valueint != FH_CONTROL_VERSION) {
        int code = fh_error_set(err, -EPROTONOSUPPORT,
                                "version %d is not spoken here, %d is; use the firehosectl that "
                                "came with the daemon",
                                version->valueint, FH_CONTROL_VERSION);
        cJSON_Delete(root);
        return code;
    }
    *ret = root;
    return 0;
}

int fh_control_parse_request(const char *line, size_t len, cJSON **ret_root,
                             const char **ret_command, const cJSON **ret_arguments,
                             struct fh_error *err)
{
    cJSON *root = NULL;
    int r = parse_object(line, len, &root, err);
    if (r < 0) {
        return r;
    }
    const cJSON *command = cJSON_GetObjectItemCaseSensitive(root, "command");
    const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(root, "arguments");
    if (cJSON_IsNull(arguments)) {
        arguments = NULL;
    }
    if (!cJSON_IsString(command) || command->valuestring[0] == '\0') {
        r = fh_error_set(err, -EBADMSG, "no \"command\" in it");
    } else if (arguments && !cJSON_IsObject(arguments)) {
        r = fh_error_set(err, -EBADMSG, "\"arguments\" is not an object");
    }
    if (r < 0) {
        cJSON_Delete(root);
        return r;
    }
    *ret_root = root;
    *ret_command = command->valuestring;
    *ret_arguments = arguments;
    return 0;
}

int fh_control_parse_answer(const char *line, size_t len, cJSON **ret_result, struct fh_error *err)
{
    cJSON *root = NULL;
    int r = parse_object(line, len, &root, err);
    if (r < 0) {
        fh_error_prefix(err, "the daemon's answer cannot be read");
        return r;
    }
    const cJSON *ok = cJSON_GetObjectItemCaseSensitive(root, "ok");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(root, "error");
    if (cJSON_IsTrue(ok)) {
        *ret_result = cJSON_DetachItemFromObjectCaseSensitive(root, "result");
    } else if (cJSON_IsFalse(ok) && cJSON_IsString(error)) {
        r = fh_error_set(err, -EREMOTEIO, "%s", error->valuestring);
    } else {
        r = fh_error_set(err, -EBADMSG, "the daemon's answer has neither ok nor error");
    }
    cJSON_Delete(root);
    return r;
}

/* Takes the wrapper over; a payload is only lent to it. */
static char *print_and_delete(cJSON *wrapper, const char *key, const cJSON *payload)
{
    bool complete = wrapper != NULL;
    if (complete && payload) {
        complete = cJSON_AddItemReferenceToObject(wrapper, key, (cJSON *)payload);
    }
    char *text = complete ? cJSON_PrintUnformatted(wrapper) : NULL;
    cJSON_Delete(wrapper);
    return text;
}

static cJSON *new_wrapper(void)
{
    cJSON *wrapper = cJSON_CreateObject();
    if (wrapper && !cJSON_AddNumberToObject(wrapper, "v", FH_CONTROL_VERSION)) {
        cJSON_Delete(wrapper);
        return NULL;
    }
    return wrapper;
}

char *fh_control_print_request(const char *command, const cJSON *arguments)
{
    cJSON *wrapper = new_wrapper();
    if (wrapper && !cJSON_AddStringToObject(wrapper, "command", command)) {
        cJSON_Delete(wrapper);
        return NULL;
    }
    return print_and_delete(wrapper, "arguments", arguments);
}

char *fh_control_print_answer(const cJSON *result, const char *error)
{
    cJSON *wrapper = new_wrapper();
    if (wrapper && (!cJSON_AddBoolToObject(wrapper, "ok", error == NULL) ||
                    (error && !cJSON_AddStringToObject(wrapper, "error", error)))) {
        cJSON_Delete(wrapper);
        return NULL;
    }
    return print_and_delete(wrapper, "result", error ? NULL : result);
}
