/* model_pair.c: two role machines with a hostile link between them, in virtual time. One seed is
 * one schedule: crashes, pauses, cuts, loss, reordering. A small host plays store and file sink, so
 * that what the machines decide can be held against what became visible.
 *
 * usage: model_pair [SEEDS [FIRST]]    a failure prints its seed; "model_pair 1 SEED" replays it
 *        FH_MODEL_TRACE=1 prints every change of role and every fault
 *
 * Held at every step: an epoch is durable before delivery starts in it, grows, and belongs to one
 * node for ever. Held at the end: one primary and one ready standby; every event was published. In
 * every fourth schedule only a protected primary is killed, one at a time: there every event must
 * be published exactly once. */
#include "fsm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS            ((int64_t)1000000)
#define HEARTBEAT_MS  300
#define FAILURE_AFTER 5
#define JOIN_MS       5000
#define TICK_MS       50
#define EVENT_MS      40
#define FAULTS_MS     60000
#define CALM_MS       45000 /* after the last fault: convergence within this less the next ... */
#define STEADY_MS     10000 /* ... and no change of role during this */
#define REPORTS_MAX   8192
#define EVENTS_MAX    4096
#define EPOCHS_MAX    512
#define PORTION       8

struct report {
    enum fh_report_state state;
    uint64_t epoch;
    uint32_t event;
    bool visible; /* the file is there */
};

enum op { OP_EPOCH, OP_ADD, OP_APPLY, OP_SETTLE, OP_STOP, OP_WANTS };

struct node {
    /* survives a crash */
    uint64_t store_id, epoch;
    bool last_primary;
    struct report report[REPORTS_MAX]; /* own, by number - 1 */
    uint64_t report_count;
    bool marked[EVENTS_MAX]; /* delivered, as far as this store knows */
    uint32_t first_unmarked;
    uint64_t peer_applied;
    /* does not */
    bool alive;
    unsigned life;
    int64_t paused_until;
    int64_t live_at;
    int64_t store_free; /* the store's queue is worked off one by one */
    bool delivering, in_sync, started_delivery;
    uint64_t delivering_epoch, confirmed, adding;
    uint64_t sequence;
    struct fh_fsm fsm;
};

enum what { EV_TICK, EV_FRAME, EV_OP, EV_DELIVER, EV_START, EV_CONNECT, EV_FAULT, EV_PRUNE };

struct event {
    int64_t at;
    uint64_t order;
    enum what what;
    int node;
    unsigned life;
    enum op op;
    uint64_t a, b;
    void *bytes;
    size_t len;
};

static struct {
    uint64_t seed, random, order;
    int64_t now;
    bool clean, trace, failed, calm;
    struct event *heap;
    size_t count, capacity;
    struct node node[2];
    size_t paths;
    int loss, dup; /* per thousand */
    int64_t delay_max;
    int64_t cut_until[2][FH_WIRE_PATHS_MAX]; /* from node, path */
    unsigned published[EVENTS_MAX];
    int epoch_owner[EPOCHS_MAX]; /* node + 1 */
    int64_t last_change, last_fault;
    uint64_t steps, faults, promotions;
} w;

