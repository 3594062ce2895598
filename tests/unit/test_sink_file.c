/* test_sink_file.c: the file sink's own business: names, zstd, full disks, strangers' files. */
#include "../contract/read_file.h"
#include "fh/sink.h"
#include "file_name.h"
#include "output.h"
#include "published_mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

struct fixture {
    char place[64];
    struct fh_config_sink config;
    struct fh_sink_context context;
    const struct fh_sink_ops *ops;
    void *sink;
    struct fh_error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->place, sizeof(f->place), "/tmp/fh_sink_file.XXXXXX");
    if (!mkdtemp(f->place)) {
        return -1;
    }
    snprintf(f->config.name, sizeof(f->config.name), "archive");
    snprintf(f->config.type, sizeof(f->config.type), "file");
    snprintf(f->config.directory, sizeof(f->config.directory), "%s/deep/er", f->place);
    f->config.roll_seconds = 10;
    f->config.roll_bytes = 1000;
    f->context = (struct fh_sink_context){.node = "a", .state_dir = f->place};
    f->ops = fh_sink_find("file");
    *state = f;
    int r = f->ops->open(&f->config, &f->context, &f->err, &f->sink);
    if (r < 0) {
        fprintf(stderr, "%s\n", f->err.text);
    }
    return r;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->ops->close(f->sink);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->place);
    int r = system(command); // NOLINT(cert-env33-c)
    free(f);
    return r;
}

static int write_raw(struct fixture *f, uint64_t sequence, const char *bytes, size_t len)
{
    struct fh_slice record = {bytes, len - 1};
    struct fh_record_key key = {1, 2};
    struct fh_sink_write write = {.record = &record,
                                  .key = &key,
                                  .sequence = &sequence,
                                  .count = 1,
                                  .raw = {bytes, len},
                                  .epoch = 7};
    return f->ops->write(f->sink, &write, &f->err);
}

static int write_line(struct fixture *f, uint64_t sequence, const char *line)
{
    return write_raw(f, sequence, line, strlen(line));
}

static void prepare_and_publish(struct fixture *f, char position[FH_SINK_POSITION_MAX])
{
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
}

static void path_of(struct fixture *f, const char *name, const char *suffix, char path[1024])
{
    snprintf(path, 1024, "%s/%s%s", f->config.directory, name, suffix);
}

static void holds(struct fixture *f, const char *name, const char *suffix, const char *expected)
{
    char path[1024];
    size_t len = 0;
    path_of(f, name, suffix, path);
    char *text = test_read_file(path, &len);
    assert_string_equal(text, expected);
    free(text);
}

static bool is_there(struct fixture *f, const char *name, const char *suffix)
{
    char path[1024];
    path_of(f, name, suffix, path);
    return access(path, F_OK) == 0;
}

