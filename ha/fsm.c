/* fsm.c: owns the step of the machine: takes an input, lets fsm_peer.c and fsm_role.c judge, and
 * adds what goes with every role: reports, readiness, protection, heartbeats. Never reads a clock,
 * sends, stores or logs. */
#include "fsm_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fh_fsm_action *fh_fsm_add(struct fh_fsm_actions *actions, enum fh_fsm_action_type type)
{
    if (actions->count == FH_FSM_ACTIONS_MAX) {
        abort(); /* our own bug: no step has a third of that to say */
    }
    struct fh_fsm_action *action = &actions->action[actions->count++];
    memset(action, 0, sizeof(*action));
    action->type = type;
    return action;
}

void fh_fsm_notice(struct fh_fsm_actions *actions, enum fh_log_id id, bool alarm, int path,
                   const char *format, ...)
{
    struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_NOTICE);
    action->u.notice.id = id;
    action->u.notice.alarm = alarm;
    action->u.notice.path = path;
    va_list args;
    va_start(args, format);
    vsnprintf(action->u.notice.text, sizeof(action->u.notice.text), format, args);
    va_end(args);
}

void fh_fsm_init(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_options *options)
{
    memset(fsm, 0, sizeof(*fsm));
    fsm->options = *options;
    fsm->failure_ms = options->heartbeat_ms * options->failure_after;
    fh_detector_init(&fsm->detector, options->path_count, fsm->failure_ms);
    fh_sync_init(&fsm->sync, options->heartbeat_ms, fsm->failure_ms);
    fsm->epoch = options->epoch;
    fsm->seen = options->epoch;
    fsm->last_primary = options->last_primary;
    fsm->maintenance = options->maintenance;
    fsm->started = now;
    fsm->last_step = now;
    fsm->beat_now = true;
    snprintf(fsm->reason, sizeof(fsm->reason), "just started, looking for the peer");
}

/* ---- what goes with every role ---- */

static void tell_presence(struct fh_fsm *fsm, struct fh_time now, uint8_t changed_paths,
                          bool was_present, struct fh_fsm_actions *actions)
{
    for (size_t i = 0; i < fsm->detector.path_count; i++) {
        if (changed_paths & (1u << i)) {
            bool up = fsm->detector.path[i].up;
            fh_fsm_notice(actions, up ? FH_LOG_PATH_UP : FH_LOG_PATH_DOWN, !up, (int)i,
                          up ? "the peer hears us over path %zu" : "path %zu to the peer is down",
                          i + 1);
        }
    }
    bool present = fh_fsm_peer_present(fsm);
    if (present && !fsm->peer.greeted && fsm->peer.refused[0] == '\0') {
        fsm->peer.greeted = true;
        fh_fsm_notice(actions, FH_LOG_PEER_UP, false, -1, "node %s is there: %s in epoch %" PRIu64,
                      fsm->peer.hello.node, fh_role_name(fh_fsm_peer_role(fsm)),
                      fsm->peer.hello.state.epoch);
    }
    if (was_present && !present) {
        char text[FH_FSM_REASON_MAX];
        fh_fsm_describe_loss(fsm, now, text, sizeof(text));
        fh_fsm_notice(actions, FH_LOG_PEER_DOWN, true, -1, "node %s is lost: %s",
                      fsm->peer.hello.node, text);
        fsm->peer.greeted = false;
        fsm->peer_lost_at = now;
        fh_sync_peer_lost(&fsm->sync);
    }
    if (was_present != present) {
        if (present && fsm->waiting_told && fh_fsm_idle(fsm)) {
            snprintf(fsm->reason, sizeof(fsm->reason), "the peer is back");
        }
        fsm->waiting_told = false;
        fsm->alone.barred_told = false;
    }
    if (present) {
        fsm->alone.forced_until = (struct fh_time){0}; /* the two can tell by themselves */
    }
}

