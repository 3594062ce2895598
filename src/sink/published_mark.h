/* published_mark.h: the name of the file published last, kept in the sink's lock file.
 *
 * Whoever consumes the files may take a published one away at once. When the daemon dies between
 * publishing and noting it, neither the file nor its .part is there any more; without the mark that
 * looks like a batch that was lost, and it would be delivered a second time. */
#ifndef FH_SINK_PUBLISHED_MARK_H
#define FH_SINK_PUBLISHED_MARK_H

#include <stdbool.h>

/* Take the room the mark needs, so that a full disk does not keep a batch from being published.
 * Best effort. */
void fh_published_mark_reserve(int lock_fd);
/* Durable when it returns; call before the rename. 0 or negative errno. */
int fh_published_mark_set(int lock_fd, const char *name);
/* Before the .part of that name is removed; does nothing when another one is marked. */
int fh_published_mark_clear(int lock_fd, const char *name);
/* Was this the last one to be published? Only means something when its .part is not there. */
bool fh_published_mark_is(int lock_fd, const char *name);

#endif
