/* pipeline.h: the way of an event: receivers -> scan -> de-duplication -> store -> sinks.
 *
 * Owns the sources, the store, the writer thread and one delivery thread per sink. Knows nothing of
 * the peer: what concerns the pair comes in and goes out through the calls below. All functions run
 * on the main thread and return at once; answers come through struct fh_pipeline_host, from
 * fh_pipeline_dispatch, which the owner calls when fh_pipeline_fd is readable. */
#ifndef FH_PIPELINE_H
#define FH_PIPELINE_H

#include "fh/clock.h"
#include "fh/config.h"
#include "fh/report.h"
#include "fh/source.h"
#include "fh/store.h"

struct fh_pipeline;

struct fh_pipeline_host {
    void (*epoch_done)(void *userdata, uint64_t epoch, int result);
    /* Every sink has stopped and the bookkeeping follows the peer again. */
    void (*delivery_stopped)(void *userdata);
    /* Batches in doubt are published or discarded. */
    void (*settled)(void *userdata);
    /* A sink could not settle when it was told to (it did not open), and now it can: the answer it
     * was given is old. Find out again what the peer holds -> fh_pipeline_settle. Only in a pair.
     */
    void (*settle_again)(void *userdata);
    void (*peer_report_applied)(void *userdata, uint64_t peer_store_id, uint64_t number);
    /* An own report is durable: send it. bytes: report.h encoding, valid during the call. */
    void (*own_report)(void *userdata, uint64_t number, const void *bytes, size_t len);
    /* The answer to fh_pipeline_send_reports is complete: own reports below next_number that were
     * not handed out are of no use to the peer. */
    void (*reports_sent)(void *userdata, uint64_t next_number);
    /* Records of this standby that the peer ought to have reported and has not: lines with their
     * newlines, valid during the call. */
    void (*unreported)(void *userdata, const void *lines, size_t len);
    /* Newly stored records, each with its newline; only while fh_pipeline_tail(true). */
    void (*stored)(void *userdata, const char *lines, size_t len);
    /* All that could be delivered is delivered, all threads but the writer are done. */
    void (*drained)(void *userdata);
    /* The store cannot go on (disk error): stop the daemon; the sentence was logged. */
    void (*failed)(void *userdata);
};

/* Opens the store, rebuilds the de-duplication, starts the writer and the (idle) sinks; blocks
 * while it does (start-up only). Connects nothing. */
int fh_pipeline_new(const struct fh_config *config, const char *api_key,
                    const struct fh_pipeline_host *host, void *userdata, struct fh_error *err,
                    struct fh_pipeline **ret);
/* Start receiving. */
int fh_pipeline_start(struct fh_pipeline *pipeline, struct fh_error *err);
int fh_pipeline_fd(struct fh_pipeline *pipeline);
void fh_pipeline_dispatch(struct fh_pipeline *pipeline);

/* Stop receiving, store what came, deliver what is stored (when leading) -> drained(). */
void fh_pipeline_drain(struct fh_pipeline *pipeline);
/* Joins every thread; what is not committed is fetched again after a start. NULL allowed. */
void fh_pipeline_free(struct fh_pipeline *pipeline);

/* Orders of the role machine. */
void fh_pipeline_persist_epoch(struct fh_pipeline *pipeline, uint64_t epoch, bool as_primary);
void fh_pipeline_lead(struct fh_pipeline *pipeline, uint64_t epoch);
void fh_pipeline_follow(struct fh_pipeline *pipeline);
/* Planned: every sink ends its batch, publishes it once the peer has confirmed, and stops; what it
 * has not begun is the peer's. After limit_ms what is prepared stays in doubt. -> delivery_stopped
 */
void fh_pipeline_hand_over(struct fh_pipeline *pipeline, int64_t limit_ms);
/* Nothing becomes visible at or after this instant; {0}: no limit. */
void fh_pipeline_publish_until(struct fh_pipeline *pipeline, struct fh_time until);
void fh_pipeline_settle(struct fh_pipeline *pipeline, bool known, uint64_t peer_applied);
void fh_pipeline_peer_report(struct fh_pipeline *pipeline, uint64_t peer_store_id, uint64_t number,
                             const void *bytes, size_t len);
/* Is there room for another one? What was given and is not durable yet takes a bounded number of
 * bytes, whatever the peer sends: four times what a sound one has under way. */
