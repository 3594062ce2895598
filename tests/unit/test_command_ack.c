/* test_command_ack.c: what a program may say, and the account of what it was sent. */
#include "command_ack.h"

#include "fh/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void test_what_it_may_say(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int r;
        enum fh_command_word word;
        uint64_t number;
        const char *reason;
    } rows[] = {
        {"ok 0", 0, FH_COMMAND_OK, 0, ""},
        {"ok 12", 0, FH_COMMAND_OK, 12, ""},
        {"ok 12\r", 0, FH_COMMAND_OK, 12, ""},
        {"ok 999999999999999999", 0, FH_COMMAND_OK, UINT64_C(999999999999999999), ""},
        {"bad 7 too large", 0, FH_COMMAND_BAD, 7, "too large"},
        {"bad 7", 0, FH_COMMAND_BAD, 7, ""},
        {"bad 7 ", 0, FH_COMMAND_BAD, 7, ""},
        {"", -EBADMSG, 0, 0, ""},
        {"ok", -EBADMSG, 0, 0, ""},
        {"ok ", -EBADMSG, 0, 0, ""},
        {"ok  1", -EBADMSG, 0, 0, ""},
        {"ok 1 ", -EBADMSG, 0, 0, ""},
        {"ok -1", -EBADMSG, 0, 0, ""},
        {"ok +1", -EBADMSG, 0, 0, ""},
        {"ok 1x", -EBADMSG, 0, 0, ""},
        {"OK 1", -EBADMSG, 0, 0, ""},
        {" ok 1", -EBADMSG, 0, 0, ""},
        {"ok 9999999999999999999", -EBADMSG, 0, 0, ""},
        {"bad 0 none", -EBADMSG, 0, 0, ""},
        {"bad x", -EBADMSG, 0, 0, ""},
        {"bad 7too", -EBADMSG, 0, 0, ""},
        {"done 7", -EBADMSG, 0, 0, ""},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        struct fh_command_answer answer = {.number = 4711};
        int r = fh_command_answer_parse(rows[i].line, strlen(rows[i].line), &answer);
        assert_int_equal(r, rows[i].r);
        if (r < 0) {
            assert_int_equal(answer.number, 4711);
            continue;
        }
        assert_int_equal(answer.word, rows[i].word);
        assert_int_equal(answer.number, rows[i].number);
        assert_int_equal(answer.reason.len, strlen(rows[i].reason));
        assert_memory_equal(answer.reason.data, rows[i].reason, answer.reason.len);
    }
}

static void send(struct fh_command_account *account, uint32_t count)
{
    while (count-- > 0) {
        assert_true(account->next < account->count);
        fh_command_account_sent(account);
    }
}

static int say_bad(struct fh_command_account *account, uint64_t number)
{
    uint32_t record;
    int r = fh_command_account_which(account, number, &record);
    if (r == 0) {
        fh_command_account_bad(account, number);
    }
    return r;
}

static void test_numbers_go_on_over_batches(void **state)
{
    (void)state;
    struct fh_command_account account;
    fh_command_account_init(&account);
    assert_int_equal(fh_command_account_begin(&account, 10), 0);
    assert_int_equal(fh_command_account_ok(&account, 1), -EPROTO); /* nothing was sent */
    send(&account, 4);
    assert_int_equal(fh_command_account_ok(&account, 0), 0);
    assert_int_equal(fh_command_account_ok(&account, 3), 0);
    assert_int_equal(fh_command_account_ok(&account, 3), 0);
    assert_int_equal(fh_command_account_ok(&account, 2), -EPROTO); /* takes it back */
    assert_int_equal(fh_command_account_ok(&account, 5), -EPROTO);
    assert_int_equal(account.left, 7);
    send(&account, 6);
    assert_int_equal(account.next, 10);
    assert_int_equal(fh_command_account_ok(&account, 10), 0);
    assert_int_equal(account.left, 0);
    fh_command_account_end(&account);
    assert_int_equal(fh_command_account_begin(&account, 3), 0);
    send(&account, 3);
    assert_int_equal(fh_command_account_ok(&account, 9), -EPROTO);
    assert_int_equal(say_bad(&account, 10), -EPROTO); /* of the batch before */
    assert_int_equal(fh_command_account_ok(&account, 13), 0);
    assert_int_equal(account.left, 0);
    fh_command_account_done(&account);
}

static void test_bad_records_are_passed_over(void **state)
{
    (void)state;
    struct fh_command_account account;
    uint32_t record = 99;
    fh_command_account_init(&account);
    assert_int_equal(fh_command_account_begin(&account, 5), 0);
    send(&account, 5);
    assert_int_equal(fh_command_account_which(&account, 6, &record), -EPROTO);
    assert_int_equal(fh_command_account_which(&account, 0, &record), -EPROTO);
    assert_int_equal(record, 99);
    assert_int_equal(fh_command_account_which(&account, 3, &record), 0);
    assert_int_equal(record, 2);
    fh_command_account_bad(&account, 3);
    assert_int_equal(say_bad(&account, 3), -EPROTO); /* twice */
    assert_int_equal(account.left, 4);
    assert_int_equal(fh_command_account_ok(&account, 4), 0);
    assert_int_equal(account.left, 1);
    assert_int_equal(say_bad(&account, 2), -EPROTO); /* it was done with that one */
    assert_int_equal(say_bad(&account, 5), 0);
    assert_int_equal(account.left, 0);
    fh_command_account_end(&account);
    /* it never said ok of the last one; it need not */
    assert_int_equal(fh_command_account_begin(&account, 1), 0);
    send(&account, 1);
    assert_int_equal(fh_command_account_ok(&account, 5), 0);
    assert_int_equal(account.left, 1);
    assert_int_equal(fh_command_account_ok(&account, 6), 0);
    assert_int_equal(account.left, 0);
    fh_command_account_done(&account);
}

/* A new program begins with the first record that is not dealt with, and with the number 1. */
static void test_a_restart(void **state)
{
    (void)state;
    struct fh_command_account account;
    uint32_t record;
    fh_command_account_init(&account);
    assert_int_equal(fh_command_account_begin(&account, 6), 0);
    send(&account, 6);
    assert_int_equal(fh_command_account_ok(&account, 2), 0);
    assert_int_equal(say_bad(&account, 4), 0);
    fh_command_account_restart(&account, false);
    assert_int_equal(account.left, 3); /* 2, 4 and 5 */
    assert_int_equal(account.next, 2);
    send(&account, 1);
    assert_int_equal(account.next, 4);
    send(&account, 2);
    assert_int_equal(account.next, 6);
    assert_int_equal(fh_command_account_which(&account, 2, &record), 0);
    assert_int_equal(record, 4);
    assert_int_equal(fh_command_account_ok(&account, 3), 0);
    assert_int_equal(account.left, 0);
    /* a program that acknowledges nothing gets all of it again, but for what is put aside */
    fh_command_account_restart(&account, true);
    assert_int_equal(account.left, 5);
    assert_int_equal(account.next, 0);
    fh_command_account_done(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_may_say),
        cmocka_unit_test(test_numbers_go_on_over_batches),
        cmocka_unit_test(test_bad_records_are_passed_over),
        cmocka_unit_test(test_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
