/* test_sink_contract.c: what every sink must do, run once per row of suite_rows against a real far
 * side. See sink_suite.h. */
#include "sink_suite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define A 0
#define B 1

/* Node A leads, from the very beginning, and delivers the records 1..last. */
static struct suite_node *begin(struct suite *suite, uint64_t last)
{
    suite_lead(suite, A, 2);
    suite_recover(suite, A, "");
    suite_deliver(suite, A, 1, last);
    return &suite->node[A];
}

/* As at the daemon's end: nothing is tidied up. */
static void end(struct suite_node *node)
{
    node->ops->close(node->sink);
    node->sink = NULL;
}

static void start_again(struct suite_node *node)
{
    end(node);
    assert_int_equal(node->ops->open(&node->config, &node->context, &node->err, &node->sink), 0);
}

/* ---- every sink -------------------------------------------------------------------------------
 */

static void promises_in_words(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = &suite->node[A];
    char text[256] = "";
    char expected[32];
    node->ops->promise(&node->config, text, sizeof(text));
    snprintf(expected, sizeof(expected), "%s%s once",
             strcmp(suite->promise, "exactly") == 0 ? "" : "at ", suite->promise);
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
    memset(text, 'x', sizeof(text));
    node->ops->promise(&node->config, text, 10);
    assert_int_equal(text[9], '\0');
    assert_int_equal(text[10], 'x');
}

static void empty_batch_is_never_due(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = &suite->node[A];
    suite_lead(suite, A, 2);
    assert_int_equal(node->ops->due_in(node->sink, fh_now()), -1);
    if (node->ops->prepare) {
        char position[FH_SINK_POSITION_MAX] = "untouched";
        assert_int_equal(node->ops->flush(node->sink, &node->err), 0);
        assert_true(node->ops->prepare(node->sink, position, &node->err) < 0);
        assert_string_equal(position, "untouched");
    }
    assert_int_equal(suite_visible(suite), 0);
}

static void keeps_records_in_order(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = begin(suite, 15);
    assert_int_equal(suite_write(suite, A, 16, 16), 0);
    assert_int_equal(suite_write(suite, A, 17, 400), 0);
    assert_true(node->ops->due_in(node->sink, fh_now()) >= 0);
    suite_deliver(suite, A, 401, 1000);
    suite_expect(suite, 1, 1000);
    assert_int_equal(node->ops->due_in(node->sink, fh_now()), -1);
    suite_deliver(suite, A, 1001, 1003);
    suite_expect(suite, 1, 1003);
}

/* A standby's sink is open and does nothing that others could notice. */
static void a_standby_is_quiet(void **state)
{
    struct suite *suite = *state;
    begin(suite, 10);
    struct suite_node *b = &suite->node[B];
    assert_int_equal(b->ops->abandon(b->sink, NULL, 0, &b->err), 0);
    b->ops->reload(b->sink, &b->config);
    start_again(b);
    suite_deliver(suite, A, 11, 20);
    suite_expect(suite, 1, 20);
}

static void reopen_starts_the_batch_again(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = begin(suite, 5);
    assert_int_equal(suite_write(suite, A, 6, 12), 0);
    assert_int_equal(node->ops->reopen(node->sink, &node->err), 0);
    assert_int_equal(node->ops->due_in(node->sink, fh_now()), -1);
    suite_deliver(suite, A, 6, 12);
    suite_expect(suite, 1, 12);
}

static void abandon_forgets_what_was_begun(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = begin(suite, 5);
    assert_int_equal(suite_write(suite, A, 6, 12), 0);
    assert_int_equal(node->ops->abandon(node->sink, NULL, 0, &node->err), 0);
    assert_int_equal(node->ops->due_in(node->sink, fh_now()), -1);
    suite_lead(suite, A, 4);
    suite_recover(suite, A, node->position);
    suite_deliver(suite, A, 6, 20);
    suite_expect(suite, 1, 20);
}

/* The other node takes over from the position last reported; what was delivered and not reported is
 * found, or delivered again where the promise allows it. */
static void the_other_node_goes_on(void **state)
{
    struct suite *suite = *state;
    struct suite_node *a = begin(suite, 10);
    char reported[FH_SINK_POSITION_MAX];
    memcpy(reported, a->position, sizeof(reported));
    if (a->ops->prepare) {
        /* the peer holds the report of what is published, by the order of the steps */
        end(a);
        suite->node[B].found[10] = true;
        suite_lead(suite, B, 3);
        suite_deliver(suite, B, 11, 40);
    } else {
        suite_deliver(suite, A, 11, 20); /* accepted, and nobody was told */
        end(a);
        suite_lead(suite, B, 3);
        suite_recover(suite, B, reported);
        suite_deliver(suite, B, 11, 40);
    }
    suite_expect(suite, 1, 40);
}

