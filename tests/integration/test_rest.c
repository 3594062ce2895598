/* test_rest.c: the REST client against a scripted server: what is asked, what is kept, what each
 * kind of trouble becomes, and that the key goes nowhere else. */
#include "client_limits.h"
#include "scripted_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

#define PATIENCE_MS 60000

#define KEY "0123456789ABCDEF0123456789ABCDEF"
#define PNG "\x89PNG\r\n\x1a\nrest"
#define MAP "{\"imageWidth\":10,\"imageHeight\":20,\"dimension\":{\"length\":2,\"width\":3}}"

static struct fh_time test_now;

static struct fh_time get_now(void)
{
    return test_now;
}

struct fixture {
    struct scripted_server server;
    struct scripted_server elsewhere;
    struct fh_config config;
    struct fh_rest_limits limits;
    struct fh_rest *rest;
    struct fh_error err;
    _Atomic(const char *) answer; /* head and body, "%s" stands for what the test gives */
    _Atomic(const char *) word;
    atomic_uint asked_elsewhere;
};

static int setup(void **state)
{
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < FH_ARRAY_LEN(variables); i++) {
        unsetenv(variables[i]);
    }
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture) {
        return -1;
    }
    test_now = fh_now();
    fixture->config.firehose.connect_timeout_ms = PATIENCE_MS;
    fixture->limits = fh_rest_limits;
    fixture->limits.timeout_ms = PATIENCE_MS;
    fixture->limits.now = get_now;
    fixture->word = "";
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    fh_rest_free(fixture->rest);
    if (fixture->server.port > 0) {
        scripted_server_stop(&fixture->server);
    }
    if (fixture->elsewhere.port > 0) {
        scripted_server_stop(&fixture->elsewhere);
    }
    free(fixture);
    return 0;
}

/* Says the same to every connection, then closes. */
static void play_answer(struct scripted_peer *peer, void *userdata)
{
    struct fixture *fixture = userdata;
    char text[4096];
    snprintf(text, sizeof(text), "%s", fixture->answer);
    char *mark = strstr(text, "%s");
    if (mark) {
        char rest[2048];
        snprintf(rest, sizeof(rest), "%s", mark + 2);
        snprintf(mark, sizeof(text) - (size_t)(mark - text), "%s%s", fixture->word, rest);
    }
    peer_send(peer, text, strlen(text));
}

