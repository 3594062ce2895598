/* test_replay.c: replays beside a live stream: what arrives of them, that the live side does not
 * notice, what ends them and from when on to go on, and that live delivery goes first. */
#include "pipeline_fixture.h"

static const struct fh_sink_ops *const one_phase[] = {&fixture_one_phase, NULL};
static const struct fh_sink_ops *const two_phase[] = {&fixture_two_phase, NULL};

/* Records from..to - 1: key_of() has the stamps. */
static struct fh_replay_order order_of(uint64_t from, uint64_t to)
{
    struct fh_replay_order order = {.since_ms = key_of(from).timestamp_ms,
                                    .until_ms = key_of(to).timestamp_ms};
    snprintf(order.sink, sizeof(order.sink), "first");
    return order;
}

static void start(struct fixture *f, const struct fh_replay_order *order)
{
    struct fh_error err = {""};
    size_t index = 9;
    if (fh_replay_start(f->pipeline, order, &err, &index) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(index, 0);
}

static struct fh_replay_status status_of(struct fixture *f)
{
    struct fh_replay_status status;
    fh_replay_status(f->pipeline, 0, &status);
    return status;
}

/* What the metrics say of all replays since start; running: one into the first sink is in progress.
 */
static struct fh_pipeline_replays sum_of(struct fixture *f, bool running)
{
    struct fh_pipeline_replays sum = f->pipeline->replayed;
    assert_true(fh_replay_add(f->pipeline, 0, &sum) == running);
    assert_false(fh_replay_add(f->pipeline, 1, &sum)); /* there was none */
    return sum;
}

/* The replayed records' stamps are those of from..to - 1, in order. */
static void expect_replayed(struct fixture *f, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&f->far[2].lock);
    assert_int_equal(f->far[2].there_count, to - from);
    for (uint64_t n = from; n < to; n++) {
        assert_int_equal(f->far[2].there[n - from].timestamp_ms, key_of(n).timestamp_ms);
        assert_int_not_equal(f->far[2].there[n - from].fingerprint, key_of(n).fingerprint);
    }
    pthread_mutex_unlock(&f->far[2].lock);
}

static void lead_and_deliver(struct fixture *f, const struct fh_sink_ops *const *sinks,
                             uint64_t count)
{
    fixture_start(f, sinks, false);
    fixture_append(f, count);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
}

static void an_interval_arrives(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, one_phase, 4000);
    fixture_wait(f, f->report_keys == 4000 &&
                        atomic_load(&f->pipeline->delivery[0].delivered) == 4000);
    uint64_t reports = f->reports;
    struct fh_replay_order order = order_of(1001, 3001);
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    expect_replayed(f, 1001, 3001);
    struct fh_replay_status status = status_of(f);
    assert_int_equal(status.records, 2000);
    assert_int_equal(status.looked_at, 2000);
    assert_int_equal(status.delivered, 2000);
    assert_true(status.go_on_ms == INT64_MAX);
    assert_int_equal(FAR(f, 2, led_epoch), 3);
    assert_int_equal(FAR(f, 2, abandons), 1);
    /* The live side has not noticed. */
    fixture_expect(f, 0, 1, 4000, 1);
    assert_int_equal(FAR(f, 0, there_count), 4000);
    assert_int_equal(FAR(f, 0, opens), 1);
    assert_int_equal(f->reports, reports);
    assert_int_equal(atomic_load(&f->pipeline->delivery[0].delivered), 4000);
    /* And once more: other keys again. */
    struct fh_record_key before = f->far[2].there[0];
    SET_FAR(f, 2, there_count, 0);
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    expect_replayed(f, 1001, 3001);
    assert_int_not_equal(f->far[2].there[0].fingerprint, before.fingerprint);
    struct fh_pipeline_replays sum = sum_of(f, false);
    assert_int_equal(sum.done, 2);
    assert_int_equal(sum.delivered, 4000);
    assert_int_equal(sum.pending + sum.failed + sum.cancelled + sum.refused, 0);
}

static void beside_a_live_stream(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, two_phase, 3000);
    struct fh_replay_order order = order_of(1, 3001);
    start(f, &order);
    while (status_of(f).state == FH_REPLAY_RUNNING) {
        fixture_append(f, 100); /* stored later: no part of it */
        fixture_turn(f);
    }
    fixture_wait(f, fixture_pending(f, 0) == 0);
    expect_replayed(f, 1, 3001);
    assert_true(FAR(f, 2, published) > 0);
    fixture_expect(f, 0, 1, f->appended, 1);
    assert_int_equal(FAR(f, 0, there_count), f->appended);
}

