/* test_etcd.c: the arbiter "etcd" against etcd itself, started here on the loopback: one member,
 * with and without TLS and users, stopped and started again; three members, one of them killed. */
#include "arbiter_client.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

/* A lease that is seen to run out (etcd grants none shorter); one that does not, however long this
 * machine stands still. */
#define SHORT_TTL 2000
#define LONG_TTL  300000
/* A request whose answer is awaited; one that nobody will answer, or not the first member. */
#define PATIENT_MS   60000
#define IMPATIENT_MS 3000
#define SLACK_MS     90000
#define MEMBERS      3

struct keys {
    char public[41];
    char secret[41];
};

static char directory[64];
static struct keys a_keys, b_keys;
static struct process member[MEMBERS];
static int client_port[MEMBERS], peer_port[MEMBERS];
static bool tls;
static int ttl, timeout_ms; /* of the clients that are made next */
static struct client a, b;

static void run(const char *format, ...) FH_PRINTF(1, 2);
static void run(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (system(command) != 0) {
        fail_msg("failed: %s", command);
    }
}

static void etcdctl(const char *arguments)
{
    char security[256] = "";
    if (tls) {
        snprintf(security, sizeof(security),
                 "--cacert %s/ca.pem --cert %s/node.pem --key %s/node.key", directory, directory,
                 directory);
    }
    run("ETCDCTL_API=3 etcdctl --dial-timeout 60s --command-timeout 60s --endpoints "
        "%s://127.0.0.1:%d %s %s >%s/etcdctl.log 2>&1",
        tls ? "https" : "http", client_port[0], security, arguments, directory);
}

static void start_member(int i, int members)
{
    char name[16];
    char data[128];
    char client_url[64];
    char peer_url[64];
    char cluster[256] = "";
    char file[4][128];
    snprintf(name, sizeof(name), "m%d", i);
    snprintf(data, sizeof(data), "%s/m%d", directory, i);
    snprintf(client_url, sizeof(client_url), "%s://127.0.0.1:%d", tls ? "https" : "http",
             client_port[i]);
    snprintf(peer_url, sizeof(peer_url), "http://127.0.0.1:%d", peer_port[i]);
    for (int k = 0; k < members; k++) {
        size_t used = strlen(cluster);
        snprintf(cluster + used, sizeof(cluster) - used, "%sm%d=http://127.0.0.1:%d",
                 k > 0 ? "," : "", k, peer_port[k]);
    }
    const char *const names[] = {"ca.pem", "server.pem", "server.key"};
    for (size_t k = 0; k < FH_ARRAY_LEN(names); k++) {
        snprintf(file[k], sizeof(file[k]), "%s/%s", directory, names[k]);
    }
    const char *arguments[40] = {"etcd", "--name", name, "--data-dir", data, "--listen-client-urls",
                                 client_url, "--advertise-client-urls", client_url,
                                 "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls",
                                 peer_url, "--initial-cluster", cluster,
                                 /* short, so that a new leader is there within a second */
                                 "--heartbeat-interval", "50", "--election-timeout", "500",
                                 "--logger", "zap", "--log-level", "warn"};
    size_t count = 0;
    while (arguments[count]) {
        count++;
    }
    if (tls) {
        const char *const more[] = {"--client-cert-auth",
                                    "--trusted-ca-file",
                                    file[0],
                                    "--cert-file",
                                    file[1],
                                    "--key-file",
                                    file[2]};
        memcpy(arguments + count, more, sizeof(more));
    }
    process_start(&member[i], arguments);
}

static struct fh_config config_of(const char *name, int members)
{
    struct fh_config config;
    memset(&config, 0, sizeof(config));
    snprintf(config.node.name, sizeof(config.node.name), "%s", name);
    memcpy(config.pair.peer_public_key, name[0] == 'a' ? b_keys.public : a_keys.public, 41);
    config.arbiter.type = FH_ARBITER_ETCD;
    config.arbiter.ttl_ms = ttl;
    config.arbiter.request_timeout_ms = timeout_ms;
    config.arbiter.endpoint_count = (size_t)members;
    for (int i = 0; i < members; i++) {
        snprintf(config.arbiter.endpoints[i], FH_URL_MAX, "%s://127.0.0.1:%d%s",
                 tls ? "https" : "http", client_port[i], i == 0 ? "/" : "");
    }
    if (tls) {
        snprintf(config.arbiter.ca_file, FH_PATH_MAX, "%s/ca.pem", directory);
        snprintf(config.arbiter.cert_file, FH_PATH_MAX, "%s/node.pem", directory);
        snprintf(config.arbiter.key_file, FH_PATH_MAX, "%s/node.key", directory);
    }
    return config;
}

