/* ha_status.c: what the outside sees of the engine, its history, and the operator's commands to it.
 */
#include "ha_private.h"

#include <stdio.h>
#include <string.h>

static void fill_arbiter(const struct fh_ha *ha, struct fh_time now, struct fh_ha_status *ret)
{
    const struct fh_fsm_lease *lease = &ha->fsm.lease;
    ret->arbiter.configured = ha->fsm.options.arbiter;
    ret->arbiter.reachable = lease->reachable;
    snprintf(ret->arbiter.type, sizeof(ret->arbiter.type), "%s", ha->arbiter_type);
    snprintf(ret->arbiter.holder, sizeof(ret->arbiter.holder), "%s", lease->holder);
    snprintf(ret->arbiter.last_error, sizeof(ret->arbiter.last_error), "%s", lease->error);
    if (lease->want != 0 && fh_time_before(now, lease->until)) {
        ret->arbiter.lease_ms = fh_time_diff_ms(lease->until, now);
    }
}

/* Minutes are exact, but where stamps differ no two hold the same records. */
static void fill_match(const struct fh_fsm *fsm, struct fh_ha_status *ret)
{
    const struct fh_replica_state *replica = &fsm->replica;
    uint32_t per_mille = 0;
    bool sampled = fh_replica_sampled(replica, &per_mille, &ret->replica_match.records);
    bool stamps_differ = fsm->sync.local.dedup_key > FH_KEY_UID_PAYLOAD;
    ret->replica_match.known =
        !stamps_differ &&
        fh_replica_match(replica, &ret->replica_match.per_mille, &ret->replica_match.minutes);
    if (!ret->replica_match.known && stamps_differ && sampled) {
        ret->replica_match.known = true;
        ret->replica_match.per_mille = per_mille;
    }
    ret->replica_match.apart_ms = replica->apart_ms;
    ret->replica_match.differ = fsm->replicas_differ;
}

void fh_ha_status(struct fh_ha *ha, struct fh_ha_status *ret)
{
    const struct fh_fsm *fsm = &ha->fsm;
    const struct fh_wire_hello *peer = &fsm->peer.hello;
    struct fh_time now = fh_now();
    memset(ret, 0, sizeof(*ret));
    ret->role = fsm->role;
    ret->epoch = fsm->epoch;
    ret->protected = fh_fsm_protected(fsm);
    ret->ready = fsm->role == FH_ROLE_STANDBY && fsm->ready;
    snprintf(ret->reason, sizeof(ret->reason), "%s", fsm->reason);
    if (fsm->role == FH_ROLE_STANDBY && !fsm->ready) {
        snprintf(ret->sync, sizeof(ret->sync), "%s", fsm->sync.lacks);
    }
    ret->peer.reachable = fsm->detector.verdict == FH_PEER_PRESENT && fsm->peer.instance != 0;
    snprintf(ret->peer.node, sizeof(ret->peer.node), "%s", peer->node);
    ret->peer.role = peer->state.role;
    ret->peer.epoch = peer->state.epoch;
    ret->peer.ready = ret->peer.reachable && peer->state.ready;
    ret->peer.last_heard_ms = fh_time_is_set(fsm->detector.last_heard)
                                  ? fh_time_diff_ms(now, fsm->detector.last_heard)
                                  : -1;
    ret->peer.report_applied = fsm->sync.confirmed;
    snprintf(ret->peer.refused, sizeof(ret->peer.refused), "%s", fsm->peer.refused);
    ret->peer.datagrams = fsm->options.datagrams && peer->state.datagrams;
    for (size_t i = 0; i < fsm->detector.path_count; i++) {
        memcpy(ret->peer.path[i].address, ha->address[i], sizeof(ha->address[i]));
        ret->peer.path[i].up = fsm->detector.path[i].up;
        ret->peer.path[i].round_trip_us = fh_ha_round_trip_us(ha, now, i);
        ret->peer.path[i].datagrams = fh_detector_datagrams_arrive(&fsm->detector, now, i);
    }
    ret->peer.path_count = fsm->detector.path_count;
    ret->maintenance = fsm->maintenance;
    ret->peer_maintenance = ret->peer.reachable && peer->state.maintenance;
    ret->switching = fsm->switching || fh_fsm_yielding(fsm, now);
    ret->fenced = fh_fsm_fenced(fsm, now);
    fill_arbiter(ha, now, ret);
    fill_match(fsm, ret);
    ret->promotions = fsm->promotions;
    ret->demotions = fsm->demotions;
    memcpy(ret->promoted, fsm->promoted, sizeof(ret->promoted));
}

/* ---- operator's commands ---- */

int fh_ha_switchover(struct fh_ha *ha, bool force, struct fh_error *warning, struct fh_error *err)
{
    char text[200];
    int r = fh_fsm_switch_refused(&ha->fsm, force, text, sizeof(text));
    if (r < 0) {
        return fh_error_set(err, r, "%s", text);
    }
    if (text[0] != '\0') {
        fh_error_set(warning, 0, "%s", text);
    }
    struct fh_fsm_input input = {.type = FH_FSM_SWITCHOVER};
    fh_ha_from_host(ha, &input, NULL);
    return 0;
}

int fh_ha_maintenance(struct fh_ha *ha, bool on, bool force, struct fh_error *err)
{
    char text[200];
    if (on && ha->fsm.role == FH_ROLE_PRIMARY && !force) {
        int r = fh_fsm_switch_refused(&ha->fsm, false, text, sizeof(text));
        if (r < 0) {
            return fh_error_set(err, r, "%s", text);
        }
    }
    struct fh_fsm_input input = {.type = FH_FSM_MAINTENANCE, .u.on = on};
    fh_ha_from_host(ha, &input, NULL);
    return 0;
}

int fh_ha_promote(struct fh_ha *ha, bool force, struct fh_error *warning, struct fh_error *err)
{
    char text[200];
    int r = fh_fsm_promote_refused(&ha->fsm, fh_now(), force, text, sizeof(text));
    if (r < 0) {
        return fh_error_set(err, r, "%s", text);
    }
    fh_error_set(warning, 0, "%s", text);
    struct fh_fsm_input input = {.type = FH_FSM_PROMOTE};
    fh_ha_from_host(ha, &input, NULL);
    return 0;
}

void fh_ha_remember(struct fh_ha *ha, struct fh_ha_transition *transition)
{
    transition->wall_ms = fh_wall_ms();
    fh_history_add(&ha->history, transition);
    if (ha->host->keep_history) {
        size_t len = fh_history_encode(&ha->history, ha->history_bytes);
        ha->host->keep_history(ha->userdata, ha->history_bytes, len);
    }
}

size_t fh_ha_history(const struct fh_ha *ha, struct fh_ha_transition *ret, size_t n)
{
    return fh_history_read(&ha->history, ret, n);
}
