/* test_deliver.c: sinks of one phase through lead, recover and accept; those of two phases that
 * settle late; what each does when the role changes in the middle. */
#include "pipeline_fixture.h"

static const struct fh_sink_ops *const one_phase[] = {&fixture_one_phase, NULL};
static const struct fh_sink_ops *const asked[] = {&fixture_asked, NULL};
static const struct fh_sink_ops *const two_phase[] = {&fixture_two_phase, NULL};
static const struct fh_sink_ops *const both[] = {&fixture_one_phase, &fixture_asked, NULL};

static void everything_arrives_once(void **state)
{
    struct fixture *f = *state;
    fixture_start(f, both, false);
    fixture_append(f, 5000);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0 && fixture_pending(f, 1) == 0);
    fixture_append(f, 1000);
    fixture_wait(f, FAR(f, 0, there_count) == 6000 && FAR(f, 1, there_count) == 6000);
    for (size_t i = 0; i < 2; i++) {
        fixture_expect(f, i, 1, 6000, 1);
        assert_int_equal(FAR(f, i, led_epoch), 3);
        assert_int_equal(FAR(f, i, leads), 1);
    }
    assert_false(FAR(f, 1, wrote_before_recover));
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].delivered) == 6000);
    assert_false(fh_sink_fenced(FAR(f, 0, context)));
    fh_pipeline_follow(f->pipeline);
    assert_true(fh_sink_fenced(FAR(f, 0, context))); /* at once, before its thread knows */
    fixture_wait(f, f->stopped == 1);
    assert_true(fh_sink_fenced(FAR(f, 0, context)));
    struct fh_pipeline_counters counters = {.doubled = atomic_load(&f->pipeline->doubled)};
    assert_int_equal(counters.doubled, 0);
}

static uint64_t timed(const struct fixture *f, size_t sink)
{
    struct fh_pipeline_latency latency;
    uint64_t sum = 0;
    fh_latency_read(&f->pipeline->delivery[sink].latency, &latency);
    for (size_t i = 0; i <= FH_LATENCY_BOUNDS; i++) {
        sum += latency.count[i];
    }
    return sum;
}

/* What arrived before the process is not timed; what was written again after an error once. */
static void each_delivery_is_timed_once(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, accept_result, -EIO);
    fixture_start(f, both, false);
    fixture_append(f, 100);
    fixture_wait(f, fixture_pending(f, 1) == 100);
    fixture_restart(f, both, false);
    fixture_append(f, 300);
    fixture_lead(f, 3);
    fixture_wait(f, timed(f, 1) == 300 && fixture_pending(f, 1) == 0);
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].failures) >= 2);
    assert_int_equal(timed(f, 0), 0);
    assert_int_equal(atomic_load(&f->pipeline->delivery[1].failures), 0);
    assert_false(fh_time_is_set(fh_arrivals_at(&f->pipeline->arrivals, 100)));
    assert_true(fh_time_is_set(fh_arrivals_at(&f->pipeline->arrivals, 101)));
    SET_FAR(f, 0, accept_result, 0);
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].delivered) == 400);
    fixture_wait(f, timed(f, 0) == 300);
}

static void the_fence_is_seen_by_the_sink(void **state)
{
    struct fixture *f = *state;
    fixture_start(f, one_phase, false);
    fh_pipeline_publish_until(f->pipeline, (struct fh_time){1}); /* long past */
    fixture_append(f, 100);
    fixture_lead(f, 3);
    for (int i = 0; i < 50; i++) {
        fixture_turn(f);
    }
    assert_int_equal(FAR(f, 0, leads), 0); /* even that would be an outward step */
    assert_int_equal(FAR(f, 0, batch_count), 0);
    fh_pipeline_publish_until(f->pipeline, (struct fh_time){0});
    fixture_wait(f, FAR(f, 0, there_count) == 100);
    fixture_expect(f, 0, 1, 100, 1);
}

static void leading_is_tried_again(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, lead_result, -ECONNREFUSED);
    fixture_start(f, both, false);
    fixture_append(f, 100);
    fixture_lead(f, 3); /* the node takes its role all the same */
    fixture_wait(f, FAR(f, 0, leads) >= 2);
    fixture_wait(f, FAR(f, 1, there_count) == 100); /* and the other sink goes on */
    assert_int_equal(FAR(f, 0, batch_count), 0);
    assert_false(atomic_load(&f->pipeline->delivery[0].healthy));
    SET_FAR(f, 0, lead_result, 0);
    fixture_wait(f, FAR(f, 0, there_count) == 100);
    fixture_expect(f, 0, 1, 100, 1);
    assert_true(atomic_load(&f->pipeline->delivery[0].healthy));
}

