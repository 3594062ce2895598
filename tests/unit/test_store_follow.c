/* test_store_follow.c: what the peer reports is not delivered again, in any order of arrival,
 * before and after crashes and changes of role. */
#include "test_store_common.h"

#include <time.h>

static int pick(void)
{
    return (int)random();
}

static void reported_in_any_order(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    append_range(f, 1, 30);
    commit(f);
    assert_int_equal(peer_report(f, 1, 11, 20), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 1);
    assert_int_equal(cursor_of(f, "archive").pending, 20);
    peer_report(f, 2, 31, 40); /* not received here yet */
    peer_report(f, 3, 1, 5);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 6);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.unmatched_reports, 10);
    assert_int_equal(s.peer_report_applied, 3);
    assert_int_equal(s.peer_store_id, 77);
    for (int round = 0; round < 2; round++) { /* once more after a crash */
        append_range(f, round ? 36 : 31, round ? 45 : 35);
        commit(f);
        open_again(f);
    }
    fh_store_state(f->store, &s);
    assert_int_equal(s.unmatched_reports, 0);
    fh_store_lead(f->store);
    uint64_t got[64];
    uint64_t at = 0;
    assert_int_equal(serve_all(f, "archive", &at, got, 64), 20);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(got[i], 6 + i);
        assert_int_equal(got[5 + i], 21 + i);
        assert_int_equal(got[10 + i], 26 + i);
        assert_int_equal(got[15 + i], 41 + i);
    }
}

static void numbers_are_applied_once(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 10);
    peer_report(f, 5, 1, 2);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 3);
    peer_report(f, 5, 3, 4);
    peer_report(f, 4, 3, 4);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 3);
    struct fh_record_key keys[10];
    struct fh_report report = report_of(keys, 3, 4, "archive", FH_REPORT_VOID);
    report.number = 6;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 3);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.peer_report_applied, 6);
    /* the peer lost its state and begins again; what it delivered before stays delivered */
    report = report_of(keys, 3, 4, "archive", FH_REPORT_PREPARED);
    report.number = 1;
    assert_int_equal(fh_store_peer_apply(f->store, 78, &report, NULL), 0);
    /* a sink this node does not have: counted, nothing else */
    report = report_of(keys, 5, 6, "webhook", FH_REPORT_DELIVERED);
    report.number = 2;
    assert_int_equal(fh_store_peer_apply(f->store, 78, &report, NULL), 0);
    commit(f);
    open_again(f);
    fh_store_state(f->store, &s);
    assert_int_equal(s.peer_store_id, 78);
    assert_int_equal(s.peer_report_applied, 2);
    assert_int_equal(cursor_of(f, "archive").cursor, 5);
}

/* The peer, demoted, tells late what it had delivered. */
static void reports_while_leading(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 40);
    commit(f);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED);
    own_report(f, 11, 15, 16, FH_REPORT_PREPARED);
    commit(f);
    /* 6..10 delivered by both, 11..15 in a prepared batch, 16..20 not yet delivered here */
    assert_int_equal(peer_report(f, 1, 6, 20), 10);
    assert_int_equal(peer_report(f, 2, 39, 42), 0);
    append_range(f, 41, 50);
    commit(f);
    uint64_t got[64];
    uint64_t at = 16;
    assert_int_equal(serve_all(f, "archive", &at, got, 64), 26);
    assert_int_equal(got[0], 21);
    assert_int_equal(got[17], 38);
    assert_int_equal(got[18], 43);
    /* nothing is expected of the peer any more: appends go the cheap way, the same is served */
    append_range(f, 51, 60);
    commit(f);
    assert_int_equal(serve_all(f, "archive", &at, got, 64), 10);
    assert_int_equal(cursor_of(f, "archive").pending, 36);
    own_report(f, 43, 60, 61, FH_REPORT_DELIVERED);
    assert_int_equal(fh_store_report_finish(f->store, 2, FH_REPORT_DELIVERED), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").pending, 18); /* 21..38, not in the last report */
}

