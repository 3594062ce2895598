/* test_metrics.c: the answer to a scrape: values, names, escapes, both formats, and that whatever
 * the stream brings its size is bounded. */
#include "fh/metrics.h"
#include "internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

static struct fh_snapshot snapshot;
static struct fh_metrics_self self;
static struct fh_buf text;

static int set_up(void **state)
{
    (void)state;
    memset(&snapshot, 0, sizeof(snapshot));
    memset(&self, 0, sizeof(self));
    snprintf(snapshot.node, sizeof(snapshot.node), "a");
    snprintf(snapshot.channel, sizeof(snapshot.channel), "http");
    snapshot.paired = true;
    snapshot.wall_ms = 1700000010000;
    snapshot.uptime_ms = 61234;
    snapshot.ha.role = FH_ROLE_PRIMARY;
    snapshot.ha.epoch = 7;
    snapshot.ha.peer.last_heard_ms = -1;
    fh_buf_init(&text, FH_METRICS_TEXT_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fh_buf_done(&text);
    return 0;
}

static const char *render(enum fh_metrics_format format)
{
    fh_buf_clear(&text);
    assert_int_equal(fh_metrics_render(&snapshot, &self, format, &text), 0);
    return fh_buf_string(&text);
}

/* A whole line. */
static void has_line(const char *in, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = in; at; at = strchr(at, '\n')) {
        at += *at == '\n' ? 1 : 0;
        if (strncmp(at, line, len) == 0 && at[len] == '\n') {
            return;
        }
    }
    fail_msg("no line \"%s\" in:\n%s", line, in);
}

static void lacks(const char *in, const char *part)
{
    if (strstr(in, part)) {
        fail_msg("\"%s\" in:\n%s", part, in);
    }
}

static void add_receiver(uint8_t first, uint8_t last)
{
    struct fh_pipeline_receiver *receiver =
        &snapshot.pipeline.receiver[snapshot.pipeline.receiver_count++];
    receiver->source.range = (struct fh_range){first, last};
    receiver->source.state = FH_RECEIVER_STREAMING;
    receiver->source.last_byte_age_ms = -1;
}

static void values_come_out_in_base_units(void **state)
{
    (void)state;
    add_receiver(1, 3);
    snapshot.pipeline.receiver[0].events = 12345678901;
    snapshot.pipeline.receiver[0].last_timestamp_ms = 1700000007500;
    snapshot.pipeline.store.received.partition_ms[11] = 1700000000001;
    snapshot.pipeline.counters.gaps = 3;
    self.render_ns = 1500000007;
    const char *open = render(FH_METRICS_OPEN);
    has_line(open, "firehosed_uptime_seconds 61.234");
    has_line(open, "firehosed_epoch 7");
    has_line(open, "firehosed_receiver_events_total{receiver=\"1-3\"} 12345678901");
    has_line(open, "firehosed_receiver_lag_seconds{receiver=\"1-3\"} 2.500");
    has_line(open, "firehosed_receiver_last_event_timestamp_seconds{receiver=\"1-3\"} "
                   "1700000007.500");
    has_line(open, "firehosed_checkpoint_timestamp_seconds{partition=\"12\",point=\"received\"} "
                   "1700000000.001");
    has_line(open, "firehosed_role{firehosed_role=\"primary\"} 1");
    has_line(open, "firehosed_role{firehosed_role=\"standby\"} 0");
    has_line(open, "firehosed_scrape_render_seconds_total 1.500000007");
    has_line(open, "firehosed_gaps_total 3");
    lacks(open, "firehosed_receiver_last_byte_seconds"); /* not known */
    lacks(open, "firehosed_peer_last_heard_seconds");
    lacks(open, "partition=\"1\"");
    snapshot.pipeline.receiver[0].last_timestamp_ms = snapshot.wall_ms + 5000; /* their clock */
    has_line(render(FH_METRICS_OPEN), "firehosed_receiver_lag_seconds{receiver=\"1-3\"} 0.000");
}

