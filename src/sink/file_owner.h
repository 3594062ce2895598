/* file_owner.h: whom published files belong to and who may read them. Applied while a file is not
 * visible yet, so that nobody ever meets it otherwise. */
#ifndef FH_SINK_FILE_OWNER_H
#define FH_SINK_FILE_OWNER_H

#include "fh/config.h"

#include <sys/types.h>

struct fh_file_owner {
    uid_t uid; /* (uid_t)-1: stays as it is */
    gid_t gid;
    mode_t mode;
};

/* From owner, group and mode of the configuration. -EINVAL with a sentence: no such user or group,
 * or a mode that makes no sense. */
int fh_file_owner_find(const struct fh_config_sink *config, struct fh_error *err,
                       struct fh_file_owner *ret);
/* May this process do it? Tried on a file without a name in the directory, where the file system
 * has such files; else it shows with the first batch. */
int fh_file_owner_try(const struct fh_file_owner *owner, const struct fh_config_sink *config,
                      struct fh_error *err);
/* 0 or negative errno. */
int fh_file_owner_give(const struct fh_file_owner *owner, int fd);

#endif
