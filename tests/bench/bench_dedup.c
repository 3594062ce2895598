/* bench_dedup.c: nanoseconds per record and bytes per remembered record, at 1, 10 and 50 million
 * records over two hours of source time, next to a plain baseline in the same run: one power-of-two
 * hash table of fingerprints that doubles at 70 %. Nanoseconds are of processor time, and
 * the best of three rounds (one beyond 10 million), so that a busy machine changes them little.
 *
 * Usage: bench_dedup [MILLIONS ...] */
#include "fh/dedup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS  3
#define START   INT64_C(1700000000000)
#define MINUTES UINT64_C(120)
#define LATE_MS 5000 /* stamps jump back and forth this much, as in the stream */

static size_t heap_live;
static size_t heap_peak;

static void *counting_allocate(size_t bytes)
{
    size_t *memory = malloc(bytes + 64);
    if (!memory) {
        return NULL;
    }
    *memory = bytes;
    heap_live += bytes;
    heap_peak = heap_live > heap_peak ? heap_live : heap_peak;
    return (char *)memory + 64;
}

static void counting_release(void *memory)
{
    if (memory) {
        size_t *head = (size_t *)(void *)((char *)memory - 64);
        heap_live -= *head;
        free(head);
    }
}

static const struct fh_allocator counting = {counting_allocate, counting_release};

static uint64_t spread(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9;
    value ^= value >> 27;
    value *= 0x94d049bb133111eb;
    return value ^ value >> 31;
}

/* Record i of count: the stamps run through the window once. */
static struct fh_record_key record(uint64_t i, uint64_t count)
{
    uint64_t fingerprint = spread(i + 1);
    int64_t late = (int64_t)(fingerprint % LATE_MS);
    int64_t stamp = START + (int64_t)(i * (MINUTES * 60000) / count) - late;
    return (struct fh_record_key){fingerprint, stamp};
}

struct baseline {
    uint64_t *slots;
    size_t capacity;
    size_t count;
};

static uint64_t *baseline_find(const struct baseline *set, uint64_t fingerprint)
{
    size_t slot = fingerprint & (set->capacity - 1);
    while (set->slots[slot] != 0 && set->slots[slot] != fingerprint) {
        slot = (slot + 1) & (set->capacity - 1);
    }
    return &set->slots[slot];
}

static void baseline_grow(struct baseline *set)
{
    struct baseline bigger = {.capacity = set->capacity ? set->capacity * 2 : 1024,
                              .count = set->count};
    bigger.slots = counting_allocate(bigger.capacity * sizeof(*bigger.slots));
    if (!bigger.slots) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    memset(bigger.slots, 0, bigger.capacity * sizeof(*bigger.slots));
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != 0) {
            *baseline_find(&bigger, set->slots[i]) = set->slots[i];
        }
    }
    counting_release(set->slots);
    *set = bigger;
}

static int baseline_add(struct baseline *set, uint64_t fingerprint)
{
    if ((set->count + 1) * 10 > set->capacity * 7) {
        baseline_grow(set);
    }
    uint64_t *slot = baseline_find(set, fingerprint);
    if (*slot != 0) {
        return 0;
    }
    *slot = fingerprint;
    set->count++;
    return 1;
}

struct result {
    double new_ns;
    double duplicate_ns;
    double bytes;
    double peak_bytes;
};

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void expect(uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        fprintf(stderr, "counted %llu records instead of %llu\n", (unsigned long long)got,
                (unsigned long long)wanted);
        exit(1);
    }
}

static struct result run_dedup(uint64_t count)
{
    heap_peak = heap_live;
    struct fh_dedup *dedup;
    if (fh_dedup_new((unsigned)MINUTES, count * 2, &counting, &dedup) < 0) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    uint64_t fresh = 0;
    double start = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        fresh += fh_dedup_add(dedup, record(i, count)) == 1;
    }
    double middle = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        fresh += fh_dedup_add(dedup, record(i, count)) == 1;
    }
    double end = now_ns();
    expect(fresh, count);
    struct result result = {(middle - start) / (double)count, (end - middle) / (double)count,
                            (double)heap_live / (double)count, (double)heap_peak / (double)count};
    fh_dedup_free(dedup);
    return result;
}

static struct result run_baseline(uint64_t count)
{
    heap_peak = heap_live;
    struct baseline set = {.capacity = 0};
    uint64_t fresh = 0;
    double start = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        fresh += baseline_add(&set, record(i, count).fingerprint) == 1;
    }
    double middle = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        fresh += baseline_add(&set, record(i, count).fingerprint) == 1;
    }
    double end = now_ns();
    expect(fresh, count);
    struct result result = {(middle - start) / (double)count, (end - middle) / (double)count,
                            (double)heap_live / (double)count, (double)heap_peak / (double)count};
    counting_release(set.slots);
    return result;
}

static struct result better(struct result a, struct result b)
{
    a.new_ns = b.new_ns < a.new_ns ? b.new_ns : a.new_ns;
    a.duplicate_ns = b.duplicate_ns < a.duplicate_ns ? b.duplicate_ns : a.duplicate_ns;
    return a;
}

static void print_row(uint64_t millions, const char *name, struct result result)
{
    printf("%9llu  %-14s  %9.1f  %15.1f  %12.1f  %17.1f\n", (unsigned long long)millions, name,
           result.new_ns, result.duplicate_ns, result.bytes, result.peak_bytes);
}

int main(int argc, char **argv)
{
    const char *defaults[] = {"1", "10", "50"};
    int count = argc > 1 ? argc - 1 : 3;
    printf("%9s  %-14s  %9s  %15s  %12s  %17s\n", "million", "set", "ns/new", "ns/duplicate",
           "bytes/record", "peak bytes/record");
    for (int i = 0; i < count; i++) {
        uint64_t millions = strtoull(argc > 1 ? argv[i + 1] : defaults[i], NULL, 10);
        if (millions < 1 || millions > 1000) {
            fprintf(stderr, "usage: bench_dedup [MILLIONS ...], each 1 to 1000\n");
            return 2;
        }
        struct result ours = run_dedup(millions * 1000000);
        struct result plain = run_baseline(millions * 1000000);
        for (int round = 1; round < (millions > 10 ? 1 : ROUNDS); round++) {
            ours = better(ours, run_dedup(millions * 1000000));
            plain = better(plain, run_baseline(millions * 1000000));
        }
        print_row(millions, "per minute", ours);
        print_row(millions, "one big table", plain);
        printf("%9s  %-14s  %8.2fx  %14.2fx  %11.2fx  %16.2fx\n", "", "ratio",
               plain.new_ns / ours.new_ns, plain.duplicate_ns / ours.duplicate_ns,
               plain.bytes / ours.bytes, plain.peak_bytes / ours.peak_bytes);
        fflush(stdout);
    }
    return 0;
}
