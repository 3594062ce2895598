/* server.c: the server's thread, its connections and their limits of time.
 *
 * Owns the thread. libmicrohttpd runs inside its loop (external epoll), one instance per listening
 * socket, so that everything happens on one thread of which we know the state. libmicrohttpd's own
 * time-out looks at the last byte, which a client that sends one byte at a time never reaches: a
 * connection has a deadline here instead. */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MS 1000
/* Of one connection: request line and headers, and room to write the answer's headers and one
 * chunk. */
#define CONNECTION_MEMORY (FH_WEB_REQUEST_MAX + (size_t)16 * 1024)

void web_wake(struct fh_web *web)
{
    (void)!write(web->wake_fd, &(uint64_t){1}, sizeof(uint64_t)); /* full: it wakes anyway */
}

/* The descriptor stays open until libmicrohttpd has seen the end and told us. */
void web_cut_off(struct fh_web *web, const struct connection *connection)
{
    atomic_fetch_add(&web->cut, 1);
    shutdown(connection->fd, SHUT_RDWR);
}

/* ---- connections ------------------------------------------------------------------------------
 */

/* The last place is taken: whoever has been idle longest gives his up, or the next one would wait
 * outside until its time is over. Whoever is in the middle of something keeps his. */
static void make_room(struct fh_web *web, const struct MHD_Daemon *daemon)
{
    struct connection *idlest = NULL;
    size_t count = 0;
    for (struct connection *connection = web->connections; connection;
         connection = connection->next) {
        count += connection->daemon == daemon;
        bool idle = connection->daemon == daemon && fh_time_is_set(connection->idle_since);
        if (idle && (!idlest || fh_time_before(connection->idle_since, idlest->idle_since))) {
            idlest = connection;
        }
    }
    if (count >= FH_WEB_CONNECTIONS_MAX && idlest) {
        idlest->idle_since = idlest->deadline = (struct fh_time){0};
        web_cut_off(web, idlest);
    }
}

static void connection_started(struct fh_web *web, struct MHD_Connection *mhd, void **ret)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *of = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_DAEMON);
    if (!connection || !info || !of) {
        free(connection);
        *ret = NULL; /* no request of it is taken */
        return;
    }
    connection->fd = info->connect_fd;
    connection->daemon = of->daemon;
    connection->deadline = fh_time_add_ms(fh_now(), web->headers_ms);
    connection->next = web->connections;
    if (connection->next) {
        connection->next->previous = connection;
    }
    web->connections = connection;
    atomic_fetch_add(&web->connection_count, 1);
    *ret = connection;
    make_room(web, connection->daemon);
}

static void on_connection(void *userdata, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct fh_web *web = userdata;
    struct connection *connection = *socket_context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_started(web, mhd, socket_context);
    } else if (connection) {
        if (connection->next) {
            connection->next->previous = connection->previous;
        }
        *(connection->previous ? &connection->previous->next : &web->connections) =
            connection->next;
        atomic_fetch_sub(&web->connection_count, 1);
        web->room = true;
        free(connection);
        *socket_context = NULL;
    }
}

static void sweep(struct fh_web *web, struct fh_time now)
{
    for (struct connection *connection = web->connections; connection;
         connection = connection->next) {
        if (fh_time_is_set(connection->deadline) && fh_time_before(connection->deadline, now)) {
            connection->deadline = (struct fh_time){0};
            web_cut_off(web, connection);
        }
    }
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static int wait_ms(const struct fh_web *web, struct fh_time swept)
{
    int ms = -1;
    for (size_t i = 0; i < FH_ARRAY_LEN(web->daemon); i++) {
        MHD_UNSIGNED_LONG_LONG timeout = 0;
        if (web->daemon[i] && MHD_get_timeout(web->daemon[i], &timeout) == MHD_YES) {
            ms = timeout < SWEEP_MS && (ms < 0 || (int)timeout < ms) ? (int)timeout : ms;
        }
    }
    if (web->connections) {
        int64_t due = SWEEP_MS - fh_time_diff_ms(fh_now(), swept);
        int until = due < 0 ? 0 : (int)due;
        ms = ms < 0 || until < ms ? until : ms;
    }
    return ms;
}

/* An instance that has all the connections it may have takes its listening socket out of its epoll
 * set, and puts it back when it begins to run: once more after each end, or those who wait outside
 * would wait for the next one inside to say something. */
static void run_daemon(struct fh_web *web, struct MHD_Daemon *daemon)
{
    do {
        web->room = false;
        MHD_run(daemon);
    } while (web->room);
}

static void *run(void *userdata)
{
    struct fh_web *web = userdata;
    struct pollfd fds[3] = {{.fd = web->wake_fd, .events = POLLIN}};
    struct fh_time swept = fh_now();
    for (size_t i = 0; i < FH_ARRAY_LEN(web->daemon); i++) {
        const union MHD_DaemonInfo *info =
            web->daemon[i] ? MHD_get_daemon_info(web->daemon[i], MHD_DAEMON_INFO_EPOLL_FD) : NULL;
        fds[1 + i] = (struct pollfd){.fd = info ? info->epoll_fd : -1, .events = POLLIN};
    }
    while (!atomic_load(&web->stop)) {
        uint64_t wakes;
        poll(fds, FH_ARRAY_LEN(fds), wait_ms(web, swept));
        (void)!read(web->wake_fd, &wakes, sizeof(wakes));
        web_streams_resume(web, false);
        for (size_t i = 0; i < FH_ARRAY_LEN(web->daemon); i++) {
            if (web->daemon[i]) {
                run_daemon(web, web->daemon[i]);
            }
        }
        struct fh_time now = fh_now();
        if (fh_time_diff_ms(now, swept) >= SWEEP_MS) {
            sweep(web, now);
            swept = now;
        }
    }
    web_streams_resume(web, true); /* libmicrohttpd ends none that is suspended */
    for (size_t i = 0; i < FH_ARRAY_LEN(web->daemon); i++) {
        if (web->daemon[i]) {
            MHD_stop_daemon(web->daemon[i]); /* closes the listening socket, too */
        }
    }
    return NULL;
}

/* ---- beginning and end ------------------------------------------------------------------------
 */

static struct MHD_Daemon *start_daemon(struct fh_web *web, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, web_on_request, web,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)FH_WEB_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, web,
        MHD_OPTION_NOTIFY_COMPLETED, web_on_completed, web, MHD_OPTION_END);
}