static void touch(struct fixture *f, const char *name)
{
    char path[1024];
    path_of(f, name, "", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

/* The number of .part files of whatever owner. */
static unsigned count_parts(struct fixture *f)
{
    DIR *directory = opendir(f->config.directory);
    assert_non_null(directory);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t len = strlen(entry->d_name);
        count += len > 5 && strcmp(entry->d_name + len - 5, ".part") == 0;
    }
    closedir(directory);
    return count;
}

/* ---- names ------------------------------------------------------------------------------------
 */

static void names_have_their_shape(void **state)
{
    (void)state;
    char text[FH_SINK_POSITION_MAX];
    fh_file_name(text, sizeof(text), "archive", 1767225600000, 7, 42, 0, false);
    assert_string_equal(text, "archive-20260101T000000Z-000007-000000000042.ndjson");
    fh_file_name(text, sizeof(text), "archive", 1767225600999, 7, 42, 3, true);
    assert_string_equal(text, "archive-20260101T000000Z-000007-000000000042_03.ndjson.zst");
    assert_true(fh_file_name_is_ours(text, "archive"));
    /* The longest there can be fits. */
    char sink[FH_SINK_NAME_MAX];
    memset(sink, 'n', sizeof(sink) - 1);
    sink[sizeof(sink) - 1] = '\0';
    fh_file_name(text, sizeof(text), sink, INT64_C(253402300799000), UINT64_MAX, UINT64_MAX, 99,
                 true);
    assert_true(fh_file_name_is_ours(text, sink));
    assert_true(strlen(text) + sizeof(FH_PART_SUFFIX) < FH_SINK_POSITION_MAX);
}

static void names_sort_as_made(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_ms;
        uint64_t epoch;
        uint64_t sequence;
        unsigned copy;
    } made[] = {
        {1767225600000, 1, 1, 0},       {1767225600000, 1, 1, 1},  {1767225600000, 1, 1, 2},
        {1767225600000, 1, 9, 0},       {1767225600000, 1, 10, 0}, {1767225600000, 1, 99999, 0},
        {1767225600000, 2, 5, 0},       {1767225600000, 10, 5, 0}, {1767225601000, 10, 4, 0},
        {1767225601000, 99999, 4, 0},   {1767229199000, 1, 1, 0},  {1767229200000, 1, 1, 0},
        {1798761600000, 1, 1000000, 0},
    };
    char before[FH_SINK_POSITION_MAX] = "";
    for (size_t i = 0; i < FH_ARRAY_LEN(made); i++) {
        char text[FH_SINK_POSITION_MAX];
        fh_file_name(text, sizeof(text), "a", made[i].wall_ms, made[i].epoch, made[i].sequence,
                     made[i].copy, false);
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof(text));
    }
}

static void only_exact_names_are_ours(void **state)
{
    (void)state;
    static const char *const strangers[] = {
        "",
        "archive",
        "archive-.ndjson",
        "archive-20260101T000000Z-000007-000000000042",
        "archive-20260101T000000Z-000007-000000000042.json",
        "archive-20260101T000000Z-000007-000000000042.ndjson.gz",
        "archive-20260101T000000Z-000007-000000000042.ndjson.zst.bak",
        "archive-20260101T000000Z-000007-000000000042.ndjson.part",
        "archive-20260101T000000Z-000007-000000000042_1.ndjson",
        "archive-20260101T000000Z-000007-000000000042_.ndjson",
        "archive-20260101T000000Z-000007-42.ndjson",
        "archive-20260101T000000Z-7-000000000042.ndjson",
        "archive-20260101T000000-000007-000000000042.ndjson",
        "archive-2026O101T000000Z-000007-000000000042.ndjson",
        "archive-x-20260101T000000Z-000007-000000000042.ndjson",
        "Archive-20260101T000000Z-000007-000000000042.ndjson",
        "./archive-20260101T000000Z-000007-000000000042.ndjson",
        "archive-20260101T000000Z-000007-000000000042.ndjson/../x",
        "archive-20260101T000000Z-000007-000000000000000000042.ndjson",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(strangers); i++) {
        assert_false(fh_file_name_is_ours(strangers[i], "archive"));
    }
    char text[FH_SINK_POSITION_MAX];
    assert_true(fh_file_name_is_part("archive-20260101T000000Z-000007-000000000042.ndjson.part",
                                     "archive", text, sizeof(text)));
    assert_string_equal(text, "archive-20260101T000000Z-000007-000000000042.ndjson");
    assert_false(fh_file_name_is_part(".part", "archive", text, sizeof(text)));
    assert_false(fh_file_name_is_part("archive-20260101T000000Z-000007-000000000042.ndjson",
                                      "archive", text, sizeof(text)));
    assert_false(fh_file_name_is_part("archive-20260101T000000Z-000007-000000000042.ndjson.part",
                                      "archive", text, 20));
}

