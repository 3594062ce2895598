/* test_base.c: buffer limits and error sentences. */
#include "fh/buf.h"
#include "fh/clock.h"
#include "fh/err.h"
#include "fh/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void buf_grows_to_max_and_no_further(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 1000);
    char chunk[300];
    memset(chunk, 'x', sizeof(chunk));
    assert_int_equal(fh_buf_append(&buf, chunk, sizeof(chunk)), 0);
    assert_int_equal(fh_buf_append(&buf, chunk, sizeof(chunk)), 0);
    assert_int_equal(fh_buf_append(&buf, chunk, sizeof(chunk)), 0);
    assert_int_equal(fh_buf_append(&buf, chunk, sizeof(chunk)), -ENOBUFS);
    assert_int_equal(buf.len, 900);
    assert_int_equal(fh_buf_append(&buf, chunk, 100), 0);
    assert_int_equal(buf.len, 1000);
    assert_null(fh_buf_string(&buf));
    assert_int_equal(fh_buf_reserve(&buf, SIZE_MAX), -ENOBUFS);
    fh_buf_consume(&buf, 999);
    assert_int_equal(buf.len, 1);
    assert_string_equal(fh_buf_string(&buf), "x");
    fh_buf_done(&buf);
    assert_null(buf.data);
}

static void buf_printf_appends(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 64);
    assert_int_equal(fh_buf_printf(&buf, "%d-%s", 7, "seven"), 0);
    assert_int_equal(fh_buf_printf(&buf, "%s", "!"), 0);
    assert_string_equal(fh_buf_string(&buf), "7-seven!");
    assert_int_equal(fh_buf_printf(&buf, "%080d", 1), -ENOBUFS);
    assert_string_equal(fh_buf_string(&buf), "7-seven!");
    fh_buf_done(&buf);
}

static void error_sentences(void **state)
{
    (void)state;
    struct fh_error err = {""};
    assert_int_equal(fh_error_set(&err, -EINVAL, "bad %s", "thing"), -EINVAL);
    fh_error_prefix(&err, "line %d", 3);
    assert_string_equal(err.text, "line 3: bad thing");
    assert_int_equal(fh_error_set(NULL, -EIO, "nobody reads this"), -EIO);
    char text[64];
    assert_string_equal(fh_strerror(-ENOENT, text, sizeof(text)), "No such file or directory");
}

static void log_line_is_one_line(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    int saved = dup(STDERR_FILENO);
    dup2(pipes[1], STDERR_FILENO);
    fh_log_init("test", FH_LOG_STDERR, LOG_INFO);
    fh_log_set_node("a");
    struct fh_log_field fields[] = {{"FH_EPOCH", "7"}};
    fh_log_event(LOG_NOTICE, FH_LOG_ROLE, fields, 1, "two\nlines");
    fh_log(LOG_DEBUG, "not shown");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipes[1]);
    char line[256];
    ssize_t n = read(pipes[0], line, sizeof(line) - 1);
    close(pipes[0]);
    assert_true(n > 0);
    line[n] = '\0';
    assert_string_equal(line, "test[a] notice [role] two lines  FH_EPOCH=7\n");
}

static void log_ids_are_unique(void **state)
{
    (void)state;
    for (int i = 1; i < FH_LOG_ID_COUNT; i++) {
        assert_int_equal(strlen(fh_log_id_hex((enum fh_log_id)i)), 32);
        for (int j = i + 1; j < FH_LOG_ID_COUNT; j++) {
            assert_string_not_equal(fh_log_id_hex((enum fh_log_id)i),
                                    fh_log_id_hex((enum fh_log_id)j));
            assert_string_not_equal(fh_log_id_name((enum fh_log_id)i),
                                    fh_log_id_name((enum fh_log_id)j));
        }
    }
}

static void time_does_not_go_back(void **state)
{
    (void)state;
    struct fh_time a = fh_now();
    struct fh_time b = fh_now();
    assert_false(fh_time_before(b, a));
    assert_int_equal(fh_time_diff_ms(fh_time_add_ms(a, 1500), a), 1500);
    assert_true(fh_wall_ms() > 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_grows_to_max_and_no_further),
        cmocka_unit_test(buf_printf_appends),
        cmocka_unit_test(error_sentences),
        cmocka_unit_test(log_line_is_one_line),
        cmocka_unit_test(log_ids_are_unique),
        cmocka_unit_test(time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
