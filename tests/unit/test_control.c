/* test_control.c: the control socket: requests and answers, every limit, every kind of bad client.
 * The server runs on the test's own loop, turned until the awaited bytes are there. */
#include "fh/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define BIG_BYTES ((size_t)6 * 1024 * 1024)

struct fixture {
    char place[64];
    char path[96];
    sd_event *event;
    struct fh_control_server *server;
    struct fh_error err;
    struct fh_control_client *streaming;
    unsigned closed;
    unsigned runs;
};

/* ---- the commands of the server under test ----------------------------------------------------
 */

static int run_echo(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    struct fixture *f = userdata;
    (void)client;
    (void)err;
    f->runs++;
    *ret_result = arguments ? cJSON_Duplicate(arguments, 1) : NULL;
    return 0;
}

static int run_fail(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    (void)userdata;
    (void)client;
    (void)ret_result;
    return arguments ? -EIO : fh_error_set(err, -EPERM, "this must not be, said \"the test\"");
}

static int run_big(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                   cJSON **ret_result, struct fh_error *err)
{
    (void)userdata;
    (void)arguments;
    (void)client;
    (void)err;
    char *text = malloc(BIG_BYTES + 1);
    memset(text, 'b', BIG_BYTES);
    text[BIG_BYTES] = '\0';
    *ret_result = cJSON_CreateString(text);
    free(text);
    return 0;
}

static void on_closed(void *userdata, struct fh_control_client *client)
{
    struct fixture *f = userdata;
    assert_ptr_equal(client, f->streaming);
    f->streaming = NULL;
    f->closed++;
}

static int run_tail(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    struct fixture *f = userdata;
    (void)arguments;
    (void)ret_result;
    (void)err;
    f->streaming = client;
    fh_control_client_stream(client, on_closed, f);
    assert_int_equal(fh_control_client_send(client, "first", 5), 0);
    return 1;
}

static const struct fh_control_command commands[] = {
    {"echo", run_echo}, {"fail", run_fail}, {"big", run_big}, {"tail", run_tail}, {NULL, NULL}};

/* ---- helpers ----------------------------------------------------------------------------------
 */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->place, sizeof(f->place), "/tmp/fh_control.XXXXXX");
    if (!mkdtemp(f->place) || sd_event_new(&f->event) < 0) {
        return -1;
    }
    snprintf(f->path, sizeof(f->path), "%s/control.sock", f->place);
    *state = f;
    return fh_control_server_new(f->event, f->path, commands, f, &f->err, &f->server);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fh_control_server_free(f->server);
    sd_event_unref(f->event);
    int r = access(f->path, F_OK) == 0 ? -1 : rmdir(f->place); /* nothing is left behind */
    free(f);
    return r;
}

static void turn(struct fixture *f)
{
    assert_true(sd_event_run(f->event, 1000) >= 0);
}

/* Everything that can happen without anybody waiting. */
static void settle(struct fixture *f)
{
    int r;
    while ((r = sd_event_run(f->event, 0)) > 0) {
    }
    assert_true(r == 0);
}

