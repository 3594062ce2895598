/* dead_letter.h: what a far side will never take: one file per sink, a JSON line for each record.
 * Owned by the sink's delivery thread; blocks on the disk. */
#ifndef FH_PIPELINE_DEAD_LETTER_H
#define FH_PIPELINE_DEAD_LETTER_H

#include "fh/config.h"
#include "fh/event.h"

/* Size at which the file becomes <sink>.ndjson.1, in place of the one before. */
#define FH_DEAD_LETTER_BYTES ((int64_t)64 << 20)

struct fh_dead_letters;

/* Touches nothing: folder and file (mode 0640) are made with the first letter. */
int fh_dead_letters_new(const char *state_dir, const char *sink, int64_t roll_bytes,
                        struct fh_error *err, struct fh_dead_letters **ret);
void fh_dead_letters_free(struct fh_dead_letters *letters); /* NULL allowed */
/* <state_dir>/dead-letters/<sink>.ndjson */
void fh_dead_letters_path(const char *state_dir, const char *sink, char *path, size_t size);

/* Append {"time","sink","reason","record"}. Whole or not at all; durable with the next sync. A line
 * that a crash left torn is removed when the file is opened; one that was moved away is begun anew.
 * 1: it is added, and for want of room the letters of <sink>.ndjson.1 are gone for good. -ENOSPC,
 * -EACCES, ... with a sentence. */
int fh_dead_letters_add(struct fh_dead_letters *letters, struct fh_slice record, const char *reason,
                        struct fh_error *err);
/* Everything added is durable when it returns 0. Cheap when nothing was. letters may be NULL. */
int fh_dead_letters_sync(struct fh_dead_letters *letters, struct fh_error *err);

#endif
