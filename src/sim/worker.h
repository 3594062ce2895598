/* worker.h: a thread with an epoll loop and the connections it owns. The first worker also
 * accepts, and hands connections round. */
#ifndef SIM_WORKER_H
#define SIM_WORKER_H

#include "server.h"

struct sim_workers;

/* listen_fd: non-blocking, stays the caller's. Sets server->workers and starts the threads.
 * Negative errno. */
int sim_workers_new(struct sim_server *server, unsigned count, int listen_fd);
/* New events or orders: every worker looks at its connections. Any thread; any time before free. */
void sim_workers_wake(struct sim_workers *workers);
/* Say goodbye on every connection, wait at most two seconds for it to be sent, close, join. */
void sim_workers_free(struct sim_workers *workers); /* NULL allowed */

#endif
