/* test_witness.c: firehose-witness as a process, asked over TCP and CURVE by clients of the
 * library: who is granted, who is denied, what a crash of it changes, who is turned away.
 * Argument: the program. */
#include "arbiter_client.h"

#include <errno.h>
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

#define SLACK_MS 60000 /* on a loaded machine a process may wait this long for a processor */
/* A lease that is seen to run out; one that does not, however long this machine stands still. */
#define SHORT_TTL 2000
#define LONG_TTL  300000
/* A request whose answer is awaited, and one that nobody will answer. */
#define PATIENT_MS   60000
#define IMPATIENT_MS 1000

struct keys {
    char public[41];
    char secret[41];
};

static const char *program;
static char directory[64];
static char config_path[128];
static int port;
static int ttl, ttl_max;
static struct keys witness_keys, a_keys, b_keys, c_keys, d_keys, stranger_keys;
static struct process witness;
static struct client a, b;

static void write_config(const char *second_key)
{
    char text[2048];
    char path[128];
    snprintf(path, sizeof(path), "%s/witness.key", directory);
    write_file(path, witness_keys.secret, 0600);
    snprintf(text, sizeof(text),
             "witness: { listen = \"tcp://127.0.0.1:%d\"; secret_key_file = \"%s\"; "
             "state_dir = \"%s\"; ttl_max_ms = %d; };\n"
             "pairs: ( { name = \"one\"; public_keys = ( \"%s\", \"%s\" ); },\n"
             "         { name = \"two\"; public_keys = ( \"%s\", \"%s\" ); } );\n",
             port, path, directory, ttl_max, a_keys.public, second_key, c_keys.public,
             d_keys.public);
    write_file(config_path, text, 0644);
}

static void start_witness(void)
{
    const char *const arguments[] = {program, "--config", config_path, NULL};
    process_start(&witness, arguments);
    assert_true(process_says(&witness, "[witness-started]", SLACK_MS));
}

static struct fh_config config_of(const char *name, int timeout_ms)
{
    struct fh_config config;
    memset(&config, 0, sizeof(config));
    snprintf(config.node.name, sizeof(config.node.name), "%s", name);
    config.arbiter.type = FH_ARBITER_WITNESS;
    config.arbiter.ttl_ms = ttl;
    config.arbiter.request_timeout_ms = timeout_ms;
    snprintf(config.arbiter.addresses[0], FH_URL_MAX, "tcp://127.0.0.1:%d", port);
    config.arbiter.address_count = 1;
    memcpy(config.arbiter.witness_public_key, witness_keys.public, 41);
    return config;
}

static void connect_as(struct client *client, const char *name, const struct keys *keys,
                       int timeout_ms)
{
    struct fh_config config = config_of(name, timeout_ms);
    client_new(client, &config, keys->secret);
}

/* Again, with another patience. */
static void connect_again(struct client *client, const char *name, const struct keys *keys,
                          int timeout_ms)
{
    client_free(client);
    connect_as(client, name, keys, timeout_ms);
}

/* An old record of a short lease that was given back: there is nothing to wait for. */
static void write_state(const char *pair, const struct keys *keys)
{
    char path[128];
    char text[256];
    snprintf(path, sizeof(path), "%s/%s.lease", directory, pair);
    snprintf(text, sizeof(text),
             "firehose-witness 1\nepoch 1\nreleased 1\nttl_ms 1\nnode a\nkey %s\nend\n",
             keys->public);
    write_file(path, text, 0600);
}

static int set_up_with(bool state, bool short_lease)
{
    ttl = short_lease ? SHORT_TTL : LONG_TTL;
    ttl_max = short_lease ? SHORT_TTL + 500 : LONG_TTL;
    struct keys *all[] = {&witness_keys, &a_keys, &b_keys, &c_keys, &d_keys, &stranger_keys};
    for (size_t i = 0; i < FH_ARRAY_LEN(all); i++) {
        if (zmq_curve_keypair(all[i]->public, all[i]->secret) != 0) {
            return -1;
        }
    }
    snprintf(directory, sizeof(directory), "/tmp/fh-witness-XXXXXX");
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(config_path, sizeof(config_path), "%s/witness.conf", directory);
    port = free_port();
    write_config(b_keys.public);
    if (state) {
        write_state("one", &a_keys);
        write_state("two", &c_keys);
    }
    start_witness();
    connect_as(&a, "a", &a_keys, PATIENT_MS);
    connect_as(&b, "b", &b_keys, PATIENT_MS);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(true, false);
}

