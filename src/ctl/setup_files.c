/* setup_files.c: owns how the files of "firehosectl setup" come into their place: compared first,
 * written beside, read by the daemon's own parser, then renamed. Never decides what is in them, and
 * never replaces a file nobody allowed it to. */
#include "setup.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE ".setup" /* what a file is called until it is renamed */

static int failed(struct fh_error *err, int code, const char *what, const char *path)
{
    char text[128];
    return fh_error_set(err, code, "cannot %s %s: %s", what, path,
                        fh_strerror(code, text, sizeof(text)));
}

void fh_setup_files_init(struct fh_setup_files *files, const char *directory, mode_t mode)
{
    memset(files, 0, sizeof(*files));
    snprintf(files->directory, sizeof(files->directory), "%s", directory);
    files->directory_mode = mode;
}

void fh_setup_files_own(struct fh_setup_files *files)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam(FH_SETUP_USER) : NULL;
    if (user) {
        files->owned = true;
        files->uid = user->pw_uid;
        files->gid = user->pw_gid;
    }
}

int fh_setup_files_add(struct fh_setup_files *files, const char *name, const char *bytes,
                       size_t len, mode_t mode, struct fh_error *err)
{
    struct fh_setup_file *file = &files->file[files->count];
    char path[sizeof(file->path)];
    int n = snprintf(path, sizeof(path), "%s/%s", files->directory, name);
    if (n < 0 || (size_t)n + sizeof(BESIDE) > sizeof(path)) {
        return fh_error_set(err, -ENAMETOOLONG, "%s is too long a path", files->directory);
    }
    memcpy(file->path, path, sizeof(path));
    file->bytes = bytes;
    file->len = len;
    file->mode = mode;
    files->count++;
    return 0;
}

/* ---- what is there ----------------------------------------------------------------------------
 */

static bool is_conf(const char *path)
{
    const char *name = strrchr(path, '/');
    return name && strcmp(name + 1, FH_SETUP_CONF) == 0;
}

/* The package's own, untouched: its service lies below .example, where nobody's does (RFC 2606). */
static bool is_template(const char *path)
{
    static struct fh_config config; /* large */
    struct fh_config_findings findings;
    return is_conf(path) && fh_config_load(path, &config, &findings) == 0 &&
           strstr(config.firehose.url, ".example/") != NULL;
}

int fh_setup_files_compare(struct fh_setup_files *files, bool force, struct fh_error *err)
{
    char others[384] = "";
    for (size_t i = 0; i < files->count; i++) {
        struct fh_setup_file *file = &files->file[i];
        char *text = NULL;
        int r = fh_file_read(file->path, FH_SETUP_CA_MAX, 0, &text, err);
        if (r < 0 && r != -ENOENT && r != -EFBIG) {
            return r;
        }
        bool same = text && strlen(text) == file->len && memcmp(text, file->bytes, file->len) == 0;
        if (text) {
            explicit_bzero(text, strlen(text));
            free(text);
        }
        file->change = !same;
        if (!same && r != -ENOENT && !force && !is_template(file->path)) {
            size_t len = strlen(others);
            snprintf(others + len, sizeof(others) - len, "%s%s", len > 0 ? ", " : "", file->path);
        }
    }
    if (others[0]) {
        return fh_error_set(err, -EEXIST,
                            "%s: there already, with other contents; nothing was changed (--force "
                            "replaces, and keeps the old configuration as " FH_SETUP_CONF ".old)",
                            others);
    }
    return 0;
}

/* ---- into place -------------------------------------------------------------------------------
 */

/* mkdir -p; the last level gets the mode. */
static int make_directory(const char *directory, mode_t mode, struct fh_error *err)
{
    char path[FH_PATH_MAX];
    snprintf(path, sizeof(path), "%s", directory);
    for (char *slash = path; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash) {
            *slash = '\0';
        }
        if (mkdir(path, slash ? 0755 : mode) < 0 && errno != EEXIST) {
            return failed(err, -errno, "make directory", path);
        }
        if (slash) {
            *slash = '/';
        }
    }
    return 0;
}

