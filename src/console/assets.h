/* assets.h: the files of the page, read once at start. Private to src/console.
 *
 * Read-only after assets_load: any thread may look. */
#ifndef FH_CONSOLE_ASSETS_H
#define FH_CONSOLE_ASSETS_H

#include "fh/web.h"

#define ASSETS_MAX       64
#define ASSET_NAME_MAX   80 /* with the slash in front and NUL */
#define ASSET_BYTES_MAX  ((size_t)4 * 1024 * 1024)
#define ASSETS_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct asset {
    char path[ASSET_NAME_MAX]; /* "/app.js"; of index.html "/" */
    const char *type;
    char *bytes;
    size_t len;
    char etag[20];
    char *gzip; /* the same, compressed beforehand; NULL: none */
    size_t gzip_len;
};

struct assets {
    struct asset asset[ASSETS_MAX];
    size_t count;
    size_t bytes;
};

/* Files whose name ends in something the table of types has, with letters, digits and ._- alone;
 * NAME.gz beside NAME is NAME compressed. Others, and directories, are left alone. -ENOENT: no
 * directory, or no index.html in it; -EACCES, -EFBIG, -E2BIG, -EIO, -ENOMEM; each with a sentence;
 * then there are none. */
int assets_load(const char *directory, struct assets *ret, struct fh_error *err);
void assets_done(struct assets *assets);

/* The get() of a route: -ENOENT when there is no such path. */
int assets_answer(const struct assets *assets, const struct fh_web_request *request,
                  struct fh_web_answer *answer);

#endif
