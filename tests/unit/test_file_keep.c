/* test_file_keep.c: which published files are removed, and whom those that stay belong to. */
#include "fh/sink.h"
#include "file_keep.h"
#include "file_owner.h"
#include "published_mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define NOW_MS  INT64_C(1800000000000)
#define HOUR_MS INT64_C(3600000)

struct fixture {
    char place[64];
    struct fh_config_sink config;
    struct fh_error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->place, sizeof(f->place), "/tmp/fh_file_keep.XXXXXX");
    snprintf(f->config.name, sizeof(f->config.name), "archive");
    *state = f;
    if (!mkdtemp(f->place)) {
        return -1;
    }
    snprintf(f->config.directory, sizeof(f->config.directory), "%s", f->place);
    snprintf(f->config.mode, sizeof(f->config.mode), "0640");
    f->config.roll_seconds = 10;
    f->config.roll_bytes = 1000;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->place);
    int r = system(command); // NOLINT(cert-env33-c)
    free(f);
    return r;
}

static void path_of(struct fixture *f, const char *name, char path[320])
{
    snprintf(path, 320, "%s/%s", f->place, name);
}

/* A file of this size, last written so long before NOW_MS. */
static void make(struct fixture *f, const char *name, size_t size, int64_t age_ms)
{
    char path[320];
    path_of(f, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    int64_t at_ms = NOW_MS - age_ms;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000}};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void make_published(struct fixture *f, unsigned number, size_t size, int64_t age_ms)
{
    char name[128];
    snprintf(name, sizeof(name), "archive-20270101T000000Z-000001-%012u.ndjson", number);
    make(f, name, size, age_ms);
}

static bool is_there(struct fixture *f, const char *name)
{
    char path[320];
    path_of(f, name, path);
    return access(path, F_OK) == 0;
}

static bool is_published(struct fixture *f, unsigned number)
{
    char name[128];
    snprintf(name, sizeof(name), "archive-20270101T000000Z-000001-%012u.ndjson", number);
    return is_there(f, name);
}

static void mark(struct fixture *f, unsigned number)
{
    char path[320];
    char name[FH_SINK_POSITION_MAX];
    path_of(f, ".archive.lock", path);
    snprintf(name, sizeof(name), "archive-20270101T000000Z-000001-%012u.ndjson", number);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fh_published_mark_set(fd, name), 0);
    close(fd);
}

static struct fh_file_keep_result step(struct fixture *f, int64_t hours, int64_t bytes)
{
    struct fh_file_keep_limits limits = {.age_ms = hours * HOUR_MS, .bytes = bytes};
    struct fh_file_keep_result result;
    if (fh_file_keep_step(f->place, "archive", &limits, NOW_MS, &f->err, &result) != 0) {
        fail_msg("%s", f->err.text);
    }
    return result;
}

/* ---- retention ---- */

static void test_old_files_go(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i <= 10; i++) {
        make_published(f, i, 100, (11 - i) * HOUR_MS);
    }
    struct fh_file_keep_result result = step(f, 4, 0);
    assert_int_equal(result.removed, 6);
    assert_int_equal(result.removed_bytes, 600);
    assert_false(result.more);
    for (unsigned i = 1; i <= 10; i++) {
        assert_int_equal(is_published(f, i), i > 6);
    }
    assert_int_equal(step(f, 4, 0).removed, 0);
}

static void test_the_oldest_go_when_there_are_too_many(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i <= 10; i++) {
        make_published(f, i, 1000, i % 2 == 0 ? HOUR_MS : 2 * HOUR_MS); /* odd ones are older */
    }
    assert_int_equal(step(f, 0, 10000).removed, 0);
    assert_int_equal(step(f, 0, 5500).removed, 5);
    for (unsigned i = 1; i <= 10; i++) {
        assert_int_equal(is_published(f, i), i % 2 == 0);
    }
    assert_int_equal(step(f, 0, 1).removed, 5);
}

