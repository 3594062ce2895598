/* probe.c: owns the question whether the peer's port is closed. Never sends a byte. */
#include "probe.h"

#include "address.h"

#include "fh/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AGAIN_USEC 50000

struct fh_probe {
    sd_event *event;
    void (*refused)(void *userdata);
    void *userdata;
    int64_t duration_ms;
    bool numeric; /* the address comes from the configuration and stays */
    struct sockaddr_storage address;
    socklen_t address_len; /* 0 = not known yet */
    struct fh_time until;
    int fd;
    sd_event_source *io_source, *again_source;
};

static void close_attempt(struct fh_probe *probe)
{
    probe->io_source = sd_event_source_disable_unref(probe->io_source);
    if (probe->fd >= 0) {
        close(probe->fd);
        probe->fd = -1;
    }
}

static void judge(struct fh_probe *probe, int code)
{
    close_attempt(probe);
    if (code == ECONNREFUSED) {
        fh_probe_stop(probe);
        probe->refused(probe->userdata);
        return;
    }
    if (fh_time_before(fh_now(), probe->until)) {
        sd_event_source_set_time_relative(probe->again_source, AGAIN_USEC);
        sd_event_source_set_enabled(probe->again_source, SD_EVENT_ONESHOT);
    }
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)events;
    int code = 0;
    socklen_t size = sizeof(code);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    judge(userdata, code);
    return 0;
}

static void attempt(struct fh_probe *probe)
{
    close_attempt(probe);
    probe->fd = socket(probe->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0) {
        return;
    }
    if (connect(probe->fd, (const struct sockaddr *)&probe->address, probe->address_len) == 0) {
        judge(probe, 0);
    } else if (errno != EINPROGRESS) {
        judge(probe, errno);
    } else if (sd_event_add_io(probe->event, &probe->io_source, probe->fd, EPOLLOUT, on_io, probe) <
               0) {
        close_attempt(probe);
    }
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    attempt(userdata);
    return 0;
}

int fh_probe_new(sd_event *event, const char *endpoint, int64_t duration_ms,
                 void (*refused)(void *userdata), void *userdata, struct fh_probe **ret)
{
    struct fh_probe *probe = calloc(1, sizeof(*probe));
    if (!probe) {
        return -ENOMEM;
    }
    probe->fd = -1;
    probe->refused = refused;
    probe->userdata = userdata;
    probe->duration_ms = duration_ms;
    probe->event = sd_event_ref(event);
    probe->numeric = fh_address_parse(endpoint, &probe->address, &probe->address_len) == 0;
    int r =
        sd_event_add_time(event, &probe->again_source, CLOCK_BOOTTIME, 0, 1000, on_again, probe);
    if (r >= 0) {
        r = sd_event_source_set_enabled(probe->again_source, SD_EVENT_OFF);
    }
    if (r < 0) {
        fh_probe_free(probe);
        return r;
    }
    *ret = probe;
    return 0;
}

void fh_probe_free(struct fh_probe *probe)
{
    if (!probe) {
        return;
    }
    close_attempt(probe);
    sd_event_source_disable_unref(probe->again_source);
    sd_event_unref(probe->event);
    free(probe);
}

void fh_probe_learn(struct fh_probe *probe, int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    /* The descriptor is ZeroMQ's and may be gone by now, even be something else: only another
     * connected internet socket could mislead us, and then only until silence decides. */
    if (!probe->numeric && getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
        (address.ss_family == AF_INET || address.ss_family == AF_INET6)) {
        probe->address = address;
        probe->address_len = len;
    }
}

const struct sockaddr_storage *fh_probe_address(const struct fh_probe *probe)
{
    return probe->address_len != 0 ? &probe->address : NULL;
}

void fh_probe_start(struct fh_probe *probe)
{
    if (probe->address_len != 0) {
        probe->until = fh_time_add_ms(fh_now(), probe->duration_ms);
        attempt(probe);
    }
}

void fh_probe_stop(struct fh_probe *probe)
{
    close_attempt(probe);
    sd_event_source_set_enabled(probe->again_source, SD_EVENT_OFF);
}
