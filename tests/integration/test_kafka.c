/* test_kafka.c: the Kafka sink against tests/tools/kafka-broker.py over TCP: what a message looks
 * like, and what the contract suite cannot make happen: commits whose answer is lost, transactions
 * the cluster ended, a process stopped in the middle of one, other producers in the same topic. */
#include "kafka_internal.h"
#include "types.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define OPS         (&fh_sink_kafka_ops)
#define BASE_MS     INT64_C(1700000000000)
#define RECORDS_MAX 4096
#define END_TXN     26

struct node {
    struct fh_config_sink config;
    struct fh_sink_context context;
    void *sink;
    struct fh_error err;
    bool fenced;
    bool found[RECORDS_MAX];
    size_t refused, found_count;
    char position[FH_SINK_POSITION_MAX];
};

struct world {
    pid_t broker;
    FILE *orders, *answers;
    char servers[192], visible[64];
    struct node node[2];
};

/* ---- the broker -------------------------------------------------------------------------------
 */

/* The number behind "ok", where there is one. */
static unsigned order(struct world *world, const char *format, ...) FH_PRINTF(2, 3);
static unsigned order(struct world *world, const char *format, ...)
{
    char answer[256];
    unsigned number = 0;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(world->orders, format, arguments);
    va_end(arguments);
    fputc('\n', world->orders);
    fflush(world->orders);
    assert_non_null(fgets(answer, sizeof(answer), world->answers));
    assert_int_equal(strncmp(answer, "ok", 2), 0);
    (void)sscanf(answer, "ok %u", &number);
    return number;
}

#define ZOMBIE     "--zombie"
#define PATIENCE_S 240 /* of the zombie, which is stopped meanwhile */
#define WAIT_MS    60000

static bool is_fenced(void *userdata)
{
    return ((struct node *)userdata)->fenced;
}

static int refused(void *userdata, struct fh_slice record, const char *reason, struct fh_error *err)
{
    (void)record;
    (void)err;
    assert_non_null(strstr(reason, "large"));
    ((struct node *)userdata)->refused++;
    return 0;
}

static void node_open(struct world *world, struct node *node)
{
    node->config = (struct fh_config_sink){.name = "out",
                                           .type = "kafka",
                                           .server_count = 1,
                                           .batch_records = 1000,
                                           .batch_ms = 10,
                                           .timeout_ms = 1000};
    snprintf(node->config.servers[0], FH_SINK_WORD_MAX, "%s", world->servers);
    /* how long a topic that is not there may be one that was only just made */
    snprintf(node->config.properties[0], FH_SINK_WORD_MAX, "topic.metadata.propagation.max.ms=500");
    node->config.property_count = 1;
    node->context = (struct fh_sink_context){.node = "n",
                                             .state_dir = "/nowhere",
                                             .fenced = is_fenced,
                                             .refused = refused,
                                             .userdata = node};
    if (OPS->open(&node->config, &node->context, &node->err, &node->sink) != 0) {
        fail_msg("open: %s", node->err.text);
    }
}

/* option NULL: the mock cluster of librdkafka. */
static void world_start(struct world *world, const char *option, const char *value)
{
    int in[2];
    int out[2];
    char line[256];
    /* Nobody else keeps the broker from the end of its input. */
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    world->broker = fork();
    if (world->broker == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++) {
            close(fd);
        }
        if (!option) {
            execl(FH_MOCK, FH_MOCK, value, (char *)NULL);
            _exit(127);
        }
        execl("/usr/bin/python3", "python3", "-B", FH_BROKER, "--orders", option, value,
              (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    world->orders = fdopen(in[1], "w");
    world->answers = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof(line), world->answers));
    assert_int_equal(sscanf(line, "listening on %191s", world->servers), 1);
    snprintf(world->visible, sizeof(world->visible), "/tmp/fh-kafka-visible-%d", (int)getpid());
    node_open(world, &world->node[0]);
    node_open(world, &world->node[1]);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    *state = world;
    return world ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < 2; i++) {
        OPS->close(world->node[i].sink);
    }
    fclose(world->orders); /* ends with its input */
    fclose(world->answers);
    waitpid(world->broker, NULL, 0);
    unlink(world->visible);
    free(world);
    return 0;
}

