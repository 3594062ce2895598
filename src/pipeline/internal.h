/* internal.h: what the files of this folder share.
 *
 *   intake.c           on the receivers' threads: scan lines, collect them in a batch per receiver
 *   event_types.c      how many records of each type came
 *   writer.c           the writer thread: de-duplicate, append, commit; the store's only writer
 *   writer_commands.c  what others ask of the writer thread
 *   sink_thread.c      a thread per sink: which role it is in, and what it does in each
 *   deliver.c          the steps of a batch: read the store, write the sink, report
 *   dead_letter.c      what a far side will never take
 *   lead.c             what comes before the first batch: lead the far side, ask what it holds
 *   arrival.c          when records arrived
 *   latency.c          how long they took to their delivery
 *   promise.c          what is promised of a sink
 *   shape.c            which records a sink gets, and how much of each
 *   settle.c           what becomes of batches that a crash or a demotion left in doubt
 *   replay.c           an interval of the store delivered again, when an operator asks for it
 *   replay_run.c       the thread that does it
 *   resplit.c          which receivers there are, and other ranges while running
 *   gap.c              what an outage longer than the replay window took away
 *   repair.c           records that came to one node only
 *   twins.c            records equal in all but their uid
 *   sample.c           records chosen for the comparison of the replicas
 *   rekey.c            what records are known by, and the change to another key
 *   quarantine.c       lines that are no records
 *   pipeline.c         construction, orders of the main thread, answers to it
 *   status.c           the numbers
 *
 * Who owns what: the writer thread owns store writing, dedup, watermarks and the quarantine file;
 * each delivery thread owns its sink; a receiver shares its batch with the writer under a lock held
 * for a pointer swap. Everything else crosses by a queue or an atomic. */
#ifndef FH_PIPELINE_INTERNAL_H
#define FH_PIPELINE_INTERNAL_H

#include "fh/buf.h"
#include "fh/dedup.h"
#include "fh/pipeline.h"
#include "fh/queue.h"
#include "fh/sink.h"
#include "fh/watermark.h"

#include "arrival.h"
#include "dead_letter.h"
#include "event_types.h"
#include "latency.h"
#include "replay.h"
#include "shape.h"

#include <pthread.h>
#include <stdatomic.h>

/* One entry of a batch, in the order of the stream. */
enum item_kind {
    ITEM_RECORD,
    ITEM_KEEP_ALIVE,
    ITEM_JUNK,
    ITEM_CONNECTED, /* what follows comes from a new connection */
};

struct item {
    struct fh_record_key key; /* keep-alive: only the stamp; junk: fingerprint = stream offset */
    uint64_t identity; /* record known by content or payload: fingerprint of uid and timestamp */
    uint32_t lot;      /* record of a pair: fh_envelope_lot */
    uint32_t offset;   /* into the batch's bytes */
    uint32_t len;
    uint16_t kind;
    uint16_t reason; /* junk: enum fh_envelope_result, or JUNK_OVERSIZED; record: the enum
                        fh_dedup_key its fingerprint was made by */
    uint16_t type;   /* record: its place in the receiver's table of event types */
};
#define JUNK_OVERSIZED FH_ENVELOPE_RESULT_COUNT

struct batch {
    struct fh_buf bytes;
    struct item *items;
    size_t count, capacity;
    struct fh_time since; /* when the first of them was handed over to the writer */
};

/* A stretch of source time that could not be fetched any more; to_ms 0 = none. */
struct gap {
    int64_t from_ms, to_ms;
};

