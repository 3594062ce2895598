/* ledger_table.c: open addressing with linear probing; grows by half, never shrinks. */
#include "ledger_table.h"

#include <errno.h>
#include <stdlib.h>

/* Finalizer of MurmurHash3 (public domain constants). */
static uint64_t mix(uint64_t value)
{
    value ^= value >> 33;
    value *= UINT64_C(0xff51afd7ed558ccd);
    value ^= value >> 33;
    value *= UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ value >> 33;
}

struct ledger_key ledger_key_of(const char *uid, size_t len, int64_t timestamp_ms)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)uid[i]) * UINT64_C(0x100000001b3);
    }
    return (struct ledger_key){.uid = mix(hash), .timestamp_ms = timestamp_ms};
}

/* First slot of a key: multiply-shift, so that any capacity will do. */
static size_t home(const struct ledger_table *table, struct ledger_key key)
{
    uint64_t hash = mix(key.uid ^ mix((uint64_t)key.timestamp_ms));
    return (size_t)(((unsigned __int128)hash * table->capacity) >> 64);
}

/* The slot that has the key, or the empty one where it belongs. */
static size_t probe(const struct ledger_table *table, struct ledger_key key)
{
    size_t slot = home(table, key);
    while (table->seen[slot] != 0 &&
           (table->key[slot].uid != key.uid || table->key[slot].timestamp_ms != key.timestamp_ms)) {
        slot = slot + 1 == table->capacity ? 0 : slot + 1;
    }
    return slot;
}

static int grow(struct ledger_table *table)
{
    struct ledger_table larger = {.capacity = table->capacity / 2 * 3 + 65536, .used = table->used};
    larger.key = malloc(larger.capacity * sizeof(*larger.key));
    larger.seen = calloc(larger.capacity, 1);
    if (!larger.key || !larger.seen) {
        ledger_table_done(&larger);
        return -ENOMEM;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->seen[i] != 0) {
            size_t slot = probe(&larger, table->key[i]);
            larger.key[slot] = table->key[i];
            larger.seen[slot] = table->seen[i];
        }
    }
    struct ledger_table smaller = *table;
    *table = larger;
    ledger_table_done(&smaller);
    return 0;
}

int ledger_table_add(struct ledger_table *table, struct ledger_key key)
{
    if (table->used >= table->capacity / 4 * 3) {
        int r = grow(table);
        if (r < 0) {
            return r;
        }
    }
    size_t slot = probe(table, key);
    if (table->seen[slot] != 0) {
        return 0;
    }
    table->key[slot] = key;
    table->seen[slot] = 1;
    table->used++;
    return 1;
}

size_t ledger_table_find(const struct ledger_table *table, struct ledger_key key)
{
    if (table->capacity == 0) {
        return LEDGER_NONE;
    }
    size_t slot = probe(table, key);
    return table->seen[slot] != 0 ? slot : LEDGER_NONE;
}

void ledger_table_done(struct ledger_table *table)
{
    free(table->key);
    free(table->seen);
    *table = (struct ledger_table){0};
}