static void play_elsewhere(struct scripted_peer *peer, void *userdata)
{
    struct fixture *fixture = userdata;
    atomic_fetch_add(&fixture->asked_elsewhere, 1);
    peer_print(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

static void start(struct fixture *fixture, scripted_play play, bool tls)
{
    fixture->server.play = play;
    fixture->server.userdata = fixture;
    fixture->server.tls = tls;
    scripted_server_start(&fixture->server);
    snprintf(fixture->config.firehose.url, sizeof(fixture->config.firehose.url), "%s//",
             fixture->server.url);
    snprintf(fixture->config.firehose.ca_file, sizeof(fixture->config.firehose.ca_file), "%s",
             fixture->server.ca_file);
    assert_int_equal(
        fh_rest_new_limited(&fixture->config, KEY, &fixture->limits, &fixture->err, &fixture->rest),
        0);
}

static int ask_map(struct fixture *fixture, const char *id)
{
    struct fh_rest_map map = {.id = ""};
    fixture->err.text[0] = '\0';
    int r = fh_rest_map(fixture->rest, id, NULL, &map, &fixture->err);
    assert_null(strstr(fixture->err.text, KEY));
    assert_true(r < 0 ? fixture->err.text[0] != '\0' : strcmp(map.id, id) == 0);
    return r;
}

static int ask_image(struct fixture *fixture, const char *id, struct fh_buf *ret)
{
    const char *type = NULL;
    int r = fh_rest_map_image(fixture->rest, id, "TENANT", ret, &type, &fixture->err);
    assert_true(r < 0 || strcmp(type, "image/png") == 0);
    return r;
}

static void expect(struct fixture *fixture, const char *needle)
{
    if (!strstr(fixture->err.text, needle)) {
        fail_msg("\"%s\" is not in \"%s\"", needle, fixture->err.text);
    }
}

/* ---- what is asked ---- */

static void test_request(void **state)
{
    struct fixture *fixture = *state;
    char head[4096];
    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                      "{\"location\":{\"locationId\":\"location-1\",\"name\":\"Floor 1\"}}";
    start(fixture, play_answer, true);
    cJSON *object = NULL;
    assert_int_equal(fh_rest_location(fixture->rest, "location-1", "A/B", &object, &fixture->err),
                     0);
    assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(object, "location"), "name"));
    cJSON_Delete(object);
    scripted_request(&fixture->server, 0, head, sizeof(head));
    static const char line[] =
        "GET /api/partners/v1/locations/location-1?partnerTenantId=A%2FB HTTP/1.1\r\n";
    assert_memory_equal(head, line, strlen(line));
    assert_non_null(strstr(head, "\r\nX-API-KEY: " KEY "\r\n"));
    assert_non_null(strstr(head, "\r\nAccept: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nUser-Agent: firehosed/" FH_VERSION "\r\n"));
    assert_null(strstr(head, "Accept-Encoding"));

    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n" PNG;
    struct fh_buf image;
    fh_buf_init(&image, 1000);
    assert_int_equal(fh_buf_append(&image, "old", 3), 0);
    assert_int_equal(ask_image(fixture, "ab", &image), 0);
    assert_int_equal(image.len, sizeof(PNG) - 1);
    assert_memory_equal(image.data, PNG, sizeof(PNG) - 1);
    fh_buf_done(&image);
    fh_buf_init(&image, 5);
    assert_int_equal(ask_image(fixture, "ab", &image), -EMSGSIZE);
    fh_buf_done(&image);
    scripted_request(&fixture->server, 1, head, sizeof(head));
    assert_non_null(strstr(head, "GET /api/partners/v1/maps/ab/image?partnerTenantId=TENANT "));
    assert_int_equal(scripted_requests(&fixture->server), 2);
}

/* ---- what is kept ---- */

static void test_kept(void **state)
{
    struct fixture *fixture = *state;
    struct fh_time begin = test_now;
    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" MAP;
    start(fixture, play_answer, false);
    assert_int_equal(ask_map(fixture, "a"), 0);
    test_now = fh_time_add_ms(begin, 599999);
    assert_int_equal(ask_map(fixture, "a"), 0);
    assert_int_equal(scripted_requests(&fixture->server), 1);
    test_now = fh_time_add_ms(begin, 600000);
    assert_int_equal(ask_map(fixture, "a"), 0);
    assert_int_equal(scripted_requests(&fixture->server), 2);

    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" PNG;
    struct fh_buf image;
    fh_buf_init(&image, 1000);
    assert_int_equal(ask_image(fixture, "a", &image), 0);
    test_now = fh_time_add_ms(test_now, 86399999);
    assert_int_equal(ask_image(fixture, "a", &image), 0);
    assert_int_equal(scripted_requests(&fixture->server), 3);
    test_now = fh_time_add_ms(test_now, 1);
    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<svg>";
    assert_int_equal(ask_image(fixture, "a", &image), -EBADMSG);
    expect(fixture, "neither a PNG nor a JPEG");
    assert_int_equal(image.len, sizeof(PNG) - 1); /* untouched */
    assert_int_equal(ask_image(fixture, "a", &image), -EBADMSG);
    assert_int_equal(scripted_requests(&fixture->server), 4);
    fh_buf_done(&image);
}

