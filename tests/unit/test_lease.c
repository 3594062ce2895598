/* test_lease.c: who gets the lease, step by step, and a random walk over crashes and repeated
 * requests whose books are kept independently. The seed is printed and can be given. */
#include "lease.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define TTL     3000
#define TTL_MAX 10000

enum { A, B };

static struct fh_lease lease;
static struct fh_time now;
static struct fh_lease_decision decision;

static void pass(int64_t ms)
{
    now = fh_time_add_ms(now, ms);
}

static enum fh_lease_verdict ask(enum fh_lease_operation operation, uint32_t node, uint64_t epoch)
{
    struct fh_lease_request request = {operation, node, epoch, TTL, {0, false, false}};
    fh_lease_step(&lease, now, &request, &decision);
    return decision.verdict;
}

/* A witness that knows nothing, past its wait. */
static int fresh(void **state)
{
    (void)state;
    now = (struct fh_time){INT64_C(5000000000)};
    fh_lease_start(&lease, now, TTL_MAX, NULL);
    pass(TTL_MAX);
    return 0;
}

static void restart(void)
{
    struct fh_lease_record record;
    fh_lease_record(&lease, &record);
    fh_lease_start(&lease, now, TTL_MAX, &record);
}

static void one_gets_it_the_other_waits_for_its_end(void **state)
{
    (void)state;
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 5), FH_LEASE_GRANTED);
    assert_true(decision.persist && decision.changed);
    assert_int_equal(decision.ttl_ms, TTL);
    assert_int_equal(decision.holder, A);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    assert_int_equal(decision.epoch, 5);
    assert_int_equal(decision.holder, A);
    assert_false(decision.persist);
    pass(TTL - 1);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    pass(1);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_GRANTED);
    assert_true(decision.persist && decision.changed);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_HELD);
}

static void renewing_keeps_it_and_is_not_written(void **state)
{
    (void)state;
    ask(FH_LEASE_ACQUIRE, A, 5);
    for (int i = 0; i < 10; i++) {
        pass(TTL - 1);
        assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_GRANTED);
        assert_false(decision.persist || decision.changed);
        assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    }
}

static void asking_again_with_a_lost_answer_is_granted_again(void **state)
{
    (void)state;
    ask(FH_LEASE_ACQUIRE, A, 5);
    pass(500);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 5), FH_LEASE_GRANTED);
    assert_false(decision.changed);
    /* also late, when nobody took it meanwhile */
    pass(TTL * 4);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_GRANTED);
}

static void only_higher_epochs_follow(void **state)
{
    (void)state;
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 0), FH_LEASE_OLD);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, FH_LEASE_EPOCH_MAX + 1), FH_LEASE_OLD);
    ask(FH_LEASE_ACQUIRE, A, 5);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 4), FH_LEASE_OLD);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 7), FH_LEASE_GRANTED);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_OLD);
    pass(TTL);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 7), FH_LEASE_OLD);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 8), FH_LEASE_GRANTED);
}

static void what_was_released_is_free_at_once_and_its_epoch_is_spent(void **state)
{
    (void)state;
    ask(FH_LEASE_ACQUIRE, A, 5);
    assert_int_equal(ask(FH_LEASE_RELEASE, B, 9), FH_LEASE_RELEASED); /* not its own */
    assert_false(decision.persist);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    assert_int_equal(ask(FH_LEASE_RELEASE, A, 4), FH_LEASE_RELEASED); /* a late one of before */
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    assert_int_equal(ask(FH_LEASE_RELEASE, A, 5), FH_LEASE_RELEASED);
    assert_true(decision.persist);
    assert_int_equal(decision.holder, FH_LEASE_NOBODY);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_OLD); /* a late one */
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 5), FH_LEASE_OLD);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_GRANTED);
}

static void after_a_crash_the_holder_goes_on_and_the_other_waits_a_ttl(void **state)
{
    (void)state;
    ask(FH_LEASE_ACQUIRE, A, 5);
    pass(TTL - 10);
    ask(FH_LEASE_RENEW, A, 5); /* not written */
    restart();
    pass(TTL - 1);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    assert_int_equal(decision.holder, A);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_GRANTED);
    restart();
    pass(TTL);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 5), FH_LEASE_OLD);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_GRANTED);
}

static void a_witness_that_lost_its_state_grants_to_nobody_at_first(void **state)
{
    (void)state;
    fh_lease_start(&lease, now, TTL_MAX, NULL);
    pass(TTL_MAX - 1);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_WAIT);
    assert_int_equal(decision.ttl_ms, 2);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_WAIT);
    assert_int_equal(ask(FH_LEASE_RELEASE, A, 5), FH_LEASE_RELEASED);
    pass(1);
    assert_int_equal(ask(FH_LEASE_RENEW, B, 6), FH_LEASE_GRANTED);
    ask(FH_LEASE_RELEASE, B, 6);
    restart();
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 7), FH_LEASE_WAIT);
    pass(TTL);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, A, 7), FH_LEASE_GRANTED);
}

