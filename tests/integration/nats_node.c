/* nats_node.c: owns the delivery thread's part in the tests of the NATS sink. */
#include "nats_far.h"

#include "fh/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define PATIENCE_MS FAR_PATIENCE_MS

static bool is_fenced(void *userdata)
{
    return ((struct far_node *)userdata)->fenced;
}

static int note_refused(void *userdata, struct fh_slice record, const char *reason,
                        struct fh_error *err)
{
    struct far_node *node = userdata;
    (void)err;
    assert_true(record.len > 0);
    node->refused++;
    snprintf(node->refused_why, sizeof(node->refused_why), "%s", reason);
    return 0;
}

void far_node_config(struct far_node *node, int port)
{
    memset(node, 0, sizeof(*node));
    node->devices = 5;
    struct fh_config_sink *config = &node->config;
    snprintf(config->name, sizeof(config->name), "out");
    snprintf(config->type, sizeof(config->type), "nats");
    snprintf(config->servers[0], sizeof(config->servers[0]), "nats://%s:%d", far_host(), port);
    config->server_count = 1;
    config->batch_records = 1000;
    config->batch_ms = 100;
    config->timeout_ms = 2000;
    snprintf(config->stream, sizeof(config->stream), "FIREHOSE");
    config->duplicate_window_seconds = 1;
    node->context = (struct fh_sink_context){
        .node = "a", .fenced = is_fenced, .refused = note_refused, .userdata = node};
    node->ops = fh_sink_find("nats");
    assert_non_null(node->ops);
}

int far_node_open(struct far_node *node)
{
    node->err.text[0] = '\0';
    return node->ops->open(&node->config, &node->context, &node->err, &node->sink);
}

void far_node_close(struct far_node *node)
{
    node->ops->close(node->sink);
    node->sink = NULL;
}

static bool again(struct far_node *node, const char *what, struct fh_time since)
{
    if (fh_time_diff_ms(fh_now(), since) >= PATIENCE_MS) {
        fail_msg("%s: %s", what, node->err.text);
    }
    usleep(5000);
    return true;
}

void far_node_lead(struct far_node *node, uint64_t epoch)
{
    struct fh_time since = fh_now();
    while (node->ops->lead(node->sink, epoch, &node->err) < 0 && again(node, "lead", since)) {
    }
}

void far_node_no_lead(struct far_node *node, uint64_t epoch, const char *expected)
{
    struct fh_time since = fh_now();
    do {
        assert_true(node->ops->lead(node->sink, epoch, &node->err) < 0);
    } while (!strstr(node->err.text, expected) && again(node, expected, since));
}

static int take_found(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct far_node *node = userdata;
    for (size_t i = 0; i < count; i++) {
        int64_t number = keys[i].timestamp_ms - FAR_BASE_MS;
        assert_true(number >= 0 && number < SEEN_MAX);
        node->found[number] = true;
        node->found_count++;
    }
    return 0;
}

void far_node_recover(struct far_node *node, const char *position, int64_t since_ms)
{
    struct fh_time since = fh_now();
    size_t before = node->found_count;
    while (node->ops->recover(node->sink, position, since_ms, take_found, node, &node->err) < 0 &&
           again(node, "recover", since)) {
        node->found_count = before; /* what it has found comes again */
    }
}

static int write_one(struct far_node *node, uint64_t number)
{
    char text[128];
    char device[32];
    char uid[32];
    snprintf(text, sizeof(text), "{\"n\":%" PRIu64 ",\"device\":\"d%" PRIu64 "\"}", number,
             number % node->devices);
    snprintf(device, sizeof(device), "d%" PRIu64, number % node->devices);
    snprintf(uid, sizeof(uid), "uid\n%" PRIu64, number);
    struct fh_slice record = {text, strlen(text)};
    struct fh_record_key key = {.fingerprint = number * UINT64_C(0x9E3779B97F4A7C15),
                                .timestamp_ms = FAR_BASE_MS + (int64_t)number};
    struct fh_record_facts facts = {.uid = {uid, strlen(uid)},
                                    .type = {"A.TYPE*", 7},
                                    .tenant = {"ten ant>", 8},
                                    .device = {device, strlen(device)}};
    struct fh_sink_write write = {.record = &record,
                                  .key = &key,
                                  .facts = &facts,
                                  .sequence = &number,
                                  .count = 1,
                                  .epoch = 7};
    return node->ops->write(node->sink, &write, &node->err);
}

void far_node_write(struct far_node *node, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        if (!node->found[number] && write_one(node, number) < 0) {
            fail_msg("write: %s", node->err.text);
        }
    }
}

void far_node_accept(struct far_node *node)
{
    struct fh_time since = fh_now();
    int r;
    while ((r = node->ops->accept(node->sink, node->position, &node->err)) == -EAGAIN &&
           again(node, "accept", since)) {
    }
    assert_int_equal(r, 0);
}

void far_node_deliver(struct far_node *node, uint64_t first, uint64_t last)
{
    far_node_write(node, first, last);
    if (node->ops->due_in(node->sink, fh_now()) >= 0) {
        far_node_accept(node);
    }
}