/* ---- the delivery thread's part ---------------------------------------------------------------
 */

/* As the pipeline does, again after an error; not when another node leads. */
static int lead_it(struct node *node, uint64_t epoch)
{
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_MS);
    int r;
    do {
        r = OPS->lead(node->sink, epoch, &node->err);
    } while ((r == -EAGAIN || r == -EIO) && fh_time_before(fh_now(), until));
    return r;
}

static void lead(struct node *node, uint64_t epoch)
{
    int r = lead_it(node, epoch);
    if (r != 0) {
        fail_msg("lead: %s", node->err.text);
    }
}

static int found(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct node *node = userdata;
    for (size_t i = 0; i < count; i++) {
        assert_true(keys[i].fingerprint < RECORDS_MAX);
        node->found_count += node->found[keys[i].fingerprint] ? 0 : 1;
        node->found[keys[i].fingerprint] = true;
    }
    return 0;
}

static int recover(struct node *node, const char *position, int64_t since_ms)
{
    return OPS->recover(node->sink, position, since_ms, found, node, &node->err);
}

/* As the pipeline does, again after an error. */
static void recover_all(struct node *node, const char *position, int64_t since_ms)
{
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_MS);
    while (recover(node, position, since_ms) < 0) {
        if (!fh_time_before(fh_now(), until)) {
            fail_msg("recover: %s", node->err.text);
        }
    }
}

static int write_padded(struct node *node, uint64_t first, uint64_t last, size_t padding)
{
    int r = 0;
    for (uint64_t n = first; n <= last && r == 0; n++) {
        char uid[32];
        char device[8];
        char *text = calloc(1, padding + 128);
        snprintf(uid, sizeof(uid), "event-%" PRIu64, n);
        snprintf(device, sizeof(device), "d%" PRIu64, n % 5);
        int len =
            snprintf(text, padding + 128, "{\"recordUid\":\"%s\",\"n\":%" PRIu64 ",\"p\":\"%*s\"}",
                     uid, n, (int)padding, "");
        struct fh_slice record = {text, (size_t)len};
        struct fh_record_key key = {n, BASE_MS + (int64_t)n * 1000};
        struct fh_record_facts facts = {.uid = {uid, strlen(uid)},
                                        .type = {"T", 1},
                                        .tenant = {"t", 1},
                                        .device = {device, strlen(device)},
                                        .timestamp_ms = key.timestamp_ms};
        const struct fh_sink_write write = {
            .record = &record, .key = &key, .facts = &facts, .sequence = &n, .count = 1};
        r = OPS->write(node->sink, &write, &node->err);
        free(text);
    }
    return r;
}

static void write_all(struct node *node, uint64_t first, uint64_t last)
{
    if (write_padded(node, first, last, 0) != 0) {
        fail_msg("write: %s", node->err.text);
    }
}

/* As long as it says -EAGAIN, and WAIT_MS at most. */
static int accept_it(struct node *node)
{
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_MS);
    int r;
    do {
        r = OPS->accept(node->sink, node->position, &node->err);
    } while (r == -EAGAIN && fh_time_before(fh_now(), until));
    return r;
}

static void deliver(struct node *node, uint64_t first, uint64_t last)
{
    write_all(node, first, last);
    if (accept_it(node) != 0) {
        fail_msg("accept: %s", node->err.text);
    }
}

/* It says -EAGAIN, and the request to commit has come to the broker. */
static void accept_in_doubt(struct world *world, struct node *node)
{
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_MS);
    unsigned before = order(world, "count %d", END_TXN);
    do {
        assert_int_equal(OPS->accept(node->sink, node->position, &node->err), -EAGAIN);
        assert_true(fh_time_before(fh_now(), until));
    } while (order(world, "count %d", END_TXN) == before);
}

