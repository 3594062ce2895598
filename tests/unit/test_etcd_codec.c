/* test_etcd_codec.c: what is asked of etcd and what its answers mean. The answers are those of etcd
 * 3.4 through its gateway. */
#include "etcd_codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define PREFIX "/firehosed/x/"
/* {"node":"a","key":"mark","epoch":"5","released":false} */
#define RECORD_A5 "eyJub2RlIjoiYSIsImtleSI6Im1hcmsiLCJlcG9jaCI6IjUiLCJyZWxlYXNlZCI6ZmFsc2V9"

static struct fh_etcd_answer answer;

static int parse(const char *text)
{
    memset(&answer, 0xaa, sizeof(answer));
    return fh_etcd_parse(text, strlen(text), &answer);
}

static void leases_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"header\":{\"revision\":\"1\"},\"ID\":\"2324035558954720519\",\"TTL\":\"3\"}"), 0);
    assert_true(answer.lease_id == INT64_C(2324035558954720519));
    assert_int_equal(answer.ttl_s, 3);
    assert_int_equal(answer.code, 0);
    assert_int_equal(parse("{\"result\":{\"ID\":\"7\",\"TTL\":\"2\"}}"), 0);
    assert_int_equal(answer.lease_id, 7);
    assert_int_equal(answer.ttl_s, 2);
    assert_int_equal(parse("{\"result\":{\"ID\":\"7\"}}"), 0); /* gone */
    assert_int_equal(answer.ttl_s, 0);
    assert_int_equal(parse("{\"ID\":\"-7\"}"), -EBADMSG);
    assert_int_equal(parse("{\"ID\":7}"), -EBADMSG);
    assert_int_equal(parse("{\"TTL\":\"9999999999999999999\"}"), -EBADMSG);
    assert_int_equal(parse("[]"), -EBADMSG);
    assert_int_equal(parse(""), -EBADMSG);
}

static void views_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"succeeded\":true,\"responses\":[{\"response_range\":{\"kvs\":[{"
              "\"mod_revision\":\"4\",\"value\":\"" RECORD_A5 "\",\"lease\":\"77\"}]}},"
              "{\"response_range\":{\"kvs\":[{\"mod_revision\":\"9\",\"value\":\"" RECORD_A5
              "\"}]}}]}"),
        0);
    assert_true(answer.succeeded && answer.has_view);
    assert_true(answer.view.lease.present && answer.view.epoch.present);
    assert_int_equal(answer.view.lease.mod_revision, 4);
    assert_int_equal(answer.view.lease.lease, 77);
    assert_int_equal(answer.view.epoch.mod_revision, 9);
    assert_string_equal(answer.view.lease.record.node, "a");
    assert_string_equal(answer.view.lease.record.mark, "mark");
    assert_int_equal(answer.view.lease.record.epoch, 5);
    assert_false(answer.view.lease.record.released);
    assert_true(fh_etcd_is_ours(&answer.view, "mark", 5, 77));
    assert_false(fh_etcd_is_ours(&answer.view, "mark", 5, 78));
    assert_false(fh_etcd_is_ours(&answer.view, "mark", 6, 77));
    assert_false(fh_etcd_is_ours(&answer.view, "other", 5, 77));

    assert_int_equal(parse("{\"responses\":[{\"response_range\":{}},{\"response_range\":{}}]}"), 0);
    assert_true(answer.has_view && !answer.succeeded);
    assert_false(answer.view.lease.present || answer.view.epoch.present);
    assert_int_equal(parse("{\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}"), 0);
    assert_true(answer.succeeded && !answer.has_view);
}

