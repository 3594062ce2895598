/* keytab.c: owns the hash table from record key to number. Linear probing with backward shift on
 * removal: no tombstones, so the table does not decay under the steady add and remove of marks. */
#include "keytab.h"

#include <errno.h>
#include <string.h>

#define SLOTS_MIN 64

static size_t home_at(const struct fh_keytab *table, uint64_t fingerprint, int64_t stretch)
{
    /* The fingerprint is a hash already, but "uid" and tests may bring poor ones. */
    uint64_t h = fingerprint ^ ((uint64_t)stretch * 0x9E3779B97F4A7C15u);
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
    return (size_t)(h ^ (h >> 32)) & table->mask;
}

/* Of what length does not matter to the order of stamps, so rounding towards 0 would do; but then
 * the stretch around 0 were twice as long as the others, and neighbours not all that is near. */
static int64_t stretch_of(const struct fh_keytab *table, int64_t timestamp_ms)
{
    if (table->apart_ms == 0) {
        return timestamp_ms;
    }
    return timestamp_ms / table->apart_ms - (timestamp_ms % table->apart_ms < 0);
}

static size_t home_of(const struct fh_keytab *table, struct fh_record_key key)
{
    return home_at(table, key.fingerprint, stretch_of(table, key.timestamp_ms));
}

static bool same_key(struct fh_record_key a, struct fh_record_key b)
{
    return a.fingerprint == b.fingerprint && a.timestamp_ms == b.timestamp_ms;
}

void fh_keytab_init(struct fh_keytab *table, const struct fh_allocator *allocator)
{
    *table = (struct fh_keytab){.allocator = allocator};
}

void fh_keytab_done(struct fh_keytab *table)
{
    int64_t apart_ms = table->apart_ms;
    table->allocator->release(table->slot);
    fh_keytab_init(table, table->allocator);
    table->apart_ms = apart_ms;
}

static void place(struct fh_keytab *table, struct fh_record_key key, uint64_t value)
{
    size_t i = home_of(table, key);
    while (table->slot[i].value != 0) {
        i = (i + 1) & table->mask;
    }
    table->slot[i] = (struct fh_keytab_slot){key, value};
}

static int resize(struct fh_keytab *table, size_t slots)
{
    if (slots > SIZE_MAX / sizeof(struct fh_keytab_slot)) {
        return -ENOMEM;
    }
    struct fh_keytab_slot *fresh = table->allocator->allocate(slots * sizeof(*fresh));
    if (!fresh) {
        return -ENOMEM;
    }
    memset(fresh, 0, slots * sizeof(*fresh));
    struct fh_keytab old = *table;
    table->slot = fresh;
    table->mask = slots - 1;
    for (size_t i = 0; old.slot && i <= old.mask; i++) {
        if (old.slot[i].value != 0) {
            place(table, old.slot[i].key, old.slot[i].value);
        }
    }
    table->allocator->release(old.slot);
    return 0;
}

int fh_keytab_reserve(struct fh_keytab *table, size_t extra)
{
    size_t slots = table->slot ? table->mask + 1 : SLOTS_MIN;
    while (slots / 4 * 3 < table->count + extra) {
        slots *= 2;
    }
    return table->slot && slots == table->mask + 1 ? 0 : resize(table, slots);
}

int fh_keytab_add(struct fh_keytab *table, struct fh_record_key key, uint64_t value)
{
    int r = fh_keytab_reserve(table, 1);
    if (r < 0) {
        return r;
    }
    place(table, key, value);
    table->count++;
    return 0;
}

static size_t probe(const struct fh_keytab *table, struct fh_record_key key, size_t i)
{
    for (; table->slot[i].value != 0; i = (i + 1) & table->mask) {
        if (same_key(table->slot[i].key, key)) {
            return i;
        }
    }
    return FH_KEYTAB_NONE;
}

size_t fh_keytab_find(const struct fh_keytab *table, struct fh_record_key key)
{
    return table->count > 0 ? probe(table, key, home_of(table, key)) : FH_KEYTAB_NONE;
}

size_t fh_keytab_find_next(const struct fh_keytab *table, size_t slot)
{
    return probe(table, table->slot[slot].key, (slot + 1) & table->mask);
}

