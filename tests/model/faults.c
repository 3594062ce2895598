/* faults.c: owns what goes wrong, and the operator. */
#include "world.h"

#include <string.h>

static void crash(int n)
{
    struct node *node = &w.node[n];
    if (!node->alive) {
        return;
    }
    trace("%c: CRASH as %s", 'a' + n, fh_role_name(node->fsm.role));
    node->alive = false;
    node->delivering = false;
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
    later(EV_START, n, (int64_t)(chance(3) ? rnd(100) : rnd(5000)));
}

/* systemctl stop: the sinks end, the arbiter gets its lease back, and the peer is told. */
static void stop_by_plan(int n)
{
    struct node *node = &w.node[n];
    if (!node->alive || w.now < node->paused_until) {
        return;
    }
    trace("%c: is stopped as %s", 'a' + n, fh_role_name(node->fsm.role));
    w.stopped++;
    struct fh_fsm_input input = {.type = FH_FSM_LEAVE};
    step(n, &input);
}

void stopped(int n)
{
    struct fh_fsm_input input = {.type = FH_FSM_STOP};
    step(n, &input);
    crash(n);
}

static void end(int n)
{
    if (w.stops && chance(2)) {
        stop_by_plan(n);
    } else {
        crash(n);
    }
}

/* The disk is lost; the node comes back with an empty one. Not while the other one has still to
 * make up for the loss of its own: what only the two of them held would be lost, and rightly so. */
static void wipe(int n)
{
    struct node *node = &w.node[n];
    if (!node->alive || (w.unhealed != 0 && w.unhealed != n + 1)) {
        return;
    }
    crash(n);
    trace("%c: WIPED", 'a' + n);
    /* The other one may hold the report already and take the event for delivered. */
    for (uint64_t i = 0; i < node->report_count; i++) {
        w.gone[node->report[i].event] |=
            node->report[i].state == FH_REPORT_PREPARED && !node->report[i].visible;
        w.unknown[node->report[i].event] |=
            node->report[i].visible && !w.node[!n].marked[node->report[i].event];
    }
    node->store_id += STORE_IDS_APART;
    node->epoch = 0;
    node->last_primary = node->maintenance = false;
    memset(node->report, 0, sizeof(node->report));
    memset(node->marked, 0, sizeof(node->marked));
    node->report_count = node->open_from = 0;
    node->peer_store = node->peer_applied = 0;
    node->empty = true;
    w.wiped = true;
    w.unhealed = n + 1;
}

static void pause(int n, int64_t ms)
{
    struct node *node = &w.node[n];
    if (!node->alive || w.now < node->paused_until) {
        return;
    }
    trace("%c: pause for %" PRId64 " ms", 'a' + n, ms);
    node->paused_until = w.now + ms * MS;
    push((struct event){
        .at = node->paused_until, .what = EV_WAKE, .node = n, .life = node->life, .frame = -1});
}

static void cut(int n)
{
    int64_t until = w.now + (int64_t)rnd(8000) * MS;
    bool both = chance(2);
    size_t only = rnd(w.paths + 1);
    trace("cut from %c%s for %" PRId64 " ms, %s", 'a' + n, both ? ", both ways" : "",
          (until - w.now) / MS, only == w.paths ? "all paths" : "one path");
    for (size_t i = 0; i < w.paths; i++) {
        if (only == w.paths || only == i) {
            w.cut_until[n][i] = until;
            if (both) {
                w.cut_until[!n][i] = until;
            }
        }
    }
}

/* Something in between rejects the connections of a host that lives. */
static void reject(int n)
{
    int64_t until = w.now + (int64_t)(500 + rnd(6000)) * MS;
    trace("something rejects the connections between the nodes");
    for (size_t i = 0; i < w.paths; i++) {
        w.cut_until[0][i] = until;
        w.cut_until[1][i] = until;
    }
    if (w.node[n].alive && w.now >= w.node[n].paused_until) {
        for (size_t i = 0; i < w.paths; i++) {
            path_event(n, i, FH_PATH_DISCONNECTED);
        }
        inbound(n, 0);
        path_event(n, 0, FH_PATH_REFUSED);
    }
    later(EV_CONNECT, n, (until - w.now) / MS);
}

/* Does the node take the order? Forced against its advice, events may be published twice. */
static bool takes_order(int n, bool force)
{
    struct node *node = &w.node[n];
    char text[200];
    if (!force && fh_fsm_switch_refused(&node->fsm, false, text, sizeof(text)) < 0) {
        return false;
    }
    if (node->fsm.role == FH_ROLE_PRIMARY && !fh_fsm_protected(&node->fsm) && !w.careful) {
        w.blind = true;
    }
    return true;
}