static void a_longer_lease_is_cut_and_one_promised_is_kept(void **state)
{
    (void)state;
    struct fh_lease_request request = {FH_LEASE_ACQUIRE, A, 5, TTL_MAX * 2, {0, false, false}};
    fh_lease_step(&lease, now, &request, &decision);
    assert_int_equal(decision.ttl_ms, TTL_MAX);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_GRANTED);
    assert_int_equal(decision.ttl_ms, TTL);
    pass(TTL_MAX - 1);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
    restart(); /* the longest is what counts after a crash */
    pass(TTL_MAX - 1);
    assert_int_equal(ask(FH_LEASE_ACQUIRE, B, 6), FH_LEASE_HELD);
}

static void a_write_that_failed_is_made_up_for_by_the_next_grant(void **state)
{
    (void)state;
    ask(FH_LEASE_ACQUIRE, A, 5);
    pass(TTL);
    struct fh_lease before = lease;
    ask(FH_LEASE_ACQUIRE, B, 6); /* the record may or may not be on disk: dropped, told so */
    lease = before;
    fh_lease_unsaved(&lease);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_GRANTED);
    assert_true(decision.persist);
    assert_int_equal(ask(FH_LEASE_RENEW, A, 5), FH_LEASE_GRANTED);
    assert_false(decision.persist);
}

/* ---- the walk ---- */

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* The books of the nodes: until when each believes it leads (it counts from when it asked), which
 * node each epoch was granted to, what is on disk. */
struct books {
    struct fh_time until[2];
    uint64_t epoch[2];
    struct {
        uint64_t epoch;
        uint32_t node;
    } granted[4096];
    size_t count;
    struct fh_lease_record disk;
    bool on_disk;
};

static void note_grant(struct books *books, const struct fh_lease_request *request,
                       struct fh_time asked_at)
{
    uint32_t node = request->node;
    struct fh_time end = fh_time_add_ms(asked_at, decision.ttl_ms);
    for (size_t i = 0; i < books->count; i++) {
        if (books->granted[i].node != node) {
            assert_true(request->epoch > books->granted[i].epoch);
        }
    }
    if (books->count == 0 || books->granted[books->count - 1].epoch != request->epoch) {
        books->granted[books->count].epoch = request->epoch;
        books->granted[books->count++].node = node;
    }
    if (fh_time_before(books->until[node], end)) {
        books->until[node] = end;
    }
    books->epoch[node] = request->epoch;
}

static void crash(struct books *books)
{
    struct fh_lease_record stored = books->disk;
    pass((int64_t)(next_random() % 200));
    fh_lease_start(&lease, now, TTL_MAX, books->on_disk ? &stored : NULL);
}

static void one_request(struct books *books)
{
    uint32_t node = (uint32_t)(next_random() % 2);
    uint64_t highest = books->epoch[A] > books->epoch[B] ? books->epoch[A] : books->epoch[B];
    struct fh_lease_request request = {(enum fh_lease_operation)(next_random() % 3),
                                       node,
                                       books->epoch[node],
                                       (int64_t)(next_random() % (TTL_MAX + 2000)),
                                       {0, false, false}};
    if (request.operation == FH_LEASE_ACQUIRE) {
        request.epoch = highest + next_random() % 3;
    } else if (request.operation == FH_LEASE_RELEASE) {
        if (next_random() % 4 != 0) {
            return;
        }
        books->until[node] = (struct fh_time){0}; /* it stopped before it asked */
    }
    struct fh_time asked_at = now;
    pass((int64_t)(next_random() % 500)); /* on its way */
    struct fh_lease copy = lease;
    fh_lease_step(&copy, now, &request, &decision);
    bool write_fails = next_random() % 20 == 0;
    if (decision.persist && (!write_fails || next_random() % 2)) {
        fh_lease_record(&copy, &books->disk);
        books->on_disk = true;
    }
    if (decision.persist && write_fails) {
        fh_lease_unsaved(&lease);
        return;
    }
    lease = copy;
    if (decision.verdict == FH_LEASE_GRANTED &&
        next_random() % 8 != 0) { /* or the answer is lost */
        note_grant(books, &request, asked_at);
    }
}

static void never_two_over_crashes_losses_and_failing_disks(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;
    size_t grants = 0;
    for (uint64_t walk = 0; walk < (given ? 1 : 300); walk++) {
        struct books books = {0};
        seed = (first + walk) * UINT64_C(0x9E3779B97F4A7C15);
        now = (struct fh_time){INT64_C(1000000000)};
        fh_lease_start(&lease, now, TTL_MAX, NULL);
        for (int step = 0; step < 2000; step++) {
            one_request(&books);
            if (fh_time_before(now, books.until[A]) && fh_time_before(now, books.until[B])) {
                fail_msg("SEED=%" PRIu64 ": two leaders at step %d", first + walk, step);
            }
            if (next_random() % 50 == 0) {
                crash(&books);
            }
            pass((int64_t)(next_random() % (next_random() % 10 == 0 ? 12000 : 300)));
        }
        grants += books.count;
    }
    print_message("%zu grants\n", grants);
    assert_true(grants > (given ? 10 : 10000)); /* the walk must get somewhere */
}

