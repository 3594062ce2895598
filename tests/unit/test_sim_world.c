/* test_sim_world.c: the contract of src/sim/world.h: the same options give the same bytes, replicas
 * are permutations of one stream, nothing is lost by seeking or trimming, the ledger is the stream,
 * and a recorded file comes back as it was. */
#include "world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND   1000000LL
#define START    1767225600000LL
#define NO_LIMIT UINT64_MAX

static char line[1 << 21];

static struct sim_world_options default_options(void)
{
    return (struct sim_world_options){
        .seed = 42,
        .rate = 5000,
        .start_ms = START,
        .devices = 800,
        .uid_bits = 32,
        .lateness_ms = 2000,
        .replica_jitter_ms = 250,
        .window_ms = 3600000,
        .window_bytes = 1ULL << 28,
        .replay_speed = 1,
        .ledger = true,
    };
}

static struct sim_world *new_world(const struct sim_world_options *options)
{
    struct fh_error err = {""};
    struct sim_world *world = NULL;
    if (sim_world_new(options, &err, &world) < 0) {
        fail_msg("%s", err.text);
    }
    return world;
}

/* FNV-1a over the lines a replica shows, so that whole streams can be compared. */
static uint64_t hash_stream(struct sim_world *world, unsigned replica, uint64_t from, uint64_t to)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    sim_world_lock_read(world);
    for (uint64_t p = from; p < to; p++) {
        size_t length = sim_world_render(world, replica, p, line, sizeof(line));
        for (size_t i = 0; i < length; i++) {
            hash = (hash ^ (unsigned char)line[i]) * 0x100000001b3ULL;
        }
    }
    sim_world_unlock_read(world);
    return hash;
}

static uint64_t hash_in_steps(const struct sim_world_options *options, int64_t step_us,
                              uint64_t most, unsigned replica)
{
    struct sim_world *world = new_world(options);
    uint64_t made = 0;
    for (int64_t passed = 0; passed < 4 * SECOND; passed += step_us) {
        made += sim_world_advance(world, step_us, most);
    }
    while (made < 20000) {
        made += sim_world_advance(world, 0, most);
    }
    assert_int_equal(made, 20000);
    assert_true(sim_world_ready(world, replica) >= 18000);
    uint64_t hash = hash_stream(world, replica, 0, 18000);
    sim_world_free(world);
    return hash;
}

static void test_the_same_options_give_the_same_bytes(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    for (unsigned replica = 1; replica <= 3; replica++) {
        uint64_t whole = hash_in_steps(&options, 4 * SECOND, NO_LIMIT, replica);
        assert_int_equal(whole, hash_in_steps(&options, 2000, NO_LIMIT, replica));
        assert_int_equal(whole, hash_in_steps(&options, SECOND, 777, replica));
    }
    uint64_t one = hash_in_steps(&options, 4 * SECOND, NO_LIMIT, 1);
    assert_int_not_equal(one, hash_in_steps(&options, 4 * SECOND, NO_LIMIT, 2));
    options.seed++;
    assert_int_not_equal(one, hash_in_steps(&options, 4 * SECOND, NO_LIMIT, 1));
}

static void test_the_rate_is_kept(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    for (unsigned i = 0; i < 3; i++) {
        options.rate = (const double[]){1, 333, 500000}[i];
        struct sim_world *world = new_world(&options);
        uint64_t made = 0;
        for (int step = 0; step < 300; step++) {
            made += sim_world_advance(world, 10007, NO_LIMIT);
        }
        double expected = options.rate * 3.0021;
        assert_true((double)made >= expected - 1 && (double)made <= expected + 1);
        assert_int_equal(sim_world_now_ms(world), START + 3002);
        sim_world_free(world);
    }
    options.rate = 100;
    struct sim_world *world = new_world(&options);
    assert_int_equal(sim_world_advance(world, SECOND, NO_LIMIT), 100);
    sim_world_set_rate(world, 1000);
    uint64_t made = sim_world_advance(world, SECOND, NO_LIMIT);
    assert_in_range(made, 990, 1000);
    /* Time beyond max_events is kept, not lost. */
    assert_int_equal(sim_world_advance(world, SECOND, 10), 10);
    assert_in_range(sim_world_now_ms(world), START + 2000, START + 2020);
    made = sim_world_advance(world, 0, NO_LIMIT);
    assert_in_range(made, 989, 991);
    assert_int_equal(sim_world_now_ms(world), START + 3000);
    sim_world_free(world);
}

