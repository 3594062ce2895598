/* ha.h: the pair's engine: link, heartbeats, detection and the role machine, as the daemon sees
 * it. All functions and callbacks run on the main (sd-event) thread; none blocks.
 *
 * The engine decides; the host acts. Every order to the host is answered by one of the
 * fh_ha_*_done calls, possibly later. */
#ifndef FH_HA_H
#define FH_HA_H

#include "fh/clock.h"
#include "fh/config.h"
#include "fh/report.h"
#include "fh/role.h"

#include <systemd/sd-event.h>

struct fh_ha;

/* What was received of one minute of source time: how many different records, and per bucket the
 * sum of their fingerprints. A record with fingerprint f (64 bits of its key, whatever dedup.key
 * says) adds (uint32_t)(f >> 32) to digest[f % FH_HA_BUCKETS]; sums wrap around. Two nodes that see
 * copies of the same records have the same sums; a record that only one of them has spoils one
 * bucket of one minute. */
#define FH_HA_MINUTES 3
#define FH_HA_BUCKETS 16
struct fh_ha_minute {
    int64_t minute; /* source time in minutes since 1970; 0 = empty */
    uint32_t count;
    uint32_t digest[FH_HA_BUCKETS];
};

/* A few records of a stretch of source time, chosen so that both nodes choose mostly the same ones
 * (pipeline.h). */
#define FH_HA_SLICES  16
#define FH_HA_SAMPLES 8
struct fh_ha_slice {
    int64_t number; /* 0 = empty */
    uint32_t count;
    struct {
        uint32_t lot, payload, uid, offset_ms;
    } sample[FH_HA_SAMPLES];
};

/* What the host knows of itself; pushed by fh_ha_set_local at least every heartbeat. */
struct fh_ha_local {
    struct fh_checkpoint received;     /* last processed and stored */
    struct fh_checkpoint delivered;    /* the shared checkpoint as far as this node knows */
    struct fh_checkpoint covered_from; /* own store is gapless from here on; 0 = nothing yet */
    bool streams_live;                 /* every receiver streaming and caught up with now */
    bool sinks_healthy;                /* all required sinks */
    uint64_t own_report_last;          /* highest own report number */
    uint64_t peer_report_applied;      /* highest peer report number applied durably */
    uint64_t peer_report_store;        /* store id those numbers belong to; 0 = none */
    /* The last minutes that are complete here (received from their first second on, and no later
     * records of them are expected), in any order. */
    struct fh_ha_minute minutes[FH_HA_MINUTES];
    uint8_t dedup_key;      /* enum fh_dedup_key in force + 1; 0: not said */
    uint32_t slices_whole;  /* bit per slice below: no later records of it are expected */
    int64_t slices_from_ms; /* records up to this stamp may be here without being in a slice: they
                               were stored by an earlier process */
    struct fh_ha_slice slice[FH_HA_SLICES];
};