/* Which records of batches in doubt has the peer delivered? Also after a restart. */
static void batches_in_doubt_are_overtaken(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 40);
    commit(f);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED);
    own_report(f, 11, 15, 16, FH_REPORT_PREPARED);
    own_report(f, 16, 20, 21, FH_REPORT_PREPARED);
    commit(f);
    peer_report(f, 1, 18, 25);
    commit(f);
    for (int i = 0; i < 2; i++) {
        struct fh_report reports[4];
        assert_int_equal(fh_store_reports_in_doubt(f->store, reports, 4), 2);
        assert_int_equal(fh_store_report_overtaken(f->store, &reports[0], 0), 0);
        assert_int_equal(fh_store_report_overtaken(f->store, &reports[1], 16), 3);
        open_again(f);
    }
    /* whatever has become of the first one by then */
    struct fh_report reports[4];
    fh_store_reports_in_doubt(f->store, reports, 4);
    assert_int_equal(fh_store_report_finish(f->store, reports[0].number, FH_REPORT_VOID), 0);
    commit(f);
    assert_int_equal(fh_store_report_overtaken(f->store, &reports[1], 16), 3);
}

/* The peer tells what it delivered while this node has the same records in a batch that is not
 * prepared yet: they go out twice, and are told. */
static void reported_while_in_an_open_batch(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 40);
    commit(f);
    own_report(f, 1, 10, 11, FH_REPORT_PREPARED);
    uint64_t got[64];
    uint64_t at = 11;
    assert_int_equal(serve_all(f, "archive", &at, got, 64), 30); /* read into the next batch */
    assert_int_equal(peer_report(f, 1, 6, 25), 5);               /* 6..10 are prepared */
    append_range(f, 41, 50);                                     /* not in the batch */
    commit(f);
    struct fh_record_key keys[64];
    struct fh_report report = report_of(keys, 11, 40, "archive", FH_REPORT_PREPARED);
    report.cursor_after = 41;
    assert_int_equal(fh_store_report_doubled(f->store, &report), 15);
    uint64_t number;
    assert_int_equal(fh_store_report_add(f->store, &report, &number), 0);
    /* what the peer reports from here on counts there; the rest was not touched */
    assert_int_equal(peer_report(f, 2, 26, 30), 5);
    report = report_of(keys, 41, 50, "archive", FH_REPORT_PREPARED);
    report.cursor_after = 51;
    assert_int_equal(fh_store_report_doubled(f->store, &report), 0);
}

static void both_delivered_is_counted_when_following(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 100);
    commit(f);
    own_report(f, 1, 50, 51, FH_REPORT_DELIVERED);
    own_report(f, 51, 60, 61, FH_REPORT_DELIVERED);
    commit(f);
    open_again(f);
    fh_store_follow(f->store);
    assert_int_equal(peer_report(f, 1, 41, 70), 20);
    assert_int_equal(peer_report(f, 2, 1, 40), 40);
    assert_int_equal(peer_report(f, 3, 71, 120), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 101);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.unmatched_reports, 20);
}

static void role_changes_keep_what_is_known(void **state)
{
    struct fixture *f = *state;
    uint64_t got[64];
    uint64_t at = 0;
    fh_store_follow(f->store);
    append_range(f, 1, 10);
    peer_report(f, 1, 3, 4);
    fh_store_lead(f->store);
    append_range(f, 11, 20);
    commit(f);
    assert_int_equal(serve_all(f, "archive", &at, got, 64), 18);
    own_report(f, 1, 2, 3, FH_REPORT_DELIVERED);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 5); /* 3 and 4 are the peer's */
    fh_store_follow(f->store);
    append_range(f, 21, 25);
    peer_report(f, 2, 5, 19);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 20);
    assert_int_equal(cursor_of(f, "archive").pending, 6);
    fh_store_lead(f->store);
    at = 0;
    assert_int_equal(serve_all(f, "archive", &at, got, 64), 6);
    assert_int_equal(got[0], 20);
}

/* The peer started later and never got records 1..5: they must not hold this node back for ever. */
static void never_reported_is_given_up(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    append_range(f, 1, 1000);
    peer_report(f, 1, 6, 1000);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 1);
    fh_store_set_source_time(f->store, T0 + 121 * INT64_C(60000));
    commit(f);
    /* old, but the peer may be late itself: it has not reported anything that new */
    assert_int_equal(cursor_of(f, "archive").cursor, 1);
    uint64_t later = 1 + 125 * 6000;
    append_range(f, later, later + 10);
    peer_report(f, 2, later, later + 10);
    fh_store_set_source_time(f->store, T0 + 125 * INT64_C(60000));
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 1012);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.given_up, 5);
    open_again(f);
    fh_store_state(f->store, &s);
    assert_int_equal(s.given_up, 5);
}

