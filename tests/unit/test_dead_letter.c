/* test_dead_letter.c: the file of refused records: its lines, its mode, rolling, a torn line, a
 * disk that refuses. */
#include "dead_letter.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_dead_letter.XXXXXX";
static char path[256];

static struct fh_slice slice(const char *text)
{
    return (struct fh_slice){text, strlen(text)};
}

static struct fh_dead_letters *make(int64_t roll_bytes)
{
    struct fh_dead_letters *letters = NULL;
    struct fh_error err = {""};
    assert_int_equal(fh_dead_letters_new(folder, "out", roll_bytes, &err, &letters), 0);
    return letters;
}

static unsigned gone; /* how often letters were let go */

static void add(struct fh_dead_letters *letters, const char *record, const char *reason)
{
    struct fh_error err = {""};
    int r = fh_dead_letters_add(letters, slice(record), reason, &err);
    gone += r > 0;
    if (r < 0) {
        fail_msg("%s", err.text);
    }
}

/* Line n of a file, read as JSON; NULL when there is none. */
static cJSON *line_of(const char *file_path, unsigned n)
{
    FILE *file = fopen(file_path, "r");
    assert_non_null(file);
    static char line[65536];
    bool found = true;
    for (unsigned i = 0; i <= n && found; i++) {
        found = fgets(line, sizeof(line), file) != NULL;
    }
    fclose(file);
    if (!found) {
        return NULL;
    }
    cJSON *letter = cJSON_Parse(line);
    assert_non_null(letter);
    return letter;
}

static unsigned lines_of(const char *file_path)
{
    unsigned count = 0;
    cJSON *letter = NULL;
    while ((letter = line_of(file_path, count)) != NULL) {
        cJSON_Delete(letter);
        count++;
    }
    return count;
}

static int begin(void **state)
{
    (void)state;
    fh_dead_letters_path(folder, "out", path, sizeof(path));
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s/dead-letters", folder);
    gone = 0;
    return system(command);
}

static void one_line_each(void **state)
{
    (void)state;
    struct fh_dead_letters *letters = make(FH_DEAD_LETTER_BYTES);
    assert_int_equal(access(path, F_OK), -1); /* nothing is made before it is needed */
    assert_int_equal(fh_dead_letters_sync(letters, NULL), 0);
    mode_t before = umask(077);
    add(letters, "{\"recordUid\":\"u\",\"x\":1.50}", "too large: \"9\" \\ of\n8 \xc3\xa9");
    umask(before);
    add(letters, " {\"recordUid\":\"v\"} ", "no such topic");
    assert_int_equal(fh_dead_letters_sync(letters, NULL), 0);
    fh_dead_letters_free(letters);

    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    cJSON *letter = line_of(path, 0);
    assert_string_equal(cJSON_GetObjectItem(letter, "sink")->valuestring, "out");
    assert_string_equal(cJSON_GetObjectItem(letter, "reason")->valuestring,
                        "too large: '9' ' of?8 ??");
    const char *stamp = cJSON_GetObjectItem(letter, "time")->valuestring;
    assert_int_equal(strlen(stamp), strlen("2026-01-01T00:00:00.000Z"));
    const cJSON *record = cJSON_GetObjectItem(letter, "record");
    assert_string_equal(cJSON_GetObjectItem(record, "recordUid")->valuestring, "u");
    cJSON_Delete(letter);
    assert_int_equal(lines_of(path), 2);
}

static void the_file_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        struct fh_dead_letters *letters = make(FH_DEAD_LETTER_BYTES);
        add(letters, "{\"recordUid\":\"u\"}", "no");
        fh_dead_letters_free(letters);
        assert_int_equal(lines_of(path), i);
        /* a crash in the middle of a line */
        FILE *file = fopen(path, "a");
        fputs("{\"time\":\"2026-", file);
        fclose(file);
    }
}