/* Stopped in the middle of its work, it goes on while another one delivers, and has not been told
 * yet. What it may still do depends on the promise alone. */
static void a_zombie_does_no_harm(void **state)
{
    struct suite *suite = *state;
    struct suite_node *a = begin(suite, 10);
    char position[FH_SINK_POSITION_MAX] = "";
    if (suite_write(suite, A, 11, 20) < 0) {
        fail_msg("write: %s", a->err.text);
    }
    suite_lead(suite, B, 3);
    suite_recover(suite, B, a->position);
    suite_deliver(suite, B, 11, 30);
    suite->troubled = true;
    a->fenced = !a->ops->recover; /* who can be asked fences by itself, or drops what is double */
    int r = a->ops->prepare ? 0 : a->ops->accept(a->sink, position, &a->err);
    assert_true(a->ops->prepare || a->ops->recover || r < 0); /* fenced: it must not say "taken" */
    a->ops->abandon(a->sink, NULL, 0, &a->err);
    suite_deliver(suite, B, 31, 40);
    suite_expect(suite, 1, 40);
}

/* The fence before each step that others can see. */
static void fenced_it_keeps_quiet(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = begin(suite, 5);
    char position[FH_SINK_POSITION_MAX] = "";
    suite_expect(suite, 1, 5);
    node->fenced = true;
    (void)suite_write(suite, A, 6, 10);
    assert_true(node->ops->accept(node->sink, position, &node->err) < 0);
    assert_int_equal(node->ops->abandon(node->sink, NULL, 0, &node->err), 0);
    suite_expect(suite, 1, 5);
}

/* ---- far sides that misbehave ------------------------------------------------------------------
 */

static void waits_for_a_far_side_that_is_away(void **state)
{
    struct suite *suite = *state;
    if (suite->stays) {
        skip();
    }
    struct suite_node *node = begin(suite, 50);
    char position[FH_SINK_POSITION_MAX] = "";
    suite->troubled = true;
    suite_order(suite, "down");
    struct fh_time begun = fh_now();
    int r = suite_write(suite, A, 51, 100);
    if (r == 0) {
        r = node->ops->accept(node->sink, position, &node->err);
    }
    int64_t took_ms = (fh_now().ns - begun.ns) / 1000000;
    assert_true(took_ms < 2 * node->config.timeout_ms + 60000); /* a bound, not a speed */
    if (strcmp(suite->promise, "most") != 0) {
        assert_true(r < 0);
        assert_true(node->err.text[0] != '\0');
    }
    suite_order(suite, "up");
    if (r == -EAGAIN) {
        while ((r = node->ops->accept(node->sink, position, &node->err)) == -EAGAIN) {
        }
    }
    if (r < 0) {
        node->ops->reopen(node->sink, &node->err);
        suite_deliver(suite, A, 51, 100);
    }
    suite_deliver(suite, A, 101, 150);
    suite_expect(suite, 1, 150);
}

/* Its connections last, and nothing answers: nothing may be taken for delivered, nor be lost. */
static void waits_for_a_far_side_that_stands_still(void **state)
{
    struct suite *suite = *state;
    if (suite->stays) {
        skip();
    }
    struct suite_node *node = begin(suite, 50);
    char position[FH_SINK_POSITION_MAX] = "";
    suite_order(suite, "halt");
    struct fh_time begun = fh_now();
    int r = suite_write(suite, A, 51, 100);
    r = r == 0 ? node->ops->accept(node->sink, position, &node->err) : r;
    int64_t took_ms = fh_time_diff_ms(fh_now(), begun);
    assert_true(took_ms < 2 * node->config.timeout_ms + 60000); /* a bound, not a speed */
    assert_true(r < 0);
    assert_true(node->err.text[0] != '\0');
    suite_order(suite, "resume");
    while (r == -EAGAIN) {
        r = node->ops->accept(node->sink, position, &node->err);
    }
    assert_int_equal(r, 0); /* it was only slow: the batch is not begun anew */
    suite_deliver(suite, A, 101, 150);
    suite_expect(suite, 1, 150);
}

static void a_record_refused_for_good_is_put_aside(void **state)
{
    struct suite *suite = *state;
    suite->poison = 17;
    struct suite_node *node = begin(suite, 40);
    assert_int_equal(node->refused_count, 1);
    assert_int_equal(node->refused[0], 17);
    suite_expect(suite, 1, 40);
}