static void connect_both(int members)
{
    struct fh_config config = config_of("a", members);
    client_new(&a, &config, a_keys.secret);
    config = config_of("b", members);
    client_new(&b, &config, b_keys.secret);
}

static void connect_again(int members, int new_ttl, int new_timeout_ms)
{
    client_free(&a);
    client_free(&b);
    ttl = new_ttl;
    timeout_ms = new_timeout_ms;
    connect_both(members);
}

static int set_up(void **state)
{
    (void)state;
    /* a data directory in memory where there is one: nothing here is about disks */
    snprintf(directory, sizeof(directory), "%s/fh-etcd-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    tls = false;
    ttl = LONG_TTL;
    timeout_ms = PATIENT_MS;
    for (int i = 0; i < MEMBERS; i++) {
        client_port[i] = free_port();
        peer_port[i] = free_port();
    }
    return mkdtemp(directory) && zmq_curve_keypair(a_keys.public, a_keys.secret) == 0 &&
                   zmq_curve_keypair(b_keys.public, b_keys.secret) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    client_free(&a);
    client_free(&b);
    for (int i = 0; i < MEMBERS; i++) {
        process_end(&member[i], SIGKILL);
    }
    run("rm -rf %s", directory);
    return 0;
}

static void grant_deny_renew_release(uint64_t epoch)
{
    client_ask_until(&a, ACQUIRE, epoch, FH_ARBITER_GRANTED, SLACK_MS);
    assert_int_equal(a.answer.ttl_ms, ttl);
    assert_int_equal(a.answer.epoch, epoch);
    assert_string_equal(a.answer.holder, "a");
    assert_int_equal(client_ask(&b, ACQUIRE, epoch + 1), FH_ARBITER_DENIED);
    assert_string_equal(b.answer.holder, "a");
    assert_int_equal(b.answer.epoch, epoch);
    assert_int_equal(client_ask(&a, ACQUIRE, epoch), FH_ARBITER_GRANTED); /* answer lost */
    assert_int_equal(client_ask(&a, RENEW, epoch), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&b, RELEASE, epoch + 1), FH_ARBITER_RELEASED);
    assert_int_equal(client_ask(&b, ACQUIRE, epoch + 1), FH_ARBITER_DENIED);
    assert_int_equal(client_ask(&a, RELEASE, epoch), FH_ARBITER_RELEASED);
    assert_int_equal(client_ask(&a, RENEW, epoch), FH_ARBITER_DENIED);
    assert_string_equal(a.answer.holder, "");
    assert_int_equal(client_ask(&b, ACQUIRE, epoch), FH_ARBITER_DENIED); /* spent */
    assert_int_equal(client_ask(&b, ACQUIRE, epoch + 1), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&a, ACQUIRE, epoch + 1), FH_ARBITER_DENIED);
    assert_string_equal(a.answer.holder, "b");
    assert_int_equal(client_ask(&b, RELEASE, epoch + 1), FH_ARBITER_RELEASED);
}

static void one_member(void **state)
{
    (void)state;
    start_member(0, 1);
    connect_both(1);
    grant_deny_renew_release(5);

    connect_again(1, SHORT_TTL, PATIENT_MS);
    uint64_t epoch = 10;
    struct fh_time last_asked = {0};
    client_ask_until(&a, ACQUIRE, epoch, FH_ARBITER_GRANTED, SLACK_MS);
    for (int i = 0; i < 12; i++) { /* twice its length */
        if (!client_renews_and_keeps(&a, &b, epoch, ttl, &last_asked)) {
            epoch += 2;
            client_ask_until(&a, ACQUIRE, epoch, FH_ARBITER_GRANTED, SLACK_MS);
            i = -1;
        }
        client_run(&a, ttl / 6);
    }
    client_ask_until(&b, ACQUIRE, epoch + 1, FH_ARBITER_GRANTED, SLACK_MS);
    int64_t took = fh_time_diff_ms(fh_now(), last_asked);
    printf("  taken over %d ms after the last renewal\n", (int)took);
    assert_true(took >= ttl);
    assert_int_equal(client_ask(&a, RENEW, epoch), FH_ARBITER_DENIED);
    assert_int_equal(a.answer.epoch, epoch + 1);

    /* ran out and nobody took it: the same epoch goes on, also in a new process */
    client_run(&b, ttl + 1500);
    connect_again(1, LONG_TTL, PATIENT_MS);
    assert_int_equal(client_ask(&b, RENEW, epoch + 1), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&a, ACQUIRE, epoch + 2), FH_ARBITER_DENIED);
}

