/* store.h: the one place where events live, with everything that must change together with them.
 *
 * LMDB. Events lie in LZ4 blocks; every event has a sequence number, counted 1.. by this node.
 * Blocks, key index, sink cursors, checkpoint, epoch, own reports and the peer's reports change in
 * one transaction (fh_store_commit), so there is no crash from which state comes back
 * inconsistent. A block is raw bytes "record\nrecord\n..." compressed, with first sequence, count,
 * raw size and XXH3 of the compressed bytes.
 *
 * Threads: one writer thread calls everything under "writer"; readers may be on any thread.
 * Delivered or not, per sink:
 *   - The sink's cursor: every record with sequence < cursor is delivered (by whichever node).
 *   - Following (standby): the peer's reports are matched with own records by key, in any order of
 *     arrival; the cursor follows the lowest record that is not reported. fh_store_follow keeps
 *     doing that until fh_store_lead.
 *   - Leading (primary): the sink asks for undelivered records in sequence and skips those which
 *     the peer reported, before or after they were received here. */
#ifndef FH_STORE_H
#define FH_STORE_H

#include "fh/err.h"
#include "fh/event.h"
#include "fh/partition.h"
#include "fh/report.h"

#include <stdbool.h>
#include <stdint.h>

struct fh_store;

struct fh_store_options {
    const char *directory;     /* state_dir; the database is <directory>/store/ */
    uint64_t size_limit;       /* bytes of the file, >= 4 MiB. Records may fill three quarters: then
                                  append answers -ENOSPC. Above 60 % delivered blocks are dropped
                                  however young, and what only optional sinks have not got. */
    uint32_t block_bytes;      /* raw bytes at which a block is closed without waiting */
    uint64_t cache_bytes;      /* newest blocks kept raw in memory */
    bool sync_each_commit;     /* false: caller calls fh_store_sync now and then */
    int64_t window_minutes;    /* the key index is kept this long in source time */
    const char *const *sinks;  /* names; a cursor each. A new sink starts at the oldest record kept
                                  (its backlog) unless sink_from_now[i]. A name no longer listed
                                  keeps its cursor but holds nothing back. */
    size_t sink_count;         /* <= 16 */
    const bool *sink_from_now; /* one per sink; NULL: all false */
    /* One per sink; NULL: none is. An optional sink holds back neither the delivered checkpoint nor
     * the space: when room is short its oldest records are let go, and counted (missed). */
    const bool *sink_optional;
};

/* Opens or creates. Errors, each with a sentence and the remedy: -EBUSY another daemon uses the
 * directory (its pid if known); -EUCLEAN damaged (checksum, LMDB says corrupt); -ENOTSUP made by a
 * newer version or not ours; -EACCES; -ENOSPC size_limit below what is stored. */
int fh_store_open(const struct fh_store_options *options, struct fh_error *err,
                  struct fh_store **ret);
void fh_store_close(struct fh_store *store); /* without commit of what is staged; NULL allowed */

/* ---- writer ------------------------------------------------------------------------------- */

struct fh_store_record {
    struct fh_record_key key;
    const char *bytes; /* one line without newline; copied */
    uint32_t len;
};

/* Stage one record for the next commit; ret_sequence may be NULL. -ENOSPC: full (backpressure);
 * the record is not taken. */
int fh_store_append(struct fh_store *store, const struct fh_store_record *record,
                    uint64_t *ret_sequence);
/* Bytes staged and not committed. */
size_t fh_store_staged(const struct fh_store *store);
void fh_store_set_checkpoint(struct fh_store *store, const struct fh_checkpoint *checkpoint);
/* Source time (a confirmed watermark): drives retention of the index and of reports. */
void fh_store_set_source_time(struct fh_store *store, int64_t timestamp_ms);
void fh_store_set_epoch(struct fh_store *store, uint64_t epoch, bool last_primary);
/* A small value for other parts (history, start counters): at most 64 KiB, key <= 64 bytes. */
int fh_store_set_note(struct fh_store *store, const char *key, const void *bytes, size_t len);

/* Everything staged, durable (with sync_each_commit) when it returns; then readers see it. Also
 * drops blocks that every listed sink has passed, index and reports older than the window, in
 * small portions. On failure nothing of it happened and it stays staged: -ENOSPC, -EIO, ... */
int fh_store_commit(struct fh_store *store, struct fh_error *err);
int fh_store_sync(struct fh_store *store, struct fh_error *err);

/* Own reports. Stages a new one with the next number (returned); sink, epoch, state, position,
 * cursor_after and keys as given. DELIVERED moves the sink's cursor at once, PREPARED when it is
 * finished. */
int fh_store_report_add(struct fh_store *store, const struct fh_report *report,
                        uint64_t *ret_number);
/* Before adding it: how many records of this batch the peer has reported since they were read. They
 * are in the batch all the same and so delivered by both; a report of the peer that comes later
 * counts them itself (fh_store_peer_apply). */