static void the_two_formats_differ_where_they_must(void **state)
{
    (void)state;
    const char *open = render(FH_METRICS_OPEN);
    has_line(open, "# TYPE firehosed_gaps counter");
    has_line(open, "# TYPE firehosed_role stateset");
    has_line(open, "# TYPE firehosed_build info");
    has_line(open, "# UNIT firehosed_uptime_seconds seconds");
    assert_string_equal(open + strlen(open) - 6, "# EOF\n");
    const char *classic = render(FH_METRICS_CLASSIC);
    has_line(classic, "# TYPE firehosed_gaps_total counter");
    has_line(classic, "# TYPE firehosed_role gauge");
    has_line(classic, "# TYPE firehosed_build_info gauge");
    has_line(classic, "firehosed_gaps_total 0");
    lacks(classic, "# UNIT");
    lacks(classic, "# EOF");
}

static void a_histogram_is_cumulative(void **state)
{
    (void)state;
    struct fh_pipeline_sink *sink = &snapshot.pipeline.sink[0];
    snapshot.pipeline.sink_count = 1;
    snprintf(sink->name, sizeof(sink->name), "s");
    sink->latency.count[0] = 1;
    sink->latency.count[7] = 2;
    sink->latency.count[FH_LATENCY_BOUNDS] = 4;
    sink->latency.sum_us = 1234567;
    const char *open = render(FH_METRICS_OPEN);
    has_line(open, "# TYPE firehosed_sink_delivery_latency_seconds histogram");
#define LATENCY "firehosed_sink_delivery_latency_seconds"
    has_line(open, LATENCY "_bucket{sink=\"s\",le=\"0.005\"} 1");
    has_line(open, LATENCY "_bucket{sink=\"s\",le=\"0.5\"} 1");
    has_line(open, LATENCY "_bucket{sink=\"s\",le=\"1.0\"} 3");
    has_line(open, LATENCY "_bucket{sink=\"s\",le=\"300.0\"} 3");
    has_line(open, LATENCY "_bucket{sink=\"s\",le=\"+Inf\"} 7");
    has_line(open, LATENCY "_sum{sink=\"s\"} 1.234567");
    has_line(open, LATENCY "_count{sink=\"s\"} 7");
}

static void replays_are_counted_apart(void **state)
{
    (void)state;
    snapshot.pipeline.sink_count = 2;
    snprintf(snapshot.pipeline.sink[0].name, FH_SINK_NAME_MAX, "live");
    snprintf(snapshot.pipeline.sink[1].name, FH_SINK_NAME_MAX, "again");
    snapshot.pipeline.sink[1].replaying = true;
    snapshot.pipeline.replays = (struct fh_pipeline_replays){.delivered = 11,
                                                             .filtered = 12,
                                                             .refused = 13,
                                                             .dropped = 14,
                                                             .done = 15,
                                                             .cancelled = 16,
                                                             .failed = 17,
                                                             .pending = 18};
    const char *open = render(FH_METRICS_OPEN);
    has_line(open, "firehosed_replay_running{sink=\"live\"} 0");
    has_line(open, "firehosed_replay_running{sink=\"again\"} 1");
    has_line(open, "firehosed_replay_pending_events 18");
    has_line(open, "firehosed_replay_events_total{outcome=\"delivered\"} 11");
    has_line(open, "firehosed_replay_events_total{outcome=\"filtered\"} 12");
    has_line(open, "firehosed_replay_events_total{outcome=\"refused\"} 13");
    has_line(open, "firehosed_replay_events_total{outcome=\"dropped\"} 14");
    has_line(open, "firehosed_replays_total{result=\"done\"} 15");
    has_line(open, "firehosed_replays_total{result=\"cancelled\"} 16");
    has_line(open, "firehosed_replays_total{result=\"failed\"} 17");
    has_line(open, "firehosed_sink_delivered_events_total{sink=\"again\"} 0");
}

static void a_single_node_says_nothing_of_a_pair(void **state)
{
    (void)state;
    snapshot.paired = false;
    const char *open = render(FH_METRICS_OPEN);
    lacks(open, "firehosed_protected");
    lacks(open, "firehosed_path");
    lacks(open, "firehosed_arbiter");
    has_line(open, "firehosed_role{firehosed_role=\"primary\"} 1");
}

