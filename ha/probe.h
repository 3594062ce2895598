/* probe.h: is anybody listening at the peer's address? A connection attempt that is refused proves
 * that the process is gone, a second and a half before silence would.
 *
 * Main thread only; never blocks. */
#ifndef FH_HA_PROBE_H
#define FH_HA_PROBE_H

#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

struct fh_probe;

/* endpoint: tcp://HOST:PORT. A host given by name is known only after fh_probe_learn.
 * refused is called at most once per start. */
int fh_probe_new(sd_event *event, const char *endpoint, int64_t duration_ms,
                 void (*refused)(void *userdata), void *userdata, struct fh_probe **ret);
void fh_probe_free(struct fh_probe *probe); /* NULL allowed */
/* Take the address from a connected descriptor, if it is still one. */
void fh_probe_learn(struct fh_probe *probe, int fd);
/* The peer's address; NULL: not known yet. */
const struct sockaddr_storage *fh_probe_address(const struct fh_probe *probe);
/* Try now and again for duration_ms: a process that is dying may close its listener last. */
void fh_probe_start(struct fh_probe *probe);
void fh_probe_stop(struct fh_probe *probe);

#endif
