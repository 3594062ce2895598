/* shape.h: what a sink gets of the records of the store: which of them, which fields, and the
 * envelope. Owned by the sink's delivery thread; no I/O, no locks.
 *
 * The key of a record is that of the record in the store, whatever is left of it: de-duplication,
 * reports and the peer know nothing of shapes. */
#ifndef FH_PIPELINE_SHAPE_H
#define FH_PIPELINE_SHAPE_H

#include "fh/sink.h"
#include "fh/store.h"

/* A write holds at most so many records, and no more bytes unless one record alone has more. */
#define FH_SHAPE_RECORDS 512
#define FH_SHAPE_BYTES   ((size_t)1 << 20)

struct fh_shape;

/* config, node: must live as long. *ret is NULL when the sink gets every record as it is. -EINVAL
 * (a path, as the configuration's check says it), -ENOMEM. */
int fh_shape_new(const struct fh_config_sink *config, const char *node, int64_t replica,
                 bool wants_facts, struct fh_error *err, struct fh_shape **ret);
/* Records go out with the envelope, which also names the replay. config has envelope; id as in
 * sink.h, must live as long. */
void fh_shape_mark(struct fh_shape *shape, const char *replay);
void fh_shape_free(struct fh_shape *shape); /* NULL allowed */

/* Fill a write from the first records of a batch. Returns how many records of the batch it accounts
 * for, at least 1: those not in the write are not wanted (write.count may be 0). What the batch
 * holds behind them is left for a next call, when fh_store_next has served it again. ret is valid
 * until the next call and no longer than the batch. -ENOMEM, or -EBADMSG for a record that is no
 * JSON. shape NULL: all records as they are. */
int64_t fh_shape_apply(struct fh_shape *shape, const struct fh_store_batch *batch, uint64_t epoch,
                       struct fh_sink_write *ret, struct fh_error *err);

#endif
