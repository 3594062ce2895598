/* cache.h: answers kept for a while, by path; also refusals, so that nobody asks the same in vain
 * again and again. Bounded in bytes and entries; the one unused for longest goes first. One thread.
 * Time is given, never read. Private to src/rest. */
#ifndef FH_REST_CACHE_H
#define FH_REST_CACHE_H

#include "fh/clock.h"
#include "fh/err.h"

#include <stddef.h>

#define FH_REST_ENTRIES_MAX 1024

struct fh_rest_entry {
    int code;    /* 0, or the negative errno of a refusal */
    char *bytes; /* the answer, or the refusal's sentence (NUL-terminated, too) */
    size_t len;  /* without the NUL */
    /* private */
    char *path;
    struct fh_time until;
};

struct fh_rest_cache {
    size_t max; /* bytes of all entries, with what keeping them costs */
    size_t used;
    size_t count;
    struct fh_rest_entry *entries[FH_REST_ENTRIES_MAX]; /* used last first */
};

void fh_rest_cache_init(struct fh_rest_cache *cache, size_t max);
void fh_rest_cache_done(struct fh_rest_cache *cache);
/* NULL: none, or too old. Valid until the next call. */
const struct fh_rest_entry *fh_rest_cache_get(struct fh_rest_cache *cache, const char *path,
                                              struct fh_time now);
/* Copies; replaces what was there. What is larger than the whole cache, or finds no memory, is not
 * kept. */
void fh_rest_cache_put(struct fh_rest_cache *cache, const char *path, int code, const void *bytes,
                       size_t len, struct fh_time until);

#endif
