/* fsm_fence.c: owns the right to make things visible: until when may this node publish? Decides
 * nothing about roles.
 *
 * The right comes from one of three:
 *   lease    The arbiter granted it. Runs from the moment we asked.
 *   promise  The standby says in every state: "of your beats I heard number n, and for p ms since
 *            then I will not lead in place of you in epoch e". We know when we sent beat n, which
 *            was before it was heard, so the promise runs at least until then + p, whatever gets
 *            lost or late. The standby takes over from silence only p after the last thing heard,
 *            so it costs it nothing to promise.
 *   alone    Without an arbiter only: the peer is not heard (or speaks a version without promises,
 *            or has said that it never takes over from silence). Moved on by every turn of the loop
 *            by half the failure time, so that it lies behind us when we wake from a sleep; then it
 *            needs a fresh answer of the peer or another failure time of silence.
 * A primary whose beats do not arrive, but who hears the peer, has no right: the peer is about to
 * take over. Clocks may run 1 % fast or slow. */
#include "fsm_private.h"

#include <inttypes.h>

#define PROMISE_MAX_MS 600000

uint8_t fh_fsm_version(const struct fh_fsm *fsm)
{
    uint8_t own = fsm->options.version_max ? fsm->options.version_max : FH_WIRE_VERSION_MAX;
    uint8_t peer = fsm->peer.hello.version_max;
    return fsm->peer.instance != 0 && peer < own && peer >= FH_WIRE_VERSION_MIN ? peer : own;
}

static struct fh_time later_of(struct fh_time a, struct fh_time b)
{
    return fh_time_before(a, b) ? b : a;
}

/* ---- the standby's side ---- */

bool fh_fsm_promising(const struct fh_fsm *fsm)
{
    const struct fh_wire_state *state = &fsm->peer.hello.state;
    return fh_fsm_idle(fsm) && fh_fsm_peer_usable(fsm) && fh_fsm_version(fsm) >= 2 &&
           fh_fsm_peer_leads(fsm) && state->epoch >= fsm->epoch && state->epoch >= fsm->seen &&
           state->beat != 0;
}

void fh_fsm_note_promise(struct fh_fsm *fsm)
{
    if (!fh_fsm_promising(fsm)) {
        return;
    }
    struct fh_fsm_fence *fence = &fsm->fence;
    struct fh_time until = fh_time_add_ms(fsm->peer.beat_at, fsm->failure_ms);
    fence->own_promise = later_of(fence->own_promise, until);
    if (fence->own_promise_epoch != fsm->peer.hello.state.epoch) {
        fence->own_promise_epoch = fsm->peer.hello.state.epoch;
        fsm->beat_now = true; /* it waits for this */
    }
}

void fh_fsm_promise_over(struct fh_fsm *fsm)
{
    fsm->fence.own_promise = (struct fh_time){0};
}

bool fh_fsm_promised(const struct fh_fsm *fsm, struct fh_time now)
{
    return fh_time_before(now, fsm->fence.quiet) ||
           (fh_time_before(now, fsm->fence.own_promise) && !FH_MUTANT(PROMISE_BROKEN));
}

void fh_fsm_be_quiet(struct fh_fsm *fsm, struct fh_time now)
{
    fsm->fence.quiet = fh_time_add_ms(now, fsm->failure_ms + fsm->failure_ms / 10);
    fsm->fence.quiet_beat = fsm->fence.beat + 1;
}

/* ---- the primary's side ---- */

void fh_fsm_take_promise(struct fh_fsm *fsm, const struct fh_wire_state *state)
{
    struct fh_fsm_fence *fence = &fsm->fence;
    if (state->echo != fsm->options.instance || state->beat_heard == 0 ||
        state->beat_heard > fence->beat || fence->beat - state->beat_heard >= FH_FSM_BEATS) {
        return;
    }
    if (state->beat_heard >= fence->hold_beat) {
        fence->hold = false;
    }
    if (state->beat_heard >= fence->quiet_beat) {
        fence->quiet = (struct fh_time){0};
    }
    if (state->promise_epoch == 0 || state->promise_ms > PROMISE_MAX_MS) {
        return;
    }
    struct fh_time sent = fence->beat_at[state->beat_heard % FH_FSM_BEATS];
    if (FH_MUTANT(PROMISE_FROM_ANSWER)) {
        sent = fsm->last_step;
    }
    struct fh_time until = fh_time_add_ms(sent, fh_fsm_less_drift(state->promise_ms));
    if (fence->promised_epoch != state->promise_epoch) {
        fence->promised_epoch = state->promise_epoch;
        fence->promised = until;
    }
    fence->promised = later_of(fence->promised, until);
}

void fh_fsm_stalled(struct fh_fsm *fsm, struct fh_time now)
{
    fh_detector_stalled(&fsm->detector, now);
    fsm->fence.hold = true;
    fsm->fence.hold_since = now;
    fsm->fence.hold_beat = fsm->fence.beat + 1;
}

void fh_fsm_end_hold(struct fh_fsm *fsm, struct fh_time now)
{
    struct fh_fsm_fence *fence = &fsm->fence;
    if (!fence->hold || fh_time_diff_ms(now, fence->hold_since) < fsm->failure_ms) {
        return;
    }
    /* Silent since we woke: it may be cut off, and have taken over meanwhile. An arbiter knows, and
     * is asked before anything else happens: by a primary for the lease, which tells that nobody
     * else led if it is still ours, by a standby before it leads. */
    bool may_lead = fsm->detector.verdict == FH_PEER_SILENT && !fsm->peer.hello.state.patient &&
                    !fsm->options.arbiter;
    if (!may_lead || !fsm->options.prefer_safety) {
        fence->hold = false;
    }
}

