/* test_web.c: the web server over real sockets: what it answers, what it refuses, its limits, and
 * streams from their opening to the ones that read too slowly. */
#include "fh/web.h"
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants these above first */
#include <cmocka.h>

#define WAIT_MS 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fh_web_stream *stream; /* the last one opened; under lock */
static size_t flooded;               /* bytes sent to it by sender() */
static atomic_int opened_count, closed_count;

/* ---- what is served ---------------------------------------------------------------------------
 */

static int get_text(void *userdata, const struct fh_web_request *request,
                    struct fh_web_answer *answer)
{
    (void)userdata;
    const char *name = fh_web_query(request, "name");
    const char *agent = fh_web_header(request, "User-Agent");
    answer->type = "text/plain";
    snprintf(answer->etag, sizeof(answer->etag), "v1");
    return fh_buf_printf(&answer->body, "path=%s name=%s agent=%s gzip=%d", fh_web_path(request),
                         name ? name : "-", agent ? agent : "-", fh_web_takes_gzip(request));
}

static int get_big(void *userdata, const struct fh_web_request *request,
                   struct fh_web_answer *answer)
{
    (void)userdata;
    (void)request;
    answer->type = "application/octet-stream";
    assert_int_equal(fh_buf_reserve(&answer->body, FH_WEB_BODY_MAX), 0);
    memset(answer->body.data, 'x', FH_WEB_BODY_MAX);
    answer->body.len = FH_WEB_BODY_MAX;
    return 0;
}

static int get_nothing(void *userdata, const struct fh_web_request *request,
                       struct fh_web_answer *answer)
{
    (void)userdata;
    (void)answer;
    return strcmp(fh_web_path(request), "/none/broken") == 0 ? -EIO : -ENOENT;
}

static int on_opened(void *userdata, const struct fh_web_request *request,
                     struct fh_web_stream *opened)
{
    (void)userdata;
    const char *refuse = fh_web_query(request, "refuse");
    if (refuse) {
        return refuse[0] == 'n' ? -ENOENT : -EBUSY;
    }
    assert_int_equal(fh_web_send(opened, "data: hello\n\n", 13), 0);
    pthread_mutex_lock(&lock);
    stream = opened;
    flooded = 0;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&opened_count, 1);
    return 0;
}

static void on_closed(void *userdata, struct fh_web_stream *closed)
{
    (void)userdata;
    pthread_mutex_lock(&lock);
    stream = stream == closed ? NULL : stream;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&closed_count, 1);
}

static const struct fh_web_route routes[] = {
    {"/", get_text, NULL, NULL},
    {"/big", get_big, NULL, NULL},
    {"/none/", get_nothing, NULL, NULL},
    {"/map/", get_text, NULL, NULL},
    {"/events", NULL, on_opened, on_closed},
    {NULL, NULL, NULL, NULL},
};

static struct fh_web *start(const struct fh_web_options *with)
{
    struct fh_web_options options = *with;
    struct fh_error err = {""};
    struct fh_web *web = NULL;
    options.listen = options.listen ? options.listen : "127.0.0.1:0";
    options.socket = options.socket ? options.socket : "";
    options.routes = routes;
    options.what = "metrics";
    atomic_store(&opened_count, 0);
    atomic_store(&closed_count, 0);
    if (fh_web_new(&options, &err, &web) < 0) {
        fail_msg("%s", err.text);
    }
    return web;
}

static struct fh_web *start_plain(void)
{
    return start(&(struct fh_web_options){0});
}

/* ---- a client ---------------------------------------------------------------------------------
 */

static int connect_to(const struct fh_web *web)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fh_web_port(web)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the text is there, or the end: false. */
static bool read_until(int fd, struct fh_buf *in, const char *text)
{
    for (;;) {
        if (in->len > 0 && text && strstr(fh_buf_string(in), text)) {
            return true;
        }
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, WAIT_MS) != 1) {
            fail_msg("nothing came in %d ms; so far: %s", WAIT_MS, fh_buf_string(in));
        }
        assert_int_equal(fh_buf_reserve(in, 65536), 0);
        ssize_t n = recv(fd, in->data + in->len, 65535, 0);
        if (n <= 0) {
            return text == NULL;
        }
        in->len += (size_t)n;
    }
}

