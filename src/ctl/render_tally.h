/* render_tally.h: counts as a table, JSON or CSV. */
#ifndef FH_CTL_RENDER_TALLY_H
#define FH_CTL_RENDER_TALLY_H

#include "tally.h"

#include "fh/buf.h"

#define FH_TALLY_TEXT_MAX ((size_t)64 << 20)

/* The first top rows (0: all of them); what is behind them is counted as "other". columns: of the
 * terminal, 0: none. -ENOMEM, -ENOBUFS. */
int fh_tally_table(struct fh_tally *tally, enum fh_tally_by by, size_t top, size_t columns,
                   struct fh_buf *into);
int fh_tally_json(struct fh_tally *tally, enum fh_tally_by by, size_t top, struct fh_buf *into);
int fh_tally_csv(struct fh_tally *tally, enum fh_tally_by by, size_t top, struct fh_buf *into);

#endif