static bool may_go_alone(const struct fh_fsm *fsm, struct fh_time now)
{
    const struct fh_fsm_peer *peer = &fsm->peer;
    if (FH_MUTANT(FENCE_IGNORED)) {
        return true;
    }
    if (fsm->options.arbiter || fsm->fence.hold) {
        return false;
    }
    if (!fh_fsm_peer_usable(fsm) || fh_fsm_version(fsm) < 2) {
        return true;
    }
    if (fh_fsm_peer_idle(fsm)) {
        return peer->hello.state.patient;
    }
    /* It does not lead, and its own fence is behind it, however long its sinks take to stop. */
    return fh_fsm_peer_role(fsm) == FH_ROLE_DEMOTING && peer->hello.state.epoch <= fsm->epoch &&
           fh_time_diff_ms(now, peer->role_since) > fsm->failure_ms + fsm->failure_ms / 10;
}

/* It leads in an older epoch, would stop if it heard us, and does not: only messages from it to us
 * arrive. One of the two has to give way, and it cannot know. */
bool fh_fsm_is_not_heard(const struct fh_fsm *fsm, struct fh_time now)
{
    return !fsm->options.arbiter && fh_fsm_peer_usable(fsm) && fh_fsm_version(fsm) >= 2 &&
           fh_fsm_peer_role(fsm) == FH_ROLE_PRIMARY && fsm->peer.hello.state.epoch < fsm->epoch &&
           fh_time_diff_ms(now, fsm->peer.role_since) > 3 * fsm->failure_ms &&
           fh_time_is_set(fsm->fence.fenced_since) &&
           fh_time_diff_ms(now, fsm->fence.fenced_since) > 3 * fsm->failure_ms;
}

/* A primary that slept, led on a promise alone, whose standby then lost its disk and with it all
 * memory of our epoch: the arbiter, who never heard of that either, let it lead in a lower one.
 * What it delivered there we would deliver again, and have perhaps prepared already. So we step
 * down and settle; whoever leads next asks first. */
bool fh_fsm_was_led_past(const struct fh_fsm *fsm, struct fh_time now)
{
    return fsm->options.arbiter && fh_fsm_fenced(fsm, now) && fh_fsm_peer_usable(fsm) &&
           fh_fsm_peer_knows_us(fsm) &&
           fh_sync_held(&fsm->sync) < fsm->peer.hello.state.report_last;
}

static struct fh_time right_until(const struct fh_fsm *fsm)
{
    struct fh_time until = {0};
    if (fsm->options.arbiter && fsm->lease.want == fsm->epoch) {
        until = fsm->lease.until;
    }
    if (fsm->fence.promised_epoch == fsm->epoch) {
        until = later_of(until, fsm->fence.promised);
    }
    return until;
}

bool fh_fsm_has_right(const struct fh_fsm *fsm, struct fh_time now)
{
    return !fsm->options.arbiter || fh_time_before(now, right_until(fsm)) || FH_MUTANT(LEASE_LATE);
}

bool fh_fsm_fenced(const struct fh_fsm *fsm, struct fh_time now)
{
    return fsm->role == FH_ROLE_PRIMARY && !fh_time_before(now, fsm->fence.until);
}

static void tell_fenced(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    struct fh_fsm_fence *fence = &fsm->fence;
    if (!fh_fsm_fenced(fsm, now)) {
        fence->fenced_since = (struct fh_time){0};
        if (fence->fenced_told) {
            fh_fsm_notice(actions, FH_LOG_UNFENCED, false, -1, "publishes again");
        }
        fence->fenced_told = false;
        return;
    }
    if (!fh_time_is_set(fence->fenced_since)) {
        fence->fenced_since = now;
    }
    if (!fence->fenced_told &&
        fh_time_diff_ms(now, fence->fenced_since) >= fsm->options.heartbeat_ms) {
        fence->fenced_told = true;
        fh_fsm_notice(
            actions, FH_LOG_FENCED, true, -1, "publishes nothing: %s%s",
            fsm->options.arbiter ? "the lease is over and the peer does not follow"
            : fence->hold        ? "stood still and has heard nobody since"
                                 : "the peer is there but does not follow",
            fsm->options.arbiter && !fsm->lease.reachable ? "; the arbiter does not answer" : "");
    }
}

void fh_fsm_move_fence(struct fh_fsm *fsm, struct fh_time now, bool starting,
                       struct fh_fsm_actions *actions)
{
    if (fsm->role != FH_ROLE_PRIMARY) {
        return;
    }
    struct fh_time until = right_until(fsm);
    if (may_go_alone(fsm, now)) {
        /* The peer may appear now, hear our latest beat, one interval old, and then nothing more:
         * this has to be over before it has waited for the failure time. */
        int64_t ms = fsm->failure_ms < fsm->options.join_timeout_ms ? fsm->failure_ms
                                                                    : fsm->options.join_timeout_ms;
        ms = fh_fsm_less_drift(ms / 2);
        until = later_of(until, fh_time_add_ms(now, ms));
    } else if (FH_MUTANT(LEASE_LATE) && starting) {
        until = fh_time_add_ms(now, fsm->failure_ms);
    }
    if (starting) {
        fsm->fence.until = fh_time_is_set(until) ? until : now; /* unset would mean no limit */
        fh_fsm_add(actions, FH_FSM_PUBLISH_UNTIL)->u.until = fsm->fence.until;
    } else if (fh_time_before(fsm->fence.until, until) &&
               (!fh_time_before(now, fsm->fence.until) ||
                fh_time_diff_ms(until, fsm->fence.until) >= fsm->options.heartbeat_ms / 6)) {
        fsm->fence.until = until;
        fh_fsm_add(actions, FH_FSM_PUBLISH_UNTIL)->u.until = until;
    }
    tell_fenced(fsm, now, actions);
}
