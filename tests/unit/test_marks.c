/* test_marks.c: pending, early and cursors against a slow model, with every allocation failed in
 * turn. Prints its seed; a seed as argument repeats a run. */
#include "keytab.h"
#include "marks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

static uint64_t seed;

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static size_t allowed = SIZE_MAX; /* allocations until they fail */

static void *limited_allocate(size_t bytes)
{
    if (allowed == 0) {
        return NULL;
    }
    allowed--;
    return malloc(bytes);
}

static const struct fh_allocator limited = {limited_allocate, free};

static struct fh_record_key key_of(uint64_t n)
{
    return (struct fh_record_key){n, (int64_t)n * 1000};
}

static void keytab_is_a_multimap(void **state)
{
    (void)state;
    struct fh_keytab table;
    fh_keytab_init(&table, &limited);
    assert_int_equal(fh_keytab_find(&table, key_of(1)), FH_KEYTAB_NONE);
    assert_int_equal(fh_keytab_add(&table, key_of(1), 10), 0);
    assert_int_equal(fh_keytab_add(&table, key_of(1), 11), 0);
    size_t a = fh_keytab_find(&table, key_of(1));
    size_t b = fh_keytab_find_next(&table, a);
    assert_int_equal(table.slot[a].value + table.slot[b].value, 21);
    assert_int_equal(fh_keytab_find_next(&table, b), FH_KEYTAB_NONE);
    fh_keytab_remove(&table, a);
    assert_int_equal(table.slot[fh_keytab_find(&table, key_of(1))].value, 11);
    struct fh_record_key other = key_of(1);
    other.timestamp_ms++;
    assert_int_equal(fh_keytab_find(&table, other), FH_KEYTAB_NONE);
    fh_keytab_done(&table);
}

static bool keep_odd(void *userdata, const struct fh_keytab_slot *slot)
{
    (void)userdata;
    return slot->key.fingerprint & 1;
}

/* Random adds and removes, then a filter with and without memory for a fresh table. */
static void keytab_against_a_flat_list(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    for (int fail = 0; fail < 2; fail++) {
        uint64_t random = seed;
        static bool in[KEYS];
        memset(in, 0, sizeof(in));
        struct fh_keytab table;
        fh_keytab_init(&table, &limited);
        for (int i = 0; i < 40000; i++) {
            uint64_t n = next_random(&random) % KEYS;
            size_t slot = fh_keytab_find(&table, key_of(n));
            assert_int_equal(slot != FH_KEYTAB_NONE, in[n]);
            if (in[n]) {
                assert_int_equal(table.slot[slot].value, n + 1);
                fh_keytab_remove(&table, slot);
            } else {
                assert_int_equal(fh_keytab_add(&table, key_of(n), n + 1), 0);
            }
            in[n] = !in[n];
        }
        allowed = fail ? 0 : SIZE_MAX;
        fh_keytab_filter(&table, keep_odd, NULL);
        allowed = SIZE_MAX;
        size_t count = 0;
        for (uint64_t n = 0; n < KEYS; n++) {
            bool kept = in[n] && n % 2 == 1;
            count += kept;
            assert_int_equal(fh_keytab_find(&table, key_of(n)) != FH_KEYTAB_NONE, kept);
        }
        assert_int_equal(table.count, count);
        fh_keytab_done(&table);
    }
}

/* ---- the model: one byte per record and sink --------------------------------------------------
 */

enum { SINKS = 3, RECORDS = 4000 };

struct model {
    struct fh_marks *marks;
    uint64_t next;
    bool delivered[SINKS][RECORDS + 2]; /* by sequence */
    bool early[SINKS][RECORDS + 2];     /* by the number in the key = sequence it will get */
    uint64_t row;
};

static void count_row(void *userdata, uint64_t row)
{
    (void)row;
    ++*(size_t *)userdata;
}

