/* test_sink_command.c: the command sink and real programs: tests/tools/command-consumer.py, which
 * keeps what it reads, and shell lines that do one thing wrong. */
#include "sink_fixture.h"

#include "fh/log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static int setup(void **state)
{
    *state = fixture_new("command");
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void use(struct fixture *f, const char *const *words)
{
    f->config.command_count = 0;
    for (size_t i = 0; words[i]; i++) {
        snprintf(f->config.command[f->config.command_count++], sizeof(f->config.command[0]), "%s",
                 words[i]);
    }
}

static void use_consumer(struct fixture *f, enum fh_command_ack acknowledge)
{
    const char *const words[] = {"/usr/bin/python3",
                                 "-B",
                                 FH_COMMAND_CONSUMER,
                                 f->place,
                                 acknowledge == FH_ACK_LINES ? "lines" : "none",
                                 "--refuse",
                                 "poison",
                                 NULL};
    f->config.acknowledge = acknowledge;
    use(f, words);
}

/* A shell as the program itself (a script), in the test's folder. */
static void use_shell(struct fixture *f, enum fh_command_ack acknowledge, const char *script)
{
    char text[1024];
    const char *const words[] = {"/bin/sh", "-c", text, NULL};
    f->config.acknowledge = acknowledge;
    snprintf(text, sizeof(text), "cd %s; %s", f->place, script);
    assert_true(strlen(text) < FH_SINK_WORD_MAX);
    use(f, words);
}

/* Until the file has a whole line in it; the caller frees. */
static char *wait_for_file(struct fixture *f, const char *name)
{
    struct fh_time until = fh_time_add_ms(fh_now(), FIXTURE_PATIENCE_MS);
    char *text = fixture_read(f, name);
    while (!strchr(text, '\n') && fh_time_before(fh_now(), until)) {
        free(text);
        usleep(10000);
        text = fixture_read(f, name);
    }
    if (!strchr(text, '\n')) {
        fail_msg("nothing was written to %s", name);
    }
    return text;
}

/* It runs no more. Whoever is to collect it, init or the sink, may take its time. */
static bool is_gone(pid_t pid)
{
    char path[64];
    char state = 'X';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            state = 'X'; /* it went while we looked */
        }
        fclose(file);
    }
    return state == 'X' || state == 'Z';
}

static void wait_until_gone(pid_t pid)
{
    struct fh_time until = fh_time_add_ms(fh_now(), FIXTURE_PATIENCE_MS);
    while (!is_gone(pid) && fh_time_before(fh_now(), until)) {
        usleep(10000);
    }
    assert_true(is_gone(pid));
}

/* ---- what goes right ---- */

static void test_batches_arrive_in_order(void **state)
{
    struct fixture *f = *state;
    use_consumer(f, FH_ACK_LINES);
    fixture_lead(f);
    for (unsigned first = 1; first < 3000; first += 300) {
        assert_int_equal(fixture_write(f, first, first + 299, first % 700, 0), 0);
        fixture_accepted(f);
        fixture_expect(f, first, first + 299, true); /* accepted: it is there */
    }
    /* far larger than the pipe */
    assert_int_equal(fixture_write(f, 3001, 3005, 1000000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 3005, true);
}

static void test_without_acknowledgement(void **state)
{
    struct fixture *f = *state;
    use_shell(f, FH_ACK_PIPE, "exec cat >>records.ndjson");
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 1000, 500, 0), 0);
    fixture_accepted(f);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0); /* it reads to the end */
    fixture_expect(f, 1, 1000, true);
}

static void test_refused_records_are_put_aside(void **state)
{
    struct fixture *f = *state;
    use_consumer(f, FH_ACK_LINES);
    fixture_lead(f);
    f->refuse_with = -ENOSPC;
    assert_int_equal(fixture_write(f, 1, 10, 320000, 4), 0);
    fixture_says(f, "no room for dead letters");
    f->refuse_with = 0;
    fixture_accepted(f);
    assert_int_equal(f->refused_count, 2);
    assert_int_equal(f->refused[0], 4);
    assert_int_equal(f->refused[1], 8);
    assert_string_equal(f->reason[0], "too much of it");
    fixture_expect(f, 9, 10, true);
}