static const struct {
    const char *status;
    int code;
    const char *sentence;
    int kept_ms;
} refusals[] = {
    {"400 Bad", -EBADMSG, "rejects the request", 60000},
    {"401 No", -EACCES, "API key is missing, invalid or blocked", 60000},
    {"403 No", -EACCES, "may not ask for this tenant", 60000},
    {"404 No", -ENOENT, "knows no such thing", 60000},
    {"408 Slow", -EAGAIN, "too slow", 10000},
    {"418 Odd", -EBADMSG, "not documented", 60000},
    {"204 Empty", -EBADMSG, "not documented", 60000},
    {"500 Trouble", -EAGAIN, "problem of its own", 10000},
    {"502 Trouble", -EAGAIN, "problem of its own", 10000},
};

static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->answer = "HTTP/1.1 %s\r\nConnection: close\r\n\r\n"
                      "{\"status\":false,\"message\":\"never " KEY " \\u0007 again\"}";
    start(fixture, play_answer, false);
    for (unsigned i = 0; i < FH_ARRAY_LEN(refusals); i++) {
        char id[8];
        struct fh_time begin = test_now;
        unsigned before = scripted_requests(&fixture->server);
        snprintf(id, sizeof(id), "m%u", i);
        fixture->word = refusals[i].status;
        assert_int_equal(ask_map(fixture, id), refusals[i].code);
        expect(fixture, refusals[i].sentence);
        assert_true(strncmp(refusals[i].status, "204", 3) == 0 ||
                    strstr(fixture->err.text, "(the server says: never [key] ? again)"));
        test_now = fh_time_add_ms(begin, refusals[i].kept_ms - 1);
        assert_int_equal(ask_map(fixture, id), refusals[i].code);
        expect(fixture, refusals[i].sentence);
        assert_int_equal(scripted_requests(&fixture->server), before + 1);
        test_now = fh_time_add_ms(begin, refusals[i].kept_ms);
        assert_int_equal(ask_map(fixture, id), refusals[i].code);
        assert_int_equal(scripted_requests(&fixture->server), before + 2);
        test_now = fh_time_add_ms(test_now, 60000);
    }
}

/* ---- how often ---- */

static void test_pause(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *word;
        int64_t ms;
    } pauses[] = {
        {"429 Slow down", 10000},
        {"429 Slow down\r\nRetry-After: 40", 40000},
        {"503 Later\r\nRetry-After: 86400", 600000},
    };
    start(fixture, play_answer, false);
    for (size_t i = 0; i < FH_ARRAY_LEN(pauses); i++) {
        struct fh_time begin = test_now;
        fixture->answer = "HTTP/1.1 %s\r\nConnection: close\r\n\r\n";
        fixture->word = pauses[i].word;
        assert_int_equal(ask_map(fixture, "a"), -EAGAIN);
        unsigned before = scripted_requests(&fixture->server);
        test_now = fh_time_add_ms(begin, pauses[i].ms - 1);
        assert_int_equal(ask_map(fixture, "other"), -EAGAIN);
        expect(fixture, "asked for a pause");
        assert_int_equal(scripted_requests(&fixture->server), before);
        test_now = fh_time_add_ms(begin, pauses[i].ms);
        fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" MAP;
        assert_int_equal(ask_map(fixture, "other"), 0); /* the limit is not kept as a refusal */
        test_now = fh_time_add_ms(begin, 2000000);
    }
}

static void test_per_minute(void **state)
{
    struct fixture *fixture = *state;
    struct fh_time begin = test_now;
    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" MAP;
    fixture->limits.per_minute = 3;
    start(fixture, play_answer, false);
    for (unsigned i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%u", i);
        test_now = fh_time_add_ms(begin, (int64_t)i * 1000);
        assert_int_equal(ask_map(fixture, id), 0);
    }
    assert_int_equal(ask_map(fixture, "m4"), -EAGAIN);
    expect(fixture, "no more than 3 requests");
    assert_int_equal(ask_map(fixture, "m1"), 0); /* the cache needs none */
    test_now = fh_time_add_ms(begin, 60000);
    assert_int_equal(ask_map(fixture, "m4"), 0);
    assert_int_equal(ask_map(fixture, "m5"), -EAGAIN);
    test_now = fh_time_add_ms(begin, 61000);
    assert_int_equal(ask_map(fixture, "m5"), 0);
    assert_int_equal(scripted_requests(&fixture->server), 5);
}

