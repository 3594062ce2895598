/* ledger_table.h: what was sent, and how often each of it arrived: a hash table of 17 bytes per
 * slot, at most 3/4 full, so that 100 million records fit into about 3 GB. */
#ifndef LEDGER_TABLE_H
#define LEDGER_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define LEDGER_NONE SIZE_MAX

/* A record: a 64-bit hash of its uid, and its timestamp. Two records of one millisecond would have
 * to agree in 64 bits to be taken for one. */
struct ledger_key {
    uint64_t uid;
    int64_t timestamp_ms;
};

struct ledger_table {
    struct ledger_key *key;
    uint8_t *seen; /* 0: empty slot; n + 1: sent, and arrived n times (up to 254) */
    size_t capacity;
    size_t used;
};

struct ledger_key ledger_key_of(const char *uid, size_t len, int64_t timestamp_ms);
/* 1: new; 0: was there already; -ENOMEM. */
int ledger_table_add(struct ledger_table *table, struct ledger_key key);
/* Slot of the key, or LEDGER_NONE. */
size_t ledger_table_find(const struct ledger_table *table, struct ledger_key key);
void ledger_table_done(struct ledger_table *table);

#endif
