/* bench_scan.c: GB/s of the line splitter and the envelope scan over a realistic stream, next to
 * cJSON on the same bytes, and to memchr and memcpy as the limits of the machine.
 *
 * usage: bench_scan [MEGABYTES [SEED]]. The stream is built from the sample events: a random event
 * of every type after the other, with a uid and timestamp of its own, digits and letters of the
 * payload varied, so that neither the branch predictor nor the cache knows it by heart. */
#include "fh/envelope.h"
#include "fh/ndjson.h"

#include "envelope_scan.h"

#include <cjson/cJSON.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS              9
#define CHUNK               ((size_t)16384) /* an HTTP/2 DATA frame of default size */
#define LINES_MAX           64
#define IMPLEMENTATIONS_MAX 4
#define ROWS_MAX            16

struct stream {
    char *bytes;
    size_t len;
    size_t lines;
};

struct sample {
    const char *text;
    size_t len; /* with the newline */
};

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (seed ^ (seed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

static void die(const char *what)
{
    fprintf(stderr, "bench_scan: %s\n", what);
    exit(1);
}

static size_t read_samples(char *buffer, size_t capacity, struct sample *samples)
{
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "rb");
    size_t len = file ? fread(buffer, 1, capacity, file) : 0;
    if (len == 0 || len == capacity) {
        die("cannot read sample-events.ndjson");
    }
    fclose(file);
    size_t count = 0;
    for (size_t start = 0; start < len && count < LINES_MAX; count++) {
        const char *newline = memchr(buffer + start, '\n', len - start);
        size_t stop = newline ? (size_t)(newline - buffer) + 1 : len;
        samples[count] = (struct sample){buffer + start, stop - start};
        start = stop;
    }
    return count;
}

/* Another digit for one digit in two of the payload's numbers that have three or more, and one of
 * three numbers loses its last digits: lengths vary as they do in a live stream. */
static size_t vary(const struct sample *sample, char *out)
{
    size_t written = 0;
    size_t run = 0;
    uint64_t bits = next_random();
    for (size_t i = 0; i < sample->len; i++) {
        char byte = sample->text[i];
        bool digit = byte >= '0' && byte <= '9';
        run = digit ? run + 1 : 0;
        if (digit && run > 1) {
            bits = bits >> 4 ? bits >> 4 : next_random();
            if (run > 2 && run < 6 && (bits & 15) == 0) {
                continue;
            }
            byte = bits & 1 ? byte : (char)('0' + (bits & 7));
        }
        out[written++] = byte;
    }
    return written;
}

static struct stream make_stream(size_t wanted)
{
    static char buffer[1 << 20];
    struct sample samples[LINES_MAX];
    size_t count = read_samples(buffer, sizeof(buffer), samples);
    struct stream stream = {.bytes = malloc(wanted + sizeof(buffer))};
    if (!stream.bytes) {
        die("out of memory");
    }
    while (stream.len < wanted) {
        const struct sample *sample = &samples[next_random() % count];
        stream.len += vary(sample, stream.bytes + stream.len);
        stream.lines++;
    }
    return stream;
}

/* Of this thread on a core: what else the machine does counts as little as it can. */
static double cpu_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- what is measured: each returns a count, so that nothing is optimised away ---- */

static const struct fh_json_ops *ops;

static uint64_t run_memcpy(const struct stream *stream)
{
    static char copy[1 << 20];
    uint64_t sum = 0;
    for (size_t at = 0; at < stream->len; at += sizeof(copy)) {
        size_t len = stream->len - at < sizeof(copy) ? stream->len - at : sizeof(copy);
        memcpy(copy, stream->bytes + at, len);
        __asm__ volatile("" : : "r"(copy) : "memory");
        sum += (unsigned char)copy[len - 1];
    }
    return sum;
}

typedef uint64_t (*line_work)(const char *line, size_t len);

static uint64_t each_line(const struct stream *stream, line_work work)
{
    uint64_t sum = 0;
    const char *end = stream->bytes + stream->len;
    for (const char *p = stream->bytes; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        sum += work ? work(p, (size_t)(newline - p)) : 1;
        p = newline + 1;
    }
    return sum;
}

static uint64_t run_memchr(const struct stream *stream)
{
    return each_line(stream, NULL);
}

static uint64_t scan_line(const char *line, size_t len)
{
    struct fh_envelope envelope;
    return fh_envelope_scan_with(ops, line, len, &envelope) == FH_ENVELOPE_OK;
}

static uint64_t run_scan(const struct stream *stream)
{
    return each_line(stream, scan_line);
}

static uint64_t cjson_line(const char *line, size_t len)
{
    cJSON *root = cJSON_ParseWithLength(line, len);
    bool good = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(root, "recordUid")) &&
                cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(root, "recordTimestamp")) &&
                cJSON_IsString(cJSON_GetObjectItemCaseSensitive(root, "eventType"));
    cJSON_Delete(root);
    return good;
}

static uint64_t run_cjson(const struct stream *stream)
{
    return each_line(stream, cjson_line);
}