static void compare(struct model *m, uint64_t *random)
{
    size_t early = 0;
    for (size_t s = 0; s < SINKS; s++) {
        uint64_t lowest = m->next;
        uint64_t pending = 0;
        for (uint64_t q = 1; q < m->next; q++) {
            if (!m->delivered[s][q]) {
                lowest = q < lowest ? q : lowest;
                pending++;
            }
        }
        uint64_t cursor = fh_marks_cursor(m->marks, s);
        /* In the gap the marks may know of nothing to skip, but never pass what is undelivered. */
        assert_true(cursor <= lowest);
        if (fh_marks_explicit_until(m->marks) == m->next) {
            assert_int_equal(cursor, lowest);
        }
        assert_int_equal(fh_marks_pending(m->marks, s, m->next), pending);
        for (uint64_t q = 1; q <= RECORDS; q++) {
            early += m->early[s][q];
        }
        if (m->next > 1) {
            uint64_t first = 1 + next_random(random) % (m->next - 1);
            uint32_t count = (uint32_t)(1 + next_random(random) % (m->next - first));
            static uint32_t offset[RECORDS];
            uint32_t n = fh_marks_undelivered(m->marks, s, first, count, offset);
            uint32_t expected = 0;
            for (uint32_t i = 0; i < count; i++) {
                if (!m->delivered[s][first + i]) {
                    if (n < count) {
                        assert_int_equal(offset[expected], i);
                    }
                    expected++;
                }
            }
            assert_int_equal(n, expected);
        }
    }
    assert_int_equal(fh_marks_early_count(m->marks), early);
}

static void model_fill(struct model *m)
{
    uint64_t from = fh_marks_explicit_until(m->marks);
    uint64_t lowest = fh_marks_lowest_cursor(m->marks);
    for (uint64_t q = lowest > from ? lowest : from; q < m->next; q++) {
        assert_int_equal(fh_marks_add(m->marks, key_of(q), q), 0);
    }
    if (fh_marks_explicit_until(m->marks) < m->next) {
        fh_marks_skip_to(m->marks, m->next);
    }
}

static void model_append(struct model *m, bool explicit_too)
{
    uint64_t q = m->next;
    if (explicit_too && fh_marks_explicit_until(m->marks) == q) {
        assert_int_equal(fh_marks_add(m->marks, key_of(q), q), 0);
        for (size_t s = 0; s < SINKS; s++) {
            m->delivered[s][q] = m->early[s][q];
            m->early[s][q] = false;
        }
    }
    m->next++;
}

static void model_peer(struct model *m, size_t sink, uint64_t n)
{
    model_fill(m);
    uint64_t row;
    uint64_t sequence = 0;
    assert_int_equal(fh_marks_row(m->marks, sink, 0, 0, 1, &row), 0);
    if (fh_marks_deliver(m->marks, sink, key_of(n), row, &sequence)) {
        assert_int_equal(sequence, n);
        assert_false(m->delivered[sink][n]);
        m->delivered[sink][n] = true;
    } else if (n >= m->next && !m->early[sink][n]) {
        fh_marks_early(m->marks, sink, key_of(n), row);
        m->early[sink][n] = true;
    } else {
        assert_true(n >= m->next || m->delivered[sink][n]);
    }
}

static bool any_early(const struct model *m)
{
    return fh_marks_early_count(m->marks) > 0;
}

static void marks_against_the_model(void **state)
{
    (void)state;
    uint64_t random = seed;
    for (int run = 0; run < 10; run++) {
        static struct model m;
        memset(&m, 0, sizeof(m));
        m.next = 1;
        assert_int_equal(fh_marks_new(SINKS, &limited, &m.marks), 0);
        size_t forgotten = 0;
        bool following = false;
        while (m.next <= RECORDS) {
            size_t sink = next_random(&random) % SINKS;
            uint64_t kind = next_random(&random) % 100;
            if (kind < 60) {
                model_append(&m, following || any_early(&m));
            } else if (kind < 90 && following) {
                uint64_t cursor = fh_marks_cursor(m.marks, sink);
                uint64_t n = cursor + next_random(&random) % 40;
                model_peer(&m, sink, n <= RECORDS ? n : RECORDS);
            } else if (kind < 97 && !following) {
                uint64_t cursor = fh_marks_cursor(m.marks, sink);
                uint64_t to = cursor + next_random(&random) % (m.next - cursor + 1);
                fh_marks_deliver_below(m.marks, sink, to);
                for (uint64_t q = 1; q < to; q++) {
                    m.delivered[sink][q] = true;
                }
            } else if (kind == 99 && next_random(&random) % 10 == 0) {
                following = !following;
                if (following) {
                    model_fill(&m);
                }
            }
            if (next_random(&random) % 64 == 0) {
                fh_marks_drop_rows(m.marks, 1 + next_random(&random) % 50, count_row, &forgotten);
                compare(&m, &random);
            }
        }
        compare(&m, &random);
        /* All delivered: no row is needed any more once nothing is early. */
        fh_marks_expire_early(m.marks, INT64_MAX, INT64_MAX);
        for (size_t s = 0; s < SINKS; s++) {
            fh_marks_deliver_below(m.marks, s, m.next);
        }
        for (int i = 0; i < 2; i++) {
            fh_marks_drop_rows(m.marks, SIZE_MAX, count_row, &forgotten);
        }
        assert_int_equal(forgotten, fh_marks_next_row(m.marks) - 1);
        fh_marks_free(m.marks);
    }
}

