/* test_console_graph.c: the ring of the last hour. */
#include "graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_rates(void **state)
{
    (void)state;
    struct graph graph = {.read = false};
    struct graph_reading reading = {.received = 1000, .delivered = 500, .lag_ms = -1};
    assert_int_equal(graph_count(&graph), 0);
    assert_false(graph_add(&graph, &reading, 1234000, 1));
    assert_int_equal(graph_count(&graph), 0);
    assert_false(graph_add(&graph, &reading, 1234999, 2));
    reading =
        (struct graph_reading){.received = 1500, .delivered = 1000, .lag_ms = 70, .pending = 3};
    assert_true(graph_add(&graph, &reading, 1239000, 3));
    assert_int_equal(graph_count(&graph), 1);
    struct graph_sample sample = graph_at(&graph, 0);
    assert_true(sample.received == 100 && sample.delivered == 100);
    assert_true(sample.lag_ms == 70 && sample.pending == 3 && graph.wall_ms == 3);
    /* a counter that starts again is no rate */
    reading.received = 0;
    assert_true(graph_add(&graph, &reading, 1244000, 4));
    assert_true(graph_at(&graph, 1).received < 0 && graph_at(&graph, 1).delivered == 0);
}

static void test_a_hole_stays_a_hole(void **state)
{
    (void)state;
    struct graph graph = {.read = false};
    struct graph_reading reading = {.received = 0};
    graph_add(&graph, &reading, 5000, 1);
    reading.received = 50;
    assert_true(graph_add(&graph, &reading, 10000, 2));
    assert_true(graph_add(&graph, &reading, 30000, 3));
    assert_int_equal(graph_count(&graph), 5);
    assert_true(graph_at(&graph, 0).received == 10);
    for (size_t i = 1; i < 4; i++) {
        assert_true(graph_at(&graph, i).received < 0 && graph_at(&graph, i).pending < 0);
    }
    assert_true(graph_at(&graph, 4).received == 0);
    /* longer than the ring */
    assert_true(graph_add(&graph, &reading, INT64_C(5000) * 100000, 4));
    assert_int_equal(graph_count(&graph), GRAPH_SAMPLES);
    assert_true(graph_at(&graph, GRAPH_SAMPLES - 2).received < 0);
    assert_true(graph_at(&graph, GRAPH_SAMPLES - 1).received == 0);
}

static void test_an_hour_and_no_more(void **state)
{
    (void)state;
    struct graph graph = {.read = false};
    struct graph_reading reading = {.received = 0};
    for (int64_t i = 0; i < 2000; i++) {
        reading.received += (uint64_t)i * 5;
        graph_add(&graph, &reading, 1000000 + i * GRAPH_STEP_MS, i);
    }
    assert_int_equal(graph_count(&graph), GRAPH_SAMPLES);
    for (size_t i = 0; i < GRAPH_SAMPLES; i++) {
        assert_true(graph_at(&graph, i).received == (float)(2000 - GRAPH_SAMPLES + i));
    }
    assert_int_equal(graph.wall_ms, 1999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_a_hole_stays_a_hole),
        cmocka_unit_test(test_an_hour_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