static void want_two_types(struct fh_config *config)
{
    snprintf(config->sinks[0].event_types[0], FH_SINK_FILTER_MAX, "TYPE_1");
    snprintf(config->sinks[0].event_types[1], FH_SINK_FILTER_MAX, "TYPE_2");
    config->sinks[0].event_type_count = 2;
}

static void filters_and_dry_run(void **state)
{
    struct fixture *f = *state;
    f->configure = want_two_types;
    lead_and_deliver(f, one_phase, 4000);
    struct fh_replay_order order = order_of(1, 4001);
    order.dry_run = true;
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    struct fh_replay_status status = status_of(f);
    assert_int_equal(status.delivered, 2000);
    assert_int_equal(status.filtered, 2000);
    assert_int_equal(status.types.count, 2);
    assert_int_equal(status.types.type[0].received, 1000);
    assert_int_equal(FAR(f, 2, opens), 0);
    /* One of the sink's types, and one it does not want. */
    order.dry_run = false;
    order.type_count = 2;
    snprintf(order.type[0], sizeof(order.type[0]), "TYPE_2");
    snprintf(order.type[1], sizeof(order.type[1]), "TYPE_3");
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    assert_int_equal(status_of(f).delivered, 1000);
    assert_int_equal(status_of(f).filtered, 3000);
    assert_int_equal(FAR(f, 2, there_count), 1000);
    struct fh_pipeline_replays sum = sum_of(f, false); /* without the dry run */
    assert_int_equal(sum.done, 1);
    assert_int_equal(sum.delivered, 1000);
    assert_int_equal(sum.filtered, 3000);
}

static void a_far_side_that_fails(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, one_phase, 4000);
    struct fh_replay_order order = order_of(1, 4001);
    SET_FAR(f, 2, lead_result, -EAGAIN);
    SET_FAR(f, 2, accept_result, -EIO);
    start(f, &order);
    fixture_wait(f, FAR(f, 2, leads) >= 2);
    SET_FAR(f, 2, lead_result, 0);
    fixture_wait(f, FAR(f, 2, accepts) >= 2);
    assert_int_equal(status_of(f).delivered, 0);
    fixture_wait(f, strstr(status_of(f).waiting, "does not answer"));
    SET_FAR(f, 2, lost_answer, true);
    SET_FAR(f, 2, accept_result, 0);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    assert_int_equal(status_of(f).delivered, 4000);
    assert_int_equal(status_of(f).looked_at, 4000);
    /* What arrived without an answer came once more, under the same keys. */
    pthread_mutex_lock(&f->far[2].lock);
    size_t extra = f->far[2].there_count - 4000;
    assert_true(extra > 0);
    assert_memory_equal(f->far[2].there, f->far[2].there + extra,
                        extra * sizeof(struct fh_record_key));
    pthread_mutex_unlock(&f->far[2].lock);
    assert_true(atomic_load(&f->pipeline->delivery[0].healthy));
}

/* What is counted for the metrics never falls: a batch that fails counts when it has come through.
 */
static void a_failing_batch_counts_once(void **state)
{
    struct fixture *f = *state;
    f->configure = want_two_types;
    lead_and_deliver(f, one_phase, 400);
    struct fh_replay_order order = order_of(1, 401);
    SET_FAR(f, 2, accept_result, -EIO);
    start(f, &order);
    do {
        fixture_turn(f);
        assert_int_equal(sum_of(f, true).filtered, 0);
    } while (FAR(f, 2, accepts) < 3);
    SET_FAR(f, 2, accept_result, 0);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    assert_int_equal(sum_of(f, false).filtered, 200);
}

static void refused_records_are_counted(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, one_phase, 1000);
    struct fh_replay_order order = order_of(1, 1001);
    SET_FAR(f, 2, refuse_every, 10);
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    assert_int_equal(status_of(f).refused, 100);
    assert_int_equal(status_of(f).delivered, 900);
    assert_string_equal(status_of(f).error, "not to be taken");
    assert_int_equal(atomic_load(&f->pipeline->delivery[0].refused), 0);
    char path[FH_PATH_MAX + 64];
    fh_dead_letters_path(f->directory, "first", path, sizeof(path));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(sum_of(f, false).refused, 100);
    assert_int_equal(sum_of(f, false).delivered, 900);
}

