/* link_node.c: the engine with a host that keeps its books in a small file. */
#include "link_node.h"

#include "fh/clock.h"
#include "fh/ha.h"
#include "fh/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTION 50

/* ---- the node ---- */

struct books {
    uint64_t store_id, epoch, last_primary, own_last, peer_applied, peer_store;
};

static struct {
    struct fh_ha *ha;
    sd_event *event;
    struct books books;
    const char *state;
    uint64_t epoch;
    int ready, protected;
    bool full;
    char input[256];
    size_t input_len;
} me;

static void write_books(void)
{
    FILE *file = fopen(me.state, "wb");
    if (!file || fwrite(&me.books, sizeof(me.books), 1, file) != 1 || fclose(file) != 0) {
        perror(me.state);
        exit(1);
    }
}

static void read_books(const char *name)
{
    FILE *file = fopen(me.state, "rb");
    if (!file || fread(&me.books, sizeof(me.books), 1, file) != 1) {
        memset(&me.books, 0, sizeof(me.books));
        me.books.store_id = (uint64_t)getpid() * 1000 + (unsigned char)name[0];
    }
    if (file) {
        fclose(file);
    }
}

static void push_local(void)
{
    struct fh_ha_local local = {
        .streams_live = true,
        .sinks_healthy = true,
        .own_report_last = me.books.own_last,
        .peer_report_applied = me.books.peer_applied,
        .peer_report_store = me.books.peer_store,
    };
    for (int i = 0; i < FH_PARTITIONS; i++) {
        local.received.partition_ms[i] = 2000000;
        local.delivered.partition_ms[i] = 1000000;
        local.covered_from.partition_ms[i] = 500000;
    }
    fh_ha_set_local(me.ha, &local);
}

static void send_one(uint64_t number)
{
    struct fh_record_key key = {number, (int64_t)number};
    struct fh_report report = {.number = number,
                               .epoch = me.epoch,
                               .state = FH_REPORT_DELIVERED,
                               .sink = "archive",
                               .count = 1,
                               .keys = &key};
    char bytes[512];
    fh_report_encode(&report, bytes);
    fh_ha_send_report(me.ha, number, bytes, fh_report_size(&report));
}

static void persist_epoch(void *userdata, uint64_t epoch, bool as_primary)
{
    (void)userdata;
    me.books.epoch = epoch;
    me.books.last_primary = as_primary;
    write_books();
    fh_ha_epoch_done(me.ha, epoch, 0);
}

static void start_delivery(void *userdata, uint64_t epoch)
{
    (void)userdata;
    me.epoch = epoch;
    printf("start %" PRIu64 "\n", epoch);
}

static void stop_delivery(void *userdata)
{
    (void)userdata;
    printf("stop\n");
    fh_ha_delivery_stopped(me.ha);
}

static void resume_streams(void *userdata, const struct fh_checkpoint *checkpoint)
{
    (void)userdata;
    printf("resume %" PRId64 "\n", checkpoint->partition_ms[0]);
}

static void peer_report(void *userdata, uint64_t store, uint64_t number, const void *bytes,
                        size_t len)
{
    (void)userdata;
    struct fh_report head;
    if (fh_report_peek(bytes, len, &head) < 0 || head.number != number) {
        printf("garbled %" PRIu64 "\n", number);
        return;
    }
    if (store == me.books.peer_store && number <= me.books.peer_applied) {
        printf("repeated %" PRIu64 "\n", number);
    }
    me.books.peer_store = store;
    me.books.peer_applied = number;
    printf("applied %" PRIu64 "\n", number);
    fh_ha_report_applied(me.ha, store, number);
}

static bool takes_reports(void *userdata)
{
    (void)userdata;
    return !me.full;
}

static void peer_confirmed(void *userdata, uint64_t number)
{
    (void)userdata;
    printf("confirmed %" PRIu64 "\n", number);
}

static void peer_wants(void *userdata, uint64_t store, uint64_t from, int64_t min_timestamp_ms)
{
    (void)store;
    (void)userdata;
    (void)min_timestamp_ms;
    uint64_t number = from;
    for (; number <= me.books.own_last && number < from + PORTION; number++) {
        send_one(number);
    }
    fh_ha_wants_answered(me.ha, number);
}

static void peer_in_sync(void *userdata, bool in_sync)
{
    (void)userdata;
    printf("in-sync %d\n", in_sync);
}

static void settle_in_doubt(void *userdata, bool known, uint64_t peer_applied)
{
    (void)userdata;
    printf("settle %d %" PRIu64 "\n", known, peer_applied);
    fh_ha_in_doubt_settled(me.ha);
}

