/* invariants.c: owns what must hold at every step and in the end. */
#include "world.h"

#include "fsm_private.h"

bool able(int n)
{
    const struct node *node = &w.node[n];
    return node->alive && node->delivering && fh_time_before(clock_of(n), node->until);
}

/* With an arbiter never two; without one only when the nodes were cut off from each other. */
void check_two(void)
{
    if (!able(0) || !able(1)) {
        return;
    }
    if (w.arbiter) {
        fail("both nodes may publish at once, with an arbiter");
    } else if (w.clean) {
        fail("both nodes may publish at once, although nothing was cut");
    } else if (w.node[0].safety && w.node[1].safety && !w.old) {
        fail("both nodes may publish at once, with prefer = safety");
    }
    if (!w.split) {
        trace("SPLIT");
    }
    w.split = true;
}

void check_start(int n, uint64_t epoch)
{
    const struct node *node = &w.node[n];
    if (node->epoch != epoch || !node->last_primary) {
        fail("node %c delivers in epoch %" PRIu64 " but %" PRIu64 " is on its disk", 'a' + n, epoch,
             node->epoch);
    }
    /* With an empty disk it cannot know that it has led in it before; and no other node has. */
    bool forgotten = w.wiped && epoch < EPOCHS_MAX && w.epoch_owner[epoch] == n + 1;
    if (epoch >= EPOCHS_MAX || (w.epoch_owner[epoch] != 0 && !forgotten)) {
        fail("node %c delivers in epoch %" PRIu64 ", which was led in before", 'a' + n, epoch);
        return;
    }
    if (node->fsm.doubt != FH_FSM_DOUBT_SETTLED) {
        fail("node %c delivers before its doubts are settled", 'a' + n);
    }
    if (!fh_time_is_set(node->until)) {
        fail("node %c delivers without a fence", 'a' + n);
    }
    if (node->maintenance) {
        fail("node %c leads in maintenance", 'a' + n);
    }
    w.epoch_owner[epoch] = n + 1;
}

/* Whoever gives its lease back has nothing left that could become visible by it. */
void check_release(int n, uint64_t epoch)
{
    const struct node *node = &w.node[n];
    if ((node->delivering || node->stopping) && epoch >= node->delivering_epoch) {
        fail("node %c gives the lease of epoch %" PRIu64 " back before its sink has ended", 'a' + n,
             epoch);
    }
}

/* Not one event is published by a node after the other one began to lead in a higher epoch. */
void check_publisher(int n)
{
    const struct node *node = &w.node[n];
    const struct node *other = &w.node[!n];
    if (!other->alive || !other->delivering) {
        return;
    }
    /* One that led on a promise alone, and has been fenced since, may have had a higher epoch than
     * the arbiter knows of; it publishes nothing. */
    bool fenced = w.arbiter && !w.clean && !able(!n);
    if ((w.arbiter || w.clean) && !fenced && other->delivering_epoch > node->delivering_epoch) {
        fail("node %c publishes in epoch %" PRIu64 " while the other one leads in %" PRIu64,
             'a' + n, node->delivering_epoch, other->delivering_epoch);
    }
    w.split |= !w.arbiter && !w.clean;
}

/* It leads while the other one, which published without waiting for it, or with the knowledge of a
 * disk that it has lost since, is dead or cut off, or is back but has not been met yet. No machine
 * can help that: nobody else knows. */
