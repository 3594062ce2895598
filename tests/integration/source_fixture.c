/* source_fixture.c: owns the collecting handler and the captured log of the receivers' tests. */
#include "source_fixture.h"

#include "fh/clock.h"
#include "fh/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool can_take(void *userdata, unsigned receiver)
{
    struct fixture *fixture = userdata;
    pthread_mutex_lock(&fixture->lock);
    bool enough =
        fixture->line_limit > 0 && fixture->collected[receiver].lines >= fixture->line_limit;
    pthread_mutex_unlock(&fixture->lock);
    unsigned asked = atomic_fetch_add(&fixture->asked, 1) + 1;
    bool turn = fixture->refuse_every > 0 && asked % fixture->refuse_every == 0;
    if (enough || turn || atomic_load(&fixture->full)) {
        atomic_fetch_add(&fixture->refusals, 1);
        return false;
    }
    return true;
}

static void on_line(void *userdata, unsigned receiver, const char *line, size_t len,
                    uint64_t offset, bool truncated)
{
    struct fixture *fixture = userdata;
    pthread_mutex_lock(&fixture->lock);
    struct collected *into = &fixture->collected[receiver];
    if (into->len + len + 1 > into->capacity) {
        into->capacity = (into->len + len + 1) * 2;
        into->text = realloc(into->text, into->capacity);
        if (!into->text) {
            abort();
        }
    }
    memcpy(into->text + into->len, line, len);
    into->text[into->len + len] = '\n';
    into->len += len + 1;
    into->lines++;
    into->last_offset = offset;
    into->truncated += truncated;
    into->unflushed++;
    pthread_mutex_unlock(&fixture->lock);
}

static void on_flush(void *userdata, unsigned receiver)
{
    struct fixture *fixture = userdata;
    pthread_mutex_lock(&fixture->lock);
    fixture->collected[receiver].flushes++;
    fixture->collected[receiver].unflushed = 0;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static int64_t resume_from(void *userdata, unsigned receiver)
{
    (void)receiver;
    struct fixture *fixture = userdata;
    return atomic_load(&fixture->resume_from);
}

static void on_connected(void *userdata, unsigned receiver, int64_t asked_from_ms)
{
    struct fixture *fixture = userdata;
    pthread_mutex_lock(&fixture->lock);
    fixture->collected[receiver].connected++;
    fixture->collected[receiver].asked_from_ms = asked_from_ms;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static void on_disconnected(void *userdata, unsigned receiver, const char *reason)
{
    struct fixture *fixture = userdata;
    pthread_mutex_lock(&fixture->lock);
    struct collected *into = &fixture->collected[receiver];
    into->disconnected++;
    snprintf(into->reason, sizeof(into->reason), "%s", reason);
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

const struct fh_source_handler fixture_handler = {
    .can_take = can_take,
    .line = on_line,
    .flush = on_flush,
    .resume_from = resume_from,
    .connected = on_connected,
    .disconnected = on_disconnected,
};

int fixture_setup(void **state)
{
    /* The tests speak to 127.0.0.1 and to nobody's proxy. */
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < FH_ARRAY_LEN(variables); i++) {
        unsetenv(variables[i]);
    }
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture) {
        return -1;
    }
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&fixture->changed, &attributes);
    pthread_condattr_destroy(&attributes);

    struct fh_config_firehose *firehose = &fixture->config.firehose;
    snprintf(firehose->path, sizeof(firehose->path), "%s", "/api/partners/v1/firehose/events");
    firehose->ranges = (struct fh_ranges){.count = 1, .range = {{1, 12}}};
    firehose->threads = 1;
    /* Longer than anybody here waits: a server whose thread had to wait is not given up by right.
     */
    firehose->silence_ms = 120000;
    firehose->connect_timeout_ms = 120000;
    firehose->backoff_min_ms = 10;
    firehose->backoff_max_ms = 50;
    firehose->backoff_reset_ms = 1000;
    firehose->refused_retry_ms = 600000;
    firehose->max_line_bytes = 8 << 20;

    snprintf(fixture->log_file, sizeof(fixture->log_file), "%s", "/tmp/fh-source-log-XXXXXX");
    fixture->log_fd = mkstemp(fixture->log_file);
    fixture->stderr_fd = dup(STDERR_FILENO);
    if (fixture->log_fd < 0 || fixture->stderr_fd < 0) {
        return -1;
    }
    unlink(fixture->log_file);
    dup2(fixture->log_fd, STDERR_FILENO);
    fh_log_init("test", FH_LOG_STDERR, LOG_DEBUG);
    *state = fixture;
    return 0;
}

static char *read_log(struct fixture *fixture)
{
    off_t size = lseek(fixture->stderr_fd < 0 ? -1 : fixture->log_fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)(size < 0 ? 0 : size) + 1);
    if (!text) {
        abort();
    }
    ssize_t n = pread(fixture->log_fd, text, (size_t)(size < 0 ? 0 : size), 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fh_sources_free(fixture->sources);
    if (fixture->server.play) {
        scripted_server_stop(&fixture->server);
    }
    dup2(fixture->stderr_fd, STDERR_FILENO);
    char *text = read_log(fixture);
    fputs(text, stderr);
    bool leaked = strstr(text, TEST_KEY) != NULL;
    free(text);
    close(fixture->stderr_fd);
    close(fixture->log_fd);
    for (int i = 0; i < FH_PARTITIONS; i++) {
        free(fixture->collected[i].text);
    }
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
    free(fixture);
    if (leaked) {
        fputs("the API key stands in the log\n", stderr);
    }
    return leaked ? -1 : 0;
}

