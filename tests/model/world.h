/* world.h: the model of a pair: virtual time, two hosts with a store and a sink each, a hostile
 * link, an arbiter on a third host. One seed is one schedule. What the machines decide is held
 * against what became visible.
 *
 * world.c time, chance, the queue    hosts.c store, sink, what the machine orders
 * network.c link and arbiter         faults.c what goes wrong, and the operator
 * invariants.c what must hold        model_pair.c one schedule after the other, mutants */
#ifndef FH_MODEL_WORLD_H
#define FH_MODEL_WORLD_H

#include "fsm.h"
#include "lease.h"
#include "mutants.h"

#include "fh/err.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#define MS              ((int64_t)1000000)
#define HEARTBEAT_MS    300
#define FAILURE_AFTER   5
#define FAILURE_MS      (HEARTBEAT_MS * FAILURE_AFTER)
#define JOIN_MS         3000
#define TTL_MS          2000
#define HANDOVER_MS     3000
#define DAMPING_MS      10000
#define REQUEST_MS      1000
#define TICK_MS         75
#define EVENT_MS        500
#define FAULTS_MS       25000
#define CALM_MS         24000 /* after the last fault: convergence within this less the next ... */
#define STEADY_MS       6000  /* ... and no change of role during this */
#define BASE_MS         1000000
#define REPORTS_MAX     1024
#define EVENTS_MAX      128
#define EPOCHS_MAX      1024
#define PORTION         8
#define FRAMES_MAX      4096
#define STORE_IDS_APART 10 /* of a node's store and the next one, when its disk is lost */
#define PREPARED_MAX    4  /* batches waiting for the peer */

struct report {
    enum fh_report_state state;
    uint64_t epoch;
    uint32_t event;
    bool visible;      /* the file is there */
    uint64_t known_to; /* ... with the knowledge of this store of the peer; 0: alone */
};

enum op { OP_EPOCH, OP_ADD, OP_APPLY, OP_SETTLE, OP_STOP, OP_WANTS };

struct node {
    /* survives a crash */
    uint64_t store_id, epoch;
    bool last_primary, maintenance;
    struct report report[REPORTS_MAX]; /* own, by number - 1 */
    uint64_t report_count;
    uint64_t open_from;      /* no report below it is in doubt */
    bool marked[EVENTS_MAX]; /* delivered, as far as this store knows */
    uint32_t first_unmarked;
    uint64_t peer_store, peer_applied; /* reports of the peer's store of that id */
    bool empty;                        /* wiped, and not started since */
    uint32_t have_from; /* the store holds, or will be sent, all events from this one on */
    /* belongs to the host */
    bool preferred, safety;
    uint8_t version;
    int64_t drift_ppm, offset;
    /* dies with the process */
    bool alive;
    unsigned life;
    int64_t paused_until;
    int64_t live_at, ill_until;
    int64_t store_free; /* the store's queue is worked off one by one */
    bool delivering, stopping, draining, in_sync;
    int64_t drain_end;
    struct fh_time until; /* the fence */
    uint64_t delivering_epoch, confirmed, adding;
    uint64_t sequence, handed_store, handed, ticks;
    uint32_t fetch_from; /* streams that are being opened will bring what came since */
    struct fh_checkpoint peer_checkpoint;
    uint64_t requests; /* to the arbiter */
    uint64_t open_request[8];
    struct fh_fsm fsm;
};

enum what {
    EV_TICK,
    EV_FRAME,
    EV_OP,
    EV_START,
    EV_CONNECT,
    EV_FAULT,
    EV_WAKE,
    EV_ASKED,    /* a request reaches the arbiter */
    EV_ANSWERED, /* its answer reaches the node */
    EV_NO_ANSWER,
    EV_WITNESS_START,
};

struct event {
    int64_t at;
    uint64_t order;
    enum what what;
    int node;
    unsigned life;
    enum op op;
    int frame; /* -1: none */
    uint64_t a, b;
    struct report report;
};

/* A message on its way; reports carry their bytes. */
struct frame {
    int next_free;
    size_t len; /* encoded; 0: as a value */
    struct fh_wire_message message;
    unsigned char bytes[FH_WIRE_SMALL_MAX];
};

