/* test_source_http2.c: receivers against the simulator over TLS and HTTP/2: every record of a burst
 * arrives once, however often the receivers pause, are cut or are told to reconnect. Argument: the
 * path of firehose-sim; with "multiplex" behind it, the same with receivers that share a
 * connection. */
#include "source_fixture.h"

#include "fh/clock.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants these above first */
#include <cmocka.h>

#define BURST "200000"

static const char *simulator_path;

struct simulator {
    pid_t pid;
    char directory[64];
    char ca_file[80];
    char url[128];
};

static struct simulator simulator;

static int start_simulator(void **state)
{
    (void)state;
    int out[2];
    snprintf(simulator.directory, sizeof(simulator.directory), "/tmp/fh-http2-XXXXXX");
    if (!mkdtemp(simulator.directory) || pipe(out) < 0) {
        return -1;
    }
    snprintf(simulator.ca_file, sizeof(simulator.ca_file), "%s/ca.pem", simulator.directory);
    simulator.pid = fork();
    if (simulator.pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        execl(simulator_path, simulator_path, "--api-key", TEST_KEY, "--listen", "127.0.0.1:0",
              "--make-cert", simulator.directory, "--rate", "max", "--events", BURST, "--paused",
              "--lateness-ms", "0", "--keep-alive-ms", "1000", NULL);
        _exit(127);
    }
    close(out[1]);
    char line[256] = "";
    size_t len = 0;
    while (simulator.pid > 0 && len + 1 < sizeof(line) && !strchr(line, '\n')) {
        ssize_t n = read(out[0], line + len, sizeof(line) - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        line[len] = '\0';
    }
    const char *url = strstr(line, "https://");
    if (!url) {
        fprintf(stderr, "the simulator does not start: %s\n", line);
        return -1;
    }
    snprintf(simulator.url, sizeof(simulator.url), "%.*s", (int)strcspn(url, " \n"), url);
    close(out[0]);
    return 0;
}

static int stop_simulator(void **state)
{
    (void)state;
    static const char *const files[] = {"ca.key", "ca.pem", "server.key", "server.pem"};
    kill(simulator.pid, SIGTERM);
    waitpid(simulator.pid, NULL, 0);
    for (size_t i = 0; i < FH_ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", simulator.directory, files[i]);
        unlink(path);
    }
    return rmdir(simulator.directory);
}

static int both_setup(void **state)
{
    return start_simulator(state) < 0 ? -1 : fixture_setup(state);
}

static int both_teardown(void **state)
{
    int r = fixture_teardown(state);
    return stop_simulator(state) < 0 ? -1 : r;
}

struct answer {
    char *text;
    size_t len;
};

static size_t on_answer(char *bytes, size_t size, size_t count, void *userdata)
{
    struct answer *answer = userdata;
    char *text = realloc(answer->text, answer->len + size * count + 1);
    if (!text) {
        return 0;
    }
    memcpy(text + answer->len, bytes, size * count);
    answer->text = text;
    answer->len += size * count;
    answer->text[answer->len] = '\0';
    return size * count;
}

/* Ask the simulator's control endpoint; the caller frees the answer. */
static char *ask(const char *method, const char *path)
{
    char url[256];
    snprintf(url, sizeof(url), "%s%s", simulator.url, path);
    struct answer answer = {0};
    CURL *easy = curl_easy_init();
    assert_non_null(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_CAINFO, simulator.ca_file);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
    assert_int_equal(curl_easy_perform(easy), CURLE_OK);
    curl_easy_cleanup(easy);
    assert_non_null(answer.text);
    return answer.text;
}

/* ---- what was sent against what came ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cut a text into its lines and let each be rewritten to its key in place; NULL drops the line. */
static char **sorted(char *text, char *(*key)(char *line), size_t *ret_count)
{
    size_t size = 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++) {
        size++;
    }
    char **keys = calloc(size, sizeof(*keys));
    assert_non_null(keys);
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *found = key(line);
        if (found) {
            keys[count++] = found;
        }
    }
    qsort(keys, count, sizeof(*keys), compare);
    *ret_count = count;
    return keys;
}

/* "uid timestamp partition" -> "uid timestamp" */
static char *ledger_key(char *line)
{
    char *last = strrchr(line, ' ');
    if (last) {
        *last = '\0';
    }
    return line;
}

