/* fsm_lease.c: owns what this node wants of the arbiter and what it was told. Decides nothing about
 * roles; never sends.
 *
 * Requests and answers may get lost, late or out of order. A grant is counted from the moment it
 * was asked for and only for the epoch that is wanted now; a grant for anything else is given back.
 * An epoch given back is spent: the arbiter grants it to nobody again. */
#include "fsm_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void ask(struct fh_fsm *fsm, struct fh_time now, enum fh_fsm_action_type type,
                struct fh_fsm_actions *actions)
{
    fsm->lease.waiting = true;
    fsm->lease.asked_at = now;
    struct fh_fsm_action *action = fh_fsm_add(actions, type);
    action->number = fsm->lease.want;
    action->u.claim = fh_fsm_alone_claim(fsm, type == FH_FSM_LEASE_ACQUIRE);
}

/* Whatever was granted for what is wanted now is of no use any more. */
static void give_back(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    struct fh_fsm_action *action = fh_fsm_add(actions, FH_FSM_LEASE_RELEASE);
    action->number = fsm->lease.want;
    action->u.claim = fh_fsm_alone_claim(fsm, false);
}

static bool held(const struct fh_fsm *fsm, struct fh_time now)
{
    return fsm->lease.want != 0 && fh_time_before(now, fsm->lease.until);
}

static void unreachable(struct fh_fsm *fsm, const char *text, struct fh_fsm_actions *actions)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    lease->reachable = false;
    lease->unreachable_for_want = true;
    snprintf(lease->error, sizeof(lease->error), "%s", text);
    if (!lease->told_down) {
        lease->told_down = true;
        fh_fsm_notice(actions, FH_LOG_ARBITER_DOWN, true, -1, "the arbiter does not answer: %s",
                      lease->error);
    }
}

static void reached(struct fh_fsm *fsm, struct fh_fsm_actions *actions)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    if (lease->told_down || !lease->reachable) {
        fh_fsm_notice(actions, FH_LOG_ARBITER_UP, false, -1, "the arbiter answers");
    }
    lease->reachable = true;
    lease->told_down = false;
    lease->unreachable_for_want = false;
    lease->error[0] = '\0';
}

bool fh_fsm_lease_leave(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    if (lease->want == 0) {
        return false;
    }
    give_back(fsm, actions);
    lease->want = 0;
    lease->until = (struct fh_time){0};
    lease->asked_at = now;
    lease->waiting = lease->reachable; /* who does not answer is told, and not waited for */
    return lease->waiting;
}

bool fh_fsm_lease_is_left(const struct fh_fsm *fsm, const struct fh_fsm_arbiter_answer *answer)
{
    return fsm->lease.want == 0 && fsm->lease.waiting &&
           (answer->result == FH_FSM_ARBITER_RELEASED ||
            answer->result == FH_FSM_ARBITER_UNREACHABLE) &&
           !fh_time_before(answer->asked_at, fsm->lease.asked_at);
}

bool fh_fsm_lease_for(struct fh_fsm *fsm, struct fh_time now, uint64_t epoch, bool peer_follows,
                      struct fh_fsm_actions *actions)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    lease->needed = true;
    if (lease->want != epoch) {
        if (lease->want != 0) { /* whatever became of it, it is of no use any more */
            give_back(fsm, actions);
        }
        lease->want = epoch;
        fh_fsm_alone_asks(fsm);
        lease->until = (struct fh_time){0};
        lease->granted_for = (struct fh_time){0};
        lease->waiting = false;
        lease->retry_at = (struct fh_time){0};
        lease->unreachable_for_want = false;
    }
    if (held(fsm, now)) {
        return true;
    }
    if (lease->waiting && fh_time_diff_ms(now, lease->asked_at) >= fsm->failure_ms) {
        lease->waiting = false;
        unreachable(fsm, "no answer in time", actions);
    }
    if (!lease->waiting && !fh_time_before(now, lease->retry_at)) {
        lease->retry_at = fh_time_add_ms(now, fsm->options.heartbeat_ms);
        ask(fsm, now, FH_FSM_LEASE_ACQUIRE, actions);
    }
    return lease->unreachable_for_want && peer_follows;
}

