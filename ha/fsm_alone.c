/* fsm_alone.c: owns the question who has published what the other node does not know, with an
 * arbiter and pair.prefer = "safety"; and the operator's order to lead all the same. Decides
 * nothing else about roles; never sends.
 *
 * A primary whose standby does not confirm goes on alone. Should it die before the standby has
 * heard of that, who takes over would deliver it all again. So the arbiter, which both can ask,
 * notes it:
 *   1. Nothing that the peer has not confirmed is published before the arbiter has noted that this
 *      node is alone (an odd stint of its epoch, see src/arbiter/alone.h).
 *   2. It is taken back (the next stint) when publication waits for the peer again and the peer has
 *      confirmed all that had been sent by then. Stints only grow within an epoch, so nothing that
 *      comes late takes back too much.
 *   3. Who has not met the peer asks for the lease with care: it is denied when the peer was alone
 *      when it led last. It waits for the peer, or for the operator.
 *   4. Who leads and has all the peer's reports says so, and the peer's note is gone.
 * A note may be there without need, when a node died between having it made and publishing, or
 * between being covered and taking it back. Both nodes present need no note; one of them alone
 * needs the operator. An arbiter that notes nothing (older than this), or has lost its memory, is
 * believed: then it is as with prefer = "availability". */
#include "fsm_private.h"

#include "alone.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define FORCED_MS 60000 /* so long an order to lead waits for the arbiter */

static bool minds(const struct fh_fsm *fsm)
{
    return fsm->options.arbiter && fsm->options.prefer_safety;
}

bool fh_fsm_forced(const struct fh_fsm *fsm, struct fh_time now)
{
    return fh_time_before(now, fsm->alone.forced_until);
}

bool fh_fsm_wants_proof(const struct fh_fsm *fsm, struct fh_time now)
{
    return fsm->options.prefer_safety && !fsm->options.arbiter && !fh_fsm_forced(fsm, now);
}

/* ---- what the arbiter is told, and tells ---- */

void fh_fsm_alone_asks(struct fh_fsm *fsm)
{
    struct fh_fsm_alone *alone = &fsm->alone;
    alone->stint = FH_ALONE_STINT_FIRST;
    alone->noted = 0;
    alone->answered = alone->other = alone->knows = alone->barred = false;
}

struct fh_fsm_claim fh_fsm_alone_claim(const struct fh_fsm *fsm, bool acquire)
{
    struct fh_fsm_claim claim = {0};
    if (minds(fsm)) {
        claim.stint = fsm->alone.stint;
        claim.knows_other = fsm->alone.knows;
        claim.careful = acquire && fsm->alone.careful && fsm->role != FH_ROLE_PRIMARY &&
                        !FH_MUTANT(ALONE_IGNORED);
    }
    return claim;
}

void fh_fsm_alone_answer(struct fh_fsm *fsm, const struct fh_fsm_arbiter_answer *answer)
{
    struct fh_fsm_alone *alone = &fsm->alone;
    if (answer->result == FH_FSM_ARBITER_DENIED) {
        alone->barred = answer->alone;
    }
    if (answer->result != FH_FSM_ARBITER_GRANTED || answer->epoch != fsm->lease.want) {
        return;
    }
    alone->barred = false;
    alone->answered = true;
    alone->supported = answer->stint != 0;
    alone->other = answer->other_alone;
    alone->noted = answer->stint > alone->noted ? answer->stint : alone->noted;
    if (alone->noted > alone->stint) { /* the disk was lost since it led in this epoch before */
        bool same = fh_alone_is(alone->noted) == fh_alone_is(alone->stint);
        alone->stint = (uint16_t)(alone->noted + (same ? 0 : 1));
    }
}

/* ---- what this node knows ---- */

/* It is there, publishes no more, and has no report that we do not hold. */
static bool holds_all(const struct fh_fsm *fsm)
{
    const struct fh_wire_state *peer = &fsm->peer.hello.state;
    bool published = peer->role == FH_ROLE_PRIMARY || peer->role == FH_ROLE_PROMOTING ||
                     (peer->role == FH_ROLE_DEMOTING && peer->yield_epoch == 0);
    return fh_fsm_peer_usable(fsm) && fh_fsm_peer_knows_us(fsm) && !published &&
           fsm->sync.introduced && fh_sync_drained(&fsm->sync) &&
           fh_sync_held(&fsm->sync) >= peer->report_last;
}

bool fh_fsm_would_repeat(const struct fh_fsm *fsm, struct fh_time now)
{
    const struct fh_fsm_alone *alone = &fsm->alone;
    bool cleared = alone->answered && !alone->other;
    return minds(fsm) && !cleared && !alone->knows && !fh_fsm_forced(fsm, now) &&
           !FH_MUTANT(ALONE_IGNORED);
}

bool fh_fsm_may_be_alone(const struct fh_fsm *fsm)
{
    const struct fh_fsm_alone *alone = &fsm->alone;
    if (!minds(fsm) || (alone->answered && !alone->supported) || FH_MUTANT(ALONE_UNTOLD)) {
        return true;
    }
    return fh_alone_is(alone->stint) && alone->noted == alone->stint;
}

/* The peer holds what is visible. What a sink was about to publish alone when it was told to wait
 * is reported within a heartbeat; so what counts is what had been sent by then. */