static void add_type(const char *name, uint64_t received)
{
    struct fh_pipeline_type *type = &snapshot.pipeline.types.type[snapshot.pipeline.types.count++];
    snprintf(type->name, sizeof(type->name), "%s", name);
    type->received = received;
}

static void names_from_outside_cannot_break_the_answer(void **state)
{
    (void)state;
    add_type("DEVICE_PRESENCE", 5);
    add_type("other", 7);
    add_type("x\"} 1\nfake 1", 11);
    add_type("\xff\xfe", 13);
    snapshot.pipeline.types.other = 17;
    snprintf(snapshot.ha.peer.path[0].address, sizeof(snapshot.ha.peer.path[0].address),
             "a\\b\"c\nd");
    snapshot.ha.peer.path_count = 1;
    const char *open = render(FH_METRICS_OPEN);
    has_line(open, "firehosed_events_received_total{type=\"DEVICE_PRESENCE\"} 5");
    has_line(open, "firehosed_events_received_total{type=\"other\"} 48");
    has_line(open, "firehosed_path_up{path=\"1\",address=\"a\\\\b\\\"c\\nd\"} 0");
    lacks(open, "\nfake");
}

/* Rules take it for the node that cannot be scraped: it must not outlive it. */
static void the_peers_role_is_told_while_it_is_heard(void **state)
{
    (void)state;
    snapshot.ha.peer.role = FH_ROLE_PRIMARY;
    lacks(render(FH_METRICS_OPEN), "firehosed_peer_role");
    snapshot.ha.peer.reachable = true;
    has_line(render(FH_METRICS_OPEN), "# TYPE firehosed_peer_role stateset");
    has_line(render(FH_METRICS_OPEN), "firehosed_peer_role{firehosed_peer_role=\"primary\"} 1");
    has_line(render(FH_METRICS_OPEN), "firehosed_peer_role{firehosed_peer_role=\"standby\"} 0");
    snapshot.paired = false;
    lacks(render(FH_METRICS_OPEN), "firehosed_peer_role");
}

/* 0 would be told as a fault, by an alert that says to switch them off. */
static void no_datagrams_where_they_are_switched_off(void **state)
{
    (void)state;
    snapshot.ha.peer.path_count = 1;
    snapshot.ha.peer.path[0].up = true;
    lacks(render(FH_METRICS_OPEN), "firehosed_path_datagrams");
    snapshot.ha.peer.datagrams = true;
    has_line(render(FH_METRICS_OPEN), "firehosed_path_datagrams{path=\"1\",address=\"\"} 0");
}

/* Everything there can be of everything. */
static void fill(void)
{
    for (uint8_t i = 1; i <= FH_PARTITIONS; i++) {
        add_receiver(i, i);
        snapshot.pipeline.receiver[i - 1].last_timestamp_ms = INT64_MAX / 2;
        snapshot.pipeline.receiver[i - 1].source.last_byte_age_ms = INT64_MAX / 2;
        snapshot.pipeline.store.received.partition_ms[i - 1] = INT64_MAX / 2;
        snapshot.pipeline.store.delivered.partition_ms[i - 1] = INT64_MAX / 2;
    }
    for (size_t i = 0; i < FH_PIPELINE_TYPES; i++) {
        char name[FH_TYPE_MAX];
        snprintf(name, sizeof(name), "%0*zu", FH_TYPE_MAX - 1, i);
        add_type(name, UINT64_MAX);
    }
    for (size_t i = 0; i < FH_SINKS_MAX; i++) {
        struct fh_pipeline_sink *sink = &snapshot.pipeline.sink[snapshot.pipeline.sink_count++];
        snprintf(sink->name, sizeof(sink->name), "sink%zu", i);
        sink->delivered = sink->pending = UINT64_MAX;
    }
    for (size_t i = 0; i < FH_PATHS_MAX; i++) {
        memset(snapshot.ha.peer.path[i].address, '"', sizeof(snapshot.ha.peer.path[i].address) - 1);
    }
    snapshot.ha.peer.path_count = FH_PATHS_MAX;
    snapshot.ha.arbiter.configured = true;
    snapshot.ha.replica_match.known = true;
    snapshot.ha.peer.datagrams = true;
    snapshot.ha.peer.reachable = true;
    snapshot.ha.peer.last_heard_ms = INT64_MAX / 2;
}

