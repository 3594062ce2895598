/* faults.c: owns the list of rules. Never touches a connection: it only answers whether one is
 * concerned. */
#include "faults.h"

#include "feed.h"
#include "query.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 256

/* What a type does when the request does not say how often: */
enum often {
    ONCE,      /* n = 1 */
    ALWAYS,    /* until cleared */
    CONNECTION /* once per connection that exists */
};

static const struct {
    const char *name;
    enum often often;
    bool at_events;
} types[SIM_FAULT_TYPES] = {
    [SIM_FAULT_CUT] = {"cut", CONNECTION, false},
    [SIM_FAULT_RESET] = {"reset", CONNECTION, false},
    [SIM_FAULT_STALL] = {"stall", CONNECTION, false},
    [SIM_FAULT_HALF_OPEN] = {"half-open", CONNECTION, false},
    [SIM_FAULT_END] = {"end", CONNECTION, false},
    [SIM_FAULT_REVOKE] = {"revoke", CONNECTION, false},
    [SIM_FAULT_GO_AWAY] = {"go_away", CONNECTION, false},
    [SIM_FAULT_PING] = {"ping", CONNECTION, false},
    [SIM_FAULT_REFUSE] = {"refuse", ONCE, false},
    [SIM_FAULT_STATUS] = {"status", ONCE, false},
    [SIM_FAULT_REDIRECT] = {"redirect", ONCE, false},
    [SIM_FAULT_SLOW_TLS] = {"slow_tls", ONCE, false},
    [SIM_FAULT_DELAY] = {"delay", ALWAYS, true},
    [SIM_FAULT_DUPLICATE] = {"duplicate", ONCE, true},
    [SIM_FAULT_REORDER] = {"reorder", ONCE, true},
    [SIM_FAULT_OMIT] = {"omit", ONCE, true},
    [SIM_FAULT_HALF_LINE] = {"half_line", ONCE, true},
    [SIM_FAULT_NOT_JSON] = {"not_json", ONCE, true},
    [SIM_FAULT_BAD_UTF8] = {"bad_utf8", ONCE, true},
    [SIM_FAULT_LONG_LINE] = {"long_line", ONCE, true},
    [SIM_FAULT_UNKNOWN_FIELDS] = {"unknown_fields", ONCE, true},
    [SIM_FAULT_CRLF] = {"crlf", ALWAYS, true},
    [SIM_FAULT_EMPTY_LINES] = {"empty_lines", ALWAYS, true},
    [SIM_FAULT_MANY_CHUNKS] = {"many_chunks", ONCE, true},
    [SIM_FAULT_NO_KEEP_ALIVE] = {"no_keep_alive", ALWAYS, true},
    [SIM_FAULT_MISSING_PAYLOAD] = {"missing_payload", ONCE, true},
    [SIM_FAULT_FRAGMENTS] = {"fragments", ONCE, true},
    [SIM_FAULT_NO_NEWLINE] = {"no_newline", ONCE, true},
    [SIM_FAULT_MANY_LINES] = {"many_lines", ONCE, true},
    [SIM_FAULT_WRAPPER] = {"wrapper", ONCE, true},
    [SIM_FAULT_ACTIVATION] = {"activation", ONCE, false},
    [SIM_FAULT_REST] = {"rest", ONCE, false},
    [SIM_FAULT_UNKNOWN_TYPE] = {"unknown_type", ONCE, false},
    [SIM_FAULT_FUTURE_STAMP] = {"future_stamp", ONCE, false},
    [SIM_FAULT_REPLICA_UIDS] = {"replica_uids", ONCE, false},
    [SIM_FAULT_REPLICA_TIMESTAMPS] = {"replica_timestamps", ONCE, false},
    [SIM_FAULT_CLEAR] = {"clear", ONCE, false},
};

struct sim_faults {
    pthread_mutex_t lock;
    _Atomic unsigned generation; /* = newest id */
    _Atomic unsigned at_events;  /* active rules of that kind */
    unsigned count;
    struct sim_fault rules[RULES_MAX];
};

struct sim_faults *sim_faults_new(void)
{
    struct sim_faults *faults = calloc(1, sizeof(*faults));
    if (faults) {
        pthread_mutex_init(&faults->lock, NULL);
    }
    return faults;
}