static void test_replicas_are_permutations(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    struct sim_world *world = new_world(&options);
    uint64_t made = sim_world_advance(world, 5 * SECOND, NO_LIMIT);
    sim_world_lock_read(world);
    for (unsigned replica = 1; replica <= 3; replica++) {
        uint64_t ready = sim_world_ready(world, replica);
        bool *seen = calloc(made, sizeof(bool));
        assert_non_null(seen);
        int64_t newest = 0;
        uint64_t moved = 0;
        for (uint64_t p = 0; p < ready; p++) {
            struct sim_event event;
            struct sim_ledger_row row;
            sim_world_event(world, replica, p, &event);
            assert_true(event.index < made && !seen[event.index]);
            seen[event.index] = true;
            moved += event.index != p;
            assert_true(newest - event.arrival_ms <= options.replica_jitter_ms);
            newest = event.arrival_ms > newest ? event.arrival_ms : newest;
            assert_true(sim_world_ledger_row(world, event.index, &row));
            assert_int_equal(row.uid, event.uid);
            assert_int_equal(row.timestamp_ms, event.timestamp_ms);
            assert_int_equal(row.partition, event.partition);
        }
        assert_true(moved > ready / 2);
        /* Everything older than the jitter has its position. */
        for (uint64_t i = 0; i < made - 5000 * 260 / 1000; i++) {
            assert_true(seen[i]);
        }
        free(seen);
    }
    sim_world_unlock_read(world);
    sim_world_free(world);
}

static void test_uids_may_differ_per_replica(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.replica_jitter_ms = 0;
    struct sim_world *world = new_world(&options);
    (void)sim_world_advance(world, SECOND, NO_LIMIT);
    sim_world_set_replica_uids_differ(world, true);
    sim_world_lock_read(world);
    unsigned differing = 0;
    for (uint64_t p = 0; p < 5000; p++) {
        struct sim_event events[3];
        struct sim_ledger_row row;
        char uid[40];
        for (unsigned r = 0; r < 3; r++) {
            sim_world_event(world, r + 1, p, &events[r]);
        }
        assert_true(sim_world_ledger_row(world, p, &row));
        assert_int_equal(events[0].uid, row.uid);
        assert_int_equal(events[0].timestamp_ms, events[2].timestamp_ms);
        differing += events[0].uid != events[1].uid && events[1].uid != events[2].uid;
        (void)sim_world_render(world, 2, p, line, sizeof(line));
        int length = snprintf(uid, sizeof(uid), "{\"recordUid\":\"event-%x\",", events[1].uid);
        assert_memory_equal(line, uid, (size_t)length);
    }
    assert_true(differing >= 4999);
    sim_world_unlock_read(world);
    sim_world_free(world);
}

static void test_stamps_may_differ_per_replica(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.replica_jitter_ms = 0;
    struct sim_world *world = new_world(&options);
    (void)sim_world_advance(world, SECOND, NO_LIMIT);
    sim_world_set_replica_timestamps_differ(world, true);
    sim_world_lock_read(world);
    unsigned differing = 0;
    int64_t most = 0;
    for (uint64_t p = 0; p < 5000; p++) {
        struct sim_event one;
        struct sim_event two;
        struct sim_ledger_row row;
        char head[80];
        sim_world_event(world, 1, p, &one);
        sim_world_event(world, 2, p, &two);
        assert_true(sim_world_ledger_row(world, p, &row));
        assert_int_equal(one.timestamp_ms, row.timestamp_ms);
        assert_true(sim_world_ledger_row_of(world, 2, p, &row));
        assert_int_equal(two.timestamp_ms, row.timestamp_ms);
        int64_t apart = llabs(two.timestamp_ms - one.timestamp_ms);
        most = apart > most ? apart : most;
        differing += apart > 0;
        assert_int_equal(one.uid, two.uid);
        size_t length = sim_world_render(world, 2, p, line, sizeof(line));
        int head_length =
            snprintf(head, sizeof(head), "{\"recordUid\":\"event-%x\",\"recordTimestamp\":%lld,",
                     two.uid, (long long)two.timestamp_ms);
        assert_memory_equal(line, head, (size_t)head_length);
        /* The rest is the same, stamps inside included. */
        static char other[65536];
        size_t other_length = sim_world_render(world, 1, p, other, sizeof(other));
        const char *rest = strstr(other, ",\"spacesTenantId\"");
        size_t rest_length = other_length - (size_t)(rest - other);
        assert_memory_equal(line + length - rest_length, rest, rest_length);
    }
    assert_true(differing > 4900);
    assert_in_range(most, SIM_STAMPS_APART_MS / 2, SIM_STAMPS_APART_MS);
    /* What is stamped later than asked for is not left out, although it stands further in front. */
    int64_t from_ms = sim_world_now_ms(world) - 500;
    uint64_t begin = sim_world_seek(world, 2, from_ms, false);
    for (uint64_t p = 0; p < begin; p++) {
        struct sim_event event;
        sim_world_event(world, 2, p, &event);
        assert_true(event.timestamp_ms < from_ms);
    }
    sim_world_unlock_read(world);
    sim_world_free(world);
}