/* What the engine wants done. */
struct fh_ha_host {
    /* Make epoch durable before anything else -> fh_ha_epoch_done(epoch). */
    void (*persist_epoch)(void *userdata, uint64_t epoch, bool as_primary);
    /* Deliver from now on, in this epoch. -> nothing to answer */
    void (*start_delivery)(void *userdata, uint64_t epoch);
    /* Stop every sink now; abandon what is not reported. -> fh_ha_delivery_stopped() */
    void (*stop_delivery)(void *userdata);
    /* Reconnect the receivers from checkpoint minus overlap (promotion; or a hole was found while
     * syncing). Partitions with 0 are left alone. */
    void (*resume_streams)(void *userdata, const struct fh_checkpoint *checkpoint);
    /* A report of the peer came. bytes: report.h encoding, valid during the call. Apply it durably
     * -> fh_ha_report_applied(store_id, number). */
    void (*peer_report)(void *userdata, uint64_t peer_store_id, uint64_t number, const void *bytes,
                        size_t len);
    /* Is there room for another one? While there is none, reports of the peer go as if the network
     * had lost them; they are asked for when those that came before are applied. NULL: always. */
    bool (*takes_reports)(void *userdata);
    /* The peer holds durably all our reports up to number. */
    void (*peer_confirmed)(void *userdata, uint64_t number);
    /* The peer wants our reports from number on (it joined). -> fh_ha_send_report per report. Ask
     * again is allowed; the host sends at most a few MB at a time and goes on when asked.
     * A peer whose store is not the one whose reports we hold has lost that: it asks from the first
     * on, and is also told what we know from the reports of its lost store.
     * -> fh_ha_wants_answered(), always; the next question comes only after it. */
    void (*peer_wants)(void *userdata, uint64_t peer_store_id, uint64_t from_number,
                       int64_t min_timestamp_ms);
    /* Publication must wait for the peer's confirmation (true) or not (false: unprotected). */
    void (*peer_in_sync)(void *userdata, bool in_sync);
    /* In-doubt reports can be settled: the peer has applied ours up to number; known is false when
     * no peer answered in time and this node goes on alone. Comes once after start, before any
     * start_delivery, and again after fh_ha_settle_again. -> fh_ha_in_doubt_settled() */
    void (*settle_in_doubt)(void *userdata, bool known, uint64_t peer_applied);
    /* The peer's delivered checkpoint, whenever it grows (a fresh standby starts there). */
    void (*peer_checkpoint)(void *userdata, const struct fh_checkpoint *delivered);
    /* Planned hand-over: deliver what is stored by now, end the batch, publish it once the peer has
     * confirmed, then stop as by stop_delivery. Bounded by limit_ms, after which what is left stays
     * for the peer. -> fh_ha_delivery_stopped(), as for stop_delivery. */
    void (*drain_delivery)(void *userdata, int64_t limit_ms);
    /* The fence. Nothing may become visible (publish; for sinks without prepare: write) at or after
     * this instant; the host checks right before each such step. {0}: no limit. Always given before
     * start_delivery, and moved on by renewals while leading; with an arbiter it never lies behind
     * the end of the lease, and after a stall it stays behind now until the peer (or the arbiter)
     * has been heard. */
    void (*publish_until)(void *userdata, struct fh_time until);
    /* The history has grown: keep it across restarts (a note of the store). At most 64 KiB. */
    void (*keep_history)(void *userdata, const void *bytes, size_t len);
    /* The two nodes see the same records under other uids or timestamps, or the peer knows records
     * by a wider key already: the host turns to this one. Once per process and key; the engine has
     * logged what it saw. */
    void (*replicas_differ)(void *userdata, enum fh_dedup_key key);
    /* Standby: is there anything that the primary ought to have reported by now and has not? ->
     * fh_ha_offer, if there is. Asked about once a second, and only while the replicas are known to
     * carry the same records. NULL: nothing is ever offered. */
    void (*find_unreported)(void *userdata);
    /* Primary: the standby has these records (lines with their newlines, valid during the call) and
     * no report of them. What this node has not seen it delivers. NULL: never taken. */
    void (*peer_offers)(void *userdata, const void *lines, size_t len);
    /* The answer to fh_ha_leave. */
    void (*left)(void *userdata);
    /* For the journal was already logged by the engine; for status and STATUS=. */
    void (*role_changed)(void *userdata, enum fh_role role, uint64_t epoch, const char *reason);
    /* -EEXIST and friends: the pair cannot be formed (same replica_id, same node name, protocol
     * too old); logged by the engine; the daemon keeps running as it is. */
};

struct fh_ha_start {
    uint64_t epoch;    /* persisted */
    bool last_primary; /* persisted: was primary in that epoch */
    uint64_t store_id;
    const void *history; /* as given to keep_history by an earlier process; NULL = none */
    size_t history_len;
    bool maintenance; /* persisted operator's order: never promote */
};

/* secret_key: Z85, read by the caller from pair.secret_key_file. */
int fh_ha_new(const struct fh_config *config, const char secret_key[41],
              const struct fh_ha_start *start, sd_event *event, const struct fh_ha_host *host,
              void *userdata, struct fh_error *err, struct fh_ha **ret);
int fh_ha_start(struct fh_ha *ha, struct fh_error *err);
/* A planned stop is about to come: delivery is stopped (-> stop_delivery), then the arbiter is
 * given its lease back -> left, within about a second, whether sinks and arbiter have answered or
 * not; a lease is not given back while a sink may still be at work. From now on this node neither
 * leads nor follows; then fh_ha_stop. */
void fh_ha_leave(struct fh_ha *ha);
/* Say goodbye to the peer (a planned stop: it promotes at once when it is ready), close the link.
 */
void fh_ha_stop(struct fh_ha *ha);
void fh_ha_free(struct fh_ha *ha);

void fh_ha_set_local(struct fh_ha *ha, const struct fh_ha_local *local);
void fh_ha_epoch_done(struct fh_ha *ha, uint64_t epoch, int result);
void fh_ha_delivery_stopped(struct fh_ha *ha);
void fh_ha_in_doubt_settled(struct fh_ha *ha);
/* Something is in doubt still, or again (a sink that could not be asked then): what the peer holds
 * is found out anew -> settle_in_doubt, when the peer can be asked or this node leads alone. Until
 * it is settled the peer is told none of our reports it asks for. */
void fh_ha_settle_again(struct fh_ha *ha);
void fh_ha_report_applied(struct fh_ha *ha, uint64_t peer_store_id, uint64_t number);
/* bytes: report.h encoding, copied. Sent to the peer if it is connected; a joining peer asks for
 * what it misses anyway. */