struct intake {
    struct fh_pipeline *pipeline; /* NULL: never used */
    atomic_bool active;           /* a range is read here; set and cleared by the writer */
    atomic_bool retired;          /* the receiver is gone: what it left is to be stored */
    unsigned index;
    struct fh_range range;
    struct batch *collecting; /* the receiver's own, until it flushes */
    pthread_mutex_t lock;
    struct batch *filling; /* under lock: the receiver adds, the writer takes it away */
    bool paused;           /* under lock: the receiver was told to wait */
    size_t limit;          /* bytes in filling at which the receiver has to wait */
    atomic_bool restarted; /* a connection was opened: the writer looks for a gap */
    atomic_int_fast64_t asked_from_ms;
    atomic_int_fast64_t server_ms;    /* the service's clock at that moment; 0 = not said */
    atomic_int_fast64_t connected_ms; /* that moment by fh_now() */
    /* owned by the writer */
    struct batch *draining;
    size_t drained;         /* items of draining already done (the store was full) */
    struct fh_dedup *shown; /* by the connection: see twins.c; NULL unless known by content or
                               payload */
    struct fh_watermark mark;
    bool expect_first; /* next stamp is the first after a connect */
    int64_t expect_from_ms;
    int64_t gap_base_ms;
    int64_t late_first_ms; /* the replay began so late, and nobody told the date; 0 = no question */
    /* published by the writer after a commit */
    atomic_int_fast64_t resume_ms;
    atomic_int_fast64_t high_ms;
    /* order of the main thread: resume from here once; 0 = none */
    atomic_int_fast64_t override_ms;
    atomic_int_fast64_t peer_ms; /* the peer's delivered checkpoint for this range */
    atomic_uint_fast64_t events;
    struct fh_event_types types; /* named by the receiver's thread, counted by the writer */
};

enum command_kind {
    COMMAND_EPOCH,
    COMMAND_LEAD,
    COMMAND_FOLLOW,
    COMMAND_PEER_REPORT,
    COMMAND_REPORT_ADD,
    COMMAND_REPORT_FINISH,
    COMMAND_FOUND,
    COMMAND_SEND_REPORTS,
    COMMAND_DRAIN,
    COMMAND_NOTE,
    COMMAND_USE_KEY,
    COMMAND_REKEY,
    COMMAND_FIND_UNREPORTED,
    COMMAND_PEER_OFFERS,
    COMMAND_OPEN_INTAKE,
};

struct delivery;

struct command {
    enum command_kind kind;
    uint64_t number; /* epoch, report number, key: see the kind */
    uint64_t order;  /* LEAD: void when a later order was given */
    uint64_t store_id;
    int64_t timestamp_ms;
    char key[64]; /* NOTE */
    bool flag;
    struct fh_range range; /* OPEN_INTAKE */
    struct delivery *delivery;
    uint64_t token;          /* of what the delivery waits for */
    struct fh_report report; /* REPORT_ADD, FOUND: keys owned by the command */
    void *bytes;             /* owned */
    size_t len;
};

enum answer_kind {
    ANSWER_EPOCH,
    ANSWER_STOPPED,
    ANSWER_SETTLED,
    ANSWER_UNSETTLED,
    ANSWER_APPLIED,
    ANSWER_REPORT,
    ANSWER_PORTION,
    ANSWER_STORED,
    ANSWER_UNREPORTED,
    ANSWER_DRAINED,
    ANSWER_FAILED,
    ANSWER_INTAKE_CLOSED,
    ANSWER_INTAKE_OPENED,
};

/* What a report of the peer takes beside its bytes, at most. */
#define PEER_COST ((size_t)1024)

struct answer {
    struct answer *next; /* of those that wait for a commit */
    enum answer_kind kind;
    int result;
    uint64_t number;
    uint64_t store_id;
    struct delivery *delivery; /* ANSWER_REPORT of a new batch: tell it the number */
    uint64_t token;
    size_t len;
    char bytes[];
};

/* A question of a peer that has lost its store: reports are made for it first, a portion a turn. */
struct vouching {
    bool active, done;
    bool waits; /* for room in the store */
    struct fh_store_vouching at;
    struct command command;
};