static void what_is_not_a_record_of_ours_is_refused(void **state)
{
    (void)state;
    const char *const values[] = {
        "",       /* nothing */
        "bm9uZQ", /* not padded */
        "bm9uZQ==",
        "e30=",                                             /* {} */
        "eyJub2RlIjoiYSIsImtleSI6Im0iLCJlcG9jaCI6IjAifQ==", /* epoch 0 */
        "eyJub2RlIjoiYSBiIiwia2V5IjoibSIsImVwb2NoIjoiMSJ9", /* "a b" */
        "AAAA",
        "=AAA",
        "A=A=",
        "!!!!",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(values); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "{\"responses\":[{\"response_range\":{}},{\"response_range\":{\"kvs\":[{"
                 "\"mod_revision\":\"2\",\"value\":\"%s\"}]}}]}",
                 values[i]);
        assert_int_equal(parse(text), -EBADMSG);
    }
}

static void errors_keep_their_words(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"error\":\"x\",\"message\":\"etcdserver: requested lease not found\","
                           "\"code\":5}"),
                     0);
    assert_int_equal(answer.code, 5);
    assert_string_equal(answer.error, "etcdserver: requested lease not found");
    assert_int_equal(parse("{\"error\":\"no\\nway\"}"), 0);
    assert_int_equal(answer.code, 2);
    assert_string_equal(answer.error, "no?way");
}

static struct fh_etcd_view view_of(const char *holder, uint64_t epoch, const char *last,
                                   bool released)
{
    struct fh_etcd_view view;
    memset(&view, 0, sizeof(view));
    if (holder) {
        view.lease.present = true;
        snprintf(view.lease.record.mark, sizeof(view.lease.record.mark), "%s", holder);
        view.lease.record.epoch = epoch;
    }
    if (last) {
        view.epoch.present = true;
        snprintf(view.epoch.record.mark, sizeof(view.epoch.record.mark), "%s", last);
        view.epoch.record.epoch = epoch;
        view.epoch.record.released = released;
    }
    return view;
}

static void the_rules_are_the_witness_s(void **state)
{
    (void)state;
    const struct {
        const char *holder;
        const char *last;
        bool released;
        uint64_t asked;
        enum fh_etcd_verdict verdict;
    } cases[] = {
        {NULL, NULL, false, 1, FH_ETCD_MAY},          {NULL, NULL, false, 0, FH_ETCD_OLD},
        {NULL, NULL, false, UINT64_MAX, FH_ETCD_OLD}, {"us", "us", false, 5, FH_ETCD_MAY},
        {"us", "us", false, 6, FH_ETCD_MAY},          {"us", "us", false, 4, FH_ETCD_OLD},
        {"them", "them", false, 6, FH_ETCD_HELD},     {NULL, "them", false, 5, FH_ETCD_OLD},
        {NULL, "them", false, 6, FH_ETCD_MAY},        {NULL, "us", false, 5, FH_ETCD_MAY},
        {NULL, "us", true, 5, FH_ETCD_OLD},           {NULL, "us", true, 6, FH_ETCD_MAY},
        {"us", NULL, false, 5, FH_ETCD_MAY},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        struct fh_etcd_view view = view_of(cases[i].holder, 5, cases[i].last, cases[i].released);
        const struct fh_alone_claim claim = {0};
        if (fh_etcd_judge(&view, "us", cases[i].asked, &claim) != cases[i].verdict) {
            fail_msg("case %zu", i);
        }
    }
}

