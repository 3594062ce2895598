/* test_ledger.c: the referee itself: every kind of imbalance must be seen. argv[1]: the program. */
#include "fh/err.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *program;
static char place[64];

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", place, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    size_t len = strlen(text);
    char packed[4096];
    if (strstr(name, ".zst")) {
        len = ZSTD_compress(packed, sizeof(packed), text, len, 3);
        assert_false(ZSTD_isError(len));
        text = packed;
    }
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    snprintf(place, sizeof(place), "/tmp/fh_ledger.XXXXXX");
    if (!mkdtemp(place)) {
        return -1;
    }
    put("ledger", "event-00000001 1000 1\nevent-00000002 1001 12\nevent-00000001 1002 3\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", place);
    return system(command); // NOLINT(cert-env33-c)
}

#define RECORD(uid, ms)                                                                            \
    "{\"recordUid\":\"event-" uid "\",\"recordTimestamp\":" ms ",\"eventType\":\"X\",\"x\":{}}\n"

/* Runs the program over the directory; stdout and stderr together. Returns its exit status. */
static int run_ledger(const char *arguments, char *output, size_t size)
{
    char command[512];
    snprintf(command, sizeof(command), "'%s' %s '%s' 2>&1", program, arguments, place);
    FILE *stream = popen(command, "r"); // NOLINT(cert-env33-c)
    assert_non_null(stream);
    size_t len = fread(output, 1, size - 1, stream);
    output[len] = '\0';
    int status = pclose(stream);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int check(const char *more, char *output, size_t size)
{
    char arguments[256];
    snprintf(arguments, sizeof(arguments), "--ledger '%s/ledger' %s", place, more);
    return run_ledger(arguments, output, size);
}

static void balanced_over_several_files(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson", RECORD("00000001", "1000"));
    put("b.ndjson.zst", RECORD("00000001", "1002") RECORD("00000002", "1001"));
    put("c.ndjson.part", RECORD("00000001", "1000")); /* not published, not delivered */
    assert_int_equal(check("", output, sizeof(output)), 0);
    assert_string_equal(output, "sent 3, delivered 3, lost 0, duplicated 0, foreign 0\n");
}

static void replicas_with_uids_of_their_own(void **state)
{
    (void)state;
    char output[4096];
    char also[128];
    put("second", "event-0000000a 1000 1\nevent-0000000b 1001 12\nevent-0000000a 1002 3\n");
    put("a.ndjson", RECORD("00000001", "1000") RECORD("0000000a", "1002"));
    put("b.ndjson", RECORD("0000000b", "1001"));
    assert_int_equal(check("", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "lost 2, duplicated 0, foreign 2\n"));
    snprintf(also, sizeof(also), "--also '%s/second' --show 5", place);
    assert_int_equal(check(also, output, sizeof(output)), 0);
    assert_string_equal(output, "sent 3, delivered 3, lost 0, duplicated 0, foreign 0\n");
    put("second", "event-0000000a 1000 1\nevent-0000000b 2001 12\nevent-0000000a 1002 3\n");
    put("b.ndjson", RECORD("0000000b", "2001")); /* and a stamp of its own */
    assert_int_equal(check(also, output, sizeof(output)), 0);
    put("second", "event-0000000a 1000 1\nevent-0000000b 1001 12\nevent-0000000a 1002 3\n");
    put("b.ndjson", RECORD("0000000b", "1001") RECORD("0000000a", "1000")); /* once under each */
    assert_int_equal(check(also, output, sizeof(output)), 1);
    assert_non_null(strstr(output, "sent 3, delivered 3, lost 0, duplicated 1, foreign 0\n"));
    put("second", "event-0000000a 1000 1\nevent-0000000b 1001 12\n");
    assert_int_equal(check(also, output, sizeof(output)), 1);
    assert_non_null(strstr(output, "line by line"));
    put("second", "event-0000000a 1000 1\nevent-0000000b 11002 12\nevent-0000000a 1002 3\n");
    assert_int_equal(check(also, output, sizeof(output)), 1);
    assert_non_null(strstr(output, "line by line"));
}

static void loss_is_seen_and_named(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson", RECORD("00000001", "1000") RECORD("00000002", "1001"));
    assert_int_equal(check("--show 5", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "sent 3, delivered 2, lost 1, duplicated 0, foreign 0\n"));
    assert_non_null(strstr(output, "lost: event-00000001 1002 3\n"));
}

static void duplicates_are_surplus_copies(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson",
        RECORD("00000001", "1000") RECORD("00000002", "1001") RECORD("00000001", "1002"));
    put("b.ndjson", RECORD("00000002", "1001") RECORD("00000002", "1001"));
    assert_int_equal(check("--show 5", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "sent 3, delivered 3, lost 0, duplicated 2, foreign 0\n"));
    char named[160];
    snprintf(named, sizeof(named), "duplicated: event-00000002 1001 in %s/b.ndjson\n", place);
    assert_non_null(strstr(output, named));
}

