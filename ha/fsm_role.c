/* fsm_role.c: owns the role of this node: who leads, and why. Looks at what fsm_peer.c knows of the
 * peer; never reads a clock, sends, stores or logs. */
#include "fsm_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what is known ---- */

bool fh_fsm_peer_usable(const struct fh_fsm *fsm)
{
    return fh_fsm_peer_present(fsm) && fsm->peer.refused[0] == '\0';
}

bool fh_fsm_protected(const struct fh_fsm *fsm)
{
    if (!fh_fsm_peer_usable(fsm)) {
        return false;
    }
    if (fsm->role == FH_ROLE_PRIMARY) {
        return fsm->peer.hello.state.ready && fsm->in_sync_told && fh_sync_covers(&fsm->sync);
    }
    return fsm->role == FH_ROLE_STANDBY && fsm->ready && fh_fsm_peer_role(fsm) == FH_ROLE_PRIMARY;
}

/* Neither leads: is it up to this node? Both nodes come to opposite answers from the same facts:
 * whom the other one hands over to; who covers everything; who acted last; who is preferred; the
 * smaller name. */
static bool wins(const struct fh_fsm *fsm, const char **ret_why)
{
    const struct fh_wire_hello *peer = &fsm->peer.hello;
    if (fsm->maintenance || peer->state.maintenance) {
        *ret_why = "the other node is in maintenance";
        return !fsm->maintenance;
    }
    if (fh_fsm_yielding(fsm, fsm->last_step) != fh_fsm_peer_yields(fsm)) {
        *ret_why = "the other node hands over";
        return fh_fsm_peer_yields(fsm);
    }
    bool own_ready = fsm->role == FH_ROLE_STANDBY && fsm->ready;
    bool peer_ready = peer->state.role == FH_ROLE_STANDBY && peer->state.ready;
    if (own_ready != peer_ready) {
        *ret_why = "the ready standby leads";
        return own_ready;
    }
    if (fsm->epoch != peer->state.epoch) {
        *ret_why = "the higher epoch leads";
        return fsm->epoch > peer->state.epoch;
    }
    if (fsm->last_primary != peer->state.last_primary) {
        *ret_why = "who led last leads again";
        return fsm->last_primary;
    }
    if (fsm->options.preferred != peer->preferred) {
        *ret_why = "the preferred node leads";
        return fsm->options.preferred;
    }
    *ret_why = "equal in all else, the smaller name leads";
    int order = strcmp(fsm->options.node, peer->node);
    return order != 0 ? order < 0 : fsm->options.store_id < peer->store_id;
}

/* ---- changes of role ---- */

/* Every change of role there is. The diagram in firehosed-ha(7) is checked against these rows. */
static const struct {
    enum fh_role from, to;
} transitions[] = {
    {FH_ROLE_STARTING, FH_ROLE_STANDBY},   /* the peer leads */
    {FH_ROLE_STARTING, FH_ROLE_PROMOTING}, /* elected, or alone */
    {FH_ROLE_STANDBY, FH_ROLE_PROMOTING},  /* the peer is lost, yields, or neither leads */
    {FH_ROLE_PROMOTING, FH_ROLE_PRIMARY}, /* epoch stored, reports applied, doubts settled, right */
    {FH_ROLE_PROMOTING, FH_ROLE_STANDBY}, /* a higher epoch, no right, or a failed write */
    {FH_ROLE_PROMOTING, FH_ROLE_STARTING}, /* the same, for a node that was starting */
    {FH_ROLE_PRIMARY, FH_ROLE_DEMOTING},   /* a higher epoch, the lease is over, or handed over */
    {FH_ROLE_DEMOTING, FH_ROLE_STANDBY},   /* every sink has stopped, the epoch is stored */
};

static bool allowed(enum fh_role from, enum fh_role to)
{
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        if (transitions[i].from == from && transitions[i].to == to) {
            return true;
        }
    }
    return false;
}

