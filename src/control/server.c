/* server.c: the daemon's side of the control socket, on its sd-event loop.
 *
 * Owns the listening socket and its clients. Nothing here blocks: input is read as it comes, output
 * waits in a bounded buffer, and a client with output waiting is not read from, so that nobody can
 * make the daemon collect answers. A client is freed only by its own I/O callback or with the
 * server, never inside a call a command makes. */
#include "fh/buf.h"
#include "fh/clock.h"
#include "fh/control.h"
#include "proto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0660
/* After the heartbeats of the pair, which use the normal one. */
#define CONTROL_PRIORITY   (SD_EVENT_PRIORITY_NORMAL + 10)
#define ACCEPTS_PER_SECOND 200
/* Who has neither asked nor taken anything for so long makes room for one that comes. */
#define IDLE_MS 60000

struct fh_control_client {
    struct fh_control_server *server;
    struct fh_control_client *next;
    sd_event_source *source;
    int fd;
    struct fh_time active_at; /* when something last went in or out */
    struct fh_buf in;
    struct fh_buf out;
    size_t sent; /* bytes of out already gone */
    bool ending; /* close once out is empty; read nothing more */
    bool gone;   /* the far side hung up */
    bool streaming;
    bool answered; /* the request being run has its answer */
    void (*closed)(void *userdata, struct fh_control_client *client);
    void *closed_userdata;
};

struct fh_control_server {
    sd_event *event;
    sd_event_source *source;
    int fd;
    struct sockaddr_un address;
    struct stat identity; /* of the socket we made: never unlink somebody else's */
    const struct fh_control_command *commands;
    void *userdata;
    struct fh_control_client *clients;
    unsigned client_count;
    int idle_ms;
};

/* ---- output -----------------------------------------------------------------------------------
 */

/* A complete request waits in the buffer. */
static bool has_request(const struct fh_control_client *client)
{
    return client->in.len > 0 && memchr(client->in.data, '\n', client->in.len) != NULL;
}

static void update_interest(struct fh_control_client *client)
{
    uint32_t events = 0;
    /* A request that waits behind another one gets its own turn of the loop: "writable" comes. */
    if (client->out.len > 0 || (!client->streaming && has_request(client))) {
        events = EPOLLOUT;
    }
    /* A streaming client is read only to notice that it hangs up; any other waits for its answer
     * to be taken before its next request is read. */
    if (!client->ending && (client->streaming || client->out.len == 0)) {
        events |= EPOLLIN;
    }
    sd_event_source_set_io_events(client->source, events);
}

static void flush_out(struct fh_control_client *client)
{
    while (client->sent < client->out.len) {
        ssize_t n = send(client->fd, client->out.data + client->sent,
                         client->out.len - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                client->gone = true;
                shutdown(client->fd, SHUT_RDWR); /* wakes the I/O callback, which frees it */
            }
            break;
        }
        client->sent += (size_t)n;
        client->active_at = fh_now();
    }
    if (client->sent == client->out.len) {
        /* Give the memory of a large answer back. */
        if (client->out.capacity > FH_CONTROL_REQUEST_MAX) {
            fh_buf_done(&client->out);
        }
        fh_buf_clear(&client->out);
        client->sent = 0;
    } else if (client->sent > client->out.len / 2) {
        fh_buf_consume(&client->out, client->sent);
        client->sent = 0;
    }
}

/* All or nothing. Tries to send at once, so that the common case needs no turn of the loop. */
static int queue_line(struct fh_control_client *client, const char *line, size_t len)
{
    if (client->gone) {
        return -EPIPE;
    }
    if (len >= FH_CONTROL_UNSENT_MAX - (client->out.len - client->sent)) {
        return -ENOBUFS;
    }
    int r = fh_buf_reserve(&client->out, len + 1);
    if (r < 0) {
        return r == -ENOMEM ? r : -ENOBUFS;
    }
    fh_buf_append(&client->out, line, len);
    fh_buf_append(&client->out, "\n", 1);
    flush_out(client);
    update_interest(client);
    return client->gone ? -EPIPE : 0;
}