struct request {
    enum fh_lease_operation operation;
    uint64_t number, epoch;
    struct fh_alone_claim claim;
    struct fh_time asked_at; /* the asker's clock */
};

struct answer {
    struct fh_fsm_arbiter_answer answer;
    uint64_t number;
};

enum sink { SINK_PREPARES, SINK_ASKED };

struct world {
    uint64_t seed, random, order;
    int64_t now;
    bool failed, calm;
    bool clean;     /* one fault at a time, and only when the pair is protected */
    bool arbiter;   /* there is one */
    bool encoded;   /* messages go as bytes */
    bool old;       /* one node speaks version 1 of the link */
    bool datagrams; /* heartbeats go as datagrams, too */
    bool careful;   /* an arbiter, and both nodes prefer safety */
    bool promotes;  /* the operator has a node lead that waits for the other one */
    bool stops;     /* some ends of a process are planned: its sinks stop, it says farewell */
    bool wipes;     /* disks are lost, but never both: between two the pair was ready again */
    bool wiped;     /* one was */
    int unhealed;   /* node + 1 that has not been part of a ready pair since */
    bool gone[EVENTS_MAX];    /* prepared and not published on a disk that was lost */
    bool unknown[EVENTS_MAX]; /* published, which only a disk knew that was lost */
    enum sink sink;
    struct node node[2];
    size_t paths;
    int loss, dup; /* per thousand */
    int64_t delay_max;
    int64_t cut_until[2][FH_WIRE_PATHS_MAX]; /* from node, path */
    int64_t arbiter_cut_until[2][2];         /* node; to it, from it */
    bool witness_alive;
    unsigned witness_life;
    int64_t witness_drift_ppm;
    struct fh_lease lease;
    struct fh_lease_record stored;
    bool stored_any;
    struct request request[FRAMES_MAX];
    struct answer answer[FRAMES_MAX];
    size_t request_count, answer_count;
    unsigned published[EVENTS_MAX];
    int publisher[EVENTS_MAX]; /* node + 1 */
    int epoch_owner[EPOCHS_MAX];
    bool split;               /* both could publish at once */
    bool blind;               /* somebody led who could not know what the other one had published */
    uint64_t barred, ordered; /* waited for the other one; led by the operator's order */
    int64_t last_change;
    uint64_t steps, faults, promotions, handovers, stopped;
};

extern struct world w;
extern bool tracing;
extern const char *failure_reason;

/* world.c */
uint64_t rnd(uint64_t below);
static inline bool chance(uint64_t one_in)
{
    return rnd(one_in) == 0;
}
void fail(const char *format, ...) FH_PRINTF(1, 2);
void trace_line(const char *format, ...) FH_PRINTF(1, 2);
#define trace(...) (tracing ? trace_line(__VA_ARGS__) : (void)0)
struct fh_time clock_of(int n);
void queue_reset(void);
void push(struct event event);
bool pop(struct event *ret);
void later(enum what what, int node, int64_t after_ms);
int frame_new(void);
struct frame *frame_at(int index);
void frame_free(int index);

/* network.c */
bool is_cut(int from, size_t path);
void transmit(int from, size_t path, const struct fh_wire_message *message, bool datagram);
void frame_arrived(const struct event *event);
void path_event(int n, size_t path, enum fh_path_event event);
void inbound(int n, size_t count);
void connect_paths(int n);
void ask_arbiter(int n, enum fh_lease_operation operation, const struct fh_fsm_action *action);
void arbiter_event(const struct event *event);
void witness_start(void);
void witness_crash(void);

/* hosts.c */
void step(int n, const struct fh_fsm_input *input);
void tick(int n);
void op_done(const struct event *event);
void start_node(int n);
void sink_turn(int n); /* the sink's thread */
void push_local(int n);

/* faults.c */
void fault(void);
void stopped(int n); /* it has left the pair by plan, the process ends */
void calm_down(void);

/* invariants.c */
bool able(int n); /* could it publish at this instant? */
void check_two(void);
void check_start(int n, uint64_t epoch);
void check_blind(int n);
void check_forgotten(int n);
void check_publisher(int n);
void check_published(int n, uint32_t event);
void check_barred(int n);
void check_release(int n, uint64_t epoch);
void check_step(void);
void check_end(void);

#endif
