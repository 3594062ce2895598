/* keytab.h: an open-addressing table from record key to a number; one key may be in it more than
 * once. Pure but for the allocator; one thread. 24 bytes a slot, at most 3/4 full.
 *
 * With apart_ms, which is set while the table is empty, fh_keytab_nearest also finds keys of the
 * same fingerprint whose stamp is up to so much away: homes go by stretches of that length, and
 * three of them are looked through. All else compares keys exactly, and costs what it did. */
#ifndef FH_STORE_KEYTAB_H
#define FH_STORE_KEYTAB_H

#include "fh/alloc.h"
#include "fh/event.h"

#include <stdbool.h>

struct fh_keytab_slot {
    struct fh_record_key key;
    uint64_t value; /* 0 = empty */
};

struct fh_keytab {
    const struct fh_allocator *allocator;
    struct fh_keytab_slot *slot;
    size_t mask; /* slots - 1; slot is NULL while nothing was ever added */
    size_t count;
    int64_t apart_ms; /* 0: equal stamps only */
};

#define FH_KEYTAB_NONE SIZE_MAX

void fh_keytab_init(struct fh_keytab *table, const struct fh_allocator *allocator);
void fh_keytab_done(struct fh_keytab *table); /* frees; usable again */
/* Room for extra more, so that the next extra adds cannot fail. -ENOMEM: table unchanged. */
int fh_keytab_reserve(struct fh_keytab *table, size_t extra);
/* value != 0. -ENOMEM: table unchanged. */
int fh_keytab_add(struct fh_keytab *table, struct fh_record_key key, uint64_t value);
/* First slot with this key, or the next one after a slot found before; FH_KEYTAB_NONE. */
size_t fh_keytab_find(const struct fh_keytab *table, struct fh_record_key key);
size_t fh_keytab_find_next(const struct fh_keytab *table, size_t slot);
/* The slot whose stamp lies nearest to the key's, among those that fit takes (NULL: all do);
 * FH_KEYTAB_NONE. Of several equally near ones any. */
size_t fh_keytab_nearest(const struct fh_keytab *table, struct fh_record_key key,
                         bool (*fits)(const void *userdata, const struct fh_keytab_slot *slot),
                         const void *userdata);
/* Slots found before are invalid afterwards. */
void fh_keytab_remove(struct fh_keytab *table, size_t slot);
/* Remove what keep says false to. Releases memory when few are left. */
void fh_keytab_filter(struct fh_keytab *table,
                      bool (*keep)(void *userdata, const struct fh_keytab_slot *slot),
                      void *userdata);

#endif
