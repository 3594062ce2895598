/* test_store_crash.c: the store after SIGKILL at a random moment, again and again on the same
 * directory. A child appends, reports and commits as fast as it can and tells every commit through
 * a pipe; the parent kills it, opens the store and looks whether everything told is there and
 * whether blocks, cursor, reports, checkpoint, epoch and notes belong to one and the same commit.
 *
 *   test_store_crash [SEED [ROUNDS]] */
#include "fh/store.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANGES 64 /* notes about the peer's newest reports */

static const char *const sinks[] = {"archive"};
static char directory[64];
static unsigned seed;
static int round_number;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %u round %d: %s:%d: %s\n", seed, round_number, __FILE__,         \
                    __LINE__, #condition);                                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int pick(void)
{
    return (int)random();
}

struct told { /* after a commit returned */
    uint64_t next_sequence, cursor, own_report, peer_report, epoch;
};

static struct fh_store *open_store(bool sync)
{
    const struct fh_store_options options = {.directory = directory,
                                             .size_limit = 16u << 20,
                                             .block_bytes = 16384,
                                             .cache_bytes = 262144,
                                             .sync_each_commit = sync,
                                             .window_minutes = 1,
                                             .sinks = sinks,
                                             .sink_count = 1};
    struct fh_error err = {""};
    struct fh_store *store = NULL;
    int r = fh_store_open(&options, &err, &store);
    if (r < 0) {
        fprintf(stderr, "seed %u round %d: open: %d %s\n", seed, round_number, r, err.text);
        exit(1);
    }
    return store;
}

static struct fh_record_key key_of(uint64_t sequence)
{
    return (struct fh_record_key){sequence * 0x9E3779B97F4A7C15u,
                                  1700000000000 + (int64_t)sequence};
}

static uint32_t text_of(uint64_t sequence, char *text, size_t size)
{
    return (uint32_t)snprintf(text, size, "{\"n\":%llu,\"pad\":\"%.*s\"}",
                              (unsigned long long)sequence, (int)(sequence % 60),
                              "............................................................");
}

/* ---- the child ------------------------------------------------------------------------------ */

static void fill_report(struct fh_report *report, struct fh_record_key *keys, uint64_t from,
                        uint64_t to)
{
    *report = (struct fh_report){.state = FH_REPORT_DELIVERED, .sink = "archive", .keys = keys};
    for (uint64_t q = from; q < to; q++) {
        keys[report->count++] = key_of(q);
    }
}

static void deliver(struct fh_store *store, uint64_t *in_out_cursor, uint64_t next)
{
    static struct fh_record_key keys[4096];
    struct fh_report report;
    uint64_t to = *in_out_cursor + (uint64_t)pick() % (next - *in_out_cursor + 1);
    to = to - *in_out_cursor > 4096 ? *in_out_cursor + 4096 : to;
    fill_report(&report, keys, *in_out_cursor, to);
    report.state = pick() % 2 ? FH_REPORT_DELIVERED : FH_REPORT_PREPARED;
    report.cursor_after = to;
    uint64_t number;
    CHECK(fh_store_report_add(store, &report, &number) == 0);
    if (report.state == FH_REPORT_PREPARED) {
        CHECK(fh_store_report_finish(store, number, FH_REPORT_DELIVERED) == 0);
    }
    *in_out_cursor = to;
}

static bool reported(uint64_t (*ranges)[2], uint64_t sequence)
{
    for (size_t i = 0; i < RANGES; i++) {
        if (sequence >= ranges[i][0] && sequence < ranges[i][1]) {
            return true;
        }
    }
    return false;
}

static void read_ranges(struct fh_store *store, uint64_t (*ranges)[2])
{
    for (unsigned i = 0; i < RANGES; i++) {
        char note[16];
        size_t len = sizeof(ranges[i]);
        snprintf(note, sizeof(note), "p%u", i);
        int r = fh_store_get_note(store, note, ranges[i], &len);
        CHECK(r == 0 || r == -ENOENT);
    }
}

/* The peer reports the first run of what it has not reported, now and then leaving a few out for
 * later, and often a little more than is received here. A note of the same commit says which. */
