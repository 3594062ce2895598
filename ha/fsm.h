/* fsm.h: the role machine of a node: who leads, and why.
 *
 *     STARTING --> STANDBY <--> PROMOTING --> PRIMARY --> DEMOTING --> STANDBY
 *         \-----------------------^
 *
 * Time and one input go in, a list of actions comes out; whoever runs the machine (ha.c with
 * sockets, the model test with a virtual link) performs them in their order. An action that asks
 * for work is answered by an input later. Every change of role carries its reason and evidence.
 *
 * Rules that everything rests on:
 *  1. An epoch is durable before anything is done in it (PERSIST_EPOCH, then START_DELIVERY).
 *  2. The two nodes take epochs of different parity, so an epoch belongs to one node by
 *     construction, even when neither hears the other.
 *  3. Who hears of a higher epoch stops delivering first and says so afterwards.
 *  4. Who stood still for longer than the failure time listens before it goes on.
 *  5. What an earlier process left in doubt, or a demotion, is settled before delivery starts, by
 *     what the peer holds if it can be asked.
 *  6. Nothing becomes visible at or behind the fence (PUBLISH_UNTIL), and the fence is moved on
 * only by a right to lead: the lease of the arbiter, or the promise of the peer. See fsm_fence.c.
 *     Without arbiter a primary that hears nobody gives itself that right.
 *
 * Pure: no clock, I/O, log or allocation. */
#ifndef FH_HA_FSM_H
#define FH_HA_FSM_H

#include "fh/clock.h"
#include "fh/log_ids.h"
#include "fh/role.h"

#include "detector.h"
#include "sync.h"
#include "wire.h"

#define FH_FSM_REASON_MAX  160
#define FH_FSM_ACTIONS_MAX 40

struct fh_fsm_options {
    char node[FH_WIRE_NODE_MAX];
    uint64_t instance; /* random, not 0, new per process */
    uint64_t store_id;
    int64_t replica_id;
    uint16_t partitions; /* bit per partition read */
    bool preferred;
    bool prefer_safety;
    bool odd_epochs; /* must differ between the nodes */
    int64_t heartbeat_ms, failure_after, join_timeout_ms;
    size_t path_count;
    uint64_t epoch; /* persisted */
    bool last_primary;
    bool maintenance; /* persisted operator's order */
    bool arbiter;     /* there is one */
    int64_t lease_ttl_ms;
    int64_t handover_after_ms, damping_ms;
    uint8_t version_max; /* of the link's protocol; 0: the newest */
    bool datagrams;      /* takes and sends heartbeats as datagrams, too */
};

enum fh_fsm_input_type {
    FH_FSM_TICK, /* at least every heartbeat / 4 */
    FH_FSM_MESSAGE,
    FH_FSM_DATAGRAM, /* a HEARTBEAT that came as one, of the process whose HELLO was accepted */
    FH_FSM_PATH,
    FH_FSM_INBOUND,
    FH_FSM_LOCAL,
    FH_FSM_EPOCH_DONE,
    FH_FSM_DELIVERY_STOPPED,
    FH_FSM_SETTLED,
    FH_FSM_UNSETTLED,  /* something is in doubt still: ask the peer again */
    FH_FSM_APPLIED,    /* a report of the peer is durable */
    FH_FSM_OWN_REPORT, /* to be sent */
    FH_FSM_WANTS_ANSWERED,
    FH_FSM_ARBITER,     /* an answer came */
    FH_FSM_SWITCHOVER,  /* operator's; ask fh_fsm_switch_refused first */
    FH_FSM_MAINTENANCE, /* operator's */
    FH_FSM_PROMOTE,     /* operator's, forced; ask fh_fsm_promote_refused first */
    FH_FSM_LEAVE, /* the process is about to end: STOP_DELIVERY, and LEFT within a second; from
                     now on it changes no role and asks for nothing */
    FH_FSM_STOP,  /* planned end of the process, after LEFT: the farewell */
};