static int raw_connect(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Next line, turning the loop meanwhile; "" at the end of the connection. */
static void get_line(struct fixture *f, int fd, char *line, size_t size)
{
    size_t len = 0;
    for (int idle = 0; len < size - 1 && idle < 100;) {
        ssize_t n = recv(fd, line + len, 1, 0);
        if (n == 1) {
            if (line[len] == '\n') {
                break;
            }
            len++;
        } else if (n == 0 || errno != EAGAIN) {
            len = 0;
            break;
        } else {
            turn(f);
            idle++;
        }
    }
    line[len] = '\0';
}

static void assert_line(struct fixture *f, int fd, const char *expected)
{
    char line[1024];
    get_line(f, fd, line, sizeof(line));
    assert_string_equal(line, expected);
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static void answers_requests(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"echo\",\"arguments\":{\"a\":[1,\"\\u00e9\"]}}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":true,\"result\":{\"a\":[1,\"\xc3\xa9\"]}}");
    put(fd, "{\"v\":1,\"command\":\"echo\"}\r\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    put(fd, "{\"v\":1,\"command\":\"fail\"}\n");
    assert_line(f, fd,
                "{\"v\":1,\"ok\":false,\"error\":\"this must not be, said \\\"the test\\\"\"}");
    put(fd, "{\"v\":1,\"command\":\"fail\",\"arguments\":{}}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":false,\"error\":\"fail failed: Input/output error\"}");
    put(fd, "{\"v\":1,\"command\":\"dance\"}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":false,\"error\":\"unknown command \\\"dance\\\"\"}");
    close(fd);
}

static void requests_in_pieces_and_in_one_piece(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    static const char text[] = "{\"v\":1,\"command\":\"echo\"}\n";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        assert_int_equal(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
        settle(f);
    }
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    for (int i = 0; i < 50; i++) {
        put(fd, text);
    }
    /* One per turn: the loop has other things to do between them. */
    f->runs = 0;
    turn(f);
    assert_int_equal(f->runs, 1);
    shutdown(fd, SHUT_WR); /* as "echo ... | nc -U" does: all are answered all the same */
    for (int i = 0; i < 50; i++) {
        assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    }
    assert_line(f, fd, "");
    assert_int_equal(f->runs, 50);
    close(fd);
}

static void garbage_is_answered_and_survived(void **state)
{
    struct fixture *f = *state;
    static const char *const garbage[] = {
        "\n",
        "hello\n",
        "GET / HTTP/1.1\n",
        "[1]\n",
        "{\"v\":1}\n",
        "{\"command\":\"echo\"}\n",
        "{\"v\":1,\"command\":7}\n",
        "{\"v\":1,\"command\":\"echo\",\"arguments\":7}\n",
        "{\"v\":1,\"command\":\"echo\"}{}\n",
        "\xff\xfe\x01\n",
    };
    int fd = raw_connect(f);
    for (size_t i = 0; i < FH_ARRAY_LEN(garbage); i++) {
        char line[512];
        put(fd, garbage[i]);
        get_line(f, fd, line, sizeof(line));
        assert_non_null(strstr(line, "\"ok\":false,\"error\":\""));
    }
    assert_int_equal(f->runs, 0);
    put(fd, "{\"v\":7,\"command\":\"echo\"}\n");
    char line[512];
    get_line(f, fd, line, sizeof(line));
    assert_non_null(strstr(line, "version 7 is not spoken here"));
    put(fd, "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    close(fd);
}

/* ---- limits -----------------------------------------------------------------------------------
 */

static void client_33_is_refused(void **state)
{
    struct fixture *f = *state;
    int fds[33];
    for (int i = 0; i < 33; i++) {
        fds[i] = raw_connect(f);
        settle(f);
    }
    assert_line(f, fds[32],
                "{\"v\":1,\"ok\":false,\"error\":\"32 clients are connected already; close one\"}");
    assert_line(f, fds[32], "");
    put(fds[31], "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fds[31], "{\"v\":1,\"ok\":true}");
    /* A place becomes free. */
    close(fds[0]);
    settle(f);
    close(fds[32]);
    fds[32] = raw_connect(f);
    put(fds[32], "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fds[32], "{\"v\":1,\"ok\":true}");
    for (int i = 1; i < 33; i++) {
        close(fds[i]);
    }
}

/* Refused before it has asked: it hears why all the same. */
static void who_is_refused_hears_why(void **state)
{
    struct fixture *f = *state;
    int fds[33];
    struct fh_error err = {""};
    cJSON *result = NULL;
    for (int i = 0; i < 33; i++) {
        fds[i] = raw_connect(f);
        settle(f);
    }
    assert_int_equal(fh_control_call(fds[32], "echo", NULL, 60000, &result, &err), -EREMOTEIO);
    assert_string_equal(err.text, "32 clients are connected already; close one");
    for (int i = 0; i < 33; i++) {
        close(fds[i]);
    }
    settle(f);
}

/* Connections that are left open do not keep the operator out; a stream stays. */
static void an_idle_client_makes_room(void **state)
{
    struct fixture *f = *state;
    int fds[33];
    for (int i = 0; i < 32; i++) {
        fds[i] = raw_connect(f);
        settle(f);
    }
    put(fds[0], "{\"v\":1,\"command\":\"tail\"}\n");
    assert_line(f, fds[0], "{\"v\":1,\"ok\":true}");
    put(fds[1], "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fds[1], "{\"v\":1,\"ok\":true}");
    fh_control_server_idle(f->server, 0);
    fds[32] = raw_connect(f);
    put(fds[32], "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fds[32], "{\"v\":1,\"ok\":true}");
    fh_control_server_idle(f->server, 60000);
    assert_line(f, fds[2], ""); /* the one that was silent for longest */
    put(fds[1], "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fds[1], "{\"v\":1,\"ok\":true}");
    put(fds[3], "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fds[3], "{\"v\":1,\"ok\":true}");
    for (int i = 0; i < 33; i++) {
        close(fds[i]);
    }
    settle(f);
}

static void oversized_request_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    static char chunk[8192];
    memset(chunk, ' ', sizeof(chunk));
    for (int i = 0; i < 100; i++) {
        if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0) {
            break; /* not taken any more */
        }
        settle(f);
    }
    assert_line(f, fd, "{\"v\":1,\"ok\":false,\"error\":\"the request is larger than 64 KiB\"}");
    char line[64];
    get_line(f, fd, line, sizeof(line));
    assert_string_equal(line, "");
    close(fd);
    settle(f);
}

static void largest_request_is_taken(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    static char request[64 * 1024 + 1];
    memset(request, ' ', sizeof(request) - 1);
    static const char text[] = "{\"v\":1,\"command\":\"echo\"}";
    memcpy(request, text, sizeof(text) - 1);
    request[sizeof(request) - 2] = '\n';
    for (size_t at = 0; at < sizeof(request) - 1;) {
        ssize_t n = send(fd, request + at, sizeof(request) - 1 - at, MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        settle(f);
    }
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    close(fd);
}

/* An answer larger than any socket buffer reaches a client that takes it in its own time. */
static void big_answer_waits_for_its_reader(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"big\"}\n{\"v\":1,\"command\":\"echo\"}\n");
    settle(f);
    assert_int_equal(f->runs, 0); /* its second request waits */
    int other = raw_connect(f);
    put(other, "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, other, "{\"v\":1,\"ok\":true}"); /* nobody else does */
    assert_int_equal(f->runs, 1);
    char *line = malloc(BIG_BYTES + 1024);
    size_t len = 0;
    while (len == 0 || line[len - 1] != '\n') {
        ssize_t n = recv(fd, line + len, 60000, 0);
        if (n > 0) {
            len += (size_t)n;
        } else {
            assert_true(n < 0 && errno == EAGAIN);
            turn(f);
        }
        if (len > BIG_BYTES && memchr(line + BIG_BYTES, '\n', len - BIG_BYTES)) {
            break;
        }
    }
    assert_true(len > BIG_BYTES);
    free(line);
    close(other);
    close(fd);
}

/* ---- streaming --------------------------------------------------------------------------------
 */

static void streams_until_the_client_hangs_up(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"tail\"}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    assert_line(f, fd, "first");
    assert_non_null(f->streaming);
    assert_int_equal(fh_control_client_send(f->streaming, "{\"n\":2}", 7), 0);
    assert_line(f, fd, "{\"n\":2}");
    put(fd, "{\"v\":1,\"command\":\"echo\"}\n"); /* nobody listens to that any more */
    settle(f);
    assert_int_equal(f->runs, 0);
    assert_int_equal(f->closed, 0);
    close(fd);
    settle(f);
    assert_int_equal(f->closed, 1);
    assert_null(f->streaming);
}

static void slow_reader_loses_lines_and_costs_no_more(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"tail\"}\n");
    settle(f);
    static char line[100000];
    memset(line, 'x', sizeof(line));
    size_t taken = 0;
    int r = 0;
    while (taken < 10000 && (r = fh_control_client_send(f->streaming, line, sizeof(line))) == 0) {
        taken++;
    }
    assert_int_equal(r, -ENOBUFS);
    assert_true(taken * sizeof(line) >= (size_t)7 * 1024 * 1024);
    assert_true(taken * sizeof(line) <= (size_t)9 * 1024 * 1024);
    /* It reads again: what was taken arrives whole, and there is room again. */
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    assert_line(f, fd, "first");
    static char chunk[65536];
    size_t lines = 0;
    while (lines < taken) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            turn(f);
            continue;
        }
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) {
            lines += chunk[i] == '\n';
        }
    }
    assert_int_equal(fh_control_client_send(f->streaming, "again", 5), 0);
    assert_line(f, fd, "again");
    close(fd);
}

static void vanished_reader_is_noticed_when_sending(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"tail\"}\n");
    settle(f);
    close(fd);
    assert_int_equal(fh_control_client_send(f->streaming, "x", 1), -EPIPE);
    assert_int_equal(f->closed, 0); /* never from inside a call */
    settle(f);
    assert_int_equal(f->closed, 1);
}

static void free_tells_streaming_clients(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"tail\"}\n");
    settle(f);
    fh_control_server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->closed, 1);
    close(fd);
}

/* ---- the socket -------------------------------------------------------------------------------
 */

static void socket_is_for_owner_and_group(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(lstat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0660);
}

static void live_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct fh_control_server *second = NULL;
    assert_int_equal(fh_control_server_new(f->event, f->path, commands, f, &f->err, &second),
                     -EADDRINUSE);
    assert_null(second);
    assert_non_null(strstr(f->err.text, "another daemon"));
    int fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    close(fd);
}

