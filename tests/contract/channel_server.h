/* channel_server.h: one server for the dialogues every channel must be able to hold: the same
 * script plays over HTTP/1.1, WebSocket and gRPC, because it speaks of records and statuses, not of
 * chunks, frames and trailers. On top of scripted_server. For tests only. */
#ifndef FH_TEST_CHANNEL_SERVER_H
#define FH_TEST_CHANNEL_SERVER_H

#include "scripted_server.h"

#include "fh/config.h"

struct h2_call;

/* What the client asked for, whatever the channel. */
struct channel_request {
    char key[64];
    long long min_partition; /* 0 = not said */
    long long max_partition;
    long long from_ms;
    long long replica;
};

struct channel_peer {
    struct scripted_peer *peer;
    enum fh_channel channel;
    struct h2_call *call; /* gRPC */
    struct channel_request request;
};

/* Plays one connection after its request has been read. Where nothing is sent the client waits. */
typedef void (*channel_script)(struct channel_peer *peer, void *userdata);

struct channel_server {
    enum fh_channel channel;
    channel_script script;
    void *userdata;
    pthread_mutex_t lock;
    struct channel_request requests[SCRIPTED_PEERS_MAX]; /* by connection, under lock */
};

/* To be given to scripted_server as play, with a struct channel_server as userdata. gRPC wants
 * scripted_server.raw. */
void channel_server_play(struct scripted_peer *peer, void *server);
struct channel_request channel_server_request(struct channel_server *server, unsigned n);

/* Record n as one line of JSON, with newline; the same for every channel. pad: length of a field
 * that is there to make it long. */
size_t channel_record_text(unsigned n, size_t pad, char *text, size_t size);

/* For scripts. All return false once the client is gone or the server stops. */

/* Refuse with an HTTP status, or its gRPC equivalent; retry_after_s 0 = not said. */
bool channel_refuse(struct channel_peer *peer, int status, int retry_after_s, const char *message);
/* As channel_refuse, with the server's clock: "Tue, 01 Jan 2069 00:00:00 GMT". */
bool channel_refuse_at(struct channel_peer *peer, int status, int retry_after_s,
                       const char *message, const char *date);
/* Head of an answer that is a stream. */
bool channel_open(struct channel_peer *peer);
bool channel_send_record(struct channel_peer *peer, unsigned n, size_t pad);
/* A record of the script's own: a line of JSON without its newline, or for gRPC a message. */
bool channel_send_body(struct channel_peer *peer, const void *body, size_t len);
/* Records first to first+count-1 in pieces of arbitrary length. */
bool channel_send_pieces(struct channel_peer *peer, unsigned first, unsigned count, unsigned seed);
/* Something that is no record, as one unit of the channel. */
bool channel_send_junk(struct channel_peer *peer);
/* The first half of record n. */
bool channel_send_half(struct channel_peer *peer, unsigned n);
/* End the stream in good order. */
bool channel_end(struct channel_peer *peer);
/* Send count records as fast as the client takes them; stalled is called once when nothing has
 * moved for stall_ms (0 = not looked for). */
bool channel_flood(struct channel_peer *peer, unsigned count, size_t pad, int stall_ms,
                   void (*stalled)(void *userdata), void *userdata);
/* Keep the channel alive until the client closes or the server stops. */
void channel_wait_closed(struct channel_peer *peer);

#endif
