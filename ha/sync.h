/* sync.h: which reports the two nodes still owe each other, and what a standby lacks to be ready.
 *
 * Receiving. The peer's reports are taken in ascending order. A report says which number came
 * before it (what lies between does not concern us), so a lost message is noticed as a gap and
 * asked for (WANT) instead of being passed over. A PREPARED report of an epoch that is over is
 * refused and so is everything behind it, until the peer has settled what became of it. A peer
 * whose reports are all new to us is asked from the first on even if it seems to have none: it may
 * know what we knew before we lost our store, and makes reports of that when it is asked. Until an
 * answer brings nothing more we are not ready.
 *
 * Sending. Remembers what was sent and when, what the peer has confirmed, and from that whether
 * publication has to wait for the peer ("in sync").
 *
 * Pure: no clock, I/O or allocation. */
#ifndef FH_HA_SYNC_H
#define FH_HA_SYNC_H

#include "fh/clock.h"

#include "wire.h"

#define FH_SYNC_SENT_MAX       512                /* reports unconfirmed at a time */
#define FH_SYNC_SENT_BYTES_MAX ((size_t)16 << 20) /* their bytes: what a slow peer can cost us */
#define FH_SYNC_RESUME_MS      10000              /* between two orders to fill the same hole */
#define FH_SYNC_CLOSE_MS       10000              /* source time a ready standby may be behind */

/* The same values as struct fh_ha_local (ha.h). */
struct fh_sync_local {
    struct fh_checkpoint received, delivered, covered_from;
    bool streams_live;
    bool sinks_healthy;
    uint64_t own_report_last;
    uint64_t peer_report_applied;
    uint64_t peer_report_store;
    struct fh_replica_minutes minutes;
    uint8_t dedup_key;     /* enum fh_dedup_key in force + 1; 0: not said */
    uint32_t slices_whole; /* bit per slice: nothing more is expected */
    int64_t slices_from_ms;
    struct fh_replica_slice slice[FH_REPLICA_SLICES];
};

struct fh_sync_state { /* NOLINT(clang-analyzer-optin.performance.Padding): see fsm.h */
    int64_t failure_ms;
    int64_t heartbeat_ms;
    struct fh_sync_local local;
    bool local_known; /* the host has said what it holds */

    /* the peer's reports */
    uint64_t peer_store;     /* whose numbers the three below are; 0 = not known yet */
    uint64_t received;       /* everything up to here was handed over or does not concern us */
    uint64_t handed;         /* highest number given to the host */
    uint64_t applied;        /* highest number the host has made durable */
    uint64_t beyond;         /* highest number seen behind a gap; all up to it exist */
    uint64_t refused;        /* a report that was refused, 0 = none */
    bool introduced;         /* it has told all it had to tell, from the first number on */
    bool wanting;            /* asked, no end of the answer yet */
    uint64_t want_from;      /* ... from this number on */
    struct fh_time want_at;  /* last question or progress in its answer */
    struct fh_time retry_at; /* not before */

    /* our own reports */
    uint64_t live;      /* highest own number */
    bool counting_live; /* delivering: new numbers come through fh_sync_send only */
    uint64_t confirmed; /* the peer holds everything up to here */
    struct {
        uint64_t number;
        uint32_t len;
        struct fh_time at;
    } sent[FH_SYNC_SENT_MAX]; /* ring, ascending */
    size_t sent_first, sent_count, sent_bytes;
    bool answering;             /* the host is collecting reports for the peer */
    bool answer_stale;          /* ... for a process of the peer that is gone */
    uint64_t answer_chain;      /* last number of the answer */
    uint64_t fresh_from, fresh; /* new reports sent meanwhile, what is vouched for among them */
    struct {
        uint64_t from; /* 0 = none */
        int64_t min_timestamp_ms;
    } asked; /* next question of the peer */
    bool in_sync;
    uint64_t in_sync_from; /* up to here things were published without waiting for the peer */

