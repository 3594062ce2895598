/* test_webhook_rules.c: lanes, halving, keys, and what an answer means. */
#include "webhook_answer.h"
#include "webhook_plan.h"

#include <curl/curl.h>
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

/* count records of so many devices in turn; record i has the key i + 1. */
static void fill(struct fh_collect *batch, unsigned count, unsigned devices)
{
    fh_collect_init(batch);
    for (unsigned i = 0; i < count; i++) {
        char text[32];
        char device[32];
        snprintf(text, sizeof(text), "{\"n\":%u}", i);
        snprintf(device, sizeof(device), "device-%u", i % devices);
        struct fh_slice record = slice(text);
        struct fh_record_key key = {.fingerprint = i + 1, .timestamp_ms = 5};
        struct fh_record_facts facts = {.device = slice(device)};
        struct fh_sink_write write = {.record = &record, .key = &key, .facts = &facts, .count = 1};
        assert_int_equal(fh_collect_add(batch, &write, (struct fh_time){0}), 0);
    }
}

/* Every record goes out once, those of a device in one lane and in order, no request is larger than
 * the limit. */
static void check_plan(unsigned count, unsigned devices, uint32_t limit, uint32_t concurrency)
{
    struct fh_collect batch;
    struct fh_webhook_plan plan;
    struct fh_webhook_range range;
    unsigned *seen = calloc(count, sizeof(*seen));
    uint32_t *lane_of = calloc(devices, sizeof(*lane_of));
    uint32_t *last_of = calloc(devices, sizeof(*last_of));
    unsigned total = 0;
    fill(&batch, count, devices);
    fh_webhook_plan_init(&plan);
    assert_int_equal(fh_webhook_plan_make(&plan, &batch, limit, concurrency), 0);
    assert_true(plan.lanes >= 1 && plan.lanes <= concurrency);
    assert_true(count > limit || plan.lanes == 1);
    for (uint32_t lane = 0; lane < plan.lanes; lane++) {
        while (fh_webhook_plan_at(&plan, lane, &range)) {
            assert_true(range.to > range.from && range.to - range.from <= limit);
            for (uint32_t i = range.from; i < range.to; i++, total++) {
                uint32_t record = plan.order[i];
                uint32_t device = record % devices;
                assert_int_equal(seen[record]++, 0);
                assert_true(lane_of[device] == 0 || lane_of[device] == lane + 1);
                lane_of[device] = lane + 1;
                assert_true(last_of[device] <= record);
                last_of[device] = record;
            }
            fh_webhook_plan_next(&plan, lane);
        }
    }
    assert_int_equal(total, count);
    fh_webhook_plan_done(&plan);
    fh_collect_done(&batch);
    free(seen);
    free(lane_of);
    free(last_of);
}

static void test_lanes_keep_devices_together(void **state)
{
    (void)state;
    check_plan(1, 1, 1000, 4);
    check_plan(1000, 50, 1000, 4);
    check_plan(1001, 50, 1000, 4);
    check_plan(4000, 50, 1000, 4);
    check_plan(4000, 1, 1000, 64); /* all in one lane: four requests, one after the other */
    check_plan(777, 777, 10, 64);
    check_plan(64, 64, 1, 64);
}

/* What a lane sends when every request with one of these records is refused until it stands alone:
 * everything else goes out in order, and those alone are told apart. */