static void on_denied(struct fh_fsm *fsm, struct fh_time now,
                      const struct fh_fsm_arbiter_answer *answer)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    bool others = answer->holder[0] != '\0' && strcmp(answer->holder, fsm->options.node) != 0;
    if (others) {
        lease->until = (struct fh_time){0};
        lease->others_at = answer->asked_at;
    }
    if (answer->epoch <= FH_WIRE_EPOCH_MAX && answer->epoch > lease->spent) {
        lease->spent = answer->epoch;
    }
    /* A hand-over waits only for the release to arrive; a takeover for the end of the lease, which
     * nobody tells. */
    int64_t beat_ms = fsm->options.heartbeat_ms;
    int64_t pause = fh_fsm_peer_yields(fsm) ? 20 : fsm->alone.barred ? beat_ms : beat_ms / 4;
    lease->retry_at = fh_time_add_ms(now, pause);
    snprintf(lease->error, sizeof(lease->error), "%s", answer->text);
}

void fh_fsm_lease_answer(struct fh_fsm *fsm, struct fh_time now,
                         const struct fh_fsm_arbiter_answer *answer, struct fh_fsm_actions *actions)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    if (answer->result == FH_FSM_ARBITER_UNREACHABLE) {
        if (!fh_time_before(answer->asked_at, lease->asked_at)) {
            lease->waiting = false;
        }
        unreachable(fsm, answer->text, actions);
        return;
    }
    reached(fsm, actions);
    fh_fsm_alone_answer(fsm, answer);
    snprintf(lease->holder, sizeof(lease->holder), "%s", answer->holder);
    if (answer->result == FH_FSM_ARBITER_RELEASED) {
        return;
    }
    if (answer->result == FH_FSM_ARBITER_DENIED) {
        if (!fh_time_before(answer->asked_at, lease->asked_at)) {
            lease->waiting = false;
            on_denied(fsm, now, answer);
        }
        return;
    }
    if (answer->epoch != lease->want) {
        fh_fsm_add(actions, FH_FSM_LEASE_RELEASE)->number = answer->epoch;
        return;
    }
    lease->waiting = false;
    if (fh_time_before(lease->granted_for, answer->asked_at)) {
        lease->granted_for = answer->asked_at;
    }
    struct fh_time from = FH_MUTANT(LEASE_FROM_ANSWER) ? now : answer->asked_at;
    struct fh_time until = fh_time_add_ms(from, fh_fsm_less_drift(answer->ttl_ms));
    if (fh_time_before(lease->until, until)) {
        lease->until = until;
    }
}

/* A lease it had when it was last heard ran out within its length; renewals that were under way
 * then and a silence that the detector forgives count as that. */
int64_t fh_fsm_lease_alone_ms(const struct fh_fsm *fsm)
{
    if (!fh_time_is_set(fsm->lease.others_at) || !fh_time_is_set(fsm->detector.last_heard)) {
        return 0;
    }
    int64_t unheard_ms = fh_time_diff_ms(fsm->lease.others_at, fsm->detector.last_heard);
    return unheard_ms > fsm->options.lease_ttl_ms + fsm->failure_ms ? unheard_ms : 0;
}

void fh_fsm_lease_upkeep(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    struct fh_fsm_lease *lease = &fsm->lease;
    if (!fsm->options.arbiter) {
        return;
    }
    bool leads = fsm->role == FH_ROLE_PRIMARY || fsm->role == FH_ROLE_PROMOTING;
    /* Until the sinks have stopped (then the epoch is stored) it must not be given back, but need
     * not be renewed either. */
    bool keep = leads || (fsm->role == FH_ROLE_DEMOTING && fsm->persisting == 0);
    if (FH_MUTANT(RELEASE_EARLY) && (fsm->switching || fsm->role == FH_ROLE_DEMOTING)) {
        leads = keep = false;
    }
    if (lease->want != 0 && !keep && !lease->needed) {
        give_back(fsm, actions);
        lease->spent = lease->want > lease->spent ? lease->want : lease->spent;
        lease->want = 0;
        lease->until = (struct fh_time){0};
        lease->waiting = false;
    }
    lease->needed = false;
    uint64_t epoch = fsm->role == FH_ROLE_PROMOTING ? fsm->target : fsm->epoch;
    bool tell = fh_fsm_alone_judge(fsm, now);
    if (!leads) {
        return;
    }
    if (lease->want != epoch || !held(fsm, now)) {
        (void)fh_fsm_lease_for(fsm, now, epoch, false, actions);
        lease->needed = false;
        return;
    }
    if (tell || fh_time_diff_ms(now, lease->asked_at) >= fsm->options.lease_ttl_ms / 3) {
        ask(fsm, now, FH_FSM_LEASE_RENEW, actions);
    }
}