uint64_t fh_store_report_doubled(struct fh_store *store, const struct fh_report *report);
/* What the far side of a sink holds (recover): report names sink, epoch and keys (changed in
 * place). Of these only those stay that nobody knew as delivered: records undelivered here, and
 * records that were never received here. They are delivered from now on, whenever they come, and a
 * DELIVERED report with the position FH_REPORT_RECOVERED is staged with them; it is filled into
 * *report. Counts nobody's delivery. received: was this record ever stored here?
 * *ret_number 0: none was left, nothing is staged. */
typedef bool (*fh_store_received)(void *userdata, struct fh_record_key key);
int fh_store_report_found(struct fh_store *store, struct fh_report *report,
                          fh_store_received received, void *userdata, uint64_t *ret_number);
/* PREPARED -> DELIVERED (moves the cursor) or VOID. -ENOENT. */
int fh_store_report_finish(struct fh_store *store, uint64_t number, enum fh_report_state state);

/* For a peer that has lost its store: own reports (position FH_REPORT_VOUCHED) of all records with
 * stamps from since_ms on that are known as delivered without being in an own report. A portion of
 * the work per call; begin with *inout zeroed and nothing staged, commit between the calls. 1: call
 * again; 0: all is staged. To do it twice adds nothing. */
struct fh_store_vouching {
    size_t sink;
    uint64_t sequence;
};
int fh_store_vouch(struct fh_store *store, int64_t since_ms, struct fh_store_vouching *inout);

/* The peer's reports. Idempotent: a number already applied returns 0 and does nothing. store_id
 * is the peer's store; another one than before starts again from number 0. A VOID report only
 * counts its number. One on a sink that is not listed is kept for a start that lists it.
 * ret_doubled: how many of its keys this node had itself delivered already; reports of what others
 * delivered (report.h: FH_REPORT_RECOVERED, _VOUCHED) count none. */
int fh_store_peer_apply(struct fh_store *store, uint64_t peer_store_id,
                        const struct fh_report *report, uint64_t *ret_doubled);

/* How far in source time the peer has reported, for whichever required sink is furthest (whichever
 * sink, when none is required): about everything older that it received is reported. INT64_MIN: it
 * has reported nothing since the start. */
int64_t fh_store_peer_reported(const struct fh_store *store);
/* Following: records older than before_ms that none of these sinks has from either node. When
 * before_ms is well below fh_store_peer_reported, the peer did not receive them. From
 * *inout_sequence on (begin with 0), a portion of the work per call; take gets each and ends the
 * portion in front of a record by returning non-zero. 1: call again; 0: that was the last one,
 * *inout_sequence is 0; -ENOMEM, -EIO (sentence). Staged records are not among them, nor those of a
 * block that is damaged: then err has a sentence all the same. */
typedef int (*fh_store_line_take)(void *userdata, struct fh_slice line);
int fh_store_unreported(struct fh_store *store, int64_t before_ms, uint64_t *inout_sequence,
                        fh_store_line_take take, void *userdata, struct fh_error *err);

/* Role of the bookkeeping; both are cheap and may be repeated. follow: cursors move by the peer's
 * reports. lead: the calling node delivers; from now on fh_store_next serves undelivered records.
 */
int fh_store_follow(struct fh_store *store);
int fh_store_lead(struct fh_store *store);

/* Other keys for the same records: key_of tells the new fingerprint of each record kept (the
 * timestamp stays). Index, own reports and peer reports follow, in one transaction: a crash leaves
 * either all old or all new, and to do it again is harmless. Commits what is staged first. Blocks
 * while it reads everything; no sink is served meanwhile. Keys of own reports whose record is no
 * longer kept stay as they are (untranslated). Settled own reports get new numbers, so that the
 * peer asks for them again. apart_ms: from now on, and after every start, the peer's keys may carry
 * stamps that are so much away from ours; 0: equal ones. -ENOSPC: nothing happened, try again when
 * there is room; any other error: close the store. Memory: see rekey.c. */
typedef int (*fh_store_key_of)(void *userdata, const char *record, size_t len,
                               struct fh_record_key *ret);
struct fh_store_rekeyed {
    uint64_t records;      /* whose key was made anew */
    uint64_t reports;      /* own ones, with new numbers */
    uint64_t untranslated; /* keys in own reports whose record is no longer kept */
};
int fh_store_rekey(struct fh_store *store, fh_store_key_of key_of, void *userdata, int64_t apart_ms,
                   struct fh_store_rekeyed *ret, struct fh_error *err);

/* ---- any thread --------------------------------------------------------------------------- */