void fh_fsm_change(struct fh_fsm *fsm, enum fh_role to, struct fh_fsm_actions *actions,
                   const char *evidence, const char *format, ...)
{
    assert(allowed(fsm->role, to));
    va_list args;
    va_start(args, format);
    vsnprintf(fsm->reason, sizeof(fsm->reason), format, args);
    va_end(args);
    struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_ROLE_CHANGED);
    action->number = to == FH_ROLE_PROMOTING ? fsm->target : fsm->epoch;
    action->u.role.from = fsm->role;
    action->u.role.to = to;
    snprintf(action->u.role.reason, sizeof(action->u.role.reason), "%s", fsm->reason);
    snprintf(action->u.role.evidence, sizeof(action->u.role.evidence), "%s", evidence);
    fsm->role = to;
    fsm->beat_now = true;
    fsm->waiting_told = false;
    if (to == FH_ROLE_STANDBY) {
        fsm->ready = false;
        fsm->ready_told = false;
        snprintf(fsm->sync.lacks, sizeof(fsm->sync.lacks), "no primary heard yet");
    }
}

void fh_fsm_persist(struct fh_fsm *fsm, uint64_t epoch, bool as_primary,
                    struct fh_fsm_actions *actions)
{
    fsm->persisting = epoch;
    fsm->persisting_as_primary = as_primary;
    struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_PERSIST_EPOCH);
    action->number = epoch;
    action->flag = as_primary;
}

void fh_fsm_wait_because(struct fh_fsm *fsm, struct fh_fsm_actions *actions, const char *format,
                         ...)
{
    if (fsm->waiting_told) {
        return;
    }
    fsm->waiting_told = true;
    va_list args;
    va_start(args, format);
    vsnprintf(fsm->reason, sizeof(fsm->reason), format, args);
    va_end(args);
    fh_fsm_notice(actions, FH_LOG_ROLE, true, -1, "stays %s: %s", fh_role_name(fsm->role),
                  fsm->reason);
}

static uint64_t next_epoch(const struct fh_fsm *fsm)
{
    uint64_t highest = fsm->epoch > fsm->seen ? fsm->epoch : fsm->seen;
    if (fsm->lease.spent > highest) {
        highest = fsm->lease.spent;
    }
    uint64_t next = highest + 1;
    if ((next % 2 == 1) != fsm->options.odd_epochs && !FH_MUTANT(PARITY_DROPPED)) {
        next++; /* the other node's: it may be taking it right now, unheard */
    }
    return next;
}

/* May it lead now? A promise not to has to run out, and an arbiter has to agree. */
static bool permitted(struct fh_fsm *fsm, struct fh_time now, uint64_t target, bool peer_follows,
                      const char *reason, struct fh_fsm_actions *actions)
{
    if (fsm->maintenance) {
        fh_fsm_wait_because(fsm, actions, "this node is in maintenance (else: %.100s)", reason);
        return false;
    }
    if (fh_fsm_promised(fsm, now)) {
        return false;
    }
    fsm->alone.careful = !peer_follows && !fh_fsm_forced(fsm, now);
    if (!fsm->options.arbiter || fh_fsm_lease_for(fsm, now, target, peer_follows, actions) ||
        FH_MUTANT(LEASE_LATE)) {
        /* By a question that was asked while the peer was there it is of no use now: given back. */
        fsm->lease.needed = peer_follows || !fh_fsm_would_repeat(fsm, now);
        return fsm->lease.needed;
    }
    if (fsm->alone.barred) {
        fh_fsm_tell_barred(fsm, now, actions);
    } else if (fsm->lease.error[0] != '\0') {
        fh_fsm_wait_because(fsm, actions, "the arbiter does not let it lead: %.90s",
                            fsm->lease.error);
    }
    return false;
}

