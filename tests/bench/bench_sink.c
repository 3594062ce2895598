/* bench_sink.c: events per second of one sink, through its table of functions, against its real
 * far side: write and accept (or prepare and publish) of records like those of the service.
 *
 *   bench_sink CONFIG RECORDS [SAMPLES]
 *
 * CONFIG is a firehosed.conf with exactly one sink; its far side is there. SAMPLES: a file of
 * records (tests/data/sample-events.ndjson), repeated with new uids. Prints one line:
 * TYPE RECORDS SECONDS EVENTS_PER_SECOND. Gives up after LIMIT_S. */
#include "fh/clock.h"
#include "fh/config.h"
#include "fh/envelope.h"
#include "fh/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_S       120
#define PORTION       256 /* what the store hands out at a time */
#define DEVICES       500
#define SAMPLES_MAX   512
#define RECORD_MAX    ((size_t)64 * 1024)
#define FIRST_TIME_MS INT64_C(1767225600000)

static struct fh_slice samples[SAMPLES_MAX];
static size_t sample_count;

/* One portion, in buffers that are used again and again. */
static struct {
    char *bytes; /* each record with its newline, in one piece as the store has them */
    size_t len;
    struct fh_slice record[PORTION];
    struct fh_record_key key[PORTION];
    struct fh_record_facts facts[PORTION];
    uint64_t sequence[PORTION];
    char device[PORTION][32];
    char uid[PORTION][32];
} portion;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_sink: %s: %s\n", what, why);
    exit(1);
}

static void read_samples(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    if (!file) {
        die(path, strerror(errno));
    }
    for (ssize_t len; sample_count < SAMPLES_MAX && (len = getline(&line, &room, file)) > 0;) {
        struct fh_envelope envelope;
        size_t record_len = line[len - 1] == '\n' ? (size_t)len - 1 : (size_t)len;
        if (record_len < RECORD_MAX &&
            fh_envelope_scan(line, record_len, &envelope) == FH_ENVELOPE_OK &&
            !fh_envelope_is_keep_alive(&envelope)) {
            samples[sample_count++] = (struct fh_slice){strndup(line, record_len), record_len};
        }
    }
    free(line);
    fclose(file);
    if (sample_count == 0) {
        die(path, "no record in it");
    }
}

/* The sample with another uid in place of its own. */
static size_t make_record(struct fh_slice sample, const char *uid, char *into)
{
    struct fh_envelope envelope;
    (void)fh_envelope_scan(sample.data, sample.len, &envelope);
    size_t before = (size_t)(envelope.uid.data - sample.data);
    size_t after = before + envelope.uid.len;
    memcpy(into, sample.data, before);
    size_t len = before + (size_t)sprintf(into + before, "%s", uid);
    memcpy(into + len, sample.data + after, sample.len - after);
    return len + sample.len - after;
}

static void make_facts(size_t i, uint64_t sequence)
{
    struct fh_envelope envelope;
    struct fh_record_facts *facts = &portion.facts[i];
    (void)fh_envelope_scan(portion.record[i].data, portion.record[i].len, &envelope);
    snprintf(portion.device[i], sizeof(portion.device[i]), "device-%06u",
             (unsigned)(sequence * 2654435761U % DEVICES));
    facts->uid = envelope.uid;
    facts->type = envelope.type;
    facts->tenant = envelope.tenant;
    facts->timestamp_ms = FIRST_TIME_MS + (int64_t)sequence;
    facts->device = (struct fh_slice){portion.device[i], strlen(portion.device[i])};
    facts->location[0] = (struct fh_slice){"location-1f00a004", 17};
    facts->location_count = 1;
    portion.key[i] = (struct fh_record_key){
        .fingerprint = fh_envelope_fingerprint(&envelope, portion.record[i].data,
                                               portion.record[i].len, FH_KEY_UID_TIMESTAMP),
        .timestamp_ms = facts->timestamp_ms};
    portion.sequence[i] = sequence;
}

static uint32_t make_portion(uint64_t first, uint64_t end)
{
    uint32_t count = 0;
    portion.len = 0;
    for (uint64_t sequence = first; sequence < end && count < PORTION; sequence++, count++) {
        char *at = portion.bytes + portion.len;
        snprintf(portion.uid[count], sizeof(portion.uid[count]), "event-%08" PRIx64, sequence);
        size_t len = make_record(samples[sequence % sample_count], portion.uid[count], at);
        at[len] = '\n';
        portion.record[count] = (struct fh_slice){at, len};
        portion.len += len + 1;
        make_facts(count, sequence);
    }
    return count;
}

/* ---- the sink as the delivery thread sees it ---- */

