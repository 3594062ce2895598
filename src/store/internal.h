/* internal.h: the store's own state, shared by its files and by nobody else.
 *
 * Who may touch what: "fixed" is set by open. "writer" belongs to the writer thread. "locked" is
 * guarded by lock; the writer may read without it those fields that only the writer changes. The
 * lock is held for memory work only, never across LMDB. "shown" is guarded by shown_lock, which is
 * held for a copy only: the main thread takes no other one, so that a report of the peer with a
 * hundred thousand keys does not hold up its heartbeats. Order: lock, then shown_lock. */
#ifndef FH_STORE_INTERNAL_H
#define FH_STORE_INTERNAL_H

#include "fh/store.h"

#include "cache.h"
#include "keytab.h"
#include "lmdb_glue.h"
#include "marks.h"

#include <pthread.h>

enum fh_store_table {
    FH_TABLE_BLOCKS,  /* first sequence -> block */
    FH_TABLE_KEYS,    /* first sequence -> keys of the block; stays when the block is dropped */
    FH_TABLE_REPORTS, /* own number -> row with the report's encoding */
    FH_TABLE_PEER,    /* row id -> row with the encoding of a report of the peer */
    FH_TABLE_SINKS,   /* name -> cursor, 8 bytes */
    FH_TABLE_META,    /* 1 -> row with struct fh_store_meta */
    FH_TABLE_NOTES,   /* key -> bytes */
    FH_TABLES
};

struct fh_store_meta {
    uint64_t store_id;
    uint64_t epoch;
    bool last_primary;
    struct fh_checkpoint received;
    uint64_t peer_store_id, peer_applied;
    int64_t source_time_ms;
    uint64_t next_sequence; /* 1.. */
    uint64_t next_report;   /* 1.. */
    uint64_t next_row;      /* ids of peer rows */
    uint64_t given_up;
};

struct fh_staged_block {
    struct fh_raw *raw;
    void *bytes;
    size_t len;
    int64_t age_ms;
};

struct fh_staged_row { /* a report of ours (number) or of the peer (row id) */
    uint64_t number;
    void *bytes;
    size_t len;
};

struct fh_staged_note {
    char key[65];
    void *bytes;
    size_t len;
};

/* Of the state row; a newer one is not read. */
#define FH_STORE_FORMAT 1
extern const char *const fh_store_table_name[FH_TABLES]; /* open.c */
/* open.c: LMDB could not make sense of data.mdb in this directory: was it one of LMDB's once, or
 * too little of anything to tell (then it is damaged), or is it something else? */
bool fh_store_was_lmdb(const char *directory);

/* A growing array: items of the given type, count in use. */
#define FH_LIST(type)                                                                              \
    struct {                                                                                       \
        type *item;                                                                                \
        size_t count, capacity;                                                                    \
    }

struct fh_unlisted_row { /* of a sink that is not listed */
    uint64_t row;
    int64_t age_ms;
};

struct fh_newest { /* of the reports of a sink, whichever node's */
    uint64_t epoch, number;
    char position[FH_SINK_POSITION_MAX];
};

struct fh_prepared {
    struct fh_report report; /* keys NULL */
    uint64_t let_go;         /* so many of its records count as missed until it is delivered */
};

struct fh_store {
    /* fixed */
    char path[4096]; /* <state_dir>/store */
    uint64_t size_limit, soft_limit;
    int64_t window_ms;
    size_t sinks;
    char sink_name[FH_MARKS_SINKS][FH_SINK_NAME_MAX];
    bool optional[FH_MARKS_SINKS];
    uint64_t id;
    int lock_fd;
    uint32_t block_bytes;
    MDB_env *env;
    MDB_dbi table[FH_TABLES];
    size_t page_size;

