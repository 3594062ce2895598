/* test_store_hearsay.c: what others delivered: found at a sink's far side, or vouched for to a peer
 * that has lost its store. Marked as delivered over crashes, told on, counted as nobody's. */
#include "test_store_common.h"

#define TOLD_MAX 200000

struct told {
    size_t reports, vouched;
    struct fh_record_key key[TOLD_MAX]; /* of the vouched ones */
    size_t count;
    struct fh_store *into; /* another node's, that applies them */
    uint64_t doubled;
};
static struct told told;
static struct fh_record_key room[FH_REPORT_KEYS_MAX];

static int take_report(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct fh_report report;
    uint64_t doubled = 0;
    (void)userdata;
    assert_int_equal(fh_report_decode(bytes, len, room, FH_REPORT_KEYS_MAX, &report), 0);
    assert_int_equal(report.number, number);
    told.reports++;
    if (strcmp(report.position, FH_REPORT_VOUCHED) == 0) {
        assert_int_equal(report.state, FH_REPORT_DELIVERED);
        told.vouched++;
        memcpy(told.key + told.count, room, report.count * sizeof(*room));
        told.count += report.count;
    }
    if (told.into) {
        assert_int_equal(fh_store_peer_apply(told.into, 78, &report, &doubled), 0);
        told.doubled += doubled;
    }
    return 0;
}

/* Vouch for everything from the stamp of that record on, and read all own reports. */
static int vouch(struct fixture *f, uint64_t since, struct fixture *into)
{
    struct fh_store_vouching at = {0};
    int portions = 0;
    int r;
    do {
        commit(f);
        r = fh_store_vouch(f->store, key_of(since).timestamp_ms, &at);
        portions++;
    } while (r > 0);
    assert_int_equal(r, 0);
    commit(f);
    memset(&told, 0, sizeof(told));
    told.into = into ? into->store : NULL;
    fh_store_reports_from(f->store, 1, INT64_MIN, 100000, take_report, NULL);
    return portions;
}

static size_t times_told(uint64_t number)
{
    struct fh_record_key key = key_of(number);
    size_t times = 0;
    for (size_t i = 0; i < told.count; i++) {
        times += memcmp(&told.key[i], &key, sizeof(key)) == 0;
    }
    return times;
}

static void expect_told(uint64_t from, uint64_t to, size_t times)
{
    for (uint64_t number = from; number <= to; number++) {
        if (times_told(number) != times) {
            fail_msg("record %llu told %zu times instead of %zu", (unsigned long long)number,
                     times_told(number), times);
        }
    }
}

/* This node followed, learnt what the peer delivered, took over, and delivered itself. */
static void followed_and_led(struct fixture *f)
{
    fh_store_follow(f->store);
    append_range(f, 1, 100);
    peer_report(f, 1, 1, 50);
    peer_report(f, 2, 71, 80);   /* beyond the cursor */
    peer_report(f, 3, 101, 110); /* not received here yet */
    commit(f);
    fh_store_lead(f->store);
    own_report(f, 51, 60, 61, FH_REPORT_DELIVERED);
    own_report(f, 61, 65, 66, FH_REPORT_PREPARED);
    commit(f);
}

static void a_wiped_peer_is_told_what_it_delivered(void **state)
{
    struct fixture *f = *state;
    struct fixture *wiped = NULL;
    followed_and_led(f);
    assert_int_equal(setup((void **)&wiped), 0);
    vouch(f, 1, wiped);
    assert_int_equal(told.vouched, 2); /* from the index, and the early ones */
    assert_int_equal(told.count, 70);
    expect_told(1, 50, 1);
    expect_told(71, 80, 1);
    expect_told(101, 110, 1);
    expect_told(51, 60, 0); /* a report of ours says so anyway */
    assert_int_equal(told.doubled, 0);
    append_range(wiped, 1, 120); /* it receives them all again */
    commit(wiped);
    open_again(wiped);
    fh_store_lead(wiped->store);
    uint64_t got[200];
    uint64_t at = 0;
    assert_int_equal(serve_all(wiped, "archive", &at, got, 200), 5 + 20 + 10);
    assert_int_equal(got[0], 66); /* prepared ones count as delivered to the peer */
    assert_int_equal(got[5], 81);
    assert_int_equal(got[25], 111);
    teardown((void **)&wiped);
    /* asked again, the same and no more */
    vouch(f, 1, NULL);
    assert_int_equal(told.vouched, 2);
    open_again(f);
    vouch(f, 1, NULL);
    assert_int_equal(told.vouched, 2);
}