static enum fh_promotion cause_of(const struct fh_fsm *fsm, bool peer_follows)
{
    if (fsm->role == FH_ROLE_STARTING) {
        return FH_PROMOTION_STARTED;
    }
    if (peer_follows && fh_fsm_peer_yields(fsm)) {
        return fsm->peer.hello.state.yield_automatic ? FH_PROMOTION_HEALTH
                                                     : FH_PROMOTION_SWITCHOVER;
    }
    if (peer_follows) {
        return FH_PROMOTION_ELECTED;
    }
    switch (fsm->detector.verdict) {
    case FH_PEER_PRESENT:
        return FH_PROMOTION_UNPAIRED;
    case FH_PEER_GONE:
        return FH_PROMOTION_PEER_GONE;
    case FH_PEER_DEPARTED:
        return FH_PROMOTION_PEER_LEFT;
    default:
        return FH_PROMOTION_PEER_SILENT;
    }
}

/* peer_follows: it is there and leads no more. */
static void promote(struct fh_fsm *fsm, struct fh_time now, bool peer_follows,
                    struct fh_fsm_actions *actions, const char *reason, const char *evidence)
{
    if (fsm->persisting != 0 || fh_time_before(now, fsm->retry_at)) {
        return; /* one write of the epoch at a time; the next step comes back here */
    }
    if (fsm->fence.hold) {
        return; /* what is known of the peer is from before we stood still */
    }
    uint64_t target = fsm->lease.want > fsm->epoch && fsm->lease.want > fsm->seen
                          ? fsm->lease.want /* asked for already */
                          : next_epoch(fsm);
    if (fsm->lease.want != 0 && target <= fsm->lease.spent) {
        target = next_epoch(fsm); /* it was told that this one is too old */
    }
    if (!permitted(fsm, now, target, peer_follows, reason, actions)) {
        return;
    }
    fsm->target = target;
    fsm->from_standby = fsm->role == FH_ROLE_STANDBY;
    fsm->cause = cause_of(fsm, peer_follows);
    fsm->drain_until = fh_time_add_ms(now, fsm->failure_ms);
    fsm->drain_held = fh_sync_held(&fsm->sync);
    fsm->drain_grew = (struct fh_time){0};
    fsm->by_silence = fsm->detector.verdict == FH_PEER_SILENT;
    fsm->silent_instance = fsm->peer.instance;
    snprintf(fsm->evidence, sizeof(fsm->evidence), "%s", evidence);
    fh_fsm_change(fsm, FH_ROLE_PROMOTING, actions, evidence, "%s", reason);
    fh_fsm_persist(fsm, fsm->target, true, actions);
    if (FH_MUTANT(EPOCH_NOT_PERSISTED)) {
        fsm->persisting = 0;
        fsm->epoch = fsm->target;
    }
}

void fh_fsm_demote(struct fh_fsm *fsm, struct fh_fsm_actions *actions, const char *reason,
                   const char *evidence)
{
    fsm->demotions++;
    fsm->switching = false;
    fsm->yield_epoch = 0;
    fh_fsm_change(fsm, FH_ROLE_DEMOTING, actions, evidence, "%s", reason);
    fh_fsm_add(actions, FH_FSM_STOP_DELIVERY);
}

/* ---- the roles ---- */

/* Neither node leads and both are there. */
static void elect(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    const char *why = NULL;
    if (!wins(fsm, &why)) {
        return; /* the peer comes to the same conclusion, or falls silent */
    }
    /* Until it has heard us the peer cannot know that we lead; it may be about to go alone. */
    if (fh_fsm_yielding(fsm, now) && !fsm->peer.hello.state.maintenance) {
        return;
    }
    if (!fh_fsm_peer_knows_us(fsm) &&
        fh_time_diff_ms(now, fsm->peer.met) < 2 * fsm->options.join_timeout_ms) {
        return;
    }
    char evidence[FH_FSM_REASON_MAX];
    snprintf(evidence, sizeof(evidence),
             "node %s is %s in epoch %" PRIu64 ", we have epoch %" PRIu64, fsm->peer.hello.node,
             fh_role_name(fh_fsm_peer_role(fsm)), fsm->peer.hello.state.epoch, fsm->epoch);
    char reason[FH_FSM_REASON_MAX];
    snprintf(reason, sizeof(reason), "%s%s",
             fh_fsm_peer_yields(fsm) ? "" : "neither node is primary; ", why);
    if (fh_fsm_peer_yields(fsm) && fsm->peer.hello.state.yield_automatic) {
        fsm->automatic_at = now;
    }
    promote(fsm, now, true, actions, reason, evidence);
}

