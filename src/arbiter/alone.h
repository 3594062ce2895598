/* alone.h: what an arbiter notes besides the lease: who has published what the other node does not
 * know? Asked for by nodes with pair.prefer = "safety" only. Pure.
 *
 * The holder of a lease counts its stints: an odd one is alone (it may publish what the other node
 * has not confirmed), an even one is not. It begins with 2, which says nothing yet, and publishes
 * alone only once the arbiter has noted an odd one. The count grows only while an epoch lasts, so
 * that a request that comes late changes nothing back. That a node was alone is forgotten when it
 * leads and is covered (4, 6, ...), or when the other one, which leads by then, has all its
 * reports.
 *
 * In the frames of the witness a claim and a note are 16 bits each:
 *   request  14 bits stint | 0x4000 knows all of the other node | 0x8000 careful
 *   answer   14 bits stint | 0x4000 the other node was alone    | 0x8000 denied because of that
 * A stint of 0 says that nothing is known: a node or an arbiter that is older than this, or a node
 * that does not mind. */
#ifndef FH_ARBITER_ALONE_H
#define FH_ARBITER_ALONE_H

#include <stdbool.h>
#include <stdint.h>

#define FH_ALONE_STINT_FIRST 2
#define FH_ALONE_STINT_MAX   0x3fffu /* odd: who comes that far stays alone in this epoch */

/* Said with a request. */
struct fh_alone_claim {
    uint16_t stint;
    bool knows;   /* leads in the epoch asked for, and has all reports of the other node */
    bool careful; /* acquire: only if the other node was not alone */
};

/* Kept with the lease, about its latest holder and the other node. */
struct fh_alone_note {
    uint16_t stint;
    bool before; /* the holder was alone when it led in an earlier epoch */
    bool other;  /* the other node was alone when it led last */
};

static inline bool fh_alone_is(uint16_t stint)
{
    return stint % 2 == 1;
}

/* Was the latest holder alone? */
bool fh_alone_holder(const struct fh_alone_note *note);
/* Must a careful node not have the lease? same_node: it is the latest holder. */
bool fh_alone_bars(const struct fh_alone_note *note, bool same_node,
                   const struct fh_alone_claim *claim);
/* The note after a grant. same_epoch: the same node under the same epoch. */
struct fh_alone_note fh_alone_granted(const struct fh_alone_note *note, bool same_node,
                                      bool same_epoch, const struct fh_alone_claim *claim);

uint16_t fh_alone_pack(uint16_t stint, bool low, bool high);
void fh_alone_unpack(uint16_t bits, uint16_t *ret_stint, bool *ret_low, bool *ret_high);

#endif
