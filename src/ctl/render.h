/* render.h: one result, several faces. Whatever member is missing or of another type is left out:
 * an older or newer daemon must not break the one command an operator needs most. */
#ifndef FH_CTL_RENDER_H
#define FH_CTL_RENDER_H

#include "fh/buf.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

#define FH_RENDER_MAX ((size_t)16 * 1024 * 1024)

/* Text for people. Bytes of foreign origin (error sentences of servers) lose their control
 * characters. 0, -ENOBUFS, -ENOMEM. */
int fh_render_status_text(const cJSON *status, struct fh_buf *into);
int fh_render_checkpoint_text(const cJSON *checkpoint, struct fh_buf *into);

int fh_render_history_text(const cJSON *history, struct fh_buf *into);

/* The result as it came, indented. */
int fh_render_json(const cJSON *result, struct fh_buf *into);

#endif