static void settle(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    const struct fh_wire_state *state = &fsm->peer.hello.state;
    if (fsm->doubt == FH_FSM_DOUBT_OPEN && fsm->role == FH_ROLE_PRIMARY &&
        !fh_fsm_peer_usable(fsm) && fh_fsm_may_be_alone(fsm)) { /* asked again, and alone */
        fsm->doubt = FH_FSM_DOUBT_ASKED;
        fh_fsm_add(actions, FH_FSM_SETTLE_IN_DOUBT)->flag = false;
        return;
    }
    if (fsm->doubt != FH_FSM_DOUBT_OPEN || !fh_fsm_peer_usable(fsm) || !fh_fsm_peer_knows_us(fsm) ||
        !state->applied_final || (fsm->doubt_epoch != 0 && state->epoch <= fsm->doubt_epoch)) {
        return; /* while it follows that epoch, it may still take what is on its way */
    }
    fsm->doubt = FH_FSM_DOUBT_ASKED;
    struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_SETTLE_IN_DOUBT);
    action->flag = !FH_MUTANT(DOUBT_UNKNOWN);
    action->number = state->report_store == fsm->options.store_id ? state->report_applied : 0;
}

/* Resume from where the peer knows everything to be delivered. */
static void fill(const struct fh_fsm *fsm, uint16_t holes, struct fh_fsm_actions *actions)
{
    if (holes == 0) {
        return;
    }
    struct fh_checkpoint *from = &fh_fsm_add(actions, FH_FSM_RESUME_STREAMS)->u.checkpoint;
    for (int i = 0; i < FH_PARTITIONS; i++) {
        bool hole = (holes & 1u << i) != 0;
        from->partition_ms[i] = hole ? fsm->peer.hello.state.delivered.partition_ms[i] : 0;
    }
}

/* A node whose disk was lost leads all the same when it is alone, or the other one must not. What
 * nobody had delivered by then stands in the peer's store and not in ours: it would be delivered
 * by nobody. */
static void fill_as_primary(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fsm->role == FH_ROLE_PRIMARY && fh_fsm_peer_usable(fsm) && fh_fsm_peer_idle(fsm) &&
        !FH_MUTANT(PRIMARY_WITH_HOLE)) {
        fill(fsm, fh_sync_holes(&fsm->sync, now, &fsm->peer.hello.state), actions);
    }
}

static void judge_ready(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fsm->role != FH_ROLE_STANDBY || !fh_fsm_peer_usable(fsm) ||
        fh_fsm_peer_role(fsm) != FH_ROLE_PRIMARY || fsm->peer.hello.state.epoch < fsm->epoch) {
        return; /* what we were when the primary was last heard is what counts */
    }
    uint16_t holes = fh_sync_judge_ready(&fsm->sync, now, &fsm->peer.hello.state,
                                         fsm->options.partitions, fsm->peer.hello.partitions);
    fill(fsm, holes, actions);
    bool ready = fsm->sync.lacks[0] == '\0' && fsm->doubt == FH_FSM_DOUBT_SETTLED;
    fsm->beat_now |= ready != fsm->ready;
    fsm->ready = ready;
    if (ready != fsm->ready_told) {
        fsm->ready_told = ready;
        fh_fsm_notice(actions, FH_LOG_SYNC, !ready, -1,
                      ready ? "standby is ready%s" : "not ready: %s", fsm->sync.lacks);
    }
}