static void stale_socket_is_replaced(void **state)
{
    struct fixture *f = *state;
    fh_control_server_free(f->server);
    f->server = NULL;
    /* A daemon that was killed leaves its socket behind. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_equal(fh_control_server_new(f->event, f->path, commands, f, &f->err, &f->server), 0);
    fd = raw_connect(f);
    put(fd, "{\"v\":1,\"command\":\"echo\"}\n");
    assert_line(f, fd, "{\"v\":1,\"ok\":true}");
    close(fd);
}

static void other_files_are_never_removed(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/notes", f->place);
    fclose(fopen(path, "w"));
    struct fh_control_server *second = NULL;
    assert_int_equal(fh_control_server_new(f->event, path, commands, f, &f->err, &second), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    /* Somebody replaced our socket meanwhile: theirs stays. */
    unlink(f->path);
    fclose(fopen(f->path, "w"));
    fh_control_server_free(f->server);
    f->server = NULL;
    assert_int_equal(access(f->path, F_OK), 0);
    unlink(f->path);
    snprintf(path, sizeof(path), "%s/no/such/place", f->place);
    assert_int_equal(fh_control_server_new(f->event, path, commands, f, &f->err, &second), -ENOENT);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(fh_control_server_new(f->event, path, commands, f, &f->err, &second),
                     -ENAMETOOLONG);
}

