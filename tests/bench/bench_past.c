/* bench_past.c: looking back as firehosectl does it: every record of a store read, filtered by
 * type, device and place, counted, and one hundredth of it found by time; against jq on the same
 * records.
 *
 *   bench_past [EVENTS.ndjson [RECORDS [DIRECTORY]]] */
#include "pick.h"
#include "tally.h"

#include "fh/clock.h"
#include "fh/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 512
#define T0        1700000000000
#define TYPE      "DEVICE_LOCATION_UPDATE"
#define JQ_LINES  50000

static char *text;
static struct fh_slice line[LINES_MAX];
static size_t lines;
static size_t bytes;

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void read_lines(const char *path)
{
    FILE *file = fopen(path, "rb");
    text = malloc((size_t)4 << 20);
    if (!file || !text) {
        die(path);
    }
    size_t len = fread(text, 1, (size_t)4 << 20, file);
    fclose(file);
    for (char *at = text; at < text + len && lines < LINES_MAX;) {
        char *end = memchr(at, '\n', (size_t)(text + len - at));
        end = end ? end : text + len;
        if (end > at) {
            line[lines++] = (struct fh_slice){at, (size_t)(end - at)};
        }
        at = end + 1;
    }
    if (lines == 0) {
        die("no lines");
    }
}

static struct fh_store *fill(const char *directory, uint64_t count)
{
    static const char *const sinks[] = {"bench"};
    const struct fh_store_options options = {.directory = directory,
                                             .size_limit = (uint64_t)8 << 30,
                                             .block_bytes = 256 * 1024,
                                             .window_minutes = 120,
                                             .sinks = sinks,
                                             .sink_count = 1};
    struct fh_error err = {""};
    struct fh_store *store = NULL;
    if (fh_store_open(&options, &err, &store) < 0) {
        die(err.text);
    }
    for (uint64_t n = 0; n < count; n++) {
        const struct fh_slice *from = &line[n % lines];
        struct fh_store_record record = {
            {n * 0x9E3779B97F4A7C15u, T0 + (int64_t)n}, from->data, (uint32_t)from->len};
        bytes += from->len + 1;
        if (fh_store_append(store, &record, NULL) < 0 ||
            ((n % 2000 == 0 || n + 1 == count) && fh_store_commit(store, &err) < 0)) {
            die(err.text[0] ? err.text : "append failed");
        }
    }
    return store;
}

/* One pass; what is wanted of each record is asked as the commands do. */
static uint64_t pass(struct fh_past *past, const struct fh_pick *pick, struct fh_tally *tally)
{
    struct fh_past_block block;
    struct fh_error err = {""};
    struct fh_look look;
    uint64_t sequence = 0;
    uint64_t found = 0;
    if (fh_past_seek(past, &pick->interval, &sequence, &err) < 0) {
        die(err.text);
    }
    while (fh_past_next(past, &pick->interval, &sequence, &block, &err) == 1) {
        for (uint32_t i = 0; i < block.count; i++) {
            if (!fh_past_holds(&pick->interval, block.key[i].timestamp_ms)) {
                continue;
            }
            if (tally || fh_pick_needs_facts(pick)) {
                if (!fh_pick_look(pick, block.record[i], false, &look)) {
                    continue;
                }
            }
            found++;
            if (tally && fh_tally_add(tally, &look.facts) < 0) {
                die("out of memory");
            }
        }
        fh_past_block_done(&block);
    }
    return found;
}

static double row(const char *what, struct fh_past *past, const struct fh_pick *pick,
                  struct fh_tally *tally, uint64_t count)
{
    struct fh_time start = fh_now();
    uint64_t found = pass(past, pick, tally);
    double seconds = (double)(fh_now().ns - start.ns) / 1e9;
    printf("%-34s %9.0f events/s  %6.0f MB/s  %8.1f ms  %llu found\n", what,
           (double)count / seconds, (double)bytes / 1e6 / seconds, seconds * 1e3,
           (unsigned long long)found);
    return (double)count / seconds;
}

/* The usual way without us: all records through jq. */
static void against_jq(const char *directory, double rate)
{
    char path[256];
    char command[512];
    snprintf(path, sizeof(path), "%s/all.ndjson", directory);
    FILE *file = fopen(path, "w");
    if (!file) {
        die(path);
    }
    for (size_t n = 0; n < JQ_LINES; n++) {
        fwrite(line[n % lines].data, 1, line[n % lines].len, file);
        fputc('\n', file);
    }
    fclose(file);
    snprintf(command, sizeof(command), "jq -c 'select(.eventType == \"" TYPE "\")' '%s' >/dev/null",
             path);
    struct fh_time start = fh_now();
    int r = system(command);
    double seconds = (double)(fh_now().ns - start.ns) / 1e9;
    unlink(path);
    if (r == 0) {
        printf("%-34s %9.0f events/s  (by type is %.0f times as fast)\n", "jq, by type",
               JQ_LINES / seconds, rate / (JQ_LINES / seconds));
    }
}

int main(int argc, char **argv)
{
    char directory[128];
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;
    struct fh_past *past = NULL;
    read_lines(argc > 1 ? argv[1] : "tests/data/sample-events.ndjson");
    snprintf(directory, sizeof(directory), "%s/bench-past-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (count == 0 || !mkdtemp(directory)) {
        die("no records, or no directory for them");
    }
    struct fh_store *store = fill(directory, count);
    struct fh_tally *tally = fh_tally_new(FH_TALLY_TYPE);
    if (!tally || fh_past_of(store, &past) < 0) {
        die("out of memory");
    }
    struct fh_pick all = {.interval = {INT64_MIN, INT64_MAX}};
    struct fh_pick by_type = all;
    struct fh_pick by_place = all;
    struct fh_pick some = {.interval = {T0 + (int64_t)count / 2, T0 + (int64_t)count / 100 * 51}};
    struct fh_error err = {""};
    fh_pick_types(&by_type, TYPE, &err);
    by_place.location = (struct fh_slice){"location-1", 10};
    printf("%llu records, %.0f MB\n", (unsigned long long)count, (double)bytes / 1e6);
    row("read", past, &all, NULL, count);
    double rate = row("by type", past, &by_type, NULL, count);
    row("by place", past, &by_place, NULL, count);
    row("counted by type", past, &all, tally, count);
    row("1 % by time", past, &some, NULL, count);
    against_jq(directory, rate);
    fh_tally_free(tally);
    fh_past_close(past);
    fh_store_close(store);
    static const char *const files[] = {"store/data.mdb", "store/lock.mdb", "store/pid", "store",
                                        ""};
    for (size_t i = 0; i < FH_ARRAY_LEN(files); i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        remove(path);
    }
    free(text);
    return 0;
}