static void taken_names_are_never_overwritten(void **state)
{
    struct fixture *f = *state;
    char first[FH_SINK_POSITION_MAX] = "";
    char second[FH_SINK_POSITION_MAX] = "";
    /* The same sequence twice within one second: repeat if the second just turned. */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(write_line(f, 1, "{\"one\":1}\n"), 0);
        prepare_and_publish(f, first);
        assert_int_equal(write_line(f, 1, "{\"two\":2}\n"), 0);
        assert_int_equal(f->ops->prepare(f->sink, second, &f->err), 0);
        if (strncmp(first, second, strlen("archive-20260101T000000Z")) == 0) {
            break;
        }
    }
    assert_string_not_equal(first, second);
    assert_true(strcmp(first, second) < 0);
    assert_int_equal(f->ops->publish(f->sink, second, &f->err), 0);
    holds(f, first, "", "{\"one\":1}\n");
    /* A .part beside a published file of that name: refuse rather than replace it. */
    char path[1024];
    path_of(f, second, ".part", path);
    fclose(fopen(path, "w"));
    assert_int_equal(f->ops->publish(f->sink, second, &f->err), -EEXIST);
    assert_non_null(strstr(f->err.text, second));
}

/* ---- rolling and reload -----------------------------------------------------------------------
 */

static void due_by_time_and_by_size(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->ops->due_in(f->sink, fh_now()), -1);
    struct fh_time before = fh_now();
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    struct fh_time now = fh_now();
    int64_t age_ms = fh_time_diff_ms(now, before) + 1; /* of the batch, at most */
    int64_t due = f->ops->due_in(f->sink, now);
    assert_true(due >= 10000 - age_ms && due >= 0 && due <= 10000);
    assert_int_equal(f->ops->due_in(f->sink, fh_time_add_ms(now, 10000)), 0);
    assert_int_equal(f->ops->due_in(f->sink, fh_time_add_ms(now, 1000000)), 0);
    /* The time counts from the first record of the batch, not from the last. */
    assert_int_equal(write_line(f, 2, "{}\n"), 0);
    assert_int_equal(f->ops->due_in(f->sink, fh_time_add_ms(now, 10000)), 0);
    f->config.roll_seconds = 60;
    f->ops->reload(f->sink, &f->config);
    assert_true(f->ops->due_in(f->sink, now) >= 60000 - age_ms);
    char big[1001];
    memset(big, ' ', 1000);
    big[999] = '\n';
    assert_int_equal(write_raw(f, 3, big, 1000), 0);
    assert_int_equal(f->ops->due_in(f->sink, now), 0);
}

