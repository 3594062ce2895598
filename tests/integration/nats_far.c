/* nats_far.c: owns the processes, threads and connections around a NATS sink under test. */
#include "nats_far.h"

#include "../unit/own_loopback.h"

#include "fh/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define PATIENCE_MS FAR_PATIENCE_MS
#define STREAM      "FIREHOSE"
#define RELOADED    "Reloaded server configuration"

static bool in_time(struct fh_time since)
{
    return fh_time_diff_ms(fh_now(), since) < PATIENCE_MS;
}

/* ---- the server ---- */

bool far_possible(void)
{
    signal(SIGPIPE, SIG_IGN);
    // NOLINTNEXTLINE(cert-env33-c)
    bool possible = system("command -v nats-server >/dev/null") == 0;
    if (!possible) {
        puts("SKIPPED: nats-server is not installed (packaging/install-deps.sh test)");
    }
    return possible;
}

int far_library_done(void **state)
{
    (void)state;
    nats_CloseAndWait(5000);
    return 0;
}

const char *far_host(void)
{
    static char host[INET_ADDRSTRLEN];
    struct sockaddr_in address = own_loopback(0);
    return inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
}

static int dial(int port)
{
    struct sockaddr_in address = own_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void wait_listening(int port)
{
    struct fh_time since = fh_now();
    int fd;
    while ((fd = dial(port)) < 0) {
        assert_true(in_time(since));
        usleep(10000);
    }
    close(fd);
}

void far_server_again(struct far_server *server)
{
    char config[128];
    char log[128];
    snprintf(config, sizeof(config), "%s/nats.conf", server->directory);
    snprintf(log, sizeof(log), "%s/nats.log", server->directory);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        execlp("nats-server", "nats-server", "-c", config, (char *)NULL);
        _exit(127);
    }
    wait_listening(server->port);
}

static void write_config(const struct far_server *server, const char *more)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/nats.conf", server->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "listen: \"%s:%d\"\njetstream: { store_dir: \"%s/store\", max_mem: 64MB, "
            "max_file: 1GB }\n%s\n",
            far_host(), server->port, server->directory, more ? more : "");
    fclose(file);
}

void far_server_start(struct far_server *server, const char *more)
{
    if (server->directory[0] == '\0') {
        far_server_place(server);
    }
    server->port = own_loopback_port();
    assert_true(server->port > 0);
    write_config(server, more);
    far_server_again(server);
}

