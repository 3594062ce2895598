/* zeromq_confirm.c: owns the bookkeeping of confirmations: a list in the order of the batch, and an
 * open-addressing table over it, so that an answer costs the same whichever consumer gives it. */
#include "zeromq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN ((size_t)1024)

static bool same(struct fh_record_key a, struct fh_record_key b)
{
    return a.fingerprint == b.fingerprint && a.timestamp_ms == b.timestamp_ms;
}

static void put(struct fh_zeromq_confirm *confirm, size_t index)
{
    size_t at = (size_t)confirm->entry[index].key.fingerprint & confirm->slot_mask;
    while (confirm->slot[at] != 0) {
        at = (at + 1) & confirm->slot_mask;
    }
    confirm->slot[at] = (uint32_t)index + 1;
}

/* At most half full. */
static int grow(struct fh_zeromq_confirm *confirm)
{
    size_t slots = confirm->slot ? 2 * (confirm->slot_mask + 1) : SLOTS_MIN;
    void *entry = realloc(confirm->entry, slots / 2 * sizeof(*confirm->entry));
    if (!entry) {
        return -ENOMEM;
    }
    confirm->entry = entry;
    uint32_t *slot = calloc(slots, sizeof(*slot));
    if (!slot) {
        return -ENOMEM;
    }
    free(confirm->slot);
    confirm->slot = slot;
    confirm->slot_mask = slots - 1;
    for (size_t i = 0; i < confirm->count; i++) {
        put(confirm, i);
    }
    return 0;
}

int fh_zeromq_confirm_add(struct fh_zeromq_confirm *confirm, struct fh_record_key key)
{
    if (!confirm->slot || confirm->count == (confirm->slot_mask + 1) / 2) {
        int r = grow(confirm);
        if (r < 0) {
            return r;
        }
    }
    confirm->entry[confirm->count].key = key;
    confirm->entry[confirm->count].confirmed = false;
    put(confirm, confirm->count++);
    return 0;
}

void fh_zeromq_confirm_take(struct fh_zeromq_confirm *confirm, const char *text, size_t len)
{
    struct fh_record_key key;
    if (confirm->count == 0 || fh_key_parse(text, len, &key) < 0) {
        return;
    }
    size_t at = (size_t)key.fingerprint & confirm->slot_mask;
    for (; confirm->slot[at] != 0; at = (at + 1) & confirm->slot_mask) {
        size_t index = confirm->slot[at] - 1;
        if (same(confirm->entry[index].key, key) && !confirm->entry[index].confirmed) {
            confirm->entry[index].confirmed = true;
            confirm->confirmed++;
            return;
        }
    }
}

void fh_zeromq_confirm_clear(struct fh_zeromq_confirm *confirm)
{
    if (confirm->count > 0) {
        memset(confirm->slot, 0, (confirm->slot_mask + 1) * sizeof(*confirm->slot));
    }
    confirm->count = 0;
    confirm->confirmed = 0;
}

void fh_zeromq_confirm_done(struct fh_zeromq_confirm *confirm)
{
    free(confirm->entry);
    free(confirm->slot);
    *confirm = (struct fh_zeromq_confirm){.entry = NULL};
}
