/* test_gap.c: which gaps a node that does not lead keeps in mind, until when, and which stamps tell
 * of one. The whole way, with a service that keeps an hour: tests/integration/gap.sh. */
#include "pipeline_fixture.h"

static const struct fh_sink_ops *const one_phase[] = {&fixture_one_phase, NULL};

#define HOUR ((uint64_t)360000) /* records are 10 ms apart */

static int64_t kept_gap(struct fixture *f)
{
    struct gap gaps[FH_PARTITIONS];
    size_t len = sizeof(gaps);
    return fh_store_get_note(f->pipeline->store, "gaps", gaps, &len) < 0 ? 0 : gaps[0].to_ms;
}

static uint64_t stored(struct fixture *f)
{
    struct fh_store_state state;
    fh_store_state(f->pipeline->store, &state);
    return state.next_sequence - 1;
}

/* The connection was lost behind record 10 and is there again; so late is it at the service. */
static void reconnect(struct fixture *f, uint64_t now)
{
    struct intake *intake = &f->pipeline->intake[0];
    fixture_append(f, 10);
    atomic_store(&intake->asked_from_ms, key_of(9).timestamp_ms);
    atomic_store(&intake->server_ms, key_of(now).timestamp_ms);
    atomic_store(&intake->connected_ms, fh_now().ns / 1000000);
    atomic_store(&intake->restarted, true);
}

static void bring(struct fixture *f, uint64_t number)
{
    f->appended = number - 1;
    fixture_offer(f, 1);
}

static void follow(struct fixture *f)
{
    fixture_start(f, one_phase, true);
    fh_pipeline_follow(f->pipeline);
}

static uint64_t declared_when_leading(struct fixture *f)
{
    uint64_t before = stored(f);
    fixture_lead(f, 4);
    bring(f, 4 * HOUR);
    fixture_wait(f, stored(f) > before && fixture_pending(f, 0) == 0);
    return atomic_load(&f->pipeline->gaps);
}

static void what_the_primary_has_not_passed_is_declared(void **state)
{
    struct fixture *f = *state;
    follow(f);
    reconnect(f, 3 * HOUR);
    bring(f, 2 * HOUR);
    fixture_wait(f, kept_gap(f) == key_of(2 * HOUR).timestamp_ms);
    fixture_restart(f, one_phase, true);
    assert_int_equal(declared_when_leading(f), 1);
    assert_int_equal(kept_gap(f), 0);
}

/* Once known it stays known: after a restart the peer may not be there to tell it again, and the
 * own cursor may wait for a record that came to this node only. */
static void what_the_primary_has_passed_is_not(void **state)
{
    struct fixture *f = *state;
    struct fh_checkpoint delivered;
    follow(f);
    reconnect(f, 3 * HOUR);
    bring(f, 2 * HOUR);
    fixture_wait(f, kept_gap(f) != 0);
    for (size_t p = 0; p < FH_PARTITIONS; p++) {
        delivered.partition_ms[p] = key_of(2 * HOUR).timestamp_ms;
    }
    fh_pipeline_peer_checkpoint(f->pipeline, &delivered);
    fixture_wait(f, kept_gap(f) == 0);
    fixture_restart(f, one_phase, true);
    assert_int_equal(declared_when_leading(f), 0);
}

/* What is older than what was asked for does not prove that the replay reaches back so far. */
static void a_stray_old_stamp_hides_no_gap(void **state)
{
    struct fixture *f = *state;
    follow(f);
    reconnect(f, 3 * HOUR);
    bring(f, 1);
    bring(f, 2 * HOUR);
    fixture_wait(f, stored(f) == 11);
    assert_int_equal(kept_gap(f), key_of(2 * HOUR).timestamp_ms);
}

static void a_replay_that_reaches_back_leaves_none(void **state)
{
    struct fixture *f = *state;
    follow(f);
    reconnect(f, 3 * HOUR);
    bring(f, 10);
    bring(f, 2 * HOUR);
    fixture_wait(f, stored(f) == 11);
    assert_int_equal(kept_gap(f), 0);
}

