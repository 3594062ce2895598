/* network.c: owns what lies between the hosts: the link of the pair and the way to the arbiter.
 * Delays, loses, repeats and reorders. */
#include "world.h"

#include <string.h>

bool is_cut(int from, size_t path)
{
    return w.now < w.cut_until[from][path];
}

static int copies(bool cut)
{
    if (cut || (w.loss > 0 && rnd(1000) < (uint64_t)w.loss)) {
        return 0;
    }
    return w.dup > 0 && rnd(1000) < (uint64_t)w.dup ? 2 : 1;
}

static int64_t arrival(void)
{
    return w.now + (int64_t)rnd((uint64_t)(w.delay_max * MS)) + MS / 10;
}

static void fill_frame(struct frame *frame, const struct fh_wire_message *message)
{
    frame->message = *message;
    frame->len = 0;
    if (message->type == FH_WIRE_REPORT) {
        const struct fh_slice *bytes = &message->u.report.bytes;
        memcpy(frame->bytes, bytes->data, bytes->len);
        frame->message.u.report.bytes.data = (const char *)frame->bytes;
    }
    if (w.encoded) {
        struct fh_wire_message whole = *message;
        int len = fh_wire_encode(&whole, frame->bytes, sizeof(frame->bytes));
        if (len <= 0) {
            fail("a message does not encode");
            return;
        }
        frame->len = (size_t)len;
    }
}

/* A datagram is sealed for one process of the peer: another one cannot open it. The event's life
 * says the same. */
void transmit(int from, size_t path, const struct fh_wire_message *message, bool datagram)
{
    struct node *node = &w.node[from];
    struct fh_wire_message copy = *message;
    copy.version = fh_fsm_version(&node->fsm);
    copy.path = (uint8_t)path;
    copy.instance = node->fsm.options.instance;
    for (int i = copies(is_cut(from, path)); i > 0; i--) {
        struct event event = {.what = EV_FRAME, .node = !from, .life = w.node[!from].life};
        event.at = arrival();
        event.a = datagram;
        event.frame = frame_new();
        fill_frame(frame_at(event.frame), &copy);
        push(event);
    }
}

void frame_arrived(const struct event *event)
{
    struct frame *frame = frame_at(event->frame);
    struct fh_wire_message decoded;
    struct fh_fsm_input input = {.type = event->a ? FH_FSM_DATAGRAM : FH_FSM_MESSAGE,
                                 .u.message = &frame->message};
    if (frame->len > 0) {
        if (fh_wire_decode(frame->bytes, frame->len, &decoded) < 0) {
            fail("a message does not decode");
            return;
        }
        input.u.message = &decoded;
    }
    step(event->node, &input);
}

void path_event(int n, size_t path, enum fh_path_event event)
{
    struct fh_fsm_input input = {.type = FH_FSM_PATH, .u.path = {path, event}};
    step(n, &input);
}

void inbound(int n, size_t count)
{
    struct fh_fsm_input input = {.type = FH_FSM_INBOUND, .u.inbound = count};
    step(n, &input);
}

void connect_paths(int n)
{
    if (!w.node[n].alive || !w.node[!n].alive) {
        return;
    }
    for (size_t i = 0; i < w.paths; i++) {
        path_event(n, i, FH_PATH_CONNECTED);
    }
    inbound(n, w.paths);
}

/* ---- the arbiter ---- */

static struct fh_time witness_clock(void)
{
    return (struct fh_time){1000 * MS + w.now + w.now / 1000000 * w.witness_drift_ppm};
}

void witness_start(void)
{
    w.witness_alive = true;
    fh_lease_start(&w.lease, witness_clock(), TTL_MS, w.stored_any ? &w.stored : NULL);
    trace("arbiter: starts");
}

void witness_crash(void)
{
    if (!w.arbiter || !w.witness_alive) {
        return;
    }
    trace("arbiter: CRASH");
    w.witness_alive = false;
    w.witness_life++;
    later(EV_WITNESS_START, 0, 10 + (int64_t)rnd(8000));
}

