/* cache.c: owns blocks in memory and the ring of the newest. Never reads the database. */
#include "cache.h"

#include "fh/err.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void raw_free(struct fh_raw *raw)
{
    if (!raw) {
        return;
    }
    free(raw->data);
    free(raw->record);
    free(raw->key);
    free(raw->sequence);
    free(raw);
}

static void raw_freep(struct fh_raw **raw)
{
    raw_free(*raw);
}

struct fh_raw *fh_raw_new(uint64_t first_sequence, size_t bytes, uint32_t records)
{
    struct fh_raw *raw FH_CLEANUP(raw_freep) = calloc(1, sizeof(*raw));
    if (!raw) {
        return NULL;
    }
    atomic_init(&raw->references, 1);
    raw->first_sequence = first_sequence;
    raw->newest_ms = INT64_MIN;
    if (fh_raw_reserve(raw, bytes, records) < 0) {
        return NULL;
    }
    struct fh_raw *made = raw;
    raw = NULL;
    return made;
}

static int grow(void **array, size_t count, size_t size)
{
    void *fresh = realloc(*array, count * size);
    if (!fresh) {
        return -ENOMEM;
    }
    *array = fresh;
    return 0;
}

int fh_raw_reserve(struct fh_raw *raw, size_t bytes, uint32_t records)
{
    size_t len = raw->len + bytes;
    if (len > FH_BLOCK_RAW_MAX || bytes > FH_BLOCK_RAW_MAX) {
        return -EOVERFLOW;
    }
    if (len > raw->room) {
        size_t room = raw->room * 2 > len ? raw->room * 2 : len;
        if (grow((void **)&raw->data, room, 1) < 0) {
            return -ENOMEM;
        }
        raw->room = room;
    }
    uint32_t count = raw->count + records;
    if (count > raw->capacity) {
        uint32_t capacity = raw->capacity * 2 > count ? raw->capacity * 2 : count;
        /* Growing only some of them is harmless. */
        if (grow((void **)&raw->record, capacity, sizeof(*raw->record)) < 0 ||
            grow((void **)&raw->key, capacity, sizeof(*raw->key)) < 0 ||
            grow((void **)&raw->sequence, capacity, sizeof(*raw->sequence)) < 0) {
            return -ENOMEM;
        }
        raw->capacity = capacity;
    }
    return 0;
}

int fh_raw_add(struct fh_raw *raw, const char *bytes, size_t len, struct fh_record_key key)
{
    int r = fh_raw_reserve(raw, len + 1, 1);
    if (r < 0) {
        return r;
    }
    memcpy(raw->data + raw->len, bytes, len);
    raw->data[raw->len + len] = '\n';
    raw->len += len + 1;
    raw->record[raw->count].len = len;
    raw->key[raw->count] = key;
    raw->sequence[raw->count] = raw->first_sequence + raw->count;
    raw->count++;
    if (key.timestamp_ms > raw->newest_ms) {
        raw->newest_ms = key.timestamp_ms;
    }
    return 0;
}

void fh_raw_drop_last(struct fh_raw *raw)
{
    assert(raw->count > 0);
    raw->count--;
    raw->len -= raw->record[raw->count].len + 1;
}

void fh_raw_seal(struct fh_raw *raw)
{
    if (raw->room - raw->len > raw->room / 4) {
        char *data = realloc(raw->data, raw->len);
        if (data) {
            raw->data = data;
            raw->room = raw->len;
        }
    }
    const char *at = raw->data;
    for (uint32_t i = 0; i < raw->count; i++) {
        raw->record[i].data = at;
        at += raw->record[i].len + 1;
    }
}

int fh_raw_decode(const void *bytes, size_t len, struct fh_raw **ret)
{
    struct fh_block_head head = {0};
    int r = fh_block_peek(bytes, len, &head);
    if (r < 0) {
        return r;
    }
    struct fh_raw *raw FH_CLEANUP(raw_freep) =
        fh_raw_new(head.first_sequence, head.raw_len, head.count);
    if (!raw) {
        return -ENOMEM;
    }
    r = fh_block_decode(bytes, len, raw->data, &head);
    if (r < 0) {
        return r;
    }
    r = fh_block_split(raw->data, head.raw_len, raw->record, head.count);
    if (r < 0) {
        return r;
    }
    raw->count = head.count;
    raw->len = head.raw_len;
    raw->newest_ms = head.newest_ms;
    raw->before = head.before;
    for (uint32_t i = 0; i < raw->count; i++) {
        raw->sequence[i] = raw->first_sequence + i;
    }
    *ret = raw;
    raw = NULL;
    return 0;
}

struct fh_raw *fh_raw_ref(struct fh_raw *raw)
{
    atomic_fetch_add_explicit(&raw->references, 1, memory_order_relaxed);
    return raw;
}

void fh_raw_unref(struct fh_raw *raw)
{
    if (raw && atomic_fetch_sub_explicit(&raw->references, 1, memory_order_acq_rel) == 1) {
        raw_free(raw);
    }
}

size_t fh_raw_cost(const struct fh_raw *raw)
{
    return raw->room + sizeof(*raw) +
           raw->capacity * (sizeof(*raw->record) + sizeof(*raw->key) + sizeof(*raw->sequence));
}

void fh_cache_init(struct fh_cache *cache, size_t max)
{
    *cache = (struct fh_cache){.max = max};
}

void fh_cache_done(struct fh_cache *cache)
{
    fh_cache_cut(cache, 0);
    free(cache->block);
    fh_cache_init(cache, cache->max);
}

static int make_room(struct fh_cache *cache)
{
    if (cache->used < cache->capacity) {
        return 0;
    }
    if (cache->head > cache->capacity / 2) {
        cache->used -= cache->head;
        memmove(cache->block, cache->block + cache->head, cache->used * sizeof(void *));
        cache->head = 0;
        return 0;
    }
    size_t capacity = cache->capacity ? cache->capacity * 2 : 256;
    int r = grow((void **)&cache->block, capacity, sizeof(void *));
    if (r == 0) {
        cache->capacity = capacity;
    }
    return r;
}

void fh_cache_push(struct fh_cache *cache, struct fh_raw *raw)
{
    if (make_room(cache) < 0) {
        return;
    }
    cache->block[cache->used++] = fh_raw_ref(raw);
    cache->bytes += fh_raw_cost(raw);
    while (cache->bytes > cache->max && cache->head < cache->used) {
        struct fh_raw *oldest = cache->block[cache->head++];
        cache->bytes -= fh_raw_cost(oldest);
        fh_raw_unref(oldest);
    }
}

struct fh_raw *fh_cache_find(const struct fh_cache *cache, uint64_t sequence)
{
    size_t low = cache->head;
    size_t high = cache->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct fh_raw *raw = cache->block[middle];
        if (raw->first_sequence + raw->count <= sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < cache->used && cache->block[low]->first_sequence <= sequence) {
        return fh_raw_ref(cache->block[low]);
    }
    return NULL;
}

void fh_cache_cut(struct fh_cache *cache, uint64_t sequence)
{
    while (cache->used > cache->head && cache->block[cache->used - 1]->first_sequence >= sequence) {
        struct fh_raw *newest = cache->block[--cache->used];
        cache->bytes -= fh_raw_cost(newest);
        fh_raw_unref(newest);
    }
}
