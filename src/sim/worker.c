/* worker.c: owns the event loops. Never looks into what a connection says.
 *
 * Each round pumps every connection of the worker: there are a few dozen at most, a look at an idle
 * one costs two uncontended locks, and it spares a second bookkeeping of who waits for what. The
 * round starts one connection further each time, so that competing readers take turns. */
#include "worker.h"

#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096 /* per worker; further ones are closed on accept */
#define INBOX_MAX       256
#define EVENTS_MAX      64
#define GOODBYE_MS      2000
#define OVERDUE_MS      20 /* something due cannot be done (a closed window): do not spin */

struct arrival {
    int fd;
    bool loopback;
};

struct worker {
    struct sim_workers *workers;
    pthread_t thread;
    bool started;
    int epoll;
    int wake; /* eventfd */
    pthread_mutex_t lock;
    struct arrival inbox[INBOX_MAX]; /* under lock */
    unsigned inbox_count;
    struct sim_connection **connections;
    size_t count;
    size_t first; /* of the next round */
    unsigned pass;
};

struct sim_workers {
    struct sim_server *server;
    int listen_fd;
    _Atomic bool quit;
    unsigned next; /* worker of the next connection */
    unsigned count;
    struct worker workers[];
};

static void ring(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));
    (void)n; /* full means it is ringing already */
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
    }
    return false;
}

static void close_with_reset(int fd)
{
    struct linger linger = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static bool deliver(struct worker *worker, struct arrival arrival)
{
    pthread_mutex_lock(&worker->lock);
    bool room = worker->inbox_count < INBOX_MAX;
    if (room) {
        worker->inbox[worker->inbox_count++] = arrival;
    }
    pthread_mutex_unlock(&worker->lock);
    ring(worker->wake);
    return room;
}

static void accept_all(struct sim_workers *workers)
{
    struct sim_server *server = workers->server;
    for (;;) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof(address);
        int fd = accept4(workers->listen_fd, (struct sockaddr *)&address, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) {
            continue;
        }
        if (fd < 0) {
            return;
        }
        struct sim_fault fault;
        if (sim_faults_use(server->faults, SIM_FAULT_REFUSE, 0, 0, &fault)) {
            atomic_fetch_add(&server->refused, 1);
            close_with_reset(fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (server->options->send_buffer > 0) {
            int size = (int)server->options->send_buffer;
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        }
        struct worker *worker = &workers->workers[workers->next++ % workers->count];
        if (!deliver(worker, (struct arrival){fd, is_loopback(&address)})) {
            close(fd);
        }
    }
}

static void adopt(struct worker *worker, struct arrival arrival)
{
    if (worker->count == CONNECTIONS_MAX) {
        close(arrival.fd);
        return;
    }
    struct sim_connection *connection =
        sim_connection_new(worker->workers->server, arrival.fd, arrival.loopback);
    if (!connection) {
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, arrival.fd, &event) < 0) {
        sim_connection_free(connection);
        return;
    }
    worker->connections[worker->count++] = connection;
}

static void empty_inbox(struct worker *worker)
{
    uint64_t rings;
    ssize_t n = read(worker->wake, &rings, sizeof(rings));
    (void)n;
    struct arrival arrivals[INBOX_MAX];
    pthread_mutex_lock(&worker->lock);
    unsigned count = worker->inbox_count;
    memcpy(arrivals, worker->inbox, count * sizeof(*arrivals));
    worker->inbox_count = 0;
    pthread_mutex_unlock(&worker->lock);
    for (unsigned i = 0; i < count; i++) {
        adopt(worker, arrivals[i]);
    }
}

static void bury(struct worker *worker)
{
    size_t kept = 0;
    for (size_t i = 0; i < worker->count; i++) {
        if (worker->connections[i]->dead) {
            sim_connection_free(worker->connections[i]);
        } else {
            worker->connections[kept++] = worker->connections[i];
        }
    }
    worker->count = kept;
}

/* One round over all connections. Returns how long the loop may sleep, in ms; -1 = until woken. */
static int round_of_pumps(struct worker *worker)
{
    struct fh_time now = fh_now();
    bool more = false;
    struct fh_time due = {0};
    worker->pass++;
    worker->first++;
    for (size_t i = 0; i < worker->count; i++) {
        struct sim_connection *connection =
            worker->connections[(i + worker->first) % worker->count];
        more |= sim_connection_pump(connection, now, worker->pass);
        struct fh_time its_due = sim_connection_due(connection);
        if (fh_time_is_set(its_due) && (!fh_time_is_set(due) || fh_time_before(its_due, due))) {
            due = its_due;
        }
    }
    bury(worker);
    if (more) {
        return 0;
    }
    if (!fh_time_is_set(due)) {
        return -1;
    }
    int64_t ms = (due.ns - fh_now().ns + 999999) / 1000000;
    return ms <= 0 ? OVERDUE_MS : ms > 60000 ? 60000 : (int)ms;
}

static void wait_for_events(struct worker *worker, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(worker->epoll, events, EVENTS_MAX, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == worker) {
            empty_inbox(worker);
        } else if (events[i].data.ptr == worker->workers) {
            accept_all(worker->workers);
        } else {
            struct sim_connection *connection = events[i].data.ptr;
            uint32_t what = events[i].events;
            connection->readable |= (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
            connection->writable |= (what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
            connection->peer_gone |= (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        }
    }
}

static void say_goodbye(struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++) {
        sim_connection_goodbye(worker->connections[i]);
    }
    bury(worker);
    struct fh_time until = fh_time_add_ms(fh_now(), GOODBYE_MS);
    while (worker->count > 0 && fh_time_before(fh_now(), until)) {
        round_of_pumps(worker);
        if (worker->count > 0) {
            wait_for_events(worker, 10);
        }
    }
    for (size_t i = 0; i < worker->count; i++) {
        sim_connection_free(worker->connections[i]);
    }
    worker->count = 0;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load(&worker->workers->quit)) {
        wait_for_events(worker, round_of_pumps(worker));
    }
    say_goodbye(worker);
    return NULL;
}

static int start(struct worker *worker, struct sim_workers *workers, bool accepts)
{
    worker->workers = workers;
    pthread_mutex_init(&worker->lock, NULL);
    worker->connections = calloc(CONNECTIONS_MAX, sizeof(struct sim_connection *));
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!worker->connections || worker->epoll < 0 || worker->wake < 0) {
        return -ENOMEM;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = worker};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake, &event) < 0) {
        return -errno;
    }
    event.data.ptr = workers;
    if (accepts && epoll_ctl(worker->epoll, EPOLL_CTL_ADD, workers->listen_fd, &event) < 0) {
        return -errno;
    }
    return 0;
}