/* A cautious consumer takes files away itself, and may do so at any moment. */
static void test_nothing_else_is_touched(void **state)
{
    struct fixture *f = *state;
    static const char *const others[] = {
        "archive-20270101T000000Z-000001-000000000007.ndjson.part",
        "archive-2-20270101T000000Z-000001-000000000007.ndjson",
        "archive-20270101T000000Z-000001-000000000007.ndjson.bak",
        "other-20270101T000000Z-000001-000000000007.ndjson",
        "archive-notes.ndjson",
        ".archive.lock",
    };
    char link[320];
    char folder[320];
    for (size_t i = 0; i < FH_ARRAY_LEN(others); i++) {
        make(f, others[i], 1000, 1000 * HOUR_MS);
    }
    path_of(f, "archive-20270101T000000Z-000001-000000000008.ndjson", link);
    path_of(f, "archive-20270101T000000Z-000001-000000000009.ndjson", folder);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    make_published(f, 1, 1000, 1000 * HOUR_MS);
    assert_int_equal(step(f, 1, 1).removed, 1);
    for (size_t i = 0; i < FH_ARRAY_LEN(others); i++) {
        assert_true(is_there(f, others[i]));
    }
    assert_int_equal(step(f, 1, 1).removed, 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_the_last_one_published_stays(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i <= 3; i++) {
        make_published(f, i, 1000, (10 - i) * HOUR_MS);
    }
    mark(f, 1);
    assert_int_equal(step(f, 1, 1).removed, 2);
    assert_true(is_published(f, 1));
    mark(f, 4);
    assert_int_equal(step(f, 1, 1).removed, 1);
}

static void test_a_step_has_a_bound(void **state)
{
    struct fixture *f = *state;
    const unsigned count = FH_FILE_KEEP_STEP * 2 + 10;
    for (unsigned i = 1; i <= count; i++) {
        make_published(f, i * 7919 % (count + 1) + 1, 10, 100 * HOUR_MS);
    }
    unsigned left = 0;
    for (unsigned i = 1; i <= count + 1; i++) {
        left += is_published(f, i);
    }
    struct fh_file_keep_result result = step(f, 1, 0);
    assert_int_equal(result.removed, FH_FILE_KEEP_STEP);
    assert_true(result.more);
    result = step(f, 1, 0);
    assert_int_equal(result.removed, FH_FILE_KEEP_STEP);
    result = step(f, 1, 0);
    assert_int_equal(result.removed, left - 2 * FH_FILE_KEEP_STEP);
    assert_false(result.more);
}

static void test_a_directory_that_is_gone(void **state)
{
    struct fixture *f = *state;
    struct fh_file_keep_limits limits = {.bytes = 1};
    struct fh_file_keep_result result;
    assert_int_equal(
        fh_file_keep_step("/no/such/place", "archive", &limits, NOW_MS, &f->err, &result), -ENOENT);
    assert_non_null(strstr(f->err.text, "/no/such/place"));
}

/* The thread: a sink that only was opened, as on a standby, keeps to the limits; a reload changes
 * them. */
static void test_a_standby_keeps_to_the_limits(void **state)
{
    struct fixture *f = *state;
    const struct fh_sink_ops *ops = fh_sink_find("file");
    struct fh_sink_context context = {.node = "a", .state_dir = f->place};
    void *sink = NULL;
    for (unsigned i = 1; i <= 5; i++) {
        make_published(f, i, 1000, i * HOUR_MS);
    }
    f->config.keep_bytes = 3500;
    assert_int_equal(ops->open(&f->config, &context, &f->err, &sink), 0);
    for (int i = 0; i < 3000 && is_published(f, 4); i++) {
        usleep(10000);
    }
    assert_false(is_published(f, 5) || is_published(f, 4));
    assert_true(is_published(f, 3));
    f->config.keep_bytes = 1500;
    ops->reload(sink, &f->config);
    for (int i = 0; i < 3000 && is_published(f, 2); i++) {
        usleep(10000);
    }
    assert_false(is_published(f, 3) || is_published(f, 2));
    assert_true(is_published(f, 1));
    ops->close(sink);
}

/* ---- owner, group, mode ---- */

static void test_modes(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",     "640x", "64",   "00640",     "0240", "0642",
                                      "0750", "4640", "0777", "rw-r-----", "-640", "8640"};
    struct fh_file_owner owner;
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        snprintf(f->config.mode, sizeof(f->config.mode), "%s", bad[i]);
        int r = fh_file_owner_find(&f->config, &f->err, &owner);
        assert_int_equal(r, bad[i][0] == '\0' ? 0 : -EINVAL); /* empty: the default */
    }
    snprintf(f->config.mode, sizeof(f->config.mode), "0664");
    assert_int_equal(fh_file_owner_find(&f->config, &f->err, &owner), 0);
    assert_int_equal(owner.mode, 0664);
    snprintf(f->config.mode, sizeof(f->config.mode), "444");
    assert_int_equal(fh_file_owner_find(&f->config, &f->err, &owner), 0);
    snprintf(f->config.owner, sizeof(f->config.owner), "no such user");
    assert_int_equal(fh_file_owner_find(&f->config, &f->err, &owner), -EINVAL);
    snprintf(f->config.owner, sizeof(f->config.owner), "nobody");
    snprintf(f->config.group, sizeof(f->config.group), "no such group");
    assert_int_equal(fh_file_owner_find(&f->config, &f->err, &owner), -EINVAL);
    snprintf(f->config.group, sizeof(f->config.group), "4711");
    assert_int_equal(fh_file_owner_find(&f->config, &f->err, &owner), 0);
    assert_int_equal(owner.gid, 4711);
    assert_int_equal(owner.uid, 65534);
}

