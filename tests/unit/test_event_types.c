/* test_event_types.c: counters per event type: names, the fixed number of them, sums over
 * receivers.
 */
#include "event_types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct fh_event_types types[2];
static struct fh_pipeline_types sum;

static int begin(void **state)
{
    (void)state;
    memset(types, 0, sizeof(types));
    memset(&sum, 0, sizeof(sum));
    return 0;
}

static void receive(struct fh_event_types *into, const char *name, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        uint16_t place = fh_event_types_place(into, (struct fh_slice){name, strlen(name)});
        fh_event_types_count(into, place);
    }
}

static void expect(const char *name, uint64_t count)
{
    for (size_t i = 0; i < sum.count; i++) {
        if (strcmp(sum.type[i].name, name) == 0) {
            assert_int_equal(sum.type[i].received, count);
            return;
        }
    }
    assert_int_equal(0, count);
}

static void by_name(void **state)
{
    (void)state;
    receive(&types[0], "A", 3);
    receive(&types[0], "AB", 2);
    receive(&types[1], "AB", 5);
    receive(&types[1], "TYPE_OF_TOMORROW", 1);
    /* named, and not counted yet */
    fh_event_types_place(&types[1], (struct fh_slice){"LATER", 5});
    fh_event_types_sum(&types[0], &sum);
    fh_event_types_sum(&types[1], &sum);
    assert_int_equal(sum.count, 3);
    expect("A", 3);
    expect("AB", 7);
    expect("TYPE_OF_TOMORROW", 1);
    assert_int_equal(sum.other, 0);
}

static void no_more_names_than_fit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FH_PIPELINE_TYPES + 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "TYPE_%u", i);
        receive(&types[0], name, 2);
        snprintf(name, sizeof(name), "ANOTHER_%u", i);
        receive(&types[1], name, i < 5 ? 1 : 0);
    }
    receive(&types[0], "TYPE_0", 1);
    fh_event_types_sum(&types[0], &sum);
    assert_int_equal(sum.count, FH_PIPELINE_TYPES);
    expect("TYPE_0", 3);
    expect("TYPE_63", 2);
    assert_int_equal(sum.other, 20);
    fh_event_types_sum(&types[1], &sum);
    assert_int_equal(sum.count, FH_PIPELINE_TYPES);
    assert_int_equal(sum.other, 25);
}

static void the_longest_name(void **state)
{
    (void)state;
    char name[FH_TYPE_MAX + 2];
    memset(name, 'N', sizeof(name));
    name[FH_TYPE_MAX] = '\0';
    receive(&types[0], name, 4);
    fh_event_types_sum(&types[0], &sum);
    expect(name, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(by_name, begin),
        cmocka_unit_test_setup(no_more_names_than_fit, begin),
        cmocka_unit_test_setup(the_longest_name, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
