/* fuzz_control.c: whatever is typed into the control socket, and whatever answers firehosectl. */
#include "proto.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void request(const char *line, size_t len)
{
    cJSON *root = NULL;
    const char *command = NULL;
    const cJSON *arguments = NULL;
    struct fh_error err = {""};
    if (fh_control_parse_request(line, len, &root, &command, &arguments, &err) < 0) {
        check(!root && !command && err.text[0] != '\0');
        return;
    }
    check(root && command[0] != '\0');
    check(!arguments || cJSON_IsObject(arguments));
    /* What we understood can be said again, and is understood the same. */
    char *again = fh_control_print_request(command, arguments);
    check(again != NULL);
    cJSON *root2 = NULL;
    const char *command2 = NULL;
    const cJSON *arguments2 = NULL;
    if (fh_control_parse_request(again, strlen(again), &root2, &command2, &arguments2, &err) == 0) {
        check(strcmp(command, command2) == 0);
        check(!arguments == !arguments2);
    }
    cJSON_Delete(root2);
    cJSON_free(again);
    cJSON_Delete(root);
}

static void answer(const char *line, size_t len)
{
    cJSON *result = NULL;
    struct fh_error err = {""};
    if (fh_control_parse_answer(line, len, &result, &err) < 0) {
        check(!result);
        return;
    }
    char *again = fh_control_print_answer(result, NULL);
    check(again != NULL);
    cJSON_free(again);
    cJSON_Delete(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Exact allocation, so that reading one byte too far is seen. */
    char *line = malloc(size ? size : 1);
    check(line != NULL);
    memcpy(line, data, size);
    request(line, size);
    answer(line, size);
    free(line);
    return 0;
}
