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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