/* A failed add leaves everything as it was; the next one goes on. */
static void out_of_memory(void **state)
{
    (void)state;
    struct fh_marks *marks = NULL;
    allowed = 0;
    assert_int_equal(fh_marks_new(1, &limited, &marks), -ENOMEM);
    allowed = 1;
    assert_int_equal(fh_marks_new(1, &limited, &marks), 0);
    uint64_t row;
    assert_int_equal(fh_marks_row(marks, 0, 0, 0, 5, &row), -ENOMEM);
    size_t failures = 0;
    for (uint64_t q = 1; q <= 5000;) {
        allowed = 0;
        if (fh_marks_add(marks, key_of(q), q) == 0) {
            q++;
            continue;
        }
        failures++;
        assert_int_equal(fh_marks_pending(marks, 0, q), q - 1);
        assert_int_equal(fh_marks_explicit_until(marks), q);
        allowed = 1; /* one more than before each time round */
        if (fh_marks_add(marks, key_of(q), q) < 0) {
            allowed = 2;
            assert_int_equal(fh_marks_add(marks, key_of(q), q), 0);
        }
        q++;
    }
    assert_true(failures >= 3);
    allowed = SIZE_MAX;
    for (uint64_t q = 5000; q > 0; q--) {
        uint64_t sequence = 0;
        assert_int_equal(fh_marks_deliver(marks, 0, key_of(q), 0, &sequence), 1);
        assert_int_equal(sequence, q);
    }
    assert_int_equal(fh_marks_cursor(marks, 0), 5001);
    fh_marks_free(marks);
}

/* One record nobody reports must not make memory grow with every other record. */
static void one_stuck_record(void **state)
{
    (void)state;
    struct fh_marks *marks;
    allowed = 60; /* far less than growth would need */
    assert_int_equal(fh_marks_new(1, &limited, &marks), 0);
    assert_int_equal(fh_marks_add(marks, key_of(1), 1), 0);
    uint64_t sequence;
    for (uint64_t q = 2; q <= 300000; q++) {
        assert_int_equal(fh_marks_add(marks, key_of(q), q), 0);
        assert_int_equal(fh_marks_deliver(marks, 0, key_of(q), 0, &sequence), 1);
    }
    assert_int_equal(fh_marks_cursor(marks, 0), 1);
    assert_int_equal(fh_marks_pending(marks, 0, 300001), 1);
    assert_true(allowed > 50);
    assert_int_equal(fh_marks_give_up(marks, 0, 1000), 0);
    assert_int_equal(fh_marks_give_up(marks, 0, 1001), 1);
    assert_int_equal(fh_marks_cursor(marks, 0), 300001);
    allowed = SIZE_MAX;
    fh_marks_free(marks);
}

static void same_key_twice(void **state)
{
    (void)state;
    struct fh_marks *marks;
    assert_int_equal(fh_marks_new(1, &limited, &marks), 0);
    uint64_t sequence;
    for (uint64_t q = 1; q <= 2; q++) {
        assert_int_equal(fh_marks_add(marks, key_of(5), q), 0);
    }
    assert_int_equal(fh_marks_deliver(marks, 0, key_of(5), 0, &sequence), 1);
    assert_int_equal(fh_marks_deliver(marks, 0, key_of(5), 0, &sequence), 1);
    assert_int_equal(fh_marks_deliver(marks, 0, key_of(5), 0, &sequence), 0);
    assert_int_equal(fh_marks_cursor(marks, 0), 3);
    fh_marks_free(marks);
}

static void early_keys_expire(void **state)
{
    (void)state;
    struct fh_marks *marks;
    uint64_t row;
    assert_int_equal(fh_marks_new(1, &limited, &marks), 0);
    assert_int_equal(fh_marks_row(marks, 0, 0, 60000, 100, &row), 0);
    for (uint64_t n = 1; n <= 100; n++) {
        fh_marks_early(marks, 0, key_of(n), row);
    }
    fh_marks_expire_early(marks, 41000, 1000000); /* 1..40 are older */
    assert_int_equal(fh_marks_early_count(marks), 60);
    assert_true(fh_marks_row_needed(marks, row));
    fh_marks_expire_early(marks, 61000, 70000); /* up to 60; those above 70 s go by their report */
    assert_int_equal(fh_marks_early_count(marks), 10);
    fh_marks_expire_early(marks, 200000, 300000);
    assert_int_equal(fh_marks_early_count(marks), 0);
    assert_false(fh_marks_row_needed(marks, row));
    fh_marks_free(marks);
}

