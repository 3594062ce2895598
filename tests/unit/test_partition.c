/* test_partition.c: splitting, checking, and resuming after a re-split. */
#include "fh/partition.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void split_text(unsigned receivers, char *text, size_t size)
{
    struct fh_ranges ranges;
    assert_int_equal(fh_ranges_split(receivers, &ranges), 0);
    text[0] = '\0';
    for (size_t i = 0; i < ranges.count; i++) {
        char range[8];
        snprintf(text + strlen(text), size - strlen(text), "%s%s", i > 0 ? " " : "",
                 fh_range_text(ranges.range[i], range, sizeof(range)));
    }
}

static void split_is_even_and_complete(void **state)
{
    (void)state;
    char text[128];
    split_text(1, text, sizeof(text));
    assert_string_equal(text, "1-12");
    split_text(4, text, sizeof(text));
    assert_string_equal(text, "1-3 4-6 7-9 10-12");
    split_text(5, text, sizeof(text));
    assert_string_equal(text, "1-3 4-6 7-8 9-10 11-12");
    split_text(12, text, sizeof(text));
    assert_string_equal(text, "1 2 3 4 5 6 7 8 9 10 11 12");
    for (unsigned receivers = 1; receivers <= 12; receivers++) {
        struct fh_ranges ranges;
        uint16_t holes = 0xffff;
        assert_int_equal(fh_ranges_split(receivers, &ranges), 0);
        assert_int_equal(ranges.count, receivers);
        assert_int_equal(fh_ranges_check(&ranges, &holes, NULL), 0);
        assert_int_equal(holes, 0);
    }
    struct fh_ranges untouched = {.count = 99};
    assert_int_equal(fh_ranges_split(0, &untouched), -EINVAL);
    assert_int_equal(fh_ranges_split(13, &untouched), -EINVAL);
    assert_int_equal(untouched.count, 99);
}

static void check_sorts_and_finds_holes(void **state)
{
    (void)state;
    struct fh_ranges ranges = {.count = 3, .range = {{9, 11}, {1, 1}, {3, 6}}};
    uint16_t holes = 0;
    assert_int_equal(fh_ranges_check(&ranges, &holes, NULL), 0);
    assert_int_equal(ranges.range[0].first, 1);
    assert_int_equal(ranges.range[1].first, 3);
    assert_int_equal(ranges.range[2].last, 11);
    assert_int_equal(holes, 1U << 1 | 1U << 6 | 1U << 7 | 1U << 11);
}

static void check_refuses(void **state)
{
    (void)state;
    const struct {
        struct fh_ranges ranges;
        const char *sentence;
    } cases[] = {
        {{.count = 0}, "0 ranges are given; 1 to 12 are possible"},
        {{.count = 13}, "13 ranges are given; 1 to 12 are possible"},
        {{.count = 1, .range = {{0, 3}}}, "range 0-3 is outside the partitions 1 to 12"},
        {{.count = 1, .range = {{1, 13}}}, "range 1-13 is outside the partitions 1 to 12"},
        {{.count = 1, .range = {{5, 0}}}, "range 5-0 is outside the partitions 1 to 12"},
        {{.count = 1, .range = {{5, 4}}}, "range 5-4 runs backwards; write [4, 5]"},
        {{.count = 2, .range = {{4, 6}, {1, 4}}},
         "ranges 1-4 and 4-6 overlap; two connections on one partition would take each other's "
         "events"},
        {{.count = 2, .range = {{7, 7}, {7, 7}}},
         "ranges 7 and 7 overlap; two connections on one partition would take each other's "
         "events"},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        struct fh_ranges ranges = cases[i].ranges;
        struct fh_error err = {""};
        uint16_t holes = 77;
        assert_int_equal(fh_ranges_check(&ranges, &holes, &err), -EINVAL);
        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(holes, 77);
    }
}

static void a_resplit_starts_from_the_oldest(void **state)
{
    (void)state;
    struct fh_checkpoint checkpoint = {{0}};
    fh_checkpoint_raise(&checkpoint, (struct fh_range){1, 3}, 1000);
    fh_checkpoint_raise(&checkpoint, (struct fh_range){4, 6}, 500);
    fh_checkpoint_raise(&checkpoint, (struct fh_range){4, 4}, 400); /* never lowers */
    assert_int_equal(fh_checkpoint_of_range(&checkpoint, (struct fh_range){1, 6}), 500);
    assert_int_equal(fh_checkpoint_of_range(&checkpoint, (struct fh_range){1, 2}), 1000);
    assert_int_equal(fh_checkpoint_of_range(&checkpoint, (struct fh_range){6, 12}), 500);
    assert_int_equal(fh_checkpoint_of_range(&checkpoint, (struct fh_range){7, 12}), 0);
    fh_checkpoint_raise(&checkpoint, (struct fh_range){3, 4}, 700);
    assert_int_equal(checkpoint.partition_ms[2], 1000);
    assert_int_equal(checkpoint.partition_ms[3], 700);
    fh_checkpoint_raise(&checkpoint, (struct fh_range){12, 12}, 1);
    assert_int_equal(checkpoint.partition_ms[11], 1);
}

static void out_of_range_is_harmless(void **state)
{
    (void)state;
    struct {
        struct fh_checkpoint checkpoint;
        int64_t guard;
    } box = {.guard = 42};
    fh_checkpoint_raise(&box.checkpoint, (struct fh_range){0, 12}, 9);
    fh_checkpoint_raise(&box.checkpoint, (struct fh_range){5, 255}, 9);
    assert_int_equal(box.guard, 42);
    assert_int_equal(box.checkpoint.partition_ms[0], 0);
    assert_int_equal(box.checkpoint.partition_ms[11], 9);
    assert_int_equal(fh_checkpoint_of_range(&box.checkpoint, (struct fh_range){0, 12}), 0);
    assert_int_equal(fh_checkpoint_of_range(&box.checkpoint, (struct fh_range){5, 255}), 9);
}

static void merging(void **state)
{
    (void)state;
    struct fh_checkpoint a = {{10, 20, 0, 0}};
    struct fh_checkpoint b = {{15, 5, 7, 0}};
    struct fh_checkpoint max = a;
    fh_checkpoint_merge_max(&max, &b);
    struct fh_checkpoint min = a;
    fh_checkpoint_merge_min(&min, &b);
    const int64_t expected_max[] = {15, 20, 7, 0};
    const int64_t expected_min[] = {10, 5, 7, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(max.partition_ms[i], expected_max[i]);
        assert_int_equal(min.partition_ms[i], expected_min[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_is_even_and_complete),
        cmocka_unit_test(check_sorts_and_finds_holes),
        cmocka_unit_test(check_refuses),
        cmocka_unit_test(a_resplit_starts_from_the_oldest),
        cmocka_unit_test(out_of_range_is_harmless),
        cmocka_unit_test(merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