static void answer(struct fh_control_client *client, const cJSON *result, const char *error)
{
    char *line = fh_control_print_answer(result, error);
    client->answered = true;
    if (!line || queue_line(client, line, strlen(line)) < 0) {
        client->gone = true; /* out of memory, or an answer nobody could take */
    }
    cJSON_free(line);
}

int fh_control_client_send(struct fh_control_client *client, const char *line, size_t len)
{
    return queue_line(client, line, len);
}

void fh_control_client_stream(struct fh_control_client *client,
                              void (*closed)(void *userdata, struct fh_control_client *client),
                              void *userdata)
{
    client->streaming = true;
    client->closed = closed;
    client->closed_userdata = userdata;
    if (!client->answered) {
        answer(client, NULL, NULL); /* before the first line, even if the command sends one now */
    }
}

/* ---- clients ----------------------------------------------------------------------------------
 */

/* It is in no list any more. */
static void client_free(struct fh_control_client *client)
{
    client->server->client_count--;
    if (client->closed) {
        client->closed(client->closed_userdata, client);
    }
    sd_event_source_disable_unref(client->source);
    close(client->fd);
    fh_buf_done(&client->in);
    fh_buf_done(&client->out);
    free(client);
}

static void client_remove(struct fh_control_client *client)
{
    struct fh_control_client **at = &client->server->clients;
    while (*at != client) {
        at = &(*at)->next;
    }
    *at = client->next;
    client_free(client);
}

static void run_command(struct fh_control_client *client, const char *name, const cJSON *arguments)
{
    const struct fh_control_command *command = client->server->commands;
    while (command->name && strcmp(command->name, name) != 0) {
        command++;
    }
    struct fh_error err = {""};
    if (!command->name) {
        fh_error_set(&err, -EOPNOTSUPP, "unknown command \"%.64s\"", name);
        answer(client, NULL, err.text);
        return;
    }
    cJSON *result = NULL;
    int r = command->run(client->server->userdata, arguments, client, &result, &err);
    if (r < 0 && client->answered) {
        client->ending = true; /* began to stream and failed: nothing left to say it with */
    } else if (r < 0) {
        if (err.text[0] == '\0') {
            char text[128];
            fh_error_set(&err, r, "%s failed: %s", name, fh_strerror(r, text, sizeof(text)));
        }
        answer(client, NULL, err.text);
    } else if (!client->answered) {
        answer(client, result, NULL);
    }
    cJSON_Delete(result);
}

static void take_request(struct fh_control_client *client, const char *line, size_t len)
{
    cJSON *root = NULL;
    const char *command = NULL;
    const cJSON *arguments = NULL;
    struct fh_error err = {""};
    client->answered = false;
    int r = fh_control_parse_request(line, len, &root, &command, &arguments, &err);
    if (r < 0) {
        answer(client, NULL, err.text);
        return;
    }
    run_command(client, command, arguments);
    cJSON_Delete(root);
}

/* One request per turn of the loop, and only when the answer before it went out: whoever sends
 * hundreds at once must not keep the loop from its heartbeats. */
static void take_next_request(struct fh_control_client *client)
{
    if (client->out.len > 0 || client->gone || client->streaming || client->in.len == 0) {
        return;
    }
    const char *newline = memchr(client->in.data, '\n', client->in.len);
    if (newline) {
        size_t len = (size_t)(newline - client->in.data);
        take_request(client, client->in.data, len);
        fh_buf_consume(&client->in, len + 1);
    } else if (client->in.len >= FH_CONTROL_REQUEST_MAX && !client->ending) {
        answer(client, NULL, "the request is larger than 64 KiB");
        client->ending = true;
    }
}

