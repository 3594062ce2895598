/* cache.h: blocks of records in memory, counted references, and the newest of them kept.
 *
 * A raw block is filled by the writer alone, sealed, and never changes afterwards: then any thread
 * that holds a reference may read it. The cache itself has no lock; the store guards it. */
#ifndef FH_STORE_CACHE_H
#define FH_STORE_CACHE_H

#include "block.h"

#include <stdatomic.h>
#include <stdint.h>

struct fh_raw {
    atomic_uint references;
    uint64_t first_sequence;
    uint32_t count, capacity;
    size_t len, room; /* bytes of data in use, allocated */
    char *data;       /* records, each with its newline */
    struct fh_slice *record;
    struct fh_record_key *key;
    uint64_t *sequence;
    int64_t newest_ms;
    struct fh_checkpoint before; /* block.h */
};

/* Room for about that much; it grows. One reference. NULL: no memory. */
struct fh_raw *fh_raw_new(uint64_t first_sequence, size_t bytes, uint32_t records);
/* -ENOMEM: unchanged. -EOVERFLOW: the block would pass FH_BLOCK_RAW_MAX. */
int fh_raw_reserve(struct fh_raw *raw, size_t bytes, uint32_t records);
int fh_raw_add(struct fh_raw *raw, const char *bytes, size_t len, struct fh_record_key key);
void fh_raw_drop_last(struct fh_raw *raw);
/* No more records; the slices become valid. */
void fh_raw_seal(struct fh_raw *raw);
/* Out of its stored form. The keys are to be filled in by the caller. -EBADMSG, -ENOMEM, ... */
int fh_raw_decode(const void *bytes, size_t len, struct fh_raw **ret);
struct fh_raw *fh_raw_ref(struct fh_raw *raw);
void fh_raw_unref(struct fh_raw *raw); /* NULL allowed */

/* What a block in memory costs. */
size_t fh_raw_cost(const struct fh_raw *raw);

struct fh_cache {
    struct fh_raw **block; /* ascending */
    size_t head, used, capacity;
    size_t bytes, max;
};

void fh_cache_init(struct fh_cache *cache, size_t max);
void fh_cache_done(struct fh_cache *cache);
/* Takes a reference of its own; the oldest go when the maximum is passed. Without memory for the
 * list the block is just not cached. Blocks come in ascending order. */
void fh_cache_push(struct fh_cache *cache, struct fh_raw *raw);
/* A reference to the block that holds the sequence, or NULL. */
struct fh_raw *fh_cache_find(const struct fh_cache *cache, uint64_t sequence);
/* Let go of the newest blocks that start at sequence or later. */
void fh_cache_cut(struct fh_cache *cache, uint64_t sequence);

#endif
