/* scripted_server.h: an HTTP/1.1 server, plain or TLS, whose every connection is played by a
 * function of the test, so that it can misbehave in any way. For tests only. */
#ifndef FH_TEST_SCRIPTED_SERVER_H
#define FH_TEST_SCRIPTED_SERVER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SCRIPTED_PEERS_MAX 64

struct scripted_server;

/* One connection of a client. */
struct scripted_peer {
    struct scripted_server *server;
    unsigned number; /* 0 for the first connection of this server */
    int fd;
    SSL *ssl; /* NULL on a plain connection */
    pthread_t thread;
    char request[8192];   /* head of the request, "" when none came */
    bool previous_closed; /* the client had closed connection number-1 when it opened this one */
    int64_t opened_ms;
};

/* Plays one connection; the connection is closed when it returns. Runs on a thread of its own; the
 * head of the request has been read unless raw is set. */
typedef void (*scripted_play)(struct scripted_peer *peer, void *userdata);

struct scripted_server {
    scripted_play play;
    void *userdata;
    bool tls;
    bool headless; /* play gets the connection after the TLS handshake, with ALPN "h2" */
    bool raw;      /* play gets the connection before anything is read, TLS handshake included */
    int port;
    char url[64];
    char ca_file[64]; /* the certificate a client must trust; "" when plain */
    /* private */
    int listen_fd;
    SSL_CTX *ssl_ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    unsigned accepted;
    unsigned requests; /* heads read so far */
    struct scripted_peer peers[SCRIPTED_PEERS_MAX];
};

/* Fill play, userdata, tls, raw; the rest is set here. Aborts on failure: a test cannot go on. */
void scripted_server_start(struct scripted_server *server);
/* Shuts every connection down and waits for the players. */
void scripted_server_stop(struct scripted_server *server);

/* Waits until n connections were accepted / n requests read; false after 60 s. */
bool scripted_wait_accepted(struct scripted_server *server, unsigned n);
bool scripted_wait_requests(struct scripted_server *server, unsigned n);
unsigned scripted_requests(struct scripted_server *server);
/* A copy of the nth request's head. */
void scripted_request(struct scripted_server *server, unsigned n, char *text, size_t size);

/* For players. All return false once the client is gone or the server stops. */
bool peer_read_head(struct scripted_peer *peer);
/* A request was read some other way: keep text as its head, and count it. */
void peer_note_request(struct scripted_peer *peer, const char *text);
bool peer_send(struct scripted_peer *peer, const char *bytes, size_t len);
bool peer_print(struct scripted_peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Head of a 200 with a chunked body. */
bool peer_open_stream(struct scripted_peer *peer);
bool peer_chunk(struct scripted_peer *peer, const char *bytes, size_t len);
/* The last chunk: a stream that ends in good order. */
bool peer_end_stream(struct scripted_peer *peer);
/* Plays dead until the client closes or the server stops. */
void peer_wait_closed(struct scripted_peer *peer);
/* Until the test says so, or the server stops. */
void peer_wait_until(struct scripted_peer *peer, const atomic_bool *told);
/* Sends as much as the socket takes; stops when nothing moves for stall_ms. Bytes sent. Plain only.
 */
size_t peer_send_until_stalled(struct scripted_peer *peer, const char *bytes, size_t len,
                               int stall_ms);

#endif