bool fh_pipeline_takes_peer_reports(struct fh_pipeline *pipeline);
void fh_pipeline_peer_confirmed(struct fh_pipeline *pipeline, uint64_t number);
void fh_pipeline_peer_in_sync(struct fh_pipeline *pipeline, bool in_sync);
/* Own reports from a number on -> own_report() for a portion of them, then reports_sent(). A peer
 * that asks from the first on and whose store is not the one whose reports this node holds has lost
 * that one: it is also told what this node knows from it. peer_store_id 0: not known. */
void fh_pipeline_send_reports(struct fh_pipeline *pipeline, uint64_t peer_store_id,
                              uint64_t from_number, int64_t min_timestamp_ms);
/* Reconnect the receivers from checkpoint minus overlap; partitions with 0 are left alone. */
void fh_pipeline_resume(struct fh_pipeline *pipeline, const struct fh_checkpoint *checkpoint);
/* What the peer has delivered: where an empty store starts. */
void fh_pipeline_peer_checkpoint(struct fh_pipeline *pipeline,
                                 const struct fh_checkpoint *delivered);

/* Look for records that the peer did not receive -> unreported(), if there are any: a portion of
 * them, the next ones when asked again, and from the first on when all were told a while ago. */
void fh_pipeline_find_unreported(struct fh_pipeline *pipeline);
/* Such records of the peer (lines with newlines; anything else in it is passed over): those never
 * seen here are stored and delivered as if a receiver had brought them. Nothing happens while there
 * is no room, while the last ones are being looked at, and unless records are known by uid and
 * timestamp. */
void fh_pipeline_peer_offers(struct fh_pipeline *pipeline, const void *lines, size_t len);

/* Keep a small value across restarts (at most 64 KiB); durable with the next commit. */
void fh_pipeline_keep_note(struct fh_pipeline *pipeline, const char *key, const void *bytes,
                           size_t len);
/* Read one; blocks, for start-up only. -ENOENT, or -ENOBUFS when it is longer than *inout_len. */
int fh_pipeline_note(struct fh_pipeline *pipeline, const char *key, void *bytes, size_t *inout_len);

/* The replicas carry different UIDs (FH_KEY_CONTENT), timestamps (FH_KEY_UID_PAYLOAD) or both: from
 * now on, and after every restart, records are known by this key. Records and reports kept are
 * given new keys while the receivers are held back and the sinks rest; nothing is restarted, no
 * role changes. May be repeated; never goes back to a narrower key. */
void fh_pipeline_use_key(struct fh_pipeline *pipeline, enum fh_dedup_key key);

/* Operator. */
void fh_pipeline_tail(struct fh_pipeline *pipeline, bool on);
void fh_pipeline_reload(struct fh_pipeline *pipeline, const struct fh_config *config,
                        const char *api_key);

/* What is kept, delivered or not, for those who look (fh_store_read). Any thread, between
 * fh_pipeline_new and fh_pipeline_free. */
int fh_pipeline_read(struct fh_pipeline *pipeline, uint64_t *inout_sequence,
                     struct fh_store_batch *ret, struct fh_error *err);
void fh_pipeline_read_done(struct fh_pipeline *pipeline, struct fh_store_batch *batch);
/* Wait until something is kept at or after sequence, at most so long. */
void fh_pipeline_read_wait(struct fh_pipeline *pipeline, uint64_t sequence, int timeout_ms);
/* Kept: first <= sequence < next. */
void fh_pipeline_read_range(struct fh_pipeline *pipeline, uint64_t *ret_first, uint64_t *ret_next);

struct fh_pipeline_counters {
    uint64_t received;    /* records that passed the scan, keep-alives not counted */
    uint64_t duplicates;  /* dropped: seen before */
    uint64_t quarantined; /* lines that are no records */
    uint64_t keep_alives;
    uint64_t late;      /* older than the de-duplication window: taken, not checked */
    uint64_t repaired;  /* not brought by the own stream: taken from the peer, which had them */
    uint64_t gaps;      /* declared */
    uint64_t delivered; /* by this node since start, over all sinks */
    uint64_t doubled;   /* delivered by both nodes (learnt from the peer's reports) */
};

/* Records received by event type, by the name they carry, known to us or not. */
#define FH_PIPELINE_TYPES 64
struct fh_pipeline_types {
    size_t count;
    struct fh_pipeline_type {
        char name[FH_TYPE_MAX + 1];
        uint64_t received;
    } type[FH_PIPELINE_TYPES];
    uint64_t other; /* all for whose names there was no room */
};

struct fh_pipeline_receiver {
    struct fh_receiver_status source;
    int64_t last_timestamp_ms; /* watermark */
    uint64_t events;
};