static void read_in(struct fh_control_client *client)
{
    char waste[4096];
    size_t room = FH_CONTROL_REQUEST_MAX - client->in.len;
    bool keep = !client->streaming && room > 0 && fh_buf_reserve(&client->in, room) == 0;
    char *into = keep ? client->in.data + client->in.len : waste;
    ssize_t n = recv(client->fd, into, keep ? room : sizeof(waste), MSG_DONTWAIT);
    if (n > 0) {
        client->in.len += keep ? (size_t)n : 0;
        client->active_at = fh_now();
    } else if (n == 0) {
        /* Half-closed: the answers to what it asked still go out; a stream just ends. */
        client->ending = true;
        client->gone = client->gone || client->streaming;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        client->gone = true;
    }
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    (void)source;
    (void)fd;
    struct fh_control_client *client = userdata;
    if (revents & EPOLLOUT) {
        flush_out(client);
    }
    if ((revents & EPOLLIN) && !client->ending) {
        read_in(client);
    }
    if (revents & EPOLLERR || (revents & EPOLLHUP && !(revents & EPOLLIN))) {
        client->gone = true;
    }
    take_next_request(client);
    bool idle = client->out.len == 0 && (client->streaming || !has_request(client));
    if (client->gone || (client->ending && idle)) {
        client_remove(client);
        return 0;
    }
    update_interest(client);
    return 0;
}

static void refuse(int fd)
{
    char *line = fh_control_print_answer(NULL, "32 clients are connected already; close one");
    if (line) {
        (void)!send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)!send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        cJSON_free(line);
    }
    close(fd);
}

/* Connections that somebody has left open, or whose process stands still, must not keep the
 * operator out. A stream is left alone: whoever reads it may look at a page of it for long. */
static void make_room(struct fh_control_server *server)
{
    struct fh_control_client *oldest = NULL;
    for (struct fh_control_client *client = server->clients; client; client = client->next) {
        if (!client->streaming &&
            (!oldest || fh_time_before(client->active_at, oldest->active_at))) {
            oldest = client;
        }
    }
    if (oldest && fh_time_diff_ms(fh_now(), oldest->active_at) >= server->idle_ms) {
        client_remove(oldest);
    }
}

static int on_listen(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata)
{
    (void)source;
    (void)revents;
    struct fh_control_server *server = userdata;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return 0; /* gone again, or out of descriptors: the rate limit keeps this from spinning */
    }
    if (server->client_count >= FH_CONTROL_CLIENTS_MAX) {
        make_room(server);
    }
    if (server->client_count >= FH_CONTROL_CLIENTS_MAX) {
        refuse(fd);
        return 0;
    }
    struct fh_control_client *client = calloc(1, sizeof(*client));
    if (!client) {
        close(fd);
        return 0;
    }
    client->server = server;
    client->fd = fd;
    client->active_at = fh_now();
    fh_buf_init(&client->in, FH_CONTROL_REQUEST_MAX);
    /* What is sent stays in front of what is not until it is worth moving: twice the room. */
    fh_buf_init(&client->out, 2 * FH_CONTROL_UNSENT_MAX);
    if (sd_event_add_io(server->event, &client->source, fd, EPOLLIN, on_client, client) < 0) {
        close(fd);
        free(client);
        return 0;
    }
    sd_event_source_set_priority(client->source, CONTROL_PRIORITY);
    client->next = server->clients;
    server->clients = client;
    server->client_count++;
    return 0;
}

/* ---- the socket -------------------------------------------------------------------------------
 */

