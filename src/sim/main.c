/* main.c: owns the order of starting and stopping of firehose-sim.
 *
 * Start: options, world, feeds, certificate, socket, workers, producer, the line that says so.
 * Stop (SIGTERM, SIGINT): the reverse, after a goodbye to every client. */
#include "activation.h"
#include "record_schema.h"
#include "server.h"
#include "tls.h"
#include "worker.h"

#include "fh/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "127.0.0.1:8443", "[::1]:8443", "8443". */
static int split_address(const char *listen_at, char *host, size_t host_size, char *port,
                         size_t port_size)
{
    const char *colon = strrchr(listen_at, ':');
    const char *number = colon ? colon + 1 : listen_at;
    size_t len = colon ? (size_t)(colon - listen_at) : 0;
    const char *name = listen_at;
    if (len >= 2 && name[0] == '[' && name[len - 1] == ']') {
        name++;
        len -= 2;
    }
    if (!*number || strspn(number, "0123456789") != strlen(number) || strlen(number) >= port_size ||
        strtoul(number, NULL, 10) > 65535 || len >= host_size) {
        return -EINVAL;
    }
    snprintf(host, host_size, "%.*s", (int)len, name);
    memcpy(port, number, strlen(number) + 1); /* fits, as was asked above */
    return 0;
}

static int open_socket(const struct addrinfo *address, struct fh_error *err, const char *text)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (fd < 0 || bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, 512) < 0) {
        char reason[128];
        int code = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return fh_error_set(err, code, "--listen %.200s: %s", text,
                            fh_strerror(code, reason, sizeof(reason)));
    }
    return fd;
}

static int listen_on(const char *listen_at, struct fh_error *err)
{
    char host[256];
    char port[8];
    if (split_address(listen_at, host, sizeof(host), port, sizeof(port)) < 0) {
        return fh_error_set(err, -EINVAL,
                            "--listen: \"%.200s\" is not ADDR:PORT with a port from 0 to 65535",
                            listen_at);
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (r != 0) {
        return fh_error_set(err, -EINVAL, "--listen %.200s: %s", listen_at, gai_strerror(r));
    }
    int fd = open_socket(found, err, listen_at);
    freeaddrinfo(found);
    return fd;
}

static void make_url(int fd, bool plain, char *ret, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "?";
    char port[8] = "0";
    getsockname(fd, (struct sockaddr *)&address, &len);
    getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool v6 = address.ss_family == AF_INET6;
    snprintf(ret, size, "%s://%s%s%s:%s", plain ? "http" : "https", v6 ? "[" : "", host,
             v6 ? "]" : "", port);
}

static int make_parts(const struct sim_options *options, struct sim_server *server,
                      struct fh_error *err)
{
    int r = sim_world_new(&options->world, err, &server->world);
    if (r < 0) {
        return r;
    }
    server->extras = sim_extras_new();
    server->faults = sim_faults_new();
    if (server->extras) {
        server->feeds = sim_feeds_new(server->world, server->extras, options);
    }
    if (!server->extras || !server->faults || !server->feeds) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    r = sim_schema_new(&server->schema);
    server->activation = sim_activation_new();
    if (r < 0 || !server->activation) {
        return fh_error_set(err, r < 0 ? r : -ENOMEM, "the tables of records cannot be made");
    }
    if (options->plain) {
        return 0;
    }
    if (!*options->make_cert) {
        return sim_tls_new(options->tls_cert, options->tls_key, options->http1_only, err,
                           &server->tls);
    }
    r = sim_certificate_make(options->make_cert, options, err);
    if (r < 0) {
        return r;
    }
    char certificate[SIM_TEXT_MAX + 32];
    char key[SIM_TEXT_MAX + 32];
    snprintf(certificate, sizeof(certificate), "%s/server.pem", options->make_cert);
    snprintf(key, sizeof(key), "%s/server.key", options->make_cert);
    return sim_tls_new(certificate, key, options->http1_only, err, &server->tls);
}

static void free_parts(struct sim_server *server)
{
    sim_feeds_free(server->feeds);
    sim_faults_free(server->faults);
    sim_extras_free(server->extras);
    sim_schema_free(server->schema);
    sim_activation_free(server->activation);
    sim_world_free(server->world);
    SSL_CTX_free(server->tls);
}

static void wake(void *userdata)
{
    sim_workers_wake(userdata);
}

static int serve(struct sim_server *server, struct fh_error *err)
{
    const struct sim_options *options = server->options;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = listen_on(options->listen, err);
    if (fd < 0) {
        return fd;
    }
    make_url(fd, options->plain, server->url, sizeof(server->url));
    int r = sim_producer_new(options, server->world, server->feeds, &server->producer);
    if (r == 0) {
        r = sim_workers_new(server, options->threads, fd);
    }
    if (r == 0) {
        r = sim_producer_start(server->producer, wake, server->workers);
    }
    if (r == 0) {
        printf("firehose-sim: listening on %s\n", server->url);
        fflush(stdout);
        int number = 0;
        sigwait(&signals, &number);
    } else {
        fh_error_set(err, r, "threads cannot be started");
    }
    sim_producer_stop(server->producer);
    sim_workers_free(server->workers);
    sim_producer_free(server->producer);
    close(fd);
    return r;
}

int main(int argc, char **argv)
{
    static struct sim_options options; /* the world points into it */
    static struct sim_server server;
    struct fh_error err = {""};
    fh_log_init("firehose-sim", FH_LOG_STDERR, LOG_INFO);
    int r = sim_options_parse(argc, argv, &err, &options);
    if (r == 0 && options.help) {
        sim_options_help();
        return 0;
    }
    if (r == 0 && options.version) {
        printf("firehose-sim %s\n", FH_VERSION);
        return 0;
    }
    server.options = &options;
    if (r == 0) {
        r = make_parts(&options, &server, &err);
    }
    if (r == 0) {
        r = serve(&server, &err);
    }
    free_parts(&server);
    if (r < 0) {
        fprintf(stderr, "firehose-sim: %s\n", err.text);
        return 1;
    }
    return 0;
}
