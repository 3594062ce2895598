/* ledger_twins.h: events whose payloads are equal. Where replicas carry different uids and stamps,
 * nothing tells which copy belongs to which of two such events of the same seconds: delivered may
 * be one of them twice, under the keys of both replicas, and the other one not at all. The number
 * is right then, and so is every payload. Or one of them is there once too often. */
#ifndef LEDGER_TWINS_H
#define LEDGER_TWINS_H

#include "ledger_table.h"

#define LEDGER_TWINS_APART_MS 60000

struct ledger_twin {
    struct ledger_key key;
    uint64_t payload;
};

struct ledger_twins {
    struct ledger_twin *event;
    size_t count, capacity;
};

/* payload 0: not known, and like no other. -ENOMEM. */
int ledger_twins_add(struct ledger_twins *twins, struct ledger_key key, uint64_t payload);
struct ledger_twins_count {
    uint64_t interchanged; /* pairs of an event that is lost and one too many of another */
    uint64_t repeated;     /* one too many and nothing lost for it */
};
/* Sorts. */
struct ledger_twins_count ledger_twins_judge(struct ledger_twins *twins,
                                             const struct ledger_table *table);
void ledger_twins_done(struct ledger_twins *twins);

#endif
