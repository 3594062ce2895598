/* hosts.c: owns what a host does for its machine: a store with a queue, a sink, and the performing
 * of what the machine orders. */
#include "world.h"

#include <stdio.h>
#include <string.h>

/* The store does one thing after the other; each takes up to 4 ms, seldom 200. */
static void store(int n, struct event event)
{
    struct node *node = &w.node[n];
    int64_t begin = node->store_free > w.now ? node->store_free : w.now;
    int64_t took = (int64_t)rnd(4) + (!w.clean && chance(100) ? (int64_t)rnd(200) : 0);
    node->store_free = begin + took * MS;
    event.at = node->store_free;
    event.what = EV_OP;
    event.node = n;
    event.life = node->life;
    event.frame = -1;
    push(event);
}

/* ---- what the host says of itself ---- */

static int64_t delivered_ms(struct node *node)
{
    while (node->first_unmarked < EVENTS_MAX && node->marked[node->first_unmarked]) {
        node->first_unmarked++;
    }
    return BASE_MS + (int64_t)node->first_unmarked * EVENT_MS;
}

/* What was ordered has come. */
static void fetched(struct node *node)
{
    if (w.now >= node->live_at && node->fetch_from < node->have_from) {
        trace("events from %u on have come", node->fetch_from);
        node->have_from = node->fetch_from;
        node->first_unmarked = node->fetch_from;
    }
}

void push_local(int n)
{
    struct node *node = &w.node[n];
    static struct fh_sync_local local;
    local.streams_live = w.now >= node->live_at;
    local.sinks_healthy = w.now >= node->ill_until;
    local.own_report_last = node->report_count;
    local.peer_report_applied = node->peer_applied;
    local.peer_report_store = node->peer_store;
    fetched(node);
    int64_t delivered = delivered_ms(node);
    for (int i = 0; i < FH_PARTITIONS; i++) {
        local.received.partition_ms[i] = BASE_MS + w.now / MS;
        local.delivered.partition_ms[i] = delivered;
        local.covered_from.partition_ms[i] =
            node->have_from == 0 ? 1 : BASE_MS + (int64_t)node->have_from * EVENT_MS;
    }
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    step(n, &input);
}

static void send_own(int n, uint64_t number)
{
    struct fh_fsm_input input = {.type = FH_FSM_OWN_REPORT, .u.own_report = {number, 64}};
    step(n, &input);
}

/* ---- the sink ---- */

static void make_visible(int n, uint32_t event)
{
    w.published[event]++;
    check_published(n, event);
    if (w.published[event] == 1) {
        w.publisher[event] = n + 1;
    }
}

static void publish(int n, uint64_t number)
{
    struct report *report = &w.node[n].report[number - 1];
    if (!report->visible) {
        report->visible = true;
        report->known_to = number > w.node[n].confirmed ? 0 : w.node[!n].store_id;
        make_visible(n, report->event);
    }
    report->state = FH_REPORT_DELIVERED;
    w.node[n].marked[report->event] = true;
}

static uint64_t first_open(struct node *node)
{
    while (node->open_from < node->report_count &&
           node->report[node->open_from].state != FH_REPORT_PREPARED) {
        node->open_from++;
    }
    return node->open_from + 1;
}

/* What may become visible: before the fence, confirmed by the peer, or nobody to wait for. */
static int publish_some(int n)
{
    struct node *node = &w.node[n];
    int left = 0;
    for (uint64_t number = first_open(node); number <= node->report_count; number++) {
        if (node->report[number - 1].state != FH_REPORT_PREPARED) {
            continue;
        }
        if (node->delivering && able(n) && (!node->in_sync || number <= node->confirmed)) {
            check_publisher(n);
            publish(n, number);
        } else {
            left++;
        }
    }
    return left;
}

static bool in_batch(struct node *node, uint32_t event)
{
    for (uint64_t number = first_open(node); number <= node->report_count; number++) {
        if (node->report[number - 1].event == event &&
            node->report[number - 1].state == FH_REPORT_PREPARED) {
            return true;
        }
    }
    return false;
}

static void next_batch(int n)
{
    struct node *node = &w.node[n];
    uint32_t available = (uint32_t)(w.now / (EVENT_MS * MS));
    delivered_ms(node);
    for (uint32_t e = node->first_unmarked; e < available && e < EVENTS_MAX; e++) {
        if (node->marked[e] || in_batch(node, e)) {
            continue;
        }
        if (w.sink == SINK_ASKED) {
            if (!able(n)) {
                return;
            }
            check_publisher(n);
            make_visible(n, e);
        }
        node->adding = e + 1;
        store(n, (struct event){.op = OP_ADD, .a = e, .b = node->delivering_epoch});
        return;
    }
}

