/* test_store_threads.c: one writer and two sinks at once, through a change of role; every record
 * reaches every sink exactly once, in sequence. Made for ThreadSanitizer. */
#include "fh/clock.h"
#include "test_store_common.h"

#include <pthread.h>
#include <stdatomic.h>

enum { RECORDS = 20000 };

struct reader {
    struct fixture *f;
    pthread_t thread;
    const char *sink;
    pthread_mutex_t lock;
    uint64_t done; /* sequence up to which the writer may report */
    uint64_t seen;
    int error;
};

static atomic_bool stop;

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    struct fh_store *store = reader->f->store;
    uint64_t at = 1;
    while (reader->seen < RECORDS && !atomic_load(&stop)) {
        struct fh_store_batch batch;
        struct fh_error err;
        int r = fh_store_next(store, reader->sink, &at, &batch, &err);
        if (r == 0 || r == -EPERM) {
            fh_store_wait(store, fh_store_ticket(store), r == 0 ? at : UINT64_MAX, 20);
            continue;
        }
        for (uint32_t i = 0; r > 0 && i < batch.count; i++) {
            char text[256];
            uint64_t number = batch.sequence[i];
            size_t len = text_of(number, text, sizeof(text));
            if (number != reader->seen + 1 || batch.record[i].len != len ||
                memcmp(batch.record[i].data, text, len) != 0) {
                r = -EBADMSG;
            }
            reader->seen = number;
        }
        if (r < 0) {
            reader->error = r;
            return NULL;
        }
        fh_store_batch_done(store, &batch);
        struct fh_store_cursor cursor;
        fh_store_cursor(store, reader->sink, &cursor);
        pthread_mutex_lock(&reader->lock);
        reader->done = at;
        pthread_mutex_unlock(&reader->lock);
    }
    return NULL;
}

static void report_progress(struct fixture *f, struct reader *reader)
{
    struct fh_record_key key = key_of(1);
    struct fh_report report = {.state = FH_REPORT_DELIVERED, .count = 1, .keys = &key};
    snprintf(report.sink, sizeof(report.sink), "%s", reader->sink);
    pthread_mutex_lock(&reader->lock);
    report.cursor_after = reader->done;
    pthread_mutex_unlock(&reader->lock);
    uint64_t number;
    assert_int_equal(fh_store_report_add(f->store, &report, &number), 0);
}

static int never(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    (void)userdata;
    (void)number;
    (void)bytes;
    (void)len;
    return 0;
}

static void writer_and_two_sinks(void **state)
{
    struct fixture *f = *state;
    f->options.sink_count = 2;
    f->options.cache_bytes = 20000; /* some reads go to the database */
    open_again(f);
    struct reader reader[2];
    for (int i = 0; i < 2; i++) {
        reader[i] = (struct reader){.f = f, .sink = two_sinks[i], .done = 1};
        pthread_mutex_init(&reader[i].lock, NULL);
        assert_int_equal(pthread_create(&reader[i].thread, NULL, read_all, &reader[i]), 0);
    }
    for (uint64_t n = 1; n <= RECORDS; n++) {
        assert_int_equal(append(f, n, NULL), 0);
        if (n == 3000 || n == 9000) {
            fh_store_lead(f->store);
        } else if (n == 6000) {
            fh_store_follow(f->store);
        } else if (n == 10000) {
            /* while leading: brings everything unreported under explicit representation */
            struct fh_record_key key = key_of(RECORDS + 1);
            struct fh_report report = {.number = 1,
                                       .state = FH_REPORT_DELIVERED,
                                       .sink = "kafka",
                                       .count = 1,
                                       .keys = &key};
            assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
        }
        if (n % 50 == 0) {
            report_progress(f, &reader[0]);
            report_progress(f, &reader[1]);
            fh_store_set_source_time(f->store, key_of(n).timestamp_ms);
            commit(f);
        }
    }
    commit(f);
    struct fh_time until = fh_time_add_ms(fh_now(), 100000);
    while (reader[0].error == 0 && reader[1].error == 0 && fh_time_before(fh_now(), until)) {
        struct fh_store_state s;
        fh_store_state(f->store, &s);
        fh_store_reports_from(f->store, 1, 0, 3, never, NULL);
        pthread_mutex_lock(&reader[0].lock);
        bool first = reader[0].done == RECORDS + 1;
        pthread_mutex_unlock(&reader[0].lock);
        pthread_mutex_lock(&reader[1].lock);
        bool second = reader[1].done == RECORDS + 1;
        pthread_mutex_unlock(&reader[1].lock);
        if (first && second) {
            break;
        }
        fh_store_wait(f->store, fh_store_ticket(f->store), UINT64_MAX, 20);
    }
    atomic_store(&stop, true);
    fh_store_wake(f->store);
    for (int i = 0; i < 2; i++) {
        pthread_join(reader[i].thread, NULL);
        assert_int_equal(reader[i].error, 0);
        assert_int_equal(reader[i].seen, RECORDS);
        pthread_mutex_destroy(&reader[i].lock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writer_and_two_sinks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