static char *record_key(char *line)
{
    if (strstr(line, "\"KEEP_ALIVE\"")) {
        return NULL;
    }
    char uid[64] = "";
    char stamp[32] = "";
    const char *at = strstr(line, "\"recordUid\":\"");
    const char *time = strstr(line, "\"recordTimestamp\":");
    assert_non_null(at);
    assert_non_null(time);
    at += strlen("\"recordUid\":\"");
    time += strlen("\"recordTimestamp\":");
    snprintf(uid, sizeof(uid), "%.*s", (int)strcspn(at, "\""), at);
    snprintf(stamp, sizeof(stamp), "%.*s", (int)strspn(time, "0123456789"), time);
    snprintf(line, strlen(line) + 1, "%s %s", uid, stamp); /* shorter than what it came from */
    return line;
}

/* Everything collected so far, of all receivers, as one text. */
static char *collect_all(struct fixture *fixture)
{
    size_t len = 0;
    pthread_mutex_lock(&fixture->lock);
    for (int i = 0; i < FH_PARTITIONS; i++) {
        len += fixture->collected[i].len;
    }
    char *all = malloc(len + 1);
    assert_non_null(all);
    len = 0;
    for (int i = 0; i < FH_PARTITIONS; i++) {
        const struct collected *collected = &fixture->collected[i];
        if (collected->len > 0) {
            memcpy(all + len, collected->text, collected->len);
            len += collected->len;
        }
    }
    pthread_mutex_unlock(&fixture->lock);
    all[len] = '\0';
    return all;
}

/* Records of the ledger that did not come; duplicates are counted apart. */
static size_t missing(struct fixture *fixture, size_t *ret_duplicates, size_t *ret_sent)
{
    char *ledger = ask("GET", "/sim/ledger");
    char *all = collect_all(fixture);
    size_t sent = 0;
    size_t came = 0;
    char **sent_keys = sorted(ledger, ledger_key, &sent);
    char **came_keys = sorted(all, record_key, &came);
    size_t lost = 0;
    size_t at = 0;
    for (size_t i = 0; i < sent; i++) {
        while (at < came && strcmp(came_keys[at], sent_keys[i]) < 0) {
            at++;
        }
        if (at < came && strcmp(came_keys[at], sent_keys[i]) == 0) {
            at++;
        } else {
            lost++;
        }
    }
    *ret_sent = sent;
    *ret_duplicates = came - (sent - lost);
    free(sent_keys);
    free(came_keys);
    free(ledger);
    free(all);
    return lost;
}

/* The simulator may need a while to notice the end of the others. */
static bool only_four_are_served(void)
{
    bool good = false;
    for (int wait = 0; wait < 6000 && !good; wait++) {
        char *status = ask("GET", "/sim/status");
        good = strstr(status, "\"replica\":1,\"connections\":4,") != NULL;
        free(status);
        nanosleep(&(struct timespec){.tv_nsec = good ? 0 : 10000000}, NULL);
    }
    return good;
}

/* ---- the tests ---- */