void sim_faults_free(struct sim_faults *faults)
{
    if (faults) {
        pthread_mutex_destroy(&faults->lock);
        free(faults);
    }
}

const char *sim_fault_name(enum sim_fault_type type)
{
    return types[type].name;
}

struct parameter {
    const char *name;
    size_t offset;
    int64_t min, max;
};

#define PARAMETER(name, field, min, max)                                                           \
    {                                                                                              \
        name, offsetof(struct numbers, field), min, max                                            \
    }

/* Every parameter of every type, before it goes into the rule. */
struct numbers {
    int64_t replica, partition, n, ms, later_ms, zombie_ms, ahead_ms, by, code, retry_after, after,
        bytes, future_too, differ, pings, key;
};

static const struct parameter parameters[] = {
    PARAMETER("replica", replica, 0, 3),
    PARAMETER("partition", partition, 0, 12),
    PARAMETER("n", n, 1, INT64_MAX),
    PARAMETER("count", n, 1, INT64_MAX),
    PARAMETER("ms", ms, 0, 86400000),
    PARAMETER("later_ms", later_ms, 0, 3600000),
    PARAMETER("zombie_ms", zombie_ms, 0, 3600000),
    PARAMETER("ahead_ms", ahead_ms, 0, INT64_C(31536000000)),
    PARAMETER("by", by, 1, 1000),
    PARAMETER("code", code, 0, 4999),
    PARAMETER("retry_after", retry_after, 0, 86400),
    PARAMETER("after", after, 0, INT64_MAX),
    PARAMETER("bytes", bytes, 1, 64 << 20),
    PARAMETER("new", future_too, 0, 1),
    PARAMETER("differ", differ, 0, 1),
    PARAMETER("pings", pings, 0, 1),
    PARAMETER("key", key, 0, SIM_KEYS_MAX - 1),
};

static int parse_type(const char *text, struct fh_error *err, enum sim_fault_type *ret)
{
    for (size_t i = 0; i < SIM_FAULT_TYPES; i++) {
        if (strcmp(types[i].name, text) == 0) {
            *ret = (enum sim_fault_type)i;
            return 0;
        }
    }
    return fh_error_set(err, -EINVAL, "unknown fault type \"%.40s\"", text);
}

static int parse_parameter(const char *name, const char *value, struct numbers *numbers,
                           struct fh_error *err)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(parameters); i++) {
        const struct parameter *parameter = &parameters[i];
        if (strcmp(parameter->name, name) != 0) {
            continue;
        }
        int64_t number = 0;
        if (sim_number(value, &number) < 0 || number < parameter->min || number > parameter->max) {
            return fh_error_set(err, -EINVAL, "%s=\"%.40s\" is not a number from %lld to %lld",
                                name, value, (long long)parameter->min, (long long)parameter->max);
        }
        memcpy((char *)numbers + parameter->offset, &number, sizeof(number));
        return 0;
    }
    return fh_error_set(err, -EINVAL, "unknown parameter \"%.40s\"", name);
}

static void fill_rule(const struct numbers *numbers, struct sim_fault *fault)
{
    enum often often = types[fault->type].often;
    fault->replica = (unsigned)numbers->replica;
    fault->partition = (unsigned)numbers->partition;
    fault->key = (int)numbers->key;
    fault->ms = numbers->ms >= 0 ? numbers->ms : 1000;
    fault->later_ms = numbers->later_ms;
    fault->zombie_ms = numbers->zombie_ms;
    fault->ahead_ms = numbers->ahead_ms;
    fault->by = numbers->by;
    fault->code = numbers->code;
    fault->retry_after = numbers->retry_after;
    fault->after = (uint64_t)numbers->after;
    fault->bytes = (uint64_t)numbers->bytes;
    fault->future_too = numbers->future_too != 0;
    fault->differ = numbers->differ != 0;
    fault->pings = numbers->pings != 0;
    fault->remaining = numbers->n > 0 ? numbers->n : often == ONCE ? 1 : -1;
    bool waits = fault->type == SIM_FAULT_SLOW_TLS || fault->type == SIM_FAULT_ACTIVATION ||
                 fault->type == SIM_FAULT_REST;
    bool timed = fault->type == SIM_FAULT_REFUSE || fault->type == SIM_FAULT_STATUS ||
                 fault->type == SIM_FAULT_REDIRECT;
    if (timed && numbers->ms >= 0) {
        fault->until = fh_time_add_ms(fh_now(), numbers->ms);
        fault->remaining = numbers->n > 0 ? numbers->n : -1;
    }
    fault->active = often == CONNECTION || types[fault->type].at_events || timed || waits;
}