static void test_halving_finds_the_refused(void **state)
{
    (void)state;
    static const unsigned poison[] = {0, 17, 18, 63, 99};
    struct fh_collect batch;
    struct fh_webhook_plan plan;
    struct fh_webhook_range range;
    uint32_t next = 0;
    unsigned alone = 0;
    unsigned requests = 0;
    fill(&batch, 100, 1);
    fh_webhook_plan_init(&plan);
    assert_int_equal(fh_webhook_plan_make(&plan, &batch, 100, 4), 0);
    for (; fh_webhook_plan_at(&plan, 0, &range); requests++) {
        bool bad = false;
        for (size_t i = 0; i < FH_ARRAY_LEN(poison); i++) {
            bad = bad || (poison[i] >= range.from && poison[i] < range.to);
        }
        if (bad && fh_webhook_plan_split(&plan, 0)) {
            continue;
        }
        assert_int_equal(range.from, next); /* in order, nothing left out */
        next = range.to;
        if (bad) {
            assert_int_equal(range.to - range.from, 1);
            alone++;
        }
        fh_webhook_plan_next(&plan, 0);
    }
    assert_int_equal(next, 100);
    assert_int_equal(alone, FH_ARRAY_LEN(poison));
    assert_true(requests <= 2 * 5 * 8 + 1); /* two for each halving on the way to each */
    fh_webhook_plan_done(&plan);
    fh_collect_done(&batch);
}

static void test_the_same_request_has_the_same_key(void **state)
{
    (void)state;
    struct fh_collect batch;
    struct fh_webhook_plan plan;
    char key[4][FH_IDEMPOTENCY_KEY_SIZE];
    fill(&batch, 10, 1);
    fh_webhook_plan_init(&plan);
    assert_int_equal(fh_webhook_plan_make(&plan, &batch, 10, 4), 0);
    fh_webhook_idempotency_key(&plan, &batch, (struct fh_webhook_range){0, 10}, key[0]);
    fh_webhook_idempotency_key(&plan, &batch, (struct fh_webhook_range){0, 10}, key[1]);
    fh_webhook_idempotency_key(&plan, &batch, (struct fh_webhook_range){0, 9}, key[2]);
    fh_webhook_idempotency_key(&plan, &batch, (struct fh_webhook_range){1, 10}, key[3]);
    assert_int_equal(strlen(key[0]), FH_IDEMPOTENCY_KEY_SIZE - 1);
    assert_string_equal(key[0], key[1]);
    assert_string_not_equal(key[0], key[2]);
    assert_string_not_equal(key[0], key[3]);
    assert_string_not_equal(key[2], key[3]);
    fh_webhook_plan_done(&plan);
    fh_collect_done(&batch);
}

static void test_what_a_status_means(void **state)
{
    (void)state;
    static const struct {
        long status;
        enum fh_webhook_verdict verdict;
    } rows[] = {{200, FH_WEBHOOK_ACCEPTED}, {202, FH_WEBHOOK_ACCEPTED}, {204, FH_WEBHOOK_ACCEPTED},
                {301, FH_WEBHOOK_ASK},      {308, FH_WEBHOOK_ASK},      {400, FH_WEBHOOK_REFUSED},
                {401, FH_WEBHOOK_ASK},      {403, FH_WEBHOOK_ASK},      {404, FH_WEBHOOK_ASK},
                {405, FH_WEBHOOK_ASK},      {407, FH_WEBHOOK_ASK},      {408, FH_WEBHOOK_AGAIN},
                {413, FH_WEBHOOK_REFUSED},  {415, FH_WEBHOOK_ASK},      {422, FH_WEBHOOK_REFUSED},
                {425, FH_WEBHOOK_AGAIN},    {429, FH_WEBHOOK_WAIT},     {451, FH_WEBHOOK_REFUSED},
                {500, FH_WEBHOOK_AGAIN},    {502, FH_WEBHOOK_AGAIN},    {503, FH_WEBHOOK_WAIT},
                {504, FH_WEBHOOK_AGAIN},    {599, FH_WEBHOOK_AGAIN}};
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        assert_int_equal(fh_webhook_judge(rows[i].status, 0), rows[i].verdict);
    }
    assert_int_equal(fh_webhook_judge(409, 0), FH_WEBHOOK_AGAIN);
    assert_int_equal(fh_webhook_judge(409, 5), FH_WEBHOOK_REFUSED);
    assert_int_equal(fh_webhook_judge_trouble(CURLE_PEER_FAILED_VERIFICATION), FH_WEBHOOK_ASK);
    assert_int_equal(fh_webhook_judge_trouble(CURLE_COULDNT_CONNECT), FH_WEBHOOK_WAIT);
    assert_int_equal(fh_webhook_judge_trouble(CURLE_OPERATION_TIMEDOUT), FH_WEBHOOK_AGAIN);
    assert_int_equal(fh_webhook_judge_trouble(CURLE_GOT_NOTHING), FH_WEBHOOK_AGAIN);
}