static void test_stamps_are_late_but_bounded(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    struct sim_world *world = new_world(&options);
    uint64_t made = sim_world_advance(world, 10 * SECOND, NO_LIMIT);
    uint64_t small = 0;
    uint64_t large = 0;
    sim_world_lock_read(world);
    for (uint64_t p = 0; p < sim_world_ready(world, 1); p++) {
        struct sim_event event;
        sim_world_event(world, 1, p, &event);
        int64_t lateness = event.arrival_ms - event.timestamp_ms;
        assert_in_range(lateness, 0, options.lateness_ms);
        assert_int_equal(event.arrival_ms, START + (int64_t)event.index / 5);
        small += lateness <= options.lateness_ms / 8;
        large += lateness > options.lateness_ms * 3 / 4;
    }
    sim_world_unlock_read(world);
    assert_true(small > made / 2);
    assert_true(large > made / 100);
    sim_world_free(world);
}

/* Against the definition: no event stamped `from` or later lies before the position, and the event
 * at the position is such a one. */
static void test_seek_skips_nothing(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.window_ms = 4000;
    struct sim_world *world = new_world(&options);
    (void)sim_world_advance(world, 6 * SECOND, NO_LIMIT);
    sim_world_settle(world); /* a pause must not confuse the order that is searched */
    for (unsigned replica = 1; replica <= 3; replica++) {
        assert_int_equal(sim_world_ready(world, replica), sim_world_end(world));
    }
    (void)sim_world_advance(world, 3 * SECOND, NO_LIMIT);
    sim_world_lock_read(world);
    for (unsigned replica = 1; replica <= 3; replica++) {
        uint64_t first = sim_world_first(world);
        uint64_t ready = sim_world_ready(world, replica);
        for (int64_t from = START + 4800; from < START + 9300; from += 13) {
            for (int by_arrival = 0; by_arrival < 2; by_arrival++) {
                uint64_t expected = first;
                struct sim_event event;
                for (; expected < ready; expected++) {
                    sim_world_event(world, replica, expected, &event);
                    if ((by_arrival ? event.arrival_ms : event.timestamp_ms) >= from) {
                        break;
                    }
                }
                assert_int_equal(sim_world_seek(world, replica, from, by_arrival), expected);
            }
        }
        assert_int_equal(sim_world_seek(world, replica, 0, false), first);
    }
    sim_world_unlock_read(world);
    sim_world_free(world);
}

/* Reads everything that is promised to be readable. */
static void read_window(struct sim_world *world)
{
    sim_world_lock_read(world);
    for (unsigned replica = 1; replica <= 3; replica++) {
        uint64_t ready = sim_world_ready(world, replica);
        for (uint64_t p = sim_world_first(world); p < ready; p++) {
            size_t length = sim_world_render(world, replica, p, line, sizeof(line));
            assert_true(length > 100 && line[length - 1] == '\n' && line[length - 2] == '}');
        }
    }
    sim_world_unlock_read(world);
}