static void early_keys_do_not_stay_for_ever(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    peer_report(f, 1, 1, 100);
    fh_store_set_source_time(f->store, T0 + 60000);
    commit(f);
    struct fh_store_state s;
    fh_store_state(f->store, &s);
    assert_int_equal(s.unmatched_reports, 100);
    fh_store_set_source_time(f->store,
                             T0 + 500 + 120 * INT64_C(60000)); /* 1..49 are older than the window */
    commit(f);
    fh_store_state(f->store, &s);
    assert_int_equal(s.unmatched_reports, 51);
    fh_store_set_source_time(f->store, T0 + 130 * INT64_C(60000));
    commit(f);
    open_again(f);
    fh_store_state(f->store, &s);
    assert_int_equal(s.unmatched_reports, 0);
}

/* ---- random pair against a model ---------------------------------------------------------------
 */

enum { NUMBERS = 3000 };

struct pair_model {
    bool received[NUMBERS + 1], delivered[NUMBERS + 1]; /* delivered by whichever node */
    bool doubled[NUMBERS + 1];
    uint64_t sequence_of[NUMBERS + 1], number_at[NUMBERS + 1];
    uint64_t next_sequence, next_new, peer_number;
};

/* What must be served: every received record that nobody reported, in sequence. */
static void check_serving(struct fixture *f, struct pair_model *m)
{
    static uint64_t got[NUMBERS];
    uint64_t at = 0;
    size_t n = serve_all(f, "archive", &at, got, NUMBERS);
    size_t i = 0;
    for (uint64_t q = 1; q < m->next_sequence; q++) {
        uint64_t number = m->number_at[q];
        if (!m->delivered[number]) {
            assert_true(i < n);
            assert_int_equal(got[i++], number);
        }
    }
    assert_int_equal(i, n);
}

static void random_receive(struct fixture *f, struct pair_model *m)
{
    for (int i = 0; i < 20 && m->next_new <= NUMBERS; i++) {
        /* the replicas' order differs: sometimes skip ahead, come back later */
        uint64_t number = m->next_new;
        if (pick() % 4 == 0) {
            number += (uint64_t)pick() % 30;
        }
        if (number <= NUMBERS && !m->received[number]) {
            assert_int_equal(append(f, number, &m->sequence_of[number]), 0);
            assert_int_equal(m->sequence_of[number], m->next_sequence);
            m->number_at[m->next_sequence++] = number;
            m->received[number] = true;
        }
        while (m->next_new <= NUMBERS && m->received[m->next_new]) {
            m->next_new++;
        }
    }
}

static void random_peer(struct fixture *f, struct pair_model *m)
{
    struct fh_record_key keys[64];
    struct fh_report report = report_of(keys, 1, 0, "archive", FH_REPORT_DELIVERED);
    uint64_t base = m->next_new > 40 ? m->next_new - 40 : 1;
    for (int i = 0; i < 64; i++) {
        uint64_t number = base + (uint64_t)pick() % 80;
        if (number <= NUMBERS && !m->delivered[number]) {
            m->delivered[number] = true;
            keys[report.count++] = key_of(number);
        }
    }
    report.number = ++m->peer_number;
    uint64_t doubled;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, &doubled), 0);
    assert_int_equal(doubled, 0);
}

static void random_deliver(struct fixture *f, struct pair_model *m)
{
    struct fh_store_batch batch;
    uint64_t at = 0;
    if (fh_store_next(f->store, "archive", &at, &batch, NULL) != 1) {
        return;
    }
    struct fh_report report = {.state = FH_REPORT_DELIVERED, .sink = "archive", .keys = batch.key};
    report.count = batch.count > 0 ? 1 + (uint32_t)pick() % batch.count : 0;
    report.cursor_after = report.count == batch.count ? at : batch.sequence[report.count - 1] + 1;
    for (uint32_t i = 0; i < report.count; i++) {
        m->delivered[m->number_at[batch.sequence[i]]] = true;
    }
    assert_int_equal(fh_store_report_doubled(f->store, &report), 0);
    uint64_t number;
    assert_int_equal(fh_store_report_add(f->store, &report, &number), 0);
    fh_store_batch_done(f->store, &batch);
}