/* ---- the client side, blocking, against a server on a thread ----------------------------------
 */

static int run_stop(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    struct fixture *f = userdata;
    (void)arguments;
    (void)client;
    (void)ret_result;
    (void)err;
    return sd_event_exit(f->event, 0);
}

static int run_lines(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                     cJSON **ret_result, struct fh_error *err)
{
    (void)arguments;
    (void)ret_result;
    (void)err;
    struct fixture *f = userdata;
    f->streaming = client;
    fh_control_client_stream(client, on_closed, f);
    static char line[300000];
    memset(line, 'l', sizeof(line));
    fh_control_client_send(client, "one", 3);
    fh_control_client_send(client, "", 0);
    fh_control_client_send(client, line, sizeof(line));
    return -ECANCELED; /* ends the stream */
}

static const struct fh_control_command thread_commands[] = {
    {"echo", run_echo}, {"fail", run_fail},   {"big", run_big},
    {"stop", run_stop}, {"lines", run_lines}, {NULL, NULL}};

static void *serve(void *opaque)
{
    struct fixture *f = opaque;
    sd_event *event = NULL;
    sd_event_new(&event);
    f->event = event;
    int r = fh_control_server_new(event, f->path, thread_commands, f, &f->err, &f->server);
    pthread_barrier_t *barrier = (pthread_barrier_t *)(void *)f->streaming;
    f->streaming = NULL;
    pthread_barrier_wait(barrier);
    if (r == 0) {
        sd_event_loop(event);
    }
    fh_control_server_free(f->server);
    sd_event_unref(event);
    return NULL;
}