static void not_yet_keeps_the_batch(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, accept_result, -EAGAIN);
    fixture_start(f, one_phase, false);
    fixture_append(f, 500);
    fixture_lead(f, 3);
    fixture_wait(f, FAR(f, 0, accepts) >= 5);
    fixture_append(f, 500);
    fixture_wait(f, FAR(f, 0, accepts) >= 20);
    assert_int_equal(FAR(f, 0, batch_count), 500); /* nothing was added to it */
    SET_FAR(f, 0, accept_result, 0);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 1, 1000, 1);
    assert_int_equal(FAR(f, 0, abandons), 1); /* that of the start */
}

/* The far side is down: roles change all the same, and nothing is shown afterwards. */
static void not_yet_does_not_hold_a_role(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, accept_result, -EAGAIN);
    fixture_start(f, one_phase, false);
    fixture_append(f, 500);
    fixture_lead(f, 3);
    fixture_wait(f, FAR(f, 0, accepts) >= 2);
    fh_pipeline_follow(f->pipeline);
    fixture_wait(f, f->stopped == 1);
    assert_int_equal(FAR(f, 0, batch_count), 0); /* abandoned */
    fixture_lead(f, 5);
    unsigned accepts = FAR(f, 0, accepts);
    fixture_wait(f, FAR(f, 0, accepts) > accepts + 2);
    fh_pipeline_hand_over(f->pipeline, 100);
    fixture_wait(f, f->stopped == 2);
    assert_int_equal(FAR(f, 0, there_count), 0);
    fixture_lead(f, 7);
    SET_FAR(f, 0, hangs, true); /* inside of accept, and looks whether it may still act */
    accepts = FAR(f, 0, accepts);
    fixture_wait(f, FAR(f, 0, accepts) > accepts);
    fh_pipeline_hand_over(f->pipeline, 100);
    fixture_wait(f, f->stopped == 3);
    SET_FAR(f, 0, hangs, false);
    SET_FAR(f, 0, accept_result, 0);
    assert_int_equal(FAR(f, 0, there_count), 0);
    fixture_lead(f, 9);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 1, 500, 1);
    assert_int_equal(FAR(f, 0, led_epoch), 9);
}

static void a_far_side_that_stays_away_is_ill(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, accept_result, -EAGAIN);
    fixture_start(f, one_phase, false);
    fixture_append(f, 10);
    fixture_lead(f, 3);
    fixture_wait(f, !atomic_load(&f->pipeline->delivery[0].healthy));
    /* known to be ill: a hand-over does not wait for it */
    struct fh_time began = fh_now();
    fh_pipeline_hand_over(f->pipeline, WAIT_MS);
    fixture_wait(f, f->stopped == 1);
    assert_true(fh_time_diff_ms(fh_now(), began) < WAIT_MS / 2);
}

static void damp_long(struct fh_config *config)
{
    config->pair.damping_ms = 100 * WAIT_MS;
}

/* Whoever leads no more does not know whether the far side is still away, and does not say so; but
 * the role does not come back for it at once. */
static void a_follower_says_of_no_sink_that_it_fails(void **state)
{
    struct fixture *f = *state;
    f->configure = damp_long;
    SET_FAR(f, 0, lead_result, -ECONNREFUSED);
    fixture_start(f, one_phase, false);
    struct delivery *delivery = &f->pipeline->delivery[0];
    fixture_append(f, 10);
    fixture_lead(f, 3);
    fixture_wait(f, !atomic_load(&delivery->healthy));
    assert_false(fh_delivery_suspect(delivery));
    fh_pipeline_follow(f->pipeline);
    fixture_wait(f, f->stopped == 1);
    assert_true(atomic_load(&delivery->healthy));
    pthread_mutex_lock(&delivery->lock);
    assert_string_equal(delivery->last_error, "");
    pthread_mutex_unlock(&delivery->lock);
    assert_true(fh_delivery_suspect(delivery));
    f->pipeline->config.pair.damping_ms = 0; /* as a long time later */
    assert_false(fh_delivery_suspect(delivery));
    f->pipeline->config.pair.damping_ms = 100 * WAIT_MS;
    fixture_lead(f, 5); /* it is still away, and that is said again */
    fixture_wait(f, !atomic_load(&delivery->healthy));
    SET_FAR(f, 0, lead_result, 0);
    fixture_wait(f, atomic_load(&delivery->healthy));
    assert_false(fh_delivery_suspect(delivery));
}