    /* writer: staged for the next commit */
    struct fh_store_meta meta;
    bool meta_dirty;
    bool disk_full; /* the last commit failed for want of room on the disk, not in the file */
    bool retention_due;
    bool full;           /* a record had no room since the last commit */
    struct fh_raw *open; /* block being filled, NULL when empty */
    FH_LIST(struct fh_staged_block) blocks;
    FH_LIST(struct fh_staged_row) reports;
    FH_LIST(struct fh_staged_row) peer_rows;
    FH_LIST(uint64_t) forgotten_rows;
    FH_LIST(struct fh_staged_note) notes;
    FH_LIST(struct fh_unlisted_row) unlisted; /* in the table of the peer's reports, or staged */
    uint64_t staged_estimate; /* pages' worth of bytes the closed blocks will take */
    char *scratch;            /* for compression */
    size_t scratch_room;
    size_t last_block_len; /* how much room to begin the next one with */
    uint32_t last_block_count;
    /* writer: as committed */
    uint64_t cursor_written[FH_MARKS_SINKS];
    uint64_t used_bytes, block_bytes_used;
    int64_t forgotten_ms; /* see fh_store_state */
    uint64_t commits;     /* since the start */
    /* writer: what optional sinks let go */
    uint64_t missed[FH_MARKS_SINKS];         /* so many records */
    uint64_t gave_way[FH_MARKS_SINKS];       /* up to this sequence, since the start */
    uint64_t reported_until[FH_MARKS_SINKS]; /* end of the last batch of ours, since the start */
    /* The run of small blocks at the end, and what it is to be replaced by: see merge.c. */
    uint64_t small_from;           /* first sequence; 0: no run */
    size_t small_raw;              /* raw bytes in it */
    struct fh_staged_block merged; /* raw NULL: nothing */
    /* writer: what this node itself delivered, to count what both did */
    int64_t own_newest_ms;
    struct fh_keytab own; /* value: FH_OWN of the sink; empty unless own_from_ms is set */
    int64_t own_from_ms;  /* covers own records from here on; INT64_MAX: nothing */
    int64_t peer_low_ms[FH_MARKS_SINKS]; /* the peer has reported about everything up to here */
    uint64_t given_up_at;                /* for want of room: with so many records and reports */
    int64_t apart_ms; /* how far the stamps of the peer's keys may be from ours */

    /* locked */
    pthread_mutex_t lock;
    struct fh_marks *marks;
    bool leading;
    bool peer_seen; /* a report of the peer came since fh_store_follow */
    struct fh_cache cache;
    FH_LIST(struct fh_prepared) prepared;
    struct fh_newest newest[FH_MARKS_SINKS];

    /* shown */
    pthread_mutex_t shown_lock;
    pthread_cond_t committed;
    struct fh_store_state state; /* as of the last commit */
    struct fh_store_cursor cursor[FH_MARKS_SINKS];
    uint64_t wake_count;
};

#define FH_STORE_REMEDY                                                                            \
    "stop firehosed, move %s away and start again: the events of the replay window are fetched "   \
    "again, and in a pair the peer's reports prevent duplicates"

/* Room for one more item; -ENOMEM. list is any FH_LIST. */
int fh_list_reserve(void *items, size_t *capacity, size_t count, size_t size);
#define FH_LIST_RESERVE(list)                                                                      \
    fh_list_reserve(&(list)->item, &(list)->capacity, (list)->count, sizeof(*(list)->item))

void fh_store_lock(struct fh_store *store);
void fh_store_unlock(struct fh_store *store);
int fh_store_find_sink(const struct fh_store *store, const char *name); /* -ENOENT */
/* Records below are in prepared batches of this sink or were before; 0 = none is prepared. */
uint64_t fh_store_prepared_until(const struct fh_store *store, const char *sink);
/* newest_ms held near source time: so much ahead at most. */
#define FH_STORE_AHEAD_MS 600000
int64_t fh_store_age(const struct fh_store *store, int64_t newest_ms);
/* Older than the window, or so far ahead that it must be wild. */
bool fh_store_expired(const struct fh_store *store, int64_t age_ms);
/* Sentence for damage at a place, with the remedy. Returns -EUCLEAN, or code when that is not about
 * damage. */
int fh_store_damage(const struct fh_store *store, int code, struct fh_error *err, const char *what,
                    uint64_t number);

/* stage.c */
int fh_store_close_block(struct fh_store *store);
/* Fills all of ret but raw. -ENOMEM. */
int fh_store_encode_block(struct fh_store *store, const struct fh_raw *raw,
                          struct fh_staged_block *ret);
void fh_store_staged_clear(struct fh_store *store); /* forget all of it */
/* commit.c */
int fh_store_write_meta(struct fh_store *store, MDB_txn *txn);
/* The row of a report of the peer is needed no more. userdata: the store. */
void fh_store_forget_row(void *userdata, uint64_t row);
int fh_store_measure(struct fh_store *store, MDB_txn *txn, uint64_t *ret_used);
/* Fill the published state from what the transaction sees. */
int fh_store_collect(struct fh_store *store, MDB_txn *txn, struct fh_store_state *ret);
void fh_store_publish(struct fh_store *store, const struct fh_store_state *state);
/* reader.c: the block that holds the sequence, or the first one behind it. -ENOENT: none. */
int fh_store_find_block(struct fh_store *store, uint64_t sequence, struct fh_raw **ret,
                        struct fh_error *err);
/* Where the block behind that of the sequence begins, readable or not; UINT64_MAX: there is none.
 */
