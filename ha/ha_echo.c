/* ha_echo.c: how long a message to the peer and its answer take, per path. For people only: the
 * role machine never hears of it, and a peer that does not know the question passes over it. */
#include "ha_private.h"

#define ASK_MS    1000
#define STALE_MS  5000
#define US_PER_NS 1000

void fh_ha_ask_echo(struct fh_ha *ha, struct fh_time now)
{
    if (fh_time_diff_ms(now, ha->echo.asked_at) < ASK_MS || ha->fsm.peer.instance == 0 ||
        fh_fsm_version(&ha->fsm) < 2) {
        return;
    }
    ha->echo.asked_at = now;
    for (size_t i = 0; i < fh_link_paths(ha->link); i++) {
        struct fh_wire_message message = {.type = FH_WIRE_ECHO};
        message.u.echo.token = (uint64_t)now.ns;
        message.u.echo.path = (uint8_t)i;
        if (fh_link_connected(ha->link, i)) {
            fh_ha_send_over(ha, i, &message);
        }
    }
}

/* The paths of the two nodes are numbered alike when their addresses stand in the same order, as
 * they do where pair.peers is written alike: then the answer takes the way of the question. */
void fh_ha_on_echo(struct fh_ha *ha, struct fh_time now, const struct fh_wire_message *message)
{
    size_t path = message->u.echo.path;
    if (message->instance != ha->fsm.peer.instance) {
        return;
    }
    if (!message->u.echo.answer) {
        struct fh_wire_message answer = {.type = FH_WIRE_ECHO};
        answer.u.echo.token = message->u.echo.token;
        answer.u.echo.path = message->u.echo.path;
        answer.u.echo.answer = true;
        fh_ha_send_over(ha, path, &answer);
    } else if (message->u.echo.token == (uint64_t)ha->echo.asked_at.ns &&
               path < fh_link_paths(ha->link)) {
        ha->echo.path[path].at = now;
        ha->echo.path[path].round_trip_us = (now.ns - ha->echo.asked_at.ns) / US_PER_NS;
    }
}

int64_t fh_ha_round_trip_us(const struct fh_ha *ha, struct fh_time now, size_t path)
{
    struct fh_time at = ha->echo.path[path].at;
    bool known = fh_time_is_set(at) && fh_time_diff_ms(now, at) < STALE_MS;
    return known ? ha->echo.path[path].round_trip_us : -1;
}
