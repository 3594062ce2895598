/* key_place.c: owns the file of a secret until it stands in its place: mode, owner, fsync, name. It
 * never replaces anything without being told to, and never removes a file that holds a secret. */
#include "key_place.h"

#include "setup.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct fh_error *err, int code, const char *what, const char *path)
{
    char text[128];
    return fh_error_set(err, code, "cannot %s %s: %s", what, path,
                        fh_strerror(code, text, sizeof(text)));
}

static bool is_credential(const char *path)
{
    static const char *const stores[] = {"/etc/credstore", "/run/credstore"};
    for (size_t i = 0; i < FH_ARRAY_LEN(stores); i++) {
        if (strncmp(path, stores[i], strlen(stores[i])) == 0) {
            return true;
        }
    }
    return false;
}

int fh_key_place_init(struct fh_key_place *place, const char *path, bool force,
                      struct fh_error *err)
{
    char directory[FH_PATH_MAX];
    struct stat st;
    *place = (struct fh_key_place){.force = force, .fd = -1};
    if (path[0] == '\0' || strlen(path) >= sizeof(place->path)) {
        return fh_error_set(err, -ENAMETOOLONG, "the path of the key's file is empty or too long");
    }
    snprintf(place->path, sizeof(place->path), "%s", path);
    snprintf(place->beside, sizeof(place->beside), "%s.new", path);
    place->credential = is_credential(path);
    if (lstat(path, &st) == 0 && (!force || S_ISDIR(st.st_mode))) {
        return fh_error_set(err, -EEXIST, "%s exists and is left as it is%s", path,
                            force ? ": it is a directory" : "; --force replaces it");
    }
    if (lstat(place->beside, &st) == 0 && st.st_size > 0) {
        return fh_error_set(err, -EEXIST,
                            "%s is left from before and may hold a key: look at it, then move it "
                            "to its place or remove it",
                            place->beside);
    }
    snprintf(directory, sizeof(directory), "%s", path);
    const char *parent = dirname(directory);
    if (access(parent, W_OK | X_OK) < 0) {
        return failed(err, -errno, "write into", parent);
    }
    return 0;
}

int fh_key_place_reserve(struct fh_key_place *place, struct fh_error *err)
{
    struct stat st;
    if (lstat(place->beside, &st) == 0 && st.st_size == 0) {
        (void)unlink(place->beside); /* of a run that was killed */
    }
    place->fd = open(place->beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     S_IRUSR | S_IWUSR);
    if (place->fd < 0) {
        return failed(err, -errno, "create", place->beside);
    }
    const struct passwd *user =
        geteuid() == 0 && !place->credential ? getpwnam(FH_SETUP_USER) : NULL;
    int r = fchmod(place->fd, S_IRUSR | S_IWUSR) < 0 ? -errno : 0;
    if (r == 0 && user && fchown(place->fd, user->pw_uid, user->pw_gid) < 0) {
        r = -errno;
    }
    place->given_away = user != NULL;
    if (r < 0) {
        fh_key_place_done(place);
        return failed(err, r, "set owner and mode of", place->beside);
    }
    return 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* A name that is new; with force, whatever it was. */
static int publish(const struct fh_key_place *place, struct fh_error *err)
{
    char directory[FH_PATH_MAX];
    if (place->force) {
        return fh_atomic_file_publish(place->beside, place->path, err);
    }
    if (link(place->beside, place->path) < 0) {
        return failed(err, -errno, "create", place->path);
    }
    (void)unlink(place->beside);
    snprintf(directory, sizeof(directory), "%s", place->path);
    return fh_directory_sync(dirname(directory), err);
}

int fh_key_place_put(struct fh_key_place *place, const char *secret, struct fh_error *err)
{
    int r = write_all(place->fd, secret, strlen(secret));
    r = r < 0 ? r : write_all(place->fd, "\n", 1);
    if (r == 0 && fsync(place->fd) < 0) {
        r = -errno;
    }
    close(place->fd);
    place->fd = -1;
    if (r < 0) {
        return failed(err, r, "write", place->beside);
    }
    r = publish(place, err);
    if (r < 0) {
        fh_error_prefix(err, "the key is in %s, because", place->beside);
    }
    return r;
}

void fh_key_place_done(struct fh_key_place *place)
{
    if (place->fd >= 0) {
        close(place->fd);
        place->fd = -1;
        (void)unlink(place->beside);
    }
}