static bool is_covered(struct fh_fsm *fsm, struct fh_time now)
{
    struct fh_fsm_alone *alone = &fsm->alone;
    if (!fsm->in_sync_told || !fh_sync_covers(&fsm->sync)) {
        alone->covered_since = (struct fh_time){0};
        alone->covered_from = 0;
        return false;
    }
    if (!fh_time_is_set(alone->covered_since)) {
        alone->covered_since = now;
    }
    if (alone->covered_from == 0 &&
        fh_time_diff_ms(now, alone->covered_since) >= fsm->options.heartbeat_ms) {
        alone->covered_from = fsm->sync.live + 1;
    }
    return alone->covered_from != 0 && fsm->sync.confirmed + 1 >= alone->covered_from;
}

bool fh_fsm_alone_judge(struct fh_fsm *fsm, struct fh_time now)
{
    struct fh_fsm_alone *alone = &fsm->alone;
    if (!minds(fsm)) {
        return false;
    }
    if (fsm->role != FH_ROLE_PRIMARY && fsm->role != FH_ROLE_PROMOTING) {
        return false;
    }
    bool knew = alone->knows;
    /* What was known holds as long as nobody else can have led since. */
    alone->knows = (knew && fh_fsm_has_right(fsm, now)) || holds_all(fsm) || FH_MUTANT(KNOWS_EARLY);
    bool tell = alone->knows && alone->other && !knew;
    bool leads = fsm->role == FH_ROLE_PRIMARY && fsm->lease.want == fsm->epoch;
    if (!leads && fh_fsm_peer_usable(fsm) && fsm->doubt != FH_FSM_DOUBT_OPEN) {
        return tell;
    }
    /* Covered, it is alone no more; as soon as the peer fails to confirm, it may have to be again.
     * Who is about to lead or to settle without the peer need not wait for the note then. */
    bool covered = leads && is_covered(fsm, now);
    bool needs = (!leads || !fh_sync_covers(&fsm->sync)) && !FH_MUTANT(ALONE_FORGOTTEN);
    bool first = alone->stint == FH_ALONE_STINT_FIRST && covered;
    bool change = fh_alone_is(alone->stint) ? covered || FH_MUTANT(ALONE_FORGOTTEN) : needs;
    if ((change || first) && alone->stint < FH_ALONE_STINT_MAX) {
        alone->stint = (uint16_t)(alone->stint + (first ? 2 : 1));
        return true;
    }
    /* The answer may have got lost. */
    bool late = alone->supported && alone->noted != alone->stint &&
                fh_time_diff_ms(now, fsm->lease.asked_at) >= fsm->options.heartbeat_ms;
    return tell || late;
}

/* ---- what the operator is told, and orders ---- */

/* The notice just added goes into the history as well. */
static void keep(struct fh_fsm_actions *actions, const char *evidence)
{
    struct fh_fsm_action *action = &actions->action[actions->count - 1];
    action->u.notice.keep = true;
    snprintf(action->u.notice.evidence, sizeof(action->u.notice.evidence), "%s", evidence);
}

void fh_fsm_tell_barred(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    struct fh_fsm_alone *alone = &fsm->alone;
    if (alone->barred_told) {
        return;
    }
    alone->barred_told = true;
    fsm->waiting_told = true;
    char evidence[FH_FSM_REASON_MAX];
    fh_fsm_describe_loss(fsm, now, evidence, sizeof(evidence));
    snprintf(fsm->reason, sizeof(fsm->reason),
             "waits for the other node, which led alone: what it published only it knows; "
             "firehosectl promote --force leads, and delivers that again");
    fh_fsm_notice(actions, FH_LOG_ROLE, true, -1, "stays %s: %s (%s; the arbiter: %.100s)",
                  fh_role_name(fsm->role), fsm->reason, evidence, fsm->lease.error);
    keep(actions, evidence);
}

int fh_fsm_promote_refused(const struct fh_fsm *fsm, struct fh_time now, bool force, char *text,
                           size_t size)
{
    text[0] = '\0';
    const char *peer = fsm->peer.hello.node[0] ? fsm->peer.hello.node : "the other one";
    if (!fh_fsm_idle(fsm)) {
        snprintf(text, size, "this node is %s already", fh_role_name(fsm->role));
        return -EALREADY;
    }
    if (fsm->maintenance) {
        snprintf(text, size,
                 "this node is in maintenance; end that first (firehosectl maintenance off)");
        return -EBUSY;
    }
    if (fh_fsm_peer_usable(fsm)) {
        snprintf(
            text, size,
            "node %.32s is there and %s: the two decide by themselves who leads; to move the role "
            "give firehosectl switchover on the primary",
            peer, fh_role_name(fh_fsm_peer_role(fsm)));
        return -EBUSY;
    }
    if (fsm->options.arbiter && fsm->lease.holder[0] != '\0' && fsm->lease.reachable &&
        fh_time_is_set(fsm->lease.others_at) &&
        fh_time_diff_ms(now, fsm->lease.others_at) < fsm->options.lease_ttl_ms) {
        snprintf(text, size,
                 "node %.32s is alive: it holds the arbiter's lease, and two never lead",
                 fsm->lease.holder);
        return -EBUSY;
    }
    snprintf(text, size,
             "what node %.32s published and did not report to this one is delivered again%s%s",
             peer, fsm->options.arbiter ? "" : "; see that it is dead: if it lives, both deliver",
             force ? "" : "; --force orders it");
    return force ? 0 : -EAGAIN;
}

void fh_fsm_force(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    fsm->alone.forced_until = fh_time_add_ms(now, FORCED_MS);
    fsm->alone.barred = fsm->alone.barred_told = false;
    fsm->waiting_told = false;
    snprintf(fsm->reason, sizeof(fsm->reason),
             "the operator orders this node to lead, whatever the other one has published");
    fh_fsm_notice(actions, FH_LOG_ROLE, true, -1, "%s: %s", fh_role_name(fsm->role), fsm->reason);
    keep(actions, "firehosectl promote --force");
}