static void a_start_in_the_middle(void **state)
{
    struct suite *suite = *state;
    struct suite_node *node = begin(suite, 10);
    assert_int_equal(suite_write(suite, A, 11, 20), 0);
    suite->troubled = true;
    start_again(node);
    assert_int_equal(node->ops->abandon(node->sink, NULL, 0, &node->err), 0);
    suite_lead(suite, A, 4);
    suite_recover(suite, A, node->position);
    suite_deliver(suite, A, 11, 30);
    suite_expect(suite, 1, 30);
}

static void close_takes_null(void **state)
{
    struct suite *suite = *state;
    suite->node[A].ops->close(NULL);
}

static void registry_is_complete(void **state)
{
    (void)state;
    assert_null(fh_sink_find("no such type"));
    size_t count = 0;
    for (const char *const *type = fh_sink_types(); *type; type++, count++) {
        const struct fh_sink_ops *ops = fh_sink_find(*type);
        assert_non_null(ops);
        assert_string_equal(ops->type, *type);
        assert_true(ops->promise && ops->open && ops->write && ops->due_in && ops->abandon &&
                    ops->reopen && ops->reload && ops->close);
        /* two-phase: all or none; else accept */
        assert_true(!ops->prepare == !ops->publish && !ops->prepare == !ops->discard &&
                    !ops->prepare == !ops->fate && !ops->prepare == !ops->flush &&
                    !ops->prepare == !!ops->accept);
        bool tested = false;
        for (size_t i = 0; i < suite_row_count; i++) {
            tested = tested || strcmp(suite_rows[i].type, *type) == 0;
        }
        assert_true(tested);
    }
    assert_true(count > 0);
}

static const struct {
    const char *name;
    CMUnitTestFunction run;
    unsigned not_for; /* rows with one of these traits */
} contract[] = {
    {"promises in words", promises_in_words, 0},
    {"an empty batch is never due", empty_batch_is_never_due, 0},
    {"keeps records in order", keeps_records_in_order, 0},
    {"a standby is quiet", a_standby_is_quiet, 0},
    {"reopen starts the batch again", reopen_starts_the_batch_again, 0},
    {"abandon forgets what was begun", abandon_forgets_what_was_begun, 0},
    {"the other node goes on", the_other_node_goes_on, 0},
    {"a zombie does no harm", a_zombie_does_no_harm, SUITE_UNREAD},
    {"fenced, it keeps quiet", fenced_it_keeps_quiet, SUITE_TWO_PHASE},
    {"waits for a far side that is away", waits_for_a_far_side_that_is_away, SUITE_STAYS},
    {"waits for a far side that stands still", waits_for_a_far_side_that_stands_still,
     SUITE_NO_HALT},
    {"a record refused for good is put aside", a_record_refused_for_good_is_put_aside,
     SUITE_TAKES_ALL},
    {"a start in the middle", a_start_in_the_middle, 0},
    {"close takes NULL", close_takes_null, 0},
};

/* With an argument: the rows of this script only (tests/external/kafka.sh); with another one: of
 * them the tests whose names match it. */
int main(int argc, char **argv)
{
    struct CMUnitTest *tests = calloc(1 + suite_row_count * FH_ARRAY_LEN(contract), sizeof(*tests));
    size_t count = 0;
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(registry_is_complete);
    for (size_t r = 0; r < suite_row_count; r++) {
        const struct suite_row *row = &suite_rows[r];
        if ((argc > 1 && strcmp(argv[1], row->script) != 0) || !fh_sink_find(row->type)) {
            continue;
        }
        for (size_t t = 0; t < FH_ARRAY_LEN(contract); t++) {
            char *name = NULL;
            if (contract[t].not_for & row->traits) {
                continue;
            }
            if (asprintf(&name, "%s%s%s: %s", row->script, row->variant[0] ? "/" : "", row->variant,
                         contract[t].name) < 0) {
                return 1;
            }
            tests[count++] = (struct CMUnitTest){.name = name,
                                                 .test_func = contract[t].run,
                                                 .setup_func = suite_setup,
                                                 .teardown_func = suite_teardown,
                                                 .initial_state = (void *)row};
        }
    }
    if (argc > 2) {
        cmocka_set_test_filter(argv[2]);
    }
    int failed = _cmocka_run_group_tests("sink contract", tests, count, NULL, NULL);
    for (size_t i = 1; i < count; i++) {
        free((void *)tests[i].name);
    }
    free(tests);
    return failed;
}