static void hear_peer(struct fh_store *store, uint64_t number, uint64_t cursor, uint64_t next)
{
    static struct fh_record_key keys[4096];
    uint64_t ranges[RANGES][2] = {{0}};
    read_ranges(store, ranges);
    uint64_t range[2] = {cursor, 0};
    while (reported(ranges, range[0])) {
        range[0]++;
    }
    uint64_t until = next + (uint64_t)pick() % 4;
    range[0] += range[0] + 4 < until && pick() % 2 ? (uint64_t)pick() % 5 : 0;
    for (range[1] = range[0]; range[1] < until && range[1] < range[0] + 4096; range[1]++) {
        if (reported(ranges, range[1])) {
            break;
        }
    }
    struct fh_report report;
    fill_report(&report, keys, range[0], range[1]);
    report.number = number;
    uint64_t doubled;
    CHECK(fh_store_peer_apply(store, 77, &report, &doubled) == 0);
    char note[16];
    snprintf(note, sizeof(note), "p%u", (unsigned)(number % RANGES));
    CHECK(fh_store_set_note(store, note, range, sizeof(range)) == 0);
}

static void child(int out, bool leading)
{
    struct fh_store *store = open_store(round_number % 2 == 0);
    leading ? fh_store_lead(store) : fh_store_follow(store);
    struct fh_store_state state;
    fh_store_state(store, &state);
    struct fh_store_cursor cursor;
    CHECK(fh_store_cursor(store, "archive", &cursor) == 0);
    uint64_t next = state.next_sequence;
    for (uint64_t peer = state.peer_report_applied;;) {
        for (int i = pick() % 300; i > 0; i--) {
            char text[128];
            struct fh_store_record record = {key_of(next), text, text_of(next, text, sizeof(text))};
            uint64_t sequence;
            int r = fh_store_append(store, &record, &sequence);
            if (r == -ENOSPC) {
                break;
            }
            CHECK(r == 0 && sequence == next);
            next++;
        }
        if (leading) {
            deliver(store, &cursor.cursor, next);
        } else {
            hear_peer(store, ++peer, cursor.cursor, next);
        }
        struct fh_checkpoint checkpoint = {{(int64_t)next}};
        fh_store_set_checkpoint(store, &checkpoint);
        fh_store_set_source_time(store, key_of(next).timestamp_ms);
        fh_store_set_epoch(store, ++state.epoch, leading);
        CHECK(fh_store_set_note(store, "epoch", &state.epoch, sizeof(state.epoch)) == 0);
        struct fh_error err;
        int r = fh_store_commit(store, &err);
        if (r < 0) {
            fprintf(stderr, "seed %u round %d: %s\n", seed, round_number, err.text);
            _exit(1);
        }
        CHECK(fh_store_cursor(store, "archive", &cursor) == 0);
        struct fh_store_state now;
        fh_store_state(store, &now);
        struct told told = {now.next_sequence, cursor.cursor, now.own_report_last,
                            now.peer_report_applied, now.epoch};
        if (write(out, &told, sizeof(told)) != sizeof(told)) {
            _exit(1);
        }
    }
}

/* ---- the parent ----------------------------------------------------------------------------- */

static void check_record(const struct fh_store_batch *batch, uint32_t i)
{
    char text[128];
    uint32_t len = text_of(batch->sequence[i], text, sizeof(text));
    struct fh_record_key key = key_of(batch->sequence[i]);
    CHECK(batch->record[i].len == len && memcmp(batch->record[i].data, text, len) == 0);
    CHECK(memcmp(&batch->key[i], &key, sizeof(key)) == 0);
}

/* Everything kept is complete and in order. */
static void check_records(struct fh_store *store, const struct fh_store_state *state)
{
    struct fh_store_batch batch;
    struct fh_error err = {""};
    uint64_t expected = state->first_sequence;
    uint64_t at = 0;
    int r;
    while ((r = fh_store_read(store, &at, &batch, &err)) == 1) {
        for (uint32_t i = 0; i < batch.count; i++) {
            CHECK(batch.sequence[i] == expected++);
            check_record(&batch, i);
        }
        fh_store_batch_done(store, &batch);
    }
    CHECK(r == 0 && expected == state->next_sequence);
}