/* The peer is there but no pair can be formed with it: it counts as not heard, except that two
 * must not lead. */
static void beside_refused(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    const char *why = NULL;
    if (!fh_fsm_peer_idle(fsm)) {
        fh_fsm_wait_because(fsm, actions, "node %s is %s and no pair can be formed: %.80s",
                            fsm->peer.hello.node, fh_role_name(fh_fsm_peer_role(fsm)),
                            fsm->peer.refused);
    } else if (!wins(fsm, &why)) {
        fh_fsm_wait_because(fsm, actions,
                            "no pair can be formed and node %s comes first (%s): %.70s",
                            fsm->peer.hello.node, why, fsm->peer.refused);
    } else if (fh_time_diff_ms(now, fsm->peer.met) >= fsm->options.join_timeout_ms &&
               (!fsm->options.prefer_safety || fh_fsm_forced(fsm, now))) {
        promote(fsm, now, false, actions, "no pair can be formed, going on alone",
                fsm->peer.refused);
    }
}

static void follow(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    char evidence[FH_FSM_REASON_MAX];
    snprintf(evidence, sizeof(evidence), "node %s is primary in epoch %" PRIu64,
             fsm->peer.hello.node, fsm->peer.hello.state.epoch);
    fh_fsm_change(fsm, FH_ROLE_STANDBY, actions, evidence, "the peer leads");
}

static void in_starting(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fh_fsm_peer_present(fsm)) {
        if (fsm->peer.refused[0] != '\0') {
            beside_refused(fsm, now, actions);
        } else if (fh_fsm_peer_role(fsm) == FH_ROLE_PRIMARY) {
            /* A primary of an older epoch will stop when it hears ours; then it is decided anew. */
            if (fsm->peer.hello.state.epoch >= fsm->epoch) {
                follow(fsm, actions);
            }
        } else if (fh_fsm_peer_idle(fsm)) {
            elect(fsm, now, actions);
        }
        return;
    }
    struct fh_time since =
        fh_time_is_set(fsm->detector.last_heard) ? fsm->detector.last_heard : fsm->started;
    /* Never sooner than an earlier process of ours may have promised. */
    int64_t join_ms = fsm->options.join_timeout_ms > fsm->failure_ms ? fsm->options.join_timeout_ms
                                                                     : fsm->failure_ms;
    if (fh_time_diff_ms(now, since) < join_ms) {
        return;
    }
    char evidence[FH_FSM_REASON_MAX];
    fh_fsm_describe_loss(fsm, now, evidence, sizeof(evidence));
    if (fh_fsm_wants_proof(fsm, now)) {
        fh_fsm_wait_because(fsm, actions, "%s; pair.prefer = \"safety\" does not start alone",
                            evidence);
    } else {
        promote(fsm, now, false, actions,
                fsm->options.arbiter      ? "started alone, the arbiter agrees"
                : fh_fsm_forced(fsm, now) ? "started alone, by the operator's order"
                                          : "started alone, pair.prefer = \"availability\"",
                evidence);
    }
}

