/* bench_store.c: the store against plain write() and fdatasync() of the same bytes to a file, in
 * one run on one file system.
 *
 *   bench_store [EVENTS.ndjson [MEGABYTES [DIRECTORY]]] */
#include "fh/clock.h"
#include "fh/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 256
#define COMMIT    (1u << 20) /* raw bytes per commit */

static struct fh_slice line[LINES_MAX];
static size_t lines;
static char *text;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_lines(const char *path)
{
    FILE *file = fopen(path, "rb");
    text = calloc(1, 1 << 20);
    if (!file || !text) {
        die(path);
    }
    size_t len = fread(text, 1, (1 << 20) - 1, file);
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
        fprintf(stderr, "%s: no lines\n", path);
        exit(1);
    }
}

/* The n-th record: a line of the sample in which the digits of uid, stamps and measurements differ
 * from all others, as they do in a real stream. */
static uint32_t make_record(uint64_t n, char *record)
{
    const struct fh_slice *from = &line[n % lines];
    memcpy(record, from->data, from->len);
    uint64_t random = n * 0x9E3779B97F4A7C15u + 1;
    unsigned run = 0;
    for (size_t i = 0; i < from->len; i++) {
        char c = record[i];
        run = c >= '0' && c <= '9' ? run + 1 : 0;
        if (run > 6) { /* the low digits of long numbers */
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            record[i] = (char)('0' + random % 10);
        }
    }
    char *uid = memmem(record, from->len, "event-", 6);
    if (uid && uid + 14 <= record + from->len) {
        char hex[9];
        snprintf(hex, sizeof(hex), "%08llx", (unsigned long long)(n * 2654435761u & 0xffffffff));
        memcpy(uid + 6, hex, 8);
    }
    return (uint32_t)from->len;
}

static double seconds_since(struct fh_time start)
{
    return (double)(fh_now().ns - start.ns) / 1e9;
}

static void row(const char *what, double megabytes, double seconds, double base, const char *more)
{
    printf("%-46s %8.0f MB/s  %6.2f x  %s\n", what, megabytes / seconds,
           base > 0 ? megabytes / seconds / base : 1.0, more);
    fflush(stdout);
}

struct input { /* all records, made before the clock starts */
    char *bytes;
    uint32_t *len;
    uint64_t count;
    size_t size;
};

static struct input make_input(size_t megabytes)
{
    size_t size = megabytes << 20;
    struct input input = {malloc(size + (1 << 20)), malloc(size / 64 * sizeof(uint32_t)), 0, 0};
    if (!input.bytes || !input.len) {
        die("malloc");
    }
    while (input.size < size && input.count < size / 64) {
        uint32_t len = make_record(input.count, input.bytes + input.size);
        input.bytes[input.size + len] = '\n';
        input.size += len + 1;
        input.len[input.count++] = len;
    }
    return input;
}

static double bench_file(const struct input *input, const char *directory, bool sync)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/plain", directory);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0) {
        die(path);
    }
    struct fh_time start = fh_now();
    for (size_t at = 0; at < input->size;) {
        size_t piece = input->size - at < COMMIT ? input->size - at : COMMIT;
        ssize_t n = write(fd, input->bytes + at, piece);
        if (n <= 0 || (sync && fdatasync(fd) < 0)) {
            die(path);
        }
        at += (size_t)n;
    }
    double seconds = seconds_since(start);
    close(fd);
    unlink(path);
    return seconds;
}

