/* fsm_leave.c: owns the planned end of this process: delivery stops, what the arbiter granted goes
 * back to it, and then the peer may be told. Decides nothing about roles; never sends.
 *
 * The order is what keeps two from delivering: who hears the farewell asks the arbiter at once, and
 * is granted the lease as soon as it was given back. So it is given back when every sink has ended,
 * and not at all when one does not end in time: then it runs out by itself. */
#include "fsm_private.h"

#define LEAVE_MS 1000 /* for the sinks to end and the arbiter to answer; nobody waits longer */

static void left(struct fh_fsm *fsm, bool given_back, struct fh_fsm_actions *actions)
{
    if (!fsm->left) {
        fsm->left = true;
        fh_fsm_add(actions, FH_FSM_LEFT)->flag = given_back;
    }
}

void fh_fsm_leave(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions)
{
    if (fsm->leaving) {
        return;
    }
    fsm->leaving = true;
    fsm->leave_until = fh_time_add_ms(now, LEAVE_MS);
    if (FH_MUTANT(LEAVES_EARLY)) {
        (void)fh_fsm_lease_leave(fsm, now, actions);
    }
    fh_fsm_add(actions, FH_FSM_STOP_DELIVERY);
}

void fh_fsm_is_leaving(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_input *input,
                       struct fh_fsm_actions *actions)
{
    if (input->type == FH_FSM_DELIVERY_STOPPED && !fsm->left) {
        bool had_some = fsm->lease.want != 0;
        if (!fh_fsm_lease_leave(fsm, now, actions)) {
            left(fsm, !had_some, actions);
        }
    } else if (input->type == FH_FSM_ARBITER && fh_fsm_lease_is_left(fsm, input->u.arbiter)) {
        left(fsm, input->u.arbiter->result == FH_FSM_ARBITER_RELEASED, actions);
    }
    if (!fh_time_before(now, fsm->leave_until)) {
        left(fsm, !fsm->options.arbiter, actions);
    }
}