/* arbiter.h's answers, without its I/O. */
enum fh_fsm_arbiter_result {
    FH_FSM_ARBITER_GRANTED,
    FH_FSM_ARBITER_DENIED,
    FH_FSM_ARBITER_RELEASED,
    FH_FSM_ARBITER_UNREACHABLE,
};
struct fh_fsm_arbiter_answer {
    enum fh_fsm_arbiter_result result;
    uint64_t epoch;
    const char *holder, *text;
    int64_t ttl_ms;
    struct fh_time asked_at;
    uint16_t stint;   /* GRANTED: noted; 0: the arbiter notes none */
    bool other_alone; /* GRANTED: the peer was alone when it led last */
    bool alone;       /* DENIED because of that */
};

/* What goes with a question to the arbiter, see fsm_alone.c and arbiter.h. */
struct fh_fsm_claim {
    uint16_t stint;
    bool knows_other, careful;
};

struct fh_fsm_input {
    enum fh_fsm_input_type type;
    union {
        const struct fh_wire_message *message;
        struct {
            size_t index;
            enum fh_path_event event;
        } path;
        size_t inbound;
        const struct fh_sync_local *local;
        struct {
            uint64_t epoch;
            int result;
        } epoch_done;
        struct {
            uint64_t store_id, number;
        } applied;
        struct {
            uint64_t number;
            size_t len;
        } own_report;
        uint64_t next_number;
        bool on; /* maintenance */
        const struct fh_fsm_arbiter_answer *arbiter;
    } u;
};

enum fh_fsm_action_type {
    /* orders to the host, see ha.h */
    FH_FSM_PERSIST_EPOCH,
    FH_FSM_START_DELIVERY,
    FH_FSM_STOP_DELIVERY,
    FH_FSM_RESUME_STREAMS,
    FH_FSM_PEER_REPORT, /* hand over the report of the message that is the input */
    FH_FSM_PEER_CONFIRMED,
    FH_FSM_PEER_WANTS,
    FH_FSM_PEER_IN_SYNC,
    FH_FSM_SETTLE_IN_DOUBT,
    FH_FSM_PEER_CHECKPOINT,
    FH_FSM_DRAIN_DELIVERY, /* number: limit in ms */
    FH_FSM_PUBLISH_UNTIL,
    FH_FSM_REPLICAS_DIFFER, /* number: the key that knows the copies */
    FH_FSM_LEFT, /* flag: the arbiter has back what it granted; else it is not waited for */
    /* to the arbiter, for the epoch in number */
    FH_FSM_LEASE_ACQUIRE,
    FH_FSM_LEASE_RENEW,
    FH_FSM_LEASE_RELEASE,
    /* to the link */
    FH_FSM_SEND_STATE,    /* HELLO (flag) or HEARTBEAT on every path: fh_fsm_fill_state */
    FH_FSM_SEND_DATAGRAM, /* HEARTBEAT as a datagram on every path */
    FH_FSM_SEND_REPORT,   /* the report of the input, on the first path that is up */
    FH_FSM_SEND,          /* message, on the first path that is up */
    FH_FSM_SEND_GOODBYE,
    /* to the journal */
    FH_FSM_ROLE_CHANGED,
    FH_FSM_NOTICE,
};

struct fh_fsm_action {
    enum fh_fsm_action_type type;
    uint64_t number; /* epoch, report number, previous number (SEND_REPORT) */
    bool flag;       /* as_primary, in_sync, known, hello */
    union {
        struct fh_checkpoint checkpoint;
        struct fh_time until;
        struct fh_wire_message message; /* type and body; who sends fills the rest */
        struct fh_fsm_claim claim;      /* LEASE_ACQUIRE, LEASE_RENEW, LEASE_RELEASE */
        struct {
            enum fh_role from, to;
            char reason[FH_FSM_REASON_MAX];
            char evidence[FH_FSM_REASON_MAX];
        } role;
        struct {
            enum fh_log_id id;
            bool alarm; /* a warning, not a notice */
            bool keep;  /* in the history, too: why the role stays (fsm.reason), and evidence */
            char evidence[FH_FSM_REASON_MAX];
            int path; /* -1: not about a path */
            char text[2 * FH_FSM_REASON_MAX];
        } notice;
        struct {
            uint64_t from;
            int64_t min_timestamp_ms;
        } wants;
    } u;
};