static void exchange_reports(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (!fh_fsm_peer_usable(fsm)) {
        return;
    }
    uint64_t from = 0;
    int64_t since = 0;
    const struct fh_wire_state *state = &fsm->peer.hello.state;
    /* Whoever has not accepted our HELLO yet would drop the question. */
    if (fh_fsm_peer_knows_us(fsm) &&
        fh_sync_want(&fsm->sync, now, fsm->peer.reports_sent, &state->delivered, &from, &since)) {
        struct fh_wire_message *message = &fh_fsm_add(actions, FH_FSM_SEND)->u.message;
        message->type = FH_WIRE_WANT;
        message->u.want.store_id = fsm->sync.peer_store;
        message->u.want.from = from;
        message->u.want.min_timestamp_ms = since;
    }
    /* Not before our own doubts are settled: the peer would take a PREPARED report for delivered
     * while we throw it away. */
    if ((fsm->doubt == FH_FSM_DOUBT_SETTLED || FH_MUTANT(WANT_BEFORE_SETTLED)) &&
        fh_sync_next_question(&fsm->sync, &from, &since)) {
        struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_PEER_WANTS);
        action->u.wants.from = from;
        action->u.wants.min_timestamp_ms = since;
    }
}

static void judge_protection(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fsm->role != FH_ROLE_PRIMARY) {
        return;
    }
    bool usable = fh_fsm_peer_usable(fsm);
    bool in_sync = fh_sync_in_sync(&fsm->sync, now, usable && fh_fsm_peer_idle(fsm));
    if (fsm->fence.hold) {
        in_sync = true; /* listening first: nothing becomes visible without the peer */
    }
    /* Out of sight of the peer, and perhaps of the arbiter too: who published now what the peer has
     * not confirmed would have it published again by the next primary. A lease asked for since then
     * says that there is none. */
    if (fsm->options.arbiter && !usable && fsm->in_sync_told &&
        !fh_time_before(fsm->peer_lost_at, fsm->lease.granted_for)) {
        in_sync = true;
    }
    in_sync |= !fh_fsm_may_be_alone(fsm);
    if (in_sync != fsm->in_sync_told) {
        fsm->in_sync_told = in_sync;
        fh_fsm_add(actions, FH_FSM_PEER_IN_SYNC)->flag = in_sync;
    }
    bool protected = fh_fsm_protected(fsm);
    if (protected == fsm->protected_told) {
        return;
    }
    fsm->protected_told = protected;
    if (protected) {
        fh_fsm_notice(actions, FH_LOG_PROTECTED, false, -1, "protected: node %s is a ready standby",
                      fsm->peer.hello.node);
        return;
    }
    fh_fsm_notice(actions, FH_LOG_UNPROTECTED, true, -1, "NOT protected: %s",
                  fsm->peer.instance == 0        ? "no peer was ever heard"
                  : !fh_fsm_peer_present(fsm)    ? "the peer is not there"
                  : !usable                      ? "no pair can be formed with the peer"
                  : !fsm->peer.hello.state.ready ? "the standby is not ready"
                                                 : "the standby does not confirm reports in time");
}

static const char *const key_names[FH_KEY_COUNT] = {
    [FH_KEY_UID_TIMESTAMP] = "uid_timestamp",
    [FH_KEY_UID] = "uid",
    [FH_KEY_CONTENT] = "content",
    [FH_KEY_UID_PAYLOAD] = "uid_payload",
    [FH_KEY_PAYLOAD] = "payload",
};

/* Ordered once: the host needs a moment, or has no room just now, and tries again by itself. */
static bool order_key(struct fh_fsm *fsm, enum fh_dedup_key key, struct fh_fsm_actions *actions)
{
    uint8_t own = fsm->sync.local.dedup_key;
    enum fh_dedup_key now = own > 0 ? (enum fh_dedup_key)(own - 1) : FH_KEY_UID_TIMESTAMP;
    now = fh_key_join(now, fsm->key_ordered);
    enum fh_dedup_key wanted = fh_key_join(now, key);
    if (key < FH_KEY_CONTENT || wanted == now) {
        return false;
    }
    fsm->key_ordered = wanted;
    fsm->replicas_differ = true;
    fh_fsm_add(actions, FH_FSM_REPLICAS_DIFFER)->number = wanted;
    return true;
}