static void keys_that_somebody_else_touches(void **state)
{
    (void)state;
    start_member(0, 1);
    struct fh_config config = config_of("a", 1);
    snprintf(config.arbiter.pair_name, sizeof(config.arbiter.pair_name), "campus");
    client_new(&a, &config, a_keys.secret);
    config = config_of("b", 1);
    snprintf(config.arbiter.pair_name, sizeof(config.arbiter.pair_name), "campus");
    client_new(&b, &config, b_keys.secret);
    client_ask_until(&a, ACQUIRE, 5, FH_ARBITER_GRANTED, SLACK_MS);

    /* gone, and taken by the other: that a's etcd lease is alive does not help it */
    etcdctl("del /firehosed/campus/lease");
    assert_int_equal(client_ask(&b, ACQUIRE, 5), FH_ARBITER_DENIED);
    assert_int_equal(client_ask(&b, ACQUIRE, 6), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_DENIED);
    assert_string_equal(a.answer.holder, "b");
    /* gone, and nobody took it: put there again */
    etcdctl("del /firehosed/campus/lease");
    assert_int_equal(client_ask(&b, RENEW, 6), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&a, ACQUIRE, 7), FH_ARBITER_DENIED);

    etcdctl("put /firehosed/campus/epoch nonsense");
    assert_int_equal(client_ask(&b, RENEW, 6), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(b.answer.text, "/firehosed/campus/ in etcd is no record of ours"));
}

static void stopped_and_started_again(void **state)
{
    (void)state;
    start_member(0, 1);
    connect_both(1);
    client_ask_until(&a, ACQUIRE, 5, FH_ARBITER_GRANTED, SLACK_MS);
    process_end(&member[0], SIGKILL);
    struct fh_time before = fh_now();
    assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "no etcd endpoint answers"));
    assert_true(fh_time_diff_ms(fh_now(), before) < PATIENT_MS); /* refused: told at once */
    start_member(0, 1);
    client_ask_until(&a, RENEW, 5, FH_ARBITER_GRANTED, SLACK_MS);
    assert_int_equal(client_ask(&b, ACQUIRE, 6), FH_ARBITER_DENIED);

    connect_again(1, LONG_TTL, IMPATIENT_MS);
    client_ask_until(&a, RENEW, 5, FH_ARBITER_GRANTED, SLACK_MS);
    process_end(&member[0], SIGSTOP); /* accepts connections, answers nothing */
    before = fh_now();
    assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_UNREACHABLE);
    assert_true(fh_time_diff_ms(fh_now(), before) >= IMPATIENT_MS - 100);
    process_end(&member[0], SIGCONT);
    client_ask_until(&a, RENEW, 5, FH_ARBITER_GRANTED, SLACK_MS);
}

static void tls_and_users(void **state)
{
    (void)state;
    tls = true;
    /* node.pem without a CommonName, as etcd wants it for its gateway; named.pem with one */
    run("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 "
        "-subj /CN=test-ca 2>/dev/null && printf 'subjectAltName=IP:127.0.0.1\\n' >ext && for n in "
        "server node named; do subject=/CN=firehosed; [ $n = node ] && subject=/O=firehosed; "
        "openssl req -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr -subj $subject 2>/dev/null "
        "&& openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $n.pem "
        "-days "
        "2 -extfile ext 2>/dev/null || exit 1; done",
        directory);
    start_member(0, 1);
    connect_both(1);
    grant_deny_renew_release(5);

    etcdctl("role add root");
    etcdctl("user add root:root-password");
    etcdctl("user grant-role root root");
    etcdctl("role add firehosed");
    etcdctl("role grant-permission firehosed readwrite --prefix /firehosed/");
    etcdctl("user add firehosed:s3cret");
    etcdctl("user grant-role firehosed firehosed");
    etcdctl("auth enable");
    assert_int_equal(client_ask(&a, ACQUIRE, 10), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "etcdserver: "));

    struct fh_config config = config_of("a", 1);
    snprintf(config.arbiter.user, sizeof(config.arbiter.user), "firehosed");
    snprintf(config.arbiter.password_file, FH_PATH_MAX, "%s/password", directory);
    write_file(config.arbiter.password_file, "wrong\n", 0600);
    client_free(&a);
    client_new(&a, &config, a_keys.secret);
    assert_int_equal(client_ask(&a, ACQUIRE, 10), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "authentication failed"));

    write_file(config.arbiter.password_file, "s3cret\n", 0600);
    client_free(&a);
    client_new(&a, &config, a_keys.secret);
    assert_int_equal(client_ask(&a, ACQUIRE, 10), FH_ARBITER_GRANTED);
    process_end(&member[0], SIGKILL); /* simple tokens do not outlive it */
    start_member(0, 1);
    client_ask_until(&a, RENEW, 10, FH_ARBITER_GRANTED, SLACK_MS);

    snprintf(config.arbiter.cert_file, FH_PATH_MAX, "%s/named.pem", directory);
    snprintf(config.arbiter.key_file, FH_PATH_MAX, "%s/named.key", directory);
    client_free(&a);
    client_new(&a, &config, a_keys.secret);
    assert_int_equal(client_ask(&a, RENEW, 10), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "CommonName"));

    /* a server whose certificate nobody we trust signed */
    config.arbiter.ca_file[0] = '\0';
    client_free(&a);
    client_new(&a, &config, a_keys.secret);
    assert_int_equal(client_ask(&a, RENEW, 10), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "certificate"));
}

