/* zeromq_guard.c: owns the thread that answers ZeroMQ's question "may this key connect?". It is
 * needed because that question comes when a consumer connects, whether or not there is anything to
 * deliver. Decides by client_keys alone. */
#include "zeromq.h"

#include "fh/log.h"
#include "fh/zmq_glue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define STOP_ENDPOINT     "inproc://guard-stop"
#define STRANGER_EVERY_MS 60000 /* a program with a wrong key may try several times a second */

_Static_assert(FH_CURVE_KEY_BYTES == FH_ZAP_KEY_BYTES, "the same keys");

struct fh_zeromq_guard {
    const struct fh_zeromq_settings *settings;
    void *zap, *stop; /* of the thread, once it runs */
    void *stopper;    /* the other end of stop */
    struct fh_time told_at;
    pthread_t thread;
    bool started;
};

static bool is_known(const struct fh_zeromq_settings *settings, const unsigned char *key)
{
    for (size_t i = 0; i < settings->client_key_count; i++) {
        if (memcmp(settings->client_key[i], key, FH_CURVE_KEY_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static void answer(struct fh_zeromq_guard *guard, const struct fh_zap_request *request, bool good)
{
    const struct fh_config_sink *config = &guard->settings->config;
    bool known = good && is_known(guard->settings, request->key);
    fh_zap_answer(guard->zap, request, known ? "consumer" : NULL, "not one of client_keys");
    struct fh_time now = fh_now();
    if (known || (fh_time_is_set(guard->told_at) &&
                  fh_time_diff_ms(now, guard->told_at) < STRANGER_EVERY_MS)) {
        return;
    }
    guard->told_at = now;
    fh_log(LOG_WARNING, "sink %s: %s was turned away, its key is not one of sinks.client_keys",
           config->name, request->address);
}

static void *run(void *userdata)
{
    struct fh_zeromq_guard *guard = userdata;
    zmq_pollitem_t items[] = {{.socket = guard->zap, .events = ZMQ_POLLIN},
                              {.socket = guard->stop, .events = ZMQ_POLLIN}};
    while (items[1].revents == 0) {
        if (zmq_poll(items, 2, -1) < 0 && zmq_errno() != EINTR) {
            break;
        }
        while (fh_zmq_readable(guard->zap)) {
            struct fh_zap_request request;
            int r = fh_zap_read(guard->zap, &request);
            if (r < 0 && r != -EBADMSG) {
                break;
            }
            answer(guard, &request, r == 0);
        }
    }
    return NULL;
}

static int open_sockets(struct fh_zeromq_guard *guard, void *zmq)
{
    guard->zap = zmq_socket(zmq, ZMQ_REP);
    guard->stop = zmq_socket(zmq, ZMQ_PAIR);
    guard->stopper = zmq_socket(zmq, ZMQ_PAIR);
    if (!guard->zap || !guard->stop || !guard->stopper ||
        zmq_bind(guard->zap, FH_ZAP_ENDPOINT) != 0 || zmq_bind(guard->stop, STOP_ENDPOINT) != 0 ||
        zmq_connect(guard->stopper, STOP_ENDPOINT) != 0) {
        return -zmq_errno();
    }
    return 0;
}

int fh_zeromq_guard_start(void *zmq, const struct fh_zeromq_settings *settings,
                          struct fh_zeromq_guard **ret)
{
    struct fh_zeromq_guard *guard = calloc(1, sizeof(*guard));
    if (!guard) {
        return -ENOMEM;
    }
    guard->settings = settings;
    int r = open_sockets(guard, zmq);
    if (r == 0) {
        r = -pthread_create(&guard->thread, NULL, run, guard);
        guard->started = r == 0;
    }
    if (r < 0) {
        fh_zeromq_guard_stop(guard);
        return r;
    }
    *ret = guard;
    return 0;
}

void fh_zeromq_guard_stop(struct fh_zeromq_guard *guard)
{
    if (!guard) {
        return;
    }
    if (guard->started) {
        zmq_send(guard->stopper, "", 0, 0);
        pthread_join(guard->thread, NULL);
    }
    void *const sockets[] = {guard->zap, guard->stop, guard->stopper};
    for (size_t i = 0; i < FH_ARRAY_LEN(sockets); i++) {
        if (sockets[i]) {
            fh_zmq_set_int(sockets[i], ZMQ_LINGER, 0);
            zmq_close(sockets[i]);
        }
    }
    free(guard);
}