static void judge_replicas(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    if (!fh_fsm_peer_usable(fsm)) {
        return;
    }
    const struct fh_wire_state *peer = &fsm->peer.hello.state;
    const struct fh_sync_local *local = &fsm->sync.local;
    enum fh_dedup_key key;
    if (fh_replica_advice(&fsm->replica, &key) && order_key(fsm, key, actions)) {
        fh_fsm_notice(actions, FH_LOG_REPLICAS_DIFFER, true, -1,
                      "the replicas of the two nodes carry the same events under different %s "
                      "(stamps up to %" PRIu32 " ms apart)",
                      key == FH_KEY_CONTENT       ? "uids"
                      : key == FH_KEY_UID_PAYLOAD ? "timestamps"
                                                  : "uids and timestamps",
                      fsm->replica.apart_ms);
    }
    if (peer->dedup_key != 0 && local->dedup_key != 0 &&
        order_key(fsm, (enum fh_dedup_key)(peer->dedup_key - 1), actions)) {
        fh_fsm_notice(actions, FH_LOG_REPLICAS_DIFFER, false, -1,
                      "node %s knows records by dedup.key = \"%s\"; so does this one from now on",
                      fsm->peer.hello.node, key_names[peer->dedup_key - 1]);
    }
    /* Where stamps differ no two minutes are equal; by different keys none can be. */
    if (local->dedup_key > FH_KEY_UID_PAYLOAD ||
        (peer->dedup_key != 0 && peer->dedup_key != local->dedup_key)) {
        return;
    }
    fh_replica_compare(&fsm->replica, &local->minutes, &peer->minutes);
    if (fh_replica_differ(&fsm->replica) && order_key(fsm, FH_KEY_CONTENT, actions)) {
        fh_fsm_notice(actions, FH_LOG_REPLICAS_DIFFER, true, -1,
                      "the replicas of the two nodes carry different uids or timestamps: the same "
                      "minutes have about as many records and none in common");
    }
}

/* One slice with each beat, in turn: each goes out several times before it is forgotten. */
static void send_sample(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    const struct fh_sync_local *local = &fsm->sync.local;
    if (local->slices_whole == 0 || !fh_fsm_peer_usable(fsm) || !fh_fsm_peer_knows_us(fsm) ||
        fh_fsm_version(fsm) < 2) {
        return;
    }
    do {
        fsm->slice_told = (fsm->slice_told + 1) % FH_REPLICA_SLICES;
    } while (!(local->slices_whole & (1u << fsm->slice_told)));
    struct fh_wire_message *message = &fh_fsm_add(actions, FH_FSM_SEND)->u.message;
    message->type = FH_WIRE_SAMPLE;
    message->u.sample = local->slice[fsm->slice_told];
}

/* Datagrams per heartbeat. Lost ones are not sent again, so they come often enough that the peer
 * hears one in time on a network that loses many. With the defaults (300 ms, failure after 1500 ms)
 * and 0 to 200 ms on the way, those of 1300 ms count, 26 of them. When 3 in 10 are lost, all 26 are
 * with probability 0.3^26 = 3e-14; at 20 a second a silence that is none begins about once in half
 * a billion hours. The answer that moves the fence needs one each way within 1470 ms, at least 21
 * of both together: 21 x 0.3^21 = 2e-10, once in several years. */
#define DATAGRAMS_PER_BEAT 6

static void beat(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    int64_t beat_ms = fsm->options.heartbeat_ms;
    bool due = fsm->beat_now || fh_time_diff_ms(now, fsm->last_beat) >= beat_ms;
    bool datagram = fh_fsm_datagrams(fsm) && (due || fh_time_diff_ms(now, fsm->last_datagram) >=
                                                         beat_ms / DATAGRAMS_PER_BEAT);
    if (!fsm->sync.local_known || (!due && !datagram)) {
        return;
    }
    fsm->fence.beat++;
    fsm->fence.beat_at[fsm->fence.beat % FH_FSM_BEATS] = now;
    if (due) {
        fsm->beat_now = false;
        fsm->last_beat = now;
        fh_fsm_add(actions, FH_FSM_SEND_STATE)->flag =
            !fh_fsm_peer_usable(fsm) || !fh_fsm_peer_knows_us(fsm);
        send_sample(fsm, actions);
    }
    if (datagram) {
        fsm->last_datagram = now;
        fh_fsm_add(actions, FH_FSM_SEND_DATAGRAM);
    }
}

