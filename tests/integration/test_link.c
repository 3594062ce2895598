/* test_link.c: two engines as two processes over TCP and CURVE: forming, reports, death, silence,
 * goodbye, return, strangers, and what datagrams are good for. Waits for what the nodes say; prints
 * how long takeovers took. */
#include "link_node.h"
#include "link_relay.h"

#include "fh/ha.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

/* On a loaded machine a process may wait this long for a processor. */
#define SLACK_MS 60000
/* Silence is believed after this time; in tests that are not about silence never, for a machine
 * that stands still for a moment must not fake it. */
#define FAILURE_MS 2500
#define NEVER_MS   600000
/* How often a machine may stand still for the failure time before a test about it fails. */
#define ATTEMPTS 5

static char directory[64];
static struct link_node_options a, b;

static int set_up(void **state)
{
    (void)state;
    static int run;
    char public_a[41];
    char public_b[41];
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    if (fh_ha_keygen(public_a, a.secret) < 0 || fh_ha_keygen(public_b, b.secret) < 0) {
        return -1;
    }
    memcpy(a.peer_public, public_b, 41);
    memcpy(b.peer_public, public_a, 41);
    a.name = "a";
    b.name = "b";
    a.replica = 1;
    b.replica = 2;
    a.preferred = true;
    a.datagrams = true;
    b.datagrams = true;
    a.failure_after = NEVER_MS / 100;
    b.failure_after = NEVER_MS / 100;
    a.port = link_node_free_port();
    b.port = link_node_free_port();
    a.peer_port[0] = b.port;
    b.peer_port[0] = a.port;
    run++;
    snprintf(a.state, sizeof(a.state), "%s/a%d", directory, run);
    snprintf(b.state, sizeof(b.state), "%s/b%d", directory, run);
    return 0;
}

static void believe_silence(void)
{
    a.failure_after = FAILURE_MS / 100;
    b.failure_after = FAILURE_MS / 100;
}

static void stop(struct link_node *node)
{
    if (node->pid > 0) {
        link_node_kill(node, SIGKILL);
    }
}

static bool is_led_by_a(struct link_node *node_a, struct link_node *node_b)
{
    static const char *const leads[] = {"role primary", "role standby", NULL};
    static const char *const follows[] = {"ready 1", "role primary", NULL};
    static const char *const covered[] = {"[protected]", "role standby", NULL};
    return link_node_hears_one(node_a, leads, SLACK_MS) == 0 &&
           link_node_hears_one(node_b, follows, SLACK_MS) == 0 &&
           link_node_hears_one(node_a, covered, SLACK_MS) == 0;
}

/* a leads, b is ready. It is the other way round when a stood still for the failure time meanwhile:
 * once more then, from nothing. */
static void start_pair(struct link_node *node_a, struct link_node *node_b)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        link_node_start(node_a, &a);
        link_node_start(node_b, &b);
        if (is_led_by_a(node_a, node_b)) {
            return;
        }
        stop(node_a);
        stop(node_b);
        (void)unlink(a.state);
        (void)unlink(b.state);
    }
    fail_msg("no pair that a leads");
}

/* True when it takes over within timeout_ms; it has heard nothing for the failure time then. */
static bool takes_over_from_silence(struct link_node *node, int timeout_ms)
{
    int ms = 0;
    if (!link_node_hears(node, "(nothing heard on ", timeout_ms)) {
        return false;
    }
    const char *at = strstr(node->heard, " for ");
    assert_true(at && sscanf(at, " for %d ms", &ms) == 1);
    printf("  takeover after a silence of %d ms (failure time %d ms)\n", ms, FAILURE_MS);
    assert_true(ms >= FAILURE_MS);
    return link_node_hears(node, "start ", SLACK_MS);
}

/* A machine that stands still for the failure time lets a node take over by right: then the attempt
 * says false and is made again. */
static void attempts(bool (*attempt)(void))
{
    for (int i = 0; i < ATTEMPTS; i++) {
        (void)set_up(NULL);
        if (attempt()) {
            return;
        }
    }
    fail_msg("failed %d times", ATTEMPTS);
}

