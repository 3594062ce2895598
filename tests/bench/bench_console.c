/* bench_console.c: records per second on one core that the console reads and takes into its picture
 * of the space, and the memory that picture takes: of the samples again and again, and of location
 * updates alone, each of another device.
 *
 * usage: bench_console [ROUNDS] */
#include "space.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINES 30

static char line[LINES][4096];
static size_t line_count;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* of one core, whoever else runs */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long resident(void)
{
    long pages = 0, own = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &pages, &own) != 2) {
        own = 0;
    }
    if (file) {
        fclose(file);
    }
    return own * sysconf(_SC_PAGESIZE);
}

static struct space *make(void)
{
    static const uint8_t key[SPACE_KEY_BYTES] = "0123456789abcde";
    struct space *space = NULL;
    if (space_new(key, false, &space) < 0) {
        fprintf(stderr, "bench_console: out of memory\n");
        exit(1);
    }
    return space;
}

static void load(void)
{
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "r");
    while (file && line_count < LINES && fgets(line[line_count], sizeof(line[0]), file)) {
        line[line_count][strcspn(line[line_count], "\n")] = '\0';
        line_count++;
    }
    if (!file || line_count == 0) {
        fprintf(stderr, "bench_console: cannot read the samples\n");
        exit(1);
    }
    fclose(file);
}

static void samples(unsigned rounds)
{
    struct space *space = make();
    struct console_record record;
    size_t len[LINES];
    for (size_t i = 0; i < line_count; i++) {
        len[i] = strlen(line[i]);
    }
    double start = seconds();
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < line_count; i++) {
            if (console_record_read(line[i], len[i], &record)) {
                space_apply(space, &record, round);
            }
        }
    }
    double took = seconds() - start;
    printf("every event type        %10.0f records/s\n", rounds * (double)line_count / took);
    space_free(space);
}

static void devices(unsigned count, bool again)
{
    struct space *space = make();
    struct console_record record;
    struct space_counters counters;
    char device[32];
    static const char *text;
    for (size_t i = 0; i < line_count; i++) {
        text = strstr(line[i], "\"DEVICE_LOCATION_UPDATE\"") ? line[i] : text;
    }
    size_t len = strlen(text);
    long before = resident();
    double start = seconds();
    for (unsigned i = 0; i < count; i++) {
        if (!console_record_read(text, len, &record)) {
            exit(1);
        }
        unsigned number = again ? i % 20000 : i;
        record.device = (struct fh_slice){device, (size_t)sprintf(device, "device-%u", number)};
        char floor[32];
        record.location[0].id =
            (struct fh_slice){floor, (size_t)sprintf(floor, "location-%u", number % 100)};
        record.timestamp_ms = i;
        space_apply(space, &record, i / 1000);
    }
    double took = seconds() - start;
    long after = resident();
    space_counters(space, &counters);
    printf("location updates, %s %9.0f records/s; %u devices in %.1f MB: %.0f bytes each\n",
           again ? "20,000" : "all new", count / took, counters.devices,
           (double)(after - before) / 1e6, (double)(after - before) / counters.devices);
    space_free(space);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 40000;
    mallopt(M_MMAP_THRESHOLD, 65536);
    load();
    samples(rounds);
    devices(rounds * 30, true);
    devices(rounds * 30, false);
    return 0;
}
