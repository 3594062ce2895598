/* stage.c: owns what waits for the next commit: the open block, closed blocks, notes, settings.
 * Never writes to the database. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_MAX     65536
#define NOTE_KEY_MAX 64

int fh_list_reserve(void *items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity) {
        return 0;
    }
    size_t more = *capacity ? *capacity * 2 : 16;
    void *old;
    memcpy(&old, items, sizeof(old));
    void *fresh = realloc(old, more * size);
    if (!fresh) {
        return -ENOMEM;
    }
    memcpy(items, &fresh, sizeof(fresh));
    *capacity = more;
    return 0;
}

void fh_store_lock(struct fh_store *store)
{
    pthread_mutex_lock(&store->lock);
}

void fh_store_unlock(struct fh_store *store)
{
    pthread_mutex_unlock(&store->lock);
}

int fh_store_find_sink(const struct fh_store *store, const char *name)
{
    for (size_t i = 0; i < store->sinks; i++) {
        if (strcmp(store->sink_name[i], name) == 0) {
            return (int)i;
        }
    }
    return -ENOENT;
}

int64_t fh_store_age(const struct fh_store *store, int64_t newest_ms)
{
    int64_t limit = store->meta.source_time_ms + FH_STORE_AHEAD_MS;
    return store->meta.source_time_ms != 0 && newest_ms > limit ? limit : newest_ms;
}

bool fh_store_expired(const struct fh_store *store, int64_t age_ms)
{
    int64_t now = store->meta.source_time_ms;
    return now != 0 && (age_ms < now - store->window_ms || age_ms > now + 86400000);
}

/* ---- blocks ------------------------------------------------------------------------------- */

static int open_block(struct fh_store *store, size_t len)
{
    if (store->open) {
        return 0;
    }
    size_t bytes = store->last_block_len + store->last_block_len / 4;
    if (bytes < len + 1) {
        bytes = len + 1;
    }
    store->open = fh_raw_new(store->meta.next_sequence, bytes, store->last_block_count + 16);
    if (!store->open) {
        return -ENOMEM;
    }
    store->open->before = store->meta.received;
    return 0;
}

static uint64_t round_up(const struct fh_store *store, uint64_t bytes)
{
    return (bytes + store->page_size - 1) / store->page_size * store->page_size;
}

int fh_store_encode_block(struct fh_store *store, const struct fh_raw *raw,
                          struct fh_staged_block *ret)
{
    size_t bound = fh_block_bound(raw->len);
    if (bound > store->scratch_room) {
        char *scratch = realloc(store->scratch, bound);
        if (!scratch) {
            return -ENOMEM;
        }
        store->scratch = scratch;
        store->scratch_room = bound;
    }
    struct fh_block_head head = {
        .first_sequence = raw->first_sequence,
        .count = raw->count,
        .raw_len = (uint32_t)raw->len,
        .newest_ms = raw->newest_ms,
        .age_ms = fh_store_age(store, raw->newest_ms),
        .before = raw->before,
    };
    size_t len = fh_block_encode(&head, raw->data, store->scratch, store->scratch_room);
    void *bytes = malloc(len);
    if (!bytes) {
        return -ENOMEM;
    }
    memcpy(bytes, store->scratch, len);
    ret->bytes = bytes;
    ret->len = len;
    ret->age_ms = head.age_ms;
    return 0;
}

/* Compress the open block. On failure it stays open; nothing is lost. */
int fh_store_close_block(struct fh_store *store)
{
    struct fh_raw *raw = store->open;
    if (!raw) {
        return 0;
    }
    struct fh_staged_block block = {.raw = raw};
    if (FH_LIST_RESERVE(&store->blocks) < 0 || fh_store_encode_block(store, raw, &block) < 0) {
        return -ENOMEM;
    }
    store->last_block_len = raw->len;
    store->last_block_count = raw->count;
    fh_raw_seal(raw);
    store->blocks.item[store->blocks.count++] = block;
    store->staged_estimate +=
        round_up(store, block.len + 64) + round_up(store, fh_keys_size(raw->count) + 64);
    store->open = NULL;
    return 0;
}

/* Would this much more, uncompressed as the worst case, leave the reserve for cursors and reports
 * untouched? */
static bool has_room(const struct fh_store *store, size_t len)
{
    uint64_t open =
        store->open ? store->open->len + store->open->count * (uint64_t)FH_KEY_BYTES : 0;
    return store->used_bytes + store->staged_estimate + open + len + 16384 <= store->soft_limit;
}

/* Must the record come under explicit representation (marks.h)? Only the writer changes these. */
static bool wants_mark(const struct fh_store *store)
{
    return fh_marks_explicit_until(store->marks) == store->meta.next_sequence &&
           ((!store->leading && store->peer_seen) || fh_marks_early_count(store->marks) > 0);
}

