/* nearest.c: the distance between two words. Knows nothing of what they name. */
#include "fh/nearest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX 48

static char folded(char c)
{
    return c == '-' || c == ' ' ? '_' : (char)tolower((unsigned char)c);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time. */
size_t fh_slips_between(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX) {
        return SIZE_MAX / 2;
    }
    size_t row[WORD_MAX + 1];
    for (size_t k = 0; k <= b_len; k++) {
        row[k] = k;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b_len; k++) {
            size_t replaced = diagonal + (folded(a[i - 1]) != folded(b[k - 1]));
            diagonal = row[k];
            row[k] = smaller(replaced, smaller(row[k], row[k - 1]) + 1);
        }
    }
    return row[b_len];
}

size_t fh_slips_allowed(const char *word)
{
    size_t len = strlen(word);
    size_t third = len / 3;
    return third > 2 ? third : (len > 2 ? 2 : len / 2);
}

void fh_nearest_begin(struct fh_nearest *nearest, const char *word)
{
    *nearest = (struct fh_nearest){.allowed = fh_slips_allowed(word), .cost = SIZE_MAX};
}

void fh_nearest_offer(struct fh_nearest *nearest, size_t slips, bool elsewhere,
                      const char *suggestion)
{
    if (slips > (elsewhere ? 1 : nearest->allowed)) {
        return;
    }
    size_t cost = 2 * slips + elsewhere;
    if (cost < nearest->cost) {
        nearest->cost = cost;
        nearest->found = suggestion;
    }
}
