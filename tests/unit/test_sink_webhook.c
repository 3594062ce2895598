/* test_sink_webhook.c: the webhook sink against a real HTTPS server that misbehaves on request
 * (tests/tools/webhook-server.py). */
#include "sink_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Where many systems' libcurl looks for authorities besides its file. */
#define SYSTEM_AUTHORITIES "/etc/ssl/certs"

static pid_t server;
static pid_t nginx;
static char server_url[64];
/* The server listens at a socket of ours: who connects before it is ready waits for it, and nobody
 * takes its port while one follows another. -1: none yet. */
static int listener = -1;

/* A socket that listens at a free port, and is inherited. */
static int listen_somewhere(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* options: further words for the server, up to 6. */
static void start_server(struct fixture *f, const char *const *options)
{
    char number[16];
    char *words[16] = {"/usr/bin/python3", "-B",  FH_WEBHOOK_SERVER, "--dir", f->place,
                       "--listener",       number};
    int out[2];
    char line[128] = "";
    unsigned port;
    for (size_t i = 0; options && options[i]; i++) {
        words[7 + i] = (char *)options[i];
    }
    listener = listener >= 0 ? listener : listen_somewhere(&port);
    snprintf(number, sizeof(number), "%d", listener);
    assert_int_equal(pipe(out), 0);
    server = fork();
    if (server == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execv(words[0], words);
        _exit(127);
    }
    close(out[1]);
    FILE *answers = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof(line), answers));
    fclose(answers);
    assert_int_equal(sscanf(line, "listening on %63s", server_url), 1);
    snprintf(f->config.url, sizeof(f->config.url), "%s/in", server_url);
    if (strncmp(server_url, "https", 5) == 0) {
        snprintf(f->config.ca_file, sizeof(f->config.ca_file), "%s/ca.pem", f->place);
    }
}

static void rules(struct fixture *f, const char *json)
{
    char command[1024];
    fixture_put(f, "rules", 0600, json);
    snprintf(
        command, sizeof(command),
        "curl -sS --fail --cacert '%s/ca.pem' --data-binary '@%s/rules' '%s/control' >/dev/null",
        f->place, f->place, server_url);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

static void stop(pid_t *inout_pid, int signal_number)
{
    if (*inout_pid > 0) {
        kill(*inout_pid, signal_number);
        waitpid(*inout_pid, NULL, 0);
        *inout_pid = 0;
    }
}

static int setup(void **state)
{
    *state = fixture_new("webhook");
    return 0;
}

static int setup_with_server(void **state)
{
    setup(state);
    start_server(*state, NULL);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stop(&nginx, SIGTERM); /* its workers end with it */
    stop(&server, SIGKILL);
    if (listener >= 0) {
        close(listener);
        listener = -1;
    }
    fixture_free(f);
    return 0;
}

/* The value of a member in the line of a request; "" when there is no such request. */
static void request(struct fixture *f, size_t index, const char *member, char value[64])
{
    char *text = fixture_read(f, "requests.ndjson");
    char *line = text;
    value[0] = '\0';
    for (size_t i = 0; i < index && line; i++) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    char name[32];
    snprintf(name, sizeof(name), "\"%s\": ", member);
    char *end = line ? strchr(line, '\n') : NULL;
    char *at = line ? strstr(line, name) : NULL;
    if (at && end && at < end) {
        sscanf(at + strlen(name), "%*[\"]%63[^\"]", value);
        if (value[0] == '\0') {
            sscanf(at + strlen(name), "%63[^,}]", value);
        }
    }
    free(text);
}

static size_t requests(struct fixture *f)
{
    char *text = fixture_read(f, "requests.ndjson");
    size_t count = 0;
    for (char *at = text; (at = strchr(at, '\n')); at++) {
        count++;
    }
    free(text);
    return count;
}

static void assert_request(struct fixture *f, size_t index, const char *member, const char *wanted)
{
    char value[64];
    request(f, index, member, value);
    assert_string_equal(value, wanted);
}

/* ---- what a request says ---- */

static void test_a_request_says_what_it_is(void **state)
{
    struct fixture *f = *state;
    char key[64];
    snprintf(f->config.headers[0], sizeof(f->config.headers[0]), "X-Site: north");
    f->config.header_count = 1;
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    assert_request(f, 0, "epoch", "7");
    assert_request(f, 0, "node", "a");
    assert_request(f, 0, "count", "10");
    assert_request(f, 0, "type", "application/x-ndjson");
    assert_request(f, 0, "site", "north");
    assert_request(f, 0, "path", "/in");
    request(f, 0, "key", key);
    assert_int_equal(strlen(key), 32);
}

static void test_arrays(void **state)
{
    struct fixture *f = *state;
    f->config.body = FH_BODY_ARRAY;
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 1, 0, 0), 0);
    fixture_accepted(f);
    assert_int_equal(fixture_write(f, 2, 40, 30000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 40, true);
    assert_request(f, 1, "type", "application/json");
    assert_request(f, 1, "records", "39");
}

