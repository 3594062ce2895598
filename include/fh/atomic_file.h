/* atomic_file.h: files that are either the old one or the new one, also after a power cut.
 * Temporary file, fsync, rename, fsync of the directory. Blocking: never on the main thread. */
#ifndef FH_ATOMIC_FILE_H
#define FH_ATOMIC_FILE_H

#include "fh/err.h"

#include <sys/types.h>

/* Replace path by len bytes with the given mode. */
int fh_atomic_file_write(const char *path, const void *bytes, size_t len, mode_t mode,
                         struct fh_error *err);
/* A new file, durable when it returns; -EEXIST: one is there, and is left as it is. */
int fh_file_create(const char *path, const void *bytes, size_t len, mode_t mode,
                   struct fh_error *err);
/* rename(from, to) in one directory, then fsync the directory; from must already be fsynced. */
int fh_atomic_file_publish(const char *from, const char *to, struct fh_error *err);
/* fsync the directory itself. */
int fh_directory_sync(const char *directory, struct fh_error *err);
/* Read a whole small file (at most max bytes; -EFBIG) into a fresh NUL-terminated string the
 * caller frees. With secret set, -EPERM when group or others may read it. */
int fh_file_read(const char *path, size_t max, int secret, char **ret, struct fh_error *err);

#endif