static void test_the_window_is_trimmed_by_time(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.rate = 2000;
    options.window_ms = 3000;
    struct sim_world *world = new_world(&options);
    for (int second = 1; second <= 20; second++) {
        (void)sim_world_advance(world, SECOND, NO_LIMIT);
        uint64_t end = (uint64_t)second * 2000;
        assert_int_equal(sim_world_end(world), end);
        assert_int_equal(sim_world_first(world), end > 6000 ? end - 6000 : 0);
    }
    read_window(world);
    assert_int_equal(sim_world_ledger_count(world), 40000);
    sim_world_free(world);
}

static void test_the_window_is_trimmed_by_size(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.rate = 20000;
    options.replica_jitter_ms = 100;
    options.window_bytes = 2 << 20;
    struct sim_world *world = new_world(&options);
    for (int step = 0; step < 100; step++) {
        (void)sim_world_advance(world, SECOND / 10, NO_LIMIT);
        uint64_t kept = sim_world_end(world) - sim_world_first(world);
        assert_true(kept * 52 <= options.window_bytes);
        assert_true(step < 30 || kept > 10000);
        if (step % 10 == 0) {
            read_window(world);
        }
    }
    sim_world_free(world);
}

static void test_narrow_uids_collide(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.uid_bits = 12;
    struct sim_world *world = new_world(&options);
    uint64_t made = sim_world_advance(world, SECOND, NO_LIMIT);
    bool seen[4096] = {false};
    unsigned distinct = 0;
    for (uint64_t i = 0; i < made; i++) {
        struct sim_ledger_row row;
        assert_true(sim_world_ledger_row(world, i, &row));
        assert_true(row.uid < 4096);
        distinct += !seen[row.uid];
        seen[row.uid] = true;
    }
    assert_in_range(distinct, 2500, 3200); /* 4096 * (1 - e^(-5000/4096)) = 2887 */
    assert_false(sim_world_ledger_row(world, made, &(struct sim_ledger_row){0}));
    sim_world_free(world);
}

static void test_a_short_buffer_is_left_alone(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    struct sim_world *world = new_world(&options);
    (void)sim_world_advance(world, SECOND, NO_LIMIT);
    size_t length = sim_world_render(world, 1, 7, line, sizeof(line));
    char *exact = malloc(length);
    assert_non_null(exact);
    memset(exact, '#', length);
    assert_int_equal(sim_world_render(world, 1, 7, exact, length - 1), length);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(exact[i], '#');
    }
    assert_int_equal(sim_world_render(world, 1, 7, exact, length), length);
    assert_memory_equal(exact, line, length);
    free(exact);
    char first[256];
    char second[256];
    assert_true(sim_world_keep_alive(world, first, 10) > 10);
    length = sim_world_keep_alive(world, first, sizeof(first));
    assert_true(length < sizeof(first));
    (void)sim_world_keep_alive(world, second, sizeof(second));
    assert_memory_not_equal(first, second, 30);
    sim_world_free(world);
}

static void test_wrong_options_are_refused(void **state)
{
    (void)state;
    struct fh_error err;
    struct sim_world *world = NULL;
    struct sim_world_options wrong[6];
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        wrong[i] = default_options();
    }
    wrong[0].rate = 0.5;
    wrong[1].uid_bits = 7;
    wrong[2].devices = 0;
    wrong[3].lateness_ms = -1;
    wrong[4].window_bytes = 0;
    wrong[5].replay_file = "/proc/nonexistent/stream.ndjson";
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        err.text[0] = '\0';
        assert_true(sim_world_new(&wrong[i], &err, &world) < 0);
        assert_null(world);
        assert_true(strlen(err.text) > 10);
    }
}

/* ---- recorded streams ---- */

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

#define RECORD(uid, stamp, type, rest)                                                             \
    "{\"recordUid\":\"" uid "\",\"recordTimestamp\":" stamp ",\"eventType\":\"" type "\"" rest "}"

