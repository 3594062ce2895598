/* scripted_server.c: owns the sockets, threads and the throw-away certificate of the scripted
 * server. */
#include "scripted_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno));   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int select_h2(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                     const unsigned char *offered, unsigned len, void *userdata)
{
    (void)ssl;
    (void)userdata;
    static const unsigned char h2[] = {2, 'h', '2'};
    for (unsigned i = 0; i < len; i += 1U + offered[i]) {
        if (len - i >= sizeof(h2) && memcmp(offered + i, h2, sizeof(h2)) == 0) {
            *ret = offered + i + 1;
            *ret_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A key and a certificate for 127.0.0.1 that is its own CA. */
static void make_certificate(struct scripted_server *server)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    MUST(key && cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"scripted", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    MUST(extension && X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    MUST(extension && X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
    MUST(X509_sign(cert, key, EVP_sha256()) > 0);

    server->ssl_ctx = SSL_CTX_new(TLS_server_method());
    MUST(server->ssl_ctx);
    if (server->headless) {
        SSL_CTX_set_alpn_select_cb(server->ssl_ctx, select_h2, NULL);
    }
    MUST(SSL_CTX_use_certificate(server->ssl_ctx, cert) == 1);
    MUST(SSL_CTX_use_PrivateKey(server->ssl_ctx, key) == 1);
    snprintf(server->ca_file, sizeof(server->ca_file), "%s", "/tmp/fh-scripted-XXXXXX");
    int fd = mkstemp(server->ca_file);
    MUST(fd >= 0);
    FILE *file = fdopen(fd, "w");
    MUST(file && PEM_write_X509(file, cert) == 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static bool handshake(struct scripted_peer *peer)
{
    peer->ssl = SSL_new(peer->server->ssl_ctx);
    MUST(peer->ssl && SSL_set_fd(peer->ssl, peer->fd) == 1);
    return SSL_accept(peer->ssl) == 1;
}

static ssize_t receive(struct scripted_peer *peer, char *bytes, size_t size)
{
    if (peer->ssl) {
        return SSL_read(peer->ssl, bytes, (int)size);
    }
    return recv(peer->fd, bytes, size, 0);
}

void peer_note_request(struct scripted_peer *peer, const char *text)
{
    struct scripted_server *server = peer->server;
    pthread_mutex_lock(&server->lock);
    snprintf(peer->request, sizeof(peer->request), "%s", text);
    server->requests++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

bool peer_read_head(struct scripted_peer *peer)
{
    char head[sizeof(peer->request)] = "";
    size_t len = 0;
    while (!strstr(head, "\r\n\r\n")) {
        ssize_t n = len + 1 < sizeof(head) ? receive(peer, head + len, sizeof(head) - 1 - len) : 0;
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        head[len] = '\0';
    }
    peer_note_request(peer, head);
    return true;
}

static bool introduced(struct scripted_peer *peer)
{
    struct scripted_server *server = peer->server;
    if (server->raw) {
        return true;
    }
    return (!server->tls || handshake(peer)) && (server->headless || peer_read_head(peer));
}

static void *peer_main(void *argument)
{
    struct scripted_peer *peer = argument;
    struct scripted_server *server = peer->server;
    sigset_t pipe_signal; /* in this thread only: the receivers must cope by themselves */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    if (introduced(peer)) {
        server->play(peer, server->userdata);
    }
    if (peer->ssl) {
        SSL_shutdown(peer->ssl);
    }
    shutdown(peer->fd, SHUT_RDWR); /* the descriptor is closed by scripted_server_stop */
    return NULL;
}

/* A client that closed its side before it opened the next connection: on loopback its FIN is here
 * before the new SYN. */
static bool client_has_closed(const struct scripted_peer *peer)
{
    struct pollfd poll_fd = {.fd = peer->fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void *accept_main(void *argument)
{
    struct scripted_server *server = argument;
    for (;;) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&server->lock);
        if (fd < 0 || server->stopping || server->accepted == SCRIPTED_PEERS_MAX) {
            pthread_mutex_unlock(&server->lock);
            if (fd >= 0) {
                close(fd);
            }
            return NULL;
        }
        unsigned number = server->accepted;
        struct scripted_peer *peer = &server->peers[number];
        *peer = (struct scripted_peer){
            .server = server, .number = number, .fd = fd, .opened_ms = now_ms()};
        peer->previous_closed = number > 0 && client_has_closed(&server->peers[number - 1]);
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        MUST(pthread_create(&peer->thread, NULL, peer_main, peer) == 0);
        server->accepted++;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
    }
}

void scripted_server_start(struct scripted_server *server)
{
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (server->tls) {
        make_certificate(server);
    }
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    MUST(bind(server->listen_fd, (struct sockaddr *)&address, len) == 0);
    MUST(listen(server->listen_fd, SCRIPTED_PEERS_MAX) == 0);
    MUST(getsockname(server->listen_fd, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof(server->url), "%s://127.0.0.1:%d/", server->tls ? "https" : "http",
             server->port);
    MUST(pthread_create(&server->thread, NULL, accept_main, server) == 0);
}

void scripted_server_stop(struct scripted_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->changed);
    for (unsigned i = 0; i < server->accepted; i++) {
        shutdown(server->peers[i].fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
    shutdown(server->listen_fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (unsigned i = 0; i < server->accepted; i++) {
        pthread_join(server->peers[i].thread, NULL);
        SSL_free(server->peers[i].ssl);
        close(server->peers[i].fd);
    }
    close(server->listen_fd);
    SSL_CTX_free(server->ssl_ctx);
    if (server->ca_file[0]) {
        unlink(server->ca_file);
    }
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
}

static bool wait_for(struct scripted_server *server, const unsigned *counter, unsigned n)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 60;
    pthread_mutex_lock(&server->lock);
    while (*counter < n &&
           pthread_cond_timedwait(&server->changed, &server->lock, &deadline) == 0) {
    }
    bool reached = *counter >= n;
    pthread_mutex_unlock(&server->lock);
    return reached;
}

bool scripted_wait_accepted(struct scripted_server *server, unsigned n)
{
    return wait_for(server, &server->accepted, n);
}

bool scripted_wait_requests(struct scripted_server *server, unsigned n)
{
    return wait_for(server, &server->requests, n);
}

unsigned scripted_requests(struct scripted_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned requests = server->requests;
    pthread_mutex_unlock(&server->lock);
    return requests;
}

void scripted_request(struct scripted_server *server, unsigned n, char *text, size_t size)
{
    pthread_mutex_lock(&server->lock);
    snprintf(text, size, "%s", n < server->accepted ? server->peers[n].request : "");
    pthread_mutex_unlock(&server->lock);
}

bool peer_send(struct scripted_peer *peer, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = peer->ssl ? SSL_write(peer->ssl, bytes, (int)len)
                              : send(peer->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool peer_print(struct scripted_peer *peer, const char *format, ...)
{
    char text[16384];
    va_list args;
    va_start(args, format);
    /* clang-tidy 14 overlooks the va_start above */
    int n =
        vsnprintf(text, sizeof(text), format, args); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(args);
    MUST(n >= 0 && (size_t)n < sizeof(text));
    return peer_send(peer, text, (size_t)n);
}

bool peer_open_stream(struct scripted_peer *peer)
{
    return peer_print(peer, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n");
}

bool peer_chunk(struct scripted_peer *peer, const char *bytes, size_t len)
{
    return peer_print(peer, "%zx\r\n", len) && peer_send(peer, bytes, len) &&
           peer_print(peer, "\r\n");
}

bool peer_end_stream(struct scripted_peer *peer)
{
    return peer_print(peer, "0\r\n\r\n");
}

void peer_wait_closed(struct scripted_peer *peer)
{
    char ignored[1024];
    while (recv(peer->fd, ignored, sizeof(ignored), 0) > 0) {
    }
}

void peer_wait_until(struct scripted_peer *peer, const atomic_bool *told)
{
    struct scripted_server *server = peer->server;
    bool stopping = false;
    while (!stopping && !atomic_load(told)) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        pthread_mutex_lock(&server->lock);
        stopping = server->stopping;
        pthread_mutex_unlock(&server->lock);
    }
}

size_t peer_send_until_stalled(struct scripted_peer *peer, const char *bytes, size_t len,
                               int stall_ms)
{
    size_t sent = 0;
    while (sent < len) {
        struct pollfd poll_fd = {.fd = peer->fd, .events = POLLOUT};
        if (poll(&poll_fd, 1, stall_ms) <= 0) {
            break;
        }
        ssize_t n = send(peer->fd, bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            break;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    return sent;
}
