/* test_store_unreported.c: records that the peer did not receive are found, and only those. */
#include "test_store_common.h"

#define SETTLED_MS 1000 /* a hundred of the records: their stamps are 10 ms apart */

struct found {
    uint64_t number[1000];
    size_t count, wanted;
};

static int take(void *userdata, struct fh_slice line)
{
    struct found *found = userdata;
    if (found->count == found->wanted) {
        return 1;
    }
    const char *n = memmem(line.data, line.len, "\"n\":", 4);
    assert_non_null(n);
    found->number[found->count++] = strtoull(n + 4, NULL, 10);
    return 0;
}

/* All of them, wanted at a time. */
static size_t search(struct fixture *f, struct found *found, size_t wanted)
{
    struct fh_error err = {""};
    uint64_t at = 0;
    int r = 1;
    *found = (struct found){.count = 0};
    while (r == 1) {
        found->wanted = found->count + wanted;
        int64_t reported = fh_store_peer_reported(f->store);
        r = reported == INT64_MIN
                ? 0
                : fh_store_unreported(f->store, reported - SETTLED_MS, &at, take, found, &err);
    }
    if (r < 0) {
        fail_msg("%d %s", r, err.text);
    }
    assert_int_equal(at, 0);
    return found->count;
}

static void follow(struct fixture *f, uint64_t last)
{
    fh_store_follow(f->store);
    append_range(f, 1, last);
    fh_store_set_source_time(f->store, key_of(last).timestamp_ms);
    commit(f);
}

static void what_the_peer_lacks_is_found(void **state)
{
    struct fixture *f = *state;
    struct found found;
    follow(f, 600);
    assert_int_equal(search(f, &found, 1000), 0); /* it has said nothing yet */
    peer_report(f, 1, 1, 50);
    peer_report(f, 2, 53, 299);
    peer_report(f, 3, 301, 400);
    commit(f);
    /* 301 is the last word; 51 and 52 are a hundred records older, 300 and 401 are not */
    assert_int_equal(search(f, &found, 1000), 2);
    assert_int_equal(found.number[0], 51);
    assert_int_equal(found.number[1], 52);
    assert_int_equal(search(f, &found, 1), 2); /* in portions the same ones */
    assert_int_equal(found.number[1], 52);
    peer_report(f, 4, 410, 500);
    commit(f);
    open_again(f); /* how far the peer was is known again with its next report */
    assert_int_equal(search(f, &found, 1000), 0);
    peer_report(f, 5, 520, 600);
    commit(f);
    assert_int_equal(search(f, &found, 2), 3 + 9); /* 51, 52, 300 and 401 to 409 */
    assert_int_equal(found.number[2], 300);
    assert_int_equal(found.number[11], 409);
    peer_report(f, 6, 51, 52); /* it has taken them */
    commit(f);
    assert_int_equal(search(f, &found, 1000), 10);
    assert_int_equal(found.number[0], 300);
}

static void a_leader_lacks_nothing(void **state)
{
    struct fixture *f = *state;
    struct found found;
    follow(f, 400);
    peer_report(f, 1, 11, 399);
    peer_report(f, 2, 400, 400);
    commit(f);
    assert_int_equal(search(f, &found, 1000), 10);
    fh_store_lead(f->store);
    assert_int_equal(search(f, &found, 1000), 0);
    uint64_t number = own_report(f, 1, 10, 11, FH_REPORT_PREPARED);
    fh_store_follow(f->store);
    peer_report(f, 3, 401, 401);
    commit(f);
    assert_int_equal(search(f, &found, 1000), 0); /* in doubt */
    assert_int_equal(fh_store_report_finish(f->store, number, FH_REPORT_VOID), 0);
    commit(f);
    assert_int_equal(search(f, &found, 1000), 10);
}

/* A stamp of the peer's that lies far ahead is not how far it has come. */
static void a_wild_stamp_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct found found;
    follow(f, 200);
    peer_report(f, 1, 1000000, 1000000);
    commit(f);
    assert_int_equal(search(f, &found, 1000),
                     99); /* older than the own time, less what is settled */
}

static void the_required_sinks_count(void **state)
{
    static const bool second_optional[] = {false, true};
    struct fixture *f = *state;
    struct found found;
    f->options.sink_count = 2;
    f->options.sink_optional = second_optional;
    open_again(f);
    follow(f, 400);
    struct fh_record_key keys[400];
    struct fh_report report = report_of(keys, 1, 400, "kafka", FH_REPORT_DELIVERED);
    report.number = 1;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    commit(f);
    assert_int_equal(search(f, &found, 1000), 0); /* nothing known of archive */
    peer_report(f, 2, 1, 9);
    peer_report(f, 3, 11, 400);
    peer_report(f, 4, 399, 400);
    commit(f);
    assert_int_equal(search(f, &found, 1000), 1); /* although the optional one has it */
    assert_int_equal(found.number[0], 10);
}

/* Who asks is the writer: it does not go through the whole store in one turn. */
static void a_turn_reads_few_blocks(void **state)
{
    struct fixture *f = *state;
    struct fh_error err = {""};
    struct found found = {.wanted = 1000};
    uint64_t at = 0;
    f->options.block_bytes = 256; /* a few records each */
    open_again(f);
    follow(f, 400);
    peer_report(f, 1, 301, 399);
    peer_report(f, 2, 400, 400);
    commit(f);
    int64_t before_ms = key_of(400).timestamp_ms - SETTLED_MS;
    assert_int_equal(fh_store_unreported(f->store, before_ms, &at, take, &found, &err), 1);
    assert_in_range(found.count, 32, 200);
    assert_int_equal(at, found.count + 1); /* where it goes on */
    assert_int_equal(search(f, &found, 1000), 299);
    assert_int_equal(found.number[298], 299);
}

/* What lies behind a block that cannot be read is found all the same. */
static void a_damaged_block_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct fh_error err = {""};
    struct found found = {.wanted = 1000};
    uint64_t at = 0;
    f->options.cache_bytes = 0;
    open_again(f);
    append_range(f, 1, 400);
    commit(f);
    damage_a_block(f);
    fh_store_follow(f->store);
    fh_store_set_source_time(f->store, key_of(400).timestamp_ms);
    peer_report(f, 1, 300, 400);
    peer_report(f, 2, 400, 400);
    commit(f);
    int64_t before_ms = key_of(400).timestamp_ms - SETTLED_MS;
    int r;
    while ((r = fh_store_unreported(f->store, before_ms, &at, take, &found, &err)) == 1) {
    }
    assert_int_equal(r, 0);
    assert_in_range(found.count, 1, 298);
    assert_int_equal(found.number[found.count - 1], 299);
    size_t holes = 0;
    for (size_t i = 0; i < found.count; i++) {
        holes += found.number[i] != (i == 0 ? 0 : found.number[i - 1]) + 1;
    }
    assert_int_equal(holes, 1); /* one block is missing, no more */
    assert_non_null(strstr(err.text, "damaged at record "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_peer_lacks_is_found), TEST(a_leader_lacks_nothing),
        TEST(a_wild_stamp_says_nothing),    TEST(the_required_sinks_count),
        TEST(a_turn_reads_few_blocks),      TEST(a_damaged_block_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