static void what_is_there_is_not_delivered_again(void **state)
{
    struct fixture *f = *state;
    fixture_start(f, asked, true);
    fixture_append(f, 1000);
    struct far_side *far = &f->far[0];
    for (uint64_t number = 1; number <= 300; number++) {
        far->there[far->there_count++] = key_of(number);
    }
    for (uint64_t number = 1001; number <= 1100; number++) { /* not received here yet */
        far->there[far->there_count++] = key_of(number);
    }
    far->there[far->there_count++] = (struct fh_record_key){1, T0 - 86400000}; /* of old */
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    assert_false(FAR(f, 0, wrote_before_recover));
    assert_true(FAR(f, 0, asked_since) <= key_of(1).timestamp_ms);
    assert_string_equal(far->asked_position, "");
    fixture_wait(f, f->recovered_count >= 400);
    assert_int_equal(f->recovered_count, 400);
    fixture_append(f, 200);
    fixture_wait(f, FAR(f, 0, there_count) == 1201);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 1, 1200, 1);
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].delivered) == 800);
    /* the one who delivered them comes back and tells: that is no double delivery */
    struct fh_record_key keys[300];
    struct fh_report report = {.epoch = 1, .state = FH_REPORT_DELIVERED, .count = 300};
    snprintf(report.sink, sizeof(report.sink), "first");
    snprintf(report.position, sizeof(report.position), "offset-300");
    for (uint64_t number = 1; number <= 300; number++) {
        keys[number - 1] = key_of(number);
    }
    report.keys = keys;
    fixture_peer_report(f, 1, &report);
    assert_int_equal(atomic_load(&f->pipeline->doubled), 0);
    /* nor does anything come again after a crash, or is it told again */
    fixture_restart(f, asked, true);
    fixture_lead(f, 5);
    fixture_wait(f, FAR(f, 0, recovers) == 2);
    fixture_append(f, 100);
    fixture_wait(f, FAR(f, 0, there_count) == 1301);
    fixture_expect(f, 0, 1, 1300, 1);
    assert_int_equal(f->recovered_count, 400);
    assert_memory_equal(far->asked_position, "offset-1", 8); /* our own, of epoch 3 */
}

static void the_newest_position_counts(void **state)
{
    struct fixture *f = *state;
    struct fh_record_key keys[2] = {key_of(1), key_of(2)};
    struct fh_report report = {
        .epoch = 6, .state = FH_REPORT_DELIVERED, .count = 2, .keys = keys, .sink = "first"};
    fixture_start(f, asked, true);
    snprintf(report.position, sizeof(report.position), "from the peer");
    fixture_peer_report(f, 8, &report);
    report.epoch = 4;
    snprintf(report.position, sizeof(report.position), "an older one");
    fixture_peer_report(f, 9, &report);
    report.epoch = 8;
    report.state = FH_REPORT_VOID;
    fixture_peer_report(f, 10, &report);
    report.state = FH_REPORT_DELIVERED;
    snprintf(report.position, sizeof(report.position), "%s", FH_REPORT_VOUCHED);
    fixture_peer_report(f, 11, &report);
    fixture_restart(f, asked, true);
    fixture_append(f, 3);
    fixture_lead(f, 9);
    fixture_wait(f, FAR(f, 0, recovers) == 1);
    assert_string_equal(f->far[0].asked_position, "from the peer");
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 3, 3, 1);
    fixture_expect(f, 0, 1, 2, 0);
}

/* The batch arrived and the answer got lost. */
static void an_error_is_looked_into(void **state)
{
    struct fixture *f = *state;
    fixture_start(f, both, false);
    SET_FAR(f, 0, lost_answer, true);
    SET_FAR(f, 1, lost_answer, true);
    fixture_append(f, 100);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0 && fixture_pending(f, 1) == 0);
    fixture_expect(f, 0, 1, 100, 2); /* it cannot be asked: at least once */
    fixture_expect(f, 1, 1, 100, 1);
    assert_int_equal(FAR(f, 1, recovers), 2);
    assert_int_equal(FAR(f, 1, leads), 2);
}

