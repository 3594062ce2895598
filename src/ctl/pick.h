/* pick.h: which events are wanted, and what a person sees of one. Pure. */
#ifndef FH_CTL_PICK_H
#define FH_CTL_PICK_H

#include "fh/buf.h"
#include "fh/facts.h"
#include "fh/past.h"

#define FH_PICK_TYPES_MAX 32

/* Types and ids are compared byte by byte; any name may be given, known or not. */
struct fh_pick {
    struct fh_past_interval interval;
    struct fh_slice type[FH_PICK_TYPES_MAX]; /* none: all */
    size_t type_count;
    struct fh_slice device, location; /* empty: any. location: of any level */
};

/* "A,B,C": slices of the list. -EINVAL: too many or an empty one; with a sentence. */
int fh_pick_types(struct fh_pick *pick, const char *list, struct fh_error *err);
/* Does it look at more than the time? */
static inline bool fh_pick_needs_facts(const struct fh_pick *pick)
{
    return pick->type_count > 0 || pick->device.len > 0 || pick->location.len > 0;
}
bool fh_pick_wants(const struct fh_pick *pick, const struct fh_record_facts *facts);
/* Look at a record; facts belongs to the look. Whom it is about and where is found out only when
 * the choice asks for it, or whole does: the rest costs a small part of that. false: not wanted. */
struct fh_look {
    struct fh_record_facts facts;
    struct fh_envelope envelope;
};
bool fh_pick_look(const struct fh_pick *pick, struct fh_slice record, bool whole,
                  struct fh_look *ret);

/* Widths of the columns time, type, tenant, device, location for a terminal of that many columns;
 * 0: no terminal, nothing is cut. */
#define FH_ROW_COLUMNS 5
struct fh_row_plan {
    size_t width[FH_ROW_COLUMNS];
    bool cut;
    bool year; /* there is room for it */
};
void fh_row_plan(size_t columns, struct fh_row_plan *ret);
int fh_row_heading(const struct fh_row_plan *plan, struct fh_buf *into);
/* One line. What could disturb a terminal is shown as '?', and an id that is an e-mail address (a
 * user's) as "(hidden)": a table is looked at over shoulders. */
int fh_row_print(const struct fh_row_plan *plan, const struct fh_record_facts *facts,
                 struct fh_buf *into);
/* The same care for one value, padded to width unless last. Ids are cut in front: they begin alike.
 */
enum fh_row_cut { FH_CUT_NOTHING, FH_CUT_FRONT, FH_CUT_END };
int fh_row_cell(struct fh_slice value, size_t width, enum fh_row_cut cut, bool last,
                struct fh_buf *into);

#endif
