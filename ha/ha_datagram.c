/* ha_datagram.c: carries heartbeats that go and come as datagrams between the machine and the link.
 * Decides nothing. */
#include "fh/log.h"

#include "ha_private.h"
#include "seal.h"

#include <errno.h>

void fh_ha_open_datagrams(struct fh_ha *ha)
{
    struct fh_error err = {""};
    int r = fh_link_take_datagrams(ha->link, &err);
    ha->fsm.options.datagrams = r == 0;
    if (r < 0 && r != -EOPNOTSUPP) {
        fh_log(LOG_NOTICE, "heartbeats go over the connections alone, not as datagrams: %s",
               err.text);
    }
}

void fh_ha_follow_session(struct fh_ha *ha)
{
    if (ha->session != ha->fsm.peer.instance) {
        ha->session = ha->fsm.peer.instance;
        fh_link_session(ha->link, ha->fsm.options.instance, ha->session);
    }
}

void fh_ha_send_datagram(struct fh_ha *ha, struct fh_time now)
{
    struct fh_wire_message message;
    fh_fsm_fill_state(&ha->fsm, now, false, &message);
    message.instance = ha->fsm.options.instance;
    message.sequence = ++ha->sequence;
    for (size_t i = 0; i < fh_link_paths(ha->link); i++) {
        unsigned char bytes[FH_WIRE_SMALL_MAX];
        message.path = (uint8_t)i;
        int len = fh_wire_encode(&message, bytes, sizeof(bytes));
        if (len > 0) {
            fh_link_send_datagram(ha->link, i, bytes, (size_t)len);
        }
    }
}

/* What goes into a datagram has room in it. */
_Static_assert(FH_WIRE_SMALL_MAX + FH_SEAL_EXTRA <= FH_SEAL_MAX, "a heartbeat fits a datagram");
_Static_assert(FH_PATHS_MAX <= FH_SEAL_PATHS && FH_PATHS_MAX <= FH_WIRE_PATHS_MAX,
               "every path has a counter");

void fh_ha_on_datagram(void *userdata, uint8_t path, const void *bytes, size_t len)
{
    struct fh_ha *ha = userdata;
    struct fh_wire_message message;
    if (!ha->started || fh_wire_decode(bytes, len, &message) < 0 || message.path != path) {
        return;
    }
    struct fh_fsm_input input = {.type = FH_FSM_DATAGRAM, .u.message = &message};
    fh_ha_feed(ha, &input, NULL);
}