struct fh_fsm_actions {
    size_t count;
    struct fh_fsm_action action[FH_FSM_ACTIONS_MAX];
};

struct fh_fsm_peer {
    uint64_t instance; /* of the HELLO that was accepted or refused last; 0 = none yet */
    uint64_t departed; /* instance that said goodbye */
    uint64_t state_sequence;
    uint64_t reports_sent;      /* up to here they are in front of us in the connection */
    struct fh_time met;         /* when this instance introduced itself */
    struct fh_wire_hello hello; /* .state: as of the latest HELLO or HEARTBEAT */
    char refused[200];          /* why no pair can be formed with it; empty = it can */
    bool greeted;               /* logged PEER_UP */
    struct fh_time beat_at;     /* when its latest state was heard */
    struct fh_time role_since;  /* since when it says it has this role */
};

#define FH_FSM_BEATS 64 /* whose times are remembered */

/* The right to make things visible; see fsm_fence.c. */
struct fh_fsm_fence {
    struct fh_time until;        /* as the host knows it; unset: not since start_delivery */
    struct fh_time fenced_since; /* it lies behind us */
    bool fenced_told;
    uint64_t beat; /* of our states */
    struct fh_time beat_at[FH_FSM_BEATS];
    struct fh_time promised;    /* the peer follows us until then ... */
    uint64_t promised_epoch;    /* ... in this epoch */
    struct fh_time own_promise; /* we follow the peer until then ... */
    uint64_t own_promise_epoch; /* ... in this epoch */
    struct fh_time quiet;       /* maintenance is over; it does not lead until then ... */
    uint64_t quiet_beat;        /* ... or the peer has heard this beat or a later one */
    bool hold;                  /* stood still, and nobody was heard since */
    struct fh_time hold_since;
    uint64_t hold_beat; /* an answer to this one or a later one was said afterwards */
};

/* What is known of the arbiter; see fsm_lease.c. */
struct fh_fsm_lease {
    uint64_t want;              /* epoch asked for or held; 0 = none */
    uint64_t spent;             /* up to here epochs are of no use for asking */
    struct fh_time until;       /* held until then */
    struct fh_time granted_for; /* when the latest granted request was sent */
    bool needed;                /* by what happened in this step */
    bool waiting;               /* for an answer */
    struct fh_time asked_at, retry_at;
    struct fh_time
        others_at; /* when the latest question was sent that another one's lease denied */
    bool reachable, told_down;
    bool unreachable_for_want; /* it did not answer when asked for want */
    char holder[FH_WIRE_NODE_MAX];
    char error[FH_FSM_REASON_MAX];
};

/* Who has published what the other one does not know; see fsm_alone.c. Of the epoch asked for. */
struct fh_fsm_alone {
    uint16_t stint, noted;
    bool answered;                /* a grant has told the following two */
    bool supported;               /* the arbiter notes it */
    bool other;                   /* the peer was alone when it led last */
    bool knows;                   /* all that the peer has published, or it is not asked for */
    bool careful;                 /* asks for the lease only if the peer was not */
    bool barred;                  /* the arbiter denies it therefore */
    bool barred_told;             /* and that was said */
    struct fh_time covered_since; /* the peer confirms; publication waits for it */
    uint64_t covered_from;        /* ... and the number that counts, 0: not known yet */
    struct fh_time forced_until;  /* an operator's order to lead all the same */
};

enum fh_fsm_doubt { FH_FSM_DOUBT_OPEN, FH_FSM_DOUBT_ASKED, FH_FSM_DOUBT_SETTLED };

/* Fields stand with what they belong to, not where they would pack best. */
struct fh_fsm { /* NOLINT(clang-analyzer-optin.performance.Padding) */
    struct fh_fsm_options options;
    int64_t failure_ms;
    struct fh_detector detector;
    struct fh_sync_state sync;
    struct fh_fsm_peer peer;

    enum fh_role role;
    uint64_t epoch; /* persisted */
    bool last_primary;
    uint64_t seen; /* highest epoch heard of */
    char reason[FH_FSM_REASON_MAX];

    struct fh_time started;
    struct fh_time last_step;
    struct fh_time last_beat;
    struct fh_time last_datagram;
    bool beat_now;
    bool leaving; /* see fsm_leave.c */
    bool left;
    struct fh_time leave_until;
    bool stopped;