static void peer_checkpoint(void *userdata, const struct fh_checkpoint *delivered)
{
    (void)userdata;
    printf("checkpoint %" PRId64 "\n", delivered->partition_ms[0]);
}

static void role_changed(void *userdata, enum fh_role role, uint64_t epoch, const char *reason)
{
    (void)userdata;
    printf("role %s %" PRIu64 " %s\n", fh_role_name(role), epoch, reason);
}

static const struct fh_ha_host host = {
    .persist_epoch = persist_epoch,
    .start_delivery = start_delivery,
    .stop_delivery = stop_delivery,
    .resume_streams = resume_streams,
    .peer_report = peer_report,
    .takes_reports = takes_reports,
    .peer_confirmed = peer_confirmed,
    .peer_wants = peer_wants,
    .peer_in_sync = peer_in_sync,
    .settle_in_doubt = settle_in_doubt,
    .peer_checkpoint = peer_checkpoint,
    .role_changed = role_changed,
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)usec;
    (void)userdata;
    struct fh_ha_status status;
    push_local();
    fh_ha_status(me.ha, &status);
    if (status.ready != me.ready) {
        me.ready = status.ready;
        printf("ready %d %s\n", status.ready, status.sync);
    }
    if (status.protected != me.protected) {
        me.protected = status.protected;
        printf("protected %d\n", status.protected);
    }
    sd_event_source_set_time_relative(source, 20000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void command(const char *line)
{
    unsigned long count = 0;
    if (sscanf(line, "report %lu", &count) == 1) {
        while (count-- > 0) {
            me.books.own_last++;
            send_one(me.books.own_last);
        }
        write_books();
    } else if (sscanf(line, "full %lu", &count) == 1) {
        me.full = count != 0;
        printf("full is %d\n", me.full);
    } else if (strcmp(line, "status") == 0) {
        struct fh_ha_status status;
        fh_ha_status(me.ha, &status);
        printf("path %s\n", status.peer.path[0].up ? "up" : "down");
        printf("datagrams %d\n", status.peer.path[0].datagrams);
        printf("round trip %s\n", status.peer.path[0].round_trip_us < 0 ? "unknown" : "known");
    }
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)events;
    (void)userdata;
    ssize_t n = read(fd, me.input + me.input_len, sizeof(me.input) - 1 - me.input_len);
    if (n <= 0) {
        return sd_event_exit(me.event, 0);
    }
    me.input_len += (size_t)n;
    me.input[me.input_len] = '\0';
    for (char *end; (end = strchr(me.input, '\n'));) {
        *end = '\0';
        command(me.input);
        me.input_len -= (size_t)(end + 1 - me.input);
        memmove(me.input, end + 1, me.input_len + 1);
    }
    return 0;
}

static int on_term(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    (void)source;
    (void)info;
    (void)userdata;
    fh_ha_stop(me.ha);
    return sd_event_exit(me.event, 0);
}

int link_node_main(int argc, char **argv)
{
    if (argc != 12) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    static struct fh_config config;
    snprintf(config.node.name, sizeof(config.node.name), "%s", argv[0]);
    config.firehose.replica_id = atoi(argv[6]);
    config.firehose.ranges.count = 1;
    config.firehose.ranges.range[0] = (struct fh_range){1, 12};
    struct fh_config_pair *pair = &config.pair;
    pair->present = true;
    snprintf(pair->listen, sizeof(pair->listen), "tcp://127.0.0.1:%s", argv[1]);
    for (int i = 2; i < 4; i++) {
        if (strcmp(argv[i], "0") != 0) {
            snprintf(pair->peers[pair->peer_count++], sizeof(pair->peers[0]), "tcp://127.0.0.1:%s",
                     argv[i]);
        }
    }
    snprintf(pair->peer_public_key, sizeof(pair->peer_public_key), "%s", argv[5]);
    pair->heartbeat_ms = 100;
    pair->failure_after = atoi(argv[11]);
    pair->join_timeout_ms = 1000;
    pair->preferred = argv[7][0] == '1';
    pair->prefer = argv[8][0] == '1' ? FH_PREFER_SAFETY : FH_PREFER_AVAILABILITY;
    pair->datagrams = argv[9][0] == '1';
    me.state = argv[10];
    read_books(argv[0]);
    write_books();
    fh_log_init("node", FH_LOG_STDERR, LOG_DEBUG);
    fh_log_set_node(argv[0]);

    struct fh_ha_start start = {.epoch = me.books.epoch,
                                .last_primary = me.books.last_primary != 0,
                                .store_id = me.books.store_id};
    struct fh_error err = {""};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    if (sd_event_new(&me.event) < 0 ||
        fh_ha_new(&config, argv[4], &start, me.event, &host, NULL, &err, &me.ha) < 0 ||
        fh_ha_start(me.ha, &err) < 0) {
        printf("failed: %s\n", err.text);
        return 1;
    }
    printf("started\n");
    sd_event_add_io(me.event, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL);
    sd_event_add_signal(me.event, NULL, SIGTERM, on_term, NULL);
    sd_event_add_time_relative(me.event, NULL, CLOCK_BOOTTIME, 0, 1000, on_timer, NULL);
    sd_event_loop(me.event);
    fh_ha_free(me.ha);
    sd_event_unref(me.event);
    printf("bye\n");
    return 0;
}

