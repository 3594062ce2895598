/* latency.c: how long an event takes from being issued to standing in the sink's file. Follows the
 * batch files of a directory while the daemon writes them and compares each record's
 * recordTimestamp with the wall clock; the simulator must run on this machine with --lateness-ms 0
 * --jitter-ms 0, so that the stamp is the moment of issue. The figure therefore includes simulator,
 * TLS and kernel.
 *
 * Usage: latency DIRECTORY SECONDS */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 20001 /* tenths of a millisecond, the last one for everything above 2 s */

static uint64_t histogram[BUCKETS];
static uint64_t total;

static int64_t wall_tenths(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 10000 + ts.tv_nsec / 100000;
}

static void observe(const char *line, size_t len, int64_t now)
{
    static const char key[] = "\"recordTimestamp\":";
    const char *found = memmem(line, len, key, sizeof(key) - 1);
    if (!found) {
        return;
    }
    int64_t age = now - strtoll(found + sizeof(key) - 1, NULL, 10) * 10;
    age = age < 0 ? 0 : age >= BUCKETS ? BUCKETS - 1 : age;
    histogram[age]++;
    total++;
}

/* Follow the newest .part file; returns its descriptor or -1. */
static int open_newest(const char *directory, char *current, size_t size)
{
    char newest[256] = "";
    DIR *folder = opendir(directory);
    if (!folder) {
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && len < sizeof(newest) && strcmp(entry->d_name + len - 5, ".part") == 0 &&
            strcmp(entry->d_name, newest) > 0) {
            memcpy(newest, entry->d_name, len + 1);
        }
    }
    closedir(folder);
    if (newest[0] == '\0' || strcmp(newest, current) <= 0) {
        return -1;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, newest);
    snprintf(current, size, "%s", newest);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Only what is written while we look counts. */
static int open_first(const char *directory, char *current, size_t size)
{
    int fd = open_newest(directory, current, size);
    if (fd >= 0) {
        lseek(fd, 0, SEEK_END);
    }
    return fd;
}

static char buffer[8 * 1024 * 1024];

static void follow(int fd, size_t *carry)
{
    for (ssize_t n; (n = read(fd, buffer + *carry, sizeof(buffer) - *carry)) > 0;) {
        int64_t now = wall_tenths();
        char *line = buffer;
        char *end = buffer + *carry + (size_t)n;
        for (char *newline; (newline = memchr(line, '\n', (size_t)(end - line)));
             line = newline + 1) {
            observe(line, (size_t)(newline - line), now);
        }
        *carry = (size_t)(end - line);
        memmove(buffer, line, *carry);
    }
}

static double percentile(double share)
{
    uint64_t wanted = (uint64_t)((double)total * share);
    uint64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted) {
            return i / 10.0;
        }
    }
    return BUCKETS / 10.0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: latency DIRECTORY SECONDS\n");
        return 2;
    }
    char current[256] = "";
    int64_t until = wall_tenths() + strtoll(argv[2], NULL, 10) * 10000;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    inotify_add_watch(watch, argv[1], IN_MODIFY | IN_CREATE);
    int fd = open_first(argv[1], current, sizeof(current));
    size_t carry = 0;
    while (wall_tenths() < until) {
        struct pollfd poll_fd = {.fd = watch, .events = POLLIN};
        char events[4096];
        poll(&poll_fd, 1, 100);
        while (read(watch, events, sizeof(events)) > 0) {
        }
        if (fd >= 0) {
            follow(fd, &carry);
        }
        int next = open_newest(argv[1], current, sizeof(current));
        if (next >= 0) {
            if (fd >= 0) {
                close(fd);
            }
            fd = next;
            carry = 0;
            follow(fd, &carry);
        }
    }
    printf("events %lu  p50 %.1f ms  p90 %.1f ms  p99 %.1f ms  p99.9 %.1f ms\n",
           (unsigned long)total, percentile(0.5), percentile(0.9), percentile(0.99),
           percentile(0.999));
    return total > 0 ? 0 : 1;
}
