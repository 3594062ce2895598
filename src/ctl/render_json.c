/* render_json.c: the result for programs: every member, nothing added. */
#include "render.h"

#include <errno.h>
#include <string.h>

int fh_render_json(const cJSON *result, struct fh_buf *into)
{
    char *text = cJSON_Print(result);
    if (!text) {
        return -ENOMEM;
    }
    int r = fh_buf_append(into, text, strlen(text));
    if (r == 0) {
        r = fh_buf_append(into, "\n", 1);
    }
    cJSON_free(text);
    return r;
}