/* The same rules as the witness's (test_lease.c), on records that are strings. */
static void who_led_alone_is_noted(void **state)
{
    (void)state;
    const struct fh_alone_claim careful = {2, false, true};
    struct fh_etcd_view view = view_of(NULL, 5, "them", false);
    assert_int_equal(fh_etcd_judge(&view, "us", 6, &careful), FH_ETCD_MAY);
    view.epoch.record.alone.stint = 3;
    assert_int_equal(fh_etcd_judge(&view, "us", 6, &careful), FH_ETCD_ALONE);
    assert_int_equal(fh_etcd_judge(&view, "them", 6, &careful), FH_ETCD_MAY);
    assert_true(fh_etcd_note(&view, "us", 6, &careful).other);
    assert_true(fh_etcd_note(&view, "them", 6, &careful).before);
    assert_int_equal(fh_etcd_note(&view, "them", 5, &careful).stint, 3);

    struct fh_buf body;
    fh_buf_init(&body, 16384);
    view.epoch.record.alone.other = true;
    strcpy(view.epoch.record.node, "b");
    assert_int_equal(fh_etcd_grant_body(&body, PREFIX, &view, &view.epoch.record, 77), 0);
    const char *value = strstr(fh_buf_string(&body), "\"value\":\"");
    assert_non_null(value);
    value += strlen("\"value\":\"");
    char text[1024];
    snprintf(text, sizeof(text),
             "{\"succeeded\":true,\"responses\":[{\"response_range\":{}},{\"response_range\":"
             "{\"kvs\":[{\"mod_revision\":\"9\",\"value\":\"%.*s\"}]}}]}",
             (int)strcspn(value, "\""), value);
    assert_int_equal(parse(text), 0);
    assert_int_equal(answer.view.epoch.record.alone.stint, 3);
    assert_true(answer.view.epoch.record.alone.other);
    assert_false(answer.view.epoch.record.alone.before);
    fh_buf_done(&body);
}

static void bodies_are_these(void **state)
{
    (void)state;
    struct fh_buf body;
    fh_buf_init(&body, 16384);
    assert_int_equal(fh_etcd_read_body(&body, PREFIX), 0);
    assert_string_equal(fh_buf_string(&body),
                        "{\"success\":[{\"request_range\":{\"key\":\"L2ZpcmVob3NlZC94L2xlYXNl\"}},"
                        "{\"request_range\":{\"key\":\"L2ZpcmVob3NlZC94L2Vwb2No\"}}]}");
    fh_buf_clear(&body);
    struct fh_etcd_view view = view_of(NULL, 5, NULL, false);
    struct fh_etcd_record record = {"a", "mark", 5, false, {0, false, false}};
    view.epoch.mod_revision = 12;
    assert_int_equal(fh_etcd_grant_body(&body, PREFIX, &view, &record, 77), 0);
    assert_string_equal(
        fh_buf_string(&body),
        "{\"compare\":[{\"key\":\"L2ZpcmVob3NlZC94L2xlYXNl\",\"target\":\"MOD\",\"result\":"
        "\"EQUAL\","
        "\"mod_revision\":\"0\"},{\"key\":\"L2ZpcmVob3NlZC94L2Vwb2No\",\"target\":\"MOD\","
        "\"result\":"
        "\"EQUAL\",\"mod_revision\":\"12\"}],\"success\":[{\"request_put\":{\"key\":"
        "\"L2ZpcmVob3NlZC94L2xlYXNl\",\"value\":\"" RECORD_A5 "\",\"lease\":\"77\"}},"
        "{\"request_put\":{\"key\":\"L2ZpcmVob3NlZC94L2Vwb2No\",\"value\":\"" RECORD_A5 "\"}}],"
        "\"failure\":[{\"request_range\":{\"key\":\"L2ZpcmVob3NlZC94L2xlYXNl\"}},{\"request_"
        "range\":"
        "{\"key\":\"L2ZpcmVob3NlZC94L2Vwb2No\"}}]}");
    fh_buf_clear(&body);
    assert_int_equal(fh_etcd_login_body(&body, "fire", "a\"b\\"), 0);
    assert_string_equal(fh_buf_string(&body), "{\"name\":\"fire\",\"password\":\"a\\\"b\\\\\"}");
    fh_buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leases_are_read),
        cmocka_unit_test(views_are_read),
        cmocka_unit_test(what_is_not_a_record_of_ours_is_refused),
        cmocka_unit_test(errors_keep_their_words),
        cmocka_unit_test(the_rules_are_the_witness_s),
        cmocka_unit_test(who_led_alone_is_noted),
        cmocka_unit_test(bodies_are_these),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
