/* fsm_private.h: what fsm.c (the step), fsm_role.c (who leads) and fsm_peer.c (the peer's messages)
 * share. */
#ifndef FH_HA_FSM_PRIVATE_H
#define FH_HA_FSM_PRIVATE_H

#include "fsm.h"
#include "mutants.h"

#include "fh/err.h"

/* The next free action; zeroed. */
struct fh_fsm_action *fh_fsm_add(struct fh_fsm_actions *actions, enum fh_fsm_action_type type);
void fh_fsm_notice(struct fh_fsm_actions *actions, enum fh_log_id id, bool alarm, int path,
                   const char *format, ...) FH_PRINTF(5, 6);

/* fsm_peer.c */
/* Why the peer counts as lost. */
void fh_fsm_describe_loss(const struct fh_fsm *fsm, struct fh_time now, char *text, size_t size);
int fh_fsm_on_message(struct fh_fsm *fsm, struct fh_time now, const struct fh_wire_message *message,
                      struct fh_fsm_actions *actions);
int fh_fsm_on_datagram(struct fh_fsm *fsm, struct fh_time now,
                       const struct fh_wire_message *message, struct fh_fsm_actions *actions);

/* fsm_role.c */
void fh_fsm_in_role(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
void fh_fsm_change(struct fh_fsm *fsm, enum fh_role to, struct fh_fsm_actions *actions,
                   const char *evidence, const char *format, ...) FH_PRINTF(5, 6);
void fh_fsm_persist(struct fh_fsm *fsm, uint64_t epoch, bool as_primary,
                    struct fh_fsm_actions *actions);
/* Stay as we are, and say once why. */
void fh_fsm_wait_because(struct fh_fsm *fsm, struct fh_fsm_actions *actions, const char *format,
                         ...) FH_PRINTF(3, 4);
void fh_fsm_demote(struct fh_fsm *fsm, struct fh_fsm_actions *actions, const char *reason,
                   const char *evidence);

/* fsm_fence.c */
/* Enough was heard, or silence has lasted, since we stood still. */
void fh_fsm_end_hold(struct fh_fsm *fsm, struct fh_time now);
void fh_fsm_stalled(struct fh_fsm *fsm, struct fh_time now);
void fh_fsm_take_promise(struct fh_fsm *fsm, const struct fh_wire_state *state);
/* Are we following the peer, so that we may promise it not to lead? */
bool fh_fsm_promising(const struct fh_fsm *fsm);
void fh_fsm_note_promise(struct fh_fsm *fsm);
/* What the peer said last means that it does not lead any more in the epoch it was promised. */
void fh_fsm_promise_over(struct fh_fsm *fsm);
bool fh_fsm_promised(const struct fh_fsm *fsm, struct fh_time now);
/* The peer relies on our never leading, and has to hear first that this is over. */
void fh_fsm_be_quiet(struct fh_fsm *fsm, struct fh_time now);
bool fh_fsm_is_not_heard(const struct fh_fsm *fsm, struct fh_time now);
/* Fenced, and the peer has delivered meanwhile, in whatever epoch. */
bool fh_fsm_was_led_past(const struct fh_fsm *fsm, struct fh_time now);
/* With an arbiter: is there a lease or a promise for the epoch? */
bool fh_fsm_has_right(const struct fh_fsm *fsm, struct fh_time now);
void fh_fsm_move_fence(struct fh_fsm *fsm, struct fh_time now, bool starting,
                       struct fh_fsm_actions *actions);

/* fsm_lease.c */
/* The right to lead in this epoch is needed; true: there is a lease, or the arbiter does not
 * answer and peer_follows (whose promise is as good). */
bool fh_fsm_lease_for(struct fh_fsm *fsm, struct fh_time now, uint64_t epoch, bool peer_follows,
                      struct fh_fsm_actions *actions);
void fh_fsm_lease_answer(struct fh_fsm *fsm, struct fh_time now,
                         const struct fh_fsm_arbiter_answer *answer,
                         struct fh_fsm_actions *actions);
/* For so long after it was last heard another node was still granted the lease: it went on alone.
 * 0: not so that it could be told from the end of the lease it had. */
int64_t fh_fsm_lease_alone_ms(const struct fh_fsm *fsm);
/* Renew what is needed, give back what is not. */
void fh_fsm_lease_upkeep(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
/* For good: what was granted or asked for is given back. False: there is no answer to wait for. */
bool fh_fsm_lease_leave(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
/* Is this the answer to that? */
bool fh_fsm_lease_is_left(const struct fh_fsm *fsm, const struct fh_fsm_arbiter_answer *answer);

/* fsm_leave.c */
void fh_fsm_leave(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
/* In place of a step, after it; own reports still go their way. */
void fh_fsm_is_leaving(struct fh_fsm *fsm, struct fh_time now, const struct fh_fsm_input *input,
                       struct fh_fsm_actions *actions);

/* fsm_alone.c */
/* Forgets what was said of another epoch. */
void fh_fsm_alone_asks(struct fh_fsm *fsm);
struct fh_fsm_claim fh_fsm_alone_claim(const struct fh_fsm *fsm, bool acquire);
void fh_fsm_alone_answer(struct fh_fsm *fsm, const struct fh_fsm_arbiter_answer *answer);
/* Must it not lead without the peer, by what the arbiter knows? */
bool fh_fsm_would_repeat(const struct fh_fsm *fsm, struct fh_time now);
/* May it publish what the peer has not confirmed, as far as the arbiter's note is concerned? */
bool fh_fsm_may_be_alone(const struct fh_fsm *fsm);
/* Each step: what does it know of the peer, and the peer of it? True: the arbiter is to be told. */
bool fh_fsm_alone_judge(struct fh_fsm *fsm, struct fh_time now);
void fh_fsm_tell_barred(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
bool fh_fsm_forced(const struct fh_fsm *fsm, struct fh_time now);
void fh_fsm_force(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
/* pair.prefer = "safety" without arbiter, and no operator has decided. */
bool fh_fsm_wants_proof(const struct fh_fsm *fsm, struct fh_time now);

/* fsm_switch.c */
void fh_fsm_begin_switchover(struct fh_fsm *fsm, bool automatic, struct fh_fsm_actions *actions);
void fh_fsm_switch_stopped(struct fh_fsm *fsm, struct fh_time now);
void fh_fsm_set_maintenance(struct fh_fsm *fsm, struct fh_time now, bool on,
                            struct fh_fsm_actions *actions);
bool fh_fsm_peer_yields(const struct fh_fsm *fsm);
void fh_fsm_judge_health(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
void fh_fsm_note_false_alarm(struct fh_fsm *fsm, struct fh_time now);
/* How long nothing must be heard before this node takes the peer for lost. */
int64_t fh_fsm_patience_ms(const struct fh_fsm *fsm, struct fh_time now);

static inline bool fh_fsm_peer_present(const struct fh_fsm *fsm)
{
    return fsm->detector.verdict == FH_PEER_PRESENT && fsm->peer.instance != 0;
}

/* It has accepted our HELLO, so what it says was said in knowledge of us. */
static inline bool fh_fsm_peer_knows_us(const struct fh_fsm *fsm)
{
    return fsm->peer.hello.state.echo == fsm->options.instance;
}

static inline enum fh_role fh_fsm_peer_role(const struct fh_fsm *fsm)
{
    return fsm->peer.hello.state.role;
}

static inline bool fh_fsm_peer_idle(const struct fh_fsm *fsm)
{
    return fh_fsm_peer_role(fsm) == FH_ROLE_STARTING || fh_fsm_peer_role(fsm) == FH_ROLE_STANDBY;
}

static inline bool fh_fsm_peer_leads(const struct fh_fsm *fsm)
{
    return fh_fsm_peer_role(fsm) == FH_ROLE_PRIMARY || fh_fsm_peer_role(fsm) == FH_ROLE_PROMOTING;
}

static inline bool fh_fsm_idle(const struct fh_fsm *fsm)
{
    return fsm->role == FH_ROLE_STARTING || fsm->role == FH_ROLE_STANDBY;
}

/* Its clock may be 1 % fast and ours 1 % slow. */
static inline int64_t fh_fsm_less_drift(int64_t ms)
{
    return ms * 98 / 100;
}

#endif
