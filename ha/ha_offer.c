/* ha_offer.c: records that came to the standby and not to the primary. Each consumes a replica of
 * its own; what the service failed to give to the one, the other still has. The standby knows them
 * by the reports that never come, and offers them; a primary that has not seen them delivers them
 * and reports them like all others. Nobody waits for it, what is lost on the way is offered again,
 * and a peer that does not know the message passes over it. */
#include "ha_private.h"

#define OFFER_MS  1000
#define LOST_MS   30000 /* of what was offered so long ago nothing more will be heard */
#define NS_PER_US 1000

/* Has what was offered last left the connection? The question of an echo (ha_echo.c) asked after it
 * travels behind it, as heartbeats and confirmations do: over a thin link they would wait behind
 * more and more offers. */
static bool is_through(const struct fh_ha *ha, struct fh_time now)
{
    struct fh_time sent = ha->offer.sent_at;
    struct fh_time answered = ha->echo.path[ha->offer.path].at;
    int64_t round_trip_ns = ha->echo.path[ha->offer.path].round_trip_us * NS_PER_US;
    return !fh_time_is_set(sent) || fh_time_diff_ms(now, sent) >= LOST_MS ||
           answered.ns - round_trip_ns > sent.ns;
}

void fh_ha_look_for_offers(struct fh_ha *ha, struct fh_time now)
{
    if (!ha->host->find_unreported || fh_time_diff_ms(now, ha->offer.looked_at) < OFFER_MS ||
        !fh_fsm_may_offer(&ha->fsm) || !is_through(ha, now)) {
        return;
    }
    ha->offer.looked_at = now;
    ha->host->find_unreported(ha->userdata);
}

void fh_ha_offer(struct fh_ha *ha, const void *lines, size_t len)
{
    struct fh_wire_message message = {.type = FH_WIRE_OFFER};
    message.u.offer = (struct fh_slice){lines, len};
    if (ha->link && len > 0 && len <= FH_WIRE_OFFER_MAX && fh_fsm_may_offer(&ha->fsm)) {
        ha->offer.path = fh_ha_send_once(ha, &message);
        ha->offer.sent_at = fh_now();
    }
}

void fh_ha_on_offer(struct fh_ha *ha, const struct fh_wire_message *message)
{
    if (message->instance == ha->fsm.peer.instance && ha->host->peer_offers &&
        fh_fsm_may_take(&ha->fsm)) {
        ha->host->peer_offers(ha->userdata, message->u.offer.data, message->u.offer.len);
    }
}
