/* test_sink_two_phase.c: what sinks that can prepare must do between prepare and publish, run once
 * per row of the table below; what every sink must do is in test_sink_contract.c. */
#include "fh/sink.h"
#include "read_file.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define LINES_MAX 4096

/* What is visible at the far side: one string per record. */
struct visible {
    size_t count;
    char *line[LINES_MAX];
};

struct type_row {
    const char *type;
    const char *variant;
    void (*configure)(struct fh_config_sink *config, const char *place);
    void (*collect)(const char *place, struct visible *into);
};

struct fixture {
    const struct type_row *row;
    const struct fh_sink_ops *ops;
    char place[64]; /* an empty directory of this test */
    struct fh_config_sink config;
    struct fh_sink_context context;
    void *sink;
    struct fh_error err;
    uint64_t next; /* sequence of the next record */
};

/* ---- the file sink's row ----------------------------------------------------------------------
 */

static void configure_file(struct fh_config_sink *config, const char *place)
{
    snprintf(config->directory, sizeof(config->directory), "%s/events", place);
    config->roll_seconds = 10;
    config->roll_bytes = 1000000;
}

static void configure_file_zstd(struct fh_config_sink *config, const char *place)
{
    configure_file(config, place);
    config->compression = FH_COMPRESS_ZSTD;
    config->zstd_level = 3;
}

static void collect_text(char *text, struct visible *into)
{
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        assert_non_null(end); /* no half record is ever visible */
        *end = '\0';
        assert_true(into->count < LINES_MAX);
        into->line[into->count++] = strdup(line);
        line = end + 1;
    }
}

static int wanted_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return (len > 7 && strcmp(entry->d_name + len - 7, ".ndjson") == 0) ||
           (len > 11 && strcmp(entry->d_name + len - 11, ".ndjson.zst") == 0);
}

static void collect_files(const char *place, struct visible *into)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/events", place);
    struct dirent **entries;
    int count = scandir(path, &entries, wanted_file, alphasort);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        char file[1024];
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        size_t len = 0;
        char *text = test_read_file(file, &len);
        assert_non_null(text);
        collect_text(text, into);
        free(text);
        free(entries[i]);
    }
    free(entries);
}

static const struct type_row rows[] = {
    {"file", "plain", configure_file, collect_files},
    {"file", "zstd", configure_file_zstd, collect_files},
};

/* ---- helpers ----------------------------------------------------------------------------------
 */

static void reopen_from_scratch(struct fixture *f)
{
    f->ops->close(f->sink);
    f->sink = NULL;
    assert_int_equal(f->ops->open(&f->config, &f->context, &f->err, &f->sink), 0);
}

/* Write count records in one call; they are "{"n":SEQUENCE}". */
static int write_records(struct fixture *f, uint32_t count, bool raw)
{
    static char text[LINES_MAX][32];
    static char together[LINES_MAX * 32];
    static struct fh_slice record[LINES_MAX];
    static struct fh_record_key key[LINES_MAX];
    static uint64_t sequence[LINES_MAX];
    size_t len = 0;
    assert_true(count <= LINES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        sequence[i] = f->next + i;
        int n = snprintf(text[i], sizeof(text[i]), "{\"n\":%llu}", (unsigned long long)sequence[i]);
        record[i] = (struct fh_slice){text[i], (size_t)n};
        key[i] = (struct fh_record_key){.fingerprint = sequence[i], .timestamp_ms = 1000};
        len += (size_t)sprintf(together + len, "%s\n", text[i]);
    }
    struct fh_sink_write write = {
        .record = record, .key = key, .sequence = sequence, .count = count, .epoch = 7};
    if (raw) {
        write.raw = (struct fh_slice){together, len};
    }
    int r = f->ops->write(f->sink, &write, &f->err);
    if (r == 0) {
        f->next += count;
    }
    return r;
}

