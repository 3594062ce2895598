/* file_keep.h: how long published files stay: by age and by what they take together. Only files
 * that carry a published name of this very sink are ever removed, the oldest first, and never the
 * one that was published last (published_mark.h: its fate may still be asked for).
 *
 * Whoever consumes the files may remove them, too. A thread of its own does the work, on a standby
 * as well: removing a large file can take long, and a node that no longer leads keeps its files
 * beyond their time otherwise. The functions are for the delivery thread. */
#ifndef FH_SINK_FILE_KEEP_H
#define FH_SINK_FILE_KEEP_H

#include "fh/config.h"

/* Files removed in one step; the next one follows a second later. */
#define FH_FILE_KEEP_STEP 64

struct fh_file_keep;

/* config is copied; without limits there is no thread. */
int fh_file_keep_new(const struct fh_config_sink *config, struct fh_error *err,
                     struct fh_file_keep **ret);
void fh_file_keep_free(struct fh_file_keep *keep); /* NULL allowed */
void fh_file_keep_limit(struct fh_file_keep *keep, int64_t hours, int64_t bytes);
/* A file was published. */
void fh_file_keep_look(struct fh_file_keep *keep);

/* One step, as the thread does it. */
struct fh_file_keep_limits {
    int64_t age_ms; /* 0 = any */
    int64_t bytes;  /* 0 = any */
};
struct fh_file_keep_result {
    unsigned removed;
    int64_t removed_bytes;
    bool more; /* there was more to remove than a step does */
};
int fh_file_keep_step(const char *directory, const char *sink,
                      const struct fh_file_keep_limits *limits, int64_t wall_ms,
                      struct fh_error *err, struct fh_file_keep_result *ret);

#endif