/* nginx speaks HTTP/2 with us and HTTP/1.1 with the server behind it. */
static void start_nginx(struct fixture *f)
{
    char text[2048];
    char path[128];
    char number[16];
    unsigned port;
    int fd = listen_somewhere(&port);
    snprintf(text, sizeof(text),
             "daemon off; user root; pid nginx.pid; error_log error.log;\nevents {}\nhttp {\n"
             "log_format protocol '$server_protocol $status'; access_log access.log protocol;\n"
             "client_max_body_size 64m; client_body_temp_path t1; proxy_temp_path t2;\n"
             "fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n"
             "server { listen 127.0.0.1:%u ssl http2; ssl_certificate server.pem;\n"
             "ssl_certificate_key server.key; location / { proxy_pass %s; } }\n}\n",
             port, server_url);
    fixture_put(f, "nginx.conf", 0600, text);
    snprintf(path, sizeof(path), "%s/nginx.conf", f->place);
    snprintf(number, sizeof(number), "%d;", fd);
    nginx = fork();
    if (nginx == 0) {
        setenv("NGINX", number, 1); /* how it hands its sockets to its successor */
        execlp("nginx", "nginx", "-p", f->place, "-c", path, (char *)NULL);
        _exit(127);
    }
    close(fd);
    snprintf(f->config.url, sizeof(f->config.url), "https://127.0.0.1:%u/in", port);
}

static void test_over_http_2(void **state)
{
    struct fixture *f = *state;
    if (system("command -v nginx >/dev/null") != 0) { // NOLINT(cert-env33-c)
        skip();
    }
    start_nginx(f);
    f->config.batch_records = 100;
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 400, 3000, 0), 0);
    fixture_accepted(f);
    rules(f, "[{\"match\": \"poison\", \"status\": 422}]");
    assert_int_equal(fixture_write(f, 401, 800, 300, 250), 0);
    fixture_accepted(f);
    stop(&nginx, SIGTERM);
    fixture_expect(f, 501, 749, true);
    assert_int_equal(f->refused_count, 2);
    char *log = fixture_read(f, "access.log");
    assert_non_null(strstr(log, "HTTP/2.0 200"));
    assert_null(strstr(log, "HTTP/1"));
    free(log);
}

/* ---- failures that pass ---- */

static void test_the_same_request_again(void **state)
{
    struct fixture *f = *state;
    char key[6][64];
    fixture_lead(f);
    rules(f, "[{\"times\": 5, \"status\": 500, \"body\": \"out of\\ndisk\"}]");
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "answered 500" FH_SINK_SAYS "out of disk");
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    assert_int_equal(requests(f), 6);
    for (size_t i = 0; i < 6; i++) {
        request(f, i, "key", key[i]);
        assert_string_equal(key[0], key[i]);
    }
}

static void test_retry_after_is_honoured(void **state)
{
    struct fixture *f = *state;
    char ended[64];
    char began[64];
    fixture_lead(f);
    rules(f, "[{\"times\": 1, \"status\": 503, \"headers\": {\"Retry-After\": \"2\"}}]");
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "it asks to wait 2 s");
    fixture_accepted(f);
    assert_int_equal(requests(f), 2);
    request(f, 0, "ended", ended);
    request(f, 1, "began", began);
    assert_true(atof(began) - atof(ended) >= 1.9);
    rules(f, "[{\"times\": 5, \"status\": 429}]");
    assert_int_equal(fixture_write(f, 11, 20, 0, 0), 0);
    fixture_says(f, "answered 429");
    fixture_accepted(f);
    fixture_expect(f, 1, 20, true);
}

