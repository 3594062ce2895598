/* cache.c: owns the answers that are kept, in order of use; a search from the front is enough, as
 * the limit on requests keeps their number low. */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

static size_t cost(const struct fh_rest_entry *entry)
{
    return sizeof(*entry) + strlen(entry->path) + 1 + entry->len + 1;
}

static void forget(struct fh_rest_entry *entry)
{
    free(entry->path);
    free(entry->bytes);
    free(entry);
}

static void drop(struct fh_rest_cache *cache, size_t index)
{
    struct fh_rest_entry *entry = cache->entries[index];
    cache->count--;
    memmove(&cache->entries[index], &cache->entries[index + 1],
            (cache->count - index) * sizeof(struct fh_rest_entry *));
    cache->used -= cost(entry);
    forget(entry);
}

void fh_rest_cache_init(struct fh_rest_cache *cache, size_t max)
{
    *cache = (struct fh_rest_cache){.max = max};
}

void fh_rest_cache_done(struct fh_rest_cache *cache)
{
    while (cache->count > 0) {
        drop(cache, cache->count - 1);
    }
}

/* count when there is none. */
static size_t find(const struct fh_rest_cache *cache, const char *path)
{
    size_t i = 0;
    while (i < cache->count && strcmp(cache->entries[i]->path, path) != 0) {
        i++;
    }
    return i;
}

/* Make room at the front for what lies at index, or for a new one at the end. */
static void to_front(struct fh_rest_cache *cache, size_t index, struct fh_rest_entry *entry)
{
    memmove(&cache->entries[1], &cache->entries[0], index * sizeof(struct fh_rest_entry *));
    cache->entries[0] = entry;
}

const struct fh_rest_entry *fh_rest_cache_get(struct fh_rest_cache *cache, const char *path,
                                              struct fh_time now)
{
    size_t index = find(cache, path);
    if (index == cache->count) {
        return NULL;
    }
    if (!fh_time_before(now, cache->entries[index]->until)) {
        drop(cache, index);
        return NULL;
    }
    to_front(cache, index, cache->entries[index]);
    return cache->entries[0];
}

static struct fh_rest_entry *make(const char *path, int code, const void *bytes, size_t len,
                                  struct fh_time until)
{
    struct fh_rest_entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        return NULL;
    }
    entry->path = strdup(path);
    entry->bytes = malloc(len + 1);
    if (!entry->path || !entry->bytes) {
        forget(entry);
        return NULL;
    }
    if (len > 0) {
        memcpy(entry->bytes, bytes, len);
    }
    entry->bytes[len] = '\0';
    entry->len = len;
    entry->code = code;
    entry->until = until;
    return entry;
}

void fh_rest_cache_put(struct fh_rest_cache *cache, const char *path, int code, const void *bytes,
                       size_t len, struct fh_time until)
{
    size_t old = find(cache, path);
    if (old < cache->count) {
        drop(cache, old);
    }
    struct fh_rest_entry *entry = len < cache->max ? make(path, code, bytes, len, until) : NULL;
    if (!entry) {
        return;
    }
    if (cost(entry) > cache->max) {
        forget(entry);
        return;
    }
    while (cache->count > 0 &&
           (cache->count == FH_REST_ENTRIES_MAX || cache->used + cost(entry) > cache->max)) {
        drop(cache, cache->count - 1);
    }
    to_front(cache, cache->count, entry);
    cache->count++;
    cache->used += cost(entry);
}
