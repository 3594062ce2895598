/* test_disk_full.c: the file system under the store gets full while a pipeline runs: it stops
 * reading, delivers on what is stored, does not fail, and goes on by itself. Needs root. */
#include "pipeline_fixture.h"
#include "small_disk.h"

#define DISK_BYTES (16u << 20)

static const struct fh_sink_ops *const one_phase[] = {&fixture_one_phase, NULL};

static bool reads(struct fixture *f)
{
    return !atomic_load(&f->pipeline->backpressure);
}

static uint64_t stored(struct fixture *f)
{
    struct fh_store_state state;
    fh_store_state(f->pipeline->store, &state);
    return state.next_sequence - 1;
}

/* The writer has gone round so often. */
static void writer_turns(struct fixture *f, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        int64_t before = atomic_load(&f->pipeline->progress_ns);
        fixture_wait(f, atomic_load(&f->pipeline->progress_ns) != before);
    }
}

static void it_pushes_back_and_goes_on_by_itself(void **state)
{
    struct fixture *f = *state;
    if (!small_disk_mount(f->directory, DISK_BYTES)) {
        skip();
    }
    f->bulky = true;
    fixture_start(f, one_phase, false);
    fixture_lead(f, 3);
    fixture_append(f, 500);
    fixture_wait(f, fixture_pending(f, 0) == 0);

    assert_int_equal(small_disk_fill(f->directory, 5), 0);
    fixture_offer(f, 2000);
    fixture_wait(f, !reads(f));
    fixture_offer(f, 500); /* was under way, and has to wait */
    writer_turns(f, 15);   /* it tries again and again */
    assert_false(reads(f));
    assert_int_equal(stored(f), 500);
    assert_int_equal(FAR(f, 0, there_count), 500); /* nothing is shown that is not stored */

    small_disk_clear(f->directory);
    fixture_wait(f, reads(f) && stored(f) == 3000);
    fixture_wait(f, FAR(f, 0, there_count) == 3000);
    fixture_expect(f, 0, 1, 3000, 1);
    fixture_append(f, 500);
    fixture_wait(f, fixture_pending(f, 0) == 0);
    fixture_restart(f, one_phase, false);
    assert_int_equal(stored(f), 3500);
    fixture_expect(f, 0, 1, 3500, 1);
}

/* Reports of the peer go on coming while nothing can be made durable. When there is room again the
 * last of them has to be confirmed, else the peer is asked for no more; and whoever asked for
 * durability meanwhile has to get the answer, however many others wait for theirs. */
static void no_answer_is_lost_for_want_of_room(void **state)
{
    struct fixture *f = *state;
    if (!small_disk_mount(f->directory, DISK_BYTES)) {
        skip();
    }
    f->bulky = true;
    fixture_start(f, one_phase, true);
    fh_pipeline_follow(f->pipeline);
    fixture_append(f, 500);

    assert_int_equal(small_disk_fill(f->directory, 5), 0);
    fixture_offer(f, 2000);
    fixture_wait(f, !reads(f));
    for (uint64_t number = 1; number <= 200; number++) {
        struct fh_record_key key = key_of(number);
        struct fh_report report = {
            .number = number, .epoch = 1, .state = FH_REPORT_DELIVERED, .count = 1, .keys = &key};
        char bytes[512];
        snprintf(report.sink, sizeof(report.sink), "first");
        assert_in_range(fh_report_size(&report), 1, sizeof(bytes));
        fh_report_encode(&report, bytes);
        fh_pipeline_peer_report(f->pipeline, 77, number, bytes, fh_report_size(&report));
    }
    fh_pipeline_persist_epoch(f->pipeline, 9, true);
    writer_turns(f, 15);
    assert_int_equal(f->applied, 0); /* nothing is confirmed that is not durable */
    assert_int_equal(f->epoch_done, 0);

    small_disk_clear(f->directory);
    fixture_wait(f, reads(f) && f->applied == 200 && f->epoch_done == 9);
    assert_int_equal(fixture_pending(f, 0), 2500 - 200);
}

/* A peer that sends without end, and without waiting for a confirmation, costs a bounded amount of
 * memory; what has room is applied. */
static void reports_of_the_peer_wait_outside(void **state)
{
    struct fixture *f = *state;
    static struct fh_record_key keys[FH_REPORT_KEYS_MAX];
    struct fh_report report = {
        .epoch = 1, .state = FH_REPORT_DELIVERED, .count = FH_REPORT_KEYS_MAX, .keys = keys};
    for (uint32_t i = 0; i < report.count; i++) {
        keys[i] = key_of(i + 1);
    }
    snprintf(report.sink, sizeof(report.sink), "first");
    void *bytes = malloc(fh_report_size(&report));
    report.count = 2000;
    assert_non_null(bytes);
    if (!small_disk_mount(f->directory, DISK_BYTES)) {
        free(bytes);
        skip();
    }
    f->bulky = true;
    fixture_start(f, one_phase, true);
    fh_pipeline_follow(f->pipeline);
    assert_int_equal(small_disk_fill(f->directory, 5), 0);
    fixture_offer(f, 2000);
    fixture_wait(f, !reads(f));
    uint64_t number = 0;
    while (fh_pipeline_takes_peer_reports(f->pipeline)) {
        report.number = ++number;
        if (number == 2) {
            report.count = FH_REPORT_KEYS_MAX;
            report.state = FH_REPORT_VOID; /* it only weighs something */
        }
        fh_report_encode(&report, bytes);
        fh_pipeline_peer_report(f->pipeline, 77, number, bytes, fh_report_size(&report));
        assert_in_range(number, 1, 100);
    }
    writer_turns(f, 15);
    assert_int_equal(f->applied, 0);
    assert_false(
        fh_pipeline_takes_peer_reports(f->pipeline)); /* taken from the queue, not stored */
    small_disk_clear(f->directory);
    fixture_wait(f, f->applied > 0 && fh_pipeline_takes_peer_reports(f->pipeline));
    fixture_wait(f, fixture_pending(f, 0) == 0);
    free(bytes);
}

static int teardown_disk(void **state)
{
    struct fixture *f = *state;
    char directory[sizeof(f->directory)];
    memcpy(directory, f->directory, sizeof(directory));
    int r = fixture_teardown(state);
    small_disk_unmount(directory);
    rmdir(directory);
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_pushes_back_and_goes_on_by_itself, fixture_setup,
                                        teardown_disk),
        cmocka_unit_test_setup_teardown(reports_of_the_peer_wait_outside, fixture_setup,
                                        teardown_disk),
        cmocka_unit_test_setup_teardown(no_answer_is_lost_for_want_of_room, fixture_setup,
                                        teardown_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