static void connect_all(struct fixture *fixture, unsigned receivers, int64_t threads)
{
    struct fh_config_firehose *firehose = &fixture->config.firehose;
    snprintf(firehose->url, sizeof(firehose->url), "%s", simulator.url);
    snprintf(firehose->ca_file, sizeof(firehose->ca_file), "%s", simulator.ca_file);
    firehose->replica_id = 1;
    firehose->threads = threads;
    assert_int_equal(fh_ranges_split(receivers, &firehose->ranges), 0);
    fixture_start(fixture);
    for (unsigned i = 0; i < receivers; i++) {
        struct fh_receiver_status status = {0};
        for (int wait = 0; wait < 60000 && status.connects == 0; wait++) {
            fh_sources_status(fixture->sources, i, &status);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_true(status.connects >= 1);
        assert_string_equal(status.protocol, "HTTP/2");
    }
}

/* Two seconds without a record are the end of the burst, if everything has come; a minute without
 * one is the failure to be found. */
static void drain(struct fixture *fixture, bool wake)
{
    uint64_t before = 0;
    struct fh_time progress = fh_now();
    struct fh_time look = fh_time_add_ms(progress, 2000);
    while (fh_time_diff_ms(fh_now(), progress) < 60000) {
        size_t ignored = 0;
        if (fh_time_diff_ms(fh_now(), progress) >= 2000 && !fh_time_before(fh_now(), look)) {
            if (missing(fixture, &ignored, &ignored) == 0) {
                return;
            }
            look = fh_time_add_ms(fh_now(), 2000);
        }
        uint64_t bytes = 0;
        for (unsigned i = 0; i < fh_sources_count(fixture->sources); i++) {
            struct fh_receiver_status status;
            fh_sources_status(fixture->sources, i, &status);
            bytes += status.bytes;
        }
        if (bytes - before > 16384) { /* keep-alives are no progress */
            progress = fh_now();
            before = bytes;
        }
        if (wake) {
            fh_sources_wake(fixture->sources);
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}

static void a_burst_arrives_once_and_in_full(void **state)
{
    struct fixture *fixture = *state;
    connect_all(fixture, 12, 2);
    free(ask("POST", "/sim/start"));
    drain(fixture, false);
    size_t duplicates = 0;
    size_t sent = 0;
    assert_int_equal(missing(fixture, &duplicates, &sent), 0);
    assert_int_equal(duplicates, 0);
    assert_int_equal(sent, strtoul(BURST, NULL, 10));
    assert_int_equal(fixture_logged(fixture, "[stream-down]"), 0);
}

static void pausing_over_http2_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->refuse_every = 29; /* libcurl copies what it holds back at each pause */
    connect_all(fixture, 4, 1);
    free(ask("POST", "/sim/start"));
    drain(fixture, true);
    size_t duplicates = 0;
    size_t sent = 0;
    assert_int_equal(missing(fixture, &duplicates, &sent), 0);
    assert_int_equal(duplicates, 0);
    assert_true(atomic_load(&fixture->refusals) > 100);
    assert_int_equal(fixture_logged(fixture, "[stream-down]"), 0);
}

/* A long pause: the windows fill, the simulator cannot send, and all comes after the wake. */
static void a_long_pause_over_http2_is_backpressure(void **state)
{
    struct fixture *fixture = *state;
    connect_all(fixture, 1, 1);
    atomic_store(&fixture->full, true);
    free(ask("POST", "/sim/start"));
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED));
    atomic_store(&fixture->full, false);
    fh_sources_wake(fixture->sources);
    drain(fixture, false);
    size_t duplicates = 0;
    size_t sent = 0;
    assert_int_equal(missing(fixture, &duplicates, &sent), 0);
    assert_int_equal(duplicates, 0);
    assert_int_equal(fixture_logged(fixture, "[stream-"), 1); /* up, and no more */
}

/* Nor is it silence, however long it lasts. (A simulator that was held up before we paused may have
 * been given up, by right: what counts is what happens from then on.) */
static void a_long_pause_over_http2_is_no_silence(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 1500;
    connect_all(fixture, 1, 1);
    atomic_store(&fixture->full, true);
    assert_true(fixture_wait_state(fixture, FH_RECEIVER_PAUSED)); /* a keep-alive is held back */
    unsigned before = fixture_logged(fixture, "[stream-");
    nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 500000000}, NULL);
    struct fh_receiver_status status;
    fh_sources_status(fixture->sources, 0, &status);
    assert_int_equal(status.state, FH_RECEIVER_PAUSED);
    assert_int_equal(fixture_logged(fixture, "[stream-"), before);
}

/* Told to reconnect in full flight, with a resume point before the first event: what the old
 * connections had swallowed is replayed. Duplicates are expected, losses are not. */
static void reconnecting_in_full_flight_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->resume_from, 1000);
    connect_all(fixture, 4, 2);
    free(ask("POST", "/sim/start"));
    for (unsigned i = 0; i < 5; i++) {
        /* Something must have come, or there is nothing that could come again. */
        assert_true(fixture_wait_connected(fixture, i + 1));
        struct collected collected;
        fixture_collected(fixture, 0, &collected);
        assert_true(fixture_wait_lines(fixture, collected.lines + 1));
        fh_sources_reconnect(fixture->sources, 0xf);
    }
    drain(fixture, false);
    size_t duplicates = 0;
    size_t sent = 0;
    assert_int_equal(missing(fixture, &duplicates, &sent), 0);
    assert_true(duplicates > 0);
    assert_true(only_four_are_served()); /* none of the twenty old ones is still open */
    assert_int_equal(fixture_logged(fixture, "429"), 0);
}

/* ---- several receivers over one connection ---- */