    uint64_t persisting; /* epoch on its way to the disk, 0 = none */
    bool persisting_as_primary;
    struct fh_time retry_at; /* after a failed write of the epoch */

    /* PROMOTING */
    uint64_t target;
    bool from_standby;
    struct fh_time drain_until;
    uint64_t drain_held; /* of the peer's reports, and when it grew */
    struct fh_time drain_grew;
    char evidence[FH_FSM_REASON_MAX];

    enum fh_fsm_doubt doubt;
    uint64_t doubt_epoch; /* the doubts are of reports of this epoch; 0: of an earlier process */
    struct fh_fsm_fence fence;
    struct fh_fsm_lease lease;
    struct fh_fsm_alone alone;

    /* hand-over, see fsm_switch.c */
    bool maintenance;
    bool switching; /* draining for the peer */
    bool switching_automatic;
    uint64_t yield_epoch; /* stopped in it for the peer; 0 = no */
    struct fh_time yield_until;
    struct fh_time ill_since;    /* own health is bad and the peer's is good */
    struct fh_time automatic_at; /* latest change of role that no operator ordered */
    bool by_silence;             /* leads because the peer fell silent */
    uint64_t silent_instance;    /* ... which was this process */
    struct fh_time flapped_at;   /* a change because of silence turned out to be needless */

    struct fh_replica_state replica;
    bool replicas_differ;
    enum fh_dedup_key key_ordered; /* the widest one of the orders so far */
    size_t slice_told;             /* whose turn it is */
    struct fh_time peer_lost_at;
    bool in_sync_told;
    bool protected_told;
    bool ready;
    bool ready_told;
    bool waiting_told;                   /* said that nobody is heard and that we stay */
    struct fh_checkpoint peer_delivered; /* handed to the host */
    uint64_t promotions, demotions;
    enum fh_promotion cause; /* of the promotion under way */
    uint64_t promoted[FH_PROMOTION_COUNT];
};

void fh_fsm_init(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_options *options);
/* 0, or -EBADMSG for a message that makes no sense (dropped, actions are valid all the same). */
int fh_fsm_step(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_input *input,
                struct fh_fsm_actions *ret);
/* May the role be handed over? 0, or negative errno and the sentence why not; with force the
 * sentence says what may be lost or doubled. */
int fh_fsm_switch_refused(const struct fh_fsm *fsm, bool force, char *text, size_t size);
/* May the operator order this node to lead without being elected? 0, or negative errno and the
 * sentence why not; with force the sentence says what may be doubled. */
int fh_fsm_promote_refused(const struct fh_fsm *fsm, struct fh_time now, bool force, char *text,
                           size_t size);
/* The own state for a HELLO or HEARTBEAT; body only. */
void fh_fsm_fill_state(const struct fh_fsm *fsm, struct fh_time now, bool hello,
                       struct fh_wire_message *ret);
/* Is the peer there, known, and fit for a pair? */
bool fh_fsm_peer_usable(const struct fh_fsm *fsm);
/* Primary that must not publish now. */
bool fh_fsm_fenced(const struct fh_fsm *fsm, struct fh_time now);
/* Stopped so that the peer takes over, which it has not yet. */
bool fh_fsm_yielding(const struct fh_fsm *fsm, struct fh_time now);
/* Does the peer take heartbeats as datagrams, and do we send them? */
bool fh_fsm_datagrams(const struct fh_fsm *fsm);
/* May records that the peer has not received be offered to it: it leads, this node follows and
 * covers everything, and copies of a record are known to carry the same uid and stamp in both
 * replicas, so that the peer can tell what it has? */
bool fh_fsm_may_offer(const struct fh_fsm *fsm);
/* May what the peer offers be taken? */
bool fh_fsm_may_take(const struct fh_fsm *fsm);
/* Version of the link's protocol to speak with this peer. */
uint8_t fh_fsm_version(const struct fh_fsm *fsm);
/* The other node is a ready standby; or we are, and the primary is there. */
bool fh_fsm_protected(const struct fh_fsm *fsm);

#endif