/* From the arrival of a record here to its delivery, confirmation by the peer included: how many
 * took at most so long, each counted once (not cumulative); behind the last bound those above it.
 * Records that arrived before this process started are not in it. */
#define FH_LATENCY_BOUNDS 14
static inline uint32_t fh_latency_bound_ms(size_t i)
{
    static const uint32_t bounds[FH_LATENCY_BOUNDS] = {
        5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000};
    return bounds[i];
}
struct fh_pipeline_latency {
    uint64_t count[FH_LATENCY_BOUNDS + 1];
    uint64_t sum_us;
};

#define FH_PROMISE_MAX 1024 /* with NUL; it may name a path */

struct fh_pipeline_sink {
    char name[FH_SINK_NAME_MAX];
    char type[16];
    char promise[FH_PROMISE_MAX];
    bool required;
    bool healthy;
    uint64_t delivered; /* by this node since start */
    uint64_t filtered;  /* not wanted: event_types, tenants, locations; also since start */
    uint64_t refused;   /* the far side will never take them: in the file of dead letters */
    char dead_letters[FH_PATH_MAX + FH_SINK_NAME_MAX + 32]; /* which may not be there yet */
    uint64_t dropped; /* let go since start because nobody took them (at most once) */
    uint64_t missed;  /* optional: let go because the store had no room for its backlog */
    uint64_t pending;
    uint64_t failures; /* attempts that failed, and times it was found stuck */
    bool replaying;    /* an operator's replay into it is in progress; no dry run */
    /* Since the oldest pending record arrived; since the start when that was before it; 0: none is
     * pending. */
    int64_t oldest_pending_age_ms;
    struct fh_pipeline_latency latency;
    char last_error[256];
};

/* Of the operator's replays (replay.h) into all sinks since start, dry runs left out. */
struct fh_pipeline_replays {
    uint64_t delivered, filtered, refused, dropped; /* records, as in fh_replay_status */
    uint64_t done, cancelled, failed;               /* replays, by how they ended */
    uint64_t pending; /* records that those in progress have not looked at yet */
};

/* What was stored of one minute of source time: the same on both nodes when their replicas carry
 * the same records, whatever the order. */
struct fh_pipeline_minute {
    int64_t minute; /* fh_minute_of(); 0 = unused */
    uint32_t count;
    /* The upper halves of the fingerprints, added up in the bucket fingerprint % BUCKETS. */
#define FH_PIPELINE_BUCKETS 16
    uint32_t digest[FH_PIPELINE_BUCKETS];
};
#define FH_PIPELINE_MINUTES 16

/* A few records of a stretch of source time, the same ones on both nodes for the most part. */
#define FH_PIPELINE_SLICE_MS 2048
#define FH_PIPELINE_SLICES   16
#define FH_PIPELINE_SAMPLES  8
struct fh_pipeline_sample {
    uint32_t lot, payload; /* together: of the record without recordUid and recordTimestamp */
    uint32_t uid;
    uint32_t offset_ms; /* of the stamp in the slice */
};
struct fh_pipeline_slice {
    int64_t number; /* stamp / FH_PIPELINE_SLICE_MS; 0 = unused */
    uint32_t count;
    struct fh_pipeline_sample sample[FH_PIPELINE_SAMPLES]; /* ascending by lot */
};

struct fh_pipeline_status {
    struct fh_pipeline_counters counters;
    struct fh_pipeline_types types;
    struct fh_pipeline_receiver receiver[FH_PARTITIONS];
    size_t receiver_count;
    struct fh_pipeline_sink sink[FH_SINKS_MAX];
    size_t sink_count;
    struct fh_pipeline_replays replays;
    uint64_t store_id;
    struct fh_store_state store;
    struct fh_checkpoint covered_from;
    struct fh_pipeline_minute minute[FH_PIPELINE_MINUTES]; /* in no order */
    int64_t minutes_from; /* earlier ones are not whole: this process did not see their beginning */
    bool streams_live;
    bool sinks_healthy;
    bool backpressure;
    int64_t oldest_pending_age_ms; /* of the required sinks; of all, when none is required */
    uint64_t dedup_records, dedup_bytes;
    enum fh_dedup_key key;                              /* in force ... */
    const char *dedup_key;                              /* ... as in the configuration */
    struct fh_pipeline_slice slice[FH_PIPELINE_SLICES]; /* in no order; pairs only */
    int64_t slices_from_ms;  /* up to this stamp an earlier process stored records */
    int64_t progress_age_ms; /* since the writer last went round its loop: the watchdog's proof */
};
void fh_pipeline_status(struct fh_pipeline *pipeline, struct fh_pipeline_status *ret);

#endif