/* What the two nodes do when a record came to one of them only. Owned by the writer. */
struct repair {
    uint64_t sequence;       /* where the search goes on */
    struct fh_time round_at; /* it began at its beginning */
    int64_t before_ms;       /* looking for older ones */
    int64_t next_before_ms;  /* in the next round */
    uint64_t told;           /* of those taken */
    uint64_t seen;           /* as of the last turn ... */
    struct fh_time seen_at;  /* ... and when they grew */
    struct fh_time told_at;
    bool damage_told; /* a block of the own store cannot be read */
};

/* A batch that the sink has prepared or the far side accepted, and whose report is on its way. */
struct outstanding {
    bool active;
    bool prepared;     /* has to be published */
    uint64_t number;   /* 0: the writer has not numbered it yet */
    uint32_t count;    /* given to the sink */
    uint32_t filtered; /* not wanted by it */
    struct fh_latency_runs arrived;
    char position[FH_SINK_POSITION_MAX];
};

/* How far a sink is on the way to its first batch in an epoch. */
enum stage { STAGE_LEAD, STAGE_RECOVER, STAGE_WRITE };

struct delivery {
    struct fh_pipeline *pipeline;
    struct fh_config_sink config;
    const struct fh_sink_ops *ops;
    struct fh_sink_context context;
    pthread_t thread;
    bool started;
    char promise[FH_PROMISE_MAX];

    pthread_mutex_t lock;
    /* under lock */
    bool settle_wanted, settle_known;
    bool settle_used; /* the answer is no longer fresh: the peer is to be asked again */
    bool settle_told;
    uint64_t settle_applied;
    uint64_t asked; /* counts questions to the writer */
    bool numbered;  /* the writer's answer to the last of them is there */
    uint64_t numbered_as;
    bool reload_wanted, reloaded; /* reload holds what was read last */
    struct fh_config_sink reload;
    char last_error[256];

    atomic_bool at_rest; /* holds no keys and waits until rest_wanted is over */
    atomic_bool parked;  /* not delivering: nothing of ours is on its way to the sink */
    atomic_bool healthy;
    /* It failed when this node stopped to lead, at this instant, and has not been tried since; 0:
     * it did not. What is not known to fail any more is not said to, but no role comes back for it.
     */
    atomic_int_least64_t failed_at_ns;
    atomic_bool drained;
    atomic_uint_fast64_t delivered, dropped, filtered, refused, failures;
    struct fh_latency latency;
    atomic_uint_fast64_t found;   /* at the far side and not known before, so far; by the writer */
    atomic_uint_fast64_t reached; /* read from the store up to here */
    atomic_uint_fast64_t epoch;   /* delivering in this one; 0 = parked. Set by the thread */

    /* owned by the thread */
    void *sink;
    enum stage stage;
    uint64_t sequence;    /* where fh_store_next goes on */
    uint64_t batch_start; /* and where it was when the batch in progress began */
    struct fh_record_key *keys;
    uint32_t key_count, key_capacity; /* of all records looked at for the batch */
    uint32_t written;                 /* so many of them were given to the sink */
    struct fh_latency_runs arrived;   /* when those arrived */
    struct fh_time begun;             /* when the first was looked at */
    bool ended; /* accept was begun and the far side has not taken the batch yet: no more writes */
    uint64_t ticket; /* taken before each turn, so that no wake is missed */
    bool dirty;      /* written and not flushed */
    uint64_t
        settled_through; /* reports up to here were settled; 0 = the writer has done with them */
    bool unsettled;      /* could not settle when it was told to */
    struct fh_time asked_again; /* since then */
    bool handed_over;           /* done with a hand-over, waiting for the others */
    int64_t retry_ms;
    struct fh_time stalled_since; /* the far side says "not yet" since then */
    struct fh_time resting_since;
    struct fh_shape *shape; /* NULL: every record as it is */
    struct fh_dead_letters *letters;
    struct fh_time refused_told; /* when the journal was last told */
    struct outstanding outstanding;
};