void fh_fsm_fill_state(const struct fh_fsm *fsm, struct fh_time now, bool hello,
                       struct fh_wire_message *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->type = hello ? FH_WIRE_HELLO : FH_WIRE_HEARTBEAT;
    struct fh_wire_state *state = hello ? &ret->u.hello.state : &ret->u.heartbeat;
    const struct fh_sync_local *local = &fsm->sync.local;
    state->role = fsm->role;
    state->epoch = fsm->epoch;
    state->last_primary = fsm->last_primary;
    state->ready = fsm->role == FH_ROLE_STANDBY && fsm->ready;
    state->streams_live = local->streams_live;
    state->sinks_healthy = local->sinks_healthy;
    state->applied_final = fh_sync_drained(&fsm->sync) || FH_MUTANT(APPLIED_FINAL);
    state->heard_paths = fh_detector_heard_paths(&fsm->detector, now);
    state->echo = fsm->peer.instance;
    state->report_last = fsm->sync.live;
    state->report_applied = fh_sync_held(&fsm->sync);
    state->report_store = fsm->sync.peer_store;
    state->received = local->received;
    state->delivered = local->delivered;
    state->covered_from = local->covered_from;
    state->maintenance = fsm->maintenance;
    state->patient = fsm->maintenance || (fsm->options.prefer_safety && !fsm->options.arbiter);
    state->yield_epoch = fh_fsm_yielding(fsm, now) ? fsm->yield_epoch : 0;
    state->yield_automatic = fsm->switching_automatic;
    state->beat = fsm->fence.beat;
    state->beat_heard = fsm->peer.hello.state.beat;
    if (fh_fsm_promising(fsm)) {
        state->promise_epoch = fsm->peer.hello.state.epoch;
        state->promise_ms = (uint32_t)fsm->failure_ms;
    }
    state->minutes = local->minutes;
    state->datagrams = fsm->options.datagrams;
    state->datagram_paths = fh_detector_datagram_paths(&fsm->detector, now);
    state->dedup_key = local->dedup_key;
    ret->version = fh_fsm_version(fsm);
    if (hello) {
        ret->u.hello.version_min = FH_WIRE_VERSION_MIN;
        ret->u.hello.version_max =
            fsm->options.version_max ? fsm->options.version_max : FH_WIRE_VERSION_MAX;
        snprintf(ret->u.hello.node, sizeof(ret->u.hello.node), "%s", fsm->options.node);
        ret->u.hello.store_id = fsm->options.store_id;
        ret->u.hello.replica_id = fsm->options.replica_id;
        ret->u.hello.preferred = fsm->options.preferred;
        ret->u.hello.partitions = fsm->options.partitions;
        ret->u.hello.complete = true;
    }
}

/* ---- inputs ---- */

static void on_epoch_done(struct fh_fsm *fsm, struct fh_time now, uint64_t epoch, int result,
                          struct fh_fsm_actions *actions)
{
    if (epoch != fsm->persisting) {
        return;
    }
    fsm->persisting = 0;
    if (result < 0) {
        fsm->retry_at = fh_time_add_ms(now, fsm->failure_ms);
        if (fsm->role == FH_ROLE_DEMOTING) {
            fh_fsm_persist(fsm, fsm->seen, false, actions);
        }
        return;
    }
    fsm->epoch = epoch;
    fsm->last_primary = fsm->persisting_as_primary;
    fsm->beat_now = true; /* the peer settles, and promises, by it */
    if (fsm->seen < epoch) {
        fsm->seen = epoch;
    }
    if (fsm->role == FH_ROLE_DEMOTING) {
        char evidence[FH_FSM_REASON_MAX];
        snprintf(evidence, sizeof(evidence), "every sink has stopped, epoch %" PRIu64 " is stored",
                 epoch);
        fh_fsm_change(fsm, FH_ROLE_STANDBY, actions, evidence, "demoted");
    }
}