static void the_answer_is_bounded(void **state)
{
    (void)state;
    unsigned bound = 0;
    for (size_t i = 0; i < metrics_table_count; i++) {
        bound += metric_max(&metrics_table[i]);
    }
    assert_true(bound <= FH_METRICS_SAMPLES_MAX);
    fill();
    const char *open = render(FH_METRICS_OPEN);
    unsigned samples = 0;
    for (const char *at = open; *at != '\0'; at = strchr(at, '\n') + 1) {
        samples += *at != '#';
    }
    print_message("%u samples of at most %u, %zu bytes\n", samples, bound, text.len);
    assert_true(samples <= bound && samples > bound / 2);
    assert_true(text.len < FH_METRICS_TEXT_MAX / 2);
    /* no room: an error, not a part */
    struct fh_buf small;
    fh_buf_init(&small, 4096);
    assert_int_equal(fh_metrics_render(&snapshot, &self, FH_METRICS_OPEN, &small), -ENOBUFS);
    fh_buf_done(&small);
}

static void names_follow_the_conventions(void **state)
{
    (void)state;
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metric *metric = &metrics_table[i];
        size_t len = strlen(metric->name);
        size_t unit = strlen(metric->unit);
        assert_int_equal(strspn(metric->name, "abcdefghijklmnopqrstuvwxyz_"), len);
        assert_true(strncmp(metric->name, "firehosed_", 10) == 0 ||
                    strncmp(metric->name, "process_", 8) == 0);
        if (unit > 0) { /* OpenMetrics: the unit ends the name */
            assert_true(len > unit + 1 && metric->name[len - unit - 1] == '_');
            assert_string_equal(metric->name + len - unit, metric->unit);
        }
        assert_true(metric->help[0] != '\0' && metric->help[strlen(metric->help) - 1] == '.');
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(metric->name, metrics_table[j].name);
        }
    }
}

static void accept_is_understood(void **state)
{
    (void)state;
    assert_int_equal(fh_metrics_wanted(NULL), FH_METRICS_CLASSIC);
    assert_int_equal(fh_metrics_wanted("*/*"), FH_METRICS_CLASSIC);
    assert_int_equal(fh_metrics_wanted("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
                     FH_METRICS_CLASSIC);
    /* Prometheus 2.42 */
    assert_int_equal(
        fh_metrics_wanted("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                          "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
        FH_METRICS_OPEN);
    assert_int_equal(fh_metrics_wanted("text/html, Application/OpenMetrics-Text"), FH_METRICS_OPEN);
    assert_int_equal(fh_metrics_wanted(",,, ,"), FH_METRICS_CLASSIC);
}

static void the_reference_names_every_metric(void **state)
{
    (void)state;
    assert_int_equal(fh_metrics_reference(&text), 0);
    const char *reference = fh_buf_string(&text);
    has_line(reference, "firehosed_epoch|gauge|||Number of the reign this node knows; grows by "
                        "every failover.");
    assert_non_null(strstr(reference, "firehosed_gaps_total|counter|||"));
    assert_non_null(strstr(reference, "firehosed_path_up|gauge||path, address|"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_come_out_in_base_units),
        TEST(the_two_formats_differ_where_they_must),
        TEST(a_histogram_is_cumulative),
        TEST(replays_are_counted_apart),
        TEST(a_single_node_says_nothing_of_a_pair),
        TEST(names_from_outside_cannot_break_the_answer),
        TEST(the_peers_role_is_told_while_it_is_heard),
        TEST(no_datagrams_where_they_are_switched_off),
        TEST(the_answer_is_bounded),
        TEST(names_follow_the_conventions),
        TEST(accept_is_understood),
        TEST(the_reference_names_every_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