static void test_what_it_knows_and_does_not(void **state)
{
    struct fixture *f = *state;
    char path[128];
    const char *const words[] = {path, NULL};
    setenv("NOTIFY_SOCKET", "/run/nothing", 1);
    int stray = fcntl(STDERR_FILENO, F_DUPFD, 100); /* without close-on-exec */
    /* built-in words only: the shell must not open anything while it looks */
    fixture_put(f, "script", 0700,
                "#!/bin/sh\n"
                "strays=; n=3\n"
                "while [ $n -lt 200 ]; do [ -e /proc/$$/fd/$n ] && strays=$strays,$n; "
                "n=$((n + 1)); done\n"
                "cd \"${0%/*}\"; env >env; ps -o pgid= -p $$ >pgid\n"
                "grep '^Sig[BI]' /proc/self/status >signals\n"
                "echo \"$$ $strays\" >fds; cat >all; echo end >end\n");
    snprintf(path, sizeof(path), "%s/script", f->place);
    use(f, words);
    fixture_lead(f);
    char *fds = wait_for_file(f, "fds");
    char *environment = fixture_read(f, "env");
    char *group = fixture_read(f, "pgid");
    char *signals = fixture_read(f, "signals");
    close(stray);
    unsetenv("NOTIFY_SOCKET");
    assert_non_null(strstr(environment, "FIREHOSED_SINK=out\n"));
    assert_non_null(strstr(environment, "FIREHOSED_NODE=a\n"));
    assert_non_null(strstr(environment, "FIREHOSED_EPOCH=7\n"));
    assert_null(strstr(environment, "NOTIFY_SOCKET"));
    int pid = 0;
    char strays[64] = "";
    assert_true(sscanf(fds, "%d %63s", &pid, strays) >= 1);
    assert_null(strstr(strays, ",100")); /* nothing but what the shell has opened itself */
    assert_int_equal(atoi(group), pid);
    assert_non_null(strstr(signals, "SigBlk:\t0000000000000000"));
    free(fds);
    free(environment);
    free(group);
    free(signals);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    char *end = fixture_read(f, "end"); /* it saw the end of its input and finished */
    assert_string_equal(end, "end\n");
    free(end);
}

/* ---- what goes wrong ---- */

static void test_a_program_that_dies(void **state)
{
    struct fixture *f = *state;
    use_consumer(f, FH_ACK_LINES);
    fixture_lead(f);
    fixture_put(f, "fault", 0600, "die 20");
    assert_int_equal(fixture_write(f, 1, 100, 3000, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 100, false);
    /* it died while nobody was looking */
    fixture_put(f, "fault", 0600, "die 0");
    assert_int_equal(fixture_write(f, 101, 110, 0, 0), 0);
    fixture_accepted(f);
    fixture_expect(f, 1, 110, false);
}

static void test_a_program_that_dies_at_once(void **state)
{
    struct fixture *f = *state;
    f->config.timeout_ms = 300;
    use_shell(f, FH_ACK_PIPE, "echo x >>starts; exec 0</dev/null; kill -9 $$");
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 100, 3000, 0), 0);
    fixture_says(f, "ended by signal 9");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fixture_accept(f), -EAGAIN);
    }
    char *starts = fixture_read(f, "starts");
    assert_true(strlen(starts) >= 2 && strlen(starts) <= 40); /* again, and no storm */
    free(starts);
}

static void test_nonsense_on_its_output(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *fault, *sentence;
    } rows[] = {
        {"say hello\x01 world", "started again" FH_SINK_SAYS "hello. world"},
        {"say ok 1000", "about records it was not sent"},
        {"say bad 1000 x", "about records it was not sent"},
        {"close", "ended with status"}, /* it fails when it writes there */
    };
    use_consumer(f, FH_ACK_LINES);
    fixture_lead(f);
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        unsigned first = (unsigned)i * 10 + 1;
        fixture_put(f, "fault", 0600, rows[i].fault);
        assert_int_equal(fixture_write(f, first, first + 9, 0, 0), 0);
        struct fh_time until = fh_time_add_ms(fh_now(), FIXTURE_PATIENCE_MS);
        bool said = false;
        int r;
        while ((r = fixture_accept(f)) == -EAGAIN && fh_time_before(fh_now(), until)) {
            said = said || strstr(f->err.text, rows[i].sentence);
        }
        assert_int_equal(r, 0);
        if (!said) { /* it was started again within one call */
            char *faults = fixture_read(f, "fault");
            assert_string_equal(faults, "");
            free(faults);
        }
        fixture_expect(f, first, first + 9, false);
    }
}

static void test_a_line_without_end(void **state)
{
    struct fixture *f = *state;
    f->config.timeout_ms = 400; /* it does not end when its input does */
    use_shell(f, FH_ACK_LINES, "yes | tr -d '\\n'");
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "a line longer than an answer can be");
}

static void test_a_program_that_never_reads(void **state)
{
    struct fixture *f = *state;
    f->config.timeout_ms = 400;
    use_shell(f, FH_ACK_PIPE, "trap '' TERM; echo $$ >pid; while :; do sleep 1; done");
    fixture_lead(f);
    char *pid = wait_for_file(f, "pid");
    assert_int_equal(fixture_write(f, 1, 1000, 3000, 0), 0);
    fixture_says(f, "does not read its standard input fast enough");
    assert_int_equal(fixture_accept(f), -EAGAIN);
    assert_int_equal(kill(atoi(pid), 0), 0); /* slow is no reason to end it */
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    wait_until_gone(atoi(pid)); /* though it ignores SIGTERM */
    free(pid);
}

static void test_a_program_that_never_answers(void **state)
{
    struct fixture *f = *state;
    f->config.timeout_ms = 400;
    use_shell(f, FH_ACK_LINES, "cat >>records.ndjson");
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    fixture_says(f, "has not yet acknowledged the last 10 of 10 records");
    fixture_expect(f, 1, 10, true);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    assert_true(fixture_write(f, 11, 20, 0, 0) < 0); /* not before the next lead */
}