static int start_thread(struct fh_web *web, const struct fh_web_options *options,
                        struct fh_error *err)
{
    const int fds[] = {web->listen.tcp, web->listen.local};
    for (size_t i = 0; i < FH_ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0 && !(web->daemon[i] = start_daemon(web, fds[i]))) {
            return fh_error_set(err, -ENOMEM, "cannot start the server of \"%s\"", options->what);
        }
    }
    int r = -pthread_create(&web->thread, NULL, run, web);
    if (r < 0) {
        return fh_error_set(err, r, "cannot start a thread for \"%s\"", options->what);
    }
    web->thread_started = true;
    pthread_setname_np(web->thread, options->what);
    return 0;
}

int fh_web_new(const struct fh_web_options *options, struct fh_error *err, struct fh_web **ret)
{
    struct fh_web *web = calloc(1, sizeof(*web));
    if (!web) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    web->routes = options->routes;
    web->userdata = options->userdata;
    web->headers_ms = options->headers_ms > 0 ? options->headers_ms : FH_WEB_HEADERS_MS;
    web->answer_ms = options->answer_ms > 0 ? options->answer_ms : FH_WEB_ANSWER_MS;
    web->idle_ms = options->idle_ms > 0 ? options->idle_ms : FH_WEB_IDLE_MS;
    web->listen.tcp = web->listen.local = -1;
    web_hosts_init(&web->hosts, options->hosts);
    web->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = web->wake_fd < 0 ? fh_error_set(err, -errno, "cannot make an event descriptor") : 0;
    if (r == 0 && options->listen[0] != '\0') {
        r = web_listen_tcp(&web->listen, options->listen, options->what, err);
    }
    if (r == 0 && options->socket[0] != '\0') {
        r = web_listen_local(&web->listen, options->socket, options->what, err);
    }
    r = r < 0 ? r : start_thread(web, options, err);
    if (r < 0) {
        fh_web_free(web);
        return r;
    }
    *ret = web;
    return 0;
}

void fh_web_free(struct fh_web *web)
{
    if (!web) {
        return;
    }
    if (web->thread_started) {
        atomic_store(&web->stop, true);
        web_wake(web);
        pthread_join(web->thread, NULL);
    } else { /* it never came to the thread, which would have ended these */
        const int fds[] = {web->listen.tcp, web->listen.local};
        for (size_t i = 0; i < FH_ARRAY_LEN(fds); i++) {
            if (web->daemon[i]) {
                MHD_stop_daemon(web->daemon[i]);
            } else if (fds[i] >= 0) {
                close(fds[i]);
            }
        }
    }
    web_listen_done(&web->listen);
    if (web->wake_fd >= 0) {
        close(web->wake_fd);
    }
    free(web);
}

int fh_web_port(const struct fh_web *web)
{
    return web->listen.port;
}

void fh_web_counters(const struct fh_web *web, struct fh_web_counters *ret)
{
    *ret = (struct fh_web_counters){
        .requests = atomic_load(&web->requests),
        .refused = atomic_load(&web->refused),
        .errors = atomic_load(&web->errors),
        .cut = atomic_load(&web->cut),
        .connections = (uint32_t)atomic_load(&web->connection_count),
        .streams = (uint32_t)atomic_load(&web->stream_count),
    };
}
