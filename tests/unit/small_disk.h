/* small_disk.h: a file system of a few megabytes that really gets full: a tmpfs in a mount
 * namespace of the test's own, so that nobody else sees it and nothing of it outlives the process.
 * Needs root. To be used before the test starts a thread: only threads that come later see it. */
#ifndef FH_TEST_SMALL_DISK_H
#define FH_TEST_SMALL_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_DISK_PAGE 4096

/* False: it cannot be had here, which has been said. */
static inline bool small_disk_mount(const char *directory, size_t bytes)
{
    char size[32];
    snprintf(size, sizeof(size), "size=%zu", bytes);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("small-disk", directory, "tmpfs", 0, size) < 0) {
        printf("skipped: cannot mount a small file system: %s%s\n", strerror(errno),
               geteuid() == 0 ? "" : " (not root)");
        return false;
    }
    return true;
}

static inline void small_disk_unmount(const char *directory)
{
    umount2(directory, MNT_DETACH); /* where there is none, nothing happens */
}

static inline int small_disk_ballast(const char *directory, int flags)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/ballast", directory);
    return open(path, flags | O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
}

/* Nothing fits any more but so many pages. 0 or negative errno. */
static inline int small_disk_fill(const char *directory, unsigned pages_left)
{
    static const char page[SMALL_DISK_PAGE];
    int fd = small_disk_ballast(directory, O_APPEND);
    if (fd < 0) {
        return -errno;
    }
    while (write(fd, page, sizeof(page)) == (ssize_t)sizeof(page)) {
    }
    int r = errno == ENOSPC ? 0 : -errno;
    struct stat file;
    if (r == 0 && (fstat(fd, &file) < 0 || file.st_size < pages_left * (off_t)sizeof(page) ||
                   ftruncate(fd, file.st_size - pages_left * (off_t)sizeof(page)) < 0)) {
        r = -EIO;
    }
    close(fd);
    return r;
}

/* There is room again. */
static inline void small_disk_clear(const char *directory)
{
    close(small_disk_ballast(directory, O_TRUNC));
    char path[128];
    snprintf(path, sizeof(path), "%s/ballast", directory);
    unlink(path);
}

#endif
