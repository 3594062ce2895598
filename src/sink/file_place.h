/* file_place.h: the directory of a file sink: made when it is missing, and locked, so that two
 * processes on one directory do not abandon each other's batches. */
#ifndef FH_SINK_FILE_PLACE_H
#define FH_SINK_FILE_PLACE_H

#include "fh/config.h"

/* directory / name .part */
#define FH_FILE_PATH_MAX (FH_PATH_MAX + FH_SINK_POSITION_MAX + 8)
#define FH_FILE_MODE     0640

/* "cannot WHAT PATH: ...", with what to do about it. Returns code. */
int fh_file_fail(struct fh_error *err, int code, const char *what, const char *path);

/* The lock file, which also holds the mark (published_mark.h). */
void fh_file_lock_path(const char *directory, const char *sink, char path[FH_FILE_PATH_MAX]);
/* Takes the lock; the one held before, if any (else -1), may belong to a directory that was removed
 * and is closed. -EBUSY: another process has it. */
int fh_file_place_take(const char *directory, const char *sink, struct fh_error *err,
                       int *inout_lock_fd);

#endif