static int both_setup_multiplex(void **state)
{
    int r = both_setup(state);
    if (r == 0) {
        ((struct fixture *)*state)->config.firehose.multiplex = true;
    }
    return r;
}

/* Sockets of this process that lead to the simulator. */
static unsigned connections(void)
{
    unsigned port = 0;
    unsigned count = 0;
    assert_int_equal(sscanf(strrchr(simulator.url, ':'), ":%u", &port), 1);
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in address;
        socklen_t len = sizeof(address);
        if (getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
            address.sin_family == AF_INET && ntohs(address.sin_port) == port) {
            count++;
        }
    }
    return count;
}

static void receivers_of_a_thread_share_a_connection(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->resume_from, 1000);
    connect_all(fixture, 12, 2);
    assert_int_equal(connections(), 2);
    free(ask("POST", "/sim/start"));
    for (int i = 0; i < 3; i++) { /* one stream anew; its neighbours notice nothing */
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        fh_sources_reconnect(fixture->sources, 1);
    }
    drain(fixture, false);
    for (unsigned i = 1; i < 12; i++) {
        struct fh_receiver_status status;
        fh_sources_status(fixture->sources, i, &status);
        assert_int_equal(status.connects, 1);
    }
    assert_int_equal(connections(), 2);
    assert_int_equal(fixture_logged(fixture, "[stream-down]"), 0);
}

/* The other side is there and says nothing any more: a new attempt over the same connection would
 * hear as little. */
static void a_dead_connection_is_given_up_by_all(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.firehose.silence_ms = 3000;
    fixture->config.firehose.connect_timeout_ms = 3000;
    atomic_store(&fixture->resume_from, 1000);
    connect_all(fixture, 4, 1);
    free(ask("POST", "/sim/start"));
    kill(simulator.pid, SIGSTOP);
    for (int wait = 0; wait < 60000 && fixture_logged(fixture, "[stream-silent]") == 0; wait++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill(simulator.pid, SIGCONT);
    for (unsigned i = 0; i < 4; i++) {
        struct fh_receiver_status status = {0};
        for (int wait = 0; wait < 60000 && status.connects < 2; wait++) {
            fh_sources_status(fixture->sources, i, &status);
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_true(status.connects >= 2);
    }
    drain(fixture, false);
    size_t duplicates = 0;
    size_t sent = 0;
    assert_int_equal(missing(fixture, &duplicates, &sent), 0);
    for (int wait = 0; wait < 60000 && connections() != 1; wait++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(connections(), 1);
    assert_true(only_four_are_served()); /* none of the old streams */
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s PATH-OF-FIREHOSE-SIM [multiplex]\n", argv[0]);
        return 2;
    }
    simulator_path = argv[1];
#define WITH_SIMULATOR(test) cmocka_unit_test_setup_teardown(test, both_setup, both_teardown)
    const struct CMUnitTest tests[] = {
        WITH_SIMULATOR(a_burst_arrives_once_and_in_full),
        WITH_SIMULATOR(pausing_over_http2_loses_nothing),
        WITH_SIMULATOR(a_long_pause_over_http2_is_backpressure),
        WITH_SIMULATOR(a_long_pause_over_http2_is_no_silence),
        WITH_SIMULATOR(reconnecting_in_full_flight_loses_nothing),
    };
    const struct CMUnitTest multiplexed[] = {
#define MULTIPLEXED(name, test) {name, test, both_setup_multiplex, both_teardown, NULL}
        MULTIPLEXED("multiplexed: a burst", a_burst_arrives_once_and_in_full),
        MULTIPLEXED("multiplexed: pausing", pausing_over_http2_loses_nothing),
        MULTIPLEXED("multiplexed: a long pause", a_long_pause_over_http2_is_backpressure),
        MULTIPLEXED("multiplexed: no silence", a_long_pause_over_http2_is_no_silence),
        MULTIPLEXED("multiplexed: reconnecting", reconnecting_in_full_flight_loses_nothing),
        MULTIPLEXED("multiplexed: one connection a thread",
                    receivers_of_a_thread_share_a_connection),
        MULTIPLEXED("multiplexed: a dead connection", a_dead_connection_is_given_up_by_all),
    };
    return argc > 2 ? cmocka_run_group_tests(multiplexed, NULL, NULL)
                    : cmocka_run_group_tests(tests, NULL, NULL);
}
