/* fsm_switch.c: owns the changes of role that nobody's death causes: an operator's switchover,
 * maintenance, the hand-over because of bad health, and what keeps them from flapping.
 *
 * A hand-over: the primary drains, stops, and then says in its states "I yield epoch e". The
 * standby takes over at once. If it does not in time, the node that yielded leads again. */
#include "fsm_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DRAIN_MS      1000 /* for what is stored to get out before a hand-over */
#define PATIENCE_MORE 4    /* times the failure time, after a needless failover */

int fh_fsm_switch_refused(const struct fh_fsm *fsm, bool force, char *text, size_t size)
{
    text[0] = '\0';
    if (fsm->role != FH_ROLE_PRIMARY) {
        snprintf(text, size, "this node is %s, only a primary can hand over; ask the other node",
                 fh_role_name(fsm->role));
        return -EINVAL;
    }
    if (fsm->switching) {
        snprintf(text, size, "a switchover is under way already");
        return -EALREADY;
    }
    if (!fh_fsm_peer_usable(fsm) || !fh_fsm_peer_idle(fsm)) {
        snprintf(text, size, "there is no standby that could take over");
        return -ENOTCONN;
    }
    const struct fh_wire_hello *peer = &fsm->peer.hello;
    if (peer->state.maintenance) {
        snprintf(text, size,
                 "node %s is in maintenance and never promotes; end that there first "
                 "(firehosectl maintenance off)",
                 peer->node);
        return -EBUSY;
    }
    if (!fh_fsm_protected(fsm)) {
        snprintf(text, size,
                 force ? "node %s is not a ready standby: it fetches again what it misses, which "
                         "may deliver events twice, and those beyond the replay window are lost"
                       : "node %s is not a ready standby; firehosectl status there says what it "
                         "lacks, --force hands over all the same",
                 peer->node);
        return force ? 0 : -EAGAIN;
    }
    return 0;
}

void fh_fsm_begin_switchover(struct fh_fsm *fsm, bool automatic, struct fh_fsm_actions *actions)
{
    if (fsm->role != FH_ROLE_PRIMARY || fsm->switching) {
        return;
    }
    fsm->switching = true;
    fsm->switching_automatic = automatic;
    fh_fsm_add(actions, FH_FSM_DRAIN_DELIVERY)->number = DRAIN_MS;
}

/* Delivery has ended for the peer to take over. */
void fh_fsm_switch_stopped(struct fh_fsm *fsm, struct fh_time now)
{
    fsm->switching = false;
    fsm->yield_epoch = fsm->epoch;
    fsm->yield_until = fh_time_add_ms(now, 3 * fsm->failure_ms);
    fsm->beat_now = true;
}

bool fh_fsm_yielding(const struct fh_fsm *fsm, struct fh_time now)
{
    return fsm->yield_epoch != 0 && fsm->yield_epoch >= fsm->seen &&
           fh_time_before(now, fsm->yield_until);
}

bool fh_fsm_peer_yields(const struct fh_fsm *fsm)
{
    const struct fh_wire_state *state = &fsm->peer.hello.state;
    return state->yield_epoch != 0 && state->yield_epoch >= fsm->seen && fh_fsm_peer_knows_us(fsm);
}

void fh_fsm_set_maintenance(struct fh_fsm *fsm, struct fh_time now, bool on,
                            struct fh_fsm_actions *actions)
{
    if (fsm->maintenance && !on) {
        fh_fsm_be_quiet(fsm, now);
        fsm->waiting_told = false;
    }
    fsm->maintenance = on;
    fsm->beat_now = true;
    fh_fsm_notice(actions, FH_LOG_MAINTENANCE, false, -1,
                  on ? "maintenance: this node never promotes" : "maintenance is over");
    if (on) {
        fh_fsm_begin_switchover(fsm, false, actions);
    }
}

static bool damped(const struct fh_fsm *fsm, struct fh_time now)
{
    return fh_time_is_set(fsm->automatic_at) &&
           fh_time_diff_ms(now, fsm->automatic_at) < fsm->options.damping_ms;
}

/* Made primary by the peer's promise while the arbiter did not answer, in an epoch that the arbiter
 * takes for spent: it never gets a lease in it, and would have to stop as soon as the peer is gone.
 */
static bool gets_no_lease(const struct fh_fsm *fsm, struct fh_time now)
{
    const struct fh_fsm_lease *lease = &fsm->lease;
    return fsm->options.arbiter && lease->reachable && lease->want == fsm->epoch &&
           lease->spent >= fsm->epoch && !fh_time_before(now, lease->until) &&
           !FH_MUTANT(SPENT_STAYS);
}

void fh_fsm_judge_health(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    const struct fh_sync_local *own = &fsm->sync.local;
    const struct fh_wire_state *peer = &fsm->peer.hello.state;
    bool spent = gets_no_lease(fsm, now);
    bool ill = fsm->options.handover_after_ms != 0 && (!own->streams_live || !own->sinks_healthy);
    int64_t patience_ms = spent ? fsm->options.lease_ttl_ms : fsm->options.handover_after_ms;
    bool peer_well =
        fh_fsm_protected(fsm) && peer->streams_live && peer->sinks_healthy && !peer->maintenance;
    if (!(ill || spent) || !peer_well) {
        fsm->ill_since = (struct fh_time){0};
        return;
    }
    if (!fh_time_is_set(fsm->ill_since)) {
        fsm->ill_since = now;
    }
    if (fsm->switching || damped(fsm, now) || fh_time_diff_ms(now, fsm->ill_since) < patience_ms) {
        return;
    }
    fsm->automatic_at = now;
    if (spent) {
        fh_fsm_notice(actions, FH_LOG_ROLE, true, -1,
                      "hands over: the arbiter takes epoch %" PRIu64 " for spent, node %s gets a "
                      "lease in a later one",
                      fsm->epoch, fsm->peer.hello.node);
        fh_fsm_begin_switchover(fsm, true, actions);
        return;
    }
    fh_fsm_notice(actions, FH_LOG_ROLE, true, -1,
                  "hands over: own %s bad for %" PRId64 " ms, node %s is well",
                  own->streams_live ? "sinks are" : "streams are",
                  fh_time_diff_ms(now, fsm->ill_since), fsm->peer.hello.node);
    fh_fsm_begin_switchover(fsm, true, actions);
}

/* We took over because the peer was silent, and the same process is there again: it was not dead.
 * Or the other way round. The next silence has to last longer. */
void fh_fsm_note_false_alarm(struct fh_fsm *fsm, struct fh_time now)
{
    bool took = fsm->role == FH_ROLE_PRIMARY && fsm->by_silence &&
                fsm->peer.instance == fsm->silent_instance && fh_fsm_peer_present(fsm);
    if (took) {
        fsm->by_silence = false;
        fsm->flapped_at = now;
    }
}

int64_t fh_fsm_patience_ms(const struct fh_fsm *fsm, struct fh_time now)
{
    bool flapped = fh_time_is_set(fsm->flapped_at) &&
                   fh_time_diff_ms(now, fsm->flapped_at) < fsm->options.damping_ms;
    return flapped ? PATIENCE_MORE * fsm->failure_ms : fsm->failure_ms;
}