/* One request on a connection of its own, up to its end. */
static const char *ask(const struct fh_web *web, const char *request)
{
    static struct fh_buf in;
    fh_buf_done(&in);
    fh_buf_init(&in, (size_t)64 * 1024 * 1024);
    int fd = connect_to(web);
    send_text(fd, request);
    assert_true(read_until(fd, &in, NULL));
    close(fd);
    return fh_buf_string(&in);
}

#define END      "Connection: close\r\n\r\n"
#define GET(...) "GET " __VA_ARGS__ " HTTP/1.1\r\n"

static void has(const char *answer, const char *text)
{
    if (!strstr(answer, text)) {
        fail_msg("no \"%s\" in:\n%.2000s", text, answer);
    }
}

static void wait_for(const atomic_int *counter, int value)
{
    for (int ms = 0; atomic_load(counter) < value; ms++) {
        assert_true(ms < WAIT_MS);
        usleep(1000);
    }
}

/* ---- cases ------------------------------------------------------------------------------------
 */

static void answers_with_its_headers(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    const char *answer = ask(web, GET("/?name=a%20b&x") "Host: 127.0.0.1:9570\r\n"
                                                        "User-Agent: me\r\n" END);
    has(answer, "HTTP/1.1 200 OK");
    has(answer, "X-Content-Type-Options: nosniff");
    has(answer, "Referrer-Policy: no-referrer");
    has(answer, "X-Frame-Options: DENY");
    has(answer, "Content-Security-Policy: default-src 'none'; script-src 'self'");
    has(answer, "Cache-Control: no-store");
    has(answer, "ETag: \"v1\"");
    has(answer, "path=/ name=a b agent=me gzip=0");
    has(ask(web, GET("/map/7") "Host: localhost\r\nAccept-Encoding: br, gzip;q=0.5\r\n" END),
        "path=/map/7 name=- agent=- gzip=1");
    has(ask(web, GET("/map/7") "Host: localhost\r\nAccept-Encoding: gzip;q=0, br\r\n" END),
        "gzip=0");
    answer = ask(web, "HEAD / HTTP/1.1\r\nHost: [::1]\r\n" END);
    has(answer, "Content-Length: 28");
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    has(ask(web, "GET / HTTP/1.0\r\n\r\n"), "200 OK");
    fh_web_free(web);
}

static void says_not_modified(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    static const char *const same[] = {"\"v1\"", "W/\"v1\"", "\"a\", \"v1\"", "*"};
    for (size_t i = 0; i < FH_ARRAY_LEN(same); i++) {
        char request[200];
        snprintf(request, sizeof(request), GET("/") "Host: localhost\r\nIf-None-Match: %s\r\n" END,
                 same[i]);
        const char *answer = ask(web, request);
        has(answer, "HTTP/1.1 304 ");
        has(answer, "ETag: \"v1\"");
        assert_null(strstr(answer, "path="));
    }
    has(ask(web, GET("/") "Host: localhost\r\nIf-None-Match: \"v\", \"v11\", v1\r\n" END),
        "200 OK");
    fh_web_free(web);
}

static void refuses_what_it_does_not_take(void **state)
{
    (void)state;
    const char *const hosts[] = {"metrics.example", NULL};
    struct fh_web *web = start(&(struct fh_web_options){.hosts = hosts});
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", " 405 "},
        {"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", " 405 "},
        {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", " 405 "},
        {"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", " 405 "},
        {GET("/") "Host: evil.example\r\n" END, " 421 "},
        {GET("/") "Host: 127.0.0.1.evil.example\r\n" END, " 421 "},
        {GET("/") "Host: localhost:9570@evil\r\n" END, " 421 "},
        {GET("/") "Host: \r\n" END, " 421 "},
        {GET("/") "Host: [::1\r\n" END, " 421 "},
        {GET("/") "Host: METRICS.example.:80\r\n" END, " 200 "},
        {GET("/") "Host: localhost\r\nHost: evil.example\r\n" END, " 400 "},
        {GET("/") "\r\n", " 400 "},
        {GET("/") "Host: localhost\r\nContent-Length: 3\r\n\r\nabc", " 400 "},
        {GET("/") "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", " 400 "},
        {GET("/maps") "Host: localhost\r\n" END, " 404 "},
        {GET("/bigger") "Host: localhost\r\n" END, " 404 "},
        {GET("http://evil.example/") "Host: localhost\r\n" END, " 404 "},
        {GET("/../etc/passwd") "Host: localhost\r\n" END, " 404 "},
        {GET("/none/there") "Host: localhost\r\n" END, " 404 "},
        {GET("/none/broken") "Host: localhost\r\n" END, " 500 "},
        {GET("/events?refuse=not") "Host: localhost\r\n" END, " 404 "},
        {GET("/events?refuse=busy") "Host: localhost\r\n" END, " 503 "},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        const char *answer = ask(web, cases[i].request);
        if (strncmp(answer, "HTTP/1.1", 8) != 0 || strncmp(answer + 8, cases[i].status, 5) != 0) {
            fail_msg("%s answered\n%s", cases[i].request, answer);
        }
    }
    has(ask(web, cases[0].request), "Allow: GET, HEAD");
    struct fh_web_counters counters;
    fh_web_counters(web, &counters);
    assert_int_equal(counters.errors, 2);
    assert_true(counters.refused >= 15);
    assert_int_equal(atomic_load(&closed_count), 0); /* refused: never opened */
    fh_web_free(web);
}