int fh_store_append(struct fh_store *store, const struct fh_store_record *record,
                    uint64_t *ret_sequence)
{
    if (memchr(record->bytes, '\n', record->len)) {
        return -EINVAL; /* it would come back as two records */
    }
    if (!has_room(store, record->len)) {
        store->retention_due = true;
        store->full = true;
        return -ENOSPC;
    }
    int r = open_block(store, record->len);
    if (r < 0) {
        return r;
    }
    r = fh_raw_add(store->open, record->bytes, record->len, record->key);
    if (r == 0 && wants_mark(store)) {
        fh_store_lock(store);
        r = fh_marks_add(store->marks, record->key, store->meta.next_sequence);
        fh_store_unlock(store);
        if (r < 0) {
            fh_raw_drop_last(store->open);
        }
    }
    if (r < 0) {
        if (store->open->count == 0) {
            fh_raw_unref(store->open);
            store->open = NULL;
        }
        return r;
    }
    if (ret_sequence) {
        *ret_sequence = store->meta.next_sequence;
    }
    store->meta.next_sequence++;
    store->meta_dirty = true;
    if (store->open->len >= store->block_bytes) {
        fh_store_close_block(store); /* when memory is short the commit tries again */
    }
    return 0;
}

size_t fh_store_staged(const struct fh_store *store)
{
    size_t bytes = store->open ? store->open->len : 0;
    for (size_t i = 0; i < store->blocks.count; i++) {
        bytes += store->blocks.item[i].raw->len;
    }
    return bytes;
}

/* ---- settings ----------------------------------------------------------------------------- */

void fh_store_set_checkpoint(struct fh_store *store, const struct fh_checkpoint *checkpoint)
{
    store->meta.received = *checkpoint;
    store->meta_dirty = true;
}

void fh_store_set_epoch(struct fh_store *store, uint64_t epoch, bool last_primary)
{
    store->meta.epoch = epoch;
    store->meta.last_primary = last_primary;
    store->meta_dirty = true;
}

void fh_store_set_source_time(struct fh_store *store, int64_t timestamp_ms)
{
    int64_t before = store->meta.source_time_ms;
    if (timestamp_ms <= before) {
        return;
    }
    store->meta.source_time_ms = timestamp_ms;
    if (fh_minute_of(timestamp_ms) == fh_minute_of(before)) {
        return; /* written with the next commit that has something to write */
    }
    store->meta_dirty = true;
    store->retention_due = true;
    fh_store_lock(store);
    fh_marks_expire_early(store->marks, timestamp_ms - store->window_ms, timestamp_ms + 86400000);
    fh_store_unlock(store);
    fh_store_give_up(store, store->window_ms);
    if (store->own_newest_ms < timestamp_ms - store->window_ms && store->own.count > 0) {
        fh_keytab_done(&store->own);
        store->own_from_ms = INT64_MAX;
    }
}

int fh_store_set_note(struct fh_store *store, const char *key, const void *bytes, size_t len)
{
    size_t key_len = strlen(key);
    if (key_len == 0 || key_len > NOTE_KEY_MAX || len > NOTE_MAX) {
        return -EINVAL;
    }
    void *copy = malloc(len ? len : 1);
    if (!copy) {
        return -ENOMEM;
    }
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    for (size_t i = 0; i < store->notes.count; i++) {
        struct fh_staged_note *note = &store->notes.item[i];
        if (strcmp(note->key, key) == 0) {
            free(note->bytes);
            note->bytes = copy;
            note->len = len;
            return 0;
        }
    }
    if (FH_LIST_RESERVE(&store->notes) < 0) {
        free(copy);
        return -ENOMEM;
    }
    struct fh_staged_note *note = &store->notes.item[store->notes.count++];
    memcpy(note->key, key, key_len + 1);
    note->bytes = copy;
    note->len = len;
    return 0;
}

void fh_store_staged_clear(struct fh_store *store)
{
    for (size_t i = 0; i < store->blocks.count; i++) {
        fh_raw_unref(store->blocks.item[i].raw);
        free(store->blocks.item[i].bytes);
    }
    for (size_t i = 0; i < store->reports.count; i++) {
        free(store->reports.item[i].bytes);
    }
    for (size_t i = 0; i < store->peer_rows.count; i++) {
        free(store->peer_rows.item[i].bytes);
    }
    for (size_t i = 0; i < store->notes.count; i++) {
        free(store->notes.item[i].bytes);
    }
    store->blocks.count = store->reports.count = store->peer_rows.count = 0;
    store->notes.count = store->forgotten_rows.count = 0;
    store->staged_estimate = 0;
    store->meta_dirty = false;
    store->full = false;
}