static void lost_primary(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    char evidence[FH_FSM_REASON_MAX];
    fh_fsm_describe_loss(fsm, now, evidence, sizeof(evidence));
    bool certain =
        fsm->detector.verdict == FH_PEER_GONE || fsm->detector.verdict == FH_PEER_DEPARTED;
    bool safety = fh_fsm_wants_proof(fsm, now);
    if (!certain && fh_time_diff_ms(now, fsm->detector.last_heard) < fh_fsm_patience_ms(fsm, now)) {
        fh_fsm_wait_because(fsm, actions,
                            "%s, but the latest change of role was needless: waits "
                            "longer this time",
                            evidence);
        return;
    }
    int64_t alone_ms = fh_fsm_lease_alone_ms(fsm);
    if (alone_ms > 0) {
        size_t len = strlen(evidence);
        snprintf(evidence + len, sizeof(evidence) - len,
                 "; it led alone for %" PRId64 " s: those events may come again", alone_ms / 1000);
    }
    if (certain && !fsm->options.arbiter) {
        fh_fsm_promise_over(fsm); /* a dead process needs none */
        fsm->fence.quiet = (struct fh_time){0};
    }
    if (safety && !certain) {
        fh_fsm_wait_because(
            fsm, actions,
            "%s, but it may be alive; pair.prefer = \"safety\" wants proof that it is not",
            evidence);
    } else if (safety && !fsm->ready) {
        fh_fsm_wait_because(fsm, actions,
                            "%s, but this node is not ready (%.60s); pair.prefer = \"safety\"",
                            evidence, fsm->sync.lacks);
    } else if (fsm->ready) {
        promote(fsm, now, false, actions, "the peer is lost and this node is ready", evidence);
    } else {
        char reason[FH_FSM_REASON_MAX];
        snprintf(reason, sizeof(reason), "the peer is lost; this node is not ready: %.110s",
                 fsm->sync.lacks);
        promote(fsm, now, false, actions, reason, evidence);
    }
}

static void in_standby(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fsm->seen > fsm->epoch && fsm->persisting == 0 && !fh_time_before(now, fsm->retry_at)) {
        fh_fsm_persist(fsm, fsm->seen, false, actions);
    }
    if (!fh_fsm_peer_present(fsm)) {
        lost_primary(fsm, now, actions);
    } else if (fsm->peer.refused[0] != '\0') {
        beside_refused(fsm, now, actions);
    } else if (fh_fsm_peer_idle(fsm) ||
               (fh_fsm_peer_role(fsm) == FH_ROLE_DEMOTING && fh_fsm_peer_yields(fsm))) {
        elect(fsm, now, actions);
    }
}

static void start_leading(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    fsm->promotions++;
    fsm->promoted[fsm->cause]++;
    fsm->yield_epoch = 0;
    fsm->ill_since = (struct fh_time){0};
    if (fsm->from_standby && !fh_fsm_peer_present(fsm)) {
        fsm->automatic_at = fsm->last_step;
    }
    char reason[FH_FSM_REASON_MAX]; /* that of the promotion stays */
    memcpy(reason, fsm->reason, sizeof(reason));
    fh_fsm_change(fsm, FH_ROLE_PRIMARY, actions, fsm->evidence, "%s", reason);
    fsm->protected_told = true; /* so that being alone is said */
    fsm->in_sync_told = fh_sync_in_sync(&fsm->sync, fsm->last_step,
                                        fh_fsm_peer_usable(fsm) && fh_fsm_peer_idle(fsm)) ||
                        !fh_fsm_may_be_alone(fsm);
    fsm->alone.knows |= fh_fsm_forced(fsm, fsm->last_step);
    fsm->alone.forced_until = (struct fh_time){0};
    fh_sync_delivering(&fsm->sync, true);
    fh_fsm_add(actions, FH_FSM_PEER_IN_SYNC)->flag = fsm->in_sync_told;
    fh_fsm_move_fence(fsm, fsm->last_step, true, actions);
    fh_fsm_add(actions, FH_FSM_START_DELIVERY)->number = fsm->epoch;
    if (fsm->from_standby) {
        struct fh_checkpoint from = fsm->peer_delivered;
        fh_checkpoint_merge_min(&from, &fsm->sync.local.delivered);
        fh_fsm_add(actions, FH_FSM_RESUME_STREAMS)->u.checkpoint = from;
    }
}

