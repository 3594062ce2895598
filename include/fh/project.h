/* project.h: a copy of a record that holds only the fields a sink is to get.
 *
 * A path names members from the outermost object inwards, with dots between them (a.b.c); * stands
 * for any one name; arrays have no name: a path goes through their elements. What a path names is
 * meant with all below it.
 *   include  keeps what a path names, and the objects and arrays on the way to it, even when they
 *            end up empty; without any include everything is kept
 *   drop     leaves out what a path names, also below what is included
 * recordUid, eventType, recordTimestamp and spacesTenantId of the outermost object are always kept.
 * Names are compared after unescaping, up to a \u0000 when there is one (where a reader in C
 * stops), so no way of writing a name gets it past a drop.
 *
 * Pure: no clock, no I/O, no allocation but the output buffer's. A projection may be used by any
 * number of threads once it is made. */
#ifndef FH_PROJECT_H
#define FH_PROJECT_H

#include "fh/buf.h"
#include "fh/event.h"

#include <stdbool.h>

#define FH_PROJECT_PATHS_MAX 32 /* of each kind */
#define FH_PROJECT_NAMES_MAX 16 /* in a path */
#define FH_PROJECT_PATH_MAX  96 /* bytes of a path, with its NUL */

struct fh_project_path {
    char text[FH_PROJECT_PATH_MAX];
    struct {
        uint8_t offset, len;
    } name[FH_PROJECT_NAMES_MAX];
    uint8_t names;
};

struct fh_project_paths {
    struct fh_project_path path[FH_PROJECT_PATHS_MAX];
    uint32_t count;
};

/* Embedded; {0} is one that changes nothing. */
struct fh_projection {
    struct fh_project_paths include, drop;
};

/* Add a path. 0, or -EINVAL with a sentence that begins with the path and says what is wrong with
 * it: it could never name anything, or it names what is always kept. */
int fh_projection_include(struct fh_projection *projection, const char *path, struct fh_error *err);
int fh_projection_drop(struct fh_projection *projection, const char *path, struct fh_error *err);
/* All paths were added: do they make sense together? -EINVAL with a sentence when all that an
 * include names is dropped again. */
int fh_projection_check(const struct fh_projection *projection, struct fh_error *err);
static inline bool fh_projection_is_empty(const struct fh_projection *projection)
{
    return projection->include.count == 0 && projection->drop.count == 0;
}

/* Append the projection of a JSON text, never longer than the text. What is kept are the bytes of
 * the text; blanks between members are not kept. One pass. 0; -EINVAL: no JSON, or nested deeper
 * than FH_DEPTH_MAX; -ENOMEM, -ENOBUFS: the buffer's. On failure into is as it was. */
int fh_project(const struct fh_projection *projection, const char *text, size_t len,
               struct fh_buf *into);

#endif