static void reload_changes_compression_from_the_next_batch(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    f->config.compression = FH_COMPRESS_ZSTD;
    f->ops->reload(f->sink, &f->config);
    assert_int_equal(write_line(f, 2, "{}\n"), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_null(strstr(position, ".zst"));
    holds(f, position, ".part", "{}\n{}\n");
    assert_int_equal(write_line(f, 3, "{}\n"), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_non_null(strstr(position, ".zst"));
}

/* ---- zstd -------------------------------------------------------------------------------------
 */

static void zstd_round_trip(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 20260101;
    print_message("seed %u\n", seed);
    srandom(seed);
    f->config.compression = FH_COMPRESS_ZSTD;
    f->config.zstd_level = 1000; /* clamped */
    f->ops->reload(f->sink, &f->config);
    f->config.zstd_level = 3;
    for (int batch = 0; batch < 3; batch++) {
        size_t room = (size_t)1024 * 1024;
        size_t len = 0;
        char *all = malloc(room);
        for (uint64_t sequence = 1; len < room / 2; sequence++) {
            size_t n = 1 + (size_t)random() % 300000;
            for (size_t i = 0; i < n; i++) {
                all[len + i] = (char)(random() % 8 ? 'a' : ' ' + random() % 90);
            }
            all[len + n - 1] = '\n';
            assert_int_equal(write_raw(f, sequence, all + len, n), 0);
            if (random() % 3 == 0) {
                assert_int_equal(f->ops->flush(f->sink, &f->err), 0);
            }
            len += n;
        }
        char position[FH_SINK_POSITION_MAX];
        prepare_and_publish(f, position);
        char path[1024];
        path_of(f, position, "", path);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_true((size_t)st.st_size < len);
        size_t back_len = 0;
        char *back = test_read_file(path, &back_len);
        assert_non_null(back);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, all, len);
        free(back);
        free(all);
        f->ops->reload(f->sink, &f->config);
    }
}

static void flush_brings_bytes_to_the_kernel(void **state)
{
    struct fixture *f = *state;
    for (int zstd = 0; zstd < 2; zstd++) {
        f->config.compression = zstd ? FH_COMPRESS_ZSTD : FH_COMPRESS_NONE;
        f->ops->reload(f->sink, &f->config);
        assert_int_equal(write_line(f, 1, "{\"few\":\"bytes\"}\n"), 0);
        assert_int_equal(f->ops->flush(f->sink, &f->err), 0);
        char position[FH_SINK_POSITION_MAX];
        assert_int_equal(count_parts(f), 1);
        DIR *directory = opendir(f->config.directory);
        off_t size = 0;
        for (struct dirent *entry; (entry = readdir(directory));) {
            if (strstr(entry->d_name, ".part")) {
                struct stat st;
                assert_int_equal(fstatat(dirfd(directory), entry->d_name, &st, 0), 0);
                size = st.st_size;
            }
        }
        closedir(directory);
        assert_true(zstd ? size > 16 : size == 16);
        prepare_and_publish(f, position);
    }
}

/* ---- failures ---------------------------------------------------------------------------------
 */

static void full_disk(struct fixture *f)
{
    static char line[50000];
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 120000, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = 0;
    uint64_t sequence = 1;
    for (; r == 0 && sequence < 100; sequence++) {
        for (size_t i = 0; i < sizeof(line) - 1; i++) {
            line[i] = (char)(' ' + random() % 90); /* nothing to compress away */
        }
        r = write_raw(f, sequence, line, sizeof(line));
        if (r == 0) {
            r = f->ops->flush(f->sink, &f->err);
        }
    }
    assert_int_equal(r, -EFBIG);
    assert_non_null(strstr(f->err.text, "LimitFSIZE"));
    /* Neither another record nor the end can make something publishable of it. */
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(write_line(f, 50, "{}\n"), -EFBIG);
    assert_int_equal(f->ops->flush(f->sink, &f->err), -EFBIG);
    assert_int_equal(f->ops->due_in(f->sink, fh_now()), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(f->ops->reopen(f->sink, &f->err), 0);
    assert_int_equal(count_parts(f), 0);
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    prepare_and_publish(f, position);
    holds(f, position, "", "{}\n");
}

static void failed_write_never_gets_published(void **state)
{
    full_disk(*state);
}

static void failed_write_never_gets_published_zstd(void **state)
{
    struct fixture *f = *state;
    f->config.compression = FH_COMPRESS_ZSTD;
    f->ops->reload(f->sink, &f->config);
    full_disk(f);
}

static void output_says_no_space(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        skip();
    }
    struct fh_output output;
    assert_int_equal(fh_output_init(&output), 0);
    fh_output_start(&output, fd);
    assert_int_equal(fh_output_append(&output, "x\n", 2), 0);
    assert_int_equal(fh_output_flush(&output), -ENOSPC);
    fh_output_done(&output);
    close(fd);
}

/* A pipe takes what fits and no more: short writes in every shape. */
static void output_survives_short_writes(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    size_t total = 2000000;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[1]);
        unsigned char bytes[777];
        ssize_t n;
        size_t seen = 0;
        while ((n = read(ends[0], bytes, sizeof(bytes))) > 0) {
            for (ssize_t i = 0; i < n; i++, seen++) {
                if (bytes[i] != seen % 251) {
                    _exit(1);
                }
            }
        }
        _exit(seen == total ? 0 : 2);
    }
    close(ends[0]);
    char *all = malloc(total);
    for (size_t i = 0; i < total; i++) {
        all[i] = (char)(i % 251);
    }
    struct fh_output output;
    assert_int_equal(fh_output_init(&output), 0);
    fh_output_start(&output, ends[1]);
    size_t step = 1;
    for (size_t at = 0; at < total; step = step * 7 % 100003 + 1) {
        size_t n = step < total - at ? step : total - at;
        assert_int_equal(fh_output_append(&output, all + at, n), 0);
        at += n;
    }
    assert_int_equal(fh_output_flush(&output), 0);
    fh_output_done(&output);
    close(ends[1]);
    free(all);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void vanished_directory_is_said_and_healed(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    char command[1200];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->config.directory);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    assert_int_equal(write_line(f, 2, "{}\n"), -ENOENT);
    assert_non_null(strstr(f->err.text, f->config.directory));
    assert_non_null(strstr(f->err.text, "the directory is gone"));
    /* No verdict about a batch while one cannot look. */
    enum fh_sink_fate fate = FH_SINK_PREPARED;
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), -ENOENT);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), -ENOENT);
    assert_int_equal(f->ops->reopen(f->sink, &f->err), 0);
    assert_int_equal(write_line(f, 2, "{}\n"), 0);
    prepare_and_publish(f, position);
    assert_true(is_there(f, position, ""));
}

