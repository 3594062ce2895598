/* tally.h: how many events of each type, location, tenant or hour. Bounded: names beyond the first
 * FH_TALLY_NAMES different ones are counted together. */
#ifndef FH_CTL_TALLY_H
#define FH_CTL_TALLY_H

#include "fh/facts.h"

#include <stdint.h>

#define FH_TALLY_NAMES 65536u
#define FH_TALLY_NAME  128 /* bytes; a longer one is cut */

enum fh_tally_by { FH_TALLY_TYPE, FH_TALLY_LOCATION, FH_TALLY_HOUR, FH_TALLY_TENANT };

struct fh_tally_row {
    uint64_t events;
    int64_t hour_ms; /* by hour: when it begins */
    char name[FH_TALLY_NAME];
};

struct fh_tally;

struct fh_tally *fh_tally_new(enum fh_tally_by by); /* NULL: no memory */
void fh_tally_free(struct fh_tally *tally);         /* NULL allowed */
/* The location is the most specific one; a name that is absent is "". -ENOMEM. */
int fh_tally_add(struct fh_tally *tally, const struct fh_record_facts *facts);

struct fh_tally_sum {
    uint64_t events;              /* all of them */
    int64_t oldest_ms, newest_ms; /* of their stamps; 0 when there are none */
    uint64_t uncounted;           /* events whose name had no room any more */
    size_t names;                 /* different ones that are counted */
};
void fh_tally_sum(const struct fh_tally *tally, struct fh_tally_sum *ret);
/* Most events first (by hour: in order of time); belongs to the tally,
 * which takes no more events afterwards. */
const struct fh_tally_row *fh_tally_rows(struct fh_tally *tally, size_t *ret_count);

#endif
