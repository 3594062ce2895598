/* control.c: owns the endpoint below /sim/ by which tests ask and order. No part of the API. */
#include "exchange.h"

#include "query.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int text(struct sim_exchange *exchange, const char *content_type)
{
    exchange->status = 200;
    exchange->content_type = content_type;
    exchange->body = SIM_BODY_TEXT;
    return 0;
}

static int answer_ok(struct sim_exchange *exchange)
{
    text(exchange, "application/json");
    return fh_buf_printf(&exchange->text, "{\"status\":true}\n");
}

static int get_status(struct sim_exchange *exchange, const char *query)
{
    (void)query;
    struct sim_server *server = exchange->server;
    struct sim_producer_status producer;
    sim_producer_status(server->producer, &producer);
    sim_world_lock_read(server->world);
    uint64_t first = sim_world_first(server->world);
    uint64_t end = sim_world_end(server->world);
    int64_t now_ms = sim_world_now_ms(server->world);
    sim_world_unlock_read(server->world);
    text(exchange, "application/json");
    struct fh_buf *out = &exchange->text;
    int r = fh_buf_printf(out,
                          "{\"version\":\"%s\",\"running\":%s,\"done\":%s,\"rate\":%.15g,"
                          "\"rate_max\":%s,\"world_time_ms\":%lld,\"start_ms\":%lld,"
                          "\"issued\":%llu,\"injected\":%u,\"window_first\":%llu,"
                          "\"accepted\":%llu,\"refused\":%llu,\"pongs\":%llu,\"statuses\":{",
                          FH_VERSION, producer.running ? "true" : "false",
                          producer.done ? "true" : "false", producer.rate,
                          producer.rate_max ? "true" : "false", (long long)now_ms,
                          (long long)server->options->world.start_ms, (unsigned long long)end,
                          sim_extras_count(server->extras), (unsigned long long)first,
                          (unsigned long long)atomic_load(&server->newest_connection),
                          (unsigned long long)atomic_load(&server->refused),
                          (unsigned long long)atomic_load(&server->pongs));
    bool any = false;
    for (size_t i = 0; i < FH_ARRAY_LEN(server->statuses) && r == 0; i++) {
        uint64_t count = atomic_load(&server->statuses[i]);
        if (count > 0) {
            r = fh_buf_printf(out, "%s\"%zu\":%llu", any ? "," : "", i, (unsigned long long)count);
            any = true;
        }
    }
    if (r == 0) {
        r = fh_buf_printf(out, "},");
    }
    if (r == 0) {
        r = sim_feeds_report(server->feeds, out);
    }
    return r == 0 ? fh_buf_printf(out, "}\n") : r;
}

static int get_ledger(struct sim_exchange *exchange, const char *query)
{
    struct sim_server *server = exchange->server;
    char from[32];
    int64_t start = 0;
    int64_t replica = 1;
    if (!server->options->world.ledger) {
        return sim_exchange_error(exchange, 404, "no ledger is kept (--no-ledger)");
    }
    if (sim_query_get(query, "from", from, sizeof(from)) &&
        (sim_number(from, &start) < 0 || start < 0)) {
        return sim_exchange_error(exchange, 400, "from is an index");
    }
    if (sim_query_get(query, "replica", from, sizeof(from)) &&
        (sim_number(from, &replica) < 0 || replica < 1 || replica > SIM_REPLICAS)) {
        return sim_exchange_error(exchange, 400, "replica is a number from 1 to 3");
    }
    int64_t payloads = 0;
    if (sim_query_get(query, "payload", from, sizeof(from)) &&
        (sim_number(from, &payloads) < 0 || payloads > 1)) {
        return sim_exchange_error(exchange, 400, "payload is 0 or 1");
    }
    exchange->ledger_payloads = payloads == 1;
    exchange->ledger_replica = (unsigned)replica;
    exchange->status = 200;
    exchange->content_type = "text/plain";
    exchange->body = SIM_BODY_LEDGER;
    sim_world_lock_read(server->world);
    exchange->ledger_end = sim_world_ledger_count(server->world);
    sim_world_unlock_read(server->world);
    exchange->ledger_next = (uint64_t)start;
    if (exchange->ledger_next >= exchange->ledger_end && sim_extras_count(server->extras) > 0) {
        /* Nothing of the world is left to send, but the extras are: an index that is none. */
        exchange->ledger_next = exchange->ledger_end;
        exchange->ledger_end++;
    }
    return 0;
}