static void test_how_long_it_waits(void **state)
{
    (void)state;
    int64_t before = 0;
    for (unsigned failures = 1; failures < 40; failures++) {
        int64_t least = fh_webhook_delay(FH_WEBHOOK_AGAIN, failures, 0, 0);
        int64_t most = fh_webhook_delay(FH_WEBHOOK_AGAIN, failures, UINT32_MAX, 0);
        assert_true(least >= FH_WEBHOOK_BACKOFF_MIN_MS / 2 && least >= before);
        assert_true(most >= least && most <= FH_WEBHOOK_BACKOFF_MAX_MS);
        before = least;
    }
    assert_int_equal(before, FH_WEBHOOK_BACKOFF_MAX_MS / 2);
    /* a person is asked rarely from the first time on */
    assert_true(fh_webhook_delay(FH_WEBHOOK_ASK, 1, 0, 0) >= FH_WEBHOOK_BACKOFF_MAX_MS / 2);
    /* Retry-After is the least, and has a bound */
    assert_int_equal(fh_webhook_delay(FH_WEBHOOK_WAIT, 1, 0, 7), 7000);
    assert_true(fh_webhook_delay(FH_WEBHOOK_WAIT, 30, 0, 1) >= FH_WEBHOOK_BACKOFF_MAX_MS / 2);
    assert_int_equal(fh_webhook_delay(FH_WEBHOOK_WAIT, 1, 0, 1000000),
                     FH_WEBHOOK_RETRY_AFTER_MAX_MS);
    assert_int_equal(fh_webhook_delay(FH_WEBHOOK_WAIT, 1, 0, INT64_MAX),
                     FH_WEBHOOK_RETRY_AFTER_MAX_MS);
    assert_true(fh_webhook_delay(FH_WEBHOOK_WAIT, 1, 0, -5) > 0);
}

static void test_an_excerpt_is_plain_and_has_no_secret(void **state)
{
    (void)state;
    const char *const secrets[] = {NULL, "", "s3cr3t-t0k3n-0123456789"};
    char text[512];
    fh_webhook_excerpt(slice("\n {\"error\":\t \"no\x01\xff good\"}\r\n"), secrets, 3, text,
                       sizeof(text));
    assert_string_equal(text, "{\"error\": \"no good\"}");
    fh_webhook_excerpt(slice("you sent s3cr3t-t0k3n-0123456789, no"), secrets, 3, text,
                       sizeof(text));
    assert_string_equal(text, "you sent *, no");
    fh_webhook_excerpt(slice("cut off: s3cr3t-t0k3"), secrets, 3, text, sizeof(text));
    assert_string_equal(text, "cut off: *");
    char body[2000];
    memset(body, 'a', sizeof(body));
    fh_webhook_excerpt((struct fh_slice){body, sizeof(body)}, secrets, 3, text, sizeof(text));
    assert_int_equal(strlen(text), 200);
    fh_webhook_excerpt((struct fh_slice){body, sizeof(body)}, secrets, 3, text, 10);
    assert_int_equal(strlen(text), 9);
    fh_webhook_excerpt((struct fh_slice){body, 0}, secrets, 3, text, sizeof(text));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes_keep_devices_together),
        cmocka_unit_test(test_halving_finds_the_refused),
        cmocka_unit_test(test_the_same_request_has_the_same_key),
        cmocka_unit_test(test_what_a_status_means),
        cmocka_unit_test(test_how_long_it_waits),
        cmocka_unit_test(test_an_excerpt_is_plain_and_has_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