static int on_line_count(void *userdata, const char *line, size_t len, uint64_t offset,
                         bool truncated)
{
    (void)line, (void)len, (void)offset, (void)truncated;
    *(uint64_t *)userdata += 1;
    return 0;
}

static int on_line_scan(void *userdata, const char *line, size_t len, uint64_t offset,
                        bool truncated)
{
    (void)offset, (void)truncated;
    struct fh_envelope envelope;
    *(uint64_t *)userdata += fh_envelope_scan(line, len, &envelope) == FH_ENVELOPE_OK;
    return 0;
}

static int on_line_key(void *userdata, const char *line, size_t len, uint64_t offset,
                       bool truncated)
{
    (void)offset, (void)truncated;
    struct fh_envelope envelope;
    if (fh_envelope_scan(line, len, &envelope) == FH_ENVELOPE_OK &&
        fh_envelope_fingerprint(&envelope, line, len, FH_KEY_UID_TIMESTAMP) != 0) {
        *(uint64_t *)userdata += 1;
    }
    return 0;
}

static uint64_t feed_chunks(const struct stream *stream, fh_ndjson_line on_line)
{
    uint64_t sum = 0;
    struct fh_ndjson splitter;
    fh_ndjson_init(&splitter, (size_t)8 << 20);
    for (size_t at = 0; at < stream->len; at += CHUNK) {
        size_t len = stream->len - at < CHUNK ? stream->len - at : CHUNK;
        if (fh_ndjson_feed(&splitter, stream->bytes + at, len, on_line, &sum) < 0) {
            die("out of memory");
        }
    }
    fh_ndjson_done(&splitter);
    return sum;
}

static uint64_t run_split(const struct stream *stream)
{
    return feed_chunks(stream, on_line_count);
}

static uint64_t run_split_scan(const struct stream *stream)
{
    return feed_chunks(stream, on_line_scan);
}

static uint64_t run_split_key(const struct stream *stream)
{
    return feed_chunks(stream, on_line_key);
}

/* ---- the table ---- */

struct row {
    const char *name;
    uint64_t (*run)(const struct stream *stream);
    const struct fh_json_ops *ops;
    double rates[ROUNDS]; /* GB/s */
};

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void measure(const struct stream *stream, struct row *row, int round)
{
    ops = row->ops;
    double start = cpu_seconds();
    uint64_t sum = row->run(stream);
    row->rates[round] = (double)stream->len / (cpu_seconds() - start) / 1e9;
    if (row->run != run_memcpy && sum != stream->lines) {
        die("a line of the stream was not accepted");
    }
}

/* Every round takes each row once, so that a disturbance of the machine hits them alike. */
static void print_table(const struct stream *stream, struct row *rows, size_t count)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < count; i++) {
            measure(stream, &rows[i], round);
        }
    }
    double line_bytes = (double)stream->len / (double)stream->lines;
    printf("%-28s %8s %8s %14s %9s %9s\n", "", "GB/s", "best", "1000 lines/s", "x cJSON",
           "x memchr");
    for (size_t i = 0; i < count; i++) {
        qsort(rows[i].rates, ROUNDS, sizeof(double), compare_doubles);
    }
    for (size_t i = 0; i < count; i++) {
        double rate = rows[i].rates[ROUNDS / 2];
        printf("%-28s %8.2f %8.2f %14.0f %9.2f %9.3f\n", rows[i].name, rate,
               rows[i].rates[ROUNDS - 1], rate * 1e6 / line_bytes, rate / rows[0].rates[ROUNDS / 2],
               rate / rows[count - 2].rates[ROUNDS / 2]);
    }
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    printf("seed %" PRIu64 ", ", seed);
    struct stream stream = make_stream(megabytes * 1000000);
    printf("%zu lines, %.0f bytes each; median and best of %d rounds, one core\n\n", stream.lines,
           (double)stream.len / (double)stream.lines, ROUNDS);

    struct row rows[ROWS_MAX] = {{.name = "cJSON_ParseWithLength", .run = run_cjson}};
    size_t count = 1;
    for (unsigned i = 0; fh_json_implementation(i) && i < IMPLEMENTATIONS_MAX; i++) {
        static char names[IMPLEMENTATIONS_MAX][32];
        const struct fh_json_ops *implementation = fh_json_implementation(i);
        snprintf(names[i], sizeof(names[i]), "scan, %s", implementation->name);
        rows[count++] = (struct row){.name = names[i], .run = run_scan, .ops = implementation};
    }
    rows[count++] = (struct row){.name = "split", .run = run_split};
    rows[count++] = (struct row){.name = "split + scan", .run = run_split_scan};
    rows[count++] = (struct row){.name = "split + scan + fingerprint", .run = run_split_key};
    /* The last but one is what a ratio refers to. */
    rows[count++] = (struct row){.name = "memchr for newlines", .run = run_memchr};
    rows[count++] = (struct row){.name = "memcpy", .run = run_memcpy};
    print_table(&stream, rows, count);
    free(stream.bytes);
    return 0;
}
