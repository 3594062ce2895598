/* dead_letter.c: the files of records that a far side refused for good. Never decides what is
 * refused. */
#include "dead_letter.h"

#include "fh/atomic_file.h"
#include "fh/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct fh_dead_letters {
    char directory[FH_PATH_MAX + 16];
    char path[FH_PATH_MAX + FH_SINK_NAME_MAX + 32];
    char sink[FH_SINK_NAME_MAX];
    int64_t roll_bytes;
    int64_t size;
    int fd;    /* -1: not open */
    ino_t ino; /* of the file that is open */
    bool unsynced;
};

void fh_dead_letters_path(const char *state_dir, const char *sink, char *path, size_t size)
{
    snprintf(path, size, "%s/dead-letters/%s.ndjson", state_dir, sink);
}

int fh_dead_letters_new(const char *state_dir, const char *sink, int64_t roll_bytes,
                        struct fh_error *err, struct fh_dead_letters **ret)
{
    struct fh_dead_letters *letters = calloc(1, sizeof(*letters));
    if (!letters) {
        return fh_error_set(err, -ENOMEM, "no memory for the dead letters of sink %s", sink);
    }
    snprintf(letters->directory, sizeof(letters->directory), "%s/dead-letters", state_dir);
    snprintf(letters->sink, sizeof(letters->sink), "%s", sink);
    fh_dead_letters_path(state_dir, sink, letters->path, sizeof(letters->path));
    letters->roll_bytes = roll_bytes;
    letters->fd = -1;
    *ret = letters;
    return 0;
}

static void close_file(struct fh_dead_letters *letters)
{
    if (letters->fd >= 0) {
        close(letters->fd);
        letters->fd = -1;
    }
}

void fh_dead_letters_free(struct fh_dead_letters *letters)
{
    if (letters) {
        close_file(letters);
        free(letters);
    }
}

static int failed(const struct fh_dead_letters *letters, int code, const char *what,
                  struct fh_error *err)
{
    char text[64];
    return fh_error_set(err, code, "cannot %s %s: %s; what the far side refuses must go there",
                        what, letters->path, fh_strerror(code, text, sizeof(text)));
}

/* Where the last whole line ends. */
static int64_t end_of_lines(int fd, int64_t size)
{
    char part[4096];
    while (size > 0) {
        int64_t from = size > (int64_t)sizeof(part) ? size - (int64_t)sizeof(part) : 0;
        ssize_t n = pread(fd, part, (size_t)(size - from), from);
        if (n != size - from) {
            return size; /* unreadable: leave it as it is */
        }
        const char *newline = memrchr(part, '\n', (size_t)n);
        if (newline) {
            return from + (newline - part) + 1;
        }
        size = from;
    }
    return 0;
}

static int open_file(struct fh_dead_letters *letters, struct fh_error *err)
{
    struct stat st;
    if (mkdir(letters->directory, 0750) < 0 && errno != EEXIST) {
        return failed(letters, -errno, "make the folder of", err);
    }
    int fd = open(letters->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return failed(letters, -errno, "open", err);
    }
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    int64_t end = r == 0 ? end_of_lines(fd, st.st_size) : 0;
    if (r == 0 && end < st.st_size && ftruncate(fd, end) < 0) {
        r = -errno;
    }
    if (r == 0 && (fchmod(fd, 0640) < 0 || fsync(fd) < 0)) {
        r = -errno;
    }
    r = r < 0 ? failed(letters, r, "open", err) : fh_directory_sync(letters->directory, err);
    if (r < 0) {
        close(fd);
        return r;
    }
    letters->fd = fd;
    letters->ino = st.st_ino;
    letters->size = end;
    return 0;
}

/* The file that is open is the one of that name; somebody may have taken it away to deliver again
 * what is in it. */
static bool is_ours(const struct fh_dead_letters *letters)
{
    struct stat st;
    return letters->fd >= 0 && stat(letters->path, &st) == 0 && st.st_ino == letters->ino;
}

/* 1: there were older ones, and they are gone. */
static int roll(struct fh_dead_letters *letters, struct fh_error *err)
{
    char older[sizeof(letters->path) + 4];
    snprintf(older, sizeof(older), "%s.1", letters->path);
    int r = fh_dead_letters_sync(letters, err);
    if (r < 0) {
        return r;
    }
    int gone = access(older, F_OK) == 0 ? 1 : 0;
    if (rename(letters->path, older) < 0) {
        return failed(letters, -errno, "roll", err);
    }
    close_file(letters);
    r = open_file(letters, err);
    return r < 0 ? r : gone;
}

/* What stands around the record. The reason is a sentence of ours or of a library's: anything that
 * would need an escape is replaced. */
static int line_head(const struct fh_dead_letters *letters, const char *reason, char *head,
                     size_t size)
{
    int64_t now_ms = fh_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    char stamp[32] = "";
    char clean[512];
    snprintf(clean, sizeof(clean), "%s", reason);
    for (char *c = clean; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) {
            *c = '?';
        } else if (*c == '"' || *c == '\\') {
            *c = '\'';
        }
    }
    if (gmtime_r(&seconds, &tm)) {
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    }
    return snprintf(head, size,
                    "{\"time\":\"%s.%03dZ\",\"sink\":\"%s\",\"reason\":\"%s\",\"record\":", stamp,
                    (int)(now_ms % 1000), letters->sink, clean);
}

int fh_dead_letters_add(struct fh_dead_letters *letters, struct fh_slice record, const char *reason,
                        struct fh_error *err)
{
    char head[768];
    int head_len = line_head(letters, reason, head, sizeof(head));
    int64_t len = head_len + (int64_t)record.len + 2;
    int gone = 0;
    int r = 0;
    if (!is_ours(letters)) {
        r = fh_dead_letters_sync(letters, err);
        close_file(letters);
        r = r < 0 ? r : open_file(letters, err);
    }
    if (r == 0 && letters->size > 0 && letters->size + len > letters->roll_bytes) {
        r = gone = roll(letters, err);
    }
    if (r < 0) {
        return r;
    }
    char tail[] = "}\n";
    struct iovec parts[] = {{head, (size_t)head_len}, {NULL, record.len}, {tail, 2}};
    memcpy(&parts[1].iov_base, &record.data, sizeof(record.data)); /* it is only read */
    ssize_t n = writev(letters->fd, parts, 3);
    if (n != len) {
        r = n < 0 ? -errno : -ENOSPC;
        if (ftruncate(letters->fd, letters->size) < 0) {
            close_file(letters); /* opening it removes the torn line */
        }
        return failed(letters, r, "write", err);
    }
    letters->size += len;
    letters->unsynced = true;
    return gone;
}

int fh_dead_letters_sync(struct fh_dead_letters *letters, struct fh_error *err)
{
    if (!letters || !letters->unsynced) {
        return 0;
    }
    if (letters->fd < 0 || fdatasync(letters->fd) < 0) {
        /* After a failed sync nobody knows what is on the disk: what is in the batch is written
         * again when the batch is. */
        int code = letters->fd < 0 ? -EIO : -errno;
        letters->unsynced = false;
        close_file(letters);
        return failed(letters, code, "sync", err);
    }
    letters->unsynced = false;
    return 0;
}