void far_server_place(struct far_server *server)
{
    snprintf(server->directory, sizeof(server->directory), "%s/fh-nats-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(server->directory));
}

/* How often it has read its configuration again. */
static unsigned reloads(const struct far_server *server)
{
    char path[128];
    char line[1024];
    unsigned count = 0;
    snprintf(path, sizeof(path), "%s/nats.log", server->directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        count += strstr(line, RELOADED) != NULL;
    }
    fclose(file);
    return count;
}

void far_server_change(struct far_server *server, const char *more)
{
    struct fh_time since = fh_now();
    unsigned before = reloads(server);
    write_config(server, more);
    assert_int_equal(kill(server->pid, SIGHUP), 0);
    while (reloads(server) == before) {
        assert_true(in_time(since));
        usleep(10000);
    }
}

void far_server_kill(struct far_server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

void far_server_done(struct far_server *server)
{
    char command[128];
    far_server_kill(server);
    snprintf(command, sizeof(command), "rm -rf '%s'", server->directory);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    server->directory[0] = '\0';
}

/* ---- the onlooker ---- */

void far_view_open(struct far_view *view, const struct far_server *server)
{
    char url[64];
    jsOptions options;
    snprintf(url, sizeof(url), "nats://onlooker:onlooker@%s:%d", far_host(), server->port);
    jsOptions_Init(&options);
    options.Wait = PATIENCE_MS;
    struct fh_time since = fh_now();
    while (natsConnection_ConnectTo(&view->connection, url) != NATS_OK) {
        assert_true(in_time(since)); /* it listens before it talks */
        usleep(10000);
    }
    assert_int_equal(natsConnection_JetStream(&view->js, view->connection, &options), NATS_OK);
}

void far_view_close(struct far_view *view)
{
    jsCtx_Destroy(view->js);
    natsConnection_Destroy(view->connection);
    *view = (struct far_view){NULL, NULL};
}

void far_make_stream(struct far_view *view, int64_t window_s, void (*change)(jsStreamConfig *))
{
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = STREAM;
    config.Subjects = (const char *[1]){"firehose.>"};
    config.SubjectsLen = 1;
    config.Duplicates = window_s * 1000000000;
    if (change) {
        change(&config);
    }
    natsStatus status = js_AddStream(NULL, view->js, &config, NULL, NULL);
    if (status != NATS_OK) {
        fail_msg("make the stream: %s", nats_GetLastError(NULL));
    }
}

static void note_header(natsMsg *msg, const char *name, char *into, size_t size)
{
    const char *value = NULL;
    if (natsMsgHeader_Get(msg, name, &value) == NATS_OK && value) {
        snprintf(into, size, "%s", value);
    }
}

static void note(natsMsg *msg, struct far_seen *seen)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    assert_int_equal(strncmp(text, "{\"n\":", 5), 0);
    uint64_t number = strtoull(text + 5, NULL, 10);
    assert_true(seen->count < SEEN_MAX);
    if (seen->count == 0) {
        note_header(msg, "Nats-Msg-Id", seen->first_id, sizeof(seen->first_id));
        note_header(msg, "Firehosed-Uid", seen->first_uid, sizeof(seen->first_uid));
        note_header(msg, "Firehosed-Epoch", seen->first_epoch, sizeof(seen->first_epoch));
        snprintf(seen->first_subject, sizeof(seen->first_subject), "%s", natsMsg_GetSubject(msg));
    }
    seen->number[seen->count++] = number;
}

void far_look(struct far_view *view, struct far_seen *seen)
{
    jsStreamInfo *info = NULL;
    natsSubscription *subscription = NULL;
    jsSubOptions options;
    memset(seen, 0, sizeof(*seen));
    if (js_GetStreamInfo(&info, view->js, STREAM, NULL, NULL) != NATS_OK) {
        return;
    }
    uint64_t messages = info->State.Msgs;
    jsStreamInfo_Destroy(info);
    jsSubOptions_Init(&options);
    options.Stream = STREAM;
    options.Ordered = true;
    assert_int_equal(js_SubscribeSync(&subscription, view->js, ">", NULL, &options, NULL), NATS_OK);
    for (uint64_t i = 0; i < messages; i++) {
        natsMsg *msg = NULL;
        assert_int_equal(natsSubscription_NextMsg(&msg, subscription, PATIENCE_MS), NATS_OK);
        note(msg, seen);
        natsMsg_Destroy(msg);
    }
    natsSubscription_Unsubscribe(subscription);
    natsSubscription_Destroy(subscription);
}

void far_expect(struct far_view *view, uint64_t first, uint64_t last, unsigned devices)
{
    static struct far_seen seen;
    static unsigned count[SEEN_MAX];
    uint64_t newest[64] = {0};
    assert_true(devices <= FH_ARRAY_LEN(newest) && last < SEEN_MAX);
    memset(count, 0, sizeof(count));
    far_look(view, &seen);
    for (size_t i = 0; i < seen.count; i++) {
        uint64_t number = seen.number[i];
        assert_true(number < SEEN_MAX);
        if (++count[number] > 1) {
            fail_msg("record %" PRIu64 " is there twice", number);
        }
        if (number < newest[number % devices]) {
            fail_msg("record %" PRIu64 " comes after %" PRIu64 " of the same device", number,
                     newest[number % devices]);
        }
        newest[number % devices] = number;
    }
    for (uint64_t number = 0; number < SEEN_MAX; number++) {
        if (count[number] != (number >= first && number <= last ? 1 : 0)) {
            fail_msg("record %" PRIu64 " is there %u times", number, count[number]);
        }
    }
}

/* ---- the connection that is cut ---- */

#define PIPES_MAX 16
struct pipe_pair {
    int client, server;
};

static bool pump(int from, int to, bool drop)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof(bytes), 0);
    if (len <= 0) {
        return false;
    }
    for (ssize_t at = 0; !drop && at < len;) {
        ssize_t n = send(to, bytes + at, (size_t)(len - at), MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += n;
    }
    return true;
}