/* The one that was told tells on, when its peer is the one that is wiped next. */
static void what_was_vouched_for_is_vouched_for_again(void **state)
{
    struct fixture *f = *state;
    struct fixture *second = NULL;
    struct fixture *third = NULL;
    followed_and_led(f);
    assert_int_equal(setup((void **)&second), 0);
    assert_int_equal(setup((void **)&third), 0);
    append_range(second, 1, 100);
    vouch(f, 1, second);
    vouch(second, 1, third);
    expect_told(1, 65, 1); /* with what the first one itself delivered and prepared */
    expect_told(71, 80, 1);
    expect_told(101, 110, 1);
    append_range(third, 1, 110);
    commit(third);
    fh_store_lead(third->store);
    uint64_t got[200];
    uint64_t at = 0;
    assert_int_equal(serve_all(third, "archive", &at, got, 200), 25);
    teardown((void **)&second);
    teardown((void **)&third);
}

static void only_what_may_come_again(void **state)
{
    struct fixture *f = *state;
    followed_and_led(f);
    vouch(f, 31, NULL);
    assert_int_equal(told.count, 20 + 10 + 10);
    expect_told(1, 30, 0);
    vouch(f, 11, NULL); /* another time from further back: what is new to it */
    assert_int_equal(told.count, 60);
    expect_told(11, 50, 1);
}

static void each_sink_by_itself(void **state)
{
    struct fixture *f = *state;
    struct fh_record_key keys[64];
    f->options.sink_count = 2;
    open_again(f);
    append_range(f, 1, 20);
    peer_report(f, 1, 1, 10);
    struct fh_report report = report_of(keys, 1, 4, "kafka", FH_REPORT_DELIVERED);
    report.number = 2;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    vouch(f, 1, NULL);
    assert_int_equal(told.vouched, 2);
    expect_told(1, 4, 2);
    expect_told(5, 10, 1);
    expect_told(11, 20, 0);
}

static void in_portions(void **state)
{
    struct fixture *f = *state;
    static struct fh_record_key keys[100000];
    f->options.size_limit = 64u << 20;
    open_again(f);
    fh_store_follow(f->store);
    append_range(f, 1, 100000);
    struct fh_report report = report_of(keys, 1, 90000, "archive", FH_REPORT_DELIVERED);
    report.number = 1;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    assert_true(vouch(f, 1, NULL) > 1);
    assert_int_equal(told.count, 90000);
    assert_true(told.vouched > 1);
}

/* The records themselves are gone: the index stays for the window. */
static void records_no_longer_kept(void **state)
{
    struct fixture *f = *state;
    f->options.size_limit = 4u << 20;
    open_again(f);
    fh_store_follow(f->store);
    uint64_t number = 0;
    struct fh_store_state s = {0};
    while (s.first_sequence <= 500) { /* until room is short */
        for (int i = 0; i < 200; i++) {
            char text[600];
            int len =
                snprintf(text, sizeof(text), "{\"n\":%llu,\"x\":\"", (unsigned long long)++number);
            while (len < 500) {
                len += snprintf(text + len, sizeof(text) - (size_t)len, "%08lx", (long)random());
            }
            struct fh_store_record record = {key_of(number), text, (uint32_t)len};
            assert_int_equal(fh_store_append(f->store, &record, NULL), 0);
        }
        peer_report(f, number / 200, number - 199, number);
        commit(f);
        fh_store_state(f->store, &s);
    }
    vouch(f, 1, NULL);
    expect_told(1, number, 1);
}

/* ---- found at the far side ---------------------------------------------------------------------
 */

