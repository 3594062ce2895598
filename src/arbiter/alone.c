/* alone.c: owns the rules by which an arbiter notes who was alone: firehose-witness does so by
 * itself, with etcd the nodes do. Keeps no state. */
#include "alone.h"

#define LOW  0x4000u
#define HIGH 0x8000u

bool fh_alone_holder(const struct fh_alone_note *note)
{
    return fh_alone_is(note->stint) || note->before;
}

bool fh_alone_bars(const struct fh_alone_note *note, bool same_node,
                   const struct fh_alone_claim *claim)
{
    return claim->careful && (same_node ? note->other : fh_alone_holder(note));
}

struct fh_alone_note fh_alone_granted(const struct fh_alone_note *note, bool same_node,
                                      bool same_epoch, const struct fh_alone_claim *claim)
{
    struct fh_alone_note next = {.stint = claim->stint};
    if (claim->stint == 0) {
        return next; /* it takes over whatever was, and tells nobody whether it is alone */
    }
    if (same_epoch && note->stint > next.stint) {
        next.stint = note->stint; /* the request was overtaken */
    }
    /* Not with the first grant: while the request was on its way the other one may have led. */
    bool knows = same_epoch && claim->knows;
    bool covered = next.stint > FH_ALONE_STINT_FIRST && !fh_alone_is(next.stint);
    next.other = !knows && (same_node ? note->other : fh_alone_holder(note));
    next.before = same_epoch  ? note->before && !covered
                  : same_node ? fh_alone_holder(note)
                              : note->other;
    return next;
}

uint16_t fh_alone_pack(uint16_t stint, bool low, bool high)
{
    return (uint16_t)((stint & FH_ALONE_STINT_MAX) | (low ? LOW : 0) | (high ? HIGH : 0));
}

void fh_alone_unpack(uint16_t bits, uint16_t *ret_stint, bool *ret_low, bool *ret_high)
{
    *ret_stint = bits & FH_ALONE_STINT_MAX;
    *ret_low = (bits & LOW) != 0;
    *ret_high = (bits & HIGH) != 0;
}