int sim_workers_new(struct sim_server *server, unsigned count, int listen_fd)
{
    struct sim_workers *workers = calloc(1, sizeof(*workers) + count * sizeof(workers->workers[0]));
    if (!workers) {
        return -ENOMEM;
    }
    workers->server = server;
    workers->listen_fd = listen_fd;
    workers->count = count;
    server->workers = workers; /* before a thread can ask for it */
    int r = 0;
    for (unsigned i = 0; i < count; i++) {
        workers->workers[i].epoll = workers->workers[i].wake = -1;
    }
    for (unsigned i = 0; i < count && r == 0; i++) {
        r = start(&workers->workers[i], workers, i == 0);
    }
    for (unsigned i = 0; i < count && r == 0; i++) {
        struct worker *worker = &workers->workers[i];
        r = -pthread_create(&worker->thread, NULL, work, worker);
        worker->started = r == 0;
    }
    if (r < 0) {
        sim_workers_free(workers);
        server->workers = NULL;
    }
    return r;
}

void sim_workers_wake(struct sim_workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        ring(workers->workers[i].wake);
    }
}

void sim_workers_free(struct sim_workers *workers)
{
    if (!workers) {
        return;
    }
    atomic_store(&workers->quit, true);
    sim_workers_wake(workers);
    for (unsigned i = 0; i < workers->count; i++) {
        if (workers->workers[i].started) {
            pthread_join(workers->workers[i].thread, NULL);
        }
    }
    for (unsigned i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->workers[i];
        for (unsigned k = 0; k < worker->inbox_count; k++) {
            close(worker->inbox[k].fd);
        }
        if (worker->epoll >= 0) {
            close(worker->epoll);
        }
        if (worker->wake >= 0) {
            close(worker->wake);
        }
        free(worker->connections);
    }
    free(workers);
}