static void client_calls(void **state)
{
    struct fixture *main_fixture = *state;
    struct fixture f = {0};
    snprintf(f.path, sizeof(f.path), "%s/thread.sock", main_fixture->place);
    struct fh_error err = {""};
    assert_int_equal(fh_control_connect(f.path, &err), -ENOENT);
    assert_non_null(strstr(err.text, "is it running"));
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    f.streaming = (struct fh_control_client *)(void *)&barrier;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &f), 0);
    pthread_barrier_wait(&barrier);

    int fd = fh_control_connect(f.path, &err);
    assert_true(fd >= 0);
    cJSON *arguments = cJSON_CreateObject();
    cJSON_AddStringToObject(arguments, "who", "me");
    cJSON *result = NULL;
    assert_int_equal(fh_control_call(fd, "echo", arguments, 60000, &result, &err), 0);
    assert_true(cJSON_Compare(arguments, result, 1));
    cJSON_Delete(arguments);
    cJSON_Delete(result);
    result = NULL;
    assert_int_equal(fh_control_call(fd, "echo", NULL, 60000, &result, &err), 0);
    assert_null(result);
    assert_int_equal(fh_control_call(fd, "fail", NULL, 60000, &result, &err), -EREMOTEIO);
    assert_string_equal(err.text, "this must not be, said \"the test\"");
    assert_int_equal(fh_control_call(fd, "big", NULL, 60000, &result, &err), 0);
    assert_int_equal(strlen(result->valuestring), BIG_BYTES);
    cJSON_Delete(result);
    result = NULL;
    assert_int_equal(fh_control_call(fd, "lines", NULL, 60000, &result, &err), 0);
    static const size_t lengths[] = {3, 0, 300000};
    char *line = NULL;
    for (size_t i = 0; i < FH_ARRAY_LEN(lengths); i++) {
        assert_int_equal(fh_control_read_line(fd, &line, &err), 1);
        assert_int_equal(strlen(line), lengths[i]);
        free(line);
    }
    assert_int_equal(fh_control_read_line(fd, &line, &err), 0);
    close(fd);
    fd = fh_control_connect(f.path, &err);
    assert_int_equal(fh_control_call(fd, "stop", NULL, 60000, &result, &err), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fh_control_call(fd, "echo", NULL, 60000, &result, &err), -EPIPE);
    close(fd);
    pthread_barrier_destroy(&barrier);
}

static void silent_daemon_is_a_timeout(void **state)
{
    struct fixture *f = *state; /* its loop is not turned here */
    struct fh_error err = {""};
    int fd = fh_control_connect(f->path, &err);
    assert_true(fd >= 0);
    cJSON *result = NULL;
    assert_int_equal(fh_control_call(fd, "echo", NULL, 20, &result, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "did not answer"));
    close(fd);
    settle(f);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_requests),
        TEST(requests_in_pieces_and_in_one_piece),
        TEST(garbage_is_answered_and_survived),
        TEST(client_33_is_refused),
        TEST(who_is_refused_hears_why),
        TEST(an_idle_client_makes_room),
        TEST(oversized_request_ends_the_connection),
        TEST(largest_request_is_taken),
        TEST(big_answer_waits_for_its_reader),
        TEST(streams_until_the_client_hangs_up),
        TEST(slow_reader_loses_lines_and_costs_no_more),
        TEST(vanished_reader_is_noticed_when_sending),
        TEST(free_tells_streaming_clients),
        TEST(socket_is_for_owner_and_group),
        TEST(live_socket_is_left_alone),
        TEST(stale_socket_is_replaced),
        TEST(other_files_are_never_removed),
        TEST(client_calls),
        TEST(silent_daemon_is_a_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