void check_blind(int n)
{
    const struct node *node = &w.node[n];
    const struct node *other = &w.node[!n];
    bool met =
        fh_fsm_peer_usable(&node->fsm) && node->fsm.peer.instance == other->fsm.options.instance;
    if (w.blind || (w.careful && !w.wiped)) {
        return; /* where the arbiter knows who was alone there is no excuse but a lost disk */
    }
    if (met) {
        /* It had all the patience that it can have: messages get lost, or the other one's store is
         * stuck. */
        w.blind =
            node->fsm.role == FH_ROLE_PRIMARY &&
            !fh_time_before(clock_of(n), fh_time_add_ms(node->fsm.drain_until, 3 * FAILURE_MS)) &&
            fh_sync_held(&node->fsm.sync) < node->fsm.peer.hello.state.report_last &&
            !node->delivering;
        return;
    }
    for (uint64_t number = 1; number <= other->report_count; number++) {
        const struct report *report = &other->report[number - 1];
        if (report->visible && report->known_to != node->store_id && !node->marked[report->event] &&
            (number > node->handed || node->handed_store != other->store_id)) {
            w.blind = true;
            trace("BLIND: %c does not know report %" PRIu64, 'a' + n, number);
            return;
        }
    }
}

/* A node whose disk was lost leads before anybody has told it what it had delivered. */
void check_forgotten(int n)
{
    const struct node *node = &w.node[n];
    bool told = fh_fsm_peer_usable(&node->fsm) && node->fsm.sync.introduced;
    bool lost = node->store_id >= STORE_IDS_APART + 100;
    if (lost && !told && node->peer_store != w.node[!n].store_id) {
        w.blind = true;
    }
}

void check_published(int n, uint32_t event)
{
    if (w.published[event] > 1) {
        check_blind(n);
    }
    bool excused =
        w.split || w.old || w.unknown[event] || (w.sink == SINK_PREPARES && w.blind && !w.clean);
    if (w.published[event] > 1 && !excused) {
        fail("event %u was published again by node %c, first by %c", event, 'a' + n,
             'a' + w.publisher[event] - 1);
    }
}

/* It waits for the other one, or for the operator; not after one fault only. */
void check_barred(int n)
{
    const struct node *node = &w.node[n];
    if (!node->alive || !node->fsm.alone.barred || !fh_fsm_idle(&node->fsm)) {
        return;
    }
    w.barred++;
    if (w.clean) {
        fail("node %c waits for the other one, although the pair was protected", 'a' + n);
    }
}

void check_step(void)
{
    const struct node *a = &w.node[0];
    const struct node *b = &w.node[1];
    if (a->alive && b->alive && a->fsm.role == FH_ROLE_PRIMARY && b->fsm.role == FH_ROLE_PRIMARY &&
        a->fsm.epoch == b->fsm.epoch) {
        fail("two primaries in epoch %" PRIu64, a->fsm.epoch);
    }
}

void check_end(void)
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
    if (!able(primary == a ? 0 : 1)) {
        fail("the primary is fenced in the end");
    }
    /* Who was made primary by the other one's promise, in an epoch that the arbiter takes for
     * spent, never gets a lease in it, and so cannot tell it anything. */
    const struct fh_alone_note *note = &w.lease.record.alone;
    bool heard = primary->fsm.lease.spent < primary->fsm.epoch;
    if (w.careful && heard && (note->stint == 0 || fh_alone_holder(note) || note->other)) {
        fail("the arbiter still notes that somebody is alone");
    }
    const struct fh_fsm_lease *lease = &primary->fsm.lease;
    bool held = fh_time_before(clock_of(primary == a ? 0 : 1), lease->until);
    if (w.arbiter && lease->reachable && !held && lease->spent >= primary->fsm.epoch) {
        fail("the primary's epoch is spent at the arbiter: it gets no lease");
    }
    if (w.last_change > w.now - STEADY_MS * MS) {
        fail("roles still change after the last fault");
    }
    uint32_t due = (uint32_t)((w.now - STEADY_MS * MS / 2) / (EVENT_MS * MS));
    for (uint32_t e = 0; e < due && e < EVENTS_MAX; e++) {
        if (w.published[e] == 0 && !w.gone[e]) {
            fail("event %u is lost (a: %s, b: %s)", e, a->marked[e] ? "marked" : "not marked",
                 b->marked[e] ? "marked" : "not marked");
        }
    }
}