/* ---- whoever watches it ---- */

int link_node_free_port(void)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
        /* after the bind, which would else take a port that somebody holds like this */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
        perror("port");
        exit(1);
    }
    return ntohs(address.sin_port);
}

void link_node_start(struct link_node *node, const struct link_node_options *options)
{
    int in[2];
    int out[2];
    if (pipe(in) < 0 || pipe(out) < 0) {
        perror("pipe");
        exit(1);
    }
    char text[5][16];
    snprintf(text[0], sizeof(text[0]), "%d", options->port);
    snprintf(text[1], sizeof(text[1]), "%d", options->peer_port[0]);
    snprintf(text[2], sizeof(text[2]), "%d", options->peer_port[1]);
    snprintf(text[3], sizeof(text[3]), "%d", options->replica);
    snprintf(text[4], sizeof(text[4]), "%d", options->failure_after);
    fflush(NULL);
    node->pid = fork();
    if (node->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        close(in[0]);
        close(in[1]);
        close(out[0]);
        close(out[1]);
        execl("/proc/self/exe", "test_link", "node", options->name, text[0], text[1], text[2],
              options->secret, options->peer_public, text[3], options->preferred ? "1" : "0",
              options->safety ? "1" : "0", options->datagrams ? "1" : "0", options->state, text[4],
              (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    node->to = in[1];
    node->from = out[0];
    node->len = 0;
    link_node_wait(node, "started", 60000);
}

void link_node_say(struct link_node *node, const char *line)
{
    if (write(node->to, line, strlen(line)) < 0) {
        perror("write to node");
    }
}

/* One more line into node->line (NUL-terminated): its length with newline, 0 at the end of time. */
static size_t next_line(struct link_node *node, struct fh_time until)
{
    for (;;) {
        char *end = memchr(node->line, '\n', node->len);
        if (end) {
            *end = '\0';
            return (size_t)(end + 1 - node->line);
        }
        int64_t left = fh_time_diff_ms(until, fh_now());
        struct pollfd fd = {.fd = node->from, .events = POLLIN};
        if (left < 0 || poll(&fd, 1, (int)left) <= 0) {
            return 0;
        }
        ssize_t n = read(node->from, node->line + node->len, sizeof(node->line) - 1 - node->len);
        if (n <= 0) {
            return 0;
        }
        node->len += (size_t)n;
    }
}

int link_node_hears_one(struct link_node *node, const char *const *texts, int timeout_ms)
{
    struct fh_time until = fh_time_add_ms(fh_now(), timeout_ms);
    int found = -1;
    for (size_t used; found < 0 && (used = next_line(node, until)) > 0;) {
        if (getenv("FH_TEST_VERBOSE")) {
            fprintf(stderr, "    %d: %s\n", (int)node->pid, node->line);
        }
        for (int i = 0; found < 0 && texts[i]; i++) {
            if (strstr(node->line, texts[i])) {
                found = i;
                snprintf(node->heard, sizeof(node->heard), "%s", node->line);
            }
        }
        node->len -= used;
        memmove(node->line, node->line + used, node->len);
    }
    return found;
}

bool link_node_hears(struct link_node *node, const char *text, int timeout_ms)
{
    return link_node_hears_one(node, (const char *[]){text, NULL}, timeout_ms) == 0;
}

int64_t link_node_wait(struct link_node *node, const char *text, int timeout_ms)
{
    struct fh_time begin = fh_now();
    if (!link_node_hears(node, text, timeout_ms)) {
        fprintf(stderr, "node %d did not say \"%s\" within %d ms\n", (int)node->pid, text,
                timeout_ms);
        abort();
    }
    return fh_time_diff_ms(fh_now(), begin);
}

void link_node_kill(struct link_node *node, int signal)
{
    kill(node->pid, signal);
    if (signal == SIGSTOP || signal == SIGCONT) {
        return;
    }
    waitpid(node->pid, NULL, 0);
    close(node->to);
    close(node->from);
    node->pid = 0;
}

bool link_node_reap(struct link_node *node)
{
    int status = -1;
    waitpid(node->pid, &status, 0);
    close(node->to);
    close(node->from);
    node->pid = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