/* Ranges that are being exchanged for others. Bits are indices of intakes. */
struct resplit {
    bool under_way, again;
    struct fh_ranges wanted;
    struct fh_ranges next; /* again: asked for meanwhile */
    uint16_t closing, opening;
    struct fh_range range[FH_PARTITIONS]; /* of those that are opening */
    bool resume_wanted;                   /* an order that came meanwhile */
    struct fh_checkpoint resume;
};

struct fh_pipeline {
    struct fh_config config;
    struct fh_pipeline_host host;
    void *userdata;
    struct fh_store *store;
    struct fh_dedup *dedup;
    struct fh_sources *sources;
    struct intake intake[FH_PARTITIONS]; /* go over them with fh_intake_next */
    struct resplit resplit;              /* owned by the main thread */
    struct delivery delivery[FH_SINKS_MAX];
    size_t delivery_count;
    struct replay *replay[FH_SINKS_MAX]; /* the last of each sink, or NULL; main thread */
    struct fh_pipeline_replays replayed; /* what was before these; main thread */

    atomic_int key;          /* enum fh_dedup_key in force; set by the writer */
    atomic_bool rest_wanted; /* the keys are about to change: the sinks let go of theirs */
    atomic_bool rekey_asked; /* all rest, the writer was told */

    struct fh_queue *commands; /* to the writer */
    struct fh_queue *answers;  /* to the main thread */
    int doorbell;              /* eventfd: a batch is no longer empty */
    pthread_t writer;
    bool writer_started;
    atomic_bool stopping;
    atomic_bool draining;            /* deliver what is stored, then end */
    atomic_uint_fast64_t lead_epoch; /* 0 = the sinks must be parked */
    atomic_uint_fast64_t order;      /* counts orders to lead or to stop: the last one counts */
    atomic_int_fast64_t publish_until_ns;   /* 0 = no limit */
    atomic_int_fast64_t hand_over_until_ns; /* 0 = no hand-over under way */
    atomic_bool follow_pending;             /* FOLLOW once every sink is parked */
    atomic_bool peer_in_sync;
    atomic_uint_fast64_t peer_confirmed;
    atomic_int settle_left; /* sinks that have not settled yet */
    atomic_bool drained_told;
    atomic_bool tail;
    atomic_bool backpressure;
    atomic_int_fast64_t progress_ns;
    struct fh_time started;
    struct fh_arrivals arrivals;
    /* counters */
    atomic_uint_fast64_t received, duplicates, quarantined, keep_alives, late, gaps, doubled,
        repaired;
    atomic_size_t peer_bytes; /* of reports of the peer that are not durable yet */
    atomic_bool offer_taken;  /* the peer's last offer is still to be looked at */
    atomic_uint_fast64_t dedup_records, dedup_bytes;

    /* owned by the writer */
    struct fh_checkpoint checkpoint;
    struct fh_time first_staged;
    struct fh_time first_arrived;  /* of what is staged */
    uint64_t first_sequence;       /* of the records staged; 0 = none is */
    struct fh_time commit_again;   /* set while there is no room for what is staged */
    bool must_commit;              /* a command waits for durability */
    bool missing[FH_SINKS_MAX];    /* that the sink lets records go was said */
    uint64_t missed[FH_SINKS_MAX]; /* as of the last commit */
    bool forgetting;               /* that the store forgets before its time was said */
    int64_t forgotten_ms;          /* as of the last commit */
    struct vouching vouching;
    struct repair repair;
    struct answer *after_commit; /* oldest first */
    size_t peer_bytes_applied;   /* of peer_bytes: staged */
    struct fh_time last_sync, full_since;
    uint64_t doubled_seen, doubled_told; /* delivered by both: as of the last turn, as last said */
    struct fh_time doubled_at;
    struct fh_time rekey_at; /* set: the change of keys found no room and is tried again */
    enum fh_dedup_key rekey_to;
    struct fh_pipeline_slice slice[FH_PIPELINE_SLICES];
    struct quarantine *quarantine;
    struct fh_buf tail_lines;
    struct fh_pipeline_minute minute[FH_PIPELINE_MINUTES];
    pthread_mutex_t minute_lock; /* the writer publishes copies in ..._shown */
    struct fh_pipeline_minute minute_shown[FH_PIPELINE_MINUTES];
    struct fh_pipeline_slice slice_shown[FH_PIPELINE_SLICES];
    atomic_int_fast64_t minutes_from;
    int64_t slices_from_ms;                        /* set at start */
    atomic_int_fast64_t covered_ms[FH_PARTITIONS]; /* the own store has no hole from here on */
    struct gap gap[FH_PARTITIONS]; /* found while not leading: declared when this node leads */
    int64_t lateness_ms;           /* of ranges that are no longer read */
    bool writer_failed;
    bool covered_changed;
    bool gaps_owed; /* leading, and not all of them could be declared yet */
    bool sources_stopped;
};