struct run {
    const struct fh_sink_ops *ops;
    void *sink;
    struct fh_time until;
    struct fh_error err;
};

/* A far side that is slow or not yet there: again, within limits. */
static void wait_a_little(struct run *run, const char *what)
{
    if (!fh_time_before(fh_now(), run->until)) {
        die(what, run->err.text[0] ? run->err.text : "took too long");
    }
    usleep(200);
}

static int found_nothing(void *userdata, const struct fh_record_key *keys, size_t count)
{
    (void)userdata;
    (void)keys;
    (void)count;
    return 0;
}

static void begin(struct run *run)
{
    while (run->ops->lead && run->ops->lead(run->sink, 1, &run->err) < 0) {
        wait_a_little(run, "lead");
    }
    while (run->ops->recover &&
           run->ops->recover(run->sink, "", FIRST_TIME_MS, found_nothing, NULL, &run->err) < 0) {
        wait_a_little(run, "recover");
    }
}

static void end_batch(struct run *run)
{
    char position[FH_SINK_POSITION_MAX] = "";
    int r;
    if (run->ops->prepare) {
        if (run->ops->flush(run->sink, &run->err) < 0 ||
            run->ops->prepare(run->sink, position, &run->err) < 0 ||
            run->ops->publish(run->sink, position, &run->err) < 0) {
            die("publish", run->err.text);
        }
        return;
    }
    while ((r = run->ops->accept(run->sink, position, &run->err)) == -EAGAIN) {
        wait_a_little(run, "accept");
    }
    if (r < 0) {
        die("accept", run->err.text);
    }
}

static void deliver(struct run *run, uint64_t records)
{
    for (uint64_t next = 0; next < records;) {
        uint32_t count = make_portion(next, records);
        struct fh_sink_write write = {.record = portion.record,
                                      .key = portion.key,
                                      .facts = run->ops->wants_facts ? portion.facts : NULL,
                                      .sequence = portion.sequence,
                                      .count = count,
                                      .raw = {portion.bytes, portion.len},
                                      .epoch = 1};
        int r;
        while ((r = run->ops->write(run->sink, &write, &run->err)) == -EAGAIN) {
            wait_a_little(run, "write");
        }
        if (r < 0) {
            die("write", run->err.text);
        }
        if (run->ops->due_in(run->sink, fh_now()) == 0) {
            end_batch(run);
        }
        next += count;
    }
    if (run->ops->due_in(run->sink, fh_now()) >= 0) {
        end_batch(run);
    }
}

static int refused(void *userdata, struct fh_slice record, const char *reason, struct fh_error *err)
{
    (void)userdata;
    (void)record;
    (void)err;
    die("a record was refused", reason);
    return -EIO;
}

static void load(const char *path, struct fh_config *config)
{
    struct fh_config_findings findings = {0};
    int r = fh_config_load(path, config, &findings);
    for (size_t i = 0; r < 0 && i < findings.count; i++) {
        fprintf(stderr, "%s\n", findings.finding[i].text);
    }
    if (r < 0 || config->sink_count != 1) {
        die(path, r < 0 ? "refused" : "one sink is wanted");
    }
}

int main(int argc, char **argv)
{
    static struct fh_config config;
    struct run run = {0};
    uint64_t records = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (records == 0) {
        fprintf(stderr, "usage: bench_sink CONFIG RECORDS [SAMPLES]\n");
        return 2;
    }
    load(argv[1], &config);
    read_samples(argc > 3 ? argv[3] : "tests/data/sample-events.ndjson");
    portion.bytes = malloc(PORTION * RECORD_MAX);
    run.ops = fh_sink_for(&config.sinks[0]);
    if (!portion.bytes || !run.ops) {
        die(config.sinks[0].type, "not in this build");
    }
    struct fh_sink_context context = {.node = config.node.name,
                                      .state_dir = config.node.state_dir,
                                      .replica = config.firehose.replica_id,
                                      .refused = refused};
    if (run.ops->open(&config.sinks[0], &context, &run.err, &run.sink) < 0) {
        die("open", run.err.text);
    }
    run.until = fh_time_add_ms(fh_now(), LIMIT_S * 1000);
    begin(&run);
    struct fh_time start = fh_now();
    deliver(&run, records);
    double seconds = (double)(fh_now().ns - start.ns) / 1e9;
    printf("%s %" PRIu64 " %.3f %.0f\n", run.ops->type, records, seconds,
           (double)records / seconds);
    (void)run.ops->abandon(run.sink, NULL, 0, &run.err);
    run.ops->close(run.sink);
    free(portion.bytes);
    return 0;
}