static void refuses_oversized_headers_and_garbage(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    size_t len = (size_t)256 * 1024;
    char *request = calloc(1, len + 100);
    int head = snprintf(request, 100, GET("/") "Host: localhost\r\nX-Long: ");
    memset(request + head, 'x', len);
    int fd = connect_to(web);
    struct fh_buf in;
    fh_buf_init(&in, (size_t)1024 * 1024);
    (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
    read_until(fd, &in, NULL);
    /* a reset may overtake the answer: what matters is that it was not taken */
    assert_true(in.len == 0 || strstr(fh_buf_string(&in), "HTTP/1.1 431") ||
                strstr(fh_buf_string(&in), "HTTP/1.1 413"));
    close(fd);
    fd = connect_to(web);
    fh_buf_clear(&in);
    (void)!send(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 13, MSG_NOSIGNAL);
    read_until(fd, &in, NULL);
    assert_null(in.len ? strstr(fh_buf_string(&in), "200 OK") : NULL);
    close(fd);
    free(request);
    fh_buf_done(&in);
    has(ask(web, GET("/") "Host: localhost\r\n" END), "200 OK");
    fh_web_free(web);
}

static void keeps_a_connection_and_pipelines(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    struct fh_buf in;
    fh_buf_init(&in, (size_t)1024 * 1024);
    int fd = connect_to(web);
    send_text(fd, GET("/map/1") "Host: localhost\r\n\r\n" GET("/map/2") "Host: localhost\r\n\r\n");
    assert_true(read_until(fd, &in, "path=/map/2"));
    send_text(fd, GET("/map/3") "Host: localhost\r\n\r\n");
    assert_true(read_until(fd, &in, "path=/map/3"));
    has(fh_buf_string(&in), "path=/map/1");
    close(fd);
    fh_buf_done(&in);
    fh_web_free(web);
}

static void who_is_slow_is_cut_off(void **state)
{
    (void)state;
    struct fh_web *web =
        start(&(struct fh_web_options){.headers_ms = 300, .answer_ms = 300, .idle_ms = 300});
    struct fh_buf in;
    fh_buf_init(&in, (size_t)1024 * 1024);
    /* headers that never end, a byte at a time */
    int dribble = connect_to(web);
    send_text(dribble, GET("/") "Host: localhost\r\n");
    /* one that never says anything, one that is idle, one that does not take its answer */
    int silent = connect_to(web);
    int idle = connect_to(web);
    send_text(idle, GET("/") "Host: localhost\r\n\r\n");
    int stuck = connect_to(web);
    send_text(stuck, GET("/big") "Host: localhost\r\n\r\n");
    struct pollfd poll_fd = {.fd = dribble, .events = POLLIN};
    int tries = 0;
    while (poll(&poll_fd, 1, 20) == 0) {
        assert_true(++tries < WAIT_MS / 20);
        (void)!send(dribble, "X", 1, MSG_NOSIGNAL);
    }
    assert_int_equal(recv(dribble, &(char){0}, 1, 0) > 0, false);
    assert_true(read_until(silent, &in, NULL));
    assert_int_equal(in.len, 0);
    assert_true(read_until(idle, &in, NULL));
    has(fh_buf_string(&in), "200 OK");
    struct fh_web_counters counters;
    do {
        usleep(5000);
        fh_web_counters(web, &counters);
    } while (counters.connections > 0 && ++tries < WAIT_MS / 5);
    assert_int_equal(counters.connections, 0);
    assert_true(counters.cut >= 4);
    close(dribble);
    close(silent);
    close(idle);
    close(stuck);
    fh_buf_done(&in);
    fh_web_free(web);
}

static void more_connections_than_it_takes_wait(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    int fds[FH_WEB_CONNECTIONS_MAX + 20];
    for (size_t i = 0; i < FH_ARRAY_LEN(fds); i++) {
        fds[i] = connect_to(web);
        send_text(fds[i], GET("/") "Host: localhost\r\n\r\n");
    }
    struct fh_buf in;
    fh_buf_init(&in, (size_t)1024 * 1024);
    for (size_t i = 0; i < FH_ARRAY_LEN(fds); i++) { /* who has his answer makes room */
        fh_buf_clear(&in);
        assert_true(read_until(fds[i], &in, "path=/"));
        struct fh_web_counters counters;
        fh_web_counters(web, &counters);
        assert_true(counters.connections <= FH_WEB_CONNECTIONS_MAX);
        close(fds[i]);
    }
    fh_buf_done(&in);
    fh_web_free(web);
}

static int open_stream(const struct fh_web *web, struct fh_buf *in)
{
    int before = atomic_load(&opened_count);
    int fd = connect_to(web);
    send_text(fd, GET("/events") "Host: localhost\r\n\r\n");
    fh_buf_init(in, (size_t)64 * 1024 * 1024);
    assert_true(read_until(fd, in, "data: hello"));
    wait_for(&opened_count, before + 1);
    return fd;
}

/* Sends to the last stream; -ESHUTDOWN when it is closed. */
static int send_event(const char *bytes, size_t len)
{
    pthread_mutex_lock(&lock);
    int r = stream ? fh_web_send(stream, bytes, len) : -ESHUTDOWN;
    pthread_mutex_unlock(&lock);
    return r;
}

static void a_stream_carries_what_is_sent(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    struct fh_buf in;
    int fd = open_stream(web, &in);
    has(fh_buf_string(&in), "Content-Type: text/event-stream");
    has(fh_buf_string(&in), "Content-Security-Policy: ");
    for (int i = 0; i < 2000; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "data: number %d\n\n", i);
        assert_int_equal(send_event(text, (size_t)len), 0);
        if (i % 500 == 0) { /* let it fall asleep in between */
            snprintf(text, sizeof(text), "number %d\n", i);
            assert_true(read_until(fd, &in, text));
        }
    }
    assert_true(read_until(fd, &in, "number 1999\n"));
    has(fh_buf_string(&in), "number 1234\n");
    close(fd);
    for (int tries = 0; atomic_load(&closed_count) < 1; tries++) { /* noticed when it is used */
        assert_true(tries < WAIT_MS);
        send_event(": anybody there?\n\n", 18);
        usleep(1000);
    }
    assert_int_equal(send_event("x", 1), -ESHUTDOWN);
    fh_buf_done(&in);
    fh_web_free(web);
    assert_int_equal(atomic_load(&closed_count), 1);
}

