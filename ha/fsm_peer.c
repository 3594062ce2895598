/* fsm_peer.c: owns what is known of the peer: who it is, whether a pair can be formed with it, what
 * it said last. Decides nothing about roles. */
#include "fsm_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void fh_fsm_describe_loss(const struct fh_fsm *fsm, struct fh_time now, char *text, size_t size)
{
    int64_t age = fh_time_diff_ms(now, fsm->detector.last_heard);
    switch (fsm->detector.verdict) {
    case FH_PEER_GONE:
        snprintf(text, size, "connection refused by the peer's host, last heard %" PRId64 " ms ago",
                 age);
        break;
    case FH_PEER_DEPARTED:
        snprintf(text, size, "the peer said goodbye");
        break;
    case FH_PEER_SILENT:
        snprintf(text, size, "nothing heard on %zu path%s for %" PRId64 " ms",
                 fsm->detector.path_count, fsm->detector.path_count == 1 ? "" : "s", age);
        break;
    default:
        snprintf(text, size, "nobody heard for %" PRId64 " ms", fh_time_diff_ms(now, fsm->started));
    }
}

/* Why the two cannot be a pair; empty when they can. */
static void judge_identity(const struct fh_fsm *fsm, const struct fh_wire_hello *hello, char *why,
                           size_t size)
{
    const struct fh_fsm_options *own = &fsm->options;
    why[0] = '\0';
    if (!hello->complete) {
        snprintf(why, size,
                 "it speaks versions %u to %u of the link's protocol and this node %u to %u; "
                 "upgrade the older node",
                 hello->version_min, hello->version_max, FH_WIRE_VERSION_MIN, FH_WIRE_VERSION_MAX);
    } else if (strcmp(hello->node, own->node) == 0) {
        snprintf(why, size,
                 "both nodes are called \"%s\"; give each a node.name of its own, and check that "
                 "pair.peers does not point at this node itself",
                 own->node);
    } else if (hello->replica_id == own->replica_id) {
        snprintf(why, size,
                 "both nodes use firehose.replica_id = %" PRId64
                 " and would take events from each other; give each its own",
                 own->replica_id);
    } else if (hello->store_id == own->store_id) {
        snprintf(why, size,
                 "both nodes have the same store; one state directory is a copy of the other's, "
                 "empty it on one of them");
    }
}

static void on_state(struct fh_fsm *fsm, struct fh_time now, uint64_t sequence,
                     const struct fh_wire_state *state, struct fh_fsm_actions *actions)
{
    if (sequence <= fsm->peer.state_sequence) {
        return; /* the same beat over another path, or late */
    }
    fh_detector_echoed(&fsm->detector, now, state->heard_paths);
    fh_detector_datagram_echoed(&fsm->detector, now, state->datagram_paths);
    fsm->peer.state_sequence = sequence;
    if (state->role != fsm->peer.hello.state.role || !fh_time_is_set(fsm->peer.role_since)) {
        fsm->peer.role_since = now;
    }
    fsm->peer.hello.state = *state;
    fsm->peer.beat_at = now;
    bool leads = state->role == FH_ROLE_PRIMARY || state->role == FH_ROLE_PROMOTING ||
                 (state->role == FH_ROLE_DEMOTING && state->yield_epoch == 0);
    if (!leads) {
        fh_fsm_promise_over(fsm);
    }
    if (state->epoch > fsm->seen) {
        fsm->seen = state->epoch;
    }
    if (fsm->peer.refused[0] != '\0') {
        return;
    }
    /* Told of another store (ours was emptied since): it holds nothing that is in this one. */
    uint64_t held = state->report_store == fsm->options.store_id ? state->report_applied : 0;
    if (state->echo == fsm->options.instance && fh_sync_confirmed(&fsm->sync, held)) {
        fh_fsm_add(actions, FH_FSM_PEER_CONFIRMED)->number = held;
    }
    fh_fsm_take_promise(fsm, state);
    struct fh_checkpoint grown = fsm->peer_delivered;
    fh_checkpoint_merge_max(&grown, &state->delivered);
    if (memcmp(&grown, &fsm->peer_delivered, sizeof(grown)) != 0) {
        fsm->peer_delivered = grown;
        fh_fsm_add(actions, FH_FSM_PEER_CHECKPOINT)->u.checkpoint = grown;
    }
}

