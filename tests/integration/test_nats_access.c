/* test_nats_access.c: the NATS sink and who may do what: TLS with and without our certificate,
 * users, tokens, credentials files, permissions; and that no sentence gives a secret away. */
#include "nats_creds.h"
#include "nats_far.h"

#include "fh/clock.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define SECRET "s3cret-0f-the-test"

static struct far_server server;
static struct far_node a;

static int set_up(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    far_server_place(&server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (a.sink) {
        far_node_close(&a);
    }
    far_server_done(&server);
    return 0;
}

static void path_of(char path[FH_PATH_MAX], const char *name)
{
    snprintf(path, FH_PATH_MAX, "%s/%s", server.directory, name);
}

static void put_file(const char *name, const char *text, mode_t mode)
{
    char path[FH_PATH_MAX];
    path_of(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void configure(const char *scheme)
{
    far_node_config(&a, server.port);
    snprintf(a.config.servers[0], sizeof(a.config.servers[0]), "%s://%s:%d", scheme, far_host(),
             server.port);
    a.config.stream_replicas = 1;
}

static void assert_says(const char *expected)
{
    if (!strstr(a.err.text, expected)) {
        fail_msg("\"%s\" does not say \"%s\"", a.err.text, expected);
    }
    assert_null(strstr(a.err.text, SECRET));
}

static void assert_works(void)
{
    assert_int_equal(far_node_open(&a), 0);
    far_node_lead(&a, 2);
    far_node_recover(&a, "", 0);
    far_node_deliver(&a, 1, 20);
    assert_true(strncmp(a.position, "20 ", 3) == 0);
    far_node_close(&a);
}

static void assert_no_lead(const char *expected)
{
    assert_int_equal(far_node_open(&a), 0);
    far_node_no_lead(&a, 2, expected);
    assert_says(expected);
    far_node_close(&a);
}

static void assert_no_open(const char *expected)
{
    assert_true(far_node_open(&a) < 0);
    assert_says(expected);
}

/* ---- TLS ---- */

static void make_certificates(void)
{
    char command[4096];
    snprintf(command, sizeof(command),
             "cd '%s' && exec >/dev/null 2>&1 && for ca in ca other; do openssl req -x509 -newkey "
             "ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$ca -days 2 -keyout $ca.key "
             "-out $ca.pem || exit 1; done && for who in server:IP:%s "
             "wrong:DNS:elsewhere.example client:DNS:client; do name=${who%%%%:*}; openssl req "
             "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key "
             "-out $name.csr && printf 'subjectAltName=%%s\\n' \"${who#*:}\" >$name.ext && openssl "
             "x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "
             "$name.ext -out $name.pem || exit 1; done",
             server.directory, far_host());
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

static void start_tls(const char *name)
{
    char more[1024];
    const char *directory = server.directory;
    snprintf(more, sizeof(more),
             "tls: { cert_file: \"%s/%s.pem\", key_file: \"%s/%s.key\", ca_file: \"%s/ca.pem\", "
             "verify: true }",
             directory, name, directory, name, directory);
    far_server_start(&server, more);
    configure("tls");
    path_of(a.config.ca_file, "ca.pem");
    path_of(a.config.cert_file, "client.pem");
    path_of(a.config.key_file, "client.key");
}

static void test_tls(void **state)
{
    (void)state;
    make_certificates();
    start_tls("server");
    assert_works();
    char ca[FH_PATH_MAX];
    path_of(ca, "ca.pem");
    a.config.ca_file[0] = '\0'; /* the system's, which OpenSSL looks for here */
    assert_no_lead("check ca_file");
    setenv("SSL_CERT_FILE", ca, 1);
    assert_works();
    unsetenv("SSL_CERT_FILE");
    path_of(a.config.ca_file, "other.pem");
    assert_no_lead("check ca_file");
    path_of(a.config.ca_file, "none.pem");
    assert_no_lead("cannot prepare the connection");
    path_of(a.config.ca_file, "ca.pem");
    a.config.key_file[0] = '\0';
    assert_no_open("belong together");
    a.config.cert_file[0] = '\0';
    assert_no_lead("cannot ");
    configure("nats");
    assert_no_lead("check ca_file"); /* the server asks for TLS, whatever we wrote */
    path_of(a.config.ca_file, "ca.pem");
    assert_no_open("mean nothing without tls://");
}

static void test_tls_to_another_host(void **state)
{
    (void)state;
    make_certificates();
    start_tls("wrong");
    assert_no_lead("check ca_file");
}

static void test_tls_is_not_there(void **state)
{
    (void)state;
    far_server_start(&server, NULL);
    configure("tls");
    assert_no_lead("give the server TLS");
    snprintf(a.config.servers[1], sizeof(a.config.servers[1]), "nats://%s:%d", far_host(),
             server.port);
    a.config.server_count = 2;
    assert_no_open("all nats://, or all tls://");
}

/* ---- who we are ---- */

static void test_user(void **state)
{
    (void)state;
    far_server_start(&server, "authorization: { user: fh, password: \"" SECRET "\" }");
    configure("nats");
    assert_no_lead("check user, password_file");
    snprintf(a.config.user, sizeof(a.config.user), "fh");
    assert_no_open("belong together");
    path_of(a.config.password_file, "password");
    assert_no_open("password_file");
    put_file("password", SECRET "\n", 0644);
    assert_no_open("password_file");
    put_file("password", " \n", 0600);
    assert_no_open("is empty");
    put_file("password", "x" SECRET "\n", 0600);
    assert_no_lead("check user, password_file");
    put_file("password", SECRET "\n", 0600);
    assert_works();
    path_of(a.config.token_file, "password");
    assert_no_open("not several");
}

static void test_token(void **state)
{
    (void)state;
    far_server_start(&server, "authorization: { token: \"" SECRET "\" }");
    configure("nats");
    path_of(a.config.token_file, "token");
    put_file("token", "another", 0600);
    assert_no_lead("token_file");
    put_file("token", SECRET, 0600);
    assert_works();
}

static void test_credentials(void **state)
{
    (void)state;
    char more[4096];
    char credentials[4096];
    char wrong[4096];
    nats_creds_make(more, sizeof(more), credentials, wrong, sizeof(credentials));
    far_server_start(&server, more);
    configure("nats");
    assert_no_lead("credentials_file");
    path_of(a.config.credentials_file, "creds");
    assert_no_open("credentials_file");
    put_file("creds", wrong, 0600);
    assert_no_lead("credentials_file");
    put_file("creds", credentials, 0600);
    assert_works();
}

/* ---- what we may ---- */

#define PERMISSIONS(publish)                                                                       \
    "authorization: { users: [ { user: fh, password: \"" SECRET                                    \
    "\", permissions: { publish: [ " publish " ], subscribe: \">\" } } ] }"

static void test_permissions(void **state)
{
    (void)state;
    char position[FH_SINK_POSITION_MAX] = "";
    far_server_start(&server, PERMISSIONS("\"firehose.>\""));
    configure("nats");
    snprintf(a.config.user, sizeof(a.config.user), "fh");
    path_of(a.config.password_file, "password");
    put_file("password", SECRET, 0600);
    assert_no_lead("grant this user the subject");

    far_server_change(&server, PERMISSIONS("\"$JS.>\""));
    assert_int_equal(far_node_open(&a), 0);
    far_node_lead(&a, 2);
    far_node_write(&a, 1, 20);
    struct fh_time since = fh_now();
    do {
        assert_int_equal(a.ops->accept(a.sink, position, &a.err), -EAGAIN);
        assert_true(fh_time_diff_ms(fh_now(), since) < FAR_PATIENCE_MS);
    } while (!strstr(a.err.text, "grant this user the subject"));
    assert_says("firehose.ten_ant_.A_TYPE_");

    far_server_change(&server, PERMISSIONS("\"$JS.>\", \"firehose.>\""));
    far_node_accept(&a);
    assert_true(strncmp(a.position, "20 ", 3) == 0);
    far_node_close(&a);

    /* What firehosed-sinks(7) says is enough. */
    far_server_change(&server,
                      PERMISSIONS("\"firehose.>\", \"$JS.API.STREAM.INFO.FIREHOSE\", "
                                  "\"$JS.API.STREAM.CREATE.FIREHOSE\", "
                                  "\"$JS.API.CONSUMER.*.FIREHOSE\", "
                                  "\"$JS.API.CONSUMER.*.FIREHOSE.>\", \"$JS.FC.FIREHOSE.>\""));
    assert_int_equal(far_node_open(&a), 0);
    far_node_lead(&a, 4);
    far_node_recover(&a, "", 0);
    assert_int_equal(a.found_count, 20);
    far_node_deliver(&a, 21, 40);
    assert_true(strncmp(a.position, "40 ", 3) == 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tls),
        TEST(test_tls_to_another_host),
        TEST(test_tls_is_not_there),
        TEST(test_user),
        TEST(test_token),
        TEST(test_credentials),
        TEST(test_permissions),
    };
    return far_possible() ? cmocka_run_group_tests(tests, NULL, far_library_done) : 77;
}
