/* receiver_send.c: owns what a receiver of a two-way channel says after its request, and the notice
 * of the other side's end, which libcurl does not take while there may be more to send. */
#include "receiver.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A channel that can provoke a sign of life does so after this much silence, or after this part of
 * firehose.silence_ms, if that is short. */
#define PING_MS             20000
#define PING_OF_SILENCE(ms) ((ms) / 5 * 3)

/* What the channel says after its request. Nothing to say: libcurl asks again once send_due has
 * seen that there is. */
static size_t on_send(char *bytes, size_t size, size_t count, void *userdata)
{
    struct fh_receiver *receiver = userdata;
    if (receiver->verdict != FH_VERDICT_NONE && receiver->verdict != FH_VERDICT_STREAM) {
        return 0; /* refused: the request has no more */
    }
    size_t n = receiver->context->channel->send(receiver->decoder, bytes, size * count);
    if (n == FH_SEND_OVER) {
        return CURL_READFUNC_ABORT;
    }
    receiver->send_idle = n == 0;
    return n == 0 ? CURL_READFUNC_PAUSE : n;
}

/* Let libcurl ask on_send again, without reading on where we have paused. */
static void send_due(struct fh_receiver *receiver)
{
    const struct fh_channel_ops *channel = receiver->context->channel;
    bool refused = receiver->verdict > FH_VERDICT_STREAM;
    if (!receiver->transfer || !receiver->send_idle ||
        (!refused && !channel->wants_send(receiver->decoder))) {
        return;
    }
    receiver->send_idle = false;
    bool paused = receiver->status.state == FH_RECEIVER_PAUSED;
    CURLcode code = curl_easy_pause(receiver->easy, paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    if (code != CURLE_OK) {
        fh_receiver_finished(receiver, code);
    }
}

/* ---- the other side's end ---- */

/* The sockets of an attempt; those that lost the race between addresses are closed again. */
static int on_socket(void *userdata, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    struct fh_receiver *receiver = userdata;
    for (size_t i = 0; i < FH_ARRAY_LEN(receiver->sockets); i++) {
        if (receiver->sockets[i] < 0) {
            receiver->sockets[i] = fd;
            break;
        }
    }
    return CURL_SOCKOPT_OK;
}

static int on_socket_close(void *userdata, curl_socket_t fd)
{
    struct fh_receiver *receiver = userdata;
    for (size_t i = 0; i < FH_ARRAY_LEN(receiver->sockets); i++) {
        if (receiver->sockets[i] == fd) {
            receiver->sockets[i] = -1;
        }
    }
    return close(fd);
}

/* Libcurl ends a transfer only when both directions are over, and ours is not while there may be
 * something to send. So the end is looked for: a peek finds it, or the error that became of the
 * connection, once everything before it was read. */
static bool peer_has_ended(const struct fh_receiver *receiver)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(receiver->sockets); i++) {
        char byte = 0;
        if (receiver->sockets[i] < 0) {
            continue;
        }
        ssize_t n = recv(receiver->sockets[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return true;
        }
    }
    return false;
}

void fh_receiver_prepare_send(struct fh_receiver *receiver)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(receiver->sockets); i++) {
        receiver->sockets[i] = -1;
    }
    curl_easy_setopt(receiver->easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(receiver->easy, CURLOPT_READDATA, receiver);
    curl_easy_setopt(receiver->easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(receiver->easy, CURLOPT_SOCKOPTDATA, receiver);
    curl_easy_setopt(receiver->easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
    curl_easy_setopt(receiver->easy, CURLOPT_CLOSESOCKETDATA, receiver);
}

/* ---- per turn ---- */

/* When to provoke a sign of life. */
bool fh_receiver_ping_deadline(const struct fh_receiver *receiver, struct fh_time *ret)
{
    const struct fh_source_context *context = receiver->context;
    if (!context->channel->ping || receiver->pinged ||
        receiver->status.state != FH_RECEIVER_STREAMING) {
        return false;
    }
    int64_t ms = PING_OF_SILENCE(context->config.silence_ms);
    *ret = fh_time_add_ms(receiver->byte_at, ms < PING_MS ? ms : PING_MS);
    return true;
}

void fh_receiver_speak(struct fh_receiver *receiver)
{
    struct fh_time at;
    if (fh_receiver_ping_deadline(receiver, &at) && !fh_time_before(receiver->group->now, at)) {
        receiver->pinged = true;
        receiver->context->channel->ping(receiver->decoder);
    }
    send_due(receiver);
    /* send_idle: the request is out, so nobody is connecting on that socket any more. */
    bool reading = receiver->status.state == FH_RECEIVER_STREAMING ||
                   receiver->status.state == FH_RECEIVER_CONNECTING;
    if (receiver->transfer && receiver->send_idle && reading && peer_has_ended(receiver)) {
        snprintf(receiver->curl_error, sizeof(receiver->curl_error), "%s",
                 "the server closed it without a word");
        fh_receiver_finished(receiver, CURLE_GOT_NOTHING);
    }
}
