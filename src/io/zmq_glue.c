/* zmq_glue.c: owns the handling of ZeroMQ's edge-triggered descriptors, monitor events and ZAP
 * frames. Never decides who may connect. */
#include "fh/zmq_glue.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#define ZAP_FRAMES 7

bool fh_zmq_readable(void *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

int fh_zmq_set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0 ? 0 : -zmq_errno();
}

int fh_zmq_watch(sd_event *event, void *socket, sd_event_io_handler_t callback, void *userdata,
                 sd_event_source **ret)
{
    int fd = -1;
    size_t size = sizeof(fd);
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0) {
        return -zmq_errno();
    }
    /* A socket announces a message only after somebody has looked and found none. */
    (void)fh_zmq_readable(socket);
    return sd_event_add_io(event, ret, fd, EPOLLIN, callback, userdata);
}

/* u16 event, u32 value, then the address as a frame of its own. */
bool fh_zmq_next_event(void *monitor, uint16_t *ret_event, uint32_t *ret_value)
{
    unsigned char head[6];
    char address[256];
    if (!fh_zmq_readable(monitor) ||
        zmq_recv(monitor, head, sizeof(head), ZMQ_DONTWAIT) != (int)sizeof(head)) {
        return false;
    }
    zmq_recv(monitor, address, sizeof(address), ZMQ_DONTWAIT);
    memcpy(ret_event, head, sizeof(*ret_event));
    memcpy(ret_value, head + sizeof(*ret_event), sizeof(*ret_value));
    return true;
}

/* Frames: version, id, domain, address, identity, mechanism, key. All are consumed. */
int fh_zap_read(void *zap, struct fh_zap_request *request)
{
    char frame[ZAP_FRAMES][256];
    size_t len[ZAP_FRAMES] = {0};
    bool good = true;
    int index = 0;
    memset(request, 0, sizeof(*request));
    memset(frame, 0, sizeof(frame));
    for (int more = 1; more; index++) {
        char scratch[256];
        char *into = index < ZAP_FRAMES ? frame[index] : scratch;
        int n = zmq_recv(zap, into, sizeof(scratch) - 1, ZMQ_DONTWAIT);
        if (n < 0) {
            return -zmq_errno();
        }
        good = good && n < (int)sizeof(scratch);
        if (index < ZAP_FRAMES && good) {
            len[index] = (size_t)n;
        }
        size_t size = sizeof(more);
        zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &size);
    }
    memcpy(request->id, frame[1], sizeof(request->id));
    request->id_len = len[1];
    memcpy(request->address, frame[3], sizeof(request->address));
    memcpy(request->key, frame[6], sizeof(request->key));
    good = good && index == ZAP_FRAMES && strcmp(frame[0], "1.0") == 0 &&
           strcmp(frame[5], "CURVE") == 0 && len[6] == FH_ZAP_KEY_BYTES;
    return good ? 0 : -EBADMSG;
}

void fh_zap_answer(void *zap, const struct fh_zap_request *request, const char *user,
                   const char *reason)
{
    const char *const parts[] = {user ? "200" : "400", user ? "OK" : reason, user ? user : "", ""};
    zmq_send(zap, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(zap, request->id, request->id_len, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    for (size_t i = 0; i < 4; i++) {
        zmq_send(zap, parts[i], strlen(parts[i]), (i < 3 ? ZMQ_SNDMORE : 0) | ZMQ_DONTWAIT);
    }
}
