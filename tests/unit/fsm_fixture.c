/* fsm_fixture.c: see fsm_fixture.h. */
#include "fsm_fixture.h"

struct fh_fsm fsm;
struct fh_fsm_options options;
struct fh_fsm_actions actions, all;
int64_t now_ms;
uint64_t sequence, instance = 500;
struct fh_wire_hello peer;

void begin(void)
{
    now_ms = 0;
    sequence = 0;
    all.count = 0;
    fh_fsm_init(&fsm, at(0), &options);
}

struct fh_time at(int64_t ms)
{
    return fh_time_add_ms((struct fh_time){1000000000}, ms);
}

void feed(const struct fh_fsm_input *input)
{
    fh_fsm_step(&fsm, at(now_ms), input, &actions);
    for (size_t i = 0; i < actions.count; i++) {
        if (actions.action[i].type != FH_FSM_SEND_STATE && all.count < FH_FSM_ACTIONS_MAX) {
            all.action[all.count++] = actions.action[i];
        }
    }
}

void simple(enum fh_fsm_input_type type)
{
    struct fh_fsm_input input = {.type = type};
    feed(&input);
}

void pass(int64_t ms)
{
    for (int64_t end = now_ms + ms; now_ms < end;) {
        now_ms = now_ms + 50 < end ? now_ms + 50 : end;
        simple(FH_FSM_TICK);
    }
}

const struct fh_fsm_action *did(enum fh_fsm_action_type type)
{
    for (size_t i = all.count; i > 0; i--) {
        if (all.action[i - 1].type == type) {
            return &all.action[i - 1];
        }
    }
    return NULL;
}

void epoch_stored(void)
{
    struct fh_fsm_input input = {.type = FH_FSM_EPOCH_DONE,
                                 .u.epoch_done.epoch = did(FH_FSM_PERSIST_EPOCH)->number};
    feed(&input);
}

void hear(bool hello)
{
    struct fh_wire_message m = {.version = FH_WIRE_VERSION_MAX, .instance = instance};
    m.type = hello ? FH_WIRE_HELLO : FH_WIRE_HEARTBEAT;
    m.sequence = ++sequence;
    peer.state.beat++;
    if (hello) {
        m.u.hello = peer;
    } else {
        m.u.heartbeat = peer.state;
    }
    struct fh_fsm_input input = {.type = FH_FSM_MESSAGE, .u.message = &m};
    feed(&input);
}
