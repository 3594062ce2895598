/* role_file.c: owns what the units that follow the role look at, in the directory systemd gives the
 * service ($RUNTIME_DIRECTORY; without it there is nothing to do):
 *
 *   role                ROLE=, EPOCH=, NODE=, REASON=, a line each; replaced as a whole
 *   primary or standby  there while this node is that; the condition of the target of that name
 *   role-changed        made after each change; firehosed-role.path acts on it
 *
 * The unit removes them when the daemon has ended, however it ended. The directory lies in memory,
 * so writing there does not keep the main thread waiting for a disk. Starts no program. */
#include "app.h"

#include "fh/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_file(int directory, const char *name, const char *text, size_t len)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = write(fd, text, len);
    int r = n < 0 ? -errno : (size_t)n != len ? -ENOSPC : 0;
    close(fd);
    return r;
}

/* role: there when held, away when not. */
static int mark(int directory, const char *role, bool held)
{
    if (held) {
        return write_file(directory, role, "", 0);
    }
    return unlinkat(directory, role, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int write_all(const struct app *app, int directory, const char *reason)
{
    char text[1024];
    int n = snprintf(text, sizeof(text),
                     "ROLE=%s\nEPOCH=%" PRIu64 "\nNODE=%s\nREASON=", fh_role_name(app->role),
                     app->epoch, app->config.node.name);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        return -ENAMETOOLONG;
    }
    size_t len = (size_t)n;
    for (; *reason && len < sizeof(text) - 1; reason++) {
        text[len++] = (char)(*reason >= ' ' && *reason <= '~' ? *reason : '?');
    }
    text[len++] = '\n';
    /* What it is no longer first: nobody shall find two roles. */
    bool primary = app->role == FH_ROLE_PRIMARY;
    bool standby = app->role == FH_ROLE_STANDBY;
    int r = primary ? 0 : mark(directory, "primary", false);
    r = r < 0 || standby ? r : mark(directory, "standby", false);
    r = r < 0 ? r : write_file(directory, "role.new", text, len);
    r = r == 0 && renameat(directory, "role.new", directory, "role") < 0 ? -errno : r;
    r = r < 0 || !primary ? r : mark(directory, "primary", true);
    r = r < 0 || !standby ? r : mark(directory, "standby", true);
    return r < 0 ? r : write_file(directory, "role-changed", "", 0);
}

void role_file_write(const struct app *app, const char *reason)
{
    char path[FH_PATH_MAX];
    const char *list = getenv("RUNTIME_DIRECTORY");
    size_t len = list ? strcspn(list, ":") : 0;
    if (len == 0 || len >= sizeof(path)) {
        return;
    }
    memcpy(path, list, len);
    path[len] = '\0';
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = directory < 0 ? -errno : write_all(app, directory, reason);
    if (directory >= 0) {
        close(directory);
    }
    if (r < 0) {
        char text[64];
        fh_log(
            LOG_WARNING,
            "the role cannot be written into %s: %s; targets and hooks do not follow this change",
            path, fh_strerror(r, text, sizeof(text)));
    }
}
