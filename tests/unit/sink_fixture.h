/* sink_fixture.h: for tests of senders: a sink, records to write into it, and what it refused.
 * Records are {"recordUid":"event-N","device":"dD","pad":"..."}. */
#ifndef TEST_SINK_FIXTURE_H
#define TEST_SINK_FIXTURE_H

#include "fh/sink.h"

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

#define FIXTURE_RECORDS_MAX 4096
#define FIXTURE_PATIENCE_MS 60000

struct fixture {
    char place[64];
    struct fh_config_sink config;
    struct fh_sink_context context;
    const struct fh_sink_ops *ops;
    void *sink;
    struct fh_error err;
    bool fenced;
    int refuse_with; /* what context.refused answers */
    unsigned refused[16];
    char reason[16][512];
    size_t refused_count;
    unsigned devices;
};

static inline bool fixture_fenced(void *userdata)
{
    return ((struct fixture *)userdata)->fenced;
}

static inline int fixture_refused(void *userdata, struct fh_slice record, const char *reason,
                                  struct fh_error *err)
{
    struct fixture *f = userdata;
    if (f->refuse_with < 0) {
        return fh_error_set(err, f->refuse_with, "no room for dead letters");
    }
    assert_true(f->refused_count < FH_ARRAY_LEN(f->refused));
    assert_int_equal(
        sscanf(record.data, "{\"recordUid\":\"event-%u\"", &f->refused[f->refused_count]), 1);
    snprintf(f->reason[f->refused_count++], sizeof(f->reason[0]), "%s", reason);
    return 0;
}

static inline struct fixture *fixture_new(const char *type)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->place, sizeof(f->place), "/tmp/fh_sink_test.XXXXXX");
    assert_non_null(mkdtemp(f->place));
    snprintf(f->config.name, sizeof(f->config.name), "out");
    snprintf(f->config.type, sizeof(f->config.type), "%s", type);
    f->config.batch_records = 1000;
    f->config.batch_ms = 100;
    f->config.timeout_ms = FIXTURE_PATIENCE_MS; /* nothing is sent twice for want of an answer */
    f->config.concurrency = 4;
    f->devices = 7;
    f->context = (struct fh_sink_context){.node = "a",
                                          .state_dir = f->place,
                                          .fenced = fixture_fenced,
                                          .refused = fixture_refused,
                                          .userdata = f};
    f->ops = fh_sink_find(type);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    f->ops->close(f->sink);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->place);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    free(f);
}

static inline void fixture_lead(struct fixture *f)
{
    if (f->ops->open(&f->config, &f->context, &f->err, &f->sink) != 0) {
        fail_msg("open: %s", f->err.text);
    }
    if (f->ops->lead(f->sink, 7, &f->err) != 0) {
        fail_msg("lead: %s", f->err.text);
    }
}

/* Records first..last in one write; each as large as pad says, and with "poison" in it when it is a
 * multiple of poison_every (0: none is). */
static inline int fixture_write(struct fixture *f, unsigned first, unsigned last, size_t pad,
                                unsigned poison_every)
{
    uint32_t count = last - first + 1;
    struct fh_slice *record = calloc(count, sizeof(*record));
    struct fh_record_key *key = calloc(count, sizeof(*key));
    struct fh_record_facts *facts = calloc(count, sizeof(*facts));
    uint64_t *sequence = calloc(count, sizeof(*sequence));
    for (uint32_t i = 0; i < count; i++) {
        unsigned n = first + i;
        bool poison = poison_every > 0 && n % poison_every == 0;
        char *text = malloc(pad + 128);
        int len = sprintf(text, "{\"recordUid\":\"event-%u\",\"device\":\"d%u\",\"%s\":\"", n,
                          n % f->devices, poison ? "poison" : "pad");
        memset(text + len, 'x', pad);
        len += (int)pad;
        len += sprintf(text + len, "\"}");
        record[i] = (struct fh_slice){text, (size_t)len};
        key[i] = (struct fh_record_key){.fingerprint = n, .timestamp_ms = 1000};
        char *device = strstr(text, "\"d") + 10;
        facts[i].device = (struct fh_slice){device, strcspn(device, "\"")};
        facts[i].uid = (struct fh_slice){text + 14, strcspn(text + 14, "\"")};
        sequence[i] = n;
    }
    struct fh_sink_write write = {.record = record,
                                  .key = key,
                                  .facts = facts,
                                  .sequence = sequence,
                                  .count = count,
                                  .epoch = 7};
    int r = f->ops->write(f->sink, &write, &f->err);
    for (uint32_t i = 0; i < count; i++) {
        free((char *)record[i].data);
    }
    free(record);
    free(key);
    free(facts);
    free(sequence);
    return r;
}

