/* test_atomic_file.c: replacing, publishing and reading small files, and what failures leave. */
#include "fh/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these above first */
#include <cmocka.h>

static char directory[64];
static char path[128];
static char temporary[160];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "%s", "/tmp/fh-atomic-XXXXXX");
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/file", directory);
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    rmdir(path);
    unlink(path);
    unlink(temporary);
    return rmdir(directory);
}

static void write_plain(const char *name, const char *text, size_t len, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_holds(const char *name, const char *expected)
{
    char *text = NULL;
    struct fh_error err = {""};
    assert_int_equal(fh_file_read(name, 1000, 0, &text, &err), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void creates_and_replaces_nothing(void **state)
{
    (void)state;
    struct fh_error err = {""};
    struct stat info;
    mode_t before = umask(0);
    assert_int_equal(fh_file_create(path, "one", 3, 0600, &err), 0);
    umask(before);
    assert_holds(path, "one");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(fh_file_create(path, "two", 3, 0600, &err), -EEXIST);
    assert_non_null(strstr(err.text, "left as it is"));
    assert_holds(path, "one");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(fh_file_create(path, "two", 3, 0600, &err), -EEXIST);
    snprintf(temporary, sizeof(temporary), "%s/none/file", directory);
    assert_int_equal(fh_file_create(temporary, "two", 3, 0600, &err), -ENOENT);
}

static void replaces_and_sets_the_mode(void **state)
{
    (void)state;
    struct fh_error err = {""};
    struct stat st;
    mode_t before = umask(077);
    assert_int_equal(fh_atomic_file_write(path, "one", 3, 0644, &err), 0);
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(fh_atomic_file_write(path, "second", 6, 0600, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_holds(path, "second");
    assert_int_equal(access(temporary, F_OK), -1);
    assert_int_equal(fh_atomic_file_write(path, "", 0, 0600, &err), 0);
    assert_holds(path, "");
}

static void a_left_over_or_a_planted_link_is_not_written_through(void **state)
{
    (void)state;
    struct fh_error err = {""};
    char victim[128];
    snprintf(victim, sizeof(victim), "%s/victim", directory);
    write_plain(victim, "mine", 4, 0644);
    assert_int_equal(symlink(victim, temporary), 0);
    assert_int_equal(fh_atomic_file_write(path, "secret", 6, 0600, &err), 0);
    assert_holds(victim, "mine");
    assert_holds(path, "secret");
    unlink(victim);
}

static void a_failure_leaves_the_old_file_and_no_temporary(void **state)
{
    (void)state;
    struct fh_error err = {""};
    assert_int_equal(mkdir(path, 0700), 0); /* rename of a file onto a directory fails */
    assert_int_equal(fh_atomic_file_write(path, "x", 1, 0600, &err), -EISDIR);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(access(temporary, F_OK), -1);

    char missing[160];
    snprintf(missing, sizeof(missing), "%s/none/file", directory);
    assert_int_equal(fh_atomic_file_write(missing, "x", 1, 0600, &err), -ENOENT);
    assert_non_null(strstr(err.text, "No such file"));
}

static void publish_renames(void **state)
{
    (void)state;
    struct fh_error err = {""};
    write_plain(temporary, "body", 4, 0644);
    assert_int_equal(fh_atomic_file_publish(temporary, path, &err), 0);
    assert_holds(path, "body");
    assert_int_equal(fh_atomic_file_publish(temporary, path, &err), -ENOENT);
    assert_non_null(strstr(err.text, "rename"));
}

static void publish_works_for_a_bare_name(void **state)
{
    (void)state;
    struct fh_error err = {""};
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(fh_atomic_file_write("file", "here", 4, 0600, &err), 0);
    assert_int_equal(chdir(before), 0);
    assert_holds(path, "here");
}

static void directories_sync_or_say_why_not(void **state)
{
    (void)state;
    struct fh_error err = {""};
    assert_int_equal(fh_directory_sync(directory, &err), 0);
    assert_int_equal(fh_directory_sync(path, &err), -ENOENT);
    write_plain(path, "x", 1, 0644);
    assert_int_equal(fh_directory_sync(path, &err), -ENOTDIR);
    assert_non_null(strstr(err.text, path));
}

static void reading_keeps_to_the_limit(void **state)
{
    (void)state;
    struct fh_error err = {""};
    char *text = NULL;
    assert_int_equal(fh_file_read(path, 10, 0, &text, &err), -ENOENT);
    write_plain(path, "0123456789", 10, 0644);
    assert_int_equal(fh_file_read(path, 9, 0, &text, &err), -EFBIG);
    assert_null(text);
    assert_int_equal(fh_file_read(path, 10, 0, &text, &err), 0);
    assert_string_equal(text, "0123456789");
    free(text);
    text = NULL;
    assert_int_equal(fh_file_read(path, SIZE_MAX, 0, &text, &err), -EINVAL);
    write_plain(path, "a\0b", 3, 0644);
    assert_int_equal(fh_file_read(path, 10, 0, &text, &err), -EINVAL);
    assert_int_equal(fh_file_read(directory, 10, 0, &text, &err), -EINVAL);
    assert_int_equal(mkfifo(temporary, 0600), 0);
    assert_int_equal(fh_file_read(temporary, 10, 0, &text, &err), -EINVAL); /* and does not hang */
    assert_null(text);
}

static void secrets_must_be_private(void **state)
{
    (void)state;
    struct fh_error err = {""};
    char *text = NULL;
    write_plain(path, "key", 3, 0640);
    assert_int_equal(fh_file_read(path, 10, 1, &text, &err), -EPERM);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_null(strstr(err.text, "key "));
    write_plain(path, "key", 3, 0604);
    assert_int_equal(fh_file_read(path, 10, 1, &text, &err), -EPERM);
    write_plain(path, "key", 3, 0400);
    assert_int_equal(fh_file_read(path, 10, 1, &text, &err), 0);
    assert_string_equal(text, "key");
    free(text);
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(creates_and_replaces_nothing),
        IN_DIRECTORY(replaces_and_sets_the_mode),
        IN_DIRECTORY(a_left_over_or_a_planted_link_is_not_written_through),
        IN_DIRECTORY(a_failure_leaves_the_old_file_and_no_temporary),
        IN_DIRECTORY(publish_renames),
        IN_DIRECTORY(publish_works_for_a_bare_name),
        IN_DIRECTORY(directories_sync_or_say_why_not),
        IN_DIRECTORY(reading_keeps_to_the_limit),
        IN_DIRECTORY(secrets_must_be_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
