/* tally.c: owns the counts. One pass over the events, no I/O. */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SLOTS   (FH_TALLY_NAMES * 2) /* a power of two, half full at most */
#define HOUR_MS 3600000

struct fh_tally {
    enum fh_tally_by by;
    struct fh_tally_sum sum;
    struct fh_tally_row *row;
    size_t capacity;
    uint32_t slot[SLOTS]; /* index + 1 */
};

struct fh_tally *fh_tally_new(enum fh_tally_by by)
{
    struct fh_tally *tally = calloc(1, sizeof(*tally));
    if (tally) {
        tally->by = by;
    }
    return tally;
}

void fh_tally_free(struct fh_tally *tally)
{
    if (tally) {
        free(tally->row);
        free(tally);
    }
}

static struct fh_slice name_of(enum fh_tally_by by, const struct fh_record_facts *facts,
                               int64_t *hour)
{
    struct fh_slice name = {"", 0};
    int64_t rest = facts->timestamp_ms % HOUR_MS;
    switch (by) {
    case FH_TALLY_TYPE:
        return facts->type;
    case FH_TALLY_TENANT:
        return facts->tenant;
    case FH_TALLY_LOCATION:
        return facts->location_count > 0 ? facts->location[0] : name;
    case FH_TALLY_HOUR:
        *hour = facts->timestamp_ms - rest - (rest < 0 ? HOUR_MS : 0);
        break;
    }
    return name;
}

static struct fh_tally_row *new_row(struct fh_tally *tally)
{
    if (tally->sum.names == tally->capacity) {
        size_t capacity = tally->capacity > 0 ? 2 * tally->capacity : 64;
        struct fh_tally_row *row = realloc(tally->row, capacity * sizeof(*row));
        if (!row) {
            return NULL;
        }
        tally->row = row;
        tally->capacity = capacity;
    }
    struct fh_tally_row *row = &tally->row[tally->sum.names++];
    memset(row, 0, sizeof(*row));
    return row;
}

/* The row of that name; *ret NULL when there is no room for a new one. */
static int find(struct fh_tally *tally, struct fh_slice name, int64_t hour,
                struct fh_tally_row **ret)
{
    char text[FH_TALLY_NAME] = "";
    size_t len = strnlen(name.data, name.len < sizeof(text) ? name.len : sizeof(text) - 1);
    memcpy(text, name.data, len);
    size_t at = XXH3_64bits_withSeed(text, len, (uint64_t)hour) & (SLOTS - 1);
    for (; tally->slot[at] != 0; at = (at + 1) & (SLOTS - 1)) {
        struct fh_tally_row *row = &tally->row[tally->slot[at] - 1];
        if (row->hour_ms == hour && strcmp(row->name, text) == 0) {
            *ret = row;
            return 0;
        }
    }
    *ret = NULL;
    if (tally->sum.names == FH_TALLY_NAMES) {
        return 0;
    }
    struct fh_tally_row *row = new_row(tally);
    if (!row) {
        return -ENOMEM;
    }
    memcpy(row->name, text, sizeof(text));
    row->hour_ms = hour;
    tally->slot[at] = (uint32_t)tally->sum.names;
    *ret = row;
    return 0;
}

int fh_tally_add(struct fh_tally *tally, const struct fh_record_facts *facts)
{
    struct fh_tally_row *row = NULL;
    int64_t hour = 0;
    struct fh_slice name = name_of(tally->by, facts, &hour);
    int r = find(tally, name, hour, &row);
    if (r < 0) {
        return r;
    }
    struct fh_tally_sum *sum = &tally->sum;
    if (sum->events == 0 || facts->timestamp_ms < sum->oldest_ms) {
        sum->oldest_ms = facts->timestamp_ms;
    }
    if (sum->events == 0 || facts->timestamp_ms > sum->newest_ms) {
        sum->newest_ms = facts->timestamp_ms;
    }
    sum->events++;
    sum->uncounted += row ? 0 : 1;
    if (row) {
        row->events++;
    }
    return 0;
}

void fh_tally_sum(const struct fh_tally *tally, struct fh_tally_sum *ret)
{
    *ret = tally->sum;
}

static int by_events(const void *left, const void *right)
{
    const struct fh_tally_row *a = left;
    const struct fh_tally_row *b = right;
    if (a->events != b->events) {
        return a->events < b->events ? 1 : -1;
    }
    return strcmp(a->name, b->name);
}

static int by_hour(const void *left, const void *right)
{
    const struct fh_tally_row *a = left;
    const struct fh_tally_row *b = right;
    return a->hour_ms < b->hour_ms ? -1 : a->hour_ms > b->hour_ms;
}

const struct fh_tally_row *fh_tally_rows(struct fh_tally *tally, size_t *ret_count)
{
    size_t count = tally->sum.names;
    if (count > 0) {
        qsort(tally->row, count, sizeof(*tally->row),
              tally->by == FH_TALLY_HOUR ? by_hour : by_events);
    }
    *ret_count = count;
    return tally->row;
}