static void reports_are_confirmed_and_caught_up(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    start_pair(&na, &nb);
    link_node_say(&na, "report 100\n");
    link_node_wait(&na, "confirmed 100", SLACK_MS);
    link_node_wait(&nb, "applied 100", SLACK_MS);

    link_node_kill(&nb, SIGKILL);
    link_node_wait(&na, "in-sync 0", SLACK_MS);
    link_node_say(&na, "report 500\n"); /* ten portions */
    link_node_start(&nb, &b);
    link_node_wait(&nb, "applied 101", SLACK_MS);
    assert_true(link_node_hears(&nb, "applied 600", SLACK_MS));
    link_node_wait(&na, "in-sync 1", SLACK_MS);
    link_node_wait(&na, "[protected]", SLACK_MS);
    stop(&na);
    stop(&nb);
}

/* What comes while there is no room for it is asked for later, none of it is lost. */
static void reports_without_room_come_again(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    believe_silence(); /* of who does not confirm; nobody takes over from it */
    a.safety = true;
    b.safety = true;
    start_pair(&na, &nb);
    link_node_say(&na, "report 3\n");
    link_node_wait(&nb, "applied 3", SLACK_MS);
    link_node_say(&nb, "full 1\n");
    link_node_wait(&nb, "full is 1", SLACK_MS);
    link_node_say(&na, "report 17\n");
    link_node_wait(&na, "in-sync 0", SLACK_MS);
    assert_false(link_node_hears(&nb, "applied 4", 100));
    link_node_say(&nb, "full 0\n");
    link_node_wait(&nb, "applied 4", SLACK_MS);
    link_node_wait(&nb, "applied 20", SLACK_MS);
    link_node_wait(&na, "in-sync 1", SLACK_MS);
    stop(&na);
    stop(&nb);
}

static void killed_primary_is_replaced_and_returns_as_standby(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    start_pair(&na, &nb);
    link_node_say(&na, "report 10\n");
    link_node_wait(&na, "confirmed 10", SLACK_MS);
    link_node_kill(&na, SIGKILL);
    int64_t took = link_node_wait(&nb, "(connection refused by the peer's host", SLACK_MS);
    took += link_node_wait(&nb, "start ", SLACK_MS);
    printf("  takeover after SIGKILL: %d ms\n", (int)took);

    link_node_say(&nb, "report 70\n");
    link_node_start(&na, &a);
    link_node_wait(&na, "role standby", SLACK_MS);
    link_node_wait(&na, "applied 70", SLACK_MS);
    link_node_wait(&na, "ready 1", SLACK_MS);
    link_node_wait(&nb, "[protected]", SLACK_MS);
    stop(&na);
    stop(&nb);
}

static void silent_primary_is_replaced_and_stops_when_it_wakes(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    believe_silence();
    start_pair(&na, &nb);
    link_node_kill(&na, SIGSTOP);
    assert_true(takes_over_from_silence(&nb, SLACK_MS));
    link_node_kill(&na, SIGCONT);
    /* It may not go on alone in between. */
    assert_true(link_node_hears(&na, "stop", SLACK_MS));
    link_node_wait(&na, "role standby", SLACK_MS);
    link_node_wait(&na, "ready 1", SLACK_MS);
    link_node_wait(&nb, "[protected]", SLACK_MS);
    stop(&na);
    stop(&nb);
}

static void goodbye_hands_over_at_once(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    start_pair(&na, &nb);
    kill(na.pid, SIGTERM);
    int64_t took = link_node_wait(&nb, "(the peer said goodbye", SLACK_MS);
    took += link_node_wait(&nb, "start ", SLACK_MS);
    printf("  takeover after goodbye: %d ms\n", (int)took);
    link_node_wait(&na, "bye", SLACK_MS);
    assert_true(link_node_reap(&na)); /* a sanitizer's complaint would show here */
    stop(&nb);
}

static void cautious_standby_waits_for_proof(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    believe_silence();
    a.safety = true;
    b.safety = true;
    start_pair(&na, &nb);
    link_node_kill(&na, SIGSTOP);
    link_node_wait(&nb, "wants proof", SLACK_MS);
    link_node_kill(&na, SIGKILL); /* refused now: proof */
    link_node_wait(&nb, "start ", SLACK_MS);
    stop(&na);
    stop(&nb);
}