int fh_store_behind_block(struct fh_store *store, uint64_t sequence, uint64_t *ret_next);
/* merge.c */
int fh_store_put_block(struct fh_store *store, MDB_txn *txn, const struct fh_staged_block *block);
void fh_store_merge_prepare(struct fh_store *store);
int fh_store_merge_write(struct fh_store *store, MDB_txn *txn);
/* Committed: under the lock, before the staged blocks go to the cache. */
void fh_store_merge_done(struct fh_store *store);
void fh_store_merge_forget(struct fh_store *store);
/* A staged block was committed. */
void fh_store_merge_count(struct fh_store *store, const struct fh_raw *raw);
/* retention.c */
/* A report of this age (fh_store_age) need not be kept any longer. */
bool fh_store_report_expired(const struct fh_store *store, int64_t age_ms);
bool fh_store_retention_wanted(const struct fh_store *store);
/* alone: in a transaction of its own, without what is staged, whatever the age. */
int fh_store_retain(struct fh_store *store, MDB_txn *txn, bool alone, bool *ret_more);
bool fh_store_in_doubt(const struct fh_store *store, uint64_t number);
/* starve.c: is the store full of what is only remembered? */
bool fh_store_starves(const struct fh_store *store);
/* In the transaction: the oldest of it goes. Blocks begin at first_block. */
int fh_store_drop_remembered(struct fh_store *store, MDB_txn *txn, uint64_t first_block,
                             size_t limit);
void fh_store_load_forgotten(struct fh_store *store);
/* rebuild.c */
int fh_store_load(struct fh_store *store, struct fh_error *err);
int fh_store_check_all(struct fh_store *store, struct fh_error *err);
/* Calls take for every key row that ends behind sequence, oldest first, committed ones only. */
typedef int (*fh_store_row_take)(void *userdata, uint64_t first, const struct fh_record_key *keys,
                                 uint32_t count);
int fh_store_each_keys(struct fh_store *store, uint64_t sequence, fh_store_row_take take,
                       void *userdata);
/* reports.c */
/* Decode a row of ours; *ret_keys is to be freed. */
int fh_store_decode_report(const void *bytes, size_t len, struct fh_report *ret,
                           struct fh_record_key **ret_keys);
/* Row (envelope and encoding) in fresh memory. */
int fh_store_encode_report(const struct fh_store *store, const struct fh_report *report,
                           void **ret_bytes, size_t *ret_len);
/* What own reports say of a key that is not pending. */
enum fh_own { FH_OWN_NONE, FH_OWN_TOLD, FH_OWN_DELIVERED };
enum fh_own fh_store_own_delivered(struct fh_store *store, size_t sink, struct fh_record_key key);
/* Make fh_store_own_delivered know about everything from that stamp on. */
int fh_store_own_prepare(struct fh_store *store, int64_t from_ms);
/* rekey.c: was the report there when the keys changed? Then its number may stand for keys that
 * meant nothing to the peer. */
bool fh_store_reissue(struct fh_store *store, uint64_t number);
/* Marks and own deliveries go by the stamps' distance that was chosen; both are empty yet. */
void fh_store_load_apart(struct fh_store *store);
/* peer.c */
int fh_store_fill_gap(struct fh_store *store);
/* The keys are delivered, whenever their records come; a row keeps that over a crash. */
int fh_store_mark_reported(struct fh_store *store, size_t sink, const struct fh_report *report,
                           uint64_t *ret_doubled);
/* give_up.c: what is so much older than the peer's reports. */
void fh_store_give_up(struct fh_store *store, int64_t patience_ms);
/* Much less, if there was no room since the last commit. */
void fh_store_give_up_early(struct fh_store *store);
/* unlisted.c */
int fh_store_load_unlisted(struct fh_store *store, uint64_t row, int64_t age_ms);
int fh_store_keep_unlisted(struct fh_store *store, const struct fh_report *report,
                           int64_t newest_ms);
void fh_store_expire_unlisted(struct fh_store *store);
/* give_way.c */
/* The lowest cursor of the required sinks; UINT64_MAX when none is. */
uint64_t fh_store_required_cursor(const struct fh_store *store);
void fh_store_load_missed(struct fh_store *store);
/* Move the cursors of optional sinks past what has to go. Staged, with the count. */
int fh_store_give_way(struct fh_store *store);
/* Were records let go that the batch in progress may hold? */
bool fh_store_gave_way(const struct fh_store *store, size_t sink);
/* So many of the missed ones were delivered after all. */
void fh_store_came_through(struct fh_store *store, size_t sink, uint64_t records);
/* hearsay.c */
/* It tells what others delivered. */
bool fh_store_is_hearsay(const struct fh_report *report);
/* Remember the position when it is the newest. */
int fh_store_note_position(struct fh_store *store, size_t sink, const struct fh_report *report);
void fh_store_load_positions(struct fh_store *store);

#endif