static void on_delivery_stopped(struct fh_fsm *fsm, struct fh_time now,
                                struct fh_fsm_actions *actions)
{
    if (fsm->role == FH_ROLE_PRIMARY && fsm->switching) {
        fsm->demotions++;
        fh_fsm_switch_stopped(fsm, now);
        fh_fsm_change(
            fsm, FH_ROLE_DEMOTING, actions, "delivery has ended, the rest is the peer's",
            fsm->switching_automatic && fsm->options.arbiter && fsm->lease.spent >= fsm->epoch
                ? "handed over: the arbiter gives no lease in this epoch"
            : fsm->switching_automatic ? "handed over: own health is bad, the peer's is good"
            : fsm->maintenance         ? "handed over for maintenance"
                                       : "planned switchover");
    }
    if (fsm->role != FH_ROLE_DEMOTING || fsm->persisting != 0) {
        return;
    }
    if (!FH_MUTANT(DOUBT_NOT_REOPENED)) {
        fsm->doubt = FH_FSM_DOUBT_OPEN;
        fsm->doubt_epoch = FH_MUTANT(DOUBT_TOO_EARLY) ? 0 : fsm->epoch;
    }
    fh_sync_delivering(&fsm->sync, false);
    fh_fsm_persist(fsm, fsm->seen, false, actions);
}

static void on_applied(struct fh_fsm *fsm, uint64_t store_id, uint64_t number,
                       struct fh_fsm_actions *actions)
{
    if (!fh_sync_applied(&fsm->sync, store_id, number) || !fh_fsm_peer_usable(fsm)) {
        return;
    }
    struct fh_wire_message *message = &fh_fsm_add(actions, FH_FSM_SEND)->u.message;
    message->type = FH_WIRE_CONFIRM;
    message->u.confirm.store_id = store_id;
    message->u.confirm.number = fh_sync_held(&fsm->sync);
}

static void on_own_report(struct fh_fsm *fsm, struct fh_time now, uint64_t number, size_t len,
                          struct fh_fsm_actions *actions)
{
    uint64_t previous = 0;
    if (number == 0 || !fh_sync_send(&fsm->sync, now, number, len, &previous) ||
        !fh_fsm_peer_usable(fsm)) {
        return;
    }
    struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_SEND_REPORT);
    action->number = previous;
}

static void on_answered(struct fh_fsm *fsm, uint64_t next_number, struct fh_fsm_actions *actions)
{
    uint64_t previous = 0;
    uint64_t through = 0;
    if (!fh_sync_answer_done(&fsm->sync, next_number, &previous, &through) ||
        !fh_fsm_peer_usable(fsm)) {
        return;
    }
    struct fh_wire_message *message = &fh_fsm_add(actions, FH_FSM_SEND)->u.message;
    message->type = FH_WIRE_ANSWERED;
    message->u.answered.previous = previous;
    message->u.answered.through = through;
}