static void a_long_torn_line(void **state)
{
    (void)state;
    struct fh_dead_letters *letters = make(FH_DEAD_LETTER_BYTES);
    add(letters, "{\"recordUid\":\"u\"}", "no");
    fh_dead_letters_free(letters);
    FILE *file = fopen(path, "a");
    for (int i = 0; i < 20000; i++) {
        fputc('x', file);
    }
    fclose(file);
    letters = make(FH_DEAD_LETTER_BYTES);
    add(letters, "{\"recordUid\":\"v\"}", "no");
    fh_dead_letters_free(letters);
    assert_int_equal(lines_of(path), 2);
    /* nothing but a torn line */
    file = fopen(path, "w");
    for (int i = 0; i < 20000; i++) {
        fputc('x', file);
    }
    fclose(file);
    letters = make(FH_DEAD_LETTER_BYTES);
    add(letters, "{\"recordUid\":\"v\"}", "no");
    fh_dead_letters_free(letters);
    assert_int_equal(lines_of(path), 1);
}

static void taken_away_by_the_operator(void **state)
{
    (void)state;
    char away[300];
    snprintf(away, sizeof(away), "%s.away", path);
    struct fh_dead_letters *letters = make(FH_DEAD_LETTER_BYTES);
    add(letters, "{\"recordUid\":\"u\"}", "no");
    assert_int_equal(rename(path, away), 0);
    add(letters, "{\"recordUid\":\"v\"}", "no");
    add(letters, "{\"recordUid\":\"w\"}", "no");
    assert_int_equal(fh_dead_letters_sync(letters, NULL), 0);
    assert_int_equal(lines_of(away), 1);
    assert_int_equal(lines_of(path), 2);
    fh_dead_letters_free(letters);
}

static void rolled_by_size(void **state)
{
    (void)state;
    char older[300];
    snprintf(older, sizeof(older), "%s.1", path);
    struct fh_dead_letters *letters = make(1000);
    unsigned total = 0;
    for (; total < 100; total++) {
        add(letters,
            "{\"recordUid\":\"u\",\"padding\":\"0123456789012345678901234567890123456789\"}", "no");
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size <= 1000);
    }
    assert_true(lines_of(older) > 1);
    assert_true(lines_of(path) >= 1);
    unsigned in_a_file = lines_of(older); /* all as long: whoever loses letters says so each time */
    assert_int_equal(gone, (total - 1) / in_a_file - 1);
    assert_int_equal(gone * in_a_file + lines_of(older) + lines_of(path), total);
    /* a record larger than a file goes alone */
    char large[4096];
    snprintf(large, sizeof(large), "{\"recordUid\":\"u\",\"padding\":\"%02000d\"}", 0);
    add(letters, large, "no");
    assert_int_equal(lines_of(path), 1);
    assert_int_equal(fh_dead_letters_sync(letters, NULL), 0);
    fh_dead_letters_free(letters);
}

static void a_disk_that_refuses(void **state)
{
    (void)state;
    struct fh_dead_letters *letters = make(FH_DEAD_LETTER_BYTES);
    struct fh_error err = {""};
    add(letters, "{\"recordUid\":\"u\"}", "no");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = (rlim_t)st.st_size + 40, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = fh_dead_letters_add(letters, slice("{\"recordUid\":\"v\"}"), "no", &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(r < 0);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(lines_of(path), 1); /* nothing torn is left */
    add(letters, "{\"recordUid\":\"w\"}", "no");
    assert_int_equal(lines_of(path), 2);
    fh_dead_letters_free(letters);

    struct fh_dead_letters *nowhere = NULL;
    assert_int_equal(fh_dead_letters_new("/proc/nonexistent/dir", "out", 1000, &err, &nowhere), 0);
    assert_int_equal(fh_dead_letters_add(nowhere, slice("{}"), "no", &err), -ENOENT);
    fh_dead_letters_free(nowhere);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_line_each, begin),
        cmocka_unit_test_setup(the_file_goes_on, begin),
        cmocka_unit_test_setup(a_long_torn_line, begin),
        cmocka_unit_test_setup(taken_away_by_the_operator, begin),
        cmocka_unit_test_setup(rolled_by_size, begin),
        cmocka_unit_test_setup(a_disk_that_refuses, begin),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    begin(NULL);
    rmdir(folder);
    return failed;
}
