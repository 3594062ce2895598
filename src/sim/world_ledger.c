/* world_ledger.c: chunks of rows behind a table that never moves, so that readers need no lock. */
#include "world_ledger.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CHUNK_ROWS  65536U
#define CHUNKS_MOST (1U << 20) /* 68 thousand million events; the table's pages come on demand */

_Static_assert(sizeof(struct sim_ledger_row) == 16, "the ledger's price is documented");

int sim_ledger_init(struct sim_ledger *ledger)
{
    ledger->chunks = calloc(CHUNKS_MOST, sizeof(struct sim_ledger_row *));
    return ledger->chunks ? 0 : -ENOMEM;
}

void sim_ledger_done(struct sim_ledger *ledger)
{
    for (uint64_t i = 0; ledger->chunks && i < CHUNKS_MOST && ledger->chunks[i]; i++) {
        free(ledger->chunks[i]);
    }
    free(ledger->chunks);
    ledger->chunks = NULL;
}

int sim_ledger_reserve(struct sim_ledger *ledger)
{
    uint64_t chunk = ledger->appended / CHUNK_ROWS;
    if (chunk >= CHUNKS_MOST) {
        return -ENOSPC;
    }
    if (!ledger->chunks[chunk]) {
        ledger->chunks[chunk] = malloc(CHUNK_ROWS * sizeof(struct sim_ledger_row));
    }
    return ledger->chunks[chunk] ? 0 : -ENOMEM;
}

void sim_ledger_append(struct sim_ledger *ledger, const struct sim_ledger_row *row)
{
    ledger->chunks[ledger->appended / CHUNK_ROWS][ledger->appended % CHUNK_ROWS] = *row;
    ledger->appended++;
}

void sim_ledger_publish(struct sim_ledger *ledger)
{
    atomic_store_explicit(&ledger->count, ledger->appended, memory_order_release);
}

bool sim_ledger_read(const struct sim_ledger *ledger, uint64_t index, struct sim_ledger_row *ret)
{
    if (index >= atomic_load_explicit(&ledger->count, memory_order_acquire)) {
        return false;
    }
    *ret = ledger->chunks[index / CHUNK_ROWS][index % CHUNK_ROWS];
    return true;
}