/* Exactly the records first..last, each once, in order, are visible. */
static void assert_visible(struct fixture *f, uint64_t first, uint64_t last)
{
    static struct visible seen;
    seen.count = 0;
    f->row->collect(f->place, &seen);
    uint64_t expected = first;
    for (size_t i = 0; i < seen.count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "{\"n\":%llu}", (unsigned long long)expected++);
        assert_string_equal(seen.line[i], text);
        free(seen.line[i]);
    }
    assert_int_equal(expected, last + 1);
}

/* End the batch the way the type wants it. */
static void deliver(struct fixture *f)
{
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->row = *state;
    snprintf(f->place, sizeof(f->place), "/tmp/fh_sink_contract.XXXXXX");
    if (!mkdtemp(f->place)) {
        return -1;
    }
    snprintf(f->config.name, sizeof(f->config.name), "archive");
    snprintf(f->config.type, sizeof(f->config.type), "%s", f->row->type);
    f->config.required = true;
    f->row->configure(&f->config, f->place);
    f->context = (struct fh_sink_context){.node = "a", .state_dir = f->place};
    f->next = 1;
    f->ops = fh_sink_find(f->row->type);
    if (!f->ops || f->ops->open(&f->config, &f->context, &f->err, &f->sink) != 0) {
        fprintf(stderr, "cannot open: %s\n", f->err.text);
        return -1;
    }
    *state = f;
    return 0;
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

/* ---- the contract -----------------------------------------------------------------------------
 */

static void empty_batch_is_never_due(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->ops->due_in(f->sink, fh_now()), -1);
    assert_int_equal(f->ops->flush(f->sink, &f->err), 0);
    char position[FH_SINK_POSITION_MAX] = "untouched";
    assert_true(f->ops->prepare(f->sink, position, &f->err) < 0);
    assert_string_equal(position, "untouched");
    assert_visible(f, 1, 0);
}

static void keeps_records_in_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write_records(f, 10, true), 0);
    assert_int_equal(write_records(f, 5, false), 0);
    assert_int_equal(f->ops->flush(f->sink, &f->err), 0);
    assert_int_equal(write_records(f, 1, false), 0);
    assert_int_equal(write_records(f, 1000, true), 0);
    deliver(f);
    assert_visible(f, 1, 1016);
    assert_int_equal(f->ops->due_in(f->sink, fh_now()), -1);
    assert_int_equal(write_records(f, 3, true), 0);
    deliver(f);
    assert_visible(f, 1, 1019);
}

static void invisible_until_published(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write_records(f, 10, true), 0);
    assert_int_equal(f->ops->flush(f->sink, &f->err), 0);
    assert_visible(f, 1, 0);
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_visible(f, 1, 0);
    enum fh_sink_fate fate;
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PUBLISHED);
    /* again, as after a crash between publishing and noting it */
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
    assert_visible(f, 1, 10);
}

static void next_batch_begins_before_publish(void **state)
{
    struct fixture *f = *state;
    char first[FH_SINK_POSITION_MAX];
    char second[FH_SINK_POSITION_MAX];
    assert_int_equal(write_records(f, 4, true), 0);
    assert_int_equal(f->ops->prepare(f->sink, first, &f->err), 0);
    assert_int_equal(write_records(f, 4, true), 0);
    assert_int_equal(f->ops->publish(f->sink, first, &f->err), 0);
    assert_visible(f, 1, 4);
    assert_int_equal(f->ops->prepare(f->sink, second, &f->err), 0);
    assert_string_not_equal(first, second);
    assert_int_equal(f->ops->publish(f->sink, second, &f->err), 0);
    assert_visible(f, 1, 8);
}

static void discarded_is_gone(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(write_records(f, 4, true), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_int_equal(f->ops->discard(f->sink, position, &f->err), 0);
    enum fh_sink_fate fate;
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_MISSING);
    assert_true(f->ops->publish(f->sink, position, &f->err) < 0);
    assert_true(strlen(f->err.text) > 0);
    f->next = 1;
    assert_int_equal(write_records(f, 4, true), 0); /* the same sequence again */
    deliver(f);
    assert_visible(f, 1, 4);
}