static void asking_is_tried_again(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, recover_result, -EIO);
    fixture_start(f, asked, false);
    fixture_append(f, 100);
    fixture_lead(f, 3);
    fixture_wait(f, FAR(f, 0, recovers) >= 2);
    assert_int_equal(FAR(f, 0, batch_count), 0);
    fh_pipeline_follow(f->pipeline);
    fixture_wait(f, f->stopped == 1);
    fixture_lead(f, 5);
    SET_FAR(f, 0, recover_result, 0);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 1, 100, 1);
}

static void two_ranges(struct fh_config *config)
{
    config->firehose.ranges = (struct fh_ranges){.count = 2, .range = {{1, 6}, {7, FH_PARTITIONS}}};
}

/* A role is taken while the partitions are split anew: what the receiver that is not there yet will
 * bring again counts, too, although the one that is there never received anything. */
static void a_range_that_is_being_closed_counts(void **state)
{
    struct fixture *f = *state;
    f->configure = two_ranges;
    fixture_start(f, asked, false);
    fixture_append(f, 100); /* by the first */
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fh_pipeline_follow(f->pipeline);
    fixture_wait(f, f->stopped == 1);
    atomic_store(&f->pipeline->intake[0].active, false);
    fixture_lead(f, 5);
    fixture_wait(f, FAR(f, 0, recovers) == 2);
    int64_t window_ms = f->pipeline->config.firehose.replay_window_ms;
    assert_true(FAR(f, 0, asked_since) <= key_of(100).timestamp_ms - window_ms);
    assert_true(FAR(f, 0, asked_since) > T0 - 2 * window_ms); /* but not the whole past */
    atomic_store(&f->pipeline->intake[0].active, true);
}

static void draining_ends_with_the_batch(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, accept_result, -EAGAIN);
    fixture_start(f, one_phase, false);
    fixture_append(f, 100);
    fixture_lead(f, 3);
    fixture_wait(f, FAR(f, 0, accepts) >= 2);
    atomic_store(&f->pipeline->draining, true); /* as the writer does, without receivers to stop */
    fh_store_wake(f->pipeline->store);
    SET_FAR(f, 0, accept_result, 0);
    fixture_wait(f, f->drained == 1);
    fixture_expect(f, 0, 1, 100, 1);
}

/* A far side that is down for long: the other sink and the stream go on, and what the sink misses
 * is counted. */
static void an_optional_sink_gives_way(void **state)
{
    struct fixture *f = *state;
    f->size_limit = 4u << 20;
    f->bulky = true;
    f->optional[1] = true;
    SET_FAR(f, 1, accept_result, -EAGAIN);
    fixture_start(f, both, false);
    fixture_lead(f, 3);
    struct fh_store_cursor second = {0};
    while (second.missed == 0) {
        assert_true(f->appended < 50000);
        fixture_append(f, 500);
        fh_store_cursor(f->pipeline->store, "second", &second);
    }
    uint64_t before = f->appended;
    for (int i = 0; i < 20; i++) { /* no end of it for the others */
        fixture_append(f, 500);
    }
    fixture_wait(f, FAR(f, 0, there_count) == f->appended);
    fixture_expect(f, 0, before, before + 100, 1);
    assert_false(atomic_load(&f->pipeline->backpressure));
    SET_FAR(f, 1, accept_result, 0);
    fixture_wait(f, fixture_pending(f, 1) == 0);
    fixture_wait(f, (fh_store_cursor(f->pipeline->store, "second", &second),
                     FAR(f, 1, there_count) + second.missed == f->appended));
    assert_true(second.missed > 0);
    assert_int_equal(atomic_load(&f->pipeline->doubled), 0);
    /* an ill one does not hold up the end of the process either */
    SET_FAR(f, 1, accept_result, -EAGAIN);
    fixture_append(f, 10);
    fixture_wait(f, !atomic_load(&f->pipeline->delivery[1].healthy));
    atomic_store(&f->pipeline->draining, true);
    fh_store_wake(f->pipeline->store);
    fixture_wait(f, f->drained == 1);
}

/* ---- two phases --------------------------------------------------------------------------------
 */

