/* published_mark.c: owns the contents of the lock file: one name, padded with NUL. */
#include "published_mark.h"

#include "fh/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_mark(int lock_fd, const char *name)
{
    char mark[FH_SINK_POSITION_MAX] = "";
    snprintf(mark, sizeof(mark), "%s", name);
    errno = 0;
    if (pwrite(lock_fd, mark, sizeof(mark), 0) != (ssize_t)sizeof(mark) ||
        fdatasync(lock_fd) != 0) {
        return errno != 0 ? -errno : -ENOSPC; /* a short write of a few bytes: no room */
    }
    return 0;
}

void fh_published_mark_reserve(int lock_fd)
{
    struct stat st;
    if (fstat(lock_fd, &st) == 0 && st.st_size < FH_SINK_POSITION_MAX) {
        (void)write_mark(lock_fd, "");
    }
}

int fh_published_mark_set(int lock_fd, const char *name)
{
    return write_mark(lock_fd, name);
}

bool fh_published_mark_is(int lock_fd, const char *name)
{
    char mark[FH_SINK_POSITION_MAX + 1] = "";
    ssize_t n = pread(lock_fd, mark, FH_SINK_POSITION_MAX, 0);
    return n > 0 && strcmp(mark, name) == 0;
}

int fh_published_mark_clear(int lock_fd, const char *name)
{
    return fh_published_mark_is(lock_fd, name) ? write_mark(lock_fd, "") : 0;
}