/* intake.c */
int fh_intake_init(struct fh_pipeline *pipeline, unsigned index, struct fh_range range,
                   size_t limit);
/* Those that are read: the first (after NULL), the next, NULL behind the last. Any thread. */
struct intake *fh_intake_next(struct fh_pipeline *pipeline, const struct intake *after);
uint16_t fh_intake_mask(struct fh_pipeline *pipeline);
void fh_intake_done(struct intake *intake);
extern const struct fh_source_handler fh_intake_handler;
/* Writer: exchange an emptied batch for the filled one. NULL when nothing came. */
struct batch *fh_intake_take(struct intake *intake);
/* Any receiver's batch not empty? */
bool fh_intake_pending(struct fh_pipeline *pipeline);

/* writer.c */
void *fh_writer_run(void *pipeline);
int fh_writer_commit(struct fh_pipeline *pipeline);
/* Count a record that is stored under the minute of its stamp. */
void fh_writer_note_minute(struct fh_pipeline *pipeline, struct fh_record_key key);
/* Send the answer once what is staged is durable, however long there is no room for it. */
void fh_writer_after_commit(struct fh_pipeline *pipeline, struct answer *answer);
/* Log once and have the daemon stop. */
void fh_writer_fail(struct fh_pipeline *pipeline, const char *what, int code);
/* Append a record that the de-duplication has let through, and note that it is to be committed.
 * 0, -ENOSPC (nothing was changed: later again), -ENOMEM. */
int fh_writer_append(struct fh_pipeline *pipeline, struct fh_record_key key, struct fh_slice line);
/* What was appended lately arrived then. */
void fh_writer_arrived(struct fh_pipeline *pipeline, struct fh_time at);
/* Append what de-duplication lets through. 0, or -ENOSPC: later again. */
int fh_writer_drain_intake(struct fh_pipeline *pipeline);

/* resplit.c */
/* At the start, before any thread. */
int fh_resplit_init(struct fh_pipeline *pipeline);
/* Main thread: read these ranges from now on; what stays the same is not disturbed. */
void fh_resplit_want(struct fh_pipeline *pipeline, const struct fh_ranges *ranges);
void fh_resplit_closed(struct fh_pipeline *pipeline, unsigned index);
void fh_resplit_opened(struct fh_pipeline *pipeline, unsigned index, int result);
/* Writer: put away receivers that are gone, once all they left is stored; make a new one. */
void fh_resplit_close_retired(struct fh_pipeline *pipeline);
int fh_resplit_open(struct fh_pipeline *pipeline, unsigned index, struct fh_range range);

/* gap.c: the stamp is the next of this receiver. -ENOSPC: later again. */
int fh_gap_look(struct fh_pipeline *pipeline, struct intake *intake, int64_t timestamp_ms);
/* This node leads from now on: declare what was found before. */
void fh_gap_lead(struct fh_pipeline *pipeline);
/* Now and then: forget what the primary is past, declare what there was no room for. */
void fh_gap_tend(struct fh_pipeline *pipeline);
void fh_gap_load(struct fh_pipeline *pipeline);
/* One that a node declared. */
bool fh_gap_is_record(struct fh_slice line);

