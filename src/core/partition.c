/* partition.c: owns the arithmetic of ranges and checkpoints. Never stores or sends them. */
#include "fh/partition.h"

#include <errno.h>
#include <stdio.h>

int fh_ranges_split(unsigned receivers, struct fh_ranges *ret)
{
    if (receivers < 1 || receivers > FH_PARTITIONS) {
        return -EINVAL;
    }
    struct fh_ranges ranges = {.count = receivers};
    unsigned base = FH_PARTITIONS / receivers;
    unsigned longer = FH_PARTITIONS % receivers;
    unsigned next = 1;
    for (unsigned i = 0; i < receivers; i++) {
        unsigned length = base + (i < longer ? 1 : 0);
        ranges.range[i].first = (uint8_t)next;
        ranges.range[i].last = (uint8_t)(next + length - 1);
        next += length;
    }
    *ret = ranges;
    return 0;
}

static void sort_ranges(struct fh_ranges *ranges)
{
    for (size_t i = 1; i < ranges->count; i++) {
        struct fh_range range = ranges->range[i];
        size_t k = i;
        for (; k > 0 && ranges->range[k - 1].first > range.first; k--) {
            ranges->range[k] = ranges->range[k - 1];
        }
        ranges->range[k] = range;
    }
}

int fh_ranges_check(struct fh_ranges *ranges, uint16_t *ret_holes, struct fh_error *err)
{
    if (ranges->count < 1 || ranges->count > FH_PARTITIONS) {
        return fh_error_set(err, -EINVAL, "%zu ranges are given; 1 to %d are possible",
                            ranges->count, FH_PARTITIONS);
    }
    for (size_t i = 0; i < ranges->count; i++) {
        struct fh_range range = ranges->range[i];
        if (range.first < 1 || range.first > FH_PARTITIONS || range.last < 1 ||
            range.last > FH_PARTITIONS) {
            return fh_error_set(err, -EINVAL, "range %u-%u is outside the partitions 1 to %d",
                                range.first, range.last, FH_PARTITIONS);
        }
        if (range.first > range.last) {
            return fh_error_set(err, -EINVAL, "range %u-%u runs backwards; write [%u, %u]",
                                range.first, range.last, range.last, range.first);
        }
    }
    sort_ranges(ranges);
    unsigned covered = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        struct fh_range range = ranges->range[i];
        if (i > 0 && range.first <= ranges->range[i - 1].last) {
            char before[8];
            char this[8];
            return fh_error_set(err, -EINVAL,
                                "ranges %s and %s overlap; two connections on one partition would "
                                "take each other's events",
                                fh_range_text(ranges->range[i - 1], before, sizeof(before)),
                                fh_range_text(range, this, sizeof(this)));
        }
        for (unsigned p = range.first; p <= range.last; p++) {
            covered |= 1U << (p - 1);
        }
    }
    *ret_holes = (uint16_t)(~covered & ((1U << FH_PARTITIONS) - 1));
    return 0;
}

int64_t fh_checkpoint_of_range(const struct fh_checkpoint *checkpoint, struct fh_range range)
{
    int64_t oldest = 0;
    for (unsigned p = range.first; p >= 1 && p <= range.last && p <= FH_PARTITIONS; p++) {
        int64_t stamp = checkpoint->partition_ms[p - 1];
        if (stamp > 0 && (oldest == 0 || stamp < oldest)) {
            oldest = stamp;
        }
    }
    return oldest;
}

void fh_checkpoint_raise(struct fh_checkpoint *checkpoint, struct fh_range range,
                         int64_t timestamp_ms)
{
    for (unsigned p = range.first; p >= 1 && p <= range.last && p <= FH_PARTITIONS; p++) {
        if (timestamp_ms > checkpoint->partition_ms[p - 1]) {
            checkpoint->partition_ms[p - 1] = timestamp_ms;
        }
    }
}

void fh_checkpoint_merge_max(struct fh_checkpoint *into, const struct fh_checkpoint *other)
{
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        if (other->partition_ms[i] > into->partition_ms[i]) {
            into->partition_ms[i] = other->partition_ms[i];
        }
    }
}

void fh_checkpoint_merge_min(struct fh_checkpoint *into, const struct fh_checkpoint *other)
{
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        int64_t a = into->partition_ms[i];
        int64_t b = other->partition_ms[i];
        if (b > 0 && (a <= 0 || b < a)) {
            into->partition_ms[i] = b;
        }
    }
}

const char *fh_range_text(struct fh_range range, char *buf, size_t size)
{
    if (range.first == range.last) {
        snprintf(buf, size, "%u", range.first);
    } else {
        snprintf(buf, size, "%u-%u", range.first, range.last);
    }
    return buf;
}