/* All requests wait, also when another one that was under way is accepted meanwhile. */
static void test_retry_after_outlasts_an_acceptance(void **state)
{
    struct fixture *f = *state;
    char value[64];
    char key[64] = "";
    double refused = 0;
    double again = 0;
    f->config.batch_records = 10;
    fixture_lead(f);
    rules(f, "[{\"match\": \"event-1\\\"\", \"times\": 1, \"status\": 429, "
             "\"headers\": {\"Retry-After\": \"2\"}}, {\"times\": 1, \"hang\": 0.7}]");
    assert_int_equal(fixture_write(f, 1, 20, 0, 0), 0);
    fixture_accepted(f); /* what it says meanwhile depends on which answer is read first */
    fixture_expect(f, 1, 20, true);
    for (size_t i = 0; i < requests(f); i++) {
        request(f, i, "status", value);
        if (strcmp(value, "429") == 0) {
            request(f, i, "key", key);
            request(f, i, "ended", value);
            refused = atof(value);
            continue;
        }
        request(f, i, "key", value);
        if (strcmp(value, key) == 0) {
            request(f, i, "began", value);
            again = atof(value);
        }
    }
    assert_true(refused > 0 && again - refused >= 1.9);
}

static void test_a_connection_that_is_cut(void **state)
{
    struct fixture *f = *state;
    char key[2][64];
    fixture_lead(f);
    rules(f, "[{\"times\": 3, \"cut\": \"before\"}]");
    assert_int_equal(fixture_write(f, 1, 10, 1000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    /* kept, but we are not told: it comes again, and can be told apart */
    size_t before = requests(f);
    rules(f, "[{\"times\": 1, \"cut\": \"after\"}]");
    assert_int_equal(fixture_write(f, 11, 20, 1000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 11, 20, false);
    assert_int_equal(requests(f), before + 2);
    request(f, before, "key", key[0]);
    request(f, before + 1, "key", key[1]);
    assert_string_equal(key[0], key[1]);
    /* the same in the middle of the answer */
    rules(f, "[{\"times\": 1, \"cut\": \"body\"}]");
    assert_int_equal(fixture_write(f, 21, 30, 1000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 21, 30, false);
    assert_int_equal(requests(f), before + 4);
}

static void test_no_answer_in_time(void **state)
{
    struct fixture *f = *state;
    f->config.timeout_ms = 500;
    fixture_lead(f);
    /* should one be read after all, it is none that ends the matter */
    rules(f, "[{\"hang\": 2, \"status\": 500}]");
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "no answer of https://127.0.0.1");
    rules(f, "[]");
    f->config.timeout_ms = FIXTURE_PATIENCE_MS;
    f->ops->reload(f->sink, &f->config);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
}

static void test_an_answer_without_end(void **state)
{
    struct fixture *f = *state;
    fixture_lead(f);
    rules(f, "[{\"times\": 1, \"endless\": true}]");
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    assert_int_equal(requests(f), 1);
}

/* ---- records that are refused ---- */

static void test_refused_records_are_put_aside(void **state)
{
    struct fixture *f = *state;
    fixture_lead(f);
    rules(f, "[{\"match\": \"poison\", \"status\": 422, \"body\": \"field \\\"x\\\"\\nis odd\"}]");
    assert_int_equal(fixture_write(f, 1, 100, 0, 30), 0);
    fixture_accepted(f);
    assert_int_equal(f->refused_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->refused[i], 30 * (i + 1));
        assert_string_equal(f->reason[i], "answered with status 422: field \"x\" is odd");
    }
    static unsigned count[FIXTURE_RECORDS_MAX];
    fixture_kept(f, count);
    for (unsigned n = 1; n <= 100; n++) {
        assert_int_equal(count[n], n % 30 == 0 ? 0 : 1);
    }
}

/* Too large as a whole is only a reason to halve. */
static void test_too_large(void **state)
{
    struct fixture *f = *state;
    fixture_lead(f);
    rules(f, "[{\"match\": \"(?s).{20000}\", \"status\": 413}]");
    assert_int_equal(fixture_write(f, 1, 64, 1000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 64, true);
    assert_int_equal(f->refused_count, 0);
    assert_int_equal(fixture_write(f, 65, 65, 30000, 0), 0);
    assert_int_equal(fixture_write(f, 66, 70, 0, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 66, 70, true);
    assert_int_equal(f->refused_count, 1);
    assert_int_equal(f->refused[0], 65);
}

static void test_dead_letters_without_room(void **state)
{
    struct fixture *f = *state;
    fixture_lead(f);
    rules(f, "[{\"match\": \"poison\", \"status\": 400}]");
    f->refuse_with = -ENOSPC;
    assert_int_equal(fixture_write(f, 1, 10, 0, 5), 0);
    fixture_says(f, "no room for dead letters");
    f->refuse_with = 0;
    fixture_accepted(f);
    assert_int_equal(f->refused_count, 2);
    fixture_expect(f, 6, 9, true);
}

/* ---- mistakes in the configuration ---- */

static void test_a_wrong_token(void **state)
{
    struct fixture *f = *state;
    const char *const options[] = {"--token", "right-token-0123456789", NULL};
    start_server(f, options);
    fixture_put(f, "token", 0600, "wrong-token-0123456789\n");
    snprintf(f->config.token_file, sizeof(f->config.token_file), "%s/token", f->place);
    fixture_lead(f);
    rules(f, "[{\"times\": 1, \"body\": \"not wrong-token-0123456789\"}]");
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f,
                 "answered 401; check token_file, or user and password_file" FH_SINK_SAYS "not *");
    assert_null(strstr(f->err.text, "wrong-token"));
    size_t before = requests(f);
    assert_int_equal(fixture_accept(f), -EAGAIN); /* no storm */
    assert_int_equal(requests(f), before);
    fixture_put(f, "token", 0600, "right-token-0123456789\n");
    f->ops->reload(f->sink, &f->config);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    assert_int_equal(f->refused_count, 0);
}

static void test_user_and_password(void **state)
{
    struct fixture *f = *state;
    const char *const options[] = {"--basic", "us:pa ss", NULL};
    start_server(f, options);
    fixture_put(f, "password", 0600, "pa ss\n");
    snprintf(f->config.user, sizeof(f->config.user), "us");
    snprintf(f->config.password_file, sizeof(f->config.password_file), "%s/password", f->place);
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    /* as it travels the password is only written otherwise, and must not be repeated either */
    rules(f, "[{\"times\": 1, \"status\": 403, \"body\": \"you sent Basic dXM6cGEgc3M=, pa ss\"}]");
    assert_int_equal(fixture_write(f, 11, 12, 0, 0), 0);
    fixture_says(f, "you sent Basic *, *");
    assert_null(strstr(f->err.text, "dXM6"));
}

/* Of some services the path alone is the key, and "Cannot POST PATH" the usual answer. */
static void test_what_we_sent_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    strncat(f->config.url, "/T0aB1cD2eF3gH4", 40);
    snprintf(f->config.headers[f->config.header_count++], sizeof(f->config.headers[0]),
             "X-Api-Key: k-0123456789abcdef");
    fixture_lead(f);
    rules(f, "[{\"times\": 1, \"status\": 404, \"body\": \"Cannot POST /in/T0aB1cD2eF3gH4, "
             "X-Api-Key: k-0123456789abcdef\"}]");
    assert_int_equal(fixture_write(f, 1, 2, 0, 0), 0);
    fixture_says(f, "Cannot POST *, X-Api-Key: *");
    assert_null(strstr(f->err.text, "T0aB1cD2"));
    assert_null(strstr(f->err.text, "k-01234"));
}

static void test_what_a_person_must_mend(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *rule, *sentence;
    } rows[] = {{"[{\"times\": 1, \"status\": 403}]", "answered 403"},
                {"[{\"times\": 1, \"status\": 404}]", "answered 404; check url" FH_SINK_SAYS "no"},
                {"[{\"times\": 1, \"status\": 301, \"headers\": {\"Location\": \"/x\"}}]",
                 "redirects are not followed"},
                {"[{\"times\": 1, \"status\": 415}]", "check body and the header Content-Type"}};
    fixture_lead(f);
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        unsigned first = (unsigned)i * 10 + 1;
        rules(f, rows[i].rule);
        assert_int_equal(fixture_write(f, first, first + 9, 0, 0), 0);
        fixture_says(f, rows[i].sentence);
        f->ops->reload(f->sink, &f->config); /* as after SIGHUP */
        fixture_accepted(f);
        fixture_expect(f, first, first + 9, true);
    }
    assert_int_equal(f->refused_count, 0);
}