static void stranger_is_turned_away(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    char public_c[41];
    static const char *const said[] = {"not pair.peer_public_key", "nobody heard", NULL};
    believe_silence();
    assert_int_equal(fh_ha_keygen(public_c, b.secret), 0); /* not the key a knows */
    link_node_start(&na, &a);
    link_node_start(&nb, &b);
    int first = link_node_hears_one(&na, said, SLACK_MS); /* whichever comes first */
    assert_true(first >= 0);
    link_node_wait(&na, said[!first], SLACK_MS);
    assert_false(link_node_hears(&na, "peer-up", 300));
    stop(&na);
    stop(&nb);
}

/* An operator enters the right key at one node and restarts only that one. */
static void corrected_key_forms_the_pair(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    char right[41];
    char wrong[41];
    char nobody[41];
    memcpy(right, b.peer_public, sizeof(right));
    assert_int_equal(fh_ha_keygen(wrong, nobody), 0);
    memcpy(b.peer_public, wrong, sizeof(wrong));
    link_node_start(&na, &a);
    link_node_start(&nb, &b);
    link_node_wait(&nb, "not pair.peer_public_key", SLACK_MS);
    stop(&nb);
    memcpy(b.peer_public, right, sizeof(right));
    link_node_start(&nb, &b);
    link_node_wait(&nb, "peer-up", SLACK_MS);
    stop(&na);
    stop(&nb);
}

static void equal_replicas_form_no_pair(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    b.replica = a.replica;
    link_node_start(&na, &a);
    link_node_start(&nb, &b);
    link_node_wait(&na, "replica_id = 1", SLACK_MS);
    link_node_wait(&nb, "replica_id = 1", SLACK_MS);
    link_node_wait(&na, "role primary", SLACK_MS);
    assert_false(link_node_hears(&nb, "role primary", 1500)); /* join_timeout is 1000 */
    stop(&na);
    stop(&nb);
}

static bool second_path_is_down(void)
{
    struct link_node na;
    struct link_node nb;
    b.peer_port[1] = link_node_free_port(); /* nobody there */
    believe_silence();
    start_pair(&na, &nb);
    bool quiet = !takes_over_from_silence(&nb, FAILURE_MS + 500);
    if (quiet) {
        link_node_kill(&na, SIGKILL);
        link_node_wait(&nb, "start ", SLACK_MS);
    }
    stop(&na);
    stop(&nb);
    return quiet;
}

static void second_path_down_is_an_alarm_only(void **state)
{
    (void)state;
    attempts(second_path_is_down);
}

static struct link_relay to_a, to_b;

static void both_relays(enum link_relay_order order)
{
    link_relay_order(&to_a, order);
    link_relay_order(&to_b, order);
}

static void start_pair_behind_relays(struct link_node *node_a, struct link_node *node_b)
{
    link_relay_start(&to_a, a.port);
    link_relay_start(&to_b, b.port);
    a.peer_port[0] = to_b.port;
    b.peer_port[0] = to_a.port;
    start_pair(node_a, node_b);
}

static void stop_all(struct link_node *node_a, struct link_node *node_b)
{
    stop(node_a);
    stop(node_b);
    link_relay_stop(&to_a);
    link_relay_stop(&to_b);
}

static bool have_datagrams(struct link_node *node, int timeout_ms)
{
    bool have = false;
    for (int waited = 0; !have && waited < timeout_ms; waited += 50) {
        link_node_say(node, "status\n");
        have = link_node_hears(node, "datagrams 1", 50);
    }
    return have;
}

/* Until the node's status says so. */
static void wait_for_status(struct link_node *node, const char *text)
{
    bool heard = false;
    for (int waited = 0; !heard && waited < SLACK_MS; waited += 50) {
        link_node_say(node, "status\n");
        heard = link_node_hears(node, text, 50);
    }
    if (!heard) {
        fail_msg("the status does not say: %s", text);
    }
}

/* What packet loss does to TCP, at its worst: the connections stand and nothing comes through. */
static bool datagrams_carry_the_pair(void)
{
    struct link_node na;
    struct link_node nb;
    believe_silence();
    start_pair_behind_relays(&na, &nb);
    wait_for_status(&na, "datagrams 1");
    wait_for_status(&nb, "datagrams 1");
    wait_for_status(&na, "round trip known");
    wait_for_status(&nb, "round trip known");
    both_relays(RELAY_HOLD_CONNECTIONS);
    wait_for_status(&nb, "path down"); /* they did stall */
    bool quiet = !takes_over_from_silence(&nb, FAILURE_MS + 1000) &&
                 !link_node_hears(&na, "[peer-down]", 100);
    if (quiet) {
        both_relays(RELAY_DROP_DATAGRAMS);
        assert_true(takes_over_from_silence(&nb, SLACK_MS));
        both_relays(RELAY_PASS_CONNECTIONS);
        both_relays(RELAY_PASS_DATAGRAMS);
        link_node_wait(&na, "role standby", SLACK_MS);
        link_node_wait(&nb, "[protected]", SLACK_MS);
    }
    stop_all(&na, &nb);
    return quiet;
}

