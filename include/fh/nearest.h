/* nearest.h: how far a word somebody wrote is from one that exists, for "did you mean ...?".
 * Blind to case and to a dash or a blank for an underscore. Pure. */
#ifndef FH_NEAREST_H
#define FH_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* Letters to change, add or leave out to make one of the other; a word of more than 48 letters is
 * far from everything. */
size_t fh_slips_between(const char *a, const char *b);
/* How many of them may still be a slip: a third of the letters, but two in short words, and never
 * all. */
size_t fh_slips_allowed(const char *word);

/* The nearest of some words, each offered in its turn; of equally near ones the first. */
struct fh_nearest {
    size_t allowed; /* fh_slips_allowed(what somebody wrote) */
    size_t cost;
    const char *found; /* what is to be suggested; NULL: nothing is near enough */
};
void fh_nearest_begin(struct fh_nearest *nearest, const char *word);
/* slips: fh_slips_between(what somebody wrote, this word). elsewhere: the word stands where it
 * would not be right; it is meant only when it is written almost right. suggestion: kept, not
 * copied. */
void fh_nearest_offer(struct fh_nearest *nearest, size_t slips, bool elsewhere,
                      const char *suggestion);

#endif