static void foreign_and_broken_lines_count(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson",
        RECORD("00000001", "1000") RECORD("00000002", "1001") RECORD("00000001", "1002"));
    put("b.ndjson",
        RECORD("00000001",
               "1001") "{\"recordUid\":\"event-00000001\",\"re\n"
                       "{\"x\":{\"recordUid\":\"event-00000001\",\"recordTimestamp\":1000,"
                       "\"eventType\":\"X\"}}\n"
                       "{\"recordUid\":\"event-00000001\",\"recordTimestamp\":1000,"
                       "\"eventType\":\"X\",\n");
    put("c.ndjson", "{\"recordUid\":\"event-00000001\",\"recordTimestamp\":1000,"
                    "\"eventType\":\"X\"}"); /* no newline */
    assert_int_equal(check("--show 9", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "sent 3, delivered 3, lost 0, duplicated 0, foreign 5\n"));
    assert_non_null(strstr(output, "half a record"));
}

static void any_key_order_and_nesting(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson",
        "{\"x\":{\"recordUid\":\"no\",\"eventType\":\"no\",\"recordTimestamp\":7},\"eventType\" : "
        "\"X\", \"l\":[1,\"recordUid\",{\"a\":\"\\\"}\"}],\"recordTimestamp\":\"1000\","
        "\"recordUid\":\"event-00000001\" }\r\n" RECORD("00000002", "1001")
            RECORD("00000001", "1002"));
    assert_int_equal(check("--show 9", output, sizeof(output)), 0);
    assert_string_equal(output, "sent 3, delivered 3, lost 0, duplicated 0, foreign 0\n");
}

static void gaps_are_counted_apart(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson",
        RECORD("00000001", "1000") RECORD("00000002", "1001") RECORD(
            "00000001",
            "1002") "{\"recordUid\":\"gap-1\",\"recordTimestamp\":5,\"eventType\":\"FIREHOSED_"
                    "GAP\",\"firehosedGap\":{\"from\":1,\"to\":2}}\n");
    assert_int_equal(check("", output, sizeof(output)), 0);
    assert_string_equal(output, "sent 3, delivered 3, lost 0, duplicated 0, foreign 0, gaps 1\n");
}

static void tail_may_be_on_its_way(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson", RECORD("00000001", "1000") RECORD("00000001", "1002"));
    assert_int_equal(check("--exclude-tail-ms 2", output, sizeof(output)), 0);
    assert_string_equal(output, "sent 1, delivered 1, lost 0, duplicated 0, foreign 0\n");
    assert_int_equal(check("--exclude-tail-ms 1", output, sizeof(output)), 1);
    assert_string_equal(output, "sent 2, delivered 1, lost 1, duplicated 0, foreign 0\n");
}

static void damaged_input_is_an_error(void **state)
{
    (void)state;
    char output[4096];
    put("ok.ndjson",
        RECORD("00000001", "1000") RECORD("00000002", "1001") RECORD("00000001", "1002"));
    put("z.ndjson.zst", "x");
    char path[128];
    snprintf(path, sizeof(path), "%s/z.ndjson.zst", place);
    assert_int_equal(truncate(path, 9), 0);
    assert_int_equal(check("", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "not a complete zstd file"));
    unlink(path);
    put("ledger", "");
    assert_int_equal(check("", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "nothing was checked"));
    put("ledger", "event-00000001 soon\n");
    assert_int_equal(check("", output, sizeof(output)), 1);
    assert_int_equal(run_ledger("", output, sizeof(output)), 2);
    assert_int_equal(check("--exclude-tail-ms soon", output, sizeof(output)), 2);
}

