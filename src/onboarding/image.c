/* image.c: reads picture files and tells their type by what is in them, never by their name. Does
 * not decode them. */
#include "image.h"

#include "fh/descriptor.h"

#include "sheet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind what may stand before the first element: a byte order mark, blanks, the declaration,
 * comments, the document type. */
static bool is_svg(const char *at, const char *end)
{
    if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        at += 3;
    }
    while (at < end) {
        if (strchr(" \t\r\n", *at) && *at) {
            at++;
            continue;
        }
        bool comment = end - at >= 4 && memcmp(at, "<!--", 4) == 0;
        bool prolog = end - at >= 2 && (memcmp(at, "<?", 2) == 0 || memcmp(at, "<!", 2) == 0);
        if (!comment && !prolog) {
            break;
        }
        const char *close = comment ? memmem(at, (size_t)(end - at), "-->", 3)
                                    : memchr(at, '>', (size_t)(end - at));
        if (!close) {
            return false;
        }
        at = close + (comment ? 3 : 1);
    }
    return end - at >= 5 && memcmp(at, "<svg", 4) == 0 && strchr(" \t\r\n>", at[4]) != NULL;
}

const char *fh_image_type(const unsigned char *bytes, size_t size)
{
    static const struct {
        const char *media_type;
        const char *magic;
        size_t len;
    } known[] = {{"image/png", "\x89PNG\r\n\x1a\n", 8},
                 {"image/jpeg", "\xff\xd8\xff", 3},
                 {"image/gif", "GIF87a", 6},
                 {"image/gif", "GIF89a", 6}};
    for (size_t i = 0; i < FH_ARRAY_LEN(known); i++) {
        if (size >= known[i].len && memcmp(bytes, known[i].magic, known[i].len) == 0) {
            return known[i].media_type;
        }
    }
    if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) {
        return "image/webp";
    }
    return is_svg((const char *)bytes, (const char *)bytes + size) ? "image/svg+xml" : NULL;
}

static int read_all(int fd, size_t size, struct fh_error *err, struct fh_image *ret)
{
    unsigned char *bytes = malloc(size);
    char reason[64];
    if (!bytes) {
        return fh_error_set(err, -ENOMEM, "cannot be read: not enough memory");
    }
    ssize_t have = fh_descriptor_read(fd, bytes, size);
    if (have != (ssize_t)size) {
        int code = have < 0 ? (int)have : -EIO;
        free(bytes);
        return fh_error_set(err, code, "cannot be read: %s",
                            fh_strerror(code, reason, sizeof(reason)));
    }
    const char *type = fh_image_type(bytes, size);
    if (!type) {
        free(bytes);
        return fh_error_set(err, -EINVAL,
                            "holds no picture this sheet knows; use PNG, JPEG, GIF, WebP or SVG");
    }
    *ret = (struct fh_image){type, bytes, size};
    return 0;
}

int fh_image_load(const char *folder, const char *file, struct fh_error *err, struct fh_image *ret)
{
    char path[1024];
    char reason[64];
    int n = file[0] == '/' ? snprintf(path, sizeof(path), "%s", file)
                           : snprintf(path, sizeof(path), "%s/%s", folder, file);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return fh_error_set(err, -ENAMETOOLONG, "cannot be opened: its path is too long");
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (fd < 0) {
        int code = -errno;
        return fh_error_set(err, code, "cannot be opened: %s (paths are relative to the sheet)",
                            fh_strerror(code, reason, sizeof(reason)));
    }
    struct stat info;
    int r;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        r = fh_error_set(err, -EINVAL, "is no file");
    } else if (info.st_size == 0) {
        r = fh_error_set(err, -EINVAL, "is empty");
    } else if ((size_t)info.st_size > FH_IMAGE_BYTES) {
        r = fh_error_set(err, -EFBIG, "has %lld bytes; use a picture of at most 2 MiB",
                         (long long)info.st_size);
    } else {
        r = read_all(fd, (size_t)info.st_size, err, ret);
    }
    close(fd);
    return r;
}

void fh_image_done(struct fh_image *image)
{
    free(image->bytes);
    *image = (struct fh_image){0};
}

static void check_image(const struct fh_sheet *sheet, const struct fh_field *field, size_t entry,
                        const char *folder, struct fh_onboarding_findings *findings)
{
    const char *file = fh_sheet_text(sheet, field->path, entry);
    struct fh_error err = {""};
    struct fh_image image = {0};
    if (file[0] == '\0' || (field->type == FH_FIELD_MAP && strcmp(file, FH_SPACES_MAP) == 0)) {
        return;
    }
    if (fh_image_load(folder, file, &err, &image) < 0) {
        fh_sheet_refuse(findings, sheet->name, fh_sheet_line(sheet, field->path, entry),
                        "%s: \"%.120s\" %s", field->path, file, err.text);
        return;
    }
    fh_image_done(&image);
}

void fh_sheet_check_images(const struct fh_sheet *sheet, const char *folder,
                           struct fh_onboarding_findings *findings)
{
    for (size_t part = 0; part < fh_part_count; part++) {
        for (size_t entry = 0; entry < sheet->entries[part]; entry++) {
            for (size_t i = 0; i < fh_field_count; i++) {
                if (fh_field_in(&fh_fields[i], &fh_parts[part]) &&
                    fh_field_is_image(&fh_fields[i])) {
                    check_image(sheet, &fh_fields[i], entry, folder, findings);
                }
            }
        }
    }
}
