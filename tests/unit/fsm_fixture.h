/* fsm_fixture.h: one role machine, the peer it hears and the time, for tests that lead it through
 * situations by hand. Each test's set_up fills options and peer. */
#ifndef FH_TEST_FSM_FIXTURE_H
#define FH_TEST_FSM_FIXTURE_H

#include "fsm.h"

extern struct fh_fsm fsm;
extern struct fh_fsm_options options;
extern struct fh_fsm_actions actions; /* of the last step */
extern struct fh_fsm_actions all;     /* since the last clear, without state messages */
extern int64_t now_ms;
extern uint64_t sequence, instance; /* of the peer's messages */
extern struct fh_wire_hello peer;

/* A machine of these options at time 0, of which nothing is known yet. */
void begin(void);
struct fh_time at(int64_t ms);
void feed(const struct fh_fsm_input *input);
void simple(enum fh_fsm_input_type type);
/* Let time pass without anything heard. */
void pass(int64_t ms);
/* The latest action of the type since the last clear; NULL: none. */
const struct fh_fsm_action *did(enum fh_fsm_action_type type);
/* The epoch that it wants persisted is. */
void epoch_stored(void);
/* The peer says what it is, in a HELLO or a HEARTBEAT. */
void hear(bool hello);

#endif
