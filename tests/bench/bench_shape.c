/* bench_shape.c: records per second on one core that go from the store to a sink, by what the sink
 * wants of them: as they are, filtered, with fewer fields, with the envelope. In one run, so that
 * the ratios can be compared.
 *
 * usage: bench_shape [MEGABYTES]. The sample events again and again, in batches of 256 KiB. */
#include "shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS      9
#define BATCH_BYTES ((size_t)256 * 1024)
#define BATCH_COUNT 1024

static char bytes[BATCH_BYTES + 16384];
static struct fh_slice record[BATCH_COUNT];
static struct fh_record_key key[BATCH_COUNT];
static uint64_t sequence[BATCH_COUNT];

static void die(const char *what)
{
    fprintf(stderr, "bench_shape: %s\n", what);
    exit(1);
}

static struct fh_store_batch make_batch(void)
{
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "r");
    struct fh_store_batch batch = {.record = record, .key = key, .sequence = sequence};
    size_t len = 0;
    while (file && len < BATCH_BYTES && batch.count < BATCH_COUNT) {
        if (!fgets(bytes + len, 16384, file)) {
            rewind(file);
            continue;
        }
        size_t line = strlen(bytes + len);
        record[batch.count] = (struct fh_slice){bytes + len, line - 1};
        sequence[batch.count] = batch.count;
        batch.count++;
        len += line;
    }
    if (!file || batch.count == 0) {
        die("cannot read the samples");
    }
    fclose(file);
    batch.raw = (struct fh_slice){bytes, len};
    return batch;
}

/* One batch, in as many portions as it takes. Returns the bytes a sink would write. */
static size_t apply(struct fh_shape *shape, const struct fh_store_batch *batch, uint64_t *records)
{
    size_t written = 0;
    for (uint32_t from = 0; from < batch->count;) {
        struct fh_store_batch rest = {.count = batch->count - from,
                                      .record = batch->record + from,
                                      .key = batch->key + from,
                                      .sequence = batch->sequence + from,
                                      .raw = {batch->record[from].data, 1}};
        struct fh_sink_write write;
        int64_t looked_at = fh_shape_apply(shape, &rest, 1, &write, NULL);
        if (looked_at <= 0) {
            die("a sample is no record");
        }
        for (uint32_t i = 0; i < write.count; i++) {
            written += write.record[i].len + 1;
        }
        *records += write.count;
        from += (uint32_t)looked_at;
    }
    return written;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const char *name, const struct fh_config_sink *config, bool wants_facts,
                    unsigned turns)
{
    struct fh_shape *shape = NULL;
    struct fh_error err = {""};
    struct fh_store_batch batch = make_batch();
    if (fh_shape_new(config, "a", 1, wants_facts, &err, &shape) < 0) {
        die(err.text);
    }
    double best = 1e9;
    size_t written = 0;
    uint64_t passed = 0;
    for (int round = 0; round < ROUNDS; round++) {
        written = 0;
        passed = 0;
        double start = seconds();
        for (unsigned i = 0; i < turns; i++) {
            written += apply(shape, &batch, &passed);
        }
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    uint64_t records = (uint64_t)turns * batch.count;
    printf("%-26s %12.0f records/s %9.0f MB/s   %3.0f %% of the records, %3.0f %% of the bytes\n",
           name, (double)records / best, (double)batch.raw.len * turns / best / 1e6,
           100.0 * (double)passed / (double)records,
           100.0 * (double)written / ((double)batch.raw.len * turns));
    fh_shape_free(shape);
}

int main(int argc, char **argv)
{
    unsigned turns = (unsigned)((argc > 1 ? atoi(argv[1]) : 64) * 4);
    struct fh_config_sink plain = {.name = "plain"};
    struct fh_config_sink types = {.event_types = {"IOT_TELEMETRY"}, .event_type_count = 1};
    struct fh_config_sink place = {.locations = {"location-1f00a003"}, .location_count = 1};
    struct fh_config_sink drop = {.drop = {"*.device.macAddress", "*.device.email", "*.user.email"},
                                  .drop_count = 3};
    struct fh_config_sink include = {.include = {"*.device.deviceId", "*.location.locationId"},
                                     .include_count = 2};
    struct fh_config_sink envelope = {.envelope = true};
    measure("as they are", &plain, false, turns);
    measure("facts for the sink", &plain, true, turns);
    measure("filter: one event type", &types, false, turns);
    measure("filter: a building", &place, false, turns);
    measure("envelope", &envelope, false, turns);
    measure("drop three fields", &drop, false, turns);
    measure("include two fields", &include, false, turns);
    return 0;
}