static void test_a_stranger_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    snprintf(f->config.ca_file, sizeof(f->config.ca_file), "%s/other-ca.pem", f->place);
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "check url, ca_file");
    assert_int_equal(requests(f), 0);
    assert_int_equal(f->refused_count, 0);
}

/* The directory of the system's authorities is ours for this process alone from here on, and trusts
 * the server. */
static bool trust_the_server(struct fixture *f)
{
    char place[80];
    char command[512];
    snprintf(place, sizeof(place), "%s/system", f->place);
    snprintf(command, sizeof(command),
             "cd '%s' && mkdir system && cp other-ca.pem system/ca-certificates.crt && cp ca.pem "
             "system/$(openssl x509 -hash -noout -in ca.pem).0",
             f->place);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(place, SYSTEM_AUTHORITIES, NULL, MS_BIND, NULL) == 0;
}

static void test_the_system_s_authorities_are_replaced(void **state)
{
    struct fixture *f = *state;
    f->config.ca_file[0] = '\0';
    if (!trust_the_server(f)) {
        skip(); /* not root, or another system */
    }
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    int r;
    while ((r = fixture_accept(f)) == -EAGAIN && !strstr(f->err.text, "ca_file")) {
    }
    f->ops->close(f->sink);
    snprintf(f->config.ca_file, sizeof(f->config.ca_file), "%s/other-ca.pem", f->place);
    fixture_lead(f);
    size_t before = requests(f);
    assert_int_equal(fixture_write(f, 11, 20, 0, 0), 0);
    fixture_says(f, "check url, ca_file");
    assert_int_equal(requests(f), before);
    assert_int_equal(umount(SYSTEM_AUTHORITIES), 0);
    if (r != 0) {
        skip(); /* a libcurl that knows a file only */
    }
}