/* Exactly what is not below the cursor and was not reported is served. */
static void check_serving(struct fh_store *store, const struct fh_store_state *state, uint64_t told,
                          uint64_t cursor, uint64_t settled)
{
    uint64_t ranges[RANGES][2] = {{0}};
    read_ranges(store, ranges);
    /* The cursor did not run ahead: somebody reported each record it passed. */
    for (uint64_t q = told > settled ? told : settled; q < cursor; q++) {
        CHECK(reported(ranges, q));
    }
    fh_store_lead(store);
    struct fh_store_batch batch;
    uint64_t expected = cursor;
    uint64_t at = 0;
    while (fh_store_next(store, "archive", &at, &batch, NULL) == 1) {
        for (uint32_t i = 0; i < batch.count; i++) {
            while (expected < batch.sequence[i]) {
                CHECK(reported(ranges, expected++));
            }
            CHECK(batch.sequence[i] == expected && !reported(ranges, expected));
            check_record(&batch, i);
            expected++;
        }
        fh_store_batch_done(store, &batch);
    }
    while (expected < state->next_sequence) {
        CHECK(reported(ranges, expected++));
    }
}

static int newest_cursor(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    uint64_t *cursor = userdata;
    struct fh_report report;
    (void)number;
    CHECK(fh_report_peek(bytes, len, &report) == 0);
    if (report.state == FH_REPORT_DELIVERED && report.cursor_after > *cursor) {
        *cursor = report.cursor_after;
    }
    return 0;
}

static void check(const struct told *told)
{
    struct fh_store *store = open_store(false);
    struct fh_store_state state;
    struct fh_store_cursor cursor;
    fh_store_state(store, &state);
    CHECK(fh_store_cursor(store, "archive", &cursor) == 0);
    CHECK(state.next_sequence >= told->next_sequence);
    CHECK(cursor.cursor >= told->cursor && cursor.cursor <= state.next_sequence);
    CHECK(state.own_report_last >= told->own_report);
    CHECK(state.peer_report_applied >= told->peer_report);
    CHECK(state.epoch >= told->epoch);
    CHECK(state.first_sequence <= cursor.cursor);
    if (state.epoch > 0) {
        uint64_t noted = 0;
        size_t len = sizeof(noted);
        CHECK(fh_store_get_note(store, "epoch", &noted, &len) == 0 && noted == state.epoch);
        CHECK(state.received.partition_ms[0] == (int64_t)state.next_sequence);
        CHECK(state.delivered.partition_ms[0] <= (int64_t)cursor.cursor);
    }
    uint64_t settled = 0;
    fh_store_reports_from(store, 0, INT64_MIN, SIZE_MAX, newest_cursor, &settled);
    CHECK(cursor.cursor >= settled);
    struct fh_report doubt[4];
    CHECK(fh_store_reports_in_doubt(store, doubt, 4) == 0); /* finished in the same commit */
    check_records(store, &state);
    check_serving(store, &state, told->cursor, cursor.cursor, settled);
    fh_store_close(store);
}

static void run_round(struct told *told)
{
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    bool leading = pick() % 2;
    unsigned child_seed = (unsigned)pick();
    int lifetime_us = pick() % 60000;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(pipes[0]);
        srandom(child_seed);
        child(pipes[1], leading);
        _exit(1);
    }
    close(pipes[1]);
    /* Wait for a first commit, so that every round kills in the middle of work. */
    struct told heard;
    CHECK(read(pipes[0], &heard, sizeof(heard)) == sizeof(heard));
    *told = heard;
    struct timespec life = {0, lifetime_us * 1000L};
    nanosleep(&life, NULL); /* the random moment */
    CHECK(kill(pid, SIGKILL) == 0);
    while (read(pipes[0], &heard, sizeof(heard)) == sizeof(heard)) {
        *told = heard;
    }
    close(pipes[0]);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : (unsigned)time(NULL);
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;
    printf("seed %u\n", seed);
    fflush(stdout);
    srandom(seed);
    snprintf(directory, sizeof(directory), "/tmp/fh-crash-XXXXXX");
    CHECK(mkdtemp(directory));
    struct told told = {1, 1, 0, 0, 0};
    for (round_number = 1; round_number <= rounds; round_number++) {
        run_round(&told);
        check(&told);
    }
    printf("%d kills survived: %llu records, %llu commits, %llu own reports, %llu of the peer\n",
           rounds, (unsigned long long)told.next_sequence - 1, (unsigned long long)told.epoch,
           (unsigned long long)told.own_report, (unsigned long long)told.peer_report);
    static const char *const files[] = {"store/data.mdb", "store/lock.mdb", "store/pid", "store",
                                        ""};
    for (size_t i = 0; i < FH_ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        remove(path);
    }
    return 0;
}
