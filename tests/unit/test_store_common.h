/* test_store_common.h: a store in a directory of its own, and records for it. */
#ifndef FH_TEST_STORE_COMMON_H
#define FH_TEST_STORE_COMMON_H

#include "fh/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#define T0 1700000000000

struct fixture {
    char directory[64];
    struct fh_store_options options;
    struct fh_store *store;
};

static const char *const two_sinks[] = {"archive", "kafka"};

static inline void open_again(struct fixture *f)
{
    struct fh_error err = {""};
    fh_store_close(f->store);
    f->store = NULL;
    int r = fh_store_open(&f->options, &err, &f->store);
    if (r != 0) {
        fail_msg("open: %d %s", r, err.text);
    }
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    snprintf(f->directory, sizeof(f->directory), "/tmp/fh-store-XXXXXX");
    if (!mkdtemp(f->directory)) {
        free(f);
        return -1;
    }
    f->options = (struct fh_store_options){.directory = f->directory,
                                           .size_limit = 16u << 20,
                                           .block_bytes = 4096,
                                           .cache_bytes = 65536,
                                           .window_minutes = 120,
                                           .sinks = two_sinks,
                                           .sink_count = 1};
    open_again(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    fh_store_close(f->store);
    static const char *const files[] = {"store/data.mdb", "store/lock.mdb", "store/pid", "store",
                                        ""};
    for (size_t i = 0; i < FH_ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", f->directory, files[i]);
        remove(path);
    }
    free(f);
    return 0;
}

static inline struct fh_record_key key_of(uint64_t number)
{
    return (struct fh_record_key){number * 0x9E3779B97F4A7C15u, T0 + (int64_t)number * 10};
}

static inline size_t text_of(uint64_t number, char *text, size_t size)
{
    return (size_t)snprintf(text, size,
                            "{\"recordUid\":\"event-%08llx\",\"n\":%llu,\"pad\":\"%s\"}",
                            (unsigned long long)number, (unsigned long long)number,
                            "the same words again and again so that they compress well");
}

/* Appends the record that carries this number; the sequence is up to the store. */
static inline int append(struct fixture *f, uint64_t number, uint64_t *ret_sequence)
{
    char text[256];
    struct fh_store_record record = {key_of(number), text,
                                     (uint32_t)text_of(number, text, sizeof(text))};
    return fh_store_append(f->store, &record, ret_sequence);
}

static inline void append_range(struct fixture *f, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        assert_int_equal(append(f, i, NULL), 0);
    }
}

static inline void commit(struct fixture *f)
{
    struct fh_error err = {""};
    int r = fh_store_commit(f->store, &err);
    if (r != 0) {
        fail_msg("commit: %d %s", r, err.text);
    }
}

/* A report over numbers from..to; keys must hold them. */
static inline struct fh_report report_of(struct fh_record_key *keys, uint64_t from, uint64_t to,
                                         const char *sink, enum fh_report_state state)
{
    struct fh_report report = {.epoch = 1, .state = state, .keys = keys};
    snprintf(report.sink, sizeof(report.sink), "%s", sink);
    snprintf(report.position, sizeof(report.position), "p-%llu", (unsigned long long)from);
    for (uint64_t i = from; i <= to; i++) {
        keys[report.count++] = key_of(i);
    }
    return report;
}

static inline uint64_t own_report(struct fixture *f, uint64_t from, uint64_t to,
                                  uint64_t cursor_after, enum fh_report_state state)
{
    struct fh_record_key keys[2000];
    struct fh_report report = report_of(keys, from, to, "archive", state);
    report.cursor_after = cursor_after;
    uint64_t number = 0;
    assert_int_equal(fh_store_report_add(f->store, &report, &number), 0);
    return number;
}

static inline uint64_t peer_report(struct fixture *f, uint64_t number, uint64_t from, uint64_t to)
{
    struct fh_record_key keys[2000];
    struct fh_report report = report_of(keys, from, to, "archive", FH_REPORT_DELIVERED);
    report.number = number;
    uint64_t doubled = 0;
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, &doubled), 0);
    return doubled;
}

static inline struct fh_store_cursor cursor_of(struct fixture *f, const char *sink)
{
    struct fh_store_cursor cursor = {0};
    assert_int_equal(fh_store_cursor(f->store, sink, &cursor), 0);
    return cursor;
}

/* A byte of a block on the disk is another one; the pad of its records is in its LZ4
 * literals. The store must have been opened without a cache. */
static inline void damage_a_block(struct fixture *f)
{
    char path[128];
    static char file[1 << 20];
    fh_store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof(path), "%s/store/data.mdb", f->directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n = read(fd, file, sizeof(file));
    assert_true(n > 4096);
    const char *at = memmem(file, (size_t)n, "compress well", 13);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "X", 1, at - file), 1);
    close(fd);
    open_again(f);
}

/* Everything fh_store_next serves from *inout on: numbers (out of the records' text) into got. */
static inline size_t serve_all(struct fixture *f, const char *sink, uint64_t *inout, uint64_t *got,
                               size_t room)
{
    size_t count = 0;
    for (;;) {
        struct fh_store_batch batch;
        struct fh_error err = {""};
        int r = fh_store_next(f->store, sink, inout, &batch, &err);
        if (r == 0) {
            return count;
        }
        if (r < 0) {
            fail_msg("next: %d %s", r, err.text);
        }
        for (uint32_t i = 0; i < batch.count; i++) {
            assert_true(count < room);
            const char *n = memmem(batch.record[i].data, batch.record[i].len, "\"n\":", 4);
            assert_non_null(n);
            uint64_t number = strtoull(n + 4, NULL, 10);
            struct fh_record_key key = key_of(number);
            assert_memory_equal(&batch.key[i], &key, sizeof(key));
            got[count++] = number;
        }
        fh_store_batch_done(f->store, &batch);
    }
}

#endif
