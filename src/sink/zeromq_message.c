/* zeromq_message.c: owns the form of a message. */
#include "zeromq.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define HEAD_FRAMES 4

/* A copy of a record in libzmq's hands. */
struct held_record {
    atomic_size_t *held;
    char bytes[];
};

/* Called by libzmq's thread. */
static void let_go(void *bytes, void *hint)
{
    struct held_record *record = hint;
    (void)bytes;
    atomic_fetch_sub(record->held, 1);
    free(record);
}

static int make_record(zmq_msg_t *message, struct fh_slice record, atomic_size_t *held)
{
    if (!held) {
        if (zmq_msg_init_size(message, record.len) != 0) {
            return -ENOMEM;
        }
        memcpy(zmq_msg_data(message), record.data, record.len);
        return 0;
    }
    struct held_record *copy = malloc(sizeof(*copy) + record.len);
    if (!copy) {
        return -ENOMEM;
    }
    copy->held = held;
    memcpy(copy->bytes, record.data, record.len);
    atomic_fetch_add(held, 1);
    if (zmq_msg_init_data(message, copy->bytes, record.len, let_go, copy) != 0) {
        let_go(copy->bytes, copy);
        return -ENOMEM;
    }
    return 0;
}

/* An interrupted frame must be repeated, or the message would lack it. */
static int send_head(void *socket, struct fh_slice frame)
{
    while (zmq_send(socket, frame.data, frame.len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        if (zmq_errno() != EINTR) {
            return -zmq_errno();
        }
    }
    return 0;
}

static int send_last(void *socket, zmq_msg_t *message)
{
    while (zmq_msg_send(message, socket, ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() != EINTR) {
            int r = -zmq_errno();
            zmq_msg_close(message);
            return r;
        }
    }
    return 0;
}

/* PUSH and DEALER choose a connection by the first frame. When it dies under the others, libzmq
 * says so once and swallows the rest of the message: the rest is sent all the same, so that the
 * next message starts with its own first frame. */
int fh_zeromq_send(void *socket, const struct fh_collect_item *item, uint64_t epoch,
                   atomic_size_t *held)
{
    char key[FH_KEY_TEXT_SIZE];
    char number[24];
    zmq_msg_t record;
    fh_key_print(item->key, key);
    int len = snprintf(number, sizeof(number), "%" PRIu64, epoch);
    const struct fh_slice head[HEAD_FRAMES] = {
        item->facts.type, {key, strlen(key)}, item->facts.uid, {number, (size_t)len}};
    int broken = 0;
    int r = make_record(&record, item->record, held);
    for (size_t i = 0; i < HEAD_FRAMES && r == 0; i++) {
        int sent = send_head(socket, head[i]);
        if (sent < 0 && i == 0) {
            zmq_msg_close(&record);
            return sent;
        }
        broken = sent < 0 ? sent : broken;
    }
    if (r == 0) {
        r = send_last(socket, &record);
    }
    return r < 0 ? r : broken;
}