static void bring_some(struct fixture *f, uint64_t number)
{
    f->appended = number - 1;
    fixture_offer(f, 20); /* one stamp that is far ahead may be a wrong clock */
}

/* gRPC and WebSocket need not tell the date. Away for an hour and a half; the replay begins forty
 * minutes late, which alone is less than the window, and ends with what is of now. */
static void without_a_date_the_end_of_the_replay_tells(void **state)
{
    struct fixture *f = *state;
    follow(f);
    reconnect(f, 3 * HOUR);
    atomic_store(&f->pipeline->intake[0].server_ms, 0);
    bring_some(f, 2 * HOUR / 3);
    fixture_wait(f, stored(f) == 30);
    assert_int_equal(kept_gap(f), 0); /* it could be a pause of the site */
    bring_some(f, 3 * HOUR / 2);
    bring_some(f, 3 * HOUR / 2 + 20);
    fixture_wait(f, stored(f) == 70);
    assert_int_equal(kept_gap(f), key_of(2 * HOUR / 3).timestamp_ms);
}

/* The same stamps, but all this time the connection was open: the site had a pause. */
static void without_a_date_a_pause_is_no_gap(void **state)
{
    struct fixture *f = *state;
    follow(f);
    reconnect(f, 3 * HOUR);
    struct intake *intake = &f->pipeline->intake[0];
    atomic_store(&intake->server_ms, 0);
    atomic_store(&intake->connected_ms, fh_now().ns / 1000000 - 5400000);
    bring_some(f, 2 * HOUR / 3);
    bring_some(f, 3 * HOUR / 2);
    bring_some(f, 3 * HOUR / 2 + 20);
    fixture_wait(f, stored(f) == 70);
    assert_int_equal(kept_gap(f), 0);
}

/* Records, each shorter than a gap's, until none of them has room and no commit makes any. */
static void fill_store(struct fixture *f)
{
    uint64_t before = 0;
    for (unsigned same = 0; same < 15;) {
        int64_t turn = atomic_load(&f->pipeline->progress_ns);
        struct intake *intake = &f->pipeline->intake[0];
        pthread_mutex_lock(&intake->lock);
        bool offer = intake->filling->count < 1000;
        pthread_mutex_unlock(&intake->lock);
        if (offer) {
            fixture_offer(f, 10000);
        }
        fixture_wait(f, atomic_load(&f->pipeline->progress_ns) != turn);
        same = stored(f) == before && atomic_load(&f->pipeline->backpressure) ? same + 1 : 0;
        before = stored(f);
    }
}

/* A node whose store is full when it begins to lead declares it as soon as there is room. */
static void no_room_puts_it_off(void **state)
{
    struct fixture *f = *state;
    f->size_limit = 4u << 20;
    SET_FAR(f, 0, accept_result, -EAGAIN);
    follow(f);
    reconnect(f, 3 * HOUR);
    bring(f, 2 * HOUR);
    fixture_wait(f, kept_gap(f) != 0);
    fill_store(f);
    fixture_lead(f, 4);
    fixture_wait(f, FAR(f, 0, accepts) > 3);
    assert_int_equal(atomic_load(&f->pipeline->gaps), 0);
    SET_FAR(f, 0, accept_result, 0);
    fixture_wait(f, atomic_load(&f->pipeline->gaps) == 1 && kept_gap(f) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_primary_has_not_passed_is_declared),
        TEST(what_the_primary_has_passed_is_not),
        TEST(a_stray_old_stamp_hides_no_gap),
        TEST(a_replay_that_reaches_back_leaves_none),
        TEST(without_a_date_the_end_of_the_replay_tells),
        TEST(without_a_date_a_pause_is_no_gap),
        TEST(no_room_puts_it_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
