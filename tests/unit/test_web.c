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

#define WAIT_MS 60000

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

/* cmocka's fixture: a server that serves the routes above, until the test or its end stops it. */
static int start_plain(void **state)
{
    *state = start(&(struct fh_web_options){0});
    return 0;
}

static int stop(void **state)
{
    fh_web_free(*state);
    *state = NULL;
    return 0;
}

/* ---- a client ---------------------------------------------------------------------------------
 */

struct caller {
    int fd;
    struct fh_buf in;
};

static void send_text(const struct caller *caller, const char *text)
{
    assert_int_equal(send(caller->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A connection, and on it what is to be said at once. */
static struct caller call(const struct fh_web *web, const char *text)
{
    struct caller caller = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fh_web_port(web)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    fh_buf_init(&caller.in, (size_t)64 * 1024 * 1024);
    assert_int_equal(connect(caller.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    send_text(&caller, text);
    return caller;
}

static void hang_up(struct caller *caller)
{
    close(caller->fd);
    fh_buf_done(&caller->in);
}

static const char *heard(struct caller *caller)
{
    return caller->in.len > 0 ? fh_buf_string(&caller->in) : "";
}

/* Reads until the text is there, or the end: false. */
static bool read_until(struct caller *caller, const char *text)
{
    for (;;) {
        if (text && strstr(heard(caller), text)) {
            return true;
        }
        struct pollfd poll_fd = {.fd = caller->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, WAIT_MS) != 1) {
            fail_msg("nothing came in %d ms; so far: %s", WAIT_MS, heard(caller));
        }
        struct fh_buf *in = &caller->in;
        assert_int_equal(fh_buf_reserve(in, 65536), 0);
        ssize_t n = recv(caller->fd, in->data + in->len, 65535, 0);
        if (n <= 0) {
            return text == NULL;
        }
        in->len += (size_t)n;
    }
}

/* One request on a connection of its own, up to its end. */
static const char *ask(const struct fh_web *web, const char *request)
{
    static struct caller last;
    fh_buf_done(&last.in);
    last = call(web, request);
    assert_true(read_until(&last, NULL));
    close(last.fd);
    return heard(&last);
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
    const struct fh_web *web = *state;
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
}

static void says_not_modified(void **state)
{
    const struct fh_web *web = *state;
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
}

#define LOCAL "Host: localhost\r\n"
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
        {GET("/events") LOCAL "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n" END,
         " 403 "},
        {GET("/") LOCAL "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n" END, " 403 "},
        {GET("/") LOCAL "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n" END, " 200 "},
        {GET("/") LOCAL "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n" END, " 200 "},
        {GET("/") LOCAL "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n" END, " 200 "},
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
    const struct fh_web *web = *state;
    size_t len = (size_t)256 * 1024;
    char *request = calloc(1, len + 100);
    int head = snprintf(request, 100, GET("/") "Host: localhost\r\nX-Long: ");
    memset(request + head, 'x', len);
    struct caller caller = call(web, "");
    (void)!send(caller.fd, request, strlen(request), MSG_NOSIGNAL);
    read_until(&caller, NULL);
    /* a reset may overtake the answer: what matters is that it was not taken */
    assert_true(caller.in.len == 0 || strstr(heard(&caller), "HTTP/1.1 431") ||
                strstr(heard(&caller), "HTTP/1.1 413"));
    hang_up(&caller);
    caller = call(web, "");
    (void)!send(caller.fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 13, MSG_NOSIGNAL);
    read_until(&caller, NULL);
    assert_null(strstr(heard(&caller), "200 OK"));
    hang_up(&caller);
    free(request);
    has(ask(web, GET("/") "Host: localhost\r\n" END), "200 OK");
}

static void keeps_a_connection_and_pipelines(void **state)
{
    const struct fh_web *web = *state;
    struct caller caller =
        call(web, GET("/map/1") "Host: localhost\r\n\r\n" GET("/map/2") "Host: localhost\r\n\r\n");
    assert_true(read_until(&caller, "path=/map/2"));
    send_text(&caller, GET("/map/3") "Host: localhost\r\n\r\n");
    assert_true(read_until(&caller, "path=/map/3"));
    has(heard(&caller), "path=/map/1");
    hang_up(&caller);
}

/* Served, and cut off because nothing follows. One that this machine holds up between connecting
 * and asking is cut off before: another one then. */
static struct caller serve_and_idle(const struct fh_web *web)
{
    for (int tries = 0;; tries++) {
        struct caller caller = call(web, "");
        static const char text[] = GET("/") "Host: localhost\r\n\r\n";
        (void)!send(caller.fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
        assert_true(read_until(&caller, NULL));
        if (strstr(heard(&caller), "200 OK")) {
            return caller;
        }
        hang_up(&caller);
        assert_true(tries < 20);
    }
}

static void who_is_slow_is_cut_off(void **state)
{
    (void)state;
    struct fh_web *web =
        start(&(struct fh_web_options){.headers_ms = 300, .answer_ms = 300, .idle_ms = 300});
    /* headers that never end, a byte at a time */
    struct caller dribble = call(web, GET("/") "Host: localhost\r\n");
    /* one that never says anything, one that does not take its answer */
    struct caller silent = call(web, "");
    struct caller stuck = call(web, GET("/big") "Host: localhost\r\n\r\n");
    struct pollfd poll_fd = {.fd = dribble.fd, .events = POLLIN};
    int tries = 0;
    while (poll(&poll_fd, 1, 20) == 0) {
        assert_true(++tries < WAIT_MS / 20);
        (void)!send(dribble.fd, "X", 1, MSG_NOSIGNAL);
    }
    assert_int_equal(recv(dribble.fd, &(char){0}, 1, 0) > 0, false);
    assert_true(read_until(&silent, NULL));
    assert_int_equal(silent.in.len, 0);
    struct caller idle = serve_and_idle(web);
    struct fh_web_counters counters;
    do {
        usleep(5000);
        fh_web_counters(web, &counters);
    } while (counters.connections > 0 && ++tries < WAIT_MS / 5);
    assert_int_equal(counters.connections, 0);
    assert_true(counters.cut >= 4);
    hang_up(&dribble);
    hang_up(&silent);
    hang_up(&idle);
    hang_up(&stuck);
    fh_web_free(web);
}

static void more_connections_than_it_takes_wait(void **state)
{
    const struct fh_web *web = *state;
    struct caller callers[FH_WEB_CONNECTIONS_MAX + 20];
    for (size_t i = 0; i < FH_ARRAY_LEN(callers); i++) {
        callers[i] = call(web, GET("/") "Host: localhost\r\n\r\n");
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(callers); i++) { /* who has his answer makes room */
        assert_true(read_until(&callers[i], "path=/"));
        struct fh_web_counters counters;
        fh_web_counters(web, &counters);
        assert_true(counters.connections <= FH_WEB_CONNECTIONS_MAX);
        hang_up(&callers[i]);
    }
}

/* Idle ones that stay keep nobody out: the one that has been idle longest goes. */
static void idle_connections_make_room(void **state)
{
    (void)state;
    struct fh_web *web = start(&(struct fh_web_options){.idle_ms = 100 * WAIT_MS});
    struct caller callers[FH_WEB_CONNECTIONS_MAX + 20];
    for (size_t i = 0; i < FH_ARRAY_LEN(callers); i++) {
        callers[i] = call(web, GET("/") "Host: localhost\r\n\r\n");
        assert_true(read_until(&callers[i], "path=/"));
    }
    struct fh_web_counters counters;
    fh_web_counters(web, &counters);
    assert_true(counters.connections <= FH_WEB_CONNECTIONS_MAX);
    assert_true(read_until(&callers[0], NULL)); /* it has ended */
    struct caller *latest = &callers[FH_ARRAY_LEN(callers) - 1];
    send_text(latest, GET("/map/7") "Host: localhost\r\n\r\n");
    assert_true(read_until(latest, "path=/map/7"));
    for (size_t i = 0; i < FH_ARRAY_LEN(callers); i++) {
        hang_up(&callers[i]);
    }
    fh_web_free(web);
}

/* Whoever does not take his answer costs memory until he is cut off. */
static void large_answers_have_their_limit(void **state)
{
    const struct fh_web *web = *state;
    struct caller callers[FH_WEB_BODIES_MAX / FH_WEB_BODY_MAX];
    for (size_t i = 0; i < FH_ARRAY_LEN(callers); i++) {
        callers[i] = call(web, "");
        /* or the kernel would take all of it for him */
        assert_int_equal(
            setsockopt(callers[i].fd, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int)), 0);
        send_text(&callers[i], GET("/big") "Host: localhost\r\n\r\n");
        char begin[13] = "";
        assert_int_equal(recv(callers[i].fd, begin, sizeof(begin) - 1, MSG_WAITALL), 12);
        assert_string_equal(begin, "HTTP/1.1 200");
    }
    has(ask(web, GET("/big") "Host: localhost\r\n" END), "503 Service Unavailable");
    has(ask(web, GET("/") "Host: localhost\r\n" END), "200 OK"); /* small ones go on */
    hang_up(&callers[0]);
    for (int tries = 0; strstr(ask(web, GET("/big") "Host: localhost\r\n" END), " 503 "); tries++) {
        assert_true(tries < WAIT_MS / 10);
        usleep(10000);
    }
    for (size_t i = 1; i < FH_ARRAY_LEN(callers); i++) {
        hang_up(&callers[i]);
    }
}

static struct caller open_stream(const struct fh_web *web)
{
    int before = atomic_load(&opened_count);
    struct caller caller = call(web, GET("/events") "Host: localhost\r\n\r\n");
    assert_true(read_until(&caller, "data: hello"));
    wait_for(&opened_count, before + 1);
    return caller;
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
    const struct fh_web *web = *state;
    struct caller caller = open_stream(web);
    has(heard(&caller), "Content-Type: text/event-stream");
    has(heard(&caller), "Content-Security-Policy: ");
    for (int i = 0; i < 2000; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "data: number %d\n\n", i);
        assert_int_equal(send_event(text, (size_t)len), 0);
        if (i % 500 == 0) { /* let it fall asleep in between */
            snprintf(text, sizeof(text), "number %d\n", i);
            assert_true(read_until(&caller, text));
        }
    }
    assert_true(read_until(&caller, "number 1999\n"));
    has(heard(&caller), "number 1234\n");
    hang_up(&caller);
    for (int tries = 0; atomic_load(&closed_count) < 1; tries++) { /* noticed when it is used */
        assert_true(tries < WAIT_MS);
        send_event(": anybody there?\n\n", 18);
        usleep(1000);
    }
    assert_int_equal(send_event("x", 1), -ESHUTDOWN);
    stop(state);
    assert_int_equal(atomic_load(&closed_count), 1);
}

static void a_stream_that_reads_too_slowly_is_cut_off(void **state)
{
    const struct fh_web *web = *state;
    struct caller caller = open_stream(web);
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
    read_until(&caller, NULL); /* the end, or a reset */
    hang_up(&caller);
    has(ask(web, GET("/") "Host: localhost\r\n" END), "200 OK");
}

static void the_end_closes_every_stream(void **state)
{
    const struct fh_web *web = *state;
    struct caller callers[FH_WEB_STREAMS_MAX];
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        callers[i] = open_stream(web);
    }
    has(ask(web, GET("/events") "Host: localhost\r\n" END), " 503 ");
    has(ask(web, "HEAD /events HTTP/1.1\r\nHost: localhost\r\n" END), " 200 ");
    stop(state);
    assert_int_equal(atomic_load(&closed_count), FH_WEB_STREAMS_MAX);
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        assert_true(read_until(&callers[i], NULL));
        hang_up(&callers[i]);
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
    const struct fh_web *web = *state;
    atomic_bool done = false;
    pthread_t threads[2];
    for (size_t i = 0; i < FH_ARRAY_LEN(threads); i++) {
        pthread_create(&threads[i], NULL, sender, &done);
    }
    for (int i = 0; i < 60; i++) {
        struct caller caller = open_stream(web);
        hang_up(&caller);
        wait_for(&closed_count, i + 1);
    }
    stop(state);
    atomic_store(&done, true);
    for (size_t i = 0; i < FH_ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&closed_count), 60);
}

static int ask_local(const char *path, char *answer, size_t size)
{
    struct caller caller = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(caller.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    send_text(&caller, GET("/") "Host: localhost\r\n" END);
    ssize_t n = recv(caller.fd, answer, size - 1, MSG_WAITALL);
    close(caller.fd);
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

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, start_plain, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(answers_with_its_headers),
        PLAIN(says_not_modified),
        cmocka_unit_test(refuses_what_it_does_not_take),
        PLAIN(refuses_oversized_headers_and_garbage),
        PLAIN(keeps_a_connection_and_pipelines),
        cmocka_unit_test(who_is_slow_is_cut_off),
        cmocka_unit_test(idle_connections_make_room),
        PLAIN(more_connections_than_it_takes_wait),
        PLAIN(large_answers_have_their_limit),
        PLAIN(a_stream_carries_what_is_sent),
        PLAIN(a_stream_that_reads_too_slowly_is_cut_off),
        PLAIN(the_end_closes_every_stream),
        PLAIN(streams_close_under_senders),
        cmocka_unit_test(listens_on_a_socket_too),
        cmocka_unit_test(refuses_addresses_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