static void a_stream_that_reads_too_slowly_is_cut_off(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    struct fh_buf in;
    int fd = open_stream(web, &in);
    static char block[64 * 1024];
    memset(block, 'x', sizeof(block));
    int r = 0;
    /* it reads nothing: the sockets' buffers fill, then ours */
    for (int i = 0; i < 4096 && r == 0; i++) {
        r = send_event(block, sizeof(block));
    }
    assert_true(r == -ENOBUFS);
    wait_for(&closed_count, 1);
    struct fh_web_counters counters;
    fh_web_counters(web, &counters);
    assert_int_equal(counters.cut, 1);
    read_until(fd, &in, NULL); /* the end, or a reset */
    close(fd);
    fh_buf_done(&in);
    has(ask(web, GET("/") "Host: localhost\r\n" END), "200 OK");
    fh_web_free(web);
}

static void the_end_closes_every_stream(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    struct fh_buf in[FH_WEB_STREAMS_MAX];
    int fd[FH_WEB_STREAMS_MAX];
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        fd[i] = open_stream(web, &in[i]);
    }
    has(ask(web, GET("/events") "Host: localhost\r\n" END), " 503 ");
    has(ask(web, "HEAD /events HTTP/1.1\r\nHost: localhost\r\n" END), " 200 ");
    fh_web_free(web);
    assert_int_equal(atomic_load(&closed_count), FH_WEB_STREAMS_MAX);
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        assert_true(read_until(fd[i], &in[i], NULL));
        close(fd[i]);
        fh_buf_done(&in[i]);
    }
}

/* Half of what may be unsent, to each stream: however late the server's thread is, none is cut off.
 */