/* What kafka-collect shows is exactly the records first..last, each once, those of a device in
 * order. */
static void expect(struct world *world, uint64_t first, uint64_t last)
{
    char command[512];
    char *line = NULL;
    size_t room = 0;
    size_t count = 0;
    uint64_t newest[5] = {0};
    snprintf(command, sizeof(command), "timeout 120 %s %s firehose %s", FH_COLLECT, world->servers,
             world->visible);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own tool */
    FILE *file = fopen(world->visible, "r");
    assert_non_null(file);
    while (getline(&line, &room, file) > 0) {
        uint64_t n = 0;
        assert_int_equal(sscanf(line, "{\"recordUid\":\"event-%" SCNu64, &n), 1);
        assert_true(n >= first && n <= last);
        assert_true(n > newest[n % 5]); /* in order, and so not twice either */
        newest[n % 5] = n;
        count++;
    }
    free(line);
    fclose(file);
    assert_int_equal(count, last - first + 1);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void a_message_says_what_it_is(void **state)
{
    struct world *world = *state;
    char command[512];
    char line[512] = "";
    world_start(world, "--partitions", "1");
    lead(&world->node[0], 7);
    deliver(&world->node[0], 3, 3);
    snprintf(command, sizeof(command), "%s -v %s firehose %s", FH_COLLECT, world->servers,
             world->visible);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own tool */
    FILE *file = fopen(world->visible, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_string_equal(line, "0 0 1700000003000 d3 firehosed-key=0000000000000003-1700000003000,"
                              "firehosed-uid=event-3,firehosed-epoch=7 "
                              "{\"recordUid\":\"event-3\",\"n\":3,\"p\":\"\"}\n");
    assert_string_equal(world->node[0].position, "1;firehose:1");
}

/* The commit is carried out and its answer is lost, again and again. */
static void a_commit_in_doubt_is_asked_for_again(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    world_start(world, "--partitions", "4");
    lead(a, 1);
    deliver(a, 1, 10);
    order(world, "drop %d 3", END_TXN);
    deliver(a, 11, 20);
    expect(world, 1, 20);
}

/* The same, and the caller gives up: what was committed is read back and not sent again. */
static void a_commit_in_doubt_is_read_back(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    world_start(world, "--partitions", "4");
    lead(a, 1);
    recover_all(a, "", 0);
    deliver(a, 1, 10);
    order(world, "drop %d 1000000", END_TXN);
    write_all(a, 11, 20);
    accept_in_doubt(world, a);
    order(world, "drop %d 0", END_TXN);
    assert_int_equal(OPS->reopen(a->sink, &a->err), 0);
    assert_int_equal(write_padded(a, 11, 20, 0), -ESTALE); /* not before it is known */
    lead(a, 1);
    recover_all(a, a->position, 0);
    assert_int_equal(a->found_count, 10);
    assert_true(a->found[11] && a->found[20]);
    deliver(a, 21, 30);
    expect(world, 1, 30);
}

/* The cluster ends a transaction that takes too long, which looks like another node's takeover. */
static void a_transaction_that_took_too_long(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    world_start(world, "--partitions", "4");
    lead(a, 1);
    deliver(a, 1, 10);
    order(world, "fail %d 51 1000000", END_TXN); /* CONCURRENT_TRANSACTIONS */
    write_all(a, 11, 20);
    accept_in_doubt(world, a);
    order(world, "expire");
    order(world, "fail %d 51 0", END_TXN);
    assert_int_equal(accept_it(a), -ESTALE);
    assert_int_equal(OPS->reopen(a->sink, &a->err), 0);
    assert_int_equal(write_padded(a, 11, 20, 0), -ESTALE);
    assert_int_equal(accept_it(a), -ESTALE);
    expect(world, 1, 10);
    a->fenced = true;
    assert_int_equal(OPS->lead(a->sink, 1, &a->err), -EAGAIN);
    a->fenced = false;
    lead(a, 1); /* nobody else is there: it may come back in its epoch */
    recover_all(a, a->position, 0);
    assert_int_equal(a->found_count, 0);
    deliver(a, 11, 20);
    expect(world, 1, 20);
}

/* Child (which must not come back into the suite): delivers, then is in a transaction whose commit
 * is not answered; stopped there, and woken when another node delivers. */
static int zombie(struct node *node, int ready, int go)
{
    char byte = 'r';
    int r = lead_it(node, 1);
    r = r < 0 ? r : write_padded(node, 1, 10, 0);
    r = r < 0 ? r : accept_it(node);
    if (r < 0 || write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1) {
        fprintf(stderr, "zombie: before: %d: %s\n", r, node->err.text);
        return 9;
    }
    r = write_padded(node, 11, 20, 0);
    r = r < 0 ? r : OPS->accept(node->sink, node->position, &node->err);
    if (r != -EAGAIN || write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1) {
        fprintf(stderr, "zombie: begins: %d: %s\n", r, node->err.text);
        return 1;
    }
    r = accept_it(node);
    if (r != -ESTALE || !strstr(node->err.text, "another node took over")) {
        fprintf(stderr, "zombie: accept: %d: %s\n", r, node->err.text);
        return 2;
    }
    /* nobody told it yet, and it tries again: a higher epoch is at the far side */
    do {
        r = OPS->lead(node->sink, 1, &node->err);
    } while (r == -EAGAIN || r == -EIO);
    if (r != -ESTALE || !strstr(node->err.text, "another node took over and delivers")) {
        fprintf(stderr, "zombie: again: %d: %s\n", r, node->err.text);
        return 3;
    }
    return 0;
}

static void a_stopped_process_comes_back(void **state)
{
    struct world *world = *state;
    struct node *b = &world->node[1];
    int ready[2];
    int go[2];
    int status = -1;
    char byte = 'g';
    world_start(world, "--partitions", "4");
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    order(world, "create firehose 4");
    char fd[2][16];
    snprintf(fd[0], sizeof(fd[0]), "%d", ready[1]);
    snprintf(fd[1], sizeof(fd[1]), "%d", go[0]);
    pid_t child = fork();
    if (child == 0) { /* anew: threads of ours, and locks they held, would not come along */
        close(ready[0]);
        close(go[1]);
        execl("/proc/self/exe", "test_kafka", ZOMBIE, world->servers, fd[0], fd[1], (char *)NULL);
        _exit(127);
    }
    /* so that its end is seen, if it ends too early, and ours by it */
    close(ready[1]);
    close(go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    order(world, "fail %d 51 1000000", END_TXN);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGSTOP);
    order(world, "fail %d 51 0", END_TXN);
    lead(b, 2);
    recover_all(b, "", BASE_MS);
    assert_int_equal(b->found_count, 10);
    deliver(b, 11, 30);
    kill(child, SIGCONT);
    assert_int_equal(write(go[1], "g", 1), 1);
    close(ready[0]);
    close(go[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    deliver(b, 31, 40);
    expect(world, 1, 40);
}

static void recovers_by_position_and_by_time(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    struct node *b = &world->node[1];
    char reported[FH_SINK_POSITION_MAX];
    world_start(world, "--partitions", "4");
    lead(a, 1);
    recover_all(a, "", 0); /* no topic yet */
    assert_int_equal(a->found_count, 0);
    deliver(a, 1, 100);
    memcpy(reported, a->position, sizeof(reported));
    deliver(a, 101, 1000);
    deliver(a, 1001, 1500);
    write_all(a, 1501, 1600); /* never sent */
    lead(b, 2);
    recover_all(b, reported, 0);
    assert_int_equal(b->found_count, 1400);
    assert_false(b->found[100]);
    b->found_count = 0;
    memset(b->found, 0, sizeof(b->found));
    recover_all(b, "", BASE_MS + 1000 * 1000);
    assert_true(b->found_count >= 501 && b->found_count < 1400);
    for (size_t n = 1000; n <= 1500; n++) {
        assert_true(b->found[n]);
    }
    recover_all(b, "from another version", BASE_MS);
    assert_int_equal(b->found_count, 1500);
    deliver(b, 1501, 1510);
    expect(world, 1, 1510);
}

static rd_kafka_t *stranger_new(const struct world *world, const char *id)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", world->servers, text, sizeof(text));
    rd_kafka_conf_set(conf, "transactional.id", id, text, sizeof(text));
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(handle);
    assert_null(rd_kafka_init_transactions(handle, WAIT_MS));
    assert_null(rd_kafka_begin_transaction(handle));
    assert_int_equal(
        rd_kafka_producev(handle, RD_KAFKA_V_TOPIC("firehose"), RD_KAFKA_V_VALUE("not ours", 8),
                          RD_KAFKA_V_HEADER("firehosed-key", "nonsense", 8), RD_KAFKA_V_END),
        0);
    assert_int_equal(rd_kafka_flush(handle, WAIT_MS), 0);
    return handle;
}

/* What is committed behind an unfinished transaction cannot be read yet: to say that it is not
 * there would deliver it twice. */
static void a_stranger_in_the_topic(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    struct node *b = &world->node[1];
    world_start(world, "--partitions", "1");
    order(world, "create firehose 1");
    rd_kafka_t *stranger = stranger_new(world, "somebody else");
    lead(a, 1);
    deliver(a, 1, 10);
    lead(b, 2);
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_MS);
    int r;
    do { /* a busy broker */
        r = recover(b, "", 0);
    } while ((r == -EIO || (r == -EAGAIN && !strstr(b->err.text, "another producer"))) &&
             fh_time_before(fh_now(), until));
    assert_int_equal(r, -EAGAIN);
    assert_non_null(strstr(b->err.text, "another producer"));
    assert_null(rd_kafka_abort_transaction(stranger, WAIT_MS));
    recover_all(b, "", 0);
    assert_int_equal(b->found_count, 10);
    assert_null(rd_kafka_begin_transaction(stranger));
    assert_int_equal(rd_kafka_producev(stranger, RD_KAFKA_V_TOPIC("firehose"),
                                       RD_KAFKA_V_VALUE("not ours", 8), RD_KAFKA_V_END),
                     0);
    assert_null(rd_kafka_commit_transaction(stranger, WAIT_MS));
    rd_kafka_destroy(stranger);
    b->found_count = 0;
    memset(b->found, 0, sizeof(b->found));
    recover_all(b, "", 0);
    assert_int_equal(b->found_count, 10);
}

/* The cluster refuses a whole request when one record makes it too large: only that one is put
 * aside, and order is kept. */
static void one_of_many_is_too_large(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    world_start(world, "--max-message-bytes", "5000");
    lead(a, 1);
    assert_int_equal(write_padded(a, 1, 60, 200), 0); /* 12 KB: too much in one request */
    assert_int_equal(write_padded(a, 61, 61, 6000), 0);
    assert_int_equal(write_padded(a, 62, 100, 200), 0);
    if (accept_it(a) != 0) {
        fail_msg("accept: %s", a->err.text);
    }
    assert_int_equal(a->refused, 1);
    char command[512];
    snprintf(command, sizeof(command), "test $(%s %s firehose %s && wc -l <%s) = 99", FH_COLLECT,
             world->servers, world->visible, world->visible);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own tool */
}

static void a_topic_that_is_not_there(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    world_start(world, "--no-create", NULL);
    lead(a, 1);
    recover_all(a, "", 0);
    write_all(a, 1, 10);
    int r;
    struct fh_time until = fh_time_add_ms(fh_now(), WAIT_MS);
    do {
        r = OPS->accept(a->sink, a->position, &a->err);
    } while (r == -EAGAIN && !strstr(a->err.text, "Unknown topic") &&
             fh_time_before(fh_now(), until));
    assert_int_equal(r, -EAGAIN);
    assert_non_null(strstr(a->err.text, "topic firehose"));
    order(world, "create firehose 3");
    assert_int_equal(accept_it(a), 0);
    expect(world, 1, 10);
}

/* Three brokers: leaders and the coordinator move, answers are "not now", a broker is away. None of
 * it is a reason to abort, so the mock's showing what is not committed does not matter. */
static void a_cluster_in_motion(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    struct node *b = &world->node[1];
    char reported[FH_SINK_POSITION_MAX];
    world_start(world, NULL, "4");
    order(world, "errors 22 15 2"); /* InitProducerId: COORDINATOR_NOT_AVAILABLE */
    lead(a, 1);
    deliver(a, 1, 100);
    order(world, "leader firehose 0 3");
    order(world, "leader firehose 1 2");
    deliver(a, 101, 200);
    memcpy(reported, a->position, sizeof(reported));
    order(world, "errors 0 6 1");   /* Produce: NOT_LEADER_FOR_PARTITION */
    order(world, "errors 24 51 2"); /* AddPartitionsToTxn: CONCURRENT_TRANSACTIONS */
    deliver(a, 201, 300);
    order(world, "errors 26 14 2"); /* EndTxn: COORDINATOR_LOAD_IN_PROGRESS */
    order(world, "coordinator firehosed-out 2");
    deliver(a, 301, 400);
    order(world, "down 1");
    write_all(a, 401, 500);
    assert_true(OPS->accept(a->sink, a->position, &a->err) <= 0);
    order(world, "up 1");
    assert_int_equal(accept_it(a), 0);
    deliver(a, 501, 600);
    lead(b, 2);
    recover_all(b, reported, 0);
    assert_int_equal(b->found_count, 400);
    expect(world, 1, 600);
}

/* Every way the cluster may say that there is a newer one. */
static void fenced_in_so_many_words(void **state)
{
    struct world *world = *state;
    struct node *a = &world->node[0];
    world_start(world, NULL, "1");
    const int code[] = {90, 47}; /* PRODUCER_FENCED, INVALID_PRODUCER_EPOCH */
    for (size_t i = 0; i < FH_ARRAY_LEN(code); i++) {
        lead(a, i + 1);
        deliver(a, 10 * i + 1, 10 * i + 5);
        order(world, "errors %d %d 5", END_TXN, code[i]);
        write_all(a, 10 * i + 6, 10 * i + 10);
        assert_int_equal(accept_it(a), -ESTALE);
        assert_non_null(strstr(a->err.text, "another node took over"));
        OPS->reopen(a->sink, &a->err);
        assert_int_equal(write_padded(a, 30, 30, 0), -ESTALE);
        order(world, "clear %d", END_TXN);
    }
}

/* With an argument: the tests whose names match it. */
int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], ZOMBIE) == 0) {
        struct world world = {.broker = -1};
        snprintf(world.servers, sizeof(world.servers), "%s", argv[2]);
        node_open(&world, &world.node[0]);
        alarm(PATIENCE_S); /* whoever waits for it sees its end */
        _exit(zombie(&world.node[0], atoi(argv[3]), atoi(argv[4])));
    }
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_says_what_it_is),      TEST(a_commit_in_doubt_is_asked_for_again),
        TEST(a_commit_in_doubt_is_read_back), TEST(a_transaction_that_took_too_long),
        TEST(a_stopped_process_comes_back),   TEST(recovers_by_position_and_by_time),
        TEST(a_stranger_in_the_topic),        TEST(one_of_many_is_too_large),
        TEST(a_topic_that_is_not_there),      TEST(a_cluster_in_motion),
        TEST(fenced_in_so_many_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
