/* listen.c: the listening sockets of a web server, made before its thread, so that a port that is
 * taken is a sentence to the caller. */
#include "internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_MODE 0660

/* An address, never a name to be looked up: it must not depend on who answers for a name. */
static int resolve(const char *text, const char *what, struct fh_error *err, struct addrinfo **ret)
{
    char host[WEB_HOST_MAX];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (len == 0 || len >= sizeof(host)) {
        return fh_error_set(err, -EINVAL, "%s.listen must be ADDRESS:PORT, not \"%s\"", what, text);
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (bracketed) {
        host[len - 1] = '\0';
    } else if (strcmp(host, "localhost") == 0) {
        snprintf(host, sizeof(host), "127.0.0.1");
    }
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host + (bracketed ? 1 : 0), colon + 1, &hints, ret) != 0) {
        return fh_error_set(err, -EINVAL, "%s.listen must be ADDRESS:PORT, not \"%s\"", what, text);
    }
    return 0;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char port[NI_MAXSERV] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    }
    return (int)strtol(port, NULL, 10);
}

int web_listen_tcp(struct web_listen *listening, const char *address, const char *what,
                   struct fh_error *err)
{
    struct addrinfo *info = NULL;
    char text[128];
    int r = resolve(address, what, err, &info);
    if (r < 0 || !info) {
        return r;
    }
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    info->ai_protocol);
    /* Connections of a process that just ended must not keep the next one from listening. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, FH_WEB_CONNECTIONS_MAX) != 0) {
        r = -errno;
        fh_error_set(err, r, "cannot listen on %s.listen %s: %s", what, address,
                     fh_strerror(r, text, sizeof(text)));
        if (fd >= 0) {
            close(fd);
        }
    } else {
        listening->tcp = fd;
        listening->port = bound_port(fd);
    }
    freeaddrinfo(info);
    return r;
}

/* Something is at our path. Remove it when it is a socket nobody listens on. */
static int remove_stale(const struct sockaddr_un *address, const char *what, struct fh_error *err)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT
                   ? 0
                   : fh_error_set(err, -errno, "cannot look at %s.socket %s", what, path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return fh_error_set(err, -EEXIST,
                            "%s is in the way of %s.socket and is not a socket; move it or change "
                            "the option",
                            path, what);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fh_error_set(err, -errno, "cannot make a socket");
    }
    int r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
    close(fd);
    if (r == -ECONNREFUSED || r == -ENOENT) {
        return unlink(path) == 0 || errno == ENOENT
                   ? 0
                   : fh_error_set(err, -errno, "cannot remove the stale %s.socket %s", what, path);
    }
    /* Connected, or too busy to answer (-EAGAIN): alive in both cases. */
    return fh_error_set(err, -EADDRINUSE,
                        "another process answers on %s; stop it or change %s.socket", path, what);
}

int web_listen_local(struct web_listen *listening, const char *path, const char *what,
                     struct fh_error *err)
{
    struct sockaddr_un *address = &listening->address;
    char text[128];
    size_t len = strlen(path);
    if (len >= sizeof(address->sun_path)) {
        return fh_error_set(err, -ENAMETOOLONG, "%s.socket may have %zu characters at most: %s",
                            what, sizeof(address->sun_path) - 1, path);
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, len + 1);
    int r = remove_stale(address, what, err);
    if (r < 0) {
        return r;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode before bind: Linux gives the file the socket's own, less the umask. So there is no
     * moment at which others may connect; chmod adds what the umask took. */
    bool bound = fd >= 0 && fchmod(fd, SOCKET_MODE) == 0 &&
                 bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
    if (!bound || lstat(path, &listening->identity) != 0 || chmod(path, SOCKET_MODE) != 0 ||
        listen(fd, FH_WEB_CONNECTIONS_MAX) != 0) {
        r = -errno;
        if (bound) {
            unlink(path);
        }
        if (fd >= 0) {
            close(fd);
        }
        return fh_error_set(err, r, "cannot listen on %s.socket %s: %s%s", what, path,
                            fh_strerror(r, text, sizeof(text)),
                            r == -ENOENT ? "; make its directory first" : "");
    }
    listening->local = fd;
    return 0;
}

void web_listen_done(struct web_listen *listening)
{
    struct stat st;
    if (listening->local >= 0 && lstat(listening->address.sun_path, &st) == 0 &&
        st.st_dev == listening->identity.st_dev && st.st_ino == listening->identity.st_ino) {
        unlink(listening->address.sun_path);
    }
}