/* What the published file of one record belongs to. */
static void publish_one(struct fixture *f, struct stat *ret)
{
    const struct fh_sink_ops *ops = fh_sink_find("file");
    struct fh_sink_context context = {.node = "a", .state_dir = f->place};
    void *sink = NULL;
    struct fh_slice record = {"{}", 2};
    struct fh_record_key key = {1, 1};
    uint64_t sequence = 1;
    char position[FH_SINK_POSITION_MAX];
    char path[320];
    struct fh_sink_write write = {
        .record = &record, .key = &key, .sequence = &sequence, .count = 1, .epoch = 1};
    if (ops->open(&f->config, &context, &f->err, &sink) != 0 ||
        ops->write(sink, &write, &f->err) != 0 || ops->prepare(sink, position, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    snprintf(path, sizeof(path), "%s/%s.part", f->place, position);
    assert_int_equal(stat(path, ret), 0); /* it is so before anybody can see it */
    assert_int_equal(ops->publish(sink, position, &f->err), 0);
    path_of(f, position, path);
    assert_int_equal(stat(path, ret), 0);
    ops->close(sink);
}

static void test_a_mode_whatever_the_umask(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    mode_t before = umask(077);
    snprintf(f->config.mode, sizeof(f->config.mode), "0644");
    publish_one(f, &st);
    umask(before);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_uid, geteuid());
}

static void test_files_are_given_away(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    if (geteuid() != 0) {
        skip(); /* only root may */
    }
    snprintf(f->config.owner, sizeof(f->config.owner), "65534");
    snprintf(f->config.group, sizeof(f->config.group), "4711");
    snprintf(f->config.mode, sizeof(f->config.mode), "0440");
    publish_one(f, &st);
    assert_int_equal(st.st_uid, 65534);
    assert_int_equal(st.st_gid, 4711);
    assert_int_equal(st.st_mode & 07777, 0440);
}

/* As a user who may not: told when the sink is opened. */
static void test_not_allowed(void **state)
{
    struct fixture *f = *state;
    if (geteuid() != 0) {
        skip(); /* needs to become somebody else */
    }
    assert_int_equal(chmod(f->place, 0777), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct fh_sink_ops *ops = fh_sink_find("file");
        struct fh_sink_context context = {.node = "a", .state_dir = f->place};
        void *sink = NULL;
        if (setgid(65534) != 0 || setuid(65534) != 0) {
            _exit(9);
        }
        snprintf(f->config.owner, sizeof(f->config.owner), "0");
        if (ops->open(&f->config, &context, &f->err, &sink) != -EPERM ||
            !strstr(f->err.text, "CAP_CHOWN")) {
            _exit(1);
        }
        f->config.owner[0] = '\0';
        snprintf(f->config.group, sizeof(f->config.group), "4711");
        if (ops->open(&f->config, &context, &f->err, &sink) != -EPERM ||
            !strstr(f->err.text, "SupplementaryGroups")) {
            _exit(2);
        }
        f->config.group[0] = '\0';
        _exit(ops->open(&f->config, &context, &f->err, &sink) == 0 ? 0 : 3);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_old_files_go),
        TEST(test_the_oldest_go_when_there_are_too_many),
        TEST(test_nothing_else_is_touched),
        TEST(test_the_last_one_published_stays),
        TEST(test_a_step_has_a_bound),
        TEST(test_a_directory_that_is_gone),
        TEST(test_a_standby_keeps_to_the_limits),
        TEST(test_modes),
        TEST(test_a_mode_whatever_the_umask),
        TEST(test_files_are_given_away),
        TEST(test_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
