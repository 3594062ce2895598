/* doctor_peer.c: owns the look at the other node and at the arbiter: a connection, and the
 * handshake with our key and theirs. Never sends a message, so that nobody takes it for the daemon.
 */
#include "doctor.h"

#include "fh/ha.h"
#include "fh/zmq_glue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum shake { SHAKE_DONE, SHAKE_KEY_REFUSED, SHAKE_FAILED, SHAKE_SILENT, SHAKE_BROKEN };

#define MONITOR "inproc://doctor"

struct sockets {
    void *context, *socket, *monitor;
};

static void close_sockets(struct sockets *sockets)
{
    if (sockets->monitor) {
        zmq_close(sockets->monitor);
    }
    if (sockets->socket) {
        zmq_close(sockets->socket);
    }
    if (sockets->context) {
        zmq_ctx_term(sockets->context);
    }
}

/* As the daemon's link does, but with one attempt. */
static bool open_sockets(struct sockets *sockets, const struct fh_doctor *doctor,
                         const char *endpoint, const char *server_key)
{
    sockets->context = zmq_ctx_new();
    sockets->socket = sockets->context ? zmq_socket(sockets->context, ZMQ_DEALER) : NULL;
    sockets->monitor = sockets->context ? zmq_socket(sockets->context, ZMQ_PAIR) : NULL;
    if (!sockets->socket || !sockets->monitor) {
        return false;
    }
    void *socket = sockets->socket;
    return fh_zmq_set_int(socket, ZMQ_LINGER, 0) == 0 &&
           fh_zmq_set_int(sockets->monitor, ZMQ_LINGER, 0) == 0 &&
           fh_zmq_set_int(socket, ZMQ_RECONNECT_IVL, -1) == 0 &&
           fh_zmq_set_int(socket, ZMQ_CONNECT_TIMEOUT, FH_DOCTOR_TIMEOUT_MS) == 0 &&
           fh_zmq_set_int(socket, ZMQ_HANDSHAKE_IVL, FH_DOCTOR_TIMEOUT_MS) == 0 &&
           fh_zmq_set_int(socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, doctor->secret_key, 40) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, doctor->public_key, 40) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, 40) == 0 &&
           zmq_socket_monitor(socket, MONITOR, ZMQ_EVENT_ALL) == 0 &&
           zmq_connect(sockets->monitor, MONITOR) == 0 && zmq_connect(socket, endpoint) == 0;
}

static enum shake shake_hands(const struct fh_doctor *doctor, const char *endpoint,
                              const char *server_key)
{
    FH_CLEANUP(close_sockets) struct sockets sockets = {0};
    if (!open_sockets(&sockets, doctor, endpoint, server_key)) {
        return SHAKE_BROKEN;
    }
    for (int waits = 0; waits < 64; waits++) { /* events of one connection: a handful */
        zmq_pollitem_t item = {.socket = sockets.monitor, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, FH_DOCTOR_TIMEOUT_MS) <= 0) {
            return SHAKE_SILENT;
        }
        uint16_t event = 0;
        uint32_t value = 0;
        while (fh_zmq_next_event(sockets.monitor, &event, &value)) {
            switch (event) {
            case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                return SHAKE_DONE;
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
                return SHAKE_KEY_REFUSED;
            case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            case ZMQ_EVENT_DISCONNECTED:
                return SHAKE_FAILED;
            default:
                break;
            }
        }
    }
    return SHAKE_SILENT;
}

/* ---- keys -------------------------------------------------------------------------------------
 */

void fh_doctor_own_key(struct fh_doctor *doctor)
{
    static struct fh_config config; /* large */
    struct fh_error err = {""};
    if (doctor->stranger) { /* said already */
        return;
    }
    config = *doctor->config;
    if (!config.pair.secret_key_file[0] &&
        !fh_doctor_credential(doctor, "pair_key", config.pair.secret_key_file,
                              sizeof(config.pair.secret_key_file))) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "keys",
                      "not compared: the secret key is a credential of the service that cannot be "
                      "read from here");
        return;
    }
    int r = fh_config_pair_key(&config, doctor->secret_key, &err);
    if (r == 0 && fh_ha_public_key(doctor->secret_key, doctor->public_key) < 0) {
        r = fh_error_set(&err, -EINVAL,
                         "pair.secret_key_file %s holds no key; make one with firehosectl keygen",
                         config.pair.secret_key_file);
    }
    if (r < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "keys", "%s", err.text);
        return;
    }
    if (strcmp(doctor->public_key, config.pair.peer_public_key) == 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "keys",
                      "pair.peer_public_key is this node's own key; write the other node's");
        return;
    }
    fh_doctor_say(doctor->report, FH_DOCTOR_OK, "keys",
                  "this node's public key is %s; it must stand in the peer's pair.peer_public_key",
                  doctor->public_key);
}