void fh_ha_send_report(struct fh_ha *ha, uint64_t number, const void *bytes, size_t len);
/* All reports of this portion were given to fh_ha_send_report, in ascending order; those below
 * next_number that were not are of no use to the peer (what fh_store_reports_from returned).
 * Without this answer the peer cannot tell "nothing left" from "lost on the way". */
void fh_ha_wants_answered(struct fh_ha *ha, uint64_t next_number);

/* Lines with their newlines, at most FH_HA_OFFER_MAX bytes; copied. May get lost; what is still
 * missing is to be offered again, not before a while. */
#define FH_HA_OFFER_MAX ((size_t)FH_REPORT_KEYS_MAX * 16)
void fh_ha_offer(struct fh_ha *ha, const void *lines, size_t len);

struct fh_ha_status {
    enum fh_role role;
    uint64_t epoch;
    bool protected;   /* the other node is a ready standby (or: we are, and the primary is there) */
    bool ready;       /* standby: own store covers everything from the primary's checkpoint on */
    char reason[160]; /* why the role is what it is */
    char sync[160];   /* standby: what is missing for ready; empty when ready */
    struct {
        bool reachable;
        char node[32];
        enum fh_role role;
        uint64_t epoch;
        bool ready;
        int64_t last_heard_ms;   /* age; -1: never */
        uint64_t report_applied; /* ours, at the peer */
        bool datagrams;          /* both nodes speak them: pair.datagrams, and a port for them */
        struct {
            char address[256];
            bool up;
            bool datagrams; /* ours arrive at the peer over it */
            /* A message there and its answer back, measured once a second; -1: not known, or the
             * peer is too old to answer. */
            int64_t round_trip_us;
        } path[FH_PATHS_MAX];
        size_t path_count;
        char refused[200]; /* why the pair cannot be formed; empty = it can */
    } peer;
    uint64_t promotions, demotions;
    uint64_t promoted[FH_PROMOTION_COUNT]; /* the promotions by their cause */
    bool maintenance;                      /* this node never promotes */
    bool peer_maintenance;
    bool fenced; /* primary that must not publish: lease lost or just woken up */
    struct {
        bool configured;
        bool reachable;
        char type[16];    /* "none", "witness", "etcd" */
        char holder[32];  /* node.name of the lease's holder, as last heard */
        int64_t lease_ms; /* ours runs so much longer; 0 = not held */
        char last_error[200];
    } arbiter;
    bool switching; /* a switchover is under way */
    struct {
        bool known;         /* minutes could be compared */
        uint32_t per_mille; /* of the buckets compared were equal */
        uint32_t minutes;   /* compared, of the last ten; 0: the ratio is about records */
        uint32_t records;   /* looked at closely, of the last 64 */
        uint32_t apart_ms;  /* greatest distance of the stamps of two copies */
        bool differ;        /* replicas_differ was called */
    } replica_match;
};
void fh_ha_status(struct fh_ha *ha, struct fh_ha_status *ret);

/* Operator's commands. Refusals are negative errno with a sentence that says why and what to do.
 * switchover: this node must be primary, the peer a ready standby not in maintenance; with force it
 * goes ahead all the same (the sentence in warning says what may be lost or doubled). Returns at
 * once; the end is seen in fh_ha_status (role, switching). */
int fh_ha_switchover(struct fh_ha *ha, bool force, struct fh_error *warning, struct fh_error *err);
/* A node in maintenance never promotes; a primary that enters it hands over first (refused when the
 * standby is not ready, unless force). The host persists the order (note of the store). */
int fh_ha_maintenance(struct fh_ha *ha, bool on, bool force, struct fh_error *err);
/* A node that waits for the other one leads all the same: because pair.prefer is "safety" and it
 * has no proof that the other one is dead, or the arbiter knows that it led alone. Refused without
 * force, with what may be delivered twice (the sentence in warning when it goes ahead); refused in
 * any case while the other node is heard or holds the arbiter's lease. Returns at once; an arbiter
 * that does not answer within a minute ends the order. */
int fh_ha_promote(struct fh_ha *ha, bool force, struct fh_error *warning, struct fh_error *err);
/* The last 100 transitions, oldest first. wall_ms is for people. from and to alike: the role stayed
 * although it might have changed, or an operator gave an order. */
struct fh_ha_transition {
    int64_t wall_ms;
    enum fh_role from, to;
    uint64_t epoch;
    char reason[160];
    char evidence[160];
};
#define FH_HA_HISTORY_MAX 100
size_t fh_ha_history(const struct fh_ha *ha, struct fh_ha_transition *ret, size_t n);

/* 41-byte Z85 strings. */
int fh_ha_keygen(char public_key[41], char secret_key[41]);
/* Public key of a secret one; -EINVAL when it is not 40 characters of Z85. */
int fh_ha_public_key(const char *secret_key, char public_key[41]);

#endif