/* One request: answers the ledger only when the simulator's header is there. */
static void serve_once(int listener)
{
    int fd = accept(listener, NULL, NULL);
    char request[2048];
    size_t len = 0;
    while (len < sizeof(request) - 1) {
        ssize_t n = read(fd, request + len, sizeof(request) - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n")) {
            break;
        }
    }
    bool good = strncmp(request, "GET /sim/ledger ", 16) == 0 &&
                strstr(request, "X-Sim-Control: 1\r\n") != NULL;
    dprintf(fd, "HTTP/1.1 %s\r\nConnection: close\r\n\r\n%s", good ? "200 OK" : "403 Forbidden",
            good ? "event-00000001 1000 1\n" : "");
    close(fd);
}

static void ledger_by_http(void **state)
{
    (void)state;
    char output[4096];
    put("a.ndjson", RECORD("00000001", "1000"));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 4), 0);
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    pid_t child = fork();
    if (child == 0) {
        serve_once(listener);
        _exit(0);
    }
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "--ledger http://127.0.0.1:%u/sim/ledger",
             ntohs(address.sin_port));
    assert_int_equal(run_ledger(arguments, output, sizeof(output)), 0);
    assert_string_equal(output, "sent 1, delivered 1, lost 0, duplicated 0, foreign 0\n");
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(listener);
    /* nobody there */
    assert_int_equal(run_ledger(arguments, output, sizeof(output)), 1);
    assert_non_null(strstr(output, "cannot fetch"));
}

/* Nothing but the payload is common to the copies of two replicas: which of two equal events was
 * delivered twice, and which not, cannot be known. Three of one and none of the other is too many.
 */
static void equal_payloads_stand_for_each_other(void **state)
{
    (void)state;
    char output[4096];
    put("ledger", "event-00000001 1000 1 abc\nevent-00000002 1001 1 abc\n"
                  "event-00000003 1002 1 def\nevent-00000004 90000 1 abc\n");
    put("a.ndjson", RECORD("00000001", "1000") RECORD("00000001", "1000") RECORD("00000003", "1002")
                        RECORD("00000004", "90000"));
    assert_int_equal(check("", output, sizeof(output)), 0);
    assert_non_null(strstr(output, "sent 4, delivered 4, lost 0, duplicated 0, foreign 0, "
                                   "of equal payload: interchanged 1, repeated 0"));
    put("b.ndjson", RECORD("00000001", "1000"));
    assert_int_equal(check("", output, sizeof(output)), 0);
    assert_non_null(strstr(output, "lost 0, duplicated 0, foreign 0, "
                                   "of equal payload: interchanged 1, repeated 1"));
    put("b.ndjson", RECORD("00000003", "1002")); /* has no twin */
    assert_int_equal(check("", output, sizeof(output)), 1);
    assert_non_null(strstr(output, "lost 0, duplicated 1, foreign 0"));
    put("b.ndjson", "");
    put("a.ndjson", RECORD("00000001", "1000") RECORD("00000002", "1001") RECORD("00000003", "1002")
                        RECORD("00000001", "1000"));
    assert_int_equal(check("", output, sizeof(output)), 1); /* the lost one is far away */
    assert_non_null(strstr(output, "lost 1, duplicated 0, foreign 0, of equal payload"));
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: test_ledger PROGRAM\n");
        return 2;
    }
    program = argv[1];
    const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        TEST(equal_payloads_stand_for_each_other),
        TEST(balanced_over_several_files),
        TEST(replicas_with_uids_of_their_own),
        TEST(loss_is_seen_and_named),
        TEST(duplicates_are_surplus_copies),
        TEST(foreign_and_broken_lines_count),
        TEST(any_key_order_and_nesting),
        TEST(gaps_are_counted_apart),
        TEST(tail_may_be_on_its_way),
        TEST(damaged_input_is_an_error),
        TEST(ledger_by_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