static int take_input(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_input *input,
                      struct fh_fsm_actions *actions)
{
    switch (input->type) {
    case FH_FSM_TICK:
        return 0;
    case FH_FSM_MESSAGE:
        /* Before the host has said what it holds, nothing we would answer were true. */
        return fsm->sync.local_known ? fh_fsm_on_message(fsm, now, input->u.message, actions) : 0;
    case FH_FSM_DATAGRAM:
        return fsm->sync.local_known ? fh_fsm_on_datagram(fsm, now, input->u.message, actions) : 0;
    case FH_FSM_PATH:
        fh_detector_path(&fsm->detector, input->u.path.index, input->u.path.event);
        fsm->beat_now |= input->u.path.event == FH_PATH_CONNECTED;
        return 0;
    case FH_FSM_INBOUND:
        fh_detector_inbound(&fsm->detector, input->u.inbound);
        return 0;
    case FH_FSM_LOCAL:
        fh_sync_local(&fsm->sync, input->u.local);
        return 0;
    case FH_FSM_EPOCH_DONE:
        on_epoch_done(fsm, now, input->u.epoch_done.epoch, input->u.epoch_done.result, actions);
        return 0;
    case FH_FSM_DELIVERY_STOPPED:
        on_delivery_stopped(fsm, now, actions);
        return 0;
    case FH_FSM_SETTLED:
        fsm->doubt = FH_FSM_DOUBT_SETTLED;
        return 0;
    case FH_FSM_UNSETTLED:
        fsm->doubt = fsm->doubt == FH_FSM_DOUBT_SETTLED ? FH_FSM_DOUBT_OPEN : fsm->doubt;
        return 0;
    case FH_FSM_APPLIED:
        on_applied(fsm, input->u.applied.store_id, input->u.applied.number, actions);
        return 0;
    case FH_FSM_OWN_REPORT:
        on_own_report(fsm, now, input->u.own_report.number, input->u.own_report.len, actions);
        return 0;
    case FH_FSM_WANTS_ANSWERED:
        on_answered(fsm, input->u.next_number, actions);
        return 0;
    case FH_FSM_ARBITER:
        fh_fsm_lease_answer(fsm, now, input->u.arbiter, actions);
        return 0;
    case FH_FSM_SWITCHOVER:
        fh_fsm_begin_switchover(fsm, false, actions);
        return 0;
    case FH_FSM_MAINTENANCE:
        fh_fsm_set_maintenance(fsm, now, input->u.on, actions);
        return 0;
    case FH_FSM_PROMOTE:
        fh_fsm_force(fsm, now, actions);
        return 0;
    case FH_FSM_LEAVE:
        fh_fsm_leave(fsm, now, actions);
        return 0;
    case FH_FSM_STOP:
        fsm->stopped = true;
        fh_fsm_add(actions, FH_FSM_SEND_GOODBYE);
        return 0;
    }
    return -EINVAL;
}

int fh_fsm_step(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_input *input,
                struct fh_fsm_actions *ret)
{
    ret->count = 0;
    if (fsm->stopped) {
        return 0;
    }
    /* We stood still (SIGSTOP, suspend, a paused machine): what was true before need not be so now,
     * and what the peer said meanwhile is still waiting to be read. Half the failure time: less
     * cannot make us take a peer for silent that spoke until we stopped. */
    if (fh_time_diff_ms(now, fsm->last_step) > fsm->failure_ms / 2 && !FH_MUTANT(STALL_IGNORED)) {
        fh_fsm_stalled(fsm, now);
    }
    fsm->last_step = now;
    if (fsm->leaving && input->type != FH_FSM_OWN_REPORT && input->type != FH_FSM_STOP) {
        fh_fsm_is_leaving(fsm, now, input, ret);
        return 0;
    }
    bool was_present = fh_fsm_peer_present(fsm);
    int r = take_input(fsm, now, input, ret);
    if (fsm->leaving || fsm->stopped) {
        return r;
    }
    uint8_t changed = 0;
    fh_detector_check(&fsm->detector, now, &changed);
    tell_presence(fsm, now, changed, was_present, ret);
    settle(fsm, ret);
    judge_ready(fsm, now, ret);
    fill_as_primary(fsm, now, ret);
    fh_fsm_end_hold(fsm, now);
    fh_fsm_note_false_alarm(fsm, now);
    fh_fsm_in_role(fsm, now, ret);
    fh_fsm_note_promise(fsm);
    fh_fsm_lease_upkeep(fsm, now, ret);
    exchange_reports(fsm, now, ret);
    judge_protection(fsm, now, ret);
    fh_fsm_move_fence(fsm, now, false, ret);
    judge_replicas(fsm, ret);
    beat(fsm, now, ret);
    return r;
}