/* Something is at our path. Remove it when it is a socket nobody listens on. */
static int remove_stale(const struct sockaddr_un *address, struct fh_error *err)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0) {
        return errno == ENOENT ? 0
                               : fh_error_set(err, -errno, "cannot look at the control socket %s",
                                              address->sun_path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return fh_error_set(err, -EEXIST,
                            "%s is in the way of the control socket and is not a socket; move it "
                            "or change node.control_socket",
                            address->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fh_error_set(err, -errno, "cannot make a socket");
    }
    int r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
    close(fd);
    if (r == -ECONNREFUSED || r == -ENOENT) {
        return unlink(address->sun_path) == 0 || errno == ENOENT
                   ? 0
                   : fh_error_set(err, -errno, "cannot remove the stale control socket %s",
                                  address->sun_path);
    }
    /* Connected, or too busy to answer (-EAGAIN): alive in both cases. */
    return fh_error_set(err, -EADDRINUSE,
                        "another daemon answers on %s; stop it or change node.control_socket",
                        address->sun_path);
}

static int bind_and_listen(struct fh_control_server *server, struct fh_error *err)
{
    const char *path = server->address.sun_path;
    char text[128];
    /* Before bind: Linux gives the file the socket's own mode, less the umask. So there is no
     * moment at which others may connect; chmod adds what the umask took. */
    if (fchmod(server->fd, SOCKET_MODE) != 0 ||
        bind(server->fd, (const struct sockaddr *)&server->address, sizeof(server->address)) != 0) {
        int code = -errno;
        return fh_error_set(err, code, "cannot make the control socket %s: %s%s", path,
                            fh_strerror(code, text, sizeof(text)),
                            code == -ENOENT   ? "; make its directory first"
                            : code == -EACCES ? "; let the user of the daemon write there"
                                              : "");
    }
    if (lstat(path, &server->identity) != 0 || chmod(path, SOCKET_MODE) != 0 ||
        listen(server->fd, FH_CONTROL_CLIENTS_MAX) != 0) {
        int code = -errno;
        unlink(path);
        return fh_error_set(err, code, "cannot listen on the control socket %s: %s", path,
                            fh_strerror(code, text, sizeof(text)));
    }
    return 0;
}

static int open_socket(struct fh_control_server *server, const char *path, struct fh_error *err)
{
    server->address.sun_family = AF_UNIX;
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(server->address.sun_path)) {
        return fh_error_set(err, -ENAMETOOLONG,
                            "the path of the control socket must have 1 to %zu characters: %s",
                            sizeof(server->address.sun_path) - 1, path);
    }
    memcpy(server->address.sun_path, path, len + 1);
    int r = remove_stale(&server->address, err);
    if (r < 0) {
        return r;
    }
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->fd < 0) {
        return fh_error_set(err, -errno, "cannot make a socket");
    }
    r = bind_and_listen(server, err);
    if (r < 0) {
        close(server->fd);
        server->fd = -1;
        return r;
    }
    r = sd_event_add_io(server->event, &server->source, server->fd, EPOLLIN, on_listen, server);
    if (r >= 0) {
        r = sd_event_source_set_priority(server->source, CONTROL_PRIORITY);
    }
    if (r >= 0) {
        r = sd_event_source_set_ratelimit(server->source, 1000000, ACCEPTS_PER_SECOND);
    }
    return r < 0 ? fh_error_set(err, r, "cannot watch the control socket") : 0;
}

int fh_control_server_new(sd_event *event, const char *path,
                          const struct fh_control_command *commands, void *userdata,
                          struct fh_error *err, struct fh_control_server **ret)
{
    struct fh_control_server *server = calloc(1, sizeof(*server));
    if (!server) {
        return fh_error_set(err, -ENOMEM, "no memory for the control socket");
    }
    server->event = sd_event_ref(event);
    server->fd = -1;
    server->idle_ms = IDLE_MS;
    server->commands = commands;
    server->userdata = userdata;
    int r = open_socket(server, path, err);
    if (r < 0) {
        fh_control_server_free(server);
        return r;
    }
    *ret = server;
    return 0;
}

void fh_control_server_idle(struct fh_control_server *server, int idle_ms)
{
    server->idle_ms = idle_ms;
}

void fh_control_server_free(struct fh_control_server *server)
{
    if (!server) {
        return;
    }
    while (server->clients) {
        struct fh_control_client *client = server->clients;
        server->clients = client->next;
        flush_out(client); /* a last answer, if the far side takes it at once */
        client_free(client);
    }
    sd_event_source_disable_unref(server->source);
    if (server->fd >= 0) {
        struct stat st;
        if (lstat(server->address.sun_path, &st) == 0 && st.st_dev == server->identity.st_dev &&
            st.st_ino == server->identity.st_ino) {
            unlink(server->address.sun_path);
        }
        close(server->fd);
    }
    sd_event_unref(server->event);
    free(server);
}