/* Out of order, with an empty line, CRLF, a keep-alive, an unknown type and another key order. */
static const char recorded
    [] = RECORD("event-a1", "5000", "DEVICE_COUNT", ",\"deviceCounts\":{\"recordTimestamp\":1}") "\n\n" RECORD(
        "evt-x", "5300", "NEW_TYPE",
        ",\"x\":{\"deviceId\":\"d\\\"}1\"}") "\r\n" RECORD("event-1", "5350", "KEEP_ALIVE",
                                                           "") "\n" RECORD("event-a1", "5100",
                                                                           "DEVICE_ENTRY",
                                                                           ",\"y\":[{\"deviceId\":"
                                                                           "\"d\\\"}1\"}]") "\n"
                                                                                            "{ "
                                                                                            "\"z\" "
                                                                                            ": "
                                                                                            "[\"}"
                                                                                            "\\\"\""
                                                                                            "], "
                                                                                            "\"even"
                                                                                            "tType"
                                                                                            "\":"
                                                                                            "\"IOT_"
                                                                                            "TELEME"
                                                                                            "TRY\","
                                                                                            " \"rec"
                                                                                            "ordTim"
                                                                                            "estamp"
                                                                                            "\" : "
                                                                                            "\"7000"
                                                                                            "\" ,"
                                                                                            "\"reco"
                                                                                            "rdUid"
                                                                                            "\":"
                                                                                            "\"even"
                                                                                            "t-"
                                                                                            "ffffff"
                                                                                            "ff\"}";

static void test_a_recorded_stream_is_replayed(void **state)
{
    (void)state;
    char path[] = "/tmp/test_sim_world.XXXXXX";
    write_file(path, recorded);
    struct sim_world_options options = default_options();
    options.replay_file = path;
    options.replay_speed = 10;
    options.replica_jitter_ms = 0;
    struct sim_world *world = new_world(&options);
    (void)unlink(path);
    assert_int_equal(sim_world_now_ms(world), 5000);
    assert_int_equal(sim_world_advance(world, 1, NO_LIMIT), 1);
    assert_int_equal(sim_world_advance(world, 29900, NO_LIMIT), 0); /* 299 ms of its time */
    assert_int_equal(sim_world_advance(world, 1000, NO_LIMIT), 2);
    assert_false(sim_world_ended(world));
    assert_int_equal(sim_world_advance(world, 10 * SECOND, NO_LIMIT), 1);
    assert_true(sim_world_ended(world));

    static const int64_t stamps[] = {5000, 5300, 5100, 7000};
    static const int64_t arrivals[] = {5000, 5300, 5300, 7000};
    static const char *const names[] = {"DEVICE_COUNT", "UNKNOWN", "DEVICE_ENTRY", "IOT_TELEMETRY"};
    struct sim_event events[4];
    for (uint64_t p = 0; p < 4; p++) {
        sim_world_event(world, 1, p, &events[p]);
        assert_int_equal(events[p].timestamp_ms, stamps[p]);
        assert_int_equal(events[p].arrival_ms, arrivals[p]);
        assert_string_equal(sim_type_name(events[p].type), names[p]);
        assert_in_range(events[p].partition, 1, 12);
    }
    assert_int_equal(events[0].uid, 0xa1);
    assert_int_equal(events[3].uid, 0xffffffff);
    assert_int_equal(events[1].partition, events[2].partition); /* the same device */
    assert_int_equal(sim_world_seek(world, 1, 5050, false), 1);
    assert_int_equal(sim_world_seek(world, 1, 5301, false), 3);

    size_t length = sim_world_render(world, 1, 2, line, sizeof(line));
    static const char third[] =
        RECORD("event-a1", "5100", "DEVICE_ENTRY", ",\"y\":[{\"deviceId\":\"d\\\"}1\"}]") "\n";
    assert_int_equal(length, sizeof(third) - 1);
    assert_memory_equal(line, third, length);
    sim_world_set_replica_uids_differ(world, true);
    sim_world_event(world, 2, 2, &events[2]);
    char expected[256];
    int expected_length = snprintf(expected, sizeof(expected), "{\"recordUid\":\"event-%x%s",
                                   events[2].uid, third + strlen("{\"recordUid\":\"event-a1"));
    assert_int_equal(sim_world_render(world, 2, 2, line, sizeof(line)), expected_length);
    assert_memory_equal(line, expected, (size_t)expected_length);
    sim_world_set_replica_timestamps_differ(world, true);
    sim_world_event(world, 2, 2, &events[2]);
    expected_length = snprintf(
        expected, sizeof(expected),
        RECORD("event-%x", "%lld", "DEVICE_ENTRY", ",\"y\":[{\"deviceId\":\"d\\\"}1\"}]") "\n",
        events[2].uid, (long long)events[2].timestamp_ms);
    assert_int_equal(sim_world_render(world, 2, 2, line, sizeof(line)), expected_length);
    assert_memory_equal(line, expected, (size_t)expected_length);
    assert_true(events[2].timestamp_ms != 5100);
    sim_world_free(world);
}

