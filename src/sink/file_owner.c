/* file_owner.c: owns owner, group and mode of published files. */
#include "file_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_MAX 16384 /* a line of passwd, or of a group with many members */

static bool is_number(const char *text, unsigned long *ret)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    *ret = strtoul(text, &end, 10);
    return *end == '\0' && errno == 0 && *ret < (uid_t)-1;
}

static int find_user(const char *name, struct fh_error *err, uid_t *ret)
{
    char room[ENTRY_MAX];
    struct passwd entry;
    struct passwd *found = NULL;
    unsigned long number;
    if (getpwnam_r(name, &entry, room, sizeof(room), &found) == 0 && found) {
        *ret = entry.pw_uid;
    } else if (is_number(name, &number)) {
        *ret = (uid_t)number;
    } else {
        return fh_error_set(err, -EINVAL, "owner: there is no user \"%s\" on this host", name);
    }
    return 0;
}

static int find_group(const char *name, struct fh_error *err, gid_t *ret)
{
    char room[ENTRY_MAX];
    struct group entry;
    struct group *found = NULL;
    unsigned long number;
    if (getgrnam_r(name, &entry, room, sizeof(room), &found) == 0 && found) {
        *ret = entry.gr_gid;
    } else if (is_number(name, &number)) {
        *ret = (gid_t)number;
    } else {
        return fh_error_set(err, -EINVAL, "group: there is no group \"%s\" on this host", name);
    }
    return 0;
}

int fh_file_owner_find(const struct fh_config_sink *config, struct fh_error *err,
                       struct fh_file_owner *ret)
{
    struct fh_file_owner owner = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    unsigned mode = 0;
    int r = fh_config_file_mode(config->mode[0] != '\0' ? config->mode : "0640", err, &mode);
    owner.mode = (mode_t)mode;
    if (r == 0 && config->owner[0] != '\0') {
        r = find_user(config->owner, err, &owner.uid);
    }
    if (r == 0 && config->group[0] != '\0') {
        r = find_group(config->group, err, &owner.gid);
    }
    if (r == 0) {
        *ret = owner;
    }
    return r;
}

int fh_file_owner_give(const struct fh_file_owner *owner, int fd)
{
    /* The mode first: once it belongs to another, only CAP_FOWNER may change it. */
    if (fchmod(fd, owner->mode) != 0) {
        return -errno;
    }
    if (owner->uid == (uid_t)-1 && owner->gid == (gid_t)-1) {
        return 0;
    }
    return fchown(fd, owner->uid, owner->gid) == 0 ? 0 : -errno;
}

int fh_file_owner_try(const struct fh_file_owner *owner, const struct fh_config_sink *config,
                      struct fh_error *err)
{
    char text[128];
    int fd = open(config->directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return 0; /* not every file system has it; a directory that is no good is noticed anyway */
    }
    int r = fh_file_owner_give(owner, fd);
    close(fd);
    if (r == -EPERM && owner->uid != (uid_t)-1 && owner->uid != geteuid()) {
        return fh_error_set(err, r,
                            "owner: this process may not give files to \"%s\"; it needs the "
                            "capability CAP_CHOWN (see firehosed-sinks(7)), or leave owner out and "
                            "use group",
                            config->owner);
    }
    if (r == -EPERM && owner->gid != (gid_t)-1) {
        return fh_error_set(err, r,
                            "group: the user of the daemon is not a member of \"%s\"; add it "
                            "(SupplementaryGroups= in its unit)",
                            config->group);
    }
    return r < 0 ? fh_error_set(err, r, "cannot set owner, group or mode of files in %s: %s",
                                config->directory, fh_strerror(r, text, sizeof(text)))
                 : 0;
}