static void end_pipe(struct pipe_pair *pair)
{
    close(pair->client);
    close(pair->server);
    *pair = (struct pipe_pair){-1, -1};
}

static void accept_one(struct far_cut *cut, struct pipe_pair *pairs)
{
    int client = accept4(cut->listener, NULL, NULL, SOCK_CLOEXEC);
    int server = client >= 0 ? dial(cut->to) : -1;
    for (size_t i = 0; server >= 0 && i < PIPES_MAX; i++) {
        if (pairs[i].client < 0) {
            pairs[i] = (struct pipe_pair){client, server};
            return;
        }
    }
    close(client);
    close(server);
}

static void serve(struct far_cut *cut, struct pipe_pair *pairs)
{
    struct pollfd fds[2 + 2 * PIPES_MAX];
    fds[0] = (struct pollfd){.fd = cut->listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = cut->wake[0], .events = POLLIN};
    for (size_t i = 0; i < PIPES_MAX; i++) {
        fds[2 + 2 * i] = (struct pollfd){.fd = pairs[i].client, .events = POLLIN};
        fds[3 + 2 * i] = (struct pollfd){.fd = pairs[i].server, .events = POLLIN};
    }
    poll(fds, FH_ARRAY_LEN(fds), -1);
    if (fds[1].revents) {
        char byte;
        (void)!read(cut->wake[0], &byte, 1);
    }
    for (size_t i = 0; i < PIPES_MAX; i++) {
        bool good = pairs[i].client >= 0;
        if (good && fds[2 + 2 * i].revents) {
            good = pump(pairs[i].client, pairs[i].server, false);
        }
        if (good && fds[3 + 2 * i].revents) {
            good = pump(pairs[i].server, pairs[i].client, atomic_load(&cut->deaf));
        }
        if (pairs[i].client >= 0 && (!good || atomic_load(&cut->cut))) {
            end_pipe(&pairs[i]);
        }
    }
    if (atomic_exchange(&cut->cut, false)) {
        atomic_fetch_add(&cut->times, 1);
    }
    if (fds[0].revents) {
        accept_one(cut, pairs);
    }
}

static void *run_cut(void *userdata)
{
    struct far_cut *cut = userdata;
    struct pipe_pair pairs[PIPES_MAX];
    for (size_t i = 0; i < PIPES_MAX; i++) {
        pairs[i] = (struct pipe_pair){-1, -1};
    }
    while (!atomic_load(&cut->stop)) {
        serve(cut, pairs);
    }
    for (size_t i = 0; i < PIPES_MAX; i++) {
        end_pipe(&pairs[i]);
    }
    return NULL;
}

void far_cut_start(struct far_cut *cut, int server_port)
{
    struct sockaddr_in address = own_loopback(0);
    socklen_t len = sizeof(address);
    memset(cut, 0, sizeof(*cut));
    cut->to = server_port;
    cut->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(cut->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(cut->listener, 16), 0);
    assert_int_equal(getsockname(cut->listener, (struct sockaddr *)&address, &len), 0);
    cut->port = ntohs(address.sin_port);
    assert_int_equal(pipe2(cut->wake, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&cut->thread, NULL, run_cut, cut), 0);
}

static void wake(struct far_cut *cut)
{
    assert_int_equal(write(cut->wake[1], "x", 1), 1);
}

void far_cut_now(struct far_cut *cut)
{
    atomic_store(&cut->cut, true);
    wake(cut);
    /* Told to stop, the other thread may be gone: nobody answers any more. */
    while (atomic_load(&cut->cut) && !atomic_load(&cut->stop)) {
        usleep(1000);
    }
}

void far_cut_done(struct far_cut *cut)
{
    atomic_store(&cut->stop, true);
    wake(cut);
    pthread_join(cut->thread, NULL);
    close(cut->listener);
    close(cut->wake[0]);
    close(cut->wake[1]);
}
