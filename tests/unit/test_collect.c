/* test_collect.c: batches in memory, keys as text, and names made from patterns. */
#include "collect.h"
#include "pattern.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct fh_slice slice(const char *text)
{
    return (struct fh_slice){text, strlen(text)};
}

static struct fh_record_facts facts_of(const char *type, const char *device)
{
    static struct fh_record_facts facts;
    facts.uid = slice("event-1");
    facts.type = slice(type);
    facts.tenant = slice("tenant.1");
    facts.device = slice(device);
    facts.location[0] = slice("floor-7");
    facts.location_count = 1;
    facts.timestamp_ms = 1000;
    return facts;
}

static void add(struct fh_collect *collect, const char *text, int64_t at_ms)
{
    struct fh_slice record = slice(text);
    struct fh_record_key key = {.fingerprint = collect->count + 1, .timestamp_ms = 5};
    struct fh_record_facts facts = facts_of("T", "d");
    struct fh_sink_write write = {.record = &record, .key = &key, .facts = &facts, .count = 1};
    assert_int_equal(fh_collect_add(collect, &write, (struct fh_time){at_ms * 1000000}), 0);
}

static void test_collects_copies(void **state)
{
    (void)state;
    struct fh_collect collect;
    struct fh_collect_item item;
    fh_collect_init(&collect);
    char text[] = "{\"n\":1}";
    add(&collect, text, 0);
    memset(text, 'x', sizeof(text) - 1);
    add(&collect, "{}", 0);
    fh_collect_get(&collect, 0, &item);
    assert_memory_equal(item.record.data, "{\"n\":1}", item.record.len);
    assert_int_equal(item.key.fingerprint, 1);
    assert_memory_equal(item.facts.uid.data, "event-1", item.facts.uid.len);
    assert_memory_equal(item.facts.location[0].data, "floor-7", 7);
    fh_collect_get(&collect, 1, &item);
    assert_int_equal(item.record.len, 2);
    assert_int_equal(item.facts.device.len, 1);
    fh_collect_done(&collect);
}

static void test_is_due_when_full_or_old(void **state)
{
    (void)state;
    struct fh_config_sink config = {.batch_records = 2, .batch_ms = 100};
    struct fh_collect collect;
    fh_collect_init(&collect);
    assert_int_equal(fh_collect_due_in(&collect, &config, (struct fh_time){0}), -1);
    add(&collect, "{}", 10);
    assert_int_equal(fh_collect_due_in(&collect, &config, (struct fh_time){50 * 1000000}), 60);
    assert_int_equal(fh_collect_due_in(&collect, &config, (struct fh_time){110 * 1000000}), 0);
    add(&collect, "{}", 20);
    assert_int_equal(fh_collect_due_in(&collect, &config, (struct fh_time){20 * 1000000}), 0);
    fh_collect_clear(&collect);
    assert_int_equal(fh_collect_due_in(&collect, &config, (struct fh_time){20 * 1000000}), -1);
    fh_collect_done(&collect);
}

static void test_keys_travel_as_text(void **state)
{
    (void)state;
    const struct fh_record_key keys[] = {
        {1, 0}, {UINT64_MAX, 1700000000123}, {0x123456789abcdef0, -5}};
    for (size_t i = 0; i < FH_ARRAY_LEN(keys); i++) {
        char text[FH_KEY_TEXT_SIZE];
        struct fh_record_key back = {0, 0};
        fh_key_print(keys[i], text);
        assert_int_equal(fh_key_parse(text, strlen(text), &back), 0);
        assert_memory_equal(&back, &keys[i], sizeof(back));
    }
    const char *const wrong[] = {"",
                                 "1-2",
                                 "0000000000000001",
                                 "0000000000000001-",
                                 "0000000000000001-5 ",
                                 " 000000000000001-5",
                                 "0000000000000001-+5",
                                 "000000000000000g-5",
                                 "0000000000000001-99999999999999999999999999999999999"};
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        struct fh_record_key back;
        assert_int_equal(fh_key_parse(wrong[i], strlen(wrong[i]), &back), -EBADMSG);
    }
}

static void test_patterns_expand(void **state)
{
    (void)state;
    struct fh_pattern pattern;
    struct fh_error err;
    char name[64];
    struct fh_record_facts facts = facts_of("A/B", "aa:bb cc");
    assert_int_equal(fh_pattern_compile("x/{tenant}/{type}/{device}", "topic", &err, &pattern), 0);
    assert_true(fh_pattern_has(&pattern, FH_PATTERN_DEVICE));
    assert_false(fh_pattern_has(&pattern, FH_PATTERN_UID));
    assert_int_equal(fh_pattern_expand(&pattern, &facts, "/.", name, sizeof(name)), 0);
    assert_string_equal(name, "x/tenant_1/A_B/aa:bb_cc");
    facts.device = slice("");
    assert_int_equal(fh_pattern_expand(&pattern, &facts, "/", name, sizeof(name)), 0);
    assert_string_equal(name, "x/tenant.1/A_B/unknown");
    assert_int_equal(fh_pattern_expand(&pattern, &facts, "/", name, 10), -ENAMETOOLONG);
}

#define FOUR_WORDS    "{uid}{uid}{uid}{uid}"
#define SIXTEEN_WORDS FOUR_WORDS FOUR_WORDS FOUR_WORDS FOUR_WORDS

static void test_patterns_that_are_none(void **state)
{
    (void)state;
    const char *const wrong[] = {"{", "a{typ}", "}", "{type", "a}b", "{}", (SIXTEEN_WORDS "{uid}")};
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        struct fh_pattern pattern;
        struct fh_error err = {""};
        assert_int_equal(fh_pattern_compile(wrong[i], "topic", &err, &pattern), -EINVAL);
        assert_memory_equal(err.text, "topic", 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collects_copies),
        cmocka_unit_test(test_is_due_when_full_or_old),
        cmocka_unit_test(test_keys_travel_as_text),
        cmocka_unit_test(test_patterns_expand),
        cmocka_unit_test(test_patterns_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
