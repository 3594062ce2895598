/* ha_host.c: what the host tells the engine, as inputs of the machine. Decides nothing. */
#include "fh/ha.h"

#include "ha_private.h"

#include <string.h>

_Static_assert(sizeof(struct fh_ha_local) == sizeof(struct fh_sync_local),
               "ha.h and sync.h tell the same");
_Static_assert(sizeof(struct fh_ha_minute) == sizeof(struct fh_replica_minute) &&
                   FH_HA_MINUTES == FH_REPLICA_MINUTES && FH_HA_BUCKETS == FH_REPLICA_BUCKETS,
               "ha.h and replica.h tell the same");
_Static_assert(sizeof(struct fh_ha_slice) == sizeof(struct fh_replica_slice) &&
                   FH_HA_SLICES == FH_REPLICA_SLICES && FH_HA_SAMPLES == FH_REPLICA_SAMPLES,
               "ha.h and replica.h tell the same");

void fh_ha_from_host(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes)
{
    if (ha->link) { /* after fh_ha_stop nobody listens any more */
        fh_ha_feed(ha, input, bytes);
    }
}

void fh_ha_set_local(struct fh_ha *ha, const struct fh_ha_local *local)
{
    struct fh_sync_local copy = {
        .received = local->received,
        .delivered = local->delivered,
        .covered_from = local->covered_from,
        .streams_live = local->streams_live,
        .sinks_healthy = local->sinks_healthy,
        .own_report_last = local->own_report_last,
        .peer_report_applied = local->peer_report_applied,
        .peer_report_store = local->peer_report_store,
        .dedup_key = local->dedup_key,
        .slices_whole = local->slices_whole,
        .slices_from_ms = local->slices_from_ms,
    };
    memcpy(copy.slice, local->slice, sizeof(copy.slice));
    for (size_t i = 0; i < FH_HA_MINUTES; i++) {
        copy.minutes.minute[i].minute = local->minutes[i].minute;
        copy.minutes.minute[i].count = local->minutes[i].count;
        memcpy(copy.minutes.minute[i].digest, local->minutes[i].digest,
               sizeof(local->minutes[i].digest));
    }
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &copy};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_epoch_done(struct fh_ha *ha, uint64_t epoch, int result)
{
    struct fh_fsm_input input = {.type = FH_FSM_EPOCH_DONE, .u.epoch_done = {epoch, result}};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_delivery_stopped(struct fh_ha *ha)
{
    struct fh_fsm_input input = {.type = FH_FSM_DELIVERY_STOPPED};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_in_doubt_settled(struct fh_ha *ha)
{
    struct fh_fsm_input input = {.type = FH_FSM_SETTLED};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_settle_again(struct fh_ha *ha)
{
    struct fh_fsm_input input = {.type = FH_FSM_UNSETTLED};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_report_applied(struct fh_ha *ha, uint64_t peer_store_id, uint64_t number)
{
    struct fh_fsm_input input = {.type = FH_FSM_APPLIED, .u.applied = {peer_store_id, number}};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_send_report(struct fh_ha *ha, uint64_t number, const void *bytes, size_t len)
{
    struct fh_fsm_input input = {.type = FH_FSM_OWN_REPORT, .u.own_report = {number, len}};
    fh_ha_from_host(ha, &input, bytes);
}

void fh_ha_wants_answered(struct fh_ha *ha, uint64_t next_number)
{
    struct fh_fsm_input input = {.type = FH_FSM_WANTS_ANSWERED, .u.next_number = next_number};
    fh_ha_from_host(ha, &input, NULL);
}
