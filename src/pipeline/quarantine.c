/* quarantine.c: the file of lines that are no records, for a person to look at. Owns
 * <state_dir>/quarantine.ndjson and one older generation, quarantine.ndjson.1. Losing a line of it
 * (disk full) is never fatal and never holds up the stream. Writer thread only. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct quarantine {
    char path[FH_PATH_MAX + 32];
    int64_t roll_bytes;
    int64_t size;
    int fd;
    struct fh_buf line;
};

static int open_file(struct quarantine *quarantine, struct fh_error *err)
{
    quarantine->fd =
        open(quarantine->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (quarantine->fd < 0) {
        char text[64];
        int code = -errno;
        return fh_error_set(err, code, "cannot open %s: %s; check the owner of the state directory",
                            quarantine->path, fh_strerror(code, text, sizeof(text)));
    }
    struct stat st;
    quarantine->size = fstat(quarantine->fd, &st) == 0 ? st.st_size : 0;
    return 0;
}

int fh_quarantine_open(const char *state_dir, int64_t roll_bytes, struct fh_error *err,
                       struct quarantine **ret)
{
    struct quarantine *quarantine = calloc(1, sizeof(*quarantine));
    if (!quarantine) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    snprintf(quarantine->path, sizeof(quarantine->path), "%s/quarantine.ndjson", state_dir);
    quarantine->roll_bytes = roll_bytes;
    fh_buf_init(&quarantine->line, (size_t)1024 * 1024);
    int r = open_file(quarantine, err);
    if (r < 0) {
        free(quarantine);
        return r;
    }
    *ret = quarantine;
    return 0;
}

void fh_quarantine_close(struct quarantine *quarantine)
{
    if (!quarantine) {
        return;
    }
    close(quarantine->fd);
    fh_buf_done(&quarantine->line);
    free(quarantine);
}

static void roll(struct quarantine *quarantine)
{
    char older[sizeof(quarantine->path) + 8];
    snprintf(older, sizeof(older), "%s.1", quarantine->path);
    close(quarantine->fd);
    rename(quarantine->path, older);
    if (open_file(quarantine, NULL) < 0) {
        quarantine->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
}

/* Bytes that are no printable ASCII are written as \u00XX, so that the file is valid JSON whatever
 * the line was; the original byte values can be read back from it. */
static int append_escaped(struct fh_buf *into, const char *bytes, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    int r = fh_buf_reserve(into, len * 6);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\') {
            into->data[into->len++] = '\\';
            into->data[into->len++] = (char)c;
        } else if (c >= 0x20 && c < 0x7f) {
            into->data[into->len++] = (char)c;
        } else {
            memcpy(into->data + into->len, "\\u00", 4);
            into->data[into->len + 4] = hex[c >> 4];
            into->data[into->len + 5] = hex[c & 15];
            into->len += 6;
        }
    }
    return 0;
}

void fh_quarantine_add(struct quarantine *quarantine, struct fh_range range, const char *reason,
                       uint64_t offset, const char *line, size_t len)
{
    char text[16];
    struct fh_buf *out = &quarantine->line;
    fh_buf_clear(out);
    if (fh_buf_printf(out,
                      "{\"time_ms\":%lld,\"receiver\":\"%s\",\"reason\":\"%s\",\"offset\":%llu,"
                      "\"line\":\"",
                      (long long)fh_wall_ms(), fh_range_text(range, text, sizeof(text)), reason,
                      (unsigned long long)offset) < 0 ||
        append_escaped(out, line, len) < 0 || fh_buf_append(out, "\"}\n", 3) < 0) {
        return;
    }
    if (quarantine->size + (int64_t)out->len > quarantine->roll_bytes) {
        roll(quarantine);
    }
    ssize_t n = write(quarantine->fd, out->data, out->len);
    quarantine->size += n > 0 ? n : 0;
}