void ask_arbiter(int n, enum fh_lease_operation operation, const struct fh_fsm_action *action)
{
    struct node *node = &w.node[n];
    if (!w.arbiter || w.request_count == FRAMES_MAX) {
        fail(w.arbiter ? "too many questions to the arbiter" : "asks an arbiter that is not there");
        return;
    }
    uint64_t index = w.request_count++;
    const struct fh_fsm_claim *claim = &action->u.claim;
    w.request[index] = (struct request){operation,
                                        ++node->requests,
                                        action->number,
                                        {claim->stint, claim->knows_other, claim->careful},
                                        clock_of(n)};
    node->open_request[node->requests % 8] = node->requests;
    for (int i = copies(w.now < w.arbiter_cut_until[n][0]); i > 0; i--) {
        push((struct event){.at = arrival(),
                            .what = EV_ASKED,
                            .node = n,
                            .life = node->life,
                            .frame = -1,
                            .a = index});
    }
    struct event none = {.at = w.now + REQUEST_MS * MS, .what = EV_NO_ANSWER, .node = n};
    none.life = node->life;
    none.frame = -1;
    none.a = index;
    push(none);
}

static void answer(int n, unsigned life, const struct request *request,
                   const struct fh_lease_decision *decision)
{
    static const enum fh_fsm_arbiter_result results[] = {
        [FH_LEASE_GRANTED] = FH_FSM_ARBITER_GRANTED,  [FH_LEASE_HELD] = FH_FSM_ARBITER_DENIED,
        [FH_LEASE_OLD] = FH_FSM_ARBITER_DENIED,       [FH_LEASE_RELEASED] = FH_FSM_ARBITER_RELEASED,
        [FH_LEASE_WAIT] = FH_FSM_ARBITER_UNREACHABLE, [FH_LEASE_ALONE] = FH_FSM_ARBITER_DENIED,
    };
    static const char *const names[] = {"a", "b"};
    if (w.answer_count == FRAMES_MAX) {
        fail("too many answers of the arbiter");
        return;
    }
    uint64_t index = w.answer_count++;
    w.answer[index] = (struct answer){
        .answer = {.result = results[decision->verdict],
                   .epoch =
                       decision->verdict == FH_LEASE_GRANTED ? request->epoch : decision->epoch,
                   .holder = decision->holder < 2 ? names[decision->holder] : "",
                   .text = "held by the other node",
                   .ttl_ms = decision->ttl_ms,
                   .asked_at = request->asked_at,
                   .stint = decision->alone.stint,
                   .other_alone = decision->alone.other,
                   .alone = decision->verdict == FH_LEASE_ALONE},
        .number = request->number,
    };
    for (int i = copies(w.now < w.arbiter_cut_until[n][1]); i > 0; i--) {
        push((struct event){.at = arrival(),
                            .what = EV_ANSWERED,
                            .node = n,
                            .life = life,
                            .frame = -1,
                            .a = index});
    }
}

static void asked(const struct event *event)
{
    const struct request *request = &w.request[event->a];
    if (!w.witness_alive) {
        return;
    }
    struct fh_lease_request question = {request->operation, (uint32_t)event->node, request->epoch,
                                        TTL_MS, request->claim};
    struct fh_lease_decision decision;
    fh_lease_step(&w.lease, witness_clock(), &question, &decision);
    if (decision.persist) {
        fh_lease_record(&w.lease, &w.stored);
        w.stored_any = true;
        trace("arbiter: %c epoch %" PRIu64 "%s, stint %u%s, the other one %s",
              'a' + (int)w.stored.node, w.stored.epoch, w.stored.released ? " given back" : "",
              w.stored.alone.stint, w.stored.alone.before ? ", alone before" : "",
              w.stored.alone.other ? "was alone" : "was not alone");
    }
    if (!w.calm && chance(300)) { /* between the disk and the answer */
        witness_crash();
        return;
    }
    answer(event->node, event->life, request, &decision);
}

static void give(int n, uint64_t number, const struct fh_fsm_arbiter_answer *given)
{
    struct node *node = &w.node[n];
    if (node->open_request[number % 8] != number) {
        return; /* answered already, or given up */
    }
    node->open_request[number % 8] = 0;
    struct fh_fsm_input input = {.type = FH_FSM_ARBITER, .u.arbiter = given};
    step(n, &input);
}

void arbiter_event(const struct event *event)
{
    if (event->what == EV_ASKED) {
        asked(event);
    } else if (event->what == EV_ANSWERED) {
        give(event->node, w.answer[event->a].number, &w.answer[event->a].answer);
    } else {
        const struct request *request = &w.request[event->a];
        struct fh_fsm_arbiter_answer none = {.result = FH_FSM_ARBITER_UNREACHABLE,
                                             .holder = "",
                                             .text = "no answer",
                                             .asked_at = request->asked_at};
        give(event->node, request->number, &none);
    }
}