uint64_t fh_store_id(const struct fh_store *store); /* random, made with the database */
/* As of the last commit. */
struct fh_store_state {
    uint64_t epoch;
    bool last_primary;              /* this node was primary in that epoch */
    struct fh_checkpoint received;  /* resume point of this node's own streams */
    struct fh_checkpoint delivered; /* everything before it is delivered by all required sinks (by
                                       all, when none is required): taken from the block at the
                                       lowest of their cursors */
    uint64_t first_sequence, next_sequence; /* kept: first <= s < next */
    uint64_t own_report_last;               /* highest own number */
    uint64_t peer_store_id, peer_report_applied;
    uint64_t bytes_used, size_limit;
    uint64_t unmatched_reports; /* keys reported by the peer that this node has not received */
    int64_t source_time_ms;
    uint64_t given_up;    /* records of a standby that the peer never reported although its reports
                             went on for a whole window, or for a minute while there was no room:
                          it did not receive them */
    int64_t forgotten_ms; /* keys of records up to this stamp were dropped before the window was
                             over, because the store was full of keys and reports; 0: none */
};
void fh_store_state(struct fh_store *store, struct fh_store_state *ret);
/* As the last fh_store_rekey said; 0 without one. Writer thread. */
int64_t fh_store_apart_ms(const struct fh_store *store);
int fh_store_get_note(struct fh_store *store, const char *key, void *bytes, size_t *inout_len);

struct fh_store_cursor {
    uint64_t cursor;  /* every record below is delivered */
    uint64_t pending; /* records at or above it that are not delivered */
    uint64_t missed;  /* let go since the store was made, because room was short (optional sinks);
                         on a standby the primary may have delivered some of them later */
};
int fh_store_cursor(struct fh_store *store, const char *sink, struct fh_store_cursor *ret);

/* What is known of a sink's deliveries, whichever node's: the position of the newest DELIVERED
 * report (by epoch and number; empty: none had one), and the oldest stamp of the records at or
 * above the cursor (or a little older; INT64_MAX: there are none). Reads the index from the cursor
 * on. */
struct fh_store_last {
    char position[FH_SINK_POSITION_MAX];
    int64_t oldest_ms;
};
int fh_store_last(struct fh_store *store, const char *sink, struct fh_store_last *ret);

/* Undelivered records for a sink at or after *inout_sequence, in sequence, out of one block.
 * Leading only (-EPERM otherwise). The batch holds a reference to the block's raw bytes until
 * fh_store_batch_done. *inout_sequence is moved behind the last record looked at, delivered or
 * skipped. 1: batch filled (it may hold 0 records when all were skipped); 0: nothing committed
 * behind it; -EUCLEAN: block damaged (sentence). */
struct fh_store_batch {
    uint32_t count;
    const struct fh_slice
        *record; /* each without newline; contiguous in raw when none is skipped */
    const struct fh_record_key *key;
    const uint64_t *sequence;
    struct fh_slice raw; /* when nothing was skipped: all records with their newlines; else empty */
    void *block;         /* private */
};
int fh_store_next(struct fh_store *store, const char *sink, uint64_t *inout_sequence,
                  struct fh_store_batch *ret, struct fh_error *err);
void fh_store_batch_done(struct fh_store *store, struct fh_store_batch *batch);
/* Block until something was committed at or after sequence, fh_store_wake was called or the role
 * changed since the ticket was taken, or the time is over. Take the ticket before looking at what a
 * wake may announce: then no wake between looking and waiting is missed. */
uint64_t fh_store_ticket(struct fh_store *store);
void fh_store_wait(struct fh_store *store, uint64_t ticket, uint64_t sequence, int timeout_ms);
void fh_store_wake(struct fh_store *store);

/* Newest-first or oldest-first reading for tail and audit: records from sequence on, whatever their
 * delivery. Same contract as fh_store_next, without sink. */
int fh_store_read(struct fh_store *store, uint64_t *inout_sequence, struct fh_store_batch *ret,
                  struct fh_error *err);

/* Own reports from a number on, encoded (report.h), for a peer that asks. Skips reports whose
 * newest record is older than min_timestamp_ms. Calls take per report; stops when it returns
 * non-zero or after limit reports. Returns the number after the last one looked at. */
typedef int (*fh_store_report_take)(void *userdata, uint64_t number, const void *bytes, size_t len);
uint64_t fh_store_reports_from(struct fh_store *store, uint64_t number, int64_t min_timestamp_ms,
                               size_t limit, fh_store_report_take take, void *userdata);
/* Own reports still PREPARED (after a crash: in doubt), oldest first, at most n; keys is NULL. */
size_t fh_store_reports_in_doubt(struct fh_store *store, struct fh_report *reports, size_t n);
/* One of these: how many of its records the peer has reported as delivered since. after: the
 * cursor_after of the sink's report in doubt before it, 0 when it is the first. Always 0 for an
 * optional sink. Any thread. */
uint64_t fh_store_report_overtaken(struct fh_store *store, const struct fh_report *report,
                                   uint64_t after);

/* Keys of the records kept within the window, oldest first: to rebuild the de-duplication. */
typedef int (*fh_store_key_take)(void *userdata, const struct fh_record_key *keys, size_t count);
int fh_store_keys(struct fh_store *store, fh_store_key_take take, void *userdata);

#endif