/* ---- the peer ---------------------------------------------------------------------------------
 */

static const char *host_port(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint;
}

/* Whoever gets as far as to refuse our key holds the one we have asked for. */
static void say_wrong_key(struct fh_doctor *doctor, const char *endpoint)
{
    enum shake with_own = shake_hands(doctor, endpoint, doctor->public_key);
    if (with_own == SHAKE_DONE || with_own == SHAKE_KEY_REFUSED) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "peer",
                      "%s leads back to this node itself: write the other host's address into "
                      "pair.peers",
                      endpoint);
        return;
    }
    fh_doctor_say(
        doctor->report, FH_DOCTOR_FAIL, "peer",
        "%s answers, but does not hold the key %s: pair.peer_public_key is wrong, or this "
        "is another program or the node of another pair",
        endpoint, doctor->config->pair.peer_public_key);
}

static void look_at_path(struct fh_doctor *doctor, const char *endpoint)
{
    struct fh_error err = {""};
    if (fh_doctor_connect(host_port(endpoint), &err) < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "peer",
                      "%s cannot be reached: %s; is firehosed running there, does its firewall let "
                      "the port pass?",
                      endpoint, err.text);
        return;
    }
    if (!doctor->public_key[0]) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "peer",
                      "%s can be reached; without this node's key no more is known", endpoint);
        return;
    }
    switch (shake_hands(doctor, endpoint, doctor->config->pair.peer_public_key)) {
    case SHAKE_DONE:
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "peer",
                      "%s: reached, and the keys of both nodes fit", endpoint);
        break;
    case SHAKE_KEY_REFUSED:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "peer",
                      "%s does not accept this node's key: write \"%s\" into pair.peer_public_key "
                      "there and restart it",
                      endpoint, doctor->public_key);
        break;
    case SHAKE_FAILED:
        say_wrong_key(doctor, endpoint);
        break;
    case SHAKE_SILENT:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "peer",
                      "%s accepts the connection and then says nothing: is it firehosed that "
                      "listens there, and does it run?",
                      endpoint);
        break;
    case SHAKE_BROKEN:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "peer", "%s: no connection can be set up",
                      endpoint);
        break;
    }
}

void fh_doctor_peer(struct fh_doctor *doctor)
{
    for (size_t i = 0; i < doctor->config->pair.peer_count; i++) {
        look_at_path(doctor, doctor->config->pair.peers[i]);
    }
}

/* ---- the arbiter ------------------------------------------------------------------------------
 */

static void look_at_witness(struct fh_doctor *doctor, const char *endpoint)
{
    struct fh_error err = {""};
    if (fh_doctor_connect(host_port(endpoint), &err) < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "arbiter",
                      "the witness at %s cannot be reached: %s", endpoint, err.text);
        return;
    }
    if (!doctor->public_key[0]) {
        return; /* said already */
    }
    switch (shake_hands(doctor, endpoint, doctor->config->arbiter.witness_public_key)) {
    case SHAKE_DONE:
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "arbiter", "the witness at %s knows this node",
                      endpoint);
        break;
    case SHAKE_KEY_REFUSED:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "arbiter",
                      "the witness at %s does not know this node: add \"%s\" to public_keys of the "
                      "pair in firehose-witness.conf there",
                      endpoint, doctor->public_key);
        break;
    case SHAKE_SILENT:
    case SHAKE_BROKEN:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "arbiter",
                      "%s accepts the connection and then says nothing: is it firehose-witness?",
                      endpoint);
        break;
    case SHAKE_FAILED:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "arbiter",
                      "%s does not hold the key in arbiter.witness_public_key", endpoint);
        break;
    }
}

void fh_doctor_arbiter(struct fh_doctor *doctor)
{
    const struct fh_config_arbiter *arbiter = &doctor->config->arbiter;
    if (arbiter->type == FH_ARBITER_WITNESS) {
        for (size_t i = 0; i < arbiter->address_count; i++) {
            look_at_witness(doctor, arbiter->addresses[i]);
        }
    } else if (arbiter->type == FH_ARBITER_ETCD) {
        if (!doctor->stranger) { /* its password and key are the service's */
            fh_doctor_etcd(doctor);
        }
    } else if (doctor->config->pair.present) {
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "arbiter",
                      "none; not hearing each other the nodes follow pair.prefer");
    }
}
