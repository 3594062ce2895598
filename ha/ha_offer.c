/* ha_offer.c: records that came to the standby and not to the primary. Each consumes a replica of
 * its own; what the service failed to give to the one, the other still has. The standby knows them
 * by the reports that never come, and offers them; a primary that has not seen them delivers them
 * and reports them like all others. Nobody waits for it, what is lost on the way is offered again,
 * and a peer that does not know the message passes over it. */
#include "ha_private.h"

#define OFFER_MS 1000

void fh_ha_look_for_offers(struct fh_ha *ha, struct fh_time now)
{
    if (!ha->host->find_unreported || fh_time_diff_ms(now, ha->offered_at) < OFFER_MS ||
        !fh_fsm_may_offer(&ha->fsm)) {
        return;
    }
    ha->offered_at = now;
    ha->host->find_unreported(ha->userdata);
}

void fh_ha_offer(struct fh_ha *ha, const void *lines, size_t len)
{
    struct fh_wire_message message = {.type = FH_WIRE_OFFER};
    message.u.offer = (struct fh_slice){lines, len};
    if (ha->link && len > 0 && len <= FH_WIRE_OFFER_MAX && fh_fsm_may_offer(&ha->fsm)) {
        fh_ha_send_once(ha, &message);
    }
}

void fh_ha_on_offer(struct fh_ha *ha, const struct fh_wire_message *message)
{
    if (message->instance == ha->fsm.peer.instance && ha->host->peer_offers &&
        fh_fsm_may_take(&ha->fsm)) {
        ha->host->peer_offers(ha->userdata, message->u.offer.data, message->u.offer.len);
    }
}