static void cancelled_and_gone_on(void **state)
{
    struct fixture *f = *state;
    struct fh_error err = {""};
    size_t index = 0;
    lead_and_deliver(f, one_phase, 4000);
    struct fh_replay_order order = order_of(501, 4001);
    order.rate = 2000;
    SET_FAR(f, 2, accept_limit, 500); /* it does not come to its end meanwhile */
    start(f, &order);
    fixture_wait(f, status_of(f).delivered > 500);
    assert_int_equal(fh_replay_start(f->pipeline, &order, &err, &index), -EBUSY);
    assert_non_null(strstr(err.text, status_of(f).id));
    struct fh_pipeline_replays sum = sum_of(f, true);
    assert_true(sum.pending > 0 && sum.pending < 3500 && sum.delivered > 500);
    fh_replay_cancel(f->pipeline, 0);
    fixture_wait(f, status_of(f).state == FH_REPLAY_CANCELLED);
    struct fh_replay_status status = status_of(f);
    uint64_t done = status.delivered;
    assert_true(done < 3500);
    assert_true(status.go_on_ms == key_of(501 + done).timestamp_ms);
    order.since_ms = status.go_on_ms;
    order.rate = 0;
    SET_FAR(f, 2, accept_limit, 0);
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    assert_int_equal(status_of(f).delivered, 3500 - done);
    sum = sum_of(f, false);
    assert_int_equal(sum.delivered, 3500);
    assert_int_equal(sum.cancelled, 1);
    assert_int_equal(sum.done, 1);
    assert_int_equal(sum.pending, 0);
    pthread_mutex_lock(&f->far[2].lock);
    for (uint64_t n = 501; n < 4001; n++) {
        assert_int_equal(f->far[2].there[n - 501].timestamp_ms, key_of(n).timestamp_ms);
    }
    pthread_mutex_unlock(&f->far[2].lock);
}

static void the_role_ends_it(void **state)
{
    struct fixture *f = *state;
    struct fh_error err = {""};
    size_t index = 0;
    fixture_start(f, one_phase, false);
    fixture_append(f, 3000);
    struct fh_replay_order order = order_of(1, 3001);
    assert_int_equal(fh_replay_start(f->pipeline, &order, &err, &index), -EPERM);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    SET_FAR(f, 2, hangs, true); /* until it is fenced */
    start(f, &order);
    fixture_wait(f, FAR(f, 2, accepts) > 0);
    fh_pipeline_follow(f->pipeline);
    fixture_wait(f, status_of(f).state == FH_REPLAY_FAILED);
    assert_string_equal(status_of(f).error, "this node no longer leads");
    assert_true(status_of(f).go_on_ms == order.since_ms);
    assert_int_equal(sum_of(f, false).failed, 1);
    assert_int_equal(FAR(f, 2, there_count), 0);
    snprintf(order.sink, sizeof(order.sink), "third");
    assert_int_equal(fh_replay_start(f->pipeline, &order, &err, &index), -ENOENT);
    assert_non_null(strstr(err.text, "first"));
}

static void live_delivery_goes_first(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, one_phase, 2000);
    SET_FAR(f, 0, accept_result, -EIO);
    fixture_append(f, 10);
    fixture_wait(f, !atomic_load(&f->pipeline->delivery[0].healthy));
    struct fh_replay_order order = order_of(1, 2001);
    start(f, &order);
    fixture_wait(f, strstr(status_of(f).waiting, "goes first"));
    assert_int_equal(FAR(f, 2, opens), 0);
    SET_FAR(f, 0, accept_result, 0);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    expect_replayed(f, 1, 2001);
}

/* After a restart the live sink has nothing to do, and so is not behind. */
static void with_nothing_to_deliver_live(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, one_phase, 8000);
    fixture_restart(f, one_phase, false);
    fixture_lead(f, 4);
    fixture_wait(f, atomic_load(&f->pipeline->lead_epoch) == 4);
    struct fh_replay_order order = order_of(1, 8001);
    start(f, &order);
    fixture_wait(f, status_of(f).state == FH_REPLAY_DONE);
    expect_replayed(f, 1, 8001);
    assert_int_equal(FAR(f, 0, there_count), 8000);
}

static void stopping_ends_it(void **state)
{
    struct fixture *f = *state;
    lead_and_deliver(f, one_phase, 2000);
    struct fh_replay_order order = order_of(1, 2001);
    SET_FAR(f, 2, hangs, true);
    start(f, &order);
    fixture_wait(f, FAR(f, 2, accepts) > 0);
    fixture_restart(f, one_phase, false); /* would hang if it did not end */
    assert_int_equal(status_of(f).state, FH_REPLAY_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_interval_arrives),
        TEST(beside_a_live_stream),
        TEST(filters_and_dry_run),
        TEST(a_far_side_that_fails),
        TEST(a_failing_batch_counts_once),
        TEST(refused_records_are_counted),
        TEST(cancelled_and_gone_on),
        TEST(the_role_ends_it),
        TEST(live_delivery_goes_first),
        TEST(with_nothing_to_deliver_live),
        TEST(stopping_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