static bool received_to(void *userdata, struct fh_record_key key)
{
    uint64_t to = *(uint64_t *)userdata;
    return key.timestamp_ms <= key_of(to).timestamp_ms;
}

static uint64_t found(struct fixture *f, uint64_t from, uint64_t to, uint64_t received,
                      uint32_t *ret_count)
{
    struct fh_record_key keys[2000];
    struct fh_report report = report_of(keys, from, to, "archive", FH_REPORT_DELIVERED);
    uint64_t number = 99;
    assert_int_equal(fh_store_report_found(f->store, &report, received_to, &received, &number), 0);
    *ret_count = report.count;
    return number;
}

static void found_ones_are_delivered(void **state)
{
    struct fixture *f = *state;
    uint32_t count = 0;
    fh_store_lead(f->store);
    append_range(f, 1, 100);
    commit(f);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED);
    assert_int_equal(found(f, 5, 30, 100, &count), 2);
    assert_int_equal(count, 20);
    assert_int_equal(found(f, 5, 30, 100, &count), 0); /* nothing new: nothing staged */
    assert_int_equal(count, 0);
    assert_int_equal(found(f, 95, 110, 100, &count), 3);
    assert_int_equal(count, 16);
    commit(f);
    for (int round = 0; round < 2; round++) {
        append_range(f, round ? 116 : 101, round ? 130 : 115);
        commit(f);
        open_again(f); /* a crash */
        fh_store_lead(f->store);
    }
    uint64_t got[200];
    uint64_t at = 0;
    assert_int_equal(serve_all(f, "archive", &at, got, 200), 64 + 20);
    assert_int_equal(got[0], 31);
    assert_int_equal(got[64], 111);
    /* he who delivered them tells it, too: delivered by him alone */
    assert_int_equal(peer_report(f, 1, 11, 30), 0);
    assert_int_equal(peer_report(f, 2, 5, 12), 6); /* 5 to 10 are ours */
}

static void found_long_after_is_of_no_use(void **state)
{
    struct fixture *f = *state;
    uint32_t count = 0;
    fh_store_lead(f->store);
    append_range(f, 1, 10);
    fh_store_set_source_time(f->store, T0 + (int64_t)200 * 60000);
    commit(f);
    assert_int_equal(found(f, 5, 20, 10, &count), 1); /* the backlog waits however old it is */
    assert_int_equal(count, 6);
}

static void the_last_position(void **state)
{
    struct fixture *f = *state;
    struct fh_record_key keys[64];
    struct fh_store_last last;
    assert_int_equal(fh_store_last(f->store, "nobody", &last), -ENOENT);
    assert_int_equal(fh_store_last(f->store, "archive", &last), 0);
    assert_string_equal(last.position, "");
    assert_true(last.oldest_ms == INT64_MAX);
    append_range(f, 1, 30);
    commit(f);
    fh_store_lead(f->store);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED); /* epoch 1, position p-1 */
    own_report(f, 11, 20, 21, FH_REPORT_PREPARED);
    fh_store_last(f->store, "archive", &last);
    assert_string_equal(last.position, "p-1");
    assert_true(last.oldest_ms <= key_of(11).timestamp_ms);
    struct fh_report report = report_of(keys, 21, 30, "archive", FH_REPORT_DELIVERED);
    report.epoch = 2;
    report.number = 1;
    snprintf(report.position, sizeof(report.position), "the peer's");
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    own_report(f, 21, 22, 23, FH_REPORT_DELIVERED); /* of an older epoch */
    commit(f);
    open_again(f);
    fh_store_last(f->store, "archive", &last);
    assert_string_equal(last.position, "the peer's");
    assert_true(last.oldest_ms <= key_of(11).timestamp_ms);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_wiped_peer_is_told_what_it_delivered),
        CASE(what_was_vouched_for_is_vouched_for_again),
        CASE(only_what_may_come_again),
        CASE(each_sink_by_itself),
        CASE(in_portions),
        CASE(records_no_longer_kept),
        CASE(found_ones_are_delivered),
        CASE(found_long_after_is_of_no_use),
        CASE(the_last_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