static int set_up_short(void **state)
{
    (void)state;
    return set_up_with(true, true);
}

static int set_up_without_state(void **state)
{
    (void)state;
    return set_up_with(false, true);
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    client_free(&a);
    client_free(&b);
    process_end(&witness, SIGKILL);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

static void a_takes_the_lease(uint64_t epoch)
{
    client_ask_until(&a, ACQUIRE, epoch, FH_ARBITER_GRANTED, SLACK_MS);
}

static void without_a_state_it_waits(void **state)
{
    (void)state;
    char command[128];
    struct fh_time start;
    enum fh_arbiter_result result;
    do { /* asked in time; else this machine stood still for as long as the witness waits */
        process_end(&witness, SIGKILL);
        snprintf(command, sizeof(command), "rm -f %s/*.lease", directory);
        assert_int_equal(system(command), 0);
        start = fh_now();
        start_witness();
        result = client_ask(&a, RENEW, 5);
    } while (result == FH_ARBITER_GRANTED && fh_time_diff_ms(fh_now(), start) >= ttl_max);
    assert_int_equal(result, FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "just started"));
    if (client_ask(&b, ACQUIRE, 6) == FH_ARBITER_GRANTED) {
        assert_true(fh_time_diff_ms(fh_now(), start) >= ttl_max);
        assert_int_equal(client_ask(&b, RELEASE, 6), FH_ARBITER_RELEASED);
    } else {
        assert_int_equal(b.answer.result, FH_ARBITER_UNREACHABLE);
    }
    a_takes_the_lease(7);
    assert_true(fh_time_diff_ms(fh_now(), start) >= ttl_max);
}

static void one_is_granted_the_other_denied(void **state)
{
    (void)state;
    a_takes_the_lease(5);
    assert_int_equal(a.answer.epoch, 5);
    assert_int_equal(a.answer.ttl_ms, ttl);
    assert_string_equal(a.answer.holder, "a");
    assert_true(process_says(&witness, "[lease-granted] one: a may lead under epoch 5", SLACK_MS));

    assert_int_equal(client_ask(&b, ACQUIRE, 6), FH_ARBITER_DENIED);
    assert_string_equal(b.answer.holder, "a");
    assert_int_equal(b.answer.epoch, 5);
    assert_string_equal(b.answer.text, "a holds the lease under epoch 5");

    struct fh_time start = fh_now();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_GRANTED);
    }
    printf("  renewal: %d us\n", (int)((fh_now().ns - start.ns) / 100000));
}

static void renewed_it_lasts_and_then_it_expires(void **state)
{
    (void)state;
    uint64_t epoch = 5;
    struct fh_time last_asked = {0};
    a_takes_the_lease(epoch);
    /* renewed for three times its length, asked for by the other all the while */
    for (int i = 0; i < 15; i++) {
        if (!client_renews_and_keeps(&a, &b, epoch, ttl, &last_asked)) {
            epoch += 2;
            a_takes_the_lease(epoch);
            i = -1;
        }
        client_run(&a, ttl / 5);
    }
    client_ask_until(&b, ACQUIRE, epoch + 1, FH_ARBITER_GRANTED, SLACK_MS);
    assert_true(fh_time_diff_ms(fh_now(), last_asked) >= ttl);
    assert_true(process_says(&witness, "[lease-expired] one: the lease of a", SLACK_MS));
    do { /* b's may run out as well, while this machine stands still */
        assert_int_equal(client_ask(&b, RENEW, epoch + 1), FH_ARBITER_GRANTED);
        assert_int_equal(client_ask(&a, RENEW, epoch), FH_ARBITER_DENIED);
        assert_int_equal(a.answer.epoch, epoch + 1);
    } while (a.answer.holder[0] == '\0' && fh_time_diff_ms(fh_now(), b.answer.asked_at) >= ttl);
    assert_string_equal(a.answer.holder, "b");
}