/* A batch prepared, its report with the peer or not, and a crash. */
static void crash_in_doubt(struct fixture *f)
{
    fixture_start(f, two_phase, true);
    fh_pipeline_peer_in_sync(f->pipeline, true);
    fixture_append(f, 10);
    fixture_lead(f, 3);
    fixture_wait(f, f->reports == 1);
    assert_int_equal(f->last.state, FH_REPORT_PREPARED);
    assert_int_equal(FAR(f, 0, published), 0);
    SET_FAR(f, 0, no_open, true);
    fixture_restart(f, two_phase, true);
    fixture_wait(f, FAR(f, 0, opens) >= 2);
}

static void a_late_sink_asks_the_peer_again(void **state, bool first, bool then)
{
    struct fixture *f = *state;
    crash_in_doubt(f);
    fh_pipeline_settle(f->pipeline, true, first ? 1 : 0);
    fixture_wait(f, f->settled == 2); /* crash_in_doubt settled once, to lead */
    /* the peer is not told of the report before it is decided */
    uint64_t before = f->reports;
    fh_pipeline_send_reports(f->pipeline, 0, 1, 0);
    fixture_wait(f, f->portion_next != 0);
    assert_int_equal(f->portion_next, 1);
    assert_int_equal(f->reports, before);
    SET_FAR(f, 0, no_open, false);
    fixture_wait(f, f->settle_again > 0);
    assert_int_equal(FAR(f, 0, asked_fate), 0); /* nothing by the old answer */
    fh_pipeline_settle(f->pipeline, true, then ? 1 : 0);
    fixture_wait(f, FAR(f, 0, published) + FAR(f, 0, discarded) == 1);
    assert_int_equal(FAR(f, 0, published), then);
    f->portion_next = 0;
    fixture_wait(f, f->settled == 3);
    fh_pipeline_send_reports(f->pipeline, 0, 1, 0);
    fixture_wait(f, f->portion_next > 1 && f->reports > before);
    assert_int_equal(f->last.state, then ? FH_REPORT_DELIVERED : FH_REPORT_VOID);
}

/* A sink is taken out of the configuration while a batch of it is in doubt. Nobody settles that any
 * more, and a standby refuses it and waits: it must not be sent what stops it for ever. */
static void a_batch_in_doubt_of_a_sink_that_is_gone(void **state)
{
    static const struct fh_sink_ops *const mixed[] = {&fixture_one_phase, &fixture_two_phase, NULL};
    struct fixture *f = *state;
    fixture_start(f, mixed, true);
    fh_pipeline_peer_in_sync(f->pipeline, true);
    fixture_append(f, 10);
    fixture_lead(f, 3);
    fixture_wait(f, f->reports == 2);
    fixture_restart(f, mixed, true);
    f->portion_next = 0;
    fh_pipeline_send_reports(f->pipeline, 0, 1, 0);
    fixture_wait(f, f->portion_next == 3 && f->reports == 4);
    static const struct fh_sink_ops *const first[] = {&fixture_one_phase, NULL};
    fixture_restart(f, first, true);
    f->portion_next = 0;
    fh_pipeline_send_reports(f->pipeline, 0, 1, 0);
    fixture_wait(f, f->portion_next == 3 && f->reports == 5);
    assert_string_equal(f->last.sink, "first");
}

/* Nobody can be asked; but the peer has said before that it delivered some of the batch. */
static void alone_with_what_the_peer_delivered_meanwhile(void **state)
{
    struct fixture *f = *state;
    crash_in_doubt(f);
    struct fh_record_key keys[4];
    struct fh_report report = {
        .epoch = 4, .state = FH_REPORT_DELIVERED, .count = 4, .keys = keys, .sink = "first"};
    for (uint64_t number = 1; number <= 4; number++) {
        keys[number - 1] = key_of(number);
    }
    fixture_peer_report(f, 1, &report);
    SET_FAR(f, 0, no_open, false);
    fixture_lead(f, 5);
    fixture_wait(f, FAR(f, 0, discarded) == 1);
    fixture_wait(f, FAR(f, 0, published) == 1); /* the other six, in a batch of their own */
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 1, 4, 0);
    fixture_expect(f, 0, 5, 10, 1);
}