static void three_members_outlive_one(void **state)
{
    (void)state;
    for (int i = 0; i < MEMBERS; i++) {
        start_member(i, MEMBERS);
    }
    connect_both(MEMBERS);
    grant_deny_renew_release(5);
    connect_again(MEMBERS, LONG_TTL, IMPATIENT_MS);
    client_ask_until(&a, ACQUIRE, 10, FH_ARBITER_GRANTED, SLACK_MS);
    /* whichever of them leads and whichever we talk to: each dies once */
    for (int i = 0; i < MEMBERS; i++) {
        process_end(&member[i], SIGKILL);
        int64_t took = client_ask_until(&a, RENEW, 10, FH_ARBITER_GRANTED, SLACK_MS);
        printf("  renewed %d ms after member %d was killed\n", (int)took, i);
        /* the other may turn to the member that is gone, or to one that elects, first */
        client_ask_until(&b, ACQUIRE, 11, FH_ARBITER_DENIED, SLACK_MS);
        start_member(i, MEMBERS);
        client_ask_until(&a, RENEW, 10, FH_ARBITER_GRANTED, SLACK_MS);
        /* in the cluster again before the next one dies */
        char command[128];
        snprintf(command, sizeof(command),
                 "for n in $(seq 600); do curl -sf -m 5 http://127.0.0.1:%d/health >/dev/null && "
                 "exit 0; "
                 "sleep 0.1; done; exit 1",
                 client_port[i]);
        run("%s", command);
    }
    process_end(&member[0], SIGSTOP); /* the first endpoint takes requests and is silent */
    client_ask_until(&a, RENEW, 10, FH_ARBITER_GRANTED, SLACK_MS);
    process_end(&member[1], SIGKILL); /* no quorum: nothing is granted or renewed */
    assert_int_equal(client_ask(&a, RENEW, 10), FH_ARBITER_UNREACHABLE);
    assert_int_equal(client_ask(&b, ACQUIRE, 11), FH_ARBITER_UNREACHABLE);
    process_end(&member[0], SIGCONT);
    client_ask_until(&a, RENEW, 10, FH_ARBITER_GRANTED, SLACK_MS);
}

/* Two that want it at once, many times: one gets it, under both views of who that was. */
static void a_race_has_one_winner(void **state)
{
    (void)state;
    start_member(0, 1);
    connect_both(1);
    client_ask_until(&a, RELEASE, 1, FH_ARBITER_RELEASED, SLACK_MS);
    int wins[2] = {0, 0};
    for (uint64_t epoch = 2; epoch < 62; epoch++) {
        uint64_t of_a = client_send(&a, ACQUIRE, epoch);
        uint64_t of_b = client_send(&b, ACQUIRE, epoch);
        while (a.answer.request != of_a || b.answer.request != of_b) {
            sd_event_run(a.event, 200);
            sd_event_run(b.event, 200);
        }
        bool a_won = a.answer.result == FH_ARBITER_GRANTED;
        bool b_won = b.answer.result == FH_ARBITER_GRANTED;
        assert_true(a_won != b_won);
        wins[b_won]++;
        assert_int_equal(client_ask(a_won ? &a : &b, RELEASE, epoch), FH_ARBITER_RELEASED);
    }
    printf("  a won %d times, b %d\n", wins[0], wins[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_somebody_else_touches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopped_and_started_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tls_and_users, set_up, tear_down),
        cmocka_unit_test_setup_teardown(three_members_outlive_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_race_has_one_winner, set_up, tear_down),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (system("etcd --version >/dev/null 2>&1") != 0) {
        fprintf(stderr, "etcd is not installed: packaging/install-deps.sh test\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
