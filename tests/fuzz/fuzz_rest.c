/* fuzz_rest.c: any bytes as an answer of the service: nothing is read beyond them, what is taken is
 * within its limits, and no sentence holds the key or a control character. */
#include "answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "0123456789ABCDEF"

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_text(const char *text)
{
    check(!strstr(text, SECRET));
    for (; *text; text++) {
        check(*text >= 0x20 && *text <= 0x7e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1); /* so that a sanitizer sees the end */
    check(copy);
    memcpy(copy, bytes, len);
    struct fh_error err = {""};
    struct fh_rest_map map = {.id = ""};
    cJSON *object = NULL;
    char text[64];
    char path[FH_REST_PATH_MAX];
    if (fh_rest_read_location(copy, len, SECRET, &object, &err) == 0) {
        check(cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(object, "location")));
        cJSON_Delete(object);
    }
    check_text(err.text);
    if (fh_rest_read_map(copy, len, SECRET, &map, &err) == 0) {
        check(map.width > 0 && map.length > 0 && map.height >= 0 && map.width <= 1e6 &&
              map.length <= 1e6 && map.image_width >= 0 && map.image_height >= 0);
    }
    check_text(err.text);
    fh_rest_message(copy, len, SECRET, text, sizeof(text));
    check_text(text);
    (void)fh_rest_image_type(copy, len);
    char *id = strndup(copy, len);
    if (id && fh_rest_path("maps", id, "/image", id, path, &err) == 0) {
        check(strspn(path,
                     "/?=%-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
              strlen(path));
    }
    free(id);
    free(copy);
    return 0;
}