static void what_is_released_is_free_at_once(void **state)
{
    (void)state;
    a_takes_the_lease(5);
    assert_int_equal(client_ask(&b, ACQUIRE, 6), FH_ARBITER_DENIED);
    struct fh_time start = fh_now();
    assert_int_equal(client_ask(&a, RELEASE, 5), FH_ARBITER_RELEASED);
    assert_int_equal(client_ask(&b, ACQUIRE, 6), FH_ARBITER_GRANTED);
    printf("  release and acquire: %d us\n", (int)((fh_now().ns - start.ns) / 1000));
    assert_true(process_says(&witness, "[lease-released] one: a gave", SLACK_MS));
    assert_int_equal(client_ask(&a, ACQUIRE, 6), FH_ARBITER_DENIED);
    assert_int_equal(client_ask(&b, RELEASE, 6), FH_ARBITER_RELEASED);
    assert_int_equal(client_ask(&a, ACQUIRE, 6), FH_ARBITER_DENIED); /* spent */
    assert_string_equal(a.answer.holder, "");
    assert_int_equal(client_ask(&a, ACQUIRE, 7), FH_ARBITER_GRANTED);
}

static void a_killed_witness_remembers(void **state)
{
    (void)state;
    a_takes_the_lease(5);
    assert_int_equal(process_end(&witness, SIGKILL), -SIGKILL);
    connect_again(&a, "a", &a_keys, IMPATIENT_MS);
    assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_UNREACHABLE);
    assert_true(a.answer.text[0] != '\0');
    connect_again(&a, "a", &a_keys, PATIENT_MS);
    struct fh_time restarted = fh_now();
    start_witness();
    client_ask_until(&a, RENEW, 5, FH_ARBITER_GRANTED, SLACK_MS); /* the holder goes on */
    printf("  renewed %d ms after the restart\n", (int)fh_time_diff_ms(fh_now(), restarted));

    process_end(&witness, SIGKILL);
    restarted = fh_now();
    start_witness();
    struct fh_time end = fh_time_add_ms(restarted, ttl);
    client_ask_until(&b, ACQUIRE, 5, FH_ARBITER_DENIED, SLACK_MS);
    client_ask_until(&b, ACQUIRE, 6, FH_ARBITER_GRANTED, SLACK_MS);
    assert_false(fh_time_before(fh_now(), end)); /* the other only after a whole ttl */
    assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_DENIED);
    assert_int_equal(b.answer.epoch, 6);
}

static void a_witness_that_stood_still_gives_nothing_away(void **state)
{
    (void)state;
    a_takes_the_lease(5);
    connect_again(&a, "a", &a_keys, IMPATIENT_MS);
    client_ask_until(&a, RENEW, 5, FH_ARBITER_GRANTED, SLACK_MS); /* it is connected */
    process_end(&witness, SIGSTOP);
    uint64_t first = client_send(&a, RENEW, 5);
    uint64_t second = client_send(&a, RENEW, 5);
    assert_int_equal(client_wait(&a, first), FH_ARBITER_UNREACHABLE);
    assert_int_equal(client_wait(&a, second), FH_ARBITER_UNREACHABLE);
    int before = a.answers;
    process_end(&witness, SIGCONT);
    client_run(&a, 300);
    assert_int_equal(a.answers, before); /* late answers are for nobody */
    client_ask_until(&a, RENEW, 5, FH_ARBITER_GRANTED, SLACK_MS);
}