/* writer_commands.c */
void fh_writer_vouch(struct fh_pipeline *pipeline);
void fh_writer_command(struct fh_pipeline *pipeline, struct command *command);
void fh_command_free(void *command);
int fh_pipeline_command(struct fh_pipeline *pipeline, const struct command *command);

/* pipeline.c */
struct answer *fh_answer_new(enum answer_kind kind, const void *bytes, size_t len);
void fh_answer_send(struct fh_pipeline *pipeline, struct answer *answer);
void fh_pipeline_covered(const struct fh_pipeline *pipeline, struct fh_checkpoint *ret);
/* Writer: stage the note that keeps it. */
void fh_pipeline_save_covered(struct fh_pipeline *pipeline);

/* rekey.c */
/* At the start: which key is in force; bring a store that was filled under another one into line.
 */
int fh_rekey_at_start(struct fh_pipeline *pipeline, struct fh_error *err);
/* Make the de-duplication and the minutes anew from the store's index. */
int fh_rekey_remember(struct fh_pipeline *pipeline);
/* Writer: begin, go through with it, begin again when that is due. */
void fh_rekey_begin(struct fh_pipeline *pipeline, enum fh_dedup_key key);
void fh_rekey_run(struct fh_pipeline *pipeline);
void fh_rekey_again(struct fh_pipeline *pipeline);
/* Writer: the key of an item, which may have been scanned under another one, and its identity. */
struct fh_record_key fh_rekey_item(const struct fh_pipeline *pipeline, const struct item *item,
                                   const char *line, struct fh_record_key *ret_identity);
/* What the de-duplication of this node remembers of a record with this key. A replica repeats its
 * own stamps, so where the key leaves the stamp out it is the key and the stamp: only between the
 * nodes, where the store compares keys, may stamps differ. */
struct fh_record_key fh_rekey_known(enum fh_dedup_key in_force, struct fh_record_key key);
/* A sink has come to rest: when all have, tell the writer. */
void fh_rekey_tell(struct fh_pipeline *pipeline);
const char *fh_rekey_name(enum fh_dedup_key key);

/* twins.c: writer */
/* The receiver's connection is a new one. */
void fh_twins_connected(struct intake *intake);
/* Source time has moved on. */
void fh_twins_advance(struct intake *intake);
/* 1: go on with the key, which was made that of the n-th twin; 0: the connection has shown this
 * very record before; -ENOMEM: nothing happened. */
int fh_twins_look(struct intake *intake, struct fh_record_key identity,
                  struct fh_record_key *inout_key);
/* The record could not be stored: it will be looked at again. */
void fh_twins_take_back(struct intake *intake, struct fh_record_key identity,
                        struct fh_record_key key);
/* The key of the next twin that shown has not seen. 0 or -ENOMEM. */
int fh_twins_number(struct fh_dedup *shown, struct fh_record_key *inout_key);

/* repair.c: writer */
void fh_repair_init(struct fh_pipeline *pipeline); /* at the start, before any thread */
void fh_repair_find(struct fh_pipeline *pipeline);
void fh_repair_take(struct fh_pipeline *pipeline, const char *lines, size_t len);
/* Each turn: tell the journal. */
void fh_repair_tell(struct fh_pipeline *pipeline);

/* sample.c: writer; a record of a pair was stored. */
void fh_sample_take(struct fh_pipeline *pipeline, const struct item *item, const char *line);

/* quarantine.c */
struct quarantine;
int fh_quarantine_open(const char *state_dir, int64_t roll_bytes, struct fh_error *err,
                       struct quarantine **ret);
void fh_quarantine_add(struct quarantine *quarantine, struct fh_range range, const char *reason,
                       uint64_t offset, const char *line, size_t len);