static void datagrams_carry_the_pair_over_stalled_connections(void **state)
{
    (void)state;
    attempts(datagrams_carry_the_pair);
}

static void repeated_datagrams_prove_nothing(void **state)
{
    (void)state;
    struct link_node na;
    struct link_node nb;
    believe_silence();
    start_pair_behind_relays(&na, &nb);
    wait_for_status(&na, "datagrams 1");
    both_relays(RELAY_HOLD_CONNECTIONS);
    both_relays(RELAY_REPLAY_DATAGRAMS);
    assert_true(takes_over_from_silence(&nb, SLACK_MS));
    stop_all(&na, &nb);
}

static bool pair_without_datagrams(bool drop)
{
    struct link_node na;
    struct link_node nb;
    believe_silence();
    b.datagrams = drop;
    link_relay_start(&to_a, a.port);
    link_relay_start(&to_b, b.port);
    a.peer_port[0] = to_b.port;
    b.peer_port[0] = to_a.port;
    both_relays(RELAY_DROP_DATAGRAMS);
    start_pair(&na, &nb);
    assert_false(have_datagrams(&na, 600));
    link_node_say(&na, "report 10\n");
    bool confirmed = link_node_hears(&na, "confirmed 10", SLACK_MS / 2);
    if (confirmed) {
        both_relays(RELAY_HOLD_CONNECTIONS);
        assert_true(takes_over_from_silence(&nb, SLACK_MS));
    }
    stop_all(&na, &nb);
    return confirmed;
}

static bool one_node_has_them_off(void)
{
    return pair_without_datagrams(false);
}

static bool none_arrives(void)
{
    return pair_without_datagrams(true);
}

static void datagrams_are_not_needed(void **state)
{
    (void)state;
    attempts(one_node_has_them_off);
    attempts(none_arrives);
}

static void keys_are_checked(void **state)
{
    (void)state;
    char public_key[41];
    char secret_key[41];
    char again[41];
    assert_int_equal(fh_ha_keygen(public_key, secret_key), 0);
    assert_int_equal(fh_ha_public_key(secret_key, again), 0);
    assert_string_equal(public_key, again);
    assert_int_equal(fh_ha_public_key("short", again), -EINVAL);
    secret_key[3] = '"';
    assert_int_equal(fh_ha_public_key(secret_key, again), -EINVAL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "node") == 0) {
        return link_node_main(argc - 2, argv + 2);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_checked),
        cmocka_unit_test_setup(reports_are_confirmed_and_caught_up, set_up),
        cmocka_unit_test_setup(reports_without_room_come_again, set_up),
        cmocka_unit_test_setup(killed_primary_is_replaced_and_returns_as_standby, set_up),
        cmocka_unit_test_setup(silent_primary_is_replaced_and_stops_when_it_wakes, set_up),
        cmocka_unit_test_setup(goodbye_hands_over_at_once, set_up),
        cmocka_unit_test_setup(cautious_standby_waits_for_proof, set_up),
        cmocka_unit_test_setup(stranger_is_turned_away, set_up),
        cmocka_unit_test_setup(corrected_key_forms_the_pair, set_up),
        cmocka_unit_test_setup(equal_replicas_form_no_pair, set_up),
        cmocka_unit_test_setup(second_path_down_is_an_alarm_only, set_up),
        cmocka_unit_test_setup(datagrams_carry_the_pair_over_stalled_connections, set_up),
        cmocka_unit_test_setup(repeated_datagrams_prove_nothing, set_up),
        cmocka_unit_test_setup(datagrams_are_not_needed, set_up),
    };
    snprintf(directory, sizeof(directory), "/tmp/test_link.XXXXXX");
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command) != 0 || failed != 0;
}