static void on_hello(struct fh_fsm *fsm, struct fh_time now, const struct fh_wire_message *message,
                     struct fh_fsm_actions *actions)
{
    const struct fh_wire_hello *hello = &message->u.hello;
    struct fh_fsm_peer *peer = &fsm->peer;
    bool new_instance = peer->instance != message->instance;
    char why[sizeof(peer->refused)];
    judge_identity(fsm, hello, why, sizeof(why));
    if (new_instance) {
        peer->instance = message->instance;
        peer->state_sequence = 0;
        peer->reports_sent = 0;
        peer->met = now;
        peer->role_since = (struct fh_time){0};
        fh_fsm_promise_over(fsm); /* whom it was given to is no more */
        peer->greeted = false;
        fsm->beat_now = true; /* introduce ourselves at once */
    }
    if (new_instance || message->sequence > peer->state_sequence) {
        struct fh_wire_state before = peer->hello.state;
        peer->hello = *hello;
        if (!new_instance) {
            peer->hello.state = before; /* on_state below takes it over */
        }
    }
    if (strcmp(why, peer->refused) != 0) {
        snprintf(peer->refused, sizeof(peer->refused), "%s", why);
        if (why[0] != '\0') {
            fh_fsm_notice(actions, FH_LOG_PEER_REFUSED, true, -1, "no pair with node %s: %s",
                          hello->node, why);
        }
        new_instance = true;
    }
    if (new_instance && why[0] == '\0') {
        fh_sync_peer_joined(&fsm->sync, hello->store_id);
    } else if (new_instance) {
        fh_sync_peer_lost(&fsm->sync);
    }
    if (hello->complete) {
        on_state(fsm, now, message->sequence, &hello->state, actions);
    } else if (hello->state.epoch > fsm->seen) {
        fsm->seen = hello->state.epoch;
    }
}

static void on_report(struct fh_fsm *fsm, struct fh_time now, const struct fh_wire_report *report,
                      struct fh_fsm_actions *actions)
{
    bool lead = fsm->role == FH_ROLE_PRIMARY || fsm->role == FH_ROLE_PROMOTING;
    uint64_t before = fsm->sync.refused;
    switch (fh_sync_take(&fsm->sync, now, report, fsm->epoch, lead)) {
    case FH_SYNC_HAND_OVER:
        fh_fsm_add(actions, FH_FSM_PEER_REPORT)->number = report->number;
        break;
    case FH_SYNC_REFUSED:
        if (before != report->number) {
            fh_fsm_notice(actions, FH_LOG_SYNC, true, -1,
                          "report %" PRIu64
                          " of the peer is not accepted: it is in doubt and of an epoch that is "
                          "over (or cannot be read); waiting for the peer to settle it",
                          report->number);
        }
        break;
    case FH_SYNC_REPEATED: /* our confirmation may have been lost: the next heartbeat repeats it */
    case FH_SYNC_GAP:
        break;
    }
}

static void on_confirm(struct fh_fsm *fsm, uint64_t store_id, uint64_t number,
                       struct fh_fsm_actions *actions)
{
    if (store_id == fsm->options.store_id && fh_sync_confirmed(&fsm->sync, number)) {
        fh_fsm_add(actions, FH_FSM_PEER_CONFIRMED)->number = number;
    }
}

/* What a state says of reports is said behind them in the same connection: what is missing then is
 * lost. A datagram overtakes them; asked for by its word, all that waits in a slow connection would
 * be sent again. */
static void note_reports(struct fh_fsm_peer *peer, const struct fh_wire_state *state)
{
    if (state->report_last > peer->reports_sent) {
        peer->reports_sent = state->report_last;
    }
}

static void on_goodbye(struct fh_fsm *fsm, uint64_t instance)
{
    fsm->peer.departed = instance;
    fh_fsm_promise_over(fsm);
    fh_detector_goodbye(&fsm->detector);
}

