/* assets.c: the files of the page. Owns their bytes; serves what it read at start and never looks
 * at the directory again, so no request can name a file. */
#include "assets.h"

#include "fh/descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* A browser never has to guess (nosniff): what is not here is not served. */
static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".ico", "image/vnd.microsoft.icon"},
    {".woff2", "font/woff2"},
    {".webmanifest", "application/manifest+json"},
};

static bool ends_in(const char *name, size_t len, const char *ending)
{
    size_t ending_len = strlen(ending);
    return len > ending_len && memcmp(name + len - ending_len, ending, ending_len) == 0;
}

static const char *type_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (ends_in(name, len, types[i].ending)) {
            return types[i].type;
        }
    }
    return NULL;
}

static bool is_plain_name(const char *name, size_t len)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return name[0] != '.' && strspn(name, allowed) == len && len + 2 <= ASSET_NAME_MAX;
}

/* 1: read; 0: no regular file. */
static int read_file(int directory, const char *name, size_t room, char **ret, size_t *ret_len)
{
    FH_CLEANUP(fh_descriptor_close)
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0) {
        return -errno;
    }
    if (!S_ISREG(info.st_mode)) {
        return 0;
    }
    size_t len = (size_t)info.st_size;
    if (info.st_size < 0 || len > ASSET_BYTES_MAX || len > room) {
        return -EFBIG;
    }
    char *bytes = malloc(len > 0 ? len : 1);
    if (!bytes) {
        return -ENOMEM;
    }
    ssize_t done = fh_descriptor_read(fd, bytes, len);
    if (done != (ssize_t)len) {
        free(bytes);
        return done < 0 ? (int)done : -EIO; /* it shrank while it was read */
    }
    *ret = bytes;
    *ret_len = len;
    return 1;
}

static int fail(struct fh_error *err, int code, const char *directory, const char *name)
{
    char text[64];
    if (code == -EFBIG) {
        return fh_error_set(err, code,
                            "console.assets: %s/%s is too large: a file may have %zu MiB, all %zu",
                            directory, name, ASSET_BYTES_MAX >> 20, ASSETS_BYTES_MAX >> 20);
    }
    return fh_error_set(err, code, "console.assets: cannot read %s%s%s: %s", directory,
                        name[0] ? "/" : "", name, fh_strerror(code, text, sizeof(text)));
}

static int take(struct assets *assets, int directory, const char *name, const char *type)
{
    struct asset *asset = &assets->asset[assets->count];
    size_t room = ASSETS_BYTES_MAX - assets->bytes;
    int r = read_file(directory, name, room, &asset->bytes, &asset->len);
    if (r <= 0) {
        return r;
    }
    assets->count++;
    assets->bytes += asset->len;
    asset->type = type;
    snprintf(asset->path, sizeof(asset->path), "/%.*s", ASSET_NAME_MAX - 2,
             strcmp(name, "index.html") == 0 ? "" : name);
    snprintf(asset->etag, sizeof(asset->etag), "%016llx",
             (unsigned long long)XXH3_64bits(asset->bytes, asset->len));
    return 1;
}

static int take_all(struct assets *assets, DIR *stream, const char *directory, struct fh_error *err)
{
    for (const struct dirent *entry = readdir(stream); entry; entry = readdir(stream)) {
        const char *name = entry->d_name;
        size_t len = strlen(name);
        const char *type = is_plain_name(name, len) ? type_of(name, len) : NULL;
        if (!type) {
            continue;
        }
        if (assets->count == ASSETS_MAX) {
            return fh_error_set(err, -E2BIG, "console.assets: %s has more than %d files", directory,
                                ASSETS_MAX);
        }
        int r = take(assets, dirfd(stream), name, type);
        if (r < 0) {
            return fail(err, r, directory, name);
        }
    }
    return 0;
}

/* One that was compressed beforehand saves bytes and costs nothing here. */
static int take_compressed(struct assets *assets, int directory, const char *path,
                           struct fh_error *err)
{
    for (size_t i = 0; i < assets->count; i++) {
        struct asset *asset = &assets->asset[i];
        char name[ASSET_NAME_MAX + 16];
        snprintf(name, sizeof(name), "%s.gz", asset->path[1] ? asset->path + 1 : "index.html");
        int r = read_file(directory, name, ASSETS_BYTES_MAX - assets->bytes, &asset->gzip,
                          &asset->gzip_len);
        if (r < 0 && r != -ENOENT) {
            return fail(err, r, path, name);
        }
        assets->bytes += r > 0 ? asset->gzip_len : 0;
    }
    return 0;
}

static const struct asset *find(const struct assets *assets, const char *path)
{
    for (size_t i = 0; i < assets->count; i++) {
        if (strcmp(assets->asset[i].path, path) == 0) {
            return &assets->asset[i];
        }
    }
    return NULL;
}

int assets_load(const char *directory, struct assets *ret, struct fh_error *err)
{
    memset(ret, 0, sizeof(*ret));
    DIR *stream = opendir(directory);
    if (!stream) {
        return fail(err, -errno, directory, "");
    }
    int r = take_all(ret, stream, directory, err);
    r = r < 0 ? r : take_compressed(ret, dirfd(stream), directory, err);
    closedir(stream);
    if (r == 0 && !find(ret, "/")) {
        r = fh_error_set(err, -ENOENT, "console.assets: there is no index.html in %s", directory);
    }
    if (r < 0) {
        assets_done(ret);
    }
    return r;
}

void assets_done(struct assets *assets)
{
    for (size_t i = 0; i < assets->count; i++) {
        free(assets->asset[i].bytes);
        free(assets->asset[i].gzip);
    }
    memset(assets, 0, sizeof(*assets));
}

int assets_answer(const struct assets *assets, const struct fh_web_request *request,
                  struct fh_web_answer *answer)
{
    const struct asset *asset = find(assets, fh_web_path(request));
    if (!asset) {
        return -ENOENT;
    }
    bool gzip = asset->gzip && fh_web_takes_gzip(request);
    answer->type = asset->type;
    answer->cache = "no-cache"; /* asked for again each time, answered 304 while it is the same */
    answer->gzip_encoded = gzip;
    snprintf(answer->etag, sizeof(answer->etag), "%s%s", asset->etag, gzip ? "-gzip" : "");
    return fh_buf_append(&answer->body, gzip ? asset->gzip : asset->bytes,
                         gzip ? asset->gzip_len : asset->len);
}