static struct fh_store *open_store(const char *directory, bool sync, uint64_t cache)
{
    static const char *const sinks[] = {"bench"};
    const struct fh_store_options options = {.directory = directory,
                                             .size_limit = 8ull << 30,
                                             .block_bytes = 256 * 1024,
                                             .cache_bytes = cache,
                                             .sync_each_commit = sync,
                                             .window_minutes = 120,
                                             .sinks = sinks,
                                             .sink_count = 1};
    struct fh_error err = {""};
    struct fh_store *store = NULL;
    if (fh_store_open(&options, &err, &store) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return store;
}

static void remove_store(const char *directory)
{
    static const char *const files[] = {"store/data.mdb", "store/lock.mdb", "store/pid", "store"};
    for (size_t i = 0; i < FH_ARRAY_LEN(files); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        remove(path);
    }
}

static double bench_append(const struct input *input, struct fh_store *store, size_t commit)
{
    struct fh_error err = {""};
    struct fh_time start = fh_now();
    const char *at = input->bytes;
    size_t staged = 0;
    for (uint64_t n = 0; n < input->count; n++) {
        struct fh_store_record record = {
            {n * 0x9E3779B97F4A7C15u, 1700000000000 + (int64_t)n / 10}, at, input->len[n]};
        if (fh_store_append(store, &record, NULL) < 0) {
            fprintf(stderr, "append failed at %llu\n", (unsigned long long)n);
            exit(1);
        }
        at += input->len[n] + 1;
        staged += input->len[n] + 1;
        if (staged >= commit || n + 1 == input->count) {
            staged = 0;
            if (fh_store_commit(store, &err) < 0) {
                fprintf(stderr, "%s\n", err.text);
                exit(1);
            }
        }
    }
    return seconds_since(start);
}

static double bench_read(struct fh_store *store, size_t *ret_bytes)
{
    struct fh_error err = {""};
    struct fh_time start = fh_now();
    struct fh_store_batch batch;
    uint64_t at = 1;
    fh_store_lead(store);
    while (fh_store_next(store, "bench", &at, &batch, &err) == 1) {
        *ret_bytes += batch.raw.len;
        fh_store_batch_done(store, &batch);
    }
    return seconds_since(start);
}

static void bench_store(const struct input *input, const char *directory, bool sync, double base)
{
    char more[128];
    size_t bytes = 0;
    double megabytes = (double)input->size / 1e6;
    struct fh_store *store = open_store(directory, sync, 64 << 20);
    double seconds = bench_append(input, store, COMMIT);
    struct fh_store_state state;
    fh_store_state(store, &state);
    snprintf(more, sizeof(more), "%.1f : 1 raw to database, %.0f ns a record",
             (double)input->size / (double)state.bytes_used, seconds * 1e9 / (double)input->count);
    row(sync ? "append + commit each MB, synced" : "append + commit each MB, not synced", megabytes,
        seconds, base, more);
    fh_store_close(store);
    store = open_store(directory, sync, 0);
    seconds = bench_read(store, &bytes);
    if (bytes != input->size) {
        fprintf(stderr, "read %zu of %zu bytes\n", bytes, input->size);
        exit(1);
    }
    row("  read back, decompressing", megabytes, seconds, base, "");
    fh_store_close(store);
    remove_store(directory);
}

/* A commit every few records, as at a low rate with a commit every 5 ms: what do small commits cost
 * in space? */
static void bench_small(const struct input *input, const char *directory)
{
    struct input part = *input;
    part.count = part.count > 20000 ? 20000 : part.count;
    part.size = 0;
    for (uint64_t n = 0; n < part.count; n++) {
        part.size += part.len[n] + 1;
    }
    struct fh_store *store = open_store(directory, false, 64 << 20);
    double seconds = bench_append(&part, store, 5000);
    struct fh_store_state state;
    fh_store_state(store, &state);
    char more[128];
    snprintf(more, sizeof(more), "%.1f : 1 raw to database",
             (double)part.size / (double)state.bytes_used);
    row("append + commit each 5 kB, not synced", (double)part.size / 1e6, seconds, 0, more);
    fh_store_close(store);
    remove_store(directory);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "tests/data/sample-events.ndjson";
    size_t megabytes = argc > 2 ? strtoul(argv[2], NULL, 0) : 512;
    char directory[256];
    snprintf(directory, sizeof(directory), "%s/fh-bench-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (!mkdtemp(directory)) {
        die(directory);
    }
    read_lines(path);
    struct input input = make_input(megabytes);
    double mb = (double)input.size / 1e6;
    printf("%llu records, %.0f MB, mean %.0f bytes\n", (unsigned long long)input.count, mb,
           mb * 1e6 / (double)input.count);
    double synced = bench_file(&input, directory, true);
    row("plain write + fdatasync each MB", mb, synced, mb / synced, "(base of the synced rows)");
    bench_store(&input, directory, true, mb / synced);
    double plain = bench_file(&input, directory, false);
    row("plain write", mb, plain, mb / plain, "(base of the rows below)");
    bench_store(&input, directory, false, mb / plain);
    bench_small(&input, directory);
    rmdir(directory);
    free(input.bytes);
    free(input.len);
    free(text);
    return 0;
}