static void give_up_promotion(struct fh_fsm *fsm, struct fh_fsm_actions *actions, const char *why)
{
    fsm->retry_at = fh_time_add_ms(fsm->last_step, fsm->failure_ms);
    fh_fsm_change(fsm, fsm->from_standby ? FH_ROLE_STANDBY : FH_ROLE_STARTING, actions, why,
                  "promotion to epoch %" PRIu64 " given up", fsm->target);
}

/* It is back while we take over, and will stop when it hears of us. What it says it has delivered
 * is not all until then. */
static bool still_delivers(const struct fh_fsm *fsm)
{
    enum fh_role role = fh_fsm_peer_role(fsm);
    bool stopping = role == FH_ROLE_DEMOTING && fsm->peer.hello.state.yield_epoch == 0;
    return (role == FH_ROLE_PRIMARY || stopping) && !FH_MUTANT(PEER_CUT_SHORT);
}

/* Reports already handed over are facts to the peer, and a peer that is there and leads no more
 * will tell what is missing. Longer patience then, and longer still while more of them come in:
 * what the peer delivered and we do not know of would be delivered twice. */
static bool waits_for_reports(struct fh_fsm *fsm, struct fh_time now)
{
    uint64_t held = fh_sync_held(&fsm->sync);
    bool missing = !fh_sync_drained(&fsm->sync) ||
                   (fh_fsm_peer_usable(fsm) && (held < fsm->peer.hello.state.report_last ||
                                                !fsm->sync.introduced || still_delivers(fsm)));
    if (!missing || FH_MUTANT(NO_DRAIN)) {
        return false;
    }
    if (held != fsm->drain_held) {
        fsm->drain_held = held;
        fsm->drain_grew = now;
    }
    bool grows = fh_time_is_set(fsm->drain_grew) &&
                 fh_time_diff_ms(now, fsm->drain_grew) < 2 * fsm->failure_ms;
    int64_t longest = (grows ? 20 : 3) * fsm->failure_ms;
    return fh_time_before(now, fh_time_add_ms(fsm->drain_until, longest));
}

/* 1. the epoch is durable  2. what the peer had reported is applied  3. what an earlier process of
 * ours left in doubt is settled  4. with an arbiter: the lease, or the peer's promise  5. deliver.
 * Each step waits for its answer. */
static void in_promoting(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fsm->persisting != 0) {
        return;
    }
    if (fsm->epoch != fsm->target) {
        give_up_promotion(fsm, actions, "the epoch could not be stored");
        return;
    }
    if (fsm->seen > fsm->target) {
        give_up_promotion(fsm, actions, "a higher epoch was heard");
        return;
    }
    if (fsm->maintenance) {
        give_up_promotion(fsm, actions, "maintenance was ordered meanwhile");
        return;
    }
    bool usable = fh_fsm_peer_usable(fsm);
    bool patience = fh_time_before(now, fsm->drain_until);
    bool too_late = !fh_time_before(now, fh_time_add_ms(fsm->drain_until, 3 * fsm->failure_ms));
    if (fsm->fence.hold) { /* the other one may have taken over meanwhile */
        if (too_late) {
            give_up_promotion(fsm, actions, "stood still and has heard nobody since");
        }
        return;
    }
    if (waits_for_reports(fsm, now)) {
        return;
    }
    if (fh_fsm_would_repeat(fsm, now)) {
        if (!usable || too_late) {
            give_up_promotion(fsm, actions,
                              "the peer is gone before it has told what it published");
        }
        return;
    }
    if (fsm->doubt == FH_FSM_DOUBT_OPEN && !(usable && patience)) {
        if (fh_fsm_may_be_alone(fsm)) {
            fsm->doubt = FH_FSM_DOUBT_ASKED;
            fh_fsm_add(actions, FH_FSM_SETTLE_IN_DOUBT)->flag = false;
        } else if (too_late) { /* the arbiter does not answer, or takes this epoch for spent */
            give_up_promotion(fsm, actions, "the arbiter does not note that it settles alone");
            return;
        }
    }
    if (!fh_fsm_has_right(fsm, now)) {
        if (too_late) {
            give_up_promotion(fsm, actions, "neither the arbiter nor the peer lets it lead");
        }
        return;
    }
    if (fsm->doubt == FH_FSM_DOUBT_SETTLED) {
        start_leading(fsm, actions);
    }
}