/* ---- trouble ---- */

static void play_endless(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    static char bytes[4096];
    memset(bytes, ' ', sizeof(bytes));
    peer_print(peer, "HTTP/1.1 200 OK\r\n\r\n{");
    while (peer_send(peer, bytes, sizeof(bytes))) {
    }
}

static void play_announced(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_print(peer, "HTTP/1.1 404 No\r\n\r\n");
    static char bytes[4096];
    memset(bytes, 'x', sizeof(bytes));
    while (peer_send(peer, bytes, sizeof(bytes))) {
    }
}

static void test_too_large(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.answer_max = 100000;
    start(fixture, play_endless, false);
    assert_int_equal(ask_map(fixture, "a"), -EMSGSIZE);
    expect(fixture, "larger than 100000 bytes");
    assert_int_equal(ask_map(fixture, "a"), -EMSGSIZE);
    assert_int_equal(scripted_requests(&fixture->server), 1);
}

static void test_endless_refusal(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, play_announced, false);
    assert_int_equal(ask_map(fixture, "a"), -ENOENT);
}

static void play_silent(struct scripted_peer *peer, void *userdata)
{
    (void)userdata;
    peer_wait_closed(peer);
}

static void test_slow(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.timeout_ms = 300;
    start(fixture, play_silent, false);
    assert_int_equal(ask_map(fixture, "a"), -ETIMEDOUT);
    assert_int_equal(ask_map(fixture, "a"), -ETIMEDOUT);
    assert_true(scripted_requests(&fixture->server) <= 1); /* it, or we, may have been too slow */
}

static void *cancel_soon(void *userdata)
{
    struct fixture *fixture = userdata;
    scripted_wait_requests(&fixture->server, 1);
    fh_rest_cancel(fixture->rest);
    return NULL;
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;
    start(fixture, play_silent, false);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, fixture), 0);
    int r = ask_map(fixture, "a");
    pthread_join(thread, NULL);
    assert_int_equal(r, -ECANCELED);
    assert_int_equal(ask_map(fixture, "b"), -ECANCELED);
    assert_int_equal(scripted_requests(&fixture->server), 1);
}

static void test_not_reached(void **state)
{
    struct fixture *fixture = *state;
    fixture->answer = "";
    start(fixture, play_answer, false);
    assert_int_equal(ask_map(fixture, "a"), -EAGAIN);
    expect(fixture, "the connection broke");
    scripted_server_stop(&fixture->server);
    fixture->server.port = 0;
    assert_int_equal(ask_map(fixture, "b"), -EAGAIN);
    assert_int_equal(ask_map(fixture, "b"), -EAGAIN);
}

static void test_not_trusted(void **state)
{
    struct fixture *fixture = *state;
    fixture->answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" MAP;
    start(fixture, play_answer, true);
    fh_rest_free(fixture->rest);
    fixture->rest = NULL;
    fixture->config.firehose.ca_file[0] = '\0';
    assert_int_equal(
        fh_rest_new_limited(&fixture->config, KEY, &fixture->limits, &fixture->err, &fixture->rest),
        0);
    assert_int_equal(ask_map(fixture, "a"), -EAGAIN);
    expect(fixture, "not trusted by the system");
    assert_int_equal(scripted_requests(&fixture->server), 0); /* nobody saw the key */
}