static void alone_and_the_peer_delivered_nothing_of_it(void **state)
{
    struct fixture *f = *state;
    crash_in_doubt(f);
    SET_FAR(f, 0, no_open, false);
    fixture_lead(f, 5);
    fixture_wait(f, FAR(f, 0, published) == 1);
    assert_int_equal(FAR(f, 0, discarded), 0);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_expect(f, 0, 1, 10, 1);
}

static void late_and_the_peer_holds_it_by_now(void **state)
{
    a_late_sink_asks_the_peer_again(state, false, true);
}

static void late_and_the_peer_does_not_hold_it(void **state)
{
    a_late_sink_asks_the_peer_again(state, true, false);
}

/* One sink asks again; what the other has prepared meanwhile is not in doubt. */
static void asking_again_leaves_the_others_alone(void **state)
{
    static const struct fh_sink_ops *const types[] = {&fixture_two_phase, &fixture_two_phase, NULL};
    struct fixture *f = *state;
    SET_FAR(f, 0, no_open, true);
    fixture_start(f, types, true);
    fixture_lead(f, 3);
    fh_pipeline_peer_in_sync(f->pipeline, true);
    fixture_append(f, 10);
    fixture_wait(f, f->reports == 1);
    SET_FAR(f, 0, no_open, false);
    fixture_wait(f, f->settle_again > 0);
    fh_pipeline_settle(f->pipeline, true, 0);
    fixture_wait(f, f->settled == 2);
    assert_int_equal(FAR(f, 1, discarded), 0);
    assert_int_equal(FAR(f, 1, published), 0);
    fh_pipeline_peer_confirmed(f->pipeline, 1);
    fixture_wait(f, FAR(f, 1, published) == 1);
    fixture_wait(f, f->reports == 2); /* the first sink delivers, too */
    fh_pipeline_peer_confirmed(f->pipeline, 2);
    fixture_wait(f, fixture_pending(f, 0) == 0 && fixture_pending(f, 1) == 0);
}

/* A sink that does not open must not hold up a hand-over. */
static void handing_over_without_the_sink(void **state)
{
    struct fixture *f = *state;
    SET_FAR(f, 0, no_open, true);
    fixture_start(f, one_phase, true);
    fixture_lead(f, 3);
    fixture_wait(f, FAR(f, 0, opens) >= 2);
    fh_pipeline_hand_over(f->pipeline, WAIT_MS);
    fixture_wait(f, f->stopped == 1);
}

/* Nothing is applied of it, and those behind it are. */
static void a_report_without_sense_is_passed_over(void **state)
{
    struct fixture *f = *state;
    fixture_start(f, one_phase, true);
    fixture_append(f, 10);
    fh_pipeline_peer_report(f->pipeline, 77, 1, "no report", 9);
    struct fh_record_key keys[5];
    struct fh_report report = {.epoch = 1, .state = FH_REPORT_DELIVERED, .keys = keys};
    snprintf(report.sink, sizeof(report.sink), "first");
    for (uint64_t i = 1; i <= 5; i++) {
        keys[report.count++] = key_of(i);
    }
    fixture_peer_report(f, 2, &report);
    fixture_wait(f, fixture_pending(f, 0) == 5);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(everything_arrives_once),
        CASE(each_delivery_is_timed_once),
        CASE(the_fence_is_seen_by_the_sink),
        CASE(leading_is_tried_again),
        CASE(not_yet_keeps_the_batch),
        CASE(not_yet_does_not_hold_a_role),
        CASE(a_far_side_that_stays_away_is_ill),
        CASE(a_follower_says_of_no_sink_that_it_fails),
        CASE(what_is_there_is_not_delivered_again),
        CASE(the_newest_position_counts),
        CASE(an_error_is_looked_into),
        CASE(asking_is_tried_again),
        CASE(a_range_that_is_being_closed_counts),
        CASE(draining_ends_with_the_batch),
        CASE(an_optional_sink_gives_way),
        CASE(a_batch_in_doubt_of_a_sink_that_is_gone),
        CASE(alone_with_what_the_peer_delivered_meanwhile),
        CASE(alone_and_the_peer_delivered_nothing_of_it),
        CASE(late_and_the_peer_holds_it_by_now),
        CASE(late_and_the_peer_does_not_hold_it),
        CASE(asking_again_leaves_the_others_alone),
        CASE(handing_over_without_the_sink),
        CASE(a_report_without_sense_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
