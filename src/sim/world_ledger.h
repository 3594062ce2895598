/* world_ledger.h: every event ever issued, 16 bytes each, growing by chunks. One thread appends;
 * any thread may read rows below the published count without a lock. */
#ifndef SIM_WORLD_LEDGER_H
#define SIM_WORLD_LEDGER_H

#include "world.h"

struct sim_ledger {
    struct sim_ledger_row **chunks;
    uint64_t appended;
    _Atomic uint64_t count; /* published */
};

int sim_ledger_init(struct sim_ledger *ledger);
void sim_ledger_done(struct sim_ledger *ledger);
/* Make room for one more row. */
int sim_ledger_reserve(struct sim_ledger *ledger);
void sim_ledger_append(struct sim_ledger *ledger, const struct sim_ledger_row *row);
void sim_ledger_publish(struct sim_ledger *ledger);
bool sim_ledger_read(const struct sim_ledger *ledger, uint64_t index, struct sim_ledger_row *ret);

#endif