static void directory_that_cannot_be_made(void **state)
{
    struct fixture *f = *state;
    struct fh_config_sink config = f->config;
    snprintf(config.directory, sizeof(config.directory), "/proc/nowhere/events");
    void *sink = NULL;
    f->err.text[0] = '\0';
    assert_true(f->ops->open(&config, &f->context, &f->err, &sink) < 0);
    assert_null(sink);
    assert_non_null(strstr(f->err.text, "/proc/nowhere"));
    touch(f, "plain-file");
    snprintf(config.directory, sizeof(config.directory), "%.400s/plain-file", f->config.directory);
    assert_int_equal(f->ops->open(&config, &f->context, &f->err, &sink), -ENOTDIR);
}

static void modes_keep_others_out(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    mode_t mask = umask(0);
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    umask(mask);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    struct stat st;
    char path[1024];
    path_of(f, position, ".part", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(stat(f->config.directory, &st), 0);
    assert_int_equal(st.st_mode & 07, 0);
}

static void second_writer_is_refused(void **state)
{
    struct fixture *f = *state;
    void *other = NULL;
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &other), -EBUSY);
    assert_non_null(strstr(f->err.text, "directory of its own"));
    struct fh_config_sink config = f->config;
    snprintf(config.name, sizeof(config.name), "archive-2");
    assert_int_equal(f->ops->open(&config, &f->context, &f->err, &other), 0);
    f->ops->close(other);
    f->ops->close(f->sink);
    f->sink = NULL;
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &f->sink), 0);
}

static void abandon_leaves_strangers_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const strangers[] = {
        "other-20260101T000000Z-000007-000000000042.ndjson.part",
        "archive-b-20260101T000000Z-000007-000000000042.ndjson.part",
        "archive-20260101T000000Z-000007-000000000042.ndjson",
        "archive-20260101T000000Z-000007-000000000042.txt.part",
        "archive-notes.part",
        "download.part",
        "README",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(strangers); i++) {
        touch(f, strangers[i]);
    }
    static const char kept[] = "archive-20260101T000000Z-000007-000000000050.ndjson";
    touch(f, "archive-20260101T000000Z-000007-000000000050.ndjson.part");
    touch(f, "archive-20260101T000000Z-000007-000000000051.ndjson.part");
    touch(f, "archive-20260101T000000Z-000007-000000000051_01.ndjson.zst.part");
    assert_int_equal(write_line(f, 60, "{}\n"), 0);
    const char *keep[] = {"something else", kept};
    assert_int_equal(f->ops->abandon(f->sink, keep, 2, &f->err), 0);
    for (size_t i = 0; i < FH_ARRAY_LEN(strangers); i++) {
        assert_true(is_there(f, strangers[i], ""));
    }
    assert_true(is_there(f, kept, ".part"));
    assert_int_equal(count_parts(f), 5 + 1);
}

/* ---- a process that dies ----------------------------------------------------------------------
 */

/* Dies between prepare and publish with a further batch begun; the next process finds exactly that.
 */