static void prepared_survives_a_crash(void **state)
{
    struct fixture *f = *state;
    char position[FH_SINK_POSITION_MAX];
    assert_int_equal(write_records(f, 4, true), 0);
    assert_int_equal(f->ops->prepare(f->sink, position, &f->err), 0);
    assert_int_equal(write_records(f, 4, true), 0); /* begun, not prepared */
    reopen_from_scratch(f);
    const char *keep[] = {position};
    assert_int_equal(f->ops->abandon(f->sink, keep, 1, &f->err), 0);
    enum fh_sink_fate fate;
    assert_int_equal(f->ops->fate(f->sink, position, &fate, &f->err), 0);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(f->ops->publish(f->sink, position, &f->err), 0);
    assert_visible(f, 1, 4);
    /* what was begun is written again by the caller, from its store */
    f->next = 5;
    assert_int_equal(write_records(f, 4, true), 0);
    deliver(f);
    assert_visible(f, 1, 8);
}

static void abandon_forgets_what_was_begun(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write_records(f, 100, true), 0);
    assert_int_equal(f->ops->flush(f->sink, &f->err), 0);
    assert_int_equal(f->ops->abandon(f->sink, NULL, 0, &f->err), 0);
    assert_int_equal(f->ops->due_in(f->sink, fh_now()), -1);
    f->next = 1;
    assert_int_equal(write_records(f, 5, true), 0);
    deliver(f);
    assert_visible(f, 1, 5);
}

static void reopen_starts_the_batch_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write_records(f, 5, true), 0);
    deliver(f);
    assert_int_equal(write_records(f, 7, false), 0);
    assert_int_equal(f->ops->reopen(f->sink, &f->err), 0);
    assert_int_equal(f->ops->due_in(f->sink, fh_now()), -1);
    f->next = 6;
    assert_int_equal(write_records(f, 7, false), 0);
    deliver(f);
    assert_visible(f, 1, 12);
}

static void foreign_positions_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"", "x", "../../etc/passwd", "/etc/passwd", "."};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        enum fh_sink_fate fate = FH_SINK_MISSING;
        f->err.text[0] = '\0';
        assert_true(f->ops->publish(f->sink, bad[i], &f->err) < 0);
        assert_true(f->err.text[0] != '\0');
        assert_true(f->ops->discard(f->sink, bad[i], &f->err) < 0);
        assert_true(f->ops->fate(f->sink, bad[i], &fate, &f->err) < 0);
    }
}

static const struct {
    const char *name;
    CMUnitTestFunction run;
} contract[] = {
#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }
    TEST(empty_batch_is_never_due),
    TEST(keeps_records_in_order),
    TEST(invisible_until_published),
    TEST(next_batch_begins_before_publish),
    TEST(discarded_is_gone),
    TEST(prepared_survives_a_crash),
    TEST(abandon_forgets_what_was_begun),
    TEST(reopen_starts_the_batch_again),
    TEST(foreign_positions_are_refused),
#undef TEST
};

int main(void)
{
    static struct CMUnitTest tests[FH_ARRAY_LEN(rows) * FH_ARRAY_LEN(contract)];
    static char names[FH_ARRAY_LEN(tests)][96];
    size_t count = 0;
    for (size_t r = 0; r < FH_ARRAY_LEN(rows); r++) {
        for (size_t t = 0; t < FH_ARRAY_LEN(contract); t++, count++) {
            snprintf(names[count], sizeof(names[count]), "%s/%s: %s", rows[r].type, rows[r].variant,
                     contract[t].name);
            tests[count] = (struct CMUnitTest){.name = names[count],
                                               .test_func = contract[t].run,
                                               .setup_func = setup,
                                               .teardown_func = teardown,
                                               .initial_state = (void *)&rows[r]};
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