static int get_faults(struct sim_exchange *exchange, const char *query)
{
    (void)query;
    text(exchange, "application/json");
    return sim_faults_report(exchange->server->faults, &exchange->text);
}

static int post_start(struct sim_exchange *exchange, const char *query)
{
    (void)query;
    sim_producer_run(exchange->server->producer, true);
    return answer_ok(exchange);
}

static int post_stop(struct sim_exchange *exchange, const char *query)
{
    (void)query;
    sim_producer_run(exchange->server->producer, false);
    return answer_ok(exchange);
}

static int post_rate(struct sim_exchange *exchange, const char *query)
{
    char value[32];
    if (!sim_query_get(query, "n", value, sizeof(value))) {
        return sim_exchange_error(exchange, 400, "n= is missing");
    }
    if (strcmp(value, "max") == 0) {
        sim_producer_set_rate(exchange->server->producer, SIM_RATE_AT_MAX, true);
        return answer_ok(exchange);
    }
    char *end = NULL;
    double rate = strtod(value, &end);
    if (!*value || *end || !(rate >= 1 && rate <= 1e6)) {
        return sim_exchange_error(exchange, 400, "n is a number from 1 to 1000000, or max");
    }
    sim_producer_set_rate(exchange->server->producer, rate, false);
    return answer_ok(exchange);
}

/* A small generator of its own, so that the world's stream stays the same with or without. */
static uint32_t extra_uid(uint64_t seed, uint64_t n)
{
    uint64_t z = (seed ^ 0x5eedc0de) + (n + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)(z >> 32);
}

static int add_extra(struct sim_server *server, const struct sim_fault *fault, int64_t now_ms,
                     uint64_t end)
{
    uint32_t n = sim_extras_count(server->extras);
    bool future = fault->type == SIM_FAULT_FUTURE_STAMP;
    struct sim_extra extra = {
        .position = end,
        .timestamp_ms = future ? now_ms + fault->ahead_ms : now_ms,
        .uid = extra_uid(server->options->world.seed, n),
        .partition = (uint8_t)(fault->partition ? fault->partition : 1 + n % SIM_PARTITIONS),
        .replica = (uint8_t)fault->replica,
    };
    const char *type = future ? "DEVICE_COUNT" : "QUANTUM_PRESENCE_UPDATE";
    const char *payload =
        future ? "\"deviceCounts\":{\"associatedCount\":1,\"estimatedProbingCount\":0}"
               : "\"quantumPresenceUpdate\":{\"state\":\"BOTH\",\"spin\":[0.5,-0.5],\"n\":1}";
    snprintf(extra.line, sizeof(extra.line),
             "{\"recordUid\":\"event-%x\",\"recordTimestamp\":%lld,"
             "\"spacesTenantId\":\"spaces-tenant-0a1b2c3d\",\"spacesTenantName\":\"Example Org\","
             "\"partnerTenantId\":\"EXAMPLE-PARTNER\",\"eventType\":\"%s\",%s}\n",
             extra.uid, (long long)extra.timestamp_ms, type, payload);
    return sim_extras_add(server->extras, &extra);
}

static int add_extras(struct sim_server *server, const struct sim_fault *fault)
{
    sim_world_lock_read(server->world);
    int64_t now_ms = sim_world_now_ms(server->world);
    uint64_t end = sim_world_end(server->world);
    sim_world_unlock_read(server->world);
    int r = 0;
    for (int64_t i = 0; i < fault->remaining && r == 0; i++) {
        r = add_extra(server, fault, now_ms, end);
    }
    return r;
}