static void strangers_are_turned_away_and_let_in_once_known(void **state)
{
    (void)state;
    struct client stranger;
    connect_as(&stranger, "b", &stranger_keys, IMPATIENT_MS);
    assert_int_equal(client_ask(&stranger, ACQUIRE, 9), FH_ARBITER_UNREACHABLE);
    assert_true(process_says(&witness, "[witness-stranger] 127.0.0.1", SLACK_MS));
    struct fh_time until = fh_time_add_ms(fh_now(), SLACK_MS);
    do { /* until the refusal has come */
        assert_int_equal(client_ask(&stranger, ACQUIRE, 9), FH_ARBITER_UNREACHABLE);
    } while (!strstr(stranger.answer.text, "refuses this node's key") &&
             fh_time_before(fh_now(), until));
    assert_non_null(strstr(stranger.answer.text, "refuses this node's key"));
    a_takes_the_lease(5);

    process_end(&witness, SIGTERM);
    write_config(stranger_keys.public); /* the operator enters the new key */
    start_witness();
    client_ask_until(&stranger, ACQUIRE, 6, FH_ARBITER_GRANTED, SLACK_MS);
    client_free(&stranger);

    struct fh_config config = config_of("b", IMPATIENT_MS); /* the wrong witness */
    memcpy(config.arbiter.witness_public_key, c_keys.public, 41);
    client_new(&stranger, &config, stranger_keys.secret);
    assert_int_equal(client_ask(&stranger, RENEW, 6), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(stranger.answer.text, "no connection to the witness"));
    client_free(&stranger);
}

static void two_pairs_do_not_meet(void **state)
{
    (void)state;
    struct client c;
    struct client d;
    connect_as(&c, "a", &c_keys, PATIENT_MS); /* the same name as in the other pair */
    connect_as(&d, "b", &d_keys, PATIENT_MS);
    a_takes_the_lease(5);
    assert_int_equal(client_ask(&c, ACQUIRE, 2), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&d, ACQUIRE, 3), FH_ARBITER_DENIED);
    assert_int_equal(d.answer.epoch, 2);
    assert_int_equal(client_ask(&a, RENEW, 5), FH_ARBITER_GRANTED);
    assert_int_equal(client_ask(&b, ACQUIRE, 9), FH_ARBITER_DENIED);
    assert_int_equal(b.answer.epoch, 5);
    client_free(&c);
    client_free(&d);
}

static void two_addresses_outlive_one(void **state)
{
    (void)state;
    struct fh_config config = config_of("a", PATIENT_MS);
    struct client two;
    a_takes_the_lease(5);
    memcpy(config.arbiter.addresses[1], config.arbiter.addresses[0], FH_URL_MAX);
    /* nobody listens there */
    snprintf(config.arbiter.addresses[0], FH_URL_MAX, "tcp://127.0.0.1:%d", free_port());
    config.arbiter.address_count = 2;
    client_new(&two, &config, a_keys.secret);
    assert_int_equal(client_ask(&two, RENEW, 5), FH_ARBITER_GRANTED);
    client_free(&two);
}

