/* zmq_glue.h: what every ZeroMQ socket inside an sd-event loop needs, and who may connect (ZAP).
 *
 * ZeroMQ's descriptors are edge-triggered: whoever is called back drains the socket until
 * fh_zmq_readable() says no, and looks again after every send on it, because a send swallows the
 * edge of a message that arrived meanwhile. One thread at a time; nothing blocks. */
#ifndef FH_ZMQ_GLUE_H
#define FH_ZMQ_GLUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define FH_ZAP_ENDPOINT  "inproc://zeromq.zap.01"
#define FH_ZAP_KEY_BYTES 32

bool fh_zmq_readable(void *socket);
int fh_zmq_set_int(void *socket, int option, int value);
/* Call back when the socket has something to read. Unref the source before closing the socket. */
int fh_zmq_watch(sd_event *event, void *socket, sd_event_io_handler_t callback, void *userdata,
                 sd_event_source **ret);
/* The next event of a monitor socket; false when there is none. */
bool fh_zmq_next_event(void *monitor, uint16_t *ret_event, uint32_t *ret_value);

/* A request "may this client connect?" (ZAP, RFC 27). */
struct fh_zap_request {
    char id[256]; /* to be given back */
    size_t id_len;
    char address[256];
    unsigned char key[FH_ZAP_KEY_BYTES]; /* the client's public key, binary */
};

/* 0, -EBADMSG for another shape than a CURVE request (answer it with NULL), or another negative
 * errno when there is nothing to read. */
int fh_zap_read(void *zap, struct fh_zap_request *request);
/* user: welcome, and the "User-Id" of its messages from now on; NULL: turned away with reason. */
void fh_zap_answer(void *zap, const struct fh_zap_request *request, const char *user,
                   const char *reason);

#endif