/* Before the streams end, so that none comes back with the key. */
static void revoke(struct sim_server *server, const struct sim_fault *fault)
{
    for (unsigned i = 0; i < server->options->key_count; i++) {
        if (fault->type == SIM_FAULT_CLEAR) {
            atomic_store(&server->revoked[i], false);
        } else if (fault->type == SIM_FAULT_REVOKE && fault->key == (int)i) {
            atomic_store(&server->revoked[i], true);
        }
    }
}

static int post_fault(struct sim_exchange *exchange, const char *query)
{
    struct sim_server *server = exchange->server;
    struct sim_fault fault;
    struct fh_error err = {""};
    if (sim_fault_parse(query, &err, &fault) < 0) {
        return sim_exchange_error(exchange, 400, err.text);
    }
    int r = 0;
    if (fault.type == SIM_FAULT_UNKNOWN_TYPE || fault.type == SIM_FAULT_FUTURE_STAMP) {
        r = add_extras(server, &fault);
    } else if (fault.type == SIM_FAULT_REPLICA_UIDS) {
        sim_producer_set_replica_uids_differ(server->producer, fault.differ);
    } else if (fault.type == SIM_FAULT_REPLICA_TIMESTAMPS) {
        sim_producer_set_replica_timestamps_differ(server->producer, fault.differ);
    }
    if (fault.type == SIM_FAULT_REVOKE && fault.key >= (int)server->options->key_count) {
        return sim_exchange_error(exchange, 400, "key is the number of an API key, from 0");
    }
    revoke(server, &fault);
    if (fault.type == SIM_FAULT_REVOKE && fault.ms > 0) {
        struct sim_fault refusal = {.type = SIM_FAULT_STATUS,
                                    .replica = fault.replica,
                                    .code = 401,
                                    .retry_after = -1,
                                    .remaining = -1,
                                    .until = fh_time_add_ms(fh_now(), fault.ms),
                                    .active = true};
        r = sim_faults_add(server->faults, &refusal);
        r = r > 0 ? 0 : r;
    }
    unsigned matched = sim_feeds_matching(server->feeds, fault.replica, fault.partition);
    if (r >= 0) {
        r = sim_faults_add(server->faults, &fault);
    }
    if (r == -ENOSPC) {
        return sim_exchange_error(exchange, 400, "too many faults; POST type=clear first");
    }
    if (r < 0) {
        return r;
    }
    sim_workers_wake(server->workers);
    text(exchange, "application/json");
    return fh_buf_printf(&exchange->text, "{\"status\":true,\"id\":%d,\"connections\":%u}\n", r,
                         matched);
}

static const struct {
    const char *method;
    const char *path;
    int (*start)(struct sim_exchange *exchange, const char *query);
} commands[] = {
    {"GET", "/sim/status", get_status}, {"GET", "/sim/ledger", get_ledger},
    {"GET", "/sim/faults", get_faults}, {"POST", "/sim/start", post_start},
    {"POST", "/sim/stop", post_stop},   {"POST", "/sim/rate", post_rate},
    {"POST", "/sim/fault", post_fault}, {"POST", "/sim/token", sim_activation_token},
};

int sim_control_start(struct sim_exchange *exchange, const char *path, const char *query)
{
    if (!exchange->request.has_control && !exchange->request.from_loopback) {
        return sim_exchange_error(exchange, 403, "control needs the header X-Sim-Control");
    }
    bool known = false;
    for (size_t i = 0; i < FH_ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].path, path) == 0) {
            known = true;
            if (strcmp(commands[i].method, exchange->request.method) == 0) {
                return commands[i].start(exchange, query);
            }
        }
    }
    return sim_exchange_error(exchange, known ? 405 : 404,
                              known ? "wrong method for this command" : "no such command");
}