static void a_state_that_cannot_be_written_grants_nothing(void **state)
{
    (void)state;
    char command[160];
    a_takes_the_lease(5);
    /* a directory where the temporary file would go: works for root as well */
    snprintf(command, sizeof(command), "mkdir %s/one.lease.tmp", directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(client_ask(&a, ACQUIRE, 6), FH_ARBITER_UNREACHABLE);
    assert_non_null(strstr(a.answer.text, "cannot write its state"));
    assert_true(process_says(&witness, "[witness-failed] one", SLACK_MS));
    assert_int_equal(client_ask(&b, ACQUIRE, 7), FH_ARBITER_DENIED); /* 5 still runs */
    snprintf(command, sizeof(command), "rmdir %s/one.lease.tmp", directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(client_ask(&a, ACQUIRE, 6), FH_ARBITER_GRANTED);
}

static void a_second_witness_on_the_same_state_does_not_start(void **state)
{
    (void)state;
    struct process second;
    const char *const arguments[] = {program, "--config", config_path, NULL};
    process_start(&second, arguments);
    assert_true(process_says(&second, "another firehose-witness is running", SLACK_MS));
    assert_int_equal(process_end(&second, 0), 1);
    assert_int_equal(process_end(&witness, SIGTERM), 0);
}

static void what_is_wrong_in_the_configuration_is_named(void **state)
{
    (void)state;
    char bad[128];
    char text[1024];
    struct process checked;
    snprintf(bad, sizeof(bad), "%s/bad.conf", directory);
    snprintf(text, sizeof(text),
             "witness: { listen = \"udp://x\"; secret_key_file = \"key\"; ttl_max = 5; };\n"
             "pairs: ( { name = \"a/b\"; public_keys = ( \"%s\", \"%s\" ); },\n"
             "         { name = \"c\"; public_keys = ( \"short\", \"%s\" ); } );\n",
             a_keys.public, b_keys.public, a_keys.public);
    write_file(bad, text, 0644);
    const char *const arguments[] = {program, "--config", bad, "--check", NULL};
    process_start(&checked, arguments);
    assert_true(process_says(&checked, "bad.conf:1: witness.listen: \"udp://x\" must", SLACK_MS));
    assert_true(process_says(&checked, "bad.conf:1: unknown option witness.ttl_max", SLACK_MS));
    assert_true(process_says(&checked, "secret_key_file is \"key\"; it must be", SLACK_MS));
    assert_true(process_says(&checked, "bad.conf:2: pairs.name is \"a/b\"", SLACK_MS));
    assert_true(process_says(&checked, "bad.conf:3: pairs: \"c\": key 1 is no public", SLACK_MS));
    assert_true(process_says(&checked, "is given twice (\"a/b\", \"c\")", SLACK_MS));
    assert_int_equal(process_end(&checked, 0), 1);

    /* started with it, it says the same, and systemd need not try again (EX_CONFIG) */
    struct process started;
    const char *const start[] = {program, "--config", bad, NULL};
    process_start(&started, start);
    assert_true(process_says(&started, "unknown option witness.ttl_max", SLACK_MS));
    assert_int_equal(process_end(&started, 0), 78);
}

/* ZeroMQ takes a port modulo 65536, or for none. */
static void an_address_to_listen_at_has_a_port(void **state)
{
    (void)state;
    static const char *const addresses[] = {"tcp://127.0.0.1:99999", "tcp://127.0.0.1:0",
                                            "tcp://127.0.0.1:", "tcp://:5571", "tcp://127.0.0.1"};
    for (size_t i = 0; i < FH_ARRAY_LEN(addresses); i++) {
        char bad[128];
        char text[512];
        struct process checked;
        snprintf(bad, sizeof(bad), "%s/port.conf", directory);
        snprintf(text, sizeof(text),
                 "witness: { listen = \"%s\"; secret_key_file = \"/key\"; };\n"
                 "pairs: ( { name = \"p\"; public_keys = ( \"%s\", \"%s\" ); } );\n",
                 addresses[i], a_keys.public, b_keys.public);
        write_file(bad, text, 0644);
        const char *const arguments[] = {program, "--config", bad, "--check", NULL};
        process_start(&checked, arguments);
        assert_true(process_says(&checked, "port.conf:1: witness.listen: ", SLACK_MS));
        assert_int_equal(process_end(&checked, 0), 1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_granted_the_other_denied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renewed_it_lasts_and_then_it_expires, set_up_short,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_state_it_waits, set_up_without_state, tear_down),
        cmocka_unit_test_setup_teardown(what_is_released_is_free_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_witness_remembers, set_up_short, tear_down),
        cmocka_unit_test_setup_teardown(a_witness_that_stood_still_gives_nothing_away, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(strangers_are_turned_away_and_let_in_once_known,
                                        set_up_short, tear_down),
        cmocka_unit_test_setup_teardown(two_pairs_do_not_meet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_addresses_outlive_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_state_that_cannot_be_written_grants_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_in_the_configuration_is_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_address_to_listen_at_has_a_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_witness_on_the_same_state_does_not_start, set_up,
                                        tear_down),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_witness PROGRAM\n");
        return 2;
    }
    program = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