static void test_a_certificate_of_ours(void **state)
{
    struct fixture *f = *state;
    const char *const options[] = {"--client-cert", NULL};
    start_server(f, options);
    f->config.timeout_ms = 2000;
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "no answer of https://");
    assert_int_equal(requests(f), 0);
    f->ops->close(f->sink);
    f->sink = NULL;
    f->config.timeout_ms = FIXTURE_PATIENCE_MS;
    snprintf(f->config.cert_file, sizeof(f->config.cert_file), "%s/client.pem", f->place);
    snprintf(f->config.key_file, sizeof(f->config.key_file), "%s/client.key", f->place);
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
}

static void refuses_to_open(struct fixture *f, const char *words)
{
    assert_true(f->ops->open(&f->config, &f->context, &f->err, &f->sink) < 0);
    if (!strstr(f->err.text, words)) {
        fail_msg("\"%s\" instead of: %s", f->err.text, words);
    }
}

static void test_what_is_refused_at_once(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *url, *sentence;
    } rows[] = {{"http://events.example/in", "must be https"},
                {"http://127.0.0.1.example/in", "must be https"},
                {"ftp://127.0.0.1/in", "https://"},
                {"events.example/in", "url"},
                {"https://us:er@events.example/in", "must not contain a user"},
                {"https://", "url"}};
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        snprintf(f->config.url, sizeof(f->config.url), "%s", rows[i].url);
        refuses_to_open(f, rows[i].sentence);
    }
    snprintf(f->config.url, sizeof(f->config.url), "https://events.example/in?sig=1");
    snprintf(f->config.headers[0], sizeof(f->config.headers[0]), "idempotency-key: 1");
    f->config.header_count = 1;
    refuses_to_open(f, "is set by firehosed");
    snprintf(f->config.headers[0], sizeof(f->config.headers[0]), "no header");
    refuses_to_open(f, "must look like");
    f->config.header_count = 0;
    fixture_put(f, "token", 0644, "token");
    snprintf(f->config.token_file, sizeof(f->config.token_file), "%s/token", f->place);
    refuses_to_open(f, "token_file");
    fixture_put(f, "token", 0600, "to ken");
    refuses_to_open(f, "must hold the token alone");
    fixture_put(f, "token", 0600, "token");
    snprintf(f->config.user, sizeof(f->config.user), "us");
    refuses_to_open(f, "exclude each other");
    f->config.token_file[0] = '\0';
    refuses_to_open(f, "belong together");
    f->config.user[0] = '\0';
    snprintf(f->config.ca_file, sizeof(f->config.ca_file), "%s/nothing", f->place);
    refuses_to_open(f, "ca_file");
    f->config.ca_file[0] = '\0';
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &f->sink), 0);
}