static void stop(int n)
{
    w.node[n].stopping |= w.node[n].delivering;
    w.node[n].delivering = false;
    w.node[n].draining = false;
    store(n, (struct event){.op = OP_STOP});
}

void sink_turn(int n)
{
    struct node *node = &w.node[n];
    if (!node->alive || !node->delivering) {
        return;
    }
    bool ill = w.now < node->ill_until;
    int left = ill ? 1 : publish_some(n);
    if (node->draining) {
        if ((left == 0 && !node->adding) || w.now >= node->drain_end) {
            stop(n);
        }
        return;
    }
    if (!ill && !node->adding && left < PREPARED_MAX && node->report_count < REPORTS_MAX) {
        next_batch(n);
    }
}

/* ---- the store's work is done ---- */

static void op_add(int n, const struct event *event)
{
    struct node *node = &w.node[n];
    node->adding = 0;
    enum fh_report_state state = FH_REPORT_DELIVERED;
    if (w.sink == SINK_PREPARES) {
        if (!node->delivering || event->b != node->delivering_epoch) {
            return;
        }
        state = FH_REPORT_PREPARED;
    } else {
        node->marked[event->a] = true; /* it is out there, whatever the role is by now */
    }
    node->report[node->report_count] =
        (struct report){state, event->b, (uint32_t)event->a, w.sink == SINK_ASKED, 0};
    node->report_count++;
    push_local(n); /* figures may run ahead of the report itself */
    send_own(n, node->report_count);
    sink_turn(n);
}

static void op_apply(int n, const struct event *event)
{
    struct node *node = &w.node[n];
    if (event->b != node->peer_store) {
        node->peer_store = event->b;
        node->peer_applied = 0;
    }
    if (event->a > node->peer_applied) {
        node->peer_applied = event->a;
        if (event->report.state != FH_REPORT_VOID) {
            node->marked[event->report.event] = true;
        }
    }
    struct fh_fsm_input input = {.type = FH_FSM_APPLIED, .u.applied = {event->b, event->a}};
    step(n, &input);
}

static void op_settle(int n, bool known, uint64_t applied)
{
    struct node *node = &w.node[n];
    for (uint64_t number = first_open(node); number <= node->report_count; number++) {
        struct report *report = &node->report[number - 1];
        if (report->state != FH_REPORT_PREPARED) {
            continue;
        }
        /* What the peer has reported as delivered meanwhile is known, whether it is there or not.
         */
        bool alone = !known && !node->marked[report->event];
        if (report->visible || alone || (known && number <= applied)) {
            trace("%c: report %" PRIu64 " (event %u) was in doubt, is published", 'a' + n, number,
                  report->event);
            publish(n, number);
        } else {
            trace("%c: report %" PRIu64 " (event %u) was in doubt, is void", 'a' + n, number,
                  report->event);
            report->state = FH_REPORT_VOID;
        }
    }
    struct fh_fsm_input input = {.type = FH_FSM_SETTLED};
    step(n, &input);
}

static void op_stop(int n)
{
    struct node *node = &w.node[n];
    for (uint64_t number = first_open(node); number <= node->report_count; number++) {
        if (node->report[number - 1].state == FH_REPORT_PREPARED && number <= node->confirmed &&
            fh_time_before(clock_of(n), node->until)) {
            publish(n, number);
        } /* else in doubt */
    }
    node->stopping = false;
    struct fh_fsm_input input = {.type = FH_FSM_DELIVERY_STOPPED};
    step(n, &input);
}

/* A peer whose disk was lost is told what its earlier self had delivered, by reports of ours. */
static void vouch(struct node *node)
{
    bool own[EVENTS_MAX] = {false};
    for (uint64_t i = 0; i < node->report_count; i++) {
        own[node->report[i].event] |= node->report[i].state == FH_REPORT_DELIVERED;
    }
    for (uint32_t e = 0; e < EVENTS_MAX && node->report_count < REPORTS_MAX; e++) {
        if (node->marked[e] && !own[e]) {
            node->report[node->report_count++] =
                (struct report){FH_REPORT_DELIVERED, node->epoch, e, true, 0};
        }
    }
}