static const char *beside(const struct fh_setup_file *file, char *path, size_t size)
{
    snprintf(path, size, "%s" BESIDE, file->path);
    return path;
}

static int write_beside(const struct fh_setup_files *files, const struct fh_setup_file *file,
                        struct fh_error *err)
{
    char path[FH_PATH_MAX + sizeof(BESIDE)];
    beside(file, path, sizeof(path));
    if (unlink(path) < 0 && errno != ENOENT) {
        return failed(err, -errno, "remove", path);
    }
    int r = fh_file_create(path, file->bytes, file->len, file->mode, err);
    if (r == 0 && files->owned && chown(path, files->uid, files->gid) < 0) {
        r = failed(err, -errno, "give away", path);
    }
    return r;
}

/* The daemon's own parser has the last word, on the file itself and on the key beside it. */
static int check_beside(const struct fh_setup_files *files, struct fh_error *err)
{
    static struct fh_config config; /* large */
    char path[FH_PATH_MAX + sizeof(BESIDE)];
    for (size_t i = 0; i < files->count; i++) {
        if (!is_conf(files->file[i].path)) {
            continue;
        }
        struct fh_config_findings findings = {0};
        int r = fh_config_load(beside(&files->file[i], path, sizeof(path)), &config, &findings);
        if (r < 0) {
            return fh_error_set(err, r, "%s",
                                findings.count > 0 ? findings.finding[0].text : "not readable");
        }
    }
    for (size_t i = 0; i < files->count; i++) {
        const char *name = strrchr(files->file[i].path, '/') + 1;
        if (strcmp(name, FH_SETUP_API_KEY) == 0) {
            char key[FH_API_KEY_MAX];
            memcpy(config.firehose.api_key_file, beside(&files->file[i], path, sizeof(path)),
                   sizeof(config.firehose.api_key_file));
            int r = fh_config_api_key(&config, key, err);
            explicit_bzero(key, sizeof(key));
            return r;
        }
    }
    return 0;
}

/* What the operator wrote is never lost. */
static int keep_old(const struct fh_setup_file *file, struct fh_error *err)
{
    char old[FH_PATH_MAX + sizeof(".old")];
    snprintf(old, sizeof(old), "%s.old", file->path);
    if (!is_conf(file->path) || access(file->path, F_OK) != 0) {
        return 0;
    }
    if (unlink(old) < 0 && errno != ENOENT) {
        return failed(err, -errno, "remove", old);
    }
    return link(file->path, old) == 0 ? 0 : failed(err, -errno, "keep", old);
}

static int put(const struct fh_setup_files *files, const struct fh_setup_file *file,
               struct fh_error *err)
{
    char path[FH_PATH_MAX + sizeof(BESIDE)];
    if (!file->change) {
        if (chmod(file->path, file->mode) < 0 ||
            (files->owned && chown(file->path, files->uid, files->gid) < 0)) {
            return failed(err, -errno, "set owner and mode of", file->path);
        }
        return 0;
    }
    int r = keep_old(file, err);
    return r < 0 ? r : fh_atomic_file_publish(beside(file, path, sizeof(path)), file->path, err);
}

int fh_setup_files_place(const struct fh_setup_files *files, struct fh_error *err)
{
    int r = make_directory(files->directory, files->directory_mode, err);
    for (size_t i = 0; r == 0 && i < files->count; i++) {
        r = write_beside(files, &files->file[i], err);
    }
    r = r < 0 ? r : check_beside(files, err);
    for (size_t i = 0; r == 0 && i < files->count; i++) {
        r = put(files, &files->file[i], err);
    }
    for (size_t i = 0; i < files->count; i++) {
        char path[FH_PATH_MAX + sizeof(BESIDE)];
        (void)unlink(beside(&files->file[i], path, sizeof(path)));
    }
    return r;
}