    /* readiness */
    struct fh_time behind_since;
    struct fh_time hole_since;                /* a ready standby found a hole, and is filling it */
    struct fh_time resumed_at[FH_PARTITIONS]; /* latest order for it */
    char lacks[160];                          /* empty = ready */
};

void fh_sync_init(struct fh_sync_state *sync, int64_t heartbeat_ms, int64_t failure_ms);
void fh_sync_local(struct fh_sync_state *sync, const struct fh_sync_local *local);
/* A process of the peer introduced itself. */
void fh_sync_peer_joined(struct fh_sync_state *sync, uint64_t peer_store);
/* It went away: nothing is in sync any more. */
void fh_sync_peer_lost(struct fh_sync_state *sync);

/* ---- receiving ---- */
enum fh_sync_verdict {
    FH_SYNC_HAND_OVER, /* give it to the host */
    FH_SYNC_REPEATED,  /* have it */
    FH_SYNC_GAP,       /* something before it is missing; it will be asked for */
    FH_SYNC_REFUSED,   /* in doubt: of an epoch that is over */
};
/* barrier: PREPARED reports of epochs below it are not accepted; lead: none is. */
enum fh_sync_verdict fh_sync_take(struct fh_sync_state *sync, struct fh_time now,
                                  const struct fh_wire_report *report, uint64_t barrier, bool lead);
void fh_sync_answered(struct fh_sync_state *sync, struct fh_time now, uint64_t previous,
                      uint64_t through);
/* The host holds the report durably. True when this is news the peer should hear. */
bool fh_sync_applied(struct fh_sync_state *sync, uint64_t store_id, uint64_t number);
/* What we hold of the peer's reports, and whether nothing is under way. */
uint64_t fh_sync_held(const struct fh_sync_state *sync);
bool fh_sync_drained(const struct fh_sync_state *sync);
/* Time to ask? Fills the question. peer_last: the highest number the peer has announced. */
bool fh_sync_want(struct fh_sync_state *sync, struct fh_time now, uint64_t peer_last,
                  const struct fh_checkpoint *peer_delivered, uint64_t *ret_from,
                  int64_t *ret_min_timestamp_ms);

/* ---- sending ---- */
void fh_sync_delivering(struct fh_sync_state *sync, bool delivering);
/* An own report is to go out. False: the peer has too much unconfirmed already; it will ask. */
bool fh_sync_send(struct fh_sync_state *sync, struct fh_time now, uint64_t number, size_t len,
                  uint64_t *ret_previous);
/* The peer holds everything up to number. True when it grew. */
bool fh_sync_confirmed(struct fh_sync_state *sync, uint64_t number);
/* The peer wants ours. */
void fh_sync_asked(struct fh_sync_state *sync, uint64_t from, int64_t min_timestamp_ms);
/* Pass a question on to the host? Not while it answers another one. */
bool fh_sync_next_question(struct fh_sync_state *sync, uint64_t *ret_from,
                           int64_t *ret_min_timestamp_ms);
/* The host has answered; true: tell the peer. */
bool fh_sync_answer_done(struct fh_sync_state *sync, uint64_t next_number, uint64_t *ret_previous,
                         uint64_t *ret_through);
/* Judge anew whether publication waits for the peer. */
bool fh_sync_in_sync(struct fh_sync_state *sync, struct fh_time now, bool peer_present);
/* In sync, and it holds as well what had been published before it was. */
bool fh_sync_covers(const struct fh_sync_state *sync);

/* Holes that resuming fills, a bit per partition: the own store begins behind what the peer knows
 * as delivered. Notes that it is ordered; not again before FH_SYNC_RESUME_MS. */
uint16_t fh_sync_holes(struct fh_sync_state *sync, struct fh_time now,
                       const struct fh_wire_state *peer);

/* ---- readiness of this node as standby, by what the primary says of itself ---- */
/* Fills lacks. Returns a bit per partition: order resume_streams for these, from the primary's
 * delivered checkpoint. */
uint16_t fh_sync_judge_ready(struct fh_sync_state *sync, struct fh_time now,
                             const struct fh_wire_state *primary, uint16_t own_partitions,
                             uint16_t primary_partitions);

#endif
