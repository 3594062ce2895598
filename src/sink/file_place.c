/* file_place.c: owns the directory of a file sink and the lock in it. */
#include "file_place.h"

#include "published_mark.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_MODE 0750

static const char *remedy(int code)
{
    switch (-code) {
    case ENOSPC:
    case EDQUOT:
        return "; free space there, delivery goes on by itself";
    case EACCES:
    case EPERM:
        return "; let the user of the daemon write there";
    case EROFS:
        return "; the file system is read-only: check the disk and mount it writable";
    case EIO:
        return "; the disk fails: see the kernel's log";
    case ENOENT:
    case ENOTDIR:
        return "; the directory is gone: make or mount it again";
    case EFBIG:
        return "; raise the file size limit (LimitFSIZE=) or lower roll_bytes";
    default:
        return "";
    }
}

int fh_file_fail(struct fh_error *err, int code, const char *what, const char *path)
{
    char text[128];
    return fh_error_set(err, code, "cannot %s %s: %s%s", what, path,
                        fh_strerror(code, text, sizeof(text)), remedy(code));
}

/* mkdir -p, each level made durable in its parent. */
static int make_directory(const char *directory, struct fh_error *err)
{
    char path[FH_PATH_MAX];
    snprintf(path, sizeof(path), "%s", directory);
    for (char *at = path;; at++) {
        at += strcspn(at, "/");
        char saved = *at;
        *at = '\0';
        if (path[0] != '\0' && mkdir(path, DIRECTORY_MODE) == 0) {
            char parent[FH_PATH_MAX];
            snprintf(parent, sizeof(parent), "%s", path);
            char *slash = strrchr(parent, '/');
            if (slash) {
                slash[slash == parent ? 1 : 0] = '\0';
            }
            int r = fh_directory_sync(slash ? parent : ".", err);
            if (r < 0) {
                return r;
            }
        } else if (path[0] != '\0' && errno != EEXIST && saved == '\0') {
            return fh_file_fail(err, -errno, "create the directory", path);
        }
        *at = saved;
        if (saved == '\0') {
            break;
        }
    }
    struct stat st;
    if (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return fh_file_fail(err, -ENOTDIR, "use as a directory", directory);
    }
    return 0;
}

void fh_file_lock_path(const char *directory, const char *sink, char path[FH_FILE_PATH_MAX])
{
    snprintf(path, FH_FILE_PATH_MAX, "%s/.%s.lock", directory, sink);
}

int fh_file_place_take(const char *directory, const char *sink, struct fh_error *err,
                       int *inout_lock_fd)
{
    int r = make_directory(directory, err);
    if (r < 0) {
        return r;
    }
    char path[FH_FILE_PATH_MAX];
    fh_file_lock_path(directory, sink, path);
    if (*inout_lock_fd >= 0) {
        close(*inout_lock_fd);
        *inout_lock_fd = -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FH_FILE_MODE);
    if (fd < 0) {
        return fh_file_fail(err, -errno, "open the lock file", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        r = -errno;
        close(fd);
        if (r == -EWOULDBLOCK) {
            return fh_error_set(err, -EBUSY,
                                "another process writes sink \"%s\" into %s; give each node a "
                                "directory of its own",
                                sink, directory);
        }
        return fh_file_fail(err, r, "lock", path);
    }
    fh_published_mark_reserve(fd);
    *inout_lock_fd = fd;
    return 0;
}
