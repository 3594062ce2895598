/* test_deliver_shape.c: sinks that want only some records, and far sides that refuse some: what
 * arrives, what is reported, what is counted, and that cursors move on. */
#include "pipeline_fixture.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

static const struct fh_sink_ops *const one_phase[] = {&fixture_one_phase, NULL};
static const struct fh_sink_ops *const two_phase[] = {&fixture_two_phase, NULL};
static const struct fh_sink_ops *const both[] = {&fixture_one_phase, &fixture_two_phase, NULL};

static void want_one_type(struct fh_config *config)
{
    for (size_t i = 0; i < config->sink_count; i++) {
        snprintf(config->sinks[i].event_types[0], FH_SINK_FILTER_MAX, "TYPE_1");
        config->sinks[i].event_type_count = 1;
    }
}

static void want_nothing(struct fh_config *config)
{
    want_one_type(config);
    snprintf(config->sinks[0].event_types[0], FH_SINK_FILTER_MAX, "NO_SUCH_TYPE");
}

/* Of the first count records those of TYPE_1 are there, once, in order. */
static void expect_type_1(struct fixture *f, size_t far, uint64_t count)
{
    pthread_mutex_lock(&f->far[far].lock);
    size_t n = 0;
    for (uint64_t number = 1; number <= count; number += TYPES) {
        assert_true(n < f->far[far].there_count);
        assert_int_equal(f->far[far].there[n++].timestamp_ms, key_of(number).timestamp_ms);
    }
    assert_int_equal(f->far[far].there_count, n);
    pthread_mutex_unlock(&f->far[far].lock);
}

static void some_are_wanted_and_all_are_reported(void **state)
{
    struct fixture *f = *state;
    f->configure = want_one_type;
    fixture_start(f, both, true);
    fixture_append(f, 4000);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0 && fixture_pending(f, 1) == 0);
    fixture_append(f, 4000);
    fixture_wait(f, fixture_pending(f, 0) == 0 && fixture_pending(f, 1) == 0);
    fixture_wait(f, f->report_keys == 16000); /* the peer's cursors move on, too */
    for (size_t i = 0; i < 2; i++) {
        expect_type_1(f, i, 8000);
        fixture_wait(f, atomic_load(&f->pipeline->delivery[i].delivered) == 2000);
        fixture_wait(f, atomic_load(&f->pipeline->delivery[i].filtered) == 6000);
    }
}

static void nothing_is_wanted_and_the_cursor_moves(void **state)
{
    struct fixture *f = *state;
    f->configure = want_nothing;
    fixture_start(f, two_phase, true);
    fixture_append(f, 3000);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_wait(f, f->report_keys == 3000);
    assert_int_equal(f->last.state, FH_REPORT_DELIVERED); /* nothing is in doubt */
    assert_int_equal(FAR(f, 0, position), 0);             /* nothing was prepared */
    assert_int_equal(FAR(f, 0, published), 0);
    fixture_append(f, 1);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].delivered) == 0);
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].filtered) == 3001);
    fh_pipeline_hand_over(f->pipeline, 1000);
    fixture_wait(f, f->stopped == 1);
}

static void nothing_is_wanted_and_nothing_is_sent(void **state)
{
    struct fixture *f = *state;
    f->configure = want_nothing;
    SET_FAR(f, 0, accept_result, -EAGAIN); /* the far side is down, and nobody needs it */
    fixture_start(f, one_phase, false);
    fixture_append(f, 3000);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    assert_int_equal(FAR(f, 0, accepts), 0);
    fixture_append(f, 10);
    atomic_store(&f->pipeline->draining, true);
    fh_store_wake(f->pipeline->store);
    fixture_wait(f, f->drained == 1);
    assert_int_equal(FAR(f, 0, accepts), 0);
}

/* A slow far side is asked again for what is left of a block, from the right place. */
static void in_portions_from_a_slow_far_side(void **state)
{
    struct fixture *f = *state;
    f->configure = want_one_type;
    SET_FAR(f, 0, write_result, -EAGAIN);
    fixture_start(f, one_phase, false);
    fixture_append(f, 8000);
    fixture_lead(f, 3);
    fixture_wait(f, fh_time_is_set(FAR(f, 0, began)));
    SET_FAR(f, 0, write_result, 0);
    fixture_wait(f, FAR(f, 0, there_count) >= 500);
    SET_FAR(f, 0, write_result, -EIO);
    fixture_append(f, 400);
    fixture_wait(f, !atomic_load(&f->pipeline->delivery[0].healthy) || fixture_pending(f, 0) == 0);
    SET_FAR(f, 0, write_result, 0);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    expect_type_1(f, 0, 8400);
}

static unsigned lines_of(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    unsigned lines = 0;
    while (fgets(line, sizeof(line), file)) {
        cJSON *letter = cJSON_Parse(line);
        const cJSON *record = cJSON_GetObjectItem(letter, "record");
        const cJSON *stamp = cJSON_GetObjectItem(record, "recordTimestamp");
        assert_true(cJSON_IsNumber(stamp));
        assert_int_equal((int64_t)stamp->valuedouble % 1000, 0); /* every hundredth */
        assert_string_equal(cJSON_GetObjectItem(letter, "reason")->valuestring, "not to be taken");
        assert_string_equal(cJSON_GetObjectItem(letter, "sink")->valuestring, "first");
        cJSON_Delete(letter);
        lines++;
    }
    fclose(file);
    return lines;
}

static void what_is_refused_is_kept_and_the_rest_goes_on(void **state)
{
    struct fixture *f = *state;
    char path[256];
    fh_dead_letters_path(f->directory, "first", path, sizeof(path));
    SET_FAR(f, 0, refuse_every, 100);
    fixture_start(f, one_phase, true);
    fixture_append(f, 1000);
    fixture_lead(f, 3);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    assert_int_equal(FAR(f, 0, there_count), 990);
    assert_int_equal(lines_of(path), 10);
    assert_int_equal(atomic_load(&f->pipeline->delivery[0].refused), 10);
    fixture_wait(f, f->report_keys == 1000); /* delivered, as far as the peer is concerned */
    fixture_wait(f, atomic_load(&f->pipeline->delivery[0].delivered) == 1000);
    assert_true(atomic_load(&f->pipeline->delivery[0].healthy));
}

static void no_room_for_what_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256];
    snprintf(path, sizeof(path), "%s/dead-letters", f->directory);
    FILE *file = fopen(path, "w"); /* in the way of the folder */
    assert_non_null(file);
    fclose(file);
    SET_FAR(f, 0, refuse_every, 100);
    fixture_start(f, one_phase, false);
    fixture_append(f, 1000);
    fixture_lead(f, 3);
    fixture_wait(f, !atomic_load(&f->pipeline->delivery[0].healthy));
    assert_int_equal(fixture_pending(f, 0), 1000); /* not lost: not delivered */
    assert_int_equal(atomic_load(&f->pipeline->delivery[0].refused), 0);
    assert_int_equal(remove(path), 0);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    assert_int_equal(FAR(f, 0, there_count), 990);
    fh_dead_letters_path(f->directory, "first", path, sizeof(path));
    assert_int_equal(lines_of(path), 10);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(some_are_wanted_and_all_are_reported),
        CASE(nothing_is_wanted_and_the_cursor_moves),
        CASE(nothing_is_wanted_and_nothing_is_sent),
        CASE(in_portions_from_a_slow_far_side),
        CASE(what_is_refused_is_kept_and_the_rest_goes_on),
        CASE(no_room_for_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
