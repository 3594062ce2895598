/* zeromq.h: what the two functions tables of the ZeroMQ sink share: the settings, the socket with
 * all that belongs to it, and the form of a message. Private to src/sink/zeromq*.c.
 *
 * A message has five frames: event type, key (fh_key_print), recordUid, epoch (decimal), record. */
#ifndef FH_SINK_ZEROMQ_H
#define FH_SINK_ZEROMQ_H

#include "collect.h"

#include "fh/sink.h"

#include <stdatomic.h>

#define FH_CURVE_KEY_BYTES 32

/* zeromq.c: checked at open, kept until close. */
struct fh_zeromq_settings {
    struct fh_config_sink config;
    const struct fh_sink_context *context;
    char secret_key[41]; /* "" = in clear */
    unsigned char client_key[FH_SINK_LIST_MAX][FH_CURVE_KEY_BYTES];
    size_t client_key_count;
};
int fh_zeromq_settings(const struct fh_config_sink *config, const struct fh_sink_context *context,
                       struct fh_error *err, struct fh_zeromq_settings *ret);
void fh_zeromq_settings_done(struct fh_zeromq_settings *settings);
void fh_zeromq_settings_reload(struct fh_zeromq_settings *settings,
                               const struct fh_config_sink *config);

/* zeromq_guard.c: a thread that answers who may connect (ZAP) in one ZeroMQ context. settings must
 * live as long. Start it before the first socket of the context is bound. */
struct fh_zeromq_guard;
int fh_zeromq_guard_start(void *zmq, const struct fh_zeromq_settings *settings,
                          struct fh_zeromq_guard **ret);
void fh_zeromq_guard_stop(struct fh_zeromq_guard *guard); /* NULL allowed */

/* zeromq_port.c: one bound socket, from lead to abandon. Used by one thread. */
struct fh_zeromq_port {
    void *socket;
    size_t consumers; /* as of the last look */
    uint64_t losses;  /* consumers whose connection has ended: what it held may be lost */
    /* private */
    bool failing; /* the next connection to end is one that was not let in */
    size_t connections;
    void *zmq, *monitor;
    struct fh_zeromq_guard *guard;
    int *descriptor; /* of the connections, for fh_zeromq_port_flushed only */
    size_t descriptor_capacity;
    int linger_ms;
};
/* Binds. type: ZMQ_PUSH, ... linger_ms: how long close may wait for what was sent. */
int fh_zeromq_port_open(const struct fh_zeromq_settings *settings, int type, int linger_ms,
                        struct fh_error *err, struct fh_zeromq_port **ret);
/* When it returns, nothing is sent any more. NULL allowed. */
void fh_zeromq_port_close(struct fh_zeromq_port *port);
/* Take note of the connections that came and went. */
void fh_zeromq_port_look(struct fh_zeromq_port *port);
/* Has the kernel handed over all it was given for the connections known, and the other host
 * acknowledged it? (ipc: and the other process read it?) */
bool fh_zeromq_port_flushed(const struct fh_zeromq_port *port);

/* zeromq_message.c */
/* Sends without waiting. held, when given, counts the records libzmq has not written out yet: it
 * goes up now and down when this one is; it must live until the context's end. 0, -EAGAIN (nothing
 * was sent), or another negative errno. */
int fh_zeromq_send(void *socket, const struct fh_collect_item *item, uint64_t epoch,
                   atomic_size_t *held);

/* zeromq_confirm.c: which records of a batch their consumers have confirmed. Embedded, zeroed. */
struct fh_zeromq_confirm {
    struct {
        struct fh_record_key key;
        bool confirmed;
    } * entry; /* in the order of the batch */
    size_t count, confirmed;
    uint32_t *slot; /* hash table: index + 1 */
    size_t slot_mask;
};
int fh_zeromq_confirm_add(struct fh_zeromq_confirm *confirm, struct fh_record_key key);
/* An answer: the text of a key. Unknown ones, and those already confirmed, are ignored. */
void fh_zeromq_confirm_take(struct fh_zeromq_confirm *confirm, const char *text, size_t len);
void fh_zeromq_confirm_clear(struct fh_zeromq_confirm *confirm);
void fh_zeromq_confirm_done(struct fh_zeromq_confirm *confirm);

#endif