/* ---- order ---- */

/* Answers that take their time: devices keep their order, and no more than concurrency requests are
 * under way at a time. */
static void test_devices_keep_their_order(void **state)
{
    struct fixture *f = *state;
    f->config.batch_records = 50;
    f->config.batch_ms = FIXTURE_PATIENCE_MS; /* due when it is full, and for no other reason */
    f->devices = 23;
    fixture_lead(f);
    rules(f, "[{\"times\": 3, \"hang\": 0.2, \"together\": 2}, {\"times\": 2, \"status\": 500}, "
             "{\"times\": 2, \"hang\": 0.1, \"status\": 502}, {\"times\": 5, \"hang\": 0.05}]");
    unsigned next = 1;
    for (int batch = 0; batch < 5; batch++) {
        while (f->ops->due_in(f->sink, fh_now()) != 0) {
            assert_int_equal(fixture_write(f, next, next + 9, 100, 0), 0);
            next += 10;
        }
        assert_int_equal(fixture_write(f, next, next, 0, 0), -EAGAIN);
        fixture_accepted(f);
    }
    fixture_expect(f, 1, next - 1, true);
    double began[64];
    double ended[64];
    size_t count = requests(f);
    assert_true(count >= 20 && count < 64);
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        char value[64];
        request(f, i, "began", value);
        began[i] = atof(value);
        request(f, i, "ended", value);
        ended[i] = atof(value);
    }
    for (size_t i = 0; i < count; i++) {
        size_t together = 0;
        for (size_t k = 0; k < count; k++) {
            together += began[k] <= began[i] && ended[k] > began[i];
        }
        most = together > most ? together : most;
    }
    assert_true(most >= 2 && most <= 4);
}

/* Another server in the place of the one that is there, at the same port: what the sink sent before
 * went with the first, so whatever this one hears was sent since. */
static void replace_server(struct fixture *f)
{
    stop(&server, SIGKILL);
    start_server(f, NULL);
}

static void test_fenced_in_the_middle(void **state)
{
    struct fixture *f = *state;
    fixture_lead(f);
    rules(f, "[{\"status\": 500}]");
    assert_int_equal(fixture_write(f, 1, 10, 100000, 0), 0);
    fixture_says(f, "answered 500");
    f->fenced = true;
    fixture_says(f, "must keep quiet"); /* what was under way is given up */
    replace_server(f);
    size_t before = requests(f);
    assert_true(before > 0);
    for (int i = 0; i < 4; i++) { /* longer than the back-off */
        assert_int_equal(fixture_accept(f), -EAGAIN);
        usleep(100000);
    }
    assert_int_equal(requests(f), before);
    f->fenced = false;
    fixture_accepted(f);
    fixture_expect(f, 1, 10, true);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    assert_true(fixture_write(f, 11, 20, 0, 0) < 0); /* not before the next lead */
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup_with_server, teardown)
#define WITHOUT(test)     cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_a_request_says_what_it_is),
        WITH_SERVER(test_arrays),
        WITH_SERVER(test_over_http_2),
        WITH_SERVER(test_the_same_request_again),
        WITH_SERVER(test_retry_after_is_honoured),
        WITH_SERVER(test_retry_after_outlasts_an_acceptance),
        WITH_SERVER(test_a_connection_that_is_cut),
        WITH_SERVER(test_no_answer_in_time),
        WITH_SERVER(test_an_answer_without_end),
        WITH_SERVER(test_refused_records_are_put_aside),
        WITH_SERVER(test_too_large),
        WITH_SERVER(test_dead_letters_without_room),
        WITHOUT(test_a_wrong_token),
        WITHOUT(test_user_and_password),
        WITH_SERVER(test_what_we_sent_is_not_repeated),
        WITH_SERVER(test_what_a_person_must_mend),
        WITH_SERVER(test_a_stranger_is_not_trusted),
        WITHOUT(test_a_certificate_of_ours),
        WITHOUT(test_what_is_refused_at_once),
        WITH_SERVER(test_devices_keep_their_order),
        WITH_SERVER(test_fenced_in_the_middle),
        WITH_SERVER(test_the_system_s_authorities_are_replaced),
    };
    if (access("/usr/bin/python3", X_OK) != 0) {
        printf("SKIPPED: no /usr/bin/python3\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
