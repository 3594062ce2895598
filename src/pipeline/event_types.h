/* event_types.h: how many records of each event type came, by the name they carry, so that a type
 * nobody has heard of yet is seen by its name. One table per receiver; a fixed number of names, the
 * rest is summed. No locks: names are only ever added. */
#ifndef FH_PIPELINE_EVENT_TYPES_H
#define FH_PIPELINE_EVENT_TYPES_H

#include "fh/pipeline.h"

#include <stdatomic.h>

/* Embedded; zeroed is empty. */
struct fh_event_types {
    atomic_uint used;
    uint8_t len[FH_PIPELINE_TYPES];
    char name[FH_PIPELINE_TYPES][FH_TYPE_MAX];
    atomic_uint_fast64_t count[FH_PIPELINE_TYPES + 1]; /* the last: of all without a place */
};

/* The place of a type, which it is given when it has none. The receiver's thread only. */
uint16_t fh_event_types_place(struct fh_event_types *types, struct fh_slice type);
/* Any thread. */
void fh_event_types_count(struct fh_event_types *types, uint16_t place);
/* Add what was counted to the status. Any thread. */
void fh_event_types_sum(const struct fh_event_types *types, struct fh_pipeline_types *into);

#endif