static void random_life(void **state)
{
    struct fixture *f = *state;
    f->options.block_bytes = 1024;
    f->options.cache_bytes = 8192;
    static struct pair_model m;
    memset(&m, 0, sizeof(m));
    m.next_sequence = m.next_new = 1;
    open_again(f);
    bool leading = false;
    while (m.next_new <= NUMBERS) {
        int kind = pick() % 100;
        if (kind < 40) {
            random_receive(f, &m);
        } else if (kind < 70 && !leading) {
            random_peer(f, &m);
        } else if (kind < 70) {
            random_deliver(f, &m);
        } else if (kind < 72) {
            random_peer(f, &m); /* also while leading: the other one was demoted */
        } else if (kind < 90) {
            commit(f);
        } else if (kind < 94) {
            leading = !leading;
            leading ? fh_store_lead(f->store) : fh_store_follow(f->store);
        } else if (kind < 96) {
            commit(f);
            open_again(f); /* a crash loses nothing that was committed */
            leading ? fh_store_lead(f->store) : fh_store_follow(f->store);
        } else {
            commit(f);
            fh_store_lead(f->store);
            check_serving(f, &m);
            leading ? 0 : fh_store_follow(f->store);
        }
    }
    commit(f);
    fh_store_lead(f->store);
    check_serving(f, &m);
}

static int count_rows(struct fixture *f)
{
    struct fh_store_state state;
    fh_store_state(f->store, &state);
    return (int)state.unmatched_reports;
}

static void peer_told(struct fixture *f, uint64_t number, const char *sink, uint64_t from,
                      uint64_t to)
{
    struct fh_record_key keys[2000];
    struct fh_report report = report_of(keys, from, to, sink, FH_REPORT_DELIVERED);
    report.number = number;
    uint64_t doubled = 0;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, &doubled), 0);
    assert_int_equal(doubled, 0);
}

/* A sink comes to one node first, which delivers into it; the other one lists it later, or drops it
 * for a while. Told is told: the peer is not asked for these reports again. */
static void a_sink_that_is_listed_later(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    append_range(f, 1, 100);
    peer_told(f, 1, "archive", 1, 50);
    peer_told(f, 2, "kafka", 1, 30);
    peer_told(f, 3, "kafka", 34, 50);
    peer_told(f, 4, "archive", 51, 60);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 61);
    assert_int_equal(count_rows(f), 0); /* nothing of it waits in memory */

    f->options.sink_count = 2;
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").cursor, 31);
    assert_int_equal(cursor_of(f, "kafka").pending, 53);
    assert_int_equal(cursor_of(f, "archive").pending, 40);
    assert_int_equal(count_rows(f), 0);
    commit(f);

    f->options.sink_count = 1; /* without it, and listed once more */
    open_again(f);
    append_range(f, 101, 110);
    peer_told(f, 5, "kafka", 31, 33);
    peer_told(f, 6, "kafka", 51, 105);
    peer_told(f, 7, "archive", 61, 110);
    commit(f);
    open_again(f);
    f->options.sink_count = 2;
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").cursor, 106);
    assert_int_equal(cursor_of(f, "archive").cursor, 111);
    uint64_t from = 0;
    uint64_t got[10];
    fh_store_lead(f->store);
    assert_int_equal(serve_all(f, "kafka", &from, got, 10), 5);
}

/* What is told of a sink nobody lists here does not fill the store for ever. */
static void what_concerns_no_listed_sink_is_forgotten(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    append_range(f, 1, 100);
    fh_store_set_source_time(f->store, key_of(100).timestamp_ms);
    peer_told(f, 1, "kafka", 1, 50);
    commit(f);
    open_again(f);
    fh_store_set_source_time(f->store, key_of(50).timestamp_ms + 170 * 60000);
    commit(f);
    f->options.sink_count = 2;
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").pending, 50); /* it is remembered for 180 minutes ... */
    f->options.sink_count = 1;
    open_again(f);
    fh_store_set_source_time(f->store, key_of(50).timestamp_ms + 190 * 60000);
    commit(f);
    f->options.sink_count = 2;
    open_again(f);
    assert_int_equal(cursor_of(f, "kafka").pending, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srandom(seed);
    const struct CMUnitTest tests[] = {
        TEST(reported_in_any_order),
        TEST(numbers_are_applied_once),
        TEST(reports_while_leading),
        TEST(reported_while_in_an_open_batch),
        TEST(batches_in_doubt_are_overtaken),
        TEST(both_delivered_is_counted_when_following),
        TEST(role_changes_keep_what_is_known),
        TEST(never_reported_is_given_up),
        TEST(early_keys_do_not_stay_for_ever),
        TEST(a_sink_that_is_listed_later),
        TEST(what_concerns_no_listed_sink_is_forgotten),
        TEST(random_life),
        TEST(random_life),
        TEST(random_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