/* What a type takes when the request does not say, and what it may take. */
static int judge_numbers(enum sim_fault_type type, struct numbers *numbers, struct fh_error *err)
{
    bool ends = type == SIM_FAULT_END;
    bool redirect = type == SIM_FAULT_REDIRECT;
    bool rest = type == SIM_FAULT_REST;
    if (rest && numbers->code < 0 && (numbers->ms >= 0 || numbers->bytes > 0)) {
        numbers->code = 200; /* as it would be, but later or with other bytes */
    }
    if (rest && numbers->ms < 0) {
        numbers->ms = 0;
    }
    if (numbers->key >= 0 && type != SIM_FAULT_REVOKE) {
        return fh_error_set(err, -EINVAL, "key= is for type=revoke");
    }
    if (type == SIM_FAULT_REVOKE && numbers->ms < 0) {
        numbers->ms = 0;
    }
    if (numbers->code < 0) {
        numbers->code = redirect ? 307 : ends ? -1 : 500;
    }
    int64_t code = numbers->code;
    if ((type == SIM_FAULT_STATUS && (code < 300 || code > 599)) ||
        (rest && code != 200 && (code < 300 || code > 599)) ||
        (redirect && (code < 301 || code > 308)) ||
        (ends && code >= 0 && code > 16 && (code < 1000 || code > 4999))) {
        return fh_error_set(err, -EINVAL, "code=%lld is not one for type=%s", (long long)code,
                            types[type].name);
    }
    if (numbers->bytes == 0 && !rest) {
        numbers->bytes = type == SIM_FAULT_LONG_LINE   ? 10000000
                         : type == SIM_FAULT_FRAGMENTS ? 64
                                                       : 1 << 20;
    }
    return 0;
}

static int parse_location(const char *value, struct sim_fault *fault, struct fh_error *err)
{
    for (const char *p = value; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            return fh_error_set(err, -EINVAL, "location= has characters no address has");
        }
    }
    snprintf(fault->location, sizeof(fault->location), "%s", value);
    return 0;
}

int sim_fault_parse(const char *query, struct fh_error *err, struct sim_fault *ret)
{
    struct numbers numbers = {.ms = -1,
                              .ahead_ms = 3600000,
                              .by = 5,
                              .code = -1,
                              .retry_after = -1,
                              .differ = 1,
                              .key = -1};
    bool typed = false;
    char name[32];
    char value[256];
    size_t position = 0;
    struct sim_fault fault = {0};
    while (sim_query_next(query, &position, name, sizeof(name), value, sizeof(value))) {
        int r = 0;
        if (strcmp(name, "type") == 0) {
            r = parse_type(value, err, &fault.type);
            typed = r == 0;
        } else if (strcmp(name, "layer") == 0) {
            fault.stream_only = strcmp(value, "stream") == 0;
            fault.http_only = strcmp(value, "http") == 0;
        } else if (strcmp(name, "location") == 0) {
            r = parse_location(value, &fault, err);
        } else {
            r = parse_parameter(name, value, &numbers, err);
        }
        if (r < 0) {
            return r;
        }
    }
    if (!typed) {
        return fh_error_set(err, -EINVAL, "type= is missing");
    }
    if (judge_numbers(fault.type, &numbers, err) < 0) {
        return -EINVAL;
    }
    fill_rule(&numbers, &fault);
    *ret = fault;
    return 0;
}

static void retire(struct sim_faults *faults, struct sim_fault *rule)
{
    if (rule->active && types[rule->type].at_events) {
        atomic_fetch_sub(&faults->at_events, 1);
    }
    rule->active = false;
}

/* A free place: a new one, or that of a rule that has done its work. */
static struct sim_fault *find_place(struct sim_faults *faults)
{
    if (faults->count < RULES_MAX) {
        return &faults->rules[faults->count++];
    }
    struct sim_fault *oldest = NULL;
    for (unsigned i = 0; i < RULES_MAX; i++) {
        struct sim_fault *rule = &faults->rules[i];
        if ((!rule->active || types[rule->type].often == CONNECTION) &&
            (!oldest || rule->id < oldest->id)) {
            oldest = rule;
        }
    }
    return oldest;
}