static inline int fixture_accept(struct fixture *f)
{
    char position[FH_SINK_POSITION_MAX];
    return f->ops->accept(f->sink, position, &f->err);
}

/* Until it is accepted; another error than -EAGAIN fails the test. */
static inline void fixture_accepted(struct fixture *f)
{
    struct fh_time until = fh_time_add_ms(fh_now(), FIXTURE_PATIENCE_MS);
    int r;
    while ((r = fixture_accept(f)) == -EAGAIN && fh_time_before(fh_now(), until)) {
    }
    if (r != 0) {
        fail_msg("accept: %s", f->err.text);
    }
}

/* Until the reason why it is not accepted has this in it. */
static inline void fixture_says(struct fixture *f, const char *words)
{
    struct fh_time until = fh_time_add_ms(fh_now(), FIXTURE_PATIENCE_MS);
    do {
        int r = fixture_accept(f);
        if (r != -EAGAIN) {
            fail_msg("accepted (%d) instead of: %s", r, words);
        }
    } while (!strstr(f->err.text, words) && fh_time_before(fh_now(), until));
    if (!strstr(f->err.text, words)) {
        fail_msg("it says \"%s\" instead of: %s", f->err.text, words);
    }
}

static inline char *fixture_read(struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->place, name);
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t len = 0;
    if (!file || getdelim(&text, &len, '\0', file) < 0) {
        free(text);
        text = calloc(1, 1);
    }
    if (file) {
        fclose(file);
    }
    return text;
}

static inline void fixture_put(struct fixture *f, const char *name, mode_t mode, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->place, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* How often each record stands in records.ndjson; fails when two of a device are the wrong way
 * round (not counting those that come again) or a line is no whole record. */
static inline void fixture_kept(struct fixture *f, unsigned *count)
{
    unsigned last[64] = {0};
    char *text = fixture_read(f, "records.ndjson");
    memset(count, 0, FIXTURE_RECORDS_MAX * sizeof(*count));
    for (char *line = text; *line;) {
        unsigned n = 0;
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        if (sscanf(line, "{\"recordUid\":\"event-%u\"", &n) != 1 || n >= FIXTURE_RECORDS_MAX ||
            end[-1] != '}') {
            fail_msg("no record: %.200s", line);
        }
        if (count[n]++ == 0) {
            if (n < last[n % f->devices]) {
                fail_msg("record %u comes after %u", n, last[n % f->devices]);
            }
            last[n % f->devices] = n;
        }
        line = end + 1;
    }
    free(text);
}

/* Waits until the records first..last are kept, each once at least, or (once) exactly. */
static inline void fixture_expect(struct fixture *f, unsigned first, unsigned last, bool once)
{
    static unsigned count[FIXTURE_RECORDS_MAX];
    struct fh_time until = fh_time_add_ms(fh_now(), FIXTURE_PATIENCE_MS);
    unsigned missing;
    do {
        missing = 0;
        fixture_kept(f, count);
        for (unsigned n = first; n <= last; n++) {
            missing = count[n] == 0 ? n : missing;
            assert_false(once && count[n] > 1);
        }
    } while (missing > 0 && fh_time_before(fh_now(), until) && usleep(10000) == 0);
    if (missing > 0) {
        fail_msg("record %u is missing", missing);
    }
}

#endif
