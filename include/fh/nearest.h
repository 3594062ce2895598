/* nearest.h: how far a word somebody wrote is from one that exists, for "did you mean ...?".
 * Blind to case and to a dash or a blank for an underscore. Pure. */
#ifndef FH_NEAREST_H
#define FH_NEAREST_H

#include <stddef.h>

/* Letters to change, add or leave out to make one of the other; a word of more than 48 letters is
 * far from everything. */
size_t fh_slips_between(const char *a, const char *b);
/* How many of them may still be a slip: a third of the letters, but two in short words, and never
 * all. */
size_t fh_slips_allowed(const char *word);

#endif
