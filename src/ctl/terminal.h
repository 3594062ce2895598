/* terminal.h: texts of others on a terminal, which obeys some bytes instead of showing them. What
 * goes into a file or a pipe stays as it is, byte by byte. */
#ifndef FH_CTL_TERMINAL_H
#define FH_CTL_TERMINAL_H

#include "fh/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* So many bytes at the beginning (0, 1 or 2) are what a terminal would obey: C0 and DEL, and C1 as
 * UTF-8 writes them (U+0080 to U+009F; ECMA-48, 5.3). */
size_t fh_terminal_obeys(const char *bytes, size_t len);

/* The same text without them: each is written as JSON may write it, \u001b. A newline and a tab
 * stay. -ENOBUFS, -ENOMEM. */
int fh_terminal_text(const char *bytes, size_t len, struct fh_buf *into);

/* To standard output, by fh_terminal_text when that is a terminal. false: not written, see errno.
 */
bool fh_terminal_print(const char *bytes, size_t len);

#endif