void fh_quarantine_close(struct quarantine *quarantine);

/* sink_thread.c */
/* ops NULL: what the registry has for the type. */
int fh_delivery_start(struct fh_pipeline *pipeline, size_t index, const struct fh_sink_ops *ops,
                      struct fh_error *err);
void fh_delivery_join(struct delivery *delivery);
/* After that of the writer, which may still have had an answer for it. */
void fh_delivery_done(struct delivery *delivery);
/* A sink has parked or drained: when all have, tell. */
void fh_delivery_tell(struct fh_pipeline *pipeline);
/* Sleep, but wake for a change of role, a confirmation or the end. */
void fh_delivery_pause(struct delivery *delivery, int64_t ms);
/* The fence: must this sink keep quiet? Any thread. */
bool fh_delivery_fenced(const struct delivery *delivery);
/* Is the sink still to do what it was doing when it delivered in that epoch? */
bool fh_delivery_in_force(const struct delivery *delivery);

/* promise.c: what is printed at the start and shown by status. */
void fh_delivery_promise(const struct fh_config *config, const struct fh_config_sink *sink,
                         const struct fh_sink_ops *ops, char text[FH_PROMISE_MAX]);

/* deliver.c */
void fh_delivery_failed(struct delivery *delivery, const struct fh_error *err);
void fh_delivery_ok(struct delivery *delivery);
/* This node leads no more: whether the sink works, the other one finds out. */
void fh_delivery_forget(struct delivery *delivery);
/* It failed when this node led last, less than pair.damping_ms ago. Any thread. */
bool fh_delivery_suspect(const struct delivery *delivery);
/* The far side says "not yet": said in the journal when it lasts. */
void fh_delivery_stalled(struct delivery *delivery, const struct fh_error *err);
/* One turn of delivering, bounded in time. */
void fh_delivery_turn(struct delivery *delivery);
/* End the batch in progress, as far as it can be done now. */
void fh_delivery_end_batch(struct delivery *delivery);
/* The outstanding batch is done with: count what was in it. */
void fh_delivery_count(struct delivery *delivery);
/* Publish what waits, if the peer and the fence let it be. */
void fh_delivery_release(struct delivery *delivery);
/* Throw away the batch in progress; what is outstanding stays. */
void fh_delivery_abandon(struct delivery *delivery);
void fh_delivery_forget_batch(struct delivery *delivery);
/* Put a command to the writer that it answers by fh_delivery_numbered. */
void fh_delivery_ask(struct delivery *delivery, struct command *command);
/* Did it answer? Then *ret_number is the report's number, 0 when there was none to make. */
bool fh_delivery_answered(struct delivery *delivery, uint64_t *ret_number);
/* Writer: what the question with this token was about is durable under this number. */
void fh_delivery_numbered(struct delivery *delivery, uint64_t token, uint64_t number);
/* The outstanding report has its number. */
bool fh_delivery_has_number(struct delivery *delivery);

/* lead.c */
/* True when the first batch may be written; else it has done something towards it, or waited. */
bool fh_delivery_ready(struct delivery *delivery);
/* After an error of the far side: what became of the last batch is not known. */
void fh_delivery_doubt_far_side(struct delivery *delivery);

/* settle.c */
void fh_delivery_settle(struct delivery *delivery);
/* Nothing is in doubt any more and the writer has taken note: the cursor stands where it belongs,
 * and delivering will not begin with a batch that was just published. */
bool fh_delivery_settled(struct delivery *delivery);
/* Writer: a report that is in doubt must not reach the peer before it is decided. */
bool fh_delivery_undecided(struct fh_pipeline *pipeline, const struct fh_report *report);
/* Writer: a report in doubt that nobody will decide, for the sink is no longer listed. The peer
 * would wait for that, and for ever. */
bool fh_delivery_of_no_sink(const struct fh_pipeline *pipeline, const struct fh_report *report);

#endif