static void test_new(void **state)
{
    struct fixture *fixture = *state;
    char key[FH_API_KEY_MAX + 8];
    memset(key, 'K', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    struct fh_error *err = &fixture->err;
    assert_int_equal(fh_rest_new(&fixture->config, "", err, &fixture->rest), -EINVAL);
    assert_int_equal(fh_rest_new(&fixture->config, key, err, &fixture->rest), -EINVAL);
    assert_int_equal(fh_rest_new(&fixture->config, "K\r\nX: y", err, &fixture->rest), -EINVAL);
    snprintf(fixture->config.firehose.ca_file, sizeof(fixture->config.firehose.ca_file), "/none");
    assert_int_equal(fh_rest_new(&fixture->config, "K", err, &fixture->rest), -ENOENT);
    expect(fixture, "/none");
    assert_null(fixture->rest);
    fh_rest_free(NULL);
}

/* ---- redirects ---- */

/* The first leads to the second, the second answers. */
static void play_redirect(struct scripted_peer *peer, void *userdata)
{
    struct fixture *fixture = userdata;
    if (strstr(peer->request, "/moved ")) {
        peer_print(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" MAP);
    } else {
        peer_print(peer, "HTTP/1.1 307 There\r\nLocation: %s\r\nConnection: close\r\n\r\n",
                   fixture->word);
    }
}

static void test_redirect(void **state)
{
    struct fixture *fixture = *state;
    char url[128];
    fixture->word = "/moved";
    start(fixture, play_redirect, false);
    fixture->elsewhere.play = play_elsewhere;
    fixture->elsewhere.userdata = fixture;
    scripted_server_start(&fixture->elsewhere);
    assert_int_equal(ask_map(fixture, "a"), 0);
    assert_int_equal(scripted_requests(&fixture->server), 2);
    char head[4096];
    scripted_request(&fixture->server, 1, head, sizeof(head));
    assert_non_null(strstr(head, "X-API-KEY: " KEY));

    snprintf(url, sizeof(url), "%s/moved?k=" KEY, fixture->elsewhere.url);
    fixture->word = url;
    assert_int_equal(ask_map(fixture, "b"), -EBADMSG);
    expect(fixture, "redirect to another server is not followed");
    expect(fixture, "[key]");
    fixture->word = "file:///etc/passwd";
    assert_int_equal(ask_map(fixture, "c"), -EBADMSG);
    fixture->word = "/elsewhere";
    unsigned before = scripted_requests(&fixture->server);
    assert_int_equal(ask_map(fixture, "d"), -EBADMSG);
    expect(fixture, "too often");
    assert_int_equal(scripted_requests(&fixture->server), before + 4);
    assert_int_equal(atomic_load(&fixture->asked_elsewhere), 0);
}

/* A proxy that only tunnels must not see the key; one that refuses is named. */
static void test_proxy(void **state)
{
    struct fixture *fixture = *state;
    char head[4096];
    fixture->answer = "HTTP/1.1 407 Who are you\r\nConnection: close\r\n\r\n";
    start(fixture, play_answer, false);
    fh_rest_free(fixture->rest);
    fixture->rest = NULL;
    struct fh_config_firehose *firehose = &fixture->config.firehose;
    snprintf(firehose->proxy, sizeof(firehose->proxy), "%s", fixture->server.url);
    snprintf(firehose->url, sizeof(firehose->url), "https://service.invalid");
    assert_int_equal(
        fh_rest_new_limited(&fixture->config, KEY, &fixture->limits, &fixture->err, &fixture->rest),
        0);
    assert_int_equal(ask_map(fixture, "a"), -EACCES);
    expect(fixture, "check firehose.proxy");
    scripted_request(&fixture->server, 0, head, sizeof(head));
    assert_memory_equal(head, "CONNECT service.invalid:443 ", 28);
    assert_null(strstr(head, KEY));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_request),    CASE(test_kept),        CASE(test_refused),         CASE(test_pause),
        CASE(test_per_minute), CASE(test_too_large),   CASE(test_endless_refusal), CASE(test_slow),
        CASE(test_cancel),     CASE(test_not_reached), CASE(test_not_trusted),     CASE(test_new),
        CASE(test_redirect),   CASE(test_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
