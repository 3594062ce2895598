/* receive.c: the receivers as a program for the interop tests: reads a firehosed configuration,
 * writes lines to stdout as they come and what happens to stderr, reconnects as the daemon does.
 * Usage: receive CONFIG LINES SECONDS. Exit 0 once LINES lines have come, 1 when the time is up. */
#include "fh/config.h"
#include "fh/log.h"
#include "fh/source.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t lines; /* under lock */
static atomic_llong newest_ms;

static bool can_take(void *userdata, unsigned receiver)
{
    (void)userdata;
    (void)receiver;
    return true;
}

static void on_line(void *userdata, unsigned receiver, const char *line, size_t len,
                    uint64_t offset, bool truncated)
{
    (void)userdata;
    (void)receiver;
    (void)offset;
    static const char stamp[] = "\"recordTimestamp\":";
    const char *at = memmem(line, len, stamp, sizeof(stamp) - 1);
    if (at) { /* a number follows, and a brace at the end of the record stops it */
        atomic_store(&newest_ms, strtoll(at + sizeof(stamp) - 1, NULL, 10));
    }
    pthread_mutex_lock(&lock);
    fwrite(line, 1, len, stdout);
    fputs(truncated ? " TRUNCATED\n" : "\n", stdout);
    lines++;
    pthread_mutex_unlock(&lock);
}

static void on_flush(void *userdata, unsigned receiver)
{
    (void)userdata;
    (void)receiver;
    pthread_mutex_lock(&lock);
    fflush(stdout);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int64_t resume_from(void *userdata, unsigned receiver)
{
    (void)userdata;
    (void)receiver;
    return atomic_load(&newest_ms);
}

static void on_connected(void *userdata, unsigned receiver, int64_t asked_from_ms)
{
    (void)userdata;
    fprintf(stderr, "connected %u from %" PRId64 "\n", receiver, asked_from_ms);
}

static void on_disconnected(void *userdata, unsigned receiver, const char *reason)
{
    (void)userdata;
    fprintf(stderr, "disconnected %u: %s\n", receiver, reason);
}

static bool load(const char *path, struct fh_config *config, char *key)
{
    struct fh_config_findings findings = {0};
    struct fh_error err = {""};
    if (fh_config_load(path, config, &findings) < 0) {
        fprintf(stderr, "%s\n", findings.count > 0 ? findings.finding[0].text : path);
        return false;
    }
    if (fh_config_api_key(config, key, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    return true;
}

static bool wait_for(uint64_t wanted, long seconds)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += seconds;
    pthread_mutex_lock(&lock);
    while (lines < wanted && pthread_cond_timedwait(&changed, &lock, &deadline) == 0) {
    }
    bool reached = lines >= wanted;
    pthread_mutex_unlock(&lock);
    return reached;
}

int main(int argc, char **argv)
{
    static const struct fh_source_handler handler = {.can_take = can_take,
                                                     .line = on_line,
                                                     .flush = on_flush,
                                                     .resume_from = resume_from,
                                                     .connected = on_connected,
                                                     .disconnected = on_disconnected};
    static struct fh_config config; /* large */
    char key[FH_API_KEY_MAX];
    struct fh_error err = {""};
    struct fh_sources *sources = NULL;
    if (argc != 4 || !load(argv[1], &config, key)) {
        return 2;
    }
    fh_log_init("receive", FH_LOG_STDERR, LOG_DEBUG);
    if (fh_sources_new(&config, key, &handler, NULL, &err, &sources) < 0 ||
        fh_sources_start(sources, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    bool reached = wait_for(strtoull(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
    fh_sources_free(sources);
    return reached ? 0 : 1;
}
