/* ledger_alias.c: owns the pairs of keys, sorted by the other replica's. */
#include "ledger_alias.h"

#include <errno.h>
#include <stdlib.h>

int ledger_alias_add(struct ledger_alias *alias, struct ledger_key first)
{
    if (alias->count == alias->capacity) {
        size_t capacity = alias->capacity ? alias->capacity * 2 : 65536;
        struct ledger_alias_entry *fresh = realloc(alias->entry, capacity * sizeof(*fresh));
        if (!fresh) {
            return -ENOMEM;
        }
        alias->entry = fresh;
        alias->capacity = capacity;
    }
    alias->entry[alias->count++] = (struct ledger_alias_entry){first, first};
    return 0;
}

int ledger_alias_tell(struct ledger_alias *alias, struct ledger_key key)
{
    if (alias->told == alias->count) {
        return -ERANGE;
    }
    struct ledger_alias_entry *entry = &alias->entry[alias->told++];
    int64_t apart_ms = entry->first.timestamp_ms - key.timestamp_ms;
    if (apart_ms > LEDGER_APART_MS || apart_ms < -LEDGER_APART_MS) {
        return -EBADMSG;
    }
    entry->key = key;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct ledger_key *left = &((const struct ledger_alias_entry *)a)->key;
    const struct ledger_key *right = &((const struct ledger_alias_entry *)b)->key;
    if (left->uid != right->uid) {
        return left->uid < right->uid ? -1 : 1;
    }
    return (left->timestamp_ms > right->timestamp_ms) - (left->timestamp_ms < right->timestamp_ms);
}

int ledger_alias_end(struct ledger_alias *alias)
{
    if (alias->told != alias->count) {
        return -ERANGE;
    }
    if (alias->count > 0) {
        qsort(alias->entry, alias->count, sizeof(*alias->entry), compare);
    }
    return 0;
}

const struct ledger_key *ledger_alias_find(const struct ledger_alias *alias, struct ledger_key key)
{
    struct ledger_alias_entry wanted = {.key = key};
    if (alias->count == 0) {
        return NULL;
    }
    const struct ledger_alias_entry *found =
        bsearch(&wanted, alias->entry, alias->count, sizeof(*alias->entry), compare);
    return found ? &found->first : NULL;
}

void ledger_alias_done(struct ledger_alias *alias)
{
    free(alias->entry);
}