static void *sender(void *userdata)
{
    static const char event[] = "data: x\n\n";
    atomic_bool *done = userdata;
    while (!atomic_load(done)) {
        pthread_mutex_lock(&lock);
        bool room = stream && flooded + sizeof(event) < FH_WEB_STREAM_UNSENT_MAX / 2;
        if (room) {
            flooded += sizeof(event);
            fh_web_send(stream, event, sizeof(event) - 1);
        }
        pthread_mutex_unlock(&lock);
        if (!room) { /* a little more now and then: only so the end of a connection is noticed */
            usleep(1000);
            send_event(event, sizeof(event) - 1);
        }
    }
    return NULL;
}

/* Streams come and go while two threads send. */
static void streams_close_under_senders(void **state)
{
    (void)state;
    struct fh_web *web = start_plain();
    atomic_bool done = false;
    pthread_t threads[2];
    for (size_t i = 0; i < FH_ARRAY_LEN(threads); i++) {
        pthread_create(&threads[i], NULL, sender, &done);
    }
    for (int i = 0; i < 60; i++) {
        struct fh_buf in;
        int fd = open_stream(web, &in);
        close(fd);
        fh_buf_done(&in);
        wait_for(&closed_count, i + 1);
    }
    fh_web_free(web);
    atomic_store(&done, true);
    for (size_t i = 0; i < FH_ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&closed_count), 60);
}

static int ask_local(const char *path, char *answer, size_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    send_text(fd, GET("/") "Host: localhost\r\n" END);
    ssize_t n = recv(fd, answer, size - 1, MSG_WAITALL);
    close(fd);
    answer[n > 0 ? n : 0] = '\0';
    return (int)n;
}

static void listens_on_a_socket_too(void **state)
{
    (void)state;
    char dir[] = "/tmp/firehosed-web-XXXXXX", path[64], answer[4096];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/metrics.socket", dir);
    struct fh_web *web = start(&(struct fh_web_options){.socket = path});
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    ask_local(path, answer, sizeof(answer));
    has(answer, "200 OK");
    has(ask(web, GET("/") "Host: localhost\r\n" END), "200 OK");

    /* taken: the port, the path; and what is no socket is left alone */
    struct fh_error err = {""};
    struct fh_web *other = NULL;
    char listen_on[32];
    snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%d", fh_web_port(web));
    struct fh_web_options options = {
        .listen = listen_on, .socket = "", .routes = routes, .what = "metrics"};
    assert_int_equal(fh_web_new(&options, &err, &other), -EADDRINUSE);
    has(err.text, "metrics.listen");
    options.listen = "";
    options.socket = path;
    assert_int_equal(fh_web_new(&options, &err, &other), -EADDRINUSE);
    has(err.text, path);
    fh_web_free(web);
    assert_int_equal(stat(path, &st), -1);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(fh_web_new(&options, &err, &other), -EEXIST);
    close(fd);
    unlink(path);
    /* what a killed process left behind is not in the way */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    web = start(&(struct fh_web_options){.socket = path, .listen = ""});
    assert_int_equal(fh_web_port(web), 0);
    ask_local(path, answer, sizeof(answer));
    has(answer, "200 OK");
    fh_web_free(web);
    rmdir(dir);
}

static void refuses_addresses_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"9570", "example.com:80", "127.0.0.1:x", ":80", "[::1:80"};
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        struct fh_error err = {""};
        struct fh_web *web = NULL;
        struct fh_web_options options = {
            .listen = wrong[i], .socket = "", .routes = routes, .what = "metrics"};
        assert_int_equal(fh_web_new(&options, &err, &web), -EINVAL);
        has(err.text, wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_with_its_headers),
        cmocka_unit_test(says_not_modified),
        cmocka_unit_test(refuses_what_it_does_not_take),
        cmocka_unit_test(refuses_oversized_headers_and_garbage),
        cmocka_unit_test(keeps_a_connection_and_pipelines),
        cmocka_unit_test(who_is_slow_is_cut_off),
        cmocka_unit_test(more_connections_than_it_takes_wait),
        cmocka_unit_test(a_stream_carries_what_is_sent),
        cmocka_unit_test(a_stream_that_reads_too_slowly_is_cut_off),
        cmocka_unit_test(the_end_closes_every_stream),
        cmocka_unit_test(streams_close_under_senders),
        cmocka_unit_test(listens_on_a_socket_too),
        cmocka_unit_test(refuses_addresses_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