static void op_wants(int n, uint64_t from, uint64_t store_id)
{
    struct node *node = &w.node[n];
    if (from <= 1 && node->peer_store != 0 && node->peer_store != store_id) {
        vouch(node);
    }
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

static void op_epoch(int n, uint64_t epoch, bool as_primary)
{
    struct node *node = &w.node[n];
    if (epoch < node->epoch) {
        fail("node %c: epoch goes back from %" PRIu64 " to %" PRIu64, 'a' + n, node->epoch, epoch);
    }
    node->epoch = epoch;
    node->last_primary = as_primary;
    struct fh_fsm_input input = {.type = FH_FSM_EPOCH_DONE, .u.epoch_done = {epoch, 0}};
    step(n, &input);
}

void op_done(const struct event *event)
{
    int n = event->node;
    switch (event->op) {
    case OP_EPOCH:
        op_epoch(n, event->a, event->b != 0);
        break;
    case OP_ADD:
        op_add(n, event);
        break;
    case OP_APPLY:
        op_apply(n, event);
        break;
    case OP_SETTLE:
        /* Decided alone, then stopped before the store came to it: the one thing that is not behind
         * the fence. */
        w.blind |= !w.careful && event->a == 0 &&
                   w.now > (int64_t)event->report.epoch + FAILURE_MS / 2 * MS;
        op_settle(n, event->a != 0, event->b);
        break;
    case OP_STOP:
        op_stop(n);
        break;
    case OP_WANTS:
        op_wants(n, event->a, event->b);
        break;
    }
}

/* ---- the machine's orders ---- */

static void start_delivery(int n, uint64_t epoch)
{
    struct node *node = &w.node[n];
    check_start(n, epoch);
    check_blind(n);
    check_forgotten(n);
    w.promotions++;
    node->delivering = true;
    node->draining = false;
    node->delivering_epoch = epoch;
    node->confirmed = 0;
    if (w.sink == SINK_ASKED) { /* what is really there? */
        for (uint32_t e = 0; e < EVENTS_MAX; e++) {
            node->marked[e] |= w.published[e] > 0;
        }
    }
    check_two();
}

static void peer_report(int n, const struct fh_fsm_input *input)
{
    struct node *node = &w.node[n];
    struct fh_report head;
    const struct fh_wire_report *report = &input->u.message->u.report;
    if (fh_report_peek(report->bytes.data, report->bytes.len, &head) < 0) {
        fail("a report cannot be read");
        return;
    }
    if (node->handed_store != node->fsm.sync.peer_store) {
        node->handed_store = node->fsm.sync.peer_store;
        node->handed = 0;
    }
    if (report->number <= node->handed) {
        fail("node %c: report %" PRIu64 " is handed over again", 'a' + n, report->number);
    }
    node->handed = report->number;
    store(n, (struct event){
                 .op = OP_APPLY,
                 .a = report->number,
                 .b = node->handed_store,
                 .report = {head.state, head.epoch, (uint32_t)head.cursor_after, false, 0}});
}

/* Bulk goes over the first path that works. */
static size_t best_path(int n)
{
    for (size_t i = 0; i < w.paths; i++) {
        if (w.node[n].fsm.detector.path[i].up) {
            return i;
        }
    }
    return 0;
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
    trace("%c: sends report %" PRIu64 " (event %u, state %d) after %" PRIu64, 'a' + n, number,
          own->event, (int)own->state, previous);
    static struct fh_wire_message message;
    message.type = FH_WIRE_REPORT;
    message.sequence = ++w.node[n].sequence;
    message.u.report.previous = previous;
    message.u.report.number = number;
    message.u.report.bytes = (struct fh_slice){bytes, fh_report_size(&report)};
    transmit(n, best_path(n), &message, false);
}

static void send_state(int n, bool hello, bool datagram)
{
    static struct fh_wire_message message;
    fh_fsm_fill_state(&w.node[n].fsm, clock_of(n), hello, &message);
    message.sequence = ++w.node[n].sequence;
    for (size_t i = 0; i < w.paths; i++) {
        transmit(n, i, &message, datagram);
    }
}

static void take_checkpoint(int n, const struct fh_checkpoint *checkpoint)
{
    struct node *node = &w.node[n];
    for (int i = 0; i < FH_PARTITIONS; i++) {
        if (checkpoint->partition_ms[i] < node->peer_checkpoint.partition_ms[i]) {
            fail("node %c: the peer's checkpoint goes back", 'a' + n);
        }
    }
    node->peer_checkpoint = *checkpoint;
}

/* Streams are closed and opened again; only a store that lacks something is sent more by it. */
static void fetch(int n, const struct fh_checkpoint *checkpoint)
{
    struct node *node = &w.node[n];
    int64_t ms = checkpoint->partition_ms[0];
    uint32_t from = ms > BASE_MS ? (uint32_t)((ms - BASE_MS) / EVENT_MS) : 0;
    if (ms != 0 && from < node->have_from) {
        trace("%c: fetches events from %u on, held from %u on", 'a' + n, from, node->have_from);
        node->fetch_from = from;
        node->live_at = w.now + (int64_t)(50 + rnd(800)) * MS;
    }
}

static void order(int n, const struct fh_fsm_input *input, const struct fh_fsm_action *action)
{
    struct node *node = &w.node[n];
    switch (action->type) {
    case FH_FSM_PERSIST_EPOCH:
        store(n, (struct event){.op = OP_EPOCH, .a = action->number, .b = action->flag});
        break;
    case FH_FSM_START_DELIVERY:
        start_delivery(n, action->number);
        break;
    case FH_FSM_STOP_DELIVERY:
        stop(n);
        break;
    case FH_FSM_DRAIN_DELIVERY:
        w.handovers++;
        node->draining = true;
        node->drain_end = w.now + (int64_t)action->number * MS;
        break;
    case FH_FSM_PUBLISH_UNTIL:
        node->until = action->u.until;
        check_two();
        break;
    case FH_FSM_PEER_REPORT:
        peer_report(n, input);
        break;
    case FH_FSM_PEER_CONFIRMED:
        node->confirmed = action->number;
        sink_turn(n);
        break;
    case FH_FSM_PEER_WANTS:
        store(n, (struct event){
                     .op = OP_WANTS, .a = action->u.wants.from, .b = node->fsm.sync.peer_store});
        break;
    case FH_FSM_PEER_IN_SYNC:
        node->in_sync = action->flag;
        sink_turn(n);
        break;
    case FH_FSM_SETTLE_IN_DOUBT:
        if (!action->flag) {
            check_blind(n);
        }
        store(n, (struct event){.op = OP_SETTLE,
                                .a = action->flag,
                                .b = action->number,
                                .report.epoch = (uint64_t)w.now});
        break;
    case FH_FSM_PEER_CHECKPOINT:
        take_checkpoint(n, &action->u.checkpoint);
        break;
    case FH_FSM_RESUME_STREAMS:
        if (action->u.checkpoint.partition_ms[0] > delivered_ms(node)) {
            fail("node %c resumes behind what it lacks", 'a' + n);
        }
        fetch(n, &action->u.checkpoint);
        break;
    default:
        break;
    }
}

static void say_farewell(int n)
{
    static struct fh_wire_message message;
    memset(&message, 0, sizeof(message));
    message.type = FH_WIRE_GOODBYE;
    message.sequence = ++w.node[n].sequence;
    for (size_t i = 0; i < w.paths; i++) {
        transmit(n, i, &message, false);
    }
}

static void perform(int n, const struct fh_fsm_input *input, struct fh_fsm_action *action)
{
    switch (action->type) {
    case FH_FSM_SEND_STATE:
        send_state(n, action->flag, false);
        break;
    case FH_FSM_SEND_DATAGRAM:
        send_state(n, false, true);
        break;
    case FH_FSM_SEND_REPORT:
        send_report(n, input->u.own_report.number, action->number);
        break;
    case FH_FSM_SEND:
        action->u.message.sequence = ++w.node[n].sequence;
        trace("%c: sends %s %" PRIu64, 'a' + n,
              action->u.message.type == FH_WIRE_WANT       ? "WANT from"
              : action->u.message.type == FH_WIRE_ANSWERED ? "ANSWERED after"
                                                           : "CONFIRM",
              action->u.message.type == FH_WIRE_ANSWERED ? action->u.message.u.answered.previous
              : action->u.message.type == FH_WIRE_WANT   ? action->u.message.u.want.from
                                                         : action->u.message.u.confirm.number);
        transmit(n, best_path(n), &action->u.message, false);
        break;
    case FH_FSM_LEASE_ACQUIRE:
        ask_arbiter(n, FH_LEASE_ACQUIRE, action);
        break;
    case FH_FSM_LEASE_RENEW:
        ask_arbiter(n, FH_LEASE_RENEW, action);
        break;
    case FH_FSM_LEASE_RELEASE:
        check_release(n, action->number);
        ask_arbiter(n, FH_LEASE_RELEASE, action);
        break;
    case FH_FSM_SEND_GOODBYE:
        say_farewell(n);
        break;
    case FH_FSM_LEFT:
        stopped(n);
        break;
    case FH_FSM_ROLE_CHANGED:
        w.last_change = w.now;
        trace("%c: %s -> %s epoch %" PRIu64 ": %s (%s)", 'a' + n, fh_role_name(action->u.role.from),
              fh_role_name(action->u.role.to), action->number, action->u.role.reason,
              action->u.role.evidence);
        break;
    case FH_FSM_NOTICE:
        trace("%c: [%d] %s", 'a' + n, (int)action->u.notice.id, action->u.notice.text);
        break;
    default:
        order(n, input, action);
    }
}

static struct fh_fsm_actions spare[8]; /* a step's orders may lead to further steps */
static size_t depth;

void step(int n, const struct fh_fsm_input *input)
{
    struct node *node = &w.node[n];
    if (!node->alive || w.failed) {
        return;
    }
    w.steps++;
    if (depth == sizeof(spare) / sizeof(spare[0])) {
        fail("steps within steps");
        return;
    }
    struct fh_fsm_actions *actions = &spare[depth++];
    fh_fsm_step(&node->fsm, clock_of(n), input, actions);
    for (size_t i = 0; i < actions->count && node->alive && !w.failed; i++) {
        perform(n, input, &actions->action[i]);
    }
    depth--;
    check_barred(n);
    check_step();
}

/* A ready pair, and the disk that was lost is no longer missed: all that is still to be published
 * is in reach of its node, too. */
static bool is_healed(void)
{
    uint32_t first = 0;
    while (first < EVENTS_MAX && w.published[first] > 0) {
        first++;
    }
    return w.node[0].alive && w.node[1].alive && fh_fsm_protected(&w.node[0].fsm) &&
           fh_fsm_protected(&w.node[1].fsm) && w.node[w.unhealed - 1].have_from <= first;
}

void tick(int n)
{
    struct fh_fsm_input input = {.type = FH_FSM_TICK};
    step(n, &input);
    sink_turn(n);
    if (w.unhealed && is_healed()) {
        w.unhealed = 0;
    }
    if (w.node[n].ticks++ % 4 == 0) {
        push_local(n);
    }
    later(EV_TICK, n, TICK_MS);
}

void start_node(int n)
{
    struct node *node = &w.node[n];
    node->alive = true;
    node->live_at = w.now + 300 * MS;
    node->ill_until = 0;
    node->delivering = node->stopping = node->draining = node->in_sync = false;
    node->until = (struct fh_time){0};
    node->adding = 0;
    node->confirmed = 0;
    node->sequence = 0;
    node->handed_store = node->peer_store;
    node->handed = node->peer_applied;
    if (node->empty) { /* its streams begin with what comes from now on */
        node->empty = false;
        node->have_from = (uint32_t)(w.now / (EVENT_MS * MS));
        node->first_unmarked = node->have_from;
    }
    node->fetch_from = node->have_from;
    node->store_free = w.now;
    node->peer_checkpoint = (struct fh_checkpoint){{0}};
    struct fh_fsm_options options = {
        .instance = 1 + rnd(1ull << 40),
        .store_id = node->store_id,
        .replica_id = n + 1,
        .partitions = 0xfff,
        .preferred = node->preferred,
        .prefer_safety = node->safety,
        .odd_epochs = n == 0,
        .heartbeat_ms = HEARTBEAT_MS,
        .failure_after = FAILURE_AFTER,
        .join_timeout_ms = JOIN_MS,
        .path_count = w.paths,
        .epoch = node->epoch,
        .last_primary = node->last_primary,
        .maintenance = node->maintenance,
        .arbiter = w.arbiter,
        .lease_ttl_ms = TTL_MS,
        .handover_after_ms = HANDOVER_MS,
        .damping_ms = DAMPING_MS,
        .version_max = node->version,
        .datagrams = w.datagrams && node->version >= 2,
    };
    options.node[0] = (char)('a' + n);
    fh_fsm_init(&node->fsm, clock_of(n), &options);
    trace("%c: starts, epoch %" PRIu64 "%s", 'a' + n, node->epoch,
          node->last_primary ? ", last primary" : "");
    push_local(n);
    later(EV_TICK, n, 0);
    later(EV_CONNECT, n, (int64_t)rnd(100));
    later(EV_CONNECT, !n, (int64_t)rnd(100));
}