void fixture_serve(struct fixture *fixture, scripted_play play, bool tls)
{
    fixture_serve_with(fixture, play, fixture, tls);
}

void fixture_serve_with(struct fixture *fixture, scripted_play play, void *userdata, bool tls)
{
    fixture->server.play = play;
    fixture->server.userdata = userdata;
    fixture->server.tls = tls;
    scripted_server_start(&fixture->server);
    struct fh_config_firehose *firehose = &fixture->config.firehose;
    snprintf(firehose->url, sizeof(firehose->url), "%s", fixture->server.url);
    snprintf(firehose->ca_file, sizeof(firehose->ca_file), "%s", fixture->server.ca_file);
}

void fixture_start(struct fixture *fixture)
{
    struct fh_error err = {""};
    if (fh_sources_new(&fixture->config, TEST_KEY, &fixture_handler, fixture, &err,
                       &fixture->sources) < 0 ||
        fh_sources_start(fixture->sources, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static struct timespec in_a_minute(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 60;
    return deadline;
}

#define WAIT_UNTIL(fixture, condition)                                                             \
    do {                                                                                           \
        struct timespec deadline = in_a_minute();                                                  \
        pthread_mutex_lock(&(fixture)->lock);                                                      \
        while (!(condition) &&                                                                     \
               pthread_cond_timedwait(&(fixture)->changed, &(fixture)->lock, &deadline) == 0) {    \
        }                                                                                          \
        bool reached = (condition);                                                                \
        pthread_mutex_unlock(&(fixture)->lock);                                                    \
        return reached;                                                                            \
    } while (0)

/* Lines count once they were flushed: a receiver that forgets to is found out. As long as some
 * come, the rest is waited for. */
bool fixture_wait_lines(struct fixture *fixture, size_t lines)
{
    const struct collected *collected = &fixture->collected[0];
    struct timespec deadline = in_a_minute();
    size_t before = 0;
    bool reached = false;
    pthread_mutex_lock(&fixture->lock);
    while (!(reached = collected->lines >= lines && collected->unflushed == 0)) {
        if (collected->lines > before) {
            before = collected->lines;
            deadline = in_a_minute();
        }
        if (pthread_cond_timedwait(&fixture->changed, &fixture->lock, &deadline) != 0 &&
            collected->lines == before) {
            break;
        }
    }
    pthread_mutex_unlock(&fixture->lock);
    return reached;
}

bool fixture_wait_connected(struct fixture *fixture, unsigned connected)
{
    WAIT_UNTIL(fixture, fixture->collected[0].connected >= connected);
}

bool fixture_wait_disconnected(struct fixture *fixture, unsigned disconnected)
{
    WAIT_UNTIL(fixture, fixture->collected[0].disconnected >= disconnected);
}

/* The state has no event of its own: it is asked for every millisecond. */
bool fixture_wait_state(struct fixture *fixture, enum fh_receiver_state state)
{
    struct fh_receiver_status status;
    for (int i = 0; i < 60000; i++) {
        fh_sources_status(fixture->sources, 0, &status);
        if (status.state == state) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

bool fixture_wake_until_lines(struct fixture *fixture, size_t lines)
{
    struct fh_time progress = fh_now();
    size_t before = 0;
    for (;;) {
        fh_sources_wake(fixture->sources);
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        pthread_mutex_lock(&fixture->lock);
        size_t now = fixture->collected[0].lines;
        pthread_mutex_unlock(&fixture->lock);
        if (now >= lines) {
            return true;
        }
        if (now > before) {
            before = now;
            progress = fh_now();
        } else if (fh_time_diff_ms(fh_now(), progress) > 60000) {
            return false;
        }
    }
}

bool fixture_wait_failures(struct fixture *fixture, unsigned failures)
{
    struct fh_receiver_status status;
    for (int i = 0; i < 60000; i++) {
        fh_sources_status(fixture->sources, 0, &status);
        if (status.failures >= failures) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

bool fixture_wait_logged(struct fixture *fixture, const char *needle)
{
    for (int i = 0; i < 6000; i++) {
        if (fixture_logged(fixture, needle) > 0) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

void fixture_collected(struct fixture *fixture, unsigned receiver, struct collected *ret)
{
    pthread_mutex_lock(&fixture->lock);
    *ret = fixture->collected[receiver];
    pthread_mutex_unlock(&fixture->lock);
}

bool fixture_has(struct fixture *fixture, const char *needle)
{
    pthread_mutex_lock(&fixture->lock);
    const struct collected *collected = &fixture->collected[0];
    bool has =
        collected->len > 0 && memmem(collected->text, collected->len, needle, strlen(needle));
    pthread_mutex_unlock(&fixture->lock);
    return has;
}

bool fixture_text_is(struct fixture *fixture, const char *expected, size_t len)
{
    pthread_mutex_lock(&fixture->lock);
    const struct collected *collected = &fixture->collected[0];
    bool same = collected->len == len && memcmp(collected->text, expected, len) == 0;
    pthread_mutex_unlock(&fixture->lock);
    return same;
}

unsigned fixture_logged(struct fixture *fixture, const char *needle)
{
    char *text = read_log(fixture);
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, needle)); at += strlen(needle)) {
        count++;
    }
    free(text);
    return count;
}
