/* server.h: what every connection of the simulator shares. Set up by main before the first thread,
 * torn down after the last. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "extras.h"
#include "faults.h"
#include "feed.h"
#include "options.h"
#include "producer.h"
#include "world.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct sim_workers;
struct sim_schema;
struct sim_activation;

struct sim_server {
    const struct sim_options *options;
    struct sim_world *world;
    struct sim_extras *extras;
    struct sim_feeds *feeds;
    struct sim_faults *faults;
    struct sim_producer *producer;
    struct sim_schema *schema;
    struct sim_activation *activation;
    char url[300];               /* where it listens */
    SSL_CTX *tls;                /* NULL: plain */
    struct sim_workers *workers; /* woken after an order over the control endpoint */
    _Atomic uint64_t newest_connection;
    _Atomic uint64_t refused;
    atomic_bool revoked[SIM_KEYS_MAX]; /* by index in the options: 401 */
    _Atomic uint64_t pongs;
    _Atomic uint64_t statuses[600];
};

#endif