static uint64_t rnd(uint64_t below)
{
    w.random += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = w.random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

static void fail(const char *format, ...) FH_PRINTF(1, 2);
static void fail(const char *format, ...)
{
    if (w.failed) {
        return;
    }
    w.failed = true;
    printf("seed %" PRIu64 ": at %" PRId64 " ms: ", w.seed, w.now / MS);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n  replay: model_pair 1 %" PRIu64 "\n", w.seed);
}

static void trace(const char *format, ...) FH_PRINTF(1, 2);
static void trace(const char *format, ...)
{
    if (!w.trace) {
        return;
    }
    printf("%8" PRId64 " ", w.now / MS);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* ---- virtual time ---- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct event event)
{
    if (w.count == w.capacity) {
        w.capacity = w.capacity ? 2 * w.capacity : 256;
        w.heap = realloc(w.heap, w.capacity * sizeof(*w.heap));
    }
    event.order = w.order++;
    size_t i = w.count++;
    while (i > 0 && earlier(&event, &w.heap[(i - 1) / 2])) {
        w.heap[i] = w.heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w.heap[i] = event;
}

static struct event pop(void)
{
    struct event top = w.heap[0];
    struct event last = w.heap[--w.count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w.count) {
            break;
        }
        if (child + 1 < w.count && earlier(&w.heap[child + 1], &w.heap[child])) {
            child++;
        }
        if (!earlier(&w.heap[child], &last)) {
            break;
        }
        w.heap[i] = w.heap[child];
        i = child;
    }
    w.heap[i] = last;
    return top;
}

static void later(enum what what, int node, int64_t after_ms, enum op op, uint64_t a, uint64_t b)
{
    push((struct event){.at = w.now + after_ms * MS,
                        .what = what,
                        .node = node,
                        .life = w.node[node].life,
                        .op = op,
                        .a = a,
                        .b = b});
}

/* The store does one thing after the other; each takes up to 4 ms, seldom 200. */
static void store(int n, enum op op, uint64_t a, uint64_t b)
{
    struct node *node = &w.node[n];
    int64_t begin = node->store_free > w.now ? node->store_free : w.now;
    int64_t took = (int64_t)rnd(4) + (!w.clean && rnd(200) == 0 ? (int64_t)rnd(200) : 0);
    node->store_free = begin + took * MS;
    push((struct event){.at = node->store_free,
                        .what = EV_OP,
                        .node = n,
                        .life = node->life,
                        .op = op,
                        .a = a,
                        .b = b});
}

/* ---- the link ---- */

static bool is_cut(int from, size_t path)
{
    return w.now < w.cut_until[from][path];
}

static void transmit(int from, size_t path, struct fh_wire_message *message)
{
    struct node *node = &w.node[from];
    message->version = FH_WIRE_VERSION_MAX;
    message->path = (uint8_t)path;
    message->instance = node->fsm.options.instance;
    size_t size = fh_wire_size(message);
    int copies = is_cut(from, path) || rnd(1000) < (uint64_t)w.loss ? 0
                 : rnd(1000) < (uint64_t)w.dup                      ? 2
                                                                    : 1;
    for (int i = 0; i < copies; i++) {
        struct event event = {.what = EV_FRAME, .node = !from, .len = size};
        event.at = w.now + (int64_t)rnd((uint64_t)(w.delay_max * MS)) + MS / 10;
        event.life = w.node[!from].life;
        event.bytes = malloc(size);
        if (fh_wire_encode(message, event.bytes, size) != (int)size) {
            fail("a message does not encode");
        }
        push(event);
    }
}

static void step(int n, const struct fh_fsm_input *input);

static void path_event(int n, size_t path, enum fh_path_event event)
{
    struct fh_fsm_input input = {.type = FH_FSM_PATH, .u.path = {path, event}};
    step(n, &input);
}

static void inbound(int n, size_t count)
{
    struct fh_fsm_input input = {.type = FH_FSM_INBOUND, .u.inbound = count};
    step(n, &input);
}

/* ---- the host: store and sink ---- */

static void push_local(int n)
{
    struct node *node = &w.node[n];
    struct fh_sync_local local = {
        .streams_live = w.now >= node->live_at,
        .sinks_healthy = true,
        .own_report_last = node->report_count,
        .peer_report_applied = node->peer_applied,
        .peer_report_store = w.node[!n].store_id,
    };
    for (int i = 0; i < FH_PARTITIONS; i++) {
        local.received.partition_ms[i] = 1000000 + w.now / MS;
        local.delivered.partition_ms[i] = 1000000;
        local.covered_from.partition_ms[i] = 1;
    }
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    step(n, &input);
}

static void publish(int n, uint64_t number)
{
    struct report *report = &w.node[n].report[number - 1];
    if (!report->visible) {
        report->visible = true;
        w.published[report->event]++;
        if (w.clean && w.published[report->event] > 1) {
            fail("event %u was published twice, now by node %c (report %" PRIu64 ")", report->event,
                 'a' + n, number);
        }
    }
    report->state = FH_REPORT_DELIVERED;
    w.node[n].marked[report->event] = true;
}

static void discard(int n, uint64_t number)
{
    w.node[n].report[number - 1].state = FH_REPORT_VOID;
}

/* What may become visible: confirmed by the peer, or nobody to wait for. */
static void publish_some(int n)
{
    struct node *node = &w.node[n];
    for (uint64_t number = node->report_count; number > 0; number--) {
        struct report *report = &node->report[number - 1];
        if (number + 64 < node->report_count) {
            break;
        }
        if (report->state == FH_REPORT_PREPARED && node->delivering &&
            (!node->in_sync || number <= node->confirmed)) {
            publish(n, number);
        }
    }
}

static bool pending_event(const struct node *node, uint32_t event)
{
    for (uint64_t i = node->report_count; i > 0 && i + 64 > node->report_count; i--) {
        if (node->report[i - 1].event == event && node->report[i - 1].state != FH_REPORT_VOID) {
            return true;
        }
    }
    return false;
}

static void deliver_next(int n)
{
    struct node *node = &w.node[n];
    uint32_t available = (uint32_t)(w.now / (EVENT_MS * MS));
    int prepared = 0;
    for (uint64_t i = node->report_count; i > 0 && i + 64 > node->report_count; i--) {
        prepared += node->report[i - 1].state == FH_REPORT_PREPARED;
    }
    if (!node->delivering || node->adding || prepared >= 8 || node->report_count == REPORTS_MAX) {
        return;
    }
    while (node->first_unmarked < EVENTS_MAX && node->marked[node->first_unmarked]) {
        node->first_unmarked++;
    }
    for (uint32_t e = node->first_unmarked; e < available && e < EVENTS_MAX; e++) {
        if (!node->marked[e] && !pending_event(node, e)) {
            node->adding = e + 1;
            store(n, OP_ADD, e, node->delivering_epoch);
            return;
        }
    }
}

static void send_own(int n, uint64_t number)
{
    struct fh_fsm_input input = {.type = FH_FSM_OWN_REPORT, .u.own_report = {number, 64}};
    step(n, &input);
}

static void op_settle(int n, bool known, uint64_t applied)
{
    struct node *node = &w.node[n];
    for (uint64_t number = 1; number <= node->report_count; number++) {
        struct report *report = &node->report[number - 1];
        if (report->state != FH_REPORT_PREPARED) {
            continue;
        }
        if (report->visible || !known || number <= applied) {
            publish(n, number);
        } else {
            discard(n, number);
        }
    }
    struct fh_fsm_input input = {.type = FH_FSM_SETTLED};
    step(n, &input);
}

static void op_stop(int n)
{
    struct node *node = &w.node[n];
    for (uint64_t number = 1; number <= node->report_count; number++) {
        if (node->report[number - 1].state == FH_REPORT_PREPARED) {
            if (number <= node->confirmed) {
                publish(n, number);
            } /* else in doubt */
        }
    }
    struct fh_fsm_input input = {.type = FH_FSM_DELIVERY_STOPPED};
    step(n, &input);
}

static void op_wants(int n, uint64_t from)
{
    struct node *node = &w.node[n];
    uint64_t number = from;
    for (int sent = 0; number <= node->report_count && sent < PORTION; number++) {
        if (node->report[number - 1].state == FH_REPORT_VOID && number < node->report_count) {
            continue; /* of no use to the peer */
        }
        send_own(n, number);
        sent++;
    }
    struct fh_fsm_input input = {.type = FH_FSM_WANTS_ANSWERED, .u.next_number = number};
    step(n, &input);
}

static void op_done(int n, const struct event *event)
{
    struct node *node = &w.node[n];
    struct fh_fsm_input input = {.type = FH_FSM_TICK};
    switch (event->op) {
    case OP_EPOCH:
        if (event->a < node->epoch) {
            fail("node %c: epoch goes back from %" PRIu64 " to %" PRIu64, 'a' + n, node->epoch,
                 event->a);
        }
        node->epoch = event->a;
        node->last_primary = event->b != 0;
        input.type = FH_FSM_EPOCH_DONE;
        input.u.epoch_done.epoch = event->a;
        step(n, &input);
        break;
    case OP_ADD:
        node->adding = 0;
        if (!node->delivering || event->b != node->delivering_epoch) {
            break;
        }
        node->report[node->report_count] =
            (struct report){FH_REPORT_PREPARED, event->b, (uint32_t)event->a, false};
        node->report_count++;
        push_local(n); /* figures may run ahead of the report itself */
        send_own(n, node->report_count);
        publish_some(n);
        break;
    case OP_APPLY: {
        const struct report *report = event->bytes;
        if (event->a > node->peer_applied) {
            node->peer_applied = event->a;
            if (report->state != FH_REPORT_VOID) {
                node->marked[report->event] = true;
            }
        }
        input.type = FH_FSM_APPLIED;
        input.u.applied.store_id = w.node[!n].store_id;
        input.u.applied.number = event->a;
        step(n, &input);
        break;
    }
    case OP_SETTLE:
        op_settle(n, event->a != 0, event->b);
        break;
    case OP_STOP:
        op_stop(n);
        break;
    case OP_WANTS:
        op_wants(n, event->a);
        break;
    }
    if (node->alive) {
        push_local(n);
    }
}

/* ---- the machine's actions ---- */

static void start_delivery(int n, uint64_t epoch)
{
    struct node *node = &w.node[n];
    if (node->epoch != epoch || !node->last_primary) {
        fail("node %c delivers in epoch %" PRIu64 " but %" PRIu64 " is on its disk", 'a' + n, epoch,
             node->epoch);
    }
    if (epoch >= EPOCHS_MAX || w.epoch_owner[epoch] != 0) {
        fail("node %c delivers in epoch %" PRIu64 ", which node %c had", 'a' + n, epoch,
             epoch < EPOCHS_MAX ? 'a' + w.epoch_owner[epoch] - 1 : '?');
        return;
    }
    if (node->fsm.doubt != FH_FSM_DOUBT_SETTLED) {
        fail("node %c delivers before its doubts are settled", 'a' + n);
    }
    w.epoch_owner[epoch] = n + 1;
    w.promotions++;
    node->delivering = true;
    node->delivering_epoch = epoch;
    node->confirmed = 0;
}

static void peer_report(int n, const struct fh_fsm_input *input)
{
    struct fh_report head;
    const struct fh_slice *bytes = &input->u.message->u.report.bytes;
    if (fh_report_peek(bytes->data, bytes->len, &head) < 0) {
        fail("a report cannot be read");
        return;
    }
    struct report *copy = malloc(sizeof(*copy));
    *copy = (struct report){head.state, head.epoch, (uint32_t)head.cursor_after, false};
    store(n, OP_APPLY, input->u.message->u.report.number, 0);
    /* the event just pushed carries the report */
    for (size_t i = 0; i < w.count; i++) {
        if (w.heap[i].order == w.order - 1) {
            w.heap[i].bytes = copy;
        }
    }
}

static void send_report(int n, uint64_t number, uint64_t previous)
{
    const struct report *own = &w.node[n].report[number - 1];
    struct fh_report report = {.number = number,
                               .epoch = own->epoch,
                               .state = own->state,
                               .sink = "archive",
                               .cursor_after = own->event};
    char bytes[256];
    fh_report_encode(&report, bytes);
    struct fh_wire_message message = {.type = FH_WIRE_REPORT};
    message.sequence = ++w.node[n].sequence;
    message.u.report.previous = previous;
    message.u.report.number = number;
    message.u.report.bytes = (struct fh_slice){bytes, fh_report_size(&report)};
    transmit(n, rnd(w.paths), &message);
}

static void perform(int n, const struct fh_fsm_input *input, struct fh_fsm_action *action)
{
    struct node *node = &w.node[n];
    struct fh_wire_message message;
    switch (action->type) {
    case FH_FSM_PERSIST_EPOCH:
        store(n, OP_EPOCH, action->number, action->flag);
        break;
    case FH_FSM_START_DELIVERY:
        start_delivery(n, action->number);
        break;
    case FH_FSM_STOP_DELIVERY:
        node->delivering = false;
        store(n, OP_STOP, 0, 0);
        break;
    case FH_FSM_PEER_REPORT:
        peer_report(n, input);
        break;
    case FH_FSM_PEER_CONFIRMED:
        node->confirmed = action->number;
        publish_some(n);
        break;
    case FH_FSM_PEER_WANTS:
        store(n, OP_WANTS, action->u.wants.from, 0);
        break;
    case FH_FSM_PEER_IN_SYNC:
        node->in_sync = action->flag;
        publish_some(n);
        break;
    case FH_FSM_SETTLE_IN_DOUBT:
        store(n, OP_SETTLE, action->flag, action->number);
        break;
    case FH_FSM_SEND_STATE:
        fh_fsm_fill_state(&node->fsm, (struct fh_time){w.now}, action->flag, &message);
        message.sequence = ++node->sequence;
        for (size_t i = 0; i < w.paths; i++) {
            transmit(n, i, &message);
        }
        break;
    case FH_FSM_SEND_REPORT:
        send_report(n, input->u.own_report.number, action->number);
        break;
    case FH_FSM_SEND:
        action->u.message.sequence = ++node->sequence;
        transmit(n, rnd(w.paths), &action->u.message);
        break;
    case FH_FSM_ROLE_CHANGED:
        w.last_change = w.now;
        trace("%c: %s -> %s epoch %" PRIu64 ": %s (%s)", 'a' + n, fh_role_name(action->u.role.from),
              fh_role_name(action->u.role.to), action->number, action->u.role.reason,
              action->u.role.evidence);
        break;
    case FH_FSM_NOTICE:
        trace("%c: [%d] %s", 'a' + n, action->u.notice.id, action->u.notice.text);
        break;
    case FH_FSM_SEND_GOODBYE:
    case FH_FSM_RESUME_STREAMS:
    case FH_FSM_PEER_CHECKPOINT:
    case FH_FSM_DRAIN_DELIVERY: /* no operator here yet */
    case FH_FSM_PUBLISH_UNTIL:
        break;
    }
}

static void step(int n, const struct fh_fsm_input *input)
{
    struct node *node = &w.node[n];
    if (!node->alive || w.failed) {
        return;
    }
    w.steps++;
    struct fh_fsm_actions actions;
    fh_fsm_step(&node->fsm, (struct fh_time){w.now}, input, &actions);
    for (size_t i = 0; i < actions.count && node->alive; i++) {
        perform(n, input, &actions.action[i]);
    }
    if (w.node[0].alive && w.node[1].alive && w.node[0].fsm.role == FH_ROLE_PRIMARY &&
        w.node[1].fsm.role == FH_ROLE_PRIMARY && w.node[0].fsm.epoch == w.node[1].fsm.epoch) {
        fail("two primaries in epoch %" PRIu64, w.node[0].fsm.epoch);
    }
}

/* ---- life and death ---- */

static void start_node(int n, bool preferred, bool safety)
{
    struct node *node = &w.node[n];
    node->alive = true;
    node->live_at = w.now + 300 * MS;
    node->delivering = false;
    node->in_sync = false;
    node->adding = 0;
    node->confirmed = 0;
    node->sequence = 0;
    node->store_free = w.now;
    struct fh_fsm_options options = {
        .instance = 1 + rnd(1ull << 40),
        .store_id = node->store_id,
        .replica_id = n + 1,
        .partitions = 0xfff,
        .preferred = preferred,
        .prefer_safety = safety,
        .odd_epochs = n == 0,
        .heartbeat_ms = HEARTBEAT_MS,
        .failure_after = FAILURE_AFTER,
        .join_timeout_ms = JOIN_MS,
        .path_count = w.paths,
        .epoch = node->epoch,
        .last_primary = node->last_primary,
    };
    snprintf(options.node, sizeof(options.node), "%c", 'a' + n);
    fh_fsm_init(&node->fsm, (struct fh_time){w.now}, &options);
    trace("%c: starts, epoch %" PRIu64 "%s", 'a' + n, node->epoch,
          node->last_primary ? ", last primary" : "");
    push_local(n);
    later(EV_TICK, n, 0, 0, 0, 0);
    later(EV_DELIVER, n, EVENT_MS / 2, 0, 0, 0);
    later(EV_CONNECT, n, (int64_t)rnd(100), 0, 0, 0);
    later(EV_CONNECT, !n, (int64_t)rnd(100), 0, 0, 0);
}

static void crash(int n)
{
    struct node *node = &w.node[n];
    if (!node->alive) {
        return;
    }
    trace("%c: CRASH as %s", 'a' + n, fh_role_name(node->fsm.role));
    node->alive = false;
    node->life++;
    node->paused_until = 0;
    /* The kernel closes its connections; who can be reached learns it at once. */
    if (!is_cut(n, 0) && !is_cut(!n, 0) && w.now >= w.node[!n].paused_until) {
        for (size_t i = 0; i < w.paths; i++) {
            path_event(!n, i, FH_PATH_DISCONNECTED);
        }
        inbound(!n, 0);
        path_event(!n, 0, FH_PATH_REFUSED);
    }
    later(EV_START, n, (int64_t)(rnd(3) == 0 ? rnd(100) : rnd(12000)), 0, 0, 0);
}

static void fault(void)
{
    int n = (int)rnd(2);
    struct node *node = &w.node[n];
    w.faults++;
    w.last_fault = w.now;
    if (w.clean) {
        n = w.node[0].fsm.role == FH_ROLE_PRIMARY ? 0 : 1;
        if (w.node[0].alive && w.node[1].alive && fh_fsm_protected(&w.node[n].fsm)) {
            crash(n);
        }
        return;
    }
    switch (rnd(6)) {
    case 0:
        crash(n);
        break;
    case 1:
        crash(n);
        if (rnd(2) == 0) {
            crash(!n);
        }
        break;
    case 2:
        node->paused_until = w.now + (int64_t)rnd(8000) * MS;
        trace("%c: pause until %" PRId64, 'a' + n, node->paused_until / MS);
        break;
    case 3:
    case 4: { /* cut: all or one path, both ways or one */
        int64_t until = w.now + (int64_t)rnd(8000) * MS;
        bool both = rnd(2) == 0;
        size_t only = rnd(w.paths + 1);
        trace("cut until %" PRId64 " from %c%s", until / MS, 'a' + n, both ? ", both ways" : "");
        for (size_t i = 0; i < w.paths; i++) {
            if (only == w.paths || only == i) {
                w.cut_until[n][i] = until;
                if (both) {
                    w.cut_until[!n][i] = until;
                }
            }
        }
        break;
    }
    default:
        w.loss = (int)rnd(300);
        w.dup = (int)rnd(100);
        w.delay_max = 1 + (int64_t)rnd(200);
        trace("loss %d, dup %d, delay %" PRId64, w.loss, w.dup, w.delay_max);
        break;
    }
}

static void calm_down(void)
{
    w.loss = 0;
    w.dup = 0;
    w.delay_max = 2;
    memset(w.cut_until, 0, sizeof(w.cut_until));
}

static void on_event(struct event *event, const bool *preferred, const bool *safety)
{
    struct node *node = &w.node[event->node];
    if (event->what != EV_FAULT && event->what != EV_CONNECT && event->life != node->life) {
        return;
    }
    struct fh_fsm_input input = {.type = FH_FSM_TICK};
    struct fh_wire_message message;
    switch (event->what) {
    case EV_TICK:
        step(event->node, &input);
        push_local(event->node);
        later(EV_TICK, event->node, TICK_MS, 0, 0, 0);
        break;
    case EV_FRAME:
        if (fh_wire_decode(event->bytes, event->len, &message) < 0) {
            fail("a message does not decode");
            break;
        }
        input.type = FH_FSM_MESSAGE;
        input.u.message = &message;
        step(event->node, &input);
        break;
    case EV_OP:
        op_done(event->node, event);
        break;
    case EV_DELIVER:
        deliver_next(event->node);
        /* When calm, fast enough to work off any backlog. */
        later(EV_DELIVER, event->node, w.calm ? 4 : EVENT_MS / 2, 0, 0, 0);
        break;
    case EV_START:
        start_node(event->node, preferred[event->node], safety[event->node]);
        break;
    case EV_CONNECT:
        if (node->alive && w.node[!event->node].alive) {
            for (size_t i = 0; i < w.paths; i++) {
                path_event(event->node, i, FH_PATH_CONNECTED);
            }
            inbound(event->node, w.paths);
        }
        break;
    case EV_FAULT:
        fault();
        break;
    case EV_PRUNE:
        break;
    }
}

static void check_end(void)
{
    const struct node *a = &w.node[0];
    const struct node *b = &w.node[1];
    if (w.failed) {
        return;
    }
    const struct node *primary = a->fsm.role == FH_ROLE_PRIMARY ? a : b;
    const struct node *standby = primary == a ? b : a;
    if (primary->fsm.role != FH_ROLE_PRIMARY || standby->fsm.role != FH_ROLE_STANDBY ||
        !fh_fsm_protected(&primary->fsm) || !fh_fsm_protected(&standby->fsm)) {
        fail("a is %s, b is %s, %sprotected; standby lacks: %s", fh_role_name(a->fsm.role),
             fh_role_name(b->fsm.role), fh_fsm_protected(&primary->fsm) ? "" : "not ",
             standby->fsm.sync.lacks);
    }
    if (w.last_change > w.now - STEADY_MS * MS) {
        fail("roles still change %d ms after the last fault", CALM_MS);
    }
    uint32_t due = (uint32_t)((w.now - STEADY_MS * MS / 2) / (EVENT_MS * MS));
    for (uint32_t e = 0; e < due && e < EVENTS_MAX; e++) {
        if (w.published[e] == 0) {
            fail("event %u is lost (a: %s, b: %s)", e, a->marked[e] ? "marked" : "not marked",
                 b->marked[e] ? "marked" : "not marked");
        }
    }
}

static uint64_t doubled(void)
{
    uint64_t count = 0;
    for (uint32_t e = 0; e < EVENTS_MAX; e++) {
        count += w.published[e] > 1 ? w.published[e] - 1 : 0;
    }
    return count;
}

static void run_seed(uint64_t seed)
{
    struct event *heap = w.heap;
    size_t capacity = w.capacity;
    bool tracing = w.trace;
    memset(&w, 0, sizeof(w));
    w.heap = heap;
    w.capacity = capacity;
    w.trace = tracing;
    w.seed = seed;
    w.random = seed * 0x2545f4914f6cdd1dull + 1;
    w.now = 1000 * MS;
    w.clean = seed % 4 == 0;
    w.paths = 1 + rnd(2);
    calm_down();
    bool preferred[2] = {rnd(2) == 0, rnd(2) == 0};
    bool safety[2] = {rnd(4) == 0, rnd(4) == 0};
    for (int n = 0; n < 2; n++) {
        w.node[n].store_id = 100 + (uint64_t)n;
        push((struct event){.at = w.now + (int64_t)rnd(8000) * MS, .what = EV_START, .node = n});
    }
    int64_t end_of_faults = w.now + FAULTS_MS * MS;
    for (int64_t at = w.now + 2000 * MS; at < end_of_faults; at += (int64_t)rnd(9000) * MS) {
        push((struct event){.at = at, .what = EV_FAULT});
    }
    while (w.count > 0 && !w.failed) {
        struct event event = pop();
        if (event.at > w.now) {
            w.now = event.at;
        }
        if (!w.calm && w.now >= end_of_faults) {
            w.calm = true;
            calm_down();
            trace("calm");
        }
        if (w.now >= end_of_faults + CALM_MS * MS) {
            free(event.bytes);
            break;
        }
        const struct node *node = &w.node[event.node];
        if (event.what != EV_FAULT && event.life == node->life && w.now < node->paused_until) {
            event.at = node->paused_until; /* keeps its order: push gives a later one */
            push(event);
            continue;
        }
        on_event(&event, preferred, safety);
        free(event.bytes);
    }
    check_end();
    while (w.count > 0) {
        free(pop().bytes);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    w.trace = getenv("FH_MODEL_TRACE") != NULL;
    uint64_t steps = 0;
    uint64_t failures = 0;
    uint64_t faults = 0;
    uint64_t promotions = 0;
    uint64_t twice = 0;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        run_seed(seed);
        steps += w.steps;
        faults += w.faults;
        promotions += w.promotions;
        twice += doubled();
        failures += w.failed;
        if (failures >= 5) {
            break;
        }
    }
    free(w.heap);
    printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " steps, %" PRIu64 " faults, %" PRIu64
           " promotions, %" PRIu64 " events published by both sides of a split, %" PRIu64
           " failures\n",
           seeds, first, steps, faults, promotions, twice, failures);
    return failures > 0;
}