static void test_a_broken_recording_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        "\n\n",
        RECORD("event-1", "1", "DEVICE_COUNT", "") "\nnot json\n",
        "{\"recordUid\":\"event-1\"",
        "{\"recordUid\":\"event-1\",\"recordTimestamp\":-5,\"eventType\":\"X\"}",
        "{\"recordUid\":\"event-1\",\"recordTimestamp\":99999999999999999999,\"eventType\":\"X\"}",
        "{\"recordUid\":\"",
        "{\"recordUid\"",
        "{\"eventType\":\"\\",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(broken); i++) {
        char path[] = "/tmp/test_sim_world.XXXXXX";
        struct fh_error err = {""};
        struct sim_world *world = NULL;
        write_file(path, broken[i]);
        struct sim_world_options options = default_options();
        options.replay_file = path;
        assert_true(sim_world_new(&options, &err, &world) < 0);
        (void)unlink(path);
        assert_non_null(strstr(err.text, i < 2 ? "no event" : i == 2 ? "line 2" : "line 1"));
    }
}

/* ---- threads ---- */

struct reader {
    struct sim_world *world;
    _Atomic bool *stop;
    unsigned replica;
    uint64_t read;
};

static void *read_along(void *argument)
{
    struct reader *reader = argument;
    static _Thread_local char own[65536];
    uint64_t position = 0;
    while (!atomic_load(reader->stop) || position < sim_world_ledger_count(reader->world) / 2) {
        sim_world_lock_read(reader->world);
        uint64_t first = sim_world_first(reader->world);
        uint64_t ready = sim_world_ready(reader->world, reader->replica);
        position = position < first ? first : position;
        for (unsigned n = 0; n < 200 && position < ready; n++, position++) {
            struct sim_event event;
            struct sim_ledger_row row;
            size_t length =
                sim_world_render(reader->world, reader->replica, position, own, sizeof(own));
            sim_world_event(reader->world, reader->replica, position, &event);
            bool known = sim_world_ledger_row(reader->world, event.index, &row);
            reader->read += known && row.uid == event.uid && own[length - 1] == '\n';
        }
        sim_world_unlock_read(reader->world);
        (void)sim_world_keep_alive(reader->world, own, sizeof(own));
    }
    return NULL;
}

static void test_readers_follow_the_producer(void **state)
{
    (void)state;
    struct sim_world_options options = default_options();
    options.rate = 50000;
    struct sim_world *world = new_world(&options);
    _Atomic bool stop = false;
    pthread_t threads[2];
    struct reader readers[2];
    for (unsigned i = 0; i < 2; i++) {
        readers[i] = (struct reader){world, &stop, i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_along, &readers[i]), 0);
    }
    for (int step = 0; step < 400; step++) {
        (void)sim_world_advance(world, 2500, NO_LIMIT);
    }
    sim_world_set_rate(world, 10);
    (void)sim_world_advance(world, SECOND, NO_LIMIT);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(readers[i].read >= 25000);
    }
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_options_give_the_same_bytes),
        cmocka_unit_test(test_the_rate_is_kept),
        cmocka_unit_test(test_replicas_are_permutations),
        cmocka_unit_test(test_uids_may_differ_per_replica),
        cmocka_unit_test(test_stamps_may_differ_per_replica),
        cmocka_unit_test(test_stamps_are_late_but_bounded),
        cmocka_unit_test(test_seek_skips_nothing),
        cmocka_unit_test(test_the_window_is_trimmed_by_time),
        cmocka_unit_test(test_the_window_is_trimmed_by_size),
        cmocka_unit_test(test_narrow_uids_collide),
        cmocka_unit_test(test_a_short_buffer_is_left_alone),
        cmocka_unit_test(test_wrong_options_are_refused),
        cmocka_unit_test(test_a_recorded_stream_is_replayed),
        cmocka_unit_test(test_a_broken_recording_is_refused),
        cmocka_unit_test(test_readers_follow_the_producer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
