/* test_base.c: buffer limits and error sentences. */
#include "fh/buf.h"
#include "fh/clock.h"
#include "fh/descriptor.h"
#include "fh/err.h"
#include "fh/log.h"
#include "log_repeat.h"

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

static void reads_to_the_end_of_a_descriptor(void **state)
{
    (void)state;
    int ends[2];
    char bytes[16] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    assert_int_equal(write(ends[1], "defgh", 5), 5);
    fh_descriptor_close(&ends[1]);
    assert_int_equal(fh_descriptor_read(ends[0], bytes, 4), 4);
    assert_int_equal(fh_descriptor_read(ends[0], bytes + 4, 10), 4);
    assert_string_equal(bytes, "abcdefgh");
    assert_int_equal(fh_descriptor_read(ends[0], bytes, 10), 0);
    fh_descriptor_close(&ends[0]);
    assert_int_equal(fh_descriptor_read(ends[0], bytes, 10), -EBADF);
    fh_descriptor_close(&(int){-1});
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
    struct fh_log_field fields[] = {{"FIREHOSED_EPOCH", "7"}};
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
    assert_string_equal(line, "test[a] notice [role] two lines  FIREHOSED_EPOCH=7\n");
}

/* What the log prints while run() runs, one line after the other. */
static void captured(void (*run)(void), char *text, size_t size)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    int saved = dup(STDERR_FILENO);
    dup2(pipes[1], STDERR_FILENO);
    run();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipes[1]);
    size_t used = 0;
    for (ssize_t n; (n = read(pipes[0], text + used, size - 1 - used)) > 0;) {
        used += (size_t)n;
    }
    close(pipes[0]);
    text[used] = '\0';
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) {
        count++;
    }
    return count;
}

static void flap(void)
{
    const struct fh_log_field sink = {"FIREHOSED_SINK", "out"};
    const struct fh_log_field other = {"FIREHOSED_SINK", "other"};
    for (int i = 0; i < 50; i++) {
        fh_log_event(LOG_ERR, FH_LOG_SINK_FAILED, &sink, 1, "out: no, number %d", i);
        fh_log_event(LOG_NOTICE, FH_LOG_SINK_RECOVERED, &sink, 1, "out works again");
        fh_log_event(LOG_ERR, FH_LOG_ROLE, &sink, 1, "each");
    }
    fh_log_event(LOG_ERR, FH_LOG_SINK_FAILED, &other, 1, "other: no");
    fh_log_flush(false);
}

static void flush_all(void)
{
    fh_log_flush(true);
}

static void what_flaps_is_summed_up(void **state)
{
    (void)state;
    static char text[65536];
    fh_log_init("test", FH_LOG_STDERR, LOG_INFO);
    fh_log_limit(true);
    captured(flap, text, sizeof(text));
    assert_int_equal(count_of(text, "out: no"), 10);
    assert_int_equal(count_of(text, "works again"), 10);
    assert_int_equal(count_of(text, "each"), 50);
    assert_int_equal(count_of(text, "other: no"), 1);
    captured(flush_all, text, sizeof(text));
    /* the last word is the present state */
    assert_non_null(strstr(text, "out: no, number 49 (the last of 40 such changes)"));
    assert_non_null(strstr(text, "FIREHOSED_SINK=out"));
    assert_true(strstr(text, "works again") > strstr(text, "out: no"));
    captured(flush_all, text, sizeof(text));
    assert_string_equal(text, "");
    fh_log_limit(false);
    captured(flap, text, sizeof(text));
    assert_int_equal(count_of(text, "out: no"), 50);
}

static void after_its_time_it_is_said_again(void **state)
{
    (void)state;
    const struct fh_log_field path = {"FIREHOSED_PATH", "tcp://x"};
    struct fh_time now = {INT64_C(1000000000)};
    struct fh_log_held held;
    fh_log_repeat_reset();
    for (int i = 0; i < FH_LOG_BURST; i++) {
        assert_false(fh_log_repeat_hold(now, 4, FH_LOG_PATH_DOWN, &path, 1, "down"));
    }
    assert_true(fh_log_repeat_hold(now, 4, FH_LOG_PATH_DOWN, &path, 1, "down"));
    assert_false(fh_log_repeat_next(now, false, &held));
    now = fh_time_add_ms(now, FH_LOG_WINDOW_MS);
    assert_true(fh_log_repeat_next(now, false, &held));
    assert_int_equal(held.count, 1);
    assert_string_equal(held.value[0], "tcp://x");
    assert_false(fh_log_repeat_next(now, false, &held));
    /* it goes on: held from the first one */
    assert_true(fh_log_repeat_hold(now, 4, FH_LOG_PATH_DOWN, &path, 1, "down"));
    now = fh_time_add_ms(now, FH_LOG_WINDOW_MS);
    assert_true(fh_log_repeat_next(now, false, &held));
    /* it was quiet for the whole time: said at once */
    now = fh_time_add_ms(now, FH_LOG_WINDOW_MS);
    assert_false(fh_log_repeat_hold(now, 4, FH_LOG_PATH_DOWN, &path, 1, "down"));
    fh_log_repeat_reset();
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
        cmocka_unit_test(reads_to_the_end_of_a_descriptor),
        cmocka_unit_test(error_sentences),
        cmocka_unit_test(log_line_is_one_line),
        cmocka_unit_test(log_ids_are_unique),
        cmocka_unit_test(what_flaps_is_summed_up),
        cmocka_unit_test(after_its_time_it_is_said_again),
        cmocka_unit_test(time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