static void switchover(int n, bool force)
{
    struct node *node = &w.node[n];
    char text[200];
    if (!node->alive || w.now < node->paused_until ||
        fh_fsm_switch_refused(&node->fsm, force, text, sizeof(text)) < 0) {
        return;
    }
    trace("%c: operator: switchover%s", 'a' + n, force ? " --force" : "");
    takes_order(n, force);
    struct fh_fsm_input input = {.type = FH_FSM_SWITCHOVER};
    step(n, &input);
}

static void maintain(int n, bool on, bool force)
{
    struct node *node = &w.node[n];
    if (node->alive && on && node->fsm.role == FH_ROLE_PRIMARY && !takes_order(n, force)) {
        return;
    }
    node->maintenance = on;
    if (!node->alive) {
        return;
    }
    trace("%c: operator: maintenance %s", 'a' + n, on ? "on" : "off");
    struct fh_fsm_input input = {.type = FH_FSM_MAINTENANCE, .u.on = on};
    step(n, &input);
}

static void promote(int n)
{
    struct node *node = &w.node[n];
    char text[200];
    if (!node->alive || w.now < node->paused_until ||
        fh_fsm_promote_refused(&node->fsm, clock_of(n), true, text, sizeof(text)) < 0) {
        return;
    }
    trace("%c: operator: promote --force (%s)", 'a' + n, text);
    w.ordered++;
    w.blind = true;
    struct fh_fsm_input input = {.type = FH_FSM_PROMOTE};
    step(n, &input);
}

static void weaken(void)
{
    w.loss = (int)rnd(300);
    w.dup = (int)rnd(100);
    w.delay_max = 1 + (int64_t)rnd(200);
    trace("loss %d, dup %d, delay %" PRId64, w.loss, w.dup, w.delay_max);
}

static void cut_arbiter(int n)
{
    int64_t until = w.now + (int64_t)rnd(12000) * MS;
    trace("%c: cut from the arbiter for %" PRId64 " ms", 'a' + n, (until - w.now) / MS);
    if (!chance(4)) {
        w.arbiter_cut_until[n][0] = until;
    }
    if (!chance(4)) {
        w.arbiter_cut_until[n][1] = until;
    }
}

/* One thing at a time, and only when the pair is ready for it: nothing may be published twice. */
static void clean_fault(void)
{
    int n = w.node[0].fsm.role == FH_ROLE_PRIMARY ? 0 : 1;
    if (!w.node[0].alive || !w.node[1].alive || !fh_fsm_protected(&w.node[n].fsm) ||
        !fh_fsm_protected(&w.node[!n].fsm) || w.now < w.node[n].paused_until ||
        w.now < w.node[!n].paused_until) {
        return;
    }
    if (w.careful && (fh_alone_holder(&w.lease.record.alone) || w.lease.record.alone.other)) {
        return; /* about to be told otherwise */
    }
    switch (rnd(8)) {
    case 0:
        pause(n, (int64_t)rnd(6000));
        break;
    case 1:
        pause(!n, (int64_t)rnd(3000));
        break;
    case 2:
        switchover(n, false);
        break;
    case 3:
        w.node[n].ill_until = w.now + (int64_t)rnd(8000) * MS;
        break;
    case 4:
        if (w.arbiter) {
            witness_crash();
            break;
        } /* fallthrough */
    default:
        end(n);
    }
}

static void arbiter_fault(int n)
{
    switch (rnd(4)) {
    case 0:
        witness_crash();
        break;
    case 1:
        reject(n);
        break;
    default:
        cut_arbiter(n);
    }
}

void fault(void)
{
    int n = (int)rnd(2);
    w.faults++;
    if (w.clean) {
        clean_fault();
        return;
    }
    if (w.promotes && chance(4)) {
        promote(n);
        return;
    }
    if (w.wipes && chance(5)) {
        wipe(n);
        return;
    }
    if (w.arbiter && chance(3)) {
        arbiter_fault(n);
        return;
    }
    switch (rnd(10)) {
    case 0:
        end(n);
        break;
    case 1:
        end(n);
        if (chance(2)) {
            end(!n);
        }
        break;
    case 2:
        pause(n, (int64_t)rnd(6000));
        break;
    case 3:
    case 4:
    case 5:
        cut(n);
        break;
    case 6:
        switchover(n, chance(3));
        break;
    case 7:
        maintain(n, chance(3), chance(4));
        break;
    case 8:
        w.node[n].ill_until = w.now + (int64_t)rnd(9000) * MS;
        break;
    default:
        weaken();
        break;
    }
}

void calm_down(void)
{
    w.loss = 0;
    w.dup = 0;
    w.delay_max = 2;
    memset(w.cut_until, 0, sizeof(w.cut_until));
    memset(w.arbiter_cut_until, 0, sizeof(w.arbiter_cut_until));
    for (int n = 0; n < 2; n++) {
        w.node[n].ill_until = 0;
        if (w.node[n].maintenance) {
            maintain(n, false, false);
        }
        later(EV_CONNECT, n, 0);
    }
}
