/* top_model.c: from answers of the daemon to rates. Never prints, never waits. */
#include "top_model.h"

#include "fh/err.h"

#include "members.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- strings that may be missing --------------------------------------------------------------
 */

/* Printable ASCII, so that a column of the screen is a byte; cut to size. */
static void plain(const char *from, char *text, size_t size)
{
    snprintf(text, size, "%s", from);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) {
            *at = '?';
        }
    }
}

static void string(const cJSON *object, const char *name, char *text, size_t size)
{
    const cJSON *item = member(object, name);
    plain(cJSON_IsString(item) ? item->valuestring : "", text, size);
}

/* ---- series -----------------------------------------------------------------------------------
 */

static void add_point(struct fh_top_series *series, float rate)
{
    series->rate[series->next] = rate;
    series->next = (series->next + 1) % FH_TOP_POINTS;
    if (series->points < FH_TOP_POINTS) {
        series->points++;
    }
}

/* elapsed_ms 0: there is no status before this one to compare with. */
static void count(struct fh_top_series *series, uint64_t total, int64_t elapsed_ms)
{
    bool difference = series->counted && elapsed_ms > 0 && total >= series->total;
    add_point(series, difference
                          ? (float)((double)(total - series->total) * 1000.0 / (double)elapsed_ms)
                          : NAN);
    series->total = total;
    series->counted = true;
    series->seen = true;
}

static void skip(struct fh_top_series *series)
{
    add_point(series, NAN);
    series->counted = false;
}

double fh_top_rate(const struct fh_top_series *series, size_t back)
{
    if (back >= series->points) {
        return NAN;
    }
    return (double)series->rate[(series->next + FH_TOP_POINTS - 1 - back) % FH_TOP_POINTS];
}

/* ---- the parts of a status --------------------------------------------------------------------
 */

static void add_node(struct fh_top_model *model, const cJSON *status)
{
    string(status, "node", model->node, sizeof(model->node));
    string(status, "version", model->version, sizeof(model->version));
    string(status, "role", model->role, sizeof(model->role));
    string(status, "role_reason", model->reason, sizeof(model->reason));
    string(status, "sync", model->sync, sizeof(model->sync));
    model->epoch = number(status, "epoch", 0);
    model->uptime_ms = number(status, "uptime_ms", -1);
    model->protected = is_true(status, "protected");
    model->ready = is_true(status, "ready");
    model->maintenance = is_true(status, "maintenance");
    model->fenced = is_true(status, "fenced");
    model->switching = is_true(status, "switching");
}

static void add_peer(struct fh_top_peer *peer, const cJSON *from)
{
    const cJSON *path;
    peer->configured = is_true(from, "configured");
    peer->reachable = is_true(from, "reachable");
    peer->ready = is_true(from, "ready");
    peer->maintenance = is_true(from, "maintenance");
    string(from, "node", peer->node, sizeof(peer->node));
    string(from, "role", peer->role, sizeof(peer->role));
    string(from, "refused", peer->refused, sizeof(peer->refused));
    peer->epoch = number(from, "epoch", 0);
    peer->last_heard_ms = number(from, "last_heard_ms", -1);
    peer->paths = 0;
    cJSON_ArrayForEach(path, member(from, "paths"))
    {
        if (peer->paths == FH_TOP_PATHS) {
            break;
        }
        struct fh_top_path *row = &peer->path[peer->paths++];
        string(path, "address", row->address, sizeof(row->address));
        row->up = is_true(path, "up");
        row->datagrams = !cJSON_IsFalse(member(path, "datagrams"));
    }
}

static void add_arbiter(struct fh_top_model *model, const cJSON *arbiter)
{
    char type[24];
    char holder[32];
    model->arbiter[0] = '\0';
    if (!is_true(arbiter, "configured")) {
        return;
    }
    string(arbiter, "type", type, sizeof(type));
    string(arbiter, "holder", holder, sizeof(holder));
    snprintf(model->arbiter, sizeof(model->arbiter), "%s %s%s%s", type, arbiter_words(arbiter),
             holder[0] ? ", lease held by " : "", holder);
}

static struct fh_top_receiver *receiver_of(struct fh_top_model *model, const char *range)
{
    for (size_t i = 0; i < model->receivers; i++) {
        if (strcmp(model->receiver[i].events.name, range) == 0) {
            return &model->receiver[i];
        }
    }
    if (model->receivers == FH_TOP_RECEIVERS) {
        return NULL;
    }
    struct fh_top_receiver *receiver = &model->receiver[model->receivers++];
    memset(receiver, 0, sizeof(*receiver));
    snprintf(receiver->events.name, sizeof(receiver->events.name), "%s", range);
    return receiver;
}

