/* test_store_optional.c: what optional sinks have not got gives way when room is short, and is
 * counted; required sinks, the checkpoint and the stream are not affected by them. */
#include "test_store_common.h"

#define KAFKA_ONLY 1 /* bits: which of the two sinks are optional */
#define BOTH       2

static const bool second_optional[] = {false, true};
static const bool both_optional[] = {true, true};

static uint64_t last; /* number of the newest record */

static void start(struct fixture *f, int optional)
{
    f->options.size_limit = 4u << 20;
    f->options.sink_count = 2;
    f->options.sink_optional = optional == BOTH ? both_optional : second_optional;
    open_again(f);
    last = 0;
}

/* So many records that compress badly. -ENOSPC: it is full. */
static int append_bulky(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[600];
        int len =
            snprintf(text, sizeof(text), "{\"n\":%llu,\"x\":\"", (unsigned long long)last + 1);
        while (len < 500) {
            len += snprintf(text + len, sizeof(text) - (size_t)len, "%08lx", (long)random());
        }
        struct fh_store_record record = {key_of(last + 1), text, (uint32_t)len};
        int r = fh_store_append(f->store, &record, NULL);
        if (r < 0) {
            return r;
        }
        last++;
    }
    return 0;
}

static uint64_t report_to(struct fixture *f, const char *sink, uint64_t from, uint64_t to)
{
    static struct fh_record_key keys[20000];
    struct fh_report report = report_of(keys, from, to, sink, FH_REPORT_DELIVERED);
    uint64_t number = 0;
    report.cursor_after = to + 1;
    uint64_t doubled = fh_store_report_doubled(f->store, &report);
    assert_int_equal(fh_store_report_add(f->store, &report, &number), 0);
    return doubled;
}

/* The required sink keeps up for a while, the optional one gets nothing. */
static void archive_keeps_up(struct fixture *f, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        uint64_t from = last + 1;
        assert_int_equal(append_bulky(f, 200), 0);
        commit(f);
        report_to(f, "archive", from, last);
        commit(f);
    }
}

static void the_backlog_gives_way(void **state)
{
    struct fixture *f = *state;
    struct fh_checkpoint checkpoint = {{1}};
    struct fh_store_state s;
    start(f, KAFKA_ONLY);
    fh_store_lead(f->store);
    fh_store_set_checkpoint(f->store, &checkpoint);
    archive_keeps_up(f, 2);
    assert_int_equal(cursor_of(f, "kafka").missed, 0); /* there is room */
    assert_int_equal(cursor_of(f, "kafka").pending, 400);
    checkpoint.partition_ms[0] = 2;
    fh_store_set_checkpoint(f->store, &checkpoint);
    commit(f);
    fh_store_state(f->store, &s);
    assert_int_equal(s.delivered.partition_ms[0], 2); /* the optional one does not hold it back */
    archive_keeps_up(f, 150);                         /* three times what there is room for */
    struct fh_store_cursor kafka = cursor_of(f, "kafka");
    assert_true(kafka.missed > last / 2);
    assert_int_equal(kafka.missed + kafka.pending, last);
    assert_int_equal(kafka.cursor, kafka.missed + 1);
    assert_int_equal(cursor_of(f, "archive").cursor, last + 1);
    assert_int_equal(cursor_of(f, "archive").missed, 0);
    fh_store_state(f->store, &s);
    assert_true(s.bytes_used < f->options.size_limit / 4 * 3);
    assert_true(s.first_sequence <= kafka.cursor);
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").missed, kafka.missed);
    assert_int_equal(cursor_of(f, "kafka").cursor, kafka.cursor);
    /* and goes on with the oldest that is left */
    static uint64_t got[100000];
    uint64_t at = 0;
    fh_store_lead(f->store);
    assert_int_equal(serve_all(f, "kafka", &at, got, 100000), kafka.pending);
    assert_int_equal(got[0], kafka.cursor);
}

static void a_required_one_keeps_all(void **state)
{
    struct fixture *f = *state;
    int r = 0;
    start(f, KAFKA_ONLY);
    fh_store_lead(f->store);
    while (r == 0) {
        r = append_bulky(f, 200);
        commit(f);
    }
    assert_int_equal(r, -ENOSPC); /* the stream has to wait */
    assert_int_equal(cursor_of(f, "kafka").missed, 0);
    assert_int_equal(cursor_of(f, "kafka").pending, last);
    report_to(f, "archive", 1, last / 2); /* what the required one has got may go */
    commit(f);
    commit(f);
    assert_true(cursor_of(f, "kafka").missed > 0);
    assert_true(cursor_of(f, "kafka").missed <= last / 2);
    assert_int_equal(cursor_of(f, "archive").pending, last - last / 2);
    assert_int_equal(append_bulky(f, 100), 0);
}

static void none_is_required(void **state)
{
    struct fixture *f = *state;
    start(f, BOTH);
    fh_store_lead(f->store);
    for (int i = 0; i < 150; i++) {
        assert_int_equal(append_bulky(f, 200), 0);
        commit(f);
    }
    for (size_t i = 0; i < 2; i++) {
        struct fh_store_cursor cursor = cursor_of(f, two_sinks[i]);
        assert_true(cursor.missed > 0 && cursor.pending > 0);
        assert_int_equal(cursor.missed + cursor.pending, last);
    }
}

/* A standby: the primary reports for the required sink alone. */
static void a_standby_lets_go_as_well(void **state)
{
    struct fixture *f = *state;
    start(f, KAFKA_ONLY);
    fh_store_follow(f->store);
    for (uint64_t i = 1; i <= 150; i++) {
        assert_int_equal(append_bulky(f, 200), 0);
        peer_report(f, i, last - 199, last);
        commit(f);
    }
    commit(f);
    struct fh_store_cursor kafka = cursor_of(f, "kafka");
    assert_true(kafka.missed > 0);
    assert_int_equal(kafka.missed + kafka.pending, last);
    assert_int_equal(cursor_of(f, "archive").pending, 0);
}

/* A batch was on its way when its records were let go, and arrives after all. */
static void what_came_through_was_not_missed(void **state)
{
    struct fixture *f = *state;
    start(f, KAFKA_ONLY);
    fh_store_lead(f->store);
    archive_keeps_up(f, 150);
    uint64_t missed = cursor_of(f, "kafka").missed;
    assert_true(missed > 1000);
    assert_int_equal(report_to(f, "kafka", 1, 1000), 0); /* delivered by this node alone */
    commit(f);
    assert_int_equal(cursor_of(f, "kafka").missed, missed - 1000);
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").missed, missed - 1000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_backlog_gives_way),
        CASE(a_required_one_keeps_all),
        CASE(none_is_required),
        CASE(a_standby_lets_go_as_well),
        CASE(what_came_through_was_not_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
