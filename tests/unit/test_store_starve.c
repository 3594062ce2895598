/* test_store_starve.c: a store full of what it only remembers goes on. Its time is the source's,
 * and that stands still while the stream is held back: nothing would ever be old enough to go. */
#include "test_store_common.h"

#define A_TIME 1000

static void make_small(struct fixture *f)
{
    f->options.size_limit = 4u << 20;
    f->options.block_bytes = 65536;
    open_again(f);
    fh_store_lead(f->store);
}

static struct fh_store_state state_of(struct fixture *f)
{
    struct fh_store_state state;
    fh_store_state(f->store, &state);
    return state;
}

/* So many records from that one on; false: there is no room, and commits make none. */
static bool receive(struct fixture *f, uint64_t from, uint64_t count)
{
    unsigned tries = 0;
    for (uint64_t number = from; number < from + count; number++) {
        while (append(f, number, NULL) == -ENOSPC) {
            if (++tries > 20) {
                commit(f);
                return false;
            }
            commit(f);
        }
    }
    fh_store_set_source_time(f->store, key_of(from + count - 1).timestamp_ms);
    commit(f);
    return true;
}

struct kept {
    uint64_t oldest, count;
};

static int take_keys(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct kept *kept = userdata;
    for (size_t i = 0; i < count; i++) {
        uint64_t number = (uint64_t)(keys[i].timestamp_ms - T0) / 10;
        kept->oldest = kept->oldest == 0 || number < kept->oldest ? number : kept->oldest;
    }
    kept->count += count;
    return 0;
}

static struct kept kept_keys(struct fixture *f)
{
    struct kept kept = {0, 0};
    assert_int_equal(fh_store_keys(f->store, take_keys, &kept), 0);
    return kept;
}

static int count_report(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    (void)number;
    (void)bytes;
    (void)len;
    ++*(unsigned *)userdata;
    return 0;
}

/* All of it within twenty minutes; the window is two hours. */
static void what_is_delivered_does_not_fill_it(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    make_small(f);
    for (; last < 120 * A_TIME; last += A_TIME) {
        if (!receive(f, last + 1, A_TIME)) {
            fail_msg("full for ever after %llu records", (unsigned long long)last);
        }
        own_report(f, last + 1, last + A_TIME, last + A_TIME + 1, FH_REPORT_DELIVERED);
        commit(f);
    }
    struct kept kept = kept_keys(f);
    int64_t forgotten_ms = state_of(f).forgotten_ms;
    assert_int_equal(kept.count, last + 1 - kept.oldest); /* the newest ones ... */
    assert_in_range(kept.count, 20 * A_TIME, 100 * A_TIME);
    assert_true(forgotten_ms == key_of(kept.oldest - 1).timestamp_ms); /* ... and no others */
    unsigned reports = 0;
    fh_store_reports_from(f->store, 1, INT64_MIN, 1000, count_report, &reports);
    assert_in_range(reports, 20, 100); /* as far back as the keys, about */
    open_again(f);
    assert_true(state_of(f).forgotten_ms == forgotten_ms);
}

static void what_is_to_be_delivered_stays(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    make_small(f);
    assert_true(receive(f, 1, A_TIME));
    uint64_t doubt = own_report(f, 1, A_TIME, A_TIME + 1, FH_REPORT_PREPARED);
    for (last = A_TIME; receive(f, last + 1, A_TIME); last += A_TIME) {
        assert_in_range(last, 1, 1000 * A_TIME);
    }
    struct kept kept = kept_keys(f);
    assert_int_equal(kept.oldest, 1);
    assert_int_equal(kept.count, state_of(f).next_sequence - 1);
    assert_int_equal(state_of(f).forgotten_ms, 0);
    assert_int_equal(fh_store_report_finish(f->store, doubt, FH_REPORT_DELIVERED), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, A_TIME + 1);
}

/* A record that came to the standby only, and that is not taken by the primary either: everything
 * behind it is reported, and nothing of it can be dropped. It is given up in the end. */
static void one_record_does_not_fill_a_standby(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    uint64_t report = 0;
    make_small(f);
    fh_store_follow(f->store);
    assert_true(receive(f, 1, A_TIME));
    peer_report(f, ++report, 2, A_TIME);
    for (last = A_TIME; last < 200 * A_TIME; last += A_TIME) {
        if (!receive(f, last + 1, A_TIME)) {
            fail_msg("full for ever after %llu records", (unsigned long long)last);
        }
        peer_report(f, ++report, last + 1, last + A_TIME);
        if (last < 6 * A_TIME) { /* a minute: it may be on its way */
            assert_int_equal(cursor_of(f, "archive").cursor, 1);
        }
    }
    commit(f);
    assert_int_equal(state_of(f).given_up, 1);
    assert_int_equal(cursor_of(f, "archive").pending, 0);
}

/* The same with one whose stamp is never old: it counts by when it came. */
static void nor_does_one_with_a_wild_stamp(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "{\"n\":0}";
    struct fh_store_record wild = {{7, T0 + INT64_C(100) * 365 * 86400000}, text, sizeof(text) - 1};
    uint64_t report = 0;
    make_small(f);
    fh_store_follow(f->store);
    assert_true(receive(f, 1, A_TIME));
    assert_int_equal(fh_store_append(f->store, &wild, NULL), 0);
    peer_report(f, ++report, 1, A_TIME);
    for (uint64_t last = A_TIME; last < 200 * A_TIME; last += A_TIME) {
        if (!receive(f, last + 1, A_TIME)) {
            fail_msg("full for ever after %llu records", (unsigned long long)last);
        }
        peer_report(f, ++report, last + 1, last + A_TIME);
        if (last < 6 * A_TIME) {
            assert_int_equal(cursor_of(f, "archive").cursor, A_TIME + 1);
        }
    }
    commit(f);
    assert_int_equal(state_of(f).given_up, 1);
    assert_int_equal(cursor_of(f, "archive").pending, 0);
}

/* The primary's sink is down: nothing overtakes what waits for it. */
static void a_standby_keeps_what_waits(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    make_small(f);
    fh_store_follow(f->store);
    assert_true(receive(f, 1, A_TIME));
    peer_report(f, 1, 1, A_TIME);
    for (last = A_TIME; receive(f, last + 1, A_TIME); last += A_TIME) {
        assert_in_range(last, 1, 1000 * A_TIME);
    }
    assert_int_equal(state_of(f).given_up, 0);
    assert_int_equal(cursor_of(f, "archive").cursor, A_TIME + 1);
    assert_int_equal(cursor_of(f, "archive").pending, state_of(f).next_sequence - 1 - A_TIME);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_delivered_does_not_fill_it), TEST(what_is_to_be_delivered_stays),
        TEST(one_record_does_not_fill_a_standby), TEST(nor_does_one_with_a_wild_stamp),
        TEST(a_standby_keeps_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
