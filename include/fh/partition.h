/* partition.h: the 12 partitions of the stream, receiver ranges over them, and the checkpoint.
 *
 * Pure. Checkpoints are kept per partition although a receiver only knows its range: a range's
 * progress is written to each of its partitions, and a range resumes from the oldest of its
 * partitions. A re-split therefore starts from the oldest overlapping checkpoint by construction.
 * Source: firehose-api.md 11.2 (12 partitions, inclusive ranges, at most 12 receivers). */
#ifndef FH_PARTITION_H
#define FH_PARTITION_H

#include "fh/err.h"

#include <stdbool.h>
#include <stdint.h>

#define FH_PARTITIONS 12

struct fh_range { /* inclusive, 1..12 */
    uint8_t first;
    uint8_t last;
};

struct fh_ranges {
    size_t count;
    struct fh_range range[FH_PARTITIONS];
};

/* recordTimestamp (epoch ms) up to which everything was seen; 0 = nothing known. Index 0 is
 * partition 1. */
struct fh_checkpoint {
    int64_t partition_ms[FH_PARTITIONS];
};

/* N receivers (1..12) over 12 partitions, as evenly as possible, the longer ranges first; 4 gives
 * 1-3 4-6 7-9 10-12 as in the vendor's guide. -EINVAL for another N. */
int fh_ranges_split(unsigned receivers, struct fh_ranges *ret);

/* Explicit ranges: sorts them; -EINVAL with a sentence for a bound outside 1..12, first > last, or
 * an overlap. ret_holes gets a bit per partition (bit 0 = partition 1) that no range covers: a
 * warning, another pair may own it. */
int fh_ranges_check(struct fh_ranges *ranges, uint16_t *ret_holes, struct fh_error *err);

/* Oldest known stamp among the range's partitions; 0 when none is known. */
int64_t fh_checkpoint_of_range(const struct fh_checkpoint *checkpoint, struct fh_range range);
/* Raise every partition of the range to timestamp_ms; never lowers one. */
void fh_checkpoint_raise(struct fh_checkpoint *checkpoint, struct fh_range range,
                         int64_t timestamp_ms);
/* Per partition: the larger (later) of both. */
void fh_checkpoint_merge_max(struct fh_checkpoint *into, const struct fh_checkpoint *other);
/* Per partition: the smaller of both where both are known, else the known one. */
void fh_checkpoint_merge_min(struct fh_checkpoint *into, const struct fh_checkpoint *other);

/* "1-3" or "7" into buf (at least 8 bytes). Returns buf. */
const char *fh_range_text(struct fh_range range, char *buf, size_t size);

#endif