/* The nearest stamp against a walk through everything, with few fingerprints so that runs are long.
 * Minutes end somewhere among them, and stamps below 0. */
static void nearest_against_a_flat_list(void **state)
{
    (void)state;
    enum { COUNT = 400, APART = 5000 };
    struct fh_record_key keys[COUNT];
    uint64_t random = seed;
    struct fh_keytab table;
    fh_keytab_init(&table, &limited);
    table.apart_ms = APART;
    for (uint64_t i = 0; i < COUNT; i++) {
        keys[i].fingerprint = 1 + next_random(&random) % 5;
        keys[i].timestamp_ms = (int64_t)(next_random(&random) % 240000) - 60000;
        assert_int_equal(fh_keytab_add(&table, keys[i], i + 1), 0);
    }
    for (int round = 0; round < 4000; round++) {
        struct fh_record_key wanted = {1 + next_random(&random) % 6,
                                       (int64_t)(next_random(&random) % 260000) - 70000};
        int64_t best = INT64_MAX;
        for (size_t i = 0; i < COUNT; i++) {
            int64_t apart = keys[i].timestamp_ms - wanted.timestamp_ms;
            apart = apart < 0 ? -apart : apart;
            if (keys[i].fingerprint == wanted.fingerprint && apart < best) {
                best = apart;
            }
        }
        size_t slot = fh_keytab_nearest(&table, wanted, NULL, NULL);
        assert_int_equal(slot == FH_KEYTAB_NONE, best > APART);
        if (slot != FH_KEYTAB_NONE) {
            int64_t apart = table.slot[slot].key.timestamp_ms - wanted.timestamp_ms;
            assert_int_equal(table.slot[slot].key.fingerprint, wanted.fingerprint);
            assert_int_equal(apart < 0 ? -apart : apart, best);
        }
    }
    fh_keytab_done(&table);
    assert_int_equal(table.apart_ms, APART); /* usable again, in the same way */
}

/* Events that repeat themselves stay as many as they are: each key of the peer takes one, the
 * nearest; whether it comes before the record or after it; and across the end of a minute. */
static void stamps_apart(void **state)
{
    (void)state;
    static const int64_t ours[] = {59000, 59900, 60100, 61000, 200000};
    static const int64_t theirs[] = {60100, 58900, 62500, 59700};
    for (int early_first = 0; early_first < 2; early_first++) {
        struct fh_marks *marks;
        uint64_t row;
        uint64_t sequence = 0;
        assert_int_equal(fh_marks_new(1, &limited, &marks), 0);
        fh_marks_set_apart(marks, 5000);
        assert_int_equal(fh_marks_row(marks, 0, 0, 60000, 100, &row), 0);
        for (size_t i = 0; early_first && i < sizeof(theirs) / sizeof(theirs[0]); i++) {
            fh_marks_early(marks, 0, (struct fh_record_key){7, theirs[i]}, row);
        }
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            assert_int_equal(fh_marks_add(marks, (struct fh_record_key){7, ours[i]}, i + 1), 0);
        }
        for (size_t i = 0; !early_first && i < sizeof(theirs) / sizeof(theirs[0]); i++) {
            struct fh_record_key key = {7, theirs[i]};
            assert_int_equal(fh_marks_deliver(marks, 0, key, row, &sequence), 1);
        }
        assert_int_equal(fh_marks_pending(marks, 0, 6), 1);
        assert_int_equal(fh_marks_early_count(marks), 0);
        struct fh_record_key far = {7, 206000};
        assert_int_equal(fh_marks_deliver(marks, 0, far, row, &sequence), 0);
        far.timestamp_ms = 196000;
        assert_int_equal(fh_marks_deliver(marks, 0, far, row, &sequence), 1);
        assert_int_equal(sequence, 5);
        fh_marks_free(marks);
    }
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL) * 0x9E3779B97F4A7C15u | 1;
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keytab_is_a_multimap),
        cmocka_unit_test(keytab_against_a_flat_list),
        cmocka_unit_test(marks_against_the_model),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(one_stuck_record),
        cmocka_unit_test(same_key_twice),
        cmocka_unit_test(early_keys_expire),
        cmocka_unit_test(nearest_against_a_flat_list),
        cmocka_unit_test(stamps_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
