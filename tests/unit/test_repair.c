/* test_repair.c: what came to one node only: found by the standby, taken by the primary, and
 * nothing that was seen before. */
#include "pipeline_fixture.h"

#include <inttypes.h>

static const struct fh_sink_ops *const one_phase[] = {&fixture_one_phase, NULL};

#define RECORD(uid, stamp)                                                                         \
    "{\"recordUid\":\"" uid "\",\"recordTimestamp\":" stamp ",\"eventType\":\"T\"}"

static void configure(struct fh_config *config)
{
    config->firehose.max_line_bytes = 4096;
}

static void start_leading(struct fixture *f, uint64_t records)
{
    f->configure = configure;
    fixture_start(f, one_phase, true);
    fixture_append(f, records);
    fixture_lead(f, 3);
    fixture_wait(f, FAR(f, 0, there_count) == records);
}

static void offer(struct fixture *f, const char *lines, size_t len)
{
    fixture_wait(f, !atomic_load(&f->pipeline->offer_taken));
    fh_pipeline_peer_offers(f->pipeline, lines, len);
    fixture_wait(f, !atomic_load(&f->pipeline->offer_taken));
}

static uint64_t repaired(struct fixture *f)
{
    return atomic_load(&f->pipeline->repaired);
}

static void what_is_new_is_delivered_once(void **state)
{
    struct fixture *f = *state;
    start_leading(f, 10);
    static const char lines[] = RECORD("one", "1700000000050") "\n" RECORD(
        "two", "1700000000051") "\n" RECORD("one", "1700000000050") "\n";
    offer(f, lines, strlen(lines));
    assert_int_equal(repaired(f), 2);
    fixture_wait(f, FAR(f, 0, there_count) == 12 && fixture_pending(f, 0) == 0);
    offer(f, lines, strlen(lines));
    assert_int_equal(repaired(f), 2);
    fixture_restart(f, one_phase, true); /* what was taken is remembered like all else */
    offer(f, lines, strlen(lines));
    assert_int_equal(repaired(f), 0);
}

static void what_is_no_record_is_passed_over(void **state)
{
    struct fixture *f = *state;
    start_leading(f, 1);
    char long_line[5000];
    memset(long_line, ' ', sizeof(long_line));
    memcpy(long_line, RECORD("long", "1700000000010"), strlen(RECORD("long", "1700000000010")));
    long_line[sizeof(long_line) - 1] = '\n';
    offer(f, long_line, sizeof(long_line));
    static const char lines[] =
        "\n\nnothing\n{}\n{\"recordUid\":\"half\n"
        "{\"recordUid\":\"k\",\"recordTimestamp\":1700000000011,\"eventType\":\"KEEP_ALIVE\"}"
        "\n" RECORD("firehosed-gap-1-3-7-8", "1700000000014") "\n" RECORD(
            "nul", "1700000000012") "\0\n" RECORD("good", "1700000000013");
    offer(f, lines, sizeof(lines) - 1); /* the last one without its newline */
    assert_int_equal(repaired(f), 1);
    fixture_wait(f, FAR(f, 0, there_count) == 2);
    offer(f, "", 0);
    assert_int_equal(repaired(f), 1);
}

/* Whether it was seen cannot be told: it may have been delivered long ago. */
static void what_is_too_old_is_not_taken(void **state)
{
    struct fixture *f = *state;
    start_leading(f, 10);
    static const char old[] =
        RECORD("old", "1699990000000") "\n"; /* 167 minutes; the window is 120 */
    offer(f, old, strlen(old));
    assert_int_equal(repaired(f), 0);
}

static void only_by_uid_and_timestamp(void **state)
{
    struct fixture *f = *state;
    start_leading(f, 1);
    static const char line[] = RECORD("one", "1700000000050") "\n";
    atomic_store(&f->pipeline->key, FH_KEY_CONTENT);
    offer(f, line, strlen(line));
    assert_int_equal(repaired(f), 0);
    atomic_store(&f->pipeline->key, FH_KEY_UID_TIMESTAMP);
    offer(f, line, strlen(line));
    assert_int_equal(repaired(f), 1);
}

static struct fh_report report_of(struct fh_record_key *keys, uint64_t from, uint64_t to)
{
    struct fh_report report = {.epoch = 1, .state = FH_REPORT_DELIVERED, .keys = keys};
    snprintf(report.sink, sizeof(report.sink), "first");
    for (uint64_t i = from; i <= to; i++) {
        keys[report.count++] = key_of(i);
    }
    return report;
}

static void find(struct fixture *f)
{
    fh_pipeline_find_unreported(f->pipeline);
    fixture_append(f, 1); /* stored behind it */
    fixture_turn(f);
}

/* A round looks for what was overtaken before the round in front of it began. */
static void what_the_primary_never_reports_is_found(void **state)
{
    struct fixture *f = *state;
    struct fh_record_key keys[1000];
    f->configure = configure;
    fixture_start(f, one_phase, true);
    fh_pipeline_follow(f->pipeline);
    fixture_append(f, 1000);
    struct fh_report report = report_of(keys, 1, 100);
    fixture_peer_report(f, 1, &report);
    report = report_of(keys, 103, 999);
    fixture_peer_report(f, 2, &report);
    report = report_of(keys, 1000, 1000);
    fixture_peer_report(f, 3, &report);
    find(f); /* the first round knows of none before it */
    assert_int_equal(f->unreported_len, 0);
    fixture_restart(f, one_phase, true);
    fh_pipeline_follow(f->pipeline);
    fixture_peer_report(f, 4, &report);
    f->pipeline->repair.next_before_ms = key_of(500).timestamp_ms; /* of the round before */
    find(f);
    fixture_wait(f, f->unreported_len > 0);
    char wanted[512];
    int len = snprintf(
        wanted, sizeof(wanted),
        "{\"recordUid\":\"event-%08x\",\"recordTimestamp\":%" PRId64 ",\"eventType\":\"TYPE_%u\"}\n"
        "{\"recordUid\":\"event-%08x\",\"recordTimestamp\":%" PRId64
        ",\"eventType\":\"TYPE_%u\"}\n",
        101u, key_of(101).timestamp_ms, 101u % TYPES, 102u, key_of(102).timestamp_ms, 102u % TYPES);
    assert_int_equal(f->unreported_len, len);
    assert_memory_equal(f->unreported, wanted, (size_t)len);
    find(f); /* the round is over, and the next one not due */
    assert_int_equal(f->unreported_len, len);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_new_is_delivered_once),
        TEST(what_is_no_record_is_passed_over),
        TEST(what_is_too_old_is_not_taken),
        TEST(only_by_uid_and_timestamp),
        TEST(what_the_primary_never_reports_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
