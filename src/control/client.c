/* client.c: firehosectl's side of the control socket; blocking, with a limit on every wait.
 *
 * The descriptor is the whole state: a line is looked for with MSG_PEEK and then taken exactly, so
 * that nothing of the next line is read too early. */
#include "fh/buf.h"
#include "fh/clock.h"
#include "fh/control.h"
#include "proto.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int fh_control_connect(const char *path, struct fh_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(address.sun_path)) {
        return fh_error_set(err, -ENAMETOOLONG,
                            "the path of the control socket must have 1 to %zu characters: %s",
                            sizeof(address.sun_path) - 1, path);
    }
    memcpy(address.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fh_error_set(err, -errno, "cannot make a socket");
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        return fd;
    }
    int code = -errno;
    close(fd);
    switch (-code) {
    case ENOENT:
    case ECONNREFUSED:
        return fh_error_set(err, code,
                            "no firehosed answers on %s; is it running (systemctl status "
                            "firehosed), and is this its node.control_socket?",
                            path);
    case EACCES:
        return fh_error_set(
            err, code, "not allowed to open %s; run as root or as a member of its group", path);
    default: {
        char text[128];
        return fh_error_set(err, code, "cannot connect to %s: %s", path,
                            fh_strerror(code, text, sizeof(text)));
    }
    }
}

static int send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Wait until something can be read. until: unset = for ever. */
static int wait_readable(int fd, struct fh_time until)
{
    for (;;) {
        int timeout = -1;
        if (fh_time_is_set(until)) {
            int64_t left = fh_time_diff_ms(until, fh_now());
            timeout = left > 0 ? (int)left : 0;
        }
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int n = poll(&poll_fd, 1, timeout);
        if (n > 0) {
            return 0;
        }
        if (n == 0) {
            return -ETIMEDOUT;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

/* 1: a line, without its newline; 0: the far side closed; negative errno. */
static int take_line(int fd, struct fh_time until, struct fh_buf *line)
{
    for (;;) {
        int r = wait_readable(fd, until);
        if (r < 0) {
            return r;
        }
        r = fh_buf_reserve(line, (size_t)64 * 1024);
        if (r < 0) {
            return r;
        }
        char *into = line->data + line->len;
        ssize_t n = recv(fd, into, line->capacity - line->len, MSG_PEEK);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? 0 : -errno;
        }
        const char *newline = memchr(into, '\n', (size_t)n);
        size_t take = newline ? (size_t)(newline - into) + 1 : (size_t)n;
        /* What was peeked is there: nobody else reads this descriptor. */
        n = recv(fd, into, take, MSG_WAITALL);
        if (n != (ssize_t)take) {
            return -EIO;
        }
        line->len += take;
        if (newline) {
            line->len--;
            return 1;
        }
    }
}

static void buf_done(struct fh_buf *buf)
{
    fh_buf_done(buf);
}

int fh_control_call(int fd, const char *command, const cJSON *arguments, int timeout_ms,
                    cJSON **ret_result, struct fh_error *err)
{
    char text[128];
    char *request = fh_control_print_request(command, arguments);
    if (!request) {
        return fh_error_set(err, -ENOMEM, "no memory for the request");
    }
    int sent = send_all(fd, request, strlen(request));
    cJSON_free(request);
    if (sent == 0) {
        sent = send_all(fd, "\n", 1);
    }
    /* A daemon that has no place for one more says so and hangs up, perhaps before it is asked:
     * what it said is there to be read. */
    struct fh_buf line FH_CLEANUP(buf_done) = {0};
    fh_buf_init(&line, FH_CONTROL_LINE_MAX);
    struct fh_time until = {0};
    if (timeout_ms >= 0) {
        until = fh_time_add_ms(fh_now(), timeout_ms);
    }
    int r = take_line(fd, until, &line);
    if (r <= 0 && sent < 0) {
        return fh_error_set(err, sent, "cannot send the request: %s",
                            fh_strerror(sent, text, sizeof(text)));
    }
    if (r == -ETIMEDOUT) {
        return fh_error_set(err, r,
                            "the daemon did not answer within %d ms; its main loop may be "
                            "stuck: see its journal",
                            timeout_ms);
    }
    if (r <= 0) {
        r = r == 0 ? -ECONNRESET : r;
        return fh_error_set(err, r, "the daemon closed the connection without an answer: %s",
                            fh_strerror(r, text, sizeof(text)));
    }
    return fh_control_parse_answer(line.data, line.len, ret_result, err);
}

int fh_control_read_line(int fd, char **ret_line, struct fh_error *err)
{
    struct fh_buf line FH_CLEANUP(buf_done) = {0};
    fh_buf_init(&line, FH_CONTROL_LINE_MAX);
    int r = take_line(fd, (struct fh_time){0}, &line);
    if (r < 0) {
        char text[128];
        return fh_error_set(err, r, "cannot read from the daemon: %s",
                            fh_strerror(r, text, sizeof(text)));
    }
    if (r == 0) {
        return 0;
    }
    if (!fh_buf_string(&line)) {
        return fh_error_set(err, -ENOMEM, "no memory for a line");
    }
    *ret_line = line.data;
    line.data = NULL; /* the caller's now */
    return 1;
}