int fh_fsm_on_message(struct fh_fsm *fsm, struct fh_time now, const struct fh_wire_message *message,
                      struct fh_fsm_actions *actions)
{
    if (message->instance == fsm->peer.departed) {
        return 0; /* what was still on the way when it left says nothing about now */
    }
    /* Who was lost is back with its state: what it said before may be over, and a report that comes
     * first would make that count again. */
    if (fh_fsm_peer_present(fsm) || message->type == FH_WIRE_HELLO ||
        message->type == FH_WIRE_HEARTBEAT || FH_MUTANT(BACK_WITHOUT_STATE)) {
        fh_detector_heard(&fsm->detector, now, message->path,
                          message->type == FH_WIRE_HELLO &&
                              message->instance != fsm->peer.instance);
    }
    if (message->type == FH_WIRE_HELLO) {
        on_hello(fsm, now, message, actions);
        note_reports(&fsm->peer, &message->u.hello.state);
        return 0;
    }
    if (message->instance != fsm->peer.instance) {
        return 0; /* it will say HELLO as long as our heartbeats do not name it */
    }
    if (message->type == FH_WIRE_HEARTBEAT) {
        note_reports(&fsm->peer, &message->u.heartbeat);
        on_state(fsm, now, message->sequence, &message->u.heartbeat, actions);
        return 0;
    }
    if (message->type == FH_WIRE_GOODBYE) {
        on_goodbye(fsm, message->instance);
        return 0;
    }
    if (fsm->peer.refused[0] != '\0') {
        return 0;
    }
    switch (message->type) {
    case FH_WIRE_REPORT:
        on_report(fsm, now, &message->u.report, actions);
        return 0;
    case FH_WIRE_CONFIRM:
        on_confirm(fsm, message->u.confirm.store_id, message->u.confirm.number, actions);
        return 0;
    case FH_WIRE_WANT:
        if (message->u.want.store_id == fsm->options.store_id) {
            fh_sync_asked(&fsm->sync, message->u.want.from, message->u.want.min_timestamp_ms);
        }
        return 0;
    case FH_WIRE_SAMPLE:
        fh_replica_sample(&fsm->replica, fsm->sync.local.slice, fsm->sync.local.slices_from_ms,
                          &message->u.sample);
        return 0;
    case FH_WIRE_ANSWERED:
        fh_sync_answered(&fsm->sync, now, message->u.answered.previous,
                         message->u.answered.through);
        return 0;
    default:
        return -EBADMSG;
    }
}

int fh_fsm_on_datagram(struct fh_fsm *fsm, struct fh_time now,
                       const struct fh_wire_message *message, struct fh_fsm_actions *actions)
{
    const struct fh_fsm_peer *peer = &fsm->peer;
    if (message->type != FH_WIRE_HEARTBEAT) {
        return -EBADMSG;
    }
    if (peer->instance == 0 || message->instance != peer->instance ||
        message->instance == peer->departed) {
        return 0;
    }
    fh_detector_datagram(&fsm->detector, now, message->path);
    on_state(fsm, now, message->sequence, &message->u.heartbeat, actions);
    return 0;
}

/* Where uids or stamps differ, copies are told by what they say and by counting those that say the
 * same on one connection: not possible for a record that came by no connection. */
static bool known_by_uid(const struct fh_fsm *fsm)
{
    return fsm->sync.local.dedup_key == FH_KEY_UID_TIMESTAMP + 1 &&
           fsm->peer.hello.state.dedup_key == FH_KEY_UID_TIMESTAMP + 1;
}

bool fh_fsm_may_offer(const struct fh_fsm *fsm)
{
    return fsm->role == FH_ROLE_STANDBY && fsm->ready && fh_fsm_peer_usable(fsm) &&
           fsm->peer.hello.state.role == FH_ROLE_PRIMARY && fh_fsm_version(fsm) >= 2 &&
           known_by_uid(fsm) && fh_replica_same(&fsm->replica);
}

bool fh_fsm_may_take(const struct fh_fsm *fsm)
{
    return fsm->role == FH_ROLE_PRIMARY && fh_fsm_peer_usable(fsm) && known_by_uid(fsm);
}

bool fh_fsm_datagrams(const struct fh_fsm *fsm)
{
    const struct fh_fsm_peer *peer = &fsm->peer;
    /* Also to a peer that is not heard: what comes back first may be a datagram. */
    return fsm->options.datagrams && peer->instance != 0 && peer->hello.state.datagrams &&
           fh_fsm_peer_knows_us(fsm) && peer->instance != peer->departed &&
           fsm->detector.verdict != FH_PEER_GONE;
}
