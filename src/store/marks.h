/* marks.h: delivered or not, per sink, in memory. Pure but for the allocator; the store guards it.
 *
 * Three things are kept:
 *   cursors   per sink: every record below is delivered.
 *   pending   records that are not delivered to some sink, in sequence, with a table from key to
 *             record so that the peer's reports find them.
 *   early     keys the peer reported which are not received here yet, per sink.
 * Only records below `explicit_until` are represented in pending. Everything at or above it (the
 * gap) is undelivered to every sink whose cursor does not say otherwise: a leading node that
 * expects nothing of its peer leaves its records there and pays nothing for them. Before anything
 * in the gap can be matched with a key, the owner fills it (fh_marks_add in sequence).
 *
 * A peer row is one report of the peer, as far as it must be kept to rebuild all this after a
 * crash: while keys of it are early, or a record it matched is not below the cursor. */
#ifndef FH_STORE_MARKS_H
#define FH_STORE_MARKS_H

#include "fh/alloc.h"
#include "fh/event.h"

#include <stdbool.h>

#define FH_MARKS_SINKS 16

struct fh_marks;

/* sinks 0..16; all cursors start at 1. -ENOMEM. */
int fh_marks_new(size_t sinks, const struct fh_allocator *allocator, struct fh_marks **ret);
void fh_marks_free(struct fh_marks *marks);
/* While loading only, before any key is in it: the peer's keys may carry stamps up to so much away
 * from those of the records they mean. Each matches the nearest one that is left, so that records
 * of one fingerprint stay as many as they are. */
void fh_marks_set_apart(struct fh_marks *marks, int64_t apart_ms);

uint64_t fh_marks_cursor(const struct fh_marks *marks, size_t sink);
/* While loading only: before any record is added. */
void fh_marks_load_cursor(struct fh_marks *marks, size_t sink, uint64_t cursor);
/* Lowest cursor of all sinks; UINT64_MAX without sinks. */
uint64_t fh_marks_lowest_cursor(const struct fh_marks *marks);
uint64_t fh_marks_explicit_until(const struct fh_marks *marks);
/* Undelivered records below next: explicit ones and those in the gap. */
uint64_t fh_marks_pending(const struct fh_marks *marks, size_t sink, uint64_t next);

/* The record comes under explicit representation: delivered where it is below the cursor or early,
 * pending otherwise. Sequences ascend and are >= explicit_until; what is left out must be below
 * every cursor. -ENOMEM: nothing happened. */
int fh_marks_add(struct fh_marks *marks, struct fh_record_key key, uint64_t sequence);
/* Everything below sequence that is not under explicit representation is delivered to all. */
void fh_marks_skip_to(struct fh_marks *marks, uint64_t sequence);
/* Everything below sequence is delivered to the sink. */
void fh_marks_deliver_below(struct fh_marks *marks, size_t sink, uint64_t sequence);

/* One report of the peer for a sink. age_ms as in block.h. Makes room, so that the keys that follow
 * cannot fail. ret_row: its id, ascending, > 0. id 0 = choose the next one. -ENOMEM. */
int fh_marks_row(struct fh_marks *marks, size_t sink, uint64_t id, int64_t age_ms, size_t keys,
                 uint64_t *ret_row);
/* A key is delivered: 1 matched a pending record (ret_sequence), 0 none is pending. */
int fh_marks_deliver(struct fh_marks *marks, size_t sink, struct fh_record_key key, uint64_t row,
                     uint64_t *ret_sequence);
/* The key is not received here yet. */
void fh_marks_early(struct fh_marks *marks, size_t sink, struct fh_record_key key, uint64_t row);
/* Is one of these keys early; does a pending record of the sink carry it? */
bool fh_marks_is_early(const struct fh_marks *marks, size_t sink, struct fh_record_key key);
bool fh_marks_is_pending(const struct fh_marks *marks, size_t sink, struct fh_record_key key);
/* Early keys from a slot of their table on, at most n. *inout_slot goes on, FH_KEYTAB_NONE at the
 * end; only meaningful while nothing else changes the table. */
size_t fh_marks_early_keys(const struct fh_marks *marks, size_t sink, size_t *inout_slot,
                           struct fh_record_key *ret, size_t n);
size_t fh_marks_early_count(const struct fh_marks *marks);
uint64_t fh_marks_next_row(const struct fh_marks *marks);
/* Ids below next are taken. */
void fh_marks_skip_rows(struct fh_marks *marks, uint64_t next);
bool fh_marks_row_needed(const struct fh_marks *marks, uint64_t row);
/* Forget rows that are not needed: at most limit of them; forget is called for each. */
size_t fh_marks_drop_rows(struct fh_marks *marks, size_t limit,
                          void (*forget)(void *userdata, uint64_t row), void *userdata);

/* Drop early keys older than before_ms or, being wild, newer than after_ms. */
void fh_marks_expire_early(struct fh_marks *marks, int64_t before_ms, int64_t after_ms);
/* Pending records of the sink older than before_ms count as delivered from now on. How many. */
size_t fh_marks_give_up(struct fh_marks *marks, size_t sink, int64_t before_ms);

/* The lowest pending record of the sink; false: there is none under explicit representation. */
bool fh_marks_lowest_pending(const struct fh_marks *marks, size_t sink,
                             struct fh_record_key *ret_key, uint64_t *ret_sequence);

/* Records from sequence first on that are pending for each of these sinks (a bit per sink) and
 * older than before_ms: at most n, ascending. Looks at a limited number of records; *ret_next is
 * behind the last one looked at, UINT64_MAX when there is none behind it. */
size_t fh_marks_unreported(const struct fh_marks *marks, uint16_t sinks, uint64_t first,
                           int64_t before_ms, uint64_t *ret_sequence, size_t n, uint64_t *ret_next);

/* Which of the count records from first on are undelivered: their offsets into ret (room for
 * count). Returns how many; when it is count, ret may be left unfilled. ret NULL: only count. */
uint32_t fh_marks_undelivered(const struct fh_marks *marks, size_t sink, uint64_t first,
                              uint32_t count, uint32_t *ret);

#endif
