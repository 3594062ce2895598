/* fsm_private.h: what fsm.c (the step), fsm_role.c (who leads) and fsm_peer.c (the peer's messages)
 * share. */
#ifndef FH_HA_FSM_PRIVATE_H
#define FH_HA_FSM_PRIVATE_H

#include "fsm.h"

#include "fh/err.h"

/* The next free action; zeroed. */
struct fh_fsm_action *fh_fsm_add(struct fh_fsm_actions *actions, enum fh_fsm_action_type type);
void fh_fsm_notice(struct fh_fsm_actions *actions, enum fh_log_id id, bool alarm, int path,
                   const char *format, ...) FH_PRINTF(5, 6);

/* fsm_peer.c */
int fh_fsm_on_message(struct fh_fsm *fsm, struct fh_time now, const struct fh_wire_message *message,
                      struct fh_fsm_actions *actions);

/* fsm_role.c */
void fh_fsm_in_role(struct fh_fsm *fsm, struct fh_time now, struct fh_fsm_actions *actions);
void fh_fsm_change(struct fh_fsm *fsm, enum fh_role to, struct fh_fsm_actions *actions,
                   const char *evidence, const char *format, ...) FH_PRINTF(5, 6);
void fh_fsm_persist(struct fh_fsm *fsm, uint64_t epoch, bool as_primary,
                    struct fh_fsm_actions *actions);
void fh_fsm_describe_loss(const struct fh_fsm *fsm, struct fh_time now, char *text, size_t size);

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

#endif
