/* atomic_file.c: owns the order of calls that makes a file survive a power cut: write a temporary
 * file beside it, fsync, rename, fsync the directory. It never leaves a half-written file under the
 * real name and never keeps a temporary one after a failure. */
#include "fh/atomic_file.h"
#include "fh/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void free_bytes(char **bytes)
{
    free(*bytes);
}

/* fh_error_set with the errno of the call that just failed. */
static int failed(struct fh_error *err, int code, const char *what, const char *path)
{
    char text[128];
    return fh_error_set(err, code, "cannot %s %s: %s", what, path,
                        fh_strerror(code, text, sizeof(text)));
}

int fh_directory_sync(const char *directory, struct fh_error *err)
{
    FH_CLEANUP(fh_descriptor_close) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed(err, -errno, "open directory", directory);
    }
    if (fsync(fd) < 0) {
        return failed(err, -errno, "fsync directory", directory);
    }
    return 0;
}

/* The directory a path lives in: "." for a bare name, "/" for a file in the root. */
static int parent_of(const char *path, char *directory, size_t size)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return snprintf(directory, size, ".") < (int)size ? 0 : -ENAMETOOLONG;
    }
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    if (len >= size) {
        return -ENAMETOOLONG;
    }
    memcpy(directory, path, len);
    directory[len] = '\0';
    return 0;
}

int fh_atomic_file_publish(const char *from, const char *to, struct fh_error *err)
{
    char directory[PATH_MAX];
    int r = parent_of(to, directory, sizeof(directory));
    if (r < 0) {
        return failed(err, r, "publish", to);
    }
    if (rename(from, to) < 0) {
        int code = -errno;
        char text[128];
        return fh_error_set(err, code, "cannot rename %s to %s: %s", from, to,
                            fh_strerror(code, text, sizeof(text)));
    }
    return fh_directory_sync(directory, err);
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* With O_EXCL: what is there may have a wider mode, and a planted symbolic link would send a secret
 * elsewhere. fchmod, because the umask narrows what open is asked for. */
static int write_new(const char *path, const void *bytes, size_t len, mode_t mode,
                     struct fh_error *err)
{
    FH_CLEANUP(fh_descriptor_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return failed(err, -errno, "create", path);
    }
    int r = write_all(fd, bytes, len);
    if (r == 0 && fchmod(fd, mode) < 0) {
        r = -errno;
    }
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlink(path);
        return failed(err, r, "write", path);
    }
    return 0;
}

/* A left-over of a crash is of no use to anybody. */
static int write_temporary(const char *temporary, const void *bytes, size_t len, mode_t mode,
                           struct fh_error *err)
{
    if (unlink(temporary) < 0 && errno != ENOENT) {
        return failed(err, -errno, "remove", temporary);
    }
    return write_new(temporary, bytes, len, mode, err);
}

int fh_file_create(const char *path, const void *bytes, size_t len, mode_t mode,
                   struct fh_error *err)
{
    char directory[PATH_MAX];
    int r = parent_of(path, directory, sizeof(directory));
    if (r < 0) {
        return failed(err, r, "create", path);
    }
    r = write_new(path, bytes, len, mode, err);
    if (r == -EEXIST) {
        return fh_error_set(err, r,
                            "%s exists and is left as it is; remove it first if a new one is "
                            "really wanted",
                            path);
    }
    return r < 0 ? r : fh_directory_sync(directory, err);
}

int fh_atomic_file_write(const char *path, const void *bytes, size_t len, mode_t mode,
                         struct fh_error *err)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        return failed(err, -ENAMETOOLONG, "write", path);
    }
    int r = write_temporary(temporary, bytes, len, mode, err);
    if (r == 0) {
        r = fh_atomic_file_publish(temporary, path, err);
    }
    if (r < 0) {
        (void)unlink(temporary);
    }
    return r;
}

static int check_kind(int fd, const char *path, int secret, struct fh_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return failed(err, -errno, "examine", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return fh_error_set(err, -EINVAL, "%s is not a regular file", path);
    }
    if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return fh_error_set(err, -EPERM,
                            "%s holds a secret but group or others may access it (mode %04o): "
                            "chmod 600 %s",
                            path, (unsigned)(st.st_mode & 07777), path);
    }
    return 0;
}

int fh_file_read(const char *path, size_t max, int secret, char **ret, struct fh_error *err)
{
    /* O_NONBLOCK: a FIFO under this name must end in an error, not hang the start. */
    FH_CLEANUP(fh_descriptor_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return failed(err, -errno, "open", path);
    }
    int r = check_kind(fd, path, secret, err);
    if (r < 0) {
        return r;
    }
    if (max > SSIZE_MAX - 2) {
        return failed(err, -EINVAL, "read", path);
    }
    FH_CLEANUP(free_bytes) char *bytes = malloc(max + 2);
    if (!bytes) {
        return failed(err, -ENOMEM, "read", path);
    }
    /* One more, to notice a file that is too long or that grew meanwhile. */
    ssize_t len = fh_descriptor_read(fd, bytes, max + 1);
    if (len < 0) {
        return failed(err, (int)len, "read", path);
    }
    if ((size_t)len > max) {
        return fh_error_set(err, -EFBIG, "%s is larger than %zu bytes", path, max);
    }
    if (memchr(bytes, '\0', (size_t)len)) {
        return fh_error_set(err, -EINVAL, "%s contains a zero byte and is no text file", path);
    }
    bytes[len] = '\0';
    *ret = bytes;
    bytes = NULL;
    return 0;
}