static void crash_between_prepare_and_publish(void **state)
{
    struct fixture *f = *state;
    f->ops->close(f->sink);
    f->sink = NULL;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char position[FH_SINK_POSITION_MAX] = "";
        if (f->ops->open(&f->config, &f->context, &f->err, &f->sink) == 0 &&
            write_line(f, 1, "{\"n\":1}\n") == 0 &&
            f->ops->prepare(f->sink, position, &f->err) == 0 &&
            write_line(f, 2, "{\"n\":2}\n") == 0 && f->ops->flush(f->sink, &f->err) == 0) {
            (void)!write(ends[1], position, sizeof(position));
        }
        kill(getpid(), SIGKILL);
    }
    char position[FH_SINK_POSITION_MAX] = "";
    assert_int_equal(read(ends[0], position, sizeof(position)), sizeof(position));
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &f->sink), 0);
    assert_int_equal(count_parts(f), 2);
    const char *keep[] = {position};
    assert_int_equal(f->ops->abandon(f->sink, keep, 1, &f->err), 0);
    assert_int_equal(count_parts(f), 1);
    enum fh_sink_fate fate = FH_SINK_MISSING;
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
    holds(f, position, "", "{\"n\":1}\n");
}

/* The consumer takes a file the moment it is published; then the daemon dies before it noted that.
 * The batch must not look lost: it would be delivered again. */
static void published_and_taken_away_is_still_published(void **state)
{
    struct fixture *f = *state;
    char first[FH_SINK_POSITION_MAX];
    char second[FH_SINK_POSITION_MAX];
    char path[1024];
    enum fh_sink_fate fate = FH_SINK_MISSING;
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    prepare_and_publish(f, first);
    path_of(f, first, "", path);
    assert_int_equal(unlink(path), 0);
    f->ops->close(f->sink);
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &f->sink), 0);
    assert_int_equal(f->ops->fate(f->sink, first, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PUBLISHED);
    assert_int_equal(f->ops->publish(f->sink, first, &f->err), 0);
    /* One that was never published and whose .part is gone is missing all the same. */
    assert_int_equal(write_line(f, 2, "{}\n"), 0);
    assert_int_equal(f->ops->prepare(f->sink, second, &f->err), 0);
    path_of(f, second, ".part", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(f->ops->fate(f->sink, second, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_MISSING);
}

/* The same while the lock file, in which the mark is, cannot be opened: an error, not a loss. */
static void without_its_lock_nothing_is_missing(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    char path[1024];
    char away[1024];
    enum fh_sink_fate fate = FH_SINK_PREPARED;
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
    path_of(f, position, "", path);
    assert_int_equal(unlink(path), 0); /* by its consumer */
    path_of(f, ".archive.lock", "", path);
    path_of(f, "away", "", away);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink(away, path), 0);
    assert_true(f->ops->reopen(f->sink, &f->err) < 0);
    assert_true(f->ops->fate(f->sink, position, &fate, &f->err) < 0);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PUBLISHED);
}

/* Marked, not yet renamed, and then discarded: missing, however the mark got there. */
static void discard_takes_the_mark_back(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    char path[1024];
    enum fh_sink_fate fate = FH_SINK_PUBLISHED;
    assert_int_equal(write_line(f, 1, "{}\n"), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    path_of(f, ".archive.lock", "", path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fh_published_mark_set(fd, position), 0);
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(f->ops->discard(f->sink, position, &f->err), 0);
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_MISSING);
    close(fd);
}

int main(void)
{
#define WITH_SINK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_their_shape),
        cmocka_unit_test(names_sort_as_made),
        cmocka_unit_test(only_exact_names_are_ours),
        WITH_SINK(taken_names_are_never_overwritten),
        WITH_SINK(due_by_time_and_by_size),
        WITH_SINK(reload_changes_compression_from_the_next_batch),
        WITH_SINK(zstd_round_trip),
        WITH_SINK(flush_brings_bytes_to_the_kernel),
        WITH_SINK(failed_write_never_gets_published),
        WITH_SINK(failed_write_never_gets_published_zstd),
        cmocka_unit_test(output_says_no_space),
        cmocka_unit_test(output_survives_short_writes),
        WITH_SINK(vanished_directory_is_said_and_healed),
        WITH_SINK(directory_that_cannot_be_made),
        WITH_SINK(modes_keep_others_out),
        WITH_SINK(second_writer_is_refused),
        WITH_SINK(abandon_leaves_strangers_alone),
        WITH_SINK(crash_between_prepare_and_publish),
        WITH_SINK(published_and_taken_away_is_still_published),
        WITH_SINK(without_its_lock_nothing_is_missing),
        WITH_SINK(discard_takes_the_mark_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