static void in_primary(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    char evidence[FH_FSM_REASON_MAX];
    if (fsm->seen > fsm->epoch && !FH_MUTANT(HIGHER_EPOCH_IGNORED)) {
        if (fh_fsm_peer_present(fsm)) {
            fsm->flapped_at = now; /* it took over although we live */
        }
        snprintf(evidence, sizeof(evidence),
                 "node %s is %s and epoch %" PRIu64 " was heard, ours is %" PRIu64,
                 fsm->peer.hello.node, fh_role_name(fh_fsm_peer_role(fsm)), fsm->seen, fsm->epoch);
        fh_fsm_demote(fsm, actions, "the peer has a higher claim to lead", evidence);
        return;
    }
    if (fsm->options.arbiter && fh_time_is_set(fsm->fence.fenced_since) &&
        fh_time_diff_ms(now, fsm->fence.fenced_since) >= fsm->failure_ms) {
        snprintf(evidence, sizeof(evidence), "the arbiter: %.100s",
                 fsm->lease.error[0] ? fsm->lease.error : "no lease");
        fh_fsm_demote(fsm, actions, "the lease is over and the peer does not follow", evidence);
        return;
    }
    if (fh_fsm_was_led_past(fsm, now) && !FH_MUTANT(GOES_ON_UNASKED)) {
        snprintf(evidence, sizeof(evidence),
                 "node %s is %s and has report %" PRIu64 ", we hold its reports up to %" PRIu64,
                 fsm->peer.hello.node, fh_role_name(fh_fsm_peer_role(fsm)),
                 fsm->peer.hello.state.report_last, fh_sync_held(&fsm->sync));
        fh_fsm_demote(fsm, actions, "the peer delivered while this node was fenced", evidence);
        return;
    }
    if (fh_fsm_is_not_heard(fsm, now)) {
        snprintf(evidence, sizeof(evidence),
                 "node %s is primary in epoch %" PRIu64 " and does not "
                 "hear that we are in epoch %" PRIu64,
                 fsm->peer.hello.node, fsm->peer.hello.state.epoch, fsm->epoch);
        fh_fsm_demote(fsm, actions, "the peer leads and cannot hear us", evidence);
        return;
    }
    fh_fsm_judge_health(fsm, now, actions);
    /* Epochs are disjoint by parity, so this takes a copied state directory or a damaged one. */
    if (fh_fsm_peer_present(fsm) && fh_fsm_peer_role(fsm) == FH_ROLE_PRIMARY &&
        fsm->peer.hello.state.epoch == fsm->epoch) {
        int order = strcmp(fsm->options.node, fsm->peer.hello.node);
        if (order > 0 || (order == 0 && fsm->options.store_id > fsm->peer.hello.store_id)) {
            snprintf(evidence, sizeof(evidence),
                     "ERROR: node %s is primary in the same epoch %" PRIu64
                     "; the smaller name keeps the role",
                     fsm->peer.hello.node, fsm->epoch);
            fh_fsm_demote(fsm, actions, "the peer has the same claim and comes first", evidence);
        }
    }
}

void fh_fsm_in_role(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    switch (fsm->role) {
    case FH_ROLE_STARTING:
        in_starting(fsm, now, actions);
        break;
    case FH_ROLE_STANDBY:
        in_standby(fsm, now, actions);
        break;
    case FH_ROLE_PROMOTING:
        in_promoting(fsm, now, actions);
        break;
    case FH_ROLE_PRIMARY:
        in_primary(fsm, now, actions);
        break;
    case FH_ROLE_DEMOTING: /* waits for DELIVERY_STOPPED, then EPOCH_DONE */
    case FH_ROLE_COUNT:
        break;
    }
}