/* The ranges a reload took away go, so that there is room for the new ones. */
static void drop_receivers(struct fh_top_model *model)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->receivers; i++) {
        if (model->receiver[i].events.seen) {
            if (kept != i) {
                model->receiver[kept] = model->receiver[i];
            }
            kept++;
        }
    }
    model->receivers = kept;
}

static bool names(const cJSON *list, const char *key, const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, list)
    {
        char text[40];
        string(row, key, text, sizeof(text));
        if (strcmp(text, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_receivers(struct fh_top_model *model, const cJSON *list, int64_t elapsed_ms)
{
    const cJSON *row;
    for (size_t i = 0; i < model->receivers; i++) {
        model->receiver[i].events.seen = names(list, "range", model->receiver[i].events.name);
    }
    drop_receivers(model);
    cJSON_ArrayForEach(row, list)
    {
        char range[40];
        string(row, "range", range, sizeof(range));
        struct fh_top_receiver *receiver = receiver_of(model, range);
        if (!receiver) {
            continue;
        }
        count(&receiver->events, counter(row, "events"), elapsed_ms);
        string(row, "state", receiver->state, sizeof(receiver->state));
        string(row, "last_error", receiver->error, sizeof(receiver->error));
        receiver->lag_ms = number(row, "lag_ms", -1);
        receiver->last_byte_age_ms = number(row, "last_byte_age_ms", -1);
        receiver->retry_in_ms = number(row, "retry_in_ms", 0);
        receiver->last_timestamp = number(row, "last_timestamp", 0);
    }
}

static struct fh_top_sink *sink_of(struct fh_top_model *model, const char *name)
{
    for (size_t i = 0; i < model->sinks; i++) {
        if (strcmp(model->sink[i].delivered.name, name) == 0) {
            return &model->sink[i];
        }
    }
    if (model->sinks == FH_TOP_SINKS) {
        return NULL;
    }
    struct fh_top_sink *sink = &model->sink[model->sinks++];
    memset(sink, 0, sizeof(*sink));
    snprintf(sink->delivered.name, sizeof(sink->delivered.name), "%s", name);
    return sink;
}

/* Sinks change with a restart only: when one is missing, all begin anew. */
static void add_sinks(struct fh_top_model *model, const cJSON *list, int64_t elapsed_ms)
{
    const cJSON *row;
    for (size_t i = 0; i < model->sinks; i++) {
        if (!names(list, "name", model->sink[i].delivered.name)) {
            model->sinks = 0;
        }
    }
    cJSON_ArrayForEach(row, list)
    {
        char name[40];
        string(row, "name", name, sizeof(name));
        struct fh_top_sink *sink = sink_of(model, name);
        if (!sink) {
            continue;
        }
        count(&sink->delivered, counter(row, "delivered"), elapsed_ms);
        string(row, "type", sink->type, sizeof(sink->type));
        string(row, "last_error", sink->error, sizeof(sink->error));
        sink->pending = number(row, "pending", 0);
        sink->dropped = number(row, "dropped", 0) + number(row, "missed", 0);
        sink->refused = number(row, "refused", 0);
        sink->healthy = !cJSON_IsFalse(member(row, "healthy"));
        sink->required = !cJSON_IsFalse(member(row, "required"));
    }
}

static struct fh_top_series *type_of(struct fh_top_model *model, const char *name)
{
    for (size_t i = 0; i < model->types; i++) {
        if (strcmp(model->type[i].name, name) == 0) {
            return &model->type[i];
        }
    }
    if (model->types == FH_TOP_TYPES) {
        return NULL;
    }
    struct fh_top_series *series = &model->type[model->types++];
    memset(series, 0, sizeof(*series));
    snprintf(series->name, sizeof(series->name), "%s", name);
    return series;
}

/* A type that comes for the first time has come since the last status: it counts from 0. */
static void add_types(struct fh_top_model *model, const cJSON *types, int64_t elapsed_ms)
{
    const cJSON *item;
    bool first = model->types == 0;
    for (size_t i = 0; i < model->types; i++) {
        model->type[i].seen = false;
    }
    cJSON_ArrayForEach(item, types)
    {
        char name[40];
        if (!cJSON_IsNumber(item) || !item->string) {
            continue;
        }
        plain(item->string, name, sizeof(name));
        size_t before = model->types;
        struct fh_top_series *series = type_of(model, name);
        if (series && !series->seen) {
            series->counted = series->counted || (model->types > before && !first);
            int64_t total = whole(item, 0);
            count(series, total > 0 ? (uint64_t)total : 0, elapsed_ms);
        }
    }
    for (size_t i = 0; i < model->types; i++) {
        if (!model->type[i].seen) {
            skip(&model->type[i]);
        }
    }
}

void fh_top_add(struct fh_top_model *model, const cJSON *status, int64_t now_ms, int64_t wall_ms)
{
    int64_t uptime_ms = number(status, "uptime_ms", -1);
    bool restarted = model->known && uptime_ms >= 0 && uptime_ms < model->uptime_ms;
    const cJSON *counters = member(status, "counters");
    const cJSON *store = member(status, "store");
    int64_t elapsed_ms = model->connected && !restarted ? now_ms - model->status_ms : 0;
    model->restarts += restarted;
    add_node(model, status);
    add_peer(&model->peer, member(status, "peer"));
    add_arbiter(model, member(status, "arbiter"));
    count(&model->received, counter(counters, "received"), elapsed_ms);
    model->duplicates = number(counters, "duplicates", 0);
    model->quarantined = number(counters, "quarantined", 0);
    model->gaps = number(counters, "gaps", 0);
    add_receivers(model, member(status, "receivers"), elapsed_ms);
    add_sinks(model, member(status, "sinks"), elapsed_ms);
    add_types(model, member(counters, "types"), elapsed_ms);
    model->bytes_used = number(store, "bytes_used", 0);
    model->size_limit = number(store, "size_limit", 0);
    model->kept = number(store, "events", 0);
    model->backpressure = is_true(store, "backpressure");
    model->known = true;
    model->connected = true;
    model->why[0] = '\0';
    model->now_ms = model->status_ms = now_ms;
    model->wall_ms = wall_ms;
}

void fh_top_add_history(struct fh_top_model *model, const cJSON *history)
{
    const cJSON *list = member(history, "history");
    int size = cJSON_GetArraySize(list);
    model->changes = 0;
    for (int i = size - 1; i >= 0 && model->changes < FH_TOP_CHANGES; i--) {
        const cJSON *row = cJSON_GetArrayItem(list, i);
        struct fh_top_change *change = &model->change[model->changes++];
        change->time_ms = number(row, "time_ms", 0);
        change->epoch = number(row, "epoch", 0);
        string(row, "from", change->from, sizeof(change->from));
        string(row, "to", change->to, sizeof(change->to));
        string(row, "reason", change->reason, sizeof(change->reason));
    }
}

void fh_top_lost(struct fh_top_model *model, const char *why, int64_t now_ms, int64_t wall_ms)
{
    plain(why, model->why, sizeof(model->why));
    model->connected = false;
    model->now_ms = now_ms;
    model->wall_ms = wall_ms;
    if (!model->known) {
        return;
    }
    skip(&model->received);
    for (size_t i = 0; i < model->receivers; i++) {
        skip(&model->receiver[i].events);
    }
    for (size_t i = 0; i < model->sinks; i++) {
        skip(&model->sink[i].delivered);
    }
    for (size_t i = 0; i < model->types; i++) {
        skip(&model->type[i]);
    }
}

int64_t fh_top_lag(const struct fh_top_model *model)
{
    int64_t lag = 0;
    for (size_t i = 0; i < model->receivers; i++) {
        lag = model->receiver[i].lag_ms > lag ? model->receiver[i].lag_ms : lag;
    }
    return lag;
}

int64_t fh_top_newest(const struct fh_top_model *model)
{
    int64_t newest = 0;
    for (size_t i = 0; i < model->receivers; i++) {
        int64_t stamp = model->receiver[i].last_timestamp;
        newest = stamp > newest ? stamp : newest;
    }
    return newest;
}

/* Busier, or as busy and more of them, or else the first by name: the order does not flicker. */
static bool goes_before(const struct fh_top_series *a, const struct fh_top_series *b)
{
    double rate_a = fh_top_rate(a, 0);
    double rate_b = fh_top_rate(b, 0);
    rate_a = isnan(rate_a) ? 0 : rate_a;
    rate_b = isnan(rate_b) ? 0 : rate_b;
    if (rate_a > rate_b || rate_a < rate_b) {
        return rate_a > rate_b;
    }
    return a->total != b->total ? a->total > b->total : strcmp(a->name, b->name) < 0;
}

size_t fh_top_busiest(const struct fh_top_model *model, size_t order[FH_TOP_TYPES])
{
    size_t length = 0;
    for (size_t i = 0; i < model->types; i++) {
        size_t at = length++;
        for (; at > 0 && goes_before(&model->type[i], &model->type[order[at - 1]]); at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return length;
}