struct search {
    struct fh_record_key key;
    bool (*fits)(const void *userdata, const struct fh_keytab_slot *slot);
    const void *userdata;
    size_t best;
    int64_t distance_ms;
};

static bool fits(const struct search *search, const struct fh_keytab_slot *slot)
{
    return !search->fits || search->fits(search->userdata, slot);
}

/* The run of slots that begins at a home. */
static void search_run(const struct fh_keytab *table, size_t i, struct search *search)
{
    for (; table->slot[i].value != 0; i = (i + 1) & table->mask) {
        const struct fh_keytab_slot *slot = &table->slot[i];
        if (slot->key.fingerprint != search->key.fingerprint) {
            continue;
        }
        int64_t distance_ms = slot->key.timestamp_ms - search->key.timestamp_ms;
        distance_ms = distance_ms < 0 ? -distance_ms : distance_ms;
        if (distance_ms <= table->apart_ms && distance_ms < search->distance_ms &&
            fits(search, slot)) {
            search->best = i;
            search->distance_ms = distance_ms;
        }
    }
}

size_t fh_keytab_nearest(const struct fh_keytab *table, struct fh_record_key key,
                         bool (*fit)(const void *userdata, const struct fh_keytab_slot *slot),
                         const void *userdata)
{
    struct search search = {key, fit, userdata, FH_KEYTAB_NONE, INT64_MAX};
    size_t slot = fh_keytab_find(table, key);
    while (slot != FH_KEYTAB_NONE && !fits(&search, &table->slot[slot])) {
        slot = fh_keytab_find_next(table, slot);
    }
    if (slot != FH_KEYTAB_NONE || table->apart_ms == 0 || table->count == 0) {
        return slot;
    }
    int64_t stretch = stretch_of(table, key.timestamp_ms);
    for (int64_t i = stretch - 1; i <= stretch + 1; i++) {
        search_run(table, home_at(table, key.fingerprint, i), &search);
    }
    return search.best;
}

void fh_keytab_remove(struct fh_keytab *table, size_t slot)
{
    size_t hole = slot;
    for (size_t i = (hole + 1) & table->mask; table->slot[i].value != 0;
         i = (i + 1) & table->mask) {
        size_t home = home_of(table, table->slot[i].key);
        /* May move into the hole unless its home lies behind the hole on the way to i. */
        if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
            table->slot[hole] = table->slot[i];
            hole = i;
        }
    }
    table->slot[hole].value = 0;
    table->count--;
}

void fh_keytab_filter(struct fh_keytab *table,
                      bool (*keep)(void *userdata, const struct fh_keytab_slot *slot),
                      void *userdata)
{
    if (table->count == 0) {
        fh_keytab_done(table);
        return;
    }
    /* A slot that is empty now: no run of entries reaches across it, see the end. */
    size_t start = 0;
    while (table->slot[start].value != 0) {
        start++;
    }
    /* Empty slots first, then put the others in order again: removing one by one while walking
     * would shift unseen entries behind the walker. */
    size_t kept = 0;
    for (size_t i = 0; i <= table->mask; i++) {
        if (table->slot[i].value != 0 && !keep(userdata, &table->slot[i])) {
            table->slot[i].value = 0;
        }
        kept += table->slot[i].value != 0;
    }
    if (kept == table->count) {
        return;
    }
    table->count = kept;
    if (kept == 0) {
        fh_keytab_done(table);
        return;
    }
    size_t slots = SLOTS_MIN;
    while (slots / 4 * 3 < kept + kept / 2) {
        slots *= 2;
    }
    if (slots > table->mask + 1) {
        slots = table->mask + 1;
    }
    if (resize(table, slots) == 0) {
        return;
    }
    /* No memory for a fresh table: settle in place, in the order of the runs, so that an entry
     * only ever moves towards its home over entries that are settled. */
    for (size_t n = 1; n <= table->mask; n++) {
        size_t i = (start + n) & table->mask;
        struct fh_keytab_slot entry = table->slot[i];
        if (entry.value != 0) {
            table->slot[i].value = 0;
            place(table, entry.key, entry.value);
        }
    }
}