/* What it has started is ended with it. */
static void test_its_children(void **state)
{
    struct fixture *f = *state;
    use_shell(f, FH_ACK_PIPE, "sleep 1000 & echo $! >pid; cat >/dev/null");
    fixture_lead(f);
    char *pid = wait_for_file(f, "pid");
    assert_int_equal(kill(atoi(pid), 0), 0);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    wait_until_gone(atoi(pid));
    free(pid);
}

/* SIGKILL of the daemon: its program does not go on alone. */
static void test_it_dies_with_the_daemon(void **state)
{
    struct fixture *f = *state;
    use_shell(f, FH_ACK_PIPE, "echo $$ >pid; exec sleep 1000");
    pid_t daemon = fork();
    if (daemon == 0) {
        fixture_lead(f);
        pause();
        _exit(0);
    }
    char *pid = wait_for_file(f, "pid");
    assert_int_equal(kill(atoi(pid), 0), 0);
    kill(daemon, SIGKILL);
    waitpid(daemon, NULL, 0);
    wait_until_gone(atoi(pid));
    free(pid);
}

static void test_what_is_written_in_place_of_a_program(void **state)
{
    struct fixture *f = *state;
    const char *const relative[] = {"cat", NULL};
    const char *const missing[] = {"/no/such/program", NULL};
    const char *const folder[] = {"/tmp", NULL};
    char path[128];
    const char *const script[] = {path, NULL};
    use(f, relative);
    assert_true(f->ops->open(&f->config, &f->context, &f->err, &f->sink) < 0);
    assert_non_null(strstr(f->err.text, "absolute path"));
    use(f, missing);
    assert_true(f->ops->open(&f->config, &f->context, &f->err, &f->sink) < 0);
    assert_non_null(strstr(f->err.text, "/no/such/program"));
    use(f, folder);
    assert_true(f->ops->open(&f->config, &f->context, &f->err, &f->sink) < 0);
    assert_non_null(strstr(f->err.text, "no program"));
    snprintf(path, sizeof(path), "%s/script", f->place);
    fixture_put(f, "script", 0700, "#!/no/such/interpreter\n");
    use(f, script);
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &f->sink), 0);
    assert_true(f->ops->lead(f->sink, 7, &f->err) < 0);
    assert_non_null(strstr(f->err.text, "the interpreter its first line names"));
    fixture_put(f, "script", 0700, "not a program\n");
    assert_true(f->ops->lead(f->sink, 7, &f->err) < 0);
    assert_non_null(strstr(f->err.text, "#!/bin/sh"));
    fixture_put(f, "script", 0700, "#!/bin/sh\nexec cat >/dev/null\n");
    assert_int_equal(f->ops->lead(f->sink, 7, &f->err), 0);
}

/* Its standard error goes to the log, not more than a few lines at a time. */
static void test_what_it_complains_about(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/log", f->place);
    use_shell(f, FH_ACK_PIPE, "for i in $(seq 500); do echo line $i >&2; done; cat >/dev/null");
    int before = dup(STDERR_FILENO);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, STDERR_FILENO);
    struct fh_time began = fh_now();
    fixture_lead(f);
    f->ops->abandon(f->sink, NULL, 0, &f->err);
    dup2(before, STDERR_FILENO);
    close(before);
    close(log);
    char *text = fixture_read(f, "log");
    int64_t periods = fh_time_diff_ms(fh_now(), began) / 10000 + 1;
    int64_t passed = 0;
    for (char *at = text; (at = strstr(at, "the program writes: line ")); at++) {
        passed++;
    }
    assert_non_null(strstr(text, "sink out: the program writes: line 1\n"));
    assert_in_range(passed, 1, 20 * periods); /* so many lines in 10 s */
    assert_true(passed == 500 || strstr(text, "more lines\n"));
    free(text);
}

static void test_fenced_it_gets_nothing(void **state)
{
    struct fixture *f = *state;
    use_shell(f, FH_ACK_PIPE, "cat >>records.ndjson");
    fixture_lead(f);
    assert_int_equal(fixture_write(f, 1, 10, 0, 0), 0);
    f->fenced = true;
    fixture_says(f, "must keep quiet");
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    char *text = fixture_read(f, "records.ndjson");
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_batches_arrive_in_order),
        TEST(test_without_acknowledgement),
        TEST(test_refused_records_are_put_aside),
        TEST(test_what_it_knows_and_does_not),
        TEST(test_a_program_that_dies),
        TEST(test_a_program_that_dies_at_once),
        TEST(test_nonsense_on_its_output),
        TEST(test_a_line_without_end),
        TEST(test_a_program_that_never_reads),
        TEST(test_a_program_that_never_answers),
        TEST(test_its_children),
        TEST(test_it_dies_with_the_daemon),
        TEST(test_what_is_written_in_place_of_a_program),
        TEST(test_what_it_complains_about),
        TEST(test_fenced_it_gets_nothing),
    };
    if (access("/usr/bin/python3", X_OK) != 0) {
        printf("SKIPPED: no /usr/bin/python3\n");
        return 77;
    }
    fh_log_init("firehosed", FH_LOG_STDERR, LOG_INFO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