static enum fh_lease_verdict claim(enum fh_lease_operation operation, uint32_t node, uint64_t epoch,
                                   struct fh_alone_claim alone)
{
    struct fh_lease_request request = {operation, node, epoch, TTL, alone};
    fh_lease_step(&lease, now, &request, &decision);
    return decision.verdict;
}

#define AT(stint) ((struct fh_alone_claim){stint, false, false})

static void who_led_alone_bars_the_careful(void **state)
{
    (void)state;
    const struct fh_alone_claim careful = {2, false, true};
    assert_int_equal(claim(FH_LEASE_ACQUIRE, A, 5, careful), FH_LEASE_GRANTED);
    assert_int_equal(claim(FH_LEASE_RENEW, A, 5, AT(3)), FH_LEASE_GRANTED);
    assert_true(decision.persist);
    assert_int_equal(decision.alone.stint, 3);
    assert_int_equal(claim(FH_LEASE_RENEW, A, 5, AT(2)), FH_LEASE_GRANTED); /* overtaken */
    assert_false(decision.persist);
    assert_int_equal(decision.alone.stint, 3);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 6, careful), FH_LEASE_HELD);
    pass(TTL);
    restart();
    pass(TTL);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 6, careful), FH_LEASE_ALONE);
    assert_false(decision.persist);
    assert_int_equal(decision.holder, FH_LEASE_NOBODY);
    /* It knows best itself what it did, also in a later epoch. */
    assert_int_equal(claim(FH_LEASE_ACQUIRE, A, 7, careful), FH_LEASE_GRANTED);
    assert_int_equal(claim(FH_LEASE_RELEASE, A, 7, AT(2)), FH_LEASE_RELEASED);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 8, careful), FH_LEASE_ALONE);
    /* Covered, it is forgotten. */
    assert_int_equal(claim(FH_LEASE_ACQUIRE, A, 9, careful), FH_LEASE_GRANTED);
    assert_int_equal(claim(FH_LEASE_RENEW, A, 9, AT(4)), FH_LEASE_GRANTED);
    pass(TTL);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 10, careful), FH_LEASE_GRANTED);
    assert_false(decision.alone.other);
}

static void who_takes_over_has_to_hear_it_all(void **state)
{
    (void)state;
    const struct fh_alone_claim careful = {2, false, true};
    const struct fh_alone_claim knows = {2, true, false};
    assert_int_equal(claim(FH_LEASE_ACQUIRE, A, 5, AT(3)), FH_LEASE_GRANTED);
    pass(TTL);
    /* Not by the first question, which may have been on its way since before the other one led. */
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 6, knows), FH_LEASE_GRANTED);
    assert_true(decision.alone.other);
    pass(TTL);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 8, careful), FH_LEASE_ALONE); /* nor alone */
    assert_int_equal(claim(FH_LEASE_RENEW, B, 6, knows), FH_LEASE_GRANTED);
    assert_false(decision.alone.other);
    pass(TTL);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, A, 7, careful), FH_LEASE_GRANTED);
    assert_int_equal(claim(FH_LEASE_RENEW, A, 7, AT(3)), FH_LEASE_GRANTED);
    pass(TTL);
    /* A node that says nothing of this takes over as ever, and what was noted is over. */
    assert_int_equal(claim(FH_LEASE_ACQUIRE, B, 8, AT(0)), FH_LEASE_GRANTED);
    assert_int_equal(decision.alone.stint, 0);
    pass(TTL);
    assert_int_equal(claim(FH_LEASE_ACQUIRE, A, 9, careful), FH_LEASE_GRANTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_gets_it_the_other_waits_for_its_end, fresh),
        cmocka_unit_test_setup(renewing_keeps_it_and_is_not_written, fresh),
        cmocka_unit_test_setup(asking_again_with_a_lost_answer_is_granted_again, fresh),
        cmocka_unit_test_setup(only_higher_epochs_follow, fresh),
        cmocka_unit_test_setup(what_was_released_is_free_at_once_and_its_epoch_is_spent, fresh),
        cmocka_unit_test_setup(after_a_crash_the_holder_goes_on_and_the_other_waits_a_ttl, fresh),
        cmocka_unit_test_setup(a_witness_that_lost_its_state_grants_to_nobody_at_first, fresh),
        cmocka_unit_test_setup(a_longer_lease_is_cut_and_one_promised_is_kept, fresh),
        cmocka_unit_test_setup(a_write_that_failed_is_made_up_for_by_the_next_grant, fresh),
        cmocka_unit_test_setup(who_led_alone_bars_the_careful, fresh),
        cmocka_unit_test_setup(who_takes_over_has_to_hear_it_all, fresh),
        cmocka_unit_test_setup(never_two_over_crashes_losses_and_failing_disks, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
