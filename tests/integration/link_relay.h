/* link_relay.h: stands between two nodes on the loopback, as a process: passes on connections and
 * datagrams to one port, and stops doing so as told. */
#ifndef FH_TEST_LINK_RELAY_H
#define FH_TEST_LINK_RELAY_H

#include <sys/types.h>

struct link_relay {
    pid_t pid;
    int to, from;
    int port; /* where it listens, TCP and UDP */
};

enum link_relay_order {
    RELAY_HOLD_CONNECTIONS = 'h', /* they stand, but not a byte gets through */
    RELAY_PASS_CONNECTIONS = 'p',
    RELAY_DROP_DATAGRAMS = 'd',
    RELAY_REPLAY_DATAGRAMS = 'r', /* drop what comes, and send the latest again and again */
    RELAY_PASS_DATAGRAMS = 'u',
};

void link_relay_start(struct link_relay *relay, int target_port);
/* Returns when it is obeyed. */
void link_relay_order(struct link_relay *relay, enum link_relay_order order);
void link_relay_stop(struct link_relay *relay);

#endif
