/* bench_transcode.c: MB/s of protobuf that become JSON on one core, next to the envelope scan of
 * the same JSON, in one run.
 *
 * usage: bench_transcode [MEGABYTES [SEED]]. The stream is made of the sample events in protobuf: a
 * random event after the other, each with a uid of its own. */
#include "fh/envelope.h"
#include "fh/transcode.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS      9
#define SAMPLES_MAX 64
#define SAMPLE_MAX  8192

struct sample {
    char bytes[SAMPLE_MAX];
    size_t len;
};

/* Records one after the other, each with its length before it. */
struct stream {
    char *bytes;
    size_t len;
    size_t payload; /* without the lengths */
    size_t records;
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
    fprintf(stderr, "bench_transcode: %s\n", what);
    exit(1);
}

static size_t read_samples(struct sample *samples)
{
    glob_t files;
    if (glob(FH_TEST_DATA "/protobuf/*.bin", 0, NULL, &files) != 0 ||
        files.gl_pathc > SAMPLES_MAX) {
        die("cannot find the samples");
    }
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *file = fopen(files.gl_pathv[i], "rb");
        samples[i].len = file ? fread(samples[i].bytes, 1, SAMPLE_MAX, file) : 0;
        if (samples[i].len == 0 || samples[i].len == SAMPLE_MAX) {
            die("cannot read a sample");
        }
        fclose(file);
    }
    size_t count = files.gl_pathc;
    globfree(&files);
    return count;
}

/* Field 1 comes first: "\x0a", its length, "event-xxxxxxxx". */
static void vary_uid(char *record)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t bits = next_random();
    size_t len = (unsigned char)record[1];
    for (size_t i = 6; i < len; i++, bits >>= 4) {
        record[2 + i] = hex[bits & 15];
    }
}

static struct stream make_stream(size_t wanted)
{
    static struct sample samples[SAMPLES_MAX];
    size_t count = read_samples(samples);
    struct stream stream = {.bytes = malloc(wanted + SAMPLE_MAX)};
    if (!stream.bytes || count == 0) {
        die("out of memory");
    }
    while (stream.payload < wanted - SAMPLE_MAX) {
        const struct sample *sample = &samples[next_random() % count];
        uint32_t len = (uint32_t)sample->len;
        if (stream.len + sizeof(len) + len > wanted + SAMPLE_MAX) {
            break;
        }
        memcpy(stream.bytes + stream.len, &len, sizeof(len));
        memcpy(stream.bytes + stream.len + sizeof(len), sample->bytes, len);
        vary_uid(stream.bytes + stream.len + sizeof(len));
        stream.len += sizeof(len) + len;
        stream.payload += len;
        stream.records++;
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

enum work { TRANSCODE = 1, SCAN = 2 };

/* One buffer for each line, as a receiver has it. Returns the bytes of JSON. */
static size_t run(const struct stream *stream, struct fh_transcoder *transcoder, int work)
{
    struct fh_buf line;
    fh_buf_init(&line, (size_t)1 << 20);
    size_t json = 0;
    for (size_t at = 0; at < stream->len;) {
        uint32_t len;
        memcpy(&len, stream->bytes + at, sizeof(len));
        at += sizeof(len);
        struct fh_slice text = {stream->bytes + at, len};
        if (work & TRANSCODE) {
            fh_buf_clear(&line);
            if (fh_transcode(transcoder, stream->bytes + at, len, &line, NULL) != FH_TRANSCODE_OK) {
                die("a record was refused");
            }
            text = (struct fh_slice){line.data, line.len};
        }
        struct fh_envelope envelope;
        if ((work & SCAN) && fh_envelope_scan(text.data, text.len, &envelope) != FH_ENVELOPE_OK) {
            die("a line was refused");
        }
        json += text.len;
        at += len;
    }
    fh_buf_done(&line);
    return json;
}

static struct stream make_json(const struct stream *stream, struct fh_transcoder *transcoder)
{
    struct fh_buf all;
    fh_buf_init(&all, SIZE_MAX / 2);
    struct stream made = {.records = stream->records};
    for (size_t at = 0; at < stream->len;) {
        uint32_t len;
        uint32_t written = 0;
        memcpy(&len, stream->bytes + at, sizeof(len));
        at += sizeof(len);
        size_t before = all.len;
        if (fh_buf_append(&all, &written, sizeof(written)) < 0 ||
            fh_transcode(transcoder, stream->bytes + at, len, &all, NULL) != FH_TRANSCODE_OK) {
            die("a record was refused");
        }
        written = (uint32_t)(all.len - before - sizeof(written));
        memcpy(all.data + before, &written, sizeof(written));
        made.payload += written;
        at += len;
    }
    made.bytes = all.data;
    made.len = all.len;
    return made;
}

struct row {
    const char *name;
    const struct stream *stream;
    int work;
    double seconds[ROUNDS];
};

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 16;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    printf("seed %" PRIu64 ", ", seed);
    struct fh_schema *schema = NULL;
    struct fh_transcoder *transcoder = NULL;
    struct fh_error err;
    if (megabytes == 0 || fh_schema_open(NULL, &schema, &err) < 0 ||
        fh_transcoder_new(schema, NULL, &transcoder) < 0) {
        die("cannot begin");
    }
    struct stream protobuf = make_stream(megabytes * 1000000);
    struct stream json = make_json(&protobuf, transcoder);
    double records = (double)protobuf.records;
    printf("%zu records, %.0f bytes of protobuf, %.0f of JSON each; best and median of %d rounds, "
           "one core\n\n",
           protobuf.records, (double)protobuf.payload / records, (double)json.payload / records,
           ROUNDS);
    struct row rows[] = {
        {"transcode", &protobuf, TRANSCODE, {0}},
        {"transcode + scan", &protobuf, TRANSCODE | SCAN, {0}},
        {"scan of the JSON", &json, SCAN, {0}},
    };
    size_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
            double start = cpu_seconds();
            sum += run(rows[i].stream, transcoder, rows[i].work);
            rows[i].seconds[round] = cpu_seconds() - start;
        }
    }
    printf("%-20s %14s %14s %14s %16s\n", "", "protobuf MB/s", "median", "JSON MB/s",
           "1000 records/s");
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        qsort(rows[i].seconds, ROUNDS, sizeof(double), compare_doubles);
        double best = rows[i].seconds[0];
        printf("%-20s %14.0f %14.0f %14.0f %16.0f\n", rows[i].name,
               (double)protobuf.payload / best / 1e6,
               (double)protobuf.payload / rows[i].seconds[ROUNDS / 2] / 1e6,
               (double)json.payload / best / 1e6, records / best / 1e3);
    }
    fh_transcoder_free(transcoder);
    fh_schema_free(schema);
    free(protobuf.bytes);
    free(json.bytes);
    return sum == 0;
}