int sim_faults_add(struct sim_faults *faults, const struct sim_fault *fault)
{
    pthread_mutex_lock(&faults->lock);
    if (fault->type == SIM_FAULT_CLEAR) {
        for (unsigned i = 0; i < faults->count; i++) {
            retire(faults, &faults->rules[i]);
        }
    }
    int r = -ENOSPC;
    struct sim_fault *place = find_place(faults);
    if (place) {
        *place = *fault;
        place->id = atomic_load(&faults->generation) + 1;
        if (place->active && types[place->type].at_events) {
            atomic_fetch_add(&faults->at_events, 1);
        }
        atomic_store(&faults->generation, place->id);
        r = (int)place->id;
    }
    pthread_mutex_unlock(&faults->lock);
    return r;
}

bool sim_faults_at_events(const struct sim_faults *faults)
{
    return atomic_load_explicit(&faults->at_events, memory_order_relaxed) > 0;
}

unsigned sim_faults_generation(const struct sim_faults *faults)
{
    return atomic_load_explicit(&faults->generation, memory_order_acquire);
}

bool sim_faults_use(struct sim_faults *faults, enum sim_fault_type type, unsigned replica,
                    unsigned partition, struct sim_fault *ret)
{
    bool found = false;
    struct fh_time now = fh_now();
    pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; i < faults->count && !found; i++) {
        struct sim_fault *rule = &faults->rules[i];
        if (!rule->active || rule->type != type) {
            continue;
        }
        if (fh_time_is_set(rule->until) && !fh_time_before(now, rule->until)) {
            retire(faults, rule);
            continue;
        }
        if ((rule->replica != 0 && rule->replica != replica) ||
            (rule->partition != 0 && partition != 0 && rule->partition != partition)) {
            continue;
        }
        found = true;
        rule->applied++;
        *ret = *rule;
        if (rule->remaining > 0 && --rule->remaining == 0) {
            retire(faults, rule);
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return found;
}

static bool concerns(const struct sim_fault *rule, unsigned born,
                     const struct sim_reader_info *reader)
{
    return rule->active && types[rule->type].often == CONNECTION &&
           (rule->future_too || rule->id > born) &&
           (rule->replica == 0 || rule->replica == reader->replica) &&
           (rule->key < 0 || (unsigned)rule->key == reader->key) &&
           (rule->partition == 0 ||
            (rule->partition >= reader->min_partition && rule->partition <= reader->max_partition));
}

bool sim_faults_for_stream(struct sim_faults *faults, unsigned born,
                           const struct sim_reader_info *reader, unsigned *seen,
                           struct sim_fault *ret)
{
    struct sim_fault *first = NULL;
    pthread_mutex_lock(&faults->lock);
    for (unsigned i = 0; i < faults->count; i++) {
        struct sim_fault *rule = &faults->rules[i];
        if (rule->id > *seen && (!first || rule->id < first->id) && concerns(rule, born, reader)) {
            first = rule;
        }
    }
    if (first) {
        *seen = first->id;
        first->applied++;
        *ret = *first;
        if (first->remaining > 0 && --first->remaining == 0) {
            retire(faults, first);
        }
    } else {
        *seen = atomic_load(&faults->generation);
    }
    pthread_mutex_unlock(&faults->lock);
    return first != NULL;
}

int sim_faults_report(struct sim_faults *faults, struct fh_buf *out)
{
    pthread_mutex_lock(&faults->lock);
    int r = fh_buf_printf(out, "[");
    for (unsigned i = 0; i < faults->count && r == 0; i++) {
        const struct sim_fault *rule = &faults->rules[i];
        r = fh_buf_printf(out,
                          "%s{\"id\":%u,\"type\":\"%s\",\"replica\":%u,\"partition\":%u,"
                          "\"active\":%s,\"remaining\":%lld,\"applied\":%llu}",
                          i > 0 ? "," : "", rule->id, types[rule->type].name, rule->replica,
                          rule->partition, rule->active ? "true" : "false",
                          (long long)rule->remaining, (unsigned long long)rule->applied);
    }
    if (r == 0) {
        r = fh_buf_printf(out, "]\n");
    }
    pthread_mutex_unlock(&faults->lock);
    return r;
}
